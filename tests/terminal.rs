//! What only shows on a terminal: prompts, the question before an apply, colour, the console's line editor. `script` makes the terminal.

mod common;

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::Lab;

const MAIN: &str = "variable \"need\" {\n  type        = number\n  description = \"How many.\"\n}\nresource \"null_resource\" \"r\" {\n  inputs = var.need\n}\n";

/// A command on a terminal of its own.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    fn open(lab: &Lab, args: &str, env: &[(&str, &str)]) -> Terminal {
        // A run in the background hands on that interrupts are ignored.
        let command = format!("env --default-signal=INT {} {args}", env!("CARGO_BIN_EXE_streamform"));
        let mut child = Command::new("script")
            .args(["-qfec", &command, "/dev/null"])
            .current_dir(lab.path())
            .env_remove("NO_COLOR")
            .env("TERM", "xterm")
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, screen) = channel();
        let mut out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = out.read(&mut bytes) {
                let _ = send.send(bytes[..n].to_vec());
            }
        });
        Terminal { keys: child.stdin.take().unwrap(), child, screen, seen: String::new() }
    }

    /// Waits until the screen says this, behind what was waited for before.
    fn says(&mut self, words: &str) -> &mut Self {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(at) = self.seen.find(words) {
                self.seen.drain(..at + words.len());
                return self;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("expected {words:?} in:\n{}", self.seen),
            }
        }
    }

    fn types(&mut self, keys: &str) -> &mut Self {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
        self
    }

    /// Waits for the end; the exit code and the rest of the screen.
    fn ends(mut self) -> (Option<i32>, String) {
        let end = Instant::now() + Duration::from_secs(30);
        let code = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status.code(),
                None if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
                None => {
                    self.child.kill().unwrap();
                    panic!("it does not end:\n{}", self.seen);
                }
            }
        };
        let mut rest = std::mem::take(&mut self.seen);
        while let Ok(bytes) = self.screen.recv_timeout(Duration::from_secs(5)) {
            rest.push_str(&String::from_utf8_lossy(&bytes));
        }
        (code, rest)
    }
}

#[test]
fn a_missing_variable_is_asked_for_and_the_apply_waits_for_yes() {
    let lab = Lab::new(MAIN);
    let mut t = Terminal::open(&lab, "apply", &[]);
    t.says("var.need").says("How many.").says("Enter a value: ").types("7\r").says("inputs = 7").says("Enter a value: ").types("y\r");
    let (code, rest) = t.ends();
    assert!(code == Some(1) && rest.contains("Apply cancelled. Nothing was changed."), "{code:?} {rest}");
    assert_eq!(lab.run("state list").stdout, "");

    let mut t = Terminal::open(&lab, "apply", &[("NO_COLOR", "1")]);
    t.says("Enter a value: ").types("\x04").says("\r\n╷").says("No value for required variable");
    assert_eq!(t.ends().0, Some(1));

    let mut t = Terminal::open(&lab, "apply", &[]);
    t.says("Enter a value: ").types("many\r");
    let (code, rest) = t.ends();
    assert!(code == Some(1) && rest.contains("var.need") && rest.contains("number"), "{code:?} {rest}");

    let mut t = Terminal::open(&lab, "apply -var need=8", &[]);
    t.says("Enter a value: ").types("yes\r").says("Creation complete").says("Apply complete!");
    assert_eq!(t.ends().0, Some(0));
    assert_eq!(lab.run("state list").stdout, "null_resource.r\n");

    // An interrupt at a question answers it.
    let mut t = Terminal::open(&lab, "destroy -var need=8", &[]);
    t.says("Enter a value: ").types("\u{3}");
    let (code, rest) = t.ends();
    assert!(code != Some(0), "{rest}");
    assert_eq!(lab.run("state list").stdout, "null_resource.r\n");
}

/// G11.11: the end of the input and bytes that are no text are answers, and not a yes.
#[test]
fn the_end_of_the_input_is_no_yes() {
    let lab = Lab::new(MAIN);
    for keys in ["\x04", "y\u{e9}s\r"] {
        let mut t = Terminal::open(&lab, "apply -var need=1", &[]);
        t.says("Enter a value: ").types(keys);
        let (code, rest) = t.ends();
        assert!(code == Some(1) && rest.contains("Apply cancelled. Nothing was changed."), "{code:?} {rest}");
    }
    let mut t = Terminal::open(&lab, "apply -var need=1", &[]);
    t.says("Enter a value: ").keys.write_all(b"\xff\xfe\r").unwrap();
    let (code, rest) = t.ends();
    assert!(code == Some(1) && rest.contains("Apply cancelled. Nothing was changed."), "{code:?} {rest}");
    assert_eq!(lab.run("state list").stdout, "");
}

#[test]
fn without_input_nothing_is_asked() {
    let lab = Lab::new(MAIN);
    let (code, rest) = Terminal::open(&lab, "plan -input=false", &[]).ends();
    assert!(code == Some(1) && rest.contains("SF2") && !rest.contains("Enter a value"), "{code:?} {rest}");
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let lab = Lab::new(MAIN);
    for (args, env, coloured) in [
        ("plan -var need=1", &[][..], true),
        ("plan -var need=1 -no-color", &[], false),
        ("plan -var need=1", &[("NO_COLOR", "1")], false),
        ("plan -var need=1", &[("TERM", "dumb")], false),
    ] {
        let (code, rest) = Terminal::open(&lab, args, env).ends();
        assert_eq!((code, rest.contains("\u{1b}[")), (Some(0), coloured), "{args} {env:?}\n{rest}");
    }
}

#[test]
fn the_console_edits_lines_and_remembers_them() {
    let lab = Lab::new(MAIN);
    let mut t = Terminal::open(&lab, "console -var need=20", &[]);
    // Backspace mends, an open bracket goes on, the arrow brings the last line back.
    t.says("> ")
        .types("var.need + 2x\u{7f}\r")
        .says("\r\n22\r\n")
        .says("> ")
        .types("[\r")
        .says(": ")
        .types("1,\r")
        .says(": ")
        .types("]\r")
        .says("  1,\r\n]");
    t.says("> ").types("\u{1b}[A").says("]").types("\u{3}").says("> ");
    t.types("nonsense\r").says("Error[SF").says("> ").types("upper(\"still here\")\r").says("\"STILL HERE\"").types("exit\r");
    assert_eq!(t.ends().0, Some(0));
    assert_eq!(lab.run("state list").stdout, "");
}

/// H7: on a terminal a line says which system is awaited, and goes when the answer is there.
#[test]
fn h7_a_line_says_what_is_awaited() {
    // It takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let source = format!("data \"kafka_cluster\" \"slow\" {{\n  bootstrap_servers = \"{}\"\n}}\n", silent.local_addr().unwrap());
    for command in ["plan", "drift"] {
        let lab = Lab::new(&source);
        let mut terminal = Terminal::open(&lab, command, &[]);
        terminal.says("Reading data.kafka_cluster.slow... [");
        terminal.types("\u{3}");
        assert_ne!(terminal.ends().0, Some(0));
    }
    let lab = Lab::new(&source);
    let elsewhere = lab.start("plan");
    std::thread::sleep(Duration::from_millis(2500));
    common::signal(&elsewhere, "INT");
    let out = elsewhere.wait_with_output().unwrap();
    assert!(!String::from_utf8_lossy(&out.stderr).contains("Reading"), "only on a terminal");
}
