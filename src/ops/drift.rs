//! `drift`: what differs between the real systems, the state and the configuration, managed and unmanaged; for scheduled runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use super::live::DiskHost;
use super::workspace::{VarArgs, Workspace};
use super::{Exit, Result, Terminal};
use crate::addr::Mode;
use crate::apply::Silent;
use crate::diag::Diagnostics;
use crate::diag::codes::kafka as kafka_codes;
use crate::lang::config::DiskFiles;
use crate::plan::conditions::as_warning;
use crate::plan::objects;
use crate::plan::walk;
use crate::plan::{Action, Options, Plan, Reason};
use crate::resource::registry;
use crate::state::Access;
use crate::value::Value;
use crate::view;

/// What `drift` is asked.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The folder.
    pub root: PathBuf,
    /// Variables.
    pub vars: VarArgs,
    /// Also look for objects that no block declares.
    pub unmanaged: bool,
}

/// A live object that no block declares.
struct Stray {
    type_name: &'static str,
    parent: String,
    id: String,
    label: String,
}

/// Runs it: exit 0 without drift, 2 with, 1 on an error.
pub async fn run(request: &Request, terminal: &Terminal) -> Result {
    let ws = Workspace::load(&request.root, &DiskFiles, &request.vars, terminal)?;
    let store = ws.store(Access::Read).await?;
    let snapshot = store.snapshot().await.map_err(|d| ws.failure(d))?;
    snapshot.check().map_err(|d| ws.failure(d))?;
    let observer = ws.live(Arc::new(Silent));
    let host = DiskHost::new(false);
    let options = Options::default();
    let digest = |v: &Value| store.digest(v);
    let inputs = ws.inputs(&snapshot, &options, &digest, &host, &observer);
    let outcome = walk::walk(&inputs).await;
    let mut diagnostics = ws.warnings.clone();
    diagnostics.append(outcome.diagnostics.clone());
    let (mut strays, mut down) = (Vec::new(), Vec::new());
    if request.unmanaged && !diagnostics.has_errors() {
        (strays, down) = find_strays(&outcome.plan, &observer.session, &mut diagnostics).await;
    }
    let diagnostics = diagnostics.by_cause();
    if diagnostics.has_errors() {
        return Err(ws.failure(diagnostics));
    }
    terminal.diagnostics(&diagnostics, &ws.config.sources);
    report(&outcome.plan, &strays, &down, terminal);
    let managed = outcome.plan.changes.iter().any(|c| c.action.changes());
    Ok(if managed || !strays.is_empty() { Exit::Changes } else { Exit::Success })
}

/// Lists every cluster's and Connect cluster's objects and leaves out what the plan knows. Then the places that nobody answers for, because
/// nothing of them runs.
async fn find_strays(plan: &Plan, session: &crate::resource::Session, diagnostics: &mut Diagnostics) -> (Vec<Stray>, Vec<String>) {
    let mut known: BTreeSet<(String, String, String)> = BTreeSet::new();
    let mut parents: BTreeMap<String, Value> = BTreeMap::new();
    for c in &plan.changes {
        let Some(object) = c.prior.as_ref().or(c.planned.as_ref()) else { continue };
        for (_, v) in object.as_map().into_iter().flatten() {
            if let Some(origin) = v.origin() {
                for id in [object.get_str("name"), object.get_str("principal"), object.get_str("id")].into_iter().flatten() {
                    known.insert((c.addr.resource.type_name.to_string(), origin.to_string(), id));
                }
            }
        }
        if matches!(&*c.addr.resource.type_name, "kafka_cluster" | "kafka_connect") && c.action != Action::Create && c.deposed.is_none() {
            parents.insert(c.addr.to_string(), objects::with_origin(object, &c.addr));
        }
    }
    let bindings = known_bindings(plan);
    let kept = |c: &crate::plan::Change| Some(registry::find(Mode::Managed, &c.addr.resource.type_name)?.keeps(c.prior.as_ref()?));
    let own: BTreeSet<(&str, String)> = plan.changes.iter().filter_map(kept).flatten().collect();
    let mut out = Vec::new();
    let (dead, alive): (Vec<_>, Vec<_>) = parents.iter().partition(|(_, p)| objects::nothing_runs(p));
    for (name, parent) in alive {
        for (mode, type_name, resource) in registry::ALL.iter().filter(|(m, ..)| *m == Mode::Managed) {
            debug_assert_eq!(*mode, Mode::Managed);
            let lives_in = resource.schema().body.attributes.iter().any(|a| match a.ty {
                crate::schema::AttrType::Ref(types) => {
                    parent.origin().is_some_and(|o| types.contains(&&*o.resource.type_name)) && a.force_new
                }
                crate::schema::AttrType::Value(_) => false,
            });
            if !lives_in {
                continue;
            }
            match resource.discover(session, parent).await {
                Ok(found) => {
                    for d in found.into_iter().filter(|d| !own.contains(&(*type_name, d.id.clone()))) {
                        let stray = |label| Stray { type_name, parent: name.clone(), id: d.id.clone(), label };
                        if !known.contains(&(type_name.to_string(), name.clone(), d.id.clone())) {
                            out.push(stray(d.label.clone()));
                            continue;
                        }
                        // A principal that a block manages may hold bindings that no block gives it.
                        let extra =
                            texts(&d.attributes, "bindings").filter(|b| !bindings.contains(&(name.clone(), d.id.clone(), b.clone())));
                        out.extend(extra.map(stray));
                    }
                }
                // Who may not list what is there can still learn what became of the declared.
                Err(d) if d.code == kafka_codes::UNAUTHORIZED => diagnostics.push(as_warning(d)),
                Err(d) => diagnostics.push(d),
            }
        }
    }
    (out, dead.into_iter().map(|(name, _)| name.clone()).collect())
}

/// The strings of a list attribute.
fn texts<'v>(object: &'v Value, name: &str) -> impl Iterator<Item = String> + use<'v> {
    let list = object.get(name).and_then(|v| v.as_slice().map(<[Value]>::to_vec)).unwrap_or_default();
    list.into_iter().filter_map(|v| v.as_str().map(str::to_string))
}

/// The bindings that blocks hold or are to get: cluster, principal, binding.
fn known_bindings(plan: &Plan) -> BTreeSet<(String, String, String)> {
    let mut out = BTreeSet::new();
    for c in &plan.changes {
        for object in c.prior.iter().chain(&c.planned) {
            let cluster = object.get("cluster").and_then(|v| v.origin().map(ToString::to_string));
            let (Some(cluster), Some(principal)) = (cluster, object.get_str("principal")) else { continue };
            out.extend(texts(object, "bindings").map(|b| (cluster.clone(), principal.clone(), b)));
        }
    }
    out
}

fn report(plan: &Plan, strays: &[Stray], down: &[String], terminal: &Terminal) {
    let changed: Vec<_> = plan.changes.iter().filter(|c| c.action.changes()).collect();
    if terminal.json {
        let managed: Vec<_> = changed
            .iter()
            .map(|c| json!({"address": c.addr.to_string(), "actions": c.action.name(), "effects": crate::resource::lines(&c.all_ops().cloned().collect::<Vec<_>>()), "missing": c.reasons.contains(&Reason::Missing)}))
            .collect();
        let unmanaged: Vec<_> = strays.iter().map(|s| json!({"type": s.type_name, "in": s.parent, "id": s.id, "label": s.label})).collect();
        terminal.line(&json!({"format_version": "1.0", "drift": !changed.is_empty() || !strays.is_empty(), "managed": managed, "unmanaged": unmanaged, "not_searched": down}).to_string());
        return;
    }
    if changed.is_empty() && strays.is_empty() {
        terminal.line(&terminal.paint.bold("No drift. The real systems match the configuration."));
        return;
    }
    if !changed.is_empty() {
        terminal.print(
            &view::plan::render(plan, view::plan::PlanStyle { paint: terminal.paint, verbose: false })
                .replace("streamform will do the following:", "Differs from the configuration; apply would do the following:"),
        );
    }
    if !strays.is_empty() {
        terminal.line(&format!("\n{}", terminal.paint.bold(&format!("Not declared by any block ({}):", strays.len()))));
        for s in strays {
            terminal.line(&format!("  {} {} in {}", s.type_name, s.label, s.parent));
        }
    }
    if !down.is_empty() {
        terminal.line(&format!("\nNot searched for objects that no block declares, because nothing of it runs: {}.", down.join(", ")));
    }
}
