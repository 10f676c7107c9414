//! Kafka clusters, topics and ACLs (SF6000 and up).

codes! {
    /// No broker answered.
    UNREACHABLE = "SF6001", "Kafka cluster is unreachable";
}
