//! The local backend: sled in a folder, and a log beside it for readers.
//!
//! Everything is in one tree of the database, so that one batch is atomic, and on the disk before the call that wrote it returns. The database
//! is the truth. sled lets one process in at a time, so a reader takes the log instead ([`super::log`]): it needs no lock and works beside an
//! apply and in a folder that it cannot write. Only where the log is missing, damaged or behind does a reader look into a copy of the
//! database, inside of the store's folder. A writer looks at such a copy before it opens the database: one that turns out to be damaged or
//! newer is left exactly as it was.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::sled::{Db, IVec, Tree};
use async_trait::async_trait;

use super::database::{Database, broke_off, caught};
use super::files::{self, Gate, backup_path, damaged, io_error, sled_error};
use super::lock::{self, Held, LockInfo};
use super::log::{self, Found, Log, Stamp, Want};
use super::{Backend, Backups, Batch, Check, Content, GENERATIONS, HEAD, Loaded, Revision, UNDO, closed, conflict, is_history};
use crate::diag::Diagnostic;
use crate::diag::codes::state as codes;
use crate::kill::{self, Moment};
use crate::state::upgrade;

/// Where the database keeps the stamp of the last batch. Not part of the content.
const STAMP: &[u8] = b"b";

/// The workspace of the folder itself.
const DEFAULT: &str = "default";
/// Where the folders of further workspaces are.
const WORKSPACES: &str = "workspaces";

/// A store in a folder.
#[derive(Clone)]
pub struct Sled {
    dir: PathBuf,
    writer: Arc<Mutex<Option<Writer>>>,
}

/// What only the writer has.
struct Writer {
    db: Database,
    /// Where to flush: sled's own flush leaves out the file's length and the disk's cache.
    file: File,
    gate: Gate,
    stamp: Stamp,
    /// `None` where it could not be written: readers find that it is behind, and the next writer makes it anew.
    log: Option<Log>,
    /// Why a batch was not written: memory and disk are no longer the same, so nothing more is written.
    failed: Option<Diagnostic>,
}

/// An error while the log is written anew.
enum Failed {
    Log,
    Database(::sled::Error),
}

impl From<std::io::Error> for Failed {
    fn from(_: std::io::Error) -> Failed {
        Failed::Log
    }
}

/// Runs what blocks on the disk beside the other tasks.
async fn blocking<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(f).await {
        Ok(out) => out,
        Err(e) => match e.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down: nobody waits for this any more.
            Err(_) => std::future::pending().await,
        },
    }
}

impl Sled {
    /// The store in a folder. Nothing is opened or made yet.
    pub fn new(dir: &Path) -> Sled {
        Sled { dir: dir.to_path_buf(), writer: Arc::default() }
    }

    fn writer(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys that `want` names, at one moment.
    fn read(&self, want: Want) -> Result<Option<Loaded>, Diagnostic> {
        if let Some(w) = self.writer().as_ref() {
            return Ok(Some(Loaded { revision: w.stamp.revision, content: content(&self.dir, &w.db, want)? }));
        }
        // The number before the log: by then the log has at least these batches, or it is behind the database.
        let gate = Gate::find(&self.dir)?;
        let count = gate.as_ref().map_or(Ok(0), Gate::settled)?;
        if !exists(&self.dir.join("db"))? {
            return Ok(None);
        }
        match read_log(&self.dir, want) {
            Some((_, found)) if found.settled && found.stamp.revision >= count => {
                let loaded = Loaded { revision: found.stamp.revision, content: found.content };
                Ok((loaded.revision > 0).then_some(loaded))
            }
            _ => self.read_copy(gate.as_ref(), want),
        }
    }

    /// As [`Sled::read`], from a copy of the database.
    fn read_copy(&self, gate: Option<&Gate>, want: Want) -> Result<Option<Loaded>, Diagnostic> {
        let shut = gate.map(Gate::for_copy).transpose()?;
        let copied = files::copy(&self.dir);
        let count = gate.map_or(0, Gate::count);
        drop(shut);
        let copy = copied.map_err(|d| match d.code {
            codes::NOT_WRITABLE => no_log(&self.dir),
            _ => d,
        })?;
        let Some(copy) = copy else { return Ok(None) };
        let stamp = stamp_of(&self.dir, &copy.db, count)?;
        Ok(match stamp.revision {
            0 => None,
            revision => Some(Loaded { revision, content: content(&self.dir, &copy.db, want)? }),
        })
    }
}

fn no_log(dir: &Path) -> Diagnostic {
    let detail = format!("The state in {} has no log that can be read, and the folder cannot be written.", dir.display());
    Diagnostic::error(codes::NOT_WRITABLE, detail)
        .hint("A command that writes to the state makes the log: run streamform apply, or give this user the right to write there.")
}

fn exists(path: &Path) -> Result<bool, Diagnostic> {
    path.try_exists().map_err(|e| io_error(path, &e))
}

/// The log of a folder; `None` where there is none that can be used.
fn read_log(dir: &Path, want: Want) -> Option<(File, Found)> {
    let path = dir.join("log");
    let open = |write: bool| files::options().read(true).write(write).open(&path);
    // Only a writer asks for the stamp alone, to go on with the file.
    let file = open(want == Want::Stamp).ok()?;
    let found = log::read(&file, want).ok()??;
    Some((file, found))
}

/// The keys that `want` names.
fn content(dir: &Path, db: &Tree, want: Want) -> Result<Content, Diagnostic> {
    caught(|| read_content(dir, db, want)).ok_or_else(|| broke_off(dir))?
}

fn read_content(dir: &Path, db: &Tree, want: Want) -> Result<Content, Diagnostic> {
    let wanted = |k: &[u8]| is_history(k) == (want == Want::History);
    let parts: Vec<::sled::Iter> = match want {
        Want::History => vec![db.scan_prefix(GENERATIONS), db.scan_prefix(UNDO)],
        // What lies before, between and behind the keys of the history.
        _ => vec![db.range(..GENERATIONS), db.range(after(GENERATIONS)..UNDO.to_vec()), db.range(after(UNDO)..)],
    };
    let mut out = Content::new();
    for entry in parts.into_iter().flatten() {
        let (k, v) = entry.map_err(|e| sled_error(dir, &e))?;
        if wanted(&k) && *k != *STAMP {
            out.insert(k.to_vec(), v.to_vec());
        }
    }
    Ok(out)
}

/// The first key behind all that begin with a prefix.
fn after(prefix: &[u8]) -> Vec<u8> {
    let mut out = prefix.to_vec();
    if let Some(last) = out.last_mut() {
        *last += 1;
    }
    out
}

/// Which state a database holds: revision 0 where it was never written to. Refuses one with fewer batches than are known to be durable.
fn stamp_of(dir: &Path, db: &Db, count: u64) -> Result<Stamp, Diagnostic> {
    let get = |key: &[u8]| db.get(key).map_err(|e| sled_error(dir, &e));
    let stamp = match (get(STAMP)?, get(HEAD)?) {
        (Some(bytes), Some(_)) => Stamp::parse(&bytes).ok_or_else(|| damaged(dir, "its own entry cannot be read"))?,
        (None, Some(head)) => {
            let revision = upgrade::revision_of_format_1(&head).ok_or_else(|| damaged(dir, "its own entry cannot be read"))?;
            Stamp { revision, own: [0; 8] }
        }
        (_, None) if count == 0 => Stamp::default(),
        (_, None) => return Err(damaged(dir, "it was written to, and is empty")),
    };
    if stamp.revision < count {
        return Err(damaged(dir, &format!("{} of {count} batches that were written are lost", count - stamp.revision)));
    }
    Ok(stamp)
}

impl Writer {
    fn open(dir: &Path, check: Check) -> Result<Writer, Diagnostic> {
        files::prepare_dir(dir)?;
        let gate = Gate::make(dir)?;
        let shut = gate.for_write()?;
        files::remove_copies(dir);
        let stamp = match files::copy(dir)? {
            Some(copy) => {
                // The format first: a newer one may have another shape.
                if let Some(head) = copy.db.get(HEAD).map_err(|e| sled_error(dir, &e))? {
                    check(&head)?;
                }
                stamp_of(dir, &copy.db, gate.count())?
            }
            None => {
                // Whatever count a store that was moved away has left.
                gate.set_count(0)?;
                Stamp::default()
            }
        };
        // Whatever a killed writer began has come into the database by now, or never will.
        gate.set_begun(stamp.revision)?;
        let db = files::open_original(dir)?;
        let path = dir.join("db").join("db");
        let file = File::open(&path).map_err(|e| io_error(&path, &e))?;
        if stamp == Stamp::default() {
            for folder in [&dir.join("db"), dir] {
                files::sync_dir(folder)?;
            }
        }
        drop(shut);
        let mut writer = Writer { db, file, gate, stamp, log: None, failed: None };
        match read_log(dir, Want::Stamp) {
            Some((file, found)) if found.stamp == stamp && stamp.revision > 0 => writer.log = Log::resume(file, &found).ok(),
            _ => writer.write_log(dir)?,
        }
        Ok(writer)
    }

    /// Writes the log anew from the database.
    fn write_log(&mut self, dir: &Path) -> Result<(), Diagnostic> {
        let all = self.db.iter().map(|e: Result<(IVec, IVec), _>| e.map_err(Failed::Database));
        let made = Log::create(dir, self.stamp, all.filter(|e| !matches!(e, Ok((k, _)) if **k == *STAMP)));
        match made.and_then(|log| files::sync_dir(dir).map(|()| log).map_err(|_| Failed::Log)) {
            Ok(log) => self.log = Some(log),
            // The log is only for readers, who can do without.
            Err(Failed::Log) => self.log = None,
            Err(Failed::Database(e)) => return Err(sled_error(dir, &e)),
        }
        Ok(())
    }

    /// Writes a batch; on the disk when it returns. After a failure it only gives the same error again.
    fn commit(&mut self, dir: &Path, at: Revision, batch: &Batch) -> Result<Revision, Diagnostic> {
        if let Some(d) = &self.failed {
            return Err(d.clone());
        }
        if at != self.stamp.revision {
            return Err(conflict());
        }
        let written = self.write(dir, batch);
        self.failed = written.as_ref().err().cloned();
        written
    }

    fn write(&mut self, dir: &Path, batch: &Batch) -> Result<Revision, Diagnostic> {
        let (stamp, mut changes) = (self.stamp.next(), ::sled::Batch::default());
        let error = |e: ::sled::Error| sled_error(dir, &e);
        if let Some(oldest) = batch.prune {
            for prefix in [GENERATIONS, UNDO] {
                let end = [prefix, &(oldest + 1).to_be_bytes()].concat();
                for key in self.db.range(prefix.to_vec()..end).keys() {
                    changes.remove(key.map_err(error)?);
                }
            }
        }
        for (key, value) in &batch.changes {
            match value {
                Some(v) => changes.insert(&key[..], &v[..]),
                None => changes.remove(&key[..]),
            }
        }
        changes.insert(STAMP, &stamp.bytes());
        if self.log.as_mut().is_some_and(|log| log.begin().is_err()) {
            self.log = None;
        }
        let shut = self.gate.for_write()?;
        // Before the database: a reader that finds this number without an end does not believe the log.
        self.gate.set_begun(stamp.revision)?;
        let counted = kill::request("state", "commit");
        counted.at(Moment::Before);
        self.db.write(dir, |db| db.apply_batch(changes).and_then(|()| db.flush()))?;
        self.file.sync_data().map_err(|e| io_error(&dir.join("db"), &e))?;
        counted.at(Moment::Answered);
        // Before the number: a reader that has seen the number finds the batch.
        if self.log.as_mut().is_some_and(|log| log.add(stamp, batch).is_err()) {
            self.log = None;
        }
        self.gate.set_count(stamp.revision)?;
        drop(shut);
        self.stamp = stamp;
        Ok(stamp.revision)
    }

    fn close(mut self, dir: &Path) -> Result<(), Diagnostic> {
        if self.failed.is_some() {
            return Ok(());
        }
        let ended = match &mut self.log {
            Some(log) if log.is_closed() => Ok(()),
            Some(log) if !log.is_long() => log.close().map_err(|_| ()),
            _ => Err(()),
        };
        if ended.is_err() {
            self.write_log(dir)?;
        }
        let shut = self.gate.for_write()?;
        self.db.write(dir, |db| db.flush())?;
        self.db.close(dir)?;
        drop(shut);
        files::restrict(&dir.join("db"));
        Ok(())
    }
}

#[async_trait]
impl Backend for Sled {
    async fn workspaces(&self) -> Result<Vec<String>, Diagnostic> {
        let dir = self.dir.clone();
        blocking(move || {
            let mut out = Vec::new();
            if exists(&dir.join("db"))? {
                out.push(DEFAULT.to_string());
            }
            let entries = match std::fs::read_dir(dir.join(WORKSPACES)) {
                Ok(entries) => entries,
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(out),
                Err(e) => return Err(io_error(&dir.join(WORKSPACES), &e)),
            };
            let mut further: Vec<String> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
            further.sort();
            out.extend(further);
            Ok(out)
        })
        .await
    }

    async fn remove(&self, workspace: &str) -> Result<(), Diagnostic> {
        let none = |why: &str| {
            Diagnostic::error(codes::NO_WORKSPACE, format!("The workspace {workspace:?} {why}."))
                .hint("Give the name of another workspace.")
        };
        if workspace == DEFAULT {
            return Err(none("is that of the folder itself and cannot be removed"));
        }
        if workspace.is_empty()
            || workspace.starts_with('.')
            || workspace.contains('/')
            || !self.workspaces().await?.iter().any(|w| w == workspace)
        {
            return Err(none("does not exist"));
        }
        let dir = self.dir.join(WORKSPACES).join(workspace);
        let held = lock::acquire(&dir, LockInfo::new("workspace delete"), Duration::ZERO).await?;
        let removed = std::fs::remove_dir_all(&dir).map_err(|e| io_error(&dir, &e));
        drop(held);
        removed
    }

    async fn open(&self, check: Check) -> Result<(), Diagnostic> {
        let this = self.clone();
        blocking(move || {
            let mut writer = this.writer();
            if writer.is_none() {
                *writer = Some(Writer::open(&this.dir, check)?);
            }
            Ok(())
        })
        .await
    }

    async fn load(&self) -> Result<Option<Loaded>, Diagnostic> {
        let this = self.clone();
        blocking(move || this.read(Want::Content)).await
    }

    async fn changes_since(&self, at: Revision) -> Result<Option<(Revision, Batch)>, Diagnostic> {
        let dir = self.dir.clone();
        blocking(move || {
            let count = Gate::find(&dir)?.as_ref().map_or(Ok(0), Gate::settled)?;
            let found = read_log(&dir, Want::Since(at)).filter(|(_, f)| f.settled && f.stamp.revision >= count.max(at));
            Ok(found.and_then(|(_, f)| Some((f.stamp.revision, f.since?))))
        })
        .await
    }

    async fn commit(&self, at: Revision, _fence: u64, batch: Batch) -> Result<Revision, Diagnostic> {
        let this = self.clone();
        blocking(move || this.writer().as_mut().ok_or_else(closed)?.commit(&this.dir, at, &batch)).await
    }

    async fn generations(&self, after: Option<u64>) -> Result<Option<Loaded>, Diagnostic> {
        let this = self.clone();
        let mut all = blocking(move || this.read(Want::History)).await?;
        if let Some(loaded) = &mut all {
            loaded.content.retain(|k, _| k.starts_with(GENERATIONS) || super::generation_of(k) > after && after.is_some());
        }
        Ok(all)
    }

    async fn key(&self, make: bool) -> Result<Option<[u8; 32]>, Diagnostic> {
        let dir = self.dir.clone();
        blocking(move || {
            if !make {
                return files::read_key(&dir);
            }
            files::prepare_dir(&dir)?;
            files::make_key(&dir).map(Some)
        })
        .await
    }

    async fn lock(&self, who: LockInfo, wait: Duration) -> Result<Held, Diagnostic> {
        lock::acquire(&self.dir, who, wait).await
    }

    async fn holder(&self) -> Result<Option<(LockInfo, bool)>, Diagnostic> {
        lock::current(&self.dir)
    }

    async fn break_lock(&self, id: &str) -> Result<LockInfo, Diagnostic> {
        lock::force_unlock(&self.dir, id)
    }

    fn backups(&self) -> Option<&dyn Backups> {
        Some(self)
    }

    async fn close(&self) -> Result<(), Diagnostic> {
        let this = self.clone();
        blocking(move || match this.writer().take() {
            Some(w) => w.close(&this.dir),
            None => Ok(()),
        })
        .await
    }
}

#[async_trait]
impl Backups for Sled {
    async fn head(&self) -> Option<String> {
        let path = backup_path(&self.dir);
        blocking(move || BufReader::new(File::open(path).ok()?).lines().next()?.ok()).await
    }

    async fn keep(&self, text: Vec<u8>, aside: Option<String>) -> Result<(), Diagnostic> {
        let dir = self.dir.clone();
        blocking(move || {
            let path = backup_path(&dir);
            if let Some(name) = aside {
                let aside = dir.join(format!("backup-{}.jsonl", name.replace('/', "_")));
                std::fs::rename(&path, &aside).map_err(|e| io_error(&aside, &e))?;
            }
            let mut file = tempfile::NamedTempFile::new_in(&dir).map_err(|e| io_error(&dir, &e))?;
            file.write_all(&text).map_err(|e| io_error(&path, &e))?;
            file.persist(&path).map_err(|e| io_error(&path, &e.error))?;
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
#[path = "sled_tests.rs"]
mod tests;
