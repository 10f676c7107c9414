//! Checks and pure decisions of `kafka_connect`.

use super::*;
use crate::resource::ATTR_PATH;

#[test]
fn every_reserved_setting_is_refused_by_name() {
    let map = |keys: &[&str]| Value::map(Type::String, keys.iter().map(|k| (Arc::from(*k), Value::from("x"))).collect());
    let config = Value::object_from([("config", map(RESERVED_SETTINGS)), ("env", map(RESERVED_VARIABLES))]);
    let mut diags = Diagnostics::new();
    KafkaConnect.validate(&config, &mut diags);
    let paths: Vec<&str> = diags.iter().map(|d| d.values.iter().find(|v| v.0 == ATTR_PATH).unwrap().1.as_str()).collect();
    assert_eq!(paths.len(), RESERVED_SETTINGS.len() + RESERVED_VARIABLES.len());
    assert!(paths.contains(&"config[\"group.id\"]") && paths.contains(&"env[\"KAFKA_OPTS\"]"));
    assert!(diags.iter().all(|d| d.code == codes::RESERVED_SETTING));
}

#[test]
fn a_variable_cannot_say_what_a_setting_cannot() {
    let variables: Vec<String> =
        RESERVED_SETTINGS.iter().chain(LOCAL_SETTINGS).map(|s| format!("CONNECT_{}", s.to_uppercase().replace('.', "_"))).collect();
    let map = Value::map(Type::String, variables.iter().map(|k| (Arc::from(k.as_str()), Value::from("x"))).collect());
    let mut diags = Diagnostics::new();
    KafkaConnect.validate(&Value::object_from([("env", map)]), &mut diags);
    assert_eq!(diags.iter().count(), variables.len());
    assert_eq!(setting_of("CONNECT_CONFIG_PROVIDERS").as_deref(), Some("config.providers"));
    assert_eq!(setting_of("CONNECT_A__B___C").as_deref(), Some("a_b-c"));
    assert_eq!(setting_of("KAFKA_X"), None);
}

#[test]
fn the_registry_is_a_url_or_an_object_with_one() {
    let object = |registry: Value| Value::object_from([("schema_registry", registry)]);
    let url = |registry: Value| settings(&object(registry)).remove("value.converter.schema.registry.url");
    assert_eq!(url("http://r:1".into()).as_deref(), Some("http://r:1"));
    assert_eq!(url(Value::object_from([("url", "https://r".into())])).as_deref(), Some("https://r"));
    assert!(registry_error(&object("r:1".into())).is_some());
    assert!(registry_error(&object(Value::object_from([("name", "x".into())]))).is_some());
    assert!(registry_error(&object(Value::unknown(Type::Dynamic))).is_none());
}

#[test]
fn mounts_have_paths_of_their_own() {
    let mount = |path: &str| Value::object_from([("path", Value::from(path))]);
    let of = |mounts: &[(&str, &str)]| {
        let map = mounts.iter().map(|(l, p)| (Arc::from(*l), mount(p))).collect();
        mount_errors(&Value::object_from([("mount", Value::map(Type::Dynamic, map))])).len()
    };
    assert_eq!([of(&[("a", "/x"), ("b", "/y")]), of(&[("a", "/x"), ("b", "/x/")]), of(&[("a", "x")]), of(&[("a", "/")])], [0, 1, 1, 1]);
}

#[test]
fn the_principal_is_known_before_the_cluster_exists() {
    use crate::addr::ResourceAddr;
    let origin = ResourceAddr::root(Mode::Managed, "kafka_cluster", "events").instance(None);
    let attrs = crate::value::Fields::from([("name".into(), Value::from("events")), ("admin".into(), Value::unknown(Type::Dynamic))]);
    let cluster = Value::object_of(attrs, Some(Arc::new(origin)));
    assert_eq!(principal(Some(&cluster), "etl").as_deref(), Some("User:CN=events-etl-connect"));
}

#[test]
fn schema_has_each_attribute_once() {
    let mut names: Vec<&str> = SCHEMA.body.attributes.iter().map(|a| a.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|w| w[0] != w[1]));
    assert!(SCHEMA.body.attributes.iter().any(|a| matches!(a.ty, crate::schema::AttrType::Ref(_))));
}

fn map(pairs: &[(&str, &str)]) -> Value {
    Value::map(Type::String, pairs.iter().map(|(k, v)| (Arc::from(*k), Value::from(*v))).collect())
}

/// G11.7: whatever opens REST on another address or without client certificates is refused, as a setting and as a variable.
#[test]
fn g11_7_no_setting_opens_rest() {
    for setting in [
        "admin.listeners",
        "listeners",
        "rest.host.name",
        "rest.port",
        "rest.advertised.host.name",
        "listeners.https.ssl.client.auth",
        "listeners.http.x",
        "admin.listeners.https.ssl.client.auth",
    ] {
        let variable = format!("CONNECT_{}", setting.to_uppercase().replace('.', "_"));
        for (argument, key) in [("config", setting), ("env", variable.as_str())] {
            let mut diags = Diagnostics::new();
            KafkaConnect.validate(&Value::object_from([(argument, map(&[(key, "http://0.0.0.0:1")]))]), &mut diags);
            assert_eq!(diags.iter().filter(|d| d.code == codes::RESERVED_SETTING).count(), 1, "{argument} {key}");
        }
    }
}

/// What the engine `local` would do with the workers of an object that it recorded nothing of.
fn effects(prior: &Value, planned: &Value) -> Vec<String> {
    let (engine, key) = (engine::connect("local").unwrap(), Key::new(Place::here(), "x", "c"));
    let plan = worker_plan(engine, Some((prior, &Private::Null)), planned);
    crate::resource::lines(&plan.steps.iter().map(|step| op_of(&key, step)).collect::<Vec<_>>())
}

/// G11.6: names and URLs that hold secrets are hidden in `env` and `config`, placeholders are not, and hiding restarts nothing.
#[test]
fn g11_6_secrets_of_workers_are_hidden() {
    let env = map(&[("PLAIN_PASSWORD", "s3cr3t"), ("PROXY", "http://u:s3cr3t@h"), ("LANG", "C"), ("DB_PASSWORD", "${file:/a:b}")]);
    let hidden = hidden(&env);
    let marked = |k: &str| hidden.get(k).unwrap().contains_sensitive();
    assert_eq!(["PLAIN_PASSWORD", "PROXY", "LANG", "DB_PASSWORD"].map(marked), [true, true, false, false]);
    assert!(!format!("{hidden}").contains("s3cr3t"));
    let object = |env: Value| Value::object_from([("env", env), ("min_replicas", 1.into()), ("running", numbers([1]))]);
    assert!(effects(&object(hidden.clone()), &object(env)).is_empty());
    assert_eq!(effects(&object(hidden), &object(map(&[]))).len(), 1);
}

/// H4: a worker reads the placeholders of its own settings when it starts. A secret that changes rolls the workers, whether it changes in this
/// plan or did in a run that was killed before the restart; one that only connectors name does not.
#[test]
fn h4_a_rotated_secret_of_the_workers_rolls_them() {
    let object = |setting: &str, version: Value| {
        let secret: InstanceAddr = "secret.db".parse().unwrap();
        let mount = Value::object_from([
            ("path", "/etc/db".into()),
            ("secret", Value::object_of(crate::value::Fields::from([("version".into(), version)]), Some(Arc::new(secret)))),
        ]);
        let object = Value::object_from([
            ("config", map(&[("producer.sasl.jaas.config", setting)])),
            ("mount", Value::map(Type::Dynamic, [(Arc::from("a"), mount)].into())),
            ("mount_paths", map(&[("/etc/db", "/real")])),
            ("min_replicas", 1.into()),
            ("running", numbers([1])),
        ]);
        let mut attrs = object.as_map().cloned().unwrap();
        attrs.insert("mount_versions".into(), versions(&object));
        Value::object(attrs)
    };
    let used = "x ${file:/etc/db/k.properties:jaas};";
    let rolls = |setting: &str, before: Value, after: Value| effects(&object(setting, before), &object(setting, after));
    let unknown = || Value::unknown(Type::String);
    for after in ["2".into(), unknown()] {
        assert_eq!(rolls(used, "1".into(), after), ["restart the workers one at a time (secret.db changed)"]);
    }
    assert!(rolls(used, "1".into(), "1".into()).is_empty());
    assert!(rolls("x", "1".into(), "2".into()).is_empty());
    let wanted = |version: &str| {
        let planned = object(used, version.into());
        let w = spec_of("c", &planned, KafkaConnection::default());
        assert_eq!(w.config["producer.sasl.jaas.config"], "x ${file:/real/k.properties:jaas};");
        w.read_secrets
    };
    assert_ne!(wanted("1"), wanted("2"), "the digest of what runs changes");
    assert!(spec_of("c", &object("x", "1".into()), KafkaConnection::default()).read_secrets.is_empty());
}

/// C: arguments that the engine does not use are named, once for the block; defaults are not.
#[test]
fn c_arguments_without_effect_are_named() {
    let said = |config: &[(&'static str, Value)]| -> Vec<String> {
        let mut diags = Diagnostics::new();
        KafkaConnect.validate(&Value::object_from(config.iter().cloned()), &mut diags);
        assert!(!diags.has_errors());
        diags.iter().map(|d| d.detail.clone()).collect()
    };
    // What somebody relies on is an error.
    let mut diags = Diagnostics::new();
    KafkaConnect
        .validate(&Value::object_from([("volumes", Value::tuple(vec!["x".into()])), ("volume_mounts", Value::tuple(vec![]))]), &mut diags);
    assert_eq!(diags.iter().map(|d| d.code).collect::<Vec<_>>(), [codes::NOT_KEPT]);
    let labels = ("pod_labels", map(&[("a", "b")]));
    assert_eq!(said(&[("max_replicas", 50.into()), labels.clone()]), ["The engine `local` does not use max_replicas, pod_labels."]);
    assert!(said(&[("max_replicas", 5.into()), ("affinity", Value::null_dynamic())]).is_empty());
}
