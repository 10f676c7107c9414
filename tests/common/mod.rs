//! A folder of its own for each test, and the binary run in it as a user runs it: as a process, with an environment that holds nothing.

#![allow(dead_code)]

pub mod real;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A folder with a configuration.
pub struct Lab {
    dir: tempfile::TempDir,
}

/// What a run left on the screen.
pub struct Screen {
    /// The whole: stdout, then stderr, then `exit N`.
    pub text: String,
    /// Standard output alone.
    pub stdout: String,
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
}

impl Lab {
    /// A folder with this as `main.hcl`.
    pub fn new(main: &str) -> Lab {
        Lab::within(&std::env::temp_dir(), main)
    }

    /// The same below another folder.
    pub fn within(parent: &Path, main: &str) -> Lab {
        let lab = Lab { dir: tempfile::tempdir_in(parent).unwrap() };
        lab.write("main.hcl", main);
        lab
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap()
    }

    /// A command in the folder, whose environment holds nothing but what it needs.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut c = Command::new(env!("CARGO_BIN_EXE_streamform"));
        c.args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("NO_COLOR", "1")
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.dir.path());
        c.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        c
    }

    /// Runs a command line, split at blanks.
    pub fn run(&self, line: &str) -> Screen {
        self.run_args(line.split_whitespace())
    }

    pub fn run_args<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Screen {
        screen(&self.command(args).output().unwrap())
    }

    /// Runs it with this on standard input.
    pub fn feed(&self, line: &str, input: &str) -> Screen {
        let mut child = self.command(line.split_whitespace()).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        screen(&child.wait_with_output().unwrap())
    }

    /// Starts it and does not wait.
    pub fn start(&self, line: &str) -> Child {
        self.command(line.split_whitespace()).spawn().unwrap()
    }

    /// Runs it and asserts that it ends with 0.
    pub fn ok(&self, line: &str) -> Screen {
        let s = self.run(line);
        assert_eq!(s.code, 0, "{line}\n{}", s.text);
        s
    }

    /// `apply -auto-approve`, which must end well.
    pub fn apply(&self) -> Screen {
        self.ok("apply -auto-approve")
    }

    /// Runs it and asserts that it ends with 1 and shows each of these.
    pub fn fails(&self, line: &str, telling: &[&str]) -> Screen {
        let s = self.run(line);
        assert_eq!(s.code, 1, "{line}\n{}", s.text);
        s.shows(telling);
        s
    }

    /// All files of the folder, with their bytes.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(dir: &Path, out: &mut Vec<(PathBuf, Vec<u8>)>) {
            for e in std::fs::read_dir(dir).unwrap() {
                let path = e.unwrap().path();
                if path.is_dir() {
                    walk(&path, out);
                } else {
                    let bytes = std::fs::read(&path).unwrap();
                    out.push((path, bytes));
                }
            }
        }
        let mut out = Vec::new();
        walk(self.path(), &mut out);
        out
    }
}

impl Screen {
    /// Asserts that each of these is on the screen.
    #[track_caller]
    pub fn shows(&self, telling: &[&str]) -> &Screen {
        for t in telling {
            assert!(self.text.contains(t), "not on the screen: {t}\n{}", self.text);
        }
        self
    }

    /// Asserts that none of these is on the screen.
    #[track_caller]
    pub fn hides(&self, words: &[&str]) -> &Screen {
        for w in words {
            assert!(!self.text.contains(w), "on the screen: {w}\n{}", self.text);
        }
        self
    }

    /// Asserts that this is on the screen exactly once.
    #[track_caller]
    pub fn once(&self, word: &str) -> &Screen {
        assert_eq!(self.text.matches(word).count(), 1, "{word}\n{}", self.text);
        self
    }
}

/// The screen of a process that ended.
pub fn screen(o: &Output) -> Screen {
    let (stdout, stderr) = (String::from_utf8(o.stdout.clone()).unwrap(), String::from_utf8(o.stderr.clone()).unwrap());
    let code = o.status.code().unwrap_or(-1);
    Screen { text: format!("{stdout}{stderr}exit {code}\n"), stdout, code }
}

/// Waits until something holds, at most 20 s.
#[track_caller]
pub fn until(what: &str, f: impl Fn() -> bool) {
    let began = Instant::now();
    while !f() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal by its name.
pub fn signal(child: &Child, name: &str) {
    let ok = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success();
    assert!(ok);
}

/// So many null_resources that take so long, in milliseconds.
pub fn many(n: usize, ms: u64) -> String {
    format!("resource \"null_resource\" \"r\" {{\n  count    = {n}\n  delay_ms = {ms}\n}}\n")
}

/// Steps one after the other, each of so many objects that take so long: what becomes ready together is made and recorded together.
pub fn stairs(steps: usize, width: usize, ms: u64) -> String {
    let step = |i: usize| {
        let after = if i == 0 { String::new() } else { format!("  depends_on = [null_resource.s{}]\n", i - 1) };
        format!("resource \"null_resource\" \"s{i}\" {{\n  count      = {width}\n  delay_ms   = {ms}\n{after}}}\n")
    };
    (0..steps).map(step).collect()
}

/// How many objects the state holds.
pub fn recorded(lab: &Lab) -> usize {
    lab.ok("state list").stdout.lines().count()
}

/// The state's export as older versions wrote it: without a last line, so that a test can alter it.
pub fn old_export(lab: &Lab) -> String {
    let export = lab.ok("state export").stdout;
    let lines = export.lines().filter(|l| !l.starts_with("{\"kind\":\"end\""));
    let head = |l: &str| l.replace("\"end\":true,", "").replace(",\"end\":true", "");
    lines.enumerate().map(|(i, l)| if i == 0 { head(l) + "\n" } else { format!("{l}\n") }).collect()
}
