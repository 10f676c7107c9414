//! What people see on bad days: wrong credentials, missing rights, brokers that are not there, connectors that fail, workers that rebalance.
//! The program as people run it, against real brokers and a real worker ([`common::real`]).

mod common;

use common::real::{self, PASSWORD, USER};
use common::{Lab, Screen};
use streamform::client::kafka::{
    AclBinding, AclOperation, AclPattern, AclPermission, AclResource, ConfigOp, ConfigResource, ConfigSource, NewTopic,
};
use streamform::engine::spec::Authentication;

/// A `data "kafka_cluster"` block.
fn cluster(name: &str, servers: &str, blocks: &str) -> String {
    format!("data \"kafka_cluster\" \"{name}\" {{\n  bootstrap_servers = \"{servers}\"\n{blocks}}}\n")
}

fn sasl(mechanism: &str, user: &str, password: &str) -> String {
    format!("  sasl {{\n    mechanism = \"{mechanism}\"\n    username  = \"{user}\"\n    password  = \"{password}\"\n  }}\n")
}

fn ca() -> String {
    format!("{}/ca.crt", real::lab("tls"))
}

fn tls(ca: &str) -> String {
    format!("  tls {{\n    ca_file = \"{ca}\"\n  }}\n")
}

fn mtls(who: &str) -> String {
    let dir = real::lab("tls");
    format!(
        "  tls {{\n    ca_file          = \"{dir}/ca.crt\"\n    certificate_file = \"{dir}/{who}.crt\"\n    key_file         = \"{dir}/{who}.key\"\n  }}\n"
    )
}

fn topic(cluster: &str, name: &str) -> String {
    format!(
        "resource \"kafka_topic\" \"t\" {{\n  cluster             = {cluster}\n  name                = \"{name}\"\n  partitions          = 1\n  deletion_protection = false\n}}\n"
    )
}

fn plan(config: &str) -> Screen {
    Lab::new(config).run("plan")
}

/// A plan that fails with a code and shows each of these.
#[track_caller]
fn refused(config: &str, telling: &[&str]) -> Screen {
    let screen = plan(config);
    assert_eq!(screen.code, 1, "{}", screen.text);
    screen.shows(telling);
    screen
}

#[test]
fn every_kind_of_listener_is_reached_and_read() {
    let kinds = [
        ("plaintext", String::new()),
        ("tls", tls(&ca())),
        ("mtls", mtls("admin")),
        ("scram", sasl("SCRAM-SHA-512", USER, PASSWORD)),
        ("scram_tls", tls(&ca()) + &sasl("SCRAM-SHA-512", USER, PASSWORD)),
        ("plain", sasl("PLAIN", USER, PASSWORD)),
        ("plain_tls", tls(&ca()) + &sasl("PLAIN", USER, PASSWORD)),
    ];
    let address = |kind: &str| if kind == "tls" { real::kafka().address("TLS") } else { real::lab(kind) };
    let blocks: String = kinds.iter().map(|(kind, blocks)| cluster(kind, &address(kind), blocks)).collect();
    let ids: Vec<String> = kinds.iter().map(|(kind, _)| format!("data.kafka_cluster.{kind}.cluster_id")).collect();
    let protocols: Vec<String> = kinds.iter().map(|(kind, _)| format!("data.kafka_cluster.{kind}.security_protocol")).collect();
    let lab = Lab::new(&format!(
        "{blocks}output \"ids\" {{\n  value = distinct([{}])\n}}\noutput \"protocols\" {{\n  value = [{}]\n}}\n",
        ids.join(", "),
        protocols.join(", ")
    ));
    lab.apply().hides(&[PASSWORD]);
    let out: serde_json::Value = serde_json::from_str(&lab.ok("output -json").stdout).unwrap();
    assert_eq!(out["ids"]["value"].as_array().unwrap().len(), 1, "{out}");
    let protocols = ["PLAINTEXT", "SSL", "SSL", "SASL_PLAINTEXT", "SASL_SSL", "SASL_PLAINTEXT", "SASL_SSL"];
    assert_eq!(out["protocols"]["value"], serde_json::json!(protocols));
}

/// A5, F3: with a password in the connection, and with other settings sensitive.
#[test]
fn a5_a_refused_setting_is_named_with_the_reason() {
    let base = cluster("k", &real::lab("scram"), &sasl("SCRAM-SHA-512", USER, PASSWORD));
    let config = |line: &str| {
        let quiet = "    \"segment.ms\" = sensitive(3600123)\n";
        topic("data.kafka_cluster.k", "a5").replace("  deletion", &format!("  config = {{\n{quiet}    {line}\n  }}\n  deletion"))
    };
    for (line, telling) in [
        (
            "\"log.retention.minutes\" = 60",
            ["\"log.retention.minutes\" of topic \"a5\": Unknown topic config name", "\"retention.ms\", in milliseconds"],
        ),
        ("\"log.retention.ms\" = 60", ["Unknown topic config name: log.retention.ms", "The topic's own setting is \"retention.ms\"."]),
        ("\"cleanup_policy\" = \"compact\"", ["Unknown topic config name: cleanup_policy", "Did you mean \"cleanup.policy\"?"]),
        (
            "\"retention.ms\" = \"7d\"",
            ["\"retention.ms\" of topic \"a5\": Invalid value 7d for configuration retention.ms", "Not a number of type LONG"],
        ),
        ("\"min.cleanable.dirty.ratio\" = 7", ["\"min.cleanable.dirty.ratio\"", "Invalid value 7"]),
        ("\"num.partitions\" = 7", ["Unknown topic config name: num.partitions", "it is the argument `partitions`"]),
    ] {
        let flat = |s: Screen| s.text.replace("\n│       ", " ").replace("\n│ ", " ");
        let s = plan(&(base.clone() + &config(line)));
        assert_eq!(s.code, 1, "{line}\n{}", s.text);
        s.hides(&["3600123", PASSWORD]);
        let text = flat(s);
        assert!(text.contains("SF6107") && telling.iter().all(|t| text.contains(t)), "{line}\n{text}");
        // The caret stands under the key where that is wrong, else under the value.
        let (key, value) = line.split_once(" = ").unwrap();
        let marked = if text.contains("Unknown topic config") { key } else { value };
        assert!(text.contains(&format!(" {} ", "^".repeat(marked.len()))), "{text}");
    }
    let hidden = plan(&(base + &config("\"retention.ms\" = sensitive(\"7d\")")));
    hidden.shows(&["SF6107", "\"retention.ms\"", "its value is sensitive"]).hides(&["7d for"]);
}

#[test]
fn wrong_credentials_are_called_so() {
    let (scram, plain, mtls_address) = (real::lab("scram"), real::lab("plain"), real::lab("mtls"));
    for (address, mechanism) in [(&scram, "SCRAM-SHA-512"), (&plain, "PLAIN")] {
        let config = cluster("c", address, &sasl(mechanism, USER, "not-the-password"));
        refused(&config, &["SF6003", "data.kafka_cluster.c", "authentication failed", "hint:", "password"]).hides(&["not-the-password"]);
    }
    // The mechanisms that the listener has are named.
    refused(&cluster("c", &scram, &sasl("PLAIN", USER, PASSWORD)), &["SF6003", "SCRAM-SHA-512"]);

    let foreign = tempfile::tempdir().unwrap();
    let authority = streamform::engine::local::pki::Pki::open(foreign.path(), "foreign").unwrap();
    authority.issue("admin").unwrap();
    let dir = foreign.path().display();
    let stranger = format!(
        "  tls {{\n    ca_file          = \"{}\"\n    certificate_file = \"{dir}/admin.crt\"\n    key_file         = \"{dir}/admin.key\"\n  }}\n",
        ca()
    );
    refused(&cluster("c", &mtls_address, &stranger), &["SF6004", "TLS failed", "certificate_file"]);
    // B4: each says what to set, and none names an object that nobody wrote.
    let s = refused(&cluster("c", &mtls_address, &tls(&ca())), &["SF6004", "asks for a client certificate", "set `certificate_file`"]);
    s.hides(&["`admin`"]);
    let own = real::lab("tls");
    let with = |certificate: &str, key: &str| {
        format!("  tls {{\n    ca_file = \"{own}/ca.crt\"\n    certificate_file = \"{certificate}\"\n    key_file = \"{key}\"\n  }}\n")
    };
    let write = |name: &str, bytes: &[u8]| {
        let path = foreign.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let good = (format!("{own}/admin.crt"), format!("{own}/admin.key"));
    let encrypted = write("encrypted.key", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let legacy = write(
        "legacy.key",
        b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIE\n-----END RSA PRIVATE KEY-----\n",
    );
    let (p12, jks) = (write("a.p12", &[0x30, 0x82, 5, 6, 7]), write("a.jks", &[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]));
    for (certificate, key, telling) in [
        (&good.0, &encrypted, "keys are read without a password"),
        (&good.0, &legacy, "keys are read without a password"),
        (&p12, &good.1, "a binary file"),
        (&good.0, &jks, "a Java key store"),
        (&good.1, &good.0, "exchanged"),
    ] {
        let s = refused(&cluster("c", &mtls_address, &with(certificate, key)), &["SF60", telling]);
        s.hides(&["`admin`", "no items found", "decode error"]);
    }
    // The broker's certificate is of another authority than told.
    let s = refused(
        &cluster("c", &real::kafka().address("TLS"), &tls(&format!("{dir}/ca.crt"))),
        &["SF6004", "is not trusted here", "set `ca_file`"],
    );
    s.hides(&["`admin`"]);
}

#[test]
fn a_port_of_the_other_kind_is_told_apart_from_silence() {
    refused(&cluster("c", &real::kafka().address("TLS"), ""), &["SF6004", "speaks TLS, and"]);
    let (plaintext, scram, scram_tls) = (real::lab("plaintext"), real::lab("scram"), real::lab("scram_tls"));
    let user = sasl("SCRAM-SHA-512", USER, PASSWORD);
    refused(&cluster("c", &plaintext, &tls(&ca())), &["SF6004", &plaintext, "speaks no TLS", "Remove the block `tls`"]);
    refused(&cluster("c", &scram, &(tls(&ca()) + &user)), &["SF6004", &scram, "speaks no TLS"]);
    refused(&cluster("c", &scram_tls, &user), &["SF6004", "speaks TLS, and"]);
    refused(&cluster("c", &plaintext, &user), &["SF6003", "asks for no user"]);
    refused(&cluster("c", &scram, ""), &["SF6003", &scram, "asks for a user"]);
    refused(&cluster("c", &scram_tls, &tls(&ca())), &["SF6003", &scram_tls, "asks for a user"]);

    let worker = |url: &str, more: &str| format!("data \"kafka_connect\" \"c\" {{\n  url = \"{url}\"\n{more}}}\n");
    let [https, authority, ..] = real::connect().tls();
    let http = real::connect().url().replace("http:", "https:");
    refused(&worker(&http, &tls(&authority)), &["SF7002", "speaks no TLS", "http://"]);
    refused(&worker(&https.replace("https:", "http:"), ""), &["SF7002", "speaks TLS", "https://"]);
}

#[test]
fn brokers_that_are_not_there_are_named_with_the_time() {
    // Port 1 of loopback: nobody listens there.
    refused(&cluster("c", "127.0.0.1:1", ""), &["SF6001", "127.0.0.1:1", " s: ", "bootstrap_servers", "data.kafka_cluster.c"]);
    let connect = "data \"kafka_connect\" \"c\" {\n  url = \"http://127.0.0.1:1\"\n}\n";
    refused(connect, &["SF7001", "127.0.0.1:1", "data.kafka_connect.c"]);
}

fn grant(principal: &str, resource: AclResource, name: &str, operation: AclOperation) -> AclBinding {
    AclBinding {
        resource,
        name: name.into(),
        pattern: AclPattern::Literal,
        principal: principal.into(),
        host: "*".into(),
        operation,
        permission: AclPermission::Allow,
    }
}

#[test]
fn a_missing_right_is_named_at_plan_and_at_apply() {
    let _alone = real::alone();
    let mallory = cluster("m", &real::lab("mtls"), &mtls("mallory"));
    let config = mallory.clone() + &topic("data.kafka_cluster.m", "denied");
    refused(&config, &["SF6005", "kafka_topic.t", "CREATE on topic \"denied\"", "`User:CN=mallory`"]);

    // Who may not list ACLs still learns of the drift of what is declared.
    Lab::new(&mallory).ok("drift").shows(&["Warning[SF6005]: ", "DESCRIBE on the cluster", "No drift."]);

    let acl = format!(
        "{mallory}resource \"kafka_acl\" \"a\" {{\n  cluster   = data.kafka_cluster.m\n  principal = \"User:x\"\n  role \"consumer\" {{\n    topic = \"x\"\n    group = \"x\"\n  }}\n}}\n"
    );
    refused(&acl, &["SF6005", "Give `User:CN=mallory` the right to DESCRIBE on the cluster"]);
    let by_password = cluster("m", &real::lab("scram"), &sasl("SCRAM-SHA-512", "mallory", "mallory-secret"));
    let config = by_password + &topic("data.kafka_cluster.m", "denied");
    refused(&config, &["SF6005", "Give `User:mallory` the right to CREATE on topic \"denied\""]);
    // Who may look but not change learns it when changing.
    let admin = real::kafka().admin();
    let may_look = [grant("User:CN=mallory", AclResource::Cluster, "kafka-cluster", AclOperation::Describe)];
    assert!(real::wait(admin.create_acls(&may_look)).unwrap()[0].is_ok());
    common::until("the right has arrived", || plan(&acl).code == 0);
    let lab = Lab::new(&acl);
    lab.fails("apply -auto-approve", &["SF6005", "kafka_acl.a", "ALTER on the cluster", "`User:CN=mallory`"]);
    assert_eq!(real::wait(admin.delete_acls(&may_look)).unwrap(), [Ok(1)]);
    assert!(!real::wait(admin.describe_acls()).unwrap().iter().any(|a| a.principal == "User:x"));
}

#[test]
fn what_may_not_be_seen_is_not_taken_for_gone() {
    let lab = Lab::new(&(cluster("c", &real::lab("plaintext"), "") + &topic("data.kafka_cluster.c", "hidden")));
    lab.apply();
    let owner = lab.read("main.hcl");
    lab.write("main.hcl", &(cluster("c", &real::lab("mtls"), &mtls("mallory")) + &topic("data.kafka_cluster.c", "hidden")));
    lab.fails("plan", &["SF6005", "kafka_topic.t", "DESCRIBE_CONFIGS on topic \"hidden\"", "`User:CN=mallory`"])
        .hides(&["will be created"]);
    lab.write("main.hcl", &owner);
    lab.ok("plan -detailed-exitcode").shows(&["No changes"]);
    lab.ok("destroy -auto-approve -allow-data-loss");
}

/// A client of mallory's.
fn client(settings: &[(&str, &str)]) -> rdkafka::ClientConfig {
    let mut config = rdkafka::ClientConfig::new();
    let login = [("sasl.mechanism", "SCRAM-SHA-512"), ("sasl.username", "mallory"), ("sasl.password", "mallory-secret")];
    for (k, v) in login.iter().chain(settings) {
        config.set(*k, *v);
    }
    config.set("bootstrap.servers", real::lab("scram")).set("security.protocol", "SASL_PLAINTEXT");
    config
}

/// Writes a record in a transaction.
fn writes(id: &str, topic: &str) -> bool {
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    let wait = std::time::Duration::from_secs(10);
    let producer: BaseProducer = client(&[("transactional.id", id)]).create().unwrap();
    let sent = |p: &BaseProducer| p.send(BaseRecord::<(), str>::to(topic).payload("x")).is_ok();
    let begun = producer.init_transactions(wait).is_ok() && producer.begin_transaction().is_ok();
    begun && sent(&producer) && producer.commit_transaction(wait).is_ok()
}

/// Reads a record as a member of a group.
fn reads(group: &str, topic: &str) -> bool {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    let consumer: BaseConsumer = client(&[("group.id", group), ("auto.offset.reset", "earliest")]).create().unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let begin = std::time::Instant::now();
    while begin.elapsed() < std::time::Duration::from_secs(15) {
        match consumer.poll(std::time::Duration::from_millis(100)) {
            Some(Ok(_)) => return true,
            Some(Err(_)) => return false,
            None => {}
        }
    }
    panic!("neither a record nor a refusal");
}

#[test]
fn roles_are_enough_for_real_clients_and_a_denial_wins() {
    let _alone = real::alone();
    let base = cluster("c", &real::lab("plaintext"), "") + &topic("data.kafka_cluster.c", "roles");
    let acl = |rest: &str| {
        format!(
            "{base}resource \"kafka_acl\" \"a\" {{\n  cluster   = data.kafka_cluster.c\n  principal = \"User:mallory\"\n  role \"producer\" {{\n    topic = \"roles\"\n    transactional_id = \"roles-tx\"\n  }}\n  role \"consumer\" {{\n    topic = \"roles\"\n    group = \"roles-group\"\n  }}\n{rest}}}\n"
        )
    };
    let lab = Lab::new(&base);
    lab.apply();
    assert!(!writes("roles-tx", "roles") && !reads("roles-group", "roles"), "nobody was granted anything");
    lab.write("main.hcl", &acl(""));
    lab.apply();
    assert!(writes("roles-tx", "roles") && reads("roles-group", "roles"));
    assert!(!writes("other-tx", "roles") && !reads("other-group", "roles"));
    // The rights of a running client never drop while its block is written anew.
    let admin = real::kafka().admin();
    let has =
        || real::wait(admin.describe_acls()).unwrap().iter().any(|a| a.principal == "User:mallory" && a.operation == AclOperation::Read);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|s| {
        let watch = s.spawn(|| {
            let mut looks = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                assert!(has(), "a moment without the right");
                looks += 1;
            }
            looks
        });
        for round in 0..3 {
            let whole = acl("").replace("topic = \"roles\"", "topic = \"role\"\n    pattern = \"prefixed\"");
            lab.write("main.hcl", &if round % 2 == 0 { whole } else { acl("") });
            lab.apply();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(watch.join().unwrap() > 5);
    });
    lab.write("main.hcl", &acl("  rule {\n    operations = [\"READ\"]\n    topic = \"roles\"\n    permission = \"deny\"\n  }\n"));
    lab.apply();
    assert!(!reads("roles-group", "roles"), "the denial wins");
    lab.ok("destroy -auto-approve -allow-data-loss");
}

fn connect() -> String {
    format!("data \"kafka_connect\" \"c\" {{\n  url = \"{}\"\n}}\n", real::connect().url())
}

fn connector(label: &str, class: &str, pairs: &[(&str, &str)]) -> String {
    let config: String = pairs.iter().map(|(k, v)| format!("    \"{k}\" = \"{v}\"\n")).collect();
    format!(
        "resource \"kafka_connector\" \"{label}\" {{\n  connect = data.kafka_connect.c\n  name    = \"{label}\"\n  class   = \"{class}\"\n  config = {{\n{config}  }}\n}}\n"
    )
}

#[test]
fn a_connector_that_fails_shows_its_trace_and_the_next_apply_goes_on() {
    let _alone = real::alone();
    let lab = Lab::new("");
    let input = lab.path().join("in.txt").display().to_string();
    lab.write("in.txt", "one\n");
    let source = connector(
        "feed",
        "FileStreamSource",
        &[
            ("file", &input),
            ("topic", "bad-days"),
            ("topic.creation.default.partitions", "1"),
            ("topic.creation.default.replication.factor", "1"),
        ],
    );
    let sink = |file: &str| connector("out", "FileStreamSink", &[("file", file), ("topics", "bad-days")]);
    lab.write("main.hcl", &(connect() + &source + &sink("/no/such/folder/out.txt")));
    let screen = lab.fails("apply -auto-approve", &["SF7009", "kafka_connector.out", "Task 0 failed", "/no/such/folder", "hint:"]);
    screen.hides(&["\tat "]).shows(&["kafka_connector.feed"]);
    let output = lab.path().join("out.txt").display().to_string();
    lab.write("main.hcl", &(connect() + &source + &sink(&output)));
    lab.apply();
    lab.ok("plan -detailed-exitcode").shows(&["No changes"]);
    common::until("the line arrives", || lab.path().join("out.txt").exists() && lab.read("out.txt").contains("one"));
    lab.ok("destroy -auto-approve -allow-data-loss");
}

#[test]
fn an_unknown_class_lists_what_is_installed() {
    let config = connect() + &connector("x", "org.example.Nothing", &[]);
    refused(&config, &["SF7006", "org.example.Nothing", "org.apache.kafka.connect.file.FileStreamSourceConnector"]);
}

#[test]
fn a_worker_that_dies_meanwhile_makes_nothing_fail() {
    let _alone = real::alone();
    let lab = Lab::new("");
    let guest = real::Guest::new();
    guest.come();
    // Many at once: each makes the workers rebalance, and one worker dies meanwhile.
    let many: String = (0..24).map(|i| connector(&format!("many{i}"), "FileStreamSource", &[("topic", "bad-days-many")])).collect();
    lab.write("main.hcl", &(connect() + &many));
    let child = lab.start("apply -auto-approve -no-color");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    guest.die();
    let screen = common::screen(&child.wait_with_output().unwrap());
    assert_eq!(screen.code, 0, "{}", screen.text);
    screen.shows(&["24 added"]);
    lab.ok("plan -detailed-exitcode");
    lab.ok("destroy -auto-approve -allow-data-loss");
}

#[test]
fn a_worker_is_reached_with_and_without_client_certificates() {
    let [url, ca, certificate, key] = real::connect().tls();
    let secure =
        |more: &str| format!("data \"kafka_connect\" \"s\" {{\n  url = \"{url}\"\n  tls {{\n    ca_file = \"{ca}\"\n{more}  }}\n}}\n");
    let with = secure(&format!("    certificate_file = \"{certificate}\"\n    key_file = \"{key}\"\n"));
    let lab = Lab::new(&format!(
        "{}{with}output \"same\" {{\n  value = data.kafka_connect.c.kafka_cluster_id == data.kafka_connect.s.kafka_cluster_id\n}}\n",
        connect()
    ));
    lab.apply().shows(&["same = true"]);
    // B4 for Connect: each says what to set.
    refused(&secure(""), &["SF7002", "127.0.0.1", "asks for a client certificate"]);
    refused(&with.replace(&format!("    ca_file = \"{ca}\"\n"), ""), &["SF7002", "set `ca_file`"]);
    refused(&secure(&format!("    certificate_file = \"{key}\"\n    key_file = \"{certificate}\"\n")), &["SF70", "are exchanged"]);
}

#[test]
fn a_worker_behind_a_password_is_reached_with_it_alone() {
    let url = real::guarded();
    let block = |login: &str| format!("data \"kafka_connect\" \"c\" {{\n  url = \"{url}\"\n{login}}}\n");
    let login = |user: &str, password: &str| block(&format!("  username = \"{user}\"\n  password = \"{password}\"\n"));
    refused(&block(""), &["SF7003", url, "401", "username and password"]);
    refused(&login(USER, "not-the-password"), &["SF7003", "401"]).hides(&["not-the-password"]);
    let topic = [("topic", "guarded"), ("file", "/dev/null")];
    let lab = Lab::new(&(login(USER, PASSWORD) + &connector("guarded", "FileStreamSource", &topic)));
    lab.apply().hides(&[PASSWORD]);
    lab.ok("plan -detailed-exitcode").shows(&["No changes"]);
    // The state keeps no password, and the next run does without.
    for (path, bytes) in lab.files().into_iter().filter(|(p, _)| !p.ends_with("main.hcl")) {
        assert!(!bytes.windows(PASSWORD.len()).any(|w| w == PASSWORD.as_bytes()), "{}", path.display());
    }
    lab.write("main.hcl", &login(USER, PASSWORD));
    lab.apply().shows(&["1 destroyed"]);
}

/// One broker that lets everybody in where there is no ACL, and lets no topic go.
fn open() -> &'static real::Kafka {
    static ONE: std::sync::OnceLock<real::Kafka> = std::sync::OnceLock::new();
    let config = [("delete.topic.enable", "false"), ("allow.everyone.if.no.acl.found", "true")];
    ONE.get_or_init(|| real::Kafka::start(1, &[("PLAINTEXT", false, Authentication::None)], &config))
}

#[test]
fn the_first_acl_of_an_open_cluster_is_warned_of() {
    let acl = |label: &str, rule: &str| {
        format!(
            "resource \"kafka_acl\" \"{label}\" {{\n  cluster   = data.kafka_cluster.c\n  principal = \"User:x\"\n  rule {{\n    {rule}\n  }}\n}}\n"
        )
    };
    let base = cluster("c", &open().address("PLAINTEXT"), "");
    let first = base.clone() + &acl("a", "operations = [\"READ\"]\n    topic = \"first\"");
    let lab = Lab::new(&first);
    // H11: nobody can be shut out of a topic that does not exist, also of one that the same plan creates.
    lab.ok("plan").hides(&["SF6204"]);
    for name in ["first", "third"] {
        let topic = NewTopic { name: name.into(), partitions: 1, replication: 1, ..NewTopic::default() };
        real::wait(open().admin().create_topics(&[topic], false)).unwrap().remove(0).unwrap();
    }
    // A broker shows a topic a moment after it has acknowledged it.
    let names = ["first".to_string(), "third".to_string()];
    let end = std::time::Instant::now() + std::time::Duration::from_secs(15);
    while real::wait(open().admin().metadata_of(&names)).unwrap().topics.len() < names.len() {
        assert!(std::time::Instant::now() < end, "the topics do not show");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let third = acl("b", "operations = [\"READ\"]\n    topic = \"third\"");
    lab.write("main.hcl", &(first.clone() + &third + &acl("d", "operations = [\"READ\"]\n    topic = \"nothing\"")));
    let s = lab.ok("plan");
    s.once("SF6204").shows(&["topic \"first\", topic \"third\" so far"]);
    assert!(!s.stdout.contains("SF6204") && s.text.find("Plan: 3 to add") < s.text.find("SF6204"), "it stands behind the plan\n{}", s.text);
    lab.write("main.hcl", &first);
    lab.ok("plan").shows(&["SF6204", "kafka_acl.a", "topic \"first\"", "allow.everyone.if.no.acl.found"]);
    lab.apply();
    lab.write("main.hcl", &(first.clone() + &acl("b", "operations = [\"READ\"]\n    topic = \"second\"")));
    lab.ok("plan").hides(&["SF6204"]);
    // One on the cluster itself may shut out streamform.
    lab.write("main.hcl", &(first + &acl("b", "operations = [\"ALTER\"]\n    cluster = true")));
    lab.ok("plan").shows(&["SF6204", "the cluster itself", "`User:ANONYMOUS`"]);
    lab.write("main.hcl", &base);
    lab.apply();
}

#[test]
fn partitions_whose_only_replica_is_away_are_told_and_hinder_nothing() {
    let kafka = real::Kafka::start(2, &[("PLAINTEXT", false, Authentication::None)], &[]);
    let config = |retention: &str| {
        format!(
            "{}resource \"kafka_topic\" \"t\" {{\n  cluster = data.kafka_cluster.c\n  name = \"halved\"\n  partitions = 2\n  replication_factor = 1\n  deletion_protection = false\n  config = {{\n    \"retention.ms\" = \"{retention}\"\n  }}\n}}\n",
            cluster("c", &kafka.address("PLAINTEXT"), "")
        )
    };
    let lab = Lab::new(&config("1000000"));
    lab.apply().hides(&["SF6114"]);
    kafka.kill(2);
    let admin = kafka.admin();
    common::until("the partition has no leader", || {
        real::wait(admin.metadata()).is_ok_and(|m| m.topics["halved"].partitions.iter().any(|p| p.leader.is_none()))
    });
    lab.ok("plan -detailed-exitcode").shows(&["SF6114", "1 of 2 partitions of topic \"halved\" has no leader", "No changes"]);
    lab.write("main.hcl", &config("2000000"));
    lab.apply().shows(&["SF6114", "0 added, 1 changed"]);
    lab.ok("plan -detailed-exitcode").shows(&["No changes"]);
    lab.ok("destroy -auto-approve -allow-data-loss");
}

/// A consumer group of one's own: the rights of the sink must name it, and a policy of the worker allows it.
#[test]
fn a_sink_needs_the_right_on_the_group_that_it_really_has() {
    let _alone = real::alone();
    let lab = Lab::new("");
    lab.write("in.txt", "one\n");
    let file = |name: &str| lab.path().join(name).display().to_string();
    let (input, output, servers) = (file("in.txt"), file("out.txt"), real::lab("scram"));
    let creation = [("topic.creation.default.partitions", "1"), ("topic.creation.default.replication.factor", "1")];
    let feed: Vec<_> = [("file", input.as_str()), ("topic", "own-group-topic")].into_iter().chain(creation).collect();
    let own = [
        ("file", output.as_str()),
        ("topics", "own-group-topic"),
        ("consumer.override.group.id", "own-group"),
        ("consumer.override.bootstrap.servers", &servers),
        ("consumer.override.security.protocol", "SASL_PLAINTEXT"),
        ("consumer.override.sasl.mechanism", "SCRAM-SHA-512"),
    ];
    let login = "  sensitive_config = {\n    \"consumer.override.sasl.jaas.config\" = \"org.apache.kafka.common.security.scram.ScramLoginModule required username=\\\"mallory\\\" password=\\\"mallory-secret\\\";\"\n  }\n  restart_policy {\n    on_failure = \"never\"\n  }\n  depends_on = [kafka_acl.sink]\n}\n";
    let sink = connector("own", "FileStreamSink", &own);
    let sink = format!("{}{login}", sink.strip_suffix("}\n").unwrap());
    let config = |role: &str| {
        let acl = format!(
            "resource \"kafka_acl\" \"sink\" {{\n  cluster   = data.kafka_cluster.c\n  principal = \"User:mallory\"\n  role \"sink\" {{\n    topic = \"own-group-topic\"\n    {role}\n  }}\n}}\n"
        );
        cluster("c", &real::lab("plaintext"), "") + &connect() + &connector("own_feed", "FileStreamSource", &feed) + &acl + &sink
    };
    lab.write("main.hcl", &config("connector = \"own\""));
    lab.fails("apply -auto-approve", &["SF7009", "kafka_connector.own", "own-group"]).hides(&["mallory-secret"]);
    lab.write("main.hcl", &config("group = \"own-group\""));
    lab.apply().shows(&["- ALLOW User:mallory READ on group literal connect-own"]).hides(&["mallory-secret"]);
    common::until("the line arrives", || lab.path().join("out.txt").exists() && lab.read("out.txt").contains("one"));
    lab.ok("plan -destroy").shows(&["consumer group own-group"]);
    lab.ok("destroy -auto-approve -allow-data-loss");
}

/// Writes this many kilobytes to a topic.
fn fill(servers: &str, topic: &str, kilobytes: usize) {
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    let producer: BaseProducer = rdkafka::ClientConfig::new().set("bootstrap.servers", servers).create().unwrap();
    let record: Vec<u8> = (0..1024_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for i in 0..kilobytes {
        let partition = (i % 2) as i32;
        producer.send(BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(&record[..])).map_err(|e| e.0).unwrap();
    }
    producer.flush(std::time::Duration::from_secs(30)).unwrap();
}

#[test]
fn a_move_of_replicas_goes_on_after_the_run_that_began_it_was_killed() {
    let servers = real::lab("three");
    let config = |factor: usize, throttle: usize| {
        format!(
            "{}resource \"kafka_topic\" \"t\" {{\n  cluster = data.kafka_cluster.c\n  name = \"interrupted\"\n  partitions = 2\n  replication_factor = {factor}\n  reassignment_throttle = {throttle}\n  deletion_protection = false\n}}\n",
            cluster("c", &servers, "")
        )
    };
    let lab = Lab::new(&config(1, 100_000));
    lab.apply();
    fill(&servers, "interrupted", 8000);
    lab.write("main.hcl", &config(3, 100_000));
    let admin = real::trio().admin();
    let mut run = lab.start("apply -auto-approve");
    common::until("replicas are being moved", || !real::wait(admin.list_reassignments()).unwrap().is_empty());
    common::signal(&run, "KILL");
    run.wait().unwrap();
    lab.ok("plan").shows(&["throttle is removed when the move of replicas that is going on has ended"]);
    // Without the limit of the run that was killed: nobody waits for more than a minute.
    lab.write("main.hcl", &config(3, 0));
    lab.apply();
    lab.ok("plan -detailed-exitcode").shows(&["No changes"]);
    // Brokers show what the controller has acknowledged a moment later.
    common::until("the preferred replicas lead", || {
        let partitions = &real::wait(admin.metadata()).unwrap().topics["interrupted"].partitions;
        partitions.iter().all(|p| p.isr.len() == 3 && p.leader == p.replicas.first().copied())
    });
    let resources: Vec<_> = (1..=3).map(ConfigResource::Broker).chain([ConfigResource::Topic("interrupted".into())]).collect();
    common::until("no limit is left", || {
        let mut entries = real::wait(admin.describe_configs(&resources)).unwrap().into_iter().flat_map(Result::unwrap);
        !entries.any(|e| e.name.contains("replication.throttled") && e.source != ConfigSource::Default)
    });
    lab.ok("destroy -auto-approve -allow-data-loss");
}

#[test]
fn topics_that_brokers_do_not_let_go_are_refused_in_the_plan() {
    let kafka = open();
    let base = cluster("c", &kafka.address("PLAINTEXT"), "");
    let lab = Lab::new(&(base.clone() + &topic("data.kafka_cluster.c", "stays")));
    lab.apply();
    lab.write("main.hcl", &base);
    lab.fails("plan", &["SF6110", "kafka_topic.t", "delete.topic.enable"]);
}

/// Destroys what the local engine started for a folder, also after a panic.
struct Ended<'a>(&'a Lab);

impl Ended<'_> {
    fn run(&self, line: &str) -> Screen {
        let mut command = self.0.command(line.split_whitespace());
        command.env("STREAMFORM_CACHE", streamform::engine::local::jars::cache_dir());
        common::screen(&command.output().unwrap())
    }
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.run("destroy -auto-approve -allow-data-loss");
    }
}

#[test]
fn a_changed_password_is_known_to_scram_and_plain_and_to_no_file_of_the_state() {
    let config = |password: &str| {
        let listener = |name: &str| format!("  listener \"{name}\" {{\n    authentication = \"{name}\"\n  }}\n");
        format!(
            "resource \"kafka_cluster\" \"c\" {{\n  deletion_protection = false\n  super_users = [\"User:alice\"]\n  users = {{\n    alice = \"{password}\"\n  }}\n{}{}}}\n\
             output \"e\" {{\n  value = kafka_cluster.c.endpoints\n}}\noutput \"ca\" {{\n  value = kafka_cluster.c.ca_file\n}}\n",
            listener("scram"),
            listener("plain")
        )
    };
    let lab = Lab::new(&config("first-password"));
    let engine = Ended(&lab);
    let screen = engine.run("apply -auto-approve");
    assert_eq!(screen.code, 0, "{}", screen.text);
    screen.hides(&["first-password"]);
    assert_eq!(engine.run("plan -detailed-exitcode").code, 0);
    let out: serde_json::Value = serde_json::from_str(&engine.run("output -json").stdout).unwrap();
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_string();
    let reader = |kind: &str, mechanism: &str, password: &str| {
        let blocks = tls(&text(&out["ca"]["value"])) + &sasl(mechanism, "alice", password);
        plan(&cluster("d", &text(&out["e"]["value"][kind]), &blocks))
    };
    let kinds = [("scram", "SCRAM-SHA-512"), ("plain", "PLAIN")];
    for (kind, mechanism) in kinds {
        common::until("the password has arrived", || reader(kind, mechanism, "first-password").code == 0);
    }
    lab.write("main.hcl", &config("second-password"));
    let screen = engine.run("apply -auto-approve");
    assert_eq!(screen.code, 0, "{}", screen.text);
    screen.shows(&["0 added, 1 changed"]).hides(&["first-password", "second-password"]);
    for (kind, mechanism) in kinds {
        common::until("the new password has arrived", || reader(kind, mechanism, "second-password").code == 0);
        reader(kind, mechanism, "first-password").shows(&["SF6003"]);
    }
    // PLAIN's passwords must stand in the brokers' own settings, and nowhere else.
    for (path, bytes) in lab.files() {
        let shown = bytes.windows(15).any(|w| w == b"second-password");
        let own = path.ends_with("main.hcl") || path.to_string_lossy().contains("/conf/broker-");
        assert!(!shown || own, "{}", path.display());
    }
}

#[test]
fn a_topic_is_read_though_its_data_source_is_read_after_other_topics() {
    let _alone = real::alone();
    let servers = real::lab("mtls");
    let late = cluster("via", "X", &mtls("admin")).replace("\"X\"", "null_resource.where.output");
    let lab = Lab::new(&format!(
        "resource \"null_resource\" \"where\" {{\n  inputs = \"{servers}\"\n}}\n{}{late}{}{}",
        cluster("direct", &servers, &mtls("admin")),
        topic("data.kafka_cluster.direct", "read-early"),
        topic("data.kafka_cluster.via", "read-late").replace("\"t\" {", "\"u\" {"),
    ));
    lab.apply();
    lab.ok("plan -detailed-exitcode").shows(&["No changes."]);
    lab.ok("destroy -auto-approve -allow-data-loss").shows(&["Resources: 3 destroyed."]);
}

#[test]
fn a_right_that_the_same_apply_gives_first_is_not_missed_in_the_plan() {
    let _alone = real::alone();
    let servers = real::lab("mtls");
    let right = "resource \"kafka_acl\" \"g\" {\n  cluster   = data.kafka_cluster.a\n  principal = \"User:CN=mallory\"\n  role \"admin\" {\n    topic = \"hoped\"\n  }\n}\n";
    let wanted =
        topic("data.kafka_cluster.m", "hoped").replace("deletion_protection", "depends_on          = [kafka_acl.g]\n  deletion_protection");
    let lab = Lab::new(&(cluster("a", &servers, &mtls("admin")) + &cluster("m", &servers, &mtls("mallory")) + right + &wanted));
    lab.apply().shows(&["Resources: 2 added"]);
    lab.ok("destroy -auto-approve -allow-data-loss").shows(&["Resources: 2 destroyed."]);
}

/// F1 of issue 9: an object that cannot be planned, and a cluster that does not answer, hide nothing else.
#[test]
fn drift_tells_all_that_it_can() {
    let _alone = real::alone();
    let admin = real::kafka().admin();
    let two = |second: &str| {
        let topic = |block: &str, cluster: &str, name: &str| {
            format!(
                "resource \"kafka_topic\" \"{block}\" {{\n  cluster             = data.kafka_cluster.{cluster}\n  name                = \"{name}\"\n  partitions          = 3\n  config              = {{ \"retention.ms\" = \"600000\" }}\n  deletion_protection = false\n}}\n"
            )
        };
        cluster("c", &real::lab("plaintext"), "")
            + &cluster("d", second, "")
            + &topic("grown", "c", "drift-grown")
            + &topic("short", "c", "drift-short")
            + &topic("far", "d", "drift-far")
    };
    let lab = Lab::new(&two(&real::lab("plaintext")));
    lab.apply();
    real::wait(admin.create_partitions(&[("drift-grown".into(), 5)], false)).unwrap().remove(0).unwrap();
    let shorter = ConfigOp::Set("retention.ms".into(), "1000".into());
    let outside = [(ConfigResource::Topic("drift-short".into()), vec![shorter])];
    real::wait(admin.incremental_alter_configs(&outside, false)).unwrap().remove(0).unwrap();
    let alien = NewTopic { name: "drift-alien".into(), partitions: 1, replication: 1, ..NewTopic::default() };
    real::wait(admin.create_topics(&[alien], false)).unwrap().remove(0).unwrap();
    let screen = lab.run("drift");
    assert_eq!(screen.code, 2, "{}", screen.text);
    screen.shows(&[
        "Drift in 2 of 3 objects:",
        "~ kafka_topic.grown  partitions   3 -> 5 outside",
        "~ kafka_topic.short  retention.ms   600000 -> 1000 outside",
        "cannot",
        "topic drift-alien",
        "streamform import kafka_topic.drift-alien drift-alien",
    ]);
    screen.hides(&["Error["]);
    // Two blocks lead to one cluster: the stray is told once.
    screen.once("? topic drift-alien");
    screen.shows(&["streamform apply refuses to run because of 1 of them (the one marked with !)", "After that it changes 1 of them."]);

    // A declared object that exists was created by somebody else, and one in a cluster that does not answer may exist.
    let declared = |second: &str| {
        let topic = |block: &str, cluster: &str, name: &str| {
            format!("resource \"kafka_topic\" \"{block}\" {{\n  cluster = data.kafka_cluster.{cluster}\n  name = \"{name}\"\n}}\n")
        };
        two(second) + &topic("there", "c", "drift-alien") + &topic("new", "c", "drift-new") + &topic("beyond", "d", "drift-beyond")
    };
    lab.write("main.hcl", &declared("127.0.0.1:1"));
    lab.run("drift").shows(&[
        "+ kafka_topic.there   exists, and is not in the state",
        "! Apply does not take it over.",
        "+ kafka_topic.new     not created yet",
        "+ kafka_topic.beyond  not in the state; whether it exists could not be asked",
    ]);

    lab.write("main.hcl", &two("127.0.0.1:1"));
    let screen = lab.run("drift");
    assert_eq!(screen.code, 2, "{}", screen.text);
    screen.shows(&[
        "Error[SF6",
        "127.0.0.1:1",
        "~ kafka_topic.grown",
        "~ kafka_topic.short",
        "topic drift-alien",
        "nothing is known of: kafka_topic.far",
    ]);

    lab.write("main.hcl", &two(&real::lab("plaintext")));
    lab.ok("destroy -auto-approve").shows(&["3 destroyed"]);
    real::wait(admin.delete_topics(&["drift-alien".into()])).unwrap().remove(0).unwrap();
}
