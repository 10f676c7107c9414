//! What the recorded cases cannot show: arity, unknown values, marks, secrets in errors, randomness, our own functions.

use std::io;
use std::path::{Path, PathBuf};

use super::*;

/// No files; clock and randomness only where `apply` is set.
struct Bare {
    apply: bool,
}

impl Host for Bare {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn file_exists(&self, _: &Path) -> io::Result<bool> {
        Ok(false)
    }
    fn walk(&self, _: &Path) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
    fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(Path::new("/").join(path))
    }
    fn home(&self) -> Option<PathBuf> {
        Some("/home/user".into())
    }
    fn now(&self) -> Option<(i64, u32)> {
        self.apply.then_some((1_700_000_000, 5))
    }
    fn plan_time(&self) -> (i64, u32) {
        (1_600_000_000, 0)
    }
    fn random(&self) -> Option<[u8; 16]> {
        self.apply.then_some([7; 16])
    }
}

fn call_on(apply: bool, name: &str, args: &[Value]) -> Result<Value, CallError> {
    let host = Bare { apply };
    let render = |_: &str, text: &str, vars: &crate::value::Fields| Ok(Value::string(format!("{text}{}", vars.len())));
    let cx = CallContext { host: &host, module_dir: Path::new("."), root_dir: Path::new("."), eval_template: &render };
    lookup(name).expect("the function exists").call(&cx, args)
}

fn call(name: &str, args: &[Value]) -> Result<Value, CallError> {
    call_on(false, name, args)
}

fn message(name: &str, args: &[Value]) -> String {
    call(name, args).expect_err("the call fails").message
}

fn words(list: &[&str]) -> Value {
    strings(list)
}

#[test]
fn names_are_found_with_and_without_the_core_namespace() {
    assert!(lookup("upper").is_some() && lookup("core::upper").is_some() && lookup("streamform::bytes").is_some());
    assert!(lookup("core::core::upper").is_none() && lookup("Upper").is_none());
    let all: Vec<_> = names().collect();
    assert!(all.is_sorted() && all.contains(&"try") && all.contains(&"can"), "{all:?}");
    let files: usize = FILES.iter().map(|f| f.len()).sum();
    assert_eq!(all.len(), files, "a name is defined twice");
}

#[test]
fn arity_is_checked() {
    assert!(message("upper", &[]).starts_with("Not enough function arguments"));
    let err = call("upper", &["a".into(), "b".into()]).unwrap_err();
    assert!(err.message.starts_with("Too many function arguments") && err.arg == Some(1));
    assert!(message("format", &[]).contains("at least 1"));
}

#[test]
fn null_is_refused_where_it_is_not_allowed() {
    let err = call("upper", &[Value::null(Type::String)]).unwrap_err();
    assert_eq!((err.arg, err.message.as_str()), (Some(0), "argument must not be null"));
    assert_eq!(call("jsonencode", &[Value::null_dynamic()]).unwrap(), "null".into());
}

#[test]
fn unknown_arguments_give_unknown_results_of_the_right_type() {
    let s = Value::unknown(Type::String);
    for (name, args, ty) in [
        ("upper", vec![s.clone()], Type::String),
        ("length", vec![Value::unknown(Type::list(Type::Bool))], Type::Number),
        ("keys", vec![Value::unknown(Type::map(Type::Bool))], Type::list(Type::String)),
        ("values", vec![Value::unknown(Type::map(Type::Bool))], Type::list(Type::Bool)),
        ("split", vec![",".into(), s.clone()], Type::list(Type::String)),
        ("join", vec![",".into(), Value::list(Type::String, vec![s.clone()])], Type::String),
        ("regexall", vec!["(a)".into(), s.clone()], Type::list(Type::Tuple([Type::String].into()))),
        ("jsondecode", vec![s.clone()], Type::Dynamic),
        ("merge", vec![Value::unknown(Type::Dynamic)], Type::Dynamic),
        ("coalesce", vec![s.clone(), "x".into()], Type::String),
        ("tonumber", vec![s.clone()], Type::Number),
        ("element", vec![Value::unknown(Type::list(Type::Bool)), 0.into()], Type::Bool),
    ] {
        let v = call(name, &args).unwrap();
        assert!(!v.is_known() && v.ty() == ty, "{name}: {v} of {}", v.ty());
    }
}

#[test]
fn what_is_known_of_partly_unknown_collections_is_used() {
    let list = Value::list(Type::String, vec!["a".into(), Value::unknown(Type::String)]);
    assert_eq!(call("length", std::slice::from_ref(&list)).unwrap(), 2.into());
    assert_eq!(call("element", &[list.clone(), 0.into()]).unwrap(), "a".into());
    assert_eq!(call("contains", &[list.clone(), "a".into()]).unwrap(), true.into());
    assert!(!call("contains", &[list, "z".into()]).unwrap().is_known());
    let some = Value::list(Type::Bool, vec![Value::unknown(Type::Bool), false.into()]);
    assert_eq!(call("alltrue", std::slice::from_ref(&some)).unwrap(), false.into());
    assert!(!call("anytrue", &[some]).unwrap().is_known());
}

#[test]
fn marks_move_to_the_result_or_stay_on_the_element() {
    let secret = Value::from("x").sensitive();
    assert!(call("upper", std::slice::from_ref(&secret)).unwrap().marks().is_sensitive());
    let object = Value::object_from([("a", secret.clone()), ("b", "y".into())]);
    assert!(call("lookup", &[object.clone(), "a".into()]).unwrap().marks().is_sensitive());
    assert!(!call("lookup", &[object.clone(), "b".into()]).unwrap().contains_sensitive());
    assert!(!call("keys", std::slice::from_ref(&object)).unwrap().contains_sensitive());
    assert!(!call("length", std::slice::from_ref(&object)).unwrap().contains_sensitive());
    assert!(call("length", &[object.clone().sensitive()]).unwrap().marks().is_sensitive());
    let merged = call("merge", &[object, Value::object_from([("c", Value::from(1))])]).unwrap();
    assert!(!merged.marks().is_sensitive() && merged.get("a").unwrap().marks().is_sensitive());
    assert!(!call("nonsensitive", std::slice::from_ref(&secret)).unwrap().contains_sensitive());
    assert_eq!(call("issensitive", &[secret]).unwrap(), true.into());
    let gone = call("ephemeralasnull", &[Value::object_from([("a", Value::from(1).mark(Marks::EPHEMERAL)), ("b", 2.into())])]).unwrap();
    assert!(gone.get("a").unwrap().is_null() && gone.get("b") == Some(2.into()));
}

#[test]
fn errors_never_show_sensitive_arguments() {
    for (name, args) in [
        ("parseint", vec![Value::from("hunter2").sensitive(), 10.into()]),
        ("tonumber", vec![Value::from("hunter2").sensitive()]),
        ("file", vec![Value::from("hunter2").sensitive()]),
        ("timeadd", vec![Value::from("hunter2").sensitive(), "1h".into()]),
        ("cidrhost", vec![Value::from("hunter2").sensitive(), 1.into()]),
        ("csvdecode", vec![Value::from("hunter2,hunter2\na,b").sensitive()]),
    ] {
        let text = message(name, &args);
        assert!(!text.contains("hunter2"), "{name}: {text}");
    }
}

#[test]
fn clock_and_randomness_wait_for_the_apply() {
    for name in ["timestamp", "uuid"] {
        assert!(!call(name, &[]).unwrap().is_known(), "{name}");
    }
    assert!(!call("bcrypt", &["pw".into()]).unwrap().is_known());
    assert_eq!(call_on(true, "timestamp", &[]).unwrap(), "2023-11-14T22:13:20Z".into());
    assert_eq!(call("plantimestamp", &[]).unwrap(), "2020-09-13T12:26:40Z".into());
    let hash = call_on(true, "bcrypt", &["pw".into(), 4.into()]).unwrap();
    assert!(hash.as_str().is_some_and(|h| h.starts_with("$2a$04$")) && bcrypt_verifies("pw", &hash));
    assert_eq!(call_on(true, "uuid", &[]).unwrap().as_str().map(str::len), Some(36));
}

fn bcrypt_verifies(password: &str, hash: &Value) -> bool {
    ::bcrypt::verify(password, hash.as_str().unwrap_or_default()).unwrap_or(false)
}

#[test]
fn templates_are_rendered_by_the_evaluator() {
    let vars = Value::object_from([("a", Value::from(1))]);
    assert_eq!(call("templatestring", &["t".into(), vars]).unwrap(), "t1".into());
    assert!(message("templatestring", &["t".into(), Value::object_from([("1a", Value::from(1))])]).contains("1a"));
}

#[test]
fn functions_of_the_other_tool() {
    assert_eq!(call("urldecode", &["a+b%26%C3%A9".into()]).unwrap(), "a b&é".into());
    assert!(call("urldecode", &["%zz".into()]).is_err() && call("urldecode", &["%+1".into()]).is_err());
    let packed = call("base64gzip", &["hello".into()]).unwrap();
    assert_eq!(call("base64gunzip", &[packed]).unwrap(), "hello".into());
    for (outer, inner, contains) in [
        ("10.0.0.0/8", "10.1.2.3", true),
        ("10.0.0.0/8", "10.0.0.0/7", false),
        ("fd00::/8", "fd12::/16", true),
        ("10.0.0.0/8", "11.0.0.1", false),
    ] {
        assert_eq!(call("cidrcontains", &[outer.into(), inner.into()]).unwrap(), contains.into(), "{outer} {inner}");
    }
    assert!(call("cidrcontains", &["10.0.0.0/8".into(), "fd00::1".into()]).is_err());
}

#[test]
fn durations_in_milliseconds() {
    for (text, ms) in [
        ("7d", 604_800_000),
        ("1h30m", 5_400_000),
        ("1.5s", 1_500),
        ("250ms", 250),
        ("2w", 1_209_600_000),
        ("1d 12h", 129_600_000),
        ("0s", 0),
    ] {
        assert_eq!(call("streamform::duration_ms", &[text.into()]).unwrap(), ms.into(), "{text}");
    }
    for text in ["", "7", "d", "1y", "0.5ms", "-1s", "1h30", "1..5s"] {
        assert!(call("streamform::duration_ms", &[text.into()]).is_err(), "{text}");
    }
}

#[test]
fn sizes_in_bytes() {
    for (text, n) in [("1GiB", 1 << 30), ("500MB", 500_000_000), ("1.5KiB", 1536), ("1024", 1024), ("10 MiB", 10 << 20), ("1kB", 1000)] {
        assert_eq!(call("streamform::bytes", &[text.into()]).unwrap(), i64::from(n).into(), "{text}");
    }
    for text in ["", "GiB", "1G", "1.5B", "-1KiB", "1gib"] {
        assert!(call("streamform::bytes", &[text.into()]).is_err(), "{text}");
    }
}

#[test]
fn property_files_round_trip() {
    let text = "# comment\n! too\n a = b\nc:d\ne f g\nlong=one\\\n   two\nu=\\u00e9\\ud83d\\ude00\nempty\nk\\ e\\=y=v\\\\\r\n";
    let decoded = call("streamform::properties_decode", &[text.into()]).unwrap();
    for (key, value) in [("a", "b"), ("c", "d"), ("e", "f g"), ("long", "onetwo"), ("u", "é😀"), ("empty", ""), ("k e=y", "v\\")] {
        assert_eq!(decoded.get_str(key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(decoded.len(), Some(7));
    let awkward = Value::map(Type::String, [("#k: =", " v\n\t\\ é"), ("x", "")].into_iter().map(|(k, v)| (k.into(), v.into())).collect());
    let encoded = call("streamform::properties_encode", std::slice::from_ref(&awkward)).unwrap();
    assert_eq!(call("streamform::properties_decode", &[encoded]).unwrap(), awkward);
    assert!(call("streamform::properties_decode", &["a=\\u12".into()]).is_err());
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_string();
    for i in 1..9 {
        let before = format!("*a{}", i - 1);
        text.push_str(&format!("a{i}: &a{i} [{}]\n", vec![before; 10].join(", ")));
    }
    assert!(message("yamldecode", &[text.into()]).contains("more than"));
    assert!(message("yamldecode", &["[".repeat(5000).into()]).len() < 500);
}

#[test]
fn sort_orders_by_bytes() {
    assert_eq!(call("sort", &[words(&["é", "b", "Z"])]).unwrap(), words(&["Z", "b", "é"]));
}
