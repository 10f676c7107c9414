//! The execution graph: the steps that apply carries out and what each waits for, as plain data.
//!
//! Instances of one block do not wait for instances of another one by one (that would be N x M edges) but for barriers: a block's
//! creates and updates open when all blocks it needs have ended theirs, and its deletes open when the deletes of all blocks that need it
//! have ended. A replacement is two steps.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Action, Plan};
use crate::addr::ResourceAddr;
use crate::resource::Verb;

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
        let blocks = block_needs(plan);
        let done: HashMap<&ResourceAddr, usize> = blocks.keys().map(|b| (*b, ex.add(Work::Done((*b).clone())))).collect();
        let gone: HashMap<&ResourceAddr, usize> = blocks.keys().map(|b| (*b, ex.add(Work::Gone((*b).clone())))).collect();
        for (block, needs) in &blocks {
            for need in needs.iter().filter(|n| n != block) {
                if let (Some(d), Some(g)) = (done.get(need), gone.get(need)) {
                    ex.edge(*d, done[block]);
                    ex.edge(gone[block], *g);
                }
            }
        }
        let users = users(&blocks);
        for (i, change) in plan.changes.iter().enumerate() {
            let block = &change.addr.resource;
            let used_by = users.get(block).map_or(&[][..], Vec::as_slice);
            let barriers = Barriers { done: &done, gone: &gone, needs: &blocks[block], users: used_by };
            let last = ex.work.len();
            ex.add_change(i, change.action, block, &barriers);
            if change.deposed.is_some() && change.action == Action::Delete {
                ex.after_users(last, block, &barriers);
            }
        }
        ex
    }

    fn add_change(&mut self, i: usize, action: Action, block: &ResourceAddr, b: &Barriers<'_>) {
        let create = |ex: &mut Self, work| {
            let n = ex.add(work);
            for need in b.needs.iter().filter(|n| *n != block) {
                if let Some(d) = b.done.get(need) {
                    ex.edge(*d, n);
                }
            }
            ex.edge(n, b.done[block]);
            n
        };
        let delete = |ex: &mut Self| {
            let n = ex.add(Work::Apply { change: i, verb: Verb::Delete });
            for user in b.users.iter().filter(|u| **u != block) {
                ex.edge(b.gone[user], n);
            }
            ex.edge(n, b.gone[block]);
            n
        };
        match action {
            Action::NoOp => {}
            Action::Read => drop(create(self, Work::Read { change: i })),
            Action::Create => drop(create(self, Work::Apply { change: i, verb: Verb::Create })),
            Action::Update => drop(create(self, Work::Apply { change: i, verb: Verb::Update })),
            Action::Delete => drop(delete(self)),
            Action::Forget => drop(create(self, Work::Forget { change: i })),
            Action::Replace => {
                let del = delete(self);
                let new = create(self, Work::Apply { change: i, verb: Verb::Create });
                self.edge(del, new);
            }
            Action::ReplaceCreateFirst => {
                let new = create(self, Work::Apply { change: i, verb: Verb::Create });
                let del = delete(self);
                self.edge(new, del);
                self.after_users(del, block, b);
            }
        }
    }

    /// An old object goes only when everything that used it has moved to the new one.
    fn after_users(&mut self, delete: usize, block: &ResourceAddr, b: &Barriers<'_>) {
        for user in b.users.iter().filter(|u| **u != block) {
            self.edge(b.done[user], delete);
        }
    }

    /// One line for each node, for snapshots and traces.
    pub fn text(&self, plan: &Plan) -> String {
        let name = |i: usize| match &self.work[i] {
            Work::Apply { change, verb } => format!("{verb:?} {}", plan.changes[*change].label()).to_lowercase(),
            Work::Read { change } => format!("read {}", plan.changes[*change].addr),
            Work::Forget { change } => format!("forget {}", plan.changes[*change].label()),
            Work::Done(b) => format!("done {b}"),
            Work::Gone(b) => format!("gone {b}"),
        };
        (0..self.work.len())
            .map(|i| format!("{} -> [{}]\n", name(i), self.next[i].iter().map(|n| name(*n)).collect::<Vec<_>>().join(", ")))
            .collect()
    }
}

struct Barriers<'a> {
    done: &'a HashMap<&'a ResourceAddr, usize>,
    gone: &'a HashMap<&'a ResourceAddr, usize>,
    needs: &'a BTreeSet<ResourceAddr>,
    users: &'a [&'a ResourceAddr],
}

/// Every block of the plan with the blocks that it needs.
fn block_needs(plan: &Plan) -> BTreeMap<&ResourceAddr, BTreeSet<ResourceAddr>> {
    let mut out: BTreeMap<&ResourceAddr, BTreeSet<ResourceAddr>> = BTreeMap::new();
    for c in &plan.changes {
        out.entry(&c.addr.resource).or_default().extend(c.dependencies.iter().cloned());
    }
    out
}

/// For every block, the blocks of the plan that need it.
fn users<'a>(blocks: &BTreeMap<&'a ResourceAddr, BTreeSet<ResourceAddr>>) -> HashMap<ResourceAddr, Vec<&'a ResourceAddr>> {
    let mut out: HashMap<ResourceAddr, Vec<&ResourceAddr>> = HashMap::new();
    for (block, needs) in blocks {
        for need in needs {
            out.entry(need.clone()).or_default().push(block);
        }
    }
    out
}
