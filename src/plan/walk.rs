//! The walk that makes a plan: over the graph in order, wave by wave.
//!
//! Variables, locals, outputs and module calls are evaluated as soon as what they need is known. Resource blocks that become ready together
//! are one wave: their instances are expanded, everything recorded of their types is read in one batched request per type
//! (not per wave: the first wave that needs a type reads all of it), and each instance is decided by [`diff`].

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::conditions::{self, condition};
use super::diff::{self, decide};
use super::records::{self, Known};
use super::world::{Expansion, World};
use super::{Action, Change, Drift, Options, OutputChange, Plan, Reason, RunMode};
use crate::addr::{InstanceAddr, InstanceKey, Mode, ModulePath, ResourceAddr};
use crate::diag::codes::plan as codes;
use crate::diag::{Diagnostic, Diagnostics};
use crate::graph::{Graph, Node, NodeId, NodeKind};
use crate::lang::ast::{Expr, ExprKind, Step};
use crate::lang::config::{Config, Output, Repetition, ResourceBlock, Variable, variables};
use crate::lang::eval::{EvalContext, Scope, body, eval};
use crate::lang::host::Host;
use crate::resource::{ATTR_PATH, Observed, Private, ReadRequest, ResourceType, StepRequest, registry};
use crate::schema::AttrType;
use crate::state::{Record, Snapshot};
use crate::value::convert::convert;
use crate::value::{Repr, Type, Value};

/// Where the walk gets what exists: the real systems, or a recording of what they said.
#[async_trait]
pub trait Observer: Send + Sync {
    /// Reads many objects of one type, results in the order of the requests.
    async fn read(&self, mode: Mode, type_name: &str, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>>;

    /// Finds an object by import id.
    async fn import(&self, addr: &InstanceAddr, id: &str, config: Option<&Value>) -> Result<(Value, Private), Diagnostic>;

    /// Asks the real systems what they think of the changes; diagnostics in the order of the requests.
    async fn probe(&self, type_name: &str, requests: Vec<StepRequest>) -> Vec<Diagnostics>;
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
}

/// Walks.
pub async fn walk<'a>(inputs: &'a Inputs<'a>) -> Outcome<'a> {
    let mut w = Walker {
        inputs,
        world: World::new(inputs.config),
        known: records::gather(inputs.config, inputs.snapshot),
        observed: BTreeMap::new(),
        refreshed: HashSet::new(),
        plan: Plan { mode: inputs.options.mode, ..Plan::default() },
        diags: Diagnostics::new(),
        selected: None,
        in_config: HashSet::new(),
        keys: HashMap::new(),
        imports: HashMap::new(),
        changed: HashSet::new(),
    };
    w.selected = w.select();
    w.run().await;
    Outcome { plan: w.plan, world: w.world, diagnostics: w.diags.distinct(), observed: w.observed }
}

struct Walker<'a> {
    inputs: &'a Inputs<'a>,
    world: World<'a>,
    known: BTreeMap<InstanceAddr, Known>,
    observed: BTreeMap<InstanceAddr, Observed>,
    /// Types whose recorded objects were all read.
    refreshed: HashSet<Arc<str>>,
    plan: Plan,
    diags: Diagnostics,
    /// The blocks that `-target` and `-exclude` leave in; `None` = all.
    selected: Option<HashSet<NodeId>>,
    in_config: HashSet<InstanceAddr>,
    /// Natural keys seen, to find two blocks that mean one object.
    keys: HashMap<String, InstanceAddr>,
    imports: HashMap<InstanceAddr, String>,
    /// Blocks with an instance that changes.
    changed: HashSet<ResourceAddr>,
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
}

impl<'a> Walker<'a> {
    async fn run(&mut self) {
        let graph = self.inputs.graph;
        let needed_by = graph.needed_by();
        let mut missing: Vec<usize> = graph.ids().map(|id| graph.needs(id).len()).collect();
        let mut ready: Vec<NodeId> = graph.ids().filter(|id| missing[id.0] == 0).collect();
        let mut wave: Vec<NodeId> = Vec::new();
        let mut order: HashMap<ResourceAddr, usize> = HashMap::new();
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
                self.resources(&now, &mut order).await;
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
        self.orphans().await;
        self.outputs();
        if self.inputs.options.mode == RunMode::Destroy {
            self.turn_to_destroy();
        }
        if self.inputs.options.mode == RunMode::Normal && !self.diags.has_errors() {
            self.probe().await;
        }
        if self.inputs.options.mode != RunMode::Destroy {
            self.diags.append(conditions::checks(&self.world, self.inputs, !self.diags.has_errors()));
        }
        let position = |c: &Change| order.get(&c.addr.resource).copied().unwrap_or(usize::MAX);
        self.plan.changes.sort_by_cached_key(|c| (position(c), c.addr.clone()));
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
        self.diags.append(diags);
    }

    // --- resources --------------------------------------------------------------------------------------------------

    async fn resources(&mut self, wave: &[NodeId], order: &mut HashMap<ResourceAddr, usize>) {
        let mut pending: Vec<Pending<'a>> = Vec::new();
        let mut blocks: Vec<(ResourceAddr, Expansion)> = Vec::new();
        for id in wave {
            let node = self.inputs.graph.node(*id).clone();
            for module in self.world.module_instances(&node.module) {
                let NodeKind::Resource(mode, t, n) = &node.kind else { continue };
                let addr = ResourceAddr { module: module.clone(), mode: *mode, type_name: t.clone(), name: n.clone() };
                order.insert(addr.clone(), id.0);
                if let Some(expansion) = self.expand_block(*id, &addr, &mut pending) {
                    blocks.push((addr, expansion));
                }
            }
        }
        self.read_imports(&pending);
        self.refresh(&pending).await;
        let mut values: HashMap<ResourceAddr, HashMap<Option<InstanceKey>, Value>> = HashMap::new();
        let mut data: Vec<Pending<'a>> = Vec::new();
        for p in pending {
            self.in_config.insert(p.addr.clone());
            if p.addr.resource.mode == Mode::Data {
                data.push(p);
                continue;
            }
            let value = self.instance(&p).await;
            values.entry(p.addr.resource.clone()).or_default().insert(p.addr.key.clone(), value);
        }
        for (addr, value) in self.data_sources(data).await {
            values.entry(addr.resource.clone()).or_default().insert(addr.key, value);
        }
        for (addr, expansion) in blocks {
            let of = values.remove(&addr).unwrap_or_default();
            self.world.set_block(addr, expansion, &of);
        }
    }

    fn expand_block(&mut self, id: NodeId, addr: &ResourceAddr, pending: &mut Vec<Pending<'a>>) -> Option<Expansion> {
        let module = self.world.module(&addr.module)?.module;
        let block = module.resources.get(&(addr.mode, addr.type_name.clone(), addr.name.clone()))?;
        let Some(resource) = registry::find_in(self.inputs.types, addr.mode, &addr.type_name) else {
            self.diags.push(registry::unknown_type(addr, block.type_name.span));
            return Some(Expansion::One);
        };
        let mut diags = Diagnostics::new();
        let cx = context(self.inputs, &module.dir);
        let expansion = repetition(&block.repetition, &self.world.scope(&addr.module), &cx, &mut diags);
        for e in &block.lifecycle.ignore_changes {
            let ExprKind::Traversal { root, .. } = &*e.kind else { continue };
            diags.extend(registry::unknown_attribute(resource.schema(), &root.name).map(|d| d.at(e.span).on(addr)));
        }
        let dependencies = self.dependencies(id, addr);
        let selected = self.selected.as_ref().is_none_or(|s| s.contains(&id));
        for (key, each) in expansion.as_ref().map(Expansion::keys).unwrap_or_default() {
            let scope = self.world.scope(&addr.module).repeated(key.clone(), each.clone());
            let instance = addr.instance(key);
            let mut own = Diagnostics::new();
            for c in &block.lifecycle.preconditions {
                condition(c, &scope, &cx, &mut own);
            }
            let config = body::decode(&block.body, &resource.schema().body, &scope, &cx, &mut own);
            if !own.has_errors() {
                resource.validate(&config, &mut own);
            }
            diags.extend(own.into_iter().map(|d| softened(locate(d, block, &instance), block)));
            let selected = selected && self.selects(&instance, true);
            pending.push(Pending { addr: instance, block, resource, config, dependencies: dependencies.clone(), selected, each });
        }
        self.diags.append(diags);
        expansion.or(Some(Expansion::One))
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
            out.extend(modules.into_iter().map(|module| ResourceAddr { module, mode: *mode, type_name: t.clone(), name: n.clone() }));
        }
        out.into_iter().collect()
    }

    async fn instance(&mut self, p: &Pending<'a>) -> Value {
        let known = self.known.get(&p.addr).cloned();
        let (mut prior, private, gone) = self.present(&p.addr);
        if !p.selected {
            return self.skip(p, prior, private);
        }
        let mut reasons = Vec::new();
        let mut private = private;
        if prior.is_none()
            && let Some(id) = self.imports.get(&p.addr).cloned()
        {
            match self.inputs.observer.import(&p.addr, &id, Some(&p.config)).await {
                Ok((value, own)) => {
                    self.observed.insert(p.addr.clone(), Observed::Present(value.clone(), own.clone()));
                    prior = Some(value);
                    private = own;
                    reasons.push(Reason::Imported(id));
                }
                Err(d) => self.diags.push(d.on(&p.addr).at(p.block.span)),
            }
        }
        let prior = prior.map(|v| diff::rehydrate(&v, &p.config, self.inputs.digest));
        reasons.extend(known.as_ref().and_then(|k| k.moved_from.clone()).map(Reason::Moved));
        if gone && prior.is_none() {
            reasons.push(Reason::Missing);
        }
        // What is only looked at or taken down need not be something that could be made.
        if self.inputs.options.mode != RunMode::Normal {
            return self.keep(p, prior, private, reasons);
        }
        let force = self.forced(p, known.as_ref());
        let ignore = ignored(p.block);
        let input = diff::Input {
            addr: &p.addr,
            resource: p.resource,
            prior: prior.as_ref(),
            private: &private,
            config: &p.config,
            ignore: &ignore,
            ignore_all: p.block.lifecycle.ignore_all,
            force,
            create_first: p.block.lifecycle.create_before_destroy,
            digest: self.inputs.digest,
        };
        let verdict = decide(input);
        self.diags.extend(verdict.diagnostics.into_iter().map(|d| locate(d, p.block, &p.addr)));
        reasons.extend(verdict.reasons);
        self.check_natural_key(p, &verdict.planned);
        let planned = with_origin(&verdict.planned, &p.addr);
        self.postconditions(p, &planned);
        let protected = self.protection(p);
        let adopted = known.as_ref().is_some_and(|k| k.in_doubt || k.moved_from.is_some()) && prior.is_some();
        let imported = reasons.iter().any(|r| matches!(r, Reason::Imported(_)));
        let change = Change {
            addr: p.addr.clone(),
            action: verdict.action,
            reasons,
            prior,
            private,
            deferred: !p.config_known(),
            planned: Some(planned.clone()),
            effects: verdict.effects,
            data_loss: verdict.data_loss,
            dependencies: p.dependencies.clone(),
            protected,
            timeouts: self.timeouts(p),
            create_before_destroy: p.block.lifecycle.create_before_destroy,
            record_changes: adopted || imported,
        };
        if let Some(d) = protection_error(&change, p.block) {
            self.diags.push(d);
        }
        if change.action.changes() {
            self.changed.insert(p.addr.resource.clone());
        }
        self.plan.changes.push(change);
        planned
    }

    /// What was found of an instance: object, private part, and whether a recorded object is certainly gone.
    fn present(&self, addr: &InstanceAddr) -> (Option<Value>, Private, bool) {
        match (self.observed.get(addr), self.known.get(addr)) {
            (Some(Observed::Present(v, p)), _) => (Some(v.clone()), p.clone(), false),
            (Some(Observed::Absent), Some(k)) => (None, Private::Null, !k.in_doubt),
            (None, Some(k)) if !k.in_doubt => (Some(k.record.attributes.clone()), k.record.private.clone(), false),
            _ => (None, Private::Null, false),
        }
    }

    fn forced(&self, p: &Pending<'a>, known: Option<&Known>) -> Option<Reason> {
        let triggered = || {
            let names = p.block.lifecycle.replace_triggered_by.iter().filter_map(|e| block_of(e, &p.addr.resource.module));
            names.into_iter().any(|b| self.changed.contains(&b))
        };
        if known.is_some_and(|k| k.record.tainted) {
            return Some(Reason::Tainted);
        }
        if self.inputs.options.replace.contains(&p.addr) {
            return Some(Reason::Requested);
        }
        triggered().then_some(Reason::Triggered)
    }

    fn skip(&mut self, p: &Pending<'a>, prior: Option<Value>, private: Private) -> Value {
        self.plan.skipped.push(p.addr.to_string());
        match prior {
            Some(v) => self.keep(p, Some(v), private, vec![]),
            None => with_origin(&diff::propose(&p.resource.schema().body, None, &p.config), &p.addr),
        }
    }

    fn keep(&mut self, p: &Pending<'a>, prior: Option<Value>, private: Private, reasons: Vec<Reason>) -> Value {
        let Some(value) = prior else { return Value::unknown(Type::Dynamic) };
        let value = with_origin(&self.hydrate(&value, p.resource), &p.addr);
        self.plan.changes.push(Change {
            addr: p.addr.clone(),
            action: Action::NoOp,
            reasons,
            prior: Some(value.clone()),
            private,
            planned: Some(value.clone()),
            effects: vec![],
            data_loss: vec![],
            dependencies: p.dependencies.clone(),
            deferred: false,
            protected: self.known.get(&p.addr).is_some_and(|k| k.record.protected),
            timeouts: BTreeMap::new(),
            create_before_destroy: false,
            record_changes: false,
        });
        value
    }

    fn check_natural_key(&mut self, p: &Pending<'a>, planned: &Value) {
        let Some(key) = p.resource.natural_key(planned) else { return };
        let of_type = format!("{} {key}", p.addr.resource.type_name);
        if let Some(other) = self.keys.insert(of_type, p.addr.clone()) {
            let d = Diagnostic::error(codes::SAME_OBJECT, format!("{other} and {} both declare {key}.", p.addr))
                .hint("One object belongs to one block. Remove one of them, or change its name.");
            self.diags.push(d.on(&p.addr).at(p.block.span));
        }
    }

    fn postconditions(&mut self, p: &Pending<'a>, planned: &Value) {
        let Some(module) = self.world.module(&p.addr.resource.module) else { return };
        let cx = context(self.inputs, &module.module.dir);
        let scope = self.world.scope(&p.addr.resource.module).repeated(p.addr.key.clone(), p.each.clone()).with_self(planned.clone());
        let mut diags = Diagnostics::new();
        for c in &p.block.lifecycle.postconditions {
            condition(c, &scope, &cx, &mut diags);
        }
        self.diags.extend(diags.into_iter().map(|d| d.on(&p.addr)));
    }

    fn protection(&mut self, p: &Pending<'a>) -> bool {
        let Some(expr) = &p.block.lifecycle.prevent_destroy else { return false };
        let Some(module) = self.world.module(&p.addr.resource.module) else { return false };
        let cx = context(self.inputs, &module.module.dir);
        let scope = self.world.scope(&p.addr.resource.module).repeated(p.addr.key.clone(), p.each.clone());
        // Not yet known counts as protected: destroying is what cannot be taken back.
        let value = eval(expr, &scope, &cx, &mut self.diags);
        value.as_bool().unwrap_or(!value.is_null())
    }

    fn timeouts(&mut self, p: &Pending<'a>) -> BTreeMap<String, u64> {
        let Some(module) = self.world.module(&p.addr.resource.module) else { return BTreeMap::new() };
        let cx = context(self.inputs, &module.module.dir);
        let scope = self.world.scope(&p.addr.resource.module).repeated(p.addr.key.clone(), p.each.clone());
        let mut out = BTreeMap::new();
        for (name, expr) in &p.block.timeouts {
            let value = eval(expr, &scope, &cx, &mut self.diags);
            match value.as_str().and_then(duration_ms) {
                Some(ms) => drop(out.insert(name.name.to_string(), ms)),
                None => self.diags.push(
                    Diagnostic::error(codes::BAD_TIMEOUT, format!("{value} is not a duration."))
                        .at(expr.span)
                        .on(&p.addr)
                        .hint("Write a number with a unit: \"30s\", \"5m\" or \"1h30m\"."),
                ),
            }
        }
        out
    }

    // --- reads ------------------------------------------------------------------------------------------------------

    /// Reads every recorded object of the types of this wave that was not read yet: one batch per type.
    async fn refresh(&mut self, pending: &[Pending<'a>]) {
        let types: BTreeSet<Arc<str>> = pending.iter().map(|p| p.addr.resource.type_name.clone()).collect();
        for t in types {
            self.refresh_type(&t).await;
        }
    }

    async fn refresh_type(&mut self, type_name: &Arc<str>) {
        let Some(resource) = registry::find_in(self.inputs.types, Mode::Managed, type_name) else { return };
        if !self.refreshed.insert(type_name.clone()) {
            return;
        }
        let due: Vec<(InstanceAddr, Arc<Record>)> = self
            .known
            .iter()
            .filter(|(a, k)| {
                a.resource.type_name == *type_name && !self.observed.contains_key(*a) && (self.inputs.options.refresh || k.in_doubt)
            })
            .map(|(a, k)| (a.clone(), Arc::clone(&k.record)))
            .collect();
        let requests: Vec<ReadRequest> = due
            .iter()
            .map(|(addr, r)| ReadRequest { addr: addr.clone(), prior: self.hydrate(&r.attributes, resource), private: r.private.clone() })
            .collect();
        if requests.is_empty() {
            return;
        }
        let results = self.inputs.observer.read(Mode::Managed, type_name, requests).await;
        let mut failed = Vec::new();
        for ((addr, record), result) in due.into_iter().zip(results) {
            match result {
                Ok(seen) => {
                    self.note_drift(&addr, &record, &seen, resource);
                    self.observed.insert(addr, seen);
                }
                Err(d) => failed.push(d.on(&addr)),
            }
        }
        self.diags.extend(once_each(failed));
    }

    fn note_drift(&mut self, addr: &InstanceAddr, record: &Record, seen: &Observed, resource: &'static dyn ResourceType) {
        if self.known.get(addr).is_some_and(|k| k.in_doubt) {
            return;
        }
        let found = match seen {
            Observed::Absent => None,
            Observed::Present(v, _) => {
                let was = diff::rehydrate(&record.attributes, v, self.inputs.digest);
                if diff::changed_attributes(&resource.schema().body, &was, v).is_empty() {
                    return;
                }
                Some(v.clone())
            }
        };
        self.plan.drift.push(Drift { addr: addr.clone(), recorded: record.attributes.clone(), found });
    }

    /// Puts the current objects behind references that the state keeps as addresses.
    fn hydrate(&self, value: &Value, resource: &dyn ResourceType) -> Value {
        hydrate(value, resource, &|addr| self.current(addr))
    }

    fn current(&self, addr: &InstanceAddr) -> Option<Value> {
        match self.observed.get(addr) {
            Some(Observed::Present(v, _)) => Some(with_origin(v, addr)),
            _ if addr.resource.mode == Mode::Data => self.world.instance(addr).or_else(|| self.recorded(addr)),
            _ => self.recorded(addr),
        }
    }

    fn recorded(&self, addr: &InstanceAddr) -> Option<Value> {
        self.known.get(addr).map(|k| with_origin(&k.record.attributes, addr))
    }

    async fn data_sources(&mut self, pending: Vec<Pending<'a>>) -> Vec<(InstanceAddr, Value)> {
        let mut out = Vec::new();
        let mut by_type: BTreeMap<Arc<str>, Vec<Pending<'a>>> = BTreeMap::new();
        for p in pending {
            let waits = p.dependencies.iter().any(|d| d.mode == Mode::Managed && self.changed.contains(d))
                && (!p.block.depends_on.is_empty() || p.block.in_check.is_some());
            if p.config_known() && !waits && !self.diags.has_errors() {
                by_type.entry(p.addr.resource.type_name.clone()).or_default().push(p);
            } else {
                out.push((p.addr.clone(), self.data_later(&p)));
            }
        }
        for (t, ps) in by_type {
            let request = |p: &Pending<'a>| ReadRequest { addr: p.addr.clone(), prior: p.config.clone(), private: Private::Null };
            let results = self.inputs.observer.read(Mode::Data, &t, ps.iter().map(request).collect()).await;
            for (p, result) in ps.iter().zip(results) {
                out.push((p.addr.clone(), self.data_read(p, result)));
            }
        }
        out
    }

    fn data_read(&mut self, p: &Pending<'a>, result: Result<Observed, Diagnostic>) -> Value {
        match result {
            Ok(Observed::Present(v, private)) => {
                let value = with_origin(&v, &p.addr);
                self.observed.insert(p.addr.clone(), Observed::Present(value.clone(), private.clone()));
                self.postconditions(p, &value);
                self.keep(p, Some(value), private, vec![])
            }
            Ok(Observed::Absent) => {
                let d = Diagnostic::error(codes::DATA_ABSENT, format!("{} does not exist.", p.addr));
                self.diags.push(softened(d.on(&p.addr).at(p.block.span), p.block));
                Value::unknown(Type::Dynamic)
            }
            Err(d) => {
                self.diags.push(softened(d.on(&p.addr).at(p.block.span), p.block));
                Value::unknown(Type::Dynamic)
            }
        }
    }

    fn data_later(&mut self, p: &Pending<'a>) -> Value {
        let planned = with_origin(&diff::propose(&p.resource.schema().body, None, &p.config), &p.addr);
        self.plan.changes.push(Change {
            addr: p.addr.clone(),
            action: Action::Read,
            reasons: vec![],
            prior: None,
            private: Private::Null,
            planned: Some(planned.clone()),
            effects: vec![],
            data_loss: vec![],
            dependencies: p.dependencies.clone(),
            deferred: true,
            protected: false,
            timeouts: BTreeMap::new(),
            create_before_destroy: false,
            record_changes: false,
        });
        planned
    }

    fn read_imports(&mut self, pending: &[Pending<'a>]) {
        let root = &self.inputs.config.root;
        if root.imports.is_empty() {
            return;
        }
        let here: HashSet<&InstanceAddr> = pending.iter().map(|p| &p.addr).collect();
        let cx = context(self.inputs, &root.dir);
        let mut diags = Diagnostics::new();
        for import in &root.imports {
            let keys = match &import.for_each {
                None => Some(Expansion::One),
                Some(e) => repetition(&Repetition::ForEach(e.clone()), &self.world.scope(&ModulePath::root()), &cx, &mut diags),
            };
            for (key, each) in keys.map(|k| k.keys()).unwrap_or_default() {
                let scope = self.world.scope(&ModulePath::root()).repeated(key, each);
                let Some(to) = instance_of(&import.to, &scope, &cx, &mut diags) else { continue };
                if !here.contains(&to) {
                    continue;
                }
                match eval(&import.id, &scope, &cx, &mut diags).as_str() {
                    Some(id) => drop(self.imports.insert(to, id.to_string())),
                    None => diags
                        .push(Diagnostic::error(codes::BAD_IMPORT, "The id of an import block must be a known string.").at(import.id.span)),
                }
            }
        }
        self.diags.append(diags);
    }

    // --- what is no longer there ------------------------------------------------------------------------------------

    async fn orphans(&mut self) {
        let types: BTreeSet<Arc<str>> =
            self.known.keys().filter(|a| !self.in_config.contains(*a)).map(|a| a.resource.type_name.clone()).collect();
        // References first: a topic is read through the cluster that it belongs to.
        let mut types: Vec<_> = types.into_iter().collect();
        types.sort_by_key(|t| registry::rank(t));
        for t in types {
            self.refresh_type(&t).await;
        }
        let gone: Vec<InstanceAddr> = self.known.keys().filter(|a| !self.in_config.contains(*a)).cloned().collect();
        for addr in gone {
            self.orphan(&addr);
        }
    }

    fn orphan(&mut self, addr: &InstanceAddr) {
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
        if !self.selects(addr, self.world.expansion(&addr.resource).is_some()) {
            self.plan.skipped.push(addr.to_string());
            return;
        }
        let hydrated = prior.as_ref().map(|v| self.hydrate(v, resource));
        let (effects, data_loss) = hydrated.as_ref().map(|v| resource.plan_delete(v)).unwrap_or_default();
        let action = if forget || gone || prior.is_none() { Action::Forget } else { Action::Delete };
        let change = Change {
            addr: addr.clone(),
            action,
            reasons: vec![if gone { Reason::Missing } else { reason }],
            prior: hydrated,
            private,
            planned: None,
            effects: if action == Action::Delete { effects } else { vec![] },
            data_loss: if action == Action::Delete { data_loss } else { vec![] },
            dependencies: record.dependencies.clone(),
            deferred: false,
            protected: record.protected,
            timeouts: BTreeMap::new(),
            create_before_destroy: record.create_before_destroy,
            record_changes: false,
        };
        if action == Action::Delete && record.protected {
            self.diags.push(protected(addr));
        }
        self.plan.changes.push(change);
    }

    fn removed_without_destroy(&self, addr: &InstanceAddr) -> bool {
        let here = |r: &ResourceAddr| {
            r.type_name == addr.resource.type_name && r.name == addr.resource.name && addr.resource.module.is_within(&r.module)
        };
        self.inputs.config.root.removed.iter().any(|r| !r.destroy && here(&r.from))
    }

    fn turn_to_destroy(&mut self) {
        let skipped: HashSet<&str> = self.plan.skipped.iter().map(String::as_str).collect();
        for c in &mut self.plan.changes {
            let exists = c.prior.is_some() && c.addr.resource.mode == Mode::Managed && self.known.contains_key(&c.addr);
            let skipped = !skipped.is_empty() && skipped.contains(c.addr.to_string().as_str());
            c.planned = None;
            c.reasons = vec![Reason::Destroying];
            c.record_changes = false;
            if !exists || skipped {
                c.action = Action::NoOp;
                continue;
            }
            c.action = Action::Delete;
            let Some(resource) = registry::find_in(self.inputs.types, Mode::Managed, &c.addr.resource.type_name) else { continue };
            let prior = c.prior.clone().map(|v| hydrate(&v, resource, &|a| self.world.instance(a)));
            (c.effects, c.data_loss) = prior.as_ref().map(|v| resource.plan_delete(v)).unwrap_or_default();
            c.prior = prior;
            if c.protected || self.known.get(&c.addr).is_some_and(|k| k.record.protected) {
                self.diags.push(protected(&c.addr));
            }
        }
        self.plan.changes.retain(|c| c.action != Action::NoOp || c.addr.resource.mode == Mode::Data);
        for (_, out) in self.plan.outputs.iter_mut() {
            out.planned = None;
        }
    }

    // --- outputs, probes, checks, targets ---------------------------------------------------------------------------

    fn outputs(&mut self) {
        let root = &self.inputs.config.root;
        for (name, out) in &root.outputs {
            let planned = self.world.get(&ModulePath::root(), &NodeKind::Output(name.clone())).cloned();
            let recorded = self.inputs.snapshot.outputs.get(name).map(|o| o.value.clone());
            let prior = match (&recorded, &planned) {
                (Some(r), Some(p)) => Some(diff::rehydrate(r, p, self.inputs.digest)),
                _ => recorded,
            };
            self.plan.outputs.insert(name.clone(), OutputChange { prior, planned, sensitive: out.sensitive });
        }
        for (name, old) in &self.inputs.snapshot.outputs {
            let gone = OutputChange { prior: Some(old.value.clone()), planned: None, sensitive: old.sensitive };
            self.plan.outputs.entry(name.clone()).or_insert(gone);
        }
        if self.selected.is_some() || self.inputs.options.mode == RunMode::RefreshOnly {
            self.plan.outputs.retain(|_, o| o.planned.as_ref().is_some_and(Value::is_wholly_known));
        }
    }

    async fn probe(&mut self) {
        let mut by_type: BTreeMap<Arc<str>, Vec<(InstanceAddr, StepRequest)>> = BTreeMap::new();
        for c in self.plan.changes.iter().filter(|c| matches!(c.action, Action::Create | Action::Update)) {
            let request = StepRequest {
                addr: c.addr.clone(),
                prior: c.prior.clone(),
                planned: c.planned.clone(),
                private: c.private.clone(),
                timeout: std::time::Duration::from_secs(60),
            };
            by_type.entry(c.addr.resource.type_name.clone()).or_default().push((c.addr.clone(), request));
        }
        for (t, requests) in by_type {
            let (addrs, requests): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
            let results = self.inputs.observer.probe(&t, requests).await;
            for (addr, found) in addrs.iter().zip(results) {
                let block = self.block(addr);
                self.diags.extend(found.into_iter().map(|d| match block {
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

    /// Whether an instance of a selected block is selected itself. Where a target names one instance of the block, only that one is;
    /// what a target needs is taken whole; what is no longer in the configuration only by name.
    fn selects(&self, addr: &InstanceAddr, declared: bool) -> bool {
        use crate::addr::Target;
        let o = self.inputs.options;
        if o.excludes.iter().any(|t| t.contains(addr)) {
            return false;
        }
        if o.targets.is_empty() || o.targets.iter().any(|t| t.contains(addr)) {
            return true;
        }
        let module = addr.resource.module.without_keys();
        let another_is_named = o.targets.iter().any(|t| match t {
            Target::Instance(i) => i.resource == addr.resource,
            Target::Module(m) => keyed(m) && module.is_within(&m.without_keys()),
            Target::Resource(_) => false,
        });
        !another_is_named && declared
    }

    /// The nodes that `-target` and `-exclude` leave in.
    fn select(&self) -> Option<HashSet<NodeId>> {
        let o = self.inputs.options;
        if o.targets.is_empty() && o.excludes.is_empty() {
            return None;
        }
        let graph = self.inputs.graph;
        let hits = |id: NodeId, targets: &[crate::addr::Target]| targets.iter().any(|t| target_hits(t, graph.node(id)));
        let mut picked: HashSet<NodeId> = graph.ids().filter(|id| o.targets.is_empty() || hits(*id, &o.targets)).collect();
        // A destroy takes along what needs a target; any other run takes along what a target needs.
        let destroy = self.inputs.options.mode == RunMode::Destroy;
        let next = if destroy { graph.needed_by() } else { graph.ids().map(|id| graph.needs(id).to_vec()).collect() };
        close(&mut picked, &next);
        let whole = |t: &&crate::addr::Target| match t {
            crate::addr::Target::Instance(i) => i.key.is_none() && !keyed(&i.resource.module),
            crate::addr::Target::Resource(r) => !keyed(&r.module),
            crate::addr::Target::Module(m) => !keyed(m),
        };
        let whole: Vec<_> = o.excludes.iter().filter(whole).cloned().collect();
        let mut out: HashSet<NodeId> = graph.ids().filter(|id| hits(*id, &whole)).collect();
        close(&mut out, &graph.needed_by());
        picked.retain(|id| !out.contains(id));
        Some(picked)
    }
}

/// Whether a path names single instances of a module.
fn keyed(path: &ModulePath) -> bool {
    path.0.iter().any(|s| s.key.is_some())
}

impl Pending<'_> {
    /// Whether all of the configuration is known, the objects that it refers to included.
    fn config_known(&self) -> bool {
        self.config.is_wholly_known()
    }
}

fn close(set: &mut HashSet<NodeId>, next: &[Vec<NodeId>]) {
    let mut stack: Vec<NodeId> = set.iter().copied().collect();
    while let Some(id) = stack.pop() {
        for n in &next[id.0] {
            if set.insert(*n) {
                stack.push(*n);
            }
        }
    }
}

/// Whether a target selects a block, or some instance of it.
pub fn target_hits(target: &crate::addr::Target, node: &Node) -> bool {
    use crate::addr::Target;
    let NodeKind::Resource(mode, t, n) = &node.kind else { return false };
    let block = |r: &ResourceAddr| r.mode == *mode && r.type_name == *t && r.name == *n && r.module.without_keys() == node.module;
    match target {
        Target::Module(m) => node.module.is_within(&m.without_keys()),
        Target::Resource(r) => block(r),
        Target::Instance(i) => block(&i.resource),
    }
}

/// The evaluation context of a module's folder.
pub fn context<'a>(inputs: &Inputs<'a>, dir: &'a std::path::Path) -> EvalContext<'a> {
    EvalContext::new(inputs.host, dir, &inputs.config.root.dir)
}

/// Evaluates a variable, local, output or module call in one module instance and records it in the world.
pub fn evaluate_node(world: &mut World<'_>, inputs: &Inputs<'_>, node: &Node, module: &ModulePath, diags: &mut Diagnostics) {
    let Some(m) = world.module(module) else { return };
    let cx = context(inputs, &m.module.dir);
    let value = match &node.kind {
        NodeKind::Variable(name) => {
            let Some(var) = m.module.variables.get(name) else { return };
            variable(world, inputs, var, name, module, diags)
        }
        NodeKind::Local(name) => {
            let Some(expr) = m.module.locals.get(name) else { return };
            eval(expr, &world.scope(module), &cx, diags)
        }
        NodeKind::Output(name) => {
            let Some(out) = m.module.outputs.get(name) else { return };
            output(out, module, &world.scope(module), &cx, diags)
        }
        NodeKind::Call(name) => {
            let Some(call) = m.module.calls.get(name) else { return };
            let expansion = repetition(&call.repetition, &world.scope(module), &cx, diags);
            world.set_call(module, name, expansion.unwrap_or(Expansion::One));
            return;
        }
        NodeKind::Resource(..) => return,
    };
    world.set(module, &node.kind, value);
    if let NodeKind::Variable(name) = &node.kind
        && let Some(var) = m.module.variables.get(name)
    {
        let given = m.call.and_then(|c| c.inputs.attr(name)).map(|a| a.expr.span);
        let found = conditions::validations(world, inputs, node, var, module, given);
        if found.has_errors() {
            // What follows from a value that is refused need not be said too.
            world.set(module, &node.kind, Value::unknown(var.ty.clone()));
        }
        diags.append(found);
    }
}

fn output(out: &Output, module: &ModulePath, scope: &dyn Scope, cx: &EvalContext<'_>, diags: &mut Diagnostics) -> Value {
    if !conditions::output(out, module, scope, cx, diags) {
        return Value::unknown(Type::Dynamic);
    }
    let value = eval(&out.value, scope, cx, diags);
    if out.sensitive {
        return value.sensitive();
    }
    if module.is_root() && value.contains_sensitive() {
        let d = Diagnostic::error(codes::SENSITIVE_OUTPUT, format!("The output {:?} has a sensitive value.", &*out.name.name));
        diags.push(d.at(out.value.span).hint("Add sensitive = true to the output, or remove the sensitive part with nonsensitive()."));
    }
    value
}

fn variable(
    world: &World<'_>,
    inputs: &Inputs<'_>,
    var: &Variable,
    name: &Arc<str>,
    module: &ModulePath,
    diags: &mut Diagnostics,
) -> Value {
    if module.is_root() {
        // Converted and marked when they were collected.
        return inputs.variables.get(name).cloned().unwrap_or_else(|| Value::unknown(var.ty.clone()));
    }
    let given = world.input_scope(module).and_then(|scope| {
        let attr = world.module(module)?.call?.inputs.attr(name)?;
        let parent = ModulePath(module.0[..module.0.len() - 1].to_vec().into());
        let dir = world.module(&parent)?.module.dir.as_path();
        Some((eval(&attr.expr, &scope, &context(inputs, dir), diags), attr.expr.span))
    });
    let dir = world.module(module).map_or(inputs.config.root.dir.as_path(), |m| m.module.dir.as_path());
    if given.is_none() && var.default.is_none() {
        // The loader has said that the call needs it.
        return Value::unknown(var.ty.clone());
    }
    let (value, span) = given.unzip();
    variables::value_of(var, value.as_ref(), span, &context(inputs, dir), diags)
}

/// Evaluates `count` or `for_each`. `None` after an error.
pub fn repetition(r: &Repetition, scope: &dyn Scope, cx: &EvalContext<'_>, diags: &mut Diagnostics) -> Option<Expansion> {
    let before = diags.len();
    let out = match r {
        Repetition::One => return Some(Expansion::One),
        Repetition::Count(e) => {
            let v = eval(e, scope, cx, diags);
            (diags.len() == before).then(|| count(&v)).transpose().map_err(|why| repetition_error("count", e, &v, why))
        }
        Repetition::ForEach(e) => {
            let v = eval(e, scope, cx, diags);
            (diags.len() == before).then(|| for_each(&v)).transpose().map_err(|why| repetition_error("for_each", e, &v, why))
        }
    };
    out.unwrap_or_else(|d| {
        diags.push(d);
        None
    })
}

fn repetition_error(what: &str, e: &Expr, v: &Value, why: &'static str) -> Diagnostic {
    let detail = format!("The {what} value {why}.");
    let unknown = !v.is_known() || matches!(v.repr(), Repr::Set(s) if s.items.iter().any(|i| !i.is_known()));
    if unknown && !v.contains_sensitive() {
        return Diagnostic::error(codes::UNKNOWN_REPETITION, detail)
            .at(e.span)
            .hint("Use names and numbers that the configuration itself holds, or apply what it depends on first with -target.");
    }
    Diagnostic::error(codes::BAD_REPETITION, detail).at(e.span)
}

fn count(v: &Value) -> Result<Expansion, &'static str> {
    if v.contains_sensitive() {
        return Err("is sensitive, and the number of instances would show it");
    }
    if !v.is_known() {
        return Err("is known only after apply, so the number of instances cannot be planned");
    }
    let n = convert(v, &Type::Number).map_err(|_| "must be a whole number")?;
    if n.is_null() {
        return Err("is null; a whole number is expected");
    }
    let n = n.as_i64().and_then(|n| u64::try_from(n).ok()).ok_or("must be a whole number, not negative")?;
    if n > 100_000 { Err("is over 100,000") } else { Ok(Expansion::Count(n)) }
}

fn for_each(v: &Value) -> Result<Expansion, &'static str> {
    if v.deep_marks().is_sensitive() && (v.marks().is_sensitive() || matches!(v.repr(), Repr::Set(_))) {
        return Err("is sensitive, and its keys name the instances");
    }
    match v.repr() {
        Repr::Unknown(_) => Err("is known only after apply, so the instances cannot be planned"),
        Repr::Null(_) => Err("is null; a map or a set of strings is expected"),
        Repr::Map(_) | Repr::Object(_) => Ok(Expansion::Each(v.as_map().cloned().unwrap_or_default())),
        Repr::Set(s) => {
            let mut out = BTreeMap::new();
            for item in &s.items {
                if !item.is_known() {
                    return Err("has elements that are known only after apply");
                }
                let key = item.as_str().ok_or("must be a set of strings")?;
                out.insert(Arc::from(key), item.clone());
            }
            Ok(Expansion::Each(out))
        }
        Repr::Tuple(_) | Repr::List(_) => Err("must be a map or a set of strings; a list has no keys: wrap it in toset()"),
        _ => Err("must be a map or a set of strings"),
    }
}

/// Gives a resource's object its address, so that a reference to it is recognised.
pub fn with_origin(value: &Value, addr: &InstanceAddr) -> Value {
    match value.repr() {
        Repr::Object(o) => Value::object_of(o.attrs.clone(), Some(Arc::new(addr.clone()))).mark(value.marks()),
        _ => value.clone(),
    }
}

/// Puts current objects behind the references of an object.
pub fn hydrate(value: &Value, resource: &dyn ResourceType, current: &dyn Fn(&InstanceAddr) -> Option<Value>) -> Value {
    hydrate_body(value, &resource.schema().body, current)
}

fn hydrate_body(value: &Value, body: &crate::schema::Body, current: &dyn Fn(&InstanceAddr) -> Option<Value>) -> Value {
    let Some(map) = value.as_map() else { return value.clone() };
    let mut out = map.clone();
    for a in body.attributes.iter().filter(|a| matches!(a.ty, AttrType::Ref(_))) {
        if let Some(now) = map.get(a.name).and_then(Value::origin).and_then(|o| current(o)) {
            out.insert(a.name.into(), now);
        }
    }
    for b in &body.blocks {
        let Some(inner) = map.get(b.name) else { continue };
        let each = |v: &Value| hydrate_body(v, &b.body, current);
        let now = match inner.repr() {
            Repr::List(l) => Value::list(l.elem.clone(), l.items.iter().map(each).collect()),
            Repr::Map(m) => Value::map(m.elem.clone(), m.items.iter().map(|(k, v)| (k.clone(), each(v))).collect()),
            Repr::Object(_) => each(inner),
            _ => continue,
        };
        out.insert(b.name.into(), now);
    }
    let origin = value.origin().cloned();
    Value::object_of(out, origin).mark(value.marks())
}

/// Turns an attribute path into a span, and names the instance.
pub fn locate(mut d: Diagnostic, block: &ResourceBlock, addr: &InstanceAddr) -> Diagnostic {
    if let Some(i) = d.values.iter().position(|(k, _)| k == ATTR_PATH) {
        let (_, path) = d.values.remove(i);
        d = d.at(body::attr_span(&block.body, &path));
    }
    d.at(block.span).on(addr)
}

/// What is wrong with the data block of a `check` is a warning.
pub fn softened(d: Diagnostic, block: &ResourceBlock) -> Diagnostic {
    if block.in_check.is_some() { conditions::as_warning(d) } else { d }
}

fn ignored(block: &ResourceBlock) -> Vec<(String, Option<String>)> {
    block.lifecycle.ignore_changes.iter().filter_map(ignored_path).collect()
}

fn ignored_path(e: &Expr) -> Option<(String, Option<String>)> {
    let ExprKind::Traversal { root, steps } = &*e.kind else { return None };
    let key = steps.first().and_then(|s| match s {
        Step::Attr(id) => Some(id.name.to_string()),
        Step::Index(i) => match &*i.kind {
            ExprKind::String(s) => Some(s.to_string()),
            _ => None,
        },
        Step::AttrSplat(_) | Step::FullSplat(_) => None,
    });
    Some((root.name.to_string(), key))
}

fn block_of(e: &Expr, module: &ModulePath) -> Option<ResourceAddr> {
    let ExprKind::Traversal { root, steps } = &*e.kind else { return None };
    let Some(Step::Attr(name)) = steps.first() else { return None };
    Some(ResourceAddr { module: module.clone(), mode: Mode::Managed, type_name: root.name.clone(), name: name.name.clone() })
}

fn instance_of(to: &Expr, scope: &dyn Scope, cx: &EvalContext<'_>, diags: &mut Diagnostics) -> Option<InstanceAddr> {
    let ExprKind::Traversal { root, steps } = &*to.kind else { return None };
    let mut text = root.name.to_string();
    for s in steps {
        match s {
            Step::Attr(id) => text.push_str(&format!(".{}", id.name)),
            Step::Index(e) => {
                let v = eval(e, scope, cx, diags);
                match (v.as_str(), v.as_i64()) {
                    (Some(s), _) => text.push_str(&format!("[{}]", crate::addr::quote(s))),
                    (_, Some(n)) => text.push_str(&format!("[{n}]")),
                    _ => return None,
                }
            }
            Step::AttrSplat(_) | Step::FullSplat(_) => return None,
        }
    }
    match text.parse() {
        Ok(addr) => Some(addr),
        Err(e) => {
            diags.push(Diagnostic::error(codes::BAD_IMPORT, format!("The target of an import block is not an address: {e}.")).at(to.span));
            None
        }
    }
}

fn protection_error(c: &Change, block: &ResourceBlock) -> Option<Diagnostic> {
    let destroys = matches!(c.action, Action::Replace | Action::ReplaceCreateFirst | Action::Delete);
    (destroys && c.protected).then(|| protected(&c.addr).at(block.span))
}

fn protected(addr: &InstanceAddr) -> Diagnostic {
    Diagnostic::error(codes::PROTECTED, format!("{addr} has prevent_destroy set, and this plan would destroy it."))
        .on(addr)
        .hint("Set prevent_destroy = false and apply that first, or leave it out with -exclude.")
}

/// Keeps one of several equal diagnostics: a cluster that does not answer is said once, not once a topic.
fn once_each(diags: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut seen: HashMap<(&'static str, String), usize> = HashMap::new();
    let mut out: Vec<Diagnostic> = Vec::new();
    for d in diags {
        let key = (d.code.id, d.detail.clone());
        match seen.get(&key) {
            Some(_) => {}
            None => {
                seen.insert(key, out.len());
                out.push(d);
            }
        }
    }
    out
}

/// `1h30m`, `5m`, `30s`, `500ms` in milliseconds.
pub fn duration_ms(text: &str) -> Option<u64> {
    let mut total: f64 = 0.0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let unit_end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let factor = match &rest[..unit_end] {
            "ms" => 1.0,
            "s" => 1_000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            "d" => 86_400_000.0,
            _ => return None,
        };
        total += number * factor;
        rest = &rest[unit_end..];
    }
    Some(total as u64)
}
