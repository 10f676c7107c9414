//! Command line (SF9000 and up).

codes! {
    /// A command line that makes no sense.
    USAGE = "SF9001", "Invalid command line";
    /// A backend that does not exist.
    BACKEND = "SF9002", "Unknown backend";
    /// A question with nobody to answer it.
    NO_TERMINAL = "SF9003", "No terminal to ask on";
    /// An output that the state does not hold.
    NO_OUTPUT = "SF9004", "Output not found";
    /// A file or folder that cannot be used.
    FILE = "SF9005", "File cannot be used";
    /// A resource type that `explain` does not know.
    NO_TYPE = "SF9006", "Unknown type";
    /// An import that cannot be made.
    IMPORT = "SF9007", "Import failed";
}
