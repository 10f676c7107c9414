//! `init` and `get`: fetch the modules that a configuration calls.
//!
//! A repository is fetched into a folder beside its place and moved there when it is whole, so that what is there is never half. The lock
//! file says which commit each source stands for; only `-upgrade` changes what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::git::{Git, file_error};
use super::workspace::state_dir;
use super::{Exit, Failure, Result, Terminal};
use crate::diag::codes::{cli as cli_codes, config as codes};
use crate::diag::{Diagnostic, Diagnostics};
use crate::disk;
use crate::lang::config::lock::{LOCK_FILE, ModuleLock};
use crate::lang::config::source::{GitSource, MODULES_DIR, ModuleSource, parse_source, redact};
use crate::lang::config::{DiskFiles, FoundCall, Loaded, load_calls, normalize};

/// What `init` and `get` are asked.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The folder.
    pub root: PathBuf,
    /// Take what branches and tags stand for now, whatever the lock file says.
    pub upgrade: bool,
    /// Take only what the lock file pins, and leave it as it is.
    pub readonly: bool,
    /// Look at the backend too.
    pub backend: bool,
    /// Start from a copy of this module.
    pub from_module: Option<String>,
    /// Only the modules (`get`).
    pub modules_only: bool,
}

/// Runs it.
pub async fn run(request: &Request, terminal: &Terminal) -> Result {
    let root = request.root.as_path();
    if let Some(source) = &request.from_module {
        from_module(root, source, terminal).await?;
    }
    if !request.modules_only && is_empty(root)? {
        say(terminal, "There is no configuration in this folder yet. Write a main.hcl, then run streamform init again.");
        return Ok(Exit::Success);
    }
    let loaded = install(root, request, terminal).await?;
    let sources = || loaded.config.as_ref().map(|c| c.sources.clone()).unwrap_or_default();
    if loaded.diagnostics.has_errors() {
        return Err(Failure { sources: sources(), diagnostics: loaded.diagnostics });
    }
    terminal.diagnostics(&loaded.diagnostics, &sources());
    if let (Some(config), true) = (&loaded.config, request.backend && !request.modules_only) {
        state_dir(root, &config.root).map_err(|d| Failure { diagnostics: d.into(), sources: sources() })?;
    }
    if !request.modules_only {
        say(terminal, &terminal.paint.green("streamform is ready in this folder. Next: streamform plan"));
    }
    Ok(Exit::Success)
}

fn say(terminal: &Terminal, text: &str) {
    if !terminal.json {
        terminal.line(text);
    }
}

fn is_empty(root: &Path) -> Result<bool> {
    let mut entries = std::fs::read_dir(root).map_err(|e| file_error(root, &e))?;
    Ok(!entries.any(|e| e.is_ok_and(|e| e.file_name().to_string_lossy().contains(".hcl") && e.file_name() != LOCK_FILE)))
}

/// Fetches until nothing is missing, as a fetched module may call further ones.
async fn install(root: &Path, request: &Request, terminal: &Terminal) -> Result<Loaded> {
    let mut fresh = request.upgrade.then(BTreeSet::new);
    let mut shown = BTreeSet::new();
    let mut guard = None;
    loop {
        let loaded = load_calls(root, &DiskFiles, fresh.as_ref());
        for call in loaded.calls.iter().filter(|c| c.dir.is_some()) {
            if shown.insert(call.path.clone()) {
                installed(call, root, terminal);
            }
        }
        let missing: BTreeMap<String, &FoundCall> =
            loaded.calls.iter().filter(|c| c.dir.is_none()).filter_map(|c| Some((c.git.as_ref()?.key(), c))).collect();
        if missing.is_empty() {
            if !request.readonly {
                forget_unused(root, &loaded)?;
            }
            return Ok(loaded);
        }
        if guard.is_none() {
            guard = Some(Guard::take(root)?);
        }
        let failed = match request.readonly {
            true => unpinned(root, &missing)?,
            false => Diagnostics::new(),
        };
        let failed = if failed.has_errors() { failed } else { fetch_all(root, &missing, request.upgrade, terminal).await? };
        if failed.has_errors() {
            let sources = loaded.config.map(|c| c.sources).unwrap_or_default();
            return Err(Failure { diagnostics: failed, sources });
        }
        if let Some(fresh) = &mut fresh {
            fresh.extend(missing.into_keys());
        }
    }
}

fn installed(call: &FoundCall, root: &Path, terminal: &Terminal) {
    let Some(dir) = &call.dir else { return };
    if terminal.json {
        let commit = call.git.as_ref().and_then(|g| ModuleLock::read(root, &DiskFiles).ok()?.modules.get(&g.key()).cloned());
        let line = serde_json::json!({"type": "module", "module": call.path, "source": call.source, "dir": dir.display().to_string(), "commit": commit});
        return terminal.line(&line.to_string());
    }
    terminal.line(&format!("- {} in {}", call.path, dir.display()));
}

/// Fetches what is missing, several at a time. What could be fetched is kept although something else could not.
async fn fetch_all(root: &Path, missing: &BTreeMap<String, &FoundCall>, upgrade: bool, terminal: &Terminal) -> Result<Diagnostics> {
    let mut lock = ModuleLock::read(root, &DiskFiles)?;
    for call in missing.values() {
        if terminal.json {
            terminal.line(&serde_json::json!({"type": "fetch", "module": call.path, "source": call.source}).to_string());
        } else {
            terminal.line(&format!("Fetching {} for {} …", call.source, call.path));
        }
    }
    let may_ask = terminal.input && missing.len() == 1;
    let fetches = missing.iter().filter_map(|(key, call)| {
        let git = call.git.as_ref()?;
        let locked = lock.modules.get(key).filter(|_| !upgrade).cloned();
        Some(async move { (key, *call, fetch(root, git, locked, may_ask).await) })
    });
    let results: Vec<_> = futures::StreamExt::collect(futures::StreamExt::buffered(futures::stream::iter(fetches), 4)).await;
    let mut failed = Diagnostics::new();
    for (key, call, result) in results {
        match result {
            Ok(commit) => drop(lock.modules.insert(key.clone(), commit)),
            Err(d) => failed.push(d.on(address(&call.path))),
        }
    }
    write_lock(root, &lock)?;
    Ok(failed)
}

/// What is to be fetched and has no commit in the lock file.
fn unpinned(root: &Path, missing: &BTreeMap<String, &FoundCall>) -> std::result::Result<Diagnostics, Diagnostic> {
    let lock = ModuleLock::read(root, &DiskFiles)?;
    let error = |call: &FoundCall| {
        let d = Diagnostic::error(codes::FETCH_FAILED, format!("{LOCK_FILE} has no commit for {}, and must not be changed.", call.source));
        d.on(address(&call.path)).hint("Run streamform init without -lockfile=readonly, and commit the lock file.")
    };
    Ok(missing.iter().filter(|(key, _)| !lock.modules.contains_key(*key)).map(|(_, call)| error(call)).collect())
}

fn address(path: &str) -> String {
    path.split('.').map(|n| format!("module.{n}")).collect::<Vec<_>>().join(".")
}

/// Fetches one repository and gives the commit.
async fn fetch(root: &Path, git: &GitSource, locked: Option<String>, may_ask: bool) -> std::result::Result<String, Diagnostic> {
    let client = Git::new(git, may_ask);
    let commit = match locked {
        Some(commit) => commit,
        None => client.resolve().await?,
    };
    let cache = root.join(MODULES_DIR);
    let place = cache.join(git.dir(&commit));
    if !place.is_dir() {
        let temporary = tempfile::Builder::new().prefix(".fetch-").tempdir_in(&cache).map_err(|e| file_error(&cache, &e))?;
        client.checkout(&commit, temporary.path()).await?;
        std::fs::rename(temporary.path(), &place).map_err(|e| file_error(&place, &e))?;
        // Moved away: there is nothing left to remove.
        drop(temporary.keep());
    }
    let folder = place.join(&git.folder);
    if !folder.is_dir() {
        let d = Diagnostic::error(codes::FETCH_FAILED, format!("The repository {} has no folder {:?}.", git.shown(), git.folder.display()));
        return Err(d.hint(format!("Look at what it holds in {}.", place.display())));
    }
    Ok(commit)
}

/// Entries of the lock file that nothing calls any more are dropped.
fn forget_unused(root: &Path, loaded: &Loaded) -> Result<()> {
    if loaded.diagnostics.has_errors() {
        return Ok(());
    }
    let used: BTreeSet<String> = loaded.calls.iter().filter_map(|c| Some(c.git.as_ref()?.key())).collect();
    let mut lock = ModuleLock::read(root, &DiskFiles)?;
    let before = lock.modules.len();
    lock.modules.retain(|key, _| used.contains(key));
    if lock.modules.len() == before { Ok(()) } else { write_lock(root, &lock) }
}

/// Writes beside and renames; without entries there is no file.
fn write_lock(root: &Path, lock: &ModuleLock) -> Result<()> {
    let path = root.join(LOCK_FILE);
    if lock.modules.is_empty() && !path.exists() {
        return Ok(());
    }
    if std::fs::read_to_string(&path).is_ok_and(|old| old == lock.text()) {
        return Ok(());
    }
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new().permissions(permissions()).tempfile_in(root)?;
        file.write_all(lock.text().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    write().map_err(|e| file_error(&path, &e).into())
}

/// The lock file is committed and holds nothing secret, so it is readable as other files are.
fn permissions() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

/// Keeps two fetches of one folder apart, and clears what a killed one left.
struct Guard {
    _file: std::fs::File,
}

impl Guard {
    fn take(root: &Path) -> Result<Guard> {
        let cache = root.join(MODULES_DIR);
        disk::private_dir(&cache).map_err(|e| file_error(&cache, &e))?;
        let path = cache.join(".lock");
        // A link that came with the folder is not followed.
        let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let mut options = std::fs::File::options();
        let file = options.create(true).truncate(false).write(true).custom_flags(flags).open(&path).map_err(|e| file_error(&path, &e))?;
        file.lock().map_err(|e| file_error(&path, &e))?;
        for entry in std::fs::read_dir(&cache).map_err(|e| file_error(&cache, &e))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(".fetch-") {
                std::fs::remove_dir_all(entry.path()).map_err(|e| file_error(&entry.path(), &e))?;
            }
        }
        Ok(Guard { _file: file })
    }
}

/// Copies a module into a folder that holds no configuration.
async fn from_module(root: &Path, source: &str, terminal: &Terminal) -> Result<()> {
    if !is_empty(root)? {
        let d = Diagnostic::error(cli_codes::USAGE, "-from-module copies into a folder without configuration, and this one holds some.");
        return Err(d.hint("Use an empty folder.").into());
    }
    say(terminal, &format!("Copying the configuration from {} …", redact(source)));
    let found = match Path::new(source).is_absolute() {
        true => Ok(ModuleSource::Local(source.into())),
        false => parse_source(source),
    };
    let from = match found {
        Ok(ModuleSource::Local(path)) => root.join(path),
        Ok(ModuleSource::Git(git)) => {
            let temporary = tempfile::tempdir().map_err(|e| file_error(Path::new("a temporary folder"), &e))?;
            let client = Git::new(&git, terminal.input);
            client.checkout(&client.resolve().await?, temporary.path()).await?;
            return copy(&temporary.path().join(&git.folder), root).map_err(Into::into);
        }
        Err(refused) => return Err(Diagnostic::error(codes::INVALID_SOURCE, refused.detail).hint(refused.hint).into()),
    };
    if !from.is_dir() {
        return Err(Diagnostic::error(codes::INVALID_SOURCE, format!("There is no folder {}.", normalize(&from).display())).into());
    }
    copy(&from, root).map_err(Into::into)
}

/// Copies files and folders, hidden ones not. Nothing that is there is overwritten.
fn copy(from: &Path, to: &Path) -> std::result::Result<(), Diagnostic> {
    std::fs::create_dir_all(to).map_err(|e| file_error(to, &e))?;
    for entry in std::fs::read_dir(from).map_err(|e| file_error(from, &e))?.flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let kind = entry.file_type().map_err(|e| file_error(&path, &e))?;
        if kind.is_dir() {
            copy(&path, &target)?;
        } else if target.exists() {
            let d = Diagnostic::error(cli_codes::FILE, format!("{} is there already and is not overwritten.", target.display()));
            return Err(d.hint("Use an empty folder."));
        } else {
            std::fs::copy(&path, &target).map_err(|e| file_error(&target, &e))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G11.3: a link in place of the lock does not make a file elsewhere.
    #[test]
    fn g11_3_a_linked_lock_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (root, target) = (dir.path().join("root"), dir.path().join("target"));
        std::fs::create_dir_all(root.join(MODULES_DIR)).unwrap();
        drop(Guard::take(&root).unwrap());
        let lock = root.join(MODULES_DIR).join(".lock");
        std::fs::remove_file(&lock).unwrap();
        std::os::unix::fs::symlink(&target, &lock).unwrap();
        assert!(Guard::take(&root).is_err());
        assert!(!target.exists());
    }
}
