//! The admin client of one cluster: how its requests are sent and retried, and what the cluster says of itself.
//!
//! The calls themselves are in one file per kind of object: `topics`, `acls`, `partitions`, `users`; `snapshot` keeps what was read.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse};
use tokio::time::{Instant, sleep};

use super::ffi::Native;
use super::raw::{CONNECT_TIMEOUT, Patience, Raw, Target};
use super::requests::Request;
use super::snapshot::{Snapshot, lock};
use super::{Broker, ClusterInfo, KafkaConnection, KafkaError, ListenerKind, Metadata, Partition, RequestCounter, Topic};

/// How long one request may take.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long retries of one call may take together.
const RETRY_BUDGET: Duration = Duration::from_secs(30);
/// The first pause between tries; each next one is twice as long, up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// How many times a read is tried when the connection breaks.
const READ_TRIES: u32 = 3;

/// The admin client of one cluster. Results are per item; an outer error means that the whole request failed.
pub struct Admin {
    connection: KafkaConnection,
    counter: RequestCounter,
    raw: Raw,
    /// Where writes go: any broker passes them on to the controller, except in clusters with ZooKeeper.
    writes_to: Mutex<Target>,
    native: Mutex<Option<Arc<Native>>>,
    pub(super) snapshot: Snapshot,
}

impl Admin {
    pub(super) fn new(connection: KafkaConnection, counter: RequestCounter, patience: Patience) -> Result<Self, KafkaError> {
        Self::over(connection, counter, CONNECT_TIMEOUT, patience)
    }

    /// A client of its own, outside any pool, that gives up on an unreachable cluster after `connect_timeout`.
    ///
    /// # Errors
    /// When a file cannot be read or holds no usable certificate or key. Nothing is sent yet.
    pub fn with_connect_timeout(
        connection: KafkaConnection,
        counter: RequestCounter,
        connect_timeout: Duration,
    ) -> Result<Self, KafkaError> {
        Self::over(connection, counter, connect_timeout, Patience::Starting)
    }

    fn over(connection: KafkaConnection, counter: RequestCounter, limit: Duration, patience: Patience) -> Result<Self, KafkaError> {
        let raw = Raw::new(connection.clone(), counter.clone(), limit, patience)?;
        Ok(Admin { connection, counter, raw, writes_to: Mutex::new(Target::Any), native: Mutex::default(), snapshot: Snapshot::default() })
    }

    /// How this client connects.
    pub fn connection(&self) -> &KafkaConnection {
        &self.connection
    }

    /// The cluster id.
    ///
    /// # Errors
    /// See [`KafkaError`]; likewise for every call below.
    pub async fn cluster_id(&self) -> Result<String, KafkaError> {
        Ok(self.describe_cluster().await?.cluster_id)
    }

    /// The cluster's id, controller and brokers, read now.
    pub async fn describe_cluster(&self) -> Result<ClusterInfo, KafkaError> {
        Ok(self.ask_metadata(Some(vec![])).await?.cluster)
    }

    /// All topics and brokers, read now.
    pub async fn metadata(&self) -> Result<Metadata, KafkaError> {
        self.ask_metadata(None).await
    }

    async fn ask_metadata(
        &self,
        topics: Option<Vec<kafka_protocol::messages::metadata_request::MetadataRequestTopic>>,
    ) -> Result<Metadata, KafkaError> {
        let request = MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(false);
        let metadata = read_metadata(self.read(Target::Any, &request).await?)?;
        self.raw.learn(metadata.cluster.brokers.iter().map(|b| (b.id, address(&b.host, b.port))));
        Ok(metadata)
    }

    /// Makes sure that the address of a broker is known.
    pub(super) async fn locate(&self, broker: i32) -> Result<Target, KafkaError> {
        if !self.raw.knows(broker) {
            self.describe_cluster().await?;
        }
        if self.raw.knows(broker) {
            Ok(Target::Broker(broker))
        } else {
            Err(KafkaError::InvalidRequest { message: format!("there is no broker {broker}") })
        }
    }

    /// Sends a request that changes nothing; tries again when the connection breaks or no answer comes.
    pub(super) async fn read<R: Request>(&self, target: Target, request: &R) -> Result<R::Response, KafkaError> {
        let mut tries = 1;
        loop {
            match self.raw.send(target, request, REQUEST_TIMEOUT).await {
                Err(KafkaError::Timeout { .. }) if tries < 2 => {}
                Err(KafkaError::Interrupted { .. }) if tries < READ_TRIES => sleep(FIRST_PAUSE * tries).await,
                Err(KafkaError::Interrupted { message, .. }) => return Err(self.unreachable(target, message).await),
                other => return other,
            }
            tries += 1;
        }
    }

    /// A connection that breaks on every read is no better than none.
    async fn unreachable(&self, target: Target, message: String) -> KafkaError {
        if let Some(address) = self.raw.demands_login(target).await {
            return KafkaError::WrongListener { address, kind: ListenerKind::Sasl };
        }
        let cause = format!("{message}; perhaps the listener does not speak {}", self.connection.protocol.as_str());
        KafkaError::Unreachable { addresses: self.connection.bootstrap_servers.clone(), tried: Duration::ZERO, cause }
    }

    /// Sends a request that changes something, once.
    pub(super) async fn write<R: Request>(&self, request: &R) -> Result<R::Response, KafkaError> {
        let target = *lock(&self.writes_to);
        self.raw.send(target, request, REQUEST_TIMEOUT).await
    }

    /// Sends further writes to the controller itself: older clusters' brokers do not pass them on.
    async fn follow_controller(&self) -> Result<(), KafkaError> {
        if let Some(id) = self.describe_cluster().await?.controller {
            *lock(&self.writes_to) = Target::Broker(id);
        }
        Ok(())
    }

    /// Calls `op` with all items, then again with those that failed for a passing reason, until none is left or the time is over.
    pub(super) async fn retry_items<I: Clone, T, F>(
        &self,
        items: &[I],
        op: impl Fn(Vec<I>) -> F,
    ) -> Result<Vec<Result<T, KafkaError>>, KafkaError>
    where
        F: Future<Output = Result<Vec<Result<T, KafkaError>>, KafkaError>>,
    {
        let op = |part: Vec<I>| {
            let call = op(part);
            async {
                let results = call.await?;
                if results.iter().any(|r| matches!(r, Err(KafkaError::NotController))) {
                    self.follow_controller().await?;
                }
                Ok(results)
            }
        };
        retry_items(items, op).await
    }

    /// Makes a call through librdkafka, on a thread that may block. The raw connection goes first: it tells apart why a cluster cannot
    /// be reached, where librdkafka only times out.
    pub(super) async fn native<T: Send + 'static>(
        &self,
        api: &str,
        call: impl FnOnce(&Native) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, KafkaError> {
        let native = self.native_client().await?;
        self.counter.count(api);
        let mine = Arc::clone(&native);
        let mut done = tokio::task::spawn_blocking(move || call(&mine));
        let joined = tokio::select! {
            joined = &mut done => joined,
            () = self.raw.all_gone() => {
                native.give_up();
                done.await
            }
        };
        let broken_off = |_| Err(KafkaError::Interrupted { api: api.to_string(), message: "the call was broken off".into() });
        let result = joined.unwrap_or_else(broken_off);
        // A client whose request got no answer may still send it: it must not outlive the call, and the next one looks first.
        if result.as_ref().is_err_and(KafkaError::is_ambiguous) {
            lock(&self.native).take_if(|now| Arc::ptr_eq(now, &native));
            tokio::task::spawn_blocking(move || drop(native));
        }
        result
    }

    /// [`Admin::native`] for what may be repeated: asked once more when the answer was lost.
    pub(super) async fn native_again<T: Send + 'static>(
        &self,
        api: &str,
        call: impl Fn(&Native) -> Result<T, KafkaError> + Clone + Send + 'static,
    ) -> Result<T, KafkaError> {
        match self.native(api, call.clone()).await {
            Err(lost) if lost.is_ambiguous() => lost.in_doubt_after(self.native(api, call).await),
            other => other,
        }
    }

    async fn native_client(&self) -> Result<Arc<Native>, KafkaError> {
        if let Some(native) = lock(&self.native).clone() {
            return Ok(native);
        }
        self.describe_cluster().await?;
        let mut place = lock(&self.native);
        match &*place {
            Some(native) => Ok(Arc::clone(native)),
            None => Ok(Arc::clone(place.insert(Arc::new(Native::new(&self.connection)?)))),
        }
    }
}

/// [`Admin::retry_items`] without a client.
///
/// `op` owns its items: a future that borrows them could not be told to be `Send`.
async fn retry_items<I: Clone, T, F>(items: &[I], op: impl Fn(Vec<I>) -> F) -> Result<Vec<Result<T, KafkaError>>, KafkaError>
where
    F: Future<Output = Result<Vec<Result<T, KafkaError>>, KafkaError>>,
{
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut done: Vec<Option<Result<T, KafkaError>>> = items.iter().map(|_| None).collect();
    let mut open: Vec<usize> = (0..items.len()).collect();
    while !open.is_empty() {
        let subset: Vec<I> = open.iter().filter_map(|i| items.get(*i).cloned()).collect();
        let last = start.elapsed() + pause >= RETRY_BUDGET;
        let mut again = Vec::new();
        for (i, result) in open.into_iter().zip(op(subset).await?) {
            match result {
                Err(e) if e.is_transient() && !last => again.push(i),
                result => done[i] = Some(result),
            }
        }
        open = again;
        if !open.is_empty() {
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }
    Ok(done
        .into_iter()
        .map(|r| r.unwrap_or(Err(KafkaError::InvalidRequest { message: "the broker's answer leaves this item out".into() })))
        .collect())
}

/// Cuts items into chunks of at most `weight` in total (and at least one item each).
pub(super) fn chunks<I>(items: &[I], weight: usize, weigh: impl Fn(&I) -> usize) -> Vec<&[I]> {
    let mut rest = items;
    let mut all = Vec::new();
    while !rest.is_empty() {
        let mut total = 0;
        let n = rest.iter().take_while(|i| (total += weigh(i), total <= weight).1).count().max(1);
        let (chunk, others) = rest.split_at(n);
        all.push(chunk);
        rest = others;
    }
    all
}

fn read_metadata(answer: MetadataResponse) -> Result<Metadata, KafkaError> {
    if let Some(e) = KafkaError::from_response(answer.error_code, None, "DESCRIBE on the cluster") {
        return Err(e);
    }
    let mut brokers: Vec<_> = answer.brokers.into_iter().map(read_broker).collect();
    brokers.sort_by_key(|b| b.id);
    let cluster = ClusterInfo {
        cluster_id: answer.cluster_id.map(|id| id.to_string()).unwrap_or_default(),
        controller: Some(answer.controller_id.0).filter(|id| *id >= 0),
        brokers,
    };
    // A topic that is just being created or deleted answers with an error and no name or partitions: it is not there (yet).
    let topics = answer.topics.into_iter().filter_map(read_topic).map(|t| (t.name.clone(), t)).collect();
    Ok(Metadata { cluster, topics })
}

fn read_broker(b: MetadataResponseBroker) -> Broker {
    Broker { id: b.node_id.0, host: b.host.to_string(), port: b.port, rack: b.rack.map(|r| r.to_string()) }
}

fn read_topic(t: MetadataResponseTopic) -> Option<Topic> {
    if !matches!(t.error_code, 0 | 5) {
        return None;
    }
    let mut partitions: Vec<_> = t.partitions.into_iter().map(read_partition).collect();
    partitions.sort_by_key(|p| p.id);
    Some(Topic { name: t.name?.0.to_string(), id: topic_id(t.topic_id), internal: t.is_internal, partitions })
}

fn read_partition(p: MetadataResponsePartition) -> Partition {
    Partition {
        id: p.partition_index,
        leader: Some(p.leader_id.0).filter(|id| *id >= 0),
        replicas: ids(&p.replica_nodes),
        isr: ids(&p.isr_nodes),
        offline: ids(&p.offline_replicas),
    }
}

fn address(host: &str, port: i32) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

pub(super) fn ids(brokers: &[BrokerId]) -> Vec<i32> {
    brokers.iter().map(|b| b.0).collect()
}

/// A topic id in Kafka's own form; `None` for the nil id of old clusters.
pub(super) fn topic_id(id: uuid::Uuid) -> Option<String> {
    (!id.is_nil()).then(|| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(id.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn chunks_by_weight_and_never_empty() {
        assert_eq!(chunks(&[1, 2, 3, 9, 1], 5, |w| *w), [&[1, 2][..], &[3], &[9], &[1]]);
    }

    #[tokio::test]
    async fn only_items_that_failed_in_passing_are_tried_again() {
        let calls = RefCell::new(Vec::new());
        let results = retry_items(&[1, 2, 3], async |items: Vec<i32>| {
            calls.borrow_mut().push(items.clone());
            let first = calls.borrow().len() == 1;
            Ok(items
                .iter()
                .map(|i| match i {
                    2 if first => Err(KafkaError::NotController),
                    3 => Err(KafkaError::TopicAlreadyExists),
                    i => Ok(*i),
                })
                .collect())
        })
        .await
        .unwrap();
        assert_eq!(results, [Ok(1), Ok(2), Err(KafkaError::TopicAlreadyExists)]);
        assert_eq!(*calls.borrow(), [vec![1, 2, 3], vec![2]]);
    }
}
