//! The local store when its files are damaged, lost, old or replaced.

use super::*;

/// Damages a file in several places, one after the other, and calls `look` each time.
fn damage(path: &Path, look: &mut dyn FnMut()) {
    let good = std::fs::read(path).unwrap();
    let used = good.iter().rposition(|b| *b != 0).unwrap();
    for part in 1..12 {
        let at = used * part / 12;
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(&[good[at] ^ 0x55, good[at + 1] ^ 0x55], at as u64).unwrap();
        look();
        std::fs::write(path, &good).unwrap();
    }
}

/// A store with 400 records, each written in a batch of its own.
fn four_hundred(dir: &Path) -> Store {
    let store = open(dir, Access::Write);
    store.begin_generation("apply").unwrap();
    for n in 0..400 {
        store.finish(&[done(&format!("r{n}"), n)]).unwrap();
    }
    store
}

fn holds_four_hundred(s: &Snapshot) {
    assert_eq!(s.records.len(), 400);
    (0..400).for_each(|n| assert_eq!(number(s, &format!("r{n}")), Some(n)));
}

#[test]
fn damage_of_the_database_is_found_and_nothing_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    four_hundred(dir.path()).close().unwrap();
    let read = || open(dir.path(), Access::Read).snapshot();
    let mut found = 0;
    damage(&dir.path().join("db/db"), &mut || {
        let before = fingerprint(dir.path());
        // The log is whole.
        holds_four_hundred(&read().unwrap());
        std::fs::rename(dir.path().join("log"), dir.path().join("aside")).unwrap();
        match read() {
            // A flipped byte that no longer matters: everything is there all the same.
            Ok(s) => holds_four_hundred(&s),
            Err(d) => {
                found += 1;
                assert_eq!(d.code.id, codes::CORRUPT.id, "{d:?}");
                assert!(d.hint.unwrap().contains("state restore"), "the hint names the backup");
                if let Ok(w) = Store::open(dir.path(), Access::Write, schemas()) {
                    assert_eq!(code(w.snapshot()), codes::CORRUPT.id);
                } else {
                    assert_eq!(fingerprint(dir.path()), before);
                }
            }
        }
        std::fs::rename(dir.path().join("aside"), dir.path().join("log")).unwrap();
    });
    assert!(found >= 6, "{found}");
}

#[test]
fn a_damaged_log_is_never_read_as_an_older_state() {
    let dir = tempfile::tempdir().unwrap();
    let store = four_hundred(dir.path());
    let log = dir.path().join("log");
    for closed in [false, true] {
        damage(&log, &mut || holds_four_hundred(&open(dir.path(), Access::Read).snapshot().unwrap()));
        // Cut off anywhere, too.
        let good = std::fs::read(&log).unwrap();
        for part in 0..10 {
            std::fs::write(&log, &good[..good.len() * part / 10]).unwrap();
            holds_four_hundred(&open(dir.path(), Access::Read).snapshot().unwrap());
        }
        std::fs::write(&log, &good).unwrap();
        if !closed {
            store.close().unwrap();
        }
    }
    // The next writer makes a good one.
    std::fs::write(&log, "no log").unwrap();
    open(dir.path(), Access::Write).close().unwrap();
    let file = File::open(&log).unwrap();
    let found = log::read(&file, Want::Content).unwrap().unwrap();
    assert!(found.settled && found.content.len() > 400);
    assert!(names(dir.path()).iter().all(|n| !n.starts_with('.')), "{:?}", names(dir.path()));
}

fn names(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_log_that_is_behind_or_of_another_database_is_made_anew() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (dir, n) in [(&one, 1), (&two, 2)] {
        let store = open(dir.path(), Access::Write);
        store.finish(&[done("a", 0)]).unwrap();
        store.finish(&[done("a", n)]).unwrap();
        store.close().unwrap();
    }
    let in_log = |dir: &Path| {
        let found = log::read(&File::open(dir.join("log")).unwrap(), Want::Content).unwrap().unwrap();
        let record: serde_json::Value = serde_json::from_slice(&found.content[&b"r/t.a"[..]]).unwrap();
        record["attributes"]["n"].as_i64().unwrap()
    };
    // As many batches, and other content.
    std::fs::remove_dir_all(one.path().join("db")).unwrap();
    std::fs::rename(two.path().join("db"), one.path().join("db")).unwrap();
    open(one.path(), Access::Write).close().unwrap();
    assert_eq!(in_log(one.path()), 2);
    let store = open(one.path(), Access::Write);
    store.finish(&[done("a", 3)]).unwrap();
    let early = std::fs::read(one.path().join("log")).unwrap();
    store.finish(&[done("a", 4)]).unwrap();
    drop(store);
    std::fs::write(one.path().join("log"), early).unwrap();
    let store = open(one.path(), Access::Write);
    assert_eq!(in_log(one.path()), 4);
    store.finish(&[done("a", 5)]).unwrap();
    assert_eq!(in_log(one.path()), 5);
}

#[test]
fn a_log_that_another_boot_of_the_machine_left_open_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Access::Write);
    store.finish(&[done("a", 1)]).unwrap();
    let log = dir.path().join("log");
    let early = std::fs::read(&log).unwrap();
    store.finish(&[done("a", 2)]).unwrap();
    drop(store);
    // The power went: neither the end of the log nor the number of batches reached the disk, and the machine was started again.
    let boot = lock::boot_id();
    let other = boot.chars().map(|c| if c == '0' { '1' } else { '0' }).collect::<String>();
    let at = early.windows(boot.len()).position(|w| w == boot.as_bytes()).unwrap();
    let mut opened = early[..at - 9].to_vec();
    opened.extend(log::record(log::OPENED, other.as_bytes()).unwrap());
    opened.extend(&early[at + boot.len()..]);
    std::fs::write(&log, opened).unwrap();
    std::fs::remove_file(dir.path().join("gate")).unwrap();
    assert_eq!(number(&open(dir.path(), Access::Read).snapshot().unwrap(), "a"), Some(2));
}

/// Plays a writer that was killed before it told anybody but the database of its last batch: `log` and `count` are from before it.
fn untold(dir: &Path, log: &[u8], count: &[u8]) {
    std::fs::write(dir.join("log"), log).unwrap();
    let gate = std::fs::OpenOptions::new().write(true).open(dir.join("gate")).unwrap();
    gate.write_all_at(&count[..16], 0).unwrap();
}

#[test]
fn a_log_whose_writer_was_killed_before_it_told_of_a_batch_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Access::Write);
    store.finish(&[done("a", 1)]).unwrap();
    let reader = Sled::new(dir.path());
    let old = now(reader.load()).unwrap().unwrap();
    let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    let (log, count) = (read("log"), read("gate"));
    store.finish(&[done("a", 2)]).unwrap();
    drop(store);
    untold(dir.path(), &log, &count);
    assert_eq!(number(&open(dir.path(), Access::Read).snapshot().unwrap(), "a"), Some(2));
    assert_eq!(now(reader.load()).unwrap().unwrap().revision, old.revision + 1);
    assert!(now(reader.changes_since(old.revision)).unwrap().is_none(), "what changed is not in the log");
    assert_eq!(read("log"), log, "a reader changes nothing");
    open(dir.path(), Access::Write).close().unwrap();
    assert!(now(reader.changes_since(old.revision + 1)).unwrap().is_some());
}

#[test]
fn a_batch_that_never_came_into_the_database_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Access::Write);
    store.finish(&[done("a", 1)]).unwrap();
    drop(store);
    let reader = Sled::new(dir.path());
    let old = now(reader.load()).unwrap().unwrap();
    let gate = Gate::make(dir.path()).unwrap();
    gate.set_begun(old.revision + 1).unwrap();
    assert!(now(reader.changes_since(old.revision)).unwrap().is_none(), "the log alone does not tell");
    assert_eq!(now(reader.load()).unwrap(), Some(old.clone()));
    // From the next writer on the log tells again.
    open(dir.path(), Access::Write).close().unwrap();
    assert_eq!(now(reader.changes_since(old.revision)).unwrap(), Some((old.revision, Batch::default())));
    // A number that was written in part.
    std::fs::OpenOptions::new().write(true).open(dir.path().join("gate")).unwrap().write_all_at(b"half", 20).unwrap();
    assert!(now(reader.changes_since(old.revision)).unwrap().is_none());
    assert_eq!(now(reader.load()).unwrap(), Some(old));
}

#[test]
fn a_reader_waits_for_a_batch_that_is_being_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Access::Write);
    store.finish(&[done("a", 1)]).unwrap();
    let reader = Sled::new(dir.path());
    let old = now(reader.load()).unwrap().unwrap();
    let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    let (log, count) = (read("log"), read("gate"));
    store.finish(&[done("a", 2)]).unwrap();
    let (whole, begun) = (read("log"), read("gate"));
    untold(dir.path(), &log, &count);
    let writer = Gate::make(dir.path()).unwrap();
    let shut = writer.for_write().unwrap();
    std::thread::scope(|s| {
        let waiting = s.spawn(|| now(reader.changes_since(old.revision)).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!waiting.is_finished());
        untold(dir.path(), &whole, &begun);
        let (revision, batch) = waiting.join().unwrap().unwrap();
        assert_eq!(revision, old.revision + 1);
        assert!(!batch.changes.is_empty());
    });
    drop(shut);
}

#[test]
fn a_run_leaves_a_compact_log_and_an_unused_one_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Access::Write);
    for n in 0..300 {
        store.finish(&[done("a", n)]).unwrap();
    }
    store.close().unwrap();
    let log = dir.path().join("log");
    let found = log::read(&File::open(&log).unwrap(), Want::Content).unwrap().unwrap();
    assert!(found.settled && found.end == found.snapshot && found.stamp.revision == 301, "{found:?}");
    let before = std::fs::metadata(&log).unwrap();
    let store = open(dir.path(), Access::Write);
    store.snapshot().unwrap();
    store.begin_generation("apply").unwrap();
    store.close().unwrap();
    let after = std::fs::metadata(&log).unwrap();
    assert_eq!((before.len(), before.modified().unwrap()), (after.len(), after.modified().unwrap()));
}

#[test]
fn what_changed_since_a_revision_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Access::Write);
    store.finish(&[done("a", 1)]).unwrap();
    let reader = Sled::new(dir.path());
    let old = now(reader.load()).unwrap().unwrap();
    store.finish(&[done("b", 1)]).unwrap();
    store.remove(&[addr("a")]).unwrap();
    let (revision, batch) = now(reader.changes_since(old.revision)).unwrap().unwrap();
    let new = now(reader.load()).unwrap().unwrap();
    let mut content = old.content;
    batch.apply(&mut content);
    content.retain(|k, _| !is_history(k));
    assert_eq!((revision, content), (new.revision, new.content));
    assert!(now(reader.changes_since(revision)).unwrap().unwrap().1.changes.is_empty());
    // What the log no longer holds, and what was never there.
    (0..300).for_each(|n| store.finish(&[done("a", n)]).unwrap());
    store.close().unwrap();
    assert!(now(reader.changes_since(old.revision)).unwrap().is_none());
    assert!(now(reader.changes_since(10_000)).unwrap().is_none());
}

#[test]
fn a_lost_batch_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Access::Write);
    store.finish(&[done("a", 1)]).unwrap();
    let (old, old_log) = (fingerprint(dir.path()), std::fs::read(dir.path().join("log")).unwrap());
    store.finish(&[done("a", 2)]).unwrap();
    store.close().unwrap();
    std::fs::remove_dir_all(dir.path().join("db")).unwrap();
    std::fs::create_dir(dir.path().join("db")).unwrap();
    old.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
    // The log has it all; without it, and with one that is as old, the loss is said.
    assert_eq!(number(&open(dir.path(), Access::Read).snapshot().unwrap(), "a"), Some(2));
    assert_eq!(code(Store::open(dir.path(), Access::Write, schemas())), codes::CORRUPT.id);
    std::fs::write(dir.path().join("log"), old_log).unwrap();
    assert_eq!(code(open(dir.path(), Access::Read).snapshot()), codes::CORRUPT.id);
    std::fs::remove_file(dir.path().join("log")).unwrap();
    assert_eq!(code(open(dir.path(), Access::Read).snapshot()), codes::CORRUPT.id);
    assert_eq!(code(Store::open(dir.path(), Access::Write, schemas())), codes::CORRUPT.id);
}

#[test]
fn no_link_is_followed_and_no_copy_leaves_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["lock", "gate", "log", "key"] {
        let folder = dir.path().join(format!("with-{name}"));
        std::fs::create_dir(&folder).unwrap();
        let victim = elsewhere.path().join(name);
        std::fs::write(&victim, "").unwrap();
        std::os::unix::fs::symlink(&victim, folder.join(name)).unwrap();
        let locked = crate::state::testing::lock(&folder, "test", Duration::ZERO);
        let opened = Store::open(&folder, Access::Write, schemas()).and_then(|s| s.finish(&[done("a", 1)]).and_then(|()| s.close()));
        // A log is replaced, never written through.
        assert_eq!(locked.is_ok() && opened.is_ok(), name == "log", "{name}");
        assert_eq!(std::fs::read(&victim).unwrap(), b"", "{name}");
    }
    // What a killed process left of its copy goes with the next writer; one in use stays.
    let folder = dir.path().join("state");
    open(&folder, Access::Write).close().unwrap();
    for name in [".copy-dead", ".copy-used"] {
        std::fs::create_dir(folder.join(name)).unwrap();
        std::fs::write(folder.join(name).join("db"), "x").unwrap();
    }
    let used = File::open(folder.join(".copy-used")).unwrap();
    rustix::fs::flock(&used, rustix::fs::FlockOperation::LockShared).unwrap();
    open(&folder, Access::Write).close().unwrap();
    assert!(!folder.join(".copy-dead").exists() && folder.join(".copy-used").exists());
}

/// Writes each file of a folder compressed.
fn pack(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for e in std::fs::read_dir(from).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()) {
        let file = File::create(to.join(format!("{}.gz", e.file_name().unwrap().to_str().unwrap()))).unwrap();
        let mut out = flate2::write::GzEncoder::new(file, flate2::Compression::best());
        out.write_all(&std::fs::read(e).unwrap()).unwrap();
        out.finish().unwrap();
    }
}

fn unpack(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for path in std::fs::read_dir(from).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()) {
        let mut file = File::create(to.join(path.file_stem().unwrap())).unwrap();
        std::io::copy(&mut flate2::read::GzDecoder::new(File::open(path).unwrap()), &mut file).unwrap();
    }
}

fn format_of(dir: &Path) -> u64 {
    let content = now(Sled::new(dir).load()).unwrap().unwrap().content;
    serde_json::from_slice::<serde_json::Value>(&content[HEAD]).unwrap()["format"].as_u64().unwrap()
}

/// `state/golden/v1/db` holds the files of a store written by the first release of the format, each compressed.
#[test]
fn the_golden_database_of_format_1_is_read_and_upgraded() {
    let dir = tempfile::tempdir().unwrap();
    unpack(&Path::new(env!("CARGO_MANIFEST_DIR")).join("state/golden/v1/db"), &dir.path().join("db"));
    for (access, format) in [(Access::Read, 1), (Access::Write, 2), (Access::Read, 2)] {
        let store = open(dir.path(), access);
        let s = store.snapshot().unwrap();
        assert_eq!((number(&s, "a"), number(&s, "b"), s.serial, s.in_doubt.len()), (Some(1), None, 3, 1));
        assert!(s.in_doubt[0].ops.is_empty() && s.records[&addr("a")].provider.is_empty());
        assert_eq!(s.outputs["o"].value, Value::from("v"));
        assert_eq!(number(&store.snapshot_at(1).unwrap(), "b"), Some(2));
        assert_eq!(store.history().unwrap().iter().map(|g| g.operation.as_str()).collect::<Vec<_>>(), ["apply", "destroy"]);
        store.close().unwrap();
        assert_eq!(format_of(dir.path()), format);
    }
}

/// `state/golden/v2` holds the files of a store written by the first release of the format, each compressed.
#[test]
fn the_golden_store_of_format_2_is_read_with_and_without_its_log() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("state/golden/v2");
    if std::env::var_os("UPDATE").is_some() && !golden.exists() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), Access::Write);
        store.begin_generation("apply").unwrap();
        let other = Record { provider: "kafka.other".into(), ..record("a", 1, 10) };
        store.finish(&[Outcome { addr: addr("a"), record: Some(other) }, done("b", 2)]).unwrap();
        store.close().unwrap();
        let store = open(dir.path(), Access::Write);
        store.begin_generation("destroy").unwrap();
        store.depose(&[(addr("b"), "0a1b".into(), Deposing::Aside)]).unwrap();
        let op = |part: &str| Op::new(OpAction::Restart, Key::new(Place::here(), "process", "p")).part(part).once();
        store.begin(&[Intent { ops: vec![op("one"), op("two")], ..intent("a", 3) }]).unwrap();
        now(store.0.begin_op(&addr("a"), 1)).unwrap();
        store.put_outputs(&[("o".into(), OutputRecord { value: Value::from("v"), sensitive: false })].into()).unwrap();
        store.close().unwrap();
        pack(&dir.path().join("db"), &golden.join("db"));
        pack(dir.path(), &golden);
        std::fs::remove_file(golden.join("backup.jsonl.gz")).unwrap();
        std::fs::remove_file(golden.join("lock.gz")).unwrap_or_default();
    }
    let dir = tempfile::tempdir().unwrap();
    unpack(&golden, dir.path());
    unpack(&golden.join("db"), &dir.path().join("db"));
    for (access, log) in [(Access::Read, true), (Access::Read, false), (Access::Write, true), (Access::Write, false)] {
        if !log {
            std::fs::remove_file(dir.path().join("log")).unwrap();
        }
        let store = open(dir.path(), access);
        let s = store.snapshot().unwrap();
        assert_eq!((number(&s, "a"), number(&s, "b"), s.serial), (Some(1), None, 3));
        assert_eq!(s.records[&addr("a")].provider, "kafka.other");
        assert!(s.deposed.contains_key(&(addr("b"), "0a1b".into())));
        let begun: Vec<&str> = s.in_doubt[0].ops.iter().map(|op| op.part.as_str()).collect();
        assert_eq!((s.in_doubt.len(), begun), (1, vec!["two"]));
        assert_eq!(number(&store.snapshot_at(1).unwrap(), "b"), Some(2));
        store.close().unwrap();
    }
}
