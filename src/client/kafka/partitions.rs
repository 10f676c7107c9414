//! Where partitions live: reassignments, leader elections, log folders.

use std::collections::{BTreeMap, HashMap};

use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, DescribeLogDirsRequest, ElectLeadersRequest, ListPartitionReassignmentsRequest, TopicName,
};

use super::admin::{REQUEST_TIMEOUT, ids};
use super::raw::Target;
use super::topics::text;
use super::{Admin, KafkaError, LogDir, LogReplica, NewReassignment, Reassignment};

/// Kafka's code for "the preferred replica leads already".
const ELECTION_NOT_NEEDED: i16 = 84;
const ALTER: &str = "ALTER on the cluster";
const DESCRIBE: &str = "DESCRIBE on the cluster";

impl Admin {
    /// Starts or cancels partition moves, results in order.
    pub async fn alter_reassignments(&self, moves: &[NewReassignment]) -> Result<Vec<Result<(), KafkaError>>, KafkaError> {
        let results = self.retry_items(moves, |part: Vec<NewReassignment>| async move { self.reassign(&part).await }).await;
        self.snapshot.forget_metadata();
        results
    }

    async fn reassign(&self, moves: &[NewReassignment]) -> Result<Vec<Result<(), KafkaError>>, KafkaError> {
        let mut topics: BTreeMap<&str, Vec<ReassignablePartition>> = BTreeMap::new();
        for m in moves {
            let replicas = m.replicas.as_ref().map(|r| r.iter().copied().map(BrokerId).collect());
            topics
                .entry(&m.topic)
                .or_default()
                .push(ReassignablePartition::default().with_partition_index(m.partition).with_replicas(replicas));
        }
        let topic = |(name, partitions)| ReassignableTopic::default().with_name(TopicName(text(name))).with_partitions(partitions);
        let request = AlterPartitionReassignmentsRequest::default()
            .with_timeout_ms(REQUEST_TIMEOUT.as_millis() as i32)
            .with_topics(topics.into_iter().map(topic).collect());
        let answer = self.write(&request).await?;
        if let Some(e) = KafkaError::from_response(answer.error_code, answer.error_message.as_deref(), ALTER) {
            return Ok(moves.iter().map(|_| Err(e.clone())).collect());
        }
        let mut found: HashMap<(String, i32), Option<KafkaError>> = HashMap::new();
        for t in &answer.responses {
            found.extend(t.partitions.iter().map(|p| {
                ((t.name.0.to_string(), p.partition_index), KafkaError::from_response(p.error_code, p.error_message.as_deref(), ALTER))
            }));
        }
        let left_out = || Some(KafkaError::InvalidRequest { message: "the broker's answer leaves this item out".into() });
        Ok(moves.iter().map(|m| found.remove(&(m.topic.clone(), m.partition)).unwrap_or_else(left_out).map_or(Ok(()), Err)).collect())
    }

    /// All partition moves that are going on.
    pub async fn list_reassignments(&self) -> Result<Vec<Reassignment>, KafkaError> {
        let request = ListPartitionReassignmentsRequest::default().with_timeout_ms(REQUEST_TIMEOUT.as_millis() as i32).with_topics(None);
        let answer = self.read(Target::Any, &request).await?;
        if let Some(e) = KafkaError::from_response(answer.error_code, answer.error_message.as_deref(), DESCRIBE) {
            return Err(e);
        }
        let moves = answer.topics.iter().flat_map(|t| {
            t.partitions.iter().map(|p| Reassignment {
                topic: t.name.0.to_string(),
                partition: p.partition_index,
                replicas: ids(&p.replicas),
                adding: ids(&p.adding_replicas),
                removing: ids(&p.removing_replicas),
            })
        });
        Ok(moves.collect())
    }

    /// Makes the preferred replicas leaders, of all partitions or of these; results for the partitions that the cluster names. A partition
    /// whose preferred replica leads already is a success.
    pub async fn elect_leaders(
        &self,
        partitions: Option<&[(String, i32)]>,
    ) -> Result<Vec<((String, i32), Result<(), KafkaError>)>, KafkaError> {
        let topics = partitions.map(|all| {
            let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
            all.iter().for_each(|(topic, p)| topics.entry(topic).or_default().push(*p));
            let topic = |(name, partitions)| TopicPartitions::default().with_topic(TopicName(text(name))).with_partitions(partitions);
            topics.into_iter().map(topic).collect()
        });
        let request = ElectLeadersRequest::default().with_topic_partitions(topics).with_timeout_ms(REQUEST_TIMEOUT.as_millis() as i32);
        let answer = self.write(&request).await?;
        self.snapshot.forget_metadata();
        if let Some(e) = KafkaError::from_response(answer.error_code, None, ALTER) {
            return Err(e);
        }
        let results = answer.replica_election_results.iter().flat_map(|t| {
            t.partition_result.iter().map(|p| {
                let code = if p.error_code == ELECTION_NOT_NEEDED { 0 } else { p.error_code };
                let error = KafkaError::from_response(code, p.error_message.as_deref(), ALTER);
                ((t.topic.0.to_string(), p.partition_id), error.map_or(Ok(()), Err))
            })
        });
        Ok(results.collect())
    }

    /// The log folders of brokers (all when empty) with the size of every replica.
    pub async fn describe_log_dirs(&self, brokers: &[i32]) -> Result<Vec<LogDir>, KafkaError> {
        let brokers = match brokers {
            [] => self.describe_cluster().await?.brokers.iter().map(|b| b.id).collect(),
            some => some.to_vec(),
        };
        let mut all = Vec::new();
        for broker in brokers {
            let target = self.locate(broker).await?;
            let answer = self.read(target, &DescribeLogDirsRequest::default().with_topics(None)).await?;
            if let Some(e) = KafkaError::from_response(answer.error_code, None, DESCRIBE) {
                return Err(e);
            }
            all.extend(answer.results.into_iter().map(|r| log_dir(broker, r)));
        }
        Ok(all)
    }
}

fn log_dir(broker: i32, r: DescribeLogDirsResult) -> LogDir {
    let replicas = r.topics.iter().flat_map(|t| {
        t.partitions.iter().map(|p| LogReplica {
            topic: t.name.0.to_string(),
            partition: p.partition_index,
            size: p.partition_size,
            lag: p.offset_lag,
            future: p.is_future_key,
        })
    });
    LogDir {
        broker,
        path: r.log_dir.to_string(),
        error: KafkaError::from_response(r.error_code, None, DESCRIBE),
        total_bytes: Some(r.total_bytes).filter(|n| *n >= 0),
        usable_bytes: Some(r.usable_bytes).filter(|n| *n >= 0),
        replicas: replicas.collect(),
    }
}
