//! Counts the requests that go to a cluster, at the edge where they are sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A shared counter of requests by API name. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct RequestCounter(Arc<Mutex<BTreeMap<String, u64>>>);

impl RequestCounter {
    /// Counts one request.
    pub fn count(&self, api: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(api.to_string()).or_default() += 1;
    }

    /// How many requests of each API were sent.
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
