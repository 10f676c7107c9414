//! Apply (SF4000 and up).

codes! {
    /// A provider gave another result than planned.
    INCONSISTENT = "SF4001", "Inconsistent result";
}
