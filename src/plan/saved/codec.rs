//! How a saved plan writes values, what was observed, and the plan itself: JSON from which everything but sensitive contents comes back as it was.
//!
//! The reader knows the type that it expects (by the schema, or dynamic), so most values are plain JSON. What JSON and that type cannot say is an
//! object with one reserved key: `$secret` (the keyed digest of a sensitive value), `$digest` (a value of which the state too had only the digest),
//! `$null` and `$unknown` with their type, `$number`, `$list`, `$set`, `$map`, `$tuple` and `$object` for another type than the expected one, and
//! `$ref` for a reference. A key of the user that begins with `$` gets one more. What must not be here: files, and the content of anything
//! sensitive, whatever its shape.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::addr::InstanceAddr;
use crate::plan::{Action, Change, Drift, OutputChange, Reason};
use crate::resource::{Observed, Private};
use crate::schema::{AttrType, Attribute, Body, Schema};
pub(super) use crate::state::codec::hex;
use crate::state::codec::{decode_type, encode_type, escape, unescape, unhex};
use crate::value::{Fields, Number, Refinement, Repr, Type, Value};

/// The keyed digest of a value's content.
pub type Digest<'a> = &'a dyn Fn(&Value) -> [u8; 32];

/// Writes values.
pub struct Encoder<'a> {
    digest: Digest<'a>,
    /// Tell a secret that was known from one of which there was only a digest. A plan is the same with either.
    exact: bool,
}

impl<'a> Encoder<'a> {
    /// For what comes back as it was.
    pub fn exact(digest: Digest<'a>) -> Self {
        Encoder { digest, exact: true }
    }

    /// For what is compared and shown.
    pub fn comparable(digest: Digest<'a>) -> Self {
        Encoder { digest, exact: false }
    }

    /// A value for a reader that expects the type `hint`.
    pub fn value(&self, v: &Value, hint: &Type) -> Json {
        self.shaped(v, hint, None)
    }

    /// A resource's object. References by schema are written as addresses; what the schema calls sensitive is never written.
    pub fn object(&self, v: &Value, schema: Option<(&Schema, &Type)>) -> Json {
        match schema {
            Some((schema, ty)) => self.shaped(v, ty, Some(&schema.body)),
            None => self.shaped(v, &Type::Dynamic, None),
        }
    }

    fn shaped(&self, v: &Value, hint: &Type, body: Option<&Body>) -> Json {
        if v.marks().is_ephemeral() {
            // It is gone after the run that made it.
            return tagged("$null", encode_type(&Type::Dynamic), v.marks().is_sensitive());
        }
        let sensitive = v.marks().is_sensitive();
        match v.repr() {
            Repr::Null(t) if !sensitive && t == hint => Json::Null,
            Repr::Null(t) => tagged("$null", encode_type(t), sensitive),
            Repr::Unknown(u) => match u.refinement.digest {
                Some(d) if self.exact => json!({ "$digest": hex(&d) }),
                Some(d) => json!({ "$secret": hex(&d) }),
                None => unknown(&u.ty, &u.refinement, hint, sensitive),
            },
            _ if sensitive => json!({ "$secret": hex(&(self.digest)(v)) }),
            Repr::Bool(b) => Json::Bool(*b),
            Repr::Number(n) => n.to_i64().map_or_else(|| json!({ "$number": n.to_string() }), Json::from),
            Repr::String(s) => Json::String(s.to_string()),
            Repr::List(l) => {
                let items = self.items(&l.items, |_| &l.elem, body);
                if matches!(hint, Type::List(t) if **t == l.elem) {
                    items
                } else {
                    json!({ "$list": encode_type(&l.elem), "items": items })
                }
            }
            Repr::Set(l) => {
                let items = self.items(&l.items, |_| &l.elem, body);
                if matches!(hint, Type::Set(t) if **t == l.elem) { items } else { json!({ "$set": encode_type(&l.elem), "items": items }) }
            }
            Repr::Tuple(t) => {
                let types: &[Type] = if let Type::Tuple(types) = hint { types } else { &[] };
                let items = self.items(&t.items, |i| types.get(i).unwrap_or(&Type::Dynamic), body);
                if matches!(hint, Type::List(_) | Type::Set(_)) { json!({ "$tuple": items }) } else { items }
            }
            Repr::Map(m) => {
                let entries = m.items.iter().map(|(k, v)| (escape(k), self.shaped(v, &m.elem, body)));
                let entries = Json::Object(entries.collect());
                if matches!(hint, Type::Map(t) if **t == m.elem) {
                    entries
                } else {
                    json!({ "$map": encode_type(&m.elem), "items": entries })
                }
            }
            Repr::Object(o) => {
                let of = |k: &str| if let Type::Object(t) = hint { t.attrs.get(k) } else { None };
                let attrs = o.attrs.iter().map(|(k, v)| (escape(k), self.attribute(k, v, of(k).unwrap_or(&Type::Dynamic), body)));
                let attrs = Json::Object(attrs.collect());
                match &o.origin {
                    Some(origin) => json!({ "$object": attrs, "origin": origin.to_string() }),
                    None if matches!(hint, Type::Map(_)) => json!({ "$object": attrs }),
                    None => attrs,
                }
            }
        }
    }

    fn items<'t>(&self, items: &[Value], hint: impl Fn(usize) -> &'t Type, body: Option<&Body>) -> Json {
        items.iter().enumerate().map(|(i, v)| self.shaped(v, hint(i), body)).collect()
    }

    fn attribute(&self, name: &str, v: &Value, hint: &Type, body: Option<&Body>) -> Json {
        let Some(body) = body else { return self.shaped(v, hint, None) };
        match (body.attribute(name), body.block(name)) {
            (Some(a), _) => match (&a.ty, v.origin()) {
                (AttrType::Ref(_), Some(origin)) if !v.marks().is_sensitive() => json!({ "$ref": origin.to_string() }),
                _ if a.sensitive => self.shaped(&v.clone().sensitive(), hint, None),
                _ => self.shaped(v, hint, None),
            },
            (None, Some(b)) => self.shaped(v, hint, Some(&b.body)),
            (None, None) => self.shaped(v, hint, None),
        }
    }

    /// What was observed of an object.
    pub fn observed(&self, addr: &InstanceAddr, o: &Observed, schema: Option<(&Schema, &Type)>) -> Json {
        match o {
            Observed::Absent => json!({ "address": addr.to_string(), "absent": true }),
            Observed::Present(v, private, notes) => {
                let mut out = json!({ "address": addr.to_string(), "value": self.object(v, schema) });
                for (name, part) in [("private", private), ("notes", notes)].into_iter().filter(|(_, part)| !part.is_null()) {
                    out[name] = part.clone();
                }
                let parts = schema.map(|(schema, _)| self.parts(v, &schema.body)).unwrap_or_default();
                if !parts.is_empty() {
                    out["parts"] = parts.into();
                }
                out
            }
        }
    }

    /// The entries of secret maps whose keys are names, each as a digest: a type tells by them which of the named things change.
    fn parts(&self, object: &Value, body: &Body) -> Map<String, Json> {
        let of = |a: &Attribute| {
            let v = object.get(a.name)?;
            let Repr::Map(m) = v.repr() else { return None };
            let hidden = m.items.iter().map(|(k, v)| (k.clone(), v.clone().sensitive()));
            Some((a.name.to_string(), self.shaped(&Value::map(m.elem.clone(), hidden.collect()), &v.ty(), None)))
        };
        body.attributes.iter().filter(|a| a.sensitive && a.names_things).filter_map(of).collect()
    }

    /// A planned change. The private part is left out: it is what was observed or recorded.
    pub fn change(&self, c: &Change, schema: Option<(&Schema, &Type)>) -> Json {
        let mut out = Map::new();
        out.insert("address".into(), c.addr.to_string().into());
        out.insert("action".into(), c.action.name().into());
        if !c.reasons.is_empty() {
            out.insert("reasons".into(), c.reasons.iter().map(reason).collect());
        }
        let prior = c.prior.as_ref().map(|v| self.object(v, schema));
        let planned = c.planned.as_ref().map(|v| self.object(v, schema));
        if planned.is_some() && planned == prior {
            out.insert("same".into(), true.into());
        } else if let Some(planned) = planned {
            out.insert("planned".into(), planned);
        }
        if let Some(prior) = prior {
            out.insert("prior".into(), prior);
        }
        let ops = [("operations", &c.ops), ("delete_operations", &c.delete_ops)];
        out.extend(ops.into_iter().filter(|(_, l)| !l.is_empty()).map(|(n, l)| (n.to_string(), json!(l))));
        let blocks = [("dependencies", &c.dependencies), ("used", &c.used)];
        let blocks = blocks.into_iter().filter(|(_, l)| !l.is_empty());
        out.extend(blocks.map(|(n, l)| (n.to_string(), l.iter().map(ToString::to_string).collect())));
        if !c.timeouts.is_empty() {
            out.insert("timeouts".into(), json!(c.timeouts));
        }
        if let Some(key) = &c.deposed {
            out.insert("deposed".into(), (**key).into());
        }
        let flags = [
            ("deferred", c.deferred),
            ("protected", c.protected),
            ("create_before_destroy", c.create_before_destroy),
            ("record_changes", c.record_changes),
            ("begun", c.begun),
            ("goes_with_place", c.goes_with_place),
        ];
        out.extend(flags.into_iter().filter(|(_, on)| *on).map(|(n, _)| (n.to_string(), Json::Bool(true))));
        Json::Object(out)
    }

    /// A planned output. One that is declared sensitive is a digest, whatever its value's marks.
    pub fn output(&self, o: &OutputChange) -> Json {
        let encode = |v: &Option<Value>| {
            let v = v.as_ref()?;
            let v = if o.sensitive { v.clone().sensitive() } else { v.clone() };
            Some(json!([self.value(&v, &Type::Dynamic)]))
        };
        json!({ "prior": encode(&o.prior), "planned": encode(&o.planned), "sensitive": o.sensitive, "was_sensitive": o.was_sensitive })
    }

    /// What was found to differ from the state.
    pub fn drift(&self, d: &Drift, schema: Option<(&Schema, &Type)>) -> Json {
        let found = d.found.as_ref().map(|v| self.object(v, schema));
        json!({ "address": d.addr.to_string(), "recorded": self.object(&d.recorded, schema), "found": found })
    }
}

fn tagged(tag: &str, ty: Json, sensitive: bool) -> Json {
    if sensitive { json!({ tag: ty, "sensitive": true }) } else { json!({ tag: ty }) }
}

fn unknown(ty: &Type, r: &Refinement, hint: &Type, sensitive: bool) -> Json {
    let shown = if ty == hint { Json::Bool(true) } else { encode_type(ty) };
    let mut out = Map::from_iter([("$unknown".to_string(), shown)]);
    if sensitive {
        out.insert("sensitive".into(), true.into());
    }
    if r.not_null {
        out.insert("not_null".into(), true.into());
    }
    // What is known of a sensitive value is a part of its content.
    if !sensitive {
        out.extend(r.prefix.as_ref().map(|p| ("prefix".to_string(), Json::from(&**p))));
        out.extend(r.min_len.map(|n| ("min_len".to_string(), n.into())));
        out.extend(r.max_len.map(|n| ("max_len".to_string(), n.into())));
    }
    Json::Object(out)
}

/// What stands for sensitive values while a file is read.
pub type Secrets<'a> = &'a mut dyn FnMut([u8; 32], &Type) -> Value;

/// A sensitive value of which there is only the digest.
pub fn placeholder(digest: [u8; 32], ty: &Type) -> Value {
    let refinement = Refinement { digest: Some(digest), not_null: true, ..Refinement::default() };
    Value::unknown_with(ty.clone(), refinement).sensitive()
}

/// A value from JSON; `None` where the JSON is not what [`Encoder::value`] writes.
pub fn decode(j: &Json, hint: &Type, secrets: Secrets<'_>) -> Option<Value> {
    Some(match j {
        Json::Null => Value::null(hint.clone()),
        Json::Bool(b) => Value::from(*b),
        Json::Number(n) => Value::from(n.as_i64()?),
        Json::String(s) => Value::string(s),
        Json::Array(items) => match hint {
            Type::List(t) => Value::list((**t).clone(), decode_items(items, |_| t, secrets)?),
            Type::Set(t) => Value::set_raw((**t).clone(), decode_items(items, |_| t, secrets)?),
            Type::Tuple(types) => Value::tuple(decode_items(items, |i| types.get(i).unwrap_or(&Type::Dynamic), secrets)?),
            _ => Value::tuple(decode_items(items, |_| &Type::Dynamic, secrets)?),
        },
        Json::Object(o) => match o.iter().find(|(k, _)| k.starts_with('$') && !k.starts_with("$$")) {
            Some((tag, of)) => decode_tagged(tag, of, o, hint, secrets)?,
            None => match hint {
                Type::Map(t) => Value::map((**t).clone(), decode_entries(o, |_| Some(t), secrets)?),
                _ => decode_object(o, hint, None, secrets)?,
            },
        },
    })
}

fn decode_items<'t>(items: &[Json], hint: impl Fn(usize) -> &'t Type, secrets: Secrets<'_>) -> Option<Vec<Value>> {
    items.iter().enumerate().map(|(i, j)| decode(j, hint(i), &mut *secrets)).collect()
}

fn decode_entries<'t>(o: &Map<String, Json>, hint: impl Fn(&str) -> Option<&'t Type>, secrets: Secrets<'_>) -> Option<Fields> {
    let entry = |(k, j): (&String, &Json)| {
        let k = unescape(k);
        let v = decode(j, hint(&k).unwrap_or(&Type::Dynamic), &mut *secrets)?;
        Some((k, v))
    };
    o.iter().map(entry).collect()
}

fn decode_object(o: &Map<String, Json>, hint: &Type, origin: Option<Arc<InstanceAddr>>, secrets: Secrets<'_>) -> Option<Value> {
    let of = |k: &str| if let Type::Object(t) = hint { t.attrs.get(k) } else { None };
    Some(Value::object_of(decode_entries(o, of, secrets)?, origin))
}

fn decode_tagged(tag: &str, of: &Json, o: &Map<String, Json>, hint: &Type, secrets: Secrets<'_>) -> Option<Value> {
    let flag = |name: &str| o.get(name).and_then(Json::as_bool).unwrap_or(false);
    let marked = |v: Value| if flag("sensitive") { v.sensitive() } else { v };
    let items = || o.get("items");
    Some(match tag {
        "$secret" => secrets(unhex(of.as_str()?)?, hint),
        "$digest" => placeholder(unhex(of.as_str()?)?, hint),
        "$null" => marked(Value::null(decode_type(of)?)),
        "$unknown" => {
            let ty = if of.is_boolean() { hint.clone() } else { decode_type(of)? };
            let number = |name: &str| o.get(name).and_then(Json::as_u64);
            let prefix = o.get("prefix").and_then(Json::as_str).map(Arc::from);
            let refinement =
                Refinement { not_null: flag("not_null"), prefix, min_len: number("min_len"), max_len: number("max_len"), digest: None };
            marked(Value::unknown_with(ty, refinement))
        }
        "$number" => Number::parse(of.as_str()?).map(Value::from)?,
        "$list" => {
            let elem = decode_type(of)?;
            let items = decode_items(items()?.as_array()?, |_| &elem, secrets)?;
            Value::list(elem, items)
        }
        "$set" => {
            let elem = decode_type(of)?;
            let items = decode_items(items()?.as_array()?, |_| &elem, secrets)?;
            Value::set_raw(elem, items)
        }
        "$map" => {
            let elem = decode_type(of)?;
            let items = decode_entries(items()?.as_object()?, |_| Some(&elem), secrets)?;
            Value::map(elem, items)
        }
        "$tuple" => Value::tuple(decode_items(of.as_array()?, |_| &Type::Dynamic, secrets)?),
        "$object" => {
            let origin = match o.get("origin") {
                Some(j) => Some(Arc::new(j.as_str()?.parse().ok()?)),
                None => None,
            };
            decode_object(of.as_object()?, hint, origin, secrets)?
        }
        "$ref" => Value::object_of(Fields::new(), Some(Arc::new(of.as_str()?.parse().ok()?))),
        _ => return None,
    })
}

/// What was observed, with the address. `secrets` puts contents back where they are known.
pub fn decode_observed(j: &Json, ty_of: &dyn Fn(&InstanceAddr) -> Type, secrets: Secrets<'_>) -> Option<(InstanceAddr, Observed)> {
    let addr: InstanceAddr = j.get("address")?.as_str()?.parse().ok()?;
    if j.get("absent").is_some() {
        return Some((addr, Observed::Absent));
    }
    let value = decode(j.get("value")?, &ty_of(&addr), secrets)?;
    let part = |name: &str| j.get(name).cloned().unwrap_or(Private::Null);
    Some((addr, Observed::Present(value, part("private"), part("notes"))))
}

fn reason(r: &Reason) -> Json {
    match r {
        Reason::CannotUpdate(names) => json!({ "cannot_update": names }),
        Reason::Tainted => "tainted".into(),
        Reason::Requested => "requested".into(),
        Reason::Triggered => "triggered".into(),
        Reason::NotInConfiguration => "not_in_configuration".into(),
        Reason::NoLongerRepeated => "no_longer_repeated".into(),
        Reason::Destroying => "destroying".into(),
        Reason::Missing => "missing".into(),
        Reason::Deposed => "deposed".into(),
        Reason::SameAsNow(holder, object) => json!({ "same_as_now": [holder.to_string(), object] }),
        Reason::Imported(id) => json!({ "imported": id }),
        Reason::Moved(from) => json!({ "moved": from.to_string() }),
        Reason::SameObject(object) => json!({ "same_object": object }),
        Reason::GoesWith(place) => json!({ "goes_with": place.to_string() }),
        Reason::NowSensitive => "now_sensitive".into(),
    }
}

fn decode_reason(j: &Json) -> Option<Reason> {
    if let Some(names) = j.get("cannot_update") {
        return serde_json::from_value(names.clone()).ok().map(Reason::CannotUpdate);
    }
    if let Some(id) = j.get("imported") {
        return Some(Reason::Imported(id.as_str()?.to_string()));
    }
    if let Some(from) = j.get("moved") {
        return Some(Reason::Moved(from.as_str()?.parse().ok()?));
    }
    if let Some([holder, object]) = j.get("same_as_now").and_then(Json::as_array).map(Vec::as_slice) {
        return Some(Reason::SameAsNow(holder.as_str()?.parse().ok()?, object.as_str()?.to_string()));
    }
    if let Some(object) = j.get("same_object") {
        return Some(Reason::SameObject(object.as_str()?.to_string()));
    }
    if let Some(place) = j.get("goes_with") {
        return Some(Reason::GoesWith(place.as_str()?.parse().ok()?));
    }
    Some(match j.as_str()? {
        "tainted" => Reason::Tainted,
        "now_sensitive" => Reason::NowSensitive,
        "requested" => Reason::Requested,
        "triggered" => Reason::Triggered,
        "not_in_configuration" => Reason::NotInConfiguration,
        "no_longer_repeated" => Reason::NoLongerRepeated,
        "destroying" => Reason::Destroying,
        "missing" => Reason::Missing,
        "deposed" => Reason::Deposed,
        _ => return None,
    })
}

const ACTIONS: [Action; 8] = [
    Action::NoOp,
    Action::Read,
    Action::Create,
    Action::Update,
    Action::Replace,
    Action::ReplaceCreateFirst,
    Action::Delete,
    Action::Forget,
];

/// A planned change, with digests in place of secrets and without the private part.
pub fn decode_change(j: &Json, ty_of: &dyn Fn(&InstanceAddr) -> Type) -> Option<Change> {
    let addr: InstanceAddr = j.get("address")?.as_str()?.parse().ok()?;
    let ty = ty_of(&addr);
    let object = |name: &str| j.get(name).map(|j| decode(j, &ty, &mut placeholder));
    let list = |name: &str| j.get(name).and_then(Json::as_array).into_iter().flatten();
    let ops = |name: &str| list(name).map(|t| serde_json::from_value(t.clone()).ok()).collect::<Option<Vec<_>>>();
    let blocks = |name: &str| list(name).map(|d| d.as_str()?.parse().ok()).collect::<Option<Vec<_>>>();
    let flag = |name: &str| j.get(name).and_then(Json::as_bool).unwrap_or(false);
    let prior = match object("prior") {
        Some(v) => Some(v?),
        None => None,
    };
    let planned = match object("planned") {
        Some(v) => Some(v?),
        None => prior.clone().filter(|_| flag("same")),
    };
    let action = j.get("action")?.as_str()?;
    let timeouts = match j.get("timeouts") {
        Some(t) => serde_json::from_value(t.clone()).ok()?,
        None => BTreeMap::new(),
    };
    Some(Change {
        action: *ACTIONS.iter().find(|a| a.name() == action)?,
        reasons: list("reasons").map(decode_reason).collect::<Option<_>>()?,
        prior,
        private: Private::Null,
        planned,
        ops: ops("operations")?,
        delete_ops: ops("delete_operations")?,
        dependencies: blocks("dependencies")?,
        used: blocks("used")?,
        deferred: flag("deferred"),
        protected: flag("protected"),
        timeouts,
        create_before_destroy: flag("create_before_destroy"),
        deposed: j.get("deposed").and_then(Json::as_str).map(Arc::from),
        record_changes: flag("record_changes"),
        begun: flag("begun"),
        goes_with_place: flag("goes_with_place"),
        addr,
    })
}

/// A planned output.
pub fn decode_output(j: &Json) -> Option<OutputChange> {
    let value = |name: &str| match j.get(name)?.as_array().map(Vec::as_slice) {
        Some([v]) => Some(Some(decode(v, &Type::Dynamic, &mut placeholder)?)),
        Some(_) => None,
        None => Some(None),
    };
    let flag = |name: &str| j.get(name)?.as_bool();
    let (sensitive, was_sensitive) = (flag("sensitive")?, flag("was_sensitive")?);
    Some(OutputChange { prior: value("prior")?, planned: value("planned")?, sensitive, was_sensitive })
}

/// What was found to differ from the state.
pub fn decode_drift(j: &Json, ty_of: &dyn Fn(&InstanceAddr) -> Type) -> Option<Drift> {
    let addr: InstanceAddr = j.get("address")?.as_str()?.parse().ok()?;
    let ty = ty_of(&addr);
    let recorded = decode(j.get("recorded")?, &ty, &mut placeholder)?;
    let found = match j.get("found")? {
        Json::Null => None,
        found => Some(decode(found, &ty, &mut placeholder)?),
    };
    Some(Drift { addr, recorded, found })
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
