//! Numbers: exact integers up to i64 in place, everything else as a 512-bit binary float, as cty has them.
//!
//! Text goes in and out as Terraform does it: parsing rounds half to even at 512 bits, printing gives the shortest decimal
//! that parses back to the same number, without an exponent.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use dashu_base::{BitTest, Sign, Signed, UnsignedAbs};
use dashu_float::round::mode::HalfEven;
use dashu_float::{FBig, Repr};
use dashu_int::{IBig, UBig};

/// The 512-bit float behind numbers that are not small integers.
pub type Float = FBig<HalfEven, 2>;

/// Binary digits of precision, as in cty.
pub const PRECISION: usize = 512;

/// Decimal exponents beyond this are refused: such numbers would take megabytes to print.
const MAX_EXPONENT: i64 = 100_000;

/// Binary digits of a number that was counted, not written: as many as a machine integer has.
const COUNTED: u16 = 64;

/// Binary digits of the result of binary64 arithmetic.
const DOUBLE: u16 = 53;

#[derive(Clone)]
enum Inner {
    Int(i64),
    Big(Arc<Float>),
    /// Above every number, or below.
    Infinite(Sign),
}

/// A number. Integers that fit i64 are always kept as such. A number knows how many binary digits it was calculated with, and
/// a result has as many as the better of its operands: `length(a) / length(b)` has 64, `1 / 3` has 512.
#[derive(Clone)]
pub struct Number {
    inner: Inner,
    precision: u16,
}

impl From<i64> for Number {
    fn from(n: i64) -> Self {
        Number { inner: Inner::Int(n), precision: COUNTED }
    }
}

impl From<Float> for Number {
    fn from(f: Float) -> Self {
        if f.repr().is_neg_zero() {
            return Number::negative_zero(PRECISION as u16);
        }
        Number::rounded(f.repr().significand().clone(), f.repr().exponent(), PRECISION as u16)
    }
}

impl From<IBig> for Number {
    fn from(n: IBig) -> Self {
        let bits = u16::try_from(n.clone().unsigned_abs().bit_len()).unwrap_or(u16::MAX);
        Number::rounded(n, 0, bits.max(COUNTED))
    }
}

impl From<usize> for Number {
    fn from(n: usize) -> Self {
        Number::from(IBig::from(n))
    }
}

impl Number {
    /// Zero.
    pub const ZERO: Number = Number { inner: Inner::Int(0), precision: COUNTED };

    /// What a number divided by zero is.
    fn infinite(sign: Sign, precision: u16) -> Number {
        Number { inner: Inner::Infinite(sign), precision }
    }

    /// Whether it is beyond all other numbers, as `1 / 0` is.
    pub fn is_infinite(&self) -> bool {
        matches!(self.inner, Inner::Infinite(_))
    }

    /// On which side of all numbers it is: -1 below, 1 above; 0 for a number.
    fn beyond(&self) -> i8 {
        match &self.inner {
            Inner::Infinite(Sign::Negative) => -1,
            Inner::Infinite(Sign::Positive) => 1,
            _ => 0,
        }
    }

    fn sign(&self) -> Sign {
        if self.is_negative() { Sign::Negative } else { Sign::Positive }
    }

    /// Zero with a minus sign: equal to zero, but shown as `-0`, as Terraform does.
    fn negative_zero(precision: u16) -> Number {
        Number { inner: Inner::Big(Arc::new(Float::from_repr_const(Repr::neg_zero()))), precision }
    }

    fn zero(precision: u16) -> Number {
        Number { inner: Inner::Int(0), precision }
    }

    /// `significand * 2^exponent`, rounded once, half to even.
    fn rounded(significand: IBig, exponent: isize, precision: u16) -> Number {
        let (sign, magnitude) = significand.into_parts();
        let surplus = magnitude.bit_len().saturating_sub(usize::from(precision));
        let mut kept = &magnitude >> surplus;
        if surplus > 0 && magnitude.bit(surplus - 1) {
            let more_than_half = magnitude.trailing_zeros().is_some_and(|z| z < surplus - 1);
            if more_than_half || kept.bit(0) {
                kept += UBig::ONE;
            }
        }
        let exponent = exponent + surplus as isize;
        let small = exponent < 64 && kept.bit_len() as isize + exponent <= 64;
        if small && exponent >= 0 || kept.trailing_zeros().is_none_or(|z| small && z as isize >= -exponent) {
            let whole = if exponent >= 0 { kept.clone() << exponent.unsigned_abs() } else { &kept >> exponent.unsigned_abs() };
            if let Ok(n) = i64::try_from(&IBig::from_parts(sign, whole)) {
                return Number { inner: Inner::Int(n), precision };
            }
        }
        Number { inner: Inner::Big(Arc::new(Float::from_parts(IBig::from_parts(sign, kept), exponent))), precision }
    }

    /// The significand and the binary exponent.
    fn parts(&self) -> (IBig, isize) {
        match &self.inner {
            Inner::Int(n) => (IBig::from(*n), 0),
            Inner::Big(f) => (f.repr().significand().clone(), if self.is_zero() { 0 } else { f.repr().exponent() }),
            // Who asks has looked for these before.
            Inner::Infinite(sign) => (IBig::from_parts(*sign, UBig::ONE), 0),
        }
    }

    fn with_precision(mut self, precision: u16) -> Number {
        self.precision = precision;
        self
    }

    /// Parses decimal text: digits, an optional fraction and an optional exponent, or `Inf`. `None` where it is not a number, or its
    /// exponent is absurd.
    pub fn parse(text: &str) -> Option<Number> {
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        if matches!(digits, "Inf" | "inf") {
            return Some(Number::infinite(if negative { Sign::Negative } else { Sign::Positive }, PRECISION as u16));
        }
        let (mantissa, exponent) = match digits.find(['e', 'E']) {
            Some(i) => (&digits[..i], digits[i + 1..].parse::<i64>().ok().filter(|_| exponent_text(&digits[i + 1..]))?),
            None => (digits, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) || mantissa.len() > MAX_EXPONENT as usize {
            return None;
        }
        let exponent = exponent.checked_sub(fraction.len() as i64)?;
        if exponent.abs() > MAX_EXPONENT {
            return None;
        }
        let significand = UBig::from_str_radix(&format!("{whole}{fraction}"), 10).ok()?;
        if negative && significand.is_zero() {
            return Some(Number::negative_zero(PRECISION as u16));
        }
        let significand = IBig::from_parts(if negative { Sign::Negative } else { Sign::Positive }, significand);
        let power = IBig::from(UBig::from(10u8).pow(exponent.unsigned_abs() as usize));
        Some(match exponent >= 0 {
            true => Number::rounded(significand * power, 0, PRECISION as u16),
            false => Number::ratio(&significand, &power, 0, PRECISION as u16),
        })
    }

    /// `a / b * 2^exponent`, rounded once.
    fn ratio(a: &IBig, b: &IBig, exponent: isize, precision: u16) -> Number {
        if (a % b).is_zero() {
            return Number::rounded(a / b, exponent, precision);
        }
        // Enough bits that the quotient has two more than are kept, with a sticky last bit for the rest: then one rounding is exact.
        let bits = |n: &IBig| n.clone().unsigned_abs().bit_len();
        let shift = (usize::from(precision) + 2 + bits(b)).saturating_sub(bits(a));
        let scaled: IBig = a.clone() << shift;
        let quotient: IBig = (&scaled / b) << 1usize;
        let sticky = if a.is_negative() != b.is_negative() { -IBig::ONE } else { IBig::ONE };
        let significand = if (&scaled % b).is_zero() { quotient } else { quotient + sticky };
        Number::rounded(significand, exponent - (shift as isize) - 1, precision)
    }

    /// From a binary float, shown as the shortest decimal that names it; `None` for not-a-number.
    pub fn from_f64(f: f64) -> Option<Number> {
        if f.is_infinite() {
            return Some(Number::infinite(if f < 0.0 { Sign::Negative } else { Sign::Positive }, DOUBLE));
        }
        let float = Float::try_from(f).ok().filter(|f| f.repr().is_finite())?;
        Some(Number::from(float).with_precision(DOUBLE))
    }

    /// As the nearest binary float (infinite when out of its range).
    pub fn to_f64(&self) -> f64 {
        match &self.inner {
            Inner::Int(n) => *n as f64,
            Inner::Big(f) => f.to_f64().value(),
            Inner::Infinite(Sign::Negative) => f64::NEG_INFINITY,
            Inner::Infinite(Sign::Positive) => f64::INFINITY,
        }
    }

    /// The exact i64, where it is one.
    pub fn to_i64(&self) -> Option<i64> {
        match &self.inner {
            Inner::Int(n) => Some(*n),
            Inner::Big(_) | Inner::Infinite(_) => self.is_zero().then_some(0),
        }
    }

    /// The exact usize, where it is one.
    pub fn to_usize(&self) -> Option<usize> {
        self.to_i64().and_then(|n| usize::try_from(n).ok())
    }

    /// As a float of [`PRECISION`] digits; an infinite number as the infinite float of its sign.
    pub fn to_float(&self) -> Float {
        match &self.inner {
            Inner::Int(n) => Float::from(*n).with_precision(PRECISION).value(),
            Inner::Big(f) => (**f).clone().with_precision(PRECISION).value(),
            Inner::Infinite(Sign::Negative) => Float::NEG_INFINITY,
            Inner::Infinite(Sign::Positive) => Float::INFINITY,
        }
    }

    /// Whether it has no fraction.
    pub fn is_integer(&self) -> bool {
        match &self.inner {
            Inner::Int(_) => true,
            Inner::Big(f) => f.repr().is_int() || self.is_zero(),
            Inner::Infinite(_) => false,
        }
    }

    /// The integer, where it has no fraction.
    pub fn to_ibig(&self) -> Option<IBig> {
        match &self.inner {
            Inner::Int(n) => Some(IBig::from(*n)),
            Inner::Big(_) if self.is_zero() => Some(IBig::ZERO),
            Inner::Big(f) => f.repr().is_int().then(|| f.to_int().value()),
            Inner::Infinite(_) => None,
        }
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        match &self.inner {
            Inner::Int(n) => *n < 0,
            Inner::Big(f) => f.repr().sign() == Sign::Negative,
            Inner::Infinite(sign) => *sign == Sign::Negative,
        }
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        match &self.inner {
            Inner::Int(n) => *n == 0,
            Inner::Big(f) => f.repr().significand().is_zero(),
            Inner::Infinite(_) => false,
        }
    }

    /// The better precision of the two, and the result where machine integers do.
    fn small(&self, other: &Number, f: fn(i64, i64) -> Option<i64>) -> (u16, Option<Number>) {
        let precision = self.precision.max(other.precision);
        let small = match (&self.inner, &other.inner) {
            (Inner::Int(a), Inner::Int(b)) if precision >= COUNTED => f(*a, *b),
            _ => None,
        };
        (precision, small.map(|n| Number::from(n).with_precision(precision)))
    }

    /// The sum. Of the two infinite numbers (which have none) it is the first.
    pub fn add(&self, other: &Number) -> Number {
        if self.is_infinite() || other.is_infinite() {
            return if self.is_infinite() { self.clone() } else { other.clone() };
        }
        let (precision, small) = self.small(other, i64::checked_add);
        if let Some(n) = small {
            return n;
        }
        if self.is_zero() && other.is_zero() {
            return if self.is_negative() && other.is_negative() { Number::negative_zero(precision) } else { Number::zero(precision) };
        }
        let ((a, x), (b, y)) = (self.parts(), other.parts());
        let exponent = x.min(y);
        let (a, b) = (a << (x - exponent).unsigned_abs(), b << (y - exponent).unsigned_abs());
        Number::rounded(a + b, exponent, precision)
    }

    /// The difference.
    pub fn sub(&self, other: &Number) -> Number {
        let (_, small) = self.small(other, i64::checked_sub);
        small.unwrap_or_else(|| self.add(&other.neg()))
    }

    /// The product. Of zero and an infinite number (which have none) it is zero.
    pub fn mul(&self, other: &Number) -> Number {
        let (precision, small) = self.small(other, i64::checked_mul);
        if self.is_zero() || other.is_zero() {
            return self.signed_zero(other, precision);
        }
        if self.is_infinite() || other.is_infinite() {
            return Number::infinite(self.sign() * other.sign(), precision);
        }
        small.unwrap_or_else(|| {
            let ((a, x), (b, y)) = (self.parts(), other.parts());
            Number::rounded(a * b, x + y, precision)
        })
    }

    /// The zero that a product or quotient of these two has.
    fn signed_zero(&self, other: &Number, precision: u16) -> Number {
        if self.is_negative() == other.is_negative() { Number::zero(precision) } else { Number::negative_zero(precision) }
    }

    /// The quotient: infinite when dividing by zero; `None` for zero by zero and infinity by infinity, which have none.
    pub fn div(&self, other: &Number) -> Option<Number> {
        if other.is_zero() || self.is_infinite() {
            let none = self.is_zero() || other.is_infinite();
            return (!none).then(|| Number::infinite(self.sign() * other.sign(), self.precision.max(other.precision)));
        }
        let (precision, small) = self.small(other, |a, b| if a.checked_rem(b)? == 0 { a.checked_div(b) } else { None });
        if self.is_zero() || other.is_infinite() {
            return Some(self.signed_zero(other, precision));
        }
        let ((a, x), (b, y)) = (self.parts(), other.parts());
        Some(small.unwrap_or_else(|| Number::ratio(&a, &b, x - y, precision)))
    }

    /// The remainder of the division that truncates toward zero; dividing by zero gives `self`, as in HCL. It has the precision
    /// of the dividend.
    pub fn rem(&self, other: &Number) -> Number {
        if let (Inner::Int(a), Inner::Int(b)) = (&self.inner, &other.inner) {
            return Number::from(if *b == 0 { *a } else { a.checked_rem(*b).unwrap_or(0) }).with_precision(self.precision);
        }
        let Some(q) = self.div(other).filter(|_| !other.is_zero()) else { return self.clone() };
        let ((a, x), (b, y)) = (q.trunc().parts(), other.parts());
        let rest = self.sub(&Number::rounded(a * b, x + y, self.precision));
        if rest.is_zero() { Number::zero(self.precision) } else { rest }
    }

    /// The negation.
    pub fn neg(&self) -> Number {
        if self.is_zero() {
            return if self.is_negative() { Number::zero(self.precision) } else { Number::negative_zero(self.precision) };
        }
        if self.is_infinite() {
            return Number::infinite(-self.sign(), self.precision);
        }
        let (n, exponent) = self.parts();
        Number::rounded(-n, exponent, self.precision)
    }

    /// Without its sign.
    pub fn abs(&self) -> Number {
        if self.is_negative() { self.neg() } else { self.clone() }
    }

    fn whole(&self, f: fn(&Float) -> Float) -> Number {
        match &self.inner {
            Inner::Int(_) | Inner::Infinite(_) => self.clone(),
            Inner::Big(_) if self.is_zero() => Number::zero(self.precision),
            Inner::Big(b) => Number::rounded(f(b).to_int().value(), 0, self.precision),
        }
    }

    /// The integer nearest to it in the direction of zero.
    pub fn trunc(&self) -> Number {
        self.whole(Float::trunc)
    }

    /// The greatest integer that is not above it.
    pub fn floor(&self) -> Number {
        self.whole(Float::floor)
    }

    /// The least integer that is not below it.
    pub fn ceil(&self) -> Number {
        self.whole(Float::ceil)
    }
}

/// An exponent is an optional sign and digits.
fn exponent_text(s: &str) -> bool {
    let digits = s.strip_prefix(['+', '-']).unwrap_or(s);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

impl PartialEq for Number {
    /// Numbers with a fraction are equal when they are written alike: one of fewer digits may name what one of more digits is near.
    fn eq(&self, other: &Self) -> bool {
        match self.cmp(other) {
            Ordering::Equal => true,
            _ if self.precision == other.precision || self.is_integer() || other.is_integer() => false,
            _ if self.is_infinite() || other.is_infinite() => false,
            _ => self.to_string() == other.to_string(),
        }
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.inner, &other.inner) {
            (Inner::Int(a), Inner::Int(b)) => a.cmp(b),
            (Inner::Infinite(_), _) | (_, Inner::Infinite(_)) => self.beyond().cmp(&other.beyond()),
            _ if self.is_zero() && other.is_zero() => Ordering::Equal,
            _ => self.to_float().cmp(&other.to_float()),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner {
            Inner::Int(n) if self.precision >= COUNTED || n.unsigned_abs() < 1 << DOUBLE => write!(f, "{n}"),
            Inner::Int(n) => f.write_str(&shortest(&Float::from(*n), self.precision)),
            Inner::Big(b) => f.write_str(&shortest(b, self.precision)),
            Inner::Infinite(sign) => f.write_str(if *sign == Sign::Negative { "-Inf" } else { "+Inf" }),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The shortest decimal between the two halfway points around `f`.
///
/// The significand is widened to one bit more than the precision, so that one unit of it is half a unit in the last place;
/// then the exact decimals of the value and of both bounds are compared digit by digit.
fn shortest(f: &Float, precision: u16) -> String {
    if f.repr().significand().is_zero() {
        return "-0".into();
    }
    let (sign, magnitude) = f.repr().significand().clone().into_parts();
    let shift = (usize::from(precision) + 1).saturating_sub(magnitude.bit_len());
    let significand = magnitude << shift;
    let exponent = f.repr().exponent() - shift as isize;
    let inclusive = !significand.bit(1);
    let scale = if exponent < 0 { UBig::from(5u8).pow(exponent.unsigned_abs()) } else { UBig::ONE << exponent as usize };
    let point = (-exponent).max(0) as usize;
    let text = |n: &UBig| (n * &scale).to_string();
    let (lower, middle, upper) = (text(&(&significand - UBig::ONE)), text(&significand), text(&(&significand + UBig::ONE)));
    let width = upper.len();
    // Not by a format's width, which ends at 65,535.
    let pad = |s: &str| ["0".repeat(width.saturating_sub(s.len())).as_str(), s].concat().into_bytes();
    let digits = round_between(&pad(&lower), &pad(&middle), &pad(&upper), inclusive);
    place_point(sign, &digits, width as isize - point as isize)
}

/// Cuts `middle` where it can be rounded down or up without leaving the bounds. All three have the same length.
fn round_between(lower: &[u8], middle: &[u8], upper: &[u8], inclusive: bool) -> Vec<u8> {
    let rest_is_zero = |s: &[u8], i: usize| s[i + 1..].iter().all(|b| *b == b'0');
    // By how much the prefix of the upper bound exceeds that of the value (capped), and whether the lower one's is smaller.
    let (mut above, mut below) = (0i32, false);
    for i in 0..middle.len() {
        let (l, m, u) = (lower[i], middle[i], upper[i]);
        above = (above * 10 + i32::from(u) - i32::from(m)).min(100);
        below |= l != m;
        let down = below || inclusive && rest_is_zero(lower, i);
        let up = above > 1 || above == 1 && (inclusive || !rest_is_zero(upper, i));
        if !down && !up {
            continue;
        }
        let rest = &middle[i + 1..];
        let half = if rest.first().is_some_and(|b| *b == b'5') && rest[1..].iter().all(|b| *b == b'0') {
            (m - b'0') % 2 == 1
        } else {
            rest.first().is_some_and(|b| *b >= b'5')
        };
        let mut digits = middle[..=i].to_vec();
        if up && (!down || half) {
            increment(&mut digits);
        }
        return digits;
    }
    middle.to_vec()
}

/// Adds one to the last digit. The first digit is never a 9 with a carry: the upper bound has the same length.
fn increment(digits: &mut [u8]) {
    for d in digits.iter_mut().rev() {
        if *d < b'9' {
            *d += 1;
            return;
        }
        *d = b'0';
    }
}

/// Writes digits of which the first `whole` stand before the point (may be negative, or more than there are).
fn place_point(sign: Sign, digits: &[u8], whole: isize) -> String {
    let mut text = String::from_utf8_lossy(digits).into_owned();
    if whole <= 0 {
        text.insert_str(0, &"0".repeat(1 + whole.unsigned_abs()));
    } else if whole as usize > text.len() {
        text.push_str(&"0".repeat(whole as usize - text.len()));
    }
    let at = whole.max(1) as usize;
    let fraction = text.split_off(at.min(text.len()));
    let fraction = fraction.trim_end_matches('0');
    let whole = text.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let minus = if sign == Sign::Negative { "-" } else { "" };
    if fraction.is_empty() { format!("{minus}{whole}") } else { format!("{minus}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(s: &str) -> Number {
        Number::parse(s).unwrap()
    }

    #[test]
    fn decimals_print_as_they_were_written() {
        for s in [
            "0.1",
            "-0.5",
            "3.141592653589793238462643383279502884197169399375105820974944592307816406286",
            "123456789012345678901234567890",
            "0.001",
            "99999999999999999999.5",
        ] {
            assert_eq!(n(s).to_string(), s);
        }
        assert_eq!(n("1e3").to_string(), "1000");
        assert_eq!(n("1e-3").to_string(), "0.001");
        assert_eq!(n("1.50").to_string(), "1.5");
        for bad in ["", "-", ".", "1_0", "1e", "0x1", "Infinity", "1e999999999", "1 "] {
            assert!(Number::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn arithmetic_has_512_bits() {
        let third = n("1").div(&n("3")).unwrap().to_string();
        assert_eq!(third, format!("0.{}5", "3".repeat(154)));
        let rest = n("11").rem(&n("5.1")).to_string();
        assert_eq!(rest, format!("0.8{}24", "0".repeat(152)));
        assert_eq!(n("7").div(&n("2")).unwrap().to_string(), "3.5");
        assert_eq!(n("-7").rem(&n("2")).to_string(), "-1");
        assert_eq!(Number::from(i64::MAX).add(&n("1")).to_string(), "9223372036854775808");
        assert_eq!(Number::from(i64::MIN).neg().to_string(), "9223372036854775808");
        assert_eq!(n("0.1").add(&n("0.2")), n("0.3"));
        assert!(n("0").div(&n("0")).is_none());
        let infinite = n("1").div(&n("-0")).unwrap();
        assert_eq!((infinite.to_string(), infinite.neg().to_string()), ("-Inf".into(), "+Inf".into()));
        assert!(infinite < n("-1e300") && infinite == n("-Inf") && infinite.div(&infinite).is_none());
        assert_eq!((n("3").div(&infinite).unwrap().to_string(), infinite.mul(&n("-2")).to_string()), ("-0".into(), "+Inf".into()));
    }

    #[test]
    fn rounding_helpers() {
        assert_eq!(n("-1.5").floor().to_string(), "-2");
        assert_eq!(n("-1.5").ceil().to_string(), "-1");
        assert_eq!(n("-1.5").trunc().to_string(), "-1");
        assert_eq!(
            (n("-0").to_string(), n("0").mul(&n("-1")).to_string(), n("-0.5").ceil().to_string()),
            ("-0".into(), "-0".into(), "0".into())
        );
        assert_eq!((n("4.5").rem(&n("1.5")).to_string(), n("-0").sub(&n("0")).to_string()), ("0".into(), "-0".into()));
        assert_eq!(Number::from_f64(2f64.powf(0.5)).unwrap().to_string(), "1.4142135623730951");
        assert!(n("-0") == n("0") && n("-0").to_i64() == Some(0));
        assert!(n("1.5") < n("2") && n("-3") < n("-2.5"));
    }
    #[test]
    fn results_have_the_digits_of_the_better_operand() {
        let count = |n: i64| Number::from(n);
        assert_eq!(count(1).div(&count(3)).unwrap().to_string(), "0.33333333333333333334");
        assert_eq!(count(1).rem(&n("0.3")).to_string(), "0.10000000000000000002");
        assert!(count(1).div(&n("3")).unwrap().to_string().len() > 100);
        assert_eq!(n("0.30000000000000004").sub(&n("1")).to_string(), format!("-0.69999999999999996{}5", "0".repeat(137)));
        let root = Number::from_f64(2f64.sqrt()).unwrap();
        assert_eq!(root.rem(&count(2)).to_string(), "1.4142135623730951");
        assert_eq!(root.mul(&n("1")).to_string(), "1.4142135623730951454746218587388284504413604736328125");
        assert_eq!(Number::from_f64(0.1).unwrap(), n("0.1"));
        assert_eq!(Number::from_f64(1e30).unwrap().to_string(), format!("1{}", "0".repeat(30)));
    }

    proptest::proptest! {
        /// Against integer arithmetic on scaled numbers, which is exact.
        #[test]
        fn decimals_are_exact(a in -1_000_000_000_000i64..1_000_000_000_000, b in 1i64..1_000_000_000_000, places in 0usize..12) {
            let write = |n: i128| {
                let digits = format!("{:0>1$}", n.unsigned_abs(), places + 1);
                let (whole, fraction) = digits.split_at(digits.len() - places);
                let text = format!("{}{whole}.{fraction}", if n < 0 { "-" } else { "" });
                if places == 0 { text.trim_end_matches('.').to_string() } else { text.trim_end_matches('0').trim_end_matches('.').to_string() }
            };
            let (x, y) = (n(&write(a.into())), n(&write(b.into())));
            proptest::prop_assert_eq!(x.to_string(), write(a.into()));
            let sums = [x.add(&y), x.sub(&y), x.rem(&y)];
            let wants = [i128::from(a) + i128::from(b), i128::from(a) - i128::from(b), i128::from(a) % i128::from(b)];
            for (got, want) in sums.iter().zip(wants) {
                proptest::prop_assert!((got.sub(&n(&write(want)))).abs() < n("1e-100"), "{got} {want}");
            }
            proptest::prop_assert_eq!(x.div(&y).unwrap().mul(&y).sub(&x).abs() < n("1e-100"), true);
            proptest::prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }

        /// Every text of digits reads back as itself, however long the integer.
        #[test]
        fn huge_integers_round_trip(digits in "[1-9][0-9]{0,150}") {
            proptest::prop_assert_eq!(n(&digits).to_string(), digits);
        }
    }
}
