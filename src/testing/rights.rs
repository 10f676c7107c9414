//! `grant` and `bundle`: sets of rights of one principal. Several blocks may hold a right; it is released by the last of them.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use async_trait::async_trait;

use super::reality::{Real, RealKey, Reality, Written};
use super::types::{lost, place_attribute, place_id, place_of, refused, text};
use crate::diag::Diagnostic;
use crate::resource::kafka_common::with;
use crate::resource::{
    Desk, Hold, Key, Observed, Op, OpAction, PlanInput, PlanOutput, Private, ReadRequest, ResourceType, Session, StepRequest, StepResult,
    Verb, together,
};
use crate::schema::{Attribute, Body, Schema};
use crate::value::{Type, Value};

/// A type of sets of rights.
pub struct Rights {
    levels: bool,
    schema: OnceLock<&'static Schema>,
}

/// Rights one by one.
pub static GRANT: Rights = Rights { levels: false, schema: OnceLock::new() };
/// All rights up to a level.
pub static BUNDLE: Rights = Rights { levels: true, schema: OnceLock::new() };

/// What the levels give: each also what is before it.
pub const LEVELS: [&str; 3] = ["read", "write", "admin"];

const KIND: &str = "right";

type Names = BTreeSet<String>;

fn listed(names: &Names) -> Value {
    Value::list(Type::String, names.iter().map(Value::string).collect())
}

/// The rights that an object is recorded, observed or planned to have.
fn held(object: &Value) -> Names {
    let list = object.get("bindings");
    let items = list.as_ref().and_then(|v| v.as_slice()).unwrap_or_default();
    items.iter().filter_map(|v| v.as_str().map(str::to_string)).collect()
}

impl Rights {
    /// What the arguments mean, and whether some of it is not known yet.
    fn expand(&self, object: &Value) -> (Names, bool) {
        let Some(principal) = text(object, "principal") else { return (Names::new(), true) };
        let mut unknown = false;
        let rights: Vec<String> = if self.levels {
            let level = text(object, "level");
            unknown |= level.is_none();
            let upto = LEVELS.iter().position(|l| Some(*l) == level.as_deref());
            upto.map(|n| LEVELS[..=n].iter().map(ToString::to_string).collect()).unwrap_or_default()
        } else {
            let list = object.get("rights").unwrap_or_else(Value::null_dynamic);
            unknown |= !list.is_wholly_known();
            list.as_slice().unwrap_or_default().iter().filter_map(|v| v.as_str().map(str::to_string)).collect()
        };
        (rights.into_iter().map(|r| format!("{principal}:{r}")).collect(), unknown)
    }

    fn all(&self, object: &Value) -> Names {
        held(object).into_iter().chain(self.expand(object).0).collect()
    }

    async fn step(&self, real: &Reality, verb: Verb, step: &StepRequest) -> StepResult {
        let kept = step.prior.clone().map(|v| (v, step.private.clone()));
        let Some(object) = step.planned.as_ref().or(step.prior.as_ref()) else { return StepResult::gone() };
        let Some(place) = place_id(object, &step.private) else { return StepResult::failed(refused("its place is not known"), kept) };
        let private = serde_json::json!({ "place": place });
        let mut now = step.prior.as_ref().map(held).unwrap_or_default();
        for op in &step.ops {
            let key = RealKey::new(&place, KIND, op.target.name());
            if op.action == OpAction::Keep {
                real.left_alone(&step.addr, op, &key);
                now.remove(op.target.name());
                continue;
            }
            let written = real
                .write(&step.addr, std::slice::from_ref(op), &key, |all| {
                    if op.action == OpAction::Revoke {
                        all.remove(&key);
                        return Ok(());
                    }
                    if !all.values().any(|r| r.id == place) {
                        return Err("its place does not exist".into());
                    }
                    all.entry(key.clone()).or_insert_with(|| Real { id: String::new(), parts: Default::default() });
                    Ok(())
                })
                .await;
            match written {
                Written::Done if op.action == OpAction::Revoke => drop(now.remove(op.target.name())),
                Written::Done => drop(now.insert(op.target.name().to_string())),
                Written::Lost => return StepResult::in_doubt(lost()),
                Written::Refused(why) => {
                    let base = step.prior.as_ref().unwrap_or(object);
                    let object = (!now.is_empty()).then(|| (with(base, vec![("bindings", listed(&now))]), private));
                    return StepResult::failed(refused(&why), object);
                }
            }
        }
        match verb {
            Verb::Delete => StepResult::gone(),
            _ => StepResult::done(with(object, vec![("bindings", listed(&self.expand(object).0))]), private),
        }
    }
}

#[async_trait]
impl ResourceType for Rights {
    fn schema(&self) -> &'static Schema {
        self.schema.get_or_init(|| {
            let own = match self.levels {
                true => Attribute::required("level", Type::String, "Up to which level."),
                false => Attribute::required("rights", Type::list(Type::String), "Which."),
            };
            let attributes = vec![
                place_attribute(),
                Attribute::required("principal", Type::String, "Whose."),
                own,
                Attribute::computed("bindings", Type::list(Type::String), "The rights, one by one."),
            ];
            Box::leak(Box::new(Schema { version: 0, doc: "A fake.", body: Body { attributes, blocks: vec![] } }))
        })
    }

    fn lives_in(&self) -> Option<&'static str> {
        Some("place")
    }

    fn holds(&self, object: &Value, private: &Private) -> Vec<Hold> {
        let listed = object.get("bindings").is_some_and(|v| v.is_known() && !v.is_null());
        let names = if listed { held(object) } else { self.expand(object).0 };
        let place = place_of(object, private);
        names.iter().map(|n| Key::new(place.clone(), KIND, n)).filter(Key::is_known).map(Hold::shared).collect()
    }

    fn plan(&self, input: PlanInput<'_>) -> PlanOutput {
        let (wanted, unknown) = self.expand(&input.proposed);
        let old = input.prior.map(held).unwrap_or_default();
        let place = place_of(&input.proposed, input.private);
        let op = |action, name: &String| Op::new(action, Key::new(place.clone(), KIND, name));
        let mut ops: Vec<Op> = wanted.difference(&old).map(|n| op(OpAction::Grant, n)).collect();
        if unknown {
            ops.push(Op::new(OpAction::Grant, Key::unnamed(place.clone(), KIND)));
            if !old.is_empty() {
                ops.push(Op::new(OpAction::Revoke, Key::unnamed(place.clone(), KIND)));
            }
        } else {
            ops.extend(old.difference(&wanted).map(|n| op(OpAction::Revoke, n)));
        }
        let bindings = if unknown { Value::unknown(Type::list(Type::String)) } else { listed(&wanted) };
        PlanOutput { ops, ..PlanOutput::new(with(&input.proposed, vec![("bindings", bindings)])) }
    }

    fn plan_delete(&self, prior: &Value, private: &Private) -> Vec<Op> {
        let place = place_of(prior, private);
        held(prior).iter().map(|n| Op::new(OpAction::Revoke, Key::new(place.clone(), KIND, n))).collect()
    }

    async fn read(&self, cx: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        let (seen, there) = Reality::of(cx).read();
        let one = |r: &ReadRequest| {
            let Some(place) = place_id(&r.prior, &r.private) else { return Observed::Absent };
            let meant = r.doubt.as_ref().map(|d| self.all(&d.intent)).unwrap_or_default();
            let meant: Names = self.all(&r.prior).into_iter().chain(meant).collect();
            // A read that lags may show what is gone; what seems to be gone is looked for where it is certain.
            let in_world = |n: &&String| {
                let key = RealKey::new(&place, KIND, n);
                there.contains_key(&key) || r.doubt.is_none() && seen.contains_key(&key)
            };
            let live: Names = meant.iter().filter(in_world).cloned().collect();
            match live.is_empty() {
                true => Observed::Absent,
                false => Observed::present(with(&r.prior, vec![("bindings", listed(&live))]), serde_json::json!({ "place": place })),
            }
        };
        requests.iter().map(|r| Ok(one(r))).collect()
    }

    async fn apply(&self, cx: &Session, verb: Verb, steps: Vec<StepRequest>, desk: &dyn Desk) {
        let real = Reality::of(cx);
        together(desk, steps.len(), futures::future::join_all(steps.iter().map(|s| self.step(&real, verb, s)))).await;
    }

    fn batch_limit(&self) -> usize {
        3
    }

    async fn import(&self, _: &Session, _: &str, _: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        Err(refused("rights are not imported"))
    }
}
