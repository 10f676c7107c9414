//! Topics and configurations: create, delete, grow, describe, alter.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DescribeConfigsRequest,
    IncrementalAlterConfigsRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use tokio::time::sleep;

use super::admin::{REQUEST_TIMEOUT, chunks, topic_id};
use super::raw::Target;
use super::{
    Admin, ConfigEntry, ConfigOp, ConfigResource, ConfigSource, ConfigSynonym, ConfigType, CreatedTopic, KafkaError, Metadata, NewTopic,
    WrittenTopic,
};

/// A controller refuses requests of more than 10,000 records; this leaves room for what a topic costs beside its partitions.
const RECORDS: usize = 8_000;
/// Topics in one request that reads or deletes.
const TOPICS: usize = 1_000;
/// How often, and with which pauses, topics are looked at after an answer got lost.
const READ_BACKS: u32 = 10;
const READ_BACK_PAUSE: Duration = Duration::from_millis(300);

type Results<T> = Result<Vec<Result<T, KafkaError>>, KafkaError>;

pub(super) fn text(s: &str) -> StrBytes {
    StrBytes::from_string(s.to_string())
}

fn broker_ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

pub(super) fn left_out() -> KafkaError {
    KafkaError::InvalidRequest { message: "the broker's answer leaves this item out".into() }
}

impl Admin {
    /// Creates topics (or only asks whether they could be), results in order. A cluster's brokers may take a moment to know a new topic.
    pub async fn create_topics(&self, topics: &[NewTopic], validate_only: bool) -> Results<CreatedTopic> {
        let mut all = Vec::with_capacity(topics.len());
        if !validate_only {
            self.writes.begin_topics(topics.iter().map(|t| t.name.as_str()));
        }
        for chunk in chunks(topics, RECORDS, records) {
            all.extend(self.retry_items(chunk, |part: Vec<NewTopic>| async move { self.create_chunk(&part, validate_only).await }).await?);
        }
        if !validate_only {
            let made = topics.iter().zip(&all).filter_map(|(t, r)| Some((t, r.as_ref().ok()?)));
            self.writes.note_topics(made.map(|(t, made)| (t.name.as_str(), as_created(t, made))));
            self.snapshot.forget_metadata();
            self.snapshot.forget_configs(topics.iter().map(|t| t.name.as_str()));
        }
        Ok(all)
    }

    async fn create_chunk(&self, topics: &[NewTopic], validate_only: bool) -> Results<CreatedTopic> {
        let answer = match self.write(&create_request(topics, validate_only)).await {
            Err(e) if e.is_ambiguous() && !validate_only => return self.created_anyway(topics, &e).await,
            other => other?,
        };
        let mut results = all_created(topics, answer);
        if validate_only {
            return Ok(results);
        }
        for (wanted, result) in topics.iter().zip(&mut results) {
            if let Err(e) = result
                && e.is_ambiguous()
            {
                *result = self.created_anyway(std::slice::from_ref(wanted), e).await?.remove(0);
            }
        }
        Ok(results)
    }

    /// After an answer that got lost: a topic that was not there before and now is there as wanted counts as created. One that is still not there is
    /// asked for once more.
    async fn created_anyway(&self, topics: &[NewTopic], lost: &KafkaError) -> Results<CreatedTopic> {
        let now = match self.read_back(topics.iter().map(|t| &t.name), |m| topics.iter().all(|t| m.topics.contains_key(&t.name))).await {
            Err(e) if e.is_lasting() => return Ok(topics.iter().map(|_| Err(lost.clone())).collect()),
            now => now?,
        };
        let outcome = |wanted: &NewTopic| {
            let topic = now
                .topics
                .get(&wanted.name)
                .filter(|_| self.snapshot.had_topic(&wanted.name) == Some(false))
                .ok_or_else(|| lost.clone())?;
            let (partitions, replication) = (topic.partitions.len() as i32, topic.replication().and_then(|n| i16::try_from(n).ok()));
            let as_wanted = (wanted.partitions < 0 || wanted.partitions == partitions)
                && (wanted.replication < 0 || Some(wanted.replication) == replication);
            let created = CreatedTopic { id: topic.id.clone(), partitions: Some(partitions), replication, keys: vec![] };
            if wanted.assignments.is_some() || as_wanted { Ok(created) } else { Err(lost.clone()) }
        };
        let mut results: Vec<_> = topics.iter().map(outcome).collect();
        let is_missing = |i: &usize| !now.topics.contains_key(&topics[*i].name);
        let (missing, again): (Vec<usize>, Vec<NewTopic>) = (0..topics.len()).filter(is_missing).map(|i| (i, topics[i].clone())).unzip();
        if !again.is_empty()
            && let Ok(answer) = self.write(&create_request(&again, false)).await
        {
            for (i, result) in missing.into_iter().zip(all_created(&again, answer)) {
                // That it exists by now may be the first request's work, or another's.
                if !result.as_ref().is_err_and(|e| e.is_ambiguous() || *e == KafkaError::TopicAlreadyExists) {
                    results[i] = result;
                }
            }
        }
        Ok(results)
    }

    /// The metadata of these topics once `done` holds, or as it is after some seconds.
    async fn read_back(&self, names: impl IntoIterator<Item = &String>, done: impl Fn(&Metadata) -> bool) -> Result<Metadata, KafkaError> {
        let names: Vec<String> = names.into_iter().cloned().collect();
        let mut now = self.metadata_of(&names).await?;
        for _ in 0..READ_BACKS {
            if done(&now) {
                break;
            }
            sleep(READ_BACK_PAUSE).await;
            now = self.metadata_of(&names).await?;
        }
        Ok(now)
    }

    /// Deletes topics by name, results in order. `UnknownTopicOrPart` where there is none. Brokers take a moment to follow.
    pub async fn delete_topics(&self, names: &[String]) -> Results<()> {
        let mut all = Vec::with_capacity(names.len());
        self.writes.begin_topics(names.iter().map(String::as_str));
        for chunk in names.chunks(TOPICS) {
            all.extend(self.retry_items(chunk, |part: Vec<String>| async move { self.delete_chunk(&part).await }).await?);
        }
        let deleted = names.iter().zip(&all).filter(|(_, r)| r.is_ok());
        self.writes.note_topics(deleted.map(|(n, _)| (n.as_str(), WrittenTopic::default())));
        self.snapshot.forget_metadata();
        self.snapshot.forget_configs(names.iter().map(String::as_str));
        Ok(all)
    }

    async fn delete_chunk(&self, names: &[String]) -> Results<()> {
        let topic = |n: &String| TopicName(text(n));
        // Versions up to 5 read the names, later ones the states; each version takes only its own field.
        let request = DeleteTopicsRequest::default()
            .with_topics(names.iter().map(|n| DeleteTopicState::default().with_name(Some(topic(n)))).collect())
            .with_timeout_ms(REQUEST_TIMEOUT.as_millis() as i32);
        let answer = match self.write(&request).await {
            Err(e) if e.is_ambiguous() => {
                let now = e.clone().in_doubt_after(self.read_back(names, |m| !names.iter().any(|n| m.topics.contains_key(n))).await)?;
                return Ok(names.iter().map(|n| if now.topics.contains_key(n) { Err(e.clone()) } else { Ok(()) }).collect());
            }
            other => other?,
        };
        let found: HashMap<String, Option<KafkaError>> = answer
            .responses
            .into_iter()
            .filter_map(|r| {
                let name = r.name?.0.to_string();
                let error = KafkaError::from_response(r.error_code, r.error_message.as_deref(), &format!("DELETE on topic \"{name}\""));
                Some((name, error))
            })
            .collect();
        Ok(names.iter().map(|n| found.get(n).cloned().unwrap_or_else(|| Some(left_out())).map_or(Ok(()), Err)).collect())
    }

    /// Raises the number of partitions to a new total, results in order.
    pub async fn create_partitions(&self, topics: &[(String, i32)], validate_only: bool) -> Results<()> {
        let mut all = Vec::with_capacity(topics.len());
        for chunk in topics.chunks(TOPICS) {
            all.extend(
                self.retry_items(chunk, |part: Vec<(String, i32)>| async move { self.grow_chunk(&part, validate_only).await }).await?,
            );
        }
        if !validate_only {
            let grown = topics.iter().zip(&all).filter(|(_, r)| r.is_ok());
            let written = |n: i32| WrittenTopic { present: true, partitions: Some(n), ..WrittenTopic::default() };
            self.writes.note_topics(grown.map(|((name, n), _)| (name.as_str(), written(*n))));
            self.snapshot.forget_metadata();
        }
        Ok(all)
    }

    async fn grow_chunk(&self, topics: &[(String, i32)], validate_only: bool) -> Results<()> {
        let item = |(name, total): &(String, i32)| {
            CreatePartitionsTopic::default().with_name(TopicName(text(name))).with_count(*total).with_assignments(None)
        };
        let request = CreatePartitionsRequest::default()
            .with_topics(topics.iter().map(item).collect())
            .with_timeout_ms(REQUEST_TIMEOUT.as_millis() as i32)
            .with_validate_only(validate_only);
        let answer = match self.write(&request).await {
            Err(e) if e.is_ambiguous() && !validate_only => {
                let grown =
                    |m: &Metadata, (name, total): &(String, i32)| m.topics.get(name).is_some_and(|t| t.partitions.len() as i32 == *total);
                let now = e
                    .clone()
                    .in_doubt_after(self.read_back(topics.iter().map(|(n, _)| n), |m| topics.iter().all(|t| grown(m, t))).await)?;
                return Ok(topics.iter().map(|t| if grown(&now, t) { Ok(()) } else { Err(e.clone()) }).collect());
            }
            other => other?,
        };
        let error =
            |name: &str, code, message: Option<&str>| KafkaError::from_response(code, message, &format!("ALTER on topic \"{name}\""));
        let found: HashMap<String, Option<KafkaError>> =
            answer.results.iter().map(|r| (r.name.0.to_string(), error(&r.name.0, r.error_code, r.error_message.as_deref()))).collect();
        Ok(topics.iter().map(|(n, _)| found.get(n).cloned().unwrap_or_else(|| Some(left_out())).map_or(Ok(()), Err)).collect())
    }

    /// The configuration of topics, brokers or groups, with synonyms; results in order.
    pub async fn describe_configs(&self, resources: &[ConfigResource]) -> Results<Vec<ConfigEntry>> {
        let mut found = HashMap::new();
        for (target, group) in self.by_target(resources).await? {
            for chunk in group.chunks(TOPICS) {
                found.extend(self.describe_chunk(target, chunk, false).await?);
            }
        }
        Ok(resources.iter().map(|r| found.remove(&config_key(r)).unwrap_or_else(|| Err(left_out()))).collect())
    }

    /// The configuration of one topic or broker with the type and documentation of every key.
    pub async fn describe_config_docs(&self, resource: &ConfigResource) -> Result<Vec<ConfigEntry>, KafkaError> {
        let target = self.target_of(resource).await?;
        let mut found = self.describe_chunk(target, std::slice::from_ref(resource), true).await?;
        found.remove(&config_key(resource)).unwrap_or_else(|| Err(left_out()))
    }

    async fn describe_chunk(&self, target: Target, resources: &[ConfigResource], docs: bool) -> Result<Described, KafkaError> {
        let resource = |r: &ConfigResource| {
            let (kind, name) = config_key(r);
            DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(text(&name)).with_configuration_keys(None)
        };
        let request = DescribeConfigsRequest::default()
            .with_resources(resources.iter().map(resource).collect())
            .with_include_synonyms(true)
            .with_include_documentation(docs);
        let answer = self.read(target, &request).await?;
        Ok(answer.results.into_iter().map(described).collect())
    }

    /// Changes single configuration keys and leaves all others alone; results in order.
    pub async fn incremental_alter_configs(&self, changes: &[(ConfigResource, Vec<ConfigOp>)], validate_only: bool) -> Results<()> {
        let mut all: Vec<Option<Result<(), KafkaError>>> = changes.iter().map(|_| None).collect();
        let topics: Vec<usize> = (0..changes.len()).filter(|i| matches!(changes[*i].0, ConfigResource::Topic(_))).collect();
        let of_topics: Vec<_> = topics.iter().map(|i| changes[*i].clone()).collect();
        let mut results = Vec::with_capacity(topics.len());
        for chunk in chunks(&of_topics, RECORDS, |(_, ops)| ops.len()) {
            results.extend(self.retry_items(chunk, |part: Vec<Change>| async move { self.alter_chunk(&part, validate_only).await }).await?);
        }
        topics.into_iter().zip(results).for_each(|(i, result)| all[i] = Some(result));
        for (slot, change) in all.iter_mut().zip(changes).filter(|(slot, _)| slot.is_none()) {
            let one = self
                .retry_items(std::slice::from_ref(change), |part: Vec<Change>| async move { self.alter_chunk(&part, validate_only).await })
                .await?;
            *slot = one.into_iter().next();
        }
        let all: Vec<_> = all.into_iter().map(|r| r.unwrap_or_else(|| Err(left_out()))).collect();
        if !validate_only {
            let changed = changes.iter().zip(&all).filter(|(_, r)| r.is_ok());
            self.writes.note_topics(changed.filter_map(|((r, ops), _)| Some((topic_of(r)?, as_changed(ops)))));
            self.snapshot.forget_configs(changes.iter().filter_map(|(r, _)| topic_of(r)));
        }
        Ok(all)
    }

    /// One request for many topics, or for one other resource. Set, delete, append and subtract may all be repeated: after a lost answer it
    /// is asked again. The change of one broker goes to that broker, which checks what it can take over while it runs (KIP-226).
    async fn alter_chunk(&self, changes: &[Change], validate_only: bool) -> Results<()> {
        let resource = |(r, ops): &Change| {
            let (kind, name) = config_key(r);
            AlterConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(text(&name))
                .with_configs(ops.iter().map(alterable).collect())
        };
        let request = IncrementalAlterConfigsRequest::default()
            .with_resources(changes.iter().map(resource).collect())
            .with_validate_only(validate_only);
        let answer = match changes {
            [(ConfigResource::Broker(id), _)] => self.write_again_to(self.locate(*id).await?, &request).await?,
            _ => self.write_again(&request).await?,
        };
        let found: HashMap<(i8, &str), &AlterConfigsResourceResponse> =
            answer.responses.iter().map(|a| ((a.resource_type, a.resource_name.as_str()), a)).collect();
        let outcome = |(r, _): &Change| {
            let (kind, name) = config_key(r);
            let found = found.get(&(kind, name.as_str())).ok_or_else(left_out)?;
            let error = KafkaError::from_response(found.error_code, found.error_message.as_deref(), &format!("ALTER_CONFIGS on {r}"));
            error.map_or(Ok(()), Err)
        };
        Ok(changes.iter().map(outcome).collect())
    }

    async fn by_target(&self, resources: &[ConfigResource]) -> Result<HashMap<Target, Vec<ConfigResource>>, KafkaError> {
        let mut groups: HashMap<Target, Vec<ConfigResource>> = HashMap::new();
        for r in resources {
            groups.entry(self.target_of(r).await?).or_default().push(r.clone());
        }
        Ok(groups)
    }

    /// A broker's configuration is known only by itself.
    async fn target_of(&self, resource: &ConfigResource) -> Result<Target, KafkaError> {
        match resource {
            ConfigResource::Broker(id) => self.locate(*id).await,
            _ => Ok(Target::Any),
        }
    }
}

type Change = (ConfigResource, Vec<ConfigOp>);
type Described = HashMap<(i8, String), Result<Vec<ConfigEntry>, KafkaError>>;

fn topic_of(resource: &ConfigResource) -> Option<&str> {
    if let ConfigResource::Topic(name) = resource { Some(name) } else { None }
}

fn as_created(wanted: &NewTopic, made: &CreatedTopic) -> WrittenTopic {
    let wanted = wanted.assignments.as_ref().map_or(Some(wanted.partitions).filter(|n| *n > 0), |a| i32::try_from(a.len()).ok());
    WrittenTopic { present: true, id: made.id.clone(), partitions: made.partitions.or(wanted), ..WrittenTopic::default() }
}

fn as_changed(ops: &[ConfigOp]) -> WrittenTopic {
    let key = |op: &ConfigOp| match op {
        ConfigOp::Set(key, _) | ConfigOp::Delete(key) | ConfigOp::Append(key, _) | ConfigOp::Subtract(key, _) => key.clone(),
    };
    WrittenTopic { present: true, settings: ops.iter().map(key).collect(), ..WrittenTopic::default() }
}

/// The records that a new topic costs the controller.
fn records(t: &NewTopic) -> usize {
    1 + t.config.len() + t.assignments.as_ref().map_or(usize::try_from(t.partitions).unwrap_or(1), Vec::len)
}

fn create_request(topics: &[NewTopic], validate_only: bool) -> CreateTopicsRequest {
    CreateTopicsRequest::default()
        .with_topics(topics.iter().map(creatable).collect())
        .with_timeout_ms(REQUEST_TIMEOUT.as_millis() as i32)
        .with_validate_only(validate_only)
}

/// The results of these topics, in their order.
fn all_created(topics: &[NewTopic], answer: CreateTopicsResponse) -> Vec<Result<CreatedTopic, KafkaError>> {
    let found: HashMap<String, CreatableTopicResult> = answer.topics.into_iter().map(|t| (t.name.0.to_string(), t)).collect();
    topics.iter().map(|t| found.get(&t.name).ok_or_else(left_out).and_then(created)).collect()
}

fn creatable(t: &NewTopic) -> CreatableTopic {
    let assignments = t.assignments.iter().flatten().zip(0..).map(|(brokers, partition)| {
        CreatableReplicaAssignment::default().with_partition_index(partition).with_broker_ids(broker_ids(brokers))
    });
    let configs = t.config.iter().map(|(k, v)| CreatableTopicConfig::default().with_name(text(k)).with_value(Some(text(v))));
    let by_hand = t.assignments.is_some();
    CreatableTopic::default()
        .with_name(TopicName(text(&t.name)))
        .with_num_partitions(if by_hand { -1 } else { t.partitions })
        .with_replication_factor(if by_hand { -1 } else { t.replication })
        .with_assignments(assignments.collect())
        .with_configs(configs.collect())
}

fn created(t: &CreatableTopicResult) -> Result<CreatedTopic, KafkaError> {
    let what = format!("CREATE on topic \"{}\" or on the cluster", t.name.0);
    match KafkaError::from_response(t.error_code, t.error_message.as_deref(), &what) {
        Some(e) => Err(e),
        None => Ok(CreatedTopic {
            id: topic_id(t.topic_id),
            partitions: Some(t.num_partitions).filter(|n| *n > 0),
            replication: Some(t.replication_factor).filter(|n| *n > 0),
            keys: t.configs.iter().flatten().map(|c| c.name.to_string()).collect(),
        }),
    }
}

fn config_key(r: &ConfigResource) -> (i8, String) {
    match r {
        ConfigResource::Topic(name) => (2, name.clone()),
        ConfigResource::Broker(id) => (4, id.to_string()),
        ConfigResource::AllBrokers => (4, String::new()),
        ConfigResource::Group(name) => (32, name.clone()),
    }
}

fn described(r: DescribeConfigsResult) -> ((i8, String), Result<Vec<ConfigEntry>, KafkaError>) {
    let name = r.resource_name.to_string();
    let kind = if r.resource_type == 2 { format!("topic \"{name}\"") } else { "the cluster".to_string() };
    let error = KafkaError::from_response(r.error_code, r.error_message.as_deref(), &format!("DESCRIBE_CONFIGS on {kind}"));
    let entries = error.map_or_else(|| Ok(r.configs.into_iter().map(entry).collect()), Err);
    ((r.resource_type, name), entries)
}

fn entry(e: DescribeConfigsResourceResult) -> ConfigEntry {
    let own = |s: Option<StrBytes>| s.map(|s| s.to_string());
    let synonyms = e.synonyms.into_iter().map(|s| ConfigSynonym {
        name: s.name.to_string(),
        value: own(s.value),
        source: ConfigSource::from_code(s.source),
    });
    ConfigEntry {
        name: e.name.to_string(),
        value: own(e.value),
        source: ConfigSource::from_code(e.config_source),
        sensitive: e.is_sensitive,
        read_only: e.read_only,
        synonyms: synonyms.collect(),
        ty: ConfigType::from_code(e.config_type),
        documentation: own(e.documentation),
    }
}

fn alterable(op: &ConfigOp) -> AlterableConfig {
    let (kind, key, value) = match op {
        ConfigOp::Set(k, v) => (0, k, Some(v)),
        ConfigOp::Delete(k) => (1, k, None),
        ConfigOp::Append(k, v) => (2, k, Some(v)),
        ConfigOp::Subtract(k, v) => (3, k, Some(v)),
    };
    AlterableConfig::default().with_name(text(key)).with_config_operation(kind).with_value(value.map(|v| text(v)))
}

/// The explicit configuration of a topic: what is set on the topic itself.
pub fn explicit(entries: &[ConfigEntry]) -> BTreeMap<&str, Option<&str>> {
    entries.iter().filter(|e| e.source == ConfigSource::DynamicTopic).map(|e| (e.name.as_str(), e.value.as_deref())).collect()
}
