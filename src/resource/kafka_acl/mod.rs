//! `kafka_acl`: what one principal may do, as roles and rules that expand to exact bindings.
//!
//! [`expand`] is pure and says which bindings a block means; here they are planned, read and applied. New bindings are made before old
//! ones go, so that access never drops. A binding may belong to several blocks; the plan decides over all of them who revokes it, and apply
//! carries out exactly the operations of the plan.

mod expand;
mod first;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use crate::client::kafka::{AclBinding, Admin, KafkaError, KafkaPool};
use crate::diag::codes::kafka as codes;
use crate::diag::{Diagnostic, Diagnostics};
use crate::resource::kafka_common::{
    by_cluster, check_cluster_id, cluster_name, cluster_place, connect, is_missing_right, steps_by_cluster, with, without_cluster,
};
use crate::resource::{
    Desk, Discovered, Hold, Key, Observed, Op, OpAction, Place, PlanInput, PlanOutput, Private, Progress, ReadRequest, ResourceType,
    Session, StepRequest, StepResult, Verb, together,
};
use crate::schema::{Attribute, Body, NestedBlock, Nesting, Schema};
use crate::value::{Type, Value};
use crate::words::counted;

/// The resource type `kafka_acl`.
pub struct KafkaAcl;

/// The first pause between looks at a cluster that is catching up; each next one is longer, up to [`MAX_POLL`].
const POLL: Duration = Duration::from_millis(50);
const MAX_POLL: Duration = Duration::from_secs(1);
/// How long the brokers have at least to show that rights were revoked, where no later step waits for it.
const REVOKED: Duration = Duration::from_millis(200);
/// How long brokers may take to show what they acknowledged.
const CONFIRM: Duration = Duration::from_secs(30);

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema {
    version: 0,
    doc: "What one principal may do in a Kafka cluster. Every role and rule expands to exact bindings, which the plan shows one by one:\n\n\
          role \"consumer\": READ, DESCRIBE on `topic`; READ on `group`.\n\
          role \"producer\": WRITE, DESCRIBE, CREATE on `topic`; WRITE, DESCRIBE on `transactional_id`.\n\
          role \"sink\": READ on `topic`; READ on the group `connect-<connector>`, or on `group` where the connector sets \
          `consumer.override.group.id`.\n\
          role \"source\": WRITE on `topic`; WRITE, DESCRIBE on `transactional_id`.\n\
          role \"viewer\": DESCRIBE, DESCRIBE_CONFIGS on `topic` and `cluster`; DESCRIBE on `group`.\n\
          role \"admin\": ALL on `topic`, `group`, `transactional_id`, `cluster`.\n\n\
          READ, WRITE, DELETE and ALTER imply DESCRIBE; a denial wins over every permission. The import id is the principal: it takes \
          over all its bindings, as rules.",
    body: Body {
        attributes: vec![
            Attribute::reference("cluster", &["kafka_cluster"], "The cluster that the bindings are in."),
            Attribute::required(
                "principal",
                Type::String,
                "Who, as `User:name`; with mTLS the name is the certificate's subject (`User:CN=app`), `User:*` is everybody.",
            ),
            Attribute::optional("host", Type::String, "The address that the principal connects from; `*` is any.").default("*"),
            Attribute::optional("permission", Type::String, "`allow` or `deny`.").default("allow"),
            Attribute::computed("bindings", Type::list(Type::String), "The exact bindings."),
        ],
        blocks: vec![
            NestedBlock {
                name: "role",
                nesting: Nesting::List { label: Some("name") },
                min: 0,
                doc: "Grants what a kind of client needs; the label is the role.",
                body: role_body(),
            },
            NestedBlock {
                name: "rule",
                nesting: Nesting::List { label: None },
                min: 0,
                doc: "Grants single operations.",
                body: rule_body(),
            },
        ],
    },
});

fn selectors() -> Vec<Attribute> {
    vec![
        Attribute::optional("topic", Type::String, "A topic's name or prefix; `*` alone is all topics."),
        Attribute::optional("group", Type::String, "A consumer group's name or prefix."),
        Attribute::optional("transactional_id", Type::String, "A transactional id or prefix."),
        Attribute::optional("cluster", Type::Bool, "The cluster itself."),
    ]
}

fn pattern() -> Attribute {
    Attribute::optional("pattern", Type::String, "`literal`, or `prefixed`: every name that begins so.").default("literal")
}

fn role_body() -> Body {
    let mut attributes = selectors();
    attributes.push(Attribute::optional(
        "connector",
        Type::String,
        "A sink connector's name: stands for its group `connect-<name>`, which it has unless it sets `consumer.override.group.id`.",
    ));
    attributes.push(pattern());
    Body { attributes, blocks: vec![] }
}

fn rule_body() -> Body {
    let mut attributes = vec![Attribute::required(
        "operations",
        Type::list(Type::String),
        "Kafka's operations (`READ`, `DESCRIBE_CONFIGS`, `ALL`), in any case.",
    )];
    attributes.extend(selectors());
    attributes.extend([
        Attribute::optional("delegation_token", Type::String, "The owner of delegation tokens."),
        Attribute::optional("user", Type::String, "A user for whom tokens are made or described."),
        pattern(),
        Attribute::optional("permission", Type::String, "`allow` or `deny`, in place of the block's."),
        Attribute::optional("host", Type::String, "An address, in place of the block's."),
    ]);
    Body { attributes, blocks: vec![] }
}

/// What a binding is called among the objects of a cluster.
const BINDING: &str = "bindings";

fn binding_key(place: &Place, binding: &AclBinding) -> Key {
    Key::new(place.clone(), BINDING, &binding.to_string())
}

/// The bindings that an object has: those that its `bindings` list. While these are not known, those of its roles and rules that are.
fn present(object: &Value) -> BTreeSet<AclBinding> {
    match object.get("bindings").as_ref().and_then(|v| v.as_slice()) {
        Some(listed) => listed.iter().filter_map(|v| v.as_str()?.parse().ok()).collect(),
        None => expand::expand(object).bindings,
    }
}

/// The bindings that an object may have: those that it lists, and those that its roles and rules mean.
fn possible(object: &Value) -> BTreeSet<AclBinding> {
    let mut all = present(object);
    all.extend(expand::expand(object).bindings);
    all
}

/// The bindings that operations of these actions name.
fn named(ops: &[Op], actions: &[OpAction]) -> BTreeSet<AclBinding> {
    ops.iter().filter(|o| actions.contains(&o.action)).filter_map(|o| o.target.name().parse().ok()).collect()
}

#[async_trait]
impl ResourceType for KafkaAcl {
    fn lives_in(&self) -> Option<&'static str> {
        Some("cluster")
    }

    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn validate(&self, config: &Value, diags: &mut Diagnostics) {
        let expansion = expand::expand(config);
        diags.append(expansion.diags);
        let empty = |name: &str| config.get(name).is_none_or(|v| v.is_known() && v.as_slice().is_none_or(<[Value]>::is_empty));
        if empty("role") && empty("rule") {
            let d = Diagnostic::error(codes::ACL_INVALID, "The block grants nothing.");
            diags.push(d.hint("Add a block `role \"consumer\" { topic = … }` or `rule { operations = [\"READ\"]  topic = … }`."));
        }
    }

    fn holds(&self, object: &Value, private: &Private) -> Vec<Hold> {
        let place = cluster_place(object, private);
        let keys = present(object).into_iter().map(|b| binding_key(&place, &b));
        keys.filter(Key::is_known).map(Hold::shared).collect()
    }

    fn is_missing_right(&self, found: &Diagnostic) -> bool {
        is_missing_right(found)
    }

    fn plan(&self, input: PlanInput<'_>) -> PlanOutput {
        plan(input)
    }

    fn plan_delete(&self, prior: &Value, private: &Private) -> Vec<Op> {
        let place = cluster_place(prior, private);
        present(prior).iter().map(|b| Op::new(OpAction::Revoke, binding_key(&place, b))).collect()
    }

    async fn read(&self, cx: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        let sorted = by_cluster(cx, requests.iter().map(|r| &r.prior));
        let groups = sorted.groups.iter().map(|g| read_cluster(&g.admin, g.of(&requests)));
        let answers = futures::future::join_all(groups).await;
        sorted.in_order(requests.len(), answers, |_, failed| failed.map_or(Ok(Observed::Absent), Err))
    }

    /// Asks each cluster whether it keeps ACLs at all.
    async fn probe(&self, cx: &Session, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
        let fallback = Value::null_dynamic();
        let objects: Vec<&Value> = requests.iter().map(|r| r.planned.as_ref().unwrap_or(&fallback)).collect();
        let mut out: Vec<Diagnostics> = requests.iter().map(|_| Diagnostics::new()).collect();
        for group in by_cluster(cx, objects.iter().copied()).groups {
            match group.admin.snapshot_acls(&[]).await {
                Ok(live) => {
                    let firsts = first::uncovered(&live, group.items.iter().map(|i| (*i, objects[*i])));
                    if let Some((i, warning)) = first::warned(&group.admin, objects[group.items[0]], firsts).await {
                        out[i].push(warning);
                    }
                }
                Err(e) => {
                    // One sentence is enough for a failure that concerns the cluster.
                    let first = group.items[0];
                    out[first].push(explain(&group.admin, e, "reading the ACLs", objects[first]));
                }
            }
        }
        out
    }

    async fn apply(&self, cx: &Session, verb: Verb, steps: Vec<StepRequest>, desk: &dyn Desk) {
        let sorted = steps_by_cluster(cx, &steps);
        let results = async {
            let of_cluster = sorted.groups.iter().map(|g| {
                let awaited = g.items.iter().map(|i| desk.awaited(*i)).collect();
                apply_cluster(&g.admin, cx.progress.as_ref(), verb, g.of(&steps), awaited)
            });
            let answers = futures::future::join_all(of_cluster).await;
            sorted.in_order(steps.len(), answers, |i, failed| without_cluster(&steps[i], failed))
        };
        together(desk, steps.len(), results).await;
    }

    fn batch_limit(&self) -> usize {
        1000
    }

    async fn import(&self, cx: &Session, id: &str, config: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        let Some(config) = config else {
            let d = Diagnostic::error(codes::ACL_MISSING, "ACLs can be imported only into a block that says their cluster.");
            return Err(d.hint("Write the kafka_acl block with `cluster` and `principal` first."));
        };
        let cluster = config.get("cluster").unwrap_or(Value::null_dynamic());
        let found = principals(cx, &cluster, &cluster_name(config)).await?;
        let missing = || {
            Diagnostic::error(codes::ACL_MISSING, format!("No binding in {} is for \"{id}\".", cluster_name(config)))
                .hint("The import id of a kafka_acl is its principal, as `User:name`.")
        };
        found.1.get(id).map(|bindings| imported(&cluster, id, bindings, &found.0)).ok_or_else(missing)
    }

    async fn discover(&self, cx: &Session, parent: &Value) -> Result<Vec<Discovered>, Diagnostic> {
        let (cluster_id, found) = principals(cx, parent, &parent.origin().map_or("the cluster".into(), |o| o.to_string())).await?;
        let each = found.into_iter().map(|(principal, bindings)| {
            let (attributes, private) = imported(parent, &principal, &bindings, &cluster_id);
            Discovered { label: label(&principal, &bindings), id: principal, attributes, private }
        });
        Ok(each.collect())
    }
}

/// What a principal has, for people: few bindings are named.
fn label(principal: &str, bindings: &BTreeSet<AclBinding>) -> String {
    const NAMED: usize = 3;
    let what = counted(bindings.len(), "ACL binding");
    let mut named: Vec<String> = bindings.iter().take(NAMED).map(|b| b.on()).collect();
    if bindings.len() > NAMED {
        named.push(format!("{} more", bindings.len() - NAMED));
    }
    format!("{what} of {principal}: {}", named.join(", "))
}

/// What together says which bindings an object means.
const MEANING: [&str; 5] = ["principal", "host", "permission", "role", "rule"];

fn plan(input: PlanInput<'_>) -> PlanOutput {
    let expansion = expand::expand(&input.proposed);
    let old = input.prior.map(present).unwrap_or_default();
    let mut ops = vec![];
    let place = cluster_place(&input.proposed, input.private);
    let op = |action, b: &AclBinding| Op::new(action, binding_key(&place, b));
    ops.extend(expansion.bindings.difference(&old).map(|b| op(OpAction::Grant, b)));
    if expansion.unknown {
        ops.push(Op::new(OpAction::Grant, Key::unnamed(place.clone(), BINDING)));
        // Which of the old ones go is known when the new ones are.
        if !old.is_empty() {
            ops.push(Op::new(OpAction::Revoke, Key::unnamed(place.clone(), BINDING)));
        }
    } else {
        ops.extend(old.difference(&expansion.bindings).map(|b| op(OpAction::Revoke, b)));
    }
    let planned = match input.prior {
        Some(prior) if ops.is_empty() => as_recorded(&input.proposed, prior),
        _ => {
            let bindings = if expansion.unknown { Value::unknown(Type::list(Type::String)) } else { expand::as_value(&expansion.bindings) };
            // The texts hold every part of the meaning, so they are as sensitive as any of them.
            let sensitive = MEANING.iter().any(|n| input.proposed.get(n).is_some_and(|v| v.contains_sensitive()));
            with(&input.proposed, vec![("bindings", if sensitive { bindings.sensitive() } else { bindings })])
        }
    };
    let mut diagnostics = expansion.diags;
    diagnostics.extend(expand::lockout(&expansion.bindings));
    PlanOutput { ops, diagnostics, ..PlanOutput::new(planned) }
}

/// The object of a block that means the bindings which are there. It stays as it was recorded: another order, role or spelling with the same
/// meaning is no change.
fn as_recorded(proposed: &Value, prior: &Value) -> Value {
    let kept = |name: &'static str| Some((name, prior.get(name).filter(|v| v.is_wholly_known())?));
    with(proposed, MEANING.into_iter().chain(["bindings"]).filter_map(kept).collect())
}

async fn read_cluster(admin: &Admin, requests: Vec<&ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
    let wanted: Vec<BTreeSet<AclBinding>> = requests.iter().map(|r| wanted(r)).collect();
    let expected: Vec<AclBinding> = wanted.iter().flatten().cloned().collect();
    let live =
        async { Ok::<_, KafkaError>((admin.snapshot_metadata().await?.cluster.cluster_id.clone(), admin.snapshot_acls(&expected).await?)) };
    match live.await {
        Ok((cluster_id, live)) => requests.iter().zip(wanted).map(|(r, w)| observe(r, &w, &live, &cluster_id)).collect(),
        Err(e) => requests.iter().map(|r| Err(explain(admin, e.clone(), "reading the ACLs", &r.prior))).collect(),
    }
}

/// The bindings that a recorded object may have. After an operation in doubt these are also those that it was to have.
fn wanted(request: &ReadRequest) -> BTreeSet<AclBinding> {
    let mut all = possible(&request.prior);
    if let Some(doubt) = &request.doubt {
        all.extend(possible(&doubt.intent));
        all.extend(named(&doubt.ops, &[OpAction::Grant, OpAction::Revoke]));
    }
    all
}

fn observe(
    request: &ReadRequest,
    wanted: &BTreeSet<AclBinding>,
    live: &BTreeSet<AclBinding>,
    cluster_id: &str,
) -> Result<Observed, Diagnostic> {
    check_cluster_id(&request.private, cluster_id)?;
    let there: BTreeSet<AclBinding> = wanted.intersection(live).cloned().collect();
    if there.is_empty() && !wanted.is_empty() {
        return Ok(Observed::Absent);
    }
    Ok(Observed::present(with(&request.prior, vec![("bindings", expand::as_value(&there))]), private(cluster_id)))
}

fn private(cluster_id: &str) -> Private {
    serde_json::json!({"cluster_id": cluster_id})
}

fn explain(admin: &Admin, e: KafkaError, doing: &str, object: &Value) -> Diagnostic {
    if e == KafkaError::SecurityDisabled {
        let d = Diagnostic::error(
            codes::NO_AUTHORIZER,
            format!("{} has no authorizer: it keeps no ACLs, and everybody may do everything.", cluster_name(object)),
        );
        return d.hint("Set `authorizer.class.name` on brokers and controllers, or remove the kafka_acl blocks.");
    }
    e.told(format!("{doing} of {}", cluster_name(object)), admin.connection())
}

/// What one step is to grant and to revoke: exactly what its operations say.
struct Work<'a> {
    step: &'a StepRequest,
    /// The bindings before.
    held: BTreeSet<AclBinding>,
    add: BTreeSet<AclBinding>,
    drop: BTreeSet<AclBinding>,
}

fn work(step: &StepRequest) -> Work<'_> {
    let held = step.prior.as_ref().map(present).unwrap_or_default();
    Work { step, held, add: named(&step.ops, &[OpAction::Grant]), drop: named(&step.ops, &[OpAction::Revoke]) }
}

/// `awaited` says for each step whether a later one depends on it.
async fn apply_cluster(
    admin: &Admin,
    progress: &dyn Progress,
    verb: Verb,
    steps: Vec<&StepRequest>,
    awaited: Vec<bool>,
) -> Vec<StepResult> {
    let doing = if verb == Verb::Delete { "deleting ACLs" } else { "changing ACLs" };
    let object = |s: &StepRequest| s.planned.clone().or_else(|| s.prior.clone()).unwrap_or(Value::null_dynamic());
    let cluster_id = match admin.known_cluster_id().await {
        Ok(id) => id,
        Err(e) => return steps.iter().map(|s| StepResult::unchanged(s, explain(admin, e.clone(), doing, &object(s)))).collect(),
    };
    let work: Vec<Work<'_>> = steps.iter().map(|s| work(s)).collect();
    let add: BTreeSet<AclBinding> = work.iter().flat_map(|w| w.add.iter().cloned()).collect();
    let mut failed = create(admin, &add).await;
    // A block whose new bindings failed keeps its old ones.
    let ready = work.iter().filter(|w| !w.add.iter().any(|b| failed.contains_key(b)));
    let drop: BTreeSet<AclBinding> = ready.flat_map(|w| w.drop.iter().cloned()).collect();
    let asked = Instant::now();
    failed.extend(delete(admin, &drop).await);
    // As long again as the answer took, which is no wait for a few rights and none that counts for many.
    let limit = if awaited.contains(&true) { CONFIRM } else { asked.elapsed().max(REVOKED) };
    let good = |b: &&AclBinding| !failed.contains_key(*b);
    let needed: BTreeSet<&AclBinding> = work.iter().zip(awaited).filter(|(_, awaited)| *awaited).flat_map(|(w, _)| &w.add).collect();
    let revoked: BTreeSet<&AclBinding> = drop.iter().filter(good).collect();
    if !confirm(admin, &needed.into_iter().filter(good).collect(), &revoked, limit).await
        && let Some(w) = work.iter().find(|w| w.drop.iter().any(|b| revoked.contains(b)))
    {
        let rights = counted(revoked.len(), "right");
        progress.note(&w.step.addr, &format!("the cluster has revoked {rights}; not every broker shows that yet"));
    }
    work.iter().map(|w| outcome(w, &failed, &cluster_id, |e| explain(admin, e, doing, &object(w.step)))).collect()
}

fn outcome(
    w: &Work<'_>,
    failed: &BTreeMap<AclBinding, KafkaError>,
    cluster_id: &str,
    explain: impl Fn(KafkaError) -> Diagnostic,
) -> StepResult {
    let error = w.add.iter().chain(&w.drop).find_map(|b| Some((b, failed.get(b)?)));
    let Some((binding, e)) = error else {
        return match &w.step.planned {
            Some(planned) => StepResult::done(with_bindings(planned, &present(planned)), private(cluster_id)),
            None => StepResult::gone(),
        };
    };
    let mut diagnostic = explain(e.clone());
    diagnostic.detail = format!("{} The binding is `{binding}`.", diagnostic.detail);
    if e.is_ambiguous() && w.step.prior.is_none() {
        return StepResult::in_doubt(diagnostic);
    }
    let Some(base) = w.step.prior.as_ref().or(w.step.planned.as_ref()) else { return StepResult::failed(diagnostic, None) };
    // An answer that was lost does not mean that nothing was granted: such a binding is recorded, and the next read tells.
    let granted = w.add.iter().filter(|b| failed.get(*b).is_none_or(KafkaError::is_ambiguous));
    let was_revoked = |b: &AclBinding| w.drop.contains(b) && !failed.contains_key(b) && !w.add.iter().any(|a| failed.contains_key(a));
    let there: BTreeSet<AclBinding> = w.held.iter().filter(|b| !was_revoked(b)).chain(granted).cloned().collect();
    let is_there = w.step.prior.is_some() || !there.is_empty();
    StepResult::failed(diagnostic, is_there.then(|| (with_bindings(base, &there), private(cluster_id))))
}

fn with_bindings(object: &Value, bindings: &BTreeSet<AclBinding>) -> Value {
    with(object, vec![("bindings", expand::as_value(bindings))])
}

async fn create(admin: &Admin, bindings: &BTreeSet<AclBinding>) -> BTreeMap<AclBinding, KafkaError> {
    let list: Vec<AclBinding> = bindings.iter().cloned().collect();
    if list.is_empty() {
        return BTreeMap::new();
    }
    match admin.create_acls(&list).await {
        Ok(results) => list.into_iter().zip(results).filter_map(|(b, r)| Some((b, r.err()?))).collect(),
        Err(e) => list.into_iter().map(|b| (b, e.clone())).collect(),
    }
}

async fn delete(admin: &Admin, bindings: &BTreeSet<AclBinding>) -> BTreeMap<AclBinding, KafkaError> {
    let list: Vec<AclBinding> = bindings.iter().cloned().collect();
    if list.is_empty() {
        return BTreeMap::new();
    }
    match admin.delete_acls(&list).await {
        // An exact filter matches one binding, or none that somebody else deleted before: both are as wanted.
        Ok(results) => list.into_iter().zip(results).filter_map(|(b, r)| Some((b, r.map(too_many).unwrap_or_else(Some)?))).collect(),
        Err(e) => list.into_iter().map(|b| (b, e.clone())).collect(),
    }
}

fn too_many(matched: usize) -> Option<KafkaError> {
    (matched > 1).then(|| KafkaError::InvalidRequest { message: format!("an exact filter matched {matched} bindings") })
}

/// Waits until all brokers show the rights that a later step needs, and none shows a right that was revoked: until then somebody may still use it.
/// False where some still do when the time is over; they follow later, so that this is no failure.
async fn confirm(admin: &Admin, there: &BTreeSet<&AclBinding>, gone: &BTreeSet<&AclBinding>, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    let (mut pause, mut lag) = (POLL, !gone.is_empty());
    while !(there.is_empty() && gone.is_empty()) {
        let found = admin.describe_acls_like(there.iter().chain(gone).copied()).await;
        if let Ok(everywhere) = &found {
            lag = everywhere.iter().any(|live| gone.iter().any(|b| live.contains(*b)));
        }
        match found {
            Ok(everywhere) if !lag && everywhere.iter().all(|live| there.iter().all(|b| live.contains(*b))) => break,
            // Who may not read ACLs, though allowed to write them, cannot wait for them.
            Err(KafkaError::AuthorizationFailed { .. }) => break,
            Err(e) if e.is_lasting() => break,
            _ if Instant::now() + pause >= deadline => return !lag,
            _ => sleep(pause).await,
        }
        pause = (pause * 2).min(MAX_POLL);
    }
    true
}

/// All bindings by principal, with the cluster's id.
async fn principals(cx: &Session, cluster: &Value, name: &str) -> Result<(String, BTreeMap<String, BTreeSet<AclBinding>>), Diagnostic> {
    let pool = cx.pool::<KafkaPool>();
    let admin = connect(&pool, &cluster.get("admin").unwrap_or(Value::null_dynamic()))?
        .ok_or_else(|| Diagnostic::error(codes::CONNECTION, format!("{name} does not exist yet.")).hint("Apply the cluster first."))?;
    let failed = |e: KafkaError| e.told(format!("listing the ACLs of {name}"), admin.connection());
    let cluster_id = admin.snapshot_metadata().await.map_err(failed)?.cluster.cluster_id.clone();
    let mut all: BTreeMap<String, BTreeSet<AclBinding>> = BTreeMap::new();
    let live = match admin.snapshot_acls(&[]).await {
        // Without an authorizer there are no ACLs to list.
        Err(KafkaError::SecurityDisabled) => return Ok((cluster_id, all)),
        other => other.map_err(failed)?,
    };
    for binding in live.iter() {
        all.entry(binding.principal.clone()).or_default().insert(binding.clone());
    }
    Ok((cluster_id, all))
}

fn imported(cluster: &Value, principal: &str, bindings: &BTreeSet<AclBinding>, cluster_id: &str) -> (Value, Private) {
    let elem = |name: &str| match SCHEMA.body.block(name).map(NestedBlock::ty) {
        Some(Type::List(elem)) => (*elem).clone(),
        _ => Type::Dynamic,
    };
    let value = Value::object_from([
        ("cluster", cluster.clone()),
        ("principal", principal.into()),
        ("host", "*".into()),
        ("permission", "allow".into()),
        ("bindings", expand::as_value(bindings)),
        ("role", Value::list(elem("role"), vec![])),
        ("rule", Value::list(elem("rule"), expand::as_rules(bindings))),
    ]);
    (value, private(cluster_id))
}
