//! The lock file: which commit each git source stands for, so that every machine and every later `init` takes the same one.
//!
//! It is HCL with one block for each repository and reference, and is meant to be committed. It never holds credentials.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use super::FileSource;
use super::args::literal;
use crate::addr::quote;
use crate::diag::codes::config::UNREADABLE;
use crate::diag::{Diagnostic, Diagnostics, Sources, io_words};
use crate::lang::ast::{Block, ExprKind};
use crate::lang::syntax;

/// The file, relative to the root.
pub const LOCK_FILE: &str = ".streamform.lock.hcl";

const HEAD: &str = "# Written by \"streamform init\". Commit it: it says which commits the modules were fetched from.\n";

/// Commits by [`super::source::GitSource::key`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleLock {
    /// The commit of each source.
    pub modules: BTreeMap<String, String>,
}

impl ModuleLock {
    /// Reads the lock file of a configuration; empty where there is none.
    ///
    /// # Errors
    /// The file cannot be read, or is no lock file.
    pub fn read(root: &Path, files: &dyn FileSource) -> Result<ModuleLock, Diagnostic> {
        let bytes = match files.read(&root.join(LOCK_FILE)) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(ModuleLock::default()),
            Err(e) => return Err(unreadable(&format!("cannot be read: {}", io_words(&e)))),
        };
        let text = String::from_utf8(bytes).map_err(|_| unreadable("is not UTF-8"))?;
        let (body, diags): (_, Diagnostics) = syntax::parse_body(&text, Sources::default().add(LOCK_FILE, text.as_str()));
        let Some(body) = body.filter(|_| !diags.has_errors()) else { return Err(unreadable("is not HCL")) };
        let modules = body.blocks.iter().map(entry).collect::<Option<_>>();
        modules.map(|modules| ModuleLock { modules }).ok_or_else(|| unreadable("holds an entry that is none"))
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let mut out = HEAD.to_string();
        for (source, commit) in &self.modules {
            let _ = write!(out, "\nmodule {} {{\n  commit = \"{commit}\"\n}}\n", quote(source));
        }
        out
    }
}

fn unreadable(why: &str) -> Diagnostic {
    Diagnostic::error(UNREADABLE, format!("The lock file {LOCK_FILE} {why}.")).hint("Restore it, or remove it and run streamform init.")
}

/// A commit reaches git's command line and the name of a folder: nothing but a whole hash will do.
pub fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn entry(block: &Block) -> Option<(String, String)> {
    let [source] = block.labels.as_slice() else { return None };
    match literal(&block.body.attr("commit")?.expr) {
        ExprKind::String(s) if &*block.kind.name == "module" && is_commit(s) => Some((source.name.to_string(), s.to_string())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryFiles;
    use super::*;

    fn read(text: &str) -> Result<ModuleLock, Diagnostic> {
        let files: MemoryFiles = [(LOCK_FILE, text)].into_iter().collect();
        ModuleLock::read(Path::new(""), &files)
    }

    #[test]
    fn what_is_written_is_read() {
        let commit = "0123456789abcdef0123456789abcdef01234567".to_string();
        let lock = ModuleLock { modules: BTreeMap::from([("git::https://h/r.git?ref=v1".to_string(), commit)]) };
        assert_eq!(read(&lock.text()).unwrap(), lock);
        assert_eq!(ModuleLock::read(Path::new(""), &MemoryFiles::default()).unwrap(), ModuleLock::default());
    }

    #[test]
    fn a_commit_is_a_whole_hash() {
        for bad in ["", "../../x", "HEAD", "--upload-pack=x", "0123456789abcdef"] {
            assert!(read(&format!("module \"git::https://h/r\" {{\n  commit = \"{bad}\"\n}}\n")).is_err(), "{bad}");
        }
        assert!(read("module {").is_err() && read("a \"b\" {\n}\n").is_err());
    }
}
