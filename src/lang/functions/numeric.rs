//! Functions on numbers.

use dashu_int::IBig;

use super::{CallContext, CallError, Function, Kind, Param, Ret, convert, number, text, whole};
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
        NUMBER,
        parseint,
        "The whole number that a string of digits writes in a base from 2 to 62.",
    ),
    Function::new("pow", &[NUM, Param::new("power", Kind::Num)], NUMBER, power, "A number raised to a power."),
    Function::new("signum", &[NUM], NUMBER, |_, a| Ok(whole(a, 0)?.signum().into()), "-1, 0 or 1: the sign of a whole number."),
    Function::new("sum", &[Param::new("list", Kind::Any)], NUMBER, sum, "The sum of a list or set of numbers."),
];

fn from_f64(f: f64) -> Result<Value, CallError> {
    Number::from_f64(f).map(Value::from).ok_or_else(|| CallError::new("the result is not a finite number"))
}

fn log(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    from_f64(number(args, 0).to_f64().ln() / number(args, 1).to_f64().ln())
}

fn power(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    from_f64(pow(number(args, 0).to_f64(), number(args, 1).to_f64()))
}

/// Logarithms and powers are binary64 arithmetic where the language was first defined; the results show it.
/// By repeated squaring, so that the last digits are those that users know from the established tools.
fn pow(x: f64, y: f64) -> f64 {
    if y == 0.0 || x == 1.0 {
        return 1.0;
    }
    if y == 0.5 {
        return x.sqrt();
    }
    if y == -0.5 {
        return 1.0 / x.sqrt();
    }
    let (mut whole, mut fraction) = (y.abs().trunc(), y.abs().fract());
    if x == 0.0 || whole >= 9e18 || (fraction != 0.0 && x < 0.0) {
        return x.powf(y);
    }
    let mut result = 1.0;
    if fraction != 0.0 {
        if fraction > 0.5 {
            fraction -= 1.0;
            whole += 1.0;
        }
        result = (fraction * x.ln()).exp();
    }
    let (mut bits, mut square) = (whole as u64, x);
    while bits != 0 {
        if bits & 1 == 1 {
            result *= square;
        }
        bits >>= 1;
        if bits != 0 {
            square *= square;
        }
    }
    if y < 0.0 { 1.0 / result } else { result }
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
    let is_string = args.first().is_some_and(|v| v.as_str().is_some());
    if !is_string {
        let ty = args.first().map(Value::ty).unwrap_or(Type::Dynamic);
        return Err(CallError::arg(0, format!("first argument must be a string, not {ty}")));
    }
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
        return Err(CallError::arg(0, "cannot sum noniterable"));
    };
    if items.is_empty() {
        return Err(CallError::arg(0, "cannot sum an empty list"));
    }
    let mut total = Number::ZERO;
    for item in items {
        let item = convert(item, &Type::Number).map_err(|_| not_numbers())?;
        let n = item.as_number().ok_or_else(not_numbers)?;
        total = total.add(n);
    }
    Ok(total.into())
}

fn not_numbers() -> CallError {
    CallError::arg(0, "argument must be list, set, or tuple of number values")
}
