//! Engines: local processes, certificates, secrets (SF8000 and up).

codes! {
    /// Java is not installed.
    JAVA_MISSING = "SF8001", "Java is missing";
    /// Java is older than Kafka needs.
    JAVA_TOO_OLD = "SF8002", "Java is too old";
    /// Maven is not installed.
    MAVEN_MISSING = "SF8003", "Maven is missing";
    /// Jars could not be fetched.
    JARS_UNAVAILABLE = "SF8004", "Jars cannot be resolved";
    /// A file or folder cannot be read or written.
    FILE = "SF8005", "File cannot be used";
    /// A process ended while it should start.
    PROCESS_DIED = "SF8006", "Process ended at its start";
    /// A process is not ready in time.
    NOT_READY = "SF8007", "Process is not ready in time";
    /// A port that a process needs is used by another program.
    PORT_TAKEN = "SF8008", "Port is taken";
    /// A certificate or key store could not be made.
    CERTIFICATE = "SF8009", "Certificate cannot be made";
    /// The engine does not exist in this version.
    ENGINE_UNAVAILABLE = "SF8010", "Engine is not available";
    /// A setting that streamform computes was set by hand.
    RESERVED_SETTING = "SF8011", "Reserved setting";
    /// A name or value that the engine cannot take.
    INVALID_ARGUMENT = "SF8012", "Invalid argument";
    /// Brokers that still hold partitions cannot go.
    SCALE_IN = "SF8013", "Broker is not empty";
    /// KAFKA_HOME does not hold what is asked for.
    KAFKA_HOME = "SF8014", "KAFKA_HOME cannot be used";
    /// A process does not end.
    PROCESS_STAYS = "SF8015", "Process does not end";
    /// A cluster cannot go back to an older version.
    DOWNGRADE = "SF8017", "Version cannot go back";
    /// A topic that the workers keep their own records in is not fit for it.
    CONNECT_TOPIC = "SF8018", "Unusable topic of Kafka Connect";
    /// Partitions stay under-replicated during a rolling restart.
    UNDER_REPLICATED = "SF8016", "Partitions are under-replicated";
    /// A node's folder holds the data of another cluster.
    FOREIGN_DATA = "SF8019", "Data of another cluster";
    /// A file that streamform did not write is in the place of one that it is to write.
    FOREIGN_FILE = "SF8020", "File exists already";
    /// Arguments that the chosen engine does not use.
    WITHOUT_EFFECT = "SF8021", "Arguments without effect";
    /// Something relies on an argument that the chosen engine cannot keep.
    NOT_KEPT = "SF8023", "Argument that the engine cannot keep";
    /// Others may write into a folder of secrets.
    OPEN_FOLDER = "SF8022", "Folder is open to others";
}
