//! Writing connectors and waiting until they run: few writes at once, then one list per moment for all that are waited for.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use tokio::time::Instant;

use super::super::{Desk, Private, Session, StepRequest, StepResult, Verb};
use super::edge::{self, Live};
use super::orders::{Orders, differing, unplanned};
use super::{model, probe, secrets};
use crate::client::connect::{ConnectClient, ConnectConnection, ConnectError, Connector, ConnectorStatus, Patience, RunState, same_config};
use crate::diag::Diagnostic;
use crate::diag::codes::connect as codes;
use crate::diag::redact::Redactor;
use crate::value::{Type, Value};
use crate::words::counted;

/// How many connectors are written at once on one Connect cluster: each write makes the workers rebalance.
const AT_ONCE: usize = 4;
const POLL: Duration = Duration::from_millis(400);
/// For this long everything must run before it counts: after a write the old tasks still show RUNNING for a moment.
const SETTLE_GOOD: Duration = Duration::from_millis(1500);
/// For this long a failure must last before it counts: after a restart the old one still shows.
const SETTLE_FAILED: Duration = Duration::from_millis(2500);
/// After this long a connector without tasks is taken to have none to do.
const NO_TASKS: Duration = Duration::from_secs(10);
/// How long reading back after a failed creation may take.
const READ_BACK: Duration = Duration::from_secs(10);
/// Lines of a stack trace that an error shows.
const TRACE_LINES: usize = 3;

/// Carries out many steps, each reported as soon as it has ended.
pub(super) async fn apply(cx: &Session, verb: Verb, steps: Vec<StepRequest>, desk: &dyn Desk) {
    let null = Value::null_dynamic();
    let objects: Vec<&Value> = steps.iter().map(|s| s.planned.as_ref().or(s.prior.as_ref()).unwrap_or(&null)).collect();
    let groups = edge::by_connection(objects);
    let runs = groups.iter().map(|(connection, members)| apply_group(cx, verb, connection.as_ref(), members, &steps, desk));
    futures::future::join_all(runs).await;
}

async fn apply_group(
    cx: &Session,
    verb: Verb,
    connection: Option<&ConnectConnection>,
    members: &[usize],
    steps: &[StepRequest],
    desk: &dyn Desk,
) {
    let all = |d: &dyn Fn(&StepRequest) -> Diagnostic| {
        desk.finish(members.iter().map(|i| (*i, StepResult::unchanged(&steps[*i], d(&steps[*i])))).collect())
    };
    let Some(connection) = connection else {
        let no_address = |s: &StepRequest| edge::no_address(s.planned.as_ref().or(s.prior.as_ref()).unwrap_or(&Value::null_dynamic()));
        return all(&no_address);
    };
    let (client, live) = match edge::list(cx, connection, members.first().map(|i| &steps[*i].addr)).await {
        Ok(found) => found,
        Err(d) => return all(&|_| d.clone()),
    };
    let group = Group { cx, client: &client, live: &live, verb, desk };
    let writes: Vec<_> = members.iter().map(|i| group.write_one(*i, &steps[*i])).collect();
    let begun: Vec<Option<Waiting>> = futures::stream::iter(writes).buffer_unordered(AT_ONCE).collect().await;
    group.settle(begun.into_iter().flatten().collect()).await;
}

struct Group<'a> {
    cx: &'a Session,
    client: &'a ConnectClient,
    live: &'a Live,
    verb: Verb,
    desk: &'a dyn Desk,
}

/// What the writing came to.
enum Begun<'a> {
    Done(usize, Box<StepResult>),
    Wait(Waiting<'a>),
}

/// Why a write did not work.
struct Refusal {
    diagnostic: Diagnostic,
    /// Whether something was sent that may have had an effect.
    begun: bool,
}

/// A connector that is waited for.
struct Waiting<'a> {
    index: usize,
    step: &'a StepRequest,
    planned: &'a Value,
    name: String,
    state: String,
    since: Instant,
    until: Instant,
    restarts_left: u32,
    good_since: Option<Instant>,
    failed_since: Option<Instant>,
    said: String,
}

/// How a connector looks at one moment.
enum Look {
    Good,
    Failed,
    /// With what is still missing.
    NotYet(String),
}

impl<'a> Group<'a> {
    /// Writes one connector, if it may still be begun; gives back what is to be waited for. Its slot is free while it is waited for.
    async fn write_one(&self, index: usize, step: &'a StepRequest) -> Option<Waiting<'a>> {
        let _slot = self.desk.begin(index).await?;
        match self.begin(index, step).await {
            Begun::Done(i, result) => {
                self.desk.finish(vec![(i, *result)]);
                None
            }
            Begun::Wait(w) => Some(w),
        }
    }

    async fn begin(&self, index: usize, step: &'a StepRequest) -> Begun<'a> {
        let done = |result: StepResult| Begun::Done(index, Box::new(result));
        if let Some(d) = edge::other_cluster(&step.private, &self.live.cluster_id) {
            return done(StepResult::unchanged(step, d));
        }
        let until = Instant::now() + step.timeout;
        let note = |text: &str| self.cx.progress.note(&step.addr, text);
        let patience = Patience { until, note: &note };
        let redactor = edge::redactor(step.prior.iter().chain(&step.planned));
        let Some(planned) = step.planned.as_ref().filter(|_| self.verb != Verb::Delete) else {
            let Some(name) = step.prior.as_ref().and_then(|p| p.get_str("name")) else {
                return done(StepResult::unchanged(step, edge::no_name(&step.addr)));
            };
            if !Orders(&step.ops).deletes(&name) {
                return done(StepResult::unchanged(step, unplanned(step, &format!("delete connector {name:?}"))));
            }
            return done(match self.client.delete(&name, &patience).await {
                Ok(()) => StepResult::gone(),
                Err(e) => StepResult::unchanged(step, e.diagnostic(&redactor)),
            });
        };
        match self.write(step, planned, &patience, &redactor).await {
            Ok(()) => Begun::Wait(Waiting::new(index, step, planned, until)),
            Err(e) if e.begun && self.verb == Verb::Create => {
                done(self.after_failed_creation(&Waiting::new(index, step, planned, until), e.diagnostic).await)
            }
            Err(e) => done(StepResult::unchanged(step, e.diagnostic)),
        }
    }

    /// A creation that was answered with an error may have worked: only reading back tells. Where that fails too, it counts as there.
    async fn after_failed_creation(&self, w: &Waiting<'a>, error: Diagnostic) -> StepResult {
        let wanted = model::wanted(w.planned).0;
        match self.client.find(&w.name, &Patience::quiet(READ_BACK)).await {
            Ok(None) => StepResult::unchanged(w.step, error),
            Ok(Some(info)) if !same_config(&info.config, &wanted) => StepResult::unchanged(w.step, error),
            Ok(Some(_)) | Err(_) => w.failed(error, self.live, None),
        }
    }

    /// Brings configuration and state to what is planned. May be repeated at any point.
    async fn write(&self, step: &StepRequest, planned: &Value, p: &Patience<'_>, redactor: &Redactor) -> Result<(), Refusal> {
        let (config, _) = model::wanted(planned);
        let name = config.get("name").cloned().unwrap_or_default();
        let state = planned.get_str("state").unwrap_or_else(|| "running".into());
        let live = match self.live.connectors.get(&name) {
            Some(c) => Some(c.clone()),
            None => {
                let info = self.client.find(&name, p).await.map_err(|e| Refusal { diagnostic: e.diagnostic(redactor), begun: false })?;
                info.map(|info| Connector { info, status: ConnectorStatus::unassigned() })
            }
        };
        let orders = Orders(&step.ops);
        // Of a connector that a creation finds, what Connect masks says nothing.
        let rewritten = |key: &str| self.verb != Verb::Create && orders.configures(key);
        let keys = live.as_ref().map(|live| differing(&config, live, &rewritten));
        let changed = keys.as_ref().is_none_or(|keys| !keys.is_empty());
        if let Some(keys) = &keys
            && self.verb == Verb::Create
            && !keys.is_empty()
        {
            return Err(Refusal { diagnostic: probe::exists(&step.addr, &name), begun: false });
        }
        if let Some(what) = beyond(&orders, step, live.as_ref(), keys.as_deref(), &name, &state) {
            return Err(Refusal { diagnostic: unplanned(step, &what), begun: false });
        }
        let result = match live {
            None => self.create(&name, &config, &state, p).await,
            Some(live) => self.update(&name, changed.then_some(&config), &state, &live.status, &orders, p).await,
        };
        match result {
            Ok(()) => Ok(()),
            Err(e) => Err(Refusal { diagnostic: self.explain(e, planned, &config, redactor).await, begun: true }),
        }
    }

    async fn create(&self, name: &str, config: &BTreeMap<String, String>, state: &str, p: &Patience<'_>) -> Result<(), ConnectError> {
        let initial = match state {
            "paused" => RunState::Paused,
            "stopped" => RunState::Stopped,
            _ => return self.client.put_config(name, config, p).await,
        };
        if self.client.root(p).await?.at_least(3, 7) {
            return self.client.create(name, config, &initial, p).await;
        }
        self.client.put_config(name, config, p).await?;
        self.change_state(name, state, p).await
    }

    async fn update(
        &self,
        name: &str,
        config: Option<&BTreeMap<String, String>>,
        state: &str,
        status: &ConnectorStatus,
        orders: &Orders<'_>,
        p: &Patience<'_>,
    ) -> Result<(), ConnectError> {
        let rests = model::state_text(status, None) != state || status.has_failed() && state != "running";
        let moves = rests && orders.moves_to(state);
        // What is to rest rests before its configuration changes: no run with the new one in between.
        if moves && state != "running" {
            self.change_state(name, state, p).await?;
        }
        if let Some(config) = config {
            self.client.put_config(name, config, p).await?;
        }
        if moves && state == "running" {
            self.change_state(name, state, p).await?;
        }
        if orders.restarts_for_secrets() {
            self.client.restart(name, true, false, p).await?;
        } else if status.has_failed() && state != "stopped" && orders.restarts() {
            self.client.restart(name, true, true, p).await?;
        }
        Ok(())
    }

    async fn change_state(&self, name: &str, state: &str, p: &Patience<'_>) -> Result<(), ConnectError> {
        match state {
            "paused" => self.client.pause(name, p).await,
            "stopped" => self.client.stop(name, p).await,
            _ => self.client.resume(name, p).await,
        }
    }

    /// A refusal, explained key by key by a validation: the refusal's own message may repeat secrets.
    async fn explain(&self, error: ConnectError, planned: &Value, config: &BTreeMap<String, String>, redactor: &Redactor) -> Diagnostic {
        let mut d = error.diagnostic(redactor);
        if !matches!(error, ConnectError::Refused { .. } | ConnectError::Server { .. }) {
            return d;
        }
        let p = Patience::quiet(Duration::from_secs(30));
        let class = config.get("connector.class").cloned().unwrap_or_default();
        if let Ok(plugins) = self.client.plugins(&p).await
            && !plugins.iter().any(|plugin| plugin.is_named(&class))
        {
            return probe::unknown_class(&class, &plugins);
        }
        if let ConnectError::Refused { .. } = error {
            d.detail = "Kafka Connect refuses the configuration.".into();
            if let Ok(validation) = self.client.validate(&class, config, &p).await {
                let found = probe::judge(&validation, planned, config, true, redactor);
                let texts: Vec<String> = found.iter().filter(|d| d.code == codes::INVALID_CONFIG).map(|d| d.detail.clone()).collect();
                if !texts.is_empty() {
                    d.detail = texts.join("\n");
                }
            }
        }
        d
    }

    async fn settle(&self, mut waiting: Vec<Waiting<'a>>) {
        while let Some(first) = waiting.first() {
            tokio::time::sleep(POLL).await;
            let note = |text: &str| self.cx.progress.note(&first.step.addr, text);
            let until = waiting.iter().map(|w| w.until).max().unwrap_or(first.until);
            let list = self.client.connectors(&Patience { until, note: &note }).await;
            let (mut done, mut rest) = (vec![], vec![]);
            for mut w in waiting {
                let now = list.as_ref().map(|list| list.get(&w.name));
                match now {
                    Ok(now) => match self.step_on(&mut w, now).await {
                        Some(result) => done.push((w.index, result)),
                        None => rest.push(w),
                    },
                    Err(e) if Instant::now() >= w.until => {
                        done.push((w.index, w.failed(e.diagnostic(&Redactor::default()), self.live, None)))
                    }
                    // While a worker restarts, the others may not answer: the time limit decides.
                    Err(_) => rest.push(w),
                }
            }
            if !done.is_empty() {
                self.desk.finish(done);
            }
            waiting = rest;
        }
    }

    async fn step_on(&self, w: &mut Waiting<'a>, now: Option<&Connector>) -> Option<StepResult> {
        let look = now.map_or(Look::NotYet("not seen yet".into()), |c| look(&c.status, &w.state, w.since.elapsed()));
        match w.remember(&look) {
            Some(true) => return Some(w.succeeded(self.live, now)),
            Some(false) if w.restarts_left > 0 => {
                w.restarts_left -= 1;
                w.failed_since = None;
                self.cx.progress.note(&w.step.addr, "restarting what failed");
                let note = |text: &str| self.cx.progress.note(&w.step.addr, text);
                // A failed restart shows as a lasting failure.
                let _ = self.client.restart(&w.name, true, true, &Patience { until: w.until, note: &note }).await;
            }
            Some(false) => return Some(w.failed(w.why_failed(now), self.live, now)),
            None => {}
        }
        if let Look::NotYet(text) = &look
            && *text != w.said
        {
            self.cx.progress.note(&w.step.addr, &format!("waiting: {text}"));
            w.said.clone_from(text);
        }
        (Instant::now() >= w.until).then(|| w.failed(w.too_late(&look, now), self.live, now))
    }
}

impl<'a> Waiting<'a> {
    fn new(index: usize, step: &'a StepRequest, planned: &'a Value, until: Instant) -> Self {
        let policy = planned.get("restart_policy").filter(|p| p.get_str("on_failure").as_deref() != Some("never"));
        let restarts = policy.filter(|p| !p.is_null()).map_or(0, |p| p.get("max").and_then(|m| m.as_i64()).unwrap_or(3));
        Waiting {
            index,
            step,
            planned,
            name: planned.get_str("name").unwrap_or_default(),
            state: planned.get_str("state").unwrap_or_else(|| "running".into()),
            since: Instant::now(),
            until,
            restarts_left: u32::try_from(restarts).unwrap_or(0),
            good_since: None,
            failed_since: None,
            said: String::new(),
        }
    }

    /// Takes note of a look: success, failure, or (`None`) not settled.
    fn remember(&mut self, look: &Look) -> Option<bool> {
        let now = Instant::now();
        match look {
            Look::Good => {
                self.failed_since = None;
                let limit = if self.state == "running" { SETTLE_GOOD } else { Duration::ZERO };
                (now - *self.good_since.get_or_insert(now) >= limit).then_some(true)
            }
            Look::Failed => {
                self.good_since = None;
                (now - *self.failed_since.get_or_insert(now) >= SETTLE_FAILED).then_some(false)
            }
            Look::NotYet(_) => {
                (self.good_since, self.failed_since) = (None, None);
                None
            }
        }
    }

    fn succeeded(&self, live: &Live, now: Option<&Connector>) -> StepResult {
        let (value, private) = self.object(live, now, &self.state);
        StepResult::done(value, private)
    }

    fn failed(&self, error: Diagnostic, live: &Live, now: Option<&Connector>) -> StepResult {
        let status = if now.is_some_and(|c| c.status.has_failed()) { "failed" } else { self.state.as_str() };
        StepResult::failed(error.on(&self.step.addr), Some(self.object(live, now, status)))
    }

    /// The planned object with what only the live one says.
    fn object(&self, live: &Live, now: Option<&Connector>, status: &str) -> (Value, Private) {
        let mut attrs = self.planned.as_map().cloned().unwrap_or_default();
        let kind = now.and_then(|c| c.info.kind.clone().or_else(|| c.status.kind.clone()));
        let tasks = now.map_or(0, |c| c.status.tasks.len() as i64);
        let kept = |name: &str| attrs.get(name).filter(|v| v.is_known() && !v.is_null()).cloned();
        let kind = kept("type").unwrap_or_else(|| kind.map_or_else(|| Value::null(Type::String), Value::string));
        // A planned number stands even if tasks are still being made: the next refresh tells.
        let tasks = kept("tasks").unwrap_or_else(|| Value::from(tasks));
        attrs.insert("type".into(), kind);
        attrs.insert("tasks".into(), tasks);
        attrs.insert("status".into(), Value::string(status));
        if attrs.get("secrets_version").is_none_or(|v| !v.is_wholly_known()) {
            let versions = secrets::versions(self.planned);
            let known = if versions.is_wholly_known() { versions } else { Value::null(Type::map(Type::String)) };
            attrs.insert("secrets_version".into(), known);
        }
        let private = model::private(&live.cluster_id, &model::sensitive_keys(self.planned), now.map(|c| &c.status));
        (Value::object_of(attrs, self.planned.origin().cloned()), private)
    }

    fn why_failed(&self, now: Option<&Connector>) -> Diagnostic {
        let redactor = edge::redactor(self.step.prior.iter().chain(&self.step.planned));
        let mut parts = vec![];
        if let Some(c) = now {
            let says = |t: &Option<String>| t.as_deref().map_or("no trace".to_string(), |t| redactor.trace(t, TRACE_LINES));
            if c.status.connector.state == RunState::Failed {
                parts.push(format!("The connector failed on {}: {}", c.status.connector.worker_id, says(&c.status.connector.trace)));
            }
            let failed = c.status.tasks.iter().filter(|t| t.state == RunState::Failed);
            parts.extend(failed.take(3).map(|t| format!("Task {} failed on {}: {}", t.id, t.worker_id, says(&t.trace))));
        }
        let detail = format!("Connector {:?} does not run. {}", self.name, parts.join("\n"));
        Diagnostic::error(codes::CONNECTOR_FAILED, detail)
            .hint("Correct what the message says and apply again: what failed is then restarted.")
    }

    fn too_late(&self, look: &Look, now: Option<&Connector>) -> Diagnostic {
        let what = match look {
            Look::NotYet(text) => text.clone(),
            Look::Good => "it has only just reached its state".into(),
            Look::Failed => return self.why_failed(now),
        };
        let detail = format!("Connector {:?} is not {} after {} s: {what}.", self.name, self.state, self.since.elapsed().as_secs());
        Diagnostic::error(codes::TIMEOUT, detail).hint("Look into the worker's log, or raise the time limit in a timeouts block.")
    }
}

/// What would have to be done that no operation does, if there is such a thing.
fn beyond(
    orders: &Orders<'_>,
    step: &StepRequest,
    live: Option<&Connector>,
    keys: Option<&[String]>,
    name: &str,
    state: &str,
) -> Option<String> {
    let Some(live) = live else { return (!orders.creates()).then(|| format!("create connector {name:?}")) };
    if let Some(key) = keys.unwrap_or_default().iter().find(|k| !orders.configures(k)) {
        return Some(format!("change {key:?} of connector {name:?}"));
    }
    // While it moves or has failed, what it is meant to be does not show.
    let before = step.prior.as_ref().and_then(|p| p.get_str("state"));
    let now = model::state_text(&live.status, Some(before.as_deref().unwrap_or(state)));
    (now != state && !orders.moves_to(state)).then(|| format!("bring connector {name:?} from {now} to {state}"))
}

fn look(status: &ConnectorStatus, state: &str, age: Duration) -> Look {
    let all = |s: RunState| status.connector.state == s && status.tasks.iter().all(|t| t.state == s);
    let good = match state {
        "stopped" => status.connector.state == RunState::Stopped && status.tasks.is_empty(),
        "paused" => all(RunState::Paused),
        _ if status.has_failed() => return Look::Failed,
        _ => all(RunState::Running) && (!status.tasks.is_empty() || age >= NO_TASKS),
    };
    let failed = status.has_failed() && state == "paused";
    match (good, failed) {
        (true, _) => Look::Good,
        (_, true) => Look::Failed,
        _ => Look::NotYet(describe(status, state)),
    }
}

fn describe(status: &ConnectorStatus, state: &str) -> String {
    let want = state.to_ascii_uppercase();
    let there = status.tasks.iter().filter(|t| t.state.to_string() == want).count();
    match status.tasks.len() {
        0 => format!("the connector is {}, without tasks", status.connector.state),
        n => format!(
            "the connector is {}, {there} of {} {} {want}",
            status.connector.state,
            counted(n, "task"),
            if there == 1 { "is" } else { "are" }
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::connect::scripted::scripted;
    use crate::resource::Gathered;
    use crate::resource::{Key, Op, OpAction, Place};

    fn status(connector: &str, tasks: &[&str]) -> ConnectorStatus {
        let tasks: Vec<_> = tasks.iter().enumerate().map(|(i, s)| serde_json::json!({"id": i, "state": s, "worker_id": "w"})).collect();
        serde_json::from_value(serde_json::json!({"connector": {"state": connector, "worker_id": "w"}, "tasks": tasks, "type": "sink"}))
            .unwrap()
    }

    fn seen(connector: &str, tasks: &[&str], state: &str, age: u64) -> &'static str {
        match look(&status(connector, tasks), state, Duration::from_secs(age)) {
            Look::Good => "good",
            Look::Failed => "failed",
            Look::NotYet(_) => "not yet",
        }
    }

    #[test]
    fn only_a_whole_connector_is_good() {
        assert_eq!(seen("RUNNING", &["RUNNING", "RUNNING"], "running", 0), "good");
        assert_eq!(seen("RUNNING", &[], "running", 1), "not yet");
        assert_eq!(seen("RUNNING", &[], "running", 11), "good");
        assert_eq!(seen("RUNNING", &["UNASSIGNED"], "running", 0), "not yet");
        assert_eq!(seen("RUNNING", &["RUNNING", "FAILED"], "running", 0), "failed");
        assert_eq!(seen("PAUSED", &["RUNNING"], "paused", 0), "not yet");
        assert_eq!(seen("STOPPED", &["RUNNING"], "stopped", 0), "not yet");
        assert_eq!(seen("STOPPED", &[], "stopped", 0), "good");
        assert_eq!(seen("FAILED", &[], "stopped", 0), "not yet");
    }

    fn op(action: OpAction, part: &str) -> Op {
        Op::new(action, Key::new(Place::here(), "connector", "c")).part(part)
    }

    /// A running connector with one masked value.
    fn running() -> Connector {
        serde_json::from_value(serde_json::json!({
            "info": {"config": {"name": "c", "connector.class": "X", "tasks.max": "1", "a": "1", "pw": "[hidden]"}, "type": "sink"},
            "status": {"connector": {"state": "RUNNING", "worker_id": "w"}, "tasks": []}
        }))
        .unwrap()
    }

    fn wanted(a: &str) -> BTreeMap<String, String> {
        [("name", "c"), ("connector.class", "X"), ("tasks.max", "1"), ("a", a), ("pw", "s")].map(|(k, v)| (k.into(), v.into())).into()
    }

    #[test]
    fn masked_values_are_written_only_where_an_operation_says_so() {
        let keys = |ops: &[Op], a: &str| differing(&wanted(a), &running(), &|k| Orders(ops).configures(k));
        assert!(keys(&[op(OpAction::Pause, "")], "1").is_empty());
        assert_eq!(keys(&[op(OpAction::Change, "sensitive_config[\"pw\"]")], "1"), ["pw"]);
        assert_eq!(keys(&[], "2"), ["a"]);
    }

    #[test]
    fn what_no_operation_covers_is_refused_before_anything_is_sent() {
        let step = StepRequest {
            addr: "kafka_connector.c".parse().unwrap(),
            prior: Some(Value::object_from([("state", "running".into())])),
            planned: None,
            private: Private::Null,
            timeout: Duration::ZERO,
            begun: false,
            replaces: None,
            ops: vec![],
        };
        let check = |ops: &[Op], live: Option<&Connector>, keys: &[&str], state: &str| {
            let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
            beyond(&Orders(ops), &step, live, Some(&keys), "c", state)
        };
        let live = running();
        let config = [op(OpAction::Change, "config[\"a\"]")];
        assert_eq!(check(&config, Some(&live), &["a"], "running"), None);
        assert_eq!(check(&config, Some(&live), &["a", "b"], "running").unwrap(), "change \"b\" of connector \"c\"");
        assert!(check(&config, Some(&live), &["tasks.max"], "running").is_some());
        assert!(check(&config, Some(&live), &[], "paused").is_some());
        assert_eq!(check(&[op(OpAction::Pause, "")], Some(&live), &[], "paused"), None);
        assert!(check(&[op(OpAction::Pause, "")], Some(&live), &[], "stopped").is_some());
        assert!(check(&config, None, &[], "running").is_some(), "an update creates nothing");
        assert_eq!(check(&[op(OpAction::Create, "")], None, &[], "running"), None);
        assert!(Orders(&[op(OpAction::Delete, "")]).deletes("c") && !Orders(&[op(OpAction::Delete, "")]).deletes("d"));
    }

    /// A session whose steps report nowhere.
    fn session() -> Session {
        struct Silent;
        impl super::super::super::Progress for Silent {
            fn note(&self, _: &crate::addr::InstanceAddr, _: &str) {}
        }
        Session::new("/nowhere".into(), "/nowhere".into(), std::sync::Arc::new(Silent))
    }

    /// A creation against a server that answers the PUT with 500 and the reading back after it so.
    async fn failed_creation(read_back: (u16, &'static str)) -> StepResult {
        let later = (500, r#"{"message":"later"}"#);
        let root = (200, r#"{"version":"4.3.1","kafka_cluster_id":"k"}"#);
        let mut answers = vec![root, (200, "{}"), (404, "{}")];
        answers.extend([later; 5]);
        answers.extend([(200, r#"[{"class":"X","type":"sink"}]"#), read_back]);
        let (url, _server) = scripted(answers).await;
        let connect = Value::object_from([("url", Value::string(url))]);
        let planned = Value::object_from([
            ("connect", connect),
            ("name", Value::string("c")),
            ("class", Value::string("X")),
            ("type", Value::unknown(Type::String)),
            ("tasks", Value::unknown(Type::Number)),
        ]);
        let addr = "kafka_connector.c".parse().unwrap();
        let step = StepRequest {
            addr,
            prior: None,
            planned: Some(planned),
            private: Private::Null,
            timeout: Duration::from_secs(30),
            begun: false,
            replaces: None,
            ops: vec![op(OpAction::Create, "")],
        };
        Gathered::apply(&super::super::KafkaConnector, &session(), Verb::Create, vec![step]).await.remove(0)
    }

    #[tokio::test]
    async fn a_creation_that_failed_halfway_is_read_back() {
        let there = r#"{"name":"c","config":{"name":"c","connector.class":"X","tasks.max":"1"},"tasks":[],"type":"sink"}"#;
        let theirs = r#"{"name":"c","config":{"name":"c","connector.class":"Y"},"tasks":[],"type":"sink"}"#;
        for (answer, kept) in [((200, there), true), ((404, "{}"), false), ((200, theirs), false), ((401, ""), true)] {
            let result = failed_creation(answer).await;
            assert_eq!(result.error.unwrap().code, codes::SERVER_ERROR);
            assert_eq!(result.object.is_some(), kept, "{answer:?}");
            assert!(result.object.is_none_or(|(v, _)| v.is_wholly_known()));
        }
    }
}
