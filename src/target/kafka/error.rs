//! What can go wrong with a cluster, by error code, and how that is told to a user.

use std::time::Duration;

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
    #[error("no answer to {api} within {} s", .after.as_secs())]
    Timeout {
        /// The request.
        api: String,
        /// After how long.
        after: Duration,
    },
    /// Any other error code of Kafka.
    #[error("{message} (error code {code})")]
    Other {
        /// Kafka's error code.
        code: i16,
        /// What the broker says, or the code's name.
        message: String,
    },
}

impl KafkaError {
    /// Turns it into a diagnostic; `context` says what was being done ("creating topic \"orders\"").
    pub fn into_diagnostic(self, context: impl AsRef<str>) -> Diagnostic {
        let d = Diagnostic::error(self.code(), format!("Failed {}: {self}.", context.as_ref()));
        match self.hint() {
            Some(hint) => d.hint(hint),
            None => d,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => codes::UNREACHABLE,
            _ => codes::REFUSED,
        }
    }

    fn hint(&self) -> Option<String> {
        None
    }
}
