//! Type expressions: `map(object({ a = optional(string, "x") }))`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{EvalContext, NoScope, eval};
use crate::diag::codes::lang::INVALID_TYPE;
use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::lang::ast::{Expr, ExprKind};
use crate::lang::host::Host;
use crate::value::{Fields, ObjectType, Repr, Type, Value, convert::convert};

/// The defaults of optional attributes, by place in the type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defaults {
    /// Defaults of this object's attributes.
    attrs: BTreeMap<Arc<str>, Value>,
    /// Defaults inside attributes (by name) and tuple elements (by index).
    children: BTreeMap<Arc<str>, Defaults>,
    /// Defaults inside every element of a collection.
    elem: Option<Box<Defaults>>,
}

impl Defaults {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.attrs.is_empty() && self.children.is_empty() && self.elem.is_none()
    }

    /// Fills in defaults where optional attributes are missing or null. To be applied before conversion to the type.
    pub fn apply(&self, v: &Value) -> Value {
        if self.is_empty() {
            return v.clone();
        }
        let each = |items: &[Value]| items.iter().enumerate().map(|(i, v)| self.child(&i.to_string(), v)).collect::<Vec<_>>();
        let filled = match v.repr() {
            // Elements may get different types by this, so that collections become tuples and objects until they are converted.
            Repr::List(e) | Repr::Set(e) => Value::tuple(each(&e.items)),
            Repr::Tuple(t) => Value::tuple(each(&t.items)),
            Repr::Map(e) => Value::object(self.fill(&e.items)),
            Repr::Object(o) => Value::object_of(self.fill(&o.attrs), o.origin.clone()),
            _ => return v.clone(),
        };
        filled.mark(v.marks())
    }

    fn fill(&self, have: &Fields) -> Fields {
        let mut attrs = BTreeMap::from(have);
        for (name, default) in &self.attrs {
            let slot = attrs.entry(name.clone()).or_insert_with(|| default.clone());
            if slot.is_null() {
                *slot = default.clone();
            }
        }
        attrs.iter().map(|(k, v)| (k.clone(), self.child(k, v))).collect()
    }

    fn child(&self, name: &str, v: &Value) -> Value {
        match self.children.get(name).or(self.elem.as_deref()) {
            Some(d) => d.apply(v),
            None => v.clone(),
        }
    }

    fn in_child(mut self, name: Arc<str>, child: Defaults) -> Self {
        if !child.is_empty() {
            self.children.insert(name, child);
        }
        self
    }
}

/// The type that an expression names, and the defaults of its optional attributes.
///
/// # Errors
/// The expression is no type.
pub fn parse_type(e: &Expr) -> Result<(Type, Defaults), Diagnostic> {
    match &*e.kind {
        ExprKind::Paren(inner) => parse_type(inner),
        ExprKind::Traversal { root, steps } if steps.is_empty() => keyword(&root.name, e).map(|t| (t, Defaults::default())),
        ExprKind::Call { name, args, .. } => constructor(&name.name, args, e),
        _ => Err(wrong("A type is expected here, such as string or list(number).", e)),
    }
}

fn wrong(detail: impl Into<String>, e: &Expr) -> Diagnostic {
    Diagnostic::error(INVALID_TYPE, detail.into()).at(e.span)
}

fn keyword(name: &str, e: &Expr) -> Result<Type, Diagnostic> {
    match name {
        "any" => Ok(Type::Dynamic),
        "bool" => Ok(Type::Bool),
        "number" => Ok(Type::Number),
        "string" => Ok(Type::String),
        "list" => Ok(Type::list(Type::Dynamic)),
        "map" => Ok(Type::map(Type::Dynamic)),
        "set" => Err(wrong("set needs its element type: set(string).", e)),
        "object" => Err(wrong("object needs its attributes: object({ name = string }).", e)),
        "tuple" => Err(wrong("tuple needs its element types: tuple([string, number]).", e)),
        _ => Err(unknown(name, e)),
    }
}

fn unknown(name: &str, e: &Expr) -> Diagnostic {
    let d = wrong(format!("There is no type {name:?}."), e);
    match did_you_mean(name, ["any", "bool", "number", "string", "list", "set", "map", "object", "tuple"]) {
        Some(near) => d.hint(format!("Did you mean {near}?")),
        None => d.hint("Types are any, bool, number, string, list(T), set(T), map(T), object({…}) and tuple([…])."),
    }
}

fn constructor(name: &str, args: &[Expr], e: &Expr) -> Result<(Type, Defaults), Diagnostic> {
    if name == "optional" {
        return Err(wrong("optional(…) can only stand for an attribute of an object type.", e));
    }
    if !["list", "set", "map", "object", "tuple"].contains(&name) {
        return Err(match keyword(name, e) {
            Ok(_) => wrong(format!("The type {name} takes no arguments."), e),
            Err(d) => d,
        });
    }
    let [arg] = args else { return Err(wrong(format!("{name} takes exactly one argument."), e)) };
    match name {
        "object" => object(arg),
        "tuple" => tuple(arg),
        _ => {
            let (elem, inner) = parse_type(arg)?;
            let defaults = Defaults { elem: (!inner.is_empty()).then(|| Box::new(inner)), ..Defaults::default() };
            Ok((
                match name {
                    "list" => Type::list(elem),
                    "set" => Type::set(elem),
                    _ => Type::map(elem),
                },
                defaults,
            ))
        }
    }
}

fn tuple(arg: &Expr) -> Result<(Type, Defaults), Diagnostic> {
    let ExprKind::Tuple(items) = &*arg.kind else { return Err(wrong("tuple needs a list of types: tuple([string, number]).", arg)) };
    let (mut types, mut defaults) = (Vec::new(), Defaults::default());
    for (i, item) in items.iter().enumerate() {
        let (ty, inner) = parse_type(item)?;
        types.push(ty);
        defaults = defaults.in_child(i.to_string().into(), inner);
    }
    Ok((Type::Tuple(types.into()), defaults))
}

fn object(arg: &Expr) -> Result<(Type, Defaults), Diagnostic> {
    let ExprKind::Object(items) = &*arg.kind else { return Err(wrong("object needs its attributes: object({ name = string }).", arg)) };
    let mut ty = ObjectType { attrs: BTreeMap::new(), optional: BTreeSet::new() };
    let mut defaults = Defaults::default();
    for item in items {
        let ExprKind::String(name) = &*item.key.kind else {
            return Err(wrong("The attribute names of an object type must be constant.", &item.key));
        };
        // The quotes are within the span of a quoted name.
        if (item.key.span.end - item.key.span.start) as usize > name.len() {
            return Err(wrong("The attribute names of an object type are written without quotes.", &item.key));
        }
        let (attr, inner) = match &*item.value.kind {
            ExprKind::Call { name: f, args, .. } if &*f.name == "optional" => {
                ty.optional.insert(name.clone());
                let (attr, inner, default) = optional(args, &item.value)?;
                if let Some(default) = default {
                    defaults.attrs.insert(name.clone(), default);
                }
                (attr, inner)
            }
            _ => parse_type(&item.value)?,
        };
        defaults = defaults.in_child(name.clone(), inner);
        ty.attrs.insert(name.clone(), attr);
    }
    Ok((Type::Object(Arc::new(ty)), defaults))
}

fn optional(args: &[Expr], e: &Expr) -> Result<(Type, Defaults, Option<Value>), Diagnostic> {
    let (first, default) = match args {
        [t] => (t, None),
        [t, d] => (t, Some(d)),
        _ => return Err(wrong("optional takes a type and, if wanted, a default.", e)),
    };
    let (ty, inner) = parse_type(first)?;
    let Some(default) = default else { return Ok((ty, inner, None)) };
    let mut diags = Diagnostics::new();
    let value = eval(default, &NoScope, &constants(), &mut diags);
    if let Some(d) = diags.into_iter().next() {
        return Err(d);
    }
    let value = convert(&inner.apply(&value), &ty).map_err(|err| wrong(format!("The default does not fit its type: {err}."), default))?;
    Ok((ty, inner, Some(value)))
}

/// What constants are evaluated in: no files, no clock, no functions.
pub(crate) fn constants() -> EvalContext<'static> {
    let here = Path::new("");
    EvalContext::new(&Nowhere, here, here).constants()
}

/// A host that has nothing: defaults in types are constants.
pub(super) struct Nowhere;

fn nowhere<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "files cannot be used in a type"))
}

impl Host for Nowhere {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        nowhere()
    }
    fn file_exists(&self, _: &Path) -> io::Result<bool> {
        nowhere()
    }
    fn walk(&self, _: &Path) -> io::Result<Vec<String>> {
        nowhere()
    }
    fn absolute(&self, _: &Path) -> io::Result<PathBuf> {
        nowhere()
    }
    fn home(&self) -> Option<PathBuf> {
        None
    }
    fn now(&self) -> Option<(i64, u32)> {
        None
    }
    fn plan_time(&self) -> (i64, u32) {
        (0, 0)
    }
    fn random(&self) -> Option<[u8; 16]> {
        None
    }
}
