//! Schemas as JSON, in the shape of `terraform providers schema -json`. What Terraform has no word for stands beside it: `default`,
//! `references` (the types that an argument may name), `replaces` (a change makes a new object) and `label` of labelled blocks.

use serde_json::{Map, Value as Json, json};

use super::json;
use crate::addr::Mode;
use crate::lang::functions::Function;
use crate::resource::providers::{self, Provider};
use crate::resource::registry::Entry;
use crate::schema::{AttrType, Attribute, Body, NestedBlock, Nesting, Schema, Set};
use crate::state::codec::encode_type;

/// These types, by provider; with the settings of all providers where `settings` says so.
pub fn types(entries: &[Entry], settings: bool) -> Json {
    let of = |p: &Provider, mode| -> Map<String, Json> {
        let own = entries.iter().filter(|(m, t, _)| *m == mode && providers::of(t) == p.name);
        own.map(|(_, t, r)| (t.to_string(), schema(r.schema()))).collect()
    };
    let provider = |p: &Provider| {
        let mut out = Map::new();
        if settings {
            out.insert("provider".into(), json!({ "version": 0, "block": body(&p.settings) }));
        }
        for (key, mode) in [("resource_schemas", Mode::Managed), ("data_source_schemas", Mode::Data)] {
            let types = of(p, mode);
            if !types.is_empty() {
                out.insert(key.into(), types.into());
            }
        }
        (!out.is_empty()).then(|| (p.name.to_string(), Json::Object(out)))
    };
    let all: Map<String, Json> = providers::all().iter().filter_map(provider).collect();
    json!({ "format_version": "1.0", "provider_schemas": all })
}

/// A function, in the shape of `terraform metadata functions -json`.
pub fn function(name: &str, f: &Function) -> Json {
    json!({ "format_version": "1.0", "function_signatures": { name: { "description": f.doc } } })
}

fn schema(s: &Schema) -> Json {
    let mut block = body(&s.body);
    block["description"] = s.doc.into();
    json!({ "version": s.version, "block": block })
}

fn body(b: &Body) -> Json {
    let mut out = json!({ "description_kind": "plain" });
    if !b.attributes.is_empty() {
        out["attributes"] = b.attributes.iter().map(|a| (a.name.to_string(), attribute(a))).collect::<Map<_, _>>().into();
    }
    if !b.blocks.is_empty() {
        out["block_types"] = b.blocks.iter().map(|n| (n.name.to_string(), nested(n))).collect::<Map<_, _>>().into();
    }
    out
}

fn attribute(a: &Attribute) -> Json {
    let mut out = json!({ "description": a.doc, "description_kind": "plain" });
    match &a.ty {
        AttrType::Value(t) => out["type"] = encode_type(t),
        AttrType::Ref(types) => {
            out["type"] = "dynamic".into();
            out["references"] = json!(types);
        }
    }
    let (words, replaces): (&[&str], bool) = match a.set {
        Set::Required => (&["required"], a.force_new),
        Set::Optional => (&["optional"], a.force_new),
        Set::OptionalComputed => (&["optional", "computed"], a.force_new),
        Set::Computed => (&["computed"], false),
    };
    let flags = [("sensitive", a.sensitive), ("replaces", replaces)];
    for word in words.iter().copied().chain(flags.into_iter().filter(|(_, on)| *on).map(|(w, _)| w)) {
        out[word] = true.into();
    }
    if let Some(d) = &a.default {
        out["default"] = json::value(d);
    }
    out
}

fn nested(n: &NestedBlock) -> Json {
    let mut block = body(&n.body);
    block["description"] = n.doc.into();
    let mode = match n.nesting {
        Nesting::Single => "single",
        Nesting::List { .. } => "list",
        Nesting::Map => "map",
    };
    let mut out = json!({ "nesting_mode": mode, "block": block });
    if n.min > 0 {
        out["min_items"] = n.min.into();
    }
    match n.nesting {
        Nesting::Single => out["max_items"] = 1.into(),
        Nesting::List { label: Some(label) } => out["label"] = label.into(),
        _ => {}
    }
    out
}
