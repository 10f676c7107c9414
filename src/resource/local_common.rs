//! What the resource types share that an engine brings about: its steps as operations and operations as its mandate, what it finds, and arguments
//! that it does not keep.
//!
//! What an engine does lies in [`crate::engine`]; what one type decides lies in its own file.

use std::sync::Arc;

use async_trait::async_trait;

use super::kafka_cluster::{default_name, engine_name};
use super::{Arg, Desk, Key, Op, OpAction, Place, RUNNING, attr_error, attr_key_error};
use crate::addr::InstanceAddr;
use crate::client::connect::{is_placeholder, looks_secret};
use crate::diag::Diagnostic;
use crate::diag::codes::{apply as codes, engine as codes_engine};
use crate::diag::redact::one_line;
use crate::engine::mandate::{Doing, Mandate, Step};
use crate::engine::{Class, Finding};
use crate::schema::{AttrType, Body, Schema, Set};
use crate::value::ops::unmark_deep;
use crate::value::{Fields, Type, Value};

/// The name of an object: the one written, else the block's.
pub fn name_of(addr: &InstanceAddr, value: &Value) -> String {
    value.get_str("name").unwrap_or_else(|| default_name(addr))
}

/// A count among the attributes; 0 where it is not known.
pub fn count(value: &Value, name: &str) -> usize {
    value.get(name).and_then(|v| v.as_i64()).and_then(|n| usize::try_from(n).ok()).unwrap_or_default()
}

/// A list of process ids, as `running` has them.
pub fn numbers<N: TryInto<i64>>(ids: impl IntoIterator<Item = N>) -> Value {
    Value::list(Type::Number, ids.into_iter().filter_map(|id| id.try_into().ok()).map(Value::from).collect())
}

/// The processes that run as configured, of an object as it was read.
pub fn alive(object: &Value) -> Vec<i64> {
    object.get(RUNNING).and_then(|v| v.as_slice().map(|s| s.iter().filter_map(Value::as_i64).collect())).unwrap_or_default()
}

/// Settings of processes as they are recorded: those whose names or values say that they hold a secret are hidden, as with connectors. A
/// placeholder holds none.
pub fn hidden(settings: &Value) -> Value {
    let Some(entries) = settings.as_map() else { return settings.clone() };
    let one = |(key, value): (&Arc<str>, &Value)| {
        let secret = looks_secret(key, value.as_str()) && !value.as_str().is_some_and(is_placeholder);
        (key.clone(), if secret && !value.is_null() { value.clone().sensitive() } else { value.clone() })
    };
    Value::map(Type::String, entries.iter().map(one).collect()).mark(settings.marks())
}

/// Whether an attribute differs between two objects; whether it is hidden does not count.
pub fn differs(a: &Value, b: &Value, name: &str) -> bool {
    let plain = |v: &Value| v.get(name).map(|v| unmark_deep(&v));
    plain(a) != plain(b)
}

/// What is to be said of arguments that an engine does not keep, where they are set to something else than their default: an error for each that
/// somebody relies on, one warning for the rest.
pub fn not_kept(config: &Value, body: &Body, of_some: &[(&'static str, Class)], kept: &[&str]) -> Vec<Diagnostic> {
    let engine = engine_name(config);
    let default = |name: &str| body.attribute(name).and_then(|a| a.default.clone());
    let is_set = |name: &str| config.get(name).is_some_and(|v| !v.is_null() && !is_empty(&v) && default(name).as_ref() != Some(&v));
    let lost: Vec<(&str, Class)> = of_some.iter().copied().filter(|(name, _)| !kept.contains(name) && is_set(name)).collect();
    let promise = |(name, _): &(&'static str, Class)| {
        let d = Diagnostic::error(codes_engine::NOT_KEPT, format!("The engine `{engine}` cannot keep what `{name}` says."));
        attr_error(*name, d.hint("Remove it here, or use an engine that has it: nobody is to rely on what is not there."))
    };
    let mut out: Vec<Diagnostic> = lost.iter().filter(|(_, class)| *class == Class::Promise).map(promise).collect();
    let ignored: Vec<&str> = lost.iter().filter(|(_, class)| *class == Class::Placement).map(|(name, _)| *name).collect();
    if let Some(first) = ignored.first() {
        let d = Diagnostic::warning(codes_engine::WITHOUT_EFFECT, format!("The engine `{engine}` does not use {}.", ignored.join(", ")));
        out.push(attr_error(*first, d.hint("Other engines use these arguments. Remove them, or keep them for such an engine.")));
    }
    out
}

/// Whether a value is a block or collection without anything in it.
fn is_empty(v: &Value) -> bool {
    v.as_map().is_some_and(Fields::is_empty) || v.as_slice().is_some_and(<[Value]>::is_empty)
}

/// What an engine found, as a diagnostic of its argument.
pub fn said(finding: Finding) -> Diagnostic {
    match finding.argument {
        Some(argument) => attr_error(argument, finding.diagnostic),
        None => finding.diagnostic,
    }
}

/// What an engine would do, as an operation on its object.
pub fn op_of(key: &Key, step: &Step) -> Op {
    let on = |action, part: &str| Op::new(action, key.clone()).part(part.to_string());
    let open = |action| Op::new(action, Key::unnamed(key.place.clone(), &key.kind)).part("users");
    let of = |kind: &str, name: &str| Key::new(key.place.clone(), kind, name);
    let op = match &step.doing {
        Doing::Create => Op::new(OpAction::Create, key.clone()),
        Doing::Start(what) => on(OpAction::Start, what),
        Doing::Restart(what) => on(OpAction::Restart, what),
        Doing::Stop(what) => on(OpAction::Stop, what),
        Doing::Roll(what) => on(OpAction::Roll, what),
        Doing::Raise(release) => on(OpAction::Raise, "the metadata version").after("release", Arg::Known(release.clone())).once(),
        Doing::SetUser(user) => on(OpAction::Set, &user_part(user)),
        Doing::RemoveUser(user) => on(OpAction::Delete, &user_part(user)),
        Doing::SetUsers => open(OpAction::Set),
        Doing::RemoveUsers => open(OpAction::Delete),
        Doing::CreateTopic(name) => Op::new(OpAction::Create, of("topic", name)),
        Doing::Grant(binding) => Op::new(OpAction::Grant, of(super::kafka_connect::BINDING, binding)),
    };
    op.note(step.note.clone())
}

/// The errors about keys that no properties file and no process can have as a name: `what` says of what they are, `accepts` which characters there
/// may be.
pub fn name_errors(config: &Value, map: &str, what: &str, accepts: impl Fn(char) -> bool) -> Vec<Diagnostic> {
    let entries = config.get(map);
    let keys = entries.iter().filter_map(Value::as_map).flat_map(|m| m.keys());
    let bad = keys.filter(|k| k.is_empty() || !k.chars().all(&accepts));
    let one = |key: &Arc<str>| {
        let detail = format!("\"{}\" cannot be the name of {what}.", one_line(key));
        let d = Diagnostic::error(codes_engine::INVALID_ARGUMENT, detail);
        attr_key_error(
            format!("{map}[{}]", crate::addr::quote(key)),
            d.hint("Take the blanks and other characters out that do not belong to it."),
        )
    };
    bad.map(one).collect()
}

/// Whether a character can be in the name of a setting, as Kafka's own names and those of plugins have them.
pub fn in_setting(c: char) -> bool {
    !c.is_control() && !c.is_whitespace() && !"=:#!".contains(c)
}

/// The error about flags of Java that are none.
pub fn heap_error(config: &Value, name: &str) -> Option<Diagnostic> {
    let flags = config.get_str(name)?;
    let is_size = |size: &str| {
        let digits = size.trim_end_matches(['k', 'K', 'm', 'M', 'g', 'G', 't', 'T']);
        size.len() - digits.len() <= 1 && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    };
    let is_flag = |word: &&str| match ["-Xms", "-Xmx", "-Xmn", "-Xss"].iter().find_map(|f| word.strip_prefix(f)) {
        Some(size) => is_size(size),
        None => word.starts_with('-') && word.len() > 1,
    };
    let bad = flags.split_whitespace().find(|w| !is_flag(w))?;
    let d = Diagnostic::error(codes_engine::INVALID_ARGUMENT, format!("\"{}\" is no flag of Java.", one_line(bad)));
    Some(attr_error(name, d.hint("Write sizes as in \"-Xms256M -Xmx2G\".")))
}

/// The part of a cluster that an operation on a user names.
pub fn user_part(user: &str) -> String {
    format!("user {user}")
}

/// What the operations of one step allow the engine to do.
pub struct StepMandate<'a> {
    /// The operations.
    pub ops: &'a [Op],
    /// The kind of cluster, as its operations name it.
    pub kind: &'static str,
    /// Where operations that cannot be repeated are journalled.
    pub desk: &'a dyn Desk,
    /// The step's place in the call.
    pub step: usize,
}

impl StepMandate<'_> {
    fn own(&self, allowed: impl Fn(&Op) -> bool) -> bool {
        self.ops.iter().any(|o| *o.target.kind == *self.kind && allowed(o))
    }

    /// Whether an operation of this kind names this object of another system.
    fn named(&self, action: OpAction, kind: &str, name: &str) -> bool {
        let actual = |place: &Place| Key::new(place.clone(), kind, name);
        self.ops.iter().any(|o| o.action == action && o.target.admits(&actual(&o.target.place)))
    }

    fn created(&self) -> bool {
        self.own(|o| o.action == OpAction::Create)
    }

    fn once(&self, doing: &Doing) -> Option<usize> {
        let fits = |o: &Op| o.once && matches!((doing, o.action), (Doing::Raise(_), OpAction::Raise));
        self.ops.iter().position(fits)
    }
}

#[async_trait]
impl Mandate for StepMandate<'_> {
    fn allows(&self, doing: &Doing) -> bool {
        // What was planned before its names were known has no name.
        let on = |o: &Op, action: OpAction, part: &str| o.action == action && (o.part == part || o.target.name.is_none());
        match doing {
            Doing::Create => self.created(),
            Doing::Roll(what) => self.own(|o| on(o, OpAction::Roll, what)),
            Doing::SetUsers => self.own(|o| o.action == OpAction::Set),
            Doing::RemoveUsers => self.created() || self.own(|o| o.action == OpAction::Delete && !o.part.is_empty()),
            Doing::Start(what) => self.created() || self.own(|o| on(o, OpAction::Start, what) || on(o, OpAction::Restart, what)),
            Doing::Restart(what) => {
                let again = |o: &Op| on(o, OpAction::Start, what) || on(o, OpAction::Restart, what) || o.action == OpAction::Roll;
                self.created() || self.own(again)
            }
            Doing::Stop(what) => self.own(|o| on(o, OpAction::Stop, what)),
            Doing::Raise(_) => self.created() || self.own(|o| o.action == OpAction::Raise),
            Doing::SetUser(user) => self.own(|o| on(o, OpAction::Set, &user_part(user))),
            Doing::RemoveUser(user) => self.created() || self.own(|o| on(o, OpAction::Delete, &user_part(user))),
            Doing::CreateTopic(name) => self.named(OpAction::Create, "topic", name),
            Doing::Grant(binding) => self.named(OpAction::Grant, super::kafka_connect::BINDING, binding),
        }
    }

    async fn begin(&self, doing: &Doing) -> bool {
        match self.once(doing) {
            Some(op) => self.desk.begin_op(self.step, op).await,
            None => true,
        }
    }

    fn stopping(&self) -> bool {
        self.desk.stopping()
    }

    async fn end(&self, doing: &Doing) {
        if let Some(op) = self.once(doing) {
            self.desk.end_op(self.step, op).await;
        }
    }
}

/// The error for a computed attribute that turned out to be another one than planned: attribute, planned value, found value.
pub fn answered(schema: &Schema, planned: &Value, found: &Value) -> Option<Diagnostic> {
    let computed = schema.body.attributes.iter().filter(|a| a.set != Set::Optional && matches!(a.ty, AttrType::Value(_)));
    computed.into_iter().find_map(|a| {
        let (planned, found) = (planned.get(a.name)?, found.get(a.name).unwrap_or_else(Value::null_dynamic));
        if !planned.is_wholly_known() || unmark_deep(&planned).repr() == unmark_deep(&found).repr() {
            return None;
        }
        let (planned, found) = if a.sensitive { (planned.sensitive(), found.sensitive()) } else { (planned, found) };
        let detail = format!("`{}` was planned as {planned}, and is {found} now.", a.name);
        Some(Diagnostic::error(codes::INCONSISTENT, detail).hint("Run plan again: the new plan starts from what is known now."))
    })
}

/// The refusal to delete what no operation deletes.
pub fn not_deleted(ops: &[Op], key: Option<&Key>) -> Option<Diagnostic> {
    let key = key?;
    if ops.iter().any(|o| o.action == OpAction::Delete && o.part.is_empty() && o.target.admits(key)) {
        return None;
    }
    let d = Diagnostic::error(codes::INCONSISTENT, format!("The step would need an operation that was not planned: delete the {key}."));
    Some(d.hint("Nothing was done. Run plan again: the new plan starts from what is known now."))
}
