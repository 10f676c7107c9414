//! The admin client against a real broker.
//!
//! [`common::real`] says which broker that is.

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use common::real;
use streamform::client::kafka::*;
use streamform::diag::codes::kafka as codes;
use streamform::engine::spec::Authentication;

/// A broker to test against, alone.
struct Lab(#[allow(dead_code)] MutexGuard<'static, ()>);

impl Lab {
    fn get() -> Lab {
        Lab(real::alone())
    }

    fn plaintext(&self) -> KafkaConnection {
        KafkaConnection { bootstrap_servers: vec![real::lab("plaintext")], ..Default::default() }
    }

    fn scram(&self, user: &str, password: &str) -> KafkaConnection {
        KafkaConnection {
            bootstrap_servers: vec![real::lab("scram")],
            protocol: SecurityProtocol::SaslPlaintext,
            mechanism: Some(SaslMechanism::ScramSha512),
            username: Some(user.into()),
            password: Some(password.into()),
            ..Default::default()
        }
    }

    /// Three brokers without an authorizer.
    fn three(&self) -> KafkaConnection {
        let servers = real::lab("three").split(',').map(str::to_string).collect();
        KafkaConnection { bootstrap_servers: servers, ..Default::default() }
    }

    fn mtls(&self, who: &str) -> KafkaConnection {
        let file = |name: String| Some(PathBuf::from(real::lab("tls")).join(name));
        KafkaConnection {
            bootstrap_servers: vec![real::lab("mtls")],
            protocol: SecurityProtocol::Ssl,
            ca_file: file("ca.crt".into()),
            certificate_file: file(format!("{who}.crt")),
            key_file: file(format!("{who}.key")),
            ..Default::default()
        }
    }
}

fn admin(connection: KafkaConnection) -> (Admin, RequestCounter) {
    let counter = RequestCounter::default();
    (Admin::with_connect_timeout(connection, counter.clone(), Duration::from_secs(3)).unwrap(), counter)
}

/// Names that no other run uses.
fn unique(prefix: &str) -> String {
    format!("{prefix}-{}-{}", std::process::id(), std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos())
}

fn topic(name: String) -> NewTopic {
    NewTopic { name, partitions: 1, replication: 1, ..Default::default() }
}

/// Waits until `done` holds: brokers follow the controller with a delay.
async fn eventually<T>(mut done: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(t) = done().await {
            return t;
        }
        assert!(start.elapsed() < Duration::from_secs(40), "not within 40 s");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn read(topic: &str) -> AclBinding {
    AclBinding {
        resource: AclResource::Topic,
        name: topic.into(),
        pattern: AclPattern::Literal,
        principal: "User:CN=nobody".into(),
        host: "*".into(),
        operation: AclOperation::Read,
        permission: AclPermission::Allow,
    }
}

#[tokio::test]
async fn a_thousand_topics_cost_one_request_of_each_kind() {
    let lab = Lab::get();
    let (kafka, counter) = admin(lab.plaintext());
    let prefix = unique("many");
    let names: Vec<String> = (0..1000).map(|i| format!("{prefix}-{i}")).collect();
    let topics: Vec<_> = names.iter().cloned().map(topic).collect();
    assert!(kafka.create_topics(&topics, true).await.unwrap().iter().all(Result::is_ok));
    assert!(!kafka.metadata().await.unwrap().topics.contains_key(&names[0]), "validating must not create");
    let created = kafka.create_topics(&topics, false).await.unwrap();
    assert!(created.iter().all(|r| r.as_ref().is_ok_and(|t| t.id.is_some() && t.partitions == Some(1))), "{created:?}");
    eventually(async || {
        kafka.invalidate();
        let m = kafka.snapshot_metadata().await.unwrap();
        names.iter().all(|n| m.topics.contains_key(n)).then_some(())
    })
    .await;
    assert_eq!(kafka.snapshot_metadata().await.unwrap().topics[&names[7]].id, created[7].as_ref().unwrap().id);

    let before = counter.requests();
    for part in names.chunks(100) {
        assert_eq!(kafka.snapshot_configs(part).await.unwrap().len(), 100);
    }
    kafka.snapshot_configs(&names).await.unwrap();
    kafka.snapshot_metadata().await.unwrap();
    // Ten groups of new names are ten requests; names that are known cost none.
    assert_eq!(counter.requests()["DescribeConfigs"] - before.get("DescribeConfigs").copied().unwrap_or(0), 10);
    assert_eq!(counter.requests()["Metadata"], before["Metadata"]);
    assert_eq!(counter.requests()["CreateTopics"], 2);

    let changes: Vec<_> =
        names.iter().map(|n| (ConfigResource::Topic(n.clone()), vec![ConfigOp::Set("retention.ms".into(), "1234567".into())])).collect();
    let altered = kafka.incremental_alter_configs(&changes, false).await.unwrap();
    assert!(altered.iter().all(Result::is_ok), "{altered:?}");
    assert_eq!(counter.requests()["IncrementalAlterConfigs"], 1);

    assert_eq!(kafka.create_topics(&topics[..1], false).await.unwrap(), [Err(KafkaError::TopicAlreadyExists)]);
    assert!(kafka.delete_topics(&names).await.unwrap().iter().all(Result::is_ok));
    assert_eq!(counter.requests()["DeleteTopics"], 1);
    assert_eq!(kafka.delete_topics(&[unique("never")]).await.unwrap(), [Err(KafkaError::UnknownTopicOrPart)]);
}

#[tokio::test]
async fn a_thousand_acls_are_created_and_deleted_exactly() {
    let lab = Lab::get();
    let (kafka, counter) = admin(lab.plaintext());
    let prefix = unique("acl");
    let acls: Vec<_> = (0..1000).map(|i| read(&format!("{prefix}-{i}"))).collect();
    let others = vec![
        AclBinding { permission: AclPermission::Deny, ..acls[0].clone() },
        AclBinding { pattern: AclPattern::Prefixed, ..acls[0].clone() },
        AclBinding { host: "10.0.0.1".into(), ..acls[0].clone() },
        AclBinding {
            resource: AclResource::Cluster,
            name: "kafka-cluster".into(),
            principal: format!("User:{prefix}"),
            operation: AclOperation::ClusterAction,
            ..acls[0].clone()
        },
        AclBinding {
            resource: AclResource::User,
            name: "x".into(),
            principal: format!("User:{prefix}"),
            operation: AclOperation::CreateTokens,
            ..acls[0].clone()
        },
    ];
    // The cluster has but one name: the broker's refusal is that item's alone.
    let misnamed = AclBinding { name: "other".into(), ..others[3].clone() };
    let refused = kafka.create_acls(&[misnamed, acls[0].clone()]).await.unwrap();
    assert!(matches!(refused[..], [Err(KafkaError::InvalidRequest { .. }), Ok(())]), "{refused:?}");
    assert!(kafka.create_acls(&acls).await.unwrap().iter().all(Result::is_ok));
    assert!(kafka.create_acls(&others).await.unwrap().iter().all(Result::is_ok));
    let expected: Vec<_> = acls.iter().chain(&others).cloned().collect();
    let all = eventually(async || {
        let all = kafka.describe_acls().await.unwrap();
        expected.iter().all(|a| all.contains(a)).then_some(all)
    })
    .await;
    assert_eq!(all.iter().filter(|a| a.name.starts_with(&prefix) || a.principal.ends_with(&prefix)).count(), expected.len());
    assert_eq!(*kafka.snapshot_acls(&acls).await.unwrap(), all);
    let before = counter.requests();
    kafka.snapshot_acls(&acls).await.unwrap();
    assert_eq!(counter.requests(), before, "a snapshot is asked for once");
    let asked = Instant::now();
    kafka.invalidate();
    kafka.snapshot_acls(&[]).await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(1), "nothing expected, nothing to wait for");
    let once = counter.requests()["DescribeAcls"];
    kafka.snapshot_acls(&[read(&unique("nowhere"))]).await.unwrap();
    assert_eq!(counter.requests()["DescribeAcls"], once + 1, "what is expected and not there is asked of the one broker again");
    assert!(asked.elapsed() < Duration::from_secs(5), "which is believed: nobody wrote it a moment ago");
    let patient = counter.requests();
    kafka.snapshot_acls(&[read(&unique("nowhere"))]).await.unwrap();
    assert_eq!(counter.requests(), patient, "but not for every resource");

    let deleted = kafka.delete_acls(&acls).await.unwrap();
    assert!(deleted.iter().all(|r| *r == Ok(1)), "{deleted:?}");
    assert_eq!(counter.requests()["DeleteAcls"], 1);
    let rest = eventually(async || {
        let all = kafka.describe_acls().await.unwrap();
        (!all.iter().any(|a| acls.contains(a))).then_some(all)
    })
    .await;
    assert!(others.iter().all(|a| rest.contains(a)), "what only looks alike stays");
    assert_eq!(kafka.delete_acls(&acls[..1]).await.unwrap(), [Ok(0)]);
    assert!(kafka.delete_acls(&others).await.unwrap().iter().all(|r| *r == Ok(1)));
}

/// A read that contradicts a write of the last seconds is repeated, which delays a difference and does not hide it.
#[tokio::test]
async fn a_read_that_contradicts_a_recent_write_is_repeated() {
    let lab = Lab::get();
    let ((kafka, counter), (other, _)) = (admin(lab.plaintext()), admin(lab.plaintext()));
    let acl = read(&unique("contradiction"));
    assert_eq!(kafka.create_acls(std::slice::from_ref(&acl)).await.unwrap(), [Ok(())]);
    let asked = Instant::now();
    assert!(kafka.snapshot_acls(std::slice::from_ref(&acl)).await.unwrap().contains(&acl), "however soon it is read");
    assert!(asked.elapsed() < PATIENCE);

    assert_eq!(other.delete_acls(std::slice::from_ref(&acl)).await.unwrap(), [Ok(1)]);
    eventually(async || (!other.describe_acls().await.unwrap().contains(&acl)).then_some(())).await;
    kafka.invalidate();
    let (asked, before) = (Instant::now(), counter.requests()["DescribeAcls"]);
    assert!(!kafka.snapshot_acls(std::slice::from_ref(&acl)).await.unwrap().contains(&acl), "a difference is reported in the end");
    assert!(asked.elapsed() >= PATIENCE && counter.requests()["DescribeAcls"] > before + 10, "and not before");

    // Who wrote nothing believes at once what all brokers say.
    let asked = Instant::now();
    assert!(!admin(lab.plaintext()).0.snapshot_acls(std::slice::from_ref(&acl)).await.unwrap().contains(&acl));
    assert!(asked.elapsed() < Duration::from_secs(5));
}

/// One connection for each broker: also where all of them are asked.
#[tokio::test]
async fn every_broker_is_asked_over_one_connection() {
    let lab = Lab::get();
    let dial = Arc::new(Counting::default());
    let kafka = Admin::through(lab.three(), dial.clone(), RequestCounter::default(), Duration::from_secs(3)).unwrap();
    let name = unique("everywhere");
    kafka.create_topics(&[topic(name.clone())], false).await.unwrap().remove(0).unwrap();
    let names = [name.clone(), unique("nowhere")];
    eventually(async || {
        let shown = kafka.metadata_of(&names).await.unwrap();
        (shown.topics.contains_key(&name) && kafka.all_show(&names, &shown).await.unwrap()).then_some(())
    })
    .await;
    let mut wrong = kafka.metadata_of(&names).await.unwrap();
    assert_eq!(wrong.topics.keys().collect::<Vec<_>>(), [&name], "only what was asked for");
    wrong.topics.clear();
    assert!(!kafka.all_show(&names, &wrong).await.unwrap());
    assert_eq!(dial.0.load(Ordering::SeqCst), 3);
    kafka.delete_topics(&[name]).await.unwrap().remove(0).unwrap();
}

#[tokio::test]
async fn configurations_are_changed_key_by_key() {
    let lab = Lab::get();
    let (kafka, _) = admin(lab.plaintext());
    let name = unique("config");
    let config = BTreeMap::from([("cleanup.policy".to_string(), "compact".to_string()), ("min.insync.replicas".into(), "1".into())]);
    kafka.create_topics(&[NewTopic { config, ..topic(name.clone()) }], false).await.unwrap().remove(0).unwrap();
    let resource = ConfigResource::Topic(name.clone());
    let change = |op: ConfigOp| [(resource.clone(), vec![op])];

    let bad = kafka.incremental_alter_configs(&change(ConfigOp::Set("retention.ms".into(), "abc".into())), true).await.unwrap();
    assert!(matches!(&bad[..], [Err(KafkaError::InvalidConfig { message })] if message.contains("retention.ms")), "{bad:?}");
    let only = kafka.incremental_alter_configs(&change(ConfigOp::Set("retention.ms".into(), "5000".into())), true).await.unwrap();
    assert_eq!(only, [Ok(())]);
    let append = kafka.incremental_alter_configs(&change(ConfigOp::Append("cleanup.policy".into(), "delete".into())), false).await.unwrap();
    assert_eq!(append, [Ok(())]);
    let entries = eventually(async || {
        let entries = kafka.describe_configs(std::slice::from_ref(&resource)).await.unwrap().remove(0).ok()?;
        (explicit(&entries).get("cleanup.policy") == Some(&Some("compact,delete"))).then_some(entries)
    })
    .await;
    let keys: Vec<_> = explicit(&entries).into_keys().collect();
    assert_eq!(keys, ["cleanup.policy", "min.insync.replicas"], "validate_only changed something, or another key was lost");
    let retention = entries.iter().find(|e| e.name == "retention.ms").unwrap();
    assert_eq!(retention.source, ConfigSource::Default);
    let sources = |key: &str| entries.iter().find(|e| e.name == key).unwrap().synonyms.iter().map(|s| s.source).collect::<Vec<_>>();
    assert_eq!(sources("cleanup.policy"), [ConfigSource::DynamicTopic, ConfigSource::Default]);

    let docs = kafka.describe_config_docs(&resource).await.unwrap();
    let retention = docs.iter().find(|e| e.name == "retention.ms").unwrap();
    assert_eq!(retention.ty, Some(ConfigType::Long));
    assert!(retention.documentation.as_deref().is_some_and(|d| d.len() > 40));
    let broker = kafka.describe_cluster().await.unwrap().brokers[0].id;
    assert!(kafka.describe_config_docs(&ConfigResource::Broker(broker)).await.unwrap().len() > 100);

    let dynamic = |id| [(ConfigResource::Broker(id), vec![ConfigOp::Set("log.cleaner.threads".into(), "1".into())])];
    assert_eq!(kafka.incremental_alter_configs(&dynamic(broker), true).await.unwrap(), [Ok(())]);
    let all = [(ConfigResource::AllBrokers, vec![ConfigOp::Set("log.cleaner.threads".into(), "1".into())])];
    assert_eq!(kafka.incremental_alter_configs(&all, true).await.unwrap(), [Ok(())]);

    assert_eq!(kafka.create_partitions(&[(name.clone(), 3)], true).await.unwrap(), [Ok(())]);
    assert_eq!(kafka.create_partitions(&[(name.clone(), 3)], false).await.unwrap(), [Ok(())]);
    let shrink = eventually(async || {
        let shrink = kafka.create_partitions(&[(name.clone(), 2)], true).await.unwrap();
        (shrink != [Ok(())]).then_some(shrink)
    })
    .await;
    assert!(matches!(shrink[..], [Err(KafkaError::InvalidPartitions { .. })]), "{shrink:?}");
    kafka.delete_topics(&[name]).await.unwrap().remove(0).unwrap();
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let lab = Lab::get();
    let (kafka, _) = admin(lab.plaintext());
    let wrong = |t: NewTopic| async { kafka.create_topics(&[t], true).await.unwrap().remove(0).unwrap_err() };
    assert!(matches!(wrong(topic("no spaces".into())).await, KafkaError::TopicException { .. }));
    assert!(matches!(wrong(NewTopic { replication: 99, ..topic(unique("rf")) }).await, KafkaError::InvalidReplicationFactor { .. }));
    assert!(matches!(wrong(NewTopic { partitions: 0, ..topic(unique("p")) }).await, KafkaError::InvalidPartitions { .. }));
    let config = BTreeMap::from([("retention.mss".to_string(), "1".to_string())]);
    assert!(matches!(wrong(NewTopic { config, ..topic(unique("c")) }).await, KafkaError::InvalidConfig { .. }));
    let defaults = NewTopic { partitions: -1, replication: -1, ..topic(unique("d")) };
    assert!(kafka.create_topics(&[defaults], true).await.unwrap()[0].is_ok());
    let missing = kafka.describe_configs(&[ConfigResource::Topic(unique("none"))]).await.unwrap();
    assert_eq!(missing, [Err(KafkaError::UnknownTopicOrPart)]);
}

#[tokio::test]
async fn mtls_and_scram_connect_on_both_transports() {
    let lab = Lab::get();
    let id = admin(lab.plaintext()).0.cluster_id().await.unwrap();
    assert!(!id.is_empty());
    for connection in [lab.mtls("admin"), lab.scram("admin", "admin-secret")] {
        let (kafka, _) = admin(connection);
        assert_eq!(kafka.cluster_id().await.unwrap(), id);
        kafka.describe_acls().await.unwrap();
    }
}

#[tokio::test]
async fn wrong_credentials_are_not_a_timeout() {
    let lab = Lab::get();
    let start = Instant::now();
    let (kafka, _) = admin(lab.scram("admin", "wrong-password"));
    let e = kafka.describe_acls().await.unwrap_err();
    assert!(matches!(e, KafkaError::AuthenticationFailed { .. }), "{e:?}");
    let d = e.into_diagnostic("reading ACLs");
    assert_eq!(d.code, codes::AUTHENTICATION);
    assert!(!format!("{d:?}").contains("wrong-password"));
    assert!(start.elapsed() < Duration::from_secs(3));

    let plain = KafkaConnection { mechanism: Some(SaslMechanism::Plain), ..lab.scram("admin", "admin-secret") };
    let e = admin(plain).0.cluster_id().await.unwrap_err();
    assert!(matches!(&e, KafkaError::AuthenticationFailed { message } if message.contains("SCRAM-SHA-512")), "{e:?}");

    let bare = KafkaConnection { certificate_file: None, key_file: None, ..lab.mtls("admin") };
    let e = admin(bare).0.cluster_id().await.unwrap_err();
    assert!(matches!(e, KafkaError::TlsFailed { .. }), "{e:?}");
    let foreign = KafkaConnection { ca_file: None, ..lab.mtls("admin") };
    let e = admin(foreign).0.cluster_id().await.unwrap_err();
    assert!(matches!(e, KafkaError::TlsFailed { .. }), "{e:?}");
    let unchecked = KafkaConnection { insecure_skip_verify: true, ca_file: None, ..lab.mtls("admin") };
    admin(unchecked).0.describe_acls().await.unwrap();
}

/// B4: the key of another certificate is named with both files, and so is a certificate that the brokers do not trust.
#[tokio::test]
async fn b4_a_key_of_another_certificate_is_named() {
    let lab = Lab::get();
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let own = rcgen::CertificateParams::new(vec!["127.0.0.1".into()]).unwrap().self_signed(&key).unwrap();
    let (certificate_file, key_file) = (folder.path().join("own.crt"), folder.path().join("own.key"));
    std::fs::write(&certificate_file, own.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let crossed = KafkaConnection { key_file: Some(key_file.clone()), ..lab.mtls("admin") };
    let e = Admin::with_connect_timeout(crossed, RequestCounter::default(), Duration::from_secs(3)).err().unwrap();
    assert!(matches!(&e, KafkaError::Connection { message } if message.contains("own.key is not the private key of")), "{e:?}");
    let unknown = KafkaConnection { certificate_file: Some(certificate_file), key_file: Some(key_file), ..lab.mtls("admin") };
    let d = admin(unknown).0.cluster_id().await.unwrap_err().into_diagnostic("reading the cluster");
    assert!(d.code == codes::TLS && d.hint.as_ref().unwrap().contains("signed by an authority that the server trusts"), "{d:?}");
}

/// H7, G11: who is refused by every address, or has no address, is told so after a second look.
#[tokio::test]
async fn h7_a_refused_port_and_an_unknown_name_are_not_waited_for() {
    for address in ["127.0.0.1:1", "no-such-host.invalid:9092", "127.0.0.1:0", "127.0.0.1:1,no-such-host.invalid:1"] {
        let servers = address.split(',').map(str::to_string).collect();
        let connection = KafkaConnection { bootstrap_servers: servers, ..Default::default() };
        let kafka = KafkaPool::default().admin(&connection).unwrap();
        let e = kafka.metadata().await.unwrap_err();
        assert!(matches!(&e, KafkaError::Unreachable { tried, .. } if *tried < Duration::from_secs(2)), "{e:?}");
        // Where brokers may be starting, they are waited for as long as asked.
        let waits = Admin::with_connect_timeout(connection, RequestCounter::default(), Duration::from_secs(2)).unwrap();
        let e = waits.metadata().await.unwrap_err();
        assert!(matches!(&e, KafkaError::Unreachable { tried, .. } if *tried == Duration::from_secs(2)), "{e:?}");
    }
}

/// Counts the connections that are opened.
#[derive(Default)]
struct Counting(AtomicUsize);

#[async_trait::async_trait]
impl Dial for Counting {
    async fn dial(&self, address: &str) -> Result<Box<dyn Stream>, DialError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Tcp.dial(address).await
    }
}

/// P7: a broker that ends sessions (KIP-368) is logged in to again on the same connection, and no request meets the end of a session.
#[tokio::test]
async fn p7_a_session_that_ends_is_renewed_on_its_connection() {
    let _lab = Lab::get();
    let broker = real::Kafka::start(
        1,
        &[("SCRAM", false, Authentication::Scram), ("PLAIN", false, Authentication::Plain)],
        &[("connections.max.reauth.ms", "3000")],
    );
    for (listener, mechanism) in [("SCRAM", SaslMechanism::ScramSha512), ("PLAIN", SaslMechanism::Plain)] {
        let connection = KafkaConnection {
            bootstrap_servers: vec![broker.address(listener)],
            protocol: SecurityProtocol::SaslPlaintext,
            mechanism: Some(mechanism),
            username: Some(real::USER.into()),
            password: Some(real::PASSWORD.into()),
            ..Default::default()
        };
        let (dial, counter) = (Arc::new(Counting::default()), RequestCounter::default());
        let kafka = Admin::through(connection, dial.clone(), counter.clone(), Duration::from_secs(3)).unwrap();
        let name = unique("session");
        for (n, pause) in [0, 1000, 1900, 3500, 4000].into_iter().enumerate() {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            kafka.create_topics(&[topic(format!("{name}-{n}"))], false).await.unwrap().remove(0).unwrap();
        }
        assert_eq!(dial.0.load(Ordering::SeqCst), 1, "{listener}: {:?}", counter.requests());
        assert_eq!(counter.requests()["SaslHandshake"], 4, "{listener}: the login and three renewals");
    }
}

#[tokio::test]
async fn a_missing_right_is_named() {
    let lab = Lab::get();
    let (kafka, _) = admin(lab.mtls("mallory"));
    let name = unique("denied");
    let e = kafka.create_topics(&[topic(name.clone())], false).await.unwrap().remove(0).unwrap_err();
    let hint = e.into_diagnostic(format!("creating topic \"{name}\"")).hint.unwrap();
    assert!(hint.contains(&format!("CREATE on topic \"{name}\"")), "{hint}");
    let e = kafka.describe_acls().await.unwrap_err();
    assert_eq!(e, KafkaError::AuthorizationFailed { what: "DESCRIBE on the cluster".into() });
    let e = kafka.create_acls(&[read(&name)]).await.unwrap().remove(0).unwrap_err();
    assert_eq!(e, KafkaError::AuthorizationFailed { what: "ALTER on the cluster".into() });
}

#[tokio::test]
async fn an_unreachable_cluster_is_named_in_time() {
    let start = Instant::now();
    // Port 1 of loopback: nobody listens there.
    let connection = KafkaConnection { bootstrap_servers: vec!["127.0.0.1:1".into()], ..Default::default() };
    let (kafka, _) = admin(connection);
    // Who asks at the same time waits once, not one after the other.
    let (e, _, _) = tokio::join!(kafka.describe_acls(), kafka.metadata(), kafka.list_reassignments());
    let e = e.unwrap_err();
    assert!(matches!(&e, KafkaError::Unreachable { addresses, .. } if addresses == &["127.0.0.1:1"]), "{e:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
    let d = e.into_diagnostic("reading ACLs");
    assert_eq!(d.code, codes::UNREACHABLE);
    assert!(d.detail.contains("127.0.0.1:1") && d.detail.contains("3 s"), "{}", d.detail);
}

#[tokio::test]
async fn partitions_users_and_quotas() {
    let lab = Lab::get();
    let (kafka, _) = admin(lab.plaintext());
    let name = unique("place");
    kafka.create_topics(&[NewTopic { assignments: Some(vec![vec![1]]), ..topic(name.clone()) }], false).await.unwrap().remove(0).unwrap();
    eventually(async || kafka.metadata().await.unwrap().topics.get(&name).map(|_| ())).await;
    assert!(kafka.list_reassignments().await.unwrap().iter().all(|r| r.topic != name));
    let to = |brokers| NewReassignment { topic: name.clone(), partition: 0, replicas: brokers };
    assert_eq!(kafka.alter_reassignments(&[to(Some(vec![1]))]).await.unwrap(), [Ok(())]);
    let nowhere = kafka.alter_reassignments(&[to(Some(vec![77]))]).await.unwrap();
    assert!(matches!(nowhere[..], [Err(KafkaError::InvalidReplicaAssignment { .. })]), "{nowhere:?}");
    let elected = kafka.elect_leaders(Some(&[(name.clone(), 0)])).await.unwrap();
    assert_eq!(elected, [((name.clone(), 0), Ok(()))]);
    let dirs = kafka.describe_log_dirs(&[]).await.unwrap();
    assert!(dirs.iter().any(|d| d.error.is_none() && d.replicas.iter().any(|r| r.topic == name)), "{dirs:?}");
    kafka.delete_topics(&[name]).await.unwrap().remove(0).unwrap();

    let user = unique("user");
    let mechanism = SaslMechanism::ScramSha512;
    let upsert = ScramChange::Upsert { user: user.clone(), mechanism, iterations: 4096, password: "their-secret".into() };
    assert_eq!(kafka.alter_scram(&[upsert]).await.unwrap(), [Ok(())]);
    let known = eventually(async || kafka.describe_scram(std::slice::from_ref(&user)).await.unwrap().remove(&user)).await;
    assert_eq!(known, [ScramCredential { mechanism, iterations: 4096 }]);
    let login = admin(lab.scram(&user, "their-secret")).0;
    eventually(async || login.cluster_id().await.ok()).await;
    assert_eq!(kafka.alter_scram(&[ScramChange::Delete { user: user.clone(), mechanism }]).await.unwrap(), [Ok(())]);
    eventually(async || kafka.describe_scram(std::slice::from_ref(&user)).await.unwrap().is_empty().then_some(())).await;

    let entity: QuotaEntity = BTreeMap::from([("user".to_string(), Some(user.clone()))]);
    let quota = |v| (entity.clone(), BTreeMap::from([("producer_byte_rate".to_string(), v)]));
    assert_eq!(kafka.alter_quotas(&[quota(Some(1024.0))], false).await.unwrap(), [Ok(())]);
    let set = eventually(async || kafka.describe_quotas().await.unwrap().remove(&entity)).await;
    assert_eq!(set["producer_byte_rate"], 1024.0);
    assert_eq!(kafka.alter_quotas(&[quota(None)], false).await.unwrap(), [Ok(())]);
    kafka.list_groups().await.unwrap();
}

#[tokio::test]
async fn what_a_quota_holds_back_is_asked_for_again() {
    let lab = Lab::get();
    let (kafka, _) = admin(lab.plaintext());
    let entity: QuotaEntity = BTreeMap::from([("user".to_string(), Some(real::USER.to_string()))]);
    let quota = |v| (entity.clone(), BTreeMap::from([("controller_mutation_rate".to_string(), v)]));
    assert_eq!(kafka.alter_quotas(&[quota(Some(3.0))], false).await.unwrap(), [Ok(())]);
    eventually(async || kafka.describe_quotas().await.unwrap().remove(&entity)).await;
    let (slow, counter) = admin(lab.scram(real::USER, real::PASSWORD));
    let name = unique("quota");
    let topics: Vec<_> = (0..60).map(|i| topic(format!("{name}-{i}"))).collect();
    let made = slow.create_topics(&topics, false).await.unwrap();
    assert_eq!(kafka.alter_quotas(&[quota(None)], false).await.unwrap(), [Ok(())]);
    assert!(made.iter().all(Result::is_ok), "{:?}", made.iter().find(|r| r.is_err()));
    assert!(counter.requests()["CreateTopics"] > 1, "the quota held nothing back");
    let names: Vec<String> = topics.into_iter().map(|t| t.name).collect();
    assert!(kafka.delete_topics(&names).await.unwrap().iter().all(Result::is_ok));
}

#[tokio::test]
async fn no_authorizer_is_not_an_empty_list() {
    let (kafka, _) = admin(Lab::get().three());
    assert_eq!(kafka.describe_acls().await.unwrap_err(), KafkaError::SecurityDisabled);
    assert_eq!(kafka.create_acls(&[read("x")]).await.unwrap(), [Err(KafkaError::SecurityDisabled)]);
    assert_eq!(KafkaError::SecurityDisabled.into_diagnostic("reading ACLs").code, codes::NO_AUTHORIZER);
}

/// What a proxy loses.
#[derive(Clone, Copy, PartialEq)]
enum Loses {
    /// The answer, every time.
    Answer,
    /// The request itself, the first time.
    Request,
}

/// Passes everything on to `broker`, but breaks the connection at the request number `api`: right after it was passed on, or instead.
async fn lossy_proxy(broker: String, api: i16, loses: Loses) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let lost_before = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let lost_before = Arc::clone(&lost_before);
            let broker = tokio::net::TcpStream::connect(&broker).await.unwrap();
            let ((mut from_client, mut to_client), (mut from_broker, mut to_broker)) = (client.into_split(), broker.into_split());
            let answers = tokio::spawn(async move { tokio::io::copy(&mut from_broker, &mut to_client).await });
            tokio::spawn(async move {
                while let Ok(size) = from_client.read_u32().await {
                    let mut body = vec![0; size as usize];
                    from_client.read_exact(&mut body).await.unwrap();
                    let is_meant = body[..2] == api.to_be_bytes();
                    let lost = is_meant && (loses == Loses::Answer || lost_before.fetch_add(1, Ordering::SeqCst) == 0);
                    if lost {
                        answers.abort();
                    }
                    if lost && loses == Loses::Request {
                        return;
                    }
                    to_broker.write_all(&size.to_be_bytes()).await.unwrap();
                    to_broker.write_all(&body).await.unwrap();
                    if lost {
                        // The broker must have read it before its side is closed.
                        tokio::time::sleep(Duration::from_millis(300)).await;
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_lost_answer_is_read_back() {
    let lab = Lab::get();
    let through = async |api, loses| {
        let proxy = lossy_proxy(real::lab("plaintext"), api, loses).await;
        admin(KafkaConnection { bootstrap_servers: vec![proxy], ..Default::default() }).0
    };
    let (direct, _) = admin(lab.plaintext());
    let (name, there) = (unique("lost"), unique("there"));
    direct.create_topics(&[topic(there.clone())], false).await.unwrap().remove(0).unwrap();
    eventually(async || direct.metadata().await.unwrap().topics.get(&there).map(|_| ())).await;

    let kafka = through(19, Loses::Answer).await;
    kafka.snapshot_metadata().await.unwrap();
    let results = kafka.create_topics(&[topic(name.clone()), topic(there.clone())], false).await.unwrap();
    assert!(matches!(&results[0], Ok(t) if t.id.is_some()), "{results:?}");
    assert!(matches!(&results[1], Err(e) if e.is_ambiguous()), "a topic that was there before is not ours: {results:?}");

    let never_asked = unique("asked-again");
    let made = through(19, Loses::Request).await.create_topics(&[topic(never_asked.clone())], false).await.unwrap();
    assert!(matches!(&made[0], Ok(t) if t.id.is_some()), "what was not carried out is asked for once more: {made:?}");
    direct.delete_topics(&[never_asked]).await.unwrap().remove(0).unwrap();

    let deleted = through(20, Loses::Answer).await.delete_topics(&[name.clone(), there.clone()]).await.unwrap();
    assert!(deleted.iter().all(|r| r.is_ok()), "{deleted:?}");
    eventually(async || (!direct.metadata().await.unwrap().topics.contains_key(&name)).then_some(())).await;
}

#[tokio::test]
async fn partitions_move_between_brokers() {
    let lab = Lab::get();
    let (kafka, counter) = admin(lab.three());
    let brokers: Vec<i32> = kafka.describe_cluster().await.unwrap().brokers.iter().map(|b| b.id).collect();
    let [first, second, third, ..] = brokers[..] else { panic!("the cluster has fewer than three brokers") };
    let name = unique("moves");
    let created = kafka
        .create_topics(&[NewTopic { assignments: Some(vec![vec![first], vec![second]]), ..topic(name.clone()) }], false)
        .await
        .unwrap();
    assert_eq!(created[0].as_ref().unwrap().partitions, Some(2));
    eventually(async || kafka.metadata().await.unwrap().topics.get(&name).map(|_| ())).await;
    let moves: Vec<_> = [vec![third, first, second], vec![second, third, first]]
        .into_iter()
        .zip(0..)
        .map(|(replicas, partition)| NewReassignment { topic: name.clone(), partition, replicas: Some(replicas) })
        .collect();
    assert_eq!(kafka.alter_reassignments(&moves).await.unwrap(), [Ok(()), Ok(())]);
    let now = eventually(async || {
        let going_on = kafka.list_reassignments().await.unwrap();
        let topic = kafka.metadata().await.unwrap().topics.remove(&name)?;
        let done = topic.partitions.iter().all(|p| p.replicas.len() == 3 && !p.under_replicated());
        (done && !going_on.iter().any(|r| r.topic == name)).then_some(topic)
    })
    .await;
    assert_eq!(now.partitions[0].replicas, [third, first, second]);
    assert_eq!(now.partitions[0].leader, Some(first), "a move alone changes no leader");
    kafka.elect_leaders(None).await.unwrap();
    eventually(async || {
        let topic = kafka.metadata().await.unwrap().topics.remove(&name)?;
        (topic.partitions[0].leader == Some(third)).then_some(())
    })
    .await;
    let dirs = kafka.describe_log_dirs(&[first, second, third]).await.unwrap();
    assert_eq!(dirs.iter().flat_map(|d| &d.replicas).filter(|r| r.topic == name).count(), 6);
    assert_eq!(counter.requests()["DescribeLogDirs"], 3);
    let resources: Vec<_> = brokers.iter().map(|b| ConfigResource::Broker(*b)).collect();
    let configs = kafka.describe_configs(&resources).await.unwrap();
    let id = |entries: &[ConfigEntry]| entries.iter().find(|e| e.name == "node.id").and_then(|e| e.value.clone());
    let ids: Vec<_> = configs.iter().map(|c| id(c.as_ref().unwrap()).unwrap().parse::<i32>().unwrap()).collect();
    assert_eq!(ids, brokers, "each broker tells its own configuration");
    kafka.delete_topics(&[name]).await.unwrap().remove(0).unwrap();
}
