//! The diff of one instance: from what is, what was recorded and what the configuration says to an action.
//!
//! Pure. The order: ignore_changes, proposal by schema, the resource type's own plan, then the verdict.

use std::sync::Arc;

use crate::addr::InstanceAddr;
use crate::diag::{Diagnostic, Diagnostics};
use crate::resource::kafka_common::with;
use crate::resource::{Answer, Notes, Op, PlanInput, PlanOutput, Private, Question, ResourceType};
use crate::schema::{AttrType, Attribute, Body, Set};
use crate::value::{Fields, Repr, Type, Value, ops};

use super::walk::Observer;
use super::{Action, Reason};

/// Everything that the diff of one instance needs.
pub struct Input<'a> {
    /// The instance.
    pub addr: &'a InstanceAddr,
    /// The object now, with sensitive parts that equal the configuration's already filled in.
    pub prior: Option<&'a Value>,
    /// The provider's private part.
    pub private: &'a Private,
    /// What the observation noted for the plan.
    pub notes: &'a Notes,
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
    /// Answers to what the type asked in the first round.
    pub answers: &'a [Answer],
    /// The keyed digest of the state's store.
    pub digest: &'a (dyn Fn(&Value) -> [u8; 32] + Sync),
}

/// The verdict.
pub struct Verdict {
    /// What is done.
    pub action: Action,
    /// Why.
    pub reasons: Vec<Reason>,
    /// The object as it will be.
    pub planned: Value,
    /// What creates or changes it.
    pub ops: Vec<Op>,
    /// What deletes the old object of a replacement.
    pub delete_ops: Vec<Op>,
    /// What the type wants to know before this holds.
    pub questions: Vec<Question>,
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

/// Whether two objects are one in every respect: contents, types, marks and references. Their own origins do not count.
pub fn identical(a: &Value, b: &Value) -> bool {
    let pair = |(x, y): (&Value, &Value)| x.origin() == y.origin() && identical(x, y);
    let slices = |x: &[Value], y: &[Value]| x.len() == y.len() && x.iter().zip(y).all(pair);
    let fields = |x: &Fields, y: &Fields| x.keys().eq(y.keys()) && x.values().zip(y.values()).all(pair);
    let contents = match (a.repr(), b.repr()) {
        (Repr::Object(x), Repr::Object(y)) => fields(&x.attrs, &y.attrs),
        (Repr::Map(x), Repr::Map(y)) => x.elem == y.elem && fields(&x.items, &y.items),
        (Repr::List(x), Repr::List(y)) | (Repr::Set(x), Repr::Set(y)) => x.elem == y.elem && slices(&x.items, &y.items),
        (Repr::Tuple(x), Repr::Tuple(y)) => slices(&x.items, &y.items),
        (x, y) => x == y,
    };
    a.marks() == b.marks() && contents
}

/// Fills in what the state keeps only as a digest: where the configuration's value has the same digest, it is that value.
pub fn rehydrate(prior: &Value, config: &Value, digest: &dyn Fn(&Value) -> [u8; 32]) -> Value {
    match prior.repr() {
        Repr::Unknown(u) => match u.refinement.digest {
            // A hidden value stays hidden, also where the configuration writes it openly.
            Some(d) if config.is_wholly_known() && digest(config) == d => config.clone().mark(prior.marks()),
            _ => prior.clone(),
        },
        // A reference is kept as an address. A set with a sensitive element is sensitive as a whole.
        _ if prior.origin().is_some() || prior.is_wholly_known() => prior.clone(),
        _ => prior.map_parts(|part, v| config.part(&part).map_or_else(|| v.clone(), |c| rehydrate(v, c, digest))),
    }
}

/// The object that a diff starts from, where it says more than `prior`: an observer without contents may still tell the entries of a secret
/// map apart. Only for the diff: the state and the plan have one digest for the whole map.
pub fn in_parts(
    observer: &dyn Observer,
    addr: &InstanceAddr,
    prior: &Value,
    config: &Value,
    digest: &dyn Fn(&Value) -> [u8; 32],
) -> Option<Value> {
    observer.in_parts(addr, prior).map(|v| rehydrate(&v, config, digest))
}

/// A planned object without the parts that [`in_parts`] added: what stays as it is is written as in `prior`.
pub fn in_one(planned: &Value, parts: &Value, prior: &Value) -> Value {
    let (Some(attrs), Some(before)) = (planned.as_map(), prior.as_map()) else { return planned.clone() };
    let one = |(name, v): (&Arc<str>, &Value)| {
        let whole = before.get(name).filter(|w| matches!(w.repr(), Repr::Unknown(_)));
        let stays = whole.filter(|_| v.as_map().is_some() && parts.get(name).is_some_and(|p| same(&p, v)));
        (name.clone(), stays.unwrap_or(v).clone())
    };
    Value::object_of(attrs.iter().map(one).collect(), planned.origin().cloned()).mark(planned.marks())
}

/// The default proposal by schema: configuration, else default (already in it), else for computed ones the prior value, else unknown.
pub fn propose(body: &Body, prior: Option<&Value>, config: &Value) -> Value {
    let get = |v: &Value, name: &str| v.as_map().and_then(|m| m.get(name)).cloned();
    let mut out: Vec<(&'static str, Value)> = Vec::with_capacity(body.attributes.len() + body.blocks.len());
    for a in &body.attributes {
        let set = get(config, a.name).filter(|v| !v.is_null());
        let value = set.unwrap_or_else(|| match a.set {
            Set::Computed | Set::OptionalComputed => {
                prior.and_then(|p| get(p, a.name)).unwrap_or_else(|| masked(a, Value::unknown(attr_type(a))))
            }
            Set::Required | Set::Optional => Value::null(attr_type(a)),
        });
        out.push((a.name, value));
    }
    for b in &body.blocks {
        out.push((b.name, get(config, b.name).unwrap_or_else(|| Value::null(b.ty()))));
    }
    Value::object_from(out)
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

/// Decides what becomes of instances of one type that the configuration holds; verdicts in the order of the inputs.
pub fn decide_all(resource: &dyn ResourceType, inputs: &[Input<'_>]) -> Vec<Verdict> {
    let body = &resource.schema().body;
    let configs: Vec<Value> = inputs.iter().map(|i| i.prior.map_or_else(|| i.config.clone(), |p| apply_ignores(i.config, p, i))).collect();
    let of = |(i, config): (&Input<'_>, &Value)| propose(body, i.prior, config);
    let proposals: Vec<Value> = inputs.iter().zip(&configs).map(of).collect();
    let none = Private::Null;
    let requests = inputs.iter().zip(&configs).zip(proposals).map(|((i, config), proposed)| PlanInput {
        addr: i.addr,
        prior: i.prior,
        private: if i.prior.is_some() { i.private } else { &none },
        config,
        proposed,
        notes: i.notes,
        answers: i.answers,
    });
    let planned = resource.plan_all(requests.collect());
    let mut out: Vec<Verdict> = inputs.iter().zip(planned).map(|(i, out)| judge(body, i, out)).collect();
    // What is replaced is planned once more, as a new object.
    let replaced: Vec<usize> = (0..out.len()).filter(|i| out[*i].action == Action::Replace).collect();
    let requests = replaced.iter().map(|i| PlanInput {
        addr: inputs[*i].addr,
        prior: None,
        private: &none,
        config: inputs[*i].config,
        proposed: propose(body, None, inputs[*i].config),
        notes: &none,
        answers: inputs[*i].answers,
    });
    let new = resource.plan_all(requests.collect());
    for (i, new) in replaced.into_iter().zip(new) {
        let (input, verdict) = (&inputs[i], &mut out[i]);
        verdict.delete_ops = input.prior.map(|p| resource.plan_delete(&protected_as(p, &new.planned), input.private)).unwrap_or_default();
        verdict.action = if input.create_first { Action::ReplaceCreateFirst } else { Action::Replace };
        (verdict.planned, verdict.ops, verdict.questions, verdict.diagnostics) = (new.planned, new.ops, new.questions, new.diagnostics);
    }
    out
}

/// The old object of a replacement with the protection that the block says now: while the block is there, it decides.
fn protected_as(old: &Value, planned: &Value) -> Value {
    const PROTECTION: &str = "deletion_protection";
    match planned.get(PROTECTION).filter(|v| v.is_known() && !v.is_null()) {
        Some(now) if old.get(PROTECTION).is_some() => with(old, vec![(PROTECTION, now)]),
        _ => old.clone(),
    }
}

/// What a type's plan comes to. A replacement is told as `Replace`, without the new object.
fn judge(body: &Body, input: &Input<'_>, out: PlanOutput) -> Verdict {
    let PlanOutput { planned, replace: cannot, ops, questions, diagnostics } = out;
    let verdict = |action, reasons, planned, ops| Verdict { action, reasons, planned, ops, delete_ops: vec![], questions, diagnostics };
    let Some(prior) = input.prior else { return verdict(Action::Create, vec![], planned, ops) };
    // Computed attributes may hold sensitive parts too, of which the state knows only the digest.
    let changed = changed_attributes(body, &rehydrate(prior, &planned, input.digest), &planned);
    let fixed = body.attributes.iter().filter(|a| a.force_new && changed.iter().any(|c| c == a.name));
    let fixed = fixed.filter(|a| !cannot.iter().any(|(n, _)| n == a.name)).map(|a| a.name.to_string()).collect::<Vec<_>>();
    let mut replace = cannot;
    replace.extend(fixed.into_iter().map(|name| (name, "it is fixed when the object is made".to_string())));
    let mut reasons: Vec<Reason> = input.force.clone().into_iter().collect();
    if !replace.is_empty() {
        reasons.push(Reason::CannotUpdate(replace));
    }
    if !reasons.is_empty() {
        return verdict(Action::Replace, reasons, planned, ops);
    }
    // Something may have to be done although no attribute changes: a move to be finished, a new object to be accepted.
    let action = if changed.is_empty() && ops.is_empty() { Action::NoOp } else { Action::Update };
    verdict(action, vec![], planned, ops)
}

/// Whether what became known of an object agrees with what was planned: every part that was known stays as it was. Returns the path that does not.
pub fn disagrees(planned: &Value, actual: &Value) -> Option<String> {
    parts_disagree(planned, actual, "")
}

/// The same for a part of an object. A reference agrees: the object behind it has a step of its own.
fn part_disagrees(planned: &Value, actual: &Value, path: &str) -> Option<String> {
    if planned.origin().is_some() { None } else { parts_disagree(planned, actual, path) }
}

fn parts_disagree(planned: &Value, actual: &Value, path: &str) -> Option<String> {
    match (planned.repr(), actual.repr()) {
        (Repr::Unknown(_), _) => None,
        (Repr::Map(_) | Repr::Object(_), Repr::Map(_) | Repr::Object(_)) => {
            let (p, a) = (planned.as_map()?, actual.as_map()?);
            let extra = a.keys().find(|k| !p.contains_key(*k)).map(|k| format!("{path}.{k}"));
            let null = Value::null_dynamic();
            let inner = p.iter().find_map(|(k, v)| part_disagrees(v, a.get(k).unwrap_or(&null), &join(path, k)));
            inner.or(extra)
        }
        (Repr::List(_) | Repr::Set(_) | Repr::Tuple(_), Repr::List(_) | Repr::Set(_) | Repr::Tuple(_)) => {
            let (p, a) = (planned.as_slice()?, actual.as_slice()?);
            if p.len() != a.len() {
                return Some(path.to_string());
            }
            p.iter().zip(a).enumerate().find_map(|(i, (p, a))| part_disagrees(p, a, &format!("{path}[{i}]")))
        }
        _ => (!same(&ops::unmark_deep(planned), &ops::unmark_deep(actual))).then(|| path.to_string()),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}

/// The found value, sensitive where the record or the plan is: neither an outside change of a sensitive value nor an apply reveals it.
pub fn hidden_as(recorded: &Value, found: Value) -> Value {
    if !recorded.contains_sensitive() {
        return found;
    }
    if recorded.marks().is_sensitive() {
        return if found.is_null() { found } else { found.sensitive() };
    }
    // A reference is kept as an address: nothing is recorded of the object behind it.
    let part = |was: &Value, is: &Value| {
        let refers = was.origin().is_some() && is.origin().is_some();
        if refers { is.clone() } else { hidden_as(was, is.clone()) }
    };
    found.map_parts(|at, v| recorded.part(&at).map_or_else(|| v.clone(), |r| part(r, v)))
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

/// An argument that is not known although all that comes before has ended: what it refers to is left out and does not exist.
pub fn still_unknown(addr: &InstanceAddr, name: &str) -> Diagnostic {
    let detail =
        format!("The value of {name:?} is still not known: it comes from an object that does not exist and was left out of this run.");
    Diagnostic::error(crate::diag::codes::apply::INCONSISTENT, detail)
        .on(addr)
        .hint("Run apply without -target and -exclude, or apply what it refers to first.")
}

/// An operation that no planned one allows.
pub fn unplanned(addr: &InstanceAddr, op: &Op) -> Diagnostic {
    Diagnostic::error(crate::diag::codes::apply::INCONSISTENT, format!("The step would need an operation that was not planned: {op}."))
        .on(addr)
        .hint("Nothing was done. Run plan again: the new plan starts from what is known now.")
}

/// A resource type that reports another object than the planned one.
pub fn contract(addr: &InstanceAddr, path: &str, planned: &Value, found: &Value) -> Diagnostic {
    let at = |v: &Value| {
        let mut at = v.clone();
        for part in path.split(['.', '[']).map(|p| p.trim_end_matches(']')).filter(|p| !p.is_empty()) {
            let inner = at.get(part).or_else(|| part.parse::<usize>().ok().and_then(|i| at.as_slice()?.get(i).cloned()));
            match inner {
                Some(v) => at = v,
                None => return "nothing".to_string(),
            }
        }
        at.to_string()
    };
    // What was planned as sensitive is not said by what was found in its place.
    let detail =
        format!("{addr} was planned with {path} = {}, and its type reports {}.", at(planned), at(&hidden_as(planned, found.clone())));
    Diagnostic::error(crate::diag::codes::apply::INTERNAL, detail)
        .on(addr)
        .hint("This is a defect of streamform: please report it with the configuration of this resource.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Refinement;

    /// A digest that a test can read: the length of a text.
    fn digest(v: &Value) -> [u8; 32] {
        [v.as_str().map_or(0, |s| s.len() as u8); 32]
    }

    #[test]
    fn a_secret_that_is_filled_in_stays_one() {
        let hidden = |len: u8| Value::unknown_with(Type::String, Refinement { digest: Some([len; 32]), ..Default::default() }).sensitive();
        let map = |a: Value, b: Value| Value::map(Type::String, Fields::from([("a".into(), a), ("b".into(), b)]));
        // The configuration writes it openly: its name says that it is a secret.
        let config = map("one".into(), "other".into());
        let filled = rehydrate(&map(hidden(3), hidden(3)), &config, &digest);
        let entry = |name: &str| filled.get(name).unwrap();
        assert_eq!(entry("a").as_str(), Some("one"));
        assert!(entry("a").marks().is_sensitive());
        assert!(!entry("b").is_known() && entry("b").marks().is_sensitive());
    }
}
