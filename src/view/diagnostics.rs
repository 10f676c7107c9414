//! Diagnostics as text for people and as JSON for tools. What is wrong is decided elsewhere; this only shows it.
//!
//! The text has a box at its left, coloured by severity, with the source lines and a caret line under them; the JSON has the shape of
//! Terraform's `validate -json`, with the code, address and hint added.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

use serde_json::{Value as Json, json};
use unicode_segmentation::UnicodeSegmentation;

use super::alike::{self, Shown};
use crate::diag::excerpt::{self, Excerpt};
use crate::diag::redact::{Redactor, one_line};
use crate::diag::{Diagnostic, Diagnostics, Severity, Source, Sources, Span};
use crate::words::plural;

/// How text is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether ANSI colours are used.
    pub color: bool,
    /// Columns to wrap sentences at; 0 does not wrap.
    pub width: usize,
}

/// Lines of source shown at most for one span.
const MAX_LINES: usize = 6;

/// All diagnostics as text; empty where there are none. Alike ones share a box.
pub fn render(diagnostics: &Diagnostics, sources: &Sources, style: Style) -> String {
    let boxes: Vec<String> = alike::grouped(diagnostics).iter().map(|s| render_shown(s, sources, style)).collect();
    boxes.join("\n")
}

/// Warnings as a list of their summaries and places.
pub fn compact(diagnostics: &Diagnostics, sources: &Sources) -> String {
    let mut out = String::from("Warnings:\n\n");
    for d in diagnostics.iter() {
        let _ = writeln!(out, "- {} [{}]", d.code.summary, d.code.id);
        if let Some((span, source)) = d.span.and_then(|s| Some((s, sources.get(s.source)?))) {
            let _ = writeln!(out, "  on {} line {}", source.name, line_of(&source.text, clamp(&source.text, span).start));
        }
    }
    out.push_str("\nTo see the warnings in full, run this without -compact-warnings.\n");
    out
}

/// One diagnostic as a box that ends with a newline.
pub fn render_one(d: &Diagnostic, sources: &Sources, style: Style) -> String {
    render_shown(&Shown { first: d, instances: vec![], elsewhere: vec![] }, sources, style)
}

/// How many places are named under a diagnostic that stands for more.
const PLACES: usize = 10;

fn render_shown(shown: &Shown<'_>, sources: &Sources, style: Style) -> String {
    let d = shown.first;
    let d = &sources.redactor().diagnostic(d.clone());
    let paint = Paint(style.color);
    let color = if d.severity == Severity::Error { "31" } else { "33" };
    let mut lines = vec![headline(d, paint, color), String::new()];
    if let Some(span) = d.span {
        place(&mut lines, sources, (span, d.is_syntax()), None, paint, color);
    }
    if let Some(address) = &d.address {
        lines.push(format!("  with {address}"));
    }
    match &shown.instances[..] {
        [] => {}
        all => lines.push(format!("  … and {}: {}", counted_more(all.len(), "instance"), alike::some(all))),
    }
    values(&mut lines, d, paint);
    for (span, label) in &d.related {
        lines.push(String::new());
        place(&mut lines, sources, (*span, d.is_syntax()), Some(label), paint, color);
    }
    if lines.last().is_some_and(|l| !l.is_empty()) {
        lines.push(String::new());
    }
    lines.extend(wrap(&d.detail, style.width.saturating_sub(2)));
    if let Some(hint) = &d.hint {
        let wrapped = wrap(hint, style.width.saturating_sub(8));
        lines.extend(wrapped.iter().enumerate().map(|(i, l)| match i {
            0 => format!("{} {l}", paint.with("36", "hint:")),
            _ => format!("      {l}"),
        }));
    }
    if !shown.elsewhere.is_empty() {
        lines.push(String::new());
        lines.push(format!("… and the same in {}:", counted_more(shown.elsewhere.len(), "place")));
        for d in shown.elsewhere.iter().take(PLACES) {
            let at = d.span.and_then(|s| Some((s, sources.get(s.source)?)));
            let at = at.map(|(s, source)| format!("on {} line {}, ", source.name, line_of(&source.text, clamp(&source.text, s).start)));
            lines.push(format!("  {}with {}", at.unwrap_or_default(), d.address.as_deref().unwrap_or_default()));
        }
        if shown.elsewhere.len() > PLACES {
            lines.push(format!("  and {} more", shown.elsewhere.len() - PLACES));
        }
    }
    boxed(&lines, paint, color)
}

fn counted_more(n: usize, noun: &str) -> String {
    format!("{n} more {}", plural(&n, noun))
}

#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn with(self, sgr: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{sgr}m{text}\x1b[0m") } else { text.to_string() }
    }
}

fn headline(d: &Diagnostic, paint: Paint, color: &str) -> String {
    let word = if d.severity == Severity::Error { "Error" } else { "Warning" };
    let head = paint.with(&format!("1;{color}"), &format!("{word}[{}]:", d.code.id));
    format!("{head} {}", paint.with("1", d.code.summary))
}

fn boxed(lines: &[String], paint: Paint, color: &str) -> String {
    let mut out = format!("{}\n", paint.with(color, "╷"));
    let bar = paint.with(color, "│");
    for line in lines {
        let sep = if line.is_empty() { "" } else { " " };
        let _ = writeln!(out, "{bar}{sep}{line}");
    }
    let _ = writeln!(out, "{}", paint.with(color, "╵"));
    out
}

/// The file, line and block of a span, then its lines with carets.
fn place(lines: &mut Vec<String>, sources: &Sources, (span, unparsed): (Span, bool), label: Option<&str>, paint: Paint, color: &str) {
    let Some(source) = sources.get(span.source) else { return };
    let range = clamp(&source.text, span);
    let first = line_of(&source.text, range.start);
    let context = block_header(&source.text, range.start).map(|c| format!(", in {c}")).unwrap_or_default();
    let label = label.map(|l| format!(" ({l})")).unwrap_or_default();
    let rows = excerpts(source, range, unparsed, sources.redactor(), MAX_LINES + 1);
    let colon = if rows.is_empty() { "" } else { ":" };
    lines.push(format!("  on {} line {first}{context}{label}{colon}", source.name));
    for (n, (row, marked)) in rows.iter().take(MAX_LINES).enumerate() {
        lines.push(format!("  {:>4}: {}", first + n, expand_tabs(&row.text)));
        if *marked {
            let pad = " ".repeat(8 + width(&row.text[..row.marked.start]));
            let marks = "^".repeat(width(&row.text[row.marked.clone()]).max(1));
            lines.push(format!("{pad}{}", paint.with(color, &marks)));
        }
    }
    if rows.len() > MAX_LINES {
        lines.push("     ...".to_string());
    }
}

/// The lines of a range as they are shown, at most so many, and whether something of each is marked. Of a text that does not parse, contents of strings
/// are hidden.
fn excerpts(source: &Source, range: Range<usize>, unparsed: bool, redactor: &Redactor, most: usize) -> Vec<(Excerpt, bool)> {
    let text = &source.text;
    let mut out = Vec::new();
    if source.is_values {
        return out;
    }
    let mut start = text[..range.start].rfind('\n').map_or(0, |i| i + 1);
    loop {
        let end = text[start..].find('\n').map_or(text.len(), |i| start + i);
        let line = text[start..end].trim_end_matches('\r');
        let from = range.start.clamp(start, start + line.len());
        let to = range.end.clamp(from, start + line.len());
        let blank = line.len() - line.trim_start().len();
        let from = if out.is_empty() { from } else { from.max(start + blank).min(to) };
        let marked = out.is_empty() || from < to;
        let mut hidden = redactor.find(line);
        if unparsed {
            hidden.extend(excerpt::hidden(text, start..start + line.len()));
            hidden.sort_by_key(|h| h.start);
        }
        out.push((excerpt::excerpt(line, &hidden, from - start..to - start), marked));
        if end >= range.end || end >= text.len() || out.len() >= most {
            return out;
        }
        start = end + 1;
    }
}

fn expand_tabs(line: &str) -> String {
    line.replace('\t', "    ")
}

fn width(text: &str) -> usize {
    text.graphemes(true).map(|g| if g == "\t" { 4 } else { 1 }).sum()
}

fn clamp(text: &str, span: Span) -> Range<usize> {
    let down = |mut i: usize| {
        while !text.is_char_boundary(i) {
            i -= 1;
        }
        i
    };
    let start = down((span.start as usize).min(text.len()));
    start..down((span.end as usize).min(text.len())).max(start)
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].bytes().filter(|&b| b == b'\n').count() + 1
}

/// The header of the top-level block around a place, such as `resource "kafka_topic" "orders"`.
///
/// It is found by layout (a line that starts with a name and ends with `{`), since the place may be one that does not parse.
fn block_header(text: &str, at: usize) -> Option<String> {
    let line_end = text[at..].find('\n').map_or(text.len(), |i| at + i);
    for line in text[..line_end].lines().rev() {
        let line = line.trim_end();
        if line.starts_with('}') && at > offset(text, line) + 1 {
            return None;
        }
        if line.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            let head = line.split('{').next()?.trim();
            let is_block = line.contains('{') && !head.contains('=');
            return is_block.then(|| one_line(head).into_owned());
        }
    }
    None
}

fn offset(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

fn values(lines: &mut Vec<String>, d: &Diagnostic, paint: Paint) {
    if d.values.is_empty() {
        return;
    }
    lines.push("    ├────────────────".to_string());
    let mut seen = BTreeSet::new();
    for (name, value) in d.values.iter().filter(|v| seen.insert(&v.0)) {
        let mut rows = value.lines();
        let is = rows.next().unwrap_or("");
        lines.push(format!("    │ {} is {is}", paint.with("1", name)));
        lines.extend(rows.map(|r| format!("    │   {r}")));
    }
}

/// Wraps at spaces; lines that start with a space are kept as they are, since they are laid out.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut out = Vec::new();
    for line in text.lines() {
        if width == 0 || line.starts_with(' ') {
            out.push(line.to_string());
            continue;
        }
        let mut current = String::new();
        for word in line.split(' ') {
            let longer = current.graphemes(true).count() + 1 + word.graphemes(true).count();
            if !current.is_empty() && longer > width {
                out.push(std::mem::take(&mut current));
            } else if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        out.push(current);
    }
    out
}

/// The result of `validate -json`: `format_version`, `valid`, the counts and the diagnostics.
pub fn report_json(diagnostics: &Diagnostics, sources: &Sources) -> Json {
    let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    json!({
        "format_version": "1.0",
        "valid": errors == 0,
        "error_count": errors,
        "warning_count": diagnostics.len() - errors,
        "diagnostics": to_json(diagnostics, sources),
    })
}

/// The diagnostics as an array in the shape of Terraform's, with `code`, `hint` and `address`.
pub fn to_json(diagnostics: &Diagnostics, sources: &Sources) -> Json {
    diagnostics.iter().map(|d| one_json(d, sources)).collect()
}

fn one_json(d: &Diagnostic, sources: &Sources) -> Json {
    let d = &sources.redactor().diagnostic(d.clone());
    let mut out = json!({
        "severity": if d.severity == Severity::Error { "error" } else { "warning" },
        "code": d.code.id,
        "summary": d.code.summary,
        "detail": d.detail,
    });
    if let Some(address) = &d.address {
        out["address"] = json!(address);
    }
    if let Some(hint) = &d.hint {
        out["hint"] = json!(hint);
    }
    if let Some(span) = d.span
        && let Some(source) = sources.get(span.source)
    {
        out["range"] = range_json(source, span);
        if !source.is_values {
            out["snippet"] = snippet_json(source, span, d.is_syntax(), &d.values, sources.redactor());
        }
    }
    let related = d.related.iter().filter_map(|(span, label)| {
        let range = range_json(sources.get(span.source)?, *span);
        Some(json!({ "label": label, "range": range }))
    });
    let related: Vec<Json> = related.collect();
    if !related.is_empty() {
        out["related"] = json!(related);
    }
    out
}

fn range_json(source: &Source, span: Span) -> Json {
    let range = clamp(&source.text, span);
    json!({ "filename": source.name, "start": pos_json(&source.text, range.start), "end": pos_json(&source.text, range.end) })
}

/// Lines and columns count from 1, columns in grapheme clusters; bytes count from 0.
fn pos_json(text: &str, at: usize) -> Json {
    let start = text[..at].rfind('\n').map_or(0, |i| i + 1);
    json!({ "line": line_of(text, at), "column": text[start..at].graphemes(true).count() + 1, "byte": at })
}

fn snippet_json(source: &Source, span: Span, unparsed: bool, values: &[(String, String)], redactor: &Redactor) -> Json {
    let text = &source.text;
    let range = clamp(text, span);
    let rows = excerpts(source, range.clone(), unparsed, redactor, usize::MAX);
    let first = rows.first().map_or(0..0, |(row, _)| row.marked.clone());
    let code = rows.iter().map(|(row, _)| &*row.text).collect::<Vec<_>>().join("\n");
    // The marks end in the last line that has any.
    let last = rows.iter().rposition(|(_, marked)| *marked).unwrap_or(0);
    let before: usize = rows.iter().take(last).map(|(row, _)| row.text.len() + 1).sum();
    let end = before + rows.get(last).map_or(0, |(row, _)| row.marked.end);
    let values: Vec<Json> = values.iter().map(|(name, value)| json!({ "traversal": name, "statement": format!("is {value}") })).collect();
    json!({
        "context": block_header(text, range.start),
        "code": code,
        "start_line": line_of(text, range.start),
        "highlight_start_offset": first.start,
        "highlight_end_offset": end,
        "values": values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::codes::config::{UNSUPPORTED_ARGUMENT, UNSUPPORTED_BLOCK};

    const PLAIN: Style = Style { color: false, width: 60 };

    fn sources() -> (Sources, crate::diag::SourceId) {
        let mut sources = Sources::default();
        let text = "resource \"kafka_topic\" \"orders\" {\n  name = \"a\"\n  partitoins = var.n\n}\n\nlocals {\n  x = [\n    1,\n  ]\n}\n";
        let id = sources.add("main.hcl", text);
        (sources, id)
    }

    fn span(sources: &Sources, id: crate::diag::SourceId, part: &str) -> Span {
        let start = sources.get(id).unwrap().text.find(part).unwrap() as u32;
        Span { source: id, start, end: start + part.len() as u32 }
    }

    #[test]
    fn a_box_shows_place_values_and_hint() {
        let (s, id) = sources();
        let mut d = Diagnostic::error(
            UNSUPPORTED_ARGUMENT,
            "An argument named \"partitoins\" is not expected here, and this sentence is long enough to wrap.",
        )
        .at(span(&s, id, "partitoins"))
        .on("kafka_topic.orders")
        .hint("Did you mean \"partitions\"?");
        d.values.push(("var.n".into(), "3".into()));
        let text = render(&d.into(), &s, PLAIN);
        assert_eq!(
            text,
            "\
╷
│ Error[SF2001]: Unsupported argument
│
│   on main.hcl line 3, in resource \"kafka_topic\" \"orders\":
│      3:   partitoins = var.n
│           ^^^^^^^^^^
│   with kafka_topic.orders
│     ├────────────────
│     │ var.n is 3
│
│ An argument named \"partitoins\" is not expected here, and
│ this sentence is long enough to wrap.
│ hint: Did you mean \"partitions\"?
╵
"
        );
    }

    #[test]
    fn several_lines_are_marked_each() {
        let (s, id) = sources();
        let d = Diagnostic::warning(UNSUPPORTED_BLOCK, "No.").at(span(&s, id, "[\n    1,\n  ]")).also(span(&s, id, "name"), "first here");
        assert_eq!(
            render(&d.into(), &s, PLAIN),
            "\
╷
│ Warning[SF2002]: Unsupported block type
│
│   on main.hcl line 7, in locals:
│      7:   x = [
│               ^
│      8:     1,
│             ^^
│      9:   ]
│           ^
│
│   on main.hcl line 2, in resource \"kafka_topic\" \"orders\" (first here):
│      2:   name = \"a\"
│           ^^^^
│
│ No.
╵
"
        );
    }

    #[test]
    fn colour_is_only_where_asked_for() {
        let (s, id) = sources();
        let d: Diagnostics = Diagnostic::error(UNSUPPORTED_BLOCK, "No.").at(span(&s, id, "name")).into();
        assert!(!render(&d, &s, PLAIN).contains('\x1b'));
        assert!(render(&d, &s, Style { color: true, width: 0 }).contains("\x1b[1;31mError[SF2002]:\x1b[0m"));
    }

    #[test]
    fn json_has_terraforms_shape() {
        let (s, id) = sources();
        let d = Diagnostic::error(UNSUPPORTED_ARGUMENT, "No.").at(span(&s, id, "partitoins")).hint("Write it.");
        let json = report_json(&d.into(), &s);
        assert_eq!(json["valid"], false);
        let d = &json["diagnostics"][0];
        assert_eq!(d["range"]["start"], json!({"line": 3, "column": 3, "byte": 49}));
        assert_eq!(d["snippet"]["code"], "  partitoins = var.n");
        assert_eq!(d["snippet"]["highlight_start_offset"], 2);
        assert_eq!(block_header("res\u{7}ource \"a\" {\n  x", 16).as_deref(), Some("res\\u0007ource \"a\""));
        assert_eq!(d["snippet"]["context"], "resource \"kafka_topic\" \"orders\"");
        assert_eq!(d["code"], "SF2001");
    }

    #[test]
    fn spans_outside_the_text_do_no_harm() {
        let (s, id) = sources();
        let d: Diagnostics = Diagnostic::error(UNSUPPORTED_BLOCK, "No.").at(Span { source: id, start: 9000, end: 9001 }).into();
        assert!(render(&d, &s, PLAIN).contains("No."));
        assert_eq!(to_json(&d, &s)[0]["code"], "SF2002");
    }
}
