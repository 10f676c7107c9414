//! State: what was applied, kept so that the next run knows it.
//!
//! A record per resource instance, a journal of operations in flight, outputs, lineage and serial. [`Record`] is the in-memory
//! form; codecs by format version and the stores behind [`Store`] are in files of their own. A sensitive value is never in a record
//! that is written: a keyed digest stands for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::addr::{InstanceAddr, ResourceAddr};
use crate::resource::{Private, Verb};
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
    /// The root outputs.
    pub outputs: BTreeMap<Arc<str>, OutputRecord>,
    /// Operations in doubt.
    pub in_doubt: Vec<InDoubt>,
}
