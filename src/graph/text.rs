//! Text forms of the graph: DOT, Mermaid and a plain listing.

use super::{Graph, NodeKind};

fn quoted(s: &str) -> String {
    format!("\"{}\"", s.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Graphviz DOT of the resources (all nodes with `all`), an edge from each block to what it needs.
pub fn dot(graph: &Graph, all: bool) -> String {
    let mut out = String::from("digraph {\n  rankdir = \"RL\";\n  node [shape = rect, fontname = \"sans-serif\"];\n");
    for (from, tos) in edges(graph, all) {
        out.push_str(&format!("  {};\n", quoted(&from)));
        for to in tos {
            out.push_str(&format!("  {} -> {};\n", quoted(&from), quoted(&to)));
        }
    }
    out.push_str("}\n");
    out
}

/// A Mermaid flowchart of the same.
pub fn mermaid(graph: &Graph, all: bool) -> String {
    let rows = edges(graph, all);
    let id = |name: &str| rows.iter().position(|(n, _)| n == name).unwrap_or(0);
    let mut out = String::from("flowchart RL\n");
    for (i, (from, _)) in rows.iter().enumerate() {
        out.push_str(&format!("  n{i}[\"{}\"]\n", from.replace('"', "#quot;")));
    }
    for (i, (_, tos)) in rows.iter().enumerate() {
        for to in tos {
            out.push_str(&format!("  n{i} --> n{}\n", id(to)));
        }
    }
    out
}

/// One line for each node with what it needs.
pub fn plain(graph: &Graph) -> String {
    edges(graph, true).into_iter().map(|(from, tos)| format!("{from} <- [{}]\n", tos.join(", "))).collect()
}

fn edges(graph: &Graph, all: bool) -> Vec<(String, Vec<String>)> {
    let shown = |id: &super::NodeId| all || matches!(graph.node(*id).kind, NodeKind::Resource(..));
    graph
        .ids()
        .filter(shown)
        .map(|id| {
            let needs = if all { graph.needs(id).to_vec() } else { graph.resources_needed(id) };
            (graph.node(id).to_string(), needs.into_iter().map(|n| graph.node(n).to_string()).collect())
        })
        .collect()
}
