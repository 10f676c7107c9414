//! Configuration in JSON: the same blocks and arguments as in native syntax, as objects and arrays.
//!
//! A block type is a property; labels are nested objects; an array stands for several blocks. Strings are templates. Where a resource
//! type's own blocks stand is known to its schema only: they come out as arguments, and [`blocks_by_schema`] turns them into blocks.

use std::borrow::Cow;
use std::sync::Arc;

use super::respan::respan;
use crate::diag::codes::config::{DUPLICATE, INVALID_JSON};
use crate::diag::{Diagnostic, Diagnostics, SourceId, Span};
use crate::lang::ast::{Attr, Block, Body, Expr, ExprKind, Ident, ObjectItem};
use crate::lang::syntax;
use crate::schema::{self, Nesting};
use crate::value::convert::convert;
use crate::value::{Type, Value};

/// Objects and arrays inside each other at most.
const MAX_DEPTH: usize = 200;

/// What the top of a test file is called where the top of a configuration has no name.
const TEST_FILE: &str = "(test file)";

/// The block types inside a block, with their number of labels.
fn nested(parent: &str) -> &'static [(&'static str, usize)] {
    match parent {
        "" => &[
            ("variable", 1),
            ("locals", 0),
            ("output", 1),
            ("resource", 2),
            ("data", 2),
            ("module", 1),
            ("provider", 1),
            ("check", 1),
            ("moved", 0),
            ("removed", 0),
            ("import", 0),
            ("streamform", 0),
            ("terraform", 0),
        ],
        "variable" => &[("validation", 0)],
        "output" => &[("precondition", 0)],
        "resource" | "data" => &[("lifecycle", 0), ("timeouts", 0), ("dynamic", 1), ("_", 0)],
        "lifecycle" => &[("precondition", 0), ("postcondition", 0)],
        "check" => &[("data", 2), ("assert", 0)],
        "removed" => &[("lifecycle", 0)],
        "streamform" => &[("backend", 1)],
        "dynamic" => &[("content", 0)],
        TEST_FILE => &[
            ("variables", 0),
            ("provider", 1),
            ("mock_provider", 1),
            ("override_resource", 0),
            ("override_data", 0),
            ("override_module", 0),
            ("mock_resource", 1),
            ("mock_data", 1),
            ("test", 0),
            ("run", 1),
        ],
        "run" => &[
            ("variables", 0),
            ("plan_options", 0),
            ("module", 0),
            ("assert", 0),
            ("override_resource", 0),
            ("override_data", 0),
            ("override_module", 0),
        ],
        "mock_provider" => &[("mock_resource", 1), ("mock_data", 1), ("override_resource", 0), ("override_data", 0)],
        _ => &[],
    }
}

/// Arguments whose strings are expressions, not templates.
fn is_reference(parent: &str, name: &str) -> bool {
    match name {
        "type" => parent == "variable",
        "from" | "to" => matches!(parent, "moved" | "removed" | "import"),
        "provider" | "depends_on" => matches!(parent, "resource" | "data" | "module" | "output"),
        "providers" => parent == "module",
        "ignore_changes" | "replace_triggered_by" => parent == "lifecycle",
        "expect_failures" => parent == "run",
        "replace" => parent == "plan_options",
        "target" => parent == "plan_options" || parent.starts_with("override_"),
        _ => false,
    }
}

/// Arguments that are read before anything is evaluated, so that their strings are no templates.
fn is_constant(parent: &str, name: &str) -> bool {
    match name {
        "default" => parent == "variable",
        "description" => matches!(parent, "variable" | "output"),
        _ => false,
    }
}

/// Parses a `.hcl.json` file.
pub fn parse(text: &str, source: SourceId) -> (Option<Body>, Diagnostics) {
    read(text, source, |node, diags| body(node, "", diags))
}

/// Parses a `.sftest.json` file.
pub fn parse_test(text: &str, source: SourceId) -> (Option<Body>, Diagnostics) {
    read(text, source, |node, diags| body(node, TEST_FILE, diags))
}

/// Parses a `.tfvars.json` file: a property is an argument, and strings are literal.
pub fn parse_values(text: &str, source: SourceId) -> (Option<Body>, Diagnostics) {
    read(text, source, |node, diags| {
        let span = node.span;
        match &node.kind {
            NodeKind::Object(items) => twice("variable", items, diags),
            _ => diags.push(Diagnostic::error(INVALID_JSON, "An object is expected here, with the variables as properties.").at(span)),
        }
        let attrs = properties(node, diags).into_iter().map(|(name, v)| Attr { name, expr: expression(v, Strings::Literal, diags) });
        Body { attrs: attrs.collect(), blocks: vec![], span }
    })
}

fn twice(what: &str, items: &[(Ident, Node)], diags: &mut Diagnostics) {
    let mut seen = std::collections::HashSet::new();
    for (name, _) in items.iter().filter(|(k, _)| &*k.name != "//" && !seen.insert(k.name.clone())) {
        diags.push(Diagnostic::error(DUPLICATE, format!("The {what} {:?} is set twice.", name.name)).at(name.span));
    }
}

fn read(text: &str, source: SourceId, make: impl FnOnce(Node, &mut Diagnostics) -> Body) -> (Option<Body>, Diagnostics) {
    let mut diags = Diagnostics::new();
    let mut parser = Parser { text, source, pos: 0, depth: 0 };
    match parser.document() {
        Err(d) => {
            diags.push(d);
            (None, diags)
        }
        Ok(node) => {
            let body = make(node, &mut diags);
            (Some(body), diags)
        }
    }
}

struct Node {
    kind: NodeKind,
    span: Span,
}

enum NodeKind {
    Null,
    Bool(bool),
    Number(Value),
    /// The text, and for each of its bytes the place in the file.
    String(String, Arc<[u32]>),
    Array(Vec<Node>),
    Object(Vec<(Ident, Node)>),
}

/// What strings are.
#[derive(Clone, Copy, PartialEq)]
enum Strings {
    Literal,
    Template,
    Expression,
}

/// The properties of an object, or of each object in an array. `//` is a comment.
fn properties(node: Node, diags: &mut Diagnostics) -> Vec<(Ident, Node)> {
    match node.kind {
        NodeKind::Object(items) => items.into_iter().filter(|(k, _)| &*k.name != "//").collect(),
        NodeKind::Array(items) => items.into_iter().flat_map(|n| properties(n, diags)).collect(),
        NodeKind::Null => vec![],
        _ => {
            diags.push(Diagnostic::error(INVALID_JSON, "An object is expected here.").at(node.span));
            vec![]
        }
    }
}

fn body(node: Node, parent: &str, diags: &mut Diagnostics) -> Body {
    let mut out = Body { attrs: vec![], blocks: vec![], span: node.span };
    for (name, value) in properties(node, diags) {
        match nested(parent).iter().find(|(kind, _)| *kind == &*name.name) {
            Some((_, labels)) => blocks(&name, value, *labels, vec![], &mut out.blocks, diags),
            None => {
                let strings = if is_reference(parent, &name.name) {
                    Strings::Expression
                } else if is_constant(parent, &name.name) {
                    Strings::Literal
                } else {
                    Strings::Template
                };
                out.attrs.push(Attr { expr: expression(value, strings, diags), name });
            }
        }
    }
    out
}

fn blocks(kind: &Ident, node: Node, missing: usize, labels: Vec<Ident>, out: &mut Vec<Block>, diags: &mut Diagnostics) {
    if missing > 0 {
        if matches!(&node.kind, NodeKind::Null) || matches!(&node.kind, NodeKind::Object(items) if items.is_empty()) {
            let d = Diagnostic::error(INVALID_JSON, format!("A {:?} block needs a label: a property with its name.", kind.name));
            return diags.push(d.at(node.span));
        }
        for (label, inner) in properties(node, diags) {
            let labels = labels.iter().cloned().chain([label]).collect();
            blocks(kind, inner, missing - 1, labels, out, diags);
        }
        return;
    }
    match node.kind {
        NodeKind::Array(items) => items.into_iter().for_each(|n| blocks(kind, n, 0, labels.clone(), out, diags)),
        NodeKind::Null => {}
        _ => {
            let span = labels.last().unwrap_or(kind).span;
            let body = body(node, &kind.name, diags);
            out.push(Block { kind: kind.clone(), labels, body, span });
        }
    }
}

fn expression(node: Node, strings: Strings, diags: &mut Diagnostics) -> Expr {
    let span = node.span;
    let kind = match node.kind {
        NodeKind::Null => ExprKind::Null,
        NodeKind::Bool(b) => ExprKind::Bool(b),
        NodeKind::Number(v) => v.as_number().cloned().map_or(ExprKind::Null, ExprKind::Number),
        NodeKind::String(text, places) => return string(&text, &places, span, strings, diags),
        NodeKind::Array(items) => ExprKind::Tuple(items.into_iter().map(|n| expression(n, strings, diags)).collect()),
        NodeKind::Object(items) => {
            twice("attribute", &items, diags);
            let item = |(key, value): (Ident, Node)| {
                let places: Vec<u32> = (0..=key.name.len() as u32).map(|i| key.span.start + 1 + i).collect();
                let key = string(&key.name, &places, key.span, strings, diags);
                ObjectItem { key, value: expression(value, strings, diags) }
            };
            ExprKind::Object(items.into_iter().map(item).collect())
        }
    };
    Expr { kind: kind.into(), span }
}

fn string(text: &str, places: &[u32], span: Span, strings: Strings, diags: &mut Diagnostics) -> Expr {
    let plain = strings == Strings::Literal || (strings == Strings::Template && !text.contains("${") && !text.contains("%{"));
    if plain {
        return Expr { kind: ExprKind::String(text.into()).into(), span };
    }
    let parse = if strings == Strings::Template { syntax::parse_template } else { syntax::parse_expr };
    let (expr, found) = parse(text, span.source);
    let place = |i: u32| places.get(i as usize).copied().unwrap_or(span.end);
    let moved = |s: Span| Span { source: span.source, start: place(s.start), end: place(s.end) };
    diags.extend(found.into_iter().map(|mut d| {
        d.span = Some(d.span.map_or(span, moved));
        d
    }));
    let fallback = Expr { kind: ExprKind::String(text.into()).into(), span };
    expr.map_or(fallback, |e| respan(&e, &moved))
}

/// [`blocks_by_schema`] for a body in JSON; a body in native syntax is given back as it is.
pub fn unfold<'b>(body: &'b Body, schema: &schema::Body) -> Cow<'b, Body> {
    // A property's place includes its quotes, an argument's is its name alone.
    let in_json = |a: &Attr| (a.name.span.end - a.name.span.start) as usize > a.name.name.len();
    match body.attrs.iter().any(|a| in_json(a) && schema.block(&a.name.name).is_some()) {
        true => Cow::Owned(blocks_by_schema(body.clone(), schema)),
        false => Cow::Borrowed(body),
    }
}

/// Turns arguments that a schema knows as blocks into blocks, through all levels: an object is one block, an array several, and where
/// blocks have a label it is the property name.
pub fn blocks_by_schema(mut body: Body, schema: &schema::Body) -> Body {
    let (as_blocks, attrs) = body.attrs.into_iter().partition(|a| schema.block(&a.name.name).is_some());
    body.attrs = attrs;
    let as_blocks: Vec<Attr> = as_blocks;
    for attr in as_blocks {
        let Some(block) = schema.block(&attr.name.name) else { continue };
        let labelled = matches!(block.nesting, Nesting::Map | Nesting::List { label: Some(_) });
        expr_blocks(&attr.name, &attr.expr, usize::from(labelled), vec![], &block.body, &mut body.blocks);
    }
    body
}

fn expr_blocks(kind: &Ident, expr: &Expr, missing: usize, labels: Vec<Ident>, schema: &schema::Body, out: &mut Vec<Block>) {
    match &*expr.kind {
        ExprKind::Tuple(items) => items.iter().for_each(|e| expr_blocks(kind, e, missing, labels.clone(), schema, out)),
        ExprKind::Object(items) => {
            let named = items.iter().filter_map(|i| match &*i.key.kind {
                ExprKind::String(s) => Some((Ident { name: s.clone(), span: i.key.span }, i.value.clone())),
                _ => None,
            });
            if missing > 0 {
                named.for_each(|(label, e)| expr_blocks(kind, &e, missing - 1, vec![label], schema, out));
                return;
            }
            let attrs = named.map(|(name, expr)| Attr { name, expr }).collect();
            let body = blocks_by_schema(Body { attrs, blocks: vec![], span: expr.span }, schema);
            out.push(Block { kind: kind.clone(), labels, body, span: expr.span });
        }
        _ => {}
    }
}

struct Parser<'a> {
    text: &'a str,
    source: SourceId,
    pos: usize,
    depth: usize,
}

impl Parser<'_> {
    fn span(&self, start: usize) -> Span {
        Span { source: self.source, start: start as u32, end: self.pos as u32 }
    }

    fn error(&self, detail: &'static str) -> Diagnostic {
        let len = self.text[self.pos..].chars().next().map_or(0, char::len_utf8);
        let span = Span { source: self.source, start: self.pos as u32, end: (self.pos + len) as u32 };
        Diagnostic::error(INVALID_JSON, detail).at(span)
    }

    fn peek(&mut self) -> Option<u8> {
        let rest = self.text[self.pos..].trim_start_matches([' ', '\t', '\n', '\r']);
        self.pos = self.text.len() - rest.len();
        rest.bytes().next()
    }

    fn eat(&mut self, c: u8) -> bool {
        let hit = self.peek() == Some(c);
        self.pos += usize::from(hit);
        hit
    }

    fn document(&mut self) -> Result<Node, Diagnostic> {
        let node = self.value()?;
        match self.peek() {
            None => Ok(node),
            Some(_) => Err(self.error("The text goes on after the end of the JSON value.")),
        }
    }

    fn value(&mut self) -> Result<Node, Diagnostic> {
        let next = self.peek();
        let start = self.pos;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("The JSON is nested too deep."));
        }
        let kind = match next {
            Some(b'{') => self.object()?,
            Some(b'[') => self.array()?,
            Some(b'"') => {
                let (text, places) = self.string()?;
                NodeKind::String(text, places.into())
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        self.depth -= 1;
        Ok(Node { kind, span: self.span(start) })
    }

    fn word(&mut self) -> Result<NodeKind, Diagnostic> {
        for (word, kind) in [("null", NodeKind::Null), ("true", NodeKind::Bool(true)), ("false", NodeKind::Bool(false))] {
            if self.text[self.pos..].starts_with(word) {
                self.pos += word.len();
                return Ok(kind);
            }
        }
        Err(self.error("A JSON value is expected here."))
    }

    fn number(&mut self) -> Result<NodeKind, Diagnostic> {
        let rest = &self.text[self.pos..];
        let len = rest.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(rest.len());
        let number = convert(&Value::string(&rest[..len]), &Type::Number);
        let number = number.map_err(|_| self.error("This is not a number."))?;
        self.pos += len;
        Ok(NodeKind::Number(number))
    }

    fn array(&mut self) -> Result<NodeKind, Diagnostic> {
        self.pos += 1;
        let mut items = vec![];
        while !self.eat(b']') {
            if !items.is_empty() && !self.eat(b',') {
                return Err(self.error("A comma or a closing bracket is expected."));
            }
            items.push(self.value()?);
        }
        Ok(NodeKind::Array(items))
    }

    fn object(&mut self) -> Result<NodeKind, Diagnostic> {
        self.pos += 1;
        let mut items = vec![];
        while !self.eat(b'}') {
            if !items.is_empty() && !self.eat(b',') {
                return Err(self.error("A comma or a closing brace is expected."));
            }
            if self.peek() != Some(b'"') {
                return Err(self.error("A property name in quotes is expected."));
            }
            let start = self.pos;
            let (name, _) = self.string()?;
            let name = Ident { name: name.into(), span: self.span(start) };
            if !self.eat(b':') {
                return Err(self.error("A colon is expected after the property name."));
            }
            items.push((name, self.value()?));
        }
        Ok(NodeKind::Object(items))
    }

    /// The text, and the place of each of its bytes (and of its end).
    fn string(&mut self) -> Result<(String, Vec<u32>), Diagnostic> {
        self.pos += 1;
        let (mut out, mut places) = (String::new(), vec![]);
        loop {
            let at = self.pos as u32;
            let Some(c) = self.text[self.pos..].chars().next() else { return Err(self.error("The string is not closed.")) };
            if c < ' ' {
                return Err(self.error("A string cannot hold a control character; write it as an escape."));
            }
            self.pos += c.len_utf8();
            match c {
                '"' => {
                    places.push(at);
                    return Ok((out, places));
                }
                '\\' => out.push(self.escape()?),
                c => out.push(c),
            }
            places.resize(out.len(), at);
        }
    }

    fn escape(&mut self) -> Result<char, Diagnostic> {
        let c = self.text[self.pos..].chars().next().unwrap_or(' ');
        let plain = match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode(),
            _ => return Err(self.error("This escape is not one of JSON's.")),
        };
        self.pos += 1;
        Ok(plain)
    }

    fn unicode(&mut self) -> Result<char, Diagnostic> {
        let high = self.hex()?;
        if !(0xd800..0xdc00).contains(&high) {
            return Ok(char::from_u32(high).unwrap_or('\u{fffd}'));
        }
        if !self.text[self.pos..].starts_with("\\u") {
            return Ok('\u{fffd}');
        }
        self.pos += 1;
        let low = self.hex()?;
        let low = low.checked_sub(0xdc00).filter(|l| *l < 0x400);
        Ok(low.and_then(|l| char::from_u32(0x10000 + ((high - 0xd800) << 10) + l)).unwrap_or('\u{fffd}'))
    }

    /// Four digits after the `u` that is here.
    fn hex(&mut self) -> Result<u32, Diagnostic> {
        let digits = self.text.get(self.pos + 1..self.pos + 5).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|d| u32::from_str_radix(d, 16).ok());
        let code = code.ok_or_else(|| self.error("Four hexadecimal digits are expected after \\u."))?;
        self.pos += 5;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, MemoryFiles, Mode, load};
    use super::*;
    use std::path::Path;

    fn run(text: &str) -> (Option<Config>, Diagnostics) {
        let files: MemoryFiles = [("main.hcl.json", text)].into_iter().collect();
        load(Path::new("."), &files)
    }

    #[test]
    fn blocks_and_templates() {
        let (config, diags) = run(r#"{
  "//": "a comment",
  "variable": {"n": {"type": "list(string)", "default": []}},
  "resource": {"kafka_topic": {"a": {"name": "x-${upper(\"v\")}", "depends_on": ["kafka_cluster.c"],
      "lifecycle": {"ignore_changes": "all"}}, "b": [{"count": 2}]}},
  "locals": [{"x": 1}, {"y": 12345678901234567890.5}]
}"#);
        assert!(diags.is_empty(), "{diags:?}");
        let config = config.unwrap();
        let m = &config.root;
        assert_eq!(m.variables["n"].ty.to_string(), "list(string)");
        let a = &m.resources[&(Mode::Managed, "kafka_topic".into(), "a".into())];
        assert!(a.lifecycle.ignore_all && a.depends_on.len() == 1);
        assert_eq!(config.sources.slice(a.depends_on[0].span), "kafka_cluster.c");
        let ExprKind::Template(parts) = &*a.body.attr("name").unwrap().expr.kind else { panic!() };
        let crate::lang::ast::TemplatePart::Interp(call) = &parts[1] else { panic!("{parts:?}") };
        assert_eq!(config.sources.slice(call.span), r#"upper(\"v\")"#);
        assert_eq!(m.locals.len(), 2);
    }

    #[test]
    fn what_is_no_json_has_a_place() {
        for (text, at) in [("{\"a\" 1}", 5), ("{\"a\": [1 2]}", 9), ("{\"a\": nil}", 6), ("{} x", 3), ("{\"a\": \"b", 8), ("", 0)] {
            let (body, diags) = parse(text, SourceId(0));
            assert!(body.is_none());
            let span = diags.iter().next().unwrap().span.unwrap();
            assert_eq!(span.start, at, "{text}");
        }
        assert!(parse(&"[".repeat(100_000), SourceId(0)).0.is_none());
    }

    #[test]
    fn a_schema_turns_arguments_into_blocks() {
        let schema = schema::Body {
            blocks: vec![schema::NestedBlock {
                name: "listener",
                nesting: Nesting::List { label: Some("name") },
                min: 0,
                doc: "",
                body: schema::Body::default(),
            }],
            ..schema::Body::default()
        };
        let (body, _) = parse(r#"{"listener": {"a": {"port": 1}, "b": [{"port": 2}]}, "x": {}}"#, SourceId(0));
        let body = body.unwrap();
        let body = unfold(&body, &schema);
        let (native, _) = syntax::parse_body("listener = {}\n", SourceId(0));
        assert_eq!(unfold(&native.unwrap(), &schema).blocks.len(), 0);
        assert_eq!(body.attrs.len(), 1);
        let labels: Vec<&str> = body.blocks.iter().map(|b| &*b.labels[0].name).collect();
        assert_eq!(labels, ["a", "b"]);
    }
}
