//! Command line (SF9000 and up).

codes! {
    /// A command line that makes no sense.
    USAGE = "SF9001", "Invalid command line";
}
