//! Carrying out the operations of topics: one request for each kind of change and cluster.
//!
//! Nothing is asked for but what the operations say. What the controller acknowledges is done: brokers show it a moment later, and only where a
//! later step of the run depends on it, or the acknowledgement leaves something open, the cluster is asked for these topics until it shows them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::config;
use super::edge::{POLL, READ_TRIES, ids, look, name_of, not_deletable, number, object, settings};
use super::ops::{self, Changes};
use super::plan::HIDDEN;
use super::reassign::{self, Move};
use super::refusal::refused;
use crate::client::kafka::{
    Admin, ConfigEntry, ConfigResource, ConfigSource, CreatedTopic, KafkaError, Metadata, NewTopic, Partition, Topic,
};
use crate::diag::Diagnostic;
use crate::diag::codes::{apply as apply_codes, kafka as codes};
use crate::resource::kafka_common::{ClusterGroup, steps_by_cluster, with, without_cluster};
use crate::resource::{Desk, Private, Session, StepRequest, StepResult, Verb};
use crate::value::{Value, ops as value_ops};

/// Bytes per second and broker that a move of replicas may take, where the block says nothing.
const DEFAULT_THROTTLE: i64 = 50 * 1024 * 1024;
/// How long brokers may take to show a change that they acknowledged.
const CONFIRM: Duration = Duration::from_secs(60);

/// A step with its place in the call.
type Placed<'a> = (usize, &'a StepRequest);

/// Carries out steps of one verb, results in the order of the steps.
pub async fn apply(cx: &Session, verb: Verb, steps: &[StepRequest], desk: &dyn Desk) -> Vec<StepResult> {
    let sorted = steps_by_cluster(cx, steps);
    let of_cluster = async |group: &ClusterGroup| {
        let mine: Vec<Placed<'_>> = group.items.iter().map(|i| (*i, &steps[*i])).collect();
        match verb {
            Verb::Create => create_all(&group.admin, &mine, desk).await,
            Verb::Update => Update { admin: &group.admin, cx, desk, deadline: deadline(&mine) }.run(&mine).await,
            Verb::Delete => delete(&group.admin, &mine, desk).await,
        }
    };
    let answers = futures::future::join_all(sorted.groups.iter().map(of_cluster)).await;
    sorted.in_order(steps.len(), answers, |i, failed| without_cluster(&steps[i], failed))
}

fn deadline(steps: &[Placed<'_>]) -> Instant {
    Instant::now() + steps.iter().map(|(_, s)| s.timeout).max().unwrap_or_default()
}

/// Creates topics. Of those that an earlier run began to create, what is there now is its work: it must be as planned.
async fn create_all(admin: &Admin, steps: &[Placed<'_>], desk: &dyn Desk) -> Vec<StepResult> {
    let mut out: Vec<Option<StepResult>> = steps.iter().map(|_| None).collect();
    let begun: Vec<String> = steps.iter().filter(|(_, s)| s.begun).filter_map(|(_, s)| s.planned.as_ref()).map(name_of).collect();
    if !begun.is_empty()
        && let Ok((metadata, configs)) = look(admin, &begun, &BTreeMap::new()).await
    {
        for (result, (_, step)) in out.iter_mut().zip(steps).filter(|(_, (_, s))| s.begun) {
            let Some(planned) = &step.planned else { continue };
            let name = name_of(planned);
            let (Some(topic), Some(Ok(entries))) = (metadata.topics.get(&name), configs.get(&name)) else { continue };
            let (value, private) = object(planned, topic, entries, &metadata.cluster.cluster_id);
            *result = Some(made(planned, value, private));
        }
    }
    let new: Vec<Placed<'_>> = steps.iter().zip(&out).filter(|(_, r)| r.is_none()).map(|(s, _)| *s).collect();
    let mut created = if new.is_empty() { vec![] } else { create(admin, &new, desk).await }.into_iter();
    out.into_iter().filter_map(|r| r.or_else(|| created.next())).collect()
}

async fn create(admin: &Admin, steps: &[Placed<'_>], desk: &dyn Desk) -> Vec<StepResult> {
    let deadline = deadline(steps);
    let topics: Vec<Option<NewTopic>> = steps.iter().map(|(_, s)| ops::new_topic(s)).collect();
    let asked: Vec<(usize, NewTopic)> = steps.iter().zip(&topics).filter_map(|((i, _), t)| Some((*i, t.clone()?))).collect();
    let new: Vec<NewTopic> = asked.iter().map(|(_, t)| t.clone()).collect();
    let results = admin.create_topics(&new, false).await.unwrap_or_else(|e| new.iter().map(|_| Err(e.clone())).collect());
    let cluster_id = admin.known_cluster_id().await;
    let made: Vec<Result<Made, KafkaError>> = asked
        .iter()
        .zip(results)
        .map(|((place, wanted), result)| {
            let acknowledged = result?;
            let whole = cluster_id.as_ref().ok().and_then(|id| Some((as_acknowledged(wanted, &acknowledged)?, id.clone())));
            Ok(whole.filter(|_| !desk.awaited(*place)))
        })
        .collect();
    // What is certainly not there needs no look, nor does what the acknowledgement says all of.
    let is_open = |r: &Result<Made, KafkaError>| match r {
        Ok(made) => made.is_none(),
        Err(e) => !is_refusal(e),
    };
    let open: Vec<String> = asked.iter().zip(&made).filter(|(_, r)| is_open(r)).map(|((_, t), _)| t.name.clone()).collect();
    let wanted: Vec<(&str, usize)> = asked
        .iter()
        .zip(&made)
        .filter(|(_, r)| matches!(r, Ok(None)))
        .map(|((_, t), _)| (t.name.as_str(), t.partitions.max(1) as usize))
        .collect();
    let metadata = until(admin, &open, deadline, |m| wanted.iter().all(|(name, n)| is_ready(m, name, *n))).await;
    let mut made = made.into_iter();
    let each = steps.iter().zip(&topics).map(|((_, step), topic)| match (&step.planned, topic) {
        (Some(planned), Some(topic)) => created(admin, planned, topic, made.next().unwrap_or(Ok(None)), &metadata),
        _ => StepResult::unchanged(
            step,
            Diagnostic::error(apply_codes::INTERNAL, "The step to create a topic has no operation that creates it."),
        ),
    });
    each.collect()
}

/// A new topic that the acknowledgement says all of, and the cluster's id; `None`: the cluster is to show it.
type Made = Option<(Topic, String)>;

/// A topic as the controller acknowledged it, where it says all that matters: who may not describe a topic is not told its counts.
fn as_acknowledged(wanted: &NewTopic, made: &CreatedTopic) -> Option<Topic> {
    let id = made.id.clone().filter(|_| wanted.assignments.is_none())?;
    Some(shaped(&wanted.name, Some(id), i64::from(made.partitions?), i64::from(made.replication?)))
}

/// A topic of this shape. Where its replicas are is not known, and not asked for.
fn shaped(name: &str, id: Option<String>, partitions: i64, replicas: i64) -> Topic {
    let somewhere = vec![0; usize::try_from(replicas).unwrap_or_default()];
    let partition = |id| Partition { id, leader: None, replicas: somewhere.clone(), isr: vec![], offline: vec![] };
    let count = i32::try_from(partitions).unwrap_or_default();
    Topic { name: name.to_string(), id, internal: false, partitions: (0..count).map(partition).collect() }
}

fn is_ready(metadata: &Metadata, name: &str, partitions: usize) -> bool {
    metadata.topics.get(name).is_some_and(|t| t.partitions.len() >= partitions && t.partitions.iter().all(|p| p.leader.is_some()))
}

fn created(
    admin: &Admin,
    planned: &Value,
    wanted: &NewTopic,
    result: Result<Made, KafkaError>,
    metadata: &Result<Metadata, KafkaError>,
) -> StepResult {
    let live = metadata.as_ref().ok().and_then(|m| Some((m.topics.get(&wanted.name)?, m.cluster.cluster_id.as_str())));
    let as_object = || live.map(|(topic, id)| object_as_written(planned, topic, id));
    match result {
        Ok(Some((topic, cluster_id))) => {
            let (value, private) = object_as_written(planned, &topic, &cluster_id);
            made(planned, value, private)
        }
        Ok(None) => match as_object() {
            Some((value, private)) => made(planned, value, private),
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

/// A topic that a create made. One that is not as planned stays in doubt, so that the next plan reads and changes it.
fn made(planned: &Value, value: Value, private: Private) -> StepResult {
    match differs(planned, &value) {
        None => StepResult::done(value, private),
        Some(d) => StepResult::in_doubt(d),
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
    let (value, private) = object(planned, topic, &[], cluster_id);
    (with(&value, vec![("config", planned.get("config").unwrap_or(Value::null_dynamic()))]), private)
}

/// What the cluster shows that is not as planned: the first attribute, with both values.
pub fn differs(planned: &Value, found: &Value) -> Option<Diagnostic> {
    let of = |v: &Value, name: &str| v.get(name).filter(Value::is_known);
    let mut pairs: Vec<(String, Option<String>, Option<String>)> = Vec::new();
    for name in ["partitions", "replication_factor", "topic_id", "moving"] {
        let Some(wanted) = of(planned, name) else { continue };
        let found = of(found, name);
        // That a value is sensitive makes it no other one, and hides what was found in its place.
        if found.as_ref().is_none_or(|f| value_ops::unmark_deep(&wanted) != value_ops::unmark_deep(f)) {
            let hidden = wanted.contains_sensitive();
            let shown = |v: Value| if hidden { HIDDEN.to_string() } else { v.to_string() };
            pairs.push((name.to_string(), Some(shown(wanted)), found.map(shown)));
        }
    }
    if planned.get("config").is_none_or(|c| c.is_known()) {
        let secret = planned.get("config").is_some_and(|c| c.contains_sensitive());
        let shown = |v: Option<&String>| v.map(|v| if secret { HIDDEN.to_string() } else { format!("{v:?}") });
        let (wanted, found) = (settings(planned), settings(found));
        for key in wanted.keys().chain(found.keys()) {
            let (a, b) = (wanted.get(key), found.get(key));
            let is_same = a.zip(b).is_some_and(|(a, b)| config::same(key, &config::Types::new(), a, b));
            if !is_same {
                pairs.push((super::plan::config_path(key), shown(a), shown(b)));
            }
        }
    }
    let (path, wanted, found) = pairs.into_iter().next()?;
    let or_none = |v: Option<String>| v.unwrap_or_else(|| "no value".into());
    let detail =
        format!("Topic \"{}\" was planned with {path} = {}, and the cluster shows {}.", name_of(planned), or_none(wanted), or_none(found));
    let d = Diagnostic::error(codes::TOPIC_DIFFERS, detail);
    Some(d.hint("Somebody else may be changing this topic. Run plan again: it starts from what is there now."))
}

fn not_seen(name: &str) -> Diagnostic {
    let d = Diagnostic::error(codes::TOPIC_LAGGING, format!("Topic \"{name}\" was created, but the brokers do not show it in time."));
    d.hint("Look at the brokers; apply again once they answer, and import the topic if it is there.")
}

/// The brokers have acknowledged a change and were not there when they were to show it.
fn not_looked_at(e: &KafkaError) -> Diagnostic {
    e.clone().into_diagnostic("reading back what was acknowledged")
}

/// Reads the metadata of topics until `done`, or until the deadline: the last metadata either way.
async fn until(admin: &Admin, names: &[String], deadline: Instant, done: impl Fn(&Metadata) -> bool) -> Result<Metadata, KafkaError> {
    loop {
        let metadata = admin.metadata_of(names).await;
        let gone = metadata.as_ref().is_err_and(KafkaError::is_lasting);
        if metadata.as_ref().is_ok_and(&done) || gone || Instant::now() >= deadline {
            return metadata;
        }
        sleep(POLL).await;
    }
}

/// Why steps are not begun, in their order: under the name of the planned topic there is another one. One request for all of them.
async fn strangers(admin: &Admin, steps: &[Placed<'_>]) -> Vec<Option<Diagnostic>> {
    let planned = |(_, step): &Placed<'_>| {
        let prior = step.prior.as_ref()?;
        Some((name_of(prior), prior.get_str("topic_id").filter(|id| !id.is_empty())?))
    };
    let planned: Vec<Option<(String, String)>> = steps.iter().map(planned).collect();
    let names: Vec<String> = planned.iter().flatten().map(|(name, _)| name.clone()).collect();
    let mut tries = 1;
    while !names.is_empty() {
        let metadata = match admin.metadata_of(&names).await {
            Ok(metadata) => metadata,
            Err(e) => {
                let d = e.told("looking at the topics before they are changed", admin.connection());
                return steps.iter().map(|_| Some(d.clone())).collect();
            }
        };
        let stranger = |(name, id): &(String, String)| {
            let found = metadata.topics.get(name)?.id.as_deref().filter(|found| found != id)?;
            Some(another(name, id, found))
        };
        let found: Vec<Option<Diagnostic>> = planned.iter().map(|p| p.as_ref().and_then(stranger)).collect();
        // A broker that lags behind may show for a moment the topic that was there before the planned one.
        if tries == READ_TRIES || found.iter().all(Option::is_none) {
            return found;
        }
        tries += 1;
        sleep(POLL * 3).await;
    }
    steps.iter().map(|_| None).collect()
}

fn another(name: &str, planned: &str, found: &str) -> Diagnostic {
    let detail = format!(
        "Topic \"{name}\" is not the one that was planned: its id was {planned} and is {found}. Somebody deleted it and made it again. \
         Nothing was done to it."
    );
    Diagnostic::error(codes::TOPIC_RECREATED, detail).hint("Run plan again: it starts from the topic that is there now.")
}

/// What the updates of one cluster work with.
struct Update<'a> {
    admin: &'a Admin,
    cx: &'a Session,
    desk: &'a dyn Desk,
    deadline: Instant,
}

/// One update.
struct Job<'a> {
    /// The step's place in the call.
    place: usize,
    step: &'a StepRequest,
    planned: &'a Value,
    changes: Changes,
}

impl Job<'_> {
    /// The topic after the acknowledged changes. `None` where the cluster must show it: replicas that moved, and a move that may not have ended.
    fn as_acknowledged(&self) -> Option<Topic> {
        let prior = self.step.prior.as_ref()?;
        let moves = self.changes.replicas.is_some() || self.changes.finish || prior.get("moving").and_then(|v| v.as_bool()) == Some(true);
        let count = |name: &str| number(self.planned, name).or_else(|| number(prior, name));
        let id = prior.get_str("topic_id").filter(|id| !id.is_empty());
        let (partitions, replicas) = (count("partitions")?, count("replication_factor")?);
        (!moves).then(|| shaped(&name_of(self.planned), id, partitions, replicas))
    }
}

/// Why jobs failed, by their place in the list; the first reason counts.
type Errors = HashMap<usize, Diagnostic>;

impl Update<'_> {
    async fn run(&self, steps: &[Placed<'_>]) -> Vec<StepResult> {
        let strangers = strangers(self.admin, steps).await;
        let jobs: Vec<Job<'_>> = steps
            .iter()
            .zip(&strangers)
            .filter(|(_, stranger)| stranger.is_none())
            .map(|(step, _)| step)
            .filter_map(|(place, step)| Some(Job { place: *place, step, planned: step.planned.as_ref()?, changes: ops::changes(step) }))
            .collect();
        let mut errors = Errors::new();
        self.configs(&jobs, &mut errors).await;
        self.partitions(&jobs, &mut errors).await;
        self.replicas(&jobs, &mut errors).await;
        let cluster_id = self.admin.known_cluster_id().await;
        let written = |i: usize, job: &Job<'_>| {
            let is_enough = !errors.contains_key(&i) && !self.desk.awaited(job.place);
            Some((job.as_acknowledged().filter(|_| is_enough)?, cluster_id.as_ref().ok()?.clone()))
        };
        let written: Vec<Option<(Topic, String)>> = jobs.iter().enumerate().map(|(i, job)| written(i, job)).collect();
        let open: Vec<(usize, &Job<'_>)> = jobs.iter().enumerate().filter(|(i, _)| written[*i].is_none()).collect();
        let (metadata, configs) = self.confirm(&open, &errors).await;
        let each = jobs.iter().zip(written).enumerate().map(|(i, (job, written))| match written {
            Some((topic, cluster_id)) => {
                let (value, private) = object_as_written(job.planned, &topic, &cluster_id);
                StepResult::done(value, private)
            }
            None => result(job, errors.remove(&i), &metadata, &configs),
        });
        let results: Vec<StepResult> = each.collect();
        in_order(steps, strangers, results)
    }

    async fn configs(&self, jobs: &[Job<'_>], errors: &mut Errors) {
        let changed: Vec<usize> = (0..jobs.len()).filter(|i| !jobs[*i].changes.config.is_empty()).collect();
        if changed.is_empty() {
            return;
        }
        let request: Vec<_> =
            changed.iter().map(|i| (ConfigResource::Topic(name_of(jobs[*i].planned)), jobs[*i].changes.config.clone())).collect();
        let results = self.admin.incremental_alter_configs(&request, false).await;
        self.note(&changed, results, jobs, "changing", errors);
    }

    /// Adds partitions. Each growth is written as begun before it is asked for, and as ended once the answer is certain.
    async fn partitions(&self, jobs: &[Job<'_>], errors: &mut Errors) {
        let grown: Vec<(usize, usize)> = jobs.iter().enumerate().filter_map(|(i, j)| Some((i, j.changes.partitions?.0))).collect();
        let grown = self.begin(jobs, grown, errors).await;
        if grown.is_empty() {
            return;
        }
        let count = |i: &usize| jobs[*i].changes.partitions.map_or(-1, |(_, n)| n);
        let request: Vec<_> = grown.iter().map(|(i, _)| (name_of(jobs[*i].planned), count(i))).collect();
        let results = self.admin.create_partitions(&request, false).await;
        let is_certain = |n: usize| match &results {
            Ok(each) => each.get(n).is_some_and(|r| r.as_ref().err().is_none_or(|e| !e.is_ambiguous())),
            Err(e) => !e.is_ambiguous(),
        };
        let ended: Vec<(usize, usize)> = grown.iter().enumerate().filter(|(n, _)| is_certain(*n)).map(|(_, g)| *g).collect();
        self.end(jobs, &ended).await;
        let items: Vec<usize> = grown.iter().map(|(i, _)| *i).collect();
        self.note(&items, results, jobs, "adding partitions to", errors);
    }

    /// Moves replicas and waits for the end; a topic that cannot be moved fails alone.
    async fn replicas(&self, jobs: &[Job<'_>], errors: &mut Errors) {
        let once: Vec<(usize, usize)> = jobs.iter().enumerate().filter_map(|(i, j)| Some((i, j.changes.replicas?.0))).collect();
        let once = self.begin(jobs, once.into_iter().filter(|(i, _)| !errors.contains_key(i)).collect(), errors).await;
        let is_due = |(i, j): &(usize, &Job<'_>)| !errors.contains_key(i) && (j.changes.replicas.is_some() || j.changes.finish);
        let due: Vec<(usize, &Job<'_>)> = jobs.iter().enumerate().filter(is_due).collect();
        if due.is_empty() {
            return;
        }
        let moves: Vec<Move<'_>> = due
            .iter()
            .map(|(_, j)| Move {
                addr: &j.step.addr,
                topic: name_of(j.planned),
                factor: j.changes.replicas.map(|(_, n)| n),
                hidden: j.planned.get("replication_factor").is_some_and(|v| v.contains_sensitive()),
                throttle: number(j.planned, "reassignment_throttle").unwrap_or(DEFAULT_THROTTLE),
                resumed: j.changes.finish,
            })
            .collect();
        let results = reassign::run(self.admin, self.cx.progress.as_ref(), &moves, self.deadline).await;
        let mut ended = Vec::new();
        for ((i, _), result) in due.iter().zip(results) {
            match result {
                Ok(()) => ended.extend(once.iter().filter(|(job, _)| job == i)),
                Err(d) => drop(errors.insert(*i, d)),
            }
        }
        self.end(jobs, &ended).await;
    }

    /// Writes that operations begin which cannot be repeated. Those for which that fails are not begun.
    async fn begin(&self, jobs: &[Job<'_>], ops: Vec<(usize, usize)>, errors: &mut Errors) -> Vec<(usize, usize)> {
        let begun = futures::future::join_all(ops.iter().map(|(i, op)| self.desk.begin_op(jobs[*i].place, *op))).await;
        let mut out = Vec::new();
        for ((i, op), begun) in ops.into_iter().zip(begun) {
            if begun {
                out.push((i, op));
            } else {
                let d = Diagnostic::error(apply_codes::INTERRUPTED, "The operation was not begun, because the state cannot be written.");
                errors.entry(i).or_insert(d);
            }
        }
        out
    }

    async fn end(&self, jobs: &[Job<'_>], ops: &[(usize, usize)]) {
        futures::future::join_all(ops.iter().map(|(i, op)| self.desk.end_op(jobs[*i].place, *op))).await;
    }

    fn note(
        &self,
        items: &[usize],
        results: Result<Vec<Result<(), KafkaError>>, KafkaError>,
        jobs: &[Job<'_>],
        doing: &str,
        errors: &mut Errors,
    ) {
        let results = results.unwrap_or_else(|e| items.iter().map(|_| Err(e.clone())).collect());
        for (i, result) in items.iter().zip(results) {
            if let Err(e) = result {
                errors.entry(*i).or_insert_with(|| refused(self.admin, e, jobs[*i].planned, &[], doing));
            }
        }
    }

    /// Waits until the brokers show what they acknowledged of these jobs.
    async fn confirm(
        &self,
        jobs: &[(usize, &Job<'_>)],
        errors: &Errors,
    ) -> (Result<Metadata, KafkaError>, BTreeMap<String, Vec<ConfigEntry>>) {
        let names: Vec<String> = jobs.iter().map(|(_, j)| name_of(j.planned)).collect();
        let good: Vec<&Job<'_>> = jobs.iter().filter(|(i, _)| !errors.contains_key(i)).map(|(_, j)| *j).collect();
        let is_as = |p: &Value, t: &Topic| {
            let replicas =
                number(p, "replication_factor").is_none_or(|n| t.partitions.iter().map(|x| x.replicas.len() as i64).max() == Some(n));
            replicas && number(p, "partitions").is_none_or(|n| t.partitions.len() as i64 >= n)
        };
        let is_done = |m: &Metadata| good.iter().all(|j| m.topics.get(&name_of(j.planned)).is_some_and(|t| is_as(j.planned, t)));
        let deadline = self.deadline.min(Instant::now() + CONFIRM);
        let metadata = until(self.admin, &names, deadline, is_done).await;
        let touched: Vec<&Job<'_>> = jobs.iter().map(|(_, j)| *j).filter(|j| j.changes.touch_settings()).collect();
        let resources: Vec<ConfigResource> = touched.iter().map(|j| ConfigResource::Topic(name_of(j.planned))).collect();
        let mut configs = BTreeMap::new();
        while !resources.is_empty() {
            let described = match self.admin.describe_configs(&resources).await {
                Err(e) if e.is_lasting() => break,
                described => described.unwrap_or_default(),
            };
            configs = touched.iter().zip(described).filter_map(|(j, r)| Some((name_of(j.planned), r.ok()?))).collect();
            let as_planned = |j: &&Job<'_>| configs.get(&name_of(j.planned)).is_some_and(|e| shows(e, j.planned));
            if good.iter().copied().filter(|j| j.changes.touch_settings()).all(|j| as_planned(&j)) || Instant::now() >= deadline {
                break;
            }
            sleep(POLL).await;
        }
        (metadata, configs)
    }
}

/// What one update came to.
fn result(
    job: &Job<'_>,
    error: Option<Diagnostic>,
    metadata: &Result<Metadata, KafkaError>,
    configs: &BTreeMap<String, Vec<ConfigEntry>>,
) -> StepResult {
    let name = name_of(job.planned);
    let live = metadata.as_ref().ok().and_then(|m| Some((m.topics.get(&name)?, m.cluster.cluster_id.as_str())));
    let Some((topic, id)) = live else {
        let missing = || metadata.as_ref().err().map_or_else(|| not_seen(&name), not_looked_at);
        return StepResult::unchanged(job.step, error.unwrap_or_else(missing));
    };
    let value = match configs.get(&name) {
        Some(entries) => object(job.planned, topic, entries, id).0,
        None if error.is_none() => object_as_written(job.planned, topic, id).0,
        // Which settings hold is known to the next read.
        None => {
            let before = job.step.prior.as_ref().and_then(|p| p.get("config")).unwrap_or(Value::null_dynamic());
            with(&object(job.planned, topic, &[], id).0, vec![("config", before)])
        }
    };
    match error.or_else(|| differs(job.planned, &value)) {
        None => StepResult::done(value, ids(id, topic)),
        // What failed has accepted nothing: a topic that was created again outside stays one.
        Some(d) => {
            let mut private = ids(id, topic);
            if let Some(accepted) = job.step.private.get("topic_id").filter(|t| !t.is_null()) {
                private["topic_id"] = accepted.clone();
            }
            StepResult::failed(d, Some((value, private)))
        }
    }
}

/// Whether the topic's own settings are those of the object, and no throttle of ours is left.
fn shows(entries: &[ConfigEntry], planned: &Value) -> bool {
    let wanted = settings(planned);
    let own: BTreeMap<&str, &str> = entries
        .iter()
        .filter(|e| e.source == ConfigSource::DynamicTopic && !config::is_throttle(&e.name))
        .filter_map(|e| Some((e.name.as_str(), e.value.as_deref()?)))
        .collect();
    let types = config::types(entries);
    let throttled = entries.iter().any(|e| config::is_throttle(&e.name) && e.value.as_deref() == Some("*"));
    !throttled
        && own.len() == wanted.len()
        && wanted.iter().all(|(k, v)| own.get(k.as_str()).is_some_and(|o| config::same(k, &types, o, v)))
}

/// The results of all steps, in their order: of those that were carried out, and of those that met a stranger.
fn in_order(steps: &[Placed<'_>], strangers: Vec<Option<Diagnostic>>, carried_out: Vec<StepResult>) -> Vec<StepResult> {
    let mut carried_out = carried_out.into_iter();
    let each = steps.iter().zip(strangers).filter_map(|((_, step), stranger)| match stranger {
        Some(d) => Some(StepResult::unchanged(step, d)),
        None => carried_out.next(),
    });
    each.collect()
}

async fn delete(admin: &Admin, steps: &[Placed<'_>], desk: &dyn Desk) -> Vec<StepResult> {
    let strangers = strangers(admin, steps).await;
    let own: Vec<Placed<'_>> = steps.iter().zip(&strangers).filter(|(_, s)| s.is_none()).map(|(step, _)| *step).collect();
    let results = if own.is_empty() { vec![] } else { delete_own(admin, &own, desk).await };
    in_order(steps, strangers, results)
}

async fn delete_own(admin: &Admin, steps: &[Placed<'_>], desk: &dyn Desk) -> Vec<StepResult> {
    let deadline = deadline(steps);
    let names: Vec<Option<&str>> = steps.iter().map(|(_, s)| ops::deleted(&s.ops)).collect();
    let asked: Vec<String> = names.iter().flatten().map(ToString::to_string).collect();
    let moving = |o: &&Value| o.get("moving").and_then(|v| v.as_bool()) == Some(true);
    let moved: Vec<String> = steps.iter().filter_map(|(_, s)| s.prior.as_ref()).filter(moving).map(name_of).collect();
    if let Err(e) = reassign::abandon(admin, &moved).await {
        let doing = "removing the throttle of topics that are to be deleted";
        return steps.iter().map(|(_, s)| StepResult::unchanged(s, e.clone().told(doing, admin.connection()))).collect();
    }
    let results = match admin.delete_topics(&asked).await {
        Ok(results) => results,
        Err(e) => asked.iter().map(|_| Err(e.clone())).collect(),
    };
    let awaited = steps.iter().zip(&names).filter(|(_, name)| name.is_some()).map(|((place, _), _)| desk.awaited(*place));
    let going: Vec<String> =
        asked.iter().zip(&results).zip(awaited).filter(|((_, r), awaited)| r.is_ok() && *awaited).map(|((n, _), _)| n.clone()).collect();
    let metadata = until(admin, &going, deadline, |m| going.iter().all(|n| !m.topics.contains_key(n))).await;
    let still_there = |name: &str| metadata.as_ref().is_ok_and(|m| m.topics.contains_key(name));
    let result = |step: &StepRequest, name: &str, result: Result<(), KafkaError>| match result {
        Ok(()) if still_there(name) => {
            let d = Diagnostic::error(codes::TOPIC_LAGGING, format!("Topic \"{name}\" was deleted and is still there."));
            StepResult::unchanged(
                step,
                d.hint("A client with `auto.create.topics.enable` may have created it again; stop it and apply again."),
            )
        }
        Ok(()) | Err(KafkaError::UnknownTopicOrPart) => StepResult::gone(),
        Err(KafkaError::TopicDeletionDisabled) => StepResult::unchanged(step, not_deletable()),
        Err(e) => StepResult::unchanged(step, e.told(format!("deleting topic \"{name}\""), admin.connection())),
    };
    let mut results = results.into_iter();
    let each = steps.iter().zip(&names).map(|((_, step), name)| match name {
        Some(name) => result(step, name, results.next().unwrap_or(Ok(()))),
        // Nothing was to be deleted.
        None => StepResult::gone(),
    });
    each.collect()
}
