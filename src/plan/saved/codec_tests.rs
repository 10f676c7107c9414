use super::*;
use crate::resource::{Key, Op, OpAction, Place};
use crate::schema::{Attribute, NestedBlock, Nesting};

/// Not secret, but unlike for unlike contents.
fn digest(v: &Value) -> [u8; 32] {
    let mut out = [0; 32];
    for (i, b) in crate::value::json::to_json_text(v).unwrap_or_default().bytes().enumerate() {
        out[i % 32] ^= b.rotate_left(u32::try_from(i % 8).unwrap());
    }
    out
}

/// `==` leaves out origins and the types of nulls inside; this does not.
fn shape(v: &Value) -> String {
    let inner = match v.repr() {
        Repr::Null(t) => format!("null {t}"),
        Repr::Unknown(u) => format!("unknown {} {:?}", u.ty, u.refinement),
        Repr::List(l) => format!("list {} {:?}", l.elem, l.items.iter().map(shape).collect::<Vec<_>>()),
        Repr::Set(l) => format!("set {} {:?}", l.elem, l.items.iter().map(shape).collect::<Vec<_>>()),
        Repr::Tuple(t) => format!("tuple {:?}", t.items.iter().map(shape).collect::<Vec<_>>()),
        Repr::Map(m) => format!("map {} {:?}", m.elem, m.items.iter().map(|(k, v)| (k, shape(v))).collect::<Vec<_>>()),
        Repr::Object(o) => format!("object {:?} {:?}", o.origin, o.attrs.iter().map(|(k, v)| (k, shape(v))).collect::<Vec<_>>()),
        Repr::Bool(b) => b.to_string(),
        Repr::Number(n) => n.to_string(),
        Repr::String(s) => format!("{s:?}"),
    };
    format!("{inner} {:?}", v.marks())
}

fn round(v: &Value, hint: &Type) -> Value {
    let json = Encoder::exact(&digest).value(v, hint);
    // Through text, as a file does.
    let json = serde_json::from_str(&json.to_string()).unwrap();
    decode(&json, hint, &mut placeholder).unwrap_or_else(|| panic!("{json}"))
}

fn address() -> Arc<InstanceAddr> {
    Arc::new("data.kafka_cluster.k".parse().unwrap())
}

#[test]
fn what_is_not_sensitive_comes_back_exactly_whatever_the_reader_expects() {
    let number = |text: &str| Value::from(Number::parse(text).unwrap());
    let nested = Type::list(Type::object([("a", Type::String)]));
    let refined = Refinement { not_null: true, prefix: Some("ab".into()), min_len: Some(1), max_len: Some(7), digest: None };
    let values = [
        Value::null_dynamic(),
        Value::null(Type::String),
        Value::null(nested.clone()),
        Value::null(Type::String).sensitive(),
        Value::unknown(Type::Dynamic),
        Value::unknown(nested).sensitive(),
        Value::unknown_with(Type::String, refined),
        true.into(),
        number("12345678901234567890123"),
        number("0.1"),
        (-7).into(),
        "$ref".into(),
        Value::list(Type::String, vec!["a".into(), Value::null(Type::String), Value::unknown(Type::String)]),
        Value::list(Type::Number, vec![]),
        Value::set(Type::Number, vec![2.into(), 1.into()]),
        Value::tuple(vec!["a".into(), 1.into(), Value::null_dynamic()]),
        Value::map(Type::Bool, Fields::from([("$x".into(), true.into()), ("y".into(), Value::null(Type::Bool).sensitive())])),
        Value::object_from([("$digest", Value::from("no digest")), ("$$a", Value::from(1)), ("items", Value::tuple(vec![]))]),
        Value::object_of(Fields::from([("id".into(), "x".into())]), Some(address())),
        Value::object_from([("deep", Value::list(Type::map(Type::String), vec![Value::map(Type::String, Fields::new())]))]),
    ];
    let hints = [
        Type::Dynamic,
        Type::String,
        Type::Number,
        Type::list(Type::String),
        Type::set(Type::Number),
        Type::map(Type::Bool),
        Type::object([("$digest", Type::String), ("id", Type::String)]),
        Type::Tuple([Type::String, Type::Number].into()),
    ];
    for v in &values {
        for hint in hints.iter().chain([&v.ty()]) {
            assert_eq!(shape(&round(v, hint)), shape(v), "read as {hint}");
        }
    }
}

#[test]
fn of_secrets_only_the_digest_is_written_whatever_their_shape() {
    let text = Value::from("CANARY");
    let prefix = Refinement { prefix: Some("CANARY-".into()), ..Refinement::default() };
    let secrets = [
        text.clone().sensitive(),
        Value::tuple(vec!["a".into(), text.clone()]).sensitive(),
        Value::object_from([("CANARY", Value::from(1))]).sensitive(),
        Value::map(Type::String, Fields::from([("a".into(), text.clone())])).sensitive(),
        Value::object_of(Fields::from([("CANARY".into(), text.clone())]), Some(address())).sensitive(),
        Value::unknown_with(Type::String, prefix).sensitive(),
        text.clone().mark(crate::value::Marks::EPHEMERAL),
    ];
    for secret in secrets {
        let around = Value::object_from([("x", Value::list(secret.ty(), vec![secret.clone()]))]);
        let json = Encoder::exact(&digest).value(&around, &Type::Dynamic).to_string();
        // The type of an object names its attributes, as the type of any list does; a secret's own type is never written.
        assert!(!json.replace("\"CANARY\":\"", "").contains("CANARY"), "{json}");
        let json = Encoder::exact(&digest).value(&Value::tuple(vec![secret.clone()]), &Type::Dynamic).to_string();
        assert!(!json.contains("CANARY"), "{json}");
    }
    let Repr::Unknown(u) = round(&text.clone().sensitive(), &Type::String).repr().clone() else { panic!("it is known") };
    assert_eq!((u.refinement.digest, &u.ty), (Some(digest(&text)), &Type::String));
    let mut put_back = |d: [u8; 32], _: &Type| if d == digest(&text) { text.clone().sensitive() } else { placeholder(d, &Type::String) };
    let admin = Value::object_from([("password", text.clone().sensitive()), ("ca_file", Value::null(Type::String))]);
    let json = Encoder::exact(&digest).value(&admin, &admin.ty());
    assert_eq!(shape(&decode(&json, &admin.ty(), &mut put_back).unwrap()), shape(&admin));
    // A digest that the state had already is none of a value that was known.
    let recorded = placeholder([7; 32], &Type::String);
    assert_eq!(shape(&round(&recorded, &Type::String)), shape(&recorded));
    let mut never = |_, _: &Type| -> Value { panic!("asked for a content") };
    let json = Encoder::exact(&digest).value(&recorded, &Type::String);
    decode(&json, &Type::String, &mut never).unwrap();
    // A plan is the same with either.
    let known = Encoder::comparable(&digest).value(&text.clone().sensitive(), &Type::String);
    assert_eq!(known, Encoder::comparable(&digest).value(&placeholder(digest(&text), &Type::String), &Type::String));
}

#[test]
fn objects_follow_their_schema_references_as_addresses_and_sensitive_attributes_unmarked_or_not() {
    let login = Body { attributes: vec![Attribute::required("password", Type::String, "").sensitive()], blocks: vec![] };
    let block = |name, nesting| NestedBlock { name, nesting, min: 0, doc: "", body: login.clone() };
    let attributes = vec![Attribute::reference("cluster", &["kafka_cluster"], ""), Attribute::required("any", Type::Dynamic, "")];
    let body = Body { attributes, blocks: vec![block("one", Nesting::Single), block("many", Nesting::List { label: None })] };
    let schema = Schema { version: 0, doc: "", body };
    let ty = schema.body.ty();
    let object = Value::object_of(Fields::from([("id".into(), "inner".into())]), Some(address()));
    let open = Value::object_from([("password", Value::from("CANARY"))]);
    let v = Value::object_from([
        ("cluster", object.clone()),
        ("any", object.clone()),
        ("one", open.clone()),
        ("many", Value::list(open.ty(), vec![open])),
    ]);
    let json = Encoder::exact(&digest).object(&v, Some((&schema, &ty)));
    assert!(!json.to_string().contains("CANARY"), "{json}");
    assert_eq!(json["cluster"], json!({ "$ref": "data.kafka_cluster.k" }));
    let back = decode(&json, &ty, &mut placeholder).unwrap();
    assert_eq!(shape(&back.get("any").unwrap()), shape(&object));
    assert_eq!(back.get("cluster").unwrap().origin(), Some(&address()));
    assert!(back.get("one").unwrap().get("password").unwrap().marks().is_sensitive());
    // A block that is not written stays null of its type, and is no empty object.
    let none = Value::object_from([("one", Value::null(login.ty()))]);
    let json = Encoder::exact(&digest).object(&none, Some((&schema, &ty)));
    assert_eq!(shape(&decode(&json, &ty, &mut placeholder).unwrap()), shape(&none));
}

#[test]
fn what_the_encoder_does_not_write_is_refused() {
    for text in [r#"{"$secret":"12"}"#, r#"{"$list":"string"}"#, r#"{"$null":"text"}"#, r#"{"$new":1}"#, "1.5", r#"{"$ref":"no address"}"#]
    {
        assert!(decode(&serde_json::from_str(text).unwrap(), &Type::Dynamic, &mut placeholder).is_none(), "{text}");
    }
}

#[test]
fn a_change_comes_back_but_for_its_private_part() {
    let addr: InstanceAddr = "null_resource.a[\"x\"]".parse().unwrap();
    let object = Value::object_from([("inputs", Value::from(1))]);
    let reasons = vec![
        Reason::CannotUpdate(vec![("a".into(), "why".into())]),
        Reason::Tainted,
        Reason::Requested,
        Reason::Triggered,
        Reason::NotInConfiguration,
        Reason::NoLongerRepeated,
        Reason::Destroying,
        Reason::Missing,
        Reason::Deposed,
        Reason::SameAsNow("t.a".parse().unwrap(), "thing \"x\"".into()),
        Reason::SameObject("thing".into()),
        Reason::GoesWith("t.b".parse().unwrap()),
        Reason::NowSensitive,
        Reason::Imported("id".into()),
        Reason::Moved("null_resource.b".parse().unwrap()),
    ];
    for action in ACTIONS {
        let change = Change {
            addr: addr.clone(),
            action,
            reasons: reasons.clone(),
            prior: Some(object.clone()),
            private: Private::Null,
            planned: Some(Value::object_from([("inputs", Value::unknown(Type::String))])),
            ops: vec![Op::new(OpAction::Grant, Key::new(Place::here(), "thing", "one"))],
            delete_ops: vec![Op::new(OpAction::Delete, Key::new(Place::here(), "thing", "two")).loss(Some("all".into()))],
            dependencies: vec!["null_resource.c".parse().unwrap()],
            used: vec!["null_resource.d".parse().unwrap()],
            deferred: true,
            protected: true,
            timeouts: BTreeMap::from([("create".into(), 5)]),
            create_before_destroy: true,
            deposed: Some("k".into()),
            record_changes: true,
            begun: true,
            goes_with_place: true,
        };
        let encoder = Encoder::comparable(&digest);
        let back = decode_change(&encoder.change(&change, None), &|_| Type::Dynamic).unwrap();
        assert_eq!(format!("{back:?}"), format!("{change:?}"));
        let same = Change { planned: change.prior.clone(), ..change };
        let json = encoder.change(&same, None);
        assert_eq!((&json["same"], json.get("planned")), (&Json::Bool(true), None));
        assert_eq!(format!("{:?}", decode_change(&json, &|_| Type::Dynamic).unwrap()), format!("{same:?}"));
    }
}
