//! Test files (`*.sftest.hcl`, `*.sftest.json`): which runs they make and what each expects.
//!
//! Only the form is read here. What the expressions mean is for whoever carries the runs out, as they may refer to what earlier runs gave.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::args::{Args, check_name, labels, literal, unique_deep};
use super::blocks::condition;
use super::providers::{self, ProviderRef};
use super::{Condition, FileSource, ProviderBlock, json, refs};
use crate::addr::{InstanceAddr, Mode, Target};
use crate::diag::codes::config::*;
use crate::diag::{Diagnostic, Diagnostics, Sources, Span, did_you_mean, io_words};
use crate::lang::ast::{Attr, Block, Body, Expr, ExprKind, Ident, Step};
use crate::lang::syntax;

/// The blocks that a test file may have.
const TOP_LEVEL: [&str; 8] =
    ["run", "variables", "provider", "mock_provider", "override_resource", "override_data", "override_module", "test"];

/// One test file.
#[derive(Clone, Debug, Default)]
pub struct TestFile {
    /// Its path as the user would write it.
    pub name: String,
    /// Values for variables of the modules under test.
    pub variables: Vec<Attr>,
    /// Provider configurations in place of the module's own.
    pub providers: Vec<ProviderBlock>,
    /// Providers of which nothing real is asked.
    pub mocks: Vec<MockProvider>,
    /// Objects of which nothing real is asked, in every run.
    pub overrides: Vec<Override>,
    /// The runs, in order.
    pub runs: Vec<TestRun>,
}

/// Whether a run only plans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TestCommand {
    /// `command = plan`
    Plan,
    /// `command = apply`
    #[default]
    Apply,
}

/// A `run` block.
#[derive(Clone, Debug)]
pub struct TestRun {
    /// The name.
    pub name: Ident,
    /// The header.
    pub span: Span,
    /// Plan or apply.
    pub command: TestCommand,
    /// `plan_options.mode = refresh-only`
    pub refresh_only: bool,
    /// `plan_options.refresh`
    pub refresh: bool,
    /// `plan_options.replace`
    pub replace: Vec<InstanceAddr>,
    /// `plan_options.target`
    pub targets: Vec<Target>,
    /// Values of variables, in place of the file's.
    pub variables: Vec<Attr>,
    /// Another module than the root, by its path relative to the root.
    pub module: Option<(String, Span)>,
    /// What must hold.
    pub asserts: Vec<Condition>,
    /// The objects whose conditions must fail.
    pub expect_failures: Vec<Expr>,
    /// Runs with one key share their state.
    pub state_key: Option<String>,
    /// Overrides for this run alone.
    pub overrides: Vec<Override>,
    /// `providers`: configurations of the module under test, and which of the file's stand for them. Empty: all that have no alias.
    pub providers: Vec<(ProviderRef, ProviderRef)>,
}

/// What is overridden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverrideKind {
    /// `override_resource`
    Resource,
    /// `override_data`
    Data,
    /// `override_module`
    Module,
}

/// An `override_resource`, `override_data` or `override_module` block.
#[derive(Clone, Debug)]
pub struct Override {
    /// Which of the three.
    pub kind: OverrideKind,
    /// What is overridden.
    pub target: Target,
    /// The values of computed attributes, or the outputs.
    pub values: Option<Expr>,
    /// Whether the values stand while planning already; `None` = as the provider says.
    pub during_plan: Option<bool>,
    /// The block.
    pub span: Span,
}

/// A `mock_provider` block.
#[derive(Clone, Debug)]
pub struct MockProvider {
    /// The provider: the first word of the resource types that it covers.
    pub name: Ident,
    /// `alias`: such a mock stands only where a run's `providers` names it.
    pub alias: Option<Ident>,
    /// Whether generated values stand while planning already.
    pub during_plan: bool,
    /// Values by type: `mock_resource` and `mock_data`.
    pub defaults: Vec<MockDefault>,
    /// Values by address.
    pub overrides: Vec<Override>,
    /// A folder with files (`*.sfmock.hcl`) that hold more of both.
    pub source: Option<(String, Span)>,
}

impl MockProvider {
    /// What the configuration is called: `kafka` or `kafka.eu`.
    pub fn configuration(&self) -> String {
        providers::configuration_name(&self.name, self.alias.as_ref())
    }
}

/// A `mock_resource` or `mock_data` block.
#[derive(Clone, Debug)]
pub struct MockDefault {
    /// Which of the two.
    pub mode: Mode,
    /// The type.
    pub type_name: Ident,
    /// The values of computed attributes.
    pub values: Option<Expr>,
    /// Whether they stand while planning already.
    pub during_plan: Option<bool>,
}

/// Whether a file's name is that of a test file.
pub fn is_test(name: &str) -> bool {
    !name.starts_with('.') && (name.ends_with(".sftest.hcl") || name.ends_with(".sftest.json") || name.ends_with(".sftest.hcl.json"))
}

/// Reads one test file. `None` where it could not be read at all.
pub fn load_test(root: &Path, name: &str, files: &dyn FileSource, sources: &mut Sources) -> (Option<TestFile>, Diagnostics) {
    let (body, mut diags) = parse(root, name, files, sources);
    let mut file = body.map(|body| read(name, body, &mut diags));
    for mock in file.iter_mut().flat_map(|f| &mut f.mocks) {
        let Some((folder, span)) = mock.source.clone() else { continue };
        match files.read_dir(&root.join(&folder)) {
            Ok(mut names) => {
                names.sort();
                for name in names.iter().filter(|n| n.ends_with(".sfmock.hcl") || n.ends_with(".sfmock.json")) {
                    let path = Path::new(&folder).join(name);
                    let (body, found) = parse(root, &path.display().to_string(), files, sources);
                    diags.append(found);
                    let Some(body) = body else { continue };
                    let mut args = Args::new(body, "mock_provider", span, &mut diags);
                    mock_blocks(&mut args, mock);
                    args.finish();
                }
            }
            Err(e) => diags.push(Diagnostic::error(UNREADABLE, format!("The folder {folder} cannot be read: {}.", io_words(&e))).at(span)),
        }
    }
    (file, diags)
}

fn parse(root: &Path, name: &str, files: &dyn FileSource, sources: &mut Sources) -> (Option<Body>, Diagnostics) {
    let text = files.read(&root.join(name)).and_then(|b| String::from_utf8(b).map_err(|_| std::io::Error::other("it is not UTF-8")));
    let text = match text {
        Ok(text) => text,
        Err(e) => return (None, Diagnostic::error(UNREADABLE, format!("The file {name} cannot be read: {}.", io_words(&e))).into()),
    };
    let id = sources.add(name, text.as_str());
    if name.ends_with(".json") { json::parse_test(&text, id) } else { syntax::parse_body(&text, id) }
}

fn read(name: &str, body: Body, diags: &mut Diagnostics) -> TestFile {
    let mut file = TestFile { name: name.to_string(), ..TestFile::default() };
    for attr in &body.attrs {
        let d = Diagnostic::error(UNSUPPORTED_ARGUMENT, format!("An argument named {:?} is not expected outside a block.", attr.name.name));
        diags.push(d.at(attr.name.span).hint("Values of variables are set in a variables block."));
    }
    let mut names: HashMap<Arc<str>, Span> = HashMap::new();
    for block in body.blocks {
        match &*block.kind.name {
            "variables" => file.variables.extend(values(block, diags)),
            "provider" => file.providers.extend(provider(block, diags)),
            "mock_provider" => file.mocks.extend(mock(block, diags)),
            "override_resource" | "override_data" | "override_module" => file.overrides.extend(over(block, diags)),
            "test" => settings(block, diags),
            "run" => {
                let Some(run) = run(block, diags) else { continue };
                if let Some(first) = names.insert(run.name.name.clone(), run.name.span) {
                    let detail = format!("The run {:?} is declared twice in this file.", run.name.name);
                    diags.push(Diagnostic::error(DUPLICATE, detail).at(run.name.span).also(first, "first declared here"));
                }
                file.runs.push(run);
            }
            kind => {
                let d = Diagnostic::error(UNSUPPORTED_BLOCK, format!("Blocks of type {kind:?} are not expected in a test file."));
                let d = match did_you_mean(kind, TOP_LEVEL) {
                    Some(near) => d.hint(format!("Did you mean {near:?}?")),
                    None => d.hint(format!("The blocks of a test file are {}.", TOP_LEVEL.join(", "))),
                };
                diags.push(d.at(block.kind.span));
            }
        }
    }
    file
}

fn values(block: Block, diags: &mut Diagnostics) -> Vec<Attr> {
    labels::<0>(&block, diags);
    Args::new(block.body, "variables", block.span, diags).rest_attrs(block.span).attrs
}

/// `test { parallel = true }`: runs are carried out one after the other whatever it says.
fn settings(block: Block, diags: &mut Diagnostics) {
    labels::<0>(&block, diags);
    let mut args = Args::new(block.body, "test", block.span, diags);
    args.flag("parallel");
    args.finish();
}

fn provider(block: Block, diags: &mut Diagnostics) -> Option<ProviderBlock> {
    let [name] = labels(&block, diags)?;
    let mut args = Args::new(block.body, "provider", block.span, diags);
    let alias = args.text("alias").map(|(text, span)| Ident { name: text.into(), span });
    let for_each = args.expr("for_each");
    let mut body = args.rest(block.span);
    unique_deep(&mut body, diags);
    Some(ProviderBlock { name, alias, for_each, body })
}

fn run(block: Block, diags: &mut Diagnostics) -> Option<TestRun> {
    let [name] = labels(&block, diags)?;
    check_name(&name, diags);
    let mut args = Args::new(block.body, "run", block.span, diags);
    let command = args.expr("command").and_then(|e| keyword(&e, "command", ["plan", "apply"], args.diags));
    let mut out = TestRun {
        name,
        span: block.span,
        command: if command == Some("plan") { TestCommand::Plan } else { TestCommand::Apply },
        refresh_only: false,
        refresh: true,
        replace: vec![],
        targets: vec![],
        variables: vec![],
        module: None,
        asserts: vec![],
        expect_failures: args.expr("expect_failures").map(|e| refs::list(e, "expect_failures", args.diags)).unwrap_or_default(),
        state_key: args.text("state_key").map(|t| t.0),
        overrides: vec![],
        providers: vec![],
    };
    args.flag("parallel");
    out.providers = args.expr("providers").map(|e| providers::map(&e, args.diags)).unwrap_or_default();
    if let Some(options) = args.block("plan_options") {
        plan_options(options, &mut out, args.diags);
    }
    for b in args.blocks("variables") {
        out.variables.extend(values(b, args.diags));
    }
    if let Some(module) = args.block("module") {
        let mut inner = Args::new(module.body, "module", module.span, args.diags);
        out.module = inner.required_text("source");
        inner.finish();
    }
    let asserts = args.blocks("assert");
    out.asserts = asserts.into_iter().filter_map(|b| condition(b, args.diags)).collect();
    for kind in ["override_resource", "override_data", "override_module"] {
        let blocks = args.blocks(kind);
        out.overrides.extend(blocks.into_iter().filter_map(|b| over(b, args.diags)));
    }
    args.finish();
    Some(out)
}

fn plan_options(block: Block, run: &mut TestRun, diags: &mut Diagnostics) {
    let mut args = Args::new(block.body, "plan_options", block.span, diags);
    if let Some(mode) = args.expr("mode") {
        run.refresh_only = keyword(&mode, "mode", ["normal", "refresh-only"], args.diags) == Some("refresh-only");
    }
    run.refresh = args.flag("refresh").unwrap_or(true);
    let replace = args.expr("replace").map(|e| refs::list(e, "replace", args.diags)).unwrap_or_default();
    for e in replace {
        match refs::target(&e, "replace", args.diags) {
            Some(Target::Instance(i)) => run.replace.push(i),
            Some(Target::Resource(r)) => run.replace.push(r.instance(None)),
            Some(Target::Module(m)) => {
                let d = Diagnostic::error(INVALID_REFERENCE, format!("{m} is a module, and only resources are replaced."));
                args.diags.push(d.at(e.span));
            }
            None => {}
        }
    }
    let targets = args.expr("target").map(|e| refs::list(e, "target", args.diags)).unwrap_or_default();
    run.targets = targets.iter().filter_map(|e| refs::target(e, "target", args.diags)).collect();
    args.finish();
}

/// A bare word of a list of words, such as `plan`. `refresh-only` parses as a name too.
fn keyword(e: &Expr, name: &str, words: [&'static str; 2], diags: &mut Diagnostics) -> Option<&'static str> {
    let written = match literal(e) {
        ExprKind::Traversal { root, steps } if steps.is_empty() => Some(&root.name),
        ExprKind::String(s) => Some(s),
        _ => None,
    };
    let found = written.and_then(|w| words.into_iter().find(|k| **k == **w));
    if found.is_none() {
        let d = Diagnostic::error(INVALID_ARGUMENT, format!("The argument {name:?} must be {} or {}.", words[0], words[1]));
        diags.push(d.at(e.span).hint(format!("Write {name} = {}, without quotes.", words[0])));
    }
    found
}

fn during(args: &mut Args<'_>) -> Option<bool> {
    let e = args.expr("override_during")?;
    keyword(&e, "override_during", ["plan", "apply"], args.diags).map(|w| w == "plan")
}

fn over(block: Block, diags: &mut Diagnostics) -> Option<Override> {
    labels::<0>(&block, diags);
    let kind = match &*block.kind.name {
        "override_resource" => OverrideKind::Resource,
        "override_data" => OverrideKind::Data,
        _ => OverrideKind::Module,
    };
    let mut args = Args::new(block.body, &block.kind.name, block.span, diags);
    let written = args.required("target");
    let target = written.as_ref().and_then(|e| refs::target(e, "target", args.diags));
    let values = args.expr(if kind == OverrideKind::Module { "outputs" } else { "values" });
    let during_plan = during(&mut args);
    args.finish();
    let (target, written) = (target?, written?);
    let fits = match (&target, kind) {
        (Target::Module(_), k) => k == OverrideKind::Module,
        (Target::Resource(r), k) => (r.mode == Mode::Data) == (k == OverrideKind::Data) && k != OverrideKind::Module,
        (Target::Instance(i), k) => (i.resource.mode == Mode::Data) == (k == OverrideKind::Data) && k != OverrideKind::Module,
    };
    if !fits {
        let word = match kind {
            OverrideKind::Resource => "resource",
            OverrideKind::Data => "data source",
            OverrideKind::Module => "module",
        };
        diags.push(Diagnostic::error(INVALID_REFERENCE, format!("{target} is not a {word}.")).at(written.span));
        return None;
    }
    Some(Override { kind, target, values, during_plan, span: block.span })
}

fn mock(block: Block, diags: &mut Diagnostics) -> Option<MockProvider> {
    let [name] = labels(&block, diags)?;
    let mut args = Args::new(block.body, "mock_provider", block.span, diags);
    let alias = args.text("alias").map(|(text, span)| Ident { name: text.into(), span });
    let during_plan = during(&mut args).unwrap_or(false);
    let source = args.text("source");
    let mut out = MockProvider { name, alias, during_plan, defaults: vec![], overrides: vec![], source };
    mock_blocks(&mut args, &mut out);
    args.finish();
    Some(out)
}

fn mock_blocks(args: &mut Args<'_>, out: &mut MockProvider) {
    for (kind, mode) in [("mock_resource", Mode::Managed), ("mock_data", Mode::Data)] {
        for b in args.labelled(kind) {
            let Some([type_name]) = labels(&b, args.diags) else { continue };
            let mut inner = Args::new(b.body, kind, b.span, args.diags);
            let values = inner.expr("defaults");
            let during_plan = during(&mut inner);
            inner.finish();
            out.defaults.push(MockDefault { mode, type_name, values, during_plan });
        }
    }
    for kind in ["override_resource", "override_data"] {
        let blocks = args.blocks(kind);
        out.overrides.extend(blocks.into_iter().filter_map(|b| over(b, args.diags)));
    }
}

/// The address that an item of `expect_failures` names: `var.x`, `output.x`, `check.x` or a resource.
pub fn checkable(e: &Expr) -> Option<String> {
    let ExprKind::Traversal { root, steps } = literal(e) else { return None };
    let mut out = root.name.to_string();
    for step in steps {
        match step {
            Step::Attr(name) => out.push_str(&format!(".{}", name.name)),
            Step::Index(key) => match literal(key) {
                ExprKind::String(s) => out.push_str(&format!("[{}]", crate::addr::quote(s))),
                ExprKind::Number(n) => out.push_str(&format!("[{n}]")),
                _ => return None,
            },
            Step::AttrSplat(_) | Step::FullSplat(_) => return None,
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::super::MemoryFiles;
    use super::*;

    fn load(name: &str, text: &str) -> (TestFile, Vec<String>) {
        let files: MemoryFiles = [(name, text)].into_iter().collect();
        let mut sources = Sources::default();
        let (file, diags) = load_test(Path::new("."), name, &files, &mut sources);
        (file.unwrap(), diags.iter().map(|d| format!("{} {}", d.code.id, d.detail)).collect())
    }

    const NATIVE: &str = r#"
variables { n = 1 }
mock_provider "kafka" {
  override_during = plan
  mock_resource "kafka_cluster" { defaults = { cluster_id = "x" } }
}
override_module {
  target  = module.net
  outputs = { a = 1 }
}
run "one" {
  command = plan
  plan_options {
    mode    = refresh-only
    refresh = false
    replace = [null_resource.a[0]]
    target  = [module.net]
  }
  variables { n = run.zero.n }
  module { source = "./other" }
  assert {
    condition     = output.a == 1
    error_message = "no"
  }
  expect_failures = [var.n, null_resource.a["x"], check.c]
  state_key       = "k"
}
run "two" {}
"#;

    const JSON: &str = r#"{
  "variables": {"n": 1},
  "mock_provider": {"kafka": {"override_during": "plan", "mock_resource": {"kafka_cluster": {"defaults": {"cluster_id": "x"}}}}},
  "override_module": {"target": "module.net", "outputs": {"a": 1}},
  "run": {
    "one": {
      "command": "plan",
      "plan_options": {"mode": "refresh-only", "refresh": false, "replace": ["null_resource.a[0]"], "target": ["module.net"]},
      "variables": {"n": "${run.zero.n}"},
      "module": {"source": "./other"},
      "assert": {"condition": "${output.a == 1}", "error_message": "no"},
      "expect_failures": ["var.n", "null_resource.a[\"x\"]", "check.c"],
      "state_key": "k"
    },
    "two": {}
  }
}"#;

    #[test]
    fn both_syntaxes_say_the_same() {
        for (name, text) in [("a.sftest.hcl", NATIVE), ("a.sftest.json", JSON)] {
            assert!(is_test(name));
            let (file, diags) = load(name, text);
            assert!(diags.is_empty(), "{name}: {diags:?}");
            assert_eq!((file.variables.len(), file.overrides.len(), file.runs.len()), (1, 1, 2), "{name}");
            assert!(file.mocks[0].during_plan && &*file.mocks[0].defaults[0].type_name.name == "kafka_cluster");
            let run = &file.runs[0];
            assert_eq!((run.command, run.refresh_only, run.refresh), (TestCommand::Plan, true, false));
            assert_eq!((run.replace[0].to_string(), run.targets[0].to_string()), ("null_resource.a[0]".into(), "module.net".into()));
            let failures: Vec<String> = run.expect_failures.iter().filter_map(checkable).collect();
            assert_eq!(failures, ["var.n", "null_resource.a[\"x\"]", "check.c"]);
            assert_eq!((run.state_key.as_deref(), run.module.as_ref().map(|m| m.0.as_str())), (Some("k"), Some("./other")));
            assert_eq!((run.asserts.len(), run.variables.len()), (1, 1));
            assert_eq!(file.runs[1].command, TestCommand::Apply);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let (_, diags) = load(
            "a.sftest.hcl",
            "rum \"a\" {}\nrun \"a\" {\n  command = destroy\n  asert {}\n}\nrun \"a\" {}\noverride_data {\n  target = null_resource.a\n}\n",
        );
        assert_eq!(
            diags,
            [
                "SF2002 Blocks of type \"rum\" are not expected in a test file.",
                "SF2007 The argument \"command\" must be plan or apply.",
                "SF2002 Blocks of type \"asert\" are not expected in a \"run\" block.",
                "SF2005 The run \"a\" is declared twice in this file.",
                "SF2010 null_resource.a is not a data source."
            ]
        );
    }
}
