//! Carries out the runs of one file, and takes down what they made.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::time::Instant;

use super::judge::{Expected, assertions};
use super::prepare::{Modules, Prepared, Runs, folder};
use super::report::{Report, Status};
use super::scope::TestScope;
use super::{Interrupts, Request, leftovers};
use crate::addr::{InstanceAddr, Mode, ModulePath};
use crate::apply::Events;
use crate::apply::executor::{self, Apply, Done};
use crate::diag::codes::{apply as apply_codes, cli as codes, config as config_codes, plan as plan_codes};
use crate::diag::redact::Redactor;
use crate::diag::{Diagnostic, Diagnostics, Sources, io_words};
use crate::graph::NodeKind;
use crate::lang::config::testfile::{TestCommand, TestFile, TestRun};
use crate::ops::Failure;
use crate::ops::live::{DiskHost, Live, Notes};
use crate::ops::workspace::open_store;
use crate::plan::walk::{self, Inputs, Outcome};
use crate::plan::world::World;
use crate::plan::{Options, RunMode};
use crate::resource::Session;
use crate::state::{Access, Ledger, Snapshot};
use crate::value::Value;
use crate::words::{counted, was};

/// One of the states of a file.
struct State {
    store: Ledger,
    /// What the last run that applied started from, and which it was.
    last: Option<(usize, Prepared)>,
}

struct FileRun<'a> {
    file: &'a TestFile,
    modules: &'a Modules<'a>,
    request: &'a Request,
    interrupts: &'a Interrupts,
    folder: tempfile::TempDir,
    states: BTreeMap<String, State>,
    runs: Runs,
}

/// What a run gave.
struct Ran {
    status: Status,
    diagnostics: Diagnostics,
    sources: Sources,
    shown: String,
}

impl Ran {
    fn error(diagnostics: Diagnostics, sources: Sources) -> Ran {
        Ran { status: Status::Error, diagnostics, sources, shown: String::new() }
    }
}

/// Carries out one file.
///
/// # Errors
/// What keeps its states from being written at all.
pub async fn run_file(
    file: &TestFile,
    modules: &Modules<'_>,
    request: &Request,
    interrupts: &Interrupts,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let folder = tempfile::Builder::new().prefix("streamform-test-").tempdir();
    let folder = folder.map_err(|e| Diagnostic::error(codes::FILE, format!("No temporary folder can be made: {}.", io_words(&e))))?;
    let claimed = leftovers::claim(&request.root, folder.path())?;
    let mut f = FileRun { file, modules, request, interrupts, folder, states: BTreeMap::new(), runs: Runs::new() };
    report.file_begins(&file.name);
    let mut status = Status::Pass;
    for (i, run) in file.runs.iter().enumerate() {
        if status == Status::Error || interrupts.any() {
            report.skipped(&file.name, run);
            continue;
        }
        report.run_begins(&file.name, run);
        let began = Instant::now();
        let ran = f.run(i, run, report.events(run)).await;
        status = status.max(ran.status);
        report.run_ended(&file.name, run, ran.status, began.elapsed(), &ran.shown, &ran.diagnostics, &ran.sources);
    }
    report.tearing_down(&file.name);
    let left = f.tear_down(report).await;
    if !left.is_empty() {
        // The state of what is left is all that can still find it.
        let kept = f.folder.path().to_path_buf();
        f.folder.disable_cleanup(true);
        report.left_behind(&file.name, &left, &kept);
        status = Status::Error;
    }
    drop(f);
    drop(claimed);
    report.file_ended(&file.name, status);
    Ok(())
}

impl FileRun<'_> {
    async fn state(&mut self, key: &str) -> Result<&mut State, Diagnostic> {
        if !self.states.contains_key(key) {
            let dir = self.folder.path().join(format!("state-{}", self.states.len()));
            self.states.insert(key.to_string(), State { store: open_store(&dir, Access::Write).await?, last: None });
        }
        match self.states.get_mut(key) {
            Some(state) => Ok(state),
            None => unreachable!("it has just been put there"),
        }
    }

    fn session(&self, events: &Arc<dyn Events>, redactor: &Arc<Redactor>) -> Arc<Session> {
        let root = std::path::absolute(&self.request.root).unwrap_or_else(|_| self.request.root.clone());
        Arc::new(Session::new(
            self.folder.path().join("data"),
            root,
            Arc::new(Notes { events: Arc::clone(events), redactor: Arc::clone(redactor) }),
        ))
    }

    async fn run(&mut self, index: usize, run: &TestRun, events: Arc<dyn Events>) -> Ran {
        let prepared = match self.modules.prepare(self.file, run, &self.runs) {
            Ok(p) => p,
            Err((diagnostics, sources)) => return Ran::error(diagnostics, sources),
        };
        let sources = prepared.config.sources.clone();
        let key = run.state_key.clone().unwrap_or_else(|| folder(run).unwrap_or_default().display().to_string());
        let session = self.session(&events, sources.redactor());
        let interrupts = Arc::clone(&self.interrupts.run);
        let parallelism = self.request.parallelism;
        let runs = self.runs.clone();
        let state = match self.state(&key).await {
            Ok(state) => state,
            Err(d) => return Ran::error(d.into(), sources),
        };
        let snapshot = match state.store.snapshot().await {
            Ok(snapshot) => snapshot,
            Err(d) => return Ran::error(d.into(), sources),
        };
        let options = Options {
            mode: if run.refresh_only { RunMode::RefreshOnly } else { RunMode::Normal },
            refresh: run.refresh,
            targets: run.targets.clone(),
            excludes: vec![],
            replace: run.replace.clone(),
        };
        let mut started = false;
        let (ran, outputs) = {
            let carry = Carry { run, prepared: &prepared, store: &state.store, snapshot: &snapshot, options: &options, runs: &runs };
            carry.out(session, events, interrupts, parallelism, &mut started).await
        };
        if started {
            state.last = Some((index, prepared));
        }
        if let Some(outputs) = outputs {
            self.runs.insert(run.name.name.clone(), outputs);
        }
        ran
    }

    /// Destroys all that the runs made, the latest state first. Returns what is left.
    async fn tear_down(&mut self, report: &Report<'_>) -> Vec<InstanceAddr> {
        let mut left = Vec::new();
        let mut states: Vec<(usize, Prepared, Ledger)> =
            std::mem::take(&mut self.states).into_values().filter_map(|s| s.last.map(|(i, p)| (i, p, s.store))).collect();
        states.sort_by_key(|(i, ..)| std::cmp::Reverse(*i));
        for (_, prepared, store) in states {
            let events = report.teardown_events();
            let session = self.session(&events, prepared.config.sources.redactor());
            let diagnostics = destroy(&prepared, &store, session, events, self.request.parallelism, self.interrupts).await;
            report.teardown_diagnostics(&diagnostics, &prepared.config.sources);
            match store.snapshot().await {
                Ok(s) => left.extend(s.records.into_keys().filter(|a| a.resource.mode == Mode::Managed)),
                Err(d) => report.teardown_diagnostics(&d.into(), &prepared.config.sources),
            }
        }
        left
    }
}

/// One run on its state.
struct Carry<'a> {
    run: &'a TestRun,
    prepared: &'a Prepared,
    store: &'a Ledger,
    snapshot: &'a Snapshot,
    options: &'a Options,
    runs: &'a Runs,
}

impl Carry<'_> {
    /// Plans, applies where asked for, and judges. `started` tells whether anything may have been made.
    async fn out(
        &self,
        session: Arc<Session>,
        events: Arc<dyn Events>,
        interrupts: Arc<AtomicU8>,
        parallelism: usize,
        started: &mut bool,
    ) -> (Ran, Option<Value>) {
        let sources = &self.prepared.config.sources;
        let live = Live::with(Arc::clone(&session), self.prepared.types.clone());
        let host = DiskHost::new(false);
        let digest = |v: &Value| self.store.digest(v);
        let inputs = self.prepared.inputs(self.snapshot, self.options, &digest, &host, &live);
        let outcome = walk::walk(&inputs).await;
        let mut expected = Expected::new(&self.run.expect_failures);
        let mut diagnostics = self.prepared.diagnostics.clone();
        if self.run.command == TestCommand::Plan {
            diagnostics.append(expected.take(outcome.diagnostics.clone()));
            let shown = crate::view::plan::render(&outcome.plan, Default::default());
            return self.judge(diagnostics, expected, &outcome.world, &host, shown, sources);
        }
        diagnostics.append(expected.take_before_apply(outcome.diagnostics.clone()));
        if diagnostics.has_errors() {
            return (Ran::error(diagnostics, sources.clone()), None);
        }
        *started = true;
        let apply_host = DiskHost::at(crate::lang::host::Host::plan_time(&host), true);
        let inputs = Inputs { host: &apply_host, ..inputs };
        let Outcome { plan, world, .. } = outcome;
        let cx = Apply { inputs: &inputs, plan: &plan, store: self.store, session, events, interrupts, parallelism };
        if let Err(d) = self.store.begin_generation("test").await {
            return (Ran::error(d.into(), sources.clone()), None);
        }
        let (done, world) = executor::apply_with_world(&cx, world).await;
        diagnostics.append(expected.take(done.diagnostics.clone()));
        diagnostics.extend(interrupted(&done, self.run));
        let shown = self.shown(&done).await;
        self.judge(diagnostics, expected, &world, &apply_host, shown, sources)
    }

    fn judge(
        &self,
        mut diagnostics: Diagnostics,
        expected: Expected,
        world: &World<'_>,
        host: &DiskHost,
        shown: String,
        sources: &Sources,
    ) -> (Ran, Option<Value>) {
        let ran = |status, diagnostics| Ran { status, diagnostics, sources: sources.clone(), shown };
        if !diagnostics.has_errors() {
            diagnostics.append(expected.missing());
        }
        if diagnostics.has_errors() {
            return (ran(Status::Error, diagnostics), None);
        }
        let outputs = outputs_of(world, self.prepared);
        let module = world.scope(&ModulePath::root());
        let scope = TestScope { module: Some(&module), outputs: Some(outputs.clone()), variables: &self.prepared.known, runs: self.runs };
        let dir: &Path = &self.prepared.config.root.dir;
        let cx = crate::lang::eval::EvalContext::new(host, dir, dir);
        let status = assertions(&self.run.asserts, &scope, &cx, &mut diagnostics);
        (ran(status, diagnostics), Some(outputs))
    }

    /// The state after an apply, as `show` shows it.
    async fn shown(&self, done: &Done) -> String {
        let Ok(snapshot) = self.store.snapshot().await else { return String::new() };
        let mut out = String::new();
        for r in snapshot.records.values() {
            out.push_str(&crate::view::plan::object(&r.addr, &r.attributes));
            out.push('\n');
        }
        out.push_str(&crate::ops::apply::outputs_text(&done.outputs));
        out
    }
}

impl Prepared {
    fn inputs<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        options: &'a Options,
        digest: &'a (dyn Fn(&Value) -> [u8; 32] + Sync),
        host: &'a DiskHost,
        observer: &'a Live,
    ) -> Inputs<'a> {
        Inputs {
            config: &self.config,
            graph: &self.graph,
            variables: &self.variables,
            types: &self.types,
            snapshot,
            options,
            digest,
            host,
            observer,
            redactor: self.config.sources.redactor(),
        }
    }
}

fn outputs_of(world: &World<'_>, prepared: &Prepared) -> Value {
    let value = |name: &Arc<str>| world.get(&ModulePath::root(), &NodeKind::Output(name.clone())).cloned();
    let outputs = prepared.config.root.outputs.keys();
    Value::object(outputs.map(|n| (n.clone(), value(n).unwrap_or_else(Value::null_dynamic))).collect())
}

fn interrupted(done: &Done, run: &TestRun) -> Option<Diagnostic> {
    done.interrupted().then(|| {
        let n = done.undone.len();
        let detail = format!("The run {:?} was interrupted; {} {} not carried out.", &*run.name.name, counted(n, "step"), was(n));
        Diagnostic::error(apply_codes::INTERRUPTED, detail).hint("What was made is destroyed now. Another interrupt ends that too.")
    })
}

/// Destroys everything that a state holds. What keeps other runs from destroying (conditions, protection) does not count: the objects are the
/// test's own.
async fn destroy(
    prepared: &Prepared,
    store: &Ledger,
    session: Arc<Session>,
    events: Arc<dyn Events>,
    parallelism: usize,
    interrupts: &Interrupts,
) -> Diagnostics {
    let snapshot = match store.snapshot().await {
        Ok(s) if s.records.is_empty() && s.in_doubt.is_empty() => return Diagnostics::new(),
        Ok(s) => s,
        Err(d) => return d.into(),
    };
    let options = Options { mode: RunMode::Destroy, ..Options::default() };
    let live = Live::with(Arc::clone(&session), prepared.types.clone());
    let host = DiskHost::new(true);
    let digest = |v: &Value| store.digest(v);
    let inputs = prepared.inputs(&snapshot, &options, &digest, &host, &live);
    let outcome = walk::walk(&inputs).await;
    let beside = [plan_codes::CONDITION, plan_codes::CHECK_FAILED, plan_codes::PROTECTED, config_codes::VALIDATION_FAILED];
    let found: Vec<Diagnostic> = outcome.diagnostics.into_iter().filter(|d| !beside.contains(&d.code)).collect();
    let mut diagnostics = Diagnostics::new();
    diagnostics.extend(found);
    if diagnostics.has_errors() {
        return diagnostics;
    }
    if let Err(d) = store.begin_generation("test").await {
        return d.into();
    }
    let interrupts = Arc::clone(&interrupts.teardown);
    let cx = Apply { inputs: &inputs, plan: &outcome.plan, store, session, events, interrupts, parallelism };
    let done = executor::apply(&cx, outcome.world).await;
    diagnostics.append(done.diagnostics);
    diagnostics
}
