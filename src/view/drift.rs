//! The drift report as text and as JSON: what somebody did, object by object.

use serde_json::{Value as Json, json};

use super::paint::Paint;
use super::plan::PlanStyle;
use crate::diag::redact::one_line;
use crate::plan::diff::same;
use crate::plan::drift::{Finding, Kind, Part};
use crate::plan::{Action, Plan, Reason};
use crate::value::Value;
use crate::value::print::padded;
use crate::words::{counted, for_shell};

/// A live object that no block declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Its type.
    pub type_name: String,
    /// The block of the place that it lives in.
    pub parent: String,
    /// Its import id.
    pub id: String,
    /// A line that names it for people.
    pub label: String,
    /// It can be imported: no part of it is held by a block.
    pub whole: bool,
}

/// What a drift report says.
#[derive(Debug, Default)]
pub struct Report<'p> {
    /// Objects that differ.
    pub findings: Vec<Finding<'p>>,
    /// How many objects were looked at.
    pub objects: usize,
    /// Objects that no block declares.
    pub strays: Vec<Stray>,
    /// Places that were not searched, each with why.
    pub not_searched: Vec<(String, String)>,
    /// Recorded objects that could not be read.
    pub not_read: Vec<String>,
    /// Something else is wrong, so that apply would not run.
    pub blocked: bool,
}

impl Report<'_> {
    /// Whether anything was found.
    pub fn any(&self) -> bool {
        !self.findings.is_empty() || !self.strays.is_empty()
    }
}

/// As JSON.
pub fn json(report: &Report<'_>) -> Json {
    let shown = |v: &Option<Value>| v.as_ref().map(super::json::value);
    let part = |f: &Finding<'_>, p: &Part| {
        let by = if f.kind == Kind::NotApplied { "configuration" } else { "outside" };
        json!({"path": p.path, "before": shown(&p.before), "after": shown(&p.after), "by": by})
    };
    let managed = report.findings.iter().map(|f| {
        let ops: Vec<_> = f.change.iter().flat_map(|c| c.all_ops().cloned()).collect();
        json!({
            "address": f.addr.to_string(),
            "actions": f.change.map_or(Action::NoOp, |c| c.action).name(),
            "effects": crate::resource::lines(&ops),
            "missing": f.kind == Kind::Deleted || f.change.is_some_and(|c| c.reasons.contains(&Reason::Missing)),
            "changes": f.parts.iter().map(|p| part(f, p)).collect::<Vec<_>>(),
            "notes": f.notes,
            "refused": f.is_refused(),
            "exists": f.exists,
        })
    });
    let unmanaged: Vec<_> =
        report.strays.iter().map(|s| json!({"type": s.type_name, "in": s.parent, "id": s.id, "label": s.label})).collect();
    let not_searched: Vec<&String> = report.not_searched.iter().map(|(place, _)| place).collect();
    json!({"format_version": "1.0", "drift": report.any(), "managed": managed.collect::<Vec<_>>(), "unmanaged": unmanaged,
        "not_searched": not_searched, "not_read": report.not_read})
}

/// As text.
pub fn text(report: &Report<'_>, paint: Paint) -> String {
    let mut out = String::new();
    if !report.any() {
        let what = match report.not_read.is_empty() {
            true => "No drift. The real systems match the configuration.",
            false => "No drift in what could be read.",
        };
        out.push_str(&format!("{}\n", paint.bold(what)));
    }
    if !report.findings.is_empty() {
        let (n, all) = (report.findings.len(), report.objects.max(report.findings.len()));
        out.push_str(&format!("{}\n\n", paint.bold(&format!("Drift in {n} of {}:", counted(all, "object")))));
        let width = report.findings.iter().map(|f| f.addr.to_string().chars().count()).max().unwrap_or(0).min(40);
        report.findings.iter().for_each(|f| finding(&mut out, f, width, paint));
    }
    if !report.strays.is_empty() {
        let n = report.strays.len();
        let head = format!("{} that no block declares:", counted(n, "object"));
        out.push_str(&format!("{}{}\n", if report.findings.is_empty() { "" } else { "\n" }, paint.bold(&head)));
        for s in &report.strays {
            out.push_str(&format!("  {} {} in {}\n", paint.yellow("?"), one_line(&s.label), s.parent));
            if s.whole {
                out.push_str(&format!("      {}\n", paint.dim(&import_command(s))));
            }
        }
    }
    for (place, why) in &report.not_searched {
        out.push_str(&format!("\nSkipped the search for unmanaged objects in {place}: {why}.\n"));
    }
    if !report.not_read.is_empty() {
        let shown = report.not_read.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
        let more = report.not_read.len().saturating_sub(10);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        out.push_str(&format!("\nNot read, so nothing is known of: {shown}{more}.\n"));
    }
    out.push_str(&prospects(report));
    out
}

/// The effect of an apply on the drift found. An apply that refuses one object changes none.
fn prospects(report: &Report<'_>) -> String {
    let refused = report.findings.iter().filter(|f| f.is_refused()).count();
    let back = report.findings.iter().filter(|f| f.is_to_change() && !f.is_refused()).count();
    let then = match back {
        0 => String::new(),
        _ => format!(" After that it changes {back} of them."),
    };
    match (refused, report.blocked, back) {
        (0, false, 0) => String::new(),
        (0, false, _) => format!("\nstreamform apply changes {back} of them; streamform plan shows how.\n"),
        (0, true, 0) => String::new(),
        (0, true, _) => format!("\nstreamform apply changes nothing until the errors above are resolved.{then}\n"),
        (_, _, _) => {
            let marked = if refused == 1 { "the one marked with !" } else { "those marked with !" };
            format!(
                "\nstreamform apply refuses to run because of {refused} of them ({marked}), and changes nothing until that is resolved.{then}\n"
            )
        }
    }
}

/// Each object that differs as a plan shows it: what was found against what is recorded, then what apply would do, with all attributes.
pub fn details(report: &Report<'_>, plan: &Plan, paint: Paint) -> String {
    let style = PlanStyle { paint, verbose: true };
    let mut out = String::new();
    for f in &report.findings {
        if let Some(d) = plan.drift.iter().find(|d| d.addr == f.addr) {
            out.push_str(&super::plan::drift(d, style));
        }
        if let Some(c) = f.change.filter(|c| c.action != Action::NoOp) {
            out.push('\n');
            super::plan::change(&mut out, c, style);
        }
    }
    out
}

fn finding(out: &mut String, f: &Finding<'_>, width: usize, paint: Paint) {
    let action = f.change.map_or(Action::NoOp, |c| c.action);
    let (sign, what) = match (f.kind, action) {
        (Kind::Deleted, _) => ("-", "deleted outside"),
        (Kind::Changed, _) => ("~", ""),
        (_, Action::Create) => match f.exists {
            Some(false) => ("+", "not created yet"),
            Some(true) => ("+", "exists, and is not in the state"),
            None => ("+", "not in the state; whether it exists could not be asked"),
        },
        (_, Action::Delete) => ("-", "no longer declared, and not deleted yet"),
        (_, Action::Replace | Action::ReplaceCreateFirst) => ("~", "not replaced yet"),
        _ => ("~", "not applied yet"),
    };
    let parts_width = f.parts.iter().map(|p| p.path.chars().count()).max().unwrap_or(0);
    let mut lines: Vec<String> = Vec::new();
    if !what.is_empty() {
        lines.push(what.to_string());
    }
    for p in &f.parts {
        let values = lines_of(p);
        for (i, value) in values.into_iter().enumerate() {
            let path = if i == 0 { padded(&p.path, parts_width) } else { " ".repeat(parts_width) };
            let outside = if f.kind == Kind::Changed { " outside" } else { "" };
            lines.push(format!("{path}   {value}{outside}"));
        }
    }
    lines.extend(f.notes.iter().flat_map(|n| n.lines().map(|l| paint.yellow(&format!("! {l}"))).collect::<Vec<_>>()));
    let mut lines = lines.into_iter();
    let first = lines.next().unwrap_or_default();
    out.push_str(format!("  {} {}  {first}", paint.sign(sign), padded(&f.addr.to_string(), width)).trim_end());
    out.push('\n');
    lines.for_each(|l| out.push_str(&format!("{}{l}\n", " ".repeat(width + 6))));
}

/// A part that differs: `old -> new`, of a list what came and what went.
fn lines_of(p: &Part) -> Vec<String> {
    let listed = |v: &Option<Value>| match v {
        Some(v) if v.marks().is_sensitive() => None,
        Some(v) => v.as_slice().map(<[Value]>::to_vec),
        None => Some(vec![]),
    };
    if let (Some(a), Some(b)) = (listed(&p.before), listed(&p.after))
        && (p.before.is_some() || p.after.is_some())
    {
        let gone = a.iter().filter(|x| !b.iter().any(|y| same(x, y))).map(|v| format!("- {}", short(Some(v))));
        let new = b.iter().filter(|x| !a.iter().any(|y| same(x, y))).map(|v| format!("+ {}", short(Some(v))));
        let lines: Vec<String> = gone.chain(new).collect();
        return if lines.is_empty() { vec!["in another order".into()] } else { lines };
    }
    vec![format!("{} -> {}", short(p.before.as_ref()), short(p.after.as_ref()))]
}

/// A value on one line, not too long. Plain words stand without quotes.
fn short(v: Option<&Value>) -> String {
    let Some(v) = v else { return "(unset)".into() };
    let plain = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_graphic() && c != '"');
    let text = match v.as_str() {
        Some(s) if plain(s) && !v.marks().is_sensitive() => s.to_string(),
        _ => v.to_string(),
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// The command that brings a stray under management.
fn import_command(s: &Stray) -> String {
    let name: String = s.id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let name = if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') { name } else { format!("_{name}") };
    let id = for_shell(&one_line(&s.id));
    format!("streamform import {}.{name} {id}", s.type_name)
}
