//! The live edge: the observer that asks the real systems, the host that reads the disk and the clock, progress that becomes events.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use super::signals;
use crate::addr::{InstanceAddr, Mode};
use crate::apply::{Event, Events};
use crate::client::connect::ConnectPool;
use crate::client::kafka::KafkaPool;
use crate::diag::redact::{Redactor, one_line};
use crate::diag::{Diagnostic, Diagnostics};
use crate::lang::host::Host;
use crate::plan::walk::Observer;
use crate::resource::{Observed, Private, Progress, Question, ReadRequest, Session, StepRequest, registry};
use crate::value::Value;
use crate::view::waiting::Waiting;

/// Asks the real systems.
pub struct Live {
    /// The connections.
    pub session: Arc<Session>,
    types: Vec<registry::Entry>,
    /// Says on a terminal what an answer is awaited for.
    pub waiting: Waiting,
    _trace: Trace,
}

/// The objects that are asked about, in few words.
fn named<'a>(mut addrs: impl ExactSizeIterator<Item = &'a InstanceAddr>) -> String {
    let more = addrs.len().saturating_sub(1);
    let first = addrs.next().map(ToString::to_string).unwrap_or_default();
    let first = one_line(&first).into_owned();
    if more == 0 { first } else { format!("{first} and {more} more") }
}

impl Live {
    /// With the connections of one run.
    pub fn new(session: Arc<Session>) -> Self {
        Self::with(session, registry::ALL.to_vec())
    }

    /// Says from now on what is waited for. A signal that ends the program then leaves no such line behind.
    pub fn show_waits(&self) {
        if self.waiting.show(true) {
            signals::before_the_end(self.waiting.clear());
        }
    }

    /// With resource types other than those of this program.
    pub fn with(session: Arc<Session>, types: Vec<registry::Entry>) -> Self {
        Live { types, waiting: Waiting::default(), _trace: Trace(Arc::clone(&session)), session }
    }
}

/// With `STREAMFORM_TRACE=requests` in the environment, the number of requests of the run is written to stderr when it ends: one line of
/// JSON, `{"requests":{"kafka":{API: n},"connect":n}}`. For tests and for looking into a slow run.
struct Trace(Arc<Session>);

impl Drop for Trace {
    fn drop(&mut self) {
        if std::env::var_os("STREAMFORM_TRACE").is_some_and(|v| v == "requests") {
            let kafka = self.0.pool::<KafkaPool>().requests();
            let connect = self.0.pool::<ConnectPool>().requests();
            eprintln!("{}", serde_json::json!({"requests": {"kafka": kafka, "connect": connect}}));
        }
    }
}

#[async_trait]
impl Observer for Live {
    async fn read(&self, mode: Mode, type_name: &str, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        match registry::find_in(&self.types, mode, type_name) {
            Some(r) => {
                let what = format!("Reading {}", named(requests.iter().map(|r| &r.addr)));
                self.waiting.during(|| what, r.read(&self.session, requests)).await
            }
            None => vec![],
        }
    }

    async fn import(&self, addr: &InstanceAddr, id: &str, config: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        match registry::find_in(&self.types, Mode::Managed, &addr.resource.type_name) {
            Some(r) => self.waiting.during(|| format!("Reading {addr} for the import"), r.import(&self.session, id, config)).await,
            None => Err(Diagnostic::error(crate::diag::codes::plan::UNKNOWN_TYPE, format!("{addr} cannot be imported."))),
        }
    }

    async fn answer(&self, type_name: &str, questions: Vec<Question>) -> Vec<Result<Option<serde_json::Value>, Diagnostic>> {
        match registry::find_in(&self.types, Mode::Managed, type_name) {
            Some(r) => r.answer(&self.session, questions).await,
            None => vec![],
        }
    }

    async fn probe(&self, type_name: &str, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
        match registry::find_in(&self.types, Mode::Managed, type_name) {
            Some(r) => {
                let what = format!("Checking the changes to {}", named(requests.iter().map(|r| &r.addr)));
                self.waiting.during(|| what, r.probe(&self.session, requests)).await
            }
            None => vec![],
        }
    }
}

/// Turns the notes of resource types into events.
pub struct Notes {
    /// The listener.
    pub events: Arc<dyn Events>,
    /// Takes secrets out of them.
    pub redactor: Arc<Redactor>,
}

impl Progress for Notes {
    fn note(&self, addr: &InstanceAddr, text: &str) {
        self.events.emit(&Event::Note { addr: addr.clone(), text: self.redactor.text(text) });
    }
}

/// Disk, clock and randomness.
pub struct DiskHost {
    plan_time: (i64, u32),
    applying: bool,
}

impl DiskHost {
    /// While planning, the present time and randomness are unknown.
    pub fn new(applying: bool) -> Self {
        DiskHost { plan_time: unix_now(), applying }
    }

    /// With the plan time of a saved plan.
    pub fn at(plan_time: (i64, u32), applying: bool) -> Self {
        DiskHost { plan_time, applying }
    }
}

fn unix_now() -> (i64, u32) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (i64::try_from(now.as_secs()).unwrap_or(i64::MAX), now.subsec_nanos())
}

impl Host for DiskHost {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        crate::disk::read(path)
    }

    fn file_exists(&self, path: &Path) -> io::Result<bool> {
        match std::fs::metadata(path) {
            Ok(m) if m.is_file() => Ok(true),
            Ok(_) => Err(io::Error::other("it is not a regular file")),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn walk(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut out = Vec::new();
        walk_into(dir, "", &mut out)?;
        out.sort();
        Ok(out)
    }

    fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        std::path::absolute(path)
    }

    fn home(&self) -> Option<PathBuf> {
        std::env::var_os("HOME").map(PathBuf::from)
    }

    fn now(&self) -> Option<(i64, u32)> {
        self.applying.then(unix_now)
    }

    fn plan_time(&self) -> (i64, u32) {
        self.plan_time
    }

    fn random(&self) -> Option<[u8; 16]> {
        let mut bytes = [0; 16];
        (self.applying && getrandom::fill(&mut bytes).is_ok()).then_some(bytes)
    }
}

fn walk_into(dir: &Path, prefix: &str, out: &mut Vec<String>) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = std::fs::metadata(entry.path());
        match kind {
            Ok(m) if m.is_dir() => walk_into(&entry.path(), &format!("{name}/"), out)?,
            Ok(m) if m.is_file() => out.push(name),
            _ => {}
        }
    }
    Ok(())
}
