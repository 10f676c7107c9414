//! Modules: `init` and `get` with real git repositories of this machine, and what a configuration may do with modules.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Lab, screen};

/// A git repository in a folder of its own.
struct Repo {
    dir: tempfile::TempDir,
}

impl Repo {
    fn new(files: &[(&str, &str)]) -> Repo {
        let repo = Repo { dir: tempfile::tempdir().unwrap() };
        repo.git(&["init", "-q", "-b", "main"]);
        repo.commit(files);
        repo
    }

    fn git(&self, args: &[&str]) -> String {
        let mut c = Command::new("git");
        c.args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]).args(args);
        let out = c.current_dir(self.dir.path()).env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
        assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().trim().to_string()
    }

    /// Writes files and commits everything; gives the commit.
    fn commit(&self, files: &[(&str, &str)]) -> String {
        for (name, text) in files {
            let path = self.dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "change"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn url(&self) -> String {
        format!("git::file://{}", self.dir.path().display())
    }

    /// A configuration that calls a folder of this repository and gives back its output.
    fn caller(&self, rest: &str) -> Lab {
        Lab::new(&format!("module \"m\" {{\n  source = \"{}{rest}\"\n}}\noutput \"v\" {{\n  value = module.m.v\n}}\n", self.url()))
    }
}

/// A module whose output is this text.
fn says(text: &str) -> String {
    format!("output \"v\" {{\n  value = \"{text}\"\n}}\n")
}

/// The folders of fetched repositories.
fn fetched(lab: &Lab) -> Vec<PathBuf> {
    let dir = std::fs::read_dir(lab.path().join(".streamform/modules"));
    let all = dir.into_iter().flatten().map(|e| e.unwrap().path());
    all.filter(|p| p.is_dir()).collect()
}

fn value(lab: &Lab) -> String {
    let s = lab.feed("console", "module.m.v\n");
    assert_eq!(s.code, 0, "{}", s.text);
    s.stdout.trim().trim_matches('"').to_string()
}

#[test]
fn a_module_is_fetched_once_and_pinned() {
    let repo = Repo::new(&[("net/main.hcl", &says("one"))]);
    let first = repo.git(&["rev-parse", "HEAD"]);
    let lab = repo.caller("//net");
    lab.fails("plan", &["Error[SF2024]: Module not installed", "on main.hcl line 2", "hint: Run streamform init."]);
    let s = lab.ok("init");
    s.shows(&["Fetching git::file://", "for m …", "- m in .streamform/modules/", "streamform is ready"]);
    assert!(lab.read(".streamform.lock.hcl").contains(&first));
    assert_eq!(value(&lab), "one");
    // The branch goes on: nothing changes until it is asked for.
    let second = repo.commit(&[("net/main.hcl", &says("two"))]);
    assert!(!lab.ok("init").text.contains("Fetching"));
    assert_eq!(value(&lab), "one");
    // Another checkout of the same configuration gets the locked commit.
    std::fs::remove_dir_all(lab.path().join(".streamform")).unwrap();
    lab.ok("get");
    assert_eq!(value(&lab), "one");
    lab.ok("init -upgrade");
    assert_eq!(value(&lab), "two");
    let lock = lab.read(".streamform.lock.hcl");
    assert!(lock.contains(&second) && !lock.contains(&first), "{lock}");
    // Nothing of git's own is left, and a lock file names no more than is used.
    assert!(lab.files().iter().all(|(p, _)| !p.to_string_lossy().contains("/.git/")));
    lab.write("main.hcl", "locals {}\n");
    lab.ok("init");
    assert!(!lab.read(".streamform.lock.hcl").contains("module \""));
}

#[test]
fn a_lock_file_that_must_not_be_changed() {
    let repo = Repo::new(&[("main.hcl", &says("one"))]);
    let lab = repo.caller("");
    lab.fails(
        "init -lockfile=readonly",
        &["Error[SF2028]", "has no commit for git::file://", "with module.m", "without -lockfile=readonly"],
    );
    assert!(fetched(&lab).is_empty() && !lab.path().join(".streamform.lock.hcl").exists());
    lab.ok("init");
    let lock = lab.read(".streamform.lock.hcl");
    repo.commit(&[("main.hcl", &says("two"))]);
    std::fs::remove_dir_all(lab.path().join(".streamform")).unwrap();
    lab.ok("init -lockfile=readonly");
    assert_eq!((value(&lab).as_str(), lab.read(".streamform.lock.hcl")), ("one", lock.clone()));
    lab.fails("init -upgrade -lockfile=readonly", &["cannot be used with"]);
    // What is no longer used stays in it, too.
    lab.write("main.hcl", "locals {}\n");
    lab.ok("init -lockfile=readonly");
    assert_eq!(lab.read(".streamform.lock.hcl"), lock);
}

#[test]
fn branches_tags_and_commits() {
    let repo = Repo::new(&[("main.hcl", &says("first"))]);
    let first = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&["tag", "-a", "v1", "-m", "annotated"]);
    repo.git(&["tag", "light"]);
    repo.git(&["checkout", "-q", "-b", "feature/x"]);
    repo.commit(&[("main.hcl", &says("feature"))]);
    repo.git(&["checkout", "-q", "main"]);
    repo.commit(&[("main.hcl", &says("last"))]);
    let short = &first[..10];
    for (reference, want) in [
        ("", "last"),
        ("?ref=v1", "first"),
        ("?ref=light", "first"),
        ("?ref=feature/x", "feature"),
        ("?ref=main&depth=5", "last"),
        (&format!("?ref={first}"), "first"),
        (&format!("?ref={short}"), "first"),
    ] {
        let lab = repo.caller(reference);
        lab.ok("init");
        assert_eq!(value(&lab), want, "{reference}");
    }
    let lab = repo.caller("?ref=fature/x");
    lab.fails("init", &["Error[SF2028]", "has no branch, tag or commit \"fature/x\"", "with module.m", "Did you mean \"feature/x\"?"]);
    let gone = "0123456789abcdef0123456789abcdef01234567";
    repo.caller(&format!("?ref={gone}")).fails("init", &["has no commit"]);
    repo.caller("//nowhere").fails("init", &["has no folder \"nowhere\""]);
    let lab = Lab::new("module \"m\" {\n  source = \"git::file:///nowhere/at/all\"\n}\n");
    lab.fails("init", &["could not be read: git says", "git ls-remote -- file:///nowhere/at/all"]);
    assert!(fetched(&lab).is_empty());
}

#[test]
fn modules_inside_fetched_modules() {
    let deep = Repo::new(&[("main.hcl", &says("deep"))]);
    let call = |source: &str| format!("module \"x\" {{\n  source = \"{source}\"\n}}\noutput \"v\" {{\n  value = module.x.v\n}}\n");
    let repo = Repo::new(&[
        ("a/main.hcl", &call("../b")),
        ("b/main.hcl", &call(&deep.url())),
        ("out/main.hcl", &call("../../out")),
        ("self/main.hcl", &call("../self")),
    ]);
    repo.commit(&[("again/main.hcl", &call(&format!("{}//again", repo.url())))]);
    let lab = repo.caller("//a");
    lab.ok("init").shows(&["- m in ", "- m.x in ", "- m.x.x in "]);
    assert_eq!(value(&lab), "deep");
    assert_eq!(fetched(&lab).len(), 2);
    repo.caller("//out").fails("init", &["Error[SF2029]", "leads out of the module's repository"]);
    repo.caller("//self").fails("init", &["Error[SF2022]: Module cycle"]);
    repo.caller("//again").fails("init", &["Error[SF2022]: Module cycle"]);
}

#[test]
fn links_that_lead_out_are_refused() {
    for to in ["/etc", "../../../../../..", "sub/../../.."] {
        let repo = Repo::new(&[("main.hcl", &says("x")), ("sub/a", "")]);
        std::os::unix::fs::symlink(to, repo.dir.path().join("link")).unwrap();
        repo.commit(&[]);
        let lab = repo.caller("");
        lab.fails("init", &["Error[SF2029]", "the link \"link\" leads out"]);
        assert!(fetched(&lab).is_empty());
    }
    let repo = Repo::new(&[("real/main.hcl", &says("linked"))]);
    std::os::unix::fs::symlink("real", repo.dir.path().join("alias")).unwrap();
    repo.commit(&[]);
    let lab = repo.caller("//alias");
    lab.ok("init");
    assert_eq!(value(&lab), "linked");
}

#[test]
fn a_killed_fetch_leaves_nothing_that_counts() {
    let repo = Repo::new(&[("main.hcl", &says("whole"))]);
    let lab = repo.caller("");
    lab.write(".streamform/modules/.fetch-abc/main.hcl", "half");
    lab.fails("plan", &["Error[SF2024]"]);
    lab.ok("init");
    assert_eq!(fetched(&lab).len(), 1);
    assert_eq!(value(&lab), "whole");
}

#[test]
fn credentials_are_nowhere() {
    let source = "git::https://someone:t0ken@127.0.0.1:1/r.git?ref=v1";
    let lab = Lab::new(&format!("module \"m\" {{ source = \"{source}\" }}\n"));
    for command in ["init", "get", "plan", "validate", "init -json", "validate -json"] {
        let s = lab.run(command);
        assert_eq!(s.code, 1, "{}", s.text);
        assert!(!s.text.contains("t0ken") && !s.text.contains("someone"), "{command}\n{}", s.text);
        assert!(s.text.contains("git::https://127.0.0.1:1/r.git?ref=v1") || s.text.contains("https://127.0.0.1:1/r.git"), "{}", s.text);
    }
    let kept = lab.files().into_iter().filter(|(p, _)| p.file_name().unwrap() != "main.hcl");
    assert!(kept.into_iter().all(|(_, bytes)| !String::from_utf8_lossy(&bytes).contains("t0ken")));
}

#[test]
fn without_git_there_is_a_plain_word() {
    let lab = Lab::new("module \"m\" {\n  source = \"git::https://127.0.0.1:1/r.git\"\n}\n");
    let s = screen(&lab.command(["init"]).env("PATH", "/nowhere").output().unwrap());
    assert_eq!(s.code, 1);
    s.shows(&["there is no git on the PATH", "hint: Install git"]);
}

#[test]
fn other_sources_are_refused_by_name() {
    for (source, word) in [
        ("terraform-aws-modules/vpc/aws", "an address in a module registry"),
        ("https://example.com/m.zip", "an archive or another kind of download"),
        ("modules/a", "hint: Write \"./modules/a\""),
    ] {
        Lab::new(&format!("module \"m\" {{\n  source = \"{source}\"\n}}\n")).fails("init", &[word]);
    }
}

#[test]
fn init_in_other_folders() {
    let lab = Lab::new("");
    std::fs::remove_file(lab.path().join("main.hcl")).unwrap();
    lab.ok("init").shows(&["no configuration in this folder yet"]);
    let repo = Repo::new(&[("sub/main.hcl", &says("copied")), ("sub/inner/a.hcl", "locals {}\n")]);
    let from = format!("-from-module={}//sub", repo.url());
    assert_eq!(lab.run_args(["init", &from]).code, 0);
    assert_eq!(lab.read("main.hcl"), says("copied"));
    assert!(Path::new(&lab.path().join("inner/a.hcl")).exists());
    let s = lab.run_args(["init", &from]);
    assert_eq!(s.code, 1);
    s.shows(&["this one holds some"]);
    lab.write("main.hcl", "streamform {\n  backend \"cloud\" {}\n}\n");
    lab.fails("init", &["Error[SF9002]"]);
    lab.ok("init -backend=false");
    // Each line is JSON.
    lab.write("main.hcl", "module \"a\" {\n  source = \"./inner\"\n}\n");
    let s = lab.ok("init -json -upgrade");
    let line: serde_json::Value = serde_json::from_str(s.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((line["type"].as_str(), line["dir"].as_str()), (Some("module"), Some("inner")));
}
