//! What is asked of any bytes: no panic, no hang, and of texts that are well-formed that formatting keeps their meaning.
//!
//! `fuzz/` runs these under libFuzzer, `tests/bytes.rs` with its own mutations of known texts.

#![allow(dead_code)]

use std::path::Path;

use streamform::addr::InstanceAddr;
use streamform::diag::{Diagnostics, SourceId};
use streamform::lang::ast::{Block, Body, Expr, ExprKind, Step, TemplatePart};
use streamform::lang::config::json;
use streamform::lang::eval::{EvalContext, eval};
use streamform::lang::fmt::format;
use streamform::lang::syntax::{parse_body, parse_expr, parse_template};
use streamform::plan::saved::SavedPlan;
use streamform::resource::registry;
use streamform::state::codec;
use streamform::value::Type;

use super::support::{MemoryHost, Root};

/// A target: what it is called, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("parse", parse),
    ("evaluate", evaluate),
    ("format", formatted),
    ("json_syntax", json_syntax),
    ("varfile", varfile),
    ("state_codec", state_codec),
    ("saved_plan", saved_plan),
];

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn within(diags: &Diagnostics, text: &str) {
    for span in diags.iter().filter_map(|d| d.span) {
        assert!(span.start <= span.end && span.end as usize <= text.len(), "{span:?} is outside of the text");
    }
}

/// The three parsers; places of errors lie in the text.
pub fn parse(bytes: &[u8]) {
    let text = text(bytes);
    within(&parse_body(&text, SourceId(0)).1, &text);
    within(&parse_expr(&text, SourceId(0)).1, &text);
    within(&parse_template(&text, SourceId(0)).1, &text);
}

/// Evaluation of one expression.
pub fn evaluate(bytes: &[u8]) {
    let text = text(bytes);
    let (expr, mut diags) = parse_expr(&text, SourceId(0));
    let (host, here) = (MemoryHost::default(), Path::new("."));
    if let Some(expr) = expr {
        let value = eval(&expr, &Root, &EvalContext::new(&host, here, here), &mut diags);
        let _ = streamform::value::print::console(&value);
    }
    within(&diags, &text);
}

/// Formatting twice is formatting once, and does not change what the text means.
pub fn formatted(bytes: &[u8]) {
    let text = text(bytes);
    let Ok(once) = format(&text) else { return };
    let twice = format(&once).unwrap_or_else(|d| panic!("what was formatted is refused: {d:?}\n{once}"));
    // One layer of "${"${a}"}" goes each time, and a quoted type that is no longer quoted may be an old name itself.
    if !text.contains("${") && !text.contains("type") {
        assert_eq!(once, twice, "formatted twice");
    }
    // Blanks beside a dot go, also where that makes one number of an index into a number: `1. 2`.
    let loose_dot = |a: &str, b: &str| a.ends_with([' ', '\t']) || b.starts_with([' ', '\t']);
    let parts: Vec<&str> = text.split('.').collect();
    if text.contains("type") || parts.windows(2).any(|p| loose_dot(p[0], p[1])) {
        return;
    }
    let (a, b) = (parse_body(&text, SourceId(0)).0, parse_body(&once, SourceId(0)).0);
    assert_eq!(a.map(|b| body_shape(&b)), b.map(|b| body_shape(&b)), "formatted:\n{once}");
}

/// The JSON form of a configuration.
pub fn json_syntax(bytes: &[u8]) {
    let text = text(bytes);
    within(&json::parse(&text, SourceId(0)).1, &text);
}

/// Variable files of both forms.
pub fn varfile(bytes: &[u8]) {
    let text = text(bytes);
    let (host, here) = (MemoryHost::default(), Path::new("."));
    for (body, mut diags) in [json::parse_values(&text, SourceId(0)), parse_body(&text, SourceId(0))] {
        for a in body.iter().flat_map(|b| &b.attrs) {
            eval(&a.expr, &Root, &EvalContext::new(&host, here, here), &mut diags);
        }
        within(&diags, &text);
    }
}

/// Records of a state.
pub fn state_codec(bytes: &[u8]) {
    let Ok(j) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
    let no_schema = |_: &InstanceAddr| None;
    let _ = codec::decode_record(&j, &no_schema);
    let _ = codec::decode_intent(&j, |r| codec::decode_record(r, &no_schema).map(Ok::<_, ()>));
    let _ = codec::decode_output(&j);
    for ty in [Type::Dynamic, Type::String, Type::Number, Type::list(Type::Number), Type::map(Type::String), Type::set(Type::Dynamic)] {
        let _ = streamform::value::print::console(&codec::decode(&j, &ty));
    }
}

/// A file that is to be a saved plan.
pub fn saved_plan(bytes: &[u8]) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("plan");
    std::fs::write(&path, bytes).expect("written");
    if let Ok(plan) = SavedPlan::read(&path) {
        let _ = (plan.options(), plan.plan_time(), plan.held(true), plan.plan(&path, registry::ALL));
    }
}

/// The content of a body without places.
fn body_shape(b: &Body) -> String {
    let attrs: Vec<String> = b.attrs.iter().map(|a| format!("{}={}", a.name.name, shape(&a.expr))).collect();
    let blocks: Vec<String> = b.blocks.iter().map(block_shape).collect();
    format!("{};{}", attrs.join(";"), blocks.join(";"))
}

fn block_shape(b: &Block) -> String {
    let labels: Vec<&str> = b.labels.iter().map(|l| &*l.name).collect();
    format!("{} {labels:?} {{{}}}", b.kind.name, body_shape(&b.body))
}

/// An expression without places; brackets and `"${ }"` around a whole one are the formatter's business.
fn shape(e: &Expr) -> String {
    let all = |items: &[Expr]| items.iter().map(shape).collect::<Vec<_>>().join(",");
    match &*e.kind {
        ExprKind::Paren(inner) => shape(inner),
        ExprKind::Template(parts) => match &parts[..] {
            [TemplatePart::Interp(inner)] => shape(inner),
            _ => parts_shape(parts),
        },
        ExprKind::Null => "null".into(),
        ExprKind::Bool(b) => b.to_string(),
        ExprKind::Number(n) => n.to_string(),
        ExprKind::String(s) => format!("{s:?}"),
        ExprKind::Tuple(items) => format!("[{}]", all(items)),
        ExprKind::Object(items) => {
            let items: Vec<String> = items.iter().map(|i| format!("{}={}", shape(&i.key), shape(&i.value))).collect();
            format!("{{{}}}", items.join(","))
        }
        ExprKind::Traversal { root, steps } => format!("{}{}", root.name, steps_shape(steps)),
        ExprKind::Access { on, steps } => format!("({}){}", shape(on), steps_shape(steps)),
        ExprKind::Conditional { cond, yes, no } => format!("({}?{}:{})", shape(cond), shape(yes), shape(no)),
        ExprKind::Call { name, args, expand } => format!("{}({}{})", name.name, all(args), if *expand { "..." } else { "" }),
        ExprKind::Unary(op, a) => format!("({op:?} {})", shape(a)),
        ExprKind::Binary(op, a, b) => format!("({} {op:?} {})", shape(a), shape(b)),
        ExprKind::For(f) => {
            let names = (f.key_var.as_ref().map(|k| k.name.clone()), f.value_var.name.clone());
            let optional = |e: &Option<Expr>| e.as_ref().map(shape);
            format!("for {names:?} {} {:?} {} {} {:?}", shape(&f.collection), optional(&f.key), shape(&f.value), f.group, optional(&f.cond))
        }
    }
}

fn steps_shape(steps: &[Step]) -> String {
    let step = |s: &Step| match s {
        Step::Attr(i) => format!(".{}", i.name),
        Step::Index(e) => format!("[{}]", shape(e)),
        Step::AttrSplat(_) => ".*".into(),
        Step::FullSplat(_) => "[*]".into(),
    };
    steps.iter().map(step).collect()
}

fn parts_shape(parts: &[TemplatePart]) -> String {
    let part = |p: &TemplatePart| match p {
        TemplatePart::Literal(s) => format!("{s:?}"),
        TemplatePart::Interp(e) => format!("${{{}}}", shape(e)),
        TemplatePart::If { cond, yes, no } => format!("if {} {} {}", shape(cond), parts_shape(yes), parts_shape(no)),
        TemplatePart::For { key_var, value_var, collection, body } => {
            let key = key_var.as_ref().map(|k| k.name.clone());
            format!("for {key:?} {} {} {}", value_var.name, shape(collection), parts_shape(body))
        }
    };
    format!("\"{}\"", parts.iter().map(part).collect::<String>())
}
