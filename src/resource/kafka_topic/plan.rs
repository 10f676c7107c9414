//! What a change of a topic's block means for the topic: pure.
//!
//! A topic is never replaced for its partitions or replicas: more partitions and another replication factor are made in place, fewer
//! partitions are refused. Every setting that changes is told with its old value and where that came from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::config;
use crate::client::kafka::ConfigType;
use crate::diag::codes::kafka as codes;
use crate::diag::{Diagnostic, Diagnostics};
use crate::op::OWN;
use crate::resource::kafka_common::{cluster_place, origin, with};
use crate::resource::{Arg, Key, Notes, Op, OpAction, PlanInput, PlanOutput, Private, attr_error};
use crate::value::{Type, Value};
use crate::words;

/// The part of a topic that is its number of partitions.
pub const PARTITIONS: &str = "partitions";
/// The part that is the number of replicas of each partition.
pub const REPLICATION: &str = "replication factor";
/// The part that limits a move of replicas which an earlier run began.
pub const THROTTLE: &str = "throttle";
/// The settings while nobody knows which there are.
const SETTINGS: &str = "settings";
/// How long a topic's name may be.
pub const MAX_NAME: usize = 249;
/// What stands for a sensitive value in a message.
pub const HIDDEN: &str = "(sensitive value)";
/// What a create says beside settings; no setting can be called so.
pub const NO_SETTINGS: [&str; 3] = [PARTITIONS, REPLICATION, SETTINGS];

/// Checks a topic's name as the broker does, and refuses the names that are Kafka's own.
pub fn check_name(name: &str) -> Result<(), Diagnostic> {
    let bad = |why: String| {
        Err(attr_error("name", Diagnostic::error(codes::TOPIC_NAME, why).hint("Use 1 to 249 letters, digits, `.`, `_` and `-`.")))
    };
    if name.is_empty() {
        return bad("The topic's name is empty.".into());
    }
    if name == "." || name == ".." {
        return bad(format!("A topic cannot be called \"{name}\"."));
    }
    if name.len() > MAX_NAME {
        return bad(format!("The topic's name has {} characters; Kafka allows {MAX_NAME}.", name.chars().count()));
    }
    if let Some(c) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))) {
        return bad(format!("The topic's name \"{name}\" contains {c:?}."));
    }
    if name.starts_with("__") {
        let d =
            Diagnostic::error(codes::TOPIC_NAME, format!("Topics that start with two underscores, as \"{name}\", belong to Kafka itself."));
        return Err(attr_error("name", d.hint("Choose another name; internal topics are not managed.")));
    }
    Ok(())
}

/// The name as metrics show it; two topics with one such name collide.
pub fn metric_name(name: &str) -> String {
    name.replace('.', "_")
}

/// Checks what is known of one block.
pub fn validate(topic: &Value, diags: &mut Diagnostics) {
    if let Some(Err(d)) = topic.get_str("name").map(|n| check_name(&n)) {
        diags.push(d);
    }
    check_count(topic, "partitions", i64::from(i32::MAX), diags);
    check_count(topic, "replication_factor", i64::from(i16::MAX), diags);
    if topic.get("reassignment_throttle").and_then(|v| v.as_number().map(|n| n.to_i64().is_none_or(|n| n < 0))) == Some(true) {
        let d = Diagnostic::error(codes::TOPIC_COUNT, "The throttle must be a whole number of bytes per second.");
        diags.push(attr_error("reassignment_throttle", d.hint("Write 0 to move replicas without a throttle.")));
    }
    for key in config::entries(topic.get("config").as_ref()).unwrap_or_default().keys() {
        if config::is_throttle(key) {
            let d = Diagnostic::error(codes::TOPIC_CONFIG, format!("\"{key}\" is set and removed by whoever moves replicas."));
            diags.push(attr_error(config_path(key), d.hint("Remove it; `reassignment_throttle` limits moves.")));
        }
        if NO_SETTINGS.contains(&&**key) {
            let d = Diagnostic::error(codes::TOPIC_CONFIG, format!("\"{key}\" is no setting of a topic."));
            diags.push(attr_error(config_path(key), d.hint("`partitions` and `replication_factor` are arguments of the block.")));
        }
    }
    check_min_isr(topic, &Notes::Null, true, diags);
}

fn check_count(topic: &Value, name: &'static str, max: i64, diags: &mut Diagnostics) {
    let Some(value) = topic.get(name) else { return };
    let Some(number) = value.as_number() else { return };
    if number.to_i64().is_some_and(|n| (1..=max).contains(&n)) {
        return;
    }
    // A value shows itself only where it is not sensitive.
    let d = Diagnostic::error(codes::TOPIC_COUNT, format!("`{name}` is {value}; it must be a whole number from 1 to {max}."));
    diags.push(attr_error(name, d.hint("Leave it out to take the cluster's default.")));
}

/// The path of one setting, as diagnostics name it.
pub fn config_path(key: &str) -> String {
    format!("config[{}]", crate::addr::quote(key))
}

/// Decides the planned topic.
pub fn plan(input: PlanInput<'_>) -> PlanOutput {
    let mut out = PlanOutput::new(input.proposed);
    match input.prior {
        None => plan_create(input.config, &mut out),
        Some(prior) if is_another(prior, &out.planned) => {
            forget_computed(&mut out.planned, input.config);
            plan_create(input.config, &mut out);
        }
        Some(prior) => plan_update(prior, input.private, input.notes, &mut out),
    }
    out
}

/// The topic as an object of its cluster.
pub fn key(topic: &Value, private: &Private) -> Key {
    let place = cluster_place(topic, private);
    match topic.get("name").and_then(|v| v.as_str().map(str::to_string)) {
        Some(name) => Key::new(place, "topic", &name),
        None => Key::unnamed(place, "topic"),
    }
}

fn op(action: OpAction, topic: &Value, private: &Private) -> Op {
    Op::new(action, key(topic, private))
}

/// Whether name or cluster differ: then the old topic says nothing of the new one.
fn is_another(prior: &Value, planned: &Value) -> bool {
    let moved = match (origin(prior, "cluster"), origin(planned, "cluster")) {
        (Some(a), Some(b)) => a != b,
        _ => false,
    };
    moved || prior.get("name") != planned.get("name")
}

fn forget_computed(planned: &mut Value, written: &Value) {
    let mut unknown = vec![("topic_id", Value::unknown(Type::String))];
    for name in ["partitions", "replication_factor"] {
        if written.get(name).is_none_or(|v| v.is_null()) {
            unknown.push((name, Value::unknown(Type::Number)));
        }
    }
    *planned = with(planned, unknown);
}

fn plan_create(written: &Value, out: &mut PlanOutput) {
    out.planned = with(&out.planned, vec![("moving", false.into())]);
    let count = |name: &str| match written.get(name).filter(|v| !v.is_null()) {
        Some(v) => Arg::of(&v, name),
        None => Arg::Default,
    };
    let mut op = op(OpAction::Create, &out.planned, &Private::Null);
    op = op.after(PARTITIONS, count("partitions")).after(REPLICATION, count("replication_factor"));
    match config::entries(out.planned.get("config").as_ref()) {
        None => op = op.after(SETTINGS, Arg::Unknown),
        Some(entries) => op.after.extend(entries.iter().map(|(k, v)| (k.to_string(), Arg::of(v, config_path(k))))),
    }
    out.ops.push(op);
    check_min_isr(&out.planned, &Notes::Null, true, &mut out.diagnostics);
}

fn plan_update(prior: &Value, private: &Private, notes: &Notes, out: &mut PlanOutput) {
    if let Some(old) = notes.get("recreated_from").and_then(|v| v.as_str()) {
        let now = prior.get_str("topic_id").unwrap_or_default();
        let accept = op(OpAction::Change, prior, private).part("topic_id").expect(Arg::Known(old.to_string()), "");
        let accept = accept.after("topic_id", Arg::Known(now.clone()));
        out.ops.push(accept.note("(deleted and created again outside: its old records are gone)"));
        let d = Diagnostic::warning(
            codes::TOPIC_RECREATED,
            format!("The topic was deleted and made again by someone else: its id was {old} and is {now}. Its old records are gone."),
        );
        out.diagnostics.push(d.hint("Find out who did it; applying takes the new topic over."));
    }
    out.diagnostics.extend(leaderless(prior, notes));
    plan_partitions(prior, private, notes, out);
    plan_replication(prior, private, notes, out);
    plan_config(prior, private, notes, out);
    if prior.get("moving").and_then(|v| v.as_bool()) == Some(true) {
        let op = op(OpAction::Change, prior, private).part(THROTTLE);
        out.ops.push(op.note("is removed when the move of replicas that is going on has ended"));
    }
    out.planned = with(&out.planned, vec![("moving", false.into())]);
}

/// Warns of partitions that nobody can read or write now.
fn leaderless(prior: &Value, notes: &Notes) -> Option<Diagnostic> {
    let ids: Vec<String> = notes.get("leaderless")?.as_array()?.iter().map(ToString::to_string).collect();
    let shown = ids.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
    let more = if ids.len() > 10 { ", …" } else { "" };
    let d = Diagnostic::warning(
        codes::TOPIC_LEADERLESS,
        format!(
            "{} of {} of topic \"{}\" {} no leader ({shown}{more}): nobody can read or write there, and the replicas cannot be moved.",
            ids.len(),
            count_of(prior, "partitions", "partition"),
            prior.get_str("name").unwrap_or_default(),
            if ids.len() == 1 { "has" } else { "have" }
        ),
    );
    Some(d.hint("Bring the brokers that hold their replicas back; settings of the topic can be changed meanwhile."))
}

fn change(prior: &Value, planned: &Value, name: &str) -> Option<(i64, i64)> {
    let (old, new) = (prior.get(name)?.as_i64()?, planned.get(name)?.as_i64()?);
    (old != new).then_some((old, new))
}

fn plan_partitions(prior: &Value, private: &Private, notes: &Notes, out: &mut PlanOutput) {
    if let Some((old, unknown)) = open_change(prior, &out.planned, "partitions") {
        out.ops.push(counted(op(OpAction::Change, prior, private), PARTITIONS, old, unknown).note("in place").once());
    }
    let Some((before, after)) = change(prior, &out.planned, "partitions") else { return };
    let (old, new) = (shown(prior, "partitions"), shown(&out.planned, "partitions"));
    let name = prior.get_str("name").unwrap_or_default();
    if after < before {
        let d = Diagnostic::error(
            codes::TOPIC_PARTITIONS_DECREASED,
            format!(
                "Topic \"{name}\" has {} and the configuration asks for {new}: Kafka cannot take partitions away without losing their records.",
                count_of(prior, "partitions", "partition")
            ),
        );
        out.diagnostics.push(attr_error(
            "partitions",
            d.hint(format!("Write `partitions = {old}` or more; for fewer, make a topic with another name and copy the records.")),
        ));
        return;
    }
    let change = counted(op(OpAction::Change, prior, private), PARTITIONS, target(prior, "partitions"), target(&out.planned, "partitions"));
    out.ops.push(change.note("in place").once());
    let text = if compacted(prior, notes) {
        format!(
            "Topic \"{name}\" is compacted and grows from {old} to {new} partitions: keys move to other partitions, and the last record of a moved key stays in its old partition for ever, beside the new ones. Readers that rely on one record per key (tables, Streams, Connect's internal topics) break."
        )
    } else {
        format!(
            "Topic \"{name}\" grows from {old} to {new} partitions: the records of one key written from now on may lie in another partition than the old ones, so that their order is lost."
        )
    };
    let d = Diagnostic::warning(codes::TOPIC_PARTITIONS_INCREASED, text);
    out.diagnostics
        .push(attr_error("partitions", d.hint("Grow only when the keys' order does not matter, or after the readers have caught up.")));
}

/// A change of a number.
fn counted(op: Op, part: &str, old: Arg, new: Arg) -> Op {
    op.part(part).expect(old, "").after(part, new)
}

/// A number of the topic, as a message may say it.
fn shown(topic: &Value, name: &str) -> String {
    topic.get(name).map(|v| v.to_string()).unwrap_or_default()
}

/// The same with its noun.
fn count_of(topic: &Value, name: &str, noun: &str) -> String {
    match topic.get(name) {
        Some(v) if v.contains_sensitive() => format!("{HIDDEN} {noun}s"),
        v => words::counted(v.and_then(|v| v.as_i64()).unwrap_or_default(), noun),
    }
}

/// A number of the topic, as an operation names it.
fn target(topic: &Value, name: &str) -> Arg {
    topic.get(name).map_or(Arg::Unknown, |v| Arg::of(&v, name))
}

/// A number that may change to one which is known only after apply.
fn open_change(prior: &Value, planned: &Value, name: &str) -> Option<(Arg, Arg)> {
    planned.get(name).filter(|v| !v.is_known())?;
    prior.get(name)?.as_i64()?;
    Some((target(prior, name), target(planned, name)))
}

fn compacted(prior: &Value, notes: &Notes) -> bool {
    effective(prior, notes, "cleanup.policy").is_some_and(|v| v.contains("compact"))
}

/// The value that holds for a key: the topic's own, else the inherited one.
fn effective(topic: &Value, notes: &Notes, key: &str) -> Option<String> {
    let own = topic.get("config").and_then(|c| c.get_str(key));
    own.or_else(|| Some(inherited(notes, key)?.0.to_string()))
}

/// What a key inherits when the topic does not set it: the value and its source.
fn inherited<'a>(notes: &'a Notes, key: &str) -> Option<(&'a str, &'a str)> {
    let entry = notes.get("inherited")?.get(key)?;
    Some((entry.get(0)?.as_str()?, entry.get(1)?.as_str()?))
}

fn plan_replication(prior: &Value, private: &Private, notes: &Notes, out: &mut PlanOutput) {
    if let Some(least) = notes.get("least_replicas").and_then(|v| v.as_i64()) {
        let hidden = prior.get("replication_factor").is_some_and(|v| v.contains_sensitive());
        let least = if hidden { HIDDEN.to_string() } else { least.to_string() };
        let most = count_of(prior, "replication_factor", "replica");
        let d = Diagnostic::warning(codes::TOPIC_UNEVEN, format!("The partitions have from {least} to {most} each."));
        out.diagnostics.push(d.hint("Change `replication_factor` to make them even; a move of replicas may still be going on."));
    }
    let known = change(prior, &out.planned, "replication_factor");
    let known = known.map(|_| (target(prior, "replication_factor"), target(&out.planned, "replication_factor")));
    if let Some((old, new)) = known.or_else(|| open_change(prior, &out.planned, "replication_factor")) {
        let moving = counted(op(OpAction::Move, prior, private), REPLICATION, old, new);
        let all = count_of(prior, "partitions", "partition");
        out.ops.push(moving.note(format!("by moving replicas of {all} in place")).once());
        check_min_isr(&out.planned, notes, true, &mut out.diagnostics);
    } else {
        check_min_isr(&out.planned, notes, false, &mut out.diagnostics);
    }
}

/// Fewer replicas than `min.insync.replicas` stop every producer with acks=all on brokers before 3.7; later ones ask for no more than there are
/// (KAFKA-15583). What the cluster sets is held against the topic only when the topic's replicas change.
fn check_min_isr(topic: &Value, notes: &Notes, changing: bool, diags: &mut Diagnostics) {
    const KEY: &str = "min.insync.replicas";
    let own = config::entries(topic.get("config").as_ref()).and_then(|mut all| all.remove(KEY));
    let hidden = own.as_ref().is_some_and(Value::contains_sensitive);
    let own = own.and_then(|v| v.as_str().map(str::to_string));
    let path = if own.is_some() { config_path(KEY) } else { "replication_factor".to_string() };
    let value = own.or_else(|| if changing { Some(inherited(notes, KEY)?.0.to_string()) } else { None });
    let (Some(min), Some(replicas)) =
        (value.and_then(|v| v.trim().parse::<i64>().ok()), topic.get("replication_factor").and_then(|v| v.as_i64()))
    else {
        return;
    };
    if min > replicas {
        let min = if hidden { HIDDEN.to_string() } else { min.to_string() };
        let d = Diagnostic::warning(
            codes::TOPIC_MIN_ISR,
            format!(
                "`min.insync.replicas` is {min} and the topic has {}. Brokers before Kafka 3.7 refuse every record with acks=all; later ones \
                 ask for no more replicas than there are.",
                count_of(topic, "replication_factor", "replica")
            ),
        );
        diags.push(attr_error(path, d.hint("Lower `min.insync.replicas` or raise `replication_factor`; usual is 2 of 3.")));
    }
}

fn plan_config(prior: &Value, private: &Private, notes: &Notes, out: &mut PlanOutput) {
    let topic = key(prior, private);
    let Some(new) = config::entries(out.planned.get("config").as_ref()) else {
        // Which settings change is known when the new ones are.
        let any = |action| Op::new(action, topic.clone()).part(SETTINGS).after(SETTINGS, Arg::Unknown).open();
        out.ops.extend([any(OpAction::Set), any(OpAction::Unset)]);
        return;
    };
    let old = config::entries(prior.get("config").as_ref()).unwrap_or_default();
    let types = types(notes);
    let mut merged: BTreeMap<Arc<str>, Value> = BTreeMap::new();
    let mut lines = Vec::new();
    for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        match (old.get(key), new.get(key)) {
            (Some(a), Some(b)) if is_same(key, &types, a, b) => {
                merged.insert(key.clone(), a.clone());
            }
            (before, after) => {
                merged.extend(after.map(|v| (key.clone(), v.clone())));
                lines.push(setting(&topic, key, before, after, inherited(notes, key)));
            }
        }
    }
    if lines.is_empty() {
        // Nothing changes on the cluster: the recorded spelling stays, so that the plan is empty.
        out.planned = with(&out.planned, vec![("config", prior.get("config").unwrap_or(Value::null(Type::map(Type::String))))]);
        return;
    }
    if !merged.is_empty() {
        out.planned = with(&out.planned, vec![("config", Value::map(Type::String, merged.into()))]);
    }
    out.ops.extend(lines);
}

/// The types that the broker has for the topic's own settings, as the observation noted them.
fn types(notes: &Notes) -> config::Types {
    let noted = notes.get("types").and_then(|t| t.as_object());
    let each = noted.into_iter().flatten();
    each.filter_map(|(k, code)| Some((k.clone(), ConfigType::from_code(i8::try_from(code.as_i64()?).ok()?)?))).collect()
}

fn is_same(key: &str, types: &config::Types, a: &Value, b: &Value) -> bool {
    match (a.as_str(), b.as_str()) {
        (Some(x), Some(y)) => config::same(key, types, x, y),
        _ => a == b,
    }
}

/// The operation for one setting that changes.
fn setting(topic: &Key, key: &str, before: Option<&Value>, after: Option<&Value>, inherited: Option<(&str, &str)>) -> Op {
    let arg = |v: &Value| Arg::of(v, config_path(key));
    let op = |action| Op::new(action, topic.clone()).part(key);
    let below = inherited.map(|(value, source)| (Arg::Known(value.to_string()), source));
    match (before, after, below) {
        (Some(a), Some(b), _) => op(OpAction::Set).expect(arg(a), OWN).after(key, arg(b)),
        (Some(a), None, Some((value, source))) => {
            op(OpAction::Unset).expect(arg(a), OWN).after(key, Arg::Known(format!("{value} ({source})")))
        }
        (Some(a), None, None) => op(OpAction::Unset).expect(arg(a), OWN).after(key, Arg::Default),
        (None, Some(b), Some((value, source))) => op(OpAction::Set).expect(value, source).after(key, arg(b)),
        (None, b, _) => op(OpAction::Set).after(key, b.map_or(Arg::Default, arg)),
    }
}

/// What deletes a topic, and what that loses.
pub fn plan_delete(prior: &Value, private: &Private) -> Vec<Op> {
    let name = prior.get_str("name").unwrap_or_default();
    let all = count_of(prior, "partitions", "partition");
    let free = prior.get("deletion_protection").and_then(|v| v.as_bool()) == Some(false);
    let loss = (!free)
        .then(|| format!("All records of topic \"{name}\" ({all}) would be lost. Set deletion_protection = false to allow deleting it."));
    let delete = op(OpAction::Delete, prior, private).loss(loss);
    vec![delete.note(format!("with the records of its {all}; ACLs and committed offsets that name it stay"))]
}
