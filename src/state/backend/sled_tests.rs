//! The store on real disks: what is written is there after a kill, for readers beside the writer, and in the history.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::addr::InstanceAddr;
use crate::op::Verb;
use crate::op::{Key, Op, OpAction, Place};
use crate::schema::{Attribute, Body, Schema};
use crate::state::testing::{Store, now};
use crate::state::{Access, Deposing, Intent, Ledger, Outcome, OutputRecord, Record, Schemas, Snapshot};
use crate::value::{Type, Value};

static SCHEMA: std::sync::LazyLock<Schema> = std::sync::LazyLock::new(|| Schema {
    version: 1,
    doc: "",
    body: Body {
        attributes: vec![
            Attribute::optional("n", Type::Number, ""),
            Attribute::optional("filler", Type::String, ""),
            Attribute::optional("secret", Type::String, "").sensitive(),
        ],
        blocks: vec![],
    },
});

fn schemas() -> Arc<dyn Schemas> {
    Arc::new(|_: &crate::addr::ResourceAddr| Some(&*SCHEMA))
}

fn open(dir: &Path, access: Access) -> Store {
    Store::open(dir, access, schemas()).unwrap()
}

fn addr(name: &str) -> InstanceAddr {
    format!("t.{name}").parse().unwrap()
}

fn record(name: &str, n: i64, filler: usize) -> Record {
    Record {
        addr: addr(name),
        provider: String::new(),
        schema_version: 1,
        attributes: Value::object_from([
            ("n", Value::from(n)),
            ("filler", Value::from("x".repeat(filler))),
            ("secret", Value::from("CANARY-of-the-store")),
        ]),
        private: json!({"n": n}),
        dependencies: vec![],
        tainted: false,
        protected: false,
        create_before_destroy: false,
    }
}

fn done(name: &str, n: i64) -> Outcome {
    Outcome { addr: addr(name), record: Some(record(name, n, 10)) }
}

fn intent(name: &str, n: i64) -> Intent {
    Intent { addr: addr(name), verb: Verb::Update, record: record(name, n, 10), ops: vec![] }
}

fn number(s: &Snapshot, name: &str) -> Option<i64> {
    s.records.get(&addr(name)).and_then(|r| r.attributes.get("n")?.as_i64())
}

fn code<T>(r: Result<T, Diagnostic>) -> &'static str {
    r.err().map_or("none", |d| d.code.id)
}

#[test]
fn journal_records_and_outputs_survive_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Access::Write);
    store.begin_generation("apply").unwrap();
    store.begin(&[intent("a", 1), intent("b", 1)]).unwrap();
    store.finish(&[done("a", 1)]).unwrap();
    let outputs = [("o".into(), OutputRecord { value: Value::from("v"), sensitive: false })].into();
    store.put_outputs(&outputs).unwrap();
    store.close().unwrap();
    let s = open(dir.path(), Access::Read).snapshot().unwrap();
    assert_eq!((s.records.len(), number(&s, "a"), s.serial), (1, Some(1), 2));
    assert_eq!(s.in_doubt.iter().map(|d| (d.addr.to_string(), d.verb)).collect::<Vec<_>>(), [("t.b".to_string(), Verb::Update)]);
    assert_eq!(s.outputs["o"].value, Value::from("v"));
    assert!(!s.lineage.is_empty());
    let again = open(dir.path(), Access::Write);
    again.put_outputs(&outputs).unwrap();
    assert_eq!(again.snapshot().unwrap().serial, 2, "nothing changed");
    again.remove(&[addr("b"), addr("nothing")]).unwrap();
    let s = again.snapshot().unwrap();
    assert_eq!((s.in_doubt.len(), s.lineage), (0, open(dir.path(), Access::Read).snapshot().unwrap().lineage));
}

#[test]
fn an_absent_store_is_empty_and_reading_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("state"), Access::Read);
    let s = store.snapshot().unwrap();
    assert_eq!((s.records.len(), s.lineage.as_str(), s.serial), (0, "", 0));
    assert!(store.history().unwrap().is_empty());
    assert_eq!(code(store.export(&mut Vec::new())), codes::NO_STATE.id);
    assert!(!dir.path().join("state").exists());
    assert_eq!(code(store.finish(&[done("a", 1)])), codes::NOT_WRITABLE.id);
}

#[test]
fn a_digest_made_before_the_first_apply_still_holds() {
    let dir = tempfile::tempdir().unwrap();
    let secret = Value::from("s");
    // As plan -out does it.
    now(Ledger::ensure_key(&Sled::new(dir.path()))).unwrap();
    let before = open(dir.path(), Access::Read).digest(&secret);
    assert_eq!(open(dir.path(), Access::Write).digest(&secret), before);
    let other = tempfile::tempdir().unwrap();
    assert_ne!(open(other.path(), Access::Write).digest(&secret), before, "the key is random");
}

#[test]
fn moves_swap_and_refuse() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Access::Write);
    store.begin_generation("apply").unwrap();
    store.finish(&[done("a", 1), done("b", 2)]).unwrap();
    store.begin(&[intent("a", 3)]).unwrap();
    assert_eq!(code(store.mv(&[(addr("a"), addr("b"))])), codes::OCCUPIED.id);
    assert_eq!(code(store.mv(&[(addr("c"), addr("d"))])), codes::NO_RECORD.id);
    assert_eq!(code(store.mv(&[(addr("a"), addr("x")), (addr("b"), addr("x"))])), codes::OCCUPIED.id);
    store.mv(&[(addr("a"), addr("b")), (addr("b"), addr("a"))]).unwrap();
    let s = store.snapshot().unwrap();
    assert_eq!((number(&s, "a"), number(&s, "b")), (Some(2), Some(1)));
    assert_eq!(s.in_doubt[0].addr, addr("b"));
    store.mv(&[(addr("a"), addr("c"))]).unwrap();
    let s = store.snapshot().unwrap();
    assert_eq!((number(&s, "a"), number(&s, "c")), (None, Some(2)));
}

#[test]
fn history_goes_back_and_is_pruned() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Access::Write);
    for n in 1..=60 {
        assert_eq!(store.begin_generation("apply").unwrap(), n);
        let mut outcomes = vec![done("a", n as i64), done(&format!("only{n}"), 0)];
        if n > 1 {
            outcomes.push(Outcome { addr: addr(&format!("only{}", n - 1)), record: None });
        }
        store.finish(&outcomes).unwrap();
        // Twice in one generation: going back means going before the first.
        store.finish(&[done("a", n as i64 + 1000)]).unwrap();
    }
    store.close().unwrap();
    let store = open(dir.path(), Access::Read);
    let history = store.history().unwrap();
    assert_eq!(history.iter().map(|g| g.number).collect::<Vec<_>>(), (11..=60).collect::<Vec<_>>());
    let g = &history[20];
    assert_eq!((g.operation.as_str(), g.created, g.updated, g.deleted), ("apply", 1, 2, 1));
    for n in [10, 11, 37, 59, 60] {
        let s = store.snapshot_at(n).unwrap();
        let names: Vec<String> = s.records.keys().map(ToString::to_string).collect();
        assert_eq!(names, ["t.a".to_string(), format!("t.only{n}")]);
        assert_eq!(number(&s, "a"), Some(n as i64 + 1000));
    }
    assert_eq!(code(store.snapshot_at(9)), codes::NO_GENERATION.id);
    assert_eq!(code(store.snapshot_at(61)), codes::NO_GENERATION.id);
}

#[test]
fn a_generation_without_changes_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Access::Write);
    store.begin_generation("apply").unwrap();
    store.finish(&[done("a", 1)]).unwrap();
    store.begin_generation("apply").unwrap();
    store.finish(&[done("a", 1)]).unwrap();
    assert_eq!((store.history().unwrap().len(), store.snapshot().unwrap().serial), (1, 1));
    assert_eq!(number(&store.snapshot_at(0).unwrap(), "a"), None);
}

#[test]
fn exports_restore_elsewhere() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(one.path(), Access::Write);
    store.begin_generation("apply").unwrap();
    store.finish(&[done("a", 1), done("b", 2)]).unwrap();
    store.begin(&[intent("c", 3)]).unwrap();
    store.put_outputs(&[("o".into(), OutputRecord { value: Value::from(1i64), sensitive: false })].into()).unwrap();
    let mut text = Vec::new();
    open(one.path(), Access::Read).export(&mut text).unwrap();
    let other = open(two.path(), Access::Write);
    other.import(&mut text.as_slice()).unwrap();
    let (a, b) = (store.snapshot().unwrap(), other.snapshot().unwrap());
    assert_eq!((format!("{:?}", a.records), format!("{:?}", a.in_doubt)), (format!("{:?}", b.records), format!("{:?}", b.in_doubt)));
    assert_eq!((&a.lineage, a.outputs["o"].value.clone()), (&b.lineage, b.outputs["o"].value.clone()));
    assert!(b.serial > a.serial);
    // As one generation, which can be undone.
    assert!(other.snapshot_at(0).unwrap().records.is_empty());
    // Replaces what is there; and not by halves.
    store.finish(&[done("z", 9)]).unwrap();
    let cut = &text[..text.len() - 20];
    let line = "{\"format\":1,\"lineage\":\"x\",\"serial\":1}\n";
    let no_record = format!("{line}{{\"kind\":\"record\",\"name\":\"t.a\",\"value\":{{}}}}\n");
    for bad in [cut, b"", b"{}\n", b"no json\n", no_record.as_bytes(), &[line.as_bytes(), b"\xff\n"].concat()] {
        assert_eq!(code(store.import(&mut &bad[..])), codes::BAD_EXPORT.id, "{}", String::from_utf8_lossy(bad));
    }
    assert_eq!(number(&store.snapshot().unwrap(), "z"), Some(9));
    store.import(&mut text.as_slice()).unwrap();
    assert_eq!(number(&store.snapshot().unwrap(), "z"), None);
    let strange = tempfile::tempdir().unwrap();
    let third = open(strange.path(), Access::Write);
    third.finish(&[done("a", 1)]).unwrap();
    assert_eq!(code(third.import(&mut text.as_slice())), codes::OTHER_LINEAGE.id);
    let newer = String::from_utf8(text).unwrap().replacen("\"format\":2", "\"format\":3", 1);
    assert_eq!(code(third.import(&mut newer.as_bytes())), codes::NEWER_FORMAT.id);
}

#[test]
fn a_newer_store_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Access::Write);
    store.finish(&[done("a", 1)]).unwrap();
    store.close().unwrap();
    let backend = Sled::new(dir.path());
    now(backend.open(upgrade::check_head)).unwrap();
    let Loaded { revision, content } = now(backend.load()).unwrap().unwrap();
    let mut head: serde_json::Value = serde_json::from_slice(&content[HEAD]).unwrap();
    head["format"] = (upgrade::FORMAT + 1).into();
    let changes = [(HEAD.to_vec(), Some(head.to_string().into_bytes()))].into();
    now(backend.commit(revision, 0, Batch { changes, prune: None })).unwrap();
    now(backend.close()).unwrap();
    let before = fingerprint(dir.path());
    assert_eq!(code(Store::open(dir.path(), Access::Write, schemas())), codes::NEWER_FORMAT.id);
    assert_eq!(code(open(dir.path(), Access::Read).snapshot()), codes::NEWER_FORMAT.id);
    assert_eq!(fingerprint(dir.path()), before);
}

/// The content of every file of the database.
fn fingerprint(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = std::fs::read_dir(dir.join("db")).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file());
    files.map(|p| (p.clone(), std::fs::read(p).unwrap())).collect()
}

#[test]
fn workspaces_are_listed_and_removed_unless_somebody_works_there() {
    let dir = tempfile::tempdir().unwrap();
    let backend = Sled::new(dir.path());
    assert!(now(backend.workspaces()).unwrap().is_empty());
    open(dir.path(), Access::Write).close().unwrap();
    let blue = dir.path().join("workspaces/blue");
    open(&blue, Access::Write).close().unwrap();
    assert_eq!(now(backend.workspaces()).unwrap(), ["default", "blue"]);
    let held = crate::state::testing::lock(&blue, "apply", Duration::ZERO).unwrap();
    assert_eq!(code(now(backend.remove("blue"))), codes::LOCKED.id);
    drop(held);
    for name in ["default", "green", "", "../db", "."] {
        assert_eq!(code(now(backend.remove(name))), codes::NO_WORKSPACE.id, "{name}");
    }
    now(backend.remove("blue")).unwrap();
    assert_eq!(now(backend.workspaces()).unwrap(), ["default"]);
}

#[test]
fn the_backup_restores_a_damaged_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Access::Write);
    store.begin_generation("apply").unwrap();
    store.finish(&[done("a", 1), done("b", 2)]).unwrap();
    let lineage = store.snapshot().unwrap().lineage;
    store.close().unwrap();
    std::fs::rename(dir.path().join("db"), dir.path().join("db.damaged")).unwrap();
    let store = open(dir.path(), Access::Write);
    store.begin_generation("state restore").unwrap();
    let backup = std::fs::read(backup_path(dir.path())).unwrap();
    store.import(&mut backup.as_slice()).unwrap();
    store.close().unwrap();
    let s = open(dir.path(), Access::Read).snapshot().unwrap();
    assert_eq!((number(&s, "a"), number(&s, "b"), s.lineage), (Some(1), Some(2), lineage));
}

#[test]
fn a_folder_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    assert_ne!(code(Store::open(&blocked.join("state"), Access::Write, schemas())), "none");
    let folder = dir.path().join("state");
    let store = open(&folder, Access::Write);
    store.finish(&[done("a", 1)]).unwrap();
    store.close().unwrap();
    std::fs::remove_file(folder.join("backup.jsonl")).unwrap_or_default();
    let modes = |m: u32, f: u32| {
        for e in std::fs::read_dir(folder.join("db")).unwrap() {
            std::fs::set_permissions(e.unwrap().path(), std::fs::Permissions::from_mode(f)).unwrap_or_default();
        }
        std::fs::set_permissions(folder.join("db"), std::fs::Permissions::from_mode(m)).unwrap();
        std::fs::set_permissions(folder.join("gate"), std::fs::Permissions::from_mode(f)).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(m)).unwrap();
    };
    modes(0o500, 0o400);
    assert_eq!(number(&open(&folder, Access::Read).snapshot().unwrap(), "a"), Some(1));
    // The superuser may write all the same.
    if !rustix::process::geteuid().is_root() {
        assert_eq!(code(Store::open(&folder, Access::Write, schemas())), codes::NOT_WRITABLE.id);
    }
    modes(0o700, 0o600);
}

#[test]
fn readers_beside_a_writer_see_whole_batches() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Access::Write);
    store.begin_generation("apply").unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut n = 0;
            while !stop.load(relaxed) {
                n += 1;
                let (left, right) = (format!("left{}", n % 70), format!("right{}", n % 70));
                store.begin(&[intent(&left, n), intent(&right, n)]).unwrap();
                // Now and then a value that sled keeps in a file of its own.
                let size = if n % 50 == 0 { 600_000 } else { (n as usize * 37) % 3000 };
                let outcome = |name: &str| Outcome { addr: addr(name), record: Some(record(name, n, size)) };
                store.finish(&[outcome(&left), outcome(&right)]).unwrap();
            }
            n
        });
        let (mut reads, mut last) = (0, 0);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(4) {
            let s = open(dir.path(), Access::Read).snapshot().unwrap();
            reads += 1;
            for i in 0..70 {
                assert_eq!(number(&s, &format!("left{i}")), number(&s, &format!("right{i}")), "pair {i} of read {reads}");
            }
            assert!(s.in_doubt.is_empty() || s.in_doubt.len() == 2);
            let newest = (0..70).filter_map(|i| number(&s, &format!("left{i}"))).max().unwrap_or(0);
            assert!(newest >= last, "went back from {last} to {newest}");
            last = newest;
        }
        stop.store(true, relaxed);
        let written = writer.join().unwrap();
        println!("{reads} reads beside {written} batches");
        assert!(reads > 10 && last > 0 && written >= last, "{reads} {last} {written}");
    });
}

const CHILD_STORE: &str = "STREAMFORM_TEST_CHILD_STORE";

/// Not a test of its own: the writer that the next one kills.
#[test]
fn child_writer() {
    let Some(dir) = std::env::var_os(CHILD_STORE) else { return };
    let store = open(Path::new(&dir), Access::Write);
    store.begin_generation("apply").unwrap();
    let s = store.snapshot().unwrap();
    let mut n = (0..40).filter_map(|i| number(&s, &format!("left{i}"))).max().unwrap_or(0);
    loop {
        n += 1;
        let (left, right) = (format!("left{}", n % 40), format!("right{}", n % 40));
        store.begin(&[intent(&left, n), intent(&right, n)]).unwrap();
        println!("begun {n}");
        store.finish(&[done(&left, n), done(&right, n)]).unwrap();
        println!("done {n}");
    }
}

fn child(dir: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "state::backend::sled::tests::child_writer", "--nocapture"]).env(CHILD_STORE, dir);
    // No copy of the state is made anywhere else, so a place for temporary files is not needed.
    command.env("TMPDIR", "/nonexistent");
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_kill_at_any_moment_loses_nothing_that_was_finished() {
    let dir = tempfile::tempdir().unwrap();
    let (mut newest, mut doubts) = (0, 0);
    for round in 0..25u64 {
        let mut child = child(dir.path());
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        // From the first sign of life on, a different moment each time, down to parts of a batch.
        while !line.starts_with("begun") {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0, "the child ended");
        }
        std::thread::sleep(Duration::from_micros(round * 7919 % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        let of = |word: &str| {
            let lines = line.lines().chain(rest.lines());
            lines.filter_map(|l| l.strip_prefix(word)?.trim().parse::<i64>().ok()).max().unwrap_or(newest)
        };
        let (begun, finished) = (of("begun"), of("done"));
        let s = open(dir.path(), Access::Read).snapshot().unwrap();
        let present = (0..40).filter_map(|i| number(&s, &format!("left{i}"))).max().unwrap_or(0);
        assert!(present >= finished, "round {round}: {finished} was finished, {present} is there");
        for i in 0..40 {
            let (l, r) = (number(&s, &format!("left{i}")), number(&s, &format!("right{i}")));
            assert_eq!(l, r, "round {round}: a batch was torn");
            let expected = (finished - 39..=finished).find(|n| *n > 0 && n % 40 == i);
            assert!(l >= expected, "round {round}: record {i} is {l:?}, not {expected:?}");
        }
        if begun > present {
            doubts += 1;
            assert_eq!(s.in_doubt.len(), 2, "round {round}: {begun} was begun, {present} is the last");
        }
        newest = present;
    }
    println!("{newest} batches, {doubts} kills in between begin and finish");
    assert!(newest > 25);
}

#[test]
fn the_cost_of_a_finish_does_not_grow() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Access::Write);
    store.begin_generation("apply").unwrap();
    let round = |from: i64| {
        let began = Instant::now();
        (from..from + 200).for_each(|n| store.finish(&[done(&format!("r{n}"), n)]).unwrap());
        began.elapsed()
    };
    let few = round(0);
    let many: Vec<Outcome> = (200..10_000).map(|n| done(&format!("r{n}"), n)).collect();
    many.chunks(100).for_each(|c| store.finish(c).unwrap());
    let late = round(10_000);
    println!("200 finishes: {few:?} with few records, {late:?} with 10,000");
    assert!(late < few * 5 + Duration::from_millis(300), "{few:?} {late:?}");
    store.close().unwrap();
    let began = Instant::now();
    let s = open(dir.path(), Access::Read).snapshot().unwrap();
    println!("snapshot of {}: {:?}", s.records.len(), began.elapsed());
    assert_eq!(s.records.len(), 10_200);
}

#[test]
fn a_suspended_writer_keeps_nobody_from_reading() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), Access::Write).finish(&[done("a", 1)]).unwrap();
    let gate = Gate::make(dir.path()).unwrap();
    let _shut = gate.for_write().unwrap();
    let began = Instant::now();
    assert_eq!(number(&open(dir.path(), Access::Read).snapshot().unwrap(), "a"), Some(1));
    assert!(began.elapsed() < Duration::from_secs(2));
    // Without a log the database would have to be copied, which waits for a while.
    std::fs::remove_file(dir.path().join("log")).unwrap();
    assert_eq!(code(open(dir.path(), Access::Read).snapshot()), codes::BUSY.id);
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_deposed_object_is_kept_moved_exported_and_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Access::Write);
    store.begin_generation("apply").unwrap();
    store.finish(&[done("a", 1)]).unwrap();
    let key: Arc<str> = "0a1b".into();
    let depose = |name: &str, what| store.depose(&[(addr(name), Arc::clone(&key), what)]).unwrap();
    let aside = |s: &Snapshot, name: &str| s.deposed.get(&(addr(name), Arc::clone(&key))).map(|r| r.private["n"].clone());
    depose("a", Deposing::Aside);
    store.begin(&[Intent { verb: Verb::Create, ..intent("a", 2) }]).unwrap();
    let s = store.snapshot().unwrap();
    assert_eq!((number(&s, "a"), aside(&s, "a"), s.in_doubt.len()), (None, Some(json!(1)), 1));
    store.finish(&[done("a", 2)]).unwrap();
    store.mv(&[(addr("a"), addr("b"))]).unwrap();
    let s = store.snapshot().unwrap();
    assert_eq!((number(&s, "b"), aside(&s, "b"), aside(&s, "a")), (Some(2), Some(json!(1)), None));
    // Through an export and back, and in the history.
    let mut text = Vec::new();
    store.export(&mut text).unwrap();
    store.begin_generation("edit").unwrap();
    depose("b", Deposing::Gone);
    assert!(store.snapshot().unwrap().deposed.is_empty());
    assert_eq!(aside(&store.snapshot_at(1).unwrap(), "b"), Some(json!(1)));
    store.import(&mut &text[..]).unwrap();
    assert_eq!(aside(&store.snapshot().unwrap(), "b"), Some(json!(1)));
    // The new one could not be made: the old one has its place again, and nothing is in doubt.
    store.remove(&[addr("b")]).unwrap();
    store.begin(&[Intent { verb: Verb::Create, ..intent("b", 3) }]).unwrap();
    depose("b", Deposing::Back);
    let s = store.snapshot().unwrap();
    assert_eq!((number(&s, "b"), s.deposed.len(), s.in_doubt.len()), (Some(1), 0, 0));
}

#[path = "sled_damage_tests.rs"]
mod damage;
