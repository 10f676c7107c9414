//! Where the steps of one call report: who begins, who has ended, what is given back.
//!
//! A call of a resource type works for a while on many objects. It asks here before it begins each, so that `-parallelism` holds for objects
//! and an interrupt does not wait for those that are not begun; and it tells here what became of each, so that the executor records and
//! shows it at once. What must not be here: the store, and deciding what runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, oneshot};

use super::{Event, Events};
use crate::addr::InstanceAddr;
use crate::resource::{Slot, StepResult, Verb};

/// How often a step that waits for its turn looks whether the run is being stopped.
const LOOK: Duration = Duration::from_millis(100);

/// What is told about one step.
pub(super) struct Told {
    /// The node of the execution graph.
    pub node: usize,
    /// The verb; `None` for a data source.
    pub verb: Option<Verb>,
    /// How it ended; `None`: it was not begun.
    pub result: Option<StepResult>,
    /// Since it began.
    pub took: Duration,
}

/// A message of a desk to the executor.
pub(super) enum Message {
    /// How steps went.
    Told(Vec<Told>),
    /// One operation that cannot be repeated begins or has ended; the answer says whether that is on the disk.
    Op {
        /// The node of the execution graph.
        node: usize,
        /// The operation's place among those of the step.
        op: usize,
        /// It has ended.
        ended: bool,
        /// Where the answer goes.
        reply: oneshot::Sender<bool>,
    },
}

/// What all desks of a run share.
#[derive(Clone)]
pub(super) struct Office {
    /// Where desks tell.
    pub to: UnboundedSender<Message>,
    /// Who watches.
    pub events: Arc<dyn Events>,
    /// How many objects may be worked on at one time.
    pub slots: Arc<Semaphore>,
    /// Nothing new is to begin.
    pub stopping: Arc<AtomicBool>,
}

/// The desk of one call.
pub(super) struct Desk {
    office: Office,
    nodes: Vec<(usize, InstanceAddr)>,
    verb: Option<Verb>,
    awaited: Vec<bool>,
    began: Mutex<Vec<Instant>>,
}

impl Desk {
    /// The desk for these nodes, in the order of the call's steps; `awaited` says of each whether a later step depends on it.
    pub fn new(office: Office, nodes: Vec<(usize, InstanceAddr)>, verb: Option<Verb>, awaited: Vec<bool>) -> Desk {
        let began = Mutex::new(vec![Instant::now(); nodes.len()]);
        Desk { office, nodes, verb, awaited, began }
    }

    fn started(&self, step: usize) {
        let Some((_, addr)) = self.nodes.get(step) else { return };
        if let Some(at) = self.began.lock().unwrap_or_else(PoisonError::into_inner).get_mut(step) {
            *at = Instant::now();
        }
        self.office.events.emit(&Event::Started { addr: addr.clone(), verb: self.verb });
    }

    fn told(&self, step: usize, result: Option<StepResult>) -> Option<Told> {
        let (node, _) = self.nodes.get(step)?;
        let began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Told { node: *node, verb: self.verb, result, took: began.get(step).map_or(Duration::ZERO, Instant::elapsed) })
    }

    fn tell(&self, told: Vec<Told>) {
        // After an abort nobody listens: what was begun is then in doubt.
        let _ = self.office.to.send(Message::Told(told));
    }

    async fn journal(&self, step: usize, op: usize, ended: bool) -> bool {
        let Some((node, _)) = self.nodes.get(step) else { return false };
        let (reply, answer) = oneshot::channel();
        let sent = self.office.to.send(Message::Op { node: *node, op, ended, reply });
        sent.is_ok() && answer.await.unwrap_or(false)
    }
}

#[async_trait]
impl crate::resource::Desk for Desk {
    async fn begin(&self, step: usize) -> Option<Slot> {
        let stopping = || self.office.stopping.load(Ordering::SeqCst);
        while !stopping() {
            match tokio::time::timeout(LOOK, Arc::clone(&self.office.slots).acquire_owned()).await {
                Ok(Ok(permit)) if !stopping() => {
                    self.started(step);
                    return Some(Slot(Some(permit)));
                }
                Ok(_) => break,
                Err(_) => {}
            }
        }
        self.tell(self.told(step, None).into_iter().collect());
        None
    }

    fn begin_together(&self, steps: std::ops::Range<usize>) {
        steps.for_each(|i| self.started(i));
    }

    async fn begin_op(&self, step: usize, op: usize) -> bool {
        self.journal(step, op, false).await
    }

    async fn end_op(&self, step: usize, op: usize) {
        // Where this cannot be written the operation counts as begun: the next run looks.
        self.journal(step, op, true).await;
    }

    fn stopping(&self) -> bool {
        self.office.stopping.load(Ordering::SeqCst)
    }

    fn awaited(&self, step: usize) -> bool {
        self.awaited.get(step).copied().unwrap_or(true)
    }

    fn finish(&self, results: Vec<(usize, StepResult)>) {
        self.tell(results.into_iter().filter_map(|(i, r)| self.told(i, Some(r))).collect());
    }
}
