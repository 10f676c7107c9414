//! `kafka_topic`, `kafka_acl` and `data kafka_cluster` against a real Kafka.
//!
//! [`common::real`] says which cluster that is.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::real;
use streamform::addr::{InstanceAddr, InstanceKey, Mode, ResourceAddr};
use streamform::diag::{Diagnostics, Severity};
use streamform::resource::kafka_acl::KafkaAcl;
use streamform::resource::kafka_cluster_data::KafkaClusterData;
use streamform::resource::kafka_topic::KafkaTopic;
use streamform::resource::{Observed, PlanInput, PlanOutput, Private, Progress, ReadRequest, ResourceType, Session, StepRequest, Verb};
use streamform::target::kafka::{AclBinding, Admin, ConfigEntry, ConfigOp, ConfigResource, KafkaPool};
use streamform::value::{Type, Value};

struct Silent;

impl Progress for Silent {
    fn note(&self, _: &InstanceAddr, _: &str) {}
}

fn servers() -> String {
    real::lab("plaintext")
}

fn session() -> Session {
    Session::new(std::env::temp_dir(), std::env::temp_dir(), Arc::new(Silent))
}

fn addr(kind: &str, i: usize) -> InstanceAddr {
    ResourceAddr::root(Mode::Managed, kind, "t").instance(Some(InstanceKey::Int(i as u64)))
}

/// A name that no other test or run uses.
fn unique(what: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    format!("sf-{what}-{now}")
}

async fn cluster(cx: &Session, servers: &str) -> Value {
    let config =
        Value::object_from([("bootstrap_servers", Value::from(servers)), ("tls", Value::null_dynamic()), ("sasl", Value::null_dynamic())]);
    let addr = ResourceAddr::root(Mode::Data, "kafka_cluster", "live").instance(None);
    let read = KafkaClusterData.read(cx, vec![ReadRequest::new(addr.clone(), config, Private::Null)]).await;
    let Ok(Observed::Present(value, ..)) = read.into_iter().next().unwrap() else { panic!("no cluster") };
    Value::object_of(value.as_map().unwrap().clone(), Some(Arc::new(addr)))
}

fn config(pairs: &[(&str, &str)]) -> Value {
    Value::map(Type::String, pairs.iter().map(|(k, v)| ((*k).into(), Value::from(*v))).collect())
}

fn topic(cluster: &Value, name: &str, partitions: i64, replicas: i64, pairs: &[(&str, &str)]) -> Value {
    Value::object_from([
        ("cluster", cluster.clone()),
        ("name", name.into()),
        ("partitions", partitions.into()),
        ("replication_factor", replicas.into()),
        ("config", config(pairs)),
        ("deletion_protection", true.into()),
        ("reassignment_throttle", Value::null(Type::Number)),
        ("topic_id", Value::unknown(Type::String)),
        ("moving", Value::unknown(Type::Bool)),
    ])
}

fn acl(cluster: &Value, principal: &str, topic: &str) -> Value {
    let role = Value::object_from([("name", Value::from("sink")), ("topic", topic.into())]);
    Value::object_from([
        ("cluster", cluster.clone()),
        ("principal", principal.into()),
        ("host", "*".into()),
        ("permission", "allow".into()),
        ("bindings", Value::unknown(Type::list(Type::String))),
        ("role", Value::list(Type::Dynamic, vec![role])),
        ("rule", Value::list(Type::Dynamic, vec![])),
    ])
}

/// What the engine does with one type: plan, apply, and the objects with their private parts afterwards.
struct World<'a> {
    cx: &'a Session,
    kind: &'static dyn ResourceType,
}

type Objects = Vec<(Value, Private)>;

impl World<'_> {
    fn plan(&self, prior: Option<&(Value, Private)>, config: &Value) -> PlanOutput {
        let null = Private::Null;
        // As the engine proposes: what is computed comes from the prior object.
        let mut attrs = config.as_map().unwrap().clone();
        if let Some((prior, _)) = prior {
            for (k, v) in attrs.iter_mut().filter(|(_, v)| !v.is_known()) {
                *v = prior.get(k).unwrap();
            }
        }
        let a = addr("x", 0);
        self.kind.plan(PlanInput::new(&a, prior.map(|p| &p.0), prior.map_or(&null, |p| &p.1), config, Value::object(attrs)))
    }

    fn step(&self, i: usize, prior: Option<&(Value, Private)>, planned: Option<Value>) -> StepRequest {
        StepRequest {
            addr: addr("x", i),
            prior: prior.map(|p| p.0.clone()),
            planned,
            private: prior.map_or(Private::Null, |p| p.1.clone()),
            timeout: Duration::from_secs(60),
            begun: false,
            ops: vec![],
        }
    }

    async fn create(&self, configs: &[Value]) -> Objects {
        let steps = configs.iter().enumerate().map(|(i, c)| self.step(i, None, Some(self.plan(None, c).planned))).collect();
        self.objects(Verb::Create, steps).await
    }

    async fn update(&self, prior: &Objects, configs: &[Value]) -> Objects {
        let steps =
            prior.iter().zip(configs).enumerate().map(|(i, (p, c))| self.step(i, Some(p), Some(self.plan(Some(p), c).planned))).collect();
        self.objects(Verb::Update, steps).await
    }

    async fn objects(&self, verb: Verb, steps: Vec<StepRequest>) -> Objects {
        let planned: Vec<_> = steps.iter().map(|s| s.planned.clone()).collect();
        let results = self.kind.apply(self.cx, verb, steps).await;
        let each = results.into_iter().zip(planned).map(|(r, planned)| {
            assert!(r.error.is_none(), "{:?}", r.error);
            let object = r.object.unwrap();
            assert!(object.0.is_wholly_known());
            agrees(&planned.unwrap(), &object.0);
            object
        });
        each.collect()
    }

    async fn delete(&self, objects: &Objects) {
        let steps = objects.iter().enumerate().map(|(i, o)| self.step(i, Some(o), None)).collect();
        for r in self.kind.apply(self.cx, Verb::Delete, steps).await {
            assert!(r.error.is_none() && r.object.is_none(), "{:?}", r.error);
        }
    }

    async fn read(&self, objects: &Objects) -> Vec<Option<(Value, Private)>> {
        let request = |(i, o): (usize, &(Value, Private))| ReadRequest::new(addr("x", i), o.0.clone(), o.1.clone());
        let found = self.kind.read(self.cx, objects.iter().enumerate().map(request).collect()).await;
        found
            .into_iter()
            .map(|r| match r.unwrap() {
                Observed::Present(v, p, _) => Some((v, p)),
                Observed::Absent => None,
            })
            .collect()
    }

    async fn probe(&self, prior: Option<&(Value, Private)>, config: &Value) -> Diagnostics {
        let step = self.step(0, prior, Some(self.plan(prior, config).planned));
        self.kind.probe(self.cx, vec![step]).await.remove(0)
    }
}

/// What was planned and known came about.
fn agrees(planned: &Value, done: &Value) {
    for (k, v) in planned.as_map().unwrap().iter().filter(|(_, v)| v.is_wholly_known()) {
        assert_eq!(Some(v), done.get(k).as_ref(), "attribute {k}");
    }
}

fn requests(cx: &Session) -> BTreeMap<String, u64> {
    cx.pool::<KafkaPool>().requests()
}

async fn admin(cx: &Session, cluster: &Value) -> Arc<Admin> {
    let connection = streamform::target::kafka::KafkaConnection::from_value(&cluster.get("admin").unwrap()).unwrap().unwrap();
    cx.pool::<KafkaPool>().admin(&connection).unwrap()
}

/// The requests that a whole life of `n` topics and ACLs takes; checks each phase on the way.
async fn life(servers: &str, n: usize) -> BTreeMap<String, u64> {
    let cx = session();
    let cluster = cluster(&cx, servers).await;
    let name = unique("life");
    let (topics, acls) = (World { cx: &cx, kind: &KafkaTopic }, World { cx: &cx, kind: &KafkaAcl });
    let all = |pairs: &[(&str, &str)]| (0..n).map(|i| topic(&cluster, &format!("{name}-{i}"), 1, 1, pairs)).collect::<Vec<_>>();
    let grants: Vec<Value> = (0..n).map(|i| acl(&cluster, &format!("User:{name}-{i}"), &format!("{name}-{i}"))).collect();
    let first = all(&[("retention.ms", "1000000"), ("cleanup.policy", "compact,delete")]);
    let steps: Vec<StepRequest> = first.iter().enumerate().map(|(i, c)| topics.step(i, None, Some(topics.plan(None, c).planned))).collect();
    assert!(KafkaTopic.probe(&cx, steps).await.iter().all(Diagnostics::is_empty));
    let (made, granted) = (topics.create(&first).await, acls.create(&grants).await);
    // A plan right after an apply is empty.
    for ((read, config), made) in topics.read(&made).await.iter().zip(&first).zip(&made) {
        let read = read.as_ref().expect("the topic is there");
        assert_eq!(read.0, made.0);
        let out = topics.plan(Some(read), config);
        assert_eq!((out.planned, streamform::resource::lines(&out.ops)), (read.0.clone(), vec![]));
    }
    for (read, config) in acls.read(&granted).await.iter().zip(&grants) {
        let read = read.as_ref().expect("the bindings are there");
        assert_eq!(acls.plan(Some(read), config).planned, read.0);
    }
    let second = all(&[("retention.ms", "2000000")]);
    let changed = topics.update(&made, &second).await;
    cx.pool::<KafkaPool>().invalidate();
    assert!(topics.read(&changed).await.iter().zip(&changed).all(|(r, c)| r.as_ref().unwrap().0 == c.0));
    topics.delete(&changed).await;
    acls.delete(&granted).await;
    cx.pool::<KafkaPool>().invalidate();
    assert!(topics.read(&changed).await.iter().all(Option::is_none));
    assert!(acls.read(&granted).await.iter().all(Option::is_none));
    requests(&cx)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_do_not_grow_with_the_objects() {
    let servers = servers();
    let few = life(&servers, 10).await;
    let many = life(&servers, 1000).await;
    eprintln!("10: {few:?}\n1000: {many:?}");
    for api in ["CreateTopics", "DeleteTopics", "IncrementalAlterConfigs", "CreateAcls", "DeleteAcls"] {
        assert_eq!(few.get(api), many.get(api), "{api}");
    }
    // Reads may be repeated while brokers catch up, which has to do with time and not with how many there are.
    assert!(many.values().sum::<u64>() < 300, "{many:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_and_in_place_changes() {
    let servers = servers();
    let cx = session();
    let cluster = cluster(&cx, &servers).await;
    let name = unique("drift");
    let topics = World { cx: &cx, kind: &KafkaTopic };
    let wanted = topic(&cluster, &name, 1, 1, &[("retention.ms", "1000000")]);
    let made = topics.create(std::slice::from_ref(&wanted)).await;
    let admin = admin(&cx, &cluster).await;
    let outside = vec![ConfigOp::Set("retention.ms".into(), "5".into()), ConfigOp::Set("max.message.bytes".into(), "7777".into())];
    admin.incremental_alter_configs(&[(ConfigResource::Topic(name.clone()), outside)], false).await.unwrap().remove(0).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    cx.pool::<KafkaPool>().invalidate();
    let read = topics.read(&made).await.remove(0).unwrap();
    let out = topics.plan(Some(&read), &wanted);
    assert_eq!(
        streamform::resource::lines(&out.ops),
        ["- max.message.bytes: 7777 (set on the topic) -> 1048588 (Kafka's default)", "~ retention.ms: 5 (set on the topic) -> 1000000",]
    );
    let more = topic(&cluster, &name, 3, 1, &[("retention.ms", "1000000")]);
    let mended = topics.update(&vec![read], std::slice::from_ref(&more)).await;
    assert_eq!(mended[0].0.get("partitions").unwrap().as_i64(), Some(3));
    cx.pool::<KafkaPool>().invalidate();
    let read = topics.read(&mended).await.remove(0).unwrap();
    assert!(topics.plan(Some(&read), &more).ops.is_empty());
    // Deleted and made again by somebody else: another id under the same name.
    topics.delete(&mended).await;
    topics.create(std::slice::from_ref(&more)).await;
    cx.pool::<KafkaPool>().invalidate();
    let read = topics.read(&mended).await.remove(0).unwrap();
    assert!(topics.plan(Some(&read), &more).diagnostics.iter().any(|d| d.code.id == "SF6106"));
    topics.delete(&mended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_are_asked_before_anything_changes() {
    let servers = servers();
    let cx = session();
    let cluster = cluster(&cx, &servers).await;
    let name = unique("probe");
    let topics = World { cx: &cx, kind: &KafkaTopic };
    let fine = topic(&cluster, &name, 1, 1, &[]);
    let made = topics.create(std::slice::from_ref(&fine)).await;
    let text = |d: Diagnostics| {
        let d = d.into_iter().next().expect("a diagnostic");
        assert_eq!(d.severity, Severity::Error);
        format!("{} {} {} {}", d.code.id, d.values.first().map_or("", |v| &v.1), d.detail, d.hint.unwrap_or_default())
    };
    let exists = text(topics.probe(None, &fine).await);
    assert!(exists.contains("SF6105 name") && exists.contains(&format!("streamform import 'kafka_topic.NAME' {name}")), "{exists}");
    let typo = text(topics.probe(None, &topic(&cluster, &format!("{name}x"), 1, 1, &[("retension.ms", "1")])).await);
    assert!(typo.contains("config[\"retension.ms\"]") && typo.contains("Did you mean \"retention.ms\"?"), "{typo}");
    let value = text(topics.probe(Some(&made[0]), &topic(&cluster, &name, 1, 1, &[("retention.ms", "soon")])).await);
    assert!(value.contains("SF6107"), "{value}");
    let replicas = text(topics.probe(None, &topic(&cluster, &format!("{name}y"), 1, 99, &[])).await);
    assert!(replicas.contains("replication_factor"), "{replicas}");
    topics.delete(&made).await;
    assert!(topics.probe(None, &fine).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn acls_drift_and_shared_bindings() {
    let servers = servers();
    let cx = session();
    let cluster = cluster(&cx, &servers).await;
    let name = unique("acl");
    let acls = World { cx: &cx, kind: &KafkaAcl };
    let principal = format!("User:{name}");
    let configs = [acl(&cluster, &principal, "shared"), acl(&cluster, &principal, "shared")];
    let made = acls.create(&configs).await;
    // The first block goes; the second still wants the binding.
    acls.delete(&made[..1].to_vec()).await;
    cx.pool::<KafkaPool>().invalidate();
    let second = vec![made[1].clone()];
    let read = acls.kind.read(&cx, vec![ReadRequest::new(addr("x", 1), made[1].0.clone(), made[1].1.clone())]).await;
    assert!(matches!(read[0], Ok(Observed::Present(..))), "{read:?}");
    let found = KafkaAcl.discover(&cx, &cluster).await.unwrap();
    let mine = found.iter().find(|d| d.id == principal).expect("discovered");
    assert_eq!(mine.attributes.get("bindings"), made[1].0.get("bindings"));
    let (imported, _) = KafkaAcl.import(&cx, &principal, Some(&configs[1])).await.unwrap();
    assert_eq!(imported.get("bindings"), made[1].0.get("bindings"));
    // Removed outside.
    let admin = admin(&cx, &cluster).await;
    let mine: Vec<AclBinding> = admin.describe_acls().await.unwrap().into_iter().filter(|b| b.principal == principal).collect();
    assert_eq!(mine.len(), 1);
    admin.delete_acls(&mine).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    cx.pool::<KafkaPool>().invalidate();
    assert!(acls.read(&second).await[0].is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_move_in_place() {
    let cx = session();
    let cluster = cluster(&cx, &real::lab("three")).await;
    let topics = World { cx: &cx, kind: &KafkaTopic };
    let name = unique("replicas");
    let mut objects = topics.create(&[topic(&cluster, &name, 6, 1, &[])]).await;
    let id = objects[0].0.get("topic_id");
    for factor in [3, 2] {
        objects = topics.update(&objects, &[topic(&cluster, &name, 6, factor, &[])]).await;
        let admin = admin(&cx, &cluster).await;
        let live = &admin.metadata().await.unwrap().topics[&name];
        assert!(live.partitions.iter().all(|p| p.replicas.len() as i64 == factor), "{live:?}");
        let leaders: std::collections::BTreeSet<i32> = live.partitions.iter().map(|p| p.replicas[0]).collect();
        assert_eq!(leaders.len(), 3, "preferred leaders are spread: {live:?}");
        let resources: Vec<ConfigResource> = (1..=3).map(ConfigResource::Broker).chain([ConfigResource::Topic(name.clone())]).collect();
        // Brokers show what the controller has acknowledged a moment later.
        let begin = std::time::Instant::now();
        loop {
            let entries = admin.describe_configs(&resources).await.unwrap().into_iter().flat_map(Result::unwrap);
            let set = |e: &ConfigEntry| e.value.as_deref().is_some_and(|v| !v.is_empty()) && format!("{:?}", e.source) != "Default";
            let left: Vec<_> = entries.filter(|e| e.name.contains("replication.throttled") && set(e)).collect();
            if left.is_empty() {
                break;
            }
            assert!(begin.elapsed() < std::time::Duration::from_secs(20), "throttles are gone: {left:?}");
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }
    assert_eq!(objects[0].0.get("topic_id"), id, "the same topic");
    topics.delete(&objects).await;
}

/// The plan as people see it: each setting with its old value, and where that came from.
#[test]
fn the_plan_says_where_old_values_came_from() {
    let _alone = real::alone();
    let (name, servers) = (unique("origins"), servers());
    let config = |settings: &str| {
        format!(
            "data \"kafka_cluster\" \"c\" {{\n  bootstrap_servers = \"{servers}\"\n}}\nresource \"kafka_topic\" \"t\" {{\n  cluster = data.kafka_cluster.c\n  name = \"{name}\"\n  partitions = 1\n  replication_factor = 1\n  deletion_protection = false\n  config = {{\n{settings}  }}\n}}\n"
        )
    };
    let admin = real::kafka().admin();
    let all = |op: ConfigOp| real::wait(admin.incremental_alter_configs(&[(ConfigResource::AllBrokers, vec![op])], false)).unwrap();
    assert!(all(ConfigOp::Set("log.segment.bytes".into(), "123456789".into()))[0].is_ok());
    let lab = common::Lab::new(&config("    \"retention.ms\" = \"1000000\"\n    \"segment.bytes\" = \"2000000\"\n"));
    lab.apply();
    lab.write("main.hcl", &config("    \"retention.ms\" = \"2000000\"\n    \"min.insync.replicas\" = \"1\"\n    \"segment.ms\" = \"7\"\n"));
    let screen = lab.ok("plan");
    assert!(all(ConfigOp::Delete("log.segment.bytes".into()))[0].is_ok());
    screen.shows(&[
        "+ min.insync.replicas: 1 (set for all brokers) -> 1 (set on the topic)",
        "~ retention.ms: 1000000 (set on the topic) -> 2000000",
        "- segment.bytes: 2000000 (set on the topic) -> 123456789 (set for all brokers)",
        "+ segment.ms: 604800000 (Kafka's default) -> 7 (set on the topic)",
    ]);
    lab.ok("destroy -auto-approve -allow-data-loss");
}

/// A plan that was reviewed is applied, whatever the way to the cluster.
#[test]
fn a_saved_plan_with_a_foreign_cluster_is_applied() {
    let _alone = real::alone();
    let folder = real::lab("tls");
    let sasl = |password: &str| {
        let sasl = format!("  sasl {{\n    username = \"{}\"\n    password = {password}\n  }}\n", real::USER);
        format!("  bootstrap_servers = \"{}\"\n{sasl}", real::lab("scram"))
    };
    let tls = format!(
        "  bootstrap_servers = \"{}\"\n  tls {{\n    ca_file = \"{folder}/ca.crt\"\n    certificate_file = \"{folder}/admin.crt\"\n    key_file = \"{folder}/admin.key\"\n  }}\n",
        real::lab("mtls")
    );
    let flag = format!(" -var=password={}", real::PASSWORD);
    let ways = [
        (format!("  bootstrap_servers = \"{}\"\n", servers()), ""),
        (sasl("var.password"), flag.as_str()),
        (sasl(&format!("\"{}\"", real::PASSWORD)), ""),
        (tls, ""),
    ];
    for (i, (inside, vars)) in ways.into_iter().enumerate() {
        let name = unique(&format!("saved-{i}"));
        let variable = if vars.is_empty() { "" } else { "variable \"password\" {\n  sensitive = true\n}\n" };
        let config = |retention: u64| {
            format!(
                "{variable}data \"kafka_cluster\" \"k\" {{\n{inside}}}\nresource \"kafka_topic\" \"t\" {{\n  cluster = data.kafka_cluster.k\n  name = \"{name}\"\n  partitions = 1\n  replication_factor = 1\n  deletion_protection = false\n  config = {{\n    \"retention.ms\" = \"{retention}\"\n  }}\n}}\nresource \"kafka_acl\" \"a\" {{\n  cluster = data.kafka_cluster.k\n  principal = \"User:{name}\"\n  role \"consumer\" {{\n    topic = kafka_topic.t.name\n  }}\n}}\noutput \"id\" {{\n  value = data.kafka_cluster.k.cluster_id\n}}\n"
            )
        };
        let lab = common::Lab::new(&config(1_000_000));
        let carry_out = |how: &str, telling: &str| {
            lab.ok(&format!("plan{how}{vars} -out=p.plan"));
            assert!(!lab.read("p.plan").contains(real::PASSWORD));
            if !vars.is_empty() {
                lab.fails("apply p.plan", &["\"password\""]);
                lab.fails("apply -var=password=wrong p.plan", &["\"password\" has another value"]);
            }
            lab.ok(&format!("apply{vars} p.plan")).shows(&[telling]);
        };
        carry_out("", "2 added, 0 changed, 0 destroyed");
        lab.write("main.hcl", &config(2_000_000));
        carry_out("", "0 added, 1 changed, 0 destroyed");
        lab.ok(&format!("plan{vars} -detailed-exitcode"));
        carry_out(" -destroy -allow-data-loss", "2 destroyed");
        let topics = real::wait(real::kafka().admin().metadata()).unwrap().topics;
        assert!(!topics.contains_key(&name), "{name} is still there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_are_resolved_once_and_uneven_replicas_are_told() {
    let cx = session();
    let cluster = cluster(&cx, &real::lab("three")).await;
    let topics = World { cx: &cx, kind: &KafkaTopic };
    let name = unique("defaults");
    let unknown = |v: &Value| {
        let mut attrs = v.as_map().unwrap().clone();
        ["partitions", "replication_factor"].into_iter().for_each(|n| drop(attrs.insert(n.into(), Value::unknown(Type::Number))));
        Value::object(attrs)
    };
    let wanted = unknown(&topic(&cluster, &name, 1, 1, &[]));
    let made = topics.create(std::slice::from_ref(&wanted)).await;
    let number = |v: &Value, n: &str| v.get(n).unwrap().as_i64();
    assert_eq!((number(&made[0].0, "partitions"), number(&made[0].0, "replication_factor")), (Some(1), Some(3)));
    cx.pool::<KafkaPool>().invalidate();
    let read = topics.read(&made).await.remove(0).unwrap();
    let out = topics.plan(Some(&read), &wanted);
    assert_eq!((out.planned, streamform::resource::lines(&out.ops)), (read.0.clone(), vec![]));
    topics.delete(&vec![read]).await;

    let admin = admin(&cx, &cluster).await;
    let uneven = unique("uneven");
    let assignments = Some(vec![vec![1], vec![2]]);
    let new =
        streamform::target::kafka::NewTopic { name: uneven.clone(), partitions: -1, replication: -1, assignments, ..Default::default() };
    admin.create_topics(&[new], false).await.unwrap().remove(0).unwrap();
    let more = streamform::target::kafka::NewReassignment { topic: uneven.clone(), partition: 1, replicas: Some(vec![2, 3]) };
    admin.alter_reassignments(&[more]).await.unwrap().remove(0).unwrap();
    let moved = async {
        while admin.metadata().await.unwrap().topics.get(&uneven).is_none_or(|t| t.partitions[1].replicas.len() != 2) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), moved).await.expect("a second replica");
    cx.pool::<KafkaPool>().invalidate();
    let block = topic(&cluster, &uneven, 2, 2, &[]);
    let imported = KafkaTopic.import(&cx, &uneven, Some(&block)).await.unwrap();
    assert_eq!(number(&imported.0, "replication_factor"), Some(2), "the most, not that of the first partition");
    let out = topics.plan(Some(&imported), &block);
    assert!(out.diagnostics.iter().any(|d| d.code.id == "SF6109" && d.detail.contains("from 1 to 2")), "{:?}", out.diagnostics);
    // The brokers themselves refuse a name whose metrics are those of another topic.
    let twin = topic(&cluster, &uneven.replace('-', "."), 1, 1, &[]);
    assert!(topics.probe(None, &twin).await.is_empty(), "a dash is no underscore");
    let (dotted, lined) = (format!("{uneven}.x"), format!("{uneven}_x"));
    let first = topics.create(&[topic(&cluster, &dotted, 1, 1, &[])]).await;
    let refused = topics.probe(None, &topic(&cluster, &lined, 1, 1, &[])).await;
    assert!(refused.iter().any(|d| d.values.iter().any(|v| v.1 == "name") && d.detail.contains("collides")), "{refused:?}");
    topics.delete(&first).await;
    topics.delete(&vec![imported]).await;
}
