//! The diff of one instance: from what is, what was recorded and what the configuration says to an action.
//!
//! Pure. The order: ignore_changes, proposal by schema, the resource type's own plan, then the verdict.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::addr::InstanceAddr;
use crate::diag::{Diagnostic, Diagnostics};
use crate::resource::{PlanInput, Private, ResourceType};
use crate::schema::{AttrType, Attribute, Body, Set};
use crate::value::{Repr, Type, Value, ops};

use super::{Action, Reason};

/// Everything that the diff of one instance needs.
pub struct Input<'a> {
    /// The instance.
    pub addr: &'a InstanceAddr,
    /// Its type.
    pub resource: &'a dyn ResourceType,
    /// The object now, with sensitive parts that equal the configuration's already filled in.
    pub prior: Option<&'a Value>,
    /// The provider's private part.
    pub private: &'a Private,
    /// What the configuration says.
    pub config: &'a Value,
    /// `ignore_changes`: attribute, and key inside it.
    pub ignore: &'a [(String, Option<String>)],
    /// `ignore_changes = all`
    pub ignore_all: bool,
    /// Why it must be replaced whatever the diff says.
    pub force: Option<Reason>,
    /// `create_before_destroy`
    pub create_first: bool,
    /// The keyed digest of the state's store.
    pub digest: &'a dyn Fn(&Value) -> [u8; 32],
}

/// The verdict.
pub struct Verdict {
    /// What is done.
    pub action: Action,
    /// Why.
    pub reasons: Vec<Reason>,
    /// The object as it will be.
    pub planned: Value,
    /// What will be done on the real system.
    pub effects: Vec<String>,
    /// What will be lost.
    pub data_loss: Vec<String>,
    /// Errors and warnings.
    pub diagnostics: Diagnostics,
}

/// Whether two values are the same for a user: unknown equals only unknown, marks do not count, references by address.
pub fn same(a: &Value, b: &Value) -> bool {
    if let (Some(x), Some(y)) = (a.origin(), b.origin()) {
        return x == y;
    }
    match (a.repr(), b.repr()) {
        (Repr::Null(_), Repr::Null(_)) => true,
        (Repr::Unknown(x), Repr::Unknown(y)) => x.refinement.digest == y.refinement.digest,
        (Repr::List(_) | Repr::Set(_) | Repr::Tuple(_), Repr::List(_) | Repr::Set(_) | Repr::Tuple(_)) => {
            let (x, y) = (a.as_slice().unwrap_or_default(), b.as_slice().unwrap_or_default());
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y))
        }
        (Repr::Map(_) | Repr::Object(_), Repr::Map(_) | Repr::Object(_)) => match (a.as_map(), b.as_map()) {
            (Some(x), Some(y)) => x.len() == y.len() && x.iter().zip(y).all(|((k, x), (l, y))| k == l && same(x, y)),
            _ => false,
        },
        (x, y) => x == y,
    }
}

/// Fills in what the state keeps only as a digest: where the configuration's value has the same digest, it is that value.
pub fn rehydrate(prior: &Value, config: &Value, digest: &dyn Fn(&Value) -> [u8; 32]) -> Value {
    match prior.repr() {
        Repr::Unknown(u) => match u.refinement.digest {
            Some(d) if config.is_wholly_known() && digest(config) == d => config.clone(),
            _ => prior.clone(),
        },
        Repr::Object(o) if o.origin.is_none() && !prior.is_wholly_known() => {
            let Some(other) = config.as_map() else { return prior.clone() };
            let attrs = o.attrs.iter().map(|(k, v)| (k.clone(), other.get(k).map_or_else(|| v.clone(), |c| rehydrate(v, c, digest))));
            Value::object(attrs.collect()).mark(prior.marks())
        }
        Repr::Map(m) if !prior.is_wholly_known() => {
            let Some(other) = config.as_map() else { return prior.clone() };
            let items = m.items.iter().map(|(k, v)| (k.clone(), other.get(k).map_or_else(|| v.clone(), |c| rehydrate(v, c, digest))));
            Value::map(m.elem.clone(), items.collect()).mark(prior.marks())
        }
        Repr::List(l) if !prior.is_wholly_known() => {
            let Some(other) = config.as_slice() else { return prior.clone() };
            let items = l.items.iter().enumerate().map(|(i, v)| other.get(i).map_or_else(|| v.clone(), |c| rehydrate(v, c, digest)));
            Value::list(l.elem.clone(), items.collect()).mark(prior.marks())
        }
        _ => prior.clone(),
    }
}

/// The default proposal by schema: configuration, else default (already in it), else for computed ones the prior value, else unknown.
pub fn propose(body: &Body, prior: Option<&Value>, config: &Value) -> Value {
    let get = |v: &Value, name: &str| v.as_map().and_then(|m| m.get(name)).cloned();
    let mut out: BTreeMap<Arc<str>, Value> = BTreeMap::new();
    for a in &body.attributes {
        let set = get(config, a.name).filter(|v| !v.is_null());
        let value = set.unwrap_or_else(|| match a.set {
            Set::Computed | Set::OptionalComputed => {
                prior.and_then(|p| get(p, a.name)).unwrap_or_else(|| masked(a, Value::unknown(attr_type(a))))
            }
            Set::Required | Set::Optional => Value::null(attr_type(a)),
        });
        out.insert(a.name.into(), value);
    }
    for b in &body.blocks {
        out.insert(b.name.into(), get(config, b.name).unwrap_or_else(|| Value::null(b.ty())));
    }
    Value::object(out)
}

fn masked(a: &Attribute, v: Value) -> Value {
    if a.sensitive { v.sensitive() } else { v }
}

fn attr_type(a: &Attribute) -> Type {
    match &a.ty {
        AttrType::Value(t) => t.clone(),
        AttrType::Ref(_) => Type::Dynamic,
    }
}

/// Puts the prior values back where `ignore_changes` says so.
fn apply_ignores(config: &Value, prior: &Value, input: &Input<'_>) -> Value {
    let (Some(c), Some(p)) = (config.as_map(), prior.as_map()) else { return config.clone() };
    let mut out = c.clone();
    if input.ignore_all {
        for (k, v) in p {
            out.insert(k.clone(), v.clone());
        }
    }
    for (attr, key) in input.ignore {
        let Some(was) = p.get(attr.as_str()) else { continue };
        match key {
            None => drop(out.insert(attr.as_str().into(), was.clone())),
            Some(key) => {
                let now = out.get(attr.as_str()).cloned().unwrap_or_else(|| was.clone());
                out.insert(attr.as_str().into(), with_key(&now, was, key));
            }
        }
    }
    Value::object(out)
}

fn with_key(now: &Value, was: &Value, key: &str) -> Value {
    let old = was.as_map().and_then(|m| m.get(key)).cloned();
    let mut items = now.as_map().cloned().unwrap_or_default();
    match old {
        Some(v) => drop(items.insert(key.into(), v)),
        None => drop(items.remove(key)),
    }
    match now.repr() {
        Repr::Object(_) => Value::object(items),
        Repr::Map(m) => Value::map(m.elem.clone(), items),
        _ => Value::map(Type::String, items),
    }
    .mark(now.marks())
}

/// Names of the attributes that differ.
pub fn changed_attributes(body: &Body, prior: &Value, planned: &Value) -> Vec<String> {
    let differs = |name: &str| {
        let null = Value::null_dynamic();
        let of = |v: &Value| v.as_map().and_then(|m| m.get(name)).cloned().unwrap_or_else(|| null.clone());
        !same(&of(prior), &of(planned))
    };
    let attrs = body.attributes.iter().filter(|a| !a.transient).map(|a| a.name);
    attrs.chain(body.blocks.iter().map(|b| b.name)).filter(|n| differs(n)).map(String::from).collect()
}

/// Decides what becomes of one instance that the configuration holds.
pub fn decide(input: Input<'_>) -> Verdict {
    let body = &input.resource.schema().body;
    let Some(prior) = input.prior else { return create(&input, vec![], vec![]) };
    let config = apply_ignores(input.config, prior, &input);
    let proposed = propose(body, Some(prior), &config);
    let out = input.resource.plan(PlanInput { addr: input.addr, prior: Some(prior), private: input.private, config: &config, proposed });
    // Computed attributes may hold sensitive parts too, of which the state knows only the digest.
    let changed = changed_attributes(body, &rehydrate(prior, &out.planned, input.digest), &out.planned);
    let fixed = body.attributes.iter().filter(|a| a.force_new && changed.iter().any(|c| c == a.name));
    let fixed = fixed.filter(|a| !out.replace.iter().any(|(n, _)| n == a.name));
    let mut replace: Vec<(String, String)> = out.replace.clone();
    replace.extend(fixed.map(|a| (a.name.to_string(), "it is fixed when the object is made".to_string())));
    let mut reasons: Vec<Reason> = input.force.clone().into_iter().collect();
    if !replace.is_empty() {
        reasons.push(Reason::CannotUpdate(replace));
    }
    if !reasons.is_empty() {
        let (_, losses) = input.resource.plan_delete(prior);
        let mut verdict = create(&input, reasons, losses);
        verdict.action = if input.create_first { Action::ReplaceCreateFirst } else { Action::Replace };
        return verdict;
    }
    let action = if changed.is_empty() { Action::NoOp } else { Action::Update };
    let effects = if action == Action::NoOp { vec![] } else { out.effects };
    Verdict { action, reasons, planned: out.planned, effects, data_loss: out.data_loss, diagnostics: out.diagnostics }
}

fn create(input: &Input<'_>, reasons: Vec<Reason>, mut data_loss: Vec<String>) -> Verdict {
    let body = &input.resource.schema().body;
    let proposed = propose(body, None, input.config);
    let none = Private::Null;
    let out = input.resource.plan(PlanInput { addr: input.addr, prior: None, private: &none, config: input.config, proposed });
    data_loss.extend(out.data_loss);
    Verdict { action: Action::Create, reasons, planned: out.planned, effects: out.effects, data_loss, diagnostics: out.diagnostics }
}

/// Whether what became known agrees with what was planned: every part that was known stays as it was. Returns the path that does not.
pub fn disagrees(planned: &Value, actual: &Value, path: &str) -> Option<String> {
    if planned.origin().is_some() {
        return None;
    }
    match (planned.repr(), actual.repr()) {
        (Repr::Unknown(_), _) => None,
        (Repr::Map(_) | Repr::Object(_), Repr::Map(_) | Repr::Object(_)) => {
            let (p, a) = (planned.as_map()?, actual.as_map()?);
            let extra = a.keys().find(|k| !p.contains_key(*k)).map(|k| format!("{path}.{k}"));
            let null = Value::null_dynamic();
            let inner = p.iter().find_map(|(k, v)| disagrees(v, a.get(k).unwrap_or(&null), &join(path, k)));
            inner.or(extra)
        }
        (Repr::List(_) | Repr::Set(_) | Repr::Tuple(_), Repr::List(_) | Repr::Set(_) | Repr::Tuple(_)) => {
            let (p, a) = (planned.as_slice()?, actual.as_slice()?);
            if p.len() != a.len() {
                return Some(path.to_string());
            }
            p.iter().zip(a).enumerate().find_map(|(i, (p, a))| disagrees(p, a, &format!("{path}[{i}]")))
        }
        _ => (!same(&ops::unmark_deep(planned), &ops::unmark_deep(actual))).then(|| path.to_string()),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}

/// An error about an attribute, when the resource type's result cannot be used.
pub fn inconsistent(addr: &InstanceAddr, path: &str) -> Diagnostic {
    Diagnostic::error(
        crate::diag::codes::apply::INCONSISTENT,
        format!("What {path} turned out to be differs from what was planned, so the step was not carried out."),
    )
    .on(addr)
    .hint("Run plan again: the new plan starts from what is known now.")
}
