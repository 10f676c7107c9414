//! The embedded store: sled in a folder.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use super::{Generation, Intent, Outcome, OutputRecord, Schemas, Snapshot, StateStore};
use crate::addr::InstanceAddr;
use crate::diag::Diagnostic;
use crate::value::Value;

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only to read: needs no lock, never writes into the folder, works while another process writes.
    Read,
    /// To read and write: hold the [`super::LockGuard`] first.
    Write,
}

/// The embedded store.
pub struct LocalStore {}

impl LocalStore {
    /// Opens the store in `folder` (for `Write` it is made if absent).
    pub fn open(_folder: &Path, _access: Access, _schemas: Arc<dyn Schemas>) -> Result<LocalStore, Diagnostic> {
        todo!()
    }
}

impl StateStore for LocalStore {
    fn snapshot(&self) -> Result<Snapshot, Diagnostic> {
        todo!()
    }
    fn snapshot_at(&self, _number: u64) -> Result<Snapshot, Diagnostic> {
        todo!()
    }
    fn history(&self) -> Result<Vec<Generation>, Diagnostic> {
        todo!()
    }
    fn digest(&self, _value: &Value) -> [u8; 32] {
        todo!()
    }
    fn begin_generation(&self, _operation: &str) -> Result<u64, Diagnostic> {
        todo!()
    }
    fn begin(&self, _intents: &[Intent]) -> Result<(), Diagnostic> {
        todo!()
    }
    fn finish(&self, _outcomes: &[Outcome]) -> Result<(), Diagnostic> {
        todo!()
    }
    fn put_outputs(&self, _outputs: &BTreeMap<Arc<str>, OutputRecord>) -> Result<(), Diagnostic> {
        todo!()
    }
    fn remove(&self, _addrs: &[InstanceAddr]) -> Result<(), Diagnostic> {
        todo!()
    }
    fn mv(&self, _moves: &[(InstanceAddr, InstanceAddr)]) -> Result<(), Diagnostic> {
        todo!()
    }
    fn export(&self, _to: &mut dyn Write) -> Result<(), Diagnostic> {
        todo!()
    }
    fn import(&self, _from: &mut dyn BufRead) -> Result<(), Diagnostic> {
        todo!()
    }
    fn close(&self) -> Result<(), Diagnostic> {
        todo!()
    }
}
