//! The lock of a local store's folder: keeps two writers apart, names its holder, frees itself when the holder is dead.

use std::path::Path;
use std::time::Duration;

use crate::diag::Diagnostic;

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockInfo {
    /// A random id: what `force-unlock` takes.
    pub id: String,
    /// The holder's process id.
    pub pid: u32,
    /// The holder's host name.
    pub host: String,
    /// The id of the host's boot; empty where the system has none.
    pub boot: String,
    /// When the process started, in clock ticks since boot; 0 where unknown.
    pub process_start: u64,
    /// The user.
    pub who: String,
    /// What it does: `apply`, `state mv`, …
    pub operation: String,
    /// Since when: RFC 3339, UTC.
    pub created: String,
}

/// A held lock; dropping it frees it.
#[derive(Debug)]
pub struct LockGuard {
    /// What was written into the lock file.
    pub info: LockInfo,
    /// Warnings to show: that a dead holder's lock was freed.
    pub notes: Vec<Diagnostic>,
}

/// Takes the lock of a store's folder (made if absent), waiting up to `timeout`. The error names the holder.
pub fn acquire(_folder: &Path, _operation: &str, _timeout: Duration) -> Result<LockGuard, Diagnostic> {
    todo!()
}

/// The lock of a folder, if one is held or left behind by a dead process.
pub fn current(_folder: &Path) -> Result<Option<LockInfo>, Diagnostic> {
    todo!()
}

/// Removes the lock with this id, whoever holds it.
pub fn force_unlock(_folder: &Path, _id: &str) -> Result<LockInfo, Diagnostic> {
    todo!()
}
