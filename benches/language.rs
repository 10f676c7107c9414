//! The language alone: parsing and `validate` of blocks spread over fifty modules.
//!
//! `cargo bench --bench language`; `BENCH_ROUNDS` says how many times each is run (5). Parsing is the same files through the parser in
//! this process; `validate` is a whole run of the binary.

#[allow(dead_code)]
mod common;

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Run, measure_if_asked, median, rounds, streamform};
use streamform::diag::SourceId;
use streamform::lang::syntax::parse_body;

/// As in the binary, so that both columns have the same one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MODULES: usize = 50;

fn main() {
    measure_if_asked();
    println!("{:>8}{:>12}{:>14}{:>14}{:>14}{:>12}", "blocks", "bytes", "parsing", "validate", "validate", "peak");
    println!("{:>8}{:>12}{:>14}{:>14}{:>14}{:>12}", "", "", "wall", "wall", "cpu", "MB");
    for n in [1_000, 10_000, 20_000] {
        let dir = tempfile::tempdir().expect("a folder");
        let texts = write(dir.path(), n);
        let parsing: Vec<Duration> = (0..rounds()).map(|_| parse(&texts)).collect();
        let runs: Vec<Run> = (0..rounds()).map(|_| streamform(dir.path(), &["validate", "-no-color"])).collect();
        let of = |f: fn(&Run) -> f64| median(&runs.iter().map(f).collect::<Vec<_>>());
        println!(
            "{n:>8}{:>12}{:>11.1} ms{:>11.1} ms{:>11.1} ms{:>12.0}",
            texts.iter().map(String::len).sum::<usize>(),
            median(&parsing).as_secs_f64() * 1e3,
            of(|r| r.wall.as_secs_f64() * 1e3),
            of(|r| r.cpu.as_secs_f64() * 1e3),
            of(|r| r.rss_kb as f64 / 1024.0),
        );
    }
}

fn parse(texts: &[String]) -> Duration {
    let began = Instant::now();
    for text in texts {
        assert!(parse_body(text, SourceId(0)).0.is_some(), "the bench's own files are well-formed");
    }
    began.elapsed()
}

/// Writes the modules and gives all texts.
fn write(dir: &Path, blocks: usize) -> Vec<String> {
    let mut root = String::from("variable \"env\" {\n  type    = string\n  default = \"test\"\n}\n");
    let mut texts = Vec::new();
    for m in 0..MODULES {
        writeln!(root, "module \"m{m}\" {{\n  source = \"./m{m}\"\n  env    = var.env\n  number = {m}\n}}").expect("memory");
        let text = module(blocks / MODULES);
        let folder = dir.join(format!("m{m}"));
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join("main.hcl"), &text).expect("written");
        texts.push(text);
    }
    std::fs::write(dir.join("main.hcl"), &root).expect("written");
    texts.push(root);
    texts
}

fn module(blocks: usize) -> String {
    let mut out = String::from("variable \"env\" {\n  type = string\n}\nvariable \"number\" {\n  type = number\n}\n");
    for i in 0..blocks {
        let before = if i % 10 == 0 { "null".to_string() } else { format!("null_resource.r{}.id", i - 1) };
        writeln!(
            out,
            "resource \"null_resource\" \"r{i}\" {{\n  # One of many.\n  inputs = {{\n    name   = \"${{var.env}}-topic-{i}\"\n    size   = var.number * 10 + {i}\n    \
             hours  = [for h in [1, 2, 3] : h * 24 if h > 1]\n    config = merge({{ \"retention.ms\" = 7 * 24 }}, {{ kind = upper(\"x\") }})\n    before = {before}\n  }}\n}}"
        )
        .expect("memory");
    }
    out
}
