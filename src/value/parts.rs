//! The direct parts of a value: the attributes of an object, the entries of a map, the elements of a list or tuple. Whoever walks a value goes
//! by them, so that no kind of container is forgotten. A set has no parts: its elements have no place, and one with a sensitive element is
//! sensitive as a whole.

use std::sync::Arc;

use super::{Repr, Value};
use crate::addr::InstanceKey;

/// A step from a value into a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// An attribute of an object.
    Name(Arc<str>),
    /// A key of a map, or the place in a list or tuple.
    At(InstanceKey),
}

impl Part {
    fn key(key: &Arc<str>) -> Part {
        Part::At(InstanceKey::Str(key.clone()))
    }

    fn index(i: usize) -> Part {
        Part::At(InstanceKey::Int(i as u64))
    }
}

impl Value {
    /// The direct parts, in order.
    pub fn parts(&self) -> Vec<(Part, &Value)> {
        match self.repr() {
            Repr::Object(o) => o.attrs.iter().map(|(k, v)| (Part::Name(k.clone()), v)).collect(),
            Repr::Map(m) => m.items.iter().map(|(k, v)| (Part::key(k), v)).collect(),
            Repr::List(l) => l.items.iter().enumerate().map(|(i, v)| (Part::index(i), v)).collect(),
            Repr::Tuple(t) => t.items.iter().enumerate().map(|(i, v)| (Part::index(i), v)).collect(),
            _ => vec![],
        }
    }

    /// The part at this place. Objects and maps answer for each other, and so do lists and tuples.
    pub fn part(&self, part: &Part) -> Option<&Value> {
        match part {
            Part::Name(k) | Part::At(InstanceKey::Str(k)) => self.as_map()?.get(k),
            Part::At(InstanceKey::Int(i)) => self.as_slice()?.get(usize::try_from(*i).ok()?),
        }
    }

    /// The value with each direct part replaced. Its marks and its origin stay; a value without parts stays as it is.
    pub fn map_parts(&self, mut f: impl FnMut(Part, &Value) -> Value) -> Value {
        let mut each = |items: &[Value]| items.iter().enumerate().map(|(i, v)| f(Part::index(i), v)).collect();
        let value = match self.repr() {
            Repr::List(l) => Value::list(l.elem.clone(), each(&l.items)),
            Repr::Tuple(t) => Value::tuple(each(&t.items)),
            Repr::Map(m) => Value::map(m.elem.clone(), m.items.map(|k, v| f(Part::key(k), v))),
            Repr::Object(o) => Value::object_of(o.attrs.map(|k, v| f(Part::Name(k.clone()), v)), o.origin.clone()),
            _ => return self.clone(),
        };
        value.mark(self.marks())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Type;

    #[test]
    fn every_container_but_a_set_has_parts() {
        let text = |s: &str| Value::string(s);
        let all = Value::object_from([
            ("list", Value::list(Type::String, vec![text("a"), text("b")])),
            ("map", Value::map(Type::String, [("k".into(), text("a"))].into())),
            ("tuple", Value::tuple(vec![text("a"), true.into()])),
        ])
        .sensitive();
        let deep = |v: &Value| v.map_parts(|_, part| if part.as_str().is_some() { text("x") } else { part.clone() });
        let changed = all.map_parts(|_, v| deep(v));
        assert!(changed.marks().is_sensitive());
        let shown: Vec<String> = changed.parts().iter().map(|(_, v)| v.to_string()).collect();
        assert_eq!(shown.join(" ").matches("\"x\"").count(), 4, "{shown:?}");
        for (part, v) in all.parts() {
            assert_eq!(all.part(&part), Some(v));
        }
        assert_eq!(text("a").map_parts(|_, _| text("b")).as_str(), Some("a"));
    }
}
