//! `kafka_connector`: a connector on a Kafka Connect cluster, through its REST interface.
//!
//! Configurations compare as strings, without `name`; nothing is sent when nothing differs, because a PUT restarts tasks. Connect
//! itself checks a configuration at plan time. Here: schema, checks and the pure plan; `model` maps configurations, `edge` reads,
//! `apply` writes and waits, `orders` says what the operations of a step allow, `secrets` which mounted secrets are used, `placeholders` which placeholders nobody resolves, `probe` asks Connect, `hcl` writes a connector as HCL.

mod apply;
mod edge;
pub mod hcl;
mod model;
mod orders;
mod placeholders;
mod probe;
mod secrets;

pub use hcl::hcl_of;

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;

use super::local_common::name_errors;
use super::{
    Arg, Desk, Discovered, Hold, Key, Observed, Op, OpAction, Place, PlanInput, PlanOutput, Private, ReadRequest, ResourceType, Session,
    StepRequest, Verb, attr_error,
};
use crate::addr::{InstanceAddr, InstanceKey};
use crate::diag::codes::{connect as codes, lang as lang_codes};
use crate::diag::{Diagnostic, Diagnostics};
use crate::schema::{Attribute, Body, NestedBlock, Nesting, Schema};
use crate::value::{Fields, Type, Value};

/// How many connectors one `apply` call takes.
const BATCH: usize = 20;

/// The resource type `kafka_connector`.
pub struct KafkaConnector;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema {
    version: 0,
    doc: "A connector on a Kafka Connect cluster. Its configuration is checked by Connect itself when planning, and an apply ends when \
          the connector and all its tasks run.",
    body: Body {
        attributes: vec![
            Attribute::reference("connect", &["kafka_connect"], "The Connect cluster, managed or data."),
            Attribute::optional_computed("name", Type::String, "The connector's name. Default: the block's name.").force_new(),
            Attribute::optional(
                "class",
                Type::String,
                "The connector's class: in full, its simple name, or its alias. Required, unless `config` has `connector.class`.",
            ),
            Attribute::optional("tasks_max", Type::Number, "At most this many tasks. Default: `tasks.max` in `config`, or 1.").implied(1_i64),
            Attribute::optional(
                "config",
                Type::map(Type::String),
                "The configuration. The keys name, connector.class and tasks.max have arguments of their own: they may stand here, as in a whole \
                file, where they say the same or the argument is left out. A \
                placeholder for Connect is written with two dollars: \"$${file:/etc/secrets/a.properties:key}\". Values of keys that \
                name a password or the like are not shown and not stored.",
            )
            .names_things(),
            Attribute::optional("sensitive_config", Type::map(Type::String), "Further configuration that is never shown or stored.")
                .sensitive()
                .names_things(),
            Attribute::optional(
                "state",
                Type::String,
                "running, paused (tasks keep their place) or stopped (tasks are given up). Default: running, or paused with `pause = true`.",
            )
            .implied("running"),
            Attribute::optional("pause", Type::Bool, "The same as state = \"paused\"."),
            Attribute::computed("type", Type::String, "source or sink."),
            Attribute::computed("tasks", Type::Number, "How many tasks there are."),
            Attribute::computed("status", Type::String, "running, paused, stopped or failed."),
            Attribute::computed(
                "secrets_version",
                Type::map(Type::String),
                "The version of each mounted secret that it was started with, by the mount's path. When one changes the tasks are restarted.",
            ),
        ],
        blocks: vec![NestedBlock {
            name: "restart_policy",
            nesting: Nesting::Single,
            min: 0,
            doc: "What is done about failed tasks.",
            body: Body {
                attributes: vec![
                    Attribute::optional("on_failure", Type::String, "failed_tasks (restart what failed) or never.").default("failed_tasks"),
                    Attribute::optional("max", Type::Number, "At most this many restarts during one apply.").default(3_i64),
                ],
                blocks: vec![],
            },
        }],
    },
}
});

#[async_trait]
impl ResourceType for KafkaConnector {
    fn lives_in(&self) -> Option<&'static str> {
        Some("connect")
    }

    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn validate(&self, config: &Value, diags: &mut Diagnostics) {
        let name = config.get_str("name").or_else(|| model::given(config, "name").and_then(|v| v.as_str().map(str::to_string)));
        diags.extend(name.and_then(|n| name_error(&n)));
        for map in ["config", "sensitive_config"] {
            diags.extend(name_errors(config, map, "a setting", |c| !c.is_control()));
        }
        check_keys(config, diags);
        if is_unset(config, "class") && model::given(config, "connector.class").is_none() {
            let d = Diagnostic::error(lang_codes::MISSING_ARGUMENT, "The argument \"class\" is required, but no definition was found.");
            diags.push(d.hint("Set `class`, or `connector.class` in `config`."));
        }
        check_state(config, diags);
        check_numbers(config, diags);
    }

    fn holds(&self, object: &Value, _private: &Private) -> Vec<Hold> {
        Some(key(object)).filter(Key::is_known).map(Hold::exclusive).into_iter().collect()
    }

    fn plan(&self, input: PlanInput<'_>) -> PlanOutput {
        plan(input)
    }

    fn plan_delete(&self, prior: &Value, _private: &Private) -> Vec<Op> {
        let name = prior.get_str("name").unwrap_or_default();
        let rest = match prior.get_str("type").as_deref() {
            Some("sink") => format!("(its consumer group {} and that group's offsets are kept)", model::group_of(prior, &name)),
            _ => "(its offsets are kept in Connect: a new connector with this name resumes there)".to_string(),
        };
        vec![Op::new(OpAction::Delete, key(prior)).note(rest)]
    }

    async fn read(&self, cx: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        edge::read(cx, requests).await
    }

    async fn probe(&self, cx: &Session, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
        probe::probe(cx, requests).await
    }

    fn vets(&self) -> bool {
        true
    }

    async fn vet(&self, cx: &Session, requests: &[StepRequest]) -> Vec<Option<Diagnostic>> {
        probe::vet(cx, requests).await
    }

    fn probes_deletes(&self) -> bool {
        true
    }

    async fn apply(&self, cx: &Session, verb: Verb, steps: Vec<StepRequest>, desk: &dyn Desk) {
        apply::apply(cx, verb, steps, desk).await;
    }

    fn batch_limit(&self) -> usize {
        BATCH
    }

    async fn import(&self, cx: &Session, id: &str, config: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        edge::import(cx, id, config).await
    }

    async fn discover(&self, cx: &Session, parent: &Value) -> Result<Vec<Discovered>, Diagnostic> {
        edge::discover(cx, parent).await
    }

    fn timeout(&self, verb: Verb) -> Duration {
        Duration::from_secs(if verb == Verb::Delete { 60 } else { 180 })
    }
}

/// Names that Connect takes and that its REST interface cannot address afterwards (KAFKA-4372, KAFKA-4827).
fn name_error(name: &str) -> Option<Diagnostic> {
    let why = match name.chars().find(|c| matches!(c, '/' | '\\' | '%' | ';') || c.is_control()) {
        Some(c) => format!("it has {c:?}, which cannot be part of an address"),
        None if matches!(name, "." | "..") => "it is a step between folders".to_string(),
        None if name.trim() != name => "it begins or ends with a blank".to_string(),
        None => return None,
    };
    let d = Diagnostic::error(codes::INVALID_ARGUMENT, format!("{name:?} cannot be a connector's name: {why}."));
    Some(attr_error("name", d.hint("Connect would take the name, and its REST interface could not find the connector again.")))
}

fn check_keys(config: &Value, diags: &mut Diagnostics) {
    let maps = ["config", "sensitive_config"].map(|n| (n, config.get(n)));
    for (attr, map) in &maps {
        for key in map.iter().filter_map(Value::as_map).flat_map(Fields::keys) {
            let Some(argument) = model::argument_of(key) else { continue };
            if *attr == "config" && model::agrees(config, key, argument) {
                continue;
            }
            let what = match *attr {
                "config" => format!("The key {key:?} in config and the argument {argument} say different things."),
                _ => format!("The key {key:?} has an argument of its own."),
            };
            let d = Diagnostic::error(codes::RESERVED_KEY, what);
            diags.push(attr_error(model::path(attr, key), d.hint(format!("Use the argument {argument} in place of this key."))));
        }
    }
    let [(_, Some(plain)), (_, Some(secret))] = &maps else { return };
    let keys = |v: &Value| v.as_map().map(|m| m.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    for key in keys(secret).iter().filter(|k| plain.as_map().is_some_and(|m| m.contains_key(*k))) {
        let d = Diagnostic::error(codes::INVALID_ARGUMENT, format!("The key {:?} is both in config and in sensitive_config.", &**key));
        diags.push(attr_error(model::path("config", key), d.hint("Keep it in one of the two.")));
    }
}

fn is_unset(config: &Value, name: &str) -> bool {
    config.get(name).is_none_or(|v| v.is_null())
}

fn check_state(config: &Value, diags: &mut Diagnostics) {
    let state = config.get_str("state");
    if let Some(s) = state.as_deref().filter(|s| !matches!(*s, "running" | "paused" | "stopped")) {
        let d = Diagnostic::error(codes::INVALID_ARGUMENT, format!("The state {s:?} is none that a connector can have."));
        diags.push(attr_error("state", d.hint("Use running, paused or stopped.")));
    }
    let pause = config.get("pause").and_then(|v| v.as_bool());
    if let (Some(s), Some(p)) = (state.as_deref(), pause)
        && p != (s == "paused")
    {
        let d = Diagnostic::error(codes::INVALID_ARGUMENT, format!("pause = {p} and state = {s:?} contradict each other."));
        diags.push(attr_error("pause", d.hint("Remove pause: state says all.")));
    }
    let policy = config.get("restart_policy").and_then(|p| p.get_str("on_failure"));
    if let Some(s) = policy.filter(|s| !matches!(s.as_str(), "failed_tasks" | "never")) {
        let d = Diagnostic::error(codes::INVALID_ARGUMENT, format!("The value {s:?} is no policy."));
        diags.push(attr_error("restart_policy.on_failure", d.hint("Use failed_tasks or never.")));
    }
}

fn check_numbers(config: &Value, diags: &mut Diagnostics) {
    let not_within = |v: &Value, min: i64| v.as_number().is_some() && v.as_i64().is_none_or(|n| n < min || n > i64::from(i32::MAX));
    if config.get("tasks_max").is_some_and(|v| not_within(&v, 1)) {
        let d = Diagnostic::error(codes::INVALID_ARGUMENT, "tasks_max must be a whole number of at least 1.");
        diags.push(attr_error("tasks_max", d.hint("Use state = \"stopped\" for a connector without tasks.")));
    }
    if config.get("restart_policy").and_then(|p| p.get("max")).is_some_and(|v| not_within(&v, 0)) {
        let d = Diagnostic::error(codes::INVALID_ARGUMENT, "max must be a whole number of at least 0.");
        diags.push(attr_error("restart_policy.max", d.hint("Use on_failure = \"never\" for no restarts.")));
    }
    if config.get_str("name").is_some_and(|n| n.is_empty()) {
        let d = Diagnostic::error(codes::INVALID_ARGUMENT, "The name of a connector must not be empty.");
        diags.push(attr_error("name", d.hint("Leave name out to use the block's name.")));
    }
}

fn plan(input: PlanInput<'_>) -> PlanOutput {
    let mut out = PlanOutput::new(input.proposed.clone());
    let Some(mut attrs) = input.proposed.as_map().cloned() else { return out };
    for (key, argument) in model::RESERVED {
        if is_unset(input.config, argument)
            && let Some(value) = model::given(input.config, key)
        {
            attrs.insert(argument.into(), value);
        }
    }
    // A configuration that is not known yet may hold them, too.
    let open = input.config.get("config").is_some_and(|c| !c.is_known());
    if is_unset(input.config, "name") && model::given(input.config, "name").is_none() {
        let name = input.prior.and_then(|p| p.get_str("name")).unwrap_or_else(|| default_name(input.addr));
        out.diagnostics.extend(name_error(&name));
        attrs.insert("name".into(), Value::string(name));
    }
    if attrs.get("tasks_max").is_none_or(Value::is_null) {
        attrs.insert("tasks_max".into(), if open { Value::unknown(Type::Number) } else { Value::from(1_i64) });
    }
    if open && attrs.get("class").is_none_or(Value::is_null) {
        attrs.insert("class".into(), Value::unknown(Type::String));
    }
    let state = wanted_state(input.config);
    attrs.insert("state".into(), state.clone());
    let mounts = model::Mounts::of(&input.proposed);
    for attr in ["config", "sensitive_config"] {
        let before = input.prior.and_then(|p| p.get(attr));
        if let Some(map) = attrs.get(attr).map(|map| model::tidy(map, &mounts, before.as_ref())) {
            // Nothing is hidden: a read finds none.
            let is_none = attr == "sensitive_config" && map.as_map().is_some_and(Fields::is_empty);
            attrs.insert(attr.into(), if is_none { Value::null(Type::map(Type::String)) } else { map });
        }
    }
    attrs.insert("status".into(), state.clone());
    let versions = secrets::versions(&Value::object(attrs.clone()));
    attrs.insert("secrets_version".into(), versions);
    out.diagnostics.extend(placeholders::faults(&Value::object(attrs.clone())));
    match input.prior {
        None => plan_create(&mut attrs, &mut out),
        Some(prior) => plan_update(prior, &input, &mut attrs, &mut out),
    }
    out.planned = Value::object_of(attrs, input.proposed.origin().cloned());
    out
}

fn default_name(addr: &InstanceAddr) -> String {
    match &addr.key {
        None => addr.resource.name.to_string(),
        Some(InstanceKey::Int(n)) => format!("{}-{n}", addr.resource.name),
        Some(InstanceKey::Str(s)) => format!("{}-{s}", addr.resource.name),
    }
}

fn wanted_state(config: &Value) -> Value {
    match config.get("state").filter(|v| !v.is_null()) {
        Some(state) => state,
        None => match config.get("pause") {
            Some(p) if !p.is_known() => Value::unknown(Type::String),
            Some(p) if p.as_bool() == Some(true) => Value::string("paused"),
            _ => Value::string("running"),
        },
    }
}

/// The connector as an object of its Connect cluster: that is one group of workers on one Kafka cluster, or whatever answers at a URL.
fn key(object: &Value) -> Key {
    let place = object.get("connect").map_or_else(Place::nowhere, |c| place(&c));
    match object.get("name").and_then(|v| v.as_str().map(str::to_string)) {
        Some(name) => Key::new(place, "connector", &name),
        None => Key::unnamed(place, "connector"),
    }
}

fn place(connect: &Value) -> Place {
    let text = |name: &str| connect.get(name).filter(|v| v.is_known()).and_then(|v| v.as_str().map(str::to_string));
    let id = match (text("cluster_id"), text("group_id")) {
        (Some(cluster), Some(group)) => Some(format!("{cluster}/{group}")),
        _ => connect.get("admin").filter(Value::is_known).and_then(|a| a.get_str("url")),
    };
    match (id, connect.origin()) {
        (Some(id), Some(addr)) => Place::with_id(&id, addr),
        (Some(id), None) => Place::with_id(&id, &id),
        (None, Some(addr)) => Place::at(addr),
        (None, None) => Place::nowhere(),
    }
}

fn plan_create(attrs: &mut Fields, out: &mut PlanOutput) {
    attrs.insert("type".into(), Value::unknown(Type::String));
    let tasks = tasks_of_stopped(attrs);
    attrs.insert("tasks".into(), tasks.unwrap_or_else(|| Value::unknown(Type::Number)));
    let state = match attrs.get("state").and_then(Value::as_str) {
        Some("running") | None => "",
        Some("paused") => ", paused",
        Some(_) => ", stopped",
    };
    let shown = |name: &str| attrs.get(name).map(ToString::to_string).unwrap_or_default();
    let create = Op::new(OpAction::Create, key(&Value::object(attrs.clone())));
    out.ops.push(create.note(format!("of class {}{state}", shown("class"))));
}

/// The number of tasks, where it follows from the state: a stopped connector has none, whatever its configuration.
fn tasks_of_stopped(attrs: &Fields) -> Option<Value> {
    (attrs.get("state").and_then(Value::as_str) == Some("stopped")).then(|| Value::from(0_i64))
}

fn plan_update(prior: &Value, input: &PlanInput<'_>, attrs: &mut Fields, out: &mut PlanOutput) {
    let planned = Value::object(attrs.clone());
    let config = model::config_changes(prior, &planned, input.private);
    let from = prior.get_str("state").unwrap_or_default();
    let to = attrs.get("state").and_then(Value::as_str).unwrap_or_default().to_string();
    let failed = model::Failures::of(input.private);
    let unchanged = config.is_empty();
    let key = key(prior);
    let op = |action| Op::new(action, key.clone());
    out.ops.extend(config.into_iter().map(|c| c.op(&key)));
    if !unchanged {
        out.ops.push(op(OpAction::Restart).part("tasks").note("(config changed)"));
    }
    // What is stopped reads its secrets when it starts.
    if to != "stopped" && from != "stopped" {
        let restart = |secret: String| op(OpAction::Restart).part("tasks").note(format!("({secret} changed)")).after(secret, Arg::Unknown);
        out.ops.extend(secrets::changed(prior, &planned).into_iter().map(restart));
    }
    if from != to {
        out.ops.push(match to.as_str() {
            "paused" => op(OpAction::Pause),
            "stopped" => op(OpAction::Stop),
            "running" => op(OpAction::Resume),
            _ => op(OpAction::Change).part("state").after("state", Arg::Unknown),
        });
    }
    if failed.any() && to == "running" {
        plan_restart(prior, &key, &failed, attrs, out);
    }
    let known = |name: &str| attrs.get(name).is_some_and(Value::is_known) && prior.get(name).as_ref() == attrs.get(name);
    let (same_class, same_tasks) = (known("class"), unchanged && from == to);
    if !same_class {
        attrs.insert("type".into(), Value::unknown(Type::String));
    }
    let tasks = tasks_of_stopped(attrs).or_else(|| prior.get("tasks").filter(|_| same_tasks));
    attrs.insert("tasks".into(), tasks.unwrap_or_else(|| Value::unknown(Type::Number)));
}

fn plan_restart(prior: &Value, key: &Key, failed: &model::Failures, attrs: &mut Fields, out: &mut PlanOutput) {
    let policy = attrs.get("restart_policy").and_then(|p| p.get_str("on_failure"));
    if policy.as_deref() != Some("never") {
        out.ops.push(Op::new(OpAction::Restart, key.clone()).part(failed.text()));
        return;
    }
    let name = prior.get_str("name").unwrap_or_default();
    let d = Diagnostic::warning(
        codes::CONNECTOR_FAILED,
        format!("Connector {name:?} has {}, and its restart_policy says never.", failed.text()),
    );
    out.diagnostics.push(d.hint("Look into the worker's log, then restart it, or set on_failure = \"failed_tasks\"."));
    if let Some(status) = prior.get("status") {
        attrs.insert("status".into(), status);
    }
}

#[cfg(test)]
mod tests;
