//! What is done to a Connect cluster, as operations: its workers here, its topics and rights on Kafka.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::local_common::differs;
use super::super::{Key, Op, OpAction, Place, StepRequest};
use super::{common_name, engine_of};
use crate::addr::{InstanceAddr, Mode};
use crate::client::connect::names_folder;
use crate::client::kafka::{AclBinding, KafkaConnection};
use crate::engine::spec::{Names, Released};
use crate::value::{Fields, Type, Value};

/// What a binding is called among the objects of a cluster.
pub(in crate::resource) const BINDING: &str = "bindings";
/// The Connect cluster among those of its place.
pub(super) fn connect_key(object: &Value) -> Option<Key> {
    Some(Key::new(Place::here(), engine_of(object).ok()?.kind(), &object.get_str("name")?))
}

/// The Kafka cluster that its topics and rights are on: by the id that is recorded, else by what `cluster` refers to.
pub(super) fn kafka_place(object: &Value) -> Place {
    let recorded =
        object.get("cluster_id").filter(Value::is_known).and_then(|v| v.as_str().map(str::to_string)).filter(|id| !id.is_empty());
    let shown = object.get("cluster").and_then(|c| c.origin().map(ToString::to_string));
    match recorded {
        Some(id) => Place::with_id(&id, shown.unwrap_or_else(|| id.clone())),
        None => Place::of(object, "cluster", "cluster_id"),
    }
}

/// The version of each mounted secret by the mount's path; `None` in place of one that is known after apply.
pub(super) fn versions(value: &Value) -> Value {
    let mounts = value.get("mount");
    let one = |(_, mount): (&Arc<str>, &Value)| {
        let path = mount.get_str("path")?;
        let secret = mount.get("secret")?;
        let version = if secret.is_known() { secret.get("version") } else { Some(Value::unknown(Type::String)) };
        Some((Arc::from(path), version.unwrap_or_else(|| Value::null(Type::String))))
    };
    Value::map(Type::String, mounts.iter().filter_map(Value::as_map).flatten().filter_map(one).collect())
}

/// The names on Kafka that an object has; those that follow from its name where it does not tell.
pub(super) fn recorded_names(object: &Value) -> Names {
    let usual = Names::of(&object.get_str("name").unwrap_or_default());
    let text = |attribute: &str, usual: String| object.get_str(attribute).filter(|t| !t.is_empty()).unwrap_or(usual);
    let written = object.get("internal_topics");
    let topic = |kind: &str, attribute: &str, usual: String| {
        written.as_ref().and_then(|t| t.get_str(kind)).unwrap_or_else(|| text(attribute, usual))
    };
    Names {
        group: text("group_id", usual.group),
        config: topic("config", "config_topic", usual.config),
        offset: topic("offset", "offset_topic", usual.offset),
        status: topic("status", "status_topic", usual.status),
    }
}

/// The names that the configuration says; `None` while one of them is not known.
pub(super) fn written_names(config: &Value, name: &str) -> Option<Names> {
    let (usual, topics) = (Names::of(name), config.get("internal_topics"));
    let text = |value: Option<Value>, usual: String| match value.filter(|v| !v.is_null()) {
        Some(v) => v.as_str().map(str::to_string),
        None => Some(usual),
    };
    let topic = |kind: &str, usual: String| match &topics {
        Some(t) if !t.is_known() => None,
        topics => text(topics.as_ref().and_then(|t| t.get(kind)), usual),
    };
    Some(Names {
        group: text(config.get("group_id"), usual.group)?,
        config: topic("config", usual.config)?,
        offset: topic("offset", usual.offset)?,
        status: topic("status", usual.status)?,
    })
}

/// What is created on Kafka for the workers: three topics, and rights where streamform issues the workers' certificate.
pub(super) fn kafka_ops(names: Option<&Names>, principal: Option<&str>, cluster: Option<&Value>, place: &Place) -> Vec<Op> {
    let Some(names) = names else {
        let open = |action, kind| Op::new(action, Key::unnamed(place.clone(), kind));
        return vec![open(OpAction::Create, "topic"), open(OpAction::Grant, BINDING)];
    };
    let topic = |t: &String| Op::new(OpAction::Create, Key::new(place.clone(), "topic", t)).note("(compacted)");
    let mut out: Vec<Op> = [&names.config, &names.offset, &names.status].map(topic).into();
    match (is_managed(cluster), principal) {
        (true, Some(principal)) => {
            let grant = |b: &AclBinding| Op::new(OpAction::Grant, Key::new(place.clone(), BINDING, &b.to_string()));
            out.extend(names.acls(principal).iter().map(grant));
        }
        (true, None) => out.push(Op::new(OpAction::Grant, Key::unnamed(place.clone(), BINDING))),
        (false, _) => {}
    }
    out
}

pub(super) fn is_managed(cluster: Option<&Value>) -> bool {
    cluster.and_then(Value::origin).is_some_and(|o| o.resource.mode == Mode::Managed)
}

/// Whether an argument differs that the workers' settings follow from.
pub(super) fn settings_differ(prior: &Value, proposed: &Value) -> bool {
    let settings =
        ["config", "env", "version", "heap_opts", "plugins", "schema_registry", "service_port", "mtls", "mount", "mounts", "cluster_id"];
    settings.iter().any(|name| match *name {
        "mount" => mounted(prior) != mounted(proposed),
        name => differs(prior, proposed, name),
    })
}

/// The version of each mounted secret that the workers' own settings name, by the mount's path: a worker resolves its placeholders once, when it
/// starts.
pub(super) fn used_versions(object: &Value) -> BTreeMap<String, Value> {
    let texts: Vec<String> = super::written_settings(object).into_values().collect();
    let all = object.get("mount_versions");
    let used = all.iter().filter_map(Value::as_map).flatten().filter(|(path, _)| texts.iter().any(|t| names_folder(t, path)));
    used.map(|(path, version)| (path.to_string(), version.clone())).collect()
}

/// The addresses of the secrets that running workers have read in another version than they are to have.
pub(super) fn rotated(prior: &Value, planned: &Value) -> Vec<String> {
    let before = prior.get("mount_versions");
    let differs = |path: &str, version: &Value| match before.as_ref().and_then(|b| b.get(path)).filter(|old| !old.is_null()) {
        Some(old) => !version.is_known() || old.repr() != version.repr(),
        // A record of an earlier version does not tell: only a change that comes with this plan is seen.
        None => !version.is_known(),
    };
    let mounts = planned.get("mount");
    let secret_at = |path: &str| {
        let mut all = mounts.iter().filter_map(Value::as_map).flat_map(Fields::values);
        let mount = all.find(|m| m.get_str("path").as_deref() == Some(path))?;
        Some(mount.get("secret")?.origin()?.to_string())
    };
    let used = used_versions(planned);
    used.iter().filter(|(path, v)| differs(path, v)).map(|(path, _)| secret_at(path).unwrap_or_else(|| path.clone())).collect()
}

/// A mount: its label, its path, and the secret's address.
type Mounted = (Arc<str>, Value, Option<Arc<InstanceAddr>>);

/// What the workers' settings say of the mounts: the folders that they may read. `None` while one is not known.
pub(super) fn mounted(value: &Value) -> Option<Vec<Mounted>> {
    let mounts = value.get("mount").filter(Value::is_known)?;
    let one = |(label, m): (&Arc<str>, &Value)| {
        (label.clone(), m.get("path").unwrap_or_else(Value::null_dynamic), m.get("secret").and_then(|s| s.origin().cloned()))
    };
    Some(mounts.as_map()?.iter().map(one).collect())
}

/// What the operations of a deletion release on Kafka. Bindings that another resource holds are kept.
pub(super) fn released(step: &StepRequest, prior: &Value, kafka: KafkaConnection) -> Released {
    let is = |o: &&Op, action, kind: &str| o.action == action && &*o.target.kind == kind;
    let topics = step.ops.iter().filter(|o| is(o, OpAction::Delete, "topic")).map(|o| o.target.name().to_string()).collect();
    let principal = prior.get_str("principal").unwrap_or_default();
    let revoked = |b: &AclBinding| step.ops.iter().any(|o| is(&o, OpAction::Revoke, BINDING) && o.target.name() == b.to_string());
    let bindings = recorded_names(prior).acls(&principal).into_iter().filter(revoked).collect();
    let own = common_name(prior.get("cluster").as_ref(), "").is_some();
    Released { topics, bindings, principal, kafka, own }
}

/// What deletes a Connect cluster with what is its own on Kafka.
pub(super) fn delete_ops(prior: &Value) -> Vec<Op> {
    let Some(key) = connect_key(prior) else { return vec![] };
    let left = engine_of(prior).map(|e| e.leaves_nothing_of()).unwrap_or_default();
    let mut ops = vec![Op::new(OpAction::Delete, key).note(left)];
    let (place, name) = (kafka_place(prior), prior.get_str("name").unwrap_or_default());
    let names = recorded_names(prior);
    let topic = |t: &String| Op::new(OpAction::Delete, Key::new(place.clone(), "topic", t));
    ops.extend([&names.config, &names.offset, &names.status].map(topic));
    if let Some(principal) = prior.get_str("principal").filter(|_| common_name(prior.get("cluster").as_ref(), &name).is_some()) {
        let revoke = |b: &AclBinding| Op::new(OpAction::Revoke, Key::new(place.clone(), BINDING, &b.to_string()));
        ops.extend(names.acls(&principal).iter().map(revoke));
    }
    ops
}
