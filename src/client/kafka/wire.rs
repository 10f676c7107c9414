//! One connection to a broker, on which many requests may be on their way at a time: frames, versions, logins.
//!
//! A request is written whole before the next one; a task of its own reads the answers and hands each to who waits for it. Kafka answers in the
//! order of the requests, and this does not rely on it. Who stops waiting leaves the connection whole; who stops in the middle of writing does
//! not, and it is not used again.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, RequestHeader, ResponseHeader, SaslAuthenticateRequest, SaslHandshakeRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::dial::{DialError, Stream};
use super::requests::Request;
use super::snapshot::lock;
use super::{KafkaConnection, KafkaError, ListenerKind, RequestCounter, SaslMechanism, sasl};
use crate::kill::{self, Counted, Moment};

/// A connection that lay idle for longer is not used again: brokers close idle ones, and a write on one would end in doubt.
const IDLE: Duration = Duration::from_secs(60);
/// The part of a session's lifetime, in percent, after which the login is renewed: the rest is for the renewal itself (KIP-368).
const RENEW_AFTER: u32 = 85;
/// Brokers refuse who renews a login within a second.
const RENEW_LIMIT: Duration = Duration::from_secs(1);
/// Answers above this are not Kafka's: more likely something else listens there.
const MAX_ANSWER: usize = 512 << 20;

/// An open connection.
pub(super) struct Line {
    /// Where it leads.
    pub(super) address: String,
    versions: HashMap<i16, (i16, i16)>,
    out: tokio::sync::Mutex<Out>,
    inbox: Arc<Inbox>,
    reader: tokio::task::AbortHandle,
}

/// The side that writes.
struct Out {
    io: WriteHalf<Box<dyn Stream>>,
    correlation: i32,
    login: Option<Login>,
    /// A request is being written. Where that is so before one begins, somebody stopped in the middle.
    writing: bool,
}

/// The answers that were heard.
struct Inbox {
    waiting: Mutex<Waiting>,
    last: Mutex<Instant>,
}

#[derive(Default)]
struct Waiting {
    by_number: HashMap<i32, oneshot::Sender<Result<Bytes, Silence>>>,
    silence: Option<Silence>,
    /// No further request may use the connection.
    retired: bool,
}

/// Why no more answers come.
#[derive(Clone, Debug)]
enum Silence {
    Io(io::ErrorKind, String),
    Tls(rustls::Error),
    /// The first answer is a TLS alert.
    SpeaksTls,
}

impl From<io::Error> for Silence {
    fn from(e: io::Error) -> Self {
        match rustls_error(&e) {
            Some(why) => Silence::Tls(why.clone()),
            None => Silence::Io(e.kind(), e.to_string()),
        }
    }
}

impl From<Silence> for Failure {
    fn from(s: Silence) -> Self {
        match s {
            Silence::Io(kind, text) => Failure::Io(io::Error::new(kind, text)),
            Silence::Tls(why) => Failure::Io(io::Error::new(io::ErrorKind::InvalidData, why)),
            Silence::SpeaksTls => Failure::Listener(ListenerKind::Tls),
        }
    }
}

/// A request that was written, and whose answer is to come.
struct Posted {
    answer: oneshot::Receiver<Result<Bytes, Silence>>,
    counted: Counted,
    at: Instant,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Line {
    /// Asks the broker which requests it knows, and logs in where the connection says so.
    pub(super) async fn over(
        io: Box<dyn Stream>,
        address: &str,
        connection: &KafkaConnection,
        counter: &RequestCounter,
    ) -> Result<Line, Failure> {
        let line = Line::negotiated(io, address, counter).await?;
        if connection.protocol.sasl() {
            let mut out = line.out.lock().await;
            line.login(&mut out, connection, counter).await?;
            drop(out);
        }
        Ok(line)
    }

    /// A connection without a login.
    pub(super) async fn negotiated(io: Box<dyn Stream>, address: &str, counter: &RequestCounter) -> Result<Line, Failure> {
        let (read, write) = tokio::io::split(io);
        let inbox = Arc::new(Inbox { waiting: Mutex::default(), last: Mutex::new(Instant::now()) });
        let reader = tokio::spawn(listen(read, Arc::clone(&inbox))).abort_handle();
        let out = tokio::sync::Mutex::new(Out { io: write, correlation: 0, login: None, writing: false });
        let mut line = Line { address: address.to_string(), versions: HashMap::new(), out, inbox, reader };
        line.versions = line.negotiate(counter).await?;
        Ok(line)
    }

    /// Whether further requests may use it.
    pub(super) fn is_usable(&self) -> bool {
        let waiting = lock(&self.inbox.waiting);
        let idle = waiting.by_number.is_empty() && self.heard().elapsed() >= IDLE;
        !idle && !waiting.retired && waiting.silence.is_none()
    }

    fn heard(&self) -> Instant {
        *lock(&self.inbox.last)
    }

    fn retire(&self) {
        lock(&self.inbox.waiting).retired = true;
    }

    /// Renews a login that soon ends (KIP-368). False where only a new connection helps: nothing was sent on this one.
    ///
    /// # Errors
    /// The broker takes the credentials no more.
    pub(super) async fn with_login(
        &self,
        connection: &KafkaConnection,
        counter: &RequestCounter,
        limit: Duration,
    ) -> Result<bool, KafkaError> {
        let mut out = self.out.lock().await;
        let Some(login) = out.login.filter(Login::is_due) else { return Ok(true) };
        if !login.may_be_renewed() {
            self.retire();
            return Ok(false);
        }
        match timeout(limit, self.login(&mut out, connection, counter)).await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(Failure::Final(e))) => {
                self.retire();
                Err(e)
            }
            // The broker may have closed the connection, or have been restarted.
            Ok(Err(Failure::Io(_) | Failure::NoName(_) | Failure::Listener(_))) | Err(_) => {
                self.retire();
                Ok(false)
            }
        }
    }

    /// Sends a request, behind those that are on their way, and waits for its answer: `limit` counts from the last that was heard.
    pub(super) async fn call<R: Request>(&self, request: &R, counter: &RequestCounter, limit: Duration) -> Result<R::Response, Failure> {
        let version = self.version::<R>()?;
        let late = || KafkaError::Timeout { api: api_name::<R>(), after: limit };
        let written = async {
            let mut out = self.out.lock().await;
            self.post(&mut out, request, version, counter).await
        };
        let posted = match timeout(limit, written).await {
            Ok(posted) => posted?,
            Err(_) => {
                self.retire();
                return Err(late().into());
            }
        };
        let Posted { mut answer, counted, at } = posted;
        let heard = loop {
            let since = self.heard().max(at);
            match timeout_at(since + limit, &mut answer).await {
                Ok(heard) => break heard,
                // The broker works on the requests before this one.
                Err(_) if self.heard() > since => {}
                Err(_) => {
                    self.retire();
                    return Err(late().into());
                }
            }
        };
        let body = self.taken::<R>(heard, version)?;
        counted.at(Moment::Answered);
        decoded::<R>(body, version)
    }

    fn version<R: Request>(&self) -> Result<i16, KafkaError> {
        let unsupported = || KafkaError::Unsupported { api: api_name::<R>() };
        let (min, max) = self.versions.get(&(R::KEY as i16)).copied().ok_or_else(unsupported)?;
        let version = R::VERSIONS.max.min(max);
        if version < R::VERSIONS.min.max(min) { Err(unsupported()) } else { Ok(version) }
    }

    /// Writes a request.
    async fn post<R: Request>(&self, out: &mut Out, request: &R, version: i16, counter: &RequestCounter) -> Result<Posted, Failure> {
        if std::mem::replace(&mut out.writing, true) {
            self.retire();
            return Err(Failure::Io(io::Error::new(io::ErrorKind::BrokenPipe, "another request was broken off in the middle")));
        }
        out.correlation = out.correlation.wrapping_add(1);
        let frame = match encode(request, version, out.correlation) {
            Ok(frame) => frame,
            Err(e) => {
                out.writing = false;
                return Err(KafkaError::InvalidRequest { message: e.to_string() }.into());
            }
        };
        let answer = self.inbox.expect(out.correlation)?;
        let api = api_name::<R>();
        counter.count(&api);
        let counted = kill::request("kafka", if request.validates() { "" } else { &api });
        counted.at(Moment::Before);
        out.io.write_all(&frame).await?;
        out.io.flush().await?;
        out.writing = false;
        counted.at(Moment::Sent);
        Ok(Posted { answer, counted, at: Instant::now() })
    }

    /// The answer behind its header.
    fn taken<R: Request>(&self, heard: Result<Result<Bytes, Silence>, oneshot::error::RecvError>, version: i16) -> Result<Bytes, Failure> {
        let mut body = heard.unwrap_or_else(|_| Err(Silence::Io(io::ErrorKind::UnexpectedEof, "nobody listens any more".into())))?;
        ResponseHeader::decode(&mut body, R::Response::header_version(version)).map_err(garbled)?;
        Ok(body)
    }

    /// Sends a request and waits for its answer while nobody else may write.
    async fn exchange_bytes<R: Request>(
        &self,
        out: &mut Out,
        request: &R,
        version: i16,
        counter: &RequestCounter,
    ) -> Result<Bytes, Failure> {
        let posted = self.post(out, request, version, counter).await?;
        let body = self.taken::<R>(posted.answer.await, version)?;
        posted.counted.at(Moment::Answered);
        Ok(body)
    }

    async fn exchange<R: Request>(
        &self,
        out: &mut Out,
        request: &R,
        version: i16,
        counter: &RequestCounter,
    ) -> Result<R::Response, Failure> {
        decoded::<R>(self.exchange_bytes(out, request, version, counter).await?, version)
    }

    async fn negotiate(&self, counter: &RequestCounter) -> Result<HashMap<i16, (i16, i16)>, Failure> {
        let mut out = self.out.lock().await;
        let mut request = ApiVersionsRequest::default();
        request.client_software_name = StrBytes::from_static_str("streamform");
        request.client_software_version = StrBytes::from_static_str(env!("CARGO_PKG_VERSION"));
        let answer = self.exchange_bytes(&mut out, &request, 3, counter).await?;
        // A broker that does not know version 3 answers in version 0 with an error code first.
        let answer = match answer.first_chunk::<2>().map(|c| i16::from_be_bytes(*c)) {
            Some(35) => self.exchange(&mut out, &ApiVersionsRequest::default(), 0, counter).await?,
            _ => ApiVersionsResponse::decode(&mut answer.clone(), 3).map_err(garbled)?,
        };
        Ok(answer.api_keys.iter().map(|k| (k.api_key, (k.min_version, k.max_version))).collect())
    }

    /// Asks for a login without proving one: the code of the answer.
    pub(super) async fn offers(&self, mechanism: SaslMechanism) -> Result<i16, Failure> {
        let mut out = self.out.lock().await;
        let mut handshake = SaslHandshakeRequest::default();
        handshake.mechanism = StrBytes::from_static_str(mechanism.as_str());
        Ok(self.exchange(&mut out, &handshake, 1, &RequestCounter::default()).await?.error_code)
    }

    /// Logs in, for the first time or again on the same connection.
    async fn login(&self, out: &mut Out, connection: &KafkaConnection, counter: &RequestCounter) -> Result<(), Failure> {
        let (Some(mechanism), Some(user), Some(password)) = (connection.mechanism, &connection.username, &connection.password) else {
            return Err(KafkaError::Connection { message: "mechanism, user or password is missing".into() }.into());
        };
        let mut handshake = SaslHandshakeRequest::default();
        handshake.mechanism = StrBytes::from_static_str(mechanism.as_str());
        let answer = self.exchange(out, &handshake, 1, counter).await?;
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
            out.login = self.authenticate(out, sasl::plain(user, password), counter).await?.1;
            return Ok(());
        }
        let nonce = nonce().map_err(|message| KafkaError::Connection { message })?;
        let scram = sasl::Scram::new(mechanism, user, password, nonce);
        let (server_first, _) = self.authenticate(out, scram.first(), counter).await?;
        let (last, proof) = scram.last(&server_first).ok_or_else(|| garbled("its SCRAM challenge makes no sense"))?;
        let (server_last, login) = self.authenticate(out, last, counter).await?;
        if !proof.accepts(&server_last) {
            return Err(KafkaError::AuthenticationFailed { message: "the broker does not know the password itself".into() }.into());
        }
        out.login = login;
        Ok(())
    }

    /// One message of a login: the broker's answer to it, and the login that it ends after a while, if it does.
    async fn authenticate(&self, out: &mut Out, bytes: Vec<u8>, counter: &RequestCounter) -> Result<(Bytes, Option<Login>), Failure> {
        let mut request = SaslAuthenticateRequest::default();
        request.auth_bytes = bytes.into();
        let answer = self.exchange(out, &request, self.version::<SaslAuthenticateRequest>()?, counter).await?;
        match answer.error_code {
            0 => Ok((answer.auth_bytes, Login::lasting(answer.session_lifetime_ms))),
            _ => {
                let message = answer.error_message.map_or_else(|| "the broker gives no reason".to_string(), |m| m.to_string());
                Err(KafkaError::AuthenticationFailed { message }.into())
            }
        }
    }
}

impl Inbox {
    /// A place for an answer.
    fn expect(&self, number: i32) -> Result<oneshot::Receiver<Result<Bytes, Silence>>, Failure> {
        let mut waiting = lock(&self.waiting);
        if let Some(why) = waiting.silence.clone() {
            return Err(why.into());
        }
        let (to, answer) = oneshot::channel();
        waiting.by_number.insert(number, to);
        Ok(answer)
    }

    /// Hands an answer to who waits for it. Who waits no more does not take it.
    fn hand_over(&self, body: Bytes) -> Result<(), Silence> {
        let number = (&body[..]).try_get_i32().map_err(|_| not_kafka("it has no number"))?;
        *lock(&self.last) = Instant::now();
        let to = lock(&self.waiting).by_number.remove(&number).ok_or_else(|| not_kafka("it belongs to no request"))?;
        let _ = to.send(Ok(body));
        Ok(())
    }

    /// No more answers come. The first reason counts.
    fn fall_silent(&self, why: &Silence) {
        let mut waiting = lock(&self.waiting);
        let why = waiting.silence.get_or_insert_with(|| why.clone()).clone();
        for (_, to) in waiting.by_number.drain() {
            let _ = to.send(Err(why.clone()));
        }
    }
}

/// Reads answers until the connection ends, and tells all who wait why it did.
async fn listen(mut io: ReadHalf<Box<dyn Stream>>, inbox: Arc<Inbox>) {
    let _listening = Listening(Arc::clone(&inbox));
    let mut first = true;
    let why = loop {
        let handed = match hear(&mut io, std::mem::take(&mut first)).await {
            Ok(body) => inbox.hand_over(body),
            Err(why) => Err(why),
        };
        if let Err(why) = handed {
            break why;
        }
    };
    inbox.fall_silent(&why);
}

/// Tells all who wait that nobody listens any more, also where the task that does is ended from outside, as with its runtime.
struct Listening(Arc<Inbox>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.fall_silent(&Silence::Io(io::ErrorKind::UnexpectedEof, "nobody listens any more".into()));
    }
}

async fn hear(io: &mut ReadHalf<Box<dyn Stream>>, first: bool) -> Result<Bytes, Silence> {
    let mut size = [0; 4];
    io.read_exact(&mut size).await?;
    // A TLS record of the kind alert, where a size should be: nothing that waiting would mend.
    if first && size[..2] == [0x15, 0x03] {
        return Err(Silence::SpeaksTls);
    }
    let size = usize::try_from(i32::from_be_bytes(size)).unwrap_or(usize::MAX);
    if size > MAX_ANSWER {
        return Err(not_kafka("it is too large"));
    }
    let mut body = BytesMut::zeroed(size);
    io.read_exact(&mut body).await?;
    Ok(body.freeze())
}

fn decoded<R: Request>(mut body: Bytes, version: i16) -> Result<R::Response, Failure> {
    R::Response::decode(&mut body, version).map_err(garbled)
}

fn not_kafka(why: impl std::fmt::Display) -> Silence {
    Silence::Io(io::ErrorKind::InvalidData, format!("the answer is not Kafka's: {why}"))
}

fn garbled(e: impl std::fmt::Display) -> Failure {
    not_kafka(e).into()
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

/// What can go wrong on a connection.
pub(super) enum Failure {
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
    /// The error of a request that may have been sent.
    pub(super) fn after_sending(self, api: String, address: &str) -> KafkaError {
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

/// What a TLS library says, where it is the cause.
pub(super) fn rustls_error(e: &io::Error) -> Option<&rustls::Error> {
    e.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
}

/// The request's name in the protocol.
pub(super) fn api_name<R: Request>() -> String {
    format!("{:?}", R::KEY)
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
    use super::*;

    #[test]
    fn a_login_is_renewed_before_it_ends_and_not_too_often() {
        assert!(Login::lasting(0).is_none(), "0 says that it does not end");
        let of = |lifetime_ms, age_ms| Login { at: Instant::now() - Duration::from_millis(age_ms), ..Login::lasting(lifetime_ms).unwrap() };
        assert!(!of(10_000, 8_000).is_due() && of(10_000, 8_600).is_due());
        assert!(of(10_000, 8_600).may_be_renewed() && !of(500, 450).may_be_renewed());
    }
}
