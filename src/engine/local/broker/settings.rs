//! The settings of a node: a function of the layout and of what is wanted.

use std::collections::BTreeMap;

use super::super::properties;
use super::{CONTROLLER, Cluster, INTERNAL, Layout, Node};
use crate::engine::spec::{Authentication, ClusterSpec};

impl Cluster {
    pub(super) fn settings(&self, layout: &Layout, wanted: &ClusterSpec, node: &Node) -> String {
        let mut all = sizes(wanted.brokers);
        all.extend(self.identity_settings(layout, node));
        all.extend(self.security_settings(wanted, node));
        all.extend(wanted.config.iter().map(|(k, v)| (k.clone(), v.clone())));
        properties(all.iter().map(|(k, v)| (k.as_str(), v.as_str())))
    }

    fn identity_settings(&self, layout: &Layout, node: &Node) -> BTreeMap<String, String> {
        let voter = |id: &i32| {
            let port = layout.nodes.iter().find(|n| n.id == *id).and_then(|n| n.ports.get(CONTROLLER)).copied().unwrap_or_default();
            format!("{id}@127.0.0.1:{port}")
        };
        let roles: Vec<&str> =
            [("broker", node.broker), ("controller", node.controller)].into_iter().filter(|r| r.1).map(|r| r.0).collect();
        let listeners = |with_controller: bool| -> String {
            let shown = node.ports.iter().filter(|(name, _)| with_controller || *name != CONTROLLER);
            shown.map(|(name, port)| format!("{name}://127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
        };
        let mut s: BTreeMap<String, String> = BTreeMap::from([
            ("process.roles".into(), roles.join(",")),
            ("node.id".into(), node.id.to_string()),
            ("controller.quorum.voters".into(), layout.voters.iter().map(voter).collect::<Vec<_>>().join(",")),
            ("controller.listener.names".into(), CONTROLLER.into()),
            ("listeners".into(), listeners(true)),
            ("log.dirs".into(), self.data(node).display().to_string()),
        ]);
        if node.broker {
            s.insert("advertised.listeners".into(), listeners(false));
            s.insert("inter.broker.listener.name".into(), INTERNAL.into());
        }
        s
    }

    fn security_settings(&self, wanted: &ClusterSpec, node: &Node) -> BTreeMap<String, String> {
        let pki = self.pki_dir();
        let mut map = vec![format!("{CONTROLLER}:SSL"), format!("{INTERNAL}:SSL")];
        let mut s: BTreeMap<String, String> = BTreeMap::new();
        for name in [CONTROLLER, INTERNAL] {
            s.insert(format!("listener.name.{}.ssl.client.auth", name.to_lowercase()), "required".into());
        }
        for l in wanted.listeners.iter().filter(|_| node.broker) {
            map.push(format!("{}:{}", l.name, l.protocol()));
            let prefix = format!("listener.name.{}", l.name.to_lowercase());
            let auth = if l.authentication == Authentication::Mtls { "required" } else { "none" };
            s.insert(format!("{prefix}.ssl.client.auth"), auth.into());
            s.extend(sasl_settings(&prefix, l.authentication, &wanted.users));
        }
        let users = ["User:CN=broker", "User:CN=admin"].into_iter().chain(wanted.super_users.iter().map(String::as_str));
        let fixed = [
            ("listener.security.protocol.map", map.join(",")),
            ("ssl.keystore.type", "PEM".into()),
            ("ssl.keystore.location", pki.join("broker.pem").display().to_string()),
            ("ssl.truststore.type", "PEM".into()),
            ("ssl.truststore.location", pki.join("ca.crt").display().to_string()),
            ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer".into()),
            ("allow.everyone.if.no.acl.found", "false".into()),
            ("super.users", users.collect::<Vec<_>>().join(";")),
        ];
        s.extend(fixed.map(|(k, v)| (k.to_string(), v)));
        s
    }
}

/// The settings of a listener with SASL. PLAIN's users stand in them; SCRAM's are kept by the cluster.
fn sasl_settings(prefix: &str, authentication: Authentication, users: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let (mechanism, login) = match authentication {
        Authentication::Scram => ("SCRAM-SHA-512", "scram.ScramLoginModule required;".to_string()),
        Authentication::Plain => {
            let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let users: String = users.iter().map(|(user, password)| format!(" user_{user}=\"{}\"", quoted(password))).collect();
            ("PLAIN", format!("plain.PlainLoginModule required{users};"))
        }
        Authentication::None | Authentication::Mtls => return vec![],
    };
    vec![
        (format!("{prefix}.sasl.enabled.mechanisms"), mechanism.into()),
        (format!("{prefix}.{}.sasl.jaas.config", mechanism.to_lowercase()), format!("org.apache.kafka.common.security.{login}")),
    ]
}

/// Settings that suit small clusters on one machine.
pub fn sizes(brokers: usize) -> BTreeMap<String, String> {
    let replicas = brokers.min(3).to_string();
    let in_sync = if brokers >= 3 { "2" } else { "1" };
    // Short timers make restarts quick; with several brokers on few cores they would make the quorum restless.
    let (session, heartbeat) = if brokers == 1 { ("2000", "500") } else { ("6000", "1000") };
    let pairs = [
        ("num.network.threads", "2"),
        ("num.io.threads", "2"),
        ("background.threads", "2"),
        ("num.recovery.threads.per.data.dir", "1"),
        ("group.initial.rebalance.delay.ms", "0"),
        ("num.partitions", "1"),
        ("default.replication.factor", &replicas),
        ("min.insync.replicas", in_sync),
        ("offsets.topic.num.partitions", "4"),
        ("offsets.topic.replication.factor", &replicas),
        ("transaction.state.log.num.partitions", "4"),
        ("transaction.state.log.replication.factor", &replicas),
        ("transaction.state.log.min.isr", in_sync),
        ("share.coordinator.state.topic.num.partitions", "1"),
        ("share.coordinator.state.topic.replication.factor", &replicas),
        ("share.coordinator.state.topic.min.isr", in_sync),
        ("log.cleaner.dedupe.buffer.size", "4194304"),
        ("auto.create.topics.enable", "false"),
        ("broker.session.timeout.ms", session),
        ("broker.heartbeat.interval.ms", heartbeat),
        ("controller.quorum.append.linger.ms", "0"),
    ];
    pairs.into_iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
}
