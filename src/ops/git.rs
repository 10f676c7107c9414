//! Fetching repositories with the machine's git: which commit a name stands for, and the files of a commit in a folder.
//!
//! Credentials of an address go to git through its environment, never on a command line, and are struck from what git says.

use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::diag::codes::config as codes;
use crate::diag::{Diagnostic, did_you_mean, io_words};
use crate::engine::local::process::without_variables;
use crate::lang::config::lock::is_commit;
use crate::lang::config::normalize;
use crate::lang::config::source::GitSource;
use crate::words::for_shell;

type Result<T> = std::result::Result<T, Diagnostic>;

/// A repository of which something is wanted.
pub struct Git<'a> {
    source: &'a GitSource,
    /// Git may ask for a password on the terminal.
    may_ask: bool,
}

impl<'a> Git<'a> {
    /// Of this address.
    pub fn new(source: &'a GitSource, may_ask: bool) -> Self {
        Git { source, may_ask }
    }

    /// The commit that the source's reference stands for now.
    ///
    /// # Errors
    /// No git, no access, no such reference.
    pub async fn resolve(&self) -> Result<String> {
        let listed = self.run(Path::new("."), ["ls-remote", "origin"]).await?;
        let refs: Vec<(&str, &str)> = listed.lines().filter_map(|l| l.split_once('\t')).collect();
        let commit_of = |name: &str| refs.iter().find(|(_, n)| *n == name).map(|(c, _)| c.to_string());
        let Some(wanted) = &self.source.reference else {
            return commit_of("HEAD").ok_or_else(|| self.error("has no commit yet".into(), "Commit the module's files there first."));
        };
        // As git does: a tag comes before a branch of the same name, and an annotated tag stands for the commit that it points to.
        let names = [format!("refs/tags/{wanted}^{{}}"), format!("refs/tags/{wanted}"), format!("refs/heads/{wanted}"), wanted.clone()];
        if let Some(commit) = names.iter().find_map(|n| commit_of(n)) {
            return Ok(commit);
        }
        let hash = (7..=64).contains(&wanted.len()) && wanted.bytes().all(|b| b.is_ascii_hexdigit());
        if hash { self.resolve_hash(&wanted.to_ascii_lowercase()).await } else { Err(self.unknown(wanted, &refs)) }
    }

    /// A commit by its hash or the start of it, which only the whole history can tell.
    async fn resolve_hash(&self, hash: &str) -> Result<String> {
        if is_commit(hash) {
            return Ok(hash.to_string());
        }
        let dir = tempfile::tempdir().map_err(|e| file_error(Path::new("a temporary folder"), &e))?;
        self.run(dir.path(), ["init", "--quiet", "--template="]).await?;
        self.everything(dir.path()).await?;
        let found = self.output(dir.path(), ["rev-parse", "--quiet", "--verify", &format!("{hash}^{{commit}}")]).await?;
        let commit = String::from_utf8_lossy(&found.stdout).trim().to_string();
        if found.status.success() && is_commit(&commit) { Ok(commit) } else { Err(self.unknown(hash, &[])) }
    }

    fn unknown(&self, wanted: &str, refs: &[(&str, &str)]) -> Diagnostic {
        let names: Vec<String> = refs.iter().filter_map(|(_, n)| short_name(n)).collect();
        let hint = match did_you_mean(wanted, names.iter().map(String::as_str)) {
            Some(near) => format!("Did you mean {near:?}?"),
            None => "Name a branch, a tag or a commit after ?ref=.".to_string(),
        };
        self.error(format!("has no branch, tag or commit {wanted:?}"), &hint)
    }

    /// Puts the files of a commit into an empty folder, submodules too, without git's own data.
    ///
    /// # Errors
    /// As of [`Self::resolve`]; also a commit that is gone, and a link that leads out of the repository.
    pub async fn checkout(&self, commit: &str, dir: &Path) -> Result<()> {
        self.run(dir, ["init", "--quiet", "--template="]).await?;
        let depth = format!("--depth={}", self.source.depth);
        let alone = self.output(dir, ["fetch", "--quiet", "--no-tags", &depth, "origin", commit]).await?;
        if !alone.status.success() {
            // Some servers give branches and tags only.
            self.everything(dir).await?;
        }
        let there = self.output(dir, ["cat-file", "-e", &format!("{commit}^{{commit}}")]).await?;
        if !there.status.success() {
            let hint = "It may have been removed there; streamform init -upgrade takes what the reference stands for now.";
            return Err(self.error(format!("has no commit {commit}"), hint));
        }
        self.run(dir, ["checkout", "--quiet", "--force", "--detach", commit]).await?;
        if dir.join(".gitmodules").exists() {
            self.run(dir, ["submodule", "--quiet", "update", "--init", "--recursive"]).await?;
        }
        clean(dir, dir, self.source)
    }

    async fn everything(&self, dir: &Path) -> Result<()> {
        self.run(dir, ["fetch", "--quiet", "--tags", "--force", "origin", "+refs/heads/*:refs/remotes/origin/*"]).await.map(drop)
    }

    /// Runs git and gives what it wrote.
    async fn run<S: AsRef<OsStr>>(&self, dir: &Path, args: impl IntoIterator<Item = S>) -> Result<String> {
        let out = self.output(dir, args).await?;
        if out.status.success() { Ok(String::from_utf8_lossy(&out.stdout).into_owned()) } else { Err(self.failed(&out)) }
    }

    async fn output<S: AsRef<OsStr>>(&self, dir: &Path, args: impl IntoIterator<Item = S>) -> Result<Output> {
        let mut c = Command::new("git");
        without_variables(&mut c);
        for name in
            ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR"]
        {
            c.env_remove(name);
        }
        // The remote is given in the environment: its credentials are for nobody else to see, and are not written to a file.
        let settings = [
            ("remote.origin.url", self.source.url()),
            ("core.hooksPath", "/dev/null"),
            ("advice.detachedHead", "false"),
            ("protocol.ext.allow", "never"),
            ("transfer.credentialsInUrl", "allow"),
        ];
        c.env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (i, (key, value)) in settings.into_iter().enumerate() {
            c.env(format!("GIT_CONFIG_KEY_{i}"), key).env(format!("GIT_CONFIG_VALUE_{i}"), value);
        }
        c.env("LC_ALL", "C");
        if !self.may_ask {
            c.env("GIT_TERMINAL_PROMPT", "0");
            if std::env::var_os("GIT_SSH_COMMAND").is_none() && std::env::var_os("GIT_SSH").is_none() {
                c.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes");
            }
        }
        // `ls-remote` must not find a repository around the working folder, whose own "origin" would be asked.
        let args: Vec<_> = args.into_iter().map(|a| a.as_ref().to_os_string()).collect();
        c.args(args).current_dir(dir).env("GIT_CEILING_DIRECTORIES", ceiling(dir)).kill_on_drop(true);
        c.stdin(Stdio::null()).output().await.map_err(|e| self.no_git(&e))
    }

    fn no_git(&self, e: &io::Error) -> Diagnostic {
        let detail = match e.kind() {
            io::ErrorKind::NotFound => format!("The module {} is fetched with git, and there is no git on the PATH.", self.source.shown()),
            _ => format!("Git cannot be started: {}.", io_words(e)),
        };
        Diagnostic::error(codes::FETCH_FAILED, detail).hint("Install git, or use a module in a folder.")
    }

    fn error(&self, what: String, hint: &str) -> Diagnostic {
        Diagnostic::error(codes::FETCH_FAILED, format!("The repository {} {what}.", self.source.shown())).hint(hint)
    }

    /// What git says when it fails, in one sentence without credentials.
    fn failed(&self, out: &Output) -> Diagnostic {
        let text = String::from_utf8_lossy(&out.stderr);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        // The line that says most comes first, with its kind in front.
        let said = lines.iter().find_map(|l| l.strip_prefix("fatal: ").or(l.strip_prefix("error: "))).or(lines.last().copied());
        let mut said = said.unwrap_or("it gave no reason").trim_end_matches('.').to_string();
        for secret in self.source.secrets() {
            said = said.replace(secret, "***");
        }
        let address = self.source.shown();
        Diagnostic::error(codes::FETCH_FAILED, format!("The repository {address} could not be read: git says {said:?}."))
            .hint(format!("Check the address and your access to it: git ls-remote -- {}", for_shell(&address)))
    }
}

fn short_name(name: &str) -> Option<String> {
    let name = name.strip_prefix("refs/heads/").or(name.strip_prefix("refs/tags/"))?;
    (!name.ends_with("^{}")).then(|| name.to_string())
}

/// The folder above: git looks for a repository in `dir` itself at most.
fn ceiling(dir: &Path) -> PathBuf {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
    absolute.parent().map(Path::to_path_buf).unwrap_or(absolute)
}

/// An error about a file or folder of the cache.
pub fn file_error(path: &Path, e: &io::Error) -> Diagnostic {
    Diagnostic::error(codes::FETCH_FAILED, format!("{} cannot be used: {}.", path.display(), io_words(e)))
        .hint("Check the permissions of the folder.")
}

/// Removes git's own data, and refuses links that lead out: what is fetched must not read what the machine holds elsewhere.
fn clean(top: &Path, dir: &Path, source: &GitSource) -> Result<()> {
    let entries = std::fs::read_dir(dir).map_err(|e| file_error(dir, &e))?;
    for entry in entries {
        let entry = entry.map_err(|e| file_error(dir, &e))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(|e| file_error(&entry.path(), &e))?);
        if entry.file_name() == ".git" {
            let removed = if kind.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            removed.map_err(|e| file_error(&path, &e))?;
        } else if kind.is_symlink() {
            check_link(top, &path, source)?;
        } else if kind.is_dir() {
            clean(top, &path, source)?;
        }
    }
    Ok(())
}

fn check_link(top: &Path, link: &Path, source: &GitSource) -> Result<()> {
    let to = std::fs::read_link(link).map_err(|e| file_error(link, &e))?;
    let from = link.strip_prefix(top).ok().and_then(Path::parent).unwrap_or(Path::new(""));
    let inside = normalize(&from.join(&to));
    let out = to.is_absolute() || inside.components().any(|c| !matches!(c, Component::Normal(_)));
    // A chain of links can lead out although each one stays in: where it ends counts as well.
    let ends = std::fs::canonicalize(link).ok().zip(std::fs::canonicalize(top).ok());
    if !out && ends.is_none_or(|(end, top)| end.starts_with(top)) {
        return Ok(());
    }
    let shown = link.strip_prefix(top).unwrap_or(link).display().to_string();
    let d = Diagnostic::error(
        codes::SOURCE_LEADS_OUT,
        format!("In the repository {} the link {shown:?} leads out of the repository.", source.shown()),
    );
    Err(d.hint("Such a module is not used: it could read files of this machine. Its author has to remove the link."))
}
