//! Who holds which real object: what the settling looks at is collected here, and what it decided is taken into the plan.

use std::collections::{HashMap, HashSet};

use super::Walker;
use crate::addr::{InstanceAddr, Mode, ResourceAddr};
use crate::diag::Diagnostic;
use crate::diag::codes::plan as codes;
use crate::op;
use crate::plan::objects::place_of;
use crate::plan::records::Known;
use crate::plan::settle::{Holder, Settled, Stay, held_elsewhere, settle};
use crate::plan::{Action, Change, Reason, RunMode};
use crate::resource::{Hold, Key, OpAction, Private, Verb, registry};
use crate::value::Value;

impl Walker<'_> {
    /// Settles who holds what, over everything that is planned, recorded or left out.
    pub(super) fn settle(&mut self) -> Settled {
        self.holders = self.find_holders();
        if self.inputs.options.mode == RunMode::RefreshOnly {
            return Settled::default();
        }
        let held: Vec<Diagnostic> = self.imports_of_held(&self.holders);
        if !held.is_empty() {
            return Settled { errors: held, ..Settled::default() };
        }
        // Whether these are declared is not known, so nothing can be said about who else may hold what they hold.
        let clear = |h: &&Holder| h.change.is_some() || !self.is_unclear(&h.addr) || self.is_left_out(&h.addr);
        let settled = match self.holders.iter().all(|h| clear(&h)) {
            true => settle(&self.holders),
            false => settle(&self.holders.iter().filter(clear).cloned().collect::<Vec<_>>()),
        };
        let errors: Vec<Diagnostic> =
            self.moves_left_out().into_iter().chain(self.places_left_out()).chain(self.heirs_left_out()).collect();
        Settled { errors: errors.into_iter().chain(settled.errors).collect(), ..settled }
    }

    /// An object that is to be imported and that another address holds.
    fn imports_of_held(&self, holders: &[Holder]) -> Vec<Diagnostic> {
        let imported = self.plan.changes.iter().enumerate().filter_map(|(i, c)| {
            let id = c.reasons.iter().find_map(|r| if let Reason::Imported(id) = r { Some(id) } else { None })?;
            let holds = &holders.iter().find(|h| h.change == Some(i))?.now;
            let others = holders.iter().filter(|h| h.change != Some(i));
            held_elsewhere(&c.addr, id, holds, others, |a| self.in_config.contains(a))
        });
        imported.collect()
    }

    fn find_holders(&self) -> Vec<Holder> {
        let skipped: HashSet<&str> = self.plan.skipped.iter().map(String::as_str).collect();
        let managed = |c: &&Change| c.addr.resource.mode == Mode::Managed;
        let changes = self.plan.changes.iter().enumerate().filter(|(_, c)| managed(c));
        let mut out: Vec<Holder> =
            changes.map(|(i, c)| self.holder_of(i, c, !skipped.is_empty() && skipped.contains(c.label().as_str()))).collect();
        let planned: HashSet<&InstanceAddr> = self.plan.changes.iter().filter(|c| c.deposed.is_none()).map(|c| &c.addr).collect();
        // Records of which nothing is planned: orphans that targeting leaves out, and what a failed read keeps from being planned.
        for (addr, known) in self.known.iter().filter(|(a, _)| a.resource.mode == Mode::Managed && !planned.contains(a)) {
            let (prior, private) = match self.present(addr) {
                (Some(prior), private, _) => (prior, private),
                // What is left out keeps its record, also where the object was looked for and is gone.
                _ if !known.in_doubt => (known.record.attributes.clone(), known.record.private.clone()),
                _ => {
                    out.push(Holder { left_out: true, ..self.nobody(addr) });
                    continue;
                }
            };
            let holds = self.holds(addr, &prior, &private);
            out.push(Holder { now: holds.clone(), then: holds, left_out: true, ..self.nobody(addr) });
        }
        // Nobody has looked whether what is left out holds what an earlier run began to make: it may.
        for h in out.iter_mut().filter(|h| h.left_out && h.deposed.is_none()) {
            let doubt = self.known.get(&h.addr).and_then(|k| k.doubt.as_ref()).filter(|d| d.verb != Verb::Delete);
            let meant = doubt.map(|d| self.holds(&h.addr, &d.intent.attributes, &d.intent.private)).unwrap_or_default();
            h.now.extend(meant.iter().cloned());
            h.then.extend(meant);
        }
        // What is left out keeps what it holds, and what the configuration says of it is nobody else's to take.
        if self.left_out.is_empty() {
            return out;
        }
        let places: HashMap<InstanceAddr, usize> =
            out.iter().enumerate().filter(|(_, h)| h.deposed.is_none()).map(|(i, h)| (h.addr.clone(), i)).collect();
        for (addr, value) in &self.left_out {
            let then = self.will_hold(addr, value, &Private::Null);
            match places.get(addr) {
                Some(i) => out[*i].then.extend(then),
                None => out.push(Holder { then, left_out: true, ..self.nobody(addr) }),
            }
        }
        out
    }

    fn nobody(&self, addr: &InstanceAddr) -> Holder {
        let provider = self.known.get(addr).map(|_| "").unwrap_or_default().into();
        let recorded = self.known.contains_key(addr);
        Holder { addr: addr.clone(), deposed: None, change: None, provider, now: vec![], then: vec![], recorded, left_out: false }
    }

    fn holder_of(&self, i: usize, c: &Change, left_out: bool) -> Holder {
        let now = c.prior.as_ref().map(|v| self.holds(&c.addr, v, &c.private)).unwrap_or_default();
        let then = match (c.action, &c.planned) {
            (Action::Delete | Action::Forget, _) | (_, None) => vec![],
            (Action::NoOp, _) => now.clone(),
            // A new object has no private part yet.
            (Action::Create | Action::Replace | Action::ReplaceCreateFirst, Some(v)) => self.will_hold(&c.addr, v, &Private::Null),
            (_, Some(v)) => self.will_hold(&c.addr, v, &c.private),
        };
        let nobody = self.nobody(&c.addr);
        let recorded = nobody.recorded && c.deposed.is_none();
        Holder { deposed: c.deposed.clone(), change: Some(i), now, then, recorded, left_out, ..nobody }
    }

    /// What an object holds as it is recorded or observed: its references mean the objects that are there now.
    fn holds(&self, addr: &InstanceAddr, object: &Value, private: &Private) -> Vec<Hold> {
        let resource = registry::find_in(self.inputs.types, Mode::Managed, &addr.resource.type_name);
        resource.map(|r| self.will_hold(addr, &self.hydrate(object, r), private)).unwrap_or_default()
    }

    /// What a planned object will hold: its references mean planned objects, of which one that is replaced is another place.
    fn will_hold(&self, addr: &InstanceAddr, object: &Value, private: &Private) -> Vec<Hold> {
        let Some(resource) = registry::find_in(self.inputs.types, Mode::Managed, &addr.resource.type_name) else { return vec![] };
        let mut holds = resource.holds(object, private);
        holds.sort();
        holds.dedup();
        holds
    }

    /// A `moved` block of which targeting holds one end only: the record would be under both addresses.
    fn moves_left_out(&self) -> Vec<Diagnostic> {
        if self.selected.is_none() {
            return vec![];
        }
        let moved = self.known.iter().filter_map(|(to, k)| Some((k.moved_from.as_ref()?, to)));
        let out = moved.filter(|(_, to)| self.is_left_out(to)).map(|(from, to)| {
            Diagnostic::error(codes::MOVE_LEFT_OUT, format!("{from} moves to {to}, which is left out by -target or -exclude."))
                .on(to)
                .hint(format!("Add -target='{to}', or plan without -target and -exclude."))
        });
        out.collect()
    }

    /// An object would be deleted that a block may declare which is left out and of which the name or the instances are not known.
    fn heirs_left_out(&self) -> Vec<Diagnostic> {
        if self.selected.is_none() || self.destroys() {
            return vec![];
        }
        let new: Vec<(&InstanceAddr, Vec<Hold>)> = self
            .left_out
            .iter()
            .filter(|(a, _)| !self.known.contains_key(a))
            .map(|(a, v)| (a, self.will_hold(a, v, &Private::Null)))
            .collect();
        let unclear: Vec<&ResourceAddr> = self.world.failed_blocks().filter(|b| b.mode == Mode::Managed).collect();
        let heir = |c: &Change| {
            let of_type = |b: &ResourceAddr| b.type_name == c.addr.resource.type_name;
            let resource = registry::find_in(self.inputs.types, Mode::Managed, &c.addr.resource.type_name)?;
            let now = resource.holds(c.prior.as_ref()?, &c.private).into_iter().find(|h| !h.shared)?.key;
            let may_be = |holds: &[Hold]| holds.iter().all(|h| h.shared) || holds.iter().any(|h| h.key.may_be(&now));
            let named = new.iter().find(|(a, holds)| of_type(&a.resource) && may_be(holds)).map(|(a, _)| a.to_string());
            let heir = named.or_else(|| unclear.iter().find(|b| of_type(b)).map(ToString::to_string))?;
            let detail = format!(
                "This plan would delete the {now}, and {heir}, which is left out by -target or -exclude, may declare it: its name is not known."
            );
            let hint = format!("Plan both: add -target='{heir}', or plan without -target and -exclude.");
            Some(Diagnostic::error(codes::MOVE_LEFT_OUT, detail).on(&c.addr).hint(hint))
        };
        self.plan.changes.iter().filter(|c| c.action == Action::Delete && c.deposed.is_none()).filter_map(heir).collect()
    }

    /// An object that is left out would be lost with the place that it lives in.
    fn places_left_out(&self) -> Vec<Diagnostic> {
        if self.selected.is_none() {
            return vec![];
        }
        let ends = |c: &&Change| matches!(c.action, Action::Delete | Action::Replace | Action::ReplaceCreateFirst) && c.deposed.is_none();
        let ending: HashSet<&InstanceAddr> = self.plan.changes.iter().filter(ends).map(|c| &c.addr).collect();
        let lost = |(addr, known): (&InstanceAddr, &Known)| {
            let resource = registry::find_in(self.inputs.types, Mode::Managed, &addr.resource.type_name)?;
            let place = place_of(resource, &self.hydrate(&known.record.attributes, resource))?;
            (ending.contains(&*place) && self.is_left_out(addr)).then(|| {
                let detail = format!("{addr} lives in {place}, which this plan destroys, and -target or -exclude leave {addr} out.");
                let hint = format!("Leave {place} out, too, or let {addr} go with it. To forget it: streamform state rm '{addr}'.");
                Diagnostic::error(codes::PLACE_LEFT_OUT, detail).on(addr).hint(hint)
            })
        };
        self.known.iter().filter_map(lost).collect()
    }

    /// Takes in what was settled: what another address holds stays.
    pub(super) fn take_settled(&mut self, settled: Settled) {
        // A new object beside the old one of its address holds some of the same: the end of the old one does not take that away.
        for c in self.plan.changes.iter_mut().filter(|c| c.action == Action::ReplaceCreateFirst) {
            let granted: Vec<Key> = c.ops.iter().filter(|o| o.action == OpAction::Grant).map(|o| o.target.clone()).collect();
            let addr = c.addr.clone();
            for key in &granted {
                keep(c, &addr, key, true);
            }
        }
        for d in settled.errors {
            let span = d.address.as_deref().and_then(|a| a.parse::<InstanceAddr>().ok()).and_then(|a| self.block(&a)).map(|b| b.span);
            self.diags.push(d.at(span));
        }
        for (i, holder, key) in settled.kept {
            if let Some(c) = self.plan.changes.get_mut(i) {
                keep(c, &holder, &key, true);
            }
        }
        for Stay { change: i, holder, key, goes_on } in settled.stays {
            let Some(c) = self.plan.changes.get_mut(i) else { continue };
            if keep(c, &holder, &key, goes_on) || c.prior.is_none() {
                continue;
            }
            match c.action {
                Action::Delete => {
                    c.action = Action::Forget;
                    c.ops.clear();
                    c.reasons.push(Reason::SameAsNow(holder.clone(), key.to_string()));
                }
                // The old object of this address is another one's: nothing of it is deleted, and its record is overwritten.
                Action::Replace | Action::ReplaceCreateFirst => {
                    c.action = Action::Create;
                    c.delete_ops.clear();
                    c.reasons.push(Reason::SameAsNow(holder.clone(), key.to_string()));
                }
                _ => {}
            }
        }
    }
}

/// Leaves a shared object alone that a change would release. Whether it would have.
fn keep(c: &mut Change, holder: &InstanceAddr, key: &Key, goes_on: bool) -> bool {
    let mut any = false;
    let deletes = c.ops.iter_mut().chain(&mut c.delete_ops).filter(|o| o.target == *key && o.action == OpAction::Revoke);
    for delete in deletes {
        any = true;
        delete.action = OpAction::Keep;
        delete.note = if goes_on { op::stays_with(&holder.to_string()) } else { format!("is left to {holder}, which removes it") };
    }
    any
}
