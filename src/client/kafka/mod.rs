//! Kafka clusters: connections, the admin client, its snapshots and its typed errors.
//!
//! [`KafkaConnection`] says how to reach a cluster, [`KafkaPool`] keeps one [`Admin`] per cluster for a run, [`Admin`] is the batch-first
//! admin API, in one file per kind of object. Two transports lie below: librdkafka's C admin API for ACLs and incremental configuration changes (`ffi`), and the Kafka
//! protocol itself for everything else (`raw`). Resources (topics, ACLs, users) do not live here.

mod acl;
mod acls;
mod admin;
mod connection;
mod count;
mod error;
mod ffi;
mod model;
mod partitions;
mod pool;
mod raw;
mod requests;
mod sasl;
mod snapshot;
mod tls;
mod topics;
mod users;

pub use acl::{AclBinding, AclOperation, AclPattern, AclPermission, AclResource};
pub use admin::Admin;
pub use connection::{KafkaConnection, SaslMechanism, SecurityProtocol};
pub use count::RequestCounter;
pub use error::{KafkaError, ListenerKind};
pub use model::*;
pub use pool::KafkaPool;
pub use tls::subject as certificate_subject;
pub use topics::explicit;
