//! `install`: writes the quickstart into a folder and, with `-a`, applies it and shows that records go through.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::apply;
use super::plan::Request as PlanRequest;
use super::{Exit, Result, Terminal};
use crate::diag::Diagnostic;
use crate::diag::codes::cli as codes;

const MAIN: &str = include_str!("../../examples/quickstart/main.hcl");
const INPUT: &str = include_str!("../../examples/quickstart/data/in.txt");

/// How long records may take from the source file to the sink's.
const RECORDS_WITHIN: Duration = Duration::from_secs(60);

/// What `install` is asked.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The folder.
    pub root: PathBuf,
    /// Apply it.
    pub apply: bool,
    /// Do not bring up the demonstration cluster: only check that everything it needs is there.
    pub no_demo_cluster: bool,
    /// Take it all down again: objects, processes, records, state.
    pub remove: bool,
    /// How many calls run at one time.
    pub parallelism: usize,
}

/// Runs it.
pub async fn run(request: &Request, terminal: &Terminal) -> Result {
    if request.remove {
        return remove(request, terminal).await;
    }
    let wrote = write_quickstart(&request.root)?;
    terminal.line(&match wrote {
        true => format!("Wrote the quickstart to {}.", request.root.join("main.hcl").display()),
        false => format!("The quickstart is already in {}.", request.root.display()),
    });
    if request.no_demo_cluster || !request.apply {
        terminal.line("To bring it up: streamform apply (or streamform install -a).");
        return Ok(Exit::Success);
    }
    let plan = PlanRequest { root: request.root.clone(), ..PlanRequest::default() };
    let apply = apply::Request { plan, auto_approve: true, parallelism: request.parallelism, ..apply::Request::default() };
    let applied = apply::run_inner(&apply, terminal).await?;
    if applied.exit != Exit::Success {
        return Ok(applied.exit);
    }
    let records = await_records(&request.root.join("data/out.txt")).await?;
    terminal
        .line(&format!("\n{}", terminal.paint.bold("Records that went from data/in.txt through the topic \"lines\" to data/out.txt:\n")));
    records.lines().for_each(|l| terminal.line(&format!("  {l}")));
    terminal.line(&format!("\n{}", terminal.paint.bold("In the state:\n")));
    let (config_root, quiet) = (request.root.as_path(), *terminal);
    super::state::list(config_root, &[], &quiet)?;
    terminal.print(&further(&request.root));
    Ok(Exit::Success)
}

/// Destroys everything and removes what was made here; the configuration stays.
async fn remove(request: &Request, terminal: &Terminal) -> Result {
    let options = crate::plan::Options { mode: crate::plan::RunMode::Destroy, ..Default::default() };
    let plan = PlanRequest { root: request.root.clone(), options, allow_data_loss: true, ..PlanRequest::default() };
    let apply = apply::Request { plan, auto_approve: true, parallelism: request.parallelism, ..apply::Request::default() };
    let applied = apply::run_inner(&apply, terminal).await?;
    if applied.exit != Exit::Success {
        return Ok(applied.exit);
    }
    let failed = |path: &Path, e: std::io::Error| Diagnostic::error(codes::FILE, format!("{} cannot be removed: {e}.", path.display()));
    let (records, data) = (request.root.join("data/out.txt"), request.root.join(".streamform"));
    for (path, result) in [(&records, std::fs::remove_file(&records)), (&data, std::fs::remove_dir_all(&data))] {
        match result {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(path, e).into()),
            _ => {}
        }
    }
    terminal.line("Removed the state, the working data and the records. The configuration is left as it is.");
    Ok(Exit::Success)
}

/// Writes what is missing; an existing configuration is left as it is.
fn write_quickstart(root: &Path) -> Result<bool> {
    let has_config =
        std::fs::read_dir(root).is_ok_and(|mut d| d.any(|e| e.is_ok_and(|e| e.path().extension().is_some_and(|x| x == "hcl"))));
    let files = [("main.hcl", MAIN), ("data/in.txt", INPUT)];
    if has_config && !root.join("main.hcl").exists() {
        let d = Diagnostic::error(codes::FILE, format!("{} holds another configuration.", root.display()));
        return Err(d.hint("Run install in an empty folder, or name one: streamform -chdir=DIR install -a.").into());
    }
    for (name, text) in files {
        let path = root.join(name);
        if !path.exists() {
            write(&path, text).map_err(|e| Diagnostic::error(codes::FILE, format!("{} cannot be written: {e}.", path.display())))?;
        }
    }
    Ok(!has_config)
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::File::create(path)?.write_all(text.as_bytes())
}

async fn await_records(path: &Path) -> Result<String> {
    let began = Instant::now();
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.lines().count() >= INPUT.lines().count() {
            return Ok(text);
        }
        if began.elapsed() > RECORDS_WITHIN {
            let d =
                Diagnostic::error(codes::FILE, format!("No records arrived in {} within {} s.", path.display(), RECORDS_WITHIN.as_secs()));
            return Err(d
                .hint("streamform plan shows whether a connector has failed; the worker's log is under .streamform/local.")
                .into());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn further(root: &Path) -> String {
    let at = if root == Path::new(".") { String::new() } else { format!(" -chdir={}", root.display()) };
    format!(
        "\nTo look further:\n  streamform{at} plan                     nothing to do\n  streamform{at} drift                    what differs from the configuration\n  \
         streamform{at} state show kafka_topic.lines\n  streamform{at} graph                    the dependency graph\n  streamform explain kafka_topic        what a topic can be told\n  \
         streamform{at} install -remove          takes it all down again\n"
    )
}
