//! `explain`: what a resource type is and what its arguments mean, from its schema.

use super::{Exit, Result, Terminal};
use crate::addr::Mode;
use crate::diag::codes::cli as codes;
use crate::diag::{Diagnostic, did_you_mean};
use crate::lang::functions;
use crate::resource::registry;
use crate::schema::{AttrType, Attribute, Body, Nesting, Set};
use crate::view::{json, schema};

/// `explain [TYPE]`
pub fn run(name: Option<&str>, terminal: &Terminal) -> Result {
    let Some(name) = name else {
        if terminal.json {
            terminal.line(&schema::types(registry::ALL, true).to_string());
            return Ok(Exit::Success);
        }
        terminal.line("Resource types and data sources (streamform explain TYPE):\n");
        for (mode, name, r) in registry::ALL {
            let word = if *mode == Mode::Data { "data" } else { "resource" };
            let first = r.schema().doc.split_inclusive(". ").next().unwrap_or_default().trim();
            terminal.line(&format!("  {word:<9}{name:<18} {first}"));
        }
        return Ok(Exit::Success);
    };
    let (wanted, data_only) = match name.strip_prefix("data.") {
        Some(rest) => (rest, true),
        None => (name, false),
    };
    let found: Vec<_> = registry::ALL.iter().filter(|(m, n, _)| *n == wanted && (!data_only || *m == Mode::Data)).collect();
    if found.is_empty() {
        return function(name, terminal).ok_or_else(|| unknown(name).into());
    }
    if terminal.json {
        let found: Vec<registry::Entry> = found.into_iter().copied().collect();
        terminal.line(&schema::types(&found, false).to_string());
        return Ok(Exit::Success);
    }
    for (mode, name, r) in found {
        let word = if *mode == Mode::Data { "data" } else { "resource" };
        terminal.line(&terminal.paint.bold(&format!("{word} \"{name}\"")));
        terminal.line(&wrap(r.schema().doc, 2));
        body(&r.schema().body, 2, terminal);
        terminal.line("");
    }
    Ok(Exit::Success)
}

fn function(name: &str, terminal: &Terminal) -> Option<Exit> {
    let f = functions::lookup(name.trim_end_matches("()"))?;
    if terminal.json {
        terminal.line(&schema::function(name.trim_end_matches("()"), f).to_string());
        return Some(Exit::Success);
    }
    terminal.line(&terminal.paint.bold(&format!("function {}", name.trim_end_matches("()"))));
    terminal.line(&wrap(f.doc, 2));
    Some(Exit::Success)
}

fn unknown(name: &str) -> Diagnostic {
    let names: Vec<&str> = registry::ALL.iter().map(|(_, n, _)| *n).collect();
    let d = Diagnostic::error(codes::NO_TYPE, format!("There is no resource type, data source or function {name:?}."));
    match did_you_mean(name, names.iter().copied().chain(functions::names())) {
        Some(near) => d.hint(format!("Did you mean {near:?}?")),
        None => d.hint(format!("The types are {}.", names.join(", "))),
    }
}

fn body(b: &Body, indent: usize, terminal: &Terminal) {
    for a in &b.attributes {
        let (pad, facts) = (" ".repeat(indent), facts(a));
        let fits = indent + a.name.len() + facts.len() < 98;
        let facts = if fits { format!("  {facts}") } else { format!("\n{}", wrap(&facts, indent + 4)) };
        terminal.line(&format!("\n{pad}{}{facts}", terminal.paint.bold(a.name)));
        terminal.line(&wrap(a.doc, indent + 4));
    }
    for n in &b.blocks {
        let label = match n.nesting {
            Nesting::Single => "block, at most one",
            Nesting::List { label: Some(_) } => "block with a label, any number",
            Nesting::List { label: None } => "block, any number",
            Nesting::Map => "block with a unique label, any number",
        };
        terminal.line(&format!("\n{}{}  ({label})", " ".repeat(indent), terminal.paint.bold(n.name)));
        terminal.line(&wrap(n.doc, indent + 4));
        body(&n.body, indent + 4, terminal);
    }
}

fn facts(a: &Attribute) -> String {
    let ty = match &a.ty {
        AttrType::Value(t) => t.to_string(),
        AttrType::Ref(types) => format!("reference to {}", types.join(" or ")),
    };
    let set = match a.set {
        Set::Required => "required",
        Set::Optional => "optional",
        Set::OptionalComputed => "optional, computed when not set",
        Set::Computed => "computed",
    };
    let mut out = format!("({ty}; {set}");
    if let Some(d) = &a.default {
        out.push_str(&format!("; default {}", json::value(d)));
    }
    if a.sensitive {
        out.push_str("; sensitive");
    }
    if a.force_new && !matches!(a.ty, AttrType::Ref(_)) {
        out.push_str("; a change replaces the object");
    }
    out.push(')');
    out
}

/// Folds text at 100 columns.
fn wrap(text: &str, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.len() + word.len() + indent >= 100 {
                lines.push(format!("{pad}{line}"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(format!("{pad}{line}"));
    }
    lines.join("\n")
}
