//! The list of resource types and data sources. A new type is one line here.

use crate::addr::{Mode, ResourceAddr};
use crate::diag::codes::{lang as lang_codes, plan as codes};
use crate::diag::{Diagnostic, Span, did_you_mean};
use crate::schema::Schema;

use super::ResourceType;

/// One entry: `resource` or `data`, the type's name, the type.
pub type Entry = (Mode, &'static str, &'static dyn ResourceType);

/// Every type, containers before what lives in them: a refresh of orphans reads in this order.
pub static ALL: &[Entry] = &[
    (Mode::Managed, "null_resource", &super::null_resource::NullResource),
    (Mode::Managed, "secret", &super::secret::Secret),
    (Mode::Data, "kafka_cluster", &super::kafka_cluster_data::KafkaClusterData),
    (Mode::Managed, "kafka_cluster", &super::kafka_cluster::KafkaCluster),
    (Mode::Managed, "kafka_topic", &super::kafka_topic::KafkaTopic),
    (Mode::Managed, "kafka_acl", &super::kafka_acl::KafkaAcl),
    (Mode::Data, "kafka_connect", &super::kafka_connect_data::KafkaConnectData),
    (Mode::Managed, "kafka_connect", &super::kafka_connect::KafkaConnect),
    (Mode::Managed, "kafka_connector", &super::kafka_connector::KafkaConnector),
];

/// The type of this mode and name.
pub fn find(mode: Mode, name: &str) -> Option<&'static dyn ResourceType> {
    find_in(ALL, mode, name)
}

/// [`find`] in another list than that of this program.
pub fn find_in(types: &[Entry], mode: Mode, name: &str) -> Option<&'static dyn ResourceType> {
    types.iter().find(|(m, n, _)| *m == mode && *n == name).map(|(_, _, r)| *r)
}

/// The schema of a block's type.
pub fn schema(addr: &ResourceAddr) -> Option<&'static Schema> {
    find(addr.mode, &addr.type_name).map(|r| r.schema())
}

/// The diagnostic for an argument or block that a type does not have; none where it has it.
pub fn unknown_attribute(schema: &Schema, name: &str) -> Option<Diagnostic> {
    let names: Vec<&str> = schema.body.attributes.iter().map(|a| a.name).chain(schema.body.blocks.iter().map(|b| b.name)).collect();
    if names.contains(&name) {
        return None;
    }
    let d = Diagnostic::error(lang_codes::UNSUPPORTED_ATTRIBUTE, format!("There is no attribute {name:?} here."));
    Some(match did_you_mean(name, names.iter().copied()) {
        Some(near) => d.hint(format!("Did you mean {near:?}?")),
        None => d,
    })
}

/// The diagnostic for a type that does not exist.
pub fn unknown_type(addr: &ResourceAddr, span: Span) -> Diagnostic {
    let word = if addr.mode == Mode::Data { "data source" } else { "resource type" };
    let names: Vec<&str> = ALL.iter().filter(|(m, ..)| *m == addr.mode).map(|(_, n, _)| *n).collect();
    let d = Diagnostic::error(codes::UNKNOWN_TYPE, format!("There is no {word} {:?}.", &*addr.type_name)).at(span).on(addr);
    match did_you_mean(&addr.type_name, names.iter().copied()) {
        Some(near) => d.hint(format!("Did you mean {near:?}?")),
        None => d.hint(format!("The {word}s are {}.", names.join(", "))),
    }
}
