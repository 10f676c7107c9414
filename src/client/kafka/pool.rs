//! One admin client per cluster and run.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::raw::Patience;
use super::writes::Writes;
use super::{Admin, KafkaConnection, RequestCounter};
use crate::diag::Diagnostic;

/// The clients of one run; get it by `Session::pool::<KafkaPool>()`.
#[derive(Default)]
pub struct KafkaPool {
    /// The folder of this configuration's working data.
    home: OnceLock<PathBuf>,
    clients: Mutex<HashMap<KafkaConnection, Arc<Admin>>>,
    counter: RequestCounter,
}

impl KafkaPool {
    /// Says where this configuration keeps its working data: brokers whose certificates lie there are its own.
    pub fn at_home(&self, data_dir: &Path) {
        let _ = self.home.set(data_dir.to_path_buf());
    }

    /// Brokers of this configuration may just be starting, so a refused connection is no answer. Elsewhere it is.
    fn patience(&self, connection: &KafkaConnection) -> Patience {
        let home = self.home.get().filter(|home| connection.key_file.as_ref().is_some_and(|key| key.starts_with(home)));
        if home.is_some() { Patience::Starting } else { Patience::Running }
    }

    /// The recent writes to a cluster, known by its addresses. The file's name is made of nothing else: a password would be in it.
    fn writes(&self, connection: &KafkaConnection) -> Writes {
        self.writes_file(&connection.bootstrap_servers).map_or_else(Writes::default, Writes::kept_in)
    }

    fn writes_file(&self, addresses: &[String]) -> Option<PathBuf> {
        let mut hasher = DefaultHasher::new();
        addresses.hash(&mut hasher);
        Some(self.home.get()?.join(format!("kafka-writes-{:016x}.json", hasher.finish())))
    }

    /// The client of a connection, made on first use. Nothing is sent yet.
    ///
    /// # Errors
    /// When a file cannot be read or holds no usable certificate or key.
    pub fn admin(&self, connection: &KafkaConnection) -> Result<Arc<Admin>, Diagnostic> {
        // Two blocks may describe one cluster, one of them before its id was known.
        let key = KafkaConnection { cluster_id: None, ..connection.clone() };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(admin) = clients.get(&key) {
            return Ok(Arc::clone(admin));
        }
        let admin = Admin::new(connection.clone(), self.counter.clone(), self.patience(connection), self.writes(connection))
            .map_err(|e| e.into_diagnostic("connecting to the Kafka cluster"))?;
        let admin = Arc::new(admin);
        clients.insert(key, Arc::clone(&admin));
        Ok(admin)
    }

    /// How many requests of each API went out in this run.
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.counter.requests()
    }

    /// Drops the clients that begin at one of these addresses: their connections broke when the brokers were restarted.
    pub fn forget(&self, addresses: &[String]) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|connection, _| !connection.bootstrap_servers.iter().any(|a| addresses.contains(a)));
    }

    /// A cluster with these addresses is gone: nothing that was written to it explains a read any more.
    pub fn gone(&self, addresses: &[String]) {
        self.forget(addresses);
        if let Some(file) = self.writes_file(addresses) {
            // Where it stays it is ignored in half a minute.
            let _ = std::fs::remove_file(file);
        }
    }

    /// Forgets every snapshot of every cluster.
    pub fn invalidate(&self) {
        for admin in self.clients.lock().unwrap_or_else(PoisonError::into_inner).values() {
            admin.invalidate();
        }
    }
}
