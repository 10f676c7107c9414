//! From configuration to graph: one pass that adds the nodes, one that resolves every reference to edges.

use std::collections::HashMap;
use std::sync::Arc;

use super::names::undeclared;
use super::{Graph, Node, NodeId, NodeKind};
use crate::addr::{Mode, ModulePath};
use crate::diag::codes::{config as config_codes, lang as codes};
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::lang::ast::{Body, Expr, ExprKind, Step};
use crate::lang::config::{Condition, Config, Module, ModuleCall, ProviderRef, Repetition, ResourceBlock};
use crate::lang::eval::{Reference, references};

pub(super) fn build(config: &Config) -> (Graph, Diagnostics) {
    let mut b = Builder { graph: Graph::default(), diags: Diagnostics::new(), inside: HashMap::new(), check: None };
    b.declare(&config.root, &ModulePath::root());
    b.connect(&config.root, &ModulePath::root(), None);
    for needs in &mut b.graph.needs {
        needs.sort();
        needs.dedup();
    }
    (b.graph, b.diags)
}

struct Builder {
    graph: Graph,
    diags: Diagnostics,
    /// The nodes of each module with all that it calls, for `depends_on = [module.x]`.
    inside: HashMap<ModulePath, Vec<NodeId>>,
    /// The check whose references are being looked up.
    check: Option<Arc<str>>,
}

impl Builder {
    fn declare(&mut self, module: &Module, path: &ModulePath) -> Vec<NodeId> {
        let mut ids = Vec::new();
        let mut add = |g: &mut Graph, kind, span| ids.push(g.add(Node { module: path.clone(), kind }, span));
        for (name, v) in &module.variables {
            add(&mut self.graph, NodeKind::Variable(name.clone()), v.name.span);
        }
        for (name, expr) in &module.locals {
            add(&mut self.graph, NodeKind::Local(name.clone()), expr.span);
        }
        for (name, c) in &module.calls {
            add(&mut self.graph, NodeKind::Call(name.clone()), c.span);
        }
        for ((mode, t, n), r) in &module.resources {
            add(&mut self.graph, NodeKind::Resource(*mode, t.clone(), n.clone()), r.span);
        }
        for (name, o) in &module.outputs {
            add(&mut self.graph, NodeKind::Output(name.clone()), o.name.span);
        }
        for (name, c) in &module.calls {
            ids.extend(self.declare(&c.module, &path.child(name, None)));
        }
        self.inside.insert(path.clone(), ids.clone());
        ids
    }

    fn connect(&mut self, module: &Module, path: &ModulePath, call: Option<(&ModuleCall, &Module, &ModulePath)>) {
        for (name, var) in &module.variables {
            let id = self.own(path, NodeKind::Variable(name.clone()));
            if let Some((call, parent, parent_path)) = call
                && let Some(attr) = call.inputs.attr(name)
            {
                self.need_expr(id, parent, parent_path, &attr.expr);
            }
            for v in &var.validations {
                self.need_condition(id, module, path, v);
            }
        }
        for (name, expr) in &module.locals {
            let id = self.own(path, NodeKind::Local(name.clone()));
            self.need_expr(id, module, path, expr);
        }
        for (name, out) in &module.outputs {
            let id = self.own(path, NodeKind::Output(name.clone()));
            self.need_expr(id, module, path, &out.value);
            self.need_depends_on(id, module, path, &out.depends_on);
            for c in &out.preconditions {
                self.need_condition(id, module, path, c);
            }
        }
        for ((mode, t, n), block) in &module.resources {
            let id = self.own(path, NodeKind::Resource(*mode, t.clone(), n.clone()));
            self.check = block.in_check.clone();
            self.need_resource(id, module, path, block);
            self.check = None;
            if block.in_check.is_some() {
                // The data of a check is read when all else is as it will be.
                let all = self.graph.ids().filter(|n| matches!(self.graph.node(*n).kind, NodeKind::Resource(Mode::Managed, ..)));
                let all: Vec<NodeId> = all.collect();
                self.graph.needs[id.0].extend(all);
            }
        }
        self.look_up_checks(module, path);
        self.look_up_providers(module, path);
        for (name, c) in &module.calls {
            let id = self.own(path, NodeKind::Call(name.clone()));
            self.need_repetition(id, module, path, &c.repetition);
            self.need_depends_on(id, module, path, &c.depends_on);
            for (_, meant) in &c.providers {
                self.need_provider(id, module, path, Some(meant));
            }
            let child = path.child(name, None);
            self.connect(&c.module, &child, Some((c, module, path)));
        }
        if let (Some((call, _, parent_path)), Some(ids)) = (call, self.inside.get(path)) {
            let node = Node { module: parent_path.clone(), kind: NodeKind::Call(call.name.name.clone()) };
            if let Some(call_id) = self.graph.id(&node) {
                for id in ids.clone() {
                    self.graph.needs[id.0].push(call_id);
                }
            }
        }
    }

    /// A check is no node, as nothing needs it: what it refers to must be there, and that is all.
    fn look_up_checks(&mut self, module: &Module, path: &ModulePath) {
        self.look_up(|b, nobody| {
            for check in module.checks.values() {
                b.check = Some(check.name.name.clone());
                for c in &check.asserts {
                    b.need_condition(nobody, module, path, c);
                }
            }
            b.check = None;
        });
    }

    /// A provider block is no node either: no resource type takes its settings.
    fn look_up_providers(&mut self, module: &Module, path: &ModulePath) {
        self.look_up(|b, nobody| {
            for p in &module.providers {
                p.for_each.iter().for_each(|e| b.need_expr(nobody, module, path, e));
                b.need_body(nobody, module, path, &p.body, &[]);
            }
        });
    }

    /// Notes what is needed for a node that is there only meanwhile: what is undeclared is said, and nothing else comes of it.
    fn look_up(&mut self, needs: impl FnOnce(&mut Self, NodeId)) {
        let nobody = NodeId(self.graph.needs.len());
        self.graph.needs.push(Vec::new());
        needs(self, nobody);
        self.graph.needs.pop();
    }

    /// What the key of a provider configuration refers to.
    fn need_provider(&mut self, id: NodeId, module: &Module, path: &ModulePath, provider: Option<&ProviderRef>) {
        if let Some(key) = provider.and_then(|p| p.key.as_ref()) {
            self.need_expr(id, module, path, key);
        }
    }

    /// Whether the data block of a check is referred to from elsewhere.
    fn is_foreign(&self, module: &Module, kind: &NodeKind) -> bool {
        let NodeKind::Resource(mode, t, n) = kind else { return false };
        let block = module.resources.get(&(*mode, t.clone(), n.clone()));
        block.and_then(|b| b.in_check.as_ref()).is_some_and(|c| self.check.as_ref() != Some(c))
    }

    fn own(&self, path: &ModulePath, kind: NodeKind) -> NodeId {
        let node = Node { module: path.clone(), kind };
        self.graph.index[&node]
    }

    fn need_resource(&mut self, id: NodeId, module: &Module, path: &ModulePath, block: &ResourceBlock) {
        self.need_repetition(id, module, path, &block.repetition);
        self.need_provider(id, module, path, block.provider.as_ref());
        self.need_body(id, module, path, &block.body, &[]);
        self.need_depends_on(id, module, path, &block.depends_on);
        self.need_all(id, module, path, &block.lifecycle.replace_triggered_by);
        for c in block.lifecycle.preconditions.iter().chain(&block.lifecycle.postconditions) {
            self.need_condition(id, module, path, c);
        }
        for e in block.lifecycle.prevent_destroy.iter().chain(block.timeouts.iter().map(|(_, e)| e)) {
            self.need_expr(id, module, path, e);
        }
    }

    /// `bound` are the iterators of the dynamic blocks around: they refer to nothing else, even where a type is called the same.
    fn need_body(&mut self, id: NodeId, module: &Module, path: &ModulePath, body: &Body, bound: &[Arc<str>]) {
        for a in &body.attrs {
            self.need_unbound(id, module, path, &a.expr, bound);
        }
        for b in &body.blocks {
            match (&*b.kind.name, b.labels.first()) {
                ("dynamic", Some(label)) => self.need_dynamic(id, module, path, &b.body, &label.name, bound),
                _ => self.need_body(id, module, path, &b.body, bound),
            }
        }
    }

    fn need_dynamic(&mut self, id: NodeId, module: &Module, path: &ModulePath, body: &Body, label: &Arc<str>, bound: &[Arc<str>]) {
        let iterator = match body.attr("iterator").map(|a| &*a.expr.kind) {
            Some(ExprKind::Traversal { root, .. }) => root.name.clone(),
            _ => label.clone(),
        };
        let within: Vec<Arc<str>> = bound.iter().cloned().chain([iterator]).collect();
        for a in body.attrs.iter().filter(|a| &*a.name.name != "iterator") {
            let names = if &*a.name.name == "for_each" { bound } else { &within };
            self.need_unbound(id, module, path, &a.expr, names);
        }
        for b in &body.blocks {
            self.need_body(id, module, path, &b.body, &within);
        }
    }

    fn need_unbound(&mut self, id: NodeId, module: &Module, path: &ModulePath, expr: &Expr, bound: &[Arc<str>]) {
        for r in references(expr).iter().filter(|r| !bound.contains(&r.root.name)) {
            self.need_reference(id, module, path, r);
        }
    }

    fn need_condition(&mut self, id: NodeId, module: &Module, path: &ModulePath, c: &Condition) {
        self.need_expr(id, module, path, &c.condition);
        self.need_expr(id, module, path, &c.error_message);
    }

    fn need_repetition(&mut self, id: NodeId, module: &Module, path: &ModulePath, r: &Repetition) {
        match r {
            Repetition::One => {}
            Repetition::Count(e) | Repetition::ForEach(e) => self.need_expr(id, module, path, e),
        }
    }

    /// A block that is to wait for itself waits for nothing.
    fn need_depends_on(&mut self, id: NodeId, module: &Module, path: &ModulePath, exprs: &[Expr]) {
        exprs.iter().for_each(|e| self.check_key(module, e));
        let before = self.graph.needs[id.0].len();
        self.need_all(id, module, path, exprs);
        let found = self.graph.needs[id.0].split_off(before);
        self.graph.needs[id.0].extend(found.into_iter().filter(|n| *n != id));
    }

    /// An instance key behind the name of a block that has no instances.
    fn check_key(&mut self, module: &Module, expr: &Expr) {
        let ExprKind::Traversal { root, steps } = &*expr.kind else { return };
        let (mode, type_name, name) = match (&*root.name, &steps[..]) {
            ("data", [Step::Attr(t), Step::Attr(n), Step::Index(_)]) => (Mode::Data, t, n),
            (_, [Step::Attr(n), Step::Index(_)]) => (Mode::Managed, root, n),
            _ => return,
        };
        let block = module.resources.get(&(mode, type_name.name.clone(), name.name.clone()));
        if block.is_some_and(|b| matches!(b.repetition, Repetition::One)) {
            let detail = format!("{}.{} has neither count nor for_each, so there is no instance to wait for.", type_name.name, name.name);
            self.once(Diagnostic::error(config_codes::INVALID_REFERENCE, detail).at(expr.span).hint("Remove the key in brackets."));
        }
    }

    fn need_all(&mut self, id: NodeId, module: &Module, path: &ModulePath, exprs: &[Expr]) {
        for e in exprs {
            for r in references(e) {
                if &*r.root.name == "module" && r.names().len() == 1 {
                    let child = path.child(r.names()[0], None);
                    let ids = self.inside.get(&child).cloned().unwrap_or_default();
                    self.graph.needs[id.0].extend(ids);
                } else {
                    self.need_reference(id, module, path, &r);
                }
            }
        }
    }

    fn need_expr(&mut self, id: NodeId, module: &Module, path: &ModulePath, expr: &Expr) {
        for r in references(expr) {
            self.need_reference(id, module, path, &r);
        }
    }

    fn need_reference(&mut self, id: NodeId, module: &Module, path: &ModulePath, r: &Reference) {
        let names = r.names();
        let step = |i: usize| names.get(i).map(|n| Arc::<str>::from(*n));
        let kind = match (&*r.root.name, step(0), step(1)) {
            ("each" | "count" | "self" | "path" | "terraform" | "streamform", ..) => return,
            ("var", Some(n), _) => NodeKind::Variable(n),
            ("local", Some(n), _) => NodeKind::Local(n),
            ("module", Some(m), out) => return self.need_module(id, module, path, r, &m, out),
            ("data", Some(t), Some(n)) => NodeKind::Resource(Mode::Data, t, n),
            (t, Some(n), _) if t != "data" => NodeKind::Resource(Mode::Managed, t.into(), n),
            _ => return self.undeclared(module, r),
        };
        let node = Node { module: path.clone(), kind };
        if self.is_foreign(module, &node.kind) {
            let d = Diagnostic::error(
                codes::UNDECLARED_REFERENCE,
                format!(
                    "{} stands in a check block, and only that block can refer to it.",
                    Node { module: ModulePath::root(), kind: node.kind }
                ),
            );
            self.diags.push(d.at(r.span).hint("Declare the data block outside the check."));
            return;
        }
        match self.graph.id(&node) {
            Some(dep) if dep == id && matches!(node.kind, NodeKind::Resource(..) | NodeKind::Variable(_)) => {
                // A validation refers to its own variable; a block's own address in ignore_changes and the like is no need.
                if matches!(node.kind, NodeKind::Resource(..)) {
                    self.graph.needs[id.0].push(dep);
                }
            }
            Some(dep) => self.graph.needs[id.0].push(dep),
            None => self.undeclared(module, r),
        }
    }

    fn need_module(&mut self, id: NodeId, module: &Module, path: &ModulePath, r: &Reference, call: &Arc<str>, out: Option<Arc<str>>) {
        let Some(c) = module.calls.get(call) else {
            if !module.unread.contains(call) {
                self.undeclared(module, r);
            }
            return;
        };
        self.deprecated(c, r);
        let child = path.child(call, None);
        if let Some(call_id) = self.graph.id(&Node { module: path.clone(), kind: NodeKind::Call(call.clone()) }) {
            self.graph.needs[id.0].push(call_id);
        }
        // A static step after an index is an output too; without any, the whole object of outputs is meant.
        let named = out.filter(|o| c.module.outputs.contains_key(o));
        let outputs: Vec<Arc<str>> = named.map(|o| vec![o]).unwrap_or_else(|| c.module.outputs.keys().cloned().collect());
        for o in outputs {
            if let Some(dep) = self.graph.id(&Node { module: child.clone(), kind: NodeKind::Output(o) }) {
                self.graph.needs[id.0].push(dep);
            }
        }
    }

    fn deprecated(&mut self, call: &ModuleCall, r: &Reference) {
        let output = r.second.as_ref().and_then(|name| call.module.outputs.get(&name.name));
        if let Some((o, text)) = output.and_then(|o| Some((o, o.deprecated.as_ref()?))) {
            let detail = format!("The output {:?} of the module {:?} is deprecated: {text}", &*o.name.name, &*call.name.name);
            self.once(Diagnostic::warning(config_codes::DEPRECATED, detail).at(r.span));
        }
    }

    fn undeclared(&mut self, module: &Module, r: &Reference) {
        let names: Vec<&str> = std::iter::once(&*r.root.name).chain(r.names()).collect();
        self.once(undeclared(module, &names).at(r.span));
    }

    /// A module that is called twice is looked through twice.
    fn once(&mut self, d: Diagnostic) {
        if !self.diags.iter().any(|o| o.span.map(span_key) == d.span.map(span_key) && o.code == d.code) {
            self.diags.push(d);
        }
    }
}

fn span_key(s: Span) -> (u32, u32, u32) {
    (s.source.0, s.start, s.end)
}
