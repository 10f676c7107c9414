//! Random lifecycles, judged by the invariants of [`super::judge`]. A seed gives the whole scenario; one that fails is made smaller and told.
//!
//! `STREAMFORM_LONG=1` plays 20,000 scenarios in place of a few hundred, `STREAMFORM_COUNT=N` so many, `STREAMFORM_SEED=N` begins with that one.
//! `STREAMFORM_STORE=local` keeps the states in folders by the real store.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::judge;
use super::model::Model;
use super::mutate::{Maker, Rng};
use super::reality::{HERE, Knobs, Objects, RealKey};
use super::story::{outside, plan_text, ran_text, real_text, run_text, state_text};
use super::{Bench, Ran, Run};
use crate::diag::codes::plan as codes;
use crate::plan::RunMode;

/// One step of a scenario.
#[derive(Clone, Debug)]
struct Step {
    model: Model,
    /// Changes from outside before the run: what, and which object.
    outside: Vec<(&'static str, u64)>,
    run: Run,
    /// The plan is kept, and applied after these changes from outside.
    kept: Option<Vec<(&'static str, u64)>>,
}

#[derive(Clone, Debug)]
struct Scenario {
    steps: Vec<Step>,
}

const OUTSIDE: [&str; 5] = ["delete", "delete", "set", "recreate", "foreign"];

fn knobs(rng: &mut Rng) -> Knobs {
    let mut k = Knobs::default();
    match rng.below(10) {
        0..=4 => k.kill_after = Some(1 + rng.below(14)),
        5 | 6 => drop(k.fail.insert(1 + rng.below(6))),
        7 | 8 => drop(k.lose.insert(1 + rng.below(6))),
        _ => k.lag = 1 + rng.below(4),
    }
    k
}

fn changes(rng: &mut Rng) -> Vec<(&'static str, u64)> {
    (0..1 + rng.below(2)).map(|_| (*rng.pick(&OUTSIDE), rng.next())).collect()
}

fn run(rng: &mut Rng, before: &Model, model: &Model) -> (Run, Option<Vec<(&'static str, u64)>>) {
    let mut run = Run { apply: true, ..Run::default() };
    let mut kept = None;
    let addrs: Vec<String> = model.instances().into_iter().chain(before.instances()).map(|(a, ..)| a).collect();
    let one = |rng: &mut Rng| rng.pick(&addrs).parse().unwrap();
    match rng.below(100) {
        0..=29 => {}
        30..=64 => run.knobs = knobs(rng),
        65..=72 => run.options.targets = vec![one(rng)],
        73..=77 => run.options.excludes = vec![one(rng)],
        78..=81 => {
            run.options.targets = vec![one(rng), one(rng)];
            run.knobs = knobs(rng);
        }
        82..=85 => {
            run.options.refresh = false;
            if rng.percent(50) {
                run.knobs = knobs(rng);
            }
        }
        86..=92 => {
            kept = Some(if rng.percent(40) { changes(rng) } else { vec![] });
            run.options.refresh = !rng.percent(20);
            if rng.percent(30) {
                run.knobs = knobs(rng);
            }
        }
        93..=95 => {
            run.options.mode = RunMode::Destroy;
            if rng.percent(60) {
                run.options.targets = vec![one(rng)];
            }
            if rng.percent(30) {
                run.knobs = knobs(rng);
            }
        }
        96 | 97 => run.options.mode = RunMode::RefreshOnly,
        _ => run.apply = false,
    }
    if run.options.mode == RunMode::Normal && rng.percent(8) && !addrs.is_empty() {
        let of: Vec<&String> = addrs.iter().filter(|a| !a.starts_with("place")).collect();
        if !of.is_empty() {
            run.options.replace = vec![rng.pick(&of).parse().unwrap()];
        }
    }
    run.knobs.seed = rng.next();
    (run, kept)
}

fn scenario(seed: u64) -> Scenario {
    let mut rng = Rng::new(seed);
    let mut maker = Maker::new();
    let mut model = maker.start(&mut rng);
    let mut steps = Vec::new();
    for i in 0..3 + rng.below(4) {
        let before = model.clone();
        if i > 0 && rng.percent(85) {
            model = maker.change(&mut rng, &before);
        }
        let (run, kept) = run(&mut rng, &before, &model);
        let outside = if i > 0 && rng.percent(20) { changes(&mut rng) } else { vec![] };
        steps.push(Step { model: model.clone(), outside, run, kept });
    }
    Scenario { steps }
}

/// Plays a scenario.
struct Player {
    bench: Bench,
    foreign: BTreeSet<RealKey>,
    /// The addresses in the state.
    recorded: judge::Recorded,
    /// What happened, where that is wanted.
    told: Option<String>,
}

impl Player {
    fn new(told: bool) -> Player {
        let in_folder = std::env::var_os("STREAMFORM_STORE").is_some_and(|v| v == "local");
        Player { bench: Bench::new(in_folder), foreign: BTreeSet::new(), recorded: judge::Recorded::new(), told: told.then(String::new) }
    }

    fn tell(&mut self, text: impl FnOnce() -> String) {
        if let Some(told) = &mut self.told {
            told.push_str(&text());
        }
    }

    fn outside(&mut self, changes: &[(&'static str, u64)]) {
        for (what, n) in changes {
            let all: Vec<RealKey> = self.bench.reality.objects().into_keys().filter(|k| !self.foreign.contains(k)).collect();
            if *what == "foreign" {
                let places: Vec<&RealKey> = all.iter().filter(|k| k.kind == "place").collect();
                let Some(place) = places.get(usize::try_from(*n).unwrap_or_default() % places.len().max(1)) else { continue };
                let key = RealKey::new(&place.name, "thing", &format!("foreign{}", n % 3));
                if self.bench.reality.objects().contains_key(&key) {
                    continue;
                }
                self.foreign.insert(key.clone());
                outside(&self.bench.reality, "create", &key, &[]);
                self.tell(|| format!("> outside create {key}\n"));
                continue;
            }
            let fits = |k: &&RealKey| match *what {
                // Nobody sees what became of what cannot be read back, and a right has no parts.
                "set" => matches!(k.kind.as_str(), "thing" | "place" | "slow"),
                "recreate" => matches!(k.kind.as_str(), "thing" | "slow" | "asker"),
                _ => true,
            };
            let all: Vec<&RealKey> = all.iter().filter(fits).collect();
            if all.is_empty() {
                continue;
            }
            let key = all[usize::try_from(*n % all.len() as u64).unwrap()].clone();
            let part = if key.kind == "slow" { "b=9" } else { "size=9" };
            outside(&self.bench.reality, what, &key, &[part]);
            if *what == "delete" && key.kind == "place" {
                self.foreign.retain(|f| f.place != key.name || key.place != HERE);
            }
            self.tell(|| format!("> outside {what} {key}\n"));
        }
    }

    async fn play(&mut self, s: &Scenario) -> Result<(), String> {
        let mut last = None;
        for step in &s.steps {
            drop(self.step(step).await?);
            last = Some(&step.model);
        }
        let Some(model) = last else { return Ok(()) };
        // The next good apply converges whatever happened before, and a plan before it lists exactly its changes.
        self.bench.files = model.files();
        let said = self.bench.run(&Run::default()).await;
        let run = Run { apply: true, knobs: Knobs { seed: 7, ..Knobs::default() }, ..Run::default() };
        let done = self.step(&Step { model: model.clone(), outside: vec![], run, kept: None }).await?;
        let (said, does) = (plan_text(&said.plan), plan_text(&done.plan));
        match said == does {
            true => Ok(()),
            false => Err(format!("(c) the plan said:\n{said}and the apply planned:\n{does}")),
        }
    }

    async fn step(&mut self, step: &Step) -> Result<Ran, String> {
        self.outside(&step.outside);
        let model = &step.model;
        self.bench.files = model.files();
        self.tell(|| model.texts().iter().fold(String::new(), |out, (name, text)| format!("{out}= config {name}\n{text}\n")));
        let recorded = std::mem::take(&mut self.recorded);
        let before = self.bench.reality.objects();
        let (ran, good) = match &step.kept {
            Some(between) => self.kept(step, between).await?,
            None => (self.bench.run(&step.run).await, !step.run.knobs.disturb()),
        };
        let after = self.bench.reality.objects();
        self.foreign.retain(|k| after.contains_key(k));
        let snapshot = judge::state(&self.bench).await;
        self.tell(|| {
            let state = snapshot.as_ref().map(state_text).unwrap_or_default();
            format!("> {}\n{}{state}{}\n", run_text(&step.run), ran_text(&ran), real_text(&after))
        });
        let snapshot = snapshot?;
        self.recorded = judge::recorded(&snapshot);
        judge::kept(model, &step.run, &ran, &before, &after, &recorded)?;
        judge::planned(&ran)?;
        self.good(step, &ran, good, &before, &after, &snapshot).await?;
        Ok(ran)
    }

    /// Keeps a plan, and applies it; whether that may be judged as a good apply.
    async fn kept(&mut self, step: &Step, between: &[(&'static str, u64)]) -> Result<(Ran, bool), String> {
        let (ran, kept) = self.bench.keep(&step.run).await;
        let Some(kept) = kept else { return Ok((ran, false)) };
        self.tell(|| format!("> save: {}\n", ran_text(&ran)));
        self.outside(between);
        let again = self.bench.run_kept(&kept, &step.run.knobs).await;
        if again.diagnostics.has_errors() {
            return Err(format!("(saved) the kept plan is refused: {:?}", judge::first(&again)));
        }
        Ok((again, between.is_empty() && step.run.options.refresh && !step.run.knobs.disturb()))
    }

    /// A run in which nothing went wrong does what it should.
    async fn good(
        &mut self,
        step: &Step,
        ran: &Ran,
        good: bool,
        before: &Objects,
        after: &Objects,
        snapshot: &crate::state::Snapshot,
    ) -> Result<(), String> {
        let o = &step.run.options;
        if !step.run.apply || o.mode == RunMode::RefreshOnly {
            return match ran.executed.is_empty() && before == after {
                true => Ok(()),
                false => Err("(c) a run that should change nothing changed something".into()),
            };
        }
        let partial = !o.targets.is_empty() || !o.excludes.is_empty();
        let internal = ran.done.iter().flat_map(|d| d.diagnostics.iter()).find(|d| d.code == crate::diag::codes::apply::INTERNAL);
        if let Some(d) = internal {
            return Err(format!("(contract) {}", d.detail));
        }
        if !good || !o.refresh || partial {
            return Ok(());
        }
        // A new object beside the old one needs another name: that is for the user to mend.
        let beside = step.model.blocks.iter().any(|b| b.create_first) || !snapshot.deposed.is_empty();
        if beside && ran.diagnostics.iter().any(|d| d.code == codes::COLLIDES) {
            return Ok(());
        }
        if let Some(error) = judge::first(ran) {
            return Err(format!("(d) a good apply fails: {error}"));
        }
        if o.mode == RunMode::Destroy {
            return judge::gone(snapshot, after, &self.foreign);
        }
        judge::settled(&step.model, snapshot, after, &self.foreign)?;
        let again = self.bench.run(&Run::default()).await;
        judge::empty(&again)
    }
}

fn play(s: &Scenario, told: bool) -> (Result<(), String>, String) {
    let mut player = Player::new(told);
    let result = super::wait(player.play(s));
    (result, player.told.unwrap_or_default())
}

/// The smallest scenario found that fails by the same invariant.
fn shrink(mut s: Scenario, why: &str) -> Scenario {
    let tag = |why: &str| why.split(')').next().unwrap_or_default().to_string();
    let fails = |s: &Scenario| play(s, false).0.err().is_some_and(|w| tag(&w) == tag(why));
    loop {
        let found = smaller(&s).into_iter().find(fails);
        match found {
            Some(next) => s = next,
            None => return s,
        }
    }
}

fn smaller(s: &Scenario) -> Vec<Scenario> {
    let mut out = Vec::new();
    for i in 0..s.steps.len() {
        let mut t = s.clone();
        t.steps.remove(i);
        out.push(t);
    }
    let ids: BTreeSet<u32> = s.steps.iter().flat_map(|s| s.model.blocks.iter().map(|b| b.id)).collect();
    let with_models = |change: &dyn Fn(&mut Model)| {
        let mut t = s.clone();
        for step in &mut t.steps {
            change(&mut step.model);
            step.model.repair();
        }
        let same = t.steps.iter().zip(&s.steps).all(|(a, b)| a.model == b.model);
        (!same).then_some(t)
    };
    for id in &ids {
        out.extend(with_models(&|m| m.blocks.retain(|b| b.id != *id)));
    }
    for id in &ids {
        for at in 0..3 {
            out.extend(with_models(&|m| {
                for b in m.blocks.iter_mut().filter(|b| b.id == *id && b.items.len() > 1 && at < b.items.len()) {
                    b.items.remove(at);
                }
            }));
        }
        for f in ["size", "shape", "label", "hint", "a", "b", "c", "value"] {
            out.extend(with_models(&|m| {
                m.blocks.iter_mut().filter(|b| b.id == *id).flat_map(|b| &mut b.items).for_each(|i| drop(i.fields.remove(f)));
            }));
        }
        out.extend(with_models(&|m| m.blocks.iter_mut().filter(|b| b.id == *id).for_each(|b| b.create_first = false)));
    }
    for i in 0..s.steps.len() {
        let mut t = s.clone();
        let step = &mut t.steps[i];
        if !step.outside.is_empty() {
            step.outside.clear();
            out.push(t.clone());
        }
        let mut t = s.clone();
        let plain = Knobs::default();
        if t.steps[i].run.knobs != plain {
            t.steps[i].run.knobs = plain;
            out.push(t);
        }
        let mut t = s.clone();
        if t.steps[i].kept.take().is_some() {
            out.push(t);
        }
        let mut t = s.clone();
        if i > 0 && t.steps[i].model != t.steps[i - 1].model {
            t.steps[i].model = t.steps[i - 1].model.clone();
            out.push(t);
        }
        let mut t = s.clone();
        let o = &mut t.steps[i].run.options;
        if !o.replace.is_empty() || o.targets.len() > 1 {
            o.replace.clear();
            o.targets.truncate(1);
            out.push(t);
        }
        let mut t = s.clone();
        if !t.steps[i].model.moved.is_empty() {
            t.steps[i].model.moved.clear();
            out.push(t);
        }
    }
    out
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn random_lifecycles_keep_the_invariants() {
    let long = std::env::var_os("STREAMFORM_LONG").is_some();
    let count = number("STREAMFORM_COUNT").unwrap_or(if long { 20_000 } else { 300 });
    let first = number("STREAMFORM_SEED").unwrap_or(1);
    let most = number("STREAMFORM_FAILURES").unwrap_or(1);
    let next = AtomicU64::new(first);
    let stop = AtomicBool::new(false);
    let failed: Mutex<Vec<(u64, String)>> = Mutex::default();
    let began = Instant::now();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= first + count || stop.load(Ordering::SeqCst) {
                        return;
                    }
                    if let (Err(why), _) = play(&scenario(seed), false) {
                        let mut failed = failed.lock().unwrap();
                        failed.push((seed, why));
                        stop.store(failed.len() as u64 >= most, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    let took = began.elapsed();
    let mut failed = failed.into_inner().unwrap();
    failed.sort();
    eprintln!("{count} scenarios from seed {first} in {took:.1?}, {} failed", failed.len());
    let mut text = String::new();
    for (seed, why) in &failed {
        writeln!(text, "seed {seed}: {}", why.lines().next().unwrap_or_default()).unwrap();
    }
    if let Some((seed, why)) = failed.first() {
        let small = shrink(scenario(*seed), why);
        let (result, told) = play(&small, true);
        let why = result.err().unwrap_or_default();
        panic!("{text}\nSTREAMFORM_SEED={seed}, made smaller:\n\n{told}\n{why}");
    }
}
