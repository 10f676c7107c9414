//! What a broker's refusal of a topic means for its block: which argument, which setting, why, and what to write instead.

use super::config;
use super::edge::name_of;
use super::plan::config_path;
use crate::client::kafka::{Admin, KafkaError};
use crate::diag::codes::kafka as codes;
use crate::diag::{Diagnostic, did_you_mean};
use crate::resource::kafka_common::cluster_name;
use crate::resource::{attr_error, attr_key_error};
use crate::value::Value;

/// Brokers' settings and the topics' settings that they are the defaults of, where the name is not the same behind `log.`
/// (Kafka's `ServerTopicConfigSynonyms`).
const SYNONYMS: &[(&str, &str)] = &[
    ("log.retention.hours", "retention.ms"),
    ("log.retention.minutes", "retention.ms"),
    ("log.roll.ms", "segment.ms"),
    ("log.roll.hours", "segment.ms"),
    ("log.roll.jitter.ms", "segment.jitter.ms"),
    ("log.roll.jitter.hours", "segment.jitter.ms"),
    ("log.index.size.max.bytes", "segment.index.bytes"),
    ("log.flush.interval.messages", "flush.messages"),
    ("log.flush.interval.ms", "flush.ms"),
    ("log.segment.delete.delay.ms", "file.delete.delay.ms"),
    ("log.cleaner.delete.retention.ms", "delete.retention.ms"),
    ("log.cleaner.min.compaction.lag.ms", "min.compaction.lag.ms"),
    ("log.cleaner.max.compaction.lag.ms", "max.compaction.lag.ms"),
    ("log.cleaner.min.cleanable.ratio", "min.cleanable.dirty.ratio"),
    ("message.max.bytes", "max.message.bytes"),
    ("log.local.retention.ms", "local.retention.ms"),
    ("log.local.retention.bytes", "local.retention.bytes"),
];

/// Brokers' settings that are arguments of a topic here.
const ARGUMENTS: &[(&str, &str)] =
    &[("num.partitions", "partitions"), ("default.replication.factor", "replication_factor"), ("replication.factor", "replication_factor")];

/// What a broker's refusal means for the block. `keys` are the settings that the broker has, empty where they are not known.
pub fn refused(admin: &Admin, e: KafkaError, planned: &Value, keys: &[String], doing: &str) -> Diagnostic {
    let name = name_of(planned);
    match without_secrets(e, planned) {
        KafkaError::TopicAlreadyExists => exists(&name, planned),
        KafkaError::InvalidConfig { message } => setting_refused(&message, planned, keys),
        e @ KafkaError::InvalidReplicationFactor { .. } => {
            attr_error("replication_factor", e.into_diagnostic(format!("{doing} topic \"{name}\"")))
        }
        e @ KafkaError::InvalidPartitions { .. } => attr_error("partitions", e.into_diagnostic(format!("{doing} topic \"{name}\""))),
        e @ KafkaError::TopicException { .. } => attr_error("name", e.into_diagnostic(format!("{doing} topic \"{name}\""))),
        e => e.told(format!("{doing} topic \"{name}\""), admin.connection()),
    }
}

/// A refused setting: which one, why, and what is meant. Only a sensitive setting keeps the broker's sentence from being shown, as that may
/// repeat its value.
fn setting_refused(message: &str, planned: &Value, keys: &[String]) -> Diagnostic {
    let topic = name_of(planned);
    let entries = config::entries(planned.get("config").as_ref()).unwrap_or_default();
    let unknown = entries.keys().find(|k| !keys.is_empty() && !keys.iter().any(|known| **known == ***k));
    // The broker's sentence names the setting, and nothing else of its answer does. This only places the caret.
    let named = entries.keys().filter(|k| names(message, k)).max_by_key(|k| k.len()).or(unknown);
    let hidden = match named {
        Some(key) => entries[key].contains_sensitive(),
        None => entries.values().any(Value::contains_sensitive),
    };
    let reason = match hidden {
        true => "its value is sensitive, so what the broker says of it is not shown".to_string(),
        false => message.trim_end_matches('.').to_string(),
    };
    let Some(key) = named else {
        let d = Diagnostic::error(codes::TOPIC_CONFIG, format!("The broker refuses the settings of topic \"{topic}\": {reason}."));
        return attr_error("config", d.hint("Correct the value: the settings are those of the brokers' version."));
    };
    let d = Diagnostic::error(codes::TOPIC_CONFIG, format!("The broker refuses the setting \"{key}\" of topic \"{topic}\": {reason}."));
    // Without the broker's list, a broker's own setting is still known to be none of a topic.
    match unknown.is_some_and(|u| u == key) || (keys.is_empty() && meant(key, keys).is_some()) {
        true => attr_key_error(
            config_path(key),
            d.hint(meant(key, keys).unwrap_or_else(|| format!("The brokers have no topic setting \"{key}\": remove it."))),
        ),
        false => attr_error(config_path(key), d.hint("Correct the value: the settings are those of the brokers' version.")),
    }
}

/// Whether a sentence has this name as a word of its own.
fn names(sentence: &str, key: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "._-".contains(c);
    sentence.match_indices(key).any(|(at, _)| {
        let behind = &sentence[at + key.len()..];
        // A full stop behind it ends the sentence.
        let ends = !behind.trim_start_matches('.').starts_with(inside) || behind.starts_with(". ");
        !sentence[..at].ends_with(inside) && ends
    })
}

/// The hint for a setting that topics do not have.
fn meant(key: &str, keys: &[String]) -> Option<String> {
    if let Some((_, argument)) = ARGUMENTS.iter().find(|(k, _)| *k == key) {
        return Some(format!(
            "That is the brokers' default for topics without a value of their own. Here it is the argument `{argument}`."
        ));
    }
    let has = |k: &str| keys.is_empty() || keys.iter().any(|known| known == k);
    let synonym = SYNONYMS.iter().find(|(k, _)| *k == key).map(|(_, own)| *own).or_else(|| key.strip_prefix("log."));
    if let Some(own) = synonym.filter(|own| has(own)) {
        let unit = if key.ends_with(".hours") || key.ends_with(".minutes") { ", in milliseconds" } else { "" };
        return Some(format!("That is the brokers' default. The topic's own setting is \"{own}\"{unit}."));
    }
    did_you_mean(key, keys.iter().map(String::as_str)).map(|near| format!("Did you mean \"{near}\"?"))
}

/// The same refusal, without the broker's sentence where that may repeat a sensitive number.
fn without_secrets(e: KafkaError, planned: &Value) -> KafkaError {
    let is_hidden = |name: &str| planned.get(name).is_some_and(|v| v.contains_sensitive());
    let message = || "the value is sensitive, so what the broker says of it is not shown".to_string();
    match e {
        KafkaError::InvalidReplicationFactor { .. } if is_hidden("replication_factor") => {
            KafkaError::InvalidReplicationFactor { message: message() }
        }
        KafkaError::InvalidPartitions { .. } if is_hidden("partitions") => KafkaError::InvalidPartitions { message: message() },
        e => e,
    }
}

fn exists(name: &str, planned: &Value) -> Diagnostic {
    let d = Diagnostic::error(
        codes::TOPIC_EXISTS,
        format!("Topic \"{name}\" already exists in {} and is not managed by this configuration.", cluster_name(planned)),
    );
    let to = planned.origin().map_or_else(|| "kafka_topic.NAME".to_string(), ToString::to_string);
    let d = d.hint(format!("To take it over: streamform import '{to}' {name}. Otherwise choose another name."));
    attr_error("name", d)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::ATTR_PATH;

    fn told(message: &str, config: &[(&str, Value)], keys: &[&str]) -> (String, String, String) {
        let entries = config.iter().map(|(k, v)| ((*k).into(), v.clone())).collect();
        // A cluster with a password is no reason to hide what is said of a setting.
        let cluster = Value::object_from([("password", Value::from("pw").sensitive())]);
        let planned = Value::object_from([
            ("name", Value::from("t")),
            ("cluster", cluster),
            ("config", Value::map(crate::value::Type::String, entries)),
        ]);
        let keys: Vec<String> = keys.iter().map(|k| k.to_string()).collect();
        let d = setting_refused(message, &planned, &keys);
        let path = d.values.iter().find(|(k, _)| k == ATTR_PATH).map(|(_, p)| p.clone()).unwrap_or_default();
        (d.detail, path, d.hint.unwrap_or_default())
    }

    /// A5, F3.
    #[test]
    fn the_setting_and_the_reason_are_named() {
        const KEYS: &[&str] = &["retention.ms", "retention.bytes", "cleanup.policy", "max.message.bytes", "segment.ms"];
        let one = |key: &str, value: Value| {
            told(&format!("Unknown topic config name: {key}"), &[("retention.ms", "1".into()), (key, value)], KEYS)
        };
        for (key, hint) in [
            ("log.retention.minutes", "\"retention.ms\", in milliseconds"),
            ("log.retention.ms", "\"retention.ms\"."),
            ("log.cleanup.policy", "\"cleanup.policy\""),
            ("message.max.bytes", "\"max.message.bytes\""),
            ("log.roll.hours", "\"segment.ms\", in milliseconds"),
            ("cleanup_policy", "Did you mean \"cleanup.policy\"?"),
            ("num.partitions", "the argument `partitions`"),
            ("nothing.of.the.kind", "no topic setting \"nothing.of.the.kind\""),
        ] {
            let (detail, path, says) = one(key, "5".into());
            assert!(detail.contains(&format!("the setting \"{key}\" of topic \"t\": Unknown topic config name: {key}.")), "{detail}");
            assert_eq!(path, format!("config[\"{key}\"]\u{0}"), "the caret is at the key");
            assert!(says.contains(hint), "{key}: {says}");
        }
        let wrong = "Invalid value 7d for configuration retention.ms: Not a number of type LONG";
        let (detail, path, _) = told(wrong, &[("retention.ms", "7d".into()), ("segment.ms", "1".into())], KEYS);
        assert!(
            detail
                .ends_with("\"retention.ms\" of topic \"t\": Invalid value 7d for configuration retention.ms: Not a number of type LONG."),
            "{detail}"
        );
        assert_eq!(path, "config[\"retention.ms\"]");
        // Only what is said of a sensitive setting is not shown.
        let (detail, ..) = told(wrong, &[("retention.ms", Value::from("7d").sensitive()), ("segment.ms", "1".into())], KEYS);
        assert!(detail.contains("\"retention.ms\"") && !detail.contains("7d"), "{detail}");
        let (detail, ..) = told(wrong, &[("retention.ms", "7d".into()), ("segment.ms", Value::from("1").sensitive())], KEYS);
        assert!(detail.contains("Invalid value 7d"), "{detail}");
        let (detail, path, _) = told("the sum is wrong", &[("segment.ms", Value::from("1").sensitive())], KEYS);
        assert!(!detail.contains("sum") && path == "config", "{detail}");
    }

    #[test]
    fn a_name_inside_of_another_is_not_named() {
        assert!(names("for configuration retention.ms: no", "retention.ms") && names("of retention.ms.", "retention.ms"));
        assert!(!names("local.retention.ms is", "retention.ms") && !names("retention.ms.x is", "retention.ms"));
    }
}
