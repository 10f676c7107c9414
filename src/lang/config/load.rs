//! Reads the files of a module and of the modules that it calls.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;

use super::blocks::{self, Call};
use super::lock::ModuleLock;
use super::parse::{self, Job, Parsed};
use super::source::{GitSource, MODULES_DIR, ModuleSource, parse_source, redact, repository_of};
use super::{Config, FileSource, Module, merge, normalize};
use crate::diag::codes::config::*;
use crate::diag::{Diagnostic, Diagnostics, Sources, Span, io_words};
use crate::lang::ast::Body;

/// Reads the configuration of a folder and of every module that it calls. All that is wrong is collected; the configuration is given
/// also beside errors, with what could be read, unless the folder itself could not be.
pub fn load(root: &Path, files: &dyn FileSource) -> (Option<Config>, Diagnostics) {
    let loaded = load_calls(root, files, None);
    (loaded.config, loaded.diagnostics)
}

/// A configuration with the module calls that it was made of.
#[derive(Debug)]
pub struct Loaded {
    /// As of [`load`].
    pub config: Option<Config>,
    /// As of [`load`].
    pub diagnostics: Diagnostics,
    /// Every call that names a folder or a repository, callers first.
    pub calls: Vec<FoundCall>,
}

/// A module call and where its source leads.
#[derive(Clone, Debug)]
pub struct FoundCall {
    /// The names of the calls from the root, joined by dots.
    pub path: String,
    /// The source as it may be shown.
    pub source: String,
    /// The repository, for one that is fetched.
    pub git: Option<GitSource>,
    /// The folder relative to the root; `None` where it has not been fetched.
    pub dir: Option<PathBuf>,
}

/// [`load`], with the module calls. Where `fresh` is given, only these keys of the lock file count: everything else is to be fetched anew.
pub fn load_calls(root: &Path, files: &dyn FileSource, fresh: Option<&BTreeSet<String>>) -> Loaded {
    load_from(root, Path::new(""), files, fresh, Sources::default(), None)
}

/// [`load`] of a folder relative to the root as if it were the root: what a test's `module` block names. Texts are added to `sources`;
/// `from` is where the folder is asked for.
pub fn load_at(root: &Path, dir: &Path, files: &dyn FileSource, sources: Sources, from: Option<Span>) -> (Option<Config>, Diagnostics) {
    let loaded = load_from(root, dir, files, None, sources, from);
    (loaded.config, loaded.diagnostics)
}

fn load_from(
    root: &Path,
    dir: &Path,
    files: &dyn FileSource,
    fresh: Option<&BTreeSet<String>>,
    sources: Sources,
    from: Option<Span>,
) -> Loaded {
    let mut loader = Loader {
        root,
        files,
        fresh,
        sources,
        diags: Diagnostics::new(),
        stack: vec![],
        names: vec![],
        calls: vec![],
        loaded: HashMap::new(),
        lock: None,
        parsed: HashMap::new(),
    };
    let module = loader.module(normalize(dir), from);
    let config = module.map(|root| Config { sources: loader.sources, root });
    Loaded { config, diagnostics: loader.diags, calls: loader.calls }
}

struct Loader<'a> {
    root: &'a Path,
    files: &'a dyn FileSource,
    sources: Sources,
    diags: Diagnostics,
    /// The modules that are being read, from the root, relative to it.
    stack: Vec<PathBuf>,
    /// The names of the calls that led here.
    names: Vec<Arc<str>>,
    calls: Vec<FoundCall>,
    fresh: Option<&'a BTreeSet<String>>,
    /// A folder that is called twice is read once.
    loaded: HashMap<PathBuf, Option<Arc<Module>>>,
    lock: Option<ModuleLock>,
    /// The parsed files of folders whose turn has not come, in the order in which they are merged.
    parsed: HashMap<PathBuf, Vec<(String, Parsed)>>,
}

impl Loader<'_> {
    /// The module in a folder relative to the root.
    fn module(&mut self, dir: PathBuf, from: Option<Span>) -> Option<Arc<Module>> {
        if let Some(known) = self.loaded.get(&dir) {
            return known.clone();
        }
        let module = self.read_module(&dir, from).map(Arc::new);
        self.loaded.insert(dir, module.clone());
        module
    }

    fn read_module(&mut self, dir: &Path, from: Option<Span>) -> Option<Module> {
        if !self.parsed.contains_key(dir) {
            let names = self.config_files(dir, from)?;
            self.parse(vec![(dir.to_path_buf(), names)]);
        }
        let mut merged: Option<Body> = None;
        for (name, parsed) in self.parsed.remove(dir).unwrap_or_default() {
            self.diags.append(parsed.diagnostics);
            let Some(body) = parsed.body else { continue };
            match &mut merged {
                None => merged = Some(body),
                Some(base) if is_override(&name) => merge::apply(base, body, &mut self.diags),
                Some(base) => {
                    base.attrs.extend(body.attrs);
                    base.blocks.extend(body.blocks);
                }
            }
        }
        let (mut module, calls) = merged.map(|b| blocks::read(b, &mut self.diags)).unwrap_or_default();
        module.dir = if dir.as_os_str().is_empty() { PathBuf::from(".") } else { dir.to_path_buf() };
        self.stack.push(dir.to_path_buf());
        self.parse_called(dir, &calls);
        for call in calls {
            let name = call.call.name.name.clone();
            self.call(dir, call, &mut module);
            if !module.calls.contains_key(&name) {
                module.unread.insert(name);
            }
        }
        self.stack.pop();
        Some(module)
    }

    /// The names of a folder's files in the order they are read: overrides last.
    fn config_files(&mut self, dir: &Path, from: Option<Span>) -> Option<Vec<String>> {
        let shown = if dir.as_os_str().is_empty() { self.root.display() } else { dir.display() }.to_string();
        let names = match self.list(dir) {
            Ok(names) => names,
            Err(e) => {
                let d = Diagnostic::error(UNREADABLE, format!("The folder {shown} cannot be read: {}.", io_words(&e)));
                self.diags.push(d.at(from));
                return None;
            }
        };
        if names.is_empty() {
            let d = Diagnostic::error(NO_CONFIGURATION, format!("The folder {shown} holds no file that ends in .hcl or .hcl.json."));
            self.diags.push(d.at(from).hint(match self.terraform_file(dir) {
                Some(name) => format!(
                    "{name} is a file for Terraform. The files of streamform end in .hcl: its language is the same, its resources are not."
                ),
                None => "Go to the folder of the configuration, or write a main.hcl.".to_string(),
            }));
            return None;
        }
        Some(names)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = self.files.read_dir(&self.root.join(dir))?;
        names.retain(|n| is_config(n));
        names.sort_by(|a, b| is_override(a).cmp(&is_override(b)).then_with(|| a.cmp(b)));
        Ok(names)
    }

    /// The first file of the folder that is written for Terraform.
    fn terraform_file(&self, dir: &Path) -> Option<String> {
        let mut names = self.files.read_dir(&self.root.join(dir)).unwrap_or_default();
        names.sort();
        names.into_iter().find(|n| n.ends_with(".tf") || n.ends_with(".tf.json"))
    }

    /// Parses the modules that are called from here, all at once: a module with many calls uses all processors. What cannot be listed, or is
    /// not a folder beside this one, is left to its own turn, which says what is wrong with it.
    fn parse_called(&mut self, dir: &Path, calls: &[Call]) {
        let mut folders: IndexMap<PathBuf, Vec<String>> = IndexMap::new();
        for call in calls {
            let Ok(ModuleSource::Local(path)) = parse_source(&call.call.source) else { continue };
            let Some(target) = local_target(dir, &path) else { continue };
            let known = self.loaded.contains_key(&target) || self.stack.contains(&target) || folders.contains_key(&target);
            if let (false, Ok(names)) = (known, self.list(&target))
                && !names.is_empty()
            {
                folders.insert(target, names);
            }
        }
        self.parse(folders.into_iter().collect());
    }

    /// Reads and parses the files of these folders.
    fn parse(&mut self, folders: Vec<(PathBuf, Vec<String>)>) {
        let mut jobs = vec![];
        for (dir, names) in &folders {
            jobs.extend(names.iter().map(|name| self.text(dir.join(name))));
        }
        let mut parsed = parse::files(&jobs).into_iter();
        for (dir, names) in folders {
            let files = names.into_iter().zip(parsed.by_ref()).collect();
            self.parsed.insert(dir, files);
        }
    }

    /// A file that can be parsed, or what is wrong with it.
    fn text(&mut self, path: PathBuf) -> Result<Job, Diagnostic> {
        let shown = path.display();
        let bytes = self.files.read(&self.root.join(&path));
        let bytes = bytes.map_err(|e| Diagnostic::error(UNREADABLE, format!("The file {shown} cannot be read: {}.", io_words(&e))))?;
        let text = String::from_utf8(bytes).map_err(|e| {
            let at = e.utf8_error().valid_up_to();
            let line = e.as_bytes()[..at].iter().filter(|&&b| b == b'\n').count() + 1;
            Diagnostic::error(UNREADABLE, format!("The file {shown} is not UTF-8 in line {line}.")).hint("Save it as UTF-8.")
        })?;
        let id = self.sources.add(shown.to_string(), text.as_str());
        Ok(Job { path, text, id })
    }

    fn call(&mut self, dir: &Path, call: Call, module: &mut Module) {
        let Call { mut call, source_span } = call;
        self.names.push(call.name.name.clone());
        let target = self.resolve(dir, &call.source, source_span);
        let loaded = target.and_then(|target| self.called(target, source_span));
        self.names.pop();
        let Some(loaded) = loaded else { return };
        for import in &loaded.imports {
            let d = Diagnostic::error(UNSUPPORTED_BLOCK, format!("The module {:?} holds an import block.", call.name.name)).at(import.span);
            self.diags.push(d.hint("Write it in the root module, with to = module.NAME.TYPE.NAME."));
        }
        self.inputs(&call, &loaded);
        call.module = loaded;
        module.calls.insert(call.name.name.clone(), call);
    }

    fn called(&mut self, target: PathBuf, span: Span) -> Option<Arc<Module>> {
        if let Some(at) = self.stack.iter().position(|d| *d == target) {
            let shown = |p: &PathBuf| if p.as_os_str().is_empty() { ".".to_string() } else { p.display().to_string() };
            let path: Vec<String> = self.stack[at..].iter().chain([&target]).map(shown).collect();
            let d = Diagnostic::error(MODULE_CYCLE, format!("A module cannot call itself: {}.", path.join(" -> ")));
            self.diags.push(d.at(span).hint("Move what both need to a third module."));
            return None;
        }
        self.module(target, Some(span))
    }

    /// Inputs against the variables of the called module.
    fn inputs(&mut self, call: &super::ModuleCall, module: &Module) {
        for attr in &call.inputs.attrs {
            let name = &attr.name.name;
            if let Some(variable) = module.variables.get(name) {
                if let Some(text) = &variable.deprecated {
                    let detail = format!("The variable {name:?} of the module {:?} is deprecated: {text}", call.name.name);
                    self.diags.push(Diagnostic::warning(DEPRECATED, detail).at(attr.name.span));
                }
                continue;
            }
            let mut d = Diagnostic::error(UNSUPPORTED_ARGUMENT, format!("The module {:?} has no variable named {name:?}.", call.name.name));
            if let Some(near) = crate::diag::did_you_mean(name, module.variables.keys().map(|k| &**k)) {
                d = d.hint(format!("Did you mean {near:?}?"));
            }
            self.diags.push(d.at(attr.name.span));
        }
        for (name, variable) in &module.variables {
            if variable.default.is_none() && call.inputs.attr(name).is_none() {
                let d = Diagnostic::error(MISSING_ARGUMENT, format!("The module {:?} needs the argument {name:?}.", call.name.name));
                self.diags.push(d.at(call.span).also(variable.name.span, "the variable").hint(format!("Add {name} = … to the block.")));
            }
        }
    }

    /// The folder of a source, relative to the root.
    fn resolve(&mut self, dir: &Path, source: &str, span: Span) -> Option<PathBuf> {
        let shown = redact(source);
        let (git, found) = match parse_source(source) {
            Ok(ModuleSource::Local(path)) => (None, Some(self.local(dir, &path, span)?)),
            Ok(ModuleSource::Git(git)) => {
                let found = self.fetched(&git);
                (Some(git), found)
            }
            Err(refused) => {
                let code = if refused.unsupported { UNSUPPORTED_SOURCE } else { INVALID_SOURCE };
                self.complain(Diagnostic::error(code, refused.detail).hint(refused.hint), source, span);
                return None;
            }
        };
        if found.is_none() {
            let d = Diagnostic::error(MODULE_NOT_INSTALLED, format!("The module {shown} has not been fetched."));
            self.complain(d.hint("Run streamform init."), source, span);
        }
        self.calls.push(FoundCall { path: self.names.join("."), source: shown, git, dir: found.clone() });
        found
    }

    fn local(&mut self, dir: &Path, path: &Path, span: Span) -> Option<PathBuf> {
        let target = local_target(dir, path);
        if target.is_none() {
            let d = Diagnostic::error(SOURCE_LEADS_OUT, format!("The source {:?} leads out of the module's repository.", path.display()));
            self.diags.push(d.at(span).hint("A fetched module can call only what its own repository holds, or another git source."));
        }
        target
    }

    /// The folder of a repository that has been fetched whole.
    fn fetched(&mut self, git: &GitSource) -> Option<PathBuf> {
        let key = git.key();
        if self.fresh.is_some_and(|fresh| !fresh.contains(&key)) {
            return None;
        }
        let commit = self.lock().modules.get(&key)?.clone();
        let top = Path::new(MODULES_DIR).join(git.dir(&commit));
        self.files.read_dir(&self.root.join(&top)).ok()?;
        Some(normalize(&top.join(&git.folder)))
    }

    /// Says what is wrong with a source, without the line where that would show credentials.
    fn complain(&mut self, d: Diagnostic, source: &str, span: Span) {
        let names: Vec<String> = self.names.iter().map(|n| format!("module.{n}")).collect();
        let d = d.on(names.join("."));
        self.diags.push(if redact(source) == source { d.at(span) } else { d });
    }

    fn lock(&mut self) -> &ModuleLock {
        if self.lock.is_none() {
            let lock = ModuleLock::read(self.root, self.files);
            self.lock = Some(lock.unwrap_or_else(|d| {
                self.diags.push(d);
                ModuleLock::default()
            }));
        }
        self.lock.get_or_insert_default()
    }
}

/// Where a relative source leads. A fetched module does not see what lies outside its repository.
fn local_target(dir: &Path, path: &Path) -> Option<PathBuf> {
    let target = normalize(&dir.join(path));
    repository_of(dir).is_none_or(|top| target.starts_with(&top)).then_some(target)
}

/// Whether a file is part of the configuration: not hidden, no editor's backup, no test.
fn is_config(name: &str) -> bool {
    let hidden = name.starts_with('.') || name.ends_with('~') || (name.starts_with('#') && name.ends_with('#'));
    !hidden && !super::testfile::is_test(name) && (name.ends_with(".hcl") || name.ends_with(".hcl.json"))
}

fn is_override(name: &str) -> bool {
    let stem = name.strip_suffix(".hcl.json").or(name.strip_suffix(".hcl")).unwrap_or(name);
    stem == "override" || stem.ends_with("_override")
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
