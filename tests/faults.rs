//! The machine fails: disks that are full or broken, clocks that are wrong, signals, closed terminals, output that nobody takes, odd locales, files
//! without an end, exports that are damaged, two runs at once. Nothing is lost, nothing panics, and the next run goes on.

mod common;

use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Lab, Screen, many, recorded, screen, signal, stairs, until};

/// A library that stands between the program and the system, compiled from C.
fn preload(lab: &Lab, source: &str) -> PathBuf {
    lab.write("between.c", source);
    let out = lab.path().join("between.so");
    let cc = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&out).arg(lab.path().join("between.c")).arg("-ldl").status().unwrap();
    assert!(cc.success());
    out
}

/// Runs it behind such a library. Whatever happens, it does not panic.
fn behind(lab: &Lab, library: &Path, env: &str, value: &str, line: &str) -> Screen {
    let out = lab.command(line.split_whitespace()).env("LD_PRELOAD", library).env(env, value).output().unwrap();
    let s = screen(&out);
    assert!([0, 1].contains(&s.code), "{line} {value}\n{}", s.text);
    s.hides(&["panicked", "RUST_BACKTRACE"]);
    s
}

/// G11.1: from the N-th flush on, the disk reports an error.
#[test]
fn a_disk_that_breaks_at_any_flush_is_an_error_and_the_next_apply_goes_on() {
    let lab = Lab::new(&stairs(3, 2, 0));
    let library = preload(
        &lab,
        r#"#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
static int calls;
static int broken(void) { return __sync_add_and_fetch(&calls, 1) >= atoi(getenv("BREAKS_AT")); }
int fsync(int f) { if (broken()) { errno = EIO; return -1; } return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(f); }
int fdatasync(int f) { if (broken()) { errno = EIO; return -1; } return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(f); }
int sync_file_range(int f, long a, long n, unsigned how) {
  if (broken()) { errno = EIO; return -1; }
  return ((int (*)(int, long, long, unsigned))dlsym(RTLD_NEXT, "sync_file_range"))(f, a, n, how);
}
"#,
    );
    let mut broke = 0;
    for at in 1..200 {
        let _ = std::fs::remove_dir_all(lab.path().join("state"));
        let s = behind(&lab, &library, "BREAKS_AT", &at.to_string(), "apply -auto-approve");
        if s.code == 0 {
            break;
        }
        broke += 1;
        s.shows(&["Error[SF5006]"]);
        lab.apply();
        assert_eq!(recorded(&lab), 6, "broken at flush {at}");
        lab.ok("plan -detailed-exitcode");
    }
    assert!((5..199).contains(&broke), "{broke}");
}

/// G11.1.
#[test]
fn a_wrong_clock_is_an_error() {
    let lab = Lab::new(&many(1, 0));
    let library = preload(
        &lab,
        r#"#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *t) {
  int out = ((int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime"))(clock, t);
  if (clock == CLOCK_REALTIME) t->tv_sec = atoll(getenv("NOW"));
  return out;
}
"#,
    );
    for now in ["-5", "253402300799", "300000000000"] {
        for line in ["plan", "apply -auto-approve", "state list", "drift"] {
            let s = behind(&lab, &library, "NOW", now, line);
            assert_eq!(s.code, 1, "{now} {line}");
            s.shows(&["Error[SF9010]: Clock is wrong", "hint: Set the clock"]);
        }
    }
    // Odd and possible.
    assert_eq!(behind(&lab, &library, "NOW", "0", "apply -auto-approve").code, 0);
    assert_eq!(behind(&lab, &library, "NOW", "32503680000", "plan -detailed-exitcode").code, 0);
    lab.ok("state history");
}

/// G11.9.
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let lab = Lab::new(&format!("{}output \"o\" {{\n  value = 1\n}}\n", many(2, 0)));
    let full = |line: &str| {
        let to = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let out = lab.command(line.split(' ')).stdout(Stdio::from(to)).output().unwrap();
        assert_eq!(out.status.code(), Some(1), "{line}");
        let stderr = String::from_utf8(out.stderr).unwrap();
        assert!(stderr.contains("Error[SF9009]: Output is not complete") && stderr.contains("no space left on device"), "{line}\n{stderr}");
    };
    full("plan");
    full("apply -auto-approve");
    // The work was done all the same.
    assert_eq!(recorded(&lab), 2);
    for line in [
        "output -json",
        "show -json",
        "validate -json",
        "graph",
        "state list",
        "state show null_resource.r[0]",
        "plan -json",
        "explain",
        "drift",
    ] {
        full(line);
    }
    // A reader that has seen enough is no error.
    for line in ["state export", "show -json", "plan", "state list"] {
        let mut child = lab.start(line);
        drop(child.stdout.take());
        let s = screen(&child.wait_with_output().unwrap());
        assert_eq!((s.code, s.text.contains("Error")), (0, false), "{line}\n{}", s.text);
    }
}

/// G11.10: as an interrupt does, a closed terminal lets what has begun finish.
#[test]
fn a_closed_terminal_ends_an_apply_as_an_interrupt_does() {
    let lab = Lab::new(&stairs(2, 2, 1500));
    for name in ["HUP", "TERM"] {
        let mut child = lab.start("apply -auto-approve");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|l| l.contains("Creating...")));
        // Nobody reads the screen any more.
        drop(lines);
        drop(child.stderr.take());
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(1), "{name}");
        assert_eq!(recorded(&lab), 2, "{name}");
        assert!(!lab.ok("state export").stdout.contains("\"begun\""));
        lab.apply();
        assert_eq!(recorded(&lab), 4);
        lab.ok("destroy -auto-approve");
    }
}

#[test]
fn a_stopped_apply_keeps_its_lock_and_goes_on() {
    let lab = Lab::new(&many(2, 700));
    let child = lab.start("apply -auto-approve");
    until("it holds the lock", || lab.run("lock list").stdout.contains("Locked: apply"));
    signal(&child, "STOP");
    lab.fails("apply -auto-approve", &["Error[SF5001]: State is locked"]);
    lab.fails("lock break -force", &[]);
    // It may have been stopped in the middle of a write.
    let s = lab.run("plan");
    assert!(s.code == 0 || s.text.contains("Error[SF5008]: State is in use"), "{}", s.text);
    signal(&child, "CONT");
    assert_eq!(screen(&child.wait_with_output().unwrap()).code, 0);
    assert_eq!(recorded(&lab), 2);
    lab.ok("plan -detailed-exitcode");
}

#[test]
fn of_many_applies_at_once_each_is_done_or_refused() {
    let lab = Lab::new(&stairs(2, 3, 50));
    let all: Vec<_> =
        (0..6).map(|i| lab.start(if i % 2 == 0 { "apply -auto-approve" } else { "apply -auto-approve -lock-timeout=30s" })).collect();
    let screens: Vec<Screen> = all.into_iter().map(|c| screen(&c.wait_with_output().unwrap())).collect();
    for s in &screens {
        assert!(s.code == 0 || s.text.contains("Error[SF5001]"), "{}", s.text);
    }
    let added = screens.iter().filter(|s| s.text.contains("Resources: 6 added")).count();
    assert_eq!(added, 1, "{:?}", screens.iter().map(|s| &s.text).collect::<Vec<_>>());
    assert_eq!(recorded(&lab), 6);
    lab.ok("plan -detailed-exitcode");
}

#[test]
fn no_locale_and_no_time_zone_changes_what_is_said() {
    let lab = Lab::new(&format!(
        "{}output \"o\" {{\n  value = \"İıß é 1.5 ${{upper(\"iı\")}}\"\n}}\nresource \"nonsense\" \"n\" {{}}\n",
        many(1, 0)
    ));
    let run = |env: &[(&str, &str)], line: &str| {
        let out = lab.command(line.split(' ')).envs(env.iter().copied()).output().unwrap();
        screen(&out).text
    };
    let odd = [
        ("LC_ALL", "C"),
        ("LC_ALL", "tr_TR.UTF-8"),
        ("LANG", "ja_JP.SJIS"),
        ("LC_ALL", "nonsense"),
        ("TZ", "Pacific/Apia"),
        ("TZ", ":/dev/null"),
    ];
    for line in ["plan", "validate", "nonsense", "plan -target=resource.x"] {
        let plain = run(&[], line);
        for env in odd {
            assert_eq!(run(&[env], line), plain, "{env:?} {line}");
        }
    }
}

/// G11.12.
#[test]
fn a_folder_whose_name_is_no_text_can_be_used() {
    let lab = Lab::new(&many(1, 0));
    let name = std::ffi::OsStr::from_bytes(b"-chdir=\xff");
    std::fs::create_dir(lab.path().join(std::ffi::OsStr::from_bytes(b"\xff"))).unwrap();
    let line = |command: &str| [name, std::ffi::OsStr::new(command)].map(std::ffi::OsStr::to_os_string);
    let s = lab.run_args(line("plan"));
    assert!(s.text.contains("SF2") && !s.text.contains("unexpected argument"), "{}", s.text);
    std::fs::copy(lab.path().join("main.hcl"), lab.path().join(std::ffi::OsStr::from_bytes(b"\xff/main.hcl"))).unwrap();
    assert_eq!(lab.run_args(line("plan")).code, 0);
}

/// G9, G11.16: whatever has no end is refused within the memory of a small machine.
#[test]
fn files_without_an_end_are_refused() {
    let lab = Lab::new("output \"x\" {\n  value = length(file(\"/dev/zero\"))\n}\n");
    let small = |line: &str| {
        let command = format!("ulimit -v 4000000; exec {} {line}", env!("CARGO_BIN_EXE_streamform"));
        let out = Command::new("sh").arg("-c").arg(command).current_dir(lab.path()).env("NO_COLOR", "1").output().unwrap();
        let s = screen(&out);
        assert_eq!(s.code, 1, "{line}\n{}", s.text);
        s.hides(&["panicked", "memory allocation"]);
        s
    };
    small("plan").shows(&["failed to read \"/dev/zero\": "]);
    lab.write("main.hcl", &many(1, 0));
    small("plan -var-file=/dev/zero");
    small("apply /dev/zero").shows(&["SF3"]);
    small("show /dev/zero");
    small("state restore /dev/zero");
    small("fmt - </dev/zero");
    std::os::unix::fs::symlink("/dev/zero", lab.path().join("more.hcl")).unwrap();
    lab.ok("plan");
}

/// G9: depth and counts.
#[test]
fn no_depth_and_no_count_ends_the_program() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let lab = Lab::new("output \"x\" {\n  value = try(length(jsondecode(file(\"deep.json\"))), \"too deep\")\n}\n");
    lab.write("deep.json", &deep(30_000));
    lab.ok("plan").shows(&["x = \"too deep\""]);
    lab.write("deep.json", &deep(9_000));
    lab.ok("plan").shows(&["x = 1"]);
    // What is too deep for the state only is refused by its own name.
    lab.write("main.hcl", "output \"x\" {\n  value = jsondecode(file(\"deep.json\"))\n}\n");
    lab.fails("plan", &["Error[SF5020]", "The value of the output \"x\" has 9000 levels"]);
    lab.write("main.hcl", "output \"x\" {\n  value = jsonencode(jsondecode(file(\"deep.json\"))) == file(\"deep.json\")\n}\n");
    lab.ok("plan").shows(&["x = true"]);
    // A chain of values that each hold the one before.
    let chain: String = (1..15_000).map(|i| format!("  a{i} = [local.a{}]\n", i - 1)).collect();
    lab.write("main.hcl", &format!("locals {{\n  a0 = []\n{chain}}}\noutput \"x\" {{\n  value = length(local.a14999)\n}}\n"));
    lab.fails("plan", &["Error[SF1002]: Nested too deep", "has 10001 levels"]);

    let cluster = |line: &str| format!("resource \"kafka_cluster\" \"c\" {{\n  {line}\n}}\n");
    let connect = |line: &str| format!("{}resource \"kafka_connect\" \"w\" {{\n  cluster = kafka_cluster.c\n  {line}\n}}\n", cluster(""));
    for (name, of) in [
        ("brokers", &cluster as &dyn Fn(&str) -> String),
        ("controllers", &cluster),
        ("min_replicas", &connect),
        ("max_replicas", &connect),
    ] {
        for n in ["1000000000", "1e300", "-1", "0.5"] {
            lab.write("main.hcl", &of(&format!("{name} = {n}")));
            for line in ["validate", "plan"] {
                lab.fails(line, &["Error[SF8012]", &format!("`{name}` is"), "Use a whole number from"]).once("Error[");
            }
        }
    }
    lab.write("main.hcl", "output \"x\" {\n  value = pow(10, 1000000000)\n}\n");
    lab.fails("plan", &["Error[SF1033]: Number out of range"]).hides(&["zero"]);
    lab.write("main.hcl", "output \"x\" {\n  value = 1 / 0\n}\n");
    lab.fails("plan", &["Error[SF1014]: Division by zero"]);
}

/// G11.2: an export has a last line with count and digest.
#[test]
fn a_damaged_export_is_not_restored() {
    let lab = Lab::new(&many(20, 0));
    lab.apply();
    let export = lab.ok("state export").stdout;
    let lines: Vec<&str> = export.lines().collect();
    assert_eq!(lines.len(), 22);
    let before = lab.ok("state list").stdout;
    let refused = |text: &[u8], how: &str| {
        std::fs::write(lab.path().join("bad.jsonl"), text).unwrap();
        let s = lab.run("state restore bad.jsonl");
        assert!(s.code == 1 && s.text.contains("Error[SF5"), "{how}\n{}", s.text);
        assert_eq!(lab.ok("state list").stdout, before, "{how}");
    };
    for n in [1, 7, 21] {
        refused((lines[..n].join("\n") + "\n").as_bytes(), "cut at the end of a line");
    }
    for n in [0, 3, 21] {
        let mut doubled = lines.clone();
        doubled.insert(n, lines[n]);
        refused((doubled.join("\n") + "\n").as_bytes(), "a line twice");
    }
    let mut swapped = lines.clone();
    swapped.swap(2, 9);
    refused((swapped.join("\n") + "\n").as_bytes(), "lines swapped");
    for at in (0..export.len() - 1).step_by(97) {
        let mut bytes = export.clone().into_bytes();
        bytes[at] ^= 1;
        refused(&bytes, &format!("a bit of byte {at} flipped"));
    }
    lab.write("good.jsonl", &export);
    lab.ok("state restore good.jsonl");
    assert_eq!(lab.ok("state export").stdout, export);
}

/// G11.3: a cloned repository may hold links where files of ours belong. Nothing is written through them.
#[test]
fn links_in_place_of_files_are_not_followed() {
    let lab = Lab::new("resource \"null_resource\" \"n\" {\n  inputs = 1\n}\nresource \"secret\" \"s\" {\n  generate = [\"pw\"]\n}\n");
    let outside = tempfile::tempdir().unwrap();
    let precious = outside.path().join("precious");
    let state = lab.path().join("state");
    for name in ["lock", "gate", "key", "log", "backup.jsonl", "db", "../.streamform/secrets/s/pw"] {
        let _ = (std::fs::remove_dir_all(&state), std::fs::remove_dir_all(lab.path().join(".streamform")));
        std::fs::create_dir_all(&state).unwrap();
        std::fs::write(&precious, "precious").unwrap();
        let folder = outside.path().join("folder");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("file"), "mine").unwrap();
        let link = state.join(name);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(if name == "db" { &folder } else { &precious }, &link).unwrap();
        let s = lab.run("apply -auto-approve");
        // What is derived is made anew in place of the link.
        assert!(s.code == 1 || ["log", "backup.jsonl"].contains(&name), "{name}\n{}", s.text);
        s.hides(&["panicked"]);
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious", "{name}");
        let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["file"], "{name}");
    }
}

/// A small disk of its own; gone with the test.
struct Disk(std::path::PathBuf);

impl Disk {
    /// `None` where this user may not mount one.
    fn new(at: std::path::PathBuf) -> Option<Disk> {
        std::fs::create_dir_all(&at).unwrap();
        let out = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs"]).arg(&at).output();
        match out.is_ok_and(|o| o.status.success()) {
            true => Some(Disk(at)),
            false => {
                eprintln!("SKIPPED: a disk that is full needs the right to mount one");
                None
            }
        }
    }

    fn remount(&self, how: &str) {
        let out = std::process::Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.0).status().unwrap();
        assert!(out.success());
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_said_once_and_the_next_apply_goes_on() {
    let lab = Lab::new(&stairs(20, 3, 200));
    let Some(disk) = Disk::new(lab.path().join("state")) else { return };
    let child = lab.start("apply -auto-approve");
    until("some done", || recorded(&lab) >= 4);
    disk.fill();
    let s = screen(&child.wait_with_output().unwrap());
    assert_eq!(s.code, 1, "{}", s.text);
    assert_eq!(s.text.matches("Error[").count(), 1, "{}", s.text);
    s.shows(&["Error[SF5007]: Disk is full", "hint: Free some space", "Not carried out (", "Apply incomplete!"]);
    s.shows(&["(the state cannot be written)"]);
    // Still full: said once, too, and nothing is begun.
    let s = lab.run("apply -auto-approve");
    assert_eq!((s.code, s.text.matches("Error[").count()), (1, 1), "{}", s.text);
    std::fs::remove_file(lab.path().join("state/filler")).unwrap();
    lab.write("main.hcl", &stairs(20, 3, 0));
    lab.apply();
    assert_eq!(recorded(&lab), 60);
    lab.ok("plan -detailed-exitcode");
}

#[test]
fn a_disk_that_is_read_only_is_said_once_and_the_next_apply_goes_on() {
    let lab = Lab::new(&many(2, 0));
    let Some(disk) = Disk::new(lab.path().join("state")) else { return };
    lab.apply();
    disk.remount("ro");
    lab.write("main.hcl", &many(3, 0));
    let s = lab.run("apply -auto-approve");
    assert_eq!((s.code, s.text.matches("Error[").count()), (1, 1), "{}", s.text);
    s.shows(&["Error[SF5005]: State cannot be written", "hint: Give this user the right"]);
    lab.ok("plan").shows(&["Plan: 1 to add"]);
    disk.remount("rw");
    lab.apply().shows(&["1 added"]);
}
