//! A ledger for tests that are not async: each call blocks.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::backend::{Backend, Held, LockInfo, Sled};
use super::{Access, Deposing, Generation, Intent, Ledger, Outcome, OutputRecord, Schemas, Snapshot};
use crate::addr::InstanceAddr;
use crate::diag::Diagnostic;
use crate::value::Value;

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

/// Waits for a future.
pub fn now<T>(f: impl Future<Output = T>) -> T {
    RUNTIME.block_on(f)
}

/// Takes the lock of a folder.
pub fn lock(dir: &Path, operation: &str, wait: Duration) -> Result<Held, Diagnostic> {
    now(Sled::new(dir).lock(LockInfo::new(operation), wait))
}

/// A ledger whose calls block.
pub struct Store(pub Ledger);

impl Store {
    /// Opens the store in a folder. A writer makes it at once.
    pub fn open(dir: &Path, access: Access, schemas: Arc<dyn Schemas>) -> Result<Store, Diagnostic> {
        Store::over(Arc::new(Sled::new(dir)), access, schemas)
    }

    pub fn over(backend: Arc<dyn Backend>, access: Access, schemas: Arc<dyn Schemas>) -> Result<Store, Diagnostic> {
        now(Ledger::open(backend, access, schemas)).map(Store)
    }

    pub fn snapshot(&self) -> Result<Snapshot, Diagnostic> {
        now(self.0.snapshot())
    }

    pub fn snapshot_at(&self, number: u64) -> Result<Snapshot, Diagnostic> {
        now(self.0.snapshot_at(number))
    }

    pub fn history(&self) -> Result<Vec<Generation>, Diagnostic> {
        now(self.0.history())
    }

    pub fn digest(&self, value: &Value) -> [u8; 32] {
        self.0.digest(value)
    }

    pub fn begin_generation(&self, operation: &str) -> Result<u64, Diagnostic> {
        now(self.0.begin_generation(operation))
    }

    pub fn begin(&self, intents: &[Intent]) -> Result<(), Diagnostic> {
        now(self.0.begin(intents))
    }

    pub fn finish(&self, outcomes: &[Outcome]) -> Result<(), Diagnostic> {
        now(self.0.finish(outcomes))
    }

    pub fn depose(&self, changes: &[(InstanceAddr, Arc<str>, Deposing)]) -> Result<(), Diagnostic> {
        now(self.0.depose(changes))
    }

    pub fn put_outputs(&self, outputs: &BTreeMap<Arc<str>, OutputRecord>) -> Result<(), Diagnostic> {
        now(self.0.put_outputs(outputs))
    }

    pub fn remove(&self, addrs: &[InstanceAddr]) -> Result<(), Diagnostic> {
        now(self.0.remove(addrs))
    }

    pub fn mv(&self, moves: &[(InstanceAddr, InstanceAddr)]) -> Result<(), Diagnostic> {
        now(self.0.mv(moves))
    }

    pub fn export(&self, to: &mut (dyn Write + Send)) -> Result<(), Diagnostic> {
        now(self.0.export(to))
    }

    pub fn import(&self, from: &mut (dyn BufRead + Send)) -> Result<(), Diagnostic> {
        now(self.0.import(from))
    }

    pub fn close(&self) -> Result<(), Diagnostic> {
        now(self.0.close())
    }
}
