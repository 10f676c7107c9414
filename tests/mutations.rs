//! Whatever a file, a stream or a command line holds, the program ends with an exit code of its own and says why: no panic, no signal, no hang.
//! Configurations of both forms, variable files, test files, lock files, console lines, saved plans, exports, the store's own files and
//! arguments are mutated, and the binary runs on them with 4 GB of address space.
//!
//! `MUTATIONS` says how many cases of each kind (12), `MUTATE_SECONDS` for how long instead, `FUZZ_SEED` which.

mod common;

#[path = "fuzzing/mutate.rs"]
mod mutate;

#[path = "differential/random.rs"]
mod random;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Lab, Screen, screen};
use mutate::mutate;
use random::Random;

/// No command may take longer, in a build without optimisation on a busy machine.
const LONGEST: Duration = Duration::from_secs(30);

/// A configuration that uses much of the language and no real system.
const MAIN: &str = r#"variable "n" {
  type    = map(object({ a = number, b = optional(list(string), ["x"]) }))
  default = { one = { a = 1 } }
  validation {
    condition     = length(var.n) < 9
    error_message = "too many"
  }
}
locals {
  text = <<-EOT
    %{for k, v in var.n~}
    ${k} = ${v.a + 1} ${format("%05.2f", v.a)}
    %{endfor~}
  EOT
  all = [for i, v in values(var.n)[*].a : { i = i, v = v } if v > 0]
}
resource "null_resource" "r" {
  for_each = var.n
  inputs   = { text = local.text, all = local.all, me = each.value, far = try(each.value.nothing, null) }
  secret   = sensitive("s-${each.key}")
  lifecycle {
    create_before_destroy = true
    ignore_changes        = [delay_ms]
    precondition {
      condition     = each.key != "two"
      error_message = "no ${each.key}"
    }
  }
}
moved {
  from = null_resource.old
  to   = null_resource.r["one"]
}
data "kafka_cluster" "k" {
  count             = 0
  bootstrap_servers = ["127.0.0.1:1"]
}
resource "kafka_topic" "t" {
  for_each = toset([])
  cluster  = data.kafka_cluster.k[0]
  name     = each.key
  config   = { "retention.ms" = 1 }
}
check "c" {
  assert {
    condition     = can(regex("^[a-z0-9 =.]+$", local.text)) || jsondecode("[1,2]")[1] == 2
    error_message = yamlencode({ a = [1, "b"] })
  }
}
output "o" {
  value     = null_resource.r
  sensitive = true
}
"#;

const JSON: &str = r#"{"variable":{"v":{"default":1}},"resource":{"null_resource":{"a":{"count":"${var.v}","inputs":["x",{"y":1.5e3}],"lifecycle":{"prevent_destroy":true}}}},"locals":[{"a":null}],"output":{"o":{"value":"${local.a}"}}}"#;

const TEST: &str = r#"variables {
  n = { two = { a = 2 } }
}
mock_provider "kafka" {
  alias = "m"
}
override_resource {
  target = null_resource.r
  values = { id = "x" }
}
run "plan" {
  command = plan
  variables {
    n = { one = { a = 1 } }
  }
  assert {
    condition     = length(null_resource.r) == 1
    error_message = "not one"
  }
}
"#;

const VALUES: &str = "n = {\n  one = { a = 1, b = [\"x\", \"y\"] }\n  \"t w o\" = { a = 2.5e1 }\n}\n";

const LINES: &str =
    "1 + 2\nlocal.text\n[for k, v in var.n : k]\nnull_resource.r[\"one\"].id\n{\n  a = 1\n}\ntype(var.n)\nhelp\n<<E\nx\nE\n";

const LOCK: &str =
    "module \"https://example.org/a.git\" {\n  commit = \"0123456789012345678901234567890123456789\"\n  ref    = \"v1\"\n}\n";

const ARGUMENTS: &[&str] = &[
    "plan",
    "validate",
    "state list",
    "state show",
    "show",
    "output",
    "graph",
    "explain",
    "fmt",
    "-",
    "-json",
    "-target=null_resource.r",
    "-target=",
    "-replace=x",
    "-var",
    "n={}",
    "-var=n=[",
    "-var-file=nothing",
    "-destroy",
    "-refresh-only",
    "-refresh=false",
    "-out=p",
    "-no-color",
    "-chdir=nothing",
    "-chdir=.",
    "--",
    "",
    "-h",
    "-exclude=module.a[\"\u{1}\"]",
    "-parallelism=0",
    "-lock-timeout=1x",
    "-detailed-exitcode=maybe",
    "kafka_topic",
    "null_resource.r[\"one\"]",
    "providers schema",
    "-generate-config-out=/dev/null/x",
    "\u{202e}",
    "state history",
];

struct Runs {
    random: Random,
    failures: Vec<String>,
    count: u64,
}

impl Runs {
    /// Runs it with this on standard input, and notes whatever must not be.
    fn run(&mut self, lab: &Lab, args: &[&str], input: &[u8], what: &[u8]) -> Option<Screen> {
        let began = Instant::now();
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -v 4000000; exec \"$@\"", "sh", "timeout", "-k", "1", "60", env!("CARGO_BIN_EXE_streamform")])
            .args(args);
        command.current_dir(lab.path()).env_clear().env("PATH", "/usr/bin:/bin").env("NO_COLOR", "1").env("HOME", lab.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // One that needs no input may have ended before it is written.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input);
        let out = child.wait_with_output().unwrap();
        self.count += 1;
        let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        let code = out.status.code().unwrap_or(-1);
        let mut wrong = Vec::new();
        if !(0..=3).contains(&code) {
            wrong.push(format!("it ends with {code} ({})", out.status));
        }
        if text.contains("panicked at") || text.contains("memory allocation of") || text.contains("overflowed its stack") {
            wrong.push("it panics".to_string());
        }
        if code == 1 && !["error", "fail", "usage:"].iter().any(|w| text.to_lowercase().contains(w)) {
            wrong.push("it fails without a word".to_string());
        }
        if began.elapsed() > LONGEST {
            wrong.push(format!("it takes {:?}", began.elapsed()));
        }
        // Terminals obey these: nothing but line breaks and tabs may come through.
        // What `fmt` writes is the file itself.
        if args[0] != "fmt" && text.chars().any(|c| c.is_control() && !"\n\t\r".contains(c)) {
            wrong.push("a control character comes through".to_string());
        }
        if !wrong.is_empty() {
            let shown: String = String::from_utf8_lossy(what).chars().take(1500).collect();
            let said: String = text.chars().take(800).collect();
            self.failures.push(format!("{args:?}: {}\n--- for\n{shown}\n--- it says\n{said}", wrong.join(", ")));
        }
        (String::from_utf8(out.stdout.clone()).is_ok() && String::from_utf8(out.stderr.clone()).is_ok()).then(|| screen(&out))
    }

    fn mutated(&mut self, seeds: &[&str]) -> Vec<u8> {
        let seeds: Vec<Vec<u8>> = seeds.iter().map(|s| s.as_bytes().to_vec()).collect();
        mutate(&mut self.random, &seeds)
    }
}

fn put(lab: &Lab, name: &str, bytes: &[u8]) {
    std::fs::write(lab.path().join(name), bytes).unwrap();
}

fn configuration(r: &mut Runs) {
    let bytes = r.mutated(&[MAIN]);
    let lab = Lab::new("");
    put(&lab, "main.hcl", &bytes);
    r.run(&lab, &["fmt", "-"], &bytes, &bytes);
    if let Some(s) = r.run(&lab, &["validate", "-json"], b"", &bytes)
        && serde_json::from_str::<serde_json::Value>(&s.stdout).is_err()
    {
        r.failures.push(format!("validate -json is no JSON for\n{}", String::from_utf8_lossy(&bytes)));
    }
    r.run(&lab, &["plan", "-input=false"], b"", &bytes);
}

fn json_configuration(r: &mut Runs) {
    let bytes = r.mutated(&[JSON]);
    let lab = Lab::new("");
    put(&lab, "main.hcl.json", &bytes);
    r.run(&lab, &["validate"], b"", &bytes);
    r.run(&lab, &["plan", "-json"], b"", &bytes);
}

fn values(r: &mut Runs) {
    let bytes = r.mutated(&[VALUES]);
    let lab = Lab::new(MAIN);
    put(&lab, "x.auto.tfvars", &bytes);
    r.run(&lab, &["plan"], b"", &bytes);
}

fn tests(r: &mut Runs) {
    let bytes = r.mutated(&[TEST]);
    let lab = Lab::new(MAIN);
    put(&lab, "a.sftest.hcl", &bytes);
    r.run(&lab, &["validate"], b"", &bytes);
    r.run(&lab, &["test"], b"", &bytes);
}

fn lock_file(r: &mut Runs) {
    let bytes = r.mutated(&[LOCK]);
    let lab = Lab::new(MAIN);
    put(&lab, ".streamform.lock.hcl", &bytes);
    r.run(&lab, &["plan"], b"", &bytes);
    r.run(&lab, &["init", "-lockfile=readonly"], b"", &bytes);
}

fn console(r: &mut Runs) {
    let bytes = r.mutated(&[LINES]);
    r.run(&Lab::new(MAIN), &["console"], &bytes, &bytes);
}

/// A saved plan of a change to a state, and an export of the state.
fn applied() -> (String, String) {
    let lab = Lab::new(MAIN);
    lab.apply();
    let export = lab.ok("state export").stdout;
    lab.write("main.hcl", &MAIN.replace("a = 1 }", "a = 3 }"));
    lab.ok("plan -out=a.plan");
    (lab.read("a.plan"), export)
}

fn saved_plan(r: &mut Runs, plan: &str) {
    let bytes = r.mutated(&[plan]);
    let lab = Lab::new(MAIN);
    put(&lab, "a.plan", &bytes);
    r.run(&lab, &["show", "a.plan"], b"", &bytes);
    r.run(&lab, &["apply", "a.plan"], b"", &bytes);
}

fn export(r: &mut Runs, export: &str) {
    let bytes = r.mutated(&[export]);
    let lab = Lab::new(MAIN);
    put(&lab, "e.jsonl", &bytes);
    r.run(&lab, &["state", "restore", "e.jsonl"], b"", &bytes);
    r.run(&lab, &["plan"], b"", &bytes);
    r.run(&lab, &["state", "list"], b"", &bytes);
}

fn store(r: &mut Runs, from: &Lab) {
    let lab = Lab::new(MAIN);
    assert!(Command::new("cp").arg("-r").arg(from.path().join("state")).arg(lab.path()).status().unwrap().success());
    let names = ["log", "gate", "key", "lock", "db/db", "db/conf", "backup.jsonl"];
    let path = lab.path().join("state").join(r.random.pick(&names));
    let Ok(bytes) = std::fs::read(&path) else { return };
    let bytes = mutate(&mut r.random, &[bytes]);
    std::fs::write(&path, &bytes).unwrap();
    let what = format!("{} of the store, {} bytes", path.file_name().unwrap().to_string_lossy(), bytes.len());
    r.run(&lab, &["state", "list"], b"", what.as_bytes());
    r.run(&lab, &["plan"], b"", what.as_bytes());
    r.run(&lab, &["apply", "-auto-approve"], b"", what.as_bytes());
    r.run(&lab, &["lock", "list"], b"", what.as_bytes());
}

fn arguments(r: &mut Runs) {
    let n = 1 + r.random.below(4);
    let words: Vec<&str> = (0..n).flat_map(|_| r.random.pick(ARGUMENTS).split(' ')).collect();
    let what = words.join(" ");
    r.run(&Lab::new(MAIN), &words, b"1\n", what.as_bytes());
}

#[test]
fn mutated_inputs() {
    let number = |name: &str| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    let (most, seconds) = (number("MUTATIONS").unwrap_or(12), number("MUTATE_SECONDS"));
    let mut r = Runs { random: Random(number("FUZZ_SEED").unwrap_or(1)), failures: vec![], count: 0 };
    let (plan, exported) = applied();
    let with_state = Lab::new(MAIN);
    with_state.apply();
    let began = Instant::now();
    let mut rounds = 0;
    while seconds.map_or(rounds < most, |s| began.elapsed() < Duration::from_secs(s)) && r.failures.len() < 10 {
        configuration(&mut r);
        json_configuration(&mut r);
        values(&mut r);
        tests(&mut r);
        lock_file(&mut r);
        console(&mut r);
        saved_plan(&mut r, &plan);
        export(&mut r, &exported);
        store(&mut r, &with_state);
        arguments(&mut r);
        rounds += 1;
    }
    println!("{} runs of the binary on {rounds} mutations of each kind", r.count);
    assert!(r.failures.is_empty(), "{}", r.failures.join("\n\n"));
}
