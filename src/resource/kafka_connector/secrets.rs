//! Which mounted secrets a connector uses, and in which version it was started with them: its tasks read placeholders only when they start.

use std::sync::Arc;

use crate::client::connect::{holds_placeholder, names_folder};
use crate::value::{Fields, Type, Value};

/// The versions of the mounted secrets that the configuration of `object` names, by the mount's path. Null where it names none; unknown while that
/// cannot be told.
pub(super) fn versions(object: &Value) -> Value {
    let none = || Value::null(Type::map(Type::String));
    let Some(all) = object.get("connect").and_then(|c| c.get("mount_versions")).filter(|v| !v.is_null()) else { return none() };
    let texts = texts(object);
    let Some(mounts) = all.as_map() else {
        return if texts.as_ref().is_some_and(|t| !t.iter().any(|t| holds_placeholder(t))) { none() } else { open() };
    };
    let Some(texts) = texts else { return if mounts.is_empty() { none() } else { open() } };
    let used: Fields = mounts
        .iter()
        .filter(|(path, _)| texts.iter().any(|t| names_folder(t, path)))
        .map(|(path, version)| (path.clone(), version.clone()))
        .collect();
    if used.is_empty() { none() } else { Value::map(Type::String, used) }
}

fn open() -> Value {
    Value::unknown(Type::map(Type::String))
}

/// All texts of the configuration; `None` where some are not known.
fn texts(object: &Value) -> Option<Vec<String>> {
    let mut out = vec![];
    for attr in ["config", "sensitive_config"] {
        let Some(map) = object.get(attr).filter(|m| !m.is_null()) else { continue };
        if !map.is_wholly_known() {
            return None;
        }
        out.extend(map.as_map().into_iter().flat_map(Fields::values).filter_map(|v| v.as_str().map(str::to_string)));
    }
    Some(out)
}

/// The addresses of the secrets that the connector was started with in another version than they will have.
pub(super) fn changed(prior: &Value, planned: &Value) -> Vec<String> {
    let (before, then) = (prior.get("secrets_version"), planned.get("secrets_version"));
    let before = before.as_ref().and_then(Value::as_map);
    let mounts = planned.get("connect").and_then(|c| c.get("mount_versions"));
    // While it is not known which mounts are used, those of before may be.
    let Some(after) = then
        .as_ref()
        .and_then(Value::as_map)
        .or(mounts.as_ref().and_then(Value::as_map).filter(|_| then.as_ref().is_some_and(|t| !t.is_known())))
    else {
        return vec![];
    };
    let differs = |path: &Arc<str>, version: &Value| match before {
        Some(map) => map.get(path).is_some_and(|old| !version.is_known() || old.repr() != version.repr()),
        // A record of an earlier version does not tell: only a change that comes with this plan is seen.
        None => !version.is_known(),
    };
    let mut out: Vec<String> =
        after.iter().filter(|(path, version)| differs(path, version)).map(|(path, _)| secret_at(planned, path)).collect();
    out.sort();
    out.dedup();
    out
}

/// The address of the secret that is mounted at `path`, else the path.
fn secret_at(object: &Value, path: &str) -> String {
    let mounts = object.get("connect").and_then(|c| c.get("mount"));
    let mut all = mounts.iter().filter_map(Value::as_map).flatten();
    let found = all.find(|(_, m)| m.get_str("path").as_deref() == Some(path)).and_then(|(_, m)| m.get("secret")?.origin().cloned());
    found.map_or_else(|| path.to_string(), |addr| addr.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, Value)]) -> Value {
        Value::map(Type::String, pairs.iter().map(|(k, v)| (Arc::from(*k), v.clone())).collect())
    }

    fn object(version: Value, before: Option<Value>) -> Value {
        let secret: crate::addr::InstanceAddr = "secret.db".parse().unwrap();
        let secret = Value::object_of(Fields::new(), Some(Arc::new(secret)));
        let mount = Value::object_from([("path", "/etc/db".into()), ("secret", secret)]);
        let mounts = Value::map(Type::Dynamic, [(Arc::from("a"), mount)].into());
        let connect = Value::object_from([("mount", mounts), ("mount_versions", map(&[("/etc/db", version), ("/etc/other", "1".into())]))]);
        let config = map(&[("pw", "${file:/etc/db/x:k}".into()), ("q", "/etc/other/x".into())]);
        let mut all = vec![("connect", connect), ("config", config)];
        all.extend(before.map(|b| ("secrets_version", b)));
        Value::object_from(all)
    }

    fn restarts(before: Option<Value>, version: Value) -> Vec<String> {
        let planned = object(version.clone(), None);
        let planned = object(version, Some(versions(&planned)));
        changed(&object("".into(), before), &planned)
    }

    #[test]
    fn only_a_used_secret_that_changes_restarts() {
        assert_eq!(versions(&object("1".into(), None)), map(&[("/etc/db", "1".into())]));
        let was = |v: Value| Some(map(&[("/etc/db", v)]));
        let unknown = || Value::unknown(Type::String);
        assert_eq!(restarts(was("1".into()), "1".into()), Vec::<String>::new());
        assert_eq!(restarts(was("1".into()), "2".into()), ["secret.db"]);
        assert_eq!(restarts(was("1".into()), unknown()), ["secret.db"]);
        assert_eq!(restarts(was(Value::null(Type::String)), "1".into()), ["secret.db"]);
        // A record of an earlier version: taken over as it is, unless the secret changes now.
        assert_eq!(restarts(None, "1".into()), Vec::<String>::new());
        assert_eq!(restarts(None, unknown()), ["secret.db"]);
        // A mount that was not used before comes with a change of the configuration.
        assert_eq!(restarts(Some(map(&[("/etc/other", "1".into())])), "2".into()), Vec::<String>::new());
    }
}
