//! How the local store lays out its keys, and how it goes back in time.
//!
//! `r/ADDRESS` is a record, `d/ADDRESS KEY` the record of an object that a newer one took the place of, `j/ADDRESS` a begun operation, `o/NAME` an output, `m` what the store is, `g/N` a generation, `u/N/KEY` what a
//! record's or output's key held before generation N changed it (one byte 0: nothing; one byte 1 and the content otherwise). The state after
//! generation N is the present one with the later generations undone, newest first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Generation;

/// What the store is, under the key `m`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Meta {
    /// The format; see [`super::local::FORMAT`].
    pub format: u64,
    /// A random id.
    pub lineage: String,
    /// Raised when records or outputs change.
    pub serial: u64,
    /// The last generation that changed anything.
    pub generation: u64,
    /// How many records there are: a scan that finds another number has met damage.
    pub records: u64,
    /// How many batches were written.
    pub batches: u64,
}

/// A generation, under `g/N`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub number: u64,
    pub operation: String,
    pub started: String,
    pub created: u64,
    pub updated: u64,
    pub deleted: u64,
    /// The serial after it.
    pub serial: u64,
}

impl Entry {
    /// A generation that has changed nothing yet.
    pub fn new(number: u64, operation: &str) -> Entry {
        let started = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        Entry { number, operation: operation.into(), started, created: 0, updated: 0, deleted: 0, serial: 0 }
    }

    /// Counts one change of a record.
    pub fn count(&mut self, before: bool, after: bool) {
        match (before, after) {
            (false, true) => self.created += 1,
            (true, true) => self.updated += 1,
            (true, false) => self.deleted += 1,
            (false, false) => {}
        }
    }

    /// Without what only the store needs.
    pub fn public(self) -> Generation {
        let Entry { number, operation, started, created, updated, deleted, .. } = self;
        Generation { number, operation, started, created, updated, deleted }
    }
}

/// The key of the store's own entry.
pub(super) const META: &[u8] = b"m";
/// Where records are.
pub(super) const RECORDS: &[u8] = b"r/";
/// Where records of objects are that a newer one took the place of.
pub(super) const DEPOSED: &[u8] = b"d/";
/// Where begun operations are.
pub(super) const JOURNAL: &[u8] = b"j/";
/// Where outputs are.
pub(super) const OUTPUTS: &[u8] = b"o/";
/// Where generations are.
pub(super) const GENERATIONS: &[u8] = b"g/";

/// A key under a prefix.
pub(super) fn key(prefix: &[u8], name: &str) -> Vec<u8> {
    [prefix, name.as_bytes()].concat()
}

/// Whether the key's content is part of the history.
pub(super) fn is_content(key: &[u8]) -> bool {
    [RECORDS, DEPOSED, OUTPUTS].iter().any(|prefix| key.starts_with(prefix))
}

/// The key of a generation.
pub(super) fn generation_key(number: u64) -> Vec<u8> {
    [GENERATIONS, &number.to_be_bytes()].concat()
}

/// Where what a generation replaced is.
pub(super) fn undo_prefix(number: u64) -> Vec<u8> {
    [b"u/", &number.to_be_bytes()[..], b"/"].concat()
}

/// What is written to undo a change from `before`.
pub(super) fn undo_bytes(before: Option<&[u8]>) -> Vec<u8> {
    before.map_or_else(|| vec![0], |b| [&[1], b].concat())
}

/// Applies one undo entry to a content; `false` where it is damaged.
pub(super) fn undo(content: &mut BTreeMap<Vec<u8>, Vec<u8>>, key: &[u8], entry: &[u8]) -> bool {
    match entry.split_first() {
        Some((0, [])) => drop(content.remove(key)),
        Some((1, before)) => drop(content.insert(key.to_vec(), before.to_vec())),
        _ => return false,
    }
    true
}
