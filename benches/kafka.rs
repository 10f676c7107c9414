//! 1,000 topics and 1,000 ACLs on a real broker: whole runs of the release binary beside a bare client that sends the same requests to the
//! same broker in as large batches, in pairs.
//!
//! `cargo bench --bench kafka` starts one broker by the local engine in a temporary folder and removes it at the end (so it needs what the
//! local engine needs). `BENCH_ROUNDS` says how many pairs are measured (5), `BENCH_N` how many topics and ACLs there are (1,000).

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Run, measure_if_asked, median, print, rounds, streamform};
use streamform::client::kafka::{
    AclBinding, AclOperation, AclPattern, AclPermission, AclResource, Admin, ConfigResource, KafkaConnection, NewTopic, RequestCounter,
    SecurityProtocol,
};

const CONFIG: &str = r#"
variable "n" {
  type    = number
  default = 0
}

resource "kafka_cluster" "bench" {
  engine              = "local"
  brokers             = 1
  deletion_protection = false
}

resource "kafka_topic" "t" {
  count               = var.n
  cluster             = kafka_cluster.bench
  name                = "own-${count.index}"
  partitions          = 1
  replication_factor  = 1
  deletion_protection = false
  config              = { "retention.ms" = 3600000 }
}

resource "kafka_acl" "a" {
  count     = var.n
  cluster   = kafka_cluster.bench
  principal = "User:own-${count.index}"

  rule {
    operations = ["read"]
    topic      = "own-${count.index}"
  }
}

output "admin" {
  value = { for k in ["bootstrap_servers", "security_protocol", "ca_file", "certificate_file", "key_file"] : k => kafka_cluster.bench.admin[k] }
}
"#;

fn main() {
    measure_if_asked();
    let n = std::env::var("BENCH_N").ok().and_then(|s| s.parse().ok()).unwrap_or(1000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    std::fs::write(dir.join("main.hcl"), CONFIG).expect("writes");
    apply(dir, 0);
    let outcome = std::panic::catch_unwind(|| runtime.block_on(pairs(dir, n)));
    streamform(dir, &["destroy", "-auto-approve", "-no-color", "-allow-data-loss"]);
    if outcome.is_err() {
        std::process::exit(1);
    }
}

fn apply(dir: &Path, n: usize) -> Run {
    streamform(dir, &["apply", "-auto-approve", "-no-color", "-allow-data-loss", &format!("-var=n={n}")])
}

async fn pairs(dir: &Path, n: usize) {
    let (mut applies, mut creates, mut acknowledged) = (vec![], vec![], vec![]);
    let (mut destroys, mut deletes) = (vec![], vec![]);
    let (mut plans, mut reads, mut parses) = (vec![], vec![], vec![]);
    let connection = connection(dir);
    for _ in 0..rounds() {
        let (shown, answered) = create(&connection, n).await;
        creates.push(shown);
        acknowledged.push(answered);
        deletes.push(delete(&connection, n).await);
        applies.push(apply(dir, n));
        until_shown(&client(&connection), "own-", n).await;
        reads.push(read(&connection, n).await);
        plans.push(streamform(dir, &["plan", "-detailed-exitcode", "-no-color", &format!("-var=n={n}")]));
        parses.push(streamform(dir, &["validate", &format!("-var=n={n}")]));
        destroys.push(apply(dir, 0));
        until_shown(&client(&connection), "own-", 0).await;
    }
    print(&format!("apply of {n} topics and {n} ACLs"), &applies);
    bare("  bare client", &creates);
    bare("  bare client, until all is acknowledged", &acknowledged);
    print(&format!("deletion of {n} topics and {n} ACLs"), &destroys);
    bare("  bare client, until all is acknowledged", &deletes);
    print("plan, nothing to do", &plans);
    bare("  bare client", &reads);
    print("  validate", &parses);
    let over = |a: &[Run], b: &dyn Fn(usize) -> Duration| {
        median(&a.iter().enumerate().map(|(i, r)| r.wall.as_secs_f64() / b(i).as_secs_f64()).collect::<Vec<_>>())
    };
    println!("apply / acknowledgement:         {:.2}", over(&applies, &|i| acknowledged[i]));
    println!("apply / until all is shown:      {:.2}", over(&applies, &|i| creates[i]));
    println!("deletion / acknowledgement:      {:.2}", over(&destroys, &|i| deletes[i]));
    println!("plan / bare client:              {:.2}", over(&plans, &|i| reads[i]));
    println!("plan / (bare client + validate): {:.2}", over(&plans, &|i| reads[i] + parses[i].wall));
}

fn bare(name: &str, times: &[Duration]) {
    println!("{name:<44} {:>9.1} ms wall", median(times).as_secs_f64() * 1000.0);
}

fn connection(dir: &Path) -> KafkaConnection {
    let out = Command::new(env!("CARGO_BIN_EXE_streamform")).args(["output", "-json", "admin"]).current_dir(dir).output().expect("runs");
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let text = |name: &str| json[name].as_str().filter(|s| !s.is_empty()).map(str::to_string);
    KafkaConnection {
        bootstrap_servers: text("bootstrap_servers").expect("addresses").split(',').map(str::to_string).collect(),
        protocol: if text("security_protocol").as_deref() == Some("SSL") { SecurityProtocol::Ssl } else { SecurityProtocol::Plaintext },
        ca_file: text("ca_file").map(Into::into),
        certificate_file: text("certificate_file").map(Into::into),
        key_file: text("key_file").map(Into::into),
        mechanism: None,
        username: None,
        password: None,
        insecure_skip_verify: false,
        cluster_id: None,
    }
}

fn client(connection: &KafkaConnection) -> Admin {
    Admin::with_connect_timeout(connection.clone(), RequestCounter::default(), Duration::from_secs(10)).expect("a client")
}

fn acls(n: usize) -> Vec<AclBinding> {
    let acl = |i: usize| AclBinding {
        resource: AclResource::Topic,
        name: format!("bare-{i}"),
        pattern: AclPattern::Literal,
        principal: format!("User:bare-{i}"),
        host: "*".into(),
        operation: AclOperation::Read,
        permission: AclPermission::Allow,
    };
    (0..n).map(acl).collect()
}

/// From nothing to all created, the connection included: until the broker shows it, and until all is acknowledged. Apply waits for the second only.
async fn create(connection: &KafkaConnection, n: usize) -> (Duration, Duration) {
    let began = Instant::now();
    let admin = client(connection);
    let topic = |i: usize| NewTopic {
        name: format!("bare-{i}"),
        partitions: 1,
        replication: 1,
        assignments: None,
        config: BTreeMap::from([("retention.ms".into(), "3600000".into())]),
    };
    let topics: Vec<NewTopic> = (0..n).map(topic).collect();
    let acls = acls(n);
    let (made, allowed) = tokio::join!(admin.create_topics(&topics, false), admin.create_acls(&acls));
    let acknowledged = began.elapsed();
    let (made, allowed) = (made.expect("topics"), allowed.expect("ACLs"));
    assert!(made.iter().all(Result::is_ok) && allowed.iter().all(Result::is_ok), "everything was created");
    until_shown(&admin, "bare-", n).await;
    (began.elapsed(), acknowledged)
}

/// Waits until the broker shows so many topics and ACLs whose names begin so.
async fn until_shown(admin: &Admin, prefix: &str, n: usize) {
    while admin.metadata().await.expect("metadata").topics.keys().filter(|t| t.starts_with(prefix)).count() != n {
        tokio::time::sleep(PAUSE).await;
    }
    while admin.describe_acls().await.expect("ACLs").iter().filter(|a| a.name.starts_with(prefix)).count() != n {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// From a connection to the acknowledgement that all is deleted.
async fn delete(connection: &KafkaConnection, n: usize) -> Duration {
    let began = Instant::now();
    let admin = client(connection);
    let names: Vec<String> = (0..n).map(|i| format!("bare-{i}")).collect();
    let acls = acls(n);
    let (gone, revoked) = tokio::join!(admin.delete_topics(&names), admin.delete_acls(&acls));
    let took = began.elapsed();
    assert!(gone.expect("topics").iter().all(Result::is_ok) && revoked.expect("ACLs").iter().all(Result::is_ok), "everything was deleted");
    until_shown(&admin, "bare-", 0).await;
    took
}

/// From nothing to all read, the connection included.
async fn read(connection: &KafkaConnection, n: usize) -> Duration {
    let began = Instant::now();
    let admin = client(connection);
    let topics: Vec<ConfigResource> = (0..n).map(|i| ConfigResource::Topic(format!("own-{i}"))).collect();
    let found = admin.metadata().await.expect("metadata");
    let configs = admin.describe_configs(&topics).await.expect("configs");
    let acls = admin.describe_acls().await.expect("ACLs");
    let took = began.elapsed();
    assert!(found.topics.len() >= n && configs.iter().all(Result::is_ok) && acls.len() >= n, "everything was there");
    took
}
