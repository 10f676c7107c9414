//! Takes the arguments and nested blocks of one block apart, and complains about what is left.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diag::codes::config::*;
use crate::diag::{Diagnostic, Diagnostics, Span, did_you_mean};
use crate::lang::ast::{Attr, Block, Body, Expr, ExprKind, Ident};
use crate::lang::eval::{NoScope, eval, types};
use crate::value::convert::convert;
use crate::value::{Type, Value};

/// The content of one block while it is read.
pub(super) struct Args<'d> {
    attrs: Vec<Attr>,
    blocks: Vec<Block>,
    /// The block in words, with its article: `a "variable" block`.
    what: String,
    span: Span,
    known_attrs: Vec<&'static str>,
    known_blocks: Vec<&'static str>,
    pub(super) diags: &'d mut Diagnostics,
}

impl<'d> Args<'d> {
    pub(super) fn new(body: Body, what: &str, span: Span, diags: &'d mut Diagnostics) -> Self {
        let attrs = unique_attrs(body.attrs, diags);
        let article = if what.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        let what = format!("{article} {what:?} block");
        Args { attrs, blocks: body.blocks, what, span, known_attrs: vec![], known_blocks: vec![], diags }
    }

    /// The argument, where it is set.
    pub(super) fn attr(&mut self, name: &'static str) -> Option<Attr> {
        self.known_attrs.push(name);
        let at = self.attrs.iter().position(|a| &*a.name.name == name)?;
        Some(self.attrs.remove(at))
    }

    pub(super) fn expr(&mut self, name: &'static str) -> Option<Expr> {
        self.attr(name).map(|a| a.expr)
    }

    pub(super) fn required(&mut self, name: &'static str) -> Option<Expr> {
        let found = self.expr(name);
        if found.is_none() {
            let d = Diagnostic::error(MISSING_ARGUMENT, format!("The argument {name:?} is required in {}.", self.what));
            self.diags.push(d.at(self.span).hint(format!("Add {name} = … to the block.")));
        }
        found
    }

    /// A constant true or false.
    pub(super) fn flag(&mut self, name: &'static str) -> Option<bool> {
        let expr = self.expr(name)?;
        let value = constant(&expr, &Type::Bool).and_then(|v| v.as_bool());
        if value.is_none() {
            self.invalid(name, "a literal true or false: it is read before any expression is evaluated", expr.span);
        }
        value
    }

    /// A constant string.
    pub(super) fn text(&mut self, name: &'static str) -> Option<(String, Span)> {
        let expr = self.expr(name)?;
        let found = constant(&expr, &Type::String).and_then(|v| v.as_str().map(String::from));
        self.literal_text(name, expr.span, found)
    }

    /// A literal string that must be set.
    pub(super) fn required_text(&mut self, name: &'static str) -> Option<(String, Span)> {
        let expr = self.required(name)?;
        let found = match literal(&expr) {
            ExprKind::String(s) => Some(s.to_string()),
            _ => None,
        };
        self.literal_text(name, expr.span, found)
    }

    fn literal_text(&mut self, name: &str, span: Span, found: Option<String>) -> Option<(String, Span)> {
        if found.is_none() {
            self.invalid(name, "a literal string: it is read before any expression is evaluated", span);
        }
        found.map(|text| (text, span))
    }

    pub(super) fn invalid(&mut self, name: &str, want: &str, span: Span) {
        self.diags.push(Diagnostic::error(INVALID_ARGUMENT, format!("The argument {name:?} must be {want}.")).at(span));
    }

    /// The nested blocks of a kind; with labels they are wrong.
    pub(super) fn blocks(&mut self, kind: &'static str) -> Vec<Block> {
        self.known_blocks.push(kind);
        let (found, rest) = std::mem::take(&mut self.blocks).into_iter().partition(|b| &*b.kind.name == kind);
        self.blocks = rest;
        let found: Vec<Block> = found;
        for block in &found {
            labels::<0>(block, self.diags);
        }
        found
    }

    /// The nested block of a kind that may stand once.
    pub(super) fn block(&mut self, kind: &'static str) -> Option<Block> {
        let mut found = self.blocks(kind).into_iter();
        let first = found.next()?;
        for again in found {
            let detail = format!("Only one {kind:?} block is allowed in {}.", self.what);
            self.diags.push(Diagnostic::error(DUPLICATE, detail).at(again.span).also(first.span, "the first one"));
        }
        Some(first)
    }

    /// Nested blocks with one label.
    pub(super) fn labelled(&mut self, kind: &'static str) -> Vec<Block> {
        self.known_blocks.push(kind);
        let (found, rest) = std::mem::take(&mut self.blocks).into_iter().partition(|b| &*b.kind.name == kind);
        self.blocks = rest;
        found
    }

    /// A block that Terraform has here and streamform does not.
    pub(super) fn refuse_block(&mut self, kind: &'static str, hint: &str) {
        for block in self.labelled(kind) {
            let detail = format!("Blocks of type {kind:?} are not part of streamform.");
            self.diags.push(Diagnostic::error(UNSUPPORTED_BLOCK, detail).at(block.span).hint(hint));
        }
        self.known_blocks.pop();
    }

    /// A block that is written as an argument.
    pub(super) fn refuse_argument(&mut self, kind: &'static str) {
        let Some(at) = self.attrs.iter().position(|a| &*a.name.name == kind) else { return };
        let attr = self.attrs.remove(at);
        let d = Diagnostic::error(UNSUPPORTED_ARGUMENT, format!("An argument named {kind:?} is not expected in {}.", self.what));
        self.diags.push(d.at(attr.name.span).hint(format!("{kind:?} is a block: write it without the equals sign.")));
    }

    /// Everything not taken yet.
    pub(super) fn rest(self, span: Span) -> Body {
        Body { attrs: self.attrs, blocks: self.blocks, span }
    }

    /// Arguments not taken yet; blocks not taken are complained about.
    pub(super) fn rest_attrs(mut self, span: Span) -> Body {
        let attrs = std::mem::take(&mut self.attrs);
        self.finish();
        Body { attrs, blocks: vec![], span }
    }

    /// Complains about all that was not taken.
    pub(super) fn finish(self) {
        for attr in &self.attrs {
            let name = &*attr.name.name;
            let mut d = Diagnostic::error(UNSUPPORTED_ARGUMENT, format!("An argument named {name:?} is not expected in {}.", self.what));
            if self.known_blocks.contains(&name) {
                d = d.hint(format!("{name:?} is a block: write it without the equals sign."));
            } else if let Some(near) = did_you_mean(name, self.known_attrs.iter().copied()) {
                d = d.hint(format!("Did you mean {near:?}?"));
            }
            self.diags.push(d.at(attr.name.span));
        }
        for block in &self.blocks {
            let kind = &*block.kind.name;
            let mut d = Diagnostic::error(UNSUPPORTED_BLOCK, format!("Blocks of type {kind:?} are not expected in {}.", self.what));
            if self.known_attrs.contains(&kind) {
                d = d.hint(format!("{kind:?} is an argument: write {kind} = …"));
            } else if let Some(near) = did_you_mean(kind, self.known_blocks.iter().copied()) {
                d = d.hint(format!("Did you mean {near:?}?"));
            }
            self.diags.push(d.at(block.kind.span));
        }
    }
}

/// The value of an expression without names and function calls, as a type; none for null and where it is no such expression.
fn constant(expr: &Expr, ty: &Type) -> Option<Value> {
    let mut diags = Diagnostics::new();
    let value = eval(expr, &NoScope, &types::constants(), &mut diags);
    convert(&value, ty).ok().filter(|v| !diags.has_errors() && !v.is_null())
}

/// The expression without parentheses.
pub(super) fn literal(expr: &Expr) -> &ExprKind {
    match &*expr.kind {
        ExprKind::Paren(inner) => literal(inner),
        kind => kind,
    }
}

/// Checks the number of labels.
pub(super) fn labels<const N: usize>(block: &Block, diags: &mut Diagnostics) -> Option<[Ident; N]> {
    let found: Result<[Ident; N], _> = block.labels.clone().try_into();
    if found.is_err() {
        let kind = &block.kind.name;
        let labels = if N == 1 { "label" } else { "labels" };
        let written = match block.labels.len() {
            0 => "none is".to_string(),
            1 => "one is".to_string(),
            n => format!("{n} are"),
        };
        let detail = format!("A {kind:?} block has {N} {labels}, but {written} written here.");
        let example = match (&**kind, N) {
            ("resource" | "data", _) => format!("Write {kind} \"type\" \"name\" {{ … }}."),
            (_, 0) => format!("Write {kind} {{ … }}."),
            _ => format!("Write {kind} \"name\" {{ … }}."),
        };
        diags.push(Diagnostic::error(WRONG_LABELS, detail).at(block.span).hint(example));
    }
    found.ok()
}

/// Drops the second and later settings of one argument, with a diagnostic for each.
pub(super) fn unique_attrs(attrs: Vec<Attr>, diags: &mut Diagnostics) -> Vec<Attr> {
    let mut seen: HashMap<Arc<str>, Span> = HashMap::new();
    let mut out = Vec::with_capacity(attrs.len());
    for attr in attrs {
        match seen.get(&attr.name.name) {
            Some(first) => {
                let detail = format!("The argument {:?} is set twice; each argument may be set once.", attr.name.name);
                diags.push(Diagnostic::error(DUPLICATE, detail).at(attr.name.span).also(*first, "first set here"));
            }
            None => {
                seen.insert(attr.name.name.clone(), attr.name.span);
                out.push(attr);
            }
        }
    }
    out
}

/// [`unique_attrs`] through all nested blocks.
pub(super) fn unique_deep(body: &mut Body, diags: &mut Diagnostics) {
    body.attrs = unique_attrs(std::mem::take(&mut body.attrs), diags);
    for block in &mut body.blocks {
        unique_deep(&mut block.body, diags);
    }
}

/// Whether this is a name that can be declared.
pub(super) fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c == '_' || c.is_alphabetic()) && chars.all(|c| c == '_' || c == '-' || c.is_alphanumeric())
}

/// Complains about a name that is no identifier.
pub(super) fn check_name(name: &Ident, diags: &mut Diagnostics) {
    if !is_identifier(&name.name) {
        let detail = format!("{:?} is not a name.", name.name);
        let hint = "A name starts with a letter or underscore and has only letters, digits, underscores and dashes.";
        diags.push(Diagnostic::error(INVALID_NAME, detail).at(name.span).hint(hint));
    }
}
