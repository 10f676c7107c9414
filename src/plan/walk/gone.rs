//! What leaves: objects without a block, `removed` blocks, and a plan that destroys all.

use super::Walker;
use super::instance::moved_reasons;
use super::statements::{absolute, modules};
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::addr::{InstanceAddr, InstanceKey, Mode, ModulePath, ResourceAddr, Target};
use crate::diag::Diagnostic;
use crate::diag::codes::plan as codes;
use crate::plan::objects::place_of;
use crate::plan::world::Expansion;
use crate::plan::{Action, Change, Reason, RunMode, deposed_label};
use crate::resource::registry;

impl<'a> Walker<'a> {
    pub(super) async fn orphans(&mut self) {
        let types: BTreeSet<Arc<str>> =
            self.known.keys().filter(|a| !self.in_config.contains(*a)).map(|a| a.resource.type_name.clone()).collect();
        self.refresh_types(types).await;
        let gone: Vec<InstanceAddr> = self.known.keys().filter(|a| !self.in_config.contains(*a)).cloned().collect();
        for addr in gone {
            self.orphan(&addr);
        }
    }

    pub(super) fn orphan(&mut self, addr: &InstanceAddr) {
        if addr.resource.mode == Mode::Data || self.is_unclear(addr) {
            return;
        }
        let Some(resource) = registry::find_in(self.inputs.types, Mode::Managed, &addr.resource.type_name) else { return };
        let (prior, private, gone) = self.present(addr);
        let record = self.known.get(addr).map(|k| Arc::clone(&k.record));
        let (Some(record), true) = (record, self.inputs.options.mode != RunMode::RefreshOnly) else { return };
        if self.is_left_out(addr) {
            self.plan.skipped.push(addr.to_string());
            return;
        }
        let hydrated = prior.as_ref().map(|v| self.hydrate(v, resource));
        let missing = gone || prior.is_none();
        // As in Terraform, a run that destroys everything asks no `removed` block.
        let forget = missing || !self.destroys() && self.removed_without_destroy(addr);
        let action = if forget { Action::Forget } else { Action::Delete };
        let ops = hydrated.as_ref().filter(|_| action == Action::Delete).map(|v| resource.plan_delete(v, &private)).unwrap_or_default();
        let moved = self.known.get(addr).map(moved_reasons).unwrap_or_default();
        let reason = match () {
            () if missing => Reason::Missing,
            () if self.destroys() => Reason::Destroying,
            () if self.node_of(&addr.resource).is_some() => Reason::NoLongerRepeated,
            () => Reason::NotInConfiguration,
        };
        let change = Change {
            reasons: [reason].into_iter().chain(moved).collect(),
            prior: hydrated,
            private,
            ops,
            dependencies: record.dependencies.clone(),
            used: record.dependencies.clone(),
            protected: record.protected,
            create_before_destroy: record.create_before_destroy,
            ..Change::new(addr.clone(), action)
        };
        if action == Action::Delete && record.protected {
            self.diags.push(self.protected_record(addr));
        }
        self.plan.changes.push(change);
    }

    /// Whether nobody knows if an instance is declared, because the `count` or `for_each` of its block or of a module around it failed.
    pub(super) fn is_unclear(&self, addr: &InstanceAddr) -> bool {
        let module = &addr.resource.module;
        !self.destroys() && (self.world.expansion(&addr.resource) == Some(&Expansion::Failed) || self.world.is_within_failed(module))
    }

    /// When destroying, the instances of blocks are those that the state holds, whatever `count` and `for_each` say now.
    pub(super) async fn recorded_blocks(&mut self, blocks: Vec<ResourceAddr>) {
        self.refresh_types(blocks.iter().map(|b| b.type_name.clone()).collect()).await;
        for block in blocks {
            let recorded: Vec<InstanceAddr> =
                self.known.range(block.instance(None)..).map(|(a, _)| a).take_while(|a| a.resource == block).cloned().collect();
            let values = recorded.iter().filter_map(|a| Some((a.key.clone(), self.current(a)?))).collect();
            let expansion = Expansion::of_keys(recorded.iter().map(|a| &a.key));
            self.world.set_block(block, expansion, &values);
        }
    }

    /// The keys under which the state holds instances of a module.
    pub(super) fn recorded_keys(&self, module: &ModulePath) -> Vec<Option<InstanceKey>> {
        let Some((last, parents)) = module.0.split_last() else { return vec![] };
        let key = |a: &InstanceAddr| {
            let path = &a.resource.module.0;
            let step = path.get(parents.len()).filter(|s| s.name == last.name && path[..parents.len()] == *parents)?;
            Some(step.key.clone())
        };
        self.known.keys().filter_map(key).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// A protected object that would be destroyed although nothing declares it any more, or because all is.
    fn protected_record(&self, addr: &InstanceAddr) -> Diagnostic {
        // The state has it under this address until the run begins.
        let from = self.known.get(addr).and_then(|k| k.moved_from.as_ref()).unwrap_or(addr);
        let keep = format!("To keep the object without streamform: streamform state rm '{from}'.");
        if from != addr && !self.destroys() {
            let detail = format!(
                "{from} had prevent_destroy set when it was last applied, and no block declares its object any more, so this plan would destroy it."
            );
            let hint = format!("Declare the object again; to destroy it, set prevent_destroy = false and apply that first. {keep}");
            return Diagnostic::error(codes::PROTECTED, detail).on(from).hint(hint);
        }
        if self.node_of(&addr.resource).is_none() {
            let detail = format!("{addr} had prevent_destroy set when its block was last applied, and this plan would destroy it.");
            let hint = format!("Put its block back, with prevent_destroy = false where it may go. {keep}");
            return Diagnostic::error(codes::PROTECTED, detail).on(addr).hint(hint);
        }
        if self.destroys() {
            return protected(addr);
        }
        let missing = match self.world.expansion(&addr.resource) {
            Some(_) => addr.to_string(),
            None => {
                let path = &addr.resource.module.0;
                let parts = (1..=path.len()).map(|n| ModulePath(path[..n].to_vec().into()));
                let gone = parts.into_iter().find(|p| !self.world.module_instances(&p.without_keys()).contains(p));
                gone.map_or_else(|| addr.to_string(), |p| p.to_string())
            }
        };
        let detail = format!(
            "{addr} had prevent_destroy set when it was last applied. There is no {missing} any more, so this plan would destroy it."
        );
        let hint = format!(
            "Put the key of {missing} back into count or for_each; to destroy the object, set prevent_destroy = false and apply that first. {keep}"
        );
        Diagnostic::error(codes::PROTECTED, detail).on(addr).hint(hint)
    }

    /// What lives in a place that is destroyed and of which nothing runs goes with it: nobody could be asked to delete it first.
    pub(super) fn go_with_places(&mut self) {
        let deleted = |c: &&Change| matches!(c.action, Action::Delete | Action::Replace) && c.deposed.is_none();
        let places: BTreeSet<InstanceAddr> = self.plan.changes.iter().filter(deleted).map(|c| c.addr.clone()).collect();
        let place_of = |c: &Change| {
            let resource = registry::find_in(self.inputs.types, Mode::Managed, &c.addr.resource.type_name)?;
            let object = c.prior.as_ref()?;
            let place = place_of(resource, object)?;
            (places.contains(&place) && self.is_down(resource, object)).then_some(place)
        };
        let found: Vec<Option<Arc<InstanceAddr>>> =
            self.plan.changes.iter().map(|c| if deleted(&c) { place_of(c) } else { None }).collect();
        for (c, place) in self.plan.changes.iter_mut().zip(found) {
            if let Some(place) = place {
                // The place is destroyed with all that is in it: nothing is asked of anybody, and what is lost is lost with it.
                let ops = if c.action == Action::Delete { &mut c.ops } else { &mut c.delete_ops };
                ops.retain(|o| o.loss.is_some());
                c.reasons.push(Reason::GoesWith((*place).clone()));
                c.goes_with_place = true;
            }
        }
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

    /// Objects that a newer one took the place of, in an apply that did not come to destroying them. They are not read: a delete of what is
    /// gone already does nothing.
    pub(super) fn deposed(&mut self) {
        let snapshot = self.inputs.snapshot;
        if snapshot.deposed.is_empty() || self.inputs.options.mode == RunMode::RefreshOnly {
            return;
        }
        for ((recorded, key), record) in &snapshot.deposed {
            let Some(resource) = registry::find_in(self.inputs.types, Mode::Managed, &recorded.resource.type_name) else { continue };
            let moved = self.known.values().find(|k| k.moved_from.as_ref() == Some(recorded)).map(|k| k.record.addr.clone());
            let addr = moved.unwrap_or_else(|| recorded.clone());
            if self.is_left_out(&addr) {
                self.plan.skipped.push(deposed_label(&addr, key));
                continue;
            }
            let prior = self.hydrate(&record.attributes, resource);
            let forget = self.removed_without_destroy(&addr);
            self.plan.changes.push(Change {
                reasons: vec![Reason::Deposed],
                ops: if forget { vec![] } else { resource.plan_delete(&prior, &record.private) },
                prior: Some(prior),
                private: record.private.clone(),
                dependencies: record.dependencies.clone(),
                used: record.dependencies.clone(),
                create_before_destroy: record.create_before_destroy,
                deposed: Some(Arc::clone(key)),
                ..Change::new(addr, if forget { Action::Forget } else { Action::Delete })
            });
        }
    }

    /// Data sources are read for what lives in them; nothing of them is planned.
    pub(super) fn turn_to_destroy(&mut self) {
        for c in self.plan.changes.iter_mut().filter(|c| c.addr.resource.mode == Mode::Data) {
            c.planned = None;
            c.reasons = vec![Reason::Destroying];
            c.action = Action::NoOp;
        }
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
