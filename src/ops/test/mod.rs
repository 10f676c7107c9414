//! `test`: carries out the runs of test files and says which of them hold.
//!
//! Every file works on states of its own in a temporary folder, never on the folder's own. What its runs made is destroyed when the file
//! ends, however it ends. [`runner`] carries one file out, [`prepare`] puts together what a run starts from, [`mock`] stands in for resource
//! types of which nothing real is asked, [`report`] is what the screen, JSON and JUnit say.

mod check;
mod judge;
mod leftovers;
mod mock;
mod prepare;
mod report;
mod runner;
mod scope;

pub use check::check;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::workspace::VarArgs;
use super::{Exit, Failure, Result, Terminal, signals};
use crate::diag::codes::cli as codes;
use crate::diag::{Diagnostic, Diagnostics, Sources, io_words};
use crate::lang::config::testfile::{self, TestFile};
use crate::lang::config::{DiskFiles, FileSource, normalize};
use report::{Report, Status};

/// What `test` is asked.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The folder.
    pub root: PathBuf,
    /// The folder of test files beside those of the root.
    pub directory: PathBuf,
    /// Only these files, where any are named.
    pub filters: Vec<PathBuf>,
    /// Variables.
    pub vars: VarArgs,
    /// Show each run's plan or state.
    pub verbose: bool,
    /// Write the results here as JUnit XML.
    pub junit: Option<PathBuf>,
    /// How many calls run at one time.
    pub parallelism: usize,
}

/// How far interrupts go: the first ends the run, the second the cleaning up too.
#[derive(Clone, Debug, Default)]
pub struct Interrupts {
    run: Arc<AtomicU8>,
    teardown: Arc<AtomicU8>,
}

impl Interrupts {
    fn any(&self) -> bool {
        self.run.load(Ordering::SeqCst) > 0
    }

    fn spawn(&self) -> tokio::task::JoinHandle<()> {
        let (run, teardown) = (Arc::clone(&self.run), Arc::clone(&self.teardown));
        // A closed terminal must not leave clusters behind.
        tokio::spawn(signals::watch(move || {
            if run.fetch_add(1, Ordering::SeqCst) > 0 {
                teardown.store(2, Ordering::SeqCst);
            }
        }))
    }
}

/// Runs it: exit 0 when every run passed.
pub async fn run(request: &Request, terminal: &Terminal) -> Result {
    let mut sources = Sources::default();
    let (files, mut diagnostics) = load(request, &mut sources)?;
    if diagnostics.has_errors() {
        return Err(Failure { diagnostics, sources });
    }
    let mut modules = prepare::Modules::new(request, sources.clone());
    diagnostics.append(modules.load_all(&files));
    if diagnostics.has_errors() {
        return Err(Failure { diagnostics, sources: modules.sources() });
    }
    terminal.diagnostics(&diagnostics, &modules.sources());
    let mut report = Report::new(terminal, request.verbose);
    report.found(&files);
    terminal.diagnostics(&leftovers::clear(&request.root).await, &sources);
    let interrupts = Interrupts::default();
    let watcher = interrupts.spawn();
    for file in &files {
        runner::run_file(file, &modules, request, &interrupts, &mut report).await?;
    }
    watcher.abort();
    let status = report.summary();
    if let Some(path) = &request.junit {
        let written = std::fs::write(path, report.junit());
        written.map_err(|e| Diagnostic::error(codes::FILE, format!("{} cannot be written: {}.", path.display(), io_words(&e))))?;
    }
    Ok(if status == Status::Pass { Exit::Success } else { Exit::Failure })
}

/// Whether there are test files in a folder or in its folder of tests.
pub fn any(root: &Path, directory: &Path) -> bool {
    let holds = |dir: &Path| DiskFiles.read_dir(dir).is_ok_and(|names| names.iter().any(|n| testfile::is_test(n)));
    holds(root) || holds(&root.join(directory))
}

/// The test files of the root and of the folder of tests, by name.
fn load(request: &Request, sources: &mut Sources) -> Result<(Vec<TestFile>, Diagnostics)> {
    let mut names = find(&request.root, Path::new(""))?;
    let directory = normalize(&request.directory);
    if !directory.as_os_str().is_empty() && request.root.join(&directory).is_dir() {
        names.extend(find(&request.root, &directory)?);
    }
    names.sort();
    let wanted: Vec<PathBuf> = request.filters.iter().map(|f| normalize(f)).collect();
    let mut diagnostics = Diagnostics::new();
    if directory != Path::new("tests") && !request.root.join(&directory).is_dir() {
        let detail = format!("The test directory {} does not exist.", directory.display());
        diagnostics.push(Diagnostic::warning(codes::NO_TEST_FILE, detail));
    }
    for filter in wanted.iter().filter(|f| !names.iter().any(|n| Path::new(n) == f.as_path())) {
        let written = filter.display().to_string();
        let d = Diagnostic::error(codes::NO_TEST_FILE, format!("There is no test file {written}."));
        diagnostics.push(match crate::diag::did_you_mean(&written, names.iter().map(String::as_str)) {
            Some(near) => d.hint(format!("Did you mean {near}?")),
            None if names.is_empty() => d.hint("This folder holds no file that ends in .sftest.hcl or .sftest.json."),
            None => d.hint(format!("The test files are {}.", names.join(", "))),
        });
    }
    let mut files = Vec::new();
    for name in names.iter().filter(|n| wanted.is_empty() || wanted.iter().any(|w| w == Path::new(n))) {
        let (file, found) = testfile::load_test(&request.root, name, &DiskFiles, sources);
        diagnostics.append(found);
        files.extend(file);
    }
    Ok((files, diagnostics))
}

fn find(root: &Path, folder: &Path) -> Result<Vec<String>> {
    let path = root.join(folder);
    let names = DiskFiles.read_dir(&path);
    let names =
        names.map_err(|e| Diagnostic::error(codes::FILE, format!("The folder {} cannot be read: {}.", path.display(), io_words(&e))))?;
    Ok(names.into_iter().filter(|n| testfile::is_test(n)).map(|n| folder.join(n).display().to_string()).collect())
}
