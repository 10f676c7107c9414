//! The state of a bench: in memory or in a folder, with kills.
//!
//! What is in memory is kept in the stored form and decoded by each snapshot, so that what cannot be read back shows.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value as Json;
use sha2::Sha256;

use super::reality::Reality;
use super::types::TYPES;
use crate::addr::{InstanceAddr, ResourceAddr};
use crate::diag::Diagnostic;
use crate::diag::codes::state as codes;
use crate::resource::registry;
use crate::schema::Schema;
use crate::state::local::Access;
use crate::state::{Deposing, Generation, Intent, LocalStore, Outcome, OutputRecord, Snapshot, StateStore, codec};
use crate::value::{Repr, Value, json::to_json_text, ops};

/// The schema of a fake type.
pub fn schema_of(addr: &ResourceAddr) -> Option<&'static Schema> {
    registry::find_in(TYPES, addr.mode, &addr.type_name).map(|r| r.schema())
}

/// Where the state of a bench is kept between runs.
pub enum Home {
    /// In memory.
    Memory(Arc<Memory>),
    /// In a folder, by the real store.
    Folder(tempfile::TempDir),
}

impl Home {
    /// A home without a state.
    pub fn new(in_folder: bool) -> Home {
        match in_folder {
            true => Home::Folder(tempfile::Builder::new().prefix("streamform-bench-").tempdir().unwrap()),
            false => Home::Memory(Arc::new(Memory::default())),
        }
    }

    /// Opens the store, as a new process does.
    pub fn open(&self, reality: &Arc<Reality>) -> Store {
        let inner: Box<dyn StateStore> = match self {
            Home::Memory(m) => Box::new(Arc::clone(m)),
            Home::Folder(dir) => Box::new(LocalStore::open(dir.path(), Access::Write, Arc::new(schema_of)).unwrap()),
        };
        Store { inner, reality: Arc::clone(reality) }
    }
}

/// A store that a kill cuts off: what a dead process writes is lost.
pub struct Store {
    inner: Box<dyn StateStore>,
    reality: Arc<Reality>,
}

impl Store {
    fn commit<T: Default>(&self, write: impl FnOnce(&dyn StateStore) -> Result<T, Diagnostic>) -> Result<T, Diagnostic> {
        if self.reality.is_dead() {
            return Ok(T::default());
        }
        let out = write(&*self.inner)?;
        self.reality.committed();
        Ok(out)
    }
}

impl StateStore for Store {
    fn snapshot(&self) -> Result<Snapshot, Diagnostic> {
        self.inner.snapshot()
    }

    fn snapshot_at(&self, number: u64) -> Result<Snapshot, Diagnostic> {
        self.inner.snapshot_at(number)
    }

    fn history(&self) -> Result<Vec<Generation>, Diagnostic> {
        self.inner.history()
    }

    fn digest(&self, value: &Value) -> [u8; 32] {
        self.inner.digest(value)
    }

    fn begin_generation(&self, operation: &str) -> Result<u64, Diagnostic> {
        self.inner.begin_generation(operation)
    }

    fn begin(&self, intents: &[Intent]) -> Result<(), Diagnostic> {
        self.commit(|s| s.begin(intents))
    }

    fn begin_op(&self, addr: &InstanceAddr, op: usize) -> Result<(), Diagnostic> {
        self.commit(|s| s.begin_op(addr, op))
    }

    fn end_op(&self, addr: &InstanceAddr, op: usize) -> Result<(), Diagnostic> {
        self.commit(|s| s.end_op(addr, op))
    }

    fn finish(&self, outcomes: &[Outcome]) -> Result<(), Diagnostic> {
        self.commit(|s| s.finish(outcomes))
    }

    fn unbegin(&self, addrs: &[InstanceAddr]) -> Result<(), Diagnostic> {
        self.commit(|s| s.unbegin(addrs))
    }

    fn depose(&self, changes: &[(InstanceAddr, Arc<str>, Deposing)]) -> Result<(), Diagnostic> {
        self.commit(|s| s.depose(changes))
    }

    fn put_outputs(&self, outputs: &BTreeMap<Arc<str>, OutputRecord>) -> Result<(), Diagnostic> {
        self.commit(|s| s.put_outputs(outputs))
    }

    fn remove(&self, addrs: &[InstanceAddr]) -> Result<(), Diagnostic> {
        self.commit(|s| s.remove(addrs))
    }

    fn mv(&self, moves: &[(InstanceAddr, InstanceAddr)]) -> Result<(), Diagnostic> {
        self.commit(|s| s.mv(moves))
    }

    fn export(&self, to: &mut dyn Write) -> Result<(), Diagnostic> {
        self.inner.export(to)
    }

    fn import(&self, from: &mut dyn BufRead) -> Result<(), Diagnostic> {
        self.inner.import(from)
    }

    fn close(&self) -> Result<(), Diagnostic> {
        if self.reality.is_dead() { Ok(()) } else { self.inner.close() }
    }
}

/// A state in memory.
#[derive(Default)]
pub struct Memory(Mutex<Content>);

#[derive(Clone, Default)]
struct Content {
    serial: u64,
    records: BTreeMap<InstanceAddr, String>,
    deposed: BTreeMap<(InstanceAddr, Arc<str>), String>,
    journal: BTreeMap<InstanceAddr, String>,
    begun: BTreeSet<(InstanceAddr, usize)>,
    outputs: BTreeMap<Arc<str>, String>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The digest of a value; there is nobody to keep it from.
fn digest(value: &Value) -> [u8; 32] {
    if let Repr::Unknown(u) = value.repr()
        && let Some(d) = u.refinement.digest
    {
        return d;
    }
    let text = to_json_text(value).unwrap_or_else(|| {
        let open = ops::unmark_deep(value);
        codec::encode(&open, &open.ty(), &|_| [0; 32]).to_string()
    });
    <Sha256 as sha2::Digest>::digest(text.as_bytes()).into()
}

fn encoded(r: &crate::state::Record) -> String {
    codec::encode_record(r, schema_of(&r.addr.resource), &digest).to_string()
}

fn decoded(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

fn no_record(addr: &InstanceAddr) -> Diagnostic {
    Diagnostic::error(codes::NO_RECORD, format!("The state does not hold {addr}."))
}

impl StateStore for Arc<Memory> {
    fn snapshot(&self) -> Result<Snapshot, Diagnostic> {
        let c = self.lock();
        let schema = |a: &InstanceAddr| schema_of(&a.resource);
        let record = |text: &String| codec::decode_record(&decoded(text), &schema).map(Arc::new).ok_or_else(|| codec::corrupt("A record"));
        let under = |a: &InstanceAddr, text: &String| {
            let r = record(text)?;
            if r.addr == *a { Ok(r) } else { Err(codec::corrupt("The address of a record")) }
        };
        let doubt = |t: &String| codec::decode_intent(&decoded(t), &schema).ok_or_else(|| codec::corrupt("A journal entry"));
        let output = |t: &String| codec::decode_output(&decoded(t)).ok_or_else(|| codec::corrupt("An output"));
        Ok(Snapshot {
            lineage: "bench".into(),
            serial: c.serial,
            records: c.records.iter().map(|(a, t)| Ok((a.clone(), under(a, t)?))).collect::<Result<_, Diagnostic>>()?,
            deposed: c.deposed.iter().map(|(k, t)| Ok((k.clone(), under(&k.0, t)?))).collect::<Result<_, Diagnostic>>()?,
            outputs: c.outputs.iter().map(|(n, t)| Ok((n.clone(), output(t)?))).collect::<Result<_, Diagnostic>>()?,
            in_doubt: c.journal.values().map(doubt).collect::<Result<_, _>>()?,
        })
    }

    fn snapshot_at(&self, _: u64) -> Result<Snapshot, Diagnostic> {
        self.snapshot()
    }

    fn history(&self) -> Result<Vec<Generation>, Diagnostic> {
        Ok(vec![])
    }

    fn digest(&self, value: &Value) -> [u8; 32] {
        digest(value)
    }

    fn begin_generation(&self, _: &str) -> Result<u64, Diagnostic> {
        Ok(1)
    }

    fn begin(&self, intents: &[Intent]) -> Result<(), Diagnostic> {
        let line = |i: &Intent| {
            let json = codec::encode_intent(i.verb, &i.record, &i.ops, schema_of(&i.addr.resource), &digest);
            (i.addr.clone(), json.to_string())
        };
        let lines: Vec<_> = intents.iter().map(line).collect();
        self.lock().journal.extend(lines);
        Ok(())
    }

    fn begin_op(&self, addr: &InstanceAddr, op: usize) -> Result<(), Diagnostic> {
        self.lock().begun.insert((addr.clone(), op));
        Ok(())
    }

    fn end_op(&self, addr: &InstanceAddr, op: usize) -> Result<(), Diagnostic> {
        self.lock().begun.remove(&(addr.clone(), op));
        Ok(())
    }

    fn finish(&self, outcomes: &[Outcome]) -> Result<(), Diagnostic> {
        let all: Vec<_> = outcomes.iter().map(|o| (o.addr.clone(), o.record.as_ref().map(encoded))).collect();
        let mut c = self.lock();
        c.serial += 1;
        for (addr, record) in all {
            c.journal.remove(&addr);
            c.begun.retain(|(a, _)| *a != addr);
            match record {
                Some(text) => c.records.insert(addr, text),
                None => c.records.remove(&addr),
            };
        }
        Ok(())
    }

    fn unbegin(&self, addrs: &[InstanceAddr]) -> Result<(), Diagnostic> {
        self.lock().journal.retain(|a, _| !addrs.contains(a));
        Ok(())
    }

    fn depose(&self, changes: &[(InstanceAddr, Arc<str>, Deposing)]) -> Result<(), Diagnostic> {
        let mut c = self.lock();
        c.serial += 1;
        for (addr, key, what) in changes {
            let at = (addr.clone(), Arc::clone(key));
            match what {
                Deposing::Aside => {
                    if let Some(text) = c.records.remove(addr) {
                        c.deposed.insert(at, text);
                    }
                }
                Deposing::Back => {
                    c.journal.remove(addr);
                    if let Some(text) = c.deposed.remove(&at) {
                        c.records.insert(addr.clone(), text);
                    }
                }
                Deposing::Gone => drop(c.deposed.remove(&at)),
            }
        }
        Ok(())
    }

    fn put_outputs(&self, outputs: &BTreeMap<Arc<str>, OutputRecord>) -> Result<(), Diagnostic> {
        let all = outputs.iter().map(|(n, o)| (n.clone(), codec::encode_output(o, &digest).to_string())).collect();
        let mut c = self.lock();
        c.serial += 1;
        c.outputs = all;
        Ok(())
    }

    fn remove(&self, addrs: &[InstanceAddr]) -> Result<(), Diagnostic> {
        self.finish(&addrs.iter().map(|a| Outcome { addr: a.clone(), record: None }).collect::<Vec<_>>())
    }

    fn mv(&self, moves: &[(InstanceAddr, InstanceAddr)]) -> Result<(), Diagnostic> {
        let mut c = self.lock();
        let names: BTreeMap<&InstanceAddr, &InstanceAddr> = moves.iter().map(|(f, t)| (f, t)).collect();
        let mut targets = BTreeSet::new();
        for (from, to) in moves {
            let holds = |a: &InstanceAddr| c.records.contains_key(a) || c.journal.contains_key(a);
            if !holds(from) {
                return Err(no_record(from));
            }
            if !targets.insert(to) || !names.contains_key(to) && holds(to) {
                return Err(Diagnostic::error(codes::OCCUPIED, format!("The state already holds {to}.")));
            }
        }
        c.serial += 1;
        let renamed = |text: &str, inner: Option<&str>| {
            let mut json = decoded(text);
            let record = match inner {
                Some(part) => &mut json[part],
                None => &mut json,
            };
            let new = |text: &str| Some(names.get(&text.parse::<InstanceAddr>().ok()?)?.to_string());
            if let Some(to) = record["address"].as_str().and_then(new) {
                record["address"] = to.into();
            }
            codec::rename_references(&mut record["attributes"], &new);
            for d in record.get_mut("dependencies").and_then(Json::as_array_mut).into_iter().flatten() {
                let block = d.as_str().and_then(|t| t.parse::<ResourceAddr>().ok());
                if let Some((_, to)) = names.iter().find(|(from, _)| Some(&from.resource) == block.as_ref()) {
                    *d = to.resource.to_string().into();
                }
            }
            json.to_string()
        };
        let at = |a: &InstanceAddr| names.get(a).map_or_else(|| a.clone(), |to| (*to).clone());
        c.records = c.records.iter().map(|(a, t)| (at(a), renamed(t, None))).collect();
        c.deposed = c.deposed.iter().map(|((a, k), t)| ((at(a), k.clone()), renamed(t, None))).collect();
        c.journal = c.journal.iter().map(|(a, t)| (at(a), renamed(t, Some("record")))).collect();
        Ok(())
    }

    fn export(&self, _: &mut dyn Write) -> Result<(), Diagnostic> {
        Ok(())
    }

    fn import(&self, _: &mut dyn BufRead) -> Result<(), Diagnostic> {
        Ok(())
    }

    fn close(&self) -> Result<(), Diagnostic> {
        Ok(())
    }
}
