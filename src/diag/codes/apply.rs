//! Apply (SF4000 and up).

codes! {
    /// What became known differs from what was planned.
    INCONSISTENT = "SF4001", "Inconsistent result";
    /// A defect of streamform.
    INTERNAL = "SF4002", "Internal error";
    /// A `null_resource` with `fail`.
    ASKED_TO_FAIL = "SF4004", "Asked to fail";
    /// The run was interrupted.
    INTERRUPTED = "SF4003", "Interrupted";
}
