//! Resource types: the trait that each implements, and one file per type.
//!
//! A resource type is pure where it validates and plans, and an edge where it reads, probes and applies. Every edge call is
//! batch-first: the engine hands over all requests of one type that are ready, and the type makes as few calls to the real system
//! as that system allows. Nothing here prints, asks or exits. To add a type: write its file, add it to [`registry`].

pub mod kafka_acl;
pub mod kafka_cluster;
pub mod kafka_cluster_data;
pub mod kafka_connect;
pub mod kafka_connect_data;
pub mod kafka_connector;
pub mod kafka_topic;
pub mod null_resource;
pub mod principal;
pub mod providers;
pub mod registry;
pub mod secret;

pub(crate) mod kafka_common;
pub(crate) mod local_common;

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::addr::InstanceAddr;
use crate::diag::codes::apply as codes;
use crate::diag::{Diagnostic, Diagnostics};
pub use crate::op::{Arg, Hold, Key, Op, OpAction, Place, Private, Verb};
use crate::schema::Schema;
use crate::value::Value;

/// The computed attribute by which an object that others live in tells which of its processes run, as a list. Where it is empty, nobody is asked
/// for what lives there. A type without processes has none.
pub const RUNNING: &str = "running";

/// What an observation says for the plan alone (a topic's inherited settings): it travels beside the object and is never in the state.
pub type Notes = serde_json::Value;

/// An operation of an earlier run whose end was never recorded: the object may be as before, as intended, or between the two.
#[derive(Clone, Debug)]
pub struct Doubt {
    /// What was begun.
    pub verb: Verb,
    /// The object as it was to be (create, update) or as it was (delete); references are hydrated, sensitive parts may be unknown.
    pub intent: Value,
    /// The private part that was written with the intent.
    pub private: Private,
    /// The operations that were begun.
    pub ops: Vec<Op>,
}

/// One object to read back.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// The instance.
    pub addr: InstanceAddr,
    /// The attributes as last recorded (an object value by schema; references are hydrated, sensitive parts may be unknown).
    /// For a data source: the evaluated configuration.
    pub prior: Value,
    /// The private part as last recorded.
    pub private: Private,
    /// An operation on it is in doubt: what either object would hold is looked for.
    pub doubt: Option<Doubt>,
}

impl ReadRequest {
    /// A request for an object of which nothing is in doubt.
    pub fn new(addr: InstanceAddr, prior: Value, private: Private) -> Self {
        ReadRequest { addr, prior, private, doubt: None }
    }
}

/// What a read found. An `Err` never means "gone".
#[derive(Clone, Debug)]
pub enum Observed {
    /// It is there: attributes by schema, the private part, and what only a plan needs.
    Present(Value, Private, Notes),
    /// It is certainly not there.
    Absent,
}

impl Observed {
    /// An object of which there is nothing to note.
    pub fn present(value: Value, private: Private) -> Observed {
        Observed::Present(value, private, Notes::Null)
    }
}

/// What a pure plan wants to know about the object that it plans: asked of the real system in one batch, answered once.
#[derive(Clone, Debug)]
pub struct Question {
    /// The instance.
    pub addr: InstanceAddr,
    /// What is asked, in words of the type; the answer has the same.
    pub about: String,
    /// The object as planned so far.
    pub planned: Value,
    /// The object as it is now.
    pub prior: Option<Value>,
    /// The private part as it is now.
    pub private: Private,
}

/// The answer to a [`Question`]. It is kept in a saved plan, so it must hold no secret.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Answer {
    /// What was asked.
    pub about: String,
    /// What the real system says; `None` where nobody could be asked: its place is created in the same apply.
    pub value: Option<serde_json::Value>,
}

/// The input of the pure plan.
#[derive(Debug)]
pub struct PlanInput<'a> {
    /// The instance.
    pub addr: &'a InstanceAddr,
    /// The object as it is now (after refresh); `None` to create.
    pub prior: Option<&'a Value>,
    /// The private part as it is now.
    pub private: &'a Private,
    /// What the configuration says, decoded by schema: null where nothing is set and no default stands in.
    pub config: &'a Value,
    /// The default proposal: configuration, else default, else (computed) the prior value, else unknown.
    pub proposed: Value,
    /// What the observation noted for the plan.
    pub notes: &'a Notes,
    /// The answers to what the first round asked; empty in the first round.
    pub answers: &'a [Answer],
}

impl<'a> PlanInput<'a> {
    /// An input without notes and answers.
    pub fn new(addr: &'a InstanceAddr, prior: Option<&'a Value>, private: &'a Private, config: &'a Value, proposed: Value) -> Self {
        PlanInput { addr, prior, private, config, proposed, notes: &Notes::Null, answers: &[] }
    }

    /// The answer to a question: `None` while it was not asked, `Some(None)` where nobody could answer.
    pub fn answer(&self, about: &str) -> Option<Option<&serde_json::Value>> {
        self.answers.iter().find(|a| a.about == about).map(|a| a.value.as_ref())
    }
}

/// What the pure plan decides.
#[derive(Clone, Debug)]
pub struct PlanOutput {
    /// The object as it will be; unknown where only the apply can tell.
    pub planned: Value,
    /// Attribute names whose change cannot be made in place, each with the reason; not empty = replace. Only names of attributes.
    pub replace: Vec<(String, String)>,
    /// What will be asked of the real system, in order: apply carries out exactly these. A loss is refused without `-allow-data-loss`.
    pub ops: Vec<Op>,
    /// What must be known before this is decided. Asked in the first round only.
    pub questions: Vec<Question>,
    /// Errors and warnings.
    pub diagnostics: Diagnostics,
}

impl PlanOutput {
    /// The planned object alone.
    pub fn new(planned: Value) -> Self {
        PlanOutput { planned, replace: vec![], ops: vec![], questions: vec![], diagnostics: Diagnostics::new() }
    }

    /// What is lost, a sentence each.
    pub fn losses(&self) -> Vec<&str> {
        self.ops.iter().filter_map(|o| o.loss.as_deref()).collect()
    }
}

/// The lines that people see of operations.
pub fn lines(ops: &[Op]) -> Vec<String> {
    ops.iter().flat_map(|o| o.to_string().lines().map(str::to_string).collect::<Vec<_>>()).collect()
}

/// One step of an apply.
#[derive(Clone, Debug)]
pub struct StepRequest {
    /// The instance.
    pub addr: InstanceAddr,
    /// The object before (update, delete).
    pub prior: Option<Value>,
    /// The object as planned, with everything that the configuration says now known (create, update).
    pub planned: Option<Value>,
    /// The private part.
    pub private: Private,
    /// How long this step may take (the `timeouts` block or the type's default).
    pub timeout: Duration,
    /// An earlier run began to create this object and never learned whether it was made: what is there now may be its work.
    pub begun: bool,
    /// For a probe of the new object of a replacement: the old one, which is deleted before and leaves its name. A step has none.
    pub replaces: Option<Value>,
    /// What is to be asked of the real system: nothing else may be.
    pub ops: Vec<Op>,
}

/// What became of one step.
#[derive(Clone, Debug)]
pub struct StepResult {
    /// The object now: wholly known after success; after a failure the last known state (`None` = it certainly does not exist).
    pub object: Option<(Value, Private)>,
    /// Why it failed. With an object: that object is kept (tainted when the verb was create).
    pub error: Option<Diagnostic>,
    /// Whether the object exists is not known: nothing is recorded, and the next plan looks.
    pub in_doubt: bool,
}

impl StepResult {
    /// Success with an object.
    pub fn done(value: Value, private: Private) -> Self {
        StepResult { object: Some((value, private)), error: None, in_doubt: false }
    }

    /// A success after which nothing is there.
    pub fn gone() -> Self {
        StepResult { object: None, error: None, in_doubt: false }
    }

    /// A failure after which this object is there.
    pub fn failed(error: Diagnostic, object: Option<(Value, Private)>) -> Self {
        StepResult { object, error: Some(error), in_doubt: false }
    }

    /// A failure that left everything as it was.
    pub fn unchanged(step: &StepRequest, error: Diagnostic) -> Self {
        Self::failed(error.on(&step.addr), step.prior.clone().map(|p| (p, step.private.clone())))
    }

    /// A failure after which nobody knows whether the object was made.
    pub fn in_doubt(error: Diagnostic) -> Self {
        StepResult { object: None, error: Some(error), in_doubt: true }
    }
}

/// An object found in a live system.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// The import id.
    pub id: String,
    /// One line that names it for people.
    pub label: String,
    /// Its attributes by schema.
    pub attributes: Value,
    /// Its private part.
    pub private: Private,
}

/// Where long steps say what they are doing ("waiting for 2 of 3 brokers").
pub trait Progress: Send + Sync {
    /// Says it. Must not block.
    fn note(&self, addr: &InstanceAddr, text: &str);
}

/// What edge calls work with: client pools, folders, progress, the request counter. One per run.
pub struct Session {
    /// The folder of this configuration's working data (`.streamform`): generated keys, local clusters. Files in it are 0600.
    pub data_dir: std::path::PathBuf,
    /// The folder that relative paths in the configuration are relative to.
    pub root_dir: std::path::PathBuf,
    /// Where steps report.
    pub progress: Arc<dyn Progress>,
    /// Client pools, one per kind of target, made on first use and shared: see [`Session::pool`].
    pools: std::sync::Mutex<BTreeMap<std::any::TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl Session {
    /// A session without connections.
    pub fn new(data_dir: std::path::PathBuf, root_dir: std::path::PathBuf, progress: Arc<dyn Progress>) -> Self {
        let session = Session { data_dir, root_dir, progress, pools: Default::default() };
        session.pool::<crate::client::kafka::KafkaPool>().at_home(&session.data_dir);
        session
    }

    /// The folders, as engines are told.
    pub fn site(&self) -> crate::engine::Site<'_> {
        crate::engine::Site { data_dir: &self.data_dir, root_dir: &self.root_dir }
    }

    /// The pool of type `T`, made on first use. Clients, caches of one run's snapshots and counters live in such pools.
    pub fn pool<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut pools = self.pools.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let pool = pools.entry(std::any::TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default()));
        Arc::clone(pool).downcast().unwrap_or_else(|_| unreachable!("pools are keyed by their type"))
    }
}

/// Where the steps of one `apply` call report while it works; a step is named by its index in the call.
#[async_trait]
pub trait Desk: Send + Sync {
    /// Waits until one more object may be worked on, and says that this step begins. The slot is held as long as the object is worked on.
    /// `None`: the run is being stopped. The step is then given back and must not be begun.
    async fn begin(&self, step: usize) -> Option<Slot>;

    /// Says that steps begin, without waiting: for those that travel together.
    fn begin_together(&self, steps: std::ops::Range<usize>);

    /// Says what became of steps. Those of one call are recorded together.
    fn finish(&self, results: Vec<(usize, StepResult)>);

    /// Writes that one operation of a step begins, which cannot be repeated ([`Op::once`]); it is on the disk on return. False: it cannot be
    /// written, and the operation must not be begun.
    async fn begin_op(&self, step: usize, op: usize) -> bool;

    /// Writes that such an operation has ended.
    async fn end_op(&self, step: usize, op: usize);

    /// Whether the run is being stopped. A step that works on one part after the other ends behind the part that is in hand, and fails with
    /// [`crate::diag::codes::apply::INTERRUPTED`] where some are left.
    fn stopping(&self) -> bool {
        false
    }

    /// Whether a later step of this run depends on this one. What an acknowledged write leads to must then be visible before the step ends;
    /// else the acknowledgement is enough.
    fn awaited(&self, step: usize) -> bool {
        let _ = step;
        true
    }
}

/// Leave to work on one object; dropping it lets another one begin.
#[derive(Debug, Default)]
pub struct Slot(pub Option<tokio::sync::OwnedSemaphorePermit>);

/// A desk for who wants all results at the end.
#[derive(Default)]
pub struct Gathered(std::sync::Mutex<BTreeMap<usize, StepResult>>);

impl Gathered {
    /// Carries out steps, and gives their results in their order.
    pub async fn apply(resource: &dyn ResourceType, cx: &Session, verb: Verb, steps: Vec<StepRequest>) -> Vec<StepResult> {
        let desk = Gathered::default();
        resource.apply(cx, verb, steps, &desk).await;
        desk.results()
    }

    /// The results by the order of the steps.
    pub fn results(self) -> Vec<StepResult> {
        self.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).into_values().collect()
    }
}

#[async_trait]
impl Desk for Gathered {
    async fn begin(&self, _: usize) -> Option<Slot> {
        Some(Slot::default())
    }

    fn begin_together(&self, _: std::ops::Range<usize>) {}

    async fn begin_op(&self, _: usize, _: usize) -> bool {
        true
    }

    async fn end_op(&self, _: usize, _: usize) {}

    fn finish(&self, results: Vec<(usize, StepResult)>) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(results);
    }
}

/// Reports steps that begin and end together, `results` in their order.
pub async fn together(desk: &dyn Desk, count: usize, results: impl Future<Output = Vec<StepResult>>) {
    desk.begin_together(0..count);
    desk.finish(results.await.into_iter().enumerate().collect());
}

/// A resource type or data source.
#[async_trait]
pub trait ResourceType: Send + Sync {
    /// The schema. Must be cheap (build it once in a `LazyLock`).
    fn schema(&self) -> &'static Schema;

    /// A stored record of the older schema version `from` as the present version writes it; `None` where that version is no longer known.
    /// `attributes` and `private` in the record may change; see `state/README.md` for their form.
    fn upgrade(&self, _from: u32, _record: serde_json::Value) -> Option<serde_json::Value> {
        None
    }

    /// Checks what is known of one instance's configuration. Spans are added by the caller from attribute paths: an error about an
    /// attribute says so by `Diagnostic::values` empty and `address` unset; use [`attr_error`].
    fn validate(&self, _config: &Value, _diags: &mut Diagnostics) {}

    /// The real objects that a resource with this object holds, known parts only. An exclusive one has one holder in the whole configuration
    /// and state, whatever its type; a shared one is released by its last holder. `object` may be a recorded, an observed or a planned one.
    fn holds(&self, _object: &Value, _private: &Private) -> Vec<Hold> {
        vec![]
    }

    /// Whether an error that a probe found is a right which is missing now, so that what the same apply creates before may give it.
    fn is_missing_right(&self, _found: &Diagnostic) -> bool {
        false
    }

    /// Decides the planned object. The default takes the proposal; attributes with `force_new` are added to `replace` by the caller.
    fn plan(&self, input: PlanInput<'_>) -> PlanOutput {
        PlanOutput::new(input.proposed)
    }

    /// [`ResourceType::plan`] for many instances at once, results in order. Pure; it may be called a second time with answers.
    fn plan_all(&self, inputs: Vec<PlanInput<'_>>) -> Vec<PlanOutput> {
        inputs.into_iter().map(|i| self.plan(i)).collect()
    }

    /// Answers the questions of many plans at once, in order; `None` where nobody can be asked yet. Changes nothing.
    async fn answer(&self, _cx: &Session, questions: Vec<Question>) -> Vec<Result<Option<serde_json::Value>, Diagnostic>> {
        questions.iter().map(|_| Ok(None)).collect()
    }

    /// The operations that delete this object.
    fn plan_delete(&self, _prior: &Value, _private: &Private) -> Vec<Op> {
        vec![]
    }

    /// Attributes that a read does not look at: it gives them back as recorded. After a killed update they are written again.
    fn unread(&self) -> &'static [&'static str] {
        &[]
    }

    /// Reads many objects at once, results in the order of the requests.
    async fn read(&self, cx: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>>;

    /// Asks the real system what it thinks of the changes (`planned` wholly or partly known, references hydrated where the target
    /// exists); changes nothing. Diagnostics in the order of the requests.
    async fn probe(&self, _cx: &Session, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
        requests.iter().map(|_| Diagnostics::new()).collect()
    }

    /// Whether creates and updates are looked at by [`ResourceType::vet`] right before they begin.
    fn vets(&self) -> bool {
        false
    }

    /// Steps that must not even be journalled, with why: asked right before they begin. The journal then never holds what the real system
    /// calls a secret, where no probe could ask because the place was not there yet. One answer for each request, in their order; `None`
    /// lets the step begin.
    async fn vet(&self, _cx: &Session, requests: &[StepRequest]) -> Vec<Option<Diagnostic>> {
        requests.iter().map(|_| None).collect()
    }

    /// Whether the real system may refuse deletions for reasons that a probe finds: such steps are then probed too, without `planned`.
    fn probes_deletes(&self) -> bool {
        false
    }

    /// Carries out many steps of one verb, and reports each at the desk by its place in `steps`. Types that write all at once do it
    /// [`together`]. Types that work on one object after the other ask at the desk before each and report each as soon as it has ended: it is
    /// then recorded and shown, and an interrupt does not wait for those that are not begun. Never called for a data source.
    async fn apply(&self, _cx: &Session, _verb: Verb, steps: Vec<StepRequest>, desk: &dyn Desk) {
        let refused = || Diagnostic::error(codes::INTERNAL, "What is only read cannot be applied.");
        together(desk, steps.len(), async { steps.iter().map(|_| StepResult::failed(refused(), None)).collect() }).await;
    }

    /// How many steps one `apply` call takes at most.
    fn batch_limit(&self) -> usize {
        1
    }

    /// The reference attribute of the place that must run for this object to be read. While that place is known to be down, the record
    /// stands, so that a plan can say how to bring it up again.
    fn lives_in(&self) -> Option<&'static str> {
        None
    }

    /// Finds objects by import id. `config` is the instance's evaluated configuration (for its references), where there is one.
    async fn import(&self, cx: &Session, id: &str, config: Option<&Value>) -> Result<(Value, Private), Diagnostic>;

    /// Lists what is live on the system behind the object `parent` (a cluster, a Connect cluster), for drift of unmanaged objects and adopt.
    async fn discover(&self, _cx: &Session, _parent: &Value) -> Result<Vec<Discovered>, Diagnostic> {
        Ok(vec![])
    }

    /// Default time limit of a step.
    fn timeout(&self, _verb: Verb) -> Duration {
        Duration::from_secs(300)
    }
}

/// Marks a diagnostic as being about the attribute `path` (`name`, `config["retention.ms"]`), so that the caller finds the span.
pub fn attr_error(path: impl Into<String>, mut d: Diagnostic) -> Diagnostic {
    d.values.insert(0, (ATTR_PATH.to_string(), path.into()));
    d
}

/// The same for the name or key itself, where it and not its value is wrong.
pub fn attr_key_error(path: impl Into<String>, d: Diagnostic) -> Diagnostic {
    attr_error(path.into() + crate::lang::eval::body::AT_KEY, d)
}

/// The pseudo-reference under which [`attr_error`] keeps the path until the caller turns it into a span.
pub const ATTR_PATH: &str = "\u{0}path";
