use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::testing::{Store, lock, now};
use super::*;
use crate::addr::{InstanceAddr, ResourceAddr};
use crate::diag::Diagnostic;
use crate::diag::codes::state as codes;
use crate::op::Verb;
use crate::schema::{Attribute, Body, NestedBlock, Nesting, Schema};
use crate::state::backend::Sled;
use crate::value::{Number, Repr, Type, Value};

fn block(name: &'static str, nesting: Nesting) -> NestedBlock {
    let attributes = vec![
        Attribute::optional("size", Type::Number, ""),
        Attribute::optional("secret", Type::String, "").sensitive(),
        Attribute::reference("other", &["thing"], "").or_none(),
    ];
    NestedBlock { name, nesting, min: 0, doc: "", body: Body { attributes, blocks: vec![] } }
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema {
    version: 3,
    doc: "",
    body: Body {
        attributes: vec![
            Attribute::optional("n", Type::Number, ""),
            Attribute::optional("text", Type::String, ""),
            Attribute::optional("config", Type::map(Type::String), ""),
            Attribute::optional("any", Type::Dynamic, ""),
            Attribute::optional("password", Type::String, "").sensitive(),
            Attribute::reference("cluster", &["kafka_cluster"], "").or_none(),
            Attribute::optional("switch", Type::Bool, "").transient(),
        ],
        blocks: vec![
            block("single", Nesting::Single),
            block("labelled", Nesting::List { label: Some("name") }),
            block("mapped", Nesting::Map),
        ],
    },
});

fn schema_of(a: &ResourceAddr) -> Option<&'static Schema> {
    (&*a.type_name == "thing").then(|| &*SCHEMA)
}

fn addr(text: &str) -> InstanceAddr {
    text.parse().unwrap()
}

fn object(attrs: &[(&'static str, Value)]) -> Value {
    let mut map = codec::decode_record(&json!({"address": "thing.x", "schema_version": 3, "attributes": {}, "dependencies": []}), &|a| {
        schema_of(&a.resource)
    })
    .unwrap()
    .attributes
    .as_map()
    .unwrap()
    .clone();
    map.extend(attrs.iter().map(|(k, v)| (Arc::from(*k), v.clone())));
    Value::object(map)
}

fn record_of(name: &str, attributes: Value) -> Record {
    Record {
        addr: addr(name),
        provider: String::new(),
        schema_version: 3,
        attributes,
        private: json!({"cluster_id": "c1"}),
        dependencies: vec![addr("kafka_cluster.events").resource],
        tainted: false,
        protected: true,
        create_before_destroy: false,
    }
}

fn record(name: &str, n: i64) -> Record {
    record_of(name, object(&[("n", n.into())]))
}

fn put(store: &Store, r: Record) {
    store.finish(&[Outcome { addr: r.addr.clone(), record: Some(r) }]).unwrap();
}

fn open(folder: &Path, access: Access) -> Result<Store, Diagnostic> {
    Store::open(folder, access, Arc::new(schema_of))
}

fn writer(folder: &Path) -> Store {
    open(folder, Access::Write).unwrap()
}

fn number_of(s: &Snapshot, name: &str) -> Option<i64> {
    s.records.get(&addr(name))?.attributes.get("n")?.as_i64()
}

fn fixed(_: &Value) -> [u8; 32] {
    [7; 32]
}

// --- codec ------------------------------------------------------------------------------------------------------------

fn key() -> impl Strategy<Value = String> {
    "[$a-c.é\" -]{0,5}"
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (any::<i64>(), any::<u32>(), -40..40i32).prop_map(|(a, b, c)| Number::parse(&format!("{a}.{b}e{c}")).unwrap().into()),
        key().prop_map(Value::string),
        Just(Value::null(Type::String)),
        Just(Value::null(Type::list(Type::Number))),
        Just(Value::unknown(Type::String)),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::tuple),
            prop::collection::btree_map(key(), inner, 0..4).prop_map(Value::object_from),
            prop::collection::vec(any::<i64>(), 0..4).prop_map(|v| Value::list(Type::Number, v.into_iter().map(Value::from).collect())),
            prop::collection::vec(key(), 0..4).prop_map(|v| Value::set(Type::String, v.into_iter().map(Value::string).collect())),
            prop::collection::btree_map(key(), key(), 0..4)
                .prop_map(|m| Value::map(Type::String, m.into_iter().map(|(k, v)| (k.into(), Value::string(v))).collect())),
        ]
    })
}

fn through_text(j: &Json) -> Json {
    serde_json::from_str(&j.to_string()).unwrap()
}

proptest! {
    #[test]
    fn values_round_trip_by_their_type(v in value()) {
        let back = codec::decode(&through_text(&codec::encode(&v, &v.ty(), &fixed)), &v.ty());
        prop_assert!(back == v, "{v} came back as {back}");
    }

    #[test]
    fn values_round_trip_where_anything_may_stand(v in value()) {
        prop_assume!(v.is_known() && !v.is_null());
        let back = codec::decode(&through_text(&codec::encode(&v, &Type::Dynamic, &fixed)), &Type::Dynamic);
        prop_assert!(back == v, "{v} came back as {back}");
        prop_assert_eq!(back.ty(), v.ty());
    }

    #[test]
    fn records_round_trip(n in any::<i64>(), text in key(), config in prop::collection::btree_map(key(), key(), 0..4), any in value()) {
        prop_assume!(any.is_known() && !any.is_null());
        let config = Value::map(Type::String, config.into_iter().map(|(k, v)| (k.into(), Value::string(v))).collect());
        let r = record_of("thing.a[\"k$\"]", object(&[("n", n.into()), ("text", Value::string(text)), ("config", config), ("any", any)]));
        let json = through_text(&codec::encode_record(&r, Some(&SCHEMA), &fixed));
        let back = codec::decode_record(&json, &|a| schema_of(&a.resource)).unwrap();
        prop_assert!(back.attributes == r.attributes, "{:?} came back as {:?}", r.attributes, back.attributes);
        prop_assert_eq!((back.addr, back.private, back.dependencies, back.protected), (r.addr, r.private, r.dependencies, r.protected));
    }

    #[test]
    fn no_json_makes_the_reader_panic(text in "[\\[\\]{}\",:$a-z0-9]{0,40}") {
        if let Ok(j) = serde_json::from_str::<Json>(&text) {
            drop(codec::decode(&j, &Type::Dynamic));
            drop(codec::decode_record(&json!({"address": "thing.a", "schema_version": 3, "attributes": j, "dependencies": []}), &|a| schema_of(&a.resource)));
        }
    }
}

fn inner(secret: Value, size: i64, other: &str) -> Vec<(&'static str, Value)> {
    let other =
        Value::object_of(crate::value::Fields::from([("admin".into(), Value::from("CANARY-HYDRATED"))]), Some(Arc::new(addr(other))));
    vec![("size", size.into()), ("secret", secret), ("other", other)]
}

/// A record that has every kind of attribute, with secrets in all places.
fn full() -> Record {
    let secret = |s: &str| Value::from(format!("CANARY-{s}").as_str());
    let single = Value::object_from(inner(secret("single"), 1, "thing.o"));
    let labelled = Value::object_from(inner(secret("list"), 2, "thing.o").into_iter().chain([("name", Value::from("l"))]));
    let mapped = Value::object_from(inner(secret("map"), 3, "thing.o[0]"));
    let cluster = Value::object_of(crate::value::Fields::new(), Some(Arc::new(addr("data.kafka_cluster.c"))));
    record_of(
        "thing.full",
        object(&[
            ("password", secret("attribute")),
            ("any", Value::tuple(vec![secret("mark").sensitive(), 1.into()])),
            ("cluster", cluster),
            ("switch", true.into()),
            ("single", single),
            ("labelled", Value::list(labelled.ty(), vec![labelled])),
            ("mapped", Value::map(mapped.ty(), crate::value::Fields::from([("$m".into(), mapped)]))),
        ]),
    )
}

#[test]
fn every_kind_of_attribute_is_kept_and_no_secret_is() {
    let json = codec::encode_record(&full(), Some(&SCHEMA), &fixed);
    assert!(!json.to_string().contains("CANARY"), "{json}");
    let back = codec::decode_record(&through_text(&json), &|a| schema_of(&a.resource)).unwrap().attributes;
    let digest = |v: &Value| match v.repr() {
        Repr::Unknown(u) => v.marks().is_sensitive() && u.refinement.digest == Some([7; 32]),
        _ => false,
    };
    assert!(digest(&back.get("password").unwrap()));
    assert!(digest(&back.get("any").unwrap().as_slice().unwrap()[0]));
    assert_eq!(back.get("any").unwrap().as_slice().unwrap()[1].as_i64(), Some(1));
    assert_eq!(back.get("cluster").unwrap().origin().unwrap().to_string(), "data.kafka_cluster.c");
    assert!(back.get("switch").unwrap().is_null(), "a transient attribute is not kept");
    let list = back.get("labelled").unwrap().as_slice().unwrap()[0].clone();
    let map = back.get("mapped").unwrap().get("$m").unwrap();
    for (b, size, other) in [(back.get("single").unwrap(), 1, "thing.o"), (list.clone(), 2, "thing.o"), (map, 3, "thing.o[0]")] {
        assert_eq!(b.get("size").unwrap().as_i64(), Some(size));
        assert!(digest(&b.get("secret").unwrap()));
        assert_eq!(b.get("other").unwrap().origin().unwrap().to_string(), other);
    }
    assert_eq!(list.get_str("name").as_deref(), Some("l"));
}

#[test]
fn what_is_sensitive_as_a_whole_is_so_in_its_parts() {
    let single = Value::object_from([("size", Value::from(4)), ("secret", Value::from("CANARY"))]).sensitive();
    let labelled = Value::object_from([("size", Value::from(4)), ("name", Value::from("CANARY"))]);
    let list = Value::list(labelled.ty(), vec![labelled]).sensitive();
    for attributes in [
        object(&[("single", single), ("labelled", list)]),
        object(&[("text", "CANARY".into()), ("any", Value::tuple(vec!["CANARY".into()]))]).sensitive(),
    ] {
        let json = codec::encode_record(&record_of("thing.a", attributes), Some(&SCHEMA), &fixed);
        assert!(!json.to_string().contains("CANARY"), "{json}");
    }
}

#[test]
fn a_block_that_is_not_known_yet_stays_so() {
    let body = |name: &str| SCHEMA.body.block(name).unwrap().ty();
    let attributes = object(&[("single", Value::unknown(body("single"))), ("labelled", Value::unknown(body("labelled")))]);
    let json = codec::encode_record(&record_of("thing.a", attributes), Some(&SCHEMA), &fixed);
    let back = codec::decode_record(&json, &|a| schema_of(&a.resource)).unwrap().attributes;
    assert!(!back.get("single").unwrap().is_known() && !back.get("labelled").unwrap().is_known());
}

// --- store ------------------------------------------------------------------------------------------------------------

#[test]
fn digests_tell_contents_apart_and_depend_on_the_key() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (writer(one.path()), writer(two.path()));
    assert_eq!(a.digest(&"x".into()), a.digest(&Value::from("x").sensitive()));
    assert_ne!(a.digest(&"x".into()), a.digest(&"y".into()));
    assert_ne!(a.digest(&"1".into()), a.digest(&1.into()));
    assert_ne!(a.digest(&"x".into()), b.digest(&"x".into()));
    put(&a, record_of("thing.a", object(&[("password", "x".into())])));
    let read = a.snapshot().unwrap().records[&addr("thing.a")].attributes.get("password").unwrap();
    assert_eq!(a.digest(&read), a.digest(&"x".into()));
    // Written again as it was read, the digest stays.
    put(&a, record_of("thing.a", object(&[("password", read)])));
    let read = a.snapshot().unwrap().records[&addr("thing.a")].attributes.get("password").unwrap();
    assert_eq!(a.digest(&read), a.digest(&"x".into()));
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut out = Vec::new();
    for e in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if e.path().is_dir() { out.extend(files(&e.path())) } else { out.push(e.path()) }
    }
    out.sort();
    out
}

#[test]
fn files_hold_no_secret_and_are_for_this_user_only() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("state");
    let held = lock(&folder, "test", Duration::ZERO).unwrap();
    let store = writer(&folder);
    store.begin(&[Intent { addr: addr("thing.full"), verb: Verb::Create, record: full(), ops: vec![] }]).unwrap();
    put(&store, full());
    let output = OutputRecord { value: "CANARY-output".into(), sensitive: true };
    store.put_outputs(&BTreeMap::from([("o".into(), output)])).unwrap();
    let mut export = Vec::new();
    store.export(&mut export).unwrap();
    store.close().unwrap();
    assert!(!String::from_utf8(export).unwrap().contains("CANARY"));
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    for f in files(&folder) {
        assert!(!std::fs::read(&f).unwrap().windows(6).any(|w| w == b"CANARY"), "{}", f.display());
        assert_eq!(std::fs::metadata(&f).unwrap().permissions().mode() & 0o077, 0, "{}", f.display());
    }
    drop(held);
}

#[test]
fn what_was_begun_is_in_doubt_until_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let store = writer(dir.path());
    let intent = |n| Intent { addr: addr("thing.a"), verb: Verb::Update, record: record("thing.a", n), ops: vec![] };
    store.begin(&[intent(1), Intent { addr: addr("thing.b"), verb: Verb::Delete, record: record("thing.b", 1), ops: vec![] }]).unwrap();
    store.begin(&[intent(2)]).unwrap();
    drop(store);
    let store = writer(dir.path());
    let doubt = store.snapshot().unwrap().in_doubt;
    assert_eq!(
        doubt.iter().map(|d| (d.addr.to_string(), d.verb)).collect::<Vec<_>>(),
        [("thing.a".to_string(), Verb::Update), ("thing.b".to_string(), Verb::Delete)]
    );
    assert_eq!(doubt[0].intent.attributes.get("n").unwrap().as_i64(), Some(2));
    put(&store, record("thing.a", 3));
    store.remove(&[addr("thing.b"), addr("thing.absent")]).unwrap();
    let now = store.snapshot().unwrap();
    assert!(now.in_doubt.is_empty());
    assert_eq!((number_of(&now, "thing.a"), now.records.len()), (Some(3), 1));
}

#[test]
fn moves_happen_at_once_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = writer(dir.path());
    put(&store, record("thing.a", 1));
    put(&store, record("thing.b", 2));
    let (a, b, c) = (addr("thing.a"), addr("thing.b"), addr("thing.c"));
    let cluster = Value::object_of(crate::value::Fields::new(), Some(Arc::new(a.clone())));
    put(&store, Record { dependencies: vec![a.resource.clone()], ..record_of("thing.user", object(&[("cluster", cluster)])) });
    store.mv(&[(a.clone(), b.clone()), (b.clone(), a.clone())]).unwrap();
    let now = store.snapshot().unwrap();
    assert_eq!((number_of(&now, "thing.a"), number_of(&now, "thing.b")), (Some(2), Some(1)));
    // What refers to a moved object follows it.
    let user = &now.records[&addr("thing.user")];
    assert_eq!(user.attributes.get("cluster").unwrap().origin().unwrap().to_string(), "thing.b");
    assert_eq!(user.dependencies, std::slice::from_ref(&b.resource));
    let refused = |moves: &[(InstanceAddr, InstanceAddr)], code| {
        assert_eq!(store.mv(moves).unwrap_err().code, code);
        assert_eq!(store.snapshot().unwrap().serial, now.serial);
    };
    refused(&[(a.clone(), b.clone())], codes::OCCUPIED);
    refused(&[(a.clone(), c.clone()), (b.clone(), c.clone())], codes::OCCUPIED);
    refused(&[(a, addr("thing.d")), (c.clone(), addr("thing.e"))], codes::NO_RECORD);
    store.mv(&[(b, c)]).unwrap();
    let now = store.snapshot().unwrap();
    assert_eq!((number_of(&now, "thing.b"), number_of(&now, "thing.c")), (None, Some(1)));
}

fn exported(store: &Store) -> String {
    let mut out = Vec::new();
    store.export(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_golden_store_of_format_1_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("state/golden/v1/export.jsonl");
    let dir = tempfile::tempdir().unwrap();
    let store = writer(dir.path());
    if std::env::var_os("UPDATE").is_some() && !path.exists() {
        put(&store, Record { dependencies: vec![], ..full() });
        put(
            &store,
            record_of(
                "thing.plain[\"a.b\"]",
                object(&[
                    ("n", Number::parse("12345678901234567890.5").unwrap().into()),
                    ("text", "line\nnext".into()),
                    (
                        "config",
                        Value::map(
                            Type::String,
                            crate::value::Fields::from([("$key".into(), "${file:/a:b}".into()), ("a.b".into(), "1".into())]),
                        ),
                    ),
                    (
                        "any",
                        Value::object_from([
                            ("kubernetes.io/zone", Value::list(Type::String, vec!["a".into()])),
                            ("none", Value::null(Type::Bool)),
                        ]),
                    ),
                ]),
            ),
        );
        store
            .put_outputs(&BTreeMap::from([
                ("list".into(), OutputRecord { value: Value::list(Type::Number, vec![1.into(), 2.into()]), sensitive: false }),
                ("password".into(), OutputRecord { value: "CANARY".into(), sensitive: true }),
            ]))
            .unwrap();
        std::fs::write(&path, exported(&store)).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    store.import(&mut text.as_bytes()).unwrap();
    let now = store.snapshot().unwrap();
    // An export of today has a last line with count and digest.
    let entries = |text: &str| text.lines().skip(1).filter(|l| !l.contains("\"end\"")).map(str::to_string).collect::<Vec<_>>();
    assert_eq!(entries(&exported(&store)), entries(&text));
    let plain = &now.records[&addr("thing.plain[\"a.b\"]")];
    assert!(plain.protected && !plain.tainted && plain.schema_version == 3);
    assert_eq!(plain.private, json!({"cluster_id": "c1"}));
    let get = |name: &str| plain.attributes.get(name).unwrap();
    assert_eq!(get("n").as_number().unwrap().to_string(), "12345678901234567890.5");
    assert_eq!(get("text").as_str(), Some("line\nnext"));
    assert_eq!(get("config").get_str("$key").as_deref(), Some("${file:/a:b}"));
    assert_eq!(get("any").get("kubernetes.io/zone").unwrap().ty(), Type::list(Type::String));
    let full = &now.records[&addr("thing.full")].attributes;
    assert!(full.get("password").unwrap().marks().is_sensitive());
    assert_eq!(full.get("mapped").unwrap().get("$m").unwrap().get("other").unwrap().origin().unwrap().to_string(), "thing.o[0]");
    assert_eq!(now.outputs["list"].value.ty(), Type::list(Type::Number));
    assert!(now.outputs["password"].sensitive && !now.outputs["password"].value.is_known());
}

#[test]
fn a_reader_makes_nothing_and_an_unwritable_place_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("none");
    assert!(open(&empty, Access::Read).unwrap().snapshot().unwrap().records.is_empty());
    assert!(!empty.exists());
    // Not even root may make folders there.
    let e = open(Path::new("/sys/streamform-test"), Access::Write).err().unwrap();
    assert_eq!(e.code, codes::NOT_WRITABLE, "{e:?}");
    let folder = dir.path().join("state");
    let store = writer(&folder);
    put(&store, record("thing.a", 1));
    store.close().unwrap();
    for (path, mode) in [(folder.join("db"), 0o500), (folder.clone(), 0o500)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    assert_eq!(number_of(&open(&folder, Access::Read).unwrap().snapshot().unwrap(), "thing.a"), Some(1));
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn damaged_files_give_a_diagnostic_and_stay_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good");
    let store = writer(&good);
    for n in 0..20 {
        put(&store, record(&format!("thing.a[{n}]"), n));
    }
    let whole = exported(&store);
    store.close().unwrap();
    let (mut found, mut tried) = (0, 0);
    for file in files(&good) {
        let name = file.strip_prefix(&good).unwrap().to_path_buf();
        let bytes = std::fs::read(&file).unwrap();
        let used = bytes.iter().rposition(|b| *b != 0).map_or(0, |n| n + 1);
        for at in (0..used).step_by((used / 6).max(1)) {
            let bad = dir.path().join("bad");
            for f in files(&good) {
                let to = bad.join(f.strip_prefix(&good).unwrap());
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::fs::copy(&f, to).unwrap();
            }
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            std::fs::write(bad.join(&name), &flipped).unwrap();
            tried += 1;
            for access in [Access::Read, Access::Write] {
                let opened = open(&bad, access).and_then(|s| s.snapshot().map(|_| s));
                match opened {
                    // Damage that nothing was lost by: in what sled no longer uses, or in the key and the head.
                    Ok(s) => assert_eq!(exported(&s), whole, "{} at {at}: data lost without a word", name.display()),
                    Err(d) => {
                        found += 1;
                        assert!(d.hint.is_some(), "{d:?}");
                        assert!(std::fs::read(bad.join(&name)).unwrap() == flipped, "{} at {at} was changed", name.display());
                    }
                }
            }
            std::fs::remove_dir_all(&bad).unwrap();
        }
    }
    assert!(found > 0, "none of {tried} flips was noticed");
}

// --- lock -------------------------------------------------------------------------------------------------------------

#[test]
fn a_lock_names_its_holder_and_cannot_be_taken_from_the_living() {
    let dir = tempfile::tempdir().unwrap();
    let held = lock(dir.path(), "apply", Duration::ZERO).unwrap();
    assert!(held.notes.is_empty());
    let e = lock(dir.path(), "plan", Duration::from_millis(50)).unwrap_err();
    assert_eq!(e.code, codes::LOCKED);
    assert!(e.detail.contains(&std::process::id().to_string()) && e.detail.contains("apply"), "{}", e.detail);
    assert!(matches!(now(Sled::new(dir.path()).holder()), Ok(Some((info, true))) if info == held.info));
    assert_eq!(now(Sled::new(dir.path()).break_lock(&held.info.id)).unwrap_err().code, codes::LOCKED);
    assert_eq!(now(Sled::new(dir.path()).break_lock("other")).unwrap_err().code, codes::NO_LOCK);
    drop(held);
    assert!(now(Sled::new(dir.path()).holder()).unwrap().is_none());
    assert!(lock(dir.path(), "plan", Duration::ZERO).unwrap().notes.is_empty());
}

#[test]
fn a_dead_holder_is_told_and_its_lock_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let held = lock(dir.path(), "apply", Duration::ZERO).unwrap();
    let text = std::fs::read(dir.path().join("lock")).unwrap();
    let id = held.info.id.clone();
    drop(held);
    // What a killed process leaves: its name in the file, and no lock on it.
    std::fs::write(dir.path().join("lock"), &text).unwrap();
    assert!(matches!(now(Sled::new(dir.path()).holder()), Ok(Some((_, false)))));
    assert_eq!(now(Sled::new(dir.path()).break_lock(&id)).unwrap().id, id);
    assert!(now(Sled::new(dir.path()).holder()).unwrap().is_none());
    std::fs::write(dir.path().join("lock"), &text).unwrap();
    let now = lock(dir.path(), "apply", Duration::ZERO).unwrap();
    assert_eq!(now.notes.iter().map(|d| d.code).collect::<Vec<_>>(), [codes::LOCK_FREED]);
}

#[test]
fn a_waiting_writer_gets_the_lock_when_it_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let held = lock(dir.path(), "apply", Duration::ZERO).unwrap();
    std::thread::scope(|s| {
        let waiting = s.spawn(|| lock(dir.path(), "plan", Duration::from_secs(20)).map(|g| g.info.operation.clone()));
        std::thread::sleep(Duration::from_millis(150));
        drop(held);
        assert_eq!(waiting.join().unwrap().unwrap(), "plan");
    });
}
