//! The admin client of one cluster: how its requests are sent and retried, and what the cluster says of itself.
//!
//! The calls themselves are in one file per kind of object: `topics`, `acls`, `partitions`, `users`; `snapshot` keeps what was read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use tokio::time::{Instant, sleep, timeout};

use super::dial::{Dial, Tcp};
use super::raw::{CONNECT_TIMEOUT, Patience, Raw, Target};
use super::requests::Request;
use super::snapshot::{Snapshot, lock};
use super::topics::text;
use super::writes::Writes;
use super::{Broker, ClusterInfo, KafkaConnection, KafkaError, ListenerKind, Metadata, Partition, RequestCounter, Topic};

/// How long one request may take.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long retries of one call may take together.
const RETRY_BUDGET: Duration = Duration::from_secs(30);
/// The first pause between tries; each next one is twice as long, up to [`MAX_PAUSE`].
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// How many times a read is tried when the connection breaks.
pub(super) const READ_TRIES: u32 = 3;

/// How long one broker may take where all are asked.
const EACH_BROKER: Duration = Duration::from_secs(5);
/// Topics in one request for metadata.
const TOPICS: usize = 1_000;

/// The admin client of one cluster. Results are per item; an outer error means that the whole request failed.
pub struct Admin {
    connection: KafkaConnection,
    raw: Raw,
    /// Where writes go: any broker passes them on to the controller, except in clusters with ZooKeeper.
    writes_to: Mutex<Target>,
    /// The cluster's id, once it is known: an address leads to one cluster during a run.
    id: Mutex<Option<String>>,
    pub(super) writes: Writes,
    pub(super) snapshot: Snapshot,
}

impl Admin {
    pub(super) fn new(
        connection: KafkaConnection,
        counter: RequestCounter,
        patience: Patience,
        writes: Writes,
    ) -> Result<Self, KafkaError> {
        Ok(Admin { writes, ..Self::over(connection, Arc::new(Tcp), counter, CONNECT_TIMEOUT, patience)? })
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
        Self::over(connection, Arc::new(Tcp), counter, connect_timeout, Patience::Starting)
    }

    /// [`Admin::with_connect_timeout`] over streams that somebody else opens. Brokers are asked for by the addresses that they advertise.
    ///
    /// # Errors
    /// Likewise.
    pub fn through(
        connection: KafkaConnection,
        dial: Arc<dyn Dial>,
        counter: RequestCounter,
        connect_timeout: Duration,
    ) -> Result<Self, KafkaError> {
        Self::over(connection, dial, counter, connect_timeout, Patience::Starting)
    }

    fn over(
        connection: KafkaConnection,
        dial: Arc<dyn Dial>,
        counter: RequestCounter,
        limit: Duration,
        patience: Patience,
    ) -> Result<Self, KafkaError> {
        let raw = Raw::new(connection.clone(), dial, counter, limit, patience)?;
        Ok(Admin {
            connection,
            raw,
            writes_to: Mutex::new(Target::Any),
            id: Mutex::default(),
            writes: Writes::default(),
            snapshot: Snapshot::default(),
        })
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

    /// The cluster id, asked for once.
    pub async fn known_cluster_id(&self) -> Result<String, KafkaError> {
        let known = lock(&self.id).clone();
        match known {
            Some(id) => Ok(id),
            None => self.cluster_id().await,
        }
    }

    /// The cluster's id, controller and brokers, read now.
    pub async fn describe_cluster(&self) -> Result<ClusterInfo, KafkaError> {
        Ok(self.ask_metadata(Some(vec![])).await?.cluster)
    }

    /// All topics and brokers, read now.
    pub async fn metadata(&self) -> Result<Metadata, KafkaError> {
        self.ask_metadata(None).await
    }

    /// The brokers and these topics, as far as they exist, read now.
    pub async fn metadata_of(&self, topics: &[String]) -> Result<Metadata, KafkaError> {
        let mut chunks = topics.chunks(TOPICS);
        let mut all = self.ask_metadata(Some(asked(chunks.next().unwrap_or_default()))).await?;
        for chunk in chunks {
            all.topics.extend(self.ask_metadata(Some(asked(chunk))).await?.topics);
        }
        Ok(all)
    }

    async fn ask_metadata(&self, topics: Option<Vec<MetadataRequestTopic>>) -> Result<Metadata, KafkaError> {
        let metadata = read_metadata(self.read(Target::Any, &metadata_request(topics)).await?)?;
        self.raw.learn(metadata.cluster.brokers.iter().map(|b| (b.id, address(&b.host, b.port))));
        *lock(&self.id) = Some(metadata.cluster.cluster_id.clone());
        Ok(metadata)
    }

    /// Whether every broker says of these topics what `shown` says: which exist, under which id, with how many partitions.
    pub async fn all_show(&self, topics: &[String], shown: &Metadata) -> Result<bool, KafkaError> {
        type Seen = BTreeMap<String, (Option<String>, usize)>;
        let seen = |m: &Metadata, names: &[String]| -> Seen {
            names.iter().filter_map(|n| m.topics.get(n)).map(|t| (t.name.clone(), (t.id.clone(), t.partitions.len()))).collect()
        };
        for chunk in topics.chunks(TOPICS) {
            let expected = seen(shown, chunk);
            for answer in self.read_all(&metadata_request(Some(asked(chunk)))).await? {
                if seen(&read_metadata(answer)?, chunk) != expected {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The answers of all live brokers. One that cannot be reached from here, or does not answer, has no say.
    pub(super) async fn read_all<R: Request + Sync>(&self, request: &R) -> Result<Vec<R::Response>, KafkaError> {
        let brokers = self.describe_cluster().await?.brokers;
        let asks = brokers.iter().map(|b| timeout(EACH_BROKER, self.read(Target::Broker(b.id), request)));
        let mut answers = Vec::new();
        for answer in futures::future::join_all(asks).await {
            match answer {
                Ok(Err(e)) if !e.is_lasting() && !e.is_ambiguous() => return Err(e),
                Ok(Ok(answer)) => answers.push(answer),
                _ => {}
            }
        }
        if answers.is_empty() {
            answers.push(self.read(Target::Any, request).await?);
        }
        Ok(answers)
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

    /// [`Admin::write`] for what may be repeated: asked once more when the answer was lost.
    pub(super) async fn write_again<R: Request>(&self, request: &R) -> Result<R::Response, KafkaError> {
        let target = *lock(&self.writes_to);
        self.write_again_to(target, request).await
    }

    /// [`Admin::write_again`] to a broker of one's choice.
    pub(super) async fn write_again_to<R: Request>(&self, target: Target, request: &R) -> Result<R::Response, KafkaError> {
        match self.raw.send(target, request, REQUEST_TIMEOUT).await {
            Err(lost) if lost.is_ambiguous() => lost.in_doubt_after(self.raw.send(target, request, REQUEST_TIMEOUT).await),
            other => other,
        }
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

fn metadata_request(topics: Option<Vec<MetadataRequestTopic>>) -> MetadataRequest {
    MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(false)
}

fn asked(topics: &[String]) -> Vec<MetadataRequestTopic> {
    topics.iter().map(|name| MetadataRequestTopic::default().with_name(Some(TopicName(text(name))))).collect()
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
