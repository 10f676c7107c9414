//! What the state holds, in memory: records, operations in flight, outputs, the history.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::addr::{InstanceAddr, ResourceAddr};
use crate::diag::{Diagnostic, Diagnostics};
use crate::op::Op;
use crate::op::{Private, Verb};
use crate::schema::Schema;
use crate::value::Value;

/// How many generations the history keeps.
pub const KEEP_GENERATIONS: u64 = 50;

/// What is known of one resource instance.
#[derive(Clone, Debug)]
pub struct Record {
    /// Which instance.
    pub addr: InstanceAddr,
    /// The address of the provider configuration that the object was made with; empty for the default one.
    pub provider: String,
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

/// A step whose begin was written and whose end was not: the process died in between.
#[derive(Clone, Debug)]
pub struct InDoubt {
    /// Which instance.
    pub addr: InstanceAddr,
    /// What was begun.
    pub verb: Verb,
    /// The planned object (create, update) or the prior one (delete), sensitive parts digested: enough to find the object by natural key.
    pub intent: Record,
    /// The operations that were begun and have not ended. One that can be repeated begins with its step; one that cannot has its own begin
    /// and end ([`Op::once`]).
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

/// An object in the state that this program cannot read. It can be listed, forgotten and exported.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// Which instance.
    pub addr: InstanceAddr,
    /// The key of the deposed object, where it is one.
    pub deposed: Option<Arc<str>>,
    /// Why it cannot be read, and what to do.
    pub diagnostic: Diagnostic,
}

/// Everything a plan needs of the state, read at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// A random id given at creation; never changes.
    pub lineage: String,
    /// Raised by each change of records or outputs.
    pub serial: u64,
    /// How many batches were written when it was read, those of the journal too.
    pub revision: u64,
    /// The records.
    pub records: BTreeMap<InstanceAddr, Arc<Record>>,
    /// Objects that a newer one took the place of and that still exist, by address and key.
    pub deposed: BTreeMap<(InstanceAddr, Arc<str>), Arc<Record>>,
    /// The root outputs.
    pub outputs: BTreeMap<Arc<str>, OutputRecord>,
    /// Steps in doubt.
    pub in_doubt: Vec<InDoubt>,
    /// Objects of types or schema versions that this program does not know. See [`Snapshot::check`].
    pub unreadable: Vec<Unreadable>,
}

impl Snapshot {
    /// Refuses a state with objects that this program cannot read. A command that plans or changes objects calls it first: it would
    /// otherwise treat these objects as absent.
    ///
    /// # Errors
    /// One diagnostic for each unknown type or version. It names the objects and says what to do.
    pub fn check(&self) -> Result<(), Diagnostics> {
        match self.unreadable.is_empty() {
            true => Ok(()),
            false => Err(self.unreadable.iter().map(|u| u.diagnostic.clone()).collect::<Diagnostics>().distinct().by_cause()),
        }
    }
}

/// What the state asks of the resource types. Every `Fn(&ResourceAddr) -> Option<&'static Schema>` is one, without upgrades.
pub trait Schemas: Send + Sync {
    /// The schema of this block's type, if the type is known.
    fn schema(&self, addr: &ResourceAddr) -> Option<&'static Schema>;

    /// A stored record of an older schema version as the present version writes it; `None` where the type cannot upgrade from `from`.
    /// The record is JSON as `state/README.md` describes it: `attributes` and `private` may change, `schema_version` is set by the caller.
    fn upgrade(&self, _addr: &ResourceAddr, _from: u32, _record: Json) -> Option<Json> {
        None
    }
}

impl<F: Fn(&ResourceAddr) -> Option<&'static Schema> + Send + Sync> Schemas for F {
    fn schema(&self, addr: &ResourceAddr) -> Option<&'static Schema> {
        self(addr)
    }
}

/// A step about to be made: written before the call.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Which instance.
    pub addr: InstanceAddr,
    /// What will be done.
    pub verb: Verb,
    /// The planned object (create, update) or the prior one (delete). Unknown parts are allowed; sensitive parts become digests.
    pub record: Record,
    /// The operations of the step. Their index in this list is the index that `begin_op` and `end_op` take.
    pub ops: Vec<Op>,
}

/// What became of a step: written after the call. It ends the journal entries of its address.
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
    /// The new one was not made: it has its place again, and the journal entries of the address end.
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
    /// The id of the saved plan that was applied: the SHA-256 of its file.
    pub plan: Option<String>,
}
