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
    /// A topic's name that Kafka does not take.
    TOPIC_NAME = "SF6101", "Invalid topic name";
    /// A number of partitions or replicas, or a throttle, that makes no sense.
    TOPIC_COUNT = "SF6102", "Invalid number for a topic";
    /// Kafka cannot take partitions away.
    TOPIC_PARTITIONS_DECREASED = "SF6103", "Partitions cannot decrease";
    /// More partitions change which partition a key belongs to.
    TOPIC_PARTITIONS_INCREASED = "SF6104", "More partitions move keys";
    /// The topic is there and not in the state.
    TOPIC_EXISTS = "SF6105", "Topic exists already";
    /// The topic is another one than before, under the same name.
    TOPIC_RECREATED = "SF6106", "Topic was recreated outside";
    /// A setting that the brokers or streamform refuse.
    TOPIC_CONFIG = "SF6107", "Invalid topic setting";
    /// `min.insync.replicas` is greater than the number of replicas.
    TOPIC_MIN_ISR = "SF6108", "Too few replicas for min.insync.replicas";
    /// The partitions of a topic have different numbers of replicas.
    TOPIC_UNEVEN = "SF6109", "Unevenly replicated topic";
    /// The brokers forbid the deletion of topics.
    TOPIC_NOT_DELETABLE = "SF6110", "Topics cannot be deleted";
    /// The brokers do not show in time what they acknowledged.
    TOPIC_LAGGING = "SF6111", "Brokers lag behind";
    /// Two topics whose names differ only by `.` and `_`.
    TOPIC_COLLISION = "SF6112", "Colliding topic names";
    /// The topic to import is not there.
    TOPIC_MISSING = "SF6113", "No such topic";
    /// Partitions whose replicas are all away: nobody reads or writes them.
    TOPIC_LEADERLESS = "SF6114", "Partitions without a leader";
    /// After the step the cluster shows another value than the planned one.
    TOPIC_DIFFERS = "SF6115", "Topic differs from the plan";
    /// A role, rule or principal that Kafka could not use.
    ACL_INVALID = "SF6201", "Invalid ACL";
    /// A denial that may lock everybody out.
    ACL_LOCKOUT = "SF6202", "ACL may lock everybody out";
    /// The bindings to import are not there.
    ACL_MISSING = "SF6203", "No such ACL";
    /// The first ACL on a resource shuts everybody else out of it where the brokers let everybody in before.
    ACL_FIRST = "SF6204", "First ACL on a resource";
}
