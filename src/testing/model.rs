//! Random configurations as data: what they are as text, and what the real system should hold after they were applied.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::reality::{HERE, Objects, RealKey};
use super::rights::LEVELS;
use crate::lang::config::MemoryFiles;

/// A value in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Val {
    Text(String),
    /// The id of an instance of another block: known only after apply.
    IdOf(u32, usize),
    List(Vec<Val>),
}

/// How often a block is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rep {
    One,
    Count,
    Each,
    /// `for_each` over the instances of another block, which has `for_each` itself.
    Over(u32),
}

/// One instance: its key with `for_each`, and its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Item {
    pub key: String,
    pub fields: BTreeMap<&'static str, Val>,
}

/// A resource block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which one it is through all configurations of a scenario, whatever it is called.
    pub id: u32,
    pub type_name: &'static str,
    pub label: String,
    /// In a module.
    pub module: Option<String>,
    /// Which instance of which block of places it is in.
    pub place: Option<(u32, usize)>,
    pub rep: Rep,
    pub items: Vec<Item>,
    pub create_first: bool,
}

/// A configuration.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Model {
    pub blocks: Vec<Block>,
    pub moved: Vec<(String, String)>,
}

/// The types that live in a place.
pub fn placed(type_name: &str) -> bool {
    matches!(type_name, "thing" | "twin" | "grant" | "bundle" | "asker")
}

/// The kind of the one object that an instance of this type holds.
pub fn kind_of(type_name: &str) -> Option<&'static str> {
    Some(match type_name {
        "place" => "place",
        "thing" | "twin" => "thing",
        "vault" => "vault",
        "slow" => "slow",
        "asker" => "asker",
        _ => return None,
    })
}

/// The arguments of each type beside `place`; the first one names it.
pub fn fields_of(type_name: &str) -> &'static [&'static str] {
    match type_name {
        "place" => &["name", "size"],
        "thing" | "twin" => &["name", "size", "shape", "label"],
        "vault" => &["name", "secret", "hint"],
        "slow" => &["name", "a", "b", "c"],
        "asker" => &["name", "value"],
        "grant" => &["principal", "rights"],
        "bundle" => &["principal", "level"],
        _ => &[],
    }
}

impl Block {
    /// The address of the block.
    pub fn addr(&self) -> String {
        match &self.module {
            Some(m) => format!("module.{m}.{}.{}", self.type_name, self.label),
            None => format!("{}.{}", self.type_name, self.label),
        }
    }

    fn item_addr(&self, key: usize, item: &Item) -> String {
        match self.rep {
            Rep::One => self.addr(),
            Rep::Count => format!("{}[{key}]", self.addr()),
            Rep::Each | Rep::Over(_) => format!("{}[{:?}]", self.addr(), item.key),
        }
    }
}

impl Model {
    pub fn block(&self, id: u32) -> Option<&Block> {
        self.blocks.iter().find(|b| b.id == id)
    }

    /// The instances of a block, also of one that is repeated over another.
    pub fn items(&self, b: &Block) -> Vec<Item> {
        let Rep::Over(other) = b.rep else { return b.items.clone() };
        let Some(o) = self.block(other) else { return vec![] };
        let prefix = b.items.first().and_then(|i| i.fields.get("name")).map(|v| text(v).to_string()).unwrap_or_default();
        let item = |(i, of): (usize, &Item)| {
            let fields = [("name", Val::Text(format!("{prefix}-{}", of.key))), ("label", Val::IdOf(other, i))];
            Item { key: of.key.clone(), fields: fields.into() }
        };
        o.items.iter().enumerate().map(item).collect()
    }

    /// Every instance: address, block, arguments.
    pub fn instances(&self) -> Vec<(String, &Block, Item)> {
        let of = |b| self.items(b).into_iter().enumerate().map(move |(i, item): (usize, Item)| (Block::item_addr(b, i, &item), b, item));
        self.blocks.iter().flat_map(of).collect()
    }

    /// The address of one instance.
    pub fn addr_of(&self, id: u32, item: usize) -> Option<String> {
        let b = self.block(id)?;
        Some(b.item_addr(item, self.items(b).get(item)?))
    }

    /// The name of the place of a block.
    pub fn place_of(&self, b: &Block) -> Option<String> {
        let Some((id, item)) = b.place else { return Some(HERE.to_string()) };
        let place = self.block(id)?;
        Some(text(place.items.get(item)?.fields.get("name")?).to_string())
    }

    /// What an instance holds in the real system: its object, or its rights. Rights whose names are known only after apply are as of now.
    pub fn keys(&self, b: &Block, item: &Item, now: &Objects) -> Vec<RealKey> {
        let Some(place) = self.place_of(b) else { return vec![] };
        let get = |name: &str| item.fields.get(name).map(|v| self.value(v, now).unwrap_or_default());
        if let Some(kind) = kind_of(b.type_name) {
            return vec![RealKey::new(&place, kind, &get("name").unwrap_or_default())];
        }
        let who = get("principal").unwrap_or_default();
        let rights: Vec<String> = match item.fields.get("rights") {
            Some(Val::List(all)) => all.iter().filter_map(|v| self.value(v, now)).collect(),
            _ => {
                let upto = LEVELS.iter().position(|l| Some(*l) == get("level").as_deref()).unwrap_or_default();
                LEVELS[..=upto].iter().map(ToString::to_string).collect()
            }
        };
        rights.iter().map(|r| RealKey::new(&place, "right", &format!("{who}:{r}"))).collect()
    }

    /// A value as text; ids are those of the real objects. `None` where there is no such object.
    fn value(&self, v: &Val, now: &Objects) -> Option<String> {
        match v {
            Val::Text(t) => Some(t.clone()),
            Val::IdOf(id, item) => {
                let b = self.block(*id)?;
                let key = self.keys(b, self.items(b).get(*item)?, now).into_iter().next()?;
                now.get(&key).map(|r| r.id.clone())
            }
            Val::List(_) => None,
        }
    }

    /// What the real system should hold: objects with their parts, rights without.
    pub fn expected(&self, now: &Objects) -> BTreeMap<RealKey, BTreeMap<String, String>> {
        let mut out = BTreeMap::new();
        for (_, b, item) in self.instances() {
            let solid = kind_of(b.type_name).is_some();
            let parts = item.fields.iter().filter(|(n, _)| solid && **n != "name");
            let parts: BTreeMap<String, String> = parts.filter_map(|(n, v)| Some((n.to_string(), self.value(v, now)?))).collect();
            out.extend(self.keys(b, &item, now).into_iter().map(|k| (k, parts.clone())));
        }
        out
    }

    /// The keys that the configuration declares, with the addresses of who declares each.
    pub fn declared(&self, now: &Objects) -> BTreeMap<RealKey, BTreeSet<String>> {
        let mut out: BTreeMap<RealKey, BTreeSet<String>> = BTreeMap::new();
        for (addr, b, item) in self.instances() {
            for key in self.keys(b, &item, now) {
                out.entry(key).or_default().insert(addr.clone());
            }
        }
        out
    }

    /// The files of the configuration.
    pub fn files(&self) -> MemoryFiles {
        let mut files = MemoryFiles::default();
        for (name, text) in self.texts() {
            files.insert(name, text);
        }
        files
    }

    /// The files' names and texts.
    pub fn texts(&self) -> Vec<(String, String)> {
        let mut root = String::new();
        let mut modules: BTreeMap<&str, String> = BTreeMap::new();
        for b in &self.blocks {
            match &b.module {
                Some(m) => modules.entry(m).or_default().push_str(&self.block_text(b)),
                None => root.push_str(&self.block_text(b)),
            }
        }
        for name in modules.keys() {
            writeln!(root, "module {name:?} {{\n  source = \"./{name}\"\n}}").unwrap();
        }
        // An output that is known only after apply, of whatever can be referred to.
        let first = self.blocks.iter().find(|b| b.module.is_none() && kind_of(b.type_name).is_some());
        if let Some(addr) = first.and_then(|b| self.addr_of(b.id, 0)) {
            writeln!(root, "output \"first\" {{\n  value = {addr}.id\n}}").unwrap();
        }
        for (from, to) in &self.moved {
            writeln!(root, "moved {{\n  from = {from}\n  to   = {to}\n}}").unwrap();
        }
        let mut out = vec![("main.hcl".to_string(), root)];
        out.extend(modules.into_iter().map(|(name, text)| (format!("{name}/main.hcl"), text)));
        out
    }

    fn val_text(&self, v: &Val) -> String {
        match v {
            Val::Text(t) => format!("{t:?}"),
            Val::IdOf(id, item) => self.addr_of(*id, *item).map_or_else(|| "null".into(), |a| format!("{a}.id")),
            Val::List(all) => format!("[{}]", all.iter().map(|v| self.val_text(v)).collect::<Vec<_>>().join(", ")),
        }
    }

    fn block_text(&self, b: &Block) -> String {
        let mut out = format!("resource {:?} {:?} {{\n", b.type_name, b.label);
        let used = |f: &&&str| b.items.iter().any(|i| i.fields.contains_key(**f));
        let fields: Vec<&str> = fields_of(b.type_name).iter().filter(used).copied().collect();
        let val = |i: &Item, f: &str| i.fields.get(f).map_or_else(|| "null".to_string(), |v| self.val_text(v));
        match b.rep {
            Rep::One => {}
            Rep::Count => writeln!(out, "  count = {}", b.items.len()).unwrap(),
            Rep::Each => {
                let one = |i: &Item| {
                    let all: Vec<String> = fields.iter().map(|f| format!("{f} = {}", val(i, f))).collect();
                    format!("    {:?} = {{ {} }}\n", i.key, all.join(", "))
                };
                writeln!(out, "  for_each = {{\n{}  }}", b.items.iter().map(one).collect::<String>()).unwrap();
            }
            Rep::Over(other) => {
                writeln!(out, "  for_each = {}", self.block(other).map(Block::addr).unwrap_or_default()).unwrap();
            }
        }
        if let Some(place) = b.place.and_then(|(id, item)| self.addr_of(id, item)) {
            writeln!(out, "  place = {place}").unwrap();
        }
        match (b.rep, b.items.first()) {
            (Rep::Over(_), Some(first)) => {
                let prefix = first.fields.get("name").map(text).unwrap_or_default();
                writeln!(out, "  name = \"{prefix}-${{each.key}}\"\n  label = each.value.id").unwrap();
            }
            (Rep::One, Some(first)) => fields.iter().for_each(|f| writeln!(out, "  {f} = {}", val(first, f)).unwrap()),
            (Rep::Count, Some(_)) => fields.iter().for_each(|f| {
                let all: Vec<String> = b.items.iter().map(|i| val(i, f)).collect();
                writeln!(out, "  {f} = [{}][count.index]", all.join(", ")).unwrap();
            }),
            (Rep::Count, None) => fields_of(b.type_name).iter().take(1).for_each(|f| writeln!(out, "  {f} = \"none\"").unwrap()),
            (Rep::Each, _) => fields.iter().for_each(|f| writeln!(out, "  {f} = each.value.{f}").unwrap()),
            _ => {}
        }
        if b.create_first {
            out.push_str("  lifecycle {\n    create_before_destroy = true\n  }\n");
        }
        out.push_str("}\n");
        out
    }

    /// Makes it a configuration without errors, whatever was done to it.
    pub fn repair(&mut self) {
        self.blocks.retain(|b| !b.items.is_empty());
        // References of blocks that are gone.
        loop {
            let place = |m: &Model, at: Option<(u32, usize)>| at.is_none_or(|(id, i)| m.block(id).is_some_and(|p| i < p.items.len()));
            let over = |m: &Model, b: &Block| !matches!(b.rep, Rep::Over(o) if !m.block(o).is_some_and(|o| o.rep == Rep::Each && o.type_name == "vault" && o.module.is_none()));
            let bad: BTreeSet<u32> = self.blocks.iter().filter(|b| !place(self, b.place) || !over(self, b)).map(|b| b.id).collect();
            if bad.is_empty() {
                break;
            }
            let spare = self.blocks.iter().find(|b| b.type_name == "place").map(|b| (b.id, 0));
            let good = |m: &Model, b: &Block| place(m, b.place);
            let still: Vec<bool> = self.blocks.iter().map(|b| good(self, b)).collect();
            for (b, still) in self.blocks.iter_mut().zip(still) {
                if !still {
                    b.place = spare;
                    if spare.is_none() {
                        b.items.clear();
                    }
                }
                if bad.contains(&b.id) && matches!(b.rep, Rep::Over(_)) {
                    b.rep = Rep::One;
                }
            }
            self.blocks.retain(|b| !b.items.is_empty());
        }
        let known: BTreeMap<u32, usize> = self.blocks.iter().map(|b| (b.id, self.items(b).len())).collect();
        let modules: BTreeMap<u32, bool> = self.blocks.iter().map(|b| (b.id, b.module.is_some())).collect();
        for b in &mut self.blocks {
            let id = b.id;
            let inside = b.module.is_some();
            let there =
                |of: &u32, item: &usize| !inside && *of < id && modules.get(of) == Some(&false) && known.get(of).is_some_and(|n| item < n);
            for item in &mut b.items {
                for v in item.fields.values_mut() {
                    mend(v, &there);
                }
            }
            if b.rep == Rep::One {
                b.items.truncate(1);
            }
        }
        self.distinct();
        self.valid_moves();
    }

    /// One object belongs to one instance, one address to one block.
    fn distinct(&mut self) {
        let mut labels = BTreeSet::new();
        for b in &mut self.blocks {
            while !labels.insert(b.addr()) {
                b.label.push('x');
            }
            let mut keys = BTreeSet::new();
            for i in &mut b.items {
                while b.rep == Rep::Each && !keys.insert(i.key.clone()) {
                    i.key.push('x');
                }
            }
        }
        let mut seen: BTreeSet<RealKey> = BTreeSet::new();
        let mut prefixes: BTreeSet<String> = BTreeSet::new();
        for at in 0..self.blocks.len() {
            for i in 0..self.blocks[at].items.len() {
                let b = &self.blocks[at];
                let Some(kind) = kind_of(b.type_name) else { continue };
                let Some(place) = self.place_of(b) else { continue };
                let mut name = b.items[i].fields.get("name").map(text).unwrap_or_default().to_string();
                let taken = |name: &str| match b.rep {
                    // Its instances are called after this.
                    Rep::Over(_) => prefixes.contains(&format!("{place}/{name}")),
                    _ => seen.contains(&RealKey::new(&place, kind, name)),
                };
                while taken(&name) {
                    name.push('x');
                }
                match b.rep {
                    Rep::Over(_) => drop(prefixes.insert(format!("{place}/{name}"))),
                    _ => drop(seen.insert(RealKey::new(&place, kind, &name))),
                }
                self.blocks[at].items[i].fields.insert("name", Val::Text(name));
            }
        }
    }

    fn valid_moves(&mut self) {
        let addrs: BTreeSet<String> = self.instances().into_iter().map(|(a, ..)| a).chain(self.blocks.iter().map(Block::addr)).collect();
        let (mut froms, mut tos) = (BTreeSet::new(), BTreeSet::new());
        let moved = std::mem::take(&mut self.moved);
        let valid = |(from, to): &(String, String)| from != to && !addrs.contains(from) && addrs.contains(to);
        self.moved = moved.into_iter().rev().filter(valid).filter(|(f, t)| froms.insert(f.clone()) && tos.insert(t.clone())).collect();
    }
}

/// The text of a value that is one.
pub fn text(v: &Val) -> &str {
    match v {
        Val::Text(t) => t,
        _ => "",
    }
}

fn mend(v: &mut Val, there: &dyn Fn(&u32, &usize) -> bool) {
    match v {
        Val::Text(_) => {}
        Val::IdOf(id, item) if there(id, item) => {}
        Val::IdOf(..) => *v = Val::Text("lost".into()),
        Val::List(all) => {
            all.iter_mut().for_each(|v| mend(v, there));
            if all.is_empty() {
                all.push(Val::Text("read".into()));
            }
        }
    }
}
