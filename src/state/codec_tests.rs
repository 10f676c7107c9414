//! Values and records through the stored form and back.

use std::sync::LazyLock;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::schema::NestedBlock;
use crate::value::Marks;

fn digest(v: &Value) -> [u8; 32] {
    let mut out = [7; 32];
    let text = crate::value::json::to_json_text(v).unwrap_or_default();
    text.bytes().enumerate().for_each(|(i, b)| out[i % 32] ^= b.wrapping_add(i as u8));
    out
}

fn there_and_back(v: &Value, ty: &Type) -> Value {
    let text = serde_json::to_vec(&encode(v, ty, &digest)).unwrap();
    decode(&serde_json::from_slice(&text).unwrap(), ty)
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        (any::<i64>(), 0..40u32, prop::bool::ANY)
            .prop_map(|(n, e, frac)| { Number::parse(&format!("{n}e{}{e}", if frac { "-" } else { "" })).unwrap().into() }),
        "[1-9][0-9]{1,80}(\\.[0-9]{1,80})?".prop_map(|s| Number::parse(&s).unwrap().into()),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,4}", "\\$[a-z]{0,4}", Just("$ref".to_string()), Just("$$".to_string()), "\\PC{0,6}"]
}

/// A type without `any`, and a value of it.
fn typed() -> impl Strategy<Value = (Type, Value)> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(|b| (Type::Bool, Value::from(b))),
        number().prop_map(|n| (Type::Number, n)),
        "\\PC{0,12}".prop_map(|s| (Type::String, Value::string(s))),
        Just((Type::String, Value::null(Type::String))),
        Just((Type::Number, Value::unknown(Type::Number))),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            (inner.clone(), 0..4usize).prop_map(|((t, v), n)| (Type::list(t.clone()), Value::list(t, vec![v; n]))),
            (inner.clone(), btree_map(key(), Just(()), 0..4)).prop_map(|((t, v), keys)| {
                let items = keys.into_keys().map(|k| (Arc::from(k), v.clone())).collect();
                (Type::map(t.clone()), Value::map(t, items))
            }),
            prop::collection::btree_set("[a-z]{0,5}", 0..4)
                .prop_map(|s| (Type::set(Type::String), Value::set(Type::String, s.into_iter().map(Value::from).collect()))),
            vec(inner.clone(), 0..4).prop_map(|all| {
                let (types, values): (Vec<_>, Vec<_>) = all.into_iter().unzip();
                (Type::Tuple(types.into()), Value::tuple(values))
            }),
            btree_map(key(), inner, 0..4).prop_map(|all| {
                let types = all.iter().map(|(k, (t, _))| (k.as_str(), t.clone()));
                let ty = Type::object(types.collect::<Vec<_>>());
                (ty, Value::object_from(all.iter().map(|(k, (_, v))| (k.as_str(), v.clone()))))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn typed_values_round_trip((ty, v) in typed()) {
        let back = there_and_back(&v, &ty);
        prop_assert_eq!(&back, &v);
        prop_assert_eq!(back.ty(), v.ty());
    }

    #[test]
    fn dynamic_values_keep_their_types((_, v) in typed()) {
        let back = there_and_back(&v, &Type::Dynamic);
        prop_assert_eq!(&back, &v);
        prop_assert_eq!(back.ty(), v.ty());
    }

    #[test]
    fn dynamic_inside_known((ty, v) in typed(), (_, w) in typed()) {
        let outer = Type::object([("a", ty), ("b", Type::Dynamic)]);
        let value = Value::object_from([("a", v), ("b", w)]);
        prop_assert_eq!(there_and_back(&value, &outer), value);
    }

    #[test]
    fn no_sensitive_text_is_written(secret in "[A-Z]{12}", (_, v) in typed()) {
        let value = Value::object_from([
            ("open", v),
            ("text", Value::from(secret.as_str()).sensitive()),
            ("shape", Value::object_from([(secret.as_str(), Value::from(true))]).sensitive()),
            ("list", Value::list(Type::String, vec![Value::from("x"), Value::from(secret.as_str()).sensitive()])),
        ]);
        let json = encode(&value, &Type::Dynamic, &digest).to_string();
        prop_assert!(!json.contains(&secret), "{}", json);
    }
}

#[test]
fn sensitive_values_come_back_as_their_digest() {
    let v = Value::from("hunter2").sensitive();
    let back = there_and_back(&v, &Type::String);
    let Repr::Unknown(u) = back.repr() else { panic!("known: {back}") };
    assert_eq!((u.refinement.digest, &u.ty), (Some(digest(&v)), &Type::String));
    assert!(back.marks().is_sensitive());
    // Written again without ever being known, it stays the same digest.
    assert_eq!(there_and_back(&back, &Type::String), back);
}

#[test]
fn ephemeral_values_are_not_kept() {
    let v = Value::from("token").mark(Marks::EPHEMERAL);
    assert_eq!(encode(&v, &Type::String, &digest), Json::Null);
}

#[test]
fn plain_json_stays_plain() {
    let ty = Type::object([("n", Type::Number), ("m", Type::map(Type::String)), ("l", Type::list(Type::Bool))]);
    let v = Value::object_from([
        ("n", Value::from(3i64)),
        ("m", Value::map(Type::String, [("a".into(), Value::from("b"))].into())),
        ("l", Value::list(Type::Bool, vec![true.into()])),
    ]);
    assert_eq!(encode(&v, &ty, &digest).to_string(), r#"{"l":[true],"m":{"a":"b"},"n":3}"#);
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let inner = Body {
        attributes: vec![
            Attribute::required("port", Type::Number, ""),
            Attribute::optional("password", Type::String, "").sensitive(),
            Attribute::reference("to", &["x"], "").or_none(),
        ],
        blocks: vec![],
    };
    let block = |name, nesting| NestedBlock { name, nesting, min: 0, doc: "", body: inner.clone() };
    Schema {
        version: 3,
        doc: "",
        body: Body {
            attributes: vec![
                Attribute::reference("cluster", &["kafka_cluster"], ""),
                Attribute::optional("any", Type::Dynamic, ""),
                Attribute::optional("secrets", Type::map(Type::String), "").sensitive(),
                Attribute::optional("switch", Type::Bool, "").transient(),
            ],
            blocks: vec![
                block("listener", Nesting::List { label: Some("name") }),
                block("one", Nesting::Single),
                block("named", Nesting::Map),
            ],
        },
    }
});

fn inner(port: i64, label: bool) -> Value {
    let to: InstanceAddr = "x.y".parse().unwrap();
    let mut attrs = vec![
        ("port", Value::from(port)),
        ("password", Value::from("s3cret")),
        ("to", Value::object_of([("big".into(), Value::from("content"))].into(), Some(Arc::new(to)))),
    ];
    if label {
        attrs.push(("name", Value::from("internal")));
    }
    Value::object_from(attrs)
}

#[test]
fn records_by_schema() {
    let cluster: InstanceAddr = "module.m[\"a\"].kafka_cluster.c[0]".parse().unwrap();
    let element = |name: &str| match SCHEMA.body.block(name).unwrap().ty() {
        Type::List(t) | Type::Map(t) => (*t).clone(),
        t => t,
    };
    let attributes = Value::object_from([
        ("cluster", Value::object_of([("admin".into(), Value::from("content"))].into(), Some(Arc::new(cluster.clone())))),
        ("any", Value::tuple(vec![Value::from(1i64), Value::null(Type::String)])),
        ("secrets", Value::map(Type::String, [("k".into(), Value::from("s3cret"))].into())),
        ("switch", Value::from(true)),
        ("listener", Value::list(element("listener"), vec![inner(1, true)])),
        ("one", inner(2, false)),
        ("named", Value::map(element("named"), [("$a".into(), inner(3, false))].into())),
    ]);
    let record = Record {
        addr: "module.m.t.n[\"k\"]".parse().unwrap(),
        provider: "kafka.other".into(),
        schema_version: 3,
        attributes: attributes.clone(),
        private: json!({"id": 1}),
        dependencies: vec![cluster.resource.clone()],
        tainted: true,
        protected: false,
        create_before_destroy: true,
    };
    let json = encode_record(&record, Some(&SCHEMA), &digest);
    let text = json.to_string();
    assert!(!text.contains("s3cret") && !text.contains("content") && !text.contains("switch"), "{text}");
    let back = decode_record(&json, &|_| Some(&SCHEMA)).unwrap();
    assert_eq!(back.attributes.get("cluster").unwrap().origin().map(|a| (**a).clone()), Some(cluster));
    assert_eq!(back.attributes.get("any"), attributes.get("any"));
    assert_eq!(back.attributes.get("switch"), Some(Value::null(Type::Bool)));
    let first = |v: &Value| v.get("listener").unwrap().as_slice().unwrap()[0].clone();
    assert_eq!(first(&back.attributes).get("name"), Some(Value::from("internal")));
    assert_eq!(back.attributes.get("named").unwrap().get("$a").unwrap().get("port"), Some(Value::from(3i64)));
    assert!(back.attributes.get("one").unwrap().get("password").unwrap().marks().is_sensitive());
    assert_eq!((back.tainted, back.protected, back.create_before_destroy), (true, false, true));
    assert_eq!((back.private, back.dependencies), (record.private.clone(), record.dependencies.clone()));
    // What was read back and never filled in is written as it was.
    let again = Record { attributes: back.attributes, ..record };
    assert_eq!(encode_record(&again, Some(&SCHEMA), &digest), json);
}

#[test]
fn a_record_of_an_unknown_type_is_kept_as_it_is() {
    let addr: InstanceAddr = "gone_type.x".parse().unwrap();
    let object = Value::object_of([("a".into(), Value::list(Type::Number, vec![1i64.into()]))].into(), Some(Arc::new(addr.clone())));
    let record = Record {
        addr,
        provider: String::new(),
        schema_version: 0,
        attributes: object.clone(),
        private: Json::Null,
        dependencies: vec![],
        tainted: false,
        protected: false,
        create_before_destroy: false,
    };
    let back = decode_record(&encode_record(&record, None, &digest), &|_| None).unwrap();
    assert_eq!(back.attributes, object);
}

#[test]
fn broken_records_are_refused() {
    for text in [r#"{}"#, r#"{"address":"no address","schema_version":0,"attributes":{}}"#, r#"{"address":"a.b","attributes":{}}"#] {
        assert!(decode_record(&serde_json::from_str(text).unwrap(), &|_| None).is_none(), "{text}");
    }
}
