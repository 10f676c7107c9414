//! From a topic's operations to what is asked of the brokers: pure. Values that are sensitive are taken from the planned object.

use super::plan::{self, config_path};
use crate::client::kafka::{ConfigOp, NewTopic};
use crate::resource::{Arg, Op, OpAction, StepRequest};
use crate::value::Value;

/// What the operations of an update ask for.
#[derive(Debug, Default, PartialEq)]
pub struct Changes {
    /// Settings to set and to remove.
    pub config: Vec<ConfigOp>,
    /// The operation's place, and how many partitions there are to be.
    pub partitions: Option<(usize, i32)>,
    /// The operation's place, and how many replicas there are to be.
    pub replicas: Option<(usize, usize)>,
    /// A move of replicas that an earlier run began is to be brought to its end.
    pub finish: bool,
}

impl Changes {
    /// Whether settings may change: a move of replicas sets and removes throttles, which are settings too.
    pub fn touch_settings(&self) -> bool {
        !self.config.is_empty() || self.replicas.is_some() || self.finish
    }
}

/// The topic that a step's operations create; what is not known yet is left out.
pub fn new_topic(step: &StepRequest) -> Option<NewTopic> {
    let op = step.ops.iter().find(|o| o.action == OpAction::Create)?;
    let text = |arg: &Arg| resolved(arg, step.planned.as_ref());
    let count = |name: &str| op.after.get(name).and_then(text).and_then(|n| n.parse::<i32>().ok());
    let settings = op.after.iter().filter(|(k, _)| !plan::NO_SETTINGS.contains(&k.as_str()));
    Some(NewTopic {
        name: op.target.name().to_string(),
        partitions: count(plan::PARTITIONS).unwrap_or(-1),
        replication: count(plan::REPLICATION).and_then(|n| i16::try_from(n).ok()).unwrap_or(-1),
        assignments: None,
        config: settings.filter_map(|(k, arg)| Some((k.clone(), text(arg)?))).collect(),
    })
}

/// What a step's operations change; what is not known yet is left out.
pub fn changes(step: &StepRequest) -> Changes {
    let mut out = Changes::default();
    for (i, op) in step.ops.iter().enumerate().filter(|(_, o)| !o.open) {
        let value = || op.value().and_then(|arg| resolved(arg, step.planned.as_ref()));
        let count = || value().and_then(|n| n.parse::<i32>().ok());
        match (op.action, op.part.as_str()) {
            (OpAction::Set, key) => out.config.extend(value().map(|v| ConfigOp::Set(key.to_string(), v))),
            (OpAction::Unset, key) => out.config.push(ConfigOp::Delete(key.to_string())),
            (OpAction::Change, plan::PARTITIONS) => out.partitions = count().map(|n| (i, n)),
            (OpAction::Move, plan::REPLICATION) => out.replicas = count().and_then(|n| Some((i, usize::try_from(n).ok()?))),
            (OpAction::Change, plan::THROTTLE) => out.finish = true,
            _ => {}
        }
    }
    out
}

/// The name of the topic that a step's operations delete.
pub fn deleted(ops: &[Op]) -> Option<&str> {
    ops.iter().find(|o| o.action == OpAction::Delete).map(|o| o.target.name())
}

fn resolved(arg: &Arg, planned: Option<&Value>) -> Option<String> {
    match arg {
        Arg::Known(text) => Some(text.clone()),
        Arg::Secret(path) => secret(planned?, path),
        Arg::Unknown | Arg::Default => None,
    }
}

/// The text at a path: an attribute, or one setting.
fn secret(planned: &Value, path: &str) -> Option<String> {
    let text = |v: &Value| v.as_str().map(str::to_string).or_else(|| v.as_i64().map(|n| n.to_string()));
    let config = planned.get("config").filter(|_| path.starts_with("config["));
    match config.as_ref().and_then(Value::as_map) {
        Some(settings) => settings.iter().find(|(k, _)| config_path(k) == path).and_then(|(_, v)| text(v)),
        None => planned.get(path).and_then(|v| text(&v)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::{Mode, ResourceAddr};
    use crate::resource::{Key, Place, Private};
    use crate::value::Type;

    fn step(ops: Vec<Op>) -> StepRequest {
        let config = Value::map(Type::String, [("retention.ms".into(), Value::from("77").sensitive())].into());
        StepRequest {
            addr: ResourceAddr::root(Mode::Managed, "kafka_topic", "t").instance(None),
            prior: None,
            planned: Some(Value::object_from([("partitions", Value::from(9).sensitive()), ("config", config)])),
            private: Private::Null,
            timeout: std::time::Duration::ZERO,
            begun: false,
            replaces: None,
            ops,
        }
    }

    fn op(action: OpAction, part: &str) -> Op {
        Op::new(action, Key::new(Place::here(), "topic", "t")).part(part)
    }

    #[test]
    fn only_what_the_operations_say_is_asked_for() {
        let secret = || Arg::Secret("config[\"retention.ms\"]".into());
        let create = op(OpAction::Create, "").after("partitions", Arg::Secret("partitions".into())).after("retention.ms", secret());
        let create = create.after("replication factor", Arg::Default).after("segment.ms", Arg::Unknown);
        let topic = new_topic(&step(vec![create])).unwrap();
        assert_eq!((topic.name.as_str(), topic.partitions, topic.replication), ("t", 9, -1));
        assert_eq!(topic.config, [("retention.ms".to_string(), "77".to_string())].into());

        assert_eq!(changes(&step(vec![])), Changes::default(), "the planned object alone asks for nothing");
        let known = |n: &str| Arg::Known(n.into());
        let all = vec![
            op(OpAction::Set, "retention.ms").after("retention.ms", secret()),
            op(OpAction::Unset, "segment.ms").after("segment.ms", Arg::Default),
            op(OpAction::Change, "partitions").after("partitions", known("3")),
            op(OpAction::Move, "replication factor").after("replication factor", known("2")),
            op(OpAction::Set, "settings").after("settings", Arg::Unknown).open(),
        ];
        let found = changes(&step(all));
        assert_eq!(found.config, [ConfigOp::Set("retention.ms".into(), "77".into()), ConfigOp::Delete("segment.ms".into())]);
        assert_eq!((found.partitions, found.replicas, found.finish), (Some((2, 3)), Some((3, 2)), false));
        assert_eq!((deleted(&[]), deleted(&[op(OpAction::Delete, "")])), (None, Some("t")));
    }
}
