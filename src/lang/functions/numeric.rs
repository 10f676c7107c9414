//! Functions on numbers.

use dashu_int::IBig;

use super::{CallContext, CallError, Function, Kind, Param, Ret, Unknowns, convert, number, text, whole};
use crate::value::{Number, Type, Value};

const NUM: Param = Param::new("num", Kind::Num);
const NUMBER: Ret = Ret::Is(Kind::Num);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("abs", &[NUM], NUMBER, |_, a| Ok(number(a, 0).abs().into()), "The number without its sign."),
    Function::new("ceil", &[NUM], NUMBER, |_, a| Ok(number(a, 0).ceil().into()), "The next whole number at or above."),
    Function::new("floor", &[NUM], NUMBER, |_, a| Ok(number(a, 0).floor().into()), "The next whole number at or below."),
    Function::new("log", &[NUM, Param::new("base", Kind::Num)], NUMBER, log, "The logarithm of a number in a base."),
    Function::new("max", &[], NUMBER, |_, a| extreme(a, |new, best| new > best), "The greatest of the numbers.")
        .rest(Param::new("numbers", Kind::Num)),
    Function::new("min", &[], NUMBER, |_, a| extreme(a, |new, best| new < best), "The smallest of the numbers.")
        .rest(Param::new("numbers", Kind::Num)),
    Function::new(
        "parseint",
        &[Param::new("number", Kind::Any), Param::new("base", Kind::Num)],
        Ret::Of(|a| match a[0].ty() {
            Type::String => Ok(Type::Number),
            ty => Err(CallError::arg(0, format!("first argument must be a string, not {ty}"))),
        }),
        parseint,
        "The whole number that a string of digits writes in a base from 2 to 62.",
    ),
    Function::new("pow", &[NUM, Param::new("power", Kind::Num)], NUMBER, power, "A number raised to a power."),
    Function::new("signum", &[NUM], NUMBER, |_, a| Ok(whole(a, 0)?.signum().into()), "-1, 0 or 1: the sign of a whole number."),
    Function::new("sum", &[Param::new("list", Kind::Any).unknowns(Unknowns::Top)], NUMBER, sum, "The sum of a list or set of numbers."),
];

fn from_f64(f: f64) -> Result<Value, CallError> {
    Number::from_f64(f).map(Value::from).ok_or_else(|| CallError::new("there is no such number"))
}

fn log(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    from_f64(ln(number(args, 0).to_f64()) / ln(number(args, 1).to_f64()))
}

/// The natural logarithm as fdlibm calculates it, to the last digit: the argument is brought to the range from √½ to √2, there a
/// polynomial in `f / (2 + f)` does.
fn ln(x: f64) -> f64 {
    const LN2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];
    const ODD: [f64; 4] = [6.666_666_666_666_735e-1, 2.857_142_874_366_239e-1, 1.818_357_216_161_805e-1, 1.479_819_860_511_658_6e-1];
    const EVEN: [f64; 3] = [3.999_999_999_940_942e-1, 2.222_219_843_214_978_4e-1, 1.531_383_769_920_937_3e-1];
    if x.is_nan() || x.is_infinite() || x <= 0.0 {
        return x.ln();
    }
    let (mut fraction, mut exponent) = fraction_and_exponent(x);
    if fraction < std::f64::consts::FRAC_1_SQRT_2 {
        fraction *= 2.0;
        exponent -= 1;
    }
    let (f, k) = (fraction - 1.0, f64::from(exponent));
    let s = f / (2.0 + f);
    let s2 = s * s;
    let s4 = s2 * s2;
    let odd = s2 * (ODD[0] + s4 * (ODD[1] + s4 * (ODD[2] + s4 * ODD[3])));
    let even = s4 * (EVEN[0] + s4 * (EVEN[1] + s4 * EVEN[2]));
    let half = 0.5 * f * f;
    k * LN2[0] - ((half - (s * (half + (odd + even)) + k * LN2[1])) - f)
}

/// e to the power of `x`, to the digit that users know from the established tools: what is left of `x` after whole powers of two is
/// divided by 16, there a Taylor series gives `e^y - 1`, and four times `e^2y - 1 = (e^y - 1)(e^y - 1 + 2)` leads back.
fn exp(x: f64) -> f64 {
    const LN2_HIGH: f64 = 0.693_147_180_559_662_956_511_601_805_686_950_683_593_75;
    const LN2_LOW: f64 = 0.282_352_905_630_315_771_225_884_481_750_134_360_255_254_120_68e-12;
    if !(-708.0..=709.0).contains(&x) {
        return x.exp();
    }
    let k = (x * std::f64::consts::LOG2_E).round_ties_even();
    let y = (-LN2_LOW).mul_add(k, (-LN2_HIGH).mul_add(k, x)) * 0.0625;
    // 1/8!, 1/7!, … 1/1!
    let series = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0];
    let mut less_one = y * series.iter().fold(1.0 / 40320.0, |sum, c| f64::mul_add(sum, y, *c));
    for _ in 0..3 {
        less_one *= less_one + 2.0;
    }
    scale(less_one.mul_add(less_one + 2.0, 1.0), k as i32)
}

/// `x` as a fraction from ½ to 1, and a power of two.
fn fraction_and_exponent(x: f64) -> (f64, i32) {
    if x == 0.0 || !x.is_finite() {
        return (x, 0);
    }
    let (x, shift) = if x.is_subnormal() { (x * 2f64.powi(54), 54) } else { (x, 0) };
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7FF) as i32 - 1022;
    (f64::from_bits(bits & !(0x7FF << 52) | 1022 << 52), exponent - shift)
}

fn power(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    from_f64(pow(number(args, 0).to_f64(), number(args, 1).to_f64()))
}

/// Logarithms and powers are binary64 arithmetic where the language was first defined; the results show it.
/// By repeated squaring of the fraction, so that the last digits are those that users know from the established tools.
fn pow(x: f64, y: f64) -> f64 {
    match (x, y) {
        (_, 0.0) | (1.0, _) => return 1.0,
        (_, 1.0) => return x,
        (_, 0.5) => return x.sqrt(),
        (_, -0.5) => return 1.0 / x.sqrt(),
        _ => {}
    }
    let (mut whole, mut rest) = (y.abs().trunc(), y.abs().fract());
    if x == 0.0 || !x.is_finite() || !y.is_finite() || (rest != 0.0 && x < 0.0) {
        return x.powf(y);
    }
    if whole >= 9_223_372_036_854_775_808.0 {
        return match (x == -1.0, (x.abs() < 1.0) == (y > 0.0)) {
            (true, _) => 1.0,
            (_, true) => 0.0,
            _ => f64::INFINITY,
        };
    }
    let (mut result, mut result_exponent) = (1.0, 0i32);
    if rest != 0.0 {
        if rest > 0.5 {
            rest -= 1.0;
            whole += 1.0;
        }
        result = exp(rest * ln(x));
    }
    let (mut square, mut exponent) = fraction_and_exponent(x);
    let mut bits = whole as u64;
    while bits != 0 {
        if exponent.abs() > 1 << 12 {
            result_exponent += exponent;
            break;
        }
        if bits & 1 == 1 {
            result *= square;
            result_exponent += exponent;
        }
        square *= square;
        exponent <<= 1;
        if square < 0.5 {
            square += square;
            exponent -= 1;
        }
        bits >>= 1;
    }
    match y < 0.0 {
        true => scale(1.0 / result, -result_exponent),
        false => scale(result, result_exponent),
    }
}

/// `x * 2^exponent`, in steps that do not overflow by themselves.
fn scale(mut x: f64, mut exponent: i32) -> f64 {
    while exponent > 1000 && x.is_finite() {
        x *= 2f64.powi(1000);
        exponent -= 1000;
    }
    while exponent < -1000 && x != 0.0 {
        x *= 2f64.powi(-1000);
        exponent += 1000;
    }
    x * 2f64.powi(exponent.clamp(-1000, 1000))
}

fn extreme(args: &[Value], better: fn(&Number, &Number) -> bool) -> Result<Value, CallError> {
    let mut best: Option<&Number> = None;
    for n in args.iter().filter_map(Value::as_number) {
        if best.is_none_or(|b| better(n, b)) {
            best = Some(n);
        }
    }
    best.map(|n| n.clone().into()).ok_or_else(|| CallError::new("must pass at least one number"))
}

fn parseint(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let base = whole(args, 1)?;
    if !(2..=62).contains(&base) {
        return Err(CallError::arg(1, "base must be a whole number between 2 and 62 inclusive"));
    }
    let parsed = parse_digits(text(args, 0), base as u32);
    let n = parsed.ok_or_else(|| CallError::arg(0, format!("the given string cannot be parsed as a base {base} integer")))?;
    Ok(Number::from(n).into())
}

fn parse_digits(s: &str, base: u32) -> Option<IBig> {
    let (negative, digits) = match s.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, s.strip_prefix('+').unwrap_or(s)),
    };
    if digits.is_empty() {
        return None;
    }
    let mut n = IBig::ZERO;
    for c in digits.chars() {
        let digit = match c {
            '0'..='9' => c as u32 - '0' as u32,
            'a'..='z' => c as u32 - 'a' as u32 + 10,
            'A'..='Z' if base <= 36 => c as u32 - 'A' as u32 + 10,
            'A'..='Z' => c as u32 - 'A' as u32 + 36,
            _ => return None,
        };
        if digit >= base {
            return None;
        }
        n = n * IBig::from(base) + IBig::from(digit);
    }
    Some(if negative { -n } else { n })
}

fn sum(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let Some(items) = args.first().and_then(Value::as_slice) else {
        return Err(not_numbers());
    };
    if items.is_empty() {
        return Err(CallError::arg(0, "cannot sum an empty list"));
    }
    if items.iter().any(|v| !v.is_wholly_known()) {
        return Ok(Value::unknown_not_null(Type::Number));
    }
    let mut total = Number::ZERO;
    for item in items {
        let item = convert(item, &Type::Number).map_err(|_| not_numbers())?;
        let n = item.as_number().ok_or_else(not_numbers)?;
        if total.is_infinite() && n.is_infinite() && total != *n {
            return Err(CallError::arg(0, "the opposite infinities have no sum"));
        }
        total = total.add(n);
    }
    Ok(total.into())
}

fn not_numbers() -> CallError {
    CallError::arg(0, "argument must be list, set, or tuple of number values")
}
