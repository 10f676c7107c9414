//! Any bytes: known texts, mutated, through every target of `fuzz/`. `FUZZ_CASES` says how many for each (2,000), `FUZZ_SEED` which.

#[path = "fuzzing/mutate.rs"]
mod mutate;

#[path = "fuzzing/targets.rs"]
mod targets;

#[path = "language/support.rs"]
mod support;

#[path = "differential/random.rs"]
mod random;

use std::panic::catch_unwind;
use std::path::Path;
use std::time::{Duration, Instant};

use mutate::mutate;
use random::Random;

/// No case may take longer, in a build without optimisation on a busy machine.
const LONGEST: Duration = Duration::from_secs(20);

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|s| s.parse().ok()).unwrap_or(default)
}

/// Texts to start from: recorded expressions, files of both forms, a state and what was found to break something once.
fn seeds() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut out = Vec::new();
    for file in ["hcl_cases.json", "functions_cases.json", "recorded_cases.json", "unknown_cases.json", "generated_cases.json"] {
        let all: serde_json::Value = serde_json::from_slice(&std::fs::read(root.join("tests/golden").join(file)).unwrap()).unwrap();
        let lists = [&all, &all["cases"], &all["must_fail"]];
        out.extend(lists.iter().filter_map(|l| l.as_array()).flatten().filter_map(|c| c["expr"].as_str()).map(|e| e.as_bytes().to_vec()));
    }
    for dir in ["tests/golden/fmt", "tests/golden/found", "tests/data/connectors", "examples/quickstart", "examples/modules"] {
        for entry in std::fs::read_dir(root.join(dir)).into_iter().flatten().flatten() {
            out.extend(std::fs::read(entry.path()));
        }
    }
    let export = std::fs::read_to_string(root.join("state/golden/v1/export.jsonl")).unwrap_or_default();
    out.extend(export.lines().map(|l| l.as_bytes().to_vec()));
    out.push(br#"{"resource":{"null_resource":{"a":{"count":"${var.n}","inputs":["x",{"y":1.5e3}]}}},"locals":[{"a":null}]}"#.to_vec());
    out
}

/// Runs one case; how it fails, if it does.
fn attempt(name: &str, run: fn(&[u8]), bytes: &[u8]) -> Option<String> {
    let began = Instant::now();
    let result = catch_unwind(|| run(bytes));
    let took = began.elapsed();
    if std::env::var_os("FUZZ_TRACE").is_some() && took > Duration::from_millis(500) {
        eprintln!("{took:?} {name}: {:.60}", String::from_utf8_lossy(bytes));
    }
    let shown = || String::from_utf8_lossy(bytes).chars().take(2_000).collect::<String>();
    match result {
        Err(panic) => {
            let why = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
            Some(format!("{name}: {}\n--- for\n{}\n---", why.unwrap_or_default(), shown()))
        }
        Ok(()) if took > LONGEST => Some(format!("{name} takes {took:?} for\n{}", shown())),
        Ok(()) => None,
    }
}

#[test]
fn mutated_texts() {
    let seeds = seeds();
    let mut random = Random(number("FUZZ_SEED", 1));
    let mut failures = Vec::new();
    for (name, run) in targets::TARGETS {
        failures.extend(seeds.iter().filter_map(|s| attempt(name, *run, s)));
        for _ in 0..number("FUZZ_CASES", 2_000) {
            failures.extend(attempt(name, *run, &mutate(&mut random, &seeds)));
        }
    }
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures[..failures.len().min(10)].join("\n"));
}

#[test]
fn extremes() {
    let long = |s: &str, n: usize| s.repeat(n).into_bytes();
    let mut cases =
        vec![long("!", 100_000), long("-", 100_000), long("a=", 50_000), long("1+", 100_000), long("x", 1 << 20), long("a?b:", 20_000)];
    for open in [
        "(",
        "[",
        "{",
        "{a=",
        "f(",
        "\"${",
        "%{if ",
        "a[",
        "[for x in ",
        "<<E\n${",
        "a {",
        "-(",
        "a.",
        "a[*]",
        "{\"a\":",
        "[[",
        "%{for x in y}",
    ] {
        cases.push(long(open, 10_000));
        cases.push([b"a = ".to_vec(), long(open, 10_000)].concat());
    }
    cases.push([b"a = \"".to_vec(), long("x y ", 1 << 18), b"\"\n".to_vec()].concat());
    cases.push([b"a = [".to_vec(), long("{a=1,a=2},", 5_000), b"]\n".to_vec()].concat());
    cases.push([b"a = {".to_vec(), long("a=1,", 5_000), b"}\n".to_vec()].concat());
    cases.push([b"a = <<E\n".to_vec(), long(" E x\n", 20_000), b"E\n".to_vec()].concat());
    let mut failures = Vec::new();
    for bytes in &cases {
        failures.extend(targets::TARGETS.iter().filter_map(|(name, run)| attempt(name, *run, bytes)));
    }
    let first: Vec<String> = failures.iter().map(|f| f.chars().take(400).collect()).collect();
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), first.join("\n"));
}
