//! Conditionals, for-expressions and templates.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Eval, nothing};
use crate::diag::codes::lang as codes;
use crate::lang::ast::{Expr, ForExpr, Ident, TemplatePart};
use crate::value::convert::{convert, kind, unify};
use crate::value::{Fields, Marks, Refinement, Repr, Type, Value, ops};

/// What a template has produced so far.
#[derive(Default)]
struct Text {
    known: String,
    /// Whether something unknown came; what follows it does not count any more.
    unknown: bool,
    marks: Marks,
}

/// Beyond this, a known prefix of an unknown string is of no use.
const MAX_PREFIX: usize = 256;

impl Eval<'_> {
    pub(super) fn conditional(&mut self, cond: &Expr, yes: &Expr, no: &Expr, e: &Expr) -> Value {
        let c = self.expr(cond);
        let (yes_value, yes_diags) = self.apart(yes);
        let (no_value, no_diags) = self.apart(no);
        let failed = yes_diags.has_errors() || no_diags.has_errors();
        let Some(c) = self.decision(&c, cond) else { return nothing() };
        match c.as_bool() {
            Some(true) => self.diags.append(yes_diags),
            Some(false) => self.diags.append(no_diags),
            // The branch that fails may be the one that is not taken.
            None => {}
        }
        let Some(ty) = common_type(&yes_value, &no_value) else {
            let detail = format!(
                "The true and false results must have types that can be brought together, but they are {} and {}.",
                kind(&yes_value.ty()),
                kind(&no_value.ty())
            );
            return self.fail(codes::INCONSISTENT_TYPES, detail, e);
        };
        let marks = c.marks().union(yes_value.marks()).union(no_value.marks());
        let chosen = match c.as_bool() {
            Some(true) => (yes_value, yes),
            Some(false) => (no_value, no),
            None => return either(&ty, &yes_value, &no_value).mark(marks),
        };
        // A failed branch has no type that says anything; a value of any type may yet become anything.
        let open = !chosen.0.is_known() && chosen.0.ty() == Type::Dynamic;
        if failed || open || chosen.0.ty() == ty {
            return chosen.0.mark(marks);
        }
        match convert(&chosen.0, &ty) {
            Ok(v) => v.mark(marks),
            Err(err) => self.fail(
                codes::INCONSISTENT_TYPES,
                format!("This result does not have the common type of both, {}: {err}.", kind(&ty)),
                chosen.1,
            ),
        }
    }

    /// A condition that chooses between two results. One that is not known is not looked at, whatever type it has.
    fn decision(&mut self, v: &Value, about: &Expr) -> Option<Value> {
        match v.is_known() {
            true => self.condition(v, about),
            false => Some(Value::unknown_not_null(Type::Bool).mark(v.marks())),
        }
    }

    /// A condition as a bool that is not null; `None` after an error.
    pub(super) fn condition(&mut self, v: &Value, about: &Expr) -> Option<Value> {
        if v.is_null() {
            self.fail(codes::INVALID_CONDITION, "The condition is null; it must be true or false.", about);
            return None;
        }
        match convert(v, &Type::Bool) {
            Ok(v) => Some(v),
            Err(e) => {
                self.fail(codes::INVALID_CONDITION, format!("The condition is not true or false: {e}."), about);
                None
            }
        }
    }

    /// The elements to iterate over; `None` after an error or where they are unknown.
    fn collection(&mut self, v: &Value, about: &Expr) -> Option<Vec<(Value, Value)>> {
        if v.is_null() {
            self.fail(codes::INVALID_FOR, "The collection is null; there is nothing to iterate over.", about);
            return None;
        }
        if !v.is_known() {
            if v.ty().is_primitive() {
                self.fail(codes::INVALID_FOR, format!("A {} cannot be iterated over.", v.ty()), about);
            }
            return None;
        }
        let items = ops::iterate(v);
        if items.is_none() {
            self.fail(codes::INVALID_FOR, format!("A {} cannot be iterated over; a list, set, map, tuple or object can.", v.ty()), about);
        }
        items
    }

    fn bind(&mut self, key_var: Option<&Ident>, value_var: &Ident, key: &Value, value: &Value) -> usize {
        let depth = self.locals.len();
        if let Some(k) = key_var {
            self.locals.push((k.name.clone(), key.clone()));
        }
        self.locals.push((value_var.name.clone(), value.clone()));
        depth
    }

    pub(super) fn for_expr(&mut self, f: &ForExpr, e: &Expr) -> Value {
        let collection = self.expr(&f.collection);
        let mut result = ForResult { marks: collection.marks(), known: true, ..ForResult::default() };
        let typed_unknown = !collection.is_known() && !collection.ty().is_primitive() && collection.ty() != Type::Dynamic;
        if typed_unknown && !self.condition_could_be(f) {
            return nothing().mark(collection.marks());
        }
        let Some(items) = self.collection(&collection, &f.collection) else { return nothing().mark(collection.marks()) };
        if items.is_empty() && !self.condition_could_be(f) {
            return nothing().mark(collection.marks());
        }
        for (k, v) in &items {
            let before = self.diags.len();
            let depth = self.bind(f.key_var.as_ref(), &f.value_var, k, v);
            self.for_step(f, &mut result, e);
            self.locals.truncate(depth);
            // The same error again for every element helps nobody.
            if self.diags.len() > before {
                return nothing().mark(result.marks);
            }
        }
        if !result.known {
            return nothing().mark(result.marks);
        }
        match f.key {
            None => Value::tuple(result.items),
            Some(_) if f.group => Value::object(result.groups.into_iter().map(|(k, v)| (k, Value::tuple(v))).collect()),
            Some(_) => Value::object(result.attrs.into()),
        }
        .mark(result.marks)
    }

    /// Whether the condition is one, as far as that shows without an element. Its errors are recorded.
    fn condition_could_be(&mut self, f: &ForExpr) -> bool {
        let Some(cond) = &f.cond else { return true };
        let before = self.diags.len();
        let depth = self.bind(f.key_var.as_ref(), &f.value_var, &nothing(), &nothing());
        let c = self.expr(cond);
        if self.diags.len() == before {
            self.condition(&c, cond);
        }
        self.locals.truncate(depth);
        self.diags.len() == before
    }

    fn for_step(&mut self, f: &ForExpr, result: &mut ForResult, e: &Expr) {
        if let Some(cond) = &f.cond {
            let c = self.expr(cond);
            let Some(c) = self.condition(&c, cond) else { return };
            result.marks = result.marks.union(c.marks());
            match c.as_bool() {
                Some(true) => {}
                Some(false) => return,
                None => {
                    result.known = false;
                    return;
                }
            }
        }
        let Some(key_expr) = &f.key else {
            let value = self.expr(&f.value);
            result.items.push(value);
            return;
        };
        let key = self.expr(key_expr);
        result.marks = result.marks.union(key.marks());
        let key_text = if key.is_known() { self.key(&key, key_expr) } else { None };
        let value = self.expr(&f.value);
        let Some(key) = key_text else {
            result.known = false;
            return;
        };
        if f.group {
            result.groups.entry(key).or_default().push(value);
        } else if result.attrs.insert(key.clone(), value).is_some() {
            let shown = if result.marks.is_sensitive() { "One key".to_string() } else { format!("The key {key:?}") };
            self.fail(codes::INVALID_FOR, format!("{shown} comes up twice; put \"...\" after the value to group values by key."), e);
        }
    }

    pub(super) fn template(&mut self, parts: &[TemplatePart]) -> Value {
        if let [TemplatePart::Interp(inner)] = parts {
            return self.expr(inner);
        }
        let before = self.diags.len();
        let mut text = Text::default();
        self.parts(parts, &mut text);
        if self.diags.iter().skip(before).any(|d| d.severity == crate::diag::Severity::Error) {
            return Value::unknown_not_null(Type::String).mark(text.marks);
        }
        if text.unknown {
            let mut prefix = text.known;
            let cut = prefix.char_indices().map(|(i, _)| i).take_while(|i| *i <= MAX_PREFIX).last().filter(|_| prefix.len() > MAX_PREFIX);
            prefix.truncate(cut.unwrap_or(prefix.len()));
            let prefix = if prefix.is_empty() { None } else { Some(Arc::from(prefix)) };
            return Value::unknown_with(Type::String, Refinement { not_null: true, prefix, ..Refinement::default() }).mark(text.marks);
        }
        Value::string(text.known).mark(text.marks)
    }

    fn parts(&mut self, parts: &[TemplatePart], out: &mut Text) {
        for part in parts {
            match part {
                TemplatePart::Literal(s) => out.push(s),
                TemplatePart::Interp(inner) => {
                    let value = self.expr(inner);
                    self.interpolate(&value, out, inner);
                }
                TemplatePart::If { cond, yes, no } => {
                    let c = self.expr(cond);
                    let Some(c) = self.decision(&c, cond) else { continue };
                    out.marks = out.marks.union(c.marks());
                    match c.as_bool() {
                        Some(true) => self.parts(yes, out),
                        Some(false) => self.parts(no, out),
                        None => out.unknown = true,
                    }
                }
                TemplatePart::For { key_var, value_var, collection, body } => {
                    let value = self.expr(collection);
                    out.marks = out.marks.union(value.marks());
                    let Some(items) = self.collection(&value, collection) else {
                        out.unknown = true;
                        continue;
                    };
                    for (k, v) in &items {
                        let depth = self.bind(key_var.as_ref(), value_var, k, v);
                        self.parts(body, out);
                        self.locals.truncate(depth);
                    }
                }
            }
        }
    }

    fn interpolate(&mut self, v: &Value, out: &mut Text, about: &Expr) {
        out.marks = out.marks.union(v.deep_marks());
        if v.is_null() {
            self.fail(codes::INVALID_TEMPLATE, "The value is null, and null cannot be part of a text.", about);
            return;
        }
        if !v.is_known() && !v.ty().is_primitive() {
            out.unknown = true;
            return;
        }
        match convert(v, &Type::String) {
            Ok(s) => match s.repr() {
                Repr::String(s) => out.push(s),
                Repr::Unknown(u) => {
                    if let Some(p) = &u.refinement.prefix {
                        out.push(p);
                    }
                    out.unknown = true;
                }
                _ => {}
            },
            Err(err) => drop(self.fail(codes::INVALID_TEMPLATE, format!("This value cannot be part of a text: {err}."), about)),
        }
    }
}

#[derive(Default)]
struct ForResult {
    items: Vec<Value>,
    attrs: BTreeMap<Arc<str>, Value>,
    groups: BTreeMap<Arc<str>, Vec<Value>>,
    marks: Marks,
    known: bool,
}

impl Text {
    fn push(&mut self, s: &str) {
        if !self.unknown {
            self.known.push_str(s);
        }
    }
}

/// The type of a conditional. A bare null takes the type of the other side.
fn common_type(yes: &Value, no: &Value) -> Option<Type> {
    let bare_null = |v: &Value| matches!(v.repr(), Repr::Null(Type::Dynamic));
    if bare_null(yes) {
        return Some(no.ty());
    }
    if bare_null(no) {
        return Some(yes.ty());
    }
    // What may yet become anything has no type in common with anything.
    if yes.ty() == Type::Dynamic || no.ty() == Type::Dynamic {
        return Some(Type::Dynamic);
    }
    unify(&[yes.ty(), no.ty()])
}

/// One of two values, not known which.
fn either(ty: &Type, yes: &Value, no: &Value) -> Value {
    let not_null = |v: &Value| match v.repr() {
        Repr::Null(_) => false,
        Repr::Unknown(u) => u.refinement.not_null,
        _ => true,
    };
    let lengths = match (yes.repr(), no.repr()) {
        (Repr::List(a), Repr::List(b)) | (Repr::Set(a), Repr::Set(b)) => Some((a.items.len(), b.items.len())),
        (Repr::Map(a), Repr::Map(b)) => Some((a.items.len(), b.items.len())),
        _ => None,
    };
    let same_len = lengths.and_then(|(a, b)| (a == b).then_some(a));
    match (ty, same_len) {
        _ if yes.is_null() && no.is_null() => Value::null(ty.clone()),
        (Type::Dynamic, _) => nothing(),
        // A number between two equal ones is known, and so is the length of collections of one length.
        (Type::Number, _) if yes.as_number().is_some() && yes.as_number() == no.as_number() => yes.clone(),
        (Type::List(elem), Some(len)) => Value::list((**elem).clone(), vec![Value::unknown((**elem).clone()); len]),
        (Type::Set(elem), Some(len @ 0..=1)) => Value::set((**elem).clone(), vec![Value::unknown((**elem).clone()); len]),
        (Type::Map(elem), Some(0)) => Value::map((**elem).clone(), Fields::new()),
        (t, _) if not_null(yes) && not_null(no) => Value::unknown_not_null(t.clone()),
        (t, _) => Value::unknown(t.clone()),
    }
}
