//! `kafka_cluster`: a cluster that streamform runs. What its engines do lies in [`crate::engine`]; here are its schema and its decisions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;

use super::kafka_cluster_data::admin_type;
use super::local_common::{
    StepMandate, alive, answered, count, differs, heap_error, hidden, in_setting, name_errors, name_of, not_deleted, not_kept, numbers,
    op_of, said,
};
use super::{
    Desk, Hold, Key, Observed, Op, OpAction, Place, PlanInput, PlanOutput, Private, RUNNING, ReadRequest, ResourceType, Session,
    StepRequest, StepResult, Verb, attr_error, together,
};
use crate::addr::{InstanceAddr, InstanceKey};
use crate::client::kafka::KafkaPool;
use crate::diag::codes::engine as codes;
use crate::diag::redact::one_line;
use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::engine::deployed::{CertificateFiles, DeployedCluster};
use crate::engine::spec::{Authentication, ClusterSpec, ListenerSpec};
use crate::engine::{self, Class, ClusterChange, ClusterEngine};
use crate::schema::{AttrType, Attribute, Body, NestedBlock, Nesting, Schema};
use crate::value::{Fields, Type, Value};

/// The resource type `kafka_cluster`.
pub struct KafkaCluster;

/// The arguments that an engine is told about.
const ARGUMENTS: [&str; 9] =
    ["version", "brokers", "controllers", "super_users", "users", "config", "heap", "client_certificates", "listener"];

/// The arguments that not every engine has, and what they are to whoever writes them.
const OF_SOME_ENGINES: &[(&str, Class)] = &[("storage", Class::Promise), ("heap", Class::Placement)];

/// The version of Kafka where none is written.
pub const DEFAULT_VERSION: &str = "4.3.1";

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
                doc: "Volumes of the brokers. Used by the Kubernetes engines; the engine `local`, which keeps its data in the working folder, refuses it.",
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

/// The name of an object's engine.
pub(super) fn engine_name(object: &Value) -> String {
    object.get_str("engine").unwrap_or_else(|| "local".to_string())
}

/// An engine that is unknown or not in this version.
pub(super) fn engine_error(engine: &str) -> Diagnostic {
    if engine::NAMES.contains(&engine) {
        let d = Diagnostic::error(codes::ENGINE_UNAVAILABLE, format!("The engine \"{engine}\" is not available in this version."));
        return attr_error("engine", d.hint("Use \"local\", which runs Kafka as processes of this machine."));
    }
    let d = Diagnostic::error(codes::ENGINE_UNAVAILABLE, format!("There is no engine \"{engine}\"."));
    let near = did_you_mean(engine, engine::NAMES);
    attr_error("engine", d.hint(near.map_or("Use \"local\".".to_string(), |n| format!("Did you mean \"{n}\"?"))))
}

fn engine_of(object: &Value) -> Result<&'static dyn ClusterEngine, Diagnostic> {
    let name = engine_name(object);
    engine::cluster(&name).ok_or_else(|| engine_error(&name))
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

/// The object as engines are told.
fn spec_of(addr: &InstanceAddr, object: &Value) -> ClusterSpec {
    ClusterSpec { name: name_of(addr, object), ..decoded(object) }
}

/// The same without its name.
fn decoded(object: &Value) -> ClusterSpec {
    let listener = |(name, l): (&Arc<str>, &Value)| ListenerSpec {
        label: name.to_string(),
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
    ClusterSpec {
        name: String::new(),
        version: object.get_str("version").unwrap_or_default(),
        brokers: count(object, "brokers"),
        controllers: count(object, "controllers"),
        heap: object.get_str("heap").unwrap_or_default(),
        listeners: object.get("listener").iter().filter_map(Value::as_map).flatten().map(listener).collect(),
        super_users: texts(object, "super_users"),
        users: text_map(object, "users"),
        config: text_map(object, "config"),
        certificates: texts(object, "client_certificates"),
    }
}

/// The wanted users, each with whether its password is as before; `None` while they are not known.
fn users_of(prior: Option<&Value>, proposed: &Value) -> Option<Vec<(Arc<str>, bool)>> {
    let users = proposed.get("users");
    if users.as_ref().is_some_and(|u| !u.is_known()) {
        return None;
    }
    let before = |user: &str| prior.and_then(|p| p.get("users")).and_then(|u| u.get(user)).filter(Value::is_known);
    let entries = users.iter().filter_map(Value::as_map).flatten().filter(|(_, password)| !password.is_null());
    Some(entries.map(|(user, password)| (user.clone(), before(user).is_some_and(|v| v.repr() == password.repr()))).collect())
}

/// The object with its computed attributes filled in from what the engine found.
fn filled(addr: &InstanceAddr, base: &Value, found: &DeployedCluster) -> Value {
    let mut attrs = base.as_map().cloned().unwrap_or_default();
    let listeners: Vec<String> = base.get("listener").iter().filter_map(Value::as_map).flatten().map(|(n, _)| n.to_string()).collect();
    let address = |name: &str| found.addresses.get(&name.to_uppercase()).cloned().unwrap_or_default();
    let endpoints: Fields = listeners.iter().map(|n| (n.as_str().into(), address(n).into())).collect();
    let first = listeners.first().map_or_else(|| found.internal.clone(), |n| address(n));
    let cluster_id = found.cluster_id.as_ref().map_or(Value::null(Type::String), Value::string);
    let text = |v: Option<String>| v.map_or(Value::null(Type::String), Value::from);
    let file = |path: Option<&PathBuf>| text(path.map(|p| p.to_string_lossy().into_owned()));
    let way = &found.admin;
    let admin = Value::object_from([
        ("bootstrap_servers", Value::string(&found.internal)),
        ("security_protocol", way.protocol.as_str().into()),
        ("ca_file", file(way.ca_file.as_ref())),
        ("certificate_file", file(way.certificate_file.as_ref())),
        ("key_file", file(way.key_file.as_ref())),
        ("sasl_mechanism", text(way.mechanism.map(|m| m.as_str().to_string()))),
        ("username", text(way.username.clone())),
        ("password", text(way.password.clone())),
        ("insecure_skip_verify", way.insecure_skip_verify.into()),
        ("cluster_id", cluster_id.clone()),
    ]);
    let certificate = |(cn, files): (&String, &CertificateFiles)| {
        let files = [
            ("certificate_file", file(Some(&files.certificate))),
            ("key_file", file(Some(&files.key))),
            ("ca_file", file(Some(&found.ca_file))),
            ("principal", Value::string(format!("User:CN={cn}"))),
        ];
        (Arc::from(cn.as_str()), Value::object_from(files))
    };
    let computed: [(&str, Value); 8] = [
        ("name", name_of(addr, base).into()),
        ("cluster_id", cluster_id),
        ("bootstrap_servers", first.into()),
        ("endpoints", Value::map(Type::String, endpoints)),
        ("admin", admin),
        ("certificates", Value::map(certificate_type(), found.certificates.iter().map(certificate).collect())),
        ("ca_file", file(Some(&found.ca_file))),
        (RUNNING, numbers(found.running.iter().copied())),
    ];
    attrs.extend(computed.into_iter().map(|(k, v)| (Arc::from(k), v)));
    Value::object_of(attrs, base.origin().cloned())
}

/// The cluster among those of its place.
pub(super) fn cluster_key(object: &Value) -> Option<Key> {
    Some(Key::new(Place::here(), engine_of(object).ok()?.kind(), &object.get_str("name")?))
}

fn losses(prior: &Value) -> Option<String> {
    if prior.get("deletion_protection").and_then(|v| v.as_bool()) == Some(false) {
        return None;
    }
    Some(format!("All topics and messages of the cluster \"{}\" would be lost.", prior.get_str("name").unwrap_or_default()))
}

impl KafkaCluster {
    async fn observe(cx: &Session, request: &ReadRequest) -> Result<Observed, Diagnostic> {
        let spec = spec_of(&request.addr, &request.prior);
        let found = engine_of(&request.prior)?.observe(cx.site(), &spec).await?;
        Ok(found.map_or(Observed::Absent, |found| Observed::present(filled(&request.addr, &request.prior, &found), found.record)))
    }

    async fn step(cx: &Session, verb: Verb, step: &StepRequest, index: usize, desk: &dyn Desk) -> StepResult {
        let note = |text: &str| cx.progress.note(&step.addr, text);
        let Some(value) = step.planned.as_ref().or(step.prior.as_ref()) else { return StepResult::gone() };
        let engine = match engine_of(value) {
            Ok(engine) => engine,
            Err(error) => return StepResult::failed(error, step.prior.clone().map(|v| (v, step.private.clone()))),
        };
        let (site, spec) = (cx.site(), spec_of(&step.addr, value));
        let before = engine.observe(site, &spec).await.ok().flatten().map(|found| found.admin.bootstrap_servers);
        let mandate = StepMandate { ops: &step.ops, kind: engine.kind(), desk, step: index };
        let outcome = match verb {
            Verb::Delete => match not_deleted(&step.ops, cluster_key(value).as_ref()) {
                Some(error) => Err(error),
                None => engine.destroy(site, &spec, &note).await.map(|()| StepResult::gone()),
            },
            Verb::Create | Verb::Update => engine.converge(site, &spec, &mandate, &note, step.timeout).await.and_then(|found| {
                let now = filled(&step.addr, value, &found);
                answered(&SCHEMA, value, &now).map_or_else(|| Ok(StepResult::done(now, found.record)), Err)
            }),
        };
        // Whoever used the cluster in this run holds connections to processes that are gone.
        let (clients, before) = (cx.pool::<KafkaPool>(), before.unwrap_or_default());
        match (verb, &outcome) {
            (Verb::Delete, Ok(_)) => clients.gone(&before),
            _ => clients.forget(&before),
        }
        let base = step.prior.as_ref().unwrap_or(value);
        match outcome {
            Ok(done) => done,
            // After a failure there is what the engine finds: whatever was started is known to the next run.
            Err(error) => {
                let left = engine.observe(site, &spec_of(&step.addr, base)).await.ok().flatten();
                StepResult::failed(error, left.map(|found| (filled(&step.addr, base, &found), found.record)))
            }
        }
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
        diags.extend(text("engine").filter(|e| engine::cluster(e).is_none()).map(|e| engine_error(&e)));
        diags.extend(text("version").and_then(|v| version_error(&v)));
        if let Ok(engine) = engine_of(config) {
            diags.extend(not_kept(config, &SCHEMA.body, OF_SOME_ENGINES, engine.arguments()));
            diags.extend(engine.check(&decoded(config)).into_iter().map(said));
        }
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
        &ARGUMENTS
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
        if let Some(config) = input.proposed.get("config") {
            attrs.insert("config".into(), hidden(&config));
        }
        let engine = match engine_of(&input.proposed) {
            Ok(engine) => engine,
            Err(error) => {
                out.diagnostics.push(error);
                return out;
            }
        };
        let (was, want) = (input.prior.map(|p| spec_of(input.addr, p)), spec_of(input.addr, &input.proposed));
        let users = users_of(input.prior, &input.proposed);
        let users: Option<Vec<(&str, bool)>> = users.as_ref().map(|all| all.iter().map(|(user, same)| (&**user, *same)).collect());
        let changed = input.prior.map(|p| ARGUMENTS.into_iter().filter(|name| differs(p, &input.proposed, name)).collect());
        let plan = engine.plan(&ClusterChange {
            was: was.as_ref(),
            want: &want,
            record: input.prior.map(|_| input.private),
            running: &input.prior.map(alive).unwrap_or_default(),
            changed: &changed.unwrap_or_default(),
            users: users.as_deref(),
        });
        attrs.insert(RUNNING.into(), numbers(plan.running));
        for name in plan.unknown {
            if let Some(AttrType::Value(ty)) = SCHEMA.body.attribute(name).map(|a| a.ty.clone()) {
                attrs.insert(name.into(), Value::unknown(ty));
            }
        }
        out.diagnostics.extend(plan.findings.into_iter().map(said));
        out.planned = Value::object_of(attrs, input.proposed.origin().cloned());
        let key = input.prior.and_then(cluster_key).or_else(|| cluster_key(&out.planned));
        let key = key.unwrap_or_else(|| Key::unnamed(Place::here(), engine.kind()));
        out.ops = plan.steps.iter().map(|step| op_of(&key, step)).collect();
        out
    }

    fn plan_delete(&self, prior: &Value, _private: &Private) -> Vec<Op> {
        let Some((key, engine)) = cluster_key(prior).zip(engine_of(prior).ok()) else { return vec![] };
        vec![Op::new(OpAction::Delete, key).note(engine.leaves_nothing_of()).loss(losses(prior))]
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
                    let was = step.prior.as_ref().map(|p| spec_of(&step.addr, p));
                    engine.probe(cx.site(), was.as_ref(), &spec_of(&step.addr, planned), &note).await
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
