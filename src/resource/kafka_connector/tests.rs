//! The pure part: checks, plans, and the way of configurations through objects and HCL, with configurations as people publish them.

use std::collections::BTreeMap;

use super::*;
use crate::client::connect::Connector;

fn addr() -> InstanceAddr {
    "kafka_connector.sink[\"eu\"]".parse().unwrap()
}

fn map(pairs: &[(&str, &str)]) -> Value {
    Value::map(Type::String, pairs.iter().map(|(k, v)| ((*k).into(), Value::string(v))).collect())
}

/// A configuration by schema with these arguments; all others are null.
fn config(args: &[(&'static str, Value)]) -> Value {
    let body = &SCHEMA.body;
    let mut attrs: Fields = body
        .attributes
        .iter()
        .map(|a| (a.name.into(), Value::null_dynamic()))
        .chain(body.blocks.iter().map(|b| (b.name.into(), Value::null(b.ty()))))
        .collect();
    attrs.extend(args.iter().map(|(k, v)| ((*k).into(), v.clone())));
    Value::object(attrs)
}

/// The default proposal, as the caller makes it.
fn proposed(config: &Value, prior: Option<&Value>) -> Value {
    let mut attrs = config.as_map().cloned().unwrap();
    for a in SCHEMA.body.attributes.iter().filter(|a| config.get(a.name).is_none_or(|v| v.is_null())) {
        use crate::schema::Set;
        let value = match (&a.default, a.set) {
            (Some(d), _) => d.clone(),
            (None, Set::Computed | Set::OptionalComputed) => {
                prior.and_then(|p| p.get(a.name)).unwrap_or_else(|| Value::unknown(Type::Dynamic))
            }
            _ => Value::null_dynamic(),
        };
        attrs.insert(a.name.into(), value);
    }
    Value::object(attrs)
}

fn planned(config: &Value, prior: Option<&Value>, private: &Private) -> PlanOutput {
    KafkaConnector.plan(PlanInput::new(&addr(), prior, private, config, proposed(config, prior)))
}

fn live(config: serde_json::Value, state: &str, tasks: &[&str]) -> Connector {
    let tasks: Vec<_> = tasks.iter().enumerate().map(|(i, s)| serde_json::json!({"id": i, "state": s, "worker_id": "w"})).collect();
    serde_json::from_value(serde_json::json!({
        "info": {"config": config, "type": "sink"},
        "status": {"connector": {"state": state, "worker_id": "w"}, "tasks": tasks}
    }))
    .unwrap()
}

fn base() -> Value {
    config(&[("class", Value::string("FileStreamSink")), ("config", map(&[("topics", "a"), ("file", "/tmp/x")]))])
}

/// What a read gives after `base` was applied.
fn applied(state: &str, tasks: &[&str]) -> (Value, Private) {
    let c = live(
        serde_json::json!({"name": "sink-eu", "connector.class": "FileStreamSink", "tasks.max": "1", "topics": "a", "file": "/tmp/x"}),
        state,
        tasks,
    );
    let value = model::observed(&planned(&base(), None, &Private::Null).planned, "sink-eu", &c, &Default::default());
    (value, model::private("id", &Default::default(), Some(&c.status)))
}

#[test]
fn a_new_connector_has_the_blocks_name_and_a_known_state() {
    let out = planned(&base(), None, &Private::Null);
    assert_eq!(out.planned.get_str("name").as_deref(), Some("sink-eu"));
    assert_eq!(out.planned.get_str("status").as_deref(), Some("running"));
    assert_eq!(crate::resource::lines(&out.ops), ["+ connector \"sink-eu\" of class \"FileStreamSink\""]);
    let paused = config(&[("class", Value::string("X")), ("pause", Value::from(true))]);
    assert_eq!(planned(&paused, None, &Private::Null).planned.get_str("state").as_deref(), Some("paused"));
}

#[test]
fn a_plan_after_an_apply_is_empty() {
    let (prior, private) = applied("RUNNING", &["RUNNING"]);
    let out = planned(&base(), Some(&prior), &private);
    assert_eq!(crate::resource::lines(&out.ops), Vec::<String>::new());
    for (k, v) in out.planned.as_map().unwrap() {
        assert!(v.repr() == prior.get(k).unwrap().repr() || v.is_null() && prior.get(k).unwrap().is_null(), "{k}");
    }
}

#[test]
fn a_moving_connector_is_no_drift() {
    let (prior, private) = applied("UNASSIGNED", &["UNASSIGNED"]);
    assert_eq!(prior.get_str("status").as_deref(), Some("running"));
    assert!(planned(&base(), Some(&prior), &private).ops.is_empty());
}

#[test]
fn changes_are_shown_by_key_and_secrets_are_masked() {
    let (prior, private) = applied("RUNNING", &["RUNNING"]);
    let secret =
        Value::map(Type::String, [("topics".into(), Value::string("b")), ("pw".into(), Value::string("s3cr3t").sensitive())].into());
    let next = config(&[("class", Value::string("FileStreamSink")), ("config", secret)]);
    let out = planned(&next, Some(&prior), &private);
    assert_eq!(
        crate::resource::lines(&out.ops),
        [
            "- config[\"file\"]: /tmp/x",
            "+ config[\"pw\"] = (sensitive value)",
            "~ config[\"topics\"]: a -> b",
            "restart tasks (config changed)"
        ]
    );
    assert!(!out.planned.get("tasks").unwrap().is_known());
}

#[test]
fn a_key_that_names_a_secret_is_masked_even_if_nobody_said_so() {
    let (old, new) =
        (map(&[("db.password", "one"), ("x.password", "${file:/a:b}")]), map(&[("db.password", "two"), ("x.password", "${file:/a:c}")]));
    let lines = model::config_changes(&config(&[("config", old)]), &config(&[("config", new)]), &Private::Null);
    let key = key(&base());
    let lines = crate::resource::lines(&lines.into_iter().map(|c| c.op(&key)).collect::<Vec<_>>());
    assert_eq!(
        lines,
        ["~ config[\"db.password\"]: (sensitive value) -> (sensitive value)", "~ config[\"x.password\"]: ${file:/a:b} -> ${file:/a:c}"]
    );
}

#[test]
fn a_change_of_state_alone_touches_no_configuration() {
    let (prior, private) = applied("RUNNING", &["RUNNING"]);
    let stopped = config(&[
        ("class", Value::string("FileStreamSink")),
        ("config", base().get("config").unwrap()),
        ("state", Value::string("stopped")),
    ]);
    assert_eq!(crate::resource::lines(&planned(&stopped, Some(&prior), &private).ops), ["stop connector \"sink-eu\""]);
    let (prior, private) = applied("PAUSED", &["PAUSED"]);
    assert_eq!(crate::resource::lines(&planned(&base(), Some(&prior), &private).ops), ["resume connector \"sink-eu\""]);
}

#[test]
fn a_failed_task_is_restarted_unless_the_policy_says_never() {
    let (prior, private) = applied("RUNNING", &["FAILED"]);
    assert_eq!(prior.get_str("status").as_deref(), Some("failed"));
    let out = planned(&base(), Some(&prior), &private);
    assert_eq!(crate::resource::lines(&out.ops), ["restart 1 failed task"]);
    assert_eq!(out.planned.get_str("status").as_deref(), Some("running"));
    let policy = Value::object_from([("on_failure", Value::string("never")), ("max", Value::from(3))]);
    let never =
        config(&[("class", Value::string("FileStreamSink")), ("config", base().get("config").unwrap()), ("restart_policy", policy)]);
    let out = planned(&never, Some(&prior), &private);
    assert!(crate::resource::lines(&out.ops).is_empty() && out.diagnostics.len() == 1);
    assert_eq!(out.planned.get_str("status").as_deref(), Some("failed"));
}

#[test]
fn a_placeholder_without_a_mount_is_refused() {
    let mount = Value::object_from([("path", Value::from("/etc/secrets"))]);
    let mounts = Value::map(Type::Dynamic, [("m".into(), mount)].into());
    let c = config(&[
        ("connect", Value::object_from([("mount", mounts)])),
        ("class", Value::string("X")),
        ("config", map(&[("a", "${file:/etc/secrets/f:k}"), ("b", "${file:/etc/other/f:k}")])),
    ]);
    let found: Vec<_> = planned(&c, None, &Private::Null).diagnostics.into_iter().collect();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].code, found[0].values[0].1.as_str()), (codes::PLACEHOLDER, "config[\"b\"]"));
}

#[test]
fn a_deletion_names_the_group_that_stays() {
    let sink = |config: Value| Value::object_from([("name", Value::string("s")), ("type", Value::string("sink")), ("config", config)]);
    let lines = |v: &Value| crate::resource::lines(&KafkaConnector.plan_delete(v, &Private::Null)).join("");
    assert!(lines(&sink(map(&[]))).contains("group connect-s and"));
    assert!(lines(&sink(map(&[("consumer.override.group.id", "own")]))).contains("group own and"));
}

#[test]
fn null_entries_are_as_good_as_none() {
    let with_null = Value::map(
        Type::String,
        [("topics".into(), Value::string("a")), ("file".into(), Value::string("/tmp/x")), ("gone".into(), Value::null(Type::String))]
            .into(),
    );
    let c = config(&[("class", Value::string("FileStreamSink")), ("config", with_null)]);
    let (prior, private) = applied("RUNNING", &["RUNNING"]);
    let out = planned(&c, Some(&prior), &private);
    assert!(crate::resource::lines(&out.ops).is_empty());
    assert_eq!(out.planned.get("config"), prior.get("config"));
}

#[test]
fn masked_values_keep_what_was_and_secrets_go_back_to_their_map() {
    let c =
        live(serde_json::json!({"name": "s", "connector.class": "X", "pw": "[hidden]", "key": "****", "a": "1"}), "RUNNING", &["RUNNING"]);
    let prior = Value::object_from([("config", map(&[("key", "k1"), ("a", "0")])), ("sensitive_config", map(&[("pw", "p1")]).sensitive())]);
    let seen = model::observed(&prior, "s", &c, &["pw".to_string()].into());
    assert_eq!(seen.get("config").unwrap().as_map().unwrap()["key"].as_str(), Some("k1"));
    assert_eq!(seen.get("config").unwrap().as_map().unwrap()["a"].as_str(), Some("1"));
    assert_eq!(seen.get("sensitive_config").unwrap().as_map().unwrap()["pw"].as_str(), Some("p1"));
    assert!(!seen.to_string().contains("p1"));
}

#[test]
fn reserved_and_doubled_keys_are_refused() {
    let c = config(&[
        ("config", map(&[("name", "x"), ("tasks.max", "2"), ("pw", "1")])),
        ("sensitive_config", map(&[("pw", "2"), ("connector.class", "X")])),
        ("state", Value::string("asleep")),
        ("tasks_max", Value::from(0)),
        ("class", Value::string("X")),
    ]);
    let mut diags = Diagnostics::new();
    KafkaConnector.validate(&c, &mut diags);
    let found: Vec<_> = diags.iter().map(|d| (d.code.id, d.values[0].1.as_str())).collect();
    assert_eq!(
        found,
        [
            (codes::RESERVED_KEY.id, "config[\"tasks.max\"]"),
            (codes::RESERVED_KEY.id, "sensitive_config[\"connector.class\"]"),
            (codes::INVALID_ARGUMENT.id, "config[\"pw\"]"),
            (codes::INVALID_ARGUMENT.id, "state"),
            (codes::INVALID_ARGUMENT.id, "tasks_max"),
        ]
    );
}

/// A9, F8.
#[test]
fn names_that_cannot_be_asked_for_are_refused() {
    for name in ["a/b", "back\\slash", "pct%2F", "semi;x", "..", ".", "blank ", " blank", "line\nbreak"] {
        let mut diags = Diagnostics::new();
        KafkaConnector.validate(&config(&[("class", Value::string("X")), ("name", Value::string(name))]), &mut diags);
        assert_eq!(diags.iter().map(|d| d.code).collect::<Vec<_>>(), [codes::INVALID_ARGUMENT], "{name:?}");
    }
    let whole = config(&[("config", map(&[("connector.class", "X"), ("name", "a/b")]))]);
    let mut diags = Diagnostics::new();
    KafkaConnector.validate(&whole, &mut diags);
    assert_eq!(diags.iter().map(|d| d.code).collect::<Vec<_>>(), [codes::INVALID_ARGUMENT]);
    for name in ["a b", "a?b", "a#b", "a+b", "a:b", "\"a\"", "{a}", "żółw", "a."] {
        let mut diags = Diagnostics::new();
        KafkaConnector.validate(&config(&[("class", Value::string("X")), ("name", Value::string(name))]), &mut diags);
        assert!(diags.is_empty(), "{name:?}");
    }
}

#[test]
fn pause_and_state_must_agree() {
    for (pause, state, ok) in [(true, "paused", true), (true, "running", false), (false, "paused", false), (false, "stopped", true)] {
        let mut diags = Diagnostics::new();
        KafkaConnector.validate(
            &config(&[("class", Value::string("X")), ("pause", Value::from(pause)), ("state", Value::string(state))]),
            &mut diags,
        );
        assert_eq!(!diags.has_errors(), ok, "{pause} {state}");
    }
}

/// The published configurations: name and configuration.
fn published() -> Vec<(String, serde_json::Value)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/connectors");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "json")).collect();
    files.sort();
    assert!(files.len() >= 48);
    let read = |p: std::path::PathBuf| {
        let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&p).unwrap()).unwrap();
        let stem = p.file_stem().unwrap().to_string_lossy().into_owned();
        let name = json["name"].as_str().map_or(stem, str::to_string);
        (name, if json["config"].is_object() { json["config"].clone() } else { json })
    };
    files.into_iter().map(read).collect()
}

#[test]
fn published_configurations_survive_objects_and_a_round_trip() {
    for (name, json) in published() {
        let sent = hcl::strings_of(&json);
        let c = live(serde_json::to_value(&sent).unwrap(), "RUNNING", &["RUNNING"]);
        let object = model::observed(&Value::object_from([("connect", Value::null_dynamic())]), &name, &c, &Default::default());
        let (wanted, complete) = model::wanted(&object);
        let mut expected = sent.clone();
        expected.insert("name".into(), name.clone());
        expected.entry("tasks.max".into()).or_insert_with(|| "1".into());
        assert!(complete);
        assert_eq!(wanted, expected, "{name}");
        assert!(model::config_changes(&object, &object, &Private::Null).is_empty(), "{name}");
        let config = object.get("config").unwrap();
        for (key, _) in sent.iter().filter(|(k, v)| k.ends_with("password") && !v.contains("${")) {
            assert!(config.as_map().unwrap()[key.as_str()].contains_sensitive(), "{name}: {key}");
        }
    }
}

#[test]
fn published_configurations_survive_hcl() {
    for (name, json) in published() {
        let text = hcl_of(&name, &json);
        let body: hcl_edit::structure::Body = text.parse().unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
        assert_eq!(read_back(&body, &name), expected(&name, &json), "{text}");
    }
}

#[test]
fn odd_strings_survive_hcl() {
    let odd = serde_json::json!({"connector.class": "X", "a": "$${x}", "b": "%{if}", "c": "line\nnext\t\"q\" \\", "d": "$", "e": "$$$${y}", "f": "żółć", "g": 7, "h": true, "i": null, "tasks.max": 3});
    let body: hcl_edit::structure::Body = hcl_of("1 odd.name", &odd).parse().unwrap();
    assert_eq!(read_back(&body, "odd"), expected("1 odd.name", &odd));
    assert_eq!(body.blocks().next().unwrap().labels[1].as_str(), "_1_odd_name");
}

fn expected(name: &str, json: &serde_json::Value) -> BTreeMap<String, String> {
    let mut map = hcl::strings_of(json);
    map.insert("name".into(), name.to_string());
    map.entry("tasks.max".into()).or_insert_with(|| "1".into());
    map
}

fn read_back(body: &hcl_edit::structure::Body, what: &str) -> BTreeMap<String, String> {
    use hcl_edit::expr::{Expression, ObjectKey};
    let text = |e: &Expression| -> String {
        match e {
            Expression::String(s) => s.as_str().to_string(),
            Expression::Number(n) => n.value().to_string(),
            Expression::StringTemplate(t) => {
                let literal = |e: &hcl_edit::template::Element| {
                    e.as_literal().map(|l| l.to_string()).unwrap_or_else(|| panic!("{what}: an interpolation"))
                };
                t.iter().map(literal).collect()
            }
            other => panic!("{what}: {other:?}"),
        }
    };
    let block = body.blocks().next().unwrap();
    let mut out = BTreeMap::new();
    for a in block.body.attributes() {
        match (a.key.as_str(), &a.value) {
            ("config", Expression::Object(o)) => out.extend(o.iter().map(|(k, v)| {
                let ObjectKey::Expression(k) = k else { panic!("{what}: a bare key") };
                (text(k), text(v.expr()))
            })),
            ("class", v) => drop(out.insert("connector.class".into(), text(v))),
            ("tasks_max", v) => drop(out.insert("tasks.max".into(), text(v))),
            ("name", v) => drop(out.insert("name".into(), text(v))),
            (other, _) => panic!("{what}: {other}"),
        }
    }
    out.entry("tasks.max".into()).or_insert_with(|| "1".into());
    out
}

struct Silent;
impl crate::resource::Progress for Silent {
    fn note(&self, _: &InstanceAddr, _: &str) {}
}

/// States of earlier versions hold only the digest of a name that was sensitive.
#[tokio::test]
async fn a_connector_whose_name_is_a_digest_says_how_it_is_destroyed() {
    let cx = Session::new("/nowhere".into(), "/nowhere".into(), std::sync::Arc::new(Silent));
    let object = Value::object_from([("connect", Value::null_dynamic()), ("name", Value::unknown(Type::String).sensitive())]);
    let ops = KafkaConnector.plan_delete(&object, &Private::Null);
    let step = |planned| StepRequest {
        addr: addr(),
        prior: Some(object.clone()),
        planned,
        private: Private::Null,
        timeout: Duration::from_secs(1),
        begun: false,
        replaces: None,
        ops: ops.clone(),
    };
    let found = KafkaConnector.probe(&cx, vec![step(None)]).await.remove(0);
    let hint = found.iter().next().and_then(|d| d.hint.clone()).unwrap();
    assert!(hint.contains("streamform state rm 'kafka_connector.sink[\"eu\"]'"), "{hint}");
    // With the name filled in from its block there is nothing to say.
    let named = Value::object_from([("connect", Value::null_dynamic()), ("name", "sink".into())]);
    let found = KafkaConnector.probe(&cx, vec![StepRequest { prior: Some(named), ..step(None) }]).await.remove(0);
    assert!(found.iter().next().is_none());
}

#[test]
fn secrets_whose_digest_differs_are_written_key_by_key() {
    let (prior, _) = applied("RUNNING", &["RUNNING"]);
    let mut attrs = prior.as_map().cloned().unwrap();
    attrs.insert("sensitive_config".into(), Value::unknown(Type::map(Type::String)).sensitive());
    let private = model::private("id", &["a".to_string(), "b".to_string()].into(), None);
    let now = map(&[("b", "1"), ("c", "2")]).sensitive();
    let next = config(&[("class", Value::string("FileStreamSink")), ("config", base().get("config").unwrap()), ("sensitive_config", now)]);
    let out = planned(&next, Some(&Value::object(attrs)), &private);
    assert_eq!(
        crate::resource::lines(&out.ops),
        [
            "- sensitive_config[\"a\"]: (sensitive value)",
            "~ sensitive_config[\"b\"]: (sensitive value) -> (sensitive value)",
            "+ sensitive_config[\"c\"] = (sensitive value)",
            "restart tasks (config changed)"
        ]
    );
}

#[test]
fn secrets_of_which_some_are_digests_are_compared_key_by_key() {
    let (prior, private) = applied("RUNNING", &["RUNNING"]);
    let digest = Value::unknown_with(Type::String, crate::value::Refinement { digest: Some([7; 32]), ..Default::default() }).sensitive();
    let was = [("a", Value::string("1").sensitive()), ("b", digest.clone()), ("c", digest)];
    let was = Value::map(Type::String, was.into_iter().map(|(k, v)| (k.into(), v)).collect()).sensitive();
    let mut attrs = prior.as_map().cloned().unwrap();
    attrs.insert("sensitive_config".into(), was);
    let now = map(&[("a", "1"), ("b", "2")]).sensitive();
    let next = config(&[("class", Value::string("FileStreamSink")), ("config", base().get("config").unwrap()), ("sensitive_config", now)]);
    let out = planned(&next, Some(&Value::object(attrs)), &private);
    assert_eq!(
        crate::resource::lines(&out.ops),
        [
            "~ sensitive_config[\"b\"]: (sensitive value) -> (sensitive value)",
            "- sensitive_config[\"c\"]: (sensitive value)",
            "restart tasks (config changed)"
        ]
    );
}

/// B7: a whole configuration as files have it, with the three keys that are arguments here.
#[test]
fn a_whole_file_is_taken_as_config() {
    let file = map(&[("name", "from-file"), ("connector.class", "FileStreamSink"), ("tasks.max", "3"), ("topics", "a")]);
    let whole = |more: &[(&'static str, Value)]| config(&[&[("config", file.clone())], more].concat());
    let refused = |c: &Value| {
        let mut diags = Diagnostics::new();
        KafkaConnector.validate(c, &mut diags);
        diags.iter().map(|d| format!("{} {}", d.code.id, d.detail)).collect::<Vec<_>>()
    };
    let out = planned(&whole(&[]), None, &Private::Null);
    let text = |name: &str| out.planned.get_str(name);
    assert_eq!((text("name").as_deref(), text("class").as_deref()), (Some("from-file"), Some("FileStreamSink")));
    assert_eq!(out.planned.get("tasks_max").and_then(|v| v.as_i64()), Some(3));
    assert_eq!(out.planned.get("config").unwrap().as_map().unwrap().keys().map(|k| &**k).collect::<Vec<_>>(), ["topics"]);
    assert!(refused(&whole(&[])).is_empty());
    // Arguments that say the same.
    let same = whole(&[("name", "from-file".into()), ("class", "FileStreamSink".into()), ("tasks_max", Value::from(3))]);
    assert!(refused(&same).is_empty());
    assert_eq!(planned(&same, None, &Private::Null).planned, out.planned);
    // One that does not is not chosen between.
    for (name, value) in [("name", Value::from("other")), ("class", "Other".into()), ("tasks_max", Value::from(4))] {
        let found = refused(&whole(&[(name, value)]));
        assert!(found.len() == 1 && found[0].contains("say different things"), "{name}: {found:?}");
    }
    // Without a class anywhere there is none.
    let none = config(&[("config", map(&[("topics", "a")]))]);
    assert!(refused(&none)[0].contains("\"class\" is required"));
    let odd = config(&[("config", map(&[("connector.class", "X"), ("tasks.max", "many")]))]);
    assert_eq!(refused(&odd).len(), 1);
}

/// F13.
#[test]
fn f13_a_stopped_connector_has_no_tasks_before_and_after() {
    let (prior, private) = applied("STOPPED", &[]);
    let stopped = |topic: &str| {
        config(&[
            ("class", Value::string("FileStreamSink")),
            ("state", "stopped".into()),
            ("config", map(&[("topics", topic), ("file", "/tmp/x")])),
        ])
    };
    let out = planned(&stopped("b"), Some(&prior), &private);
    assert!(!out.ops.is_empty() && out.planned.get("tasks") == prior.get("tasks"), "{:?}", out.planned);
    assert_eq!(planned(&stopped("b"), None, &Private::Null).planned.get("tasks"), Some(0.into()));
}

/// G4: a worker repeats what it resolved. The values of mounted files are known from the configuration, and else from the folder in which the
/// engine `local` has them, as when the secret is generated or left out of the run.
#[test]
fn g4_values_of_mounted_files_are_redacted_whoever_changed_them() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.properties"), "pass\\ word CANARY-folder\nuser: CANARY-user\n").unwrap();
    let secret = Value::object_from([("data", map(&[("b.properties", "k = CANARY-con\\\n   tinued\n")]).sensitive())]);
    let mount = Value::object_from([("path", "/etc/b".into()), ("secret", secret)]);
    let connect = Value::object_from([
        ("mount", Value::map(Type::Dynamic, [("b".into(), mount)].into())),
        ("mount_paths", map(&[("/etc/secrets", &dir.path().to_string_lossy()), ("/etc/none", "/nowhere/at/all")])),
    ]);
    let object = config(&[("connect", connect), ("config", map(&[("file", "${file:/etc/secrets/a.properties:pass word}")]))]);
    let redactor = edge::redactor([&object]);
    for secret in ["CANARY-folder", "CANARY-user", "CANARY-continued"] {
        let text = redactor.trace(&format!("org.x.ConnectException: Invalid value {secret} for configuration max.poll.records"), 3);
        assert!(!text.contains("CANARY"), "{text}");
    }
}
