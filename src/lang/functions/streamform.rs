//! Functions that users of Kafka need: durations and sizes as its settings want them, and Java property files.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;
use std::sync::Arc;

use super::datetime::scaled;
use super::{CallContext, CallError, Function, Kind, Param, Ret, text};
use crate::value::{Number, Type, Value};

const MAP: Kind = Kind::Map(&Kind::Str);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "streamform::bytes",
        &[Param::new("size", Kind::Str)],
        Ret::Is(Kind::Num),
        bytes,
        "The bytes of a size such as \"1GiB\" (1024³) or \"500MB\" (1000²).",
    ),
    Function::new(
        "streamform::duration_ms",
        &[Param::new("duration", Kind::Str)],
        Ret::Is(Kind::Num),
        duration_ms,
        "The milliseconds of a duration such as \"7d\" or \"1h30m\".",
    ),
    Function::new(
        "streamform::properties_decode",
        &[Param::new("text", Kind::Str)],
        Ret::Is(MAP),
        |_, a| properties_decode(text(a, 0)),
        "The settings of a Java properties text.",
    ),
    Function::new(
        "streamform::properties_encode",
        &[Param::new("settings", MAP)],
        Ret::Is(Kind::Str),
        properties_encode,
        "Settings as a Java properties text, sorted by name; null ones are left out.",
    ),
];

/// Amounts with units, as in `1h30m`: the sum in the smallest unit, or `None`.
fn amounts(s: &str, unit: fn(&str) -> Option<i128>) -> Option<i128> {
    let mut rest = s.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total = 0i128;
    while !rest.is_empty() {
        let len = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (amount, tail) = rest.split_at(len);
        let tail = tail.trim_start();
        let unit_len = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let (name, after) = tail.split_at(unit_len);
        // The factor keeps fractions exact; what is not a whole number in the end is an error.
        let part = scaled(amount, unit(name)?.checked_mul(FRACTION)?)?;
        total = total.checked_add(part)?;
        rest = after.trim_start();
    }
    (total % FRACTION == 0).then_some(total / FRACTION)
}

const FRACTION: i128 = 1_000_000;

fn result(n: i128) -> Result<Value, CallError> {
    Ok(Number::from(dashu_int::IBig::from(n)).into())
}

/// The milliseconds of a duration such as `7d`, `1h30m` or `500ms`, or `None` when it is none, or not of whole milliseconds.
pub(crate) fn milliseconds(duration: &str) -> Option<i128> {
    amounts(duration, |unit| {
        Some(match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        })
    })
}

fn duration_ms(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    result(milliseconds(text(args, 0)).ok_or_else(|| {
        CallError::arg(0, "not a duration of whole milliseconds: use numbers with the units ms, s, m, h, d or w, as in \"7d\" or \"1h30m\"")
    })?)
}

fn bytes(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let bytes = amounts(text(args, 0), |unit| {
        Some(match unit {
            "" | "B" => 1,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            "PB" => 1_000_000_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            "PiB" => 1 << 50,
            _ => return None,
        })
    });
    result(bytes.ok_or_else(|| CallError::arg(0, "not a size of whole bytes: use a number with the unit B, kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024)"))?)
}

/// Lines of the text with continued ones joined and comments left out.
fn logical_lines(s: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    for line in s.split(['\n', '\r']) {
        let line = line.trim_start_matches([' ', '\t', '\u{c}']);
        if !open && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let backslashes = line.len() - line.trim_end_matches('\\').len();
        let continues = backslashes % 2 == 1;
        let line = if continues { &line[..line.len() - 1] } else { line };
        match (open, lines.last_mut()) {
            (true, Some(last)) => last.push_str(line),
            _ => lines.push(line.to_string()),
        }
        open = continues;
    }
    lines
}

/// The settings of a Java properties text; `None` where it is none.
pub(crate) fn properties(text: &str) -> Option<BTreeMap<String, String>> {
    let settings = properties_decode(text).ok()?;
    Some(settings.as_map()?.iter().filter_map(|(k, v)| Some((k.to_string(), v.as_str()?.to_string()))).collect())
}

fn properties_decode(s: &str) -> Result<Value, CallError> {
    let mut settings: BTreeMap<Arc<str>, Value> = BTreeMap::new();
    for line in logical_lines(&s.replace("\r\n", "\n")) {
        let mut chars = line.chars().peekable();
        let key = unescape(&mut chars, |c| matches!(c, '=' | ':' | ' ' | '\t' | '\u{c}'))?;
        while chars.next_if(|c| matches!(c, ' ' | '\t' | '\u{c}')).is_some() {}
        if chars.next_if(|c| matches!(c, '=' | ':')).is_some() {
            while chars.next_if(|c| matches!(c, ' ' | '\t' | '\u{c}')).is_some() {}
        }
        let value = unescape(&mut chars, |_| false)?;
        settings.insert(Value::string(key).as_str().unwrap_or_default().into(), Value::string(value));
    }
    Ok(Value::map(Type::String, settings.into()))
}

fn unescape(chars: &mut Peekable<Chars<'_>>, end: fn(char) -> bool) -> Result<String, CallError> {
    let mut units: Vec<u16> = Vec::new();
    let mut buffer = [0; 2];
    while let Some(c) = chars.next_if(|c| !end(*c)) {
        let c = match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('u')) => {
                let hex: String = chars.by_ref().take(4).collect();
                let unit = u16::from_str_radix(&hex, 16).ok().filter(|_| hex.len() == 4);
                units.push(unit.ok_or_else(|| CallError::arg(0, "\\u must be followed by four hexadecimal digits"))?);
                continue;
            }
            ('\\', Some('n')) => '\n',
            ('\\', Some('r')) => '\r',
            ('\\', Some('t')) => '\t',
            ('\\', Some('f')) => '\u{c}',
            ('\\', Some(other)) => other,
            (plain, _) => plain,
        };
        units.extend_from_slice(c.encode_utf16(&mut buffer));
    }
    String::from_utf16(&units).map_err(|_| CallError::arg(0, "a \\u escape is half of a surrogate pair"))
}

fn properties_encode(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let mut out = String::new();
    for (key, value) in args[0].as_map().into_iter().flatten() {
        if let Some(value) = value.as_str() {
            let _ = writeln!(out, "{}={}", escape(key, true), escape(value, false));
        }
    }
    Ok(Value::string(out))
}

fn escape(s: &str, key: bool) -> String {
    let mut out = String::new();
    for (i, c) in s.chars().enumerate() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            '\\' => out.push_str("\\\\"),
            ' ' if key || i == 0 => out.push_str("\\ "),
            '=' | ':' if key => out.extend(['\\', c]),
            '#' | '!' if key && i == 0 => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}
