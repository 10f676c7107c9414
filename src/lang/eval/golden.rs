//! The recorded cases: expressions with the values, types and failures that Terraform gives.

use std::path::Path;

use serde_json::Value as Json;

use super::tests::TestHost;
use super::*;
use crate::diag::SourceId;
use crate::lang::syntax::parse_body;
use crate::value::{
    json::to_json_text,
    print::{console, type_text},
};

/// What every module has, as far as the cases use it.
struct Root;

impl Scope for Root {
    fn lookup(&self, root: &Ident, steps: &[Step]) -> Result<Resolved, Diagnostic> {
        match (&*root.name, steps.first()) {
            ("path", Some(Step::Attr(a))) if ["module", "root", "cwd"].contains(&&*a.name) => {
                Ok(Resolved { value: ".".into(), consumed: 1 })
            }
            ("terraform", Some(Step::Attr(a))) if &*a.name == "workspace" => Ok(Resolved { value: "default".into(), consumed: 1 }),
            _ => NoScope.lookup(root, steps),
        }
    }
}

fn host_of(case: &Json) -> TestHost {
    let files = case["files"].as_object().into_iter().flatten();
    TestHost { files: files.map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_string())).collect() }
}

/// Evaluates as `locals { v = EXPR }`; the line is counted inside the expression.
fn evaluate(case: &Json) -> Result<Value, (String, usize)> {
    let text = format!("locals {{\n  v = {}\n}}\n", case["expr"].as_str().unwrap());
    let host = host_of(case);
    let (body, mut diags) = parse_body(&text, SourceId(0));
    let value = body.map(|b| {
        let cx = EvalContext::new(&host, Path::new("."), Path::new("."));
        match b.blocks.first().and_then(|l| l.body.attr("v")) {
            Some(a) => eval(&a.expr, &Root, &cx, &mut diags),
            None => nothing(),
        }
    });
    match (diags.iter().next(), value) {
        (None, Some(v)) => Ok(v),
        (d, _) => {
            let at = d.and_then(|d| d.span).map_or(0, |s| s.start as usize);
            Err((d.map(|d| d.detail.clone()).unwrap_or_default(), text[..at.min(text.len())].matches('\n').count()))
        }
    }
}

fn check(case: &Json) -> Result<(), String> {
    let v = evaluate(case).map_err(|(e, _)| e)?;
    let json = to_json_text(&v).unwrap_or_else(|| format!("{v}"));
    if json != case["json"].as_str().unwrap() {
        return Err(format!("got {json}, want {}", case["json"]));
    }
    let ty = type_text(&v.ty()).split_whitespace().collect::<Vec<_>>().join(" ");
    match (case["type"].as_str(), case["console"].as_str()) {
        (_, Some(want)) if want != console(&v) => Err(format!("the console shows {}, want {want}", console(&v))),
        (Some(want), _) if want != ty => Err(format!("got type {ty}, want {want}")),
        _ => Ok(()),
    }
}

fn check_failure(case: &Json) -> Result<(), String> {
    match (evaluate(case), case["line"].as_u64()) {
        (Ok(v), _) => Err(format!("should fail, gave {v}")),
        (Err((e, line)), Some(want)) if line as u64 != want => Err(format!("line {line} instead of {want}: {e}")),
        _ => Ok(()),
    }
}

fn run(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let all: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut failed = Vec::new();
    #[allow(clippy::type_complexity, reason = "two rows")]
    let checks: [(&str, fn(&Json) -> Result<(), String>); 2] = [("cases", check), ("must_fail", check_failure)];
    for (list, check) in checks {
        for case in all[list].as_array().into_iter().flatten() {
            if let Err(e) = check(case) {
                failed.push(format!("{} {}\n    {e}", case["id"], case["expr"]));
            }
        }
    }
    assert!(failed.is_empty(), "{} cases fail:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn expressions() {
    run("hcl_cases.json");
}

#[test]
fn more_expressions() {
    run("recorded_cases.json");
}

/// Compares with a file of freshly recorded cases: `STREAMFORM_CASES=/path/cases.json cargo test --lib fresh_cases -- --ignored`.
#[test]
#[ignore = "needs a file of cases"]
fn fresh_cases() {
    if let Some(path) = std::env::var_os("STREAMFORM_CASES") {
        run(&path.to_string_lossy());
    }
}

/// Unknown values: what the console prints for them, and their types. D is an unknown of any type, U a string, N a number, B a bool, L a list.
/// (Where Terraform leaves unknown what is already decided, as in `B && false`, there is no case.)
fn unknowns(path: &Path) {
    let all: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let any = || Value::unknown(Type::Dynamic);
    let scope = super::tests::with(&[
        ("D", any()),
        ("U", Value::unknown(Type::String)),
        ("N", Value::unknown(Type::Number)),
        ("B", Value::unknown(Type::Bool)),
        ("L", Value::unknown(Type::list(Type::Dynamic))),
    ]);
    let mut failed = Vec::new();
    for case in all.as_array().unwrap() {
        let (expr, want, ty) = (case["expr"].as_str().unwrap(), case["console"].as_str().unwrap(), case["type"].as_str().unwrap());
        let (v, diags) = super::tests::run(expr, &scope, &TestHost::default());
        let got = match diags.iter().next() {
            Some(d) => format!("ERR {}", d.detail),
            None => console(&v),
        };
        let got_ty = type_text(&v.ty()).split_whitespace().collect::<Vec<_>>().join(" ");
        let fails = want.starts_with("ERR");
        if fails != got.starts_with("ERR") || !fails && (got != want || got_ty != ty) {
            failed.push(format!("{expr}: got {got} of {got_ty}, want {want} of {ty}"));
        }
    }
    assert!(failed.is_empty(), "{} cases fail:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn unknown_values() {
    unknowns(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/unknown_cases.json"));
}
