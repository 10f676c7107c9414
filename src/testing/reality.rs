//! The real system that fake types work on: objects by key in memory, a log of what was done, and knobs for what goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::addr::InstanceAddr;
use crate::resource::{Op, Session};

/// The name of a real object: the id of the place that it lives in (or [`HERE`]), its kind, its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RealKey {
    pub place: String,
    pub kind: String,
    pub name: String,
}

/// The place of what lives in no place.
pub const HERE: &str = "here";

impl RealKey {
    pub fn new(place: &str, kind: &str, name: &str) -> RealKey {
        RealKey { place: place.into(), kind: kind.into(), name: name.into() }
    }
}

impl fmt::Display for RealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.place, self.kind, self.name)
    }
}

/// A real object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Real {
    pub id: String,
    pub parts: BTreeMap<String, String>,
}

/// All objects at one moment.
pub type Objects = BTreeMap<RealKey, Real>;

/// What goes wrong in a run. Writes are counted from 1; events are writes and commits of the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Knobs {
    /// The process dies after this event.
    pub kill_after: Option<usize>,
    /// These writes are refused.
    pub fail: BTreeSet<usize>,
    /// The answers to these writes are lost.
    pub lose: BTreeSet<usize>,
    /// The next reads answer as of so many writes ago; each read catches up by one.
    pub lag: usize,
    /// How calls that run side by side take turns.
    pub seed: u64,
}

impl Knobs {
    /// Whether anything goes wrong.
    pub fn disturb(&self) -> bool {
        self.kill_after.is_some() || !self.fail.is_empty() || !self.lose.is_empty() || self.lag > 0
    }
}

/// One executed operation.
#[derive(Clone, Debug)]
pub struct Executed {
    pub addr: InstanceAddr,
    pub op: Op,
    /// The real object, with its place by name.
    pub key: RealKey,
    /// It changed something.
    pub effective: bool,
}

/// What a write came to.
pub enum Written {
    /// It was carried out.
    Done,
    /// It was refused: nothing happened.
    Refused(String),
    /// It was carried out, and nobody heard.
    Lost,
}

/// The real system.
#[derive(Default)]
pub struct Reality {
    inner: Mutex<Inner>,
    stopped: Notify,
}

#[derive(Default)]
struct Inner {
    now: Objects,
    past: Vec<Objects>,
    made: usize,
    /// The names of all places that ever were, by id.
    places: BTreeMap<String, String>,
    log: Vec<Executed>,
    knobs: Knobs,
    writes: usize,
    events: usize,
    turns: u64,
    dead: bool,
}

impl Inner {
    fn event(&mut self) {
        self.events += 1;
        if self.knobs.kill_after == Some(self.events) {
            self.dead = true;
        }
    }

    fn keep_past(&mut self) {
        self.past.push(self.now.clone());
        if self.past.len() > 8 {
            self.past.remove(0);
        }
    }

    fn name_places(&mut self) {
        let named = self.now.iter().filter(|(k, _)| k.kind == "place").map(|(k, r)| (r.id.clone(), k.name.clone()));
        self.places.extend(named);
    }

    fn shown(&self, key: &RealKey) -> RealKey {
        RealKey { place: self.places.get(&key.place).cloned().unwrap_or_else(|| key.place.clone()), ..key.clone() }
    }
}

impl Reality {
    /// The real system behind a session.
    pub fn of(cx: &Session) -> Arc<Reality> {
        cx.pool::<Reality>()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a run with these knobs.
    pub fn begin(&self, knobs: &Knobs) {
        let mut inner = self.lock();
        inner.knobs = knobs.clone();
        inner.turns = knobs.seed;
        (inner.writes, inner.events, inner.dead) = (0, 0, false);
        inner.log.clear();
    }

    /// What this run has done, and how many events there were.
    pub fn log(&self) -> (Vec<Executed>, usize) {
        let inner = self.lock();
        (inner.log.clone(), inner.events)
    }

    /// Returns when the process is dead and has come to a write.
    pub async fn killed(&self) {
        loop {
            self.stopped.notified().await;
            // A wake-up may be left over from an earlier run.
            if self.is_dead() {
                return;
            }
        }
    }

    /// Whether the process is dead: nothing is written any more.
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// The state was written.
    pub fn committed(&self) {
        self.lock().event();
    }

    /// All objects, their places by name.
    pub fn objects(&self) -> Objects {
        let inner = self.lock();
        inner.now.iter().map(|(k, r)| (inner.shown(k), r.clone())).collect()
    }

    /// An id that no object had before.
    pub fn next_id(&self, kind: &str) -> String {
        let mut inner = self.lock();
        inner.made += 1;
        format!("{kind}-{}", inner.made)
    }

    /// What a read sees, and what there is.
    pub fn read(&self) -> (Objects, Objects) {
        let mut inner = self.lock();
        let lag = inner.knobs.lag;
        inner.knobs.lag = lag.saturating_sub(1);
        let at = inner.past.len().saturating_sub(lag);
        let seen = inner.past.get(at).filter(|_| lag > 0).unwrap_or(&inner.now).clone();
        (seen, inner.now.clone())
    }

    /// Changes something from outside. The key's place is a name.
    pub fn outside(&self, change: impl FnOnce(&mut Objects)) {
        let mut inner = self.lock();
        inner.keep_past();
        change(&mut inner.now);
        inner.name_places();
    }

    /// The key with the id of its place in place of the name, where there is such a place.
    pub fn inside(&self, shown: &RealKey) -> Option<RealKey> {
        let inner = self.lock();
        let place = inner.now.iter().find(|(k, _)| k.kind == "place" && k.name == shown.place).map(|(_, r)| r.id.clone());
        let place = if shown.place == HERE { Some(HERE.to_string()) } else { place };
        place.map(|place| RealKey { place, ..shown.clone() })
    }

    /// Carries out operations on one object in one write.
    pub async fn write(
        &self,
        addr: &InstanceAddr,
        ops: &[Op],
        key: &RealKey,
        change: impl FnOnce(&mut Objects) -> Result<(), String>,
    ) -> Written {
        for _ in 0..self.turns() {
            tokio::task::yield_now().await;
        }
        let written = {
            let mut inner = self.lock();
            if inner.dead { None } else { Some(inner.write(addr, ops, key, change)) }
        };
        if let Some(written) = written
            && !self.is_dead()
        {
            return written;
        }
        self.stopped.notify_one();
        std::future::pending().await
    }

    /// Takes down that an operation leaves its target alone.
    pub fn left_alone(&self, addr: &InstanceAddr, op: &Op, key: &RealKey) {
        let mut inner = self.lock();
        let key = inner.shown(key);
        inner.log.push(Executed { addr: addr.clone(), op: op.clone(), key, effective: false });
    }

    fn turns(&self) -> u64 {
        let mut inner = self.lock();
        if inner.knobs.seed == 0 {
            return 0;
        }
        inner.turns = inner.turns.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (inner.turns >> 33) % 3
    }
}

impl Inner {
    fn write(
        &mut self,
        addr: &InstanceAddr,
        ops: &[Op],
        key: &RealKey,
        change: impl FnOnce(&mut Objects) -> Result<(), String>,
    ) -> Written {
        self.writes += 1;
        if self.knobs.fail.contains(&self.writes) {
            return Written::Refused("the real system refuses".into());
        }
        let before = self.now.clone();
        if let Err(why) = change(&mut self.now) {
            return Written::Refused(why);
        }
        let effective = before != self.now;
        self.past.push(before);
        if self.past.len() > 8 {
            self.past.remove(0);
        }
        self.name_places();
        let key = self.shown(key);
        self.log.extend(ops.iter().map(|op| Executed { addr: addr.clone(), op: op.clone(), key: key.clone(), effective }));
        self.event();
        if self.knobs.lose.contains(&self.writes) { Written::Lost } else { Written::Done }
    }
}
