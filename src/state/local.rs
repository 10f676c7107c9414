//! The local store: sled in a folder, one record per instance, a journal of operations in flight, and a history by generation.
//!
//! Everything is in one tree, so that one batch is atomic; the keys are laid out in [`super::history`]. A batch is on the disk before the call
//! that wrote it returns. sled lets one process in at a time, so a reader never opens the store itself: it copies the files while the gate
//! keeps the writer from starting a batch (milliseconds), and opens the copy. So `plan` needs no lock and works beside an apply. A writer
//! looks at a copy first too: a store that turns out to be damaged or newer is left exactly as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value as Json, json};
use sha2::Sha256;
use sled::{Batch, Db};

use super::files::{self, Copy, Gate, backup_path, damaged, io_error, sled_error};
use super::history::{
    DEPOSED, Entry, GENERATIONS, JOURNAL, META, Meta, OUTPUTS, RECORDS, generation_key, is_content, key, undo, undo_bytes, undo_prefix,
};
use super::{Deposing, Generation, InDoubt, Intent, KEEP_GENERATIONS, Outcome, OutputRecord, Record, Schemas, Snapshot, StateStore, codec};
use crate::addr::{InstanceAddr, ResourceAddr};
use crate::diag::Diagnostic;
use crate::diag::codes::state as codes;
use crate::schema::Schema;
use crate::value::{Repr, Value, json::to_json_text, ops};

/// The format that this program writes.
pub const FORMAT: u64 = 1;

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To look: never blocks a writer for longer than a copy of the files takes. Each call reads the store as it is then.
    Read,
    /// To change: the caller holds the [`super::LockGuard`].
    Write,
}

/// A store in a folder.
pub struct LocalStore {
    dir: PathBuf,
    access: Access,
    schemas: Arc<dyn Schemas>,
    key: OnceLock<[u8; 32]>,
    writer: Mutex<Option<Writer>>,
}

/// What only the writer has.
struct Writer {
    db: Db,
    /// Where to flush: sled's own flush leaves out the file's length and the disk's cache.
    file: File,
    gate: Gate,
    meta: Meta,
    /// The generation that changes belong to, once one has begun.
    generation: Option<Entry>,
    /// Why a batch was not written: memory and disk are no longer the same, so nothing more is written in this run.
    failed: Option<Diagnostic>,
}

/// Changes by key: `None` removes.
type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;
/// A key and what is stored under it.
type Pair = (Vec<u8>, Vec<u8>);
/// Content by key.
type Content = BTreeMap<Vec<u8>, Vec<u8>>;

impl LocalStore {
    /// Makes sure that the folder has a key, so that digests made from now on can be compared later.
    pub fn ensure_key(folder: &Path) -> Result<(), Diagnostic> {
        files::prepare_dir(folder)?;
        files::make_key(folder).map(drop)
    }

    /// Opens the store in a folder; a writer makes what is missing.
    ///
    /// Errors: no rights, no room, damage (nothing is touched then), a format newer than [`FORMAT`], a second writer.
    pub fn open(folder: &Path, access: Access, schemas: Arc<dyn Schemas>) -> Result<LocalStore, Diagnostic> {
        let (key, writer) = match access {
            Access::Read => (files::read_key(folder)?, None),
            Access::Write => {
                files::prepare_dir(folder)?;
                (Some(files::make_key(folder)?), Some(Writer::open(folder)?))
            }
        };
        let key = key.map_or_else(OnceLock::new, OnceLock::from);
        Ok(LocalStore { dir: folder.to_path_buf(), access, schemas, key, writer: Mutex::new(writer) })
    }

    fn writer(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `f` on the database as it is now, with the store's own entry; `None` where there is no store yet.
    fn reading<T>(&self, f: impl FnOnce(&Db, &Meta) -> Result<T, Diagnostic>) -> Result<Option<T>, Diagnostic> {
        if self.access == Access::Write {
            let guard = self.writer();
            let w = guard.as_ref().ok_or_else(closed)?;
            return f(&w.db, &w.meta).map(Some);
        }
        let Some(copy) = files::copy(&self.dir)? else { return Ok(None) };
        match checked(&self.dir, &copy)? {
            Some(meta) => f(&copy.db, &meta).map(Some),
            None => Ok(None),
        }
    }

    /// Everything under a prefix, without it.
    fn scan(&self, db: &Db, prefix: &[u8]) -> Result<Vec<Pair>, Diagnostic> {
        let all: Result<_, sled::Error> =
            db.scan_prefix(prefix).map(|r| r.map(|(k, v)| (k[prefix.len()..].to_vec(), v.to_vec()))).collect();
        all.map_err(|e| sled_error(&self.dir, &e))
    }

    /// Records and outputs; checks that none is missing.
    fn content(&self, db: &Db, meta: &Meta) -> Result<Content, Diagnostic> {
        let mut out = Content::new();
        for prefix in [RECORDS, DEPOSED, OUTPUTS] {
            out.extend(self.scan(db, prefix)?.into_iter().map(|(k, v)| ([prefix, &k].concat(), v)));
        }
        let found = out.keys().filter(|k| k.starts_with(RECORDS)).count() as u64;
        match found == meta.records {
            true => Ok(out),
            false => Err(damaged(&self.dir, &format!("it should hold {} records, and {found} can be read", meta.records))),
        }
    }

    fn decoded(&self, content: Content) -> Result<Snapshot, Diagnostic> {
        let mut out = Snapshot::default();
        for (key, bytes) in content {
            if key.starts_with(RECORDS) {
                let record = self.record(&bytes).filter(|r| r.addr.to_string().as_bytes() == &key[RECORDS.len()..]);
                let record = record.ok_or_else(|| codec::corrupt("A record"))?;
                out.records.insert(record.addr.clone(), Arc::new(record));
            } else if key.starts_with(DEPOSED) {
                let name = std::str::from_utf8(&key[DEPOSED.len()..]).ok().and_then(|n| n.rsplit_once(' '));
                let found = self.record(&bytes).zip(name).filter(|(r, (addr, _))| r.addr.to_string() == *addr);
                let (record, (_, own)) = found.ok_or_else(|| codec::corrupt("A deposed object"))?;
                out.deposed.insert((record.addr.clone(), own.into()), Arc::new(record));
            } else {
                let json: Option<Json> = serde_json::from_slice(&bytes).ok();
                let name = std::str::from_utf8(&key[OUTPUTS.len()..]).ok();
                let output = json.as_ref().and_then(codec::decode_output).zip(name);
                let (output, name) = output.ok_or_else(|| codec::corrupt("An output"))?;
                out.outputs.insert(name.into(), output);
            }
        }
        Ok(out)
    }

    fn schema(&self, addr: &InstanceAddr) -> Option<&'static Schema> {
        self.schemas.schema(&addr.resource)
    }

    fn record(&self, bytes: &[u8]) -> Option<Record> {
        let json: Json = serde_json::from_slice(bytes).ok()?;
        codec::decode_record(&json, &|a| self.schema(a))
    }

    fn doubt(&self, bytes: &[u8]) -> Option<InDoubt> {
        let json: Json = serde_json::from_slice(bytes).ok()?;
        codec::decode_intent(&json, &|a| self.schema(a))
    }

    /// The key of the digests. A reader of a store that does not exist yet makes it, so that a saved plan's digests hold when it is applied.
    fn key(&self) -> [u8; 32] {
        let make = || {
            let made = files::prepare_dir(&self.dir).and_then(|()| files::make_key(&self.dir)).or_else(|_| files::random_key());
            // Without randomness there is no digest that could be compared: every value counts as changed.
            made.unwrap_or_else(|_| std::array::from_fn(|i| uuid::Uuid::new_v4().as_bytes()[i % 16]))
        };
        *self.key.get_or_init(make)
    }

    fn commit(&self, changes: Changes) -> Result<(), Diagnostic> {
        let mut guard = self.writer();
        let w = guard.as_mut().ok_or_else(closed)?;
        w.commit(&self.dir, changes)
    }

    /// Writes the state as lines.
    fn write_export(&self, db: &Db, meta: &Meta, to: &mut dyn Write) -> Result<(), Diagnostic> {
        let failed = |e: std::io::Error| io_error(Path::new("the export"), &e);
        writeln!(to, "{}", head(meta)).map_err(failed)?;
        let mut content = self.content(db, meta)?;
        // Records first, then outputs.
        let records = content.split_off(RECORDS);
        let begun = self.scan(db, JOURNAL)?.into_iter().map(|(k, v)| ([JOURNAL, &k].concat(), v));
        for (key, bytes) in records.into_iter().chain(content).chain(begun) {
            let kind = KINDS.iter().find(|(_, prefix)| key.starts_with(prefix)).map_or("", |(kind, _)| kind);
            let value: Json = serde_json::from_slice(&bytes).map_err(|_| codec::corrupt("An entry"))?;
            writeln!(to, "{}", json!({"kind": kind, "name": String::from_utf8_lossy(&key[2..]), "value": value})).map_err(failed)?;
        }
        to.flush().map_err(failed)
    }

    /// Exports to `backup.jsonl`, unless the one that lies there is of this serial.
    fn back_up(&self) -> Result<(), Diagnostic> {
        let guard = self.writer();
        let Some(w) = guard.as_ref() else { return Ok(()) };
        if let Some(d) = &w.failed {
            return Err(d.clone());
        }
        let path = backup_path(&self.dir);
        let head = head(&w.meta).to_string();
        let first = File::open(&path).ok().and_then(|f| BufReader::new(f).lines().next()?.ok());
        if w.meta.serial == 0 || first.as_ref() == Some(&head) {
            return Ok(());
        }
        if let Some(old) = first.and_then(|line| read_head(&line, &self.dir).ok()).filter(|old| old.lineage != w.meta.lineage) {
            // Of a state that was here before: it may be all that is left of it.
            let aside = self.dir.join(format!("backup-{}.jsonl", old.lineage.replace('/', "_")));
            std::fs::rename(&path, &aside).map_err(|e| io_error(&aside, &e))?;
        }
        let file = tempfile::NamedTempFile::new_in(&self.dir).map_err(|e| io_error(&self.dir, &e))?;
        self.write_export(&w.db, &w.meta, &mut BufWriter::new(file.as_file()))?;
        file.persist(&path).map_err(|e| io_error(&path, &e.error))?;
        Ok(())
    }

    /// The changes that make the content what an export says, and the export's head.
    fn import_changes(&self, from: &mut dyn BufRead, present: Content) -> Result<(Changes, Head), Diagnostic> {
        let mut changes: Changes = present.into_keys().map(|k| (k, None)).collect();
        let mut lines = from.lines().enumerate();
        let head = match lines.next() {
            Some((_, Ok(line))) => read_head(&line, &self.dir)?,
            Some((_, Err(e))) => return Err(io_error(Path::new("the export"), &e)),
            None => return Err(codec::corrupt("The first line of the export")),
        };
        for (n, line) in lines {
            let bad = || codec::corrupt(&format!("Line {} of the export", n + 1));
            // Bytes that are no UTF-8 are damage of the file, not of the disk.
            let line =
                line.map_err(|e| if e.kind() == std::io::ErrorKind::InvalidData { bad() } else { io_error(Path::new("the export"), &e) })?;
            let (key, bytes) = self.import_line(&line).ok_or_else(bad)?;
            changes.insert(key, Some(bytes));
        }
        Ok((changes, head))
    }

    fn import_line(&self, line: &str) -> Option<Pair> {
        let json: Json = serde_json::from_str(line).ok()?;
        let (kind, name) = (json.get("kind")?.as_str()?, json.get("name")?.as_str()?);
        let bytes = serde_json::to_vec(json.get("value")?).ok()?;
        let addr = match kind {
            "record" => Some(self.record(&bytes)?.addr),
            "begun" => Some(self.doubt(&bytes)?.addr),
            "deposed" => {
                let addr = self.record(&bytes)?.addr.to_string();
                return name.rsplit_once(' ').is_some_and(|(a, _)| a == addr).then(|| (key(DEPOSED, name), bytes));
            }
            _ => codec::decode_output(json.get("value")?).map(|_| None)?,
        };
        let (_, prefix) = KINDS.iter().find(|(k, _)| *k == kind)?;
        addr.is_none_or(|a| a.to_string() == name).then(|| (key(prefix, name), bytes))
    }
}

/// The kinds of lines of an export, and where they belong.
const KINDS: [(&str, &[u8]); 4] = [("record", RECORDS), ("deposed", DEPOSED), ("output", OUTPUTS), ("begun", JOURNAL)];

/// What an export's first line says.
struct Head {
    lineage: String,
    serial: u64,
}

fn head(meta: &Meta) -> Json {
    json!({"format": meta.format, "lineage": meta.lineage, "serial": meta.serial})
}

fn read_head(line: &str, dir: &Path) -> Result<Head, Diagnostic> {
    let bad = || codec::corrupt("The first line of the export");
    let json: Json = serde_json::from_str(line).map_err(|_| bad())?;
    check_format(json.get("format").and_then(Json::as_u64).ok_or_else(bad)?, dir)?;
    let lineage = json.get("lineage").and_then(Json::as_str).ok_or_else(bad)?.to_string();
    Ok(Head { lineage, serial: json.get("serial").and_then(Json::as_u64).ok_or_else(bad)? })
}

fn closed() -> Diagnostic {
    Diagnostic::error(codes::NOT_WRITABLE, "The store is open for reading only, or closed.")
        .hint("This is a defect of streamform: report it.")
}

fn check_format(format: u64, folder: &Path) -> Result<(), Diagnostic> {
    if format <= FORMAT {
        return Ok(());
    }
    let detail = format!("The state for {} has format {format}; this version of streamform knows up to {FORMAT}.", folder.display());
    Err(Diagnostic::error(codes::NEWER_FORMAT, detail).hint("Use the newer streamform that wrote it."))
}

/// The store's own entry, if it is one that this program can use and no batch is lost; `None` for a store that was never written to.
fn checked(dir: &Path, copy: &Copy) -> Result<Option<Meta>, Diagnostic> {
    let Some(bytes) = copy.db.get(META).map_err(|e| sled_error(dir, &e))? else {
        return if copy.count == 0 { Ok(None) } else { Err(damaged(dir, "it was written to, and is empty")) };
    };
    // The format first: a newer one may have another shape.
    let json: Json = serde_json::from_slice(&bytes).map_err(|_| damaged(dir, "its own entry cannot be read"))?;
    check_format(json.get("format").and_then(Json::as_u64).unwrap_or(0), dir)?;
    let meta: Meta = serde_json::from_value(json).map_err(|_| damaged(dir, "its own entry cannot be read"))?;
    if meta.batches < copy.count {
        return Err(damaged(dir, &format!("{} of {} batches that were written are lost", copy.count - meta.batches, copy.count)));
    }
    Ok(Some(meta))
}

impl Writer {
    fn open(dir: &Path) -> Result<Writer, Diagnostic> {
        let gate = Gate::make(dir)?;
        let shut = gate.for_write()?;
        let found = match files::copy_shut(dir, &dir.join("db"), Some(&gate))? {
            Some(copy) => checked(dir, &copy)?,
            None => {
                // Whatever count a store that was moved away has left.
                gate.set_count(0)?;
                None
            }
        };
        let db = files::open_original(dir)?;
        let path = dir.join("db").join("db");
        let file = File::open(&path).map_err(|e| io_error(&path, &e))?;
        let fresh = found.is_none();
        let meta = found.unwrap_or_else(|| Meta {
            format: FORMAT,
            lineage: uuid::Uuid::new_v4().to_string(),
            serial: 0,
            generation: 0,
            records: 0,
            batches: 0,
        });
        drop(shut);
        let mut writer = Writer { db, file, gate, meta, generation: None, failed: None };
        if fresh {
            writer.write(dir, Batch::default(), writer.meta.clone())?;
            for folder in [&dir.join("db"), dir] {
                files::sync_dir(folder)?;
            }
        }
        Ok(writer)
    }

    /// Writes a batch with the store's own entry; on the disk when it returns. After a failure it only gives the same error again.
    fn write(&mut self, dir: &Path, batch: Batch, meta: Meta) -> Result<(), Diagnostic> {
        let written = match self.failed.take() {
            Some(d) => Err(d),
            None => self.try_write(dir, batch, meta),
        };
        self.failed = written.as_ref().err().cloned();
        written
    }

    fn try_write(&mut self, dir: &Path, mut batch: Batch, mut meta: Meta) -> Result<(), Diagnostic> {
        meta.batches += 1;
        batch.insert(META, serde_json::to_vec(&meta).map_err(|_| codec::corrupt("The store's own entry"))?);
        let shut = self.gate.for_write()?;
        self.db.apply_batch(batch).and_then(|()| self.db.flush()).map_err(|e| sled_error(dir, &e))?;
        self.file.sync_data().map_err(|e| io_error(&dir.join("db"), &e))?;
        self.gate.set_count(meta.batches)?;
        drop(shut);
        self.meta = meta;
        Ok(())
    }

    /// Applies changes as one batch, with what undoes them. Does nothing where nothing changes.
    fn commit(&mut self, dir: &Path, changes: Changes) -> Result<(), Diagnostic> {
        let error = |e: sled::Error| sled_error(dir, &e);
        let (mut batch, mut meta, mut any) = (Batch::default(), self.meta.clone(), false);
        let mut generation = self.generation.clone().unwrap_or_else(|| Entry::new(meta.generation + 1, "edit"));
        let undo_prefix = undo_prefix(generation.number);
        let mut content = false;
        for (key, after) in changes {
            let before = self.db.get(&key).map_err(error)?;
            if before.as_deref() == after.as_deref() {
                continue;
            }
            any = true;
            if is_content(&key) {
                content = true;
                let undo_key = [&undo_prefix[..], &key].concat();
                if !self.db.contains_key(&undo_key).map_err(error)? {
                    batch.insert(undo_key, undo_bytes(before.as_deref()));
                }
            }
            if key.starts_with(RECORDS) {
                generation.count(before.is_some(), after.is_some());
                meta.records = (meta.records + u64::from(after.is_some())).saturating_sub(u64::from(before.is_some()));
            }
            match after {
                Some(bytes) => batch.insert(key, bytes),
                None => batch.remove(key),
            }
        }
        if !any {
            return Ok(());
        }
        if content {
            meta.serial += 1;
            generation.serial = meta.serial;
            if meta.generation < generation.number {
                meta.generation = generation.number;
                self.prune(&mut batch, generation.number).map_err(error)?;
            }
            let bytes = serde_json::to_vec(&generation).map_err(|_| codec::corrupt("A generation"))?;
            batch.insert(generation_key(generation.number), bytes);
        }
        self.write(dir, batch, meta)?;
        if content {
            self.generation = Some(generation);
        }
        Ok(())
    }

    /// Drops what is needed only to go back further than the history reaches.
    fn prune(&self, batch: &mut Batch, newest: u64) -> Result<(), sled::Error> {
        let Some(oldest) = newest.checked_sub(KEEP_GENERATIONS) else { return Ok(()) };
        for key in self.db.range(generation_key(0)..=generation_key(oldest)).keys() {
            batch.remove(key?);
        }
        for key in self.db.range(undo_prefix(0)..undo_prefix(oldest + 1)).keys() {
            batch.remove(key?);
        }
        Ok(())
    }
}

impl StateStore for LocalStore {
    fn snapshot(&self) -> Result<Snapshot, Diagnostic> {
        let read = self.reading(|db, meta| Ok((self.content(db, meta)?, self.scan(db, JOURNAL)?, meta.clone())))?;
        let Some((content, begun, meta)) = read else { return Ok(Snapshot::default()) };
        let in_doubt =
            begun.iter().map(|(_, v)| self.doubt(v).ok_or_else(|| codec::corrupt("A journal entry"))).collect::<Result<_, _>>()?;
        Ok(Snapshot { lineage: meta.lineage, serial: meta.serial, in_doubt, ..self.decoded(content)? })
    }

    fn snapshot_at(&self, number: u64) -> Result<Snapshot, Diagnostic> {
        let read = self.reading(|db, meta| {
            if number > meta.generation || number + KEEP_GENERATIONS < meta.generation {
                let first = meta.generation.saturating_sub(KEEP_GENERATIONS);
                let detail = format!("The state's history has no generation {number}; it reaches from {first} to {}.", meta.generation);
                return Err(Diagnostic::error(codes::NO_GENERATION, detail).hint("streamform state history lists them."));
            }
            let mut content = self.content(db, meta)?;
            for n in (number + 1..=meta.generation).rev() {
                for (key, entry) in self.scan(db, &undo_prefix(n))? {
                    if !undo(&mut content, &key, &entry) {
                        return Err(codec::corrupt("An entry of the history"));
                    }
                }
            }
            let entry = db.get(generation_key(number)).map_err(|e| sled_error(&self.dir, &e))?;
            let entry: Option<Entry> = entry.and_then(|b| serde_json::from_slice(&b).ok());
            Ok((content, meta.lineage.clone(), entry.map_or(0, |e| e.serial)))
        })?;
        let Some((content, lineage, serial)) = read else { return Ok(Snapshot::default()) };
        Ok(Snapshot { lineage, serial, ..self.decoded(content)? })
    }

    fn history(&self) -> Result<Vec<Generation>, Diagnostic> {
        let entries = self.reading(|db, _| self.scan(db, GENERATIONS))?.unwrap_or_default();
        let parse = |bytes: &[u8]| serde_json::from_slice::<Entry>(bytes).map_err(|_| codec::corrupt("A generation"));
        entries.iter().map(|(_, v)| parse(v).map(Entry::public)).collect()
    }

    fn digest(&self, value: &Value) -> [u8; 32] {
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
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key()) else { return [0; 32] };
        mac.update(b"streamform value 1\n");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn begin_generation(&self, operation: &str) -> Result<u64, Diagnostic> {
        self.back_up()?;
        let mut guard = self.writer();
        let w = guard.as_mut().ok_or_else(closed)?;
        // It enters the history with its first change.
        let entry = Entry::new(w.meta.generation + 1, operation);
        let number = entry.number;
        w.generation = Some(entry);
        Ok(number)
    }

    fn begin(&self, intents: &[Intent]) -> Result<(), Diagnostic> {
        let line = |i: &Intent| {
            let json = codec::encode_intent(i.verb, &i.record, &i.ops, self.schema(&i.addr), &|v| self.digest(v));
            (key(JOURNAL, &i.addr.to_string()), Some(json.to_string().into_bytes()))
        };
        self.commit(intents.iter().map(line).collect())
    }

    fn finish(&self, outcomes: &[Outcome]) -> Result<(), Diagnostic> {
        let mut changes = Changes::new();
        for o in outcomes {
            let name = o.addr.to_string();
            let json = o.record.as_ref().map(|r| codec::encode_record(r, self.schema(&o.addr), &|v| self.digest(v)));
            changes.insert(key(RECORDS, &name), json.map(|j| j.to_string().into_bytes()));
            changes.insert(key(JOURNAL, &name), None);
        }
        self.commit(changes)
    }

    fn unbegin(&self, addrs: &[InstanceAddr]) -> Result<(), Diagnostic> {
        self.commit(addrs.iter().map(|a| (key(JOURNAL, &a.to_string()), None)).collect())
    }

    fn depose(&self, changes: &[(InstanceAddr, Arc<str>, Deposing)]) -> Result<(), Diagnostic> {
        let mut guard = self.writer();
        let w = guard.as_mut().ok_or_else(closed)?;
        let held = |k: &[u8]| w.db.get(k).map(|b| b.map(|b| b.to_vec())).map_err(|e| sled_error(&self.dir, &e));
        let mut out = Changes::new();
        for (addr, own, what) in changes {
            let (record, aside) = (key(RECORDS, &addr.to_string()), key(DEPOSED, &format!("{addr} {own}")));
            let (from, to) = match what {
                Deposing::Aside => (record, Some(aside)),
                Deposing::Back => (aside, Some(record)),
                Deposing::Gone => (aside, None),
            };
            if let (Some(bytes), Some(to)) = (held(&from)?, to) {
                out.insert(to, Some(bytes));
            }
            out.insert(from, None);
            if *what == Deposing::Back {
                out.insert(key(JOURNAL, &addr.to_string()), None);
            }
        }
        w.commit(&self.dir, out)
    }

    fn put_outputs(&self, outputs: &BTreeMap<Arc<str>, OutputRecord>) -> Result<(), Diagnostic> {
        let present = self.reading(|db, _| self.scan(db, OUTPUTS))?.unwrap_or_default();
        let mut changes: Changes = present.into_iter().map(|(k, _)| ([OUTPUTS, &k].concat(), None)).collect();
        for (name, o) in outputs {
            let json = codec::encode_output(o, &|v| self.digest(v));
            changes.insert(key(OUTPUTS, name), Some(json.to_string().into_bytes()));
        }
        self.commit(changes)
    }

    fn remove(&self, addrs: &[InstanceAddr]) -> Result<(), Diagnostic> {
        let outcomes: Vec<Outcome> = addrs.iter().map(|a| Outcome { addr: a.clone(), record: None }).collect();
        self.finish(&outcomes)
    }

    fn mv(&self, moves: &[(InstanceAddr, InstanceAddr)]) -> Result<(), Diagnostic> {
        let mut guard = self.writer();
        let w = guard.as_mut().ok_or_else(closed)?;
        let names: BTreeMap<&InstanceAddr, &InstanceAddr> = moves.iter().map(|(f, t)| (f, t)).collect();
        let there = |k: Vec<u8>| w.db.contains_key(k).map_err(|e| sled_error(&self.dir, &e));
        // An operation in doubt may be all that is known of an object.
        let holds = |a: &InstanceAddr| Ok::<_, Diagnostic>(there(key(RECORDS, &a.to_string()))? || there(key(JOURNAL, &a.to_string()))?);
        let mut targets = BTreeSet::new();
        for (from, to) in moves {
            if !holds(from)? {
                let d = Diagnostic::error(codes::NO_RECORD, format!("The state does not hold {from}."));
                return Err(d.hint("streamform state list shows what it holds."));
            }
            if !targets.insert(to) || !names.contains_key(to) && holds(to)? {
                let d = Diagnostic::error(codes::OCCUPIED, format!("The state already holds {to}."));
                return Err(d.hint("Move or remove that one first."));
            }
        }
        let (mut gone, mut made) = (Changes::new(), Changes::new());
        for (prefix, inner) in [(RECORDS, None), (DEPOSED, None), (JOURNAL, Some("record"))] {
            for (name, bytes) in self.scan(&w.db, prefix)? {
                let Some((mut new_name, bytes)) = renamed(&bytes, inner, &names)? else { continue };
                if let (DEPOSED, Some(at)) = (prefix, name.iter().rposition(|b| *b == b' ')) {
                    new_name.push_str(&String::from_utf8_lossy(&name[at..]));
                }
                gone.insert([prefix, &name].concat(), None);
                made.insert(key(prefix, &new_name), Some(bytes));
            }
        }
        gone.extend(made);
        w.commit(&self.dir, gone)
    }

    fn export(&self, to: &mut dyn Write) -> Result<(), Diagnostic> {
        let written = self.reading(|db, meta| self.write_export(db, meta, to))?;
        written.ok_or_else(|| {
            let d = Diagnostic::error(codes::NO_STATE, format!("There is no state in {} yet.", self.dir.display()));
            d.hint("The first apply makes it.")
        })
    }

    fn import(&self, from: &mut dyn BufRead) -> Result<(), Diagnostic> {
        let present = self.reading(|db, meta| {
            let mut all = self.content(db, meta)?;
            all.extend(self.scan(db, JOURNAL)?.into_iter().map(|(k, v)| ([JOURNAL, &k].concat(), v)));
            Ok(all)
        })?;
        let (changes, head) = self.import_changes(from, present.unwrap_or_default())?;
        let mut guard = self.writer();
        let w = guard.as_mut().ok_or_else(closed)?;
        if w.meta.lineage != head.lineage && w.meta.serial > 0 {
            let d =
                Diagnostic::error(codes::OTHER_LINEAGE, "The export is of another state: its lineage differs, and this one is not new.");
            return Err(d.hint(format!("To replace this state for good, move {} away first.", self.dir.join("db").display())));
        }
        // A serial is never used twice for different contents.
        w.meta.serial = w.meta.serial.max(head.serial);
        w.meta.lineage = head.lineage;
        w.commit(&self.dir, changes)
    }

    fn close(&self) -> Result<(), Diagnostic> {
        // What could not be written stays as it is on the disk; the last backup is of what was there before.
        let backed_up = self.back_up();
        let Some(w) = self.writer().take() else { return Ok(()) };
        if w.failed.is_some() {
            return backed_up;
        }
        backed_up?;
        let shut = w.gate.for_write()?;
        w.db.flush().map_err(|e| sled_error(&self.dir, &e))?;
        // sled writes a little more when the last handle goes.
        drop(w.db);
        drop(shut);
        files::restrict(&self.dir.join("db"));
        Ok(())
    }
}

/// A stored record (or the one in the entry's part `inner`) after objects were renamed: its own address and what it refers to. `None` where
/// nothing changes.
fn renamed(
    bytes: &[u8],
    inner: Option<&str>,
    names: &BTreeMap<&InstanceAddr, &InstanceAddr>,
) -> Result<Option<(String, Vec<u8>)>, Diagnostic> {
    let bad = || codec::corrupt("A record");
    let mut json: Json = serde_json::from_slice(bytes).map_err(|_| bad())?;
    let record = match inner {
        Some(part) => json.get_mut(part),
        None => Some(&mut json),
    }
    .ok_or_else(bad)?;
    let new_name = |text: &str| Some(names.get(&text.parse::<InstanceAddr>().ok()?)?.to_string());
    let old = record.get("address").and_then(Json::as_str).ok_or_else(bad)?.to_string();
    let moved = new_name(&old);
    let mut any = moved.is_some();
    let name = moved.unwrap_or(old);
    record["address"] = name.as_str().into();
    any |= codec::rename_references(&mut record["attributes"], &new_name);
    let new_block = |text: &str| {
        let block: ResourceAddr = text.parse().ok()?;
        names.iter().find(|(from, _)| from.resource == block).map(|(_, to)| to.resource.to_string()).filter(|to| to != text)
    };
    for d in record.get_mut("dependencies").and_then(Json::as_array_mut).into_iter().flatten() {
        if let Some(to) = d.as_str().and_then(new_block) {
            *d = to.into();
            any = true;
        }
    }
    let bytes = serde_json::to_vec(&json).map_err(|_| bad())?;
    Ok(any.then_some((name, bytes)))
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
