//! What `-target` and `-exclude` leave in.

use super::Walker;
use std::collections::{BTreeSet, HashSet};

use crate::addr::{InstanceAddr, Mode, ModulePath, ResourceAddr, Target};
use crate::graph::{Node, NodeId, NodeKind};
use crate::plan::RunMode;

impl<'a> Walker<'a> {
    /// Whether an instance of a selected block is selected itself. Where a target names one instance of the block, only that one is;
    /// what a target needs is taken whole; what is no longer in the configuration only by name, or where it goes with what it needs.
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
        let node = self.node_of(&addr.resource).or_else(|| self.gone.get(&unkeyed(&addr.resource)).copied());
        node.is_some_and(|id| !selected.contains(&id))
            || !self.selects(addr, node.is_some())
            || self.dropped.contains(addr)
            || self.stays_with_excluded(addr)
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
    pub(super) fn select(&mut self) -> Option<HashSet<NodeId>> {
        if self.targets.is_empty() && self.excludes.is_empty() {
            return None;
        }
        if self.inputs.options.mode == RunMode::Destroy {
            return Some(self.select_to_destroy());
        }
        let graph = self.inputs.graph;
        let hits = |id: NodeId, targets: &[Target]| targets.iter().any(|t| target_hits(t, graph.node(id)));
        // What a target needs is taken along.
        let mut picked: HashSet<NodeId> = graph.ids().filter(|id| self.targets.is_empty() || hits(*id, &self.targets)).collect();
        // A record whose block is gone is reached through what it needs.
        let orphans = self.known.iter().filter(|(a, _)| self.node_of(&a.resource).is_none() && self.targets.iter().any(|t| t.contains(a)));
        picked.extend(orphans.flat_map(|(_, k)| &k.record.dependencies).filter_map(|b| self.node_of(b)));
        close(&mut picked, &self.needs());
        let whole: Vec<_> = self.excludes.iter().filter(|t| is_whole(t)).cloned().collect();
        let mut out: HashSet<NodeId> = graph.ids().filter(|id| hits(*id, &whole)).collect();
        close(&mut out, &graph.needed_by());
        picked.retain(|id| !out.contains(id));
        self.dropped.blocks = out;
        Some(picked)
    }

    /// The same for a destroy: what needs a target goes with it, and what an excluded object needs stays with it. Blocks that are no longer
    /// in the configuration take part as nodes behind those of the graph, by the dependencies that their records name.
    fn select_to_destroy(&mut self) -> HashSet<NodeId> {
        let graph = self.inputs.graph;
        let count = graph.len();
        let gone: BTreeSet<ResourceAddr> =
            self.known.keys().filter(|a| self.node_of(&a.resource).is_none()).map(|a| unkeyed(&a.resource)).collect();
        self.gone = gone.into_iter().enumerate().map(|(i, block)| (block, NodeId(count + i))).collect();
        let node = |block: &ResourceAddr| self.node_of(block).or_else(|| self.gone.get(&unkeyed(block)).copied());
        let mut needs = self.needs();
        needs.resize(count + self.gone.len(), vec![]);
        let hit = |targets: &[Target]| -> HashSet<NodeId> {
            let recorded = self.known.keys().filter(|a| targets.iter().any(|t| t.contains(a))).filter_map(|a| node(&a.resource));
            graph.ids().filter(|id| targets.iter().any(|t| target_hits(t, graph.node(*id)))).chain(recorded).collect()
        };
        let whole: Vec<Target> = self.excludes.iter().filter(|t| is_whole(t)).cloned().collect();
        let (targeted, excluded, wholly) = (hit(&self.targets), hit(&self.excludes), hit(&whole));
        for (addr, known) in &self.known {
            let Some(id) = node(&addr.resource) else { continue };
            let deps = known.record.dependencies.iter().filter_map(node).filter(|d| *d != id);
            needs[id.0].extend(deps);
        }
        let mut needed_by = vec![vec![]; needs.len()];
        for (id, deps) in needs.iter().enumerate() {
            deps.iter().for_each(|d| needed_by[d.0].push(NodeId(id)));
        }
        let all = || (0..needs.len()).map(NodeId);
        let is_managed = |id: &NodeId| id.0 >= count || matches!(graph.node(*id).kind, NodeKind::Resource(Mode::Managed, ..));
        let mut picked: HashSet<NodeId> = if self.targets.is_empty() { all().collect() } else { targeted };
        close(&mut picked, &needed_by);
        let mut stays: HashSet<NodeId> = excluded.iter().flat_map(|id| needs[id.0].iter().copied()).chain(wholly).collect();
        close(&mut stays, &needs);
        picked.retain(|id| !(stays.contains(id) && is_managed(id)));
        // An output goes with what it is made of.
        let mut goes: HashSet<NodeId> = picked.iter().copied().filter(is_managed).collect();
        close(&mut goes, &needed_by);
        picked.retain(|id| id.0 >= count || !matches!(graph.node(*id).kind, NodeKind::Output(..)) || goes.contains(id));
        // What is destroyed is reached through data sources, and reading them changes nothing.
        let plain: Vec<Vec<NodeId>> = needs.iter().map(|n| n.iter().copied().filter(|n| !is_managed(n)).collect()).collect();
        close(&mut picked, &plain);
        picked
    }

    fn needs(&self) -> Vec<Vec<NodeId>> {
        self.inputs.graph.ids().map(|id| self.inputs.graph.needs(id).to_vec()).collect()
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
            let addr = || ResourceAddr::new(node.module.clone(), *mode, t.clone(), n.clone());
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

/// Whether a target names whole blocks, and not single instances.
pub(super) fn is_whole(target: &Target) -> bool {
    match target {
        Target::Instance(i) => i.key.is_none() && !keyed(&i.resource.module),
        Target::Resource(r) => !keyed(&r.module),
        Target::Module(m) => !keyed(m),
    }
}

fn unkeyed(block: &ResourceAddr) -> ResourceAddr {
    block.in_module(block.module.without_keys())
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
