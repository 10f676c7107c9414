//! What a change becomes: the batch with what undoes it, and what moved objects leave behind. Pure functions over content.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::layout::{
    DEPOSED, Entry, JOURNAL, META, Meta, RECORDS, generation_key, is_content, journal_name, key, under, undo_bytes, undo_prefix,
};
use crate::addr::{InstanceAddr, ResourceAddr};
use crate::diag::Diagnostic;
use crate::diag::codes::state as codes;
use crate::state::backend::{Batch, Changes, Content};
use crate::state::codec;
use crate::state::model::KEEP_GENERATIONS;
use crate::words::counted;

/// A batch with the ledger's own values after it.
pub(super) struct Next {
    pub batch: Batch,
    pub meta: Meta,
    /// The generation, where records or outputs changed.
    pub generation: Option<Entry>,
}

/// What changes make of a content, in the generation `entry`, which has written undo entries for `undone` already; `None` where nothing
/// changes.
pub(super) fn next(
    content: &Content,
    meta: &Meta,
    entry: &Entry,
    undone: &BTreeSet<Vec<u8>>,
    changes: Changes,
) -> Result<Option<Next>, Diagnostic> {
    let (mut out, mut meta, mut entry) = (Changes::new(), meta.clone(), entry.clone());
    let undo = undo_prefix(entry.number);
    let mut any_content = false;
    for (key, after) in changes {
        let before = content.get(&key);
        if before == after.as_ref() {
            continue;
        }
        if is_content(&key) {
            any_content = true;
            if !undone.contains(&key) {
                out.insert([&undo[..], &key].concat(), Some(undo_bytes(before.map(Vec::as_slice))));
            }
        }
        if key.starts_with(RECORDS) {
            entry.count(before.is_some(), after.is_some());
            meta.records = (meta.records + u64::from(after.is_some())).saturating_sub(u64::from(before.is_some()));
        }
        out.insert(key, after);
    }
    if out.is_empty() {
        return Ok(None);
    }
    let mut prune = None;
    if any_content {
        meta.serial += 1;
        entry.serial = meta.serial;
        if meta.generation < entry.number {
            meta.generation = entry.number;
            prune = entry.number.checked_sub(KEEP_GENERATIONS).filter(|n| *n > 0);
        }
        let bytes = serde_json::to_vec(&entry).map_err(|_| codec::corrupt("A generation"))?;
        out.insert(generation_key(entry.number), Some(bytes));
    }
    out.insert(META.to_vec(), Some(meta_bytes(&meta)?));
    Ok(Some(Next { batch: Batch { changes: out, prune }, meta, generation: any_content.then_some(entry) }))
}

/// The store's own entry as bytes.
pub(super) fn meta_bytes(meta: &Meta) -> Result<Vec<u8>, Diagnostic> {
    serde_json::to_vec(meta).map_err(|_| codec::corrupt("The store's own entry"))
}

/// Refuses a content that does not hold all its records.
pub(super) fn check(content: &Content, meta: &Meta) -> Result<(), Diagnostic> {
    let found = under(content, RECORDS).count() as u64;
    match found == meta.records {
        true => Ok(()),
        false => Err(codec::corrupt_state(&format!("it should hold {}, and {found} can be read", counted(meta.records, "record")))),
    }
}

/// The changes that rename objects, as if at one time.
pub(super) fn moves(content: &Content, moves: &[(InstanceAddr, InstanceAddr)]) -> Result<Changes, Diagnostic> {
    let names: BTreeMap<&InstanceAddr, &InstanceAddr> = moves.iter().map(|(f, t)| (f, t)).collect();
    let recorded = |a: &InstanceAddr| content.contains_key(&key(RECORDS, &a.to_string()));
    let begun = |a: &InstanceAddr| content.contains_key(&key(JOURNAL, &a.to_string()));
    let deposed = |a: &InstanceAddr| under(content, &key(DEPOSED, &format!("{a} "))).next().is_some();
    let mut targets = BTreeSet::new();
    for (from, to) in moves {
        // An object whose creation was begun and never ended has a journal entry only.
        if !recorded(from) && !begun(from) && !deposed(from) {
            let d = Diagnostic::error(codes::NO_RECORD, format!("The state does not hold {from}."));
            return Err(d.hint("streamform state list shows what it holds."));
        }
        let taken = recorded(to) || begun(from) && begun(to);
        if !targets.insert(to) || !names.contains_key(to) && taken {
            let d = Diagnostic::error(codes::OCCUPIED, format!("The state already holds {to}."));
            return Err(d.hint("Move or remove that one first."));
        }
    }
    let new_name = |text: &str| Some(names.get(&text.parse::<InstanceAddr>().ok()?)?.to_string());
    let (mut gone, mut made) = (Changes::new(), Changes::new());
    for prefix in [RECORDS, DEPOSED, JOURNAL] {
        for (name, bytes) in under(content, prefix) {
            let text = String::from_utf8_lossy(name);
            let (addr, rest) = match prefix {
                DEPOSED => text.rsplit_once(' ').map_or((&*text, ""), |(addr, _)| (addr, &text[addr.len()..])),
                JOURNAL => (journal_name(&text).0, &text[journal_name(&text).0.len()..]),
                _ => (&*text, ""),
            };
            let moved = new_name(addr);
            let changed = renamed(bytes, prefix == JOURNAL, &names)?;
            if moved.is_none() && changed.is_none() {
                continue;
            }
            let new = format!("{}{rest}", moved.as_deref().unwrap_or(addr));
            gone.insert([prefix, name].concat(), None);
            made.insert(key(prefix, &new), Some(changed.unwrap_or_else(|| bytes.to_vec())));
        }
    }
    gone.extend(made);
    Ok(gone)
}

/// A stored record or journal entry after objects were renamed: its own address and what it refers to. `None` where nothing changes.
fn renamed(bytes: &[u8], journal: bool, names: &BTreeMap<&InstanceAddr, &InstanceAddr>) -> Result<Option<Vec<u8>>, Diagnostic> {
    let bad = || codec::corrupt(if journal { "A journal entry" } else { "A record" });
    let new_name = |text: &str| Some(names.get(&text.parse::<InstanceAddr>().ok()?)?.to_string());
    codec::read(bytes, |json| {
        let mut json = json.clone();
        let mut any = false;
        if journal {
            for part in ["ops", "op"] {
                any |= json.get_mut(part).is_some_and(|ops| rename_places(ops, &new_name));
            }
        }
        let record = if journal { json.get_mut("record") } else { Some(&mut json) };
        if let Some(record) = record {
            let old = record.get("address")?.as_str()?.to_string();
            if let Some(new) = new_name(&old) {
                record["address"] = new.into();
                any = true;
            }
            any |= codec::rename_references(record.get_mut("attributes")?, &new_name);
            any |= rename_dependencies(record, names);
        }
        if any { serde_json::to_vec(&json).ok().map(Some) } else { Some(None) }
    })
    .ok_or_else(bad)
}

fn rename_dependencies(record: &mut Json, names: &BTreeMap<&InstanceAddr, &InstanceAddr>) -> bool {
    let new_block = |text: &str| {
        let block: ResourceAddr = text.parse().ok()?;
        names.iter().find(|(from, _)| from.resource == block).map(|(_, to)| to.resource.to_string()).filter(|to| to != text)
    };
    let mut any = false;
    for d in record.get_mut("dependencies").and_then(Json::as_array_mut).into_iter().flatten() {
        if let Some(to) = d.as_str().and_then(new_block) {
            *d = to.into();
            any = true;
        }
    }
    any
}

/// Puts new addresses behind the places of operations that stand for a block.
fn rename_places(json: &mut Json, new_name: &dyn Fn(&str) -> Option<String>) -> bool {
    match json {
        Json::Array(items) => items.iter_mut().map(|v| rename_places(v, new_name)).fold(false, |a, b| a | b),
        Json::Object(o) => {
            let old = o.get("place").and_then(|p| p["id"].as_str()?.strip_prefix("at:")).map(str::to_string);
            let new = old.and_then(|old| new_name(&old));
            let renamed = new.is_some();
            if let (Some(to), Some(place)) = (new, o.get_mut("place")) {
                place["id"] = format!("at:{to}").into();
                place["shown"] = to.into();
            }
            o.values_mut().map(|v| rename_places(v, new_name)).fold(renamed, |a, b| a | b)
        }
        _ => false,
    }
}
