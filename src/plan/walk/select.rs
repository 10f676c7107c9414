//! What `-target` and `-exclude` leave in.

use super::Walker;
use std::collections::HashSet;

use crate::addr::{InstanceAddr, Mode, ModulePath, ResourceAddr, Target};
use crate::graph::{Node, NodeId, NodeKind};
use crate::plan::RunMode;

impl<'a> Walker<'a> {
    /// Whether an instance of a selected block is selected itself. Where a target names one instance of the block, only that one is;
    /// what a target needs is taken whole; what is no longer in the configuration only by name.
    pub(super) fn selects(&self, addr: &InstanceAddr, declared: bool) -> bool {
        if self.excludes.iter().any(|t| t.contains(addr)) {
            return false;
        }
        if self.targets.is_empty() || self.targets.iter().any(|t| t.contains(addr)) {
            return true;
        }
        let module = addr.resource.module.without_keys();
        let another_is_named = self.targets.iter().any(|t| match t {
            Target::Instance(i) => i.resource == addr.resource,
            Target::Module(m) => keyed(m) && module.is_within(&m.without_keys()),
            Target::Resource(_) => false,
        });
        !another_is_named && declared
    }

    /// Whether `-target` or `-exclude` leave an instance out: it stays as recorded and is not read, as it may live in what is down.
    pub(super) fn is_left_out(&self, addr: &InstanceAddr) -> bool {
        let Some(selected) = &self.selected else { return false };
        let node = self.node_of(&addr.resource);
        node.is_some_and(|id| !selected.contains(&id)) || !self.selects(addr, node.is_some())
    }

    /// Targets, and where `moved` blocks and renames take what they name.
    pub(super) fn follow_moves(&self, targets: &[Target]) -> Vec<Target> {
        let mut out = targets.to_vec();
        let moved = || self.known.iter().filter_map(|(to, k)| Some((k.moved_from.as_ref()?, to)));
        for target in targets {
            for (_, to) in moved().filter(|(from, _)| target.contains(from)) {
                let new = match target {
                    // The whole module moved, where the path is as long as before.
                    Target::Module(m) if m.0.len() == to.resource.module.0.len() => Target::Module(to.resource.module.clone()),
                    Target::Resource(_) => Target::Resource(to.resource.clone()),
                    Target::Module(_) | Target::Instance(_) => Target::Instance(to.clone()),
                };
                if !out.contains(&new) {
                    out.push(new);
                }
            }
        }
        out
    }

    /// The nodes that `-target` and `-exclude` leave in.
    pub(super) fn select(&self) -> Option<HashSet<NodeId>> {
        if self.targets.is_empty() && self.excludes.is_empty() {
            return None;
        }
        let graph = self.inputs.graph;
        let hits = |id: NodeId, targets: &[Target]| targets.iter().any(|t| target_hits(t, graph.node(id)));
        let mut picked: HashSet<NodeId> = graph.ids().filter(|id| self.targets.is_empty() || hits(*id, &self.targets)).collect();
        // A destroy takes along what needs a target; any other run takes along what a target needs.
        let destroy = self.inputs.options.mode == RunMode::Destroy;
        let next = if destroy { graph.needed_by() } else { graph.ids().map(|id| graph.needs(id).to_vec()).collect() };
        close(&mut picked, &next);
        if destroy {
            // What is destroyed is reached through data sources, and reading them changes nothing.
            let is_managed = |id: NodeId| matches!(graph.node(id).kind, NodeKind::Resource(Mode::Managed, ..));
            let needs: Vec<Vec<NodeId>> =
                graph.ids().map(|id| graph.needs(id).iter().copied().filter(|n| !is_managed(*n)).collect()).collect();
            close(&mut picked, &needs);
        }
        let whole = |t: &&Target| match t {
            Target::Instance(i) => i.key.is_none() && !keyed(&i.resource.module),
            Target::Resource(r) => !keyed(&r.module),
            Target::Module(m) => !keyed(m),
        };
        let whole: Vec<_> = self.excludes.iter().filter(whole).cloned().collect();
        let mut out: HashSet<NodeId> = graph.ids().filter(|id| hits(*id, &whole)).collect();
        close(&mut out, &graph.needed_by());
        picked.retain(|id| !out.contains(id));
        Some(picked)
    }
}

impl<'a> Walker<'a> {
    /// The blocks whose replacements make the new object first: those that say so, those that hold a deposed object, and what they need. An
    /// old object can only go after those that use it, which wait for their own new ones, so what they need must be there before it goes.
    pub(super) fn creates_first(&self) -> HashSet<NodeId> {
        let graph = self.inputs.graph;
        let deposed: HashSet<ResourceAddr> = self.inputs.snapshot.deposed.keys().map(|(a, _)| unkeyed(&a.resource)).collect();
        let says = |id: &NodeId| {
            let node = graph.node(*id);
            let NodeKind::Resource(mode, t, n) = &node.kind else { return false };
            let block = self.world.module(&node.module).and_then(|m| m.module.resources.get(&(*mode, t.clone(), n.clone())));
            let addr = || ResourceAddr { module: node.module.clone(), mode: *mode, type_name: t.clone(), name: n.clone() };
            block.is_some_and(|b| b.lifecycle.create_before_destroy) || !deposed.is_empty() && deposed.contains(&addr())
        };
        let mut out: HashSet<NodeId> = graph.ids().filter(says).collect();
        if !out.is_empty() {
            let needs: Vec<Vec<NodeId>> = graph.ids().map(|id| graph.needs(id).to_vec()).collect();
            close(&mut out, &needs);
        }
        out
    }

    /// The node of a block, where the configuration has it.
    pub(super) fn node_of(&self, block: &ResourceAddr) -> Option<NodeId> {
        let kind = NodeKind::Resource(block.mode, block.type_name.clone(), block.name.clone());
        self.inputs.graph.id(&Node { module: block.module.without_keys(), kind })
    }
}

fn unkeyed(block: &ResourceAddr) -> ResourceAddr {
    ResourceAddr { module: block.module.without_keys(), ..block.clone() }
}

/// Whether a path names single instances of a module.
fn keyed(path: &ModulePath) -> bool {
    path.0.iter().any(|s| s.key.is_some())
}

fn close(set: &mut HashSet<NodeId>, next: &[Vec<NodeId>]) {
    let mut stack: Vec<NodeId> = set.iter().copied().collect();
    while let Some(id) = stack.pop() {
        for n in &next[id.0] {
            if set.insert(*n) {
                stack.push(*n);
            }
        }
    }
}

/// Whether a target selects a block, or some instance of it.
pub fn target_hits(target: &Target, node: &Node) -> bool {
    let NodeKind::Resource(mode, t, n) = &node.kind else { return false };
    let block = |r: &ResourceAddr| r.mode == *mode && r.type_name == *t && r.name == *n && r.module.without_keys() == node.module;
    match target {
        Target::Module(m) => node.module.is_within(&m.without_keys()),
        Target::Resource(r) => block(r),
        Target::Instance(i) => block(&i.resource),
    }
}
