//! The execution graph: the steps that apply carries out and what each waits for, as plain data.
//!
//! Instances of one block do not wait for instances of another one by one (that would be N x M edges) but for barriers: a block's
//! creates and updates open when all blocks it needs have ended theirs, and its deletes open when the deletes of all blocks whose records need
//! it have ended. What is made follows what the configuration says, what goes follows what the records say. A replacement is two steps.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use petgraph::algo::{greedy_feedback_arc_set, is_cyclic_directed};
use petgraph::graph::DiGraph;
use petgraph::graphmap::DiGraphMap;
use petgraph::visit::EdgeRef;

use super::objects::nothing_runs;
use super::{Action, Change, Plan};
use crate::addr::ResourceAddr;
use crate::resource::{OpAction, Verb};

/// What one node of the execution graph does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// A verb on the instance of `Plan::changes[index]`.
    Apply {
        /// Index into `Plan::changes`.
        change: usize,
        /// The verb.
        verb: Verb,
    },
    /// Read a data source: index into `Plan::changes`.
    Read {
        /// Index into `Plan::changes`.
        change: usize,
    },
    /// Drop a record: index into `Plan::changes`.
    Forget {
        /// Index into `Plan::changes`.
        change: usize,
    },
    /// All creates, updates and reads of a block have ended.
    Done(ResourceAddr),
    /// All deletes of a block have ended.
    Gone(ResourceAddr),
    /// The deletions of a block's users that come first have been tried, whatever came of them: now the block's objects may change.
    Left(ResourceAddr),
}

impl Work {
    /// Whether it only asks for an order: it starts when those before it have ended, well or badly.
    pub fn is_lenient(&self) -> bool {
        matches!(self, Work::Left(_))
    }
}

/// The execution graph.
#[derive(Clone, Debug, Default)]
pub struct Execution {
    /// The nodes.
    pub work: Vec<Work>,
    /// For each node, the nodes that wait for it.
    pub next: Vec<Vec<usize>>,
    /// For each node, how many nodes it waits for.
    pub waits: Vec<usize>,
}

impl Execution {
    fn add(&mut self, work: Work) -> usize {
        self.work.push(work);
        self.next.push(Vec::new());
        self.waits.push(0);
        self.work.len() - 1
    }

    fn edge(&mut self, first: usize, then: usize) {
        self.next[first].push(then);
        self.waits[then] += 1;
    }

    /// Derives the steps of a plan.
    pub fn of(plan: &Plan) -> Execution {
        let mut ex = Execution::default();
        let blocks: BTreeSet<&ResourceAddr> = plan.changes.iter().map(|c| &c.addr.resource).collect();
        let done: HashMap<&ResourceAddr, usize> = blocks.iter().map(|b| (*b, ex.add(Work::Done((*b).clone())))).collect();
        let gone: HashMap<&ResourceAddr, usize> = blocks.iter().map(|b| (*b, ex.add(Work::Gone((*b).clone())))).collect();
        let needs = Needs::of(plan.changes.iter().filter(|c| !is_over(c)).map(|c| (&c.addr.resource, &c.dependencies)));
        let used = Needs::of(plan.changes.iter().map(|c| (&c.addr.resource, &c.used))).without_cycles();
        for (block, need) in needs.pairs().filter(|(_, need)| done.contains_key(need)) {
            ex.edge(done[need], done[block]);
        }
        for (block, need) in used.pairs().filter(|(_, need)| gone.contains_key(need)) {
            ex.edge(gone[block], gone[need]);
        }
        let barriers = Barriers { done: &done, gone: &gone, needs: &needs, used: &used };
        // Those that are to move away from an object before it goes: the deletion, and the blocks of them.
        let mut later: Vec<(usize, &ResourceAddr, &BTreeSet<&ResourceAddr>)> = Vec::new();
        let moving = Needs::of(plan.changes.iter().filter(|c| moves(c)).map(|c| (&c.addr.resource, &c.used)));
        for (i, change) in plan.changes.iter().enumerate() {
            let block = &change.addr.resource;
            let delete = ex.add_change(i, change.action, block, &barriers);
            if let Some(delete) = delete {
                let beside = change.deposed.is_some() || change.action == Action::ReplaceCreateFirst;
                later.extend(beside.then(|| needs.users(block)).flatten().map(|users| (delete, block, users)));
                later
                    .extend((change.action == Action::Delete || beside).then(|| moving.users(block)).flatten().map(|u| (delete, block, u)));
            }
        }
        ex.after_users(&later, &barriers);
        ex.around_updates(plan, &barriers);
        ex
    }

    /// Adds the steps of one change. Gives the one that deletes.
    fn add_change(&mut self, i: usize, action: Action, block: &ResourceAddr, b: &Barriers<'_>) -> Option<usize> {
        let create = |ex: &mut Self, work| {
            let n = ex.add(work);
            for need in b.needs.of_block(block) {
                if let Some(d) = b.done.get(need) {
                    ex.edge(*d, n);
                }
            }
            ex.edge(n, b.done[block]);
            n
        };
        let delete = |ex: &mut Self, work| {
            let n = ex.add(work);
            for user in b.used.users(block).into_iter().flatten() {
                ex.edge(b.gone[user], n);
            }
            ex.edge(n, b.gone[block]);
            n
        };
        let apply = |verb| Work::Apply { change: i, verb };
        match action {
            Action::NoOp => None,
            Action::Read => {
                create(self, Work::Read { change: i });
                None
            }
            Action::Create | Action::Update => {
                create(self, apply(if action == Action::Create { Verb::Create } else { Verb::Update }));
                None
            }
            Action::Delete => Some(delete(self, apply(Verb::Delete))),
            Action::Forget => {
                delete(self, Work::Forget { change: i });
                None
            }
            Action::Replace => {
                let del = delete(self, apply(Verb::Delete));
                let new = create(self, apply(Verb::Create));
                self.edge(del, new);
                Some(del)
            }
            Action::ReplaceCreateFirst => {
                let new = create(self, apply(Verb::Create));
                let del = delete(self, apply(Verb::Delete));
                self.edge(new, del);
                Some(del)
            }
        }
    }

    /// An object goes only when those that used it have moved away. Where that cannot be, because they wait for what its end makes room for,
    /// it goes first.
    fn after_users(&mut self, deletes: &[(usize, &ResourceAddr, &BTreeSet<&ResourceAddr>)], b: &Barriers<'_>) {
        let mut possible: HashMap<(&ResourceAddr, &ResourceAddr), bool> = HashMap::new();
        for (delete, block, users) in deletes {
            for user in users.iter().filter(|u| u != &block) {
                let can = *possible.entry((block, user)).or_insert_with(|| !self.leads(b.gone[block], b.done[user]));
                if can {
                    self.edge(b.done[user], *delete);
                }
            }
        }
    }

    /// A deletion comes before the changes of the objects that it used: a cluster that restarts does not answer. Where nothing of them runs they
    /// change first, and so they do before an object is replaced, which is not to be missing for longer than it must.
    fn around_updates(&mut self, plan: &Plan, b: &Barriers<'_>) {
        let mut updates: BTreeMap<&ResourceAddr, Vec<(usize, &Change)>> = BTreeMap::new();
        let mut deletes: BTreeMap<&ResourceAddr, Vec<(usize, &Change)>> = BTreeMap::new();
        for (node, work) in self.work.iter().enumerate() {
            let Work::Apply { change, verb } = work else { continue };
            let change = &plan.changes[*change];
            match verb {
                Verb::Update => updates.entry(&change.addr.resource).or_default().push((node, change)),
                Verb::Delete => deletes.entry(&change.addr.resource).or_default().push((node, change)),
                _ => {}
            }
        }
        for (place, updates) in updates {
            let users = b.used.users(place).into_iter().flatten();
            let users = users.filter_map(|user| deletes.get(user)).flatten().filter(|(_, change)| change.used.contains(place));
            let stopped = updates.iter().any(|(_, change)| change.prior.as_ref().is_some_and(nothing_runs));
            // A right that it leaves to an object that is yet to be made waits for that one.
            let leaves = |change: &Change| change.ops.iter().any(|op| op.action == OpAction::Keep);
            let is_first = |change: &Change| change.action == Action::Delete && change.deposed.is_none() && !stopped && !leaves(change);
            let (first, later): (Vec<_>, Vec<_>) = users.partition(|(_, change)| is_first(change));
            if !first.is_empty() {
                let left = self.add(Work::Left(place.clone()));
                updates.iter().for_each(|(update, _)| self.edge(left, *update));
                let after = self.reached(left, &self.next);
                first.iter().filter(|(delete, _)| !after[*delete]).for_each(|(delete, _)| self.edge(*delete, left));
            }
            let later: Vec<usize> =
                later.into_iter().filter(|(_, change)| change.action != Action::Delete || stopped).map(|(delete, _)| delete).collect();
            if !later.is_empty() {
                let before = self.reached(b.done[place], &self.previous());
                later.iter().filter(|delete| !before[**delete]).for_each(|delete| self.edge(b.done[place], *delete));
            }
        }
    }

    /// Whether one node comes before another.
    fn leads(&self, from: usize, to: usize) -> bool {
        self.reached(from, &self.next)[to]
    }

    /// For each node, whether edges lead to it from one, which itself counts.
    fn reached(&self, from: usize, edges: &[Vec<usize>]) -> Vec<bool> {
        let mut seen = vec![false; self.work.len()];
        let mut stack = vec![from];
        while let Some(n) = stack.pop() {
            if !std::mem::replace(&mut seen[n], true) {
                stack.extend(&edges[n]);
            }
        }
        seen
    }

    /// For each node, whether a step comes later that depends on what this one does: one that creates, changes or reads. What only goes needs
    /// nothing to be there.
    pub fn awaited(&self) -> Vec<bool> {
        let needs = |work: &Work| matches!(work, Work::Apply { verb: Verb::Create | Verb::Update, .. } | Work::Read { .. });
        let previous = self.previous();
        let mut out = vec![false; self.work.len()];
        let mut stack: Vec<usize> = (0..self.work.len()).filter(|n| needs(&self.work[*n])).collect();
        while let Some(n) = stack.pop() {
            for before in &previous[n] {
                if !std::mem::replace(&mut out[*before], true) {
                    stack.push(*before);
                }
            }
        }
        out
    }

    /// For each node, the nodes that it waits for.
    fn previous(&self) -> Vec<Vec<usize>> {
        let mut out = vec![Vec::new(); self.work.len()];
        for (node, next) in self.next.iter().enumerate() {
            next.iter().for_each(|n| out[*n].push(node));
        }
        out
    }

    /// One line for each node, for snapshots and traces.
    pub fn text(&self, plan: &Plan) -> String {
        let name = |i: usize| match &self.work[i] {
            Work::Apply { change, verb } => format!("{verb:?} {}", plan.changes[*change].label()).to_lowercase(),
            Work::Read { change } => format!("read {}", plan.changes[*change].addr),
            Work::Forget { change } => format!("forget {}", plan.changes[*change].label()),
            Work::Done(b) => format!("done {b}"),
            Work::Gone(b) => format!("gone {b}"),
            Work::Left(b) => format!("left {b}"),
        };
        (0..self.work.len())
            .map(|i| format!("{} -> [{}]\n", name(i), self.next[i].iter().map(|n| name(*n)).collect::<Vec<_>>().join(", ")))
            .collect()
    }
}

struct Barriers<'a> {
    done: &'a HashMap<&'a ResourceAddr, usize>,
    gone: &'a HashMap<&'a ResourceAddr, usize>,
    /// Needs among objects that are created or updated.
    needs: &'a Needs<'a>,
    /// Needs among recorded objects.
    used: &'a Needs<'a>,
}

/// Whether a change only ends an object: what its record says of others counts for what goes, not for what is made.
fn is_over(c: &Change) -> bool {
    matches!(c.action, Action::Delete | Action::Forget)
}

/// Whether an object that stays may come to use others.
fn moves(c: &Change) -> bool {
    matches!(c.action, Action::Update | Action::Replace | Action::ReplaceCreateFirst)
}

/// Which block needs which others.
#[derive(Default)]
struct Needs<'a> {
    needs: BTreeMap<&'a ResourceAddr, BTreeSet<&'a ResourceAddr>>,
    users: BTreeMap<&'a ResourceAddr, BTreeSet<&'a ResourceAddr>>,
}

impl<'a> Needs<'a> {
    fn of(all: impl Iterator<Item = (&'a ResourceAddr, &'a Vec<ResourceAddr>)>) -> Needs<'a> {
        all.flat_map(|(block, needs)| needs.iter().map(move |n| (block, n))).filter(|(block, need)| block != need).collect()
    }

    fn pairs(&self) -> impl Iterator<Item = (&'a ResourceAddr, &'a ResourceAddr)> {
        self.needs.iter().flat_map(|(block, needs)| needs.iter().map(|n| (*block, *n)))
    }

    fn of_block(&self, block: &ResourceAddr) -> impl Iterator<Item = &'a ResourceAddr> {
        self.needs.get(block).into_iter().flatten().copied()
    }

    fn users(&self, block: &ResourceAddr) -> Option<&BTreeSet<&'a ResourceAddr>> {
        self.users.get(block)
    }

    /// Records are of different times: two blocks may have needed each other, one now and one then. Of each circle one need is forgotten.
    fn without_cycles(self) -> Needs<'a> {
        let graph: DiGraph<&ResourceAddr, ()> = DiGraphMap::<_, ()>::from_edges(self.pairs()).into_graph();
        if !is_cyclic_directed(&graph) {
            return self;
        }
        let dropped: BTreeSet<_> = greedy_feedback_arc_set(&graph).map(|e| (graph[e.source()], graph[e.target()])).collect();
        self.pairs().filter(|pair| !dropped.contains(pair)).collect()
    }
}

impl<'a> FromIterator<(&'a ResourceAddr, &'a ResourceAddr)> for Needs<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a ResourceAddr, &'a ResourceAddr)>>(pairs: I) -> Self {
        let mut out = Needs::default();
        for (block, need) in pairs {
            out.needs.entry(block).or_default().insert(need);
            out.users.entry(need).or_default().insert(block);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_step_needs_is_awaited_and_what_only_goes_needs_nothing() {
        let block = |name: &str| -> ResourceAddr { format!("null_resource.{name}").parse().unwrap() };
        let mut ex = Execution::default();
        let apply = |change, verb| Work::Apply { change, verb };
        let a = ex.add(apply(0, Verb::Create));
        let done = ex.add(Work::Done(block("a")));
        let user = ex.add(apply(1, Verb::Update));
        let reader = ex.add(Work::Read { change: 2 });
        let deleted = ex.add(apply(3, Verb::Delete));
        let gone = ex.add(Work::Gone(block("d")));
        let place = ex.add(apply(4, Verb::Delete));
        let (old, new) = (ex.add(apply(5, Verb::Delete)), ex.add(apply(5, Verb::Create)));
        for (first, then) in [(a, done), (done, user), (user, reader), (deleted, gone), (gone, place), (old, new)] {
            ex.edge(first, then);
        }
        let awaited: Vec<usize> = ex.awaited().into_iter().enumerate().filter(|(_, is)| *is).map(|(n, _)| n).collect();
        assert_eq!(awaited, [a, done, user, old]);
    }
}
