//! What can go wrong with a cluster, by error code, and how that is told to a user.

use std::time::Duration;

use kafka_protocol::error::ParseResponseErrorCode;

use super::KafkaConnection;
use crate::diag::codes::kafka as codes;
use crate::diag::{Code, Diagnostic};

/// A failure of a request or of one item of it. Told apart by Kafka's error code; the message is only for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KafkaError {
    /// No broker answered.
    #[error("no broker answered at {} within {} s: {cause}", .addresses.join(", "), .tried.as_secs())]
    Unreachable {
        /// The addresses that were tried.
        addresses: Vec<String>,
        /// For how long.
        tried: Duration,
        /// The last cause, for people.
        cause: String,
    },
    /// The credentials are wrong.
    #[error("authentication failed: {message}")]
    AuthenticationFailed {
        /// What the broker says.
        message: String,
    },
    /// The TLS handshake failed.
    #[error("TLS failed: {message}")]
    TlsFailed {
        /// Why.
        message: String,
        /// What to set, where that is known.
        hint: Option<String>,
    },
    /// The listener is of another kind than the connection takes it for.
    #[error("the listener at {address} {kind}")]
    WrongListener {
        /// The address.
        address: String,
        /// What it is.
        kind: ListenerKind,
    },
    /// The connection's settings make no sense (a file that cannot be read, a mechanism without a user).
    #[error("{message}")]
    Connection {
        /// Why.
        message: String,
    },
    /// The principal lacks a right.
    #[error("not authorized: {what}")]
    AuthorizationFailed {
        /// The missing right: operation and resource.
        what: String,
    },
    /// The topic exists already.
    #[error("the topic exists already")]
    TopicAlreadyExists,
    /// The topic or partition does not exist.
    #[error("the topic or partition does not exist")]
    UnknownTopicOrPart,
    /// A configuration key or value that the broker refuses.
    #[error("{message}")]
    InvalidConfig {
        /// What the broker says.
        message: String,
    },
    /// The cluster's policy forbids it.
    #[error("{message}")]
    PolicyViolation {
        /// What the broker says.
        message: String,
    },
    /// A number of partitions that the broker refuses.
    #[error("{message}")]
    InvalidPartitions {
        /// What the broker says.
        message: String,
    },
    /// A replication factor that the broker refuses.
    #[error("{message}")]
    InvalidReplicationFactor {
        /// What the broker says.
        message: String,
    },
    /// A replica assignment that the broker refuses.
    #[error("{message}")]
    InvalidReplicaAssignment {
        /// What the broker says.
        message: String,
    },
    /// A topic name that the broker refuses.
    #[error("{message}")]
    TopicException {
        /// What the broker says.
        message: String,
    },
    /// A request that the broker refuses.
    #[error("{message}")]
    InvalidRequest {
        /// What the broker says.
        message: String,
    },
    /// The cluster has no authorizer: it knows no ACLs.
    #[error("the cluster has no authorizer")]
    SecurityDisabled,
    /// The quota of changes is used up.
    #[error("the cluster throttles changes")]
    ThrottlingQuotaExceeded,
    /// The broker is not the controller.
    #[error("the broker is not the controller")]
    NotController,
    /// A partition has no leader now.
    #[error("the partition has no leader")]
    LeaderNotAvailable,
    /// Another reassignment of the partition is going on, or none is.
    #[error("{message}")]
    Reassignment {
        /// What the broker says.
        message: String,
    },
    /// The SCRAM credential does not exist.
    #[error("the credential does not exist")]
    ResourceNotFound,
    /// The broker does not know the request.
    #[error("the cluster does not support {api}")]
    Unsupported {
        /// The request.
        api: String,
    },
    /// No answer in time, though the cluster is there.
    #[error("no answer to {api} in time (waited {} s)", .after.as_secs())]
    Timeout {
        /// The request.
        api: String,
        /// After how long.
        after: Duration,
    },
    /// The connection broke after the request was sent: the broker may have carried it out.
    #[error("the connection broke during {api}: {message}")]
    Interrupted {
        /// The request.
        api: String,
        /// Why.
        message: String,
    },
    /// The cluster does not allow topics to be deleted (`delete.topic.enable=false`).
    #[error("the cluster does not allow topics to be deleted")]
    TopicDeletionDisabled,
    /// Any other error code of Kafka.
    #[error("{message} (error code {code})")]
    Other {
        /// Kafka's error code.
        code: i16,
        /// What the broker says, or the code's name.
        message: String,
    },
}

/// What a listener turned out to be, where the connection expects the contrary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// It speaks TLS.
    Tls,
    /// It speaks no TLS.
    NoTls,
    /// It demands a login.
    Sasl,
    /// It has no login.
    NoSasl,
}

impl ListenerKind {
    fn hint(self) -> &'static str {
        match self {
            Self::Tls => {
                "Add a block `tls` with the `ca_file` that the brokers' certificates are signed by, or name a listener without TLS."
            }
            Self::NoTls => "Remove the block `tls`, or name the address of a listener with TLS (SSL or SASL_SSL).",
            Self::Sasl => "Add a block `sasl` with mechanism, user and password, or name a listener without.",
            Self::NoSasl => "Remove the block `sasl`, or name the address of a listener with it (SASL_PLAINTEXT or SASL_SSL).",
        }
    }
}

impl std::fmt::Display for ListenerKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tls => "speaks TLS, and the connection does not",
            Self::NoTls => "speaks no TLS, and the connection does",
            Self::Sasl => "asks for a user and a password, and the connection has none",
            Self::NoSasl => "asks for no user and password, and the connection has them",
        })
    }
}

impl KafkaError {
    /// The error of a code of the protocol; `what` is the right that is missing should the code say so. `None` for code 0.
    pub fn from_response(code: i16, message: Option<&str>, what: &str) -> Option<Self> {
        (code != 0).then(|| Self::from_code(code, message, what))
    }

    /// The error of a code of the protocol that is not 0.
    pub(super) fn from_code(code: i16, message: Option<&str>, what: &str) -> Self {
        let name = code.err().map_or_else(|| format!("error {code}"), |e| format!("{e:?}"));
        let message = message.filter(|m| !m.is_empty()).map_or(name, |m| m.trim_end_matches('.').to_string());
        match code {
            3 => Self::UnknownTopicOrPart,
            5 => Self::LeaderNotAvailable,
            7 => Self::Timeout { api: "the request inside the cluster".into(), after: Duration::ZERO },
            17 => Self::TopicException { message },
            29 | 30 | 31 | 53 | 65 => Self::AuthorizationFailed { what: what.to_string() },
            35 => Self::Unsupported { api: message },
            36 => Self::TopicAlreadyExists,
            37 => Self::InvalidPartitions { message },
            38 => Self::InvalidReplicationFactor { message },
            39 => Self::InvalidReplicaAssignment { message },
            40 => Self::InvalidConfig { message },
            41 => Self::NotController,
            42 => Self::InvalidRequest { message },
            44 => Self::PolicyViolation { message },
            54 => Self::SecurityDisabled,
            58 => Self::AuthenticationFailed { message },
            60 | 85 => Self::Reassignment { message },
            73 => Self::TopicDeletionDisabled,
            89 => Self::ThrottlingQuotaExceeded,
            91 => Self::ResourceNotFound,
            _ => Self::Other { code, message },
        }
    }

    /// Whether nothing was carried out and the same request may succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::NotController | Self::LeaderNotAvailable | Self::ThrottlingQuotaExceeded)
            // Not enough replicas, coordinator loading, coordinator not available, network exception, stale controller epoch.
            || matches!(self, Self::Other { code: 11 | 13 | 14 | 15 | 19, .. })
    }

    /// Whether the request may or may not have been carried out: read back before asking again.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Interrupted { .. })
    }

    /// Whether waiting does not help: whoever polls gives up. (Who cannot be reached was waited for already.)
    pub fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Connection { .. }
                | Self::AuthenticationFailed { .. }
                | Self::TlsFailed { .. }
                | Self::WrongListener { .. }
        )
    }

    /// What is known of a request that got no answer after it was tried again: that the second try did not get through says nothing of
    /// the first.
    pub(super) fn in_doubt_after<T>(self, again: Result<T, KafkaError>) -> Result<T, KafkaError> {
        match again {
            Err(e) if e.is_lasting() => Err(self),
            other => other,
        }
    }

    /// Turns it into a diagnostic; `context` says what was being done ("creating topic \"orders\"").
    pub fn into_diagnostic(self, context: impl AsRef<str>) -> Diagnostic {
        let d = Diagnostic::error(self.code(), format!("Failed {}: {self}.", context.as_ref()));
        let d = if self.is_of_the_cluster() { d.because(self.to_string()) } else { d };
        match self.hint() {
            Some(hint) => d.hint(hint),
            None => d,
        }
    }

    /// The same for who connects so: where a right is missing, it says who lacks it.
    pub fn told(self, context: impl AsRef<str>, connection: &KafkaConnection) -> Diagnostic {
        let who = match &self {
            Self::AuthorizationFailed { what } => connection.principal().map(|who| (who, what.clone())),
            _ => None,
        };
        let d = self.into_diagnostic(context);
        match who {
            Some((who, what)) => {
                d.hint(format!("Give `{who}` the right to {what}: that is who streamform is to the brokers, unless they map names."))
            }
            None => d,
        }
    }

    /// Whether it is no matter of the object that was asked for: another object of the cluster meets the same.
    fn is_of_the_cluster(&self) -> bool {
        self.is_lasting() || self.is_ambiguous() || matches!(self, Self::SecurityDisabled)
    }

    fn code(&self) -> Code {
        match self {
            Self::Unreachable { .. } => codes::UNREACHABLE,
            Self::Connection { .. } => codes::CONNECTION,
            Self::AuthenticationFailed { .. } => codes::AUTHENTICATION,
            Self::TlsFailed { .. } => codes::TLS,
            Self::WrongListener { kind: ListenerKind::Tls | ListenerKind::NoTls, .. } => codes::TLS,
            Self::WrongListener { .. } => codes::AUTHENTICATION,
            Self::AuthorizationFailed { .. } => codes::UNAUTHORIZED,
            Self::Timeout { .. } | Self::Interrupted { .. } => codes::TIMEOUT,
            Self::SecurityDisabled => codes::NO_AUTHORIZER,
            Self::Unsupported { .. } => codes::UNSUPPORTED,
            _ => codes::REFUSED,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreachable { .. } => {
                "Check that the cluster runs, and that its `bootstrap_servers` are addresses that this machine can reach.".into()
            }
            Self::Connection { .. } => "Correct `bootstrap_servers` and the blocks `tls` and `sasl` of the cluster's data block.".into(),
            Self::AuthenticationFailed { .. } => {
                "The cluster is there, but `username`, `password` or `mechanism` in the `sasl` block of its data block are wrong.".into()
            }
            Self::TlsFailed { hint: Some(hint), .. } => hint.clone(),
            Self::TlsFailed { .. } => {
                "Check `ca_file`, `certificate_file` and `key_file` in the `tls` block, and that the broker's certificate names its address.".into()
            }
            Self::WrongListener { kind, .. } => kind.hint().into(),
            Self::AuthorizationFailed { what } => format!("Give the principal that streamform connects as the right to {what}."),
            Self::Timeout { .. } | Self::Interrupted { .. } => "Plan again to see what was carried out.".into(),
            Self::ThrottlingQuotaExceeded => "Wait, or raise the principal's `controller_mutation_rate`.".into(),
            Self::SecurityDisabled => "Set `authorizer.class.name` on the brokers before managing ACLs.".into(),
            Self::TopicDeletionDisabled => "Set `delete.topic.enable=true` on the brokers.".into(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreachable_names_addresses_and_time() {
        let e = KafkaError::Unreachable {
            addresses: vec!["a:1".into(), "b:2".into()],
            tried: Duration::from_secs(15),
            cause: "refused".into(),
        };
        let d = e.into_diagnostic("reading topics");
        assert_eq!(d.code, codes::UNREACHABLE);
        assert_eq!(d.detail, "Failed reading topics: no broker answered at a:1, b:2 within 15 s: refused.");
    }

    #[test]
    fn codes_become_types() {
        assert_eq!(KafkaError::from_response(0, None, ""), None);
        assert_eq!(KafkaError::from_code(36, Some("Topic 'x' already exists."), ""), KafkaError::TopicAlreadyExists);
        let denied = KafkaError::from_code(29, None, "CREATE on topic \"x\"");
        assert!(denied.clone().into_diagnostic("creating topic \"x\"").hint.unwrap().contains("CREATE on topic \"x\""));
        assert_eq!(denied.code(), codes::UNAUTHORIZED);
        assert!(KafkaError::from_code(41, None, "").is_transient());
        assert!(KafkaError::from_code(7, None, "").is_ambiguous());
    }
}
