//! Conditions as a user meets them: validations, preconditions, postconditions and checks, while planning and while applying. What happens is
//! what Terraform does with the same configuration on `terraform_data`.

mod common;

use std::collections::BTreeSet;

use common::Lab;
use serde_json::Value as Json;

const MAIN: &str = r#"
variable "n" {
  type    = number
  default = 1
  validation {
    condition     = var.n < var.max
    error_message = "n must be below ${var.max}, not ${var.n}"
  }
}
variable "max" {
  default = 5
}
variable "fail" {
  default = ""
}
resource "null_resource" "a" {
  inputs = var.n
  lifecycle {
    precondition {
      condition     = var.fail != "pre"
      error_message = "pre"
    }
    postcondition {
      condition     = var.fail != "post" || self.id == "x"
      error_message = "post ${length(self.id)}"
    }
  }
}
resource "null_resource" "b" {
  inputs = null_resource.a.id
  lifecycle {
    precondition {
      condition     = var.fail != "pre2" || null_resource.a.id == "x"
      error_message = "pre2"
    }
  }
}
output "o" {
  value = null_resource.a.id
  precondition {
    condition     = var.fail != "out" || null_resource.a.id == "x"
    error_message = "out"
  }
}
check "known" {
  assert {
    condition     = var.fail != "check"
    error_message = "check says no"
  }
}
check "later" {
  assert {
    condition     = var.fail != "later" || null_resource.a.id == "x"
    error_message = "later says no"
  }
}
check "odd" {
  assert {
    condition     = var.fail != "odd" || length(null_resource.a.id)
    error_message = "odd"
  }
}
module "m" {
  source = "./m"
  n      = var.n
}
"#;

fn lab() -> Lab {
    let lab = Lab::new(MAIN);
    lab.write(
        "m/main.hcl",
        "variable \"n\" {\n  validation {\n    condition     = var.n != 3\n    error_message = \"m not three\"\n  }\n}\ncheck \"inner\" {\n  assert {\n    condition     = var.n != 2\n    error_message = \"inner not two\"\n  }\n}\n",
    );
    lab
}

#[test]
fn a_validation_may_refer_to_other_variables() {
    let s = lab().fails("plan -var n=6", &["n must be below 5, not 6"]);
    assert_eq!(
        s.text,
        "\
╷
│ Error[SF2034]: Variable validation failed
│
│   on main.hcl line 2, in variable \"n\":
│      2: variable \"n\" {
│                  ^^^
│   with var.n
│     ├────────────────
│     │ var.n is 6
│     │ var.max is 5
│
│   on main.hcl line 6, in variable \"n\" (the rule):
│      6:     condition     = var.n < var.max
│                             ^^^^^^^^^^^^^^^
│
│ n must be below 5, not 6
╵
exit 1
"
    );
}

#[test]
fn a_modules_validation_points_to_the_call() {
    lab().fails("plan -var n=3", &["main.hcl line 65, in module \"m\":", "with module.m.var.n", "var.n is 3", "(the rule)", "m not three"]);
}

#[test]
fn what_is_known_is_judged_while_planning() {
    let lab = lab();
    lab.fails("plan -var fail=pre", &["Error[SF3004]", "with null_resource.a", "var.fail is \"pre\"", "pre"]);
    lab.ok("plan -var fail=check").shows(&["Warning[SF3016]: Check block assertion failed", "with check.known", "check says no"]);
    lab.ok("plan -var n=2").shows(&["Warning[SF3016]", "with module.m.check.inner", "inner not two"]);
    lab.ok("plan -var fail=later").shows(&["Warning[SF3017]: Check block assertion is not known yet", "with check.later"]);
    lab.ok("plan -var fail=post");
    // An expression that makes no sense is no failed check.
    lab.ok("apply -auto-approve");
    lab.fails("plan -var fail=odd", &["Error[SF1013]", "bool required"]);
}

#[test]
fn what_was_unknown_is_judged_while_applying() {
    let run = |what: &str| {
        let lab = lab();
        let s = lab.run(&format!("apply -auto-approve -var fail={what}"));
        (lab.run("state list"), s)
    };
    // The object stays, and what needs it waits.
    let (state, s) = run("post");
    assert_eq!(s.code, 1, "{}", s.text);
    s.shows(&["Error[SF3004]", "with null_resource.a", "post 36", "create null_resource.b (something it needs failed)"]);
    state.shows(&["null_resource.a"]).hides(&["null_resource.b"]);

    let (state, s) = run("pre2");
    assert_eq!(s.code, 1, "{}", s.text);
    s.shows(&["Error[SF3004]", "with null_resource.b", "pre2"]);
    state.shows(&["null_resource.a"]).hides(&["null_resource.b"]);

    let (_, s) = run("out");
    assert_eq!(s.code, 1, "{}", s.text);
    s.shows(&["Error[SF3004]", "with output.o", "out"]).hides(&["\no = "]);

    let (state, s) = run("later");
    assert_eq!(s.code, 0, "{}", s.text);
    s.shows(&["Warning[SF3016]", "later says no", "Apply complete! Resources: 2 added"]);
    state.shows(&["null_resource.b"]);
}

#[test]
fn a_condition_must_be_a_boolean_and_hides_what_is_sensitive() {
    let lab = Lab::new(
        "variable \"s\" {\n  default   = \"hunter2\"\n  sensitive = true\n  validation {\n    condition     = var.s == \"\"\n    error_message = \"it was ${var.s}\"\n  }\n}\nvariable \"n\" {\n  default = 1\n  validation {\n    condition     = [var.n]\n    error_message = \"no\"\n  }\n}\nvariable \"z\" {\n  default = 1\n  validation {\n    condition     = var.z == 1 ? null : true\n    error_message = \"no\"\n  }\n}\n",
    );
    let s = lab.fails("plan", &["var.s is (sensitive value)", "The message refers to a sensitive value and is not shown."]);
    s.shows(&["and this one is a tuple", "and this one is null"]).hides(&["hunter2"]);
}

#[test]
fn the_data_of_a_check_never_fails_a_run() {
    let lab = Lab::new(
        r#"
check "elsewhere" {
  data "kafka_connect" "gone" {
    url = "http://127.0.0.1:1"
  }
  assert {
    condition     = data.kafka_connect.gone.group_id != ""
    error_message = "no group"
  }
}
resource "null_resource" "a" {}
"#,
    );
    lab.ok("validate");
    let s = lab.ok("plan");
    // It is read when all else is as it will be.
    s.shows(&["data.kafka_connect.gone will be read during apply", "Warning[SF3017]", "Plan: 1 to add"]);
    lab.apply().shows(&["with data.kafka_connect.gone", "Warning[", "Apply complete! Resources: 1 added"]);
    lab.ok("plan").shows(&["with data.kafka_connect.gone", "Warning[", "No changes."]);
    lab.write("more.hcl", "output \"o\" {\n  value = data.kafka_connect.gone.group_id\n}\n");
    lab.fails("validate", &["data.kafka_connect.gone stands in a check block"]);
    lab.write("more.hcl", "check \"c\" {\n  assert {\n    condition     = var.nothing\n    error_message = \"no\"\n  }\n}\n");
    lab.fails("validate", &["Nothing declares var.nothing"]);
}

/// What is said of one configuration under sixty command lines, and what the state then holds, as Terraform 1.11 has it with
/// `terraform_data` in place of `null_resource`.
#[test]
fn conditions_are_judged_when_terraform_judges_them() {
    let golden: Json = serde_json::from_str(include_str!("golden/condition_cases.json")).unwrap();
    let text = |v: &Json| v.as_str().unwrap().to_string();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 60);
    let mut wrong = Vec::new();
    for case in cases {
        let lab = Lab::new(&text(&golden["main"]));
        lab.write("m/main.hcl", &text(&golden["module"]));
        if case["before"] == true {
            lab.apply();
        }
        let s = lab.run(&format!("{} -json {}", text(&case["command"]), text(&case["args"])));
        let state = lab.run("state list").stdout;
        let mut state: Vec<&str> = state.lines().filter(|l| l.contains('_')).collect();
        state.sort_unstable();
        let now = serde_json::json!({"exit": s.code, "diagnostics": told(&s.stdout), "state": state});
        let wanted = serde_json::json!({"exit": case["exit"], "diagnostics": case["diagnostics"], "state": case["state"]});
        if now != wanted {
            wrong.push(format!("{} {}\n  wanted {wanted}\n  but    {now}", case["command"], case["args"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Severity and message of every diagnostic in JSON lines, sorted, each once; what is not known yet is `UNKNOWN`.
fn told(stdout: &str) -> Vec<(String, String)> {
    let lines = stdout.lines().filter_map(|l| serde_json::from_str::<Json>(l).ok()).filter(|j| j["type"] == "diagnostics");
    let all: Vec<Json> = lines.flat_map(|j| j["diagnostics"].as_array().cloned().unwrap_or_default()).collect();
    let one = |d: &Json| {
        let detail = d["detail"].as_str().unwrap_or_default();
        let detail = if d["code"] == "SF3017" { "UNKNOWN" } else { detail };
        (d["severity"].as_str().unwrap_or_default().to_string(), detail.to_string())
    };
    // That -target leaves things out is said of the run, and no condition.
    all.iter().filter(|d| d["code"] != "SF3031").map(one).collect::<BTreeSet<_>>().into_iter().collect()
}
