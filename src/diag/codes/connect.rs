//! Kafka Connect and connectors (SF7000 and up).

codes! {
    /// No worker answered.
    UNREACHABLE = "SF7001", "Kafka Connect is unreachable";
}
