//! The invariants. Each judgement is an error in words.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Model, kind_of};
use super::reality::{Objects, RealKey};
use super::types::TYPES;
use super::{Bench, Ran, Run};
use crate::addr::{InstanceAddr, Mode};
use crate::op;
use crate::plan::objects::{hydrate, with_origin};
use crate::plan::{Action, Plan, RunMode};
use crate::resource::{Key, OpAction, registry};
use crate::state::{Record, Snapshot};

type Verdict = Result<(), String>;

fn say<T>(invariant: &str, what: impl std::fmt::Display) -> Result<T, String> {
    Err(format!("({invariant}) {what}"))
}

/// The keys that each record holds, by its address.
pub type Recorded = BTreeMap<String, BTreeSet<Key>>;

/// The keys that the records of a state hold.
pub fn recorded(snapshot: &Snapshot) -> Recorded {
    let current = |a: &InstanceAddr| snapshot.records.get(a).map(|r| with_origin(&r.attributes, a));
    let holds = |addr: &InstanceAddr, record: &Record| {
        let resource = registry::find_in(TYPES, Mode::Managed, &addr.resource.type_name)?;
        let holds = resource.holds(&hydrate(&record.attributes, resource, &current), &record.private);
        Some(holds.into_iter().map(|h| h.key).collect())
    };
    snapshot.records.iter().map(|(a, r)| (a.to_string(), holds(a, r).unwrap_or_default())).collect()
}

/// (a) and (e): the state can be read back, and no exclusive object has two records.
pub async fn state(bench: &Bench) -> Result<Snapshot, String> {
    let snapshot = match bench.snapshot().await {
        Ok(s) => s,
        Err(d) => return say("e", d.detail),
    };
    let current = |a: &InstanceAddr| snapshot.records.get(a).map(|r| with_origin(&r.attributes, a));
    let mut holders: BTreeMap<Key, &InstanceAddr> = BTreeMap::new();
    for (addr, record) in &snapshot.records {
        let Some(resource) = registry::find_in(TYPES, Mode::Managed, &addr.resource.type_name) else {
            return say("e", format!("{addr} is of an unknown type"));
        };
        if !record.attributes.is_wholly_known() && record.attributes.as_map().is_some_and(|m| m.contains_key("place")) {
            let open = record.attributes.as_map().into_iter().flatten().find(|(_, v)| !v.is_wholly_known() && v.origin().is_none());
            if let Some((name, _)) = open {
                return say("e", format!("{name} of {addr} is recorded as unknown"));
            }
        }
        let object = hydrate(&record.attributes, resource, &current);
        for hold in resource.holds(&object, &record.private).into_iter().filter(|h| !h.shared) {
            if let Some(other) = holders.insert(hold.key.clone(), addr) {
                return say("a", format!("the {} is recorded as {other} and as {addr}", hold.key));
            }
        }
    }
    Ok(snapshot)
}

/// (b): nothing that the configuration declares is deleted or released.
pub fn kept(model: &Model, run: &Run, ran: &Ran, before: &Objects, after: &Objects, recorded: &Recorded) -> Verdict {
    let whole = run.options.mode == RunMode::Destroy && run.options.targets.is_empty() && run.options.excludes.is_empty();
    if whole {
        return Ok(());
    }
    let (was, is) = (model.declared(before), model.declared(after));
    let change_of = |addr: &str| ran.plan.changes.iter().find(|c| c.deposed.is_none() && c.addr.to_string() == addr);
    for e in ran.executed.iter().filter(|e| e.effective && matches!(e.op.action, OpAction::Delete | OpAction::Revoke)) {
        // A destroy acts on records: what only this one holds goes with it, whatever name another block has meanwhile.
        if run.options.mode == RunMode::Destroy && e.op.action == OpAction::Delete {
            continue;
        }
        let (Some(was), Some(is)) = (was.get(&e.key), is.get(&e.key)) else { continue };
        let by = e.addr.to_string();
        let replaced =
            |a: &String| *a == by && change_of(a).is_some_and(|c| matches!(c.action, Action::Replace | Action::ReplaceCreateFirst));
        let destroyed = |a: &String| {
            let held = recorded.get(a).is_some_and(|keys| keys.contains(&e.op.target));
            run.options.mode == RunMode::Destroy && (!held || change_of(a).is_some_and(|c| c.action == Action::Delete))
        };
        let left: Vec<&String> = was.intersection(is).filter(|a| !replaced(a) && !destroyed(a)).collect();
        if let Some(holder) = left.first() {
            return say("b", format!("{} was deleted or released by {by}, and {holder} declares it", e.key));
        }
    }
    Ok(())
}

/// (c): every executed operation was planned, and what was planned and not executed is reported.
pub fn planned(ran: &Ran) -> Verdict {
    for e in &ran.executed {
        let planned: Vec<op::Op> =
            ran.plan.changes.iter().filter(|c| c.addr == e.addr).flat_map(|c| c.all_ops().cloned().collect::<Vec<_>>()).collect();
        let kept = e.op.action == OpAction::Keep && planned.iter().any(|o| o.action == OpAction::Revoke);
        if !kept && op::unplanned(&planned, std::slice::from_ref(&e.op)).is_some() {
            return say("c", format!("{}: {} was not planned", e.addr, e.op));
        }
    }
    let Some(done) = &ran.done else { return Ok(()) };
    for c in ran.plan.changes.iter().filter(|c| c.action.changes() && !c.deferred && !c.goes_with_place) {
        let reported = done.undone.iter().any(|u| u.step.contains(&c.label()))
            || done.diagnostics.iter().any(|d| d.address.as_deref() == Some(&c.addr.to_string()));
        if reported {
            continue;
        }
        for o in c.all_ops().filter(|o| o.action != OpAction::Keep && o.target.name.is_some()) {
            let same = |e: &&super::reality::Executed| {
                let action = e.op.action == o.action || o.action == OpAction::Revoke && e.op.action == OpAction::Keep;
                e.addr == c.addr && action && e.op.part == o.part && e.op.target.name == o.target.name
            };
            if !ran.executed.iter().any(|e| same(&e)) {
                return say("c", format!("{}: {o} was planned, was not carried out, and nobody said why", c.addr));
            }
        }
    }
    Ok(())
}

/// (d): the real system holds what the configuration says and nothing else, and so does the state.
pub fn settled(model: &Model, snapshot: &Snapshot, now: &Objects, foreign: &BTreeSet<RealKey>) -> Verdict {
    let expected = model.expected(now);
    for (key, parts) in &expected {
        match now.get(key) {
            None => return say("d", format!("{key} is declared and does not exist")),
            Some(real) if real.parts != *parts => {
                return say("d", format!("{key} has {:?}, and the configuration says {parts:?}", real.parts));
            }
            Some(_) => {}
        }
    }
    if let Some(extra) = now.keys().find(|k| !expected.contains_key(*k) && !foreign.contains(*k)) {
        return say("d", format!("{extra} exists and nothing declares it"));
    }
    let declared: BTreeMap<String, _> = model.instances().into_iter().map(|(a, b, i)| (a, (b, i))).collect();
    let recorded: BTreeSet<String> = snapshot.records.keys().map(ToString::to_string).collect();
    if let Some(a) = recorded.iter().find(|a| !declared.contains_key(*a)) {
        return say("d", format!("{a} is recorded and not declared"));
    }
    for (addr, (block, item)) in &declared {
        let record = snapshot.records.iter().find(|(a, _)| a.to_string() == *addr).map(|(_, r)| r);
        let Some(record) = record else { return say("d", format!("{addr} is declared and not recorded")) };
        if record.tainted {
            return say("d", format!("{addr} is tainted"));
        }
        if kind_of(block.type_name).is_none() {
            continue;
        }
        let real = model.keys(block, item, now).first().and_then(|k| now.get(k)).map(|r| r.id.clone());
        let (id, accepted) = (record.attributes.get_str("id"), record.private.get("id").and_then(|v| v.as_str()).map(str::to_string));
        if id != real || accepted != real {
            return say("d", format!("{addr} is recorded with the id {id:?} (accepted: {accepted:?}), and really has {real:?}"));
        }
    }
    if !snapshot.deposed.is_empty() || !snapshot.in_doubt.is_empty() {
        return say("d", "deposed objects or operations in doubt are left");
    }
    Ok(())
}

/// (d): a second plan is empty.
pub fn empty(ran: &Ran) -> Verdict {
    if ran.diagnostics.has_errors() {
        return say("d", format!("the plan after a good apply fails: {:?}", first(ran)));
    }
    let plan: &Plan = &ran.plan;
    match plan.has_changes() || !plan.drift.is_empty() {
        true => say("d", format!("the plan after a good apply is not empty:\n{}", super::story::plan_text(plan))),
        false => Ok(()),
    }
}

/// The first error of a run.
pub fn first(ran: &Ran) -> Option<String> {
    let of_apply = ran.done.iter().flat_map(|d| d.diagnostics.iter());
    let error = ran.diagnostics.iter().chain(of_apply).find(|d| d.severity == crate::diag::Severity::Error)?;
    Some(format!("{} {}: {}", error.code.id, error.address.as_deref().unwrap_or(""), error.detail))
}

/// After a whole destroy nothing is left.
pub fn gone(snapshot: &Snapshot, now: &Objects, foreign: &BTreeSet<RealKey>) -> Verdict {
    if let Some(left) = now.keys().find(|k| !foreign.contains(*k)) {
        return say("d", format!("{left} is left after a destroy"));
    }
    match snapshot.records.is_empty() && snapshot.deposed.is_empty() && snapshot.in_doubt.is_empty() {
        true => Ok(()),
        false => say("d", "records are left after a destroy"),
    }
}
