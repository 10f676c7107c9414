//! The files of a local store: the folder, the key of the digests, the gate with the number of durable batches, copies of the database.
//!
//! A store's folder holds `db` (sled's folder), `log`, `key`, `gate`, `lock` and `backup.jsonl`, all for this user only. Nothing of it is ever
//! copied to another place. What must not be here: what the records mean.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use tempfile::TempDir;

use super::database::Database;
use crate::diag::codes::state as codes;
use crate::diag::{Diagnostic, io_words};

/// How long those who copy the database and its writer wait for each other. A batch takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the names of copies of the database begin.
const COPY: &str = ".copy-";

/// sled's page cache, in bytes.
const CACHE_BYTES: u64 = 16 << 20;

/// How the store's own files are opened: for this user only, and never through a symbolic link.
pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options
}

/// Refuses a link where the database belongs: a cloned repository may hold one that leads to a folder of the user's.
fn no_link(path: &Path) -> Result<(), Diagnostic> {
    match std::fs::symlink_metadata(path) {
        Ok(m) if m.is_symlink() => {
            Err(Diagnostic::error(codes::NOT_READABLE, format!("{} is a symbolic link, which is not followed.", path.display()))
                .hint("Remove it. The whole state may lie elsewhere: streamform { backend \"local\" { path = \"…\" } }."))
        }
        _ => Ok(()),
    }
}

/// Makes a folder for this user only.
pub(super) fn prepare_dir(dir: &Path) -> Result<(), Diagnostic> {
    // Whatever keeps a folder from being made, it is one that cannot be written.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => io_error(dir, &e),
        _ => not_writable(dir, &e),
    })
}

fn not_writable(path: &Path, e: &std::io::Error) -> Diagnostic {
    Diagnostic::error(codes::NOT_WRITABLE, format!("{} cannot be written: {}.", path.display(), io_words(e)))
        .hint("Give this user the right to write there, or choose another folder: streamform { backend \"local\" { path = \"…\" } }.")
}

/// A disk error as a diagnostic.
pub fn io_error(path: &Path, e: &std::io::Error) -> Diagnostic {
    let shown = path.display();
    match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Diagnostic::error(codes::DISK_FULL, format!("There is no room for {shown}."))
            .hint("Free some space and run the command again: what had begun is then read again from the real systems."),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => not_writable(path, e),
        _ => {
            Diagnostic::error(codes::NOT_READABLE, format!("{shown} cannot be used: {}.", io_words(e))).hint("Check the path and the disk.")
        }
    }
}

/// What sled says as a diagnostic.
pub(super) fn sled_error(dir: &Path, e: &::sled::Error) -> Diagnostic {
    match e {
        // sled wraps what the system said in its own words; the kind is what matters, where there is one for it.
        ::sled::Error::Io(e) => match e.kind() {
            kind @ (ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotFound) => io_error(&dir.join("db"), &kind.into()),
            _ => io_error(&dir.join("db"), &std::io::Error::other("the disk reports an error")),
        },
        _ => damaged(dir, "its files fail sled's checks"),
    }
}

/// A store that must not be used as it is.
pub(super) fn damaged(dir: &Path, why: &str) -> Diagnostic {
    let (db, backup) = (dir.join("db"), backup_path(dir));
    let hint = match backup.exists() {
        true => format!(
            "Nothing in it was changed. First run streamform state export: the log may still hold the last state. Then move {} away and run: streamform state restore {}, then streamform plan.",
            db.display(),
            backup.display()
        ),
        false => format!("Nothing in it was changed. Move {} away and restore an export, or import what exists again.", db.display()),
    };
    Diagnostic::error(codes::CORRUPT, format!("The state in {} cannot be trusted: {why}.", dir.display())).hint(hint)
}

fn busy(dir: &Path) -> Diagnostic {
    Diagnostic::error(
        codes::BUSY,
        format!("The state in {} has been in use by another process for {} s.", dir.display(), PATIENCE.as_secs()),
    )
    .hint("Look for a suspended streamform process, and run the command again.")
}

/// Where the last export made by the store itself lies.
pub(super) fn backup_path(dir: &Path) -> PathBuf {
    dir.join("backup.jsonl")
}

/// Keeps the database from being copied while a batch is being written, and remembers how many batches are durable.
///
/// The number is written after the batch is on the disk, so a database with fewer batches has lost some: sled takes a damaged log for
/// one that was cut off by a crash, and would go on from an older state without a word. A second number is written before the database gets
/// the batch: where it is ahead and nobody holds the gate, a writer was killed in between, and only the database tells which state it is.
pub(super) struct Gate {
    file: File,
    dir: PathBuf,
}

/// A gate held shut; dropping it opens it.
pub(super) struct Shut<'a>(&'a Gate);

impl Drop for Shut<'_> {
    fn drop(&mut self) {
        // It fails only on a bad handle; closing the file would open the gate as well.
        let _ = flock(&self.0.file, FlockOperation::Unlock);
    }
}

/// Where the number of durable batches is in the gate's file.
const COUNT: u64 = 0;
/// Where the number of begun batches is.
const BEGUN: u64 = 16;
/// Keeps a count that was written only in part from being believed.
const COUNT_CHECK: u64 = 0x5f73_6d72_6f66_7473;

impl Gate {
    /// The gate of a writer; made if absent.
    pub fn make(dir: &Path) -> Result<Gate, Diagnostic> {
        let path = dir.join("gate");
        let file = options().read(true).write(true).create(true).truncate(false).open(&path);
        Ok(Gate { file: file.map_err(|e| io_error(&path, &e))?, dir: dir.to_path_buf() })
    }

    /// The gate of a reader, if the store has one.
    pub fn find(dir: &Path) -> Result<Option<Gate>, Diagnostic> {
        let path = dir.join("gate");
        match options().read(true).open(&path) {
            Ok(file) => Ok(Some(Gate { file, dir: dir.to_path_buf() })),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io_error(&path, &e)),
        }
    }

    fn shut(&self, operation: FlockOperation) -> Result<Shut<'_>, Diagnostic> {
        let began = Instant::now();
        loop {
            match flock(&self.file, operation) {
                Ok(()) => return Ok(Shut(self)),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) if began.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_micros(300));
                }
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(busy(&self.dir)),
                Err(e) => return Err(io_error(&self.dir.join("gate"), &e.into())),
            }
        }
    }

    /// Shuts it against readers and writers.
    pub fn for_write(&self) -> Result<Shut<'_>, Diagnostic> {
        self.shut(FlockOperation::NonBlockingLockExclusive)
    }

    /// Shuts it against writers.
    pub fn for_copy(&self) -> Result<Shut<'_>, Diagnostic> {
        self.shut(FlockOperation::NonBlockingLockShared)
    }

    /// How many batches are known to be durable; 0 where nothing is known.
    pub fn count(&self) -> u64 {
        self.number(COUNT).unwrap_or(0)
    }

    /// How many batches the state may have by now, the one that is being written included; waits until that one is written or its writer is
    /// gone. A log with fewer is not to be believed, and with as many it is whole.
    ///
    /// # Errors
    /// A writer that is suspended while it writes.
    pub fn settled(&self) -> Result<u64, Diagnostic> {
        // What cannot be read was being written when its writer was killed.
        let begun = self.number(BEGUN).unwrap_or(u64::MAX);
        let patience = Instant::now();
        while self.count() < begun {
            match flock(&self.file, FlockOperation::NonBlockingLockShared) {
                Ok(()) => {
                    drop(Shut(self));
                    break;
                }
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) if patience.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_micros(300));
                }
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(busy(&self.dir)),
                Err(e) => return Err(io_error(&self.dir.join("gate"), &e.into())),
            }
        }
        Ok(begun.max(self.count()))
    }

    /// A number of the file: 0 where it was never written, `None` where it is not whole.
    fn number(&self, at: u64) -> Option<u64> {
        // A number that is just being written is whole a moment later.
        for _ in 0..20 {
            let mut bytes = [0; 16];
            if self.file.read_exact_at(&mut bytes, at).is_err() {
                return Some(0);
            }
            let number = |b: &[u8]| b.iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
            let (count, check) = (number(&bytes[..8]), number(&bytes[8..]));
            if count ^ COUNT_CHECK == check {
                return Some(count);
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        None
    }

    /// Notes that this many batches are durable.
    pub fn set_count(&self, count: u64) -> Result<(), Diagnostic> {
        self.set(COUNT, count)
    }

    /// Notes, before the database gets a batch, that from now on it may have this many.
    pub fn set_begun(&self, count: u64) -> Result<(), Diagnostic> {
        self.set(BEGUN, count)
    }

    fn set(&self, at: u64, count: u64) -> Result<(), Diagnostic> {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&count.to_le_bytes());
        bytes[8..].copy_from_slice(&(count ^ COUNT_CHECK).to_le_bytes());
        self.file.write_all_at(&bytes, at).map_err(|e| io_error(&self.dir.join("gate"), &e))
    }
}

fn config(path: &Path) -> ::sled::Config {
    ::sled::Config::new().path(path).flush_every_ms(None).cache_capacity(CACHE_BYTES)
}

/// A copy of the database inside of the store's folder that only this process sees; it goes when this is dropped, and with the next writer
/// where the process was killed.
pub(super) struct Copy {
    /// The database; before the folder, so that it is let go of first.
    pub db: Database,
    _folder: TempDir,
    /// Says that the copy is in use.
    _used: File,
}

/// A copy of the database, for who holds the gate; `None` where there is no database.
pub(super) fn copy(dir: &Path) -> Result<Option<Copy>, Diagnostic> {
    let from = dir.join("db");
    no_link(&from)?;
    match from.try_exists() {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(e) => return Err(io_error(&from, &e)),
    }
    let failed = |e: std::io::Error| io_error(dir, &e);
    let folder = tempfile::Builder::new().prefix(COPY).permissions(Permissions::from_mode(0o700)).tempdir_in(dir).map_err(failed)?;
    let used = File::open(folder.path()).map_err(failed)?;
    flock(&used, FlockOperation::NonBlockingLockShared).map_err(|e| failed(e.into()))?;
    let to = folder.path().join("db");
    copy_dir(&from, &to).map_err(|e| io_error(&from, &e))?;
    // `temporary` spares the flushes; the folder goes with `TempDir` anyway.
    match Database::open(&config(&to).temporary(true)) {
        Some(Ok(db)) => Ok(Some(Copy { db, _folder: folder, _used: used })),
        Some(Err(e)) => Err(sled_error(dir, &e)),
        None => Err(damaged(dir, "its files fail sled's checks")),
    }
}

/// Removes the copies that killed processes have left. For who holds the gate alone, as copies begin under it.
pub(super) fn remove_copies(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(COPY)
            && let Ok(folder) = options().read(true).open(entry.path())
            && flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            drop(std::fs::remove_dir_all(entry.path()));
        } else if name.starts_with(".log-") {
            // A log is written anew by the writer only.
            drop(std::fs::remove_file(entry.path()));
        }
    }
}

fn copy_dir(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
            continue;
        }
        // By content: a read-only original must not make a read-only copy.
        let mut source = match File::open(entry.path()) {
            Ok(f) => f,
            // A big value's file, which sled removes some time after the last batch that needed it.
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        std::io::copy(&mut source, &mut options().write(true).create_new(true).open(target)?)?;
    }
    Ok(())
}

/// Opens the database itself. Only for the one writer.
pub(super) fn open_original(dir: &Path) -> Result<Database, Diagnostic> {
    let path = dir.join("db");
    // Before sled makes it with the process's mask.
    prepare_dir(&path)?;
    let began = Instant::now();
    loop {
        match Database::open(&config(&path)) {
            Some(Ok(db)) => {
                restrict(&path);
                return Ok(db);
            }
            // sled's way to say that another process has it open, which the store's lock excludes but for a writer that is just ending.
            Some(Err(::sled::Error::Io(e))) if e.kind() == ErrorKind::Other => {
                if began.elapsed() >= PATIENCE {
                    return Err(busy(dir));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            Some(Err(e)) => return Err(sled_error(dir, &e)),
            None => return Err(damaged(dir, "its files fail sled's checks")),
        }
    }
}

/// sled makes its files with the process's mask; they are for this user only.
pub(super) fn restrict(path: &Path) {
    drop(std::fs::set_permissions(path, Permissions::from_mode(0o700)));
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let mode = if entry.path().is_dir() { 0o700 } else { 0o600 };
        drop(std::fs::set_permissions(entry.path(), Permissions::from_mode(mode)));
    }
}

/// Flushes a folder's list of files.
pub(super) fn sync_dir(dir: &Path) -> Result<(), Diagnostic> {
    File::open(dir).and_then(|f| f.sync_all()).map_err(|e| io_error(dir, &e))
}

/// The key of the digests, if there is one.
pub(super) fn read_key(folder: &Path) -> Result<Option<[u8; 32]>, Diagnostic> {
    let path = folder.join("key");
    let mut bytes = Vec::new();
    match options().read(true).open(&path).and_then(|mut f| f.read_to_end(&mut bytes)) {
        Ok(_) => bytes.as_slice().try_into().map(Some).map_err(|_| damaged(folder, "its key cannot be read")),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io_error(&path, &e)),
    }
}

/// A new random key.
pub fn random_key() -> Result<[u8; 32], Diagnostic> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)
        .map_err(|e| Diagnostic::error(codes::NOT_WRITABLE, format!("The system gives no random bytes: {e}.")).hint("Try again."))?;
    Ok(key)
}

/// The key of the digests; made if absent. Two that make it at once end with the same one.
pub(super) fn make_key(folder: &Path) -> Result<[u8; 32], Diagnostic> {
    if let Some(key) = read_key(folder)? {
        return Ok(key);
    }
    let path = folder.join("key");
    // It appears whole or not at all: a kill in between must not leave half a key.
    let written = tempfile::Builder::new().prefix(".key").tempfile_in(folder).and_then(|f| {
        let key = random_key().map_err(|_| std::io::Error::from(ErrorKind::Unsupported))?;
        f.as_file().write_all_at(&key, 0)?;
        f.as_file().sync_all()?;
        // The temporary file has mode 0600. Where another process was faster, its key holds.
        match f.persist_noclobber(&path) {
            Err(e) if e.error.kind() != ErrorKind::AlreadyExists => Err(e.error),
            _ => Ok(()),
        }
    });
    written.map_err(|e| io_error(&path, &e))?;
    sync_dir(folder)?;
    read_key(folder)?.ok_or_else(|| damaged(folder, "its key cannot be read"))
}
