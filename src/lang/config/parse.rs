//! From the text of configuration files to their bodies, many of them at the same time. Which files there are, and what their blocks mean, is
//! the business of [`super::load`].

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
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
#[derive(Default)]
pub struct Parsed {
    /// `None` where the text cannot be parsed.
    pub body: Option<Body>,
    /// What is wrong with it.
    pub diagnostics: Diagnostics,
}

/// Parses a file by its name's ending.
pub fn file(job: &Job) -> Parsed {
    let (body, diagnostics) = body(&job.path, &job.text, job.id);
    Parsed { body, diagnostics }
}

/// [`file`] for each of these, in their order, by as many threads as the machine has processors and the texts are worth.
pub fn files(jobs: &[Job]) -> Vec<Parsed> {
    let worth = jobs.iter().map(|j| j.text.len()).sum::<usize>() / WORTH_A_THREAD;
    let threads = thread::available_parallelism().map_or(1, usize::from).min(jobs.len()).min(worth);
    if threads < 2 {
        return jobs.iter().map(file).collect();
    }
    let (next, parsed) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(jobs.len())));
    let work = || {
        while let Some((at, job)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, jobs.get(at)?))) {
            let one = file(job);
            parsed.lock().unwrap_or_else(|e| e.into_inner()).push((at, one));
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // Without a further thread this one does all.
            drop(thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work));
        }
        work();
    });
    let mut parsed = parsed.into_inner().unwrap_or_else(|e| e.into_inner());
    parsed.sort_by_key(|(at, _)| *at);
    parsed.into_iter().map(|(_, one)| one).collect()
}

fn body(path: &Path, text: &str, id: SourceId) -> (Option<Body>, Diagnostics) {
    if path.extension().is_some_and(|e| e == "json") {
        return json::parse(text, id);
    }
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
        let jobs: Vec<Job> = (0..90)
            .map(|i| Job {
                path: PathBuf::from(format!("m{i}.hcl")),
                text: block(i).repeat(1 + (i * 37) % 90) + if i % 7 == 0 { "locals {" } else { "" },
                id: SourceId(i as u32),
            })
            .collect();
        assert!(jobs.iter().map(|j| j.text.len()).sum::<usize>() > 3 * WORTH_A_THREAD);
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
