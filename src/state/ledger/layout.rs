//! The ledger's keys, and what is under them.
//!
//! `m` is what the store is. `r/ADDRESS` is a record, `d/ADDRESS KEY` the record of an object that a newer one took the place of, `j/ADDRESS` a
//! begun step, `j/ADDRESS INDEX` a begun operation of it that cannot be repeated, `o/NAME` an output, `g/N` a generation, `u/N/KEY` what a
//! record's or output's key held before generation N changed it (one byte 0: nothing; one byte 1 and the content otherwise). The state after
//! generation N is the present one with the later generations undone, newest first.

use serde::{Deserialize, Serialize};

use crate::state::backend::{Content, GENERATIONS, HEAD, UNDO};
use crate::state::model::Generation;

/// What the store is, under the key `m`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Meta {
    /// The format; see [`crate::state::upgrade::FORMAT`].
    pub format: u64,
    /// A random id.
    pub lineage: String,
    /// Raised when records or outputs change.
    pub serial: u64,
    /// The last generation that changed anything.
    pub generation: u64,
    /// How many records there are: a content with another number of them is damaged.
    pub records: u64,
}

impl Meta {
    /// Of a new store.
    pub fn new() -> Meta {
        let lineage = uuid::Uuid::new_v4().to_string();
        Meta { format: crate::state::upgrade::FORMAT, lineage, serial: 0, generation: 0, records: 0 }
    }

    /// Of a content; `None` where that is none.
    pub fn of(content: &Content) -> Option<Meta> {
        serde_json::from_slice(content.get(META)?).ok()
    }
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
    /// The saved plan that it carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The serial after it.
    pub serial: u64,
}

impl Entry {
    /// A generation that has changed nothing yet.
    pub fn new(number: u64, operation: &str) -> Entry {
        let started = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        Entry { number, operation: operation.into(), started, created: 0, updated: 0, deleted: 0, plan: None, serial: 0 }
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
        let Entry { number, operation, started, created, updated, deleted, plan, .. } = self;
        Generation { number, operation, started, created, updated, deleted, plan }
    }
}

/// The key of the store's own entry.
pub(super) const META: &[u8] = HEAD;
/// Where records are.
pub(super) const RECORDS: &[u8] = b"r/";
/// Where records of objects are that a newer one took the place of.
pub(super) const DEPOSED: &[u8] = b"d/";
/// Where begun steps and operations are.
pub(super) const JOURNAL: &[u8] = b"j/";
/// Where outputs are.
pub(super) const OUTPUTS: &[u8] = b"o/";

/// A key under a prefix.
pub(super) fn key(prefix: &[u8], name: &str) -> Vec<u8> {
    [prefix, name.as_bytes()].concat()
}

/// The key of a begun operation.
pub(super) fn op_key(addr: &str, index: usize) -> Vec<u8> {
    key(JOURNAL, &format!("{addr} {index}"))
}

/// The address and the index of what is below [`JOURNAL`]; no index for a step. An address never ends with a space and digits: what may
/// hold a space is in brackets.
pub(super) fn journal_name(name: &str) -> (&str, Option<usize>) {
    match name.rsplit_once(' ') {
        Some((addr, index)) if !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()) => match index.parse() {
            Ok(index) => (addr, Some(index)),
            Err(_) => (name, None),
        },
        _ => (name, None),
    }
}

/// All entries whose keys begin with a prefix, each with the rest of its key.
pub(super) fn under<'a>(content: &'a Content, prefix: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    content.range(prefix.to_vec()..).map_while(move |(k, v)| Some((k.strip_prefix(prefix)?, v.as_slice())))
}

/// The keys of all journal entries of an address.
pub(super) fn journal_of(content: &Content, addr: &str) -> Vec<Vec<u8>> {
    let step = key(JOURNAL, addr);
    let ops = key(JOURNAL, &format!("{addr} "));
    let begun = under(content, &ops).filter(|(rest, _)| rest.iter().all(u8::is_ascii_digit)).map(|(rest, _)| [&ops, rest].concat());
    begun.chain(content.contains_key(&step).then(|| step.clone())).collect()
}

/// Whether the key's content can be undone by the history.
pub(super) fn is_content(key: &[u8]) -> bool {
    [RECORDS, DEPOSED, OUTPUTS].iter().any(|prefix| key.starts_with(prefix))
}

/// The key of a generation.
pub(super) fn generation_key(number: u64) -> Vec<u8> {
    [GENERATIONS, &number.to_be_bytes()].concat()
}

/// Where what a generation replaced is.
pub(super) fn undo_prefix(number: u64) -> Vec<u8> {
    [UNDO, &number.to_be_bytes()[..], b"/"].concat()
}

/// What is written to undo a change from `before`.
pub(super) fn undo_bytes(before: Option<&[u8]>) -> Vec<u8> {
    before.map_or_else(|| vec![0], |b| [&[1], b].concat())
}

/// Applies one undo entry to a content; `false` where it is damaged.
pub(super) fn undo(content: &mut Content, key: &[u8], entry: &[u8]) -> bool {
    match entry.split_first() {
        Some((0, [])) => drop(content.remove(key)),
        Some((1, before)) => drop(content.insert(key.to_vec(), before.to_vec())),
        _ => return false,
    }
    true
}
