//! Dates and times: RFC 3339 timestamps, formatted, shifted and compared.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{CallContext, CallError, Function, Kind, Param, Ret, text};
use crate::value::{Type, Value};

const STRING: Ret = Ret::Is(Kind::Str);
const TIMESTAMP: Param = Param::new("timestamp", Kind::Str);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "formatdate",
        &[Param::new("format", Kind::Str), Param::new("time", Kind::Str)],
        STRING,
        formatdate,
        "A timestamp written by a pattern.",
    ),
    Function::new("plantimestamp", &[], STRING, |cx, _| moment(cx.host.plan_time()), "The time at which the plan was made."),
    Function::new(
        "timeadd",
        &[TIMESTAMP, Param::new("duration", Kind::Str)],
        STRING,
        timeadd,
        "A timestamp moved by a duration such as \"1h30m\".",
    ),
    Function::new(
        "timecmp",
        &[Param::new("timestamp_a", Kind::Str), Param::new("timestamp_b", Kind::Str)],
        Ret::Is(Kind::Num),
        timecmp,
        "-1, 0 or 1: the order of two timestamps.",
    ),
    Function::new("timestamp", &[], STRING, timestamp, "The current time; not known while planning."),
];

/// A local date and time with its distance from UTC in seconds.
pub(super) struct Moment {
    local: DateTime,
    offset: i64,
}

impl Moment {
    fn utc(&self) -> Option<DateTime> {
        self.local.checked_sub(SignedDuration::from_secs(self.offset)).ok()
    }

    fn zone(&self, colon: &str) -> String {
        let minutes = self.offset.abs() / 60;
        format!("{}{:02}{colon}{:02}", if self.offset < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
    }
}

/// The timestamp to the second, as RFC 3339.
pub(super) fn rfc3339(m: &Moment) -> String {
    let d = m.local;
    let zone = if m.offset == 0 { "Z".to_string() } else { m.zone(":") };
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{zone}", d.year(), d.month(), d.day(), d.hour(), d.minute(), d.second())
}

fn moment((seconds, nanos): (i64, u32)) -> Result<Value, CallError> {
    let stamp = Timestamp::new(seconds, nanos as i32).map_err(|_| CallError::new("the clock is out of range"))?;
    Ok(Value::string(rfc3339(&Moment { local: TimeZone::UTC.to_datetime(stamp), offset: 0 })))
}

fn timestamp(cx: &CallContext<'_>, _: &[Value]) -> Result<Value, CallError> {
    match cx.host.now() {
        Some(now) => moment(now),
        None => Ok(Value::unknown_not_null(Type::String)),
    }
}

fn numeral(s: &str, len: usize) -> Option<(i64, &str)> {
    let digits = s.get(..len).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    Some((digits.parse().ok()?, &s[len..]))
}

/// A timestamp for a comparison, where more is accepted: an hour of one digit, a decimal comma, an offset of up to a whole day.
fn loose(s: &str) -> Option<Moment> {
    let (year, s) = numeral(s, 4)?;
    let (month, s) = numeral(s.strip_prefix('-')?, 2)?;
    let (day, s) = numeral(s.strip_prefix('-')?, 2)?;
    let s = s.strip_prefix('T')?;
    let (hour, s) = numeral(s, 2).or_else(|| numeral(s, 1))?;
    time_of(year, month, day, hour, &s.replacen(',', ".", 1), 24, 60)
}

fn parse(s: &str) -> Option<Moment> {
    let (year, s) = numeral(s, 4)?;
    let (month, s) = numeral(s.strip_prefix('-')?, 2)?;
    let (day, s) = numeral(s.strip_prefix('-')?, 2)?;
    let (hour, s) = numeral(s.strip_prefix('T')?, 2)?;
    time_of(year, month, day, hour, s, 23, 59)
}

/// `hours` and `minutes` are the most that an offset may have of them.
fn time_of(year: i64, month: i64, day: i64, hour: i64, s: &str, hours: i64, minutes: i64) -> Option<Moment> {
    let (minute, s) = numeral(s.strip_prefix(':')?, 2)?;
    let (second, s) = numeral(s.strip_prefix(':')?, 2)?;
    let (nanos, s) = fraction(s)?;
    let offset = zone(s, hours, minutes)?;
    if second > 59 {
        return None;
    }
    let local = DateTime::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(second).ok()?,
        i32::try_from(nanos).ok()?,
    );
    Some(Moment { local: local.ok()?, offset })
}

fn fraction(s: &str) -> Option<(i64, &str)> {
    let Some(rest) = s.strip_prefix('.') else { return Some((0, s)) };
    let len = rest.bytes().take_while(u8::is_ascii_digit).count();
    let nanos: String = rest[..len].chars().chain("000000000".chars()).take(9).collect();
    if len == 0 { None } else { Some((nanos.parse().ok()?, &rest[len..])) }
}

fn zone(s: &str, most_hours: i64, most_minutes: i64) -> Option<i64> {
    if s == "Z" {
        return Some(0);
    }
    let sign = match s.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, s) = numeral(&s[1..], 2)?;
    let (minutes, s) = numeral(s.strip_prefix(':')?, 2)?;
    (s.is_empty() && hours <= most_hours && minutes <= most_minutes).then_some(sign * (hours * 60 + minutes) * 60)
}

/// A date, or a timestamp in the looser forms that YAML has.
pub(super) fn parse_date_or_timestamp(s: &str) -> Option<Moment> {
    let (year, s) = numeral(s, 4)?;
    let (month, s) = short(s.strip_prefix('-')?)?;
    let (day, s) = short(s.strip_prefix('-')?)?;
    if s.is_empty() {
        return time_of(year, month, day, 0, ":00:00Z", 23, 59);
    }
    // With `T` a zone must follow; with a space none may.
    let spaced = s.starts_with(' ');
    let (hour, s) = short(s.strip_prefix(['T', 't', ' '])?)?;
    match spaced {
        true => time_of(year, month, day, hour, &format!("{s}Z"), 23, 59),
        false => time_of(year, month, day, hour, s, 23, 59),
    }
}

fn short(s: &str) -> Option<(i64, &str)> {
    numeral(s, 2).or_else(|| numeral(s, 1))
}

fn argument(args: &[Value], i: usize) -> Result<Moment, CallError> {
    parse(text(args, i)).ok_or_else(|| invalid(args, i))
}

fn invalid(args: &[Value], i: usize) -> CallError {
    CallError::arg(i, format!("not a valid RFC3339 timestamp: \"{}\"", text(args, i)))
}

fn timeadd(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let Moment { local, offset } = argument(args, 0)?;
    let by = parse_duration(text(args, 1))
        .ok_or_else(|| CallError::arg(1, "not a duration: use numbers with the units ns, us, ms, s, m, h, as in \"1h30m\""))?;
    let by = SignedDuration::new((by / 1_000_000_000) as i64, (by % 1_000_000_000) as i32);
    match local.checked_add(by) {
        Ok(local) if local.year() >= 0 => Ok(Value::string(rfc3339(&Moment { local, offset }))),
        _ => Ok(Value::string(far(local, by, offset))),
    }
}

/// A sum that is before the year 0 or after 9999. As the calendar repeats itself every 400 years, it is calculated that much
/// nearer to today.
fn far(local: DateTime, by: SignedDuration, offset: i64) -> String {
    let cycle = if by.is_negative() { 400 } else { -400 };
    let near = local.with().year(local.year() + cycle).build().and_then(|d| d.checked_add(by)).unwrap_or(local);
    let text = rfc3339(&Moment { local: near, offset });
    let year = i32::from(near.year()) - i32::from(cycle);
    let sign = if year < 0 { "-" } else { "" };
    format!("{sign}{:04}{}", year.abs(), text.get(4..).unwrap_or_default())
}

fn timecmp(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let utc = |i| {
        loose(text(args, i))
            .ok_or_else(|| invalid(args, i))?
            .utc()
            .ok_or_else(|| CallError::arg(i, "the timestamp is out of the range of dates"))
    };
    Ok(Value::from(utc(0)?.cmp(&utc(1)?) as i64))
}

/// Nanoseconds of a duration such as `1h30m` or `-1.5s`; at most some 292 years.
pub(super) fn parse_duration(s: &str) -> Option<i128> {
    let (sign, mut rest) = match s.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, s.strip_prefix('+').unwrap_or(s)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0i128;
    while !rest.is_empty() {
        let len = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, tail) = rest.split_at(len);
        let unit_len = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, after) = tail.split_at(unit_len);
        let nanos: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        total += scaled(amount, nanos)?;
        rest = after;
    }
    (total <= i64::MAX as i128).then_some(sign * total)
}

/// `amount * unit` of a decimal amount, rounded down to whole units of one.
pub(super) fn scaled(amount: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    if whole.len() + fraction.len() == 0 || whole.len() > 18 || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = &fraction[..fraction.len().min(15)];
    let part: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    Some(whole * unit + part * unit / 10i128.pow(fraction.len() as u32))
}

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

fn formatdate(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let m = argument(args, 1)?;
    let mut out = String::new();
    let mut rest = text(args, 0);
    while let Some(c) = rest.chars().next() {
        let len = match c {
            '\'' => {
                let len = literal(rest, &mut out).ok_or_else(|| CallError::arg(0, "unterminated literal '"))?;
                rest = &rest[len..];
                continue;
            }
            'a'..='z' | 'A'..='Z' => rest.len() - rest.trim_start_matches(c).len(),
            _ => c.len_utf8(),
        };
        let (token, tail) = rest.split_at(len);
        match c.is_ascii_alphabetic() {
            true => out.push_str(&field(token, &m).ok_or_else(|| CallError::arg(0, format!("invalid date format verb \"{token}\"")))?),
            false => out.push_str(token),
        }
        rest = tail;
    }
    Ok(Value::string(out))
}

/// Copies a quoted literal, in which `''` is one quote; returns its length with the quotes.
fn literal(s: &str, out: &mut String) -> Option<usize> {
    if s.starts_with("''") {
        out.push('\'');
        return Some(2);
    }
    let mut at = 1;
    loop {
        let end = at + s[at..].find('\'')?;
        out.push_str(&s[at..end]);
        if !s[end + 1..].starts_with('\'') {
            return Some(end + 1);
        }
        out.push('\'');
        at = end + 2;
        // Two quotes at the very end are one, and the end, as Terraform has it.
        if at == s.len() {
            return Some(at);
        }
    }
}

fn field(token: &str, m: &Moment) -> Option<String> {
    let d = m.local;
    let month = MONTHS[(d.month() as usize).saturating_sub(1).min(11)];
    let weekday = match d.weekday() {
        jiff::civil::Weekday::Monday => "Monday",
        jiff::civil::Weekday::Tuesday => "Tuesday",
        jiff::civil::Weekday::Wednesday => "Wednesday",
        jiff::civil::Weekday::Thursday => "Thursday",
        jiff::civil::Weekday::Friday => "Friday",
        jiff::civil::Weekday::Saturday => "Saturday",
        jiff::civil::Weekday::Sunday => "Sunday",
    };
    let twelve = (d.hour() + 11) % 12 + 1;
    Some(match token {
        "YYYY" => format!("{:04}", d.year()),
        "YY" => format!("{:02}", d.year() % 100),
        "MMMM" => month.to_string(),
        "MMM" => month[..3].to_string(),
        "MM" => format!("{:02}", d.month()),
        "M" => d.month().to_string(),
        "DD" => format!("{:02}", d.day()),
        "D" => d.day().to_string(),
        "EEEE" => weekday.to_string(),
        "EEE" => weekday[..3].to_string(),
        "hh" => format!("{:02}", d.hour()),
        "h" => d.hour().to_string(),
        "HH" => format!("{twelve:02}"),
        "H" => twelve.to_string(),
        "AA" => if d.hour() < 12 { "AM" } else { "PM" }.to_string(),
        "aa" => if d.hour() < 12 { "am" } else { "pm" }.to_string(),
        "mm" => format!("{:02}", d.minute()),
        "m" => d.minute().to_string(),
        "ss" => format!("{:02}", d.second()),
        "s" => d.second().to_string(),
        "ZZZZZ" => m.zone(":"),
        "ZZZZ" => m.zone(""),
        "ZZZ" if m.offset == 0 => "UTC".to_string(),
        "ZZZ" => m.zone(""),
        "Z" if m.offset == 0 => "Z".to_string(),
        "Z" => m.zone(":"),
        _ => return None,
    })
}
