//! Addresses: the typed names of everything a configuration declares.
//!
//! An address is an immutable value with a text form that round-trips (`Display` and `FromStr`). Addresses are
//! the keys of every map in the graph, the plan and the state. What must not be here: values, evaluation, I/O.
//!
//! The text form is Terraform's: `module.net["eu"].kafka_topic.orders[0]`, `data.kafka_cluster.legacy`.

mod parse;

pub use parse::AddrParseError;

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The key that tells the instances of one block apart: `[0]` under `count`, `["eu"]` under `for_each`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InstanceKey {
    /// An index under `count`.
    Int(u64),
    /// A key under `for_each`.
    Str(Arc<str>),
}

impl fmt::Display for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstanceKey::Int(n) => write!(f, "[{n}]"),
            InstanceKey::Str(s) => write!(f, "[{}]", quote(s)),
        }
    }
}

/// Quotes a string as an HCL literal, so that `"`, `\`, `${` and `%{` survive, and what steers a terminal is written out.
pub fn quote(s: &str) -> String {
    let mut out = String::with_capacity(s.len() + 2);
    out.push('"');
    let mut chars = s.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' | '%' if chars.peek() == Some(&'{') => {
                out.push(c);
                out.push(c);
            }
            c if crate::words::steers(c) => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// One step into a module instance: `module.net["eu"]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleStep {
    /// The name of the module call.
    pub name: Arc<str>,
    /// The instance of the call, where it has `count` or `for_each`.
    pub key: Option<InstanceKey>,
}

/// The path of a module instance from the root; empty for the root itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModulePath(pub Arc<[ModuleStep]>);

impl ModulePath {
    /// The root module.
    pub fn root() -> Self {
        Self::default()
    }

    /// Whether this is the root module.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path of the instance `key` of the call `name` inside this module.
    pub fn child(&self, name: &str, key: Option<InstanceKey>) -> Self {
        let mut steps = self.0.to_vec();
        steps.push(ModuleStep { name: name.into(), key });
        ModulePath(steps.into())
    }

    /// The same path without instance keys: where the module stands in the configuration.
    pub fn without_keys(&self) -> Self {
        ModulePath(self.0.iter().map(|s| ModuleStep { name: s.name.clone(), key: None }).collect())
    }

    /// Whether `self` is `other` or lies inside it. A step of `other` without a key matches every key.
    pub fn is_within(&self, other: &ModulePath) -> bool {
        self.0.len() >= other.0.len()
            && other.0.iter().zip(self.0.iter()).all(|(o, s)| o.name == s.name && (o.key.is_none() || o.key == s.key))
    }
}

impl fmt::Display for ModulePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            write!(f, "module.{}", step.name)?;
            if let Some(key) = &step.key {
                write!(f, "{key}")?;
            }
        }
        Ok(())
    }
}

/// Whether a block is a `resource` (streamform owns the object) or a `data` source (it only reads it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// A `resource` block.
    Managed,
    /// A `data` block.
    Data,
}

/// A resource block as written, before `count` and `for_each`, in one module instance. All clones share one address, as every instance of a block
/// has it, in many tables at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResourceAddr(Arc<BlockAddr>);

/// The parts of a [`ResourceAddr`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockAddr {
    /// The module instance that holds the block.
    pub module: ModulePath,
    /// `resource` or `data`.
    pub mode: Mode,
    /// The resource type, such as `kafka_topic`.
    pub type_name: Arc<str>,
    /// The block's name.
    pub name: Arc<str>,
}

impl ResourceAddr {
    /// The address of a block.
    pub fn new(module: ModulePath, mode: Mode, type_name: Arc<str>, name: Arc<str>) -> Self {
        ResourceAddr(Arc::new(BlockAddr { module, mode, type_name, name }))
    }

    /// A block in the root module.
    pub fn root(mode: Mode, type_name: &str, name: &str) -> Self {
        ResourceAddr::new(ModulePath::root(), mode, type_name.into(), name.into())
    }

    /// The block of this name in another module instance.
    pub fn in_module(&self, module: ModulePath) -> Self {
        ResourceAddr(Arc::new(BlockAddr { module, ..(*self.0).clone() }))
    }

    /// The address of one instance of this block.
    pub fn instance(&self, key: Option<InstanceKey>) -> InstanceAddr {
        InstanceAddr { resource: self.clone(), key }
    }
}

impl Deref for ResourceAddr {
    type Target = BlockAddr;

    fn deref(&self) -> &BlockAddr {
        &self.0
    }
}

impl PartialOrd for ResourceAddr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResourceAddr {
    fn cmp(&self, other: &Self) -> Ordering {
        // Most comparisons are between instances of one block.
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl fmt::Display for ResourceAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.module.is_root() {
            write!(f, "{}.", self.module)?;
        }
        if self.mode == Mode::Data {
            f.write_str("data.")?;
        }
        write!(f, "{}.{}", self.type_name, self.name)
    }
}

/// One instance of a resource block: what a state record describes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceAddr {
    /// The block.
    pub resource: ResourceAddr,
    /// The instance, where the block has `count` or `for_each`.
    pub key: Option<InstanceKey>,
}

impl fmt::Display for InstanceAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.resource)?;
        match &self.key {
            Some(key) => write!(f, "{key}"),
            None => Ok(()),
        }
    }
}

/// What `-target`, `-exclude` and `state rm` select: a module instance, a block or one instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// A module instance with all that it holds; a step without a key selects every instance.
    Module(ModulePath),
    /// Every instance of a block.
    Resource(ResourceAddr),
    /// One instance.
    Instance(InstanceAddr),
}

impl Target {
    /// Whether the target selects this instance. A module step without a key selects all its instances.
    pub fn contains(&self, addr: &InstanceAddr) -> bool {
        match self {
            Target::Module(path) => addr.resource.module.is_within(path),
            Target::Resource(r) => same_block(r, &addr.resource),
            Target::Instance(i) => same_block(&i.resource, &addr.resource) && i.key == addr.key,
        }
    }

    /// Whether the target selects everything that another one does, whatever there is.
    pub fn covers(&self, other: &Target) -> bool {
        match (self, other) {
            (Target::Module(path), Target::Module(other)) => other.is_within(path),
            (Target::Module(path), Target::Resource(r)) => r.module.is_within(path),
            (Target::Resource(r), Target::Resource(other)) => same_block(r, other),
            (_, Target::Instance(i)) => self.contains(i),
            (Target::Resource(_), Target::Module(_)) | (Target::Instance(_), Target::Module(_) | Target::Resource(_)) => false,
        }
    }
}

fn same_block(pattern: &ResourceAddr, addr: &ResourceAddr) -> bool {
    pattern.mode == addr.mode
        && pattern.type_name == addr.type_name
        && pattern.name == addr.name
        && pattern.module.0.len() == addr.module.0.len()
        && addr.module.is_within(&pattern.module)
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Module(m) => m.fmt(f),
            Target::Resource(r) => r.fmt(f),
            Target::Instance(i) => i.fmt(f),
        }
    }
}
