//! What one run has read of a cluster, so that a thousand resources cost one request of each kind.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::{AclBinding, Admin, ConfigEntry, ConfigResource, KafkaError, Metadata};

/// Pauses before ACLs that should be there are asked for again, when none of them is.
const PATIENCE: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(700),
    Duration::from_millis(1500),
    Duration::from_millis(3000),
];

type Configs = HashMap<String, Result<Arc<Vec<ConfigEntry>>, KafkaError>>;

/// The caches. The outer locks let one task ask while the others wait for its answer; a write that happens meanwhile raises the
/// generation, and an answer of an older generation is not kept.
#[derive(Default)]
pub(super) struct Snapshot {
    generation: AtomicU64,
    asking_metadata: tokio::sync::Mutex<()>,
    asking_acls: tokio::sync::Mutex<()>,
    asking_configs: tokio::sync::Mutex<()>,
    metadata: Mutex<Option<Arc<Metadata>>>,
    /// The ACLs, and whether they were asked for with patience.
    acls: Mutex<Option<(Arc<BTreeSet<AclBinding>>, bool)>>,
    configs: Mutex<Configs>,
}

/// The content of a lock; a panic while it was held does not spoil it.
pub(super) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Snapshot {
    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    fn stale(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn forget_acls(&self) {
        self.stale();
        *lock(&self.acls) = None;
    }

    pub(super) fn forget_metadata(&self) {
        self.stale();
        *lock(&self.metadata) = None;
    }

    pub(super) fn forget_configs<'a>(&self, topics: impl IntoIterator<Item = &'a str>) {
        self.stale();
        let mut configs = lock(&self.configs);
        for topic in topics {
            configs.remove(topic);
        }
    }

    /// Whether the last metadata snapshot, if there is one, has this topic.
    pub(super) fn had_topic(&self, name: &str) -> Option<bool> {
        lock(&self.metadata).as_ref().map(|m| m.topics.contains_key(name))
    }
}

impl Admin {
    /// Forgets the snapshots; every write through this client does so by itself.
    pub fn invalidate(&self) {
        self.snapshot.forget_metadata();
        self.snapshot.forget_acls();
        lock(&self.snapshot.configs).clear();
    }

    /// [`Admin::metadata`] as of this run's snapshot.
    pub async fn snapshot_metadata(&self) -> Result<Arc<Metadata>, KafkaError> {
        let s = &self.snapshot;
        let _one = s.asking_metadata.lock().await;
        if let Some(known) = lock(&s.metadata).clone() {
            return Ok(known);
        }
        let generation = s.generation();
        let fresh = Arc::new(self.metadata().await?);
        if generation == s.generation() {
            *lock(&s.metadata) = Some(Arc::clone(&fresh));
        }
        Ok(fresh)
    }

    /// All ACLs as of this run's snapshot. When none of `expected` is in the answer, asks again for some seconds before it believes so;
    /// when only some are missing, asks once more.
    pub async fn snapshot_acls(&self, expected: &[AclBinding]) -> Result<Arc<BTreeSet<AclBinding>>, KafkaError> {
        let s = &self.snapshot;
        let _one = s.asking_acls.lock().await;
        let none_of = |found: &BTreeSet<AclBinding>| !expected.is_empty() && !expected.iter().any(|a| found.contains(a));
        if let Some((known, patient)) = lock(&s.acls).clone()
            && (patient || !none_of(&known))
        {
            return Ok(known);
        }
        let generation = s.generation();
        let mut fresh = self.describe_acls().await?;
        if expected.iter().any(|a| !fresh.contains(a)) {
            self.look_again(&mut fresh, none_of).await?;
        }
        let fresh = Arc::new(fresh);
        if generation == s.generation() {
            *lock(&s.acls) = Some((Arc::clone(&fresh), !expected.is_empty()));
        }
        Ok(fresh)
    }

    /// Another broker may have answered with less: what any of them has seen counts.
    async fn look_again(&self, found: &mut BTreeSet<AclBinding>, go_on: impl Fn(&BTreeSet<AclBinding>) -> bool) -> Result<(), KafkaError> {
        for pause in PATIENCE {
            sleep(pause).await;
            found.extend(self.describe_acls().await?);
            if !go_on(found) {
                break;
            }
        }
        Ok(())
    }

    /// The configurations of topics as of this run's snapshot; only those not in it yet are asked for, all in one request.
    pub async fn snapshot_configs(
        &self,
        topics: &[String],
    ) -> Result<BTreeMap<String, Result<Arc<Vec<ConfigEntry>>, KafkaError>>, KafkaError> {
        let s = &self.snapshot;
        let _one = s.asking_configs.lock().await;
        let missing: BTreeSet<&String> = {
            let known = lock(&s.configs);
            topics.iter().filter(|t| !known.contains_key(*t)).collect()
        };
        let generation = s.generation();
        let resources: Vec<_> = missing.iter().map(|t| ConfigResource::Topic(t.to_string())).collect();
        let answers = self.describe_configs(&resources).await?;
        let fresh: Configs = missing.into_iter().cloned().zip(answers.into_iter().map(|r| r.map(Arc::new))).collect();
        let mut known = lock(&s.configs);
        let find = |t: &String| known.get(t).or_else(|| fresh.get(t)).map(|r| (t.clone(), r.clone()));
        let found = topics.iter().filter_map(find).collect();
        if generation == s.generation() {
            known.extend(fresh);
        }
        Ok(found)
    }
}
