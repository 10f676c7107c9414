//! The settings of a worker: a function of the layout and of what is wanted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::properties;
use super::{ConnectCluster, Worker};
use crate::client::kafka::{KafkaConnection, SecurityProtocol};
use crate::engine::spec::ConnectSpec;

impl ConnectCluster {
    pub(super) fn settings(
        &self,
        worker: &Worker,
        wanted: &ConnectSpec,
        identity: &Option<PathBuf>,
        plugins: &[PathBuf],
        password: &str,
    ) -> String {
        let names = wanted.names();
        let joined = |paths: &[PathBuf]| paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(",");
        // Without any folder the provider would read every file of this user.
        let allowed = if wanted.secrets.is_empty() { self.dir.join("no-secrets").display().to_string() } else { joined(&wanted.secrets) };
        let fixed: [(&str, String); 24] = [
            ("group.id", names.group.clone()),
            ("config.storage.topic", names.config.clone()),
            ("offset.storage.topic", names.offset.clone()),
            ("status.storage.topic", names.status.clone()),
            ("config.storage.replication.factor", "-1".into()),
            ("offset.storage.replication.factor", "-1".into()),
            ("status.storage.replication.factor", "-1".into()),
            ("offset.storage.partitions", "5".into()),
            ("status.storage.partitions", "5".into()),
            ("key.converter", "org.apache.kafka.connect.json.JsonConverter".into()),
            ("key.converter.schemas.enable", "false".into()),
            ("value.converter", "org.apache.kafka.connect.json.JsonConverter".into()),
            ("value.converter.schemas.enable", "false".into()),
            ("offset.flush.interval.ms", "1000".into()),
            ("scheduled.rebalance.max.delay.ms", "1000".into()),
            ("connector.client.config.override.policy", "All".into()),
            ("topic.creation.enable", "true".into()),
            ("config.providers", "file".into()),
            ("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider".into()),
            ("config.providers.file.param.allowed.paths", allowed),
            ("plugin.path", joined(plugins)),
            // Old plugins carry no manifests: with plugins they are searched for, which takes longer.
            ("plugin.discovery", if plugins.is_empty() { "service_load" } else { "hybrid_warn" }.into()),
            ("rest.advertised.host.name", "127.0.0.1".into()),
            ("rest.advertised.port", worker.port.to_string()),
        ];
        let mut all: BTreeMap<String, String> = fixed.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
        all.extend(self.rest(worker, wanted.mtls, password));
        let client = client_settings(&wanted.kafka, identity.as_deref());
        for prefix in ["", "producer.", "consumer.", "admin."] {
            all.extend(client.iter().map(|(k, v)| (format!("{prefix}{k}"), v.clone())));
        }
        all.insert("bootstrap.servers".into(), wanted.kafka.bootstrap_servers.join(","));
        all.extend(wanted.config.clone());
        all.retain(|k, v| k != "plugin.path" || !v.is_empty());
        properties(all.iter().map(|(k, v)| (k.as_str(), v.as_str())))
    }

    fn rest(&self, worker: &Worker, mtls: bool, password: &str) -> BTreeMap<String, String> {
        let scheme = if mtls { "https" } else { "http" };
        let mut all = BTreeMap::from([
            ("listeners".to_string(), format!("{scheme}://127.0.0.1:{}", worker.port)),
            ("rest.advertised.listener".to_string(), scheme.to_string()),
        ]);
        if mtls {
            let store = |name: &str| self.dir.join("pki").join(name).display().to_string();
            let ssl: [(&str, String); 8] = [
                ("client.auth", "required".into()),
                ("keystore.type", "PKCS12".into()),
                ("keystore.location", store("keys.p12")),
                ("keystore.password", password.into()),
                ("key.password", password.into()),
                ("truststore.type", "PKCS12".into()),
                ("truststore.location", store("trust.p12")),
                ("truststore.password", password.into()),
            ];
            all.extend(ssl.map(|(k, v)| (format!("listeners.https.ssl.{k}"), v)));
        }
        all
    }
}

/// What a Java client needs to connect as `kafka` says.
fn client_settings(kafka: &KafkaConnection, identity: Option<&Path>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([("security.protocol".to_string(), kafka.protocol.as_str().to_string())]);
    let mut set = |k: &str, v: String| all.insert(k.into(), v);
    if kafka.protocol.tls() {
        for (kind, path) in [("keystore", identity), ("truststore", kafka.ca_file.as_deref())] {
            if let Some(path) = path {
                set(&format!("ssl.{kind}.type"), "PEM".into());
                set(&format!("ssl.{kind}.location"), path.display().to_string());
            }
        }
        if kafka.insecure_skip_verify {
            set("ssl.endpoint.identification.algorithm", String::new());
        }
    }
    if let (true, Some(mechanism)) =
        (matches!(kafka.protocol, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl), kafka.mechanism)
    {
        let module = if mechanism.as_str() == "PLAIN" { "plain.PlainLoginModule" } else { "scram.ScramLoginModule" };
        let quote = |text: Option<&str>| text.unwrap_or_default().replace('\\', "\\\\").replace('"', "\\\"");
        let (user, password) = (quote(kafka.username.as_deref()), quote(kafka.password.as_deref()));
        set("sasl.mechanism", mechanism.as_str().into());
        set("sasl.jaas.config", format!("org.apache.kafka.common.security.{module} required username=\"{user}\" password=\"{password}\";"));
    }
    all
}
