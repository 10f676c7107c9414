//! Moves the spans of an expression that was parsed out of another text's string.

use crate::diag::Span;
use crate::lang::ast::{Expr, ExprKind, ForExpr, Ident, ObjectItem, Step, TemplatePart};

/// The expression with every span mapped.
pub(super) fn respan(expr: &Expr, map: &dyn Fn(Span) -> Span) -> Expr {
    use ExprKind as K;
    let e = |x: &Expr| respan(x, map);
    let all = |xs: &[Expr]| xs.iter().map(e).collect::<Vec<_>>();
    let kind = match &*expr.kind {
        K::Null | K::Bool(_) | K::Number(_) | K::String(_) => (*expr.kind).clone(),
        K::Template(parts) => K::Template(template(parts, map)),
        K::Tuple(items) => K::Tuple(all(items)),
        K::Object(items) => K::Object(items.iter().map(|i| ObjectItem { key: e(&i.key), value: e(&i.value) }).collect()),
        K::Paren(inner) => K::Paren(e(inner)),
        K::Traversal { root, steps } => K::Traversal { root: ident(root, map), steps: steps_of(steps, map) },
        K::Access { on, steps } => K::Access { on: e(on), steps: steps_of(steps, map) },
        K::Conditional { cond, yes, no } => K::Conditional { cond: e(cond), yes: e(yes), no: e(no) },
        K::Call { name, args, expand } => K::Call { name: ident(name, map), args: all(args), expand: *expand },
        K::Unary(op, x) => K::Unary(*op, e(x)),
        K::Binary(op, a, b) => K::Binary(*op, e(a), e(b)),
        K::For(f) => K::For(ForExpr {
            key_var: f.key_var.as_ref().map(|i| ident(i, map)),
            value_var: ident(&f.value_var, map),
            collection: e(&f.collection),
            key: f.key.as_ref().map(e),
            value: e(&f.value),
            group: f.group,
            cond: f.cond.as_ref().map(e),
        }),
    };
    Expr { kind: kind.into(), span: map(expr.span) }
}

fn ident(i: &Ident, map: &dyn Fn(Span) -> Span) -> Ident {
    Ident { name: i.name.clone(), span: map(i.span) }
}

fn steps_of(steps: &[Step], map: &dyn Fn(Span) -> Span) -> Vec<Step> {
    let one = |s: &Step| match s {
        Step::Attr(i) => Step::Attr(ident(i, map)),
        Step::Index(e) => Step::Index(respan(e, map)),
        Step::AttrSplat(s) => Step::AttrSplat(map(*s)),
        Step::FullSplat(s) => Step::FullSplat(map(*s)),
    };
    steps.iter().map(one).collect()
}

fn template(parts: &[TemplatePart], map: &dyn Fn(Span) -> Span) -> Vec<TemplatePart> {
    let one = |p: &TemplatePart| match p {
        TemplatePart::Literal(s) => TemplatePart::Literal(s.clone()),
        TemplatePart::Interp(e) => TemplatePart::Interp(respan(e, map)),
        TemplatePart::If { cond, yes, no } => TemplatePart::If { cond: respan(cond, map), yes: template(yes, map), no: template(no, map) },
        TemplatePart::For { key_var, value_var, collection, body } => TemplatePart::For {
            key_var: key_var.as_ref().map(|i| ident(i, map)),
            value_var: ident(value_var, map),
            collection: respan(collection, map),
            body: template(body, map),
        },
    };
    parts.iter().map(one).collect()
}
