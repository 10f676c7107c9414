//! Runs that are killed, on real systems: topics, ACLs, users, Connect clusters, secrets and connectors.
//!
//! A case applies one configuration, applies another one with `STREAMFORM_TEST_KILL` (see `src/kill.rs`), which ends that run at one
//! request, and then applies the first configuration, the second again, one without the object, or a third one. After that the real system
//! holds exactly what the configuration says, the next plan is empty, and destroying leaves nothing behind.
//!
//! A dozen cases run by default. With `STREAMFORM_LONG=1` all of them do, and their counts are printed: `tests/run --long`.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Lab, Screen, real};
use streamform::client::connect::{ConnectClient, ConnectConnection, Patience};
use streamform::client::kafka::{
    Admin, ConfigOp, ConfigResource, ConfigSource, KafkaConnection, RequestCounter, SaslMechanism, SecurityProtocol,
};
use streamform::engine::local::broker::Cluster;
use streamform::engine::local::connect::ConnectCluster;
use streamform::engine::local::jars;

/// What a real system holds of one object, as lines.
type Content = BTreeSet<String>;

/// The objects that are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A topic whose settings change.
    Topic,
    /// A topic whose number of partitions changes.
    Grown,
    /// A topic whose replicas move, on three brokers.
    Moved,
    /// A `kafka_acl` that gains and loses bindings.
    Acl,
    /// A SCRAM user of a local cluster whose password changes. The cluster stays.
    User,
    /// A local cluster with its first users.
    Cluster,
    /// A local Connect cluster on a Kafka cluster that stays.
    Workers,
    /// A secret that gains, loses and changes files.
    Secret,
    /// A connector whose configuration changes.
    Connector,
    /// A connector that is paused from its creation on.
    Paused,
    /// A connector that runs first and is paused then.
    Halted,
}

/// What a configuration says of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Absent,
    First,
    Second,
    Third,
}

use Form::{Absent, First, Second, Third};

/// What the killed run was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Create,
    Update,
    Delete,
}

/// The configuration after the kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The one before the killed run.
    Back,
    /// The one of the killed run.
    Again,
    /// One without the object.
    Removed,
    /// A third one.
    Other,
}

/// A request of a verb at which a run is killed.
#[derive(Clone, Copy, Debug)]
struct Point {
    kind: Kind,
    verb: Verb,
    request: &'static str,
    /// Whether the verb sends no other request, so that its effect is either nothing or all.
    sole: bool,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    point: Point,
    moment: &'static str,
    next: Next,
}

const fn point(kind: Kind, verb: Verb, request: &'static str, sole: bool) -> Point {
    Point { kind, verb, request, sole }
}

const TOPICS: &[Point] = &[
    point(Kind::Topic, Verb::Create, "kafka:CreateTopics:1", true),
    point(Kind::Topic, Verb::Update, "kafka:IncrementalAlterConfigs:1", true),
    point(Kind::Topic, Verb::Delete, "kafka:DeleteTopics:1", true),
    point(Kind::Grown, Verb::Update, "kafka:CreatePartitions:1", true),
];
const MOVES: &[Point] = &[point(Kind::Moved, Verb::Update, "kafka:AlterPartitionReassignments:1", false)];
const ACLS: &[Point] = &[
    point(Kind::Acl, Verb::Create, "kafka:CreateAcls:1", true),
    point(Kind::Acl, Verb::Update, "kafka:CreateAcls:1", false),
    point(Kind::Acl, Verb::Update, "kafka:DeleteAcls:1", false),
    point(Kind::Acl, Verb::Delete, "kafka:DeleteAcls:1", true),
];
const USERS: &[Point] = &[
    point(Kind::User, Verb::Create, "kafka:AlterUserScramCredentials:1", true),
    point(Kind::User, Verb::Update, "kafka:AlterUserScramCredentials:1", true),
    point(Kind::User, Verb::Delete, "kafka:AlterUserScramCredentials:1", true),
];
const CLUSTERS: &[Point] = &[point(Kind::Cluster, Verb::Create, "kafka:AlterUserScramCredentials:1", false)];
// Topics come before the layout.
const WORKERS: &[Point] = &[point(Kind::Workers, Verb::Create, "kafka:CreateTopics:1", false)];
const SECRETS: &[Point] = &[
    point(Kind::Secret, Verb::Create, "file:write:1", false),
    point(Kind::Secret, Verb::Create, "file:write:2", false),
    point(Kind::Secret, Verb::Update, "file:remove:1", false),
    point(Kind::Secret, Verb::Update, "file:write:1", false),
    point(Kind::Secret, Verb::Update, "file:write:2", false),
    point(Kind::Secret, Verb::Delete, "file:remove:1", false),
    point(Kind::Secret, Verb::Delete, "file:remove:2", false),
];
const CONNECTORS: &[Point] = &[
    point(Kind::Connector, Verb::Create, "connect:PUT:1", true),
    point(Kind::Connector, Verb::Update, "connect:PUT:1", true),
    point(Kind::Connector, Verb::Delete, "connect:DELETE:1", true),
    point(Kind::Paused, Verb::Create, "connect:POST:1", true),
    point(Kind::Halted, Verb::Update, "connect:PUT:1", false),
    point(Kind::Halted, Verb::Update, "connect:PUT:2", false),
];

impl Point {
    fn before(&self) -> Form {
        if self.verb == Verb::Create { Absent } else { First }
    }

    fn killed(&self) -> Form {
        if self.verb == Verb::Delete { Absent } else { Second }
    }

    fn after(&self, next: Next) -> Form {
        match next {
            Next::Back => self.before(),
            Next::Again => self.killed(),
            Next::Removed => Absent,
            Next::Other => Third,
        }
    }

    /// All cases of this point whose last configurations differ.
    fn cases(&self) -> Vec<Case> {
        let mut cases = vec![];
        // The removal of a file is one call of the system: it is not sent first.
        for moment in ["before", "sent", "answered"].into_iter().filter(|m| *m != "sent" || !self.request.starts_with("file:remove")) {
            let same = |a: Next, b: Next| self.after(a) == self.after(b);
            let nexts = [Next::Back, Next::Again, Next::Removed, Next::Other];
            let distinct = nexts.iter().enumerate().filter(|(i, n)| !nexts[..*i].iter().any(|m| same(*m, **n)));
            cases.extend(distinct.map(|(_, next)| Case { point: *self, moment, next: *next }));
        }
        cases
    }
}

fn data(label: &str, servers: &str) -> String {
    format!("data \"kafka_cluster\" \"{label}\" {{\n  bootstrap_servers = \"{servers}\"\n}}\n")
}

fn map(pairs: &[(&str, String)]) -> String {
    pairs.iter().map(|(k, v)| format!("    \"{k}\" = \"{v}\"\n")).collect()
}

fn lines(content: &[&str]) -> Content {
    content.iter().map(|l| l.to_string()).collect()
}

/// One object: a name that nothing else has, and the folder that configures it.
struct Object {
    kind: Kind,
    name: String,
    lab: &'static Lab,
}

/// The folder of the cluster whose users are changed. The cluster starts with the first case.
fn home() -> &'static Lab {
    static ONE: OnceLock<Lab> = OnceLock::new();
    ONE.get_or_init(|| Lab::within(&real::watched(), ""))
}

impl Object {
    fn new(kind: Kind) -> Object {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        let name = format!("kill{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        // Leaked: a folder is small, and an object that cannot be destroyed is looked at afterwards.
        let lab = if kind == Kind::User { home() } else { Box::leak(Box::new(Lab::within(folders(), ""))) };
        Object { kind, name, lab }
    }

    /// Partitions, replicas and settings of a topic.
    fn topic(&self, form: Form) -> (i32, usize, &'static [(&'static str, &'static str)]) {
        match (self.kind, form) {
            (Kind::Topic, First) => (1, 1, &[("retention.ms", "1000000")]),
            (Kind::Topic, Second) => (1, 1, &[("cleanup.policy", "compact"), ("retention.ms", "2000000")]),
            (Kind::Topic, _) => (1, 1, &[("max.message.bytes", "3000"), ("retention.ms", "1000000")]),
            (Kind::Grown, First) => (1, 1, &[]),
            (Kind::Grown, Second) => (3, 1, &[]),
            (Kind::Grown, _) => (5, 1, &[]),
            // Without this setting one replica is too few for three brokers' default.
            (_, First) => (2, 1, &[("min.insync.replicas", "1")]),
            (_, Second) => (2, 3, &[("min.insync.replicas", "1")]),
            _ => (2, 2, &[("min.insync.replicas", "1")]),
        }
    }

    fn operations(form: Form) -> &'static [&'static str] {
        match form {
            Absent => &[],
            First => &["DESCRIBE", "READ"],
            Second => &["DELETE", "DESCRIBE", "WRITE"],
            Third => &["ALTER"],
        }
    }

    fn password(&self, form: Form) -> Option<String> {
        (form != Absent).then(|| format!("{}-{form:?}", self.name))
    }

    fn files(form: Form) -> &'static [(&'static str, &'static str)] {
        match form {
            Absent => &[],
            First => &[("a", "1"), ("b", "1")],
            Second => &[("b", "2"), ("c", "2")],
            Third => &[("d", "3")],
        }
    }

    /// State and configuration of a connector.
    fn connector(&self, form: Form) -> (&'static str, Vec<(&'static str, String)>) {
        let paused = self.kind == Kind::Paused || self.kind == Kind::Halted && form == Second;
        let batch = match form {
            First => "100",
            Second => "200",
            _ => "300",
        };
        let pairs = vec![("batch.size", batch.into()), ("file", "/dev/null".into()), ("topic", self.name.clone())];
        (if paused { "paused" } else { "running" }, pairs)
    }

    /// The configuration.
    fn text(&self, form: Form) -> String {
        let name = &self.name;
        let (head, block) = match self.kind {
            Kind::Topic | Kind::Grown | Kind::Moved => {
                let (partitions, replicas, settings) = self.topic(form);
                let settings: Vec<_> = settings.iter().map(|(k, v)| (*k, v.to_string())).collect();
                let block = format!(
                    "resource \"kafka_topic\" \"x\" {{\n  cluster = data.kafka_cluster.c\n  name = \"{name}\"\n  partitions = {partitions}\n  \
                     replication_factor = {replicas}\n  deletion_protection = false\n  config = {{\n{}  }}\n  timeouts {{\n    update = \"60s\"\n  }}\n}}\n",
                    map(&settings)
                );
                (data("c", &real::lab(if self.kind == Kind::Moved { "three" } else { "plaintext" })), block)
            }
            Kind::Acl => {
                let operations = Self::operations(form).iter().map(|o| format!("\"{o}\"")).collect::<Vec<_>>().join(", ");
                let block = format!(
                    "resource \"kafka_acl\" \"x\" {{\n  cluster = data.kafka_cluster.c\n  principal = \"User:{name}\"\n  \
                     rule {{\n    operations = [{operations}]\n    topic = \"{name}\"\n  }}\n}}\n"
                );
                (data("c", &real::lab("plaintext")), block)
            }
            Kind::User | Kind::Cluster => {
                let user = self.password(form).map(|p| format!("    {name} = \"{p}\"\n")).unwrap_or_default();
                // The user who stays keeps the brokers' settings alike: with the first user they would be restarted.
                let cluster = format!(
                    "resource \"kafka_cluster\" \"k\" {{\n  deletion_protection = false\n  heap = \"-Xms48m -Xmx320m\"\n  \
                     users = {{\n    stays = \"stays\"\n{user}  }}\n  listener \"scram\" {{\n    authentication = \"scram\"\n    tls = false\n  }}\n}}\n"
                );
                if self.kind == Kind::User {
                    return cluster;
                }
                (String::new(), cluster)
            }
            Kind::Workers => {
                let block = format!(
                    "resource \"kafka_connect\" \"x\" {{\n  cluster = data.kafka_cluster.c\n  name = \"{name}\"\n  \
                     heap_opts = \"-Xms48m -Xmx{}m\"\n}}\n",
                    if form == Third { 321 } else { 320 }
                );
                (data("c", &real::lab("plaintext")), block)
            }
            Kind::Secret => {
                let files: Vec<_> = Self::files(form).iter().map(|(k, v)| (*k, v.to_string())).collect();
                (String::new(), format!("resource \"secret\" \"x\" {{\n  name = \"{name}\"\n  data = {{\n{}  }}\n}}\n", map(&files)))
            }
            Kind::Connector | Kind::Paused | Kind::Halted => {
                let (state, pairs) = self.connector(form);
                let block = format!(
                    "resource \"kafka_connector\" \"x\" {{\n  connect = data.kafka_connect.c\n  name = \"{name}\"\n  \
                     class = \"FileStreamSource\"\n  state = \"{state}\"\n  config = {{\n{}  }}\n}}\n",
                    map(&pairs)
                );
                (format!("data \"kafka_connect\" \"c\" {{\n  url = \"{}\"\n}}\n", real::connect().url()), block)
            }
        };
        if form == Absent { head } else { head + &block }
    }

    /// What the real system holds after this configuration was applied.
    fn wanted(&self, form: Form) -> Content {
        let name = &self.name;
        if form == Absent {
            return Content::new();
        }
        match self.kind {
            Kind::Topic | Kind::Grown | Kind::Moved => {
                let (partitions, replicas, settings) = self.topic(form);
                let partitions = (0..partitions).map(|p| format!("partition {p} has {replicas} replicas"));
                partitions.chain(settings.iter().map(|(k, v)| format!("{k} = {v}"))).collect()
            }
            Kind::Acl => {
                let binding = |o: &&str| format!("ALLOW User:{name} {o} on topic literal {name} from *");
                Self::operations(form).iter().map(binding).collect()
            }
            Kind::User => lines(&["has a credential", &format!("logs in with {}", self.password(form).unwrap())]),
            Kind::Workers => {
                ["configs", "offsets", "status"].iter().map(|t| format!("topic _connect-{name}-{t}")).chain(["1 worker".into()]).collect()
            }
            Kind::Cluster => lines(&["folder", "has a credential", &format!("logs in with {}", self.password(form).unwrap())]),
            Kind::Secret => {
                let files = Self::files(form).iter().map(|(k, v)| format!("{name}/{k} = {v}"));
                files.chain([format!("{name}/")]).collect()
            }
            Kind::Connector | Kind::Paused | Kind::Halted => {
                let (state, pairs) = self.connector(form);
                let fixed = [("connector.class", "FileStreamSource".into()), ("tasks.max", "1".into())];
                let pairs = pairs.into_iter().chain(fixed).map(|(k, v)| format!("{k} = {v}"));
                pairs.chain([format!("state {}", state.to_uppercase())]).collect()
            }
        }
    }

    /// What the real system holds now.
    fn found(&self) -> Content {
        match self.kind {
            Kind::Topic | Kind::Grown => self.found_topic(&real::kafka().admin()),
            Kind::Moved => self.found_topic(&real::trio().admin()),
            Kind::Acl => {
                let all = real::wait(async { real::kafka().admin().describe_acls().await }).unwrap();
                let principal = format!("User:{}", self.name);
                all.iter().filter(|b| b.principal == principal).map(ToString::to_string).collect()
            }
            Kind::User | Kind::Cluster => self.found_user(),
            Kind::Workers => {
                let metadata = real::wait(async { real::kafka().admin().metadata().await }).unwrap();
                let own = format!("_connect-{}-", self.name);
                let mut content: Content = metadata.topics.keys().filter(|t| t.starts_with(&own)).map(|t| format!("topic {t}")).collect();
                let data = self.lab.path().join(".streamform");
                let cluster = ConnectCluster::at(&data, &self.name);
                match cluster.layout().unwrap() {
                    Some(layout) => drop(content.insert(format!("{} worker", cluster.running(&layout).unwrap().len()))),
                    None if data.join("connect").exists() => drop(content.insert("folder".into())),
                    None => {}
                }
                content
            }
            Kind::Secret => {
                let mut content = Content::new();
                walk(&self.lab.path().join(".streamform/secrets"), "", &mut content);
                content
            }
            Kind::Connector | Kind::Paused | Kind::Halted => {
                let client = ConnectClient::new(&ConnectConnection::to_url(real::connect().url()), Default::default()).unwrap();
                let all = real::wait(async { client.connectors(&Patience::quiet(Duration::from_secs(20))).await }).unwrap();
                let Some(connector) = all.get(&self.name) else { return Content::new() };
                let config: &BTreeMap<String, String> = &connector.info.config;
                let config = config.iter().filter(|(k, _)| *k != "name").map(|(k, v)| format!("{k} = {v}"));
                config.chain([format!("state {}", connector.status.connector.state)]).collect()
            }
        }
    }

    fn found_topic(&self, admin: &Admin) -> Content {
        let metadata = real::wait(async { admin.metadata().await }).unwrap();
        let mut content = Content::new();
        let topic = metadata.topics.get(&self.name);
        let partitions = topic.iter().flat_map(|t| &t.partitions);
        content.extend(partitions.map(|p| format!("partition {} has {} replicas", p.id, p.replicas.len())));
        let mut resources: Vec<_> = topic.map(|t| ConfigResource::Topic(t.name.clone())).into_iter().collect();
        if self.kind == Kind::Moved {
            // A move limits the brokers for its time.
            resources.extend(metadata.cluster.brokers.iter().map(|b| ConfigResource::Broker(b.id)));
        }
        let entries = real::wait(async { admin.describe_configs(&resources).await }).unwrap();
        let own = entries
            .into_iter()
            .flat_map(Result::unwrap_or_default)
            .filter(|e| matches!(e.source, ConfigSource::DynamicTopic | ConfigSource::DynamicBroker));
        content.extend(own.map(|e| format!("{} = {}", e.name, e.value.unwrap_or_default())));
        let moves = real::wait(async { admin.list_reassignments().await }).unwrap();
        content.extend(moves.iter().filter(|m| m.topic == self.name).map(|m| format!("partition {} moves", m.partition)));
        content
    }

    fn found_user(&self) -> Content {
        let mut content = Content::new();
        let cluster = Cluster::at(&self.lab.path().join(".streamform"), "k");
        if self.kind == Kind::Cluster && cluster.dir().exists() {
            content.insert("folder".into());
        }
        let Some(layout) = cluster.layout().unwrap() else { return content };
        let admin = |connection: KafkaConnection| {
            Admin::with_connect_timeout(connection, RequestCounter::default(), Duration::from_secs(10)).unwrap()
        };
        let known = admin(cluster.connection(&layout));
        if real::wait(async { known.describe_scram(&[]).await }).unwrap().contains_key(&self.name) {
            content.insert("has a credential".into());
        }
        for password in [First, Second, Third].iter().filter_map(|f| self.password(*f)) {
            let login = admin(KafkaConnection {
                bootstrap_servers: layout.addresses("SCRAM").split(',').map(str::to_string).collect(),
                protocol: SecurityProtocol::SaslPlaintext,
                mechanism: Some(SaslMechanism::ScramSha512),
                username: Some(self.name.clone()),
                password: Some(password.clone()),
                ..KafkaConnection::default()
            });
            if real::wait(async { login.describe_cluster().await }).is_ok() {
                content.insert(format!("logs in with {password}"));
            }
        }
        content
    }

    /// Compares what the real system holds with what it should hold. Brokers and workers follow their answers a moment later.
    fn holds(&self, form: Form) -> Result<(), String> {
        let wanted = self.wanted(form);
        let began = Instant::now();
        loop {
            let found = self.found();
            if found == wanted {
                return Ok(());
            }
            if began.elapsed() > Duration::from_secs(6) {
                let of = |a: &Content, b: &Content| a.difference(b).cloned().collect::<Vec<_>>().join("; ");
                return Err(format!("too much: [{}], missing: [{}]", of(&found, &wanted), of(&wanted, &found)));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Whether the real system shows within a second that it holds something else.
    fn has_left(&self, form: Form) -> bool {
        let (wanted, began) = (self.wanted(form), Instant::now());
        while began.elapsed() < Duration::from_secs(1) {
            if self.found() != wanted {
                return true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        false
    }

    fn run(&self, line: &str) -> Result<Screen, String> {
        let screen = common::screen(&self.command(line).output().unwrap());
        if screen.code == 0 { Ok(screen) } else { Err(format!("`{line}`:\n{}", screen.text)) }
    }

    fn command(&self, line: &str) -> std::process::Command {
        let mut command = self.lab.command(line.split_whitespace());
        command.env("STREAMFORM_CACHE", jars::cache_dir());
        command
    }

    fn apply(&self, form: Form) -> Result<(), String> {
        self.lab.write("main.hcl", &self.text(form));
        self.run("apply -auto-approve -allow-data-loss").map(drop)
    }

    /// Applies a configuration that must be refused with this code.
    fn refuses(&self, form: Form, code: &str) -> Result<(), String> {
        self.lab.write("main.hcl", &self.text(form));
        let screen = common::screen(&self.command("apply -auto-approve -allow-data-loss").output().unwrap());
        if screen.code == 1 && screen.text.contains(code) { Ok(()) } else { Err(format!("not refused with {code}:\n{}", screen.text)) }
    }

    /// Applies a configuration and is killed at a request.
    fn apply_killed(&self, form: Form, aim: &str) -> Result<(), String> {
        self.lab.write("main.hcl", &self.text(form));
        let output = self.command("apply -auto-approve -allow-data-loss").env("STREAMFORM_TEST_KILL", aim).output().unwrap();
        match output.status.signal() {
            Some(9) => Ok(()),
            _ => Err(format!("{aim} was not reached:\n{}", common::screen(&output).text)),
        }
    }
}

/// The folder in which the cases have theirs. It goes with the test binary.
fn folders() -> &'static Path {
    static ONE: OnceLock<std::path::PathBuf> = OnceLock::new();
    ONE.get_or_init(real::watched)
}

/// Lifts what a failed case has left of limits, so that the next case starts without.
fn free_brokers() {
    let admin = real::trio().admin();
    let keys = ["leader.replication.throttled.rate", "follower.replication.throttled.rate"];
    for broker in 1..=3 {
        let change = (ConfigResource::Broker(broker), keys.iter().map(|k| ConfigOp::Delete(k.to_string())).collect());
        real::wait(async { admin.incremental_alter_configs(&[change], false).await }).unwrap().remove(0).unwrap();
    }
}

/// All files and folders below a folder.
fn walk(dir: &Path, prefix: &str, content: &mut Content) {
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_string_lossy());
        if path.is_dir() {
            content.insert(format!("{name}/"));
            walk(&path, &format!("{name}/"), content);
        } else {
            content.insert(format!("{name} = {}", std::fs::read_to_string(&path).unwrap()));
        }
    }
}

impl Case {
    /// Plays the case, and notes whether the killed request had an effect.
    fn play(&self, effect: &mut bool) -> Result<(), String> {
        let Case { point, moment, next } = *self;
        let object = Object::new(point.kind);
        if point.kind == Kind::Moved {
            free_brokers();
        }
        if point.before() != Absent || point.kind == Kind::User {
            object.apply(point.before()).map_err(|e| format!("before: {e}"))?;
            object.holds(point.before()).map_err(|e| format!("before: {e}"))?;
        }
        object.apply_killed(point.killed(), &format!("{}:{moment}", point.request))?;
        // The run ended where it should have.
        *effect = match (point.sole, moment) {
            (true, "before") => object.holds(point.before()).map(|()| false).map_err(|e| format!("nothing was sent, and yet: {e}"))?,
            (true, "answered") => object.holds(point.killed()).map(|()| true).map_err(|e| format!("it was answered, and yet: {e}"))?,
            _ => object.has_left(point.before()),
        };
        let form = point.after(next);
        if point.kind == Kind::Grown && next == Next::Back && *effect {
            // Kafka takes no partitions away.
            object.refuses(form, "SF6103")?;
            object.holds(point.killed()).map_err(|e| format!("after the refused apply: {e}"))?;
        } else {
            object.apply(form)?;
            object.holds(form).map_err(|e| format!("after the next apply: {e}"))?;
            object.run("plan -detailed-exitcode").map_err(|e| format!("the next plan is not empty: {e}"))?;
        }
        match point.kind {
            Kind::User => object.apply(Absent)?,
            _ => object.run("destroy -auto-approve -allow-data-loss").map(drop)?,
        }
        object.holds(Absent).map_err(|e| format!("after destroying: {e}"))
    }
}

/// Plays one case of the default suite.
#[track_caller]
fn one(point: Point, moment: &'static str, next: Next) {
    let _alone = real::alone();
    if let Err(e) = (Case { point, moment, next }).play(&mut false) {
        panic!("{point:?} {moment} {next:?}: {e}");
    }
}

/// Plays all cases of these points in a long run, and prints their counts.
fn all(points: &[Point]) {
    if std::env::var_os("STREAMFORM_LONG").is_none_or(|v| v != "1") {
        return;
    }
    let _alone = real::alone();
    let mut failures = vec![];
    for point in points {
        let (cases, mut failed, mut sent, mut effects) = (point.cases(), 0, 0, 0);
        for case in &cases {
            let mut effect = false;
            if let Err(e) = case.play(&mut effect) {
                failed += 1;
                failures.push(format!("{:?} {:?} {}:{} then {:?}: {e}", point.kind, point.verb, point.request, case.moment, case.next));
            }
            if case.moment == "sent" {
                (sent, effects) = (sent + 1, effects + usize::from(effect));
            }
        }
        let Point { kind, verb, request, .. } = point;
        println!("{kind:?} {verb:?} {request}: {} kills, {failed} failed; {effects} of {sent} sent requests had an effect", cases.len());
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_topic_whose_creation_was_not_answered() {
    one(TOPICS[0], "sent", Next::Other);
}

#[test]
fn a_topic_whose_settings_were_changed_and_are_put_back() {
    one(TOPICS[1], "answered", Next::Back);
}

#[test]
fn bindings_that_were_added_and_are_taken_back() {
    one(ACLS[1], "answered", Next::Back);
}

#[test]
fn bindings_that_were_to_be_deleted_and_change() {
    one(ACLS[3], "before", Next::Other);
}

#[test]
fn a_user_who_was_added_and_is_taken_back() {
    one(USERS[0], "sent", Next::Back);
}

#[test]
fn a_password_that_was_changed_and_is_put_back() {
    one(USERS[1], "answered", Next::Back);
}

#[test]
fn workers_whose_topics_were_created_and_are_taken_back() {
    one(WORKERS[0], "answered", Next::Removed);
}

#[test]
fn workers_whose_topics_were_created_and_are_started() {
    one(WORKERS[0], "answered", Next::Again);
}

#[test]
fn a_secret_whose_creation_was_killed_and_is_taken_back() {
    one(SECRETS[1], "sent", Next::Removed);
}

#[test]
fn a_secret_whose_files_were_changed_and_are_put_back() {
    one(SECRETS[4], "answered", Next::Back);
}

#[test]
fn a_connector_that_was_not_created_yet_and_is_again() {
    one(CONNECTORS[0], "before", Next::Again);
}

#[test]
fn a_connector_that_was_changed_and_is_put_back() {
    one(CONNECTORS[1], "answered", Next::Back);
}

#[test]
fn long_all_topics() {
    all(TOPICS);
}

#[test]
fn long_all_moves() {
    all(MOVES);
}

#[test]
fn long_all_acls() {
    all(ACLS);
}

#[test]
fn long_all_users() {
    all(USERS);
}

#[test]
fn long_all_clusters() {
    all(CLUSTERS);
}

#[test]
fn long_all_workers() {
    all(WORKERS);
}

#[test]
fn long_all_secrets() {
    all(SECRETS);
}

#[test]
fn long_all_connectors() {
    all(CONNECTORS);
}
