//! The console: what it answers, what goes on over several lines, and what it makes of errors.

mod common;

use common::Lab;

const MAIN: &str = "variable \"need\" {}\nvariable \"s\" {\n  default   = \"hunter2\"\n  sensitive = true\n}\nlocals {\n  m = { a = 1, \"b c\" = [true, null] }\n}\nresource \"null_resource\" \"r\" {\n  inputs = 5\n}\n";

/// What Terraform's console answers to the same.
#[test]
fn a_pipe_gets_the_last_answer() {
    let lab = Lab::new(MAIN);
    for (input, stdout) in [
        ("1 + 1\n", "2\n"),
        ("1\n2\n", "2\n"),
        ("1\n\n", "\n"),
        ("", "\n"),
        ("1\nexit\n2\n", ""),
        ("1 # one\n", "1\n"),
        ("/* two */ 2 // three\n", "2\n"),
        ("1 +\\\n2\n", "3\n"),
        ("{\n  a = 1\n}\n", "{\n  \"a\" = 1\n}\n"),
        ("upper(<<EOT\nhi\nEOT\n)\n", "<<EOT\nHI\n\nEOT\n"),
        ("local.m\n", "{\n  \"a\" = 1\n  \"b c\" = [\n    true,\n    null,\n  ]\n}\n"),
        ("type(local.m.a)\n", "number\n"),
        ("var.s\n", "(sensitive value)\n"),
        ("[var.s, 1]\n", "[\n  (sensitive value),\n  1,\n]\n"),
        // A variable that nothing gives a value is no error here.
        ("var.need\n", "(known after apply)\n"),
        ("\"${var.need}-x\"\n", "(known after apply)\n"),
        ("null_resource.r.inputs\n", "5\n"),
        ("tostring(null)\n", "tostring(null)\n"),
        ("toset([\"a\"])\n", "toset([\n  \"a\",\n])\n"),
    ] {
        let s = lab.feed("console", input);
        assert_eq!((s.stdout.as_str(), s.code), (stdout, 0), "{input:?}\n{}", s.text);
    }
    let s = lab.feed("console -var need=x", "var.need\n");
    assert_eq!(s.stdout, "\"x\"\n");
    let mut env = lab.command(["console"]);
    env.env("SF_VAR_need", "from the environment").stdin(std::process::Stdio::piped());
    let mut child = env.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"var.need\n").unwrap();
    assert_eq!(common::screen(&child.wait_with_output().unwrap()).stdout, "\"from the environment\"\n");
}

#[test]
fn an_error_ends_a_pipe() {
    let lab = Lab::new(MAIN);
    for (input, telling) in [
        ("1 +\n", "Error[SF1001]"),
        ("upper(\n", "Error[SF1001]"),
        ("local.mm\n2\n", "Did you mean local.m?"),
        ("type(1) == type(2)\n", "Error[SF"),
        ("upper(1, 2)\n", "Too many function arguments"),
    ] {
        let s = lab.feed("console", input);
        assert_eq!((s.stdout.as_str(), s.code), ("", 1), "{input:?}\n{}", s.text);
        s.shows(&[telling]);
    }
    lab.feed("console", "local.mm\n").shows(&["│      1: local.mm\n│         ^^^^^^^^\n"]);
}

#[test]
fn help_and_an_empty_folder() {
    let lab = Lab::new("");
    std::fs::remove_file(lab.path().join("main.hcl")).unwrap();
    assert_eq!(lab.feed("console", "max(1, 2)\n").stdout, "2\n");
    lab.feed("console", "help\n").shows(&["Control-D ends the console"]);
}
