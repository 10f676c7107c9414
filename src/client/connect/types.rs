//! What travels over Connect's REST interface, and what can go wrong there. Configuration values may be secrets: `Debug` shows keys only.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};

use crate::diag::codes::connect as codes;
use crate::diag::redact::Redactor;
use crate::diag::{Code, Diagnostic};
use crate::value::Value;

/// How to reach a Connect cluster: the `admin` object of a `kafka_connect`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ConnectConnection {
    /// The REST interface's URL, such as `https://connect.example:8083`.
    pub url: String,
    /// PEM file of the authorities that may sign the worker's certificate; none = the system's.
    pub ca_file: Option<String>,
    /// PEM file of the client's certificate.
    pub certificate_file: Option<String>,
    /// PEM file of the client's key.
    pub key_file: Option<String>,
    /// User of basic authentication.
    pub username: Option<String>,
    /// Password of basic authentication.
    pub password: Option<String>,
    /// Whether the worker's certificate is taken unchecked.
    pub insecure_skip_verify: bool,
}

impl ConnectConnection {
    /// A connection with nothing but a URL.
    pub fn to_url(url: impl Into<String>) -> Self {
        ConnectConnection {
            url: url.into(),
            ca_file: None,
            certificate_file: None,
            key_file: None,
            username: None,
            password: None,
            insecure_skip_verify: false,
        }
    }

    /// Reads the `admin` object of a `kafka_connect`, or that object itself. `None` while the URL is not known.
    pub fn from_value(value: &Value) -> Option<Self> {
        let admin = value.get("admin");
        let admin = admin.as_ref().unwrap_or(value);
        let known = admin.as_map().is_some_and(|m| m.values().all(Value::is_known));
        let url = admin.get_str("url").filter(|_| known)?;
        Some(ConnectConnection {
            url,
            ca_file: admin.get_str("ca_file"),
            certificate_file: admin.get_str("certificate_file"),
            key_file: admin.get_str("key_file"),
            username: admin.get_str("username"),
            password: admin.get_str("password"),
            insecure_skip_verify: admin.get("insecure_skip_verify").and_then(|v| v.as_bool()).unwrap_or(false),
        })
    }
}

impl fmt::Debug for ConnectConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectConnection")
            .field("url", &self.url)
            .field("ca_file", &self.ca_file)
            .field("certificate_file", &self.certificate_file)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// What the root of the interface says.
#[derive(Clone, Debug, Deserialize)]
pub struct RootInfo {
    /// The worker's Kafka version.
    pub version: String,
    /// The id of the Kafka cluster behind it.
    #[serde(default)]
    pub kafka_cluster_id: String,
}

impl RootInfo {
    /// Whether the worker is of this version or later. A version that cannot be read counts as new.
    pub fn at_least(&self, major: u32, minor: u32) -> bool {
        let mut parts = self.version.split(['.', '-']).map(|p| p.parse::<u32>().ok());
        match (parts.next().flatten(), parts.next().flatten()) {
            (Some(a), Some(b)) => (a, b) >= (major, minor),
            _ => true,
        }
    }
}

/// An installed connector class.
#[derive(Clone, Debug, Deserialize)]
pub struct Plugin {
    /// The full class name.
    pub class: String,
    /// `source` or `sink`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The plugin's version.
    #[serde(default)]
    pub version: Option<String>,
}

impl Plugin {
    /// Whether `written` names this class: in full, by its simple name, or by that without `Connector`.
    pub fn is_named(&self, written: &str) -> bool {
        let simple = self.simple_name();
        written == self.class || written == simple || simple.strip_suffix("Connector") == Some(written)
    }

    /// The class name without its package.
    pub fn simple_name(&self) -> &str {
        self.class.rsplit('.').next().unwrap_or(&self.class)
    }
}

/// The state of a connector or a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It works.
    Running,
    /// It keeps its place and does nothing.
    Paused,
    /// It is stopped, without tasks.
    Stopped,
    /// It ended with an error.
    Failed,
    /// No worker has it at the moment.
    Unassigned,
    /// It is being restarted.
    Restarting,
    /// A state that streamform does not know.
    Other(String),
}

impl<'de> Deserialize<'de> for RunState {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Ok(match text.as_str() {
            "RUNNING" => RunState::Running,
            "PAUSED" => RunState::Paused,
            "STOPPED" => RunState::Stopped,
            "FAILED" => RunState::Failed,
            "UNASSIGNED" => RunState::Unassigned,
            "RESTARTING" => RunState::Restarting,
            _ => RunState::Other(text),
        })
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RunState::Running => "RUNNING",
            RunState::Paused => "PAUSED",
            RunState::Stopped => "STOPPED",
            RunState::Failed => "FAILED",
            RunState::Unassigned => "UNASSIGNED",
            RunState::Restarting => "RESTARTING",
            RunState::Other(s) => s,
        })
    }
}

/// The state of a connector itself or of one task.
#[derive(Clone, Debug, Deserialize)]
pub struct Part {
    /// The task's number; 0 for the connector itself.
    #[serde(default)]
    pub id: u32,
    /// Its state.
    pub state: RunState,
    /// The worker that has it.
    #[serde(default)]
    pub worker_id: String,
    /// The stack trace where it failed. Redact before showing.
    #[serde(default)]
    pub trace: Option<String>,
}

/// The state of a connector and its tasks.
#[derive(Clone, Debug, Deserialize)]
pub struct ConnectorStatus {
    /// The connector itself.
    pub connector: Part,
    /// Its tasks.
    #[serde(default)]
    pub tasks: Vec<Part>,
    /// `source` or `sink`.
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
}

impl ConnectorStatus {
    /// The numbers of the failed tasks.
    pub fn failed_tasks(&self) -> Vec<u32> {
        self.tasks.iter().filter(|t| t.state == RunState::Failed).map(|t| t.id).collect()
    }

    /// The state of a connector that no worker has reported on.
    pub fn unassigned() -> Self {
        let connector = Part { id: 0, state: RunState::Unassigned, worker_id: String::new(), trace: None };
        ConnectorStatus { connector, tasks: vec![], kind: None }
    }

    /// Whether the connector or a task failed.
    pub fn has_failed(&self) -> bool {
        self.connector.state == RunState::Failed || self.tasks.iter().any(|t| t.state == RunState::Failed)
    }
}

/// A connector's configuration and tasks.
#[derive(Clone, Deserialize)]
pub struct ConnectorInfo {
    /// The configuration, `name` included. Null values are left out.
    #[serde(deserialize_with = "strings")]
    pub config: BTreeMap<String, String>,
    /// `source` or `sink`.
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
}

impl fmt::Debug for ConnectorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorInfo").field("keys", &self.config.keys().collect::<Vec<_>>()).field("kind", &self.kind).finish()
    }
}

fn strings<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, String>, D::Error> {
    let map = BTreeMap::<String, Option<String>>::deserialize(d)?;
    Ok(map.into_iter().filter_map(|(k, v)| v.map(|v| (k, v))).collect())
}

/// One connector of the expanded list.
#[derive(Clone, Debug, Deserialize)]
pub struct Connector {
    /// Configuration and tasks.
    pub info: ConnectorInfo,
    /// State.
    pub status: ConnectorStatus,
}

/// One connector of the expanded list as it comes: while a connector is being made or deleted, parts are missing.
#[derive(Deserialize)]
pub(super) struct Expanded {
    info: Option<ConnectorInfo>,
    status: Option<ConnectorStatus>,
}

impl Expanded {
    /// The connector, where its configuration is there. One without a state is unassigned.
    pub(super) fn complete(self) -> Option<Connector> {
        Some(Connector { info: self.info?, status: self.status.unwrap_or_else(ConnectorStatus::unassigned) })
    }
}

/// One key of a validation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigCheck {
    /// The key.
    pub key: String,
    /// Its type in Connect's words (`STRING`, `PASSWORD`, …).
    pub kind: String,
    /// What is wrong. May repeat values, also resolved ones: redact before showing.
    pub errors: Vec<String>,
}

/// The answer to a validation. It has no values: a worker sends resolved secrets in them, and they end here.
#[derive(Clone, Debug)]
pub struct Validation {
    /// The keys that the connector knows.
    pub checks: Vec<ConfigCheck>,
}

impl<'de> Deserialize<'de> for Validation {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Definition {
            #[serde(default, rename = "type")]
            kind: String,
        }
        #[derive(Deserialize)]
        struct Named {
            name: String,
            #[serde(default)]
            errors: Vec<String>,
        }
        #[derive(Deserialize)]
        struct Entry {
            definition: Option<Definition>,
            value: Named,
        }
        #[derive(Deserialize)]
        struct Answer {
            configs: Vec<Entry>,
        }
        let answer = Answer::deserialize(d)?;
        let check =
            |e: Entry| ConfigCheck { key: e.value.name, kind: e.definition.map_or(String::new(), |d| d.kind), errors: e.value.errors };
        Ok(Validation { checks: answer.configs.into_iter().map(check).collect() })
    }
}

/// A logger's level.
#[derive(Clone, Debug, Deserialize)]
pub struct LoggerLevel {
    /// `INFO`, `DEBUG`, …
    pub level: Option<String>,
}

/// What can go wrong between streamform and a worker. No variant holds a configuration value unless it says so.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answered.
    #[error("{url} does not answer: {why}")]
    Unreachable {
        /// The URL.
        url: String,
        /// Why, in the system's words.
        why: String,
    },
    /// The handshake failed.
    #[error("the TLS handshake with {url} failed: {why}")]
    Tls {
        /// The URL.
        url: String,
        /// Why, in the TLS library's words.
        why: String,
        /// What to set, where that is known.
        hint: Option<&'static str>,
    },
    /// The port speaks TLS and the URL does not, or the other way round.
    #[error("{url} {}", if *.tls { "speaks TLS, and its URL begins with http://" } else { "speaks no TLS, and its URL begins with https://" })]
    WrongScheme {
        /// The URL.
        url: String,
        /// Whether the port speaks TLS.
        tls: bool,
    },
    /// 401 or 403.
    #[error("{url} answers {status}")]
    Unauthorized {
        /// The URL.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// 404.
    #[error("{what} does not exist")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// 409.
    #[error("the workers are rebalancing")]
    Rebalancing,
    /// 400 or 422: the worker refuses. Its message may repeat values: redact before showing.
    #[error("the request is refused")]
    Refused {
        /// The worker's message, not redacted.
        message: Sealed,
    },
    /// 5xx.
    #[error("the worker answers {status}")]
    Server {
        /// The HTTP status.
        status: u16,
        /// The worker's message, not redacted.
        message: Sealed,
    },
    /// No answer within the time limit.
    #[error("no answer from {url} in time")]
    Timeout {
        /// The URL.
        url: String,
    },
    /// Not Connect's interface.
    #[error("{url} answers with something else than Kafka Connect's interface promises: {why}")]
    BadAnswer {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A URL or file that cannot be used.
    #[error("{why}")]
    BadConnection {
        /// What is wrong with it.
        why: String,
    },
}

/// A text that may hold secrets: `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(String);

impl Sealed {
    /// Seals a text.
    pub fn new(text: String) -> Self {
        Sealed(text)
    }

    /// The text with secrets masked.
    pub fn open(&self, redactor: &Redactor) -> String {
        redactor.foreign(&self.0)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(sealed)")
    }
}

impl ConnectError {
    /// The diagnostic. `redactor` knows the secrets of the request.
    pub fn diagnostic(&self, redactor: &Redactor) -> Diagnostic {
        let (code, hint): (Code, &str) = match self {
            ConnectError::Unreachable { .. } => (codes::UNREACHABLE, "Check that a worker runs and that its URL is right."),
            ConnectError::Timeout { .. } => {
                (codes::UNREACHABLE, "A worker that loads plugins or opens connections can be slow: try again.")
            }
            ConnectError::Tls { hint: Some(hint), .. } => (codes::TLS, hint),
            ConnectError::Tls { .. } => {
                (codes::TLS, "Check ca_file, certificate_file and key_file, and that the URL's host is in the worker's certificate.")
            }
            ConnectError::WrongScheme { tls: true, .. } => (codes::TLS, "Write https:// in the URL."),
            ConnectError::WrongScheme { tls: false, .. } => (codes::TLS, "Write http:// in the URL, or the address of an https listener."),
            ConnectError::Unauthorized { .. } => (codes::UNAUTHORIZED, "Check username and password, or the client's certificate."),
            ConnectError::NotFound { .. } => {
                (codes::NOT_FOUND, "List what is there with the worker's own interface or with streamform's import.")
            }
            ConnectError::Rebalancing => {
                (codes::REBALANCING, "Wait until the workers have settled, or raise the time limit in a timeouts block.")
            }
            ConnectError::Refused { .. } => (codes::INVALID_CONFIG, "Correct the configuration as the worker says."),
            ConnectError::Server { .. } => (codes::SERVER_ERROR, "The worker's log says more."),
            ConnectError::BadAnswer { .. } => (codes::BAD_ANSWER, "Check that the URL is that of a Kafka Connect worker."),
            ConnectError::BadConnection { .. } => (codes::BAD_CONNECTION, "Check the connection's arguments."),
        };
        let detail = match self {
            ConnectError::Refused { message } => {
                format!("Kafka Connect refuses the request: {}.", message.open(redactor).trim_end_matches('.'))
            }
            ConnectError::Server { status, message } => {
                format!("Kafka Connect answers {status}: {}.", message.open(redactor).trim_end_matches('.'))
            }
            other => capital(&other.to_string()),
        };
        Diagnostic::error(code, detail).hint(hint)
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| if text.starts_with("http") { c.to_string() } else { c.to_uppercase().to_string() });
    format!("{}{}.", first.unwrap_or_default(), chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validation_keeps_no_values() {
        let text = r#"{"name":"c","error_count":1,"configs":[{"definition":{"name":"topic","type":"STRING"},
            "value":{"name":"topic","value":"s3cr3t-value","recommended_values":["s3cr3t-value"],"errors":["bad"]}}]}"#;
        let v: Validation = serde_json::from_str(text).unwrap();
        assert_eq!(v.checks, [ConfigCheck { key: "topic".into(), kind: "STRING".into(), errors: vec!["bad".into()] }]);
        assert!(!format!("{v:?}").contains("s3cr3t"));
    }

    #[test]
    fn a_list_may_hold_half_a_connector() {
        let text = r#"{"a":{},"b":{"info":{"config":{"x":"1"}}},"c":{"status":{"connector":{"state":"RUNNING"}}}}"#;
        let list: BTreeMap<String, Expanded> = serde_json::from_str(text).unwrap();
        let found: Vec<_> = list.into_iter().filter_map(|(n, e)| Some((n, e.complete()?.status.connector.state))).collect();
        assert_eq!(found, [("b".to_string(), RunState::Unassigned)]);
    }

    #[test]
    fn debug_shows_neither_passwords_nor_config_values_nor_messages() {
        let mut c = ConnectConnection::to_url("http://x");
        c.password = Some("s3cr3t".into());
        let info: ConnectorInfo =
            serde_json::from_str(r#"{"name":"a","config":{"k":"s3cr3t","n":null},"tasks":[],"type":"sink"}"#).unwrap();
        assert!(!info.config.contains_key("n"));
        let e = ConnectError::Refused { message: Sealed::new("s3cr3t".into()) };
        assert!(!format!("{c:?}{info:?}{e:?}{e}").contains("s3cr3t"));
    }

    #[test]
    fn versions_compare_by_number() {
        let root = |v: &str| RootInfo { version: v.into(), kafka_cluster_id: String::new() };
        assert!(root("3.10.0").at_least(3, 7) && root("4.3.1").at_least(3, 7) && root("7.6.0-ce").at_least(3, 7));
        assert!(!root("3.6.2").at_least(3, 7) && root("snapshot").at_least(3, 7));
    }

    #[test]
    fn a_connection_is_read_from_the_object_or_its_admin_part() {
        let admin = Value::object_from([("url", Value::string("http://c")), ("password", Value::string("p").sensitive())]);
        let whole = Value::object_from([("admin", admin.clone()), ("version", Value::unknown(crate::value::Type::String))]);
        assert_eq!(ConnectConnection::from_value(&admin), ConnectConnection::from_value(&whole));
        assert_eq!(ConnectConnection::from_value(&whole).and_then(|c| c.password).as_deref(), Some("p"));
        let unknown = Value::object_from([("admin", Value::unknown(crate::value::Type::Dynamic))]);
        assert_eq!(ConnectConnection::from_value(&unknown), None);
    }

    #[test]
    fn plugins_are_named_in_full_or_short() {
        let p = Plugin { class: "org.x.FileSinkConnector".into(), kind: "sink".into(), version: None };
        assert!(p.is_named("org.x.FileSinkConnector") && p.is_named("FileSinkConnector") && p.is_named("FileSink") && !p.is_named("File"));
    }
}
