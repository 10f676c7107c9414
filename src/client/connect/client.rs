//! The client of one Connect cluster: a method per request, typed answers, typed errors, and the waiting out of rebalances.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use url::Url;

use super::types::{Connector, ConnectorInfo, ConnectorStatus, Expanded, LoggerLevel, Plugin, RootInfo, RunState, Sealed, Validation};
use super::{ConnectConnection, ConnectError};
use crate::client::pem;
use crate::kill;

/// A worker forwards most requests to the leader, and gives up on that after 90 seconds.
const REQUEST_LIMIT: Duration = Duration::from_secs(95);
/// How long a port may take to show that it speaks TLS.
const PEEK_LIMIT: Duration = Duration::from_secs(3);
/// The largest answer that is taken. A list of ten thousand connectors has some tens of MB.
const ANSWER_LIMIT_BYTES: usize = 64 << 20;
/// How often a worker may send on to another path.
const REDIRECT_LIMIT: usize = 5;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How often a 5xx is tried again: while a worker leaves, the others answer so for a moment.
const SERVER_RETRIES: u32 = 4;
const BACKOFF_FIRST: Duration = Duration::from_millis(150);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// How long a request may wait for a rebalance to end, and where that is said.
pub struct Patience<'a> {
    /// No retry begins after this moment.
    pub until: Instant,
    /// Is called once when waiting begins.
    pub note: &'a (dyn Fn(&str) + Send + Sync),
}

impl Patience<'_> {
    /// A silent wait.
    pub fn quiet(limit: Duration) -> Patience<'static> {
        Patience { until: Instant::now() + limit, note: &|_| {} }
    }
}

/// A client of one Connect cluster. Cheap to share; all methods take `&self`.
pub struct ConnectClient {
    http: reqwest::Client,
    base: Url,
    auth: Option<(String, Option<String>)>,
    has_certificate: bool,
    requests: Arc<AtomicU64>,
    root: OnceCell<RootInfo>,
}

impl ConnectClient {
    /// A client of `connection` that counts its requests in `requests`. Sends nothing.
    ///
    /// # Errors
    /// `BadConnection` when the URL or a certificate file is unusable.
    pub fn new(connection: &ConnectConnection, requests: Arc<AtomicU64>) -> Result<Self, ConnectError> {
        let base = base_url(&connection.url)?;
        let http = http_client(connection, &base)?;
        let auth = connection.username.clone().map(|u| (u, connection.password.clone()));
        Ok(ConnectClient { http, base, auth, has_certificate: connection.certificate_file.is_some(), requests, root: OnceCell::new() })
    }

    /// Version and Kafka cluster id; asked once per client.
    pub async fn root(&self, p: &Patience<'_>) -> Result<&RootInfo, ConnectError> {
        self.root.get_or_try_init(|| self.patient(p, || async { self.get(&[], "").await })).await
    }

    /// The installed connector classes.
    pub async fn plugins(&self, p: &Patience<'_>) -> Result<Vec<Plugin>, ConnectError> {
        self.patient(p, || async { self.get(&["connector-plugins"], "connectorsOnly=true").await }).await
    }

    /// All connectors with configuration and state, in one request. One that is being made or deleted may be
    /// missing: ask with [`find`](Self::find) before taking it for gone.
    pub async fn connectors(&self, p: &Patience<'_>) -> Result<BTreeMap<String, Connector>, ConnectError> {
        let list: BTreeMap<String, Expanded> =
            self.patient(p, || async { self.get(&["connectors"], "expand=info&expand=status").await }).await?;
        Ok(list.into_iter().filter_map(|(name, e)| Some((name, e.complete()?))).collect())
    }

    /// A connector's configuration.
    pub async fn info(&self, name: &str, p: &Patience<'_>) -> Result<ConnectorInfo, ConnectError> {
        self.patient(p, || async {
            match self.get(&["connectors", name], "").await {
                // While it expects a rebalance a worker answers this with 500, and lists what it has all the same.
                Err(ConnectError::Server { .. }) => self.listed(name).await,
                other => other,
            }
        })
        .await
    }

    async fn listed(&self, name: &str) -> Result<ConnectorInfo, ConnectError> {
        let mut list: BTreeMap<String, Expanded> = self.get(&["connectors"], "expand=info").await?;
        list.remove(name)
            .and_then(Expanded::complete)
            .map(|c| c.info)
            .ok_or_else(|| ConnectError::NotFound { what: what(&["connectors", name]) })
    }

    /// A connector's state. `NotFound` also for a moment after its creation.
    pub async fn status(&self, name: &str, p: &Patience<'_>) -> Result<ConnectorStatus, ConnectError> {
        self.patient(p, || async { self.get(&["connectors", name, "status"], "").await }).await
    }

    /// A connector's configuration, or `None` where it certainly does not exist.
    pub async fn find(&self, name: &str, p: &Patience<'_>) -> Result<Option<ConnectorInfo>, ConnectError> {
        match self.info(name, p).await {
            Ok(info) => Ok(Some(info)),
            Err(ConnectError::NotFound { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Creates the connector or replaces its whole configuration. Restarts its tasks.
    pub async fn put_config(&self, name: &str, config: &BTreeMap<String, String>, p: &Patience<'_>) -> Result<(), ConnectError> {
        self.patient(p, || async { self.unit(Method::PUT, &["connectors", name, "config"], "", Some(config)).await }).await
    }

    /// Changes some keys; `None` removes one. Since Kafka 3.8.
    pub async fn patch_config(&self, name: &str, config: &BTreeMap<String, Option<String>>, p: &Patience<'_>) -> Result<(), ConnectError> {
        self.patient(p, || async { self.unit(Method::PATCH, &["connectors", name, "config"], "", Some(config)).await }).await
    }

    /// Creates a connector in an initial state, without a first run. Since Kafka 3.7.
    ///
    /// # Errors
    /// `Refused` where another connector has the name. That and a rebalance are both a 409: reading back tells them apart, and tells
    /// whether an earlier try worked after all.
    pub async fn create(
        &self,
        name: &str,
        config: &BTreeMap<String, String>,
        initial: &RunState,
        p: &Patience<'_>,
    ) -> Result<(), ConnectError> {
        let body = json!({ "name": name, "config": config, "initial_state": initial.to_string() });
        self.patient(p, || async {
            match self.unit(Method::POST, &["connectors"], "", Some(&body)).await {
                Err(ConnectError::Rebalancing) => match self.get::<ConnectorInfo>(&["connectors", name], "").await {
                    Ok(info) if same_config(&info.config, config) => Ok(()),
                    Ok(_) => Err(ConnectError::Refused { message: Sealed::new(format!("a connector {name:?} exists already")) }),
                    Err(_) => Err(ConnectError::Rebalancing),
                },
                other => other,
            }
        })
        .await
    }

    /// Deletes a connector and waits until it is gone; one that is not there is success.
    pub async fn delete(&self, name: &str, p: &Patience<'_>) -> Result<(), ConnectError> {
        match self.patient(p, || async { self.unit(Method::DELETE, &["connectors", name], "", NONE).await }).await {
            Ok(()) | Err(ConnectError::NotFound { .. }) => {}
            Err(e) => return Err(e),
        }
        let mut pause = BACKOFF_FIRST;
        while self.find(name, p).await?.is_some() {
            if Instant::now() >= p.until {
                return Err(ConnectError::Timeout { url: self.base.to_string() });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(BACKOFF_MAX);
        }
        Ok(())
    }

    /// Pauses: tasks keep their place.
    pub async fn pause(&self, name: &str, p: &Patience<'_>) -> Result<(), ConnectError> {
        self.patient(p, || async { self.unit(Method::PUT, &["connectors", name, "pause"], "", NONE).await }).await
    }

    /// Resumes what is paused or stopped.
    pub async fn resume(&self, name: &str, p: &Patience<'_>) -> Result<(), ConnectError> {
        self.patient(p, || async { self.unit(Method::PUT, &["connectors", name, "resume"], "", NONE).await }).await
    }

    /// Stops: tasks are given up. Since Kafka 3.5.
    pub async fn stop(&self, name: &str, p: &Patience<'_>) -> Result<(), ConnectError> {
        self.patient(p, || async { self.unit(Method::PUT, &["connectors", name, "stop"], "", NONE).await }).await
    }

    /// Restarts the connector and, as told, its tasks or only what failed.
    pub async fn restart(&self, name: &str, include_tasks: bool, only_failed: bool, p: &Patience<'_>) -> Result<(), ConnectError> {
        let query = format!("includeTasks={include_tasks}&onlyFailed={only_failed}");
        self.patient(p, || async { self.unit(Method::POST, &["connectors", name, "restart"], &query, NONE).await }).await
    }

    /// The committed offsets, as Connect writes them: `{"offsets": [{"partition": …, "offset": …}]}`.
    pub async fn offsets(&self, name: &str, p: &Patience<'_>) -> Result<serde_json::Value, ConnectError> {
        self.patient(p, || async { self.get(&["connectors", name, "offsets"], "").await }).await
    }

    /// Changes committed offsets of a stopped connector. Since Kafka 3.6.
    pub async fn patch_offsets(&self, name: &str, offsets: &serde_json::Value, p: &Patience<'_>) -> Result<(), ConnectError> {
        self.patient(p, || async { self.unit(Method::PATCH, &["connectors", name, "offsets"], "", Some(offsets)).await }).await
    }

    /// Forgets the committed offsets of a stopped connector. Since Kafka 3.6.
    pub async fn delete_offsets(&self, name: &str, p: &Patience<'_>) -> Result<(), ConnectError> {
        self.patient(p, || async { self.unit(Method::DELETE, &["connectors", name, "offsets"], "", NONE).await }).await
    }

    /// The topics that the connector has used.
    pub async fn topics(&self, name: &str, p: &Patience<'_>) -> Result<Vec<String>, ConnectError> {
        #[derive(serde::Deserialize)]
        struct Topics {
            topics: Vec<String>,
        }
        let mut all: BTreeMap<String, Topics> = self.patient(p, || async { self.get(&["connectors", name, "topics"], "").await }).await?;
        Ok(all.remove(name).map(|t| t.topics).unwrap_or_default())
    }

    /// Lets Connect check a configuration. `config` should hold `name` and `connector.class`. May open connections: slow.
    pub async fn validate(&self, class: &str, config: &BTreeMap<String, String>, p: &Patience<'_>) -> Result<Validation, ConnectError> {
        let path = ["connector-plugins", class, "config", "validate"];
        self.patient(p, || async { self.send(Method::PUT, &path, "", Some(config)).await }).await
    }

    /// The levels of the loggers, by name.
    pub async fn loggers(&self, p: &Patience<'_>) -> Result<BTreeMap<String, LoggerLevel>, ConnectError> {
        self.patient(p, || async { self.get(&["admin", "loggers"], "").await }).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &str) -> Result<T, ConnectError> {
        self.send(Method::GET, path, query, NONE).await
    }

    async fn send<T: DeserializeOwned, B: Serialize + ?Sized>(
        &self,
        method: Method,
        path: &[&str],
        query: &str,
        body: Option<&B>,
    ) -> Result<T, ConnectError> {
        let bytes = self.call(method, path, query, body).await?;
        // serde's message may quote the text, which may be secret: only its place is kept.
        serde_json::from_slice(&bytes).map_err(|e| ConnectError::BadAnswer {
            url: self.base.to_string(),
            why: format!("the JSON is not understood at line {}, column {}", e.line(), e.column()),
        })
    }

    async fn unit<B: Serialize + ?Sized>(&self, method: Method, path: &[&str], query: &str, body: Option<&B>) -> Result<(), ConnectError> {
        self.call(method, path, query, body).await.map(|_| ())
    }

    async fn call<B: Serialize + ?Sized>(
        &self,
        method: Method,
        path: &[&str],
        query: &str,
        body: Option<&B>,
    ) -> Result<bytes::Bytes, ConnectError> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url.set_query(Some(query).filter(|q| !q.is_empty()));
        let mut request = self.http.request(method.clone(), url).timeout(REQUEST_LIMIT);
        if let Some((user, password)) = &self.auth {
            request = request.basic_auth(user, password.as_ref());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let kind = if path.first() == Some(&"connectors") { method.as_str() } else { "" };
        let exchange = async {
            let response = request.send().await?;
            Ok((response.status(), bounded(response).await))
        };
        let (status, bytes) = match kill::request("connect", kind).around(exchange).await {
            Ok(answer) => answer,
            Err(e) if !reqwest::Error::is_connect(&e) && !e.is_timeout() && self.port_speaks_tls().await => {
                return Err(ConnectError::WrongScheme { url: self.base.to_string(), tls: true });
            }
            Err(e) => return Err(self.transport(&e)),
        };
        let Some(bytes) = bytes.map_err(|e| self.transport(&e))? else {
            let why = format!("the answer has more than {} MB", ANSWER_LIMIT_BYTES >> 20);
            return Err(ConnectError::BadAnswer { url: self.base.to_string(), why });
        };
        if status.is_success() { Ok(bytes) } else { Err(self.refusal(status, path, &bytes)) }
    }

    fn refusal(&self, status: StatusCode, path: &[&str], body: &[u8]) -> ConnectError {
        #[derive(serde::Deserialize)]
        struct Message {
            message: String,
        }
        let message = || Sealed::new(serde_json::from_slice::<Message>(body).map_or_else(|_| "no message".to_string(), |m| m.message));
        match status.as_u16() {
            409 => ConnectError::Rebalancing,
            404 => ConnectError::NotFound { what: what(path) },
            401 | 403 => ConnectError::Unauthorized { url: self.base.to_string(), status: status.as_u16() },
            400 | 422 => ConnectError::Refused { message: message() },
            s if s >= 500 => ConnectError::Server { status: s, message: message() },
            s @ 300..400 => {
                let why = format!("it sends on to another server (HTTP status {s}), which is not followed");
                ConnectError::BadAnswer { url: self.base.to_string(), why }
            }
            s => ConnectError::BadAnswer { url: self.base.to_string(), why: format!("HTTP status {s}") },
        }
    }

    /// Whether a port that was asked in plain HTTP, and did not answer so, answers in TLS. It closes the connection or answers with an
    /// alert; only asking tells.
    async fn port_speaks_tls(&self) -> bool {
        let mut url = self.base.clone();
        if url.scheme() != "http" || url.set_scheme("https").is_err() {
            return false;
        }
        // Nothing is sent there but a greeting: whose certificate it is does not matter.
        let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).tls_certs_only([]).no_proxy().build();
        let Ok(client) = client else { return false };
        match client.head(url).timeout(PEEK_LIMIT).send().await {
            Ok(_) => true,
            // An alert, for example because it demands a certificate.
            Err(e) => matches!(self.transport(&e), ConnectError::Tls { .. }),
        }
    }

    fn transport(&self, error: &reqwest::Error) -> ConnectError {
        let url = self.base.to_string();
        let mut last = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(e) = source {
            if let Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) = tls_error(e) {
                return ConnectError::WrongScheme { url, tls: false };
            }
            if let Some(tls) = tls_error(e) {
                return ConnectError::Tls { url, why: tls.to_string(), hint: pem::handshake_hint(tls, self.has_certificate) };
            }
            last = e.to_string();
            source = e.source();
        }
        if error.is_timeout() && !error.is_connect() { ConnectError::Timeout { url } } else { ConnectError::Unreachable { url, why: last } }
    }

    /// Repeats a request while the workers rebalance, and a few times after a 5xx. The request must be one that may be repeated.
    async fn patient<T, F, Fut>(&self, p: &Patience<'_>, request: F) -> Result<T, ConnectError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, ConnectError>>,
    {
        let (mut pause, mut said, mut server_errors) = (BACKOFF_FIRST, false, 0);
        loop {
            let error = match tokio::time::timeout_at(p.until.max(Instant::now() + Duration::from_secs(1)), request()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => ConnectError::Timeout { url: self.base.to_string() },
            };
            match error {
                ConnectError::Rebalancing if !said => {
                    (p.note)("Connect is rebalancing, retrying");
                    said = true;
                }
                ConnectError::Rebalancing => {}
                ConnectError::Server { .. } if server_errors < SERVER_RETRIES => server_errors += 1,
                _ => return Err(error),
            }
            if Instant::now() + pause >= p.until {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(BACKOFF_MAX);
        }
    }
}

const NONE: Option<&()> = None;

/// Whether two configurations say the same: `name` aside, and `tasks.max` of 1 where one is silent.
pub fn same_config(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> bool {
    let plain = |m: &BTreeMap<String, String>| {
        let mut m = m.clone();
        m.remove("name");
        m.entry("tasks.max".into()).or_insert_with(|| "1".into());
        m
    };
    plain(a) == plain(b)
}

fn what(path: &[&str]) -> String {
    match path {
        ["connectors", name, ..] => format!("connector {name:?}"),
        ["connector-plugins", class, ..] => format!("the plugin {class:?}"),
        _ => format!("/{}", path.join("/")),
    }
}

/// The TLS error that `e` is or wraps. An I/O error hides what it wraps from `source`, also several times over.
fn tls_error<'a>(mut e: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    while let Some(inner) = e.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        e = inner;
    }
    e.downcast_ref()
}

/// The address of a Connect cluster's REST interface.
///
/// # Errors
/// [`ConnectError::BadConnection`] for a text that is none, or one with credentials in it.
pub fn base_url(text: &str) -> Result<Url, ConnectError> {
    let bad = |why: &str| ConnectError::BadConnection { why: format!("the URL of Kafka Connect {why}") };
    let url = Url::parse(text).map_err(|e| bad(&format!("cannot be read: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(bad("must begin with http:// or https:// and name a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("must not hold a user or password: use the arguments username and password"));
    }
    Ok(url)
}

/// The body of an answer; `None` where it is larger than any that a worker gives.
async fn bounded(mut response: reqwest::Response) -> Result<Option<bytes::Bytes>, reqwest::Error> {
    let mut body = bytes::BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > ANSWER_LIMIT_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

/// A body holds secrets and must not go to another server than the one that was named, nor from TLS to plain text.
fn same_origin() -> reqwest::redirect::Policy {
    reqwest::redirect::Policy::custom(|attempt| {
        let is_same = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
        if is_same && attempt.previous().len() <= REDIRECT_LIMIT { attempt.follow() } else { attempt.stop() }
    })
}

fn http_client(c: &ConnectConnection, base: &Url) -> Result<reqwest::Client, ConnectError> {
    // Another part of the process may have installed it before: that is the same one, and no error.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_LIMIT)
        .redirect(same_origin())
        .user_agent(concat!("streamform/", env!("CARGO_PKG_VERSION")));
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    if let Some(path) = &c.ca_file {
        pem::certificates(Path::new(path)).map_err(|why| ConnectError::BadConnection { why })?;
        let pem = read_pem(path)?;
        let certs = reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| bad_pem(path))?;
        if certs.is_empty() {
            return Err(bad_pem(path));
        }
        builder = builder.tls_certs_only(certs);
    } else if base.scheme() == "http" {
        // Without this the system's authorities are loaded, which costs time and fails where there are none.
        builder = builder.tls_certs_only([]);
    }
    match (&c.certificate_file, &c.key_file) {
        (Some(cert), Some(key)) => {
            pem::identity(Path::new(cert), Path::new(key)).map_err(|why| ConnectError::BadConnection { why })?;
            let mut pem = read_pem(key)?;
            pem.push(b'\n');
            pem.extend(read_pem(cert)?);
            builder = builder.identity(reqwest::Identity::from_pem(&pem).map_err(|_| bad_pem(&format!("{cert} and {key}")))?);
        }
        (None, None) => {}
        _ => return Err(ConnectError::BadConnection { why: "certificate_file and key_file must be set together".into() }),
    }
    if c.insecure_skip_verify {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    builder.build().map_err(|e| ConnectError::BadConnection { why: format!("the TLS settings cannot be used: {}", root_cause(&e)) })
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(d)) => d == "localhost",
        Some(url::Host::Ipv4(a)) => a.is_loopback(),
        Some(url::Host::Ipv6(a)) => a.is_loopback(),
        None => false,
    }
}

fn read_pem(path: &str) -> Result<Vec<u8>, ConnectError> {
    std::fs::read(path).map_err(|e| ConnectError::BadConnection { why: format!("{path} cannot be read: {e}") })
}

fn bad_pem(path: &str) -> ConnectError {
    ConnectError::BadConnection { why: format!("{path} holds no usable PEM certificate or key") }
}

fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut e = error;
    while let Some(source) = e.source() {
        e = source;
    }
    e.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_cannot_be_used_are_refused() {
        for bad in ["connect:8083", "ftp://x", "not a url", "http://me:pw@x"] {
            let error = base_url(bad).unwrap_err();
            assert!(matches!(error, ConnectError::BadConnection { .. }), "{bad}");
            assert!(!error.to_string().contains("pw"));
        }
        assert!(base_url("https://x:8083/connect/").is_ok());
    }

    #[test]
    fn equality_ignores_the_name_and_a_default_of_one_task() {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect::<BTreeMap<_, _>>();
        assert!(same_config(&map(&[("name", "a"), ("x", "1"), ("tasks.max", "1")]), &map(&[("x", "1")])));
        assert!(!same_config(&map(&[("x", "1")]), &map(&[("x", "2")])));
        assert!(!same_config(&map(&[("tasks.max", "2")]), &map(&[])));
    }

    #[tokio::test]
    async fn a_closed_port_is_unreachable_and_names_no_password() {
        let mut c = ConnectConnection::to_url("http://127.0.0.1:9");
        (c.username, c.password) = (Some("u".into()), Some("s3cr3t".into()));
        let client = ConnectClient::new(&c, Arc::default()).unwrap();
        let error = client.root(&Patience::quiet(Duration::from_secs(2))).await.unwrap_err();
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
        assert!(!format!("{error:?}").contains("s3cr3t"));
    }

    async fn scripted(answers: Vec<(u16, &'static str)>) -> (ConnectClient, tokio::task::JoinHandle<Vec<String>>) {
        let (url, server) = super::super::scripted::scripted(answers).await;
        (ConnectClient::new(&ConnectConnection::to_url(url), Arc::default()).unwrap(), server)
    }

    #[tokio::test]
    async fn rebalances_and_passing_failures_are_waited_out_and_said_once() {
        let (client, server) = scripted(vec![(409, "{}"), (500, r#"{"message":"later"}"#), (409, ""), (200, "{}")]).await;
        let notes = std::sync::Mutex::new(vec![]);
        let note = |t: &str| notes.lock().unwrap().push(t.to_string());
        let p = Patience { until: Instant::now() + Duration::from_secs(20), note: &note };
        client.put_config("a/b c", &BTreeMap::new(), &p).await.unwrap();
        assert_eq!(*notes.lock().unwrap(), ["Connect is rebalancing, retrying"]);
        assert_eq!(server.await.unwrap(), vec!["PUT /base/connectors/a%2Fb%20c/config"; 4]);
        assert_eq!(client.requests.load(Ordering::Relaxed), 4);
    }

    /// A server that answers each request with what the function gives for its number, then closes.
    async fn raw(answer: impl Fn(usize) -> Vec<u8> + Send + 'static) -> (ConnectClient, Arc<AtomicU64>) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 8192];
                drop(stream.read(&mut buffer).await);
                let n = count.fetch_add(1, Ordering::SeqCst);
                drop(stream.write_all(&answer(usize::try_from(n).unwrap())).await);
            }
        });
        (ConnectClient::new(&ConnectConnection::to_url(url), Arc::default()).unwrap(), asked)
    }

    fn redirect(to: &str) -> Vec<u8> {
        format!("HTTP/1.1 307 x\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
    }

    // G7: a body with secrets goes to no other server.
    #[tokio::test]
    async fn redirects_are_followed_on_one_origin_only() {
        let (other, asked) = raw(|_| b"HTTP/1.1 200 x\r\ncontent-length: 2\r\n\r\n{}".to_vec()).await;
        let elsewhere = other.base.join("connectors/a/config").unwrap().to_string();
        let (client, _) = raw(move |_| redirect(&elsewhere)).await;
        let p = || Patience::quiet(Duration::from_secs(5));
        let error = client.put_config("a", &BTreeMap::new(), &p()).await.unwrap_err();
        assert!(matches!(&error, ConnectError::BadAnswer { why, .. } if why.contains("307")), "{error:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 0);
        let (client, asked) = raw(|n| match n {
            0 => redirect("/moved/connectors/a/config"),
            _ => b"HTTP/1.1 200 x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}".to_vec(),
        })
        .await;
        client.put_config("a", &BTreeMap::new(), &p()).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    // G8: an answer without an end does not take all memory.
    #[tokio::test]
    async fn an_answer_is_bounded() {
        let (client, _) = raw(|_| {
            let mut answer = b"HTTP/1.1 200 x\r\nconnection: close\r\n\r\n".to_vec();
            answer.resize(ANSWER_LIMIT_BYTES + (1 << 20), b' ');
            answer
        })
        .await;
        let error = client.plugins(&Patience::quiet(Duration::from_secs(20))).await.unwrap_err();
        assert!(matches!(&error, ConnectError::BadAnswer { why, .. } if why.contains("64 MB")), "{error:?}");
    }

    #[tokio::test]
    async fn waiting_ends_at_the_time_limit() {
        let (client, _server) = scripted(vec![(409, "{}"); 9]).await;
        let error = client.pause("a", &Patience::quiet(Duration::from_millis(700))).await.unwrap_err();
        assert!(matches!(error, ConnectError::Rebalancing), "{error:?}");
        assert_eq!(error.diagnostic(&crate::diag::redact::Redactor::default()).code.id, "SF7004");
    }

    #[tokio::test]
    async fn a_creation_that_worked_and_was_answered_with_409_is_a_success() {
        let config: BTreeMap<String, String> = [("connector.class".to_string(), "X".to_string())].into();
        let there = r#"{"name":"a","config":{"name":"a","connector.class":"X"},"tasks":[],"type":"sink"}"#;
        let (client, server) = scripted(vec![(409, "{}"), (404, "{}"), (409, "{}"), (200, there)]).await;
        client.create("a", &config, &RunState::Paused, &Patience::quiet(Duration::from_secs(20))).await.unwrap();
        let lines = server.await.unwrap();
        assert_eq!(lines, ["POST /base/connectors", "GET /base/connectors/a", "POST /base/connectors", "GET /base/connectors/a"]);

        let (client, _server) = scripted(vec![(409, "{}"), (200, there)]).await;
        let other = [("connector.class".to_string(), "Y".to_string())].into();
        let error = client.create("a", &other, &RunState::Paused, &Patience::quiet(Duration::from_secs(20))).await.unwrap_err();
        assert!(matches!(error, ConnectError::Refused { .. }));
    }

    #[tokio::test]
    async fn a_deletion_is_waited_for_and_may_find_nothing() {
        let there = r#"{"name":"a","config":{},"tasks":[],"type":"sink"}"#;
        let (client, server) = scripted(vec![(409, "{}"), (404, "{}"), (200, there), (404, "{}")]).await;
        client.delete("a", &Patience::quiet(Duration::from_secs(20))).await.unwrap();
        assert_eq!(server.await.unwrap().len(), 4);
    }

    #[tokio::test]
    async fn answers_of_something_else_quote_nothing() {
        let (client, _server) = scripted(vec![(200, r#"{"s3cr3t": 1}"#), (401, ""), (400, r#"{"message":"s3cr3t"}"#)]).await;
        let p = || Patience::quiet(Duration::from_secs(5));
        let errors =
            [client.plugins(&p()).await.err(), client.plugins(&p()).await.err(), client.plugins(&p()).await.err()].map(Option::unwrap);
        assert!(matches!(errors, [ConnectError::BadAnswer { .. }, ConnectError::Unauthorized { .. }, ConnectError::Refused { .. }]));
        assert!(!format!("{errors:?}").contains("s3cr3t"));
    }
}
