//! A backend in memory, for tests: it plays what goes wrong with places that are far away.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::watch;

use super::lock::{self, Held, LockInfo, Lost};
use super::{Backend, Batch, Check, Content, GENERATIONS, HEAD, Loaded, Revision, conflict, generation_of, is_history, lock_lost};
use crate::diag::Diagnostic;
use crate::diag::codes::state as codes;

/// What is to go wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Somebody else writes an empty batch just before this commit.
    Conflict,
    /// This commit gets no answer, and nothing was done.
    NoAnswer,
    /// This commit gets no answer, and the batch was written.
    LostAnswer,
    /// The lock is lost just before this commit.
    LostLease,
    /// This load gives only a part of the content.
    Partial,
}

/// A state in memory. Clones share it, as two processes share a place.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    all: Content,
    revision: Revision,
    batches: BTreeMap<Revision, Batch>,
    key: Option<[u8; 32]>,
    lease: Option<Lease>,
    fence: u64,
    commits: VecDeque<Option<Fault>>,
    partial: bool,
    delay: Duration,
}

struct Lease {
    info: LockInfo,
    lost: watch::Sender<bool>,
}

/// Frees the lease when it is dropped, unless somebody else has it by then.
struct Release(Memory, u64);

impl Drop for Release {
    fn drop(&mut self) {
        let mut inner = self.0.inner();
        if inner.fence == self.1 {
            inner.lease = None;
        }
    }
}

fn no_answer() -> Diagnostic {
    Diagnostic::error(codes::NO_ANSWER, "The backend of the state gave no answer.").hint("Check the network, and run the command again.")
}

impl Memory {
    /// An empty place.
    pub fn new() -> Memory {
        Memory::default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each call takes this long.
    pub fn slow(&self, delay: Duration) {
        self.inner().delay = delay;
    }

    /// What goes wrong with the commit after the next `good` ones, or with the next load.
    pub fn fail(&self, good: usize, fault: Fault) {
        let mut inner = self.inner();
        if fault == Fault::Partial {
            inner.partial = true;
            return;
        }
        inner.commits.extend(std::iter::repeat_n(None, good));
        inner.commits.push_back(Some(fault));
    }

    /// The holder of the lock loses it.
    pub fn lose_lease(&self) {
        self.inner().lose_lease();
    }

    /// Everything that is kept, history included.
    pub fn dump(&self) -> Content {
        self.inner().all.clone()
    }

    async fn wait(&self) {
        let delay = self.inner().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
}

impl Inner {
    fn lose_lease(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.fence += 1;
            lease.lost.send_replace(true);
        }
    }

    fn write(&mut self, batch: Batch) {
        batch.apply(&mut self.all);
        self.revision += 1;
        self.batches.insert(self.revision, batch);
    }
}

#[async_trait]
impl Backend for Memory {
    async fn workspaces(&self) -> Result<Vec<String>, Diagnostic> {
        Ok(if self.inner().revision > 0 { vec!["default".into()] } else { vec![] })
    }

    async fn remove(&self, workspace: &str) -> Result<(), Diagnostic> {
        let d = Diagnostic::error(codes::NO_WORKSPACE, format!("The workspace {workspace:?} cannot be removed."));
        Err(d.hint("A state in memory has one workspace."))
    }

    async fn open(&self, check: Check) -> Result<(), Diagnostic> {
        self.wait().await;
        self.inner().all.get(HEAD).map_or(Ok(()), |head| check(head))
    }

    async fn load(&self) -> Result<Option<Loaded>, Diagnostic> {
        self.wait().await;
        let mut inner = self.inner();
        if inner.revision == 0 {
            return Ok(None);
        }
        let mut content: Content = inner.all.iter().filter(|(k, _)| !is_history(k)).map(|(k, v)| (k.clone(), v.clone())).collect();
        if std::mem::take(&mut inner.partial) {
            content.pop_last();
        }
        Ok(Some(Loaded { revision: inner.revision, content }))
    }

    async fn changes_since(&self, at: Revision) -> Result<Option<(Revision, Batch)>, Diagnostic> {
        self.wait().await;
        let inner = self.inner();
        let mut out = Batch::default();
        inner.batches.range(at + 1..).for_each(|(_, b)| out.join(b.clone()));
        Ok((at <= inner.revision).then_some((inner.revision, out)))
    }

    async fn commit(&self, at: Revision, fence: u64, batch: Batch) -> Result<Revision, Diagnostic> {
        self.wait().await;
        let mut inner = self.inner();
        let fault = inner.commits.pop_front().flatten();
        match fault {
            Some(Fault::Conflict) => inner.write(Batch::default()),
            Some(Fault::NoAnswer) => return Err(no_answer()),
            Some(Fault::LostLease) => inner.lose_lease(),
            _ => {}
        }
        if fence != inner.fence || fence > 0 && inner.lease.is_none() {
            return Err(lock_lost());
        }
        if at != inner.revision {
            return Err(conflict());
        }
        inner.write(batch);
        if fault == Some(Fault::LostAnswer) { Err(no_answer()) } else { Ok(inner.revision) }
    }

    async fn generations(&self, after: Option<u64>) -> Result<Option<Loaded>, Diagnostic> {
        self.wait().await;
        let inner = self.inner();
        let wanted = |k: &[u8]| k.starts_with(GENERATIONS) || is_history(k) && after.is_some() && generation_of(k) > after;
        let content = inner.all.iter().filter(|(k, _)| wanted(k)).map(|(k, v)| (k.clone(), v.clone())).collect();
        Ok((inner.revision > 0).then_some(Loaded { revision: inner.revision, content }))
    }

    async fn key(&self, make: bool) -> Result<Option<[u8; 32]>, Diagnostic> {
        let mut inner = self.inner();
        if make && inner.key.is_none() {
            inner.key = Some(super::files::random_key()?);
        }
        Ok(inner.key)
    }

    async fn lock(&self, who: LockInfo, wait: Duration) -> Result<Held, Diagnostic> {
        let began = Instant::now();
        loop {
            {
                let mut inner = self.inner();
                if inner.lease.is_none() {
                    inner.fence += 1;
                    let (lost, told) = watch::channel(false);
                    inner.lease = Some(Lease { info: who.clone(), lost });
                    let fence = inner.fence;
                    drop(inner);
                    return Ok(Held::new(who, vec![], fence, Lost::new(told), Box::new(Release(self.clone(), fence))));
                }
                if began.elapsed() >= wait {
                    return Err(lock::held(inner.lease.as_ref().map(|l| l.info.clone()), wait));
                }
            }
            tokio::time::sleep(Duration::from_millis(10).min(wait)).await;
        }
    }

    async fn holder(&self) -> Result<Option<(LockInfo, bool)>, Diagnostic> {
        Ok(self.inner().lease.as_ref().map(|l| (l.info.clone(), true)))
    }

    async fn break_lock(&self, id: &str) -> Result<LockInfo, Diagnostic> {
        let mut inner = self.inner();
        let info = inner.lease.as_ref().map(|l| l.info.clone()).filter(|i| i.id == id).ok_or_else(|| lock::not_held(id))?;
        inner.lose_lease();
        Ok(info)
    }

    async fn close(&self) -> Result<(), Diagnostic> {
        Ok(())
    }
}
