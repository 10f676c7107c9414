//! `format` and `formatlist`: verbs, flags, width and precision as in C's family of formatters, on exact numbers.

use std::iter::Peekable;
use std::str::Chars;

use dashu_base::UnsignedAbs;
use dashu_int::{IBig, UBig};
use unicode_segmentation::UnicodeSegmentation;

use super::Unknowns::Body;
use super::{CallContext, CallError, Function, Kind, Param, Ret, convert, json, text};
use crate::value::{Number, Refinement, Repr, Type, Value};

const FORMAT: Param = Param::new("format", Kind::Str);
const ARGS: Param = Param::new("args", Kind::Any).nullable().untyped().unknowns(Body);
const STRINGS: Kind = Kind::List(&Kind::Str);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "format",
        &[FORMAT],
        Ret::Is(Kind::Str),
        |_, a| match a[1..].iter().all(Value::is_wholly_known) {
            true => Ok(Value::string(format(text(a, 0), &a[1..])?)),
            false => Ok(unfinished(text(a, 0))),
        },
        "A text with values filled in by verbs such as %s and %d.",
    )
    .rest(ARGS),
    Function::new("formatlist", &[FORMAT], Ret::Is(STRINGS), formatlist, "A list of texts, one for each element of the given lists.")
        .rest(ARGS),
];

fn formatlist(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let (pattern, rest) = (text(args, 0), &args[1..]);
    let mut len = None;
    let mut unknown = false;
    for (i, list) in rest.iter().enumerate() {
        let Some(this) = list.as_slice().map(<[Value]>::len).or_else(|| tuple_len(list)) else {
            unknown |= !list.is_known() && matches!(list.ty(), Type::List(_) | Type::Set(_));
            continue;
        };
        unknown |= !list.is_known() || matches!(list.ty(), Type::Set(_)) && !list.is_wholly_known();
        let first = *len.get_or_insert(this);
        if first != this {
            let message = format!("argument {} has length {this}, which is inconsistent with an earlier argument of length {first}", i + 1);
            return Err(CallError::arg(i + 1, message));
        }
    }
    if unknown {
        return Ok(Value::unknown_not_null(Type::list(Type::String)));
    }
    let row = |i: usize| rest.iter().map(|v| v.as_slice().map_or_else(|| v.clone(), |l| l[i].clone())).collect::<Vec<_>>();
    let texts: Result<Vec<Value>, CallError> = (0..len.unwrap_or(1))
        .map(|i| match row(i) {
            args if args.iter().all(Value::is_wholly_known) => format(pattern, &args).map(Value::string),
            _ => Ok(unfinished(pattern)),
        })
        .enumerate()
        .map(|(i, text)| match len {
            Some(_) => text.map_err(|e| CallError::new(format!("error on format iteration {i}: {}", e.message))),
            None => text,
        })
        .collect();
    Ok(Value::list(Type::String, texts?))
}

/// How many elements a tuple that is not known has.
fn tuple_len(v: &Value) -> Option<usize> {
    match v.ty() {
        Type::Tuple(types) if !v.is_null() => Some(types.len()),
        _ => None,
    }
}

/// What is known of a text while a value in it is not: how it begins.
fn unfinished(pattern: &str) -> Value {
    let prefix = pattern.split('%').next().unwrap_or_default();
    let prefix = (!prefix.is_empty()).then(|| prefix.into());
    Value::unknown_with(Type::String, Refinement { not_null: true, prefix, ..Refinement::default() })
}

/// One `%…` of a format.
#[derive(Default)]
struct Verb {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
    arg: Option<usize>,
    mode: char,
    at: usize,
}

/// The greatest width and precision.
const MAX_WIDTH: usize = 1_000_000;

fn format(pattern: &str, args: &[Value]) -> Result<String, CallError> {
    let mut out = String::new();
    let (mut next, mut highest) = (0, 0);
    let mut rest = pattern.chars().peekable();
    let mut at = 0;
    while let Some(c) = rest.next() {
        at += 1;
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut verb = parse_verb(&mut rest, at - 1)?;
        at = pattern.chars().count() - rest.clone().count();
        if verb.mode == '%' {
            if at - verb.at > 2 {
                return Err(CallError::arg(0, format!("unsupported format verb '%' at offset {}", at - 1)));
            }
            out.push('%');
            continue;
        }
        let index = verb.arg.take().map_or(next, |n| n - 1);
        next = index + 1;
        highest = highest.max(next);
        let missing = || {
            CallError::new(format!(
                "not enough arguments for \"%{}\" at {}: need index {next} but have {} total",
                verb.mode,
                verb.at,
                args.len()
            ))
        };
        let arg = args.get(index).ok_or_else(missing)?;
        append(&verb, arg, &mut out)
            .map_err(|why| CallError::arg(index + 1, format!("unsupported value for \"%{}\" at {}: {why}", verb.mode, verb.at)))?;
    }
    if highest < args.len() {
        return Err(CallError::new(format!("too many arguments; only {highest} used by format string")));
    }
    Ok(out)
}

fn parse_verb(rest: &mut Peekable<Chars<'_>>, at: usize) -> Result<Verb, CallError> {
    let mut verb = Verb { at, ..Verb::default() };
    while let Some(c) = rest.next_if(|c| "+-# 0".contains(*c)) {
        match c {
            '+' => verb.plus = true,
            '-' => verb.minus = true,
            '#' => verb.sharp = true,
            ' ' => verb.space = true,
            _ => verb.zero = true,
        }
    }
    verb.width = digits(rest)?;
    if rest.next_if_eq(&'.').is_some() {
        verb.precision = Some(digits(rest)?.unwrap_or(0));
    }
    if rest.next_if_eq(&'[').is_some() {
        verb.arg = digits(rest)?.filter(|n| *n > 0);
        if verb.arg.is_none() || rest.next_if_eq(&']').is_none() {
            return Err(CallError::arg(0, format!("invalid argument number in the verb at {at}")));
        }
    }
    match rest.next() {
        Some(c) if "%vtbdoxXeEfgGsq".contains(c) => verb.mode = c,
        Some(c) => return Err(CallError::arg(0, format!("unsupported format verb '{c}' at offset {at}"))),
        None => return Err(CallError::arg(0, format!("unterminated verb at offset {at}"))),
    }
    Ok(verb)
}

fn digits(rest: &mut Peekable<Chars<'_>>) -> Result<Option<usize>, CallError> {
    let mut n = None;
    while let Some(d) = rest.peek().and_then(|c| c.to_digit(10)) {
        rest.next();
        let value = n.unwrap_or(0usize) * 10 + d as usize;
        if value > MAX_WIDTH {
            return Err(CallError::arg(0, format!("a number greater than {MAX_WIDTH} in a verb")));
        }
        n = Some(value);
    }
    Ok(n)
}

fn append(verb: &Verb, arg: &Value, out: &mut String) -> Result<(), String> {
    if verb.mode == 'v' {
        return append_any(verb, arg, out);
    }
    if arg.is_null() {
        return Err("null value cannot be formatted".to_string());
    }
    match verb.mode {
        't' => {
            let b = convert(arg, &Type::Bool)?;
            out.push_str(if b.as_bool() == Some(true) { "true" } else { "false" });
        }
        's' | 'q' => {
            let s = convert(arg, &Type::String)?;
            append_string(verb, s.as_str().unwrap_or_default(), verb.mode == 'q', out);
        }
        mode => {
            let n = convert(arg, &Type::Number)?;
            let n = n.as_number().cloned().unwrap_or(Number::ZERO);
            match mode {
                'b' | 'd' | 'o' | 'x' | 'X' => append_integer(verb, &n, out)?,
                _ => append_float(verb, mode, &n, out),
            }
        }
    }
    Ok(())
}

fn append_any(verb: &Verb, arg: &Value, out: &mut String) -> Result<(), String> {
    let verb = &Verb { precision: None, ..*verb };
    match arg.repr() {
        _ if verb.sharp => append_string(verb, &json::encode(arg)?, false, out),
        Repr::String(s) => append_string(verb, s, false, out),
        Repr::Number(n) if n.is_infinite() => append_string(verb, &n.to_string(), false, out),
        Repr::Number(n) => {
            let minus = if n.is_negative() { "-" } else { "" };
            append_string(verb, &format!("{minus}{}", general(n, None)), false, out);
        }
        Repr::Bool(b) => append_string(verb, if *b { "true" } else { "false" }, false, out),
        _ => append_string(verb, &json::encode(arg)?, false, out),
    }
    Ok(())
}

fn append_string(verb: &Verb, s: &str, quote: bool, out: &mut String) {
    let cut: String = match verb.precision {
        Some(n) if n > 0 => s.graphemes(true).take(n).collect(),
        _ => s.to_string(),
    };
    let mut shown = String::new();
    match quote {
        true => crate::value::json::write_string(&cut, &mut shown),
        false => shown = cut,
    }
    let fill = verb.width.unwrap_or(0).saturating_sub(shown.graphemes(true).count());
    match (verb.minus, verb.zero) {
        (true, _) => out.push_str(&(shown + &" ".repeat(fill))),
        (false, true) => out.push_str(&("0".repeat(fill) + &shown)),
        (false, false) => out.push_str(&(" ".repeat(fill) + &shown)),
    }
}

/// Puts sign, prefix and digits together, filled to the width.
fn append_number(verb: &Verb, negative: bool, prefix: &str, digits: &str, out: &mut String) {
    let sign = match (negative, verb.plus, verb.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    let fill = verb.width.unwrap_or(0).saturating_sub(sign.len() + prefix.len() + digits.len());
    let (before, zeros, after) = match (verb.minus, verb.zero) {
        (true, _) => (0, 0, fill),
        (_, true) => (0, fill, 0),
        _ => (fill, 0, 0),
    };
    let text = [&" ".repeat(before), sign, prefix, &"0".repeat(zeros), digits, &" ".repeat(after)].concat();
    out.push_str(&text);
}

fn append_integer(verb: &Verb, n: &Number, out: &mut String) -> Result<(), String> {
    let n = n.to_ibig().ok_or("an integer is required")?;
    let negative = n < IBig::ZERO;
    let magnitude: UBig = n.unsigned_abs();
    let (radix, prefix) = match verb.mode {
        'b' => (2, "0b"),
        'o' => (8, "0"),
        'x' => (16, "0x"),
        'X' => (16, "0X"),
        _ => (10, ""),
    };
    let mut digits = magnitude.in_radix(radix).to_string();
    if verb.mode == 'X' {
        digits.make_ascii_uppercase();
    }
    if let Some(least) = verb.precision {
        digits = "0".repeat(least.saturating_sub(digits.len())) + &digits;
    }
    // A least number of digits says already how many zeros there are.
    let verb = &Verb { zero: verb.zero && verb.precision.is_none(), ..*verb };
    append_number(verb, negative, if verb.sharp { prefix } else { "" }, &digits, out);
    Ok(())
}

/// Decimal digits without leading zeros, and where the point is: 0.0123 is `123` with the point at -1.
struct Decimal {
    digits: Vec<u8>,
    point: i64,
}

impl Decimal {
    /// Every digit of the number; a binary fraction has finitely many.
    fn exact(n: &Number) -> Decimal {
        let float = n.to_float();
        let (significand, exponent) = (float.repr().significand().clone(), float.repr().exponent());
        let magnitude: UBig = significand.unsigned_abs();
        let scaled = match exponent >= 0 {
            true => magnitude << exponent as usize,
            false => magnitude * UBig::from(5u8).pow(exponent.unsigned_abs()),
        };
        Decimal::new(&scaled.to_string(), if exponent < 0 { exponent as i64 } else { 0 })
    }

    /// The fewest digits that tell the number from its neighbours.
    fn shortest(n: &Number) -> Decimal {
        let text = n.to_string();
        let text = text.trim_start_matches('-');
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent: i64 = exponent.parse().unwrap_or(0);
        Decimal::new(&format!("{whole}{fraction}"), exponent - fraction.len() as i64)
    }

    /// `digits * 10^exponent`
    fn new(digits: &str, exponent: i64) -> Decimal {
        let digits = digits.trim_start_matches('0');
        let point = digits.len() as i64 + exponent;
        let digits = digits.trim_end_matches('0').as_bytes().to_vec();
        Decimal { point: if digits.is_empty() { 0 } else { point }, digits }
    }

    /// Keeps `n` digits, rounding half to even.
    fn round(&mut self, n: i64) {
        if n < 0 {
            self.digits.clear();
            self.point = 0;
            return;
        }
        let n = n as usize;
        if n >= self.digits.len() {
            return;
        }
        let half = self.digits[n] == b'5' && self.digits.len() == n + 1;
        let up = match half {
            true => n > 0 && (self.digits[n - 1] - b'0') % 2 == 1,
            false => self.digits[n] >= b'5',
        };
        self.digits.truncate(n);
        if up {
            while self.digits.last() == Some(&b'9') {
                self.digits.pop();
            }
            match self.digits.last_mut() {
                Some(d) => *d += 1,
                None => {
                    self.digits.push(b'1');
                    self.point += 1;
                }
            }
        }
        while self.digits.last() == Some(&b'0') {
            self.digits.pop();
        }
        if self.digits.is_empty() {
            self.point = 0;
        }
    }

    fn digit(&self, i: i64) -> char {
        usize::try_from(i).ok().and_then(|i| self.digits.get(i)).map_or('0', |d| *d as char)
    }

    fn plain(&self, precision: usize) -> String {
        let mut out: String = match self.point > 0 {
            true => (0..self.point).map(|i| self.digit(i)).collect(),
            false => "0".to_string(),
        };
        if precision > 0 {
            out.push('.');
            out.extend((0..precision as i64).map(|i| self.digit(self.point + i)));
        }
        out
    }

    fn scientific(&self, precision: usize) -> String {
        let mut out = String::from(self.digit(0));
        if precision > 0 {
            out.push('.');
            out.extend((1..=precision as i64).map(|i| self.digit(i)));
        }
        let exponent = if self.digits.is_empty() { 0 } else { self.point - 1 };
        out.push_str(&format!("e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()));
        out
    }
}

fn append_float(verb: &Verb, mode: char, n: &Number, out: &mut String) {
    let precision = verb.precision;
    if n.is_infinite() {
        // Always with its sign, and never filled with zeros.
        return append_string(&Verb { precision: None, zero: false, ..*verb }, &n.to_string(), false, out);
    }
    let mut text = match mode {
        'f' => {
            let precision = precision.unwrap_or(6);
            let mut d = Decimal::exact(n);
            d.round(d.point + precision as i64);
            d.plain(precision)
        }
        'e' | 'E' => {
            let precision = precision.unwrap_or(6);
            let mut d = Decimal::exact(n);
            d.round(precision as i64 + 1);
            d.scientific(precision)
        }
        _ => general(n, precision),
    };
    if mode.is_ascii_uppercase() {
        text.make_ascii_uppercase();
    }
    append_number(verb, n.is_negative(), "", &text, out);
}

/// The shorter of plain and scientific notation.
fn general(n: &Number, precision: Option<usize>) -> String {
    let (d, limit) = match precision {
        None => (Decimal::shortest(n), 6),
        Some(p) => {
            let p = p.max(1) as i64;
            let mut d = Decimal::exact(n);
            d.round(p);
            (d, p)
        }
    };
    let len = d.digits.len() as i64;
    // A whole number whose digits all count is written plainly however long it is only when a precision asks for it.
    let limit = if precision.is_some() && limit > len && len >= d.point { len.max(1) } else { limit };
    let exponent = if d.digits.is_empty() { 0 } else { d.point - 1 };
    match exponent < -4 || exponent >= limit {
        true => d.scientific((len - 1).max(0) as usize),
        false => d.plain((len - d.point).max(0) as usize),
    }
}
