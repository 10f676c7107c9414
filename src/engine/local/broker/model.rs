//! Which nodes a cluster has, and what follows from what is wanted: plain data.

use std::collections::BTreeMap;

use base64::Engine;
use serde::{Deserialize, Serialize};

use super::super::{ports, properties};
use super::{CONTROLLER, FIRST_CONTROLLER, INTERNAL};
use crate::diag::Diagnostic;
use crate::engine::spec::{Authentication, ClusterSpec, ListenerSpec};

/// What the nodes' settings follow from, as a text to be compared. It may hold passwords.
pub(super) fn inputs(spec: &ClusterSpec) -> String {
    let plain = spec.listeners.iter().any(|l| l.authentication == Authentication::Plain);
    let listeners = spec.listeners.iter().map(|l| {
        let authentication = match l.authentication {
            Authentication::None => "none",
            Authentication::Mtls => "mtls",
            Authentication::Scram => "scram",
            Authentication::Plain => "plain",
        };
        (l.name.clone(), format!("{:?} {} {authentication}", l.port, l.tls))
    });
    let users = spec.users.iter().filter(|_| plain).map(|(k, v)| (format!("user {k}"), v.clone()));
    let fixed = [
        ("version".to_string(), spec.version.clone()),
        ("nodes".to_string(), format!("{} {}", spec.brokers, spec.controllers)),
        ("heap".to_string(), spec.heap.clone()),
        ("super users".to_string(), spec.super_users.join("\n")),
    ];
    let config = spec.config.iter().map(|(k, v)| (format!("config {k}"), v.clone()));
    let all: Vec<(String, String)> = fixed.into_iter().chain(listeners).chain(users).chain(config).collect();
    properties(all.iter().map(|(k, v)| (k.as_str(), v.as_str())))
}

/// One process of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The node id.
    pub id: i32,
    /// Whether it is a broker.
    pub broker: bool,
    /// Whether it is a controller.
    pub controller: bool,
    /// Port by listener.
    pub ports: BTreeMap<String, u16>,
    /// The digest of what it should run with.
    pub fingerprint: String,
    /// The digest of what it ran with when a change began that has not ended.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub before: String,
}

impl Node {
    /// For people: `broker 1`.
    pub fn label(&self) -> String {
        format!("{} {}", if self.broker { "broker" } else { "controller" }, self.id)
    }

    pub(super) fn file(&self) -> String {
        self.label().replace(' ', "-")
    }
}

/// Which nodes a cluster has, with what was chosen once for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The cluster id.
    pub cluster_id: String,
    /// The voters of the controller quorum: fixed at creation.
    pub voters: Vec<i32>,
    /// The nodes by id.
    pub nodes: Vec<Node>,
    /// The release whose features the cluster was brought to, as `4.3`; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub release: String,
    /// The SCRAM users that were set, each with a keyed digest of the password: setting one anew would change its salt. Empty while it is being
    /// set or removed, so that a run that ends in between is taken up by the next one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, String>,
    /// The release that the metadata version is being raised to; empty once that has ended.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub raising: String,
    /// A change began and has not ended: nodes may run with settings that nobody wants any more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unsettled: bool,
    /// A keyed digest of what was wanted when the last change ended; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub wanted: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
pub(in crate::engine::local) fn is_false(b: &bool) -> bool {
    !*b
}

impl Layout {
    pub(super) fn new() -> Layout {
        let id = || base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes());
        // Kafka's tools would take an id that begins with a dash for an option.
        let cluster_id = std::iter::repeat_with(id).find(|s| !s.starts_with('-')).unwrap_or_default();
        Layout {
            cluster_id,
            voters: vec![],
            nodes: vec![],
            release: String::new(),
            users: BTreeMap::new(),
            raising: String::new(),
            unsettled: false,
            wanted: String::new(),
        }
    }

    /// The layout of a folder in which none was written yet. Nothing of such a cluster was started.
    pub(super) fn blank() -> Layout {
        Layout { cluster_id: String::new(), unsettled: true, ..Layout::new() }
    }

    /// Whether there is no more than a folder.
    pub fn is_blank(&self) -> bool {
        self.cluster_id.is_empty()
    }

    /// The brokers.
    pub fn brokers(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|n| n.broker)
    }

    /// `host:port` of all brokers on a listener, joined by commas.
    pub fn addresses(&self, listener: &str) -> String {
        let all: Vec<String> = self.brokers().filter_map(|n| n.ports.get(listener)).map(|p| format!("127.0.0.1:{p}")).collect();
        all.join(",")
    }

    /// Adds and drops nodes and ports until they are as wanted; returns the nodes that must go.
    pub(super) fn adapt(&mut self, wanted: &ClusterSpec) -> Result<Vec<Node>, Diagnostic> {
        let brokers = wanted.brokers as i32;
        if self.voters.is_empty() {
            self.voters = match wanted.controllers as i32 {
                // Two voters stand a failure no better than one.
                0 => (1..=if brokers < 3 { 1 } else { 3 }).collect(),
                n => (FIRST_CONTROLLER..FIRST_CONTROLLER + n).collect(),
            };
        }
        let ids = |layout: &Layout| -> Vec<i32> {
            (1..=brokers).chain(layout.voters.iter().copied().filter(|v| *v >= FIRST_CONTROLLER)).collect()
        };
        for id in ids(self) {
            if !self.nodes.iter().any(|n| n.id == id) {
                let controller = self.voters.contains(&id);
                let (ports, fingerprint, before) = (BTreeMap::new(), String::new(), String::new());
                self.nodes.push(Node { id, broker: id < FIRST_CONTROLLER, controller, ports, fingerprint, before });
            }
        }
        self.nodes.sort_by_key(|n| n.id);
        for node in &mut self.nodes {
            node.adapt_ports(&wanted.listeners)?;
        }
        Ok(self.brokers().filter(|n| n.id > brokers).cloned().collect())
    }
}

impl Node {
    fn adapt_ports(&mut self, listeners: &[ListenerSpec]) -> Result<(), Diagnostic> {
        let mut own: Vec<(&str, Option<u16>)> = vec![];
        if self.controller {
            own.push((CONTROLLER, None));
        }
        if self.broker {
            own.push((INTERNAL, None));
            own.extend(listeners.iter().map(|l| (l.name.as_str(), l.port.map(|p| p.saturating_add((self.id - 1) as u16)))));
        }
        self.ports.retain(|name, _| own.iter().any(|(n, _)| n == name));
        for (name, fixed) in own {
            let port = match (fixed, self.ports.get(name)) {
                (Some(port), _) => port,
                (None, Some(port)) => *port,
                (None, None) => ports::free()?,
            };
            self.ports.insert(name.into(), port);
        }
        Ok(())
    }
}
