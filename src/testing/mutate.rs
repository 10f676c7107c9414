//! Random configurations and what becomes of them from one run to the next.

use super::model::{Block, Item, Model, Rep, Val, fields_of, placed};
use super::rights::LEVELS;

/// A small generator of random numbers: the same seed gives the same numbers.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        // Seeds that follow each other must not give sequences that do.
        Rng(seed.wrapping_mul(0xd6e8_feb8_6659_fd93) ^ 0x1234_5678_9abc_def1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).unwrap()
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, n: usize) -> bool {
        self.below(100) < n
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

const LABELS: [&str; 5] = ["a", "b", "c", "d", "e"];
const NAMES: [&str; 6] = ["x", "y", "z", "u", "v", "w"];
/// Two types share the names of their objects; what changes its type is refused, so their names differ.
const TWINS: [&str; 3] = ["tx", "ty", "tz"];
const KEYS: [&str; 4] = ["k", "l", "m", "n"];
const WHO: [&str; 2] = ["ann", "bob"];
const TYPES: [&str; 12] = ["thing", "thing", "thing", "twin", "grant", "grant", "bundle", "vault", "vault", "slow", "asker", "place"];
const MODULES: [&str; 2] = ["m", "n"];

fn names_of(type_name: &str) -> &'static [&'static str] {
    if type_name == "twin" { &TWINS } else { &NAMES }
}

fn text(rng: &mut Rng, pool: &[&str]) -> Val {
    Val::Text((*rng.pick(pool)).to_string())
}

/// A value for an argument; one that is known only after apply where there is such an instance.
fn value(rng: &mut Rng, model: &Model, block: &Block, field: &str) -> Option<Val> {
    let id_of = |rng: &mut Rng| {
        let ids: Vec<u32> =
            model.blocks.iter().filter(|b| b.id < block.id && matches!(b.type_name, "thing" | "vault" | "place")).map(|b| b.id).collect();
        (!ids.is_empty()).then(|| Val::IdOf(*rng.pick(&ids), rng.below(2)))
    };
    Some(match field {
        "name" => text(rng, names_of(block.type_name)),
        "principal" => text(rng, &WHO),
        "level" => text(rng, &LEVELS),
        "rights" => {
            let mut all: Vec<Val> = LEVELS.iter().filter(|_| rng.percent(50)).map(|l| Val::Text((*l).to_string())).collect();
            if rng.percent(15) {
                all.extend(id_of(rng));
            }
            Val::List(all)
        }
        "label" | "value" | "hint" if rng.percent(40) => id_of(rng)?,
        "secret" => text(rng, &["s1", "s2", "s3"]),
        _ if rng.percent(35) => return None,
        _ => text(rng, &["1", "2", "3"]),
    })
}

fn item(rng: &mut Rng, model: &Model, block: &Block) -> Item {
    let mut item = Item { key: (*rng.pick(&KEYS)).to_string(), ..Item::default() };
    for f in fields_of(block.type_name) {
        if let Some(v) = value(rng, model, block, f) {
            item.fields.insert(f, v);
        }
    }
    item
}

/// Makes configurations, each from the one before.
pub struct Maker {
    next: u32,
}

impl Maker {
    pub fn new() -> Maker {
        Maker { next: 1 }
    }

    /// The first configuration.
    pub fn start(&mut self, rng: &mut Rng) -> Model {
        let mut model = Model::default();
        self.add(rng, &mut model, "place");
        for _ in 0..2 + rng.below(4) {
            let t = rng.pick(&TYPES);
            self.add(rng, &mut model, t);
        }
        model.repair();
        model
    }

    fn add(&mut self, rng: &mut Rng, model: &mut Model, type_name: &'static str) {
        let places: Vec<u32> = model.blocks.iter().filter(|b| b.type_name == "place").map(|b| b.id).collect();
        let place = (placed(type_name) && !places.is_empty()).then(|| (*rng.pick(&places), 0));
        let module = (matches!(type_name, "vault" | "slow") && rng.percent(25)).then(|| (*rng.pick(&MODULES)).to_string());
        let mut block = Block {
            id: self.next,
            type_name,
            label: (*rng.pick(&LABELS)).to_string(),
            module,
            place,
            rep: Rep::One,
            items: vec![],
            create_first: matches!(type_name, "thing" | "grant") && rng.percent(15),
        };
        self.next += 1;
        let vaults: Vec<u32> =
            model.blocks.iter().filter(|b| b.type_name == "vault" && b.rep == Rep::Each && b.module.is_none()).map(|b| b.id).collect();
        block.rep = match rng.below(10) {
            0..=4 => Rep::One,
            5 | 6 => Rep::Count,
            7 if type_name == "thing" && !vaults.is_empty() => Rep::Over(*rng.pick(&vaults)),
            _ => Rep::Each,
        };
        let n = if block.rep == Rep::One || type_name == "place" { 1 } else { 1 + rng.below(3) };
        block.items = (0..n).map(|_| item(rng, model, &block)).collect();
        model.blocks.push(block);
    }

    /// Changes something.
    pub fn change(&mut self, rng: &mut Rng, before: &Model) -> Model {
        let mut model = before.clone();
        for _ in 0..1 + rng.below(3) {
            self.one(rng, &mut model);
            model.repair();
        }
        if model.blocks.is_empty() {
            return self.start(rng);
        }
        model
    }

    fn one(&mut self, rng: &mut Rng, model: &mut Model) {
        if model.blocks.is_empty() || rng.percent(10) {
            let t = if model.blocks.iter().any(|b| b.type_name == "place") { *rng.pick(&TYPES) } else { "place" };
            return self.add(rng, model, t);
        }
        let at = rng.below(model.blocks.len());
        let before = model.clone();
        let said = rng.percent(40);
        match rng.below(14) {
            0 => drop(model.blocks.remove(at)),
            1 | 2 => model.blocks[at].label = (*rng.pick(&LABELS)).to_string(),
            3 => swap_labels(rng, model, at),
            4 | 5 => field(rng, model, at),
            6 => rename_object(rng, model, at),
            7 => swap_names(rng, model, at),
            8 => repeat(rng, &mut model.blocks[at]),
            9 | 10 => resize(rng, model, at),
            11 => {
                let b = &mut model.blocks[at];
                let i = rng.below(b.items.len());
                b.items[i].key = (*rng.pick(&KEYS)).to_string();
            }
            12 => {
                let b = &mut model.blocks[at];
                if matches!(b.type_name, "vault" | "slow") {
                    b.module = if b.module.is_some() { None } else { Some((*rng.pick(&MODULES)).to_string()) };
                }
            }
            _ => {
                let places: Vec<(u32, usize)> = model.blocks.iter().filter(|b| b.type_name == "place").map(|b| (b.id, 0)).collect();
                let b = &mut model.blocks[at];
                if b.place.is_some() && !places.is_empty() {
                    b.place = Some(*rng.pick(&places));
                } else if b.type_name == "thing" {
                    b.create_first = !b.create_first;
                }
            }
        }
        // Old statements about what is here again do not stay.
        model.repair();
        if said {
            say_moves(&before, model);
        }
    }
}

/// Writes `moved` blocks for instances and blocks that have another address now.
fn say_moves(before: &Model, model: &mut Model) {
    let mut moves = Vec::new();
    for b in &before.blocks {
        let Some(now) = model.block(b.id) else { continue };
        if b.rep == now.rep && b.addr() != now.addr() {
            moves.push((b.addr(), now.addr()));
            continue;
        }
        for i in 0..b.items.len().min(now.items.len()) {
            if let (Some(from), Some(to)) = (before.addr_of(b.id, i), model.addr_of(b.id, i))
                && from != to
            {
                moves.push((from, to));
            }
        }
    }
    model.moved.extend(moves);
}

fn swap_labels(rng: &mut Rng, model: &mut Model, at: usize) {
    let same: Vec<usize> =
        (0..model.blocks.len()).filter(|i| *i != at && model.blocks[*i].type_name == model.blocks[at].type_name).collect();
    if same.is_empty() {
        return;
    }
    let other = *rng.pick(&same);
    let label = model.blocks[at].label.clone();
    model.blocks[at].label = std::mem::replace(&mut model.blocks[other].label, label);
}

fn field(rng: &mut Rng, model: &mut Model, at: usize) {
    let block = model.blocks[at].clone();
    let (i, f) = (rng.below(block.items.len()), *rng.pick(fields_of(block.type_name)));
    if f == "name" {
        return;
    }
    let now = value(rng, model, &block, f);
    // A new object beside the old one needs another name.
    let rename = block.create_first && f == "shape";
    let fields = &mut model.blocks[at].items[i].fields;
    match now {
        Some(v) => fields.insert(f, v),
        None => fields.remove(f),
    };
    if rename && let Some(Val::Text(name)) = fields.get_mut("name") {
        name.push('x');
    }
}

fn rename_object(rng: &mut Rng, model: &mut Model, at: usize) {
    let b = &mut model.blocks[at];
    if b.type_name == "place" {
        return;
    }
    let i = rng.below(b.items.len());
    let first = fields_of(b.type_name)[0];
    let pool = if first == "name" { names_of(b.type_name) } else { &WHO[..] };
    b.items[i].fields.insert(first, text(rng, pool));
}

fn swap_names(rng: &mut Rng, model: &mut Model, at: usize) {
    let first = fields_of(model.blocks[at].type_name)[0];
    if first != "name" || model.blocks[at].type_name == "place" {
        return;
    }
    let same: Vec<usize> = (0..model.blocks.len())
        .filter(|i| model.blocks[*i].type_name == model.blocks[at].type_name && model.blocks[*i].place == model.blocks[at].place)
        .collect();
    let other = *rng.pick(&same);
    let (i, j) = (rng.below(model.blocks[at].items.len()), rng.below(model.blocks[other].items.len()));
    let (a, b) = (model.blocks[at].items[i].fields.get(first).cloned(), model.blocks[other].items[j].fields.get(first).cloned());
    if let (Some(a), Some(b)) = (a, b) {
        model.blocks[at].items[i].fields.insert(first, b);
        model.blocks[other].items[j].fields.insert(first, a);
    }
}

fn repeat(rng: &mut Rng, b: &mut Block) {
    if matches!(b.rep, Rep::Over(_)) {
        return;
    }
    b.rep = *rng.pick(&[Rep::One, Rep::Count, Rep::Each]);
}

fn resize(rng: &mut Rng, model: &mut Model, at: usize) {
    let block = model.blocks[at].clone();
    if matches!(block.rep, Rep::One | Rep::Over(_)) || block.type_name == "place" {
        return;
    }
    let i = rng.below(block.items.len() + 1);
    if rng.percent(50) && block.items.len() < 4 {
        let new = item(rng, model, &block);
        model.blocks[at].items.insert(i, new);
    } else if block.items.len() > 1 {
        model.blocks[at].items.remove(i.min(block.items.len() - 1));
    }
}
