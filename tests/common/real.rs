//! Real Kafka and Connect for the suites: brokers and workers that the local engine starts once per test binary, with every kind of listener.
//!
//! They end with the test binary however it ends: a watching shell of its own session holds a pipe to it, and when the pipe closes it ends
//! the processes whose command line names the suite's folder, and removes the folder. Variables name brokers that are there already instead:
//! see CONTRIBUTING.md.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use streamform::client::connect::{ConnectClient, ConnectConnection, Patience};
use streamform::client::kafka::{Admin, KafkaConnection, RequestCounter};
use streamform::engine::local::broker::{Cluster, Launch, Layout};
use streamform::engine::local::connect::ConnectCluster;
use streamform::engine::local::jars::{self, Coordinate};
use streamform::engine::mandate::Anything;
use streamform::engine::spec::{Authentication, ClusterSpec, ConnectSpec, ListenerSpec};

const VERSION: &str = "4.3.1";
const HEAP: &str = "-Xms48m -Xmx320m";
const START_LIMIT: Duration = Duration::from_secs(240);

/// The user of the SASL listeners, who may do everything.
pub const USER: &str = "admin";
/// Its password.
pub const PASSWORD: &str = "admin-secret";
/// What the placeholder [`Connect::secret`] stands for.
pub const SECRET: &str = "s3cr3t-value";

/// Tests that must not see each other's work hold this.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a future to its end on a runtime of its own, whatever the caller's is.
pub fn wait<T: Send>(future: impl Future<Output = T> + Send) -> T {
    static ONE: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let runtime = ONE.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());
    // On another thread, because a runtime's own thread must not wait for a second runtime.
    std::thread::scope(|s| s.spawn(|| runtime.block_on(future)).join().unwrap_or_else(|e| std::panic::resume_unwind(e)))
}

/// A folder whose processes, known by their marker, end with this process, and which is then removed.
pub fn watched() -> PathBuf {
    // Twice, because a process may just have been started. The brackets keep grep from finding itself.
    const SCRIPT: &str = r#"
cat >/dev/null
for round in 1 2; do
  for f in $(grep -la -- "-[D]streamform.process=$1/" /proc/[0-9]*/cmdline 2>/dev/null); do
    kill -9 "$(echo "$f" | cut -d/ -f3)"
  done
  sleep 0.3
done
rm -rf "$1"
"#;
    let dir = tempfile::Builder::new().prefix("streamform-suite-").tempdir().unwrap().keep();
    let mut watcher = Command::new("setsid");
    watcher.args(["sh", "-c", SCRIPT, "sh"]).arg(&dir).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Forgotten, so that the pipe stays open as long as this process lives.
    std::mem::forget(watcher.spawn().unwrap());
    dir
}

/// A cluster that runs.
pub struct Kafka {
    cluster: Cluster,
    layout: Layout,
}

impl Kafka {
    /// Starts a cluster with these listeners: name, TLS, authentication.
    pub fn start(brokers: usize, listeners: &[(&str, bool, Authentication)], config: &[(&str, &str)]) -> Kafka {
        let begin = Instant::now();
        let dir = watched();
        let cluster = Cluster::at(&dir, "suite");
        let listener = |(name, tls, auth): &(&str, bool, Authentication)| ListenerSpec {
            label: name.to_string(),
            name: name.to_string(),
            port: None,
            tls: *tls,
            authentication: *auth,
        };
        let wanted = ClusterSpec {
            name: "suite".into(),
            version: VERSION.into(),
            brokers,
            heap: HEAP.into(),
            listeners: listeners.iter().map(listener).collect(),
            super_users: vec!["User:ANONYMOUS".into(), format!("User:{USER}")],
            users: BTreeMap::from([(USER.to_string(), PASSWORD.to_string()), ("mallory".into(), "mallory-secret".into())]),
            config: config.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
            certificates: vec!["mallory".into()],
            ..ClusterSpec::default()
        };
        let layout = wait(cluster.converge(&wanted, &Anything, &|_| {}, START_LIMIT)).unwrap_or_else(|e| panic!("{e:?}"));
        eprintln!("{brokers} brokers after {:.1?}", begin.elapsed());
        Kafka { cluster, layout }
    }

    /// The addresses of a listener.
    pub fn address(&self, listener: &str) -> String {
        self.layout.addresses(listener)
    }

    /// Ends a broker without a farewell; it does not come back.
    pub fn kill(&self, broker: i32) {
        let identity = std::fs::read(self.cluster.dir().join(format!("run/broker-{broker}.json"))).unwrap();
        let pid = serde_json::from_slice::<serde_json::Value>(&identity).unwrap()["pid"].as_i64().unwrap();
        Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    }

    /// The folder with `ca.crt` and the certificates and keys of admin and mallory.
    pub fn tls(&self) -> PathBuf {
        self.cluster.pki_dir()
    }

    /// The administrator's connection.
    pub fn connection(&self) -> KafkaConnection {
        self.cluster.connection(&self.layout)
    }

    /// A client with all rights.
    pub fn admin(&self) -> Admin {
        Admin::with_connect_timeout(self.connection(), RequestCounter::default(), Duration::from_secs(10)).unwrap()
    }
}

/// One broker with an authorizer and every kind of listener. Who is anonymous there may do everything.
pub fn kafka() -> &'static Kafka {
    static ONE: OnceLock<Kafka> = OnceLock::new();
    ONE.get_or_init(|| {
        Kafka::start(
            1,
            &[
                ("PLAINTEXT", false, Authentication::None),
                ("TLS", true, Authentication::None),
                ("MTLS", true, Authentication::Mtls),
                ("SCRAM", false, Authentication::Scram),
                ("SCRAM_TLS", true, Authentication::Scram),
                ("PLAIN", false, Authentication::Plain),
                ("PLAIN_TLS", true, Authentication::Plain),
            ],
            &[],
        )
    })
}

/// Three brokers without an authorizer.
pub fn trio() -> &'static Kafka {
    static ONE: OnceLock<Kafka> = OnceLock::new();
    ONE.get_or_init(|| Kafka::start(3, &[("PLAINTEXT", false, Authentication::None)], &[("authorizer.class.name", "")]))
}

/// What `STREAMFORM_TEST_KAFKA` says of brokers that are there already.
fn given(key: &str) -> Option<Option<String>> {
    let text = std::env::var("STREAMFORM_TEST_KAFKA").ok()?;
    Some(text.split(',').filter_map(|p| p.split_once('=')).find(|(k, _)| *k == key).map(|(_, v)| v.replace(';', ",")))
}

/// The addresses of a kind of listener (`plaintext`, `scram`, `mtls`, `open`, `three`) or the folder of certificates (`tls`).
pub fn lab(key: &str) -> String {
    match given(key) {
        Some(Some(value)) => value,
        // Some tests want what a broker that is there may not have: those are started all the same.
        _ if ["open", "three"].contains(&key) => trio().address("PLAINTEXT"),
        Some(None) => panic!("STREAMFORM_TEST_KAFKA does not say {key}=…"),
        None if key == "tls" => kafka().tls().to_string_lossy().into_owned(),
        None => kafka().address(&key.to_uppercase()),
    }
}

/// One Connect worker on [`kafka`], with HTTP and, with client certificates, HTTPS.
pub struct Connect {
    dir: PathBuf,
    http: String,
    https: String,
}

/// The worker, started once.
pub fn connect() -> &'static Connect {
    static ONE: OnceLock<Connect> = OnceLock::new();
    ONE.get_or_init(Connect::start)
}

fn workers(port: Option<u16>, config: BTreeMap<String, String>, secrets: &Path, workers: usize) -> ConnectSpec {
    ConnectSpec {
        version: VERSION.into(),
        workers,
        port,
        heap: HEAP.into(),
        config,
        secrets: vec![secrets.to_path_buf()],
        kafka: kafka().connection(),
        ..ConnectSpec::default()
    }
}

impl Connect {
    fn start() -> Connect {
        let (kafka, begin) = (kafka(), Instant::now());
        let dir = watched();
        let secrets = dir.join("secrets");
        std::fs::create_dir(&secrets).unwrap();
        std::fs::write(secrets.join("creds.properties"), format!("value={SECRET}\n")).unwrap();
        let cluster = ConnectCluster::at(&dir, "suite");
        let port = || streamform::engine::local::ports::free().unwrap();
        let (http, https) = (port(), port());
        let admin = kafka.admin();
        let converge = |wanted: ConnectSpec| {
            wait(cluster.converge(&wanted, &admin, &Anything, &|_| {}, START_LIMIT)).unwrap_or_else(|e| panic!("{e:?}"));
        };
        // Without workers: the key stores are made, whose password the settings need.
        converge(workers(Some(http), BTreeMap::new(), &secrets, 0));
        let pki = dir.join("connect/suite/pki");
        let password = std::fs::read_to_string(pki.join("password")).unwrap();
        let store = |name: &str| pki.join(name).display().to_string();
        let pairs = [
            ("listeners", format!("http://127.0.0.1:{http},https://127.0.0.1:{https}")),
            ("listeners.https.ssl.client.auth", "required".into()),
            ("listeners.https.ssl.keystore.type", "PKCS12".into()),
            ("listeners.https.ssl.keystore.location", store("keys.p12")),
            ("listeners.https.ssl.keystore.password", password.clone()),
            ("listeners.https.ssl.key.password", password.clone()),
            ("listeners.https.ssl.truststore.type", "PKCS12".into()),
            ("listeners.https.ssl.truststore.location", store("trust.p12")),
            ("listeners.https.ssl.truststore.password", password.clone()),
        ];
        converge(workers(Some(http), pairs.into_iter().map(|(k, v)| (k.to_string(), v)).collect(), &secrets, 1));
        eprintln!("a Connect worker after {:.1?}", begin.elapsed());
        Connect { dir, http: format!("http://127.0.0.1:{http}"), https: format!("https://127.0.0.1:{https}") }
    }

    /// The URL without TLS.
    pub fn url(&self) -> &str {
        &self.http
    }

    /// The URL with client certificates, the authority, and the administrator's certificate and key.
    pub fn tls(&self) -> [String; 4] {
        let file = |name: &str| self.dir.join("connect/suite/pki").join(name).to_string_lossy().into_owned();
        [self.https.clone(), file("ca.crt"), file("admin.crt"), file("admin.key")]
    }

    /// `file:key` of a secret that the worker can read.
    pub fn secret(&self) -> String {
        format!("{}:value", self.dir.join("secrets/creds.properties").display())
    }
}

/// The URL of a Connect cluster of one worker that asks for [`USER`] and [`PASSWORD`]. Started once, and by hand: Kafka's login module
/// must be on the class path, which is the engine's own affair.
pub fn guarded() -> &'static str {
    static ONE: OnceLock<String> = OnceLock::new();
    ONE.get_or_init(|| {
        const MODULE: &str = "org.apache.kafka.connect.rest.basic.auth.extension";
        let (dir, port) = (watched(), streamform::engine::local::ports::free().unwrap());
        let launch = wait(Launch::find(VERSION, &|_| {})).unwrap();
        let jar = Coordinate::parse(&format!("org.apache.kafka:connect-basic-auth-extension:{VERSION}")).unwrap();
        let jar = wait(jars::plugin(&jar, &|_| {})).unwrap();
        let file = |name: &str, text: String| {
            std::fs::write(dir.join(name), text).unwrap();
            dir.join(name).display().to_string()
        };
        let users = file("users.properties", format!("{USER}={PASSWORD}\n"));
        let login = file("login.conf", format!("KafkaConnect {{ {MODULE}.PropertyFileLoginModule required file=\"{users}\"; }};\n"));
        let converter = "org.apache.kafka.connect.json.JsonConverter";
        let topics: String = ["config", "offset", "status"]
            .map(|kind| format!("{kind}.storage.topic=guarded-{kind}\n{kind}.storage.replication.factor=1\n"))
            .concat();
        let settings = format!(
            "bootstrap.servers={}\ngroup.id=guarded\nlisteners=http://127.0.0.1:{port}\nkey.converter={converter}\nvalue.converter={converter}\n\
             {topics}plugin.discovery=service_load\nrest.extension.classes={MODULE}.BasicAuthSecurityRestExtension\n",
            kafka().address("PLAINTEXT")
        );
        let settings = file("worker.properties", settings);
        let mut java = Command::new(&launch.java);
        java.args(HEAP.split(' ')).arg(format!("-Dstreamform.process={}/guarded", dir.display()));
        java.arg(format!("-Djava.security.auth.login.config={login}"));
        java.args(["-cp", &format!("{}/*:{}/*", launch.libs.display(), jar.display()), "org.apache.kafka.connect.cli.ConnectDistributed"]);
        // Forgotten as the watcher is, which ends it.
        std::mem::forget(java.arg(settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let mut connection = ConnectConnection::to_url(format!("http://127.0.0.1:{port}"));
        (connection.username, connection.password) = (Some(USER.into()), Some(PASSWORD.into()));
        let client = ConnectClient::new(&connection, Default::default()).unwrap();
        let begin = Instant::now();
        while wait(client.connectors(&Patience::quiet(Duration::from_secs(1)))).is_err() {
            assert!(begin.elapsed() < START_LIMIT);
            std::thread::sleep(Duration::from_millis(200));
        }
        connection.url
    })
}

/// A second worker of the same group, which comes and goes.
pub struct Guest {
    dir: PathBuf,
    port: u16,
}

impl Guest {
    /// One that does not run yet.
    pub fn new() -> Guest {
        connect();
        Guest { dir: watched(), port: streamform::engine::local::ports::free().unwrap() }
    }

    /// Starts it and waits until it is a member.
    pub fn come(&self) {
        let cluster = ConnectCluster::at(&self.dir, "suite");
        let wanted = workers(Some(self.port), BTreeMap::new(), &connect().dir.join("secrets"), 1);
        wait(cluster.converge(&wanted, &kafka().admin(), &Anything, &|_| {}, START_LIMIT)).unwrap_or_else(|e| panic!("{e:?}"));
    }

    /// Ends it without a farewell.
    pub fn die(&self) {
        let identity = std::fs::read(self.dir.join("connect/suite/run/worker-1.json")).unwrap();
        let pid = serde_json::from_slice::<serde_json::Value>(&identity).unwrap()["pid"].as_i64().unwrap();
        Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    }
}
