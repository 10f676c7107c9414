//! Providers on the command line: what needs which, and the schemas.

mod common;

use common::Lab;
use serde_json::{Value, json};

#[test]
fn the_tree_shows_what_each_module_needs_and_where_its_objects_live() {
    let lab = Lab::new(
        r#"
resource "kafka_cluster" "events" {
  engine = "local"
}
data "kafka_cluster" "legacy" {
  bootstrap_servers = "127.0.0.1:1"
}
resource "kafka_topic" "a" {
  cluster = kafka_cluster.events
  name    = "a"
}
resource "null_resource" "n" {
}
module "z" {
  source  = "./z"
  cluster = data.kafka_cluster.legacy
}
module "b" {
  source = "./b"
}
"#,
    );
    lab.write("z/main.hcl", "variable \"cluster\" {\n}\nresource \"kafka_topic\" \"t\" {\n  cluster = var.cluster\n  name = \"t\"\n}\nmodule \"b\" {\n  source = \"../b\"\n}\n");
    lab.write("b/main.hcl", "resource \"secret\" \"s\" {\n  name = \"s\"\n}\n");
    let expected = "
Providers required by configuration:
.
├── provider[kafka]
│   ├── data.kafka_cluster.legacy
│   └── kafka_cluster.events
├── provider[null]
├── module.b
│   └── provider[secret]
└── module.z
    ├── provider[kafka]
    │   └── var.cluster
    └── module.b
        └── provider[secret]

";
    assert_eq!(lab.ok("providers").stdout, expected);
    let lab = Lab::new("resource \"null_resource\" \"n\" {\n}\n");
    lab.apply();
    lab.write("main.hcl", "locals {\n}\n");
    assert_eq!(
        lab.ok("providers").stdout,
        "\nProviders required by configuration:\n.\n\nProviders required by state:\n\n    provider[null]\n\n"
    );
    lab.write("main.hcl", "local {\n}\n");
    lab.fails("providers", &["SF2002"]);
}

#[test]
fn schemas_are_machine_readable() {
    let lab = Lab::new("");
    let read = |line: &str| serde_json::from_str::<Value>(&lab.ok(line).stdout).unwrap();
    let one = read("explain kafka_topic -json");
    let topic = &one["provider_schemas"]["kafka"]["resource_schemas"]["kafka_topic"];
    assert_eq!(topic["version"], 0);
    let attributes = &topic["block"]["attributes"];
    let facts = |name: &str| {
        let mut a = attributes[name].clone();
        assert!(a["description"].as_str().is_some_and(|d| d.len() > 10), "{a}");
        a.as_object_mut().unwrap().retain(|k, _| !k.starts_with("description"));
        a
    };
    assert_eq!(facts("cluster"), json!({"type": "dynamic", "references": ["kafka_cluster"], "required": true, "replaces": true}));
    assert_eq!(facts("config"), json!({"type": ["map", "string"], "optional": true}));
    assert_eq!(facts("partitions"), json!({"type": "number", "optional": true, "computed": true}));
    assert_eq!(facts("deletion_protection"), json!({"type": "bool", "optional": true, "default": true}));
    let acl = read("explain kafka_acl -json");
    let role = &acl["provider_schemas"]["kafka"]["resource_schemas"]["kafka_acl"]["block"]["block_types"]["role"];
    assert_eq!((&role["nesting_mode"], &role["label"]), (&json!("list"), &json!("name")));
    assert_eq!(role["block"]["attributes"]["cluster"]["type"], "bool");

    // A name that is both, and one of the two.
    let both = read("explain kafka_cluster -json");
    let kinds = |j: &Value| j["provider_schemas"]["kafka"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(kinds(&both), ["data_source_schemas", "resource_schemas"]);
    assert_eq!(kinds(&read("explain data.kafka_cluster -json")), ["data_source_schemas"]);

    let all = read("explain -json");
    assert_eq!(all, read("providers schema -json"));
    assert_eq!(all["provider_schemas"]["kafka"]["resource_schemas"]["kafka_topic"], *topic);
    assert!(all["provider_schemas"]["kubernetes"]["provider"]["block"]["attributes"]["context"].is_object());
    assert!(read("explain abspath -json")["function_signatures"]["abspath"]["description"].is_string());
    lab.fails("explain kafka_topik -json", &["SF9006", "kafka_topic"]);
    assert_eq!(lab.run("providers schema").code, 1);
}
