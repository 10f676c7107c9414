//! `providers`: which providers each module needs, and in what its objects live.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::workspace::{open_store, state_dir};
use super::{Exit, Failure, Result, Terminal};
use crate::addr::{Mode, ResourceAddr};
use crate::diag::Sources;
use crate::lang::ast::{Expr, ExprKind, Step};
use crate::lang::config::{self, DiskFiles, Module};
use crate::resource::{providers, registry};
use crate::schema::{AttrType, Set};
use crate::state::Access;
use crate::view;

/// `providers`
pub async fn run(root: &Path, terminal: &Terminal) -> Result {
    let (config, diagnostics) = config::load(root, &DiskFiles);
    let sources = config.as_ref().map(|c| c.sources.clone()).unwrap_or_default();
    let Some(config) = config.filter(|_| !diagnostics.has_errors()) else { return Err(Failure { diagnostics, sources }) };
    terminal.diagnostics(&diagnostics, &sources);
    let mut lines = vec![String::new(), "Providers required by configuration:".into(), ".".into()];
    lines.extend(branches(&tree(&config.root)));
    lines.push(String::new());
    let in_state = recorded(root, &config.root).await.map_err(|d| Failure { diagnostics: d.into(), sources: Sources::default() })?;
    if !in_state.is_empty() {
        lines.extend(["Providers required by state:".into(), String::new()]);
        lines.extend(in_state.iter().map(|p| format!("    provider[{p}]")));
        lines.push(String::new());
    }
    terminal.line(&lines.join("\n"));
    Ok(Exit::Success)
}

/// `providers schema`
pub fn schema(terminal: &Terminal) -> Result {
    terminal.line(&view::schema::types(registry::ALL, true).to_string());
    Ok(Exit::Success)
}

async fn recorded(root: &Path, module: &Module) -> std::result::Result<BTreeSet<String>, crate::diag::Diagnostic> {
    let held = open_store(&state_dir(root, module)?, Access::Read).await?.addresses().await?;
    Ok(held.iter().map(|(a, _)| providers::of(&a.resource.type_name).to_string()).collect())
}

/// A line with what stands below it.
struct Branch {
    text: String,
    below: Vec<Branch>,
}

fn leaf(text: String) -> Branch {
    Branch { text, below: vec![] }
}

/// The module's providers, each with what its objects live in, then the modules that it calls.
fn tree(module: &Module) -> Vec<Branch> {
    let mut needed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for ((mode, t, name), block) in &module.resources {
        let places = needed.entry(providers::of(t).to_string()).or_default();
        if holds_others(t) {
            places.insert(ResourceAddr::root(*mode, t, name).to_string());
        }
        let schema = registry::find(*mode, t).map(|r| r.schema());
        for a in schema.into_iter().flat_map(|s| &s.body.attributes).filter(|a| is_place(&a.ty, a.set)) {
            // What the module itself declares is listed already.
            places.extend(block.body.attr(a.name).and_then(|x| passed(&x.expr)));
        }
    }
    let named = module.providers.iter().map(|p| &p.name).chain(module.settings.aliases.iter().map(|a| &a.name));
    for name in named {
        needed.entry(name.name.to_string()).or_default();
    }
    let own = needed
        .into_iter()
        .map(|(name, places)| Branch { text: format!("provider[{name}]"), below: places.into_iter().map(leaf).collect() });
    let mut calls: Vec<_> = module.calls.iter().collect();
    calls.sort_by_key(|(name, _)| *name);
    own.chain(calls.into_iter().map(|(name, c)| Branch { text: format!("module.{name}"), below: tree(&c.module) })).collect()
}

fn is_place(ty: &AttrType, set: Set) -> bool {
    matches!(ty, AttrType::Ref(_)) && set == Set::Required
}

/// Whether objects of other types live in objects of this type.
fn holds_others(type_name: &str) -> bool {
    let attributes = registry::ALL.iter().filter(|(m, ..)| *m == Mode::Managed).flat_map(|(_, _, r)| &r.schema().body.attributes);
    attributes.filter(|a| is_place(&a.ty, a.set)).any(|a| matches!(&a.ty, AttrType::Ref(types) if types.contains(&type_name)))
}

/// A place that comes from outside of the module or from another module: `var.cluster`, `local.cluster`, `module.net.cluster`.
fn passed(e: &Expr) -> Option<String> {
    let ExprKind::Traversal { root, steps } = &*e.kind else { return None };
    let parts = steps.iter().map_while(|s| match s {
        Step::Attr(name) => Some(&*name.name),
        _ => None,
    });
    matches!(&*root.name, "var" | "local" | "module").then(|| [&*root.name].into_iter().chain(parts).collect::<Vec<_>>().join("."))
}

fn branches(all: &[Branch]) -> Vec<String> {
    let mut out = Vec::new();
    for (i, b) in all.iter().enumerate() {
        let (mark, pad) = if i + 1 == all.len() { ("└── ", "    ") } else { ("├── ", "│   ") };
        out.push(format!("{mark}{}", b.text));
        out.extend(branches(&b.below).into_iter().map(|l| format!("{pad}{l}")));
    }
    out
}
