//! From the text of configuration files to their bodies, many of them at the same time. Which files there are, and what their blocks mean, is
//! the business of [`super::load`].

use std::ops::Range;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::json;
use crate::diag::codes::config::DUPLICATE;
use crate::diag::{Diagnostic, Diagnostics, SourceId, Span};
use crate::lang::ast::Body;
use crate::lang::{fmt, syntax};

/// Less text than this (in bytes) is parsed sooner than a thread starts to help.
const WORTH_A_THREAD: usize = 32 << 10;

/// The stack of a thread that parses, in bytes: as much as the main one has.
const STACK: usize = 8 << 20;

/// A file to parse.
pub struct Job {
    /// Its path relative to the root.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its place in the collection of sources.
    pub id: SourceId,
}

/// What came of a file.
pub struct Parsed {
    /// `None` where the text cannot be parsed.
    pub body: Option<Body>,
    /// What is wrong with it.
    pub diagnostics: Diagnostics,
}

/// What each of these is parsed to, in their order, by as many threads as the machine has processors and the texts are worth. One that could
/// not be read comes to what is wrong with it.
pub fn files(jobs: &[Result<Job, Diagnostic>]) -> Vec<Parsed> {
    let worth = jobs.iter().flatten().map(|j| j.text.len()).sum::<usize>() / WORTH_A_THREAD;
    let threads = thread::available_parallelism().map_or(1, usize::from).min(jobs.len()).min(worth);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = vec![];
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(at) else { return done };
            done.push((at, file(job)));
        }
    };
    let mut parsed = thread::scope(|scope| {
        // Without a further thread this one does all.
        let start = |_| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..threads).filter_map(start).collect();
        let mut parsed = work();
        parsed.extend(others.into_iter().flat_map(|t| t.join().unwrap_or_else(|panic| resume_unwind(panic))));
        parsed
    });
    parsed.sort_by_key(|(at, _)| *at);
    parsed.into_iter().map(|(_, one)| one).collect()
}

/// Parses a file by its name's ending.
fn file(job: &Result<Job, Diagnostic>) -> Parsed {
    let Job { path, text, id } = match job {
        Ok(job) => job,
        Err(d) => return Parsed { body: None, diagnostics: d.clone().into() },
    };
    let (body, diagnostics) = match path.extension() {
        Some(e) if e == "json" => json::parse(text, *id),
        _ => native(text, *id),
    };
    Parsed { body, diagnostics }
}

fn native(text: &str, id: SourceId) -> (Option<Body>, Diagnostics) {
    let (body, diags) = syntax::parse_body(text, id);
    if body.is_some() {
        return (body, diags);
    }
    match fmt::duplicates(text) {
        found if found.is_empty() => (None, diags),
        found => without_duplicates(text, id, &found),
    }
}

/// Complains about arguments that are set again, and reads the text without them, to find what else is wrong.
fn without_duplicates(text: &str, id: SourceId, found: &[fmt::Duplicate]) -> (Option<Body>, Diagnostics) {
    let span = |r: &Range<usize>| Span { source: id, start: r.start as u32, end: r.end as u32 };
    let mut diags = Diagnostics::new();
    let mut rest = text.to_string();
    for d in found {
        let detail = format!("The argument {:?} is set twice; each argument may be set once.", d.name);
        diags.push(
            Diagnostic::error(DUPLICATE, detail).at(span(&d.again)).also(span(&d.first), "first set here").hint("Remove one of them."),
        );
        // Blanks keep the places of all that follows.
        rest.replace_range(d.whole.clone(), &" ".repeat(d.whole.len()));
    }
    let (body, more) = syntax::parse_body(&rest, id);
    diags.append(more);
    (body, diags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_files_come_back_in_their_order_whoever_parsed_them() {
        let block = |i: usize| format!("locals {{\n  v{i} = \"${{upper(\"x\")}}-{i}\"\n}}\n");
        // The sizes differ, so that the threads end out of step; every seventh is broken.
        let jobs: Vec<Result<Job, Diagnostic>> = (0..90)
            .map(|i| {
                Ok(Job {
                    path: PathBuf::from(format!("m{i}.hcl")),
                    text: block(i).repeat(1 + (i * 37) % 90) + if i % 7 == 0 { "locals {" } else { "" },
                    id: SourceId(i as u32),
                })
            })
            .collect();
        assert!(jobs.iter().flatten().map(|j| j.text.len()).sum::<usize>() > 3 * WORTH_A_THREAD);
        let parsed = files(&jobs);
        assert_eq!(parsed.len(), jobs.len());
        for (i, (job, parsed)) in jobs.iter().zip(&parsed).enumerate() {
            let alone = file(job);
            assert_eq!((parsed.body.is_some(), parsed.diagnostics.has_errors()), (i % 7 != 0, i % 7 == 0), "{i}");
            assert_eq!(format!("{:?}", parsed.body), format!("{:?}", alone.body));
            assert_eq!(format!("{:?}", parsed.diagnostics), format!("{:?}", alone.diagnostics));
        }
    }
}
