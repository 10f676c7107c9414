//! Numbers: exact integers up to i64 in place, everything else as a 512-bit binary float, as cty has them.

use std::fmt;
use std::sync::Arc;

use dashu_float::FBig;
use dashu_float::round::mode::HalfEven;

/// The 512-bit float behind numbers that are not small integers.
pub type Float = FBig<HalfEven, 2>;

/// Binary digits of precision, as in cty.
pub const PRECISION: usize = 512;

#[derive(Clone)]
enum Inner {
    Int(i64),
    Big(Arc<Float>),
}

/// A number. Integers that fit i64 are always kept as such, so that equality is structural.
#[derive(Clone)]
pub struct Number(Inner);

impl From<i64> for Number {
    fn from(n: i64) -> Self {
        Number(Inner::Int(n))
    }
}

impl From<Float> for Number {
    fn from(f: Float) -> Self {
        match i64::try_from(f.clone()) {
            Ok(n) => Number(Inner::Int(n)),
            Err(_) => Number(Inner::Big(Arc::new(f))),
        }
    }
}

impl Number {
    /// The exact i64, where it is one.
    pub fn to_i64(&self) -> Option<i64> {
        match &self.0 {
            Inner::Int(n) => Some(*n),
            Inner::Big(_) => None,
        }
    }

    /// As a float of [`PRECISION`] digits.
    pub fn to_float(&self) -> Float {
        match &self.0 {
            Inner::Int(n) => Float::from(*n).with_precision(PRECISION).value(),
            Inner::Big(f) => (**f).clone(),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Inner::Int(a), Inner::Int(b)) => a == b,
            _ => self.to_float() == other.to_float(),
        }
    }
}

impl Eq for Number {}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Int(n) => write!(f, "{n}"),
            Inner::Big(b) => write!(f, "{b}"),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
