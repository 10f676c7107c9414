//! State: what was applied, kept so that the next run knows it.
//!
//! A record per resource instance, a journal of operations in flight, outputs, lineage and serial. [`Record`] is the in-memory
//! form; `codec` turns it into what is written, [`local`] is the embedded store behind [`StateStore`], [`lock`] keeps two writers
//! apart. A sensitive value is never in a record that is written: a keyed digest stands for it. What must not be here: knowledge of
//! one resource type, and deciding anything about resources.

pub mod codec;
mod files;
mod history;
pub mod local;
pub mod lock;
#[cfg(test)]
mod tests;

pub use local::{Access, LocalStore};
pub use lock::{LockGuard, LockInfo};

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::Arc;

use crate::addr::{InstanceAddr, ResourceAddr};
use crate::diag::Diagnostic;
use crate::resource::{Op, Private, Verb};
use crate::schema::Schema;
use crate::value::Value;

/// What is known of one resource instance.
#[derive(Clone, Debug)]
pub struct Record {
    /// Which instance.
    pub addr: InstanceAddr,
    /// The schema version its attributes were written with.
    pub schema_version: u32,
    /// The object by schema. In memory a reference is an object with an origin; stored it is the address. Read back, a sensitive part
    /// is unknown with `Refinement::digest` and marked sensitive.
    pub attributes: Value,
    /// The provider's own part.
    pub private: Private,
    /// The blocks it depends on directly (for the order of deletes after its block is gone).
    pub dependencies: Vec<ResourceAddr>,
    /// Created but not sound: to be replaced.
    pub tainted: bool,
    /// `prevent_destroy` or `deletion_protection` as last applied: holds after the block is gone.
    pub protected: bool,
    /// `create_before_destroy` as last applied.
    pub create_before_destroy: bool,
}

/// An operation whose begin was written and whose end was not: the process died in between.
#[derive(Clone, Debug)]
pub struct InDoubt {
    /// Which instance.
    pub addr: InstanceAddr,
    /// What was begun.
    pub verb: Verb,
    /// The planned object (create, update) or the prior one (delete), sensitive parts digested: enough to find the object by natural key.
    pub intent: Record,
    /// The operations of the step, in order.
    pub ops: Vec<Op>,
}

/// An output value as stored: sensitive ones keep no value.
#[derive(Clone, Debug)]
pub struct OutputRecord {
    /// The value (unknown with a digest where sensitive).
    pub value: Value,
    /// Whether declared sensitive.
    pub sensitive: bool,
}

/// Everything a plan needs of the state, read at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// A random id given at creation; never changes.
    pub lineage: String,
    /// Raised by each write transaction.
    pub serial: u64,
    /// The records.
    pub records: BTreeMap<InstanceAddr, Arc<Record>>,
    /// Objects that a newer one took the place of and that still exist, by address and key.
    pub deposed: BTreeMap<(InstanceAddr, Arc<str>), Arc<Record>>,
    /// The root outputs.
    pub outputs: BTreeMap<Arc<str>, OutputRecord>,
    /// Operations in doubt.
    pub in_doubt: Vec<InDoubt>,
}

/// Where a store finds the schema of a record's resource type. Every `Fn(&ResourceAddr) -> Option<&'static Schema>` is one.
pub trait Schemas: Send + Sync {
    /// The schema of this block's type, if the type is known.
    fn schema(&self, addr: &ResourceAddr) -> Option<&'static Schema>;
}

impl<F: Fn(&ResourceAddr) -> Option<&'static Schema> + Send + Sync> Schemas for F {
    fn schema(&self, addr: &ResourceAddr) -> Option<&'static Schema> {
        self(addr)
    }
}

/// An operation about to be made: written before the call.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Which instance.
    pub addr: InstanceAddr,
    /// What will be done.
    pub verb: Verb,
    /// The planned object (create, update) or the prior one (delete). Unknown parts are allowed; sensitive parts become digests.
    pub record: Record,
    /// The operations of the step, in order.
    pub ops: Vec<Op>,
}

/// What became of an operation: written after the call. It ends the journal entry of its address.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which instance.
    pub addr: InstanceAddr,
    /// The record now; `None` = the object does not exist, its record goes.
    pub record: Option<Record>,
}

/// What becomes of an object that a newer one takes the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deposing {
    /// It is set aside, before the new one is made: the record of the address becomes a deposed one.
    Aside,
    /// The new one was not made: it has its place again, and the journal entry of the address ends.
    Back,
    /// It was destroyed, or is to be forgotten.
    Gone,
}

/// One apply (or other change of the state) in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Counted from 1.
    pub number: u64,
    /// What was done: `apply`, `destroy`, `import`, `state mv`, …
    pub operation: String,
    /// When it began: RFC 3339, UTC.
    pub started: String,
    /// Records that were not there before.
    pub created: u64,
    /// Records that were replaced by a newer version.
    pub updated: u64,
    /// Records that went.
    pub deleted: u64,
}

/// A store of one configuration's state. All methods may block on the disk for a short time; call them from a blocking thread or accept
/// it (a flush of the local store takes about 0.1 to 1 ms). Methods that write are durable when they return.
///
/// Every change belongs to a generation; where none was begun since the store was opened, the first change begins one called `edit`.
pub trait StateStore: Send + Sync {
    /// Everything, read at one moment. In a store that does not exist yet: empty, with an empty lineage.
    fn snapshot(&self) -> Result<Snapshot, Diagnostic>;

    /// The state as it was after the generation `number` (0 = before the first), without operations in doubt.
    fn snapshot_at(&self, number: u64) -> Result<Snapshot, Diagnostic>;

    /// The generations that are kept (the last [`KEEP_GENERATIONS`]), oldest first.
    fn history(&self) -> Result<Vec<Generation>, Diagnostic>;

    /// The keyed digest of a value's content, its own marks aside; of a value read back as a digest, that digest. It depends on the
    /// store's key and is comparable with `Refinement::digest` of what [`StateStore::snapshot`] returns.
    fn digest(&self, value: &Value) -> [u8; 32];

    /// Begins a generation and returns its number. To be called once per apply, before the first [`StateStore::begin`].
    fn begin_generation(&self, operation: &str) -> Result<u64, Diagnostic>;

    /// Writes that these operations begin; durable on return, in one flush. A second begin of an address replaces the first.
    fn begin(&self, intents: &[Intent]) -> Result<(), Diagnostic>;

    /// Writes that one operation of a begun step begins, which cannot be repeated.
    fn begin_op(&self, _addr: &InstanceAddr, _op: usize) -> Result<(), Diagnostic> {
        Ok(())
    }

    /// Writes that such an operation has ended.
    fn end_op(&self, _addr: &InstanceAddr, _op: usize) -> Result<(), Diagnostic> {
        Ok(())
    }

    /// Writes what became of operations: the journal entries go, records are replaced or removed, atomically, in one flush.
    fn finish(&self, outcomes: &[Outcome]) -> Result<(), Diagnostic>;

    /// Takes begin records back: nothing was done. What the records say stays.
    fn unbegin(&self, addrs: &[InstanceAddr]) -> Result<(), Diagnostic>;

    /// Sets objects aside, puts them back or drops them, atomically, in one flush. The key tells the deposed objects of one address apart.
    fn depose(&self, changes: &[(InstanceAddr, Arc<str>, Deposing)]) -> Result<(), Diagnostic>;

    /// Replaces all root outputs.
    fn put_outputs(&self, outputs: &BTreeMap<Arc<str>, OutputRecord>) -> Result<(), Diagnostic>;

    /// Forgets records (and journal entries, but not deposed objects) without touching the real objects. Absent ones are no error.
    fn remove(&self, addrs: &[InstanceAddr]) -> Result<(), Diagnostic>;

    /// Renames records and operations in doubt, atomically and as if at one time (a swap is possible). A source of which there is neither, or
    /// a target that stays occupied, is an error, and nothing is changed.
    fn mv(&self, moves: &[(InstanceAddr, InstanceAddr)]) -> Result<(), Diagnostic>;

    /// Writes the whole state as JSON lines: the form of backups. Never holds a secret.
    fn export(&self, to: &mut dyn Write) -> Result<(), Diagnostic>;

    /// Replaces the whole state by an export, as one generation. Refuses a format that is newer than this program.
    fn import(&self, from: &mut dyn BufRead) -> Result<(), Diagnostic>;

    /// Flushes and lets go of the files. Later calls fail.
    fn close(&self) -> Result<(), Diagnostic>;
}

/// How many generations the history keeps.
pub const KEEP_GENERATIONS: u64 = 50;
