//! `drift`: what differs between the real systems, the state and the configuration, managed and unmanaged; for scheduled runs.
//!
//! It tells what it can: an object that cannot be planned, or a cluster that does not answer, hides no other one. It knows no resource type:
//! a live object is unmanaged when no block and no record holds its key.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::live::DiskHost;
use super::workspace::{VarArgs, Workspace};
use super::{Exit, Result, Terminal};
use crate::addr::{InstanceAddr, Mode};
use crate::apply::Silent;
use crate::diag::codes::plan as codes;
use crate::diag::{Diagnostic, Diagnostics};
use crate::lang::config::DiskFiles;
use crate::plan::conditions::as_warning;
use crate::plan::drift::{Finding, findings};
use crate::plan::walk::{self, Outcome};
use crate::plan::{Action, Change, Options, objects};
use crate::resource::{Discovered, Key, ResourceType, Session, registry};
use crate::schema::AttrType;
use crate::state::{Access, Ledger};
use crate::value::Value;
use crate::view::drift::{self as view, Report, Stray};

/// What `drift` is asked.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The folder.
    pub root: PathBuf,
    /// Variables.
    pub vars: VarArgs,
    /// Also look for objects that no block declares.
    pub unmanaged: bool,
    /// Show each object that differs as a plan shows it.
    pub verbose: bool,
}

/// Runs it: exit 0 without drift, 2 with, 1 where none was found and not all could be looked at.
pub async fn run(request: &Request, terminal: &Terminal) -> Result {
    let ws = Workspace::load(&request.root, &DiskFiles, &request.vars, terminal)?;
    let store = ws.store(Access::Read).await?;
    for _ in 1..super::plan::ATTEMPTS {
        if let Some(exit) = attempt(request, terminal, &ws, &store, false).await? {
            return Ok(exit);
        }
    }
    let exit = attempt(request, terminal, &ws, &store, true).await?;
    Ok(exit.unwrap_or(Exit::Failure))
}

/// Looks once. `None` where drift or errors were found that may come from another run, which wrote to the state meanwhile; not for the `last`
/// attempt.
async fn attempt(request: &Request, terminal: &Terminal, ws: &Workspace, store: &Ledger, last: bool) -> Result<Option<Exit>> {
    let snapshot = store.snapshot().await.map_err(|d| ws.failure(d))?;
    snapshot.check().map_err(|d| ws.failure(d))?;
    let observer = ws.live(Arc::new(Silent));
    if !terminal.json {
        observer.show_waits();
    }
    let host = DiskHost::new(false);
    let options = Options::default();
    let digest = |v: &Value| store.digest(v);
    let inputs = ws.inputs(&snapshot, &options, &digest, &host, &observer);
    let outcome = walk::walk(&inputs).await;
    let mut diagnostics = ws.warnings.clone();
    let places = places(&outcome);
    let (down, up): (Vec<_>, Vec<_>) = places.iter().partition(|(_, p)| objects::nothing_runs(p));
    let unread = not_read(&outcome, &down);
    let (found, rest) = findings(&outcome.plan, inputs.types, &digest, outcome.diagnostics.clone(), &unread);
    diagnostics.append(rest);
    let mut report = Report { findings: found, ..Report::default() };
    let mut live = Live::default();
    if request.unmanaged {
        report.not_searched.extend(down.iter().map(|(name, _)| (name.to_string(), "it is not running".to_string())));
        live = search(&up, &held(&outcome), &observer.session, &mut report, &mut diagnostics).await;
    }
    for f in &mut report.findings {
        f.exists = live.has(f, &outcome);
        if f.exists == Some(true) && f.notes.is_empty() && is_alone(f) {
            f.notes.push("Apply does not take it over. Import it, or give the block another name.".to_string());
        }
    }
    report.not_read = unread.iter().chain(&in_down(&outcome, &down)).map(InstanceAddr::to_string).collect();
    report.objects = objects_of(&outcome);
    report.blocked = diagnostics.has_errors();
    let diagnostics = diagnostics.by_cause();
    if !last && (report.any() || diagnostics.has_errors()) && store.has_moved(&snapshot).await.map_err(|d| ws.failure(d))? {
        return Ok(None);
    }
    if !report.any() && diagnostics.has_errors() {
        return Err(ws.failure(diagnostics));
    }
    terminal.diagnostics(&diagnostics, &ws.config.sources);
    if terminal.json {
        terminal.line(&view::json(&report).to_string());
    } else {
        terminal.print(&view::text(&report, terminal.paint));
        if request.verbose {
            terminal.print(&view::details(&report, &outcome.plan, terminal.paint));
        }
    }
    Ok(Some(if report.any() { Exit::Changes } else { Exit::Success }))
}

/// Objects that others live in, by address: whatever type is an attribute of another type that cannot be changed in place.
fn places(outcome: &Outcome<'_>) -> BTreeMap<InstanceAddr, Value> {
    let mut out = BTreeMap::new();
    for c in outcome.plan.changes.iter().filter(|c| c.action != Action::Create && c.deposed.is_none()) {
        let Some(object) = c.prior.as_ref().or(c.planned.as_ref()) else { continue };
        if tenants(&c.addr).next().is_some() {
            out.insert(c.addr.clone(), objects::with_origin(object, &c.addr));
        }
    }
    out
}

/// The types whose objects live in this one.
fn tenants(place: &InstanceAddr) -> impl Iterator<Item = (&'static str, &'static dyn ResourceType)> + use<'_> {
    let lives_there = |r: &dyn ResourceType| {
        let mut attributes = r.schema().body.attributes.iter();
        attributes.any(|a| a.force_new && matches!(a.ty, AttrType::Ref(types) if types.contains(&&*place.resource.type_name)))
    };
    registry::ALL.iter().filter(move |(m, _, r)| *m == Mode::Managed && lives_there(*r)).map(|(_, name, r)| (*name, *r))
}

/// The keys that blocks and records hold or will hold.
fn held(outcome: &Outcome<'_>) -> BTreeSet<Key> {
    outcome.holders.iter().flat_map(|h| h.now.iter().chain(&h.then)).map(|hold| hold.key.clone()).collect()
}

/// Lists what lives in each place and keeps what nobody holds. Two blocks may lead to one place: each object is told once.
async fn search(
    places: &[(&InstanceAddr, &Value)],
    held: &BTreeSet<Key>,
    session: &Session,
    report: &mut Report<'_>,
    diagnostics: &mut Diagnostics,
) -> Live {
    let mut seen: BTreeSet<Key> = BTreeSet::new();
    let mut live = Live::default();
    for (addr, place) in places {
        for (type_name, resource) in tenants(addr) {
            match resource.discover(session, place).await {
                Ok(found) => {
                    live.searched.insert(((*addr).clone(), type_name));
                    for d in found {
                        live.keys.extend(resource.holds(&d.attributes, &d.private).into_iter().map(|h| h.key));
                        report.strays.extend(strays(&d, resource, type_name, addr, held, &mut seen));
                    }
                }
                // What is declared was looked at all the same.
                Err(d) => {
                    report.not_searched.push((addr.to_string(), format!("its {type_name} objects could not be listed")));
                    diagnostics.push(as_warning(d));
                }
            }
        }
    }
    live
}

/// Whether what is to be created is an object that only one block can hold.
fn is_alone(finding: &Finding<'_>) -> bool {
    let resource = registry::find(Mode::Managed, &finding.addr.resource.type_name);
    let planned = finding.change.and_then(|c| Some((c.planned.as_ref()?, &c.private)));
    resource.zip(planned).is_some_and(|(r, (object, private))| r.holds(object, private).iter().all(|h| !h.shared))
}

/// The result of a search.
#[derive(Default)]
struct Live {
    /// The keys of all live objects.
    keys: BTreeSet<Key>,
    /// The places and types that were searched.
    searched: BTreeSet<(InstanceAddr, &'static str)>,
}

impl Live {
    /// Whether the object of a finding that is to be created exists: see [`Finding::exists`].
    fn has(&self, finding: &Finding<'_>, outcome: &Outcome<'_>) -> Option<bool> {
        let change = finding.change.filter(|c| c.action == Action::Create);
        let Some((planned, change)) = change.and_then(|c| Some((c.planned.as_ref()?, c))) else { return Some(false) };
        let resource = registry::find(Mode::Managed, &finding.addr.resource.type_name)?;
        if resource.lives_in().is_none() {
            return Some(false);
        }
        let place = objects::place_of(resource, planned)?;
        let is_new = |c: &Change| c.addr == *place && c.deposed.is_none() && c.action == Action::Create;
        if outcome.plan.changes.iter().any(is_new) {
            return Some(false);
        }
        let searched = self.searched.iter().any(|(p, t)| *p == *place && **t == *finding.addr.resource.type_name);
        let holds = resource.holds(planned, &change.private);
        match searched {
            true => Some(!holds.is_empty() && holds.iter().all(|h| self.keys.contains(&h.key))),
            // Without errors the probes asked, except where nothing runs.
            false => {
                let down = resource.lives_in().and_then(|name| planned.get(name)).is_some_and(|p| objects::nothing_runs(&p));
                (!down && !outcome.diagnostics.has_errors()).then_some(false)
            }
        }
    }
}

/// What nobody holds of a live object: all of it is one stray; of shared objects, of which some are held, each is one.
fn strays(
    d: &Discovered,
    resource: &dyn ResourceType,
    type_name: &str,
    parent: &InstanceAddr,
    held: &BTreeSet<Key>,
    seen: &mut BTreeSet<Key>,
) -> Vec<Stray> {
    let keys: BTreeSet<Key> = resource.holds(&d.attributes, &d.private).into_iter().map(|h| h.key).collect();
    let free: Vec<Key> = keys.iter().filter(|k| !held.contains(k)).cloned().collect();
    let new: Vec<&Key> = free.iter().filter(|k| seen.insert((*k).clone())).collect();
    let stray = |label: String, whole| Stray { type_name: type_name.into(), parent: parent.to_string(), id: d.id.clone(), label, whole };
    match (new.is_empty(), free.len() == keys.len()) {
        (true, _) => vec![],
        (false, true) => vec![stray(d.label.clone(), true)],
        (false, false) => new.into_iter().map(|k| stray(k.name().to_string(), false)).collect(),
    }
}

/// A word on recorded objects in places of which nothing runs: they are planned as they are recorded.
pub(super) fn unseen(outcome: &Outcome<'_>) -> Option<Diagnostic> {
    let places = places(outcome);
    let down: Vec<(&InstanceAddr, &Value)> = places.iter().filter(|(_, p)| objects::nothing_runs(p)).collect();
    let unseen: Vec<String> = in_down(outcome, &down).iter().map(InstanceAddr::to_string).collect();
    let first = unseen.first()?;
    let named: Vec<String> = down.iter().map(|(a, _)| a.to_string()).collect();
    let more = if unseen.len() > 1 { format!(" and {} more", unseen.len() - 1) } else { String::new() };
    let detail =
        format!("Nothing of {} runs, so nobody was asked for {first}{more}: the plan takes them as recorded.", named.join(" and "));
    Some(Diagnostic::warning(codes::NOT_LOOKED_AT, detail).hint("Plan again when it runs, to see what differs."))
}

/// Recorded objects in places that are down: nobody was asked for them.
fn in_down(outcome: &Outcome<'_>, down: &[(&InstanceAddr, &Value)]) -> BTreeSet<InstanceAddr> {
    let lives_there = |c: &&Change| {
        let resource = registry::find(c.addr.resource.mode, &c.addr.resource.type_name);
        let place = resource.zip(c.prior.as_ref()).and_then(|(r, object)| objects::place_of(r, object));
        place.is_some_and(|p| down.iter().any(|(d, _)| **d == *p))
    };
    let changes = outcome.plan.changes.iter().filter(|c| c.deposed.is_none() && c.addr.resource.mode == Mode::Managed);
    changes.filter(lives_there).map(|c| c.addr.clone()).collect()
}

/// Recorded objects that were asked for and gave no answer. Of what lives in a place that is down nobody was asked.
fn not_read(outcome: &Outcome<'_>, down: &[(&InstanceAddr, &Value)]) -> BTreeSet<InstanceAddr> {
    let lives_in_down = |object: &Value, addr: &InstanceAddr| {
        let resource = registry::find(addr.resource.mode, &addr.resource.type_name);
        let place = resource.and_then(|r| objects::place_of(r, object));
        place.is_some_and(|p| down.iter().any(|(d, _)| **d == *p))
    };
    let changes = outcome.plan.changes.iter().filter(|c| c.deposed.is_none() && c.addr.resource.mode == Mode::Managed);
    let unread =
        changes.filter(|c| c.prior.as_ref().is_some_and(|v| !lives_in_down(v, &c.addr)) && !outcome.observed.contains_key(&c.addr));
    unread.map(|c| c.addr.clone()).collect()
}

/// How many managed objects there are, recorded or declared.
fn objects_of(outcome: &Outcome<'_>) -> usize {
    let drifted = outcome.plan.drift.iter().map(|d| &d.addr);
    let all = outcome.holders.iter().map(|h| &h.addr).chain(drifted).chain(outcome.plan.changes.iter().map(|c| &c.addr));
    all.filter(|a| a.resource.mode == Mode::Managed).collect::<BTreeSet<_>>().len()
}
