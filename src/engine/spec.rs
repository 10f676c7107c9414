//! What is wanted, as engines are told: one object of the configuration, decoded once. An engine gives back what came of it ([`super::deployed`]).
//!
//! While a plan is made a part may not be known yet: a text is empty then, a count 0.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::client::kafka::{AclBinding, AclOperation, AclPattern, AclPermission, AclResource, KafkaConnection, NewTopic};

/// How clients prove who they are on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Not at all.
    None,
    /// By a certificate.
    Mtls,
    /// By SCRAM-SHA-512.
    Scram,
    /// By user and password, as they are: only where TLS hides them.
    Plain,
}

impl Authentication {
    /// Whether that is by SASL.
    pub fn sasl(self) -> bool {
        matches!(self, Authentication::Scram | Authentication::Plain)
    }
}

/// A listener for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSpec {
    /// Its name as it is written.
    pub label: String,
    /// Kafka's name for it: capitals.
    pub name: String,
    /// The first broker's port; the others count up. `None`: any free port.
    pub port: Option<u16>,
    /// Whether TLS is used.
    pub tls: bool,
    /// How clients prove who they are.
    pub authentication: Authentication,
}

impl ListenerSpec {
    /// Kafka's name for how it is spoken to: `SASL_SSL`.
    pub fn protocol(&self) -> &'static str {
        match (self.tls, self.authentication.sasl()) {
            (true, true) => "SASL_SSL",
            (false, true) => "SASL_PLAINTEXT",
            (true, false) => "SSL",
            (false, false) => "PLAINTEXT",
        }
    }
}

/// What a cluster should be.
#[derive(Clone, Debug, Default)]
pub struct ClusterSpec {
    /// The name.
    pub name: String,
    /// Kafka's version.
    pub version: String,
    /// How many brokers.
    pub brokers: usize,
    /// How many dedicated controllers; 0: the first brokers are controllers too.
    pub controllers: usize,
    /// The heap flags of each JVM.
    pub heap: String,
    /// The listeners for clients.
    pub listeners: Vec<ListenerSpec>,
    /// Super users beyond streamform's own.
    pub super_users: Vec<String>,
    /// Passwords by user, for the listeners with SASL.
    pub users: BTreeMap<String, String>,
    /// Broker settings set by hand.
    pub config: BTreeMap<String, String>,
    /// Common names of client certificates to issue.
    pub certificates: Vec<String>,
}

impl ClusterSpec {
    /// Whether users log in by SCRAM.
    pub fn scram(&self) -> bool {
        self.listeners.iter().any(|l| l.authentication == Authentication::Scram)
    }
}

/// What a Connect cluster should be.
#[derive(Clone, Debug, Default)]
pub struct ConnectSpec {
    /// The name.
    pub name: String,
    /// Kafka's version.
    pub version: String,
    /// How many workers.
    pub workers: usize,
    /// The first worker's port; the others count up. `None`: any free port.
    pub port: Option<u16>,
    /// Whether REST needs client certificates; without, it is plain HTTP.
    pub mtls: bool,
    /// The heap flags of each JVM.
    pub heap: String,
    /// Maven coordinates and paths of plugins; relative ones begin at the configuration's folder.
    pub plugins: Vec<String>,
    /// Worker settings set by hand.
    pub config: BTreeMap<String, String>,
    /// Variables for the workers.
    pub env: BTreeMap<String, String>,
    /// The versions of the secrets that the settings name, by folder: a worker reads them only when it starts.
    pub read_secrets: BTreeMap<String, String>,
    /// The folders that `${file:…}` may read.
    pub secrets: Vec<PathBuf>,
    /// The administrator's way to Kafka.
    pub kafka: KafkaConnection,
    /// The names on Kafka, where they are not those that follow from the name.
    pub names: Option<Names>,
    /// The common name of the workers' certificate, where Kafka's authority lies on this machine; else they connect as the administrator does.
    pub common_name: Option<String>,
}

impl ConnectSpec {
    /// The names that it has on Kafka.
    pub fn names(&self) -> Names {
        self.names.clone().unwrap_or_else(|| Names::of(&self.name))
    }
}

/// The names that a Connect cluster has on Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The group of the workers.
    pub group: String,
    /// The topic of connector configurations.
    pub config: String,
    /// The topic of source offsets.
    pub offset: String,
    /// The topic of states.
    pub status: String,
}

impl Names {
    /// The names of the Connect cluster `name`.
    pub fn of(name: &str) -> Names {
        let topic = |kind: &str| format!("_connect-{name}-{kind}");
        Names { group: format!("streamform-connect-{name}"), config: topic("configs"), offset: topic("offsets"), status: topic("status") }
    }

    /// The three topics, with all that matters about them.
    pub fn topics(&self) -> [NewTopic; 3] {
        let topic = |name: &str, partitions| NewTopic {
            name: name.into(),
            partitions,
            replication: -1,
            config: BTreeMap::from([("cleanup.policy".into(), "compact".into())]),
            ..NewTopic::default()
        };
        // Configurations must be in one partition: their order matters.
        [topic(&self.config, 1), topic(&self.offset, 5), topic(&self.status, 5)]
    }

    /// The rights that the workers themselves need.
    pub fn acls(&self, principal: &str) -> Vec<AclBinding> {
        use AclOperation::{Describe, DescribeConfigs, Read, Write};
        let binding = |resource, name: &str, operation| AclBinding {
            resource,
            name: name.into(),
            pattern: AclPattern::Literal,
            principal: principal.into(),
            host: "*".into(),
            operation,
            permission: AclPermission::Allow,
        };
        let topics = [&self.config, &self.offset, &self.status];
        let mut all: Vec<AclBinding> =
            topics.iter().flat_map(|t| [Read, Write, Describe, DescribeConfigs].map(|op| binding(AclResource::Topic, t, op))).collect();
        all.extend([Read, Describe].map(|op| binding(AclResource::Group, &self.group, op)));
        // The leader's producer when exactly-once sources are on.
        let transaction = format!("connect-cluster-{}", self.group);
        all.extend([Write, Describe].map(|op| binding(AclResource::TransactionalId, &transaction, op)));
        all
    }
}

/// What a Connect cluster leaves on Kafka when it is destroyed, as planned.
#[derive(Clone, Debug, Default)]
pub struct Released {
    /// The topics to delete.
    pub topics: Vec<String>,
    /// The rights to remove.
    pub bindings: Vec<AclBinding>,
    /// Who the workers were.
    pub principal: String,
    /// How the Kafka cluster was reached.
    pub kafka: KafkaConnection,
    /// Whether the Kafka cluster is one that streamform runs, which issued the workers' certificate.
    pub own: bool,
}
