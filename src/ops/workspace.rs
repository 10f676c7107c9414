//! A workspace: the folder that a command works in, with its configuration loaded, its variables collected and its state opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::live::{DiskHost, Live, Notes};
use super::{Failure, Terminal};
use crate::addr::ResourceAddr;
use crate::apply::Events;
use crate::diag::codes::{cli as codes, lang as lang_codes};
use crate::diag::{Diagnostic, Diagnostics, Sources};
use crate::graph::Graph;
use crate::lang::config::{self, Config, DiskFiles, FileSource, Module, variables};
use crate::lang::eval::{EvalContext, NoScope, eval};
use crate::lang::host::Host;
use crate::plan::Options;
use crate::plan::walk::{Inputs, Observer};
use crate::resource::{Session, registry};
use crate::schema::Schema;
use crate::state::backend::Sled;
use crate::state::{Access, Backend, Held, Ledger, LockInfo, Schemas, Snapshot};
use crate::value::Value;

/// What is said on the command line about variables, in order.
pub type VarArgs = Vec<variables::VarArg>;

/// A loaded configuration.
pub struct Workspace {
    /// The folder, as given: `.` unless the command says otherwise.
    pub root: PathBuf,
    /// The configuration.
    pub config: Config,
    /// Its graph.
    pub graph: Graph,
    /// The root variables that were given a value.
    pub variables: BTreeMap<Arc<str>, Value>,
    /// Warnings so far.
    pub warnings: Diagnostics,
}

impl Workspace {
    /// Loads a folder. All that is wrong with it is reported at once.
    pub fn load(root: &Path, files: &dyn FileSource, vars: &VarArgs, terminal: &Terminal) -> Result<Workspace, Failure> {
        Self::load_with(root, files, vars, &BTreeMap::new(), terminal)
    }

    /// [`Workspace::load`], where variables to which nothing else gives a value have that in `held`.
    pub fn load_with(
        root: &Path,
        files: &dyn FileSource,
        vars: &VarArgs,
        held: &BTreeMap<Arc<str>, Value>,
        terminal: &Terminal,
    ) -> Result<Workspace, Failure> {
        let (config, mut diagnostics) = config::load(root, files);
        let Some(mut config) = config else { return Err(Failure { diagnostics, sources: Sources::default() }) };
        let (graph, found) = Graph::build(&config);
        diagnostics.append(found);
        if diagnostics.has_errors() {
            // Nothing is parsed again: what later phases find is looked for in what has been loaded.
            let loaded = Self::partly(root, config, graph, diagnostics, files, vars, vec![]);
            let (sources, diagnostics) = super::validate::judge(loaded);
            return Err(Failure { diagnostics, sources });
        }
        let (variables, found) = collect(root, &mut config, vars, held, &DiskFiles, terminal);
        diagnostics.append(found);
        if diagnostics.has_errors() {
            return Err(Failure { diagnostics, sources: config.sources });
        }
        Ok(Workspace { root: root.to_path_buf(), config, graph, variables, warnings: diagnostics })
    }

    /// Loads a folder for a command that can do without values: a variable that nothing gives one is unknown. Errors are among the warnings.
    pub fn load_without_values(root: &Path, files: &dyn FileSource, vars: &VarArgs) -> Result<Workspace, Failure> {
        Self::load_partly(root, files, vars, vec![])
    }

    /// [`Workspace::load_without_values`], with these variables of the environment.
    pub fn load_partly(
        root: &Path,
        files: &dyn FileSource,
        vars: &VarArgs,
        environment: Vec<(String, String)>,
    ) -> Result<Workspace, Failure> {
        let (config, mut diagnostics) = config::load(root, files);
        let Some(config) = config else { return Err(Failure { diagnostics, sources: Sources::default() }) };
        let (graph, found) = Graph::build(&config);
        diagnostics.append(found);
        Ok(Self::partly(root, config, graph, diagnostics, files, vars, environment))
    }

    fn partly(
        root: &Path,
        mut config: Config,
        graph: Graph,
        mut diagnostics: Diagnostics,
        files: &dyn FileSource,
        vars: &VarArgs,
        environment: Vec<(String, String)>,
    ) -> Workspace {
        let host = DiskHost::new(false);
        let cx = EvalContext::new(&host, root, root);
        let module = Arc::clone(&config.root);
        let (given, found) = variables::collect(root, files, vars, environment, &module, &mut config.sources, &cx);
        diagnostics.append(found);
        let values = module.variables.iter().map(|(name, v)| {
            let value = match (given.get(name), v.default.is_some()) {
                (None, false) => Value::unknown(v.ty.clone()),
                (g, _) => variables::value_of(v, g.map(|g| &g.value), g.and_then(|g| g.span), &cx, &mut diagnostics),
            };
            (name.clone(), value)
        });
        let variables = values.collect();
        Workspace { root: root.to_path_buf(), config, graph, variables, warnings: diagnostics }
    }

    /// The same folder as other files show it, with the variables and warnings of this one.
    pub fn again(self, files: &dyn FileSource) -> Result<Workspace, Failure> {
        let (config, mut diagnostics) = config::load_at(&self.root, Path::new(""), files, self.config.sources.clone(), None);
        let Some(config) = config else { return Err(self.failure(diagnostics)) };
        let (graph, found) = Graph::build(&config);
        diagnostics.append(found);
        if diagnostics.has_errors() {
            return Err(Failure { diagnostics, sources: config.sources });
        }
        Ok(Workspace { config, graph, ..self })
    }

    /// A failure with this workspace's texts.
    pub fn failure(&self, diagnostics: impl Into<Diagnostics>) -> Failure {
        Failure { diagnostics: diagnostics.into(), sources: self.config.sources.clone() }
    }

    /// The folder of the state store.
    pub fn state_dir(&self) -> Result<PathBuf, Failure> {
        state_dir(&self.root, &self.config.root).map_err(|d| self.failure(d))
    }

    /// Opens the store.
    pub async fn store(&self, access: Access) -> Result<Ledger, Failure> {
        open_store(&self.state_dir()?, access).await.map_err(|d| self.failure(d))
    }

    /// Takes the lock of the store.
    pub async fn lock(&self, operation: &str, timeout: Duration, terminal: &Terminal) -> Result<Held, Failure> {
        let held = backend(&self.state_dir()?).lock(LockInfo::new(operation), timeout).await.map_err(|d| self.failure(d))?;
        let notes: Diagnostics = held.notes.iter().cloned().collect();
        terminal.diagnostics(&notes, &self.config.sources);
        Ok(held)
    }

    /// What a walk over this workspace starts from.
    pub fn inputs<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        options: &'a Options,
        digest: &'a (dyn Fn(&Value) -> [u8; 32] + Sync),
        host: &'a dyn Host,
        observer: &'a dyn Observer,
    ) -> Inputs<'a> {
        Inputs {
            config: &self.config,
            graph: &self.graph,
            variables: &self.variables,
            types: registry::ALL,
            snapshot,
            options,
            digest,
            host,
            observer,
            redactor: self.config.sources.redactor(),
        }
    }

    /// Connections for one run.
    pub fn session(&self, events: Arc<dyn Events>) -> Arc<Session> {
        let absolute = std::path::absolute(&self.root).unwrap_or_else(|_| self.root.clone());
        Arc::new(Session::new(
            absolute.join(".streamform"),
            absolute,
            Arc::new(Notes { events, redactor: Arc::clone(self.config.sources.redactor()) }),
        ))
    }

    /// The observer of the real systems.
    pub fn live(&self, events: Arc<dyn Events>) -> Live {
        Live::new(self.session(events))
    }
}

/// What the state asks of this program's resource types.
struct Registered;

impl Schemas for Registered {
    fn schema(&self, addr: &ResourceAddr) -> Option<&'static Schema> {
        registry::schema(addr)
    }

    fn upgrade(&self, addr: &ResourceAddr, from: u32, record: serde_json::Value) -> Option<serde_json::Value> {
        registry::find(addr.mode, &addr.type_name)?.upgrade(from, record)
    }
}

/// The backend of a state folder.
pub fn backend(dir: &Path) -> Arc<dyn Backend> {
    Arc::new(Sled::new(dir))
}

/// Opens the state in a folder with the schemas of this program.
pub async fn open_store(dir: &Path, access: Access) -> Result<Ledger, Diagnostic> {
    Ledger::open(backend(dir), access, Arc::new(Registered)).await
}

/// The folder of the state store that a root module names.
///
/// # Errors
/// A backend that does not exist, or a path that is none.
pub fn state_dir(root: &Path, module: &Module) -> Result<PathBuf, Diagnostic> {
    let Some((kind, body)) = &module.settings.backend else { return Ok(root.join("state")) };
    if &*kind.name != "local" {
        let d = Diagnostic::error(codes::BACKEND, format!("There is no backend {:?} in this version.", &*kind.name));
        return Err(d.at(kind.span).hint("Use backend \"local\" { path = \"state\" }."));
    }
    let Some(attr) = body.attr("path") else { return Ok(root.join("state")) };
    let host = DiskHost::new(false);
    let mut diags = Diagnostics::new();
    let value = eval(&attr.expr, &NoScope, &EvalContext::new(&host, root, root), &mut diags);
    match (diags.into_iter().next(), value.as_str()) {
        (Some(d), _) => Err(d),
        (None, Some(path)) if !path.is_empty() => Ok(root.join(path)),
        _ => Err(Diagnostic::error(lang_codes::SYNTAX, "The path of a local backend must be a string.").at(attr.expr.span)),
    }
}

/// The variables of the environment that are text.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}

/// The value of every root variable. Where nothing gives one, it is asked for on a terminal.
fn collect(
    root: &Path,
    config: &mut Config,
    vars: &VarArgs,
    held: &BTreeMap<Arc<str>, Value>,
    files: &dyn FileSource,
    terminal: &Terminal,
) -> (BTreeMap<Arc<str>, Value>, Diagnostics) {
    let host = DiskHost::new(false);
    let cx = EvalContext::new(&host, root, root);
    let module = Arc::clone(&config.root);
    let (mut given, mut diags) = variables::collect(root, files, vars, environment(), &module, &mut config.sources, &cx);
    let mut asked = vars.clone();
    for variable in variables::missing(&module, &given).into_iter().filter(|v| !held.contains_key(&v.name.name)) {
        let about = variable.description.as_deref().map(|d| format!("  {d}\n")).unwrap_or_default();
        let question = format!("var.{}\n{about}\n  Enter a value: ", variable.name.name);
        let answer = if variable.sensitive { terminal.ask_hidden(&question) } else { terminal.ask(&question) };
        let Some(text) = answer else { break };
        terminal.note("");
        asked.push(variables::VarArg::Assign { name: variable.name.name.to_string(), text });
    }
    if asked.len() > vars.len() {
        (given, diags) = variables::collect(root, files, &asked, environment(), &module, &mut config.sources, &cx);
    }
    for (name, value) in held {
        // A default in the configuration supplies a value that the plan's file does not hold.
        let has_default = || module.variables.get(name).is_some_and(|v| v.default.is_some());
        if !value.is_wholly_known() && has_default() {
            continue;
        }
        given.entry(name.clone()).or_insert_with(|| variables::Given { value: value.clone(), from: "the saved plan".into(), span: None });
    }
    let (values, found) = variables::finish(&module, &given, &cx);
    diags.append(variables::hint_at_terraform(found, &module, &given, &environment()));
    (values, diags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// The disk, counting what is read.
    struct Counting(AtomicUsize);

    impl FileSource for Counting {
        fn read_dir(&self, dir: &Path) -> std::io::Result<Vec<String>> {
            DiskFiles.read_dir(dir)
        }

        fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
            self.0.fetch_add(1, Ordering::SeqCst);
            DiskFiles.read(path)
        }
    }

    #[test]
    fn a_broken_configuration_is_read_once_and_told_whole() {
        let dir = tempfile::tempdir().unwrap();
        // One mistake for the graph, and one that only the walk sees.
        let text =
            "resource \"null_resource\" \"a\" {\n  inputs = var.none\n}\nresource \"null_resource\" \"b\" {\n  delay_ms = \"x\"\n}\n";
        std::fs::write(dir.path().join("main.hcl"), text).unwrap();
        let files = Counting(AtomicUsize::new(0));
        let terminal = Terminal { paint: crate::view::paint::Paint(false), json: false, input: false, compact: false };
        let failure = Workspace::load(dir.path(), &files, &vec![], &terminal).err().unwrap();
        assert_eq!((failure.diagnostics.iter().count(), files.0.load(Ordering::SeqCst)), (2, 1), "{:?}", failure.diagnostics);
    }
}
