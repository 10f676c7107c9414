//! The local engine on real Kafka: start, kill, heal, roll, destroy. Jars come through Maven into the usual cache.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use streamform::addr::{InstanceAddr, Mode, ResourceAddr};
use streamform::client::connect::{ConnectClient, ConnectConnection, Patience};
use streamform::client::kafka::{KafkaConnection, KafkaPool};
use streamform::diag::codes::engine as codes;
use streamform::resource::kafka_cluster::KafkaCluster;
use streamform::resource::kafka_connect::KafkaConnect;
use streamform::resource::kafka_connector::KafkaConnector;
use streamform::resource::secret::Secret;
use streamform::resource::{
    Gathered, Key, Observed, Op, OpAction, Place, PlanInput, Private, Progress, ReadRequest, ResourceType, Session, StepRequest,
    StepResult, Verb,
};
use streamform::schema::{AttrType, Set};
use streamform::value::{Type, Value};

struct Quiet;
impl Progress for Quiet {
    fn note(&self, addr: &InstanceAddr, text: &str) {
        eprintln!("{addr}: {text}");
    }
}

/// A folder whose processes end with the test, however it ends.
struct Lab(tempfile::TempDir);

impl Lab {
    fn new() -> Lab {
        Lab(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let entries = |dir: std::path::PathBuf| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
        let clusters = ["local", "connect"].into_iter().flat_map(|kind| entries(self.path().join(".streamform").join(kind)));
        for file in clusters.flat_map(|cluster| entries(cluster.join("run"))) {
            let known = std::fs::read_to_string(file).ok().and_then(|t| serde_json::from_str::<serde_json::Value>(&t).ok());
            if let Some(pid) = known.and_then(|k| k["pid"].as_i64()).filter(|pid| alive(*pid as i32)) {
                kill(pid as i32);
            }
        }
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
        attrs.insert(b.name.into(), config.get(b.name).unwrap_or_else(|| Value::map(Type::Dynamic, streamform::value::Fields::new())));
    }
    Value::object(attrs.into())
}

struct Run<'a> {
    cx: &'a Session,
    ty: &'a dyn ResourceType,
    addr: InstanceAddr,
    now: Option<(Value, Private)>,
    /// What the last plan decided.
    ops: Vec<Op>,
}

impl Run<'_> {
    async fn refresh(&mut self) {
        let Some((prior, private)) = self.now.take() else { return };
        let found = self.ty.read(self.cx, vec![ReadRequest::new(self.addr.clone(), prior, private)]).await.remove(0).unwrap();
        self.now = match found {
            Observed::Present(v, p, _) => Some((v, p)),
            Observed::Absent => None,
        };
    }

    /// Refresh and plan: the planned object and the effects; `None` where nothing changes.
    async fn plan(&mut self, config: &Value) -> Option<(Value, Vec<String>)> {
        self.refresh().await;
        let prior = self.now.as_ref().map(|n| n.0.clone());
        let proposed = proposed(self.ty, config, prior.as_ref());
        let private = self.now.as_ref().map_or(Private::Null, |n| n.1.clone());
        let out = self.ty.plan(PlanInput::new(&self.addr, prior.as_ref(), &private, config, proposed));
        assert!(!out.diagnostics.has_errors(), "{:?}", out.diagnostics);
        let nothing = prior.as_ref() == Some(&out.planned) && out.ops.is_empty();
        self.ops = out.ops;
        (!nothing).then(|| (out.planned, streamform::resource::lines(&self.ops)))
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
        let ops = match (verb, prior.as_ref().or(planned.as_ref())) {
            (Verb::Delete, Some(object)) => self.ty.plan_delete(object, &private),
            _ => self.ops.clone(),
        };
        let step = StepRequest {
            addr: self.addr.clone(),
            prior,
            planned,
            private,
            timeout: Duration::from_secs(120),
            begun: false,
            replaces: None,
            ops,
        };
        Gathered::apply(self.ty, self.cx, verb, vec![step]).await.remove(0)
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
    let dir = Lab::new();
    let cx = session(dir.path());
    let mut run = Run { cx: &cx, ty: &KafkaCluster, addr: addr("kafka_cluster", "events"), now: None, ops: vec![] };
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
    let dir = Lab::new();
    let cx = session(dir.path());
    let mut run = Run { cx: &cx, ty: &KafkaCluster, addr: addr("kafka_cluster", "bad"), now: None, ops: vec![] };
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let listener = Value::object_from([("port", Value::from(i64::from(port))), ("tls", false.into()), ("authentication", "none".into())]);
    let listeners = Value::map(listener.ty(), streamform::value::Fields::from([("plain".into(), listener)]));
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

/// P6: whoever knows all settings of a worker but a password cannot try passwords on its digests, and those that earlier versions recorded
/// without a key are sealed by a read, for which nothing is restarted.
async fn no_guess_finds_a_worker_s_digest(connect: &mut Run<'_>, config: &Value, folder: &Path) {
    let settings = std::fs::read_to_string(folder.join("conf/worker-1.properties")).unwrap();
    let line = std::fs::read(format!("/proc/{}/cmdline", pid(folder, "run/worker-1.json"))).unwrap();
    let line: Vec<String> = line.split(|b| *b == 0).map(|b| String::from_utf8_lossy(b).into_owned()).collect();
    let libs = line[line.iter().position(|a| a == "-cp").unwrap() + 1].trim_end_matches("/*").to_string();
    let guess = streamform::disk::private::digest([settings.as_str(), "-Xms64M -Xmx384M", &libs, ""]);
    let files = ["connect.json", "run/worker-1.json"].map(|f| folder.join(f));
    let recorded = connect.now.as_ref().unwrap().1["workers"][0]["fingerprint"].as_str().unwrap().to_string();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains(&recorded) && !text.contains(&guess), "{text}");
        std::fs::write(file, text.replace(&recorded, &guess)).unwrap();
    }
    assert!(connect.plan(config).await.is_none(), "nothing is restarted");
    let private = &connect.now.as_ref().unwrap().1;
    assert_eq!(private["workers"][0]["fingerprint"].as_str(), Some(recorded.as_str()), "the read sealed it");
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_reads_secrets_heals_and_leaves_nothing() {
    let dir = Lab::new();
    let cx = session(dir.path());
    let mut cluster = Run { cx: &cx, ty: &KafkaCluster, addr: addr("kafka_cluster", "lab"), now: None, ops: vec![] };
    cluster.apply(&Value::object_from([("brokers", Value::from(1))])).await;
    let mut secret = Run { cx: &cx, ty: &Secret, addr: addr("secret", "creds"), now: None, ops: vec![] };
    let input = dir.path().join("in.txt");
    std::fs::write(&input, "one\ntwo\n").unwrap();
    let line = format!("path={}", input.display());
    let data = Value::object_from([("data", map(&[("creds.properties", &line)]).sensitive())]);
    secret.apply(&data).await;

    let mut connect = Run { cx: &cx, ty: &KafkaConnect, addr: addr("kafka_connect", "etl"), now: None, ops: vec![] };
    let mount = Value::object_from([("secret", referred(&secret)), ("path", "/etc/secrets".into())]);
    let config = |settings: &[(&str, &str)]| {
        let mounts = Value::map(Type::Dynamic, streamform::value::Fields::from([("secrets".into(), mount.clone())]));
        Value::object_from([("cluster", referred(&cluster)), ("mount", mounts), ("config", map(settings))])
    };
    // Topics that were there already must be fit for workers.
    let kafka = admin(&cx, &cluster);
    let odd = |partitions, policy: &str| streamform::client::kafka::NewTopic {
        name: "_connect-etl-configs".into(),
        partitions,
        config: BTreeMap::from([("cleanup.policy".into(), policy.into())]),
        ..topic("", 1)
    };
    for (odd, why) in [(odd(2, "compact"), "it has 2 partitions"), (odd(1, "delete"), "its cleanup.policy is \"delete\"")] {
        kafka.create_topics(&[odd], false).await.unwrap().remove(0).unwrap();
        let planned = connect.plan(&config(&[])).await.unwrap().0;
        let error = connect.step(Verb::Create, Some(planned)).await.error.unwrap();
        assert!(error.code == codes::CONNECT_TOPIC && error.detail.contains(why), "{error:?}");
        kafka.delete_topics(&["_connect-etl-configs".to_string()]).await.unwrap().remove(0).unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
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

    no_guess_finds_a_worker_s_digest(&mut connect, &config(&[]), &folder).await;

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
    let dir = Lab::new();
    let cx = session(dir.path());
    let mut run = Run { cx: &cx, ty: &KafkaCluster, addr: addr("kafka_cluster", "wide"), now: None, ops: vec![] };
    let listener = Value::object_from([("port", Value::null(Type::Number)), ("tls", true.into()), ("authentication", "mtls".into())]);
    let config = |brokers: i64| {
        Value::object_from([
            ("brokers", Value::from(brokers)),
            ("controllers", Value::from(3)),
            ("listener", Value::map(listener.ty(), streamform::value::Fields::from([("clients".into(), listener.clone())]))),
            ("client_certificates", Value::list(Type::String, vec!["alice".into()])),
        ])
    };
    run.apply(&config(2)).await;
    assert_eq!(running(&run), [1, 2, 1001, 1002, 1003]);
    let now = run.now.as_ref().unwrap().0.clone();
    let alice = now.get("certificates").unwrap().get("alice").unwrap();
    let connection = KafkaConnection {
        bootstrap_servers: text(&now, "bootstrap_servers").split(',').map(str::to_string).collect(),
        protocol: streamform::client::kafka::SecurityProtocol::Ssl,
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
    let topic = streamform::client::kafka::NewTopic {
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
    assert_eq!(running(&run), [1, 2, 1001, 1002, 1003], "a refusal restarts nobody");
    admin.delete_topics(&["t".to_string()]).await.unwrap().remove(0).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    run.apply(&config(1)).await;
    assert_eq!(running(&run), [1, 1001, 1002, 1003]);
    assert!(run.step(Verb::Delete, None).await.error.is_none());
    assert!(!dir.path().join(".streamform/local").exists());
}

fn admin(cx: &Session, run: &Run<'_>) -> Arc<streamform::client::kafka::Admin> {
    let admin = run.now.as_ref().unwrap().0.get("admin").unwrap();
    cx.pool::<KafkaPool>().admin(&KafkaConnection::from_value(&admin).unwrap().unwrap()).unwrap()
}

fn topic(name: &str, replication: i16) -> streamform::client::kafka::NewTopic {
    streamform::client::kafka::NewTopic { name: name.into(), partitions: 3, replication, ..Default::default() }
}

/// Looks at the processes of a folder until it is told to end; the fewest that lived at one moment.
struct Watch {
    stop: Arc<std::sync::atomic::AtomicBool>,
    seen: std::thread::JoinHandle<usize>,
}

impl Watch {
    fn over(folder: &Path, files: &[&str]) -> Watch {
        let files: Vec<_> = files.iter().map(|f| folder.join(f)).collect();
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let ended = Arc::clone(&stop);
        let living = move || {
            let pid = |f: &std::path::PathBuf| {
                let known: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(f).ok()?).ok()?;
                known["pid"].as_i64().filter(|pid| alive(*pid as i32))
            };
            files.iter().filter_map(pid).count()
        };
        let seen = std::thread::spawn(move || {
            let mut fewest = usize::MAX;
            while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                fewest = fewest.min(living());
                std::thread::sleep(Duration::from_millis(20));
            }
            fewest
        });
        Watch { stop, seen }
    }

    fn fewest(self) -> usize {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        self.seen.join().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_broker_becomes_three() {
    let dir = Lab::new();
    let cx = session(dir.path());
    let mut run = Run { cx: &cx, ty: &KafkaCluster, addr: addr("kafka_cluster", "grows"), now: None, ops: vec![] };
    let sized = |n: i64, settings: &[(&str, &str)]| Value::object_from([("brokers", Value::from(n)), ("config", map(settings))]);
    run.apply(&sized(1, &[])).await;
    admin(&cx, &run).create_topics(&[topic("early", 1)], false).await.unwrap().remove(0).unwrap();
    let effects = run.apply(&sized(3, &[])).await;
    // Replication factors and timers follow from the size, so that the first one is restarted too.
    let roll = "restart the nodes one at a time, while all partitions are in sync";
    assert_eq!(effects, ["start broker 2 (new)", "start broker 3 (new)", roll]);
    assert_eq!(running(&run), [1, 2, 3]);
    admin(&cx, &run).create_topics(&[topic("late", 3)], false).await.unwrap().remove(0).unwrap();

    let deadline = Instant::now() + Duration::from_secs(20);
    let mut topics = admin(&cx, &run).metadata().await.unwrap().topics;
    // The broker that is asked may not have heard of it yet.
    while !topics.contains_key("late") && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
        topics = admin(&cx, &run).metadata().await.unwrap().topics;
    }
    assert!(topics.contains_key("early") && topics["late"].partitions.iter().all(|p| !p.under_replicated()), "{topics:?}");
    assert!(run.step(Verb::Delete, None).await.error.is_none());
}

/// What Kafka's own tool says of a cluster's metadata version.
fn features(folder: &Path) -> String {
    let settings = std::fs::read_to_string(folder.join("conf/broker-1.properties")).unwrap();
    let line = settings.lines().find_map(|l| l.strip_prefix("advertised.listeners=")).unwrap().replace("\\:", ":");
    let servers = line.split(',').find_map(|l| l.strip_prefix("STREAMFORM://")).unwrap().to_string();
    let pki = folder.join("pki");
    let pairs = [
        ("security.protocol", "SSL".to_string()),
        ("ssl.keystore.type", "PEM".into()),
        ("ssl.keystore.location", pki.join("admin.pem").display().to_string()),
        ("ssl.truststore.type", "PEM".into()),
        ("ssl.truststore.location", pki.join("ca.crt").display().to_string()),
    ];
    let file = folder.join("describe.properties");
    std::fs::write(&file, pairs.map(|(k, v)| format!("{k}={v}\n")).concat()).unwrap();
    let line = std::fs::read(format!("/proc/{}/cmdline", pid(folder, "run/broker-1.json"))).unwrap();
    let args: Vec<String> = line.split(|b| *b == 0).map(|b| String::from_utf8_lossy(b).into_owned()).collect();
    let jars = &args[args.iter().position(|a| a == "-cp").unwrap() + 1];
    let mut command = std::process::Command::new(&args[0]);
    command.args(["-cp", jars, "org.apache.kafka.tools.FeatureCommand", "--bootstrap-server", &servers, "--command-config"]);
    let output = command.arg(&file).arg("describe").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.lines().find(|l| l.contains("metadata.version")).map(str::to_string);
    found.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test(flavor = "multi_thread")]
async fn three_brokers_are_upgraded_one_at_a_time_and_a_dead_one_is_healed() {
    let dir = Lab::new();
    let cx = session(dir.path());
    let mut run = Run { cx: &cx, ty: &KafkaCluster, addr: addr("kafka_cluster", "ages"), now: None, ops: vec![] };
    let at = |version: &str| Value::object_from([("brokers", Value::from(3)), ("version", version.into())]);
    run.apply(&at("4.2.0")).await;
    admin(&cx, &run).create_topics(&[topic("kept", 3)], false).await.unwrap().remove(0).unwrap();
    let folder = dir.path().join(".streamform/local/ages");
    let files = ["run/broker-1.json", "run/broker-2.json", "run/broker-3.json"];
    let before = files.map(|f| pid(&folder, f));
    let watch = Watch::over(&folder, &files);
    assert!(features(&folder).contains("FinalizedVersionLevel: 4.2-"), "{}", features(&folder));
    let effects = run.apply(&at("4.3.1")).await;
    assert!(effects.contains(&"raise the metadata version to that of Kafka 4.3, for good".to_string()), "{effects:?}");
    assert!(features(&folder).contains("FinalizedVersionLevel: 4.3-"), "{}", features(&folder));
    assert_eq!(watch.fewest(), 2, "one at a time");
    assert!(before.iter().all(|p| !alive(*p)), "each was restarted");
    let line = std::fs::read_to_string(format!("/proc/{}/cmdline", pid(&folder, "run/broker-3.json"))).unwrap();
    assert!(line.contains("kafka/4.3.1"), "{line}");
    let topics = admin(&cx, &run).metadata().await.unwrap().topics;
    assert!(topics["kept"].partitions.iter().all(|p| !p.under_replicated()), "{topics:?}");
    // While a broker hangs, so that partitions are not in sync, no other one is restarted.
    let (first, third) = (pid(&folder, files[0]), pid(&folder, files[2]));
    let send = |signal| rustix::process::kill_process(rustix::process::Pid::from_raw(third).unwrap(), signal).unwrap();
    let rolled = Value::object_from([("brokers", Value::from(3)), ("config", map(&[("num.io.threads", "3")]))]);
    let planned = run.plan(&rolled).await.unwrap().0;
    send(rustix::process::Signal::STOP);
    tokio::time::sleep(Duration::from_secs(9)).await;
    let (prior, private) = run.now.clone().unwrap();
    let step = StepRequest {
        addr: run.addr.clone(),
        prior: Some(prior),
        planned: Some(planned),
        private,
        timeout: Duration::from_secs(4),
        begun: false,
        replaces: None,
        ops: run.ops.clone(),
    };
    let refused = Gathered::apply(&KafkaCluster, &cx, Verb::Update, vec![step]).await.remove(0).error.unwrap();
    send(rustix::process::Signal::CONT);
    assert_eq!(refused.code, codes::UNDER_REPLICATED, "{refused:?}");
    assert!(alive(first), "nobody was restarted");

    kill(pid(&folder, files[1]));
    let effects = run.apply(&at("4.3.1")).await;
    let effects: Vec<_> = effects.iter().filter(|e| e.contains("broker 2")).collect();
    assert_eq!(effects, ["restart broker 2 (not running as configured)"]);
    assert_eq!(running(&run), [1, 2, 3]);
    let proposed = proposed(&KafkaCluster, &at("4.2.0"), run.now.as_ref().map(|n| &n.0));
    let older = at("4.2.0");
    let input = PlanInput::new(&run.addr, run.now.as_ref().map(|n| &n.0), &Private::Null, &older, proposed);
    assert_eq!(KafkaCluster.plan(input).diagnostics.iter().next().unwrap().code, codes::DOWNGRADE);
    assert!(run.step(Verb::Delete, None).await.error.is_none());
}

/// One Ctrl-C ends a roll behind the broker that is in hand; the next apply goes on with the others.
#[test]
fn an_interrupt_ends_a_roll_behind_the_broker_in_hand() {
    use std::io::BufRead;
    let dir = Lab::new();
    let config = |threads: u32| {
        let text =
            format!("resource \"kafka_cluster\" \"rolls\" {{\n  brokers = 3\n  config  = {{ \"num.io.threads\" = \"{threads}\" }}\n}}\n");
        std::fs::write(dir.path().join("main.hcl"), text).unwrap();
    };
    config(2);
    let (code, text) = streamform(dir.path(), &["apply", "-auto-approve"], &[]);
    assert_eq!(code, Some(0), "{text}");
    let folder = dir.path().join(".streamform/local/rolls");
    let pids = || ["run/broker-1.json", "run/broker-2.json", "run/broker-3.json"].map(|f| pid(&folder, f));
    let before = pids();
    config(3);
    let mut child = command(dir.path(), &["apply", "-auto-approve"], &[])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut screen = String::new();
    for line in std::io::BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.contains("restarting broker 1") {
            let id = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        }
        screen.push_str(&line);
        screen.push('\n');
    }
    let output = child.wait_with_output().unwrap();
    screen.push_str(&String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{screen}");
    assert!(screen.contains("it stopped after broker 1 (1 of 3)") && !screen.contains("restarting broker 2"), "{screen}");
    let between = pids();
    assert!(between[0] != before[0] && between[1..] == before[1..], "{screen}");
    assert!(between.iter().all(|p| alive(*p)), "the cluster is left whole");

    let (code, text) = streamform(dir.path(), &["apply", "-auto-approve"], &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        !text.contains("restarting broker 1") && text.contains("restarting broker 2") && text.contains("restarting broker 3"),
        "{text}"
    );
    let after = pids();
    assert!(after[0] == between[0] && after[1] != between[1] && after[2] != between[2], "{text}");
    let (code, text) = streamform(dir.path(), &["plan", "-detailed-exitcode"], &[]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = streamform(dir.path(), &["destroy", "-auto-approve", "-allow-data-loss"], &[]);
    assert_eq!(code, Some(0), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_with_plugins_are_one_group_that_shrinks_and_grows() {
    let dir = Lab::new();
    let cx = session(dir.path());
    let mut cluster = Run { cx: &cx, ty: &KafkaCluster, addr: addr("kafka_cluster", "lab"), now: None, ops: vec![] };
    cluster.apply(&Value::object_from([("brokers", Value::from(1))])).await;
    let mut connect = Run { cx: &cx, ty: &KafkaConnect, addr: addr("kafka_connect", "wide"), now: None, ops: vec![] };
    let folder_of_jars = dir.path().join("own-plugin");
    std::fs::create_dir(&folder_of_jars).unwrap();
    let debezium = "io.debezium:debezium-connector-postgres:3.0.0.Final";
    let plugins = ["org.apache.kafka:connect-mirror:4.3.1", debezium, "own-plugin"];
    let plugins = Value::list(Type::String, plugins.map(Value::from).to_vec());
    let config = |workers: i64, settings: &[(&str, &str)]| {
        let parts =
            [("cluster", referred(&cluster)), ("min_replicas", workers.into()), ("plugins", plugins.clone()), ("config", map(settings))];
        Value::object_from(parts)
    };
    connect.apply(&config(2, &[])).await;
    let folder = dir.path().join(".streamform/connect/wide");
    let files = ["run/worker-1.json", "run/worker-2.json"];
    let line = std::fs::read_to_string(folder.join("conf/worker-1.properties")).unwrap();
    let path = line.lines().find_map(|l| l.strip_prefix("plugin.path=")).unwrap();
    assert!(path.ends_with("own-plugin"), "{path}");

    // Both workers answer, and each sees the connectors of the group.
    let patience = Patience::quiet(Duration::from_secs(30));
    let client =
        |run: &Run<'_>| ConnectClient::new(&ConnectConnection::from_value(&run.now.as_ref().unwrap().0).unwrap(), Arc::default()).unwrap();
    let heartbeats: BTreeMap<String, String> = [
        ("connector.class", "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector"),
        ("source.cluster.alias", "a"),
        ("target.cluster.alias", "b"),
        ("emit.heartbeats.enabled", "false"),
        ("tasks.max", "1"),
    ]
    .iter()
    .map(|(k, v)| (k.to_string(), v.to_string()))
    .collect();
    let classes = client(&connect).plugins(&patience).await.unwrap();
    // The second one is many jars that need each other.
    for class in ["MirrorHeartbeatConnector", "PostgresConnector"] {
        assert!(classes.iter().any(|p| p.class.ends_with(class)), "{class} is not among {classes:?}");
    }
    client(&connect).put_config("beat", &heartbeats, &patience).await.unwrap();

    // A password by Connect's own account, under a name that does not say so.
    let literal = map(&[("source.cluster.alias", "a"), ("target.cluster.alias", "b"), ("ssl.keystore.key", "s3cr3t")]);
    let parts = [("connect", referred(&connect)), ("name", "m".into()), ("class", "MirrorHeartbeatConnector".into()), ("config", literal)];
    let step = StepRequest {
        addr: addr("kafka_connector", "m"),
        prior: None,
        planned: Some(Value::object_from(parts)),
        private: Private::Null,
        timeout: Duration::from_secs(30),
        begun: false,
        replaces: None,
        ops: vec![Op::new(OpAction::Create, Key::new(Place::here(), "connector", "m"))],
    };
    // Where the plan could not ask Connect, as when both are made in one run, the apply does before it journals the step.
    let fresh = session(dir.path());
    let error = KafkaConnector.vet(&fresh, std::slice::from_ref(&step)).await.remove(0).unwrap();
    assert_eq!(error.code, streamform::diag::codes::connect::PLAIN_SECRET);
    assert!(!format!("{error:?}").contains("s3cr3t"));
    let found = KafkaConnector.probe(&cx, vec![step]).await.remove(0);
    assert!(found.iter().any(|d| d.code == streamform::diag::codes::connect::PLAIN_SECRET), "{found:?}");
    assert!(!format!("{found:?}").contains("s3cr3t"));

    kill(pid(&folder, files[0]));
    connect.refresh().await;
    assert_eq!(running(&connect), [2]);
    assert!(client(&connect).find("beat", &patience).await.unwrap().is_some(), "the worker that lives is the one that is asked");
    let effects = connect.apply(&config(2, &[])).await;
    assert_eq!(effects, ["restart worker 1 (not running as configured)"]);

    let before = files.map(|f| pid(&folder, f));
    let watch = Watch::over(&folder, &files);
    connect.apply(&config(2, &[("offset.flush.interval.ms", "3000")])).await;
    assert_eq!(watch.fewest(), 1, "one at a time");
    assert!(before.iter().all(|p| !alive(*p)));
    let second = pid(&folder, files[1]);
    assert_eq!(connect.apply(&config(1, &[("offset.flush.interval.ms", "3000")])).await, ["stop worker 2"]);
    assert!(!alive(second) && !folder.join("conf/worker-2.properties").exists());
    assert!(client(&connect).find("beat", &patience).await.unwrap().is_some());
    for run in [&mut connect, &mut cluster] {
        assert!(run.step(Verb::Delete, None).await.error.is_none());
    }
}

/// Runs the program in a folder: whether it ended well, and all that it said.
fn command(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_streamform"));
    command.current_dir(dir).args(args).env("NO_COLOR", "1").env_remove("KAFKA_HOME").envs(env.iter().copied());
    command
}

fn streamform(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = command(dir, args, env).output().unwrap();
    (output.status.code(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn what_this_machine_lacks_is_found_when_planning() {
    let dir = Lab::new();
    let main = |version: &str, plugins: &str| {
        let text = format!(
            "resource \"kafka_cluster\" \"c\" {{\n  version = \"{version}\"\n}}\nresource \"kafka_connect\" \"w\" {{\n  \
             cluster = kafka_cluster.c\n  plugins = {plugins}\n}}\n"
        );
        std::fs::write(dir.path().join("main.hcl"), text).unwrap();
    };
    let fails = |env: &[(&str, &str)], words: &[&str]| {
        let (code, said) = streamform(dir.path(), &["plan"], env);
        // Long lines are wrapped.
        let flat = said.replace('\u{2502}', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(code, Some(1), "{said}");
        assert!(words.iter().all(|w| flat.contains(w)), "{words:?} in {said}");
    };
    main("4.3.1", "[]");
    fails(&[("JAVA_HOME", "/nowhere")], &["SF8001", "apt-get install openjdk-17"]);
    let bin = dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let java = std::env::split_paths(&std::env::var_os("PATH").unwrap()).map(|d| d.join("java")).find(|j| j.is_file()).unwrap();
    std::os::unix::fs::symlink(java, bin.join("java")).unwrap();
    let (bin, empty) = (bin.to_str().unwrap(), dir.path().join("cache"));
    fails(&[("PATH", bin), ("STREAMFORM_CACHE", empty.to_str().unwrap())], &["SF8003", "apt-get install maven"]);
    main("4.3.1", "[\"org.nowhere:nothing:1.0\"]");
    fails(&[], &["SF8004", "main.hcl line 6", "org.nowhere:nothing", "Could not"]);
    main("4.3.1", "[\"plugs\"]");
    fails(&[], &["SF8012", "There is no plugin at"]);

    // A distribution made of the cached jars.
    main("4.3.1", "[]");
    let home = dir.path().join("kafka");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::symlink(streamform::engine::local::jars::cache_dir().join("kafka/4.3.1"), home.join("libs")).unwrap();
    let home = [("KAFKA_HOME", home.to_str().unwrap()), ("PATH", bin), ("STREAMFORM_CACHE", empty.to_str().unwrap())];
    let settled = |args: &[&str], words: &str| {
        let (code, said) = streamform(dir.path(), args, &home);
        assert!(code == Some(0) && said.contains(words), "{said}");
    };
    settled(&["apply", "-auto-approve"], "Apply complete! Resources: 2 added");
    settled(&["plan", "-detailed-exitcode"], "No changes");
    settled(&["destroy", "-auto-approve", "-allow-data-loss"], "Destroy complete! Resources: 2 destroyed");
    main("4.2.0", "[]");
    fails(&home, &["SF8014", "which holds Kafka 4.3.1, not 4.2.0"]);
}

/// The state's files hold no such text.
fn nowhere_in(dir: &Path, text: &str) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => nowhere_in(&path, text),
            path => {
                let bytes = std::fs::read(&path).unwrap();
                assert!(!bytes.windows(text.len()).any(|w| w == text.as_bytes()), "{text} in {}", path.display());
            }
        }
    }
}

const SAMPLE: &str = r#"
streamform {
  required_version = ">= 0.1"
  backend "local" { path = "state" }
}

resource "kafka_cluster" "events" {
  engine  = "local"
  version = "4.3.1"
  brokers = 1
  listener "internal" {
    tls            = true
    authentication = "mtls"
  }
  super_users         = ["User:CN=admin"]
  config              = { "auto.create.topics.enable" = false }
  deletion_protection = false
}

resource "kafka_topic" "orders" {
  cluster             = kafka_cluster.events
  name                = "example-topic"
  partitions          = 1
  config              = { "retention.ms" = 7 * 24 * 3600 * 1000 }
  deletion_protection = false
}

resource "secret" "aws" {
  name = "aws-s3-creds"
  data = { "aws-s3-creds.properties" = file("aws-s3-creds.properties") }
}

resource "kafka_connect" "etl" {
  cluster      = kafka_cluster.events
  min_replicas = 1
  max_replicas = 5
  group_id     = "archive"
  internal_topics {
    config = "archive-configs"
  }
  config = {
    "value.converter"          = "org.apache.kafka.connect.storage.StringConverter"
    "offset.flush.interval.ms" = "$${file:/etc/worker/w.properties:flush}"
  }
  mount "secrets" {
    secret = secret.aws
    path   = "/etc/secrets"
  }
  mount "own" {
    secret = secret.worker
    path   = "/etc/worker"
  }
}

resource "secret" "worker" {
  data = { "w.properties" = file("w.properties") }
}

resource "kafka_connector" "source" {
  connect = kafka_connect.etl
  class   = "FileStreamSource"
  config = {
    "topic" = kafka_topic.orders.name
    "file"  = "$${file:/etc/secrets/aws-s3-creds.properties:input}"
  }
  depends_on = [kafka_acl.sink]
}

resource "kafka_connector" "sink" {
  connect   = kafka_connect.etl
  class     = "FileStreamSink"
  tasks_max = 6
  config = {
    "topics"         = kafka_topic.orders.name
    "file"           = "$${file:/etc/secrets/aws-s3-creds.properties:output}"
    "extra.password" = "CANARY-literal"
  }
  depends_on = [kafka_acl.sink]
}

resource "kafka_acl" "sink" {
  cluster   = kafka_cluster.events
  principal = kafka_connect.etl.principal
  role "producer" { topic = kafka_topic.orders.name }
  role "consumer" { topic = kafka_topic.orders.name }
  role "consumer" {
    group   = "connect-"
    pattern = "prefixed"
  }
}
"#;

#[test]
fn the_sample_carries_records_named_by_a_mounted_secret_and_stores_no_password() {
    let dir = Lab::new();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("main.hcl"), SAMPLE).unwrap();
    std::fs::write(at("in.txt"), "one\ntwo\n").unwrap();
    let creds = format!("input={}\noutput={}\n", at("in.txt").display(), at("out.txt").display());
    std::fs::write(at("aws-s3-creds.properties"), creds).unwrap();
    std::fs::write(at("w.properties"), "flush=7001\n").unwrap();
    let good = |args: &[&str]| {
        let (code, said) = streamform(dir.path(), args, &[]);
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains("CANARY"), "{said}");
        said
    };
    // Where Connect is new only Connect itself tells that a setting is a password: it is refused then, and nothing of it is ever stored.
    let refused = r#"
resource "kafka_connector" "refused" {
  connect = kafka_connect.etl
  class   = "FileStreamSink"
  config = {
    "topics" = kafka_topic.orders.name
    "file"   = "/dev/null"
    "consumer.override.ssl.truststore.certificates" = "CANARY-refused"
  }
}

resource "kafka_connector" "wrong" {
  connect = kafka_connect.etl
  class   = "FileStreamSink"
  config = {
    "topics"           = kafka_topic.orders.name
    "file"             = "/dev/null"
    "errors.tolerance" = "MARK-of-the-wrong-one"
  }
}
"#;
    std::fs::write(at("refused.hcl"), refused).unwrap();
    let (code, said) = streamform(dir.path(), &["apply", "-auto-approve"], &[]);
    assert!(code == Some(1) && said.contains("SF7019") && said.contains("kafka_connector.refused"), "{said}");
    assert!(said.contains("kafka_connector.wrong") && said.contains("errors.tolerance"), "{said}");
    nowhere_in(&at("state"), "CANARY");
    nowhere_in(&at("state"), "MARK-of-the-wrong-one");
    assert!(!good(&["state", "export"]).contains("kafka_connector.refused"));
    std::fs::remove_file(at("refused.hcl")).unwrap();
    assert!(said.contains("(sensitive value)"), "{said}");
    good(&["apply", "-auto-approve"]);
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while std::fs::read_to_string(at("out.txt")).unwrap_or_default().lines().count() < 2 {
        assert!(std::time::Instant::now() < end, "no records");
        std::thread::sleep(Duration::from_millis(100));
    }
    good(&["plan", "-detailed-exitcode"]);
    let shown = good(&["state", "show", "kafka_connector.sink"]);
    assert!(shown.contains("/etc/secrets/aws-s3-creds.properties"), "{shown}");
    nowhere_in(&at("state"), "CANARY");

    // A rotated secret reaches the connectors that use it, and only their tasks are restarted.
    let worker = pid(&at(".streamform"), "connect/etl/run/worker-1.json");
    let creds = format!("input={}\noutput={}\n", at("in.txt").display(), at("other.txt").display());
    std::fs::write(at("aws-s3-creds.properties"), creds).unwrap();
    let (code, said) = streamform(dir.path(), &["plan", "-detailed-exitcode"], &[]);
    assert_eq!((code, said.matches("restart tasks (secret.aws changed)").count()), (Some(2), 2), "{said}");
    good(&["apply", "-auto-approve"]);
    good(&["plan", "-detailed-exitcode"]);
    std::fs::write(at("in.txt"), "one\ntwo\nthree\n").unwrap();
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while !std::fs::read_to_string(at("other.txt")).unwrap_or_default().contains("three") {
        assert!(std::time::Instant::now() < end, "the sink does not write to the new file");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(alive(worker), "no worker was restarted");

    // H4: a worker resolves its own placeholders when it starts, so that a rotated secret rolls it, also past a kill in the middle.
    let log = || std::fs::read_to_string(at(".streamform/connect/etl/logs/worker-1.log")).unwrap();
    assert!(log().contains("offset.flush.interval.ms = 7001"));
    std::fs::write(at("w.properties"), "flush=7002\n").unwrap();
    let (code, said) = streamform(dir.path(), &["plan", "-detailed-exitcode"], &[]);
    let roll = "restart the workers one at a time (secret.worker changed)";
    assert!(code == Some(2) && said.contains(roll) && !said.contains("restart tasks"), "{said}");
    let mut killed = command(dir.path(), &["apply", "-auto-approve"], &[]).spawn().unwrap();
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while alive(worker) {
        assert!(std::time::Instant::now() < end, "the worker is not restarted");
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    good(&["apply", "-auto-approve"]);
    good(&["plan", "-detailed-exitcode"]);
    assert!(log().contains("offset.flush.interval.ms = 7002"));

    // The group and topics are the ones that were named; another group would not find connectors and offsets again.
    let shown = good(&["state", "show", "kafka_connect.etl"]);
    for line in ["= \"archive\"", "= \"archive-configs\"", "= \"_connect-etl-offsets\""] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    assert!(std::fs::read_to_string(at(".streamform/connect/etl/conf/worker-1.properties")).unwrap().contains("group.id=archive\n"));
    std::fs::write(at("main.hcl"), SAMPLE.replace("  group_id     = \"archive\"\n", "")).unwrap();
    let (_, said) = streamform(dir.path(), &["plan"], &[]);
    assert!(said.contains("kafka_connect.etl must be replaced"), "{said}");
    std::fs::write(at("main.hcl"), SAMPLE).unwrap();

    // Everything dead at once: the plan says what heals it, and the apply does.
    for file in ["connect/etl/run/worker-1.json", "local/events/run/broker-1.json"] {
        kill(pid(&at(".streamform"), file));
    }
    let said = good(&["apply", "-auto-approve"]);
    assert!(said.contains("restart broker 1") && said.contains("restart worker 1") && said.contains("2 changed"), "{said}");
    good(&["plan", "-detailed-exitcode"]);

    let text = SAMPLE.replace("CANARY-literal", "CANARY-other");
    std::fs::write(at("main.hcl"), text).unwrap();
    let (code, said) = streamform(dir.path(), &["plan", "-detailed-exitcode"], &[]);
    assert!(code == Some(2) && said.contains("extra.password") && !said.contains("CANARY"), "{said}");
    good(&["destroy", "-auto-approve"]);
    let left: Vec<_> = std::fs::read_dir(at(".streamform")).into_iter().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn connects_own_topics_belong_to_no_other_block() {
    let dir = Lab::new();
    let text = r#"
resource "kafka_cluster" "c" {}
resource "kafka_connect" "etl" { cluster = kafka_cluster.c }
resource "kafka_topic" "mine" {
  cluster    = kafka_cluster.c
  name       = "_connect-etl-configs"
  partitions = 1
}
"#;
    std::fs::write(dir.path().join("main.hcl"), text).unwrap();
    let (code, said) = streamform(dir.path(), &["plan"], &[]);
    assert!(code == Some(1) && said.contains("SF3006") && said.contains("_connect-etl-configs"), "{said}");
    std::fs::write(dir.path().join("main.hcl"), text.replace("-configs", "-other")).unwrap();
    let (code, said) = streamform(dir.path(), &["plan"], &[]);
    assert_eq!(code, Some(0), "{said}");
    for line in
        ["+ local cluster \"c\" (1 broker)", "+ local Connect cluster \"etl\" (1 worker)", "+ topic \"_connect-etl-status\" (compacted)"]
    {
        assert!(said.contains(line), "{line} in {said}");
    }
}

/// Whether a user can log in on a cluster's first listener.
async fn logs_in(dir: &Path, user: &str, password: &str) -> bool {
    let text = std::fs::read_to_string(dir.join(".streamform/local/k/cluster.json")).unwrap();
    let port = serde_json::from_str::<serde_json::Value>(&text).unwrap()["nodes"][0]["ports"]["CLIENTS"].as_i64().unwrap();
    let connection = KafkaConnection {
        bootstrap_servers: vec![format!("127.0.0.1:{port}")],
        protocol: streamform::client::kafka::SecurityProtocol::SaslPlaintext,
        mechanism: Some(streamform::client::kafka::SaslMechanism::ScramSha512),
        username: Some(user.into()),
        password: Some(password.into()),
        ..KafkaConnection::default()
    };
    let Ok(admin) = KafkaPool::default().admin(&connection) else { return false };
    admin.describe_cluster().await.is_ok()
}

/// A killed change of users is in doubt: the next run removes who is not wanted, and the configured password is the one that works.
#[tokio::test(flavor = "multi_thread")]
async fn users_of_a_killed_change_are_put_right() {
    let dir = Lab::new();
    let write = |users: &str| {
        let text = format!(
            "resource \"kafka_cluster\" \"k\" {{\n  users = {users}\n  deletion_protection = false\n  listener \"clients\" {{\n    \
             tls = false\n    authentication = \"scram\"\n  }}\n}}\n"
        );
        std::fs::write(dir.path().join("main.hcl"), text).unwrap();
    };
    let good = |args: &[&str]| {
        let (code, said) = streamform(dir.path(), args, &[]);
        assert_eq!(code, Some(0), "{said}");
        said
    };
    write("{ alice = \"first-pw\" }");
    assert!(good(&["plan"]).contains("set user alice"));
    good(&["apply", "-auto-approve"]);
    good(&["plan", "-detailed-exitcode"]);
    assert!(logs_in(dir.path(), "alice", "first-pw").await);
    let broker = pid(&dir.path().join(".streamform/local/k"), "run/broker-1.json");

    write("{ alice = \"other-pw\", mallory = \"m-pw\" }");
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_streamform"))
        .current_dir(dir.path())
        .args(["apply", "-auto-approve"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let file = dir.path().join(".streamform/local/k/cluster.json");
    while !std::fs::read_to_string(&file).unwrap().contains("mallory") && run.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    run.kill().unwrap();
    run.wait().unwrap();

    write("{ alice = \"first-pw\" }");
    let (code, said) = streamform(dir.path(), &["plan", "-detailed-exitcode"], &[]);
    assert!(code == Some(2) && said.contains("delete user mallory") && said.contains("set user alice"), "{said}");
    assert!(!said.contains("metadata version"), "{said}");
    good(&["apply", "-auto-approve"]);
    good(&["plan", "-detailed-exitcode"]);
    assert!(logs_in(dir.path(), "alice", "first-pw").await, "the configured password works");
    assert!(!logs_in(dir.path(), "alice", "other-pw").await && !logs_in(dir.path(), "mallory", "m-pw").await);
    assert!(alive(broker), "users of SCRAM restart nobody");
    good(&["destroy", "-auto-approve"]);
}

/// Settings of a change that ended too early are withdrawn: nodes that run with them are restarted, the others are not.
#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_setting_is_taken_back_where_it_was_taken() {
    let dir = Lab::new();
    let cx = session(dir.path());
    let mut run = Run { cx: &cx, ty: &KafkaCluster, addr: addr("kafka_cluster", "w"), now: None, ops: vec![] };
    let with = |threads: &str| Value::object_from([("brokers", Value::from(1)), ("config", map(&[("num.io.threads", threads)]))]);
    run.apply(&with("3")).await;
    let folder = dir.path().join(".streamform/local/w");
    let first = pid(&folder, "run/broker-1.json");
    let before = run.now.clone();

    // The change is made, and what became of it is lost.
    run.apply(&with("4")).await;
    let second = pid(&folder, "run/broker-1.json");
    assert!(second != first);
    run.now = before;
    run.refresh().await;
    let unknown = |now: &mut Option<(Value, Private)>| {
        let (value, private) = now.take().unwrap();
        let mut attrs = value.as_map().unwrap().clone();
        attrs.insert("config".into(), Value::unknown(Type::map(Type::String)));
        *now = Some((Value::object(attrs), private));
    };
    unknown(&mut run.now);
    // As the core does after an operation in doubt.
    let (prior, private) = run.now.clone().unwrap();
    let config = with("3");
    let out = KafkaCluster.plan(PlanInput::new(&run.addr, Some(&prior), &private, &config, proposed(&KafkaCluster, &config, Some(&prior))));
    let roll = "restart the nodes one at a time, while all partitions are in sync";
    assert_eq!(streamform::resource::lines(&out.ops), [roll], "nothing else is planned");
    run.ops = out.ops.clone();
    let result = run.step(Verb::Update, Some(out.planned.clone())).await;
    assert!(result.error.is_none(), "{:?}", result.error);
    let third = pid(&folder, "run/broker-1.json");
    assert!(third != second && std::fs::read_to_string(folder.join("conf/broker-1.properties")).unwrap().contains("num.io.threads=3"));
    // The same once more: it is as wanted, and nobody is restarted.
    let result = run.step(Verb::Update, Some(out.planned.clone())).await;
    assert!(result.error.is_none() && pid(&folder, "run/broker-1.json") == third, "{:?}", result.error);

    // A step without the operation that it would need does nothing.
    run.now = result.object;
    let planned = run.plan(&with("5")).await.unwrap().0;
    run.ops.clear();
    let error = run.step(Verb::Update, Some(planned.clone())).await.error.unwrap();
    assert_eq!(error.code, streamform::diag::codes::apply::INCONSISTENT);
    assert!(error.detail.contains("restart broker 1"), "{}", error.detail);
    assert!(pid(&folder, "run/broker-1.json") == third && alive(third));
    kill(third);
    let error = run.step(Verb::Update, Some(planned)).await.error.unwrap();
    assert!(error.detail.contains("restart broker 1"), "{}", error.detail);
    let undeleted = StepRequest {
        addr: run.addr.clone(),
        prior: run.now.clone().map(|n| n.0),
        planned: None,
        private: Private::Null,
        timeout: Duration::from_secs(9),
        begun: false,
        replaces: None,
        ops: vec![],
    };
    let kept = Gathered::apply(&KafkaCluster, &cx, Verb::Delete, vec![undeleted]).await.remove(0);
    assert!(kept.error.is_some() && folder.exists());
    assert!(run.step(Verb::Delete, None).await.error.is_none());
}
