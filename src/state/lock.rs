//! The lock of a store's folder: keeps two writers apart and names its holder.
//!
//! The lock is the operating system's (`flock`) on the file `lock`, so a dead holder's lock frees itself; the file's content says who holds it
//! and why, for everybody who has to wait.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::files::{io_error, prepare_dir};
use crate::diag::Diagnostic;
use crate::diag::codes::state as codes;

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockInfo {
    /// A random id: what `force-unlock` takes.
    pub id: String,
    /// The holder's process id.
    pub pid: u32,
    /// The holder's host name.
    pub host: String,
    /// The id of the host's boot; empty where the system has none.
    pub boot: String,
    /// The user.
    pub who: String,
    /// What it does: `apply`, `state mv`, …
    pub operation: String,
    /// Since when: RFC 3339, UTC.
    pub created: String,
}

impl LockInfo {
    fn new(operation: &str) -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_string();
        LockInfo {
            id: uuid::Uuid::new_v4().to_string(),
            pid: std::process::id(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            boot,
            // In a container there is often no name.
            who: std::env::var("USER")
                .or_else(|_| std::env::var("LOGNAME"))
                .unwrap_or_else(|_| format!("uid-{}", rustix::process::getuid().as_raw())),
            operation: operation.to_string(),
            created: jiff::Timestamp::now().to_string(),
        }
    }

    /// How long it is held, in seconds.
    pub fn age_seconds(&self) -> i64 {
        let created: Option<jiff::Timestamp> = self.created.parse().ok();
        created.map_or(0, |c| jiff::Timestamp::now().as_second() - c.as_second())
    }

    /// One line for people.
    pub fn describe(&self) -> String {
        format!("{} by {}@{}, process {}, for {} s (lock {})", self.operation, self.who, self.host, self.pid, self.age_seconds(), self.id)
    }
}

/// A held lock; dropping it frees it.
#[derive(Debug)]
pub struct LockGuard {
    /// What was written into the lock file.
    pub info: LockInfo,
    /// Warnings to show: that a dead holder's lock was freed.
    pub notes: Vec<Diagnostic>,
    file: File,
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        // The lock itself goes with the file handle; an old content would only be taken for a dead holder's.
        drop(self.file.set_len(0));
    }
}

fn open(folder: &Path) -> Result<File, Diagnostic> {
    prepare_dir(folder)?;
    let path = folder.join("lock");
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(|e| io_error(&path, &e))
}

fn content(file: &mut File) -> Option<LockInfo> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Takes the lock of a store's folder (made if absent), waiting up to `timeout`. The error names the holder.
pub fn acquire(folder: &Path, operation: &str, timeout: Duration) -> Result<LockGuard, Diagnostic> {
    let mut file = open(folder)?;
    let began = Instant::now();
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if began.elapsed() >= timeout {
            return Err(held(content(&mut file), timeout));
        }
        std::thread::sleep(Duration::from_millis(100).min(timeout));
    }
    let notes = content(&mut file).map(|dead| {
        Diagnostic::warning(codes::LOCK_FREED, format!("The lock was left by {}, which is gone.", dead.describe()))
            .hint("What it had begun is read again before anything is done.")
    });
    let info = LockInfo::new(operation);
    let path = folder.join("lock");
    let text = serde_json::to_string(&info).unwrap_or_default();
    let written =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes())).and_then(|()| file.sync_data());
    written.map_err(|e| io_error(&path, &e))?;
    Ok(LockGuard { info, notes: notes.into_iter().collect(), file })
}

fn held(info: Option<LockInfo>, waited: Duration) -> Diagnostic {
    let holder = info.as_ref().map_or_else(|| "another process".to_string(), LockInfo::describe);
    let now = if waited.is_zero() { "locked".into() } else { format!("still locked after waiting {} s", waited.as_secs()) };
    Diagnostic::error(codes::LOCKED, format!("The state is {now}: {holder}."))
        .hint("Wait for it with -lock-timeout=60s. plan needs no lock.")
}

/// The lock of a folder, if one is held (`true`) or was left behind by a dead process (`false`).
pub fn current(folder: &Path) -> Result<Option<(LockInfo, bool)>, Diagnostic> {
    let path = folder.join("lock");
    let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(f) => f,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io_error(&path, &e)),
    };
    let alive = flock(&file, FlockOperation::NonBlockingLockShared).is_err();
    Ok(content(&mut file).map(|info| (info, alive)))
}

/// Removes what a dead process left, by the lock's id. A lock that a living process holds cannot be taken from it.
pub fn force_unlock(folder: &Path, id: &str) -> Result<LockInfo, Diagnostic> {
    let none = || Diagnostic::error(codes::NO_LOCK, format!("No lock {id:?} is held here.")).hint("streamform lock list shows what is.");
    match current(folder)? {
        Some((info, false)) if info.id == id => {
            open(folder)?.set_len(0).map_err(|e| io_error(&folder.join("lock"), &e))?;
            Ok(info)
        }
        Some((info, true)) if info.id == id => {
            Err(Diagnostic::error(codes::LOCKED, format!("The lock is held by a living process: {}.", info.describe()))
                .hint(format!("End process {} first: an interrupt lets it finish what it has begun.", info.pid)))
        }
        _ => Err(none()),
    }
}
