//! `console`: evaluates expressions over the configuration and the state.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;

use super::live::DiskHost;
use super::workspace::{VarArgs, Workspace};
use super::{Exit, Result, Terminal};
use crate::addr::ModulePath;
use crate::apply::Silent;
use crate::diag::{Diagnostics, Sources};
use crate::lang::config::DiskFiles;
use crate::lang::eval::eval;
use crate::lang::syntax::parse_expr;
use crate::plan::Options;
use crate::plan::walk::{self, Inputs};
use crate::plan::world::World;
use crate::state::StateStore;
use crate::state::local::Access;
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
    let ws = load(request, terminal)?;
    let store = ws.store(Access::Read)?;
    let snapshot = store.snapshot().map_err(|d| ws.failure(d))?;
    let observer = ws.live(Arc::new(Silent));
    let host = DiskHost::new(true);
    let options = Options { refresh: request.plan, ..Options::default() };
    let digest = |v: &crate::value::Value| store.digest(v);
    let inputs = ws.inputs(&snapshot, &options, &digest, &host, &observer);
    let outcome = walk::walk(&inputs).await;
    terminal.diagnostics(&outcome.diagnostics, &ws.config.sources);
    let session = Evaluation { inputs: &inputs, world: &outcome.world, sources: &ws.config.sources, terminal };
    if std::io::stdin().is_terminal() { session.interactive() } else { session.piped() }
}

/// A folder without configuration still has a console.
fn load(request: &Request, terminal: &Terminal) -> Result<Workspace> {
    let empty =
        std::fs::read_dir(&request.root).is_ok_and(|mut d| !d.any(|e| e.is_ok_and(|e| e.file_name().to_string_lossy().contains(".hcl"))));
    if empty {
        let mut files = crate::lang::config::MemoryFiles::default();
        files.insert(request.root.join("empty.hcl"), "");
        return Workspace::load(&request.root, &files, &request.vars, terminal);
    }
    Workspace::load(&request.root, &DiskFiles, &request.vars, terminal)
}

struct Evaluation<'a> {
    inputs: &'a Inputs<'a>,
    world: &'a World<'a>,
    sources: &'a Sources,
    terminal: &'a Terminal,
}

impl Evaluation<'_> {
    /// The console text of an expression.
    fn evaluate(&self, text: &str) -> std::result::Result<String, (Diagnostics, Sources)> {
        let mut sources = self.sources.clone();
        let id = sources.add("<console>", text);
        let inner = text.trim().strip_prefix("type(").and_then(|t| t.strip_suffix(')'));
        let (expr, mut diags) = parse_expr(inner.unwrap_or(text), id);
        let Some(expr) = expr.filter(|_| !diags.has_errors()) else { return Err((diags, sources)) };
        let cx = walk::context(self.inputs, &self.inputs.config.root.dir);
        let value = eval(&expr, &self.world.scope(&ModulePath::root()), &cx, &mut diags);
        if diags.has_errors() {
            return Err((diags, sources));
        }
        Ok(match inner {
            Some(_) => print::type_text(&value.ty()),
            None => print::console(&value),
        })
    }

    fn piped(&self) -> Result {
        let mut last = None;
        let mut pending = String::new();
        for line in std::io::stdin().lock().lines().map_while(std::result::Result::ok) {
            pending.push_str(&line);
            pending.push('\n');
            if pending.trim().is_empty() {
                pending.clear();
                continue;
            }
            match self.evaluate(pending.trim_end_matches('\n')) {
                Ok(text) => last = Some(text),
                Err(_) if open_brackets(&pending) => continue,
                Err((diagnostics, sources)) => return Err(super::Failure { diagnostics, sources }),
            }
            pending.clear();
        }
        if !pending.trim().is_empty() {
            match self.evaluate(pending.trim_end_matches('\n')) {
                Ok(text) => last = Some(text),
                Err((diagnostics, sources)) => return Err(super::Failure { diagnostics, sources }),
            }
        }
        if let Some(text) = last {
            self.terminal.line(&text);
        }
        Ok(Exit::Success)
    }

    fn interactive(&self) -> Result {
        let Ok(mut editor) = rustyline::DefaultEditor::new() else { return self.piped() };
        let mut pending = String::new();
        loop {
            match editor.readline(if pending.is_empty() { "> " } else { ": " }) {
                Ok(line) if pending.is_empty() && matches!(line.trim(), "exit" | "quit") => return Ok(Exit::Success),
                Ok(line) => {
                    pending.push_str(&line);
                    pending.push('\n');
                }
                Err(_) => return Ok(Exit::Success),
            }
            let text = pending.trim().to_string();
            if text.is_empty() || open_brackets(&text) {
                continue;
            }
            drop(editor.add_history_entry(&text));
            match self.evaluate(&text) {
                Ok(shown) => self.terminal.line(&shown),
                Err((diagnostics, sources)) => self.terminal.diagnostics(&diagnostics, &sources),
            }
            pending.clear();
        }
    }
}

/// Whether a text goes on: a bracket is open or a heredoc has no end yet.
fn open_brackets(text: &str) -> bool {
    let mut depth = 0i32;
    let mut quoted = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted => drop(chars.next()),
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth -= 1,
            _ => {}
        }
    }
    depth > 0
        || text.split("<<").nth(1).is_some_and(|rest| {
            let tag = rest.trim_start_matches('-').lines().next().unwrap_or_default().trim();
            !tag.is_empty() && !text.lines().skip(1).any(|l| l.trim() == tag)
        })
}
