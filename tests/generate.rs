//! `plan -generate-config-out`, as people type it. What needs Kafka is shown by the suites that run it.

mod common;

use common::Lab;

const IMPORT: &str = "import {\n  to = null_resource.a\n  id = \"x1\"\n}\n";

#[test]
fn what_is_imported_and_not_declared_is_written_and_planned() {
    let lab = Lab::new(IMPORT);
    lab.ok("validate");
    for command in ["plan", "apply -auto-approve"] {
        lab.fails(command, &["SF3022", "null_resource.a", "streamform plan -generate-config-out=new.hcl"]);
    }
    let s = lab.ok("plan -generate-config-out=generated.hcl");
    s.shows(&[
        "null_resource.a will be imported",
        "Plan: 1 to import, 0 to add, 0 to change, 0 to destroy.",
        "Wrote 1 block to generated.hcl",
    ]);
    let text = lab.read("generated.hcl");
    assert!(text.starts_with("# Written by streamform plan -generate-config-out"), "{text}");
    assert!(text.ends_with("\nresource \"null_resource\" \"a\" {\n}\n"), "{text}");
    assert_eq!(lab.feed("fmt -", &text).stdout, text);
    lab.apply().shows(&["1 imported"]);
    lab.ok("plan -detailed-exitcode");
    // The file is there now, and a second run must not touch it.
    lab.fails("plan -generate-config-out=generated.hcl", &["SF9005", "is there already"]);
    assert_eq!(lab.read("generated.hcl"), text);
}

#[test]
fn nothing_is_written_where_nothing_is_to_be_generated_or_something_is_wrong() {
    let absent = |lab: &Lab| assert!(!lab.path().join("g.hcl").exists());
    let lab = Lab::new(&format!("{IMPORT}resource \"null_resource\" \"a\" {{}}\n"));
    lab.ok("plan -generate-config-out=g.hcl").hides(&["Wrote"]);
    absent(&lab);
    let cases = [
        ("import {\n  to = null_resource.a[\"k\"]\n  id = \"x\"\n}\n", "count or for_each"),
        ("import {\n  for_each = toset([\"k\"])\n  to = null_resource.a\n  id = \"x\"\n}\n", "count or for_each"),
        ("import {\n  to = null_resorce.a\n  id = \"x\"\n}\n", "Did you mean \"null_resource\"?"),
        ("import {\n  to = module.m.null_resource.a\n  id = \"x\"\n}\n", "Nothing in the configuration declares module.m.null_resource.a"),
        ("import {\n  to = null_resource.a\n  id = \"\"\n}\n", "The id of an import block is empty."),
        ("import {\n  to = kafka_topic.a\n  id = \"x\"\n}\n", "Declare the kafka_cluster in this module"),
        ("import {\n  to = null_resource.a\n  id = \"x\"\n}\noutput \"o\" {\n  value = var.nope\n}\n", "nope"),
    ];
    for (text, telling) in cases {
        lab.write("main.hcl", text);
        lab.fails("plan -generate-config-out=g.hcl", &[telling]);
        absent(&lab);
    }
    lab.write("main.hcl", "locals {\n}\nimport {\n  to = kafka_cluster.c\n  id = \"x\"\n}\n");
    lab.fails("plan -generate-config-out=g.hcl", &["cannot be imported", "on main.hcl line 3, in import"]);
    absent(&lab);
    lab.write("main.hcl", IMPORT);
    lab.fails("plan -generate-config-out=g.tf", &["SF9005", "ends in .hcl"]);
    for flag in ["-destroy", "-refresh-only"] {
        lab.fails(&format!("plan {flag} -generate-config-out=g.hcl"), &["SF9001", "-generate-config-out cannot be used with"]);
    }
    absent(&lab);
}

#[test]
fn a_secret_is_not_written() {
    let lab = Lab::new("import {\n  to = secret.s\n  id = \"tok\"\n}\n");
    lab.write(".streamform/secrets/tok/a.txt", "hunter2");
    let s = lab.ok("plan -generate-config-out=g.hcl");
    s.shows(&["Warning[SF9008]", "on main.hcl line 1, in import", "data of secret.s is left out of g.hcl", "1 to import"])
        .hides(&["hunter2"]);
    assert!(lab.read("g.hcl").ends_with("\nresource \"secret\" \"s\" {\n  name = \"tok\"\n  # data = … is sensitive\n}\n"));
}

#[test]
fn which_cluster_is_said_where_there_are_several() {
    let data = |name: &str| format!("data \"kafka_cluster\" \"{name}\" {{\n  bootstrap_servers = \"127.0.0.1:1\"\n}}\n");
    let import = |within: &str| format!("import {{\n  to = kafka_topic.t\n  id = \"t\"\n{within}}}\n");
    let lab = Lab::new(&format!("{}{}{}", data("a"), data("b"), import("")));
    let two = "within = data.kafka_cluster.a or data.kafka_cluster.b";
    lab.fails("plan -generate-config-out=g.hcl", &["SF3008", "not plain in which kafka_cluster", two]);
    lab.write("main.hcl", &format!("{}{}{}", data("a"), data("b"), import("  within = data.kafka_cluster.c\n")));
    lab.fails("plan -generate-config-out=g.hcl", &["SF3008", two]);
}

#[test]
fn the_variables_of_the_run_and_a_saved_plan_go_with_it() {
    let lab = Lab::new("variable \"id\" {\n}\nimport {\n  to = null_resource.a\n  id = var.id\n}\n");
    lab.ok("plan -var id=seven -generate-config-out=g.hcl -out=p.plan").shows(&["seven"]);
    lab.ok("apply -var id=seven p.plan").shows(&["1 imported"]);
    lab.ok("plan -var id=seven -detailed-exitcode");
    let json = Lab::new(IMPORT);
    let out = json.ok("plan -json -generate-config-out=g.hcl").stdout;
    assert!(out.lines().all(|l| serde_json::from_str::<serde_json::Value>(l).is_ok()), "{out}");
    json.read("g.hcl");
}
