//! `streamform test`: what test files say and what the screen says of them. Nothing real is asked here but for the last case.

mod common;

use common::{Lab, screen, signal, until};

const MAIN: &str = r#"
variable "n" {
  type    = number
  default = 1
  validation {
    condition     = var.n < 10
    error_message = "too big"
  }
}
variable "secret" {
  default   = "hunter2"
  sensitive = true
}
resource "null_resource" "a" {
  inputs = var.n
  lifecycle {
    postcondition {
      condition     = self.inputs != 5
      error_message = "five"
    }
  }
}
output "o" {
  value = null_resource.a.output
  precondition {
    condition     = var.n != 6
    error_message = "six"
  }
}
output "id" {
  value = null_resource.a.id
}
check "four" {
  assert {
    condition     = var.n != 4
    error_message = "four"
  }
}
"#;

fn lab(test: &str) -> Lab {
    let lab = Lab::new(MAIN);
    lab.write("main.sftest.hcl", test);
    lab
}

#[test]
fn runs_pass_and_nothing_is_left() {
    let lab = lab(r#"
variables {
  n = 2
}
run "plan" {
  command = plan
  assert {
    condition     = null_resource.a.inputs == 2 && var.n == 2 && output.o == 2
    error_message = "no"
  }
}
run "apply" {
  assert {
    condition     = length(output.id) == 36 && output.id == null_resource.a.id
    error_message = "no"
  }
}
run "alter" {
  variables {
    n = run.apply.o + 1
  }
  assert {
    condition     = output.o == 3 && output.id == run.apply.id
    error_message = "it was made anew"
  }
}
"#);
    let s = lab.ok("test");
    assert_eq!(
        s.text,
        "\
main.sftest.hcl... in progress
  run \"plan\"... pass
  run \"apply\"... pass
  run \"alter\"... pass
main.sftest.hcl... tearing down
main.sftest.hcl... pass

Success! 3 passed, 0 failed.
exit 0
"
    );
    assert!(!lab.path().join("state").exists(), "the folder's own state was written");
}

#[test]
fn a_false_assertion_shows_the_values_and_the_next_run_goes_on() {
    let lab = lab(r#"
run "false" {
  command = plan
  assert {
    condition     = null_resource.a.inputs == 3
    error_message = "got ${null_resource.a.inputs}"
  }
  assert {
    condition     = var.secret == "x"
    error_message = "wrong secret"
  }
}
run "next" {
  command = plan
}
run "unknown" {
  command = plan
  assert {
    condition     = output.id == "x"
    error_message = "no"
  }
}
run "after" {}
"#);
    let s = lab.fails(
        "test",
        &[
            "  run \"false\"... fail\n  run \"next\"... pass\n  run \"unknown\"... fail\n  run \"after\"... skip\n",
            "Failure! 1 passed, 2 failed, 1 skipped.",
            "│ Error[SF9021]: Test assertion failed\n│\n│   on main.sftest.hcl line 5, in run \"false\":",
            "│     │ null_resource.a.inputs is 1\n│\n│ got 1\n",
            "│     │ var.secret is (sensitive value)\n│\n│ wrong secret\n",
            "Error[SF9022]: Condition is not known yet",
            "hint: Use command = apply in this run",
        ],
    );
    s.hides(&["hunter2"]);
}

#[test]
fn expected_failures() {
    let lab = lab(r#"
run "variable" {
  command = plan
  variables {
    n = 11
  }
  expect_failures = [var.n]
}
run "postcondition" {
  command = plan
  variables {
    n = 5
  }
  expect_failures = [null_resource.a]
}
run "output" {
  command = plan
  variables {
    n = 6
  }
  expect_failures = [output.o]
}
run "check" {
  variables {
    n = 4
  }
  expect_failures = [check.four]
}
"#);
    lab.ok("test").shows(&["Success! 4 passed, 0 failed."]);
}

#[test]
fn failures_that_are_not_expected_or_do_not_come() {
    let lab = Lab::new(MAIN);
    let run = |n: u8, command: &str, expect: &str| {
        lab.write("main.sftest.hcl", &format!("run \"r\" {{\n  command = {command}\n  variables {{\n    n = {n}\n  }}\n{expect}}}\n"));
        lab.run("test")
    };
    run(11, "plan", "").shows(&["too big", "with var.n", "0 passed, 1 failed"]);
    // A check that says no is no error to a plan, and one to a test.
    run(4, "plan", "").shows(&["Error[SF3016]: Check block assertion failed", "four"]);
    run(1, "plan", "  expect_failures = [var.n]\n").shows(&[
        "Error[SF9023]: Missing expected failure",
        "var.n was expected to report an error but did not.",
        "6:   expect_failures",
    ]);
    run(11, "apply", "  expect_failures = [var.n]\n").shows(&["Warning[SF9024]: Expected failure while planning", "too big", "1 failed"]);
}

#[test]
fn files_filters_variables_and_formats() {
    let lab =
        lab("run \"root\" {\n  command = plan\n  assert {\n    condition = var.n == 7\n    error_message = \"n is ${var.n}\"\n  }\n}\n");
    lab.write(
        "tests/other.sftest.json",
        r#"{"run": {"j": {"command": "plan", "variables": {"n": 3}, "assert": {"condition": "${var.n == 3}", "error_message": "no"}}}}"#,
    );
    lab.write("checks/third.sftest.hcl", "run \"t\" {\n  command = plan\n}\n");
    let s = lab.ok("test -var n=7");
    s.shows(&["main.sftest.hcl... in progress", "tests/other.sftest.json... in progress\n  run \"j\"... pass", "2 passed"]);
    s.hides(&["third"]);
    lab.fails("test", &["n is 1", "1 passed, 1 failed."]);
    lab.ok("test -filter=tests/other.sftest.json").shows(&["1 passed"]).hides(&["main.sftest.hcl"]);
    lab.fails("test -filter=tests/othr.sftest.json", &["Error[SF9020]", "Did you mean tests/other.sftest.json?"]);
    lab.ok("test -test-directory=checks -filter=checks/third.sftest.hcl").shows(&["third.sftest.hcl... pass"]);
    lab.ok("validate");
}

#[test]
fn json_lines_and_junit() {
    let lab = lab("run \"good\" {}\nrun \"bad\" {\n  assert {\n    condition = output.o == \"<>\"\n    error_message = \"no\"\n  }\n}\n");
    let s = lab.run("test -json -junit-xml=out.xml");
    assert_eq!(s.code, 1, "{}", s.text);
    let lines: Vec<serde_json::Value> = s.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let kinds: Vec<&str> = lines.iter().map(|l| l["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "test_abstract",
            "test_file",
            "test_run",
            "test_run",
            "test_run",
            "test_run",
            "diagnostic",
            "test_file",
            "test_file",
            "test_summary"
        ]
    );
    assert_eq!(lines[0]["test_abstract"]["main.sftest.hcl"], serde_json::json!(["good", "bad"]));
    assert_eq!(lines[5]["test_run"]["status"], "fail");
    assert_eq!(lines[6]["diagnostic"]["code"], "SF9021");
    assert_eq!(lines[6]["diagnostic"]["snippet"]["values"][0]["traversal"], "output.o");
    assert_eq!(lines[9]["test_summary"], serde_json::json!({"status": "fail", "passed": 1, "failed": 1, "errored": 0, "skipped": 0}));
    let xml = lab.read("out.xml");
    for part in [
        "<testsuite name=\"main.sftest.hcl\" tests=\"2\" skipped=\"0\" failures=\"1\" errors=\"0\">",
        "<testcase name=\"bad\" classname=\"main.sftest.hcl\"",
        "output.o == &quot;&lt;&gt;&quot;",
    ] {
        assert!(xml.contains(part), "{part}\n{xml}");
    }
}

#[test]
fn verbose_shows_plans_and_states() {
    let lab = lab("run \"p\" {\n  command = plan\n}\nrun \"a\" {}\n");
    lab.ok("test -verbose").shows(&["Plan: 1 to add", "null_resource.a", "Outputs:", "o  = 1"]);
}

#[test]
fn other_modules_have_states_of_their_own() {
    let lab = Lab::new("module \"net\" {\n  source = \"./net\"\n  size   = 2\n}\noutput \"ids\" {\n  value = module.net.ids\n}\n");
    lab.write(
        "net/main.hcl",
        "variable \"size\" {}\nresource \"null_resource\" \"n\" {\n  count  = var.size\n  inputs = path.module\n}\noutput \"ids\" {\n  value = null_resource.n[*].id\n}\n",
    );
    lab.write(
        "a.sftest.hcl",
        r#"
variables {
  size = 3
}
run "setup" {
  module {
    source = "./net"
  }
  assert {
    condition     = length(output.ids) == 3 && null_resource.n[0].inputs == "net"
    error_message = "inputs is ${null_resource.n[0].inputs}"
  }
}
run "root" {
  assert {
    condition     = length(output.ids) == 2 && length(setintersection(output.ids, run.setup.ids)) == 0
    error_message = "the states are not apart"
  }
}
run "again" {
  module {
    source = "./net"
  }
  assert {
    condition     = output.ids == run.setup.ids
    error_message = "the state was not kept"
  }
}
run "fresh" {
  state_key = "other"
  module {
    source = "./net"
  }
  assert {
    condition     = output.ids != run.setup.ids
    error_message = "the state was shared"
  }
}
run "named" {
  state_key = "other"
  module {
    source = "./net"
  }
  assert {
    condition     = output.ids == run.fresh.ids
    error_message = "the state was not shared"
  }
}
"#,
    );
    lab.ok("test").shows(&["Success! 5 passed"]);
}

#[test]
fn overrides_and_mocks() {
    let lab = Lab::new(
        r#"
resource "kafka_cluster" "events" {
  name    = "events"
  engine  = "local"
}
resource "kafka_topic" "orders" {
  cluster    = kafka_cluster.events
  name       = "orders"
  partitions = 3
}
resource "null_resource" "n" {
  inputs = kafka_cluster.events.cluster_id
}
module "m" {
  source = "./m"
}
output "m" {
  value = module.m.a
}
output "id" {
  value = kafka_cluster.events.cluster_id
}
"#,
    );
    lab.write("m/main.hcl", "resource \"null_resource\" \"x\" {\n  fail = \"it was made\"\n}\noutput \"a\" {\n  value = null_resource.x.id\n}\noutput \"b\" {\n  value = 1\n}\n");
    lab.write(
        "a.sftest.hcl",
        r#"
mock_provider "kafka" {
  mock_resource "kafka_cluster" {
    defaults = {
      cluster_id = "mocked"
    }
  }
}
override_module {
  target = module.m
  outputs = {
    a = "given"
  }
}
override_resource {
  target          = null_resource.n
  override_during = plan
  values = {
    id = "fixed"
  }
}
run "plan" {
  command = plan
  assert {
    condition     = null_resource.n.id == "fixed" && output.m == "given" && kafka_topic.orders.partitions == 3
    error_message = "id is ${null_resource.n.id}"
  }
}
run "apply" {
  assert {
    condition     = output.id == "mocked" && null_resource.n.inputs == "mocked"
    error_message = "inputs is ${null_resource.n.inputs}"
  }
  assert {
    condition     = length(kafka_cluster.events.bootstrap_servers) == 8
    error_message = "bootstrap_servers is ${kafka_cluster.events.bootstrap_servers}"
  }
}
run "nearer" {
  command = plan
  override_resource {
    target          = null_resource.n
    override_during = plan
    values          = { id = "nearer" }
  }
  plan_options {
    replace = [null_resource.n]
  }
  assert {
    condition     = null_resource.n.id == "nearer"
    error_message = "id is ${null_resource.n.id}"
  }
}
"#,
    );
    lab.ok("test").shows(&["Success! 3 passed"]);
    lab.write(
        "a.sftest.hcl",
        "override_resource {\n  target = null_resource.n\n  values = { idd = 1 }\n}\nrun \"r\" {\n  command = plan\n}\n",
    );
    lab.fails("test", &["There is no attribute \"idd\" here.", "Did you mean \"id\"?"]);
    lab.write(
        "a.sftest.hcl",
        "override_resource {\n  target = null_resource.n\n  values = { id = [] }\n}\nrun \"r\" {\n  command = plan\n}\n",
    );
    lab.fails("test", &["The value for \"id\" does not fit", "A value of type string is needed."]);
}

/// The example as a user runs it: a real cluster, altered once, and taken down.
#[test]
fn the_example_passes_on_a_real_cluster() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tested");
    let lab = Lab::new("");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_streamform"));
    let out = command.args(["test", "-chdir", folder]).env("NO_COLOR", "1").env("TMPDIR", lab.path()).output().unwrap();
    let s = screen(&out);
    assert_eq!(s.code, 0, "{}", s.text);
    s.shows(&["run \"create\"... pass", "run \"more_partitions\"... pass", "Success! 4 passed, 0 failed."]);
    let left: Vec<_> = std::fs::read_dir(lab.path()).unwrap().map(|e| e.unwrap().file_name()).filter(|n| n != "main.hcl").collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!std::path::Path::new(folder).join("state").exists());
}

/// G10: what a killed test leaves is ended by the next one.
#[test]
fn brokers_of_a_killed_test_are_ended_by_the_next() {
    let lab = lab("run \"r\" {\n  module {\n    source = \"./cluster\"\n  }\n}\n");
    lab.write("cluster/main.hcl", "resource \"kafka_cluster\" \"c\" {\n  deletion_protection = false\n}\n");
    let temporary = tempfile::tempdir().unwrap();
    let mark = format!("-Dstreamform.process={}/", temporary.path().display());
    let running = || {
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(|e| std::fs::read(e.ok()?.path().join("cmdline")).ok());
        processes
            .filter(|line| line.windows(mark.len()).any(|w| w == mark.as_bytes()) && line.windows(11).any(|w| w == b"kafka.Kafka"))
            .count()
    };
    let start = |line: &str| {
        let mut command = lab.command(line.split(' '));
        command.env_remove("HOME").envs(std::env::vars().filter(|(k, _)| k == "HOME")).env("TMPDIR", temporary.path());
        command.spawn().unwrap()
    };
    let mut child = start("test");
    let began = std::time::Instant::now();
    while running() == 0 {
        assert!(began.elapsed().as_secs() < 120, "no broker");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // One that runs beside it touches nothing.
    lab.write("main.sftest.hcl", "run \"r\" {\n  command = plan\n}\n");
    let s = screen(&start("test").wait_with_output().unwrap());
    assert!(running() > 0 && !s.text.contains("SF9026"), "{}", s.text);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(running() > 0);
    let s = screen(&start("test").wait_with_output().unwrap());
    assert_eq!(s.code, 0, "{}", s.text);
    s.shows(&["Warning[SF9026]: Left behind by a killed test"]);
    assert_eq!((running(), std::fs::read_dir(temporary.path()).unwrap().count()), (0, 0));
    assert!(!lab.path().join(".streamform/tests").exists());
}

#[test]
fn mistakes_in_test_files_are_said_before_anything_runs() {
    let lab = lab("run \"a\" {\n  command = plann\n}\nrum \"b\" {}\nrun \"c\" {\n  module {\n    source = \"./nowhere\"\n  }\n}\n");
    let s = lab.fails("test", &["must be plan or apply", "Did you mean \"run\"?"]);
    s.hides(&["in progress"]);
    lab.write("main.sftest.hcl", "run \"c\" {\n  module {\n    source = \"./nowhere\"\n  }\n}\n");
    lab.fails("test", &["The folder nowhere cannot be read", "3:     source"]);
    lab.write("main.sftest.hcl", "run \"a\" {}\nrun \"b\" {\n  variables {\n    n = run.c.o\n  }\n}\n");
    lab.fails("test", &["No earlier run of this file is named \"c\"."]);
    lab.write("main.sftest.hcl", "run \"a\" {\n  command = plan\n}\nrun \"b\" {\n  variables {\n    n = run.a.id\n  }\n}\n");
    lab.fails("test", &["Error[SF9025]: Value is not known yet", "The value for var.n is not known."]);
}

#[test]
fn what_a_failed_apply_made_is_taken_down() {
    let lab = Lab::new(
        "resource \"null_resource\" \"a\" {\n  lifecycle {\n    prevent_destroy = true\n  }\n}\nresource \"null_resource\" \"b\" {\n  fail   = \"asked to\"\n  inputs = null_resource.a.id\n}\n",
    );
    lab.write("a.sftest.hcl", "run \"a\" {}\nrun \"b\" {}\n");
    let s = lab.fails("test", &["asked to", "run \"b\"... skip", "Failure! 0 passed, 1 failed, 1 skipped."]);
    s.hides(&["left objects behind"]);
}

#[test]
fn an_interrupt_ends_the_run_and_cleans_up() {
    let lab = Lab::new(
        "resource \"null_resource\" \"a\" {}\nresource \"null_resource\" \"b\" {\n  delay_ms = 1500\n  inputs   = null_resource.a.id\n}\nresource \"null_resource\" \"c\" {\n  inputs = null_resource.b.id\n}\n",
    );
    lab.write("a.sftest.hcl", "run \"a\" {}\nrun \"b\" {}\n");
    let dir = lab.path().join("tmp");
    std::fs::create_dir(&dir).unwrap();
    let child = lab.command(["test"]).env("TMPDIR", &dir).spawn().unwrap();
    until("the run has begun", || std::fs::read_dir(&dir).unwrap().flatten().any(|e| e.path().join("state-0").exists()));
    std::thread::sleep(std::time::Duration::from_millis(600));
    signal(&child, "INT");
    let s = screen(&child.wait_with_output().unwrap());
    assert_eq!(s.code, 1, "{}", s.text);
    s.shows(&["was interrupted", "run \"b\"... skip", "tearing down", "1 failed, 1 skipped"]).hides(&["left objects behind"]);
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0, "the temporary state stayed");
}

/// The course of each of these files, as `terraform test` 1.11 has it with `terraform_data` in place of `null_resource`.
#[test]
fn the_course_of_a_file_is_terraforms() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/test_cases.json")).unwrap();
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_string();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 60);
    let mut wrong = Vec::new();
    for case in cases {
        let lab = Lab::new(&text(&golden["main"]));
        lab.write("m/main.hcl", &text(&golden["module"]));
        lab.write("a.sftest.hcl", &text(&case["test"]));
        let s = lab.run(&format!("test {}", text(&case["args"])));
        let told = |l: &&str| ["  run ", "a.sftest.hcl...", "Success!", "Failure!"].iter().any(|start| l.starts_with(start));
        let lines: Vec<&str> = s.stdout.lines().filter(told).collect();
        let wanted: Vec<&str> = case["lines"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
        if lines != wanted || i64::from(s.code) != case["exit"].as_i64().unwrap() {
            wrong.push(format!("{}: wanted {wanted:#?}\n{}", text(&case["name"]), s.text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_could_not_be_destroyed_is_listed_and_its_state_kept() {
    let lab = Lab::new(
        "resource \"null_resource\" \"slow\" {\n  delay_ms = 1200\n}\nresource \"null_resource\" \"after\" {\n  inputs = null_resource.slow.id\n}\n",
    );
    lab.write("a.sftest.hcl", "run \"a\" {}\n");
    let dir = lab.path().join("tmp");
    std::fs::create_dir(&dir).unwrap();
    let mut child = lab.command(["test"]).env("TMPDIR", &dir).spawn().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("tearing down") {
        line.clear();
        assert_ne!(std::io::BufRead::read_line(&mut stdout, &mut line).unwrap(), 0, "it never came to tearing down");
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    signal(&child, "INT");
    std::thread::sleep(std::time::Duration::from_millis(100));
    signal(&child, "INT");
    let out = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("a.sftest.hcl left objects behind") && stderr.contains("  - null_resource.slow"), "{stderr}");
    assert!(!stderr.contains("null_resource.after"), "{stderr}");
    let kept = std::fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    assert!(stderr.contains(&kept.display().to_string()) && kept.join("state-0").exists(), "{stderr}");
}

#[test]
fn a_run_says_which_configuration_of_a_provider_it_takes() {
    let lab = Lab::new(
        "provider \"null\" {\n  alias = \"eu\"\n}\nresource \"null_resource\" \"n\" {\n  provider = null.eu\n}\noutput \"id\" {\n  value = null_resource.n.id\n}\n",
    );
    let file = |meant: &str| {
        format!(
            r#"
mock_provider "null" {{
  alias = "fake"
  mock_resource "null_resource" {{
    defaults = {{
      id = "mocked"
    }}
  }}
}}
run "real" {{
  assert {{
    condition     = output.id != "mocked"
    error_message = "mocked"
  }}
}}
run "mocked" {{
  state_key = "other"
  parallel  = true
  providers = {{
    null.eu = {meant}
  }}
  assert {{
    condition     = output.id == "mocked"
    error_message = "not mocked"
  }}
}}
"#
        )
    };
    lab.write("a.sftest.hcl", &file("null.fake"));
    lab.ok("test").shows(&["2 passed"]);
    lab.write("a.sftest.hcl", &file("null.fak"));
    lab.fails("test", &["SF2041", "Did you mean null.fake?"]);
    lab.write("a.sftest.hcl", &file("kafka"));
    lab.fails("test", &["SF2042", "another provider than null.eu"]);
    // The settings of the file's configuration count in place of the module's.
    lab.write("a.sftest.hcl", &format!("provider \"null\" {{\n  alias = \"bad\"\n  nothing = 1\n}}\n{}", file("null.bad")));
    lab.fails("test", &["no argument \"nothing\""]);
}
