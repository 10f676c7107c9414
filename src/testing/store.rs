//! The state of a bench: in memory or in a folder, with kills.
//!
//! Both are real backends under a real ledger; a kill cuts them off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::reality::Reality;
use super::types::TYPES;
use crate::addr::ResourceAddr;
use crate::diag::Diagnostic;
use crate::resource::registry;
use crate::schema::Schema;
use crate::state::backend::{Backend, Batch, Check, Held, Loaded, LockInfo, Memory, Revision, Sled};
use crate::state::{Access, Ledger};

/// The schema of a fake type.
pub fn schema_of(addr: &ResourceAddr) -> Option<&'static Schema> {
    registry::find_in(TYPES, addr.mode, &addr.type_name).map(|r| r.schema())
}

/// Where the state of a bench is kept between runs.
pub enum Home {
    /// In memory.
    Memory(Memory),
    /// In a folder, by the real store.
    Folder(tempfile::TempDir),
}

impl Home {
    /// A home without a state.
    pub fn new(in_folder: bool) -> Home {
        match in_folder {
            true => Home::Folder(tempfile::Builder::new().prefix("streamform-bench-").tempdir().unwrap()),
            false => Home::Memory(Memory::new()),
        }
    }

    /// Opens the store, as a new process does.
    pub async fn open(&self, reality: &Arc<Reality>) -> Ledger {
        let inner: Arc<dyn Backend> = match self {
            Home::Memory(m) => Arc::new(m.clone()),
            Home::Folder(dir) => Arc::new(Sled::new(dir.path())),
        };
        let backend = Arc::new(Mortal { inner, reality: Arc::clone(reality), open: AtomicBool::new(false) });
        let ledger = Ledger::open(Arc::clone(&backend) as Arc<dyn Backend>, Access::Write, Arc::new(schema_of)).await.unwrap();
        // The first look makes a new store.
        ledger.snapshot().await.unwrap();
        backend.open.store(true, Ordering::SeqCst);
        ledger
    }
}

/// A backend that a kill cuts off: what a dead process writes is lost.
struct Mortal {
    inner: Arc<dyn Backend>,
    reality: Arc<Reality>,
    /// What a new store writes about itself is no event of a run.
    open: AtomicBool,
}

#[async_trait]
impl Backend for Mortal {
    async fn workspaces(&self) -> Result<Vec<String>, Diagnostic> {
        self.inner.workspaces().await
    }

    async fn remove(&self, workspace: &str) -> Result<(), Diagnostic> {
        self.inner.remove(workspace).await
    }

    async fn open(&self, check: Check) -> Result<(), Diagnostic> {
        self.inner.open(check).await
    }

    async fn load(&self) -> Result<Option<Loaded>, Diagnostic> {
        self.inner.load().await
    }

    async fn changes_since(&self, at: Revision) -> Result<Option<(Revision, Batch)>, Diagnostic> {
        self.inner.changes_since(at).await
    }

    async fn commit(&self, at: Revision, fence: u64, batch: Batch) -> Result<Revision, Diagnostic> {
        if self.reality.is_dead() {
            return Ok(at + 1);
        }
        let now = self.inner.commit(at, fence, batch).await?;
        if self.open.load(Ordering::SeqCst) {
            self.reality.committed();
        }
        Ok(now)
    }

    async fn generations(&self, after: Option<u64>) -> Result<Option<Loaded>, Diagnostic> {
        self.inner.generations(after).await
    }

    async fn key(&self, make: bool) -> Result<Option<[u8; 32]>, Diagnostic> {
        self.inner.key(make).await
    }

    async fn lock(&self, who: LockInfo, wait: Duration) -> Result<Held, Diagnostic> {
        self.inner.lock(who, wait).await
    }

    async fn holder(&self) -> Result<Option<(LockInfo, bool)>, Diagnostic> {
        self.inner.holder().await
    }

    async fn break_lock(&self, id: &str) -> Result<LockInfo, Diagnostic> {
        self.inner.break_lock(id).await
    }

    async fn close(&self) -> Result<(), Diagnostic> {
        self.inner.close().await
    }
}
