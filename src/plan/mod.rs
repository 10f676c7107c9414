//! The plan: what has to change, decided once.
//!
//! [`walk`] goes over the graph, evaluates, asks an [`walk::Observer`] for what exists (batched) and lets each resource type decide
//! ([`diff`]); the result is a [`Plan`], plain data that apply follows without deciding again. [`steps`] turns the changes into an
//! execution graph. Apart from the observer, which is a trait, everything here is pure: the same inputs give the same plan, which is
//! what lets a saved plan hold its inputs and a digest instead of values that may be secret.

pub mod conditions;
pub mod diff;
pub mod drift;
pub mod evaluate;
pub mod objects;
mod records;
pub mod saved;
pub mod settle;
pub mod steps;
pub mod walk;
pub mod world;

pub use records::blocked_moves;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::addr::{InstanceAddr, ResourceAddr, Target};
use crate::diag::redact::Redactor;
use crate::resource::{Answer, Op, Private, Verb};
use crate::value::Value;

/// What is to be done with one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Nothing.
    NoOp,
    /// Read a data source during apply, because its configuration is not known before.
    Read,
    /// Make it.
    Create,
    /// Change it in place.
    Update,
    /// Make a new one in place of the old: destroy first.
    Replace,
    /// Make a new one, then destroy the old.
    ReplaceCreateFirst,
    /// Remove it.
    Delete,
    /// Drop it from the state; the object stays.
    Forget,
}

impl Action {
    /// Whether anything happens on a real system.
    pub fn changes(self) -> bool {
        !matches!(self, Action::NoOp | Action::Read | Action::Forget)
    }

    /// The sign in front of a change.
    pub fn symbol(self) -> &'static str {
        match self {
            Action::NoOp => " ",
            Action::Read => "<=",
            Action::Create => "+",
            Action::Update => "~",
            Action::Replace => "-/+",
            Action::ReplaceCreateFirst => "+/-",
            Action::Delete => "-",
            Action::Forget => ".",
        }
    }

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Action::NoOp => "no-op",
            Action::Read => "read",
            Action::Create => "create",
            Action::Update => "update",
            Action::Replace => "delete-create",
            Action::ReplaceCreateFirst => "create-delete",
            Action::Delete => "delete",
            Action::Forget => "forget",
        }
    }

    /// What is done one after the other, as Terraform's JSON lists it.
    pub fn steps(self) -> &'static [&'static str] {
        match self {
            Action::NoOp => &["no-op"],
            Action::Read => &["read"],
            Action::Create => &["create"],
            Action::Update => &["update"],
            Action::Replace => &["delete", "create"],
            Action::ReplaceCreateFirst => &["create", "delete"],
            Action::Delete => &["delete"],
            Action::Forget => &["forget"],
        }
    }
}

/// Why an action was chosen, where that is not plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// These attributes cannot change in place: name and why.
    CannotUpdate(Vec<(String, String)>),
    /// A failed create left it unsound.
    Tainted,
    /// `-replace` names it.
    Requested,
    /// `replace_triggered_by` names something that changes.
    Triggered,
    /// Its block is no longer in the configuration.
    NotInConfiguration,
    /// Its key is no longer among `count` or `for_each`.
    NoLongerRepeated,
    /// A `destroy` run.
    Destroying,
    /// It was found missing on the real system.
    Missing,
    /// A newer object took its place, and the apply that made it did not come to destroying this one.
    Deposed,
    /// This address holds the same real object, which stays: the address, and the object for people.
    SameAsNow(InstanceAddr, String),
    /// An `import` block.
    Imported(String),
    /// A `moved` block, or the same real object under another address: where it was.
    Moved(InstanceAddr),
    /// No `moved` block says so, but both addresses name this real object.
    SameObject(String),
    /// It goes with the place that it lives in, of which nothing runs.
    GoesWith(InstanceAddr),
    /// The configuration hides a value that the state has in clear.
    NowSensitive,
}

/// One planned change.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which instance.
    pub addr: InstanceAddr,
    /// What is done.
    pub action: Action,
    /// Why.
    pub reasons: Vec<Reason>,
    /// The object now.
    pub prior: Option<Value>,
    /// The provider's private part now.
    pub private: Private,
    /// The object as it will be.
    pub planned: Option<Value>,
    /// What will be asked of the real system: to create, change or delete the object.
    pub ops: Vec<Op>,
    /// Of a replacement: what deletes the old object.
    pub delete_ops: Vec<Op>,
    /// The blocks it needs directly.
    pub dependencies: Vec<ResourceAddr>,
    /// The blocks that the recorded object needs.
    pub used: Vec<ResourceAddr>,
    /// Parts of its configuration are known only during apply.
    pub deferred: bool,
    /// Kept from destruction by `prevent_destroy` once applied.
    pub protected: bool,
    /// The step's time limits by verb name, where a `timeouts` block sets them, in milliseconds.
    pub timeouts: BTreeMap<String, u64>,
    /// `create_before_destroy`.
    pub create_before_destroy: bool,
    /// The key of a deposed object: then the address is now another object's.
    pub deposed: Option<Arc<str>>,
    /// The state record changes although the object does not (moved, imported, refreshed).
    pub record_changes: bool,
    /// An earlier run began to create it and never learned whether it was made, and it could not be looked for now.
    pub begun: bool,
    /// It is destroyed together with the place that it lives in, of which nothing runs: there is nobody to ask.
    pub goes_with_place: bool,
}

impl Change {
    /// A change in which nothing is done, with what a record says.
    pub fn new(addr: InstanceAddr, action: Action) -> Change {
        Change {
            addr,
            action,
            reasons: vec![],
            prior: None,
            private: Private::Null,
            planned: None,
            ops: vec![],
            delete_ops: vec![],
            dependencies: vec![],
            used: vec![],
            deferred: false,
            protected: false,
            timeouts: BTreeMap::new(),
            create_before_destroy: false,
            deposed: None,
            record_changes: false,
            begun: false,
            goes_with_place: false,
        }
    }

    /// All operations, in the order in which they are carried out.
    pub fn all_ops(&self) -> impl Iterator<Item = &Op> {
        let (first, then) = match self.action {
            Action::ReplaceCreateFirst => (&self.ops, &self.delete_ops),
            _ => (&self.delete_ops, &self.ops),
        };
        first.iter().chain(then)
    }

    /// What is lost, a sentence each.
    pub fn losses(&self) -> impl Iterator<Item = &str> {
        self.all_ops().filter_map(|o| o.loss.as_deref())
    }

    /// Takes secrets out of the free texts of the operations; what they act on and expect is data, in which secrets are marked.
    pub fn redact(&mut self, redactor: &Redactor) {
        for op in self.ops.iter_mut().chain(&mut self.delete_ops) {
            op.note = redactor.text(&op.note);
            op.loss = op.loss.take().map(|loss| redactor.text(&loss));
        }
    }

    /// The operations of a step of this change.
    pub fn step_ops(&self, verb: Verb) -> &[Op] {
        let replaced = matches!(self.action, Action::Replace | Action::ReplaceCreateFirst);
        if replaced && verb == Verb::Delete { &self.delete_ops } else { &self.ops }
    }

    /// The address, for people: of a deposed object with its key, and of what goes the one that it has in the state until this run. It may
    /// have to make room for another object before, as when the first of a list goes: then [`Change::addr`] is an address that nobody knows it by.
    pub fn label(&self) -> String {
        match (&self.deposed, self.recorded_at()) {
            (Some(key), _) => deposed_label(&self.addr, key),
            (None, Some(from)) => from.to_string(),
            (None, None) => self.addr.to_string(),
        }
    }

    /// The recorded address of an object that is deleted, if it is another one.
    pub fn recorded_at(&self) -> Option<&InstanceAddr> {
        let goes = matches!(self.action, Action::Delete | Action::Forget) && self.deposed.is_none();
        self.reasons.iter().find_map(|r| if let Reason::Moved(from) = r { Some(from) } else { None }).filter(|_| goes)
    }
}

/// How a deposed object is named for people.
pub fn deposed_label(addr: &InstanceAddr, key: &str) -> String {
    format!("{addr} (deposed object {key})")
}

/// What differs between the state and the real system.
#[derive(Clone, Debug)]
pub struct Drift {
    /// Which instance.
    pub addr: InstanceAddr,
    /// As recorded.
    pub recorded: Value,
    /// As found; `None` when it is gone.
    pub found: Option<Value>,
}

/// A planned output value.
#[derive(Clone, Debug)]
pub struct OutputChange {
    /// The value before, where there was one.
    pub prior: Option<Value>,
    /// The value after; `None` when the output goes.
    pub planned: Option<Value>,
    /// Declared sensitive.
    pub sensitive: bool,
    /// Recorded as sensitive.
    pub was_sensitive: bool,
}

/// What kind of run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunMode {
    /// Bring the real systems to what the configuration says.
    #[default]
    Normal,
    /// Remove everything that the state holds.
    Destroy,
    /// Only bring the state up to date with the real systems.
    RefreshOnly,
}

/// The choices of one run.
#[derive(Clone, Debug)]
pub struct Options {
    /// What kind of run.
    pub mode: RunMode,
    /// Whether to read the real systems (`-refresh=false` does not).
    pub refresh: bool,
    /// Only these and what they need.
    pub targets: Vec<Target>,
    /// Not these and not what needs them.
    pub excludes: Vec<Target>,
    /// Replace these even if nothing says so.
    pub replace: Vec<InstanceAddr>,
}

impl Default for Options {
    fn default() -> Self {
        Options { mode: RunMode::Normal, refresh: true, targets: vec![], excludes: vec![], replace: vec![] }
    }
}

/// The whole plan.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Every instance, in the order of the configuration, deletes of what is no longer there last.
    pub changes: Vec<Change>,
    /// The root outputs.
    pub outputs: BTreeMap<Arc<str>, OutputChange>,
    /// What was found to differ from the state.
    pub drift: Vec<Drift>,
    /// What `-target` and `-exclude` left out.
    pub skipped: Vec<String>,
    /// What kind of run.
    pub mode: RunMode,
    /// What types asked about planned objects, with the answers.
    pub answers: BTreeMap<InstanceAddr, Vec<Answer>>,
}

/// How many of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Imported.
    pub import: usize,
    /// Created (with replacements).
    pub add: usize,
    /// Changed in place.
    pub change: usize,
    /// Destroyed (with replacements).
    pub destroy: usize,
    /// Forgotten.
    pub forget: usize,
}

impl Plan {
    /// How many of each action.
    pub fn counts(&self) -> Counts {
        let mut c = Counts::default();
        for change in &self.changes {
            c.import += usize::from(change.reasons.iter().any(|r| matches!(r, Reason::Imported(_))));
            match change.action {
                Action::Create => c.add += 1,
                Action::Update => c.change += 1,
                Action::Delete => c.destroy += 1,
                Action::Forget => c.forget += 1,
                Action::Replace | Action::ReplaceCreateFirst => {
                    c.add += 1;
                    c.destroy += 1;
                }
                Action::NoOp | Action::Read => {}
            }
        }
        c
    }

    /// Whether apply would do anything with any instance.
    pub fn has_steps(&self) -> bool {
        self.changes.iter().any(|c| c.action != Action::NoOp)
    }

    /// Whether apply would change a real system, the recorded outputs or what the state holds beyond a refresh.
    pub fn has_changes(&self) -> bool {
        let resources = self.changes.iter().any(|c| c.action.changes() || c.action == Action::Forget || c.record_changes);
        let refreshed = self.mode == RunMode::RefreshOnly && !self.drift.is_empty();
        resources || refreshed || self.outputs.values().any(OutputChange::changes)
    }
}

impl OutputChange {
    /// Whether the output changes.
    pub fn changes(&self) -> bool {
        match (&self.prior, &self.planned) {
            (Some(a), Some(b)) => self.sensitive != self.was_sensitive || !diff::same(a, b),
            (None, None) => false,
            _ => true,
        }
    }
}
