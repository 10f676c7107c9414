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
    /// A secret that generated configuration does not hold.
    LEFT_OUT = "SF9008", "Left out of generated configuration";
    /// Output that could not be written.
    OUTPUT_LOST = "SF9009", "Output is not complete";
    /// A clock that cannot be right.
    CLOCK = "SF9010", "Clock is wrong";
    /// A test file that does not exist.
    NO_TEST_FILE = "SF9020", "Test file not found";
    /// An assertion of a test that is false, or is no boolean.
    ASSERTION = "SF9021", "Test assertion failed";
    /// An assertion of a test that cannot be judged while planning.
    UNKNOWN_CONDITION = "SF9022", "Condition is not known yet";
    /// A failure that a test expects and that did not come.
    MISSING_FAILURE = "SF9023", "Missing expected failure";
    /// A failure that a test expects of its apply came while planning.
    EXPECTED_WHILE_PLANNING = "SF9024", "Expected failure while planning";
    /// A value in a test file that is known only after an apply.
    UNKNOWN_TEST_VALUE = "SF9025", "Value is not known yet";
    /// Folders, processes or objects of a test that was killed.
    LEFT_BEHIND = "SF9026", "Left behind by a killed test";
}
