//! The stored form of records, format 2: JSON, apart from the types in memory.
//!
//! Attributes are written by their schema's types, so plain values are plain JSON. What JSON and the type cannot say is written as an object
//! with a reserved key: `$digest` for a sensitive value, `$ref` for a reference, `$unknown`, `$number` for a number that is no i64, `$type` with
//! `value` where the value's type is not the one that the reader will expect. A user's key that begins with `$` gets one more. The page
//! `state/README.md` describes the format for readers outside this program. What must not be here: files, and the key of the digests.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::model::{InDoubt, OutputRecord, Record};
use crate::addr::InstanceAddr;
use crate::diag::Diagnostic;
use crate::diag::codes::state as codes;
use crate::op::Op;
use crate::op::Verb;
use crate::schema::{AttrType, Attribute, Body, Nesting, Schema};
use crate::value::json::depth;
use crate::value::{Fields, Number, Refinement, Repr, Type, Value};

/// The keyed digest of a value's content.
pub type Digest<'a> = &'a dyn Fn(&Value) -> [u8; 32];

/// A record as JSON.
pub fn encode_record(r: &Record, schema: Option<&Schema>, digest: Digest<'_>) -> Json {
    let mut out = Map::new();
    out.insert("address".into(), r.addr.to_string().into());
    if !r.provider.is_empty() {
        out.insert("provider".into(), r.provider.as_str().into());
    }
    out.insert("schema_version".into(), r.schema_version.into());
    let attributes = match schema {
        Some(s) => encode_body(&r.attributes, &s.body, digest),
        None => encode(&without_origin(&r.attributes), &Type::Dynamic, digest),
    };
    out.insert("attributes".into(), attributes);
    if !r.private.is_null() {
        out.insert("private".into(), r.private.clone());
    }
    if !r.dependencies.is_empty() {
        out.insert("dependencies".into(), r.dependencies.iter().map(ToString::to_string).collect());
    }
    for (name, flag) in [("tainted", r.tainted), ("protected", r.protected), ("create_before_destroy", r.create_before_destroy)] {
        if flag {
            out.insert(name.into(), true.into());
        }
    }
    Json::Object(out)
}

/// A record from JSON; `None` when it is none.
pub fn decode_record(j: &Json, schema_of: &dyn Fn(&InstanceAddr) -> Option<&'static Schema>) -> Option<Record> {
    let addr: InstanceAddr = j.get("address")?.as_str()?.parse().ok()?;
    let attributes = match schema_of(&addr) {
        Some(s) => decode_body(j.get("attributes")?, &s.body),
        None => decode(j.get("attributes")?, &Type::Dynamic),
    };
    let flag = |name: &str| j.get(name).and_then(Json::as_bool).unwrap_or(false);
    let dependencies = match j.get("dependencies") {
        Some(list) => list.as_array()?.iter().map(|d| d.as_str()?.parse().ok()).collect::<Option<_>>()?,
        None => vec![],
    };
    let provider = match j.get("provider") {
        Some(p) => p.as_str()?.to_string(),
        None => String::new(),
    };
    Some(Record {
        addr,
        provider,
        schema_version: u32::try_from(j.get("schema_version")?.as_u64()?).ok()?,
        attributes,
        private: j.get("private").cloned().unwrap_or(Json::Null),
        dependencies,
        tainted: flag("tainted"),
        protected: flag("protected"),
        create_before_destroy: flag("create_before_destroy"),
    })
}

/// A step's journal entry as JSON.
pub fn encode_intent(verb: Verb, record: &Record, ops: &[Op], schema: Option<&Schema>, digest: Digest<'_>) -> Json {
    let verb = match verb {
        Verb::Create => "create",
        Verb::Update => "update",
        Verb::Delete => "delete",
    };
    let mut out = json!({ "verb": verb, "record": encode_record(record, schema, digest) });
    if !ops.is_empty() {
        out["ops"] = ops.iter().map(encode_op).collect();
    }
    out
}

/// A step's journal entry from JSON, with all operations of the step. `record` reads the record in it.
pub fn decode_intent<E>(j: &Json, record: impl FnOnce(&Json) -> Option<Result<Record, E>>) -> Option<Result<InDoubt, E>> {
    let verb = match j.get("verb")?.as_str()? {
        "create" => Verb::Create,
        "update" => Verb::Update,
        "delete" => Verb::Delete,
        _ => return None,
    };
    let ops = match j.get("ops") {
        Some(list) => list.as_array()?.iter().map(decode_op).collect::<Option<_>>()?,
        None => vec![],
    };
    Some(record(j.get("record")?)?.map(|intent| InDoubt { addr: intent.addr.clone(), verb, intent, ops }))
}

/// An operation as JSON.
pub fn encode_op(op: &Op) -> Json {
    // Names and texts only: nothing in an operation can fail to be JSON.
    serde_json::to_value(op).unwrap_or_default()
}

/// An operation from JSON.
pub fn decode_op(j: &Json) -> Option<Op> {
    serde::Deserialize::deserialize(j).ok()
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

fn attr_type(a: &Attribute) -> Type {
    match &a.ty {
        AttrType::Value(t) => t.clone(),
        AttrType::Ref(_) => Type::Dynamic,
    }
}

fn encode_body(v: &Value, body: &Body, digest: Digest<'_>) -> Json {
    let Some(map) = v.as_map().filter(|_| special(v, digest).is_none()) else { return encode(&without_origin(v), &Type::Dynamic, digest) };
    let mut out = Map::new();
    for a in body.attributes.iter().filter(|a| !a.transient) {
        if let Some(v) = map.get(a.name).filter(|v| !v.is_null()) {
            out.insert(a.name.into(), encode_attr(v, a, digest));
        }
    }
    for b in &body.blocks {
        let Some(v) = map.get(b.name).filter(|v| !v.is_null()) else { continue };
        let one = |v: &Value| encode_labelled(v, b.nesting, &b.body, digest);
        let json = special(v, digest).unwrap_or_else(|| match (v.as_slice(), v.repr()) {
            (Some(items), _) => items.iter().map(one).collect(),
            (None, Repr::Map(m)) => Json::Object(m.items.iter().map(|(k, v)| (escape(k), one(v))).collect()),
            (None, Repr::Object(o)) if b.nesting == Nesting::Map => {
                Json::Object(o.attrs.iter().map(|(k, v)| (escape(k), one(v))).collect())
            }
            _ => one(v),
        });
        out.insert(b.name.into(), json);
    }
    Json::Object(out)
}

fn encode_attr(v: &Value, a: &Attribute, digest: Digest<'_>) -> Json {
    if let (AttrType::Ref(_), Some(origin)) = (&a.ty, v.origin()) {
        return json!({ "$ref": origin.to_string() });
    }
    let value = if a.sensitive { v.clone().sensitive() } else { v.clone() };
    encode(&value, &attr_type(a), digest)
}

fn encode_labelled(v: &Value, nesting: Nesting, body: &Body, digest: Digest<'_>) -> Json {
    let mut json = encode_body(v, body, digest);
    if let (Nesting::List { label: Some(label) }, Some(o)) = (nesting, json.as_object_mut())
        && let Some(name) = v.as_map().and_then(|m| m.get(label))
    {
        o.insert(label.into(), encode(name, &Type::String, digest));
    }
    json
}

fn decode_body(j: &Json, body: &Body) -> Value {
    // The type of a whole body is made only where it is asked for: it is larger than most records.
    if let Some(v) = j.as_object().filter(|o| is_tagged(o)).and_then(|o| decode_tagged(o, &body.ty())) {
        return v;
    }
    let mut out: Vec<(&'static str, Value)> = Vec::with_capacity(body.attributes.len() + body.blocks.len());
    for a in &body.attributes {
        let ty = attr_type(a);
        out.push((a.name, j.get(a.name).map_or_else(|| Value::null(ty.clone()), |j| decode(j, &ty))));
    }
    for b in &body.blocks {
        let json = j.get(b.name).filter(|j| !j.is_null());
        if let Some(v) = json.and_then(Json::as_object).filter(|o| is_tagged(o)).and_then(|o| decode_tagged(o, &b.ty())) {
            out.push((b.name, v));
            continue;
        }
        let value = match (json, b.nesting) {
            (None, Nesting::Single) => Value::null(b.ty()),
            (Some(j), Nesting::Single) => decode_body(j, &b.body),
            (j, Nesting::List { label }) => {
                let items = j.and_then(Json::as_array).into_iter().flatten().map(|j| labelled(j, label, &b.body)).collect();
                Value::list(element(b), items)
            }
            (j, Nesting::Map) => {
                let items = j.and_then(Json::as_object).into_iter().flatten().map(|(k, j)| (unescape(k), decode_body(j, &b.body)));
                Value::map(element(b), items.collect())
            }
        };
        out.push((b.name, value));
    }
    Value::object_from(out)
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

/// The object itself instead of a reference to it.
fn without_origin(v: &Value) -> Value {
    match v.repr() {
        Repr::Object(o) if o.origin.is_some() => v.with_origin(None),
        _ => v.clone(),
    }
}

/// A key of the user's among keys that begin with `$`: one of his own that does gets one more.
pub fn escape(key: &str) -> String {
    if key.starts_with('$') { format!("${key}") } else { key.to_string() }
}

/// The key that [`escape`] was given.
pub fn unescape(key: &str) -> Arc<str> {
    key.strip_prefix('$').filter(|rest| rest.starts_with('$')).unwrap_or(key).into()
}

/// Bytes as small hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A digest from what [`hex`] writes.
pub fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    (text.len() == 64).then_some(out)
}

/// A value as JSON, given the type that the reader will know. Sensitive parts become digests, ephemeral ones null.
pub fn encode(v: &Value, ty: &Type, digest: Digest<'_>) -> Json {
    if let Some(json) = special(v, digest) {
        return json;
    }
    if fits(v, ty) {
        return plain(v, ty, digest);
    }
    let own = stored_type(v);
    json!({ "$type": encode_type(&own), "value": plain(v, &own, digest) })
}

/// What is written instead of the content: of values that must not be stored.
fn special(v: &Value, digest: Digest<'_>) -> Option<Json> {
    if v.marks().is_ephemeral() {
        return Some(Json::Null);
    }
    match v.repr() {
        Repr::Unknown(u) => u.refinement.digest.map(|d| json!({ "$digest": hex(&d) })),
        Repr::Null(_) => None,
        _ => v.marks().is_sensitive().then(|| json!({ "$digest": hex(&digest(v)) })),
    }
}

/// Whether a reader that expects `ty` gets the same value back from the plain form.
fn fits(v: &Value, ty: &Type) -> bool {
    match (v.repr(), ty) {
        (Repr::Null(t), _) => t == ty || *ty != Type::Dynamic,
        (Repr::Unknown(u), _) => u.ty == *ty || *ty != Type::Dynamic,
        (Repr::Bool(_), Type::Bool | Type::Dynamic)
        | (Repr::Number(_), Type::Number | Type::Dynamic)
        | (Repr::String(_), Type::String | Type::Dynamic) => true,
        (Repr::List(e), Type::List(t)) | (Repr::Set(e), Type::Set(t)) => e.elem == **t,
        (Repr::Map(e), Type::Map(t)) => e.elem == **t,
        (Repr::Tuple(t), Type::Tuple(types)) => t.items.len() == types.len(),
        (Repr::Object(o), Type::Object(t)) => o.attrs.keys().eq(t.attrs.keys()),
        _ => false,
    }
}

/// The value's own type, but nothing of the shape of a sensitive part.
fn stored_type(v: &Value) -> Type {
    match v.repr() {
        _ if v.marks().is_sensitive() => Type::Dynamic,
        Repr::Tuple(t) => Type::Tuple(t.items.iter().map(stored_type).collect()),
        Repr::Object(o) => Type::object(o.attrs.iter().map(|(k, v)| (k.clone(), stored_type(v)))),
        _ => v.ty(),
    }
}

fn plain(v: &Value, ty: &Type, digest: Digest<'_>) -> Json {
    match v.repr() {
        Repr::Null(_) => Json::Null,
        Repr::Unknown(_) => json!({ "$unknown": true }),
        Repr::Bool(b) => Json::Bool(*b),
        Repr::Number(n) => n.to_i64().map_or_else(|| json!({ "$number": n.to_string() }), |n| json!(n)),
        Repr::String(s) => Json::String(s.to_string()),
        Repr::List(l) | Repr::Set(l) => l.items.iter().map(|v| encode(v, &l.elem, digest)).collect(),
        Repr::Map(m) => Json::Object(m.items.iter().map(|(k, v)| (escape(k), encode(v, &m.elem, digest))).collect()),
        Repr::Tuple(t) => {
            let types: &[Type] = if let Type::Tuple(types) = ty { types } else { &[] };
            t.items.iter().enumerate().map(|(i, v)| encode(v, types.get(i).unwrap_or(&Type::Dynamic), digest)).collect()
        }
        Repr::Object(o) => {
            let of = |k: &str| if let Type::Object(t) = ty { t.attrs.get(k) } else { None };
            Json::Object(o.attrs.iter().map(|(k, v)| (escape(k), encode(v, of(k).unwrap_or(&Type::Dynamic), digest))).collect())
        }
    }
}

/// A type as cty writes it in JSON: `"string"`, `["list", "string"]`, `["object", {"a": "number"}]`.
pub fn encode_type(ty: &Type) -> Json {
    match ty {
        Type::Dynamic => "dynamic".into(),
        Type::Bool => "bool".into(),
        Type::Number => "number".into(),
        Type::String => "string".into(),
        Type::List(t) => json!(["list", encode_type(t)]),
        Type::Set(t) => json!(["set", encode_type(t)]),
        Type::Map(t) => json!(["map", encode_type(t)]),
        Type::Tuple(ts) => json!(["tuple", ts.iter().map(encode_type).collect::<Vec<_>>()]),
        Type::Object(o) => json!(["object", o.attrs.iter().map(|(k, t)| (k.to_string(), encode_type(t))).collect::<Map<_, _>>()]),
    }
}

/// A type from what [`encode_type`] writes.
pub fn decode_type(j: &Json) -> Option<Type> {
    if let Some(name) = j.as_str() {
        return match name {
            "dynamic" => Some(Type::Dynamic),
            "bool" => Some(Type::Bool),
            "number" => Some(Type::Number),
            "string" => Some(Type::String),
            _ => None,
        };
    }
    let [kind, of] = j.as_array()?.as_slice() else { return None };
    match kind.as_str()? {
        "list" => Some(Type::list(decode_type(of)?)),
        "set" => Some(Type::set(decode_type(of)?)),
        "map" => Some(Type::map(decode_type(of)?)),
        "tuple" => Some(Type::Tuple(of.as_array()?.iter().map(decode_type).collect::<Option<Vec<_>>>()?.into())),
        "object" => {
            let attrs = of.as_object()?.iter().map(|(k, t)| Some((Arc::<str>::from(k.as_str()), decode_type(t)?)));
            Some(Type::object(attrs.collect::<Option<Vec<_>>>()?))
        }
        _ => None,
    }
}

/// A value from JSON. What does not have the expected type is taken as what it is.
pub fn decode(j: &Json, ty: &Type) -> Value {
    if let Some(v) = j.as_object().and_then(|o| decode_tagged(o, ty)) {
        return v;
    }
    match (j, ty) {
        (Json::Null, _) => Value::null(ty.clone()),
        (Json::Bool(b), _) => Value::from(*b),
        (Json::Number(n), _) => Number::parse(&n.to_string()).map_or_else(|| Value::null(Type::Number), Value::from),
        (Json::String(s), _) => Value::string(s),
        (Json::Array(items), Type::Tuple(types)) => {
            Value::tuple(items.iter().enumerate().map(|(i, j)| decode(j, types.get(i).unwrap_or(&Type::Dynamic))).collect())
        }
        (Json::Array(items), Type::Set(t)) => Value::set((**t).clone(), items.iter().map(|j| decode(j, t)).collect()),
        (Json::Array(items), Type::List(t)) => Value::list((**t).clone(), items.iter().map(|j| decode(j, t)).collect()),
        (Json::Array(items), _) => Value::tuple(items.iter().map(|j| decode(j, &Type::Dynamic)).collect()),
        (Json::Object(o), Type::Map(t)) => Value::map((**t).clone(), o.iter().map(|(k, j)| (unescape(k), decode(j, t))).collect()),
        (Json::Object(o), Type::Object(t)) => {
            let missing = t.attrs.iter().map(|(k, t)| (k.clone(), Value::null(t.clone())));
            let written = o.iter().map(|(k, j)| {
                let k = unescape(k);
                let v = decode(j, t.attrs.get(&k).unwrap_or(&Type::Dynamic));
                (k, v)
            });
            Value::object(missing.chain(written).collect())
        }
        (Json::Object(o), _) => Value::object(o.iter().map(|(k, j)| (unescape(k), decode(j, &Type::Dynamic))).collect()),
    }
}

fn is_reserved(key: &str) -> bool {
    key.starts_with('$') && !key.starts_with("$$")
}

/// Whether an object has a reserved key, which stands before all others.
fn is_tagged(o: &Map<String, Json>) -> bool {
    o.keys().next().is_some_and(|k| is_reserved(k))
}

/// The value of an object with a reserved key; `None` for any other object.
fn decode_tagged(o: &Map<String, Json>, ty: &Type) -> Option<Value> {
    let (key, json) = o.iter().next().filter(|(k, _)| is_reserved(k))?;
    match key.as_str() {
        "$digest" => {
            let refinement = Refinement { digest: Some(unhex(json.as_str()?)?), not_null: true, ..Refinement::default() };
            Some(Value::unknown_with(ty.clone(), refinement).sensitive())
        }
        "$ref" => {
            let addr: InstanceAddr = json.as_str()?.parse().ok()?;
            Some(Value::object_of(Fields::new(), Some(Arc::new(addr))))
        }
        "$unknown" => Some(Value::unknown(ty.clone())),
        "$number" => Number::parse(json.as_str()?).map(Value::from),
        "$type" => Some(decode(o.get("value")?, &decode_type(json)?)),
        _ => None,
    }
}

/// Puts new addresses behind a record's references after objects were renamed; whether any was.
pub fn rename_references(attributes: &mut Json, new_name: &dyn Fn(&str) -> Option<String>) -> bool {
    match attributes {
        Json::Object(o) => {
            if let Some(to) = o.get("$ref").and_then(Json::as_str).and_then(new_name) {
                o.insert("$ref".into(), Json::String(to));
                return true;
            }
            o.values_mut().map(|v| rename_references(v, new_name)).fold(false, |a, b| a | b)
        }
        Json::Array(items) => items.iter_mut().map(|v| rename_references(v, new_name)).fold(false, |a, b| a | b),
        _ => false,
    }
}

/// How deep a value may nest. Every level takes up to two levels of JSON.
pub const MAX_DEPTH: usize = 1000;
/// How deep JSON may nest to be read: enough for all that was ever written, and too little to end the process.
const MAX_JSON_DEPTH: usize = 4096;
/// How deep JSON may nest to be handled on any stack.
const PLAIN_DEPTH: usize = 120;
/// The stack for deep values, in bytes.
const DEEP_STACK: usize = 64 << 20;

/// Refuses a value that nests deeper than the state keeps. `what` names it: `the output "x"`.
pub fn check_depth(v: &Value, what: &str) -> Result<(), Diagnostic> {
    let found = v.levels();
    if found <= MAX_DEPTH {
        return Ok(());
    }
    let detail =
        format!("The value of {what} has {found} levels of lists and objects inside each other. The state keeps up to {MAX_DEPTH}.");
    Err(Diagnostic::error(codes::TOO_DEEP, detail).hint("Keep the value as text: jsonencode(…)."))
}

/// Runs `f` with room on the stack for a value of this depth.
pub fn with_room<T>(depth: usize, f: impl FnOnce() -> T) -> T {
    // A level of a value may be two levels of JSON.
    if 2 * depth <= PLAIN_DEPTH { f() } else { stacker::grow(DEEP_STACK, f) }
}

/// Reads JSON of any depth that was written, and hands it to `f`; `None` where it is no JSON.
pub fn read<T>(bytes: &[u8], f: impl FnOnce(&Json) -> Option<T>) -> Option<T> {
    if let Ok(json) = serde_json::from_slice::<Json>(bytes) {
        return f(&json);
    }
    if !(PLAIN_DEPTH..=MAX_JSON_DEPTH).contains(&depth(bytes)) {
        return None;
    }
    stacker::grow(DEEP_STACK, || {
        let mut from = serde_json::Deserializer::from_slice(bytes);
        from.disable_recursion_limit();
        let json: Json = serde::Deserialize::deserialize(&mut from).ok()?;
        from.end().ok()?;
        f(&json)
    })
}

/// The error for bytes that are no record.
pub fn corrupt(what: &str) -> Diagnostic {
    Diagnostic::error(codes::CORRUPT, format!("{what} in the state cannot be read."))
        .hint("The store is left as it is. Restore it from a backup (streamform state restore FILE), or import what exists again.")
}

/// The error for a state from which something is missing.
pub fn corrupt_state(why: &str) -> Diagnostic {
    Diagnostic::error(codes::CORRUPT, format!("The state cannot be trusted: {why}."))
        .hint("Nothing in it was changed. Restore a backup (streamform state restore FILE), or import what exists again.")
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
