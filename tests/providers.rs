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

const RESOURCE: &str = "resource \"null_resource\" \"n\" {\n  provider = null.eu\n}\n";

#[test]
fn a_named_configuration_must_be_there() {
    let cases = [
        (RESOURCE.to_string(), ["SF2041", "This module has no provider configuration null.eu."]),
        (format!("provider \"null\" {{\n  alias = \"eo\"\n}}\n{RESOURCE}"), ["SF2041", "Did you mean null.eo?"]),
        (RESOURCE.replace("null.eu", "kafak"), ["SF2040", "Did you mean \"kafka\"?"]),
        (RESOURCE.replace("null.eu", "kafka"), ["SF2042", "null_resource belongs to the provider null, not to kafka."]),
        (RESOURCE.replace("null.eu", "null[\"a\"]"), ["SF2010", "kafka.by_region[each.key]"]),
        (RESOURCE.replace("null.eu", "null.a.b"), ["SF2010", "named by the provider, or by provider and alias"]),
        ("provider \"kafak\" {\n}\n".into(), ["SF2040", "Did you mean \"kafka\"?"]),
        ("provider \"kafka\" {\n  bootstrap_servers = \"x\"\n}\n".into(), ["SF1", "There is no argument \"bootstrap_servers\" here."]),
        ("provider \"kubernetes\" {\n  context = var.nope\n}\n".into(), ["SF1", "nope"]),
        ("provider \"kubernetes\" {\n  contxt = \"x\"\n}\n".into(), ["SF1", "Did you mean \"context\"?"]),
        (
            "streamform {\n  required_providers {\n    null = {\n      source = \"x\"\n    }\n  }\n}\n".into(),
            ["SF2001", "providers are part of streamform"],
        ),
        (
            "streamform {\n  required_providers {\n    null = {\n      configuration_aliases = [kafka.eu]\n    }\n  }\n}\n".into(),
            ["SF2010", "kafka.eu is not an alias of the provider \"null\"."],
        ),
        (
            "import {\n  to = null_resource.n\n  id = \"x\"\n  provider = null.eu\n}\nresource \"null_resource\" \"n\" {\n}\n".into(),
            ["SF2041", "null.eu"],
        ),
    ];
    for (text, telling) in cases {
        let lab = Lab::new(&text);
        for command in ["validate", "plan"] {
            lab.fails(command, &telling).once("Error[");
        }
    }
    let lab = Lab::new(&format!(
        "provider \"null\" {{\n  alias = \"eu\"\n}}\nprovider \"null\" {{\n}}\n{RESOURCE}{}",
        RESOURCE.replace("\"n\"", "\"m\"").replace("null.eu", "null")
    ));
    lab.ok("validate");
    lab.apply().shows(&["2 added"]);
    lab.write("main.hcl", "provider \"kubernetes\" {\n  context = \"prod\"\n}\n");
    lab.ok("validate").shows(&["Warning[SF2045]"]);
    let json = Lab::new("");
    json.write(
        "main.hcl.json",
        r#"{"provider": {"null": {"alias": "eu"}}, "resource": {"null_resource": {"n": {"provider": "null.eu"}}}}"#,
    );
    json.ok("validate");
    let keyed = |key: &str| {
        let text = r#"{"provider": {"null": {"alias": "eu", "for_each": "${toset([\"a\"])}"}},
            "resource": {"null_resource": {"n": {"provider": "null.eu[\"KEY\"]"}}}}"#;
        json.write("main.hcl.json", &text.replace("KEY", key));
    };
    keyed("a");
    json.ok("validate");
    keyed("b");
    json.fails("validate", &["SF2043", "null.eu has no instance \"b\"."]);
}

#[test]
fn configurations_are_passed_to_modules() {
    let lab = Lab::new("");
    let child = |aliases: &str| {
        format!(
            "streamform {{\n  required_providers {{\n    null = {{\n      configuration_aliases = [{aliases}]\n    }}\n  }}\n}}\nresource \"null_resource\" \"n\" {{\n  provider = null.a\n}}\n"
        )
    };
    lab.write("m/main.hcl", &child("null.a"));
    let root = |more: &str| {
        format!(
            "provider \"null\" {{\n  alias = \"x\"\n}}\nprovider \"kafka\" {{\n  alias = \"k\"\n}}\nmodule \"m\" {{\n  source = \"./m\"\n{more}}}\n"
        )
    };
    let passing = |map: &str| root(&format!("  providers = {{\n{map}\n  }}\n"));
    for good in ["null.a = null.x", "null.a = null", "null.a = null.x\n null = null.x", "null.a = null.x\n kafka = kafka.k"] {
        lab.write("main.hcl", &passing(good));
        lab.ok("validate");
        lab.ok("plan").shows(&["1 to add"]);
    }
    let cases = [
        (root(""), ["SF2041", "needs the provider configuration null.a from its caller"]),
        (passing("null = null.x"), ["SF2041", "needs the provider configuration null.a from its caller"]),
        (passing("null.a = null.y"), ["SF2041", "Did you mean null.x?"]),
        (passing("null.a = kafka.k"), ["SF2042", "another provider than kafka.k"]),
        (passing("null.a = null.x\nnull.ab = null.x"), ["SF2041", "Did you mean null.a?"]),
        (passing("null.a = null.x\nnull.a = null"), ["SF2005", "passed twice"]),
        (passing("null.a = null.x\nnul = null"), ["SF2040", "Did you mean \"null\"?"]),
        (passing("null.a = null.x\nnull = 1"), ["SF2010", "named by the provider"]),
    ];
    for (text, telling) in cases {
        lab.write("main.hcl", &text);
        lab.fails("validate", &telling).once("Error[");
    }
    lab.write("main.hcl", &root("  providers = [null]\n"));
    lab.fails("validate", &["SF2007", "must be a map of provider references"]);
    // Settings inside of a module that is repeated would outlive their block.
    lab.write("m/main.hcl", "provider \"kubernetes\" {\n  context = \"x\"\n}\n");
    lab.write("main.hcl", &root("  count = 2\n"));
    lab.fails("validate", &["SF2044", "cannot have count"]);
    lab.write("main.hcl", &root(""));
    lab.ok("validate");
}

#[test]
fn a_provider_with_for_each_has_an_instance_for_each_key() {
    let config = |regions: &str, provider: &str| {
        format!(
            r#"
variable "regions" {{
  default = {regions}
}}
provider "null" {{
  alias    = "by_region"
  for_each = var.regions
}}
resource "null_resource" "n" {{
  for_each = toset(["eu", "us"])
  provider = {provider}
}}
"#
        )
    };
    let lab = Lab::new(&config("{ eu = 1, us = 2 }", "null.by_region[each.key]"));
    lab.ok("validate");
    lab.apply().shows(&["2 added"]);
    lab.ok("plan -detailed-exitcode");
    let cases = [
        ("{ eu = 1, as = 2 }", "null.by_region[each.key]", ["SF2043", "null.by_region has no instance \"us\"."]),
        ("{ eu = 1, us = 2 }", "null.by_region", ["SF2043", "Write null.by_region[each.key]"]),
        ("{ eu = 1, us = 2 }", "null.by_region[var.none]", ["SF1", "none"]),
        ("{ eu = 1, us = 2 }", "null.by_region[sensitive(each.key)]", ["SF2043", "is sensitive"]),
        ("[\"eu\"]", "null.by_region[each.key]", ["SF3002", "wrap it in toset()"]),
    ];
    for (regions, provider, telling) in cases {
        lab.write("main.hcl", &config(regions, provider));
        lab.fails("plan", &telling);
    }
    lab.write("main.hcl", &config("{}", "null.single[\"x\"]").replace("  for_each = var.regions\n", "").replace("by_region\"", "single\""));
    lab.fails("plan", &["SF2043", "has no for_each"]);
    // A key that goes with the module's instance, and settings that use the key.
    let kubernetes =
        "provider \"kubernetes\" {\n  alias = \"k\"\n  for_each = toset([\"a\"])\n  context = each.key\n  namespace = each.value.none\n}\n";
    lab.write("main.hcl", kubernetes);
    lab.fails("plan", &["main.hcl line 5"]);
    lab.write("m/main.hcl", "resource \"null_resource\" \"n\" {\n}\n");
    let module = |keys: &str| {
        format!(
            "provider \"null\" {{\n  alias = \"r\"\n  for_each = toset([\"a\", \"b\"])\n}}\nmodule \"m\" {{\n  source = \"./m\"\n  for_each = toset({keys})\n  providers = {{\n    null = null.r[each.key]\n  }}\n}}\n"
        )
    };
    lab.write("main.hcl", &module("[\"a\", \"b\"]"));
    lab.ok("plan");
    lab.write("main.hcl", &module("[\"a\", \"c\"]"));
    lab.fails("plan", &["SF2043", "null.r has no instance \"c\".", "Its instances are \"a\", \"b\"."]);
}
