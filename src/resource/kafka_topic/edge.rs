//! Topics on the live cluster: reading, probing and applying, each in a number of requests that does not grow with the topics.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::config;
use super::plan::config_path;
use super::reassign::{self, Move};
use crate::diag::codes::kafka as codes;
use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::resource::kafka_common::{by_cluster, check_cluster_id, cluster_name, with};
use crate::resource::{Observed, Private, ReadRequest, Session, StepRequest, StepResult, Verb, attr_error};
use crate::target::kafka::{Admin, ConfigEntry, ConfigOp, ConfigResource, ConfigSource, KafkaError, Metadata, NewTopic, Topic};
use crate::value::Value;

/// Bytes per second and broker that a move of replicas may take, where the block says nothing.
pub const DEFAULT_THROTTLE: i64 = 50 * 1024 * 1024;
/// The pause between looks at a cluster that is catching up.
const POLL: Duration = Duration::from_millis(100);
/// How long brokers may take to show a change that they acknowledged.
const CONFIRM: Duration = Duration::from_secs(60);
/// How often a recorded topic that seems to be gone is looked for: brokers that lag behind answer so for a moment.
const READ_TRIES: usize = 3;

type Configs = BTreeMap<String, Result<Arc<Vec<ConfigEntry>>, KafkaError>>;

fn name_of(object: &Value) -> String {
    object.get_str("name").unwrap_or_default()
}

fn number(object: &Value, name: &str) -> Option<i64> {
    object.get(name).and_then(|v| v.as_i64())
}

/// The topic as an object, with its private part.
pub fn object(base: &Value, topic: &Topic, entries: &[ConfigEntry], cluster_id: &str) -> (Value, Private) {
    let own: BTreeMap<String, String> = entries
        .iter()
        .filter(|e| e.source == ConfigSource::DynamicTopic)
        .filter_map(|e| Some((e.name.clone(), e.value.clone()?)))
        .collect();
    let moving = own.iter().any(|(k, v)| config::is_throttle(k) && v == "*");
    let counts = || topic.partitions.iter().map(|p| p.replicas.len() as i64);
    let (most, least) = (counts().max().unwrap_or_default(), counts().min().unwrap_or_default());
    let protected = base.get("deletion_protection").filter(|v| !v.is_null() && v.is_known()).unwrap_or(true.into());
    let value = with(
        base,
        vec![
            ("name", Value::string(&topic.name)),
            ("partitions", (topic.partitions.len() as i64).into()),
            ("replication_factor", most.into()),
            ("config", config::observed(base.get("config").as_ref(), &own)),
            ("deletion_protection", protected),
            ("topic_id", Value::string(topic.id.as_deref().unwrap_or_default())),
            ("moving", moving.into()),
        ],
    );
    let mut private = ids(cluster_id, topic);
    private["inherited"] = inherited(entries);
    if least != most {
        private["least_replicas"] = least.into();
    }
    let leaderless: Vec<i32> = topic.partitions.iter().filter(|p| p.leader.is_none()).map(|p| p.id).collect();
    if !leaderless.is_empty() {
        private["leaderless"] = leaderless.into();
    }
    (value, private)
}

fn ids(cluster_id: &str, topic: &Topic) -> Private {
    serde_json::json!({"cluster_id": cluster_id, "topic_id": topic.id})
}

/// For every key the value that holds when the topic itself sets none, and where it is from.
fn inherited(entries: &[ConfigEntry]) -> Private {
    let below = |e: &ConfigEntry| {
        if e.source != ConfigSource::DynamicTopic {
            return Some((e.value.clone()?, e.source));
        }
        let s = e.synonyms.iter().find(|s| s.source != ConfigSource::DynamicTopic)?;
        Some((s.value.clone()?, s.source))
    };
    let all = entries.iter().filter(|e| !config::is_throttle(&e.name)).filter_map(|e| Some((e.name.clone(), below(e)?)));
    all.map(|(k, (value, source))| (k, serde_json::json!([value, source_name(source)]))).collect::<serde_json::Map<_, _>>().into()
}

fn source_name(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::DynamicTopic => "set on the topic",
        ConfigSource::DynamicBroker => "set on the broker",
        ConfigSource::DynamicDefaultBroker => "set for all brokers",
        ConfigSource::StaticBroker => "broker's properties",
        ConfigSource::Default => "Kafka's default",
        ConfigSource::Other(_) => "elsewhere",
    }
}

/// Reads topics: one metadata and one describe request for each cluster.
pub async fn read(cx: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
    let sorted = by_cluster(cx, requests.iter().map(|r| &r.prior));
    // A cluster that does not exist yet has no topics.
    let mut out: Vec<Result<Observed, Diagnostic>> = requests.iter().map(|_| Ok(Observed::Absent)).collect();
    for (i, d) in sorted.failed {
        out[i] = Err(d);
    }
    let groups = sorted.groups.iter().map(|g| read_cluster(&g.admin, g.items.iter().map(|i| &requests[*i]).collect()));
    for (group, results) in sorted.groups.iter().zip(futures::future::join_all(groups).await) {
        for (i, result) in group.items.iter().zip(results) {
            out[*i] = result;
        }
    }
    out
}

async fn read_cluster(admin: &Admin, requests: Vec<&ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
    let names: Vec<String> = requests.iter().map(|r| name_of(&r.prior)).collect();
    match look(admin, &names).await {
        Ok((metadata, configs)) => requests.iter().map(|r| observe(admin, r, &metadata, &configs)).collect(),
        Err(e) => {
            let doing = |r: &ReadRequest| format!("reading the topics of {}", cluster_name(&r.prior));
            requests.iter().map(|r| Err(e.clone().told(doing(r), admin.connection()))).collect()
        }
    }
}

async fn look(admin: &Admin, names: &[String]) -> Result<(Arc<Metadata>, Configs), KafkaError> {
    let mut tries = 1;
    loop {
        let metadata = admin.snapshot_metadata().await?;
        let configs = admin.snapshot_configs(names).await?;
        let missing =
            |n: &String| !metadata.topics.contains_key(n) || matches!(configs.get(n), None | Some(Err(KafkaError::UnknownTopicOrPart)));
        if tries == READ_TRIES || !names.iter().any(missing) {
            return Ok((metadata, configs));
        }
        tries += 1;
        sleep(POLL * 3).await;
        admin.invalidate();
    }
}

fn observe(admin: &Admin, request: &ReadRequest, metadata: &Metadata, configs: &Configs) -> Result<Observed, Diagnostic> {
    check_cluster_id(&request.private, &metadata.cluster.cluster_id)?;
    let name = name_of(&request.prior);
    let entries = match configs.get(&name) {
        Some(Ok(entries)) => Arc::clone(entries),
        None | Some(Err(KafkaError::UnknownTopicOrPart)) if !metadata.topics.contains_key(&name) => return Ok(Observed::Absent),
        // What may not be seen is not gone.
        Some(Err(e)) => return Err(e.clone().told(format!("reading the configuration of topic \"{name}\""), admin.connection())),
        None => return Err(lagging(&name)),
    };
    let Some(topic) = metadata.topics.get(&name) else { return Err(lagging(&name)) };
    let (value, mut private) = object(&request.prior, topic, &entries, &metadata.cluster.cluster_id);
    if let (Some(old), Some(new)) = (request.private.get("topic_id").and_then(|v| v.as_str()), &topic.id)
        && old != new
    {
        private["recreated_from"] = old.into();
    }
    Ok(Observed::Present(value, private))
}

fn lagging(name: &str) -> Diagnostic {
    let d = Diagnostic::error(codes::TOPIC_LAGGING, format!("The brokers do not agree on whether topic \"{name}\" exists."));
    d.hint("It was made or deleted a moment ago, or the principal may not DESCRIBE it. Try again.")
}

/// The explicit settings of an object, as text.
fn settings(object: &Value) -> BTreeMap<String, String> {
    config::texts(object.get("config").as_ref())
}

fn new_topic(planned: &Value) -> NewTopic {
    NewTopic {
        name: name_of(planned),
        partitions: number(planned, "partitions").and_then(|n| i32::try_from(n).ok()).unwrap_or(-1),
        replication: number(planned, "replication_factor").and_then(|n| i16::try_from(n).ok()).unwrap_or(-1),
        assignments: None,
        config: settings(planned),
    }
}

/// The changes of single keys from one object to another.
fn config_ops(prior: &Value, planned: &Value) -> Vec<ConfigOp> {
    let (old, new) = (settings(prior), settings(planned));
    let set =
        new.iter().filter(|(k, v)| old.get(*k).is_none_or(|o| !config::same(k, o, v))).map(|(k, v)| ConfigOp::Set(k.clone(), v.clone()));
    let unset = old.keys().filter(|k| !new.contains_key(*k)).map(|k| ConfigOp::Delete(k.clone()));
    set.chain(unset).collect()
}

fn more_partitions(prior: &Value, planned: &Value) -> Option<i32> {
    let (old, new) = (number(prior, "partitions")?, number(planned, "partitions")?);
    if new > old { i32::try_from(new).ok() } else { None }
}

/// Asks the brokers what they think of the changes, without making them.
pub async fn probe(cx: &Session, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
    let mut out: Vec<Diagnostics> = requests.iter().map(|_| Diagnostics::new()).collect();
    let objects: Vec<&Value> = requests.iter().filter_map(|r| r.planned.as_ref().or(r.prior.as_ref())).collect();
    if objects.len() != requests.len() {
        return out;
    }
    let sorted = by_cluster(cx, objects.into_iter());
    for (i, d) in sorted.failed.into_iter().filter(|(i, _)| requests[*i].planned.is_some()) {
        out[i].push(d);
    }
    for group in sorted.groups {
        let steps: Vec<(usize, &StepRequest)> = group.items.iter().map(|i| (*i, &requests[*i])).collect();
        if let Err(e) = probe_cluster(&group.admin, &steps, &mut out).await {
            // One sentence is enough for a failure that concerns the cluster.
            out[group.items[0]].push(e.told("asking the brokers about the planned topics", group.admin.connection()));
        }
    }
    out
}

async fn probe_cluster(admin: &Admin, steps: &[(usize, &StepRequest)], out: &mut [Diagnostics]) -> Result<(), KafkaError> {
    let known = |o: &Value| o.get("name").is_some_and(|v| v.as_str().is_some());
    let creates: Vec<(usize, &Value)> = steps
        .iter()
        .filter(|(_, s)| s.prior.is_none())
        .filter_map(|(i, s)| Some((*i, s.planned.as_ref()?)))
        .filter(|(_, p)| known(p))
        .collect();
    let updates: Vec<(usize, &Value, &Value)> =
        steps.iter().filter_map(|(i, s)| Some((*i, s.prior.as_ref()?, s.planned.as_ref()?))).collect();
    let deletes: Vec<usize> = steps.iter().filter(|(_, s)| s.planned.is_none()).map(|(i, _)| *i).collect();
    if !creates.is_empty() {
        probe_creates(admin, &creates, out).await?;
    }
    probe_updates(admin, &updates, out).await?;
    if !deletes.is_empty() {
        probe_deletes(admin, &deletes, out).await;
    }
    Ok(())
}

async fn probe_creates(admin: &Admin, creates: &[(usize, &Value)], out: &mut [Diagnostics]) -> Result<(), KafkaError> {
    let topics: Vec<NewTopic> = creates.iter().map(|(_, p)| new_topic(p)).collect();
    let results = admin.create_topics(&topics, true).await?;
    let mut keys: Option<Vec<String>> = None;
    for ((i, planned), result) in creates.iter().zip(results) {
        let Err(e) = result else { continue };
        if matches!(e, KafkaError::InvalidConfig { .. }) && keys.is_none() {
            keys = Some(known_keys(admin, None).await);
        }
        out[*i].push(refused(admin, e, planned, keys.as_deref().unwrap_or_default(), "creating"));
    }
    Ok(())
}

async fn probe_updates(admin: &Admin, updates: &[(usize, &Value, &Value)], out: &mut [Diagnostics]) -> Result<(), KafkaError> {
    let changes: Vec<(usize, &Value, Vec<ConfigOp>)> =
        updates.iter().map(|(i, a, b)| (*i, *b, config_ops(a, b))).filter(|(_, b, ops)| !ops.is_empty() && fully_set(b)).collect();
    if !changes.is_empty() {
        let request: Vec<_> = changes.iter().map(|(_, b, ops)| (ConfigResource::Topic(name_of(b)), ops.clone())).collect();
        let results = admin.incremental_alter_configs(&request, true).await?;
        for ((i, planned, _), result) in changes.iter().zip(results) {
            let Err(e) = result else { continue };
            let keys = known_keys(admin, Some(&name_of(planned))).await;
            out[*i].push(refused(admin, e, planned, &keys, "changing"));
        }
    }
    let grown: Vec<(usize, &Value, i32)> = updates.iter().filter_map(|(i, a, b)| Some((*i, *b, more_partitions(a, b)?))).collect();
    if !grown.is_empty() {
        let request: Vec<_> = grown.iter().map(|(_, b, n)| (name_of(b), *n)).collect();
        for ((i, planned, _), result) in grown.iter().zip(admin.create_partitions(&request, true).await?) {
            if let Err(e) = result {
                out[*i].push(refused(admin, e, planned, &[], "adding partitions to"));
            }
        }
    }
    Ok(())
}

/// Whether all settings are known; a partly known map would read as keys taken away.
fn fully_set(object: &Value) -> bool {
    object.get("config").is_none_or(|c| c.is_wholly_known())
}

/// Whether the brokers let topics go at all. Who cannot ask, or may not read the brokers' settings, learns it from the deletion itself.
async fn probe_deletes(admin: &Admin, deletes: &[usize], out: &mut [Diagnostics]) {
    let Ok(metadata) = admin.snapshot_metadata().await else { return };
    let Some(broker) = metadata.cluster.brokers.first() else { return };
    let Ok(answers) = admin.describe_configs(&[ConfigResource::Broker(broker.id)]).await else { return };
    let Some(Ok(entries)) = answers.into_iter().next() else { return };
    if entries.iter().any(|e| e.name == "delete.topic.enable" && e.value.as_deref() == Some("false")) {
        for i in deletes {
            out[*i].push(not_deletable());
        }
    }
}

fn not_deletable() -> Diagnostic {
    Diagnostic::error(codes::TOPIC_NOT_DELETABLE, "The brokers run with `delete.topic.enable=false`, so that no topic can be deleted.")
        .hint("Enable it on the brokers, or let the topic be with a `removed` block or `streamform state rm`.")
}

/// The keys that a topic may set, as a broker lists them.
async fn known_keys(admin: &Admin, topic: Option<&str>) -> Vec<String> {
    let Ok(metadata) = admin.snapshot_metadata().await else { return vec![] };
    let Some(name) = topic.map(str::to_string).or_else(|| metadata.topics.keys().next().cloned()) else { return vec![] };
    let Ok(configs) = admin.snapshot_configs(std::slice::from_ref(&name)).await else { return vec![] };
    match configs.get(&name) {
        Some(Ok(entries)) => entries.iter().map(|e| e.name.clone()).collect(),
        _ => vec![],
    }
}

fn refused(admin: &Admin, e: KafkaError, planned: &Value, keys: &[String], doing: &str) -> Diagnostic {
    let name = name_of(planned);
    match e {
        KafkaError::TopicAlreadyExists => exists(&name, planned),
        KafkaError::InvalidConfig { message } => {
            // Secrets have no place in a topic's settings, but a broker's sentence may repeat the value.
            let shown =
                if planned.contains_sensitive() { "a setting is refused".to_string() } else { message.trim_end_matches('.').to_string() };
            let d = Diagnostic::error(codes::TOPIC_CONFIG, format!("The broker refuses the settings of topic \"{name}\": {shown}."));
            match settings(planned).keys().find(|k| !keys.is_empty() && !keys.contains(k)) {
                Some(key) => {
                    let near = did_you_mean(key, keys.iter().map(String::as_str));
                    let hint =
                        near.map_or_else(|| format!("This Kafka has no topic setting \"{key}\"."), |n| format!("Did you mean \"{n}\"?"));
                    attr_error(config_path(key), d.hint(hint))
                }
                None => attr_error("config", d.hint("Correct the value; `kafka_topic` settings are those of the broker's version.")),
            }
        }
        e @ KafkaError::InvalidReplicationFactor { .. } => {
            attr_error("replication_factor", e.into_diagnostic(format!("{doing} topic \"{name}\"")))
        }
        e @ KafkaError::InvalidPartitions { .. } => attr_error("partitions", e.into_diagnostic(format!("{doing} topic \"{name}\""))),
        e @ KafkaError::TopicException { .. } => attr_error("name", e.into_diagnostic(format!("{doing} topic \"{name}\""))),
        e => e.told(format!("{doing} topic \"{name}\""), admin.connection()),
    }
}

fn exists(name: &str, planned: &Value) -> Diagnostic {
    let d = Diagnostic::error(
        codes::TOPIC_EXISTS,
        format!("Topic \"{name}\" exists already in {} and is not in the state.", cluster_name(planned)),
    );
    let to = planned.origin().map_or_else(|| "kafka_topic.NAME".to_string(), ToString::to_string);
    let d = d.hint(format!("To take it over: streamform import '{to}' {name}. Otherwise choose another name."));
    attr_error("name", d)
}

/// Carries out steps of one verb, one request for each kind of change and cluster.
pub async fn apply(cx: &Session, verb: Verb, steps: Vec<StepRequest>) -> Vec<StepResult> {
    let fallback = Value::null_dynamic();
    let sorted = by_cluster(cx, steps.iter().map(|s| s.planned.as_ref().or(s.prior.as_ref()).unwrap_or(&fallback)));
    let mut out: Vec<Option<StepResult>> = steps.iter().map(|_| None).collect();
    for (i, d) in sorted.failed {
        out[i] = Some(unchanged(&steps[i], d));
    }
    for group in &sorted.groups {
        let mine: Vec<&StepRequest> = group.items.iter().map(|i| &steps[*i]).collect();
        let results = match verb {
            Verb::Create => create_or_adopt(&group.admin, cx, &mine).await,
            Verb::Update => update(&group.admin, cx, &mine).await,
            Verb::Delete => delete(&group.admin, &mine).await,
        };
        for (i, result) in group.items.iter().zip(results) {
            out[*i] = Some(result);
        }
    }
    let unreachable =
        || Diagnostic::error(codes::CONNECTION, "The cluster of this topic is still not known.").hint("Apply the cluster first.");
    out.into_iter().zip(&steps).map(|(r, s)| r.unwrap_or_else(|| unchanged(s, unreachable()))).collect()
}

/// A failure that left everything as it was.
fn unchanged(step: &StepRequest, error: Diagnostic) -> StepResult {
    StepResult::failed(error, step.prior.clone().map(|p| (p, step.private.clone())))
}

fn deadline(steps: &[&StepRequest]) -> Instant {
    Instant::now() + steps.iter().map(|s| s.timeout).max().unwrap_or_default()
}

/// Creates topics; of those that an earlier run began to create, what is there now is its work and is made as planned.
async fn create_or_adopt(admin: &Admin, cx: &Session, steps: &[&StepRequest]) -> Vec<StepResult> {
    let begun: Vec<String> = steps.iter().filter(|s| s.begun).filter_map(|s| s.planned.as_ref()).map(name_of).collect();
    if begun.is_empty() {
        return create(admin, steps).await;
    }
    let Ok((metadata, configs)) = look(admin, &begun).await else { return create(admin, steps).await };
    let found = |s: &&StepRequest| {
        let planned = s.planned.as_ref().filter(|_| s.begun)?;
        let name = name_of(planned);
        let entries = configs.get(&name).and_then(|c| c.as_ref().ok())?;
        let (prior, private) = object(planned, metadata.topics.get(&name)?, entries, &metadata.cluster.cluster_id);
        Some(StepRequest { prior: Some(prior), private, ..(**s).clone() })
    };
    let found: Vec<Option<StepRequest>> = steps.iter().map(found).collect();
    let there: Vec<&StepRequest> = found.iter().flatten().collect();
    let new: Vec<&StepRequest> = steps.iter().zip(&found).filter(|(_, f)| f.is_none()).map(|(s, _)| *s).collect();
    let mut adopted = if there.is_empty() { vec![] } else { update(admin, cx, &there).await }.into_iter();
    let mut created = if new.is_empty() { vec![] } else { create(admin, &new).await }.into_iter();
    found.iter().filter_map(|f| if f.is_some() { adopted.next() } else { created.next() }).collect()
}

async fn create(admin: &Admin, steps: &[&StepRequest]) -> Vec<StepResult> {
    let deadline = deadline(steps);
    let planned: Vec<&Value> = steps.iter().filter_map(|s| s.planned.as_ref()).collect();
    let topics: Vec<NewTopic> = planned.iter().map(|p| new_topic(p)).collect();
    let results = match admin.create_topics(&topics, false).await {
        Ok(results) => results.into_iter().map(|r| r.map(|_| ())).collect(),
        Err(e) => topics.iter().map(|_| Err(e.clone())).collect::<Vec<_>>(),
    };
    let wanted: Vec<(&str, usize)> =
        topics.iter().zip(&results).filter(|(_, r)| r.is_ok()).map(|(t, _)| (t.name.as_str(), t.partitions.max(1) as usize)).collect();
    let metadata = until(admin, deadline, |m| wanted.iter().all(|(name, n)| is_ready(m, name, *n))).await;
    let steps = planned.into_iter().zip(topics.iter().zip(results));
    steps.map(|(planned, (topic, result))| created(admin, planned, topic, result, &metadata)).collect()
}

fn is_ready(metadata: &Metadata, name: &str, partitions: usize) -> bool {
    metadata.topics.get(name).is_some_and(|t| t.partitions.len() >= partitions && t.partitions.iter().all(|p| p.leader.is_some()))
}

fn created(
    admin: &Admin,
    planned: &Value,
    wanted: &NewTopic,
    result: Result<(), KafkaError>,
    metadata: &Result<Metadata, KafkaError>,
) -> StepResult {
    let live = metadata.as_ref().ok().and_then(|m| Some((m.topics.get(&wanted.name)?, m.cluster.cluster_id.as_str())));
    let as_object = || live.map(|(topic, id)| object_as_written(planned, topic, id));
    match result {
        Ok(()) => match as_object() {
            Some((value, private)) => StepResult::done(value, private),
            None => match metadata {
                Ok(_) => StepResult::failed(not_seen(&wanted.name), None),
                Err(e) => StepResult::in_doubt(not_looked_at(e)),
            },
        },
        // An answer that was lost does not mean that nothing was made.
        Err(e) if e.is_ambiguous() && metadata.is_err() => StepResult::in_doubt(refused(admin, e, planned, &[], "creating")),
        Err(e) => {
            let object = if is_refusal(&e) { None } else { as_object() };
            StepResult::failed(refused(admin, e, planned, &[], "creating"), object)
        }
    }
}

/// Whether an error says that the brokers surely made nothing.
fn is_refusal(e: &KafkaError) -> bool {
    use KafkaError as E;
    matches!(
        e,
        E::AuthorizationFailed { .. }
            | E::InvalidConfig { .. }
            | E::PolicyViolation { .. }
            | E::InvalidPartitions { .. }
            | E::InvalidReplicationFactor { .. }
            | E::InvalidReplicaAssignment { .. }
            | E::TopicException { .. }
            | E::InvalidRequest { .. }
            | E::TopicAlreadyExists
            | E::ThrottlingQuotaExceeded
            | E::NotController
            | E::Unsupported { .. }
    )
}

/// The object of a topic whose settings were just acknowledged as planned.
fn object_as_written(planned: &Value, topic: &Topic, cluster_id: &str) -> (Value, Private) {
    let (value, _) = object(planned, topic, &[], cluster_id);
    (with(&value, vec![("config", planned.get("config").unwrap_or(Value::null_dynamic()))]), ids(cluster_id, topic))
}

fn not_seen(name: &str) -> Diagnostic {
    let d = Diagnostic::error(codes::TOPIC_LAGGING, format!("Topic \"{name}\" was made, but the brokers do not show it in time."));
    d.hint("Look at the brokers; apply again once they answer, and import the topic if it is there.")
}

/// The brokers have acknowledged a change and were not there when they were to show it.
fn not_looked_at(e: &KafkaError) -> Diagnostic {
    e.clone().into_diagnostic("reading back what was acknowledged")
}

/// Reads metadata until `done`, or until the deadline: the last metadata either way.
async fn until(admin: &Admin, deadline: Instant, done: impl Fn(&Metadata) -> bool) -> Result<Metadata, KafkaError> {
    loop {
        let metadata = admin.metadata().await;
        let gone = metadata.as_ref().is_err_and(KafkaError::is_lasting);
        if metadata.as_ref().is_ok_and(&done) || gone || Instant::now() >= deadline {
            return metadata;
        }
        sleep(POLL).await;
    }
}

async fn update(admin: &Admin, cx: &Session, steps: &[&StepRequest]) -> Vec<StepResult> {
    let deadline = deadline(steps);
    let pairs: Vec<(&StepRequest, &Value, &Value)> =
        steps.iter().filter_map(|s| Some((*s, s.prior.as_ref()?, s.planned.as_ref()?))).collect();
    let mut errors: HashMap<usize, Diagnostic> = HashMap::new();
    update_configs(admin, &pairs, &mut errors).await;
    update_partitions(admin, &pairs, &mut errors).await;
    update_replicas(admin, cx, &pairs, deadline, &mut errors).await;
    let (metadata, configs) = confirm(admin, &pairs, &errors, deadline).await;
    let results = pairs.iter().enumerate().map(|(i, (step, _, planned))| {
        let name = name_of(planned);
        let live = metadata.as_ref().ok().and_then(|m| Some((m.topics.get(&name)?, m.cluster.cluster_id.as_str())));
        let object = live.map(|(topic, id)| match configs.get(&name) {
            Some(entries) => (object(planned, topic, entries, id).0, ids(id, topic)),
            None => object_as_written(planned, topic, id),
        });
        match (errors.remove(&i), object) {
            (None, Some((value, private))) => StepResult::done(value, private),
            (Some(d), object) => StepResult::failed(d, object.or_else(|| step.prior.clone().map(|p| (p, step.private.clone())))),
            (None, None) => unchanged(step, metadata.as_ref().err().map_or_else(|| not_seen(&name), not_looked_at)),
        }
    });
    results.collect()
}

type Pairs<'a> = [(&'a StepRequest, &'a Value, &'a Value)];

async fn update_configs(admin: &Admin, pairs: &Pairs<'_>, errors: &mut HashMap<usize, Diagnostic>) {
    let changed: Vec<(usize, Vec<ConfigOp>)> =
        pairs.iter().enumerate().map(|(i, (_, a, b))| (i, config_ops(a, b))).filter(|(_, o)| !o.is_empty()).collect();
    if changed.is_empty() {
        return;
    }
    let request: Vec<_> = changed.iter().map(|(i, ops)| (ConfigResource::Topic(name_of(pairs[*i].2)), ops.clone())).collect();
    let results = admin.incremental_alter_configs(&request, false).await;
    note(admin, changed.iter().map(|(i, _)| *i), results, pairs, "changing", errors);
}

async fn update_partitions(admin: &Admin, pairs: &Pairs<'_>, errors: &mut HashMap<usize, Diagnostic>) {
    let grown: Vec<(usize, i32)> = pairs.iter().enumerate().filter_map(|(i, (_, a, b))| Some((i, more_partitions(a, b)?))).collect();
    if grown.is_empty() {
        return;
    }
    let request: Vec<_> = grown.iter().map(|(i, n)| (name_of(pairs[*i].2), *n)).collect();
    let results = admin.create_partitions(&request, false).await;
    note(admin, grown.iter().map(|(i, _)| *i), results, pairs, "adding partitions to", errors);
}

fn note(
    admin: &Admin,
    items: impl Iterator<Item = usize>,
    results: Result<Vec<Result<(), KafkaError>>, KafkaError>,
    pairs: &Pairs<'_>,
    doing: &str,
    errors: &mut HashMap<usize, Diagnostic>,
) {
    let items: Vec<usize> = items.collect();
    let results = results.unwrap_or_else(|e| items.iter().map(|_| Err(e.clone())).collect());
    for (i, result) in items.into_iter().zip(results) {
        if let Err(e) = result {
            errors.entry(i).or_insert_with(|| refused(admin, e, pairs[i].2, &[], doing));
        }
    }
}

async fn update_replicas(admin: &Admin, cx: &Session, pairs: &Pairs<'_>, deadline: Instant, errors: &mut HashMap<usize, Diagnostic>) {
    let mut moves = Vec::new();
    for (i, (step, prior, planned)) in pairs.iter().enumerate() {
        let new = number(planned, "replication_factor").filter(|n| number(prior, "replication_factor") != Some(*n));
        let moving = prior.get("moving").and_then(|v| v.as_bool()) == Some(true);
        if errors.contains_key(&i) || (new.is_none() && !moving) {
            continue;
        }
        let throttle = number(planned, "reassignment_throttle").unwrap_or(DEFAULT_THROTTLE);
        let factor = new.and_then(|n| usize::try_from(n).ok());
        moves.push((i, Move { addr: &step.addr, topic: name_of(planned), factor, throttle, resumed: moving }));
    }
    if moves.is_empty() {
        return;
    }
    let (items, moves): (Vec<usize>, Vec<Move>) = moves.into_iter().unzip();
    if let Err(d) = reassign::run(admin, cx.progress.as_ref(), &moves, deadline).await {
        for i in items {
            errors.insert(i, d.clone());
        }
    }
}

/// Waits until the brokers show what they acknowledged, so that the next plan is empty.
async fn confirm(
    admin: &Admin,
    pairs: &Pairs<'_>,
    errors: &HashMap<usize, Diagnostic>,
    deadline: Instant,
) -> (Result<Metadata, KafkaError>, BTreeMap<String, Vec<ConfigEntry>>) {
    let good: Vec<&Value> = pairs.iter().enumerate().filter(|(i, _)| !errors.contains_key(i)).map(|(_, p)| p.2).collect();
    let is_as = |p: &Value, t: &Topic| {
        let replicas =
            number(p, "replication_factor").is_none_or(|n| t.partitions.iter().map(|x| x.replicas.len() as i64).max() == Some(n));
        replicas && number(p, "partitions").is_none_or(|n| t.partitions.len() as i64 >= n)
    };
    let is_done = |m: &Metadata| good.iter().all(|p| m.topics.get(&name_of(p)).is_some_and(|t| is_as(p, t)));
    let deadline = deadline.min(Instant::now() + CONFIRM);
    let metadata = until(admin, deadline, is_done).await;
    // A move of replicas sets and removes throttles, which are settings too.
    let differs = |a: &Value, b: &Value| ["config", "moving", "replication_factor"].iter().any(|n| a.get(n) != b.get(n));
    let touched: Vec<&Value> = pairs.iter().filter(|(_, a, b)| differs(a, b)).map(|p| p.2).collect();
    let resources: Vec<ConfigResource> = touched.iter().map(|p| ConfigResource::Topic(name_of(p))).collect();
    let mut configs = BTreeMap::new();
    while !resources.is_empty() {
        let described = match admin.describe_configs(&resources).await {
            Err(e) if e.is_lasting() => break,
            described => described.unwrap_or_default(),
        };
        configs = touched.iter().zip(described).filter_map(|(p, r)| Some((name_of(p), r.ok()?))).collect();
        let as_planned = |p: &&Value| configs.get(&name_of(p)).is_some_and(|e| shows(e, p));
        if good.iter().filter(|p| touched.iter().any(|t| std::ptr::eq(*t, **p))).all(as_planned) || Instant::now() >= deadline {
            break;
        }
        sleep(POLL).await;
    }
    (metadata, configs)
}

/// Whether the topic's own settings are those of the object, and no throttle of ours is left.
fn shows(entries: &[ConfigEntry], planned: &Value) -> bool {
    let wanted = settings(planned);
    let own: BTreeMap<&str, &str> = entries
        .iter()
        .filter(|e| e.source == ConfigSource::DynamicTopic && !config::is_throttle(&e.name))
        .filter_map(|e| Some((e.name.as_str(), e.value.as_deref()?)))
        .collect();
    let throttled = entries.iter().any(|e| config::is_throttle(&e.name) && e.value.as_deref() == Some("*"));
    !throttled && own.len() == wanted.len() && wanted.iter().all(|(k, v)| own.get(k.as_str()).is_some_and(|o| config::same(k, o, v)))
}

async fn delete(admin: &Admin, steps: &[&StepRequest]) -> Vec<StepResult> {
    let deadline = deadline(steps);
    let names: Vec<String> = steps.iter().filter_map(|s| s.prior.as_ref()).map(name_of).collect();
    let moving = |o: &&Value| o.get("moving").and_then(|v| v.as_bool()) == Some(true);
    let moved: Vec<String> = steps.iter().filter_map(|s| s.prior.as_ref()).filter(moving).map(name_of).collect();
    if let Err(e) = reassign::abandon(admin, &moved).await {
        let doing = "removing the throttle of topics that are to be deleted";
        return steps.iter().map(|s| unchanged(s, e.clone().told(doing, admin.connection()))).collect();
    }
    let results = match admin.delete_topics(&names).await {
        Ok(results) => results,
        Err(e) => names.iter().map(|_| Err(e.clone())).collect(),
    };
    let going: Vec<&String> = names.iter().zip(&results).filter(|(_, r)| r.is_ok()).map(|(n, _)| n).collect();
    let metadata = until(admin, deadline, |m| going.iter().all(|n| !m.topics.contains_key(*n))).await;
    let still_there = |name: &String| metadata.as_ref().is_ok_and(|m| m.topics.contains_key(name));
    let result = |step: &&StepRequest, name: &String, result: Result<(), KafkaError>| match result {
        Ok(()) if still_there(name) => {
            let d = Diagnostic::error(codes::TOPIC_LAGGING, format!("Topic \"{name}\" was deleted and is still there."));
            unchanged(step, d.hint("A client with `auto.create.topics.enable` may have made it again; stop it and apply again."))
        }
        Ok(()) | Err(KafkaError::UnknownTopicOrPart) => StepResult::gone(),
        Err(KafkaError::TopicDeletionDisabled) => unchanged(step, not_deletable()),
        Err(e) => unchanged(step, e.told(format!("deleting topic \"{name}\""), admin.connection())),
    };
    steps.iter().zip(names.iter().zip(results)).map(|(s, (n, r))| result(s, n, r)).collect()
}

/// One topic by name, for import.
pub async fn import(admin: &Admin, base: &Value, name: &str) -> Result<(Value, Private), Diagnostic> {
    let (metadata, configs) =
        look(admin, &[name.to_string()]).await.map_err(|e| e.told(format!("reading topic \"{name}\""), admin.connection()))?;
    match (metadata.topics.get(name), configs.get(name)) {
        (Some(topic), Some(Ok(entries))) => Ok(object(base, topic, entries, &metadata.cluster.cluster_id)),
        (Some(_), Some(Err(e))) => Err(e.clone().told(format!("reading the configuration of topic \"{name}\""), admin.connection())),
        _ => {
            let d = Diagnostic::error(codes::TOPIC_MISSING, format!("There is no topic \"{name}\" in {}.", cluster_name(base)));
            let near = did_you_mean(name, metadata.topics.keys().map(String::as_str));
            Err(d.hint(near.map_or_else(|| "The import id of a topic is its name.".to_string(), |n| format!("Did you mean \"{n}\"?"))))
        }
    }
}

/// All topics that are not Kafka's own, as objects.
pub async fn discover(admin: &Admin, base: &Value) -> Result<Vec<(Value, Private)>, Diagnostic> {
    let failed = |e: KafkaError| e.told("listing the topics", admin.connection());
    let metadata = admin.snapshot_metadata().await.map_err(failed)?;
    let topics: Vec<&Topic> = metadata.topics.values().filter(|t| !t.internal && !t.name.starts_with("__")).collect();
    let names: Vec<String> = topics.iter().map(|t| t.name.clone()).collect();
    let configs = admin.snapshot_configs(&names).await.map_err(failed)?;
    let found = topics.into_iter().filter_map(|t| match configs.get(&t.name) {
        Some(Ok(entries)) => Some(object(base, t, entries, &metadata.cluster.cluster_id)),
        _ => None,
    });
    Ok(found.collect())
}
