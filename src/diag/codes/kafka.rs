//! Kafka clusters, topics and ACLs (SF6000 and up).

codes! {
    /// No broker answered.
    UNREACHABLE = "SF6001", "Kafka cluster is unreachable";
    /// The `admin` object of a cluster cannot be used.
    CONNECTION = "SF6002", "Invalid connection to a Kafka cluster";
    /// User, password or client certificate are not accepted.
    AUTHENTICATION = "SF6003", "Kafka refused the credentials";
    /// The TLS handshake failed.
    TLS = "SF6004", "TLS handshake with Kafka failed";
    /// The principal that streamform connects as lacks a right.
    UNAUTHORIZED = "SF6005", "Missing right on the Kafka cluster";
    /// A request timed out though the cluster answers.
    TIMEOUT = "SF6006", "Kafka did not answer in time";
    /// The cluster refuses the request.
    REFUSED = "SF6007", "Kafka refused the request";
    /// The cluster has another id than the one that was recorded.
    CLUSTER_CHANGED = "SF6008", "Another Kafka cluster answers";
    /// The cluster has no authorizer.
    NO_AUTHORIZER = "SF6009", "Kafka cluster has no authorizer";
    /// The cluster is too old, or does not implement the request.
    UNSUPPORTED = "SF6010", "Kafka cluster does not support the request";
}
