//! Who holds which real object before and after a plan: decided once, over all blocks and records.
//!
//! A pure function after the walk. It sees every resource, also those that `-target` and `-exclude` leave out, with the keys that it holds now and
//! the keys that it will hold. It finds renames (a create and a record that name one real object), names that are taken, deletes of objects that
//! somebody else holds, and who releases a shared object. What must not be here: the configuration, and how a change is made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::records::Rename;
use crate::addr::InstanceAddr;
use crate::diag::Diagnostic;
use crate::diag::codes::plan as codes;
use crate::resource::{Hold, Key};

/// One resource with what it holds.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Its address of now.
    pub addr: InstanceAddr,
    /// The key of a deposed object.
    pub deposed: Option<Arc<str>>,
    /// Its place among the plan's changes; `None` where nothing of it is planned.
    pub change: Option<usize>,
    /// Which provider configuration it belongs to.
    pub provider: Arc<str>,
    /// What it holds now, by its record or as observed.
    pub now: Vec<Hold>,
    /// What it will hold.
    pub then: Vec<Hold>,
    /// The state has a record or an operation in doubt under this address, whether or not the object still exists.
    pub recorded: bool,
    /// `-target` or `-exclude` leave it out.
    pub left_out: bool,
}

/// What is decided about holders.
#[derive(Debug, Default)]
pub struct Settled {
    /// Records that belong to another address. If there are any, the plan is made again with them.
    pub renames: Vec<Rename>,
    /// Changes whose old object stays, because this address holds it.
    pub stays: Vec<Stay>,
    /// Changes that go on holding a shared key, which another address holds, too: a replacement does not take it away in between.
    pub kept: Vec<(usize, InstanceAddr, Key)>,
    /// What is wrong.
    pub errors: Vec<Diagnostic>,
}

/// An object that a change does not remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stay {
    /// Index into [`crate::plan::Plan::changes`].
    pub change: usize,
    /// The address that has it.
    pub holder: InstanceAddr,
    /// The object.
    pub key: Key,
    /// The holder keeps it. Otherwise the holder lets it go as well, and is the one that removes it.
    pub goes_on: bool,
}

impl Stay {
    fn of(loser: &Holder, holder: &Holder, key: &Key, goes_on: bool) -> Option<Stay> {
        Some(Stay { change: loser.change?, holder: holder.addr.clone(), key: key.clone(), goes_on })
    }
}

/// Who holds one key.
#[derive(Default)]
struct Held {
    now: Vec<usize>,
    then: Vec<usize>,
    exclusive: bool,
}

/// Decides.
pub fn settle(holders: &[Holder]) -> Settled {
    let mut keys: BTreeMap<&Key, Held> = BTreeMap::new();
    for (i, h) in holders.iter().enumerate() {
        for hold in &h.now {
            let held = keys.entry(&hold.key).or_default();
            held.exclusive |= !hold.shared;
            if !held.now.contains(&i) {
                held.now.push(i);
            }
        }
        for hold in &h.then {
            let held = keys.entry(&hold.key).or_default();
            held.exclusive |= !hold.shared;
            if !held.then.contains(&i) {
                held.then.push(i);
            }
        }
    }
    let mut out = Settled::default();
    let mut pairs: Vec<(usize, usize, &Key)> = Vec::new();
    for (key, held) in &keys {
        if held.exclusive {
            exclusive(key, held, holders, &mut pairs, &mut out);
        } else {
            shared(key, held, holders, &mut out);
        }
    }
    pairs.extend(renamed_grants(holders, &pairs));
    out.renames = renames(holders, &pairs);
    out
}

/// A record that nothing declares any more and a create that hold the same shared objects are one, under another name: none of them is given
/// or taken.
fn renamed_grants<'k>(holders: &'k [Holder], pairs: &[(usize, usize, &'k Key)]) -> Vec<(usize, usize, &'k Key)> {
    let shared = |holds: &[Hold]| !holds.is_empty() && holds.iter().all(|h| h.shared);
    let keys = |holds: &'k [Hold]| holds.iter().map(|h| &h.key).collect::<BTreeSet<_>>();
    let is_free = |i: usize| holders[i].change.is_some() && holders[i].deposed.is_none() && !holders[i].left_out;
    let all = || (0..holders.len()).filter(|i| is_free(*i));
    let goes = |i: &usize| holders[*i].recorded && holders[*i].then.is_empty() && shared(&holders[*i].now);
    let comes = |i: &usize| !holders[*i].recorded && holders[*i].now.is_empty() && shared(&holders[*i].then);
    let mut olds: Vec<usize> = all().filter(goes).filter(|i| !pairs.iter().any(|(from, ..)| from == i)).collect();
    let mut out = Vec::new();
    for new in all().filter(comes) {
        let wanted = keys(&holders[new].then);
        let same = |old: &usize| {
            let old = &holders[*old];
            old.addr.resource.type_name == holders[new].addr.resource.type_name
                && old.provider == holders[new].provider
                && keys(&old.now) == wanted
        };
        if let Some(at) = olds.iter().position(same)
            && let Some(key) = wanted.first()
        {
            out.push((olds.remove(at), new, *key));
        }
    }
    out
}

fn shared(key: &Key, held: &Held, holders: &[Holder], out: &mut Settled) {
    let losers: Vec<usize> = held.now.iter().copied().filter(|i| !held.then.contains(i)).collect();
    // Who goes on holding it keeps it; if nobody does, the first of those that let it go removes it.
    let keeper = held.then.first().or(losers.first()).copied();
    // Of those that go on, one may be replaced: what the others hold is not taken away in between.
    for i in held.then.iter().filter(|i| held.now.contains(i)) {
        let other = held.then.iter().find(|other| *other != i);
        out.kept.extend(other.and_then(|other| Some((holders[*i].change?, holders[*other].addr.clone(), key.clone()))));
    }
    let Some(keeper) = keeper else { return };
    // The loser would lose its record of it, and the holders that are left out have none yet.
    let is_to_come = |i: &usize| holders[*i].left_out && !held.now.contains(i);
    if let Some(loser) = losers.iter().find(|i| holders[**i].change.is_some() && !holders[**i].left_out)
        && held.then.contains(&keeper)
        && held.then.iter().all(is_to_come)
    {
        out.errors.push(left_out(key, &holders[*loser], &holders[keeper]));
    }
    let goes_on = held.then.contains(&keeper);
    out.stays.extend(losers.iter().filter(|i| **i != keeper).filter_map(|i| Stay::of(&holders[*i], &holders[keeper], key, goes_on)));
}

fn exclusive<'k>(key: &'k Key, held: &Held, holders: &[Holder], pairs: &mut Vec<(usize, usize, &'k Key)>, out: &mut Settled) {
    let at = |i: &usize| &holders[*i];
    if let [first, second, ..] = held.then[..] {
        out.errors.push(match at(&first).left_out || at(&second).left_out {
            true => left_out(key, at(&first), at(&second)),
            false => same_object(key, at(&first), at(&second)),
        });
        return;
    }
    let losers: Vec<usize> = held.now.iter().copied().filter(|i| !held.then.contains(i)).collect();
    let Some(holder) = held.then.first().copied() else {
        // Several records of one object, all of which go: one deletes it.
        out.stays.extend(losers.iter().skip(1).filter_map(|i| Stay::of(at(i), at(&losers[0]), key, false)));
        return;
    };
    if held.now.contains(&holder) {
        out.stays.extend(losers.iter().filter_map(|i| Stay::of(at(i), at(&holder), key, true)));
        return;
    }
    let (deposed, losers): (Vec<usize>, Vec<usize>) = losers.into_iter().partition(|i| at(i).deposed.is_some());
    if let (Some(old), true) = (deposed.first(), losers.is_empty()) {
        out.errors.push(deposed_holder(key, at(old), at(&holder)));
        return;
    }
    out.stays.extend(deposed.iter().filter_map(|i| Stay::of(at(i), at(&holder), key, true)));
    match losers[..] {
        [] => {}
        [loser] => match refusal(key, at(&loser), at(&holder)) {
            Some(d) => out.errors.push(d),
            None => pairs.push((loser, holder, key)),
        },
        _ => {
            let from: Vec<String> = losers.iter().map(|i| at(i).addr.to_string()).collect();
            out.errors.push(several(key, &from, at(&holder)));
        }
    }
}

/// Why a record cannot simply be taken over by the address that names its object.
fn refusal(key: &Key, from: &Holder, to: &Holder) -> Option<Diagnostic> {
    // A record that is not left out takes its targets along to its new address; the next pass sees whether that is left out.
    if from.left_out {
        return Some(left_out(key, from, to));
    }
    if from.addr.resource.type_name != to.addr.resource.type_name {
        let detail = format!("{} declares the {key}, and the state holds it as {}, which is of another type.", to.addr, from.addr);
        let hint =
            format!("Let streamform forget the old one first: streamform state rm '{}'. Then import the object as {}.", from.addr, to.addr);
        return Some(Diagnostic::error(codes::SAME_OBJECT, detail).on(&to.addr).hint(hint));
    }
    if from.provider != to.provider {
        let detail = format!("{} declares the {key}, and the state holds it as {} by another provider configuration.", to.addr, from.addr);
        let hint = format!(
            "Use the same provider configuration for both, or let streamform forget the old one: streamform state rm '{}'.",
            from.addr
        );
        return Some(Diagnostic::error(codes::SAME_OBJECT, detail).on(&to.addr).hint(hint));
    }
    None
}

/// The moves for pairs of addresses. A record that is in the way and has no new place of its own goes where the chain of moves began: nothing
/// declares it there, so that it is deleted or replaced under a name that nobody else has.
fn renames(holders: &[Holder], pairs: &[(usize, usize, &Key)]) -> Vec<Rename> {
    let mut out: Vec<Rename> = Vec::new();
    let mut from_of: BTreeMap<&InstanceAddr, &InstanceAddr> = BTreeMap::new();
    let mut sources: BTreeSet<&InstanceAddr> = BTreeSet::new();
    for (from, to, key) in pairs {
        let (from, to) = (&holders[*from].addr, &holders[*to].addr);
        if from == to || sources.contains(from) || from_of.contains_key(to) {
            continue;
        }
        sources.insert(from);
        from_of.insert(to, from);
        out.push(Rename { from: from.clone(), to: to.clone(), object: Some(key.to_string().into()) });
    }
    let recorded: BTreeSet<&InstanceAddr> = holders.iter().filter(|h| h.recorded).map(|h| &h.addr).collect();
    let homeless: Vec<&InstanceAddr> = from_of.keys().copied().filter(|to| recorded.contains(*to) && !sources.contains(*to)).collect();
    for addr in homeless {
        let mut at = addr;
        while let Some(from) = from_of.get(at) {
            at = from;
        }
        out.push(Rename { from: addr.clone(), to: at.clone(), object: None });
    }
    out
}

fn same_object(key: &Key, a: &Holder, b: &Holder) -> Diagnostic {
    let (a, b) = if a.addr < b.addr { (a, b) } else { (b, a) };
    Diagnostic::error(codes::SAME_OBJECT, format!("{} and {} both declare the {key}.", a.addr, b.addr))
        .on(&b.addr)
        .hint("One object belongs to one block. Remove one of them, or change its name.")
}

fn left_out(key: &Key, from: &Holder, to: &Holder) -> Diagnostic {
    let out = if from.left_out { from } else { to };
    let other = if from.left_out { to } else { from };
    let detail =
        format!("{} and {} name one object, the {key}, and {} is left out by -target or -exclude.", other.addr, out.addr, out.addr);
    Diagnostic::error(codes::MOVE_LEFT_OUT, detail)
        .on(&other.addr)
        .hint(format!("Plan both: add -target='{}' and -target='{}', or plan without -target and -exclude.", from.addr, to.addr))
}

/// A replacement that did not end left the old object, and its name is wanted again.
fn deposed_holder(key: &Key, old: &Holder, new: &Holder) -> Diagnostic {
    let detail = format!(
        "{} declares the {key}, which is still recorded as the old object of {}: an earlier replacement did not end.",
        new.addr, old.addr
    );
    let hint = format!("Apply without this change first, which deletes the {key}, or use another name.");
    Diagnostic::error(codes::COLLIDES, detail).on(&new.addr).hint(hint)
}

fn several(key: &Key, from: &[String], to: &Holder) -> Diagnostic {
    let detail = format!("{} declares the {key}, which the state holds more than once: as {}.", to.addr, from.join(" and as "));
    Diagnostic::error(codes::SAME_OBJECT, detail).on(&to.addr).hint(format!(
        "Say which record is meant, and let streamform forget the others (streamform state rm):\nmoved {{\n  from = {}\n  to   = {}\n}}",
        from.first().map_or("", String::as_str),
        to.addr
    ))
}

/// The error for an object that is to be imported as `to` and that one of `others` holds already.
pub fn held_elsewhere<'h>(
    to: &InstanceAddr,
    id: &str,
    holds: &[Hold],
    others: impl IntoIterator<Item = &'h Holder>,
    declared: impl Fn(&InstanceAddr) -> bool,
) -> Option<Diagnostic> {
    let held = |h: &Holder| holds.iter().find(|hold| !hold.shared && h.now.contains(hold)).map(|hold| hold.key.clone());
    let (other, key) = others.into_iter().find_map(|h| Some((h, held(h)?)))?;
    let from = &other.addr;
    let forget = format!("streamform state rm '{from}'");
    let hint = match (&other.deposed, declared(from)) {
        (None, false) if from.resource.type_name == to.resource.type_name => {
            format!(
                "If {from} was renamed, say so instead of importing it:\nmoved {{\n  from = {from}\n  to   = {to}\n}}\nOr let streamform forget the other one first: {forget}"
            )
        }
        (None, true) => format!("One object belongs to one block: remove the block of {from}, or do not import {to}."),
        _ => format!("Let streamform forget the other one first: {forget}"),
    };
    let detail = format!("{to} cannot be imported from {id:?}: the state holds the {key} as {from}.");
    Some(Diagnostic::error(codes::BAD_IMPORT, detail).on(to).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Place;

    fn key(name: &str) -> Key {
        Key::new(Place::here(), "thing", name)
    }

    fn holder(i: usize, addr: &str, now: Option<&str>, then: Option<&str>) -> Holder {
        let hold = |n: Option<&str>| n.map(|n| Hold::exclusive(key(n))).into_iter().collect();
        let addr = addr.parse().unwrap();
        let recorded = now.is_some();
        Holder { addr, deposed: None, change: Some(i), provider: "".into(), now: hold(now), then: hold(then), recorded, left_out: false }
    }

    fn holders(all: &[(&str, Option<&str>, Option<&str>)]) -> Vec<Holder> {
        all.iter().enumerate().map(|(i, (a, n, t))| holder(i, a, *n, *t)).collect()
    }

    fn moves(all: &[(&str, Option<&str>, Option<&str>)]) -> Vec<String> {
        let settled = settle(&holders(all));
        assert!(settled.errors.is_empty(), "{:?}", settled.errors);
        settled.renames.iter().map(|r| format!("{} -> {}", r.from, r.to)).collect()
    }

    #[test]
    fn a_renamed_block_is_a_move() {
        assert_eq!(moves(&[("t.a", Some("x"), None), ("t.b", None, Some("x"))]), ["t.a -> t.b"]);
        assert!(moves(&[("t.a", Some("x"), Some("x"))]).is_empty());
        assert!(moves(&[("t.a", Some("x"), None), ("t.b", None, Some("y"))]).is_empty());
    }

    #[test]
    fn a_swap_is_two_moves() {
        assert_eq!(moves(&[("t.a", Some("x"), Some("y")), ("t.b", Some("y"), Some("x"))]), ["t.a -> t.b", "t.b -> t.a"]);
    }

    #[test]
    fn a_shifted_list_moves_and_the_rest_goes_where_nothing_is_declared() {
        let shifted = [("t.a[0]", Some("a"), Some("b")), ("t.a[1]", Some("b"), Some("c")), ("t.a[2]", Some("c"), None)];
        assert_eq!(moves(&shifted), ["t.a[1] -> t.a[0]", "t.a[2] -> t.a[1]", "t.a[0] -> t.a[2]"]);
        let grown = [("t.a[0]", Some("hello"), Some("hello2")), ("t.a[1]", None, Some("hello"))];
        assert_eq!(moves(&grown), ["t.a[0] -> t.a[1]"]);
    }

    #[test]
    fn a_record_whose_object_is_gone_makes_room_too() {
        let mut all = holders(&[("t.a", Some("x"), None), ("t.b", None, Some("x"))]);
        all[1].recorded = true;
        let moves: Vec<_> = settle(&all).renames.iter().map(|r| format!("{} -> {}", r.from, r.to)).collect();
        assert_eq!(moves, ["t.a -> t.b", "t.b -> t.a"]);
    }

    #[test]
    fn an_object_that_another_address_keeps_stays() {
        let settled = settle(&holders(&[("t.a", Some("x"), Some("x")), ("t.b", Some("x"), None)]));
        assert!(settled.renames.is_empty() && settled.errors.is_empty());
        let stay = |goes_on| Stay { change: 1, holder: "t.a".parse().unwrap(), key: key("x"), goes_on };
        assert_eq!(settled.stays, [stay(true)]);
        let settled = settle(&holders(&[("t.a", Some("x"), None), ("t.b", Some("x"), None)]));
        assert_eq!(settled.stays, [stay(false)]);
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        let code = |all: &[Holder]| settle(all).errors.iter().map(|d| d.code).collect::<Vec<_>>();
        let two = [("t.a", Some("x"), None), ("t.b", Some("x"), None), ("t.c", None, Some("x"))];
        assert_eq!(code(&holders(&two)), [codes::SAME_OBJECT]);
        assert_eq!(code(&holders(&[("t.a", None, Some("x")), ("t.b", None, Some("x"))])), [codes::SAME_OBJECT]);
        assert_eq!(code(&holders(&[("t.a", Some("x"), None), ("u.b", None, Some("x"))])), [codes::SAME_OBJECT]);
        let mut targeted = holders(&[("t.a", Some("x"), None), ("t.b", None, Some("x"))]);
        targeted[0].left_out = true;
        assert_eq!(code(&targeted), [codes::MOVE_LEFT_OUT]);
    }

    #[test]
    fn a_block_of_the_same_shared_objects_is_a_rename_of_one_that_goes() {
        let held = |i, addr: &str, now: &[&str], then: &[&str]| {
            let holds = |keys: &[&str]| keys.iter().map(|k| Hold::shared(key(k))).collect::<Vec<_>>();
            Holder { now: holds(now), then: holds(then), recorded: !now.is_empty(), ..holder(i, addr, None, None) }
        };
        let moves = |all: &[Holder]| settle(all).renames.iter().map(|r| format!("{} -> {}", r.from, r.to)).collect::<Vec<_>>();
        assert_eq!(moves(&[held(0, "t.a", &["x", "y"], &[]), held(1, "t.b", &[], &["x", "y"])]), ["t.a -> t.b"]);
        // One record goes to one place.
        assert_eq!(moves(&[held(0, "t.a", &["x"], &[]), held(1, "t.b", &[], &["x"]), held(2, "t.c", &[], &["x"])]), ["t.a -> t.b"]);
        for other in [
            [held(0, "t.a", &["x", "y"], &[]), held(1, "t.b", &[], &["x"])],
            [held(0, "t.a", &["x"], &["x"]), held(1, "t.b", &[], &["x"])],
            [held(0, "t.a", &["x"], &[]), held(1, "u.b", &[], &["x"])],
            [held(0, "t.a", &["x"], &[]), Holder { left_out: true, ..held(1, "t.b", &[], &["x"]) }],
        ] {
            assert!(moves(&other).is_empty(), "{other:?}");
        }
    }

    #[test]
    fn the_last_holder_releases_a_shared_object() {
        let shared = |i, addr: &str, now: bool, then: bool| {
            let hold = |on: bool| on.then(|| Hold::shared(key("x"))).into_iter().collect::<Vec<_>>();
            Holder { now: hold(now), then: hold(then), ..holder(i, addr, None, None) }
        };
        let stays = |all: &[Holder]| settle(all).stays.into_iter().map(|s| s.change).collect::<Vec<_>>();
        assert_eq!(stays(&[shared(0, "t.a", true, true), shared(1, "t.b", true, false)]), [1]);
        assert_eq!(stays(&[shared(0, "t.a", true, false), shared(1, "t.b", true, false)]), [1]);
        assert!(stays(&[shared(0, "t.a", true, false)]).is_empty());
        assert_eq!(stays(&[shared(0, "t.a", true, false), shared(1, "t.b", false, true)]), [0]);
    }
}
