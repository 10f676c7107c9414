//! Locks: who holds one, and that of a local store's folder.
//!
//! The local lock is the operating system's (`flock`) on the file `lock`, so a dead holder's lock frees itself; the file's content says who holds
//! it and why, for everybody who has to wait.

use std::any::Any;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::files::{self, io_error, prepare_dir};
use crate::diag::Diagnostic;
use crate::diag::codes::state as codes;
use crate::diag::redact::one_line;

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

/// The name of a user as the system's list of users has it, else its number.
fn user_name(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    // name:password:uid:…
    let mut lines = users.lines().map(|l| l.split(':').collect::<Vec<_>>());
    let found = lines.find(|l| l.get(2).is_some_and(|id| *id == uid.to_string()));
    found.map_or_else(|| format!("uid-{uid}"), |l| l[0].to_string())
}

impl LockInfo {
    /// This process, about to do something.
    pub fn new(operation: &str) -> Self {
        LockInfo {
            id: uuid::Uuid::new_v4().to_string(),
            pid: std::process::id(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            boot: boot_id(),
            // In a container there is often no name.
            who: std::env::var("USER")
                .or_else(|_| std::env::var("LOGNAME"))
                .unwrap_or_else(|_| user_name(rustix::process::getuid().as_raw())),
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
        // The file is open to all who may write into the folder.
        let [operation, who, host, id] = [&self.operation, &self.who, &self.host, &self.id].map(|text| one_line(text));
        format!("{operation} by {who}@{host}, process {}, for {} s (lock {id})", self.pid, self.age_seconds())
    }
}

/// The id of this boot of the host; empty where the system has none.
pub(super) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_string()
}

/// Tells whether a lock was lost. Clones tell the same.
#[derive(Clone, Debug)]
pub struct Lost(watch::Receiver<bool>);

impl Lost {
    /// A lock that is lost when the sender says `true`, and never once the sender is gone.
    pub fn new(told: watch::Receiver<bool>) -> Lost {
        Lost(told)
    }

    /// Whether it is lost by now.
    pub fn now(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when the lock is lost; of a lock that cannot be lost, never.
    pub async fn wait(&self) {
        let mut told = self.0.clone();
        if told.wait_for(|lost| *lost).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A held lock. Its backend renews it in the background; dropping it frees it.
#[derive(Debug)]
pub struct Held {
    /// Who this holder says to be.
    pub info: LockInfo,
    /// Warnings to show: that a dead holder's lock was freed.
    pub notes: Vec<Diagnostic>,
    fence: u64,
    lost: Lost,
    _guard: Box<dyn Any + Send + Sync>,
}

impl Held {
    /// A lock that is freed when `guard` is dropped.
    pub fn new(info: LockInfo, notes: Vec<Diagnostic>, fence: u64, lost: Lost, guard: Box<dyn Any + Send + Sync>) -> Held {
        Held { info, notes, fence, lost, _guard: guard }
    }

    /// The number that commits carry: each holder's is higher than that of the holder before. 0 where the lock cannot be lost.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Whether the lock was lost, to look at or to wait for.
    pub fn lost(&self) -> Lost {
        self.lost.clone()
    }
}

/// The open lock file of a folder, locked.
struct Guard(File);

impl Drop for Guard {
    fn drop(&mut self) {
        // The lock itself goes with the file handle; an old content would only be taken for a dead holder's.
        drop(self.0.set_len(0));
    }
}

fn open(folder: &Path) -> Result<File, Diagnostic> {
    prepare_dir(folder)?;
    let path = folder.join("lock");
    files::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(|e| io_error(&path, &e))
}

fn content(file: &mut File) -> Option<LockInfo> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Takes the lock of a store's folder (made if absent), waiting up to `wait`. The error names the holder.
pub(super) async fn acquire(folder: &Path, info: LockInfo, wait: Duration) -> Result<Held, Diagnostic> {
    let mut file = open(folder)?;
    let began = Instant::now();
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if began.elapsed() >= wait {
            return Err(held(content(&mut file), wait));
        }
        tokio::time::sleep(Duration::from_millis(100).min(wait)).await;
    }
    let notes = content(&mut file).map(|dead| {
        Diagnostic::warning(codes::LOCK_FREED, format!("The lock was left by {}, which is gone.", dead.describe()))
            .hint("What it had begun is read again before anything is done.")
    });
    let path = folder.join("lock");
    let text = serde_json::to_string(&info).unwrap_or_default();
    let written =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes())).and_then(|()| file.sync_data());
    written.map_err(|e| io_error(&path, &e))?;
    // The system frees this lock when the process ends, and never before.
    let (_, never) = watch::channel(false);
    Ok(Held::new(info, notes.into_iter().collect(), 0, Lost::new(never), Box::new(Guard(file))))
}

/// The error of a lock that somebody else holds.
pub(super) fn held(info: Option<LockInfo>, waited: Duration) -> Diagnostic {
    let holder = info.as_ref().map_or_else(|| "another process".to_string(), LockInfo::describe);
    let now = if waited.is_zero() { "locked".into() } else { format!("still locked after waiting {} s", waited.as_secs()) };
    Diagnostic::error(codes::LOCKED, format!("The state is {now}: {holder}."))
        .hint("Wait for it with -lock-timeout=60s. plan needs no lock.")
}

/// The error of a lock id that nobody holds.
pub(super) fn not_held(id: &str) -> Diagnostic {
    Diagnostic::error(codes::NO_LOCK, format!("No lock {id:?} is held here.")).hint("streamform lock list shows what is.")
}

/// The lock of a folder, if one is held (`true`) or was left behind by a dead process (`false`).
pub(super) fn current(folder: &Path) -> Result<Option<(LockInfo, bool)>, Diagnostic> {
    let path = folder.join("lock");
    let mut file = match files::options().read(true).write(true).open(&path) {
        Ok(f) => f,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io_error(&path, &e)),
    };
    let alive = flock(&file, FlockOperation::NonBlockingLockShared).is_err();
    Ok(content(&mut file).map(|info| (info, alive)))
}

/// Removes what a dead process left, by the lock's id. A lock that a living process holds cannot be taken from it.
pub(super) fn force_unlock(folder: &Path, id: &str) -> Result<LockInfo, Diagnostic> {
    match current(folder)? {
        Some((info, false)) if info.id == id => {
            open(folder)?.set_len(0).map_err(|e| io_error(&folder.join("lock"), &e))?;
            Ok(info)
        }
        Some((info, true)) if info.id == id => {
            Err(Diagnostic::error(codes::LOCKED, format!("The lock is held by a living process: {}.", info.describe()))
                .hint(format!("End process {} first: an interrupt lets it finish what it has begun.", info.pid)))
        }
        _ => Err(not_held(id)),
    }
}
