//! Between objects and Connect's configurations: everything is a string there, with three keys that are arguments here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::super::Private;
use crate::addr::quote;
use crate::target::connect::{
    ConnectConnection, Connector, ConnectorStatus, Redactor, RunState, holds_placeholder, is_masked, looks_secret,
};
use crate::value::{Type, Value};

/// The keys that have arguments of their own, with these.
const RESERVED: [(&str, &str); 3] = [("name", "name"), ("connector.class", "class"), ("tasks.max", "tasks_max")];

/// The argument that stands for a configuration key, if one does.
pub(super) fn argument_of(key: &str) -> Option<&'static str> {
    RESERVED.iter().find(|(k, _)| *k == key).map(|(_, a)| *a)
}

/// The attribute path of a key.
pub(super) fn path(attr: &str, key: &str) -> String {
    format!("{attr}[{}]", quote(key))
}

/// How to reach the Connect cluster of this connector.
pub(super) fn connection(object: &Value) -> Option<ConnectConnection> {
    ConnectConnection::from_value(&object.get("connect")?)
}

/// A map without its null entries: to Connect they are the same as left out.
pub(super) fn without_nulls(map: &Value) -> Value {
    match map.as_map() {
        Some(m) if m.values().any(Value::is_null) => {
            let kept = m.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect();
            Value::map(Type::String, kept).mark(map.marks())
        }
        _ => map.clone(),
    }
}

/// The whole configuration as Connect gets it, `name` included, of what is known of `object`, and whether that is all.
pub(super) fn wanted(object: &Value) -> (BTreeMap<String, String>, bool) {
    let (mut out, mut complete) = (BTreeMap::new(), true);
    for (key, argument) in RESERVED {
        let value = object.get(argument);
        complete &= value.as_ref().is_none_or(Value::is_known);
        if let Some(text) = value.as_ref().and_then(text) {
            out.insert(key.to_string(), text);
        }
    }
    for attr in ["config", "sensitive_config"] {
        let Some(map) = object.get(attr) else { continue };
        complete &= map.is_wholly_known();
        for (key, value) in map.as_map().into_iter().flatten() {
            if let Some(text) = text(value) {
                out.insert(key.to_string(), text);
            }
        }
    }
    out.entry("tasks.max".into()).or_insert_with(|| "1".into());
    (out, complete)
}

fn text(value: &Value) -> Option<String> {
    match (value.as_str(), value.as_bool(), value.as_number()) {
        (Some(s), _, _) => Some(s.to_string()),
        (_, Some(b), _) => Some(b.to_string()),
        (_, _, Some(n)) => Some(n.to_string()),
        _ => None,
    }
}

/// The keys of `sensitive_config`.
pub(super) fn sensitive_keys(object: &Value) -> BTreeSet<String> {
    let map = object.get("sensitive_config");
    map.as_ref().and_then(Value::as_map).map(|m| m.keys().map(ToString::to_string).collect()).unwrap_or_default()
}

/// The keys of `config` and `sensitive_config` whose values must not be shown.
pub(super) fn secret_keys(object: &Value) -> BTreeSet<String> {
    let config = object.get("config");
    let marked = config.iter().filter_map(|c| c.as_map().map(|m| (c, m))).flat_map(|(c, m)| {
        m.iter().filter(|(k, v)| v.contains_sensitive() || c.marks().is_sensitive() || looks_secret(k)).map(|(k, _)| k.to_string())
    });
    marked.chain(sensitive_keys(object)).collect()
}

/// Masks the secrets of these objects in texts of a worker.
pub(super) fn redactor<'a>(objects: impl IntoIterator<Item = &'a Value>) -> Redactor {
    let mut secrets: Vec<String> = vec![];
    for object in objects {
        let keys = secret_keys(object);
        secrets.extend(wanted(object).0.into_iter().filter(|(k, _)| keys.contains(k)).map(|(_, v)| v));
    }
    Redactor::new(secrets.iter().map(String::as_str))
}

/// The changes of the configuration between two objects, a line each. What is only known by digest is not compared here.
pub(super) fn config_changes(prior: &Value, planned: &Value, private: &Private) -> Vec<String> {
    let mut out = vec![];
    for argument in ["class", "tasks_max"] {
        let (old, new) = (prior.get(argument), planned.get(argument));
        if let (Some(old), Some(new)) = (old, new)
            && old != new
        {
            out.push(format!("{argument}: {old} -> {new}"));
        }
    }
    let null = || Value::null(Type::map(Type::String));
    let (old, new) = (prior.get("config").unwrap_or_else(null), planned.get("config").unwrap_or_else(null));
    out.extend(map_changes("config", &old, &new));
    let (old, new) = (prior.get("sensitive_config").unwrap_or_else(null), planned.get("sensitive_config").unwrap_or_else(null));
    match old.is_known() {
        true => out.extend(map_changes("sensitive_config", &old.sensitive(), &new.sensitive())),
        false => out.extend(key_changes(&Recorded::of(private).sensitive_keys, &sensitive_keys(planned))),
    }
    out
}

fn map_changes(attr: &str, old: &Value, new: &Value) -> Vec<String> {
    if !new.is_known() {
        return vec![format!("{attr}: (known after apply)")];
    }
    let empty = BTreeMap::new();
    let (a, b) = (old.as_map().unwrap_or(&empty), new.as_map().unwrap_or(&empty));
    let keys: BTreeSet<&Arc<str>> = a.keys().chain(b.keys()).collect();
    let marks = old.marks().union(new.marks());
    let side = |v: Option<&Value>, secret: bool| match v.filter(|v| !v.is_null()) {
        None => "(unset)".to_string(),
        Some(_) if secret => "(sensitive value)".to_string(),
        Some(v) => v.to_string(),
    };
    let line = |key: &Arc<str>| {
        let (x, y) = (a.get(key).filter(|v| !v.is_null()), b.get(key).filter(|v| !v.is_null()));
        // A prior that is known by its digest only is compared by the caller, who has the key of the digest.
        let by_digest = x.is_some_and(|v| !v.is_known()) && y.is_some();
        let same = x.map(Value::repr) == y.map(Value::repr);
        let named = looks_secret(key) && ![x, y].into_iter().flatten().filter_map(Value::as_str).all(holds_placeholder);
        let secret = named || marks.is_sensitive() || [x, y].into_iter().flatten().any(Value::contains_sensitive);
        (!same && !by_digest).then(|| format!("{}: {} -> {}", path(attr, key), side(x, secret), side(y, secret)))
    };
    keys.into_iter().filter_map(line).collect()
}

fn key_changes(old: &BTreeSet<String>, new: &BTreeSet<String>) -> Vec<String> {
    let line = |key: &String, text: &str| format!("{}: {text}", path("sensitive_config", key));
    let gone = old.difference(new).map(|k| line(k, "(sensitive value) -> (unset)"));
    let added = new.difference(old).map(|k| line(k, "(unset) -> (sensitive value)"));
    gone.chain(added).collect()
}

/// What failed, as the private part records it.
#[derive(Default)]
pub(super) struct Failures {
    connector: bool,
    tasks: usize,
}

impl Failures {
    pub(super) fn of(private: &Private) -> Self {
        Failures {
            connector: private["failed_connector"].as_bool().unwrap_or(false),
            tasks: private["failed_tasks"].as_array().map_or(0, Vec::len),
        }
    }

    pub(super) fn any(&self) -> bool {
        self.connector || self.tasks > 0
    }

    /// `the connector`, `1 failed task`, `2 failed tasks`.
    pub(super) fn text(&self) -> String {
        match (self.connector, self.tasks) {
            (true, 0) => "the failed connector".into(),
            (true, n) => format!("the failed connector and {n} failed task{}", if n == 1 { "" } else { "s" }),
            (false, n) => format!("{n} failed task{}", if n == 1 { "" } else { "s" }),
        }
    }
}

/// The private part: no secrets, only which keys hold some.
#[derive(Default)]
pub(super) struct Recorded {
    /// The Kafka cluster behind Connect.
    pub kafka_cluster_id: Option<String>,
    /// The keys of `sensitive_config`.
    pub sensitive_keys: BTreeSet<String>,
}

impl Recorded {
    pub(super) fn of(private: &Private) -> Self {
        let keys = private["sensitive_keys"].as_array().into_iter().flatten();
        Recorded {
            kafka_cluster_id: private["kafka_cluster_id"].as_str().map(str::to_string),
            sensitive_keys: keys.filter_map(|k| k.as_str()).map(str::to_string).collect(),
        }
    }
}

/// The private part of a connector in this state.
pub(super) fn private(cluster_id: &str, sensitive: &BTreeSet<String>, status: Option<&ConnectorStatus>) -> Private {
    json!({
        "kafka_cluster_id": cluster_id,
        "sensitive_keys": sensitive,
        "failed_connector": status.is_some_and(|s| s.connector.state == RunState::Failed),
        "failed_tasks": status.map(ConnectorStatus::failed_tasks).unwrap_or_default(),
    })
}

/// The status attribute.
pub(super) fn status_text(status: &ConnectorStatus, state: &str) -> String {
    if status.has_failed() { "failed".into() } else { state.into() }
}

/// The state attribute: what the connector is meant to be. While it moves or has failed that does not show, and `before` stands in.
pub(super) fn state_text(status: &ConnectorStatus, before: Option<&str>) -> String {
    match status.connector.state {
        RunState::Running => "running",
        RunState::Paused => "paused",
        RunState::Stopped => "stopped",
        _ => before.unwrap_or("running"),
    }
    .to_string()
}

/// The attributes of a live connector. `prior` gives what Connect does not know, and what it masks.
pub(super) fn observed(prior: &Value, name: &str, live: &Connector, sensitive: &BTreeSet<String>) -> Value {
    let state = state_text(&live.status, prior.get_str("state").as_deref());
    let config = &live.info.config;
    let tasks_max = config.get("tasks.max").and_then(|t| t.trim().parse::<i64>().ok()).unwrap_or(1);
    let kind = live.info.kind.clone().or_else(|| live.status.kind.clone());
    let (plain, secret) = split(prior, config, sensitive);
    let or_null = |name: &str, ty: Type| prior.get(name).unwrap_or_else(|| Value::null(ty));
    let policy = Type::object([("on_failure", Type::String), ("max", Type::Number)]);
    let attrs = [
        ("connect", or_null("connect", Type::Dynamic)),
        ("name", Value::string(name)),
        ("class", config.get("connector.class").map_or_else(|| Value::null(Type::String), Value::string)),
        ("tasks_max", Value::from(tasks_max)),
        ("config", plain),
        ("sensitive_config", secret),
        ("state", Value::string(&state)),
        ("pause", or_null("pause", Type::Bool)),
        ("type", kind.map_or_else(|| Value::null(Type::String), Value::string)),
        ("tasks", Value::from(live.status.tasks.len() as i64)),
        ("status", Value::string(status_text(&live.status, &state))),
        ("restart_policy", or_null("restart_policy", policy)),
    ];
    Value::object_of(attrs.into_iter().map(|(k, v)| (k.into(), v)).collect(), prior.origin().cloned())
}

fn split(prior: &Value, config: &BTreeMap<String, String>, sensitive: &BTreeSet<String>) -> (Value, Value) {
    let (was_plain, was_secret) = (prior.get("config"), prior.get("sensitive_config"));
    let (mut plain, mut secret, mut hidden) = (BTreeMap::<Arc<str>, Value>::new(), BTreeMap::<Arc<str>, Value>::new(), false);
    for (key, value) in config.iter().filter(|(k, _)| argument_of(k).is_none()) {
        let is_secret = sensitive.contains(key);
        let before = if is_secret { &was_secret } else { &was_plain }.as_ref().and_then(|m| m.get(key));
        let value = match (is_masked(value), before) {
            (true, Some(before)) => before,
            (true, None) => {
                hidden |= is_secret;
                Value::string(value).sensitive()
            }
            (false, Some(before)) if before.contains_sensitive() => Value::string(value).sensitive(),
            // Without a record of this key, as in an import, its name says whether it is a secret.
            (false, None) if looks_secret(key) && !holds_placeholder(value) => Value::string(value).sensitive(),
            (false, _) => Value::string(value),
        };
        if is_secret { &mut secret } else { &mut plain }.insert(key.as_str().into(), value);
    }
    let finish = |map: BTreeMap<Arc<str>, Value>, was: Option<Value>| {
        let was_map = was.as_ref().is_some_and(|v| v.as_map().is_some());
        if map.is_empty() && !was_map { Value::null(Type::map(Type::String)) } else { Value::map(Type::String, map) }
    };
    let secret = match was_secret {
        Some(was) if hidden => was,
        was => finish(secret, was).sensitive(),
    };
    let secret = if secret.is_null() { Value::null(Type::map(Type::String)) } else { secret };
    (finish(plain, was_plain), secret)
}
