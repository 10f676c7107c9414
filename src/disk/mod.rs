//! Reading files that a user names, with a bound: `/dev/zero`, or a pipe without an end, is an error and not the end of the memory. And making
//! folders below [`OWN`], which nobody else may look into.
//!
//! The state's own files are not read here; they are read by the state's backend.

pub mod private;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// The folder beside a configuration that holds what streamform keeps for itself.
pub const OWN: &str = ".streamform";

/// The most bytes that a file may have. It is far above any configuration, and below what a small machine has of memory.
pub const LIMIT: u64 = 512 << 20;

/// The content of a file of at most [`LIMIT`] bytes.
///
/// # Errors
/// The system's error, or [`io::ErrorKind::FileTooLarge`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    bounded(File::open(path)?, LIMIT)
}

/// The same for a text.
///
/// # Errors
/// Those of [`read`], and [`io::ErrorKind::InvalidData`] for bytes that are not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    text(read(path)?)
}

/// A text from standard input or another stream, of at most [`LIMIT`] bytes.
///
/// # Errors
/// Those of [`read_text`].
pub fn stream_text(from: impl Read) -> io::Result<String> {
    text(bounded(from, LIMIT)?)
}

/// Makes a folder with all its parents, for this user only. The folder [`OWN`] above it is closed to others, whoever made it, and no symbolic link in
/// it is followed: it may have come with a configuration.
///
/// # Errors
/// The system's error, or [`io::ErrorKind::Other`] for a link.
pub fn private_dir(path: &Path) -> io::Result<()> {
    let is_own = |p: &&Path| p.file_name().is_some_and(|name| name == OWN);
    let own = path.ancestors().find(is_own);
    if let Some(own) = own {
        let mut inside = path.ancestors().take_while(|p| p.starts_with(own));
        if let Some(link) = inside.find(|p| std::fs::symlink_metadata(p).is_ok_and(|m| m.is_symlink())) {
            return Err(io::Error::other(format!("{} is a symbolic link, which is not followed", link.display())));
        }
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    match own.map(|own| (own, std::fs::metadata(own))) {
        Some((own, Ok(meta))) if meta.permissions().mode() & 0o077 != 0 => {
            std::fs::set_permissions(own, std::fs::Permissions::from_mode(0o700))
        }
        _ => Ok(()),
    }
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-8"))
}

fn bounded(from: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    from.take(limit + 1).read_to_end(&mut out)?;
    match out.len() as u64 > limit {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {} MiB", limit >> 20))),
        false => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G11.3.
    #[test]
    fn the_own_folder_is_closed_and_its_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join(OWN);
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        std::fs::create_dir(&own).unwrap();
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o755)).unwrap();
        private_dir(&own.join("a/b")).unwrap();
        assert_eq!((mode(&own), mode(&own.join("a")), mode(&own.join("a/b"))), (0o700, 0o700, 0o700));

        let elsewhere = dir.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, own.join("linked")).unwrap();
        for path in [own.join("linked"), own.join("linked/x")] {
            assert!(private_dir(&path).unwrap_err().to_string().contains("symbolic link"));
        }
        std::os::unix::fs::symlink(&own, dir.path().join("to")).unwrap();
        assert!(std::fs::read_dir(&elsewhere).unwrap().next().is_none());
        // A link above the own folder is the user's.
        private_dir(&dir.path().join("to/c")).unwrap();
    }

    /// G9, G11.16.
    #[test]
    fn streams_without_an_end_are_refused() {
        assert_eq!(bounded(io::repeat(0), 1 << 20).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(bounded(&[7; 4][..], 4).unwrap(), [7; 4]);
        assert_eq!(bounded(&[7; 5][..], 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
