//! The first ACL on a resource: where brokers let everybody in as long as a resource has none, it shuts everybody else out.

use std::collections::{BTreeMap, BTreeSet};

use super::expand;
use crate::addr::Mode;
use crate::diag::Diagnostic;
use crate::diag::codes::kafka as codes;
use crate::target::kafka::{AclBinding, AclPattern, AclResource, Admin, ConfigResource};
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

/// The warnings, where the brokers may be so open. `block` is any of the blocks: they share the cluster.
pub(super) async fn warned(admin: &Admin, block: &Value, firsts: BTreeMap<usize, BTreeSet<Resource>>) -> Vec<(usize, Diagnostic)> {
    if firsts.is_empty() || !may_be_open(admin, block).await {
        return vec![];
    }
    let who = admin.connection().principal();
    firsts.into_iter().map(|(i, resources)| (i, warning(&resources, who.as_deref()))).collect()
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
    use crate::target::kafka::{AclOperation, AclPermission};
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
