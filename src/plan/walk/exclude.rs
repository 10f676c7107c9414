//! Dependents of a single instance that `-exclude` names.
//!
//! Whole blocks are left out by the graph ([`super::select`]), which knows no instances. Where `-exclude` names one instance of a block, only
//! the instances whose expressions lead to it are left out, through locals, variables and outputs: `kafka_topic.t["b"]` does not lead to
//! `kafka_topic.t["a"]`, and `kafka_topic.t` or an index that is not known leads to all of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::select::is_whole;
use super::{Expansion, Walker};
use crate::addr::{InstanceAddr, InstanceKey, Mode, ModulePath, ResourceAddr, Target};
use crate::diag::Diagnostics;
use crate::graph::{NodeId, NodeKind};
use crate::lang::ast::{Body, Expr};
use crate::lang::config::{Repetition, ResourceBlock};
use crate::lang::eval::{Reference, eval, references};
use crate::plan::RunMode;
use crate::plan::evaluate::context;
use crate::value::{Repr, Value};

/// The instances that depend on one that is excluded.
#[derive(Default)]
pub(super) struct Dropped {
    instances: HashSet<InstanceAddr>,
    /// Blocks, locals and others that are excluded as a whole, or depend on one that is.
    pub(super) blocks: HashSet<NodeId>,
    /// Whether a local, variable, output or call leads to one that is excluded.
    leads: HashMap<(ModulePath, NodeKind), bool>,
}

impl Dropped {
    /// Whether the instance depends on one that is excluded.
    pub(super) fn contains(&self, addr: &InstanceAddr) -> bool {
        self.instances.contains(addr)
    }
}

/// The place of an expression: the module instance, and the instance of the block or call.
#[derive(Clone)]
struct Place {
    module: ModulePath,
    key: Option<InstanceKey>,
    each: Option<Value>,
}

impl Place {
    fn of(module: &ModulePath) -> Place {
        Place { module: module.clone(), key: None, each: None }
    }
}

impl Walker<'_> {
    /// Whether an instance depends on one that `-exclude` names, or on another one that does; notes it for what depends on this one.
    /// Everything it needs must have been expanded. A destroy takes the other direction: what an excluded object needs stays.
    pub(super) fn goes_with_excluded(&mut self, block: &ResourceBlock, addr: &InstanceAddr, each: &Option<Value>) -> bool {
        if self.inputs.options.mode == RunMode::Destroy || self.excludes.iter().all(is_whole) {
            return false;
        }
        let mut leads = std::mem::take(&mut self.dropped.leads);
        let mut reach = Reach { walker: self, leads: &mut leads };
        let goes = reach.calls(&addr.resource.module) || reach.block(block, addr, each);
        self.dropped.leads = leads;
        if goes {
            self.dropped.instances.insert(addr.clone());
        }
        goes
    }
}

impl Walker<'_> {
    /// Whether a record that nothing declares any more needs what is excluded: it is left out with that.
    pub(super) fn stays_with_excluded(&self, addr: &InstanceAddr) -> bool {
        if self.inputs.options.mode == RunMode::Destroy || self.excludes.is_empty() {
            return false;
        }
        let (mut seen, mut stack) = (HashSet::new(), vec![addr.clone()]);
        while let Some(addr) = stack.pop() {
            let Some(known) = self.known.get(&addr).filter(|_| self.is_orphan(&addr)) else { continue };
            let mut needs = Vec::new();
            origins(&known.record.attributes, &mut needs);
            let excluded = |a: &InstanceAddr| self.excludes.iter().any(|t| t.contains(a)) || self.dropped.contains(a);
            // Of a need that no attribute refers to, nobody knows which instance was meant.
            let unclear = |b: &ResourceAddr| {
                let of_block = |t: &Target| matches!(t, Target::Instance(i) if i.resource == *b);
                !needs.iter().any(|a| a.resource == *b) && self.excludes.iter().any(of_block)
            };
            let whole = |b: &ResourceAddr| self.node_of(b).is_some_and(|id| self.dropped.blocks.contains(&id));
            if needs.iter().any(|a| excluded(a)) || known.record.dependencies.iter().any(|b| whole(b) || unclear(b)) {
                return true;
            }
            stack.extend(needs.into_iter().map(|a| (*a).clone()).filter(|a| seen.insert(a.clone())));
        }
        false
    }

    fn is_orphan(&self, addr: &InstanceAddr) -> bool {
        match self.world.expansion(&addr.resource) {
            Some(_) => !self.in_config.contains(addr),
            None => self.node_of(&addr.resource).is_none(),
        }
    }
}

/// The objects that a value refers to.
fn origins(v: &Value, out: &mut Vec<Arc<InstanceAddr>>) {
    if let Some(origin) = v.origin() {
        return out.push(Arc::clone(origin));
    }
    match v.repr() {
        Repr::Object(o) => o.attrs.values().for_each(|v| origins(v, out)),
        Repr::Map(m) => m.items.values().for_each(|v| origins(v, out)),
        _ => v.as_slice().into_iter().flatten().for_each(|v| origins(v, out)),
    }
}

struct Reach<'w, 'a> {
    walker: &'w Walker<'a>,
    leads: &'w mut HashMap<(ModulePath, NodeKind), bool>,
}

impl Reach<'_, '_> {
    fn is_out(&self, addr: &InstanceAddr) -> bool {
        self.walker.excludes.iter().any(|t| t.contains(addr)) || self.walker.dropped.contains(addr)
    }

    fn block(&mut self, block: &ResourceBlock, addr: &InstanceAddr, each: &Option<Value>) -> bool {
        let around = Place::of(&addr.resource.module);
        let place = Place { key: addr.key.clone(), each: each.clone(), ..around.clone() };
        let conditions = block.lifecycle.preconditions.iter().chain(&block.lifecycle.postconditions);
        let inside: Vec<&Expr> = conditions
            .flat_map(|c| [&c.condition, &c.error_message])
            .chain(block.timeouts.iter().map(|(_, e)| e))
            .chain(&block.lifecycle.prevent_destroy)
            .chain(&block.lifecycle.replace_triggered_by)
            .chain(block.provider.as_ref().and_then(|p| p.key.as_ref()))
            .collect();
        self.repetition(&block.repetition, &around)
            || self.depends_on(&block.depends_on, &around)
            || self.body(&block.body, &place)
            || inside.into_iter().any(|e| self.expr(e, &place))
    }

    /// Whether the calls that lead to a module depend on what is excluded: then all that they hold does.
    fn calls(&mut self, module: &ModulePath) -> bool {
        (0..module.0.len()).any(|n| {
            let parent = ModulePath(module.0[..n].to_vec().into());
            self.call(&parent, &module.0[n].name)
        })
    }

    fn call(&mut self, parent: &ModulePath, name: &Arc<str>) -> bool {
        let kind = NodeKind::Call(name.clone());
        let Some(call) = self.walker.world.module(parent).and_then(|m| m.module.calls.get(name)) else { return false };
        self.remembered(parent, kind, |reach| {
            let around = Place::of(parent);
            reach.repetition(&call.repetition, &around) || reach.depends_on(&call.depends_on, &around)
        })
    }

    fn remembered(&mut self, module: &ModulePath, kind: NodeKind, find: impl FnOnce(&mut Self) -> bool) -> bool {
        let key = (module.clone(), kind);
        if let Some(known) = self.leads.get(&key) {
            return *known;
        }
        let found = find(self);
        self.leads.insert(key, found);
        found
    }

    fn repetition(&mut self, r: &Repetition, place: &Place) -> bool {
        match r {
            Repetition::One => false,
            Repetition::Count(e) | Repetition::ForEach(e) => self.expr(e, place),
        }
    }

    fn body(&mut self, body: &Body, place: &Place) -> bool {
        body.attrs.iter().any(|a| self.expr(&a.expr, place)) || body.blocks.iter().any(|b| self.body(&b.body, place))
    }

    /// As elsewhere, but a module stands for all that it holds.
    fn depends_on(&mut self, exprs: &[Expr], place: &Place) -> bool {
        exprs.iter().flat_map(references).any(|r| {
            if &*r.root.name == "module" && r.names().len() == 1 {
                let within = place.module.child(r.names()[0], self.key(&r, 1, place));
                return self.walker.in_config.iter().any(|a| a.resource.module.is_within(&within) && self.is_out(a));
            }
            self.reference(&r, place)
        })
    }

    fn expr(&mut self, e: &Expr, place: &Place) -> bool {
        references(e).iter().any(|r| self.reference(r, place))
    }

    fn reference(&mut self, r: &Reference, place: &Place) -> bool {
        let module = &place.module;
        let names = r.names();
        let step = |i: usize| names.get(i).map(|n| Arc::<str>::from(*n));
        match (&*r.root.name, step(0), step(1)) {
            ("each" | "count" | "self" | "path" | "terraform" | "streamform", ..) => false,
            ("var", Some(n), _) => self.variable(module, n),
            ("local", Some(n), _) => {
                let Some(expr) = self.walker.world.module(module).and_then(|m| m.module.locals.get(&n)) else { return false };
                self.remembered(module, NodeKind::Local(n), |reach| reach.expr(expr, &Place::of(module)))
            }
            ("module", Some(call), _) => self.module(r, &call, place),
            ("data", Some(t), Some(n)) => self.resource(r, 2, Mode::Data, t, n, place),
            (t, Some(n), _) if t != "data" => self.resource(r, 1, Mode::Managed, t.into(), n, place),
            _ => false,
        }
    }

    fn variable(&mut self, module: &ModulePath, name: Arc<str>) -> bool {
        let Some((last, parents)) = module.0.split_last() else { return false };
        let parent = ModulePath(parents.to_vec().into());
        let world = &self.walker.world;
        let Some(given) = world.module(module).and_then(|m| m.call?.inputs.attr(&name)) else { return false };
        let each = world.call(&parent, &last.name).and_then(|e| e.each(&last.key));
        let place = Place { module: parent, key: last.key.clone(), each };
        self.remembered(module, NodeKind::Variable(name), |reach| reach.expr(&given.expr, &place))
    }

    fn module(&mut self, r: &Reference, call: &Arc<str>, place: &Place) -> bool {
        let world = &self.walker.world;
        let Some(inner) = world.module(&place.module).and_then(|m| m.module.calls.get(call)).map(|c| &*c.module) else { return false };
        if self.call(&place.module, call) {
            return true;
        }
        let keys = world.call(&place.module, call).map(keys).unwrap_or_default();
        let named = self.key(r, 1, place);
        // As in the graph: a static step after an index is an output too, and without one the whole object of outputs is meant.
        let output = r.second.as_ref().map(|o| &o.name).filter(|o| inner.outputs.contains_key(*o));
        let outputs: Vec<&Arc<str>> = output.map_or_else(|| inner.outputs.keys().collect(), |o| vec![o]);
        keys.into_iter().filter(|k| named.is_none() || *k == named).any(|key| {
            let child = place.module.child(call, key);
            outputs.iter().any(|name| {
                let Some(out) = inner.outputs.get(*name) else { return false };
                self.remembered(&child, NodeKind::Output(Arc::clone(name)), |reach| {
                    let within = Place::of(&child);
                    let conditions = out.preconditions.iter().flat_map(|c| [&c.condition, &c.error_message]);
                    reach.depends_on(&out.depends_on, &within)
                        || std::iter::once(&out.value).chain(conditions).any(|e| reach.expr(e, &within))
                })
            })
        })
    }

    fn resource(&mut self, r: &Reference, at: usize, mode: Mode, type_name: Arc<str>, name: Arc<str>, place: &Place) -> bool {
        let block = ResourceAddr::new(place.module.clone(), mode, type_name, name);
        match self.key(r, at, place) {
            Some(key) => self.is_out(&block.instance(Some(key))),
            None => {
                let keys = self.walker.world.expansion(&block).map(keys).unwrap_or_default();
                keys.into_iter().any(|k| self.is_out(&block.instance(k)))
            }
        }
    }

    /// The instance that the index after a name means, where it can be told: not where a for-expression runs over it.
    fn key(&self, r: &Reference, at: usize, place: &Place) -> Option<InstanceKey> {
        let (_, index) = r.index.as_ref().filter(|(before, _)| *before == at)?;
        let world = &self.walker.world;
        let scope = world.scope(&place.module).repeated(place.key.clone(), place.each.clone());
        let cx = context(self.walker.inputs, &world.module(&place.module)?.module.dir);
        let mut unsaid = Diagnostics::new();
        let value = eval(index, &scope, &cx, &mut unsaid);
        if unsaid.has_errors() || !value.is_known() {
            return None;
        }
        let number = || value.as_i64().and_then(|n| u64::try_from(n).ok()).map(InstanceKey::Int);
        value.as_str().map(|s| InstanceKey::Str(s.into())).or_else(number)
    }
}

fn keys(expansion: &Expansion) -> Vec<Option<InstanceKey>> {
    expansion.keys().into_iter().map(|(key, _)| key).collect()
}
