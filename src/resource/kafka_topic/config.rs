//! A topic's settings as plain maps: what belongs to the topic, and when two spellings say the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::client::kafka::{ConfigEntry, ConfigSource, ConfigType};
use crate::value::{Fields, Type, Value};

/// Keys that move replicas carefully; streamform and other movers set and remove them, so they are never a topic's configuration.
pub const THROTTLE_KEYS: [&str; 2] = ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];

/// Whether a key is one of [`THROTTLE_KEYS`].
pub fn is_throttle(key: &str) -> bool {
    THROTTLE_KEYS.contains(&key)
}

/// The types that a broker has for settings, by key; those that are missing are judged by how the values look.
pub type Types = BTreeMap<String, ConfigType>;

/// The types of the settings that are the topic's own.
pub fn types(entries: &[ConfigEntry]) -> Types {
    let own = entries.iter().filter(|e| e.source == ConfigSource::DynamicTopic);
    own.filter_map(|e| Some((e.name.clone(), e.ty?))).collect()
}

/// The one spelling of all values that mean the same to a broker, which reads them by the type of the key: trimmed, booleans in lower case,
/// numbers without `+`, leading or trailing zeros and Java's suffixes, the parts of a list without blanks.
fn canonical(key: &str, ty: Option<ConfigType>, value: &str) -> String {
    let value = value.trim();
    if key == "cleanup.policy" {
        let mut parts: Vec<&str> = value.split(',').map(str::trim).filter(|p| !p.is_empty()).collect();
        parts.sort_unstable();
        parts.dedup();
        return parts.join(",");
    }
    match ty {
        Some(ConfigType::List) => return value.split(',').map(str::trim).collect::<Vec<_>>().join(","),
        Some(ConfigType::String | ConfigType::Class | ConfigType::Password) => return value.to_string(),
        // As `Double.parseDouble` reads it: a suffix says nothing.
        Some(ConfigType::Double) => {
            let number = value.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(value);
            let numeric = number.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
            return number.parse::<f64>().ok().filter(|_| numeric).map_or(value.to_string(), |n| n.to_string());
        }
        Some(ConfigType::Boolean | ConfigType::Int | ConfigType::Short | ConfigType::Long) | None => {}
    }
    if value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false") {
        return value.to_ascii_lowercase();
    }
    if let Ok(n) = value.parse::<i64>() {
        return n.to_string();
    }
    // Java reads `0.5f` and `1e3d` as numbers, too.
    let plain = value.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(value);
    let numeric = plain.bytes().any(|b| b.is_ascii_digit())
        && plain.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    match plain.parse::<f64>() {
        Ok(n) if numeric => n.to_string(),
        _ => value.to_string(),
    }
}

/// Whether two values of a key mean the same.
pub fn same(key: &str, types: &Types, a: &str, b: &str) -> bool {
    let ty = types.get(key).copied();
    a == b || canonical(key, ty, a) == canonical(key, ty, b)
}

/// The entries of a config attribute that are set; a null map has none. `None` when the map itself is unknown.
pub fn entries(config: Option<&Value>) -> Option<BTreeMap<Arc<str>, Value>> {
    let Some(config) = config else { return Some(BTreeMap::new()) };
    if !config.is_known() {
        return None;
    }
    Some(
        config
            .as_map()
            .into_iter()
            .flatten()
            .filter(|(_, v)| !v.is_null())
            .map(|(k, v)| (k.clone(), v.clone().mark(config.marks())))
            .collect(),
    )
}

/// The same as text, where everything is known.
pub fn texts(config: Option<&Value>) -> BTreeMap<String, String> {
    entries(config).unwrap_or_default().iter().filter_map(|(k, v)| Some((k.to_string(), v.as_str()?.to_string()))).collect()
}

/// The config attribute for what is live, in the spelling of `prior` where that means the same. What is sensitive in `prior` is so here: of that
/// the state knows only the digest, with which the live value is compared.
pub fn observed(prior: Option<&Value>, own: &BTreeMap<String, String>, types: &Types) -> Value {
    let before = entries(prior).unwrap_or_default();
    let items: Fields = own
        .iter()
        .filter(|(k, _)| !is_throttle(k))
        .map(|(k, live)| {
            let known = before.get(k.as_str());
            let kept = known.filter(|v| v.as_str().is_some_and(|s| same(k, types, s, live)));
            let value = kept.cloned().unwrap_or_else(|| Value::string(live));
            let hidden = known.is_some_and(Value::contains_sensitive);
            (Arc::from(k.as_str()), if hidden { value.sensitive() } else { value })
        })
        .collect();
    match prior {
        Some(p) if p.is_known() && !p.is_null() => Value::map(Type::String, items),
        _ if items.is_empty() => Value::null(Type::map(Type::String)),
        _ => Value::map(Type::String, items),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_that_mean_the_same() {
        let same = |key: &str, a: &str, b: &str| same(key, &Types::new(), a, b);
        assert!(same("cleanup.policy", "compact,delete", " delete , compact"));
        assert!(same("retention.ms", "0100", "100 "));
        assert!(same("preallocate", "True", "true"));
        assert!(same("min.cleanable.dirty.ratio", "0.50", ".5"));
        // F11.
        assert!(same("min.cleanable.dirty.ratio", "0.5f", "0.5") && same("min.cleanable.dirty.ratio", "5e-1D", "0.5"));
        assert!(!same("compression.type", "gzipd", "gzip") && !same("x", "f", ""));
        assert!(!same("retention.ms", "-1", "1"));
        assert!(!same("compression.type", "zstd", "ZSTD"));
        assert!(!same("message.format", "inf", "Infinity"));
    }

    /// F11: a value is what the broker's type makes of it.
    #[test]
    fn f11_javas_spellings_mean_the_same() {
        use ConfigType as T;
        for (ty, a, b, expected) in [
            (T::Double, "0.5f", "0.5", true),
            (T::Double, "5e-1", "0.5", true),
            (T::Double, ".5D", "0.50", true),
            (T::Double, "1", "1.0", true),
            (T::Double, "0.5f", "0.6", false),
            (T::Boolean, "TRUE", "true", true),
            (T::Long, "+100", "0100", true),
            (T::Long, "100", "10", false),
            (T::List, "a, b", "a,b", true),
            (T::List, "a,b", "b,a", false),
            (T::String, " zstd ", "zstd", true),
            (T::String, "True", "true", false),
            (T::String, "1.0", "1", false),
        ] {
            assert_eq!(same("k", &[("k".to_string(), ty)].into(), a, b), expected, "{ty:?} {a} {b}");
        }
    }

    #[test]
    fn what_is_live_keeps_the_written_spelling() {
        let prior = Value::map(
            Type::String,
            [("cleanup.policy".into(), Value::from("delete, compact")), ("retention.ms".into(), Value::from("1"))].into(),
        );
        let own = [("cleanup.policy", "compact,delete"), ("retention.ms", "2"), ("leader.replication.throttled.replicas", "*")];
        let own = own.into_iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let seen = observed(Some(&prior), &own, &Types::new());
        assert_eq!(texts(Some(&seen)), [("cleanup.policy".into(), "delete, compact".into()), ("retention.ms".into(), "2".into())].into());
    }

    #[test]
    fn a_sensitive_value_is_what_is_live_and_stays_hidden() {
        let digest = crate::value::Refinement { digest: Some([1; 32]), ..Default::default() };
        let prior = Value::map(
            Type::String,
            [("a".into(), Value::unknown_with(Type::String, digest).sensitive()), ("retention.ms".into(), Value::from("0100").sensitive())]
                .into(),
        );
        let own = [("a", "live"), ("retention.ms", "100"), ("b", "plain")].map(|(k, v)| (k.to_string(), v.to_string())).into();
        let seen = observed(Some(&prior), &own, &Types::new());
        let of = |k: &str| seen.get(k).map(|v| (v.as_str().unwrap().to_string(), v.contains_sensitive())).unwrap();
        assert_eq!(of("a"), ("live".into(), true));
        assert_eq!(of("retention.ms"), ("0100".into(), true));
        assert_eq!(of("b"), ("plain".into(), false));
    }

    #[test]
    fn nothing_set_stays_null() {
        assert!(observed(None, &BTreeMap::new(), &Types::new()).is_null());
        assert!(!observed(Some(&Value::map(Type::String, crate::value::Fields::new())), &BTreeMap::new(), &Types::new()).is_null());
    }
}
