//! The differential suite: generated expressions and files, evaluated and formatted by terraform and by streamform, compared exactly.
//!
//! `cargo run --example differential -- expressions --seed 1 --count 5000` (or `unknowns`, `texts`, `fmt`); needs a terraform 1.11 on the
//! path. The seed repeats a run. `--record FILE` writes the cases with terraform's answers where both agree.

mod expressions;
mod files;
mod oracle;
mod random;
#[path = "../language/support.rs"]
mod support;
mod texts;

use std::collections::BTreeMap;
use std::process::ExitCode;

use oracle::Answer;
use streamform::value::print::{console, type_text};
use streamform::value::{Type, Value};

struct Options {
    kind: String,
    seed: u64,
    count: usize,
    batch: usize,
    shown: usize,
    record: Option<String>,
    from: Option<String>,
}

fn options() -> Option<Options> {
    let mut o = Options { kind: "expressions".into(), seed: 1, count: 2000, batch: 400, shown: 60, record: None, from: None };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "expressions" | "unknowns" | "texts" | "fmt" => o.kind = arg,
            "--seed" => o.seed = args.next()?.parse().ok()?,
            "--count" => o.count = args.next()?.parse().ok()?,
            "--batch" => o.batch = args.next()?.parse().ok()?,
            "--shown" => o.shown = args.next()?.parse().ok()?,
            "--record" => o.record = Some(args.next()?),
            "--from" => o.from = Some(args.next()?),
            _ => return None,
        }
    }
    Some(o)
}

fn main() -> ExitCode {
    let Some(o) = options() else {
        eprintln!(
            "usage: differential [expressions|unknowns|texts|fmt] [--seed N] [--count N] [--batch N] [--shown N] [--from FILE] [--record FILE]"
        );
        return ExitCode::from(2);
    };
    if !oracle::present() {
        println!("there is no terraform to compare with");
        return ExitCode::SUCCESS;
    }
    // Deep expressions need more stack in a build without optimisation.
    let work =
        std::thread::Builder::new().stack_size(256 << 20).spawn(move || if o.kind == "fmt" { files::compare(&o) } else { compare(&o) });
    match work.expect("a thread").join() {
        Ok(0) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Compares expressions; how many differ.
fn compare(o: &Options) -> usize {
    let mut all: Vec<String> = match &o.from {
        Some(file) => {
            std::fs::read_to_string(file).expect("the file of expressions").split("\n====\n").map(|s| s.trim_end().to_string()).collect()
        }
        None if o.kind == "texts" => {
            let mut calls = texts::Calls(random::Random(o.seed));
            (0..o.count).map(|_| calls.expression()).collect()
        }
        None => {
            let mut generator = expressions::Generator::new(o.seed, o.kind == "unknowns");
            (0..o.count).map(|_| generator.expression()).collect()
        }
    };
    let mut seen = std::collections::HashSet::new();
    all.retain(|e| !e.is_empty() && seen.insert(e.clone()));
    let (mut different, mut failures, mut broken, mut recorded) = (0, 0, 0, vec![]);
    for batch in all.chunks(o.batch) {
        let ours = ours(batch);
        for ((expr, theirs), ours) in batch.iter().zip(oracle::expressions(batch)).zip(ours) {
            let Some(theirs) = theirs else {
                broken += 1;
                if o.from.is_some() {
                    println!("terraform breaks down: {expr}");
                }
                continue;
            };
            failures += usize::from(matches!(theirs, Answer::Error(_)));
            if agree(&ours, &theirs) {
                recorded.push((expr.clone(), theirs));
                continue;
            }
            different += 1;
            if different <= o.shown {
                println!("{expr}\n    terraform:  {}\n    streamform: {}", show(&theirs), show(&ours));
            }
        }
    }
    println!("{} cases, {failures} of them failures; {different} differ; terraform breaks down at {broken}", all.len());
    if let Some(file) = &o.record {
        record(file, &recorded);
    }
    different
}

fn ours(exprs: &[String]) -> Vec<Answer> {
    let results: Vec<Result<Value, String>> =
        exprs.iter().map(|e| support::evaluate(e, &BTreeMap::new(), &support::Root).map_err(|f| f.detail)).collect();
    let name = |i: usize| format!("e{i:05}");
    let all = Value::object_from(results.iter().enumerate().map(|(i, r)| (name(i), r.clone().unwrap_or(Value::unknown(Type::Dynamic)))));
    let values = oracle::split(&console(&all), "  \"", "\" = ");
    let types = oracle::split(&type_text(&all.ty()), "    ", ": ");
    let answer = |i: usize, r: &Result<Value, String>| match r {
        Ok(_) => Answer::Value(
            values.get(&i).cloned().unwrap_or_default(),
            types.get(&i).map(|t| t.trim_end_matches(',').to_string()).unwrap_or_default(),
        ),
        Err(e) => Answer::Error(e.clone()),
    };
    results.iter().enumerate().map(|(i, r)| answer(i, r)).collect()
}

fn agree(a: &Answer, b: &Answer) -> bool {
    match (a, b) {
        (Answer::Error(_), Answer::Error(_)) => true,
        (a, b) => a == b,
    }
}

fn show(a: &Answer) -> String {
    match a {
        Answer::Value(v, t) => format!("{v} of {}", support::collapse(t)),
        Answer::Error(e) => format!("ERROR {}", e.chars().take(300).collect::<String>()),
    }
}

fn record(file: &str, cases: &[(String, Answer)]) {
    let rows: Vec<serde_json::Value> = cases
        .iter()
        .map(|(expr, answer)| match answer {
            Answer::Value(v, t) => serde_json::json!({ "expr": expr, "console": v, "type": support::collapse(t) }),
            Answer::Error(_) => serde_json::json!({ "expr": expr, "console": "ERR" }),
        })
        .collect();
    std::fs::write(file, serde_json::to_string_pretty(&rows).expect("JSON") + "\n").expect("written");
}
