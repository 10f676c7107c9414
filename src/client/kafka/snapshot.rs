//! What one run has read of a cluster, so that a thousand resources cost one request of each kind.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{AclBinding, Admin, ConfigEntry, ConfigResource, KafkaError, Metadata, WrittenTopic};

/// How long a read that contradicts a recent write, or on which brokers disagree, is repeated.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// The first pause between such reads; each next one is twice as long, up to [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(1);

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
    /// The ACLs, and whether all brokers were asked for them.
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

    /// All ACLs as of this run's snapshot. One broker's word that an expected ACL is not there, or an answer that contradicts a write of the
    /// last seconds, is not believed: see [`Admin::settled_acls`].
    pub async fn snapshot_acls(&self, expected: &[AclBinding]) -> Result<Arc<BTreeSet<AclBinding>>, KafkaError> {
        let s = &self.snapshot;
        let _one = s.asking_acls.lock().await;
        let lacks = |found: &BTreeSet<AclBinding>| expected.iter().any(|a| !found.contains(a));
        let known = lock(&s.acls).clone();
        if let Some((known, settled)) = &known
            && (*settled || !lacks(known))
        {
            return Ok(Arc::clone(known));
        }
        let generation = s.generation();
        let mut fresh = match known {
            Some((known, _)) => known.as_ref().clone(),
            None => self.describe_acls().await?,
        };
        let settled = lacks(&fresh) || self.writes.contradict_acls(&fresh);
        if settled {
            fresh = self.settled_acls().await?;
        }
        let fresh = Arc::new(fresh);
        if generation == s.generation() {
            *lock(&s.acls) = Some((Arc::clone(&fresh), settled));
        }
        Ok(fresh)
    }

    /// All ACLs, asked for until all brokers answer alike and do not contradict what was written a moment ago, or [`PATIENCE`] is over. What
    /// one broker still shows counts as there: it still grants it.
    async fn settled_acls(&self) -> Result<BTreeSet<AclBinding>, KafkaError> {
        let until = Instant::now() + PATIENCE;
        let mut pause = PAUSE;
        loop {
            let everywhere = self.describe_acls_everywhere(None).await?;
            let alike = everywhere.windows(2).all(|two| two[0] == two[1]);
            let found: BTreeSet<AclBinding> = everywhere.into_iter().flatten().collect();
            if (alike && !self.writes.contradict_acls(&found)) || Instant::now() >= until {
                return Ok(found);
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// The last writes of a topic by this machine, some seconds old at most.
    pub fn recently_written(&self, topic: &str) -> Option<WrittenTopic> {
        self.writes.topic(topic)
    }

    /// The topics that this machine deleted in the last seconds.
    pub fn recently_deleted(&self) -> Vec<String> {
        self.writes.deleted_topics()
    }

    /// Reads these topics anew into the snapshot; what is known of others stays.
    pub async fn read_again(&self, topics: &[String]) -> Result<(), KafkaError> {
        let s = &self.snapshot;
        let _one = s.asking_metadata.lock().await;
        let generation = s.generation();
        let fresh = self.metadata_of(topics).await?;
        let known = lock(&s.metadata).clone();
        if let (Some(known), true) = (known, generation == s.generation()) {
            let mut all = Metadata { cluster: fresh.cluster, topics: known.topics.clone() };
            topics.iter().for_each(|t| drop(all.topics.remove(t)));
            all.topics.extend(fresh.topics);
            *lock(&s.metadata) = Some(Arc::new(all));
        }
        s.forget_configs(topics.iter().map(String::as_str));
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
