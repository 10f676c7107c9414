//! What the resource types share that the engine `local` runs: reading a folder's layout into an object, and what stays after a step.
//!
//! The settings of each kind of process lie in [`crate::engine::local`]; what one type decides lies in its own file.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;

use super::kafka_cluster::default_name;
use super::{Desk, Key, Observed, Op, OpAction, Place, Private, RUNNING, StepResult, attr_error, attr_key_error};
use crate::addr::InstanceAddr;
use crate::client::connect::{is_placeholder, looks_secret};
use crate::diag::Diagnostic;
use crate::diag::codes::{apply as codes, engine as codes_engine};
use crate::diag::redact::one_line;
use crate::engine::local::mandate::{Doing, Mandate};
use crate::schema::{AttrType, Body, Schema, Set};
use crate::value::ops::unmark_deep;
use crate::value::{Type, Value};

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

/// The warning about arguments that only other engines use, where they are set to something else than their default.
pub fn without_effect(config: &Value, body: &Body, names: &[&'static str]) -> Option<Diagnostic> {
    if config.get_str("engine").is_some_and(|e| e != "local") {
        return None;
    }
    let default = |name: &str| body.attribute(name).and_then(|a| a.default.clone());
    let is_set = |name: &&&str| config.get(name).is_some_and(|v| !v.is_null() && default(name).as_ref() != Some(&v));
    let set: Vec<&str> = names.iter().filter(is_set).copied().collect();
    let first = *set.first()?;
    let detail = format!("The engine `local` does not use {}.", set.join(", "));
    Some(attr_error(
        first,
        Diagnostic::warning(codes_engine::WITHOUT_EFFECT, detail)
            .hint("Only the Kubernetes engines use these arguments. Remove them, or keep them for such an engine."),
    ))
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

/// The private part: the layout.
pub fn private<L: Serialize>(layout: &L) -> Private {
    serde_json::to_value(layout).unwrap_or(Private::Null)
}

/// What a read finds: without a layout there is nothing.
pub fn observed<L: Serialize>(layout: Option<L>, fill: impl FnOnce(&L) -> Result<Value, Diagnostic>) -> Result<Observed, Diagnostic> {
    match layout {
        None => Ok(Observed::Absent),
        Some(layout) => Ok(Observed::present(fill(&layout)?, private(&layout))),
    }
}

/// What a step came to. After a failure there is what the layout says: whatever was started is known to the next run.
pub fn settled<L: Serialize>(
    outcome: Result<StepResult, Diagnostic>,
    layout: impl FnOnce() -> Option<L>,
    fill: impl FnOnce(&L) -> Option<Value>,
) -> StepResult {
    outcome.unwrap_or_else(|error| StepResult::failed(error, layout().and_then(|l| Some((fill(&l)?, private(&l))))))
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
