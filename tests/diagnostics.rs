//! What the screen says about each kind of mistake: one small configuration in `tests/diagnostics` for each, with what is shown beside it.
//!
//! A case is a `.hcl` file; a line `### name` begins another file of its folder, and a first line `# $ command` is what is run (else
//! `validate`). The `.txt` beside it is the whole screen. `UPDATE=1 cargo test --test diagnostics` writes them anew; read what changed.

mod common;

use std::path::{Path, PathBuf};

use common::Lab;

fn cases() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut out: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    out.retain(|p| p.extension().is_some_and(|x| x == "hcl"));
    out.sort();
    out
}

fn screen_of(text: &str) -> String {
    let (lines, command) = match text.split_once('\n') {
        Some((first, rest)) if first.starts_with("# $ ") => (rest, &first[4..]),
        _ => (text, "validate"),
    };
    let mut parts = lines.split("### ");
    let lab = Lab::new(parts.next().unwrap_or_default());
    for part in parts {
        let (name, text) = part.split_once('\n').unwrap();
        lab.write(name.trim(), text);
    }
    // Quoted parts of a command line may hold blanks.
    let mut args = Vec::new();
    for (i, part) in command.split('\'').enumerate() {
        if i % 2 == 1 {
            args.push(part.to_string());
        } else {
            args.extend(part.split_whitespace().map(str::to_string));
        }
    }
    let text = lab.run_args(args).text;
    text.replace(&lab.path().display().to_string(), "FOLDER")
}

#[test]
fn every_mistake_is_told_as_recorded() {
    let cases = cases();
    assert!(cases.len() >= 100, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let told = screen_of(&std::fs::read_to_string(case).unwrap());
        let golden = case.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&golden, &told).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != told {
            wrong.push(format!("{}\n{told}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_folder_holds_nothing_else() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.with_extension("hcl").exists() && path.with_extension("txt").exists(), "{} stands alone", path.display());
    }
}
