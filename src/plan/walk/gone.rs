//! What leaves: objects without a block, `removed` blocks, and a plan that destroys all.

use super::Walker;
use super::instance::moved_reasons;
use super::statements::{absolute, modules};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::addr::{InstanceAddr, Mode, ModulePath, Target};
use crate::diag::Diagnostic;
use crate::diag::codes::plan as codes;
use crate::plan::objects::{hydrate, place_of};
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
        if self.is_left_out(addr) {
            self.plan.skipped.push(addr.to_string());
            return;
        }
        let hydrated = prior.as_ref().map(|v| self.hydrate(v, resource));
        let action = if forget || gone || prior.is_none() { Action::Forget } else { Action::Delete };
        let ops = hydrated.as_ref().filter(|_| action == Action::Delete).map(|v| resource.plan_delete(v, &private)).unwrap_or_default();
        let moved = self.known.get(addr).map(moved_reasons).unwrap_or_default();
        let change = Change {
            reasons: [if gone { Reason::Missing } else { reason }].into_iter().chain(moved).collect(),
            prior: hydrated,
            private,
            ops,
            dependencies: record.dependencies.clone(),
            protected: record.protected,
            create_before_destroy: record.create_before_destroy,
            ..Change::new(addr.clone(), action)
        };
        if action == Action::Delete && record.protected {
            self.diags.push(if block_stays { protected(addr) } else { protected_alone(addr) });
        }
        self.plan.changes.push(change);
    }

    /// What lives in a place that is destroyed and of which nothing runs goes with it: nobody could be asked to delete it first.
    pub(super) fn go_with_places(&mut self) {
        let deleted = |c: &&Change| c.action == Action::Delete && c.deposed.is_none();
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
                c.ops.retain(|o| o.loss.is_some());
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
                create_before_destroy: record.create_before_destroy,
                deposed: Some(Arc::clone(key)),
                ..Change::new(addr, if forget { Action::Forget } else { Action::Delete })
            });
        }
    }

    pub(super) fn turn_to_destroy(&mut self) {
        let skipped: HashSet<&str> = self.plan.skipped.iter().map(String::as_str).collect();
        for c in &mut self.plan.changes {
            let exists = c.prior.is_some() && c.addr.resource.mode == Mode::Managed && self.known.contains_key(&c.addr);
            let skipped = !skipped.is_empty() && skipped.contains(c.addr.to_string().as_str());
            c.planned = None;
            // A move is still written first: the record is removed under its address of now.
            c.reasons.retain(|r| matches!(r, Reason::Moved(_) | Reason::SameObject(_)));
            c.reasons.push(Reason::Destroying);
            c.record_changes = false;
            if skipped || !exists && (c.deposed.is_some() || !self.known.contains_key(&c.addr)) {
                c.action = Action::NoOp;
                continue;
            }
            if !exists {
                // Only the record is left of it.
                c.action = Action::Forget;
                c.ops.clear();
                c.reasons.push(Reason::Missing);
                continue;
            }
            c.action = Action::Delete;
            let Some(resource) = registry::find_in(self.inputs.types, Mode::Managed, &c.addr.resource.type_name) else { continue };
            let prior = c.prior.clone().map(|v| hydrate(&v, resource, &|a| self.world.instance(a)));
            c.ops = prior.as_ref().map(|v| resource.plan_delete(v, &c.private)).unwrap_or_default();
            c.delete_ops.clear();
            c.prior = prior;
            if c.protected || self.known.get(&c.addr).is_some_and(|k| k.record.protected) {
                self.diags.push(protected(&c.addr));
            }
        }
        self.forget_missing();
        self.plan.changes.retain(|c| c.action != Action::NoOp || c.addr.resource.mode == Mode::Data);
        for (_, out) in self.plan.outputs.iter_mut() {
            out.planned = None;
        }
    }
}

impl Walker<'_> {
    /// Records of objects that are gone and of which nothing is planned.
    fn forget_missing(&mut self) {
        let planned: HashSet<&InstanceAddr> = self.plan.changes.iter().filter(|c| c.deposed.is_none()).map(|c| &c.addr).collect();
        let open = self.known.iter().filter(|(a, _)| a.resource.mode == Mode::Managed && !planned.contains(a) && !self.is_left_out(a));
        let gone = open.filter(|(a, _)| self.present(a).0.is_none());
        let forget = gone.map(|(addr, known)| Change {
            reasons: moved_reasons(known).into_iter().chain([Reason::Destroying, Reason::Missing]).collect(),
            dependencies: known.record.dependencies.clone(),
            ..Change::new(addr.clone(), Action::Forget)
        });
        let forget: Vec<Change> = forget.collect();
        self.plan.changes.extend(forget);
    }
}

/// Of an object whose block is gone: there is nothing to set.
fn protected_alone(addr: &InstanceAddr) -> Diagnostic {
    let detail = format!("{addr} had prevent_destroy set when its block was last applied, and this plan would destroy it.");
    Diagnostic::error(codes::PROTECTED, detail).on(addr).hint(format!(
        "Put its block back, with prevent_destroy = false where it may go. To keep the object without streamform: streamform state rm '{addr}'."
    ))
}

pub(super) fn protected(addr: &InstanceAddr) -> Diagnostic {
    Diagnostic::error(codes::PROTECTED, format!("{addr} has prevent_destroy set, and this plan would destroy it."))
        .on(addr)
        .hint("Set prevent_destroy = false and apply that first, or leave it out with -exclude.")
}
