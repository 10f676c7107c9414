//! The admin client of one cluster: batch-first calls with typed errors, and the snapshots of one run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;

/// The admin client of one cluster. Results are per item; an outer error means that the whole request failed.
pub struct Admin {
    connection: KafkaConnection,
}

impl Admin {
    pub(super) fn new(connection: KafkaConnection, _counter: RequestCounter) -> Result<Self, KafkaError> {
        Ok(Admin { connection })
    }

    /// How this client connects.
    pub fn connection(&self) -> &KafkaConnection {
        &self.connection
    }

    /// Forgets the snapshots; every write through this client does so by itself.
    pub fn invalidate(&self) {}

    /// The cluster id.
    pub async fn cluster_id(&self) -> Result<String, KafkaError> {
        Err(KafkaError::Unsupported { api: "cluster_id".into() })
    }

    /// The cluster's id, controller and brokers.
    pub async fn describe_cluster(&self) -> Result<ClusterInfo, KafkaError> {
        Err(KafkaError::Unsupported { api: "describe_cluster".into() })
    }

    /// All topics and brokers, read now.
    pub async fn metadata(&self) -> Result<Metadata, KafkaError> {
        Err(KafkaError::Unsupported { api: "metadata".into() })
    }

    /// Creates topics (or only asks whether they could be), results in order.
    pub async fn create_topics(&self, _topics: &[NewTopic], _validate_only: bool) -> Result<Vec<Result<CreatedTopic, KafkaError>>, KafkaError> {
        Err(KafkaError::Unsupported { api: "create_topics".into() })
    }

    /// Deletes topics by name, results in order.
    pub async fn delete_topics(&self, _names: &[String]) -> Result<Vec<Result<(), KafkaError>>, KafkaError> {
        Err(KafkaError::Unsupported { api: "delete_topics".into() })
    }

    /// Raises the number of partitions to a new total, results in order.
    pub async fn create_partitions(&self, _topics: &[(String, i32)], _validate_only: bool) -> Result<Vec<Result<(), KafkaError>>, KafkaError> {
        Err(KafkaError::Unsupported { api: "create_partitions".into() })
    }

    /// The configuration of topics, brokers or groups, with synonyms; results in order.
    pub async fn describe_configs(&self, _resources: &[ConfigResource]) -> Result<Vec<Result<Vec<ConfigEntry>, KafkaError>>, KafkaError> {
        Err(KafkaError::Unsupported { api: "describe_configs".into() })
    }

    /// The configuration of one topic or broker with the type and documentation of every key.
    pub async fn describe_config_docs(&self, _resource: &ConfigResource) -> Result<Vec<ConfigEntry>, KafkaError> {
        Err(KafkaError::Unsupported { api: "describe_config_docs".into() })
    }

    /// Changes single configuration keys and leaves all others alone; results in order.
    pub async fn incremental_alter_configs(&self, _changes: &[(ConfigResource, Vec<ConfigOp>)], _validate_only: bool) -> Result<Vec<Result<(), KafkaError>>, KafkaError> {
        Err(KafkaError::Unsupported { api: "incremental_alter_configs".into() })
    }

    /// All ACLs, read now. One empty answer proves nothing: see [`Admin::snapshot_acls`].
    pub async fn describe_acls(&self) -> Result<BTreeSet<AclBinding>, KafkaError> {
        Err(KafkaError::Unsupported { api: "describe_acls".into() })
    }

    /// Creates ACLs; creating one that exists succeeds. Results in order.
    pub async fn create_acls(&self, _acls: &[AclBinding]) -> Result<Vec<Result<(), KafkaError>>, KafkaError> {
        Err(KafkaError::Unsupported { api: "create_acls".into() })
    }

    /// Deletes exactly these ACLs; each result is how many were there (0 or 1), in order.
    pub async fn delete_acls(&self, _acls: &[AclBinding]) -> Result<Vec<Result<usize, KafkaError>>, KafkaError> {
        Err(KafkaError::Unsupported { api: "delete_acls".into() })
    }

    /// Starts or cancels partition moves, results in order.
    pub async fn alter_reassignments(&self, _moves: &[NewReassignment]) -> Result<Vec<Result<(), KafkaError>>, KafkaError> {
        Err(KafkaError::Unsupported { api: "alter_reassignments".into() })
    }

    /// All partition moves that are going on.
    pub async fn list_reassignments(&self) -> Result<Vec<Reassignment>, KafkaError> {
        Err(KafkaError::Unsupported { api: "list_reassignments".into() })
    }

    /// Makes the preferred replicas leaders, of all partitions or of these; results for the partitions that were asked or moved.
    pub async fn elect_leaders(&self, _partitions: Option<&[(String, i32)]>) -> Result<Vec<((String, i32), Result<(), KafkaError>)>, KafkaError> {
        Err(KafkaError::Unsupported { api: "elect_leaders".into() })
    }

    /// The log folders of brokers (all when empty) with the size of every replica.
    pub async fn describe_log_dirs(&self, _brokers: &[i32]) -> Result<Vec<LogDir>, KafkaError> {
        Err(KafkaError::Unsupported { api: "describe_log_dirs".into() })
    }

    /// The SCRAM credentials of users (all when empty); a user without any is not in the answer.
    pub async fn describe_scram(&self, _users: &[String]) -> Result<BTreeMap<String, Vec<ScramCredential>>, KafkaError> {
        Err(KafkaError::Unsupported { api: "describe_scram".into() })
    }

    /// Sets and removes SCRAM credentials, results in order.
    pub async fn alter_scram(&self, _changes: &[ScramChange]) -> Result<Vec<Result<(), KafkaError>>, KafkaError> {
        Err(KafkaError::Unsupported { api: "alter_scram".into() })
    }

    /// All client quotas.
    pub async fn describe_quotas(&self) -> Result<BTreeMap<QuotaEntity, BTreeMap<String, f64>>, KafkaError> {
        Err(KafkaError::Unsupported { api: "describe_quotas".into() })
    }

    /// Sets (`Some`) and removes (`None`) quotas, results in order.
    pub async fn alter_quotas(&self, _changes: &[(QuotaEntity, BTreeMap<String, Option<f64>>)], _validate_only: bool) -> Result<Vec<Result<(), KafkaError>>, KafkaError> {
        Err(KafkaError::Unsupported { api: "alter_quotas".into() })
    }

    /// The consumer groups of all brokers.
    pub async fn list_groups(&self) -> Result<Vec<Group>, KafkaError> {
        Err(KafkaError::Unsupported { api: "list_groups".into() })
    }

    /// [`Admin::metadata`] as of this run's snapshot.
    pub async fn snapshot_metadata(&self) -> Result<Arc<Metadata>, KafkaError> {
        Err(KafkaError::Unsupported { api: "snapshot_metadata".into() })
    }

    /// All ACLs as of this run's snapshot. When none of `expected` is in the answer, asks again for some seconds before it believes so.
    pub async fn snapshot_acls(&self, _expected: &[AclBinding]) -> Result<Arc<BTreeSet<AclBinding>>, KafkaError> {
        Err(KafkaError::Unsupported { api: "snapshot_acls".into() })
    }

    /// The configurations of topics as of this run's snapshot; only those not in it yet are asked for, all in one request.
    pub async fn snapshot_configs(&self, _topics: &[String]) -> Result<BTreeMap<String, Result<Arc<Vec<ConfigEntry>>, KafkaError>>, KafkaError> {
        Err(KafkaError::Unsupported { api: "snapshot_configs".into() })
    }
}
