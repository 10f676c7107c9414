//! The command line as a process, without any real system: what a user types, and what the screen says.

mod common;

use std::collections::BTreeSet;
use std::io::BufRead;

use common::{Lab, Screen, many, recorded, screen, signal, stairs, until};

// Bad input: each error shows its code, the place with a caret, and what to do.

#[test]
fn syntax_error() {
    let lab = Lab::new("resource \"null_resource\" \"a\" {\n  inputs = [1,\n}\n");
    let s = lab.run("validate");
    assert_eq!(
        s.text,
        "\
╷
│ Error[SF1001]: Invalid syntax
│
│   on main.hcl line 3, in resource \"null_resource\" \"a\":
│      3: }
│         ^
│
│   on main.hcl line 2, in resource \"null_resource\" \"a\" (opened here):
│      2:   inputs = [1,
│                    ^
│
│ Here '}' closes a bracket that was opened with '['.
╵
exit 1
"
    );
}

#[test]
fn unknown_block() {
    Lab::new("resorce \"null_resource\" \"a\" {}\n").fails(
        "plan",
        &[
            "Error[SF2002]: Unsupported block type",
            "on main.hcl line 1",
            "│      1: resorce \"null_resource\" \"a\" {}\n│         ^^^^^^^\n",
            "hint: Did you mean \"resource\"?",
        ],
    );
}

#[test]
fn unknown_attribute() {
    Lab::new("resource \"null_resource\" \"a\" {\n  input = 1\n}\n").fails(
        "validate",
        &[
            "│      2:   input = 1\n│           ^^^^^\n│   with null_resource.a",
            "There is no argument \"input\" here.",
            "hint: Did you mean \"inputs\"?",
        ],
    );
}

#[test]
fn unknown_function() {
    Lab::new("locals {\n  a = uper(\"x\")\n}\n").fails(
        "plan",
        &["Error[SF1021]: Unknown function", "│      2:   a = uper(\"x\")\n│               ^^^^\n", "hint: Did you mean \"upper\"?"],
    );
}

#[test]
fn unknown_resource_type() {
    Lab::new("resource \"kafka_topik\" \"a\" {}\n").fails(
        "plan",
        &["Error[SF3011]: Unknown resource type", "^^^^^^^^^^^^^\n│   with kafka_topik.a", "hint: Did you mean \"kafka_topic\"?"],
    );
}

#[test]
fn wrong_type() {
    Lab::new("resource \"null_resource\" \"a\" {\n  delay_ms = \"soon\"\n}\n").fails(
        "plan",
        &[
            "Error[SF1024]: Wrong type of value",
            "│      2:   delay_ms = \"soon\"\n│                      ^^^^^^\n",
            "\"delay_ms\": a number is required.",
        ],
    );
}

#[test]
fn missing_variable() {
    let lab = Lab::new("variable \"name\" {\n  type = string\n}\noutput \"x\" {\n  value = var.name\n}\n");
    lab.fails(
        "plan",
        &[
            "Error[SF2030]: No value for required variable",
            "variable \"name\" {\n│                  ^^^^^^\n",
            "hint: Give one by -var 'name=…', in a variable file, or as SF_VAR_name.",
        ],
    );
    lab.ok("plan -var name=a");
    lab.ok("plan --var=name=a");
}

#[test]
fn a_variable_that_has_a_value_for_terraform_only() {
    let lab = Lab::new("variable \"name\" { }\nvariable \"size\" { }\n");
    let plan = |env: &[(&str, &str)]| {
        let out = lab.command(&["plan".to_string()]).envs(env.iter().copied()).output().unwrap();
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    let text = plan(&[("TF_VAR_name", "a")]);
    assert!(text.contains("TF_VAR_name is set, and sets nothing here: rename it to SF_VAR_name."), "{text}");
    assert!(text.contains("as SF_VAR_size") && !text.contains("TF_VAR_size"), "{text}");
    let text = plan(&[("TF_VAR_name", "a"), ("SF_VAR_name", "a"), ("SF_VAR_size", "1")]);
    assert!(!text.contains("TF_VAR"), "{text}");
}

#[test]
fn compact_warnings() {
    let text = "resource \"null_resource\" \"a\" {\n  lifecycle { ignore_changes = [id] }\n}\n";
    let lab = Lab::new(text);
    let listed = "Warnings:\n\n- Redundant ignore_changes element [SF3034]\n  on main.hcl line 2\n";
    for command in ["plan -compact-warnings", "apply -auto-approve -compact-warnings"] {
        lab.ok(command).shows(&["without -compact-warnings"]).hides(&["no change to ignore"]);
    }
    lab.ok("plan -compact-warnings").shows(&[listed]);
    lab.ok("plan").shows(&["no change to ignore"]).hides(&["Warnings:"]);
    // An error is shown in full, and so are the warnings beside it.
    lab.write("more.hcl", "output \"o\" {\n  value = 1 + \"x\"\n}\n");
    lab.fails("plan -compact-warnings", &["no change to ignore", "more.hcl line 2"]);
}

#[test]
fn a_cycle_is_shown_whole() {
    let lab = Lab::new(
        "resource \"null_resource\" \"a\" {\n  inputs = null_resource.b.id\n}\nresource \"null_resource\" \"b\" {\n  inputs = local.c\n}\nlocals {\n  c = null_resource.a.id\n}\n",
    );
    let s = lab.fails(
        "plan",
        &["Error[SF3001]: Dependency cycle", "local.c -> null_resource.a -> null_resource.b -> local.c", "hint: Each of these needs"],
    );
    s.shows(&["main.hcl line 1,", "main.hcl line 4,", "main.hcl line 8,"]);
}

#[test]
fn duplicate_name() {
    Lab::new("resource \"null_resource\" \"a\" {}\nresource \"null_resource\" \"a\" {}\n").fails(
        "plan",
        &[
            "Error[SF2005]: Duplicate declaration",
            "on main.hcl line 2",
            "on main.hcl line 1, in resource \"null_resource\" \"a\" (first declared here)",
            "hint: Rename or remove one",
        ],
    );
}

#[test]
fn reference_to_nothing() {
    Lab::new("resource \"null_resource\" \"orders\" {}\noutput \"x\" {\n  value = null_resource.order.id\n}\n").fails(
        "plan",
        &[
            "Error[SF1010]",
            "│      3:   value = null_resource.order.id\n│                   ^^^^^^^^^^^^^^^^^^^",
            "hint: Did you mean null_resource.orders?",
        ],
    );
}

#[test]
fn reserved_connect_setting() {
    Lab::new("resource \"kafka_cluster\" \"c\" {\n  engine = \"local\"\n}\nresource \"kafka_connect\" \"c\" {\n  cluster = kafka_cluster.c\n  config = { \"group.id\" = \"x\" }\n}\n")
        .fails("plan", &["Error[SF8011]: Reserved setting", "^^^\n│   with kafka_connect.c", "\"group.id\" is set by streamform", "hint: Remove it."]);
}

#[test]
fn star_in_a_literal_acl_name_is_one_error_beside_the_unreachable_broker() {
    let lab = Lab::new(
        "data \"kafka_cluster\" \"c\" {\n  bootstrap_servers = \"127.0.0.1:1\"\n}\nresource \"kafka_acl\" \"a\" {\n  cluster   = data.kafka_cluster.c\n  principal = \"User:x\"\n  role \"consumer\" {\n    topic = \"orders-*\"\n  }\n}\n",
    );
    let s = lab.fails(
        "plan",
        &[
            "│      8:     topic = \"orders-*\"\n│                     ^^^^^^^^^^\n│   with kafka_acl.a",
            "hint: Write \"orders-\" with `pattern = \"prefixed\"`.",
            "│      1: data \"kafka_cluster\" \"c\" {\n│         ^^^^^^^^^^^^^^^^^^^^^^^^\n│   with data.kafka_cluster.c",
            "no broker answered at 127.0.0.1:1 within 1 s",
            "hint: Check that the cluster runs",
        ],
    );
    s.once("Error[SF6201]: Invalid ACL").once("Error[SF6001]: Kafka cluster is unreachable");
}

#[test]
fn unwritable_state_folder() {
    Lab::new("streamform {\n  backend \"local\" {\n    path = \"/proc/nowhere/state\"\n  }\n}\nresource \"null_resource\" \"a\" {}\n")
        .fails("apply -auto-approve", &["Error[SF5005]: State cannot be written", "/proc/nowhere/state", "hint: "]);
}

#[test]
fn bad_command_lines() {
    let lab = Lab::new("resource \"null_resource\" \"a\" {}\n");
    lab.fails("plan -var name", &["Error[SF9001]", "-var \"name\" has no value.", "hint: Write -var 'name=value'."]);
    lab.fails("plan -target=null_resource", &["Error[SF9001]", "not an address"]);
    lab.fails("plan -traget=null_resource.a", &["--traget", "--target"]);
    lab.fails("plan -parallelism=0", &["a whole number from 1 on is expected"]);
    lab.fails("apply", &["Error[SF9003]: No terminal to ask on", "hint: Give -auto-approve"]);
    lab.fails("apply nothing.plan", &["nothing.plan"]);
    lab.fails("-chdir=/nowhere plan", &["The folder /nowhere cannot be used"]);
}

/// Each verb with flags that contradict each other, or would do nothing: refused with exit 1, nothing read, nothing changed.
#[test]
fn flags_act_or_are_refused() {
    let lab = Lab::new("resource \"null_resource\" \"a\" {}\noutput \"o\" {\n  value = 1\n}\n");
    lab.apply();
    lab.ok("plan -out=p.plan -replace=null_resource.a");
    let before = lab.ok("state export").stdout;
    let refused: &[(&str, &str)] = &[
        ("plan -destroy -refresh-only", "-destroy and -refresh-only cannot be used together."),
        ("plan -refresh-only -refresh=false", "-refresh-only and -refresh=false cannot be used together."),
        ("plan -refresh-only -replace=null_resource.a", "-replace cannot be used with -refresh-only."),
        ("plan -refresh-only -allow-data-loss", "-allow-data-loss cannot be used with -refresh-only."),
        ("plan -destroy -replace=null_resource.a", "-replace cannot be used with -destroy."),
        ("plan -destroy -generate-config-out=g.hcl", "-generate-config-out cannot be used with -destroy."),
        ("plan -refresh-only -generate-config-out=g.hcl", "-generate-config-out cannot be used with -refresh-only."),
        ("plan -auto-approve", "unexpected argument '--auto-approve'"),
        ("plan p.plan", "unexpected argument 'p.plan'"),
        ("apply -auto-approve -destroy -refresh-only", "-destroy and -refresh-only cannot be used together."),
        ("apply -auto-approve -refresh-only -refresh=false", "-refresh-only and -refresh=false cannot be used together."),
        ("apply -auto-approve -refresh-only -replace=null_resource.a", "-replace cannot be used with -refresh-only."),
        ("apply -auto-approve -destroy -replace=null_resource.a", "-replace cannot be used with -destroy."),
        ("apply -auto-approve -lock=false", "so -lock=false is refused."),
        ("apply -auto-approve -detailed-exitcode", "unexpected argument '--detailed-exitcode'"),
        ("apply -auto-approve -out=q.plan", "unexpected argument '--out'"),
        ("apply -auto-approve -generate-config-out=g.hcl", "unexpected argument '--generate-config-out'"),
        ("apply p.plan q.plan", "unexpected argument 'q.plan'"),
        ("destroy -auto-approve -refresh-only", "destroy cannot be used with -refresh-only."),
        ("destroy -auto-approve -destroy", "destroy takes no -destroy"),
        ("destroy -auto-approve -replace=null_resource.a", "destroy cannot be used with -replace."),
        ("destroy -auto-approve -lock=false", "so -lock=false is refused."),
        ("destroy -auto-approve -detailed-exitcode", "unexpected argument '--detailed-exitcode'"),
        ("destroy -auto-approve -out=q.plan", "unexpected argument '--out'"),
        ("destroy -auto-approve p.plan", "carried out by streamform apply FILE."),
        ("apply -json", "With -json there is nobody to approve the plan."),
        ("destroy -json", "With -json there is nobody to approve the plan."),
        ("init -get=false", "so -get=false is refused."),
        ("init -upgrade -lockfile=readonly", "cannot be used with"),
        ("output -raw -json o", "cannot be used with"),
        ("output -raw", "required"),
        ("install -a -no-demo-cluster", "cannot be used with"),
        ("install -a -remove", "cannot be used with"),
    ];
    for (line, telling) in refused {
        let s = lab.run(line);
        assert_eq!(s.code, 1, "{line}\n{}", s.text);
        assert!(s.text.replace("\n│ ", " ").contains(telling), "{line}: {telling}\n{}", s.text);
    }
    let with_a_saved_plan = [
        "-destroy",
        "-refresh-only",
        "-refresh=false",
        "-target=null_resource.a",
        "-exclude=null_resource.a",
        "-replace=null_resource.a",
        "-allow-data-loss",
        "-verbose",
    ];
    for flag in with_a_saved_plan {
        let name = flag.split('=').next().unwrap();
        let s = lab.run(&format!("apply {flag} p.plan"));
        assert_eq!(s.code, 1, "{flag}\n{}", s.text);
        let text = s.text.replace("\n│ ", " ");
        assert!(
            text.contains("A saved plan is applied as it was made, so it cannot be combined with") && text.contains(name),
            "{flag}\n{text}"
        );
    }
    assert_eq!(lab.ok("state export").stdout, before, "nothing was done");
    // Help lists no flag that is only known to be refused.
    lab.ok("destroy -help").hides(&["--destroy", "--refresh-only", "--replace", "--detailed-exitcode", "--lock ", "[PLAN]"]);
    lab.ok("apply -help").hides(&["--detailed-exitcode", "--lock "]);
    lab.ok("plan -help").hides(&["--parallelism", "--lock-timeout", "--lock "]);
    // What Terraform's users write out of habit and what changes nothing is accepted.
    lab.ok("plan -input=false -lock=false -lock-timeout=1s -parallelism=3 -refresh=true");
    lab.ok("plan -destroy -refresh=false -target=null_resource.a");
    lab.ok("apply -input=false -lock=true -lock-timeout=1s -parallelism=3 -compact-warnings -auto-approve p.plan").shows(&["1 added"]);
    lab.ok("apply -auto-approve -refresh-only");
    lab.ok("apply -auto-approve -destroy -refresh=false").shows(&["1 destroyed"]);
}

#[test]
fn a_targeted_destroy_keeps_the_outputs_of_what_stays() {
    for verb in ["destroy -auto-approve", "apply -auto-approve -destroy"] {
        let lab = Lab::new(
            "resource \"null_resource\" \"a\" {\n  inputs = 1\n}\nresource \"null_resource\" \"b\" {\n  inputs = 2\n}\noutput \"constant\" {\n  value = 7\n}\noutput \"a\" {\n  value = null_resource.a.output\n}\noutput \"b\" {\n  value = null_resource.b.output\n}\n",
        );
        lab.apply();
        lab.ok(&format!("{verb} -target=null_resource.a"));
        let left = lab.ok("output").stdout;
        assert!(left.contains("b = 2\n") && left.contains("constant = 7\n"), "{left}");
        lab.ok(verb);
        assert_eq!(lab.ok("output -json").stdout, "{}\n");
    }
}

/// What is left out of a destroy keeps what it needs: a topic that stays would be lost with its cluster.
#[test]
fn a_destroy_leaves_what_an_excluded_object_needs_and_takes_what_needs_a_target() {
    let block = |name: &str, inputs: &str| format!("resource \"null_resource\" \"{name}\" {{\n  inputs = {inputs}\n}}\n");
    let (a, b, c) = (block("a", "1"), block("b", "null_resource.a.id"), block("c", "null_resource.b.id"));
    let out = |name: &str| format!("output \"{name}\" {{\n  value = null_resource.{name}.id\n}}\n");
    let lab = Lab::new(&[a.as_str(), &b, &c, &out("a"), &out("c")].concat());
    lab.apply();
    lab.ok("plan -destroy -exclude=null_resource.a").shows(&["2 to destroy", "1 left out"]);
    lab.ok("destroy -auto-approve -exclude=null_resource.b").shows(&["Resources: 1 destroyed"]);
    assert_eq!(lab.ok("state list").stdout, "null_resource.a\nnull_resource.b\n");
    let left = lab.ok("output").stdout;
    assert!(left.contains("a = ") && !left.contains("c = "), "{left}");
    // Blocks that are gone take part by what their records say.
    lab.apply();
    lab.write("main.hcl", &a);
    lab.ok("plan -destroy -exclude=null_resource.c").shows(&["No changes.", "3 left out"]);
    lab.ok("plan -destroy -target=null_resource.c").shows(&["1 to destroy", "2 left out"]);
    lab.ok("destroy -auto-approve -target=null_resource.a").shows(&["Resources: 3 destroyed"]);
    assert_eq!(lab.ok("state list").stdout, "");
}

#[test]
fn a_plan_is_not_written_over_a_configuration() {
    let lab = Lab::new("resource \"null_resource\" \"a\" {\n}\n");
    let text = lab.read("main.hcl");
    lab.fails("plan -out=main.hcl", &["SF3014", "main.hcl exists and is not a saved plan"]);
    assert_eq!(lab.read("main.hcl"), text);
    lab.write("empty.plan", "");
    lab.ok("plan -out=empty.plan");
    lab.ok("plan -out=empty.plan");
}

#[test]
fn the_default_of_a_sensitive_variable_need_not_be_given_again() {
    let lab = Lab::new(
        "variable \"pw\" {\n  default = \"hunter2\"\n  sensitive = true\n}\nresource \"null_resource\" \"a\" {\n  inputs = var.pw\n}\n",
    );
    lab.ok("plan -out=p.plan");
    lab.ok("apply p.plan").shows(&["1 added"]).hides(&["hunter2"]);
    lab.ok("plan -detailed-exitcode");
}

#[test]
fn a_message_of_failure_that_is_sensitive_is_not_told() {
    let lab = Lab::new(
        "variable \"pw\" {\n  default = \"hunter2\"\n  sensitive = true\n}\nresource \"null_resource\" \"a\" {\n  fail = \"broken ${var.pw}\"\n}\n",
    );
    lab.fails("apply -auto-approve", &["(sensitive value)"]).hides(&["hunter2"]);
}

#[test]
fn java_missing() {
    let lab = Lab::new("resource \"kafka_cluster\" \"c\" {\n  engine = \"local\"\n}\n");
    let out = lab.command(["apply", "-auto-approve"]).env("PATH", "/nowhere").output().unwrap();
    let s = screen(&out);
    assert_eq!(s.code, 1, "{}", s.text);
    s.shows(&[
        "│   with kafka_cluster.c",
        "There is no `java` in PATH, and JAVA_HOME is not set.",
        "hint: Install a Java runtime, version 17 or newer",
    ]);
}

// The language in a whole run.

const WIRED: &str = r#"
variable "n" {
  type    = number
  default = 2
}
resource "null_resource" "base" {
  inputs = "b"
}
resource "null_resource" "c" {
  count  = var.n
  inputs = "${null_resource.base.id}-${count.index}"
}
resource "null_resource" "e" {
  for_each = toset(["x", "y"])
  inputs   = each.key
}
module "m" {
  source = "./m"
  count  = 2
  who    = "w${count.index}"
}
module "f" {
  source   = "./m"
  for_each = { one = 1, two = 2 }
  who      = "${each.key}-${each.value}"
}
output "same" {
  value = [for i, v in null_resource.c[*].inputs : v == "${null_resource.base.id}-${i}"]
}
output "name" {
  value = "hello"
}
output "m" {
  value = [for m in module.m : m.who]
}
output "f" {
  value = { for k, m in module.f : k => m.who if k != "one" }
}
output "table" {
  value = "%{for k in sort(keys(null_resource.e))}<${k}>%{endfor}"
}
"#;

fn wired() -> Lab {
    let lab = Lab::new(WIRED);
    lab.write(
        "m/main.hcl",
        "variable \"who\" {}\nresource \"null_resource\" \"a\" {\n  inputs = templatefile(\"${path.module}/t.tpl\", { who = var.who })\n}\noutput \"who\" {\n  value = upper(null_resource.a.output)\n}\n",
    );
    lab.write("m/t.tpl", "hi ${who}");
    lab
}

#[test]
fn modules_templates_for_and_splats_with_values_known_after_apply() {
    let lab = wired();
    let plan = lab.run("plan -detailed-exitcode");
    assert_eq!(plan.code, 2, "{}", plan.text);
    plan.shows(&[
        "# null_resource.c[1] will be created",
        "+ inputs = (known after apply)",
        "# module.f[\"two\"].null_resource.a will be created",
        "Plan: 9 to add, 0 to change, 0 to destroy.",
    ]);
    let s = lab.apply();
    s.shows(&["Apply complete! Resources: 9 added, 0 changed, 0 destroyed.", "name  = \"hello\""]);
    assert_eq!(lab.ok("output -raw name").stdout, "hello");
    let json: serde_json::Value = serde_json::from_str(&lab.ok("output -json").stdout).unwrap();
    assert_eq!(json["same"]["value"], serde_json::json!([true, true]));
    assert_eq!(json["m"]["value"], serde_json::json!(["HI W0", "HI W1"]));
    assert_eq!(json["f"]["value"], serde_json::json!({"two": "HI TWO-2"}));
    assert_eq!(json["table"]["value"], "<x><y>");
    assert_eq!(lab.ok("output -json m").stdout, "[\"HI W0\",\"HI W1\"]\n");
    lab.fails("output nam", &["Error[SF9004]", "hint: Did you mean \"name\"?"]);
    lab.ok("plan -detailed-exitcode").shows(&["No changes"]);
    // One of each less: what goes is exactly that.
    let less = lab.run("plan -var n=1 -detailed-exitcode");
    assert_eq!(less.code, 2);
    less.shows(&["# null_resource.c[1] will be destroyed", "Plan: 0 to add, 0 to change, 1 to destroy."]).hides(&["module."]);
    lab.ok("destroy -auto-approve").shows(&["Destroy complete! Resources: 9 destroyed."]);
    assert_eq!(lab.ok("state list").stdout, "");
}

#[test]
fn each_value_holds_what_an_apply_has_made() {
    let lab = Lab::new(
        "resource \"null_resource\" \"a\" {}\nresource \"null_resource\" \"b\" {\n  for_each = { x = null_resource.a }\n  inputs   = \"b ${each.value.id}\"\n  lifecycle {\n    postcondition {\n      condition     = self.output == \"b ${each.value.id}\"\n      error_message = \"Another one.\"\n    }\n  }\n}\nmodule \"m\" {\n  source   = \"./m\"\n  for_each = { x = null_resource.a }\n  id       = each.value.id\n}\noutput \"all\" {\n  value = [null_resource.a.id, null_resource.b[\"x\"].output, module.m[\"x\"].out]\n}\n",
    );
    lab.write("m/main.hcl", "variable \"id\" {}\nresource \"null_resource\" \"c\" {\n  inputs = \"c ${var.id}\"\n}\noutput \"out\" {\n  value = null_resource.c.output\n}\n");
    lab.ok("apply -auto-approve");
    let shown: serde_json::Value = serde_json::from_str(&lab.ok("output -json all").stdout).unwrap();
    let id = shown[0].as_str().unwrap();
    assert_eq!((shown[1].as_str().unwrap(), shown[2].as_str().unwrap()), (&*format!("b {id}"), &*format!("c {id}")));
    lab.ok("plan").shows(&["No changes."]);
}

#[test]
fn the_iterator_of_a_dynamic_block_is_no_reference() {
    let lab = Lab::new(
        "resource \"kafka_cluster\" \"a\" {\n  dynamic \"listener\" {\n    for_each = { in = 9092, out = 9093 }\n    labels   = [listener.key]\n    content {\n      port = listener.value\n    }\n  }\n}\nresource \"kafka_acl\" \"a\" {\n  cluster   = kafka_cluster.a\n  principal = \"User:a\"\n  dynamic \"role\" {\n    for_each = toset([\"x\", \"y\"])\n    labels   = [\"producer\"]\n    iterator = kafka_cluster\n    content {\n      topic = \"t-${kafka_cluster.value}\"\n    }\n  }\n}\n",
    );
    lab.ok("validate");
    lab.ok("plan").shows(&["+ port           = 9092", "+ port           = 9093", "+ topic   = \"t-x\"", "+ topic   = \"t-y\""]);
    lab.write("main.hcl", "resource \"kafka_cluster\" \"a\" {\n  dynamic \"listener\" {\n    for_each = listener.value\n    labels   = [listeners.key]\n    content {}\n  }\n}\n");
    lab.fails("validate", &["Nothing declares listener.value", "Nothing declares listeners.key"]);
}

#[test]
fn target_exclude_and_replace() {
    let lab = wired();
    lab.ok("plan -target=null_resource.c[0]").shows(&[
        "null_resource.base will be created",
        "null_resource.c[0] will be created",
        "Plan: 2 to add",
    ]);
    lab.ok("plan -target=module.m[0]").shows(&["Plan: 1 to add"]).hides(&["# module.m[1]"]);
    lab.ok("plan -exclude=module.m[0]").shows(&[
        "Plan: 8 to add",
        "# module.m[1]",
        "1 left out by -target or -exclude: module.m[0].null_resource.a.",
    ]);
    lab.ok("plan -exclude=null_resource.base").shows(&["Plan: 6 to add", "3 left out"]);
    lab.fails("plan -target=null_resource.bas", &["Error[SF3015]", "hint: Did you mean null_resource.base?"]);
    lab.apply();
    let before = lab.ok("state show -json null_resource.base").stdout;
    lab.ok("plan -replace=null_resource.base")
        .shows(&["-/+ resource \"null_resource\" \"base\"", "Plan: 1 to add, 2 to change, 1 to destroy."]);
    lab.ok("apply -auto-approve -replace=null_resource.base").shows(&["1 added, 2 changed, 1 destroyed"]);
    assert_ne!(before, lab.ok("state show -json null_resource.base").stdout);
    lab.ok("plan -detailed-exitcode");
}

#[test]
fn exclude_of_an_instance_leaves_out_what_depends_on_it_and_nothing_else() {
    let null = |name: &str, body: &str| format!("resource \"null_resource\" \"{name}\" {{\n{body}}}\n");
    let lab = Lab::new(
        &(null("t", "  for_each = toset([\"a\", \"b\"])\n")
            + &null("one", "  inputs = null_resource.t[\"a\"].id\n")
            + &null("other", "  inputs = null_resource.t[\"b\"].id\n")
            + &null("each", "  for_each = toset([\"a\", \"b\"])\n  inputs   = null_resource.t[each.key].id\n")
            + &null("whole", "  inputs = [for t in null_resource.t : t.id]\n")
            + &null("last", "  inputs = null_resource.one.id\n")
            + &null("waits", "  depends_on = [null_resource.t[\"a\"]]\n")
            + "locals {\n  a = null_resource.t[\"a\"].id\n  b = null_resource.t[\"b\"].id\n}\n"
            + &null("local", "  count  = 2\n  inputs = count.index == 0 ? local.b : \"\"\n")
            + &null("locals", "  inputs = local.a\n")
            + "module \"m\" {\n  source   = \"./m\"\n  for_each = null_resource.each\n  id       = null_resource.t[\"b\"].id\n}\n"
            + "module \"n\" {\n  source   = \"./m\"\n  for_each = toset([\"a\", \"b\"])\n  id       = null_resource.t[each.key].id\n}\n"
            + &null("from_a", "  inputs = module.n[\"a\"].id\n")
            + &null("from_b", "  inputs = module.n[\"b\"].id\n")),
    );
    lab.write("m/main.hcl", "variable \"id\" { type = string }\nresource \"null_resource\" \"x\" { inputs = var.id }\noutput \"id\" { value = null_resource.x.id }\n");
    let stays = ["t[\"b\"]", "other", "each[\"b\"]", "local[0]", "local[1]", "from_b"];
    let created = |screen: &Screen| -> Vec<String> {
        let heads = screen.text.lines().filter_map(|l| l.trim().strip_prefix("# ")?.strip_suffix(" will be created"));
        let mut out: Vec<String> = heads.map(str::to_string).collect();
        out.sort();
        out
    };
    let mut expected: Vec<String> = stays.iter().map(|s| format!("null_resource.{s}")).collect();
    expected.push("module.n[\"b\"].null_resource.x".into());
    expected.sort();
    assert_eq!(created(&lab.ok("plan -exclude=null_resource.t[\"a\"]")), expected);
    lab.ok("apply -auto-approve -exclude=null_resource.t[\"a\"]").shows(&["7 added"]);
    lab.apply().shows(&["11 added"]);
    // The instance of a module: what its outputs lead to, and nothing of its sibling.
    let lab = Lab::new(
        &("module \"n\" {\n  source = \"./m\"\n  count  = 2\n}\n".to_string()
            + &null("zero", "  inputs = module.n[0].id\n")
            + &null("one", "  inputs = module.n[1].id\n")),
    );
    lab.write("m/main.hcl", "resource \"null_resource\" \"x\" {}\noutput \"id\" { value = null_resource.x.id }\n");
    assert_eq!(created(&lab.ok("plan -exclude=module.n[0]")), ["module.n[1].null_resource.x", "null_resource.one"]);
}

#[test]
fn values_that_are_too_deep_for_the_state_are_refused_by_the_plan() {
    let lab = Lab::new(
        "resource \"null_resource\" \"a\" {}\nresource \"null_resource\" \"deep\" {\n  triggers = { a = null_resource.a.id }\n  inputs   = jsondecode(file(\"deep.json\"))\n}\noutput \"deep\" {\n  value = [jsondecode(file(\"deep.json\"))]\n}\n",
    );
    let write = |levels: usize| lab.write("deep.json", &("[".repeat(levels) + &"]".repeat(levels)));
    write(1000);
    lab.fails(
        "plan",
        &[
            "Error[SF5020]",
            "on main.hcl line 4, in resource \"null_resource\" \"deep\":",
            "inputs   = jsondecode",
            "with null_resource.deep",
            "on main.hcl line 7, in output \"deep\":",
            "1001 levels",
            "hint: Keep the value as text: jsonencode(…).",
        ],
    );
    lab.fails("apply -auto-approve", &["Error[SF5020]"]);
    assert!(lab.ok("state list").stdout.is_empty());
    write(999);
    lab.apply().shows(&["2 added"]);
}

#[test]
fn what_is_both_chosen_and_excluded_is_refused() {
    let lab = wired();
    for (flags, telling) in [
        ("-target=null_resource.base -exclude=null_resource.base", "-target and -exclude both name null_resource.base."),
        (
            "-target=null_resource.c[0] -exclude=null_resource.c",
            "-target names null_resource.c[0], and -exclude=null_resource.c leaves it out.",
        ),
        ("-target=module.m[0].null_resource.a -exclude=module.m", "-exclude=module.m leaves it out."),
        ("-replace=null_resource.base -exclude=null_resource.base", "-replace and -exclude both name null_resource.base."),
    ] {
        for command in ["plan", "plan -destroy", "apply -auto-approve", "destroy -auto-approve"] {
            if flags.contains("-replace") && command.contains("destroy") {
                continue;
            }
            lab.fails(&format!("{command} {flags}"), &["Error[SF3039]", telling, "hint: Remove one of the two flags."]);
        }
    }
    assert!(lab.ok("state list").stdout.is_empty());
    // What is to be replaced is left out by a target that is another object.
    lab.fails(
        "plan -target=null_resource.base -replace=null_resource.c[0]",
        &["Error[SF3039]", "-replace names null_resource.c[0], which"],
    );
    // A target of which only a part is left out.
    lab.ok("plan -target=null_resource.c -exclude=null_resource.c[0]").shows(&["Plan: 2 to add", "null_resource.c[1] will be created"]);
}

#[test]
fn what_target_leaves_out_is_not_looked_at() {
    let lab = Lab::new(
        "resource \"null_resource\" \"a\" {}\ndata \"kafka_cluster\" \"down\" {\n  bootstrap_servers = \"127.0.0.1:1\"\n}\nresource \"kafka_topic\" \"t\" {\n  cluster = data.kafka_cluster.down\n  name    = \"t\"\n}\noutput \"id\" {\n  value = data.kafka_cluster.down.cluster_id\n}\n",
    );
    lab.ok("plan -target=null_resource.a").shows(&["Plan: 1 to add,"]);
    lab.ok("apply -auto-approve -exclude=data.kafka_cluster.down").shows(&["Resources: 1 added"]);
}

#[test]
fn a_syntax_error_shows_no_secret_and_a_part_of_a_long_line() {
    for text in [
        "locals {\n  password = \"hunter2\n}\n",
        "locals {\n  password = hunter2\"\n}\n",
        "locals {\n  password = 'hunter2'\n}\n",
        "locals {\n  password = \"hunter2\" x\n}\n",
        "locals {\n  password : \"hunter2\"\n}\n",
        "locals {\n  password \"hunter2\"\n}\n",
        "locals {\n  o = { user = \"bob, password = \"hunter2\" }\n}\n",
        "locals { password = \"hunter2\" other = 1 }\n",
        "locals {\n  password = <<EOT\nhunter2 ${x\nEOT\n}\n",
        "variable \"p\" {\n  default = \"hunter2\" + \n}\n",
    ] {
        let lab = Lab::new(text);
        for line in ["validate", "validate -json", "plan", "fmt"] {
            let screen = lab.run(line);
            assert_ne!(screen.code, 0, "{text}\n{}", screen.text);
            screen.hides(&["hunter2"]);
        }
    }
    let lab = Lab::new("variable \"p\" {}\n");
    lab.write("a.auto.tfvars", "p = \"hunter2\n");
    lab.fails("plan", &["on a.auto.tfvars line 1\n"]).hides(&["hunter2", "p = "]);
    let screen = lab.run_args(["plan", "-var", "p=[\"hunter2]"]);
    screen.hides(&["hunter2"]);
    let lab = Lab::new(&format!("locals {{\n  x = [{} wrong here, {}]\n}}\n", "1, ".repeat(500), "1, ".repeat(500)));
    let screen = lab.fails("validate", &["here", "…"]);
    assert!(screen.text.lines().all(|l| l.chars().count() <= 140), "{}", screen.text);
    let (code, carets) = screen.text.lines().zip(screen.text.lines().skip(1)).find(|(_, l)| l.contains('^')).unwrap();
    let at = carets.chars().position(|c| c == '^').unwrap();
    assert_eq!(code.chars().skip(at).take(4).collect::<String>(), "here", "{}", screen.text);
}

#[test]
fn a_cluster_that_does_not_answer_hides_no_other_finding() {
    let lab = Lab::new(
        "data \"kafka_cluster\" \"down\" {\n  bootstrap_servers = \"127.0.0.1:1\"\n}\ndata \"kafka_connect\" \"later\" {\n  url        = \"http://127.0.0.1:2\"\n  depends_on = [data.kafka_cluster.down]\n}\nresource \"kafka_topic\" \"t\" {\n  cluster = data.kafka_cluster.down\n  name    = \"not a name\"\n}\nresource \"null_resource\" \"a\" {}\nremoved {\n  from = null_resource.a\n}\n",
    );
    let screen = lab.fails("plan", &["127.0.0.1:1", "http://127.0.0.1:2", "not a name", "Error[SF3020]", "still declared"]);
    assert_eq!(screen.text.matches("Error[").count(), 4, "{}", screen.text);
    // Findings that need no answer are shown before the wait for one: they stand first, and once.
    let at = |word: &str| screen.text.find(word).unwrap();
    assert!(at("not a name") < at("SF6001") && at("Error[SF3020]") < at("SF6001"), "{}", screen.text);
}

#[test]
fn what_goes_from_a_list_is_named_by_the_address_that_it_had() {
    let block = |names: &str| {
        format!(
            "locals {{\n  names = {names}\n}}\nresource \"secret\" \"s\" {{\n  count = length(local.names)\n  name  = local.names[count.index]\n  data  = {{ \"a\" = \"1\" }}\n}}\n"
        )
    };
    let lab = Lab::new(&block("[\"x\", \"y\", \"z\"]"));
    lab.apply();
    lab.write("main.hcl", &block("[\"y\", \"z\"]"));
    lab.ok("plan").shows(&[
        "# secret.s[0] will be destroyed",
        "# secret.s[1] has moved to secret.s[0]",
        "# secret.s[2] has moved to secret.s[1]",
    ]);
    let screen = lab.apply();
    screen.shows(&["secret.s[0]: Destroying...", "secret.s[0]: Destruction complete", "1 destroyed"]).hides(&["secret.s[2]: "]);
    assert_eq!(lab.ok("state list").stdout, "secret.s[0]\nsecret.s[1]\n");
    lab.ok("plan -detailed-exitcode");
    // A protected one, too, in what is to be done about it.
    let lab = Lab::new(&block("[\"x\", \"y\"]").replace("  data", "  lifecycle {\n    prevent_destroy = true\n  }\n  data"));
    lab.apply();
    lab.write("main.hcl", &block("[\"y\"]").replace("  data", "  lifecycle {\n    prevent_destroy = true\n  }\n  data"));
    lab.fails("plan", &["secret.s[0] had prevent_destroy set", "streamform state rm 'secret.s[0]'"]).hides(&["secret.s[1]"]);
}

#[test]
fn moved_removed_and_import_blocks() {
    let lab = Lab::new("resource \"null_resource\" \"a\" {\n  inputs = 1\n}\nresource \"null_resource\" \"b\" {}\n");
    lab.apply();
    lab.write(
        "main.hcl",
        "moved {\n  from = null_resource.a\n  to   = null_resource.z\n}\nresource \"null_resource\" \"z\" {\n  inputs = 1\n}\nremoved {\n  from = null_resource.b\n  lifecycle {\n    destroy = false\n  }\n}\nimport {\n  to = null_resource.i\n  id = \"abc\"\n}\nresource \"null_resource\" \"i\" {}\n",
    );
    let s = lab.apply();
    s.shows(&[
        "# null_resource.a has moved to null_resource.z",
        "null_resource.i will be imported\n  # (imported from \"abc\")\n    resource \"null_resource\" \"i\" {\n        id = \"abc\"\n    }\n",
        "null_resource.b will be forgotten; the object itself stays as it is",
    ]);
    s.shows(&["Plan: 1 to import, 0 to add, 0 to change, 0 to destroy, 1 to forget."]);
    assert_eq!(lab.ok("state list").stdout, "null_resource.i\nnull_resource.z\n");
    lab.ok("state show null_resource.i").shows(&["\"abc\""]);
    lab.ok("plan -detailed-exitcode").shows(&["No changes"]);
}

#[test]
fn prevent_destroy_also_after_its_block_is_gone() {
    let lab = Lab::new("resource \"null_resource\" \"k\" {\n  lifecycle {\n    prevent_destroy = true\n  }\n}\n");
    lab.apply();
    let refused = ["Error[SF3009]: Instance cannot be destroyed", "│   with null_resource.k", "hint: Set prevent_destroy = false"];
    lab.fails("destroy -auto-approve", &refused);
    lab.fails("plan -replace=null_resource.k", &refused);
    lab.write("main.hcl", "");
    let alone = ["Error[SF3009]: Instance cannot be destroyed", "hint: Put its block back", "streamform state rm 'null_resource.k'"];
    lab.fails("plan", &alone);
    lab.fails("apply -auto-approve", &alone);
    assert_eq!(lab.ok("state list").stdout, "null_resource.k\n");
}

#[test]
fn where_one_fails_the_independent_go_on() {
    let lab = Lab::new(
        "resource \"null_resource\" \"f\" {\n  fail = \"no luck\"\n}\nresource \"null_resource\" \"g\" {\n  inputs = null_resource.f.id\n}\nresource \"null_resource\" \"k\" {\n  delay_ms = 200\n}\nresource \"null_resource\" \"h\" {\n  inputs = null_resource.k.id\n}\n",
    );
    lab.fails(
        "apply -auto-approve",
        &[
            "null_resource.f: Creation failed after",
            "null_resource.h: Creation complete",
            "Error[SF4004]: Asked to fail",
            "│   with null_resource.f\n│\n│ no luck",
            "Not carried out (1):\n  create null_resource.g (something it needs failed)",
            "Apply incomplete! Resources: 2 added, 0 changed, 0 destroyed.",
        ],
    );
    assert_eq!(lab.ok("state list").stdout, "null_resource.h\nnull_resource.k\n");
}

// Saved plans and secrets.

#[test]
fn a_saved_plan_is_carried_out_once() {
    let lab = wired();
    lab.ok("plan -out p.plan").shows(&["To carry it out: streamform apply p.plan"]);
    lab.ok("show p.plan").shows(&["Plan: 9 to add, 0 to change, 0 to destroy."]);
    lab.ok("apply p.plan").shows(&["Apply complete! Resources: 9 added"]);
    lab.fails("apply p.plan", &["Error[SF3013]: Saved plan is stale", "hint: Make a new plan"]);
    lab.write("no.plan", "hello");
    lab.fails("plan -out no/such/folder", &["Error[SF9005]", "There is no folder no/such to write the plan into."]);
    lab.fails("apply no.plan", &["Error[SF3014]: Not a saved plan", "hint: A plan is written by"]);
}

#[test]
fn a_saved_plan_holds_the_variables_and_refuses_others() {
    let lab = Lab::new(
        "variable \"n\" {\n  type = number\n}\nvariable \"o\" {\n  type = object({ a = string })\n}\nresource \"null_resource\" \"a\" {\n  inputs = [var.n, var.o]\n}\n",
    );
    lab.ok("plan -var n=1 -var o={a=\"x\"} -out p.plan");
    lab.fails(
        "apply -var n=2 p.plan",
        &["Error[SF3013]: Saved plan is stale", "The variable \"n\" has another value than when the plan was made."],
    );
    let out = lab.command(["apply", "p.plan"]).env("SF_VAR_n", "3").output().unwrap();
    screen(&out).shows(&["Apply complete! Resources: 1 added", "exit 0"]);
    lab.ok("state show null_resource.a").shows(&["        1,\n"]).hides(&["        3,\n"]);
}

#[test]
fn secrets_are_nowhere() {
    let lab = Lab::new(
        "variable \"pw\" {\n  type      = string\n  sensitive = true\n}\nresource \"null_resource\" \"s\" {\n  inputs = \"open\"\n  secret = \"<${var.pw}>\"\n}\noutput \"pw\" {\n  value     = var.pw\n  sensitive = true\n}\n",
    );
    let mut shown = String::new();
    let mut run = |line: &str, code: i32| {
        let s = lab.run(line);
        assert_eq!(s.code, code, "{line}\n{}", s.text);
        shown.push_str(&s.text);
        s
    };
    run("plan -var pw=CANARY-1 -out=p.plan", 0).shows(&["(sensitive value)"]);
    run("show -json p.plan", 0);
    run("apply p.plan", 1).shows(&["Error[SF2030]", "nothing gives the variable \"pw\""]);
    run("apply -var pw=CANARY-2 p.plan", 1).shows(&["Error[SF3013]", "\"pw\" has another value"]);
    run("apply -var pw=CANARY-1 p.plan", 0).shows(&["1 added", "pw = (sensitive value)"]);
    run("plan -var pw=CANARY-1 -detailed-exitcode", 0);
    run("plan -var pw=CANARY-2 -detailed-exitcode", 2).shows(&["~ secret = (sensitive value)"]);
    run("apply -json -auto-approve -var pw=CANARY-2", 0);
    run("plan -json -var pw=CANARY-3", 0);
    run("output", 0);
    run("output -json", 0);
    run("output -raw pw", 1).shows(&["the state does not keep sensitive values"]);
    run("show", 0);
    run("show -json", 0);
    run("state show null_resource.s", 0);
    run("state export", 0);
    assert!(!shown.contains("CANARY"), "{shown}");
    for (path, bytes) in lab.files() {
        assert!(!bytes.windows(6).any(|w| w == b"CANARY"), "{}", path.display());
    }
}

// The state by hand, and looking around.

#[test]
fn state_list_show_mv_and_rm() {
    let lab = wired();
    lab.apply();
    assert_eq!(lab.ok("state list null_resource.c").stdout, "null_resource.c[0]\nnull_resource.c[1]\n");
    lab.ok("state show null_resource.e[\"x\"]")
        .shows(&["# null_resource.e[\"x\"]:\nresource \"null_resource\" \"e\" {", "  inputs = \"x\"\n"]);
    lab.fails("state show null_resource.bse", &["Error[SF5009]", "hint: Did you mean null_resource.base?"]);
    lab.ok("state mv null_resource.base null_resource.bass").shows(&["Moved 1 object from null_resource.base to null_resource.bass."]);
    lab.ok("plan").shows(&["null_resource.bass will be destroyed", "null_resource.base will be created"]);
    lab.ok("state mv null_resource.bass null_resource.base");
    lab.ok("plan -detailed-exitcode");
    lab.ok("state mv module.m[1] module.m[7]");
    lab.ok("state list").shows(&["module.m[7].null_resource.a"]).hides(&["module.m[1]"]);
    lab.ok("state rm module.m[7]").shows(&["Removed module.m[7].null_resource.a. The object itself stays as it is."]);
    lab.fails("state rm module.m[7]", &["Error[SF5009]"]);
    lab.fails(
        "state mv null_resource.base kafka_topic.base",
        &["Error[SF9001]", "an object keeps its type", "hint: Write the type null_resource"],
    );
    lab.fails("state mv null_resource.base null_resource.base", &["Error[SF9001]", "is where the object is already"]);
    lab.fails("state mv null_resource.base null_resource.c[0]", &["Error[SF5010]: Address is taken"]);
    lab.ok("plan").shows(&["Plan: 1 to add, 0 to change, 0 to destroy."]);
}

#[test]
fn console_reads_from_a_pipe() {
    let lab = wired();
    lab.apply();
    assert_eq!(lab.feed("console", "upper(\"a\")\n").text, "\"A\"\nexit 0\n");
    assert_eq!(lab.feed("console -var n=3", "var.n + 1\n").text, "4\nexit 0\n");
    assert_eq!(lab.feed("console", "module.f[\"one\"].who\n").text, "\"HI ONE-1\"\nexit 0\n");
    let s = lab.feed("console", "uper(1)\n");
    assert_eq!(s.code, 1);
    s.shows(&["Error[SF1021]", "on <console> line 1", "hint: Did you mean \"upper\"?"]);
    lab.feed("console", "[type(1)]\n").shows(&["Error[SF1021]", "type(…) can only be the whole of what is typed."]);
}

#[test]
fn fmt_check_says_3_and_changes_nothing() {
    let ugly = "locals {\n  a = 1\n  long = 2\n}\n";
    let lab = Lab::new(ugly);
    let s = lab.run("fmt -check");
    assert_eq!(s.text, "main.hcl\nexit 3\n");
    assert_eq!(lab.read("main.hcl"), ugly);
    lab.ok("fmt").shows(&["main.hcl"]);
    assert_eq!(lab.read("main.hcl"), "locals {\n  a    = 1\n  long = 2\n}\n");
    assert_eq!(lab.run("fmt -check").text, "exit 0\n");
}

#[test]
fn fmt_refuses_what_it_does_not_format() {
    let lab = Lab::new("a = 1\n");
    lab.write("notes.txt", "a=1\n");
    for (file, why) in
        [("notes.txt", "is no configuration or variable file"), ("gone.hcl", "gone.hcl cannot be used: no such file or directory.")]
    {
        let run = lab.run(&format!("fmt {file}"));
        assert!(run.code == 2 && run.text.contains(why), "{}", run.text);
    }
    assert_eq!(std::fs::read_to_string(lab.path().join("notes.txt")).unwrap(), "a=1\n");
}

#[test]
fn fmt_goes_through_links_and_on_after_files_that_cannot_be_read() {
    let ugly = "locals {\na=1\n}\n";
    let lab = Lab::new(ugly);
    lab.write("shared/common.hcl", ugly);
    std::os::unix::fs::symlink("shared/common.hcl", lab.path().join("common.hcl")).unwrap();
    std::fs::write(lab.path().join("bytes.hcl"), b"a = \"\xff\"\n").unwrap();
    let run = lab.run("fmt");
    assert_eq!((run.code, run.stdout.as_str()), (2, "common.hcl\nmain.hcl\n"), "{}", run.text);
    run.shows(&["bytes.hcl cannot be used"]);
    assert!(lab.path().join("common.hcl").is_symlink());
    assert_eq!(lab.read("shared/common.hcl"), "locals {\n  a = 1\n}\n");
    lab.write("a.hcl", ugly);
    lab.write("b.hcl", ugly);
    assert_eq!(lab.run("fmt b.hcl a.hcl").stdout, "b.hcl\na.hcl\n");
}

#[test]
fn switches_take_true_and_false_as_in_terraform() {
    let lab = Lab::new("locals {\na=1\n}\n");
    assert!(lab.run("fmt -check=true").code == 3);
    assert_eq!(lab.run("fmt -check=false -write=F -list=0").text, "exit 0\n");
    assert!(lab.run("fmt -check -list -write").code == 3);
    lab.ok("fmt -check=0 -write=1");
    assert_eq!(lab.run("fmt -check").text, "exit 0\n");
    lab.write("main.hcl", "resource \"null_resource\" \"a\" {}\n");
    assert!(lab.run("plan -detailed-exitcode=TRUE -input=0").code == 2);
    assert!(lab.run("plan -detailed-exitcode=false").code == 0);
    assert!(lab.run("plan -detailed-exitcode=maybe").code == 1);
}

#[test]
fn explain_graph_and_completions() {
    let lab = wired();
    lab.ok("explain").shows(&["resource kafka_topic ", "data     kafka_cluster "]);
    lab.ok("explain kafka_topic").shows(&["partitions  (number;"]);
    assert!(lab.ok("explain kafka_cluster").text.lines().all(|l| l.chars().count() <= 100));
    lab.fails("explain kafka_topik", &["Error[SF9006]", "hint: Did you mean"]);
    lab.ok("graph").shows(&["digraph {", "\"null_resource.c\" -> \"null_resource.base\";"]);
    lab.ok("graph --format=mermaid").shows(&["flowchart RL", "[\"module.m.null_resource.a\"]", " --> "]);
    lab.ok("completions bash").shows(&["complete -F _streamform"]);
    // Nobody reads on: no panic.
    let mut unread = lab.command(["completions", "bash"]).spawn().unwrap();
    drop(unread.stdout.take());
    let out = unread.wait_with_output().unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "{}", screen(&out).text);
    lab.ok("version -json").shows(&["{\"streamform_version\":"]);
    lab.fails("taint null_resource.c", &["hint: streamform apply -replace=ADDR"]);
    lab.fails("state pull", &["hint: streamform state export"]);
    lab.ok("version").shows(&[concat!("streamform ", env!("CARGO_PKG_VERSION"))]);
    lab.ok("--version").shows(&[concat!("streamform ", env!("CARGO_PKG_VERSION"))]);
}

#[test]
fn one_dash_or_two_are_the_same_and_a_pipe_has_no_colour() {
    let lab = wired();
    let one = lab.ok("plan -no-color -var n=1 -var=n=3 -parallelism=3");
    let two = lab.ok("plan --no-color --var n=1 --var=n=3 --parallelism 3");
    assert_eq!(one.text, two.text);
    let out = lab.command(["plan"]).env_remove("NO_COLOR").output().unwrap();
    screen(&out).hides(&["\x1b["]);
}

// Bad days.

/// So many objects that each take so long.
#[test]
fn the_lock_of_a_living_process_and_of_a_dead_one() {
    let lab = Lab::new(&many(1, 8000));
    let mut holder = lab.start("apply -auto-approve");
    until("lock taken", || lab.run("lock list").stdout.contains("Locked: apply"));
    let pid = format!("process {}", holder.id());
    lab.fails(
        "apply -auto-approve",
        &["Error[SF5001]: State is locked", "The state is locked: apply by ", &pid, "hint: Wait for it with -lock-timeout"],
    );
    lab.fails("state rm null_resource.r -lock-timeout=1s", &["still locked after waiting 1 s"]);
    lab.ok("plan").shows(&["Plan: 1 to add"]);
    signal(&holder, "KILL");
    holder.wait().unwrap();
    lab.ok("lock list").shows(&["Left behind by a dead process: apply", &pid]);
    lab.write("main.hcl", &many(1, 0));
    lab.apply().shows(&[
        "Warning[SF5002]: Lock of a dead process freed",
        &pid,
        "Apply complete! Resources: 1 added, 0 changed, 0 destroyed.",
    ]);
    lab.ok("lock list").shows(&["The state is not locked."]);
}

#[test]
fn an_interrupt_keeps_what_is_done_and_lists_what_is_not() {
    let lab = Lab::new(&stairs(10, 3, 300));
    let child = lab.start("apply -auto-approve -parallelism=4");
    until("some done", || recorded(&lab) >= 4);
    signal(&child, "INT");
    let s = screen(&child.wait_with_output().unwrap());
    assert_eq!(s.code, 1, "{}", s.text);
    s.shows(&[
        "Error[SF4003]: Interrupted",
        "Not carried out (",
        "create null_resource.s9[",
        "(interrupted)",
        "Apply incomplete!",
        "hint: The state holds everything that was done.",
    ]);
    let done = recorded(&lab);
    assert!((4..30).contains(&done), "{done}");
    s.shows(&[&format!("{done} added, 0 changed, 0 destroyed."), &format!("Not carried out ({}):", 30 - done)]);
    lab.write("main.hcl", &stairs(10, 3, 0));
    lab.apply();
    assert_eq!(recorded(&lab), 30);
    lab.ok("plan -detailed-exitcode");
}

#[test]
fn killed_at_twenty_moments_nothing_is_lost_and_nothing_made_twice() {
    // Each round kills an apply at another moment of its work; the rounds share one state, so that it is also killed while it goes on.
    let lab = Lab::new(&stairs(20, 10, 5));
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut midway = 0;
    let mut seed = u64::from(std::process::id()) | 1;
    for round in 0..20 {
        if round % 5 == 0 {
            lab.write("main.hcl", &stairs(20, 0, 5));
            lab.apply();
            lab.write("main.hcl", &stairs(20, 10, 5));
            known.clear();
        }
        let mut child = lab.start("apply -auto-approve");
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        // The moment is counted in finished objects and a few milliseconds, so that it lies in the work however slow the machine is.
        let finished = ((seed >> 33) % 40) as usize;
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let _ = lines.filter(|l| l.contains("Creation complete")).nth(finished);
        std::thread::sleep(std::time::Duration::from_millis((seed >> 45) % 8));
        signal(&child, "KILL");
        child.wait().unwrap();
        // What was recorded stays recorded, as the same object.
        let now = ids(&lab);
        assert!(known.is_subset(&now), "round {round}: lost {:?}", known.difference(&now).collect::<Vec<_>>());
        midway += usize::from(now.len() > known.len() && now.len() < 200);
        known = now;
        if round % 5 == 4 {
            lab.apply();
            let all = ids(&lab);
            assert_eq!((all.len(), recorded(&lab)), (200, 200));
            assert!(known.is_subset(&all), "round {round}");
            lab.ok("plan -detailed-exitcode");
        }
    }
    assert!(midway >= 3, "only {midway} kills came in the middle of the work");
}

#[test]
fn killed_while_the_store_is_made_the_next_run_converges() {
    for ms in [5, 10, 15, 20, 25, 30, 35, 40, 50, 60] {
        let lab = Lab::new(&stairs(2, 5, 0));
        let mut child = lab.start("apply -auto-approve");
        std::thread::sleep(std::time::Duration::from_millis(ms));
        signal(&child, "KILL");
        child.wait().unwrap();
        lab.apply();
        assert_eq!(ids(&lab).len(), 10, "killed after {ms} ms");
        lab.ok("plan -detailed-exitcode");
    }
}

#[test]
fn a_state_that_cannot_be_read_or_written() {
    let lab = Lab::new(&many(1, 0));
    // A file where the folder should be.
    lab.write("state", "");
    lab.fails("apply -auto-approve", &["Error[SF5005]: State cannot be written", "state", "hint: "]);
    std::fs::remove_file(lab.path().join("state")).unwrap();
    lab.apply();
    std::fs::write(lab.path().join("state/key"), "short").unwrap();
    lab.fails("plan", &["Error[SF5004]: State is damaged", "key"]);
}

/// Old and new of `create_before_destroy`: `b` uses `a`, so the old `a` goes only when `b` has ended.
fn replaced(trigger: &str, a: &str, b: &str) -> String {
    format!(
        "resource \"null_resource\" \"a\" {{\n  triggers = {{ v = {trigger:?} }}\n{a}\n  lifecycle {{\n    create_before_destroy = true\n  }}\n}}\nresource \"null_resource\" \"b\" {{\n  inputs = null_resource.a.id\n{b}\n}}\n"
    )
}

/// Starts an apply and kills it when its screen says this.
fn kill_at(lab: &Lab, words: &str) {
    let mut child = lab.start("apply -auto-approve");
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|l| l.contains(words)), "{words}");
    signal(&child, "KILL");
    child.wait().unwrap();
}

#[test]
fn killed_between_create_and_destroy_the_old_object_is_destroyed_by_the_next_run() {
    let lab = Lab::new(&replaced("1", "", ""));
    lab.apply();
    let old = ids(&lab);
    lab.write("main.hcl", &replaced("2", "", "  delay_ms = 60000"));
    kill_at(&lab, "null_resource.a: Creation complete");
    let list = lab.ok("state list").stdout;
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!((lines[0], lines.len()), ("null_resource.a", 3), "{list}");
    assert!(lines[1].starts_with("null_resource.a (deposed object "), "{list}");
    let gone = old.difference(&ids(&lab)).next().unwrap().clone();
    let json: serde_json::Value = serde_json::from_str(&lab.ok("show -json").stdout).unwrap();
    assert_eq!(json["deposed"][0]["values"]["id"], gone.as_str());
    lab.ok("state show null_resource.a").shows(&["(deposed object ", &gone, "the next apply destroys it"]);
    lab.write("main.hcl", &replaced("2", "", ""));
    lab.ok("plan").shows(&["null_resource.a (deposed object ", "will be destroyed", &gone, "0 to add, 1 to change, 1 to destroy"]);
    lab.apply().shows(&["0 added, 1 changed, 1 destroyed."]);
    assert_eq!(lab.ok("state list").stdout, "null_resource.a\nnull_resource.b\n");
    lab.ok("plan -detailed-exitcode");
}

#[test]
fn killed_while_the_new_object_is_made_both_are_known() {
    let lab = Lab::new(&replaced("1", "", ""));
    lab.apply();
    lab.write("main.hcl", &replaced("2", "  delay_ms = 60000", ""));
    kill_at(&lab, "null_resource.a: Creating");
    assert!(lab.ok("state list").stdout.starts_with("null_resource.a (deposed object "));
    lab.write("main.hcl", &replaced("2", "", ""));
    lab.ok("plan").shows(&["1 to add, 1 to change, 1 to destroy"]);
    // A destroy takes the deposed object along, and forgetting it leaves nothing to do.
    lab.ok("plan -destroy").shows(&["0 to add, 0 to change, 2 to destroy"]);
    lab.apply().shows(&["1 added, 1 changed, 1 destroyed."]);
    assert_eq!(lab.ok("state list").stdout, "null_resource.a\nnull_resource.b\n");
    lab.ok("plan -detailed-exitcode");
}

#[test]
fn where_the_new_object_cannot_be_made_the_old_one_keeps_its_place() {
    let lab = Lab::new(&replaced("1", "", ""));
    lab.apply();
    let before = ids(&lab);
    lab.write("main.hcl", &replaced("2", "  fail = \"no luck\"", ""));
    lab.fails("apply -auto-approve", &["no luck", "0 added, 0 changed, 0 destroyed."]);
    assert_eq!((ids(&lab), lab.ok("state list").stdout), (before, "null_resource.a\nnull_resource.b\n".into()));
    lab.write("main.hcl", &replaced("2", "", ""));
    lab.apply().shows(&["1 added, 1 changed, 1 destroyed."]);
}

#[test]
fn what_a_create_first_block_needs_is_created_first_too() {
    let config = |v: &str| {
        format!(
            "resource \"null_resource\" \"need\" {{\n  triggers = {{ v = {v:?} }}\n}}\nresource \"null_resource\" \"use\" {{\n  triggers = {{ v = null_resource.need.id }}\n  lifecycle {{\n    create_before_destroy = true\n  }}\n}}\n"
        )
    };
    let lab = Lab::new(&config("1"));
    lab.apply();
    lab.write("main.hcl", &config("2"));
    lab.apply().shows(&["2 added, 0 changed, 2 destroyed."]);
    lab.ok("plan -detailed-exitcode");
}

#[test]
fn two_objects_of_one_name_cannot_be_at_one_time() {
    let lab = Lab::new(
        "resource \"secret\" \"s\" {\n  name     = \"s\"\n  generate = [\"pw\"]\n  lifecycle {\n    create_before_destroy = true\n  }\n}\n",
    );
    lab.apply();
    lab.fails(
        "plan -replace=secret.s",
        &["Error[SF3018]", "cannot be created before the old one is deleted", "hint: Give the new one another name"],
    );
}

#[test]
fn objects_are_told_one_by_one_and_an_interrupt_does_not_wait_for_those_not_begun() {
    // All of them are one call; together they would take 30 s.
    let lab = Lab::new(&many(300, 300));
    let child = lab.start("apply -auto-approve -parallelism=3");
    until("some done", || recorded(&lab) >= 3);
    let began = std::time::Instant::now();
    signal(&child, "INT");
    let s = screen(&child.wait_with_output().unwrap());
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
    assert_eq!(s.code, 1, "{}", s.text);
    let done = recorded(&lab);
    assert!((3..200).contains(&done), "{done}");
    s.shows(&["Error[SF4003]: Interrupted", "(interrupted)", &format!("Not carried out ({}):", 300 - done)]);
    // What was not begun is not in doubt.
    assert!(!lab.ok("state export").stdout.contains("\"begun\""));
    lab.ok("plan").shows(&[&format!("Plan: {} to add, 0 to change", 300 - done)]);
}

#[test]
fn a_second_interrupt_waits_for_nothing_and_the_next_apply_goes_on() {
    let lab = Lab::new(&many(3, 60_000));
    let mut child = lab.start("apply -auto-approve");
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|l| l.contains("Creating...")));
    let began = std::time::Instant::now();
    signal(&child, "INT");
    std::thread::sleep(std::time::Duration::from_millis(500));
    signal(&child, "INT");
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{rest:?}");
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    assert!(rest.iter().any(|l| l.contains("create null_resource.r[2] (interrupted)")), "{rest:?}");
    // What had begun is in doubt, and the next run looks.
    assert!(lab.ok("state export").stdout.contains("\"begun\""));
    lab.write("main.hcl", &many(3, 0));
    lab.apply();
    assert_eq!(recorded(&lab), 3);
    lab.ok("plan -detailed-exitcode");
}

#[test]
fn imported_and_forgotten_objects_are_counted() {
    let lab = Lab::new("resource \"null_resource\" \"a\" {\n}\n");
    lab.apply();
    lab.write(
        "main.hcl",
        "removed {\n  from = null_resource.a\n  lifecycle {\n    destroy = false\n  }\n}\nimport {\n  to = null_resource.b\n  id = \"x\"\n}\nresource \"null_resource\" \"b\" {\n}\n",
    );
    lab.apply().shows(&["Apply complete! Resources: 1 imported, 0 added, 0 changed, 0 destroyed, 1 forgotten."]);
}

#[test]
fn conditions_checks_and_bad_repetition() {
    let lab = Lab::new(
        "variable \"n\" {\n  type = number\n  validation {\n    condition     = var.n > 0\n    error_message = \"n must be positive, it is ${var.n}.\"\n  }\n}\nresource \"null_resource\" \"a\" {\n  lifecycle {\n    precondition {\n      condition     = var.n < 10\n      error_message = \"n is too large.\"\n    }\n  }\n}\nresource \"null_resource\" \"b\" {\n  for_each = toset([null_resource.a.id])\n}\n",
    );
    lab.fails("plan -var n=0", &["n must be positive, it is 0.", "condition     = var.n > 0"]);
    lab.fails("plan -var n=11", &["Error[SF3004]: Condition failed", "n is too large.", "│   with null_resource.a"]);
    lab.fails("plan -var n=1", &["Error[SF3003]: Count or for_each argument is not known yet", "^^^^^^^^^^^^^^^^^^^^^^^^^"]);
    lab.fails("plan -var n=x", &["a number is required"]);
    lab.fails("plan -var m=1 -var n=1", &["\"m\""]);
}

/// The ids of all recorded objects.
fn ids(lab: &Lab) -> BTreeSet<String> {
    let json: serde_json::Value = serde_json::from_str(&lab.ok("show -json").stdout).unwrap();
    let of = |r: &serde_json::Value| r["values"]["id"].as_str().unwrap().to_string();
    json["resources"].as_array().unwrap().iter().map(of).collect()
}
