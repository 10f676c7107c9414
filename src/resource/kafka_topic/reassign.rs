//! Changing a topic's replication factor in place: which brokers get the replicas (pure), and the careful move (edge).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::config::THROTTLE_KEYS;
use super::plan::HIDDEN;
use crate::addr::InstanceAddr;
use crate::client::kafka::{Admin, Broker, ConfigOp, ConfigResource, ConfigSource, KafkaError, Metadata, NewReassignment, Reassignment};
use crate::diag::Diagnostic;
use crate::diag::codes::kafka as codes;
use crate::resource::Progress;
use crate::words::{counted, was};

/// The broker settings that limit a move, in bytes per second.
const RATE_KEYS: [&str; 2] = ["leader.replication.throttled.rate", "follower.replication.throttled.rate"];
/// How often a move is looked at.
const POLL: Duration = Duration::from_millis(300);

/// The replicas of every partition for a new factor, preferred leader first. Replicas that may stay do; new ones go to racks that the
/// partition does not use yet, then to the brokers with the fewest replicas; leaders are spread evenly. `None` with too few brokers.
pub fn assign(brokers: &[Broker], partitions: &[Vec<i32>], factor: usize) -> Option<Vec<Vec<i32>>> {
    if factor == 0 || factor > brokers.len() {
        return None;
    }
    let racks: BTreeMap<i32, Option<&str>> = brokers.iter().map(|b| (b.id, b.rack.as_deref())).collect();
    let mut load: BTreeMap<i32, usize> = brokers.iter().map(|b| (b.id, 0)).collect();
    for id in partitions.iter().flatten() {
        load.entry(*id).and_modify(|n| *n += 1);
    }
    let mut leads: BTreeMap<i32, usize> = BTreeMap::new();
    let mut out = Vec::with_capacity(partitions.len());
    for current in partitions {
        let mut chosen: Vec<i32> = current.iter().copied().filter(|id| racks.contains_key(id)).collect();
        while chosen.len() > factor {
            drop_one(&mut chosen, &racks, &mut load);
        }
        while chosen.len() < factor {
            let next = best_addition(&chosen, &racks, &load)?;
            *load.entry(next).or_default() += 1;
            chosen.push(next);
        }
        lead_evenly(&mut chosen, &mut leads);
        out.push(chosen);
    }
    Some(out)
}

fn shares_rack(id: i32, others: &[i32], racks: &BTreeMap<i32, Option<&str>>) -> bool {
    let rack = racks.get(&id).copied().flatten();
    rack.is_some() && others.iter().any(|o| *o != id && racks.get(o).copied().flatten() == rack)
}

fn drop_one(chosen: &mut Vec<i32>, racks: &BTreeMap<i32, Option<&str>>, load: &mut BTreeMap<i32, usize>) {
    let rank = |i: &usize| (shares_rack(chosen[*i], chosen, racks), load.get(&chosen[*i]).copied().unwrap_or_default(), *i);
    let Some(worst) = (0..chosen.len()).max_by_key(rank) else { return };
    let id = chosen.remove(worst);
    load.entry(id).and_modify(|n| *n = n.saturating_sub(1));
}

fn best_addition(chosen: &[i32], racks: &BTreeMap<i32, Option<&str>>, load: &BTreeMap<i32, usize>) -> Option<i32> {
    load.keys().copied().filter(|id| !chosen.contains(id)).min_by_key(|id| (shares_rack(*id, chosen, racks), load.get(id).copied(), *id))
}

/// Puts the broker first that leads the fewest partitions so far; the present leader wins a tie.
fn lead_evenly(chosen: &mut [i32], leads: &mut BTreeMap<i32, usize>) {
    let Some(best) = (0..chosen.len()).min_by_key(|i| (leads.get(&chosen[*i]).copied().unwrap_or_default(), *i)) else { return };
    chosen[..=best].rotate_right(1);
    *leads.entry(chosen[0]).or_default() += 1;
}

/// One topic whose replicas are to be moved, or whose move is to be brought to its end.
pub struct Move<'a> {
    /// Who asks.
    pub addr: &'a InstanceAddr,
    /// The topic.
    pub topic: String,
    /// The replication factor to reach; `None` to only finish what is going on.
    pub factor: Option<usize>,
    /// Whether the factor is sensitive, so that no message may say it.
    pub hidden: bool,
    /// Bytes per second and broker; 0 for no limit.
    pub throttle: i64,
    /// Whether a move that an earlier run began, and did not see to its end, is taken up.
    pub resumed: bool,
}

/// What became of moves, in their order; the first error of each counts.
struct Outcome(Vec<Option<Diagnostic>>);

impl Outcome {
    fn fail(&mut self, i: usize, d: Diagnostic) {
        if let Some(place @ None) = self.0.get_mut(i) {
            *place = Some(d);
        }
    }

    fn fail_all(&mut self, d: &Diagnostic) {
        (0..self.0.len()).for_each(|i| self.fail(i, d.clone()));
    }
}

/// Moves the replicas of topics and waits for the end; results in the order of the moves, so that one topic that cannot be moved fails alone.
/// A move that goes on already is waited for; the throttle goes whatever happens.
pub async fn run(admin: &Admin, progress: &dyn Progress, moves: &[Move<'_>], deadline: Instant) -> Vec<Result<(), Diagnostic>> {
    let mut out = Outcome(moves.iter().map(|_| None).collect());
    match without_other_moves(admin, moves, deadline).await {
        Ok(metadata) => run_known(admin, progress, moves, deadline, &metadata, &mut out).await,
        Err(e) => out.fail_all(&e.told("reading the topics before moving replicas", admin.connection())),
    }
    out.0.into_iter().map(|e| e.map_or(Ok(()), Err)).collect()
}

/// Cancels the moves of these topics that lead to another factor, and reads the topics as they are then.
///
/// Kafka lets a move take the place of another one. A replica that the old move adds and the new one removes is then both, and the new move
/// never ends.
async fn without_other_moves(admin: &Admin, moves: &[Move<'_>], deadline: Instant) -> Result<Metadata, KafkaError> {
    let factor = |r: &Reassignment| moves.iter().find(|m| m.topic == r.topic)?.factor;
    let leads_elsewhere = |r: &Reassignment| factor(r).is_some_and(|f| f != r.replicas.len() - r.removing.len());
    let old: Vec<Reassignment> = admin.list_reassignments().await?.into_iter().filter(leads_elsewhere).collect();
    let cancel = |r: &Reassignment| NewReassignment { topic: r.topic.clone(), partition: r.partition, replicas: None };
    let mut cancelled = Vec::new();
    if !old.is_empty() {
        let results = admin.alter_reassignments(&old.iter().map(cancel).collect::<Vec<_>>()).await?;
        for (reassignment, result) in old.into_iter().zip(results) {
            match result {
                Ok(()) => cancelled.push(reassignment),
                // It ended in the meantime.
                Err(KafkaError::Reassignment { .. }) => {}
                Err(e) => return Err(e),
            }
        }
    }
    let topics: BTreeSet<&String> = moves.iter().map(|m| &m.topic).chain(cancelled.iter().map(|r| &r.topic)).collect();
    let topics: Vec<String> = topics.into_iter().cloned().collect();
    loop {
        let metadata = admin.metadata_of(&topics).await?;
        // Brokers learn of it a moment later.
        let shown = |r: &Reassignment| {
            let partition = metadata.topics.get(&r.topic).and_then(|t| t.partitions.iter().find(|p| p.id == r.partition));
            partition.is_some_and(|p| p.replicas.len() == r.replicas.len() && r.replicas.iter().all(|id| p.replicas.contains(id)))
        };
        if !cancelled.iter().any(shown) || Instant::now() >= deadline {
            return Ok(metadata);
        }
        sleep(POLL).await;
    }
}

async fn run_known(admin: &Admin, progress: &dyn Progress, moves: &[Move<'_>], deadline: Instant, metadata: &Metadata, out: &mut Outcome) {
    let targets: Vec<Vec<NewReassignment>> = moves
        .iter()
        .enumerate()
        .map(|(i, m)| {
            plan_move(metadata, m).unwrap_or_else(|d| {
                out.fail(i, d);
                vec![]
            })
        })
        .collect();
    // What cannot be moved is not limited either.
    let going: Vec<(usize, &Move<'_>)> = moves.iter().enumerate().filter(|(i, _)| out.0[*i].is_none()).collect();
    let all: Vec<&Move<'_>> = going.iter().map(|(_, m)| *m).collect();
    if all.is_empty() {
        return;
    }
    let rate = all.iter().map(|m| m.throttle).max().unwrap_or_default();
    let limited = match throttle(admin, metadata, &all, rate).await {
        Ok(limited) => limited,
        Err(e) => return out.fail_all(&e.told("limiting the move of replicas", admin.connection())),
    };
    let starts = going.iter().flat_map(|(i, _)| targets[*i].iter().map(|t| (*i, t.clone()))).collect();
    start(admin, starts, out).await;
    wait(admin, progress, &going, deadline, out).await;
    if let Err(e) = release(admin, &all, &limited).await {
        out.fail_all(&e.told("removing the throttle of moved replicas", admin.connection()));
    }
    let done: Vec<(usize, &Move<'_>)> = going.into_iter().filter(|(i, _)| out.0[*i].is_none()).collect();
    if let Err(d) = elect(admin, metadata, &done).await {
        done.iter().for_each(|(i, _)| out.fail(*i, d.clone()));
    }
}

/// Where the replicas of one topic go: its partitions that change.
fn plan_move(metadata: &Metadata, m: &Move<'_>) -> Result<Vec<NewReassignment>, Diagnostic> {
    let (Some(factor), Some(topic)) = (m.factor, metadata.topics.get(&m.topic)) else { return Ok(vec![]) };
    let current: Vec<Vec<i32>> = topic.partitions.iter().map(|p| p.replicas.clone()).collect();
    let Some(target) = assign(&metadata.cluster.brokers, &current, factor) else {
        let d = Diagnostic::error(
            codes::TOPIC_COUNT,
            format!(
                "Topic \"{}\" cannot have {} on {}.",
                m.topic,
                if m.hidden { format!("{HIDDEN} replicas") } else { counted(factor, "replica") },
                counted(metadata.cluster.brokers.len(), "live broker")
            ),
        );
        return Err(d.on(m.addr).hint("Add brokers or lower `replication_factor`."));
    };
    let changed = topic.partitions.iter().zip(target).filter(|(p, t)| p.replicas != *t);
    Ok(changed.map(|(p, t)| NewReassignment { topic: m.topic.clone(), partition: p.id, replicas: Some(t) }).collect())
}

/// Limits the move; returns the brokers whose limit is ours to remove.
async fn throttle(admin: &Admin, metadata: &Metadata, moves: &[&Move<'_>], rate: i64) -> Result<Vec<i32>, KafkaError> {
    let resumed = moves.iter().any(|m| m.resumed);
    if rate <= 0 && !resumed {
        return Ok(vec![]);
    }
    let ours = if resumed && !others_move(admin, moves).await? {
        metadata.cluster.brokers.iter().map(|b| b.id).collect()
    } else {
        unlimited(admin, metadata).await?
    };
    if rate <= 0 {
        release(admin, moves, &ours).await?;
        return Ok(ours);
    }
    let set = |keys: [&str; 2], value: String| keys.map(|k| ConfigOp::Set(k.into(), value.clone())).to_vec();
    let mut changes: Vec<_> = ours.iter().map(|id| (ConfigResource::Broker(*id), set(RATE_KEYS, rate.to_string()))).collect();
    changes.extend(moves.iter().map(|m| (ConfigResource::Topic(m.topic.clone()), set(THROTTLE_KEYS, "*".into()))));
    alter(admin, &changes).await?;
    Ok(ours)
}

/// Whether replicas of other topics are being moved. If so, limits on the brokers may be those of whoever moves them; else what an
/// interrupted run left there is ours.
async fn others_move(admin: &Admin, moves: &[&Move<'_>]) -> Result<bool, KafkaError> {
    Ok(admin.list_reassignments().await?.iter().any(|r| !moves.iter().any(|m| m.topic == r.topic)))
}

/// The brokers without a limit. One that somebody else set is theirs: it holds, and stays.
async fn unlimited(admin: &Admin, metadata: &Metadata) -> Result<Vec<i32>, KafkaError> {
    let brokers: Vec<ConfigResource> = metadata.cluster.brokers.iter().map(|b| ConfigResource::Broker(b.id)).collect();
    let described = admin.describe_configs(&brokers).await?;
    let is_set = |r: &Result<Vec<crate::client::kafka::ConfigEntry>, KafkaError>| {
        r.as_ref().is_ok_and(|e| e.iter().any(|e| RATE_KEYS.contains(&e.name.as_str()) && e.source == ConfigSource::DynamicBroker))
    };
    Ok(metadata.cluster.brokers.iter().zip(&described).filter(|(_, r)| !is_set(r)).map(|(b, _)| b.id).collect())
}

async fn release(admin: &Admin, moves: &[&Move<'_>], brokers: &[i32]) -> Result<(), KafkaError> {
    let delete = |keys: [&str; 2]| keys.map(|k| ConfigOp::Delete(k.into())).to_vec();
    let mut changes: Vec<_> = brokers.iter().map(|id| (ConfigResource::Broker(*id), delete(RATE_KEYS))).collect();
    changes.extend(moves.iter().map(|m| (ConfigResource::Topic(m.topic.clone()), delete(THROTTLE_KEYS))));
    alter(admin, &changes).await
}

/// Removes the brokers' limits for moves that an earlier run began, before their topics are deleted: nothing else leads to these limits
/// then. They stay while replicas of other topics are moved, because they may be those of whoever moves them.
pub async fn abandon(admin: &Admin, topics: &[String]) -> Result<(), KafkaError> {
    if topics.is_empty() || admin.list_reassignments().await?.iter().any(|r| !topics.contains(&r.topic)) {
        return Ok(());
    }
    let brokers: Vec<i32> = admin.describe_cluster().await?.brokers.iter().map(|b| b.id).collect();
    release(admin, &[], &brokers).await
}

async fn alter(admin: &Admin, changes: &[(ConfigResource, Vec<ConfigOp>)]) -> Result<(), KafkaError> {
    admin.incremental_alter_configs(changes, false).await?.into_iter().collect()
}

/// Asks for the moves of partitions, each with the place of its topic.
async fn start(admin: &Admin, starts: Vec<(usize, NewReassignment)>, out: &mut Outcome) {
    if starts.is_empty() {
        return;
    }
    let (places, asked): (Vec<usize>, Vec<NewReassignment>) = starts.into_iter().unzip();
    let results = match admin.alter_reassignments(&asked).await {
        Ok(results) => results,
        Err(e) => places.iter().map(|_| Err(e.clone())).collect(),
    };
    for ((i, asked), result) in places.into_iter().zip(&asked).zip(results) {
        if let Err(e) = result {
            out.fail(i, e.told(format!("moving replicas of topic \"{}\"", asked.topic), admin.connection()));
        }
    }
}

async fn wait(admin: &Admin, progress: &dyn Progress, moves: &[(usize, &Move<'_>)], deadline: Instant, out: &mut Outcome) {
    loop {
        let all = match admin.list_reassignments().await {
            Ok(all) => all,
            Err(e) => return out.fail_all(&e.told("watching the move of replicas", admin.connection())),
        };
        let left = |m: &Move<'_>| all.iter().filter(|r| r.topic == m.topic).count();
        let open: Vec<(usize, &Move<'_>, usize)> = moves.iter().map(|(i, m)| (*i, *m, left(m))).filter(|(_, _, left)| *left > 0).collect();
        if open.is_empty() {
            return;
        }
        for (_, m, partitions) in &open {
            progress.note(m.addr, &format!("moving replicas: {} left", counted(*partitions, "partition")));
        }
        if Instant::now() >= deadline {
            for (i, _, partitions) in open {
                let detail = format!(
                    "{} {} still being moved when the time for this step was over.",
                    counted(partitions, "partition"),
                    was(partitions)
                );
                let hint = "The cluster goes on moving them; apply again to wait for the end, or give the step more time in `timeouts`.";
                out.fail(i, Diagnostic::error(codes::TOPIC_LAGGING, detail).hint(hint));
            }
            return;
        }
        sleep(POLL).await;
    }
}

/// Lets the preferred replicas lead, also those of a move that an earlier run began.
async fn elect(admin: &Admin, metadata: &Metadata, moves: &[(usize, &Move<'_>)]) -> Result<(), Diagnostic> {
    let partitions: Vec<(String, i32)> = moves
        .iter()
        .filter_map(|(_, m)| metadata.topics.get(&m.topic))
        .flat_map(|t| t.partitions.iter().map(|p| (t.name.clone(), p.id)))
        .collect();
    if partitions.is_empty() {
        return Ok(());
    }
    // That a preferred replica cannot lead right now harms nobody: brokers elect it by themselves later.
    admin.elect_leaders(Some(&partitions)).await.map(|_| ()).map_err(|e| e.told("electing preferred leaders", admin.connection()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn brokers(racks: &[Option<&str>]) -> Vec<Broker> {
        racks.iter().zip(1..).map(|(r, id)| Broker { id, host: "h".into(), port: 1, rack: r.map(str::to_string) }).collect()
    }

    #[test]
    fn growing_spreads_racks_load_and_leaders() {
        let four = brokers(&[Some("a"), Some("a"), Some("b"), Some("b")]);
        let target = assign(&four, &[vec![1], vec![1], vec![1], vec![1]], 2).unwrap();
        for replicas in &target {
            assert!(replicas.iter().any(|id| *id <= 2) && replicas.iter().any(|id| *id > 2), "two racks: {replicas:?}");
            assert!(replicas.contains(&1), "what may stay stays: {replicas:?}");
        }
        let leaders: BTreeSet<i32> = target.iter().map(|r| r[0]).collect();
        assert!(leaders.len() > 1, "one broker leads all: {target:?}");
        assert_eq!(target.iter().flatten().filter(|id| **id == 3).count(), 2);
    }

    #[test]
    fn shrinking_keeps_racks_apart() {
        let three = brokers(&[Some("a"), Some("a"), Some("b")]);
        let target = assign(&three, &[vec![1, 2, 3], vec![2, 1, 3]], 2).unwrap();
        assert!(target.iter().all(|r| r.len() == 2 && r.contains(&3)), "{target:?}");
    }

    #[test]
    fn too_few_brokers() {
        assert!(assign(&brokers(&[None]), &[vec![1]], 2).is_none());
    }

    #[test]
    fn same_factor_changes_no_set() {
        let three = brokers(&[None, None, None]);
        let target = assign(&three, &[vec![1, 2], vec![2, 3], vec![3, 1]], 2).unwrap();
        assert_eq!(target, [vec![1, 2], vec![2, 3], vec![3, 1]]);
    }
}
