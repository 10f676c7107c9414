//! Findings of issue 9, each by its number: the command line as a process, with `null_resource` and `secret`, without any cluster.

mod common;

use common::{Lab, Screen, old_export, screen};

fn null(name: &str, body: &str) -> String {
    format!("resource \"null_resource\" \"{name}\" {{\n{body}}}\n")
}

fn secret(name: &str, key: &str, content: &str) -> String {
    format!("resource \"secret\" \"{name}\" {{\n  name = \"{key}\"\n  data = {{ \"a.txt\" = \"{content}\" }}\n}}\n")
}

fn state(lab: &Lab) -> Vec<String> {
    lab.ok("state list").stdout.lines().map(str::to_string).collect()
}

fn errors(screen: &Screen) -> Vec<String> {
    let heads = screen.text.lines().filter_map(|l| l.strip_prefix("│ Error[")?.split(']').next());
    heads.map(str::to_string).collect()
}

fn outputs(lab: &Lab) -> serde_json::Value {
    let json: serde_json::Value = serde_json::from_str(&lab.ok("output -json").stdout).unwrap();
    json.as_object().unwrap().iter().map(|(k, v)| (k.clone(), v["value"].clone())).collect()
}

// F2: when destroying, instances come from the state.

#[test]
fn f2_destroy_without_what_a_for_each_names() {
    let lab = Lab::new(
        &(null("t", "  triggers = { name = \"x\" }\n")
            + &null("u", "  for_each = toset([null_resource.t.triggers.name])\n  inputs = each.key\n")),
    );
    lab.apply();
    lab.ok("state rm null_resource.t");
    lab.ok("plan -destroy").shows(&["null_resource.u[\"x\"] will be destroyed", "0 to add, 0 to change, 1 to destroy"]);
    lab.ok("destroy -auto-approve").shows(&["1 destroyed"]);
    assert!(state(&lab).is_empty());
}

#[test]
fn f2_destroy_in_modules_whose_instances_are_not_known_and_whose_files_are_gone() {
    let lab = Lab::new(
        "locals {\n  names = yamldecode(file(\"names.yaml\"))\n}\nmodule \"m\" {\n  source   = \"./m\"\n  for_each = toset(local.names)\n  text     = file(\"${each.key}.txt\")\n}\n",
    );
    lab.write(
        "m/main.hcl",
        "variable \"text\" { type = string }\nresource \"null_resource\" \"first\" { inputs = var.text }\nresource \"null_resource\" \"second\" {\n  count  = length(null_resource.first.output)\n  inputs = null_resource.first.id\n}\noutput \"id\" { value = null_resource.first.id }\n",
    );
    lab.write("names.yaml", "[a, b]");
    lab.write("a.txt", "1");
    lab.write("b.txt", "12");
    lab.apply();
    assert_eq!(state(&lab).len(), 5);
    for gone in ["names.yaml", "a.txt", "b.txt"] {
        std::fs::remove_file(lab.path().join(gone)).unwrap();
    }
    lab.fails("plan", &["file", "names.yaml"]);
    let screen = lab.ok("destroy -auto-approve");
    screen.shows(&["5 destroyed"]);
    // The order is that of the recorded dependencies.
    for m in ["a", "b"] {
        let at = |what: &str| {
            screen.text.find(&format!("module.m[\"{m}\"].null_resource.{what}: Destr")).unwrap_or_else(|| panic!("{what}\n{}", screen.text))
        };
        assert!(at("second[0]") < at("first"), "{}", screen.text);
    }
    assert!(state(&lab).is_empty());
}

#[test]
fn f2_destroy_with_a_target_takes_one_instance() {
    let lab = Lab::new(&(null("t", "  triggers = { a = \"1\", b = \"2\" }\n") + &null("u", "  for_each = null_resource.t.triggers\n")));
    lab.apply();
    lab.run_args(["destroy", "-auto-approve", "-target=null_resource.u[\"a\"]"]).shows(&["1 destroyed", "exit 0"]);
    assert_eq!(state(&lab), ["null_resource.t", "null_resource.u[\"b\"]"]);
    // What needs the target goes with it.
    lab.ok("destroy -auto-approve -target=null_resource.t").shows(&["2 destroyed"]);
    assert!(state(&lab).is_empty());
}

// H5: a failed value is silent downstream.

#[test]
fn h5_a_missing_file_is_one_error() {
    let lab = Lab::new(
        &("locals {\n  all   = yamldecode(file(\"all.yaml\"))\n  names = [for a in local.all : a.name]\n}\n".to_string()
            + &null("a", "  for_each = { for a in local.all : a.name => a }\n")
            + &null("b", "  for_each = toset(local.names)\n")
            + &null("c", "  count = length(local.names)\n")
            + "output \"b\" {\n  value = null_resource.b\n}\nmodule \"m\" {\n  source   = \"./m\"\n  for_each = toset(local.names)\n  name     = each.value\n}\noutput \"m\" {\n  value = { for k, v in module.m : k => v.id }\n}\n"),
    );
    lab.write("m/main.hcl", "variable \"name\" { type = string }\nresource \"null_resource\" \"x\" { inputs = var.name }\noutput \"id\" { value = null_resource.x.id }\n");
    let screen = lab.fails("plan", &["all.yaml"]);
    assert_eq!(errors(&screen).len(), 1, "{}", screen.text);
    lab.write("all.yaml", "- {name: [");
    let screen = lab.fails("plan", &["yamldecode"]);
    assert_eq!(errors(&screen).len(), 1, "{}", screen.text);
    lab.write("all.yaml", "- {name: x}");
    lab.apply().shows(&["4 added"]);
}

#[test]
fn h5_what_is_not_known_is_still_said_where_nothing_failed() {
    let lab = Lab::new(&(null("t", "") + &null("u", "  for_each = toset([null_resource.t.id])\n")));
    lab.fails("plan", &["Error[SF3003]"]);
}

#[test]
fn h5_no_guess_at_another_type_and_another_name() {
    let lab = Lab::new(
        &(null("legacy", "")
            + "output \"x\" {\n  value = kafka_cluster.main\n}\nresource \"kafka_topic\" \"legacy\" {\n  cluster = kafka_cluster.main\n  name = \"x\"\n}\n"),
    );
    lab.fails("plan", &["Nothing declares kafka_cluster.main"]).hides(&["Did you mean kafka_topic.legacy"]);
    let lab = Lab::new(&(null("legacy", "") + "output \"x\" {\n  value = null_resource.legaci\n}\n"));
    lab.fails("plan", &["Did you mean null_resource.legacy?"]);
}

// B2: an expression that fails destroys nothing.

#[test]
fn b2_a_failed_for_each_takes_nothing_for_gone() {
    let block = |for_each: &str| {
        "variable \"names\" { default = \"[\\\"a\\\"]\" }\n".to_string()
            + &null("p", &format!("  for_each = {for_each}\n  lifecycle {{\n    prevent_destroy = true\n  }}\n"))
            + &format!("module \"m\" {{\n  source   = \"./m\"\n  for_each = {for_each}\n}}\n")
    };
    let lab = Lab::new(&block("toset([\"a\"])"));
    lab.write("m/main.hcl", &null("p", "  lifecycle {\n    prevent_destroy = true\n  }\n"));
    lab.apply();
    lab.write("main.hcl", &block("toset(jsondecode(\"nothing\"))"));
    let screen = lab.fails("plan", &["jsondecode"]);
    screen.hides(&["SF3009", "prevent_destroy"]);
    // Text where a list is expected: one error for each place, and none about what would be destroyed.
    lab.write("main.hcl", &block("var.names"));
    let screen = lab.fails("plan", &["SF3002"]);
    screen.hides(&["SF3009", "prevent_destroy set"]);
    assert_eq!(errors(&screen).len(), 2, "{}", screen.text);
    // A failed value where a change replaces.
    lab.write("main.hcl", &block("toset([\"a\"])").replace("  lifecycle", "  triggers = { x = file(\"none\") }\n  lifecycle"));
    let screen = lab.fails("plan", &["none"]);
    screen.hides(&["SF3009"]);
}

// B3: what to do about a protected object whose key or block is gone.

#[test]
fn b3_protection_of_an_object_whose_key_is_gone() {
    let config = |keys: &str| {
        format!("module \"m\" {{\n  source   = \"./m\"\n  for_each = toset([{keys}])\n}}\n")
            + &null("r", &format!("  for_each = toset([{keys}])\n  lifecycle {{\n    prevent_destroy = true\n  }}\n"))
    };
    let lab = Lab::new(&config("\"a\", \"b\""));
    lab.write("m/main.hcl", &null("p", "  lifecycle {\n    prevent_destroy = true\n  }\n"));
    lab.apply();
    lab.write("main.hcl", &config("\"a\""));
    let screen =
        lab.fails("plan", &["Put the key of module.m[\"b\"] back into count or for_each", "Put the key of null_resource.r[\"b\"] back"]);
    screen.hides(&["Put its block back"]);
    assert_eq!(errors(&screen), ["SF3009", "SF3009"]);
    lab.write("main.hcl", "");
    let screen = lab.fails("plan", &["Put its block back"]);
    assert_eq!(errors(&screen).len(), 4, "{}", screen.text);
    let screen = lab.fails("destroy -auto-approve", &["Put its block back"]);
    assert_eq!(errors(&screen), ["SF3009"; 4], "one for each object");
}

// B6: what is gone already does not stay.

#[test]
fn b6_a_removed_block_whose_object_is_gone() {
    let lab = Lab::new(&secret("a", "s", "1"));
    lab.apply();
    std::fs::remove_dir_all(lab.path().join(".streamform/secrets/s")).unwrap();
    lab.write("main.hcl", "");
    let screen = lab.ok("plan");
    screen.shows(&["# secret.a is gone already; its record will be removed"]);
    screen.hides(&["stays as it is", "stay as they are", "taken in again", "SF3032"]);
    lab.apply();
    assert!(state(&lab).is_empty());
}

#[test]
fn b6_destroy_forgets_what_is_gone_already() {
    let lab = Lab::new(&(secret("a", "s", "1") + &secret("b", "t", "1")));
    lab.apply();
    std::fs::remove_dir_all(lab.path().join(".streamform/secrets/s")).unwrap();
    lab.ok("destroy -auto-approve").shows(&["1 destroyed"]).hides(&["stays as it is"]);
    assert!(state(&lab).is_empty());
}

// B9: targets follow moves.

#[test]
fn b9_a_target_at_the_old_address_of_a_move() {
    let moved = "moved {\n  from = null_resource.old\n  to   = null_resource.new\n}\n";
    let lab = Lab::new(&(null("old", "  inputs = 1\n") + &null("other", "")));
    lab.apply();
    lab.write("main.hcl", &(null("new", "  inputs = 2\n") + &null("other", "  inputs = 5\n") + moved));
    let screen = lab.ok("plan -target=null_resource.old");
    screen.shows(&["null_resource.new will be updated in place", "(moved from null_resource.old)", "0 to add, 1 to change, 0 to destroy"]);
    lab.fails("plan -exclude=null_resource.old", &["SF3035"]);
    lab.ok("apply -auto-approve -target=null_resource.old");
    assert_eq!(state(&lab), ["null_resource.new", "null_resource.other"]);
}

#[test]
fn b9_a_target_at_the_old_address_of_an_inferred_rename() {
    let lab = Lab::new(&(secret("old", "s", "1") + &null("other", "")));
    lab.apply();
    lab.write("main.hcl", &(secret("new", "s", "2") + &null("other", "  inputs = 5\n")));
    lab.ok("plan -target=secret.old").shows(&["secret.new will be updated in place", "0 to add, 1 to change, 0 to destroy"]);
    lab.fails("plan -exclude=secret.new", &["SF3035"]);
    lab.ok("apply -auto-approve -target=secret.old");
    assert_eq!(state(&lab), ["null_resource.other", "secret.new"]);
    assert_eq!(lab.read(".streamform/secrets/s/a.txt"), "2");
}

// H3: a targeted destroy keeps the outputs of what stays.

#[test]
fn h3_a_targeted_destroy_keeps_outputs() {
    let config = null("a", "  inputs = \"a\"\n")
        + &null("b", "  inputs = \"b\"\n")
        + "output \"a\" {\n  value = null_resource.a.output\n}\noutput \"b\" {\n  value = null_resource.b.output\n}\noutput \"fixed\" {\n  value = 7\n}\n";
    for line in ["destroy -auto-approve -target=null_resource.a", "apply -destroy -auto-approve -target=null_resource.a"] {
        let lab = Lab::new(&config);
        lab.apply();
        lab.ok(line).shows(&["1 destroyed"]);
        assert_eq!(outputs(&lab), serde_json::json!({"b": "b", "fixed": 7}), "{line}");
        lab.ok("destroy -auto-approve");
        assert_eq!(outputs(&lab), serde_json::json!({}), "{line}");
    }
}

// Imports of what another address holds.

#[test]
fn an_object_that_another_address_holds_is_not_imported() {
    let lab = Lab::new(&secret("old", "s", "1"));
    lab.apply();
    lab.write("main.hcl", &(secret("old", "s", "1") + &secret("new", "s", "1")));
    lab.fails("import secret.new s", &["SF3008", "secret \"s\" as secret.old"]);
    lab.write("main.hcl", &secret("new", "s", "1"));
    lab.fails("import secret.new s", &["SF3008", "secret \"s\" as secret.old", "from = secret.old", "to   = secret.new"]);
    assert_eq!(state(&lab), ["secret.old"]);
    let import = "import {\n  to = secret.new\n  id = \"s\"\n}\n";
    lab.write("main.hcl", &(secret("new", "s", "1") + import));
    lab.fails("plan", &["SF3008", "secret \"s\" as secret.old", "moved {", "from = secret.old", "to   = secret.new"]);
    // What nobody holds is imported.
    lab.ok("state rm secret.old");
    lab.ok("plan").shows(&["1 to import"]);
    lab.write("main.hcl", &secret("new", "s", "1"));
    lab.ok("import secret.new s");
    assert_eq!(state(&lab), ["secret.new"]);
}

// Two records of one object, as older versions wrote them.

#[test]
fn two_records_of_one_object_are_named_and_repaired() {
    let lab = Lab::new(&secret("a", "s", "1"));
    lab.apply();
    let export = old_export(&lab);
    let record = export.lines().find(|l| l.contains("\"secret.a\"")).unwrap();
    lab.write("two.json", &format!("{export}{}\n", record.replace("secret.a\"", "secret.b\"")));
    lab.ok("state restore two.json");
    assert_eq!(state(&lab), ["secret.a", "secret.b"]);
    let screen = lab.ok("plan");
    screen.shows(&[
        "SF3037",
        "The state holds the secret \"s\" twice: as secret.a and as secret.b.",
        "0 to add, 0 to change, 0 to destroy, 1 to forget",
    ]);
    screen.hides(&["SF3032"]);
    lab.apply();
    assert_eq!(state(&lab), ["secret.a"]);
    assert_eq!(lab.read(".streamform/secrets/s/a.txt"), "1");
    lab.ok("plan").shows(&["No changes."]);
}

// What a plan says of a move.

#[test]
fn a_rename_is_told_as_terraform_tells_it() {
    let lab = Lab::new(&secret("a", "s", "1"));
    lab.apply();
    lab.write("main.hcl", &secret("b", "s", "1"));
    let screen = lab.ok("plan");
    screen
        .shows(&["# secret.a has moved to secret.b", "0 to add, 0 to change, 0 to destroy"])
        .hides(&["will only change in the state", "(moved from"]);
    let json: serde_json::Value = serde_json::from_str(lab.ok("plan -json").stdout.lines().last().unwrap()).unwrap();
    assert_eq!(json["resource_changes"][0]["previous_address"], "secret.a");
    lab.write("main.hcl", &secret("b", "s", "2"));
    lab.ok("plan").shows(&["# secret.b will be updated in place", "# (moved from secret.a)"]);
}

// Drift and what apply would do about it.

#[test]
fn drift_counts_apart_what_apply_refuses() {
    let kept =
        |size: &str| null("kept", &format!("  triggers = {{ size = \"{size}\" }}\n  lifecycle {{\n    prevent_destroy = true\n  }}\n"));
    let lab = Lab::new(&(kept("1") + &null("n", "  inputs = 1\n")));
    lab.apply();
    lab.write("main.hcl", &(kept("2") + &null("n", "  inputs = 2\n") + &null("new", "")));
    let screen = lab.run("drift");
    assert_eq!(screen.code, 2, "{}", screen.text);
    screen.shows(&[
        "Drift in 3 of 3 objects:",
        "! null_resource.kept has prevent_destroy set",
        "streamform apply refuses to run because of 1 of them (the one marked with !), and changes nothing until that is resolved. After that it changes 2 of them.",
    ]);
    let json: serde_json::Value = serde_json::from_str(&lab.run("drift -json").stdout).unwrap();
    let refused: Vec<bool> = json["managed"].as_array().unwrap().iter().map(|m| m["refused"].as_bool().unwrap()).collect();
    assert_eq!(refused, [true, false, false]);
    // An error that is about none of them keeps apply from running too.
    lab.write("main.hcl", &(kept("1") + &null("n", "  inputs = 2\n") + "output \"x\" {\n  value = file(\"none\")\n}\n"));
    lab.run("drift").shows(&["streamform apply changes nothing until the errors above are resolved. After that it changes 1 of them."]);
    lab.write("main.hcl", &(kept("1") + &null("n", "  inputs = 2\n")));
    lab.run("drift").shows(&["streamform apply changes 1 of them; streamform plan shows how."]);
}

/// The record of an object that cannot be read may be old: nothing is told of it but that.
#[test]
fn drift_says_nothing_of_what_it_could_not_read() {
    let lab = Lab::new(&secret("a", "s", "1"));
    lab.apply();
    lab.write("main.hcl", &secret("a", "s", "2"));
    let folder = lab.path().join(".streamform/secrets/s");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "").unwrap();
    lab.fails("drift", &["SF8005", "is not a folder"]).hides(&["not changed yet", "No drift"]);
    lab.write("main.hcl", &(secret("a", "s", "2") + &null("new", "")));
    let screen = lab.run("drift");
    assert_eq!(screen.code, 2, "{}", screen.text);
    screen.shows(&["null_resource.new", "Not read, so nothing is known of: secret.a"]).hides(&["secret.a  not"]);
}

#[test]
fn drift_verbose_shows_each_object_in_full() {
    let lab = Lab::new(&(secret("a", "s", "1") + &secret("b", "t", "1") + &null("n", "  inputs = 1\n  fail   = null\n")));
    lab.apply();
    lab.write(".streamform/secrets/s/a.txt", "other");
    lab.write(
        "main.hcl",
        &(secret("a", "s", "1") + &secret("b", "t", "1") + &null("n", "  inputs = 2\n") + &null("new", "  delay_ms = 1\n")),
    );
    lab.run("drift").shows(&["~ secret.a"]).hides(&["resource \"secret\""]);
    let screen = lab.run("drift -verbose");
    assert_eq!(screen.code, 2, "{}", screen.text);
    screen.shows(&[
        "Drift in 3 of 4 objects:",
        "# secret.a was changed outside streamform",
        "# secret.a will be updated in place",
        "~ resource \"secret\" \"a\" {",
        "name    = \"s\"",
        "# null_resource.n will be updated in place",
        "~ inputs = 1 -> 2",
        "# null_resource.new will be created",
        "+ delay_ms = 1",
        "will do:",
    ]);
    screen.hides(&["secret.b", "other", "hidden)"]);
}

// F1: drift tells every object that it can.

#[test]
fn f1_drift_tells_what_somebody_did() {
    let lab = Lab::new(&(secret("a", "s", "1") + &secret("b", "t", "1") + &secret("c", "u", "1") + &null("n", "  inputs = 1\n")));
    lab.apply();
    lab.ok("drift").shows(&["No drift."]);
    lab.write(".streamform/secrets/s/a.txt", "other");
    std::fs::remove_dir_all(lab.path().join(".streamform/secrets/t")).unwrap();
    lab.write(
        "main.hcl",
        &(secret("a", "s", "1") + &secret("b", "t", "1") + &secret("c", "u", "1") + &null("n", "  inputs = 2\n") + &null("new", "")),
    );
    let screen = lab.run("drift");
    assert_eq!(screen.code, 2, "{}", screen.text);
    screen.shows(&[
        "Drift in 4 of 5 objects:",
        "~ secret.a",
        "outside",
        "- secret.b",
        "deleted outside",
        "~ null_resource.n",
        "1 -> 2",
        "+ null_resource.new",
        "not created yet",
    ]);
    screen.hides(&["secret.c", "other"]);
    let json: serde_json::Value = serde_json::from_str(&lab.run("drift -json").stdout).unwrap();
    let of = |a: &str| json["managed"].as_array().unwrap().iter().find(|m| m["address"] == a).cloned().unwrap();
    assert_eq!(json["drift"], true);
    assert_eq!(of("secret.b")["missing"], true);
    assert_eq!(of("secret.b")["actions"], "create");
    assert_eq!(of("secret.a")["changes"][0]["by"], "outside");
    assert_eq!(of("null_resource.n")["changes"][0]["by"], "configuration");
    assert_eq!(json["unmanaged"], serde_json::json!([]));
}

#[test]
fn f1_an_object_that_cannot_be_planned_hides_no_other_one() {
    let lab = Lab::new(&(secret("a", "s", "1") + &secret("p", "t", "1")));
    lab.apply();
    lab.write(".streamform/secrets/s/a.txt", "other");
    lab.write(".streamform/secrets/t/a.txt", "other");
    // The second one cannot be planned any more.
    let refused = secret("p", "t", "1").replace(
        "  data",
        "  lifecycle {\n    precondition {\n      condition     = local.ok\n      error_message = \"Not like this.\"\n    }\n  }\n  data",
    );
    lab.write("main.hcl", &(secret("a", "s", "1") + &refused + "locals {\n  ok = false\n}\n"));
    let screen = lab.run("drift");
    assert_eq!(screen.code, 2, "{}", screen.text);
    screen.shows(&["Drift in 2 of 2 objects:", "~ secret.a", "~ secret.p", "! Not like this."]).hides(&["Error["]);
    // An error that is about none of what differs is told as one; without any drift it is the result.
    lab.write("main.hcl", &(secret("a", "s", "1") + &secret("p", "t", "1") + "output \"x\" {\n  value = file(\"none\")\n}\n"));
    let screen = lab.run("drift");
    assert_eq!(screen.code, 2, "{}", screen.text);
    screen.shows(&["Error[", "none", "~ secret.a"]);
    lab.write(".streamform/secrets/s/a.txt", "1");
    lab.write(".streamform/secrets/t/a.txt", "1");
    lab.fails("drift", &["Error[", "none"]).hides(&["No drift"]);
}

// What is checked of a configuration whose instances are not known.

#[test]
fn validate_looks_into_what_an_unknown_for_each_repeats() {
    let lab = Lab::new(
        &("variable \"names\" { type = set(string) }\nmodule \"m\" {\n  source   = \"./m\"\n  for_each = var.names\n  name     = each.value\n}\noutput \"o\" {\n  value = module.m[\"x\"].id\n}\n".to_string()
            + &null("r", "  for_each = var.names\n  inputs = \"${each.key}-${each.value}\"\n  wrong = 1\n")),
    );
    lab.write("m/main.hcl", "variable \"name\" { type = string }\nresource \"null_resource\" \"x\" {\n  inputs   = var.name\n  delay_ms = \"soon\"\n}\noutput \"id\" { value = null_resource.x.id }\n");
    let screen = lab.fails("validate", &["\"delay_ms\": a number is required", "There is no argument \"wrong\" here"]);
    assert_eq!(errors(&screen).len(), 2, "{}", screen.text);
}

// H6: one mistake in a block with for_each is one box.

#[test]
fn h6_one_mistake_is_one_box_however_many_instances_it_has() {
    let lab = Lab::new("resource \"secret\" \"s\" {\n  count    = 12\n  name     = \"a b/${count.index}\"\n  generate = [\"x\"]\n}\n");
    lab.fails("plan", &["with secret.s[0]", "… and 11 more instances: secret.s[1], secret.s[2], secret.s[3] and 8 more"]).once("Error[");
    // Tools get all of them.
    let json: serde_json::Value = serde_json::from_str(&lab.run("validate -json").stdout).unwrap();
    assert!(json["error_count"].as_u64().unwrap() >= 1);
    // The same mistake in many blocks: five in full, the others as a list.
    let blocks: String =
        (0..20).map(|i| format!("resource \"secret\" \"s{i}\" {{\n  name     = \"a b/{i}\"\n  generate = [\"x\"]\n}}\n")).collect();
    lab.write("main.hcl", &blocks);
    let s = lab.fails("plan", &["… and the same in 15 more places:", "on main.hcl line 30, with secret.s7", "and 5 more"]);
    assert_eq!(s.text.matches("Error[").count(), 5, "{}", s.text);
}

// B10, H15: small answers.

#[test]
fn b10_a_key_without_quotes_is_shown_with_them() {
    let lab = Lab::new(&null("n", "  for_each = toset([\"foo\"])\n"));
    for line in ["state show null_resource.n[foo]", "plan -target=null_resource.n[foo]", "state list null_resource.n[foo]"] {
        lab.fails(line, &["is not an address", "'null_resource.n[\"foo\"]'"]);
    }
    lab.fails("state show module.a[x].null_resource.n[0]", &["'module.a[\"x\"].null_resource.n[0]'"]);
    lab.fails("state show null_resource", &["hint: Write it as in kafka_topic.orders"]);
}

#[test]
fn b10_a_string_for_for_each_says_that_it_is_one() {
    let lab = Lab::new(&format!("variable \"names\" {{}}\n{}", null("n", "  for_each = var.names\n")));
    let s = lab.run_args(["plan", "-var", "names=[\"a\"]"]);
    s.shows(&["Error[SF3002]", "The for_each value is a string; a map or a set of strings is expected.", "wrap it in toset"]);
}

#[test]
fn h15_state_show_of_a_block_shows_all_its_instances() {
    let lab = Lab::new(&null("n", "  for_each = toset([\"a\", \"b\"])\n  inputs = each.key\n"));
    lab.apply();
    lab.ok("state show null_resource.n").shows(&["# null_resource.n[\"a\"]:", "# null_resource.n[\"b\"]:"]);
    assert_eq!(lab.ok("state show null_resource.n -json").stdout.lines().count(), 2);
    assert_eq!(lab.run_args(["state", "show", "null_resource.n[\"b\"]", "-json"]).stdout.lines().count(), 1);
}

#[test]
fn h15_an_empty_state_is_called_so() {
    let lab = Lab::new(&null("n", ""));
    lab.ok("state list").shows(&["The state is empty."]);
    assert_eq!(lab.ok("state list").stdout, "");
    lab.ok("output").shows(&["The state holds no outputs"]);
    assert_eq!(lab.ok("output -json").stdout.trim(), "{}");
}

#[test]
fn h15_a_provider_says_where_connections_are_written() {
    let lab = Lab::new("provider \"kafka\" {\n  bootstrap_servers = [\"a:1\"]\n}\n");
    lab.fails("validate", &["Error[SF1026]", "A provider holds no connection", "data \"kafka_cluster\" \"main\""]);
}

#[test]
fn h15_a_value_that_is_no_expression_names_its_variable_and_where_it_comes_from() {
    let lab = Lab::new("variable \"l\" {\n  type = list(string)\n}\n");
    let s = screen(&lab.command(["plan"]).env("SF_VAR_l", "a,b").output().unwrap());
    s.shows(&["Error[SF1001]", "value for var.l from the environment variable SF_VAR_l", "write a list as [\"a\", \"b\"]"]);
}

#[test]
fn h15_a_failed_apply_says_how_to_go_on() {
    let lab = Lab::new(&format!("{}{}", null("a", ""), null("b", "  fail = \"boom\"\n")));
    lab.fails(
        "apply -auto-approve",
        &["Apply incomplete!", "What was done is recorded. Correct the errors, and run apply again: it goes on from there."],
    );
}

// H14: files of Terraform get a word; `install` says what git must not have.

#[test]
fn h14_a_folder_for_terraform_gets_a_word() {
    let lab = Lab::new("");
    std::fs::remove_file(lab.path().join("main.hcl")).unwrap();
    lab.write("main.tf", "");
    lab.fails("plan", &["Error[SF2020]", "main.tf is a file for Terraform", ".hcl"]);
}

#[test]
fn h14_install_writes_what_git_must_not_have() {
    let lab = Lab::new("");
    std::fs::remove_file(lab.path().join("main.hcl")).unwrap();
    lab.ok("install");
    let ignored = lab.read(".gitignore");
    assert!(["/.streamform/\n", "/state/\n", "*.plan\n"].iter().all(|l| ignored.contains(l)), "{ignored}");
    // One that is there stays.
    let lab = Lab::new("");
    std::fs::remove_file(lab.path().join("main.hcl")).unwrap();
    lab.write(".gitignore", "mine\n");
    lab.ok("install");
    assert_eq!(lab.read(".gitignore"), "mine\n");
}

// A7: a placeholder that no worker resolves is found before anything runs.

#[test]
fn a7_placeholders_are_judged_by_validate() {
    let config = |value: &str| {
        format!(
            "resource \"kafka_cluster\" \"k\" {{\n}}\nresource \"secret\" \"s\" {{\n  data = {{ \"c.properties\" = \"user=me\\npassword=CANARY\\n\" }}\n}}\n\
             resource \"kafka_connect\" \"w\" {{\n  cluster = kafka_cluster.k\n  mount \"m\" {{\n    secret = secret.s\n    path   = \"/etc/secrets\"\n  }}\n}}\n\
             resource \"kafka_connector\" \"c\" {{\n  connect = kafka_connect.w\n  class   = \"FileStreamSink\"\n  config = {{\n    topics = \"t\"\n    file   = \"{value}\"\n  }}\n}}\n"
        )
    };
    let lab = Lab::new(&config("$${file:/etc/secrets/c.properties:password}"));
    lab.ok("validate");
    for (value, telling) in [
        ("$${env:OUT_FILE}", "no config provider \"env\""),
        ("$${file:db_pass}", "names no file"),
        ("$${file:/etc/secrets/c.properties:nokey}", "does not have: \"nokey\""),
        ("$${file:/etc/secrets/d.properties:password}", "has no file \"d.properties\""),
        ("$${file:/etc/x/c.properties:password}", "which no mount of"),
    ] {
        lab.write("main.hcl", &config(value));
        lab.fails("validate", &["Error[SF7020]", telling, "file   = "]).hides(&["CANARY"]);
    }
}

/// G11: a separator inside a super user is refused, and so is whatever would end a line of a client's settings. F13: the user is named.
/// F12: other types than `User` get a warning.
#[test]
fn g11_f12_f13_names_in_a_clusters_lists_are_checked_and_named() {
    let lab = Lab::new("");
    let block = |inside: &str| format!("resource \"kafka_cluster\" \"c\" {{\n  {inside}\n}}\n");
    for (inside, telling) in [
        ("super_users = [\"User:a;User:ANONYMOUS\"]", "holds a semicolon"),
        ("super_users = [\"User:a\", \"User:b\\n\"]", "holds a line break"),
        ("super_users = [\"alice\"]", "Write \"User:alice\""),
        ("users = {\n    \"a b\" = \"x\"\n  }", "\"a b\" cannot be used"),
        ("users = {\n    bob = \"CANARY\\n\"\n  }", "The password of user \"bob\""),
    ] {
        lab.write("main.hcl", &block(inside));
        lab.fails("validate", &[telling]).hides(&["CANARY"]);
    }
    for (inside, telling) in [("super_users = [\"Group:admins\"]", "has the type \"Group\""), ("super_users = [\"User:*\"]", "no wildcard")]
    {
        lab.write("main.hcl", &block(inside));
        lab.ok("validate").shows(&[telling]).once(telling);
    }
}

// G5: what stands in a variable file is not repeated, also where its quotes were forgotten.

#[test]
fn g5_a_text_without_quotes_is_not_repeated() {
    let lab = Lab::new("variable \"pw\" {\n  sensitive = true\n}\n");
    for text in ["pw = CANARY55\n", "pw = \"a${CANARY55}\"\n", "pw = [CANARY55]\n"] {
        lab.write("x.tfvars", text);
        lab.fails("plan -var-file=x.tfvars", &["Only constants are allowed here", "Write a text in quotes."]).hides(&["CANARY55"]);
    }
}

#[test]
fn no_plan_is_written_over_the_state_or_any_other_file() {
    let lab = Lab::new(&null("n", ""));
    lab.apply();
    lab.write("notes.txt", "mine");
    for file in ["state/key", "state/gate", "state/db/db", "state/log", "state/backup.jsonl", "notes.txt", "main.hcl"] {
        let before = std::fs::read(lab.path().join(file)).unwrap();
        lab.fails(&format!("plan -out={file}"), &["Error[SF3014]", "no plan is written over it"]);
        assert_eq!(std::fs::read(lab.path().join(file)).unwrap(), before, "{file}");
    }
    lab.ok("plan -out=p.plan");
    lab.ok("plan -out=p.plan");
    lab.ok("plan -detailed-exitcode");
}
