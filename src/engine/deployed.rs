//! What an engine brought about, as it gives it back: how it is reached, what runs, and what the engine needs to know of it the next time.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value as Json;

use crate::client::connect::ConnectConnection;
use crate::client::kafka::KafkaConnection;

/// A Kafka cluster.
#[derive(Clone, Debug)]
pub struct DeployedCluster {
    /// The id that Kafka gave itself; `None` where it has none yet.
    pub cluster_id: Option<String>,
    /// Addresses by the listeners' names, as Kafka writes them.
    pub addresses: BTreeMap<String, String>,
    /// Addresses of the listener that the engine keeps for itself and for streamform.
    pub internal: String,
    /// How streamform reaches it.
    pub admin: KafkaConnection,
    /// The authority that signs its certificates.
    pub ca_file: PathBuf,
    /// The issued client certificates by common name.
    pub certificates: BTreeMap<String, CertificateFiles>,
    /// The ids of the nodes that run as configured.
    pub running: Vec<i64>,
    /// What the engine needs to know the next time. It holds no secret.
    pub record: Json,
}

/// A certificate with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate (PEM).
    pub certificate: PathBuf,
    /// Its key (PEM).
    pub key: PathBuf,
}

/// A Connect cluster.
#[derive(Clone, Debug)]
pub struct DeployedConnect {
    /// How its REST interface is reached.
    pub admin: ConnectConnection,
    /// Who its workers are on Kafka; `None` where that was not written down.
    pub principal: Option<String>,
    /// The workers that run as configured.
    pub running: Vec<i64>,
    /// What the engine needs to know the next time. It holds no secret.
    pub record: Json,
}
