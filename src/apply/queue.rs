//! The scheduler as plain data: `ready` gives what may start, `finish` says how it ended, `blocked` lists what a failure keeps from starting.

use crate::plan::steps::Execution;

/// How far a node of the execution graph is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Waits for others.
    Waiting,
    /// May start.
    Ready,
    /// Runs.
    Running,
    /// Ended well.
    Done,
    /// Ended badly.
    Failed,
    /// Will not start, because something it waits for failed.
    Blocked,
}

/// The queue over an execution graph.
pub struct Queue<'a> {
    graph: &'a Execution,
    waits: Vec<usize>,
    status: Vec<Status>,
    ready: Vec<usize>,
}

impl<'a> Queue<'a> {
    /// A queue in which nothing has started.
    pub fn new(graph: &'a Execution) -> Self {
        let mut q = Queue { graph, waits: graph.waits.clone(), status: vec![Status::Waiting; graph.work.len()], ready: vec![] };
        for i in 0..graph.work.len() {
            if q.waits[i] == 0 {
                q.status[i] = Status::Ready;
                q.ready.push(i);
            }
        }
        q
    }

    /// Takes everything that may start.
    pub fn take_ready(&mut self) -> Vec<usize> {
        let mut out = std::mem::take(&mut self.ready);
        out.sort_unstable();
        for i in &out {
            self.status[*i] = Status::Running;
        }
        out
    }

    /// Says how a node ended.
    pub fn finish(&mut self, node: usize, ok: bool) {
        self.status[node] = if ok { Status::Done } else { Status::Failed };
        if !ok {
            return self.block(node);
        }
        for next in &self.graph.next[node] {
            self.let_go(*next);
        }
    }

    /// One of those that a node waits for has ended.
    fn let_go(&mut self, node: usize) {
        self.waits[node] -= 1;
        if self.waits[node] == 0 && self.status[node] == Status::Waiting {
            self.status[node] = Status::Ready;
            self.ready.push(node);
        }
    }

    /// Says that a node that was taken was not begun, and will not be in this run.
    pub fn give_back(&mut self, node: usize) {
        self.status[node] = Status::Ready;
    }

    fn block(&mut self, node: usize) {
        let mut stack = self.graph.next[node].clone();
        while let Some(i) = stack.pop() {
            if self.graph.work[i].is_lenient() {
                self.let_go(i);
            } else if self.status[i] == Status::Waiting {
                self.status[i] = Status::Blocked;
                stack.extend(&self.graph.next[i]);
            }
        }
    }

    /// How far a node is.
    pub fn status(&self, node: usize) -> Status {
        self.status[node]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::{Mode, ResourceAddr};
    use crate::plan::steps::Work;

    fn chain() -> Execution {
        let work = (0..4).map(|i| Work::Done(ResourceAddr::root(Mode::Managed, "t", &format!("n{i}")))).collect();
        // 0 -> 1 -> 2, and 3 alone.
        Execution { work, next: vec![vec![1], vec![2], vec![], vec![]], waits: vec![0, 1, 1, 0] }
    }

    #[test]
    fn a_node_starts_when_its_last_need_ends() {
        let graph = chain();
        let mut q = Queue::new(&graph);
        assert_eq!(q.take_ready(), [0, 3]);
        assert!(q.take_ready().is_empty());
        q.finish(0, true);
        assert_eq!(q.take_ready(), [1]);
        assert_eq!(q.status(2), Status::Waiting);
    }

    #[test]
    fn a_failure_blocks_what_waits_for_it_and_nothing_else() {
        let graph = chain();
        let mut q = Queue::new(&graph);
        q.take_ready();
        q.finish(0, false);
        q.finish(3, true);
        assert_eq!([q.status(1), q.status(2), q.status(3)], [Status::Blocked, Status::Blocked, Status::Done]);
    }

    #[test]
    fn an_order_outlasts_a_failure() {
        let mut graph = chain();
        // 1 is blocked with 0, and 2 only comes after it.
        graph.work[2] = Work::Left(ResourceAddr::root(Mode::Managed, "t", "place"));
        graph.next[2] = vec![3];
        graph.waits[3] = 1;
        let mut q = Queue::new(&graph);
        assert_eq!(q.take_ready(), [0]);
        q.finish(0, false);
        assert_eq!(q.take_ready(), [2]);
        q.finish(2, true);
        assert_eq!(q.take_ready(), [3]);
    }
}
