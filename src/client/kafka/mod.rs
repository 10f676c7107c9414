//! Kafka clusters: connections, the admin client, its snapshots and its typed errors.
//!
//! [`KafkaConnection`] says how to reach a cluster, [`KafkaPool`] keeps one [`Admin`] per cluster for a run, [`Admin`] is the batch-first
//! admin API, in one file per kind of object. Below it lie the connections to brokers (`raw`) and the Kafka protocol over each (`wire`). Resources
//! (topics, ACLs, users) do not live here.

mod acl;
mod acls;
mod admin;
mod connection;
mod count;
mod dial;
mod error;
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
mod wire;
mod writes;

pub use acl::{AclBinding, AclOperation, AclPattern, AclPermission, AclResource};
pub use admin::Admin;
pub use connection::{KafkaConnection, SaslMechanism, SecurityProtocol};
pub use count::RequestCounter;
pub use dial::{Dial, DialError, Stream, Tcp};
pub use error::{KafkaError, ListenerKind};
pub use model::*;
pub use pool::KafkaPool;
pub use snapshot::PATIENCE;
pub use tls::subject as certificate_subject;
pub use topics::explicit;
pub use writes::WrittenTopic;
