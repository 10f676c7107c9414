//! Between objects and Connect's configurations: everything is a string there, with three keys that are arguments here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::super::{Arg, Key, Op, OpAction, Private};
use crate::addr::quote;
use crate::client::connect::{
    ConnectConnection, Connector, ConnectorStatus, RunState, holds_placeholder, is_masked, is_placeholder, looks_secret, swap_folders,
};
use crate::diag::redact::Redactor;
use crate::lang::functions::streamform::properties;
use crate::value::{Fields, Type, Value};
use crate::words::counted;

/// The keys that have arguments of their own, with these.
pub(super) const RESERVED: [(&str, &str); 3] = [("name", "name"), ("connector.class", "class"), ("tasks.max", "tasks_max")];

/// The argument that stands for a configuration key, if one does.
pub(super) fn argument_of(key: &str) -> Option<&'static str> {
    RESERVED.iter().find(|(k, _)| *k == key).map(|(_, a)| *a)
}

/// What `config` says for a key that has an argument, as a value of that argument.
pub(super) fn given(config: &Value, key: &str) -> Option<Value> {
    let value = config.get("config")?.get(key).filter(|v| !v.is_null())?;
    match (key, value.as_str()) {
        ("tasks.max", Some(text)) => Some(text.trim().parse::<i64>().map_or_else(|_| value.clone(), Value::from).mark(value.marks())),
        ("tasks.max", None) => Some(Value::unknown(Type::Number).mark(value.marks())),
        _ => Some(value),
    }
}

/// Whether the key in `config` and its argument do not contradict each other.
pub(super) fn agrees(config: &Value, key: &str, argument: &str) -> bool {
    let (Some(written), Some(given)) = (config.get(argument).filter(|v| !v.is_null()), given(config, key)) else {
        // A count has to be one where it is taken over.
        return key != "tasks.max" || given(config, key).is_none_or(|v| v.as_i64().is_some_and(|n| n > 0) || !v.is_known());
    };
    !written.is_known() || !given.is_known() || text(&written) == text(&given)
}

/// The attribute path of a key.
pub(super) fn path(attr: &str, key: &str) -> String {
    format!("{attr}[{}]", quote(key))
}

/// How to reach the Connect cluster of this connector.
pub(super) fn connection(object: &Value) -> Option<ConnectConnection> {
    ConnectConnection::from_value(&object.get("connect")?)
}

/// Where mounted secrets really lie, by the folder that connectors write. Only the engine `local` has another folder than that.
pub(super) struct Mounts(Vec<(String, String)>);

impl Mounts {
    /// Those of the Connect cluster that a connector belongs to.
    pub(super) fn of(object: &Value) -> Mounts {
        let paths = object.get("connect").and_then(|c| c.get("mount_paths"));
        let pair = |(path, dir): (&Arc<str>, &Value)| Some((path.trim_end_matches('/').to_string(), dir.as_str()?.to_string()));
        let pairs = paths.iter().filter_map(Value::as_map).flatten().filter_map(pair);
        Mounts(pairs.filter(|(path, _)| !path.is_empty()).collect())
    }

    /// The text as the workers need it: placeholders name real folders.
    fn real(&self, text: &str) -> String {
        swap_folders(text, self.0.iter().map(|(path, dir)| (path.as_str(), dir.as_str())))
    }

    /// The text as it is recorded: placeholders name mounted folders, whichever of the two was written.
    fn mounted(&self, text: &str) -> String {
        swap_folders(&self.real(text), self.0.iter().map(|(path, dir)| (dir.as_str(), path.as_str())))
    }
}

/// A configuration as it is recorded: without null entries (to Connect they are the same as left out), with mounted folders under their
/// paths, and with its secrets marked. What is marked in `prior` stays so.
pub(super) fn tidy(map: &Value, mounts: &Mounts, prior: Option<&Value>) -> Value {
    let Some(entries) = map.as_map() else { return map.clone() };
    let one = |(key, value): (&Arc<str>, &Value)| {
        let value = match value.as_str() {
            Some(text) => Value::string(mounts.mounted(text)).mark(value.marks()),
            None => value.clone(),
        };
        let was_secret = prior.and_then(|p| p.get(key)).is_some_and(|p| p.contains_sensitive());
        let secret = (was_secret || looks_secret(key, value.as_str())) && !value.as_str().is_some_and(is_placeholder);
        (key.clone(), if secret { value.sensitive() } else { value })
    };
    // The keys that have arguments are these from here on.
    let own = entries.iter().filter(|(k, v)| !v.is_null() && argument_of(k).is_none());
    Value::map(Type::String, own.map(one).collect()).mark(map.marks())
}

/// The whole configuration as Connect gets it, `name` included, of what is known of `object`, and whether that is all.
pub(super) fn wanted(object: &Value) -> (BTreeMap<String, String>, bool) {
    let (mut out, mut complete) = (BTreeMap::new(), true);
    let mounts = Mounts::of(object);
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
                out.insert(key.to_string(), mounts.real(&text));
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

/// The consumer group of a sink: Connect's own name for it, unless the connector says another.
pub(super) fn group_of(object: &Value, name: &str) -> String {
    let own = ["config", "sensitive_config"].iter().find_map(|attr| object.get(attr)?.get_str("consumer.override.group.id"));
    own.unwrap_or_else(|| format!("connect-{name}"))
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
        m.iter()
            .filter(|(k, v)| v.contains_sensitive() || c.marks().is_sensitive() || looks_secret(k, v.as_str()))
            .map(|(k, _)| k.to_string())
    });
    marked.chain(sensitive_keys(object)).collect()
}

/// Masks the secrets of these objects in texts of a worker, and what it resolves: the contents of the mounted secrets, as far as they are
/// known, and these `files` that lie in the mounted folders.
pub(super) fn redactor<'a>(objects: impl IntoIterator<Item = &'a Value>, files: &[String]) -> Redactor {
    let mut secrets: Vec<String> = files.iter().flat_map(|text| contents(text)).collect();
    for object in objects {
        let keys = secret_keys(object);
        secrets.extend(wanted(object).0.into_iter().filter(|(k, _)| keys.contains(k)).map(|(_, v)| v));
        let mounts = object.get("connect").and_then(|c| c.get("mount"));
        for mount in mounts.iter().filter_map(Value::as_map).flat_map(Fields::values) {
            let data = mount.get("secret").and_then(|s| s.get("data"));
            let texts = data.iter().filter_map(Value::as_map).flat_map(Fields::values).filter_map(Value::as_str);
            secrets.extend(texts.flat_map(contents));
        }
    }
    Redactor::of(secrets.iter().map(String::as_str))
}

/// A file's text, and the values that a worker may take out of it.
fn contents(text: &str) -> Vec<String> {
    let values = properties(text).into_iter().flat_map(BTreeMap::into_values);
    [text.to_string(), text.trim().to_string()].into_iter().chain(values).collect()
}

/// The folders in which the secrets that a connector may name really lie.
pub(super) fn real_folders(object: &Value) -> Vec<String> {
    Mounts::of(object).0.into_iter().map(|(_, dir)| dir).collect()
}

/// The changes of the configuration between two objects, a line each. What of the prior one is still a digest has changed: what had not was filled
/// in before.
pub(super) fn config_changes(prior: &Value, planned: &Value, private: &Private) -> Vec<Changed> {
    let mut out = vec![];
    for argument in ["class", "tasks_max"] {
        let (old, new) = (prior.get(argument), planned.get(argument));
        if let (Some(old), Some(new)) = (old, new)
            && old != new
        {
            out.push(Changed { part: argument.into(), old: Some(Arg::of(&old, argument)), new: Some(Arg::of(&new, argument)) });
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

/// A key of a connector's configuration that changes.
#[derive(Debug, PartialEq)]
pub(super) struct Changed {
    /// The argument, or the key inside its map.
    pub part: String,
    /// The value before; `None`: not set.
    pub old: Option<Arg>,
    /// The value afterwards; `None`: not set.
    pub new: Option<Arg>,
}

impl Changed {
    /// The operation on the connector.
    pub(super) fn op(self, connector: &Key) -> Op {
        let op = |action| Op::new(action, connector.clone()).part(self.part.clone());
        match (self.old, self.new) {
            (Some(old), Some(new)) => op(OpAction::Change).expect(old, "").after(self.part.clone(), new),
            (Some(old), None) => op(OpAction::Unset).expect(old, ""),
            (None, new) => op(OpAction::Set).after(self.part.clone(), new.unwrap_or(Arg::Unknown)),
        }
    }
}

fn map_changes(attr: &str, old: &Value, new: &Value) -> Vec<Changed> {
    if !new.is_known() {
        return vec![Changed { part: attr.into(), old: None, new: Some(Arg::Unknown) }];
    }
    let empty = Fields::new();
    let (a, b) = (old.as_map().unwrap_or(&empty), new.as_map().unwrap_or(&empty));
    let keys: BTreeSet<&Arc<str>> = a.keys().chain(b.keys()).collect();
    let marks = old.marks().union(new.marks());
    let side = |key: &str, v: Option<&Value>, secret: bool| match v.filter(|v| !v.is_null()) {
        None => None,
        Some(_) if secret => Some(Arg::Secret(path(attr, key))),
        Some(v) => Some(Arg::of(v, path(attr, key))),
    };
    let line = |key: &Arc<str>| {
        let (x, y) = (a.get(key).filter(|v| !v.is_null()), b.get(key).filter(|v| !v.is_null()));
        let same = x.map(Value::repr) == y.map(Value::repr);
        let named = [x, y].into_iter().any(|v| looks_secret(key, v.and_then(Value::as_str)))
            && ![x, y].into_iter().flatten().filter_map(Value::as_str).all(holds_placeholder);
        let secret = named || marks.is_sensitive() || [x, y].into_iter().flatten().any(Value::contains_sensitive);
        // A prior value that is still a digest is not that of the configuration: it would have been filled in.
        (!same).then(|| Changed { part: path(attr, key), old: side(key, x, secret), new: side(key, y, secret) })
    };
    keys.into_iter().filter_map(line).collect()
}

fn key_changes(old: &BTreeSet<String>, new: &BTreeSet<String>) -> Vec<Changed> {
    let secret = |key: &String| Some(Arg::Secret(path("sensitive_config", key)));
    let gone = old.difference(new).map(|k| Changed { part: path("sensitive_config", k), old: secret(k), new: None });
    let added = new.difference(old).map(|k| Changed { part: path("sensitive_config", k), old: None, new: secret(k) });
    let written = new.intersection(old).map(|k| Changed { part: path("sensitive_config", k), old: secret(k), new: secret(k) });
    gone.chain(written).chain(added).collect()
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
            (true, n) => format!("the failed connector and {}", counted(n, "failed task")),
            (false, n) => counted(n, "failed task"),
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
    observed_in_doubt(prior, None, name, live, sensitive)
}

/// [`observed`] after an operation in doubt: what the `intent` of it marks as sensitive is so too.
pub(super) fn observed_in_doubt(
    prior: &Value,
    intent: Option<&Value>,
    name: &str,
    live: &Connector,
    sensitive: &BTreeSet<String>,
) -> Value {
    let state = state_text(&live.status, prior.get_str("state").as_deref());
    let mounts = Mounts::of(prior);
    let config: &BTreeMap<String, String> = &live.info.config.iter().map(|(k, v)| (k.clone(), mounts.mounted(v))).collect();
    let tasks_max = config.get("tasks.max").and_then(|t| t.trim().parse::<i64>().ok()).unwrap_or(1);
    let kind = live.info.kind.clone().or_else(|| live.status.kind.clone());
    let (plain, secret) = split(prior, intent, config, sensitive);
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
        ("secrets_version", or_null("secrets_version", Type::map(Type::String))),
        ("restart_policy", or_null("restart_policy", policy)),
    ];
    Value::object_of(Fields::named(attrs), prior.origin().cloned())
}

fn split(prior: &Value, intent: Option<&Value>, config: &BTreeMap<String, String>, sensitive: &BTreeSet<String>) -> (Value, Value) {
    let intended = intent.and_then(|i| i.get("config"));
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
            (false, _) if intended.as_ref().and_then(|m| m.get(key)).is_some_and(|v| v.contains_sensitive()) => {
                Value::string(value).sensitive()
            }
            // Records of earlier versions hold secrets in plain text: read back, they are hidden.
            (false, Some(_)) if looks_secret(key, Some(value)) && !is_placeholder(value) => Value::string(value).sensitive(),
            // Without a record of this key, as in an import, its name says whether it is a secret.
            (false, None) if looks_secret(key, Some(value)) && !holds_placeholder(value) => Value::string(value).sensitive(),
            (false, _) => Value::string(value),
        };
        if is_secret { &mut secret } else { &mut plain }.insert(key.as_str().into(), value);
    }
    let finish = |map: BTreeMap<Arc<str>, Value>, was: Option<Value>| {
        let was_map = was.as_ref().is_some_and(|v| v.as_map().is_some());
        if map.is_empty() && !was_map { Value::null(Type::map(Type::String)) } else { Value::map(Type::String, map.into()) }
    };
    let secret = match was_secret {
        Some(was) if hidden => was,
        was => finish(secret, was).sensitive(),
    };
    let secret = if secret.is_null() { Value::null(Type::map(Type::String)) } else { secret };
    (finish(plain, was_plain), secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(config: &[(&str, &str)]) -> Value {
        let map = |pairs: &[(&str, &str)]| Value::map(Type::String, pairs.iter().map(|(k, v)| (Arc::from(*k), Value::string(v))).collect());
        let paths = map(&[("/etc/secrets", "/home/x/.streamform/secrets/aws"), ("/etc/secrets-b/", "/b")]);
        Value::object_from([("connect", Value::object_from([("mount_paths", paths)])), ("config", map(config))])
    }

    #[test]
    fn placeholders_name_real_folders_to_connect_and_mounted_ones_in_records() {
        let written = "a ${file:/etc/secrets/c.properties:id} ${dir:/etc/secrets-b:k} ${file:/etc/secretsx/y:z} /etc/secrets ${env:X} ${";
        let o = object(&[("k", written)]);
        let real = wanted(&o).0["k"].clone();
        let expected =
            "a ${file:/home/x/.streamform/secrets/aws/c.properties:id} ${dir:/b:k} ${file:/etc/secretsx/y:z} /etc/secrets ${env:X} ${";
        assert_eq!(real, expected);
        let mounts = Mounts::of(&o);
        assert_eq!(mounts.mounted(&real), written);
        assert_eq!(mounts.mounted(written), written);
    }

    #[test]
    fn literal_secrets_are_marked_and_placeholders_are_not() {
        let o = object(&[
            ("db.password", "hunter2"),
            ("other.password", "${file:/etc/secrets/a:b}"),
            ("x.password", "a${env:B}"),
            ("topic", "t"),
        ]);
        let tidied = tidy(&o.get("config").unwrap(), &Mounts::of(&o), None);
        let marked = |k: &str| tidied.get(k).unwrap().contains_sensitive();
        assert_eq!(["db.password", "other.password", "x.password", "topic"].map(marked), [true, false, true, false]);
        let plain = object(&[("odd", "v")]).get("config").unwrap();
        let was = Value::map(Type::String, [("odd".into(), Value::string("v").sensitive())].into());
        assert!(tidy(&plain, &Mounts(vec![]), Some(&was)).get("odd").unwrap().contains_sensitive(), "what was a secret stays one");
    }
}
