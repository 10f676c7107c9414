//! `state`, `output`, `show`, `import`, `lock`: looking at and editing what is recorded.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::workspace::{VarArgs, Workspace, backend, open_store};
use super::{Exit, Result, Terminal};
use crate::addr::{InstanceAddr, Target};
use crate::diag::codes::{cli as codes, state as state_codes};
use crate::diag::{Diagnostic, did_you_mean, io_words};
use crate::lang::config::{self, DiskFiles};
use crate::plan::objects;
use crate::plan::saved::SavedPlan;
use crate::plan::settle::held_elsewhere;
use crate::plan::{Reason, deposed_label};
use crate::resource::registry;
use crate::state::{Access, Deposing, Ledger, LockInfo, Outcome, Record, Snapshot};
use crate::view;

/// The folder of a configuration's store, without evaluating the configuration.
fn folder(root: &Path) -> Result<PathBuf> {
    let (config, diagnostics) = config::load(root, &DiskFiles);
    let backend = config.as_ref().and_then(|c| c.root.settings.backend.clone());
    match (config, backend) {
        (Some(c), Some(_)) if !diagnostics.has_errors() => {
            let graph = crate::graph::Graph::default();
            let ws = Workspace { root: root.to_path_buf(), config: c, graph, variables: Default::default(), warnings: Default::default() };
            ws.state_dir()
        }
        _ => Ok(root.join("state")),
    }
}

async fn open(root: &Path) -> Result<Ledger> {
    Ok(open_store(&folder(root)?, Access::Read).await?)
}

async fn read(root: &Path) -> Result<(Snapshot, Ledger)> {
    let store = open(root).await?;
    Ok((store.snapshot().await?, store))
}

fn no_record(snapshot: &Snapshot, what: &str) -> Diagnostic {
    let known = snapshot.records.keys().chain(snapshot.unreadable.iter().map(|u| &u.addr));
    let names: Vec<String> = known.map(ToString::to_string).collect();
    let d = Diagnostic::error(state_codes::NO_RECORD, format!("The state does not hold {what}."));
    match did_you_mean(what, names.iter().map(String::as_str)) {
        Some(near) => d.hint(format!("Did you mean {near}?")),
        None if names.is_empty() => d.hint("The state is empty."),
        None => d.hint("streamform state list shows what it holds."),
    }
}

fn target(text: &str) -> std::result::Result<Target, Diagnostic> {
    text.parse().map_err(|e| super::not_an_address(text, &e))
}

/// `state list [ADDR…]`
pub async fn list(root: &Path, wanted: &[String], terminal: &Terminal) -> Result {
    let all = open(root).await?.addresses().await?;
    let targets = wanted.iter().map(|t| target(t)).collect::<std::result::Result<Vec<_>, _>>()?;
    let wanted = |a: &InstanceAddr| targets.is_empty() || targets.iter().any(|t| t.contains(a));
    let label = |(a, key): (InstanceAddr, Option<Arc<str>>)| key.map_or_else(|| a.to_string(), |key| deposed_label(&a, &key));
    let shown: Vec<String> = all.into_iter().filter(|(a, _)| wanted(a)).map(label).collect();
    if terminal.json {
        terminal.line(&serde_json::json!(shown).to_string());
    } else {
        terminal.print(&shown.iter().map(|line| format!("{line}\n")).collect::<String>());
        if shown.is_empty() && targets.is_empty() {
            terminal.note("The state is empty.");
        }
    }
    Ok(Exit::Success)
}

/// `state show ADDR [-at N]`
pub async fn show(root: &Path, addr: &str, at: Option<u64>, terminal: &Terminal) -> Result {
    let (now, store) = read(root).await?;
    let snapshot = match at {
        Some(n) => store.snapshot_at(n).await?,
        None => now,
    };
    let wanted = target(addr)?;
    let deposed: Vec<_> = snapshot.deposed.iter().filter(|((a, _), _)| wanted.contains(a)).collect();
    let records: Vec<&Arc<Record>> = snapshot.records.iter().filter(|(a, _)| wanted.contains(a)).map(|(_, r)| r).collect();
    if records.is_empty() {
        if let Some(u) = snapshot.unreadable.iter().find(|u| wanted.contains(&u.addr)) {
            return Err(u.diagnostic.clone().into());
        }
        if deposed.is_empty() {
            return Err(no_record(&snapshot, addr).into());
        }
    }
    // An address without a key names all instances of the block.
    for (i, record) in records.into_iter().enumerate() {
        if terminal.json {
            let json = serde_json::json!({"address": record.addr.to_string(), "attributes": view::json::object(&record.attributes), "private": record.private,
                "tainted": record.tainted, "protected": record.protected});
            terminal.line(&json.to_string());
            continue;
        }
        if i > 0 {
            terminal.line("");
        }
        if record.tainted {
            terminal.line("# (tainted: its creation did not end well)");
        }
        terminal.print(&view::plan::object(&record.addr, &record.attributes));
    }
    show_deposed(&deposed, terminal);
    Ok(Exit::Success)
}

/// A deposed object as a snapshot has it.
type Deposed<'a> = (&'a (InstanceAddr, Arc<str>), &'a Arc<Record>);

/// Objects that a newer one took the place of.
fn show_deposed(deposed: &[Deposed<'_>], terminal: &Terminal) {
    for ((addr, key), record) in deposed {
        if terminal.json {
            let attributes = view::json::object(&record.attributes);
            terminal.line(&serde_json::json!({"address": addr.to_string(), "deposed": &**key, "attributes": attributes}).to_string());
        } else {
            terminal.line(&format!("# {}: the next apply destroys it", deposed_label(addr, key)));
            terminal.print(&view::plan::object(addr, &record.attributes));
        }
    }
}

async fn locked<T>(root: &Path, operation: &str, timeout: Duration, f: impl AsyncFnOnce(&Ledger) -> Result<T>) -> Result<T> {
    let dir = folder(root)?;
    let lock = backend(&dir).lock(LockInfo::new(operation), timeout).await?;
    let store = open_store(&dir, Access::Write).await?.fenced(&lock);
    store.begin_generation(operation).await?;
    let out = f(&store).await?;
    store.close().await?;
    Ok(out)
}

/// `state mv FROM TO`
pub async fn mv(root: &Path, from: &str, to: &str, timeout: Duration, terminal: &Terminal) -> Result {
    let (f, t) = (target(from)?, target(to)?);
    let count = locked(root, "state mv", timeout, async |store| {
        let snapshot = store.snapshot().await?;
        let held: BTreeSet<&InstanceAddr> = snapshot.records.keys().chain(snapshot.in_doubt.iter().map(|d| &d.addr)).collect();
        let moves: Vec<(InstanceAddr, InstanceAddr)> =
            held.into_iter().filter(|a| f.contains(a)).filter_map(|a| Some((a.clone(), renamed(a, &f, &t)?))).collect();
        if moves.is_empty() {
            return Err(no_record(&snapshot, from).into());
        }
        if let Some(d) = moves.iter().find_map(|(a, b)| unfit_move(a, b)) {
            return Err(d.into());
        }
        store.mv(&moves).await?;
        Ok(moves.len())
    })
    .await?;
    terminal.line(&format!("Moved {} from {from} to {to}.", crate::words::counted(count, "object")));
    Ok(Exit::Success)
}

/// Why an object cannot have another address, whatever the state holds there.
fn unfit_move(from: &InstanceAddr, to: &InstanceAddr) -> Option<Diagnostic> {
    if from == to {
        let d = Diagnostic::error(codes::USAGE, format!("{from} is where the object is already."));
        return Some(d.hint("Give the new address last."));
    }
    let kind = |a: &InstanceAddr| (a.resource.mode, a.resource.type_name.clone());
    if kind(from) != kind(to) {
        let detail = format!("{from} cannot become {to}: an object keeps its type.");
        return Some(
            Diagnostic::error(codes::USAGE, detail).hint(format!("Write the type {} in the new address too.", from.resource.type_name)),
        );
    }
    None
}

fn renamed(addr: &InstanceAddr, from: &Target, to: &Target) -> Option<InstanceAddr> {
    match (from, to) {
        (Target::Resource(_), Target::Resource(t)) => Some(t.instance(addr.key.clone())),
        (_, Target::Instance(t)) => Some(t.clone()),
        (Target::Instance(_), Target::Resource(t)) => Some(t.instance(None)),
        (Target::Module(f), Target::Module(t)) => {
            let steps = t.0.iter().chain(addr.resource.module.0.iter().skip(f.0.len())).cloned().collect::<Vec<_>>();
            Some(addr.resource.in_module(crate::addr::ModulePath(steps.into())).instance(addr.key.clone()))
        }
        _ => None,
    }
}

/// `state rm ADDR…`: the objects stay, streamform forgets them.
pub async fn rm(root: &Path, wanted: &[String], timeout: Duration, terminal: &Terminal) -> Result {
    let targets = wanted.iter().map(|t| target(t)).collect::<std::result::Result<Vec<_>, _>>()?;
    let gone = locked(root, "state rm", timeout, async |store| {
        let snapshot = store.snapshot().await?;
        let unreadable = snapshot.unreadable.iter().map(|u| &u.addr);
        let known: BTreeSet<&InstanceAddr> =
            snapshot.records.keys().chain(snapshot.in_doubt.iter().map(|d| &d.addr)).chain(unreadable).collect();
        for (t, text) in targets.iter().zip(wanted) {
            if !known.iter().copied().chain(snapshot.deposed.keys().map(|(a, _)| a)).any(|a| t.contains(a)) {
                return Err(no_record(&snapshot, text).into());
            }
        }
        let hit = |a: &InstanceAddr| targets.iter().any(|t| t.contains(a));
        let unreadable = |deposed: bool| snapshot.unreadable.iter().filter(move |u| u.deposed.is_some() == deposed);
        let gone: Vec<InstanceAddr> = known.into_iter().filter(|a| hit(a)).cloned().collect();
        store.remove(&gone).await?;
        let unknown = unreadable(true).filter_map(|u| Some((u.addr.clone(), u.deposed.clone()?)));
        let deposed: Vec<_> = snapshot.deposed.keys().cloned().chain(unknown).filter(|(a, _)| hit(a)).collect();
        let changes: Vec<_> = deposed.iter().map(|(a, key)| (a.clone(), Arc::clone(key), Deposing::Gone)).collect();
        store.depose(&changes).await?;
        Ok(gone.iter().map(ToString::to_string).chain(deposed.iter().map(|(a, key)| deposed_label(a, key))).collect::<Vec<_>>())
    })
    .await?;
    gone.iter().for_each(|a| terminal.line(&format!("Removed {a}. The object itself stays as it is.")));
    Ok(Exit::Success)
}

/// `state history`
pub async fn history(root: &Path, terminal: &Terminal) -> Result {
    for g in open(root).await?.history().await? {
        if terminal.json {
            terminal.line(&serde_json::json!({"generation": g.number, "operation": g.operation, "started": g.started, "created": g.created, "updated": g.updated, "deleted": g.deleted}).to_string());
        } else {
            terminal.line(&format!(
                "{:>4}  {}  {:<10} {} created, {} updated, {} deleted",
                g.number,
                moment(&g.started),
                g.operation,
                g.created,
                g.updated,
                g.deleted
            ));
        }
    }
    Ok(Exit::Success)
}

/// A moment for people, to the second: `2026-01-31 12:00:00 UTC`.
fn moment(rfc3339: &str) -> String {
    match rfc3339.parse::<jiff::Timestamp>() {
        Ok(t) => t.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => rfc3339.to_string(),
    }
}

/// `state export`
pub async fn export(root: &Path) -> Result {
    open(root).await?.export(&mut view::stdout::Pieces::new()).await?;
    Ok(Exit::Success)
}

/// `state restore FILE`
pub async fn restore(root: &Path, file: &Path, timeout: Duration, terminal: &Terminal) -> Result {
    let opened = std::fs::File::open(file);
    let input = opened.map_err(|e| Diagnostic::error(codes::FILE, format!("{} cannot be read: {}.", file.display(), io_words(&e))))?;
    locked(root, "state restore", timeout, async |store| Ok(store.import(&mut std::io::BufReader::new(input)).await?)).await?;
    terminal.line(&format!("Restored the state from {}.", file.display()));
    Ok(Exit::Success)
}

/// `output [NAME]`
pub async fn output(root: &Path, name: Option<&str>, raw: bool, terminal: &Terminal) -> Result {
    let (snapshot, _) = read(root).await?;
    let Some(name) = name else {
        if terminal.json {
            terminal.line(&serde_json::to_string_pretty(&super::apply::show_outputs_json(&snapshot.outputs)).unwrap_or_default());
        } else if snapshot.outputs.is_empty() {
            terminal.note("The state holds no outputs: apply writes those of the configuration.");
        } else {
            terminal.print(&super::apply::output_lines(&snapshot.outputs));
        }
        return Ok(Exit::Success);
    };
    let Some(o) = snapshot.outputs.get(name) else {
        let known: Vec<&str> = snapshot.outputs.keys().map(|k| &**k).collect();
        let d = Diagnostic::error(codes::NO_OUTPUT, format!("The state holds no output {name:?}."));
        let hint = match did_you_mean(name, known.iter().copied()) {
            Some(near) => format!("Did you mean {near:?}?"),
            None if known.is_empty() => "No outputs are recorded: they are written by apply.".into(),
            None => format!("The outputs are {}.", known.join(", ")),
        };
        return Err(d.hint(hint).into());
    };
    if !o.value.is_wholly_known() {
        let d =
            Diagnostic::error(codes::NO_OUTPUT, format!("The output {name:?} is sensitive, and the state does not keep sensitive values."));
        return Err(d.hint("streamform console shows what its expression gives: echo 'nonsensitive(…)' | streamform console.").into());
    }
    let text = match (raw, terminal.json) {
        (true, _) => match (o.value.as_str(), o.value.as_bool(), o.value.as_number()) {
            (Some(s), ..) => s.to_string(),
            (_, Some(b), _) => b.to_string(),
            (.., Some(n)) => n.to_string(),
            _ => {
                return Err(Diagnostic::error(codes::NO_OUTPUT, format!("The output {name:?} is no string, number or boolean."))
                    .hint("Use -json.")
                    .into());
            }
        },
        (_, true) => format!("{}\n", view::json::clear_value(&o.value)),
        _ => format!("{}\n", crate::value::print::console(&o.value)),
    };
    terminal.print(&text);
    Ok(Exit::Success)
}

/// `show [PLAN]`
pub async fn show_all(root: &Path, plan: Option<&Path>, terminal: &Terminal) -> Result {
    if let Some(path) = plan {
        super::plan::show(&SavedPlan::read(path)?.plan(path, registry::ALL)?, false, terminal);
        return Ok(Exit::Success);
    }
    let (snapshot, _) = read(root).await?;
    if terminal.json {
        let records: Vec<_> = snapshot
            .records
            .values()
            .map(|r| serde_json::json!({"address": r.addr.to_string(), "values": view::json::object(&r.attributes)}))
            .collect();
        let deposed = |((addr, key), r): (&(InstanceAddr, Arc<str>), &Arc<Record>)| serde_json::json!({"address": addr.to_string(), "deposed": &**key, "values": view::json::object(&r.attributes)});
        let deposed: Vec<_> = snapshot.deposed.iter().map(deposed).collect();
        terminal.line(
            &serde_json::json!({"format_version": "1.0", "lineage": snapshot.lineage, "serial": snapshot.serial, "resources": records, "deposed": deposed,
            "outputs": super::apply::show_outputs_json(&snapshot.outputs)})
            .to_string(),
        );
        return Ok(Exit::Success);
    }
    if snapshot.records.is_empty() && snapshot.deposed.is_empty() {
        terminal.line("The state is empty.");
    }
    for r in snapshot.records.values() {
        terminal.print(&view::plan::object(&r.addr, &r.attributes));
        terminal.line("");
    }
    show_deposed(&snapshot.deposed.iter().collect::<Vec<_>>(), terminal);
    super::apply::print_outputs(&snapshot.outputs, terminal);
    Ok(Exit::Success)
}

/// `import ADDR ID`
pub async fn import(root: &Path, vars: &VarArgs, addr: &str, id: &str, timeout: Duration, terminal: &Terminal) -> Result {
    let ws = Workspace::load(root, &DiskFiles, vars, terminal)?;
    let addr: InstanceAddr = addr.parse().map_err(|e| ws.failure(super::not_an_address(addr, &e)))?;
    let lock = ws.lock("import", timeout, terminal).await?;
    let store = ws.store(Access::Write).await?.fenced(&lock);
    let snapshot = store.snapshot().await.map_err(|d| ws.failure(d))?;
    snapshot.check().map_err(|d| ws.failure(d))?;
    if snapshot.records.contains_key(&addr) {
        let d = Diagnostic::error(codes::IMPORT, format!("The state already holds {addr}."))
            .hint("To import it anew, remove it first: streamform state rm.");
        return Err(ws.failure(d));
    }
    let live = ws.live(Arc::new(crate::apply::Silent));
    if !terminal.json {
        live.show_waits();
    }
    let host = super::live::DiskHost::new(false);
    let options = crate::plan::Options::default();
    let digest = |v: &crate::value::Value| store.digest(v);
    let inputs = ws.inputs(&snapshot, &options, &digest, &host, &live);
    let outcome = crate::plan::walk::walk(&inputs).await;
    let Some(change) = outcome.plan.changes.iter().find(|c| c.addr == addr) else {
        let mut diagnostics = outcome.diagnostics;
        let d = Diagnostic::error(codes::IMPORT, format!("The configuration does not declare {addr}."));
        let known: Vec<String> = outcome.plan.changes.iter().map(|c| c.addr.to_string()).collect();
        diagnostics.push(match did_you_mean(&addr.to_string(), known.iter().map(String::as_str)) {
            Some(near) => d.hint(format!("Did you mean {near}?")),
            None => d.hint(format!("Write the block first: resource {:?} {:?} {{ … }}.", &*addr.resource.type_name, &*addr.resource.name)),
        });
        return Err(ws.failure(diagnostics));
    };
    let Some(resource) = registry::find(addr.resource.mode, &addr.resource.type_name) else {
        return Err(ws.failure(Diagnostic::error(codes::IMPORT, format!("{addr} cannot be imported."))));
    };
    let (value, private) = resource.import(&live.session, id, change.planned.as_ref()).await.map_err(|d| ws.failure(d.on(&addr)))?;
    let hydrated = objects::hydrate(&value, resource, &|a| outcome.world.instance(a));
    // What is on its way to another address is named by where the state has it.
    let mut holders = outcome.holders.clone();
    for h in &mut holders {
        let change = outcome.plan.changes.iter().find(|c| c.addr == h.addr && c.deposed == h.deposed);
        let from = change.and_then(|c| c.reasons.iter().find_map(|r| if let Reason::Moved(from) = r { Some(from) } else { None }));
        if let Some(from) = from {
            h.addr = from.clone();
        }
    }
    let declared = |a: &InstanceAddr| *a != addr && outcome.world.instance(a).is_some();
    let held = held_elsewhere(&addr, id, &resource.holds(&hydrated, &private), &holders, declared);
    if let Some(d) = held {
        return Err(ws.failure(d));
    }
    let record = crate::state::Record {
        addr: addr.clone(),
        provider: String::new(),
        schema_version: resource.schema().version,
        attributes: value,
        private,
        dependencies: change.dependencies.clone(),
        tainted: false,
        protected: change.protected,
        create_before_destroy: change.create_before_destroy,
    };
    store.begin_generation("import").await.map_err(|d| ws.failure(d))?;
    store.finish(&[Outcome { addr: addr.clone(), record: Some(record) }]).await.map_err(|d| ws.failure(d))?;
    store.close().await.map_err(|d| ws.failure(d))?;
    terminal.line(&format!("Imported {addr} from {id:?}. streamform plan shows where the configuration differs."));
    Ok(Exit::Success)
}

/// `lock list`
pub async fn lock_list(root: &Path, terminal: &Terminal) -> Result {
    match backend(&folder(root)?).holder().await? {
        None => terminal.line("The state is not locked."),
        Some((info, true)) => terminal.line(&format!("Locked: {}", info.describe())),
        Some((info, false)) => {
            terminal.line(&format!("Left behind by a dead process: {}. The next command that locks frees it.", info.describe()))
        }
    }
    Ok(Exit::Success)
}

/// `force-unlock ID`
pub async fn force_unlock(root: &Path, id: &str, terminal: &Terminal) -> Result {
    let info = backend(&folder(root)?).break_lock(id).await?;
    terminal.line(&format!("Freed the lock of {}.", info.describe()));
    Ok(Exit::Success)
}
