//! The Kafka protocol over a stream of bytes: connect, TLS, SASL, version negotiation, one request at a time per broker.
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
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsConnector;

use super::dial::{Dial, DialError, Stream};
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
/// A socket that lay idle for longer is not used again: brokers close idle sockets, and a write on one would end in doubt.
const IDLE: Duration = Duration::from_secs(60);
/// The part of a session's lifetime, in percent, after which the login is renewed: the rest is for the renewal itself (KIP-368).
const RENEW_AFTER: u32 = 85;
/// Brokers refuse who renews a login within a second.
const RENEW_LIMIT: Duration = Duration::from_secs(1);
/// The longest wait that a broker may ask for (KIP-219). It holds the answers of who does not wait back for as long.
const MAX_THROTTLE: Duration = Duration::from_secs(60);
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

type Slot = Arc<tokio::sync::Mutex<Place>>;

/// The place of one broker's socket.
#[derive(Default)]
struct Place {
    socket: Option<Socket>,
    /// When and why the last attempt to connect failed: whoever waited for it shares its outcome.
    failed: Option<(Instant, KafkaError)>,
    /// Until when the broker asked to send nothing: a quota is used up (KIP-219).
    quiet_until: Option<Instant>,
}

/// The sockets to one cluster, opened on first use.
pub(super) struct Raw {
    connection: KafkaConnection,
    dial: Arc<dyn Dial>,
    tls: Option<Arc<rustls::ClientConfig>>,
    counter: RequestCounter,
    connect_timeout: Duration,
    patience: Patience,
    /// Whether a broker has answered.
    reached: AtomicBool,
    slots: Mutex<HashMap<Target, Slot>>,
    nodes: Mutex<BTreeMap<i32, String>>,
    /// Where the socket for [`Target::Any`] leads: the broker there needs no second one.
    any: Mutex<Option<String>>,
}

/// An open, authenticated connection to a broker.
struct Socket {
    io: Box<dyn Stream>,
    /// Where it leads.
    address: String,
    versions: HashMap<i16, (i16, i16)>,
    correlation: i32,
    last_used: Instant,
    login: Option<Login>,
}

/// A login that ends by itself.
#[derive(Clone, Copy, Debug)]
struct Login {
    at: Instant,
    lifetime: Duration,
}

impl Login {
    /// A login of now; `None` for one that lasts as long as the connection.
    fn lasting(lifetime_ms: i64) -> Option<Login> {
        let lifetime = u64::try_from(lifetime_ms).ok().filter(|ms| *ms > 0)?;
        Some(Login { at: Instant::now(), lifetime: Duration::from_millis(lifetime) })
    }

    fn is_due(&self) -> bool {
        self.at.elapsed() >= self.lifetime / 100 * RENEW_AFTER
    }

    fn may_be_renewed(&self) -> bool {
        self.at.elapsed() > RENEW_LIMIT
    }
}

impl Raw {
    pub(super) fn new(
        connection: KafkaConnection,
        dial: Arc<dyn Dial>,
        counter: RequestCounter,
        connect_timeout: Duration,
        patience: Patience,
    ) -> Result<Self, KafkaError> {
        let tls = tls::client_config(&connection)?;
        Ok(Raw {
            connection,
            dial,
            tls,
            counter,
            connect_timeout,
            patience,
            reached: AtomicBool::new(false),
            slots: Mutex::default(),
            nodes: Mutex::default(),
            any: Mutex::default(),
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
        if let Some(until) = place.quiet_until.take() {
            sleep_until(until).await;
        }
        // Taken out while in use: a call that fails or is cancelled midway leaves no half-read socket behind.
        let usable = match place.socket.take().filter(|s| s.last_used.elapsed() < IDLE && self.leads_to(target, &s.address)) {
            Some(socket) => self.with_login(socket, limit).await?,
            None => None,
        };
        let mut socket = match usable {
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
        let throttled = u64::try_from(R::throttle_ms(&answer)).map(Duration::from_millis).unwrap_or_default();
        place.quiet_until = (!throttled.is_zero()).then(|| Instant::now() + throttled.min(MAX_THROTTLE));
        Ok(answer)
    }

    /// Renews a login that soon ends (KIP-368). `None` where only a new connection helps: nothing was sent on this one.
    ///
    /// # Errors
    /// The broker takes the credentials no more.
    async fn with_login(&self, mut socket: Socket, limit: Duration) -> Result<Option<Socket>, KafkaError> {
        let Some(login) = socket.login.filter(Login::is_due) else { return Ok(Some(socket)) };
        if !login.may_be_renewed() {
            return Ok(None);
        }
        match timeout(limit, socket.login(&self.connection, &self.counter)).await {
            Ok(Ok(())) => Ok(Some(socket)),
            Ok(Err(Failure::Final(e))) => Err(e),
            // The broker may have closed the connection, or have been restarted.
            Ok(Err(Failure::Io(_) | Failure::NoName(_) | Failure::Listener(_))) | Err(_) => Ok(None),
        }
    }

    /// Whether an address is one of a target's.
    fn leads_to(&self, target: Target, address: &str) -> bool {
        self.addresses(target).iter().any(|a| a == address)
    }

    fn slot(&self, target: Target) -> Slot {
        let any = self.any.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let target = if any.is_some_and(|any| self.leads_to(target, &any)) { Target::Any } else { target };
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
                        if target == Target::Any {
                            *self.any.lock().unwrap_or_else(PoisonError::into_inner) = Some(address.clone());
                        }
                        return Ok(socket);
                    }
                    Ok(Err(Failure::Final(e))) => return Err(e),
                    Ok(Err(Failure::Listener(kind))) => return Err(KafkaError::WrongListener { address: address.clone(), kind }),
                    Ok(Err(Failure::Io(e))) if rustls_error(&e).is_some() => {
                        let hint = rustls_error(&e).and_then(|why| self.tls_hint(why));
                        return Err(KafkaError::TlsFailed { message: format!("{address}: {e}"), hint });
                    }
                    Ok(Err(Failure::Io(_))) if self.tls.is_some() && self.speaks_plainly(address).await => {
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
        let plain = self.dial.dial(address).await?;
        let io: Box<dyn Stream> = match &self.tls {
            None => plain,
            Some(config) => {
                let host = address.rsplit_once(':').map_or(address, |(h, _)| h).trim_matches(['[', ']']).to_string();
                let name = rustls_pki_types::ServerName::try_from(host)
                    .map_err(|_| KafkaError::Connection { message: format!("\"{address}\" is not an address that TLS can check") })?;
                Box::new(TlsConnector::from(Arc::clone(config)).connect(name, plain).await?)
            }
        };
        let mut socket = Socket::over(io, address);
        socket.negotiate(&self.counter).await?;
        if self.connection.protocol.sasl() {
            socket.login(&self.connection, &self.counter).await?;
        }
        Ok(socket)
    }

    /// Whether a listener answers Kafka's first request without TLS. A broker closes the connection of whoever begins TLS there, as it does
    /// when it ends; only asking tells.
    async fn speaks_plainly(&self, address: &str) -> bool {
        let ask = async {
            let mut socket = Socket::over(self.dial.dial(address).await?, address);
            socket.negotiate(&RequestCounter::default()).await
        };
        matches!(timeout(PEEK_TIMEOUT, ask).await, Ok(Ok(())))
    }
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

impl From<DialError> for Failure {
    fn from(e: DialError) -> Self {
        match e {
            DialError::NoName(e) => Failure::NoName(e),
            DialError::Io(e) => Failure::Io(e),
        }
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
    fn over(io: Box<dyn Stream>, address: &str) -> Self {
        Socket { io, address: address.to_string(), versions: HashMap::new(), correlation: 0, last_used: Instant::now(), login: None }
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

    /// Logs in, for the first time or again on the same connection.
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
            self.login = self.authenticate(sasl::plain(user, password), counter).await?.1;
            return Ok(());
        }
        let nonce = nonce().map_err(|message| KafkaError::Connection { message })?;
        let scram = sasl::Scram::new(mechanism, user, password, nonce);
        let (server_first, _) = self.authenticate(scram.first(), counter).await?;
        let (last, proof) = scram.last(&server_first).ok_or_else(|| garbled("its SCRAM challenge makes no sense"))?;
        let (server_last, login) = self.authenticate(last, counter).await?;
        if !proof.accepts(&server_last) {
            return Err(KafkaError::AuthenticationFailed { message: "the broker does not know the password itself".into() }.into());
        }
        self.login = login;
        Ok(())
    }

    /// One message of a login: the broker's answer to it, and the login that it ends after a while, if it does.
    async fn authenticate(&mut self, bytes: Vec<u8>, counter: &RequestCounter) -> Result<(Bytes, Option<Login>), Failure> {
        let mut request = SaslAuthenticateRequest::default();
        request.auth_bytes = bytes.into();
        let answer = self.call(&request, counter).await?;
        match answer.error_code {
            0 => Ok((answer.auth_bytes, Login::lasting(answer.session_lifetime_ms))),
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

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{ApiKey, ListGroupsRequest};
    use tokio::io::DuplexStream;

    use super::*;

    /// A broker in memory that knows two requests and asks after each answer for silence.
    struct Throttling;

    const THROTTLE: Duration = Duration::from_millis(300);

    #[async_trait::async_trait]
    impl Dial for Throttling {
        async fn dial(&self, _: &str) -> Result<Box<dyn Stream>, DialError> {
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            tokio::spawn(serve(theirs));
            Ok(Box::new(ours))
        }
    }

    async fn serve(mut stream: DuplexStream) -> io::Result<()> {
        loop {
            let mut frame = vec![0; stream.read_u32().await? as usize];
            stream.read_exact(&mut frame).await?;
            let correlation = &frame[4..8];
            let is_hello = frame[..2] == (ApiKey::ApiVersions as i16).to_be_bytes();
            let body = if is_hello { versions() } else { groups() };
            stream.write_u32(4 + body.len() as u32).await?;
            stream.write_all(correlation).await?;
            stream.write_all(&body).await?;
        }
    }

    /// ApiVersionsResponse 3: no error, one request in the versions 0 to 2, no throttle.
    fn versions() -> Vec<u8> {
        let known = [ApiKey::ListGroups as i16, 0, 2].map(i16::to_be_bytes).concat();
        [&[0, 0, 2][..], &known, &[0], &[0; 4], &[0]].concat()
    }

    /// ListGroupsResponse 2: the throttle, no error, no group.
    fn groups() -> Vec<u8> {
        [&(THROTTLE.as_millis() as i32).to_be_bytes()[..], &[0, 0], &[0; 4]].concat()
    }

    #[tokio::test]
    async fn a_broker_that_throttles_is_left_alone_for_as_long_as_it_asks() {
        let connection = KafkaConnection { bootstrap_servers: vec!["a:1".into()], ..Default::default() };
        let raw = Raw::new(connection, Arc::new(Throttling), RequestCounter::default(), CONNECT_TIMEOUT, Patience::Starting).unwrap();
        let began = Instant::now();
        for sent in 0..3_u32 {
            raw.send(Target::Any, &ListGroupsRequest::default(), CONNECT_TIMEOUT).await.unwrap();
            assert!(began.elapsed() >= THROTTLE * sent, "request {sent} went out after {:?}", began.elapsed());
        }
        assert!(began.elapsed() < THROTTLE * 3, "nothing waits after the last answer");
    }

    #[test]
    fn a_login_is_renewed_before_it_ends_and_not_too_often() {
        assert!(Login::lasting(0).is_none(), "0 says that it does not end");
        let of = |lifetime_ms, age_ms| Login { at: Instant::now() - Duration::from_millis(age_ms), ..Login::lasting(lifetime_ms).unwrap() };
        assert!(!of(10_000, 8_000).is_due() && of(10_000, 8_600).is_due());
        assert!(of(10_000, 8_600).may_be_renewed() && !of(500, 450).may_be_renewed());
    }
}
