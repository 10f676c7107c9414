//! State and locks (SF5000 and up).

codes! {
    /// Another process holds the lock.
    LOCKED = "SF5001", "State is locked";
}
