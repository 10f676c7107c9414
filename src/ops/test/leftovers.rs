//! What a killed `test` leaves: a folder of states and brokers that still run in it. Each folder has a note in `.streamform/tests`, which its
//! process holds with a lock of the operating system as long as it lives. The next `test` finds notes that nobody holds.
//!
//! A note may come with a repository that somebody else wrote. So a folder is only touched if it bears the note's own token.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::addr::{InstanceAddr, Mode};
use crate::diag::codes::cli as codes;
use crate::diag::{Diagnostic, Diagnostics, io_words};
use crate::disk::private::{private_dir, random_text, read_optional, remove_dir, remove_if_empty, write_private};
use crate::engine::local::process;
use crate::ops::workspace::open_store;
use crate::state::{Access, Snapshot};

/// The file with the token in the folder.
const TOKEN: &str = ".streamform-test";
/// How many characters a token has.
const TOKEN_LEN: usize = 32;
/// How long a broker may take to end.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Serialize, Deserialize)]
struct Note {
    folder: PathBuf,
    token: String,
}

/// A folder that this process has noted. The note goes when this is dropped.
pub(super) struct Claim {
    path: PathBuf,
    _held: File,
}

impl Drop for Claim {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
        let dirs = self.path.parent().into_iter().flat_map(|tests| [Some(tests), tests.parent()]).flatten();
        dirs.for_each(remove_if_empty);
    }
}

fn notes(root: &Path) -> PathBuf {
    root.join(".streamform/tests")
}

fn failed(path: &Path, e: &std::io::Error) -> Diagnostic {
    Diagnostic::error(codes::FILE, format!("{} cannot be written: {}.", path.display(), io_words(e)))
}

/// Notes a folder, before anything is made in it.
///
/// # Errors
/// When the note cannot be written.
pub(super) fn claim(root: &Path, folder: &Path) -> Result<Claim, Diagnostic> {
    let dir = notes(root);
    private_dir(&dir)?;
    let token = random_text(TOKEN_LEN)?;
    write_private(&folder.join(TOKEN), token.as_bytes())?;
    let path = dir.join(&token);
    let text = serde_json::to_string(&Note { folder: folder.to_path_buf(), token }).unwrap_or_default();
    let write = || -> std::io::Result<File> {
        // Held before it has its name, so that nobody finds it without its holder.
        let mut file = tempfile::Builder::new().prefix(".").tempfile_in(&dir)?;
        file.write_all(text.as_bytes())?;
        flock(file.as_file(), FlockOperation::NonBlockingLockExclusive)?;
        Ok(file.persist(&path)?)
    };
    let held = write().map_err(|e| failed(&path, &e))?;
    Ok(Claim { path, _held: held })
}

/// Ends and removes what killed tests of this configuration have left. Warnings say what was found, and what is left to the user.
pub(super) async fn clear(root: &Path) -> Diagnostics {
    let mut out = Diagnostics::new();
    for entry in std::fs::read_dir(notes(root)).into_iter().flatten().flatten() {
        let path = entry.path();
        // Notes are files under their tokens; nothing else here is ours.
        let named = path.file_name().is_some_and(|n| n.len() == TOKEN_LEN);
        if !named || !std::fs::symlink_metadata(&path).is_ok_and(|m| m.is_file()) {
            continue;
        }
        let free = |file: &File| flock(file, FlockOperation::NonBlockingLockExclusive).is_ok();
        let Some(_held) = File::open(&path).ok().filter(free) else { continue };
        match clear_one(&path).await {
            Ok(found) => {
                out.extend(found);
                drop(std::fs::remove_file(&path));
            }
            Err(d) => out.push(Diagnostic { severity: crate::diag::Severity::Warning, ..d }),
        }
    }
    out
}

async fn clear_one(note: &Path) -> Result<Option<Diagnostic>, Diagnostic> {
    let Some(Note { folder, token }) = read_optional(note)?.and_then(|text| serde_json::from_str(&text).ok()) else { return Ok(None) };
    let is_ours = std::fs::symlink_metadata(&folder).is_ok_and(|m| m.is_dir())
        && read_optional(&folder.join(TOKEN)).is_ok_and(|t| t.as_deref() == Some(&token));
    if !is_ours {
        return Ok(None);
    }
    process::stop_below(&folder, "a process of a killed test", GRACE).await?;
    let left = elsewhere(&folder).await?;
    if left.is_empty() {
        remove_dir(&folder)?;
        let detail = format!("A test that was killed has left {}. Its processes are ended, and the folder is removed.", folder.display());
        return Ok(Some(Diagnostic::warning(codes::LEFT_BEHIND, detail)));
    }
    let names: Vec<String> = left.iter().map(InstanceAddr::to_string).collect();
    let detail = format!("A test that was killed has left objects on systems that go on running: {}.", names.join(", "));
    let hint = format!("Delete them there. The states in {} are all that is known of them.", folder.display());
    Ok(Some(Diagnostic::warning(codes::LEFT_BEHIND, detail).hint(hint)))
}

/// The objects of a killed test that do not end with its processes: those that use a data source.
async fn elsewhere(folder: &Path) -> Result<Vec<InstanceAddr>, Diagnostic> {
    let mut out = Vec::new();
    let mut dirs: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    dirs.retain(|d| d.file_name().is_some_and(|n| n.to_string_lossy().starts_with("state-")));
    for dir in dirs {
        let snapshot: Snapshot = open_store(&dir, Access::Read).await?.snapshot().await?;
        let uses_data = |dependencies: &[crate::addr::ResourceAddr]| dependencies.iter().any(|d| d.mode == Mode::Data);
        let records = snapshot.records.values().map(|r| (&r.addr, &r.dependencies));
        let begun = snapshot.in_doubt.iter().map(|d| (&d.addr, &d.intent.dependencies));
        let managed = records.chain(begun).filter(|(a, d)| a.resource.mode == Mode::Managed && uses_data(d));
        out.extend(managed.map(|(a, _)| a.clone()));
    }
    out.sort();
    out.dedup();
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clear_now(root: &Path) -> Diagnostics {
        tokio::runtime::Runtime::new().unwrap().block_on(clear(root))
    }

    #[test]
    fn only_folders_with_the_token_of_a_note_that_nobody_holds_are_removed() {
        let (root, made, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let claimed = claim(root.path(), made.path()).unwrap();
        assert!(clear_now(root.path()).is_empty() && made.path().exists());
        // A note that came with a repository.
        write_private(&other.path().join(TOKEN), b"another").unwrap();
        let forged = serde_json::to_string(&Note { folder: other.path().into(), token: "g".repeat(TOKEN_LEN) }).unwrap();
        write_private(&notes(root.path()).join("g".repeat(TOKEN_LEN)), forged.as_bytes()).unwrap();
        assert!(clear_now(root.path()).is_empty() && other.path().exists());
        // As a kill does: the lock goes, the note stays.
        let note = std::fs::read(&claimed.path).unwrap();
        let path = claimed.path.clone();
        drop(claimed);
        private_dir(&notes(root.path())).unwrap();
        std::fs::write(&path, note).unwrap();
        assert_eq!(clear_now(root.path()).len(), 1);
        assert!(!made.path().exists() && !path.exists());
    }
}
