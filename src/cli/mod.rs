//! The command line: arguments in, exit code out. Thin: each command builds a request and calls its verb in [`crate::ops`].

mod args;
mod flags;
mod fmt;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{ArgAction, CommandFactory, Parser};

use crate::diag::codes::cli as codes;
use crate::diag::{Diagnostic, Diagnostics, io_words};
use crate::graph::text;
use crate::lang::config::DiskFiles;
use crate::lang::config::variables::VarArg;
use crate::ops::workspace::Workspace;
use crate::ops::{self, Exit, Result, Terminal};
use crate::plan::{Options, RunMode};
use crate::view;
use crate::view::paint::{Paint, is_capable};
use args::{Cli, Command, LockCommand, ModeArgs, PlanArgs, ProvidersCommand, RunArgs, StateCommand, VarFlags};

/// Runs a command line and returns its exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let vars = variables_in_order(&args);
    let cli = match Cli::try_parse_from(switches(args.iter().map(dashes).collect())) {
        Ok(cli) => cli,
        Err(e) => {
            drop(e.print());
            if let Some(hint) = instead(&e) {
                drop(writeln!(std::io::stderr(), "hint: {hint}"));
            }
            return u8::from(e.use_stderr());
        }
    };
    let terminal = Terminal {
        paint: Paint(colour(cli.no_color)),
        json: cli.command.json(),
        input: cli.input && std::io::stdin().is_terminal(),
        compact: cli.command.compact(),
    };
    let failed = |failure: ops::Failure| {
        terminal.diagnostics(&failure.diagnostics, &failure.sources);
        Exit::Failure.code()
    };
    if let Some(dir) = &cli.chdir
        && let Err(e) = std::env::set_current_dir(dir)
    {
        return failed(Diagnostic::error(codes::FILE, format!("The folder {} cannot be used: {}.", dir.display(), io_words(&e))).into());
    }
    let code = match on_deep_stack(|| execute(cli, vars, &terminal)) {
        Ok(exit) => exit.code(),
        Err(failure) => failed(failure),
    };
    match view::stdout::lost() {
        Some(why) => {
            let detail = format!("Standard output could not be written: {why}. The command did its work; only its output is missing.");
            let d = Diagnostic::error(codes::OUTPUT_LOST, detail).hint("Run it again with room for the output; `show` shows the state.");
            Terminal { json: false, ..terminal }.diagnostics(&d.into(), &Default::default());
            Exit::Failure.code()
        }
        None => code,
    }
}

/// Runs `f` on a thread whose stack has room for values of [`crate::lang::eval::MAX_LEVELS`] levels. The system gives memory only for what is used
/// of it. Where there is not even the address space, `f` runs here.
fn on_deep_stack<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    const STACK: usize = 512 << 20;
    let f = std::sync::Mutex::new(Some(f));
    let take = || f.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("main".into()).stack_size(STACK).spawn_scoped(scope, || take().map(|f| f()));
        let done = match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => take().map(|f| f()),
        };
        done.unwrap_or_else(|| unreachable!("the work is taken once, by the thread or where there is none"))
    })
}

/// Refuses a clock with which neither certificates nor the state's history work: before 1970, or behind the year 9998.
fn check_clock() -> Result<()> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    match since.is_ok_and(|since| since < std::time::Duration::from_secs(253_370_764_800)) {
        true => Ok(()),
        false => {
            let detail = "The clock of this machine stands before 1970 or behind the year 9998.";
            Err(Diagnostic::error(codes::CLOCK, detail).hint("Set the clock, and run the command again.").into())
        }
    }
}

/// Runs the command on a runtime of its own.
fn execute(cli: Cli, vars: Vec<VarArg>, terminal: &Terminal) -> Result {
    check_clock()?;
    // The provider is one for the whole process; a second installation is refused, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(8 << 20).build() {
        Ok(r) => r,
        Err(e) => return Err(Diagnostic::error(codes::FILE, format!("The system gives no threads: {}.", io_words(&e))).into()),
    };
    let result = runtime.block_on(run(cli, vars, *terminal));
    // A call that an interrupt left behind must not keep the process.
    runtime.shutdown_background();
    result
}

/// What does the work of a command that Terraform has by another name.
fn instead(e: &clap::Error) -> Option<&'static str> {
    use clap::error::{ContextKind, ContextValue};
    let Some(ContextValue::String(name)) = e.get(ContextKind::InvalidSubcommand) else { return None };
    Some(match name.as_str() {
        "refresh" => "streamform apply -refresh-only brings the state up to date.",
        "taint" => "streamform apply -replace=ADDR makes an object anew.",
        "pull" => "streamform state export writes the state.",
        "push" => "streamform state restore FILE replaces the state.",
        "workspace" => {
            "A configuration has one state. Several of them are several folders that call one module, or several values of path in backend \"local\"."
        }
        _ => return None,
    })
}

fn colour(off: bool) -> bool {
    !off && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && is_capable(&std::io::stdout())
}

/// `-name` and `--name` are the same for names longer than one letter.
fn dashes(arg: &OsString) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    // Bytes, because the path of -chdir=PATH need not be text.
    let bytes = arg.as_bytes();
    match bytes {
        [b'-', letter, _, ..] if letter.is_ascii_alphabetic() => OsString::from_vec([b"-", bytes].concat()),
        _ => arg.clone(),
    }
}

/// What may be written behind a switch: `-json=true` is `-json`, and `-json=false` as if it were not there.
fn switches(args: Vec<OsString>) -> Vec<OsString> {
    // Most command lines need no look at what there is.
    if !args.iter().any(|a| written_switch(a).is_some()) {
        return args;
    }
    let command = Cli::command();
    let mut known = HashMap::new();
    let mut commands = vec![&command];
    while let Some(c) = commands.pop() {
        commands.extend(c.get_subcommands());
        known.extend(c.get_arguments().filter_map(|a| Some((a.get_long()?, a))));
    }
    let plain = |arg: OsString| {
        let Some((name, value)) = written_switch(&arg) else { return Some(arg) };
        match known.get(name) {
            Some(a) if matches!(a.get_action(), ArgAction::SetTrue) => value.then(|| format!("--{name}").into()),
            Some(a) if a.get_possible_values().iter().any(|v| v.get_name() == "true") => Some(format!("--{name}={value}").into()),
            _ => Some(arg),
        }
    };
    args.into_iter().filter_map(plain).collect()
}

fn written_switch(arg: &OsString) -> Option<(&str, bool)> {
    let (name, value) = arg.to_str()?.strip_prefix("--")?.split_once('=')?;
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some((name, true)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some((name, false)),
        _ => None,
    }
}

/// `-var` and `-var-file` in the order written: later ones win, of whichever kind.
fn variables_in_order(args: &[OsString]) -> Vec<VarArg> {
    let mut out = Vec::new();
    let mut rest = args.iter().filter_map(|a| a.to_str());
    while let Some(arg) = rest.next() {
        let name = arg.trim_start_matches('-');
        if name == arg {
            continue;
        }
        let (name, inline) = name.split_once('=').map_or((name, None), |(n, v)| (n, Some(v)));
        if !matches!(name, "var" | "var-file") {
            continue;
        }
        let Some(value) = inline.or_else(|| rest.next()) else { break };
        out.push(match (name, value.split_once('=')) {
            ("var-file", _) => VarArg::File(value.into()),
            (_, Some((n, text))) => VarArg::Assign { name: n.trim().to_string(), text: text.to_string() },
            (_, None) => VarArg::Assign { name: value.to_string(), text: String::new() },
        });
    }
    out
}

fn check_vars(flags: &VarFlags) -> Result<()> {
    match flags.vars.iter().find(|v| !v.contains('=')) {
        Some(v) => {
            let d = Diagnostic::error(codes::USAGE, format!("-var {v:?} has no value."));
            Err(d.hint("Write -var 'name=value'.").into())
        }
        None => Ok(()),
    }
}

fn plan_request(p: &PlanArgs, m: &ModeArgs, vars: Vec<VarArg>) -> Result<ops::plan::Request> {
    check_vars(&p.vars)?;
    let mut bad = Diagnostics::new();
    let mut parse = |texts: &[String]| {
        let mut out = Vec::new();
        for t in texts {
            match t.parse() {
                Ok(a) => out.push(a),
                Err(e) => bad.push(ops::not_an_address(t, &e)),
            }
        }
        out
    };
    let (targets, excludes) = (parse(&p.targets), parse(&p.excludes));
    let replace = m.replace.iter().filter_map(|t| t.parse().map_err(|e| bad.push(ops::not_an_address(t, &e))).ok());
    let replace = replace.collect();
    if bad.has_errors() {
        return Err(bad.into());
    }
    let mode = match (m.destroy, m.refresh_only) {
        (true, _) => RunMode::Destroy,
        (_, true) => RunMode::RefreshOnly,
        _ => RunMode::Normal,
    };
    Ok(ops::plan::Request {
        root: PathBuf::from("."),
        vars,
        options: Options { mode, refresh: p.refresh, targets, excludes, replace },
        allow_data_loss: p.allow_data_loss,
        verbose: p.verbose,
        detailed_exitcode: false,
        out: None,
        chdir: None,
        generate: None,
    })
}

fn apply_request(plan: ops::plan::Request, saved: Option<PathBuf>, run: &RunArgs) -> ops::apply::Request {
    ops::apply::Request { plan, saved, auto_approve: run.auto_approve, parallelism: run.parallelism, lock_timeout: run.lock_timeout }
}

async fn run(cli: Cli, vars: Vec<VarArg>, terminal: Terminal) -> Result {
    let root = Path::new(".");
    match cli.command {
        Command::Init(a) => {
            flags::init(&a)?;
            let request = ops::init::Request {
                root: root.into(),
                upgrade: a.upgrade,
                readonly: a.lockfile.is_some(),
                backend: a.backend,
                from_module: a.from_module,
                modules_only: false,
            };
            ops::init::run(&request, &terminal).await
        }
        Command::Get(a) => {
            let request = ops::init::Request { root: root.into(), upgrade: a.update, modules_only: true, ..Default::default() };
            ops::init::run(&request, &terminal).await
        }
        Command::Validate(a) => validate(&vars, &a, &terminal),
        Command::Plan(a) => {
            flags::plan(&a)?;
            let mut request = plan_request(&a.plan, &a.mode, vars)?;
            request.detailed_exitcode = a.detailed_exitcode;
            request.out = a.out;
            request.chdir = cli.chdir;
            request.generate = a.generate_config_out;
            ops::plan::run(&request, &terminal).await
        }
        Command::Apply(a) => {
            flags::apply(&a)?;
            let plan = plan_request(&a.plan, &a.mode, vars)?;
            ops::apply::run(&apply_request(plan, a.saved, &a.run), &terminal).await
        }
        Command::Destroy(a) => {
            flags::destroy(&a)?;
            let mode = ModeArgs { destroy: true, refresh_only: false, replace: vec![] };
            let plan = plan_request(&a.plan, &mode, vars)?;
            ops::apply::run(&apply_request(plan, None, &a.run), &terminal).await
        }
        Command::Drift(a) => {
            check_vars(&a.vars)?;
            ops::drift::run(&ops::drift::Request { root: root.into(), vars, unmanaged: a.unmanaged, verbose: a.verbose }, &terminal).await
        }
        Command::Show(a) => ops::state::show_all(root, a.path.as_deref(), &terminal).await,
        Command::Output(a) => ops::state::output(root, a.name.as_deref(), a.raw, &terminal).await,
        Command::State(s) => state(s, root, &terminal).await,
        Command::Import(a) => {
            check_vars(&a.vars)?;
            ops::state::import(root, &vars, &a.addr, &a.id, a.lock_timeout, &terminal).await
        }
        Command::Graph(a) => graph(a, &vars, &terminal),
        Command::Console(a) => {
            check_vars(&a.vars)?;
            ops::console::run(&ops::console::Request { root: root.into(), vars, plan: a.plan }, &Terminal { input: false, ..terminal })
                .await
        }
        Command::Test(a) => {
            check_vars(&a.vars)?;
            let request = ops::test::Request {
                root: root.into(),
                directory: a.test_directory,
                filters: a.filters,
                vars,
                verbose: a.verbose,
                junit: a.junit_xml,
                parallelism: a.parallelism,
            };
            ops::test::run(&request, &terminal).await
        }
        Command::Explain(a) => ops::explain::run(a.name.as_deref(), &terminal),
        Command::Providers(a) => match a.command {
            Some(ProvidersCommand::Schema { .. }) => ops::providers::schema(&terminal),
            None => ops::providers::run(root, &terminal).await,
        },
        Command::Fmt(a) => fmt::run(&a, &terminal),
        Command::Install(a) => {
            let request = ops::install::Request {
                root: root.into(),
                apply: a.apply,
                no_demo_cluster: a.no_demo_cluster,
                remove: a.remove,
                parallelism: 10,
            };
            ops::install::run(&request, &terminal).await
        }
        Command::Lock(LockCommand::List) => ops::state::lock_list(root, &terminal).await,
        Command::ForceUnlock(a) => ops::state::force_unlock(root, &a.id, &terminal).await,
        Command::Completions(a) => {
            // Through memory: written to a closed pipe, the generator would panic.
            let mut script = Vec::new();
            clap_complete::generate(a.shell, &mut Cli::command(), "streamform", &mut script);
            terminal.print(&String::from_utf8_lossy(&script));
            Ok(Exit::Success)
        }
        Command::Version(a) => {
            let version = env!("CARGO_PKG_VERSION");
            terminal.line(&match a.json {
                true => serde_json::json!({"streamform_version": version}).to_string(),
                false => format!("streamform {version}"),
            });
            Ok(Exit::Success)
        }
    }
}

fn validate(vars: &[VarArg], a: &args::ValidateCommand, terminal: &Terminal) -> Result {
    let tests = (!a.no_tests).then_some(a.test_directory.as_path());
    let (sources, diagnostics) = ops::validate::run(Path::new("."), vars, tests);
    if a.json {
        terminal.line(&serde_json::to_string_pretty(&view::diagnostics::report_json(&diagnostics, &sources)).unwrap_or_default());
    } else {
        terminal.diagnostics(&diagnostics, &sources);
        if !diagnostics.has_errors() {
            terminal.line(&terminal.paint.green("Success! The configuration is valid."));
        }
    }
    Ok(if diagnostics.has_errors() { Exit::Failure } else { Exit::Success })
}

fn graph(a: args::GraphArgs, vars: &Vec<VarArg>, terminal: &Terminal) -> Result {
    let mut ws = Workspace::load_without_values(Path::new("."), &DiskFiles, vars)?;
    if ws.warnings.has_errors() {
        let found = std::mem::take(&mut ws.warnings);
        return Err(ws.failure(found));
    }
    terminal.print(&match a.format.as_str() {
        "mermaid" => text::mermaid(&ws.graph, a.all),
        "text" => text::plain(&ws.graph),
        _ => text::dot(&ws.graph, a.all),
    });
    Ok(Exit::Success)
}

async fn state(command: StateCommand, root: &Path, terminal: &Terminal) -> Result {
    match command {
        StateCommand::List { addrs, .. } => ops::state::list(root, &addrs, terminal).await,
        StateCommand::Show { addr, at, .. } => ops::state::show(root, &addr, at, terminal).await,
        StateCommand::Mv { from, to, lock } => ops::state::mv(root, &from, &to, lock.lock_timeout, terminal).await,
        StateCommand::Rm { addrs, lock } => ops::state::rm(root, &addrs, lock.lock_timeout, terminal).await,
        StateCommand::History { .. } => ops::state::history(root, terminal).await,
        StateCommand::Export => ops::state::export(root).await,
        StateCommand::Restore { file, lock } => ops::state::restore(root, &file, lock.lock_timeout, terminal).await,
    }
}
