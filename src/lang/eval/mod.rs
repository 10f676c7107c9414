//! The evaluator: expressions to values, with Terraform's semantics.
//!
//! [`eval`] never stops at an error: it records a diagnostic and goes on with an unknown value, so that one run finds several
//! errors and what an error caused stays silent. Names are looked up in a [`Scope`]; files, clock and randomness come
//! through the [`Host`] of the [`EvalContext`]. [`body`] decodes blocks by schema, [`types`] reads type expressions,
//! [`refs`] lists what an expression refers to.

mod access;
pub mod body;
mod call;
mod forms;
pub mod refs;
pub mod types;

pub use refs::{Reference, references};

use std::path::Path;
use std::sync::Arc;

use crate::diag::codes::lang as codes;
use crate::diag::{Code, Diagnostic, Diagnostics, Severity};
use crate::lang::ast::{BinaryOp, Expr, ExprKind, Ident, ObjectItem, Step, UnaryOp};
use crate::lang::host::Host;
use crate::value::convert::convert;
use crate::value::{Marks, Number, Repr, Type, Value, ops};
use crate::words::counted;

/// What a scope found for a reference.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The value.
    pub value: Value,
    /// How many of the steps it stands for: 1 for `var.x`, 2 for `data.type.name`.
    pub consumed: usize,
}

/// Where names are looked up.
pub trait Scope {
    /// The value of a root name with the steps that belong to it.
    ///
    /// # Errors
    /// A diagnostic that says what is not declared; its span may be left to the caller.
    fn lookup(&self, root: &Ident, steps: &[Step]) -> Result<Resolved, Diagnostic>;

    /// The root names that could have been meant.
    fn names(&self) -> Vec<String> {
        vec![]
    }
}

/// A scope in which nothing is declared.
pub struct NoScope;

impl Scope for NoScope {
    fn lookup(&self, root: &Ident, _: &[Step]) -> Result<Resolved, Diagnostic> {
        Err(Diagnostic::error(
            codes::UNDECLARED_REFERENCE,
            format!("Only constants are allowed here: {:?} cannot be referred to.", root.name),
        )
        .at(root.span))
    }
}

/// A scope of plain names over another one: for-each objects, `dynamic` iterators, template variables.
pub struct Names<'a> {
    /// The names with their values.
    pub names: Vec<(Arc<str>, Value)>,
    /// Where all other names are looked up.
    pub outer: &'a dyn Scope,
}

impl Scope for Names<'_> {
    fn lookup(&self, root: &Ident, steps: &[Step]) -> Result<Resolved, Diagnostic> {
        match self.names.iter().rev().find(|(n, _)| *n == root.name) {
            Some((_, v)) => Ok(Resolved { value: v.clone(), consumed: 0 }),
            None => self.outer.lookup(root, steps),
        }
    }

    fn names(&self) -> Vec<String> {
        self.names.iter().map(|(n, _)| n.to_string()).chain(self.outer.names()).collect()
    }
}

/// How many levels of lists and objects a value may have: as many as Terraform's `jsondecode` takes. Whatever walks through values does so by
/// calling itself, and the command line gives it a stack for so many.
pub const MAX_LEVELS: usize = 10_000;

/// What evaluation may use of its surroundings.
#[derive(Clone, Copy)]
pub struct EvalContext<'a> {
    /// Files, clock, randomness.
    pub host: &'a dyn Host,
    /// The folder of the module that the expression is written in.
    pub module_dir: &'a Path,
    /// The folder of the root module.
    pub root_dir: &'a Path,
    /// How many templates we are inside of.
    template_depth: u32,
    /// Whether functions may be called.
    calls: bool,
}

impl<'a> EvalContext<'a> {
    /// A context.
    pub fn new(host: &'a dyn Host, module_dir: &'a Path, root_dir: &'a Path) -> Self {
        EvalContext { host, module_dir, root_dir, template_depth: 0, calls: true }
    }

    /// The same for constants, which call no functions.
    pub fn constants(&self) -> Self {
        EvalContext { calls: false, ..*self }
    }
}

/// Evaluates an expression. Where that fails, diagnostics are pushed, and the result is unknown and marked as failed.
pub fn eval(expr: &Expr, scope: &dyn Scope, cx: &EvalContext<'_>, diags: &mut Diagnostics) -> Value {
    let before = diags.len();
    let mut evaluation = Eval { scope, cx, diags, locals: Vec::new(), quiet: false, infinite: false, divided: false };
    let value = evaluation.expr(expr);
    // Something may be calculated with infinity, but neither JSON nor any argument can hold it.
    let value = match evaluation.infinite && is_infinite(&value) {
        true if evaluation.divided => {
            evaluation.fail(codes::DIVISION_BY_ZERO, "Dividing by zero makes the result infinite, which no value can hold.", expr)
        }
        true => evaluation.fail(codes::INFINITE, "The result is larger than any number that a value can hold.", expr),
        false => value,
    };
    let value = match value.levels() > MAX_LEVELS {
        true => {
            let what = format!(
                "The value has {} levels of lists and objects inside each other; at most {MAX_LEVELS} are possible.",
                value.levels()
            );
            evaluation.fail(codes::NESTING, what, expr)
        }
        false => value,
    };
    let failed = diags.iter().skip(before).any(|d| d.severity == Severity::Error);
    if failed { value.mark(Marks::FAILED) } else { value }
}

/// Whether it is, or contains, an infinite number.
fn is_infinite(v: &Value) -> bool {
    let any = |items: &[Value]| items.iter().any(is_infinite);
    v.as_number().is_some_and(Number::is_infinite)
        || v.as_slice().is_some_and(any)
        || v.as_map().is_some_and(|entries| entries.values().any(is_infinite))
}

/// The references in an expression with their values, masked and short, for a diagnostic about it.
pub fn values_in(expr: &Expr, scope: &dyn Scope, cx: &EvalContext<'_>) -> Vec<(String, String)> {
    Eval { scope, cx, diags: &mut Diagnostics::new(), locals: Vec::new(), quiet: true, infinite: false, divided: false }.values_in(expr)
}

/// One evaluation: the scope, what was found wrong, and the variables of the for-expressions around.
struct Eval<'a> {
    scope: &'a dyn Scope,
    cx: &'a EvalContext<'a>,
    diags: &'a mut Diagnostics,
    locals: Vec<(Arc<str>, Value)>,
    /// While values for a diagnostic are collected, no further ones are.
    quiet: bool,
    /// Whether there was an infinite number on the way.
    infinite: bool,
    /// Whether a division by zero made it.
    divided: bool,
}

/// What stands for a value that could not be computed.
fn nothing() -> Value {
    Value::unknown(Type::Dynamic)
}

impl Eval<'_> {
    fn expr(&mut self, e: &Expr) -> Value {
        match &*e.kind {
            ExprKind::Null => Value::null_dynamic(),
            ExprKind::Bool(b) => Value::from(*b),
            ExprKind::Number(n) => Value::from(n.clone()),
            ExprKind::String(s) => Value::string(s),
            ExprKind::Template(parts) => self.template(parts),
            ExprKind::Tuple(items) => Value::tuple(items.iter().map(|i| self.expr(i)).collect()),
            ExprKind::Object(items) => self.object(items),
            ExprKind::Paren(inner) => self.expr(inner),
            ExprKind::Traversal { root, steps } => self.traversal(root, steps, e),
            ExprKind::Access { on, steps } => {
                let value = self.expr(on);
                self.steps(value, steps, e)
            }
            ExprKind::Conditional { cond, yes, no } => self.conditional(cond, yes, no, e),
            ExprKind::Call { name, args, expand } => self.call(name, args, *expand, e),
            ExprKind::Unary(op, operand) => self.unary(*op, operand),
            ExprKind::Binary(op, a, b) => self.binary(*op, a, b, e),
            ExprKind::For(f) => self.for_expr(f, e),
        }
    }

    /// Evaluates apart: the diagnostics are returned instead of recorded.
    fn apart(&mut self, e: &Expr) -> (Value, Diagnostics) {
        let mut diags = Diagnostics::new();
        let locals = std::mem::take(&mut self.locals);
        let mut inner =
            Eval { scope: self.scope, cx: self.cx, diags: &mut diags, locals, quiet: self.quiet, infinite: false, divided: false };
        let value = inner.expr(e);
        self.locals = std::mem::take(&mut inner.locals);
        self.infinite |= inner.infinite;
        self.divided |= inner.divided;
        (value, diags)
    }

    /// Records an error about an expression, with the values of the references in it.
    fn fail(&mut self, code: Code, detail: impl Into<String>, about: &Expr) -> Value {
        let d = Diagnostic::error(code, detail.into()).at(about.span);
        self.fail_with(d, about)
    }

    fn fail_with(&mut self, mut d: Diagnostic, about: &Expr) -> Value {
        if !self.quiet {
            self.quiet = true;
            d.values.extend(self.values_in(about));
            self.quiet = false;
        }
        self.diags.push(d);
        nothing()
    }

    /// The references in an expression with their values, masked and short.
    fn values_in(&mut self, e: &Expr) -> Vec<(String, String)> {
        let mut out: Vec<(String, String)> = Vec::new();
        for r in refs::all(e) {
            let text = r.to_string();
            if out.len() == 8 || out.iter().any(|(t, _)| *t == text) {
                continue;
            }
            let (value, diags) = self.apart(&r.as_expr());
            if !diags.has_errors() {
                out.push((text, summary(&value)));
            } else if let Some(found) = self.before_failing(r).filter(|found| !out.contains(found)) {
                out.push(found);
            }
        }
        out
    }

    /// The part of a reference that has a value, where that has no parts itself: what an object holds, the hint tells.
    fn before_failing(&mut self, mut r: refs::Reference) -> Option<(String, String)> {
        while r.steps.len() > 1 {
            r.steps.pop();
            let (value, diags) = self.apart(&r.as_expr());
            if !diags.has_errors() {
                let simple = matches!(value.ty(), Type::String | Type::Number | Type::Bool) || value.is_null();
                return simple.then(|| (r.to_string(), summary(&value)));
            }
        }
        None
    }

    fn traversal(&mut self, root: &Ident, steps: &[Step], e: &Expr) -> Value {
        if let Some((_, v)) = self.locals.iter().rev().find(|(n, _)| *n == root.name) {
            let value = v.clone();
            return self.steps(value, steps, e);
        }
        match self.scope.lookup(root, steps) {
            Ok(r) => self.steps(r.value, steps.get(r.consumed..).unwrap_or(&[]), e),
            Err(d) => {
                self.diags.push(d.at(e.span));
                nothing()
            }
        }
    }

    fn object(&mut self, items: &[ObjectItem]) -> Value {
        let mut attrs = std::collections::BTreeMap::new();
        let (mut known, mut marks) = (true, Marks::NONE);
        for item in items {
            let key = match &*item.key.kind {
                ExprKind::Traversal { root, steps } if !steps.is_empty() => self.ambiguous_key(root, &item.key),
                _ => self.expr(&item.key),
            };
            let value = self.expr(&item.value);
            marks = marks.union(key.marks());
            match self.key(&key, &item.key) {
                Some(k) => drop(attrs.insert(k, value)),
                None => known = false,
            }
        }
        if known { Value::object(attrs.into()).mark(marks) } else { nothing().mark(marks) }
    }

    fn ambiguous_key(&mut self, root: &Ident, key: &Expr) -> Value {
        let detail = "If this is to be a reference, put it in parentheses; if it is to be text, in quotes";
        self.fail(codes::INVALID_KEY, format!("The key is ambiguous. {detail}: {:?}.", root.name), key)
    }

    /// An object key as text; `None` (with a diagnostic where it is an error) if it is unknown.
    fn key(&mut self, key: &Value, about: &Expr) -> Option<Arc<str>> {
        if key.is_null() {
            self.fail(codes::INVALID_KEY, "A null value cannot be used as a key.", about);
            return None;
        }
        match convert(key, &Type::String) {
            Ok(v) => match v.repr() {
                Repr::String(s) => Some(s.clone()),
                _ => None,
            },
            Err(e) => {
                self.fail(codes::INVALID_KEY, format!("This value cannot be used as a key: {e}."), about);
                None
            }
        }
    }

    fn unary(&mut self, op: UnaryOp, operand: &Expr) -> Value {
        let value = self.expr(operand);
        let ty = if op == UnaryOp::Neg { Type::Number } else { Type::Bool };
        let Some(v) = self.operand(&value, ty.clone(), "operand", operand) else { return nothing() };
        let result = match v.repr() {
            Repr::Number(n) => Value::from(n.neg()),
            Repr::Bool(b) => Value::from(!b),
            _ => Value::unknown_not_null(ty),
        };
        result.mark(v.marks())
    }

    /// An operand converted to what the operator needs; an error where it cannot be or is null.
    fn operand(&mut self, v: &Value, ty: Type, side: &str, about: &Expr) -> Option<Value> {
        if v.is_null() {
            self.fail(codes::INVALID_OPERAND, format!("The {side} is null, but a {ty} is required."), about);
            return None;
        }
        match convert(v, &ty) {
            Ok(v) => Some(v),
            Err(e) => {
                self.fail(codes::INVALID_OPERAND, format!("Unsuitable value for the {side}: {e}."), about);
                None
            }
        }
    }

    fn binary(&mut self, op: BinaryOp, a: &Expr, b: &Expr, e: &Expr) -> Value {
        match op {
            BinaryOp::And => self.logic(false, a, b),
            BinaryOp::Or => self.logic(true, a, b),
            BinaryOp::Eq | BinaryOp::Ne => {
                let (x, y) = (self.expr(a), self.expr(b));
                let eq = ops::equals(&x, &y);
                match eq.as_bool() {
                    Some(b) if op == BinaryOp::Ne => Value::from(!b).mark(eq.marks()),
                    _ => eq,
                }
            }
            _ => {
                let (x, y) = (self.expr(a), self.expr(b));
                let x = self.operand(&x, Type::Number, "left operand", a);
                let y = self.operand(&y, Type::Number, "right operand", b);
                match (x, y) {
                    (Some(x), Some(y)) => self.numeric(op, &x, &y, e),
                    _ => nothing(),
                }
            }
        }
    }

    fn numeric(&mut self, op: BinaryOp, x: &Value, y: &Value, e: &Expr) -> Value {
        let marks = x.marks().union(y.marks());
        let comparison = matches!(op, BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge);
        let (Some(a), Some(b)) = (x.as_number(), y.as_number()) else {
            return Value::unknown_not_null(if comparison { Type::Bool } else { Type::Number }).mark(marks);
        };
        match arithmetic(op, a, b) {
            Some(v) => {
                self.infinite |= is_infinite(&v);
                self.divided |= op == BinaryOp::Div && b.is_zero();
                v.mark(marks)
            }
            None => {
                let what =
                    if op == BinaryOp::Div { "Zero divided by zero, or infinity by infinity," } else { "This calculation with infinity" };
                self.fail(codes::DIVISION_BY_ZERO, format!("{what} has no result."), e)
            }
        }
    }

    /// `&&` (decided by false) or `||` (decided by true). The right side counts only where the left does not decide.
    fn logic(&mut self, decides: bool, a: &Expr, b: &Expr) -> Value {
        let left = self.expr(a);
        let Some(x) = self.operand(&left, Type::Bool, "left operand", a) else { return nothing() };
        if x.as_bool() == Some(decides) {
            return x;
        }
        let right = self.expr(b);
        let Some(y) = self.operand(&right, Type::Bool, "right operand", b) else { return nothing() };
        let marks = x.marks().union(y.marks());
        match (x.as_bool(), y.as_bool()) {
            (_, Some(y)) if y == decides => Value::from(decides).mark(marks),
            (Some(_), Some(y)) => Value::from(y).mark(marks),
            _ => Value::unknown_not_null(Type::Bool).mark(marks),
        }
    }
}

/// The result of an operator on two numbers; `None` where there is none, as for zero by zero.
fn arithmetic(op: BinaryOp, a: &Number, b: &Number) -> Option<Value> {
    let none = match op {
        BinaryOp::Add => a.is_infinite() && b.is_infinite() && a != b,
        BinaryOp::Sub => a.is_infinite() && a == b,
        BinaryOp::Mul => a.is_infinite() && b.is_zero() || a.is_zero() && b.is_infinite(),
        BinaryOp::Mod => a.is_infinite() || b.is_infinite(),
        _ => false,
    };
    if none {
        return None;
    }
    Some(match op {
        BinaryOp::Add => a.add(b).into(),
        BinaryOp::Sub => a.sub(b).into(),
        BinaryOp::Mul => a.mul(b).into(),
        BinaryOp::Div => a.div(b)?.into(),
        BinaryOp::Mod => a.rem(b).into(),
        BinaryOp::Lt => (a < b).into(),
        BinaryOp::Le => (a <= b).into(),
        BinaryOp::Gt => (a > b).into(),
        BinaryOp::Ge => (a >= b).into(),
        BinaryOp::Eq | BinaryOp::Ne | BinaryOp::And | BinaryOp::Or => return None,
    })
}

/// A value in a few words, for the list of values under a diagnostic.
fn summary(v: &Value) -> String {
    if let (Some(_), Some(n)) = (v.origin(), v.len()) {
        return format!("an object with {}", counted(n, "attribute"));
    }
    let shown = v.to_string();
    if shown.chars().count() <= 60 || v.marks().is_sensitive() {
        return shown;
    }
    match v.len() {
        Some(n) => format!("{} with {}", crate::value::convert::kind(&v.ty()), counted(n, "element")),
        None => shown.chars().take(57).chain("...".chars()).collect(),
    }
}
