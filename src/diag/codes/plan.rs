//! Graph and plan (SF3000 and up).

codes! {
    /// Blocks depend on each other in a circle.
    CYCLE = "SF3001", "Dependency cycle";
}
