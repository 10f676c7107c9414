//! Older forms of what is stored: the store's format, and records of older schema versions.
//!
//! Format 1 differs from format 2 in three points: the number of batches is in the store's own entry, records name no provider configuration,
//! and journal entries hold no operations. The last two are parts that format 2 leaves out too where they are empty. What must not be here:
//! what a type's attributes mean; the types themselves upgrade them.

use serde_json::Value as Json;

use super::codec;
use super::model::{Record, Schemas};
use crate::addr::InstanceAddr;
use crate::diag::Diagnostic;
use crate::diag::codes::state as codes;

/// The format that this program writes.
pub const FORMAT: u64 = 2;

/// Refuses a format that is newer than this program.
pub fn check_format(format: u64) -> Result<(), Diagnostic> {
    if format <= FORMAT {
        return Ok(());
    }
    let detail = format!("The state has format {format}. This version of streamform reads formats up to {FORMAT}.");
    Err(Diagnostic::error(codes::NEWER_FORMAT, detail).hint("Use the newer streamform that wrote it."))
}

/// Refuses a store's own entry that is newer than this program.
pub fn check_head(bytes: &[u8]) -> Result<(), Diagnostic> {
    let json: Json = serde_json::from_slice(bytes).map_err(|_| codec::corrupt("The store's own entry"))?;
    check_format(json.get("format").and_then(Json::as_u64).unwrap_or(0))
}

/// How many batches were written to a store of format 1.
pub fn revision_of_format_1(head: &[u8]) -> Option<u64> {
    let json: Json = serde_json::from_slice(head).ok()?;
    json.get("batches")?.as_u64()
}

/// A record that was read, or the address and the reason where this program cannot read it.
pub type Read<T> = Result<T, (InstanceAddr, Diagnostic)>;

/// A stored record by the schema of now; `None` where the JSON is no record at all.
pub fn record(json: &Json, schemas: &dyn Schemas) -> Option<Read<Record>> {
    let plain = || codec::decode_record(json, &|_| None);
    let addr: InstanceAddr = json.get("address")?.as_str()?.parse().ok()?;
    let Some(schema) = schemas.schema(&addr.resource) else { return plain().map(|r| Err((r.addr, unknown_type(&addr)))) };
    let version = u32::try_from(json.get("schema_version")?.as_u64()?).ok()?;
    if version == schema.version {
        return codec::decode_record(json, &|_| Some(schema)).map(Ok);
    }
    plain()?;
    if version > schema.version {
        return Some(Err((addr.clone(), newer_record(&addr, version, schema.version))));
    }
    let Some(mut upgraded) = schemas.upgrade(&addr.resource, version, json.clone()) else {
        return Some(Err((addr.clone(), no_upgrade(&addr, version, schema.version))));
    };
    upgraded["schema_version"] = schema.version.into();
    codec::decode_record(&upgraded, &|_| Some(schema)).map(Ok)
}

fn hint(addr: &InstanceAddr, first: &str) -> String {
    format!("{first} To forget the object instead, run: streamform state rm '{addr}'. It keeps existing.")
}

fn unknown_type(addr: &InstanceAddr) -> Diagnostic {
    let name = &addr.resource.type_name;
    let detail = format!("The state holds {addr}, and this version of streamform has no type {name}.");
    Diagnostic::error(codes::UNKNOWN_TYPE, detail)
        .on(addr)
        .because(format!("type {name}"))
        .hint(hint(addr, "Use a version of streamform that has this type."))
}

fn newer_record(addr: &InstanceAddr, found: u32, known: u32) -> Diagnostic {
    let name = &addr.resource.type_name;
    let detail =
        format!("{addr} was written with schema version {found} of {name}. This version of streamform reads versions up to {known}.");
    Diagnostic::error(codes::NEWER_RECORD, detail)
        .on(addr)
        .because(format!("type {name} version {found}"))
        .hint(hint(addr, "Use the newer streamform that wrote it."))
}

fn no_upgrade(addr: &InstanceAddr, found: u32, known: u32) -> Diagnostic {
    let name = &addr.resource.type_name;
    let detail = format!("{addr} was written with schema version {found} of {name}. It cannot be upgraded to version {known}.");
    Diagnostic::error(codes::NO_UPGRADE, detail)
        .on(addr)
        .because(format!("type {name} version {found}"))
        .hint(hint(addr, "Apply once with an older version of streamform that upgrades it."))
}
