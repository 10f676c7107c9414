//! Where configuration text comes from: a disk, or a snapshot in memory (a saved plan carries one).

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Reads folders and files for the loader.
pub trait FileSource: Send + Sync {
    /// The names of the regular files of a folder, in any order. `NotFound` where there is no such folder.
    fn read_dir(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// The content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// The real file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFiles;

impl FileSource for DiskFiles {
    fn read_dir(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            // A link to a file counts as a file, as it does for every other reader of the folder.
            if entry.path().is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(names)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        crate::disk::read(path)
    }
}

/// Files in memory, by lexically normalised path.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl MemoryFiles {
    /// Adds or replaces a file.
    pub fn insert(&mut self, path: impl AsRef<Path>, content: impl Into<Vec<u8>>) {
        self.files.insert(normalize(path.as_ref()), content.into());
    }
}

impl<P: AsRef<Path>, C: Into<Vec<u8>>> FromIterator<(P, C)> for MemoryFiles {
    fn from_iter<T: IntoIterator<Item = (P, C)>>(iter: T) -> Self {
        MemoryFiles { files: iter.into_iter().map(|(p, c)| (normalize(p.as_ref()), c.into())).collect() }
    }
}

impl FileSource for MemoryFiles {
    fn read_dir(&self, dir: &Path) -> io::Result<Vec<String>> {
        let dir = normalize(dir);
        if !self.files.keys().any(|p| p.starts_with(&dir)) && !dir.as_os_str().is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let here = self.files.keys().filter(|p| p.parent() == Some(&dir));
        Ok(here.filter_map(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned()).collect())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(&normalize(path)).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// The path without `.` and with `..` resolved by name; a leading `..` stays. The current folder is the empty path.
pub fn normalize(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => match out.components().next_back() {
                Some(Component::Normal(_)) => {
                    out.pop();
                }
                Some(Component::RootDir | Component::Prefix(_)) => {}
                _ => out.push(".."),
            },
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved_by_name() {
        for (from, to) in [("./a/../b", "b"), ("../x/./y", "../x/y"), ("/a/../../b", "/b"), (".", ""), ("a/../../c", "../c")] {
            assert_eq!(normalize(Path::new(from)), Path::new(to), "{from}");
        }
    }

    #[test]
    fn memory_lists_one_folder() {
        let files: MemoryFiles = [("main.hcl", ""), ("m/a.hcl", ""), ("m/deep/b.hcl", "")].into_iter().collect();
        assert_eq!(files.read_dir(Path::new(".")).unwrap(), ["main.hcl"]);
        assert_eq!(files.read_dir(Path::new("./m")).unwrap(), ["a.hcl"]);
        assert_eq!(files.read_dir(Path::new("nowhere")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
