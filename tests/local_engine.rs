//! The local engine on real Kafka: start, kill, heal, roll, destroy. Jars come through Maven into the usual cache.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use streamform::addr::{InstanceAddr, Mode, ResourceAddr};
use streamform::diag::codes::engine as codes;
use streamform::resource::kafka_cluster::KafkaCluster;
use streamform::resource::kafka_connect::KafkaConnect;
use streamform::resource::secret::Secret;
use streamform::resource::{Observed, PlanInput, Private, Progress, ReadRequest, ResourceType, Session, StepRequest, StepResult, Verb};
use streamform::schema::{AttrType, Set};
use streamform::target::connect::{ConnectClient, ConnectConnection, Patience};
use streamform::target::kafka::{KafkaConnection, KafkaPool};
use streamform::value::{Type, Value};

struct Quiet;
impl Progress for Quiet {
    fn note(&self, addr: &InstanceAddr, text: &str) {
        eprintln!("{addr}: {text}");
    }
}

fn session(dir: &Path) -> Session {
    Session::new(dir.join(".streamform"), dir.to_path_buf(), Arc::new(Quiet))
}

fn addr(ty: &str, name: &str) -> InstanceAddr {
    ResourceAddr::root(Mode::Managed, ty, name).instance(None)
}

/// What the decoder and the planner make of a configuration: defaults, then the prior value of what is computed, else unknown.
fn proposed(ty: &dyn ResourceType, config: &Value, prior: Option<&Value>) -> Value {
    let schema = ty.schema();
    let mut attrs: BTreeMap<Arc<str>, Value> = BTreeMap::new();
    for a in &schema.body.attributes {
        let value_ty = match &a.ty {
            AttrType::Value(t) => t.clone(),
            AttrType::Ref(_) => Type::Dynamic,
        };
        let written = config.get(a.name).filter(|v| !v.is_null());
        let computed = matches!(a.set, Set::Computed | Set::OptionalComputed);
        let fallback = || match prior.and_then(|p| p.get(a.name)) {
            Some(v) if computed => v,
            None if computed => Value::unknown(value_ty.clone()),
            _ => Value::null(value_ty.clone()),
        };
        attrs.insert(a.name.into(), written.or_else(|| a.default.clone()).unwrap_or_else(fallback));
    }
    for b in &schema.body.blocks {
        attrs.insert(b.name.into(), config.get(b.name).unwrap_or_else(|| Value::map(Type::Dynamic, BTreeMap::new())));
    }
    Value::object(attrs)
}

struct Run<'a> {
    cx: &'a Session,
    ty: &'a dyn ResourceType,
    addr: InstanceAddr,
    now: Option<(Value, Private)>,
}

impl Run<'_> {
    async fn refresh(&mut self) {
        let Some((prior, private)) = self.now.take() else { return };
        let found = self.ty.read(self.cx, vec![ReadRequest { addr: self.addr.clone(), prior, private }]).await.remove(0).unwrap();
        self.now = match found {
            Observed::Present(v, p) => Some((v, p)),
            Observed::Absent => None,
        };
    }

    /// Refresh and plan: the planned object and the effects; `None` where nothing changes.
    async fn plan(&mut self, config: &Value) -> Option<(Value, Vec<String>)> {
        self.refresh().await;
        let prior = self.now.as_ref().map(|n| n.0.clone());
        let proposed = proposed(self.ty, config, prior.as_ref());
        let out = self.ty.plan(PlanInput { addr: &self.addr, prior: prior.as_ref(), private: &Private::Null, config, proposed });
        assert!(!out.diagnostics.has_errors(), "{:?}", out.diagnostics);
        (prior.as_ref() != Some(&out.planned)).then_some((out.planned, out.effects))
    }

    async fn apply(&mut self, config: &Value) -> Vec<String> {
        let (planned, effects) = self.plan(config).await.expect("something to do");
        let verb = if self.now.is_some() { Verb::Update } else { Verb::Create };
        let result = self.step(verb, Some(planned)).await;
        assert!(result.error.is_none(), "{:?}", result.error);
        let object = result.object.unwrap();
        assert!(object.0.is_wholly_known(), "everything is known after an apply: {}", object.0);
        self.now = Some(object);
        let again = self.plan(config).await;
        assert!(again.is_none(), "the plan after an apply is empty: {again:?}");
        effects
    }

    async fn step(&mut self, verb: Verb, planned: Option<Value>) -> StepResult {
        let (prior, private) = self.now.clone().map_or((None, Private::Null), |(v, p)| (Some(v), p));
        let step = StepRequest { addr: self.addr.clone(), prior, planned, private, timeout: Duration::from_secs(120) };
        self.ty.apply(self.cx, verb, vec![step]).await.remove(0)
    }
}

fn running(run: &Run<'_>) -> Vec<i64> {
    run.now.as_ref().unwrap().0.get("running").unwrap().as_slice().unwrap().iter().filter_map(Value::as_i64).collect()
}

fn pid(dir: &Path, file: &str) -> i32 {
    let text = std::fs::read_to_string(dir.join(file)).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["pid"].as_i64().unwrap() as i32
}

fn alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| !s.contains(") Z "))
}

fn kill(pid: i32) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
    while alive(pid) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn map(pairs: &[(&str, &str)]) -> Value {
    Value::map(Type::String, pairs.iter().map(|(k, v)| (Arc::from(*k), Value::from(*v))).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_lives_and_dies() {
    let dir = tempfile::tempdir().unwrap();
    let cx = session(dir.path());
    let mut run = Run { cx: &cx, ty: &KafkaCluster, addr: addr("kafka_cluster", "events"), now: None };
    let config = Value::object_from([("brokers", Value::from(1))]);
    run.apply(&config).await;
    assert_eq!(running(&run), [1]);
    let folder = dir.path().join(".streamform/local/events");
    let first = pid(&folder, "run/broker-1.json");

    kill(first);
    let (_, effects) = run.plan(&config).await.expect("a dead broker is drift");
    assert_eq!(effects, ["restart broker 1 (not running as configured)"]);
    run.apply(&config).await;
    let second = pid(&folder, "run/broker-1.json");
    assert!(alive(second) && second != first);

    let changed = Value::object_from([("brokers", Value::from(2)), ("config", map(&[("num.partitions", "3")]))]);
    let effects = run.apply(&changed).await;
    assert!(effects.iter().any(|e| e == "start broker 2 (new)"), "{effects:?}");
    assert_eq!(running(&run), [1, 2]);
    assert!(!alive(second), "a changed setting restarts the broker");

    let pids = [pid(&folder, "run/broker-1.json"), pid(&folder, "run/broker-2.json")];
    let gone = run.step(Verb::Delete, None).await;
    assert!(gone.error.is_none() && gone.object.is_none(), "{:?}", gone.error);
    assert!(pids.iter().all(|p| !alive(*p)), "no process stays");
    assert!(!dir.path().join(".streamform/local").exists(), "no file stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_and_a_bad_setting_shows_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let cx = session(dir.path());
    let mut run = Run { cx: &cx, ty: &KafkaCluster, addr: addr("kafka_cluster", "bad"), now: None };
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let listener = Value::object_from([("port", Value::from(i64::from(port))), ("tls", false.into()), ("authentication", "none".into())]);
    let listeners = Value::map(listener.ty(), BTreeMap::from([("plain".into(), listener)]));
    let planned = run.plan(&Value::object_from([("listener", listeners)])).await.unwrap().0;
    let error = run.step(Verb::Create, Some(planned)).await.error.unwrap();
    assert_eq!(error.code, codes::PORT_TAKEN);
    assert!(error.detail.contains(&port.to_string()) && error.detail.contains("PLAIN"), "{}", error.detail);

    let planned = run.plan(&Value::object_from([("config", map(&[("num.io.threads", "many")]))])).await.unwrap().0;
    let error = run.step(Verb::Create, Some(planned)).await.error.unwrap();
    assert_eq!(error.code, codes::PROCESS_DIED);
    assert!(error.detail.contains("num.io.threads"), "{}", error.detail);
    let gone = run.step(Verb::Delete, Some(proposed(&KafkaCluster, &Value::object_from([("name", Value::from("bad"))]), None))).await;
    assert!(gone.error.is_none() && !dir.path().join(".streamform/local").exists());
}

/// An object as other blocks refer to it.
fn referred(run: &Run<'_>) -> Value {
    let attrs = run.now.as_ref().unwrap().0.as_map().unwrap().clone();
    Value::object_of(attrs, Some(Arc::new(run.addr.clone())))
}

fn text(value: &Value, name: &str) -> String {
    value.get_str(name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_reads_secrets_heals_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cx = session(dir.path());
    let mut cluster = Run { cx: &cx, ty: &KafkaCluster, addr: addr("kafka_cluster", "lab"), now: None };
    cluster.apply(&Value::object_from([("brokers", Value::from(1))])).await;
    let mut secret = Run { cx: &cx, ty: &Secret, addr: addr("secret", "creds"), now: None };
    let input = dir.path().join("in.txt");
    std::fs::write(&input, "one\ntwo\n").unwrap();
    let line = format!("path={}", input.display());
    let data = Value::object_from([("data", map(&[("creds.properties", &line)]).sensitive())]);
    secret.apply(&data).await;

    let mut connect = Run { cx: &cx, ty: &KafkaConnect, addr: addr("kafka_connect", "etl"), now: None };
    let mount = Value::object_from([("secret", referred(&secret)), ("path", "/etc/secrets".into())]);
    let config = |settings: &[(&str, &str)]| {
        let mounts = Value::map(Type::Dynamic, BTreeMap::from([("secrets".into(), mount.clone())]));
        Value::object_from([("cluster", referred(&cluster)), ("mount", mounts), ("config", map(settings))])
    };
    connect.apply(&config(&[])).await;
    let now = connect.now.as_ref().unwrap().0.clone();
    assert_eq!(text(&now, "principal"), "User:CN=lab-etl-connect");
    let folder = dir.path().join(".streamform/connect/etl");
    let first = pid(&folder, "run/worker-1.json");

    // A connector without rights of its own reads the secret; the name of its file comes out of it.
    let client = ConnectClient::new(&ConnectConnection::from_value(&now).unwrap(), Arc::default()).unwrap();
    let patience = Patience::quiet(Duration::from_secs(30));
    let placeholder = format!("${{file:{}/creds.properties:path}}", text(&now.get("mounts").unwrap(), "secrets"));
    let settings = [
        ("connector.class", "org.apache.kafka.connect.file.FileStreamSourceConnector"),
        ("topic", "lines"),
        ("file", &placeholder),
        ("tasks.max", "1"),
    ];
    let settings: BTreeMap<String, String> = settings.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    client.put_config("files", &settings, &patience).await.unwrap();
    let task = async {
        loop {
            if let Ok(status) = client.status("files", &patience).await
                && !status.tasks.is_empty()
            {
                break status;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), task).await.expect("the connector has a task");

    kill(first);
    let effects = connect.apply(&config(&[])).await;
    assert_eq!(effects, ["restart worker 1 (not running as configured)"]);
    let second = pid(&folder, "run/worker-1.json");
    let effects = connect.apply(&config(&[("offset.flush.interval.ms", "2000")])).await;
    assert_eq!(effects, ["restart the workers one at a time"]);
    let third = pid(&folder, "run/worker-1.json");
    assert!(!alive(second) && alive(third));

    let gone = connect.step(Verb::Delete, None).await;
    assert!(gone.error.is_none(), "{:?}", gone.error);
    assert!(!alive(third) && !dir.path().join(".streamform/connect").exists());
    let admin = cluster.now.as_ref().unwrap().0.get("admin").unwrap();
    let kafka = cx.pool::<KafkaPool>().admin(&KafkaConnection::from_value(&admin).unwrap().unwrap()).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let topics = kafka.metadata().await.unwrap().topics;
    assert!(!topics.keys().any(|t| t.starts_with("_connect-")), "{:?}", topics.keys());
    assert!(kafka.describe_acls().await.unwrap().is_empty());
    for run in [&mut secret, &mut cluster] {
        assert!(run.step(Verb::Delete, None).await.error.is_none());
    }
    let left: Vec<_> = std::fs::read_dir(dir.path().join(".streamform")).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dedicated_controllers_client_certificates_and_scale_in() {
    let dir = tempfile::tempdir().unwrap();
    let cx = session(dir.path());
    let mut run = Run { cx: &cx, ty: &KafkaCluster, addr: addr("kafka_cluster", "wide"), now: None };
    let listener = Value::object_from([("port", Value::null(Type::Number)), ("tls", true.into()), ("authentication", "mtls".into())]);
    let config = |brokers: i64| {
        Value::object_from([
            ("brokers", Value::from(brokers)),
            ("controllers", Value::from(1)),
            ("listener", Value::map(listener.ty(), BTreeMap::from([("clients".into(), listener.clone())]))),
            ("client_certificates", Value::list(Type::String, vec!["alice".into()])),
        ])
    };
    run.apply(&config(2)).await;
    assert_eq!(running(&run), [1, 2, 1001]);
    let now = run.now.as_ref().unwrap().0.clone();
    let alice = now.get("certificates").unwrap().get("alice").unwrap();
    let connection = KafkaConnection {
        bootstrap_servers: text(&now, "bootstrap_servers").split(',').map(str::to_string).collect(),
        protocol: streamform::target::kafka::SecurityProtocol::Ssl,
        ca_file: Some(text(&now, "ca_file").into()),
        certificate_file: Some(text(&alice, "certificate_file").into()),
        key_file: Some(text(&alice, "key_file").into()),
        ..KafkaConnection::default()
    };
    let kafka = cx.pool::<KafkaPool>().admin(&connection).unwrap();
    assert_eq!(kafka.describe_cluster().await.unwrap().cluster_id, text(&now, "cluster_id"));
    assert!(kafka.describe_acls().await.is_err(), "who has no rights may not read rights");

    let admin = KafkaConnection::from_value(&now.get("admin").unwrap()).unwrap().unwrap();
    let admin = cx.pool::<KafkaPool>().admin(&admin).unwrap();
    let topic = streamform::target::kafka::NewTopic {
        name: "t".into(),
        partitions: -1,
        replication: -1,
        assignments: Some(vec![vec![2]]),
        ..Default::default()
    };
    admin.create_topics(&[topic], false).await.unwrap().remove(0).unwrap();
    let planned = run.plan(&config(1)).await.unwrap().0;
    let refused = run.step(Verb::Update, Some(planned)).await;
    assert_eq!(refused.error.unwrap().code, codes::SCALE_IN);
    run.refresh().await;
    assert_eq!(running(&run), [1, 2, 1001], "a refusal restarts nobody");
    admin.delete_topics(&["t".to_string()]).await.unwrap().remove(0).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    run.apply(&config(1)).await;
    assert_eq!(running(&run), [1, 1001]);
    assert!(run.step(Verb::Delete, None).await.error.is_none());
    assert!(!dir.path().join(".streamform/local").exists());
}
