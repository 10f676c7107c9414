//! Providers: which there are, and which resource types belong to each. A type's provider is the first word of its name.
//!
//! Connections are values in the graph, not settings of a provider, so most providers take no settings.

use std::sync::LazyLock;

use super::registry;
use crate::schema::{Attribute, Body};
use crate::value::Type;

/// A provider.
#[derive(Debug)]
pub struct Provider {
    /// The name.
    pub name: &'static str,
    /// What its blocks may set.
    pub settings: Body,
}

static ALL: LazyLock<Vec<Provider>> = LazyLock::new(|| {
    let mut names: Vec<&str> = registry::ALL.iter().map(|(_, t, _)| of(t)).collect();
    names.sort_unstable();
    names.dedup();
    let plain = names.into_iter().map(|name| Provider { name, settings: Body::default() });
    plain.chain([kubernetes()]).collect()
});

fn kubernetes() -> Provider {
    let attributes = vec![
        Attribute::optional("kubeconfig", Type::String, "The file that describes the clusters; the usual one when left out."),
        Attribute::optional("context", Type::String, "The context of that file; its current one when left out."),
        Attribute::optional("namespace", Type::String, "Where objects are made that name no namespace."),
    ];
    Provider { name: "kubernetes", settings: Body { attributes, blocks: vec![] } }
}

/// Every provider, by name.
pub fn all() -> &'static [Provider] {
    &ALL
}

/// The provider of this name.
pub fn find(name: &str) -> Option<&'static Provider> {
    ALL.iter().find(|p| p.name == name)
}

/// The provider that a type belongs to: `kafka` of `kafka_topic`.
pub fn of(type_name: &str) -> &str {
    type_name.split('_').next().unwrap_or(type_name)
}

/// Whether any type of this version belongs to it.
pub fn is_used(provider: &Provider) -> bool {
    registry::ALL.iter().any(|(_, t, _)| of(t) == provider.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_provider() {
        assert!(registry::ALL.iter().all(|(_, t, _)| find(of(t)).is_some_and(is_used)));
        assert_eq!(all().iter().map(|p| p.name).collect::<Vec<_>>(), ["kafka", "null", "secret", "kubernetes"]);
        assert!(!is_used(find("kubernetes").unwrap()));
    }
}
