//! Objects of resource instances as values: their addresses, the present objects behind their references, where their errors are.

use super::conditions;
use std::sync::Arc;

use crate::addr::InstanceAddr;
use crate::diag::Diagnostic;
use crate::lang::config::ResourceBlock;
use crate::lang::eval::body;
use crate::resource::{ATTR_PATH, RUNNING, ResourceType};
use crate::schema::AttrType;
use crate::value::{Repr, Value};

/// Gives a resource's object its address, so that a reference to it is recognised.
pub fn with_origin(value: &Value, addr: &InstanceAddr) -> Value {
    // What is read back from a plan or a record often bears its address already.
    if value.origin().is_some_and(|o| **o == *addr) { value.clone() } else { value.with_origin(Some(Arc::new(addr.clone()))) }
}

/// Puts current objects behind the references of an object.
pub fn hydrate(value: &Value, resource: &dyn ResourceType, current: &dyn Fn(&InstanceAddr) -> Option<Value>) -> Value {
    hydrate_body(value, &resource.schema().body, current)
}

fn hydrate_body(value: &Value, body: &crate::schema::Body, current: &dyn Fn(&InstanceAddr) -> Option<Value>) -> Value {
    let Some(map) = value.as_map() else { return value.clone() };
    let mut out = map.clone();
    let mut set = |name: &str, now: Value| out.get_mut(name).into_iter().for_each(|slot| *slot = now.clone());
    let mut changed = false;
    for a in body.attributes.iter().filter(|a| matches!(a.ty, AttrType::Ref(_))) {
        if let Some(now) = map.get(a.name).and_then(Value::origin).and_then(|o| current(o)) {
            set(a.name, now);
            changed = true;
        }
    }
    for b in &body.blocks {
        let Some(inner) = map.get(b.name) else { continue };
        let each = |v: &Value| hydrate_body(v, &b.body, current);
        let now = match inner.repr() {
            Repr::List(l) => Value::list(l.elem.clone(), l.items.iter().map(each).collect()),
            Repr::Map(m) => Value::map(m.elem.clone(), m.items.iter().map(|(k, v)| (k.clone(), each(v))).collect()),
            Repr::Object(_) => each(inner),
            _ => continue,
        };
        set(b.name, now);
        changed = true;
    }
    if changed { Value::object_of(out, value.origin().cloned()).mark(value.marks()) } else { value.clone() }
}

/// An argument of which some part is not known. What the state keeps only as a digest counts as known, and references are judged by who uses them.
pub fn open_argument(config: &Value, body: &crate::schema::Body) -> Option<&'static str> {
    let plain = body.attributes.iter().filter(|a| !matches!(a.ty, AttrType::Ref(_))).map(|a| a.name);
    plain.chain(body.blocks.iter().map(|b| b.name)).find(|name| config.as_map().and_then(|m| m.get(*name)).is_some_and(is_open))
}

fn is_open(v: &Value) -> bool {
    if v.is_wholly_known() || v.origin().is_some() {
        return false;
    }
    match v.repr() {
        Repr::Unknown(u) => u.refinement.digest.is_none(),
        _ => match (v.as_map(), v.as_slice()) {
            (Some(map), _) => map.values().any(is_open),
            (None, Some(items)) => items.iter().any(is_open),
            (None, None) => false,
        },
    }
}

/// Turns an attribute path into a span, and names the instance.
pub fn locate(mut d: Diagnostic, block: &ResourceBlock, addr: &InstanceAddr) -> Diagnostic {
    if let Some(i) = d.values.iter().position(|(k, _)| k == ATTR_PATH) {
        let (_, path) = d.values.remove(i);
        d = d.at(body::attr_span(&block.body, &path));
    }
    d.at(block.span).on(addr)
}

/// The place that an object lives in: see [`ResourceType::lives_in`].
pub fn place_of(resource: &dyn ResourceType, object: &Value) -> Option<Arc<InstanceAddr>> {
    object.get(resource.lives_in()?)?.origin().cloned()
}

/// Whether a place tells which of its processes run (see [`RUNNING`]), and none does.
pub fn nothing_runs(place: &Value) -> bool {
    place.get(RUNNING).is_some_and(|r| r.as_slice().is_some_and(<[Value]>::is_empty))
}

/// What is wrong with the data block of a `check` is a warning.
pub fn softened(d: Diagnostic, block: &ResourceBlock) -> Diagnostic {
    if block.in_check.is_some() { conditions::as_warning(d) } else { d }
}
