//! `kafka_connect`: a Connect cluster that streamform runs. What its engines do lies in [`crate::engine`]; here are its schema and its decisions.

mod ops;

pub(super) use ops::BINDING;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;

use self::ops::{
    connect_key, kafka_ops, kafka_place, recorded_names, released, rotated, settings_differ, used_versions, versions, written_names,
};
use super::kafka_cluster::{default_name, engine_error, engine_name, name_error, reserved_error, text_map, version_error};
use super::kafka_connect_data::admin_type;
use super::local_common::{
    StepMandate, alive, answered, count, differs, heap_error, hidden, in_setting, name_errors, name_of, not_deleted, not_kept, numbers,
    op_of, said,
};
use super::{
    Desk, Hold, Key, Observed, Op, OpAction, Place, PlanInput, PlanOutput, Private, RUNNING, ReadRequest, ResourceType, Session,
    StepRequest, StepResult, Verb, attr_error, together,
};
use crate::addr::{InstanceAddr, Mode};
use crate::client::connect::swap_folders;
use crate::client::kafka::{Admin, KafkaConnection, KafkaPool};
use crate::diag::codes::engine as codes;
use crate::diag::{Diagnostic, Diagnostics};
use crate::engine::deployed::DeployedConnect;
use crate::engine::spec::{ConnectSpec, Names};
use crate::engine::{self, Class, ConnectChange, ConnectEngine, ConnectPlan};
use crate::schema::{Attribute, Body, NestedBlock, Nesting, Schema};
use crate::value::{Type, Value};

/// The resource type `kafka_connect`.
pub struct KafkaConnect;

/// Worker settings that follow from the other arguments.
const RESERVED_SETTINGS: &[&str] = &[
    "bootstrap.servers",
    "group.id",
    "config.storage.topic",
    "offset.storage.topic",
    "status.storage.topic",
    "key.converter.schema.registry.url",
    "value.converter.schema.registry.url",
];

/// Variables that follow from the other arguments.
const RESERVED_VARIABLES: &[&str] = &[
    "KAFKA_HEAP_OPTS",
    "KAFKA_OPTS",
    "CONNECT_REST_ADVERTISED_HOST_NAME",
    "CONNECT_BOOTSTRAP_SERVERS",
    "CONNECT_GROUP_ID",
    "CONNECT_CONFIG_STORAGE_TOPIC",
    "CONNECT_OFFSET_STORAGE_TOPIC",
    "CONNECT_STATUS_STORAGE_TOPIC",
    "CONNECT_KEY_CONVERTER_SCHEMA_REGISTRY_URL",
    "CONNECT_VALUE_CONVERTER_SCHEMA_REGISTRY_URL",
];

/// Settings that the local engine sets for REST and identity, and such as would open REST on other addresses or without client certificates.
const LOCAL_SETTINGS: &[&str] = &["listeners", "admin.listeners", "rest.host.name", "rest.port", "plugin.path"];
/// How the names of further ones begin.
const LOCAL_PREFIXES: &[&str] = &["listeners.", "admin.listeners.", "rest.advertised."];

/// The arguments that not every engine has, and what they are to whoever writes them. More workers than `max_replicas` there never are.
const OF_SOME_ENGINES: &[(&str, Class)] = &[
    ("max_replicas", Class::Placement),
    ("pod_annotations", Class::Placement),
    ("pod_labels", Class::Placement),
    ("service_annotations", Class::Placement),
    ("service_labels", Class::Placement),
    ("node_selector", Class::Placement),
    ("service_account_name", Class::Placement),
    ("affinity", Class::Placement),
    ("tolerations", Class::Placement),
    ("resources", Class::Placement),
    ("volumes", Class::Promise),
    ("volume_mounts", Class::Promise),
    ("jmx_exporter", Class::Placement),
];

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema {
    version: 0,
    doc: "A Kafka Connect cluster (distributed mode). The engine `local` runs `min_replicas` workers as processes of this machine. Its three \
          internal topics and the rights that the workers themselves need are made on Kafka before they start, and removed with it.\n\nSecrets: a \
          `mount` gives connectors the files of a `secret` through Kafka's file provider: write \
          `\"$${file:/etc/secrets/creds.properties:key}\"` where `path` is `/etc/secrets`. The engine `local` changes nothing outside its own \
          folder: of its workers a `kafka_connector` asks for the folder in which the secret really lies (`mount_paths` tells it). \
          Both converters are JSON without schemas unless set in `config`.",
    body: Body { attributes: attributes(), blocks: vec![mount_block(), internal_topics_block()] },
});

fn internal_topics_block() -> NestedBlock {
    let topic = |name, doc| Attribute::optional(name, Type::String, doc).force_new();
    NestedBlock {
        name: "internal_topics",
        nesting: Nesting::Single,
        min: 0,
        doc: "The topics in which the workers keep connectors, offsets and states, where they are not to have the names that follow from the Connect cluster's. Topics that are there must be compacted.",
        body: Body {
            attributes: vec![
                topic("config", "The topic of connector configurations. It has one partition."),
                topic("offset", "The topic of source offsets."),
                topic("status", "The topic of states."),
            ],
            blocks: vec![],
        },
    }
}

fn mount_block() -> NestedBlock {
    NestedBlock {
        name: "mount",
        nesting: Nesting::Map,
        min: 0,
        doc: "A secret whose files connectors may read.",
        body: Body {
            attributes: vec![
                Attribute { force_new: false, ..Attribute::reference("secret", &["secret"], "The secret.") },
                Attribute::required("path", Type::String, "The folder as connectors see it on Kubernetes, such as `/etc/secrets`."),
            ],
            blocks: vec![],
        },
    }
}

fn attributes() -> Vec<Attribute> {
    let text_map = || Type::map(Type::String);
    let mut all = vec![
        Attribute::reference("cluster", &["kafka_cluster"], "The Kafka cluster that it belongs to."),
        Attribute::optional_computed("name", Type::String, "The Connect cluster's name. Default: the block's.").force_new(),
        Attribute::optional(
            "engine",
            Type::String,
            "What runs it: `local`. (`native`, `strimzi`, `koperator` are not available in this version.)",
        )
        .default("local")
        .force_new(),
        Attribute::optional("version", Type::String, "Kafka's version, 4.0 or newer. A change rolls the workers.").default("4.3.1"),
        Attribute::optional("min_replicas", Type::Number, "How many workers there are at least; the engine `local` runs just so many.")
            .default(1),
        Attribute::optional("max_replicas", Type::Number, "How many workers load may bring about. Used by the Kubernetes engines.")
            .default(5),
        Attribute::optional(
            "service_port",
            Type::Number,
            "The REST port of the first worker; the next ones follow it. Default: free ports, kept from then on.",
        ),
        Attribute::optional("mtls", Type::Bool, "Whether REST demands client certificates. False: plain HTTP on loopback.").default(true),
        Attribute::optional(
            "heap_opts",
            Type::String,
            "Heap flags of each worker. The default suits the engine `local`; the Kubernetes engines take -Xms512M -Xmx2048M.",
        )
        .default("-Xms64M -Xmx384M"),
        Attribute::optional(
            "plugins",
            Type::list(Type::String),
            "Connector plugins: Maven's `group:artifact:version`, a folder of jars, or a folder of such folders.",
        ),
        Attribute::optional("config", text_map(), "Worker settings. A change restarts the workers one at a time, and so does another content of a mounted secret that a placeholder here names.").names_things(),
        Attribute::optional(
            "env",
            text_map(),
            "Variables for the workers; `CONNECT_OFFSET_FLUSH_INTERVAL_MS` and the like stand for worker settings, as in the usual container \
             images. They do not inherit the environment of streamform. Values of names that say password or the like are not shown and not stored.",
        )
        .names_things(),
        Attribute::optional(
            "schema_registry",
            Type::Dynamic,
            "The schema registry of both converters: its URL, or an object with an attribute `url`.",
        ),
    ];
    let kubernetes = [
        ("pod_annotations", text_map(), "Annotations of the pods. Used by the Kubernetes engines."),
        ("pod_labels", text_map(), "Labels of the pods. Used by the Kubernetes engines."),
        ("service_annotations", text_map(), "Annotations of the service. Used by the Kubernetes engines."),
        ("service_labels", text_map(), "Labels of the service. Used by the Kubernetes engines."),
        ("node_selector", text_map(), "Labels that nodes must have. Used by the Kubernetes engines."),
        ("service_account_name", Type::String, "The pods' service account. Used by the Kubernetes engines."),
        ("affinity", Type::Dynamic, "The pods' affinity, as Kubernetes has it. Used by the Kubernetes engines."),
        ("tolerations", Type::Dynamic, "The pods' tolerations, as Kubernetes has them. Used by the Kubernetes engines."),
        ("resources", Type::Dynamic, "Requests and limits, as Kubernetes has them. Used by the Kubernetes engines."),
        ("volumes", Type::Dynamic, "Further volumes, as Kubernetes has them. Used by the Kubernetes engines."),
        ("volume_mounts", Type::Dynamic, "Where they are mounted. Used by the Kubernetes engines."),
        ("jmx_exporter", Type::Dynamic, "Settings of the metrics exporter. Used by the Kubernetes engines."),
    ];
    all.extend(kubernetes.map(|(name, ty, doc)| Attribute::optional(name, ty, doc)));
    all.push(Attribute::optional_computed("group_id", Type::String, "The workers' group on Kafka. Default: one that follows from the name. With the group and the topics of a running Connect cluster its connectors and offsets are taken over; after a later change they are not found again.").force_new());
    let computed = [
        ("principal", Type::String, "Who workers and connectors are on Kafka."),
        ("config_topic", Type::String, "The topic of connector configurations."),
        ("offset_topic", Type::String, "The topic of source offsets."),
        ("status_topic", Type::String, "The topic of states."),
        ("endpoint", Type::String, "The REST interface's URL."),
        ("admin", admin_type(), "How connectors reach it."),
        ("mounts", text_map(), "The real folder of each mount by its label."),
        ("mount_paths", text_map(), "The real folder of each mount by its `path`."),
        ("mount_versions", text_map(), "The version of each mounted secret by the mount's `path`: connectors restart when it changes."),
        ("cluster_id", Type::String, "The id of the Kafka cluster that it was set up on."),
        (RUNNING, Type::list(Type::Number), "The workers that run as configured."),
    ];
    all.extend(computed.map(|(name, ty, doc)| Attribute::computed(name, ty, doc)));
    all
}

/// The common name of the workers' certificate; `None` on a cluster that streamform does not run, which issues none.
fn common_name(cluster: Option<&Value>, name: &str) -> Option<String> {
    let cluster = cluster?;
    let managed = cluster.origin().is_some_and(|o| o.resource.mode == Mode::Managed);
    managed.then(|| cluster.get_str("name")).flatten().map(|c| format!("{c}-{name}-connect"))
}

/// The principal where the configuration tells it: else only the certificate does.
fn principal(cluster: Option<&Value>, name: &str) -> Option<String> {
    if let Some(name) = common_name(cluster, name) {
        return Some(format!("User:CN={name}"));
    }
    let admin = cluster?.get("admin")?;
    match admin.get_str("security_protocol").as_deref() {
        Some("SASL_SSL" | "SASL_PLAINTEXT") => admin.get_str("username").map(|u| format!("User:{u}")),
        Some("PLAINTEXT") => Some("User:ANONYMOUS".into()),
        _ => None,
    }
}

/// The real folders of the mounts, by label and by path; `None` while a secret's folder is not known.
fn folders(value: &Value) -> Option<(Value, Value)> {
    let (mut labels, mut paths) = (BTreeMap::<Arc<str>, Value>::new(), BTreeMap::<Arc<str>, Value>::new());
    let mounts = value.get("mount");
    for (label, mount) in mounts.iter().filter_map(Value::as_map).flatten() {
        let dir = mount.get("secret")?.get_str("dir")?;
        paths.insert(mount.get_str("path")?.into(), Value::string(&dir));
        labels.insert(label.clone(), Value::string(&dir));
    }
    Some((Value::map(Type::String, labels.into()), Value::map(Type::String, paths.into())))
}

/// The worker setting that a variable stands for, as in the usual container images: `CONNECT_OFFSET_FLUSH_INTERVAL_MS` is
/// `offset.flush.interval.ms`; two underscores are one, three a dash.
fn setting_of(variable: &str) -> Option<String> {
    let rest = variable.strip_prefix("CONNECT_").filter(|r| !r.is_empty())?.to_lowercase();
    Some(rest.replace("___", "-").replace("__", "\0").replace('_', ".").replace('\0', "_"))
}

/// Why a worker setting cannot be set by hand, as the hint about what to do instead.
fn reserved(setting: &str) -> Option<&'static str> {
    if RESERVED_SETTINGS.contains(&setting) {
        return Some("It follows from the cluster, the name, `group_id`, `internal_topics` and `schema_registry`.");
    }
    let local = LOCAL_SETTINGS.contains(&setting) || LOCAL_PREFIXES.iter().any(|p| setting.starts_with(p));
    local.then_some("Use `service_port`, `mtls` and `plugins`.")
}

/// The registry's address: a URL, or an object that has one (`url`, `endpoint`).
fn registry_url(value: &Value) -> Option<Value> {
    let registry = value.get("schema_registry").filter(|r| !r.is_null())?;
    if !registry.is_known() || registry.as_str().is_some() {
        return Some(registry);
    }
    ["url", "endpoint"].iter().find_map(|name| registry.get(name)).filter(|v| !v.is_null())
}

fn registry_error(config: &Value) -> Option<Diagnostic> {
    let registry = config.get("schema_registry").filter(|r| !r.is_null() && r.is_known())?;
    let web = |url: &str| (url.starts_with("http://") || url.starts_with("https://")) && !url.contains(char::is_whitespace);
    let fine = registry_url(config).is_some_and(|url| !url.is_known() || url.as_str().is_some_and(|all| all.split(',').all(web)));
    (!fine).then(|| {
        let d = Diagnostic::error(codes::INVALID_ARGUMENT, format!("{registry} is no schema registry's address."));
        attr_error(
            "schema_registry",
            d.hint("Write its URL, such as \"http://127.0.0.1:8081\", or refer to an object that has an attribute url."),
        )
    })
}

/// Internal topics that are one and the same, or whose name no topic can have.
fn name_clash(config: &Value) -> Option<Diagnostic> {
    let topics = config.get("internal_topics")?;
    let named = ["config", "offset", "status"].map(|kind| (kind, topics.get_str(kind)));
    let error = |kind: &str, why: String| attr_error(format!("internal_topics.{kind}"), Diagnostic::error(codes::INVALID_ARGUMENT, why));
    for (i, (kind, name)) in named.iter().enumerate() {
        let Some(name) = name else { continue };
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > 249 || !name.chars().all(plain) || [".", ".."].contains(&name.as_str()) {
            let d = error(kind, format!("{} cannot be a topic's name.", crate::addr::quote(name)));
            return Some(d.hint("Use at most 249 letters, digits, dots, dashes and underscores."));
        }
        if let Some((other, _)) = named[..i].iter().find(|(_, n)| n.as_ref() == Some(name)) {
            let d = error(kind, format!("The topic \"{name}\" is already that of `{other}`."));
            return Some(d.hint("Workers keep each of the three in a topic of its own."));
        }
    }
    None
}

/// Mounts that cannot be told apart, or whose path names no folder.
fn mount_errors(config: &Value) -> Vec<Diagnostic> {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mounts = config.get("mount");
    let check = |(label, mount): (&Arc<str>, &Value)| {
        let path = mount.get_str("path")?;
        let plain = path.trim_end_matches('/').to_string();
        let why = match seen.insert(plain.clone(), label.to_string()) {
            _ if !path.starts_with('/') || plain.is_empty() || path.contains([':', '}']) => {
                format!("\"{path}\" cannot be a mounted folder.")
            }
            Some(other) => format!("The mounts \"{other}\" and \"{label}\" have the same path \"{path}\"."),
            None => return None,
        };
        let d = Diagnostic::error(codes::INVALID_ARGUMENT, why).hint("Use a path of its own from the root on, such as \"/etc/secrets\".");
        Some(attr_error(format!("mount[{}].path", crate::addr::quote(label)), d))
    };
    mounts.iter().filter_map(Value::as_map).flatten().filter_map(check).collect()
}

/// Worker settings set by hand: variables for settings, `config`, and the registry of both converters.
fn written_settings(planned: &Value) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = text_map(planned, "env").into_iter().filter_map(|(k, v)| Some((setting_of(&k)?, v))).collect();
    all.extend(text_map(planned, "config"));
    if let Some(url) = registry_url(planned).as_ref().and_then(Value::as_str) {
        all.extend(["key", "value"].map(|side| (format!("{side}.converter.schema.registry.url"), url.to_string())));
    }
    all
}

/// [`written_settings`] as the workers need them: placeholders name the folders in which the secrets really lie, not the mounted ones.
fn settings(planned: &Value) -> BTreeMap<String, String> {
    let mut all = written_settings(planned);
    let folders = planned.get("mount_paths");
    let pairs: Vec<(&str, &str)> = folders
        .iter()
        .filter_map(Value::as_map)
        .flatten()
        .filter_map(|(path, dir)| Some((path.trim_end_matches('/'), dir.as_str()?)))
        .collect();
    all.values_mut().for_each(|text| *text = swap_folders(text, pairs.iter().copied()));
    all
}

/// The plugins as they are written.
fn plugins(object: &Value) -> Vec<String> {
    let texts = |v: Value| v.as_slice().map(|s| s.iter().filter_map(|v| v.as_str().map(str::to_string)).collect());
    object.get("plugins").and_then(texts).unwrap_or_default()
}

/// The object as engines are told.
fn spec_of(name: &str, planned: &Value, kafka: KafkaConnection) -> ConnectSpec {
    let dirs = folders(planned).map(|f| f.0);
    let version = |(path, v): (String, Value)| (path, v.as_str().unwrap_or_default().to_string());
    ConnectSpec {
        name: name.to_string(),
        version: planned.get_str("version").unwrap_or_default(),
        workers: count(planned, "min_replicas").max(1),
        port: planned.get("service_port").and_then(|v| v.as_i64()).and_then(|p| u16::try_from(p).ok()),
        mtls: planned.get("mtls").and_then(|v| v.as_bool()).unwrap_or(true),
        heap: planned.get_str("heap_opts").unwrap_or_default(),
        plugins: plugins(planned),
        config: settings(planned),
        env: text_map(planned, "env"),
        read_secrets: used_versions(planned).into_iter().map(version).collect(),
        secrets: dirs.iter().filter_map(Value::as_map).flat_map(|m| m.values()).filter_map(|v| v.as_str().map(PathBuf::from)).collect(),
        kafka,
        names: Some(recorded_names(planned)).filter(|names| *names != Names::of(name)),
        common_name: common_name(planned.get("cluster").as_ref(), name),
    }
}

fn engine_of(object: &Value) -> Result<&'static dyn ConnectEngine, Diagnostic> {
    let name = engine_name(object);
    engine::connect(&name).ok_or_else(|| engine_error(&name))
}

/// The object with its computed attributes filled in from what the engine found.
fn filled(addr: &InstanceAddr, base: &Value, found: &DeployedConnect) -> Value {
    let mut attrs = base.as_map().cloned().unwrap_or_default();
    let name = name_of(addr, base);
    let names = recorded_names(base);
    let way = &found.admin;
    let text = |v: &Option<String>| v.as_ref().map_or(Value::null(Type::String), Value::string);
    let admin = Value::object_from([
        ("url", Value::string(&way.url)),
        ("ca_file", text(&way.ca_file)),
        ("certificate_file", text(&way.certificate_file)),
        ("key_file", text(&way.key_file)),
        ("username", text(&way.username)),
        ("password", text(&way.password)),
        ("insecure_skip_verify", way.insecure_skip_verify.into()),
    ]);
    // Where nothing was written down, what was planned stands.
    let planned = || base.get("principal").filter(Value::is_known).unwrap_or_else(|| Value::string(""));
    let principal = found.principal.as_ref().map_or_else(planned, Value::string);
    let computed = [
        ("name", name.into()),
        ("principal", principal),
        ("group_id", names.group.into()),
        ("config_topic", names.config.into()),
        ("offset_topic", names.offset.into()),
        ("status_topic", names.status.into()),
        ("endpoint", Value::string(&way.url)),
        ("admin", admin),
        (RUNNING, numbers(found.running.iter().copied())),
    ];
    attrs.extend(computed.into_iter().map(|(k, v)| (Arc::from(k), v)));
    Value::object_of(attrs, base.origin().cloned())
}

/// After an apply: what follows from the referenced objects, which a refresh leaves as recorded.
fn with_references(value: Value) -> Value {
    let mut attrs = value.as_map().cloned().unwrap_or_default();
    let cluster_id = value.get("cluster").and_then(|c| c.get_str("cluster_id"));
    attrs.insert("cluster_id".into(), cluster_id.map_or(Value::null(Type::String), Value::from));
    if let Some((labels, paths)) = folders(&value) {
        attrs.insert("mounts".into(), labels);
        attrs.insert("mount_paths".into(), paths);
    }
    attrs.insert("mount_versions".into(), versions(&value));
    Value::object_of(attrs, value.origin().cloned())
}

/// What the engine would do with the workers.
fn worker_plan(engine: &dyn ConnectEngine, prior: Option<(&Value, &Private)>, planned: &Value) -> ConnectPlan {
    let (prior, record) = prior.unzip();
    let rotated = prior.map(|p| rotated(p, planned)).unwrap_or_default();
    engine.plan(&ConnectChange {
        was: prior.map(|p| count(p, "min_replicas").max(1)),
        workers: count(planned, "min_replicas").max(1),
        record,
        running: &prior.map(alive).unwrap_or_default(),
        settings: prior.is_some_and(|p| settings_differ(p, planned)),
        address: prior.is_some_and(|p| ["service_port", "mtls"].iter().any(|name| differs(p, planned, name))),
        rotated: &rotated,
    })
}

/// The address of an object with this URL.
fn address(prior: Option<&Value>, url: String) -> Option<[(Arc<str>, Value); 2]> {
    let url = Value::string(url);
    let mut admin = prior?.get("admin")?.as_map()?.clone();
    admin.insert("url".into(), url.clone());
    Some([("endpoint".into(), url), ("admin".into(), Value::object(admin))])
}

/// The administrator's client of the cluster that an object belongs to.
fn kafka_of(cx: &Session, value: &Value) -> Result<(KafkaConnection, Arc<Admin>), Diagnostic> {
    let admin = value.get("cluster").and_then(|c| c.get("admin"));
    let connection = admin.as_ref().map(KafkaConnection::from_value).transpose()?.flatten();
    let connection = connection.ok_or_else(|| {
        Diagnostic::error(codes::INVALID_ARGUMENT, "How to reach the Kafka cluster of this Connect cluster is not known.")
            .hint("Make sure that `cluster` refers to a cluster that exists.")
    })?;
    let client = cx.pool::<KafkaPool>().admin(&connection)?;
    Ok((connection, client))
}

impl KafkaConnect {
    async fn observe(cx: &Session, request: &ReadRequest) -> Result<Observed, Diagnostic> {
        let found = engine_of(&request.prior)?.observe(cx.site(), &name_of(&request.addr, &request.prior)).await?;
        Ok(found.map_or(Observed::Absent, |found| Observed::present(filled(&request.addr, &request.prior, &found), found.record)))
    }

    async fn make(cx: &Session, step: &StepRequest, planned: &Value, index: usize, desk: &dyn Desk) -> Result<StepResult, Diagnostic> {
        let (engine, name) = (engine_of(planned)?, name_of(&step.addr, planned));
        let mandate = StepMandate { ops: &step.ops, kind: engine.kind(), desk, step: index };
        let note = |text: &str| cx.progress.note(&step.addr, text);
        let (connection, kafka) = kafka_of(cx, planned)?;
        let spec = spec_of(&name, planned, connection);
        // Rights are granted to the principal that was planned, or to nobody.
        let principal = Value::object_from([("principal", engine.principal(cx.site(), &spec).await?.into())]);
        let known = planned.get("principal").map(|p| Value::object_from([("principal", p)]));
        if let Some(error) = known.and_then(|planned| answered(&PRINCIPAL, &planned, &principal)) {
            return Err(error);
        }
        let found = engine.converge(cx.site(), &spec, &kafka, &mandate, &note, step.timeout).await?;
        let value = with_references(filled(&step.addr, planned, &found));
        match answered(&SCHEMA, planned, &value) {
            Some(error) => Err(error),
            None => Ok(StepResult::done(value, found.record)),
        }
    }

    async fn destroy(cx: &Session, step: &StepRequest, prior: &Value) -> Result<StepResult, Diagnostic> {
        if let Some(error) = not_deleted(&step.ops, connect_key(prior).as_ref()) {
            return Err(error);
        }
        let note = |text: &str| cx.progress.note(&step.addr, text);
        let (connection, kafka) = kafka_of(cx, prior)?;
        let gone = released(step, prior, connection);
        engine_of(prior)?.destroy(cx.site(), &name_of(&step.addr, prior), &kafka, &gone, &note).await?;
        Ok(StepResult::gone())
    }

    async fn step(cx: &Session, verb: Verb, step: &StepRequest, index: usize, desk: &dyn Desk) -> StepResult {
        let outcome = match (verb, &step.planned, &step.prior) {
            (Verb::Delete, _, Some(prior)) => Self::destroy(cx, step, prior).await,
            (Verb::Create | Verb::Update, Some(planned), _) => Self::make(cx, step, planned, index, desk).await,
            _ => Ok(StepResult::gone()),
        };
        let Some(base) = step.prior.as_ref().or(step.planned.as_ref()) else { return StepResult::gone() };
        let error = match outcome {
            Ok(done) => return done,
            Err(error) => error,
        };
        // After a failure there is what the engine finds: whatever was started is known to the next run.
        let found = match engine_of(base) {
            Ok(engine) => engine.observe(cx.site(), &name_of(&step.addr, base)).await.ok().flatten(),
            Err(_) => None,
        };
        let left = found.map(|found| {
            let value = filled(&step.addr, base, &found);
            (if step.prior.is_some() { value } else { with_references(value) }, found.record)
        });
        StepResult::failed(error, left)
    }
}

/// The one attribute that must be as planned before anything is done.
static PRINCIPAL: LazyLock<Schema> = LazyLock::new(|| Schema {
    version: 0,
    doc: "",
    body: Body { attributes: vec![Attribute::computed("principal", Type::String, "Who workers are on Kafka.")], blocks: vec![] },
});

#[async_trait]
impl ResourceType for KafkaConnect {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn validate(&self, config: &Value, diags: &mut Diagnostics) {
        let text = |name: &str| config.get_str(name);
        diags.extend(text("name").and_then(|n| name_error("name", &n)));
        diags.extend(text("engine").filter(|e| engine::connect(e).is_none()).map(|e| engine_error(&e)));
        diags.extend(text("version").and_then(|v| version_error(&v)));
        let keys = |name: &str| -> Vec<String> {
            config.get(name).iter().filter_map(Value::as_map).flat_map(|m| m.keys()).map(|k| k.to_string()).collect()
        };
        for key in keys("config") {
            diags.extend(reserved(&key).map(|instead| reserved_error("config", &key, instead)));
        }
        for key in keys("env") {
            let fixed =
                RESERVED_VARIABLES.contains(&key.as_str()).then_some("It follows from the other arguments; the heap has `heap_opts`.");
            let instead = fixed.or_else(|| setting_of(&key).and_then(|s| reserved(&s)));
            diags.extend(instead.map(|instead| reserved_error("env", &key, instead)));
        }
        if let Ok(engine) = engine_of(config) {
            diags.extend(not_kept(config, &SCHEMA.body, OF_SOME_ENGINES, engine.arguments()));
        }
        diags.extend(name_errors(config, "config", "a setting", in_setting));
        diags.extend(name_errors(config, "env", "a variable", |c| in_setting(c) || ":#!".contains(c)));
        diags.extend(heap_error(config, "heap_opts"));
        diags.extend(registry_error(config));
        diags.extend(mount_errors(config));
        diags.extend(name_clash(config));
        let whole = |name: &str| config.get(name).and_then(|v| v.as_i64());
        let replicas = ["min_replicas", "max_replicas"].map(|name| (name, config.get(name).and_then(|v| v.as_number().cloned())));
        for (name, n) in &replicas {
            if let Some(n) = n.as_ref().filter(|n| !n.to_i64().is_some_and(|n| (1..=1000).contains(&n))) {
                let d = Diagnostic::error(codes::INVALID_ARGUMENT, format!("`{name}` is {n}, which is not possible."));
                diags.push(attr_error(*name, d.hint("Use a whole number from 1 to 1000.")));
            }
        }
        if !diags.has_errors()
            && let (Some(min), Some(max)) = (whole("min_replicas"), whole("max_replicas"))
            && min > max
        {
            let d = Diagnostic::error(codes::INVALID_ARGUMENT, format!("`min_replicas` is {min}, and `max_replicas` is {max}."));
            diags.push(attr_error("min_replicas", d.hint("Use no more than max_replicas.")));
        }
        if let Some(port) = whole("service_port").filter(|p| !(1..=65_000).contains(p)) {
            let d = Diagnostic::error(codes::INVALID_ARGUMENT, format!("{port} is not a port that workers can count up from."));
            diags.push(attr_error("service_port", d.hint("Use a number from 1 to 65000.")));
        }
    }

    fn holds(&self, object: &Value, _private: &Private) -> Vec<Hold> {
        let mut out: Vec<Hold> = connect_key(object).map(Hold::exclusive).into_iter().collect();
        let Some(name) = object.get_str("name") else { return out };
        let place = kafka_place(object);
        let names = recorded_names(object);
        out.extend([&names.config, &names.offset, &names.status].map(|t| Hold::exclusive(Key::new(place.clone(), "topic", t))));
        if common_name(object.get("cluster").as_ref(), &name).is_some()
            && let Some(principal) = object.get_str("principal")
        {
            out.extend(names.acls(&principal).iter().map(|b| Hold::shared(Key::new(place.clone(), BINDING, &b.to_string()))));
        }
        out.retain(|h| h.key.is_known());
        out
    }

    fn unread(&self) -> &'static [&'static str] {
        &["version", "min_replicas", "service_port", "mtls", "heap_opts", "plugins", "config", "env", "schema_registry", "mount"]
    }

    fn plan(&self, input: PlanInput<'_>) -> PlanOutput {
        let mut diagnostics = Diagnostics::new();
        let (mut on_kafka, mut names) = (None, None);
        let mut attrs = input.proposed.as_map().cloned().unwrap_or_default();
        let mut name = input.proposed.get_str("name");
        if input.config.get("name").is_none_or(|n| n.is_null()) {
            let own = input.prior.and_then(|p| p.get_str("name")).unwrap_or_else(|| default_name(input.addr));
            diagnostics.extend(name_error("name", &own));
            attrs.insert("name".into(), Value::string(&own));
            name = Some(own);
        }
        let cluster = input.proposed.get("cluster");
        let known = |text: Option<String>| text.map_or(Value::unknown(Type::String), Value::from);
        if let Some(name) = &name {
            let principal = principal(cluster.as_ref(), name);
            let kept = input.prior.and_then(|p| p.get_str("principal"));
            on_kafka = kept.clone().or_else(|| principal.clone());
            attrs.insert("principal".into(), known(principal.or(kept)));
            names = written_names(input.config, name);
            let text = |of: fn(&Names) -> &String| names.as_ref().map_or(Value::unknown(Type::String), |n| Value::string(of(n)));
            // What is written keeps its marks: a name from a sensitive value is refused.
            let topics = input.config.get("internal_topics");
            let written = |value: Option<Value>, other: Value| value.filter(|v| !v.is_null()).unwrap_or(other);
            let topic = |kind: &str, other: Value| written(topics.as_ref().and_then(|t| t.get(kind)), other);
            let texts = [
                ("group_id", written(input.config.get("group_id"), text(|n| &n.group))),
                ("config_topic", topic("config", text(|n| &n.config))),
                ("offset_topic", topic("offset", text(|n| &n.offset))),
                ("status_topic", topic("status", text(|n| &n.status))),
            ];
            attrs.extend(texts.into_iter().map(|(k, v)| (Arc::from(k), v)));
        }
        let unknown_map = || Value::unknown(Type::map(Type::String));
        let (labels, paths) = folders(&input.proposed).unwrap_or_else(|| (unknown_map(), unknown_map()));
        attrs.insert("mounts".into(), labels);
        attrs.insert("mount_paths".into(), paths);
        // A data source may tell no id: null, as it will be recorded.
        let id = cluster.as_ref().and_then(|c| c.get("cluster_id")).unwrap_or_else(|| Value::null(Type::String));
        let moved = input.prior.is_some_and(|p| p.get("cluster_id").as_ref() != Some(&id));
        attrs.insert("cluster_id".into(), if id.is_known() { id } else { Value::unknown(Type::String) });
        for name in ["config", "env"] {
            if let Some(settings) = attrs.get_mut(name) {
                *settings = hidden(settings);
            }
        }
        attrs.insert("mount_versions".into(), versions(&input.proposed));
        let engine = match engine_of(&input.proposed) {
            Ok(engine) => engine,
            Err(error) => {
                diagnostics.push(error);
                return PlanOutput { diagnostics, ..PlanOutput::new(input.proposed.clone()) };
            }
        };
        let open = Value::object_of(attrs.clone(), input.proposed.origin().cloned());
        let plan = worker_plan(engine, input.prior.map(|p| (p, input.private)), &open);
        attrs.insert(RUNNING.into(), numbers(plan.running));
        match plan.url.and_then(|url| address(input.prior, url)) {
            Some(known) => attrs.extend(known),
            None => {
                attrs.insert("endpoint".into(), Value::unknown(Type::String));
                attrs.insert("admin".into(), Value::unknown(admin_type()));
            }
        }
        let planned = Value::object_of(attrs, input.proposed.origin().cloned());
        let key = connect_key(&planned).unwrap_or_else(|| Key::unnamed(Place::here(), engine.kind()));
        let mut ops = vec![];
        if moved {
            ops.push(Op::new(OpAction::Change, key.clone()).part("the Kafka cluster").note("to the new one"));
        }
        ops.extend(plan.steps.iter().map(|step| op_of(&key, step)));
        if moved || plan.is_unclear || input.prior.is_none() {
            let place = Place::of(&planned, "cluster", "cluster_id");
            ops.extend(kafka_ops(names.as_ref(), on_kafka.as_deref(), cluster.as_ref(), &place));
        }
        PlanOutput { ops, diagnostics, ..PlanOutput::new(planned) }
    }

    fn plan_delete(&self, prior: &Value, _private: &Private) -> Vec<Op> {
        ops::delete_ops(prior)
    }

    async fn read(&self, cx: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        futures::future::join_all(requests.iter().map(|r| Self::observe(cx, r))).await
    }

    async fn probe(&self, cx: &Session, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
        let mut all = Vec::with_capacity(requests.len());
        for step in &requests {
            let note = |text: &str| cx.progress.note(&step.addr, text);
            let planned = step.planned.as_ref().and_then(|p| Some((p, engine_of(p).ok()?)));
            let findings = match planned {
                Some((planned, engine)) => {
                    let version = planned.get_str("version").unwrap_or_default();
                    engine.probe(cx.site(), &version, &plugins(planned), &note).await
                }
                None => vec![],
            };
            all.push(findings.into_iter().map(said).collect());
        }
        all
    }

    async fn apply(&self, cx: &Session, verb: Verb, steps: Vec<StepRequest>, desk: &dyn Desk) {
        let all = steps.iter().enumerate().map(|(i, s)| Self::step(cx, verb, s, i, desk));
        together(desk, steps.len(), futures::future::join_all(all)).await;
    }

    async fn import(&self, _cx: &Session, id: &str, _config: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        let d = Diagnostic::error(
            codes::INVALID_ARGUMENT,
            format!("The Connect cluster \"{id}\" cannot be imported: only what streamform started can be managed by the engine `local`."),
        );
        Err(d.hint("Use a `data \"kafka_connect\"` block for a Connect cluster that runs elsewhere."))
    }

    fn timeout(&self, _verb: Verb) -> Duration {
        Duration::from_secs(300)
    }
}

#[cfg(test)]
mod tests;
