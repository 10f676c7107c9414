//! Named values in the order of their names: the attributes of an object, or the entries of a map.
//!
//! Names and values are two slices, each shared by all clones. Objects of one resource type have the same names, so these are one list in memory
//! however many objects there are, and an object costs no more than its values.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Index;
use std::sync::Arc;

use super::Value;

type Names = Arc<[Arc<str>]>;

/// Values by name. A clone is cheap: it shares names and values, and both are copied by the first change.
#[derive(Clone, Default)]
pub struct Fields {
    names: Names,
    values: Arc<[Value]>,
}

impl Fields {
    /// No values.
    pub fn new() -> Fields {
        Fields::default()
    }

    /// Values by names, of which nothing is copied where other objects have the same. Of two values of one name, the later one stays.
    pub fn named<K: Borrow<str> + Into<Arc<str>>>(pairs: impl IntoIterator<Item = (K, Value)>) -> Fields {
        let mut pairs: Vec<(K, Value)> = pairs.into_iter().collect();
        if !pairs.is_sorted_by(|a, b| a.0.borrow() < b.0.borrow()) {
            // The sort is stable, so of two equal names in the reversed list the later one comes first, and stays.
            pairs.reverse();
            pairs.sort_by(|a, b| a.0.borrow().cmp(b.0.borrow()));
            pairs.dedup_by(|b, a| a.0.borrow() == b.0.borrow());
        }
        let (names, values): (Vec<K>, Vec<Value>) = pairs.into_iter().unzip();
        Fields { names: shared(names), values: values.into() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value of this name.
    pub fn get<Q: ?Sized + AsRef<str>>(&self, name: &Q) -> Option<&Value> {
        self.place(name.as_ref()).ok().map(|i| &self.values[i])
    }

    /// The value of this name, to be changed in place.
    pub fn get_mut<Q: ?Sized + AsRef<str>>(&mut self, name: &Q) -> Option<&mut Value> {
        let i = self.place(name.as_ref()).ok()?;
        Arc::make_mut(&mut self.values).get_mut(i)
    }

    /// Whether there is a value of this name.
    pub fn contains_key<Q: ?Sized + AsRef<str>>(&self, name: &Q) -> bool {
        self.place(name.as_ref()).is_ok()
    }

    /// Sets a value, and returns the one that was there.
    pub fn insert(&mut self, name: Arc<str>, value: Value) -> Option<Value> {
        match self.place(&name) {
            Ok(i) => Some(std::mem::replace(&mut Arc::make_mut(&mut self.values)[i], value)),
            Err(_) => {
                let others = self.iter().map(|(k, v)| (k.clone(), v.clone()));
                *self = others.chain([(name, value)]).collect();
                None
            }
        }
    }

    /// Takes a value out.
    pub fn remove<Q: ?Sized + AsRef<str>>(&mut self, name: &Q) -> Option<Value> {
        let value = self.get(name)?.clone();
        *self = self.iter().filter(|(k, _)| &***k != name.as_ref()).map(|(k, v)| (k.clone(), v.clone())).collect();
        Some(value)
    }

    /// Keeps the values for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&Arc<str>, &Value) -> bool) {
        *self = self.iter().filter(|(k, v)| keep(k, v)).map(|(k, v)| (k.clone(), v.clone())).collect();
    }

    /// The same names with other values.
    pub fn map(&self, mut f: impl FnMut(&Arc<str>, &Value) -> Value) -> Fields {
        Fields { names: Arc::clone(&self.names), values: self.iter().map(|(k, v)| f(k, v)).collect() }
    }

    /// Names and values, by name.
    pub fn iter(&self) -> Iter<'_> {
        self.names.iter().zip(self.values.iter())
    }

    /// Names and values, by name; the values to be changed in place.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut Value)> {
        self.names.iter().zip(Arc::make_mut(&mut self.values))
    }

    /// The names, in order.
    pub fn keys(&self) -> std::slice::Iter<'_, Arc<str>> {
        self.names.iter()
    }

    /// The values, in the order of their names.
    pub fn values(&self) -> std::slice::Iter<'_, Value> {
        self.values.iter()
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.names.binary_search_by(|n| (**n).cmp(name))
    }
}

/// Names and values of [`Fields`].
pub type Iter<'a> = std::iter::Zip<std::slice::Iter<'a, Arc<str>>, std::slice::Iter<'a, Value>>;

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.values, &other.values) && Arc::ptr_eq(&self.names, &other.names)
            || same_names(&self.names, &other.names) && self.values == other.values
    }
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<Q: ?Sized + AsRef<str>> Index<&Q> for Fields {
    type Output = Value;

    fn index(&self, name: &Q) -> &Value {
        self.get(name).expect("a value of this name")
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = (&'a Arc<str>, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl IntoIterator for Fields {
    type Item = (Arc<str>, Value);
    type IntoIter = std::vec::IntoIter<(Arc<str>, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter().map(|(k, v)| (k.clone(), v.clone())).collect::<Vec<_>>().into_iter()
    }
}

/// As [`Fields::named`].
impl FromIterator<(Arc<str>, Value)> for Fields {
    fn from_iter<T: IntoIterator<Item = (Arc<str>, Value)>>(pairs: T) -> Fields {
        Fields::named(pairs)
    }
}

impl Extend<(Arc<str>, Value)> for Fields {
    fn extend<T: IntoIterator<Item = (Arc<str>, Value)>>(&mut self, pairs: T) {
        *self = std::mem::take(self).into_iter().chain(pairs).collect();
    }
}

impl From<BTreeMap<Arc<str>, Value>> for Fields {
    fn from(map: BTreeMap<Arc<str>, Value>) -> Fields {
        map.into_iter().collect()
    }
}

impl<const N: usize> From<[(Arc<str>, Value); N]> for Fields {
    fn from(pairs: [(Arc<str>, Value); N]) -> Fields {
        pairs.into_iter().collect()
    }
}

impl From<&Fields> for BTreeMap<Arc<str>, Value> {
    fn from(fields: &Fields) -> Self {
        fields.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }
}

fn same_names<A: Borrow<str>, B: Borrow<str>>(a: &[A], b: &[B]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.borrow() == b.borrow())
}

/// Lists of names that a thread remembers. A list that takes the place of another one costs memory, never correctness.
const REMEMBERED: usize = 256;
/// Longer lists are maps of a user's: nothing has the same names again.
const LONGEST: usize = 64;

thread_local! {
    static LISTS: RefCell<Vec<Option<Names>>> = const { RefCell::new(Vec::new()) };
}

/// The list of these names that other objects have already, or a new one.
fn shared<K: Borrow<str> + Into<Arc<str>>>(names: Vec<K>) -> Names {
    let new = |names: Vec<K>| names.into_iter().map(Into::into).collect::<Names>();
    if names.is_empty() || names.len() > LONGEST {
        return new(names);
    }
    let slot = slot(&names);
    LISTS.with_borrow_mut(|lists| {
        if lists.is_empty() {
            lists.resize(REMEMBERED, None);
        }
        match &lists[slot] {
            Some(known) if same_names(known, &names) => Arc::clone(known),
            _ => Arc::clone(lists[slot].insert(new(names))),
        }
    })
}

/// Where a list is remembered. Lengths, first and last letters tell lists of attributes apart.
fn slot<K: Borrow<str>>(names: &[K]) -> usize {
    let mix = |h: u64, n: u64| (h.rotate_left(5) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let hash = names.iter().fold(names.len() as u64, |h, name| {
        let bytes = name.borrow().as_bytes();
        let letter = |b: Option<&u8>| u64::from(b.copied().unwrap_or_default());
        mix(h, bytes.len() as u64 | letter(bytes.first()) << 16 | letter(bytes.last()) << 24)
    });
    (hash >> 32) as usize % REMEMBERED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, i64)]) -> Fields {
        Fields::named(pairs.iter().map(|(k, v)| (*k, Value::from(*v))))
    }

    #[test]
    fn objects_of_one_type_share_the_list_of_their_names() {
        let (a, b) = (fields(&[("x", 1), ("a", 2)]), fields(&[("a", 3), ("x", 4)]));
        assert!(Arc::ptr_eq(&a.names, &b.names));
        assert_eq!(a.keys().map(|k| &**k).collect::<Vec<_>>(), ["a", "x"]);
        assert!(a != b && a == fields(&[("a", 2), ("x", 1)]));
    }

    #[test]
    fn a_clone_is_independent() {
        let a = fields(&[("a", 1), ("b", 2)]);
        let mut b = a.clone();
        assert!(Arc::ptr_eq(&a.values, &b.values));
        assert_eq!(b.insert("a".into(), 7i64.into()).and_then(|v| v.as_i64()), Some(1));
        assert_eq!(b.insert("c".into(), 3i64.into()), None);
        assert_eq!(b.remove("b").and_then(|v| v.as_i64()), Some(2));
        assert_eq!((a, b), (fields(&[("a", 1), ("b", 2)]), fields(&[("a", 7), ("c", 3)])));
    }

    #[test]
    fn the_later_of_two_equal_names_stays() {
        let a = fields(&[("b", 1), ("a", 2), ("b", 3)]);
        assert_eq!(a, fields(&[("a", 2), ("b", 3)]));
        assert_eq!(fields(&[("a", 1), ("a", 2), ("a", 3)]), fields(&[("a", 3)]));
    }

    #[test]
    fn more_lists_than_are_remembered_stay_right() {
        let all: Vec<Fields> = (0..5_000i64).map(|i| Fields::named([(format!("name{i}"), Value::from(i))])).collect();
        for (i, f) in all.iter().enumerate() {
            assert_eq!(f.get(&format!("name{i}")).and_then(Value::as_i64), Some(i as i64));
        }
        let long = Fields::named((0..200i64).map(|i| (format!("{i:03}"), Value::from(i))));
        assert_eq!((long.len(), long.get("199").and_then(Value::as_i64)), (200, Some(199)));
    }
}
