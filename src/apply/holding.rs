//! Who holds which shared object while an apply goes on.
//!
//! The plan has decided who releases what. Where a resource became known only during the apply, it may turn out to hold something that another
//! step was going to release: then that release is left out. A step that is to hold what another one is just releasing waits for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::addr::Mode;
use crate::op;
use crate::plan::{Action, Plan};
use crate::resource::{Key, Op, OpAction, Private, ResourceType, StepRequest, registry};

/// The shared objects that a step is yet to hold.
#[derive(Default)]
struct Coming {
    keys: BTreeSet<Key>,
    failed: bool,
}

/// How far one is to whom something is left.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Heir {
    /// It holds it.
    There,
    /// It is yet to hold it.
    Coming,
    /// It failed to.
    Failed,
}

/// The holders of shared objects by key, and what running steps are releasing.
#[derive(Default)]
pub(super) struct Holding {
    holders: BTreeMap<Key, BTreeSet<String>>,
    releasing: HashMap<usize, Vec<Key>>,
    /// The shared objects that steps are yet to hold, by step. A right that is left to a step is recorded only when that step has ended.
    coming: BTreeMap<String, Coming>,
    /// Steps that go on although the rights they leave have no recorded holder yet.
    going_on: BTreeSet<String>,
}

impl Holding {
    /// What the plan says that will be held.
    pub fn new(plan: &Plan, types: &[registry::Entry]) -> Holding {
        let mut out = Holding::default();
        for c in plan.changes.iter().filter(|c| c.addr.resource.mode == Mode::Managed && c.deposed.is_none()) {
            let Some(resource) = registry::find_in(types, Mode::Managed, &c.addr.resource.type_name) else { continue };
            if let Some(planned) = &c.planned {
                let label = c.label();
                out.comes(&label, &c.ops);
                // A new object has no private part yet: that of the old one may say another place.
                let new = matches!(c.action, Action::Create | Action::Replace | Action::ReplaceCreateFirst);
                let private = if new { &Private::Null } else { &c.private };
                out.hold(&label, resource.holds(planned, private).into_iter().filter(|h| h.shared).map(|h| h.key));
            }
        }
        out
    }

    fn hold(&mut self, who: &str, keys: impl Iterator<Item = Key>) {
        for key in keys {
            self.holders.entry(key).or_default().insert(who.to_string());
        }
    }

    /// Whether a running step releases what these operations are to create, or another step is yet to hold what these leave to it.
    pub fn waits(&self, who: &str, ops: &[Op]) -> bool {
        let grants = |key: &Key| ops.iter().any(|o| o.action == OpAction::Grant && o.target == *key);
        self.releasing.values().flatten().any(grants) || !self.going_on.contains(who) && self.heirs(who, ops).any(|h| h == Heir::Coming)
    }

    /// Whether these operations leave something to a step that failed: its record must stay.
    pub fn is_orphaned(&self, who: &str, ops: &[Op]) -> bool {
        self.heirs(who, ops).any(|h| h == Heir::Failed)
    }

    /// Whether a step that went on all the same has left something to one that does not hold it yet: it is recorded when that one holds it.
    pub fn is_open(&self, who: impl FnOnce() -> String, ops: &[Op]) -> bool {
        if self.going_on.is_empty() || ops.is_empty() {
            return false;
        }
        let who = who();
        self.going_on.contains(&who) && self.heirs(&who, ops).any(|h| h != Heir::There)
    }

    /// How far those are to whom these operations leave something.
    fn heirs(&self, who: &str, ops: &[Op]) -> impl Iterator<Item = Heir> {
        let left = ops.iter().filter(|o| matches!(o.action, OpAction::Keep | OpAction::Revoke));
        left.filter_map(move |o| {
            let others = self.holders.get(&o.target)?.iter().filter(|h| *h != who);
            // One that holds it already is enough; else the one that is furthest.
            others.map(|h| self.heir(h, &o.target)).min()
        })
    }

    fn heir(&self, who: &str, key: &Key) -> Heir {
        match self.coming.get(who).filter(|c| c.keys.contains(key)) {
            None => Heir::There,
            Some(c) if c.failed => Heir::Failed,
            Some(_) => Heir::Coming,
        }
    }

    fn comes(&mut self, who: &str, ops: &[Op]) {
        let mut keys = ops.iter().filter(|o| o.action == OpAction::Grant && o.target.is_known()).map(|o| o.target.clone()).peekable();
        // Most steps hold nothing that is shared: an entry for each would be as large as the plan.
        if keys.peek().is_some() {
            self.coming.entry(who.to_string()).or_default().keys.extend(keys);
        }
    }

    /// A step that was to hold something has ended.
    pub fn held(&mut self, who: impl FnOnce() -> String, ok: bool) {
        match ok {
            true if self.coming.is_empty() => {}
            true => drop(self.coming.remove(&who())),
            false => self.coming.entry(who()).or_default().failed = true,
        }
    }

    /// Nobody runs any more. Those that are `lost` do not come; each of the `waiting` is what another one waits for, and goes on.
    pub fn wait_no_longer(&mut self, waiting: Vec<String>, lost: Vec<String>) {
        self.going_on.extend(waiting);
        lost.into_iter().for_each(|who| self.held(|| who, false));
    }

    /// A step begins: it holds what it was found to hold, and releases only what nobody else holds. Gives what it leaves alone although it was
    /// planned to be released.
    /// With `beside` the step deletes an old object after the new one of its address was created, which holds some of the same.
    pub fn begin(
        &mut self,
        node: usize,
        (who, beside): (&str, bool),
        resource: &dyn ResourceType,
        request: &mut StepRequest,
    ) -> Vec<String> {
        if let Some(planned) = &request.planned {
            let keys: Vec<Key> = resource.holds(planned, &Private::Null).into_iter().filter(|h| h.shared).map(|h| h.key).collect();
            self.hold(who, keys.into_iter());
        }
        self.comes(who, &request.ops);
        let (mut releasing, mut kept) = (Vec::new(), Vec::new());
        for revoke in request.ops.iter_mut().filter(|o| o.action == OpAction::Revoke) {
            match self.holders.get(&revoke.target).and_then(|h| h.iter().find(|h| beside || *h != who)) {
                Some(holder) => {
                    revoke.action = OpAction::Keep;
                    revoke.note = op::stays_with(holder);
                    kept.push(revoke.to_string());
                }
                None => releasing.push(revoke.target.clone()),
            }
        }
        if !releasing.is_empty() {
            self.releasing.insert(node, releasing);
        }
        kept
    }

    /// A step has ended.
    pub fn end(&mut self, node: usize) {
        self.releasing.remove(&node);
    }
}
