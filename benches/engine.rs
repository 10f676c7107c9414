//! The engine alone: whole runs of the release binary on configurations of `null_resource`, which has no real system behind it.
//!
//! `cargo bench --bench engine`; `BENCH_ROUNDS` says how many times each run is made (5), `BENCH_N` how many resources there are (10,000).

mod common;

use std::fmt::Write;
use std::path::Path;

use common::{Run, measure_if_asked, print, rounds, streamform};

const APPLY: &[&str] = &["apply", "-auto-approve", "-no-color"];
const DESTROY: &[&str] = &["destroy", "-auto-approve", "-no-color"];

fn main() {
    measure_if_asked();
    let n = std::env::var("BENCH_N").ok().and_then(|s| s.parse().ok()).unwrap_or(10_000);
    let version: Vec<Run> = (0..rounds() * 4).map(|_| streamform(Path::new("."), &["--version"])).collect();
    print("--version", &version);
    workload(
        &format!("{n} instances (count)"),
        &format!("resource \"null_resource\" \"a\" {{\n  count  = {n}\n  inputs = count.index\n}}\n"),
    );
    workload(&format!("{n} blocks"), &blocks(n));
    workload(&format!("{} pairs, one by one", n / 5), &pairs(n / 5));
    workload(&format!("{} blocks in a chain", n / 10), &chain(n / 10));
}

/// Blocks one by one, and an output that refers to all of them.
fn blocks(n: usize) -> String {
    let mut out = String::new();
    for i in 0..n {
        writeln!(out, "resource \"null_resource\" \"r{i}\" {{\n  inputs = {i}\n}}").expect("memory");
    }
    let all: Vec<String> = (0..n).map(|i| format!("null_resource.r{i}.id")).collect();
    writeln!(out, "output \"all\" {{\n  value = [{}]\n}}", all.join(", ")).expect("memory");
    out
}

/// Each of `b` takes what its `a` gives, which is known only after that was made.
fn pairs(n: usize) -> String {
    format!(
        "resource \"null_resource\" \"a\" {{\n  count = {n}\n}}\nresource \"null_resource\" \"b\" {{\n  count  = {n}\n  inputs = null_resource.a[count.index].id\n}}\n"
    )
}

/// Every block takes what the one before gives: as many steps one after the other as there are blocks.
fn chain(n: usize) -> String {
    let mut out = String::from("resource \"null_resource\" \"c0\" {}\n");
    for i in 1..n {
        writeln!(out, "resource \"null_resource\" \"c{i}\" {{\n  inputs = null_resource.c{}.output\n}}", i - 1).expect("memory");
    }
    out
}

fn workload(name: &str, config: &str) {
    let mut runs: [Vec<Run>; 4] = Default::default();
    for _ in 0..rounds() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("main.hcl"), config).expect("writes");
        runs[0].push(streamform(dir.path(), &["validate"]));
        runs[1].push(streamform(dir.path(), APPLY));
        runs[2].push(streamform(dir.path(), &["plan", "-detailed-exitcode", "-no-color"]));
        runs[3].push(streamform(dir.path(), DESTROY));
    }
    for (what, runs) in ["validate", "apply", "plan, nothing to do", "destroy"].iter().zip(&runs) {
        print(&format!("{name}: {what}"), runs);
    }
}
