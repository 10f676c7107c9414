//! The stored form of records, format 1: JSON, apart from the types in memory.
//!
//! Attributes are written by their schema's types. What JSON cannot say is written as an object with one reserved key: `$digest` for a sensitive
//! value, `$ref` for a reference, `$unknown`, `$number` for a number that is no i64, `$type` with `value` where the schema's type is `any`. A user's key that
//! begins with `$` gets one more. `state/README.md` describes it for readers of other programs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::{InDoubt, OutputRecord, Record};
use crate::addr::InstanceAddr;
use crate::diag::Diagnostic;
use crate::diag::codes::state as codes;
use crate::resource::Verb;
use crate::schema::{AttrType, Attribute, Body, Nesting, Schema};
use crate::value::{Number, Refinement, Repr, Type, Value};

/// The keyed digest of a value's content.
pub type Digest<'a> = &'a dyn Fn(&Value) -> [u8; 32];

/// A record as JSON.
pub fn encode_record(r: &Record, schema: Option<&Schema>, digest: Digest<'_>) -> Json {
    json!({
        "address": r.addr.to_string(),
        "schema_version": r.schema_version,
        "attributes": match schema {
            Some(s) => encode_body(&r.attributes, &s.body, digest),
            None => encode(&r.attributes, &Type::Dynamic, digest),
        },
        "private": r.private,
        "dependencies": r.dependencies.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "tainted": r.tainted,
        "protected": r.protected,
        "create_before_destroy": r.create_before_destroy,
    })
}

/// A record from JSON; `None` when it is none.
pub fn decode_record(j: &Json, schema_of: &dyn Fn(&InstanceAddr) -> Option<&'static Schema>) -> Option<Record> {
    let addr: InstanceAddr = j.get("address")?.as_str()?.parse().ok()?;
    let attributes = match schema_of(&addr) {
        Some(s) => decode_body(j.get("attributes")?, &s.body),
        None => decode(j.get("attributes")?, &Type::Dynamic),
    };
    let flag = |name: &str| j.get(name).and_then(Json::as_bool).unwrap_or(false);
    Some(Record {
        addr,
        schema_version: u32::try_from(j.get("schema_version")?.as_u64()?).ok()?,
        attributes,
        private: j.get("private").cloned().unwrap_or(Json::Null),
        dependencies: j.get("dependencies")?.as_array()?.iter().filter_map(|d| d.as_str()?.parse().ok()).collect(),
        tainted: flag("tainted"),
        protected: flag("protected"),
        create_before_destroy: flag("create_before_destroy"),
    })
}

/// A journal entry as JSON.
pub fn encode_intent(verb: Verb, record: &Record, schema: Option<&Schema>, digest: Digest<'_>) -> Json {
    let verb = match verb {
        Verb::Create => "create",
        Verb::Update => "update",
        Verb::Delete => "delete",
    };
    json!({ "verb": verb, "record": encode_record(record, schema, digest) })
}

/// A journal entry from JSON.
pub fn decode_intent(j: &Json, schema_of: &dyn Fn(&InstanceAddr) -> Option<&'static Schema>) -> Option<InDoubt> {
    let verb = match j.get("verb")?.as_str()? {
        "create" => Verb::Create,
        "update" => Verb::Update,
        "delete" => Verb::Delete,
        _ => return None,
    };
    let intent = decode_record(j.get("record")?, schema_of)?;
    Some(InDoubt { addr: intent.addr.clone(), verb, intent })
}

/// An output as JSON.
pub fn encode_output(o: &OutputRecord, digest: Digest<'_>) -> Json {
    let value = if o.sensitive { o.value.clone().sensitive() } else { o.value.clone() };
    json!({ "sensitive": o.sensitive, "value": encode(&value, &Type::Dynamic, digest) })
}

/// An output from JSON.
pub fn decode_output(j: &Json) -> Option<OutputRecord> {
    Some(OutputRecord { value: decode(j.get("value")?, &Type::Dynamic), sensitive: j.get("sensitive")?.as_bool()? })
}

fn encode_body(v: &Value, body: &Body, digest: Digest<'_>) -> Json {
    let Some(map) = v.as_map() else { return encode(v, &Type::Dynamic, digest) };
    // What is sensitive or exists only for this run as a whole is so in each of its parts.
    let part = |name: &str| map.get(name).filter(|v| !v.is_null()).map(|p| p.clone().mark(v.marks()));
    let mut out = Map::new();
    for a in body.attributes.iter().filter(|a| !a.transient) {
        let Some(v) = part(a.name) else { continue };
        let value = if a.sensitive { v.sensitive() } else { v };
        out.insert(a.name.into(), encode(&value, &attribute_type(a), digest));
    }
    for b in &body.blocks {
        let Some(v) = part(b.name) else { continue };
        let one = |item: &Value| encode_labelled(&item.clone().mark(v.marks()), b.nesting, &b.body, digest);
        let json = match v.repr() {
            Repr::List(l) => Json::Array(l.items.iter().map(one).collect()),
            Repr::Map(m) => Json::Object(m.items.iter().map(|(k, v)| (escape(k), one(v))).collect()),
            Repr::Object(_) => one(&v),
            _ => encode(&v, &Type::Dynamic, digest),
        };
        out.insert(b.name.into(), json);
    }
    Json::Object(out)
}

fn attribute_type(a: &Attribute) -> Type {
    match &a.ty {
        AttrType::Value(t) => t.clone(),
        AttrType::Ref(_) => Type::Dynamic,
    }
}

fn encode_labelled(v: &Value, nesting: Nesting, body: &Body, digest: Digest<'_>) -> Json {
    let mut json = encode_body(v, body, digest);
    if let (Nesting::List { label: Some(label) }, Some(o)) = (nesting, json.as_object_mut())
        && let Some(name) = v.get(label)
    {
        o.insert(label.into(), encode(&name, &Type::String, digest));
    }
    json
}

fn decode_body(j: &Json, body: &Body) -> Value {
    if let Some(v) = stand_in(j, &body.ty()) {
        return v;
    }
    let mut out: BTreeMap<Arc<str>, Value> = BTreeMap::new();
    for a in &body.attributes {
        let ty = attribute_type(a);
        out.insert(a.name.into(), j.get(a.name).map_or_else(|| Value::null(ty.clone()), |j| decode(j, &ty)));
    }
    for b in &body.blocks {
        let value = match (j.get(b.name), b.nesting) {
            (None | Some(Json::Null), Nesting::Single) => Value::null(b.ty()),
            (Some(j), Nesting::Single) => decode_body(j, &b.body),
            (Some(j), _) if stand_in(j, &b.ty()).is_some() => decode(j, &b.ty()),
            (j, Nesting::List { label }) => {
                let items = j.and_then(Json::as_array).into_iter().flatten().map(|j| labelled(j, label, &b.body)).collect();
                Value::list(element(b), items)
            }
            (j, Nesting::Map) => {
                let items = j.and_then(Json::as_object).into_iter().flatten().map(|(k, j)| (unescape(k), decode_body(j, &b.body)));
                Value::map(element(b), items.collect())
            }
        };
        out.insert(b.name.into(), value);
    }
    Value::object(out)
}

fn element(b: &crate::schema::NestedBlock) -> Type {
    match b.ty() {
        Type::List(t) | Type::Map(t) => (*t).clone(),
        other => other,
    }
}

fn labelled(j: &Json, label: Option<&str>, body: &Body) -> Value {
    let value = decode_body(j, body);
    let (Some(label), Some(map)) = (label, value.as_map()) else { return value };
    let mut map = map.clone();
    map.insert(label.into(), j.get(label).map_or_else(|| Value::null(Type::String), |j| decode(j, &Type::String)));
    Value::object(map)
}

fn escape(key: &str) -> String {
    if key.starts_with('$') { format!("${key}") } else { key.to_string() }
}

fn unescape(key: &str) -> Arc<str> {
    key.strip_prefix('$').filter(|rest| rest.starts_with('$')).unwrap_or(key).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(out)
}

/// A value as JSON, given the type that the reader will know.
pub fn encode(v: &Value, ty: &Type, digest: Digest<'_>) -> Json {
    if let Some(origin) = v.origin() {
        return json!({ "$ref": origin.to_string() });
    }
    if v.marks().is_ephemeral() {
        return Json::Null;
    }
    if let Repr::Unknown(u) = v.repr() {
        return match u.refinement.digest {
            Some(d) => json!({ "$digest": hex(&d) }),
            None => json!({ "$unknown": true }),
        };
    }
    if v.marks().is_sensitive() && !v.is_null() {
        return json!({ "$digest": hex(&digest(v)) });
    }
    if *ty == Type::Dynamic && !v.is_null() && !v.ty().is_primitive() {
        let own = v.ty();
        return json!({ "$type": encode_type(&own), "value": encode(v, &own, digest) });
    }
    match v.repr() {
        Repr::Null(_) | Repr::Unknown(_) => Json::Null,
        Repr::Bool(b) => Json::Bool(*b),
        Repr::Number(n) => n.to_i64().map_or_else(|| json!({ "$number": n.to_string() }), |n| json!(n)),
        Repr::String(s) => Json::String(s.to_string()),
        Repr::List(l) | Repr::Set(l) => l.items.iter().map(|v| encode(v, &l.elem, digest)).collect(),
        Repr::Tuple(t) => t.items.iter().map(|v| encode(v, &v.ty(), digest)).collect(),
        Repr::Map(m) => Json::Object(m.items.iter().map(|(k, v)| (escape(k), encode(v, &m.elem, digest))).collect()),
        Repr::Object(o) => Json::Object(o.attrs.iter().map(|(k, v)| (escape(k), encode(v, &v.ty(), digest))).collect()),
    }
}

/// What stands where a value cannot: a digest, an address, nothing known yet, a number that JSON has not, a value with its own type.
fn stand_in(j: &Json, ty: &Type) -> Option<Value> {
    let o = j.as_object().filter(|o| o.len() <= 2)?;
    let text = |key: &str| o.get(key).and_then(Json::as_str);
    if let Some(digest) = text("$digest") {
        let refinement = Refinement { digest: unhex(digest), ..Refinement::default() };
        return Some(Value::unknown_with(ty.clone(), refinement).sensitive());
    }
    if let Some(addr) = text("$ref").and_then(|a| a.parse::<InstanceAddr>().ok()) {
        return Some(Value::object_of(BTreeMap::new(), Some(Arc::new(addr))));
    }
    if o.contains_key("$unknown") {
        return Some(Value::unknown(ty.clone()));
    }
    if let Some(n) = text("$number").and_then(Number::parse) {
        return Some(n.into());
    }
    Some(decode(o.get("value")?, &decode_type(o.get("$type")?)))
}

/// A value from JSON.
pub fn decode(j: &Json, ty: &Type) -> Value {
    if let Some(v) = stand_in(j, ty) {
        return v;
    }
    match (j, ty) {
        (Json::Null, _) => Value::null(ty.clone()),
        (Json::Bool(b), _) => Value::from(*b),
        (Json::Number(n), _) => n.as_i64().map_or_else(|| Value::null(Type::Number), Value::from),
        (Json::String(s), _) => Value::string(s),
        (Json::Array(items), Type::Tuple(types)) => {
            Value::tuple(items.iter().enumerate().map(|(i, j)| decode(j, types.get(i).unwrap_or(&Type::Dynamic))).collect())
        }
        (Json::Array(items), Type::Set(t)) => Value::set((**t).clone(), items.iter().map(|j| decode(j, t)).collect()),
        (Json::Array(items), Type::List(t)) => Value::list((**t).clone(), items.iter().map(|j| decode(j, t)).collect()),
        (Json::Array(items), _) => Value::tuple(items.iter().map(|j| decode(j, &Type::Dynamic)).collect()),
        (Json::Object(o), Type::Map(t)) => Value::map((**t).clone(), o.iter().map(|(k, j)| (unescape(k), decode(j, t))).collect()),
        (Json::Object(o), Type::Object(t)) => {
            let mut out: BTreeMap<Arc<str>, Value> = t.attrs.iter().map(|(k, t)| (k.clone(), Value::null(t.clone()))).collect();
            out.extend(o.iter().map(|(k, j)| (unescape(k), decode(j, t.attrs.get(&unescape(k)).unwrap_or(&Type::Dynamic)))));
            Value::object(out)
        }
        (Json::Object(o), _) => Value::object(o.iter().map(|(k, j)| (unescape(k), decode(j, &Type::Dynamic))).collect()),
    }
}

/// A type as cty writes it in JSON: `"string"`, `["list", "string"]`, `["object", {"a": "number"}]`.
fn encode_type(ty: &Type) -> Json {
    match ty {
        Type::Dynamic => json!("dynamic"),
        Type::Bool => json!("bool"),
        Type::Number => json!("number"),
        Type::String => json!("string"),
        Type::List(t) => json!(["list", encode_type(t)]),
        Type::Set(t) => json!(["set", encode_type(t)]),
        Type::Map(t) => json!(["map", encode_type(t)]),
        Type::Tuple(ts) => json!(["tuple", ts.iter().map(encode_type).collect::<Vec<_>>()]),
        Type::Object(o) => {
            let attrs: Map<String, Json> = o.attrs.iter().map(|(k, t)| (k.to_string(), encode_type(t))).collect();
            json!(["object", attrs])
        }
    }
}

/// The type that [`encode_type`] wrote; `any` for what is none.
fn decode_type(j: &Json) -> Type {
    let of = |j: &Json| Arc::new(decode_type(j));
    match (j.as_str(), j.as_array().map(Vec::as_slice)) {
        (Some("bool"), _) => Type::Bool,
        (Some("number"), _) => Type::Number,
        (Some("string"), _) => Type::String,
        (_, Some([kind, inner])) => match (kind.as_str(), inner) {
            (Some("list"), t) => Type::List(of(t)),
            (Some("set"), t) => Type::Set(of(t)),
            (Some("map"), t) => Type::Map(of(t)),
            (Some("tuple"), Json::Array(ts)) => Type::Tuple(ts.iter().map(decode_type).collect()),
            (Some("object"), Json::Object(o)) => Type::object(o.iter().map(|(k, t)| (Arc::<str>::from(k.as_str()), decode_type(t)))),
            _ => Type::Dynamic,
        },
        _ => Type::Dynamic,
    }
}

/// Puts new addresses behind a record's references and dependencies after objects were renamed.
pub fn rename_references(record: &mut Json, new_name: &dyn Fn(&str) -> Option<String>) {
    match record {
        Json::Object(o) => {
            if let Some(to) = o.get("$ref").and_then(Json::as_str).and_then(new_name) {
                o.insert("$ref".into(), Json::String(to));
            }
            o.values_mut().for_each(|v| rename_references(v, new_name));
        }
        Json::Array(items) => items.iter_mut().for_each(|v| rename_references(v, new_name)),
        _ => {}
    }
}

/// The error for bytes that are no record.
pub fn corrupt(what: &str) -> Diagnostic {
    Diagnostic::error(codes::CORRUPT, format!("{what} in the state cannot be read."))
        .hint("The store is left as it is. Restore it from a backup, or import what exists again.")
}
