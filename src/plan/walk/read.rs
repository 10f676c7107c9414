//! What the walk reads: recorded objects (one batch per type), data sources, and the targets of import blocks.

use super::{Pending, Walker};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::addr::{InstanceAddr, Mode, ModulePath, ResourceAddr};
use crate::diag::codes::{apply as apply_codes, plan as codes};
use crate::diag::{Diagnostic, Diagnostics};
use crate::lang::ast::{Expr, ExprKind, Step};
use crate::lang::config::Repetition;
use crate::lang::eval::{EvalContext, Scope, eval};
use crate::plan::diff;
use crate::plan::evaluate::{context, repetition};
use crate::plan::objects::{hydrate, nothing_runs, place_of, softened, with_origin};
use crate::plan::records::Known;
use crate::plan::world::Expansion;
use crate::plan::{Action, Change, Drift, RunMode};
use crate::resource::{Doubt, Observed, Private, ReadRequest, ResourceType, Verb, registry};
use crate::schema::{AttrType, Body};
use crate::state::{InDoubt, Record};
use crate::value::convert::convert;
use crate::value::{Repr, Type, Value};

/// What is to be read of one type, and what the state says of each object.
struct Due {
    type_name: Arc<str>,
    resource: &'static dyn ResourceType,
    records: Vec<Arc<Record>>,
    requests: Vec<ReadRequest>,
}

/// The error of a type that gives fewer answers than it was asked for.
pub(super) fn no_answer(type_name: &str) -> Diagnostic {
    Diagnostic::error(apply_codes::INTERNAL, format!("The type {type_name} gave no answer for this object."))
        .hint("This is a defect of streamform: please report it.")
}

impl<'a> Walker<'a> {
    /// Reads every recorded object of the types of this wave that was not read yet: one batch per type.
    pub(super) async fn refresh(&mut self, pending: &[Pending<'a>]) {
        self.refresh_types(pending.iter().map(|p| p.addr.resource.type_name.clone()).collect()).await;
    }

    /// Reads types in an order in which what objects live in comes before them; those that live in others are asked for side by side.
    pub(super) async fn refresh_types(&mut self, types: BTreeSet<Arc<str>>) {
        let find = |t: &Arc<str>| registry::find_in(self.inputs.types, Mode::Managed, t);
        let mut types: Vec<_> = types.into_iter().filter_map(|t| find(&t).map(|r| (t, r))).collect();
        types.sort_by_key(|(t, _)| self.inputs.types.iter().position(|(_, n, _)| **n == **t));
        let (inner, outer): (Vec<_>, Vec<_>) = types.into_iter().partition(|(_, r)| r.lives_in().is_some());
        for one in outer {
            self.refresh_together(vec![one]).await;
        }
        self.refresh_together(inner).await;
    }

    async fn refresh_together(&mut self, types: Vec<(Arc<str>, &'static dyn ResourceType)>) {
        let mut due: Vec<Due> = types.into_iter().filter_map(|(t, resource)| self.due(t, resource)).collect();
        let observer = self.inputs.observer;
        let reads = due.iter_mut().map(|d| {
            let requests = std::mem::take(&mut d.requests);
            observer.read(Mode::Managed, &d.type_name, requests)
        });
        let results = futures::future::join_all(reads).await;
        for (due, results) in due.into_iter().zip(results) {
            self.observe(due, results);
        }
    }

    /// What is recorded of a type and was not read yet.
    fn due(&mut self, type_name: Arc<str>, resource: &'static dyn ResourceType) -> Option<Due> {
        let first = self.refreshed.insert(type_name.clone());
        if !first && self.put_off.is_empty() {
            return None;
        }
        let asked = |a: &InstanceAddr| self.inputs.options.refresh && !self.is_left_out(a);
        let open = |a: &InstanceAddr| !self.observed.contains_key(a) && (first || self.put_off.contains(a));
        let wanted =
            |a: &InstanceAddr, k: &Known| a.resource.type_name == type_name && open(a) && (k.in_doubt || k.doubt.is_some() || asked(a));
        let mut due = Due { type_name: type_name.clone(), resource, records: Vec::new(), requests: Vec::new() };
        if first {
            // Room that is not used costs nothing, and a list of large requests that grows is copied, with the old one beside the new.
            due.requests.reserve_exact(self.known.len());
        }
        let (mut unseen, mut later, mut again) = (Vec::new(), Vec::new(), Vec::new());
        let mut lost = Vec::new();
        for (addr, k) in self.known.iter().filter(|(a, k)| wanted(a, k)) {
            let (prior, private) = (self.hydrate(&k.record.attributes, resource), k.record.private.clone());
            if self.is_to_be_read(resource, &prior) {
                later.push(addr.clone());
                continue;
            }
            if let Some(d) = self.place_is_gone(addr, resource, &prior) {
                lost.push(d);
                continue;
            }
            // Of what lives in a place that is down the record stands; what is in doubt is not taken for made.
            if self.is_down(resource, &prior) {
                let seen = if k.in_doubt { Observed::Absent } else { Observed::present(prior, private) };
                unseen.push((addr.clone(), seen));
                continue;
            }
            let doubt = k.doubt.as_ref().map(|d| Doubt {
                verb: d.verb,
                intent: self.hydrate(&d.intent.attributes, resource),
                private: d.intent.private.clone(),
                ops: d.ops.clone(),
            });
            // An earlier pass of this plan has asked already.
            if let Some(seen) = self.carried.seen.get(k.moved_from.as_ref().unwrap_or(addr)) {
                again.push((addr.clone(), Arc::clone(&k.record), seen.clone()));
                continue;
            }
            due.requests.push(ReadRequest { addr: addr.clone(), prior, private, doubt });
            due.records.push(Arc::clone(&k.record));
        }
        self.observed.extend(unseen);
        self.diags.extend(once_each(lost));
        for (addr, record, seen) in again {
            let seen = match seen {
                // What it refers to may have moved meanwhile.
                Observed::Present(v, p, n) => {
                    let refer = with_references(&v, &self.hydrate(&record.attributes, resource), &resource.schema().body);
                    Observed::Present(refer, p, n)
                }
                Observed::Absent => Observed::Absent,
            };
            self.take_in(addr, &record, seen, resource);
        }
        self.put_off.retain(|a| a.resource.type_name != type_name);
        self.put_off.extend(later);
        (!due.requests.is_empty()).then_some(due)
    }

    /// Whether the place that an object lives in (see [`ResourceType::lives_in`]) tells which of its processes run, and none does.
    pub(super) fn is_down(&self, resource: &dyn ResourceType, object: &Value) -> bool {
        let Some(addr) = place_of(resource, object) else { return false };
        if addr.resource.mode == Mode::Data {
            // Read only during apply, or not readable at all, it cannot be looked into now.
            return self.world.instance(&addr).is_some_and(|v| !v.is_known() || v.get("admin").is_some_and(|a| !a.is_known()));
        }
        matches!(self.observed.get(&addr), Some(Observed::Present(place, ..)) if nothing_runs(place))
    }

    /// Whether an object lives in what a data source finds, and that is read later in this walk.
    fn is_to_be_read(&self, resource: &dyn ResourceType, object: &Value) -> bool {
        let declared = |r: &ResourceAddr| self.node_of(r).is_some() && self.world.block(r).is_none();
        place_of(resource, object).is_some_and(|p| p.resource.mode == Mode::Data && declared(&p.resource))
    }

    fn observe(&mut self, due: Due, results: Vec<Result<Observed, Diagnostic>>) {
        let mut failed = Vec::new();
        let mut results = results.into_iter();
        self.carried.seen.reserve(due.records.len());
        for record in due.records {
            // A record is known under its address of now, which is the one of the request.
            let addr = record.addr.clone();
            match results.next() {
                Some(Ok(seen)) => {
                    let original = self.known.get(&addr).and_then(|k| k.moved_from.clone()).unwrap_or_else(|| addr.clone());
                    self.carried.seen.insert(original, seen.clone());
                    self.carried.asked.insert(addr.clone(), seen.clone());
                    self.take_in(addr, &record, seen, due.resource);
                }
                Some(Err(d)) => failed.push(d.on(&addr)),
                None => failed.push(no_answer(&due.type_name).on(&addr)),
            }
        }
        self.not_answered(once_each(failed));
    }

    /// Takes in what was seen of a recorded object. After an operation in doubt, what could not be read is not known.
    fn take_in(&mut self, addr: InstanceAddr, record: &Record, seen: Observed, resource: &'static dyn ResourceType) {
        let doubt = self.known.get(&addr).and_then(|k| k.doubt.clone());
        let seen = match (seen, doubt) {
            // It was taken in before it was recorded. Its digests are of contents that were read.
            (seen, _) if self.inputs.observer.is_recorded() => seen,
            (Observed::Present(v, p, n), Some(d)) => Observed::Present(unsettled(&v, record, &d, resource), p, n),
            (Observed::Present(v, p, n), None) => Observed::Present(diff::hidden_as(&record.attributes, v), p, n),
            (seen, _) => seen,
        };
        self.note_drift(&addr, record, &seen, resource);
        self.observed.insert(addr, seen);
    }

    pub(super) fn note_drift(&mut self, addr: &InstanceAddr, record: &Record, seen: &Observed, resource: &'static dyn ResourceType) {
        if self.known.get(addr).is_some_and(|k| k.in_doubt || k.doubt.is_some()) {
            return;
        }
        let found = match seen {
            Observed::Absent => None,
            Observed::Present(v, ..) => {
                let was = diff::rehydrate(&record.attributes, v, self.inputs.digest);
                if diff::changed_attributes(&resource.schema().body, &was, v).is_empty() {
                    return;
                }
                Some(v.clone())
            }
        };
        self.plan.drift.push(Drift { addr: addr.clone(), recorded: record.attributes.clone(), found });
    }

    /// Takes back a change from outside that is only another spelling. Of a sensitive value the state has no more than a digest, and types
    /// compare spellings, not digests. Where the configuration's value has the digest and the type finds nothing to do, nothing was changed.
    pub(super) fn forget_spelling(&mut self, p: &Pending<'a>) {
        let Some(at) = self.plan.drift.iter().position(|d| d.addr == p.addr) else { return };
        let Drift { recorded, found: Some(found), .. } = &self.plan.drift[at] else { return };
        let digest = self.inputs.digest;
        let (was, written) = (diff::rehydrate(recorded, found, digest), diff::rehydrate(recorded, &p.config, digest));
        let is_written = |name: &String| {
            let pair = written.get(name).zip(p.config.get(name));
            pair.is_some_and(|(recorded, config)| config.contains_sensitive() && diff::same(&recorded, &config))
        };
        if diff::changed_attributes(&p.resource.schema().body, &was, found).iter().all(is_written) {
            self.plan.drift.remove(at);
        }
    }

    /// Puts the current objects behind references that the state keeps as addresses.
    pub(super) fn hydrate(&self, value: &Value, resource: &dyn ResourceType) -> Value {
        hydrate(value, resource, &|addr| self.current(addr))
    }

    pub(super) fn current(&self, addr: &InstanceAddr) -> Option<Value> {
        match self.observed.get(addr) {
            Some(Observed::Present(v, ..)) => Some(with_origin(v, addr)),
            _ if addr.resource.mode == Mode::Data => {
                self.world.instance(addr).filter(Value::is_known).or_else(|| self.recorded(addr)).or_else(|| self.moved_place(addr))
            }
            _ => self.recorded(addr),
        }
    }

    pub(super) fn recorded(&self, addr: &InstanceAddr) -> Option<Value> {
        // What is in doubt may not be there: until it is found, what refers to it lives with the object before it.
        let now = self.known.get(addr).filter(|k| !k.in_doubt).map(|k| &k.record);
        let deposed = || self.inputs.snapshot.deposed.iter().find(|((a, _), _)| a == addr).map(|(_, r)| r);
        let begun = || self.known.get(addr).map(|k| &k.record);
        now.or_else(deposed).or_else(begun).map(|r| with_origin(&r.attributes, addr))
    }

    pub(super) async fn data_sources(&mut self, pending: Vec<Pending<'a>>) -> Vec<(InstanceAddr, Value)> {
        let mut out = Vec::new();
        let mut by_type: BTreeMap<Arc<str>, Vec<Pending<'a>>> = BTreeMap::new();
        for p in pending {
            if !p.selected {
                // Left out by -target or -exclude, it is not looked at either: what it reads may be down.
                out.push((p.addr.clone(), Value::unknown(Type::Dynamic)));
                continue;
            }
            let after = !p.block.depends_on.is_empty() || p.block.in_check.is_some();
            let waits =
                p.dependencies.iter().any(|d| d.mode == Mode::Managed && self.changed.contains(d) && (after || self.is_to_start(d)));
            // An error elsewhere does not keep data sources from being read: one run reports all findings.
            if p.config_known() && !waits && !p.failed {
                by_type.entry(p.addr.resource.type_name.clone()).or_default().push(p);
            } else {
                out.push((p.addr.clone(), self.data_later(&p)));
            }
        }
        for (t, ps) in by_type {
            let (known, open): (Vec<_>, Vec<_>) = ps.into_iter().partition(|p| self.carried.read(p).is_some());
            for p in known {
                let seen = self.carried.read(&p).cloned().unwrap_or(Observed::Absent);
                out.push((p.addr.clone(), self.data_read(&p, Ok(seen))));
            }
            let request = |p: &Pending<'a>| ReadRequest::new(p.addr.clone(), p.config.clone(), Private::Null);
            let results = match open.is_empty() {
                true => vec![],
                false => self.inputs.observer.read(Mode::Data, &t, open.iter().map(request).collect()).await,
            };
            let mut results = results.into_iter();
            for p in &open {
                let result = results.next().unwrap_or_else(|| Err(no_answer(&t)));
                if let Ok(seen) = &result {
                    self.carried.data.insert(p.addr.clone(), (p.config.clone(), seen.clone()));
                    self.carried.asked.insert(p.addr.clone(), seen.clone());
                }
                out.push((p.addr.clone(), self.data_read(p, result)));
            }
        }
        out
    }

    /// Whether nothing of a block's processes runs: what is read through it can be read once it has been started.
    fn is_to_start(&self, block: &ResourceAddr) -> bool {
        let down = |o: &Observed| matches!(o, Observed::Present(v, ..) if nothing_runs(v));
        let instances = self.observed.range(block.instance(None)..).take_while(|(a, _)| a.resource == *block);
        instances.map(|(_, o)| o).any(down)
    }

    pub(super) fn data_read(&mut self, p: &Pending<'a>, result: Result<Observed, Diagnostic>) -> Value {
        match result {
            Ok(Observed::Present(v, private, notes)) => {
                let value = with_origin(&v, &p.addr);
                self.observed.insert(p.addr.clone(), Observed::Present(value.clone(), private.clone(), notes));
                self.postconditions(p, &value);
                self.keep(p, Some(value), private, vec![])
            }
            Ok(Observed::Absent) => {
                let d = Diagnostic::error(codes::DATA_ABSENT, format!("{} does not exist.", p.addr));
                self.diags.push(softened(d.on(&p.addr).at(p.block.span), p.block));
                Value::unknown(Type::Dynamic)
            }
            Err(d) => {
                self.not_answered([softened(d.on(&p.addr).at(p.block.span), p.block)]);
                Value::unknown(Type::Dynamic)
            }
        }
    }

    pub(super) fn data_later(&mut self, p: &Pending<'a>) -> Value {
        let planned = with_origin(&diff::propose(&p.resource.schema().body, None, &p.config), &p.addr);
        self.plan.changes.push(Change {
            planned: Some(planned.clone()),
            dependencies: p.dependencies.clone(),
            deferred: true,
            ..Change::new(p.addr.clone(), Action::Read)
        });
        planned
    }

    pub(super) fn read_imports(&mut self, pending: &[Pending<'a>]) {
        let root = &self.inputs.config.root;
        if root.imports.is_empty() || self.inputs.options.mode == RunMode::Destroy {
            return;
        }
        let here: HashSet<&InstanceAddr> = pending.iter().map(|p| &p.addr).collect();
        let cx = context(self.inputs, &root.dir);
        let mut diags = Diagnostics::new();
        for import in &root.imports {
            let keys = match &import.for_each {
                None => Expansion::One,
                Some(e) => repetition(&Repetition::ForEach(e.clone()), &self.world.scope(&ModulePath::root()), &cx, &mut diags),
            };
            for (key, each) in keys.keys() {
                let scope = self.world.scope(&ModulePath::root()).repeated(key, each);
                let Some(to) = instance_of(&import.to, &scope, &cx, &mut diags) else { continue };
                if !self.import_targets.iter().any(|(t, s)| *t == to && *s == import.span) {
                    self.import_targets.push((to.clone(), import.span));
                }
                if !here.contains(&to) {
                    continue;
                }
                let id = eval(&import.id, &scope, &cx, &mut diags);
                self.inputs.redactor.learn(&id);
                match convert(&id, &Type::String).ok().as_ref().and_then(Value::as_str) {
                    Some("") => diags.push(Diagnostic::error(codes::BAD_IMPORT, "The id of an import block is empty.").at(import.id.span)),
                    Some(id) => drop(self.imports.insert(to, id.to_string())),
                    None if id.deep_marks().is_failed() => {}
                    None => diags
                        .push(Diagnostic::error(codes::BAD_IMPORT, "The id of an import block must be a known string.").at(import.id.span)),
                }
            }
        }
        self.diags.append(diags);
    }
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

/// What was seen of an object after an operation on it that may have been carried out in part. What is still a digest was not read, and neither
/// were the attributes that the type does not look at: these are unknown, so that they are written again.
fn unsettled(seen: &Value, record: &Record, doubt: &InDoubt, resource: &dyn ResourceType) -> Value {
    let Some(map) = seen.as_map() else { return seen.clone() };
    let touched = |name: &str| {
        let of = |v: &Value| v.get(name).unwrap_or_else(Value::null_dynamic);
        doubt.verb != Verb::Update || !diff::same(&of(&record.attributes), &of(&doubt.intent.attributes))
    };
    let schema = resource.schema();
    let attrs = map.iter().map(|(name, v)| {
        let reference = schema.body.attribute(name).is_some_and(|a| matches!(a.ty, AttrType::Ref(_)));
        let value = match resource.unread().contains(&&**name) && touched(name) {
            true => Value::unknown(v.ty()).mark(v.marks()),
            false if reference => v.clone(),
            false => without_digests(v),
        };
        (name.clone(), value)
    });
    Value::object_of(attrs.collect(), seen.origin().cloned()).mark(seen.marks())
}

fn without_digests(v: &Value) -> Value {
    match v.repr() {
        Repr::Unknown(u) if u.refinement.digest.is_some() => Value::unknown(u.ty.clone()).mark(v.marks()),
        _ if v.origin().is_some() => v.clone(),
        _ => v.map_parts(|_, part| without_digests(part)),
    }
}

/// A value with the references of another one.
fn with_references(value: &Value, from: &Value, body: &Body) -> Value {
    let (Some(map), Some(other)) = (value.as_map(), from.as_map()) else { return value.clone() };
    let mut out = map.clone();
    for a in body.attributes.iter().filter(|a| matches!(a.ty, AttrType::Ref(_))) {
        if let Some(v) = other.get(a.name) {
            out.insert(a.name.into(), v.clone());
        }
    }
    Value::object_of(out, value.origin().cloned()).mark(value.marks())
}

/// Keeps one of several equal diagnostics: a cluster that does not answer is said once, not once a topic.
fn once_each(diags: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    diags.into_iter().filter(|d| seen.insert((d.code.id, d.detail.clone()))).collect()
}
