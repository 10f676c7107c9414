//! Where a state is kept: bytes by key, changed in batches.
//!
//! A [`Backend`] knows no resource. It keeps content by key, a history beside it, one random key for digests, and a lock. Each batch makes a
//! new revision and names the revision that it was made for, so that two writers cannot overwrite each other even if the lock failed.
//! What must not be here: what the keys and bytes mean, beyond the three names below.

mod database;
mod files;
pub mod lock;
mod log;
pub mod memory;
pub mod sled;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::diag::Diagnostic;
use crate::diag::codes::state as codes;

pub use files::{io_error, random_key};
pub use lock::{Held, LockInfo, Lost};
pub use memory::Memory;
pub use sled::Sled;

/// A version of the content. Each batch makes the next one; 0 is a store that was never written to.
pub type Revision = u64;
/// Content by key.
pub type Content = BTreeMap<Vec<u8>, Vec<u8>>;
/// Changes by key: `None` removes.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The key of the store's own entry: what [`Backend::open`] checks before it touches anything.
pub const HEAD: &[u8] = b"m";
/// Where generations are: this and the number, 8 bytes big endian. Part of the history.
pub const GENERATIONS: &[u8] = b"g/";
/// Where is what undoes generations: this, the number, and further `/KEY`. Part of the history.
pub const UNDO: &[u8] = b"u/";

/// Judges a store's own entry.
pub type Check = fn(&[u8]) -> Result<(), Diagnostic>;

/// Whether a key is part of the history: [`Backend::load`] leaves it out.
pub fn is_history(key: &[u8]) -> bool {
    key.starts_with(GENERATIONS) || key.starts_with(UNDO)
}

/// The number of the generation that a key of the history belongs to.
pub fn generation_of(key: &[u8]) -> Option<u64> {
    let rest = key.strip_prefix(GENERATIONS).or_else(|| key.strip_prefix(UNDO))?;
    Some(u64::from_be_bytes(rest.get(..8)?.try_into().ok()?))
}

/// Changes that become true together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// What changes, of the content and of the history.
    pub changes: Changes,
    /// Generations up to this number leave the history, before `changes` are made.
    pub prune: Option<u64>,
}

impl Batch {
    /// Makes the changes in a content, history included.
    pub fn apply(&self, content: &mut Content) {
        if let Some(oldest) = self.prune {
            content.retain(|k, _| generation_of(k).is_none_or(|n| n > oldest));
        }
        for (key, value) in &self.changes {
            match value {
                Some(v) => drop(content.insert(key.clone(), v.clone())),
                None => drop(content.remove(key)),
            }
        }
    }
}

/// Content at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Which one.
    pub revision: Revision,
    /// All keys but the history's.
    pub content: Content,
}

/// A place that keeps one state. Implementations may be shared between tasks.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The workspaces that exist beside each other in this place; the one of this backend is among them once it was written to.
    async fn workspaces(&self) -> Result<Vec<String>, Diagnostic>;

    /// Removes a workspace with everything that it holds. Refuses one that somebody has locked, and that of this backend.
    async fn remove(&self, workspace: &str) -> Result<(), Diagnostic>;

    /// Gets ready to commit: makes what is missing. `check` judges the entry under [`HEAD`], if there is one, before anything is touched.
    ///
    /// # Errors
    /// Damage (nothing is touched then), no rights, no room, what `check` says.
    async fn open(&self, check: Check) -> Result<(), Diagnostic>;

    /// Everything but the history, at one moment; `None` where there is no store yet. Takes no lock.
    ///
    /// # Errors
    /// A content from which anything is missing that was ever durable: it is never given as if it were an older state.
    async fn load(&self) -> Result<Option<Loaded>, Diagnostic>;

    /// What changed after a revision, as one batch, with the revision that it leads to; `None` where that is no longer known: load then.
    async fn changes_since(&self, at: Revision) -> Result<Option<(Revision, Batch)>, Diagnostic>;

    /// Makes a batch durable, if the content is still at `at` and `fence` is that of the present lock holder.
    ///
    /// # Errors
    /// [`conflict`] or [`lock_lost`], after which nothing was written; others, after which it is not known whether the batch was written.
    async fn commit(&self, at: Revision, fence: u64, batch: Batch) -> Result<Revision, Diagnostic>;

    /// The history at one moment: all generations, and what undoes those after `after` (nothing of that where it is `None`).
    async fn generations(&self, after: Option<u64>) -> Result<Option<Loaded>, Diagnostic>;

    /// The 32 random bytes that digests depend on; made if absent where `make` says so. They never change.
    async fn key(&self, make: bool) -> Result<Option<[u8; 32]>, Diagnostic>;

    /// Takes the lock, waiting up to `wait`. The error names the holder.
    async fn lock(&self, who: LockInfo, wait: Duration) -> Result<Held, Diagnostic>;

    /// Who holds the lock (`true`), or left it behind when it died (`false`).
    async fn holder(&self) -> Result<Option<(LockInfo, bool)>, Diagnostic>;

    /// Removes a lock by its id. A lock that is known to be held by a living process cannot be taken from it.
    async fn break_lock(&self, id: &str) -> Result<LockInfo, Diagnostic>;

    /// Where exports of the last state are kept beside it, if this backend does that.
    fn backups(&self) -> Option<&dyn Backups> {
        None
    }

    /// Ends writing. Later commits fail.
    async fn close(&self) -> Result<(), Diagnostic>;
}

/// Exports that a backend keeps, for the case that all else is lost.
#[async_trait]
pub trait Backups: Send + Sync {
    /// The first line of the last one.
    async fn head(&self) -> Option<String>;

    /// Replaces the last one. With `aside` the present one is kept under that name: it is of a state that was here before.
    async fn keep(&self, text: Vec<u8>, aside: Option<String>) -> Result<(), Diagnostic>;
}

/// The error of a batch that was made for another revision than the present one.
pub fn conflict() -> Diagnostic {
    Diagnostic::error(codes::CONFLICT, "Another process changed the state while this one was working with it.")
        .hint("Run the command again: it reads the state as it is now.")
}

/// The error of a writer that no longer has the lock.
pub fn lock_lost() -> Diagnostic {
    Diagnostic::error(codes::LOCK_LOST, "The lock of the state was lost, so nothing more is written.")
        .hint("Look who has it with streamform lock list, and run the command again.")
}

/// The error of a store that is open for reading only, or closed.
pub fn closed() -> Diagnostic {
    Diagnostic::error(codes::NOT_WRITABLE, "The store is open for reading only, or closed.")
        .hint("This is a defect of streamform: report it.")
}
