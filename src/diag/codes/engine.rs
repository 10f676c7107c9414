//! Engines: local processes, certificates, secrets (SF8000 and up).

codes! {
    /// Java is not installed.
    JAVA_MISSING = "SF8001", "Java is missing";
}
