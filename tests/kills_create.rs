//! Runs that are killed while they create a local cluster, at moments that no request marks: before the folder has its layout, while Kafka's
//! tool formats the storage, while the brokers start.
//!
//! After the kill the configuration is applied, or what the killed run left is destroyed at once. The cluster is then good, or gone: no file of
//! it and no process stays or comes back. Some moments run by default; with `STREAMFORM_LONG=1` all of them do: `tests/run --long`.

mod common;

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use common::{Lab, Screen, real};
use streamform::client::kafka::{Admin, RequestCounter};
use streamform::engine::local::broker::Cluster;
use streamform::engine::local::jars;

/// A cluster with nothing that slows its start.
const CLUSTER: &str = r#"
resource "kafka_cluster" "k" {
  deletion_protection = false
  heap                = "-Xms48m -Xmx320m"
}
"#;

/// The verb of the run after the kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Apply,
    Destroy,
}

/// When the run is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after its start.
    After(Duration),
    /// When its cluster has a folder.
    Folder,
    /// When a process is there whose mark has this name.
    Process(&'static str),
}

struct Killed {
    lab: Lab,
}

impl Killed {
    /// A folder in which an apply was killed.
    fn at(moment: Moment) -> Killed {
        let killed = Killed { lab: Lab::within(&real::watched(), CLUSTER) };
        let mut child: Child = killed.command("apply -auto-approve").spawn().unwrap();
        match moment {
            Moment::After(time) => std::thread::sleep(time),
            Moment::Folder => spin(|| killed.folder().exists()),
            Moment::Process(name) => spin(|| killed.processes().iter().any(|p| p.ends_with(name))),
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed
    }

    fn command(&self, line: &str) -> std::process::Command {
        let mut command = self.lab.command(line.split_whitespace());
        command.env("STREAMFORM_CACHE", jars::cache_dir());
        command
    }

    #[track_caller]
    fn ok(&self, line: &str) -> Screen {
        let screen = common::screen(&self.command(line).output().unwrap());
        assert_eq!(screen.code, 0, "{line}\n{}", screen.text);
        screen
    }

    fn cluster(&self) -> Cluster {
        Cluster::at(&self.lab.path().join(".streamform"), "k")
    }

    fn folder(&self) -> PathBuf {
        self.cluster().dir().to_path_buf()
    }

    /// The marks of the live processes of the cluster.
    fn processes(&self) -> Vec<String> {
        let mark = format!("-Dstreamform.process={}/", self.folder().display());
        let lines = std::fs::read_dir("/proc").unwrap().filter_map(|e| std::fs::read(e.ok()?.path().join("cmdline")).ok());
        let args = lines.flat_map(|l| l.split(|b| *b == 0).map(|a| String::from_utf8_lossy(a).into_owned()).collect::<Vec<_>>());
        args.filter(|a| a.starts_with(&mark)).collect()
    }

    /// The cluster answers, runs as configured, and nothing is left of the tools.
    #[track_caller]
    fn is_good(&self) {
        self.ok("plan -detailed-exitcode");
        let layout = self.cluster().layout().unwrap().unwrap();
        let connection = self.cluster().connection(&layout);
        let admin = Admin::with_connect_timeout(connection, RequestCounter::default(), Duration::from_secs(10)).unwrap();
        let found = real::wait(async { admin.describe_cluster().await }).unwrap();
        assert_eq!((found.cluster_id, found.brokers.len()), (layout.cluster_id, 1));
        let processes = self.processes();
        assert!(matches!(&processes[..], [one] if one.ends_with("run/broker-1.json")), "{processes:?}");
    }

    /// Neither a file nor a process is left, and none comes later.
    #[track_caller]
    fn is_gone(&self) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(3) {
            let files = walk(&self.lab.path().join(".streamform/local"));
            assert!(files.is_empty() && self.processes().is_empty(), "{files:?} {:?}", self.processes());
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    #[track_caller]
    fn destroy(&self) {
        self.ok("destroy -auto-approve -allow-data-loss");
        self.is_gone();
    }
}

/// Asks again and again without a pause: the moment must not be missed.
#[track_caller]
fn spin(is_there: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_there() {
        assert!(began.elapsed() < Duration::from_secs(60), "the moment never came");
    }
}

/// Files and folders below a folder, itself included.
fn walk(path: &Path) -> Vec<PathBuf> {
    if std::fs::symlink_metadata(path).is_err() {
        return vec![];
    }
    let below = std::fs::read_dir(path).into_iter().flatten().flat_map(|e| walk(&e.unwrap().path()));
    std::iter::once(path.to_path_buf()).chain(below).collect()
}

#[track_caller]
fn play(moment: Moment, next: Next) {
    let _alone = real::alone();
    let began = Instant::now();
    let killed = Killed::at(moment);
    if next == Next::Destroy {
        killed.destroy();
    }
    // After a destroy too: what still writes the old cluster's id would spoil the new one.
    killed.ok("apply -auto-approve");
    killed.is_good();
    killed.destroy();
    println!("{moment:?}, then {next:?}: {:.1?}", began.elapsed());
}

fn millis(n: u64) -> Moment {
    Moment::After(Duration::from_millis(n))
}

#[test]
fn a_creation_that_is_killed_while_the_storage_is_formatted_is_resumed() {
    play(Moment::Process("format-broker-1"), Next::Apply);
}

#[test]
fn a_creation_that_is_killed_while_the_storage_is_formatted_is_destroyed() {
    play(Moment::Process("format-broker-1"), Next::Destroy);
}

#[test]
fn a_creation_that_is_killed_before_the_layout_is_written_is_destroyed() {
    play(Moment::Folder, Next::Destroy);
}

#[test]
fn a_creation_that_is_killed_early_is_resumed() {
    play(millis(600), Next::Apply);
}

#[test]
fn long_creations_killed_at_all_moments() {
    if std::env::var_os("STREAMFORM_LONG").is_none_or(|v| v != "1") {
        return;
    }
    let steps = (1..=15).map(|n| millis(200 * n));
    let moments: Vec<Moment> = [Moment::Folder, Moment::Process("broker-1.json")].into_iter().chain(steps).collect();
    for moment in moments {
        for next in [Next::Apply, Next::Destroy] {
            play(moment, next);
        }
    }
}
