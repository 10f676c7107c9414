//! One instance of a resource block: what is there, what it should be, what has to be done.

use super::gone::protected;
use super::{Pending, Walker};
use crate::lang::functions::streamform::milliseconds;
use std::collections::BTreeMap;

use crate::addr::InstanceAddr;
use crate::diag::Diagnostic;
use crate::diag::codes::plan as codes;
use crate::lang::ast::{Expr, ExprKind, Step};
use crate::lang::config::ResourceBlock;
use crate::lang::eval::eval;
use crate::plan::conditions;
use crate::plan::diff::{self, decide};
use crate::plan::evaluate::context;
use crate::plan::objects::{locate, softened, with_origin};
use crate::plan::records::Known;
use crate::plan::{Action, Change, Reason, RunMode};
use crate::resource::{Observed, Private};
use crate::value::{Type, Value};

impl<'a> Walker<'a> {
    pub(super) async fn instance(&mut self, p: &Pending<'a>) -> Value {
        let known = self.known.get(&p.addr).cloned();
        let (mut prior, private, gone) = self.present(&p.addr);
        if !p.selected {
            return self.skip(p, prior, private);
        }
        let mut reasons = Vec::new();
        let mut private = private;
        if prior.is_none()
            && let Some(id) = self.imports.get(&p.addr).cloned()
        {
            match self.inputs.observer.import(&p.addr, &id, Some(&p.config)).await {
                Ok((value, own)) => {
                    self.observed.insert(p.addr.clone(), Observed::Present(value.clone(), own.clone()));
                    prior = Some(value);
                    private = own;
                    reasons.push(Reason::Imported(id));
                }
                Err(d) => self.diags.push(d.on(&p.addr).at(p.block.span)),
            }
        }
        let prior = prior.map(|v| diff::rehydrate(&v, &p.config, self.inputs.digest));
        reasons.extend(known.as_ref().and_then(|k| k.moved_from.clone()).map(Reason::Moved));
        if gone && prior.is_none() {
            reasons.push(Reason::Missing);
        }
        // What is only looked at or taken down need not be something that could be made.
        if self.inputs.options.mode != RunMode::Normal {
            let exists = prior.is_some();
            let value = self.keep(p, prior, private, reasons);
            if exists {
                self.postconditions(p, &value);
            }
            return value;
        }
        let force = self.forced(p, known.as_ref());
        let ignore = ignored(p.block);
        let input = diff::Input {
            addr: &p.addr,
            resource: p.resource,
            prior: prior.as_ref(),
            private: &private,
            config: &p.config,
            ignore: &ignore,
            ignore_all: p.block.lifecycle.ignore_all,
            force,
            create_first: p.create_first,
            digest: self.inputs.digest,
        };
        let verdict = decide(input);
        self.diags.extend(verdict.diagnostics.into_iter().map(|d| locate(d, p.block, &p.addr)));
        reasons.extend(verdict.reasons);
        self.check_natural_key(p, &verdict.planned);
        let planned = with_origin(&verdict.planned, &p.addr);
        self.postconditions(p, &planned);
        let protected = self.protection(p);
        let adopted = known.as_ref().is_some_and(|k| k.in_doubt || k.moved_from.is_some()) && prior.is_some();
        let imported = reasons.iter().any(|r| matches!(r, Reason::Imported(_)));
        let change = Change {
            addr: p.addr.clone(),
            action: verdict.action,
            reasons,
            prior,
            private,
            deferred: !p.config_known(),
            planned: Some(planned.clone()),
            effects: verdict.effects,
            data_loss: verdict.data_loss,
            dependencies: p.dependencies.clone(),
            protected,
            timeouts: self.timeouts(p),
            create_before_destroy: p.block.lifecycle.create_before_destroy,
            deposed: None,
            record_changes: adopted || imported,
            begun: known.as_ref().is_some_and(|k| k.in_doubt),
            goes_with_place: false,
        };
        if let Some(d) = collision(&change, p) {
            self.diags.push(d);
        }
        if let Some(d) = protection_error(&change, p.block) {
            self.diags.push(d);
        }
        if change.action.changes() {
            self.changed.insert(p.addr.resource.clone());
        }
        if matches!(change.action, Action::Update | Action::Replace | Action::ReplaceCreateFirst) {
            self.updated.entry(p.addr.resource.clone()).or_default().push(self.plan.changes.len());
        }
        self.plan.changes.push(change);
        planned
    }

    /// What was found of an instance: object, private part, and whether a recorded object is certainly gone.
    pub(super) fn present(&self, addr: &InstanceAddr) -> (Option<Value>, Private, bool) {
        match (self.observed.get(addr), self.known.get(addr)) {
            (Some(Observed::Present(v, p)), _) => (Some(v.clone()), p.clone(), false),
            (Some(Observed::Absent), Some(k)) => (None, Private::Null, !k.in_doubt),
            (None, Some(k)) if !k.in_doubt => (Some(k.record.attributes.clone()), k.record.private.clone(), false),
            _ => (None, Private::Null, false),
        }
    }

    pub(super) fn forced(&mut self, p: &Pending<'a>, known: Option<&Known>) -> Option<Reason> {
        if known.is_some_and(|k| k.record.tainted) {
            return Some(Reason::Tainted);
        }
        if self.inputs.options.replace.contains(&p.addr) {
            return Some(Reason::Requested);
        }
        self.triggered(p).then_some(Reason::Triggered)
    }

    pub(super) fn skip(&mut self, p: &Pending<'a>, prior: Option<Value>, private: Private) -> Value {
        self.plan.skipped.push(p.addr.to_string());
        match prior {
            Some(v) => self.keep(p, Some(v), private, vec![]),
            None => with_origin(&diff::propose(&p.resource.schema().body, None, &p.config), &p.addr),
        }
    }

    pub(super) fn keep(&mut self, p: &Pending<'a>, prior: Option<Value>, private: Private, reasons: Vec<Reason>) -> Value {
        let Some(value) = prior else { return Value::unknown(Type::Dynamic) };
        let value = with_origin(&self.hydrate(&value, p.resource), &p.addr);
        self.plan.changes.push(Change {
            addr: p.addr.clone(),
            action: Action::NoOp,
            reasons,
            prior: Some(value.clone()),
            private,
            planned: Some(value.clone()),
            effects: vec![],
            data_loss: vec![],
            dependencies: p.dependencies.clone(),
            deferred: false,
            protected: self.known.get(&p.addr).is_some_and(|k| k.record.protected),
            timeouts: BTreeMap::new(),
            create_before_destroy: false,
            deposed: None,
            record_changes: false,
            begun: false,
            goes_with_place: false,
        });
        value
    }

    pub(super) fn check_natural_key(&mut self, p: &Pending<'a>, planned: &Value) {
        let Some(key) = p.resource.natural_key(planned) else { return };
        let of_type = format!("{} {key}", p.addr.resource.type_name);
        if let Some(other) = self.keys.insert(of_type, p.addr.clone()) {
            let d = Diagnostic::error(codes::SAME_OBJECT, format!("{other} and {} both declare {key}.", p.addr))
                .hint("One object belongs to one block. Remove one of them, or change its name.");
            self.diags.push(d.on(&p.addr).at(p.block.span));
        }
    }

    pub(super) fn postconditions(&mut self, p: &Pending<'a>, planned: &Value) {
        let Some(module) = self.world.module(&p.addr.resource.module) else { return };
        let cx = context(self.inputs, &module.module.dir);
        let scope = self.world.scope(&p.addr.resource.module).repeated(p.addr.key.clone(), p.each.clone()).with_self(planned.clone());
        let found = conditions::all(&p.block.lifecycle.postconditions, self.inputs.options.mode, &scope, &cx);
        self.diags.extend(found.into_iter().map(|d| softened(d.on(&p.addr), p.block)));
    }

    pub(super) fn protection(&mut self, p: &Pending<'a>) -> bool {
        let Some(expr) = &p.block.lifecycle.prevent_destroy else { return false };
        let Some(module) = self.world.module(&p.addr.resource.module) else { return false };
        let cx = context(self.inputs, &module.module.dir);
        let scope = self.world.scope(&p.addr.resource.module).repeated(p.addr.key.clone(), p.each.clone());
        // Not yet known counts as protected: destroying is what cannot be taken back.
        let value = eval(expr, &scope, &cx, &mut self.diags);
        value.as_bool().unwrap_or(!value.is_null())
    }

    pub(super) fn timeouts(&mut self, p: &Pending<'a>) -> BTreeMap<String, u64> {
        let Some(module) = self.world.module(&p.addr.resource.module) else { return BTreeMap::new() };
        let cx = context(self.inputs, &module.module.dir);
        let scope = self.world.scope(&p.addr.resource.module).repeated(p.addr.key.clone(), p.each.clone());
        let mut out = BTreeMap::new();
        for (name, expr) in &p.block.timeouts {
            let value = eval(expr, &scope, &cx, &mut self.diags);
            match value.as_str().and_then(milliseconds).and_then(|n| u64::try_from(n).ok()) {
                Some(ms) => drop(out.insert(name.name.to_string(), ms)),
                None => self.diags.push(
                    Diagnostic::error(codes::BAD_TIMEOUT, format!("{value} is not a duration."))
                        .at(expr.span)
                        .on(&p.addr)
                        .hint("Write a number with a unit: \"30s\", \"5m\" or \"1h30m\"."),
                ),
            }
        }
        out
    }
}

fn ignored(block: &ResourceBlock) -> Vec<(String, Option<String>)> {
    block.lifecycle.ignore_changes.iter().filter_map(ignored_path).collect()
}

fn ignored_path(e: &Expr) -> Option<(String, Option<String>)> {
    let ExprKind::Traversal { root, steps } = &*e.kind else { return None };
    let key = steps.first().and_then(|s| match s {
        Step::Attr(id) => Some(id.name.to_string()),
        Step::Index(i) => match &*i.kind {
            ExprKind::String(s) => Some(s.to_string()),
            _ => None,
        },
        Step::AttrSplat(_) | Step::FullSplat(_) => None,
    });
    Some((root.name.to_string(), key))
}

/// Two objects of one name cannot exist at one time.
fn collision(c: &Change, p: &Pending<'_>) -> Option<Diagnostic> {
    let (Action::ReplaceCreateFirst, Some(old), Some(new)) = (c.action, &c.prior, &c.planned) else { return None };
    let key = p.resource.natural_key(new).filter(|k| p.resource.natural_key(old).as_ref() == Some(k))?;
    let d = Diagnostic::error(codes::COLLIDES, format!("The new {} cannot be made before the old one goes: both are {key}.", c.addr));
    Some(
        d.on(&c.addr).at(p.block.span).hint("Give the new one another name, or leave out create_before_destroy here and in what needs it."),
    )
}

fn protection_error(c: &Change, block: &ResourceBlock) -> Option<Diagnostic> {
    let destroys = matches!(c.action, Action::Replace | Action::ReplaceCreateFirst | Action::Delete);
    (destroys && c.protected).then(|| protected(&c.addr).at(block.span))
}
