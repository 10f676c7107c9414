//! Operations on values that more than one part needs: HCL equality, the order of sets, hoisting of marks.

use std::cmp::Ordering;
use std::fmt::Write;
use std::sync::Arc;

use super::{Elements, Fields, Marks, Number, Repr, Type, Value};

impl Value {
    /// A set of distinct elements in cty's order (strings and numbers ascending, everything else in a stable order).
    /// Marks anywhere in the elements move to the set, as a set cannot tell which of its elements bears them.
    pub fn set(elem: Type, items: Vec<Value>) -> Value {
        let marks = items.iter().fold(Marks::NONE, |m, v| m.union(v.deep_marks()));
        let mut items: Vec<Value> = if marks.is_none() { items } else { items.iter().map(unmark_deep).collect() };
        items.sort_by(set_order);
        items.dedup_by(|a, b| a.is_wholly_known() && a == b);
        Value::set_raw(elem, items).mark(marks)
    }

    /// How many elements a known collection, tuple, object or map has.
    #[allow(clippy::len_without_is_empty, reason = "what has no length is neither empty nor not")]
    pub fn len(&self) -> Option<usize> {
        self.as_slice().map(<[Value]>::len).or_else(|| self.as_map().map(Fields::len))
    }
}

/// The value without any mark, however deep.
pub fn unmark_deep(v: &Value) -> Value {
    if v.deep_marks().is_none() {
        return v.clone();
    }
    let all = |items: &[Value]| items.iter().map(unmark_deep).collect::<Vec<_>>();
    match v.repr() {
        Repr::List(e) => Value::list(e.elem.clone(), all(&e.items)),
        Repr::Set(e) => Value::set_raw(e.elem.clone(), all(&e.items)),
        Repr::Map(e) => Value::map(e.elem.clone(), e.items.map(|_, v| unmark_deep(v))),
        Repr::Tuple(t) => Value::tuple(all(&t.items)),
        Repr::Object(o) => Value::object_of(o.attrs.map(|_, v| unmark_deep(v)), o.origin.clone()),
        other => Value::from(other.clone()),
    }
}

/// The order of elements in a set.
pub fn set_order(a: &Value, b: &Value) -> Ordering {
    let class = |v: &Value| match v.repr() {
        Repr::Unknown(_) => 1,
        Repr::Null(_) => 2,
        _ => 0,
    };
    class(a).cmp(&class(b)).then_with(|| match (a.repr(), b.repr()) {
        (Repr::Bool(a), Repr::Bool(b)) => a.cmp(b),
        (Repr::Number(a), Repr::Number(b)) => a.cmp(b),
        (Repr::String(a), Repr::String(b)) => a.cmp(b),
        _ => sort_key(a).cmp(&sort_key(b)),
    })
}

/// A text by which structured values are ordered.
fn sort_key(v: &Value) -> String {
    let mut out = String::new();
    write_key(v, &mut out);
    out
}

fn write_key(v: &Value, out: &mut String) {
    let seq = |open: char, close: char, items: &[Value], out: &mut String| {
        out.push(open);
        for item in items {
            write_key(item, out);
            out.push(';');
        }
        out.push(close);
    };
    match v.repr() {
        Repr::Unknown(_) => out.push('?'),
        Repr::Null(_) => out.push('~'),
        Repr::Bool(b) => out.push(if *b { 'T' } else { 'F' }),
        Repr::Number(n) => drop(write!(out, "{n}")),
        Repr::String(s) => drop(write!(out, "{s:?}")),
        Repr::List(e) | Repr::Set(e) => seq('[', ']', &e.items, out),
        Repr::Tuple(t) => seq('<', '>', &t.items, out),
        Repr::Object(o) => seq('<', '>', &o.attrs.values().cloned().collect::<Vec<_>>(), out),
        Repr::Map(m) => {
            out.push('{');
            for (k, v) in &m.items {
                let _ = write!(out, "{k:?}:");
                write_key(v, out);
                out.push(';');
            }
            out.push('}');
        }
    }
}

/// HCL's `==`: a bool, unknown where that depends on what is unknown, with the marks of both sides.
pub fn equals(a: &Value, b: &Value) -> Value {
    let marks = a.deep_marks().union(b.deep_marks());
    let result = match compare(a, b) {
        Some(eq) => Value::from(eq),
        None => Value::unknown_not_null(Type::Bool),
    };
    result.mark(marks)
}

/// Whether two values are equal; `None` when only the apply can tell.
pub fn compare(a: &Value, b: &Value) -> Option<bool> {
    match (a.repr(), b.repr()) {
        (Repr::Unknown(_), Repr::Unknown(_)) => None,
        (Repr::Unknown(u), Repr::Null(_)) | (Repr::Null(_), Repr::Unknown(u)) => u.refinement.not_null.then_some(false),
        (Repr::Unknown(u), _) => unknown_against(u, b),
        (_, Repr::Unknown(u)) => unknown_against(u, a),
        (Repr::Null(_), Repr::Null(_)) => Some(true),
        (Repr::Null(_), _) | (_, Repr::Null(_)) => Some(false),
        (Repr::Bool(a), Repr::Bool(b)) => Some(a == b),
        (Repr::Number(a), Repr::Number(b)) => Some(a == b),
        (Repr::String(a), Repr::String(b)) => Some(a == b),
        (Repr::List(x), Repr::List(y)) => collections(x, y, a, b),
        (Repr::Set(x), Repr::Set(y)) => sets(x, y, a, b),
        (Repr::Tuple(x), Repr::Tuple(y)) if a.ty() == b.ty() => equal_in_order(&x.items, &y.items),
        (Repr::Map(x), Repr::Map(y)) if x.elem == y.elem => {
            if x.items.len() != y.items.len() || x.items.keys().ne(y.items.keys()) {
                return Some(false);
            }
            all_equal(x.items.values().zip(y.items.values()))
        }
        (Repr::Object(x), Repr::Object(y)) if x.attrs.keys().eq(y.attrs.keys()) => {
            if !a.is_wholly_known() || !b.is_wholly_known() || a.ty() == b.ty() {
                return all_equal(x.attrs.values().zip(y.attrs.values()));
            }
            Some(false)
        }
        _ => Some(false),
    }
}

fn unknown_against(u: &super::Unknown, known: &Value) -> Option<bool> {
    if let (Some(prefix), Some(s)) = (&u.refinement.prefix, known.as_str())
        && !s.starts_with(&**prefix)
    {
        return Some(false);
    }
    if let (Some(min), Some(len)) = (u.refinement.min_len, known.len())
        && (len as u64) < min
    {
        return Some(false);
    }
    let ty = known.ty();
    if conforms(&u.ty, &ty) || conforms(&ty, &u.ty) { None } else { Some(false) }
}

/// Whether a value of the one type could be one of the other, where that has parts of any type.
fn conforms(given: &Type, wanted: &Type) -> bool {
    match (given, wanted) {
        (_, Type::Dynamic) => true,
        (Type::List(a), Type::List(b)) | (Type::Set(a), Type::Set(b)) | (Type::Map(a), Type::Map(b)) => conforms(a, b),
        (Type::Tuple(a), Type::Tuple(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| conforms(a, b)),
        (Type::Object(a), Type::Object(b)) => {
            a.attrs.keys().eq(b.attrs.keys()) && a.attrs.values().zip(b.attrs.values()).all(|(a, b)| conforms(a, b))
        }
        (a, b) => a == b,
    }
}

fn collections(x: &Elements, y: &Elements, a: &Value, b: &Value) -> Option<bool> {
    if x.elem != y.elem && a.is_wholly_known() && b.is_wholly_known() || x.items.len() != y.items.len() {
        return Some(false);
    }
    equal_in_order(&x.items, &y.items)
}

/// The first pair that differs, or may differ, decides, as in cty.
fn equal_in_order(a: &[Value], b: &[Value]) -> Option<bool> {
    a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|eq| *eq != Some(true)).unwrap_or(Some(true))
}

fn sets(x: &Elements, y: &Elements, a: &Value, b: &Value) -> Option<bool> {
    if x.items.is_empty() != y.items.is_empty() {
        return Some(false);
    }
    if !a.is_wholly_known() || !b.is_wholly_known() {
        return None;
    }
    Some(x.elem == y.elem && x.items.len() == y.items.len() && x.items == y.items)
}

/// False as soon as one pair differs; otherwise unknown if any pair is.
fn all_equal<'a>(pairs: impl Iterator<Item = (&'a Value, &'a Value)>) -> Option<bool> {
    let mut result = Some(true);
    for (a, b) in pairs {
        match compare(a, b) {
            Some(false) => return Some(false),
            None => result = None,
            Some(true) => {}
        }
    }
    result
}

/// Whether `any` stands anywhere in the type.
pub fn has_dynamic(ty: &Type) -> bool {
    match ty {
        Type::Dynamic => true,
        Type::Bool | Type::Number | Type::String => false,
        Type::List(t) | Type::Set(t) | Type::Map(t) => has_dynamic(t),
        Type::Tuple(ts) => ts.iter().any(has_dynamic),
        Type::Object(o) => o.attrs.values().any(has_dynamic),
    }
}

/// Elements of a known collection as (key, element), in HCL's iteration order: index for lists and tuples, the element itself for
/// sets, the name for maps and objects. `None` where the value cannot be iterated.
pub fn iterate(v: &Value) -> Option<Vec<(Value, Value)>> {
    match v.repr() {
        Repr::List(e) => Some(indexed(&e.items)),
        Repr::Tuple(t) => Some(indexed(&t.items)),
        Repr::Set(e) => Some(e.items.iter().map(|v| (v.clone(), v.clone())).collect()),
        Repr::Map(_) | Repr::Object(_) => {
            v.as_map().map(|m| m.iter().map(|(k, v)| (Value::from(Repr::String(Arc::clone(k))), v.clone())).collect())
        }
        _ => None,
    }
}

fn indexed(items: &[Value]) -> Vec<(Value, Value)> {
    items.iter().enumerate().map(|(i, v)| (Value::from(Number::from(i)), v.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Refinement;

    #[test]
    fn sets_are_distinct_and_ordered() {
        let s = Value::set(Type::String, vec!["b".into(), "a".into(), "b".into()]);
        assert_eq!(s.as_slice().unwrap(), &[Value::from("a"), Value::from("b")]);
        let s = Value::set(Type::Number, vec![10i64.into(), 9i64.into(), Value::from(10i64).sensitive()]);
        assert_eq!(s.len(), Some(2));
        assert!(s.marks().is_sensitive() && !s.as_slice().unwrap()[0].marks().is_sensitive());
    }

    #[test]
    fn equality_knows_unknown_and_null() {
        let unknown = Value::unknown(Type::String);
        assert_eq!(compare(&unknown, &"a".into()), None);
        assert_eq!(compare(&unknown, &1i64.into()), Some(false));
        assert_eq!(compare(&Value::null_dynamic(), &Value::null(Type::String)), Some(true));
        assert_eq!(compare(&"1".into(), &1i64.into()), Some(false));
        let refined = Value::unknown_with(Type::String, Refinement { not_null: true, prefix: Some("x-".into()), ..Refinement::default() });
        assert_eq!(compare(&refined, &Value::null_dynamic()), Some(false));
        assert_eq!(compare(&refined, &"y".into()), Some(false));
        assert!(equals(&Value::from("a").sensitive(), &"a".into()).marks().is_sensitive());
        let half = Value::tuple(vec![1i64.into(), unknown]);
        assert_eq!(compare(&half, &Value::tuple(vec![2i64.into(), "a".into()])), Some(false));
    }
}
