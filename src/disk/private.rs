//! Files and folders that only this user can read, written whole or not at all, and digests of what stands in them. What the files mean is decided
//! by whoever writes them.

use std::io::Write;
use std::path::Path;

use crate::diag::Diagnostic;
use crate::diag::codes::engine as codes;
use crate::kill::{self, Moment};

/// A file or folder that could not be used, as a diagnostic; `doing` reads "write", "read", "remove".
pub fn file_error(doing: &str, path: &Path, error: &std::io::Error) -> Diagnostic {
    let hint = match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            "Give the user that runs streamform the right to it."
        }
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => "Free some space on the disk.",
        _ => "Check that the path is what you expect and that the disk works.",
    };
    Diagnostic::error(codes::FILE, format!("Cannot {doing} \"{}\": {error}.", path.display())).hint(hint)
}

/// Makes a folder with all its parents, as [`super::private_dir`] does.
///
/// # Errors
/// When the folder cannot be made.
pub fn private_dir(path: &Path) -> Result<(), Diagnostic> {
    super::private_dir(path).map_err(|e| file_error("make the folder", path, &e))
}

/// Writes a file that only this user can read, whole or not at all. What a killed write has left of it is overwritten.
///
/// # Errors
/// When the folder or the file cannot be written.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), Diagnostic> {
    let dir = path.parent().unwrap_or(Path::new("."));
    private_dir(dir)?;
    let counted = kill::request("file", "write");
    let write = || -> std::io::Result<()> {
        counted.at(Moment::Before);
        let temporary = temporary(path);
        remove_optional(&dir.join(&temporary))?;
        // A temporary file is made with mode 0600.
        let mut file = tempfile::Builder::new().prefix(&temporary).rand_bytes(0).tempfile_in(dir)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        counted.at(Moment::Sent);
        file.persist(path)?;
        counted.at(Moment::Answered);
        Ok(())
    };
    write().map_err(|e| file_error("write", path, &e))
}

/// Removes a file that [`write_private`] wrote, and what a killed write has left of it. Either may be gone already.
///
/// # Errors
/// When one of them stays.
pub fn remove_private(path: &Path) -> Result<(), Diagnostic> {
    let counted = kill::request("file", "remove");
    let remove = || -> std::io::Result<()> {
        counted.at(Moment::Before);
        remove_optional(&path.with_file_name(temporary(path)))?;
        remove_optional(path)?;
        counted.at(Moment::Answered);
        Ok(())
    };
    remove().map_err(|e| file_error("remove", path, &e))
}

/// How the name of a file begins until it is whole. What a kill leaves under such a name holds a part of the content.
pub const UNFINISHED: &str = ".streamform-unfinished-";

/// The name of a file while it is being written. It is the same each time, so that the file can be found after a kill, and short, because
/// the file's own name may have the greatest length.
fn temporary(path: &Path) -> String {
    format!("{UNFINISHED}{}", digest([&*path.file_name().unwrap_or_default().to_string_lossy()]))
}

fn remove_optional(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// The text of a file; `None` when there is none.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read_optional(path: &Path) -> Result<Option<String>, Diagnostic> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(file_error("read", path, &e)),
    }
}

/// Removes a folder with all that it holds; it may be gone already.
///
/// # Errors
/// When something stays.
pub fn remove_dir(path: &Path) -> Result<(), Diagnostic> {
    match std::fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(file_error("remove", path, &e)),
    }
}

/// Removes a folder where it is empty, so that the last cluster leaves nothing behind. One that is not empty stays.
pub fn remove_if_empty(path: &Path) {
    let _ = std::fs::remove_dir(path);
}

/// A short hexadecimal digest of texts, for "has this changed".
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect()
}

/// The key of one cluster's digests. They go to the state, and what they are digests of may hold passwords: without a key they would let
/// words be tried.
pub struct DigestKey(String);

impl DigestKey {
    /// How a digest with a key begins.
    const MARK: char = 'k';

    /// The key that stands in a file; an empty one where there is none.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn at(path: &Path) -> Result<DigestKey, Diagnostic> {
        Ok(DigestKey(read_optional(path)?.unwrap_or_default()))
    }

    /// The digest of texts.
    pub fn digest<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> String {
        self.seal(&digest(parts))
    }

    /// A recorded digest with this key. Earlier versions recorded some without: the same key over them gives the digest of this version,
    /// so that nothing has to be restarted for it. Without a key nothing is said.
    pub fn seal(&self, recorded: &str) -> String {
        match () {
            () if recorded.is_empty() || recorded.starts_with(Self::MARK) => recorded.to_string(),
            () if self.0.is_empty() => String::new(),
            () => format!("{}{}", Self::MARK, digest([self.0.as_str(), recorded])),
        }
    }

    /// Whether a sealed digest is that of these texts, in this version's form or in the one that had the key among the texts.
    pub fn fits(&self, sealed: &str, parts: &[&str]) -> bool {
        let earlier = || digest(std::iter::once(self.0.as_str()).chain(parts.iter().copied()));
        sealed == self.digest(parts.iter().copied()) || sealed == self.seal(&earlier())
    }
}

/// A random text of `len` characters that needs no quoting anywhere.
pub fn random_text(len: usize) -> Result<String, Diagnostic> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = vec![0u8; len];
    getrandom::fill(&mut bytes).map_err(|e| Diagnostic::error(codes::FILE, format!("The system gives no random numbers: {e}.")))?;
    Ok(bytes.iter().map(|b| char::from(ALPHABET[usize::from(b & 63)])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_files_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        write_private(&path, b"x").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_optional(&path).unwrap().as_deref(), Some("x"));
        assert_eq!(read_optional(&dir.path().join("none")).unwrap(), None);
    }

    #[test]
    fn what_a_killed_write_left_goes_with_the_next_write_and_with_the_removal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let left = dir.path().join(temporary(&path));
        std::fs::write(&left, "half").unwrap();
        write_private(&path, b"whole").unwrap();
        assert!(!left.exists());
        std::fs::write(&left, "half").unwrap();
        remove_private(&path).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        remove_private(&path).unwrap();
    }

    /// P6.
    #[test]
    fn p6_recorded_digests_have_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert_eq!(DigestKey::at(&path).unwrap().seal(&digest(["guess"])), "", "without a key nothing is recorded");
        write_private(&path, b"random").unwrap();
        let key = DigestKey::at(&path).unwrap();
        let sealed = key.digest(["a", "guess"]);
        assert!(!sealed.contains(&digest(["a", "guess"])));
        assert_eq!(key.seal(&sealed), sealed);
        // What earlier versions recorded means the same, and needs no restart.
        assert_eq!(key.seal(&digest(["a", "guess"])), sealed);
        assert!(key.fits(&sealed, &["a", "guess"]) && key.fits(&key.seal(&digest(["random", "a", "guess"])), &["a", "guess"]));
        assert!(!key.fits(&sealed, &["a", "other"]) && !key.fits("", &["a", "guess"]));
    }

    #[test]
    fn digest_keeps_parts_apart() {
        assert_ne!(digest(["ab", "c"]), digest(["a", "bc"]));
    }
}
