//! Templates: literal text as HCL cuts it up, strip markers, heredoc indentation, directives as a tree.
//!
//! HCL's scanner ends a literal at each line break (except in quoted strings); strip markers and the removal of indentation
//! work on those pieces. The parser's tree is therefore flattened to pieces first and built up again afterwards.

use std::sync::Arc;

use hcl_edit::Span as _;
use hcl_edit::template::Strip;
use hcl_edit::template::{Directive, Element, Template};

use super::convert::Context;
use crate::lang::ast::{Expr, Ident, TemplatePart};

/// Where a template is written.
#[derive(Clone, Copy, PartialEq)]
pub enum Mode {
    /// In quotes: backslash escapes.
    Quoted,
    /// In a heredoc; with `<<-` the common indentation is removed.
    Heredoc {
        /// `<<-`
        flush: bool,
    },
    /// A file.
    Bare,
}

enum Piece {
    Literal(String),
    Interp(Expr),
    If(Expr),
    Else,
    For(Option<Ident>, Ident, Expr),
    End,
}

/// A piece with the strip markers on its left and right.
struct Marked {
    piece: Piece,
    left: bool,
    right: bool,
}

impl Context<'_> {
    /// The parts of a template.
    pub fn template(&mut self, t: &Template, mode: Mode) -> Vec<TemplatePart> {
        let mut pieces = Vec::new();
        self.flatten(t, mode, &mut pieces);
        strip(&mut pieces);
        if mode == (Mode::Heredoc { flush: true }) {
            dedent(&mut pieces);
        }
        let count = pieces.len();
        let mut pieces = pieces.into_iter().map(|m| m.piece).peekable();
        let mut parts = build(&mut pieces);
        // Text that was stripped away still makes the whole a text.
        if count > 1 && matches!(parts[..], [TemplatePart::Interp(_)]) {
            parts.push(TemplatePart::Literal("".into()));
        }
        parts
    }

    fn flatten(&mut self, t: &Template, mode: Mode, out: &mut Vec<Marked>) {
        let push = |piece: Piece, s: Strip, out: &mut Vec<Marked>| out.push(Marked { piece, left: s.strip_start(), right: s.strip_end() });
        for element in t.iter() {
            match element {
                Element::Literal(lit) => {
                    let raw = lit.span().and_then(|s| self.slice(s)).unwrap_or_else(|| lit.value()).to_string();
                    for line in lines(&raw, mode) {
                        let text = self.unescape(line, mode, lit.span());
                        push(Piece::Literal(text), Strip::None, out);
                    }
                }
                Element::Interpolation(i) => {
                    let e = self.expr(&i.expr);
                    push(Piece::Interp(e), i.strip, out);
                }
                Element::Directive(d) => match &**d {
                    Directive::If(d) => {
                        let cond = self.expr(&d.if_expr.cond_expr);
                        push(Piece::If(cond), d.if_expr.strip, out);
                        self.flatten(&d.if_expr.template, mode, out);
                        if let Some(e) = &d.else_expr {
                            push(Piece::Else, e.strip, out);
                            self.flatten(&e.template, mode, out);
                        }
                        push(Piece::End, d.endif_expr.strip, out);
                    }
                    Directive::For(d) => {
                        let key = d.for_expr.key_var.as_ref().map(|k| self.ident(k));
                        let value = self.ident(&d.for_expr.value_var);
                        let collection = self.expr(&d.for_expr.collection_expr);
                        push(Piece::For(key, value, collection), d.for_expr.strip, out);
                        self.flatten(&d.for_expr.template, mode, out);
                        push(Piece::End, d.endfor_expr.strip, out);
                    }
                },
            }
        }
    }

    fn unescape(&mut self, raw: &str, mode: Mode, span: Option<std::ops::Range<usize>>) -> String {
        let mut out = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(c) = rest.chars().next() {
            if rest.starts_with("$${") || rest.starts_with("%%{") {
                out.push_str(&rest[1..3]);
                rest = &rest[3..];
                continue;
            }
            rest = &rest[c.len_utf8()..];
            if c != '\\' || mode != Mode::Quoted {
                out.push(c);
                continue;
            }
            match escape(rest) {
                Some((c, len)) => {
                    out.push(c);
                    rest = &rest[len..];
                }
                None => {
                    self.error(
                        "A backslash in a quoted string must be followed by n, r, t, \", \\, u and four or U and eight hexadecimal digits.",
                        span.clone(),
                    );
                    return out;
                }
            }
        }
        out
    }
}

/// The character that an escape stands for, and how many bytes follow the backslash.
fn escape(rest: &str) -> Option<(char, usize)> {
    let hex = |n: usize| rest.get(1..1 + n).and_then(|h| u32::from_str_radix(h, 16).ok()).and_then(char::from_u32).map(|c| (c, 1 + n));
    match rest.as_bytes().first()? {
        b'n' => Some(('\n', 1)),
        b'r' => Some(('\r', 1)),
        b't' => Some(('\t', 1)),
        b'"' => Some(('"', 1)),
        b'\\' => Some(('\\', 1)),
        b'u' => hex(4),
        b'U' => hex(8),
        _ => None,
    }
}

fn lines(raw: &str, mode: Mode) -> Vec<&str> {
    if mode == Mode::Quoted { vec![raw] } else { raw.split_inclusive('\n').collect() }
}

/// Applies `~`: it trims the literal piece next to it.
fn strip(pieces: &mut [Marked]) {
    for i in 0..pieces.len() {
        let (left, right) = (pieces[i].left, pieces[i].right);
        if left && let Some(Marked { piece: Piece::Literal(s), .. }) = i.checked_sub(1).and_then(|j| pieces.get_mut(j)) {
            s.truncate(s.trim_end().len());
        }
        if right && let Some(Marked { piece: Piece::Literal(s), .. }) = pieces.get_mut(i + 1) {
            *s = s.trim_start().to_string();
        }
    }
}

/// Removes the indentation that all lines share; blank lines do not count and keep what they have.
fn dedent(pieces: &mut [Marked]) {
    let (mut least, mut line_start, mut first_of_line) = (usize::MAX, true, Vec::new());
    for (i, p) in pieces.iter().enumerate() {
        let literal = if let Piece::Literal(s) = &p.piece { Some(s) } else { None };
        if line_start {
            let spaces = match literal {
                Some(s) if s.trim_start().is_empty() && s.ends_with('\n') => usize::MAX,
                Some(s) => {
                    first_of_line.push(i);
                    s.chars().take_while(|c| c.is_whitespace()).count()
                }
                None => 0,
            };
            least = least.min(spaces);
        }
        line_start = literal.is_some_and(|s| s.ends_with('\n'));
    }
    for i in first_of_line {
        if let Piece::Literal(s) = &mut pieces[i].piece {
            *s = s.chars().skip(least).collect();
        }
    }
}

fn build(pieces: &mut std::iter::Peekable<impl Iterator<Item = Piece>>) -> Vec<TemplatePart> {
    let mut out: Vec<TemplatePart> = Vec::new();
    let mut text = String::new();
    while let Some(piece) = pieces.next_if(|p| !matches!(p, Piece::Else | Piece::End)) {
        if let Piece::Literal(s) = &piece {
            text.push_str(s);
            continue;
        }
        flush(&mut text, &mut out);
        match piece {
            Piece::Interp(e) => out.push(TemplatePart::Interp(e)),
            Piece::If(cond) => {
                let yes = build(pieces);
                let no = if matches!(pieces.next(), Some(Piece::Else)) {
                    let no = build(pieces);
                    pieces.next();
                    no
                } else {
                    vec![]
                };
                out.push(TemplatePart::If { cond, yes, no });
            }
            Piece::For(key_var, value_var, collection) => {
                let body = build(pieces);
                pieces.next();
                out.push(TemplatePart::For { key_var, value_var, collection, body });
            }
            Piece::Literal(_) | Piece::Else | Piece::End => {}
        }
    }
    flush(&mut text, &mut out);
    out
}

fn flush(text: &mut String, out: &mut Vec<TemplatePart>) {
    if !text.is_empty() {
        out.push(TemplatePart::Literal(Arc::from(std::mem::take(text))));
    }
}
