//! `plan`: what would change.

use std::path::PathBuf;
use std::sync::Arc;

use super::live::DiskHost;
use super::workspace::{VarArgs, Workspace};
use super::{Exit, Failure, Result, Terminal};
use crate::addr::Target;
use crate::apply::Silent;
use crate::diag::codes::plan as codes;
use crate::diag::{Diagnostic, Diagnostics};
use crate::lang::config::variables::VarArg;
use crate::lang::config::{Config, DiskFiles};
use crate::lang::host::Host;
use crate::plan::saved::{Made, Recording, SavedPlan};
use crate::plan::walk::{self, Outcome};
use crate::plan::{Action, Change, Options, Plan, Reason, RunMode, blocked_moves};
use crate::state::{Access, Ledger, Snapshot};
use crate::view;
use crate::words::{counted, for_shell};

/// What `plan` is asked.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The folder.
    pub root: PathBuf,
    /// Variables.
    pub vars: VarArgs,
    /// The choices of the run.
    pub options: Options,
    /// Losing data is allowed.
    pub allow_data_loss: bool,
    /// Show unchanged attributes.
    pub verbose: bool,
    /// Exit with 2 when there are changes.
    pub detailed_exitcode: bool,
    /// Save the plan here.
    pub out: Option<PathBuf>,
    /// The folder that the command line changed to, for a command that works where the user stands.
    pub chdir: Option<PathBuf>,
    /// Write blocks for what is imported and not declared to this file.
    pub generate: Option<PathBuf>,
}

/// Runs it.
pub async fn run(request: &Request, terminal: &Terminal) -> Result {
    let (ws, generated) = match &request.generate {
        Some(file) => super::generate::workspace(request, file, terminal).await?,
        None => (Workspace::load(&request.root, &DiskFiles, &request.vars, terminal)?, 0),
    };
    if request.out.is_some() {
        // The file's digests of sensitive values are made with the store's key, so that apply can compare them and nobody can guess from them.
        Ledger::ensure_key(&*super::workspace::backend(&ws.state_dir()?)).await.map_err(|d| ws.failure(d))?;
    }
    // A slip of the finger must cost neither a configuration nor the state's key.
    let has_content = |p: &&PathBuf| std::fs::metadata(p).is_ok_and(|m| m.is_file() && m.len() > 0);
    let folder = request.out.as_ref().and_then(|p| p.parent()).filter(|p| !p.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|p| !p.is_dir()) {
        let detail = format!("There is no folder {} to write the plan into.", folder.display());
        return Err(Diagnostic::error(crate::diag::codes::cli::FILE, detail).hint("Make it, or name another file for -out.").into());
    }
    if let Some(path) = request.out.as_ref().filter(has_content)
        && !SavedPlan::begins_in(path)
    {
        let detail = format!("{} exists and is not a saved plan, so no plan is written over it.", path.display());
        return Err(Diagnostic::error(codes::NOT_A_PLAN, detail).hint("Name another file for -out.").into());
    }
    let store = ws.store(Access::Read).await?;
    for _ in 1..ATTEMPTS {
        if let Some(exit) = attempt(request, terminal, (&ws, generated), &store, false).await? {
            return Ok(exit);
        }
    }
    let exit = attempt(request, terminal, (&ws, generated), &store, true).await?;
    Ok(exit.unwrap_or(Exit::Failure))
}

/// How often a plan is made that another run overtakes: it reads objects that its snapshot of the state does not have yet.
pub(super) const ATTEMPTS: usize = 3;

/// Plans once. `None` where there are errors that may come from another run, which wrote to the state meanwhile; not for the `last` attempt.
async fn attempt(
    request: &Request,
    terminal: &Terminal,
    (ws, generated): (&Workspace, usize),
    store: &Ledger,
    last: bool,
) -> Result<Option<Exit>> {
    let snapshot = store.snapshot().await.map_err(|d| ws.failure(d))?;
    snapshot.check().map_err(|d| ws.failure(d))?;
    let observer = ws.live(Arc::new(Silent));
    if !terminal.json {
        observer.show_waits();
    }
    let host = DiskHost::new(false);
    let digest = |v: &crate::value::Value| store.digest(v);
    let recording = Recording::new(&host);
    let inputs = ws.inputs(&snapshot, &request.options, &digest, &recording, &observer);
    check_targets(ws, &snapshot, &request.options)?;
    let (outcome, said) = super::early::walked(&inputs, &ws.config.sources, terminal).await;
    let mut diagnostics = ws.warnings.clone();
    diagnostics.append(outcome.diagnostics.clone());
    diagnostics.append(check_instances(&outcome.plan, &request.options));
    if diagnostics.has_errors() {
        let moved = store.has_moved(&snapshot).await.map_err(|d| ws.failure(d))?;
        return if moved && !last { Ok(None) } else { Err(ws.failure(said.rest(diagnostics))) };
    }
    diagnostics.append(notices(&outcome, &ws.config, &request.options));
    show(&outcome.plan, request.verbose, terminal);
    terminal.diagnostics(&diagnostics, &ws.config.sources);
    if let (Some(file), 1.., false) = (&request.generate, generated, terminal.json) {
        let what = counted(generated, "block");
        terminal.line(&format!("\nWrote {what} to {}. Review it before you apply.", file.display()));
    }
    let lost = data_loss(&outcome.plan);
    if let Some(path) = &request.out {
        if let (Some(d), false) = (lost.clone(), request.allow_data_loss) {
            return Err(ws.failure(d));
        }
        let made = Made {
            config: &ws.config,
            variable_files: &variable_files(&request.vars),
            variables: &ws.variables,
            types: inputs.types,
            options: &request.options,
            snapshot: &snapshot,
            outcome: &outcome,
            reads: recording.reads(),
            time: host.plan_time(),
        };
        made.check(&digest, &ws.session(Arc::new(Silent)).root_dir).map_err(|d| ws.failure(d))?;
        made.write(&digest, path).map_err(|d| ws.failure(d))?;
        if !terminal.json {
            let chdir = request.chdir.as_ref().map(|dir| format!("-chdir={} ", for_shell(&dir.display().to_string()))).unwrap_or_default();
            terminal.line(&format!(
                "\nSaved the plan to {}. To carry it out: streamform {chdir}apply {}",
                path.display(),
                for_shell(&path.display().to_string())
            ));
        }
    } else if let (Some(d), false) = (lost, request.allow_data_loss) {
        let warning = Diagnostic { severity: crate::diag::Severity::Warning, ..d };
        terminal.diagnostics(&warning.into(), &ws.config.sources);
    }
    let changes = outcome.plan.has_changes();
    Ok(Some(if request.detailed_exitcode && changes { Exit::Changes } else { Exit::Success }))
}

/// The variable files that the command line names.
pub fn variable_files(vars: &VarArgs) -> Vec<PathBuf> {
    let file = |arg: &VarArg| if let VarArg::File(path) = arg { Some(path.clone()) } else { None };
    vars.iter().filter_map(file).collect()
}

/// Shows a plan as text or JSON.
pub fn show(plan: &Plan, verbose: bool, terminal: &Terminal) {
    if terminal.json {
        terminal.json_line(&view::json::plan(plan));
    } else {
        terminal.print(&view::plan::render(plan, view::plan::PlanStyle { paint: terminal.paint, verbose }));
    }
}

/// The error for a plan that loses data.
pub fn data_loss(plan: &Plan) -> Option<Diagnostic> {
    let lost: Vec<String> = plan.changes.iter().flat_map(|c| c.losses().map(move |l| format!("{}: {l}", c.label()))).collect();
    let first = lost.first()?;
    let alone = plan.changes.iter().find(|c| c.losses().next().is_some()).filter(|c| c.reasons.contains(&Reason::NotInConfiguration));
    let more = if lost.len() > 1 { format!(" And {} more.", lost.len() - 1) } else { String::new() };
    let d = Diagnostic::error(codes::DATA_LOSS, format!("{}.{more}", first.trim_end_matches('.')));
    Some(d.hint(match alone {
        Some(c) => format!(
            "Apply with -allow-data-loss if that is meant. To keep it: put its block back, or let streamform forget it: streamform state rm '{}'.",
            c.label()
        ),
        None => "Apply with -allow-data-loss if that is meant, or set deletion_protection = false on the resource.".into(),
    }))
}

/// Flags that choose and exclude the same: neither can be what was meant.
fn contradictions(options: &Options) -> Diagnostics {
    let targets = options.targets.iter().map(|t| ("-target", t.clone()));
    let chosen = targets.chain(options.replace.iter().map(|a| ("-replace", Target::Instance(a.clone()))));
    let mut diags = Diagnostics::new();
    for (flag, target) in chosen {
        let Some(exclude) = options.excludes.iter().find(|e| e.covers(&target)) else { continue };
        let detail = if exclude.to_string() == target.to_string() {
            format!("{flag} and -exclude both name {target}.")
        } else {
            format!("{flag} names {target}, and -exclude={exclude} leaves it out.")
        };
        diags.push(Diagnostic::error(codes::CONTRADICTION, detail).on(&target).hint("Remove one of the two flags."));
    }
    diags
}

/// A target that selects nothing is an error: a typo must not look like "no changes". So are flags that contradict each other.
pub fn check_targets(ws: &Workspace, snapshot: &Snapshot, options: &Options) -> std::result::Result<(), Failure> {
    let mut diags = contradictions(options);
    let replace = options.replace.iter().map(|a| Target::Instance(a.clone()));
    for target in options.targets.iter().chain(&options.excludes).cloned().chain(replace) {
        let in_state = snapshot.records.keys().any(|a| target.contains(a));
        let in_config = ws.graph.ids().any(|id| walk::select::target_hits(&target, ws.graph.node(id)));
        if !in_state && !in_config {
            let names: Vec<String> = ws.graph.ids().map(|id| ws.graph.node(id).to_string()).collect();
            let d = Diagnostic::error(codes::NO_TARGET, format!("Nothing in the configuration or the state is at {target}."));
            let written = target.to_string();
            diags.push(match crate::diag::did_you_mean(&written, names.iter().map(String::as_str)) {
                Some(near) => d.hint(format!("Did you mean {near}?")),
                None => d.hint("streamform graph lists all addresses."),
            });
        }
    }
    if diags.is_empty() { Ok(()) } else { Err(ws.failure(diags)) }
}

/// What is worth knowing about a plan beside its changes.
pub fn notices(outcome: &Outcome<'_>, config: &Config, options: &Options) -> Diagnostics {
    let plan = &outcome.plan;
    let mut diags: Diagnostics = super::drift::unseen(outcome).into_iter().collect();
    if !options.targets.is_empty() || !options.excludes.is_empty() {
        let detail = "With -target or -exclude the plan is of a part of the configuration, and the result may not be what all of it says.";
        let d = Diagnostic::warning(codes::TARGETED, detail);
        diags.push(d.hint("This is meant for mending mistakes. Plan without it afterwards, to see what is left to do."));
    }
    let same = |c: &Change| c.reasons.iter().any(|r| matches!(r, Reason::SameAsNow(..)));
    let stays = |c: &&Change| c.action == Action::Forget && !c.reasons.contains(&Reason::Missing) && !same(c);
    let forgotten: Vec<String> = plan.changes.iter().filter(stays).map(|c| c.label()).collect();
    if !forgotten.is_empty() {
        let detail = format!("These objects stay as they are, and streamform knows them no longer: {}.", forgotten.join(", "));
        diags.push(Diagnostic::warning(codes::FORGOTTEN, detail).hint("They can be taken in again by import blocks."));
    }
    // A deposed object that is the present one is what an interrupted apply leaves; two records of one object are a fault of the state.
    for c in plan.changes.iter().filter(|c| c.deposed.is_none()) {
        let Some((holder, object)) = c.reasons.iter().find_map(|r| match r {
            Reason::SameAsNow(holder, object) => Some((holder, object)),
            _ => None,
        }) else {
            continue;
        };
        let detail = format!("The state holds the {object} twice: as {holder} and as {}.", c.addr);
        let rest = match c.action {
            Action::Forget => format!("This plan removes the record {} and leaves the object to {holder}.", c.addr),
            _ => format!("This plan leaves the object to {holder} and creates another one for {}.", c.addr),
        };
        diags.push(Diagnostic::warning(codes::SAME_RECORD, detail).on(&c.addr).hint(rest));
    }
    let blocked = if options.mode == RunMode::Normal { blocked_moves(config, plan) } else { vec![] };
    for (from, to) in blocked {
        let detail = format!("{from} cannot move to {to}, where there is an object already; so it is destroyed.");
        let d = Diagnostic::warning(codes::MOVE_BLOCKED, detail);
        diags.push(d.hint(format!("To keep this one instead, let streamform forget the other first: streamform state rm '{to}'.")));
    }
    diags
}

/// The same for single instances, which are known once the plan is made: a key that is none of the block's is a typo.
pub fn check_instances(plan: &Plan, options: &Options) -> Diagnostics {
    let mut diags = Diagnostics::new();
    if options.mode == RunMode::Destroy {
        // What is gone already need not be known.
        return diags;
    }
    let named = options.targets.iter().chain(&options.excludes).filter_map(|t| match t {
        Target::Instance(i) => Some(i),
        Target::Module(_) | Target::Resource(_) => None,
    });
    let moved = plan
        .changes
        .iter()
        .flat_map(|c| &c.reasons)
        .filter_map(|r| if let Reason::Moved(from) = r { Some(from.to_string()) } else { None });
    let known: Vec<String> = plan.changes.iter().map(|c| c.addr.to_string()).chain(plan.skipped.iter().cloned()).chain(moved).collect();
    for addr in named.chain(&options.replace).map(ToString::to_string).filter(|a| !known.contains(a)) {
        let d = Diagnostic::error(codes::NO_TARGET, format!("There is no instance {addr}."));
        diags.push(match crate::diag::did_you_mean(&addr, known.iter().map(String::as_str)) {
            Some(near) => d.hint(format!("Did you mean {near}?")),
            None => d,
        });
    }
    for addr in options.replace.iter().filter(|a| plan.skipped.contains(&a.to_string())) {
        let detail = format!("-replace names {addr}, which -target or -exclude leave out.");
        diags.push(Diagnostic::error(codes::CONTRADICTION, detail).on(addr).hint(format!("Add -target='{addr}', or leave -replace out.")));
    }
    diags
}
