//! How to reach a cluster: addresses, TLS and credentials.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;

use rdkafka::ClientConfig;

use crate::diag::Diagnostic;
use crate::diag::codes::kafka as codes;
use crate::value::Value;

/// What lies between the socket and Kafka's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SecurityProtocol {
    /// Nothing.
    #[default]
    Plaintext,
    /// TLS.
    Ssl,
    /// A password, in clear unless SCRAM.
    SaslPlaintext,
    /// A password over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// Kafka's own word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    /// Whether TLS is used.
    pub fn tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Whether a password is used.
    pub fn sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    fn parse(s: &str) -> Option<Self> {
        [Self::Plaintext, Self::Ssl, Self::SaslPlaintext, Self::SaslSsl].into_iter().find(|p| p.as_str() == s)
    }
}

/// How a password is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SaslMechanism {
    /// It is sent.
    Plain,
    /// RFC 5802 with SHA-256.
    ScramSha256,
    /// RFC 5802 with SHA-512.
    ScramSha512,
}

impl SaslMechanism {
    /// Kafka's own word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }

    fn parse(s: &str) -> Option<Self> {
        [Self::Plain, Self::ScramSha256, Self::ScramSha512].into_iter().find(|m| m.as_str() == s)
    }
}

/// How to reach one cluster. Equal connections share a client; `Debug` masks the password.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct KafkaConnection {
    /// `host:port` of some brokers; never empty.
    pub bootstrap_servers: Vec<String>,
    /// What lies between the socket and Kafka's protocol.
    pub protocol: SecurityProtocol,
    /// PEM file with the authorities that brokers' certificates must be signed by.
    pub ca_file: Option<PathBuf>,
    /// PEM file with the client's certificate chain.
    pub certificate_file: Option<PathBuf>,
    /// PEM file with the client's private key.
    pub key_file: Option<PathBuf>,
    /// How the password is proved.
    pub mechanism: Option<SaslMechanism>,
    /// The user.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// Whether brokers' certificates are taken unchecked.
    pub insecure_skip_verify: bool,
    /// The cluster id that the configuration expects, where it is known.
    pub cluster_id: Option<String>,
}

impl fmt::Debug for KafkaConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConnection")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("protocol", &self.protocol)
            .field("ca_file", &self.ca_file)
            .field("certificate_file", &self.certificate_file)
            .field("key_file", &self.key_file)
            .field("mechanism", &self.mechanism)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "(sensitive)"))
            .field("insecure_skip_verify", &self.insecure_skip_verify)
            .field("cluster_id", &self.cluster_id)
            .finish()
    }
}

impl KafkaConnection {
    /// Reads the `admin` object of a cluster. `None` when part of it is unknown (the cluster does not exist yet).
    ///
    /// # Errors
    /// When it is null, misses the addresses, or contradicts itself.
    pub fn from_value(admin: &Value) -> Result<Option<Self>, Diagnostic> {
        let text = |name: &str| admin.get(name).and_then(|v| v.as_str().map(str::to_string)).filter(|s| !s.is_empty());
        let path = |name: &str| text(name).map(PathBuf::from);
        // The id is not needed to connect: it may be unknown while the rest is known.
        let unknown = |v: &Value| v.as_map().is_some_and(|m| m.iter().any(|(k, v)| &**k != "cluster_id" && !v.is_known()));
        if !admin.is_known() || unknown(admin) {
            return Ok(None);
        }
        let servers = text("bootstrap_servers").ok_or_else(|| invalid("it has no `bootstrap_servers`"))?;
        let protocol = match text("security_protocol") {
            None => SecurityProtocol::Plaintext,
            Some(s) => SecurityProtocol::parse(&s)
                .ok_or_else(|| invalid(format!("`security_protocol` is \"{s}\"; expected PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")))?,
        };
        let mechanism = match text("sasl_mechanism") {
            None => None,
            Some(s) => Some(
                SaslMechanism::parse(&s)
                    .ok_or_else(|| invalid(format!("`sasl_mechanism` is \"{s}\"; expected PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")))?,
            ),
        };
        let connection = KafkaConnection {
            bootstrap_servers: servers.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_string).collect(),
            protocol,
            ca_file: path("ca_file"),
            certificate_file: path("certificate_file"),
            key_file: path("key_file"),
            mechanism,
            username: text("username"),
            password: text("password"),
            insecure_skip_verify: admin.get("insecure_skip_verify").and_then(|v| v.as_bool()).unwrap_or(false),
            cluster_id: text("cluster_id"),
        };
        connection.check()?;
        Ok(Some(connection))
    }

    fn check(&self) -> Result<(), Diagnostic> {
        if self.bootstrap_servers.is_empty() {
            return Err(invalid("`bootstrap_servers` names no address"));
        }
        if let Some(bare) =
            self.bootstrap_servers.iter().find(|s| !s.rsplit_once(':').is_some_and(|(h, p)| !h.is_empty() && p.parse::<u16>().is_ok()))
        {
            return Err(invalid(format!("`bootstrap_servers` has \"{bare}\", which is not `host:port`")));
        }
        if self.certificate_file.is_some() != self.key_file.is_some() {
            return Err(invalid("`certificate_file` and `key_file` belong together, and one of them is missing"));
        }
        if self.protocol.sasl() && (self.mechanism.is_none() || self.username.is_none() || self.password.is_none()) {
            return Err(invalid(format!("{} needs `sasl_mechanism`, `username` and `password`", self.protocol.as_str())));
        }
        Ok(())
    }

    /// Who this is to brokers that do not map names: the user, the certificate's subject, or nobody. Reads the certificate; `None` where it
    /// cannot be read.
    pub fn principal(&self) -> Option<String> {
        match (self.protocol.sasl(), &self.certificate_file) {
            (true, _) => self.username.as_ref().map(|u| format!("User:{u}")),
            (false, Some(file)) if self.protocol.tls() => Some(format!("User:{}", super::tls::subject(file)?)),
            _ => Some("User:ANONYMOUS".into()),
        }
    }

    /// The settings for librdkafka.
    pub fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap_servers.join(",")).set("security.protocol", self.protocol.as_str());
        config.set("client.id", "streamform").set("log.connection.close", "false");
        config.set("reconnect.backoff.ms", "100").set("reconnect.backoff.max.ms", "1000").set("socket.nagle.disable", "true");
        // librdkafka goes on waiting for a controller that it once heard of. Where that broker died, only newer metadata names another.
        config.set("topic.metadata.refresh.interval.ms", "3000");
        let files = [
            ("ssl.ca.location", &self.ca_file),
            ("ssl.certificate.location", &self.certificate_file),
            ("ssl.key.location", &self.key_file),
        ];
        for (key, file) in files.into_iter().filter_map(|(key, file)| Some((key, file.as_ref()?))) {
            config.set(key, file.display().to_string());
        }
        if self.insecure_skip_verify {
            config.set("enable.ssl.certificate.verification", "false");
        }
        if let (true, Some(mechanism)) = (self.protocol.sasl(), self.mechanism) {
            config.set("sasl.mechanism", mechanism.as_str());
            config.set("sasl.username", self.username.as_deref().unwrap_or_default());
            config.set("sasl.password", self.password.as_deref().unwrap_or_default());
        }
        config
    }

    /// A fingerprint that names the connection in logs without giving anything away.
    pub fn fingerprint(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

fn invalid(why: impl fmt::Display) -> Diagnostic {
    Diagnostic::error(codes::CONNECTION, format!("The connection to the cluster cannot be used: {why}."))
        .hint("Correct the connection settings of the kafka_cluster block that this belongs to.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Type, Value};

    fn admin(password: Value) -> Value {
        Value::object_from([
            ("bootstrap_servers", Value::from("a:1, b:2")),
            ("security_protocol", Value::from("SASL_SSL")),
            ("sasl_mechanism", Value::from("SCRAM-SHA-512")),
            ("username", Value::from("me")),
            ("password", password),
            ("cluster_id", Value::unknown(Type::String)),
            ("ca_file", Value::null(Type::String)),
        ])
    }

    #[test]
    fn reads_an_admin_object_and_masks_the_password() {
        let c = KafkaConnection::from_value(&admin(Value::from("hunter2").sensitive())).unwrap().unwrap();
        assert_eq!(c.bootstrap_servers, ["a:1", "b:2"]);
        assert_eq!(c.password.as_deref(), Some("hunter2"));
        assert!(!format!("{c:?}").contains("hunter2"));
        assert_eq!(c.client_config().get("sasl.mechanism"), Some("SCRAM-SHA-512"));
    }

    #[test]
    fn an_unknown_part_means_not_yet_but_an_unknown_id_does_not() {
        assert_eq!(KafkaConnection::from_value(&admin(Value::unknown(Type::String))).unwrap(), None);
        assert_eq!(KafkaConnection::from_value(&Value::unknown(Type::Dynamic)).unwrap(), None);
        assert!(KafkaConnection::from_value(&admin(Value::from("x"))).unwrap().is_some());
    }

    #[test]
    fn an_address_without_port_is_an_error() {
        let object = Value::object_from([("bootstrap_servers", Value::from("a:1,localhost"))]);
        assert!(KafkaConnection::from_value(&object).unwrap_err().detail.contains("\"localhost\""));
    }

    #[test]
    fn a_missing_password_is_an_error() {
        let e = KafkaConnection::from_value(&admin(Value::null(Type::String))).unwrap_err();
        assert_eq!(e.code, codes::CONNECTION);
    }
}
