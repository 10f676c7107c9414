//! The live view of an apply: a line per running step with its elapsed time and a bar over all on a terminal, plain lines elsewhere,
//! JSON lines with `-json`. It reads events and never blocks the work.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::paint::Paint;
use super::stdout;
use crate::addr::InstanceAddr;
use crate::apply::{Event, Events};
use crate::plan::Plan;
use crate::resource::Verb;

/// How many running steps have a line of their own.
const LINES: usize = 12;

/// Above how many finished steps of one kind only the bar tells.
const QUIET_ABOVE: usize = 200;

/// What a step does, and what it then was.
fn doing(verb: Option<Verb>) -> (&'static str, &'static str) {
    match verb {
        Some(Verb::Create) => ("Creating", "Creation"),
        Some(Verb::Update) => ("Updating", "Update"),
        Some(Verb::Delete) => ("Destroying", "Destruction"),
        None => ("Reading", "Read"),
    }
}

/// `1.2s`, `1m03s`.
pub fn elapsed(d: Duration) -> String {
    match d.as_secs() {
        s if s >= 60 => format!("{}m{:02}s", s / 60, s % 60),
        _ => format!("{:.1}s", d.as_secs_f64()),
    }
}

/// Texts shown in place of addresses, known once there is a plan.
pub type Names = Arc<OnceLock<HashMap<InstanceAddr, String>>>;

/// The names of a plan's objects that go by the address that they had.
pub fn names(plan: &Plan) -> HashMap<InstanceAddr, String> {
    plan.changes.iter().filter(|c| c.recorded_at().is_some()).map(|c| (c.addr.clone(), c.label())).collect()
}

/// The view for people.
pub struct Human {
    paint: Paint,
    /// The texts that differ from their address: a deleted object has the address that people know it by.
    names: Names,
    bars: MultiProgress,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    total: Option<ProgressBar>,
    running: HashMap<String, (Option<ProgressBar>, &'static str)>,
    steps: usize,
    began: Option<Instant>,
}

impl Human {
    /// On a terminal with bars, elsewhere with lines only.
    pub fn new(paint: Paint, terminal: bool, names: Names) -> Self {
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Human { paint, names, bars: MultiProgress::with_draw_target(target), inner: Mutex::default() }
    }

    fn name(&self, addr: &InstanceAddr) -> String {
        self.names.get().and_then(|names| names.get(addr)).cloned().unwrap_or_else(|| addr.to_string())
    }

    fn line(&self, text: &str) {
        if self.bars.is_hidden() {
            // A closed pipe must not stop the work.
            stdout::write(&format!("{text}\n"));
        } else {
            drop(self.bars.println(text));
        }
    }

    fn started(&self, inner: &mut Inner, name: String, verb: Option<Verb>) {
        let (word, _) = doing(verb);
        if inner.steps <= QUIET_ABOVE && self.bars.is_hidden() {
            self.line(&format!("{}: {word}...", self.paint.bold(&name)));
        }
        let bar = (inner.running.len() < LINES && !self.bars.is_hidden()).then(|| {
            let bar = ProgressBar::new_spinner();
            let bar = match &inner.total {
                Some(total) => self.bars.insert_before(total, bar),
                None => self.bars.add(bar),
            };
            if let Ok(style) = ProgressStyle::with_template("  {spinner} {prefix}: {msg} [{elapsed}]") {
                bar.set_style(style);
            }
            bar.set_prefix(name.clone());
            bar.set_message(format!("{word}..."));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        inner.running.insert(name, (bar, word));
    }

    fn finished(&self, inner: &mut Inner, name: &str, verb: Option<Verb>, ok: bool, took: Duration) {
        if let Some((Some(bar), _)) = inner.running.remove(name) {
            bar.finish_and_clear();
        }
        if let Some(total) = &inner.total {
            total.inc(1);
        }
        let (_, what) = doing(verb);
        if !ok {
            self.line(&format!("{}: {} after {}", self.paint.bold(name), self.paint.red(&format!("{what} failed")), elapsed(took)));
        } else if inner.steps <= QUIET_ABOVE {
            self.line(&format!("{}: {what} complete after {}", self.paint.bold(name), elapsed(took)));
        }
    }
}

impl Events for Human {
    fn emit(&self, event: &Event) {
        let mut inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            Event::Begin { steps } => {
                inner.steps = *steps;
                inner.began = Some(Instant::now());
                if !self.bars.is_hidden() && *steps > 0 {
                    let bar = self.bars.add(ProgressBar::new(*steps as u64));
                    if let Ok(style) = ProgressStyle::with_template("  [{bar:40}] {pos}/{len} [{elapsed}]") {
                        bar.set_style(style.progress_chars("=> "));
                    }
                    bar.enable_steady_tick(Duration::from_millis(500));
                    inner.total = Some(bar);
                }
            }
            Event::Started { addr, verb } => self.started(&mut inner, self.name(addr), *verb),
            Event::Note { addr, text } => match inner.running.get(&self.name(addr)) {
                Some((Some(bar), word)) => bar.set_message(format!("{word}: {text}")),
                _ if self.bars.is_hidden() && inner.steps <= QUIET_ABOVE => {
                    self.line(&format!("{}: {text}", self.paint.bold(&self.name(addr))))
                }
                _ => {}
            },
            Event::Finished { addr, verb, ok, took } => self.finished(&mut inner, &self.name(addr), *verb, *ok, *took),
            Event::Stopping => {
                self.line(&self.paint.yellow("Interrupted: no new steps begin, running ones end first."));
                self.line(&self.paint.yellow("Interrupt again to stop at once."));
            }
            Event::End => {
                // Steps that were given up have lines still.
                for (_, (bar, _)) in inner.running.drain() {
                    bar.iter().for_each(ProgressBar::finish_and_clear);
                }
                if let Some(total) = inner.total.take() {
                    total.finish_and_clear();
                }
            }
        }
    }
}

/// One JSON object per line on stdout.
pub struct JsonLines;

impl Events for JsonLines {
    fn emit(&self, event: &Event) {
        let verb = |v: &Option<Verb>| {
            v.map_or("read", |v| match v {
                Verb::Create => "create",
                Verb::Update => "update",
                Verb::Delete => "delete",
            })
        };
        let line = match event {
            Event::Begin { steps } => json!({"type": "apply_begin", "steps": steps}),
            Event::Started { addr, verb: v } => json!({"type": "apply_start", "address": addr.to_string(), "action": verb(v)}),
            Event::Note { addr, text } => json!({"type": "apply_progress", "address": addr.to_string(), "message": text}),
            Event::Finished { addr, verb: v, ok, took } => json!({
                "type": if *ok { "apply_complete" } else { "apply_errored" },
                "address": addr.to_string(), "action": verb(v), "elapsed_seconds": took.as_secs_f64(),
            }),
            Event::Stopping => json!({"type": "stopping"}),
            Event::End => json!({"type": "apply_end"}),
        };
        stdout::write(&format!("{line}\n"));
    }
}
