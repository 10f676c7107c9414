//! The state on the command line: what other versions wrote, deep values, and that it stays in its folder.

mod common;

use common::{Lab, Screen, screen};
use serde_json::json;

const TWO: &str = r#"
resource "null_resource" "a" {
}
resource "null_resource" "b" {
}
"#;

fn export(records: &[serde_json::Value]) -> String {
    let mut out = json!({"format": 2, "lineage": "", "serial": 1}).to_string() + "\n";
    for r in records {
        out += &(json!({"kind": "record", "name": r["address"], "value": r}).to_string() + "\n");
    }
    out
}

/// Finding P4.
#[test]
fn an_object_of_an_unknown_type_or_newer_version_stops_whatever_would_take_it_for_absent() {
    let lab = Lab::new(TWO);
    let user = |n: &str| json!({"address": format!("kafka_user.{n}"), "schema_version": 7, "attributes": {"name": n}});
    let newer = json!({"address": "null_resource.b", "schema_version": 9, "attributes": {"hue": "red"}});
    lab.write("e.jsonl", &export(&[user("alice"), user("bob"), newer]));
    lab.ok("state restore e.jsonl");
    let before = lab.ok("state export").stdout;
    let told =
        ["SF5015", "kafka_user.alice", "kafka_user.bob", "SF5016", "null_resource.b", "schema version 9", "state rm 'kafka_user.alice'"];
    for line in [
        "plan",
        "plan -out=p",
        "apply -auto-approve",
        "apply -refresh-only -auto-approve",
        "destroy -auto-approve",
        "drift",
        "import null_resource.a x",
    ] {
        lab.fails(line, &told);
        assert_eq!(lab.ok("state export").stdout, before, "{line}");
    }
    assert_eq!(lab.ok("state list").stdout, "kafka_user.alice\nkafka_user.bob\nnull_resource.b\n");
    lab.fails("state show kafka_user.bob", &["SF5015"]);
    lab.ok("state rm kafka_user.bob null_resource.b").shows(&["Removed kafka_user.bob", "Removed null_resource.b"]);
    lab.fails("plan", &["kafka_user.alice"]).hides(&["bob", "SF5016"]);
    lab.ok("state rm kafka_user.alice");
    lab.apply().shows(&["2 added"]);
}

/// Finding P5. Nothing is written outside of the folder, so there is nothing that a signal could leave there.
#[test]
fn no_command_needs_a_place_for_temporary_files() {
    let lab = Lab::new(TWO);
    let run = |line: &str| -> Screen {
        let s = screen(&lab.command(line.split_whitespace()).env("TMPDIR", "/nonexistent").output().unwrap());
        assert_eq!(s.code, 0, "{line}\n{}", s.text);
        s
    };
    run("apply -auto-approve");
    // With the log and, where it is missing, with a copy inside of the folder.
    for _ in 0..2 {
        for line in ["plan", "state list", "state history", "state show null_resource.a -at 1", "output", "drift"] {
            run(line);
        }
        std::fs::remove_file(lab.path().join("state/log")).unwrap_or_default();
    }
    run("apply -auto-approve");
    run("state list").shows(&["null_resource.a", "null_resource.b"]);
    let names = lab.files().into_iter().map(|(path, _)| path.strip_prefix(lab.path()).unwrap().display().to_string());
    let strange: Vec<String> = names.filter(|n| n.starts_with("state/.")).collect();
    assert!(strange.is_empty(), "{strange:?}");
}

/// Finding G2: 62 levels could be read back, 63 could not.
#[test]
fn values_that_nest_deep_do_not_end_the_state() {
    let nested = format!("{}1{}", "[".repeat(150), "]".repeat(150));
    let lab = Lab::new(&format!("resource \"null_resource\" \"a\" {{\n  inputs = {nested}\n}}\noutput \"o\" {{\n  value = {nested}\n}}\n"));
    lab.apply();
    lab.ok("plan").shows(&["No changes"]);
    lab.ok("state list").shows(&["null_resource.a"]);
    lab.write("e.jsonl", &lab.ok("state export").stdout);
    lab.ok("state restore e.jsonl");
    lab.ok("destroy -auto-approve").shows(&["1 destroyed"]);
}
