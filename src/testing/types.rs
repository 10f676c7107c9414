//! Fake resource types as data. `place`, `thing`, `twin`, `vault`, `slow`, `asker` and `wary` have one exclusive object each; `grant` and `bundle` share rights.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use async_trait::async_trait;

use super::reality::{HERE, Objects, Real, RealKey, Reality, Written};
use super::rights::{BUNDLE, GRANT};
use crate::addr::Mode;
use crate::diag::{Code, Diagnostic};
use crate::plan::diff::same;
use crate::resource::kafka_common::{origin, with};
use crate::resource::registry::Entry;
use crate::resource::{
    Arg, Desk, Hold, Key, Notes, Observed, Op, OpAction, Place, PlanInput, PlanOutput, Private, Question, ReadRequest, ResourceType,
    Session, StepRequest, StepResult, Verb,
};
use crate::schema::{Attribute, Body, Schema};
use crate::value::{Type, Value};

/// What the fake real system says.
pub const REFUSED: Code = Code { id: "SF0001", summary: "Refused" };
/// An answer that did not come.
pub const LOST: Code = Code { id: "SF0002", summary: "Answer lost" };

/// All fake types, places before what lives in them.
pub static TYPES: &[Entry] = &[
    (Mode::Data, "place", &FINDER),
    (Mode::Managed, "place", &PLACE),
    (Mode::Managed, "thing", &THING),
    (Mode::Managed, "twin", &TWIN),
    (Mode::Managed, "grant", &GRANT),
    (Mode::Managed, "bundle", &BUNDLE),
    (Mode::Managed, "vault", &VAULT),
    (Mode::Managed, "slow", &SLOW),
    (Mode::Managed, "asker", &ASKER),
    (Mode::Managed, "wary", &WARY),
];

/// A part of an object: an optional text.
pub struct Part {
    pub name: &'static str,
    /// It is fixed when the object is made.
    pub fixed: bool,
    /// Nobody can read it back.
    pub secret: bool,
}

const fn part(name: &'static str) -> Part {
    Part { name, fixed: false, secret: false }
}

/// What the objects of a type are like.
#[derive(Clone, Copy)]
pub struct Form {
    /// What its objects are in the real system.
    pub kind: &'static str,
    pub placed: bool,
    pub parts: &'static [Part],
    pub unread: &'static [&'static str],
    /// Each part is written by itself.
    pub stepwise: bool,
    /// Its plan asks the place for a limit.
    pub asks: bool,
}

const fn form(kind: &'static str, parts: &'static [Part]) -> Form {
    Form { kind, placed: false, parts, unread: &[], stepwise: false, asks: false }
}

/// A type of objects that belong to one resource each.
pub struct Solid {
    form: Form,
    schema: OnceLock<&'static Schema>,
}

impl std::ops::Deref for Solid {
    type Target = Form;

    fn deref(&self) -> &Form {
        &self.form
    }
}

const fn solid(form: Form) -> Solid {
    Solid { form, schema: OnceLock::new() }
}

const THING_PARTS: &[Part] = &[part("size"), Part { name: "shape", fixed: true, secret: false }, part("label")];
const VAULT_PARTS: &[Part] = &[Part { name: "secret", fixed: false, secret: true }, part("hint")];

pub static PLACE: Solid = solid(form("place", &[part("size")]));
pub static THING: Solid = solid(Form { placed: true, ..form("thing", THING_PARTS) });
pub static TWIN: Solid = solid(Form { placed: true, ..form("thing", THING_PARTS) });
pub static VAULT: Solid = solid(Form { unread: &["secret"], ..form("vault", VAULT_PARTS) });
pub static SLOW: Solid = solid(Form { stepwise: true, ..form("slow", &[part("a"), part("b"), part("c")]) });
pub static WARY: Solid = solid(form("wary", &[part("hint")]));
pub static ASKER: Solid = solid(Form { placed: true, asks: true, ..form("asker", &[part("value")]) });

/// What the place says to everybody who asks.
pub const LIMIT: &str = "10";

/// The id of the place that an object lives in: as recorded, or of the block that it refers to.
pub fn place_id(object: &Value, private: &Private) -> Option<String> {
    let recorded = private.get("place").and_then(|v| v.as_str()).map(str::to_string);
    recorded.or_else(|| object.get("place")?.get("id")?.as_str().map(str::to_string))
}

/// The place of an object's key.
pub fn place_of(object: &Value, private: &Private) -> Place {
    match private.get("place").and_then(|v| v.as_str()) {
        Some(id) => Place::with_id(id, origin(object, "place").map_or_else(|| "a place".to_string(), |a| a.to_string())),
        None => Place::of(object, "place", "id"),
    }
}

pub fn text(object: &Value, name: &str) -> Option<String> {
    object.get(name)?.as_str().map(str::to_string)
}

pub fn refused(why: &str) -> Diagnostic {
    Diagnostic::error(REFUSED, format!("{why}."))
}

pub fn lost() -> Diagnostic {
    Diagnostic::error(LOST, "The answer to a write did not come.")
}

pub fn place_attribute() -> Attribute {
    Attribute::reference("place", &["place"], "Where it is.")
}

impl Solid {
    fn make_schema(&self) -> Schema {
        let mut attributes = Vec::new();
        if self.placed {
            attributes.push(place_attribute());
        }
        attributes.push(Attribute::required("name", Type::String, "Its name.").force_new());
        attributes.extend(self.parts.iter().map(|p| {
            let mut a = Attribute::optional(p.name, Type::String, "A part.");
            (a.force_new, a.sensitive) = (p.fixed, p.secret);
            a
        }));
        if self.asks {
            attributes.push(Attribute::computed("limit", Type::String, "What the place says."));
        }
        attributes.push(Attribute::computed("id", Type::String, "Tells it from another one of this name."));
        Schema { version: 0, doc: "A fake.", body: Body { attributes, blocks: vec![] } }
    }

    fn key(&self, object: &Value, private: &Private) -> Key {
        let place = if self.placed { place_of(object, private) } else { Place::here() };
        match text(object, "name") {
            Some(name) => Key::new(place, self.kind, &name),
            None => Key::unnamed(place, self.kind),
        }
    }

    fn real_key(&self, object: &Value, private: &Private) -> Option<RealKey> {
        let place = if self.placed { place_id(object, private)? } else { HERE.to_string() };
        Some(RealKey::new(&place, self.kind, &text(object, "name")?))
    }

    fn parts_of(&self, object: &Value) -> BTreeMap<String, String> {
        self.parts.iter().filter_map(|p| Some((p.name.to_string(), text(object, p.name)?))).collect()
    }

    /// The object as it really is; what cannot be read is as recorded.
    fn seen(&self, request: &ReadRequest, key: &RealKey, real: &Real) -> Observed {
        let part = |p: &Part| match self.unread.contains(&p.name) {
            true => request.prior.get(p.name).unwrap_or(Value::null(Type::String)),
            false => real.parts.get(p.name).map_or(Value::null(Type::String), Value::string),
        };
        let mut attrs: Vec<(&'static str, Value)> = self.parts.iter().map(|p| (p.name, part(p))).collect();
        attrs.push(("id", Value::string(&real.id)));
        if self.asks {
            attrs.push(("limit", LIMIT.into()));
        }
        let accepted = request.private.get("id").cloned().unwrap_or_else(|| real.id.clone().into());
        let private = serde_json::json!({ "place": key.place, "id": accepted });
        Observed::Present(with(&request.prior, attrs), private, Notes::Null)
    }

    fn done(&self, planned: &Value, key: &RealKey, real: &Real) -> StepResult {
        let mut attrs = vec![("id", Value::string(&real.id))];
        if self.asks {
            attrs.push(("limit", LIMIT.into()));
        }
        StepResult::done(with(planned, attrs), serde_json::json!({ "place": key.place, "id": real.id }))
    }

    async fn step(&self, real: &Reality, verb: Verb, step: &StepRequest, desk: &dyn Desk, index: usize) -> StepResult {
        let kept = step.prior.clone().map(|v| (v, step.private.clone()));
        let object = step.planned.as_ref().or(step.prior.as_ref());
        let Some((object, key)) = object.and_then(|o| Some((o, self.real_key(o, &step.private)?))) else {
            return StepResult::failed(refused("its place is not known"), kept);
        };
        match verb {
            Verb::Create => self.create(real, step, object, &key).await,
            Verb::Update => self.update(real, step, object, &key, desk, index).await,
            Verb::Delete => {
                if step.ops.is_empty() {
                    return StepResult::gone();
                }
                match real.write(&step.addr, &step.ops, &key, |all| delete(all, &key)).await {
                    Written::Done => StepResult::gone(),
                    Written::Refused(why) => StepResult::failed(refused(&why), kept),
                    Written::Lost => StepResult::in_doubt(lost()),
                }
            }
        }
    }

    async fn create(&self, real: &Reality, step: &StepRequest, object: &Value, key: &RealKey) -> StepResult {
        if !step.ops.iter().any(|o| o.action == OpAction::Create) {
            return StepResult::failed(refused("no operation creates it"), None);
        }
        let made = Real { id: real.next_id(self.kind), parts: self.parts_of(object) };
        let mut now = made.clone();
        let written = real
            .write(&step.addr, &step.ops, key, |all| {
                if self.placed && !all.values().any(|r| r.id == key.place) {
                    return Err("its place does not exist".into());
                }
                match all.get(key) {
                    Some(_) if !step.begun => return Err(format!("{} {:?} already exists", key.kind, key.name)),
                    Some(there) => now.id.clone_from(&there.id),
                    None => {}
                }
                all.insert(key.clone(), now.clone());
                Ok(())
            })
            .await;
        match written {
            Written::Done => self.done(object, key, &now),
            Written::Refused(why) => StepResult::failed(refused(&why), None),
            Written::Lost => StepResult::in_doubt(lost()),
        }
    }

    async fn update(&self, real: &Reality, step: &StepRequest, object: &Value, key: &RealKey, desk: &dyn Desk, index: usize) -> StepResult {
        let mut reached = step.prior.clone().unwrap_or_else(|| object.clone());
        let groups: Vec<(usize, &[Op])> = match self.stepwise {
            true => step.ops.chunks(1).enumerate().collect(),
            false => vec![(0, &step.ops[..])],
        };
        let mut now = None;
        for (at, ops) in groups {
            if ops.iter().any(|o| o.once) && !desk.begin_op(index, at).await {
                return StepResult::failed(refused("not begun"), Some((reached, step.private.clone())));
            }
            let written = real
                .write(&step.addr, ops, key, |all| {
                    let there = all.get_mut(key).ok_or_else(|| format!("{} {:?} does not exist", key.kind, key.name))?;
                    if text(object, "id").is_some_and(|id| id != there.id) {
                        return Err(format!("{} {:?} is another one than was planned", key.kind, key.name));
                    }
                    for op in ops.iter().filter(|o| o.part != IDENTITY) {
                        match text(object, &op.part) {
                            Some(v) => there.parts.insert(op.part.clone(), v),
                            None => there.parts.remove(&op.part),
                        };
                    }
                    now = Some(there.clone());
                    Ok(())
                })
                .await;
            match written {
                Written::Done => {}
                Written::Refused(why) => return StepResult::failed(refused(&why), Some((reached, step.private.clone()))),
                Written::Lost => return StepResult::in_doubt(lost()),
            }
            if ops.iter().any(|o| o.once) {
                desk.end_op(index, at).await;
            }
            let parts = ops.iter().filter_map(|o| self.parts.iter().find(|p| p.name == o.part));
            reached = with(&reached, parts.filter_map(|p| Some((p.name, object.get(p.name)?))).collect());
        }
        match now {
            Some(now) => self.done(object, key, &now),
            None => StepResult::done(object.clone(), step.private.clone()),
        }
    }
}

/// What is accepted when an object was deleted and made again outside.
const IDENTITY: &str = "identity";

/// A place goes with all that is in it.
pub fn delete(all: &mut Objects, key: &RealKey) -> Result<(), String> {
    if let Some(gone) = all.remove(key)
        && key.kind == "place"
    {
        all.retain(|k, _| k.place != gone.id);
    }
    Ok(())
}

#[async_trait]
impl ResourceType for Solid {
    fn schema(&self) -> &'static Schema {
        self.schema.get_or_init(|| Box::leak(Box::new(self.make_schema())))
    }

    fn lives_in(&self) -> Option<&'static str> {
        self.placed.then_some("place")
    }

    fn unread(&self) -> &'static [&'static str] {
        self.unread
    }

    fn holds(&self, object: &Value, private: &Private) -> Vec<Hold> {
        Some(self.key(object, private)).filter(Key::is_known).map(Hold::exclusive).into_iter().collect()
    }

    /// A wary object is looked at before it is written.
    fn vets(&self) -> bool {
        self.kind == "wary"
    }

    async fn vet(&self, _cx: &Session, requests: &[StepRequest]) -> Vec<Option<Diagnostic>> {
        let hint = |r: &StepRequest| r.planned.as_ref().and_then(|p| text(p, "hint")).unwrap_or_default();
        let answered = requests.iter().take_while(|r| hint(r) != "silent");
        answered.map(|r| (hint(r) == "bad").then(|| refused("the hint is bad"))).collect()
    }

    fn plan(&self, input: PlanInput<'_>) -> PlanOutput {
        let mut out = PlanOutput::new(input.proposed.clone());
        let key = self.key(&input.proposed, input.private);
        let value = |object: &Value, name: &str| object.get(name).unwrap_or(Value::null(Type::String));
        match input.prior {
            None => {
                let set = self.parts.iter().map(|p| (p.name, value(&input.proposed, p.name))).filter(|(_, v)| !v.is_null());
                out.ops.push(set.fold(Op::new(OpAction::Create, key), |op, (name, v)| op.after(name, Arg::of(&v, name))));
            }
            Some(prior) => {
                for p in self.parts.iter().filter(|p| !p.fixed) {
                    let (was, now) = (value(prior, p.name), value(&input.proposed, p.name));
                    if !same(&was, &now) {
                        let mut op = Op::new(OpAction::Change, key.clone()).part(p.name).after(p.name, Arg::of(&now, p.name));
                        op.once = self.stepwise;
                        out.ops.push(op.expect(Arg::of(&was, p.name), ""));
                    }
                }
                let accepted = input.private.get("id").and_then(|v| v.as_str());
                if let (Some(old), Some(new)) = (accepted, text(prior, "id"))
                    && old != new
                {
                    out.ops.push(Op::new(OpAction::Change, key).part(IDENTITY).note(format!("accept {new} in place of {old}")));
                }
            }
        }
        if self.asks && !out.ops.is_empty() {
            let about = "limit";
            match input.answer(about) {
                None => out.questions.push(Question {
                    addr: input.addr.clone(),
                    about: about.into(),
                    planned: input.proposed.clone(),
                    prior: input.prior.cloned(),
                    private: input.private.clone(),
                }),
                Some(None) => out.ops.iter_mut().for_each(|o| o.not_checked = true),
                Some(Some(limit)) => out.planned = with(&out.planned, vec![("limit", limit.as_str().unwrap_or_default().into())]),
            }
        }
        out
    }

    async fn answer(&self, _: &Session, questions: Vec<Question>) -> Vec<Result<Option<serde_json::Value>, Diagnostic>> {
        questions.iter().map(|q| Ok(place_id(&q.planned, &q.private).map(|_| LIMIT.into()))).collect()
    }

    fn plan_delete(&self, prior: &Value, private: &Private) -> Vec<Op> {
        vec![Op::new(OpAction::Delete, self.key(prior, private))]
    }

    async fn read(&self, cx: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        let (seen, there) = Reality::of(cx).read();
        let one = |r: &ReadRequest| {
            let keys = [self.real_key(&r.prior, &r.private), r.doubt.as_ref().and_then(|d| self.real_key(&d.intent, &d.private))];
            // A lagging read serves only the parts: doubt, absence and identity come from the real content.
            let same = |k: &RealKey, real: &Real| there.get(k).is_some_and(|t| t.id == real.id);
            let find = |k: &RealKey| if r.doubt.is_some() { None } else { seen.get(k) }.filter(|real| same(k, real)).or(there.get(k));
            keys.iter().flatten().find_map(|k| Some(self.seen(r, k, find(k)?))).unwrap_or(Observed::Absent)
        };
        requests.iter().map(|r| Ok(one(r))).collect()
    }

    async fn apply(&self, cx: &Session, verb: Verb, steps: Vec<StepRequest>, desk: &dyn Desk) {
        let real = Reality::of(cx);
        desk.begin_together(0..steps.len());
        let each = steps.iter().enumerate().map(|(i, s)| {
            let real = &real;
            async move {
                let result = self.step(real, verb, s, desk, i).await;
                // Those that take several writes report one by one, the others together.
                if self.stepwise {
                    desk.finish(vec![(i, result.clone())]);
                }
                (i, result)
            }
        });
        let results = futures::future::join_all(each).await;
        if !self.stepwise {
            desk.finish(results);
        }
    }

    fn batch_limit(&self) -> usize {
        if self.kind == "vault" { 1 } else { 5 }
    }

    async fn import(&self, cx: &Session, id: &str, config: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        let base = config.cloned().unwrap_or_else(|| Value::object(crate::value::Fields::new()));
        let named = with(&base, vec![("name", Value::string(id))]);
        let (_, there) = Reality::of(cx).read();
        let key = self.real_key(&named, &Private::Null).ok_or_else(|| refused("its place is not known"))?;
        let real = there.get(&key).ok_or_else(|| refused("there is no such object"))?;
        match self.seen(
            &ReadRequest::new(crate::addr::ResourceAddr::root(Mode::Managed, "x", "x").instance(None), named, Private::Null),
            &key,
            real,
        ) {
            Observed::Present(value, private, _) => Ok((value, private)),
            Observed::Absent => Err(refused("there is no such object")),
        }
    }
}

/// The data source that finds a place by its name.
pub struct Finder(OnceLock<&'static Schema>);

pub static FINDER: Finder = Finder(OnceLock::new());

#[async_trait]
impl ResourceType for Finder {
    fn schema(&self) -> &'static Schema {
        let attributes =
            || vec![Attribute::required("name", Type::String, "Its name."), Attribute::computed("id", Type::String, "Its id.")];
        self.0.get_or_init(|| {
            Box::leak(Box::new(Schema { version: 0, doc: "A fake.", body: Body { attributes: attributes(), blocks: vec![] } }))
        })
    }

    async fn read(&self, cx: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        let (_, there) = Reality::of(cx).read();
        let find = |r: &ReadRequest| there.get(&RealKey::new(HERE, "place", &text(&r.prior, "name")?)).map(|real| real.id.clone());
        let one = |r: &ReadRequest| match find(r) {
            Some(id) => Observed::present(with(&r.prior, vec![("id", Value::string(id))]), Private::Null),
            None => Observed::Absent,
        };
        requests.iter().map(|r| Ok(one(r))).collect()
    }

    async fn import(&self, _: &Session, _: &str, _: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        Err(refused("a data source is not imported"))
    }
}
