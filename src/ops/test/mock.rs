//! Stand-ins for resource types: what a test mocks or overrides is planned by schema alone, and nothing real is asked.
//!
//! Computed attributes get the values that the test gives, or generated ones: a string of eight letters and digits, zero, false, nothing in
//! a collection.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::addr::{InstanceAddr, Mode, Target};
use crate::diag::{Diagnostic, Diagnostics};
use crate::disk::private::digest;
use crate::resource::registry::{self, Entry};
use crate::resource::{
    Desk, Discovered, Gathered, Hold, Observed, Op, PlanInput, PlanOutput, Private, ReadRequest, ResourceType, Session, StepRequest,
};
use crate::resource::{StepResult, Verb, together};
use crate::schema::{AttrType, Body, Schema, Set};
use crate::value::convert::convert;
use crate::value::{Fields, Repr, Type, Value};

/// What stands in for one object.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Values of computed attributes.
    pub values: Option<Value>,
    /// Whether they are known while planning already.
    pub during_plan: bool,
}

/// Everything that a run mocks.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// By address; the first that fits counts.
    pub objects: Vec<(Target, Rule)>,
    /// By type.
    pub types: Vec<(Mode, Arc<str>, Rule)>,
    /// By provider, the first word of a type.
    pub providers: Vec<(Arc<str>, bool)>,
}

impl Rules {
    fn of(&self, addr: &InstanceAddr) -> Option<Rule> {
        let block = &addr.resource;
        if let Some((_, rule)) = self.objects.iter().find(|(t, _)| t.contains(addr)) {
            return Some(rule.clone());
        }
        let (_, during_plan) = self.providers.iter().find(|(p, _)| provider_of(&block.type_name) == &**p)?;
        let of_type = self.types.iter().find(|(m, t, _)| *m == block.mode && *t == block.type_name);
        Some(of_type.map_or(Rule { values: None, during_plan: *during_plan }, |(.., rule)| rule.clone()))
    }

    fn touches(&self, mode: Mode, type_name: &str) -> bool {
        let block = |t: &Target| match t {
            Target::Module(_) => false,
            Target::Resource(r) => r.mode == mode && &*r.type_name == type_name,
            Target::Instance(i) => i.resource.mode == mode && &*i.resource.type_name == type_name,
        };
        self.providers.iter().any(|(p, _)| provider_of(type_name) == &**p) || self.objects.iter().any(|(t, _)| block(t))
    }

    /// The resource types of a run: those of this program, with stand-ins where a rule may want one.
    pub fn types(self) -> Vec<Entry> {
        let rules = Arc::new(self);
        let seed: Arc<str> = uuid::Uuid::new_v4().to_string().into();
        let stand_in = |(mode, name, real): &Entry| {
            if !rules.touches(*mode, name) {
                return (*mode, *name, *real);
            }
            // Types live as long as the program does, and this one ends with its tests.
            let mocked: &'static Mocked =
                Box::leak(Box::new(Mocked { real: *real, mode: *mode, rules: Arc::clone(&rules), seed: Arc::clone(&seed) }));
            (*mode, *name, mocked as &'static dyn ResourceType)
        };
        registry::ALL.iter().map(stand_in).collect()
    }
}

/// The provider that a type belongs to: `kafka` of `kafka_topic`.
pub fn provider_of(type_name: &str) -> &str {
    type_name.split('_').next().unwrap_or(type_name)
}

struct Mocked {
    real: &'static dyn ResourceType,
    mode: Mode,
    rules: Arc<Rules>,
    /// Tells the generated values of one run from those of others.
    seed: Arc<str>,
}

impl Mocked {
    fn filled(&self, addr: &InstanceAddr, object: &Value, config: &Value, rule: &Rule) -> Value {
        fill(&format!("{} {addr}", self.seed), object, config, &self.real.schema().body, rule.values.as_ref())
    }

    fn read_one(&self, r: ReadRequest, rule: &Rule) -> Observed {
        let value = if self.mode == Mode::Data { self.read_data(&r.addr, &r.prior, rule) } else { r.prior };
        Observed::present(value, Private::Null)
    }

    /// What a data source's configuration does not say is computed.
    fn read_data(&self, addr: &InstanceAddr, config: &Value, rule: &Rule) -> Value {
        let mut map = config.as_map().cloned().unwrap_or_default();
        for a in &self.real.schema().body.attributes {
            if matches!(a.set, Set::Computed | Set::OptionalComputed) && map.get(a.name).is_none_or(Value::is_null) {
                map.insert(a.name.into(), Value::unknown(attr_type(&a.ty)));
            }
        }
        self.filled(addr, &Value::object(map), &Value::null_dynamic(), rule)
    }

    fn apply_one(&self, verb: Verb, step: &StepRequest, rule: &Rule) -> StepResult {
        match (verb, &step.planned) {
            (Verb::Delete, _) | (_, None) => StepResult::gone(),
            (_, Some(planned)) => StepResult::done(self.filled(&step.addr, planned, &Value::null_dynamic(), rule), Private::Null),
        }
    }
}

/// Puts the results for two kinds of requests back in the order of the requests.
fn weave<T>(mocked: Vec<Option<T>>, real: Vec<T>) -> Vec<T> {
    let mut real = real.into_iter();
    mocked.into_iter().filter_map(|m| m.or_else(|| real.next())).collect()
}

#[async_trait]
impl ResourceType for Mocked {
    fn schema(&self) -> &'static Schema {
        self.real.schema()
    }

    fn validate(&self, config: &Value, diags: &mut Diagnostics) {
        self.real.validate(config, diags);
    }

    fn holds(&self, object: &Value, private: &Private) -> Vec<Hold> {
        self.real.holds(object, private)
    }

    fn plan(&self, input: PlanInput<'_>) -> PlanOutput {
        let Some(rule) = self.rules.of(input.addr) else { return self.real.plan(input) };
        let planned = if rule.during_plan { self.filled(input.addr, &input.proposed, input.config, &rule) } else { input.proposed };
        PlanOutput::new(planned)
    }

    fn plan_delete(&self, prior: &Value, private: &Private) -> Vec<Op> {
        match prior.origin().and_then(|o| self.rules.of(o)) {
            Some(_) => vec![],
            None => self.real.plan_delete(prior, private),
        }
    }

    async fn read(&self, cx: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        let (mut out, mut rest) = (Vec::new(), Vec::new());
        for r in requests {
            match self.rules.of(&r.addr) {
                Some(rule) => out.push(Some(Ok(self.read_one(r, &rule)))),
                None => {
                    out.push(None);
                    rest.push(r);
                }
            }
        }
        let real = if rest.is_empty() { vec![] } else { self.real.read(cx, rest).await };
        weave(out, real)
    }

    async fn probe(&self, cx: &Session, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
        let out: Vec<_> = requests.iter().map(|r| self.rules.of(&r.addr).map(|_| Diagnostics::new())).collect();
        let rest: Vec<_> = requests.into_iter().filter(|r| self.rules.of(&r.addr).is_none()).collect();
        let real = if rest.is_empty() { vec![] } else { self.real.probe(cx, rest).await };
        weave(out, real)
    }

    async fn apply(&self, cx: &Session, verb: Verb, steps: Vec<StepRequest>, desk: &dyn Desk) {
        let count = steps.len();
        let out: Vec<_> = steps.iter().map(|s| self.rules.of(&s.addr).map(|rule| self.apply_one(verb, s, &rule))).collect();
        let rest: Vec<_> = steps.into_iter().filter(|s| self.rules.of(&s.addr).is_none()).collect();
        let real = if rest.is_empty() { vec![] } else { Gathered::apply(self.real, cx, verb, rest).await };
        together(desk, count, async { weave(out, real) }).await;
    }

    fn batch_limit(&self) -> usize {
        self.real.batch_limit()
    }

    async fn import(&self, cx: &Session, id: &str, config: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        self.real.import(cx, id, config).await
    }

    async fn discover(&self, cx: &Session, parent: &Value) -> Result<Vec<Discovered>, Diagnostic> {
        self.real.discover(cx, parent).await
    }

    fn timeout(&self, verb: Verb) -> Duration {
        self.real.timeout(verb)
    }
}

fn attr_type(ty: &AttrType) -> Type {
    match ty {
        AttrType::Value(t) => t.clone(),
        AttrType::Ref(_) => Type::Dynamic,
    }
}

/// Puts values where an object has unknown ones. Arguments whose value the configuration is yet to say stay unknown.
fn fill(path: &str, object: &Value, config: &Value, body: &Body, values: Option<&Value>) -> Value {
    let Some(map) = object.as_map() else { return object.clone() };
    let mut out = map.clone();
    for a in &body.attributes {
        let Some(now) = map.get(a.name).filter(|v| !v.is_wholly_known() && v.origin().is_none()) else { continue };
        if config.get(a.name).is_some_and(|v| !v.is_null() && !v.is_wholly_known()) {
            continue;
        }
        let ty = attr_type(&a.ty);
        let given = values.and_then(|v| v.as_map()).and_then(|m| m.get(a.name)).and_then(|v| convert(v, &ty).ok());
        let value = given.unwrap_or_else(|| known(&format!("{path}.{}", a.name), now, &ty));
        out.insert(a.name.into(), if a.sensitive { value.sensitive() } else { value.mark(now.marks()) });
    }
    for b in &body.blocks {
        let given = values.and_then(|v| v.as_map()).and_then(|m| m.get(b.name));
        let Some(inner) = map.get(b.name).filter(|v| !v.is_wholly_known()) else { continue };
        let written = config.get(b.name).unwrap_or_else(Value::null_dynamic);
        let nothing = Value::null_dynamic();
        let path = format!("{path}.{}", b.name);
        let each =
            |key: &str, v: &Value, config: Option<&Value>| fill(&format!("{path}.{key}"), v, config.unwrap_or(&nothing), &b.body, given);
        let at = |i: usize| written.as_slice().and_then(|s| s.get(i));
        let under = |k: &Arc<str>| written.as_map().and_then(|m| m.get(k));
        let now = match inner.repr() {
            Repr::List(l) => Value::list(l.elem.clone(), l.items.iter().enumerate().map(|(i, v)| each(&i.to_string(), v, at(i))).collect()),
            Repr::Map(m) => Value::map(m.elem.clone(), m.items.iter().map(|(k, v)| (k.clone(), each(k, v, under(k)))).collect()),
            Repr::Object(_) => each("", inner, Some(&written)),
            _ => continue,
        };
        out.insert(b.name.into(), now);
    }
    Value::object_of(out, object.origin().cloned()).mark(object.marks())
}

/// The value with generated ones in place of what is unknown in it.
fn known(path: &str, value: &Value, ty: &Type) -> Value {
    let part = |key: &str, v: &Value, ty: &Type| known(&format!("{path}.{key}"), v, ty);
    match value.repr() {
        Repr::Unknown(_) => generated(path, ty),
        Repr::Object(o) => Value::object(o.attrs.iter().map(|(k, v)| (k.clone(), part(k, v, &v.ty()))).collect()),
        Repr::Map(m) => Value::map(m.elem.clone(), m.items.iter().map(|(k, v)| (k.clone(), part(k, v, &m.elem))).collect()),
        Repr::List(l) => Value::list(l.elem.clone(), l.items.iter().enumerate().map(|(i, v)| part(&i.to_string(), v, &l.elem)).collect()),
        Repr::Tuple(t) => Value::tuple(t.items.iter().enumerate().map(|(i, v)| part(&i.to_string(), v, &v.ty())).collect()),
        _ => value.clone(),
    }
}

fn generated(path: &str, ty: &Type) -> Value {
    match ty {
        Type::String | Type::Dynamic => Value::string(letters(path)),
        Type::Number => Value::from(0i64),
        Type::Bool => Value::from(false),
        Type::Object(o) => Value::object(o.attrs.iter().map(|(k, t)| (k.clone(), generated(&format!("{path}.{k}"), t))).collect()),
        other => convert(&Value::tuple(vec![]), other)
            .or_else(|_| convert(&Value::object(Fields::new()), other))
            .unwrap_or_else(|_| Value::null(other.clone())),
    }
}

/// Eight letters and digits, the same for one path: an apply finds what its plan has said.
fn letters(path: &str) -> String {
    digest([path])[..8].to_string()
}
