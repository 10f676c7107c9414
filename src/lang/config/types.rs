//! Type constraints: `map(object({ a = string, b = optional(number, 1) }))`.
//!
//! Defaults of optional attributes are expressions; they stay in the variable's `type_expr` for the evaluator.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::args::literal;
use crate::diag::codes::config::INVALID_TYPE;
use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::lang::ast::{Expr, ExprKind};
use crate::value::{ObjectType, Type};

const NAMES: [&str; 10] = ["string", "number", "bool", "any", "list", "set", "map", "tuple", "object", "optional"];

/// The type that an expression writes down.
///
/// # Errors
/// What is wrong, with its place.
pub fn parse_type(expr: &Expr) -> Result<Type, Diagnostics> {
    let mut diags = Diagnostics::new();
    // The short forms of old are lists and maps of anything.
    let ty = match literal(expr) {
        ExprKind::Traversal { root, steps } if steps.is_empty() && &*root.name == "list" => Type::list(Type::Dynamic),
        ExprKind::Traversal { root, steps } if steps.is_empty() && &*root.name == "map" => Type::map(Type::Dynamic),
        _ => read(expr, &mut diags),
    };
    if diags.is_empty() { Ok(ty) } else { Err(diags) }
}

fn bad(expr: &Expr, detail: String, hint: Option<String>, diags: &mut Diagnostics) -> Type {
    let d = Diagnostic::error(INVALID_TYPE, detail).at(expr.span);
    diags.push(match hint {
        Some(h) => d.hint(h),
        None => d,
    });
    Type::Dynamic
}

fn read(expr: &Expr, diags: &mut Diagnostics) -> Type {
    match literal(expr) {
        ExprKind::Traversal { root, steps } if steps.is_empty() => keyword(expr, &root.name, diags),
        ExprKind::Call { name, args, expand: false } => call(expr, &name.name, args, diags),
        ExprKind::String(s) => {
            let hint = NAMES.contains(&&**s).then(|| format!("Write type = {s}, without quotes."));
            bad(expr, "A type is written without quotes.".into(), hint, diags)
        }
        _ => bad(expr, "This is not a type.".into(), Some("Write a type such as string or list(number).".into()), diags),
    }
}

fn keyword(expr: &Expr, name: &str, diags: &mut Diagnostics) -> Type {
    match name {
        "string" => Type::String,
        "number" => Type::Number,
        "bool" => Type::Bool,
        "any" => Type::Dynamic,
        "list" | "map" | "set" | "tuple" | "object" => {
            bad(expr, format!("The type {name:?} needs an argument."), Some(format!("Write {name}(…).")), diags)
        }
        _ => {
            let near = did_you_mean(name, NAMES).map(|n| format!("Did you mean {n:?}?"));
            bad(expr, format!("{name:?} is not a type."), near, diags)
        }
    }
}

fn call(expr: &Expr, name: &str, args: &[Expr], diags: &mut Diagnostics) -> Type {
    match (name, args) {
        ("list", [t]) => Type::list(read(t, diags)),
        ("set", [t]) => Type::set(read(t, diags)),
        ("map", [t]) => Type::map(read(t, diags)),
        ("tuple", [t]) => match literal(t) {
            ExprKind::Tuple(items) => Type::Tuple(items.iter().map(|i| read(i, diags)).collect()),
            _ => bad(t, "A tuple type takes a list of types.".into(), Some("Write tuple([string, number]).".into()), diags),
        },
        ("object", [t]) => match literal(t) {
            ExprKind::Object(_) => object(t, diags),
            _ => bad(t, "An object type takes a map of types.".into(), Some("Write object({ name = string }).".into()), diags),
        },
        ("optional", _) => bad(expr, "optional() is only for attributes of an object type.".into(), None, diags),
        ("list" | "set" | "map" | "tuple" | "object", _) => bad(expr, format!("The type {name:?} takes one argument."), None, diags),
        ("string" | "number" | "bool" | "any", _) => bad(expr, format!("The type {name:?} takes no arguments."), None, diags),
        _ => {
            let near = did_you_mean(name, NAMES).map(|n| format!("Did you mean {n:?}?"));
            bad(expr, format!("{name:?} is not a type."), near, diags)
        }
    }
}

fn object(expr: &Expr, diags: &mut Diagnostics) -> Type {
    let ExprKind::Object(items) = literal(expr) else { return Type::Dynamic };
    let (mut attrs, mut optional) = (BTreeMap::new(), BTreeSet::new());
    for item in items {
        let ExprKind::String(key) = literal(&item.key) else {
            bad(&item.key, "An attribute's name must be literal.".into(), None, diags);
            continue;
        };
        let ty = match literal(&item.value) {
            ExprKind::Call { name, args, .. } if &*name.name == "optional" && matches!(args.len(), 1 | 2) => {
                optional.insert(key.clone());
                read(&args[0], diags)
            }
            _ => read(&item.value, diags),
        };
        if attrs.insert(key.clone(), ty).is_some() {
            bad(&item.key, format!("The attribute {key:?} is declared twice."), None, diags);
        }
    }
    Type::Object(Arc::new(ObjectType { attrs, optional }))
}
