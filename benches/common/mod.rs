//! What the benches share: running the release binary in a folder of its own and measuring the whole run.
//!
//! Each run is made by a fresh copy of the bench itself, whose only child it is: so its CPU time and peak memory are the operating system's
//! own figures for that one process.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// From start to end.
    pub wall: Duration,
    /// In user and system mode together.
    pub cpu: Duration,
    /// The peak of resident memory, in kilobytes.
    pub rss_kb: u64,
}

const MEASURE: &str = "--measure";

/// To be called first in `main`: where this process is one that measures, it does that and ends.
pub fn measure_if_asked() {
    let args: Vec<String> = std::env::args().collect();
    let Some(at) = args.iter().position(|a| a == MEASURE) else { return };
    let began = Instant::now();
    let status = Command::new(&args[at + 1]).args(&args[at + 2..]).stdout(Stdio::null()).status().expect("the binary runs");
    let wall = began.elapsed();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the system tells what was used");
    let micros = |t: nix::sys::time::TimeVal| t.tv_sec() * 1_000_000 + t.tv_usec();
    let cpu = micros(usage.user_time()) + micros(usage.system_time());
    println!("{} {cpu} {}", wall.as_micros(), usage.max_rss());
    std::process::exit(status.code().unwrap_or(1));
}

/// Runs the binary in a folder and measures it. A run that fails ends the bench.
pub fn streamform(dir: &Path, args: &[&str]) -> Run {
    let exe = std::env::current_exe().expect("the bench knows itself");
    let out = Command::new(exe).arg(MEASURE).arg(env!("CARGO_BIN_EXE_streamform")).args(args).current_dir(dir).output().expect("runs");
    if !out.status.success() {
        panic!("streamform {args:?} failed:\n{}", String::from_utf8_lossy(&out.stderr));
    }
    let text = String::from_utf8_lossy(&out.stdout);
    let n: Vec<u64> = text.split_whitespace().filter_map(|s| s.parse().ok()).collect();
    Run { wall: Duration::from_micros(n[0]), cpu: Duration::from_micros(n[1]), rss_kb: n[2] }
}

/// The middle one.
pub fn median<T: Copy + PartialOrd>(values: &[T]) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).expect("comparable"));
    sorted[sorted.len() / 2]
}

/// Prints the medians of runs in one line.
pub fn print(name: &str, runs: &[Run]) {
    let wall = median(&runs.iter().map(|r| r.wall).collect::<Vec<_>>());
    let cpu = median(&runs.iter().map(|r| r.cpu).collect::<Vec<_>>());
    let rss = median(&runs.iter().map(|r| r.rss_kb).collect::<Vec<_>>());
    let ms = |d: Duration| d.as_secs_f64() * 1000.0;
    println!("{name:<44} {:>9.1} ms wall {:>9.1} ms CPU {:>7.1} MB", ms(wall), ms(cpu), rss as f64 / 1024.0);
    drop(std::io::stdout().flush());
}

/// How many times each measurement is taken.
pub fn rounds() -> usize {
    std::env::var("BENCH_ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(5)
}
