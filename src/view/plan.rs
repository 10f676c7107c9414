//! The plan as text: what a person reads before saying yes.
//!
//! It reads like Terraform's, and adds for each change what will be done on the real system. By default unchanged attributes are
//! left out; `verbose` shows them. Sensitive values are masked by [`Value`]'s own `Display`.

use std::collections::BTreeSet;

use super::paint::Paint;
use crate::plan::diff::same;
use crate::plan::{Action, Change, Counts, Drift, OutputChange, Plan, Reason, RunMode};
use crate::resource::{Hold, Op, OpAction, registry};
use crate::schema::{Body, NestedBlock, Nesting};
use crate::value::print::padded;
use crate::value::{Fields, Repr, Value};
use crate::words::counted;

/// How to show.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanStyle {
    /// Colour.
    pub paint: Paint,
    /// Show unchanged attributes and skipped instances.
    pub verbose: bool,
}

/// The whole plan.
pub fn render(plan: &Plan, style: PlanStyle) -> String {
    let mut out = String::new();
    let changes: Vec<&Change> = plan.changes.iter().filter(|c| shown(c)).collect();
    if plan.mode == RunMode::RefreshOnly || style.verbose {
        for d in &plan.drift {
            out.push_str(&drift(d, style));
        }
    }
    if plan.mode == RunMode::RefreshOnly {
        let n = plan.drift.len();
        out.push_str(&match n {
            0 => format!("{}\n", style.paint.bold("No changes. The state matches the real systems.")),
            n => format!("\n{}\n", style.paint.bold(&format!("Plan: {n} to refresh in the state. Nothing on a real system is touched."))),
        });
        return out;
    }
    if !plan.has_changes() {
        let text = match (plan.mode, plan.skipped.is_empty()) {
            (RunMode::Destroy, _) => "No changes. Nothing is to be destroyed.",
            (_, true) => "No changes. The real systems match the configuration.",
            (_, false) => "No changes in what is selected.",
        };
        out.push_str(&format!("{}\n", style.paint.bold(text)));
        skipped(&mut out, plan, style);
        return out;
    }
    if !changes.is_empty() {
        out.push_str("streamform will do the following:\n");
    }
    for c in changes {
        out.push('\n');
        change(&mut out, c, style);
    }
    let losses: Vec<String> =
        plan.changes.iter().flat_map(|c| c.losses().map(move |l| format!("  {} {}: {l}\n", style.paint.red("!"), c.label()))).collect();
    if !losses.is_empty() {
        out.push_str(&format!("\n{}\n{}", style.paint.red("Data will be lost:"), losses.concat()));
    }
    out.push_str(&format!("\n{}\n", style.paint.bold(&summary(&plan.counts()))));
    outputs(&mut out, plan, style);
    skipped(&mut out, plan, style);
    out
}

/// `Plan: 1 to add, 0 to change, 0 to destroy.`
pub fn summary(c: &Counts) -> String {
    let mut parts = Vec::new();
    if c.import > 0 {
        parts.push(format!("{} to import", c.import));
    }
    parts.push(format!("{} to add, {} to change, {} to destroy", c.add, c.change, c.destroy));
    if c.forget > 0 {
        parts.push(format!("{} to forget", c.forget));
    }
    format!("Plan: {}.", parts.join(", "))
}

fn shown(c: &Change) -> bool {
    c.action != Action::NoOp || c.record_changes
}

fn skipped(out: &mut String, plan: &Plan, style: PlanStyle) {
    if plan.skipped.is_empty() {
        return;
    }
    out.push_str(&format!("\n{} left out by -target or -exclude", plan.skipped.len()));
    if style.verbose || plan.skipped.len() <= 10 {
        out.push_str(&format!(": {}", plan.skipped.join(", ")));
    }
    out.push_str(".\n");
}

pub(super) fn drift(d: &Drift, style: PlanStyle) -> String {
    let what = if d.found.is_some() { "was changed outside streamform" } else { "is gone" };
    let mut out = format!("\n  {}\n", style.paint.bold(&format!("# {} {what}", d.addr)));
    if let Some(found) = &d.found {
        attributes(&mut out, body_of(&d.addr), Some(&d.recorded), Some(found), style, 6);
    }
    out
}

fn headline(c: &Change) -> String {
    let moved = c.reasons.iter().find_map(|r| if let Reason::Moved(from) = r { Some(from) } else { None });
    let is = |reason: &Reason| c.reasons.contains(reason);
    let what = match c.action {
        Action::NoOp if c.reasons.iter().any(|r| matches!(r, Reason::Imported(_))) => "will be imported",
        Action::NoOp => match moved {
            Some(from) => return format!("# {from} has moved to {}", c.addr),
            None => "will only change in the state",
        },
        Action::Read => "will be read during apply",
        Action::Create => "will be created",
        Action::Update => "will be updated in place",
        Action::Replace => "must be replaced",
        Action::ReplaceCreateFirst => "must be replaced (new one first)",
        Action::Delete => "will be destroyed",
        Action::Forget if is(&Reason::Missing) => "is gone already; its record will be removed",
        Action::Forget => "will be forgotten; the object itself stays as it is",
    };
    format!("# {} {what}", c.label())
}

fn reason(r: &Reason) -> String {
    match r {
        Reason::CannotUpdate(names) => names.iter().map(|(n, why)| format!("{n} changes, and {why}")).collect::<Vec<_>>().join("; "),
        Reason::Tainted => "its creation did not end well".into(),
        Reason::Requested => "-replace asks for it".into(),
        Reason::Triggered => "something in replace_triggered_by changes".into(),
        Reason::NotInConfiguration => "its block is not in the configuration".into(),
        Reason::NoLongerRepeated => "its key is not in count or for_each".into(),
        Reason::Destroying => "destroy".into(),
        Reason::Missing => "it was not found on the real system".into(),
        Reason::Deposed => "a new one took its place, and the apply that made it ended before this one was destroyed".into(),
        Reason::SameAsNow(holder, object) => format!("{holder} holds the {object}, which stays"),
        Reason::Imported(id) => format!("imported from {id:?}"),
        Reason::Moved(from) => format!("moved from {from}"),
        Reason::SameObject(object) => format!("both addresses name the {object}, so this is a rename; a moved block says the same"),
        Reason::GoesWith(place) => format!("it goes with {place}, of which nothing runs"),
        Reason::NowSensitive => "a value is sensitive from now on, and the state will no longer show it".into(),
    }
}

pub(super) fn change(out: &mut String, c: &Change, style: PlanStyle) {
    let p = style.paint;
    out.push_str(&format!("  {}\n", p.bold(&headline(c))));
    let said = |r: &Reason| match r {
        Reason::Destroying => true,
        Reason::Moved(_) if c.action == Action::NoOp => !c.reasons.iter().any(|r| matches!(r, Reason::Imported(_))),
        Reason::Missing => c.action == Action::Forget,
        // It has the address that it had.
        _ if c.recorded_at().is_some() => matches!(r, Reason::Moved(_) | Reason::SameObject(_)),
        _ => false,
    };
    for r in c.reasons.iter().filter(|r| !said(r)) {
        out.push_str(&format!("  {}\n", p.dim(&format!("# ({})", reason(r)))));
    }
    let sign = c.action.symbol();
    let word = if c.addr.resource.mode == crate::addr::Mode::Data { "data" } else { "resource" };
    let named = &c.recorded_at().unwrap_or(&c.addr).resource;
    let head = format!("{word} {:?} {:?}", &*named.type_name, &*named.name);
    let pad = 3usize.saturating_sub(sign.len());
    out.push_str(&format!("{}{} {head} {{\n", " ".repeat(pad), p.sign(sign)));
    let deleted = matches!(c.action, Action::Delete | Action::Forget);
    let planned = if deleted { None } else { c.planned.as_ref() };
    let prior = if c.action == Action::Create { None } else { c.prior.as_ref() };
    if deleted && !style.verbose {
        identity(out, c);
    } else {
        // What is taken over is shown whole: nobody has seen it yet.
        let imported = c.reasons.iter().any(|r| matches!(r, Reason::Imported(_)));
        attributes(out, body_of(&c.addr), prior, planned, PlanStyle { verbose: style.verbose || imported, ..style }, 6);
    }
    out.push_str("    }\n");
    for hold in kept(c) {
        out.push_str(&format!("      {}\n", Op::new(OpAction::Keep, hold.key)));
    }
    let lines: Vec<String> = c.all_ops().flat_map(|o| o.to_string().lines().map(str::to_string).collect::<Vec<_>>()).collect();
    if !lines.is_empty() {
        out.push_str(&format!("    {}\n", p.dim("will do:")));
        for line in lines {
            out.push_str(&format!("      {line}\n"));
        }
    }
}

/// The shared objects that a record takes along to another address, where no block says so: nobody is to think that they go.
fn kept(c: &Change) -> Vec<Hold> {
    let renamed = c.action == Action::NoOp && c.reasons.iter().any(|r| matches!(r, Reason::SameObject(_)));
    let resource = registry::find(c.addr.resource.mode, &c.addr.resource.type_name).filter(|_| renamed);
    let holds = resource.zip(c.prior.as_ref()).map(|(r, object)| r.holds(object, &c.private)).unwrap_or_default();
    holds.into_iter().filter(|h| h.shared).collect()
}

fn identity(out: &mut String, c: &Change) {
    for name in ["name", "id", "principal"] {
        if let Some(v) = c.prior.as_ref().and_then(|p| p.as_map()).and_then(|m| m.get(name)).filter(|v| !v.is_null()) {
            out.push_str(&format!("      - {name} = {v}\n"));
        }
    }
}

/// What may stand in a block of this type: it tells attributes from nested blocks.
fn body_of(addr: &crate::addr::InstanceAddr) -> Option<&'static Body> {
    registry::schema(&addr.resource).map(|s| &s.body)
}

/// The attributes of an object, old against new, aligned, then its nested blocks; unchanged ones are counted.
fn attributes(out: &mut String, body: Option<&Body>, prior: Option<&Value>, planned: Option<&Value>, style: PlanStyle, indent: usize) {
    let empty = Fields::new();
    let old = prior.and_then(Value::as_map).unwrap_or(&empty);
    let new = planned.and_then(Value::as_map).unwrap_or(&empty);
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).map(|k| &**k).collect();
    let mut hidden = 0;
    let mut rows = Vec::new();
    let mut nested = Vec::new();
    for name in names {
        let block = body.and_then(|b| b.blocks.iter().find(|b| b.name == name));
        let (o, n) = (present(old.get(name)), present(new.get(name)));
        match (o, n) {
            (None, None) => {}
            (Some(a), None) | (None, Some(a)) if block.is_some() && is_empty(a) => {}
            (Some(a), Some(b)) if same(a, b) && !style.verbose => hidden += 1,
            pair => match block.and_then(|b| paired(b, pair.0, pair.1)) {
                Some(pairs) => nested.extend(block.map(|b| (b, pairs))),
                None => rows.push((name, pair.0, pair.1)),
            },
        }
    }
    let rows: Vec<_> = rows.into_iter().map(|(name, o, n)| (key_text(name), o, n)).collect();
    let width = rows.iter().map(|(n, ..)| n.chars().count()).max().unwrap_or(0);
    for (name, o, n) in rows {
        row(out, &padded(&name, width), " = ", o, n, style, indent);
    }
    if hidden > 0 {
        let text = format!("# ({} hidden)", counted(hidden, "unchanged attribute"));
        out.push_str(&format!("{}{}\n", " ".repeat(indent + 2), style.paint.dim(&text)));
    }
    for (block, pairs) in nested {
        blocks(out, block, pairs, style, indent);
    }
}

/// A nested block before and after, with its label.
struct Pair<'v> {
    label: Option<String>,
    old: Option<&'v Value>,
    new: Option<&'v Value>,
}

/// Pairs the nested blocks of one type: by label, the others in their order. `None` when they are no blocks (unknown, sensitive).
fn paired<'v>(block: &NestedBlock, old: Option<&'v Value>, new: Option<&'v Value>) -> Option<Vec<Pair<'v>>> {
    let (old, new) = (listed(block, old)?, listed(block, new)?);
    let mut left: Vec<_> = old.iter().filter(|(l, o)| !new.iter().any(|(m, n)| l == m && same(o, n))).collect();
    let mut pairs: Vec<Pair<'v>> = Vec::new();
    for (label, n) in &new {
        let equal = old.iter().find(|(l, o)| l == label && same(o, n)).map(|(_, o)| *o);
        let other = || left.iter().position(|(l, _)| l == label).map(|i| left.remove(i).1);
        pairs.push(Pair { label: label.clone(), old: equal.or_else(other), new: Some(n) });
    }
    pairs.extend(left.into_iter().map(|(l, o)| Pair { label: l.clone(), old: Some(o), new: None }));
    Some(pairs)
}

fn listed<'v>(block: &NestedBlock, value: Option<&'v Value>) -> Option<Vec<(Option<String>, &'v Value)>> {
    let Some(value) = value else { return Some(vec![]) };
    if value.marks().is_sensitive() || !value.is_known() {
        return None;
    }
    let all: Vec<(Option<String>, &Value)> = match block.nesting {
        Nesting::Single => vec![(None, value)],
        Nesting::Map => value.as_map()?.iter().map(|(k, v)| (Some(k.to_string()), v)).collect(),
        Nesting::List { label } => {
            let name = |v: &Value| label.and_then(|l| v.get(l)?.as_str().map(str::to_string));
            value.as_slice()?.iter().map(|v| (name(v), v)).collect()
        }
    };
    all.iter().all(|(_, v)| v.as_map().is_some() && !v.marks().is_sensitive()).then_some(all)
}

fn blocks(out: &mut String, block: &NestedBlock, pairs: Vec<Pair<'_>>, style: PlanStyle, indent: usize) {
    // The label stands in the head.
    let without_label = |v: &Value| match (block.nesting, v.as_map()) {
        (Nesting::List { label: Some(label) }, Some(map)) => {
            Value::object(map.iter().filter(|(k, _)| &***k != label).map(|(k, v)| (k.clone(), v.clone())).collect())
        }
        _ => v.clone(),
    };
    let mut hidden = 0;
    for pair in pairs {
        let sign = sign_of(pair.old, pair.new);
        if sign == " " && !style.verbose {
            hidden += 1;
            continue;
        }
        let label = pair.label.as_deref().map(|l| format!(" {}", crate::addr::quote(l))).unwrap_or_default();
        out.push_str(&format!("\n{}{} {}{label} {{\n", " ".repeat(indent), style.paint.sign(sign), block.name));
        let (old, new) = (pair.old.map(without_label), pair.new.map(without_label));
        attributes(out, Some(&block.body), old.as_ref(), new.as_ref(), style, indent + 4);
        out.push_str(&format!("{}}}\n", " ".repeat(indent + 2)));
    }
    if hidden > 0 {
        let text = format!("# ({} hidden)", counted(hidden, &format!("unchanged {} block", block.name)));
        out.push_str(&format!("\n{}{}\n", " ".repeat(indent + 2), style.paint.dim(&text)));
    }
}

fn present(v: Option<&Value>) -> Option<&Value> {
    v.filter(|v| !v.is_null())
}

fn is_empty(v: &Value) -> bool {
    v.as_slice().is_some_and(<[Value]>::is_empty) || v.as_map().is_some_and(Fields::is_empty)
}

fn sign_of(old: Option<&Value>, new: Option<&Value>) -> &'static str {
    match (old, new) {
        (None, _) => "+",
        (_, None) => "-",
        (Some(a), Some(b)) if same(a, b) => " ",
        _ => "~",
    }
}

fn row(out: &mut String, name: &str, eq: &str, old: Option<&Value>, new: Option<&Value>, style: PlanStyle, indent: usize) {
    let sign = sign_of(old, new);
    // Elements of lists have neither name nor equals sign.
    let comma = if eq.is_empty() { "," } else { "" };
    let lead = format!("{}{} ", " ".repeat(indent), style.paint.sign(sign));
    let nested = |v: Option<&Value>| v.is_none_or(is_nested);
    if nested(old) && nested(new) && (old.is_some() || new.is_some()) && (sign != " " || style.verbose) {
        let list = [old, new].into_iter().flatten().any(|v| v.as_slice().is_some());
        let (open, close) = if list { ("[", "]") } else { ("{", "}") };
        out.push_str(&format!("{lead}{name}{eq}{open}\n"));
        if list {
            elements(out, old, new, style, indent + 4)
        } else {
            entries(out, old, new, style, indent + 4)
        }
        out.push_str(&format!("{}{close}{comma}\n", " ".repeat(indent + 2)));
        return;
    }
    let text = match (old, new) {
        (Some(a), Some(b)) if sign == "~" => format!("{} -> {}", brief(a, style), brief(b, style)),
        (_, Some(b)) => b.to_string(),
        (Some(a), None) => a.to_string(),
        (None, None) => String::new(),
    };
    out.push_str(&format!("{lead}{name}{eq}{text}{comma}\n"));
}

/// A value on one line; a collection that is too long for it is counted.
fn brief(v: &Value, style: PlanStyle) -> String {
    const LONGEST: usize = 60;
    let text = v.to_string();
    if style.verbose || !is_nested(v) || text.chars().count() <= LONGEST {
        return text;
    }
    match (v.as_map(), v.as_slice()) {
        (Some(map), _) => format!("{{ {} }}", counted(map.len(), "key")),
        (None, items) => format!("[ {} ]", counted(items.map_or(0, <[Value]>::len), "element")),
    }
}

/// A key of an object as it is written in HCL: in quotes where it is no name.
fn key_text(key: &str) -> std::borrow::Cow<'_, str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(is_name) { key.into() } else { crate::addr::quote(key).into() }
}

fn is_nested(v: &Value) -> bool {
    if v.marks().is_sensitive() || v.origin().is_some() {
        return false;
    }
    match v.repr() {
        Repr::Map(m) => !m.items.is_empty(),
        Repr::Object(o) => !o.attrs.is_empty(),
        Repr::List(l) | Repr::Set(l) => !l.items.is_empty(),
        Repr::Tuple(t) => !t.items.is_empty(),
        _ => false,
    }
}

fn entries(out: &mut String, old: Option<&Value>, new: Option<&Value>, style: PlanStyle, indent: usize) {
    let quoted = [old, new].into_iter().flatten().any(|v| matches!(v.repr(), Repr::Map(_)));
    if !quoted {
        return attributes(out, None, old, new, style, indent);
    }
    let empty = Fields::new();
    let o = old.and_then(Value::as_map).unwrap_or(&empty);
    let n = new.and_then(Value::as_map).unwrap_or(&empty);
    let names: BTreeSet<&str> = o.keys().chain(n.keys()).map(|k| &**k).collect();
    let width = names.iter().map(|k| crate::addr::quote(k).chars().count()).max().unwrap_or(0);
    let mut hidden = 0;
    for name in names {
        let (a, b) = (o.get(name), n.get(name));
        if !style.verbose && a.zip(b).is_some_and(|(a, b)| same(a, b)) {
            hidden += 1;
            continue;
        }
        row(out, &padded(&crate::addr::quote(name), width), " = ", a, b, style, indent);
    }
    if hidden > 0 {
        out.push_str(&format!("{}{}\n", " ".repeat(indent + 2), style.paint.dim(&format!("# ({hidden} unchanged hidden)"))));
    }
}

fn elements(out: &mut String, old: Option<&Value>, new: Option<&Value>, style: PlanStyle, indent: usize) {
    let o = old.and_then(Value::as_slice).unwrap_or_default();
    let n = new.and_then(Value::as_slice).unwrap_or_default();
    let gone = o.iter().filter(|a| !n.iter().any(|b| same(a, b)));
    for a in gone {
        row(out, "", "", Some(a), None, style, indent);
    }
    for b in n {
        let kept = o.iter().find(|a| same(a, b));
        if kept.is_none() || style.verbose {
            row(out, "", "", kept, Some(b), style, indent);
        }
    }
}

fn outputs(out: &mut String, plan: &Plan, style: PlanStyle) {
    let changed: Vec<(&std::sync::Arc<str>, &OutputChange)> = plan.outputs.iter().filter(|(_, o)| o.changes()).collect();
    if changed.is_empty() {
        return;
    }
    out.push_str("\nChanges to outputs:\n");
    let width = changed.iter().map(|(n, _)| n.chars().count()).max().unwrap_or(0);
    for (name, o) in changed {
        let masked = Value::null_dynamic().sensitive();
        let hide = |v: &Option<Value>| v.as_ref().map(|v| if o.sensitive { masked.clone() } else { v.clone() });
        let (a, b) = (hide(&o.prior), hide(&o.planned));
        let stays = o.prior.as_ref().zip(o.planned.as_ref()).is_some_and(|(a, b)| same(a, b));
        let sign = if stays { "~" } else { sign_of(o.prior.as_ref(), o.planned.as_ref()) };
        let shown =
            if o.sensitive { "(sensitive value)".to_string() } else { o.planned.as_ref().map(ToString::to_string).unwrap_or_default() };
        if stays {
            let why = if o.sensitive { "sensitive from now on" } else { "no longer sensitive" };
            let why = style.paint.dim(&format!("# {why}"));
            out.push_str(&format!("  {} {} = {shown} {why}\n", style.paint.sign(sign), padded(name, width)));
        } else if o.sensitive {
            out.push_str(&format!("  {} {} = {shown}\n", style.paint.sign(sign), padded(name, width)));
        } else {
            row(out, &padded(name, width), " = ", a.as_ref(), b.as_ref(), style, 2);
        }
    }
}

/// One state record or data object, for `state show` and `show`.
pub fn object(addr: &crate::addr::InstanceAddr, value: &Value) -> String {
    let word = if addr.resource.mode == crate::addr::Mode::Data { "data" } else { "resource" };
    let mut out = format!("# {addr}:\n{word} {:?} {:?} {{\n", &*addr.resource.type_name, &*addr.resource.name);
    let masked = mask_schema(addr, value);
    let mut body = String::new();
    let style = PlanStyle { paint: Paint(false), verbose: true };
    attributes(&mut body, body_of(addr), Some(&masked), Some(&masked), style, 4);
    for line in body.lines() {
        out.push_str(line.strip_prefix("  ").unwrap_or(line));
        out.push('\n');
    }
    out.push_str("}\n");
    out
}

fn mask_schema(addr: &crate::addr::InstanceAddr, value: &Value) -> Value {
    let (Some(schema), Some(map)) = (registry::schema(&addr.resource), value.as_map()) else { return value.clone() };
    let attrs = map.iter().map(|(k, v)| {
        let sensitive = schema.body.attribute(k).is_some_and(|a| a.sensitive);
        (k.clone(), if sensitive { v.clone().sensitive() } else { v.clone() })
    });
    Value::object(attrs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::InstanceAddr;
    use crate::value::Type;

    fn acl(group: &str, topics: &[&str]) -> Value {
        let text = |s: &str| Value::string(s);
        let role = |name: &str, topic: &str, group: Option<&str>| {
            let group = group.map_or(Value::null_dynamic(), text);
            Value::object([("name", text(name)), ("topic", text(topic)), ("group", group)].map(|(k, v)| (k.into(), v)).into())
        };
        let mut roles = vec![role("consumer", "orders", Some(group))];
        roles.extend(topics.iter().map(|t| role("producer", t, None)));
        Value::object([("principal".into(), text("User:a")), ("role".into(), Value::tuple(roles))].into())
    }

    fn shown(old: Option<&Value>, new: Option<&Value>) -> String {
        let addr: InstanceAddr = "kafka_acl.a".parse().unwrap();
        let mut out = String::new();
        attributes(&mut out, body_of(&addr), old, new, PlanStyle::default(), 6);
        out
    }

    #[test]
    fn nested_blocks_stand_as_they_are_written() {
        insta::assert_snapshot!(shown(None, Some(&acl("g", &["a", "b"]))));
    }

    #[test]
    fn changed_blocks_are_paired_by_label_and_equal_ones_counted() {
        insta::assert_snapshot!(shown(Some(&acl("g", &["a", "b", "c"])), Some(&acl("h", &["b", "d"]))));
    }

    /// H15: a map of which only the new value is unknown takes one line, and not four hundred columns.
    #[test]
    fn a_long_collection_beside_an_unknown_one_is_counted() {
        let long = |n: usize| Value::map(Type::String, (0..n).map(|i| (format!("key-{i}").into(), Value::from("x".repeat(20)))).collect());
        let object = |v: Value| Value::object([("certificates".into(), v)].into());
        let unknown = object(Value::unknown(Type::map(Type::String)));
        let of = |n| shown(Some(&object(long(n))), Some(&unknown));
        assert_eq!(of(9), "      ~ certificates = { 9 keys } -> (known after apply)\n");
        assert_eq!(of(1), "      ~ certificates = { \"key-0\" = \"xxxxxxxxxxxxxxxxxxxx\" } -> (known after apply)\n");
    }
}
