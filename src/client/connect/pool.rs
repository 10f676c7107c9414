//! The clients of one run, one per connection, with the count of requests that they made.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{ConnectClient, ConnectConnection, ConnectError};

/// Shared clients: get it with `Session::pool`.
#[derive(Default)]
pub struct ConnectPool {
    clients: Mutex<HashMap<ConnectConnection, Arc<ConnectClient>>>,
    requests: Arc<AtomicU64>,
}

impl ConnectPool {
    /// The client of this connection, made on first use.
    ///
    /// # Errors
    /// When the URL or a certificate file is unusable. Nothing is sent yet.
    pub fn client(&self, connection: &ConnectConnection) -> Result<Arc<ConnectClient>, ConnectError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(connection) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(ConnectClient::new(connection, Arc::clone(&self.requests))?);
        clients.insert(connection.clone(), Arc::clone(&client));
        Ok(client)
    }

    /// How many requests all clients have sent.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}
