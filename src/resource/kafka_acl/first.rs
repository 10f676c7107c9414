//! The first ACL on a resource: where brokers let everybody in as long as a resource has none, it shuts everybody else out.

use std::collections::{BTreeMap, BTreeSet};

use super::expand;
use crate::addr::Mode;
use crate::client::kafka::{AclBinding, AclPattern, AclResource, Admin, ConfigResource};
use crate::diag::Diagnostic;
use crate::diag::codes::kafka as codes;
use crate::value::Value;

/// The setting of the brokers' authorizer. No client can read its value, but brokers list it when it is set at all.
const OPEN: &str = "allow.everyone.if.no.acl.found";
/// How many resources a warning names.
const NAMED: usize = 3;

type Resource = (AclResource, AclPattern, String);

/// The resources that have no ACL yet and get their first one, by the block that gives it; each is named once. Where the cluster has ACLs
/// already its owner knows what they do: then only the cluster itself counts, from which a first ACL may shut out streamform.
pub(super) fn uncovered<'a>(
    live: &BTreeSet<AclBinding>,
    blocks: impl Iterator<Item = (usize, &'a Value)>,
) -> BTreeMap<usize, BTreeSet<Resource>> {
    let known: BTreeSet<(AclResource, AclPattern, &str)> = live.iter().map(|b| (b.resource, b.pattern, b.name.as_str())).collect();
    let covered = |(resource, pattern, name): &Resource| known.contains(&(*resource, *pattern, name.as_str()));
    let mut seen = BTreeSet::new();
    let mut out: BTreeMap<usize, BTreeSet<Resource>> = BTreeMap::new();
    for (i, block) in blocks {
        for b in expand::expand(block).bindings {
            let resource = (b.resource, b.pattern, b.name);
            if (live.is_empty() || resource.0 == AclResource::Cluster) && !covered(&resource) && seen.insert(resource.clone()) {
                out.entry(i).or_default().insert(resource);
            }
        }
    }
    out
}

/// The warning, where the brokers may be so open: one for the whole cluster, at the first of the blocks, and only about what is there to be shut.
/// `block` is any of the blocks: they share the cluster.
pub(super) async fn warned(admin: &Admin, block: &Value, firsts: BTreeMap<usize, BTreeSet<Resource>>) -> Option<(usize, Diagnostic)> {
    let first = *firsts.keys().next()?;
    let mut resources: BTreeSet<Resource> = firsts.into_values().flatten().collect();
    existing(admin, &mut resources).await;
    if resources.is_empty() || !may_be_open(admin, block).await {
        return None;
    }
    Some((first, warning(&resources, admin.connection().principal().as_deref())))
}

/// Leaves the resources that exist: nobody is shut out of a topic that this apply creates. What cannot be asked for counts as there.
async fn existing(admin: &Admin, resources: &mut BTreeSet<Resource>) {
    let has = |kind: AclResource| resources.iter().any(|(r, ..)| *r == kind);
    let mut known: BTreeMap<AclResource, BTreeSet<String>> = BTreeMap::new();
    if has(AclResource::Topic)
        && let Ok(metadata) = admin.snapshot_metadata().await
    {
        known.insert(AclResource::Topic, metadata.topics.values().filter(|t| !t.internal).map(|t| t.name.clone()).collect());
    }
    if has(AclResource::Group)
        && let Ok(groups) = admin.list_groups().await
    {
        known.insert(AclResource::Group, groups.into_iter().map(|g| g.id).collect());
    }
    resources.retain(|r| is_there(r, &known));
}

fn is_there((resource, pattern, name): &Resource, known: &BTreeMap<AclResource, BTreeSet<String>>) -> bool {
    let Some(names) = known.get(resource) else { return true };
    match pattern {
        AclPattern::Prefixed => names.range(name.clone()..).next().is_some_and(|n| n.starts_with(name)),
        AclPattern::Literal => {
            if name == "*" {
                !names.is_empty()
            } else {
                names.contains(name)
            }
        }
    }
}

/// Whether brokers may let everybody in where there is no ACL. Who may not read their settings does not know, and is warned.
async fn may_be_open(admin: &Admin, block: &Value) -> bool {
    // What streamform runs is closed.
    if block.get("cluster").and_then(|c| c.origin().map(|o| o.resource.mode == Mode::Managed)) == Some(true) {
        return false;
    }
    let Ok(metadata) = admin.snapshot_metadata().await else { return true };
    let Some(broker) = metadata.cluster.brokers.first() else { return true };
    match admin.describe_configs(&[ConfigResource::Broker(broker.id)]).await.map(|r| r.into_iter().next()) {
        Ok(Some(Ok(entries))) => entries.iter().any(|e| e.name == OPEN && e.value.as_deref() != Some("false")),
        _ => true,
    }
}

fn warning(resources: &BTreeSet<Resource>, who: Option<&str>) -> Diagnostic {
    let shown = |(resource, pattern, name): &Resource| {
        let prefixed = if *pattern == AclPattern::Prefixed { " and all that begin so" } else { "" };
        match resource {
            AclResource::Cluster => "the cluster itself".to_string(),
            _ => format!("{} \"{name}\"{prefixed}", resource.as_str().to_lowercase().replace('_', " ")),
        }
    };
    let named = resources.iter().take(NAMED).map(shown).collect::<Vec<_>>().join(", ");
    let more = if resources.len() > NAMED { format!(" and {} more", resources.len() - NAMED) } else { String::new() };
    let own = match who.filter(|_| resources.iter().any(|r| r.0 == AclResource::Cluster)) {
        Some(who) => format!(" streamform itself (`{who}`) needs ALTER and DESCRIBE on the cluster to go on."),
        None => String::new(),
    };
    let detail = format!(
        "Nothing gives rights on {named}{more} so far. If the brokers run with `{OPEN}=true`, everybody may use it now, and after this apply \
         only those who are granted it.{own}"
    );
    Diagnostic::warning(codes::ACL_FIRST, detail).hint("Grant everybody who needs it in the same apply; super users always get in.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::kafka::{AclOperation, AclPermission};
    use crate::value::Type;

    fn binding(pattern: AclPattern, name: &str) -> AclBinding {
        AclBinding {
            resource: AclResource::Topic,
            name: name.into(),
            pattern,
            principal: "User:x".into(),
            host: "*".into(),
            operation: AclOperation::Read,
            permission: AclPermission::Allow,
        }
    }

    fn block(topic: &str) -> Value {
        let role = Value::object_from([("name", Value::from("consumer")), ("topic", topic.into())]);
        Value::object_from([("principal", "User:y".into()), ("role", Value::list(Type::Dynamic, vec![role]))])
    }

    /// H11.
    #[test]
    fn only_what_exists_counts() {
        let known = [(AclResource::Topic, ["orders", "orders.eu", "x"].map(String::from).into())].into();
        let there = |pattern, name: &str| is_there(&(AclResource::Topic, pattern, name.into()), &known);
        assert!(there(AclPattern::Literal, "orders") && there(AclPattern::Literal, "*") && there(AclPattern::Prefixed, "ord"));
        assert!(!there(AclPattern::Literal, "order") && !there(AclPattern::Prefixed, "orders.us") && !there(AclPattern::Prefixed, "y"));
        // What nobody could ask for counts.
        assert!(is_there(&(AclResource::Group, AclPattern::Literal, "g".into()), &known));
    }

    #[test]
    fn only_the_first_of_all_and_the_clusters_own_are_firsts() {
        let blocks = ["a", "b", "b"].map(block);
        let found = uncovered(&BTreeSet::new(), blocks.iter().enumerate());
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [0, 1]);
        let text = warning(&found[&1], Some("User:me")).detail;
        assert!(text.contains("rights on topic \"b\" so far") && !text.contains("User:me"), "{text}");
        let live: BTreeSet<AclBinding> = [binding(AclPattern::Literal, "other")].into();
        assert!(uncovered(&live, blocks.iter().enumerate()).is_empty());
        let rule = Value::object_from([("cluster", true.into()), ("operations", Value::list(Type::String, vec!["ALTER".into()]))]);
        let cluster = Value::object_from([("principal", "User:y".into()), ("rule", Value::list(Type::Dynamic, vec![rule]))]);
        let found = uncovered(&live, [(7, &cluster)].into_iter());
        assert!(warning(&found[&7], Some("User:me")).detail.contains("streamform itself (`User:me`)"));
    }
}
