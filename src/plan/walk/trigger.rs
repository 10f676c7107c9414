//! `replace_triggered_by`: whether what a reference names changes. It can name a block (any of its instances), one instance, or an attribute;
//! only an update or a replacement counts, as what is made or goes for good was never the one that the other was made with.

use super::{Pending, Walker};
use crate::addr::{InstanceKey, Mode, ResourceAddr};
use crate::diag::codes::config::INVALID_REFERENCE;
use crate::diag::{Diagnostic, Diagnostics};
use crate::lang::ast::{Expr, ExprKind, Step};
use crate::lang::eval::{EvalContext, Scope, eval};
use crate::plan::Change;
use crate::plan::diff::same;
use crate::plan::evaluate::context;
use crate::plan::world::Expansion;
use crate::value::Value;

impl<'a> Walker<'a> {
    /// Whether anything that the block's `replace_triggered_by` names changes.
    pub(super) fn triggered(&mut self, p: &Pending<'a>) -> bool {
        let mut diags = Diagnostics::new();
        let found = p.block.lifecycle.replace_triggered_by.iter().any(|e| self.triggers(e, p, &mut diags));
        self.diags.extend(diags.into_iter().map(|d| d.on(&p.addr)));
        found
    }

    fn triggers(&self, e: &Expr, p: &Pending<'a>, diags: &mut Diagnostics) -> bool {
        let ExprKind::Traversal { root, steps } = &*e.kind else { return false };
        let Some((Step::Attr(name), rest)) = steps.split_first() else { return false };
        let module = p.addr.resource.module.clone();
        let block = ResourceAddr::new(module, Mode::Managed, root.name.clone(), name.name.clone());
        let (Some(found), Some(expansion)) = (self.world.module(&block.module), self.world.expansion(&block)) else { return false };
        if matches!(expansion, Expansion::Failed | Expansion::StandIn) {
            return false;
        }
        let cx = context(self.inputs, &found.module.dir);
        let scope = self.world.scope(&block.module).repeated(p.addr.key.clone(), p.each.clone());
        let single = matches!(expansion, Expansion::One);
        let (key, path) = match rest.split_first() {
            Some((Step::Index(i), path)) => (key(&eval(i, &scope, &cx, diags)), path),
            _ => (None, rest),
        };
        let whole = key.is_none() && !single;
        if whole && path.is_empty() {
            return self.updated.contains_key(&block);
        }
        if whole || !expansion.keys().iter().any(|(k, _)| *k == key) {
            let shown = block.instance(key);
            let detail = format!("There is no instance {shown} whose change could be looked at.");
            diags.push(Diagnostic::error(INVALID_REFERENCE, detail).at(e.span).hint(
                "Name one of the instances, as in kafka_topic.orders[each.key].config, or the block alone, which means any change of any of them.",
            ));
            return false;
        }
        let addr = block.instance(key);
        let mut changes = self.updated.get(&block).into_iter().flatten().map(|i| &self.plan.changes[*i]);
        changes.find(|c| c.addr == addr).is_some_and(|c| path.is_empty() || differs(c, path, &scope, &cx, diags))
    }
}

fn key(v: &Value) -> Option<InstanceKey> {
    match (v.as_str(), v.as_i64().and_then(|n| u64::try_from(n).ok())) {
        (Some(s), _) => Some(InstanceKey::Str(s.into())),
        (_, n) => n.map(InstanceKey::Int),
    }
}

/// Whether the value at a path is another after the change.
fn differs(c: &Change, path: &[Step], scope: &dyn Scope, cx: &EvalContext<'_>, diags: &mut Diagnostics) -> bool {
    let mut at = |v: &Option<Value>| path.iter().try_fold(v.clone()?, |v, step| inside(&v, step, scope, cx, diags));
    match (at(&c.prior), at(&c.planned)) {
        (Some(a), Some(b)) => !same(&a, &b),
        (None, None) => false,
        _ => true,
    }
}

/// One step into a value; what is inside of an unknown value is unknown.
fn inside(v: &Value, step: &Step, scope: &dyn Scope, cx: &EvalContext<'_>, diags: &mut Diagnostics) -> Option<Value> {
    if !v.is_known() {
        return Some(v.clone());
    }
    let at = match step {
        Step::Attr(name) => Value::string(&*name.name),
        Step::Index(i) => eval(i, scope, cx, diags),
        Step::AttrSplat(_) | Step::FullSplat(_) => return None,
    };
    match (v.as_map(), v.as_slice()) {
        (Some(m), _) => m.get(at.as_str()?).cloned(),
        (_, Some(items)) => items.get(at.as_i64().and_then(|n| usize::try_from(n).ok())?).cloned(),
        _ => None,
    }
}
