//! Tests of the evaluator: forms, unknown and marks, errors; the recorded cases are in `golden`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::*;
use crate::diag::SourceId;
use crate::lang::syntax::parse_expr;

/// A host with files in memory.
#[derive(Default)]
pub struct TestHost {
    pub files: BTreeMap<String, String>,
}

impl TestHost {
    fn name(path: &Path) -> String {
        path.to_string_lossy().trim_start_matches("/module/").trim_start_matches("./").to_string()
    }
}

impl Host for TestHost {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(&Self::name(path)).map(|s| s.clone().into_bytes()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn file_exists(&self, path: &Path) -> io::Result<bool> {
        match Self::name(path) {
            dir if dir.is_empty() || dir == "." => Err(io::ErrorKind::IsADirectory.into()),
            name => Ok(self.files.contains_key(&name)),
        }
    }
    fn walk(&self, dir: &Path) -> io::Result<Vec<String>> {
        let dir = Self::name(dir);
        let dir = if dir.is_empty() || dir == "." { String::new() } else { format!("{}/", dir.trim_end_matches('/')) };
        Ok(self.files.keys().filter_map(|f| f.strip_prefix(&dir).map(str::to_string)).collect())
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

/// A scope of plain names.
pub fn with(names: &[(&str, Value)]) -> Names<'static> {
    Names { names: names.iter().map(|(n, v)| ((*n).into(), v.clone())).collect(), outer: &NoScope }
}

pub fn run(text: &str, scope: &dyn Scope, host: &TestHost) -> (Value, Diagnostics) {
    let (e, mut diags) = parse_expr(text, SourceId(0));
    let cx = EvalContext::new(host, Path::new("."), Path::new("."));
    let v = e.map_or_else(nothing, |e| eval(&e, scope, &cx, &mut diags));
    (v, diags)
}

fn ok(text: &str, scope: &dyn Scope) -> Value {
    let (v, d) = run(text, scope, &TestHost::default());
    assert!(!d.has_errors(), "{text}: {d:?}");
    v
}

#[test]
fn unknown_and_marks_are_carried() {
    let s = with(&[
        ("u", Value::unknown(Type::String)),
        ("n", Value::unknown(Type::Number)),
        ("b", Value::unknown(Type::Bool)),
        ("s", Value::from("x").sensitive()),
        ("d", Value::unknown(Type::Dynamic)),
    ]);
    for (text, ty) in [
        ("n + 1", Type::Number),
        ("u == \"a\"", Type::Bool),
        ("b ? 1 : \"a\"", Type::String),
        ("\"a-${u}\"", Type::String),
        ("d.x.y", Type::Dynamic),
        ("[for x in d : x]", Type::Dynamic),
        ("!b", Type::Bool),
        ("n > 2", Type::Bool),
    ] {
        let v = ok(text, &s);
        assert!(!v.is_known() && v.ty() == ty, "{text}: {:?} {}", v, v.ty());
    }
    let Repr::Unknown(u) = ok("\"a-${u}-b\"", &s).repr().clone() else { panic!() };
    assert_eq!((u.refinement.not_null, u.refinement.prefix.as_deref()), (true, Some("a-")));
    for text in ["\"${s}!\"", "s == \"x\"", "true ? s : \"y\"", "[s][0]", "s == \"x\" ? 1 : 2", "{(s) = 1}"] {
        assert!(ok(text, &s).deep_marks().is_sensitive(), "{text}");
    }
    assert_eq!(ok("false && d.x", &s), false.into());
    assert_eq!(ok("\"a${u}\" == \"b\"", &s), false.into());
    assert_eq!(ok("try(null.x, 5)", &s), 5i64.into());
    assert_eq!(ok("can(null.x)", &s), false.into());
}

#[test]
fn errors_have_spans_and_values() {
    let s = with(&[
        ("a", Value::from("x")),
        ("secret", Value::from("hunter2").sensitive()),
        ("o", Value::object_from([("name", Value::from("n"))])),
    ]);
    let (_, d) = run("1 + a", &s, &TestHost::default());
    let d = d.iter().next().unwrap().clone();
    assert_eq!(d.values, [("a".to_string(), "\"x\"".to_string())]);
    assert_eq!(d.span.unwrap().start, 4);
    let (_, d) = run("1 + secret", &s, &TestHost::default());
    assert!(!format!("{d:?}").contains("hunter2"));
    let (_, d) = run("regex(\"[0-9]+\", secret) + jsondecode(secret)", &s, &TestHost::default());
    assert!(d.has_errors() && !format!("{d:?}").contains("hunter2"), "{d:?}");
    let (_, d) = run("o.nam", &s, &TestHost::default());
    assert_eq!(d.iter().next().unwrap().hint.as_deref(), Some("Did you mean \"name\"?"));
    // Several errors in one run, and none that only follows from another.
    let (_, d) = run("[1 + a, nope.x + 1]", &s, &TestHost::default());
    assert_eq!(d.len(), 2, "{d:?}");
}

#[test]
fn references_know_bound_names() {
    let (e, _) = parse_expr("[for x in var.list : x.y if local.a[\"k\"].z == x] == data.t.n[var.i].p", SourceId(0));
    let names: Vec<String> = references(&e.unwrap()).iter().map(ToString::to_string).collect();
    assert_eq!(names, ["var.list", "local.a[\"k\"].z", "data.t.n", "var.i"]);
}

#[test]
fn types_with_defaults() {
    let (e, _) = parse_expr(
        "list(object({ a = string, b = optional(number, 5), c = optional(object({ d = optional(bool, true) }), {}) }))",
        SourceId(0),
    );
    let (ty, defaults) = types::parse_type(&e.unwrap()).unwrap();
    let v = ok("[{ a = 1 }, { a = 2, b = null, c = { d = false } }]", &NoScope);
    let v = convert(&defaults.apply(&v), &ty).unwrap();
    assert_eq!(v.to_string(), r#"[{ "a" = "1", "b" = 5, "c" = { "d" = true } }, { "a" = "2", "b" = 5, "c" = { "d" = false } }]"#);
    for bad in ["strin", "list()", "object([])", "optional(string)", "list(string, number)", "\"string\""] {
        let (e, _) = parse_expr(bad, SourceId(0));
        assert!(types::parse_type(&e.unwrap()).is_err(), "{bad}");
    }
}

const TOKENS: &[&str] = &[
    "1",
    "0",
    "-",
    "2.5",
    "\"a\"",
    "\"${",
    "}\"",
    "null",
    "true",
    "u",
    "s",
    "d",
    "o",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    ",",
    " = ",
    " => ",
    "for x in ",
    " : ",
    "x",
    " if ",
    ".*",
    "[*]",
    ".name",
    "[0]",
    " + ",
    " / ",
    " % ",
    " == ",
    " < ",
    " && ",
    " || ",
    "!",
    " ? ",
    "...",
    "try(",
    "can(",
    "tolist(",
    "toset(",
    "tomap(",
    "merge(",
    "length(",
    "jsonencode(",
    "flatten(",
    "keys(",
    "max(",
    "%{ if ",
    " }",
    "%{ endif }",
    "\n",
];

proptest::proptest! {
    #[test]
    fn nothing_panics(picks in proptest::collection::vec(0..TOKENS.len(), 1..24)) {
        let text: String = picks.iter().map(|i| TOKENS[*i]).collect();
        let s = with(&[
            ("u", Value::unknown(Type::String)),
            ("d", Value::unknown(Type::Dynamic)),
            ("s", Value::set(Type::String, vec!["x".into(), Value::from("y").sensitive()])),
            ("o", Value::object_from([("name", Value::from("n"))])),
        ]);
        let _ = run(&text, &s, &TestHost::default());
    }
}
