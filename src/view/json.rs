//! Machine-readable views: values, plans and outputs as JSON. Sensitive values are left out or masked.

use serde_json::{Map, Value as Json, json};

use crate::plan::{Change, Plan, Reason};
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

/// The plan: Terraform's shape, with the effects and losses of each change beside it.
pub fn plan(plan: &Plan) -> Json {
    let counts = plan.counts();
    json!({
        "format_version": "1.2",
        "applyable": plan.has_changes(),
        "resource_changes": plan.changes.iter().map(change).collect::<Vec<_>>(),
        "resource_drift": plan.drift.iter().map(|d| json!({
            "address": d.addr.to_string(),
            "change": { "before": object(&d.recorded), "after": d.found.as_ref().map(object) },
        })).collect::<Vec<_>>(),
        "output_changes": plan.outputs.iter().map(|(n, o)| {
            let show = |v: &Option<Value>| v.as_ref().map(|v| if o.sensitive { Json::String("(sensitive value)".into()) } else { value(v) });
            (n.to_string(), json!({ "before": show(&o.prior), "after": show(&o.planned), "sensitive": o.sensitive, "changed": o.changes() }))
        }).collect::<Map<_, _>>(),
        "skipped": plan.skipped,
        "summary": { "import": counts.import, "add": counts.add, "change": counts.change, "destroy": counts.destroy, "forget": counts.forget },
    })
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
