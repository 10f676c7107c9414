//! `kafka_topic`, `kafka_acl` and `data kafka_cluster` against a real Kafka.
//!
//! [`common::real`] says which cluster that is.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::real;
use streamform::addr::{InstanceAddr, InstanceKey, Mode, ResourceAddr};
use streamform::client::kafka::{AclBinding, Admin, ConfigEntry, ConfigOp, ConfigResource, KafkaPool};
use streamform::diag::{Diagnostics, Severity};
use streamform::resource::kafka_acl::KafkaAcl;
use streamform::resource::kafka_cluster_data::KafkaClusterData;
use streamform::resource::kafka_topic::KafkaTopic;
use streamform::resource::{
    Desk, Gathered, Notes, Observed, Op, OpAction, PlanInput, PlanOutput, Private, Progress, ReadRequest, ResourceType, Session, Slot,
    StepRequest, StepResult, Verb, lines,
};
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

/// An object with its private part and the notes of its last read.
type Object = (Value, Private, Notes);
type Objects = Vec<Object>;

impl World<'_> {
    fn plan(&self, prior: Option<&Object>, config: &Value) -> PlanOutput {
        let null = Private::Null;
        // As the engine proposes: what is computed comes from the prior object.
        let mut attrs = config.as_map().unwrap().clone();
        if let Some((prior, ..)) = prior {
            for (k, v) in attrs.iter_mut().filter(|(_, v)| !v.is_known()) {
                *v = prior.get(k).unwrap();
            }
        }
        // What is computed is not written.
        let written = config.as_map().unwrap().iter().filter(|(_, v)| v.is_known()).map(|(k, v)| (k.clone(), v.clone())).collect();
        let a = addr("x", 0);
        let (private, notes) = prior.map_or((&null, &null), |p| (&p.1, &p.2));
        let input = PlanInput::new(&a, prior.map(|p| &p.0), private, config, Value::object(attrs));
        self.kind.plan(PlanInput { notes, config: &Value::object(written), ..input })
    }

    fn step(&self, i: usize, prior: Option<&Object>, planned: Option<Value>, ops: Vec<Op>) -> StepRequest {
        StepRequest {
            addr: addr("x", i),
            prior: prior.map(|p| p.0.clone()),
            planned,
            private: prior.map_or(Private::Null, |p| p.1.clone()),
            timeout: Duration::from_secs(60),
            begun: false,
            replaces: None,
            ops,
        }
    }

    /// The step that a plan comes to.
    fn planned(&self, i: usize, prior: Option<&Object>, config: &Value) -> StepRequest {
        let out = self.plan(prior, config);
        self.step(i, prior, Some(out.planned), out.ops)
    }

    fn deleted(&self, i: usize, object: &Object) -> StepRequest {
        self.step(i, Some(object), None, self.kind.plan_delete(&object.0, &object.1))
    }

    async fn create(&self, configs: &[Value]) -> Objects {
        self.objects(Verb::Create, configs.iter().enumerate().map(|(i, c)| self.planned(i, None, c)).collect()).await
    }

    async fn update(&self, prior: &Objects, configs: &[Value]) -> Objects {
        let steps = prior.iter().zip(configs).enumerate().map(|(i, (p, c))| self.planned(i, Some(p), c)).collect();
        self.objects(Verb::Update, steps).await
    }

    async fn objects(&self, verb: Verb, steps: Vec<StepRequest>) -> Objects {
        let planned: Vec<_> = steps.iter().map(|s| s.planned.clone()).collect();
        let results = Gathered::apply(self.kind, self.cx, verb, steps).await;
        let each = results.into_iter().zip(planned).map(|(r, planned)| {
            assert!(r.error.is_none(), "{:?}", r.error);
            let (value, private) = r.object.unwrap();
            assert!(value.is_wholly_known());
            agrees(&planned.unwrap(), &value);
            (value, private, Notes::Null)
        });
        each.collect()
    }

    async fn delete(&self, objects: &Objects) {
        let steps = objects.iter().enumerate().map(|(i, o)| self.deleted(i, o)).collect();
        for r in Gathered::apply(self.kind, self.cx, Verb::Delete, steps).await {
            assert!(r.error.is_none() && r.object.is_none(), "{:?}", r.error);
        }
    }

    async fn read(&self, objects: &Objects) -> Vec<Option<Object>> {
        let request = |(i, o): (usize, &Object)| ReadRequest::new(addr("x", i), o.0.clone(), o.1.clone());
        let found = self.kind.read(self.cx, objects.iter().enumerate().map(request).collect()).await;
        found
            .into_iter()
            .map(|r| match r.unwrap() {
                Observed::Present(v, p, n) => Some((v, p, n)),
                Observed::Absent => None,
            })
            .collect()
    }

    async fn probe(&self, prior: Option<&Object>, config: &Value) -> Diagnostics {
        self.kind.probe(self.cx, vec![self.planned(0, prior, config)]).await.remove(0)
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
    let connection = streamform::client::kafka::KafkaConnection::from_value(&cluster.get("admin").unwrap()).unwrap().unwrap();
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
    let steps: Vec<StepRequest> = first.iter().enumerate().map(|(i, c)| topics.planned(i, None, c)).collect();
    assert!(KafkaTopic.probe(&cx, steps).await.iter().all(Diagnostics::is_empty));
    let (made, granted) = (topics.create(&first).await, acls.create(&grants).await);
    // A plan right after an apply is empty.
    for ((read, config), made) in topics.read(&made).await.iter().zip(&first).zip(&made) {
        let read = read.as_ref().expect("the topic is there");
        assert_eq!(read.0, made.0);
        let out = topics.plan(Some(read), config);
        assert_eq!((out.planned, lines(&out.ops)), (read.0.clone(), vec![]));
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
        lines(&out.ops),
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
    let out = topics.plan(Some(&read), &more);
    assert!(out.diagnostics.iter().any(|d| d.code.id == "SF6106"));
    let id = |o: &Object| o.0.get_str("topic_id").unwrap();
    let (old, new) = (id(&mended[0]), id(&read));
    assert_eq!(lines(&out.ops), [format!("~ topic_id: {old} -> {new} (deleted and created again outside: its old records are gone)")]);
    // It stays drift until it is accepted, also when what was read is recorded.
    let again = topics.read(&vec![read.clone()]).await.remove(0).unwrap();
    assert_eq!(topics.plan(Some(&again), &more).ops, out.ops);
    let accepted = topics.update(&vec![again], std::slice::from_ref(&more)).await;
    cx.pool::<KafkaPool>().invalidate();
    let read = topics.read(&accepted).await.remove(0).unwrap();
    assert_eq!((topics.plan(Some(&read), &more).ops, id(&read)), (vec![], new));
    assert_eq!(read.1, accepted[0].1, "what was read is what is recorded");
    topics.delete(&accepted).await;
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
    assert!(exists.contains("already exists in") && exists.contains("is not managed by this configuration"), "{exists}");
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
    // The first block goes; the second still wants the binding, so the plan keeps it.
    let mut first = acls.deleted(0, &made[0]);
    first.ops.iter_mut().for_each(|o| o.action = OpAction::Keep);
    assert!(Gathered::apply(acls.kind, &cx, Verb::Delete, vec![first]).await[0].error.is_none());
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

/// A block in the folder: a role on one topic, and maybe a group.
fn grant(label: &str, principal: &str, topic: &str, more: &str) -> String {
    format!(
        "resource \"kafka_acl\" \"{label}\" {{\n  cluster   = data.kafka_cluster.c\n  principal = {principal}\n  role \"sink\" {{\n    topic = {topic}\n{more}  }}\n}}\n"
    )
}

fn data_source() -> String {
    format!("data \"kafka_cluster\" \"c\" {{\n  bootstrap_servers = \"{}\"\n}}\n", servers())
}

/// The texts of the bindings of a principal, once the broker shows what it has acknowledged: two looks see the same.
fn bindings_of(principal: &str) -> Vec<String> {
    let mut seen = bindings_now(principal);
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = bindings_now(principal);
        if now == seen {
            return now;
        }
        seen = now;
    }
}

fn bindings_now(principal: &str) -> Vec<String> {
    let admin = real::kafka().admin();
    let all = real::wait(admin.describe_acls()).unwrap();
    all.iter().filter(|b| b.principal == principal).map(ToString::to_string).collect()
}

/// B5: what an import took in is equal to whatever block means the same bindings; another order or spelling is no change.
#[test]
fn b5_equal_bindings_are_no_change() {
    let _alone = real::alone();
    let principal = format!("User:{}", unique("equal"));
    let block = |body: &str| {
        format!(
            "{}resource \"kafka_acl\" \"a\" {{\n  cluster   = data.kafka_cluster.c\n  principal = \"{principal}\"\n{body}}}\n",
            data_source()
        )
    };
    let role = "  role \"consumer\" {\n    topic = \"equal\"\n    group = \"equal\"\n  }\n";
    let rules = "  rule {\n    operations = [\"Describe\", \"read\"]\n    topic = \"equal\"\n  }\n  rule {\n    operations = [\"READ\"]\n    group = \"equal\"\n  }\n";
    let other = "  rule {\n    operations = [\"read\"]\n    group = \"equal\"\n  }\n  rule {\n    operations = [\"READ\", \"DESCRIBE\"]\n    topic = \"equal\"\n  }\n";
    let lab = common::Lab::new(&block(role));
    lab.apply();
    lab.ok("state rm kafka_acl.a");
    lab.ok(&format!("import kafka_acl.a {principal}"));
    for body in [role, rules, other] {
        lab.write("main.hcl", &block(body));
        lab.ok("plan -detailed-exitcode").shows(&["No changes"]);
        lab.ok("drift -unmanaged=false");
    }
    lab.ok("destroy -auto-approve");
    assert!(bindings_of(&principal).is_empty());
}

/// A11 on a real broker: a denial for a range keeps nobody out, so it is refused; F12: another type of principal is taken with a warning.
#[test]
fn a11_denials_that_match_nobody_are_refused() {
    let _alone = real::alone();
    let block = |principal: &str, more: &str| {
        format!(
            "{}resource \"kafka_acl\" \"a\" {{\n  cluster   = data.kafka_cluster.c\n  principal = \"{principal}\"\n{more}  rule {{\n    operations = [\"READ\"]\n    topic      = \"a11\"\n  }}\n}}\n",
            data_source()
        )
    };
    let lab = common::Lab::new(&block("User:a11", "  permission = \"deny\"\n  host = \"127.0.0.0/8\"\n"));
    lab.fails("plan", &["Error[SF6201]", "is a range", "This denial would keep nobody out."]);
    lab.write("main.hcl", &block("Group:a11", "  host = \"app.example.org\"\n"));
    lab.ok("apply -auto-approve").shows(&["Warning[SF6201]", "has the type \"Group\"", "resolve no names"]);
    lab.ok("plan -detailed-exitcode");
    assert_eq!(bindings_of("Group:a11").len(), 1);
    lab.ok("destroy -auto-approve");
    assert!(bindings_of("Group:a11").is_empty());
}

/// Finding P2: who holds a binding is decided in the plan, over all blocks and records, also those that are not read.
#[test]
fn a_binding_that_another_block_declares_outlives_every_way_to_remove_a_block() {
    let _alone = real::alone();
    let principal = format!("User:{}", unique("shared"));
    let quoted = format!("\"{principal}\"");
    let keeps = format!("{}{}", data_source(), grant("a", &quoted, "\"t\"", ""));
    let both = format!("{keeps}{}", grant("b", &quoted, "\"t\"", "    group = \"g\"\n"));
    let shared = format!("ALLOW {principal} READ on topic literal t from *");
    let own = format!("ALLOW {principal} READ on group literal g from *");
    for way in ["", " -refresh=false", " -target=kafka_acl.b"] {
        let lab = common::Lab::new(&both);
        lab.apply();
        lab.ok("plan -detailed-exitcode");
        assert_eq!(bindings_of(&principal), [shared.clone(), own.clone()], "{way}");
        let screen = match way {
            " -target=kafka_acl.b" => lab.ok("destroy -auto-approve -target=kafka_acl.b"),
            _ => {
                lab.write("main.hcl", &keeps);
                lab.ok(&format!("plan{way}")).shows(&[&format!("= {shared} stays: kafka_acl.a holds it")]);
                lab.ok(&format!("apply -auto-approve{way}"))
            }
        };
        assert!(!screen.text.contains(&format!("- {shared}")), "{way}: {}", screen.text);
        assert_eq!(bindings_of(&principal), std::slice::from_ref(&shared), "{way}\n{}", screen.text);
        lab.write("main.hcl", &keeps);
        lab.ok("plan -detailed-exitcode");
        lab.ok("destroy -auto-approve");
        assert!(bindings_of(&principal).is_empty(), "{way}");
    }
}

/// Finding G1: what a killed update granted is seen and revoked, whether the configuration is put back or its blocks are removed.
#[test]
fn bindings_of_a_killed_update_do_not_stay() {
    let _alone = real::alone();
    let principal = format!("User:{}", unique("killed"));
    let blocks = |operations: &str| {
        format!(
            "{}resource \"kafka_acl\" \"a\" {{\n  count = 60\n  cluster = data.kafka_cluster.c\n  principal = \"{principal}\"\n  rule {{\n    operations = [{operations}]\n    topic = \"t${{count.index}}\"\n  }}\n}}\n",
            data_source()
        )
    };
    let narrow = blocks("\"READ\"");
    for (next, left) in [(narrow.clone(), 60), (data_source(), 0)] {
        let lab = common::Lab::new(&narrow);
        lab.apply();
        lab.write("main.hcl", &blocks("\"READ\", \"WRITE\", \"DELETE\""));
        let mut apply = lab.start("apply -auto-approve");
        let begin = std::time::Instant::now();
        while bindings_now(&principal).len() <= 60 {
            assert!(begin.elapsed() < Duration::from_secs(60), "nothing was granted");
            std::thread::sleep(Duration::from_millis(2));
        }
        apply.kill().unwrap();
        apply.wait().unwrap();
        lab.write("main.hcl", &next);
        let plan = lab.run("plan -detailed-exitcode");
        assert_eq!(plan.code, 2, "{}", plan.text);
        plan.shows(&[&format!("- ALLOW {principal} WRITE on topic literal t")]);
        lab.apply();
        let found = bindings_of(&principal);
        assert!(found.len() == left && found.iter().all(|b| b.contains(" READ ")), "{found:?}");
        assert_eq!(lab.run("plan -detailed-exitcode").code, 0);
        lab.ok("destroy -auto-approve");
        assert!(bindings_of(&principal).is_empty());
    }
}

/// Finding A2: a name cannot be sensitive, and the plan says how to write it.
#[test]
fn names_that_are_sensitive_are_refused() {
    let lab = common::Lab::new("");
    let name = unique("hidden");
    let variable = format!("variable \"v\" {{\n  sensitive = true\n  default   = \"{name}\"\n}}\n");
    let topic = "resource \"kafka_topic\" \"t\" {\n  cluster = data.kafka_cluster.c\n  name = \"x-${var.v}\"\n  partitions = 1\n  replication_factor = 1\n}\n".to_string();
    let blocks = [
        grant("t", "\"User:${var.v}\"", "\"x\"", ""),
        grant("t", "\"User:x\"", "var.v", ""),
        grant("t", "\"User:x\"", "\"x\"", "    group = var.v\n"),
        grant("t", "\"User:x\"", "\"x\"", "").replace("  role", "  host = \"10.0.0.1${var.v}\"\n  role"),
        topic,
    ];
    // Each names the argument that makes it, and not the block.
    let lines = ["principal", "topic", "group", "host", "name"];
    for (block, line) in blocks.into_iter().zip(lines) {
        lab.write("main.hcl", &format!("{}{variable}{block}", data_source()));
        let screen = lab.fails("plan", &["SF3036", "nonsensitive("]);
        screen.hides(&[&name]);
        let shown = |l: &str| l.split_once(": ").is_some_and(|(_, code)| code.trim_start().starts_with(line));
        assert!(screen.text.lines().any(shown), "{line}\n{}", screen.text);
    }
}

/// A block of ACLs that has another name goes on giving the same bindings: nothing is created or destroyed.
#[test]
fn a_renamed_block_of_acls_keeps_its_bindings() {
    let _alone = real::alone();
    let principal = format!("User:{}", unique("renamed"));
    let lab = common::Lab::new(&(data_source() + &grant("old", &format!("\"{principal}\""), "\"x\"", "    group = \"g\"\n")));
    lab.apply();
    let before = bindings_of(&principal);
    lab.write("main.hcl", &(data_source() + &grant("new", &format!("\"{principal}\""), "\"x\"", "    group = \"g\"\n")));
    let screen = lab.ok("plan");
    screen.shows(&["# kafka_acl.old has moved to kafka_acl.new", " stays", "Plan: 0 to add, 0 to change, 0 to destroy."]);
    screen.hides(&["kafka_acl.old will", "kafka_acl.new will"]);
    assert_eq!(
        screen.text.lines().filter(|l| l.trim().starts_with("= ") && l.ends_with(" stays")).count(),
        before.len(),
        "{}",
        screen.text
    );
    lab.apply().shows(&["0 added, 0 changed, 0 destroyed"]);
    assert_eq!(bindings_of(&principal), before);
    assert_eq!(lab.ok("state list").stdout, "kafka_acl.new\n");
    lab.ok("plan -detailed-exitcode");
    lab.ok("destroy -auto-approve").shows(&["1 destroyed"]);
    assert!(bindings_of(&principal).is_empty());
}

/// One cluster that another block leads to is no other place: its objects stay, and only their records change. An object of which no block says
/// how to reach it is named, and a target whose block is gone is reached through what its record needs.
#[test]
fn a_cluster_under_another_name_keeps_its_objects() {
    let _alone = real::alone();
    let (name, principal) = (unique("elsewhere"), format!("User:{}", unique("elsewhere")));
    let inside = |cluster: &str| {
        format!(
            "resource \"kafka_topic\" \"t\" {{\n  cluster = data.kafka_cluster.{cluster}\n  name = \"{name}\"\n  partitions = 1\n  replication_factor = 1\n  \
             deletion_protection = false\n}}\n{}",
            grant("g", &format!("\"{principal}\""), "\"x\"", "    group = \"g\"\n")
                .replace("data.kafka_cluster.c", &format!("data.kafka_cluster.{cluster}"))
        )
    };
    let renamed = data_source().replace("\"c\"", "\"d\"");
    let lab = common::Lab::new(&(data_source() + &inside("c")));
    lab.apply();
    let id = || real::wait(real::kafka().admin().metadata()).unwrap().topics[&name].id.clone();
    let (before, rights) = (id(), bindings_of(&principal));
    let stays = |lab: &common::Lab| {
        lab.ok("plan").shows(&["will only change in the state", "Plan: 0 to add, 0 to change, 0 to destroy."]);
        lab.apply().shows(&["0 added, 0 changed, 0 destroyed"]);
        lab.ok("plan -detailed-exitcode");
        assert_eq!((id(), bindings_of(&principal)), (before.clone(), rights.clone()));
    };
    // Through another block beside the old one, and through a block of another name.
    lab.write("main.hcl", &(data_source() + &renamed + &inside("d")));
    stays(&lab);
    lab.write("main.hcl", &(data_source() + &inside("c")));
    stays(&lab);
    lab.write("main.hcl", "");
    lab.fails("plan", &["SF3041", "lives in data.kafka_cluster.c, which is not in the configuration"]);
    // The block of the topic is gone: its cluster is read all the same.
    lab.write("main.hcl", &(data_source() + "resource \"null_resource\" \"n\" {}\n"));
    lab.ok("apply -auto-approve -target=kafka_topic.t").shows(&["1 destroyed"]);
    lab.ok("apply -auto-approve").shows(&["1 added, 0 changed, 1 destroyed"]);
    assert!(bindings_of(&principal).is_empty());
}

/// Finding P8: an apply with nothing to do writes nothing, whatever the brokers' defaults are. Finding F6: a topic that was created again outside
/// is a change until it is accepted.
#[test]
fn only_what_is_the_topics_own_is_recorded() {
    let _alone = real::alone();
    let name = unique("quiet");
    let lab = common::Lab::new(&format!(
        "{}resource \"kafka_topic\" \"t\" {{\n  cluster = data.kafka_cluster.c\n  name = \"{name}\"\n  partitions = 1\n  replication_factor = 1\n  deletion_protection = false\n}}\n",
        data_source()
    ));
    lab.apply();
    let admin = real::kafka().admin();
    let serial = || {
        let export = lab.ok("state export").stdout;
        let first = export.lines().next().unwrap().to_string();
        assert!(!export.contains("inherited"), "{export}");
        serde_json::from_str::<serde_json::Value>(&first).unwrap()["serial"].as_u64().unwrap_or_else(|| panic!("{first}"))
    };
    let before = serial();
    lab.apply();
    assert_eq!(serial(), before);
    let all = |op: ConfigOp| real::wait(admin.incremental_alter_configs(&[(ConfigResource::AllBrokers, vec![op])], false)).unwrap();
    assert!(all(ConfigOp::Set("log.retention.ms".into(), "987654321".into()))[0].is_ok());
    lab.apply();
    let after = serial();
    assert!(all(ConfigOp::Delete("log.retention.ms".into()))[0].is_ok());
    assert_eq!(after, before, "a default of the cluster is not the topic's");

    let id = || real::wait(admin.metadata()).unwrap().topics.get(&name).and_then(|t| t.id.clone());
    let old = id();
    real::wait(admin.delete_topics(std::slice::from_ref(&name))).unwrap().remove(0).unwrap();
    let again = || streamform::client::kafka::NewTopic { name: name.clone(), partitions: 1, replication: 1, ..Default::default() };
    let begin = std::time::Instant::now();
    while real::wait(admin.create_topics(&[again()], false)).unwrap()[0].is_err() {
        assert!(begin.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(200));
    }
    // A broker shows what the controller has done a moment later.
    common::until("the new topic is there", || id().is_some_and(|now| Some(now) != old));
    let plan = lab.run("plan -detailed-exitcode");
    assert_eq!(plan.code, 2, "{}", plan.text);
    plan.shows(&["SF6106", "~ topic_id: ", "its old records are gone"]);
    assert_eq!(lab.run("drift").code, 2);
    lab.apply();
    assert_eq!(lab.run("plan -detailed-exitcode").code, 0);
    lab.ok("destroy -auto-approve");
}

/// A block of one topic beside the cluster that is there.
fn one_topic(name: &str, more: &str) -> String {
    format!(
        "{}resource \"kafka_topic\" \"t\" {{\n  cluster = data.kafka_cluster.c\n  name = \"{name}\"\n  deletion_protection = false\n{more}}}\n",
        data_source()
    )
}

fn id_of(name: &str) -> Option<String> {
    real::wait(real::kafka().admin().metadata()).unwrap().topics.get(name).and_then(|t| t.id.clone())
}

/// Somebody else makes a topic, as soon as the brokers let its name go.
fn make(name: &str, partitions: i32) {
    let topic = streamform::client::kafka::NewTopic { name: name.into(), partitions, replication: 1, ..Default::default() };
    let admin = real::kafka().admin();
    let begin = std::time::Instant::now();
    while real::wait(admin.create_topics(std::slice::from_ref(&topic), false)).unwrap()[0].is_err() {
        assert!(begin.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(200));
    }
    common::until("the new topic is there", || id_of(name).is_some());
}

fn drop_topic(name: &str) {
    real::wait(real::kafka().admin().delete_topics(&[name.to_string()])).unwrap().remove(0).unwrap();
}

/// Somebody else deletes a topic and makes it again.
fn make_again(name: &str, partitions: i32) {
    let old = id_of(name);
    drop_topic(name);
    common::until("the old topic is gone", || id_of(name).is_none());
    make(name, partitions);
    assert_ne!(id_of(name), old);
}

/// What a create would be refused for refuses a replacement, too, and before the old topic is deleted.
#[test]
fn a_replacement_is_asked_about_as_a_create_is() {
    let _alone = real::alone();
    let base = unique("again");
    let (name, taken) = (format!("{base}.1"), format!("{base}.2"));
    let lab = common::Lab::new(&one_topic(&name, "  partitions = 1\n  replication_factor = 1\n"));
    lab.apply();
    let id = id_of(&name);
    make(&taken, 1);
    let free = format!("{base}.3");
    let replace = " -replace=kafka_topic.t";
    let (counts, setting) = ("  replication_factor = 1\n", |line: &str| format!("  config = {{\n    {line}\n  }}\n"));
    let cases = [
        (taken.as_str(), counts.to_string(), "", "SF6105"),
        (&free, setting("\"retention.ms\" = \"abc\""), "", "SF6107"),
        (&free, setting("\"retension.ms\" = \"1\""), "", "Did you mean"),
        (&free, "  replication_factor = 3\n".into(), "", "SF6007"),
        (&name, "  replication_factor = 3\n".into(), replace, "SF6007"),
        (&name, setting("\"retention.ms\" = \"abc\""), replace, "SF6107"),
    ];
    for (name, more, flags, code) in cases {
        lab.write("main.hcl", &one_topic(name, &more));
        lab.fails(&format!("plan{flags}"), &[code]);
        lab.fails(&format!("apply -auto-approve{flags}"), &[code]);
    }
    assert_eq!(id_of(&format!("{base}.1")), id, "nothing was deleted");
    // Its own name, and one that metrics show as its own, are free by then.
    lab.write("main.hcl", &one_topic(&name, counts));
    lab.ok(&format!("apply -auto-approve{replace}")).shows(&["1 added, 0 changed, 1 destroyed"]);
    assert_ne!(id_of(&name), id);
    lab.write("main.hcl", &one_topic(&format!("{base}_1"), counts));
    lab.ok("apply -auto-approve").shows(&["1 added, 0 changed, 1 destroyed"]);
    lab.ok("destroy -auto-approve");
    drop_topic(&taken);
}

/// A plan is for the topic that it was made for, not for another one that has its name by then.
#[test]
fn a_topic_made_again_after_the_plan_is_left_alone() {
    let _alone = real::alone();
    let (name, other) = (unique("stranger"), unique("own"));
    let block = |retention: u64| {
        let more = format!("  partitions = 1\n  replication_factor = 1\n  config = {{\n    \"retention.ms\" = \"{retention}\"\n  }}\n");
        let one = one_topic(&name, &more);
        let second = one_topic(&other, &more).replace(&data_source(), "").replace("\"t\"", "\"u\"");
        one + &second
    };
    let lab = common::Lab::new(&block(1_000_000));
    lab.apply();
    let old = id_of(&name).unwrap();
    lab.write("main.hcl", &block(2_000_000));
    lab.ok("plan -out=p");
    make_again(&name, 3);
    let new = id_of(&name).unwrap();
    let own = |name: &str| {
        let found = real::wait(real::kafka().admin().describe_configs(&[ConfigResource::Topic(name.into())])).unwrap().remove(0).unwrap();
        found.into_iter().find(|e| e.name == "retention.ms").and_then(|e| e.value)
    };
    let default = own(&name);
    lab.fails("apply p", &["SF6106", &name, &old, &new, "Run plan again"]);
    assert_eq!(own(&name), default, "nothing was set on the new topic");
    assert_eq!(own(&other).as_deref(), Some("2000000"), "the others of the batch are changed");

    lab.write("main.hcl", &block(2_000_000).replacen("partitions = 1", "partitions = 3", 1));
    lab.apply();
    lab.ok("plan -detailed-exitcode");
    lab.ok("plan -destroy -out=pd");
    make_again(&name, 1);
    let newest = id_of(&name).unwrap();
    lab.fails("apply pd", &["SF6106", &name, &new, &newest]);
    assert_eq!(id_of(&name), Some(newest), "the new topic is still there");
    assert_eq!(id_of(&other), None, "the others of the batch are deleted");
    lab.ok("destroy -auto-approve");
    assert_eq!(id_of(&name), None);
}

/// Numbers and settings of a topic that are sensitive are applied as others are, and nothing says them.
#[test]
fn sensitive_numbers_are_applied_and_not_said() {
    let _alone = real::alone();
    let name = format!("x{}", unique("numbers"));
    let block =
        |n: u32, more: &str| one_topic(&name, &format!("  partitions = sensitive({n})\n  replication_factor = sensitive(1)\n{more}"));
    let lab = common::Lab::new(&block(23, ""));
    let shown = |s: &common::Screen, number: &str| {
        s.hides(&[&format!(" {number} "), &format!("is {number}"), &format!("= {number}"), &format!(": {number}"), &format!("`{number}")]);
    };
    shown(&lab.apply(), "23");
    lab.ok("plan -detailed-exitcode");
    let record = lab.ok("state show kafka_topic.t");
    record.shows(&["(sensitive value)"]);
    shown(&record, "23");
    lab.write("main.hcl", &block(29, ""));
    let screen = lab.ok("plan");
    screen.shows(&["SF6104", "grows from (sensitive value) to (sensitive value) partitions"]);
    shown(&screen, "23");
    shown(&screen, "29");
    shown(&lab.apply(), "29");
    lab.ok("plan -detailed-exitcode");
    assert_eq!(real::wait(real::kafka().admin().metadata()).unwrap().topics[&name].partitions.len(), 29);
    lab.write("main.hcl", &block(19, ""));
    let fewer = lab.fails("plan", &["SF6103", "(sensitive value)"]);
    shown(&fewer, "19");
    shown(&fewer, "29");
    lab.write("main.hcl", &block(29, "  config = {\n    \"min.insync.replicas\" = sensitive(7)\n  }\n"));
    let screen = lab.ok("plan");
    shown(screen.shows(&["Warning[SF6108]", "is (sensitive value) and the topic has (sensitive value) replicas"]), "7");
    lab.write("main.hcl", &block(29, "").replace("sensitive(1)", "sensitive(17)"));
    shown(&lab.fails("apply -auto-approve", &["(sensitive value)"]), "17");
    lab.write("main.hcl", &block(29, "").replace(&name, &format!("{name}y")).replace("sensitive(1)", "sensitive(17)"));
    shown(&lab.fails("plan", &["SF6007"]), "17");
    lab.write("main.hcl", &block(29, ""));
    shown(&lab.ok("plan -destroy"), "29");
    lab.ok("destroy -auto-approve");
}

/// A desk that writes down what is journalled alone, and refuses the begin of one step.
#[derive(Default)]
struct Written {
    log: std::sync::Mutex<Vec<String>>,
    results: std::sync::Mutex<Vec<(usize, StepResult)>>,
    refuse: Option<usize>,
}

#[async_trait::async_trait]
impl Desk for Written {
    async fn begin(&self, _: usize) -> Option<Slot> {
        Some(Slot::default())
    }

    fn begin_together(&self, _: std::ops::Range<usize>) {}

    fn finish(&self, results: Vec<(usize, StepResult)>) {
        self.results.lock().unwrap().extend(results);
    }

    async fn begin_op(&self, step: usize, op: usize) -> bool {
        self.log.lock().unwrap().push(format!("begin {step}.{op}"));
        self.refuse != Some(step)
    }

    async fn end_op(&self, step: usize, op: usize) {
        self.log.lock().unwrap().push(format!("end {step}.{op}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_repeated_is_written_before_it_is_asked_for() {
    let cx = session();
    let cluster = cluster(&cx, &servers()).await;
    let topics = World { cx: &cx, kind: &KafkaTopic };
    let names = [unique("once-a"), unique("once-b")];
    let of = |partitions: i64, pairs: &[(&str, &str)]| names.each_ref().map(|n| topic(&cluster, n, partitions, 1, pairs));
    let made = topics.create(&of(1, &[])).await;
    let steps: Vec<StepRequest> =
        made.iter().zip(&of(2, &[("retention.ms", "1000000")])).enumerate().map(|(i, (p, c))| topics.planned(i, Some(p), c)).collect();
    assert_eq!(lines(&steps[0].ops), ["~ partitions: 1 -> 2 in place", "+ retention.ms = 1000000"]);
    let desk = Written { refuse: Some(1), ..Written::default() };
    KafkaTopic.apply(&cx, Verb::Update, steps, &desk).await;
    assert_eq!(*desk.log.lock().unwrap(), ["begin 0.0", "begin 1.0", "end 0.0"]);
    let results = desk.results.into_inner().unwrap();
    assert!(results[0].1.error.is_none(), "{:?}", results[0].1.error);
    assert!(results[1].1.error.as_ref().is_some_and(|d| d.detail.contains("was not begun")), "{:?}", results[1].1.error);
    let live = admin(&cx, &cluster).await.metadata().await.unwrap();
    assert_eq!(names.each_ref().map(|n| live.topics[n].partitions.len()), [2, 1]);
    topics.delete(&made).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_as_planned_fails_its_step() {
    let cx = session();
    let cluster = cluster(&cx, &servers()).await;
    let topics = World { cx: &cx, kind: &KafkaTopic };
    let name = unique("differs");
    let of = |pairs: &[(&str, &str)]| topic(&cluster, &name, 1, 1, pairs);
    let made = topics.create(&[of(&[])]).await;
    // An earlier run began to create it: what is there as planned is its work.
    let begun = |config: &Value| StepRequest { begun: true, ..topics.planned(0, None, config) };
    let taken = Gathered::apply(&KafkaTopic, &cx, Verb::Create, vec![begun(&of(&[]))]).await.remove(0);
    assert_eq!(taken.object.expect("taken over").1, made[0].1);
    let other = Gathered::apply(&KafkaTopic, &cx, Verb::Create, vec![begun(&topic(&cluster, &name, 2, 1, &[]))]).await.remove(0);
    assert!(other.in_doubt && other.error.is_some_and(|d| d.code.id == "SF6115"), "the next plan reads it and says what changes");

    let step = topics.planned(0, Some(&made[0]), &of(&[("retention.ms", "1000000")]));
    let admin = admin(&cx, &cluster).await;
    admin.create_partitions(&[(name.clone(), 2)], false).await.unwrap().remove(0).unwrap();
    while admin.metadata().await.unwrap().topics[&name].partitions.len() < 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let result = Gathered::apply(&KafkaTopic, &cx, Verb::Update, vec![step]).await.remove(0);
    let d = result.error.expect("somebody else added a partition");
    assert!(d.code.id == "SF6115" && d.detail.contains("partitions = 1, and the cluster shows 2"), "{d:?}");
    assert_eq!(result.object.unwrap().0.get("partitions").unwrap().as_i64(), Some(2));
    topics.delete(&made).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_cannot_be_moved_fails_alone() {
    let cx = session();
    let cluster = cluster(&cx, &real::lab("three")).await;
    let topics = World { cx: &cx, kind: &KafkaTopic };
    let names = [unique("moves"), unique("stays")];
    let made = topics.create(&names.each_ref().map(|n| topic(&cluster, n, 1, 1, &[]))).await;
    let factors = [2, 9];
    let steps = made.iter().zip(names.iter().zip(factors)).enumerate();
    let steps = steps.map(|(i, (p, (n, f)))| topics.planned(i, Some(p), &topic(&cluster, n, 1, f, &[]))).collect();
    let results = Gathered::apply(topics.kind, &cx, Verb::Update, steps).await;
    assert!(results[0].error.is_none(), "{:?}", results[0].error);
    assert!(results[1].error.as_ref().is_some_and(|d| d.detail.contains("9 replicas")), "{:?}", results[1].error);
    let live = admin(&cx, &cluster).await.metadata().await.unwrap();
    assert_eq!(names.each_ref().map(|n| live.topics[n].partitions[0].replicas.len()), [2, 1]);
    topics.delete(&made).await;
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
    assert_eq!((out.planned, lines(&out.ops)), (read.0.clone(), vec![]));
    topics.delete(&vec![read]).await;

    let admin = admin(&cx, &cluster).await;
    let uneven = unique("uneven");
    let assignments = Some(vec![vec![1], vec![2]]);
    let new =
        streamform::client::kafka::NewTopic { name: uneven.clone(), partitions: -1, replication: -1, assignments, ..Default::default() };
    admin.create_topics(&[new], false).await.unwrap().remove(0).unwrap();
    let more = streamform::client::kafka::NewReassignment { topic: uneven.clone(), partition: 1, replicas: Some(vec![2, 3]) };
    admin.alter_reassignments(&[more]).await.unwrap().remove(0).unwrap();
    let moved = async {
        while admin.metadata().await.unwrap().topics.get(&uneven).is_none_or(|t| t.partitions[1].replicas.len() != 2) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), moved).await.expect("a second replica");
    cx.pool::<KafkaPool>().invalidate();
    let block = topic(&cluster, &uneven, 2, 2, &[]);
    let (value, private) = KafkaTopic.import(&cx, &uneven, Some(&block)).await.unwrap();
    let imported = topics.read(&vec![(value, private, Notes::Null)]).await.remove(0).unwrap();
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

/// The setting of a topic, as the broker has it.
fn live_setting(name: &str, key: &str) -> Option<String> {
    let found = real::wait(real::kafka().admin().describe_configs(&[ConfigResource::Topic(name.into())])).unwrap().remove(0).unwrap();
    found.into_iter().find(|e| e.name == key).and_then(|e| e.value)
}

fn settings_of(lines: &str) -> String {
    format!("  partitions = 1\n  replication_factor = 1\n  config = {{\n    {lines}\n  }}\n")
}

/// P10: a setting whose value is sensitive drifts like any other. F11: Java's spellings of a number are no change.
#[test]
fn p10_f11_drift_of_a_sensitive_setting_is_seen_and_another_spelling_is_none() {
    let _alone = real::alone();
    let name = unique("secret-setting");
    let lines = "\"retention.ms\" = sensitive(\"1000000\")\n    \"min.cleanable.dirty.ratio\" = \"0.5f\"\n    \"preallocate\" = \"TRUE\"";
    let lab = common::Lab::new(&one_topic(&name, &settings_of(lines)));
    lab.apply();
    assert_eq!(live_setting(&name, "min.cleanable.dirty.ratio").as_deref(), Some("0.5"));
    lab.ok("plan -detailed-exitcode");
    lab.ok("drift -unmanaged=false");
    let noted = real::wait(async {
        let cx = session();
        let object = topic(&cluster(&cx, &servers()).await, &name, 1, 1, &[]);
        let read = World { cx: &cx, kind: &KafkaTopic }.read(&vec![(object, Private::Null, Notes::Null)]).await;
        read.into_iter().next().flatten().expect("it is there").2["types"].clone()
    });
    assert_eq!(noted, serde_json::json!({"retention.ms": 5, "min.cleanable.dirty.ratio": 6, "preallocate": 1}));
    let outside = [(ConfigResource::Topic(name.clone()), vec![ConfigOp::Set("retention.ms".into(), "5".into())])];
    real::wait(real::kafka().admin().incremental_alter_configs(&outside, false)).unwrap().remove(0).unwrap();
    common::until("the change shows", || live_setting(&name, "retention.ms").as_deref() == Some("5"));
    let plan = lab.run("plan -detailed-exitcode");
    assert_eq!(plan.code, 2, "{}", plan.text);
    plan.shows(&["retention.ms", "(sensitive value)"]).hides(&["1000000"]);
    let drift = lab.run("drift -unmanaged=false");
    assert_eq!(drift.code, 2, "{}", drift.text);
    drift.shows(&["retention.ms"]).hides(&["1000000"]);
    lab.apply();
    assert_eq!(live_setting(&name, "retention.ms").as_deref(), Some("1000000"));
    lab.ok("plan -detailed-exitcode");
    // Without a look at the cluster the types are not known; the spelling of the record is.
    lab.ok("plan -detailed-exitcode -refresh=false");
    lab.ok("destroy -auto-approve");
}

/// F9: Kafka 4 takes a record with acks=all where fewer replicas exist than `min.insync.replicas`, so that is a warning.
#[test]
fn f9_a_record_is_taken_with_fewer_replicas_than_min_insync() {
    use rdkafka::producer::{FutureProducer, FutureRecord};
    let _alone = real::alone();
    let name = unique("in-sync");
    let lab = common::Lab::new(&one_topic(&name, &settings_of("\"min.insync.replicas\" = 2")));
    lab.apply().shows(&["Warning[SF6108]", "and the topic has 1 replica"]);
    let producer: FutureProducer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", servers())
        .set("acks", "all")
        .set("message.timeout.ms", "10000")
        .create()
        .unwrap();
    let record = FutureRecord::to(&name).key("k").payload("v");
    real::wait(producer.send(record, Duration::from_secs(10))).expect("the record is taken");
    lab.ok("destroy -auto-approve");
}
