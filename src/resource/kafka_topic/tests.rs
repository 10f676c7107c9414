use super::*;
use crate::addr::{Mode, ResourceAddr};
use crate::plan::{Action, diff};
use crate::resource::kafka_common::with;

fn config(pairs: &[(&str, &str)]) -> Value {
    Value::map(Type::String, pairs.iter().map(|(k, v)| ((*k).into(), Value::from(*v))).collect())
}

fn topic(name: &str, partitions: i64, replicas: i64, pairs: &[(&str, &str)]) -> Value {
    Value::object_from([
        ("name", name.into()),
        ("partitions", partitions.into()),
        ("replication_factor", replicas.into()),
        ("config", config(pairs)),
        ("deletion_protection", true.into()),
        ("topic_id", "id".into()),
        ("moving", false.into()),
    ])
}

fn planned(prior: Option<&Value>, private: &Private, proposed: &Value) -> PlanOutput {
    let addr = ResourceAddr::root(Mode::Managed, "kafka_topic", "t").instance(None);
    KafkaTopic.plan(PlanInput { notes: private, ..PlanInput::new(&addr, prior, private, proposed, proposed.clone()) })
}

fn codes_of(out: &PlanOutput) -> Vec<&'static str> {
    out.diagnostics.iter().map(|d| d.code.id).collect()
}

#[test]
fn names() {
    let bad = ["", ".", "..", "a b", "a/b", "ü", "__consumer_offsets", &"x".repeat(250)];
    assert!(bad.iter().all(|n| plan::check_name(n).is_err()));
    assert!(["a", "a.b_c-D9", "_x", &"x".repeat(249)].iter().all(|n| plan::check_name(n).is_ok()));
}

#[test]
fn validation_names_the_attribute() {
    let mut diags = Diagnostics::new();
    let bad = topic("a", 0, -1, &[("leader.replication.throttled.replicas", "*"), ("min.insync.replicas", "2")]);
    KafkaTopic.validate(&bad, &mut diags);
    let paths: Vec<&str> = diags.iter().map(|d| d.values[0].1.as_str()).collect();
    assert_eq!(
        paths,
        ["partitions", "replication_factor", "config[\"leader.replication.throttled.replicas\"]", "config[\"min.insync.replicas\"]"]
    );
}

#[test]
fn partitions_never_decrease_and_never_replace() {
    let prior = topic("a", 6, 1, &[]);
    let out = planned(Some(&prior), &Private::Null, &topic("a", 3, 1, &[]));
    assert_eq!(codes_of(&out), [codes::TOPIC_PARTITIONS_DECREASED.id]);
    assert!(out.diagnostics.has_errors() && out.replace.is_empty());
    let text = &out.diagnostics.iter().next().unwrap().detail;
    assert!(text.contains('6') && text.contains('3'), "{text}");
    assert!(out.ops.is_empty(), "nothing is asked of a broker");
}

#[test]
fn growth_warns_and_louder_when_compacted() {
    let private = serde_json::json!({"inherited": {"cleanup.policy": ["compact", "broker's properties"]}});
    let out = planned(Some(&topic("a", 1, 1, &[])), &Private::Null, &topic("a", 2, 1, &[]));
    assert_eq!(codes_of(&out), [codes::TOPIC_PARTITIONS_INCREASED.id]);
    assert!(!out.diagnostics.has_errors());
    assert_eq!(crate::resource::lines(&out.ops), ["~ partitions: 1 -> 2 in place"]);
    let loud = planned(Some(&topic("a", 1, 1, &[])), &private, &topic("a", 2, 1, &[]));
    assert!(loud.diagnostics.iter().next().unwrap().detail.contains("compacted"));
}

#[test]
fn replicas_move_in_place_and_keep_min_isr() {
    let prior = topic("a", 2, 3, &[]);
    let private = serde_json::json!({"inherited": {"min.insync.replicas": ["2", "broker's properties"]}});
    let out = planned(Some(&prior), &private, &topic("a", 2, 2, &[]));
    assert_eq!(crate::resource::lines(&out.ops), ["~ replication factor: 3 -> 2 by moving replicas of 2 partitions in place"]);
    assert!(out.diagnostics.is_empty() && out.replace.is_empty());
    assert_eq!(codes_of(&planned(Some(&prior), &private, &topic("a", 2, 1, &[]))), [codes::TOPIC_MIN_ISR.id]);
    // A topic that is as it was is not blamed for what its cluster sets.
    assert!(planned(Some(&topic("a", 2, 1, &[])), &private, &topic("a", 2, 1, &[])).diagnostics.is_empty());
}

#[test]
fn settings_tell_old_value_and_source() {
    let private = serde_json::json!({"inherited": {"retention.ms": ["604800000", "Kafka's default"], "max.message.bytes": ["1048588", "broker's properties"]}});
    let prior = topic("a", 1, 1, &[("max.message.bytes", "5"), ("cleanup.policy", "compact,delete"), ("segment.ms", "7")]);
    let out = planned(
        Some(&prior),
        &private,
        &topic("a", 1, 1, &[("retention.ms", "1"), ("cleanup.policy", "delete, compact"), ("segment.ms", "8")]),
    );
    assert_eq!(
        crate::resource::lines(&out.ops),
        [
            "- max.message.bytes: 5 (set on the topic) -> 1048588 (broker's properties)",
            "+ retention.ms: 604800000 (Kafka's default) -> 1 (set on the topic)",
            "~ segment.ms: 7 (set on the topic) -> 8",
        ]
    );
    assert_eq!(
        out.planned.get("config").unwrap(),
        config(&[("cleanup.policy", "compact,delete"), ("retention.ms", "1"), ("segment.ms", "8")])
    );
}

#[test]
fn other_spelling_is_no_change() {
    let prior = topic("a", 1, 1, &[("cleanup.policy", "compact,delete"), ("preallocate", "false"), ("retention.ms", "100")]);
    let out = planned(
        Some(&prior),
        &Private::Null,
        &topic("a", 1, 1, &[("cleanup.policy", "delete , compact"), ("preallocate", "False"), ("retention.ms", "0100")]),
    );
    assert_eq!((out.planned, crate::resource::lines(&out.ops).len()), (prior, 0));
    let unset = with(&topic("a", 1, 1, &[]), vec![("config", Value::null(Type::map(Type::String)))]);
    assert_eq!(planned(Some(&unset), &Private::Null, &topic("a", 1, 1, &[])).planned, unset);
}

#[test]
fn sensitive_settings_are_masked() {
    let secret = Value::map(Type::String, [("retention.ms".into(), Value::from("12345").sensitive())].into());
    let out = planned(None, &Private::Null, &with(&topic("a", 1, 1, &[]), vec![("config", secret)]));
    assert!(crate::resource::lines(&out.ops).iter().all(|e| !e.contains("12345")), "{:?}", crate::resource::lines(&out.ops));
    assert!(crate::resource::lines(&out.ops).contains(&"+ retention.ms = (sensitive value)".to_string()));
}

#[test]
fn recreated_outside_and_interrupted_moves_are_told() {
    let private = serde_json::json!({"recreated_from": "old", "least_replicas": 1});
    let prior = with(&topic("a", 1, 2, &[]), vec![("moving", true.into())]);
    let out = planned(Some(&prior), &private, &prior);
    assert_eq!(codes_of(&out), [codes::TOPIC_RECREATED.id, codes::TOPIC_UNEVEN.id]);
    assert_eq!(
        crate::resource::lines(&out.ops),
        [
            "~ topic_id: old -> id (deleted and created again outside: its old records are gone)",
            "~ throttle is removed when the move of replicas that is going on has ended",
        ]
    );
    assert_eq!(out.planned.get("moving").unwrap().as_bool(), Some(false));
    assert!(!out.diagnostics.has_errors());
}

#[test]
fn another_name_is_another_topic() {
    let out = planned(Some(&topic("a", 6, 1, &[])), &Private::Null, &topic("b", 3, 1, &[]));
    assert!(out.diagnostics.is_empty(), "{:?}", out.diagnostics);
    assert!(!out.planned.get("topic_id").unwrap().is_known());
}

#[test]
fn deletion_loses_records_unless_freed() {
    let kept = topic("a", 6, 1, &[]);
    assert_eq!(KafkaTopic.plan_delete(&kept, &Private::Null).iter().filter(|o| o.loss.is_some()).count(), 1);
    assert!(
        KafkaTopic.plan_delete(&with(&kept, vec![("deletion_protection", false.into())]), &Private::Null).iter().all(|o| o.loss.is_none())
    );
}

#[test]
fn what_the_block_says_now_protects_the_old_topic_of_a_replacement() {
    let addr = ResourceAddr::root(Mode::Managed, "kafka_topic", "t").instance(None);
    let protected = |object: Value, on: bool| with(&object, vec![("deletion_protection", on.into())]);
    for (was, is, losses) in [(false, true, 1), (true, true, 1), (false, false, 0), (true, false, 0)] {
        let (prior, config) = (protected(topic("a", 6, 1, &[]), was), protected(topic("b", 6, 1, &[]), is));
        let input = diff::Input {
            addr: &addr,
            prior: Some(&prior),
            private: &Private::Null,
            notes: &Private::Null,
            config: &config,
            ignore: &[],
            ignore_all: false,
            force: None,
            create_first: false,
            answers: &[],
            digest: &|_| [0; 32],
        };
        let verdict = diff::decide_all(&KafkaTopic, &[input]).pop().unwrap();
        assert_eq!(verdict.action, Action::Replace);
        assert_eq!(verdict.delete_ops.iter().filter(|o| o.loss.is_some()).count(), losses, "was {was}, is {is}");
    }
}

#[test]
fn names_that_collide_in_one_plan() {
    let step = |name: &str| StepRequest {
        addr: ResourceAddr::root(Mode::Managed, "kafka_topic", "t").instance(None),
        prior: None,
        planned: Some(topic(name, 1, 1, &[])),
        private: Private::Null,
        timeout: Duration::ZERO,
        begun: false,
        replaces: None,
        ops: vec![],
    };
    let found = collisions(&[step("a.b"), step("c"), step("a_b")]);
    assert_eq!(found.iter().map(|(i, d)| (*i, d.code.id)).collect::<Vec<_>>(), [(2, codes::TOPIC_COLLISION.id)]);
}

#[test]
fn what_is_known_only_later_was_planned() {
    let prior = topic("a", 1, 1, &[("segment.ms", "7")]);
    let later = with(
        &prior,
        vec![
            ("partitions", Value::unknown(Type::Number)),
            ("replication_factor", Value::unknown(Type::Number)),
            ("config", Value::unknown(Type::map(Type::String))),
        ],
    );
    let known = topic("a", 3, 2, &[("retention.ms", "1")]);
    let notes = serde_json::json!({"inherited": {"segment.ms": ["604800000", "Kafka's default"]}});
    let updated = planned(Some(&prior), &Private::Null, &known).ops;
    assert_eq!(updated.len(), 4);
    assert_eq!(crate::op::unplanned(&planned(Some(&prior), &notes, &later).ops, &updated), None);
    let created = planned(None, &Private::Null, &known).ops;
    assert_eq!(crate::op::unplanned(&planned(None, &Private::Null, &later).ops, &created), None);
    // Left out in the configuration is the cluster's default, and nothing else.
    let unset = with(&known, vec![("partitions", Value::null(Type::Number))]);
    assert!(crate::op::unplanned(&planned(None, &Private::Null, &unset).ops, &created).is_some());
}

#[test]
fn settings_that_an_operation_could_take_for_counts_are_refused() {
    let mut diags = Diagnostics::new();
    KafkaTopic.validate(&topic("a", 1, 1, &[("partitions", "9")]), &mut diags);
    assert_eq!(diags.iter().map(|d| d.code.id).collect::<Vec<_>>(), [codes::TOPIC_CONFIG.id]);
}

#[test]
fn another_result_than_planned_names_both_values() {
    let planned = topic("a", 3, 1, &[("retention.ms", "0100")]);
    assert!(apply::differs(&planned, &topic("a", 3, 1, &[("retention.ms", "100")])).is_none());
    let told = |found: &Value| apply::differs(&planned, found).unwrap().detail;
    let text = told(&topic("a", 5, 1, &[("retention.ms", "100")]));
    assert!(text.contains("partitions = 3") && text.contains("shows 5"), "{text}");
    let text = told(&topic("a", 3, 1, &[("retention.ms", "7")]));
    assert!(text.contains("config[\"retention.ms\"] = \"0100\"") && text.contains("shows \"7\""), "{text}");
    assert!(told(&topic("a", 3, 1, &[])).contains("shows no value"));
    let secret = Value::map(Type::String, [("retention.ms".into(), Value::from("12345").sensitive())].into());
    let text = apply::differs(&with(&planned, vec![("config", secret)]), &topic("a", 3, 1, &[("retention.ms", "777")])).unwrap().detail;
    assert!(!text.contains("12345") && !text.contains("777"), "{text}");
}

/// F11: the broker's type says when two spellings are one value.
#[test]
fn f11_values_are_compared_as_the_brokers_type_reads_them() {
    let notes = |ty: i8| serde_json::json!({"types": {"k": ty}});
    let changes = |ty: i8, old: &str, new: &str| {
        let (prior, next) = (topic("a", 1, 1, &[("k", old)]), topic("a", 1, 1, &[("k", new)]));
        planned(Some(&prior), &notes(ty), &next).ops.len()
    };
    use crate::client::kafka::ConfigType as T;
    assert_eq!((changes(T::Double.code(), "0.5", "5e-1f"), changes(T::Double.code(), "0.5", "0.6")), (0, 1));
    assert_eq!((changes(T::List.code(), "a,b", "a, b"), changes(T::List.code(), "a,b", "b,a")), (0, 1));
    assert_eq!((changes(T::Boolean.code(), "true", "TRUE"), changes(T::String.code(), "true", "TRUE")), (0, 1));
    assert_eq!((changes(T::Long.code(), "7", "+07"), changes(T::String.code(), "7", "07")), (0, 1));
}
