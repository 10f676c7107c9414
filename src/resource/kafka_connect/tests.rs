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
    let attrs = BTreeMap::from([("name".into(), Value::from("events")), ("admin".into(), Value::unknown(Type::Dynamic))]);
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
