//! The Kafka protocol over a socket: connect, TLS, SASL, version negotiation, one request at a time per broker.
//!
//! It knows how to send any request and tells apart what went wrong on the way; what requests mean is [`super::Admin`]'s business.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, RequestHeader, ResponseHeader, SaslAuthenticateRequest, SaslHandshakeRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

use super::requests::Request;
use super::{KafkaConnection, KafkaError, ListenerKind, RequestCounter, SaslMechanism, sasl, tls};
use crate::client::pem;
use crate::kill::{self, Moment};

/// How long all attempts to reach a cluster take together.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a cluster that nothing was heard of yet is tried where every address refuses, or has no name: that is an answer, which a second look
/// confirms.
const REFUSED_TIMEOUT: Duration = Duration::from_millis(1200);
/// How long one attempt may take, so that a dead address does not use up the time of the others.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a listener may take to show that it speaks without TLS.
const PEEK_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause between rounds over all addresses.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);
/// How often a call that takes long looks whether a broker is still there.
const LOOK_PAUSE: Duration = Duration::from_secs(3);
/// A socket that lay idle for longer is not used again: brokers close idle sockets, and a write on one would end in doubt.
const IDLE: Duration = Duration::from_secs(60);
/// Answers above this are not Kafka's: more likely something else listens there.
const MAX_ANSWER: usize = 512 << 20;

/// What a refused connection means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// The brokers may be starting: they are waited for.
    Starting,
    /// Nobody listens there. A cluster that was reached before is waited for all the same, as its brokers may be restarted.
    Running,
}

/// Which broker a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// Any of the bootstrap servers (always the same one while it lives, so that reads do not go back in time).
    Any,
    /// This broker.
    Broker(i32),
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

type Slot = Arc<tokio::sync::Mutex<Place>>;

/// The place of one broker's socket.
#[derive(Default)]
struct Place {
    socket: Option<Socket>,
    /// When and why the last attempt to connect failed: whoever waited for it shares its outcome.
    failed: Option<(Instant, KafkaError)>,
}

/// The sockets to one cluster, opened on first use.
pub(super) struct Raw {
    connection: KafkaConnection,
    tls: Option<Arc<rustls::ClientConfig>>,
    counter: RequestCounter,
    connect_timeout: Duration,
    patience: Patience,
    /// Whether a broker has answered.
    reached: AtomicBool,
    slots: Mutex<HashMap<Target, Slot>>,
    nodes: Mutex<BTreeMap<i32, String>>,
}

/// An open, authenticated connection to a broker.
struct Socket {
    io: Box<dyn Io>,
    versions: HashMap<i16, (i16, i16)>,
    correlation: i32,
    last_used: Instant,
}

impl Raw {
    pub(super) fn new(
        connection: KafkaConnection,
        counter: RequestCounter,
        connect_timeout: Duration,
        patience: Patience,
    ) -> Result<Self, KafkaError> {
        let tls = tls::client_config(&connection)?;
        Ok(Raw {
            connection,
            tls,
            counter,
            connect_timeout,
            patience,
            reached: AtomicBool::new(false),
            slots: Mutex::default(),
            nodes: Mutex::default(),
        })
    }

    /// Remembers where brokers live.
    pub(super) fn learn(&self, brokers: impl IntoIterator<Item = (i32, String)>) {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).extend(brokers);
    }

    /// Whether the address of a broker is known.
    pub(super) fn knows(&self, broker: i32) -> bool {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&broker)
    }

    /// Sends one request and reads its answer within `limit` (connecting has its own limit).
    ///
    /// # Errors
    /// `Unreachable`, `AuthenticationFailed`, `TlsFailed` before anything was sent; `Interrupted` and `Timeout` when the broker may have
    /// carried it out.
    pub(super) async fn send<R: Request>(&self, target: Target, request: &R, limit: Duration) -> Result<R::Response, KafkaError> {
        let slot = self.slot(target);
        let asked = Instant::now();
        let mut place = slot.lock().await;
        if let Some((_, e)) = place.failed.as_ref().filter(|(at, _)| *at > asked) {
            return Err(e.clone());
        }
        // Taken out while in use: a call that fails or is cancelled midway leaves no half-read socket behind.
        let mut socket = match place.socket.take().filter(|s| s.last_used.elapsed() < IDLE) {
            Some(socket) => socket,
            None => self.connect_again(target, &mut place.failed).await?,
        };
        let answer = match timeout(limit, socket.call(request, &self.counter)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(e)) => return Err(e.after_sending(api_name::<R>(), &self.addresses(target).join(", "))),
            Err(_) => return Err(KafkaError::Timeout { api: api_name::<R>(), after: limit }),
        };
        socket.last_used = Instant::now();
        place.socket = Some(socket);
        Ok(answer)
    }

    /// Returns once no broker has taken a connection for as long as a cluster is waited for; never while one does. Nothing is sent.
    pub(super) async fn all_gone(&self) {
        let mut seen = Instant::now();
        while seen.elapsed() < self.connect_timeout {
            sleep(LOOK_PAUSE).await;
            let mut addresses = self.connection.bootstrap_servers.clone();
            addresses.extend(self.nodes.lock().unwrap_or_else(PoisonError::into_inner).values().cloned());
            for address in &addresses {
                if let Ok(Ok(_)) = timeout(ATTEMPT_TIMEOUT, TcpStream::connect(address)).await {
                    seen = Instant::now();
                    break;
                }
            }
        }
    }

    fn slot(&self, target: Target) -> Slot {
        Arc::clone(self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(target).or_default())
    }

    fn addresses(&self, target: Target) -> Vec<String> {
        match target {
            Target::Any => self.connection.bootstrap_servers.clone(),
            Target::Broker(id) => self.nodes.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned().into_iter().collect(),
        }
    }

    /// Waits for a cluster that does not answer once. While it stays away each further request looks once and is told the same, so that a
    /// run that asks ten times does not wait ten times.
    async fn connect_again(&self, target: Target, failed: &mut Option<(Instant, KafkaError)>) -> Result<Socket, KafkaError> {
        let away = failed.as_ref().map(|(_, e)| e.clone()).filter(|e| matches!(e, KafkaError::Unreachable { .. }));
        let patience = if away.is_some() { Duration::ZERO } else { self.connect_timeout };
        match self.connect(target, patience).await {
            Ok(socket) => {
                *failed = None;
                Ok(socket)
            }
            Err(e) => {
                let e = away.filter(|_| matches!(e, KafkaError::Unreachable { .. })).unwrap_or(e);
                *failed = Some((Instant::now(), e.clone()));
                Err(e)
            }
        }
    }

    /// Tries every address at least once, and goes on for as long as `patience` lasts.
    async fn connect(&self, target: Target, patience: Duration) -> Result<Socket, KafkaError> {
        let addresses = self.addresses(target);
        let limit = if patience.is_zero() { ATTEMPT_TIMEOUT.min(self.connect_timeout) } else { patience };
        let start = Instant::now();
        let mut cause = String::from("no address is known");
        loop {
            let mut refusals = 0;
            for address in &addresses {
                let left = limit.saturating_sub(start.elapsed());
                let attempt = timeout(left.min(ATTEMPT_TIMEOUT), self.open(address)).await;
                match attempt {
                    Ok(Ok(socket)) => {
                        self.reached.store(true, Ordering::Relaxed);
                        return Ok(socket);
                    }
                    Ok(Err(Failure::Final(e))) => return Err(e),
                    Ok(Err(Failure::Listener(kind))) => return Err(KafkaError::WrongListener { address: address.clone(), kind }),
                    Ok(Err(Failure::Io(e))) if rustls_error(&e).is_some() => {
                        let hint = rustls_error(&e).and_then(|why| self.tls_hint(why));
                        return Err(KafkaError::TlsFailed { message: format!("{address}: {e}"), hint });
                    }
                    Ok(Err(Failure::Io(_))) if self.tls.is_some() && speaks_plainly(address).await => {
                        return Err(KafkaError::WrongListener { address: address.clone(), kind: ListenerKind::NoTls });
                    }
                    Ok(Err(Failure::NoName(e))) => {
                        refusals += 1;
                        cause = self.explain(&e);
                    }
                    Ok(Err(Failure::Io(e))) => {
                        refusals += usize::from(e.kind() == io::ErrorKind::ConnectionRefused);
                        cause = self.explain(&e);
                    }
                    Err(_) => cause = "the connection is not answered".into(),
                }
            }
            let answered = refusals == addresses.len() && self.patience == Patience::Running && !self.reached.load(Ordering::Relaxed);
            let patience = if answered { patience.min(REFUSED_TIMEOUT) } else { patience };
            if start.elapsed() + RECONNECT_PAUSE >= patience {
                return Err(KafkaError::Unreachable { addresses, tried: patience, cause });
            }
            sleep(RECONNECT_PAUSE).await;
        }
    }

    /// What to set so that a handshake which failed so succeeds.
    fn tls_hint(&self, e: &rustls::Error) -> Option<String> {
        pem::handshake_hint(e, self.connection.certificate_file.is_some()).map(str::to_string)
    }

    fn explain(&self, e: &io::Error) -> String {
        match e.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                format!("the broker closes the connection; perhaps its listener does not speak {}", self.connection.protocol.as_str())
            }
            _ => e.to_string(),
        }
    }

    /// The first address whose listener demands a login. A broker closes the connection of whoever asks for anything else there.
    pub(super) async fn demands_login(&self, target: Target) -> Option<String> {
        if self.connection.protocol.sasl() {
            return None;
        }
        for address in self.addresses(target) {
            let ask = async {
                let mut socket = self.open(&address).await?;
                let mut handshake = SaslHandshakeRequest::default();
                handshake.mechanism = StrBytes::from_static_str(SaslMechanism::Plain.as_str());
                socket.exchange(&handshake, 1, &RequestCounter::default()).await
            };
            // UNSUPPORTED_SASL_MECHANISM: others than this one are offered.
            if matches!(timeout(PEEK_TIMEOUT, ask).await, Ok(Ok(answer)) if matches!(answer.error_code, 0 | 33)) {
                return Some(address);
            }
        }
        None
    }

    async fn open(&self, address: &str) -> Result<Socket, Failure> {
        let resolved: Vec<_> = tokio::net::lookup_host(address).await.map_err(Failure::NoName)?.collect();
        let tcp = TcpStream::connect(&resolved[..]).await?;
        tcp.set_nodelay(true)?;
        let io: Box<dyn Io> = match &self.tls {
            None => Box::new(tcp),
            Some(config) => {
                let host = address.rsplit_once(':').map_or(address, |(h, _)| h).trim_matches(['[', ']']).to_string();
                let name = rustls_pki_types::ServerName::try_from(host)
                    .map_err(|_| KafkaError::Connection { message: format!("\"{address}\" is not an address that TLS can check") })?;
                Box::new(TlsConnector::from(Arc::clone(config)).connect(name, tcp).await?)
            }
        };
        let mut socket = Socket::over(io);
        socket.negotiate(&self.counter).await?;
        if self.connection.protocol.sasl() {
            socket.login(&self.connection, &self.counter).await?;
        }
        Ok(socket)
    }
}

/// Whether a listener answers Kafka's first request without TLS. A broker closes the connection of whoever begins TLS there, as it does
/// when it ends; only asking tells.
async fn speaks_plainly(address: &str) -> bool {
    let ask = async {
        let mut socket = Socket::over(Box::new(TcpStream::connect(address).await?));
        socket.negotiate(&RequestCounter::default()).await
    };
    matches!(timeout(PEEK_TIMEOUT, ask).await, Ok(Ok(())))
}

/// What can go wrong on a socket.
enum Failure {
    /// The socket broke: another try may help.
    Io(io::Error),
    /// The address does not resolve.
    NoName(io::Error),
    /// Another try would fail alike.
    Final(KafkaError),
    /// The listener is not what the connection takes it for.
    Listener(ListenerKind),
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Failure::Io(e)
    }
}

impl From<KafkaError> for Failure {
    fn from(e: KafkaError) -> Self {
        Failure::Final(e)
    }
}

impl Failure {
    fn after_sending(self, api: String, address: &str) -> KafkaError {
        match self {
            Failure::Final(e) => e,
            Failure::Listener(kind) => KafkaError::WrongListener { address: address.to_string(), kind },
            Failure::Io(e) | Failure::NoName(e) if rustls_error(&e).is_some() => {
                KafkaError::TlsFailed { message: e.to_string(), hint: None }
            }
            Failure::Io(e) | Failure::NoName(e) => KafkaError::Interrupted { api, message: format!("{address}: {}", broken(&e)) },
        }
    }
}

fn rustls_error(e: &io::Error) -> Option<&rustls::Error> {
    e.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
}

fn garbled(e: impl std::fmt::Display) -> Failure {
    Failure::Io(io::Error::new(io::ErrorKind::InvalidData, format!("the answer is not Kafka's: {e}")))
}

fn api_name<R: Request>() -> String {
    format!("{:?}", R::KEY)
}

impl Socket {
    /// Nothing is sent yet.
    fn over(io: Box<dyn Io>) -> Self {
        Socket { io, versions: HashMap::new(), correlation: 0, last_used: Instant::now() }
    }

    async fn call<R: Request>(&mut self, request: &R, counter: &RequestCounter) -> Result<R::Response, Failure> {
        let (min, max) = self.versions.get(&(R::KEY as i16)).copied().ok_or_else(|| KafkaError::Unsupported { api: api_name::<R>() })?;
        let version = R::VERSIONS.max.min(max);
        if version < R::VERSIONS.min.max(min) {
            return Err(KafkaError::Unsupported { api: api_name::<R>() }.into());
        }
        self.exchange(request, version, counter).await
    }

    async fn exchange<R: Request>(&mut self, request: &R, version: i16, counter: &RequestCounter) -> Result<R::Response, Failure> {
        let mut answer = self.exchange_bytes(request, version, counter).await?;
        R::Response::decode(&mut answer, version).map_err(garbled)
    }

    /// Sends a request and returns the answer behind its header.
    async fn exchange_bytes<R: Request>(&mut self, request: &R, version: i16, counter: &RequestCounter) -> Result<Bytes, Failure> {
        self.correlation = self.correlation.wrapping_add(1);
        let frame = encode(request, version, self.correlation).map_err(|e| KafkaError::InvalidRequest { message: e.to_string() })?;
        let api = api_name::<R>();
        counter.count(&api);
        let counted = kill::request("kafka", if request.validates() { "" } else { &api });
        counted.at(Moment::Before);
        self.io.write_all(&frame).await?;
        self.io.flush().await?;
        counted.at(Moment::Sent);
        let mut size = [0; 4];
        self.io.read_exact(&mut size).await?;
        // A TLS record of the kind alert, where a size should be: nothing that waiting would mend.
        if self.versions.is_empty() && size[..2] == [0x15, 0x03] {
            return Err(Failure::Listener(ListenerKind::Tls));
        }
        let size = usize::try_from(i32::from_be_bytes(size)).unwrap_or(usize::MAX);
        if size > MAX_ANSWER {
            return Err(garbled("it is too large"));
        }
        let mut body = BytesMut::zeroed(size);
        self.io.read_exact(&mut body).await?;
        let mut body = body.freeze();
        let header = ResponseHeader::decode(&mut body, R::Response::header_version(version)).map_err(garbled)?;
        if header.correlation_id != self.correlation {
            return Err(garbled("it belongs to another request"));
        }
        counted.at(Moment::Answered);
        Ok(body)
    }

    async fn negotiate(&mut self, counter: &RequestCounter) -> Result<(), Failure> {
        let mut request = ApiVersionsRequest::default();
        request.client_software_name = StrBytes::from_static_str("streamform");
        request.client_software_version = StrBytes::from_static_str(env!("CARGO_PKG_VERSION"));
        let answer = self.exchange_bytes(&request, 3, counter).await?;
        // A broker that does not know version 3 answers in version 0 with an error code first.
        let answer = match answer.first_chunk::<2>().map(|c| i16::from_be_bytes(*c)) {
            Some(35) => self.exchange(&ApiVersionsRequest::default(), 0, counter).await?,
            _ => ApiVersionsResponse::decode(&mut answer.clone(), 3).map_err(garbled)?,
        };
        self.versions = answer.api_keys.iter().map(|k| (k.api_key, (k.min_version, k.max_version))).collect();
        Ok(())
    }

    async fn login(&mut self, connection: &KafkaConnection, counter: &RequestCounter) -> Result<(), Failure> {
        let (Some(mechanism), Some(user), Some(password)) = (connection.mechanism, &connection.username, &connection.password) else {
            return Err(KafkaError::Connection { message: "mechanism, user or password is missing".into() }.into());
        };
        let mut handshake = SaslHandshakeRequest::default();
        handshake.mechanism = StrBytes::from_static_str(mechanism.as_str());
        let answer = self.exchange(&handshake, 1, counter).await?;
        // ILLEGAL_SASL_STATE: there is nothing to log in to.
        if answer.error_code == 34 {
            return Err(Failure::Listener(ListenerKind::NoSasl));
        }
        if answer.error_code != 0 {
            let offered = answer.mechanisms.iter().map(|m| m.to_string()).collect::<Vec<_>>().join(", ");
            let message = format!("the broker does not offer {}; it offers {offered}", mechanism.as_str());
            return Err(KafkaError::AuthenticationFailed { message }.into());
        }
        if mechanism == SaslMechanism::Plain {
            self.authenticate(sasl::plain(user, password), counter).await?;
            return Ok(());
        }
        let nonce = nonce().map_err(|message| KafkaError::Connection { message })?;
        let scram = sasl::Scram::new(mechanism, user, password, nonce);
        let server_first = self.authenticate(scram.first(), counter).await?;
        let (last, proof) = scram.last(&server_first).ok_or_else(|| garbled("its SCRAM challenge makes no sense"))?;
        let server_last = self.authenticate(last, counter).await?;
        if !proof.accepts(&server_last) {
            return Err(KafkaError::AuthenticationFailed { message: "the broker does not know the password itself".into() }.into());
        }
        Ok(())
    }

    async fn authenticate(&mut self, bytes: Vec<u8>, counter: &RequestCounter) -> Result<Bytes, Failure> {
        let mut request = SaslAuthenticateRequest::default();
        request.auth_bytes = bytes.into();
        let answer = self.call(&request, counter).await?;
        match answer.error_code {
            0 => Ok(answer.auth_bytes),
            _ => {
                let message = answer.error_message.map_or_else(|| "the broker gives no reason".to_string(), |m| m.to_string());
                Err(KafkaError::AuthenticationFailed { message }.into())
            }
        }
    }
}

/// 24 random bytes as text.
pub(super) fn nonce() -> Result<String, String> {
    use base64::Engine;
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(|e| format!("no random numbers: {e}"))?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

fn encode<R: Request>(request: &R, version: i16, correlation: i32) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let mut header = RequestHeader::default();
    header.request_api_key = R::KEY as i16;
    header.request_api_version = version;
    header.correlation_id = correlation;
    header.client_id = Some(StrBytes::from_static_str("streamform"));
    let mut body = BytesMut::new();
    header.encode(&mut body, R::header_version(version))?;
    request.encode(&mut body, version)?;
    let size = i32::try_from(body.len())?;
    Ok([&size.to_be_bytes()[..], &body].concat())
}

/// In words of Kafka's: what a TLS library says of a connection that ends before its time explains TLS.
fn broken(e: &std::io::Error) -> String {
    match e.kind() {
        std::io::ErrorKind::UnexpectedEof => "the broker closed the connection".into(),
        _ => e.to_string(),
    }
}
