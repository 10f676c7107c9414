//! What the language asks of the outside world, as a trait, so that the evaluator stays pure.

use std::io;
use std::path::{Path, PathBuf};

/// Files, clock and randomness for functions that need them.
pub trait Host: Send + Sync {
    /// The content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Whether a regular file is there; an error for a directory or other object.
    fn file_exists(&self, path: &Path) -> io::Result<bool>;
    /// Every regular file below a directory, relative to it, with `/` between names, sorted.
    fn walk(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// The absolute form of a path.
    fn absolute(&self, path: &Path) -> io::Result<PathBuf>;
    /// The user's home folder.
    fn home(&self) -> Option<PathBuf>;
    /// Seconds and nanoseconds since 1970, UTC; `None` while planning, where `timestamp()` is unknown.
    fn now(&self) -> Option<(i64, u32)>;
    /// The time at which the plan was made.
    fn plan_time(&self) -> (i64, u32);
    /// Sixteen random bytes; `None` while planning.
    fn random(&self) -> Option<[u8; 16]>;
}

/// No files; the time stands still.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Still {
    /// The clock and randomness of an apply are available.
    pub applying: bool,
}

#[cfg(test)]
impl Host for Still {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn file_exists(&self, _: &Path) -> io::Result<bool> {
        Ok(false)
    }
    fn walk(&self, _: &Path) -> io::Result<Vec<String>> {
        Ok(vec![])
    }
    fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_path_buf())
    }
    fn home(&self) -> Option<PathBuf> {
        None
    }
    fn now(&self) -> Option<(i64, u32)> {
        self.applying.then(|| self.plan_time())
    }
    fn plan_time(&self) -> (i64, u32) {
        (1_700_000_000, 0)
    }
    fn random(&self) -> Option<[u8; 16]> {
        self.applying.then_some([7; 16])
    }
}
