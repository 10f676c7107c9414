//! The order of the modules, held against the code: each uses only those before it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// From the ground up.
const ORDER: [&str; 19] = [
    "words", "kill", "addr", "value", "diag", "disk", "schema", "lang", "graph", "op", "state", "client", "engine", "resource", "plan",
    "apply", "view", "ops", "cli",
];

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|x| x == "rs") {
            out.push(path);
        }
    }
}

/// The code of a file without its comments and its tests.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let own = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    own.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules that a text names as `crate::name`.
fn named(text: &str) -> Vec<&str> {
    let after = text.split("crate::").skip(1);
    after.map(|rest| rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default()).collect()
}

/// The files of the package with the module that each belongs to.
fn sources() -> Vec<(String, PathBuf)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = vec![];
    files(&src, &mut all);
    let module = |p: &PathBuf| {
        let first = p.strip_prefix(&src).unwrap().iter().next().unwrap().to_string_lossy();
        first.trim_end_matches(".rs").to_string()
    };
    let is_test = |p: &PathBuf| p.file_stem().is_some_and(|s| s.to_string_lossy().contains("test") && s != "testfile");
    all.retain(|p| !is_test(p));
    all.into_iter().map(|p| (module(&p), p)).filter(|(m, _)| !["lib", "main", "testing"].contains(&m.as_str())).collect()
}

#[test]
fn modules_use_only_those_before_them() {
    let place: BTreeMap<&str, usize> = ORDER.iter().enumerate().map(|(i, m)| (*m, i)).collect();
    let mut wrong = vec![];
    for (module, path) in sources() {
        let own = place.get(module.as_str()).unwrap_or_else(|| panic!("src/{module} has no place in the order"));
        let text = code(&path);
        wrong.extend(
            named(&text).into_iter().filter(|m| place.get(m).is_some_and(|i| i > own)).map(|m| format!("{} uses {m}", path.display())),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn resource_types_know_no_single_engine() {
    let named: Vec<String> = sources()
        .into_iter()
        .filter(|(module, path)| module == "resource" && code(path).contains("engine::local"))
        .map(|(_, path)| path.display().to_string())
        .collect();
    assert!(named.is_empty(), "{named:?}");
}
