//! Conversion between types, by cty's rules: what Terraform does when an argument's type differs from its value's.
//!
//! [`convert`] changes one value, [`unify`] finds the type that several can be converted to. Marks, unknown and null are carried.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ops::has_dynamic;
use super::{Fields, Number, ObjectType, Refinement, Repr, Type, Value};
use crate::words::counted;

/// Why a value has not the type that is wanted. The text never holds the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", path_prefix(.path))]
pub struct ConvertError {
    /// Where inside the value: `a`, `[2]`.
    pub path: Vec<String>,
    /// What is required there.
    pub message: String,
}

fn path_prefix(path: &[String]) -> String {
    if path.is_empty() {
        return String::new();
    }
    let mut out = String::new();
    for step in path {
        let dot = if out.is_empty() || step.starts_with('[') { "" } else { "." };
        out.push_str(dot);
        out.push_str(step);
    }
    format!("{out}: ")
}

impl ConvertError {
    fn new(message: impl Into<String>) -> Self {
        ConvertError { path: vec![], message: message.into() }
    }

    fn inside(mut self, step: String) -> Self {
        self.path.insert(0, step);
        self
    }
}

fn mismatch(have: &Type, want: &Type) -> ConvertError {
    ConvertError::new(match (have, want) {
        (Type::String, Type::Number) => "a number is required".to_string(),
        (Type::String, Type::Bool) => "a bool is required: true or false".to_string(),
        _ => format!("{} required, but this is {}", kind(want), with_article(&kind(have))),
    })
}

fn with_article(s: &str) -> String {
    let article = if s.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {s}")
}

/// A type in words: `list of string`.
pub fn kind(ty: &Type) -> String {
    match ty {
        Type::Dynamic => "any type".into(),
        Type::List(t) => format!("list of {}", kind(t)),
        Type::Set(t) => format!("set of {}", kind(t)),
        Type::Map(t) => format!("map of {}", kind(t)),
        Type::Tuple(_) => "tuple".into(),
        Type::Object(_) => "object".into(),
        t => t.to_string(),
    }
}

/// Converts a value to a type. A missing optional attribute becomes null, a surplus attribute is dropped.
pub fn convert(v: &Value, want: &Type) -> Result<Value, ConvertError> {
    convert_repr(v, want).map(|c| c.mark(v.marks()))
}

fn convert_repr(v: &Value, want: &Type) -> Result<Value, ConvertError> {
    if let Type::Dynamic = want {
        return Ok(v.clone());
    }
    match v.repr() {
        Repr::Null(Type::Dynamic) => Ok(Value::null(concrete(want))),
        Repr::Null(t) => convertible(t, want).map(|()| Value::null(concrete(want))),
        Repr::Unknown(u) => unknown_to(u, want),
        _ => known(v, want),
    }
}

fn unknown_to(u: &super::Unknown, want: &Type) -> Result<Value, ConvertError> {
    convertible(&u.ty, want)?;
    let r = &u.refinement;
    let same = u.ty == *want;
    let kept = Refinement {
        not_null: r.not_null,
        prefix: r.prefix.clone().filter(|_| same),
        min_len: r.min_len.filter(|_| same),
        max_len: r.max_len.filter(|_| same || matches!(want, Type::Set(_))),
        digest: r.digest.filter(|_| same),
    };
    Ok(Value::unknown_with(fill(&u.ty, want), kept))
}

/// What the type `want` becomes where it says `any` and the value has the type `have`.
fn fill(have: &Type, want: &Type) -> Type {
    match (have, want) {
        (t, Type::Dynamic) => t.clone(),
        (Type::List(h) | Type::Set(h), Type::List(w)) => Type::list(fill(h, w)),
        (Type::List(h) | Type::Set(h), Type::Set(w)) => Type::set(fill(h, w)),
        (Type::Map(h), Type::Map(w)) => Type::map(fill(h, w)),
        _ => concrete(want),
    }
}

/// The type without its optional attributes being marked so.
fn concrete(ty: &Type) -> Type {
    match ty {
        Type::Object(o) => Type::object(o.attrs.iter().map(|(k, t)| (k.clone(), concrete(t)))),
        Type::List(t) => Type::list(concrete(t)),
        Type::Set(t) => Type::set(concrete(t)),
        Type::Map(t) => Type::map(concrete(t)),
        Type::Tuple(ts) => Type::Tuple(ts.iter().map(concrete).collect()),
        t => t.clone(),
    }
}

fn known(v: &Value, want: &Type) -> Result<Value, ConvertError> {
    let fail = || mismatch(&v.ty(), want);
    // Elements would say so themselves, but there are none.
    if v.len() == Some(0) && !matches!(v.repr(), Repr::Object(_) | Repr::Tuple(_) | Repr::Map(_)) {
        convertible(&v.ty(), want)?;
    }
    match (v.repr(), want) {
        (Repr::Bool(_), Type::Bool) | (Repr::Number(_), Type::Number) | (Repr::String(_), Type::String) => Ok(v.clone()),
        (Repr::Bool(b), Type::String) => Ok(Value::from(if *b { "true" } else { "false" })),
        (Repr::Number(n), Type::String) => Ok(Value::from(n.to_string())),
        (Repr::String(s), Type::Number) => Number::parse(s).map(Value::from).ok_or_else(fail),
        (Repr::String(s), Type::Bool) => parse_bool(s).map(Value::from).ok_or_else(|| bool_hint(s)),
        (Repr::List(e) | Repr::Set(e), Type::List(w)) => sequence(&e.items, w, Some(&e.elem)).map(|(t, i)| Value::list(t, i)),
        (Repr::Tuple(t), Type::List(w)) => sequence(&t.items, w, None).map(|(t, i)| Value::list(t, i)),
        (Repr::List(e) | Repr::Set(e), Type::Set(w)) => sequence(&e.items, w, Some(&e.elem)).map(|(t, i)| Value::set(t, i)),
        (Repr::Tuple(t), Type::Set(w)) => sequence(&t.items, w, None).map(|(t, i)| Value::set(t, i)),
        (Repr::Map(m), Type::Map(w)) => entries(&m.items, w, Some(&m.elem)),
        (Repr::Object(o), Type::Map(w)) => entries(&o.attrs, w, None),
        (Repr::Map(m), Type::Object(w)) => attributes(&m.items, w, None),
        (Repr::Object(o), Type::Object(w)) => attributes(&o.attrs, w, o.origin.clone()),
        (Repr::Tuple(t), Type::Tuple(w)) if t.items.len() == w.len() => t
            .items
            .iter()
            .zip(w.iter())
            .enumerate()
            .map(|(i, (v, w))| step(v, w, || format!("[{i}]")))
            .collect::<Result<_, _>>()
            .map(Value::tuple),
        (Repr::Tuple(t), Type::Tuple(w)) => {
            Err(ConvertError::new(format!("a tuple of {} is required, but this has {}", counted(w.len(), "element"), t.items.len())))
        }
        _ => Err(fail()),
    }
}

fn step(v: &Value, want: &Type, at: impl Fn() -> String) -> Result<Value, ConvertError> {
    convert(v, want).map_err(|e| e.inside(at()))
}

/// `true`, `false`, and the digits that cty takes for them.
fn parse_bool(s: &str) -> Option<bool> {
    match s {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn bool_hint(s: &str) -> ConvertError {
    match s.to_ascii_lowercase().as_str() {
        "true" => ConvertError::new("a bool is required; to convert from string, use lowercase \"true\""),
        "false" => ConvertError::new("a bool is required; to convert from string, use lowercase \"false\""),
        _ => ConvertError::new("a bool is required"),
    }
}

/// One type for all, where what has no type yet does not decide: nulls and unknown values beside lists or objects of one type.
fn shared_type(types: &[Type]) -> Option<Type> {
    let mut known = types.iter().filter(|t| **t != Type::Dynamic);
    let first = known.next()?;
    known.all(|t| t == first).then(|| first.clone())
}

/// The element type that a collection of these elements gets, when `want` is asked for.
fn element_type<'a>(items: impl Iterator<Item = &'a Value>, want: &Type, have: Option<&Type>) -> Result<Type, ConvertError> {
    if !has_dynamic(want) {
        return Ok(concrete(want));
    }
    if let (Type::Dynamic, Some(t)) = (want, have) {
        return Ok(t.clone());
    }
    let types: Vec<Type> = items.map(Value::ty).collect();
    if types.is_empty() {
        return Ok(have.map_or_else(|| concrete(want), |h| fill(h, want)));
    }
    let unified = unify_all(&types).ok_or_else(|| ConvertError::new("all elements must have the same type"))?;
    Ok(if let Type::Dynamic = want { unified } else { concrete(want) })
}

fn sequence(items: &[Value], want: &Type, have: Option<&Type>) -> Result<(Type, Vec<Value>), ConvertError> {
    if !has_dynamic(want) || matches!(want, Type::Dynamic) {
        let target = if let Type::Dynamic = want { element_type(items.iter(), want, have)? } else { want.clone() };
        let items = items.iter().enumerate().map(|(i, v)| step(v, &target, || format!("[{i}]"))).collect::<Result<_, _>>()?;
        return Ok((concrete(&target), items));
    }
    // `any` deeper inside: convert each, then bring all to one type.
    let items: Vec<Value> = items.iter().enumerate().map(|(i, v)| step(v, want, || format!("[{i}]"))).collect::<Result<_, _>>()?;
    let target = element_type(items.iter(), &Type::Dynamic, None)?;
    let items = items.iter().map(|v| convert(v, &target)).collect::<Result<_, _>>()?;
    Ok((target, items))
}

fn entries(items: &Fields, want: &Type, have: Option<&Type>) -> Result<Value, ConvertError> {
    let values: Vec<Value> = items.values().cloned().collect();
    let keys: Vec<&Arc<str>> = items.keys().collect();
    let shared = match (want, have) {
        (Type::Dynamic, None) => shared_type(&values.iter().map(Value::ty).collect::<Vec<_>>()),
        _ => None,
    };
    let want = shared.as_ref().unwrap_or(want);
    let (ty, values) = sequence(&values, want, have).map_err(|mut e| {
        let index = e.path.first().and_then(|p| p.trim_matches(['[', ']']).parse::<usize>().ok());
        if let Some(key) = index.and_then(|i| keys.get(i)) {
            e.path[0] = format!("[{}]", crate::addr::quote(key));
        }
        e
    })?;
    Ok(Value::map(ty, keys.into_iter().cloned().zip(values).collect()))
}

fn attributes(have: &Fields, want: &ObjectType, origin: Option<Arc<crate::addr::InstanceAddr>>) -> Result<Value, ConvertError> {
    let missing: Vec<&str> = want.attrs.keys().filter(|k| !have.contains_key(*k) && !want.optional.contains(*k)).map(|k| &**k).collect();
    match missing[..] {
        [] => {}
        [one] => return Err(ConvertError::new(format!("attribute {one:?} is required"))),
        _ => {
            let names: Vec<String> = missing.iter().map(|n| format!("{n:?}")).collect();
            let (last, rest) = names.split_last().map(|(l, r)| (l.as_str(), r.join(", "))).unwrap_or_default();
            return Err(ConvertError::new(format!("attributes {rest} and {last} are required")));
        }
    }
    let mut attrs = Vec::with_capacity(want.attrs.len());
    for (name, ty) in &want.attrs {
        let value = match have.get(name) {
            Some(v) => step(v, ty, || name.to_string())?,
            None => Value::null(concrete(ty)),
        };
        attrs.push((name.clone(), value));
    }
    // An object that lost attributes is no longer the resource's object.
    let origin = origin.filter(|_| attrs.len() == have.len());
    Ok(Value::object_of(attrs.into_iter().collect(), origin))
}

/// Whether values of one type can, as far as the type says, be converted to another.
pub fn convertible(have: &Type, want: &Type) -> Result<(), ConvertError> {
    if conversion(have, want) { Ok(()) } else { Err(mismatch(have, want)) }
}

/// Whether a conversion exists; it may still fail for single values.
fn conversion(have: &Type, want: &Type) -> bool {
    if have == want {
        return true;
    }
    match (have, want) {
        (_, Type::Dynamic) => true,
        (Type::Dynamic, _) => true,
        (Type::Bool | Type::Number, Type::String) => true,
        (Type::String, Type::Bool | Type::Number) => true,
        (Type::List(h), Type::List(w)) | (Type::Set(h), Type::Set(w)) | (Type::Map(h), Type::Map(w)) => conversion(h, w),
        (Type::Set(h), Type::List(w)) => conversion(h, w),
        (Type::List(h), Type::Set(w)) => conversion(h, w),
        (Type::Tuple(hs), Type::List(w) | Type::Set(w)) => all_to(hs.iter(), w),
        (Type::Tuple(hs), Type::Tuple(ws)) => hs.len() == ws.len() && hs.iter().zip(ws.iter()).all(|(h, w)| conversion(h, w)),
        (Type::Object(h), Type::Map(w)) => {
            let types: Vec<Type> = h.attrs.values().cloned().collect();
            **w == Type::Dynamic && shared_type(&types).is_some() || all_to(types.iter(), w)
        }
        (Type::Map(h), Type::Object(w)) => w.attrs.values().all(|w| conversion(h, w)),
        (Type::Object(h), Type::Object(w)) => w.attrs.iter().all(|(k, w)| match h.attrs.get(k) {
            Some(h) => conversion(h, w),
            None => false,
        } || w_optional(h, k, want)),
        _ => false,
    }
}

fn w_optional(have: &ObjectType, name: &Arc<str>, want: &Type) -> bool {
    matches!(want, Type::Object(w) if w.optional.contains(name) && !have.attrs.contains_key(name))
}

fn all_to<'a>(mut have: impl Iterator<Item = &'a Type> + Clone, want: &Type) -> bool {
    if let Type::Dynamic = want {
        let types: Vec<Type> = have.cloned().collect();
        return types.is_empty() || unify_all(&types).is_some();
    }
    have.all(|h| conversion(h, want))
}

/// The element type of a list or set of these; `None` also where it depends on what is not known yet.
fn unify_all(types: &[Type]) -> Option<Type> {
    unify(types).filter(|t| *t != Type::Dynamic || types.iter().all(|t| *t == Type::Dynamic))
}

/// The type that values of all these types can be converted to, preferring conversions that cannot fail; `None` where there is none.
pub fn unify(types: &[Type]) -> Option<Type> {
    let (first, rest) = types.split_first()?;
    if rest.iter().all(|t| t == first) {
        return Some(first.clone());
    }
    let all = |f: fn(&Type) -> bool| types.iter().all(f);
    let any = |f: fn(&Type) -> bool| types.iter().any(f);
    // Beside structures of one kind, what is not known yet could need any type.
    let kinds: [fn(&Type) -> bool; 5] = [
        |t| matches!(t, Type::Map(_)),
        |t| matches!(t, Type::List(_)),
        |t| matches!(t, Type::Set(_)),
        |t| matches!(t, Type::Object(_)),
        |t| matches!(t, Type::Tuple(_)),
    ];
    if any(|t| matches!(t, Type::Dynamic)) && kinds.iter().any(|kind| types.iter().all(|t| kind(t) || *t == Type::Dynamic)) {
        return Some(Type::Dynamic);
    }
    if any(|t| matches!(t, Type::Object(_))) && any(|t| matches!(t, Type::Tuple(_))) {
        return None;
    }
    if all(|t| matches!(t, Type::Map(_))) {
        return unify_elements(types).map(Type::map);
    }
    if all(|t| matches!(t, Type::List(_))) {
        return unify_elements(types).map(Type::list);
    }
    if all(|t| matches!(t, Type::Set(_))) {
        return unify_elements(types).map(Type::set);
    }
    if all(|t| matches!(t, Type::Object(_))) {
        return unify_objects(types);
    }
    if all(|t| matches!(t, Type::Tuple(_))) {
        return unify_tuples(types);
    }
    if all(|t| matches!(t, Type::Map(_) | Type::Object(_))) && any(|t| matches!(t, Type::Map(_))) {
        if let Some(t) = unify_elements(types) {
            return Some(Type::map(t));
        }
    } else if all(|t| matches!(t, Type::List(_) | Type::Tuple(_)))
        && let Some(t) = unify_elements(types)
    {
        return Some(Type::list(t));
    }
    prefer(types)
}

/// One type for all elements of all these collections, tuples and objects.
fn unify_elements(types: &[Type]) -> Option<Type> {
    let mut elems: Vec<Type> = Vec::new();
    for t in types {
        match t {
            Type::List(t) | Type::Set(t) | Type::Map(t) => elems.push((**t).clone()),
            Type::Tuple(ts) => elems.extend(ts.iter().cloned()),
            Type::Object(o) => elems.extend(o.attrs.values().cloned()),
            _ => return None,
        }
    }
    if elems.is_empty() { Some(Type::Dynamic) } else { unify(&elems) }
}

fn unify_objects(types: &[Type]) -> Option<Type> {
    let objects: Vec<&ObjectType> = types.iter().filter_map(|t| if let Type::Object(o) = t { Some(&**o) } else { None }).collect();
    let first = objects.first()?;
    if objects.iter().all(|o| o.attrs.keys().eq(first.attrs.keys())) {
        let attrs: Option<BTreeMap<Arc<str>, Type>> = first
            .attrs
            .keys()
            .map(|k| unify(&objects.iter().filter_map(|o| o.attrs.get(k).cloned()).collect::<Vec<_>>()).map(|t| (k.clone(), t)))
            .collect();
        return attrs.map(|attrs| Type::Object(Arc::new(ObjectType { attrs, optional: BTreeSet::new() })));
    }
    unify_elements(types).map(Type::map)
}

fn unify_tuples(types: &[Type]) -> Option<Type> {
    let tuples: Vec<&Arc<[Type]>> = types.iter().filter_map(|t| if let Type::Tuple(ts) = t { Some(ts) } else { None }).collect();
    let len = tuples.first()?.len();
    if tuples.iter().all(|t| t.len() == len) {
        let elems: Option<Vec<Type>> = (0..len).map(|i| unify(&tuples.iter().map(|t| t[i].clone()).collect::<Vec<_>>())).collect();
        return elems.map(|elems| Type::Tuple(elems.into()));
    }
    let elem = unify_elements(types)?;
    let open = elem == Type::Dynamic && tuples.iter().any(|t| t.iter().any(|t| *t != Type::Dynamic));
    (!open).then(|| Type::list(elem))
}

/// One of the types to which all others convert: strings take anything, `any` is the last resort.
fn prefer(types: &[Type]) -> Option<Type> {
    let rank = |t: &&Type| match t {
        Type::String => 0,
        Type::List(_) | Type::Map(_) => 1,
        Type::Set(_) => 3,
        Type::Dynamic => 4,
        _ => 2,
    };
    let mut order: Vec<&Type> = types.iter().collect();
    order.sort_by_key(rank);
    order.into_iter().find(|want| types.iter().all(|have| conversion(have, want))).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn obj(pairs: &[(&str, Type)]) -> Type {
        Type::object(pairs.iter().map(|(k, t)| (*k, t.clone())))
    }

    #[test]
    fn primitives() {
        assert_eq!(convert(&"1.50".into(), &Type::Number).unwrap().to_string(), "1.5");
        assert_eq!(convert(&true.into(), &Type::String).unwrap(), "true".into());
        assert_eq!(convert(&"1".into(), &Type::Bool).unwrap(), true.into());
        assert!(convert(&1i64.into(), &Type::Bool).is_err());
        assert!(convert(&"yes".into(), &Type::Bool).is_err());
        assert!(convert(&Value::from("7").sensitive(), &Type::Number).unwrap().marks().is_sensitive());
        assert_eq!(convert(&Value::null_dynamic(), &Type::String).unwrap(), Value::null(Type::String));
    }

    #[test]
    fn collections_take_one_element_type() {
        let t = Value::tuple(vec![1i64.into(), "a".into()]);
        let l = convert(&t, &Type::list(Type::Dynamic)).unwrap();
        assert_eq!(l.ty(), Type::list(Type::String));
        let e = convert(&t, &Type::list(Type::Number)).unwrap_err();
        assert_eq!(e.to_string(), "[1]: a number is required");
        let s = convert(&Value::tuple(vec!["1".into(), 1i64.into()]), &Type::set(Type::String)).unwrap();
        assert_eq!(s.len(), Some(1));
    }

    #[test]
    fn objects_fill_and_drop() {
        let want = Type::Object(Arc::new(ObjectType {
            attrs: [("a".into(), Type::Number), ("b".into(), Type::String)].into(),
            optional: ["b".into()].into(),
        }));
        let v = convert(&Value::object_from([("a", Value::from("5")), ("z", true.into())]), &want).unwrap();
        assert_eq!(v, Value::object_from([("a", Value::from(5i64)), ("b", Value::null(Type::String))]));
        let e = convert(&Value::object_from([("b", Value::from("5"))]), &want).unwrap_err();
        assert_eq!(e.message, "attribute \"a\" is required");
    }

    #[test]
    fn unification() {
        assert_eq!(unify(&[Type::Number, Type::String]), Some(Type::String));
        assert_eq!(unify(&[Type::Number, Type::Bool]), None);
        assert_eq!(unify(&[Type::Tuple([Type::Number].into()), Type::Tuple([].into())]), Some(Type::list(Type::Number)));
        assert_eq!(unify(&[obj(&[("a", Type::Bool), ("b", Type::Number)]), obj(&[("a", Type::Bool)])]), None);
        assert_eq!(unify(&[obj(&[("a", Type::Bool)]), obj(&[("a", Type::String)])]), Some(obj(&[("a", Type::String)])));
        assert_eq!(unify(&[Type::set(Type::Number), Type::list(Type::String)]), Some(Type::list(Type::String)));
        assert_eq!(unify(&[Type::Dynamic, Type::Bool]), Some(Type::Bool));
    }
}
