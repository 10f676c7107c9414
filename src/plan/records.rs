//! The recorded objects at the start of a walk: `moved` blocks applied, operations in doubt taken in.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::objects::with_origin;
use super::walk::statements::modules;
use crate::addr::{InstanceAddr, InstanceKey, ModulePath, ResourceAddr, Target};
use crate::lang::config::{Config, Module, Moved, Repetition};
use crate::state::{InDoubt, Record, Snapshot};
use crate::value::Value;

/// A recorded object as the walk sees it.
#[derive(Clone, Debug)]
pub struct Known {
    /// The record, under its address of now.
    pub record: Arc<Record>,
    /// Where it was recorded, if that is another address.
    pub moved_from: Option<InstanceAddr>,
    /// No `moved` block moved it: both addresses name this real object.
    pub same_object: Option<Arc<str>>,
    /// Its create was begun and never ended: only a read tells whether it exists.
    pub in_doubt: bool,
    /// The operation of an earlier run that was begun and never ended, whatever its verb.
    pub doubt: Option<Arc<InDoubt>>,
}

/// A move that no `moved` block asks for: two addresses name one real object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// Where the object is recorded (after `moved` blocks and earlier renames).
    pub from: InstanceAddr,
    /// Where the configuration declares it.
    pub to: InstanceAddr,
    /// The real object, for people; `None` for an object that only makes room.
    pub object: Option<Arc<str>>,
}

/// All recorded objects by their address of now. `renames` are applied after the `moved` blocks, one set after the other, each as if at one time.
pub fn gather(config: &Config, snapshot: &Snapshot, renames: &[Vec<Rename>]) -> BTreeMap<InstanceAddr, Known> {
    let mut moves = Vec::new();
    collect_moves(&config.root, ModulePath::root(), &mut moves);
    let mut out = BTreeMap::new();
    // An operation in doubt may be all that is known of an object.
    let begun: BTreeMap<&InstanceAddr, &InDoubt> = snapshot.in_doubt.iter().map(|d| (&d.addr, d)).collect();
    let held = |a: &InstanceAddr| snapshot.records.contains_key(a) || begun.contains_key(a);
    let free = |to: &InstanceAddr| !held(to);
    let blocks: HashMap<ModulePath, &Module> = modules(&config.root).into_iter().collect();
    let renames: Vec<HashMap<&InstanceAddr, &Rename>> = renames.iter().map(|set| set.iter().map(|r| (&r.from, r)).collect()).collect();
    let addrs: BTreeSet<&InstanceAddr> = snapshot.records.keys().chain(begun.keys().copied()).collect();
    // What a `moved` block says comes before what goes without saying, and no two objects go to one place.
    let (mut at, mut taken): (BTreeMap<&InstanceAddr, InstanceAddr>, BTreeSet<InstanceAddr>) = Default::default();
    for said in [true, false] {
        for a in addrs.iter().filter(|a| moved(a, &moves).is_some() == said) {
            let named = moved(a, &moves);
            let silent = implied(named.as_ref().unwrap_or(a), &blocks);
            let mut open = [silent, named].into_iter().flatten().filter(|to| free(to) && !taken.contains(to));
            if let Some(to) = open.next() {
                taken.insert(to.clone());
                at.insert(a, to);
            }
        }
    }
    let place = |a: &InstanceAddr| {
        let at = at.get(a);
        renamed_to(at.unwrap_or(a), &renames).or_else(|| at.map(|at| (at.clone(), None)))
    };
    let named: BTreeMap<&InstanceAddr, (InstanceAddr, Option<Arc<str>>)> =
        addrs.into_iter().filter_map(|a| Some((a, place(a)?))).filter(|(a, (to, _))| *a != to).collect();
    let names: BTreeMap<&InstanceAddr, InstanceAddr> = named.iter().map(|(a, (to, _))| (*a, to.clone())).collect();
    let new_blocks: HashMap<&ResourceAddr, &ResourceAddr> = names.iter().map(|(from, to)| (&from.resource, &to.resource)).collect();
    let now = |record: &Arc<Record>| if names.is_empty() { Arc::clone(record) } else { Arc::new(renamed(record, &names, &new_blocks)) };
    let doubt = |d: &InDoubt| {
        let intent = now(&Arc::new(d.intent.clone()));
        Arc::new(InDoubt { addr: intent.addr.clone(), intent: (*intent).clone(), ..d.clone() })
    };
    let known = |addr: &InstanceAddr, record: Arc<Record>, in_doubt| Known {
        record,
        moved_from: names.contains_key(addr).then(|| addr.clone()),
        same_object: named.get(addr).and_then(|(_, object)| object.clone()),
        in_doubt,
        doubt: begun.get(addr).map(|d| doubt(d)),
    };
    for (addr, record) in &snapshot.records {
        let record = now(record);
        out.insert(record.addr.clone(), known(addr, record, false));
    }
    // An update or delete without a record has nothing to be compared with: what it meant is looked for as what a create may have left.
    for d in snapshot.in_doubt.iter().filter(|d| !snapshot.records.contains_key(&d.addr)) {
        let intent = now(&Arc::new(d.intent.clone()));
        out.entry(intent.addr.clone()).or_insert_with(|| known(&d.addr, intent, true));
    }
    out
}

/// Where renames take an address, and what object is the reason.
fn renamed_to(addr: &InstanceAddr, renames: &[HashMap<&InstanceAddr, &Rename>]) -> Option<(InstanceAddr, Option<Arc<str>>)> {
    let mut found: Option<(InstanceAddr, Option<Arc<str>>)> = None;
    for set in renames {
        let at = found.as_ref().map_or(addr, |(at, _)| at);
        if let Some(r) = set.get(at) {
            found = Some((r.to.clone(), r.object.clone()));
        }
    }
    found
}

/// Where an object goes without a `moved` block: one that gets a `count` is the first, and the first is the one that is left without.
fn implied(addr: &InstanceAddr, blocks: &HashMap<ModulePath, &Module>) -> Option<InstanceAddr> {
    let r = &addr.resource;
    if addr.key.is_some() && addr.key != Some(InstanceKey::Int(0)) {
        return None;
    }
    let block = blocks.get(&r.module.without_keys())?.resources.get(&(r.mode, r.type_name.clone(), r.name.clone()))?;
    match (&addr.key, &block.repetition) {
        (None, Repetition::Count(_)) => Some(r.instance(Some(InstanceKey::Int(0)))),
        (Some(_), Repetition::One) => Some(r.instance(None)),
        _ => None,
    }
}

/// A record after moves: its own address, what it refers to, and what it depends on.
fn renamed(record: &Record, names: &BTreeMap<&InstanceAddr, InstanceAddr>, blocks: &HashMap<&ResourceAddr, &ResourceAddr>) -> Record {
    let new = |a: &InstanceAddr| names.get(a).cloned();
    Record {
        addr: new(&record.addr).unwrap_or_else(|| record.addr.clone()),
        attributes: follow(&record.attributes, &new),
        dependencies: record.dependencies.iter().map(|b| blocks.get(b).map_or_else(|| b.clone(), |to| (*to).clone())).collect(),
        ..record.clone()
    }
}

/// A value in which references to what was moved point to where it is now.
fn follow(value: &Value, new: &dyn Fn(&InstanceAddr) -> Option<InstanceAddr>) -> Value {
    let value = value.map_parts(|_, v| follow(v, new));
    match value.origin().and_then(|a| new(a)) {
        Some(to) => with_origin(&value, &to),
        None => value,
    }
}

/// The objects that a `moved` block would have moved, if there were none at the new address; with that address.
pub fn blocked_moves(config: &Config, plan: &super::Plan) -> Vec<(InstanceAddr, InstanceAddr)> {
    let mut moves = vec![];
    collect_moves(&config.root, ModulePath::root(), &mut moves);
    let gone = plan.changes.iter().filter(|c| c.action == super::Action::Delete);
    gone.filter_map(|c| moved(&c.addr, &moves).map(|to| (c.addr.clone(), to))).collect()
}

fn collect_moves<'c>(module: &'c Module, path: ModulePath, out: &mut Vec<(ModulePath, &'c Moved)>) {
    out.extend(module.moved.iter().map(|m| (path.clone(), m)));
    for (name, call) in &module.calls {
        collect_moves(&call.module, path.child(name, None), out);
    }
}

/// Follows `moved` blocks from an address; a chain of moves is followed to its end.
fn moved(addr: &InstanceAddr, moves: &[(ModulePath, &Moved)]) -> Option<InstanceAddr> {
    let mut at = addr.clone();
    // Each move is taken at most once, so a circle of moves ends.
    for _ in 0..moves.len() {
        match moves.iter().find_map(|(within, m)| one_move(&at, within, m)) {
            Some(next) if next != at => at = next,
            _ => break,
        }
    }
    (at != *addr).then_some(at)
}

fn one_move(addr: &InstanceAddr, within: &ModulePath, m: &Moved) -> Option<InstanceAddr> {
    if !addr.resource.module.is_within(within) {
        return None;
    }
    let depth = within.0.len();
    let (outer, inner) = addr.resource.module.0.split_at(depth);
    let relative = InstanceAddr { resource: addr.resource.in_module(ModulePath(inner.to_vec().into())), key: addr.key.clone() };
    let to = relocate(&relative, &m.from, &m.to)?;
    let module: Vec<_> = outer.iter().chain(to.resource.module.0.iter()).cloned().collect();
    Some(InstanceAddr { resource: to.resource.in_module(ModulePath(module.into())), key: to.key })
}

fn relocate(addr: &InstanceAddr, from: &Target, to: &Target) -> Option<InstanceAddr> {
    match (from, to) {
        (Target::Module(f), Target::Module(t)) => {
            let path = &addr.resource.module;
            if path.0.len() < f.0.len() || !ModulePath(path.0[..f.0.len()].to_vec().into()).eq(f) {
                // `module.a` stands for `module.a[…]` as well: the keys come along.
                let keyed = path.is_within(f) && f.0.last().is_some_and(|s| s.key.is_none()) && t.0.last().is_some_and(|s| s.key.is_none());
                if !keyed {
                    return None;
                }
            }
            let mut steps = t.0.to_vec();
            if let (Some(last), Some(was)) = (steps.last_mut(), path.0.get(f.0.len() - 1)) {
                last.key = last.key.clone().or_else(|| f.0.last().and_then(|s| s.key.is_none().then(|| was.key.clone()).flatten()));
            }
            steps.extend(path.0[f.0.len()..].iter().cloned());
            let resource = addr.resource.in_module(ModulePath(steps.into()));
            Some(InstanceAddr { resource, key: addr.key.clone() })
        }
        (Target::Resource(f), _) if *f == addr.resource => match to {
            Target::Resource(t) => Some(t.instance(addr.key.clone())),
            Target::Instance(t) if addr.key.is_none() => Some(t.clone()),
            _ => None,
        },
        (Target::Instance(f), Target::Instance(t)) if f == addr => Some(t.clone()),
        (Target::Instance(f), Target::Resource(t)) if f == addr => Some(t.instance(None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{SourceId, Span};

    fn go(addr: &str, from: &str, to: &str) -> Option<String> {
        let span = Span { source: SourceId(0), start: 0, end: 0 };
        let m = Moved { from: from.parse().unwrap(), to: to.parse().unwrap(), span };
        moved(&addr.parse().unwrap(), &[(ModulePath::root(), &m)]).map(|a| a.to_string())
    }

    #[test]
    fn references_follow_what_was_moved() {
        let at = |a: &str| -> InstanceAddr { a.parse().unwrap() };
        let cluster = Value::object_of(crate::value::Fields::new(), Some(Arc::new(at("kafka_cluster.a"))));
        let record = Record {
            addr: at("kafka_topic.t"),
            provider: String::new(),
            schema_version: 0,
            attributes: Value::object_from([("cluster", cluster)]),
            private: serde_json::Value::Null,
            dependencies: vec![at("kafka_cluster.a").resource],
            tainted: false,
            protected: false,
            create_before_destroy: false,
        };
        let from = at("kafka_cluster.a");
        let to = at("kafka_cluster.b");
        let now = renamed(&record, &BTreeMap::from([(&from, to.clone())]), &HashMap::from([(&from.resource, &to.resource)]));
        assert_eq!(now.attributes.get("cluster").unwrap().origin().unwrap().to_string(), "kafka_cluster.b");
        assert_eq!(now.dependencies, [at("kafka_cluster.b").resource]);
        assert_eq!(now.addr, record.addr);
    }

    #[test]
    fn moves_blocks_instances_and_modules() {
        assert_eq!(go("t.a", "t.a", "t.b").as_deref(), Some("t.b"));
        assert_eq!(go("t.a[1]", "t.a", "t.b").as_deref(), Some("t.b[1]"));
        assert_eq!(go("t.a", "t.a", "t.a[0]").as_deref(), Some("t.a[0]"));
        assert_eq!(go("t.a[\"x\"]", "t.a[\"x\"]", "t.x").as_deref(), Some("t.x"));
        assert_eq!(go("module.m.t.a", "module.m", "module.n").as_deref(), Some("module.n.t.a"));
        assert_eq!(go("module.m.t.a", "module.m", "module.n[0]").as_deref(), Some("module.n[0].t.a"));
        assert_eq!(go("t.c", "t.a", "t.b"), None);
    }
}
