//! `console`: evaluates expressions over the configuration and the state.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;

use super::live::DiskHost;
use super::workspace::{VarArgs, Workspace, environment};
use super::{Exit, Result, Terminal};
use crate::addr::ModulePath;
use crate::apply::Silent;
use crate::diag::codes::{lang as lang_codes, plan as plan_codes};
use crate::diag::{Diagnostic, Diagnostics, Sources};
use crate::lang::ast::ExprKind;
use crate::lang::config::DiskFiles;
use crate::lang::eval::eval;
use crate::lang::syntax::{is_open, parse_expr};
use crate::plan::Options;
use crate::plan::evaluate;
use crate::plan::walk::{self, Inputs};
use crate::plan::world::World;
use crate::state::Access;
use crate::value::print;

/// What `console` is asked.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The folder.
    pub root: PathBuf,
    /// Variables.
    pub vars: VarArgs,
    /// Read the real systems first, so that values are as a plan sees them.
    pub plan: bool,
}

/// Runs it: on a terminal line by line, from a pipe printing the last result only.
pub async fn run(request: &Request, terminal: &Terminal) -> Result {
    let ws = load(request)?;
    let store = ws.store(Access::Read).await?;
    let snapshot = store.snapshot().await.map_err(|d| ws.failure(d))?;
    let observer = ws.live(Arc::new(Silent));
    let host = DiskHost::new(true);
    let options = Options { refresh: request.plan, ..Options::default() };
    let digest = |v: &crate::value::Value| store.digest(v);
    let inputs = ws.inputs(&snapshot, &options, &digest, &host, &observer);
    let outcome = walk::walk(&inputs).await;
    // A variable without a value leaves instances unknown: no fault of the configuration.
    let mut found = Diagnostics::new();
    found.extend(outcome.diagnostics.iter().filter(|d| d.code != plan_codes::UNKNOWN_REPETITION).cloned());
    terminal.diagnostics(&found, &ws.config.sources);
    let session = Evaluation { inputs: &inputs, world: &outcome.world, sources: &ws.config.sources, terminal };
    if std::io::stdin().is_terminal() { session.interactive() } else { session.piped() }
}

/// A folder without configuration still has a console, and a variable without a value is unknown.
fn load(request: &Request) -> Result<Workspace> {
    let empty =
        std::fs::read_dir(&request.root).is_ok_and(|mut d| !d.any(|e| e.is_ok_and(|e| e.file_name().to_string_lossy().contains(".hcl"))));
    let mut ws = if empty {
        let mut files = crate::lang::config::MemoryFiles::default();
        files.insert(request.root.join("empty.hcl"), "");
        Workspace::load_partly(&request.root, &files, &request.vars, environment())?
    } else {
        Workspace::load_partly(&request.root, &DiskFiles, &request.vars, environment())?
    };
    if ws.warnings.has_errors() {
        let found = std::mem::take(&mut ws.warnings);
        return Err(ws.failure(found));
    }
    Ok(ws)
}

/// What `help` says.
const HELP: &str = "\
Expressions are evaluated as they are in the configuration of this folder, with the values that the
state holds: kafka_topic.orders.name, [for t in var.teams : upper(t)]. type(x) shows a type.

An expression goes on over several lines while a bracket or a heredoc is open, and where a line ends
with a backslash. Control-C drops what was typed; exit or Control-D ends the console.";

struct Evaluation<'a> {
    inputs: &'a Inputs<'a>,
    world: &'a World<'a>,
    sources: &'a Sources,
    terminal: &'a Terminal,
}

/// What comes of one input.
enum Answer {
    Text(String),
    Exit,
    Wrong(Diagnostics, Sources),
}

impl Evaluation<'_> {
    fn handle(&self, text: &str) -> Answer {
        match text.trim() {
            "" => Answer::Text(String::new()),
            "exit" => Answer::Exit,
            "help" => Answer::Text(HELP.to_string()),
            _ => self.evaluate(text),
        }
    }

    /// The console text of an expression.
    fn evaluate(&self, text: &str) -> Answer {
        let mut sources = self.sources.clone();
        let id = sources.add("<console>", text);
        let (expr, mut diags) = parse_expr(text, id);
        let Some(expr) = expr.filter(|_| !diags.has_errors()) else { return Answer::Wrong(diags, sources) };
        // A type is no value: type() can only be the whole.
        let inner = match &*expr.kind {
            ExprKind::Call { name, args, .. } if &*name.name == "type" && args.len() == 1 => args.first(),
            _ => None,
        };
        let cx = evaluate::context(self.inputs, &self.inputs.config.root.dir);
        let value = eval(inner.unwrap_or(&expr), &self.world.scope(&ModulePath::root()), &cx, &mut diags);
        if diags.has_errors() {
            let alone = |d: Diagnostic| match d.span {
                Some(s) if d.code == lang_codes::UNKNOWN_FUNCTION && sources.slice(s) == "type" => {
                    d.hint("A type is no value, so type(…) can only be the whole of what is typed.")
                }
                _ => d,
            };
            let told = diags.into_iter().map(alone).collect();
            return Answer::Wrong(told, sources);
        }
        Answer::Text(match inner {
            Some(_) => print::type_text(&value.ty()),
            None => print::console(&value),
        })
    }

    /// From a pipe only the last result is printed, and an error ends it.
    fn piped(&self) -> Result {
        let mut last = String::new();
        let mut pending = String::new();
        let mut lines = std::io::stdin().lock().lines().map_while(std::result::Result::ok).peekable();
        while let Some(line) = lines.next() {
            add_line(&mut pending, &line);
            if goes_on(&pending) && lines.peek().is_some() {
                continue;
            }
            match self.handle(pending.trim_end_matches('\n')) {
                Answer::Text(text) => last = text,
                Answer::Exit => return Ok(Exit::Success),
                Answer::Wrong(diagnostics, sources) => return Err(super::Failure { diagnostics, sources }),
            }
            pending.clear();
        }
        self.terminal.line(&last);
        Ok(Exit::Success)
    }

    fn interactive(&self) -> Result {
        let Ok(mut editor) = rustyline::DefaultEditor::new() else { return self.piped() };
        let history = history_file();
        if let Some(path) = &history {
            // Without a history there is still a console.
            drop(editor.load_history(path));
        }
        let mut pending = String::new();
        loop {
            match editor.readline(if pending.is_empty() { "> " } else { ": " }) {
                Ok(line) => add_line(&mut pending, &line),
                Err(rustyline::error::ReadlineError::Interrupted) => {
                    pending.clear();
                    continue;
                }
                Err(_) => break,
            }
            if goes_on(&pending) {
                continue;
            }
            let text = std::mem::take(&mut pending).trim().to_string();
            if !text.is_empty()
                && editor.add_history_entry(&text).is_ok_and(|added| added)
                && let Some(path) = &history
            {
                drop(editor.append_history(path));
            }
            match self.handle(&text) {
                Answer::Text(shown) if shown.is_empty() => {}
                Answer::Text(shown) => self.terminal.line(&shown),
                Answer::Exit => break,
                Answer::Wrong(diagnostics, sources) => self.terminal.diagnostics(&diagnostics, &sources),
            }
        }
        Ok(Exit::Success)
    }
}

/// Where what was typed is kept: `$XDG_STATE_HOME/streamform/console_history`, or below `~/.local/state`.
fn history_file() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let base = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|h| h.join(".local/state")))?;
    let dir = base.join("streamform");
    std::fs::create_dir_all(&dir).ok()?;
    Some(dir.join("console_history"))
}

/// Adds a line; a backslash at the end of the one before takes it in.
fn add_line(pending: &mut String, line: &str) {
    if let Some(rest) = pending.strip_suffix("\\\n") {
        pending.truncate(rest.len());
    }
    pending.push_str(line.trim_end_matches('\r'));
    pending.push('\n');
}

/// Whether an input goes on: a bracket or heredoc is open, or its last line ends with a backslash.
fn goes_on(text: &str) -> bool {
    text.ends_with("\\\n") || is_open(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_goes_on_while_something_is_open() {
        for (text, want) in [
            ("1 + 1\n", false),
            ("{\n", true),
            ("{\n a = 1\n}\n", false),
            ("[1, # }\n", true),
            ("\"{\"\n", false),
            ("\"\\\"{\"\n", false),
            ("\"${\"{\"}\"\n", false),
            ("<<EOT\n", true),
            ("<<EOT\nx\n", true),
            ("<<EOT\n{\nEOT\n", false),
            ("upper(<<-EOT\nx\n  EOT\n", true),
            ("upper(<<-EOT\nx\n  EOT\n)\n", false),
            ("1 +\\\n", true),
            (")\n", false),
        ] {
            assert_eq!(goes_on(text), want, "{text:?}");
        }
    }

    #[test]
    fn a_backslash_joins_lines() {
        let mut text = String::new();
        add_line(&mut text, "1 +\\");
        add_line(&mut text, " 2\r");
        assert_eq!(text, "1 + 2\n");
    }
}
