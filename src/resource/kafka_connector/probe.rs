//! Connect's own opinion at plan time: is the class installed, does its validation accept the configuration, does it know the keys.
//!
//! A validation's messages may repeat values, also those that the worker resolved from placeholders: only what cannot hold one is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;

use super::super::{Session, StepRequest, attr_error};
use super::{edge, model};
use crate::addr::InstanceAddr;
use crate::client::connect::{ConnectClient, ConnectError, Patience, Plugin, Validation, holds_placeholder, is_placeholder, looks_secret};
use crate::diag::codes::connect as codes;
use crate::diag::redact::Redactor;
use crate::diag::{Diagnostic, Diagnostics, Severity, did_you_mean};
use crate::resource::kafka_common::origin;
use crate::value::Value;
use crate::words::for_shell;

/// How long a validation may take: connectors open connections in it, and workers give up after 90 seconds.
const LIMIT: Duration = Duration::from_secs(100);
/// How many validations run at once on one Connect cluster.
const AT_ONCE: usize = 4;

/// The connectors that this run has let Connect check in full, in its plan or right before their steps: it is not asked again.
#[derive(Default)]
struct Checked(Mutex<BTreeSet<String>>);

impl Checked {
    fn add(&self, addr: &InstanceAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(addr.to_string());
    }

    /// Whether this one was.
    fn has(&self, addr: &InstanceAddr) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&addr.to_string())
    }
}

/// Checks many.
pub(super) async fn probe(cx: &Session, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
    let null = Value::null_dynamic();
    let objects: Vec<&Value> = requests.iter().map(|r| r.planned.as_ref().unwrap_or(&null)).collect();
    let nameless = |r: &StepRequest| r.planned.is_none() && r.prior.as_ref().is_some_and(|p| p.get_str("name").is_none());
    let mut out: Vec<Diagnostics> =
        requests.iter().map(|r| if nameless(r) { edge::no_name(&r.addr).into() } else { Diagnostics::new() }).collect();
    for (connection, members) in edge::by_connection(objects.iter().copied()) {
        // Without an address the Connect cluster is not there yet: nobody to ask.
        let Some(connection) = connection else { continue };
        let plugins = match plugins(cx, &connection).await {
            Ok((client, plugins)) => (client, plugins),
            Err(d) => {
                members.iter().for_each(|i| out[*i].push(d.clone().on(&requests[*i].addr)));
                continue;
            }
        };
        taken(&plugins.0, &members, &requests, &mut out).await;
        let checked = cx.pool::<Checked>();
        let changed = members.iter().filter(|i| !is_as_before(&requests[**i]));
        let checks: Vec<_> = changed.map(|i| check_one(&plugins.0, &plugins.1, &checked, *i, &requests[*i], objects[*i])).collect();
        for (i, diags) in futures::stream::iter(checks).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await {
            out[i].extend(diags.into_iter().map(|d| d.on(&requests[i].addr)));
        }
    }
    out
}

/// Lets Connect check what no plan could ask about, because the cluster was not there yet: a step that it refuses is not even journalled.
pub(super) async fn vet(cx: &Session, requests: &[StepRequest]) -> Vec<Option<Diagnostic>> {
    let checked = cx.pool::<Checked>();
    let mut out: Vec<Option<Diagnostic>> = vec![None; requests.len()];
    let asked: Vec<usize> = (0..requests.len()).filter(|i| !checked.has(&requests[*i].addr) && !is_as_before(&requests[*i])).collect();
    let (places, objects): (Vec<usize>, Vec<&Value>) = asked.iter().filter_map(|i| Some((*i, requests[*i].planned.as_ref()?))).unzip();
    for (connection, members) in edge::by_connection(objects.iter().copied()) {
        let Some(connection) = connection else { continue };
        let (client, plugins) = match plugins(cx, &connection).await {
            Ok(found) => found,
            Err(d) => {
                members.iter().for_each(|m| out[places[*m]] = Some(d.clone()));
                continue;
            }
        };
        let checks: Vec<_> =
            members.iter().map(|m| check_one(&client, &plugins, &checked, places[*m], &requests[places[*m]], objects[*m])).collect();
        for (i, diags) in futures::stream::iter(checks).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await {
            out[i] = refusal(diags);
        }
    }
    out
}

/// Whether the configuration is the one that Connect has already: a connector can be paused while what it reads from is down.
fn is_as_before(request: &StepRequest) -> bool {
    let (Some(prior), Some(planned)) = (&request.prior, &request.planned) else { return false };
    let ((was, _), (will, complete)) = (model::wanted(prior), model::wanted(planned));
    complete && was == will
}

/// The errors of a check as one.
fn refusal(diags: Diagnostics) -> Option<Diagnostic> {
    let mut errors = diags.into_iter().filter(|d| d.severity == Severity::Error);
    let mut first = errors.next()?;
    for more in errors {
        first.detail.push('\n');
        first.detail.push_str(&more.detail);
    }
    Some(first)
}

/// Refuses creations whose name another connector has.
async fn taken(client: &ConnectClient, members: &[usize], requests: &[StepRequest], out: &mut [Diagnostics]) {
    let is_new = |i: &&usize| requests[**i].prior.is_none() && !requests[**i].begun;
    let name = |i: usize| requests[i].planned.as_ref().and_then(|p| p.get_str("name"));
    // What a replacement deletes before leaves its name.
    let leaves = |i: usize, name: &str| {
        let old = requests[i].replaces.as_ref().filter(|old| old.get_str("name").as_deref() == Some(name));
        old.is_some_and(|old| origin(old, "connect") == requests[i].planned.as_ref().and_then(|p| origin(p, "connect")))
    };
    let named = |i: &usize| Some((*i, name(*i).filter(|name| !leaves(*i, name))?));
    let new: Vec<(usize, String)> = members.iter().filter(is_new).filter_map(named).collect();
    if new.is_empty() {
        return;
    }
    match client.connectors(&Patience::quiet(LIMIT)).await {
        Ok(live) => {
            for (i, name) in new.iter().filter(|(_, name)| live.contains_key(name)) {
                out[*i].push(attr_error("name", exists(&requests[*i].addr, name)).on(&requests[*i].addr));
            }
        }
        Err(e) => new.iter().for_each(|(i, _)| out[*i].push(e.diagnostic(&Redactor::default()).on(&requests[*i].addr))),
    }
}

/// The error for a name that is taken.
pub(super) fn exists(addr: &InstanceAddr, name: &str) -> Diagnostic {
    Diagnostic::error(codes::ALREADY_EXISTS, format!("Connector {name:?} already exists, and streamform did not create it."))
        .hint(format!("To bring it under management: streamform import '{addr}' {}. Otherwise choose another name.", for_shell(name)))
}

async fn plugins(
    cx: &Session,
    connection: &crate::client::connect::ConnectConnection,
) -> Result<(std::sync::Arc<ConnectClient>, Vec<Plugin>), Diagnostic> {
    let client = edge::client(cx, connection)?;
    let plugins = client.plugins(&Patience::quiet(LIMIT)).await.map_err(|e| e.diagnostic(&Redactor::default()))?;
    Ok((client, plugins))
}

async fn check_one(
    client: &ConnectClient,
    plugins: &[Plugin],
    checked: &Checked,
    i: usize,
    request: &StepRequest,
    object: &Value,
) -> (usize, Diagnostics) {
    let (config, complete) = model::wanted(object);
    let Some(class) = config.get("connector.class") else { return (i, Diagnostics::new()) };
    if !plugins.iter().any(|p| p.is_named(class)) {
        return (i, unknown_class(class, plugins).into());
    }
    let redactor = edge::redactor(request.prior.iter().chain([object]));
    match client.validate(class, &config, &Patience::quiet(LIMIT)).await {
        Ok(validation) => {
            if complete {
                checked.add(&request.addr);
            }
            (i, judge(&validation, object, &config, complete, &redactor))
        }
        Err(e) => (i, failed(&e, &redactor).into()),
    }
}

fn failed(error: &ConnectError, redactor: &Redactor) -> Diagnostic {
    let mut d = error.diagnostic(redactor);
    if matches!(error, ConnectError::Refused { .. } | ConnectError::Server { .. }) {
        // The message of a validation that broke off may hold anything.
        d.detail = "Kafka Connect could not validate this configuration.".into();
        d = d.hint("Check that the files and keys that its placeholders name are there; the worker's log says more.");
    }
    d
}

/// The error for a class that no plugin has.
pub(super) fn unknown_class(class: &str, plugins: &[Plugin]) -> Diagnostic {
    let simple = |c: &str| c.rsplit('.').next().unwrap_or_default().to_string();
    let near = did_you_mean(class, plugins.iter().map(|p| p.class.as_str()))
        .or_else(|| {
            let short = simple(class);
            let names = plugins.iter().flat_map(|p| [p.simple_name(), p.simple_name().trim_end_matches("Connector")]);
            let found = did_you_mean(&short, names)?;
            plugins.iter().find(|p| p.is_named(found)).map(|p| p.class.as_str())
        })
        .map(|c| format!("Did you mean {c:?}? "))
        .unwrap_or_default();
    let installed: Vec<&str> = plugins.iter().map(|p| p.class.as_str()).collect();
    let d = Diagnostic::error(codes::UNKNOWN_CLASS, format!("No installed plugin has the class {class:?}."));
    attr_error("class", d.hint(format!("{near}Installed are: {}.", installed.join(", "))))
}

/// Turns a validation into diagnostics. `complete` says whether all of the configuration was known.
pub(super) fn judge(
    validation: &Validation,
    object: &Value,
    config: &BTreeMap<String, String>,
    complete: bool,
    redactor: &Redactor,
) -> Diagnostics {
    let mut out = Diagnostics::new();
    let secret = model::secret_keys(object);
    if complete {
        let seal = Seal::new(validation, config, &secret);
        for check in &validation.checks {
            for message in &check.errors {
                let text = seal.show(&check.key, message, redactor);
                let d = Diagnostic::error(codes::INVALID_CONFIG, text).hint("Kafka Connect refuses this configuration: correct it here.");
                out.push(attr_error(place(object, &check.key), d));
            }
        }
    }
    out.extend(plain_secrets(validation, object));
    out.extend(unknown_keys(validation, object, config));
    out
}

/// Passwords by Connect's own account that stand in `config` as plain text, under names that do not say so.
pub(super) fn plain_secrets(validation: &Validation, object: &Value) -> Vec<Diagnostic> {
    let config = object.get("config");
    let plain = |key: &str| {
        let value = config.as_ref()?.get(key)?;
        let text = value.as_str().filter(|_| !value.contains_sensitive() && !config.as_ref().is_some_and(|c| c.marks().is_sensitive()))?;
        (!text.is_empty() && !is_placeholder(text)).then_some(())
    };
    let refuse = |key: &str| {
        let d = Diagnostic::error(
            codes::PLAIN_SECRET,
            format!("The key {key:?} is a password to this connector, but it stands in config, whose values are shown and stored."),
        );
        attr_error(model::path("config", key), d.hint("Move it to sensitive_config, or write sensitive(…) around its value."))
    };
    validation.checks.iter().filter(|c| c.kind == "PASSWORD" && plain(&c.key).is_some()).map(|c| refuse(&c.key)).collect()
}

fn place(object: &Value, key: &str) -> String {
    match model::argument_of(key) {
        Some(argument) => argument.to_string(),
        None if model::sensitive_keys(object).contains(key) => model::path("sensitive_config", key),
        None => model::path("config", key),
    }
}

/// Decides which messages may be shown.
struct Seal<'a> {
    config: &'a BTreeMap<String, String>,
    secret: BTreeSet<&'a str>,
    /// Messages that some secret key has: connectors repeat one message for every key that may be the cause.
    shared: BTreeSet<&'a str>,
    /// Whether the worker resolves anything, so that messages may hold what is not in the configuration.
    resolves: bool,
}

impl<'a> Seal<'a> {
    fn new(validation: &'a Validation, config: &'a BTreeMap<String, String>, secret: &'a BTreeSet<String>) -> Self {
        let is_secret = |key: &str| {
            secret.contains(key)
                || looks_secret(key, config.get(key).map(String::as_str))
                || config.get(key).is_some_and(|v| holds_placeholder(v))
        };
        let is_set = |key: &str| config.contains_key(key);
        let hidden = validation.checks.iter().filter(|c| is_set(&c.key) && (c.kind == "PASSWORD" || is_secret(&c.key)));
        let (mut keys, mut shared) = (BTreeSet::new(), BTreeSet::new());
        for check in hidden {
            keys.insert(check.key.as_str());
            shared.extend(check.errors.iter().map(String::as_str));
        }
        Seal { config, secret: keys, shared, resolves: config.values().any(|v| holds_placeholder(v)) }
    }

    fn show(&self, key: &str, message: &str, redactor: &Redactor) -> String {
        if self.secret.contains(key) || self.shared.contains(message) {
            return format!("Connect refuses the value of {key:?}; its message is not shown, because it may repeat the secret.");
        }
        let own = match self.config.get(key) {
            Some(value) => message.contains(&format!("value {value} for configuration {key}")),
            None => message.contains(key),
        };
        if self.resolves && !own {
            return format!("Connect refuses {key:?}; its message is not shown, because it may repeat what a placeholder stands for.");
        }
        let text = redactor.foreign(message);
        if text.ends_with('.') { text } else { format!("{text}.") }
    }
}

/// Connect accepts any key. One that it does not know and that is nearly one that it knows is most likely a slip.
fn unknown_keys(validation: &Validation, object: &Value, config: &BTreeMap<String, String>) -> Vec<Diagnostic> {
    let known: BTreeSet<&str> = validation.checks.iter().map(|c| c.key.as_str()).collect();
    let warn = |key: &String| {
        if known.contains(key.as_str()) || model::argument_of(key).is_some() {
            return None;
        }
        let near = did_you_mean(key, known.iter().copied().filter(|k| !config.contains_key(*k)))?;
        let d = Diagnostic::warning(codes::UNKNOWN_KEY, format!("The connector does not know the key {key:?}."));
        Some(attr_error(place(object, key), d.hint(format!("Did you mean {near:?}?"))))
    };
    config.keys().filter_map(warn).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::connect::ConfigCheck;
    use crate::value::Type;

    fn object(pairs: &[(&str, &str)]) -> Value {
        let map = pairs.iter().map(|(k, v)| ((*k).into(), Value::string(v))).collect();
        Value::object_from([("name", Value::string("c")), ("class", Value::string("x.Y")), ("config", Value::map(Type::String, map))])
    }

    fn run(object: &Value, checks: &[(&str, &str, &[&str])]) -> Vec<Diagnostic> {
        let check = |(k, t, e): &(&str, &str, &[&str])| ConfigCheck {
            key: k.to_string(),
            kind: t.to_string(),
            errors: e.iter().map(ToString::to_string).collect(),
        };
        let validation = Validation { checks: checks.iter().map(check).collect() };
        let (config, complete) = model::wanted(object);
        judge(&validation, object, &config, complete, &model::redactor([object], &[])).into_iter().collect()
    }

    #[test]
    fn an_error_names_its_key_and_shows_the_literal_value() {
        let d = run(&object(&[("batch", "x")]), &[("batch", "INT", &["Invalid value x for configuration batch: Not a number"])]);
        assert_eq!(d[0].values[0].1, "config[\"batch\"]");
        assert_eq!(d[0].detail, "Invalid value x for configuration batch: Not a number.");
    }

    #[test]
    fn what_a_worker_resolved_is_never_shown() {
        let o = object(&[("topic", "${file:/a:b}"), ("url", "jdbc:x"), ("batch", "x")]);
        let d = run(
            &o,
            &[
                ("topic", "STRING", &["Invalid value s3cr3t for configuration topic"]),
                ("url", "STRING", &["login failed with s3cr3t"]),
                ("batch", "INT", &["Invalid value x for configuration batch: Not a number"]),
            ],
        );
        assert_eq!(d.len(), 3);
        assert!(d.iter().all(|d| !d.detail.contains("s3cr3t")));
        assert!(d[2].detail.contains("Not a number"));
    }

    #[test]
    fn a_message_shared_with_a_password_is_hidden() {
        let o = object(&[("user", "me"), ("pw", "s3cr3t")]);
        let d = run(&o, &[("pw", "PASSWORD", &["cannot log in as me/s3cr3t"]), ("user", "STRING", &["cannot log in as me/s3cr3t"])]);
        assert!(d.iter().all(|d| !d.detail.contains("s3cr3t")), "{d:?}");
    }

    #[test]
    fn a_password_in_plain_text_is_refused_unless_it_is_a_placeholder() {
        let d = run(&object(&[("odd", "s3cr3t"), ("fine", "${file:/a:b}")]), &[("odd", "PASSWORD", &[]), ("fine", "PASSWORD", &[])]);
        assert_eq!(d.len(), 1);
        assert_eq!((d[0].code, d[0].values[0].1.as_str()), (codes::PLAIN_SECRET, "config[\"odd\"]"));
        assert!(!format!("{d:?}").contains("s3cr3t"));
    }

    #[test]
    fn slips_in_keys_are_named_once_and_free_keys_are_left_alone() {
        let d = run(&object(&[("topcs", "a"), ("anything.else", "b")]), &[("topics", "LIST", &[]), ("file", "STRING", &[])]);
        assert_eq!(d.len(), 1);
        assert_eq!(d[0].hint.as_deref(), Some("Did you mean \"topics\"?"));
    }

    #[test]
    fn an_unknown_class_lists_what_is_there() {
        let plugin = |c: &str| Plugin { class: c.into(), kind: "sink".into(), version: None };
        let plugins = [plugin("org.x.FileStreamSinkConnector"), plugin("org.x.MirrorSourceConnector")];
        let hint = unknown_class("FileStremSink", &plugins).hint.unwrap();
        assert!(hint.starts_with("Did you mean \"org.x.FileStreamSinkConnector\"? Installed are: "), "{hint}");
    }
}
