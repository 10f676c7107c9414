//! Sensitive values, through the binary: outside changes are found by digest and never shown, and an apply is followed by an empty plan.

mod common;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::Duration;

use common::{Lab, Screen, real};
use streamform::client::connect::{ConnectClient, ConnectConnection, Patience};
use streamform::client::kafka::{ConfigOp, ConfigResource, ConfigSource};

const SECRET: &str = r#"
variable "key" {
  type      = string
  sensitive = true
  default   = "k3y-in-clear"
}

resource "secret" "db" {
  data     = { "db.properties" = "key=${var.key}" }
  generate = ["password"]
}
"#;

fn file(lab: &Lab, name: &str) -> PathBuf {
    lab.path().join(".streamform/secrets/db").join(name)
}

fn chmod(path: &std::path::Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Drift is seen by `drift` and `plan`, shown with these words and none of those; an apply puts it back.
#[track_caller]
fn drifted(lab: &Lab, telling: &[&str], hidden: &[&str]) {
    let report = lab.run("drift -unmanaged=false");
    assert_eq!(report.code, 2, "{}", report.text);
    let plan = lab.run("plan -detailed-exitcode");
    assert_eq!(plan.code, 2, "{}", plan.text);
    let json = lab.run("plan -json");
    for t in telling {
        assert!(report.text.contains(t) || plan.text.contains(t), "not shown: {t}\n{}\n{}", report.text, plan.text);
    }
    let applied = lab.apply();
    let state = lab.ok("state export");
    let all: [&Screen; 5] = [&report, &plan, &json, &applied, &state];
    for screen in all {
        screen.hides(hidden);
    }
    lab.ok("plan -detailed-exitcode");
    lab.ok("drift -unmanaged=false");
}

#[test]
fn what_is_done_to_a_secrets_files_is_drift_and_is_put_back() {
    let lab = Lab::new(SECRET);
    lab.apply();
    lab.ok("drift -unmanaged=false");
    let made = std::fs::read_to_string(file(&lab, "password")).unwrap();
    let data = "key=k3y-in-clear";

    std::fs::write(file(&lab, "password"), "typed by hand").unwrap();
    drifted(&lab, &["~ secret.db", "content changed", "~ \"password\" (generated anew: content changed)"], &["typed by hand", &made]);
    let made = std::fs::read_to_string(file(&lab, "password")).unwrap();

    std::fs::write(file(&lab, "db.properties"), "key=other").unwrap();
    drifted(&lab, &["~ secret.db", "~ \"db.properties\" = (sensitive value)"], &["key=other", "k3y-in-clear"]);
    assert_eq!(std::fs::read_to_string(file(&lab, "db.properties")).unwrap(), data);

    let outside = lab.path().join("outside");
    std::fs::rename(file(&lab, "db.properties"), &outside).unwrap();
    symlink(&outside, file(&lab, "db.properties")).unwrap();
    drifted(&lab, &["replaced by a symbolic link"], &["k3y-in-clear"]);
    assert!(std::fs::symlink_metadata(file(&lab, "db.properties")).unwrap().is_file());
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), data, "it was not written through");

    chmod(&file(&lab, "password"), 0o644);
    chmod(&file(&lab, ""), 0o755);
    drifted(&lab, &["permissions 0644", "permissions 0755", "~ password: 0644 (permissions) -> 0600"], &[&made]);
    assert_eq!(std::fs::read_to_string(file(&lab, "password")).unwrap(), made);

    std::fs::remove_file(file(&lab, "db.properties")).unwrap();
    drifted(&lab, &["+ \"db.properties\" = (sensitive value)"], &["k3y-in-clear"]);

    std::fs::remove_file(file(&lab, "db.properties")).unwrap();
    std::fs::create_dir_all(file(&lab, "db.properties/kept")).unwrap();
    lab.fails("plan", &["SF8005", "db.properties\" is a folder that is not empty"]);
    std::fs::remove_dir(file(&lab, "db.properties/kept")).unwrap();
    drifted(&lab, &["replaced by a folder"], &["k3y-in-clear"]);

    lab.ok("destroy -auto-approve");
    assert!(!lab.path().join(".streamform/secrets").exists() && outside.exists());
}

#[test]
fn a_saved_plan_puts_a_secret_back() {
    let lab = Lab::new(SECRET);
    lab.apply();
    chmod(&file(&lab, "password"), 0o640);
    std::fs::write(file(&lab, "db.properties"), "key=other").unwrap();
    lab.ok("plan -out=p");
    lab.ok("apply p");
    lab.ok("plan -detailed-exitcode");
    assert_eq!(std::fs::metadata(file(&lab, "password")).unwrap().permissions().mode() & 0o777, 0o600);
}

/// Values with something sensitive at every depth of every kind of collection.
const NESTED: &str = r#"
variable "pw" {
  type      = string
  sensitive = true
}

variable "users" {
  type      = map(object({ name = string, passwords = list(string) }))
  sensitive = true
}

resource "null_resource" "each" {
  for_each = {
    tuple   = [var.pw]
    object  = { a = var.pw, b = 1 }
    both    = { a = [var.pw, { b = [[var.pw], "x"] }], c = null }
    list    = tolist(["x", var.pw])
    map     = tomap({ a = var.pw, b = "x" })
    lists   = tomap({ a = [var.pw] })
    objects = tolist([{ a = var.pw }, { a = "x" }])
    set     = toset([var.pw, "x"])
    whole   = var.users
    text    = "p-${var.pw}"
    deep    = [[[[[[[[var.pw]]]]]]]]
    picked  = [for k in nonsensitive(keys(var.users)) : var.users[k].passwords]
  }
  inputs   = each.value
  triggers = { a = "t", b = sha256(var.pw) }
}

resource "null_resource" "counted" {
  count  = 2
  inputs = [{ n = count.index, of = null_resource.each["both"].output }]
  secret = var.pw
}
"#;

fn nested(lab: &Lab, pw: &str) {
    let users = format!("users = {{ a = {{ name = \"ann\", passwords = [\"{pw}-1\", \"{pw}-2\"] }} }}\n");
    lab.write("streamform.tfvars", &format!("pw = \"{pw}\"\n{users}"));
}

#[test]
fn nothing_sensitive_at_any_depth_keeps_a_plan_from_being_empty() {
    let lab = Lab::new(NESTED);
    nested(&lab, "s3cr3t-one");
    let hidden = ["s3cr3t", "ann"];
    lab.apply().hides(&hidden);
    for line in ["plan -detailed-exitcode", "plan -refresh=false -detailed-exitcode", "drift", "plan -refresh-only -detailed-exitcode"] {
        lab.ok(line);
    }
    lab.ok("state export").hides(&hidden);

    nested(&lab, "s3cr3t-two");
    let plan = lab.run("plan -detailed-exitcode");
    assert_eq!(plan.code, 2);
    plan.hides(&hidden);
    lab.ok("plan -out=p").hides(&hidden);
    lab.ok("apply p").hides(&hidden);
    lab.ok("plan -detailed-exitcode");
    lab.ok("state export").hides(&hidden);
}

#[test]
fn only_the_instances_with_another_secret_change() {
    let config = |a: &str, b: &str| {
        let var = |n: &str, v: &str| format!("variable \"{n}\" {{\n  sensitive = true\n  default = \"{v}\"\n}}\n");
        let block = "resource \"null_resource\" \"n\" {\n  for_each = { a = [var.a], b = { x = [var.b] } }\n  inputs = each.value\n}\n";
        var("a", a) + &var("b", b) + block
    };
    let lab = Lab::new(&config("1", "2"));
    lab.apply();
    lab.write("main.hcl", &config("1", "3"));
    lab.ok("plan").shows(&["null_resource.n[\"b\"] will be updated in place", "0 to add, 1 to change, 0 to destroy"]);
}

#[test]
fn a_map_whose_keys_are_sensitive_is_refused_where_they_are_names() {
    let head = "variable \"m\" {\n  type = map(string)\n  sensitive = true\n  default = { \"hidden.name\" = \"hidden-value\" }\n}\n";
    let secret = |data: &str| format!("{head}resource \"secret\" \"s\" {{\n  data = {data}\n}}\n");
    let lab = Lab::new(&secret("var.m"));
    let hidden = ["hidden.name", "hidden-value"];
    let refused = ["SF1032", "\"data\" is sensitive as a whole", "nonsensitive(keys("];
    for line in ["plan", "apply -auto-approve", "validate"] {
        lab.fails(line, &refused).hides(&hidden);
    }
    lab.write("main.hcl", &secret("merge(var.m, { b = \"x\" })"));
    lab.fails("plan", &refused).hides(&hidden);
    // As the hint says it.
    lab.write("main.hcl", &secret("{ for k in nonsensitive(keys(var.m)) : k => var.m[k] }"));
    lab.apply().shows(&["hidden.name"]).hides(&["hidden-value"]);
    lab.ok("plan -detailed-exitcode");
    // Values alone: by element, merged, in a loop.
    let one = "variable \"one\" {\n  sensitive = true\n  default = \"hidden-value\"\n}\n";
    let data = "merge({ a = var.one }, { for k in [\"b\"] : k => \"${var.one}!\" })";
    lab.write("main.hcl", &format!("{one}{}", secret(data)));
    lab.apply().hides(&["hidden-value"]);
    lab.ok("plan -detailed-exitcode");
    let maps = ["kafka_cluster\" \"x\" {\n  users = var.m", "kafka_cluster\" \"x\" {\n  config = var.m"];
    for block in maps {
        lab.write("main.hcl", &format!("{head}resource \"{block}\n}}\n"));
        lab.fails("plan", &["SF1032"]).hides(&hidden);
    }
}

fn topic(ms: &str) -> String {
    format!(
        "variable \"ms\" {{\n  sensitive = true\n  default = \"{ms}\"\n}}\nvariable \"policy\" {{\n  sensitive = true\n  default = \"delete, compact\"\n}}\n\
         data \"kafka_cluster\" \"c\" {{\n  bootstrap_servers = \"{}\"\n}}\nresource \"kafka_topic\" \"hidden\" {{\n  cluster = data.kafka_cluster.c\n  \
         partitions = 1\n  replication_factor = 1\n  name = \"hidden\"\n  deletion_protection = false\n  config = {{\n    \"retention.ms\" = var.ms\n    \
         \"cleanup.policy\" = var.policy\n    \"segment.ms\" = \"9000000\"\n  }}\n}}\n",
        real::lab("plaintext")
    )
}

fn alter(op: ConfigOp) {
    let change = (ConfigResource::Topic("hidden".into()), vec![op]);
    real::wait(async { real::kafka().admin().incremental_alter_configs(&[change], false).await }).unwrap().remove(0).unwrap();
}

fn live(key: &str) -> Option<String> {
    let entries = real::wait(async { real::kafka().admin().describe_configs(&[ConfigResource::Topic("hidden".into())]).await }).unwrap();
    let entry = entries.into_iter().next().unwrap().unwrap().into_iter().find(|e| e.name == key).unwrap();
    entry.value.filter(|_| entry.source == ConfigSource::DynamicTopic)
}

#[test]
fn a_sensitive_setting_that_is_changed_outside_is_drift_and_is_put_back() {
    let _alone = real::alone();
    let lab = Lab::new(&topic("7654321"));
    lab.apply().hides(&["7654321"]);
    // The broker spells a list in its own way: that is no change.
    lab.ok("plan -detailed-exitcode");
    lab.ok("drift -unmanaged=false");

    alter(ConfigOp::Set("retention.ms".into(), "1234567".into()));
    let telling = ["~ kafka_topic.hidden", "~ retention.ms: (sensitive value) (set on the topic) -> (sensitive value)"];
    drifted(&lab, &telling, &["7654321", "1234567"]);
    assert_eq!(live("retention.ms").as_deref(), Some("7654321"));

    alter(ConfigOp::Delete("retention.ms".into()));
    drifted(&lab, &["~ kafka_topic.hidden", "-> (sensitive value)"], &["7654321"]);
    assert_eq!(live("retention.ms").as_deref(), Some("7654321"));

    alter(ConfigOp::Set("segment.ms".into(), "8000000".into()));
    drifted(&lab, &["8000000", "9000000"], &["7654321", "delete, compact"]);

    lab.write("main.hcl", &topic("2222222"));
    lab.apply().hides(&["7654321", "2222222"]);
    assert_eq!(live("retention.ms").as_deref(), Some("2222222"));
    lab.ok("plan -detailed-exitcode");
    lab.ok("destroy -auto-approve");
}

#[test]
fn a_sensitive_setting_of_a_connector_that_is_changed_outside_is_drift_and_is_put_back() {
    let _alone = real::alone();
    let connector = format!(
        "variable \"to\" {{\n  sensitive = true\n  default = \"hidden-topic\"\n}}\ndata \"kafka_connect\" \"c\" {{\n  url = \"{}\"\n}}\n\
         resource \"kafka_connector\" \"x\" {{\n  connect = data.kafka_connect.c\n  name = \"hidden\"\n  class = \"FileStreamSource\"\n  config = {{\n    \
         file = \"/dev/null\"\n    topic = var.to\n  }}\n}}\n",
        real::connect().url()
    );
    let lab = Lab::new(&connector);
    lab.apply();
    let client = ConnectClient::new(&ConnectConnection::to_url(real::connect().url()), Default::default()).unwrap();
    let patience = || Patience::quiet(Duration::from_secs(20));
    let mut config = real::wait(async { client.info("hidden", &patience()).await }).unwrap().config;
    config.insert("topic".into(), "altered-topic".into());
    real::wait(async { client.put_config("hidden", &config, &patience()).await }).unwrap();
    drifted(&lab, &["~ kafka_connector.x", "topic", "(sensitive value)"], &["hidden-topic", "altered-topic"]);
    let config = real::wait(async { client.info("hidden", &patience()).await }).unwrap().config;
    assert_eq!(config["topic"], "hidden-topic");
    lab.ok("destroy -auto-approve");
}

#[test]
fn principals_and_hosts_of_rights_cannot_be_sensitive() {
    let acl = |principal: &str, host: &str| {
        format!(
            "variable \"s\" {{\n  sensitive = true\n  default = \"User:hidden\"\n}}\nresource \"kafka_cluster\" \"c\" {{}}\n\
             resource \"kafka_acl\" \"x\" {{\n  cluster = kafka_cluster.c\n  principal = {principal}\n  rule {{\n    operations = [\"READ\"]\n    \
             topic = \"t\"\n    {host}\n  }}\n}}\n"
        )
    };
    for (principal, host) in [("var.s", ""), ("\"User:a\"", "host = var.s")] {
        let lab = Lab::new(&acl(principal, host));
        lab.fails("plan", &["SF3036"]).hides(&["User:hidden"]);
    }
}

fn at(name: &str, path: &str, content: &str) -> String {
    format!("resource \"secret\" \"{name}\" {{\n  path = {path}\n  data = {{ f = \"{content}\" }}\n}}\n")
}

/// However a folder is spelled, also by a link, it is one folder: a rename is a move, and two secrets in it are refused.
#[test]
fn one_folder_is_one_folder_however_it_is_spelled() {
    let lab = Lab::new(&at("s", "\"ext\"", "A1"));
    lab.apply();
    for (i, path) in ["abspath(\"ext\")", "\"lnk\"", "\"./lnk/../ext\"", "abspath(\"lnk\")"].iter().enumerate() {
        if !lab.path().join("lnk").exists() {
            symlink("ext", lab.path().join("lnk")).unwrap();
        }
        lab.write("main.hcl", &(at(&format!("t{i}"), path, "A1") + &at("u", "\"ext/.\"", "A1")));
        lab.fails("plan", &["SF3006"]);
        lab.write("main.hcl", &at(&format!("t{i}"), path, "A1"));
        lab.ok("plan").shows(&["(moved from secret."]).hides(&["to destroy, 1", "will be created"]);
        lab.apply();
        assert_eq!(lab.read("ext/f"), "A1", "{path}");
        lab.ok("plan -detailed-exitcode");
    }
    lab.ok("destroy -auto-approve");
    assert!(!lab.path().join("ext").exists(), "the folder was made for the secret");
}

/// A folder of others stays theirs: their files are not taken over, and it is not removed even when it is empty.
#[test]
fn a_folder_of_others_stays_theirs() {
    let lab = Lab::new(&at("s", "\"pre\"", "same-as-theirs"));
    lab.write("pre/f", "same-as-theirs");
    lab.fails("plan", &["SF8020", "did not write it"]).hides(&["same-as-theirs"]);
    std::fs::remove_file(lab.path().join("pre/f")).unwrap();
    lab.apply();
    lab.ok("destroy -auto-approve");
    assert!(lab.path().join("pre").exists());
}

/// The state hides at once what the configuration declares sensitive, and so do a saved plan and the screen.
#[test]
fn what_becomes_sensitive_is_hidden_everywhere() {
    let open =
        "resource \"null_resource\" \"a\" {\n  inputs = { x = \"ZEBRA1\", y = [\"ZEBRA2\"] }\n}\noutput \"o\" {\n  value = \"ZEBRA3\"\n}\n";
    let sensitive = "resource \"null_resource\" \"a\" {\n  inputs = { x = sensitive(\"ZEBRA1\"), y = [sensitive(\"ZEBRA2\")] }\n}\noutput \"o\" {\n  value     = \"ZEBRA3\"\n  sensitive = true\n}\n";
    let lab = Lab::new(open);
    lab.apply();
    lab.write("main.hcl", sensitive);
    lab.ok("plan -out=p.plan").shows(&["a value is sensitive from now on", "~ o = (sensitive value)"]).hides(&["ZEBRA"]);
    lab.ok("plan -json").hides(&["ZEBRA"]);
    let plan = std::fs::read(lab.path().join("p.plan")).unwrap();
    assert!(!String::from_utf8_lossy(&plan).contains("ZEBRA"));
    lab.ok("apply p.plan").hides(&["ZEBRA"]);
    for command in ["state export", "show", "show -json"] {
        lab.ok(command).hides(&["ZEBRA"]);
    }
    lab.ok("plan -detailed-exitcode");
    // Back in the open: the output is shown again, and the plan after it is empty.
    lab.write("main.hcl", open);
    lab.apply();
    lab.ok("output o").shows(&["ZEBRA3"]);
    lab.ok("plan -detailed-exitcode");
    // A value that changes as it becomes sensitive does not show the old one.
    lab.write("main.hcl", &sensitive.replace("ZEBRA1", "ZEBRA9"));
    lab.ok("plan").hides(&["ZEBRA"]);
    lab.ok("plan -json").hides(&["ZEBRA"]);
}

/// Names and contents that become known during the apply, and may turn out to be none.
#[test]
fn what_is_not_known_may_turn_out_to_be_none() {
    let id = |v: u32| format!("resource \"null_resource\" \"n\" {{\n  triggers = {{ v = \"{v}\" }}\n}}\n");
    let lab = Lab::new(
        &(id(1)
            + "resource \"secret\" \"f\" {\n  generate = [null_resource.n.id]\n}\nresource \"secret\" \"s\" {\n  data = { a = \"1\", b = \"2\", c = null }\n}\n"),
    );
    lab.apply();
    lab.ok("plan -detailed-exitcode");
    lab.ok("drift -unmanaged=false");
    lab.write(
        "main.hcl",
        &(id(2) + "resource \"secret\" \"s\" {\n  data = {\n    a = null_resource.n.id == \"\" ? \"1\" : null\n    b = \"2\"\n  }\n}\n"),
    );
    lab.apply();
    assert!(!lab.path().join(".streamform/secrets/s/a").exists() && lab.path().join(".streamform/secrets/s/b").exists());
    lab.ok("plan -detailed-exitcode");
}
