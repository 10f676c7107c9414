//! Connectors against a real Kafka Connect: see [`common::real`]. `STREAMFORM_TEST_CONNECT` holds the URL of another worker to test against.

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use common::real;
use streamform::addr::InstanceAddr;
use streamform::client::connect::{ConnectClient, ConnectConnection, ConnectError, ConnectPool, Patience, RunState};
use streamform::client::kafka::{AclBinding, AclOperation, AclPattern, AclPermission, AclResource, NewTopic};
use streamform::diag::codes::connect as codes;
use streamform::diag::{Diagnostic, Diagnostics};
use streamform::resource::kafka_connect_data::KafkaConnectData;
use streamform::resource::kafka_connector::KafkaConnector;
use streamform::resource::{
    Gathered, Observed, PlanInput, PlanOutput, Private, Progress, ReadRequest, ResourceType, Session, StepRequest, StepResult, Verb,
};
use streamform::schema::Set;
use streamform::value::ops::unmark_deep;
use streamform::value::{Type, Value};

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Progress for Notes {
    fn note(&self, addr: &InstanceAddr, text: &str) {
        self.0.lock().unwrap().push(format!("{addr}: {text}"));
    }
}

struct Lab {
    url: String,
    cx: Session,
    notes: Arc<Notes>,
    dir: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Lab {
    fn new() -> Lab {
        let alone = real::alone();
        let url = std::env::var("STREAMFORM_TEST_CONNECT").unwrap_or_else(|_| real::connect().url().to_string());
        let dir = tempfile::tempdir().unwrap();
        // The worker may run as another user.
        std::fs::write(dir.path().join("in.txt"), "one\ntwo\n").unwrap();
        let notes = Arc::new(Notes::default());
        let cx = Session::new(dir.path().into(), dir.path().into(), notes.clone());
        Lab { url, cx, notes, dir, _alone: alone }
    }

    fn client(&self) -> Arc<ConnectClient> {
        self.cx.pool::<ConnectPool>().client(&ConnectConnection::to_url(&self.url)).unwrap()
    }

    fn connect(&self) -> Value {
        Value::object_from([("admin", Value::object_from([("url", Value::string(&self.url))]))])
    }

    fn requests(&self) -> u64 {
        self.cx.pool::<ConnectPool>().requests()
    }

    /// A configuration by schema.
    fn config(&self, args: &[(&'static str, Value)]) -> Value {
        let body = &KafkaConnector.schema().body;
        let mut attrs: BTreeMap<Arc<str>, Value> = body.attributes.iter().map(|a| (a.name.into(), Value::null_dynamic())).collect();
        attrs.insert("restart_policy".into(), Value::null_dynamic());
        attrs.insert("connect".into(), self.connect());
        attrs.extend(args.iter().map(|(k, v)| ((*k).into(), v.clone())));
        Value::object(attrs.into())
    }

    fn source(&self, file: &str, topic: &str, more: &[(&'static str, Value)]) -> Value {
        let path = self.dir.path().join(file).to_string_lossy().into_owned();
        let mut args = vec![("class", Value::string("FileStreamSource")), ("config", map(&[("file", &path), ("topic", topic)]))];
        args.extend(more.iter().cloned());
        self.config(&args)
    }

    /// Makes connectors and deletes them again; each step must end well.
    async fn make_and_delete(&self, addrs: &[String], config: &Value) {
        let steps = addrs.iter().map(|a| self.step(a, None, Some(plan(a, config, None).planned))).collect();
        let results = Gathered::apply(&KafkaConnector, &self.cx, Verb::Create, steps).await;
        let made: Vec<(Value, Private)> = results.into_iter().map(|r| (r.error.map(|e| panic!("{e:?}")), r.object.unwrap()).1).collect();
        let steps = addrs.iter().zip(&made).map(|(a, m)| self.step(a, Some(m), None)).collect();
        for result in Gathered::apply(&KafkaConnector, &self.cx, Verb::Delete, steps).await {
            assert!(result.error.is_none(), "{:?}", result.error);
        }
    }

    /// A step with the operations that a plan of it has.
    fn step(&self, addr: &str, prior: Option<&(Value, Private)>, planned: Option<Value>) -> StepRequest {
        let (at, null) = (addr.parse().unwrap(), Private::Null);
        let private = prior.map_or(&null, |p| &p.1);
        let ops = match (&planned, prior) {
            (Some(planned), _) => KafkaConnector.plan(PlanInput::new(&at, prior.map(|p| &p.0), private, planned, planned.clone())).ops,
            (None, Some((object, private))) => KafkaConnector.plan_delete(object, private),
            (None, None) => vec![],
        };
        StepRequest {
            addr: addr.parse().unwrap(),
            prior: prior.map(|p| p.0.clone()),
            planned,
            private: prior.map_or(Private::Null, |p| p.1.clone()),
            timeout: Duration::from_secs(60),
            begun: false,
            replaces: None,
            ops,
        }
    }

    async fn apply(&self, verb: Verb, addr: &str, prior: Option<&(Value, Private)>, planned: Option<Value>) -> StepResult {
        Gathered::apply(&KafkaConnector, &self.cx, verb, vec![self.step(addr, prior, planned)]).await.remove(0)
    }

    async fn create(&self, addr: &str, config: &Value) -> (Value, Private) {
        let out = plan(addr, config, None);
        let result = self.apply(Verb::Create, addr, None, Some(out.planned)).await;
        assert!(result.error.is_none(), "{:?}", result.error);
        result.object.unwrap()
    }

    async fn read(&self, addr: &str, prior: &(Value, Private)) -> Observed {
        let request = ReadRequest::new(addr.parse().unwrap(), prior.0.clone(), prior.1.clone());
        KafkaConnector.read(&self.cx, vec![request]).await.remove(0).unwrap()
    }

    async fn present(&self, addr: &str, prior: &(Value, Private)) -> (Value, Private) {
        match self.read(addr, prior).await {
            Observed::Present(v, p, _) => (v, p),
            Observed::Absent => panic!("absent"),
        }
    }

    async fn delete(&self, addr: &str, prior: &(Value, Private)) {
        let result = self.apply(Verb::Delete, addr, Some(prior), None).await;
        assert!(result.error.is_none() && result.object.is_none(), "{:?}", result.error);
        assert!(matches!(self.read(addr, prior).await, Observed::Absent));
    }

    async fn probe(&self, config: &Value) -> Vec<Diagnostic> {
        let planned = plan("kafka_connector.p", config, None).planned;
        let found: Diagnostics = KafkaConnector.probe(&self.cx, vec![self.step("kafka_connector.p", None, Some(planned))]).await.remove(0);
        found.into_iter().collect()
    }
}

fn map(pairs: &[(&str, &str)]) -> Value {
    Value::map(Type::String, pairs.iter().map(|(k, v)| ((*k).into(), Value::string(v))).collect())
}

fn plan(addr: &str, config: &Value, prior: Option<&(Value, Private)>) -> PlanOutput {
    let mut attrs = config.as_map().cloned().unwrap();
    for a in KafkaConnector.schema().body.attributes.iter().filter(|a| config.get(a.name).is_none_or(|v| v.is_null())) {
        let value = match (&a.default, a.set) {
            (Some(d), _) => d.clone(),
            (None, Set::Computed | Set::OptionalComputed) => {
                prior.and_then(|p| p.0.get(a.name)).unwrap_or_else(|| Value::unknown(Type::Dynamic))
            }
            _ => Value::null_dynamic(),
        };
        attrs.insert(a.name.into(), value);
    }
    let null = Private::Null;
    let private = prior.map_or(&null, |p| &p.1);
    KafkaConnector.plan(PlanInput::new(&addr.parse().unwrap(), prior.map(|p| &p.0), private, config, Value::object(attrs)))
}

/// A name that no other run has.
fn unique(what: &str) -> String {
    format!("kafka_connector.{what}-{}", std::process::id())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_lives_through_all_its_states() {
    let lab = Lab::new();
    let addr = unique("life");
    let config = lab.source("in.txt", "life", &[]);
    let made = lab.create(&addr, &config).await;
    assert_eq!(made.0.get_str("type").as_deref(), Some("source"));
    assert_eq!(made.0.get("tasks").and_then(|v| v.as_i64()), Some(1));

    // Right after the apply the plan is empty, and reading took one list.
    let before = lab.requests();
    let seen = lab.present(&addr, &made).await;
    assert_eq!(lab.requests() - before, 1);
    assert!(streamform::resource::lines(&plan(&addr, &config, Some(&seen)).ops).is_empty());
    assert_eq!(seen.0.to_string(), made.0.to_string());

    let changed = lab.source("in.txt", "life2", &[]);
    let out = plan(&addr, &changed, Some(&seen));
    assert_eq!(streamform::resource::lines(&out.ops), ["~ config[\"topic\"]: life -> life2", "restart tasks (config changed)"]);
    let result = lab.apply(Verb::Update, &addr, Some(&seen), Some(out.planned)).await;
    assert!(result.error.is_none(), "{:?}", result.error);

    let mut now = lab.present(&addr, &result.object.unwrap()).await;
    for state in ["paused", "stopped", "running"] {
        let next = lab.source("in.txt", "life2", &[("state", Value::string(state))]);
        let out = plan(&addr, &next, Some(&now));
        assert_eq!(streamform::resource::lines(&out.ops).len(), 1, "{state}: {:?}", streamform::resource::lines(&out.ops));
        let result = lab.apply(Verb::Update, &addr, Some(&now), Some(out.planned)).await;
        assert!(result.error.is_none(), "{state}: {:?}", result.error);
        now = lab.present(&addr, &result.object.unwrap()).await;
        assert_eq!(now.0.get_str("status").as_deref(), Some(state));
    }
    lab.delete(&addr, &now).await;
    // Once more: what is gone is gone.
    lab.delete(&addr, &now).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_can_begin_stopped_and_many_are_made_at_once() {
    let lab = Lab::new();
    let addrs: Vec<String> = (0..8).map(|i| unique(&format!("many{i}"))).collect();
    let state = |i: usize| Value::string(["running", "paused", "stopped"][i % 3]);
    let configs: Vec<Value> = (0..8).map(|i| lab.source("in.txt", "many", &[("state", state(i))])).collect();
    let steps = addrs.iter().zip(&configs).map(|(a, c)| lab.step(a, None, Some(plan(a, c, None).planned))).collect();
    let results = Gathered::apply(&KafkaConnector, &lab.cx, Verb::Create, steps).await;
    let made: Vec<(Value, Private)> = results.into_iter().map(|r| (r.error.map(|e| panic!("{e:?}")), r.object.unwrap()).1).collect();
    for (i, m) in made.iter().enumerate() {
        assert_eq!(m.0.get("tasks").and_then(|v| v.as_i64()), Some(i64::from(i % 3 == 0)), "{i}");
    }
    let before = lab.requests();
    let reads = addrs.iter().zip(&made).map(|(a, m)| ReadRequest::new(a.parse().unwrap(), m.0.clone(), m.1.clone())).collect();
    for (read, (a, c)) in KafkaConnector.read(&lab.cx, reads).await.into_iter().zip(addrs.iter().zip(&configs)) {
        let Ok(Observed::Present(v, p, _)) = read else { panic!() };
        assert!(plan(a, c, Some(&(v, p))).ops.is_empty());
    }
    assert_eq!(lab.requests() - before, 1);
    let steps = addrs.iter().zip(&made).map(|(a, m)| lab.step(a, Some(m), None)).collect();
    assert!(Gathered::apply(&KafkaConnector, &lab.cx, Verb::Delete, steps).await.iter().all(|r| r.error.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_connector_tells_why_and_recovers() {
    let lab = Lab::new();
    let addr = unique("fail");
    // A sink whose file cannot be opened: its task fails at once. The topic is made by the source.
    let feed = unique("feed");
    let source = lab.create(&feed, &lab.source("in.txt", "failtopic", &[])).await;
    let sink =
        |file: &str| lab.config(&[("class", Value::string("FileStreamSink")), ("config", map(&[("file", file), ("topics", "failtopic")]))]);
    let bad = sink("/no/such/folder/out.txt");
    let result = lab.apply(Verb::Create, &addr, None, Some(plan(&addr, &bad, None).planned)).await;
    let error = result.error.unwrap();
    assert_eq!(error.code, codes::CONNECTOR_FAILED, "{error:?}");
    assert!(error.detail.contains("Task 0 failed") && error.detail.contains("/no/such/folder"), "{}", error.detail);
    assert!(!error.detail.contains("\tat "));
    let now = lab.present(&addr, &result.object.unwrap()).await;
    assert_eq!(now.0.get_str("status").as_deref(), Some("failed"));
    assert_eq!(streamform::resource::lines(&plan(&addr, &bad, Some(&now)).ops), ["restart 1 failed task"]);

    let good_path = lab.dir.path().join("out.txt").to_string_lossy().into_owned();
    let good = sink(&good_path);
    let result = lab.apply(Verb::Update, &addr, Some(&now), Some(plan(&addr, &good, Some(&now)).planned)).await;
    assert!(result.error.is_none(), "{:?}", result.error);
    let now = lab.present(&addr, &result.object.unwrap()).await;
    assert!(streamform::resource::lines(&plan(&addr, &good, Some(&now)).ops).is_empty());
    lab.delete(&addr, &now).await;
    lab.delete(&feed, &source).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connects_own_opinion_is_heard_at_plan_time() {
    let lab = Lab::new();
    assert!(lab.probe(&lab.source("in.txt", "t", &[])).await.is_empty());

    let d = lab.probe(&lab.config(&[("class", Value::string("FileStremSource")), ("config", map(&[("topic", "t")]))])).await;
    assert_eq!((d[0].code, d[0].values[0].1.as_str()), (codes::UNKNOWN_CLASS, "class"));
    assert!(
        d[0].hint.as_deref().unwrap().contains("Did you mean \"org.apache.kafka.connect.file.FileStreamSourceConnector\""),
        "{:?}",
        d[0].hint
    );

    let config = map(&[("file", "/tmp/x"), ("topic", "t"), ("batch.size", "many"), ("header.convertr", "x")]);
    let d = lab.probe(&lab.config(&[("class", Value::string("FileStreamSource")), ("config", config)])).await;
    let found: Vec<_> = d.iter().map(|d| (d.code.id, d.values[0].1.as_str())).collect();
    assert_eq!(
        found,
        [(codes::INVALID_CONFIG.id, "config[\"batch.size\"]"), (codes::UNKNOWN_KEY.id, "config[\"header.convertr\"]")],
        "{d:?}"
    );
    assert!(d[0].detail.contains("many"), "{}", d[0].detail);

    let d = lab.probe(&lab.config(&[("class", Value::string("FileStreamSource")), ("config", map(&[("file", "/tmp/x")]))])).await;
    assert_eq!(d[0].values[0].1, "config[\"topic\"]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_at_apply_shows_no_secret() {
    let lab = Lab::new();
    let secret = std::env::var("STREAMFORM_TEST_CONNECT_SECRET").unwrap_or_else(|_| real::connect().secret());
    let addr = unique("refused");
    // The worker resolves this one and finds that it is no number.
    let config = map(&[("file", "/tmp/x"), ("topic", "t"), ("batch.size", &format!("${{file:{secret}}}"))]);
    let config = lab.config(&[("class", Value::string("FileStreamSource")), ("config", config)]);
    let d = lab.probe(&config).await;
    assert_eq!(d[0].values[0].1, "config[\"batch.size\"]");
    assert!(!format!("{d:?}").contains("s3cr3t"));
    let result = lab.apply(Verb::Create, &addr, None, Some(plan(&addr, &config, None).planned)).await;
    let error = result.error.unwrap();
    assert_eq!(error.code, codes::INVALID_CONFIG);
    assert!(error.detail.contains("batch.size") && !format!("{error:?}").contains("s3cr3t"), "{error:?}");
    assert!(result.object.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn placeholders_and_sensitive_config_come_back_as_they_were() {
    let lab = Lab::new();
    let secret = std::env::var("STREAMFORM_TEST_CONNECT_SECRET").unwrap_or_else(|_| real::connect().secret());
    let addr = unique("secret");
    let placeholder = format!("${{file:{secret}}}");
    let sensitive = map(&[("my.password", "hunter2"), ("x", "y")]).sensitive();
    let path = lab.dir.path().join("in.txt").to_string_lossy().into_owned();
    let config = map(&[("file", &path), ("topic", "t"), ("free.key", &placeholder)]);
    let config = lab.config(&[("class", Value::string("FileStreamSource")), ("config", config), ("sensitive_config", sensitive)]);
    let made = lab.create(&addr, &config).await;
    let now = lab.present(&addr, &made).await;
    assert_eq!(now.0.get("config"), config.get("config"));
    assert!(streamform::resource::lines(&plan(&addr, &config, Some(&now)).ops).is_empty());
    let shown = format!("{:?} {}", now.0, now.1);
    assert!(!shown.contains("hunter2") && !shown.contains("s3cr3t") && now.1.to_string().contains("my.password"));
    lab.delete(&addr, &now).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_not_overwritten_and_can_be_imported() {
    let lab = Lab::new();
    let addr = unique("theirs");
    let made = lab.create(&addr, &lab.source("in.txt", "theirs", &[])).await;
    let other = plan(&addr, &lab.source("in.txt", "mine", &[]), None).planned;
    let result = lab.apply(Verb::Create, &addr, None, Some(other)).await;
    assert_eq!(result.error.unwrap().code, codes::ALREADY_EXISTS);
    // The same again is what a run does after it was killed in the middle.
    lab.create(&addr, &lab.source("in.txt", "theirs", &[])).await;

    let name = made.0.get_str("name").unwrap();
    let config = lab.source("in.txt", "theirs", &[]);
    let (value, private) = KafkaConnector.import(&lab.cx, &name, Some(&config)).await.unwrap();
    assert!(plan(&addr, &config, Some(&(value, private))).ops.is_empty());
    let error = KafkaConnector.import(&lab.cx, &name.replace("theirs", "thiers"), Some(&config)).await.unwrap_err();
    assert_eq!(error.code, codes::NOT_FOUND);
    assert!(error.hint.unwrap().contains(&name));
    let found = KafkaConnector.discover(&lab.cx, &lab.connect()).await.unwrap();
    assert!(found.iter().any(|d| d.id == name && d.attributes.get_str("class").as_deref() == Some("FileStreamSource")));

    // Another Kafka cluster behind the same URL is refused.
    let mut elsewhere = made.clone();
    elsewhere.1["kafka_cluster_id"] = "another".into();
    let result = lab.apply(Verb::Delete, &addr, Some(&elsewhere), None).await;
    assert_eq!(result.error.unwrap().code, codes::CLUSTER_CHANGED);
    lab.delete(&addr, &made).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_source_reaches_a_worker_with_client_certificates() {
    let lab = Lab::new();
    let parts = real::connect().tls();
    let block = |ca: &str, cert: bool| {
        let file = |n: usize| if cert { Value::string(&parts[n]) } else { Value::null(Type::String) };
        Value::object_from([("ca_file", Value::string(ca)), ("certificate_file", file(2)), ("key_file", file(3))])
    };
    let read = async |tls: Value| {
        let prior = Value::object_from([("url", Value::string(&parts[0])), ("tls", tls)]);
        let request = ReadRequest::new("data.kafka_connect.c".parse().unwrap(), prior, Private::Null);
        KafkaConnectData.read(&lab.cx, vec![request]).await.remove(0)
    };
    let Observed::Present(value, ..) = read(block(&parts[1], true)).await.unwrap() else { panic!() };
    assert!(value.get("plugins").unwrap().to_string().contains("FileStreamSourceConnector"));
    assert!(value.get_str("kafka_cluster_id").is_some_and(|id| !id.is_empty()));
    // The object serves as a connector's connect.
    let connection = ConnectConnection::from_value(&value).unwrap();
    assert!(lab.cx.pool::<ConnectPool>().client(&connection).unwrap().connectors(&Patience::quiet(Duration::from_secs(9))).await.is_ok());
    let error = read(block(&parts[1], false)).await.unwrap_err();
    assert_eq!(error.code, codes::TLS, "{error:?}");
    // A certificate that is no authority of the worker's.
    let error = read(block(&parts[2], true)).await.unwrap_err();
    assert_eq!(error.code, codes::TLS, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_policy_brings_back_what_failed_for_a_passing_reason() {
    let lab = Lab::new();
    let addr = unique("policy");
    let folder = lab.dir.path().join("late");
    let out = folder.join("out.txt").to_string_lossy().into_owned();
    let policy = Value::object_from([("on_failure", Value::string("failed_tasks")), ("max", Value::from(5))]);
    let config = map(&[("file", &out), ("topics", "policytopic")]);
    let config = lab.config(&[("class", Value::string("FileStreamSink")), ("config", config), ("restart_policy", policy)]);
    let make = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        std::fs::create_dir(&folder).unwrap();
    };
    let (made, ()) = tokio::join!(lab.create(&addr, &config), make);
    assert_eq!(made.0.get_str("status").as_deref(), Some("running"));
    assert!(lab.notes.0.lock().unwrap().iter().any(|n| n.contains("restarting what failed")));
    lab.delete(&addr, &made).await;
}

/// Keys that Connect itself checks against installed classes, which are not those of the published configurations.
fn is_checked(key: &str) -> bool {
    [
        "connector.class",
        "key.converter",
        "value.converter",
        "header.converter",
        "transforms",
        "predicates",
        "errors.",
        "topic.creation",
        "name",
        "tasks.max",
        "topic",
        "file",
    ]
    .iter()
    .any(|p| key == *p || key.starts_with(p) && (p.ends_with('.') || key[p.len()..].starts_with('.')))
}

#[tokio::test(flavor = "multi_thread")]
async fn published_configurations_come_back_equal_from_connect() {
    let lab = Lab::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/connectors");
    let files = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "json"));
    let (mut steps, mut configs) = (vec![], vec![]);
    for (i, file) in files.enumerate() {
        let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let json = if json["config"].is_object() { &json["config"] } else { &json };
        let mut all = streamform::resource::kafka_connector::hcl::strings_of(json);
        all.retain(|k, _| !is_checked(k));
        all.extend([("topic".into(), "published".into()), ("file".into(), "/tmp/x".into())]);
        let pairs: Vec<(&str, &str)> = all.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let args = [("class", Value::string("FileStreamSource")), ("config", map(&pairs)), ("state", Value::string("stopped"))];
        let (addr, config) = (unique(&format!("pub{i}")), lab.config(&args));
        steps.push(lab.step(&addr, None, Some(plan(&addr, &config, None).planned)));
        configs.push((addr, config));
    }
    assert!(configs.len() >= 48);
    let results = Gathered::apply(&KafkaConnector, &lab.cx, Verb::Create, steps).await;
    let made: Vec<(Value, Private)> = results.into_iter().map(|r| (r.error.map(|e| panic!("{e:?}")), r.object.unwrap()).1).collect();
    let pairs = || configs.iter().zip(&made);
    let reads = pairs().map(|((a, _), m)| ReadRequest::new(a.parse().unwrap(), m.0.clone(), m.1.clone())).collect();
    for (read, (a, c)) in KafkaConnector.read(&lab.cx, reads).await.into_iter().zip(&configs) {
        let Ok(Observed::Present(v, p, _)) = read else { panic!() };
        // What has the name of a secret comes back marked as one.
        assert_eq!(v.get("config").map(|v| unmark_deep(&v)), c.get("config"), "{a}");
        assert!(plan(a, c, Some(&(v, p))).ops.is_empty());
    }
    let steps = pairs().map(|((a, _), m)| lab.step(a, Some(m), None)).collect();
    assert!(Gathered::apply(&KafkaConnector, &lab.cx, Verb::Delete, steps).await.iter().all(|r| r.error.is_none()));
}

/// A second worker comes and goes while connectors are made and deleted: nothing fails for it.
#[tokio::test(flavor = "multi_thread")]
async fn rebalances_are_waited_out() {
    let lab = Lab::new();
    let churn = std::thread::spawn(|| {
        let guest = real::Guest::new();
        guest.come();
        guest.die();
    });
    let addrs: Vec<String> = (0..6).map(|i| unique(&format!("churn{i}"))).collect();
    let config = lab.source("in.txt", "churn", &[]);
    let mut rounds = 0;
    while !churn.is_finished() || rounds < 2 {
        lab.make_and_delete(&addrs, &config).await;
        rounds += 1;
    }
    churn.join().unwrap();
}

#[tokio::test]
async fn a_stopped_connectors_offsets_can_be_changed() {
    let lab = Lab::new();
    let addr = unique("offsets");
    let path = lab.dir.path().join("in.txt").to_string_lossy().into_owned();
    let topic = [
        ("file", path.as_str()),
        ("topic", "offsets"),
        ("topic.creation.default.partitions", "1"),
        ("topic.creation.default.replication.factor", "1"),
    ];
    let source = |state: &str| lab.source("in.txt", "offsets", &[("config", map(&topic)), ("state", Value::string(state))]);
    let made = lab.create(&addr, &source("running")).await;
    let (client, p) = (lab.client(), Patience::quiet(Duration::from_secs(20)));
    let name = made.0.get_str("name").unwrap();
    let mut offsets = serde_json::Value::Null;
    for _ in 0..40 {
        offsets = client.offsets(&name, &p).await.unwrap();
        if offsets["offsets"][0]["offset"]["position"].as_i64() == Some(8) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(offsets["offsets"][0]["offset"]["position"], 8, "{offsets}");
    assert!(matches!(client.patch_offsets(&name, &offsets, &p).await, Err(ConnectError::Refused { .. })));
    let stopped = source("stopped");
    let result = lab.apply(Verb::Update, &addr, Some(&made), Some(plan(&addr, &stopped, Some(&made)).planned)).await;
    offsets["offsets"][0]["offset"]["position"] = 4.into();
    client.patch_offsets(&name, &offsets, &p).await.unwrap();
    assert_eq!(client.offsets(&name, &p).await.unwrap()["offsets"][0]["offset"]["position"], 4);
    client.delete_offsets(&name, &p).await.unwrap();
    assert_eq!(client.offsets(&name, &p).await.unwrap()["offsets"], serde_json::json!([]));
    lab.delete(&addr, &result.object.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_written_as_configuration_that_changes_nothing() {
    let lab = Lab::new();
    let kafka = real::kafka();
    let (topic, principal) = (unique("adopted").replace("kafka_connector.", ""), "User:CN=adopted");
    let admin = kafka.admin();
    let config = BTreeMap::from([("retention.ms".to_string(), "123456".to_string())]);
    let new = NewTopic { name: topic.clone(), partitions: 3, replication: 1, assignments: None, config };
    admin.create_topics(&[new], false).await.unwrap().remove(0).unwrap();
    let binding = |operation| AclBinding {
        resource: AclResource::Topic,
        name: topic.clone(),
        pattern: AclPattern::Prefixed,
        principal: principal.into(),
        host: "*".into(),
        operation,
        permission: AclPermission::Allow,
    };
    admin.create_acls(&[binding(AclOperation::Read), binding(AclOperation::Describe)]).await.unwrap();
    let addr = unique("running");
    let password = ("my.password", "hunter2");
    let path = lab.dir.path().join("in.txt").to_string_lossy().into_owned();
    let config = map(&[("file", &path), ("topic", &topic), ("odd", "${file:/x:y}"), password]);
    let made =
        lab.create(&addr, &lab.config(&[("class", "FileStreamSource".into()), ("config", config), ("tasks_max", 1_i64.into())])).await;
    let connector = made.0.get_str("name").unwrap();

    let (brokers, url) = (kafka.address("PLAINTEXT"), &lab.url);
    let folder = common::Lab::new(&format!(
        r#"data "kafka_cluster" "c" {{
  bootstrap_servers = "{brokers}"
}}
data "kafka_connect" "w" {{
  url = "{url}"
}}
import {{
  to = kafka_topic.t
  id = "{topic}"
}}
import {{
  to = kafka_acl.a
  id = "{principal}"
}}
import {{
  to     = kafka_connector.k
  id     = "{connector}"
  within = data.kafka_connect.w
}}
"#
    ));
    let s = folder.ok("plan -generate-config-out=generated.hcl");
    s.shows(&["Plan: 3 to import", "SF9008", "config[\"my.password\"] of kafka_connector.k"]).hides(&["hunter2"]);
    let text = folder.read("generated.hcl");
    let expected = format!(
        r#"# Written by streamform plan -generate-config-out from what import blocks name.
# Review these blocks, then move them to your other files.

resource "kafka_topic" "t" {{
  cluster            = data.kafka_cluster.c
  name               = "{topic}"
  partitions         = 3
  replication_factor = 1
  config = {{
    "retention.ms" = "123456"
  }}
}}

resource "kafka_acl" "a" {{
  cluster   = data.kafka_cluster.c
  principal = "{principal}"

  rule {{
    operations = ["READ", "DESCRIBE"]
    topic      = "{topic}"
    pattern    = "prefixed"
  }}
}}

resource "kafka_connector" "k" {{
  connect = data.kafka_connect.w
  name    = "{connector}"
  class   = "FileStreamSource"
  config = {{
    "file" = "{path}"
    # "my.password" = … is sensitive
    "odd"   = "$${{file:/x:y}}"
    "topic" = "{topic}"
  }}
}}
"#
    );
    assert_eq!(text, expected);
    // With the secret put in, nothing changes.
    let whole = text.replace("# \"my.password\" = … is sensitive", "\"my.password\" = \"hunter2\"");
    folder.write("generated.hcl", &whole);
    folder.ok("plan").shows(&["Plan: 3 to import, 0 to add, 0 to change, 0 to destroy."]);
    folder.apply().shows(&["3 imported, 0 added, 0 changed"]);
    folder.ok("plan -detailed-exitcode");

    // What is not there is told by the import block, and nothing is written.
    folder.write(
        "main.hcl",
        &folder.read("main.hcl").replace(&format!("id = \"{topic}\""), "id = \"adoptet\"").replace("kafka_topic.t", "kafka_topic.z"),
    );
    folder.fails("plan -generate-config-out=more.hcl", &["There is no topic \"adoptet\"", "on main.hcl line 7"]);
    assert!(!folder.path().join("more.hcl").exists());

    lab.delete(&addr, &made).await;
    admin.delete_topics(std::slice::from_ref(&topic)).await.unwrap();
    admin.delete_acls(&[binding(AclOperation::Read), binding(AclOperation::Describe)]).await.unwrap();
}

/// Passes requests on to a worker and remembers them, and its answers.
struct Wiretap {
    url: String,
    heard: Arc<Mutex<Vec<u8>>>,
    answered: Arc<Mutex<Vec<u8>>>,
}

impl Wiretap {
    fn before(url: &str) -> Wiretap {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (tap, worker) = (format!("http://{}", listener.local_addr().unwrap()), url.trim_start_matches("http://").to_string());
        let (heard, answered) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::<Mutex<Vec<u8>>>::default());
        let notes = (heard.clone(), answered.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let upstream = std::net::TcpStream::connect(&worker).unwrap();
                let (from, to, notes) = (upstream.try_clone().unwrap(), client.try_clone().unwrap(), notes.clone());
                std::thread::spawn(move || listen(from, to, &notes.1));
                std::thread::spawn(move || listen(client, upstream, &notes.0));
            }
        });
        Wiretap { url: tap, heard, answered }
    }

    /// How many requests began so.
    fn count(&self, start: &str) -> usize {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).matches(start).count()
    }

    /// How many answers had this status.
    fn answers(&self, status: u16) -> usize {
        String::from_utf8_lossy(&self.answered.lock().unwrap()).matches(&format!("HTTP/1.1 {status} ")).count()
    }
}

fn listen(mut from: std::net::TcpStream, mut to: std::net::TcpStream, notes: &Mutex<Vec<u8>>) {
    use std::io::{Read, Write};
    let mut buffer = [0; 8192];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        notes.lock().unwrap().extend_from_slice(&buffer[..n]);
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// Others make and delete connectors all the time, so that the worker refuses requests because it expects a rebalance. Of Kafka 4 it does so
/// with 500, and hardly ever with the 409 that it is meant to use.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_expects_a_rebalance_makes_nothing_fail() {
    let mut lab = Lab::new();
    let direct = lab.url.clone();
    let tap = Wiretap::before(&direct);
    lab.url = tap.url.clone();
    let enough = Arc::<std::sync::atomic::AtomicBool>::default();
    let noise = (0..12).map(|i| {
        let enough = enough.clone();
        let url = format!("{direct}/connectors/noise{i}");
        tokio::spawn(async move {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let config = serde_json::json!({"connector.class": "FileStreamSource", "topic": "noise", "file": "/dev/null"});
            while !enough.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = client.put(format!("{url}/config")).json(&config).send().await;
                let _ = client.delete(&url).send().await;
            }
        })
    });
    let noise: Vec<_> = noise.collect();
    let addrs: Vec<String> = (0..6).map(|i| unique(&format!("busy{i}"))).collect();
    let config = lab.source("in.txt", "busy", &[("state", Value::string("stopped"))]);
    let mut rounds = 0;
    while rounds < 3 || tap.answers(409) + tap.answers(500) == 0 && rounds < 20 {
        lab.make_and_delete(&addrs, &config).await;
        rounds += 1;
    }
    enough.store(true, std::sync::atomic::Ordering::Relaxed);
    futures::future::join_all(noise).await;
    eprintln!("409: {}, 500: {}, {rounds} rounds", tap.answers(409), tap.answers(500));
    assert!(tap.answers(409) + tap.answers(500) > 0);
    let client = lab.client();
    for i in 0..12 {
        client.delete(&format!("noise{i}"), &Patience::quiet(Duration::from_secs(30))).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_put_where_nothing_differs() {
    let mut lab = Lab::new();
    let tap = Wiretap::before(&lab.url);
    lab.url = tap.url.clone();
    let addr = unique("equal");
    let put = format!("PUT /connectors/{}/config ", addr.trim_start_matches("kafka_connector."));
    let path = lab.dir.path().join("in.txt").to_string_lossy().into_owned();
    let with = |topic: &str, state: &str| {
        let creation = [("topic.creation.default.partitions", "1"), ("topic.creation.default.replication.factor", "1")];
        let pairs: Vec<_> = [("file", path.as_str()), ("topic", topic)].into_iter().chain(creation).collect();
        lab.source("in.txt", topic, &[("config", map(&pairs)), ("state", Value::string(state))])
    };
    let config = with("equal", "running");
    let made = lab.create(&addr, &config).await;
    assert_eq!(tap.count(&put), 1);
    // The same creation again, as after a kill; and an update that somebody else has carried out meanwhile.
    lab.create(&addr, &config).await;
    let mut stale = made.clone();
    stale.0 = with("older", "running");
    let result = lab.apply(Verb::Update, &addr, Some(&stale), Some(made.0.clone())).await;
    assert!(result.error.is_none(), "{:?}", result.error);
    let paused = plan(&addr, &with("equal", "paused"), Some(&made)).planned;
    let result = lab.apply(Verb::Update, &addr, Some(&made), Some(paused)).await;
    assert!(result.error.is_none(), "{:?}", result.error);
    let now = result.object.unwrap();
    assert_eq!((tap.count(&put), tap.count("/pause ")), (1, 1));
    let changed = plan(&addr, &with("newer", "paused"), Some(&now)).planned;
    let result = lab.apply(Verb::Update, &addr, Some(&now), Some(changed)).await;
    assert!(result.error.is_none(), "{:?}", result.error);
    let now = result.object.unwrap();
    assert_eq!((tap.count(&put), tap.count("/restart")), (2, 0));
    let name = now.0.get_str("name").unwrap();
    let status = lab.client().status(&name, &Patience::quiet(Duration::from_secs(9))).await.unwrap();
    assert_eq!(status.connector.state, RunState::Paused, "it rests with its new configuration");
    lab.delete(&addr, &now).await;
}

/// A configuration for the whole program, with one connector on the worker behind `url`.
fn whole(url: &str, block: &str, args: &str) -> String {
    format!(
        "data \"kafka_connect\" \"w\" {{\n  url = \"{url}\"\n}}\nresource \"kafka_connector\" \"{block}\" {{\n  connect = data.kafka_connect.w\n  \
         class = \"FileStreamSource\"\n  {args}\n}}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_block_is_a_move_and_the_connector_runs_on() {
    let lab = Lab::new();
    let tap = Wiretap::before(&lab.url);
    let name = unique("stays").replace("kafka_connector.", "");
    let path = lab.dir.path().join("in.txt").display().to_string();
    let args = format!("name = \"{name}\"\n  config = {{ \"file\" = \"{path}\", \"topic\" = \"stays\" }}");
    let folder = common::Lab::new(&whole(&tap.url, "old", &args));
    folder.apply();
    let sent = || ["PUT /connectors/", "POST /connectors/", "DELETE /connectors/"].map(|what| tap.count(what));
    let before = sent();
    assert!(before[0] + before[1] > 0, "created, again where a rebalance was in the way");

    folder.write("main.hcl", &whole(&tap.url, "new", &args));
    folder.ok("plan").shows(&["0 to add, 0 to change, 0 to destroy"]);
    folder.apply();
    folder.ok("plan -detailed-exitcode");
    assert_eq!(sent(), before, "nothing was sent that changes anything");
    let status = lab.client().status(&name, &Patience::quiet(Duration::from_secs(9))).await.unwrap();
    assert_eq!(status.connector.state, RunState::Running);
    folder.ok("destroy -auto-approve");
    assert!(lab.client().find(&name, &Patience::quiet(Duration::from_secs(9))).await.unwrap().is_none());
}

/// A6: the plan refuses a name that a foreign connector has, and says how to import that one.
#[tokio::test(flavor = "multi_thread")]
async fn a_taken_name_is_found_when_planning() {
    let lab = Lab::new();
    let addr = unique("taken");
    let made = lab.create(&addr, &lab.source("in.txt", "taken", &[])).await;
    let name = made.0.get_str("name").unwrap();
    let args = format!("name = \"{name}\"\n  config = {{ \"file\" = \"/dev/null\", \"topic\" = \"mine\" }}");
    let folder = common::Lab::new(&whole(&lab.url, "mine", &args));
    folder.fails("plan", &["SF7011", "already exists", &format!("streamform import 'kafka_connector.mine' {name}")]);
    let secret = args.replace(&format!("name = \"{name}\""), &format!("name = sensitive(\"{name}\")"));
    folder.write("main.hcl", &whole(&lab.url, "mine", &secret));
    folder.fails("plan", &["nonsensitive("]);
    lab.delete(&addr, &made).await;
}

/// What a killed update may have written is found by the record and by what was to be, shown, and written anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_update_is_shown_and_put_right() {
    let lab = Lab::new();
    let addr = unique("killed");
    let secrets = |pairs: &[(&str, &str)]| lab.source("in.txt", "killed", &[("sensitive_config", map(pairs).sensitive())]);
    let (old, new) = (secrets(&[("odd", "first")]), secrets(&[("odd", "second"), ("more", "third")]));
    let made = lab.create(&addr, &old).await;
    let out = plan(&addr, &new, Some(&made));
    let result = lab.apply(Verb::Update, &addr, Some(&made), Some(out.planned.clone())).await;
    assert!(result.error.is_none(), "{:?}", result.error);

    // The end of it was never recorded, and the state has digests only.
    let hidden = |v: &Value| {
        let mut attrs = v.as_map().unwrap().clone();
        attrs.insert("sensitive_config".into(), Value::unknown(Type::map(Type::String)).sensitive());
        Value::object(attrs)
    };
    let mut request = ReadRequest::new(addr.parse().unwrap(), hidden(&made.0), made.1.clone());
    request.doubt =
        Some(streamform::resource::Doubt { verb: Verb::Update, intent: hidden(&out.planned), private: made.1.clone(), ops: out.ops });
    let Ok(Observed::Present(now, private, _)) = KafkaConnector.read(&lab.cx, vec![request]).await.remove(0) else { panic!("not read") };
    assert!(!format!("{now:?} {private}").contains("third"), "what was to be secret is one");
    let now = (now, private);
    let lines = streamform::resource::lines(&plan(&addr, &old, Some(&now)).ops);
    assert!(lines.contains(&"- sensitive_config[\"more\"]: (sensitive value)".to_string()), "{lines:?}");
    assert!(lines.contains(&"~ sensitive_config[\"odd\"]: (sensitive value) -> (sensitive value)".to_string()), "{lines:?}");
    // Also where Connect shows no secrets: then nobody knows, and all of them are written.
    let blind = (hidden(&now.0), now.1.clone());
    assert_eq!(streamform::resource::lines(&plan(&addr, &old, Some(&blind)).ops), lines);
    let result = lab.apply(Verb::Update, &addr, Some(&blind), Some(plan(&addr, &old, Some(&blind)).planned)).await;
    assert!(result.error.is_none(), "{:?}", result.error);
    let name = made.0.get_str("name").unwrap();
    let live = lab.client().find(&name, &Patience::quiet(Duration::from_secs(9))).await.unwrap().unwrap().config;
    assert_eq!((live.get("odd").map(String::as_str), live.get("more")), (Some("first"), None));
    lab.delete(&addr, &result.object.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_since_the_plan_is_not_overwritten() {
    let lab = Lab::new();
    let addr = unique("since");
    let made = lab.create(&addr, &lab.source("in.txt", "since", &[])).await;
    let name = made.0.get_str("name").unwrap();
    let paused = plan(&addr, &lab.source("in.txt", "since", &[("state", "paused".into())]), Some(&made)).planned;
    // Somebody else sets another topic after the plan was made.
    let (client, p) = (lab.client(), Patience::quiet(Duration::from_secs(20)));
    let mut config = client.find(&name, &p).await.unwrap().unwrap().config;
    config.insert("topic".into(), "theirs".into());
    client.put_config(&name, &config, &p).await.unwrap();
    let result = lab.apply(Verb::Update, &addr, Some(&made), Some(paused)).await;
    let error = result.error.unwrap();
    assert_eq!(error.code, streamform::diag::codes::apply::INCONSISTENT, "{error:?}");
    assert_eq!(client.find(&name, &p).await.unwrap().unwrap().config.get("topic").map(String::as_str), Some("theirs"));
    // The new topic makes the workers start it again, so it may be between two starts.
    assert_ne!(client.status(&name, &p).await.unwrap().connector.state, RunState::Paused, "nothing was done");
    // A deletion that no operation names is none.
    let mut step = lab.step(&addr, Some(&made), None);
    step.ops.clear();
    assert!(Gathered::apply(&KafkaConnector, &lab.cx, Verb::Delete, vec![step]).await.remove(0).error.is_some());
    assert!(client.find(&name, &p).await.unwrap().is_some());
    lab.delete(&addr, &made).await;
}

#[test]
fn one_of_several_secrets_of_a_connector_changes_by_a_saved_plan() {
    let lab = common::Lab::new("");
    let write = |(x, y): (&str, &str), (p, q): (&str, &str)| {
        let head = format!("data \"kafka_connect\" \"c\" {{\n  url = \"{}\"\n}}\n", real::connect().url());
        let file = lab.path().join("in.txt");
        let config = format!(
            "    topic = \"saved-plan\"\n    file = \"{}\"\n    \"x.password\" = \"{x}\"\n    \"y.password\" = \"{y}\"\n",
            file.display()
        );
        let hidden = format!("    p = \"{p}\"\n    q = \"{q}\"\n");
        let block = format!(
            "resource \"kafka_connector\" \"x\" {{\n  connect = data.kafka_connect.c\n  name = \"saved-plan\"\n  class = \"FileStreamSource\"\n  state = \"stopped\"\n  config = {{\n{config}  }}\n  sensitive_config = {{\n{hidden}  }}\n}}\n"
        );
        lab.write("main.hcl", &(head + &block));
    };
    let steps = [
        (("CANARY-1", "CANARY-2"), ("CANARY-3", "CANARY-4"), &["p", "q", "x.password", "y.password"][..]),
        (("CANARY-1", "CANARY-5"), ("CANARY-3", "CANARY-4"), &["y.password"]),
        (("CANARY-1", "CANARY-5"), ("CANARY-6", "CANARY-4"), &["p"]),
    ];
    for (open, hidden, changed) in steps {
        write(open, hidden);
        let shown = lab.ok("plan -out=p.plan").stdout;
        assert!(!lab.read("p.plan").contains("CANARY"));
        lab.ok("apply p.plan").hides(&["CANARY"]);
        lab.ok("plan").shows(&["No changes"]);
        if changed.len() == 1 {
            for key in ["p", "q", "x.password", "y.password"] {
                assert_eq!(shown.contains(&format!("[\"{key}\"]")), changed.contains(&key), "{key}\n{shown}");
            }
        }
    }
    lab.ok("destroy -auto-approve");
}
