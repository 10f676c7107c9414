//! `data "kafka_cluster"`: a cluster that streamform does not own, reached by its addresses and credentials.

use std::path::Path;
use std::sync::LazyLock;

use async_trait::async_trait;

use crate::client::kafka::{ClusterInfo, KafkaPool};
use crate::diag::codes::kafka as codes;
use crate::diag::{Diagnostic, Diagnostics};
use crate::resource::kafka_common::{connect, with};
use crate::resource::{Observed, Private, ReadRequest, ResourceType, Session, attr_error};
use crate::schema::{Attribute, Body, NestedBlock, Nesting, Schema};
use crate::value::{Type, Value};

/// The data source `kafka_cluster`.
pub struct KafkaClusterData;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema {
    version: 0,
    doc: "A Kafka cluster that exists elsewhere. Topics, ACLs and Connect clusters refer to it as they do to a `kafka_cluster` resource.",
    body: Body {
        attributes: vec![
            Attribute::required(
                "bootstrap_servers",
                Type::Dynamic,
                "Addresses `host:port`: a list, or one string separated by commas. Read as the string.",
            ),
            Attribute::computed(
                "security_protocol",
                Type::String,
                "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, as the blocks `tls` and `sasl` say.",
            ),
            Attribute::computed("cluster_id", Type::String, "The cluster's id."),
            Attribute::computed("controller_id", Type::Number, "The broker that takes administrative requests."),
            Attribute::computed("brokers", Type::list(broker_type()), "The live brokers."),
            Attribute::computed("admin", admin_type(), "How resources in the cluster reach it."),
        ],
        blocks: vec![
            NestedBlock {
                name: "tls",
                nesting: Nesting::Single,
                min: 0,
                doc: "Connects with TLS; the system's authorities hold unless `ca_file` is set.",
                body: tls_body(),
            },
            NestedBlock { name: "sasl", nesting: Nesting::Single, min: 0, doc: "Logs in with a user and password.", body: sasl_body() },
        ],
    },
});

fn tls_body() -> Body {
    let attributes = vec![
        Attribute::optional("ca_file", Type::String, "PEM file with the authorities that sign the brokers' certificates."),
        Attribute::optional("certificate_file", Type::String, "PEM file with the client's certificate, for mTLS."),
        Attribute::optional("key_file", Type::String, "PEM file with the client's private key, for mTLS."),
        Attribute::optional("insecure_skip_verify", Type::Bool, "Takes the brokers' certificates unchecked.").default(false),
    ];
    Body { attributes, blocks: vec![] }
}

fn sasl_body() -> Body {
    let attributes = vec![
        Attribute::optional("mechanism", Type::String, "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.").default("SCRAM-SHA-512"),
        Attribute::required("username", Type::String, "The user."),
        Attribute::required("password", Type::String, "The password.").sensitive(),
    ];
    Body { attributes, blocks: vec![] }
}

fn broker_type() -> Type {
    Type::object([("id", Type::Number), ("host", Type::String), ("port", Type::Number), ("rack", Type::String)])
}

/// The type of a cluster's `admin` attribute.
pub fn admin_type() -> Type {
    let texts = [
        "bootstrap_servers",
        "security_protocol",
        "ca_file",
        "certificate_file",
        "key_file",
        "sasl_mechanism",
        "username",
        "password",
        "cluster_id",
    ];
    Type::object(texts.into_iter().map(|n| (n, Type::String)).chain([("insecure_skip_verify", Type::Bool)]))
}

/// A nested block, where it is written.
fn block(config: &Value, name: &str) -> Option<Value> {
    config.get(name).filter(|v| v.is_known() && !v.is_null())
}

/// The addresses as one string; unknown where part of them is. Some services write the protocol in front (`SASL_SSL://host:9092`): where the
/// blocks say the same one, it is taken off.
fn servers(config: &Value) -> Value {
    let written = config.get("bootstrap_servers").unwrap_or(Value::null(Type::String));
    if !written.is_wholly_known() {
        return Value::unknown(Type::String);
    }
    let all: Vec<String> = match (written.as_slice(), written.as_str()) {
        (Some(list), _) => list.iter().filter_map(|v| v.as_str().map(str::to_string)).collect(),
        (None, Some(text)) => vec![text.to_string()],
        (None, None) => return written,
    };
    let agrees = |s: &&str| s.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case(protocol(config)));
    let plain =
        |s: &str| Some(s.trim()).filter(agrees).and_then(|s| s.split_once("://")).map_or(s.to_string(), |(_, rest)| rest.to_string());
    let joined: Vec<String> = all.iter().map(|s| s.split(',').map(plain).collect::<Vec<_>>().join(",")).collect();
    Value::string(joined.join(",")).mark(written.deep_marks())
}

/// Kafka's names of what [`protocol`] gives.
const PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

fn protocol(config: &Value) -> &'static str {
    match (block(config, "tls").is_some(), block(config, "sasl").is_some()) {
        (false, false) => "PLAINTEXT",
        (true, false) => "SSL",
        (false, true) => "SASL_PLAINTEXT",
        (true, true) => "SASL_SSL",
    }
}

/// The `admin` object that the configuration means; the cluster's id is still unknown.
fn admin(config: &Value, root: &Path) -> Value {
    let text = |of: &Option<Value>, name: &str| of.as_ref().and_then(|b| b.get(name)).unwrap_or(Value::null(Type::String));
    let (tls, sasl) = (block(config, "tls"), block(config, "sasl"));
    let path = |name: &str| {
        let value = text(&tls, name);
        value.as_str().map(|p| Value::string(root.join(p).to_string_lossy()).mark(value.marks())).unwrap_or(value)
    };
    Value::object_from([
        ("bootstrap_servers", servers(config)),
        ("security_protocol", protocol(config).into()),
        ("ca_file", path("ca_file")),
        ("certificate_file", path("certificate_file")),
        ("key_file", path("key_file")),
        ("sasl_mechanism", text(&sasl, "mechanism")),
        ("username", text(&sasl, "username")),
        ("password", text(&sasl, "password").sensitive()),
        ("insecure_skip_verify", tls.and_then(|t| t.get("insecure_skip_verify")).filter(|v| !v.is_null()).unwrap_or(false.into())),
        ("cluster_id", Value::unknown(Type::String)),
    ])
}

fn described(config: &Value, admin: &Value, info: &ClusterInfo) -> Value {
    let broker = |b: &crate::client::kafka::Broker| {
        let rack = b.rack.as_deref().map_or(Value::null(Type::String), Value::from);
        Value::object_from([
            ("id", i64::from(b.id).into()),
            ("host", b.host.as_str().into()),
            ("port", i64::from(b.port).into()),
            ("rack", rack),
        ])
    };
    let id = Value::string(&info.cluster_id);
    with(
        config,
        vec![
            ("bootstrap_servers", servers(config)),
            ("security_protocol", protocol(config).into()),
            ("cluster_id", id.clone()),
            ("controller_id", info.controller.map_or(Value::null(Type::Number), |c| i64::from(c).into())),
            ("brokers", Value::list(broker_type(), info.brokers.iter().map(broker).collect())),
            ("admin", with(admin, vec![("cluster_id", id)])),
        ],
    )
}

async fn read_one(cx: &Session, config: &Value) -> Result<Observed, Diagnostic> {
    let admin = admin(config, &cx.root_dir);
    let client = connect(&cx.pool::<KafkaPool>(), &admin)?.ok_or_else(|| {
        Diagnostic::error(codes::CONNECTION, "Part of the connection is not known yet.")
            .hint("A data source needs its addresses and credentials before the plan.")
    })?;
    // The snapshot serves the topics and ACLs of the cluster as well: one request for all.
    let metadata = client.snapshot_metadata().await.map_err(|e| e.told("reading the cluster", client.connection()))?;
    Ok(Observed::present(described(config, &admin, &metadata.cluster), serde_json::json!({"cluster_id": metadata.cluster.cluster_id})))
}

#[async_trait]
impl ResourceType for KafkaClusterData {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn validate(&self, config: &Value, diags: &mut Diagnostics) {
        const ADDRESS_HINT: &str = "Write `host:port`, several separated by commas.";
        let mut fail =
            |path: &str, detail: String, hint: &str| diags.push(attr_error(path, Diagnostic::error(codes::CONNECTION, detail).hint(hint)));
        if let Some(servers) = servers(config).as_str() {
            let is_host = |host: &str| !host.is_empty() && !host.contains('/');
            let is_address = |s: &str| s.rsplit_once(':').is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok());
            let spoken = |s: &&str| s.split_once("://").is_some_and(|(scheme, _)| PROTOCOLS.iter().any(|p| scheme.eq_ignore_ascii_case(p)));
            if let Some(other) = servers.split(',').map(str::trim).find(spoken) {
                fail(
                    "bootstrap_servers",
                    format!("\"{other}\" says another protocol than the blocks do, which say {}.", protocol(config)),
                    "Write `host:port`; a block `tls` and a block `sasl` say how the brokers are spoken to.",
                );
            } else {
                let bad: Vec<String> = servers.split(',').map(str::trim).filter(|s| !is_address(s)).map(|s| format!("\"{s}\"")).collect();
                match &bad[..] {
                    [] => {}
                    [one] => fail("bootstrap_servers", format!("{one} is not an address."), ADDRESS_HINT),
                    many => fail("bootstrap_servers", format!("{} are not addresses.", many.join(", ")), ADDRESS_HINT),
                }
            }
        }
        let tls = block(config, "tls");
        let set = |name: &str| tls.as_ref().and_then(|t| t.get(name)).is_some_and(|v| !v.is_null());
        if set("certificate_file") != set("key_file") {
            fail(
                "tls",
                "`certificate_file` and `key_file` belong together, and one of them is missing.".into(),
                "Set both for mTLS, or none.",
            );
        }
        const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
        if let Some(m) = block(config, "sasl").and_then(|s| s.get_str("mechanism")).filter(|m| !MECHANISMS.contains(&m.as_str())) {
            fail("sasl.mechanism", format!("There is no mechanism \"{m}\"."), "Expected PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.");
        }
    }

    async fn read(&self, cx: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        futures::future::join_all(requests.iter().map(|r| read_one(cx, &r.prior))).await
    }

    async fn import(&self, _cx: &Session, _id: &str, _config: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        Err(Diagnostic::error(codes::REFUSED, "A data source cannot be imported.")
            .hint("Write the `data` block; it is read at every plan."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(servers: Value, blocks: &[(&'static str, Value)]) -> Value {
        Value::object_from([("bootstrap_servers", servers)].into_iter().chain(blocks.iter().cloned()))
    }

    #[test]
    fn blocks_say_the_protocol_and_paths_become_absolute() {
        let tls =
            Value::object_from([("ca_file", Value::from("tls/ca.crt")), ("key_file", "/abs/key".into()), ("certificate_file", "c".into())]);
        let sasl = Value::object_from([
            ("mechanism", Value::from("PLAIN")),
            ("username", "u".into()),
            ("password", Value::from("geheim").sensitive()),
        ]);
        let list = Value::tuple(vec!["a:1".into(), "b:2".into()]);
        let admin = admin(&config(list, &[("tls", tls), ("sasl", sasl)]), Path::new("/project"));
        assert_eq!(admin.get_str("bootstrap_servers").as_deref(), Some("a:1,b:2"));
        assert_eq!(admin.get_str("security_protocol").as_deref(), Some("SASL_SSL"));
        assert_eq!(admin.get_str("ca_file").as_deref(), Some("/project/tls/ca.crt"));
        assert_eq!(admin.get_str("key_file").as_deref(), Some("/abs/key"));
        assert!(!format!("{admin}").contains("geheim"));
        assert_eq!(protocol(&config("a:1".into(), &[])), "PLAINTEXT");
    }

    #[test]
    fn what_cannot_connect_is_refused() {
        let errors = |c: &Value| {
            let mut diags = Diagnostics::new();
            KafkaClusterData.validate(c, &mut diags);
            diags.iter().map(|d| d.values[0].1.clone()).collect::<Vec<_>>()
        };
        assert!(errors(&config("a:1, [::1]:9092".into(), &[])).is_empty());
        assert!(errors(&config(Value::unknown(Type::Dynamic), &[])).is_empty());
        assert_eq!(errors(&config("a".into(), &[])), ["bootstrap_servers"]);
        // A10: a protocol in front is taken off where it is the one of the blocks.
        assert!(errors(&config("PLAINTEXT://a:1, plaintext://b:2".into(), &[])).is_empty());
        assert_eq!(servers(&config("PLAINTEXT://a:1, plaintext://b:2".into(), &[])).as_str(), Some("a:1,b:2"));
        for wrong in ["SASL_SSL://a:1", "http://a:1", "a:1,SSL://b:2", "a/b:1"] {
            assert_eq!(errors(&config(wrong.into(), &[])), ["bootstrap_servers"], "{wrong}");
        }
        assert_eq!(errors(&config(Value::tuple(vec!["a:1".into(), "b:99999".into()]), &[])), ["bootstrap_servers"]);
        let half = Value::object_from([("certificate_file", Value::from("c")), ("key_file", Value::null(Type::String))]);
        let odd = Value::object_from([("mechanism", Value::from("GSSAPI"))]);
        assert_eq!(errors(&config("a:1".into(), &[("tls", half), ("sasl", odd)])), ["tls", "sasl.mechanism"]);
    }
}
