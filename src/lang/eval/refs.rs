//! What an expression refers to: for the graph, and for the values under a diagnostic.

use std::fmt;
use std::sync::Arc;

use crate::diag::Span;
use crate::lang::ast::{Expr, ExprKind, Ident, Step, TemplatePart};

/// One reference: a root name and the steps after it that are constant.
#[derive(Clone, Debug)]
pub struct Reference {
    /// The root name.
    pub root: Ident,
    /// The leading steps that need no evaluation: attributes, and indices by a literal.
    pub steps: Vec<Step>,
    /// The first attribute after a name, whatever index or splat stands between: the output that `module.a[each.key].out` means.
    pub second: Option<Ident>,
    /// The first index, whatever it is made of, and how many steps stand before it: the `each.key` of `kafka_topic.t[each.key]`.
    pub index: Option<(usize, Expr)>,
    /// The whole traversal.
    pub span: Span,
}

impl Reference {
    /// As an expression.
    pub fn as_expr(&self) -> Expr {
        Expr { kind: Arc::new(ExprKind::Traversal { root: self.root.clone(), steps: self.steps.clone() }), span: self.span }
    }

    /// The names of the leading attribute steps: `["orders", "name"]`.
    pub fn names(&self) -> Vec<&str> {
        self.steps.iter().map_while(|s| if let Step::Attr(i) = s { Some(&*i.name) } else { None }).collect()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root.name)?;
        for s in &self.steps {
            match s {
                Step::Attr(i) => write!(f, ".{}", i.name)?,
                Step::Index(e) => match &*e.kind {
                    ExprKind::String(s) => write!(f, "[{}]", crate::addr::quote(s))?,
                    ExprKind::Number(n) => write!(f, "[{n}]")?,
                    _ => {}
                },
                Step::AttrSplat(_) | Step::FullSplat(_) => {}
            }
        }
        Ok(())
    }
}

/// Everything outside the expression that it refers to (variables of for-expressions are not).
pub fn references(e: &Expr) -> Vec<Reference> {
    let mut walk = Walk { out: vec![], bound: vec![], all: false };
    walk.expr(e);
    walk.out
}

/// Every traversal, variables of for-expressions around the expression included.
pub(super) fn all(e: &Expr) -> Vec<Reference> {
    let mut walk = Walk { out: vec![], bound: vec![], all: true };
    walk.expr(e);
    walk.out
}

struct Walk {
    out: Vec<Reference>,
    bound: Vec<Arc<str>>,
    all: bool,
}

impl Walk {
    fn expr(&mut self, e: &Expr) {
        match &*e.kind {
            ExprKind::Null | ExprKind::Bool(_) | ExprKind::Number(_) | ExprKind::String(_) => {}
            ExprKind::Template(parts) => self.parts(parts),
            ExprKind::Tuple(items) => items.iter().for_each(|i| self.expr(i)),
            ExprKind::Object(items) => items.iter().for_each(|i| {
                self.expr(&i.key);
                self.expr(&i.value);
            }),
            ExprKind::Paren(i) | ExprKind::Unary(_, i) => self.expr(i),
            ExprKind::Traversal { root, steps } => self.traversal(root, steps, e.span),
            ExprKind::Access { on, steps } => {
                self.expr(on);
                self.steps(steps);
            }
            ExprKind::Conditional { cond, yes, no } => [cond, yes, no].into_iter().for_each(|e| self.expr(e)),
            ExprKind::Call { args, .. } => args.iter().for_each(|a| self.expr(a)),
            ExprKind::Binary(_, a, b) => [a, b].into_iter().for_each(|e| self.expr(e)),
            ExprKind::For(f) => {
                self.expr(&f.collection);
                self.within(f.key_var.as_ref(), &f.value_var, |walk| {
                    f.key.iter().chain([&f.value]).chain(&f.cond).for_each(|e| walk.expr(e));
                });
            }
        }
    }

    fn within(&mut self, key: Option<&Ident>, value: &Ident, run: impl FnOnce(&mut Self)) {
        let depth = self.bound.len();
        self.bound.extend(key.map(|k| k.name.clone()));
        self.bound.push(value.name.clone());
        run(self);
        self.bound.truncate(depth);
    }

    fn traversal(&mut self, root: &Ident, steps: &[Step], span: Span) {
        if self.all || !self.bound.contains(&root.name) {
            let constant = steps.iter().take_while(|s| match s {
                Step::Attr(_) => true,
                Step::Index(e) => matches!(&*e.kind, ExprKind::String(_) | ExprKind::Number(_)),
                Step::AttrSplat(_) | Step::FullSplat(_) => false,
            });
            let mut named = steps.iter().filter_map(|s| if let Step::Attr(i) = s { Some(i) } else { None });
            let second = named.nth(1).cloned();
            let index = steps.iter().enumerate().find_map(|(i, s)| if let Step::Index(e) = s { Some((i, e.clone())) } else { None });
            self.out.push(Reference { root: root.clone(), steps: constant.cloned().collect(), second, index, span });
        }
        self.steps(steps);
    }

    fn steps(&mut self, steps: &[Step]) {
        for s in steps {
            if let Step::Index(e) = s {
                self.expr(e);
            }
        }
    }

    fn parts(&mut self, parts: &[TemplatePart]) {
        for p in parts {
            match p {
                TemplatePart::Literal(_) => {}
                TemplatePart::Interp(e) => self.expr(e),
                TemplatePart::If { cond, yes, no } => {
                    self.expr(cond);
                    self.parts(yes);
                    self.parts(no);
                }
                TemplatePart::For { key_var, value_var, collection, body } => {
                    self.expr(collection);
                    self.within(key_var.as_ref(), value_var, |walk| walk.parts(body));
                }
            }
        }
    }
}
