//! `kafka_topic`: a topic of a Kafka cluster.
//!
//! The plan ([`plan`]) is pure; [`edge`] reads and probes in batches, [`apply`] carries out what [`ops`] says, [`reassign`] changes the
//! replication factor in place.

mod apply;
mod config;
mod edge;
mod ops;
mod plan;
mod reassign;
mod refusal;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;

use crate::client::kafka::{Admin, KafkaPool};
use crate::diag::codes::kafka as codes;
use crate::diag::{Diagnostic, Diagnostics};
use crate::resource::kafka_common::{cluster_name, connect, is_missing_right, origin};
use crate::resource::{
    Desk, Discovered, Hold, Key, Observed, Op, PlanInput, PlanOutput, Private, ReadRequest, ResourceType, Session, StepRequest, Verb,
    together,
};
use crate::schema::{Attribute, Body, Schema};
use crate::value::{Type, Value};
use crate::words::counted;

pub use plan::MAX_NAME;

/// The resource type `kafka_topic`.
pub struct KafkaTopic;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema {
    version: 0,
    doc: "A topic of a Kafka cluster. Partitions grow and the replication factor changes in place; a topic is never replaced for them. \
          Only the settings in `config` are the topic's own: what is not there follows the cluster, and what somebody else sets is drift. \
          The import id is the topic's name; the block says which cluster.",
    body: Body {
        attributes: vec![
            Attribute::reference("cluster", &["kafka_cluster"], "The cluster that holds the topic."),
            Attribute::required(
                "name",
                Type::String,
                "The topic's name: 1 to 249 letters, digits, `.`, `_` and `-`. Another name is another topic.",
            )
            .force_new(),
            Attribute::optional_computed(
                "partitions",
                Type::Number,
                "How many partitions; the cluster's default when left out. It can grow (keys then move to other partitions) and never shrink.",
            ),
            Attribute::optional_computed(
                "replication_factor",
                Type::Number,
                "How many brokers hold each partition; the cluster's default when left out. A change moves replicas in place.",
            ),
            Attribute::optional(
                "config",
                Type::map(Type::String),
                "The topic's own settings, by Kafka's names (`retention.ms`). Numbers and booleans may be written as such; a value that equals the cluster's default is still explicit.",
            )
            .names_things(),
            Attribute::optional("deletion_protection", Type::Bool, "Whether deleting the topic needs `-allow-data-loss`.").default(true),
            Attribute::optional(
                "reassignment_throttle",
                Type::Number,
                "Bytes per second and broker that a change of the replication factor may use; 0 for no limit. Default: 52428800.",
            )
            .transient(),
            Attribute::computed("topic_id", Type::String, "The id that tells this topic from another of the same name."),
            Attribute::computed("moving", Type::Bool, "Whether a move of replicas that streamform began was not brought to its end."),
        ],
        blocks: vec![],
    },
}
});

#[async_trait]
impl ResourceType for KafkaTopic {
    fn lives_in(&self) -> Option<&'static str> {
        Some("cluster")
    }

    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn validate(&self, config: &Value, diags: &mut Diagnostics) {
        plan::validate(config, diags);
    }

    fn holds(&self, object: &Value, private: &Private) -> Vec<Hold> {
        Some(plan::key(object, private)).filter(Key::is_known).map(Hold::exclusive).into_iter().collect()
    }

    fn is_missing_right(&self, found: &Diagnostic) -> bool {
        is_missing_right(found)
    }

    fn plan(&self, input: PlanInput<'_>) -> PlanOutput {
        plan::plan(input)
    }

    fn plan_delete(&self, prior: &Value, private: &Private) -> Vec<Op> {
        plan::plan_delete(prior, private)
    }

    async fn read(&self, cx: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        edge::read(cx, requests).await
    }

    fn probes_deletes(&self) -> bool {
        true
    }

    async fn probe(&self, cx: &Session, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
        let mut found = edge::probe(cx, requests.clone()).await;
        for (i, d) in collisions(&requests) {
            found[i].push(d);
        }
        found
    }

    async fn apply(&self, cx: &Session, verb: Verb, steps: Vec<StepRequest>, desk: &dyn Desk) {
        together(desk, steps.len(), apply::apply(cx, verb, &steps, desk)).await;
    }

    fn batch_limit(&self) -> usize {
        1000
    }

    async fn import(&self, cx: &Session, id: &str, config: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        let Some(config) = config else {
            let d = Diagnostic::error(codes::TOPIC_MISSING, "A topic can be imported only into a block that says its cluster.");
            return Err(d.hint("Write the kafka_topic block with `cluster` and `name` first."));
        };
        let base = crate::resource::kafka_common::with(config, vec![("config", Value::null(Type::map(Type::String)))]);
        let admin = parent_admin(cx, &config.get("cluster").unwrap_or(Value::null_dynamic()), &cluster_name(config))?;
        edge::import(&admin, &base, id).await
    }

    async fn discover(&self, cx: &Session, parent: &Value) -> Result<Vec<Discovered>, Diagnostic> {
        let admin = parent_admin(cx, parent, &parent.origin().map_or("the cluster".into(), |o| o.to_string()))?;
        let base = Value::object_from([("cluster", parent.clone()), ("reassignment_throttle", Value::null(Type::Number))]);
        let found = edge::discover(&admin, &base).await?;
        Ok(found.into_iter().map(|(attributes, private)| discovered(attributes, private)).collect())
    }

    fn timeout(&self, verb: Verb) -> Duration {
        // A change may move replicas, which takes as long as the data is large.
        Duration::from_secs(if verb == Verb::Update { 3600 } else { 120 })
    }
}

fn discovered(attributes: Value, private: Private) -> Discovered {
    let id = attributes.get_str("name").unwrap_or_default();
    let partitions = attributes.get("partitions").and_then(|v| v.as_i64()).unwrap_or_default();
    Discovered { label: format!("topic {id}, {}", counted(partitions, "partition")), id, attributes, private }
}

/// The client of a cluster that must be there.
fn parent_admin(cx: &Session, cluster: &Value, name: &str) -> Result<std::sync::Arc<Admin>, Diagnostic> {
    let pool = cx.pool::<KafkaPool>();
    let admin = cluster.get("admin").unwrap_or(Value::null_dynamic());
    connect(&pool, &admin)?
        .ok_or_else(|| Diagnostic::error(codes::CONNECTION, format!("{name} does not exist yet.")).hint("Apply the cluster first."))
}

/// Topics of one plan whose names differ only by `.` and `_`: their metrics would be one.
fn collisions(requests: &[StepRequest]) -> Vec<(usize, Diagnostic)> {
    let mut seen = std::collections::HashMap::new();
    let mut out = Vec::new();
    for (i, planned) in requests.iter().enumerate().filter(|(_, r)| r.prior.is_none()).filter_map(|(i, r)| Some((i, r.planned.as_ref()?))) {
        let Some(name) = planned.get_str("name") else { continue };
        if let Some(other) = seen.insert((origin(planned, "cluster"), plan::metric_name(&name)), name.clone()).filter(|o| *o != name) {
            let d = Diagnostic::error(
                codes::TOPIC_COLLISION,
                format!("Topics \"{other}\" and \"{name}\" of one cluster differ only by `.` and `_`: Kafka takes only one of them."),
            );
            out.push((i, crate::resource::attr_error("name", d.hint("Use only `.` or only `_` in the names of a cluster's topics."))));
        }
    }
    out
}
