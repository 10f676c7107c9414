//! What `test` says: lines for people as Terraform has them, JSON lines, and JUnit XML.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value as Json, json};

use crate::addr::InstanceAddr;
use crate::apply::{Event, Events, Silent};
use crate::diag::{Diagnostic, Diagnostics, Severity, Sources};
use crate::lang::config::testfile::{TestFile, TestRun};
use crate::ops::Terminal;
use crate::view::diagnostics as shown;
use crate::view::paint::is_capable;
use crate::words::counted;

/// What became of a run, a file or all of it; the worse is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It holds.
    Pass,
    /// It was not carried out.
    Skip,
    /// An assertion is false.
    Fail,
    /// It could not be carried out or judged; the runs after it are skipped.
    Error,
}

impl Status {
    /// The word for people; an error is a failure too.
    fn word(self) -> &'static str {
        match self {
            Status::Pass => "pass",
            Status::Skip => "skip",
            Status::Fail | Status::Error => "fail",
        }
    }

    fn json(self) -> &'static str {
        if self == Status::Error { "error" } else { self.word() }
    }
}

/// One run, for the summary and JUnit.
struct Case {
    file: String,
    name: String,
    status: Status,
    took: Duration,
    began: SystemTime,
    text: String,
}

/// Says what happens, and remembers it.
pub struct Report<'a> {
    terminal: &'a Terminal,
    verbose: bool,
    cases: Vec<Case>,
    left_behind: bool,
}

impl<'a> Report<'a> {
    /// Nothing has happened yet.
    pub fn new(terminal: &'a Terminal, verbose: bool) -> Self {
        Report { terminal, verbose, cases: vec![], left_behind: false }
    }

    fn json(&self, level: &str, message: &str, kind: &str, place: (&str, Option<&str>), body: Json) {
        let now = jiff::Timestamp::now().to_string();
        let mut out = json!({"@level": level, "@message": message, "@module": "streamform.ui", "@timestamp": now, "type": kind});
        if !place.0.is_empty() {
            out["@testfile"] = json!(place.0);
        }
        if let Some(run) = place.1 {
            out["@testrun"] = json!(run);
        }
        out[kind] = body;
        self.terminal.line(&out.to_string());
    }

    /// The files and runs that there are.
    pub fn found(&self, files: &[TestFile]) {
        if !self.terminal.json {
            return;
        }
        let runs: usize = files.iter().map(|f| f.runs.len()).sum();
        let names = files.iter().map(|f| (f.name.clone(), f.runs.iter().map(|r| r.name.name.to_string()).collect::<Vec<_>>().into()));
        let body: serde_json::Map<String, Json> = names.collect();
        let message = format!("Found {} and {}", counted(files.len(), "file"), counted(runs, "run block"));
        self.json("info", &message, "test_abstract", ("", None), body.into());
    }

    fn file_line(&self, file: &str, words: &str, progress: &str, status: Option<Status>) {
        let message = format!("{file}... {words}");
        if self.terminal.json {
            let mut body = json!({"path": file, "progress": progress});
            if let Some(s) = status {
                body["status"] = json!(s.json());
            }
            return self.json("info", &message, "test_file", (file, None), body);
        }
        let words = match status {
            Some(s) => self.painted(s),
            None => self.terminal.paint.dim(words),
        };
        self.terminal.line(&format!("{file}... {words}"));
    }

    fn painted(&self, s: Status) -> String {
        let paint = self.terminal.paint;
        match s {
            Status::Pass => paint.green(s.word()),
            Status::Skip => paint.dim(s.word()),
            Status::Fail | Status::Error => paint.red(s.word()),
        }
    }

    /// A file begins.
    pub fn file_begins(&self, file: &str) {
        self.file_line(file, "in progress", "starting", None);
    }

    /// A file's runs have ended.
    pub fn tearing_down(&self, file: &str) {
        self.file_line(file, "tearing down", "teardown", None);
    }

    /// A file has ended.
    pub fn file_ended(&self, file: &str, status: Status) {
        self.file_line(file, status.word(), "complete", Some(status));
    }

    /// A run begins.
    pub fn run_begins(&self, file: &str, run: &TestRun) {
        if self.terminal.json {
            let name = &*run.name.name;
            let body = json!({"path": file, "run": name, "progress": "starting", "elapsed": 0});
            self.json("info", &format!("  {name:?}... in progress"), "test_run", (file, Some(name)), body);
        }
    }

    /// What a run does meanwhile: one line that goes away again, on a terminal only.
    pub fn events(&self, run: &TestRun) -> Arc<dyn Events> {
        self.busy(format!("  run {:?}", &*run.name.name))
    }

    /// As [`Report::events`] while a file is taken down.
    pub fn teardown_events(&self) -> Arc<dyn Events> {
        self.busy("  tearing down".to_string())
    }

    fn busy(&self, what: String) -> Arc<dyn Events> {
        if self.terminal.json || !is_capable(&std::io::stderr()) { Arc::new(Silent) } else { Arc::new(Busy::new(what)) }
    }

    /// A run is left out.
    pub fn skipped(&mut self, file: &str, run: &TestRun) {
        self.run_ended(file, run, Status::Skip, Duration::ZERO, "", &Diagnostics::new(), &Sources::default());
    }

    /// A run has ended.
    #[allow(clippy::too_many_arguments, reason = "each is one fact about the run")]
    pub fn run_ended(
        &mut self,
        file: &str,
        run: &TestRun,
        status: Status,
        took: Duration,
        text: &str,
        diagnostics: &Diagnostics,
        sources: &Sources,
    ) {
        let name = &*run.name.name;
        if self.terminal.json {
            let mut body = json!({"path": file, "run": name, "progress": "complete", "status": status.json()});
            if status != Status::Skip {
                body["elapsed"] = json!(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
            }
            self.json("info", &format!("  {name:?}... {}", status.word()), "test_run", (file, Some(name)), body);
            diagnostics.iter().for_each(|d| self.json_diagnostic(d, sources, (file, Some(name))));
        } else {
            self.terminal.line(&format!("  run {name:?}... {}", self.painted(status)));
            if self.verbose && !text.is_empty() {
                self.terminal.line(&format!("\n{}\n", text.trim_end()));
            }
            self.terminal.diagnostics(diagnostics, sources);
        }
        let text = shown::render(diagnostics, sources, shown::Style { color: false, width: 100 });
        let began = SystemTime::now() - took;
        self.cases.push(Case { file: file.to_string(), name: name.to_string(), status, took, began, text });
    }

    fn json_diagnostic(&self, d: &Diagnostic, sources: &Sources, place: (&str, Option<&str>)) {
        let (level, word) = if d.severity == Severity::Error { ("error", "Error") } else { ("warn", "Warning") };
        let body = shown::to_json(&d.clone().into(), sources)[0].clone();
        self.json(level, &format!("{word}: {}", d.code.summary), "diagnostic", place, body);
    }

    /// What went wrong while a file was taken down.
    pub fn teardown_diagnostics(&self, diagnostics: &Diagnostics, sources: &Sources) {
        if self.terminal.json {
            diagnostics.iter().for_each(|d| self.json_diagnostic(d, sources, ("", None)));
        } else {
            self.terminal.diagnostics(diagnostics, sources);
        }
    }

    /// What could not be destroyed, and where its state is kept.
    pub fn left_behind(&mut self, file: &str, left: &[InstanceAddr], kept: &Path) {
        self.left_behind = true;
        let folder = kept.display().to_string();
        if self.terminal.json {
            let names: Vec<Json> = left.iter().map(|a| json!({"instance": a.to_string()})).collect();
            let body = json!({"failed_resources": names, "kept_in": folder});
            return self.json("error", "streamform left some resources in state.", "test_cleanup", (file, None), body);
        }
        let t = self.terminal;
        t.note(&t.paint.red(&format!("\n{file} left objects behind, which have to be removed by hand:")));
        left.iter().for_each(|a| t.note(&format!("  - {a}")));
        t.note(&format!("What is known of them is kept in {folder}.\n"));
    }

    /// The last line, and whether all is well.
    pub fn summary(&self) -> Status {
        let n = |s: Status| self.cases.iter().filter(|c| c.status == s).count();
        let (passed, failed, errors, skipped) = (n(Status::Pass), n(Status::Fail), n(Status::Error), n(Status::Skip));
        let worst = self.cases.iter().map(|c| c.status).max().unwrap_or(Status::Pass);
        let status = if self.left_behind { Status::Error } else { worst };
        let word = if status == Status::Pass { "Success!" } else { "Failure!" };
        let mut text = format!("{word} {passed} passed, {} failed", failed + errors);
        if skipped > 0 {
            let _ = write!(text, ", {skipped} skipped");
        }
        text.push('.');
        if self.terminal.json {
            let body = json!({"status": status.json(), "passed": passed, "failed": failed, "errored": errors, "skipped": skipped});
            self.json("info", &text, "test_summary", ("", None), body);
        } else {
            let paint = self.terminal.paint;
            self.terminal.line(&format!("\n{}", if status == Status::Pass { paint.green(&text) } else { paint.red(&text) }));
        }
        status
    }

    /// The results as JUnit XML.
    pub fn junit(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?><testsuites>\n");
        // The runs of one file follow each other.
        let mut files: Vec<&str> = self.cases.iter().map(|c| c.file.as_str()).collect();
        files.dedup();
        for file in files {
            let cases: Vec<&Case> = self.cases.iter().filter(|c| c.file == file).collect();
            let n = |s: Status| cases.iter().filter(|c| c.status == s).count();
            let _ = writeln!(
                out,
                "  <testsuite name=\"{}\" tests=\"{}\" skipped=\"{}\" failures=\"{}\" errors=\"{}\">",
                escape(file),
                cases.len(),
                n(Status::Skip),
                n(Status::Fail),
                n(Status::Error)
            );
            cases.iter().for_each(|c| junit_case(&mut out, c));
            out.push_str("  </testsuite>\n");
        }
        out.push_str("</testsuites>\n");
        out
    }
}

fn junit_case(out: &mut String, c: &Case) {
    let began = jiff::Timestamp::try_from(c.began).map(|t| t.to_string()).unwrap_or_default();
    let _ = write!(out, "    <testcase name=\"{}\" classname=\"{}\"", escape(&c.name), escape(&c.file));
    if c.status != Status::Skip {
        let _ = write!(out, " time=\"{:.3}\" timestamp=\"{began}\"", c.took.as_secs_f64());
    }
    out.push('>');
    match c.status {
        Status::Pass if c.text.is_empty() => {}
        Status::Pass => {
            let _ = write!(out, "\n      <system-err>{}</system-err>\n    ", escape(&c.text));
        }
        Status::Skip => out.push_str(
            "\n      <skipped message=\"An earlier run could not be carried out, or the tests were interrupted\"></skipped>\n    ",
        ),
        Status::Fail => {
            let _ = write!(out, "\n      <failure message=\"Test run failed\">{}</failure>\n    ", escape(&c.text));
        }
        Status::Error => {
            let _ = write!(out, "\n      <error message=\"Encountered an error\">{}</error>\n    ", escape(&c.text));
        }
    }
    out.push_str("</testcase>\n");
}

/// Text in XML; characters that XML does not allow are left out.
fn escape(text: &str) -> String {
    let allowed = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t' | '\r'));
    let mut out = String::new();
    for c in allowed {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// A line at the bottom of a terminal that says what a run is doing.
struct Busy {
    what: String,
    bar: ProgressBar,
}

impl Busy {
    fn new(what: String) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(format!("{what}..."));
        bar.enable_steady_tick(Duration::from_millis(500));
        Busy { what, bar }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Events for Busy {
    fn emit(&self, event: &Event) {
        let text = match event {
            Event::Started { addr, .. } => format!("{}... {addr}", self.what),
            Event::Note { addr, text } => format!("{}... {addr}: {text}", self.what),
            Event::Stopping => format!("{}... stopping", self.what),
            Event::Begin { .. } | Event::Finished { .. } | Event::End => return,
        };
        self.bar.set_message(text);
    }
}
