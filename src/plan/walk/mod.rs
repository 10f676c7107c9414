//! The walk that makes a plan: over the graph in order, wave by wave.
//!
//! Variables, locals, outputs and module calls are evaluated as soon as what they need is known. Resource blocks that become ready together
//! are one wave: their instances are expanded, everything recorded of their types is read in one batched request per type
//! (not per wave: the first wave that needs a type reads all of it), and each instance is decided by [`diff`].

mod exclude;
mod gone;
mod holders;
mod instance;
mod places;
mod providers;
mod read;
pub mod select;
pub(crate) mod statements;
mod trigger;

pub(crate) use instance::ignored;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;

use crate::addr::{InstanceAddr, InstanceKey, Mode, ModulePath, ResourceAddr, Target};
use crate::diag::codes::plan as codes;
use crate::diag::redact::Redactor;
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::graph::{Graph, Node, NodeId, NodeKind};
use crate::lang::ast::ExprKind;
use crate::lang::config::{Config, ResourceBlock};
use crate::lang::eval::body;
use crate::lang::host::Host;
use crate::plan::conditions;
use crate::plan::diff;
use crate::plan::evaluate::{context, evaluate_node, repetition};
use crate::plan::objects::{locate, place_of, softened};
use crate::plan::records::{self, Known, Rename};
use crate::plan::settle::{Holder, Settled};
use crate::plan::world::{Expansion, World};
use crate::plan::{Action, Change, Options, OutputChange, Plan, RunMode};
use crate::resource::{Answer, Observed, Op, Private, Question, ReadRequest, ResourceType, StepRequest, registry};
use crate::schema::{Schema, Set};
use crate::state::{Snapshot, codec};
use crate::value::{Marks, Value};

/// Where the walk gets what exists: the real systems, or a recording of what they said.
#[async_trait]
pub trait Observer: Send + Sync {
    /// Reads many objects of one type, results in the order of the requests.
    async fn read(&self, mode: Mode, type_name: &str, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>>;

    /// Finds an object by import id.
    async fn import(&self, addr: &InstanceAddr, id: &str, config: Option<&Value>) -> Result<(Value, Private), Diagnostic>;

    /// Answers what types ask about planned objects; in the order of the questions.
    async fn answer(&self, type_name: &str, questions: Vec<Question>) -> Vec<Result<Option<serde_json::Value>, Diagnostic>>;

    /// Asks the real systems what they think of the changes; diagnostics in the order of the requests.
    async fn probe(&self, type_name: &str, requests: Vec<StepRequest>) -> Vec<Diagnostics>;

    /// Whether it answers with what an earlier walk took in. Its digests then stand for contents that were read.
    fn is_recorded(&self) -> bool {
        false
    }

    /// An observed object with the entries of its secret maps apart, each as a digest; `None` where nothing comes apart. An observer that
    /// reads contents has no need of it.
    fn in_parts(&self, _addr: &InstanceAddr, _object: &Value) -> Option<Value> {
        None
    }

    /// Whether nothing is planned and the configuration is only checked: then also what a `count` or `for_each` repeats that is not known.
    fn checks_only(&self) -> bool {
        false
    }
}

/// What a walk starts from.
pub struct Inputs<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Its graph, without cycles.
    pub graph: &'a Graph,
    /// Values of the root variables that were given (not the defaults).
    pub variables: &'a BTreeMap<Arc<str>, Value>,
    /// The resource types.
    pub types: &'a [registry::Entry],
    /// The state.
    pub snapshot: &'a Snapshot,
    /// The choices of this run.
    pub options: &'a Options,
    /// The keyed digest of the state's store.
    pub digest: &'a (dyn Fn(&Value) -> [u8; 32] + Sync),
    /// Files, clock, randomness.
    pub host: &'a dyn Host,
    /// What exists.
    pub observer: &'a dyn Observer,
    /// Learns the sensitive texts of the run, and takes them out of what is said.
    pub redactor: &'a Redactor,
}

/// What a walk gives.
pub struct Outcome<'a> {
    /// The plan; not to be applied when there are errors.
    pub plan: Plan,
    /// The values at its end, with unknown parts.
    pub world: World<'a>,
    /// What was found wrong.
    pub diagnostics: Diagnostics,
    /// What was read, for a saved plan.
    pub observed: BTreeMap<InstanceAddr, Observed>,
    /// The arguments of the data sources that were read.
    pub arguments: BTreeMap<InstanceAddr, Value>,
    /// Who holds which real object, now and after the plan.
    pub holders: Vec<Holder>,
}

/// What one pass of the walk leaves to the next one: nothing is asked twice.
#[derive(Default)]
struct Carried {
    /// Renames that were found, one set for each pass.
    renames: Vec<Vec<Rename>>,
    /// What was seen of recorded objects, by the address of the record.
    seen: HashMap<InstanceAddr, Observed>,
    /// What was read under which address, data sources and imports included.
    asked: BTreeMap<InstanceAddr, Observed>,
    /// What data sources were given and gave.
    data: HashMap<InstanceAddr, (Value, Observed)>,
    /// Answers to questions about planned objects.
    answers: BTreeMap<InstanceAddr, Vec<Answer>>,
}

impl Carried {
    /// What a data source gave for this configuration.
    fn read(&self, p: &Pending<'_>) -> Option<&Observed> {
        self.data.get(&p.addr).filter(|(config, _)| *config == p.config).map(|(_, seen)| seen)
    }
}

/// Walks, until no two addresses name one real object. A pass that finds renames is followed by another one with the records in their new
/// places, so that whatever depends on a renamed object sees the object that is there.
pub async fn walk<'a>(inputs: &'a Inputs<'a>) -> Outcome<'a> {
    let mut carried = Carried::default();
    // Each pass gives at least one record its last place.
    for _ in 0..=inputs.snapshot.records.len() {
        let mut w = Walker::new(inputs, std::mem::take(&mut carried));
        w.run().await;
        let settled = w.settle();
        if settled.renames.is_empty() {
            return w.finish(settled).await;
        }
        carried = w.carried;
        carried.renames.push(settled.renames);
    }
    let mut w = Walker::new(inputs, carried);
    w.run().await;
    let mut settled = w.settle();
    if let Some(r) = settled.renames.first() {
        // Nothing may be created and deleted that is one object.
        let detail = format!("{} and {} name one object, and the moves of such objects come to no end.", r.from, r.to);
        settled
            .errors
            .push(Diagnostic::error(codes::SAME_OBJECT, detail).on(&r.to).hint("Say with moved blocks where each record belongs."));
    }
    w.finish(settled).await
}

impl<'a> Walker<'a> {
    fn new(inputs: &'a Inputs<'a>, carried: Carried) -> Walker<'a> {
        let mut w = Walker {
            inputs,
            world: World::new(inputs.config),
            known: records::gather(inputs.config, inputs.snapshot, &carried.renames),
            carried,
            left_out: Vec::new(),
            set_aside: Diagnostics::new(),
            unread: 0,
            targets: Vec::new(),
            excludes: Vec::new(),
            dropped: exclude::Dropped::default(),
            order: HashMap::new(),
            observed: BTreeMap::new(),
            refreshed: HashSet::new(),
            put_off: HashSet::new(),
            plan: Plan { mode: inputs.options.mode, ..Plan::default() },
            diags: Diagnostics::new(),
            selected: None,
            gone: HashMap::new(),
            in_config: HashSet::new(),
            imports: HashMap::new(),
            import_targets: Vec::new(),
            changed: HashSet::new(),
            updated: HashMap::new(),
            create_first: HashSet::new(),
            holders: Vec::new(),
        };
        w.targets = w.follow_moves(&inputs.options.targets);
        w.excludes = w.follow_moves(&inputs.options.excludes);
        w.selected = w.select();
        w.create_first = w.creates_first();
        w
    }
}

struct Walker<'a> {
    inputs: &'a Inputs<'a>,
    world: World<'a>,
    known: BTreeMap<InstanceAddr, Known>,
    observed: BTreeMap<InstanceAddr, Observed>,
    /// Types whose recorded objects were all read.
    refreshed: HashSet<Arc<str>>,
    /// Recorded objects that live in what a data source finds, and that had not been read when their type was.
    put_off: HashSet<InstanceAddr>,
    plan: Plan,
    diags: Diagnostics,
    /// The blocks that `-target` and `-exclude` leave in; `None` = all.
    selected: Option<HashSet<NodeId>>,
    /// Of a destroy of a part: recorded blocks without a block in the configuration, as nodes behind those of the graph.
    gone: HashMap<ResourceAddr, NodeId>,
    in_config: HashSet<InstanceAddr>,
    /// What this pass has from earlier ones, and leaves to later ones.
    carried: Carried,
    /// Instances that `-target` and `-exclude` leave out, as the configuration has them.
    left_out: Vec<(InstanceAddr, Value)>,
    /// Of a run that destroys: what is wrong with expressions that it can do without.
    set_aside: Diagnostics,
    /// How many of the errors so far are of real systems that did not answer. They say nothing about the configuration, so what else can be
    /// asked is asked all the same.
    unread: usize,
    /// `-target`, and where `moved` blocks and renames take what it names.
    targets: Vec<Target>,
    /// `-exclude`, in the same way.
    excludes: Vec<Target>,
    /// Instances that depend on a single instance that `-exclude` names.
    dropped: exclude::Dropped,
    /// Where each block stands in the configuration.
    order: HashMap<ResourceAddr, usize>,
    imports: HashMap<InstanceAddr, String>,
    /// Targets of import blocks, in order.
    import_targets: Vec<(InstanceAddr, crate::diag::Span)>,
    /// Blocks with an instance that changes.
    changed: HashSet<ResourceAddr>,
    /// Updates and replacements by block: their places among the plan's changes.
    updated: HashMap<ResourceAddr, Vec<usize>>,
    /// Blocks whose new object is made before the old one goes.
    create_first: HashSet<NodeId>,
    /// Who holds which real object, once all is walked.
    holders: Vec<Holder>,
}

/// One instance of a resource block on its way through a wave.
struct Pending<'a> {
    addr: InstanceAddr,
    block: &'a ResourceBlock,
    resource: &'static dyn ResourceType,
    config: Value,
    dependencies: Vec<ResourceAddr>,
    /// Neither `-target` nor `-exclude` leave it out.
    selected: bool,
    each: Option<Value>,
    /// A replacement makes the new object before the old one goes.
    create_first: bool,
    /// Something is wrong with its configuration, which has been said.
    failed: bool,
    /// The type refuses the configuration. Its plan relies on what its validation holds, so it is not asked.
    refused: bool,
}

impl<'a> Walker<'a> {
    async fn run(&mut self) {
        self.provider_names();
        let graph = self.inputs.graph;
        let needed_by = graph.needed_by();
        let mut missing: Vec<usize> = graph.ids().map(|id| graph.needs(id).len()).collect();
        let mut ready: Vec<NodeId> = graph.ids().filter(|id| missing[id.0] == 0).collect();
        let mut wave: Vec<NodeId> = Vec::new();
        loop {
            let done = if let Some(id) = ready.pop() {
                if matches!(graph.node(id).kind, NodeKind::Resource(..)) {
                    wave.push(id);
                    continue;
                }
                self.evaluate(id);
                vec![id]
            } else if !wave.is_empty() {
                wave.sort();
                let now = std::mem::take(&mut wave);
                self.resources(&now).await;
                now
            } else {
                break;
            };
            for next in done.iter().flat_map(|id| &needed_by[id.0]) {
                missing[next.0] -= 1;
                if missing[next.0] == 0 {
                    ready.push(*next);
                }
            }
        }
        self.provider_values();
        if !self.destroys() {
            self.statements();
        }
        self.orphans().await;
        self.outputs();
        if self.destroys() {
            self.turn_to_destroy();
            // What a failed read or data source needed may be among it.
            if self.diags.has_errors() {
                self.diags.append(std::mem::take(&mut self.set_aside));
            }
        }
        self.deposed();
    }

    /// Whether something is wrong beside real systems that did not answer.
    fn is_wrong(&self) -> bool {
        errors(&self.diags) > self.unread
    }

    /// Takes in why a real system did not answer.
    fn not_answered(&mut self, diags: impl IntoIterator<Item = Diagnostic>) {
        let before = errors(&self.diags);
        self.diags.extend(diags);
        self.unread += errors(&self.diags) - before;
    }

    fn destroys(&self) -> bool {
        self.inputs.options.mode == RunMode::Destroy
    }

    /// Takes in what was settled about holders, and asks the real systems what they think.
    async fn finish(mut self, settled: Settled) -> Outcome<'a> {
        let holders = std::mem::take(&mut self.holders);
        self.take_settled(settled);
        self.go_with_places();
        if self.inputs.options.mode != RunMode::RefreshOnly && !self.is_wrong() {
            self.probe().await;
        }
        // With targets, what a check looks at may not be as it will be.
        if self.inputs.options.mode != RunMode::Destroy && self.selected.is_none() {
            self.diags.append(conditions::checks(&self.world, self.inputs, !self.diags.has_errors()));
        }
        let position = |c: &Change| self.order.get(&c.addr.resource).copied().unwrap_or(usize::MAX);
        self.plan.changes.sort_by_cached_key(|c| (position(c), c.addr.clone()));
        self.plan.answers = self.carried.answers;
        let redactor = self.inputs.redactor;
        self.plan.changes.iter_mut().for_each(|c| c.redact(redactor));
        let diagnostics = redactor.diagnostics(self.diags.distinct()).by_cause();
        let arguments = self.carried.data.into_iter().map(|(addr, (config, _))| (addr, config)).collect();
        Outcome { plan: self.plan, world: self.world, diagnostics, observed: self.carried.asked, arguments, holders }
    }

    // --- values -----------------------------------------------------------------------------------------------------

    fn evaluate(&mut self, id: NodeId) {
        let node = self.inputs.graph.node(id).clone();
        for module in self.world.module_instances(&node.module) {
            self.evaluate_in(&node, &module);
        }
    }

    fn evaluate_in(&mut self, node: &Node, module: &ModulePath) {
        let mut diags = Diagnostics::new();
        evaluate_node(&mut self.world, self.inputs, node, module, &mut diags);
        if self.destroys() && !(module.is_root() && matches!(node.kind, NodeKind::Variable(_))) {
            // What is destroyed is in the state. An expression that fails matters only where a data source needs it.
            self.set_aside.append(diags);
            if let NodeKind::Call(name) = &node.kind
                && self.world.call(module, name) == Some(&Expansion::Failed)
            {
                let recorded = self.recorded_keys(&module.child(name, None));
                self.world.set_call(module, name, Expansion::of_keys(&recorded));
            }
            return;
        }
        self.diags.append(diags);
    }

    // --- resources --------------------------------------------------------------------------------------------------

    async fn resources(&mut self, wave: &[NodeId]) {
        let mut pending: Vec<Pending<'a>> = Vec::new();
        let mut blocks: Vec<(ResourceAddr, Expansion)> = Vec::new();
        let mut recorded: Vec<ResourceAddr> = Vec::new();
        for id in wave {
            let node = self.inputs.graph.node(*id).clone();
            for module in self.world.module_instances(&node.module) {
                let NodeKind::Resource(mode, t, n) = &node.kind else { continue };
                let addr = self.as_recorded(ResourceAddr::new(module.clone(), *mode, t.clone(), n.clone()));
                self.order.insert(addr.clone(), id.0);
                if self.destroys() && *mode == Mode::Managed {
                    recorded.push(addr);
                    continue;
                }
                if let Some(expansion) = self.expand_block(*id, &addr, &mut pending) {
                    blocks.push((addr, expansion));
                }
            }
        }
        self.recorded_blocks(recorded).await;
        self.read_imports(&pending);
        self.refresh(&pending).await;
        let mut values: HashMap<ResourceAddr, HashMap<Option<InstanceKey>, Value>> = HashMap::new();
        self.in_config.extend(pending.iter().map(|p| p.addr.clone()));
        let failed: HashSet<InstanceAddr> = pending.iter().filter(|p| p.failed).map(|p| p.addr.clone()).collect();
        let is_data = |p: &Pending<'a>| p.addr.resource.mode == Mode::Data;
        let (data, managed): (Vec<Pending<'a>>, Vec<Pending<'a>>) = match pending.iter().any(is_data) {
            true => pending.into_iter().partition(is_data),
            false => (vec![], pending),
        };
        let decided = self.instances(&managed).await;
        for (p, value) in managed.iter().zip(decided) {
            values.entry(p.addr.resource.clone()).or_default().insert(p.addr.key.clone(), value);
        }
        for (addr, value) in self.data_sources(data).await {
            values.entry(addr.resource.clone()).or_default().insert(addr.key, value);
        }
        for addr in failed {
            if let Some(value) = values.get_mut(&addr.resource).and_then(|of| of.get_mut(&addr.key)) {
                *value = value.clone().mark(Marks::FAILED);
            }
        }
        for (addr, expansion) in blocks {
            let of = values.remove(&addr).unwrap_or_default();
            self.world.set_block(addr, expansion, &of);
        }
    }

    /// The same address, shared with the records of the block, so that comparing the two takes no look at names.
    fn as_recorded(&self, block: ResourceAddr) -> ResourceAddr {
        let first = self.known.range(block.instance(None)..).next().map(|(a, _)| &a.resource);
        first.filter(|r| **r == block).cloned().unwrap_or(block)
    }

    fn expand_block(&mut self, id: NodeId, addr: &ResourceAddr, pending: &mut Vec<Pending<'a>>) -> Option<Expansion> {
        let module = self.world.module(&addr.module)?.module;
        let block = module.resources.get(&(addr.mode, addr.type_name.clone(), addr.name.clone()))?;
        let Some(resource) = registry::find_in(self.inputs.types, addr.mode, &addr.type_name) else {
            self.diags.push(registry::unknown_type(addr, block.type_name.span));
            return Some(Expansion::Failed);
        };
        let mut diags = Diagnostics::new();
        let cx = context(self.inputs, &module.dir);
        let selected = self.selected.as_ref().is_none_or(|s| s.contains(&id));
        let mut own = Diagnostics::new();
        let expansion = repetition(&block.repetition, &self.world.scope(&addr.module), &cx, &mut own);
        // The number of instances need not be known of a block that is left out.
        if selected || self.destroys() {
            diags.append(own);
        }
        let expansion = if self.inputs.observer.checks_only() { expansion.or_stand_in() } else { expansion };
        for e in &block.lifecycle.ignore_changes {
            let ExprKind::Traversal { root, .. } = &*e.kind else { continue };
            diags.extend(registry::unknown_attribute(resource.schema(), &root.name).map(|d| d.at(e.span).on(addr)));
            diags.extend(redundant(resource.schema(), &root.name).map(|d| d.at(e.span).on(addr)));
        }
        let dependencies = self.dependencies(id, addr);
        if self.destroys() {
            self.set_aside.append(std::mem::take(&mut diags));
        }
        let keys = expansion.keys();
        pending.reserve(keys.len());
        for (key, each) in keys {
            let instance = addr.instance(key.clone());
            let dropped = selected && self.goes_with_excluded(block, &instance, &each);
            let scope = self.world.scope(&addr.module).repeated(key, each.clone());
            let selected = selected && !dropped && self.selects(&instance, true);
            let preconditions = if selected { &block.lifecycle.preconditions[..] } else { &[] };
            let mut own = conditions::all(preconditions, self.inputs.options.mode, &scope, &cx);
            let config = body::decode(&block.body, &resource.schema().body, &scope, &cx, &mut own);
            self.inputs.redactor.learn(&config);
            own.extend(ephemeral_attributes(&config));
            let readable = !own.has_errors();
            if readable {
                resource.validate(&config, &mut own);
            }
            let refused = readable && own.has_errors();
            let failed = own.has_errors() || config.deep_marks().is_failed();
            if failed {
                diags.append(std::mem::take(&mut self.set_aside));
            }
            diags.extend(own.into_iter().map(|d| softened(locate(d, block, &instance), block)));
            let create_first = self.create_first.contains(&id);
            pending.push(Pending {
                addr: instance,
                block,
                resource,
                config,
                dependencies: dependencies.clone(),
                selected,
                each,
                create_first,
                failed,
                refused,
            });
        }
        self.diags.append(diags);
        Some(expansion)
    }

    /// The blocks that a block needs directly, in the module instances that they may lie in.
    fn dependencies(&self, id: NodeId, addr: &ResourceAddr) -> Vec<ResourceAddr> {
        let graph = self.inputs.graph;
        let mut out = BTreeSet::new();
        for dep in graph.resources_needed(id) {
            let node = graph.node(dep);
            let NodeKind::Resource(mode, t, n) = &node.kind else { continue };
            let same = node.module == addr.module.without_keys();
            let modules = if same { vec![addr.module.clone()] } else { self.world.module_instances(&node.module) };
            out.extend(modules.into_iter().map(|module| ResourceAddr::new(module, *mode, t.clone(), n.clone())));
        }
        out.into_iter().collect()
    }

    // --- outputs, probes ----------------------------------------------------------------------------------------------

    fn outputs(&mut self) {
        let root = &self.inputs.config.root;
        for (name, out) in &root.outputs {
            // An output that is null is none.
            let planned = self.world.get(&ModulePath::root(), &NodeKind::Output(name.clone())).filter(|v| !v.is_null()).cloned();
            // Said before anything is changed: the state would refuse it at the end.
            if let Some(Err(d)) = planned.as_ref().map(|v| codec::check_depth(v, &format!("the output {name:?}"))) {
                self.diags.push(d.at(out.value.span).on(format!("output.{name}")));
            }
            let recorded = self.inputs.snapshot.outputs.get(name).map(|o| o.value.clone());
            let prior = match (&recorded, &planned) {
                (Some(r), Some(p)) => Some(diff::rehydrate(r, p, self.inputs.digest)),
                _ => recorded,
            };
            let prior = if out.sensitive { prior.map(Value::sensitive) } else { prior };
            let was_sensitive = self.inputs.snapshot.outputs.get(name).is_some_and(|o| o.sensitive);
            if prior.is_some() || planned.is_some() {
                self.plan.outputs.insert(name.clone(), OutputChange { prior, planned, sensitive: out.sensitive, was_sensitive });
            }
        }
        for (name, old) in &self.inputs.snapshot.outputs {
            let gone =
                OutputChange { prior: Some(old.value.clone()), planned: None, sensitive: old.sensitive, was_sensitive: old.sensitive };
            self.plan.outputs.entry(name.clone()).or_insert(gone);
        }
        // Of a part of the configuration, only what is certain is written. What the plan says nothing about stays as it is recorded.
        match (&self.selected, self.inputs.options.mode) {
            (Some(selected), RunMode::Destroy) => {
                let node =
                    |name: &Arc<str>| self.inputs.graph.id(&Node { module: ModulePath::root(), kind: NodeKind::Output(name.clone()) });
                self.plan.outputs.retain(|name, _| node(name).is_some_and(|id| selected.contains(&id)));
            }
            (Some(_), _) | (None, RunMode::RefreshOnly) => {
                self.plan.outputs.retain(|_, o| o.planned.as_ref().is_some_and(Value::is_wholly_known));
            }
            (None, _) => {}
        }
    }

    async fn probe(&mut self) {
        let mut by_type: BTreeMap<Arc<str>, Vec<(InstanceAddr, StepRequest)>> = BTreeMap::new();
        let types = self.inputs.types;
        // Nobody answers in a place that is down, and one that changes answers for what it will not be any more: a worker that gets a plugin, a
        // cluster that gets brokers. What such a place refuses shows in the apply.
        let changing: HashSet<&InstanceAddr> = self.plan.changes.iter().filter(|c| c.action.changes()).map(|c| &c.addr).collect();
        let cannot_say = |resource: &dyn ResourceType, r: &StepRequest| {
            r.planned.as_ref().or(r.prior.as_ref()).is_some_and(|object| {
                let changes = || place_of(resource, object).is_some_and(|p| changing.contains(&*p));
                self.is_down(resource, object) || r.planned.is_some() && changes()
            })
        };
        for c in &self.plan.changes {
            let Some(resource) = registry::find_in(types, Mode::Managed, &c.addr.resource.type_name) else { continue };
            for request in questions(c, resource.probes_deletes()).into_iter().filter(|r| !cannot_say(resource, r)) {
                by_type.entry(c.addr.resource.type_name.clone()).or_default().push((c.addr.clone(), request));
            }
        }
        // A right that is lacking now may be what this run gives first.
        let blocks: HashSet<&ResourceAddr> = changing.iter().map(|a| &a.resource).collect();
        let after_changes = |c: &&Change| c.dependencies.iter().any(|d| blocks.contains(d));
        let hopeful: HashSet<InstanceAddr> = self.plan.changes.iter().filter(after_changes).map(|c| c.addr.clone()).collect();
        for (t, requests) in by_type {
            let (addrs, requests): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
            let results = self.inputs.observer.probe(&t, requests).await;
            let mut results = results.into_iter();
            let resource = registry::find_in(self.inputs.types, Mode::Managed, &t);
            for addr in &addrs {
                let found = results.next().unwrap_or_else(|| read::no_answer(&t).into());
                let block = self.block(addr);
                let premature = |d: &Diagnostic| hopeful.contains(addr) && resource.is_some_and(|r| r.is_missing_right(d));
                self.diags.extend(found.into_iter().filter(|d| !premature(d)).map(|d| match block {
                    Some(b) => locate(d, b, addr),
                    None => d.on(addr),
                }));
            }
        }
    }

    fn block(&self, addr: &InstanceAddr) -> Option<&'a ResourceBlock> {
        let module = self.world.module(&addr.resource.module)?.module;
        module.resources.get(&(addr.resource.mode, addr.resource.type_name.clone(), addr.resource.name.clone()))
    }
}

impl Pending<'_> {
    /// Whether all of the configuration is known, the objects that it refers to included.
    fn config_known(&self) -> bool {
        self.config.is_wholly_known()
    }
}

/// What the real system is asked about a change. A replacement is a deletion and a creation, and is asked about as both are.
fn questions(c: &Change, deletes: bool) -> Vec<StepRequest> {
    let step = |prior: Option<&Value>, planned: Option<&Value>, ops: &[Op]| StepRequest {
        addr: c.addr.clone(),
        prior: prior.cloned(),
        planned: planned.cloned(),
        private: if prior.is_some() { c.private.clone() } else { Private::Null },
        timeout: std::time::Duration::from_secs(60),
        begun: c.begun,
        replaces: None,
        ops: ops.to_vec(),
    };
    let (prior, planned) = (c.prior.as_ref(), c.planned.as_ref());
    let deletion = |ops| deletes.then(|| step(prior, None, ops));
    match c.action {
        Action::Create => vec![step(None, planned, &c.ops)],
        Action::Update => vec![step(prior, planned, &c.ops)],
        Action::Delete => deletion(&c.ops).into_iter().collect(),
        Action::Replace => {
            let creation = StepRequest { replaces: prior.cloned(), ..step(None, planned, &c.ops) };
            [creation].into_iter().chain(deletion(&c.delete_ops)).collect()
        }
        // The old object is still there when the new one is made.
        Action::ReplaceCreateFirst => [step(None, planned, &c.ops)].into_iter().chain(deletion(&c.delete_ops)).collect(),
        _ => vec![],
    }
}

fn errors(diags: &Diagnostics) -> usize {
    diags.iter().filter(|d| d.severity == Severity::Error).count()
}

/// A warning for what `ignore_changes` names in vain.
fn redundant(schema: &Schema, name: &str) -> Option<Diagnostic> {
    schema.body.attribute(name).filter(|a| a.set == Set::Computed)?;
    let detail = format!("No configuration sets {name:?}, so there is no change to ignore.");
    Some(Diagnostic::warning(codes::REDUNDANT, detail).hint("Remove it from ignore_changes."))
}

/// What is ephemeral is gone after the run, and an argument of a resource is kept in the state.
fn ephemeral_attributes(config: &Value) -> Vec<Diagnostic> {
    let found = config.as_map().into_iter().flatten().filter(|(_, v)| v.deep_marks().is_ephemeral());
    let error = |name: &str| {
        let detail = format!("The value of {name:?} is ephemeral, and what a resource is given is kept in the state.");
        let d = Diagnostic::error(crate::diag::codes::plan::EPHEMERAL, detail)
            .hint("Use a value that is not ephemeral, or ephemeralasnull() where null will do.");
        crate::resource::attr_error(name, d)
    };
    found.map(|(name, _)| error(name)).collect()
}
