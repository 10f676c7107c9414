//! The ledger: one configuration's state over a [`Backend`].
//!
//! It knows what a change means: which keys it touches, what undoes it, what the journal holds, how many records there must be. A writer keeps
//! the content in memory and commits batches on the revision that it knows; a reader loads the content for each question. What must not be
//! here: files, and what a resource type means by its attributes.

mod changes;
mod layout;
mod transfer;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Write};
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use tokio::sync::{Mutex, MutexGuard};

use self::changes::Next;
use self::layout::{
    DEPOSED, Entry, JOURNAL, META, Meta, OUTPUTS, RECORDS, generation_key, is_content, journal_name, journal_of, key, op_key, under, undo,
    undo_prefix,
};
use super::backend::{Backend, Changes, Content, GENERATIONS, Held, Loaded, Lost, Revision, closed, conflict, is_history, lock_lost};
use super::model::{Deposing, Generation, InDoubt, Intent, KEEP_GENERATIONS, Outcome, OutputRecord, Record, Schemas, Snapshot, Unreadable};
use super::{codec, upgrade};
use crate::addr::InstanceAddr;
use crate::diag::Diagnostic;
use crate::diag::codes::state as codes;
use crate::op::Op;
use crate::schema::Schema;
use crate::value::{Repr, Value, json::to_json_text, ops};

/// What a state is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To look: takes no lock and never keeps a writer waiting. Each call reads the state as it is then.
    Read,
    /// To change: the caller holds the lock.
    Write,
}

/// One configuration's state. Methods that write are durable when they return. After one has failed, all further ones give the same error.
///
/// Every change belongs to a generation; where none was begun since the ledger was opened, the first change begins one called `edit`.
pub struct Ledger {
    backend: Arc<dyn Backend>,
    access: Access,
    schemas: Arc<dyn Schemas>,
    key: [u8; 32],
    fence: u64,
    lost: Option<Lost>,
    writer: Mutex<Option<Writer>>,
}

/// What only a writer has.
struct Writer {
    revision: Revision,
    content: Content,
    meta: Meta,
    /// The generation that changes belong to, once one has begun.
    generation: Option<Entry>,
    /// The keys whose former content this generation has written down.
    undone: BTreeSet<Vec<u8>>,
    /// Why a batch was not written: nothing more is written then.
    failed: Option<Diagnostic>,
}

impl Ledger {
    /// Makes sure that the store has a key, so that digests made from now on can be compared later.
    pub async fn ensure_key(backend: &dyn Backend) -> Result<(), Diagnostic> {
        backend.key(true).await.map(drop)
    }

    /// Opens the state that a backend keeps. A writer makes what is missing, and brings an older format to the present one.
    ///
    /// # Errors
    /// No rights, no room, damage (nothing is touched then), a format newer than [`upgrade::FORMAT`], a second writer.
    pub async fn open(backend: Arc<dyn Backend>, access: Access, schemas: Arc<dyn Schemas>) -> Result<Ledger, Diagnostic> {
        let write = access == Access::Write;
        let key = match backend.key(write).await? {
            Some(key) => key,
            // Digests of a store that does not exist yet are compared within this process only.
            None => random_key()?,
        };
        let ledger = Ledger { backend, access, schemas, key, fence: 0, lost: None, writer: Mutex::new(None) };
        if write {
            ledger.backend.open(upgrade::check_head).await?;
        }
        Ok(ledger)
    }

    /// The same for the holder of a lock: its commits carry the lock's fence, and end when the lock is lost.
    pub fn fenced(self, held: &Held) -> Ledger {
        Ledger { fence: held.fence(), lost: Some(held.lost()), ..self }
    }

    /// Fails when the lock that the commits are made under is lost: nothing can be recorded any more.
    ///
    /// # Errors
    /// [`codes::LOCK_LOST`].
    pub fn holds_lock(&self) -> Result<(), Diagnostic> {
        if self.lost.as_ref().is_some_and(Lost::now) { Err(lock_lost()) } else { Ok(()) }
    }

    /// The writer's part, loaded with its first use.
    async fn writer(&self) -> Result<MutexGuard<'_, Option<Writer>>, Diagnostic> {
        let mut guard = self.writer.lock().await;
        if self.access == Access::Read {
            return Err(closed());
        }
        if guard.is_none() {
            *guard = Some(self.begin_writing().await?);
        }
        Ok(guard)
    }

    async fn begin_writing(&self) -> Result<Writer, Diagnostic> {
        let Loaded { revision, content } = self.backend.load().await?.unwrap_or_default();
        let head = content.get(META).map(|head| upgrade::check_head(head).map(|()| Meta::of(&content))).transpose()?;
        let meta = match head {
            Some(Some(meta)) => meta,
            Some(None) => return Err(codec::corrupt("The store's own entry")),
            None if content.is_empty() => Meta { format: 0, ..Meta::new() },
            None => return Err(codec::corrupt_state("it has no entry of its own")),
        };
        changes::check(&content, &meta)?;
        let mut writer = Writer { revision, content, meta, generation: None, undone: BTreeSet::new(), failed: None };
        if writer.meta.format < upgrade::FORMAT {
            // New, or of an older format: what differs there is left out where it is empty.
            let meta = Meta { format: upgrade::FORMAT, ..writer.meta.clone() };
            let changes = [(META.to_vec(), Some(changes::meta_bytes(&meta)?))].into();
            let batch = super::backend::Batch { changes, prune: None };
            self.write(&mut writer, Next { batch, meta, generation: None }).await?;
        }
        Ok(writer)
    }

    /// Makes a batch durable, and then true here.
    async fn write(&self, w: &mut Writer, next: Next) -> Result<(), Diagnostic> {
        if let Some(d) = &w.failed {
            return Err(d.clone());
        }
        let written = match self.holds_lock() {
            Ok(()) => self.backend.commit(w.revision, self.fence, next.batch.clone()).await,
            lost => lost.map(|()| w.revision),
        };
        match written {
            Ok(revision) => w.revision = revision,
            Err(d) => {
                w.failed = Some(d.clone());
                return Err(d);
            }
        }
        for (key, value) in next.batch.changes {
            if is_history(&key) {
                continue;
            }
            if is_content(&key) && next.generation.is_some() {
                w.undone.insert(key.clone());
            }
            match value {
                Some(v) => drop(w.content.insert(key, v)),
                None => drop(w.content.remove(&key)),
            }
        }
        w.meta = next.meta;
        if next.generation.is_some() {
            w.generation = next.generation;
        }
        Ok(())
    }

    async fn commit(&self, w: &mut Writer, changes: Changes) -> Result<(), Diagnostic> {
        if let Some(d) = &w.failed {
            return Err(d.clone());
        }
        let entry = w.generation.clone().unwrap_or_else(|| Entry::new(w.meta.generation + 1, "edit"));
        match changes::next(&w.content, &w.meta, &entry, &w.undone, changes)? {
            Some(next) => self.write(w, next).await,
            None => Ok(()),
        }
    }

    /// Makes the changes that `f` derives from the present content.
    async fn change(&self, f: impl FnOnce(&Content) -> Result<Changes, Diagnostic>) -> Result<(), Diagnostic> {
        let mut guard = self.writer().await?;
        let w = guard.as_mut().ok_or_else(closed)?;
        let changes = f(&w.content)?;
        self.commit(w, changes).await
    }

    /// Runs `f` on the content as it is now; `None` where there is no store yet.
    async fn reading<T>(&self, f: impl FnOnce(&Content, &Meta, Revision) -> Result<T, Diagnostic>) -> Result<Option<T>, Diagnostic> {
        if self.access == Access::Write {
            let guard = self.writer().await?;
            let w = guard.as_ref().ok_or_else(closed)?;
            return f(&w.content, &w.meta, w.revision).map(Some);
        }
        let Some(Loaded { revision, content }) = self.backend.load().await? else { return Ok(None) };
        upgrade::check_head(content.get(META).ok_or_else(|| codec::corrupt_state("it has no entry of its own"))?)?;
        let meta = Meta::of(&content).ok_or_else(|| codec::corrupt("The store's own entry"))?;
        changes::check(&content, &meta)?;
        f(&content, &meta, revision).map(Some)
    }

    /// Everything, read at one moment. In a store that does not exist yet: empty, with an empty lineage.
    pub async fn snapshot(&self) -> Result<Snapshot, Diagnostic> {
        let read = |content: &Content, meta: &Meta, revision| {
            let mut out = Snapshot { lineage: meta.lineage.clone(), serial: meta.serial, revision, ..self.decoded(content)? };
            self.read_journal(content, &mut out)?;
            Ok(out)
        };
        Ok(self.reading(read).await?.unwrap_or_default())
    }

    /// Whether another run wrote to the state, or to its journal, since the snapshot was read.
    pub async fn has_moved(&self, since: &Snapshot) -> Result<bool, Diagnostic> {
        let now = self.reading(|_, _, revision| Ok(revision)).await?;
        Ok(now.unwrap_or_default() != since.revision)
    }

    /// The addresses of all records, and of deposed objects with their keys, in order. It reads no record, so it is fast, and works for types
    /// that this program does not know.
    pub async fn addresses(&self) -> Result<Vec<(InstanceAddr, Option<Arc<str>>)>, Diagnostic> {
        let read = |content: &Content, _: &Meta, _| {
            let text = |name: &[u8]| std::str::from_utf8(name).ok().map(str::to_string);
            let record = |(name, _)| Some((text(name)?.parse().ok()?, None));
            let deposed = |(name, _)| {
                let text = text(name)?;
                let (addr, own) = text.rsplit_once(' ')?;
                Some((addr.parse().ok()?, Some(Arc::from(own))))
            };
            let all = under(content, RECORDS).map(record).chain(under(content, DEPOSED).map(deposed));
            let mut out = all.collect::<Option<Vec<_>>>().ok_or_else(|| codec::corrupt("An address"))?;
            out.sort();
            Ok(out)
        };
        Ok(self.reading(read).await?.unwrap_or_default())
    }

    /// The state as it was after the generation `number` (0 = before the first), without steps in doubt.
    pub async fn snapshot_at(&self, number: u64) -> Result<Snapshot, Diagnostic> {
        let read = |content: &Content, meta: &Meta, revision| Ok((content.clone(), meta.clone(), revision));
        // Content and history must be of one revision: a writer may be at work.
        for _ in 0..20 {
            let Some((mut content, meta, at)) = self.reading(read).await? else { return Ok(Snapshot::default()) };
            if number > meta.generation || number + KEEP_GENERATIONS < meta.generation {
                let first = meta.generation.saturating_sub(KEEP_GENERATIONS);
                let detail = format!("The state's history has no generation {number}; it reaches from {first} to {}.", meta.generation);
                return Err(Diagnostic::error(codes::NO_GENERATION, detail).hint("streamform state history lists them."));
            }
            let history = self.backend.generations(Some(number)).await?.unwrap_or_default();
            if history.revision != at {
                continue;
            }
            for n in (number + 1..=meta.generation).rev() {
                for (key, entry) in under(&history.content, &undo_prefix(n)) {
                    if !undo(&mut content, key, entry) {
                        return Err(codec::corrupt("An entry of the history"));
                    }
                }
            }
            let entry: Option<Entry> = history.content.get(&generation_key(number)).and_then(|b| serde_json::from_slice(b).ok());
            let serial = entry.map_or(0, |e| e.serial);
            return Ok(Snapshot { lineage: meta.lineage, serial, ..self.decoded(&content)? });
        }
        Err(conflict())
    }

    /// The generations that are kept (the last [`KEEP_GENERATIONS`]), oldest first.
    pub async fn history(&self) -> Result<Vec<Generation>, Diagnostic> {
        let history = self.backend.generations(None).await?.unwrap_or_default();
        let parse = |bytes: &[u8]| serde_json::from_slice::<Entry>(bytes).map_err(|_| codec::corrupt("A generation"));
        under(&history.content, GENERATIONS).map(|(_, v)| parse(v).map(Entry::public)).collect()
    }

    /// The keyed digest of a value's content, its own marks aside; of a value read back as a digest, that digest. It depends on the
    /// store's key and is comparable with `Refinement::digest` of what [`Ledger::snapshot`] returns.
    pub fn digest(&self, value: &Value) -> [u8; 32] {
        if let Repr::Unknown(u) = value.repr()
            && let Some(d) = u.refinement.digest
        {
            return d;
        }
        let text = to_json_text(value).unwrap_or_else(|| {
            // Parts are unknown: those that are digests count as such.
            let open = ops::unmark_deep(value);
            codec::encode(&open, &open.ty(), &|_| [0; 32]).to_string()
        });
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return [0; 32] };
        mac.update(b"streamform value 1\n");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Begins a generation and returns its number. To be called once per apply, before the first [`Ledger::begin`].
    pub async fn begin_generation(&self, operation: &str) -> Result<u64, Diagnostic> {
        self.begin_generation_of(operation, None).await
    }

    /// The same for a run that carries out a saved plan, by its id.
    pub async fn begin_generation_of(&self, operation: &str, plan: Option<&str>) -> Result<u64, Diagnostic> {
        let mut guard = self.writer().await?;
        let w = guard.as_mut().ok_or_else(closed)?;
        self.back_up(w).await?;
        // It enters the history with its first change.
        let entry = Entry { plan: plan.map(str::to_string), ..Entry::new(w.meta.generation + 1, operation) };
        let number = entry.number;
        (w.generation, w.undone) = (Some(entry), BTreeSet::new());
        Ok(number)
    }

    /// Writes that these steps begin, each with all its operations; durable on return, in one flush. A second begin of an address replaces the
    /// first.
    ///
    /// # Errors
    /// Beside those of writing: a value that nests too deeply to be recorded later.
    pub async fn begin(&self, intents: &[Intent]) -> Result<(), Diagnostic> {
        for i in intents {
            codec::check_depth(&i.record.attributes, &i.addr.to_string()).map_err(|d| d.on(&i.addr))?;
        }
        self.change(|content| {
            let mut out = Changes::new();
            for i in intents {
                let name = i.addr.to_string();
                out.extend(journal_of(content, &name).into_iter().map(|k| (k, None)));
                let json = codec::with_room(i.record.attributes.levels(), || {
                    codec::encode_intent(i.verb, &i.record, &i.ops, self.schema(&i.addr), &|v| self.digest(v)).to_string()
                });
                out.insert(key(JOURNAL, &name), Some(json.into_bytes()));
            }
            Ok(out)
        })
        .await
    }

    /// Writes that an operation of a begun step begins, by its index in the step's list. For operations that cannot be repeated; the others
    /// begin with their step.
    ///
    /// # Errors
    /// Beside those of writing: no step was begun at this address, or it has no such operation.
    pub async fn begin_op(&self, addr: &InstanceAddr, index: usize) -> Result<(), Diagnostic> {
        let none = || {
            let d = Diagnostic::error(codes::NO_RECORD, format!("No step of {addr} with an operation {index} was begun."));
            d.on(addr).hint("This is a defect of streamform: report it.")
        };
        self.change(|content| {
            let name = addr.to_string();
            let step = content.get(&key(JOURNAL, &name)).ok_or_else(none)?;
            let op = codec::read(step, |j| j.get("ops")?.get(index).cloned()).ok_or_else(none)?;
            let bytes = json!({ "op": op }).to_string().into_bytes();
            Ok([(op_key(&name, index), Some(bytes))].into())
        })
        .await
    }

    /// Writes that an operation has ended. Its step goes on.
    pub async fn end_op(&self, addr: &InstanceAddr, index: usize) -> Result<(), Diagnostic> {
        self.change(|_| Ok([(op_key(&addr.to_string(), index), None)].into())).await
    }

    /// Writes what became of steps: their journal entries go, records are replaced or removed, atomically, in one flush.
    pub async fn finish(&self, outcomes: &[Outcome]) -> Result<(), Diagnostic> {
        for r in outcomes.iter().filter_map(|o| o.record.as_ref()) {
            codec::check_depth(&r.attributes, &r.addr.to_string()).map_err(|d| d.on(&r.addr))?;
        }
        self.change(|content| {
            let mut out = Changes::new();
            for o in outcomes {
                let name = o.addr.to_string();
                let bytes = |r: &Record| {
                    let encode = || codec::encode_record(r, self.schema(&o.addr), &|v| self.digest(v)).to_string().into_bytes();
                    codec::with_room(r.attributes.levels(), encode)
                };
                out.insert(key(RECORDS, &name), o.record.as_ref().map(bytes));
                out.extend(journal_of(content, &name).into_iter().map(|k| (k, None)));
            }
            Ok(out)
        })
        .await
    }

    /// Takes begin records back: nothing was done. What the records say stays.
    pub async fn unbegin(&self, addrs: &[InstanceAddr]) -> Result<(), Diagnostic> {
        self.change(|content| Ok(addrs.iter().flat_map(|a| journal_of(content, &a.to_string())).map(|k| (k, None)).collect())).await
    }

    /// Sets objects aside, puts them back or drops them, atomically, in one flush. The key tells the deposed objects of one address apart.
    pub async fn depose(&self, changes: &[(InstanceAddr, Arc<str>, Deposing)]) -> Result<(), Diagnostic> {
        self.change(|content| {
            let mut out = Changes::new();
            for (addr, own, what) in changes {
                let name = addr.to_string();
                let (record, aside) = (key(RECORDS, &name), key(DEPOSED, &format!("{name} {own}")));
                let (from, to) = match what {
                    Deposing::Aside => (record, Some(aside)),
                    Deposing::Back => (aside, Some(record)),
                    Deposing::Gone => (aside, None),
                };
                if let (Some(bytes), Some(to)) = (content.get(&from), to) {
                    out.insert(to, Some(bytes.clone()));
                }
                out.insert(from, None);
                if *what == Deposing::Back {
                    out.extend(journal_of(content, &name).into_iter().map(|k| (k, None)));
                }
            }
            Ok(out)
        })
        .await
    }

    /// Replaces all root outputs.
    pub async fn put_outputs(&self, outputs: &BTreeMap<Arc<str>, OutputRecord>) -> Result<(), Diagnostic> {
        for (name, o) in outputs {
            codec::check_depth(&o.value, &format!("the output {name:?}"))?;
        }
        self.change(|content| {
            let mut out: Changes = under(content, OUTPUTS).map(|(k, _)| ([OUTPUTS, k].concat(), None)).collect();
            for (name, o) in outputs {
                let encode = || codec::encode_output(o, &|v| self.digest(v)).to_string().into_bytes();
                out.insert(key(OUTPUTS, name), Some(codec::with_room(o.value.levels(), encode)));
            }
            Ok(out)
        })
        .await
    }

    /// Forgets records (and journal entries, but not deposed objects) without touching the real objects. Absent ones are no error.
    pub async fn remove(&self, addrs: &[InstanceAddr]) -> Result<(), Diagnostic> {
        let outcomes: Vec<Outcome> = addrs.iter().map(|a| Outcome { addr: a.clone(), record: None }).collect();
        self.finish(&outcomes).await
    }

    /// Renames objects with all that the state holds of them, atomically and as if at one time (a swap is possible). An object of which the
    /// state holds a journal entry only is moved too. A source that is absent or a target that stays occupied is an error, and nothing is
    /// changed.
    pub async fn mv(&self, moves: &[(InstanceAddr, InstanceAddr)]) -> Result<(), Diagnostic> {
        self.change(|content| changes::moves(content, moves)).await
    }

    /// Writes the whole state as JSON lines: the form of backups. Never holds a secret.
    pub async fn export(&self, to: &mut (dyn Write + Send)) -> Result<(), Diagnostic> {
        let written = self.reading(|content, meta, _| transfer::write(content, meta, to)).await?;
        written.ok_or_else(|| Diagnostic::error(codes::NO_STATE, "There is no state yet.").hint("The first apply makes it."))
    }

    /// Replaces the whole state by an export, as one generation. Refuses a format that is newer than this program.
    pub async fn import(&self, from: &mut (dyn BufRead + Send)) -> Result<(), Diagnostic> {
        let mut guard = self.writer().await?;
        let w = guard.as_mut().ok_or_else(closed)?;
        let (changes, head) = transfer::read(from, &w.content, &*self.schemas)?;
        if w.meta.lineage != head.lineage && w.meta.serial > 0 {
            return Err(transfer::other_lineage());
        }
        // A serial is never used twice for different contents.
        w.meta.serial = w.meta.serial.max(head.serial);
        w.meta.lineage = head.lineage;
        self.commit(w, changes).await
    }

    /// Keeps a backup and lets go of the store. Later calls fail.
    pub async fn close(&self) -> Result<(), Diagnostic> {
        let mut guard = self.writer.lock().await;
        // What could not be written stays as it is; the last backup is of what was there before.
        let kept = match guard.as_ref() {
            Some(w) => self.back_up(w).await,
            None => Ok(()),
        };
        *guard = None;
        let ended = self.backend.close().await;
        kept.and(ended)
    }

    /// Keeps an export beside the store, unless the last one is of this serial.
    async fn back_up(&self, w: &Writer) -> Result<(), Diagnostic> {
        if let Some(d) = &w.failed {
            return Err(d.clone());
        }
        let Some(backups) = self.backend.backups() else { return Ok(()) };
        let first = backups.head().await;
        if w.meta.serial == 0 || first.as_ref() == Some(&transfer::head(&w.meta).to_string()) {
            return Ok(());
        }
        // One of a state that was here before may be all that is left of it.
        let old = first.and_then(|line| transfer::read_head(&line).ok()).map(|h| h.lineage).filter(|l| *l != w.meta.lineage);
        let mut text = Vec::new();
        transfer::write(&w.content, &w.meta, &mut text)?;
        backups.keep(text, old).await
    }

    fn schema(&self, addr: &InstanceAddr) -> Option<&'static Schema> {
        self.schemas.schema(&addr.resource)
    }

    /// Records, what was set aside, outputs.
    fn decoded(&self, content: &Content) -> Result<Snapshot, Diagnostic> {
        let mut out = Snapshot::default();
        for (name, bytes) in under(content, RECORDS) {
            match codec::read(bytes, |j| upgrade::record(j, &*self.schemas)).ok_or_else(|| codec::corrupt("A record"))? {
                Ok(r) if r.addr.to_string().as_bytes() == name => drop(out.records.insert(r.addr.clone(), Arc::new(r))),
                Ok(_) => return Err(codec::corrupt("A record")),
                Err((addr, diagnostic)) => out.unreadable.push(Unreadable { addr, deposed: None, diagnostic }),
            }
        }
        for (name, bytes) in under(content, DEPOSED) {
            let bad = || codec::corrupt("A deposed object");
            let (at, own) = std::str::from_utf8(name).ok().and_then(|n| n.rsplit_once(' ')).ok_or_else(bad)?;
            match codec::read(bytes, |j| upgrade::record(j, &*self.schemas)).ok_or_else(bad)? {
                Ok(r) if r.addr.to_string() == at => drop(out.deposed.insert((r.addr.clone(), own.into()), Arc::new(r))),
                Ok(_) => return Err(bad()),
                Err((addr, diagnostic)) => out.unreadable.push(Unreadable { addr, deposed: Some(own.into()), diagnostic }),
            }
        }
        for (name, bytes) in under(content, OUTPUTS) {
            let name = std::str::from_utf8(name).ok();
            let (output, name) = codec::read(bytes, codec::decode_output).zip(name).ok_or_else(|| codec::corrupt("An output"))?;
            out.outputs.insert(name.into(), output);
        }
        Ok(out)
    }

    /// Steps in doubt, each with those of its operations that have begun and not ended.
    fn read_journal(&self, content: &Content, out: &mut Snapshot) -> Result<(), Diagnostic> {
        for (name, bytes) in under(content, JOURNAL) {
            let bad = || codec::corrupt("A journal entry");
            let name = std::str::from_utf8(name).map_err(|_| bad())?;
            let (addr, index) = journal_name(name);
            if index.is_some() {
                continue;
            }
            match codec::read(bytes, |j| codec::decode_intent(j, |r| upgrade::record(r, &*self.schemas))).ok_or_else(bad)? {
                Ok(doubt) if doubt.addr.to_string() == addr => {
                    let begun = |i: usize, op: &Op| !op.once || content.contains_key(&op_key(addr, i));
                    let ops = doubt.ops.into_iter().enumerate().filter(|(i, op)| begun(*i, op)).map(|(_, op)| op).collect();
                    out.in_doubt.push(InDoubt { ops, ..doubt });
                }
                Ok(_) => return Err(bad()),
                Err((addr, diagnostic)) => out.unreadable.push(Unreadable { addr, deposed: None, diagnostic }),
            }
        }
        Ok(())
    }
}

fn random_key() -> Result<[u8; 32], Diagnostic> {
    super::backend::random_key()
}

#[cfg(test)]
mod tests;
