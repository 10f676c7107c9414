//! The verbs: one file for what each command does, above the engine and below the command line.
//!
//! A verb takes plain arguments and returns a value or diagnostics; what it shows goes through [`Terminal`]. Arguments are parsed in
//! [`crate::cli`], text is made in [`crate::view`].

pub mod apply;
pub mod console;
pub mod drift;
mod early;
pub mod explain;
pub mod generate;
pub mod git;
pub mod init;
pub mod install;
pub mod live;
pub mod plan;
pub mod providers;
mod signals;
pub mod state;
pub mod test;
pub mod validate;
pub mod workspace;

use std::io::{BufRead, IsTerminal, Write};

use crate::diag::{Diagnostic, Diagnostics, Sources};
use crate::view::diagnostics as shown;
use crate::view::paint::Paint;

/// How a command ended, as its exit code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0
    Success,
    /// 1
    Failure,
    /// 2: `-detailed-exitcode` and there are changes, or drift was found.
    Changes,
    /// 3: `fmt -check` found something to format.
    Unformatted,
}

impl Exit {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Changes => 2,
            Exit::Unformatted => 3,
        }
    }
}

/// Why a verb stopped: diagnostics with the texts that their spans point into.
#[derive(Debug, Default)]
pub struct Failure {
    /// What is wrong.
    pub diagnostics: Diagnostics,
    /// The texts.
    pub sources: Sources,
}

impl<D: Into<Diagnostics>> From<D> for Failure {
    fn from(d: D) -> Self {
        Failure { diagnostics: d.into(), sources: Sources::default() }
    }
}

/// The diagnostic for a text that should be an address.
pub fn not_an_address(text: &str, why: &dyn std::fmt::Display) -> Diagnostic {
    let d = Diagnostic::error(crate::diag::codes::cli::USAGE, format!("{text:?} is not an address: {why}."));
    match with_quotes(text) {
        Some(meant) => d.hint(format!("The key needs quotes, and the shell takes quotes away: '{meant}'")),
        None => d.hint("Write it as in kafka_topic.orders, kafka_topic.orders[\"eu\"] or module.net.kafka_topic.orders."),
    }
}

/// The address that is meant where a shell took the quotes of a key away: `t.a[eu]` is `t.a["eu"]`.
fn with_quotes(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let (key, behind) = after.split_once(']')?;
        let is_bare = !key.starts_with('"') && key.parse::<u64>().is_err();
        out.push_str(before);
        out.push_str(&if is_bare { format!("[{}]", crate::addr::quote(key)) } else { format!("[{key}]") });
        rest = behind;
    }
    out.push_str(rest);
    out.parse::<crate::addr::Target>().ok().map(|_| out)
}

/// What verbs return.
pub type Result<T = Exit> = std::result::Result<T, Failure>;

/// Where a command shows what it has to say: data on stdout, everything else on stderr.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Colour on stdout.
    pub paint: Paint,
    /// Machine-readable output was asked for.
    pub json: bool,
    /// Questions may be asked.
    pub input: bool,
    /// Warnings are listed where there are no errors, and not explained.
    pub compact: bool,
}

impl Terminal {
    /// Writes to stdout; a closed pipe is no error.
    pub fn print(&self, text: &str) {
        crate::view::stdout::write(text);
    }

    /// Writes a line to stdout.
    pub fn line(&self, text: &str) {
        self.print(&format!("{text}\n"));
    }

    /// Writes JSON as a line to stdout, piece by piece.
    pub fn json_line(&self, value: &impl serde::Serialize) {
        let mut out = crate::view::stdout::Pieces::new();
        // The writer remembers what it could not write; nothing else can fail.
        drop(serde_json::to_writer(&mut out, value));
        drop(out.write_all(b"\n").and_then(|()| out.flush()));
    }

    /// Writes a line to stderr.
    pub fn note(&self, text: &str) {
        drop(writeln!(std::io::stderr(), "{text}"));
    }

    /// Shows diagnostics: on stderr, or as JSON on stdout.
    pub fn diagnostics(&self, diagnostics: &Diagnostics, sources: &Sources) {
        if diagnostics.is_empty() {
            return;
        }
        if self.json {
            self.line(&serde_json::json!({"type": "diagnostics", "diagnostics": shown::to_json(diagnostics, sources)}).to_string());
        } else if self.compact && !diagnostics.has_errors() {
            self.note(shown::compact(diagnostics, sources).trim_end());
        } else {
            let color = self.paint.0 && std::io::stderr().is_terminal();
            let width = ::console::Term::stderr().size_checked().map_or(100, |(_, w)| usize::from(w).clamp(60, 140));
            let text = shown::render(diagnostics, sources, shown::Style { color, width });
            self.note(text.trim_end());
        }
    }

    /// Asks for one line; `None` where nobody can be asked, and where the answer is the end of the input or no text.
    pub fn ask(&self, question: &str) -> Option<String> {
        if !self.input {
            return None;
        }
        drop(write!(std::io::stderr(), "{question}"));
        drop(std::io::stderr().flush());
        let mut line = String::new();
        match std::io::stdin().lock().read_line(&mut line) {
            Ok(0) | Err(_) => {
                // What comes next must not begin behind the question.
                self.note("");
                None
            }
            Ok(_) => Some(line.trim().to_string()),
        }
    }

    /// As [`Terminal::ask`] for a secret: what is typed is not shown.
    pub fn ask_hidden(&self, question: &str) -> Option<String> {
        if !self.input {
            return None;
        }
        drop(write!(std::io::stderr(), "{question}"));
        drop(std::io::stderr().flush());
        ::console::Term::stderr().read_secure_line().ok().map(|line| line.trim().to_string())
    }
}
