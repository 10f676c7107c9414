//! The files of a secret and their folder as they are found, and how they are put right. No symbolic link is followed.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::diag::Diagnostic;
use crate::diag::codes::engine as codes;
use crate::disk::private::file_error;

/// The permissions of a file.
pub const FILE_MODE: u32 = 0o600;
/// The permissions of a folder.
pub const FOLDER_MODE: u32 = 0o700;
/// The folder among the names of its files.
pub const FOLDER: &str = ".";
/// A larger file was not written by this type, and is not read.
const MAX_LEN_BYTES: u64 = 64 << 20;
/// The stand-in for a content that is not text: it equals no other one.
const NO_TEXT: &str = "\u{fffd}";

/// An outside change to a file or to the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wrong {
    /// A symbolic link is in its place.
    Link,
    /// An empty folder is in the place of a file.
    Folder,
    /// A folder that is not empty is in the place of a file.
    FullFolder,
    /// A device, a pipe or a socket is in the place of a file.
    Special,
    /// A generated content is another one.
    Content,
    /// Others may read or write it.
    Mode(u32),
}

impl Wrong {
    /// Whether the file must be written again.
    pub fn is_content(self) -> bool {
        !matches!(self, Wrong::Mode(_))
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Link => f.write_str("replaced by a symbolic link"),
            Wrong::Folder | Wrong::FullFolder => f.write_str("replaced by a folder"),
            Wrong::Special => f.write_str("replaced by something that is not a file"),
            Wrong::Content => f.write_str("content changed"),
            Wrong::Mode(mode) => write!(f, "permissions {mode:04o}"),
        }
    }
}

/// The object under a file's name.
#[derive(Debug)]
pub struct Seen {
    /// The content, where it is a file.
    pub content: Option<String>,
    /// Its deviation.
    pub wrong: Option<Wrong>,
}

/// Looks at a file; `None` when there is nothing.
///
/// # Errors
/// When it is there and cannot be read.
pub fn look(path: &Path) -> Result<Option<Seen>, Diagnostic> {
    let failed = |e: std::io::Error| file_error("read", path, &e);
    let meta = match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    let is = |wrong| Ok(Some(Seen { content: None, wrong: Some(wrong) }));
    if meta.is_symlink() {
        return is(Wrong::Link);
    }
    if meta.is_dir() {
        let empty = std::fs::read_dir(path).map_err(failed)?.next().is_none();
        return is(if empty { Wrong::Folder } else { Wrong::FullFolder });
    }
    if !meta.is_file() {
        return is(Wrong::Special);
    }
    let wrong = widened(meta.permissions().mode()).map(Wrong::Mode);
    if meta.len() > MAX_LEN_BYTES {
        return Ok(Some(Seen { content: Some(NO_TEXT.into()), wrong }));
    }
    let mut bytes = Vec::new();
    open(path).and_then(|file| file.take(MAX_LEN_BYTES).read_to_end(&mut bytes)).map_err(failed)?;
    // Something that is not text any more is a change like any other.
    Ok(Some(Seen { content: Some(String::from_utf8(bytes).unwrap_or_else(|_| NO_TEXT.into())), wrong }))
}

/// Opens a file itself, never what a link in its place points to, and never waits for the other end of a pipe.
fn open(path: &Path) -> std::io::Result<std::fs::File> {
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    std::fs::OpenOptions::new().read(true).custom_flags(i32::try_from(flags).unwrap_or_default()).open(path)
}

/// The permissions, where they let others in.
fn widened(mode: u32) -> Option<u32> {
    (mode & 0o077 != 0).then_some(mode & 0o7777)
}

/// A path without links, as far as it exists.
pub fn resolved(path: &Path) -> PathBuf {
    let (mut there, mut rest) = (path, Vec::new());
    loop {
        match (there.canonicalize(), there.parent(), there.file_name()) {
            (Ok(found), ..) => return rest.iter().rev().fold(found, |dir, name| dir.join(name)),
            (Err(_), Some(parent), Some(name)) => {
                rest.push(name);
                there = parent;
            }
            _ => return path.to_path_buf(),
        }
    }
}

/// The object in the place of the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// Nothing.
    Absent,
    /// A symbolic link.
    Link,
    /// A folder; with its permissions where they let others in.
    There(Option<u32>),
}

/// Looks at the folder. One that the user made (`own` is false) may be a link, and may be open to others.
///
/// # Errors
/// When it cannot be looked at, or is no folder.
pub fn folder(dir: &Path, own: bool) -> Result<Folder, Diagnostic> {
    let found = if own { std::fs::symlink_metadata(dir) } else { std::fs::metadata(dir) };
    match found {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Folder::Absent),
        Err(e) => Err(file_error("read", dir, &e)),
        Ok(meta) if meta.is_symlink() => Ok(Folder::Link),
        Ok(meta) if meta.is_dir() => Ok(Folder::There(widened(meta.permissions().mode()).filter(|_| own))),
        Ok(_) => {
            let d =
                Diagnostic::error(codes::FILE, format!("\"{}\" is in the place of a secret's folder and is not a folder.", dir.display()));
            Err(d.hint("Move it away, then run the command again."))
        }
    }
}

/// The error for a folder of the user's own into which everybody may write: files in it can be put in place of a secret's. A folder such as
/// /tmp, in which nobody removes what is another's, is taken.
pub fn open_to_all(dir: &Path) -> Option<Diagnostic> {
    let mode = std::fs::metadata(dir).ok().filter(std::fs::Metadata::is_dir)?.permissions().mode();
    (mode & 0o1002 == 0o002).then(|| {
        let detail =
            format!("Everybody may write into \"{}\" (permissions {:04o}), the folder of this secret.", dir.display(), mode & 0o7777);
        Diagnostic::error(codes::OPEN_FOLDER, detail).hint(format!("Close it: chmod o-w '{}'", dir.display()))
    })
}

/// Keeps others from a file or from the folder.
///
/// # Errors
/// When the permissions cannot be changed, or a link is in its place.
pub fn close(path: &Path, mode: u32) -> Result<(), Diagnostic> {
    let set = || open(path)?.set_permissions(std::fs::Permissions::from_mode(mode));
    set().map_err(|e| file_error("change the permissions of", path, &e))
}

/// Removes an empty folder that is in the place of a file. (Whatever else is there goes when the file is written or removed.)
///
/// # Errors
/// When the folder is not empty.
pub fn clear(path: &Path) -> Result<(), Diagnostic> {
    if !std::fs::symlink_metadata(path).is_ok_and(|m| m.is_dir()) {
        return Ok(());
    }
    std::fs::remove_dir(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::DirectoryNotEmpty => not_empty(path),
        _ => file_error("remove", path, &e),
    })
}

/// The error for a file that is in the way of one that is to be written, and that the secret did not write; `None` where there is none, or one
/// with the same content. `hint` says how it is taken over.
///
/// # Errors
/// When it is there and cannot be read.
pub fn foreign(path: &Path, content: Option<&str>, hint: &str) -> Result<Option<Diagnostic>, Diagnostic> {
    let Some(seen) = look(path)? else { return Ok(None) };
    // Other things in the place of a file have errors of their own, or are empty.
    let is_harmless = match seen.wrong {
        Some(Wrong::Folder | Wrong::FullFolder) => true,
        _ => seen.content.is_some() && seen.content.as_deref() == content,
    };
    let error =
        || Diagnostic::error(codes::FOREIGN_FILE, format!("\"{}\" exists already, and this secret did not write it.", path.display()));
    Ok((!is_harmless).then(|| error().hint(format!("Move the file away, or choose another name for it{hint}."))))
}

/// A folder with content in the place of a file.
pub fn not_empty(path: &Path) -> Diagnostic {
    let detail = format!("\"{}\" is a folder that is not empty, in the place of a file of this secret.", path.display());
    Diagnostic::error(codes::FILE, detail).hint("streamform does not delete what others put there. Move the folder away, then apply again.")
}
