//! What an evaluation reads beside the configuration: files, whether files are there, and which files lie in a folder.
//!
//! `file()`, `templatefile()`, `fileset()` and their kin go through [`Host`]. A plan that was made with other files is another plan even where it looks
//! the same, because parts of it may be known only during apply.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::sha;
use crate::lang::host::Host;

/// What was asked of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// The content of a file.
    Content,
    /// Whether a file is there.
    Exists,
    /// The files below a folder.
    Files,
}

/// One question with a digest of its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// What was asked.
    pub question: Question,
    /// Of which path, as the evaluation named it.
    pub path: PathBuf,
    /// A digest of the answer; `None` where there was none.
    pub digest: Option<String>,
}

/// Another host, of which it is recorded what was read.
pub struct Recording<'a> {
    host: &'a dyn Host,
    seen: Mutex<BTreeMap<(Question, PathBuf), Option<String>>>,
}

impl<'a> Recording<'a> {
    /// Records what is read from `host`.
    pub fn new(host: &'a dyn Host) -> Self {
        Recording { host, seen: Mutex::default() }
    }

    /// What was read so far.
    pub fn reads(&self) -> Vec<Read> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(|((question, path), digest)| Read { question: *question, path: path.clone(), digest: digest.clone() }).collect()
    }

    fn note(&self, question: Question, path: &Path, digest: Option<String>) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert((question, path.to_path_buf()), digest);
    }
}

fn content(found: &io::Result<Vec<u8>>) -> Option<String> {
    found.as_ref().ok().map(|bytes| sha(bytes))
}

fn exists(found: &io::Result<bool>) -> Option<String> {
    found.as_ref().ok().map(bool::to_string)
}

fn files(found: &io::Result<Vec<String>>) -> Option<String> {
    found.as_ref().ok().map(|names| sha(names.join("\0").as_bytes()))
}

impl Read {
    /// How the answer differs now, as a sentence's end ("topics.yaml has changed"); `None` where it is the same.
    pub fn differs(&self, host: &dyn Host) -> Option<String> {
        let now = match self.question {
            Question::Content => content(&host.read(&self.path)),
            Question::Exists => exists(&host.file_exists(&self.path)),
            Question::Files => files(&host.walk(&self.path)),
        };
        if now == self.digest {
            return None;
        }
        let path = self.path.strip_prefix(".").unwrap_or(&self.path).display();
        Some(match (self.question, &self.digest, &now) {
            (Question::Content, Some(_), None) => format!("{path} can no longer be read"),
            (Question::Content, None, Some(_)) => format!("{path} was created"),
            (Question::Content, ..) => format!("{path} has changed"),
            (Question::Exists, Some(was), Some(_)) if was == "true" => format!("{path} no longer exists"),
            (Question::Exists, ..) => format!("{path} was created"),
            (Question::Files, ..) => format!("the list of files in {path} has changed"),
        })
    }
}

impl Host for Recording<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let found = self.host.read(path);
        self.note(Question::Content, path, content(&found));
        found
    }

    fn file_exists(&self, path: &Path) -> io::Result<bool> {
        let found = self.host.file_exists(path);
        self.note(Question::Exists, path, exists(&found));
        found
    }

    fn walk(&self, dir: &Path) -> io::Result<Vec<String>> {
        let found = self.host.walk(dir);
        self.note(Question::Files, dir, files(&found));
        found
    }

    fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        self.host.absolute(path)
    }

    fn home(&self) -> Option<PathBuf> {
        self.host.home()
    }

    fn now(&self) -> Option<(i64, u32)> {
        self.host.now()
    }

    fn plan_time(&self) -> (i64, u32) {
        self.host.plan_time()
    }

    fn random(&self) -> Option<[u8; 16]> {
        self.host.random()
    }
}
