//! `data "kafka_connect"`: a Connect cluster that streamform does not own, used wherever a managed one is.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;

use super::{Observed, Private, ReadRequest, ResourceType, Session, attr_error};
use crate::client::connect::{ConnectClient, ConnectConnection, ConnectPool, Patience, Plugin, RootInfo, base_url};
use crate::diag::codes::connect as codes;
use crate::diag::redact::Redactor;
use crate::diag::{Diagnostic, Diagnostics};
use crate::schema::{Attribute, Body, NestedBlock, Nesting, Schema};
use crate::value::{Type, Value};

const LIMIT: Duration = Duration::from_secs(60);

/// The data source `kafka_connect`.
pub struct KafkaConnectData;

/// The type of the attribute `admin`: how to reach a Connect cluster.
pub fn admin_type() -> Type {
    Type::object([
        ("url", Type::String),
        ("ca_file", Type::String),
        ("certificate_file", Type::String),
        ("key_file", Type::String),
        ("username", Type::String),
        ("password", Type::String),
        ("insecure_skip_verify", Type::Bool),
    ])
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema {
    version: 0,
    doc: "A Kafka Connect cluster that something else runs.",
    body: Body {
        attributes: vec![
            Attribute::required("url", Type::String, "The REST interface's URL, such as https://connect.example:8083."),
            Attribute::optional("username", Type::String, "User of basic authentication."),
            Attribute::optional("password", Type::String, "Password of basic authentication.").sensitive(),
            Attribute::computed("admin", admin_type(), "How connectors reach it."),
            Attribute::computed("version", Type::String, "The worker's version."),
            Attribute::computed("kafka_cluster_id", Type::String, "The id of the Kafka cluster behind it."),
            Attribute::computed("plugins", Type::list(Type::String), "The classes of the installed connectors."),
            Attribute::computed("principal", Type::String, "Null: what a foreign Connect cluster authenticates as is not known."),
            Attribute::computed("group_id", Type::String, "Null: the interface does not tell it."),
        ],
        blocks: vec![NestedBlock {
            name: "tls",
            nesting: Nesting::Single,
            min: 0,
            doc: "Certificates. Without it the system's authorities are trusted.",
            body: Body {
                attributes: vec![
                    Attribute::optional("ca_file", Type::String, "PEM file of the trusted authorities."),
                    Attribute::optional("certificate_file", Type::String, "PEM file of the client's certificate."),
                    Attribute::optional("key_file", Type::String, "PEM file of the client's key."),
                    Attribute::optional("insecure_skip_verify", Type::Bool, "Takes the worker's certificate unchecked.").default(false),
                ],
                blocks: vec![],
            },
        }],
    },
});

#[async_trait]
impl ResourceType for KafkaConnectData {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn validate(&self, config: &Value, diags: &mut Diagnostics) {
        if let Some(e) = config.get_str("url").and_then(|url| base_url(&url).err()) {
            diags.push(attr_error("url", e.diagnostic(&Redactor::default())));
        }
        let set = |v: Option<Value>| v.map(|v| !v.is_null());
        if let Some(tls) = config.get("tls").filter(|t| !t.is_null())
            && set(tls.get("certificate_file")) != set(tls.get("key_file"))
        {
            let d = Diagnostic::error(codes::BAD_CONNECTION, "certificate_file and key_file must be set together.");
            diags.push(attr_error("tls", d.hint("A client certificate needs its key, and a key its certificate.")));
        }
    }

    async fn read(&self, cx: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        futures::future::join_all(requests.iter().map(|r| read_one(cx, r))).await
    }

    async fn import(&self, _cx: &Session, _id: &str, _config: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        Err(Diagnostic::error(codes::INVALID_ARGUMENT, "A data source cannot be imported.").hint("Just write the data block."))
    }
}

async fn read_one(cx: &Session, request: &ReadRequest) -> Result<Observed, Diagnostic> {
    let admin = admin(&request.prior, &cx.root_dir);
    let connection = ConnectConnection::from_value(&admin).ok_or_else(|| {
        Diagnostic::error(codes::ADDRESS_UNKNOWN, "A part of this connection is not known yet.").hint("Apply what it depends on first.")
    })?;
    let redactor = Redactor::of(connection.password.as_deref());
    let found = ask(cx, &connection).await.map_err(|e| e.diagnostic(&redactor))?;
    let mut attrs = request.prior.as_map().cloned().unwrap_or_default();
    let (root, plugins) = found;
    let classes = plugins.into_iter().map(|p| Value::string(p.class)).collect();
    attrs.insert("admin".into(), admin);
    attrs.insert("version".into(), Value::string(root.version));
    attrs.insert("kafka_cluster_id".into(), Value::string(root.kafka_cluster_id));
    attrs.insert("plugins".into(), Value::list(Type::String, classes));
    attrs.insert("principal".into(), Value::null(Type::String));
    attrs.insert("group_id".into(), Value::null(Type::String));
    Ok(Observed::present(Value::object_of(attrs, request.prior.origin().cloned()), Private::Null))
}

async fn ask(cx: &Session, connection: &ConnectConnection) -> Result<(RootInfo, Vec<Plugin>), crate::client::connect::ConnectError> {
    let client: std::sync::Arc<ConnectClient> = cx.pool::<ConnectPool>().client(connection)?;
    let patience = Patience::quiet(LIMIT);
    let root = client.root(&patience).await?.clone();
    Ok((root, client.plugins(&patience).await?))
}

/// The `admin` object of this configuration, with absolute paths.
fn admin(config: &Value, root_dir: &Path) -> Value {
    let tls = config.get("tls").filter(|t| !t.is_null());
    let null = || Value::null(Type::String);
    let part = |name: &str| tls.as_ref().and_then(|t| t.get(name)).unwrap_or_else(null);
    let file = |name: &str| match part(name) {
        v if v.as_str().is_some() => Value::string(root_dir.join(v.as_str().unwrap_or_default()).to_string_lossy()),
        v => v,
    };
    let own = |name: &str| config.get(name).unwrap_or_else(null);
    let password = own("password");
    Value::object_from([
        ("url", own("url")),
        ("ca_file", file("ca_file")),
        ("certificate_file", file("certificate_file")),
        ("key_file", file("key_file")),
        ("username", own("username")),
        ("password", if password.is_null() { password } else { password.sensitive() }),
        ("insecure_skip_verify", Value::from(part("insecure_skip_verify").as_bool().unwrap_or(false))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_absolute_and_the_password_stays_sensitive() {
        let tls = Value::object_from([("ca_file", Value::string("ca.pem")), ("key_file", Value::string("/abs/k.pem"))]);
        let config = Value::object_from([("url", Value::string("https://c")), ("password", Value::string("s3cr3t")), ("tls", tls)]);
        let admin = admin(&config, Path::new("/project"));
        assert_eq!(admin.get_str("ca_file").as_deref(), Some("/project/ca.pem"));
        assert_eq!(admin.get_str("key_file").as_deref(), Some("/abs/k.pem"));
        assert!(!admin.to_string().contains("s3cr3t"));
    }

    #[test]
    fn a_key_without_a_certificate_is_refused() {
        let tls = Value::object_from([("certificate_file", Value::null(Type::String)), ("key_file", Value::string("k"))]);
        let mut diags = Diagnostics::new();
        KafkaConnectData.validate(&Value::object_from([("tls", tls)]), &mut diags);
        assert!(diags.has_errors());
    }
}
