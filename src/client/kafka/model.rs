//! The words of the admin API: topics, configuration entries, brokers. Plain data, no I/O.

use std::collections::BTreeMap;
use std::fmt;

use super::KafkaError;

/// A broker as the cluster advertises it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// The node id.
    pub id: i32,
    /// The advertised host.
    pub host: String,
    /// The advertised port.
    pub port: i32,
    /// The rack, where one is set.
    pub rack: Option<String>,
}

/// What a cluster says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterInfo {
    /// The cluster id.
    pub cluster_id: String,
    /// The broker that takes controller requests, where one is known.
    pub controller: Option<i32>,
    /// The live brokers, by id.
    pub brokers: Vec<Broker>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The index.
    pub id: i32,
    /// The leader, where there is one.
    pub leader: Option<i32>,
    /// All replicas, preferred leader first.
    pub replicas: Vec<i32>,
    /// The replicas in sync.
    pub isr: Vec<i32>,
    /// The replicas that are offline.
    pub offline: Vec<i32>,
}

impl Partition {
    /// Whether fewer replicas are in sync than there are.
    pub fn under_replicated(&self) -> bool {
        self.isr.len() < self.replicas.len()
    }
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The name.
    pub name: String,
    /// The topic id in Kafka's form (22 characters of URL-safe base64), where the cluster has topic ids.
    pub id: Option<String>,
    /// Whether Kafka itself owns it.
    pub internal: bool,
    /// The partitions by index.
    pub partitions: Vec<Partition>,
}

impl Topic {
    /// The replication factor; `None` where partitions differ in it, or there are none.
    pub fn replication(&self) -> Option<usize> {
        let first = self.partitions.first()?.replicas.len();
        self.partitions.iter().all(|p| p.replicas.len() == first).then_some(first)
    }
}

/// All topics and brokers at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The cluster.
    pub cluster: ClusterInfo,
    /// The topics by name.
    pub topics: BTreeMap<String, Topic>,
}

/// A topic to create.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// The name.
    pub name: String,
    /// How many partitions; -1 for the cluster's default. Not used with `assignments`.
    pub partitions: i32,
    /// How many replicas; -1 for the cluster's default. Not used with `assignments`.
    pub replication: i16,
    /// The replicas of every partition in order, where they are chosen by hand.
    pub assignments: Option<Vec<Vec<i32>>>,
    /// The explicit configuration.
    pub config: BTreeMap<String, String>,
}

/// What the cluster made (or would make) of a [`NewTopic`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreatedTopic {
    /// The topic id; `None` when only validating.
    pub id: Option<String>,
    /// The number of partitions, where the caller may know it.
    pub partitions: Option<i32>,
    /// The replication factor, where the caller may know it.
    pub replication: Option<i16>,
    /// The names of all settings that it has, where the caller may know them (KIP-525).
    pub keys: Vec<String>,
}

/// Where the value of a configuration key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConfigSource {
    /// Set on the topic.
    DynamicTopic,
    /// Set on one broker at run time.
    DynamicBroker,
    /// Set on all brokers at run time.
    DynamicDefaultBroker,
    /// From the broker's properties file.
    StaticBroker,
    /// Kafka's default.
    Default,
    /// Anything else, by its number in the protocol.
    Other(i8),
}

impl ConfigSource {
    /// The source of a number in the protocol.
    pub fn from_code(code: i8) -> Self {
        match code {
            1 => Self::DynamicTopic,
            2 => Self::DynamicBroker,
            3 => Self::DynamicDefaultBroker,
            4 => Self::StaticBroker,
            5 => Self::Default,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for ConfigSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DynamicTopic => "DYNAMIC_TOPIC",
            Self::DynamicBroker => "DYNAMIC_BROKER",
            Self::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER",
            Self::StaticBroker => "STATIC_BROKER",
            Self::Default => "DEFAULT",
            Self::Other(code) => return write!(f, "SOURCE_{code}"),
        })
    }
}

/// One of the places that a value could come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The key there (a topic's `retention.ms` is a broker's `log.retention.ms`).
    pub name: String,
    /// The value; `None` when sensitive.
    pub value: Option<String>,
    /// The place.
    pub source: ConfigSource,
}

/// The type of a configuration key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ConfigType {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    List,
    Class,
    Password,
}

impl ConfigType {
    /// The types by their number in the protocol, from 1 on.
    const BY_CODE: [ConfigType; 9] = {
        use ConfigType::*;
        [Boolean, String, Int, Short, Long, Double, List, Class, Password]
    };

    /// The type of a number in the protocol, where it is one.
    pub fn from_code(code: i8) -> Option<Self> {
        Self::BY_CODE.get(usize::try_from(code).ok()?.checked_sub(1)?).copied()
    }

    /// The number in the protocol.
    pub fn code(self) -> i8 {
        Self::BY_CODE.iter().zip(1..).find(|(ty, _)| **ty == self).map_or(0, |(_, code)| code)
    }
}

/// One configuration key of a topic or broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// The key.
    pub name: String,
    /// The value; `None` when sensitive or not set.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: ConfigSource,
    /// Whether Kafka hides the value.
    pub sensitive: bool,
    /// Whether it cannot be changed at run time.
    pub read_only: bool,
    /// All places that it could come from, the strongest first.
    pub synonyms: Vec<ConfigSynonym>,
    /// The type, where the broker tells it.
    pub ty: Option<ConfigType>,
    /// What it means, where documentation was asked for.
    pub documentation: Option<String>,
}

/// What a configuration belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConfigResource {
    /// A topic.
    Topic(String),
    /// A broker.
    Broker(i32),
    /// All brokers (the cluster-wide dynamic defaults).
    AllBrokers,
    /// A consumer group.
    Group(String),
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic \"{name}\""),
            Self::Broker(id) => write!(f, "broker {id}"),
            Self::AllBrokers => f.write_str("all brokers"),
            Self::Group(name) => write!(f, "group \"{name}\""),
        }
    }
}

/// One change of one configuration key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigOp {
    /// Sets key and value.
    Set(String, String),
    /// Back to the default.
    Delete(String),
    /// Adds to a list.
    Append(String, String),
    /// Removes from a list.
    Subtract(String, String),
}

/// A partition move that is going on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reassignment {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// All replicas now, those to come and those to go included.
    pub replicas: Vec<i32>,
    /// The replicas to come.
    pub adding: Vec<i32>,
    /// The replicas to go.
    pub removing: Vec<i32>,
}

/// A partition move to start (`Some`: the target replicas) or to cancel (`None`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReassignment {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The target replicas, preferred leader first.
    pub replicas: Option<Vec<i32>>,
}

/// One replica on a broker's disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReplica {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Bytes on disk.
    pub size: i64,
    /// How many messages (offsets) it is behind.
    pub lag: i64,
    /// Whether it is a copy in the making that will replace the replica in another folder.
    pub future: bool,
}

/// One log folder of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDir {
    /// The broker.
    pub broker: i32,
    /// The path on the broker.
    pub path: String,
    /// What is wrong with it.
    pub error: Option<KafkaError>,
    /// Bytes of the volume, where the broker tells.
    pub total_bytes: Option<i64>,
    /// Usable bytes of the volume, where the broker tells.
    pub usable_bytes: Option<i64>,
    /// The replicas.
    pub replicas: Vec<LogReplica>,
}

/// A consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group id.
    pub id: String,
    /// The state (`Stable`, `Empty`, ...).
    pub state: String,
    /// The protocol type (`consumer`, `connect`, ...).
    pub protocol: String,
}

/// A SCRAM credential that exists for a user: its mechanism and iterations. Kafka never gives out more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramCredential {
    /// The mechanism.
    pub mechanism: super::SaslMechanism,
    /// The iterations.
    pub iterations: i32,
}

/// A change of a user's SCRAM credential.
#[derive(Clone, PartialEq, Eq)]
pub enum ScramChange {
    /// Sets the password.
    Upsert {
        /// The user.
        user: String,
        /// SCRAM-SHA-256 or SCRAM-SHA-512.
        mechanism: super::SaslMechanism,
        /// The iterations, at least 4096.
        iterations: i32,
        /// The password; only its salted form leaves this process.
        password: String,
    },
    /// Removes the credential.
    Delete {
        /// The user.
        user: String,
        /// The mechanism.
        mechanism: super::SaslMechanism,
    },
}

impl fmt::Debug for ScramChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upsert { user, mechanism, iterations, .. } => f
                .debug_struct("Upsert")
                .field("user", user)
                .field("mechanism", mechanism)
                .field("iterations", iterations)
                .finish_non_exhaustive(),
            Self::Delete { user, mechanism } => f.debug_struct("Delete").field("user", user).field("mechanism", mechanism).finish(),
        }
    }
}

/// Whom a quota is for: entity type (`user`, `client-id`, `ip`) to name; `None` is the default entity.
pub type QuotaEntity = BTreeMap<String, Option<String>>;
