//! Operations: what a plan will ask of which real system, as data.
//!
//! A resource type's plan gives a list of [`Op`]s. Their `Display` is the line that people see; saved plans, JSON and the journal hold the same
//! data; apply carries out exactly these. An operation never holds a secret: it names the place of the value in the planned object
//! ([`Arg::Secret`]). What must not be here: how any real system is called.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::addr::InstanceAddr;
use crate::diag::redact::one_line;
use crate::value::Value;

/// What the provider keeps beside the attributes (topic id, ports, pids): JSON, never a secret.
pub type Private = serde_json::Value;

/// What is to be done with one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Make it.
    Create,
    /// Change it in place.
    Update,
    /// Remove it.
    Delete,
}

/// What an operation does. Steps have a [`super::Verb`]; a step of one verb may have operations of several actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpAction {
    /// Creates the target.
    Create,
    /// Changes one part of the target to a new value.
    Change,
    /// Sets one setting of the target.
    Set,
    /// Removes one setting of the target; what it inherits holds then.
    Unset,
    /// Adds a shared right.
    Grant,
    /// Removes a shared right.
    Revoke,
    /// Leaves a shared object alone that this step would have removed, because another object holds it.
    Keep,
    /// Starts a process.
    Start,
    /// Stops a process and removes what is its own.
    Stop,
    /// Restarts a process, connector or task.
    Restart,
    /// Restarts the processes of the target one after the other; which first is chosen at apply.
    Roll,
    /// Moves replicas; the order is chosen at apply.
    Move,
    /// Raises a version that can never be lowered.
    Raise,
    /// Pauses a connector.
    Pause,
    /// Resumes a connector.
    Resume,
    /// Writes a file.
    Write,
    /// Removes a file.
    Remove,
    /// Deletes the target, or the part of it that is named.
    Delete,
}

impl OpAction {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            OpAction::Create => "create",
            OpAction::Change => "change",
            OpAction::Set => "set",
            OpAction::Unset => "unset",
            OpAction::Grant => "grant",
            OpAction::Revoke => "revoke",
            OpAction::Keep => "keep",
            OpAction::Start => "start",
            OpAction::Stop => "stop",
            OpAction::Restart | OpAction::Roll => "restart",
            OpAction::Move => "move",
            OpAction::Raise => "raise",
            OpAction::Pause => "pause",
            OpAction::Resume => "resume",
            OpAction::Write => "write",
            OpAction::Remove => "remove",
            OpAction::Delete => "delete",
        }
    }
}

/// The id of a place that nothing tells yet.
const NOWHERE: &str = "at:";

/// The real system that an object lives in: a cluster's id, a context and namespace, this machine. Two places are one when their ids are equal,
/// whatever block or provider leads there; while the id is unknown, the address of the block stands for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    id: Arc<str>,
    shown: Arc<str>,
}

impl Place {
    /// A system with a known id. `shown` is its name for people.
    pub fn with_id(id: &str, shown: impl fmt::Display) -> Place {
        Place { id: format!("id:{id}").into(), shown: shown.to_string().into() }
    }

    /// A system that does not exist yet or whose id is not known: the block stands for it.
    pub fn at(addr: &InstanceAddr) -> Place {
        Place { id: format!("at:{addr}").into(), shown: addr.to_string().into() }
    }

    /// What streamform itself runs or keeps in the working folder.
    pub fn here() -> Place {
        Place { id: "here".into(), shown: "".into() }
    }

    /// A system that nothing tells yet.
    pub fn nowhere() -> Place {
        Place { id: NOWHERE.into(), shown: "".into() }
    }

    /// The place of an object that has a reference attribute `name`: by the attribute `id` of what it refers to, where that is known.
    pub fn of(object: &Value, name: &str, id: &str) -> Place {
        let Some(target) = object.get(name) else { return Place::nowhere() };
        let origin = target.origin().cloned();
        let known = target.get(id).filter(|v| v.is_known()).and_then(|v| v.as_str().map(str::to_string)).filter(|s| !s.is_empty());
        match (known, origin) {
            (Some(id), Some(addr)) => Place::with_id(&id, addr),
            (Some(id), None) => Place::with_id(&id, &id),
            (None, Some(addr)) => Place::at(&addr),
            (None, None) => Place::nowhere(),
        }
    }

    /// Whether it is known by its own id, and not by the block that leads to it.
    pub fn has_id(&self) -> bool {
        self.id.starts_with("id:")
    }

    /// Whether its id is not known yet.
    fn is_unclear(&self) -> bool {
        !self.has_id() && &*self.id != "here"
    }

    /// Whether the id is that of a block which does not exist yet.
    pub fn is_open(&self) -> bool {
        self.id.starts_with("at:")
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Place {}

impl std::hash::Hash for Place {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.id.cmp(&other.id)
    }
}

/// The name of a real object: where it lives, what kind it is, how it is called there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// Where it lives.
    pub place: Place,
    /// `topic`, `acl`, `connector`, …: as people say it.
    pub kind: Arc<str>,
    /// Its name there; `None` where that is known only after apply.
    pub name: Option<Arc<str>>,
}

impl Key {
    /// Whether both may turn out to be one object, as far as it is known.
    pub fn may_be(&self, other: &Key) -> bool {
        let places = self.place == other.place || self.place.is_unclear() || other.place.is_unclear();
        let names = self.name.is_none() || other.name.is_none() || self.name == other.name;
        self.kind == other.kind && places && names
    }

    /// A key with a name.
    pub fn new(place: Place, kind: &str, name: &str) -> Key {
        Key { place, kind: kind.into(), name: Some(name.into()) }
    }

    /// A key whose name is known only after apply.
    pub fn unnamed(place: Place, kind: &str) -> Key {
        Key { place, kind: kind.into(), name: None }
    }

    /// Whether it names one real object.
    pub fn is_known(&self) -> bool {
        self.name.is_some() && &*self.place.id != NOWHERE
    }

    /// The name, or nothing where it is not known.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Whether an object that is known now is among those that this key may have meant when it was planned.
    pub fn admits(&self, actual: &Key) -> bool {
        self.kind == actual.kind
            && (self.place == actual.place || self.place.is_open())
            && self.name.as_ref().is_none_or(|n| actual.name.as_ref() == Some(n))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} \"{}\"", self.kind, one_line(name))?,
            None => write!(f, "{} (known after apply)", self.kind)?,
        }
        if self.place.shown.is_empty() { Ok(()) } else { write!(f, " of {}", self.place.shown) }
    }
}

/// A real object that a resource holds. See [`super::ResourceType::holds`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hold {
    /// Which one.
    pub key: Key,
    /// Whether several resources may hold it; the last one releases it.
    pub shared: bool,
}

impl Hold {
    /// An object that belongs to one resource only.
    pub fn exclusive(key: Key) -> Hold {
        Hold { key, shared: false }
    }

    /// An object that several resources may hold.
    pub fn shared(key: Key) -> Hold {
        Hold { key, shared: true }
    }
}

/// A value in an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arg {
    /// This text.
    Known(String),
    /// Known only after apply.
    Unknown,
    /// The sensitive value at this path of the planned object.
    Secret(String),
    /// What the real system takes where nothing is said.
    Default,
}

impl Arg {
    /// The argument for a value at `path` of the planned object.
    pub fn of(value: &Value, path: impl Into<String>) -> Arg {
        if value.contains_sensitive() {
            return Arg::Secret(path.into());
        }
        if !value.is_wholly_known() {
            return Arg::Unknown;
        }
        if value.is_null() {
            return Arg::Default;
        }
        Arg::Known(value.as_str().map_or_else(|| value.to_string(), str::to_string))
    }

    /// Whether `actual` is what this may have become.
    fn admits(&self, actual: &Arg) -> bool {
        match (self, actual) {
            (Arg::Unknown, _) => true,
            (Arg::Secret(a), Arg::Secret(b)) => a == b,
            (a, b) => a == b,
        }
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arg::Known(text) => f.write_str(text),
            Arg::Unknown => f.write_str("(known after apply)"),
            Arg::Secret(_) => f.write_str("(sensitive value)"),
            Arg::Default => f.write_str("the cluster's default"),
        }
    }
}

/// A value that is there before an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// The value.
    pub value: Arg,
    /// Where it is from, for people ("set on the topic", "Kafka's default"); empty where that is plain.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
}

/// One thing that will be asked of one real system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    /// What is done.
    pub action: OpAction,
    /// The real object that it is done to.
    pub target: Key,
    /// The part of it that is meant: a setting, a process, a file. Empty: the whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub part: String,
    /// What will hold afterwards, by name; of a single part under its own name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub after: BTreeMap<String, Arg>,
    /// What holds now, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// What is lost for good, a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<String>,
    /// More for people: why, how, or what stays.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Which parts of the target it concerns is known only after apply: it stands for any.
    #[serde(default, skip_serializing_if = "is_false")]
    pub open: bool,
    /// It cannot be repeated: begin and end are journalled for it alone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub once: bool,
    /// Nobody could be asked whether the real system will take it, because what it belongs to is created in the same apply.
    #[serde(default, skip_serializing_if = "is_false")]
    pub not_checked: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(b: &bool) -> bool {
    !*b
}

impl Op {
    /// An operation on a whole object.
    pub fn new(action: OpAction, target: Key) -> Op {
        Op {
            action,
            target,
            part: String::new(),
            after: BTreeMap::new(),
            expect: None,
            loss: None,
            note: String::new(),
            open: false,
            once: false,
            not_checked: false,
        }
    }

    /// On one part of the target.
    pub fn part(mut self, part: impl Into<String>) -> Op {
        self.part = part.into();
        self
    }

    /// With a value that will hold afterwards.
    pub fn after(mut self, name: impl Into<String>, value: Arg) -> Op {
        self.after.insert(name.into(), value);
        self
    }

    /// With the value that holds now.
    pub fn expect(mut self, value: Arg, source: impl Into<String>) -> Op {
        self.expect = Some(Expect { value, source: source.into() });
        self
    }

    /// With what is lost.
    pub fn loss(mut self, loss: Option<String>) -> Op {
        self.loss = loss;
        self
    }

    /// With a remark.
    pub fn note(mut self, note: impl Into<String>) -> Op {
        self.note = note.into();
        self
    }

    /// It stands for parts that are known only after apply.
    pub fn open(mut self) -> Op {
        self.open = true;
        self
    }

    /// It cannot be repeated.
    pub fn once(mut self) -> Op {
        self.once = true;
        self
    }

    /// The value of the single part.
    pub fn value(&self) -> Option<&Arg> {
        self.after.get(&self.part)
    }

    /// Whether something that is known now is what this may have become: the same action on a target of the planned set, without a loss that
    /// was not planned.
    pub fn admits(&self, actual: &Op) -> bool {
        // What holds once a setting is removed is not decided here: the plan only tells it.
        let informs = self.open || self.action == OpAction::Unset;
        // A value that was not known may turn out to be none.
        let is_none = self.value() == Some(&Arg::Unknown)
            && self.part == actual.part
            && matches!((self.action, actual.action), (OpAction::Set, OpAction::Unset) | (OpAction::Write, OpAction::Remove));
        (self.action == actual.action || is_none)
            && self.target.admits(&actual.target)
            && (self.open || self.part == actual.part || self.target.name.is_none())
            && (informs || self.after.iter().all(|(k, v)| actual.after.get(k).is_none_or(|a| v.admits(a))))
            && (actual.loss.is_none() || self.loss.is_some())
    }
}

/// The first of `actual` that nothing of `planned` admits. Operations that were planned and are no longer needed are left out.
pub fn unplanned<'a>(planned: &[Op], actual: &'a [Op]) -> Option<&'a Op> {
    actual.iter().find(|a| a.action != OpAction::Keep && !planned.iter().any(|p| p.admits(a)))
}

/// The note of what is kept because another object holds it.
pub fn stays_with(holder: &str) -> String {
    format!("stays: {holder} holds it")
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plain().write(f)
    }
}

impl Op {
    /// The operation with texts of one line: what a server calls a thing neither makes lines nor steers the terminal.
    fn plain(&self) -> Op {
        let arg = |arg: &Arg| match arg {
            Arg::Known(text) => Arg::Known(one_line(text).into()),
            other => other.clone(),
        };
        Op {
            target: Key { name: self.target.name.as_deref().map(|n| one_line(n).into()), ..self.target.clone() },
            part: one_line(&self.part).into(),
            note: one_line(&self.note).into(),
            expect: self.expect.as_ref().map(|e| Expect { value: arg(&e.value), source: one_line(&e.source).into() }),
            after: self.after.iter().map(|(k, v)| (k.clone(), arg(v))).collect(),
            ..self.clone()
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = |f: &mut fmt::Formatter<'_>| if self.note.is_empty() { Ok(()) } else { write!(f, " {}", self.note) };
        let sourced = |e: &Expect| if e.source.is_empty() { e.value.to_string() } else { format!("{} ({})", e.value, e.source) };
        let value = self.value().map(ToString::to_string).unwrap_or_default();
        match (self.action, &self.target.name, &self.expect) {
            (OpAction::Grant, Some(name), _) => write!(f, "+ {name}"),
            (OpAction::Grant, None, _) => write!(f, "+ further {} (known after apply)", self.target.kind),
            (OpAction::Revoke, Some(name), _) => write!(f, "- {name}"),
            (OpAction::Revoke, None, _) => write!(f, "- {} (known after apply)", self.target.kind),
            (OpAction::Keep, ..) => {
                write!(f, "= {} {}", self.target.name(), if self.note.is_empty() { "stays" } else { &self.note })
            }
            (OpAction::Create, ..) if self.part.is_empty() => {
                write!(
                    f,
                    "+ {} {}",
                    self.target.kind,
                    self.target.name.as_ref().map_or("(known after apply)".into(), |n| format!("\"{n}\""))
                )?;
                note(f)?;
                self.after.iter().try_for_each(|(k, v)| write!(f, "\n+ {k} = {v}"))
            }
            (OpAction::Delete, ..) if self.part.is_empty() => {
                write!(f, "- {} \"{}\"", self.target.kind, self.target.name())?;
                note(f)
            }
            (OpAction::Set, _, Some(e)) if e.source != OWN => write!(f, "+ {}: {} -> {value} ({OWN})", self.part, sourced(e)),
            (OpAction::Set, _, None) if !self.after.is_empty() => write!(f, "+ {} = {value}", self.part),
            (OpAction::Unset, _, e) => {
                let before = e.as_ref().map_or_else(String::new, |e| format!(": {}", sourced(e)));
                let after = if value.is_empty() { String::new() } else { format!(" -> {value}") };
                write!(f, "- {}{before}{after}", self.part)
            }
            (OpAction::Set | OpAction::Change | OpAction::Move, _, Some(e)) => {
                write!(f, "~ {}: {} -> {value}", self.part, sourced(e))?;
                note(f)
            }
            (OpAction::Write, _, expect) if !self.part.is_empty() => {
                write!(f, "{} {:?}", if expect.is_some() { "~" } else { "+" }, self.part)?;
                if !value.is_empty() {
                    write!(f, " = {value}")?;
                }
                note(f)
            }
            (OpAction::Remove, ..) if !self.part.is_empty() => {
                write!(f, "- {:?}", self.part)?;
                note(f)
            }
            (OpAction::Change, _, None) if self.after.is_empty() => {
                write!(f, "~ {}", self.part)?;
                note(f)
            }
            (OpAction::Change, _, None) => {
                write!(f, "~ {}: {value}", self.part)?;
                note(f)
            }
            _ => {
                f.write_str(self.action.word())?;
                match self.part.is_empty() {
                    false => write!(f, " {}", self.part)?,
                    true => write!(f, " {} \"{}\"", self.target.kind, self.target.name())?,
                }
                note(f)
            }
        }?;
        if self.not_checked { f.write_str(" (not checked)") } else { Ok(()) }
    }
}

/// The source of a value that the target itself sets.
pub const OWN: &str = "set on the topic";

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> Key {
        Key::new(Place::with_id("abc", "kafka_cluster.a"), "topic", name)
    }

    #[test]
    fn one_system_under_two_blocks_is_one_place() {
        assert_eq!(topic("x"), Key::new(Place::with_id("abc", "data.kafka_cluster.b"), "topic", "x"));
        let addr: InstanceAddr = "kafka_cluster.a".parse().unwrap();
        assert_ne!(topic("x"), Key::new(Place::at(&addr), "topic", "x"));
    }

    #[test]
    fn what_becomes_known_may_not_add_anything() {
        let addr: InstanceAddr = "kafka_cluster.a".parse().unwrap();
        let planned = [Op::new(OpAction::Grant, Key::unnamed(Place::at(&addr), "bindings"))];
        let binding = Op::new(OpAction::Grant, Key::new(Place::with_id("i", "c"), "bindings", "ALLOW"));
        assert_eq!(unplanned(&planned, std::slice::from_ref(&binding)), None);
        let revoke = Op { action: OpAction::Revoke, ..binding.clone() };
        assert_eq!(unplanned(&planned, std::slice::from_ref(&revoke)), Some(&revoke));
        let set = |v: &str| Op::new(OpAction::Set, topic("x")).part("retention.ms").after("retention.ms", Arg::Known(v.into()));
        assert!(set("1").admits(&set("1")) && !set("1").admits(&set("2")));
        let delete = Op::new(OpAction::Delete, topic("x"));
        assert!(!delete.admits(&delete.clone().loss(Some("all".into()))));
        let any = Op::new(OpAction::Set, topic("x")).part("settings").after("settings", Arg::Unknown).open();
        assert!(any.admits(&set("1")) && !any.admits(&Op { action: OpAction::Unset, ..set("1") }));
        let unset = |v: Arg| Op::new(OpAction::Unset, topic("x")).part("retention.ms").after("retention.ms", v);
        assert!(unset(Arg::Known("1 (Kafka's default)".into())).admits(&unset(Arg::Default)));
    }

    #[test]
    fn lines_for_people() {
        let set = Op::new(OpAction::Set, topic("x")).part("retention.ms").after("retention.ms", Arg::Known("2".into()));
        assert_eq!(set.to_string(), "+ retention.ms = 2");
        assert_eq!(set.clone().expect(Arg::Known("1".into()), OWN).to_string(), "~ retention.ms: 1 (set on the topic) -> 2");
        assert_eq!(
            set.expect(Arg::Known("1".into()), "Kafka's default").to_string(),
            "+ retention.ms: 1 (Kafka's default) -> 2 (set on the topic)"
        );
        let write = Op::new(OpAction::Write, topic("x")).part("a").after("a", Arg::Secret("data[\"a\"]".into()));
        assert_eq!(write.to_string(), "+ \"a\" = (sensitive value)");
        assert_eq!(write.clone().expect(Arg::Secret("data[\"a\"]".into()), "").to_string(), "~ \"a\" = (sensitive value)");
        assert_eq!(Op::new(OpAction::Remove, topic("x")).part("a").to_string(), "- \"a\"");
        let roll = Op::new(OpAction::Roll, topic("x")).part("the nodes").note("one at a time");
        assert_eq!(roll.to_string(), "restart the nodes one at a time");
        let json = serde_json::to_value(&roll).unwrap();
        assert_eq!(serde_json::from_value::<Op>(json).unwrap(), roll);
    }
}
