//! The world: every value that is known at one moment of a walk, and the scope that expressions see of it.
//!
//! Values live per module instance. Resource blocks hold one value per instance and one whole value that references see, built
//! once when the block is done, so that a block of N instances costs O(N) however often it is referred to.

use std::collections::HashMap;
use std::sync::Arc;

use crate::addr::{InstanceKey, Mode, ModulePath, ResourceAddr};
use crate::diag::Diagnostic;
use crate::graph::NodeKind;
use crate::graph::names::undeclared;
use crate::lang::ast::{Ident, Step};
use crate::lang::config::{Config, Module, ModuleCall};
use crate::lang::eval::{Resolved, Scope};
use crate::value::{Fields, Marks, Type, Value};

/// The instances that `count` or `for_each` give.
#[derive(Clone, Debug, PartialEq)]
pub enum Expansion {
    /// Neither: one instance without a key.
    One,
    /// `count`
    Count(u64),
    /// `for_each`: the value by key.
    Each(Fields),
    /// The expression failed, which has been said: nobody knows the instances.
    Failed,
    /// The same where a configuration is only checked: one instance of which nothing is known stands for all.
    StandIn,
}

impl Expansion {
    /// Whether every `each.value` is known.
    pub fn is_known(&self) -> bool {
        !matches!(self, Expansion::Each(m) if !m.values().all(Value::is_wholly_known))
    }

    /// The same with a stand-in for instances that are not known.
    pub fn or_stand_in(self) -> Expansion {
        if self == Expansion::Failed { Expansion::StandIn } else { self }
    }

    /// Every key with what `each.value` is for it.
    pub fn keys(&self) -> Vec<(Option<InstanceKey>, Option<Value>)> {
        match self {
            Expansion::One => vec![(None, None)],
            Expansion::Count(n) => (0..*n).map(|i| (Some(InstanceKey::Int(i)), None)).collect(),
            Expansion::Each(m) => m.iter().map(|(k, v)| (Some(InstanceKey::Str(k.clone())), Some(v.clone()))).collect(),
            Expansion::Failed => vec![],
            Expansion::StandIn => vec![(None, Some(nothing_known()))],
        }
    }

    /// The instances that have these keys, as the state has them. What `each.value` is for them is not known.
    pub fn of_keys<'k>(keys: impl IntoIterator<Item = &'k Option<InstanceKey>>) -> Expansion {
        let mut keys = keys.into_iter().flatten().peekable();
        // The first key says what repeats the block; keys of the other kind are of an earlier form of it.
        match keys.peek() {
            None => Expansion::One,
            Some(InstanceKey::Int(_)) => {
                let number = |k: &InstanceKey| if let InstanceKey::Int(i) = k { Some(i + 1) } else { None };
                Expansion::Count(keys.filter_map(number).max().unwrap_or_default())
            }
            Some(InstanceKey::Str(_)) => {
                let unknown = Value::unknown(Type::Dynamic);
                let entry = |k: &InstanceKey| if let InstanceKey::Str(k) = k { Some((k.clone(), unknown.clone())) } else { None };
                Expansion::Each(keys.filter_map(entry).collect())
            }
        }
    }

    /// What `each.value` is for this key.
    pub fn each(&self, key: &Option<InstanceKey>) -> Option<Value> {
        match (self, key) {
            (Expansion::Each(m), Some(InstanceKey::Str(k))) => m.get(k).cloned(),
            (Expansion::StandIn, None) => Some(nothing_known()),
            _ => None,
        }
    }

    /// One value for all instances: a single object, a list, or a map.
    fn whole(&self, mut of: impl FnMut(&Option<InstanceKey>) -> Option<Value>) -> Value {
        let missing = || Value::unknown(Type::Dynamic);
        match self {
            Expansion::One => of(&None).unwrap_or_else(missing),
            Expansion::Count(n) => Value::tuple((0..*n).map(|i| of(&Some(InstanceKey::Int(i))).unwrap_or_else(missing)).collect()),
            Expansion::Each(m) => Value::object(m.map(|k, _| of(&Some(InstanceKey::Str(k.clone()))).unwrap_or_else(missing))),
            Expansion::Failed | Expansion::StandIn => nothing_known(),
        }
    }
}

/// What an expression gives that failed, or that nobody can evaluate.
fn nothing_known() -> Value {
    Value::unknown(Type::Dynamic).mark(Marks::FAILED)
}

/// A resource block's instances and their values.
#[derive(Clone, Debug)]
struct BlockValue {
    expansion: Expansion,
    whole: Value,
}

/// A module in the configuration tree, with the call that loads it.
#[derive(Clone, Copy)]
pub struct ModuleRef<'c> {
    /// What the folder declares.
    pub module: &'c Module,
    /// The call, except for the root.
    pub call: Option<&'c ModuleCall>,
}

/// All values of one walk.
pub struct World<'c> {
    modules: HashMap<ModulePath, ModuleRef<'c>>,
    values: HashMap<(ModulePath, NodeKind), Value>,
    calls: HashMap<(ModulePath, Arc<str>), Expansion>,
    blocks: HashMap<ResourceAddr, BlockValue>,
}

impl<'c> World<'c> {
    /// A world in which nothing is evaluated yet.
    pub fn new(config: &'c Config) -> Self {
        let mut modules = HashMap::new();
        collect(&config.root, None, ModulePath::root(), &mut modules);
        World { modules, values: HashMap::new(), calls: HashMap::new(), blocks: HashMap::new() }
    }

    /// The module at a path, with or without instance keys.
    pub fn module(&self, path: &ModulePath) -> Option<ModuleRef<'c>> {
        self.modules.get(&path.without_keys()).copied()
    }

    /// Every instance of the module at a path without keys.
    pub fn module_instances(&self, path: &ModulePath) -> Vec<ModulePath> {
        let mut out = vec![ModulePath::root()];
        for step in path.0.iter() {
            out = out
                .into_iter()
                .flat_map(|parent| {
                    let expansion = self.calls.get(&(parent.clone(), step.name.clone())).cloned();
                    let keys = expansion.map(|e| e.keys()).unwrap_or_default();
                    keys.into_iter().map(move |(key, _)| parent.child(&step.name, key))
                })
                .collect();
        }
        out
    }

    /// Whether the instances of a module that leads here could not be found out.
    pub fn is_within_failed(&self, path: &ModulePath) -> bool {
        (1..=path.0.len()).any(|n| {
            let parent = ModulePath(path.0[..n - 1].to_vec().into());
            self.call(&parent, &path.0[n - 1].name) == Some(&Expansion::Failed)
        })
    }

    /// The paths of all modules, without instance keys, in order.
    pub fn module_paths(&self) -> Vec<ModulePath> {
        let mut out: Vec<ModulePath> = self.modules.keys().cloned().collect();
        out.sort();
        out
    }

    /// Records a variable, local or output.
    pub fn set(&mut self, module: &ModulePath, kind: &NodeKind, value: Value) {
        self.values.insert((module.clone(), kind.clone()), value);
    }

    /// A variable, local or output.
    pub fn get(&self, module: &ModulePath, kind: &NodeKind) -> Option<&Value> {
        self.values.get(&(module.clone(), kind.clone()))
    }

    /// Records the instances of a module call.
    pub fn set_call(&mut self, module: &ModulePath, name: &Arc<str>, expansion: Expansion) {
        self.calls.insert((module.clone(), name.clone()), expansion);
    }

    /// The instances of a module call.
    pub fn call(&self, module: &ModulePath, name: &Arc<str>) -> Option<&Expansion> {
        self.calls.get(&(module.clone(), name.clone()))
    }

    /// Records a block's instances and their values.
    pub fn set_block(&mut self, block: ResourceAddr, expansion: Expansion, values: &HashMap<Option<InstanceKey>, Value>) {
        let whole = expansion.whole(|k| values.get(k).cloned());
        self.blocks.insert(block, BlockValue { expansion, whole });
    }

    /// Records what the instances of a block are given, which are the same instances as before.
    pub fn set_expansion(&mut self, block: &ResourceAddr, expansion: Expansion) {
        if let Some(b) = self.blocks.get_mut(block) {
            b.expansion = expansion;
        }
    }

    /// The value that a reference to a whole block sees.
    pub fn block(&self, block: &ResourceAddr) -> Option<&Value> {
        self.blocks.get(block).map(|b| &b.whole)
    }

    /// The blocks whose instances are not known.
    pub fn failed_blocks(&self) -> impl Iterator<Item = &ResourceAddr> {
        self.blocks.iter().filter(|(_, b)| b.expansion == Expansion::Failed).map(|(b, _)| b)
    }

    /// The instances of a block, once they are known.
    pub fn expansion(&self, block: &ResourceAddr) -> Option<&Expansion> {
        self.blocks.get(block).map(|b| &b.expansion)
    }

    /// The value of one instance.
    pub fn instance(&self, addr: &crate::addr::InstanceAddr) -> Option<Value> {
        let whole = self.block(&addr.resource)?;
        match &addr.key {
            None => Some(whole.clone()),
            Some(InstanceKey::Int(i)) => whole.as_slice()?.get(usize::try_from(*i).ok()?).cloned(),
            Some(InstanceKey::Str(k)) => whole.as_map()?.get(k).cloned(),
        }
    }

    /// The values of all instances of blocks of one type, resources and data sources.
    pub fn instances_of(&self, type_name: &str) -> impl Iterator<Item = Value> {
        let blocks = self.blocks.iter().filter(move |(b, _)| &*b.type_name == type_name);
        blocks.flat_map(|(b, of)| of.expansion.keys().into_iter().map(|(key, _)| b.instance(key))).filter_map(|addr| self.instance(&addr))
    }

    /// The scope of one module instance.
    pub fn scope(&self, module: &ModulePath) -> ModuleScope<'_, 'c> {
        ModuleScope { world: self, module: module.clone(), key: None, each: None, this: None }
    }

    /// The scope in which a module call's inputs for one instance of the called module are evaluated.
    pub fn input_scope(&self, child: &ModulePath) -> Option<ModuleScope<'_, 'c>> {
        let (last, parents) = child.0.split_last()?;
        let parent = ModulePath(parents.to_vec().into());
        let each = self.calls.get(&(parent.clone(), last.name.clone())).and_then(|e| e.each(&last.key));
        Some(ModuleScope { world: self, module: parent, key: last.key.clone(), each, this: None })
    }

    fn outputs(&self, child: &ModulePath) -> Option<Value> {
        let module = self.module(child)?.module;
        let attrs = module.outputs.keys().map(|n| {
            let v = self.get(child, &NodeKind::Output(n.clone())).cloned().unwrap_or_else(|| Value::unknown(Type::Dynamic));
            (n.clone(), v)
        });
        Some(Value::object(attrs.collect()))
    }
}

fn collect<'c>(m: &'c Module, call: Option<&'c ModuleCall>, path: ModulePath, out: &mut HashMap<ModulePath, ModuleRef<'c>>) {
    for (name, c) in &m.calls {
        collect(&c.module, Some(c), path.child(name, None), out);
    }
    out.insert(path, ModuleRef { module: m, call });
}

/// What expressions of one module instance see; inside a repeated block also `each` and `count`, in conditions also `self`.
pub struct ModuleScope<'w, 'c> {
    world: &'w World<'c>,
    module: ModulePath,
    key: Option<InstanceKey>,
    each: Option<Value>,
    this: Option<Value>,
}

impl<'w, 'c> ModuleScope<'w, 'c> {
    /// Inside one instance of a repeated block.
    pub fn repeated(mut self, key: Option<InstanceKey>, each: Option<Value>) -> Self {
        self.key = key;
        self.each = each;
        self
    }

    /// With `self`.
    pub fn with_self(mut self, this: Value) -> Self {
        self.this = Some(this);
        self
    }

    fn resolve(&self, root: &str, steps: &[Step]) -> Option<Resolved> {
        let found = |value, consumed| Some(Resolved { value, consumed });
        let name = |i: usize| match steps.get(i) {
            Some(Step::Attr(id)) => Some(&id.name),
            _ => None,
        };
        let value = |kind| self.world.get(&self.module, &kind).cloned();
        match root {
            "var" => found(value(NodeKind::Variable(name(0)?.clone()))?, 1),
            "local" => found(value(NodeKind::Local(name(0)?.clone()))?, 1),
            "module" => found(self.module_value(name(0)?)?, 1),
            "each" | "count" if self.key.is_none() && self.each.is_some() => found(nothing_known(), 1),
            "each" => match &**name(0)? {
                "key" => match self.key.as_ref()? {
                    InstanceKey::Str(k) => found(Value::string(k), 1),
                    InstanceKey::Int(_) => None,
                },
                "value" => found(self.each.clone()?, 1),
                _ => None,
            },
            "count" if &**name(0)? == "index" => match self.key.as_ref()? {
                InstanceKey::Int(i) => found(Value::from(*i as i64), 1),
                InstanceKey::Str(_) => None,
            },
            "self" => found(self.this.clone()?, 0),
            "path" => found(self.path_value(name(0)?)?, 1),
            "terraform" | "streamform" if &**name(0)? == "workspace" => found(Value::from("default"), 1),
            "data" => {
                let block = self.block(Mode::Data, name(0)?, name(1)?);
                found(self.world.block(&block)?.clone(), 2)
            }
            type_name => {
                let block = self.block(Mode::Managed, type_name, name(0)?);
                found(self.world.block(&block)?.clone(), 1)
            }
        }
    }

    fn block(&self, mode: Mode, type_name: &str, name: &Arc<str>) -> ResourceAddr {
        ResourceAddr::new(self.module.clone(), mode, type_name.into(), name.clone())
    }

    fn module_value(&self, call: &Arc<str>) -> Option<Value> {
        let Some(expansion) = self.world.calls.get(&(self.module.clone(), call.clone())) else {
            let unread = self.world.module(&self.module)?.module.unread.contains(call);
            return unread.then(|| Value::unknown(Type::Dynamic));
        };
        Some(expansion.whole(|key| self.world.outputs(&self.module.child(call, key.clone()))))
    }

    fn path_value(&self, name: &str) -> Option<Value> {
        let dir = |path: &ModulePath| self.world.module(path).map(|m| m.module.dir.display().to_string());
        let shown = |d: String| Value::string(if d.is_empty() { ".".to_string() } else { d });
        match name {
            "module" => dir(&self.module).map(shown),
            "root" | "cwd" => dir(&ModulePath::root()).map(shown),
            _ => None,
        }
    }
}

impl Scope for ModuleScope<'_, '_> {
    fn lookup(&self, root: &Ident, steps: &[Step]) -> Result<Resolved, Diagnostic> {
        if let Some(found) = self.resolve(&root.name, steps) {
            return Ok(found);
        }
        let attrs = steps.iter().map_while(|s| if let Step::Attr(id) = s { Some(&*id.name) } else { None });
        let names: Vec<&str> = std::iter::once(&*root.name).chain(attrs).collect();
        let nothing = Module::default();
        let module = self.world.module(&self.module).map_or(&nothing, |m| m.module);
        // The place is the whole reference: whoever asks knows it.
        Err(undeclared(module, &names))
    }

    fn names(&self) -> Vec<String> {
        let module = self.world.module(&self.module).map(|m| m.module);
        let types = module.into_iter().flat_map(|m| m.resources.keys()).map(|(_, t, _)| t.to_string());
        ["var", "local", "module", "data", "each", "count", "path", "self"].map(String::from).into_iter().chain(types).collect()
    }
}
