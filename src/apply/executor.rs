//! The executor: drives the queue, calls resource types in batches, and keeps state and world true at every moment.
//!
//! For every batch: begin records are written and flushed, the type is called once; end records are written and flushed as the call tells
//! what became of its objects, one by one or all together. A process that
//! dies in between leaves begin records, which the next run resolves by reading. A failure blocks what depends on it; everything else goes on.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use super::desk::{Desk, Message, Office, Told};
pub use super::done::{Done, Undone, Why};
use super::holding::Holding;
use super::queue::{Queue, Status};
use super::{Event, Events};
use crate::addr::{InstanceAddr, InstanceKey, Mode, ModulePath, ResourceAddr};
use crate::diag::codes::{apply as codes, config as config_codes, plan as plan_codes};
use crate::diag::{Diagnostic, Diagnostics};
use crate::graph::{Graph, Node, NodeId, NodeKind};
use crate::lang::config::{Module, Repetition, ResourceBlock};
use crate::lang::eval::body;
use crate::op;
use crate::plan::conditions;
use crate::plan::diff::{self, decide_all};
use crate::plan::evaluate;
use crate::plan::objects;
use crate::plan::steps::{Execution, Work};
use crate::plan::walk::{Inputs, ignored};
use crate::plan::world::{Expansion, World};
use crate::plan::{Action, Change, Plan, Reason, RunMode};
use crate::resource::{Desk as _, Notes, Op, Private, ReadRequest, ResourceType, Session, StepRequest, StepResult, Verb, registry};
use crate::state::{Deposing, Intent, Ledger, Outcome, OutputRecord, Record};
use crate::value::Value;

/// What an apply works with.
pub struct Apply<'a> {
    /// What the plan was made from.
    pub inputs: &'a Inputs<'a>,
    /// The plan.
    pub plan: &'a Plan,
    /// Where results go.
    pub store: &'a Ledger,
    /// Connections.
    pub session: Arc<Session>,
    /// Who watches.
    pub events: Arc<dyn Events>,
    /// 1 = start nothing new, 2 = abort.
    pub interrupts: Arc<AtomicU8>,
    /// How many calls run at one time, and how many objects that are worked on one by one.
    pub parallelism: usize,
}

/// One finished call: its nodes, with the objects as they were.
struct Returned {
    nodes: Vec<(usize, Option<(Value, Private)>)>,
    verb: Option<Verb>,
    began: Instant,
}

/// Steps of one type and verb that may begin together.
struct Batch {
    resource: &'static dyn ResourceType,
    verb: Option<Verb>,
    nodes: Vec<usize>,
    requests: Vec<StepRequest>,
}

/// The end of a task.
enum Ended {
    Call(Returned),
    /// The type looked at steps before they begin, and gave one verdict for each.
    Vetted(Batch, Vec<Option<Diagnostic>>),
}

/// The request of a running step.
struct Asked {
    /// The object as it was to be.
    planned: Option<Value>,
    /// The operations.
    ops: Vec<Op>,
}

/// How often the interrupts are looked at.
const LOOK: Duration = Duration::from_millis(200);

struct Run<'a, 'w> {
    cx: &'a Apply<'a>,
    graph: &'a Execution,
    /// For each node, whether a later step depends on it.
    awaited: Vec<bool>,
    queue: Queue<'a>,
    world: World<'w>,
    /// Ready steps by type and verb, to travel together.
    waiting: BTreeMap<(usize, Option<Verb>), VecDeque<usize>>,
    running: JoinSet<Ended>,
    /// What running calls share, and where they are heard.
    office: Office,
    told: UnboundedReceiver<Message>,
    /// Nodes that were handed over and of which nothing was heard yet, with what was asked for.
    outstanding: HashMap<usize, Asked>,
    /// The holders of shared objects by now.
    holding: Holding,
    values: HashMap<ResourceAddr, HashMap<Option<InstanceKey>, Value>>,
    /// Variables, locals and outputs that refer to blocks that have ended since they were evaluated, by their place.
    stale: BTreeSet<(usize, NodeId)>,
    touched: HashSet<ResourceAddr>,
    /// Old objects that were set aside by this run, by their change: under which key.
    aside: HashMap<usize, Arc<str>>,
    done: Done,
    /// The state could not be written: said once, and nothing new is begun.
    broken: bool,
    /// Steps that wait for another one to let go of a shared object.
    delayed: Vec<((usize, Option<Verb>), usize)>,
    /// Steps that went on without waiting for who is to hold what they leave, with their operations and results: recorded when that is held.
    open: Vec<(usize, Verb, Vec<Op>, StepResult)>,
    /// Steps that the state does not know of because of that, each with how far it came.
    unwritten: HashMap<usize, Why>,
    /// For every node of the configuration's graph, who needs it, and its place in an order; made once.
    needed_by: Vec<Vec<NodeId>>,
    place: Vec<usize>,
}

/// Follows a plan to its end, or as far as it goes.
pub async fn apply<'a>(cx: &'a Apply<'a>, world: World<'a>) -> Done {
    apply_with_world(cx, world).await.0
}

/// [`apply`], with the values at its end.
pub async fn apply_with_world<'a>(cx: &'a Apply<'a>, world: World<'a>) -> (Done, World<'a>) {
    let graph = Execution::of(cx.plan);
    let (to, told) = unbounded_channel();
    let slots = Arc::new(Semaphore::new(cx.parallelism.clamp(1, Semaphore::MAX_PERMITS)));
    let office = Office { to, events: Arc::clone(&cx.events), slots, stopping: Arc::default() };
    let mut run = Run {
        cx,
        graph: &graph,
        awaited: graph.awaited(),
        queue: Queue::new(&graph),
        world,
        waiting: BTreeMap::new(),
        running: JoinSet::new(),
        office,
        told,
        outstanding: HashMap::new(),
        holding: Holding::new(cx.plan, cx.inputs.types),
        values: HashMap::new(),
        stale: BTreeSet::new(),
        touched: HashSet::new(),
        aside: HashMap::new(),
        done: Done::default(),
        broken: false,
        delayed: Vec::new(),
        open: Vec::new(),
        unwritten: HashMap::new(),
        needed_by: cx.inputs.graph.needed_by(),
        place: places(cx.inputs.graph),
    };
    run.start().await;
    run.drive().await;
    run.finish().await;
    (run.done, run.world)
}

impl<'a, 'w> Run<'a, 'w> {
    async fn start(&mut self) {
        let steps = self.graph.work.iter().filter(|w| matches!(w, Work::Apply { .. } | Work::Read { .. })).count();
        self.cx.events.emit(&Event::Begin { steps });
        for c in &self.cx.plan.changes {
            if let Some(v) = c.planned.as_ref() {
                self.values.entry(c.addr.resource.clone()).or_default().insert(c.addr.key.clone(), v.clone());
            }
        }
        match self.write_refreshed().await {
            Ok(()) => {
                let imported = |c: &&Change| c.reasons.iter().any(|r| matches!(r, Reason::Imported(_)));
                self.done.imported = self.cx.plan.changes.iter().filter(imported).count();
            }
            Err(d) => self.cannot_write(d),
        }
    }

    /// The first failure to write is the one to be told: those after it have the same cause.
    fn cannot_write(&mut self, d: Diagnostic) {
        if !std::mem::replace(&mut self.broken, true) {
            self.done.diagnostics.push(d);
        }
    }

    /// Writes what the refresh found and what `moved` and `import` say, before anything is done.
    async fn write_refreshed(&self) -> Result<(), Diagnostic> {
        let snapshot = self.cx.inputs.snapshot;
        let moves: Vec<_> = self
            .cx
            .plan
            .changes
            .iter()
            .filter_map(|c| {
                c.reasons.iter().find_map(|r| if let Reason::Moved(from) = r { Some((from.clone(), c.addr.clone())) } else { None })
            })
            .collect();
        if !moves.is_empty() {
            self.cx.store.mv(&moves).await?;
        }
        let mut outcomes = Vec::new();
        for c in self.cx.plan.changes.iter().filter(|c| c.addr.resource.mode == Mode::Managed && c.deposed.is_none()) {
            let Some(now) = &c.prior else { continue };
            let was = snapshot.records.get(was_at(c));
            let same = was.is_some_and(|r| {
                let before = diff::rehydrate(&r.attributes, now, self.cx.inputs.digest);
                diff::same(&before, now) && r.private == c.private && self.flags_kept(c, r) && !c.reasons.contains(&Reason::NowSensitive)
            });
            if !same {
                let mut record = record_of(c, now.clone(), c.private.clone(), self.cx.inputs.types);
                record.tainted = was.is_some_and(|r| r.tainted);
                outcomes.push(Outcome { addr: c.addr.clone(), record: Some(record) });
            }
        }
        // An object that is gone has no record from now on: another address may create an object of its name.
        let gone = |c: &&Change| match c.action {
            Action::Create => c.prior.is_none(),
            Action::Forget => c.reasons.contains(&Reason::Missing),
            _ => false,
        };
        let missing = self.cx.plan.changes.iter().filter(|c| c.deposed.is_none() && snapshot.records.contains_key(was_at(c))).filter(gone);
        outcomes.extend(missing.map(|c| Outcome { addr: c.addr.clone(), record: None }));
        if self.cx.plan.mode == RunMode::RefreshOnly {
            let gone = self.cx.plan.drift.iter().filter(|d| d.found.is_none());
            outcomes.extend(gone.map(|d| Outcome { addr: d.addr.clone(), record: None }));
        }
        let known: HashSet<InstanceAddr> = outcomes.iter().map(|o| o.addr.clone()).collect();
        let of_plan = |c: &&Change| c.deposed.is_none() && c.addr.resource.mode == Mode::Managed;
        // Another object may have come to an address that one moved away from: the old address means the object that moved.
        let (moved, others): (Vec<&Change>, Vec<&Change>) = self.cx.plan.changes.iter().filter(of_plan).partition(|c| was_at(c) != &c.addr);
        let changes: HashMap<InstanceAddr, &Change> = others.into_iter().chain(moved).map(|c| (was_at(c).clone(), c)).collect();
        let left_out: HashSet<&str> = self.cx.plan.skipped.iter().map(String::as_str).collect();
        for doubt in &snapshot.in_doubt {
            // Where nothing is planned nothing was decided: it stays in doubt.
            let Some(c) = changes.get(&doubt.addr) else { continue };
            // The step that comes writes its own begin record in place of this one. Nobody has looked at what is left out: it stays in doubt.
            if known.contains(&c.addr) || left_out.contains(c.addr.to_string().as_str()) || c.action != Action::NoOp {
                continue;
            }
            let record = c.prior.as_ref().map(|v| record_of(c, v.clone(), c.private.clone(), self.cx.inputs.types));
            outcomes.push(Outcome { addr: c.addr.clone(), record });
        }
        if outcomes.is_empty() { Ok(()) } else { self.cx.store.finish(&outcomes).await }
    }

    fn flags_kept(&self, c: &Change, r: &Record) -> bool {
        c.action != Action::NoOp
            || (r.protected == c.protected && r.dependencies == c.dependencies && r.create_before_destroy == c.create_before_destroy)
    }

    async fn drive(&mut self) {
        let mut told = false;
        loop {
            let level = self.cx.interrupts.load(Ordering::SeqCst);
            if level >= 1 && !told {
                told = true;
                self.cx.events.emit(&Event::Stopping);
            }
            if let Err(d) = self.cx.store.holds_lock() {
                self.cannot_write(d);
            }
            self.office.stopping.store(level >= 1 || self.broken, Ordering::SeqCst);
            if level >= 2 {
                self.listen(None).await;
                self.running.abort_all();
                break;
            }
            if level == 0 && !self.broken {
                self.schedule().await;
            }
            if self.running.is_empty() {
                if level == 0 && !self.broken && !self.delayed.is_empty() {
                    self.part_the_waiting();
                    continue;
                }
                break;
            }
            tokio::select! {
                Some(message) = self.told.recv() => self.listen(Some(message)).await,
                Some(joined) = self.running.join_next() => match joined {
                    Ok(Ended::Call(returned)) => self.returned(returned).await,
                    Ok(Ended::Vetted(batch, verdicts)) => self.vetted(batch, verdicts).await,
                    Err(_) => {}
                },
                // Wakes up now and then to look at the interrupts.
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Opens barriers, sorts ready steps by type and verb, and starts as many calls as may run.
    async fn schedule(&mut self) {
        loop {
            let ready = self.queue.take_ready();
            if ready.is_empty() {
                break;
            }
            for node in ready {
                self.admit(node).await;
            }
        }
        while self.running.len() < self.cx.parallelism.max(1) && !self.broken {
            let Some(key) = self.waiting.iter().find(|(_, q)| !q.is_empty()).map(|(k, _)| *k) else { break };
            self.call(key).await;
        }
    }

    async fn admit(&mut self, node: usize) {
        match &self.graph.work[node] {
            Work::Done(block) => {
                self.block_done(&block.clone());
                self.queue.finish(node, true);
            }
            Work::Gone(_) | Work::Left(_) => self.queue.finish(node, true),
            Work::Forget { change } => {
                let c = &self.cx.plan.changes[*change];
                let result = match &c.deposed {
                    Some(key) => self.cx.store.depose(&[(c.addr.clone(), Arc::clone(key), Deposing::Gone)]).await,
                    None => self.cx.store.remove(std::slice::from_ref(&c.addr)).await,
                };
                match result {
                    Ok(()) => self.done.forgotten += 1,
                    Err(d) => {
                        self.unwritten.insert(node, Why::NotWritten);
                        self.cannot_write(d);
                    }
                }
                self.queue.finish(node, !self.unwritten.contains_key(&node));
            }
            Work::Apply { change, verb } => self.enqueue(node, *change, Some(*verb)),
            Work::Read { change } => self.enqueue(node, *change, None),
        }
    }

    fn enqueue(&mut self, node: usize, change: usize, verb: Option<Verb>) {
        let resource = &self.cx.plan.changes[change].addr.resource;
        let place = |(mode, name, _): &registry::Entry| *mode == resource.mode && *name == &*resource.type_name;
        let rank = self.cx.inputs.types.iter().position(place).unwrap_or(usize::MAX);
        self.waiting.entry((rank, verb)).or_default().push_back(node);
    }

    fn change(&self, node: usize) -> &'a Change {
        &self.cx.plan.changes[self.index(node)]
    }

    fn index(&self, node: usize) -> usize {
        match self.graph.work[node] {
            Work::Apply { change, .. } | Work::Read { change } | Work::Forget { change } => change,
            Work::Done(_) | Work::Gone(_) | Work::Left(_) => unreachable!("barriers have no change"),
        }
    }

    async fn call(&mut self, key: (usize, Option<Verb>)) {
        let Some(queue) = self.waiting.get_mut(&key) else { return };
        let Some(first) = queue.front().copied() else { return };
        let resource_addr = match &self.graph.work[first] {
            Work::Apply { change, .. } | Work::Read { change } => &self.cx.plan.changes[*change].addr.resource,
            _ => return,
        };
        let Some(resource) = registry::find_in(self.cx.inputs.types, resource_addr.mode, &resource_addr.type_name) else { return };
        let limit = if key.1.is_some() { resource.batch_limit().max(1) } else { 1 };
        let nodes: Vec<usize> = queue.drain(..limit.min(queue.len())).collect();
        if nodes.iter().any(|n| self.change(*n).deferred) {
            self.settle();
        }
        let mut ready = Vec::new();
        let mut requests = Vec::new();
        for node in nodes {
            let label = self.change(node).label();
            match self.prepare(node, resource, key.1) {
                // Somebody is letting go of what this step is to hold, or is yet to hold what this step leaves: it comes when that has ended.
                Ok(request) if self.holding.waits(&label, &request.ops) => self.delayed.push((key, node)),
                Ok(request) if self.holding.is_orphaned(&label, &request.ops) => {
                    self.unwritten.insert(node, Why::NotTakenOver);
                    self.queue.finish(node, false);
                }
                Ok(mut request) => {
                    let c = self.change(node);
                    let beside = c.action == Action::ReplaceCreateFirst && key.1 == Some(Verb::Delete);
                    for text in self.holding.begin(node, (&label, beside), resource, &mut request) {
                        let text = self.cx.inputs.redactor.text(&text);
                        self.cx.events.emit(&Event::Note { addr: c.addr.clone(), text });
                    }
                    ready.push(node);
                    requests.push(request);
                }
                Err(diags) => {
                    self.done.diagnostics.append(diags);
                    self.queue.finish(node, false);
                }
            }
        }
        let batch = Batch { resource, verb: key.1, nodes: ready, requests };
        if !batch.nodes.is_empty() && resource.vets() && matches!(key.1, Some(Verb::Create | Verb::Update)) {
            self.vet(batch);
        } else {
            self.begin_batch(batch).await;
        }
    }

    /// Has the type look at steps before anything of them is written, while the run goes on.
    fn vet(&mut self, batch: Batch) {
        let session = Arc::clone(&self.cx.session);
        self.running.spawn(async move {
            let verdicts = AssertUnwindSafe(batch.resource.vet(&session, &batch.requests)).catch_unwind().await;
            Ended::Vetted(batch, verdicts.unwrap_or_default())
        });
    }

    /// Begins the steps that the type does not refuse; a missing verdict is a refusal.
    async fn vetted(&mut self, batch: Batch, verdicts: Vec<Option<Diagnostic>>) {
        let stopping = self.broken || self.cx.interrupts.load(Ordering::SeqCst) >= 1;
        let mut verdicts = verdicts.into_iter();
        let mut good = Batch { nodes: vec![], requests: vec![], ..batch };
        for (node, request) in batch.nodes.into_iter().zip(batch.requests) {
            match verdicts.next().unwrap_or_else(|| Some(panic_error())) {
                None if stopping => {
                    self.holding.end(node);
                    self.queue.give_back(node);
                }
                None => {
                    good.nodes.push(node);
                    good.requests.push(request);
                }
                Some(d) => {
                    self.holding.end(node);
                    let prior = request.prior.map(|v| (v, request.private));
                    self.note_result(node, batch.verb, StepResult::failed(d, prior), Duration::ZERO, false);
                    self.queue.finish(node, false);
                }
            }
        }
        self.wake();
        self.begin_batch(good).await;
    }

    /// Journals steps and starts their calls.
    async fn begin_batch(&mut self, batch: Batch) {
        let Batch { resource, verb, nodes, requests } = batch;
        if nodes.is_empty() {
            return;
        }
        if let Some(verb) = verb
            && let Err(d) = self.begin(&nodes, &requests, verb).await
        {
            self.cannot_write(d);
            for node in nodes {
                self.unwritten.insert(node, Why::NotWritten);
                self.queue.finish(node, false);
            }
            return;
        }
        let steps = nodes.into_iter().zip(requests);
        let (gone, rest): (Vec<_>, Vec<_>) = steps.partition(|(node, _)| verb == Some(Verb::Delete) && self.change(*node).goes_with_place);
        for (steps, with_place) in [(gone, true), (rest, false)] {
            let (nodes, requests): (Vec<usize>, Vec<StepRequest>) = steps.into_iter().unzip();
            if !nodes.is_empty() {
                self.spawn(resource, verb, nodes, requests, with_place);
            }
        }
    }

    /// Starts a call; of objects that go with their place (`with_place`) it only says so.
    fn spawn(
        &mut self,
        resource: &'static dyn ResourceType,
        verb: Option<Verb>,
        nodes: Vec<usize>,
        requests: Vec<StepRequest>,
        with_place: bool,
    ) {
        let session = Arc::clone(&self.cx.session);
        let named = nodes.iter().map(|n| (*n, self.change(*n).addr.clone())).collect();
        let awaited = nodes.iter().map(|n| self.awaited[*n]).collect();
        let desk = Desk::new(self.office.clone(), named, verb, awaited);
        let asked = requests.iter().map(|r| Asked { planned: r.planned.clone(), ops: r.ops.clone() });
        self.outstanding.extend(nodes.iter().copied().zip(asked));
        self.running.spawn(async move {
            let began = Instant::now();
            let priors = requests.iter().map(|r| r.prior.clone().map(|v| (v, r.private.clone())));
            let nodes: Vec<_> = nodes.into_iter().zip(priors).collect();
            let call = async {
                match verb {
                    Some(_) if with_place => {
                        desk.begin_together(0..requests.len());
                        desk.finish(requests.iter().map(|_| StepResult::gone()).enumerate().collect());
                    }
                    Some(verb) => resource.apply(&session, verb, requests, &desk).await,
                    None => {
                        desk.begin_together(0..requests.len());
                        desk.finish(read_data(resource, &session, requests).await.into_iter().enumerate().collect());
                    }
                }
            };
            // What a panic left untold is seen by what is still outstanding.
            let _ = AssertUnwindSafe(call).catch_unwind().await;
            Ended::Call(Returned { nodes, verb, began })
        });
    }

    /// Sets aside what is to be replaced later, and writes what begins.
    async fn begin(&mut self, nodes: &[usize], requests: &[StepRequest], verb: Verb) -> Result<(), Diagnostic> {
        if verb == Verb::Create {
            self.set_aside(nodes).await?;
        }
        let intents = nodes.iter().zip(requests).filter_map(|(node, r)| {
            let c = self.change(*node);
            // A deposed object is recorded until its destruction has ended; the journal's entry of the address is the new object's.
            if self.deposed(*node, Some(verb)).is_some() {
                return None;
            }
            let object = r.planned.clone().or_else(|| r.prior.clone())?;
            let record = record_of(c, object, r.private.clone(), self.cx.inputs.types);
            Some(Intent { addr: c.addr.clone(), verb, record, ops: r.ops.clone() })
        });
        let intents: Vec<_> = intents.collect();
        self.cx.store.begin(&intents).await
    }

    /// The old objects of replacements whose new ones are about to be made get records of their own, so that a kill loses neither.
    async fn set_aside(&mut self, nodes: &[usize]) -> Result<(), Diagnostic> {
        let replaced = nodes.iter().filter(|n| self.change(**n).action == Action::ReplaceCreateFirst);
        let replaced: Vec<usize> = replaced.map(|n| self.index(*n)).collect();
        self.depose(&replaced).await
    }

    /// The records of objects become deposed ones.
    async fn depose(&mut self, changes: &[usize]) -> Result<(), Diagnostic> {
        let keys: HashMap<usize, Arc<str>> =
            changes.iter().map(|i| (*i, Arc::from(&uuid::Uuid::new_v4().simple().to_string()[..8]))).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let aside: Vec<_> = keys.iter().map(|(i, key)| (self.cx.plan.changes[*i].addr.clone(), Arc::clone(key), Deposing::Aside)).collect();
        self.cx.store.depose(&aside).await?;
        self.aside.extend(keys);
        Ok(())
    }

    /// The key of the deposed object that this step destroys.
    fn deposed(&self, node: usize, verb: Option<Verb>) -> Option<Arc<str>> {
        let c = self.change(node);
        let own = || self.aside.get(&self.index(node)).cloned();
        if verb == Some(Verb::Delete) { c.deposed.clone().or_else(own) } else { None }
    }

    /// The request of a step: what was unknown when planned is evaluated now, and must agree with all that was planned.
    fn prepare(&self, node: usize, resource: &dyn ResourceType, verb: Option<Verb>) -> Result<StepRequest, Diagnostics> {
        let c = self.change(node);
        let current = |addr: &InstanceAddr| self.world.instance(addr).filter(|v| v.is_known());
        let verb_name = verb.map_or("read", |v| match v {
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Delete => "delete",
        });
        let default = verb.map_or(Duration::from_secs(60), |v| resource.timeout(v));
        let timeout = c.timeouts.get(verb_name).map_or(default, |ms| Duration::from_millis(*ms));
        let planned_ops = || verb.map(|v| c.step_ops(v).to_vec()).unwrap_or_default();
        let (planned, ops) = match verb {
            Some(Verb::Delete) => (None, planned_ops()),
            _ if c.deferred => {
                let (planned, ops) = self.evaluate_again(c, resource)?;
                (Some(planned), ops)
            }
            _ => (c.planned.as_ref().map(|v| objects::hydrate(v, resource, &current)), planned_ops()),
        };
        let replaced = verb == Some(Verb::Create);
        // What is deleted lives in what was there before: of an object that is replaced only the new one is among the values, not yet known.
        let there = |addr: &InstanceAddr| current(addr).filter(|v| verb != Some(Verb::Delete) || v.is_wholly_known());
        Ok(StepRequest {
            addr: c.addr.clone(),
            prior: if replaced { None } else { c.prior.as_ref().map(|v| objects::hydrate(v, resource, &there)) },
            planned,
            private: if replaced { Private::Null } else { c.private.clone() },
            timeout,
            begun: c.begun && verb == Some(Verb::Create),
            replaces: None,
            ops,
        })
    }

    /// What `each.value` is for an instance, as of the last time that all was settled.
    fn each(&self, c: &Change) -> Option<Value> {
        self.world.expansion(&c.addr.resource).and_then(|e| e.each(&c.addr.key))
    }

    /// The values that the `for_each` of a module call or a resource block gives, as they are by now.
    fn repeat_again(&mut self, path: &ModulePath, kind: &NodeKind) {
        let Some(module) = self.world.module(path).map(|m| m.module) else { return };
        match kind {
            NodeKind::Call(name) => {
                let found = module.calls.get(name).zip(self.world.call(path, name));
                if let Some(now) = found.and_then(|(call, planned)| self.repeated(path, module, &call.repetition, planned)) {
                    self.world.set_call(path, name, now);
                }
            }
            NodeKind::Resource(mode, t, n) => {
                let block = ResourceAddr::new(path.clone(), *mode, t.clone(), n.clone());
                let found = module.resources.get(&(*mode, t.clone(), n.clone())).zip(self.world.expansion(&block));
                if let Some(now) = found.and_then(|(b, planned)| self.repeated(path, module, &b.repetition, planned)) {
                    self.world.set_expansion(&block, now);
                }
            }
            _ => {}
        }
    }

    /// What a repetition gives by now, where that was not known when planned; its keys are as planned. What is wrong with it is found by the
    /// steps that use the values.
    fn repeated(&self, path: &ModulePath, module: &Module, repetition: &Repetition, planned: &Expansion) -> Option<Expansion> {
        if planned.is_known() {
            return None;
        }
        let cx = evaluate::context(self.cx.inputs, &module.dir);
        let now = evaluate::repetition(repetition, &self.world.scope(path), &cx, &mut Diagnostics::new());
        let keys = |e: &Expansion| e.keys().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        (keys(planned) == keys(&now)).then_some(now)
    }

    fn evaluate_again(&self, c: &Change, resource: &dyn ResourceType) -> Result<(Value, Vec<Op>), Diagnostics> {
        let missing = || Diagnostics::from(diff::inconsistent(&c.addr, "its block"));
        let r = &c.addr.resource;
        let module = self.world.module(&r.module).ok_or_else(missing)?.module;
        let block = module.resources.get(&(r.mode, r.type_name.clone(), r.name.clone())).ok_or_else(missing)?;
        let each = self.each(c);
        let scope = self.world.scope(&r.module).repeated(c.addr.key.clone(), each);
        let cx = evaluate::context(self.cx.inputs, &module.dir);
        let mut diags = Diagnostics::new();
        for p in &block.lifecycle.preconditions {
            conditions::condition(p, &scope, &cx, &mut diags);
        }
        let config = body::decode(&block.body, &resource.schema().body, &scope, &cx, &mut diags);
        self.cx.inputs.redactor.learn(&config);
        resource.validate(&config, &mut diags);
        let located = |diags: Diagnostics| diags.into_iter().map(|d| objects::locate(d, block, &c.addr)).collect();
        if diags.has_errors() {
            return Err(located(diags));
        }
        if let Some(name) = objects::open_argument(&config, &resource.schema().body) {
            return Err(diff::still_unknown(&c.addr, name).at(block.span).into());
        }
        if r.mode == Mode::Data {
            return Ok((config, vec![]));
        }
        let prior = if c.action == Action::Update { c.prior.as_ref() } else { None };
        let inputs = self.cx.inputs;
        let parts = prior.and_then(|v| diff::in_parts(inputs.observer, &c.addr, v, &config, inputs.digest));
        let ignore = ignored(block);
        let input = diff::Input {
            addr: &c.addr,
            prior: parts.as_ref().or(prior),
            private: &c.private,
            notes: &Notes::Null,
            config: &config,
            ignore: &ignore,
            ignore_all: block.lifecycle.ignore_all,
            force: None,
            create_first: false,
            answers: self.cx.plan.answers.get(&c.addr).map_or(&[][..], Vec::as_slice),
            digest: self.cx.inputs.digest,
        };
        let Some(verdict) = decide_all(resource, &[input]).pop() else { return Err(missing()) };
        if verdict.diagnostics.has_errors() {
            return Err(located(verdict.diagnostics));
        }
        let disagreement = c.planned.as_ref().and_then(|p| diff::disagrees(p, &verdict.planned));
        if let Some(path) = disagreement {
            return Err(diff::inconsistent(&c.addr, &path).at(block.span).into());
        }
        match op::unplanned(&c.ops, &verdict.ops) {
            Some(op) => Err(diff::unplanned(&c.addr, op).at(block.span).into()),
            None => Ok((verdict.planned, verdict.ops)),
        }
    }

    /// A call has ended. What it has told is taken in before; what it has not told about, a panic has kept back.
    async fn returned(&mut self, r: Returned) {
        self.listen(None).await;
        if r.nodes.iter().any(|(node, _)| self.outstanding.contains_key(node)) {
            self.wake();
        }
        let took = r.began.elapsed();
        for (node, prior) in r.nodes {
            if self.outstanding.remove(&node).is_some() {
                self.holding.end(node);
                // Nothing is certain: the begin record stays, and the next run reads.
                self.note_result(node, r.verb, StepResult::failed(panic_error(), prior), took, false);
                self.queue.finish(node, false);
            }
        }
    }

    /// Takes in what is told, all that is there at once: it is written in one flush.
    async fn listen(&mut self, first: Option<Message>) {
        let mut told = Vec::new();
        let mut next = first;
        while let Some(message) = next.take().or_else(|| self.told.try_recv().ok()) {
            match message {
                Message::Told(more) => told.extend(more),
                Message::Op { node, op, ended, reply } => {
                    let written = self.journal_op(node, op, ended).await;
                    // Who asked may be gone after an abort.
                    let _ = reply.send(written);
                }
            }
        }
        let mut told: Vec<Told> = told.into_iter().filter_map(|t| self.heard(t)).collect();
        if told.is_empty() {
            return;
        }
        self.wake();
        if let Err(d) = self.keep_replaced().await {
            self.cannot_write(d);
        }
        let is_open = |node: usize| self.open.iter().any(|(n, ..)| *n == node);
        let ended: Vec<_> = told.iter().filter(|t| !is_open(t.node)).filter_map(|t| Some((t.node, t.verb?, t.result.as_ref()?))).collect();
        let back: Vec<usize> = told.iter().filter(|t| t.result.is_none()).map(|t| t.node).collect();
        let saved = self.save(&ended).await;
        let written = saved.is_ok();
        for failed in [saved, self.give_back(&back).await] {
            failed.unwrap_or_else(|d| self.cannot_write(d));
        }
        for t in told.drain(..) {
            let Some(result) = t.result else {
                self.queue.give_back(t.node);
                continue;
            };
            let written = written || t.verb.is_none();
            if !written {
                self.unwritten.insert(t.node, Why::NotRecorded);
            }
            let ok = result.error.is_none() && written && self.postconditions(t.node, t.verb, &result);
            if t.verb.is_some_and(|v| v != Verb::Delete) {
                let c = self.change(t.node);
                self.holding.held(|| c.label(), result.error.is_none() && written);
            }
            self.note_result(t.node, t.verb, result, t.took, ok);
            self.queue.finish(t.node, ok);
        }
        self.close().await;
    }

    /// A step that stays in doubt has the journal's entry of its address. A replaced object leaves that to the new one and is recorded as deposed.
    async fn keep_replaced(&mut self) -> Result<(), Diagnostic> {
        let open = self.open.iter().map(|(node, ..)| *node).filter(|node| self.graph_verb(*node) == Some(Verb::Delete));
        let replaced: Vec<usize> = open
            .map(|node| self.index(node))
            .filter(|i| self.cx.plan.changes[*i].action == Action::Replace && !self.aside.contains_key(i))
            .collect();
        self.depose(&replaced).await?;
        let addrs: Vec<InstanceAddr> = replaced.iter().map(|i| self.cx.plan.changes[*i].addr.clone()).collect();
        if addrs.is_empty() { Ok(()) } else { self.cx.store.remove(&addrs).await }
    }

    /// Records the steps of which all is held by now.
    async fn close(&mut self) {
        let (open, held): (Vec<_>, Vec<_>) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|(node, _, ops, _)| self.holding.is_open(|| self.change(*node).label(), ops));
        self.open = open;
        let ended: Vec<_> = held.iter().map(|(node, verb, _, result)| (*node, *verb, result)).collect();
        if !ended.is_empty()
            && let Err(d) = self.save(&ended).await
        {
            self.unwritten.extend(ended.iter().map(|(node, ..)| (*node, Why::NotRecorded)));
            self.cannot_write(d);
        }
    }

    /// Takes in that a step ended, once. An object other than the planned one is a defect of the type.
    fn heard(&mut self, mut t: Told) -> Option<Told> {
        let asked = self.outstanding.remove(&t.node)?;
        let done = t.result.as_ref().is_some_and(|r| r.error.is_none());
        self.holding.end(t.node);
        let managed = t.verb.is_some_and(|v| v != Verb::Delete);
        if let (Some(result), Some(planned)) = (&mut t.result, &asked.planned)
            && let Some((value, _)) = &mut result.object
        {
            *value = diff::hidden_as(planned, value.clone());
        }
        if let (Some(result), Some(planned), true, true) = (&mut t.result, &asked.planned, done, managed)
            && let Some((value, _)) = &result.object
            && let Some(path) = diff::disagrees(planned, value)
        {
            result.error = Some(diff::contract(&self.change(t.node).addr, &path, planned, value));
        }
        if let (Some(verb), Some(result)) = (t.verb, t.result.as_ref().filter(|r| r.error.is_none()))
            && self.holding.is_open(|| self.change(t.node).label(), &asked.ops)
        {
            self.open.push((t.node, verb, asked.ops, result.clone()));
        }
        Some(t)
    }

    /// Writes that one operation of a running step begins or has ended.
    async fn journal_op(&mut self, node: usize, op: usize, ended: bool) -> bool {
        let Some(op) = self.outstanding.get(&node).and_then(|a| a.ops.get(op).map(|_| op)) else { return false };
        if self.deposed(node, self.graph_verb(node)).is_some() {
            return true;
        }
        let addr = &self.change(node).addr;
        let written = if ended { self.cx.store.end_op(addr, op).await } else { self.cx.store.begin_op(addr, op).await };
        match written {
            Ok(()) => true,
            Err(d) => {
                self.cannot_write(d);
                false
            }
        }
    }

    /// Steps wait for each other, or for one that does not come: nobody is left who could let them go on.
    fn part_the_waiting(&mut self) {
        let waiting: Vec<String> = self.delayed.iter().map(|(_, node)| self.change(*node).label()).collect();
        let lost = self.graph.work.iter().enumerate().filter_map(|(node, work)| match work {
            Work::Apply { change, verb } if *verb != Verb::Delete => {
                matches!(self.queue.status(node), Status::Failed | Status::Blocked).then(|| self.cx.plan.changes[*change].label())
            }
            _ => None,
        });
        let lost: Vec<String> = lost.collect();
        self.holding.wait_no_longer(waiting, lost);
        self.wake();
    }

    /// Steps that waited for others to let go of a shared object may be tried again.
    fn wake(&mut self) {
        for (key, node) in std::mem::take(&mut self.delayed).into_iter().rev() {
            self.waiting.entry(key).or_default().push_front(node);
        }
    }

    /// Takes back the begin records of steps that were not begun.
    async fn give_back(&self, nodes: &[usize]) -> Result<(), Diagnostic> {
        let (mut begun, mut aside) = (Vec::new(), Vec::new());
        for node in nodes {
            let (addr, verb) = (self.change(*node).addr.clone(), self.graph_verb(*node));
            match (verb, self.aside.get(&self.index(*node))) {
                _ if self.deposed(*node, verb).is_some() => {}
                (Some(Verb::Create), Some(key)) => aside.push((addr, Arc::clone(key), Deposing::Back)),
                _ => begun.push(addr),
            }
        }
        if !aside.is_empty() {
            self.cx.store.depose(&aside).await?;
        }
        if begun.is_empty() { Ok(()) } else { self.cx.store.unbegin(&begun).await }
    }

    fn graph_verb(&self, node: usize) -> Option<Verb> {
        match self.graph.work[node] {
            Work::Apply { verb, .. } => Some(verb),
            _ => None,
        }
    }

    /// Writes what became of steps.
    async fn save(&self, results: &[(usize, Verb, &StepResult)]) -> Result<(), Diagnostic> {
        let (mut outcomes, mut deposed) = (Vec::new(), Vec::new());
        // What is in doubt stays begun: the next plan reads it.
        for (node, verb, result) in results.iter().filter(|(_, _, r)| !r.in_doubt) {
            let c = self.change(*node);
            let gone = result.object.is_none();
            match (self.deposed(*node, Some(*verb)), self.aside.get(&self.index(*node))) {
                (Some(key), _) if gone => deposed.push((c.addr.clone(), key, Deposing::Gone)),
                (Some(_), _) => {}
                (None, Some(key)) if gone => deposed.push((c.addr.clone(), Arc::clone(key), Deposing::Back)),
                (None, _) => outcomes.push(Outcome { addr: c.addr.clone(), record: record_after(c, *verb, result, self.cx.inputs.types) }),
            }
        }
        if !deposed.is_empty() {
            self.cx.store.depose(&deposed).await?;
        }
        if outcomes.is_empty() { Ok(()) } else { self.cx.store.finish(&outcomes).await }
    }

    /// Judges the postconditions of what a step made, read or altered: where one does not hold, what needs the object waits.
    fn postconditions(&mut self, node: usize, verb: Option<Verb>, result: &StepResult) -> bool {
        let c = self.change(node);
        let r = &c.addr.resource;
        let Some(module) = self.world.module(&r.module).map(|m| m.module) else { return true };
        let Some(block) = module.resources.get(&(r.mode, r.type_name.clone(), r.name.clone())) else { return true };
        let (Some((value, _)), false, false) = (&result.object, block.lifecycle.postconditions.is_empty(), verb == Some(Verb::Delete))
        else {
            return true;
        };
        if self.each(c).is_some_and(|v| !v.is_wholly_known()) {
            self.settle();
        }
        let each = self.each(c);
        let this = objects::with_origin(value, &c.addr);
        let scope = self.world.scope(&r.module).repeated(c.addr.key.clone(), each).with_self(this);
        let cx = evaluate::context(self.cx.inputs, &module.dir);
        let mut found = Diagnostics::new();
        for p in &block.lifecycle.postconditions {
            conditions::condition(p, &scope, &cx, &mut found);
        }
        let soft = |d: Diagnostic| objects::softened(d.on(&c.addr), block);
        let ok = !found.has_errors() || block.in_check.is_some();
        self.done.diagnostics.extend(found.into_iter().map(soft));
        ok
    }

    fn note_result(&mut self, node: usize, verb: Option<Verb>, result: StepResult, took: Duration, ok: bool) {
        let c = self.change(node);
        self.touched.insert(c.addr.resource.clone());
        if let Some((value, _)) = &result.object {
            self.cx.inputs.redactor.learn(value);
        }
        if let (Some((value, _)), true) = (&result.object, verb != Some(Verb::Delete)) {
            let value = objects::with_origin(value, &c.addr);
            self.values.entry(c.addr.resource.clone()).or_default().insert(c.addr.key.clone(), value);
        }
        if let Some(d) = result.error {
            let block = self.block_of(c);
            self.done.diagnostics.push(match block {
                Some(b) => objects::softened(objects::locate(d, b, &c.addr), b),
                None => d.on(&c.addr),
            });
        }
        if ok {
            match verb {
                Some(Verb::Create) => self.done.added += 1,
                Some(Verb::Update) => self.done.changed += 1,
                Some(Verb::Delete) => self.done.destroyed += 1,
                None => {}
            }
        }
        self.cx.events.emit(&Event::Finished { addr: c.addr.clone(), verb, ok, took });
    }

    fn block_of(&self, c: &Change) -> Option<&'w ResourceBlock> {
        let r = &c.addr.resource;
        let module = self.world.module(&r.module)?.module;
        module.resources.get(&(r.mode, r.type_name.clone(), r.name.clone()))
    }

    /// A block's creates and updates have ended: references to it see the real objects, and so do locals and outputs.
    fn block_done(&mut self, block: &ResourceAddr) {
        if !self.touched.contains(block) {
            return;
        }
        let Some(expansion) = self.world.expansion(block).cloned() else { return };
        let values = self.values.get(block).cloned().unwrap_or_default();
        self.world.set_block(block.clone(), expansion, &values);
        let node =
            Node { module: block.module.without_keys(), kind: NodeKind::Resource(block.mode, block.type_name.clone(), block.name.clone()) };
        let graph = self.cx.inputs.graph;
        let Some(start) = graph.id(&node) else { return };
        let mut stack = self.needed_by[start.0].clone();
        while let Some(id) = stack.pop() {
            // Of another block only the repetition changes: what refers to it waits until it has ended itself.
            let resource = matches!(graph.node(id).kind, NodeKind::Resource(..));
            if self.stale.insert((self.place[id.0], id)) && !resource {
                stack.extend(&self.needed_by[id.0]);
            }
        }
    }

    /// Evaluates again what refers to blocks that have ended: before a step that looks, not after each block, as one output may
    /// refer to every block there is.
    fn settle(&mut self) {
        let affected = std::mem::take(&mut self.stale);
        if affected.is_empty() {
            return;
        }
        let graph = self.cx.inputs.graph;
        // What an expression finds wrong here was found while planning, or is found by the steps that use it. Conditions that could not be
        // judged while planning are judged here.
        let mut found = Diagnostics::new();
        for (_, id) in affected {
            let node = graph.node(id).clone();
            for module in self.world.module_instances(&node.module) {
                match &node.kind {
                    kind @ (NodeKind::Call(_) | NodeKind::Resource(..)) => self.repeat_again(&module, kind),
                    _ => evaluate::evaluate_node(&mut self.world, self.cx.inputs, &node, &module, &mut found),
                }
            }
        }
        let condition = |d: &Diagnostic| d.code == plan_codes::CONDITION || d.code == config_codes::VALIDATION_FAILED;
        self.done.diagnostics.extend(found.into_iter().filter(condition));
    }

    async fn finish(&mut self) {
        let open = std::mem::take(&mut self.open);
        self.unwritten.extend(open.into_iter().map(|(node, ..)| (node, Why::LeftOpen)));
        let interrupted = self.cx.interrupts.load(Ordering::SeqCst) > 0;
        let mut stuck = Vec::new();
        for (i, work) in self.graph.work.iter().enumerate() {
            let (Work::Apply { change, .. } | Work::Read { change } | Work::Forget { change }) = work else { continue };
            let unwritten = self.unwritten.get(&i);
            // Nothing is said of what ended as it should.
            if unwritten.is_none() && matches!(self.queue.status(i), Status::Done | Status::Failed) {
                continue;
            }
            let addr = self.cx.plan.changes[*change].label();
            let what = match work {
                Work::Apply { verb: Verb::Create, .. } => "create",
                Work::Apply { verb: Verb::Update, .. } => "update",
                Work::Apply { verb: Verb::Delete, .. } => "destroy",
                Work::Forget { .. } => "forget",
                _ => "read",
            };
            let step = format!("{what} {addr}");
            if let Some(why) = unwritten {
                self.done.undone.push(Undone { step, why: *why });
                continue;
            }
            let why = match self.queue.status(i) {
                Status::Done | Status::Failed => continue,
                _ if self.broken => Why::NotWritten,
                Status::Blocked => Why::NeedFailed,
                Status::Waiting | Status::Ready | Status::Running if interrupted => Why::Interrupted,
                Status::Waiting | Status::Ready | Status::Running => {
                    stuck.push(addr.clone());
                    Why::Stuck
                }
            };
            self.done.undone.push(Undone { step, why });
        }
        if !stuck.is_empty() {
            let detail = format!("Nothing goes on, because these steps wait for each other: {}.", stuck.join(", "));
            self.done.diagnostics.push(Diagnostic::error(codes::INTERNAL, detail).hint("Please report this plan, with its configuration."));
        }
        self.settle();
        if self.cx.plan.has_steps() && self.cx.plan.mode != RunMode::Destroy {
            let found = conditions::checks(&self.world, self.cx.inputs, false);
            self.done.diagnostics.append(found);
        }
        self.done.diagnostics = self.cx.inputs.redactor.diagnostics(std::mem::take(&mut self.done.diagnostics).distinct()).by_cause();
        if self.cx.plan.mode != RunMode::RefreshOnly || !self.done.diagnostics.has_errors() {
            self.write_outputs().await;
        }
        self.cx.events.emit(&Event::End);
    }

    async fn write_outputs(&mut self) {
        let root = ModulePath::root();
        // What the plan says nothing about stays as it is recorded.
        let unplanned = self.cx.inputs.snapshot.outputs.iter().filter(|(name, _)| !self.cx.plan.outputs.contains_key(*name));
        self.done.outputs.extend(unplanned.map(|(name, o)| (name.clone(), o.clone())));
        for (name, out) in &self.cx.plan.outputs {
            let Some(_) = out.planned else { continue };
            let Some(value) =
                self.world.get(&root, &NodeKind::Output(name.clone())).filter(|v| v.is_wholly_known() && !v.is_null()).cloned()
            else {
                continue;
            };
            self.done.outputs.insert(name.clone(), OutputRecord { value, sensitive: out.sensitive });
        }
        let before = &self.cx.inputs.snapshot.outputs;
        let unchanged = before.len() == self.done.outputs.len() && !self.cx.plan.outputs.values().any(crate::plan::OutputChange::changes);
        if !unchanged
            && !self.broken
            && let Err(d) = self.cx.store.put_outputs(&self.done.outputs).await
        {
            self.cannot_write(d);
        }
    }
}

/// Where each node stands in an order of the graph.
fn places(graph: &Graph) -> Vec<usize> {
    let mut out = vec![0; graph.len()];
    for (i, id) in graph.order().into_iter().enumerate() {
        out[id.0] = i;
    }
    out
}

async fn read_data(resource: &dyn ResourceType, session: &Session, requests: Vec<StepRequest>) -> Vec<StepResult> {
    let reads = requests.into_iter().filter_map(|r| Some(ReadRequest::new(r.addr, r.planned?, Private::Null)));
    let results = resource.read(session, reads.collect()).await;
    results
        .into_iter()
        .map(|r| match r {
            Ok(crate::resource::Observed::Present(v, p, _)) => StepResult::done(v, p),
            Ok(crate::resource::Observed::Absent) => StepResult::failed(
                Diagnostic::error(crate::diag::codes::plan::DATA_ABSENT, "What this data source describes does not exist."),
                None,
            ),
            Err(d) => StepResult::failed(d, None),
        })
        .collect()
}

fn panic_error() -> Diagnostic {
    Diagnostic::error(codes::INTERNAL, "streamform failed inside this step. What the step had done is not certain; the next plan reads it.")
        .hint("This is a defect of streamform: please report it with the configuration of this resource.")
}

/// Where an object was recorded before this plan: what `moved` blocks and renames took it from.
fn was_at(c: &Change) -> &InstanceAddr {
    c.reasons.iter().find_map(|r| if let Reason::Moved(from) = r { Some(from) } else { None }).unwrap_or(&c.addr)
}

fn record_after(c: &Change, verb: Verb, result: &StepResult, types: &[registry::Entry]) -> Option<Record> {
    let (value, private) = result.object.clone()?;
    let mut record = record_of(c, value, private, types);
    record.tainted = verb == Verb::Create && result.error.is_some();
    Some(record)
}

fn record_of(c: &Change, attributes: Value, private: Private, types: &[registry::Entry]) -> Record {
    let r = &c.addr.resource;
    let version = registry::find_in(types, r.mode, &r.type_name).map_or(0, |t| t.schema().version);
    Record {
        addr: c.addr.clone(),
        schema_version: version,
        provider: String::new(),
        attributes,
        private,
        dependencies: c.dependencies.clone(),
        tainted: false,
        protected: c.protected,
        create_before_destroy: c.create_before_destroy,
    }
}
