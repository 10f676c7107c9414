//! `apply` and `destroy`: carry a plan out, a saved one or one made now.
//!
//! A saved plan holds its inputs (digests of files, the variables that are not sensitive, what was observed) and the plan. As planning is a pure function
//! of these, applying it makes the plan again, without asking any real system, and carries it out only if it is the same. So no secret need be in
//! the file; sensitive variables are given again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::live::DiskHost;
use super::plan::{Request as PlanRequest, check_instances, check_targets, data_loss, notices, show, variable_files};
use super::workspace::{VarArgs, Workspace};
use super::{Exit, Failure, Result, Terminal, signals};
use crate::apply::executor::{self, Apply, Done};
use crate::apply::{Events, Silent};
use crate::diag::codes::{apply as codes, plan as plan_codes};
use crate::diag::{Diagnostic, Sources};
use crate::lang::config::{DiskFiles, FileSource, variables};
use crate::lang::eval::EvalContext;
use crate::plan::RunMode;
use crate::plan::saved::SavedPlan;
use crate::plan::walk::{Inputs, Observer, Outcome};
use crate::resource::registry;
use crate::state::{Access, Ledger, OutputRecord, Snapshot};
use crate::view;
use crate::view::paint::is_capable;
use crate::view::progress::{self, Human, JsonLines, Names};
use crate::words::{counted, was};

/// What `apply` is asked.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// How the plan is made.
    pub plan: PlanRequest,
    /// A saved plan instead.
    pub saved: Option<PathBuf>,
    /// Do not ask.
    pub auto_approve: bool,
    /// How many calls run at one time.
    pub parallelism: usize,
    /// How long to wait for the lock.
    pub lock_timeout: Duration,
}

/// Runs it.
pub async fn run(request: &Request, terminal: &Terminal) -> Result {
    let applied = run_inner(request, terminal).await?;
    Ok(applied.exit)
}

/// What an apply left.
pub struct Applied {
    /// How it ended.
    pub exit: Exit,
    /// The workspace.
    pub workspace: Workspace,
}

/// As [`run`], with what it worked on.
pub async fn run_inner(request: &Request, terminal: &Terminal) -> Result<Applied> {
    let saved = request.saved.as_deref().map(SavedPlan::read).transpose()?;
    if terminal.json && saved.is_none() && !request.auto_approve {
        return Err(no_question_in_json().into());
    }
    let mut plan_request = request.plan.clone();
    if let Some(s) = &saved {
        plan_request.options = s.options()?;
    }
    // Where somebody can be asked, the loader asks for secrets that nothing gives; else all that are missing are named at once below.
    let held = saved.as_ref().map(|s| s.held(!terminal.input)).unwrap_or_default();
    let mut ws = Workspace::load_with(&plan_request.root, &DiskFiles, &plan_request.vars, &held, terminal)?;
    if let Some(s) = &saved {
        ws.variables = check_inputs(s, &ws, &plan_request.vars).await?;
    }
    let word = if plan_request.options.mode == RunMode::Destroy { "destroy" } else { "apply" };
    let lock = ws.lock(word, request.lock_timeout, terminal).await?;
    let store = ws.store(Access::Write).await?.fenced(&lock);
    let snapshot = store.snapshot().await.map_err(|d| ws.failure(d))?;
    snapshot.check().map_err(|d| ws.failure(d))?;
    check_targets(&ws, &snapshot, &plan_request.options)?;
    let names = Names::default();
    let events = events(terminal, &names);
    let session = ws.session(Arc::clone(&events));
    let live = super::live::Live::new(Arc::clone(&session));
    if let Some(s) = &saved {
        check_state(s, &snapshot, &store).await.map_err(|d| ws.failure(d))?;
    }
    let digest = |v: &crate::value::Value| store.digest(v);
    let recorded = saved.as_ref().map(|s| s.observer(&ws.variables, registry::ALL, &digest, &session.root_dir));
    let observer: &dyn Observer = match &recorded {
        Some(r) => r,
        None => &live,
    };
    let host = match &saved {
        Some(s) => DiskHost::at(s.plan_time(), false),
        None => DiskHost::new(false),
    };
    let inputs = ws.inputs(&snapshot, &plan_request.options, &digest, &host, observer);
    if !terminal.json {
        live.show_waits();
    }
    let (outcome, said) = super::early::walked(&inputs, &ws.config.sources, terminal).await;
    // From here on the lines of the apply say what is awaited.
    live.waiting.show(false);
    drop(names.set(progress::names(&outcome.plan)));
    let mut diagnostics = ws.warnings.clone();
    diagnostics.append(outcome.diagnostics.clone());
    diagnostics.append(check_instances(&outcome.plan, &plan_request.options));
    if saved.is_none() && !diagnostics.has_errors() {
        diagnostics.append(notices(&outcome, &ws.config, &plan_request.options));
    }
    if diagnostics.has_errors() {
        if let Some(s) = &saved {
            s.check_key(&digest).map_err(|d| ws.failure(d))?;
        }
        return Err(ws.failure(said.rest(diagnostics)));
    }
    if outcome.plan.has_steps() && (saved.is_some() || request.auto_approve) {
        // Nobody is asked in between, and the checks are judged again at the end.
        let check = |d: &Diagnostic| d.code == plan_codes::CHECK_FAILED || d.code == plan_codes::CHECK_UNKNOWN;
        diagnostics = diagnostics.into_iter().filter(|d| !check(d)).collect();
    }
    if let Some(s) = &saved {
        terminal.diagnostics(&diagnostics, &ws.config.sources);
        if let Err(d) = s.check_plan(&outcome.plan, registry::ALL, &digest) {
            s.check_key(&digest).map_err(|d| ws.failure(d))?;
            return Err(ws.failure(d));
        }
    } else {
        show(&outcome.plan, plan_request.verbose, terminal);
        terminal.diagnostics(&diagnostics, &ws.config.sources);
        if let (Some(d), false) = (data_loss(&outcome.plan), plan_request.allow_data_loss) {
            return Err(ws.failure(d));
        }
    }
    if outcome.plan.has_changes() && saved.is_none() && !request.auto_approve && !approve(word, &outcome, terminal)? {
        terminal.line(&format!("{} cancelled. Nothing was changed.", capital(word)));
        return Ok(Applied { exit: Exit::Failure, workspace: ws });
    }
    let apply_host = DiskHost::at(crate::lang::host::Host::plan_time(&host), true);
    // The observer stays: steps that are decided again start from what it says.
    let inputs = Inputs { host: &apply_host, ..inputs };
    let done = carry_out(&inputs, outcome, &store, session, events, request.parallelism, (word, saved.as_ref().map(SavedPlan::id)))
        .await
        .map_err(|d| ws.failure(d))?;
    let exit = report(&done, &ws, terminal, word);
    // What kept results from being written keeps the store from being closed well, and has been said.
    if let Err(d) = store.close().await
        && !done.diagnostics.iter().any(|said| said.code == d.code)
    {
        return Err(ws.failure(d));
    }
    Ok(Applied { exit, workspace: ws })
}

/// Compares what a saved plan was made from with what is here, before any lock is taken and any real system asked. The variables as they were.
async fn check_inputs(saved: &SavedPlan, ws: &Workspace, vars: &VarArgs) -> std::result::Result<Variables, Failure> {
    let host = DiskHost::at(saved.plan_time(), false);
    let files: Vec<PathBuf> = variable_files(vars);
    saved.check_files(&ws.config.sources, &files, &host).map_err(|d| ws.failure(d))?;
    let store = ws.store(Access::Read).await?;
    let digest = |v: &crate::value::Value| store.digest(v);
    let found = match saved.variables(&ws.variables, &named(ws, vars), &digest) {
        Ok(variables) => return Ok(variables),
        Err(found) => found,
    };
    // With another state, or another key, every secret seems to be another one.
    let snapshot = store.snapshot().await.map_err(|d| ws.failure(d))?;
    check_state(saved, &snapshot, &store).await.and_then(|()| saved.check_key(&digest)).map_err(|d| ws.failure(d))?;
    Err(ws.failure(found))
}

/// Refuses a state that is not the one of the plan, and says what became of that.
async fn check_state(saved: &SavedPlan, snapshot: &Snapshot, store: &Ledger) -> std::result::Result<(), Diagnostic> {
    let Err(d) = saved.check_state(snapshot) else { return Ok(()) };
    // A history that cannot be read says nothing more.
    let history = store.history().await.unwrap_or_default();
    Err(saved.explain_state(d, &history))
}

/// The root variables by name.
type Variables = BTreeMap<Arc<str>, crate::value::Value>;

/// The disk without listings, so that only files that are named are read.
struct NamedFiles;

impl FileSource for NamedFiles {
    fn read_dir(&self, _: &Path) -> std::io::Result<Vec<String>> {
        Ok(vec![])
    }

    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        DiskFiles.read(path)
    }
}

/// The variables that the command line sets, by `-var` or in files that it names.
fn named(ws: &Workspace, vars: &VarArgs) -> BTreeSet<Arc<str>> {
    let host = DiskHost::new(false);
    let cx = EvalContext::new(&host, &ws.root, &ws.root);
    // What is wrong with these has been said when the workspace was loaded.
    let (given, _) = variables::collect(&ws.root, &NamedFiles, vars, [], &ws.config.root, &mut Sources::default(), &cx);
    given.into_keys().collect()
}

fn no_question_in_json() -> Diagnostic {
    let d = Diagnostic::error(crate::diag::codes::cli::USAGE, "With -json there is nobody to approve the plan.");
    d.hint("Add -auto-approve, or save a plan with plan -out=FILE and apply that.")
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn events(terminal: &Terminal, names: &Names) -> Arc<dyn Events> {
    if terminal.json {
        Arc::new(JsonLines)
    } else {
        Arc::new(Human::new(terminal.paint, is_capable(&std::io::stderr()), Arc::clone(names)))
    }
}

async fn carry_out<'a>(
    inputs: &Inputs<'a>,
    outcome: Outcome<'a>,
    store: &Ledger,
    session: Arc<crate::resource::Session>,
    events: Arc<dyn Events>,
    parallelism: usize,
    (word, plan): (&str, Option<&str>),
) -> std::result::Result<Done, Diagnostic> {
    if outcome.plan.has_changes() || !inputs.snapshot.in_doubt.is_empty() {
        store.begin_generation_of(word, plan).await?;
    }
    let interrupts = Arc::new(AtomicU8::new(0));
    let watcher = tokio::spawn({
        let count = Arc::clone(&interrupts);
        signals::watch(move || {
            count.fetch_add(1, Ordering::SeqCst);
        })
    });
    let quiet: Arc<dyn Events> = if outcome.plan.has_changes() { events } else { Arc::new(Silent) };
    let cx = Apply { inputs, plan: &outcome.plan, store, session, events: quiet, interrupts, parallelism };
    let done = executor::apply(&cx, outcome.world).await;
    watcher.abort();
    Ok(done)
}

fn approve(word: &str, outcome: &Outcome<'_>, terminal: &Terminal) -> std::result::Result<bool, Failure> {
    let what = match outcome.plan.mode {
        RunMode::Destroy => "Destroy all of this? There is no undo.",
        RunMode::RefreshOnly => "Write these to the state?",
        RunMode::Normal => "Do this?",
    };
    match terminal.ask(&format!("\n{what}\n  Only \"yes\" is taken as yes.\n\n  Enter a value: ")) {
        Some(answer) => Ok(answer == "yes"),
        // The end of the input (Ctrl-D), or bytes that are no text, are an answer too, and not a yes.
        None if terminal.input => Ok(false),
        None => {
            Err(Diagnostic::error(crate::diag::codes::cli::NO_TERMINAL, format!("{word} needs a yes, and there is no terminal to ask on."))
                .hint("Give -auto-approve, or save a plan with plan -out and apply that.")
                .into())
        }
    }
}

fn report(done: &Done, ws: &Workspace, terminal: &Terminal, word: &str) -> Exit {
    let interrupted = done.interrupted();
    let mut diagnostics = done.diagnostics.clone();
    if interrupted {
        let n = done.undone.len();
        let detail = format!("The {word} was interrupted; {} {} not carried out.", counted(n, "step"), was(n));
        diagnostics.push(
            Diagnostic::error(codes::INTERRUPTED, detail)
                .hint("The state holds everything that was done. Run the same command again to go on."),
        );
    }
    terminal.diagnostics(&diagnostics, &ws.config.sources);
    let failed = diagnostics.has_errors();
    if terminal.json {
        terminal.line(
            &serde_json::json!({"type": "change_summary", "undone": done.undone.iter().map(ToString::to_string).collect::<Vec<_>>(), "changes": {"import": done.imported, "add": done.added,
                "change": done.changed, "remove": done.destroyed, "forget": done.forgotten}})
            .to_string(),
        );
        return if failed { Exit::Failure } else { Exit::Success };
    }
    if !done.undone.is_empty() {
        terminal.line(&format!("\nNot carried out ({}):", done.undone.len()));
        done.undone.iter().take(20).for_each(|u| terminal.line(&format!("  {u}")));
        if done.undone.len() > 20 {
            terminal.line(&format!("  and {} more", done.undone.len() - 20));
        }
    }
    let head = if failed { format!("{} incomplete", capital(word)) } else { format!("{} complete", capital(word)) };
    let text = format!("\n{head}! Resources: {}.", summary(done, word));
    terminal.line(&if failed { terminal.paint.red(&text) } else { terminal.paint.green(&text) });
    if failed && !interrupted {
        terminal.line(&format!("What was done is recorded. Correct the errors, and run {word} again: it goes on from there."));
    }
    print_outputs(&done.outputs, terminal);
    if failed { Exit::Failure } else { Exit::Success }
}

/// What was done, in Terraform's order.
fn summary(done: &Done, word: &str) -> String {
    let mut parts = Vec::new();
    if done.imported > 0 {
        parts.push(format!("{} imported", done.imported));
    }
    if word != "destroy" {
        parts.push(format!("{} added, {} changed", done.added, done.changed));
    }
    parts.push(format!("{} destroyed", done.destroyed));
    if done.forgotten > 0 {
        parts.push(format!("{} forgotten", done.forgotten));
    }
    parts.join(", ")
}

/// The outputs after an apply.
pub fn print_outputs(outputs: &BTreeMap<Arc<str>, OutputRecord>, terminal: &Terminal) {
    terminal.print(&outputs_text(outputs));
}

/// Outputs as text; nothing where there are none.
pub fn outputs_text(outputs: &BTreeMap<Arc<str>, OutputRecord>) -> String {
    if outputs.is_empty() {
        return String::new();
    }
    format!("\nOutputs:\n\n{}", output_lines(outputs))
}

/// `name = value`, a line or more for each output.
pub fn output_lines(outputs: &BTreeMap<Arc<str>, OutputRecord>) -> String {
    let shown = |o: &OutputRecord| if o.sensitive { "(sensitive value)".to_string() } else { crate::value::print::console(&o.value) };
    outputs.iter().map(|(name, o)| format!("{name} = {}\n", shown(o))).collect()
}

/// Shows a saved plan's or the state's content.
pub fn show_outputs_json(outputs: &BTreeMap<Arc<str>, OutputRecord>) -> serde_json::Value {
    outputs
        .iter()
        .map(|(n, o)| {
            (
                n.to_string(),
                serde_json::json!({"sensitive": o.sensitive, "type": o.value.ty().to_string(), "value": view::json::clear_value(&o.value)}),
            )
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}
