//! The bench: whole lifecycles on fake resource types, with the real language, graph, walk and executor.
//!
//! [`reality`] is the real system in memory, [`types`] and [`rights`] are the fake types, [`store`] keeps the state and cuts it off at a kill.
//! [`story`] plays a scenario written as text and tells what happened; [`model`] and [`property`] play random ones and judge them by invariants.

mod judge;
mod model;
mod mutate;
mod property;
mod reality;
mod rights;
mod scenarios;
mod store;
mod story;
mod types;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;

use async_trait::async_trait;

use self::reality::{Executed, Knobs, Reality};
use self::store::{Home, schema_of};
use self::types::TYPES;
use crate::addr::{InstanceAddr, Mode};
use crate::apply::Silent;
use crate::apply::executor::{Apply, Done, apply};
use crate::diag::codes::plan as codes;
use crate::diag::{Diagnostic, Diagnostics, Sources};
use crate::graph::Graph;
use crate::lang::config::{self, MemoryFiles, variables};
use crate::lang::eval::EvalContext;
use crate::lang::host::Still;
use crate::ops::live::Live;
use crate::plan::walk::{Inputs, Observer, walk};
use crate::plan::{Options, Plan};
use crate::resource::{Answer, Notes, Observed, Private, Progress, Question, ReadRequest, Session, StepRequest};
use crate::state::{Record, Snapshot, codec};
use crate::value::Value;

struct Mute;

impl Progress for Mute {
    fn note(&self, _: &InstanceAddr, _: &str) {}
}

/// What one run is to do.
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub options: Options,
    /// The plan is carried out.
    pub apply: bool,
    pub knobs: Knobs,
}

/// What a run did.
#[derive(Debug)]
pub struct Ran {
    pub plan: Plan,
    /// What was wrong with the configuration or the plan.
    pub diagnostics: Diagnostics,
    pub sources: Sources,
    /// What the apply came to; `None` where it did not begin or was killed.
    pub done: Option<Done>,
    pub began: bool,
    pub killed: bool,
    pub executed: Vec<Executed>,
    /// Writes and commits.
    pub events: usize,
}

/// A plan that was kept, in the form that a file has.
#[derive(Clone)]
pub struct Kept {
    options: Options,
    serial: u64,
    observed: BTreeMap<InstanceAddr, (serde_json::Value, bool, Notes)>,
    answers: BTreeMap<InstanceAddr, Vec<Answer>>,
    shown: String,
}

/// Answers with what a kept plan holds.
struct Replay<'a>(&'a Kept);

impl Replay<'_> {
    fn of(&self, addr: &InstanceAddr) -> Result<Observed, Diagnostic> {
        let missing = || Diagnostic::error(codes::STALE, format!("The kept plan does not hold what was observed of {addr}."));
        let (json, there, notes) = self.0.observed.get(addr).ok_or_else(missing)?;
        if !there {
            return Ok(Observed::Absent);
        }
        let record = codec::decode_record(json, &|a| schema_of(&a.resource)).ok_or_else(missing)?;
        Ok(Observed::Present(record.attributes, record.private, notes.clone()))
    }
}

#[async_trait]
impl Observer for Replay<'_> {
    async fn read(&self, _: Mode, _: &str, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        requests.iter().map(|r| self.of(&r.addr)).collect()
    }

    async fn import(&self, addr: &InstanceAddr, _: &str, _: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        match self.of(addr)? {
            Observed::Present(v, p, _) => Ok((v, p)),
            Observed::Absent => Err(Diagnostic::error(codes::STALE, "It was not there.")),
        }
    }

    async fn answer(&self, _: &str, questions: Vec<Question>) -> Vec<Result<Option<serde_json::Value>, Diagnostic>> {
        let of = |q: &Question| self.0.answers.get(&q.addr)?.iter().find(|a| a.about == q.about)?.value.clone();
        questions.iter().map(|q| Ok(of(q))).collect()
    }

    async fn probe(&self, _: &str, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
        requests.iter().map(|_| Diagnostics::new()).collect()
    }
}

/// A working folder with its state and the real system.
pub struct Bench {
    pub files: MemoryFiles,
    pub reality: Arc<Reality>,
    session: Arc<Session>,
    home: Home,
}

impl Bench {
    /// An empty one; with its state in memory, or in a folder by the real store.
    pub fn new(in_folder: bool) -> Bench {
        let session = Arc::new(Session::new("none".into(), "none".into(), Arc::new(Mute)));
        Bench { files: MemoryFiles::default(), reality: Reality::of(&session), session, home: Home::new(in_folder) }
    }

    /// The state as a new process reads it.
    pub async fn snapshot(&self) -> Result<Snapshot, Diagnostic> {
        self.reality.begin(&Knobs::default());
        let store = self.home.open(&self.reality).await;
        let snapshot = store.snapshot().await?;
        store.close().await?;
        Ok(snapshot)
    }

    /// Records an object under another address too, as older versions could.
    pub async fn copy_record(&self, from: &str, to: &str) {
        self.reality.begin(&Knobs::default());
        let store = self.home.open(&self.reality).await;
        let record = store.snapshot().await.unwrap().records[&from.parse::<InstanceAddr>().unwrap()].clone();
        let addr: InstanceAddr = to.parse().unwrap();
        let record = Record { addr: addr.clone(), ..(*record).clone() };
        store.finish(&[crate::state::Outcome { addr, record: Some(record) }]).await.unwrap();
        store.close().await.unwrap();
    }

    /// Plans and keeps the plan.
    pub async fn keep(&mut self, run: &Run) -> (Ran, Option<Kept>) {
        self.go(&Run { apply: false, ..run.clone() }, None).await
    }

    /// Plans, and applies where that is asked for.
    pub async fn run(&mut self, run: &Run) -> Ran {
        self.go(run, None).await.0
    }

    /// Applies a kept plan.
    pub async fn run_kept(&mut self, kept: &Kept, knobs: &Knobs) -> Ran {
        let run = Run { options: kept.options.clone(), apply: true, knobs: knobs.clone() };
        self.go(&run, Some(kept)).await.0
    }

    async fn go(&mut self, run: &Run, kept: Option<&Kept>) -> (Ran, Option<Kept>) {
        let mut out = Ran {
            plan: Plan::default(),
            diagnostics: Diagnostics::new(),
            sources: Sources::default(),
            done: None,
            began: false,
            killed: false,
            executed: vec![],
            events: 0,
        };
        let root = Path::new(".");
        let (config, found) = config::load(root, &self.files);
        out.diagnostics.append(found);
        let Some(config) = config else { return (out, None) };
        out.sources = config.sources.clone();
        let (graph, found) = Graph::build(&config);
        out.diagnostics.append(found);
        let host = Still { applying: false };
        let (values, found) = variables::finish(&config.root, &Default::default(), &EvalContext::new(&host, root, root));
        out.diagnostics.append(found);
        if out.diagnostics.has_errors() {
            return (out, None);
        }
        self.reality.begin(&run.knobs);
        let store = self.home.open(&self.reality).await;
        let snapshot = match store.snapshot().await {
            Ok(snapshot) => snapshot,
            Err(d) => {
                out.diagnostics.push(d);
                return (out, None);
            }
        };
        if kept.is_some_and(|k| k.serial != snapshot.serial) {
            out.diagnostics.push(Diagnostic::error(codes::STALE, "The state has changed since the plan was made."));
            return (out, None);
        }
        let live = Live::with(Arc::clone(&self.session), TYPES.to_vec());
        let replay = kept.map(Replay);
        let observer: &dyn Observer = match &replay {
            Some(r) => r,
            None => &live,
        };
        let digest = |v: &Value| store.digest(v);
        let inputs = Inputs {
            config: &config,
            graph: &graph,
            variables: &values,
            types: TYPES,
            snapshot: &snapshot,
            options: &run.options,
            digest: &digest,
            host: &host,
            observer,
            redactor: config.sources.redactor(),
        };
        let outcome = walk(&inputs).await;
        out.plan = outcome.plan.clone();
        out.diagnostics.append(outcome.diagnostics.clone());
        let shown = story::plan_text(&outcome.plan);
        let encoded = |(a, o): (&InstanceAddr, &Observed)| (a.clone(), observed_json(a, o, &digest));
        let keep = (!out.diagnostics.has_errors()).then(|| Kept {
            options: run.options.clone(),
            serial: snapshot.serial,
            observed: outcome.observed.iter().map(encoded).collect(),
            answers: outcome.plan.answers.clone(),
            shown: shown.clone(),
        });
        if let Some(k) = kept
            && k.shown != shown
        {
            let detail = format!("The kept plan gives another one.\nThen:\n{}Now:\n{shown}", k.shown);
            out.diagnostics.push(Diagnostic::error(codes::STALE, detail));
        }
        if out.diagnostics.has_errors() || !run.apply {
            return (out, keep);
        }
        let applying = Still { applying: true };
        let inputs = Inputs { host: &applying, observer: &live, ..inputs };
        if outcome.plan.has_changes() || !snapshot.in_doubt.is_empty() {
            store.begin_generation("apply").await.unwrap();
        }
        out.began = true;
        let cx = Apply {
            inputs: &inputs,
            plan: &outcome.plan,
            store: &store,
            session: Arc::clone(&self.session),
            events: Arc::new(Silent),
            interrupts: Arc::new(AtomicU8::new(0)),
            parallelism: 10,
        };
        tokio::select! {
            biased;
            () = self.reality.killed() => {}
            done = apply(&cx, outcome.world) => out.done = Some(done),
        }
        out.killed = self.reality.is_dead();
        if out.killed {
            out.done = None;
        } else if let Err(d) = store.close().await {
            out.diagnostics.push(d);
        }
        (out.executed, out.events) = self.reality.log();
        (out, keep)
    }
}

fn observed_json(addr: &InstanceAddr, o: &Observed, digest: codec::Digest<'_>) -> (serde_json::Value, bool, Notes) {
    let Observed::Present(value, private, notes) = o else { return (serde_json::Value::Null, false, Notes::Null) };
    let record = Record {
        addr: addr.clone(),
        provider: String::new(),
        schema_version: 0,
        attributes: value.clone(),
        private: private.clone(),
        dependencies: vec![],
        tainted: false,
        protected: false,
        create_before_destroy: false,
    };
    (codec::encode_record(&record, schema_of(&addr.resource), digest), true, notes.clone())
}

/// Runs a future to its end on this thread.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}
