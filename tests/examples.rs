//! Every example and every module of this repository is valid, and formatted as `streamform fmt` writes it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn streamform(args: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_streamform"));
    // A variable of the caller's environment must not stand in for one that an example forgets to declare.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SF_VAR_")) {
        command.env_remove(name);
    }
    command.args(args).current_dir(root).env("NO_COLOR", "1").output().unwrap()
}

fn text(o: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&o.stdout), String::from_utf8_lossy(&o.stderr))
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut out: Vec<PathBuf> = ["examples", "modules"]
        .iter()
        .flat_map(|f| std::fs::read_dir(root.join(f)).unwrap())
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_dir())
        .collect();
    out.sort();
    out
}

#[test]
fn every_folder_is_valid() {
    let folders = folders();
    let names: Vec<_> = folders.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect();
    for expected in ["quickstart", "modules", "existing-cluster", "s3-sink", "team-topics"] {
        assert!(names.contains(&expected), "{expected} is missing among {names:?}");
    }
    for folder in &folders {
        let out = streamform(&["validate", "-chdir", folder.to_str().unwrap()]);
        assert!(out.status.success(), "{}: {}", folder.display(), text(&out));
    }
}

#[test]
fn a_fault_in_an_example_would_be_found() {
    let copy = tempfile::tempdir().unwrap();
    let good = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/existing-cluster/main.hcl")).unwrap();
    std::fs::write(copy.path().join("main.hcl"), good.replace("partitions = 6", "partition = 6")).unwrap();
    let out = streamform(&["validate", "-chdir", copy.path().to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1), "{}", text(&out));
    assert!(text(&out).contains("partition"), "{}", text(&out));
}

#[test]
fn every_file_is_formatted() {
    let out = streamform(&["fmt", "-check", "-diff", "-recursive", "examples", "modules"]);
    assert!(out.status.success(), "{}", text(&out));
}
