//! Topics on the live cluster: reading and probing, each in a number of requests that does not grow with the topics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::config;
use super::ops::{self, Changes};
use super::plan::{MAX_NAME, metric_name};
use super::refusal::refused;
use crate::client::kafka::{
    Admin, ConfigEntry, ConfigResource, ConfigSource, KafkaError, Metadata, NewTopic, PATIENCE, Topic, WrittenTopic,
};
use crate::diag::codes::kafka as codes;
use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::resource::kafka_common::{by_cluster, check_cluster_id, cluster_name, origin, with};
use crate::resource::{Notes, Observed, Private, ReadRequest, Session, StepRequest};
use crate::value::Value;

/// The pause between looks at a cluster that is catching up.
pub const POLL: Duration = Duration::from_millis(100);
/// How often a recorded topic that seems to be gone is looked for: brokers that lag behind answer so for a moment.
pub const READ_TRIES: usize = 3;

/// The settings of topics by name.
pub type Configs = BTreeMap<String, Result<Arc<Vec<ConfigEntry>>, KafkaError>>;

/// The topic's name; empty where it is not known.
pub fn name_of(object: &Value) -> String {
    object.get_str("name").unwrap_or_default()
}

/// A count of the topic.
pub fn number(object: &Value, name: &str) -> Option<i64> {
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
    let most = replicas(topic).max().unwrap_or_default();
    // Of a sensitive one the record has a digest, which stands for it.
    let protected = base.get("deletion_protection").filter(|v| !v.is_null()).unwrap_or(true.into());
    let value = with(
        base,
        vec![
            ("name", Value::string(&topic.name)),
            ("partitions", (topic.partitions.len() as i64).into()),
            ("replication_factor", most.into()),
            ("config", config::observed(base.get("config").as_ref(), &own, &config::types(entries))),
            ("deletion_protection", protected),
            ("topic_id", Value::string(topic.id.as_deref().unwrap_or_default())),
            ("moving", moving.into()),
        ],
    );
    (value, ids(cluster_id, topic))
}

/// How many replicas each partition has.
fn replicas(topic: &Topic) -> impl Iterator<Item = i64> {
    topic.partitions.iter().map(|p| p.replicas.len() as i64)
}

/// The private part: which topic of which cluster it is.
pub fn ids(cluster_id: &str, topic: &Topic) -> Private {
    serde_json::json!({"cluster_id": cluster_id, "topic_id": topic.id})
}

/// What only a plan needs of a topic. None of it is kept, because brokers and clusters change it without the topic.
fn notes(topic: &Topic, entries: &[ConfigEntry]) -> Notes {
    let mut notes = serde_json::json!({ "inherited": inherited(entries) });
    let types = config::types(entries);
    if !types.is_empty() {
        notes["types"] = types.into_iter().map(|(k, ty)| (k, ty.code().into())).collect::<serde_json::Map<_, _>>().into();
    }
    let least = replicas(topic).min().unwrap_or_default();
    if Some(least) != replicas(topic).max() {
        notes["least_replicas"] = least.into();
    }
    let leaderless: Vec<i32> = topic.partitions.iter().filter(|p| p.leader.is_none()).map(|p| p.id).collect();
    if !leaderless.is_empty() {
        notes["leaderless"] = leaderless.into();
    }
    notes
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
    let groups = sorted.groups.iter().map(|g| read_cluster(&g.admin, g.of(&requests)));
    let answers = futures::future::join_all(groups).await;
    sorted.in_order(requests.len(), answers, |_, failed| failed.map_or(Ok(Observed::Absent), Err))
}

async fn read_cluster(admin: &Admin, requests: Vec<&ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
    let names: Vec<String> = requests.iter().map(|r| name_of(&r.prior)).collect();
    let recorded = requests.iter().map(|r| (name_of(&r.prior), recorded(&r.prior))).collect();
    match look(admin, &names, &recorded).await {
        Ok((metadata, configs)) => requests.iter().map(|r| observe(admin, r, &metadata, &configs)).collect(),
        Err(e) => {
            let doing = |r: &ReadRequest| format!("reading the topics of {}", cluster_name(&r.prior));
            requests.iter().map(|r| Err(e.clone().told(doing(r), admin.connection()))).collect()
        }
    }
}

/// The settings of a topic as the state has them; `None` for a value that only its digest is known of.
pub type Recorded = BTreeMap<String, Option<String>>;

/// Metadata and the topics' settings. What seems to be missing, or contradicts a write of the last seconds, is looked at again: until all brokers
/// say the same and nothing contradicts any more, at most for [`PATIENCE`]. `recorded` has what the state says of topics that were there.
pub async fn look(admin: &Admin, names: &[String], recorded: &BTreeMap<String, Recorded>) -> Result<(Arc<Metadata>, Configs), KafkaError> {
    let until = Instant::now() + PATIENCE;
    loop {
        let metadata = admin.snapshot_metadata().await?;
        let configs = admin.snapshot_configs(names).await?;
        let doubts: Vec<(String, Doubt)> =
            names.iter().filter_map(|n| Some((n.clone(), doubt(admin, n, &metadata, &configs, recorded.get(n))?))).collect();
        if doubts.is_empty() || Instant::now() >= until {
            return Ok((metadata, configs));
        }
        let again: Vec<String> = doubts.iter().map(|(n, _)| n.clone()).collect();
        if doubts.iter().all(|(_, d)| *d == Doubt::Missing) && admin.all_show(&again, &metadata).await? {
            return Ok((metadata, configs));
        }
        sleep(POLL * 3).await;
        admin.read_again(&again).await?;
    }
}

/// Why what a broker says of a topic is not believed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// It is not there, and other brokers may know it.
    Missing,
    /// The broker contradicts itself, or what this machine wrote a moment ago.
    Contradiction,
}

fn doubt(admin: &Admin, name: &String, metadata: &Metadata, configs: &Configs, recorded: Option<&Recorded>) -> Option<Doubt> {
    let (topic, config) = (metadata.topics.get(name), configs.get(name));
    let nothing = Arc::new(vec![]);
    let entries = config.and_then(|c| c.as_ref().ok()).unwrap_or(&nothing);
    let contradicts = |w: WrittenTopic| {
        let types = config::types(entries);
        let found = topic.map(|t| (t, entries.as_slice()));
        w.contradicts(found, recorded.unwrap_or(&Recorded::new()), |key, a, b| config::same(key, &types, a, b))
    };
    if admin.recently_written(name).is_some_and(contradicts) {
        return Some(Doubt::Contradiction);
    }
    match (topic, config) {
        (Some(_), None | Some(Err(KafkaError::UnknownTopicOrPart))) | (None, Some(Ok(_))) => Some(Doubt::Contradiction),
        (None, _) => Some(Doubt::Missing),
        (Some(_), Some(_)) => None,
    }
}

/// What the state says of a topic's own settings.
fn recorded(object: &Value) -> Recorded {
    let entries = config::entries(object.get("config").as_ref()).unwrap_or_default();
    entries.iter().map(|(k, v)| (k.to_string(), v.as_str().map(str::to_string))).collect()
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
    let mut notes = notes(topic, &entries);
    if let (Some(old), Some(new)) = (request.private.get("topic_id").and_then(|v| v.as_str()), &topic.id)
        && old != new
    {
        // The old id stays recorded until somebody accepts the new topic.
        private["topic_id"] = old.into();
        notes["recreated_from"] = old.into();
    }
    Ok(Observed::Present(value, private, notes))
}

fn lagging(name: &str) -> Diagnostic {
    let d = Diagnostic::error(codes::TOPIC_LAGGING, format!("The brokers do not agree on whether topic \"{name}\" exists."));
    d.hint("It was made or deleted a moment ago, or the principal may not DESCRIBE it. Try again.")
}

/// The explicit settings of an object, as text.
pub fn settings(object: &Value) -> BTreeMap<String, String> {
    config::texts(object.get("config").as_ref())
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
    let creates: Vec<Creation<'_>> = steps
        .iter()
        .filter_map(|(place, s)| {
            Some(Creation { place: *place, planned: s.planned.as_ref()?, topic: ops::new_topic(s)?, replaces: s.replaces.as_ref() })
        })
        .filter(|c| !c.topic.name.is_empty())
        .collect();
    let updates: Vec<(usize, &Value, Changes)> =
        steps.iter().filter_map(|(i, s)| Some((*i, s.planned.as_ref().filter(|_| s.prior.is_some())?, ops::changes(s)))).collect();
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

/// A topic that is to be created.
struct Creation<'a> {
    /// The step's place in the call.
    place: usize,
    planned: &'a Value,
    topic: NewTopic,
    /// The topic that is deleted before.
    replaces: Option<&'a Value>,
}

impl Creation<'_> {
    /// Whether a refusal says no more than that the topic which is deleted before is still there.
    fn is_in_its_own_way(&self, e: &KafkaError) -> bool {
        let Some(old) = self.replaces.filter(|old| origin(old, "cluster") == origin(self.planned, "cluster")) else { return false };
        match e {
            KafkaError::TopicAlreadyExists => name_of(old) == self.topic.name,
            // Two names that metrics show as one.
            KafkaError::TopicException { .. } => metric_name(&name_of(old)) == metric_name(&self.topic.name),
            _ => false,
        }
    }

    /// The same topic under a name that nobody has.
    fn elsewhere(&self) -> NewTopic {
        let tail = uuid::Uuid::new_v4().simple().to_string();
        let head: String = self.topic.name.chars().take(MAX_NAME - tail.len() - 1).collect();
        NewTopic { name: format!("{head}-{tail}"), ..self.topic.clone() }
    }
}

/// Asks what the brokers say of new topics. They look at no more of a topic whose name is taken: one that replaces itself is asked about once
/// more under another name, and what is said then counts only where it is no matter of the name.
async fn probe_creates(admin: &Admin, creates: &[Creation<'_>], out: &mut [Diagnostics]) -> Result<(), KafkaError> {
    let topics: Vec<NewTopic> = creates.iter().map(|c| c.topic.clone()).collect();
    let mut refusals: Vec<(&Creation<'_>, KafkaError)> = Vec::new();
    let mut again: Vec<&Creation<'_>> = Vec::new();
    for (c, result) in creates.iter().zip(admin.create_topics(&topics, true).await?) {
        match result {
            Err(e) if c.is_in_its_own_way(&e) => again.push(c),
            Err(e) => refusals.push((c, e)),
            Ok(_) => {}
        }
    }
    if !again.is_empty() {
        let topics: Vec<NewTopic> = again.iter().map(|c| c.elsewhere()).collect();
        let of_the_topic = |e: &KafkaError| {
            use KafkaError as E;
            matches!(e, E::InvalidConfig { .. } | E::InvalidReplicationFactor { .. } | E::InvalidPartitions { .. })
        };
        let results = again.into_iter().zip(admin.create_topics(&topics, true).await?);
        refusals.extend(results.filter_map(|(c, result)| Some((c, result.err().filter(of_the_topic)?))));
    }
    let mut keys: Option<Vec<String>> = None;
    for (c, e) in refusals {
        if matches!(e, KafkaError::InvalidConfig { .. }) && keys.is_none() {
            keys = Some(known_keys(admin, None).await);
        }
        out[c.place].push(refused(admin, e, c.planned, keys.as_deref().unwrap_or_default(), "checking the creation of"));
    }
    Ok(())
}

async fn probe_updates(admin: &Admin, updates: &[(usize, &Value, Changes)], out: &mut [Diagnostics]) -> Result<(), KafkaError> {
    let changes: Vec<_> = updates.iter().filter(|(_, _, c)| !c.config.is_empty()).collect();
    if !changes.is_empty() {
        let request: Vec<_> = changes.iter().map(|(_, b, c)| (ConfigResource::Topic(name_of(b)), c.config.clone())).collect();
        let results = admin.incremental_alter_configs(&request, true).await?;
        for ((i, planned, _), result) in changes.iter().zip(results) {
            let Err(e) = result else { continue };
            let keys = known_keys(admin, Some(&name_of(planned))).await;
            out[*i].push(refused(admin, e, planned, &keys, "checking the change of"));
        }
    }
    let grown: Vec<(usize, &Value, i32)> = updates.iter().filter_map(|(i, b, c)| Some((*i, *b, c.partitions?.1))).collect();
    if !grown.is_empty() {
        let request: Vec<_> = grown.iter().map(|(_, b, n)| (name_of(b), *n)).collect();
        for ((i, planned, _), result) in grown.iter().zip(admin.create_partitions(&request, true).await?) {
            if let Err(e) = result {
                out[*i].push(refused(admin, e, planned, &[], "checking new partitions of"));
            }
        }
    }
    Ok(())
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

/// No topic can be deleted.
pub fn not_deletable() -> Diagnostic {
    Diagnostic::error(codes::TOPIC_NOT_DELETABLE, "The brokers run with `delete.topic.enable=false`, so that no topic can be deleted.")
        .hint("Enable it on the brokers, or let the topic be with a `removed` block or `streamform state rm`.")
}

/// The keys that a topic may set, as a broker lists them: of a topic that exists, or of one that only might. Empty where nobody may ask.
async fn known_keys(admin: &Admin, topic: Option<&str>) -> Vec<String> {
    let Some(name) = topic else {
        let name = format!("streamform-asks-{}", uuid::Uuid::new_v4().simple());
        let asked = NewTopic { name, partitions: -1, replication: -1, ..NewTopic::default() };
        return match admin.create_topics(&[asked], true).await {
            Ok(answers) => answers.into_iter().flatten().flat_map(|t| t.keys).collect(),
            Err(_) => vec![],
        };
    };
    let Ok(configs) = admin.snapshot_configs(std::slice::from_ref(&name.to_string())).await else { return vec![] };
    match configs.get(name) {
        Some(Ok(entries)) => entries.iter().map(|e| e.name.clone()).collect(),
        _ => vec![],
    }
}

/// One topic by name, for import.
pub async fn import(admin: &Admin, base: &Value, name: &str) -> Result<(Value, Private), Diagnostic> {
    let (metadata, configs) = look(admin, &[name.to_string()], &BTreeMap::new())
        .await
        .map_err(|e| e.told(format!("reading topic \"{name}\""), admin.connection()))?;
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
    let until = Instant::now() + PATIENCE;
    let metadata = loop {
        let metadata = admin.snapshot_metadata().await.map_err(failed)?;
        let back: Vec<String> = admin.recently_deleted().into_iter().filter(|n| metadata.topics.contains_key(n)).collect();
        if back.is_empty() || Instant::now() >= until {
            break metadata;
        }
        sleep(POLL * 3).await;
        admin.read_again(&back).await.map_err(failed)?;
    };
    let topics: Vec<&Topic> = metadata.topics.values().filter(|t| !t.internal && !t.name.starts_with("__")).collect();
    let names: Vec<String> = topics.iter().map(|t| t.name.clone()).collect();
    let configs = admin.snapshot_configs(&names).await.map_err(failed)?;
    let found = topics.into_iter().filter_map(|t| match configs.get(&t.name) {
        Some(Ok(entries)) => Some(object(base, t, entries, &metadata.cluster.cluster_id)),
        _ => None,
    });
    Ok(found.collect())
}
