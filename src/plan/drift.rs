//! What a drift report is made of: objects that differ from what the state or the configuration says, with what differs.
//!
//! Pure: it reads a plan. Changes from outside are told as what somebody did; what the configuration wants and nobody has applied yet is told
//! as such. What must not be here: how it is shown.

use std::collections::{BTreeMap, BTreeSet};

use super::diff::{changed_attributes, rehydrate, same};
use super::{Action, Change, Plan};
use crate::addr::{InstanceAddr, Mode};
use crate::diag::{Diagnostics, Severity};
use crate::resource::registry;
use crate::value::{Fields, Repr, Value};

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Somebody changed it.
    Changed,
    /// Somebody deleted it.
    Deleted,
    /// Nobody touched it, and it is not what the configuration says.
    NotApplied,
}

/// One part of an object that differs; `None` where it is not set.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The attribute, or the key of a map, or the attribute of a list whose elements differ.
    pub path: String,
    /// As it was: recorded, or now where the configuration wants another value.
    pub before: Option<Value>,
    /// As it is found, or as the configuration wants it.
    pub after: Option<Value>,
}

/// One object that differs.
#[derive(Clone, Debug)]
pub struct Finding<'p> {
    /// Which instance.
    pub addr: InstanceAddr,
    /// What became of it.
    pub kind: Kind,
    /// What differs.
    pub parts: Vec<Part>,
    /// What is planned for it.
    pub change: Option<&'p Change>,
    /// The reason why apply refuses to restore it.
    pub notes: Vec<String>,
    /// For a create: whether an object of this name exists that the state does not know. `None` if no system could be asked.
    pub exists: Option<bool>,
}

impl Finding<'_> {
    /// Whether apply would change the object, once it runs.
    pub fn is_to_change(&self) -> bool {
        self.change.is_some_and(|c| c.action.changes())
    }

    /// Whether apply refuses to run because of this object.
    pub fn is_refused(&self) -> bool {
        !self.notes.is_empty()
    }
}

/// All objects that differ, in the order of the plan, and the diagnostics that are about none of them. Of the `unread` ones, which were asked
/// for and gave no answer, nothing is said: their records may be old.
pub fn findings<'p>(
    plan: &'p Plan,
    types: &[registry::Entry],
    digest: &dyn Fn(&Value) -> [u8; 32],
    diagnostics: Diagnostics,
    unread: &BTreeSet<InstanceAddr>,
) -> (Vec<Finding<'p>>, Diagnostics) {
    let changes: BTreeMap<&InstanceAddr, &'p Change> =
        plan.changes.iter().filter(|c| c.deposed.is_none() && c.addr.resource.mode == Mode::Managed).map(|c| (&c.addr, c)).collect();
    let mut out: BTreeMap<&InstanceAddr, Finding<'p>> = BTreeMap::new();
    for d in plan.drift.iter().filter(|d| d.addr.resource.mode == Mode::Managed) {
        let kind = if d.found.is_some() { Kind::Changed } else { Kind::Deleted };
        let parts = d.found.as_ref().map(|found| parts(types, &d.addr, &rehydrate(&d.recorded, found, digest), found)).unwrap_or_default();
        let change = changes.get(&d.addr).copied();
        out.insert(&d.addr, Finding { addr: d.addr.clone(), kind, parts, change, notes: vec![], exists: Some(false) });
    }
    for c in plan.changes.iter().filter(|c| c.action.changes() && c.addr.resource.mode == Mode::Managed) {
        // What follows from an expression that failed would be no news: the failure is.
        if out.contains_key(&c.addr) || unread.contains(&c.addr) || c.planned.as_ref().is_some_and(|v| v.deep_marks().is_failed()) {
            continue;
        }
        let parts = match (c.action, &c.prior, &c.planned) {
            (Action::Create | Action::Delete, ..) => vec![],
            (_, Some(prior), Some(planned)) => parts(types, &c.addr, prior, planned),
            _ => vec![],
        };
        let found = Finding { addr: c.addr.clone(), kind: Kind::NotApplied, parts, change: Some(c), notes: vec![], exists: Some(false) };
        out.insert(&c.addr, found);
    }
    let mut rest = Diagnostics::new();
    for d in diagnostics {
        let about = d.address.as_deref().and_then(|a| a.parse::<InstanceAddr>().ok());
        match about.and_then(|a| out.get_mut(&a)).filter(|_| d.severity == Severity::Error) {
            Some(finding) => {
                finding.notes.push(d.detail.to_string());
                finding.notes.extend(d.hint.clone());
            }
            None => rest.push(d),
        }
    }
    for finding in out.values_mut().filter(|f| f.notes.is_empty()) {
        let lost = finding.change.into_iter().flat_map(Change::losses).next();
        finding.notes.extend(lost.map(|l| format!("{} Apply needs -allow-data-loss.", sentence(l))));
    }
    let place = |a: &InstanceAddr| plan.changes.iter().position(|c| c.addr == *a).unwrap_or(usize::MAX);
    let mut all: Vec<Finding<'p>> = out.into_values().collect();
    all.sort_by_cached_key(|f| (place(&f.addr), f.addr.clone()));
    (all, rest)
}

fn sentence(text: &str) -> String {
    if text.ends_with('.') { text.to_string() } else { format!("{text}.") }
}

/// Every part of an object that differs: attributes, of maps their keys, of lists the attribute once for all elements.
fn parts(types: &[registry::Entry], addr: &InstanceAddr, before: &Value, after: &Value) -> Vec<Part> {
    let Some(resource) = registry::find_in(types, addr.resource.mode, &addr.resource.type_name) else { return vec![] };
    let mut out = Vec::new();
    for name in changed_attributes(&resource.schema().body, before, after) {
        part(&name, set(before.get(&name)), set(after.get(&name)), &mut out);
    }
    out
}

fn part(path: &str, before: Option<Value>, after: Option<Value>, out: &mut Vec<Part>) {
    let map = |v: &Option<Value>| match v.as_ref().map(Value::repr) {
        Some(Repr::Map(_)) if v.as_ref().is_some_and(|v| !v.marks().is_sensitive()) => v.as_ref().and_then(Value::as_map).cloned(),
        None => Some(Fields::new()),
        Some(_) => None,
    };
    let (Some(old), Some(new), true) = (map(&before), map(&after), before.is_some() || after.is_some()) else {
        out.push(Part { path: path.to_string(), before, after });
        return;
    };
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let (a, b) = (set(old.get(key).cloned()), set(new.get(key).cloned()));
        let differs = match (&a, &b) {
            (Some(a), Some(b)) => !same(a, b),
            (None, None) => false,
            _ => true,
        };
        if differs {
            out.push(Part { path: key.to_string(), before: a, after: b });
        }
    }
}

fn set(v: Option<Value>) -> Option<Value> {
    v.filter(|v| !v.is_null())
}
