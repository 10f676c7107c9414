//! The function library against recorded answers: every case is an expression with the JSON text and the type of its value.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use streamform::diag::SourceId;
use streamform::lang::eval::{EvalContext, NoScope, eval};
use streamform::lang::host::Host;
use streamform::lang::syntax::parse_expr;
use streamform::value::{Type, Value};

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
    #[serde(default)]
    files: BTreeMap<String, String>,
    compare: Option<String>,
    #[serde(default)]
    sensitive: bool,
}

/// Files in memory, a fixed clock.
struct MemoryHost<'a>(&'a BTreeMap<String, String>);

impl MemoryHost<'_> {
    fn name(path: &Path) -> String {
        path.components()
            .filter(|&c| matches!(c, std::path::Component::Normal(_)))
            .map(|c| c.as_os_str().to_string_lossy())
            .collect::<Vec<_>>()
            .join("/")
    }
}

impl Host for MemoryHost<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(&Self::name(path)).map(|s| s.clone().into_bytes()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn file_exists(&self, path: &Path) -> io::Result<bool> {
        match Self::name(path).is_empty() {
            true => Err(io::ErrorKind::IsADirectory.into()),
            false => Ok(self.0.contains_key(&Self::name(path))),
        }
    }
    fn walk(&self, dir: &Path) -> io::Result<Vec<String>> {
        let dir = Self::name(dir);
        let prefix = if dir.is_empty() { dir } else { dir + "/" };
        Ok(self.0.keys().filter_map(|k| k.strip_prefix(&prefix)).map(str::to_string).collect())
    }
    fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(Path::new("/module").join(path))
    }
    fn home(&self) -> Option<PathBuf> {
        Some("/home/user".into())
    }
    fn now(&self) -> Option<(i64, u32)> {
        Some((1_700_000_000, 0))
    }
    fn plan_time(&self) -> (i64, u32) {
        (1_700_000_000, 0)
    }
    fn random(&self) -> Option<[u8; 16]> {
        Some([7; 16])
    }
}

fn evaluate(expr: &str, files: &BTreeMap<String, String>) -> Result<Value, String> {
    let (tree, mut diags) = parse_expr(expr, SourceId(0));
    let host = MemoryHost(files);
    let cx = EvalContext::new(&host, Path::new("."), Path::new("."));
    let value = tree.map(|tree| eval(&tree, &NoScope, &cx, &mut diags));
    let errors: Vec<String> = diags.iter().map(|d| d.detail.clone()).collect();
    match value {
        Some(v) if errors.is_empty() => Ok(v),
        _ => Err(errors.join("; ")),
    }
}

/// A type as the recorded answers write it, without white space and trailing commas.
fn type_text(ty: &Type) -> String {
    let join = |parts: Vec<String>| parts.join(",");
    match ty {
        Type::Dynamic => "dynamic".to_string(),
        Type::List(t) => format!("list({})", type_text(t)),
        Type::Set(t) => format!("set({})", type_text(t)),
        Type::Map(t) => format!("map({})", type_text(t)),
        Type::Tuple(ts) => format!("tuple([{}])", join(ts.iter().map(type_text).collect())),
        Type::Object(o) => format!("object({{{}}})", join(o.attrs.iter().map(|(k, t)| format!("{k}:{}", type_text(t))).collect())),
        primitive => primitive.to_string(),
    }
}

fn compact(ty: &str) -> String {
    let s: String = ty.split_whitespace().collect();
    s.replace(",)", ")").replace(",]", "]").replace(",}", "}")
}

fn gunzip(json: &str) -> Option<String> {
    let text: String = serde_json::from_str(json).ok()?;
    let mut out = String::new();
    flate2::read::GzDecoder::new(BASE64_STANDARD.decode(text).ok()?.as_slice()).read_to_string(&mut out).ok()?;
    Some(out)
}

fn same_json(case: &Case, got: &str) -> bool {
    match case.compare.as_deref() {
        Some("gunzip") => gunzip(got).is_some() && gunzip(got) == gunzip(&case.json),
        _ => got == case.json,
    }
}

fn check(case: &Case) -> Result<(), String> {
    let value = evaluate(&case.expr, &case.files)?;
    let json = evaluate(&format!("jsonencode(nonsensitive({}))", case.expr), &case.files)?;
    let json = json.as_str().unwrap_or("not a string");
    if !same_json(case, json) {
        return Err(format!("got {json}, expected {}", case.json));
    }
    let wanted = case.ty.as_deref().map(compact).unwrap_or_default();
    let have = type_text(&value.ty());
    if case.ty.is_some() && have != wanted {
        return Err(format!("got type {have}, expected {wanted}"));
    }
    match value.contains_sensitive() == case.sensitive || !case.sensitive {
        true => Ok(()),
        false => Err("the sensitive mark is lost".to_string()),
    }
}

fn run(golden: &str) {
    let golden: Golden = serde_json::from_str(golden).expect("the golden file is JSON");
    let mut failures = Vec::new();
    for case in &golden.cases {
        if let Err(why) = check(case) {
            failures.push(format!("{} {}: {why}", case.id, case.expr));
        }
    }
    for case in &golden.must_fail {
        if let Ok(v) = evaluate(&case.expr, &case.files) {
            failures.push(format!("{} {}: should fail but is {v}", case.id, case.expr));
        }
    }
    let total = golden.cases.len() + golden.must_fail.len();
    assert!(failures.is_empty(), "{} of {total} cases fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn recorded_cases() {
    run(include_str!("golden/functions_cases.json"));
}

#[test]
fn further_recorded_cases() {
    run(include_str!("golden/functions_more.json"));
}
