//! Syntax, expressions and functions (SF1000 and up).

codes! {
    /// The text is not HCL.
    SYNTAX = "SF1001", "Invalid syntax";
    /// A root name or member that nothing declares.
    UNDECLARED_REFERENCE = "SF1010", "Reference to undeclared name";
}
