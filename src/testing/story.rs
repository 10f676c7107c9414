//! Scenarios as text: a script of configurations, runs and outside changes; what happened is told as one text.
//!
//! A script has paragraphs: `= config` with a configuration below it (`= config m/main.hcl` for another file), and commands:
//!
//! ```text
//! > plan [OPTION…]
//! > apply [OPTION…]            OPTION: -target=A -exclude=A -replace=A -refresh=false -destroy -refresh-only
//! > kill after N: apply …      N writes and commits
//! > fail N: apply …            the Nth write is refused
//! > lose N: apply …            the answer to the Nth write is lost
//! > lag N: apply …             reads answer as of N writes ago
//! > outside delete|create|recreate|set PLACE KIND NAME [PART=VALUE…]
//! > save [OPTION…]             makes a plan and keeps it
//! > apply saved
//! > copy record A to B
//! > show                       the state and the real system
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;

use super::reality::{Knobs, Objects, Real, RealKey, Reality};
use super::types::delete;
use super::{Bench, Kept, Ran, Run, wait};
use crate::apply::executor::Done;
use crate::diag::Diagnostics;
use crate::plan::{Action, Plan, Reason, RunMode};
use crate::resource::lines;
use crate::state::{Record, Snapshot};
use crate::value::{Repr, Value};

/// Plays a script and tells what happened.
pub fn story(script: &str) -> String {
    wait(tell(script))
}

async fn tell(script: &str) -> String {
    let mut bench = Bench::new(true);
    let mut out = String::new();
    let mut kept: Option<Kept> = None;
    let mut lines = script.lines().map(|l| l.strip_prefix("        ").unwrap_or(l)).peekable();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.trim().strip_prefix("= config") {
            let file = if rest.trim().is_empty() { "main.hcl" } else { rest.trim() };
            let mut text = String::new();
            while let Some(l) = lines.next_if(|l| !l.trim().starts_with(['=', '>'])) {
                writeln!(text, "{l}").unwrap();
            }
            writeln!(out, "= config {file}\n{}\n", text.trim_end()).unwrap();
            bench.files.insert(file, text);
        } else if let Some(command) = line.trim().strip_prefix("> ") {
            writeln!(out, "> {command}").unwrap();
            out.push_str(&perform(&mut bench, &mut kept, command).await);
            out.push('\n');
        }
    }
    out
}

async fn perform(bench: &mut Bench, kept: &mut Option<Kept>, command: &str) -> String {
    let (knob, command) = command.split_once(": ").map_or(("", command), |(k, c)| (k, c));
    let words: Vec<&str> = command.split_whitespace().collect();
    let mut run = Run::default();
    if let Some((what, n)) = knob.rsplit_once(' ') {
        let n: usize = n.parse().unwrap();
        match what {
            "kill after" => run.knobs.kill_after = Some(n),
            "fail" => drop(run.knobs.fail.insert(n)),
            "lose" => drop(run.knobs.lose.insert(n)),
            "lag" => run.knobs.lag = n,
            other => panic!("no such knob: {other}"),
        }
    }
    match words[..] {
        ["plan", ..] | ["apply"] | ["save", ..] => {}
        ["apply", "saved"] => {
            let kept = kept.as_ref().expect("a plan was saved");
            return ran_text(&bench.run_kept(kept, &run.knobs).await);
        }
        ["apply", ..] => {}
        ["outside", what, place, kind, name, ref parts @ ..] => {
            outside(&bench.reality, what, &RealKey::new(place, kind, name), parts);
            return String::new();
        }
        ["copy", "record", from, "to", to] => {
            bench.copy_record(from, to).await;
            return String::new();
        }
        ["show"] => {
            return match bench.snapshot().await {
                Ok(snapshot) => format!("{}{}", state_text(&snapshot), real_text(&bench.reality.objects())),
                Err(d) => format!("  error: {}\n", d.detail),
            };
        }
        _ => panic!("no such command: {command}"),
    }
    options(&mut run, &words[1..]);
    run.apply = words[0] == "apply";
    if words[0] == "save" {
        let (ran, now) = bench.keep(&run).await;
        *kept = now;
        return ran_text(&ran);
    }
    ran_text(&bench.run(&run).await)
}

fn options(run: &mut Run, words: &[&str]) {
    let o = &mut run.options;
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("-target", a) => o.targets.push(a.parse().unwrap()),
            ("-exclude", a) => o.excludes.push(a.parse().unwrap()),
            ("-replace", a) => o.replace.push(a.parse().unwrap()),
            ("-refresh", "false") => o.refresh = false,
            ("-destroy", "") => o.mode = RunMode::Destroy,
            ("-refresh-only", "") => o.mode = RunMode::RefreshOnly,
            _ => panic!("no such option: {word}"),
        }
    }
}

/// Changes the real system from outside.
pub fn outside(reality: &Reality, what: &str, key: &RealKey, parts: &[&str]) {
    let id = reality.next_id(&key.kind);
    let inside = reality.inside(key).unwrap_or_else(|| panic!("no such place: {}", key.place));
    let parts: BTreeMap<String, String> = parts.iter().filter_map(|p| p.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect();
    reality.outside(|all| match what {
        "delete" => drop(delete(all, &inside)),
        "create" => drop(all.insert(inside, Real { id, parts })),
        "recreate" => {
            let was = all.get(&inside).map(|r| r.parts.clone()).unwrap_or_default();
            drop(delete(all, &inside));
            all.insert(inside, Real { id, parts: was });
        }
        "set" => all.get_mut(&inside).unwrap_or_else(|| panic!("no such object: {key}")).parts.extend(parts),
        other => panic!("no such outside change: {other}"),
    });
}

/// A plan, one line for each change and operation.
pub fn plan_text(plan: &Plan) -> String {
    let mut out = String::new();
    for d in &plan.drift {
        let found = d.found.as_ref().map_or_else(|| "is gone".to_string(), |v| format!("is {}", object_text(v)));
        writeln!(out, "  drift: {} {found}", d.addr).unwrap();
    }
    for c in plan.changes.iter().filter(|c| c.action != Action::NoOp || c.record_changes || !c.reasons.is_empty()) {
        let reasons: Vec<String> = c.reasons.iter().map(reason_text).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
        let deferred = if c.deferred { " later" } else { "" };
        let label = if c.deposed.is_some() { format!("{} (deposed)", c.addr) } else { c.addr.to_string() };
        let sign = if c.action == Action::NoOp { "=" } else { c.action.symbol() };
        writeln!(out, "  {sign} {label}{deferred}{reasons}").unwrap();
        for line in lines(&c.all_ops().cloned().collect::<Vec<_>>()) {
            writeln!(out, "      {line}").unwrap();
        }
    }
    for s in &plan.skipped {
        writeln!(out, "  left out: {s}").unwrap();
    }
    if out.is_empty() { "  no changes\n".into() } else { out }
}

fn reason_text(r: &Reason) -> String {
    match r {
        Reason::CannotUpdate(names) => format!("{} is fixed", names.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>().join(", ")),
        Reason::Moved(from) => format!("was {from}"),
        Reason::SameObject(object) => format!("same object: {object}"),
        Reason::Imported(id) => format!("imported {id}"),
        Reason::GoesWith(place) => format!("goes with {place}"),
        Reason::NowSensitive => "sensitive from now on".into(),
        Reason::Tainted => "tainted".into(),
        Reason::Requested => "-replace".into(),
        Reason::Triggered => "triggered".into(),
        Reason::NotInConfiguration => "not in the configuration".into(),
        Reason::NoLongerRepeated => "no longer repeated".into(),
        Reason::Destroying => "destroy".into(),
        Reason::Missing => "missing".into(),
        Reason::Deposed => "deposed".into(),
        Reason::SameAsNow(..) => "another address holds it".into(),
    }
}

fn diagnostics_text(diagnostics: &Diagnostics) -> String {
    let mut out = String::new();
    for d in diagnostics.iter() {
        let hint = d.hint.as_ref().map(|h| format!("\n      hint: {}", h.replace('\n', "\n      "))).unwrap_or_default();
        let on = d.address.as_ref().map(|a| format!(" on {a}")).unwrap_or_default();
        writeln!(out, "  {:?} {}{on}: {}{hint}", d.severity, d.code.id, d.detail.replace('\n', "\n      ")).unwrap();
    }
    out
}

/// What a run did.
pub fn ran_text(ran: &Ran) -> String {
    let mut out = String::new();
    if !ran.diagnostics.has_errors() {
        out.push_str(&plan_text(&ran.plan));
    }
    out.push_str(&diagnostics_text(&ran.diagnostics));
    for e in &ran.executed {
        let nothing = if e.effective { "" } else { " (nothing to do)" };
        writeln!(out, "  did: {}: {}{nothing}", e.addr, e.op.to_string().replace('\n', ", ")).unwrap();
    }
    if ran.killed {
        out.push_str("  killed\n");
    }
    if let Some(done) = &ran.done {
        out.push_str(&done_text(done));
    }
    out
}

fn done_text(done: &Done) -> String {
    let mut out = diagnostics_text(&done.diagnostics);
    for u in &done.undone {
        writeln!(out, "  not done: {u}").unwrap();
    }
    out
}

fn shown(v: &Value) -> Option<String> {
    if let Some(origin) = v.origin() {
        return Some(origin.to_string());
    }
    match v.repr() {
        Repr::Null(_) => None,
        Repr::Unknown(u) if u.refinement.digest.is_some() => Some("(digest)".into()),
        Repr::Unknown(_) => Some("(unknown)".into()),
        _ if v.contains_sensitive() => Some("(sensitive)".into()),
        _ => Some(v.as_str().map_or_else(|| v.to_string().split_whitespace().collect::<Vec<_>>().join(" "), str::to_string)),
    }
}

fn object_text(v: &Value) -> String {
    let attrs = v.as_map().into_iter().flatten().filter_map(|(k, v)| Some(format!("{k}={}", shown(v)?)));
    attrs.collect::<Vec<_>>().join(" ")
}

fn record_text(r: &Record) -> String {
    let tainted = if r.tainted { " tainted" } else { "" };
    format!("{} {}{tainted}", r.addr, object_text(&r.attributes))
}

/// The state.
pub fn state_text(s: &Snapshot) -> String {
    let mut out = String::new();
    for r in s.records.values() {
        writeln!(out, "  state: {}", record_text(r)).unwrap();
    }
    for r in s.deposed.values() {
        writeln!(out, "  deposed: {}", record_text(r)).unwrap();
    }
    for d in &s.in_doubt {
        writeln!(out, "  in doubt: {:?} {}", d.verb, record_text(&d.intent)).unwrap();
    }
    out
}

/// The real system.
pub fn real_text(all: &Objects) -> String {
    let mut out = String::new();
    for (key, real) in all {
        let parts: Vec<String> = real.parts.iter().map(|(k, v)| format!(" {k}={v}")).collect();
        let id = if real.id.is_empty() { String::new() } else { format!(" {}", real.id) };
        writeln!(out, "  real: {key}{id}{}", parts.concat()).unwrap();
    }
    out
}

/// What a run with these choices is called.
pub fn run_text(run: &Run) -> String {
    let o = &run.options;
    let mut out = String::from(if run.apply { "apply" } else { "plan" });
    o.targets.iter().for_each(|t| write!(out, " -target={t}").unwrap());
    o.excludes.iter().for_each(|t| write!(out, " -exclude={t}").unwrap());
    o.replace.iter().for_each(|t| write!(out, " -replace={t}").unwrap());
    match o.mode {
        RunMode::Destroy => out.push_str(" -destroy"),
        RunMode::RefreshOnly => out.push_str(" -refresh-only"),
        RunMode::Normal => {}
    }
    if !o.refresh {
        out.push_str(" -refresh=false");
    }
    if run.knobs != Knobs::default() {
        write!(out, " {:?}", run.knobs).unwrap();
    }
    out
}
