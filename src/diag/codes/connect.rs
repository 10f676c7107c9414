//! Kafka Connect and connectors (SF7000 and up).

codes! {
    /// No worker answered.
    UNREACHABLE = "SF7001", "Kafka Connect is unreachable";
    /// The TLS handshake with the worker failed.
    TLS = "SF7002", "TLS handshake with Kafka Connect failed";
    /// The worker wants other credentials.
    UNAUTHORIZED = "SF7003", "Kafka Connect refused the credentials";
    /// The workers kept rebalancing until the time limit.
    REBALANCING = "SF7004", "Kafka Connect is still rebalancing";
    /// Connect's own validation refuses a configuration.
    INVALID_CONFIG = "SF7005", "Invalid connector configuration";
    /// No installed plugin has this class.
    UNKNOWN_CLASS = "SF7006", "Connector class is not installed";
    /// There is no connector of this name.
    NOT_FOUND = "SF7007", "No such connector";
    /// The worker failed to carry out the request.
    SERVER_ERROR = "SF7008", "Kafka Connect failed";
    /// A connector or one of its tasks does not run.
    CONNECTOR_FAILED = "SF7009", "Connector failed";
    /// A connector did not reach its state in time.
    TIMEOUT = "SF7010", "Connector is not ready in time";
    /// A connector of this name exists and is not streamform's.
    ALREADY_EXISTS = "SF7011", "Connector exists already";
    /// The Connect cluster is on another Kafka cluster than the one that was recorded.
    CLUSTER_CHANGED = "SF7012", "Kafka Connect is another cluster";
    /// A configuration key that has an argument of its own.
    RESERVED_KEY = "SF7013", "Reserved connector configuration key";
    /// An argument of a connector that makes no sense.
    INVALID_ARGUMENT = "SF7014", "Invalid connector argument";
    /// A configuration key that the connector does not know, with a similar one that it does.
    UNKNOWN_KEY = "SF7015", "Unknown connector configuration key";
    /// The address of the Connect cluster is not known.
    ADDRESS_UNKNOWN = "SF7016", "Address of Kafka Connect is not known";
    /// The answer is not what Kafka Connect's interface promises.
    BAD_ANSWER = "SF7017", "Unexpected answer from Kafka Connect";
    /// A password stands in plain text where values are shown and stored.
    PLAIN_SECRET = "SF7019", "Password in plain text";
    /// A placeholder whose provider, file or key the workers do not have.
    PLACEHOLDER = "SF7020", "Placeholder that no worker resolves";
    /// The URL or a certificate file of the connection is unusable.
    BAD_CONNECTION = "SF7018", "Invalid connection to Kafka Connect";
}
