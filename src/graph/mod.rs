//! The dependency graph over the blocks of a configuration.
//!
//! A node is one block of one module (before `count` and `for_each`); an edge says that a block needs another one first. The graph
//! is built from references alone, without evaluating anything. What must not be here: values, state, I/O. petgraph is inside
//! and not exposed; cycles are named whole (Tarjan), an order is Kahn's.

mod build;
pub mod names;
pub mod text;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::addr::{Mode, ModulePath};
use crate::diag::codes::plan as codes;
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::lang::config::Config;

/// What a node of the graph is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeKind {
    /// An input variable.
    Variable(Arc<str>),
    /// A local value.
    Local(Arc<str>),
    /// An output value.
    Output(Arc<str>),
    /// The `count` or `for_each` of a module call; the node lies in the calling module.
    Call(Arc<str>),
    /// A resource or data block.
    Resource(Mode, Arc<str>, Arc<str>),
}

/// A node: what it is and in which module (a path without instance keys).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// The module that holds the block.
    pub module: ModulePath,
    /// The block.
    pub kind: NodeKind,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.module.is_root() {
            write!(f, "{}.", self.module)?;
        }
        match &self.kind {
            NodeKind::Variable(n) => write!(f, "var.{n}"),
            NodeKind::Local(n) => write!(f, "local.{n}"),
            NodeKind::Output(n) => write!(f, "output.{n}"),
            NodeKind::Call(n) => write!(f, "module.{n}"),
            NodeKind::Resource(Mode::Managed, t, n) => write!(f, "{t}.{n}"),
            NodeKind::Resource(Mode::Data, t, n) => write!(f, "data.{t}.{n}"),
        }
    }
}

/// Index of a node in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub usize);

/// The graph. Node order is the order of the configuration; edges are sorted: every text form is deterministic.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    spans: Vec<Span>,
    index: HashMap<Node, NodeId>,
    needs: Vec<Vec<NodeId>>,
}

impl Graph {
    /// Builds the graph of a configuration. References to nothing and cycles are diagnostics.
    pub fn build(config: &Config) -> (Graph, Diagnostics) {
        let (graph, mut diags) = build::build(config);
        if let Some(cycle) = graph.cycle() {
            diags.push(cycle);
        }
        (graph, diags)
    }

    fn add(&mut self, node: Node, span: Span) -> NodeId {
        let id = NodeId(self.nodes.len());
        self.index.insert(node.clone(), id);
        self.nodes.push(node);
        self.spans.push(span);
        self.needs.push(Vec::new());
        id
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Every node in order.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// The node of an id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The id of a node.
    pub fn id(&self, node: &Node) -> Option<NodeId> {
        self.index.get(node).copied()
    }

    /// What a node needs directly.
    pub fn needs(&self, id: NodeId) -> &[NodeId] {
        &self.needs[id.0]
    }

    /// For every node, who needs it directly.
    pub fn needed_by(&self) -> Vec<Vec<NodeId>> {
        let mut out = vec![Vec::new(); self.nodes.len()];
        for id in self.ids() {
            for dep in self.needs(id) {
                out[dep.0].push(id);
            }
        }
        out
    }

    /// The nearest resource blocks that a node needs, looking through variables, locals, outputs and module calls.
    pub fn resources_needed(&self, id: NodeId) -> Vec<NodeId> {
        let mut seen = std::collections::HashSet::new();
        let mut out = Vec::new();
        let mut stack = self.needs(id).to_vec();
        while let Some(next) = stack.pop() {
            if !seen.insert(next) {
                continue;
            }
            match self.node(next).kind {
                NodeKind::Resource(..) => out.push(next),
                _ => stack.extend(self.needs(next)),
            }
        }
        out.sort();
        out
    }

    /// An order in which everything comes after what it needs. Nodes of a cycle are left out.
    pub fn order(&self) -> Vec<NodeId> {
        let needed_by = self.needed_by();
        let mut missing: Vec<usize> = self.needs.iter().map(Vec::len).collect();
        let mut queue: std::collections::VecDeque<NodeId> = self.ids().filter(|id| missing[id.0] == 0).collect();
        let mut out = Vec::with_capacity(self.nodes.len());
        while let Some(id) = queue.pop_front() {
            out.push(id);
            for next in &needed_by[id.0] {
                missing[next.0] -= 1;
                if missing[next.0] == 0 {
                    queue.push_back(*next);
                }
            }
        }
        out
    }

    fn cycle(&self) -> Option<Diagnostic> {
        let mut pet = DiGraph::<(), ()>::with_capacity(self.len(), self.len());
        for _ in self.ids() {
            pet.add_node(());
        }
        for id in self.ids() {
            for dep in self.needs(id) {
                pet.add_edge(NodeIndex::new(id.0), NodeIndex::new(dep.0), ());
            }
        }
        let found =
            tarjan_scc(&pet).into_iter().find(|c| c.len() > 1 || c.iter().any(|n| self.needs[n.index()].contains(&NodeId(n.index()))))?;
        let members: std::collections::HashSet<NodeId> = found.iter().map(|n| NodeId(n.index())).collect();
        let path = self.walk_cycle(&members);
        let names: Vec<String> = path.iter().map(|id| self.node(*id).to_string()).collect();
        let first = path[0];
        let mut d = Diagnostic::error(codes::CYCLE, format!("{} -> {}", names.join(" -> "), names[0]))
            .at(self.spans[first.0])
            .on(self.node(first))
            .hint("Each of these needs the next one first. Break the circle by removing one of the references.");
        for id in &path[1..] {
            d = d.also(self.spans[id.0], format!("{} is part of the cycle", self.node(*id)));
        }
        Some(d)
    }

    /// A closed walk inside a strongly connected component, from its first node in configuration order.
    fn walk_cycle(&self, members: &std::collections::HashSet<NodeId>) -> Vec<NodeId> {
        let Some(start) = members.iter().min().copied() else { return Vec::new() };
        // Breadth first from `start` back to `start`: the shortest circle through it.
        let mut from: HashMap<NodeId, NodeId> = HashMap::new();
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for next in self.needs(at).iter().filter(|n| members.contains(n)) {
                if *next == start {
                    let mut path = vec![at];
                    while let Some(prev) = path.last().filter(|p| **p != start).and_then(|p| from.get(p)) {
                        path.push(*prev);
                    }
                    path.reverse();
                    return path;
                }
                if !from.contains_key(next) {
                    from.insert(*next, at);
                    queue.push_back(*next);
                }
            }
        }
        vec![start]
    }
}
