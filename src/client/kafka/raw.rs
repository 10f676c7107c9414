//! The connections to the brokers of one cluster: one per broker, opened on first use, with TLS where the connection says so.
//!
//! It knows how to reach a broker and tells apart what went wrong on the way; [`super::wire`] speaks the protocol over what is opened here, and what
//! requests mean is [`super::Admin`]'s business.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsConnector;

use super::dial::{Dial, Stream};
use super::requests::Request;
use super::wire::{Failure, Line, api_name, rustls_error};
use super::{KafkaConnection, KafkaError, ListenerKind, RequestCounter, SaslMechanism, tls};
use crate::client::pem;

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
/// The longest wait that a broker may ask for (KIP-219). It holds the answers of who does not wait back for as long.
const MAX_THROTTLE: Duration = Duration::from_secs(60);

/// The meaning of a refused connection.
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

/// The place of one broker's connection.
#[derive(Default)]
struct Place {
    line: Option<Arc<Line>>,
    /// When and why the last attempt to connect failed: whoever waited for it shares its outcome.
    failed: Option<(Instant, KafkaError)>,
    /// Until when the broker asked to send nothing: a quota is used up (KIP-219).
    quiet_until: Option<Instant>,
}

/// The connections to one cluster.
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
    /// Where the connection for [`Target::Any`] leads: the broker there needs no second one.
    any: Mutex<Option<String>>,
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
        let line = self.line(target, &slot, limit).await?;
        let sent = line.call(request, &self.counter, limit).await;
        let answer = sent.map_err(|e| e.after_sending(api_name::<R>(), &self.addresses(target).join(", ")))?;
        let throttled = u64::try_from(R::throttle_ms(&answer)).map(Duration::from_millis).unwrap_or_default();
        if !throttled.is_zero() {
            slot.lock().await.quiet_until = Some(Instant::now() + throttled.min(MAX_THROTTLE));
        }
        Ok(answer)
    }

    /// The connection to a target, logged in, once the broker may be asked. Requests that are on their way do not hold it back.
    async fn line(&self, target: Target, slot: &Slot, limit: Duration) -> Result<Arc<Line>, KafkaError> {
        let asked = Instant::now();
        let mut place = slot.lock().await;
        if let Some((_, e)) = place.failed.as_ref().filter(|(at, _)| *at > asked) {
            return Err(e.clone());
        }
        if let Some(until) = place.quiet_until {
            sleep_until(until).await;
            place.quiet_until = None;
        }
        let open = place.line.take().filter(|l| l.is_usable() && self.leads_to(target, &l.address));
        let line = match open {
            Some(line) if line.with_login(&self.connection, &self.counter, limit).await? => line,
            _ => Arc::new(self.connect_again(target, &mut place.failed).await?),
        };
        place.line = Some(Arc::clone(&line));
        Ok(line)
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
    async fn connect_again(&self, target: Target, failed: &mut Option<(Instant, KafkaError)>) -> Result<Line, KafkaError> {
        let away = failed.as_ref().map(|(_, e)| e.clone()).filter(|e| matches!(e, KafkaError::Unreachable { .. }));
        let patience = if away.is_some() { Duration::ZERO } else { self.connect_timeout };
        match self.connect(target, patience).await {
            Ok(line) => {
                *failed = None;
                Ok(line)
            }
            Err(e) => {
                let e = away.filter(|_| matches!(e, KafkaError::Unreachable { .. })).unwrap_or(e);
                *failed = Some((Instant::now(), e.clone()));
                Err(e)
            }
        }
    }

    /// Tries every address at least once, and goes on for as long as `patience` lasts.
    async fn connect(&self, target: Target, patience: Duration) -> Result<Line, KafkaError> {
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
                    Ok(Ok(line)) => {
                        self.reached.store(true, Ordering::Relaxed);
                        if target == Target::Any {
                            *self.any.lock().unwrap_or_else(PoisonError::into_inner) = Some(address.clone());
                        }
                        return Ok(line);
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

    /// The advice by which a handshake that failed so succeeds.
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
            let ask = async { self.open(&address).await?.offers(SaslMechanism::Plain).await };
            // UNSUPPORTED_SASL_MECHANISM: others than this one are offered.
            if matches!(timeout(PEEK_TIMEOUT, ask).await, Ok(Ok(0 | 33))) {
                return Some(address);
            }
        }
        None
    }

    async fn open(&self, address: &str) -> Result<Line, Failure> {
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
        Line::over(io, address, &self.connection, &self.counter).await
    }

    /// Whether a listener answers Kafka's first request without TLS. A broker closes the connection of whoever begins TLS there, as it does
    /// when it ends; only asking tells.
    async fn speaks_plainly(&self, address: &str) -> bool {
        let ask = async { Line::negotiated(self.dial.dial(address).await?, address, &RequestCounter::default()).await };
        matches!(timeout(PEEK_TIMEOUT, ask).await, Ok(Ok(_)))
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{ApiKey, ListGroupsRequest};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::super::dial::DialError;
    use super::*;

    /// A broker in memory that knows ListGroups. It takes in `together` of them before it answers them, the last one first, and asks after each
    /// for silence.
    #[derive(Clone, Copy)]
    struct Broker {
        together: usize,
        throttle: Duration,
    }

    #[async_trait::async_trait]
    impl Dial for Broker {
        async fn dial(&self, _: &str) -> Result<Box<dyn Stream>, DialError> {
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            tokio::spawn(self.serve(theirs));
            Ok(Box::new(ours))
        }
    }

    impl Broker {
        async fn serve(self, mut stream: DuplexStream) -> io::Result<()> {
            let mut open = Vec::new();
            loop {
                let mut frame = vec![0; stream.read_u32().await? as usize];
                stream.read_exact(&mut frame).await?;
                let number = frame[4..8].to_vec();
                if frame[..2] == (ApiKey::ApiVersions as i16).to_be_bytes() {
                    answer(&mut stream, &number, versions()).await?;
                    continue;
                }
                open.push(number);
                if open.len() == self.together {
                    for number in open.drain(..).rev() {
                        answer(&mut stream, &number, groups(self.throttle)).await?;
                    }
                }
            }
        }

        fn client(self) -> Raw {
            let connection = KafkaConnection { bootstrap_servers: vec!["a:1".into()], ..Default::default() };
            Raw::new(connection, Arc::new(self), RequestCounter::default(), CONNECT_TIMEOUT, Patience::Starting).unwrap()
        }
    }

    async fn answer(stream: &mut DuplexStream, number: &[u8], body: Vec<u8>) -> io::Result<()> {
        stream.write_u32(4 + body.len() as u32).await?;
        stream.write_all(number).await?;
        stream.write_all(&body).await
    }

    /// ApiVersionsResponse 3: no error, one request in the versions 0 to 2, no throttle.
    fn versions() -> Vec<u8> {
        let known = [ApiKey::ListGroups as i16, 0, 2].map(i16::to_be_bytes).concat();
        [&[0, 0, 2][..], &known, &[0], &[0; 4], &[0]].concat()
    }

    /// ListGroupsResponse 2: the throttle, no error, no group.
    fn groups(throttle: Duration) -> Vec<u8> {
        [&(throttle.as_millis() as i32).to_be_bytes()[..], &[0, 0], &[0; 4]].concat()
    }

    #[tokio::test]
    async fn a_broker_that_throttles_is_left_alone_for_as_long_as_it_asks() {
        let throttle = Duration::from_millis(300);
        let raw = Broker { together: 1, throttle }.client();
        let began = Instant::now();
        for sent in 0..3_u32 {
            raw.send(Target::Any, &ListGroupsRequest::default(), CONNECT_TIMEOUT).await.unwrap();
            assert!(began.elapsed() >= throttle * sent, "request {sent} went out after {:?}", began.elapsed());
        }
        assert!(began.elapsed() < throttle * 3, "nothing waits after the last answer");
    }

    #[tokio::test]
    async fn requests_follow_each_other_before_the_first_is_answered() {
        let raw = Broker { together: 3, throttle: Duration::ZERO }.client();
        let request = ListGroupsRequest::default();
        let send = || raw.send(Target::Any, &request, Duration::from_secs(5));
        // One that is given up while its answer is to come takes no other's answer and breaks nothing.
        assert!(timeout(Duration::from_millis(200), send()).await.is_err());
        let (a, b) = tokio::join!(send(), send());
        assert!(a.is_ok() && b.is_ok(), "{a:?} {b:?}");
        let (a, b, c) = tokio::join!(send(), send(), send());
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        let late = raw.send(Target::Any, &request, Duration::from_millis(100)).await;
        assert!(matches!(late, Err(KafkaError::Timeout { .. })), "a broker that does not answer: {late:?}");
    }
}
