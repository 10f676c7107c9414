//! What differs between a saved plan and the plan that the same inputs give now, in words for people.

use serde_json::Value as Json;

use super::codec::{self, Encoder};
use super::{SavedPlan, Typed};
use crate::plan::{Change, OutputChange, Plan};
use crate::value::Value;

/// How many differences are collected before the search ends.
const ENOUGH: usize = 6;

/// The differences, the first [`ENOUGH`] of them, each as `ADDRESS: what`.
pub fn differences(saved: &SavedPlan, plan: &Plan, digest: codec::Digest<'_>, typed: &mut Typed<'_>) -> Vec<String> {
    let encoder = Encoder::comparable(digest);
    let mut out = Vec::new();
    for i in 0..saved.0.plan.changes.len().max(plan.changes.len()) {
        if out.len() >= ENOUGH {
            return out;
        }
        let then = saved.0.plan.changes.get(i).map(|raw| raw.get());
        let now = plan.changes.get(i).map(|c| (c, encoder.change(c, typed.schema(&c.addr))));
        // Nearly always the very text that was written.
        if then.map(str::to_string) == now.as_ref().map(|(_, json)| json.to_string()) {
            continue;
        }
        match (then, now) {
            (Some(then), Some((change, now))) => match serde_json::from_str(then) {
                // Somebody laid the file out in another way.
                Ok(then) if then == now => {}
                Ok(then) if same_object(&then, &now) => out.extend(changed(&then, &now, change, typed)),
                // The lists have another length or order: the addresses tell which has more.
                _ => {
                    out.extend(other_objects(saved, plan));
                    break;
                }
            },
            _ => {
                out.extend(other_objects(saved, plan));
                break;
            }
        }
    }
    outputs(saved, plan, &encoder, &mut out);
    if plan.skipped != saved.0.plan.skipped {
        out.push("-target or -exclude leave other objects out".into());
    }
    out
}

fn same_object(a: &Json, b: &Json) -> bool {
    a["address"] == b["address"] && a["deposed"] == b["deposed"]
}

fn other_objects(saved: &SavedPlan, plan: &Plan) -> Vec<String> {
    let then: Vec<String> = saved
        .0
        .plan
        .changes
        .iter()
        .filter_map(|raw| Some(serde_json::from_str::<Json>(raw.get()).ok()?["address"].as_str()?.to_string()))
        .collect();
    let now: Vec<String> = plan.changes.iter().map(|c| c.addr.to_string()).collect();
    let (had, has): (std::collections::HashSet<_>, std::collections::HashSet<_>) = (then.iter().collect(), now.iter().collect());
    let new = now.iter().filter(|a| !had.contains(a)).map(|a| format!("{a} is not in the saved plan"));
    let gone = then.iter().filter(|a| !has.contains(a)).map(|a| format!("{a} is only in the saved plan"));
    let found: Vec<String> = new.chain(gone).take(ENOUGH).collect();
    if found.is_empty() { vec!["the order of the changes differs".into()] } else { found }
}

/// What differs between two plans of one object.
fn changed(then: &Json, now: &Json, change: &Change, typed: &mut Typed<'_>) -> Vec<String> {
    let addr = change.label();
    if then["action"] != now["action"] {
        let text = |j: &Json| j["action"].as_str().unwrap_or_default().to_string();
        return vec![format!("{addr}: the action was {}, and is {} now", text(then), text(now))];
    }
    let ty = typed.ty(&change.addr);
    let was = codec::decode_change(then, &|_| ty.clone());
    let pairs = [
        ("", was.as_ref().and_then(|c| c.planned.as_ref()), change.planned.as_ref()),
        ("the present ", was.as_ref().and_then(|c| c.prior.as_ref()), change.prior.as_ref()),
    ];
    let fields = ["same", "planned", "prior"];
    for ((what, a, b), field) in pairs.into_iter().zip(["planned", "prior"]) {
        let (j, k) = (side(then, field), side(now, field));
        if j == k {
            continue;
        }
        let names: std::collections::BTreeSet<&String> = attributes(j).into_iter().chain(attributes(k)).flat_map(|o| o.keys()).collect();
        let differing = names.into_iter().filter(|n| attributes(j).and_then(|o| o.get(*n)) != attributes(k).and_then(|o| o.get(*n)));
        let found: Vec<String> =
            differing.map(|n| format!("{addr}: {what}{n} {}", was_and_is(&shown(a, n), &shown(b, n)))).take(ENOUGH).collect();
        if !found.is_empty() {
            return found;
        }
    }
    let rest = then.as_object().into_iter().chain(now.as_object()).flat_map(|o| o.keys());
    let rest: std::collections::BTreeSet<&String> = rest.filter(|k| !fields.contains(&k.as_str()) && then[*k] != now[*k]).collect();
    match rest.into_iter().next() {
        Some(field) => vec![format!("{addr}: the plan's {} differ", field.replace('_', " "))],
        None => vec![format!("{addr}: the planned object differs")],
    }
}

/// The planned or the present object as it was written.
fn side<'j>(change: &'j Json, field: &str) -> &'j Json {
    if field == "planned" && change["same"] == Json::Bool(true) { &change["prior"] } else { &change[field] }
}

fn attributes(object: &Json) -> Option<&serde_json::Map<String, Json>> {
    object.get("$object").unwrap_or(object).as_object()
}

/// `was 1, and is 2 now`. What differs only in what is not shown has another value.
fn was_and_is(was: &str, now: &str) -> String {
    if was == now { "has another value now".into() } else { format!("was {was}, and is {now} now") }
}

fn shown(object: Option<&Value>, name: &str) -> String {
    let Some(value) = object.and_then(|o| o.get(name)) else { return "not set".into() };
    short(&value)
}

/// A value in one short line. Sensitive parts are masked by `Display`.
fn short(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= MOST { text } else { text.chars().take(MOST - 1).chain(['…']).collect() }
}

fn outputs(saved: &SavedPlan, plan: &Plan, encoder: &Encoder<'_>, out: &mut Vec<String>) {
    let names: std::collections::BTreeSet<&str> =
        saved.0.plan.outputs.keys().map(String::as_str).chain(plan.outputs.keys().map(|k| &**k)).collect();
    for name in names {
        let now = plan.outputs.get(name);
        let then = saved.0.plan.outputs.get(name);
        if then == now.map(|o| encoder.output(o)).as_ref() {
            continue;
        }
        let text = |o: Option<&OutputChange>| match o.and_then(|o| o.planned.as_ref()) {
            Some(_) if o.is_some_and(|o| o.sensitive) => "(sensitive value)".to_string(),
            Some(v) => short(v),
            None => "not set".into(),
        };
        let was = then.and_then(codec::decode_output);
        out.push(format!("output {name:?} {}", was_and_is(&text(was.as_ref()), &text(now))));
    }
}
