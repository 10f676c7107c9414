//! `plan -generate-config-out`: resource blocks for what import blocks name and no block declares.
//!
//! First each of them stands in the configuration as a block that says only where its object lives, which is enough to find the object. What
//! was found is then written to the file, and the plan is made with that.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::live::{DiskHost, Live};
use super::plan::Request;
use super::workspace::Workspace;
use super::{Failure, Result, Terminal};
use crate::addr::{InstanceAddr, Mode, ResourceAddr, Target};
use crate::apply::Silent;
use crate::diag::codes::{cli as codes, plan as plan_codes};
use crate::diag::{Diagnostic, Diagnostics, Severity, Span, io_words};
use crate::graph::Graph;
use crate::lang::ast::{ExprKind, Step};
use crate::lang::config::{self, Config, DiskFiles, FileSource, Import, Module, Repetition};
use crate::lang::fmt;
use crate::plan::walk::{self, Observer};
use crate::plan::{Options, RunMode};
use crate::resource::{Observed, Private, Question, ReadRequest, ResourceType, StepRequest, registry};
use crate::schema::AttrType;
use crate::state::Access;
use crate::value::Value;
use crate::view::hcl;

/// Loads the folder, with blocks for what is imported and not declared: they are written to `file`. Returns how many there are too.
///
/// # Errors
/// The file is there already, or one of the objects cannot be found; then nothing is written.
pub async fn workspace(request: &Request, file: &Path, terminal: &Terminal) -> Result<(Workspace, usize)> {
    usable(request, file)?;
    let plain = || Workspace::load(&request.root, &DiskFiles, &request.vars, terminal).map(|ws| (ws, 0));
    let (Some(config), diags) = config::load(&request.root, &DiskFiles) else { return plain() };
    if diags.has_errors() || Graph::build(&config).1.has_errors() {
        return plain();
    }
    let mut wanted = undeclared(&config).map_err(|diagnostics| Failure { diagnostics, sources: config.sources.clone() })?;
    if wanted.is_empty() {
        return plain();
    }
    let files = |text: String| Overlay { path: request.root.join(shown_name(&request.root, file)), text };
    let skeleton = wanted.iter().map(Wanted::skeleton).collect();
    let ws = Workspace::load(&request.root, &files(skeleton), &request.vars, terminal)?;
    for w in &mut wanted {
        // With one more file in the folder, places are counted anew.
        let import = ws.config.root.imports.iter().find(|i| block_of(i).is_some_and(|(addr, _)| addr == w.addr));
        w.span = import.map_or(w.span, |i| i.span);
    }
    let found = find(&ws, request, &wanted).await?;
    let (text, left_out) = written(&wanted, &found, file);
    save(file, &text).map_err(|d| ws.failure(d))?;
    let mut ws = ws.again(&files(text))?;
    ws.warnings.append(left_out);
    Ok((ws, wanted.len()))
}

/// Whether the run and the file are such that blocks can be generated.
fn usable(request: &Request, file: &Path) -> std::result::Result<(), Diagnostic> {
    if request.options.mode != RunMode::Normal {
        let d =
            Diagnostic::error(codes::USAGE, "Configuration can be generated only by a normal plan, not with -destroy or -refresh-only.");
        return Err(d.hint("Leave out one of the flags."));
    }
    let shown = file.display();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if !name.ends_with(".hcl") || name.starts_with('.') || name.ends_with("override.hcl") || config::testfile::is_test(&name) {
        let d = Diagnostic::error(codes::FILE, format!("The file {shown} would not be read as configuration."));
        return Err(d.hint("Choose a name that ends in .hcl, such as generated.hcl."));
    }
    if file.symlink_metadata().is_ok() {
        let d =
            Diagnostic::error(codes::FILE, format!("The file {shown} is there already, and generated configuration goes to a new file."));
        return Err(d.hint("Choose another name, or move what the file holds to your other files and delete it."));
    }
    Ok(())
}

/// The name under which the text is part of the folder: the file's own where it lies there.
fn shown_name(root: &Path, file: &Path) -> PathBuf {
    let parent = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let same = matches!((parent.canonicalize(), root.canonicalize()), (Ok(a), Ok(b)) if a == b);
    match file.file_name() {
        Some(name) if same => name.into(),
        _ => "generated_config_out.hcl".into(),
    }
}

fn save(file: &Path, text: &str) -> std::result::Result<(), Diagnostic> {
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(file).and_then(|mut f| f.write_all(text.as_bytes()));
    made.map_err(|e| Diagnostic::error(codes::FILE, format!("The file {} cannot be written: {}.", file.display(), io_words(&e))))
}

/// An object to be imported for which a block is to be written.
struct Wanted {
    addr: ResourceAddr,
    resource: &'static dyn ResourceType,
    span: Span,
    /// What stands in its reference arguments.
    places: BTreeMap<&'static str, String>,
}

impl Wanted {
    fn skeleton(&self) -> String {
        let places: String = self.places.iter().map(|(name, place)| format!("  {name} = {place}\n")).collect();
        format!("resource \"{}\" \"{}\" {{\n{places}}}\n", self.addr.type_name, self.addr.name)
    }
}

/// What import blocks name and no block declares.
fn undeclared(config: &Config) -> std::result::Result<Vec<Wanted>, Diagnostics> {
    let mut diags = Diagnostics::new();
    let mut out: Vec<Wanted> = Vec::new();
    for import in &config.root.imports {
        let Some((addr, keyed)) = block_of(import) else { continue };
        let key = (addr.mode, addr.type_name.clone(), addr.name.clone());
        if config.root.resources.contains_key(&key) || out.iter().any(|w| w.addr == addr) {
            continue;
        }
        match wanted(&config.root, import, addr, keyed) {
            Ok(wanted) => out.push(wanted),
            Err(d) => diags.push(d),
        }
    }
    if diags.is_empty() { Ok(out) } else { Err(diags) }
}

/// The block that an import's target is an instance of, and whether there is a key; `None` in a called module, and for what is no resource.
fn block_of(import: &Import) -> Option<(ResourceAddr, bool)> {
    let ExprKind::Traversal { root, steps } = &*import.to.kind else { return None };
    match steps.split_first() {
        Some((Step::Attr(name), rest)) if !matches!(&*root.name, "module" | "data") => {
            Some((ResourceAddr::root(Mode::Managed, &root.name, &name.name), !rest.is_empty()))
        }
        _ => None,
    }
}

fn wanted(module: &Module, import: &Import, addr: ResourceAddr, keyed: bool) -> std::result::Result<Wanted, Diagnostic> {
    if keyed || import.for_each.is_some() {
        let d =
            Diagnostic::error(plan_codes::BAD_IMPORT, format!("No block can be generated for {addr}, as it would need count or for_each."));
        return Err(d.at(import.span).hint("Write the resource block yourself, or import each object to a block of its own."));
    }
    let resource = registry::find(Mode::Managed, &addr.type_name).ok_or_else(|| registry::unknown_type(&addr, import.to.span))?;
    let mut places = BTreeMap::new();
    for a in &resource.schema().body.attributes {
        if let (AttrType::Ref(types), crate::schema::Set::Required) = (&a.ty, a.set) {
            places.insert(a.name, place(module, import, &addr, types)?);
        }
    }
    Ok(Wanted { addr, resource, span: import.span, places })
}

/// Where an object lives: what `within` says, else the only block of the kind.
fn place(module: &Module, import: &Import, addr: &ResourceAddr, types: &[&str]) -> std::result::Result<String, Diagnostic> {
    let fits = |mode: &Mode, t: &str| types.contains(&t) && registry::find(*mode, t).is_some();
    let blocks = module.resources.iter().filter(|((mode, t, _), _)| fits(mode, t));
    let all: Vec<(ResourceAddr, bool)> =
        blocks.map(|((m, t, n), b)| (ResourceAddr::root(*m, t, n), matches!(b.repetition, Repetition::One))).collect();
    let names: Vec<String> = all.iter().map(|(a, _)| a.to_string()).collect();
    if let Some((target, span)) = &import.within {
        let (block, one) = match target {
            Target::Resource(r) => (r, true),
            Target::Instance(i) => (&i.resource, false),
            Target::Module(_) => return Err(no_place(addr, types, &names).at(*span)),
        };
        return match all.iter().any(|(a, alone)| a == block && *alone == one) {
            true => Ok(target.to_string()),
            false => Err(no_place(addr, types, &names).at(*span)),
        };
    }
    match &all[..] {
        [(only, true)] => Ok(only.to_string()),
        _ => Err(no_place(addr, types, &names).at(import.span)),
    }
}

fn no_place(addr: &ResourceAddr, types: &[&str], names: &[String]) -> Diagnostic {
    let kinds = types.join(" or ");
    let d = Diagnostic::error(plan_codes::BAD_IMPORT, format!("It is not plain in which {kinds} {addr} is to be looked for."));
    d.hint(match names {
        [] => format!("Declare the {kinds} in this module, as a resource or as a data block."),
        [one] => format!("Say which instance in the import block: within = {one}[…]."),
        several => format!("Say it in the import block: within = {}.", several.join(" or ")),
    })
}

/// Finds the objects. All that keeps one of them from being found is told.
async fn find(ws: &Workspace, request: &Request, wanted: &[Wanted]) -> Result<BTreeMap<ResourceAddr, Value>> {
    let store = ws.store(Access::Read).await?;
    let snapshot = store.snapshot().await.map_err(|d| ws.failure(d))?;
    let targets = wanted.iter().map(|w| Target::Resource(w.addr.clone())).collect();
    let options = Options { targets, refresh: request.options.refresh, ..Options::default() };
    let finder = Finder { live: ws.live(Arc::new(Silent)), found: Mutex::default() };
    let host = DiskHost::new(false);
    let digest = |v: &Value| store.digest(v);
    let inputs = ws.inputs(&snapshot, &options, &digest, &host, &finder);
    let outcome = walk::walk(&inputs).await;
    let mut found = std::mem::take(&mut *finder.found.lock().unwrap_or_else(PoisonError::into_inner));
    // The blocks say only where their objects live: what else they lack is no fault.
    let ours = |d: &Diagnostic| wanted.iter().any(|w| d.address.as_deref() == Some(w.addr.to_string().as_str()));
    let errors = outcome.diagnostics.into_iter().filter(|d| d.severity == Severity::Error && !ours(d));
    let mut diags: Diagnostics = errors.collect();
    let mut objects = BTreeMap::new();
    for w in wanted {
        match found.remove(&w.addr.instance(None)) {
            Some(Ok(object)) => drop(objects.insert(w.addr.clone(), object)),
            Some(Err(d)) => diags.push(d.on(&w.addr).at(w.span)),
            None if diags.has_errors() => {}
            None => {
                let d = Diagnostic::error(plan_codes::BAD_IMPORT, format!("{} is in the state already, and no block declares it.", w.addr));
                diags.push(d.at(w.span).hint("Write its resource block and remove the import block."));
            }
        }
    }
    if diags.has_errors() { Err(ws.failure(diags)) } else { Ok(objects) }
}

/// The live observer, keeping what it imports.
struct Finder {
    live: Live,
    found: Mutex<BTreeMap<InstanceAddr, std::result::Result<Value, Diagnostic>>>,
}

#[async_trait]
impl Observer for Finder {
    async fn read(&self, mode: Mode, type_name: &str, requests: Vec<ReadRequest>) -> Vec<std::result::Result<Observed, Diagnostic>> {
        self.live.read(mode, type_name, requests).await
    }

    async fn import(&self, addr: &InstanceAddr, id: &str, config: Option<&Value>) -> std::result::Result<(Value, Private), Diagnostic> {
        let found = self.live.import(addr, id, config).await;
        let kept = found.as_ref().map(|(object, _)| object.clone()).map_err(Clone::clone);
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(addr.clone(), kept);
        found
    }

    async fn answer(&self, _: &str, questions: Vec<Question>) -> Vec<std::result::Result<Option<serde_json::Value>, Diagnostic>> {
        questions.iter().map(|_| Ok(None)).collect()
    }

    async fn probe(&self, _: &str, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
        requests.iter().map(|_| Diagnostics::new()).collect()
    }
}

/// The file's text, and a warning for each object of which something is left out.
fn written(wanted: &[Wanted], found: &BTreeMap<ResourceAddr, Value>, file: &Path) -> (String, Diagnostics) {
    let mut text = String::from("# Written by streamform plan -generate-config-out from what import blocks name.\n");
    text.push_str("# Review these blocks, then move them to your other files.\n");
    let mut diags = Diagnostics::new();
    for (w, object) in wanted.iter().filter_map(|w| Some((w, found.get(&w.addr)?))) {
        let block = hcl::block(&w.addr, w.resource.schema(), object, &w.places);
        text.push_str(&format!("\n{}", block.text));
        if !block.left_out.is_empty() {
            let detail = format!("{} of {} is left out of {}, as it is secret.", block.left_out.join(", "), w.addr, file.display());
            let hint =
                "Set it before you apply, for example from a sensitive variable: what a block does not say is removed from the object.";
            diags.push(Diagnostic::warning(codes::LEFT_OUT, detail).on(&w.addr).at(w.span).hint(hint));
        }
    }
    // Layout is all that formatting gives; without it the text means the same.
    (fmt::format(&text).unwrap_or(text), diags)
}

/// The disk, with one more file.
struct Overlay {
    path: PathBuf,
    text: String,
}

impl FileSource for Overlay {
    fn read_dir(&self, dir: &Path) -> std::io::Result<Vec<String>> {
        let mut names = DiskFiles.read_dir(dir)?;
        if self.path.parent().is_some_and(|p| config::normalize(p) == config::normalize(dir)) {
            let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            names.retain(|n| *n != name);
            names.push(name);
        }
        Ok(names)
    }

    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        if config::normalize(path) == config::normalize(&self.path) {
            return Ok(self.text.clone().into_bytes());
        }
        DiskFiles.read(path)
    }
}
