//! `null_resource`: an object without a real system. It lets tests, benches and wiring run the engine alone.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;

use super::{Desk, Observed, PlanInput, PlanOutput, Private, ReadRequest, ResourceType, Session, StepRequest, StepResult, Verb, together};
use crate::diag::Diagnostic;
use crate::diag::codes::apply as codes;
use crate::schema::{Attribute, Body, Schema};
use crate::value::{Fields, Type, Value};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema {
    version: 0,
    doc: "An object that exists only in the state. It is useful to order other things, to carry values, and to try out a configuration.",
    body: Body {
        attributes: vec![
            Attribute::optional("triggers", Type::map(Type::String), "A change of any of these makes a new object.").force_new(),
            Attribute::optional("inputs", Type::Dynamic, "Any value. It is what `output` gives back."),
            Attribute::optional("secret", Type::String, "Any sensitive text. The state keeps only a digest of it.").sensitive(),
            Attribute::optional("delay_ms", Type::Number, "How long creating, changing and removing takes, in milliseconds."),
            Attribute::optional("fail", Type::String, "Makes creating and changing fail with this message."),
            Attribute::computed("output", Type::Dynamic, "The same as `inputs`."),
            Attribute::computed("id", Type::String, "A random id, given when the object is made."),
        ],
        blocks: vec![],
    },
});

/// The resource type.
pub struct NullResource;

fn attrs(v: &Value) -> Fields {
    v.as_map().cloned().unwrap_or_default()
}

impl NullResource {
    async fn one(verb: Verb, step: &StepRequest) -> StepResult {
        let source = step.planned.as_ref().or(step.prior.as_ref());
        let Some(object) = source else { return StepResult::gone() };
        let mut map = attrs(object);
        if let Some(ms) = map.get("delay_ms").and_then(Value::as_i64).and_then(|n| u64::try_from(n).ok()) {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        if verb == Verb::Delete {
            return StepResult::gone();
        }
        if let Some(fail) = map.get("fail")
            && let Some(why) = fail.as_str()
        {
            let why = if fail.contains_sensitive() { "(sensitive value)" } else { why };
            let kept = step.prior.clone().map(|v| (v, step.private.clone()));
            return StepResult::failed(Diagnostic::error(codes::ASKED_TO_FAIL, why.to_string()), kept);
        }
        if !map.get("id").is_some_and(|v| v.is_known() && !v.is_null()) {
            map.insert("id".into(), Value::string(uuid::Uuid::new_v4().to_string()));
        }
        let inputs = map.get("inputs").cloned().unwrap_or_else(Value::null_dynamic);
        map.insert("output".into(), inputs);
        StepResult::done(Value::object(map), Private::Null)
    }
}

#[async_trait]
impl ResourceType for NullResource {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn plan(&self, input: PlanInput<'_>) -> PlanOutput {
        let mut map = attrs(&input.proposed);
        let inputs = map.get("inputs").cloned().unwrap_or_else(Value::null_dynamic);
        map.insert("output".into(), inputs);
        PlanOutput::new(Value::object(map))
    }

    async fn read(&self, _: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        // What only the state knows is as the state says; a create that never ended left nothing behind.
        let there = |r: &ReadRequest| r.prior.as_map().and_then(|m| m.get("id")).is_some_and(|v| v.is_known() && !v.is_null());
        requests.into_iter().map(|r| Ok(if there(&r) { Observed::present(r.prior, r.private) } else { Observed::Absent })).collect()
    }

    async fn apply(&self, _: &Session, verb: Verb, steps: Vec<StepRequest>, desk: &dyn Desk) {
        let slow = |s: &StepRequest| {
            s.planned.as_ref().or(s.prior.as_ref()).is_some_and(|v| v.get("delay_ms").and_then(|d| d.as_i64()).is_some_and(|ms| ms > 0))
        };
        if !steps.iter().any(slow) {
            return together(desk, steps.len(), futures::future::join_all(steps.iter().map(|s| Self::one(verb, s)))).await;
        }
        let each = steps.iter().enumerate().map(|(i, s)| async move {
            // The slot is held to the end.
            if let Some(_slot) = desk.begin(i).await {
                desk.finish(vec![(i, Self::one(verb, s).await)]);
            }
        });
        futures::future::join_all(each).await;
    }

    fn batch_limit(&self) -> usize {
        1_000
    }

    async fn import(&self, _: &Session, id: &str, config: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        let mut map = config.map(attrs).unwrap_or_default();
        map.insert("id".into(), Value::string(id));
        let inputs = map.get("inputs").cloned().unwrap_or_else(Value::null_dynamic);
        map.insert("output".into(), inputs);
        Ok((Value::object(map), Private::Null))
    }
}
