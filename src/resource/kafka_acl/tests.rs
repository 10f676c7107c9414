use super::*;
use crate::addr::{Mode, ResourceAddr};

fn object(pairs: &[(&'static str, Value)]) -> Value {
    Value::object_from(pairs.iter().cloned())
}

fn blocks(items: Vec<Value>) -> Value {
    Value::list(Type::Dynamic, items)
}

fn block(principal: &str, roles: Vec<Value>, rules: Vec<Value>) -> Value {
    object(&[
        ("principal", principal.into()),
        ("host", "*".into()),
        ("permission", "allow".into()),
        ("role", blocks(roles)),
        ("rule", blocks(rules)),
    ])
}

fn role(name: &str, pairs: &[(&'static str, Value)]) -> Value {
    with(&object(pairs), vec![("name", name.into())])
}

fn rule(operations: &[&str], pairs: &[(&'static str, Value)]) -> Value {
    with(&object(pairs), vec![("operations", Value::list(Type::String, operations.iter().map(|o| Value::from(*o)).collect()))])
}

fn lines(block: &Value) -> Vec<String> {
    let expansion = expand::expand(block);
    assert!(!expansion.diags.has_errors(), "{:?}", expansion.diags);
    expansion.bindings.iter().map(ToString::to_string).collect()
}

fn error_of(block: &Value) -> String {
    let mut diags = Diagnostics::new();
    KafkaAcl.validate(block, &mut diags);
    let text: Vec<String> = diags
        .iter()
        .map(|d| format!("{} {} {}", d.values.first().map_or("", |v| &v.1), d.detail, d.hint.clone().unwrap_or_default()))
        .collect();
    assert_eq!(text.len(), 1, "{text:?}");
    text[0].clone()
}

#[test]
fn roles_expand_exactly() {
    let b = block("User:x", vec![role("consumer", &[("topic", "orders".into()), ("group", "g".into())])], vec![]);
    assert_eq!(
        lines(&b),
        [
            "ALLOW User:x READ on topic literal orders from *",
            "ALLOW User:x DESCRIBE on topic literal orders from *",
            "ALLOW User:x READ on group literal g from *",
        ]
    );
    let b = block(
        "User:x",
        vec![role("producer", &[("topic", "o".into()), ("pattern", "prefixed".into()), ("transactional_id", "t".into())])],
        vec![],
    );
    assert_eq!(
        lines(&b),
        [
            "ALLOW User:x WRITE on topic prefixed o from *",
            "ALLOW User:x CREATE on topic prefixed o from *",
            "ALLOW User:x DESCRIBE on topic prefixed o from *",
            "ALLOW User:x WRITE on transactional_id prefixed t from *",
            "ALLOW User:x DESCRIBE on transactional_id prefixed t from *",
        ]
    );
}

#[test]
fn connectors() {
    let b = block(
        "User:c",
        vec![role("sink", &[("connector", "s3".into()), ("topic", "a".into())]), role("source", &[("topic", "b".into())])],
        vec![],
    );
    assert_eq!(
        lines(&b),
        [
            "ALLOW User:c READ on topic literal a from *",
            "ALLOW User:c WRITE on topic literal b from *",
            "ALLOW User:c READ on group literal connect-s3 from *",
        ]
    );
}

#[test]
fn rules_and_duplicates() {
    let b = block(
        "User:x",
        vec![role("consumer", &[("topic", "a".into())])],
        vec![
            rule(&["read", "Describe"], &[("topic", "a".into())]),
            rule(&["ALL"], &[("cluster", true.into()), ("permission", "deny".into()), ("host", "10.0.0.1".into())]),
        ],
    );
    assert_eq!(
        lines(&b),
        [
            "ALLOW User:x READ on topic literal a from *",
            "ALLOW User:x DESCRIBE on topic literal a from *",
            "DENY User:x ALL on cluster literal kafka-cluster from 10.0.0.1",
        ]
    );
    assert!(expand::lockout(&expand::expand(&b).bindings).is_some());
}

#[test]
fn what_matches_nothing_is_refused() {
    let topic =
        |name: &str, pattern: &str| block("User:x", vec![role("consumer", &[("topic", name.into()), ("pattern", pattern.into())])], vec![]);
    assert_eq!(lines(&topic("*", "literal")).len(), 2);
    assert!(error_of(&topic("orders*", "literal")).contains("Write \"orders\" with `pattern = \"prefixed\"`"));
    assert!(error_of(&topic("*", "prefixed")).starts_with("role[0].topic "));
    assert!(error_of(&topic("", "literal")).contains("empty"));
    assert!(error_of(&topic("a", "regex")).contains("Expected \"literal\" or \"prefixed\""));
    assert!(error_of(&block("alice", vec![role("consumer", &[("topic", "a".into())])], vec![])).contains("Write \"User:alice\""));
    assert!(error_of(&block("CN=a:b", vec![role("consumer", &[("topic", "a".into())])], vec![])).contains("Write \"User:CN=a:b\""));
    assert!(error_of(&block("User:x", vec![role("consumr", &[("topic", "a".into())])], vec![])).contains("Did you mean \"consumer\"?"));
    assert!(error_of(&block("User:x", vec![], vec![rule(&["CREATE"], &[("group", "g".into())])])).contains("knows no CREATE on a group"));
    assert!(error_of(&block("User:x", vec![], vec![rule(&["RAED"], &[("group", "g".into())])])).contains("Did you mean \"READ\"?"));
    assert!(error_of(&block("User:x", vec![], vec![])).contains("grants nothing"));
    assert!(
        error_of(&block("User:x", vec![role("consumer", &[("transactional_id", "t".into())])], vec![]))
            .contains("grants nothing on `transactional_id`")
    );
}

fn planned(prior: Option<&Value>, config: &Value) -> PlanOutput {
    let addr = ResourceAddr::root(Mode::Managed, "kafka_acl", "x").instance(None);
    KafkaAcl.plan(PlanInput::new(&addr, prior, &Private::Null, config, config.clone()))
}

#[test]
fn plan_shows_each_binding_and_finds_drift() {
    let config = block("User:x", vec![role("consumer", &[("topic", "a".into())])], vec![]);
    let created = planned(None, &config);
    assert_eq!(
        crate::resource::lines(&created.ops),
        ["+ ALLOW User:x READ on topic literal a from *", "+ ALLOW User:x DESCRIBE on topic literal a from *"]
    );
    assert!(created.planned.is_wholly_known());
    let again = planned(Some(&created.planned), &config);
    assert_eq!((again.planned, crate::resource::lines(&again.ops).len()), (created.planned.clone(), 0));
    let drifted =
        with(&created.planned, vec![("bindings", Value::list(Type::String, vec!["ALLOW User:x READ on topic literal a from *".into()]))]);
    let mended = planned(Some(&drifted), &config);
    assert_eq!(crate::resource::lines(&mended.ops), ["+ ALLOW User:x DESCRIBE on topic literal a from *"]);
    let other = planned(Some(&created.planned), &block("User:x", vec![role("consumer", &[("group", "g".into())])], vec![]));
    assert_eq!(crate::resource::lines(&other.ops).len(), 3);
    assert!(crate::resource::lines(&other.ops).contains(&"- ALLOW User:x READ on topic literal a from *".to_string()));
    assert_eq!(KafkaAcl.plan_delete(&created.planned, &Private::Null).len(), 2);
}

#[test]
fn unknown_names_are_known_after_apply() {
    let config = block("User:x", vec![role("consumer", &[("topic", Value::unknown(Type::String)), ("group", "g".into())])], vec![]);
    let out = planned(None, &config);
    assert_eq!(
        crate::resource::lines(&out.ops),
        ["+ ALLOW User:x READ on group literal g from *", "+ further bindings (known after apply)"]
    );
    assert!(!out.planned.get("bindings").unwrap().is_known());
}

#[test]
fn imported_rules_mean_the_same_bindings() {
    let config = block(
        "User:x",
        vec![role("admin", &[("topic", "t".into()), ("cluster", true.into())]), role("sink", &[("connector", "c".into())])],
        vec![rule(
            &["READ"],
            &[("topic", "t".into()), ("permission", "deny".into()), ("host", "1.2.3.4".into()), ("pattern", "prefixed".into())],
        )],
    );
    let bindings = expand::expand(&config).bindings;
    let (value, _) = imported(&Value::null_dynamic(), "User:x", &bindings, "id");
    assert_eq!(present(&value), bindings);
    assert_eq!(bindings.len(), 4);
}

#[test]
fn shared_bindings_are_kept_for_who_holds_them() {
    let b = |topic: &str| expand::expand(&block("User:x", vec![role("sink", &[("topic", topic.into())])], vec![])).bindings;
    let holders = Holders::default();
    holders.set("c", "a", b("t"));
    holders.set("c", "b", b("t"));
    holders.set("c", "a", BTreeSet::new());
    assert!(holders.free("c", b("t")).is_empty());
    assert_eq!(holders.free("another", b("t")), b("t"));
    holders.set("c", "b", BTreeSet::new());
    assert_eq!(holders.free("c", b("t")), b("t"));
}
