//! The ledger over a backend in memory, and over real files with kills.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::addr::ResourceAddr;
use crate::op::Verb;
use crate::op::{Arg, Key, OpAction, Place};
use crate::schema::{Attribute, Body};
use crate::state::backend::memory::{Fault, Memory};
use crate::state::backend::{Batch, LockInfo, Sled};
use crate::state::testing::{Store, now};
use crate::value::Type;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema {
    version: 3,
    doc: "",
    body: Body {
        attributes: vec![Attribute::optional("n", Type::Number, ""), Attribute::optional("any", Type::Dynamic, "")],
        blocks: vec![],
    },
});

/// One type, `t`, of version 3. Version 2 called `n` otherwise; version 1 cannot be upgraded.
struct Types;

impl Schemas for Types {
    fn schema(&self, addr: &ResourceAddr) -> Option<&'static Schema> {
        (&*addr.type_name == "t").then(|| &*SCHEMA)
    }

    fn upgrade(&self, _: &ResourceAddr, from: u32, mut record: Json) -> Option<Json> {
        let attributes = record["attributes"].as_object_mut()?;
        let old = attributes.remove("number")?;
        attributes.insert("n".into(), old);
        (from == 2).then_some(record)
    }
}

fn addr(text: &str) -> InstanceAddr {
    text.parse().unwrap()
}

fn record(at: &str, n: i64) -> Record {
    Record {
        addr: addr(at),
        provider: String::new(),
        schema_version: 3,
        attributes: Value::object_from([("n", Value::from(n)), ("any", Value::null(Type::Dynamic))]),
        private: Json::Null,
        dependencies: vec![],
        tainted: false,
        protected: false,
        create_before_destroy: false,
    }
}

fn done(at: &str, n: i64) -> Outcome {
    Outcome { addr: addr(at), record: Some(record(at, n)) }
}

fn gone(at: &str) -> Outcome {
    Outcome { addr: addr(at), record: None }
}

fn op(part: &str) -> Op {
    Op::new(OpAction::Restart, Key::new(Place::at(&addr("t.place")), "process", "p")).part(part).after(part, Arg::Known("x".into()))
}

fn intent(at: &str, ops: Vec<Op>) -> Intent {
    Intent { addr: addr(at), verb: Verb::Update, record: record(at, 1), ops }
}

fn writer(memory: &Memory) -> Store {
    Store::over(Arc::new(memory.clone()), Access::Write, Arc::new(Types)).unwrap()
}

fn reader(memory: &Memory) -> Store {
    Store::over(Arc::new(memory.clone()), Access::Read, Arc::new(Types)).unwrap()
}

fn numbers(s: &Snapshot) -> BTreeMap<String, i64> {
    s.records.iter().map(|(a, r)| (a.to_string(), r.attributes.get("n").unwrap().as_i64().unwrap())).collect()
}

fn code<T>(r: Result<T, Diagnostic>) -> &'static str {
    r.err().map_or("none", |d| d.code.id)
}

// --- the journal ------------------------------------------------------------------------------------------------------

/// The parts of the operations in doubt of a step.
fn doubt(store: &Store, at: &str) -> Option<Vec<String>> {
    let doubts = store.snapshot().unwrap().in_doubt;
    doubts.into_iter().find(|d| d.addr == addr(at)).map(|d| d.ops.into_iter().map(|op| op.part).collect())
}

#[test]
fn an_operation_that_cannot_be_repeated_has_its_own_begin_and_end() {
    let memory = Memory::new();
    let store = writer(&memory);
    let ledger = &store.0;
    let at = "t.a[\"b 1\"]";
    store.begin(&[intent(at, vec![op("many"), op("one").once(), op("two").once()]), intent("t.b", vec![])]).unwrap();
    assert_eq!(doubt(&store, at).unwrap(), ["many"]);
    now(ledger.begin_op(&addr(at), 1)).unwrap();
    assert_eq!(doubt(&store, at).unwrap(), ["many", "one"]);
    now(ledger.end_op(&addr(at), 1)).unwrap();
    now(ledger.begin_op(&addr(at), 2)).unwrap();
    // As the next run finds it.
    let next = writer(&memory);
    assert_eq!((doubt(&next, at).unwrap(), doubt(&next, "t.b").unwrap().len()), (vec!["many".to_string(), "two".into()], 0));
    let found = next.snapshot().unwrap().in_doubt.into_iter().find(|d| d.addr == addr(at)).unwrap();
    assert_eq!(found.ops[1], op("two").once(), "the operation is there whole");
    assert_eq!(next.snapshot().unwrap().serial, 0, "the journal does not raise the serial");
    assert_eq!(code(now(next.0.begin_op(&addr(at), 3))), codes::NO_RECORD.id);
    assert_eq!(code(now(next.0.begin_op(&addr("t.c"), 0))), codes::NO_RECORD.id);
    // A new begin replaces the old one with its operations; an end takes all.
    next.begin(&[intent(at, vec![op("x").once(), op("y").once(), op("z").once()])]).unwrap();
    assert!(doubt(&next, at).unwrap().is_empty());
    now(next.0.begin_op(&addr(at), 2)).unwrap();
    next.finish(&[done(at, 1)]).unwrap();
    now(next.0.unbegin(&[addr("t.b")])).unwrap();
    assert!(memory.dump().keys().all(|k| !k.starts_with(JOURNAL)));
}

#[test]
fn a_begun_step_moves_with_its_address_even_without_a_record() {
    let memory = Memory::new();
    let store = writer(&memory);
    store.begin(&[intent("t.a", vec![op("one").once()]), intent("t.user", vec![op("of the place")])]).unwrap();
    now(store.0.begin_op(&addr("t.a"), 0)).unwrap();
    store.finish(&[done("t.place", 1)]).unwrap();
    store.mv(&[(addr("t.a"), addr("t.b")), (addr("t.place"), addr("t.site"))]).unwrap();
    assert_eq!((doubt(&store, "t.a"), doubt(&store, "t.b").unwrap()), (None, vec!["one".to_string()]));
    let ops = store.snapshot().unwrap().in_doubt.into_iter().flat_map(|d| d.ops).collect::<Vec<_>>();
    assert!(ops.iter().all(|op| op.target.place == Place::at(&addr("t.site"))), "{ops:?}");
    // Onto another begun step: one of the two would be forgotten.
    assert_eq!(code(store.mv(&[(addr("t.b"), addr("t.user"))])), codes::OCCUPIED.id);
    assert_eq!(code(store.mv(&[(addr("t.none"), addr("t.c"))])), codes::NO_RECORD.id);
}

// --- what goes wrong with a backend -----------------------------------------------------------------------------------

/// G11.4: what another run writes meanwhile, also to the journal alone, is noticed.
#[test]
fn a_reader_knows_whether_another_run_wrote() {
    let memory = Memory::new();
    let (w, r) = (writer(&memory), reader(&memory));
    let before = r.snapshot().unwrap();
    assert!(!now(r.0.has_moved(&before)).unwrap());
    w.begin(&[intent("t.a", vec![])]).unwrap();
    assert!(now(r.0.has_moved(&before)).unwrap());
    let before = r.snapshot().unwrap();
    assert!(!now(r.0.has_moved(&before)).unwrap());
    w.finish(&[done("t.a", 1)]).unwrap();
    assert!(now(r.0.has_moved(&before)).unwrap());
}

#[test]
fn two_writers_do_not_overwrite_each_other() {
    let memory = Memory::new();
    let (one, two) = (writer(&memory), writer(&memory));
    one.finish(&[done("t.a", 1)]).unwrap();
    two.finish(&[done("t.b", 2)]).unwrap();
    assert_eq!(code(one.finish(&[done("t.b", 1)])), codes::CONFLICT.id);
    // Nor later: what it knows is no longer true.
    assert_eq!(code(one.finish(&[done("t.c", 1)])), codes::CONFLICT.id);
    assert_eq!(numbers(&reader(&memory).snapshot().unwrap()), [("t.a".to_string(), 1), ("t.b".into(), 2)].into());
}

#[test]
fn a_failed_batch_ends_writing_and_leaves_a_whole_state() {
    for (fault, expected, there) in
        [(Fault::Conflict, codes::CONFLICT, false), (Fault::NoAnswer, codes::NO_ANSWER, false), (Fault::LostAnswer, codes::NO_ANSWER, true)]
    {
        let memory = Memory::new();
        let store = writer(&memory);
        store.finish(&[done("t.a", 1)]).unwrap();
        memory.fail(0, fault);
        for _ in 0..2 {
            assert_eq!(code(store.finish(&[done("t.a", 2), done("t.b", 2)])), expected.id, "{fault:?}");
        }
        let now = numbers(&reader(&memory).snapshot().unwrap());
        let (old, new): (BTreeMap<_, _>, BTreeMap<_, _>) =
            ([("t.a".to_string(), 1)].into(), [("t.a".to_string(), 2), ("t.b".into(), 2)].into());
        assert_eq!(now, if there { new } else { old }, "{fault:?}");
        writer(&memory).finish(&[done("t.c", 3)]).unwrap();
    }
}

#[test]
fn a_lost_lock_ends_writing() {
    let memory = Memory::new();
    let lock = |wait| now(memory.lock(LockInfo::new("apply"), wait));
    let held = lock(Duration::ZERO).unwrap();
    let store = Store(writer(&memory).0.fenced(&held));
    store.finish(&[done("t.a", 1)]).unwrap();
    assert_eq!(code(lock(Duration::from_millis(30))), codes::LOCKED.id);
    assert_eq!(code(writer(&memory).finish(&[done("t.a", 9)])), codes::LOCK_LOST.id, "without the lock");
    let lost = held.lost();
    assert!(!lost.now());
    assert!(now(async { tokio::time::timeout(Duration::from_millis(20), lost.wait()).await }).is_err());
    memory.lose_lease();
    now(lost.wait());
    assert!(held.lost().now());
    assert_eq!(code(store.0.holds_lock()), codes::LOCK_LOST.id);
    assert_eq!(code(store.finish(&[done("t.a", 2)])), codes::LOCK_LOST.id);
    // The next holder has a higher fence, and is not disturbed when the first one lets go.
    let next = lock(Duration::ZERO).unwrap();
    assert!(next.fence() > held.fence());
    drop(held);
    Store(writer(&memory).0.fenced(&next)).finish(&[done("t.a", 3)]).unwrap();
    // Lost between the look at it and the commit: the backend refuses.
    let store = Store(writer(&memory).0.fenced(&next));
    store.snapshot().unwrap();
    memory.fail(0, Fault::LostLease);
    assert_eq!(code(store.finish(&[done("t.a", 4)])), codes::LOCK_LOST.id);
    assert_eq!(numbers(&reader(&memory).snapshot().unwrap()), [("t.a".to_string(), 3)].into());
}

#[test]
fn a_partial_answer_is_not_taken_for_a_state() {
    let memory = Memory::new();
    let store = writer(&memory);
    store.finish(&[done("t.a", 1), done("t.b", 2)]).unwrap();
    memory.slow(Duration::from_millis(5));
    memory.fail(0, Fault::Partial);
    assert_eq!(code(reader(&memory).snapshot()), codes::CORRUPT.id);
    memory.fail(0, Fault::Partial);
    assert_eq!(code(writer(&memory).finish(&[gone("t.a")])), codes::CORRUPT.id);
    assert_eq!(reader(&memory).snapshot().unwrap().records.len(), 2);
}

// --- records that this program does not know --------------------------------------------------------------------------

/// A store with a record of each kind, written by other versions of this program.
fn mixed() -> (Memory, Store) {
    let memory = Memory::new();
    let store = writer(&memory);
    let line = |kind: &str, at: &str, key: &str, version: u32, name: &str| {
        let record = json!({"address": at, "schema_version": version, "attributes": {name: 7}});
        let value = if kind == "begun" { json!({"verb": "create", "record": record}) } else { record };
        json!({"kind": kind, "name": format!("{at}{key}"), "value": value}).to_string()
    };
    let mut lines = vec![json!({"format": 1, "lineage": "x", "serial": 1}).to_string()];
    lines.extend(["a", "b", "c"].map(|n| line("record", &format!("kafka_user.{n}"), "", 7, "name")));
    lines.extend([line("deposed", "kafka_user.a", " 0a1b", 7, "name"), line("begun", "kafka_user.begun", "", 7, "name")]);
    lines.extend([
        line("record", "t.new", "", 4, "n"),
        line("record", "t.old", "", 2, "number"),
        line("record", "t.ancient", "", 1, "number"),
    ]);
    lines.push(line("record", "t.now", "", 3, "n"));
    store.import(&mut lines.join("\n").as_bytes()).unwrap();
    (memory, store)
}

#[test]
fn unknown_types_and_versions_are_named_and_not_treated_as_absent() {
    let (_, store) = mixed();
    let s = store.snapshot().unwrap();
    assert_eq!(numbers(&s), [("t.now".to_string(), 7), ("t.old".into(), 7)].into(), "an older version is upgraded");
    assert_eq!(s.records[&addr("t.old")].schema_version, 3);
    let found: Vec<Diagnostic> = s.check().unwrap_err().into_iter().collect();
    let codes_of: Vec<&str> = found.iter().map(|d| d.code.id).collect();
    assert_eq!(codes_of, [codes::UNKNOWN_TYPE.id, codes::NO_UPGRADE.id, codes::NEWER_RECORD.id]);
    assert!(
        found[0].detail.contains("kafka_user.a") && found[0].detail.contains("3 more") || found[0].detail.contains("kafka_user.begun"),
        "{found:?}"
    );
    assert!(found[1].detail.contains("t.ancient") && found[2].detail.contains("t.new"), "{found:?}");
    assert!(found.iter().all(|d| d.hint.as_ref().unwrap().contains("streamform state rm '")), "{found:?}");
    let all: Vec<String> =
        now(store.0.addresses()).unwrap().iter().map(|(a, key)| format!("{a}{}", key.as_deref().unwrap_or_default())).collect();
    assert_eq!(all, ["kafka_user.a", "kafka_user.a0a1b", "kafka_user.b", "kafka_user.c", "t.ancient", "t.new", "t.now", "t.old"]);
}

#[test]
fn what_cannot_be_read_can_be_exported_moved_and_forgotten() {
    let (_, store) = mixed();
    let mut text = Vec::new();
    store.export(&mut text).unwrap();
    let other = writer(&Memory::new());
    other.import(&mut text.as_slice()).unwrap();
    assert_eq!(other.snapshot().unwrap().unreadable.len(), store.snapshot().unwrap().unreadable.len());
    store.mv(&[(addr("kafka_user.b"), addr("kafka_user.moved"))]).unwrap();
    let rest: Vec<InstanceAddr> = store.snapshot().unwrap().unreadable.iter().map(|u| u.addr.clone()).collect();
    assert!(rest.contains(&addr("kafka_user.moved")) && !rest.contains(&addr("kafka_user.b")));
    store.remove(&rest).unwrap();
    store.depose(&[(addr("kafka_user.a"), "0a1b".into(), Deposing::Gone)]).unwrap();
    store.snapshot().unwrap().check().unwrap();
    assert_eq!(numbers(&store.snapshot().unwrap()).len(), 2);
}

#[test]
fn a_record_keeps_its_provider() {
    let memory = Memory::new();
    let other = Record { provider: "kafka.other".into(), ..record("t.a", 1) };
    writer(&memory).finish(&[Outcome { addr: other.addr.clone(), record: Some(other) }, done("t.b", 1)]).unwrap();
    let s = reader(&memory).snapshot().unwrap();
    assert_eq!((&*s.records[&addr("t.a")].provider, &*s.records[&addr("t.b")].provider), ("kafka.other", ""));
}

// --- deep values ------------------------------------------------------------------------------------------------------

/// A list in a list in a list …, or an object in an object.
fn nested(levels: usize, objects: bool) -> Value {
    let wrap = |v: Value| if objects { Value::object_from([("a\"[{", v)]) } else { Value::tuple(vec![v]) };
    (0..levels).fold(Value::from(1i64), |v, _| wrap(v))
}

fn deep(at: &str, levels: usize, objects: bool) -> Record {
    Record { attributes: Value::object_from([("n", Value::from(1i64)), ("any", nested(levels, objects))]), ..record(at, 1) }
}

#[test]
fn what_is_written_can_be_read_however_deep_it_nests() {
    for objects in [false, true] {
        // The object of the resource is a level of its own.
        for levels in [1, 58, 62, 63, 64, 120, 130, codec::MAX_DEPTH - 1] {
            let memory = Memory::new();
            let store = writer(&memory);
            let r = deep("t.a", levels, objects);
            store.begin(&[Intent { addr: r.addr.clone(), verb: Verb::Create, record: r.clone(), ops: vec![] }]).unwrap();
            assert_eq!(reader(&memory).snapshot().unwrap().in_doubt.len(), 1);
            store.finish(&[Outcome { addr: r.addr.clone(), record: Some(r.clone()) }]).unwrap();
            store.put_outputs(&[("o".into(), OutputRecord { value: nested(levels, objects), sensitive: false })].into()).unwrap();
            store.mv(&[(addr("t.a"), addr("t.b"))]).unwrap();
            let mut text = Vec::new();
            store.export(&mut text).unwrap();
            let other = Memory::new();
            writer(&other).import(&mut text.as_slice()).unwrap();
            for memory in [&memory, &other] {
                let s = reader(memory).snapshot().unwrap();
                let read = s.records[&addr("t.b")].attributes.get("any").unwrap();
                assert_eq!((read.levels(), s.outputs["o"].value.levels()), (levels, levels));
                assert!(read == nested(levels, objects), "{levels}");
            }
        }
    }
}

#[test]
fn what_could_not_be_kept_is_refused_before_anything_is_done() {
    let memory = Memory::new();
    let store = writer(&memory);
    store.finish(&[done("t.a", 1)]).unwrap();
    let before = memory.dump();
    for levels in [codec::MAX_DEPTH, codec::MAX_DEPTH + 300] {
        let r = deep("t.b", levels, false);
        let begun = store.begin(&[Intent { addr: r.addr.clone(), verb: Verb::Create, record: r.clone(), ops: vec![] }]);
        let d = begun.unwrap_err();
        assert!(d.code == codes::TOO_DEEP && d.detail.contains("t.b") && d.hint.is_some(), "{d:?}");
        assert_eq!(code(store.finish(&[Outcome { addr: r.addr.clone(), record: Some(r) }])), codes::TOO_DEEP.id);
        let output = OutputRecord { value: nested(levels + 1, true), sensitive: false };
        assert_eq!(code(store.put_outputs(&[("o".into(), output)].into())), codes::TOO_DEEP.id);
    }
    assert_eq!(memory.dump(), before);
    // The state goes on.
    store.finish(&[done("t.a", 2)]).unwrap();
    // Nor does an export of somebody else end the process.
    let line = format!("{{\"kind\":\"output\",\"name\":\"o\",\"value\":{{\"sensitive\":false,\"value\":{}}}}}", "[".repeat(1 << 20));
    let text = format!("{}\n{line}\n", json!({"format": 2, "lineage": "x", "serial": 1}));
    assert_eq!(code(writer(&Memory::new()).import(&mut text.as_bytes())), codes::BAD_EXPORT.id);
}

// --- any order of events ----------------------------------------------------------------------------------------------

#[derive(Clone, Debug)]
enum Event {
    Finish(Vec<(u8, Option<i64>)>),
    Begin(u8),
    Generation,
    Swap(u8, u8),
    Close,
    /// The writer ends without a word.
    Kill,
    CutLog(usize),
    DamageLog(usize, u8),
    RemoveLog,
}

fn event() -> impl Strategy<Value = Event> {
    let outcome = (0..6u8, prop::option::weighted(0.8, 0..100i64));
    prop_oneof![
        6 => prop::collection::vec(outcome, 1..4).prop_map(Event::Finish),
        2 => (0..6u8).prop_map(Event::Begin),
        1 => Just(Event::Generation),
        1 => (0..6u8, 0..6u8).prop_map(|(a, b)| Event::Swap(a, b)),
        1 => Just(Event::Close),
        2 => Just(Event::Kill),
        1 => (1..400usize).prop_map(Event::CutLog),
        1 => (0..4000usize, 1..=255u8).prop_map(|(at, flip)| Event::DamageLog(at, flip)),
        1 => Just(Event::RemoveLog),
    ]
}

fn name(n: u8) -> String {
    format!("t.a[{n}]")
}

/// What the state must be, kept beside it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    records: BTreeMap<String, i64>,
    begun: BTreeSet<String>,
}

impl Model {
    fn of(s: &Snapshot) -> Model {
        Model { records: numbers(s), begun: s.in_doubt.iter().map(|d| d.addr.to_string()).collect() }
    }

    fn finish(&mut self, outcomes: &[(u8, Option<i64>)]) {
        for (n, value) in outcomes {
            self.begun.remove(&name(*n));
            match value {
                Some(v) => drop(self.records.insert(name(*n), *v)),
                None => drop(self.records.remove(&name(*n))),
            }
        }
    }
}

/// Lets one event happen; `None` where the store was let go of.
fn happen(event: &Event, dir: Option<&Path>, store: Store, model: &mut Model) -> Option<Store> {
    match event {
        Event::Finish(outcomes) => {
            // The last word about an address holds.
            let last: BTreeMap<u8, Option<i64>> = outcomes.iter().copied().collect();
            let outcomes: Vec<_> = last.into_iter().collect();
            store
                .finish(
                    &outcomes
                        .iter()
                        .map(|(n, v)| Outcome { addr: addr(&name(*n)), record: v.map(|v| record(&name(*n), v)) })
                        .collect::<Vec<_>>(),
                )
                .unwrap();
            model.finish(&outcomes);
        }
        Event::Begin(n) => {
            store.begin(&[intent(&name(*n), vec![op("x")])]).unwrap();
            model.begun.insert(name(*n));
        }
        Event::Generation => drop(store.begin_generation("apply").unwrap()),
        Event::Swap(a, b) => {
            let held = |m: &Model, n: u8| m.records.contains_key(&name(n)) || m.begun.contains(&name(n));
            if a != b && held(model, *a) && held(model, *b) {
                store.mv(&[(addr(&name(*a)), addr(&name(*b))), (addr(&name(*b)), addr(&name(*a)))]).unwrap();
                let swap = |s: String| {
                    if s == name(*a) {
                        name(*b)
                    } else if s == name(*b) {
                        name(*a)
                    } else {
                        s
                    }
                };
                model.records = std::mem::take(&mut model.records).into_iter().map(|(k, v)| (swap(k), v)).collect();
                model.begun = std::mem::take(&mut model.begun).into_iter().map(swap).collect();
            }
        }
        Event::Close => {
            store.close().unwrap();
            return None;
        }
        Event::Kill => return None,
        Event::CutLog(_) | Event::DamageLog(..) | Event::RemoveLog => {
            let Some(log) = dir.map(|d| d.join("log")) else { return Some(store) };
            let Ok(mut bytes) = std::fs::read(&log) else { return Some(store) };
            match event {
                Event::CutLog(n) => bytes.truncate(bytes.len().saturating_sub(*n)),
                Event::DamageLog(at, flip) if !bytes.is_empty() => {
                    let at = at % bytes.len();
                    bytes[at] ^= flip;
                }
                _ => {
                    std::fs::remove_file(&log).unwrap();
                    return Some(store);
                }
            }
            std::fs::write(&log, bytes).unwrap();
        }
    }
    Some(store)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is killed, cut off, damaged or removed: every reader sees all that was durable, and nothing else.
    #[test]
    fn every_reader_sees_what_is_durable(events in prop::collection::vec(event(), 1..25)) {
        let dir = tempfile::tempdir().unwrap();
        let backend = || Arc::new(Sled::new(dir.path()));
        let open = |access| Store::over(backend(), access, Arc::new(Types)).unwrap();
        let (mut store, mut model) = (Some(open(Access::Write)), Model::default());
        store.as_ref().unwrap().snapshot().unwrap();
        for event in &events {
            let at = store.take().unwrap_or_else(|| open(Access::Write));
            store = happen(event, Some(dir.path()), at, &mut model);
            prop_assert_eq!(&Model::of(&open(Access::Read).snapshot().unwrap()), &model, "after {:?}", event);
            if let Some(s) = &store {
                prop_assert_eq!(&Model::of(&s.snapshot().unwrap()), &model, "the writer, after {:?}", event);
            }
        }
    }

    /// The history gives every generation's state back, undo by undo.
    #[test]
    fn the_history_gives_back_every_generation(events in prop::collection::vec(event(), 1..60)) {
        let memory = Memory::new();
        let (mut store, mut model) = (writer(&memory), Model::default());
        let mut after: BTreeMap<u64, BTreeMap<String, i64>> = [(0, BTreeMap::new())].into();
        for event in &events {
            let before = store.history().unwrap().last().map_or(0, |g| g.number);
            store = happen(event, None, store, &mut model).unwrap_or_else(|| writer(&memory));
            let number = store.history().unwrap().last().map_or(0, |g| g.number);
            prop_assert!(number == before || number == before + 1);
            after.insert(number, model.records.clone());
        }
        for (number, records) in &after {
            prop_assert_eq!(&numbers(&reader(&memory).snapshot_at(*number).unwrap()), records, "generation {}", number);
        }
    }
}

#[test]
fn changes_are_pure_and_say_how_to_undo_them() {
    let meta = Meta { generation: 60, records: 1, serial: 4, ..Meta::new() };
    let (a, b, j) = (key(RECORDS, "t.a"), key(RECORDS, "t.b"), key(JOURNAL, "t.a"));
    let content: Content = [(a.clone(), b"1".to_vec()), (j.clone(), b"{}".to_vec())].into();
    let entry = Entry::new(61, "apply");
    let next = |changes: Changes, undone: &[&Vec<u8>]| {
        changes::next(&content, &meta, &entry, &undone.iter().map(|k| (*k).clone()).collect(), changes).unwrap()
    };
    assert!(next([(a.clone(), Some(b"1".to_vec())), (b.clone(), None)].into(), &[]).is_none(), "nothing changes");
    // The journal alone: no serial, no generation.
    let only = next([(j.clone(), None)].into(), &[]).unwrap();
    assert!(only.generation.is_none() && only.meta.serial == 4 && only.batch.prune.is_none());
    assert_eq!(only.batch.changes.keys().collect::<Vec<_>>(), [&j, &META.to_vec()]);
    let both = next([(a.clone(), None), (b.clone(), Some(b"2".to_vec()))].into(), &[&b]).unwrap();
    let entry = both.generation.unwrap();
    assert_eq!((entry.created, entry.deleted, both.meta.serial, both.meta.records, both.batch.prune), (1, 1, 5, 1, Some(11)));
    // What undoes it, for the first change of a key in a generation only.
    let undo_of = |k: &Vec<u8>| both.batch.changes.get(&[&undo_prefix(61)[..], k].concat()).cloned();
    assert_eq!((undo_of(&a), undo_of(&b)), (Some(Some(b"\x011".to_vec())), None));
    let mut after = content.clone();
    Batch { changes: both.batch.changes.clone(), prune: None }.apply(&mut after);
    assert!(undo(&mut after, &a, &undo_of(&a).unwrap().unwrap()) && after[&a] == b"1");
}
