//! What leaves: objects without a block, `removed` blocks, and a plan that destroys all.

use super::Walker;
use super::statements::{absolute, modules};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::addr::{InstanceAddr, Mode, ModulePath, Target};
use crate::diag::Diagnostic;
use crate::diag::codes::plan as codes;
use crate::plan::objects::hydrate;
use crate::plan::{Action, Change, Reason, RunMode};
use crate::resource::registry;

impl<'a> Walker<'a> {
    pub(super) async fn orphans(&mut self) {
        let types: BTreeSet<Arc<str>> =
            self.known.keys().filter(|a| !self.in_config.contains(*a)).map(|a| a.resource.type_name.clone()).collect();
        // References first: a topic is read through the cluster that it belongs to.
        let mut types: Vec<_> = types.into_iter().collect();
        types.sort_by_key(|t| registry::rank(t));
        for t in types {
            self.refresh_type(&t).await;
        }
        let gone: Vec<InstanceAddr> = self.known.keys().filter(|a| !self.in_config.contains(*a)).cloned().collect();
        for addr in gone {
            self.orphan(&addr);
        }
    }

    pub(super) fn orphan(&mut self, addr: &InstanceAddr) {
        if addr.resource.mode == Mode::Data {
            return;
        }
        let Some(resource) = registry::find_in(self.inputs.types, Mode::Managed, &addr.resource.type_name) else { return };
        let (prior, private, gone) = self.present(addr);
        let record = self.known.get(addr).map(|k| Arc::clone(&k.record));
        let (Some(record), true) = (record, self.inputs.options.mode != RunMode::RefreshOnly) else { return };
        let block_stays = self.world.expansion(&addr.resource).is_some();
        let reason = if block_stays { Reason::NoLongerRepeated } else { Reason::NotInConfiguration };
        let forget = self.removed_without_destroy(addr);
        if !self.selects(addr, self.world.expansion(&addr.resource).is_some()) {
            self.plan.skipped.push(addr.to_string());
            return;
        }
        let hydrated = prior.as_ref().map(|v| self.hydrate(v, resource));
        let (effects, data_loss) = hydrated.as_ref().map(|v| resource.plan_delete(v)).unwrap_or_default();
        let action = if forget || gone || prior.is_none() { Action::Forget } else { Action::Delete };
        let moved = self.known.get(addr).and_then(|k| k.moved_from.clone()).map(Reason::Moved);
        let change = Change {
            addr: addr.clone(),
            action,
            reasons: [if gone { Reason::Missing } else { reason }].into_iter().chain(moved).collect(),
            prior: hydrated,
            private,
            planned: None,
            effects: if action == Action::Delete { effects } else { vec![] },
            data_loss: if action == Action::Delete { data_loss } else { vec![] },
            dependencies: record.dependencies.clone(),
            deferred: false,
            protected: record.protected,
            timeouts: BTreeMap::new(),
            create_before_destroy: record.create_before_destroy,
            record_changes: false,
        };
        if action == Action::Delete && record.protected {
            self.diags.push(protected(addr));
        }
        self.plan.changes.push(change);
    }

    pub(super) fn removed_without_destroy(&self, addr: &InstanceAddr) -> bool {
        let module = addr.resource.module.without_keys();
        let here = |within: &ModulePath, from: &Target| match from {
            Target::Module(m) => module.is_within(&absolute(within, m)),
            Target::Resource(r) => {
                r.type_name == addr.resource.type_name && r.name == addr.resource.name && module == absolute(within, &r.module)
            }
            Target::Instance(_) => false,
        };
        modules(&self.inputs.config.root).iter().any(|(within, m)| m.removed.iter().any(|r| !r.destroy && here(within, &r.from)))
    }

    pub(super) fn turn_to_destroy(&mut self) {
        let skipped: HashSet<&str> = self.plan.skipped.iter().map(String::as_str).collect();
        for c in &mut self.plan.changes {
            let exists = c.prior.is_some() && c.addr.resource.mode == Mode::Managed && self.known.contains_key(&c.addr);
            let skipped = !skipped.is_empty() && skipped.contains(c.addr.to_string().as_str());
            c.planned = None;
            // A move is still written first: the record is removed under its address of now.
            c.reasons.retain(|r| matches!(r, Reason::Moved(_)));
            c.reasons.push(Reason::Destroying);
            c.record_changes = false;
            if !exists || skipped {
                c.action = Action::NoOp;
                continue;
            }
            c.action = Action::Delete;
            let Some(resource) = registry::find_in(self.inputs.types, Mode::Managed, &c.addr.resource.type_name) else { continue };
            let prior = c.prior.clone().map(|v| hydrate(&v, resource, &|a| self.world.instance(a)));
            (c.effects, c.data_loss) = prior.as_ref().map(|v| resource.plan_delete(v)).unwrap_or_default();
            c.prior = prior;
            if c.protected || self.known.get(&c.addr).is_some_and(|k| k.record.protected) {
                self.diags.push(protected(&c.addr));
            }
        }
        self.plan.changes.retain(|c| c.action != Action::NoOp || c.addr.resource.mode == Mode::Data);
        for (_, out) in self.plan.outputs.iter_mut() {
            out.planned = None;
        }
    }
}

pub(super) fn protected(addr: &InstanceAddr) -> Diagnostic {
    Diagnostic::error(codes::PROTECTED, format!("{addr} has prevent_destroy set, and this plan would destroy it."))
        .on(addr)
        .hint("Set prevent_destroy = false and apply that first, or leave it out with -exclude.")
}
