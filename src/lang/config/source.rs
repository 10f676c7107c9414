//! Where modules come from: a folder below the caller, or a git repository that has been fetched into `.streamform/modules`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The folder of fetched modules, relative to the root.
pub const MODULES_DIR: &str = ".streamform/modules";

/// The file in [`MODULES_DIR`] that says what was fetched.
pub const LOCK_FILE: &str = "modules.json";

/// A module source, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModuleSource {
    /// A folder relative to the calling module.
    Local(PathBuf),
    /// A git repository.
    Git(GitSource),
}

/// A git repository with what is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitSource {
    /// What git clones.
    pub url: String,
    /// The folder inside; empty for the top.
    pub folder: PathBuf,
    /// The branch, tag or commit.
    pub reference: Option<String>,
}

impl GitSource {
    /// The key in the lock file: repository and reference, without the folder.
    pub fn key(&self) -> String {
        match &self.reference {
            Some(r) => format!("git::{}?ref={r}", self.url),
            None => format!("git::{}", self.url),
        }
    }
}

/// What `.streamform/modules/modules.json` holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ModuleLock {
    /// By [`GitSource::key`].
    pub modules: BTreeMap<String, LockedModule>,
}

/// One fetched repository.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LockedModule {
    /// The folder below [`MODULES_DIR`].
    pub dir: String,
    /// The commit that is checked out.
    pub commit: String,
}

/// Takes a source apart; `None` where it is neither a relative path nor a git address.
pub fn parse_source(source: &str) -> Option<ModuleSource> {
    if source == "." || source == ".." || source.starts_with("./") || source.starts_with("../") {
        return Some(ModuleSource::Local(PathBuf::from(source)));
    }
    let rest = source.strip_prefix("git::")?;
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(r, q)| (r, q));
    let reference = query.split('&').find_map(|p| p.strip_prefix("ref=")).filter(|r| !r.is_empty()).map(str::to_string);
    // The scheme's own slashes are not the folder's.
    let start = rest.find("://").map_or(0, |i| i + 3);
    let (url, folder) = match rest[start..].find("//") {
        Some(i) => (&rest[..start + i], &rest[start + i + 2..]),
        None => (rest, ""),
    };
    // The parts reach git's command line and the file system: neither an option nor a way out of the folder.
    let safe = !url.is_empty() && !url.starts_with('-') && !reference.as_ref().is_some_and(|r| r.starts_with('-'));
    let inside = Path::new(folder).components().all(|c| matches!(c, std::path::Component::Normal(_)));
    (safe && inside).then(|| ModuleSource::Git(GitSource { url: url.to_string(), folder: folder.into(), reference }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        assert_eq!(parse_source("../a"), Some(ModuleSource::Local("../a".into())));
        let Some(ModuleSource::Git(git)) = parse_source("git::https://example.com/r.git//kafka/net?ref=v1&depth=1") else { panic!() };
        assert_eq!((git.url.as_str(), git.folder.to_str()), ("https://example.com/r.git", Some("kafka/net")));
        assert_eq!(git.key(), "git::https://example.com/r.git?ref=v1");
        for bad in ["a/b", "/abs", "git::", "git::--upload-pack=x", "git::https://h/r//../x", "git::https://h/r?ref=-x", "registry/x/y"] {
            assert_eq!(parse_source(bad), None, "{bad}");
        }
    }
}
