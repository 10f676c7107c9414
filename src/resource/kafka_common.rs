//! What the resource types that live in a Kafka cluster share: reaching the cluster of each request, and rebuilding objects.

use std::sync::Arc;

use crate::addr::InstanceAddr;
use crate::client::kafka::{Admin, KafkaConnection, KafkaPool};
use crate::diag::Diagnostic;
use crate::diag::codes::kafka as codes;
use crate::resource::{Place, Private, Session, StepRequest, StepResult};
use crate::value::Value;

/// The object with these attributes set.
pub fn with(object: &Value, attrs: Vec<(&'static str, Value)>) -> Value {
    let mut map = object.as_map().cloned().unwrap_or_default();
    map.extend(attrs.into_iter().map(|(k, v)| (Arc::from(k), v)));
    Value::object_of(map, object.origin().cloned()).mark(object.marks())
}

/// The instance that the reference attribute `name` points to.
pub fn origin(object: &Value, name: &str) -> Option<Arc<InstanceAddr>> {
    object.get(name).and_then(|v| v.origin().cloned())
}

/// The cluster that an object is in: by its id, where that is recorded or known, else by its block.
pub fn cluster_place(object: &Value, private: &Private) -> Place {
    let recorded = private.get("cluster_id").and_then(|v| v.as_str()).filter(|id| !id.is_empty());
    match recorded {
        Some(id) => Place::with_id(id, cluster_name(object)),
        None => Place::of(object, "cluster", "cluster_id"),
    }
}

/// How an object's `cluster` is called in text.
pub fn cluster_name(object: &Value) -> String {
    origin(object, "cluster").map_or_else(|| "the cluster".to_string(), |a| a.to_string())
}

/// Requests of one cluster.
pub struct ClusterGroup {
    /// The cluster's client.
    pub admin: Arc<Admin>,
    /// Indices of the requests that go there, ascending.
    pub items: Vec<usize>,
}

impl ClusterGroup {
    /// The requests of this cluster.
    pub fn of<'a, R>(&self, requests: &'a [R]) -> Vec<&'a R> {
        self.items.iter().filter_map(|i| requests.get(*i)).collect()
    }
}

/// Requests sorted by cluster.
#[derive(Default)]
pub struct ByCluster {
    /// One group per client.
    pub groups: Vec<ClusterGroup>,
    /// Requests whose cluster cannot be used. Those that are neither here nor in a group have a cluster that is not known yet.
    pub failed: Vec<(usize, Diagnostic)>,
}

impl ByCluster {
    /// The results of `count` requests in their order. `answers` has those of each group, in the order of the groups; `other` gives those of
    /// requests whose cluster cannot be used, with the reason, or is not known.
    pub fn in_order<T>(self, count: usize, answers: Vec<Vec<T>>, other: impl Fn(usize, Option<Diagnostic>) -> T) -> Vec<T> {
        let mut out: Vec<Option<T>> = (0..count).map(|_| None).collect();
        for (i, d) in self.failed {
            out[i] = Some(other(i, Some(d)));
        }
        for (group, answers) in self.groups.iter().zip(answers) {
            group.items.iter().zip(answers).for_each(|(i, answer)| out[*i] = Some(answer));
        }
        out.into_iter().enumerate().map(|(i, answer)| answer.unwrap_or_else(|| other(i, None))).collect()
    }
}

/// Sorts steps by the cluster of what they work on.
pub fn steps_by_cluster(cx: &Session, steps: &[StepRequest]) -> ByCluster {
    let fallback = Value::null_dynamic();
    by_cluster(cx, steps.iter().map(|s| s.planned.as_ref().or(s.prior.as_ref()).unwrap_or(&fallback)))
}

/// The result of a step whose cluster cannot be used or is still not known: everything is as it was.
pub fn without_cluster(step: &StepRequest, why: Option<Diagnostic>) -> StepResult {
    let unknown = || Diagnostic::error(codes::CONNECTION, "Its cluster is still not known.").hint("Apply the cluster first.");
    StepResult::unchanged(step, why.unwrap_or_else(unknown))
}

/// Sorts objects by the cluster in their attribute `cluster`.
pub fn by_cluster<'a>(cx: &Session, objects: impl Iterator<Item = &'a Value>) -> ByCluster {
    let pool = cx.pool::<KafkaPool>();
    let mut out = ByCluster::default();
    // Most requests of one run share a cluster object: the last admin value is compared before a connection is made of it.
    let mut last: Option<(Value, Arc<Admin>)> = None;
    for (i, object) in objects.enumerate() {
        let Some(admin) =
            object.get("cluster").and_then(|c| if c.is_known() { c.get("admin").or(Some(Value::null_dynamic())) } else { None })
        else {
            continue;
        };
        let client = match &last {
            Some((value, client)) if *value == admin => Ok(Some(Arc::clone(client))),
            _ => connect(&pool, &admin),
        };
        match client {
            Ok(Some(client)) => {
                add(&mut out.groups, &client, i);
                last = Some((admin, client));
            }
            Ok(None) => {}
            Err(d) => out.failed.push((i, d)),
        }
    }
    out
}

/// The client of one `admin` object; `None` when the cluster does not exist yet.
pub fn connect(pool: &KafkaPool, admin: &Value) -> Result<Option<Arc<Admin>>, Diagnostic> {
    KafkaConnection::from_value(admin)?.map(|c| pool.admin(&c)).transpose()
}

fn add(groups: &mut Vec<ClusterGroup>, admin: &Arc<Admin>, item: usize) {
    match groups.iter_mut().find(|g| Arc::ptr_eq(&g.admin, admin)) {
        Some(group) => group.items.push(item),
        None => groups.push(ClusterGroup { admin: Arc::clone(admin), items: vec![item] }),
    }
}

/// Whether a diagnostic says that streamform lacks a right on the cluster.
pub fn is_missing_right(d: &Diagnostic) -> bool {
    d.code == codes::UNAUTHORIZED
}

/// Refuses to take one cluster's record for an object of another.
pub fn check_cluster_id(recorded: &Private, live: &str) -> Result<(), Diagnostic> {
    match recorded.get("cluster_id").and_then(|v| v.as_str()) {
        Some(id) if id != live => Err(Diagnostic::error(
            codes::CLUSTER_CHANGED,
            format!("The state belongs to the cluster with id {id}, but the cluster that answers has id {live}."),
        )
        .hint("Correct the cluster's addresses; if the cluster was really replaced, remove the records with `streamform state rm`.")),
        _ => Ok(()),
    }
}
