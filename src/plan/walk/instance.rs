//! One instance of a resource block: what is there, what it should be, what has to be done.

use super::gone::protected;
use super::{Pending, Walker};
use crate::lang::functions::streamform::milliseconds;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::addr::InstanceAddr;
use crate::diag::Diagnostic;
use crate::diag::codes::plan as codes;
use crate::lang::ast::{Expr, ExprKind, Step};
use crate::lang::config::ResourceBlock;
use crate::lang::eval::eval;
use crate::plan::conditions;
use crate::plan::diff::{self, decide_all};
use crate::plan::evaluate::context;
use crate::plan::objects::{locate, place_of, softened, with_origin};
use crate::plan::records::Known;
use crate::plan::{Action, Change, Reason, RunMode};
use crate::resource::{Answer, Notes, Observed, Private, Question, ResourceType, attr_error};
use crate::state::codec;
use crate::value::{Part, Type, Value};

/// How many instances are decided together: enough for one question to a real system about all of a usual configuration, few enough for what is
/// needed on the way to a decision to be little beside the plan.
const AT_ONCE: usize = 10_000;

/// An instance on its way to a decision: what is there, and why it may have to be replaced.
struct Prepared<'p, 'a> {
    p: &'p Pending<'a>,
    known: Option<Known>,
    prior: Option<Value>,
    /// The prior object for the diff, where that has more than `prior`.
    parts: Option<Value>,
    private: Private,
    notes: Notes,
    reasons: Vec<Reason>,
    force: Option<Reason>,
    ignore: Vec<(String, Option<String>)>,
    answers: Vec<Answer>,
}

impl<'p, 'a> Prepared<'p, 'a> {
    fn input(&'p self, digest: &'p (dyn Fn(&Value) -> [u8; 32] + Sync)) -> diff::Input<'p> {
        diff::Input {
            addr: &self.p.addr,
            prior: self.parts.as_ref().or(self.prior.as_ref()),
            private: &self.private,
            notes: &self.notes,
            config: &self.p.config,
            ignore: &self.ignore,
            ignore_all: self.p.block.lifecycle.ignore_all,
            force: self.force.clone(),
            create_first: self.p.create_first,
            answers: &self.answers,
            digest,
        }
    }
}

impl<'a> Walker<'a> {
    /// Decides the instances of one wave, the types one after the other, each in one batch; their values in the order of the instances.
    pub(super) async fn instances(&mut self, pending: &[Pending<'a>]) -> Vec<Value> {
        let mut values: Vec<Value> = Vec::with_capacity(pending.len());
        self.plan.changes.reserve_exact(pending.len());
        for some in pending.chunks(AT_ONCE) {
            values.extend(self.batch(some).await);
        }
        values
    }

    /// The same for as many as are worked on at one time.
    async fn batch(&mut self, pending: &[Pending<'a>]) -> Vec<Value> {
        let mut values: Vec<Value> = pending.iter().map(|_| Value::unknown(Type::Dynamic)).collect();
        let mut by_type: BTreeMap<Arc<str>, (Vec<usize>, Vec<Prepared<'_, 'a>>)> = BTreeMap::new();
        for (i, p) in pending.iter().enumerate() {
            match self.prepare(p).await {
                Ok(prepared) => {
                    let (places, group) = by_type.entry(p.addr.resource.type_name.clone()).or_default();
                    places.push(i);
                    group.push(prepared);
                }
                Err(value) => values[i] = value,
            }
        }
        for (type_name, (places, mut prepared)) in by_type {
            let verdicts = self.decide(&type_name, &mut prepared).await;
            for (i, (one, verdict)) in places.into_iter().zip(prepared.into_iter().zip(verdicts)) {
                values[i] = self.conclude(one, verdict);
            }
        }
        values
    }

    /// What is there of an instance; `Err` with its value where nothing is to be decided.
    async fn prepare<'p>(&mut self, p: &'p Pending<'a>) -> Result<Prepared<'p, 'a>, Value> {
        let known = self.known.get(&p.addr).cloned();
        let (mut prior, mut private, gone) = self.present(&p.addr);
        if !p.selected {
            return Err(self.skip(p, prior, private));
        }
        let mut reasons = Vec::new();
        if prior.is_none()
            && let Some(id) = self.imports.get(&p.addr).cloned()
        {
            match self.import(p, &id).await {
                Some((value, own)) => {
                    prior = Some(value);
                    private = own;
                    reasons.push(Reason::Imported(id));
                }
                None => return Err(Value::unknown(Type::Dynamic)),
            }
        }
        let prior = prior.map(|v| self.rehomed(p, &v, &private).unwrap_or(v));
        let prior = prior.map(|v| diff::rehydrate(&v, &p.config, self.inputs.digest));
        // The parts that the configuration hides now are hidden of the object that was there, too: in the plan, in a saved one, and on the screen.
        let prior = prior.map(|v| diff::hidden_as(&p.config, v));
        self.hide_seen(&p.addr, &p.config);
        reasons.extend(known.as_ref().into_iter().flat_map(moved_reasons));
        if gone && prior.is_none() {
            reasons.push(Reason::Missing);
        }
        // An object that is only read or destroyed need not be one that could be created.
        if self.inputs.options.mode != RunMode::Normal {
            let exists = prior.is_some();
            let value = self.keep(p, prior, private, reasons);
            if exists {
                self.postconditions(p, &value);
            }
            return Err(value);
        }
        if p.refused {
            let proposed = with_origin(&diff::propose(&p.resource.schema().body, prior.as_ref(), &p.config), &p.addr);
            self.keep(p, prior, private, reasons);
            return Err(proposed);
        }
        // Also of what is created, so that a reference to nothing is found.
        let force = self.forced(p, known.as_ref()).filter(|_| prior.is_some());
        let notes = match self.observed.get(&p.addr) {
            Some(Observed::Present(_, _, notes)) => notes.clone(),
            _ => Notes::Null,
        };
        let in_parts = |v: &Value| diff::in_parts(self.inputs.observer, &p.addr, v, &p.config, self.inputs.digest);
        let parts = prior.as_ref().and_then(in_parts);
        Ok(Prepared { p, known, prior, parts, private, notes, reasons, force, ignore: ignored(p.block), answers: vec![] })
    }

    /// Hides of what was seen, which a saved plan holds, the parts that are sensitive in this value.
    fn hide_seen(&mut self, addr: &InstanceAddr, by: &Value) {
        if by.deep_marks().is_sensitive()
            && let Some(Observed::Present(seen, ..)) = self.carried.asked.get_mut(addr)
        {
            *seen = diff::hidden_as(by, seen.clone());
        }
    }

    async fn import(&mut self, p: &Pending<'a>, id: &str) -> Option<(Value, Private)> {
        let found = match self.carried.asked.get(&p.addr) {
            Some(Observed::Present(value, own, _)) => Ok((value.clone(), own.clone())),
            _ => self.inputs.observer.import(&p.addr, id, Some(&p.config)).await,
        };
        match found {
            Ok((value, own)) => {
                let seen = Observed::present(value.clone(), own.clone());
                self.carried.asked.insert(p.addr.clone(), seen.clone());
                self.observed.insert(p.addr.clone(), seen);
                Some((value, own))
            }
            Err(d) => {
                self.diags.push(d.on(&p.addr).at(p.block.span));
                None
            }
        }
    }

    /// Lets a type decide; what it asks is answered in one batch, and then it decides again.
    async fn decide(&mut self, type_name: &Arc<str>, prepared: &mut [Prepared<'_, 'a>]) -> Vec<diff::Verdict> {
        let Some(resource) = prepared.first().map(|one| one.p.resource) else { return vec![] };
        for one in prepared.iter_mut() {
            one.answers = self.carried.answers.get(&one.p.addr).cloned().unwrap_or_default();
        }
        let decide = |prepared: &[Prepared<'_, 'a>], digest| {
            let inputs: Vec<diff::Input<'_>> = prepared.iter().map(|one| one.input(digest)).collect();
            decide_all(resource, &inputs)
        };
        let mut verdicts = decide(prepared, self.inputs.digest);
        let mut questions = Vec::new();
        for (one, verdict) in prepared.iter().zip(&mut verdicts) {
            let open = std::mem::take(&mut verdict.questions).into_iter().filter(|q| !one.answers.iter().any(|a| a.about == q.about));
            questions.extend(open);
        }
        if questions.is_empty() {
            return verdicts;
        }
        self.ask(type_name, resource, questions).await;
        for one in prepared.iter_mut() {
            one.answers = self.carried.answers.get(&one.p.addr).cloned().unwrap_or_default();
        }
        let mut again = decide(prepared, self.inputs.digest);
        for v in &mut again {
            // Two rounds at most: what is still asked is not answered.
            v.questions.clear();
        }
        again
    }

    /// Asks the real system; where nothing of the place runs, nobody answers.
    async fn ask(&mut self, type_name: &Arc<str>, resource: &dyn ResourceType, questions: Vec<Question>) {
        let (down, open): (Vec<_>, Vec<_>) = questions.into_iter().partition(|q| self.is_down(resource, &q.planned));
        let mut answers: Vec<(InstanceAddr, Answer)> = down.into_iter().map(|q| (q.addr, Answer { about: q.about, value: None })).collect();
        if !open.is_empty() {
            let found = self.inputs.observer.answer(type_name, open.clone()).await;
            let mut found = found.into_iter();
            for q in open {
                let value = match found.next() {
                    Some(Ok(value)) => value,
                    Some(Err(d)) => {
                        let block = self.block(&q.addr);
                        self.diags.push(block.map_or_else(|| d.clone().on(&q.addr), |b| locate(d.clone(), b, &q.addr)));
                        None
                    }
                    None => None,
                };
                answers.push((q.addr, Answer { about: q.about, value }));
            }
        }
        for (addr, answer) in answers {
            self.carried.answers.entry(addr).or_default().push(answer);
        }
    }

    /// Takes a verdict into the plan; the object as it will be.
    fn conclude(&mut self, one: Prepared<'_, 'a>, verdict: diff::Verdict) -> Value {
        let Prepared { p, known, prior, parts, private, mut reasons, .. } = one;
        if verdict.action == Action::NoOp {
            self.forget_spelling(p);
        }
        self.diags.extend(verdict.diagnostics.into_iter().map(|d| locate(d, p.block, &p.addr)));
        reasons.extend(verdict.reasons);
        let planned = match (&parts, &prior) {
            (Some(parts), Some(prior)) => diff::in_one(&verdict.planned, parts, prior),
            _ => verdict.planned,
        };
        let planned = with_origin(&planned, &p.addr);
        self.check_name(p, &planned);
        self.postconditions(p, &planned);
        let protected = self.protection(p);
        let adopted = known.as_ref().is_some_and(|k| k.in_doubt || k.doubt.is_some() || k.moved_from.is_some()) && prior.is_some();
        let elsewhere = prior.as_ref().is_some_and(|v| self.is_recorded_elsewhere(&p.addr, p.resource, v));
        let imported = reasons.iter().any(|r| matches!(r, Reason::Imported(_)));
        let prior = prior.map(|v| diff::hidden_as(&planned, v));
        self.hide_seen(&p.addr, &planned);
        // What stays as it is needs no second copy.
        let planned = match prior.as_ref().filter(|v| verdict.action == Action::NoOp && diff::identical(v, &planned)) {
            Some(prior) => with_origin(prior, &p.addr),
            None => planned,
        };
        let recorded = known.as_ref().filter(|_| verdict.action == Action::NoOp).map(|k| &k.record.attributes);
        let hidden = recorded.zip(prior.as_ref()).is_some_and(|(recorded, prior)| is_newly_hidden(recorded, prior));
        reasons.extend(hidden.then_some(Reason::NowSensitive));
        let record_changes = adopted || imported || elsewhere || hidden;
        let change = Change {
            reasons,
            prior,
            private,
            deferred: !p.config_known(),
            planned: Some(planned.clone()),
            ops: verdict.ops,
            delete_ops: verdict.delete_ops,
            dependencies: p.dependencies.clone(),
            used: known.as_ref().map(|k| k.record.dependencies.clone()).unwrap_or_default(),
            protected,
            timeouts: self.timeouts(p),
            create_before_destroy: p.block.lifecycle.create_before_destroy,
            record_changes,
            begun: known.as_ref().is_some_and(|k| k.in_doubt),
            ..Change::new(p.addr.clone(), verdict.action)
        };
        self.check_depth(p, &change);
        // What an expression that failed would have given is not known, so nothing is said about what it would do.
        if !p.failed {
            self.diags.extend(collision(&change, p));
            self.diags.extend(protection_error(&change, p.block));
        }
        if change.action.changes() {
            self.changed.insert(p.addr.resource.clone());
        }
        if matches!(change.action, Action::Update | Action::Replace | Action::ReplaceCreateFirst) {
            self.updated.entry(p.addr.resource.clone()).or_default().push(self.plan.changes.len());
        }
        self.plan.changes.push(change);
        planned
    }

    /// The state tells objects apart by their names, so a name must be one that may be written there.
    fn check_name(&mut self, p: &Pending<'a>, planned: &Value) {
        if !planned.deep_marks().is_sensitive() {
            return;
        }
        let none = Private::Null;
        let all = p.resource.holds(planned, &none);
        if all != p.resource.holds(&without_secrets(planned), &none) {
            let detail = format!("The name of {} comes from a sensitive value, and the state could not tell the object again.", p.addr);
            let d = Diagnostic::error(codes::SENSITIVE_NAME, detail)
                .hint("Write nonsensitive(…) around the value: names of objects are visible to everyone who may list them.");
            // A value that the type derives from its arguments is as sensitive as they are, and is no argument.
            let is_given = |path: &[Part]| matches!(path.first(), Some(Part::Name(n)) if p.config.get(n).is_some_and(|v| !v.is_null()));
            let (given, made): (Vec<Vec<Part>>, Vec<Vec<Part>>) = secret_paths(planned).into_iter().partition(|path| is_given(path));
            let written = made.iter().fold(planned.clone(), |object, path| without_secrets_at(&object, path));
            let all = p.resource.holds(&written, &none);
            let names = |path: &&Vec<Part>| p.resource.holds(&without_secrets_at(&written, path), &none) != all;
            let d = match given.iter().find(names) {
                Some(path) => attr_error(path_text(path), d),
                None => d,
            };
            self.diags.push(locate(d, p.block, &p.addr));
        }
    }

    /// The state refuses what nests too deeply. Said here, it is said before anything is changed.
    fn check_depth(&mut self, p: &Pending<'a>, change: &Change) {
        if !matches!(change.action, Action::Create | Action::Update | Action::Replace | Action::ReplaceCreateFirst) {
            return;
        }
        let Some(planned) = &change.planned else { return };
        if let Err(d) = codec::check_depth(planned, &p.addr.to_string()) {
            let given = |name: &&Arc<str>| p.config.get(name).is_some_and(|v| !v.is_null());
            let deepest = planned.as_map().into_iter().flatten().filter(|(name, _)| given(name)).max_by_key(|(_, v)| v.levels());
            let d = match deepest {
                Some((name, _)) => attr_error(name.to_string(), d),
                None => d,
            };
            self.diags.push(locate(d, p.block, &p.addr));
        }
    }

    /// What was found of an instance: object, private part, and whether a recorded object is certainly gone.
    pub(super) fn present(&self, addr: &InstanceAddr) -> (Option<Value>, Private, bool) {
        match (self.observed.get(addr), self.known.get(addr)) {
            (Some(Observed::Present(v, p, _)), _) => (Some(v.clone()), p.clone(), false),
            (Some(Observed::Absent), Some(k)) => (None, Private::Null, !k.in_doubt),
            (None, Some(k)) if !k.in_doubt => (Some(k.record.attributes.clone()), k.record.private.clone(), false),
            _ => (None, Private::Null, false),
        }
    }

    pub(super) fn forced(&mut self, p: &Pending<'a>, known: Option<&Known>) -> Option<Reason> {
        if known.is_some_and(|k| k.record.tainted) {
            return Some(Reason::Tainted);
        }
        if self.inputs.options.replace.contains(&p.addr) {
            return Some(Reason::Requested);
        }
        if self.triggered(p) {
            return Some(Reason::Triggered);
        }
        self.replaced_place(p)
    }

    /// What lives in a place that is replaced goes with the old one.
    fn replaced_place(&self, p: &Pending<'a>) -> Option<Reason> {
        let place = place_of(p.resource, &p.config)?;
        let replaced = |c: &Change| c.addr == *place && matches!(c.action, Action::Replace | Action::ReplaceCreateFirst);
        let found = self.updated.get(&place.resource)?.iter().any(|i| replaced(&self.plan.changes[*i]));
        found.then(|| Reason::CannotUpdate(vec![(p.resource.lives_in().unwrap_or_default().to_string(), format!("{place} is replaced"))]))
    }

    pub(super) fn skip(&mut self, p: &Pending<'a>, prior: Option<Value>, private: Private) -> Value {
        self.plan.skipped.push(p.addr.to_string());
        let value = with_origin(&diff::propose(&p.resource.schema().body, None, &p.config), &p.addr);
        self.left_out.push((p.addr.clone(), value.clone()));
        match prior {
            Some(v) => self.keep(p, Some(v), private, vec![]),
            None => value,
        }
    }

    pub(super) fn keep(&mut self, p: &Pending<'a>, prior: Option<Value>, private: Private, reasons: Vec<Reason>) -> Value {
        let Some(value) = prior else { return Value::unknown(Type::Dynamic) };
        let value = diff::hidden_as(&p.config, value);
        let value = with_origin(&self.hydrate(&value, p.resource), &p.addr);
        self.plan.changes.push(Change {
            reasons,
            prior: Some(value.clone()),
            private,
            planned: Some(value.clone()),
            dependencies: p.dependencies.clone(),
            used: self.known.get(&p.addr).map(|k| k.record.dependencies.clone()).unwrap_or_default(),
            protected: self.known.get(&p.addr).is_some_and(|k| k.record.protected),
            ..Change::new(p.addr.clone(), Action::NoOp)
        });
        value
    }

    pub(super) fn postconditions(&mut self, p: &Pending<'a>, planned: &Value) {
        let Some(module) = self.world.module(&p.addr.resource.module) else { return };
        let cx = context(self.inputs, &module.module.dir);
        let scope = self.world.scope(&p.addr.resource.module).repeated(p.addr.key.clone(), p.each.clone()).with_self(planned.clone());
        let found = conditions::all(&p.block.lifecycle.postconditions, self.inputs.options.mode, &scope, &cx);
        self.diags.extend(found.into_iter().map(|d| softened(d.on(&p.addr), p.block)));
    }

    pub(super) fn protection(&mut self, p: &Pending<'a>) -> bool {
        let Some(expr) = &p.block.lifecycle.prevent_destroy else { return false };
        let Some(module) = self.world.module(&p.addr.resource.module) else { return false };
        let cx = context(self.inputs, &module.module.dir);
        let scope = self.world.scope(&p.addr.resource.module).repeated(p.addr.key.clone(), p.each.clone());
        // Not yet known counts as protected: destroying is what cannot be taken back.
        let value = eval(expr, &scope, &cx, &mut self.diags);
        value.as_bool().unwrap_or(!value.is_null() && !value.marks().is_failed())
    }

    pub(super) fn timeouts(&mut self, p: &Pending<'a>) -> BTreeMap<String, u64> {
        let Some(module) = self.world.module(&p.addr.resource.module) else { return BTreeMap::new() };
        let cx = context(self.inputs, &module.module.dir);
        let scope = self.world.scope(&p.addr.resource.module).repeated(p.addr.key.clone(), p.each.clone());
        let mut out = BTreeMap::new();
        for (name, expr) in &p.block.timeouts {
            let value = eval(expr, &scope, &cx, &mut self.diags);
            match value.as_str().and_then(milliseconds).and_then(|n| u64::try_from(n).ok()) {
                Some(ms) => drop(out.insert(name.name.to_string(), ms)),
                None if value.deep_marks().is_failed() => {}
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
}

/// What `ignore_changes` names: attribute, and key inside it.
pub(crate) fn ignored(block: &ResourceBlock) -> Vec<(String, Option<String>)> {
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

/// Why a record is under another address than where it was written.
pub(super) fn moved_reasons(known: &Known) -> Vec<Reason> {
    let moved = known.moved_from.clone().map(Reason::Moved);
    moved.into_iter().chain(known.same_object.as_ref().map(|o| Reason::SameObject(o.to_string()))).collect()
}

/// The value with unknown ones in place of its sensitive parts. Objects that it refers to are left as they are.
fn without_secrets(value: &Value) -> Value {
    if value.marks().is_sensitive() {
        return Value::unknown(value.ty());
    }
    value.map_parts(|_, v| if v.origin().is_some() { v.clone() } else { without_secrets(v) })
}

/// The path as [`attr_error`] takes it.
fn path_text(path: &[Part]) -> String {
    let mut out = String::new();
    for part in path {
        match part {
            Part::Name(n) if out.is_empty() => out.push_str(n),
            Part::Name(n) => out.push_str(&format!(".{n}")),
            Part::At(key) => out.push_str(&key.to_string()),
        }
    }
    out
}

/// Whether the record shows something that is sensitive now.
fn is_newly_hidden(recorded: &Value, now: &Value) -> bool {
    if !now.deep_marks().is_sensitive() {
        return false;
    }
    let hidden = secret_paths(recorded);
    // A null says nothing, and a saved plan marks the one of an argument that is sensitive by its schema.
    let says = |path: &[Part]| path.iter().try_fold(now, |v, part| v.part(part)).is_none_or(|v| !v.is_null());
    secret_paths(now).iter().any(|path| says(path) && !hidden.iter().any(|h| path.starts_with(h)))
}

/// The sensitive paths of an object, in the order of its parts. Referenced objects are skipped.
fn secret_paths(value: &Value) -> Vec<Vec<Part>> {
    let (mut out, mut open) = (Vec::new(), vec![(value, Vec::new())]);
    while let Some((v, path)) = open.pop() {
        if v.marks().is_sensitive() {
            out.push(path);
        } else if v.origin().is_none() || path.is_empty() {
            open.extend(v.parts().into_iter().rev().map(|(part, inner)| (inner, path.iter().cloned().chain([part]).collect())));
        }
    }
    out
}

/// The value with an unknown one at this place.
fn without_secrets_at(value: &Value, path: &[Part]) -> Value {
    let Some((first, rest)) = path.split_first() else { return without_secrets(value) };
    value.map_parts(|part, v| if part == *first { without_secrets_at(v, rest) } else { v.clone() })
}

/// Two objects of one name cannot exist at one time.
fn collision(c: &Change, p: &Pending<'_>) -> Option<Diagnostic> {
    let (Action::ReplaceCreateFirst, Some(old), Some(new)) = (c.action, &c.prior, &c.planned) else { return None };
    let old = p.resource.holds(old, &c.private);
    let both = p.resource.holds(new, &Private::Null).into_iter().find(|h| !h.shared && old.contains(h))?;
    let detail = format!("The new {} cannot be created before the old one is deleted: both are the {}.", c.addr, both.key);
    let d = Diagnostic::error(codes::COLLIDES, detail);
    Some(d.on(&c.addr).at(p.block.span).hint("Give the new one another name, or remove create_before_destroy here and in what needs it."))
}

fn protection_error(c: &Change, block: &ResourceBlock) -> Option<Diagnostic> {
    let destroys = matches!(c.action, Action::Replace | Action::ReplaceCreateFirst | Action::Delete);
    (destroys && c.protected).then(|| protected(&c.addr).at(block.span))
}
