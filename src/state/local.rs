//! The local store: sled in a folder, one record per instance, a journal of operations in flight, and a history by generation.
//!
//! Everything is in one tree under prefixed keys, so that one batch is atomic: `m/` what the store is, `r/ADDRESS` records, `j/ADDRESS` begun
//! operations, `o/NAME` outputs, `h/GENERATION` the history, `v/ADDRESS\0GENERATION` older versions of records. A writer flushes before it returns.
//!
//! sled lets one process in at a time, and mends what it opens. So a reader takes everything into memory from a copy of the files, which sled
//! recovers to the last flushed batch: `plan` needs no lock. The file `head` holds the serial, by which damage is told from an older state.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value as Json, json};
use sha2::Sha256;
use sled::{Batch, Db};

use super::{Generation, InDoubt, Intent, KEEP_GENERATIONS, Outcome, OutputRecord, Record, Schemas, Snapshot, StateStore, codec};
use crate::addr::{InstanceAddr, ResourceAddr};
use crate::diag::Diagnostic;
use crate::diag::codes::state as codes;
use crate::schema::Schema;
use crate::value::{Repr, Value, json::to_json_text, ops};

/// The format that this program writes.
pub const FORMAT: u64 = 1;

/// How long a writer waits for a reader to let go.
const OPEN_PATIENCE: Duration = Duration::from_secs(10);

/// A key and what is stored under it.
type Entry = (Vec<u8>, Vec<u8>);

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To look: never blocks a writer and is never blocked by one.
    Read,
    /// To change: the caller holds the lock.
    Write,
}

/// A store in a folder.
pub struct LocalStore {
    dir: PathBuf,
    db: Mutex<Option<Db>>,
    /// What a reader read.
    frozen: Option<BTreeMap<Vec<u8>, Vec<u8>>>,
    key: [u8; 32],
    /// Where a writer notes the serial.
    head: Option<std::fs::File>,
    schemas: Arc<dyn Schemas>,
    generation: Mutex<Option<u64>>,
}

/// Makes a folder for this user only.
pub(super) fn prepare_dir(dir: &Path) -> Result<(), Diagnostic> {
    // Whatever keeps a folder from being made, it is one that cannot be written.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| match e.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => io_error(dir, &e),
        _ => not_writable(dir, &e),
    })
}

fn not_writable(path: &Path, e: &std::io::Error) -> Diagnostic {
    Diagnostic::error(codes::NOT_WRITABLE, format!("{} cannot be written: {e}.", path.display()))
        .hint("Give this user the right to write there, or choose another folder: streamform { backend \"local\" { path = \"…\" } }.")
}

/// A disk error as a diagnostic.
pub(super) fn io_error(path: &Path, e: &std::io::Error) -> Diagnostic {
    let shown = path.display();
    match e.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Diagnostic::error(codes::DISK_FULL, format!("There is no room for {shown}: {e}."))
                .hint("Free some space and run the command again.")
        }
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => not_writable(path, e),
        _ => Diagnostic::error(codes::NOT_READABLE, format!("{shown} cannot be used: {e}.")),
    }
}

fn sled_error(dir: &Path, e: &sled::Error) -> Diagnostic {
    match e {
        sled::Error::Io(e) => io_error(dir, e),
        sled::Error::Corruption { .. } => damaged(dir),
        other => Diagnostic::error(codes::NOT_READABLE, format!("The store in {} cannot be used: {other}.", dir.display())),
    }
}

fn damaged(dir: &Path) -> Diagnostic {
    Diagnostic::error(codes::CORRUPT, format!("The files in {} are damaged.", dir.display()))
        .hint("They are left as they are. Restore a backup of the folder, or import what exists again.")
}

fn config(path: &Path) -> sled::Config {
    sled::Config::new().path(path).flush_every_ms(None).cache_capacity(16 << 20).mode(sled::Mode::HighThroughput)
}

fn busy(e: &sled::Error) -> bool {
    matches!(e, sled::Error::Io(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Other | std::io::ErrorKind::ResourceBusy))
}

impl LocalStore {
    /// Makes sure that the folder has a key, so that digests made from now on can be compared later.
    pub fn ensure_key(folder: &Path) -> Result<(), Diagnostic> {
        prepare_dir(folder)?;
        make_key(folder).map(drop)
    }

    /// Opens the store in a folder; a writer makes what is missing.
    pub fn open(folder: &Path, access: Access, schemas: Arc<dyn Schemas>) -> Result<LocalStore, Diagnostic> {
        let path = folder.join("db");
        let store = |db, frozen, key, head| LocalStore {
            dir: folder.to_path_buf(),
            db: Mutex::new(db),
            frozen,
            key,
            head,
            schemas,
            generation: Mutex::new(None),
        };
        if access == Access::Read {
            let content = if path.exists() { read_all(folder, &path, 20)? } else { BTreeMap::new() };
            check_format(content.get(&b"m/format"[..]).map(Vec::as_slice), folder)?;
            let key = read_key(folder)?.unwrap_or([0; 32]);
            return Ok(store(None, Some(content), key, None));
        }
        prepare_dir(folder)?;
        let key = make_key(folder)?;
        if path.exists() {
            // Opened for writing, sled would cut off what is damaged.
            let content = read_all(folder, &path, 1)?;
            check_format(content.get(&b"m/format"[..]).map(Vec::as_slice), folder)?;
        }
        let head = open_head(folder)?;
        let db = open_patiently(&path).map_err(|e| sled_error(folder, &e))?;
        restrict(&path);
        if db.get(b"m/format").map_err(|e| sled_error(folder, &e))?.is_none() {
            let mut batch = Batch::default();
            batch.insert(b"m/format", FORMAT.to_string().as_bytes());
            batch.insert(b"m/lineage", uuid::Uuid::new_v4().to_string().as_bytes());
            batch.insert(b"m/serial", b"0");
            db.apply_batch(batch).and_then(|()| db.flush().map(drop)).map_err(|e| sled_error(folder, &e))?;
        }
        Ok(store(Some(db), None, key, Some(head)))
    }

    fn with<T>(&self, f: impl FnOnce(&Db) -> Result<T, sled::Error>) -> Result<T, Diagnostic> {
        let db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(db) = db.as_ref() else {
            return Err(Diagnostic::error(codes::NOT_WRITABLE, "The store is open for reading only, or closed."));
        };
        f(db).map_err(|e| sled_error(&self.dir, &e))
    }

    fn commit(&self, batch: Batch) -> Result<(), Diagnostic> {
        self.with(|db| {
            db.apply_batch(batch)?;
            db.flush()?;
            match (&self.head, db.get(b"m/serial")?.and_then(|v| String::from_utf8_lossy(&v).parse::<u64>().ok())) {
                (Some(file), Some(serial)) => Ok(file.write_all_at(format!("{serial:020}").as_bytes(), 0)?),
                _ => Ok(()),
            }
        })
    }

    /// Everything under a prefix, without it.
    fn scan(&self, prefix: &str) -> Result<Vec<Entry>, Diagnostic> {
        let p = prefix.as_bytes();
        match &self.frozen {
            Some(all) => {
                Ok(all.range(p.to_vec()..).take_while(|(k, _)| k.starts_with(p)).map(|(k, v)| (k[p.len()..].to_vec(), v.clone())).collect())
            }
            None => self.with(|db| db.scan_prefix(p).map(|r| r.map(|(k, v)| (k[p.len()..].to_vec(), v.to_vec()))).collect()),
        }
    }

    fn meta(&self, name: &str) -> Result<Option<String>, Diagnostic> {
        let key = format!("m/{name}");
        let bytes = match &self.frozen {
            Some(all) => all.get(key.as_bytes()).cloned(),
            None => self.with(|db| db.get(key.as_bytes()))?.map(|v| v.to_vec()),
        };
        Ok(bytes.and_then(|b| String::from_utf8(b).ok()))
    }

    fn number(&self, name: &str) -> Result<u64, Diagnostic> {
        Ok(self.meta(name)?.and_then(|s| s.parse().ok()).unwrap_or(0))
    }

    fn schema(&self, addr: &InstanceAddr) -> Option<&'static Schema> {
        self.schemas.schema(&addr.resource)
    }

    fn bytes(&self, record: &Record) -> Vec<u8> {
        let json = codec::encode_record(record, self.schema(&record.addr), &|v| self.digest(v));
        serde_json::to_vec(&json).unwrap_or_default()
    }

    fn record(&self, bytes: &[u8]) -> Result<Record, Diagnostic> {
        let json: Option<Json> = serde_json::from_slice(bytes).ok();
        json.and_then(|j| codec::decode_record(&j, &|a| self.schema(a))).ok_or_else(|| codec::corrupt("A record"))
    }

    /// A record after objects were renamed: under its own new name, and with the new names of what it refers to. `None` where nothing changes.
    fn renamed(&self, record: &Record, names: &BTreeMap<&InstanceAddr, &InstanceAddr>) -> Option<Result<Record, Diagnostic>> {
        let before = codec::encode_record(record, self.schema(&record.addr), &|v| self.digest(v));
        let mut json = before.clone();
        let new_name = |text: &str| Some(names.get(&text.parse::<InstanceAddr>().ok()?)?.to_string());
        codec::rename_references(&mut json["attributes"], &new_name);
        let addr = names.get(&record.addr).map_or(&record.addr, |to| *to);
        let dependencies: BTreeSet<ResourceAddr> = record
            .dependencies
            .iter()
            .map(|d| names.iter().find(|(from, _)| from.resource == *d).map_or_else(|| d.clone(), |(_, to)| to.resource.clone()))
            .collect();
        let dependencies: Vec<ResourceAddr> = dependencies.into_iter().collect();
        if json == before
            && *addr == record.addr
            && dependencies.len() == record.dependencies.len()
            && dependencies.iter().all(|d| record.dependencies.contains(d))
        {
            return None;
        }
        let renamed = codec::decode_record(&json, &|a| self.schema(a)).ok_or_else(|| codec::corrupt("A record"));
        Some(renamed.map(|r| Record { addr: addr.clone(), dependencies, ..r }))
    }

    fn current_generation(&self) -> Result<u64, Diagnostic> {
        let now = *self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        match now {
            Some(n) => Ok(n),
            None => self.begin_generation("edit"),
        }
    }

    /// Adds records and removals to a batch, with their history.
    fn change(&self, batch: &mut Batch, changes: &[(&InstanceAddr, Option<&Record>)]) -> Result<(), Diagnostic> {
        let number = self.current_generation()?;
        let mut counts = self.generation_of(number)?;
        for (addr, record) in changes {
            let name = addr.to_string();
            let key = format!("r/{name}");
            let before = self.with(|db| db.get(key.as_bytes()))?;
            let version = version_key(&name, number);
            match record {
                Some(r) => {
                    let bytes = self.bytes(r);
                    if before.is_none() {
                        counts.created += 1
                    } else {
                        counts.updated += 1
                    }
                    batch.insert(key.as_bytes(), bytes.as_slice());
                    batch.insert(version, bytes);
                }
                None => {
                    counts.deleted += u64::from(before.is_some());
                    batch.remove(key.as_bytes());
                    batch.insert(version, &b""[..]);
                }
            }
        }
        batch.insert(generation_key(number), generation_json(&counts));
        batch.insert(b"m/serial", (self.number("serial")? + 1).to_string().as_bytes());
        Ok(())
    }

    fn generation_of(&self, number: u64) -> Result<Generation, Diagnostic> {
        let bytes = self.with(|db| db.get(generation_key(number)))?;
        Ok(bytes.and_then(|b| parse_generation(&b)).unwrap_or(Generation {
            number,
            operation: "edit".into(),
            started: jiff::Timestamp::now().to_string(),
            created: 0,
            updated: 0,
            deleted: 0,
        }))
    }

    /// Drops versions that no kept generation needs.
    fn prune(&self, number: u64) -> Result<(), Diagnostic> {
        let Some(oldest) = number.checked_sub(KEEP_GENERATIONS).filter(|n| *n > 0) else { return Ok(()) };
        let mut batch = Batch::default();
        for (key, _) in self.scan("h/")? {
            if parse_number(&key).is_some_and(|n| n <= oldest) {
                batch.remove([b"h/", key.as_slice()].concat());
            }
        }
        // From the newest version back: of each record, the first one at or below `oldest` is what the kept generations began with. It
        // stays, unless it says that the record was gone.
        let versions = self.scan("v/")?;
        let mut seen: &[u8] = b"";
        for (key, value) in versions.iter().rev() {
            let Some((name, _)) = split_version(key).filter(|(_, n)| *n <= oldest) else { continue };
            if name == seen || value.is_empty() {
                batch.remove([b"v/", key.as_slice()].concat());
            }
            seen = name;
        }
        self.commit(batch)
    }
}

fn version_key(name: &str, generation: u64) -> Vec<u8> {
    [b"v/", name.as_bytes(), b"\0", &generation.to_be_bytes()].concat()
}

fn split_version(key: &[u8]) -> Option<(&[u8], u64)> {
    let (name, number) = key.split_at_checked(key.len().checked_sub(8)?)?;
    Some((name.strip_suffix(b"\0")?, u64::from_be_bytes(number.try_into().ok()?)))
}

fn generation_key(number: u64) -> Vec<u8> {
    [&b"h/"[..], &number.to_be_bytes()].concat()
}

fn parse_number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

fn generation_json(g: &Generation) -> Vec<u8> {
    let json = json!({"number": g.number, "operation": g.operation, "started": g.started, "created": g.created, "updated": g.updated, "deleted": g.deleted});
    json.to_string().into_bytes()
}

fn parse_generation(bytes: &[u8]) -> Option<Generation> {
    let j: Json = serde_json::from_slice(bytes).ok()?;
    let text = |n: &str| j.get(n).and_then(Json::as_str).map(str::to_string);
    let number = |n: &str| j.get(n).and_then(Json::as_u64);
    Some(Generation {
        number: number("number")?,
        operation: text("operation")?,
        started: text("started")?,
        created: number("created")?,
        updated: number("updated")?,
        deleted: number("deleted")?,
    })
}

fn check_format(bytes: Option<&[u8]>, folder: &Path) -> Result<(), Diagnostic> {
    let Some(bytes) = bytes else { return Ok(()) };
    match std::str::from_utf8(bytes).ok().and_then(|s| s.parse::<u64>().ok()) {
        Some(n) if n <= FORMAT => Ok(()),
        Some(n) => Err(Diagnostic::error(
            codes::NEWER_FORMAT,
            format!("The state in {} has format {n}; this version of streamform knows up to {FORMAT}.", folder.display()),
        )
        .hint("Use the newer streamform that wrote it.")),
        None => Err(codec::corrupt("The format number")),
    }
}

fn open_patiently(path: &Path) -> Result<Db, sled::Error> {
    let began = std::time::Instant::now();
    loop {
        match config(path).open() {
            Err(e) if busy(&e) && began.elapsed() < OPEN_PATIENCE => std::thread::sleep(Duration::from_millis(30)),
            other => return other,
        }
    }
}

/// Takes a store's whole content from a copy of its files, which are not touched: a writer may have them, and what is damaged stays as it
/// is. A copy taken in the middle of a write may be torn; then the next one is not.
fn read_all(folder: &Path, path: &Path, attempts: u32) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Diagnostic> {
    let mut last = damaged(folder);
    for attempt in 0..attempts {
        if attempt > 0 {
            std::thread::sleep(Duration::from_millis(50));
        }
        // Read before the copy is made: the content may be newer than this, never older.
        let head = read_head(folder);
        match read_copy(folder, path) {
            Ok(all) if serial_of(&all) >= head => return Ok(all),
            Ok(_) => {}
            Err(d) => last = d,
        }
    }
    Err(last)
}

fn read_copy(folder: &Path, path: &Path) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Diagnostic> {
    let copy = tempfile::tempdir().map_err(|e| io_error(folder, &e))?;
    let to = copy.path().join("db");
    copy_dir(path, &to).map_err(|e| io_error(path, &e))?;
    // sled asserts what damaged files can break.
    let read = std::panic::catch_unwind(|| config(&to).open().and_then(|db| content(&db)));
    read.map_err(|_| damaged(folder))?.map_err(|e| sled_error(folder, &e))
}

fn serial_of(all: &BTreeMap<Vec<u8>, Vec<u8>>) -> Option<u64> {
    std::str::from_utf8(all.get(&b"m/serial"[..])?).ok()?.parse().ok()
}

/// The serial that the store had at least. sled takes damaged files for an interrupted write and drops what follows: then its serial is
/// lower than this. `None` in a store that nothing was written to.
fn read_head(folder: &Path) -> Option<u64> {
    std::fs::read_to_string(folder.join("head")).ok()?.trim().parse().ok()
}

fn open_head(folder: &Path) -> Result<std::fs::File, Diagnostic> {
    let path = folder.join("head");
    std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(|e| io_error(&path, &e))
}

fn content(db: &Db) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, sled::Error> {
    db.iter().map(|r| r.map(|(k, v)| (k.to_vec(), v.to_vec()))).collect()
}

fn copy_dir(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            match std::fs::copy(entry.path(), target) {
                // A file that sled has just replaced.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                other => drop(other?),
            }
        }
    }
    Ok(())
}

/// sled makes its files with the process's mask; they are for this user only.
fn restrict(path: &Path) {
    drop(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)));
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let mode = if entry.path().is_dir() { 0o700 } else { 0o600 };
        drop(std::fs::set_permissions(entry.path(), std::fs::Permissions::from_mode(mode)));
    }
}

fn read_key(folder: &Path) -> Result<Option<[u8; 32]>, Diagnostic> {
    let path = folder.join("key");
    match std::fs::read(&path) {
        Ok(bytes) => bytes.as_slice().try_into().map(Some).map_err(|_| codec::corrupt("The key file")),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io_error(&path, &e)),
    }
}

fn make_key(folder: &Path) -> Result<[u8; 32], Diagnostic> {
    if let Some(key) = read_key(folder)? {
        return Ok(key);
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|e| Diagnostic::error(codes::NOT_WRITABLE, format!("The system gives no random bytes: {e}.")))?;
    // The file appears whole or not at all: a kill in between must not leave half a key. Of two makers the first one's key holds.
    let whole = || {
        let mut file = tempfile::Builder::new().prefix(".key").tempfile_in(folder)?;
        file.write_all(&key)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(folder.join("key")) {
            Err(e) if e.error.kind() != std::io::ErrorKind::AlreadyExists => Err(e.error),
            _ => Ok(()),
        }
    };
    whole().map_err(|e| io_error(&folder.join("key"), &e))?;
    Ok(read_key(folder)?.unwrap_or(key))
}

impl StateStore for LocalStore {
    fn snapshot(&self) -> Result<Snapshot, Diagnostic> {
        let mut out =
            Snapshot { lineage: self.meta("lineage")?.unwrap_or_default(), serial: self.number("serial")?, ..Snapshot::default() };
        for (_, bytes) in self.scan("r/")? {
            let record = self.record(&bytes)?;
            out.records.insert(record.addr.clone(), Arc::new(record));
        }
        for (name, bytes) in self.scan("o/")? {
            let output = serde_json::from_slice(&bytes).ok().and_then(|j: Json| codec::decode_output(&j));
            let output = output.ok_or_else(|| codec::corrupt("An output"))?;
            out.outputs.insert(String::from_utf8_lossy(&name).as_ref().into(), output);
        }
        for (_, bytes) in self.scan("j/")? {
            let doubt: Option<InDoubt> =
                serde_json::from_slice(&bytes).ok().and_then(|j: Json| codec::decode_intent(&j, &|a| self.schema(a)));
            out.in_doubt.push(doubt.ok_or_else(|| codec::corrupt("A journal entry"))?);
        }
        Ok(out)
    }

    fn snapshot_at(&self, number: u64) -> Result<Snapshot, Diagnostic> {
        let kept = self.history()?;
        let (first, last) = (kept.first().map_or(1, |g| g.number), kept.last().map_or(0, |g| g.number));
        if number + 1 < first || number > last {
            return Err(Diagnostic::error(codes::NO_GENERATION, format!("The history does not hold generation {number}."))
                .hint("streamform state history shows what it holds."));
        }
        let mut newest: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for (key, value) in self.scan("v/")? {
            if let Some((name, _)) = split_version(&key).filter(|(_, n)| *n <= number) {
                newest.insert(name.to_vec(), value);
            }
        }
        let mut out = Snapshot { lineage: self.meta("lineage")?.unwrap_or_default(), serial: number, ..Snapshot::default() };
        for bytes in newest.into_values().filter(|b| !b.is_empty()) {
            let record = self.record(&bytes)?;
            out.records.insert(record.addr.clone(), Arc::new(record));
        }
        Ok(out)
    }

    fn history(&self) -> Result<Vec<Generation>, Diagnostic> {
        Ok(self.scan("h/")?.iter().filter_map(|(_, v)| parse_generation(v)).collect())
    }

    fn digest(&self, value: &Value) -> [u8; 32] {
        if let Repr::Unknown(u) = value.repr()
            && let Some(d) = u.refinement.digest
        {
            return d;
        }
        let plain = ops::unmark_deep(value);
        let text = to_json_text(&plain).unwrap_or_else(|| format!("{plain}"));
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return [0; 32] };
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn begin_generation(&self, operation: &str) -> Result<u64, Diagnostic> {
        let last = self.scan("h/")?.last().and_then(|(k, _)| parse_number(k)).unwrap_or(0);
        let number = last + 1;
        let g = Generation {
            number,
            operation: operation.into(),
            started: jiff::Timestamp::now().to_string(),
            created: 0,
            updated: 0,
            deleted: 0,
        };
        let mut batch = Batch::default();
        batch.insert(generation_key(number), generation_json(&g));
        self.commit(batch)?;
        *self.generation.lock().unwrap_or_else(PoisonError::into_inner) = Some(number);
        self.prune(number)?;
        Ok(number)
    }

    fn begin(&self, intents: &[Intent]) -> Result<(), Diagnostic> {
        let mut batch = Batch::default();
        for i in intents {
            let json = codec::encode_intent(i.verb, &i.record, self.schema(&i.addr), &|v| self.digest(v));
            batch.insert(format!("j/{}", i.addr).as_bytes(), json.to_string().as_bytes());
        }
        self.commit(batch)
    }

    fn finish(&self, outcomes: &[Outcome]) -> Result<(), Diagnostic> {
        let mut batch = Batch::default();
        let changes: Vec<_> = outcomes.iter().map(|o| (&o.addr, o.record.as_ref())).collect();
        self.change(&mut batch, &changes)?;
        for o in outcomes {
            batch.remove(format!("j/{}", o.addr).as_bytes());
        }
        self.commit(batch)
    }

    fn put_outputs(&self, outputs: &BTreeMap<Arc<str>, OutputRecord>) -> Result<(), Diagnostic> {
        let mut batch = Batch::default();
        for (name, _) in self.scan("o/")? {
            batch.remove([&b"o/"[..], &name].concat());
        }
        for (name, o) in outputs {
            batch.insert(format!("o/{name}").as_bytes(), codec::encode_output(o, &|v| self.digest(v)).to_string().as_bytes());
        }
        batch.insert(b"m/serial", (self.number("serial")? + 1).to_string().as_bytes());
        self.commit(batch)
    }

    fn remove(&self, addrs: &[InstanceAddr]) -> Result<(), Diagnostic> {
        let outcomes: Vec<Outcome> = addrs.iter().map(|a| Outcome { addr: a.clone(), record: None }).collect();
        self.finish(&outcomes)
    }

    fn mv(&self, moves: &[(InstanceAddr, InstanceAddr)]) -> Result<(), Diagnostic> {
        let snapshot = self.snapshot()?;
        let names: BTreeMap<&InstanceAddr, &InstanceAddr> = moves.iter().map(|(f, t)| (f, t)).collect();
        let mut targets = BTreeSet::new();
        for (from, to) in moves {
            if !snapshot.records.contains_key(from) {
                return Err(Diagnostic::error(codes::NO_RECORD, format!("The state does not hold {from}."))
                    .hint("streamform state list shows what it holds."));
            }
            let stays = snapshot.records.contains_key(to) && !names.contains_key(to);
            if stays || !targets.insert(to) {
                return Err(
                    Diagnostic::error(codes::OCCUPIED, format!("The state already holds {to}.")).hint("Move or remove that one first.")
                );
            }
        }
        let records = snapshot.records.values().filter_map(|r| self.renamed(r, &names)).collect::<Result<Vec<_>, _>>()?;
        let mut changes: Vec<(&InstanceAddr, Option<&Record>)> =
            names.keys().filter(|f| !targets.contains(*f)).map(|f| (*f, None)).collect();
        changes.extend(records.iter().map(|r| (&r.addr, Some(r))));
        let mut batch = Batch::default();
        self.change(&mut batch, &changes)?;
        self.commit(batch)
    }

    fn export(&self, to: &mut dyn Write) -> Result<(), Diagnostic> {
        let mut lines = vec![json!({"format": FORMAT, "lineage": self.meta("lineage")?, "serial": self.number("serial")?})];
        for (kind, prefix) in [("record", "r/"), ("output", "o/")] {
            for (name, bytes) in self.scan(prefix)? {
                let value: Json = serde_json::from_slice(&bytes).map_err(|_| codec::corrupt("An entry"))?;
                lines.push(json!({"kind": kind, "name": String::from_utf8_lossy(&name), "value": value}));
            }
        }
        for line in lines {
            writeln!(to, "{line}").map_err(|e| io_error(Path::new("the export"), &e))?;
        }
        Ok(())
    }

    fn import(&self, from: &mut dyn BufRead) -> Result<(), Diagnostic> {
        let mut batch = Batch::default();
        for prefix in ["o/", "j/"] {
            for (name, _) in self.scan(prefix)? {
                batch.remove([prefix.as_bytes(), &name].concat());
            }
        }
        let mut records: BTreeMap<InstanceAddr, Record> = BTreeMap::new();
        let mut header = None;
        for (n, line) in from.lines().enumerate() {
            let bad = || codec::corrupt(&format!("Line {} of the export", n + 1));
            let line =
                line.map_err(|e| if e.kind() == std::io::ErrorKind::InvalidData { bad() } else { io_error(Path::new("the import"), &e) })?;
            let json: Json = serde_json::from_str(&line).map_err(|_| bad())?;
            if header.is_none() {
                let format = json.get("format").map(ToString::to_string).ok_or_else(bad)?;
                check_format(Some(format.as_bytes()), &self.dir)?;
                header = Some(json.get("lineage").and_then(Json::as_str).ok_or_else(bad)?.to_string());
                continue;
            }
            let value = json.get("value").ok_or_else(bad)?;
            match (json.get("kind").and_then(Json::as_str), json.get("name").and_then(Json::as_str)) {
                (Some("record"), _) => {
                    let record = codec::decode_record(value, &|a| self.schema(a)).ok_or_else(bad)?;
                    records.insert(record.addr.clone(), record);
                }
                (Some("output"), Some(name)) if codec::decode_output(value).is_some() => {
                    batch.insert(format!("o/{name}").as_bytes(), value.to_string().as_bytes());
                }
                _ => return Err(bad()),
            }
        }
        let lineage = header.ok_or_else(|| codec::corrupt("The export"))?;
        batch.insert(b"m/lineage", lineage.as_bytes());
        let now = self.snapshot()?;
        let gone = now.records.keys().filter(|a| !records.contains_key(*a)).map(|a| (a, None));
        let changes: Vec<(&InstanceAddr, Option<&Record>)> = gone.chain(records.iter().map(|(a, r)| (a, Some(r)))).collect();
        self.change(&mut batch, &changes)?;
        self.commit(batch)
    }

    fn close(&self) -> Result<(), Diagnostic> {
        let db = self.db.lock().unwrap_or_else(PoisonError::into_inner).take();
        match db {
            Some(db) => {
                let flushed = db.flush().map(drop).map_err(|e| sled_error(&self.dir, &e));
                drop(db);
                restrict(&self.dir.join("db"));
                flushed
            }
            None => Ok(()),
        }
    }
}
