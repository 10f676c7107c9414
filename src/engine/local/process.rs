//! Processes that outlive the command, and are found again.
//!
//! A process is known by more than its number, which the system uses again: its start time and the boot's id are kept beside it, so that
//! nothing but what this module started is ever ended. The path of its identity file stands on its command line too: a process whose
//! start was interrupted before that file was written is still found.
//!
//! Tools that end by themselves bear such a mark as well, without a file: a run that is killed leaves them, and they go on writing. The
//! next run ends them before it touches what they write ([`stop_below`]).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::java::in_path;
use crate::diag::Diagnostic;
use crate::diag::codes::engine as codes;
use crate::disk::private::{DigestKey, file_error, private_dir, read_optional, write_private};

/// How large a log may grow before the next start begins a new one.
const LOG_LIMIT_BYTES: u64 = 10 * 1024 * 1024;
/// How many old logs are kept.
const OLD_LOGS: u32 = 3;

/// What to start.
#[derive(Clone, Debug)]
pub struct Spec {
    /// For people: `broker 1`.
    pub label: String,
    /// The Java launcher.
    pub java: PathBuf,
    /// Its arguments, without the marker.
    pub args: Vec<String>,
    /// Variables beyond the few that every process gets.
    pub env: Vec<(String, String)>,
    /// The log file.
    pub log: PathBuf,
    /// The identity file.
    pub identity: PathBuf,
    /// A digest of everything that makes a restart necessary when it changes.
    pub fingerprint: String,
}

/// Which process it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The process id.
    pub pid: i32,
    /// When it started, in the system's own ticks since boot.
    pub start: u64,
    /// Which boot.
    pub boot: String,
    /// The digest that it was started with.
    pub fingerprint: String,
}

const MARKER: &str = "-Dstreamform.process=";

/// The mark on the command line of a process: the path of its identity file, or for a tool the path that such a file would have.
pub fn marker(identity: &Path) -> String {
    format!("{MARKER}{}", identity.display())
}

/// The start time of a live process; `None` when there is none, or only its remains.
fn start_time(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything: fields count from the last parenthesis, the state being the third of all.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    match fields.first() {
        Some(&"Z" | &"X") | None => None,
        Some(_) => fields.get(19)?.parse().ok(),
    }
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_string()
}

fn is_alive(identity: &Identity) -> bool {
    identity.boot == boot_id() && start_time(identity.pid) == Some(identity.start)
}

/// The live process of an identity file, if there is one.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn running(identity: &Path) -> Result<Option<Identity>, Diagnostic> {
    let known = read_optional(identity)?.and_then(|text| serde_json::from_str::<Identity>(&text).ok()).filter(is_alive);
    Ok(known.or_else(|| find_by_marker(identity)))
}

/// The live process of an identity file, with its digest as `key` seals it: the file may be one of an earlier version.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn running_sealed(identity: &Path, key: &DigestKey) -> Result<Option<Identity>, Diagnostic> {
    Ok(running(identity)?.map(|found| Identity { fingerprint: key.seal(&found.fingerprint), ..found }))
}

/// A process with this marker on its command line, whose identity file was not written in time.
fn find_by_marker(identity: &Path) -> Option<Identity> {
    let marker = marker(identity);
    marked(|arg| arg == marker.as_bytes()).into_iter().next()
}

/// The live processes with such an argument on their command lines.
fn marked(wanted: impl Fn(&[u8]) -> bool) -> Vec<Identity> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    let pids = entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let found = pids.filter_map(|pid| {
        // The start first: a number that passes to another process in between does not bring the other one's start with it.
        let start = start_time(pid)?;
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        // Which settings it was started with nobody knows: an empty digest has it restarted.
        let identity = || Identity { pid, start, boot: boot_id(), fingerprint: String::new() };
        line.split(|b| *b == 0).any(&wanted).then(identity)
    });
    found.collect()
}

/// Ends all processes that are marked with this path or one below it, politely first, and waits until they are gone.
///
/// # Errors
/// When one stays even so.
pub async fn stop_below(path: &Path, label: &str, grace: Duration) -> Result<(), Diagnostic> {
    let exact = marker(path);
    let below = format!("{exact}/");
    for process in marked(|arg| arg == exact.as_bytes() || arg.starts_with(below.as_bytes())) {
        end(&process, label, grace).await?;
    }
    Ok(())
}

/// Starts a process, detached: its own session, no terminal, output to its log.
///
/// # Errors
/// When the log cannot be written or the program cannot be run.
pub fn start(spec: &Spec) -> Result<Identity, Diagnostic> {
    if let Some(dir) = spec.log.parent() {
        private_dir(dir)?;
    }
    rotate(&spec.log);
    let log = open_log(&spec.log).map_err(|e| file_error("write", &spec.log, &e))?;
    let err = log.try_clone().map_err(|e| file_error("write", &spec.log, &e))?;
    let mut command = launcher(&spec.java);
    command.arg(marker(&spec.identity)).args(&spec.args);
    bare(&mut command).envs(spec.env.iter().map(|(k, v)| (k, v)));
    command.stdin(std::process::Stdio::null()).stdout(log).stderr(err).kill_on_drop(false);
    if let Some(dir) = spec.identity.parent() {
        private_dir(dir)?;
        command.current_dir(dir);
    }
    let died = |why: String| {
        Diagnostic::error(codes::PROCESS_DIED, format!("{} cannot be started: {why}.", sentence(&spec.label)))
            .hint(format!("Its log is {}.", spec.log.display()))
    };
    let child = command.spawn().map_err(|e| died(e.to_string()))?;
    let pid = child.id().and_then(|p| i32::try_from(p).ok()).ok_or_else(|| died("it ended at once".into()))?;
    let start = start_time(pid).ok_or_else(|| died("it ended at once".into()))?;
    let identity = Identity { pid, start, boot: boot_id(), fingerprint: spec.fingerprint.clone() };
    write_private(&spec.identity, serde_json::to_string(&identity).unwrap_or_default().as_bytes())?;
    Ok(identity)
}

/// What a process inherits of the environment. Not all: it may hold secrets, and settings that change what Kafka's tools do.
const INHERITED: &[&str] = &["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH"];

/// Leaves a command no more of the environment than a process inherits.
pub fn bare(command: &mut tokio::process::Command) -> &mut tokio::process::Command {
    command.env_clear().envs(std::env::vars_os().filter(|(k, _)| INHERITED.iter().any(|i| k == i)))
}

/// Takes values of the configuration's variables, which may be secrets, out of the environment of a command that needs the rest of it.
pub fn without_variables(command: &mut tokio::process::Command) {
    let is_value = |name: &str| name.starts_with("SF_VAR_") || name.starts_with("TF_VAR_");
    for (name, _) in std::env::vars_os().filter(|(k, _)| k.to_str().is_some_and(is_value)) {
        command.env_remove(name);
    }
}

/// `setsid` gives the process its own session, so that closing the terminal does not reach it. Without it, an own process group must do
/// (not both: as leader of a group `setsid` would fork, and the number would not be the process's).
fn launcher(java: &Path) -> tokio::process::Command {
    match in_path("setsid", std::env::var_os("PATH").as_deref()) {
        Some(setsid) => {
            let mut command = tokio::process::Command::new(setsid);
            command.arg(java);
            command
        }
        None => {
            let mut command = tokio::process::Command::new(java);
            command.process_group(0);
            command
        }
    }
}

fn open_log(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    // A link in its place, which may have come with the folder, is not followed.
    let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).custom_flags(flags).open(path)
}

fn rotate(log: &Path) {
    if std::fs::metadata(log).map_or(0, |m| m.len()) < LOG_LIMIT_BYTES {
        return;
    }
    let old = |n: u32| PathBuf::from(format!("{}.{n}", log.display()));
    for n in (1..OLD_LOGS).rev() {
        let _ = std::fs::rename(old(n), old(n + 1));
    }
    let _ = std::fs::rename(log, old(1));
}

/// Ends the process of an identity file, politely first, and waits until it is gone.
///
/// # Errors
/// When it stays even so.
pub async fn stop(identity: &Path, label: &str, grace: Duration) -> Result<(), Diagnostic> {
    if let Some(process) = running(identity)? {
        end(&process, label, grace).await?;
    }
    match std::fs::remove_file(identity) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(file_error("remove", identity, &e)),
        _ => Ok(()),
    }
}

async fn end(process: &Identity, label: &str, grace: Duration) -> Result<(), Diagnostic> {
    use rustix::process::Signal;
    signal(process, Signal::TERM);
    if gone(process, grace).await {
        return Ok(());
    }
    signal(process, Signal::KILL);
    if gone(process, Duration::from_secs(10)).await {
        return Ok(());
    }
    let d = Diagnostic::error(codes::PROCESS_STAYS, format!("{} (process {}) does not end.", sentence(label), process.pid));
    Err(d.hint("Look at what it waits for; a process that hangs in the kernel ends only when its disk answers."))
}

fn signal(process: &Identity, signal: rustix::process::Signal) {
    // Checked right before: the number may have passed to another process.
    if is_alive(process)
        && let Some(pid) = rustix::process::Pid::from_raw(process.pid)
    {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

async fn gone(process: &Identity, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    while is_alive(process) {
        if Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    true
}

/// What a log says last: errors if it has any near its end, else its last lines. At most `lines`.
pub fn tail(log: &Path, lines: usize) -> Vec<String> {
    use std::io::{Read, Seek, SeekFrom};
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(log)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(64 * 1024)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    let meaningful: Vec<&str> = all.iter().rev().take(200).rev().copied().filter(|l| is_telling(l)).collect();
    let chosen = if meaningful.is_empty() { all } else { meaningful };
    chosen.iter().rev().take(lines).rev().map(|l| l.chars().take(300).collect()).collect()
}

fn is_telling(line: &str) -> bool {
    let cause = line.starts_with("Caused by:") || line.starts_with("Exception in") || line.starts_with("Error:");
    cause || line.contains("] ERROR ") || line.contains("] FATAL ") || (!line.starts_with([' ', '\t', '[']) && line.contains("Exception:"))
}

/// The error for a process that ended, or is not ready in time: with its log's path and last telling lines.
pub fn failed(label: &str, log: &Path, after: Option<Duration>) -> Diagnostic {
    let lines = tail(log, 4);
    let said = if lines.is_empty() { "Its log is empty".to_string() } else { format!("Its log ends:\n{}", lines.join("\n")) };
    let d = match after {
        None => Diagnostic::error(codes::PROCESS_DIED, format!("{} ended before it was ready. {said}", sentence(label))),
        Some(t) => Diagnostic::error(codes::NOT_READY, format!("{} is not ready after {} s. {said}", sentence(label), t.as_secs())),
    };
    d.hint(format!("The whole log is {}.", log.display()))
}

fn sentence(label: &str) -> String {
    let mut chars = label.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(dir: &Path, script: &str) -> Spec {
        // The script takes the marker, which stands first, for an argument like any other.
        Spec {
            label: "broker 1".into(),
            java: dir.join("run.sh"),
            args: vec![script.into()],
            env: vec![("EXTRA".into(), "yes".into())],
            log: dir.join("logs/broker-1.log"),
            identity: dir.join("run/broker-1.json"),
            fingerprint: "f".into(),
        }
    }

    fn script(dir: &Path) {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.join("run.sh");
        std::fs::write(&path, "#!/bin/sh\neval \"$2\"\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[tokio::test]
    async fn found_again_and_stopped() {
        let dir = tempfile::tempdir().unwrap();
        script(dir.path());
        let spec = spec(dir.path(), "echo started $EXTRA $SECRET; while :; do sleep 0.05; done");
        let started = start(&spec).unwrap();
        assert_eq!(running(&spec.identity).unwrap(), Some(started.clone()));
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(tail(&spec.log, 5), ["started yes"]);
        stop(&spec.identity, "broker 1", Duration::from_secs(5)).await.unwrap();
        assert_eq!(start_time(started.pid), None);
        assert!(!spec.identity.exists());
    }

    #[tokio::test]
    async fn one_that_ignores_term_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        script(dir.path());
        let spec = spec(dir.path(), "trap '' TERM; while :; do sleep 0.05; done");
        let started = start(&spec).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop(&spec.identity, "broker 1", Duration::from_millis(200)).await.unwrap();
        assert_eq!(start_time(started.pid), None);
    }

    #[tokio::test]
    async fn without_its_identity_file_it_is_found_by_its_marker() {
        let dir = tempfile::tempdir().unwrap();
        script(dir.path());
        let spec = spec(dir.path(), "while :; do sleep 0.05; done");
        let started = start(&spec).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        std::fs::remove_file(&spec.identity).unwrap();
        let found = running(&spec.identity).unwrap().unwrap();
        assert_eq!((found.pid, found.fingerprint.as_str()), (started.pid, ""));
        stop(&spec.identity, "broker 1", Duration::from_secs(5)).await.unwrap();
        assert_eq!(start_time(started.pid), None);
    }

    #[tokio::test]
    async fn all_that_bear_a_mark_below_a_folder_are_ended_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        script(dir.path());
        let start = |name: &str| {
            let mut spec = spec(dir.path(), "while :; do sleep 0.05; done");
            spec.identity = dir.path().join(name);
            start(&spec).unwrap().pid
        };
        let [a, b, beside, other] = ["x/run/a.json", "x/run/b.json", "x-y/run/a.json", "y/x/run/a.json"].map(start);
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop_below(&dir.path().join("x"), "a process", Duration::from_secs(5)).await.unwrap();
        let alive = [a, b, beside, other].map(|pid| start_time(pid).is_some());
        stop_below(dir.path(), "a process", Duration::from_secs(5)).await.unwrap();
        assert_eq!(alive, [false, false, true, true]);
        assert_eq!([beside, other].map(start_time), [None, None]);
    }

    #[tokio::test]
    async fn a_reused_number_is_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        let identity = dir.path().join("x.json");
        let me = std::process::id() as i32;
        let other = Identity { pid: me, start: start_time(me).unwrap() + 1, boot: boot_id(), fingerprint: String::new() };
        std::fs::write(&identity, serde_json::to_string(&other).unwrap()).unwrap();
        assert_eq!(running(&identity).unwrap(), None);
        stop(&identity, "x", Duration::from_millis(10)).await.unwrap();
    }

    #[test]
    fn errors_are_preferred_in_the_tail() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("l");
        std::fs::write(&log, "[t] INFO a (X)\n[t] ERROR broken (X)\n\tat java.x\nCaused by: why\n[t] INFO bye (X)\n").unwrap();
        assert_eq!(tail(&log, 3), ["[t] ERROR broken (X)", "Caused by: why"]);
    }

    /// G11.3: a link that came with a folder is not followed.
    #[test]
    fn g11_3_a_log_is_not_written_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (target, log) = (dir.path().join("target"), dir.path().join("worker-1.log"));
        std::fs::write(&target, "mine").unwrap();
        std::os::unix::fs::symlink(&target, &log).unwrap();
        assert!(open_log(&log).is_err());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "mine");
    }
}
