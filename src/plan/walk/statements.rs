//! What `moved`, `removed` and `import` blocks say against what the configuration declares: a statement that contradicts it is an error.

use std::collections::BTreeMap;

use super::Walker;
use crate::addr::{InstanceAddr, InstanceKey, ModulePath, ResourceAddr, Target};
use crate::diag::codes::plan as codes;
use crate::diag::{Diagnostic, Span};
use crate::graph::{Node, NodeKind};
use crate::lang::config::{Module, Moved};

/// Every module of a configuration with its path, callers first.
pub(crate) fn modules(root: &Module) -> Vec<(ModulePath, &Module)> {
    fn collect<'c>(module: &'c Module, path: ModulePath, out: &mut Vec<(ModulePath, &'c Module)>) {
        out.push((path.clone(), module));
        for (name, call) in &module.calls {
            collect(&call.module, path.child(name, None), out);
        }
    }
    let mut out = Vec::new();
    collect(root, ModulePath::root(), &mut out);
    out
}

/// An address inside a module as seen from the root.
pub(crate) fn absolute(within: &ModulePath, path: &ModulePath) -> ModulePath {
    ModulePath(within.0.iter().chain(path.0.iter()).cloned().collect())
}

fn wrong(detail: String, span: Span) -> Diagnostic {
    Diagnostic::error(codes::STATEMENT, detail).at(span)
}

impl Walker<'_> {
    /// Checks all of them. Called when every block has been expanded.
    pub(super) fn statements(&mut self) {
        let wrong_before = self.is_wrong();
        let mut found = Vec::new();
        for (path, module) in modules(&self.inputs.config.root) {
            found.extend(ambiguous(&module.moved));
            found.extend(module.moved.iter().filter_map(|m| self.still_there(&path, m)));
            for removed in &module.removed {
                let declared = match &removed.from {
                    Target::Module(m) => self.called(&absolute(&path, m)),
                    Target::Resource(r) => self.declared(&r.in_module(absolute(&path, &r.module))),
                    Target::Instance(_) => false,
                };
                if declared {
                    let d = wrong(format!("The block says that {} was removed, and it is still declared.", removed.from), removed.span);
                    found.push(d.hint("Remove the declaration or the removed block."));
                }
            }
        }
        self.diags.extend(found);
        // After an expression that failed, more may be declared than is known.
        if !wrong_before {
            self.imports_without_block();
        }
    }

    fn declared(&self, r: &ResourceAddr) -> bool {
        let key = (r.mode, r.type_name.clone(), r.name.clone());
        self.world.module(&r.module).is_some_and(|m| m.module.resources.contains_key(&key))
    }

    fn called(&self, path: &ModulePath) -> bool {
        let Some((last, parents)) = path.0.split_last() else { return true };
        let node = Node { module: ModulePath(parents.to_vec().into()).without_keys(), kind: NodeKind::Call(last.name.clone()) };
        self.inputs.graph.id(&node).is_some()
    }

    /// What a `moved` block moves away must not be declared where it was.
    fn still_there(&self, within: &ModulePath, m: &Moved) -> Option<Diagnostic> {
        if m.from == m.to {
            return Some(wrong(format!("{} moves onto itself.", m.from), m.span).hint("Remove the moved block."));
        }
        let instance = |a: &InstanceAddr| {
            self.world.module_instances(within).iter().any(|at| {
                let resource = a.resource.in_module(absolute(at, &a.resource.module));
                self.in_config.contains(&resource.instance(a.key.clone()))
            })
        };
        let there = match (&m.from, &m.to) {
            // A block moved to one instance of a block means the instance without a key.
            (Target::Resource(r), Target::Instance(_)) => instance(&r.instance(None)),
            (Target::Resource(r), _) => self.declared(&r.in_module(absolute(within, &r.module))),
            (Target::Instance(a), _) => instance(a),
            (Target::Module(f), Target::Module(t)) if last_key(f).is_none() && last_key(t).is_none() => self.called(&absolute(within, f)),
            (Target::Module(f), _) => {
                let path = absolute(within, f);
                self.called(&path) && self.world.module_instances(&path.without_keys()).iter().any(|p| p.is_within(&path) && *p == path)
            }
        };
        there.then(|| {
            let d = wrong(format!("The block says that {} is now {}, and {} is still declared.", m.from, m.to, m.from), m.span);
            d.hint(format!("Declare it as {} only, or remove the moved block.", m.to))
        })
    }

    fn imports_without_block(&mut self) {
        // Without any resource block nobody has looked at them yet.
        self.read_imports(&[]);
        let targets = std::mem::take(&mut self.import_targets);
        let mut seen: BTreeMap<InstanceAddr, Span> = BTreeMap::new();
        for (to, span) in targets {
            if !self.in_config.contains(&to) {
                let d = Diagnostic::error(
                    codes::IMPORT_WITHOUT_BLOCK,
                    format!("Nothing in the configuration declares {to}, which is to be imported."),
                );
                let can = to.resource.module.is_root() && to.key.is_none();
                self.diags.push(d.at(span).hint(match can {
                    true => "Write its block, or: streamform plan -generate-config-out=new.hcl",
                    false => "Write the resource block first; an import block only says which object it stands for.",
                }));
            }
            if let Some(first) = seen.insert(to.clone(), span) {
                let d = Diagnostic::error(codes::BAD_IMPORT, format!("Two import blocks name {to}.")).at(span).also(first, "the first one");
                self.diags.push(d.hint("Remove one of them."));
            }
        }
    }
}

fn last_key(path: &ModulePath) -> Option<&InstanceKey> {
    path.0.last().and_then(|s| s.key.as_ref())
}

/// Moves of one module of which two start or end at one address.
fn ambiguous(moved: &[Moved]) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (i, m) in moved.iter().enumerate() {
        for earlier in &moved[..i] {
            let detail = match (m.from == earlier.from && m.to != earlier.to, m.to == earlier.to && m.from != earlier.from) {
                (true, _) => format!("{} moves to {} and to {}.", m.from, earlier.to, m.to),
                (_, true) => format!("Both {} and {} move to {}.", earlier.from, m.from, m.to),
                _ => continue,
            };
            out.push(wrong(detail, m.span).also(earlier.span, "the other one").hint("Remove one of the two blocks."));
        }
    }
    out
}
