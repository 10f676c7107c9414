//! Machine-readable views: values, plans and outputs as JSON. Sensitive values are left out or masked.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value as Json, json};

use crate::plan::{Change, Drift, OutputChange, Plan, Reason};
use crate::value::{Repr, Value};

/// A value as plain JSON. Sensitive parts read `(sensitive value)`, unknown ones are null.
pub fn value(v: &Value) -> Json {
    value_with(v, true)
}

/// A value as plain JSON, sensitive parts in clear: only for what the user asks for by name (`output -raw`, `output -json`).
pub fn clear_value(v: &Value) -> Json {
    value_with(v, false)
}

fn value_with(v: &Value, mask: bool) -> Json {
    if mask && v.marks().is_sensitive() {
        return Json::String("(sensitive value)".into());
    }
    match v.repr() {
        Repr::Null(_) | Repr::Unknown(_) => Json::Null,
        Repr::Bool(b) => Json::Bool(*b),
        Repr::Number(n) => serde_json::from_str(&n.to_string()).unwrap_or(Json::String(n.to_string())),
        Repr::String(s) => Json::String(s.to_string()),
        Repr::List(_) | Repr::Set(_) | Repr::Tuple(_) => v.as_slice().unwrap_or_default().iter().map(|v| value_with(v, mask)).collect(),
        Repr::Map(_) | Repr::Object(_) => match v.origin() {
            Some(origin) => json!({ "$ref": origin.to_string() }),
            None => {
                let entries = v.as_map().into_iter().flatten().map(|(k, v)| (k.to_string(), value_with(v, mask)));
                Json::Object(entries.collect::<Map<_, _>>())
            }
        },
    }
}

/// An instance's own object: not a reference, although it has an address.
pub fn object(v: &Value) -> Json {
    let entries = v.as_map().into_iter().flatten().map(|(k, v)| (k.to_string(), value(v)));
    Json::Object(entries.collect())
}

/// The plan: Terraform's shape, with the effects and losses of each change beside it. Each part is made when it is written, so that the whole
/// never lies in memory.
pub fn plan(plan: &Plan) -> impl Serialize {
    Streamed(plan)
}

struct Streamed<'a>(&'a Plan);

impl Serialize for Streamed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let plan = self.0;
        let counts = plan.counts();
        let drift = |d: &Drift| {
            json!({
                "address": d.addr.to_string(),
                "change": { "before": object(&d.recorded), "after": d.found.as_ref().map(object) },
            })
        };
        let output = |(n, o): (&Arc<str>, &OutputChange)| {
            let show =
                |v: &Option<Value>| v.as_ref().map(|v| if o.sensitive { Json::String("(sensitive value)".into()) } else { value(v) });
            let change = json!({ "before": show(&o.prior), "after": show(&o.planned), "sensitive": o.sensitive, "changed": o.changes() });
            (n.to_string(), change)
        };
        // In the order of the names, as in every other object that is written.
        let mut out = serializer.serialize_map(Some(7))?;
        out.serialize_entry("applyable", &plan.has_changes())?;
        out.serialize_entry("format_version", "1.2")?;
        out.serialize_entry("output_changes", &plan.outputs.iter().map(output).collect::<Map<_, _>>())?;
        out.serialize_entry("resource_changes", &Each(|| plan.changes.iter().map(change)))?;
        out.serialize_entry("resource_drift", &Each(|| plan.drift.iter().map(drift)))?;
        out.serialize_entry("skipped", &plan.skipped)?;
        let summary = json!({
            "import": counts.import, "add": counts.add, "change": counts.change, "destroy": counts.destroy, "forget": counts.forget,
        });
        out.serialize_entry("summary", &summary)?;
        out.end()
    }
}

/// A list of which each element is made when it is written.
struct Each<F>(F);

impl<F: Fn() -> I, I: Iterator<Item = Json>> Serialize for Each<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

fn change(c: &Change) -> Json {
    let mut out = json!({
        "address": c.addr.to_string(),
        "mode": if c.addr.resource.mode == crate::addr::Mode::Data { "data" } else { "managed" },
        "type": &*c.addr.resource.type_name,
        "name": &*c.addr.resource.name,
        "change": {
            "actions": c.action.steps(),
            "before": c.prior.as_ref().map(object),
            "after": c.planned.as_ref().map(object),
        },
        "effects": crate::resource::lines(&c.all_ops().cloned().collect::<Vec<_>>()),
        "operations": c.all_ops().collect::<Vec<_>>(),
        "data_loss": c.losses().collect::<Vec<_>>(),
    });
    for reason in &c.reasons {
        match reason {
            Reason::Moved(from) => out["previous_address"] = json!(from.to_string()),
            Reason::GoesWith(place) => out["goes_with"] = json!(place.to_string()),
            Reason::Imported(id) => out["change"]["importing"] = json!({ "id": id }),
            _ => {}
        }
    }
    if let Some(key) = &c.deposed {
        out["deposed"] = (**key).into();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Action;

    #[test]
    fn a_plan_is_one_line_with_names_in_order() {
        let addr = "kafka_topic.a".parse().unwrap();
        let planned = Some(Value::object_from([("name", "t".into()), ("secret", Value::from("s").sensitive())]));
        let plan = Plan { changes: vec![Change { planned, ..Change::new(addr, Action::Create) }], ..Plan::default() };
        let expected = concat!(
            r#"{"applyable":true,"format_version":"1.2","output_changes":{},"resource_changes":[{"address":"kafka_topic.a","#,
            r#""change":{"actions":["create"],"after":{"name":"t","secret":"(sensitive value)"},"before":null},"data_loss":[],"#,
            r#""effects":[],"mode":"managed","name":"a","operations":[],"type":"kafka_topic"}],"resource_drift":[],"skipped":[],"#,
            r#""summary":{"add":1,"change":0,"destroy":0,"forget":0,"import":0}}"#
        );
        assert_eq!(serde_json::to_string(&super::plan(&plan)).unwrap(), expected);
    }
}
