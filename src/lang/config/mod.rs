//! The configuration as a tree of modules: what the blocks say, before anything is evaluated.
//!
//! [`load`] reads a folder and the modules that it calls through a [`FileSource`]; the loader alone does I/O, and only through
//! that trait. What a resource's arguments mean is not known here: the schema decides that later.

mod args;
mod blocks;
mod files;
pub mod json;
mod load;
pub mod lock;
mod merge;
mod parse;
mod providers;
mod refs;
mod respan;
pub mod source;
pub mod testfile;
mod types;
pub mod variables;
pub mod version;

pub use files::{DiskFiles, FileSource, MemoryFiles, normalize};
pub use load::{FoundCall, Loaded, load, load_at, load_calls};
pub use providers::ProviderRef;
pub use types::parse_type;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::addr::{Mode, ModulePath, ResourceAddr, Target};
use crate::diag::{Sources, Span};
use crate::lang::ast::{Body, Expr, Ident};
use crate::value::Type;

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// All texts that were read.
    pub sources: Sources,
    /// The root module.
    pub root: Arc<Module>,
}

/// What one folder of files declares.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// The folder, as `path.module` shows it.
    pub dir: PathBuf,
    /// `variable` blocks.
    pub variables: IndexMap<Arc<str>, Variable>,
    /// `locals`.
    pub locals: IndexMap<Arc<str>, Expr>,
    /// `output` blocks.
    pub outputs: IndexMap<Arc<str>, Output>,
    /// `resource` and `data` blocks by mode, type and name.
    pub resources: IndexMap<(Mode, Arc<str>, Arc<str>), ResourceBlock>,
    /// `module` blocks.
    pub calls: IndexMap<Arc<str>, ModuleCall>,
    /// The names of `module` blocks whose module could not be loaded, which has been said: what refers to them is not at fault.
    pub unread: BTreeSet<Arc<str>>,
    /// `provider` blocks.
    pub providers: Vec<ProviderBlock>,
    /// `check` blocks.
    pub checks: IndexMap<Arc<str>, Check>,
    /// `moved` blocks, as written.
    pub moved: Vec<Moved>,
    /// `removed` blocks, as written.
    pub removed: Vec<Removed>,
    /// `import` blocks.
    pub imports: Vec<Import>,
    /// The `streamform` settings.
    pub settings: Settings,
}

/// The `streamform` block.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `required_version`, where written.
    pub required_version: Option<(String, Span)>,
    /// `backend "kind" { … }`.
    pub backend: Option<(Ident, Body)>,
    /// `configuration_aliases` of `required_providers`: what callers pass.
    pub aliases: Vec<ProviderRef>,
}

/// A `variable` block.
#[derive(Clone, Debug)]
pub struct Variable {
    /// The name.
    pub name: Ident,
    /// The type constraint (`any` where none), with optional attributes.
    pub ty: Type,
    /// Defaults of optional attributes: an expression for each path inside the type, applied by the evaluator.
    pub type_expr: Option<Expr>,
    /// The default.
    pub default: Option<Expr>,
    /// The description.
    pub description: Option<String>,
    /// Whether values are sensitive.
    pub sensitive: bool,
    /// Whether values live for this run only.
    pub ephemeral: bool,
    /// Whether null is kept (else the default stands in).
    pub nullable: bool,
    /// A deprecation message.
    pub deprecated: Option<String>,
    /// `validation` blocks.
    pub validations: Vec<Condition>,
}

/// A condition with its message: `validation`, `precondition`, `postcondition`, `assert`.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Must be true.
    pub condition: Expr,
    /// Shown when it is not.
    pub error_message: Expr,
    /// Where.
    pub span: Span,
}

/// An `output` block.
#[derive(Clone, Debug)]
pub struct Output {
    /// The name.
    pub name: Ident,
    /// The value.
    pub value: Expr,
    /// The description.
    pub description: Option<String>,
    /// Whether it may be sensitive (and is shown masked).
    pub sensitive: bool,
    /// `ephemeral`.
    pub ephemeral: bool,
    /// A deprecation message.
    pub deprecated: Option<String>,
    /// `depends_on`.
    pub depends_on: Vec<Expr>,
    /// `precondition` blocks.
    pub preconditions: Vec<Condition>,
}

/// `count` or `for_each`.
#[derive(Clone, Debug, Default)]
pub enum Repetition {
    /// Neither.
    #[default]
    One,
    /// `count = expr`
    Count(Expr),
    /// `for_each = expr`
    ForEach(Expr),
}

/// A `resource` or `data` block.
#[derive(Clone, Debug)]
pub struct ResourceBlock {
    /// `resource` or `data`.
    pub mode: Mode,
    /// The type.
    pub type_name: Ident,
    /// The name.
    pub name: Ident,
    /// The header.
    pub span: Span,
    /// `count` or `for_each`.
    pub repetition: Repetition,
    /// `provider = alias`.
    pub provider: Option<ProviderRef>,
    /// `depends_on`.
    pub depends_on: Vec<Expr>,
    /// `lifecycle`.
    pub lifecycle: Lifecycle,
    /// The `check` block that a data block stands in: only that check may refer to it, and what is wrong with it is a warning.
    pub in_check: Option<Arc<str>>,
    /// `timeouts { create = "5m" }`: operation and expression.
    pub timeouts: Vec<(Ident, Expr)>,
    /// Everything else: what the resource type's schema describes, with `dynamic` blocks.
    pub body: Body,
}

/// A `lifecycle` block.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    /// `create_before_destroy`
    pub create_before_destroy: bool,
    /// `prevent_destroy`, an expression as it may depend on variables.
    pub prevent_destroy: Option<Expr>,
    /// `ignore_changes = [a, b["k"]]`: traversals relative to the resource.
    pub ignore_changes: Vec<Expr>,
    /// `ignore_changes = all`
    pub ignore_all: bool,
    /// `replace_triggered_by`
    pub replace_triggered_by: Vec<Expr>,
    /// `precondition` blocks.
    pub preconditions: Vec<Condition>,
    /// `postcondition` blocks.
    pub postconditions: Vec<Condition>,
}

/// A `module` block with the module it loads.
#[derive(Clone, Debug)]
pub struct ModuleCall {
    /// The name.
    pub name: Ident,
    /// `source`, as written.
    pub source: String,
    /// The header.
    pub span: Span,
    /// `count` or `for_each`.
    pub repetition: Repetition,
    /// `depends_on`.
    pub depends_on: Vec<Expr>,
    /// `providers = { a = b }`.
    pub providers: Vec<(ProviderRef, ProviderRef)>,
    /// The input variables.
    pub inputs: Body,
    /// What was loaded.
    pub module: Arc<Module>,
}

/// A `provider` block.
#[derive(Clone, Debug)]
pub struct ProviderBlock {
    /// The provider's name.
    pub name: Ident,
    /// `alias`.
    pub alias: Option<Ident>,
    /// `for_each`.
    pub for_each: Option<Expr>,
    /// The settings.
    pub body: Body,
}

impl ProviderBlock {
    /// What the configuration is called: `kafka` or `kafka.eu`.
    pub fn configuration(&self) -> String {
        providers::configuration_name(&self.name, self.alias.as_ref())
    }
}

/// A `check` block.
#[derive(Clone, Debug)]
pub struct Check {
    /// The name.
    pub name: Ident,
    /// The assertions.
    pub asserts: Vec<Condition>,
}

/// A `moved` block.
#[derive(Clone, Debug)]
pub struct Moved {
    /// Where objects were.
    pub from: Target,
    /// Where they are now.
    pub to: Target,
    /// The block.
    pub span: Span,
}

/// A `removed` block.
#[derive(Clone, Debug)]
pub struct Removed {
    /// What is no longer declared.
    pub from: Target,
    /// Whether the objects are destroyed (else only forgotten).
    pub destroy: bool,
    /// The block.
    pub span: Span,
}

/// An `import` block.
#[derive(Clone, Debug)]
pub struct Import {
    /// The instance: a traversal expression, as its key may be `each.key`.
    pub to: Expr,
    /// The id expression.
    pub id: Expr,
    /// `for_each`.
    pub for_each: Option<Expr>,
    /// `within`: the cluster or the like that holds the object, where a resource block is still to be generated.
    pub within: Option<(Target, Span)>,
    /// `provider`.
    pub provider: Option<ProviderRef>,
    /// The block.
    pub span: Span,
}
