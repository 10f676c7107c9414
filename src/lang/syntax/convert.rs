//! From hcl-edit's tree to ours.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use hcl_edit::expr::{self as hcl, Expression, ObjectKey, TraversalOperator};
use hcl_edit::structure::{BlockLabel, Body as HclBody, Structure};
use hcl_edit::{Decorated, Span as _};

use super::scan::{self, Form};
use super::template::Mode;
use super::{syntax_error, template_expr};
use crate::diag::codes::lang::SYNTAX;
use crate::diag::{Diagnostic, Diagnostics, SourceId, Span};
use crate::lang::ast::{Attr, BinaryOp, Block, Body, Expr, ExprKind, ForExpr, Ident, ObjectItem, Step, UnaryOp};
use crate::value::{Number, Repr, Value};

/// What the conversion works with: the source text, and the problems found.
pub struct Context<'a> {
    text: &'a str,
    source: SourceId,
    shift: usize,
    parts: HashMap<usize, Range<usize>>,
    diags: Diagnostics,
}

impl<'a> Context<'a> {
    /// For this text, of which the parser has not seen these parts.
    pub fn new(text: &'a str, source: SourceId, parts: HashMap<usize, Range<usize>>) -> Self {
        Context { text, source, shift: 0, parts, diags: Diagnostics::new() }
    }

    /// Says that the parser saw the text from this byte on.
    pub fn shifted(&mut self, by: usize) -> &mut Self {
        self.shift = by;
        self.parts = self.parts.drain().map(|(at, r)| (at - by, r.start - by..r.end - by)).collect();
        self
    }

    /// The problems found.
    pub fn into_diagnostics(self) -> Diagnostics {
        self.diags
    }

    /// A place in the parsed text.
    pub fn span(&self, range: Option<Range<usize>>) -> Span {
        let r = range.unwrap_or(0..0);
        Span { source: self.source, start: (r.start + self.shift) as u32, end: (r.end + self.shift) as u32 }
    }

    /// The source text of a range.
    pub fn slice(&self, range: Range<usize>) -> Option<&'a str> {
        self.text.get(range.start + self.shift..range.end + self.shift)
    }

    /// Records a problem.
    pub fn error(&mut self, detail: impl Into<String>, range: Option<Range<usize>>) {
        let span = self.span(range);
        self.diags.push(Diagnostic::error(SYNTAX, detail.into()).at(span));
    }

    /// An identifier.
    pub fn ident(&self, i: &Decorated<hcl_edit::Ident>) -> Ident {
        Ident { name: i.value().as_str().into(), span: self.span(i.span()) }
    }

    /// The part that starts here and is to be parsed by itself.
    fn part(&self, range: Option<Range<usize>>) -> Option<Range<usize>> {
        self.parts.get(&range?.start).cloned()
    }

    fn parse_part(&mut self, range: Range<usize>) -> Expr {
        let span = self.span(Some(range.clone()));
        let text = self.slice(range.clone()).unwrap_or_default();
        if text.starts_with("<<") {
            return Expr { kind: Arc::new(ExprKind::String("".into())), span };
        }
        let start = range.start + self.shift;
        let parsed = scan::check(text, self.source, Form::Expr).and_then(|hidden| {
            let parsed = hcl_edit::parser::parse_expr(&hidden.apply(text)).map_err(|e| syntax_error(&e, text, self.source));
            parsed.map(|e| (e, hidden.into_parts()))
        });
        match parsed {
            Ok((e, parts)) => {
                let outer = (std::mem::replace(&mut self.shift, start), std::mem::replace(&mut self.parts, parts));
                let expr = self.expr(&e);
                (self.shift, self.parts) = outer;
                expr
            }
            Err(mut d) => {
                if let Some(s) = &mut d.span {
                    (s.start, s.end) = (s.start + start as u32, s.end + start as u32);
                }
                self.diags.push(d);
                Expr { kind: Arc::new(ExprKind::Null), span }
            }
        }
    }

    /// A body.
    pub fn body(&mut self, b: &HclBody, range: Range<usize>) -> Body {
        let mut body = Body { attrs: vec![], blocks: vec![], span: self.span(Some(range)) };
        for s in b.iter() {
            match s {
                Structure::Attribute(a) => {
                    let name = self.ident(&a.key);
                    let expr = self.expr(&a.value);
                    body.attrs.push(Attr { name, expr });
                }
                Structure::Block(b) => {
                    let kind = self.ident(&b.ident);
                    let labels: Vec<Ident> = b.labels.iter().map(|l| self.label(l)).collect();
                    let span = labels.last().map_or(kind.span, |l| kind.span.to(l.span));
                    let range = b.span().unwrap_or(0..0);
                    let inner = self.body(&b.body, range);
                    body.blocks.push(Block { kind, labels, body: inner, span });
                }
            }
        }
        body
    }

    fn label(&mut self, l: &BlockLabel) -> Ident {
        match l {
            BlockLabel::Ident(i) => self.ident(i),
            BlockLabel::String(s) => Ident { name: s.value().as_str().into(), span: self.span(s.span()) },
        }
    }

    /// An expression.
    pub fn expr(&mut self, e: &Expression) -> Expr {
        let range = e.span();
        let span = self.span(range.clone());
        if let Expression::Variable(v) = e
            && let Some(part) = self.part(v.span())
        {
            return self.parse_part(part);
        }
        let kind = match e {
            Expression::Null(_) => ExprKind::Null,
            Expression::Bool(b) => ExprKind::Bool(*b.value()),
            Expression::Number(_) => self.number(range),
            Expression::String(s) => string(s.value()),
            Expression::Array(_) | Expression::Object(_) if self.begins_with_for(range.clone()) => {
                self.error("A \"for\" at the start begins a for expression: for NAME in COLLECTION : VALUE.".to_string(), range);
                ExprKind::Null
            }
            Expression::Array(a) => ExprKind::Tuple(a.iter().map(|e| self.expr(e)).collect()),
            Expression::Object(o) => ExprKind::Object(o.iter().map(|(k, v)| self.item(k, v)).collect()),
            Expression::StringTemplate(t) => {
                let parts = self.template(t, Mode::Quoted);
                return template_expr(parts, span);
            }
            Expression::HeredocTemplate(h) => {
                let flush = range.and_then(|r| self.slice(r)).is_some_and(|s| s.starts_with("<<-"));
                let parts = self.template(&h.template, Mode::Heredoc { flush });
                return template_expr(parts, span);
            }
            Expression::Parenthesis(p) => ExprKind::Paren(self.expr(p.inner())),
            Expression::Variable(v) => ExprKind::Traversal { root: Ident { name: v.value().as_str().into(), span }, steps: vec![] },
            Expression::Conditional(c) => {
                ExprKind::Conditional { cond: self.expr(&c.cond_expr), yes: self.expr(&c.true_expr), no: self.expr(&c.false_expr) }
            }
            Expression::FuncCall(f) => self.call(f),
            Expression::Traversal(t) => match t.expr.span().and_then(|r| self.slice(r)) {
                // The minus is of the whole, not of the number: -7[0] is -(7[0]).
                Some(number) if number.starts_with('-') && matches!(t.expr, Expression::Number(_)) => {
                    let mut inner = self.traversal(t, span);
                    if let ExprKind::Access { on, .. } = &mut inner {
                        let positive = match &*on.kind {
                            ExprKind::Number(n) => ExprKind::Number(n.neg()),
                            other => other.clone(),
                        };
                        on.kind = Arc::new(positive);
                    }
                    ExprKind::Unary(UnaryOp::Neg, Expr { kind: Arc::new(inner), span })
                }
                _ => self.traversal(t, span),
            },
            Expression::UnaryOp(u) => {
                let op = match u.operator.value() {
                    hcl::UnaryOperator::Neg => UnaryOp::Neg,
                    hcl::UnaryOperator::Not => UnaryOp::Not,
                };
                ExprKind::Unary(op, self.expr(&u.expr))
            }
            Expression::BinaryOp(b) => ExprKind::Binary(binary(*b.operator.value()), self.expr(&b.lhs_expr), self.expr(&b.rhs_expr)),
            Expression::ForExpr(f) => self.for_expr(f),
        };
        Expr { kind: Arc::new(kind), span }
    }

    /// Whether the first word inside the brackets is `for`.
    fn begins_with_for(&self, range: Option<Range<usize>>) -> bool {
        let inside = range.and_then(|r| self.slice(r)).and_then(|s| s.get(1..)).unwrap_or_default().trim_start();
        inside.strip_prefix("for").is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-')))
    }

    fn number(&mut self, range: Option<Range<usize>>) -> ExprKind {
        let text: String = range.clone().and_then(|r| self.slice(r)).unwrap_or("").chars().filter(|c| !c.is_whitespace()).collect();
        match Number::parse(&text) {
            Some(n) => ExprKind::Number(n),
            None => {
                self.error(format!("{text:?} is not a number that can be represented."), range);
                ExprKind::Null
            }
        }
    }

    fn item(&mut self, k: &ObjectKey, v: &hcl::ObjectValue) -> ObjectItem {
        let key = match k {
            ObjectKey::Ident(i) if self.part(i.span()).is_some() => self.hidden_key(i.span()),
            ObjectKey::Ident(i) => {
                let i = self.ident(i);
                Expr { span: i.span, kind: Arc::new(ExprKind::String(i.name)) }
            }
            // A number, bool or null as a key is its text.
            ObjectKey::Expression(e @ (Expression::Null(_) | Expression::Bool(_))) => {
                let text = e.span().and_then(|r| self.slice(r)).unwrap_or("");
                Expr { span: self.span(e.span()), kind: Arc::new(ExprKind::String(text.into())) }
            }
            ObjectKey::Expression(e) => self.expr(e),
        };
        ObjectItem { key, value: self.expr(v.expr()) }
    }

    /// A key that the parser saw under another name.
    fn hidden_key(&mut self, range: Option<Range<usize>>) -> Expr {
        let range = self.part(range).unwrap_or(0..0);
        let text = self.slice(range.clone()).unwrap_or_default();
        let mut chars = text.chars();
        let starts = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
        if starts && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-') || !c.is_ascii()) {
            return Expr { kind: Arc::new(ExprKind::String(text.into())), span: self.span(Some(range)) };
        }
        self.parse_part(range)
    }

    fn call(&mut self, f: &hcl::FuncCall) -> ExprKind {
        let mut name = String::new();
        for n in &f.name.namespace {
            name.push_str(n.value().as_str());
            name.push_str("::");
        }
        name.push_str(f.name.name.value().as_str());
        let first = f.name.namespace.first().unwrap_or(&f.name.name).span();
        let span = self.span(first).to(self.span(f.name.name.span()));
        ExprKind::Call {
            name: Ident { name: name.into(), span },
            args: f.args.iter().map(|e| self.expr(e)).collect(),
            expand: f.args.expand_final(),
        }
    }

    fn traversal(&mut self, t: &hcl::Traversal, whole: Span) -> ExprKind {
        let steps: Vec<Step> = t.operators.iter().map(|o| self.step(o, whole)).collect();
        let legacy = |o: &Decorated<TraversalOperator>| matches!(o.value(), TraversalOperator::LegacyIndex(_));
        if t.operators.windows(2).any(|w| legacy(&w[0]) && legacy(&w[1])) {
            let d = Diagnostic::error(SYNTAX, "Two legacy indices in a row read as a fraction.").at(whole);
            self.diags.push(d.hint("Write [0][1] instead of .0.1."));
        }
        let until_full = steps.iter().take_while(|s| !matches!(s, Step::FullSplat(_)));
        if until_full.filter(|s| matches!(s, Step::AttrSplat(_))).count() > 1 {
            let d = Diagnostic::error(SYNTAX, "A splat with a dot cannot be inside another one.").at(whole);
            self.diags.push(d.hint("Use [*] for the inner one."));
        }
        if let Expression::Variable(v) = &t.expr
            && self.part(v.span()).is_none()
        {
            return ExprKind::Traversal { root: Ident { name: v.value().as_str().into(), span: self.span(v.span()) }, steps };
        }
        ExprKind::Access { on: self.expr(&t.expr), steps }
    }

    fn step(&mut self, o: &Decorated<TraversalOperator>, whole: Span) -> Step {
        let span = o.span().map_or(whole, |r| self.span(Some(r)));
        match o.value() {
            TraversalOperator::AttrSplat(_) => Step::AttrSplat(span),
            TraversalOperator::FullSplat(_) => Step::FullSplat(span),
            TraversalOperator::GetAttr(i) => Step::Attr(self.ident(i)),
            TraversalOperator::Index(e) => Step::Index(self.expr(e)),
            TraversalOperator::LegacyIndex(n) => Step::Attr(Ident { name: n.value().to_string().into(), span }),
        }
    }

    fn for_expr(&mut self, f: &hcl::ForExpr) -> ExprKind {
        ExprKind::For(ForExpr {
            key_var: f.intro.key_var.as_ref().map(|k| self.ident(k)),
            value_var: self.ident(&f.intro.value_var),
            collection: self.expr(&f.intro.collection_expr),
            key: f.key_expr.as_ref().map(|e| self.expr(e)),
            value: self.expr(&f.value_expr),
            group: f.grouping,
            cond: f.cond.as_ref().map(|c| self.expr(&c.expr)),
        })
    }
}

/// A string literal, in the form that values have.
fn string(s: &str) -> ExprKind {
    match Value::string(s).repr() {
        Repr::String(s) => ExprKind::String(s.clone()),
        _ => ExprKind::Null,
    }
}

fn binary(op: hcl::BinaryOperator) -> BinaryOp {
    use hcl::BinaryOperator as H;
    match op {
        H::Plus => BinaryOp::Add,
        H::Minus => BinaryOp::Sub,
        H::Mul => BinaryOp::Mul,
        H::Div => BinaryOp::Div,
        H::Mod => BinaryOp::Mod,
        H::Eq => BinaryOp::Eq,
        H::NotEq => BinaryOp::Ne,
        H::Less => BinaryOp::Lt,
        H::LessEq => BinaryOp::Le,
        H::Greater => BinaryOp::Gt,
        H::GreaterEq => BinaryOp::Ge,
        H::And => BinaryOp::And,
        H::Or => BinaryOp::Or,
    }
}
