//! What tests of the language share: files in memory, a fixed clock, and evaluation of one expression in a scope of plain names.

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use streamform::diag::{Diagnostic, Diagnostics, SourceId};
use streamform::lang::ast::{Ident, Step};
use streamform::lang::eval::{EvalContext, NoScope, Resolved, Scope, eval};
use streamform::lang::host::Host;
use streamform::lang::syntax::parse_body;
use streamform::value::{Refinement, Type, Value};

/// Files in memory below the module's folder, a fixed clock, fixed randomness.
#[derive(Default)]
pub struct MemoryHost(pub BTreeMap<String, String>);

impl MemoryHost {
    fn name(path: &Path) -> String {
        let path = path.strip_prefix("/module").unwrap_or(path);
        let names = path.components().filter(|&c| matches!(c, Component::Normal(_)));
        names.map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
    }
}

impl Host for MemoryHost {
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

/// What every module has, and unknown values as locals and as bare names: D of any type, U a string, N a number, B a bool,
/// L a list of anything, LS a list of strings, S a set of anything and M a map of strings (these not null), O an
/// object.
pub struct Root;

impl Scope for Root {
    fn lookup(&self, root: &Ident, steps: &[Step]) -> Result<Resolved, Diagnostic> {
        let found = |value: Value, consumed| Ok(Resolved { value, consumed });
        match (&*root.name, steps.first()) {
            ("path", Some(Step::Attr(a))) if ["module", "root", "cwd"].contains(&&*a.name) => found(".".into(), 1),
            ("terraform", Some(Step::Attr(a))) if &*a.name == "workspace" => found("default".into(), 1),
            ("local", Some(Step::Attr(a))) => match unknown(&a.name) {
                Some(v) => found(v, 1),
                None => NoScope.lookup(root, steps),
            },
            (name, _) => match unknown(name) {
                Some(v) => found(v, 0),
                None => NoScope.lookup(root, steps),
            },
        }
    }
}

fn unknown(name: &str) -> Option<Value> {
    let ty = match name {
        "D" => Type::Dynamic,
        "U" => Type::String,
        "N" => Type::Number,
        "B" => Type::Bool,
        "L" => Type::list(Type::Dynamic),
        "LS" => return Some(not_null(Type::list(Type::String))),
        "S" => return Some(not_null(Type::set(Type::Dynamic))),
        "M" => return Some(not_null(Type::map(Type::String))),
        "O" => {
            return Some(Value::object_from([
                ("a", Value::unknown(Type::String)),
                ("n", Value::unknown(Type::Number)),
                ("k", "known".into()),
            ]));
        }
        _ => return None,
    };
    Some(Value::unknown(ty))
}

fn not_null(ty: Type) -> Value {
    Value::unknown_with(ty, Refinement { not_null: true, ..Refinement::default() })
}

/// An error: what it says, and the line inside the expression, counted from 1.
pub struct Failure {
    pub detail: String,
    pub line: usize,
}

/// Evaluates as the value of an argument, `v = EXPR`.
pub fn evaluate(expr: &str, files: &BTreeMap<String, String>, scope: &dyn Scope) -> Result<Value, Failure> {
    let host = MemoryHost(files.clone());
    let (value, diags, text) = run(expr, scope, &host);
    let Some(d) = diags.iter().next() else { return Ok(value) };
    let at = d.span.map_or(0, |s| s.start as usize).min(text.len());
    Err(Failure { detail: d.detail.clone(), line: text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() })
}

/// Evaluates and gives all diagnostics, with the text that their spans refer to.
pub fn run(expr: &str, scope: &dyn Scope, host: &MemoryHost) -> (Value, Diagnostics, String) {
    let text = format!("locals {{\n  v = {expr}\n}}\n");
    let (body, mut diags) = parse_body(&text, SourceId(0));
    let cx = EvalContext::new(host, Path::new("."), Path::new("."));
    let expr = body.as_ref().and_then(|b| b.blocks.first()).and_then(|l| l.body.attr("v"));
    let value = expr.map_or_else(|| Value::unknown(Type::Dynamic), |a| eval(&a.expr, scope, &cx, &mut diags));
    (value, diags, text)
}

/// A text with runs of white space as one blank.
pub fn collapse(s: &str) -> String {
    s.split_whitespace().collect::<Vec<_>>().join(" ")
}
