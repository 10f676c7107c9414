//! The evaluator: what is unknown and marked, errors and what they show, references, types with defaults.

use streamform::diag::{Diagnostics, SourceId};
use streamform::lang::eval::{Names, NoScope, Scope, references, types};
use streamform::lang::syntax::parse_expr;
use streamform::value::convert::convert;
use streamform::value::{Repr, Type, Value};

use super::support::{self, MemoryHost};

/// A scope of plain names.
fn with(names: &[(&str, Value)]) -> Names<'static> {
    Names { names: names.iter().map(|(n, v)| ((*n).into(), v.clone())).collect(), outer: &NoScope }
}

fn run(text: &str, scope: &dyn Scope, host: &MemoryHost) -> (Value, Diagnostics) {
    let (value, diags, _) = support::run(text, scope, host);
    (value, diags)
}

fn ok(text: &str, scope: &dyn Scope) -> Value {
    let (v, d) = run(text, scope, &MemoryHost::default());
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
    let (_, d) = run("1 + a", &s, &MemoryHost::default());
    let d = d.iter().next().unwrap().clone();
    assert_eq!(d.values, [("a".to_string(), "\"x\"".to_string())]);
    assert_eq!(d.span.unwrap().start, "locals {\n  v = 1 + ".len() as u32);
    let (_, d) = run("1 + secret", &s, &MemoryHost::default());
    assert!(!format!("{d:?}").contains("hunter2"));
    let (_, d) = run("regex(\"[0-9]+\", secret) + jsondecode(secret)", &s, &MemoryHost::default());
    assert!(d.has_errors() && !format!("{d:?}").contains("hunter2"), "{d:?}");
    let (_, d) = run("o.nam", &s, &MemoryHost::default());
    assert_eq!(d.iter().next().unwrap().hint.as_deref(), Some("Did you mean \"name\"?"));
    // Several errors in one run, and none that only follows from another.
    let (_, d) = run("[1 + a, nope.x + 1]", &s, &MemoryHost::default());
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
        let _ = run(&text, &s, &MemoryHost::default());
    }
}
