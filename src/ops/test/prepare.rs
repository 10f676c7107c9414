//! What one run starts from: the module under test with what the file overrides in it, its variables, its resource types.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Request;
use super::mock::{Rule, Rules};
use super::scope::TestScope;
use crate::addr::Target;
use crate::diag::codes::{cli as codes, config as config_codes, lang as lang_codes};
use crate::diag::{Diagnostic, Diagnostics, Sources, Span, did_you_mean};
use crate::graph::Graph;
use crate::lang::ast::{Attr, Expr, ExprKind, Ident, ObjectItem};
use crate::lang::config::source::{ModuleSource, parse_source};
use crate::lang::config::testfile::{MockProvider, Override, OverrideKind, TestFile, TestRun};
use crate::lang::config::variables::{self, Given, GivenValues, VarArg};
use crate::lang::config::{self, Config, DiskFiles, FileSource, Module, Output, ProviderBlock, ProviderRef};
use crate::lang::eval::{EvalContext, eval};
use crate::ops::live::DiskHost;
use crate::ops::workspace::environment;
use crate::resource::registry::{Entry, unknown_attribute};
use crate::schema::AttrType;
use crate::value::convert::convert;
use crate::value::{Repr, Value};

/// The modules under test by their folder below the root; the root's is empty.
pub struct Modules<'a> {
    request: &'a Request,
    base: Sources,
    loaded: BTreeMap<PathBuf, Config>,
}

/// Outputs of earlier runs.
pub type Runs = BTreeMap<Arc<str>, Value>;

/// What a run starts from.
pub struct Prepared {
    /// The configuration.
    pub config: Config,
    /// Its graph.
    pub graph: Graph,
    /// The variables of its root module.
    pub variables: BTreeMap<Arc<str>, Value>,
    /// All variables that the file knows.
    pub known: BTreeMap<Arc<str>, Value>,
    /// The resource types.
    pub types: Vec<Entry>,
    /// Warnings.
    pub diagnostics: Diagnostics,
}

/// The folder of the module that a run tests, relative to the root.
pub fn folder(run: &TestRun) -> Result<PathBuf, Diagnostic> {
    let Some((source, span)) = &run.module else { return Ok(PathBuf::new()) };
    match parse_source(source) {
        Ok(ModuleSource::Local(path)) => Ok(config::normalize(&path)),
        _ => {
            let d = Diagnostic::error(config_codes::INVALID_SOURCE, format!("{source:?} is not a relative path."));
            Err(d.at(*span).hint("The module of a run is a folder: \"./modules/net\"."))
        }
    }
}

impl<'a> Modules<'a> {
    /// None loaded yet. `base` holds the texts of the test files.
    pub fn new(request: &'a Request, base: Sources) -> Self {
        Modules { request, base, loaded: BTreeMap::new() }
    }

    /// With the root module loaded already, its texts those of the test files too.
    pub fn with_root(request: &'a Request, root: Config) -> Self {
        Modules { request, base: root.sources.clone(), loaded: BTreeMap::from([(PathBuf::new(), root)]) }
    }

    /// The module in a folder, if it was loaded.
    pub fn get(&self, folder: &Path) -> Option<&Config> {
        self.loaded.get(folder)
    }

    /// All texts read so far.
    pub fn sources(&self) -> Sources {
        self.base.clone()
    }

    /// Loads every module that a run tests, and says what is wrong with any.
    pub fn load_all(&mut self, files: &[TestFile]) -> Diagnostics {
        let mut diags = Diagnostics::new();
        for run in files.iter().flat_map(|f| &f.runs) {
            match folder(run) {
                Ok(dir) if !self.loaded.contains_key(&dir) => self.load(dir, run.module.as_ref().map(|m| m.1), &mut diags),
                Ok(_) => {}
                Err(d) => diags.push(d),
            }
        }
        diags
    }

    fn load(&mut self, dir: PathBuf, from: Option<Span>, diags: &mut Diagnostics) {
        let (config, mut found) = config::load_at(&self.request.root, &dir, &DiskFiles, self.base.clone(), from);
        let Some(config) = config else { return diags.append(found) };
        self.base = config.sources.clone();
        let (_, of_graph) = Graph::build(&config);
        found.append(of_graph);
        diags.append(found);
        self.loaded.insert(dir, config);
    }

    /// Puts together what a run starts from.
    pub fn prepare(&self, file: &TestFile, run: &TestRun, runs: &Runs) -> Result<Prepared, (Diagnostics, Sources)> {
        let loaded = folder(run).ok().and_then(|dir| self.loaded.get(&dir));
        let Some(mut config) = loaded.cloned() else { return Err((Diagnostics::new(), self.sources())) };
        // The texts of all modules: a diagnostic may point into a test file that was read after this one.
        config.sources = self.sources();
        let host = DiskHost::new(false);
        let mut diags = Diagnostics::new();
        let dir = config.root.dir.clone();
        let mut p = Preparing { request: self.request, host: &host, dir: &dir, runs, diags: &mut diags };
        let (variables, known) = p.variables(&mut config, file, run);
        p.providers(&mut config, file, run);
        let rules = p.rules(&mut config, file, run, &known);
        if diags.has_errors() {
            return Err((diags, config.sources));
        }
        let (graph, found) = Graph::build(&config);
        diags.append(found);
        if diags.has_errors() {
            return Err((diags, config.sources));
        }
        Ok(Prepared { config, graph, variables, known, types: rules.types(), diagnostics: diags })
    }
}

/// Whether a mock stands in a run: where the run says what is meant by which provider, that; else every mock without an alias.
fn stands(mock: &MockProvider, run: &TestRun) -> bool {
    match &run.providers[..] {
        [] => mock.alias.is_none(),
        all => all.iter().any(|(_, meant)| meant.to_string() == mock.configuration()),
    }
}

struct Preparing<'a> {
    request: &'a Request,
    host: &'a DiskHost,
    dir: &'a Path,
    runs: &'a Runs,
    diags: &'a mut Diagnostics,
}

impl Preparing<'_> {
    fn eval(&mut self, e: &Expr, known: &BTreeMap<Arc<str>, Value>) -> Value {
        let scope = TestScope { module: None, outputs: None, variables: known, runs: self.runs };
        eval(e, &scope, &EvalContext::new(self.host, self.dir, self.dir), self.diags)
    }

    /// From low to high: what the folder and the command line give, the file's values, the run's.
    fn variables(&mut self, config: &mut Config, file: &TestFile, run: &TestRun) -> (BTreeMap<Arc<str>, Value>, BTreeMap<Arc<str>, Value>) {
        let module = Arc::clone(&config.root);
        let cx = EvalContext::new(self.host, self.dir, self.dir);
        let mut args: Vec<VarArg> = self.test_variable_files().into_iter().map(VarArg::File).collect();
        args.extend(self.request.vars.iter().cloned());
        let (mut given, found) =
            variables::collect(&self.request.root, &DiskFiles, &args, environment(), &module, &mut config.sources, &cx);
        // One set of values serves several modules: that one of them does not declare a variable is no fault.
        self.diags.extend(found.into_iter().filter(|d| d.code != config_codes::UNDECLARED_VARIABLE));
        let mut known: BTreeMap<Arc<str>, Value> = given.iter().map(|(n, g)| (n.clone(), g.value.clone())).collect();
        self.give(&file.variables, &module, &mut given, &mut known, false);
        self.give(&run.variables, &module, &mut given, &mut known, true);
        let (values, found) = variables::finish(&module, &given, &cx);
        self.diags.append(found);
        known.extend(values.iter().map(|(n, v)| (n.clone(), v.clone())));
        (values, known)
    }

    /// The variable files of the folder of tests that are read without being asked for.
    fn test_variable_files(&self) -> Vec<PathBuf> {
        let folder = self.request.root.join(&self.request.directory);
        let mut names = DiskFiles.read_dir(&folder).unwrap_or_default();
        let fixed = |n: &String| n == "streamform.tfvars" || n == "streamform.tfvars.json";
        let auto = |n: &String| !n.starts_with('.') && (n.ends_with(".auto.tfvars") || n.ends_with(".auto.tfvars.json"));
        names.retain(|n| fixed(n) || auto(n));
        names.sort_by_key(|n| (!fixed(n), n.clone()));
        names.into_iter().map(|n| folder.join(n)).collect()
    }

    fn give(&mut self, attrs: &[Attr], module: &Module, given: &mut GivenValues, known: &mut BTreeMap<Arc<str>, Value>, strict: bool) {
        let before = known.clone();
        for attr in attrs {
            let name = &attr.name.name;
            let value = self.eval(&attr.expr, &before);
            if !value.is_wholly_known() && !self.diags.has_errors() {
                let d = Diagnostic::error(codes::UNKNOWN_TEST_VALUE, format!("The value for var.{name} is not known."));
                self.diags.push(
                    d.at(attr.expr.span).hint("It comes of a run that only plans: use command = apply there, or override the value."),
                );
            }
            if module.variables.contains_key(name) {
                given.insert(name.clone(), Given { value: value.clone(), from: "the test file".into(), span: Some(attr.expr.span) });
            } else if strict {
                let detail = format!("The run sets {:?}, but the module under test declares no such variable.", &**name);
                let d = Diagnostic::warning(config_codes::UNDECLARED_VARIABLE, detail).at(attr.name.span);
                self.diags.push(match did_you_mean(name, module.variables.keys().map(|k| &**k)) {
                    Some(near) => d.hint(format!("Did you mean {near:?}?")),
                    None => d,
                });
            }
            known.insert(name.clone(), value);
        }
    }

    /// The file's provider configurations in place of the module's: those that the run names, else all.
    fn providers(&mut self, config: &mut Config, file: &TestFile, run: &TestRun) {
        let mut given: Vec<ProviderBlock> = file.providers.clone();
        if !run.providers.is_empty() {
            given = run.providers.iter().filter_map(|(name, meant)| self.stand_in(file, name, meant)).collect();
        }
        if given.is_empty() {
            return;
        }
        let root = Arc::make_mut(&mut config.root);
        root.providers.retain(|p| !given.iter().any(|q| q.configuration() == p.configuration()));
        root.providers.extend(given);
    }

    /// The file's configuration under the name that the module has for it; none where that is a mock or the default.
    fn stand_in(&mut self, file: &TestFile, name: &ProviderRef, meant: &ProviderRef) -> Option<ProviderBlock> {
        if name.name.name != meant.name.name {
            let d =
                Diagnostic::error(config_codes::PROVIDER_MISMATCH, format!("{meant} is a configuration of another provider than {name}."));
            self.diags.push(d.at(meant.span).hint(format!("Pass one of {}.", name.name.name)));
            return None;
        }
        let wanted = meant.to_string();
        if let Some(block) = file.providers.iter().find(|p| p.configuration() == wanted) {
            return Some(ProviderBlock { alias: name.alias.clone(), ..block.clone() });
        }
        let mocks = || file.mocks.iter().map(MockProvider::configuration);
        if meant.alias.is_some() && !mocks().any(|m| m == wanted) {
            let all: Vec<String> = file.providers.iter().map(ProviderBlock::configuration).chain(mocks()).collect();
            let d = Diagnostic::error(config_codes::NO_PROVIDER, format!("This test file has no provider configuration {wanted}."));
            self.diags.push(d.at(meant.span).hint(match did_you_mean(&wanted, all.iter().map(String::as_str)) {
                Some(near) => format!("Did you mean {near}?"),
                None => "Declare it with a provider or mock_provider block that has this alias.".to_string(),
            }));
        }
        None
    }

    fn rules(&mut self, config: &mut Config, file: &TestFile, run: &TestRun, known: &BTreeMap<Arc<str>, Value>) -> Rules {
        let mut rules = Rules::default();
        let mocks: Vec<&MockProvider> = file.mocks.iter().filter(|m| stands(m, run)).collect();
        for mock in &mocks {
            rules.providers.push((mock.name.name.clone(), mock.during_plan));
            for d in &mock.defaults {
                let values = d.values.as_ref().map(|e| self.eval(e, known));
                self.check(d.mode, &d.type_name.name, d.type_name.span, values.as_ref(), d.values.as_ref());
                let during_plan = d.during_plan.unwrap_or(mock.during_plan);
                rules.types.push((d.mode, d.type_name.name.clone(), Rule { values, during_plan }));
            }
        }
        // The nearest counts: the run's, then the file's, then those of its mocked providers.
        let of_mocks = mocks.iter().flat_map(|m| m.overrides.iter().map(move |o| (o, m.during_plan)));
        let all = run.overrides.iter().chain(&file.overrides).map(|o| (o, false)).chain(of_mocks);
        let mut modules = Vec::new();
        for (o, during_plan) in all {
            let values = o.values.as_ref().map(|e| self.eval(e, known));
            if o.kind == OverrideKind::Module {
                modules.push((o, values));
                continue;
            }
            if let Target::Resource(r) | Target::Instance(crate::addr::InstanceAddr { resource: r, .. }) = &o.target {
                self.check(r.mode, &r.type_name, o.span, values.as_ref(), o.values.as_ref());
            }
            let during_plan = o.during_plan.unwrap_or(during_plan);
            rules.objects.push((o.target.clone(), Rule { values, during_plan }));
        }
        // The last to be put in stands, so the nearest goes last.
        for (o, values) in modules.into_iter().rev() {
            replace(Arc::make_mut(&mut config.root), o, values.as_ref());
        }
        rules
    }

    /// A type or attribute that does not exist is a typo.
    fn check(&mut self, mode: crate::addr::Mode, type_name: &str, span: Span, values: Option<&Value>, written: Option<&Expr>) {
        let Some(resource) = crate::resource::registry::find(mode, type_name) else {
            let addr = crate::addr::ResourceAddr::root(mode, type_name, "mocked");
            let mut d = crate::resource::registry::unknown_type(&addr, span);
            d.address = None;
            return self.diags.push(d);
        };
        let span = written.map(|w| w.span);
        for (name, value) in values.and_then(Value::as_map).into_iter().flatten() {
            self.diags.extend(unknown_attribute(resource.schema(), name).map(|d| d.at(span)));
            let Some(a) = resource.schema().body.attribute(name) else { continue };
            let AttrType::Value(ty) = &a.ty else { continue };
            if let Err(e) = convert(value, ty) {
                let d = Diagnostic::error(lang_codes::WRONG_TYPE, format!("The value for {name:?} does not fit: {e}."));
                self.diags.push(d.at(span).hint(format!("A value of type {ty} is needed.")));
            }
        }
    }
}

/// Puts a module of nothing but outputs in place of the one that a call loads.
fn replace(module: &mut Module, o: &Override, values: Option<&Value>) {
    let Target::Module(path) = &o.target else { return };
    let Some((last, parents)) = path.0.split_last() else { return };
    let mut at = module;
    for step in parents {
        let Some(call) = at.calls.get_mut(&step.name) else { return };
        at = Arc::make_mut(&mut call.module);
    }
    let Some(call) = at.calls.get_mut(&last.name) else { return };
    let real = Arc::clone(&call.module);
    let outputs = real.outputs.iter().map(|(name, out)| {
        let value = values.and_then(|v| v.as_map()?.get(name).cloned()).unwrap_or_else(Value::null_dynamic);
        let out = Output { value: constant(&value, o.span), preconditions: vec![], depends_on: vec![], ..out.clone() };
        (name.clone(), out)
    });
    let outputs = outputs.collect();
    let variables = real.variables.iter().map(|(n, v)| (n.clone(), config::Variable { validations: vec![], ..v.clone() })).collect();
    call.module = Arc::new(Module { dir: real.dir.clone(), variables, outputs, ..Module::default() });
}

/// The expression for a value.
fn constant(v: &Value, span: Span) -> Expr {
    let of = |kind| Expr { kind: Arc::new(kind), span };
    if v.marks().is_sensitive() {
        let inner = constant(&v.clone().unmark(v.marks()), span);
        return of(ExprKind::Call { name: Ident { name: "sensitive".into(), span }, args: vec![inner], expand: false });
    }
    let items = |items: &[Value]| ExprKind::Tuple(items.iter().map(|i| constant(i, span)).collect());
    of(match v.repr() {
        Repr::Null(_) | Repr::Unknown(_) => ExprKind::Null,
        Repr::Bool(b) => ExprKind::Bool(*b),
        Repr::Number(n) => ExprKind::Number(n.clone()),
        Repr::String(s) => ExprKind::String(s.clone()),
        Repr::List(_) | Repr::Set(_) | Repr::Tuple(_) => items(v.as_slice().unwrap_or_default()),
        Repr::Map(_) | Repr::Object(_) => {
            let item = |(k, v): (&Arc<str>, &Value)| ObjectItem { key: of(ExprKind::String(k.clone())), value: constant(v, span) };
            ExprKind::Object(v.as_map().into_iter().flatten().map(item).collect())
        }
    })
}
