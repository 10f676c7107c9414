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

fn texts(bindings: &BTreeSet<AclBinding>) -> Vec<String> {
    bindings.iter().map(ToString::to_string).collect()
}

fn listing(object: &Value, bindings: &[&str]) -> Value {
    with(object, vec![("bindings", Value::list(Type::String, bindings.iter().map(|b| Value::from(*b)).collect()))])
}

const READ_A: &str = "ALLOW User:x READ on topic literal a from *";
const WRITE_A: &str = "ALLOW User:x WRITE on topic literal a from *";
const WRITE_B: &str = "ALLOW User:x WRITE on topic literal b from *";

fn reads_a() -> Value {
    block("User:x", vec![], vec![rule(&["READ"], &[("topic", "a".into())])])
}

#[test]
fn apply_carries_out_the_operations_and_nothing_else() {
    let (prior, wider) =
        (listing(&reads_a(), &[READ_A]), block("User:x", vec![], vec![rule(&["READ", "WRITE"], &[("topic", "a".into())])]));
    let step = |prior: Option<&Value>, planned: Option<&Value>, ops| StepRequest {
        addr: ResourceAddr::root(Mode::Managed, "kafka_acl", "x").instance(None),
        prior: prior.cloned(),
        planned: planned.cloned(),
        private: Private::Null,
        timeout: Duration::ZERO,
        begun: false,
        replaces: None,
        ops,
    };
    let out = planned(Some(&prior), &wider);
    let update = step(Some(&prior), Some(&out.planned), out.ops);
    let found = work(&update);
    assert_eq!((texts(&found.add), texts(&found.drop)), (vec![WRITE_A.to_string()], vec![]));
    let nothing = step(Some(&prior), Some(&out.planned), vec![]);
    assert!(work(&nothing).add.is_empty(), "what was not planned is not granted");
    let mut revoke = KafkaAcl.plan_delete(&prior, &Private::Null);
    assert_eq!(texts(&work(&step(Some(&prior), None, revoke.clone())).drop), [READ_A]);
    revoke[0].action = OpAction::Keep;
    assert!(work(&step(Some(&prior), None, revoke)).drop.is_empty(), "another block holds it");
}

#[test]
fn what_failed_is_recorded_as_it_is() {
    let prior = listing(&reads_a(), &[READ_A]);
    let out = planned(
        Some(&prior),
        &block("User:x", vec![], vec![rule(&["WRITE"], &[("topic", "a".into())]), rule(&["WRITE"], &[("topic", "b".into())])]),
    );
    let step = StepRequest {
        addr: ResourceAddr::root(Mode::Managed, "kafka_acl", "x").instance(None),
        prior: Some(prior),
        planned: Some(out.planned),
        private: Private::Null,
        timeout: Duration::ZERO,
        begun: false,
        replaces: None,
        ops: out.ops,
    };
    let failed = [(WRITE_B.parse().unwrap(), KafkaError::SecurityDisabled)].into();
    let result = outcome(&work(&step), &failed, "id", |e| Diagnostic::error(codes::CONNECTION, e.to_string()));
    assert!(result.error.unwrap().detail.contains(WRITE_B));
    // The old binding was not revoked, because a new one failed.
    assert_eq!(texts(&present(&result.object.unwrap().0)), [READ_A, WRITE_A]);
}

#[test]
fn bindings_that_a_killed_update_left_are_seen_and_revoked() {
    let prior = listing(&reads_a(), &[READ_A]);
    let intent = block("User:x", vec![], vec![rule(&["READ", "WRITE"], &[("topic", "a".into())])]);
    let ops = planned(Some(&prior), &intent).ops;
    let addr = ResourceAddr::root(Mode::Managed, "kafka_acl", "x").instance(None);
    let mut request = ReadRequest::new(addr, prior, private("id"));
    let live = [READ_A, WRITE_A, WRITE_B].map(|t| t.parse().unwrap()).into();
    let seen = |request: &ReadRequest| match observe(request, &wanted(request), &live, "id").unwrap() {
        Observed::Present(value, ..) => value,
        Observed::Absent => panic!("gone"),
    };
    assert_eq!(texts(&present(&seen(&request))), [READ_A], "nothing is in doubt: what others hold is theirs");
    let unreadable = with(&intent, vec![("principal", Value::unknown(Type::String))]);
    for intent in [intent, unreadable] {
        request.doubt = Some(crate::resource::Doubt { verb: Verb::Update, intent, private: private("id"), ops: ops.clone() });
        let now = seen(&request);
        assert_eq!(texts(&present(&now)), [READ_A, WRITE_A]);
        assert_eq!(crate::resource::lines(&planned(Some(&now), &reads_a()).ops), [format!("- {WRITE_A}")]);
        assert_eq!(KafkaAcl.plan_delete(&now, &Private::Null).len(), 2, "the block was removed");
    }
}

#[test]
fn a_sensitive_part_makes_the_bindings_sensitive_and_old_records_are_still_revoked() {
    let of = |principal: Value, topic: Value, host: Value| {
        with(&block("User:x", vec![role("consumer", &[("topic", topic)])], vec![]), vec![("principal", principal), ("host", host)])
    };
    let names: [(Value, Value, Value); 3] = [
        (Value::from("User:x").sensitive(), "a".into(), "*".into()),
        ("User:x".into(), Value::from("a").sensitive(), "*".into()),
        ("User:x".into(), "a".into(), Value::from("10.0.0.1").sensitive()),
    ];
    for (principal, topic, host) in names {
        let out = planned(None, &of(principal, topic, host));
        assert!(out.planned.get("bindings").unwrap().contains_sensitive());
        // Which object it is hangs on the secret: the core refuses such a plan.
        let unknown =
            with(&out.planned, vec![("bindings", Value::unknown(Type::list(Type::String))), ("principal", Value::unknown(Type::String))]);
        assert_ne!(KafkaAcl.holds(&out.planned, &private("id")), KafkaAcl.holds(&unknown, &private("id")));
    }
    assert!(!planned(None, &reads_a()).planned.contains_sensitive());
    // State that was written before has the principal as a digest and the bindings in clear.
    let old = listing(&with(&reads_a(), vec![("principal", Value::unknown(Type::String).sensitive())]), &[READ_A]);
    assert_eq!(crate::resource::lines(&KafkaAcl.plan_delete(&old, &private("id"))), [format!("- {READ_A}")]);
    let request = ReadRequest::new(ResourceAddr::root(Mode::Managed, "kafka_acl", "x").instance(None), old.clone(), private("id"));
    let live = [READ_A.parse().unwrap()].into();
    let Ok(Observed::Present(seen, ..)) = observe(&request, &wanted(&request), &live, "id") else { panic!("not found") };
    assert_eq!(seen, old);
}

#[test]
fn another_way_to_say_the_same_is_no_change() {
    let role_block = block("User:x", vec![role("sink", &[("topic", "a".into())])], vec![]);
    let made = planned(None, &role_block).planned;
    let other = block("User:x", vec![], vec![rule(&["read"], &[("topic", "a".into())])]);
    let out = planned(Some(&made), &other);
    assert_eq!((out.planned, out.ops), (made, vec![]));
}

#[test]
fn overlapping_blocks_share_what_they_hold() {
    let holds = |b: &Value| KafkaAcl.holds(&planned(None, b).planned, &private("id"));
    let (one, two) = (holds(&reads_a()), holds(&block("User:x", vec![role("sink", &[("topic", "a".into())])], vec![])));
    assert_eq!(one, two);
    assert!(one.len() == 1 && one[0].shared);
}

/// A11: a host or a topic that can match nobody is a warning for a right, and an error for a denial.
#[test]
fn hosts_and_topics_that_match_nothing_are_told() {
    let told = |host: &str, topic: &str, pattern: &str, permission: &str| {
        let b = block("User:x", vec![], vec![rule(&["READ"], &[("topic", topic.into()), ("pattern", pattern.into())])]);
        let b = with(&b, vec![("host", host.into()), ("permission", permission.into())]);
        let found: Vec<Diagnostic> = expand::expand(&b).diags.into_iter().collect();
        assert!(found.len() < 2, "{found:?}");
        found.into_iter().next().map(|d| (d.severity, d.detail, d.hint.unwrap_or_default()))
    };
    use crate::diag::Severity::{Error, Warning};
    for good in ["*", "10.0.0.1", "0:0:0:0:0:0:0:1", "fe80:0:0:0:1:2:3:4%eth0"] {
        assert_eq!(told(good, "t", "literal", "deny"), None, "{good}");
    }
    for (bad, hint) in [
        ("127.0.0.0/8", "one by one"),
        ("app.example.org", "IP address"),
        ("10.0.0.01", "IP address"),
        ("::1", "0:0:0:0:0:0:0:1"),
        ("FE80::1", "fe80:0:0:0:0:0:0:1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        (" 10.0.0.1", "IP address"),
    ] {
        for (permission, severity) in [("allow", Warning), ("deny", Error)] {
            let (found, detail, says) = told(bad, "t", "literal", permission).unwrap_or_else(|| panic!("{bad}"));
            assert!(found == severity && says.contains(hint), "{bad} {permission}: {detail} {says}");
        }
    }
    let long = "x".repeat(250);
    for (topic, pattern) in [("bad name!", "literal"), ("bad name", "prefixed"), ("é", "literal"), (&long, "literal"), ("..", "literal")] {
        assert_eq!(told("*", topic, pattern, "allow").map(|t| t.0), Some(Warning), "{topic}");
        assert_eq!(told("*", topic, pattern, "deny").map(|t| t.0), Some(Error), "{topic}");
    }
    assert_eq!((told("*", ".", "prefixed", "deny"), told("*", "*", "literal", "deny")), (None, None));
}

/// A11: a group or transactional id from a file ends with a line break, and then matches nothing.
#[test]
fn a11_a_group_with_a_line_break_is_refused() {
    for selector in ["group", "transactional_id"] {
        let of = |name: &str| block("User:x", vec![role("admin", &[(selector, name.into())])], vec![]);
        assert!(error_of(&of("g\n")).contains("trimspace()"));
        assert_eq!(lines(&of("any name, with: signs")).len(), 1);
    }
}
