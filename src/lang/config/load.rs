//! Reads the files of a module and of the modules that it calls.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::blocks::{self, Call};
use super::source::{LOCK_FILE, MODULES_DIR, ModuleLock, ModuleSource, parse_source};
use super::{Config, FileSource, Module, json, merge, normalize};
use crate::diag::codes::config::*;
use crate::diag::{Diagnostic, Diagnostics, SourceId, Sources, Span};
use crate::lang::ast::Body;
use crate::lang::{fmt, syntax};

/// Reads the configuration of a folder and of every module that it calls. All that is wrong is collected; the configuration is given
/// also beside errors, with what could be read, unless the folder itself could not be.
pub fn load(root: &Path, files: &dyn FileSource) -> (Option<Config>, Diagnostics) {
    let mut loader =
        Loader { root, files, sources: Sources::default(), diags: Diagnostics::new(), stack: vec![], loaded: HashMap::new(), lock: None };
    let module = loader.module(PathBuf::new(), None);
    (module.map(|root| Config { sources: loader.sources, root }), loader.diags)
}

struct Loader<'a> {
    root: &'a Path,
    files: &'a dyn FileSource,
    sources: Sources,
    diags: Diagnostics,
    /// The modules that are being read, from the root, relative to it.
    stack: Vec<PathBuf>,
    /// A folder that is called twice is read once.
    loaded: HashMap<PathBuf, Option<Arc<Module>>>,
    lock: Option<ModuleLock>,
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
        let names = self.config_files(dir, from)?;
        let mut merged: Option<Body> = None;
        for name in &names {
            let Some(body) = self.parse(dir, name) else { continue };
            match &mut merged {
                None => merged = Some(body),
                Some(base) if is_override(name) => merge::apply(base, body, &mut self.diags),
                Some(base) => {
                    base.attrs.extend(body.attrs);
                    base.blocks.extend(body.blocks);
                }
            }
        }
        let (mut module, calls) = merged.map(|b| blocks::read(b, &mut self.diags)).unwrap_or_default();
        module.dir = if dir.as_os_str().is_empty() { PathBuf::from(".") } else { dir.to_path_buf() };
        self.stack.push(dir.to_path_buf());
        for call in calls {
            self.call(dir, call, &mut module);
        }
        self.stack.pop();
        Some(module)
    }

    /// The names of a folder's files in the order they are read: overrides last.
    fn config_files(&mut self, dir: &Path, from: Option<Span>) -> Option<Vec<String>> {
        let shown = if dir.as_os_str().is_empty() { self.root.display() } else { dir.display() }.to_string();
        let names = match self.files.read_dir(&self.root.join(dir)) {
            Ok(names) => names,
            Err(e) => {
                let d = Diagnostic::error(UNREADABLE, format!("The folder {shown} cannot be read: {e}."));
                self.diags.push(d.at(from));
                return None;
            }
        };
        let mut names: Vec<String> = names.into_iter().filter(|n| is_config(n)).collect();
        if names.is_empty() {
            let d = Diagnostic::error(NO_CONFIGURATION, format!("The folder {shown} holds no file that ends in .hcl or .hcl.json."));
            self.diags.push(d.at(from).hint("Go to the folder of the configuration, or write a main.hcl."));
            return None;
        }
        names.sort_by(|a, b| is_override(a).cmp(&is_override(b)).then_with(|| a.cmp(b)));
        Some(names)
    }

    fn parse(&mut self, dir: &Path, name: &str) -> Option<Body> {
        let path = dir.join(name);
        let bytes = match self.files.read(&self.root.join(&path)) {
            Ok(bytes) => bytes,
            Err(e) => {
                self.diags.push(Diagnostic::error(UNREADABLE, format!("The file {} cannot be read: {e}.", path.display())));
                return None;
            }
        };
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => {
                let at = e.utf8_error().valid_up_to();
                let line = e.as_bytes()[..at].iter().filter(|&&b| b == b'\n').count() + 1;
                let d = Diagnostic::error(UNREADABLE, format!("The file {} is not UTF-8 in line {line}.", path.display()));
                self.diags.push(d.hint("Save it as UTF-8."));
                return None;
            }
        };
        let id = self.sources.add(path.display().to_string(), text.as_str());
        let (body, diags) = parse_file(name, &text, id);
        self.diags.append(diags);
        body
    }

    fn call(&mut self, dir: &Path, call: Call, module: &mut Module) {
        let Call { mut call, source_span } = call;
        let Some(target) = self.resolve(dir, &call.source, source_span) else { return };
        if let Some(at) = self.stack.iter().position(|d| *d == target) {
            let shown = |p: &PathBuf| if p.as_os_str().is_empty() { ".".to_string() } else { p.display().to_string() };
            let path: Vec<String> = self.stack[at..].iter().chain([&target]).map(shown).collect();
            let d = Diagnostic::error(MODULE_CYCLE, format!("A module cannot call itself: {}.", path.join(" -> ")));
            self.diags.push(d.at(source_span).hint("Move what both need to a third module."));
            return;
        }
        let Some(loaded) = self.module(target, Some(source_span)) else { return };
        self.inputs(&call, &loaded);
        call.module = loaded;
        module.calls.insert(call.name.name.clone(), call);
    }

    /// Inputs against the variables of the called module.
    fn inputs(&mut self, call: &super::ModuleCall, module: &Module) {
        for attr in &call.inputs.attrs {
            let name = &attr.name.name;
            if module.variables.contains_key(name) {
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
        match parse_source(source) {
            Some(ModuleSource::Local(path)) => Some(normalize(&dir.join(path))),
            Some(ModuleSource::Git(git)) => {
                let Some(locked) = self.lock().modules.get(&git.key()).map(|m| m.dir.clone()) else {
                    let d = Diagnostic::error(MODULE_NOT_INSTALLED, format!("The module {source} has not been fetched."));
                    self.diags.push(d.at(span).hint("Run streamform get."));
                    return None;
                };
                Some(normalize(&Path::new(MODULES_DIR).join(locked).join(git.folder)))
            }
            None => {
                let d = Diagnostic::error(INVALID_SOURCE, format!("{source:?} is neither a relative path nor a git address."));
                self.diags.push(d.at(span).hint("Write \"./folder\", or \"git::https://host/repository.git//folder?ref=tag\"."));
                None
            }
        }
    }

    fn lock(&mut self) -> &ModuleLock {
        if self.lock.is_none() {
            let path = Path::new(MODULES_DIR).join(LOCK_FILE);
            let lock = match self.files.read(&self.root.join(&path)) {
                Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| e.to_string()),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(ModuleLock::default()),
                Err(e) => Err(e.to_string()),
            };
            let lock = lock.unwrap_or_else(|e| {
                let d = Diagnostic::error(UNREADABLE, format!("The list of fetched modules, {}, cannot be read: {e}.", path.display()));
                self.diags.push(d.hint("Remove the file and run streamform get."));
                ModuleLock::default()
            });
            self.lock = Some(lock);
        }
        self.lock.get_or_insert_default()
    }
}

/// Parses a file by its name's ending.
fn parse_file(name: &str, text: &str, id: SourceId) -> (Option<Body>, Diagnostics) {
    if name.ends_with(".json") {
        return json::parse(text, id);
    }
    let (body, diags) = syntax::parse_body(text, id);
    if body.is_some() {
        return (body, diags);
    }
    match fmt::duplicates(text) {
        found if found.is_empty() => (None, diags),
        found => without_duplicates(text, id, &found),
    }
}

/// Complains about arguments that are set again, and reads the text without them, to find what else is wrong.
fn without_duplicates(text: &str, id: SourceId, found: &[fmt::Duplicate]) -> (Option<Body>, Diagnostics) {
    let span = |r: &Range<usize>| Span { source: id, start: r.start as u32, end: r.end as u32 };
    let mut diags = Diagnostics::new();
    let mut rest = text.to_string();
    for d in found {
        let detail = format!("The argument {:?} is set twice; each argument may be set once.", d.name);
        diags.push(
            Diagnostic::error(DUPLICATE, detail).at(span(&d.again)).also(span(&d.first), "first set here").hint("Remove one of them."),
        );
        // Blanks keep the places of all that follows.
        rest.replace_range(d.whole.clone(), &" ".repeat(d.whole.len()));
    }
    let (body, more) = syntax::parse_body(&rest, id);
    diags.append(more);
    (body, diags)
}

/// Whether a file is part of the configuration: not hidden, no editor's backup, no test.
fn is_config(name: &str) -> bool {
    let hidden = name.starts_with('.') || name.ends_with('~') || (name.starts_with('#') && name.ends_with('#'));
    let test = name.ends_with(".sftest.hcl") || name.ends_with(".sftest.hcl.json");
    !hidden && !test && (name.ends_with(".hcl") || name.ends_with(".hcl.json"))
}

fn is_override(name: &str) -> bool {
    let stem = name.strip_suffix(".hcl.json").or(name.strip_suffix(".hcl")).unwrap_or(name);
    stem == "override" || stem.ends_with("_override")
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
