//! Blocks, arguments, variables and modules (SF2000 and up).

codes! {
    /// An argument that the block does not have.
    UNSUPPORTED_ARGUMENT = "SF2001", "Unsupported argument";
    /// A block type that is not expected here.
    UNSUPPORTED_BLOCK = "SF2002", "Unsupported block type";
}
