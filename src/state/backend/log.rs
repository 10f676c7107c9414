//! The log: the state beside the database, for readers.
//!
//! Only one process can have the database open, so readers never touch it. They read this file instead: a snapshot of all keys, and after it
//! each batch. It is derived: the database is the truth, a writer writes the log anew where it is missing or not the same, and it has no flush
//! of its own. A record of the file is its kind (1 byte), the length of its payload and a checksum (CRC-32 of kind, length and payload; 4
//! bytes each, little endian), and the payload. What must not be here: the database, and what the keys mean.
//!
//! A log that was not closed may have lost its end with the machine's power: it is believed as long as the machine runs.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{Batch, Content, Revision, generation_of, is_history};

/// Which state it is: the revision, and random bytes that only this batch has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    pub revision: Revision,
    pub own: [u8; 8],
}

impl Stamp {
    /// The stamp of the batch after this one.
    pub fn next(self) -> Stamp {
        let random = uuid::Uuid::new_v4();
        let own = std::array::from_fn(|i| random.as_bytes()[i] ^ random.as_bytes()[i + 8]);
        Stamp { revision: self.revision + 1, own }
    }

    /// As 16 bytes.
    pub fn bytes(self) -> [u8; 16] {
        let mut out = [0; 16];
        out[..8].copy_from_slice(&self.revision.to_le_bytes());
        out[8..].copy_from_slice(&self.own);
        out
    }

    /// From 16 bytes.
    pub fn parse(bytes: &[u8]) -> Option<Stamp> {
        let (revision, own) = bytes.split_first_chunk::<8>()?;
        Some(Stamp { revision: u64::from_le_bytes(*revision), own: own.try_into().ok()? })
    }
}

/// The first record: what this file is, and the stamp of the snapshot.
const START: u8 = b'S';
/// A part of the snapshot's content.
const CONTENT: u8 = b'C';
/// A part of the snapshot's history.
const HISTORY: u8 = b'H';
/// The snapshot is complete; the stamp again.
const END: u8 = b'E';
/// A batch: its stamp, the generation up to which the history goes (0: none), its entries.
const BATCH: u8 = b'B';
/// A writer has begun; the id of the machine's boot.
pub(super) const OPENED: u8 = b'O';
/// The writer has ended, and all before is on the disk.
const CLOSED: u8 = b'X';

/// What a log begins with. Another version of the log has another one.
const MAGIC: &[u8] = b"streamform log 1\n";
/// How large the parts of a snapshot are, in bytes.
const PART: usize = 1 << 20;
/// A length that stands for a removed key.
const REMOVED: u32 = u32::MAX;
/// Kind, length and checksum.
const HEADER: usize = 9;

fn checksum(kind: u8, len: [u8; 4], payload: &[u8]) -> [u8; 4] {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&[kind]);
    sum.update(&len);
    sum.update(payload);
    sum.finalize().to_le_bytes()
}

pub(super) fn record(kind: u8, payload: &[u8]) -> io::Result<Vec<u8>> {
    let len = u32::try_from(payload.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?.to_le_bytes();
    let mut out = Vec::with_capacity(HEADER + payload.len());
    out.push(kind);
    out.extend(len);
    out.extend(checksum(kind, len, payload));
    out.extend(payload);
    Ok(out)
}

fn put(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) -> io::Result<()> {
    let len = |n: usize| u32::try_from(n).ok().filter(|n| *n != REMOVED).ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge));
    out.extend(len(key.len())?.to_le_bytes());
    out.extend(value.map_or(Ok(REMOVED), |v| len(v.len()))?.to_le_bytes());
    out.extend(key);
    out.extend(value.unwrap_or_default());
    Ok(())
}

/// Key and value of each entry of a payload; `false` where it is none.
fn entries(mut bytes: &[u8], mut each: impl FnMut(&[u8], Option<&[u8]>)) -> bool {
    while !bytes.is_empty() {
        let Some((head, rest)) = bytes.split_first_chunk::<8>() else { return false };
        let [a, b, c, d, e, f, g, h] = *head;
        let (key, value) = (u32::from_le_bytes([a, b, c, d]) as usize, u32::from_le_bytes([e, f, g, h]));
        let Some((key, rest)) = rest.split_at_checked(key) else { return false };
        let size = if value == REMOVED { 0 } else { value as usize };
        let Some((content, rest)) = rest.split_at_checked(size) else { return false };
        each(key, (value != REMOVED).then_some(content));
        bytes = rest;
    }
    true
}

/// What a reader wants of a log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// Only which state it is.
    Stamp,
    /// The content.
    Content,
    /// The history.
    History,
    /// The batches after a revision.
    Since(Revision),
}

/// What was found in a log: all whole records from its start on.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub stamp: Stamp,
    /// Content, or history, as wanted.
    pub content: Content,
    /// The wanted batches; `None` where the log does not reach back.
    pub since: Option<Batch>,
    /// Whether no durable batch can be missing because the machine stopped.
    pub settled: bool,
    /// Where the snapshot ends, in bytes.
    pub snapshot: u64,
    /// Where the last whole record ends.
    pub end: u64,
}

/// Reads a log; `None` where it does not begin with a whole snapshot.
pub(super) fn read(file: &File, want: Want) -> io::Result<Option<Found>> {
    let length = file.metadata()?.len();
    let mut from = BufReader::with_capacity(1 << 16, file);
    from.rewind()?;
    let mut out = Found::default();
    let (mut begun, mut complete) = (None, false);
    let mut boot: Option<Vec<u8>> = None;
    let mut payload = Vec::new();
    while length - out.end >= HEADER as u64 {
        let mut head = [0; HEADER];
        if !filled(&mut from, &mut head)? {
            break;
        }
        let [kind, a, b, c, d, sum @ ..] = head;
        let size = u64::from(u32::from_le_bytes([a, b, c, d]));
        if size > length - out.end - HEADER as u64 {
            break;
        }
        let skip = match want {
            Want::Content => kind == HISTORY,
            Want::History => kind == CONTENT,
            Want::Stamp | Want::Since(_) => kind == CONTENT || kind == HISTORY,
        };
        if skip && begun.is_some() && !complete {
            from.seek_relative(i64::try_from(size).unwrap_or(i64::MAX))?;
        } else {
            payload.resize(usize::try_from(size).unwrap_or(usize::MAX), 0);
            if !filled(&mut from, &mut payload)? || checksum(kind, [a, b, c, d], &payload) != sum {
                break;
            }
            let good = match (kind, begun, complete) {
                (START, None, false) => {
                    begun = payload.strip_prefix(MAGIC).and_then(Stamp::parse);
                    begun.is_some()
                }
                (CONTENT | HISTORY, Some(_), false) => {
                    entries(&payload, |k, v| drop(out.content.insert(k.to_vec(), v.unwrap_or_default().to_vec())))
                }
                (END, Some(stamp), false) => {
                    complete = Stamp::parse(&payload) == Some(stamp);
                    (out.stamp, out.settled) = (stamp, true);
                    out.snapshot = out.end + HEADER as u64 + size;
                    if let Want::Since(at) = want {
                        out.since = (at >= stamp.revision).then(Batch::default);
                    }
                    complete
                }
                (BATCH, _, true) => match parse_batch(&payload) {
                    Some((stamp, batch)) if stamp.revision == out.stamp.revision + 1 => {
                        out.take(want, stamp, batch);
                        true
                    }
                    _ => false,
                },
                (OPENED, _, true) => {
                    (boot, out.settled) = (Some(payload.clone()), false);
                    true
                }
                (CLOSED, _, true) => {
                    out.settled = true;
                    true
                }
                _ => false,
            };
            if !good {
                break;
            }
        }
        out.end += HEADER as u64 + size;
    }
    if !complete {
        return Ok(None);
    }
    let here = super::lock::boot_id();
    out.settled |= !here.is_empty() && boot.is_some_and(|b| b == here.as_bytes());
    Ok(Some(out))
}

/// Fills the buffer; `false` where the file ends before.
fn filled(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

fn parse_batch(payload: &[u8]) -> Option<(Stamp, Batch)> {
    let (stamp, rest) = payload.split_at_checked(16)?;
    let (prune, rest) = rest.split_first_chunk::<8>()?;
    let prune = u64::from_le_bytes(*prune);
    let mut batch = Batch { prune: (prune > 0).then_some(prune), ..Batch::default() };
    let whole = entries(rest, |k, v| drop(batch.changes.insert(k.to_vec(), v.map(<[u8]>::to_vec))));
    Some((Stamp::parse(stamp)?, batch)).filter(|_| whole)
}

impl Found {
    fn take(&mut self, want: Want, stamp: Stamp, mut batch: Batch) {
        self.stamp = stamp;
        match want {
            Want::Stamp => {}
            Want::Content => {
                batch.prune = None;
                batch.changes.retain(|k, _| !is_history(k));
                batch.apply(&mut self.content);
            }
            Want::History => {
                batch.changes.retain(|k, _| is_history(k));
                batch.apply(&mut self.content);
            }
            Want::Since(at) => {
                if let (Some(since), true) = (&mut self.since, stamp.revision > at) {
                    since.join(batch);
                }
            }
        }
    }
}

impl Batch {
    /// Makes this batch one that has the effect of both, one after the other.
    pub(super) fn join(&mut self, later: Batch) {
        if let Some(oldest) = later.prune {
            self.changes.retain(|k, _| generation_of(k).is_none_or(|n| n > oldest));
        }
        self.prune = self.prune.max(later.prune);
        self.changes.extend(later.changes);
    }
}

/// A log that its writer has open.
pub(super) struct Log {
    file: File,
    /// Where the next record goes.
    end: u64,
    /// Where the snapshot ends.
    snapshot: u64,
    /// Whether readers have been told that a writer has begun.
    opened: bool,
}

impl Log {
    /// Goes on with a log that was read to its end.
    pub fn resume(file: File, found: &Found) -> io::Result<Log> {
        // What is behind the last whole record was never durable in the log.
        if file.metadata()?.len() != found.end {
            file.set_len(found.end)?;
        }
        Ok(Log { file, end: found.end, snapshot: found.snapshot, opened: false })
    }

    /// Writes a new log to a file beside the present one and puts it in its place.
    pub fn create<E: From<io::Error>>(
        dir: &Path,
        stamp: Stamp,
        entries: impl Iterator<Item = Result<(::sled::IVec, ::sled::IVec), E>>,
    ) -> Result<Log, E> {
        let temporary = tempfile::Builder::new().prefix(".log-").tempfile_in(dir)?;
        let mut to = BufWriter::new(temporary.as_file());
        let mut end = 0;
        let mut write = |kind: u8, payload: &[u8]| -> io::Result<()> {
            let bytes = record(kind, payload)?;
            end += bytes.len() as u64;
            to.write_all(&bytes)
        };
        write(START, &[MAGIC, &stamp.bytes()].concat())?;
        let (mut content, mut history) = (Vec::new(), Vec::new());
        for entry in entries {
            let (key, value) = entry?;
            let (kind, part) = if is_history(&key) { (HISTORY, &mut history) } else { (CONTENT, &mut content) };
            put(part, &key, Some(&value))?;
            if part.len() >= PART {
                write(kind, part)?;
                part.clear();
            }
        }
        write(CONTENT, &content)?;
        write(HISTORY, &history)?;
        write(END, &stamp.bytes())?;
        to.flush()?;
        drop(to);
        // A snapshot is believed after a restart of the machine too.
        temporary.as_file().sync_all()?;
        let file = temporary.persist(dir.join("log")).map_err(|e| e.error)?;
        Ok(Log { file, end, snapshot: end, opened: false })
    }

    fn append(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let bytes = record(kind, payload)?;
        self.file.write_all_at(&bytes, self.end)?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Tells readers that batches will follow without a flush. To be called before the first one is durable.
    pub fn begin(&mut self) -> io::Result<()> {
        if !self.opened {
            self.append(OPENED, super::lock::boot_id().as_bytes())?;
            self.file.sync_data()?;
            self.opened = true;
        }
        Ok(())
    }

    /// Adds a batch that is durable.
    pub fn add(&mut self, stamp: Stamp, batch: &Batch) -> io::Result<()> {
        let mut payload = stamp.bytes().to_vec();
        payload.extend(batch.prune.unwrap_or(0).to_le_bytes());
        batch.changes.iter().try_for_each(|(k, v)| put(&mut payload, k, v.as_deref()))?;
        self.append(BATCH, &payload)
    }

    /// Whether nothing was added since it was closed.
    pub fn is_closed(&self) -> bool {
        !self.opened
    }

    /// Whether the batches take so much room that a new snapshot is worth its writing.
    pub fn is_long(&self) -> bool {
        self.end - self.snapshot > (self.snapshot / 4).max(1 << 16)
    }

    /// Flushes it, so that it is believed after a restart of the machine too.
    pub fn close(&mut self) -> io::Result<()> {
        self.append(CLOSED, &[])?;
        self.file.sync_data()?;
        self.opened = false;
        Ok(())
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
