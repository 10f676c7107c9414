//! The program as people run it, on real brokers and Connect workers that each test's own configuration brings up with the local engine,
//! in a folder of its own. A guard destroys everything at the end, also after a panic. Jars come through Maven into the usual cache.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use streamform::client::connect::{ConnectClient, ConnectConnection, Patience};
use streamform::client::kafka::{
    AclBinding, AclOperation, Admin, ConfigOp, ConfigResource, KafkaConnection, KafkaPool, NewTopic, SecurityProtocol,
};
use streamform::resource::kafka_connector::hcl_of;

const YES: [&str; 2] = ["-auto-approve", "-allow-data-loss"];

/// What a run of the program gave.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    /// Both streams without the frame that diagnostics are drawn in.
    fn text(&self) -> String {
        format!("{}\n{}", self.out, self.err)
    }

    fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    #[track_caller]
    fn is(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "{}", self.text());
        self
    }

    #[track_caller]
    fn says(self, words: &str) -> Ran {
        assert!(self.text().contains(words), "expected {words:?} in:\n{}", self.text());
        self
    }

    /// The requests to Kafka by API, of a run with the trace on.
    fn requests(&self) -> BTreeMap<String, u64> {
        let line = self.err.lines().find(|l| l.starts_with("{\"requests\"")).unwrap_or_else(|| panic!("no trace in {}", self.err));
        serde_json::from_value(serde_json::from_str::<Json>(line).unwrap()["requests"]["kafka"].clone()).unwrap()
    }
}

/// A folder with a configuration.
struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    fn new(config: &str) -> Folder {
        let folder = Folder { dir: tempfile::Builder::new().prefix("streamform-").tempdir().unwrap() };
        folder.write(config);
        folder
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, config: &str) {
        std::fs::write(self.path().join("main.hcl"), config).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_streamform"));
        command.args(args).current_dir(self.path()).stdin(Stdio::null()).env("NO_COLOR", "1").env_remove("STREAMFORM_TRACE");
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[])
    }

    fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Ran {
        let begin = Instant::now();
        let out = self.command(args).envs(env.iter().copied()).output().unwrap();
        eprintln!("streamform {} -> {:?} after {:.1?}", args.join(" "), out.status.code(), begin.elapsed());
        let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
        Ran { code: out.status.code().unwrap_or(-1), out: text(out.stdout), err: text(out.stderr) }
    }

    #[track_caller]
    fn apply(&self) -> Ran {
        self.run(&["apply", "-auto-approve"]).is(0)
    }

    /// Nothing to do, in plan and drift.
    #[track_caller]
    fn settled(&self) {
        self.run(&["plan", "-detailed-exitcode"]).is(0);
        self.run(&["drift"]).is(0);
    }

    /// The managed addresses and unmanaged ids that `drift` names.
    #[track_caller]
    fn drifted(&self) -> Vec<String> {
        let report = self.run(&["drift", "-json"]).is(2).json();
        let names = |list: &str, key: &str| report[list].as_array().unwrap().iter().map(|x| x[key].as_str().unwrap().to_string()).collect();
        let (mut found, more): (Vec<String>, Vec<String>) = (names("managed", "address"), names("unmanaged", "id"));
        found.extend(more);
        found
    }

    /// An outside change of one object: seen by plan and drift, mended by apply.
    #[track_caller]
    fn heals(&self, address: &str) {
        self.run(&["plan", "-detailed-exitcode"]).is(2).says(address);
        assert_eq!(self.drifted(), [address]);
        self.apply();
        self.settled();
    }

    fn show(&self, address: &str) -> Json {
        self.run(&["state", "show", "-json", address]).is(0).json()
    }

    /// A client with the rights of the program itself.
    fn kafka(&self, address: &str) -> std::sync::Arc<Admin> {
        let admin = self.show(address)["attributes"]["admin"].clone();
        let path = |name: &str| admin[name].as_str().map(PathBuf::from);
        let connection = KafkaConnection {
            bootstrap_servers: admin["bootstrap_servers"].as_str().unwrap().split(',').map(str::to_string).collect(),
            protocol: SecurityProtocol::Ssl,
            ca_file: path("ca_file"),
            certificate_file: path("certificate_file"),
            key_file: path("key_file"),
            ..Default::default()
        };
        KafkaPool::default().admin(&connection).unwrap()
    }

    fn connect(&self, address: &str) -> ConnectClient {
        let admin = self.show(address)["attributes"]["admin"].clone();
        let text = |name: &str| admin[name].as_str().map(str::to_string);
        let connection = ConnectConnection {
            ca_file: text("ca_file"),
            certificate_file: text("certificate_file"),
            key_file: text("key_file"),
            ..ConnectConnection::to_url(text("url").unwrap())
        };
        ConnectClient::new(&connection, Default::default()).unwrap()
    }

    /// The processes that the local engine started for this folder.
    fn pids(&self) -> Vec<i32> {
        let mut all = Vec::new();
        for kind in ["local", "connect"] {
            for cluster in std::fs::read_dir(self.path().join(".streamform").join(kind)).into_iter().flatten().flatten() {
                for file in std::fs::read_dir(cluster.path().join("run")).into_iter().flatten().flatten() {
                    all.push(pid(&file.path()));
                }
            }
        }
        all
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.path().join(".streamform/local").exists() && !self.path().join(".streamform/connect").exists() {
            return;
        }
        let out = self.command(&["destroy", YES[0], YES[1]]).output();
        // What a broken destroy leaves must not outlive the test: these processes are this folder's own.
        for pid in self.pids() {
            kill(pid);
        }
        if let (Ok(out), true) = (out, std::thread::panicking()) {
            eprintln!("destroy after a failure: {}", String::from_utf8_lossy(&out.stderr));
        }
    }
}

fn pid(identity: &Path) -> i32 {
    let json: Json = serde_json::from_slice(&std::fs::read(identity).unwrap()).unwrap();
    i32::try_from(json["pid"].as_i64().unwrap()).unwrap()
}

fn alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| !s.contains(") Z "))
}

fn kill(pid: i32) {
    Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status().unwrap();
    let begin = Instant::now();
    while alive(pid) && begin.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn until(what: &str, limit: u64, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(limit), "not within {limit} s: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(future)
}

/// The quickstart in a folder of its own.
fn quickstart() -> Folder {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart");
    let folder = Folder::new(&std::fs::read_to_string(from.join("main.hcl")).unwrap());
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::copy(from.join("data/in.txt"), folder.path().join("data/in.txt")).unwrap();
    folder
}

/// A broker of a test's own.
const BROKER: &str = r#"
resource "kafka_cluster" "c" {
  deletion_protection = false
  client_certificates = ["nobody"]
}
"#;

#[test]
fn topics_grow_are_protected_and_are_found_again() {
    let topic = |partitions: usize, more: &str| {
        format!(
            "{BROKER}\nresource \"kafka_topic\" \"t\" {{\n  cluster = kafka_cluster.c\n  name = \"t\"\n  partitions = {partitions}\n{more}\n}}\n"
        )
    };
    let folder = Folder::new(&topic(2, "config = { \"retention.ms\" = 1000 }"));
    folder.apply();
    folder.settled();
    folder.write(&topic(3, "config = { \"retention.ms\" = 2000 }"));
    folder.run(&["plan"]).is(0).says("1000").says("2000").says("0 to destroy");
    folder.apply();
    folder.settled();
    folder.write(&topic(3, ""));
    folder.run(&["plan"]).is(0).says("retention.ms").says("2000");
    folder.apply();
    folder.settled();

    folder.write(&topic(1, ""));
    let refused = folder.run(&["apply", "-auto-approve"]).is(1);
    assert!(refused.err.contains("SF"), "{}", refused.err);
    folder.write(&topic(3, "config = { \"retention.mss\" = 1 }"));
    folder.run(&["plan"]).is(1).says("retention.ms");
    folder.write(BROKER);
    folder.run(&["apply", "-auto-approve"]).is(1).says("-allow-data-loss");
    folder.write(&topic(3, ""));
    folder.settled();

    let admin = folder.kafka("kafka_cluster.c");
    let other = NewTopic { name: "other".into(), partitions: 1, replication: 1, assignments: None, config: BTreeMap::new() };
    wait(admin.create_topics(&[other], false)).unwrap().remove(0).unwrap();
    let mut both =
        topic(3, "") + "resource \"kafka_topic\" \"o\" {\n  cluster = kafka_cluster.c\n  name = \"other\"\n  partitions = 1\n}\n";
    folder.write(&both);
    folder.run(&["apply", "-auto-approve"]).is(1).says("import");
    folder.run(&["import", "kafka_topic.o", "other"]).is(0);
    folder.settled();
    folder.run(&["state", "rm", "kafka_topic.o"]).is(0);
    let import = "import {\n  to = kafka_topic.o\n  id = \"other\"\n}\n";
    both.push_str(import);
    folder.write(&both);
    folder.apply();
    folder.settled();
    folder.run(&["state", "rm", "kafka_topic.o"]).is(0);
    folder.write(&(topic(3, "") + import));
    folder.run(&["plan", "-generate-config-out=other.hcl"]).is(0).says("1 to import, 0 to add, 0 to change, 0 to destroy");
    folder.apply();
    folder.settled();
}

/// `topics` topics and `acls` ACLs of a broker of their own.
fn many(topics: usize, acls: usize) -> String {
    format!(
        r#"{BROKER}
resource "kafka_topic" "t" {{
  count               = {topics}
  cluster             = kafka_cluster.c
  name                = "t${{count.index}}"
  partitions          = 1
  deletion_protection = false
}}

resource "kafka_acl" "a" {{
  count     = {acls}
  cluster   = kafka_cluster.c
  principal = "User:u${{count.index}}"
  role "producer" {{ topic = "t${{count.index}}" }}
}}
"#
    )
}

#[test]
fn requests_do_not_grow_with_the_number_of_resources() {
    let traced = |folder: &Folder, args: &[&str], code: i32| folder.run_with(args, &[("STREAMFORM_TRACE", "requests")]).is(code).requests();
    let folder = Folder::new(&many(0, 0));
    folder.apply();
    let measure = |n: usize| {
        folder.write(&many(n, n));
        let sent = traced(&folder, &["apply", "-auto-approve"], 0);
        folder.run(&["drift"]).is(0);
        (sent, traced(&folder, &["plan", "-detailed-exitcode"], 0))
    };
    let (few_sent, few_read) = measure(10);
    let (many_sent, many_read) = measure(1000);
    assert_eq!(few_read, many_read, "a plan asks the same");
    assert!(few_read.values().sum::<u64>() <= 8, "{few_read:?}");
    let (few, many) = (few_sent.values().sum::<u64>(), many_sent.values().sum::<u64>());
    // Requests have a size limit, and what was written is read back until it is seen: a few more, not a hundred times as many.
    assert!(many <= few + 30, "{few_sent:?} {many_sent:?}");
}

#[test]
fn killed_at_twenty_random_moments_two_hundred_topics_converge() {
    let mut random = Random::new();
    let folder = Folder::new(&many(0, 0));
    folder.apply();
    let admin = folder.kafka("kafka_cluster.c");
    let begin = Instant::now();
    folder.write(&many(200, 0));
    folder.apply();
    let mut whole = begin.elapsed();
    let mut killed = 0;
    for round in 0..20 {
        // In turns all are made and all are removed.
        let n = if round % 2 == 0 { 0 } else { 200 };
        folder.write(&many(n, 0));
        let mut child = folder.command(&["apply", YES[0], YES[1]]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(random.fraction()));
        child.kill().unwrap();
        match child.wait().unwrap().success() {
            // The machine was busier when the time was taken: the next kill comes earlier.
            true => whole = whole.mul_f64(0.8),
            false => killed += 1,
        }
        folder.run(&["apply", YES[0], YES[1]]).is(0);
        folder.run(&["plan", "-detailed-exitcode"]).is(0);
        // A broker shows a moment later what it has acknowledged.
        let there = || wait(admin.metadata()).unwrap().topics.keys().filter(|t| t.starts_with('t')).count();
        let end = Instant::now() + Duration::from_secs(15);
        while there() != n {
            assert!(Instant::now() < end, "round {round}: {} topics in place of {n}", there());
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(folder.run(&["state", "list"]).is(0).out.matches("kafka_topic.t[").count(), n, "round {round}");
    }
    assert!(killed >= 10, "only {killed} of 20 kills came before the end");
}

#[test]
fn a_broker_killed_during_an_apply_is_named_and_the_next_apply_goes_on() {
    let mut random = Random::new();
    let folder = Folder::new(&many(0, 0));
    folder.apply();
    folder.write(&many(100, 100));
    let broker = pid(&folder.path().join(".streamform/local/c/run/broker-1.json"));
    let mut child = folder.command(&["apply", YES[0], YES[1]]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // From the first object that is begun on.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    assert!(lines.any(|l| l.unwrap().contains(": Creating...")), "nothing was begun");
    std::thread::sleep(Duration::from_millis(300).mul_f64(random.fraction()));
    kill(broker);
    lines.for_each(drop);
    let out = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    // Where the work was done before the kill there is nothing to say.
    if !out.status.success() {
        assert!(text.contains("Error[SF6"), "{text}");
        assert!(text.matches("Error[").count() <= 4, "one broker is one fault, not one for each topic:\n{text}");
    }
    folder.run(&["plan", "-detailed-exitcode"]).is(2).says("kafka_cluster.c");
    folder.run(&["drift"]).is(2).says("kafka_cluster.c").says("Skipped the search");
    folder.apply();
    folder.settled();
    let topics = wait(folder.kafka("kafka_cluster.c").metadata()).unwrap().topics;
    assert_eq!(topics.keys().filter(|t| t.starts_with('t')).count(), 100);

    // With the cluster itself goes what lives in it, though nobody can be asked any more.
    kill(pid(&folder.path().join(".streamform/local/c/run/broker-1.json")));
    folder.run(&["destroy", YES[0], YES[1]]).is(0).says("goes with kafka_cluster.c").says("Destroy complete! Resources: 201 destroyed");
}

/// Moments that differ from run to run; `STREAMFORM_TEST_SEED` repeats those of a run that failed.
struct Random(u64);

impl Random {
    fn new() -> Random {
        let clock = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
        let seed = std::env::var("STREAMFORM_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(u64::from(clock));
        eprintln!("STREAMFORM_TEST_SEED={seed}");
        Random(seed)
    }

    /// Between 0 and 1 (splitmix64).
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

const DEBEZIUM: &str = "io.debezium:debezium-connector-postgres:3.0.0.Final";
const MORE: &str = r#"
resource "kafka_topic" "wide" {
  cluster            = kafka_cluster.events
  name               = "wide"
  replication_factor = var.brokers
}
resource "kafka_connector" "postgres" {
  connect = kafka_connect.etl
  class   = "io.debezium.connector.postgresql.PostgresConnector"
  config  = { "topic.prefix" = "pg" }
}
"#;

#[test]
fn the_quickstart_carries_records_drifts_heals_and_leaves_nothing() {
    let folder = quickstart();
    folder.apply().says("Apply complete! Resources: 11 added");
    let sent = std::fs::read_to_string(folder.path().join("data/in.txt")).unwrap();
    let out = folder.path().join("data/out.txt");
    until("all lines arrived", 30, || std::fs::read_to_string(&out).is_ok_and(|t| t.lines().count() == sent.lines().count()));
    let sorted = |t: &str| {
        let mut lines: Vec<String> = t.lines().map(str::to_string).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&std::fs::read_to_string(&out).unwrap()), sorted(&sent));
    folder.settled();
    folder.apply().says("No changes");

    let admin = folder.kafka("kafka_cluster.events");
    let lines = ConfigResource::Topic("lines".into());
    let set = [(lines, vec![ConfigOp::Set("retention.ms".into(), "12345".into())])];
    wait(admin.incremental_alter_configs(&set, false)).unwrap().remove(0).unwrap();
    folder.run(&["plan"]).is(0).says("12345").says("604800000");
    folder.heals("kafka_topic.lines");

    let acls = wait(admin.describe_acls()).unwrap();
    let one = acls.iter().find(|a| a.principal == "User:CN=orders-app").unwrap().clone();
    assert_eq!(wait(admin.delete_acls(std::slice::from_ref(&one))).unwrap().remove(0).unwrap(), 1);
    folder.heals("kafka_acl.app");
    assert_eq!(wait(admin.describe_acls()).unwrap(), acls, "{one} is back and nothing else changed");

    let connect = folder.connect("kafka_connect.etl");
    wait(connect.pause("file-to-lines", &Patience::quiet(Duration::from_secs(20)))).unwrap();
    until("the connector pauses", 20, || folder.run(&["plan", "-detailed-exitcode"]).code == 2);
    folder.heals("kafka_connector.source");

    kill(pid(&folder.path().join(".streamform/local/events/run/broker-2.json")));
    folder.heals("kafka_cluster.events");

    let stray = NewTopic { name: "stray".into(), partitions: 1, replication: 1, assignments: None, config: BTreeMap::new() };
    wait(folder.kafka("kafka_cluster.events").create_topics(&[stray], false)).unwrap().remove(0).unwrap();
    folder.run(&["plan", "-detailed-exitcode"]).is(0);
    assert_eq!(folder.drifted(), ["stray"]);
    let extra = AclBinding { operation: AclOperation::Alter, ..one };
    wait(admin.create_acls(std::slice::from_ref(&extra))).unwrap().remove(0).unwrap();
    folder.run(&["drift"]).is(2).says("User:CN=orders-app ALTER on").says("stray");
    assert_eq!(wait(admin.delete_acls(&[extra])).unwrap().remove(0).unwrap(), 1);

    // What a cluster and a worker refuse as they are now is no error where the same plan changes them.
    let more = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    more("etl_override.hcl", &format!("resource \"kafka_connect\" \"etl\" {{\n  plugins = [\"{DEBEZIUM}\"]\n}}\n"));
    more("more.hcl", MORE);
    folder.run(&["plan", "-detailed-exitcode", "-var=brokers=3"]).is(2).says("kafka_topic.wide").says("kafka_connector.postgres");
    folder.run(&["plan"]).is(0).says("kafka_connector.postgres");
    for file in ["etl_override.hcl", "more.hcl"] {
        std::fs::remove_file(folder.path().join(file)).unwrap();
    }

    let pids = folder.pids();
    assert_eq!(pids.len(), 3, "two brokers and a worker");
    folder.run(&["destroy", YES[0], YES[1]]).is(0).says("11 destroyed");
    assert!(!pids.iter().any(|p| alive(*p)), "a process is left");
    for left in ["local", "connect", "secrets"] {
        let dir = folder.path().join(".streamform").join(left);
        assert!(!std::fs::read_dir(&dir).is_ok_and(|mut d| d.next().is_some()), "{} is not empty", dir.display());
    }
    assert_eq!(folder.run(&["state", "list"]).is(0).out.trim(), "");
}

#[test]
fn published_connector_configurations_are_valid_and_plan_the_same_twice() {
    // Some take passwords from a file that lies in no folder of its own (/data): here a secret brings it.
    let mut text = "resource \"kafka_cluster\" \"k\" {}\nresource \"secret\" \"s\" {\n  data = { data = \"\" }\n}\nresource \"kafka_connect\" \"c\" {\n  cluster = kafka_cluster.k\n  mount \"s\" {\n    secret = secret.s\n    path   = \"/secrets\"\n  }\n}\n".to_string();
    let mut count = 0;
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/connectors")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let json: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let config = if json["config"].is_object() { &json["config"] } else { &json };
        let name = path.file_stem().unwrap().to_str().unwrap();
        let block = hcl_of(name, config).replace("{file:/data:", "{file:/secrets/data:");
        text.push_str(&block.replacen("{\n", "{\n  connect = kafka_connect.c\n", 1));
        count += 1;
    }
    // The file has every key that they name.
    let keys: String =
        text.split("{file:/secrets/data:").skip(1).filter_map(|rest| Some(format!("{}=x\\n", rest.split_once('}')?.0))).collect();
    let folder = Folder::new(&text.replace("data = { data = \"\" }", &format!("data = {{ data = \"{keys}\" }}")));
    folder.run(&["validate"]).is(0);
    let plan = || folder.run(&["plan", "-refresh=false", "-json"]).is(0).out;
    let first = plan();
    assert_eq!(first, plan());
    let changes = serde_json::from_str::<Json>(&first).unwrap()["resource_changes"].as_array().unwrap().len();
    assert!(count >= 40 && changes >= count, "{count} {changes}");
}

#[test]
fn a_connector_that_cannot_be_and_a_client_without_rights_say_why() {
    let with = |class: &str, config: &str| {
        format!(
            "{BROKER}\nresource \"kafka_connect\" \"w\" {{\n  cluster = kafka_cluster.c\n}}\nresource \"kafka_connector\" \"x\" {{\n  connect = kafka_connect.w\n  \
             name = \"x\"\n  class = \"{class}\"\n  config = {{ {config} }}\n}}\n"
        )
    };
    let base = format!("{BROKER}\nresource \"kafka_connect\" \"w\" {{\n  cluster = kafka_cluster.c\n}}\n");
    let folder = Folder::new(&base);
    folder.apply();
    folder.settled();
    folder.write(&with("org.example.Nothing", ""));
    folder.run(&["plan"]).is(1).says("org.apache.kafka.connect.file.FileStreamSourceConnector");
    let issued = folder.show("kafka_cluster.c")["attributes"]["certificates"]["nobody"].clone();
    let servers = folder.show("kafka_cluster.c")["attributes"]["admin"]["bootstrap_servers"].clone();
    let (ca, certificate, key) = (&issued["ca_file"], &issued["certificate_file"], &issued["key_file"]);
    folder.write(&format!(
        "{base}\ndata \"kafka_cluster\" \"n\" {{\n  bootstrap_servers = {servers}\n  tls {{\n    ca_file = {ca}\n    certificate_file = {certificate}\n    \
         key_file = {key}\n  }}\n}}\nresource \"kafka_topic\" \"t\" {{\n  cluster = data.kafka_cluster.n\n  name = \"t\"\n  partitions = 1\n}}\n"
    ));
    folder.run(&["apply", "-auto-approve"]).is(1).says("kafka_topic.t");
    folder.write(&base);
    folder.settled();
}
