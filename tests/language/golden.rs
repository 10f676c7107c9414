//! The recorded cases: expressions with the values, types and failures that Terraform gives.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use streamform::value::Value;
use streamform::value::json::to_json_text;
use streamform::value::ops::unmark_deep;
use streamform::value::print::{console, type_text};

use super::support::{Root, collapse, evaluate};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    must_fail: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    #[serde(default)]
    id: String,
    expr: String,
    #[serde(default)]
    json: String,
    #[serde(rename = "type")]
    ty: Option<String>,
    console: Option<String>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    compare: Option<String>,
    #[serde(default)]
    sensitive: bool,
    /// Where a failure is reported.
    line: Option<usize>,
}

fn read<T: for<'de> Deserialize<'de>>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn gunzip(json: &str) -> Option<String> {
    let text: String = serde_json::from_str(json).ok()?;
    let mut out = String::new();
    flate2::read::GzDecoder::new(BASE64_STANDARD.decode(text).ok()?.as_slice()).read_to_string(&mut out).ok()?;
    Some(out)
}

/// A type without what only its layout makes of it.
fn compact(ty: &str) -> String {
    let s: String = ty.split_whitespace().collect();
    s.replace(",)", ")").replace(",]", "]").replace(",}", "}")
}

fn check(case: &Case) -> Result<(), String> {
    let value = evaluate(&case.expr, &case.files, &Root).map_err(|f| f.detail)?;
    let json = to_json_text(&unmark_deep(&value)).unwrap_or_else(|| value.to_string());
    let same = match case.compare.as_deref() {
        Some("gunzip") => gunzip(&json).is_some() && gunzip(&json) == gunzip(&case.json),
        _ => json == case.json,
    };
    let have = type_text(&value.ty());
    match (&case.ty, &case.console) {
        _ if !same => Err(format!("got {json}, expected {}", case.json)),
        (_, Some(want)) if *want != console(&value) => Err(format!("the console shows {}, expected {want}", console(&value))),
        (Some(want), _) if compact(want) != compact(&have) => Err(format!("got type {have}, expected {want}")),
        _ if case.sensitive && !value.contains_sensitive() => Err("the sensitive mark is lost".to_string()),
        _ => Ok(()),
    }
}

fn check_failure(case: &Case) -> Result<(), String> {
    match (evaluate(&case.expr, &case.files, &Root), case.line) {
        (Ok(v), _) => Err(format!("should fail but is {v}")),
        (Err(f), Some(want)) if f.line != want => Err(format!("line {} instead of {want}: {}", f.line, f.detail)),
        _ => Ok(()),
    }
}

fn run(name: &str) {
    let golden: Golden = read(name);
    let mut failures = Vec::new();
    let results = golden.cases.iter().map(|c| (c, check(c))).chain(golden.must_fail.iter().map(|c| (c, check_failure(c))));
    for (case, result) in results {
        if let Err(why) = result {
            failures.push(format!("{} {}\n    {why}", case.id, case.expr));
        }
    }
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn expressions() {
    run("hcl_cases.json");
}

#[test]
fn more_expressions() {
    run("recorded_cases.json");
}

#[test]
fn functions() {
    run("functions_cases.json");
}

#[test]
fn more_functions() {
    run("functions_more.json");
}

/// What the console prints, and the type; `ERR` for a failure.
#[derive(Deserialize)]
struct Shown {
    expr: String,
    console: String,
    #[serde(default, rename = "type")]
    ty: String,
}

fn run_shown(name: &str, show: fn(&Value) -> String) {
    let cases: Vec<Shown> = read(name);
    let mut failures = Vec::new();
    for case in &cases {
        let fails = case.console.starts_with("ERR");
        let why = match evaluate(&case.expr, &BTreeMap::new(), &Root) {
            Err(_) if fails => continue,
            Err(f) => f.detail,
            Ok(v) => {
                let (shown, ty) = (show(&v), collapse(&type_text(&v.ty())));
                if !fails && shown == case.console && ty == collapse(&case.ty) {
                    continue;
                }
                format!("got {shown} of {ty}, expected {} of {}", case.console, case.ty)
            }
        };
        failures.push(format!("{}\n    {why}", case.expr));
    }
    assert!(failures.is_empty(), "{} of {} cases fail:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// As the console shows a value that is an attribute of an object.
fn nested(v: &Value) -> String {
    let shown = console(&Value::object_from([("v", v.clone())]));
    shown.strip_prefix("{\n  \"v\" = ").and_then(|s| s.strip_suffix("\n}")).unwrap_or(&shown).to_string()
}

/// Unknown values. (Where Terraform leaves unknown what is already decided, as in `B && false`, there is no case.)
#[test]
fn unknown_values() {
    run_shown("unknown_cases.json", console);
}

/// Written by `cargo run --example differential -- expressions --record FILE`.
#[test]
fn generated_expressions() {
    run_shown("generated_cases.json", nested);
}

/// Functions and operators with arguments that are seldom meant: null, unknown, sensitive, empty, huge, of the wrong type.
#[test]
fn odd_expressions() {
    run_shown("odd_cases.json", nested);
}

#[test]
fn generated_expressions_of_unknown_values() {
    run_shown("generated_unknown_cases.json", nested);
}

/// Regular expressions, YAML, CSV, character sets and address prefixes in all their odd forms.
#[test]
fn odd_texts() {
    run_shown("text_cases.json", nested);
}
