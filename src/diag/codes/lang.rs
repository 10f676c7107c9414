//! Syntax, expressions and functions (SF1000 and up).

codes! {
    /// The text is not HCL.
    SYNTAX = "SF1001", "Invalid syntax";
    /// Brackets or operators nest deeper than the limit.
    NESTING = "SF1002", "Nested too deep";
    /// A root name or member that nothing declares.
    UNDECLARED_REFERENCE = "SF1010", "Reference to undeclared name";
    /// An attribute that the value does not have.
    UNSUPPORTED_ATTRIBUTE = "SF1011", "Unsupported attribute";
    /// An index that the value does not have, or that is of the wrong type.
    INVALID_INDEX = "SF1012", "Invalid index";
    /// An operand of the wrong type.
    INVALID_OPERAND = "SF1013", "Invalid operand";
    /// Division by zero.
    DIVISION_BY_ZERO = "SF1014", "Division by zero";
    /// A condition that is not a bool, or null.
    INVALID_CONDITION = "SF1015", "Invalid condition";
    /// The two results of a conditional have no common type.
    INCONSISTENT_TYPES = "SF1016", "Inconsistent conditional result types";
    /// A `for` over something else than a collection, or with bad keys.
    INVALID_FOR = "SF1017", "Invalid 'for' expression";
    /// A key that is null, unknown or no string.
    INVALID_KEY = "SF1018", "Invalid object key";
    /// A part of a template that is no text.
    INVALID_TEMPLATE = "SF1019", "Invalid template interpolation";
    /// A splat on null elements or without a collection.
    INVALID_SPLAT = "SF1020", "Invalid splat";
    /// A function that does not exist.
    UNKNOWN_FUNCTION = "SF1021", "Unknown function";
    /// A call that failed.
    FUNCTION_CALL = "SF1022", "Error in function call";
    /// A type expression that is none.
    INVALID_TYPE = "SF1023", "Invalid type";
    /// A value of the wrong type for its argument.
    WRONG_TYPE = "SF1024", "Wrong type of value";
    /// A required argument is missing.
    MISSING_ARGUMENT = "SF1025", "Missing required argument";
    /// An argument that the block does not have.
    UNSUPPORTED_ARGUMENT = "SF1026", "Unsupported argument";
    /// A block that is not expected here.
    UNSUPPORTED_BLOCK = "SF1027", "Unsupported block";
    /// Something only the provider sets.
    COMPUTED_ARGUMENT = "SF1028", "Argument cannot be set";
    /// A reference that is needed is not one, or is to the wrong type.
    INVALID_REFERENCE = "SF1029", "Invalid reference";
    /// Too few or too many blocks, or labels.
    INVALID_BLOCK = "SF1030", "Invalid block";
    /// A `dynamic` block that cannot be expanded.
    INVALID_DYNAMIC = "SF1031", "Invalid dynamic block";
    /// A map whose keys are names that are shown, and that is sensitive as a whole.
    SENSITIVE_KEYS = "SF1032", "Keys are sensitive";
    /// A calculation whose result is beyond all numbers.
    INFINITE = "SF1033", "Number out of range";
}
