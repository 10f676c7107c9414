//! Asks terraform: many expressions or files in one process each.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What terraform says of one expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The console's text for the value, and its type.
    Value(String, String),
    /// An error.
    Error(String),
}

const UNKNOWNS: &str = r#"resource "terraform_data" "u" {}
locals {
  D = terraform_data.u.id
  U = tostring(terraform_data.u.id)
  N = tonumber(terraform_data.u.id)
  B = tobool(terraform_data.u.id)
  L = tolist(terraform_data.u.id)
  LS = split(",", local.U)
  S = toset(local.LS)
  M = zipmap(local.LS, local.LS)
  O = { a = local.U, n = local.N, k = "known" }
}
"#;

/// Whether there is a terraform to ask.
pub fn present() -> bool {
    Command::new("terraform").arg("version").env("CHECKPOINT_DISABLE", "1").output().is_ok_and(|o| o.status.success())
}

fn terraform(dir: &Path, args: &[&str], input: &str) -> Output {
    let mut command = Command::new("terraform");
    command.current_dir(dir).args(args).env("TF_CLI_CONFIG_FILE", "/dev/null").env("CHECKPOINT_DISABLE", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("terraform starts");
    // One that has found an error already does not read.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    child.wait_with_output().expect("terraform ends")
}

fn name(i: usize) -> String {
    format!("e{i:05}")
}

/// The answers, in order; `None` where terraform itself breaks down.
pub fn expressions(exprs: &[String]) -> Vec<Option<Answer>> {
    match ask(exprs) {
        Some(answers) => answers.into_iter().map(Some).collect(),
        None if exprs.len() <= 1 => vec![None; exprs.len()],
        None => {
            let (a, b) = exprs.split_at(exprs.len() / 2);
            [expressions(a), expressions(b)].concat()
        }
    }
}

fn ask(exprs: &[String]) -> Option<Vec<Answer>> {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("unknowns.tf"), UNKNOWNS).expect("written");
    for (i, e) in exprs.iter().enumerate() {
        std::fs::write(dir.path().join(format!("{}.tf", name(i))), format!("locals {{\n  {} = {e}\n}}\n", name(i))).expect("written");
    }
    let all: Vec<String> = (0..exprs.len()).map(|i| format!("{0} = local.{0}", name(i))).collect();
    let all = format!("{{ {} }}", all.join(", "));
    let values = terraform(dir.path(), &["console"], &format!("{all}\n"));
    let types = terraform(dir.path(), &["console"], &format!("type({all})\n"));
    let values_text = String::from_utf8_lossy(&values.stdout).into_owned();
    let errors = errors(&plain(&format!("{values_text}{}", String::from_utf8_lossy(&values.stderr))));
    let values = split(&values_text, "  \"", "\" = ");
    let types = split(&String::from_utf8_lossy(&types.stdout), "    ", ": ");
    (0..exprs.len())
        .map(|i| match errors.get(&i) {
            Some(e) => Some(Answer::Error(e.clone())),
            None => Some(Answer::Value(values.get(&i)?.clone(), types.get(&i)?.trim_end_matches(',').to_string())),
        })
        .collect()
}

/// Without the colours, which terraform writes also to a pipe.
fn plain(s: &str) -> String {
    let mut out = String::new();
    let mut parts = s.split('\u{1b}');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        out.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    out
}

/// The errors by expression, found by the file's name.
fn errors(text: &str) -> BTreeMap<usize, String> {
    let mut out = BTreeMap::new();
    for report in text.split("Error: ").skip(1) {
        let file = report.split(" on e").nth(1).and_then(|r| r.split(".tf line").next()).and_then(|n| n.parse().ok());
        if let Some(i) = file {
            let words: String = report.chars().filter(|c| !matches!(c, '│' | '╷' | '╵')).collect();
            out.entry(i).or_insert(words.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    out
}

/// Takes a printed object apart: every line that starts with the indentation and a name begins an entry.
pub fn split(text: &str, before: &str, after: &str) -> BTreeMap<usize, String> {
    let mut out: BTreeMap<usize, String> = BTreeMap::new();
    let mut now: Option<usize> = None;
    for line in text.lines() {
        let entry = line.strip_prefix(before).and_then(|l| l.split_once(after)).filter(|(n, _)| n.len() == 6 && n.starts_with('e'));
        if let Some((i, rest)) = entry.and_then(|(n, rest)| Some((n[1..].parse::<usize>().ok()?, rest))) {
            now = Some(i);
            out.insert(i, rest.to_string());
        } else if let Some(text) = now.and_then(|i| out.get_mut(&i)) {
            text.push('\n');
            text.push_str(line);
        }
    }
    // The last entry has the object's end with it.
    if let Some(last) = now.and_then(|i| out.get_mut(&i)) {
        let end = last.rfind('\n').unwrap_or(last.len());
        last.truncate(end);
    }
    out
}

/// The files as `terraform fmt` writes them; `None` where it refuses.
pub fn formatted(texts: &[String]) -> Vec<Option<String>> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |i: usize| dir.path().join(format!("{}.tf", name(i)));
    for (i, text) in texts.iter().enumerate() {
        std::fs::write(path(i), text).expect("written");
    }
    let out = terraform(dir.path(), &["fmt", "-list=false"], "");
    let errors = errors(&plain(&String::from_utf8_lossy(&out.stderr)));
    (0..texts.len()).map(|i| if errors.contains_key(&i) { None } else { std::fs::read_to_string(path(i)).ok() }).collect()
}
