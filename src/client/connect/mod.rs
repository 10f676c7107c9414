//! Kafka Connect's REST interface: a typed client, the pool that shares clients within a run, and the masking of what workers say.
//!
//! Every verb may be repeated: a rebalance (409) is waited out, and whoever creates or deletes reads back. What a worker answers to a
//! validation holds secrets in clear: the types here have no place for them. What must not be here: resource types, plans, values of state.

mod client;
mod placeholder;
mod pool;
mod redact;
#[cfg(test)]
pub(crate) mod scripted;
mod types;

pub use client::{ConnectClient, Patience, base_url, same_config};
pub use placeholder::{Placeholder, holds_placeholder, is_placeholder, names_folder, placeholders, swap_folders};
pub use pool::ConnectPool;
pub use redact::{is_masked, looks_secret};
pub use types::{
    ConfigCheck, ConnectConnection, ConnectError, Connector, ConnectorInfo, ConnectorStatus, LoggerLevel, Part, Plugin, RootInfo, RunState,
    Validation,
};
