//! Exports: the state as JSON lines, and back.

use std::io::{BufRead, Write};
use std::path::Path;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::layout::{DEPOSED, JOURNAL, META, Meta, OUTPUTS, RECORDS, journal_name, key, under};
use crate::diag::Diagnostic;
use crate::diag::codes::state as codes;
use crate::state::backend::{Changes, Content};
use crate::state::model::{Record, Schemas};
use crate::state::{codec, upgrade};

/// The kinds of lines of an export, and where they belong. A begun operation is of the kind `begun` too, as its name tells it apart.
const KINDS: [(&str, &[u8]); 4] = [("record", RECORDS), ("deposed", DEPOSED), ("output", OUTPUTS), ("begun", JOURNAL)];

/// What an export's first line says.
pub(super) struct Head {
    pub lineage: String,
    pub serial: u64,
    /// A last line with count and digest follows. Exports of earlier versions have none.
    has_end: bool,
}

/// Counts lines, and digests them with their line breaks.
#[derive(Default)]
struct Seal {
    lines: u64,
    sha: Sha256,
}

impl Seal {
    fn add(&mut self, line: &str) {
        self.lines += 1;
        self.sha.update(line);
        self.sha.update("\n");
    }

    /// The line that ends an export.
    fn line(self) -> String {
        let digest: String = self.sha.finalize().iter().map(|b| format!("{b:02x}")).collect();
        json!({"kind": "end", "lines": self.lines, "sha256": digest}).to_string()
    }
}

/// The first line.
pub(super) fn head(meta: &Meta) -> Json {
    // `end`: the last line says how many lines and which digest stand before it.
    json!({"format": meta.format, "lineage": meta.lineage, "serial": meta.serial, "end": true})
}

/// Reads the first line.
pub(super) fn read_head(line: &str) -> Result<Head, Diagnostic> {
    let bad = || damaged("its first line is not that of an export, which streamform state export writes");
    let json: Json = serde_json::from_str(line).map_err(|_| bad())?;
    upgrade::check_format(json.get("format").and_then(Json::as_u64).ok_or_else(bad)?)?;
    let lineage = json.get("lineage").and_then(Json::as_str).ok_or_else(bad)?.to_string();
    let has_end = json.get("end").and_then(Json::as_bool).unwrap_or_default();
    Ok(Head { lineage, serial: json.get("serial").and_then(Json::as_u64).ok_or_else(bad)?, has_end })
}

fn io_error(e: &std::io::Error) -> Diagnostic {
    crate::state::backend::io_error(Path::new("the export"), e)
}

/// Writes a content: records, what was set aside, outputs, what was begun.
pub(super) fn write(content: &Content, meta: &Meta, to: &mut dyn Write) -> Result<(), Diagnostic> {
    let mut seal = Seal::default();
    let mut line = |text: &str, seal: &mut Seal| {
        seal.add(text);
        writeln!(to, "{text}").map_err(|e| io_error(&e))
    };
    line(&head(meta).to_string(), &mut seal)?;
    for (kind, prefix) in KINDS {
        for (name, bytes) in under(content, prefix) {
            let whole = std::str::from_utf8(bytes).map_err(|_| codec::corrupt("An entry"))?;
            // The values are JSON already, each in one line.
            let name = Json::from(String::from_utf8_lossy(name));
            line(&format!("{{\"kind\":\"{kind}\",\"name\":{name},\"value\":{whole}}}"), &mut seal)?;
        }
    }
    writeln!(to, "{}", seal.line()).and_then(|()| to.flush()).map_err(|e| io_error(&e))
}

/// The changes that make a content what an export says, and the export's head.
pub(super) fn read(from: &mut dyn BufRead, present: &Content, schemas: &dyn Schemas) -> Result<(Changes, Head), Diagnostic> {
    let mut changes: Changes = present.keys().filter(|k| *k != META).map(|k| (k.clone(), None)).collect();
    let text = read_whole(from)?;
    let mut lines = text.lines().enumerate();
    let mut seal = Seal::default();
    let first = lines.next().map(|(_, line)| line).unwrap_or_default();
    let head = read_head(first)?;
    seal.add(first);
    let mut ended = false;
    for (n, line) in lines {
        let bad = || damaged(&format!("its line {} cannot be read", n + 1));
        if ended {
            return Err(bad());
        }
        if line.starts_with("{\"kind\":\"end\"") {
            if line != std::mem::take(&mut seal).line() {
                return Err(damaged("its last line says another count or digest of what stands before it"));
            }
            ended = true;
            continue;
        }
        seal.add(line);
        let (key, bytes) = codec::read(line.as_bytes(), |json| entry(json, schemas)).ok_or_else(bad)?;
        changes.insert(key, Some(bytes));
    }
    if head.has_end && !ended {
        return Err(damaged("its end is missing"));
    }
    Ok((changes, head))
}

/// The text of an export. Bytes that are no UTF-8 are damage of the file, not of the disk.
fn read_whole(from: &mut dyn BufRead) -> Result<String, Diagnostic> {
    crate::disk::stream_text(from).map_err(|e| match e.kind() {
        std::io::ErrorKind::InvalidData => damaged("it is not valid UTF-8"),
        _ => io_error(&e),
    })
}

/// The error of an export that is not as it was written.
fn damaged(why: &str) -> Diagnostic {
    Diagnostic::error(codes::BAD_EXPORT, format!("The file cannot be taken in: {why}.")).hint("Nothing was changed. Use another export.")
}

/// The key and the content of one line; `None` where it is none. What this program cannot read is taken over as it is.
fn entry(json: &Json, schemas: &dyn Schemas) -> Option<(Vec<u8>, Vec<u8>)> {
    let (kind, name, value) = (json.get("kind")?.as_str()?, json.get("name")?.as_str()?, json.get("value")?);
    let (_, prefix) = KINDS.iter().find(|(k, _)| *k == kind)?;
    let addr_of = |j: &Json| Some(read_addr(upgrade::record(j, schemas)?));
    let good = match (kind, journal_name(name)) {
        ("record", _) => addr_of(value)? == name,
        ("deposed", _) => name.rsplit_once(' ')?.0 == addr_of(value)?,
        ("begun", (_, Some(_))) => codec::decode_op(value.get("op")?).is_some(),
        ("begun", (addr, None)) => {
            let found = codec::decode_intent(value, |j| upgrade::record(j, schemas))?;
            found.map_or_else(|(a, _)| a, |d| d.addr).to_string() == addr
        }
        _ => codec::decode_output(value).is_some(),
    };
    good.then(|| Some((key(prefix, name), serde_json::to_vec(value).ok()?)))?
}

fn read_addr(read: upgrade::Read<Record>) -> String {
    read.map_or_else(|(a, _)| a, |r| r.addr).to_string()
}

/// The error of an export of another state than this one.
pub(super) fn other_lineage() -> Diagnostic {
    let detail = "The export is of another state: its lineage differs, and this one is not new.";
    Diagnostic::error(codes::OTHER_LINEAGE, detail).hint("To replace this state for good, move its folder \"db\" away first.")
}
