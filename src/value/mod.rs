//! Values: what expressions evaluate to, with types, unknown and sensitive as parts of the value.
//!
//! The model is cty's (the type system under HCL): a value is null, unknown or known, always typed, and carries marks.
//! Values are immutable and cheap to clone (shared behind `Arc`). `Display` and `Debug` mask what is sensitive, so that
//! forgetting it is impossible; whoever needs the content asks for it by accessor. No I/O, no serde here: codecs live at the edges.

pub mod convert;
mod fields;
pub mod json;
pub mod number;
pub mod ops;
mod parts;
pub mod print;
pub mod ty;

pub use fields::Fields;
pub use number::Number;
pub use parts::Part;
pub use ty::{ObjectType, Type};

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::addr::InstanceAddr;

/// Facts that travel with a value through every operator and function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marks(u8);

impl Marks {
    /// No mark.
    pub const NONE: Marks = Marks(0);
    /// Must never be shown or stored.
    pub const SENSITIVE: Marks = Marks(1);
    /// Exists only during this run.
    pub const EPHEMERAL: Marks = Marks(2);
    /// Comes from an expression that failed. The failure has been said; what follows from it is not said again.
    pub const FAILED: Marks = Marks(4);

    /// Both sets of marks.
    pub fn union(self, other: Marks) -> Marks {
        Marks(self.0 | other.0)
    }

    /// These marks without those of `other`.
    pub fn without(self, other: Marks) -> Marks {
        Marks(self.0 & !other.0)
    }

    /// Whether sensitive.
    pub fn is_sensitive(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether ephemeral.
    pub fn is_ephemeral(self) -> bool {
        self.0 & 2 != 0
    }

    /// Whether it follows from a failed expression.
    pub fn is_failed(self) -> bool {
        self.0 & 4 != 0
    }

    /// Whether there is none.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// What is known of an unknown value.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Refinement {
    /// It will not be null.
    pub not_null: bool,
    /// The string starts with this.
    pub prefix: Option<Arc<str>>,
    /// The collection has at least this many elements.
    pub min_len: Option<u64>,
    /// The collection has at most this many elements.
    pub max_len: Option<u64>,
    /// The value is stored only as this keyed digest (a sensitive value read back from the state).
    pub digest: Option<[u8; 32]>,
}

/// An unknown value: its type (may be `Type::Dynamic`) and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Unknown {
    /// The type it will have.
    pub ty: Type,
    /// What else is known.
    pub refinement: Refinement,
}

/// Elements of a list or set. `deep` sums up everything below, so that asking is O(1).
#[derive(Clone, PartialEq)]
pub struct Elements {
    /// The element type.
    pub elem: Type,
    /// The elements; a set's are distinct and in set order.
    pub items: Vec<Value>,
    deep: Deep,
}

/// Elements of a map.
#[derive(Clone, PartialEq)]
pub struct Entries {
    /// The element type.
    pub elem: Type,
    /// The entries by key.
    pub items: Fields,
    deep: Deep,
}

/// The elements of a tuple.
#[derive(Clone, PartialEq)]
pub struct TupleData {
    /// The elements.
    pub items: Vec<Value>,
    deep: Deep,
}

/// The attributes of an object, and which resource instance it describes, if it does.
#[derive(Clone)]
pub struct ObjectData {
    /// The attributes by name.
    pub attrs: Fields,
    /// The resource instance whose object this is. Not part of equality: it lets `cluster = kafka_cluster.events` be a reference.
    pub origin: Option<Arc<InstanceAddr>>,
    deep: Deep,
}

impl PartialEq for ObjectData {
    fn eq(&self, other: &Self) -> bool {
        self.attrs == other.attrs
    }
}

#[derive(Clone, Copy, Default, PartialEq)]
struct Deep {
    unknown: bool,
    marks: Marks,
    levels: u32,
}

impl Deep {
    fn of<'a>(values: impl IntoIterator<Item = &'a Value>) -> Deep {
        values.into_iter().fold(Deep { levels: 1, ..Deep::default() }, |d, v| {
            let below = v.deep();
            Deep {
                unknown: d.unknown || below.unknown,
                marks: d.marks.union(v.marks).union(below.marks),
                levels: d.levels.max(below.levels.saturating_add(1)),
            }
        })
    }
}

/// The content of a value, without its marks.
#[derive(Clone, PartialEq)]
pub enum Repr {
    /// Null of a type.
    Null(Type),
    /// Not known yet.
    Unknown(Arc<Unknown>),
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string (NFC).
    String(Arc<str>),
    /// A list.
    List(Arc<Elements>),
    /// A set.
    Set(Arc<Elements>),
    /// A map.
    Map(Arc<Entries>),
    /// A tuple.
    Tuple(Arc<TupleData>),
    /// An object.
    Object(Arc<ObjectData>),
}

/// A value with its marks. `==` compares content and marks structurally; HCL's `==` is in the evaluator.
#[derive(Clone, PartialEq)]
pub struct Value {
    repr: Repr,
    marks: Marks,
}

impl From<Repr> for Value {
    fn from(repr: Repr) -> Self {
        Value { repr, marks: Marks::NONE }
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Repr::Bool(b).into()
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Repr::Number(Number::from(n)).into()
    }
}

impl From<Number> for Value {
    fn from(n: Number) -> Self {
        Repr::Number(n).into()
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Value::string(s)
    }
}

impl From<String> for Value {
    fn from(s: String) -> Self {
        Value::string(s)
    }
}

impl Value {
    /// A string, normalised to NFC as HCL demands.
    pub fn string(s: impl AsRef<str>) -> Value {
        use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
        let s = s.as_ref();
        let s: Arc<str> = if is_nfc_quick(s.chars()) == IsNormalized::Yes { s.into() } else { s.nfc().collect::<String>().into() };
        Repr::String(s).into()
    }

    /// Null of the given type.
    pub fn null(ty: Type) -> Value {
        Repr::Null(ty).into()
    }

    /// Null whose type nothing says.
    pub fn null_dynamic() -> Value {
        Value::null(Type::Dynamic)
    }

    /// Unknown of the given type.
    pub fn unknown(ty: Type) -> Value {
        Value::unknown_with(ty, Refinement::default())
    }

    /// Unknown, but never null.
    pub fn unknown_not_null(ty: Type) -> Value {
        Value::unknown_with(ty, Refinement { not_null: true, ..Refinement::default() })
    }

    /// Whether not even the type is known; cheaper than asking for the type, which is as large as the value.
    pub fn is_untyped(&self) -> bool {
        match self.repr() {
            Repr::Unknown(u) => u.ty == Type::Dynamic,
            Repr::Null(ty) => *ty == Type::Dynamic,
            _ => false,
        }
    }

    /// Unknown with what is known of it.
    pub fn unknown_with(ty: Type, refinement: Refinement) -> Value {
        Repr::Unknown(Arc::new(Unknown { ty, refinement })).into()
    }

    /// A list; every element must already be of the type `elem`.
    pub fn list(elem: Type, items: Vec<Value>) -> Value {
        Repr::List(Arc::new(Elements { deep: Deep::of(&items), elem, items })).into()
    }

    /// A set from elements that are already distinct and in set order ([`Value::set`] sees to that).
    pub fn set_raw(elem: Type, items: Vec<Value>) -> Value {
        Repr::Set(Arc::new(Elements { deep: Deep::of(&items), elem, items })).into()
    }

    /// A map; every element must already be of the type `elem`.
    pub fn map(elem: Type, items: Fields) -> Value {
        Repr::Map(Arc::new(Entries { deep: Deep::of(items.values()), elem, items })).into()
    }

    /// A tuple.
    pub fn tuple(items: Vec<Value>) -> Value {
        Repr::Tuple(Arc::new(TupleData { deep: Deep::of(&items), items })).into()
    }

    /// An object.
    pub fn object(attrs: Fields) -> Value {
        Value::object_of(attrs, None)
    }

    /// An object from pairs.
    pub fn object_from<K: Borrow<str> + Into<Arc<str>>>(attrs: impl IntoIterator<Item = (K, Value)>) -> Value {
        Value::object(Fields::named(attrs))
    }

    /// The object of a resource instance.
    pub fn object_of(attrs: Fields, origin: Option<Arc<InstanceAddr>>) -> Value {
        Repr::Object(Arc::new(ObjectData { deep: Deep::of(attrs.values()), attrs, origin })).into()
    }

    /// The same object as that of a resource instance, or of none; it shares all that this one holds. Any other value stays as it is.
    pub fn with_origin(&self, origin: Option<Arc<InstanceAddr>>) -> Value {
        let Repr::Object(o) = &self.repr else { return self.clone() };
        let object = ObjectData { attrs: o.attrs.clone(), origin, deep: o.deep };
        Value { repr: Repr::Object(Arc::new(object)), marks: self.marks }
    }

    /// The content.
    pub fn repr(&self) -> &Repr {
        &self.repr
    }

    /// The marks of this value itself.
    pub fn marks(&self) -> Marks {
        self.marks
    }

    /// The marks of this value and of everything inside it.
    pub fn deep_marks(&self) -> Marks {
        self.marks.union(self.deep().marks)
    }

    fn deep(&self) -> Deep {
        match &self.repr {
            Repr::Null(_) | Repr::Bool(_) | Repr::Number(_) | Repr::String(_) => Deep::default(),
            Repr::Unknown(_) => Deep { unknown: true, ..Deep::default() },
            Repr::List(e) | Repr::Set(e) => e.deep,
            Repr::Map(e) => e.deep,
            Repr::Tuple(t) => t.deep,
            Repr::Object(o) => o.deep,
        }
    }

    /// The same value with these marks added.
    pub fn mark(mut self, marks: Marks) -> Value {
        self.marks = self.marks.union(marks);
        self
    }

    /// The same value without these marks at its top.
    pub fn unmark(mut self, marks: Marks) -> Value {
        self.marks = self.marks.without(marks);
        self
    }

    /// Marks as sensitive.
    pub fn sensitive(self) -> Value {
        self.mark(Marks::SENSITIVE)
    }

    /// Whether it or anything inside is sensitive.
    pub fn contains_sensitive(&self) -> bool {
        self.deep_marks().is_sensitive()
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self.repr, Repr::Null(_))
    }

    /// Whether it itself is known (parts may be unknown).
    pub fn is_known(&self) -> bool {
        !matches!(self.repr, Repr::Unknown(_))
    }

    /// Whether it and everything inside is known. O(1).
    pub fn is_wholly_known(&self) -> bool {
        !self.deep().unknown
    }

    /// How many levels of lists, maps and objects stand inside each other; 0 for a primitive. O(1).
    pub fn levels(&self) -> usize {
        self.deep().levels as usize
    }

    /// The type.
    pub fn ty(&self) -> Type {
        match &self.repr {
            Repr::Null(t) => t.clone(),
            Repr::Unknown(u) => u.ty.clone(),
            Repr::Bool(_) => Type::Bool,
            Repr::Number(_) => Type::Number,
            Repr::String(_) => Type::String,
            Repr::List(e) => Type::List(Arc::new(e.elem.clone())),
            Repr::Set(e) => Type::Set(Arc::new(e.elem.clone())),
            Repr::Map(e) => Type::Map(Arc::new(e.elem.clone())),
            Repr::Tuple(t) => Type::Tuple(t.items.iter().map(Value::ty).collect()),
            Repr::Object(o) => Type::object(o.attrs.iter().map(|(k, v)| (k.clone(), v.ty()))),
        }
    }

    /// The string, where it is a known, non-null one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.repr {
            Repr::String(s) => Some(s),
            _ => None,
        }
    }

    /// The boolean, where it is a known, non-null one.
    pub fn as_bool(&self) -> Option<bool> {
        match self.repr {
            Repr::Bool(b) => Some(b),
            _ => None,
        }
    }

    /// The number, where it is a known, non-null one.
    pub fn as_number(&self) -> Option<&Number> {
        match &self.repr {
            Repr::Number(n) => Some(n),
            _ => None,
        }
    }

    /// The number as an exact i64, where it is one.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number().and_then(Number::to_i64)
    }

    /// The elements of a known list, set or tuple.
    pub fn as_slice(&self) -> Option<&[Value]> {
        match &self.repr {
            Repr::List(e) | Repr::Set(e) => Some(&e.items),
            Repr::Tuple(t) => Some(&t.items),
            _ => None,
        }
    }

    /// The entries of a known map or object.
    pub fn as_map(&self) -> Option<&Fields> {
        match &self.repr {
            Repr::Map(e) => Some(&e.items),
            Repr::Object(o) => Some(&o.attrs),
            _ => None,
        }
    }

    /// One attribute or entry of a known object or map, with this value's own marks added. `None` where there is none.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.as_map().and_then(|m| m.get(name)).map(|v| v.clone().mark(self.marks))
    }

    /// The string attribute `name` of a known object, where set.
    pub fn get_str(&self, name: &str) -> Option<String> {
        self.as_map().and_then(|m| m.get(name)).and_then(Value::as_str).map(str::to_string)
    }

    /// The resource instance whose object this is.
    pub fn origin(&self) -> Option<&Arc<InstanceAddr>> {
        match &self.repr {
            Repr::Object(o) => o.origin.as_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    /// One line, HCL-like; sensitive parts read `(sensitive value)`, unknown ones `(known after apply)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.marks.is_sensitive() {
            return f.write_str("(sensitive value)");
        }
        let seq = |f: &mut fmt::Formatter<'_>, items: &[Value]| {
            f.write_str("[")?;
            for (i, v) in items.iter().enumerate() {
                write!(f, "{}{v}", if i > 0 { ", " } else { "" })?;
            }
            f.write_str("]")
        };
        match &self.repr {
            Repr::Null(_) => f.write_str("null"),
            Repr::Unknown(_) => f.write_str("(known after apply)"),
            Repr::Bool(b) => write!(f, "{b}"),
            Repr::Number(n) => write!(f, "{n}"),
            Repr::String(s) => f.write_str(&crate::addr::quote(s)),
            Repr::List(e) | Repr::Set(e) => seq(f, &e.items),
            Repr::Tuple(t) => seq(f, &t.items),
            Repr::Map(_) | Repr::Object(_) => {
                if let Some(origin) = self.origin() {
                    return write!(f, "{origin}");
                }
                f.write_str("{")?;
                for (i, (k, v)) in self.as_map().into_iter().flatten().enumerate() {
                    write!(f, "{}{} = {v}", if i > 0 { ", " } else { " " }, crate::addr::quote(k))?;
                }
                f.write_str(" }")
            }
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
