//! `install`: writes the quickstart into a folder and, with `-a`, applies it and shows that records go through.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::apply;
use super::plan::Request as PlanRequest;
use super::{Exit, Result, Terminal};
use crate::diag::codes::cli as codes;
use crate::diag::{Diagnostic, io_words};
use crate::disk;

const MAIN: &str = include_str!("../../examples/quickstart/main.hcl");
const IGNORED: &str = include_str!("../../examples/quickstart/.gitignore");
const INPUT: &str = include_str!("../../examples/quickstart/data/in.txt");

/// The quickstart: files and their text.
const FILES: [(&str, &str); 3] = [("main.hcl", MAIN), (".gitignore", IGNORED), ("data/in.txt", INPUT)];

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
    check_ours(&request.root)?;
    let wrote = write_quickstart(&request.root)?;
    terminal.line(&match wrote {
        true => format!("Wrote the quickstart to {}.", request.root.join("main.hcl").display()),
        false if request.root == Path::new(".") => "The quickstart is already in this folder.".to_string(),
        false => format!("The quickstart is already in {}.", request.root.display()),
    });
    if request.no_demo_cluster || !request.apply {
        if request.no_demo_cluster {
            check_machine(terminal).await?;
        }
        terminal.line("Nothing was started. To bring it up: streamform apply (or streamform install -a).");
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
    super::state::list(config_root, &[], &quiet).await?;
    terminal.print(&further(&request.root));
    Ok(Exit::Success)
}

/// Whether this machine can run the quickstart: Java and Kafka's jars, which are fetched.
async fn check_machine(terminal: &Terminal) -> Result<()> {
    let version = crate::resource::kafka_cluster::DEFAULT_VERSION;
    let launch = crate::engine::local::broker::Launch::find(version, &|text| terminal.line(text)).await?;
    terminal.line(&format!("Java ({}) and the jars of Kafka {version} ({}) are there.", launch.java.display(), launch.libs.display()));
    Ok(())
}

/// Refuses a folder with another configuration: it would be applied or destroyed with no question asked.
fn check_ours(root: &Path) -> Result<()> {
    let main = std::fs::read_to_string(root.join("main.hcl"));
    let has_config =
        std::fs::read_dir(root).is_ok_and(|mut d| d.any(|e| e.is_ok_and(|e| e.path().extension().is_some_and(|x| x == "hcl"))));
    let ours = main.is_ok_and(|text| text.lines().next() == MAIN.lines().next());
    if ours || !has_config {
        return Ok(());
    }
    let d = Diagnostic::error(codes::FILE, format!("{} holds another configuration than the quickstart.", root.display()));
    Err(d.hint("Run install in an empty folder, or name one: streamform -chdir=DIR install -a.").into())
}

/// Takes down which files `install` made, so that `-remove` touches no other.
fn made_files(root: &Path) -> PathBuf {
    root.join(".streamform/installed")
}

/// Removes what `install` wrote (`made`) and nobody changed since; returns what was changed.
fn remove_unchanged(root: &Path, made: &str) -> Vec<&'static str> {
    let files = FILES.iter().copied().filter(|(n, _)| made.lines().any(|m| m == *n) && root.join(n).exists());
    let same = |(name, text): &(&'static str, &str)| std::fs::read_to_string(root.join(name)).is_ok_and(|t| t == *text);
    let (gone, kept): (Vec<_>, Vec<_>) = files.partition(same);
    for (name, _) in gone {
        let _ = std::fs::remove_file(root.join(name));
    }
    // A folder with anything else in it stays.
    let _ = std::fs::remove_dir(root.join("data"));
    kept.into_iter().map(|(name, _)| name).collect()
}

/// Destroys everything and removes what was made here, except for files that were changed since.
async fn remove(request: &Request, terminal: &Terminal) -> Result {
    check_ours(&request.root)?;
    if !request.root.join("main.hcl").exists() && !request.root.join(".streamform").exists() {
        terminal.line("There is nothing to remove.");
        return Ok(Exit::Success);
    }
    let options = crate::plan::Options { mode: crate::plan::RunMode::Destroy, ..Default::default() };
    let plan = PlanRequest { root: request.root.clone(), options, allow_data_loss: true, ..PlanRequest::default() };
    let apply = apply::Request { plan, auto_approve: true, parallelism: request.parallelism, ..apply::Request::default() };
    let applied = apply::run_inner(&apply, terminal).await?;
    if applied.exit != Exit::Success {
        return Ok(applied.exit);
    }
    let made = std::fs::read_to_string(made_files(&request.root)).unwrap_or_default();
    let failed =
        |path: &Path, e: std::io::Error| Diagnostic::error(codes::FILE, format!("{} cannot be removed: {}.", path.display(), io_words(&e)));
    let (records, data) = (request.root.join("data/out.txt"), request.root.join(".streamform"));
    for (path, result) in [(&records, std::fs::remove_file(&records)), (&data, std::fs::remove_dir_all(&data))] {
        match result {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(path, e).into()),
            _ => {}
        }
    }
    let kept = remove_unchanged(&request.root, &made);
    terminal.line(match made.is_empty() {
        true => "Removed the state, the working data and the records.",
        false => "Removed the state, the working data, the records and the files that install wrote.",
    });
    if !kept.is_empty() {
        terminal.line(&format!("Left as they are, because they were changed: {}.", kept.join(", ")));
    }
    Ok(Exit::Success)
}

/// Writes what is missing; an existing configuration is left as it is.
fn write_quickstart(root: &Path) -> Result<bool> {
    let was_there = root.join("main.hcl").exists();
    let list = made_files(root);
    let mut made = std::fs::read_to_string(&list).unwrap_or_default();
    for (name, text) in FILES {
        let path = root.join(name);
        if !path.exists() {
            made.push_str(&format!("{name}\n"));
            // The list first: what is made is on it, whenever this ends.
            for (path, text) in [(&list, made.as_str()), (&path, text)] {
                write(path, text)
                    .map_err(|e| Diagnostic::error(codes::FILE, format!("{} cannot be written: {}.", path.display(), io_words(&e))))?;
            }
        }
    }
    Ok(!was_there)
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    match path.parent() {
        Some(dir) if dir.ends_with(disk::OWN) => disk::private_dir(dir)?,
        Some(dir) => std::fs::create_dir_all(dir)?,
        None => {}
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
                .hint("streamform plan shows whether a connector has failed; the worker's log is under .streamform/connect.")
                .into());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn further(root: &Path) -> String {
    let at = if root == Path::new(".") { String::new() } else { format!(" -chdir={}", root.display()) };
    format!(
        "\nTo look further:\n  streamform{at} plan                     nothing to do\n  streamform{at} drift                    what differs from the configuration\n  \
         streamform{at} state show kafka_topic.lines\n  streamform{at} graph                    the dependency graph\n  streamform explain kafka_topic      what a topic can be told\n  \
         streamform{at} install -remove          takes it all down again\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_install_wrote_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        assert!(write_quickstart(dir.path()).unwrap());
        assert!(!write_quickstart(dir.path()).unwrap(), "the second time it is there");
        check_ours(dir.path()).unwrap();
        std::fs::write(at("data/in.txt"), "mine").unwrap();
        let made = std::fs::read_to_string(made_files(dir.path())).unwrap();
        assert_eq!(remove_unchanged(dir.path(), &made), ["data/in.txt"]);
        assert!(!at("main.hcl").exists() && at("data/in.txt").exists());
        // A file that was there before install is nobody's to remove, even if it is the same.
        std::fs::write(at("main.hcl"), MAIN).unwrap();
        assert!(remove_unchanged(dir.path(), "").is_empty() && at("main.hcl").exists());
        std::fs::write(at("main.hcl"), "locals {}").unwrap();
        assert!(check_ours(dir.path()).is_err());
    }
}
