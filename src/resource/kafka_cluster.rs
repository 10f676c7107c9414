//! `kafka_cluster`: a cluster that streamform runs. What its engines do lies in [`crate::engine`]; here are its schema and its decisions.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;

use super::kafka_cluster_data::admin_type;
use super::local_common::{
    StepMandate, alive, answered, count, differs, heap_error, hidden, in_setting, name_errors, name_of, not_deleted, numbers, observed,
    private, settled, user_part, without_effect,
};
use super::{
    Arg, Desk, Hold, Key, Observed, Op, OpAction, Place, PlanInput, PlanOutput, Private, RUNNING, ReadRequest, ResourceType, Session,
    StepRequest, StepResult, Verb, attr_error, together,
};
use crate::addr::{InstanceAddr, InstanceKey};
use crate::client::kafka::KafkaPool;
use crate::diag::codes::engine as codes;
use crate::diag::redact::one_line;
use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::engine::local::broker::{self, Authentication, Cluster, Launch, Layout, Listener, Wanted};
use crate::schema::{Attribute, Body, NestedBlock, Nesting, Schema};
use crate::value::{Fields, Type, Value};
use crate::words::counted;

/// The resource type `kafka_cluster`.
pub struct KafkaCluster;

/// The version of Kafka where none is written.
pub const DEFAULT_VERSION: &str = "4.3.1";

/// The engines, and whether this version has them.
pub(super) const ENGINES: &[(&str, bool)] = &[("local", true), ("native", false), ("strimzi", false), ("koperator", false)];

fn certificate_type() -> Type {
    Type::object([("certificate_file", Type::String), ("key_file", Type::String), ("ca_file", Type::String), ("principal", Type::String)])
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema {
    version: 0,
    doc: "A Kafka cluster (KRaft) with the authorizer on. The engine `local` runs it as processes of this machine, on loopback: they go on \
          running when the command has ended, are found again by the next one, and one that died shows as drift.\n\nBesides the listeners \
          written here every cluster has one with TLS and client certificates for its own traffic and for streamform, and the controllers' \
          listener is secured in the same way. `auto.create.topics.enable` is false unless set in `config`.",
    body: Body {
        attributes: attributes(),
        blocks: vec![
            NestedBlock {
                name: "listener",
                nesting: Nesting::Map,
                min: 0,
                doc: "An address for clients, named by the block's label.",
                body: Body {
                    attributes: vec![
                        Attribute::optional(
                            "port",
                            Type::Number,
                            "The first broker's port; the next ones follow it. Default: free ports, kept from then on.",
                        ),
                        Attribute::optional("tls", Type::Bool, "Whether TLS is used.").default(true),
                        Attribute::optional(
                            "authentication",
                            Type::String,
                            "How clients prove who they are: `mtls`, `scram` (SCRAM-SHA-512), `plain` (SASL PLAIN) or `none`.",
                        )
                        .default("mtls"),
                    ],
                    blocks: vec![],
                },
            },
            NestedBlock {
                name: "storage",
                nesting: Nesting::Single,
                min: 0,
                doc: "Volumes of the brokers. Used by the Kubernetes engines; `local` keeps its data in the working folder, without a limit.",
                body: Body {
                    attributes: vec![
                        Attribute::optional("size", Type::String, "The size of each broker's volume, such as `200Gi`."),
                        Attribute::optional("class", Type::String, "The storage class."),
                    ],
                    blocks: vec![],
                },
            },
        ],
    },
});

fn attributes() -> Vec<Attribute> {
    vec![
        Attribute::optional_computed("name", Type::String, "The cluster's name. Default: the block's.").force_new(),
        Attribute::optional(
            "engine",
            Type::String,
            "What runs it: `local`. (`native`, `strimzi`, `koperator` are not available in this version.)",
        )
        .default("local")
        .force_new(),
        Attribute::optional("version", Type::String, "Kafka's version, 4.0 or newer. A change rolls the brokers.").default(DEFAULT_VERSION),
        Attribute::optional("brokers", Type::Number, "How many brokers. Fewer is refused while those to go hold partitions.").default(1),
        Attribute::optional(
            "controllers",
            Type::Number,
            "How many dedicated controllers; 0: the first broker (the first three, where there are as many) is controller too.",
        )
        .default(0)
        .force_new(),
        Attribute::optional(
            "super_users",
            Type::list(Type::String),
            "Principals that may do everything, such as `User:CN=alice`. streamform's own `User:CN=admin` is one.",
        ),
        Attribute::optional(
            "users",
            Type::map(Type::String),
            "Passwords by user, for the listeners with `scram` and `plain`. Users of PLAIN are known at the brokers' start: a change restarts them.",
        )
        .sensitive()
        .names_things(),
        Attribute::optional("config", Type::map(Type::String), "Broker settings. A change restarts the brokers one at a time.").names_things(),
        Attribute::optional("heap", Type::String, "Heap flags of each process of the engine `local`.").default("-Xms64m -Xmx384m"),
        Attribute::optional(
            "client_certificates",
            Type::list(Type::String),
            "Common names for which client certificates are issued; see `certificates`.",
        ),
        Attribute::optional(
            "deletion_protection",
            Type::Bool,
            "True: never deleted. False: deleted without asking for `-allow-data-loss`.",
        ),
        Attribute::computed("cluster_id", Type::String, "The id that Kafka gives itself."),
        Attribute::computed(
            "bootstrap_servers",
            Type::String,
            "Addresses for clients, on the first listener by name (without listeners: the internal one).",
        ),
        Attribute::computed("endpoints", Type::map(Type::String), "Addresses by listener."),
        Attribute::computed("admin", admin_type(), "How streamform reaches it."),
        Attribute::computed("certificates", Type::map(certificate_type()), "Files of the issued client certificates by common name."),
        Attribute::computed("ca_file", Type::String, "The authority that signs the cluster's certificates (PEM)."),
        Attribute::computed(RUNNING, Type::list(Type::Number), "The ids of the nodes that run as configured."),
    ]
}

/// A cluster's or Connect cluster's name where none is written: the block's, with its module and key.
pub(super) fn default_name(addr: &InstanceAddr) -> String {
    let mut parts: Vec<String> = addr.resource.module.0.iter().map(|s| s.name.to_string()).collect();
    parts.push(addr.resource.name.to_string());
    match &addr.key {
        Some(InstanceKey::Int(n)) => parts.push(n.to_string()),
        Some(InstanceKey::Str(s)) => parts.push(s.to_string()),
        None => {}
    }
    parts.join("-")
}

/// Whether a name can be a folder's and a certificate's.
pub(super) fn name_error(path: &str, name: &str) -> Option<Diagnostic> {
    let plain =
        name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if plain && name.len() <= 60 {
        return None;
    }
    let d = Diagnostic::error(codes::INVALID_ARGUMENT, format!("\"{name}\" cannot be used as a name here."));
    Some(attr_error(path, d.hint("Use at most 60 letters, digits, dots, dashes and underscores, with a letter or digit first.")))
}

/// An engine that is unknown or not in this version.
pub(super) fn engine_error(engine: &str) -> Option<Diagnostic> {
    match ENGINES.iter().find(|(name, _)| *name == engine) {
        Some((_, true)) => None,
        Some((_, false)) => {
            let d = Diagnostic::error(codes::ENGINE_UNAVAILABLE, format!("The engine \"{engine}\" is not available in this version."));
            Some(attr_error("engine", d.hint("Use \"local\", which runs Kafka as processes of this machine.")))
        }
        None => {
            let d = Diagnostic::error(codes::ENGINE_UNAVAILABLE, format!("There is no engine \"{engine}\"."));
            let near = did_you_mean(engine, ENGINES.iter().map(|e| e.0));
            Some(attr_error("engine", d.hint(near.map_or("Use \"local\".".to_string(), |n| format!("Did you mean \"{n}\"?")))))
        }
    }
}

/// What is missing on this machine to run a version of Kafka, as a diagnostic of its resource.
pub(super) async fn cannot_run(cx: &Session, step: &StepRequest) -> Option<Diagnostic> {
    let version = step.planned.as_ref()?.get_str("version")?;
    let note = |text: &str| cx.progress.note(&step.addr, text);
    let error = Launch::find(&version, &note).await.err()?;
    Some(match error.code {
        codes::JARS_UNAVAILABLE | codes::KAFKA_HOME => attr_error("version", error),
        _ => error,
    })
}

/// The refusal of an older version than the one that runs: the data may be in a form that it does not know.
fn downgrade_error(prior: Option<&Value>, layout: Option<&Layout>, planned: &Value) -> Option<Diagnostic> {
    let parts = |v: &str| v.split('.').map(|p| p.parse::<u32>().unwrap_or(0)).collect::<Vec<_>>();
    let will = planned.get_str("version")?;
    let raised = layout.iter().flat_map(|l| [&l.release, &l.raising]).find(|r| parts(&broker::release(&will)) < parts(r)).cloned();
    let older = || prior?.get_str("version").filter(|was| parts(&will) < parts(was));
    older().or(raised).map(|was| {
        let d = Diagnostic::error(codes::DOWNGRADE, format!("The cluster runs Kafka {was} and cannot go back to {will}."));
        attr_error("version", d.hint(format!("Keep {was} or a newer version; an older one needs a new cluster.")))
    })
}

/// A version that the local engine cannot run.
pub(super) fn version_error(version: &str) -> Option<Diagnostic> {
    let plain = version.split('.').count() == 3 && version.chars().all(|c| c.is_ascii_digit() || c == '.');
    let major = version.split('.').next().and_then(|m| m.parse::<u32>().ok());
    if plain && major.is_some_and(|m| m >= 4) {
        return None;
    }
    let d = Diagnostic::error(codes::INVALID_ARGUMENT, format!("\"{version}\" is not a version of Kafka that can be run here."));
    Some(attr_error("version", d.hint("Use a released version from 4.0.0 on, such as \"4.3.1\".")))
}

fn reserved(key: &str) -> bool {
    const EXACT: &[&str] = &[
        "node.id",
        "broker.id",
        "process.roles",
        "listeners",
        "advertised.listeners",
        "log.dir",
        "log.dirs",
        "metadata.log.dir",
        "cluster.id",
        "controller.quorum.voters",
        "controller.quorum.bootstrap.servers",
        "controller.listener.names",
        "inter.broker.listener.name",
        "security.inter.broker.protocol",
        "listener.security.protocol.map",
        "authorizer.class.name",
        "allow.everyone.if.no.acl.found",
        "super.users",
        "zookeeper.connect",
        "ssl.client.auth",
    ];
    EXACT.contains(&key)
        || key.starts_with("ssl.keystore.")
        || key.starts_with("ssl.truststore.")
        || key.starts_with("ssl.key.")
        || (key.starts_with("listener.name.") && key.contains(".ssl."))
}

/// The refusal of a setting that streamform computes.
pub(super) fn reserved_error(map: &str, key: &str, instead: &str) -> Diagnostic {
    let d = Diagnostic::error(codes::RESERVED_SETTING, format!("\"{key}\" is set by streamform and cannot be set by hand."));
    attr_error(format!("{map}[{}]", crate::addr::quote(key)), d.hint(format!("Remove it. {instead}")))
}

fn check_listeners(config: &Value, diags: &mut Diagnostics) {
    let listeners = config.get("listener");
    for (name, listener) in listeners.iter().filter_map(Value::as_map).flatten() {
        let path = |attr: &str| match attr {
            "" => format!("listener[{}]", crate::addr::quote(name)),
            _ => format!("listener[{}].{attr}", crate::addr::quote(name)),
        };
        let mut refuse = |attr: &str, why: String, hint: &str| {
            diags.push(attr_error(path(attr), Diagnostic::error(codes::INVALID_ARGUMENT, why).hint(hint)));
        };
        let plain = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !plain || ["controller", "streamform"].contains(&name.to_lowercase().as_str()) {
            refuse(
                "",
                format!("\"{}\" cannot be a listener's name.", one_line(name)),
                "Use letters, digits and underscores; `controller` and `streamform` are taken.",
            );
        }
        let auth = listener.get_str("authentication");
        match auth.as_deref() {
            None | Some("none" | "scram" | "plain") => {}
            Some("mtls") if listener.get("tls").and_then(|v| v.as_bool()) == Some(false) => {
                refuse(
                    "authentication",
                    "Client certificates need TLS, which this listener has not.".into(),
                    "Set `tls = true`, or another authentication.",
                );
            }
            Some("mtls") => {}
            Some(other) => refuse(
                "authentication",
                format!("There is no authentication \"{other}\"."),
                "Use \"mtls\", \"scram\", \"plain\" or \"none\".",
            ),
        }
        if let Some(port) = listener.get("port").and_then(|v| v.as_i64())
            && !(1..=65_000).contains(&port)
        {
            refuse("port", format!("{port} is not a port that brokers can count up from."), "Use a number from 1 to 65000.");
        }
    }
    check_ports(config, diags);
}

/// Each broker adds its place to the port, so that listeners need as much room between them as there are brokers.
fn check_ports(config: &Value, diags: &mut Diagnostics) {
    let listeners = config.get("listener");
    let port = |(name, l): (&Arc<str>, &Value)| Some((l.get("port")?.as_i64()?, Arc::clone(name)));
    let mut ports: Vec<(i64, Arc<str>)> = listeners.iter().filter_map(Value::as_map).flatten().filter_map(port).collect();
    ports.sort();
    let brokers = config.get("brokers").and_then(|v| v.as_i64()).unwrap_or(1).max(1);
    for pair in ports.windows(2) {
        let [(low, first), (high, second)] = pair else { continue };
        if high - low < brokers {
            let taken = match brokers {
                1 => format!("port {low}"),
                n => format!("ports {low} to {}", low + n - 1),
            };
            let why = format!("Listener \"{}\" has {taken}, so that \"{}\" cannot begin at {high}.", one_line(first), one_line(second));
            let d = Diagnostic::error(codes::INVALID_ARGUMENT, why)
                .hint("Each broker adds its place to the port. Leave more room between them.");
            diags.push(attr_error(format!("listener[{}].port", crate::addr::quote(second)), d));
        }
    }
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    value
        .get(name)
        .and_then(|v| v.as_slice().map(|s| s.iter().filter_map(|v| v.as_str().map(str::to_string)).collect()))
        .unwrap_or_default()
}

/// A map of strings, null entries left out.
pub(super) fn text_map(value: &Value, name: &str) -> BTreeMap<String, String> {
    let map = value.get(name);
    let entries = map.iter().filter_map(Value::as_map).flatten();
    entries.filter_map(|(k, v)| Some((k.to_string(), v.as_str()?.to_string()))).collect()
}

fn wanted(addr: &InstanceAddr, planned: &Value) -> Wanted {
    let listener = |(name, l): (&Arc<str>, &Value)| Listener {
        name: name.to_uppercase(),
        port: l.get("port").and_then(|v| v.as_i64()).and_then(|p| u16::try_from(p).ok()),
        tls: l.get("tls").and_then(|v| v.as_bool()).unwrap_or(true),
        authentication: match l.get_str("authentication").as_deref() {
            Some("none") => Authentication::None,
            Some("scram") => Authentication::Scram,
            Some("plain") => Authentication::Plain,
            _ => Authentication::Mtls,
        },
    };
    Wanted {
        name: name_of(addr, planned),
        version: planned.get_str("version").unwrap_or_default(),
        brokers: count(planned, "brokers"),
        controllers: count(planned, "controllers"),
        heap: planned.get_str("heap").unwrap_or_default(),
        listeners: planned.get("listener").iter().filter_map(Value::as_map).flatten().map(listener).collect(),
        super_users: texts(planned, "super_users"),
        users: text_map(planned, "users"),
        config: text_map(planned, "config"),
        certificates: texts(planned, "client_certificates"),
    }
}

/// Ids of all nodes that a cluster of this size has.
fn node_ids(planned: &Value) -> Vec<i32> {
    let (brokers, controllers) = (count(planned, "brokers") as i32, count(planned, "controllers") as i32);
    (1..=brokers).chain(1001..1001 + controllers).collect()
}

fn path_value(path: std::path::PathBuf) -> Value {
    Value::string(path.to_string_lossy())
}

/// The object with its computed attributes filled in from the layout.
fn filled(addr: &InstanceAddr, base: &Value, cluster: &Cluster, layout: &Layout) -> Result<Value, Diagnostic> {
    let mut attrs = base.as_map().cloned().unwrap_or_default();
    let listeners: Vec<String> = base.get("listener").iter().filter_map(Value::as_map).flatten().map(|(n, _)| n.to_string()).collect();
    let endpoints: Fields = listeners.iter().map(|n| (n.as_str().into(), Value::string(layout.addresses(&n.to_uppercase())))).collect();
    let first = listeners.first().map_or(broker::INTERNAL.to_string(), |n| n.to_uppercase());
    let pki = cluster.pki_dir();
    let cluster_id = if layout.is_blank() { Value::null(Type::String) } else { Value::string(&layout.cluster_id) };
    let admin = Value::object_from([
        ("bootstrap_servers", Value::string(layout.addresses(broker::INTERNAL))),
        ("security_protocol", "SSL".into()),
        ("ca_file", path_value(pki.join("ca.crt"))),
        ("certificate_file", path_value(pki.join("admin.crt"))),
        ("key_file", path_value(pki.join("admin.key"))),
        ("sasl_mechanism", Value::null(Type::String)),
        ("username", Value::null(Type::String)),
        ("password", Value::null(Type::String)),
        ("insecure_skip_verify", false.into()),
        ("cluster_id", cluster_id.clone()),
    ]);
    let certificate = |cn: &String| {
        let files = [
            ("certificate_file", path_value(pki.join(format!("{cn}.crt")))),
            ("key_file", path_value(pki.join(format!("{cn}.key")))),
            ("ca_file", path_value(pki.join("ca.crt"))),
            ("principal", Value::string(format!("User:CN={cn}"))),
        ];
        (Arc::from(cn.as_str()), Value::object_from(files))
    };
    let computed: [(&str, Value); 8] = [
        ("name", name_of(addr, base).into()),
        ("cluster_id", cluster_id),
        ("bootstrap_servers", layout.addresses(&first).into()),
        ("endpoints", Value::map(Type::String, endpoints)),
        ("admin", admin),
        ("certificates", Value::map(certificate_type(), texts(base, "client_certificates").iter().map(certificate).collect())),
        ("ca_file", path_value(pki.join("ca.crt"))),
        (RUNNING, numbers(cluster.running(layout)?)),
    ];
    attrs.extend(computed.into_iter().map(|(k, v)| (Arc::from(k), v)));
    Ok(Value::object_of(attrs, base.origin().cloned()))
}

/// What a cluster is called among the objects of this machine.
const KIND: &str = "local cluster";

/// The cluster among those of this machine.
pub(super) fn cluster_key(object: &Value) -> Option<Key> {
    Some(Key::new(Place::here(), KIND, &object.get_str("name")?))
}

/// `broker 2`, `controller 1001`.
fn label(id: i32) -> String {
    if id < 1001 { format!("broker {id}") } else { format!("controller {id}") }
}

/// The layout as it was read.
fn layout_of(private: &Private) -> Option<Layout> {
    serde_json::from_value(private.clone()).ok()
}

/// What becomes of the SCRAM users. The layout names those that the cluster has; the state may know of their passwords nothing but a digest.
fn user_ops(key: &Key, prior: Option<&Value>, proposed: &Value, layout: Option<&Layout>) -> Vec<Op> {
    let scram = |v: &Value| {
        let mut listeners = v.get("listener").into_iter().flat_map(|l| l.as_map().cloned().unwrap_or_default());
        listeners.any(|(_, l)| l.get_str("authentication").as_deref() == Some("scram"))
    };
    let there: BTreeMap<String, String> = layout.map(|l| l.users.clone()).unwrap_or_default();
    let users = proposed.get("users").filter(|_| scram(proposed));
    let op = |action, user: &str| Op::new(action, key.clone()).part(user_part(user));
    if users.as_ref().is_some_and(|u| !u.is_known()) {
        let open = |action| Op::new(action, Key::unnamed(key.place.clone(), KIND)).part("users").note("(known after apply)");
        return [Some(open(OpAction::Set)), (!there.is_empty()).then(|| open(OpAction::Delete))].into_iter().flatten().collect();
    }
    let wanted: BTreeMap<Arc<str>, Value> = users.iter().filter_map(Value::as_map).flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    let before = |user: &str| prior.and_then(|p| p.get("users")).and_then(|u| u.get(user)).filter(Value::is_known);
    let mut out = vec![];
    for (user, password) in wanted.iter().filter(|(_, v)| !v.is_null()) {
        let is_set = match there.get(&**user) {
            Some(digest) => !digest.is_empty(),
            // An older layout does not tell.
            None => layout.is_none() && prior.is_some_and(scram),
        };
        let same = before(user).is_some_and(|v| v.repr() == password.repr());
        if !is_set || !same {
            let note = if there.contains_key(&**user) { "(password)" } else { "" };
            out.push(op(OpAction::Set, user).note(note));
        }
    }
    out.extend(there.keys().filter(|u| wanted.get(u.as_str()).is_none_or(|v| v.is_null())).map(|u| op(OpAction::Delete, u)));
    out
}

/// What an update does to the processes, and the metadata version.
fn update_ops(key: &Key, prior: &Value, proposed: &Value, layout: Option<&Layout>) -> Vec<Op> {
    let mut out = vec![];
    let op = |action, part: String, note: &str| Op::new(action, key.clone()).part(part).note(note);
    let alive = alive(prior);
    // The layout names the nodes that there are, also after a change that was not brought to its end.
    let was = layout.map_or_else(|| node_ids(prior), |l| l.nodes.iter().map(|n| n.id).collect());
    let will = node_ids(proposed);
    for id in &will {
        match (was.contains(id), alive.contains(&i64::from(*id))) {
            (false, _) => out.push(op(OpAction::Start, label(*id), "(new)")),
            (true, false) => out.push(op(OpAction::Restart, label(*id), "(not running as configured)")),
            (true, true) => {}
        }
    }
    out.extend(was.iter().filter(|id| !will.contains(id)).map(|id| op(OpAction::Stop, label(*id), "and remove it")));
    let changed = |name: &&str| differs(prior, proposed, name);
    let plain = |v: &Value| {
        let listeners = v.get("listener");
        listeners.iter().filter_map(Value::as_map).flatten().any(|(_, l)| l.get_str("authentication").as_deref() == Some("plain"))
    };
    // Users of PLAIN stand in the settings, those of SCRAM do not.
    let users = changed(&"users") && (plain(prior) || plain(proposed));
    let unsettled = layout.is_some_and(|l| l.unsettled);
    // Replication factors and timers follow from the number of brokers.
    let resized = broker::sizes(count(prior, "brokers")) != broker::sizes(count(proposed, "brokers"));
    let settings = users || unsettled || resized || ["config", "listener", "super_users", "version", "heap"].iter().any(changed);
    if settings && will.iter().any(|id| alive.contains(&i64::from(*id))) {
        out.push(op(OpAction::Roll, "the nodes".into(), "one at a time, while all partitions are in sync"));
    }
    let release = |v: &Value| v.get_str("version").map(|v| broker::release(&v));
    let is = layout.map(|l| l.release.clone()).filter(|r| !r.is_empty()).or_else(|| release(prior));
    if let (Some(new), Some(_)) = (release(proposed).filter(|new| is.as_ref() != Some(new)), &is) {
        let raise = op(OpAction::Raise, "the metadata version".into(), &format!("to that of Kafka {new}, for good"));
        out.push(raise.after("release", Arg::Known(new)).once());
    }
    out
}

/// What a creation does: one line, which says how many processes there will be.
fn create_op(key: &Key, proposed: &Value) -> Op {
    let (brokers, controllers) = (count(proposed, "brokers"), count(proposed, "controllers"));
    let note = match (brokers, controllers) {
        (0, _) => String::new(),
        (b, 0) => format!("({})", counted(b, "broker")),
        (b, c) => format!("({}, {})", counted(b, "broker"), counted(c, "controller")),
    };
    Op::new(OpAction::Create, key.clone()).note(note)
}

fn losses(prior: &Value) -> Option<String> {
    if prior.get("deletion_protection").and_then(|v| v.as_bool()) == Some(false) {
        return None;
    }
    Some(format!("All topics and messages of the cluster \"{}\" would be lost.", prior.get_str("name").unwrap_or_default()))
}

impl KafkaCluster {
    fn observe(cx: &Session, request: &ReadRequest) -> Result<Observed, Diagnostic> {
        let cluster = Cluster::at(&cx.data_dir, &name_of(&request.addr, &request.prior));
        observed(cluster.found()?, |layout| filled(&request.addr, &request.prior, &cluster, layout))
    }

    async fn make(cx: &Session, step: &StepRequest, value: &Value, mandate: &StepMandate<'_>) -> Result<StepResult, Diagnostic> {
        let note = |text: &str| cx.progress.note(&step.addr, text);
        let cluster = Cluster::at(&cx.data_dir, &name_of(&step.addr, value));
        let layout = cluster.converge(&wanted(&step.addr, value), mandate, &note, step.timeout).await?;
        let now = filled(&step.addr, value, &cluster, &layout)?;
        match answered(&SCHEMA, value, &now) {
            Some(error) => Err(error),
            None => Ok(StepResult::done(now, private(&layout))),
        }
    }

    async fn step(cx: &Session, verb: Verb, step: &StepRequest, index: usize, desk: &dyn Desk) -> StepResult {
        let note = |text: &str| cx.progress.note(&step.addr, text);
        let value = step.planned.as_ref().or(step.prior.as_ref());
        let Some(value) = value else { return StepResult::gone() };
        let cluster = Cluster::at(&cx.data_dir, &name_of(&step.addr, value));
        let before = cluster.layout().ok().flatten().map(|l| cluster.connection(&l).bootstrap_servers);
        let mandate = StepMandate { ops: &step.ops, kind: KIND, desk, step: index };
        let outcome = match verb {
            Verb::Delete => match not_deleted(&step.ops, cluster_key(value).as_ref()) {
                Some(error) => Err(error),
                None => cluster.destroy(&note).await.map(|()| StepResult::gone()),
            },
            Verb::Create | Verb::Update => Self::make(cx, step, value, &mandate).await,
        };
        // Whoever used the cluster in this run holds connections to processes that are gone.
        cx.pool::<KafkaPool>().forget(&before.unwrap_or_default());
        let base = step.prior.as_ref().unwrap_or(value);
        settled(outcome, || cluster.found().ok().flatten(), |layout| filled(&step.addr, base, &cluster, layout).ok())
    }
}

#[async_trait]
impl ResourceType for KafkaCluster {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn validate(&self, config: &Value, diags: &mut Diagnostics) {
        let text = |name: &str| config.get_str(name);
        diags.extend(text("name").and_then(|n| name_error("name", &n)));
        diags.extend(text("engine").and_then(|e| engine_error(&e)));
        diags.extend(text("version").and_then(|v| version_error(&v)));
        diags.extend(without_effect(config, &SCHEMA.body, &["storage"]));
        for (name, least, most) in [("brokers", 1, 100), ("controllers", 0, 9)] {
            if let Some(n) = config.get(name).and_then(|v| v.as_number().cloned())
                && !n.to_i64().is_some_and(|n| (least..=most).contains(&n))
            {
                let d = Diagnostic::error(codes::INVALID_ARGUMENT, format!("`{name}` is {n}, which is not possible."));
                diags.push(attr_error(name, d.hint(format!("Use a whole number from {least} to {most}."))));
            }
        }
        for user in texts(config, "super_users") {
            if user.contains(';') {
                let d = Diagnostic::error(
                    codes::INVALID_ARGUMENT,
                    format!("\"{user}\" holds a semicolon, with which brokers begin the next super user."),
                );
                diags.push(attr_error("super_users", d.hint("Write each super user as an entry of its own.")));
            } else if user == "User:*" {
                let d = Diagnostic::warning(codes::INVALID_ARGUMENT, "Kafka knows no wildcard among super users: \"User:*\" is nobody.");
                diags.push(attr_error("super_users", d.hint("Name each principal.")));
            } else if let Some(d) = crate::resource::principal::check(&user, false) {
                diags.push(attr_error("super_users", Diagnostic { code: codes::INVALID_ARGUMENT, ..d }));
            }
        }
        for cn in texts(config, "client_certificates") {
            diags.extend(name_error("client_certificates", &cn));
            if ["admin", "broker", "ca"].contains(&cn.as_str()) {
                let d = Diagnostic::error(codes::INVALID_ARGUMENT, format!("The certificate \"{cn}\" is streamform's own."));
                diags.push(attr_error("client_certificates", d.hint("Use another common name.")));
            }
        }
        for user in config.get("users").iter().filter_map(Value::as_map).flat_map(|m| m.keys()) {
            // The name stands unquoted in the brokers' settings.
            if user.is_empty() || !user.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
                let d = Diagnostic::error(codes::INVALID_ARGUMENT, format!("The user's name {user:?} cannot be used here."));
                diags.push(attr_error(
                    format!("users[{}]", crate::addr::quote(user)),
                    d.hint("Use letters, digits, dots, dashes and underscores."),
                ));
            }
        }
        let broken = |v: &Value| v.as_str().is_some_and(|p| p.contains(char::is_control));
        for (user, _) in config.get("users").iter().filter_map(Value::as_map).flatten().filter(|(_, v)| broken(v)) {
            // The login of a client is one line of a properties file.
            let d = Diagnostic::error(
                codes::INVALID_ARGUMENT,
                format!("The password of user \"{user}\" contains the end of a line or another control character."),
            );
            diags.push(attr_error(
                format!("users[{}]", crate::addr::quote(user)),
                d.hint("trimspace() takes off the line end that file() reads."),
            ));
        }
        for key in config.get("config").iter().filter_map(Value::as_map).flat_map(|m| m.keys()).filter(|k| reserved(k)) {
            diags.push(reserved_error("config", key, "Listeners, super users and counts have arguments of their own."));
        }
        diags.extend(name_errors(config, "config", "a setting", in_setting));
        diags.extend(heap_error(config, "heap"));
        check_listeners(config, diags);
    }

    fn holds(&self, object: &Value, _private: &Private) -> Vec<Hold> {
        cluster_key(object).map(Hold::exclusive).into_iter().collect()
    }

    fn unread(&self) -> &'static [&'static str] {
        &["version", "brokers", "controllers", "super_users", "users", "config", "heap", "client_certificates", "listener"]
    }

    fn plan(&self, input: PlanInput<'_>) -> PlanOutput {
        let mut attrs = input.proposed.as_map().cloned().unwrap_or_default();
        let mut out = PlanOutput::new(input.proposed.clone());
        if input.config.get("name").is_none_or(|n| n.is_null()) {
            // The name is the folder's: it stays what it was.
            let name = input.prior.and_then(|p| p.get_str("name")).unwrap_or_else(|| default_name(input.addr));
            out.diagnostics.extend(name_error("name", &name));
            attrs.insert("name".into(), name.into());
        }
        attrs.insert(RUNNING.into(), numbers(node_ids(&input.proposed)));
        if let Some(c) = attrs.get_mut("config") {
            *c = hidden(c);
        }
        let layout = input.prior.and_then(|_| layout_of(input.private));
        out.diagnostics.extend(downgrade_error(input.prior, layout.as_ref(), &input.proposed));
        // Of a folder without a layout nothing that Kafka gave it is known.
        let blank = layout.as_ref().is_some_and(Layout::is_blank);
        let changed = |name: &str| blank || input.prior.is_none_or(|p| p.get(name) != input.proposed.get(name));
        let unknown: &[(&str, &[&str])] = &[
            ("bootstrap_servers", &["brokers", "listener"]),
            ("endpoints", &["brokers", "listener"]),
            ("admin", &["brokers"]),
            ("certificates", &["client_certificates"]),
        ];
        let open = unknown.iter().filter(|(_, causes)| causes.iter().any(|c| changed(c))).map(|(name, _)| *name);
        for name in open.chain(blank.then_some("cluster_id")) {
            let ty = SCHEMA.body.attribute(name).map(|a| a.ty.clone());
            if let Some(crate::schema::AttrType::Value(ty)) = ty {
                attrs.insert(name.into(), Value::unknown(ty));
            }
        }
        out.planned = Value::object_of(attrs, input.proposed.origin().cloned());
        let key = input.prior.and_then(cluster_key).or_else(|| cluster_key(&out.planned));
        let key = key.unwrap_or_else(|| Key::unnamed(Place::here(), KIND));
        out.ops = match input.prior {
            Some(prior) => update_ops(&key, prior, &input.proposed, layout.as_ref()),
            None => vec![create_op(&key, &input.proposed)],
        };
        out.ops.extend(user_ops(&key, input.prior, &input.proposed, layout.as_ref()));
        out
    }

    fn plan_delete(&self, prior: &Value, _private: &Private) -> Vec<Op> {
        let delete = cluster_key(prior).map(|k| Op::new(OpAction::Delete, k).note("with all its processes and its data directory"));
        delete.map(|o| o.loss(losses(prior))).into_iter().collect()
    }

    async fn read(&self, cx: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        requests.iter().map(|r| Self::observe(cx, r)).collect()
    }

    async fn probe(&self, cx: &Session, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
        let mut all = Vec::with_capacity(requests.len());
        for step in &requests {
            let mut diags = Diagnostics::new();
            diags.extend(cannot_run(cx, step).await);
            if let (Some(prior), Some(planned)) = (&step.prior, &step.planned)
                && count(planned, "brokers") < count(prior, "brokers")
                && let cluster = Cluster::at(&cx.data_dir, &name_of(&step.addr, prior))
                && let Ok(Some(layout)) = cluster.layout()
            {
                match cluster.occupied(&layout, count(planned, "brokers")).await {
                    Ok(full) => diags.extend(full.iter().map(|(id, topic)| attr_error("brokers", broker::occupied_error(*id, topic)))),
                    Err(e) => diags.push(e),
                }
            }
            all.push(diags);
        }
        all
    }

    async fn apply(&self, cx: &Session, verb: Verb, steps: Vec<StepRequest>, desk: &dyn Desk) {
        let all = steps.iter().enumerate().map(|(i, s)| Self::step(cx, verb, s, i, desk));
        together(desk, steps.len(), futures::future::join_all(all)).await;
    }

    async fn import(&self, _cx: &Session, id: &str, _config: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        Err(Diagnostic::error(
            codes::INVALID_ARGUMENT,
            format!("The cluster \"{id}\" cannot be imported: only clusters that streamform started can be managed by the engine `local`."),
        )
        .hint("Use a `data \"kafka_cluster\"` block for a cluster that runs elsewhere."))
    }

    fn timeout(&self, verb: Verb) -> Duration {
        Duration::from_secs(if verb == Verb::Update { 900 } else { 300 })
    }
}
