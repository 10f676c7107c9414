//! Regular expressions with RE2's syntax and ASCII classes, on the regex crate.

use std::iter::Peekable;
use std::str::Chars;
use std::sync::Arc;

use regex::{Captures, Regex};

use super::{CallContext, CallError, Function, Kind, Param, Ret, text};
use crate::value::{Type, Value};

const PARAMS: &[Param] = &[Param::new("pattern", Kind::Str), Param::new("string", Kind::Str)];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "regex",
        PARAMS,
        Ret::Of(|a| Ok(result_type(a))),
        regex,
        "The first match of a regular expression: the text, or its capture groups.",
    ),
    Function::new("regexall", PARAMS, Ret::Of(|a| Ok(Type::list(result_type(a)))), regexall, "All matches of a regular expression."),
];

/// Replaces all matches; `$1`, `$name` and `${name}` in `by` stand for groups.
pub(super) fn replace_all(pattern: &str, s: &str, by: &str) -> Result<String, String> {
    Ok(compile(pattern)?.replace_all(s, |found: &Captures<'_>| expand(found, by)).into_owned())
}

/// Fills in the groups. A `$` without a well-formed name stays as it is, and a number with a leading zero is a name.
fn expand(found: &Captures<'_>, by: &str) -> String {
    let mut out = String::new();
    let mut rest = by;
    while let Some((text, after)) = rest.split_once('$') {
        out.push_str(text);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let braced = rest.strip_prefix('{');
        let body = braced.unwrap_or(rest);
        let (name, after) = body.split_at(body.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(body.len()));
        let after = if braced.is_some() { after.strip_prefix('}') } else { Some(after) };
        let Some(after) = after.filter(|_| !name.is_empty()) else {
            out.push('$');
            continue;
        };
        rest = after;
        let number = if name.len() > 1 && name.starts_with('0') { None } else { name.parse::<usize>().ok() };
        let group = match number {
            Some(n) => found.get(n),
            None => found.name(name),
        };
        out.push_str(group.map_or("", |m| m.as_str()));
    }
    out + rest
}

/// The most repetitions that RE2 takes.
const MAX_REPEAT: u64 = 1000;

fn compile(pattern: &str) -> Result<Regex, String> {
    let counts = pattern.split('{').skip(1).filter_map(|r| r.split_once('}')).flat_map(|(body, _)| body.split(','));
    if counts.filter_map(|n| n.parse::<u64>().ok()).any(|n| n > MAX_REPEAT) {
        return Err(format!("invalid regular expression: more than {MAX_REPEAT} repetitions"));
    }
    let translated = translate(pattern).map_err(|e| format!("invalid regular expression: {e}"))?;
    Regex::new(&translated).map_err(|e| match e {
        regex::Error::CompiledTooBig(_) => "the regular expression is too large".to_string(),
        _ => format!("invalid regular expression: {}", last_line(&e.to_string())),
    })
}

fn last_line(s: &str) -> &str {
    let line = s.trim_end().lines().last().unwrap_or(s);
    line.strip_prefix("error: ").unwrap_or(line)
}

fn regex(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let (re, shape) = prepare(args)?;
    let found = re.captures(text(args, 1)).ok_or_else(|| CallError::new("pattern did not match any part of the given string"))?;
    Ok(shape.value(&found))
}

fn regexall(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let (re, shape) = prepare(args)?;
    Ok(Value::list(shape.ty(), re.captures_iter(text(args, 1)).map(|c| shape.value(&c)).collect()))
}

fn prepare(args: &[Value]) -> Result<(Regex, Shape), CallError> {
    let re = compile(text(args, 0)).map_err(|m| CallError::arg(0, m))?;
    let shape = Shape::of(&re).map_err(|m| CallError::arg(0, m))?;
    Ok((re, shape))
}

fn result_type(args: &[Value]) -> Type {
    match args.first().is_some_and(Value::is_known) {
        true => prepare(args).map(|(_, shape)| shape.ty()).unwrap_or(Type::Dynamic),
        false => Type::Dynamic,
    }
}

/// What a match becomes, decided by the groups of the pattern.
enum Shape {
    Whole,
    Tuple(usize),
    Object(Vec<Arc<str>>),
}

impl Shape {
    fn of(re: &Regex) -> Result<Shape, String> {
        let groups: Vec<Option<&str>> = re.capture_names().skip(1).collect();
        if groups.is_empty() {
            return Ok(Shape::Whole);
        }
        let names: Vec<Arc<str>> = groups.iter().flatten().map(|n| Arc::from(*n)).collect();
        match names.len() {
            0 => Ok(Shape::Tuple(groups.len())),
            n if n == groups.len() => Ok(Shape::Object(names)),
            _ => Err("invalid regular expression: cannot mix both named and unnamed capture groups".to_string()),
        }
    }

    fn ty(&self) -> Type {
        match self {
            Shape::Whole => Type::String,
            Shape::Tuple(n) => Type::Tuple(vec![Type::String; *n].into()),
            Shape::Object(names) => Type::object(names.iter().map(|n| (n.clone(), Type::String))),
        }
    }

    fn value(&self, found: &Captures<'_>) -> Value {
        let group = |i: usize| found.get(i).map_or_else(|| Value::null(Type::String), |m| Value::string(m.as_str()));
        match self {
            Shape::Whole => group(0),
            Shape::Tuple(n) => Value::tuple((1..=*n).map(group).collect()),
            Shape::Object(names) => Value::object(names.iter().enumerate().map(|(i, n)| (n.clone(), group(i + 1))).collect()),
        }
    }
}

/// Rewrites what RE2 and the regex crate read differently: classes are ASCII, braces that are no repetition and
/// brackets or `&` inside a class are literal, `\Q…\E` quotes, `\<` is a plain `<`.
fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern.chars().peekable();
    let mut class = false;
    let mut counts = Counts::default();
    while let Some(c) = rest.next() {
        if !class {
            counts.see(c, &rest)?;
        }
        match c {
            '\\' => escape(&mut rest, class, &mut out)?,
            '(' if !class && rest.peek() == Some(&'?') => group(&mut rest, &mut out)?,
            '-' if class && out.ends_with('-') && !out.ends_with("\\-") => out.push_str("\\-"),
            '[' if class => bracket_in_class(&mut rest, &mut out)?,
            '[' => {
                class = true;
                open_class(&mut rest, &mut out);
            }
            ']' if class => {
                class = false;
                out.push(c);
            }
            '&' | '~' if class => out.extend(['\\', c]),
            '{' if !class && !is_repetition(&rest) => out.push_str("\\{"),
            '*' | '+' | '?' | '{' if !class && repeats(&mut rest, c, &mut out) => {
                return Err("invalid nested repetition operator".to_string());
            }
            '*' | '+' | '?' | '{' if !class => {}
            _ => out.push(c),
        }
    }
    Ok(out)
}

/// Repetitions of repetitions, which count together.
#[derive(Default)]
struct Counts {
    /// The greatest count in each open group, outermost first.
    open: Vec<u64>,
    /// That of the last item.
    last: u64,
}

impl Counts {
    /// Looks at a character outside of a class.
    fn see(&mut self, c: char, rest: &Peekable<Chars<'_>>) -> Result<(), String> {
        match c {
            '(' => self.open.push(1),
            ')' => self.last = self.open.pop().unwrap_or(1),
            '{' if is_repetition(rest) => {
                let body: String = rest.clone().take_while(|c| *c != '}').collect();
                let (low, high) = body.split_once(',').unwrap_or((&body, &body));
                let count = if high.is_empty() { low } else { high }.parse().unwrap_or(u64::MAX);
                self.last = self.last.max(1).saturating_mul(count.max(1));
                if self.last > MAX_REPEAT {
                    return Err("invalid repeat count".to_string());
                }
            }
            '*' | '+' | '?' => {}
            _ => self.last = 1,
        }
        if let Some(group) = self.open.last_mut() {
            *group = self.last.max(*group);
        }
        Ok(())
    }
}

/// Copies what follows the parenthesis of a group with `?`: a name or flags, of which RE2 knows fewer.
fn group(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), String> {
    let text: String = rest.clone().collect();
    let refused = || Err("invalid or unsupported Perl syntax".to_string());
    if let Some(named) = text.strip_prefix("?P<").or_else(|| text.strip_prefix("?<")) {
        let name = named.split('>').next().unwrap_or_default();
        if name.is_empty() || name.len() == named.len() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return refused();
        }
        out.push('(');
        return Ok(());
    }
    let Some(end) = text.find([':', ')']) else { return refused() };
    let (on, off) = match text[1..end].split_once('-') {
        Some((on, off)) if !off.is_empty() => (on, off),
        Some(_) => return refused(),
        None => (&text[1..end], ""),
    };
    if !on.chars().chain(off.chars()).all(|c| "imsU".contains(c)) {
        return refused();
    }
    let once = |flags: &str, but: &str| "imsU".chars().filter(|c| flags.contains(*c) && !but.contains(*c)).collect::<String>();
    let (on, off) = (once(on, off), once(off, ""));
    out.push_str("(?");
    out.push_str(&on);
    if !off.is_empty() {
        out.push('-');
        out.push_str(&off);
    }
    // Without any flag only the form with a colon is one.
    let bare = on.is_empty() && off.is_empty() && text[end..].starts_with(')');
    out.push_str(if bare { ":" } else { "" });
    rest.by_ref().take(end).for_each(drop);
    Ok(())
}

/// Copies a repetition with the `?` that makes it lazy. Whether another repetition follows, which RE2 refuses.
fn repeats(rest: &mut Peekable<Chars<'_>>, first: char, out: &mut String) -> bool {
    let group_flag = first == '?' && out.ends_with('(') && !out.ends_with("\\(");
    out.push(first);
    if group_flag {
        return false;
    }
    if first == '{' {
        for c in rest.by_ref() {
            out.push(c);
            if c == '}' {
                break;
            }
        }
    }
    out.extend(rest.next_if_eq(&'?'));
    match rest.peek() {
        Some('*' | '+' | '?') => true,
        Some('{') => {
            let mut after = rest.clone();
            after.next();
            is_repetition(&after)
        }
        _ => false,
    }
}

fn open_class(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    if let Some(caret) = rest.next_if_eq(&'^') {
        out.push(caret);
    }
    if rest.next_if_eq(&']').is_some() {
        out.push_str("\\]");
    }
}

/// The names of `[[:…:]]`.
const CLASSES: &[&str] =
    &["alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word", "xdigit"];

fn bracket_in_class(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), String> {
    let named = rest.peek() == Some(&':') && rest.clone().collect::<String>().contains(":]");
    if !named {
        out.push_str("\\[");
        return Ok(());
    }
    let name: String = rest.clone().skip(1).take_while(|c| *c != ':').collect();
    if !CLASSES.contains(&name.strip_prefix('^').unwrap_or(&name)) {
        return Err(format!("invalid character class range [:{name}:]"));
    }
    out.push('[');
    let mut previous = ' ';
    for c in rest.by_ref() {
        out.push(c);
        if previous == ':' && c == ']' {
            break;
        }
        previous = c;
    }
    Ok(())
}

fn is_repetition(rest: &Peekable<Chars<'_>>) -> bool {
    let body: String = rest.clone().take_while(|c| *c != '}').collect();
    let closed = rest.clone().any(|c| c == '}');
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit()) && (s.len() == 1 || !s.starts_with('0'));
    closed
        && match body.split_once(',') {
            Some((low, high)) => digits(low) && (high.is_empty() || digits(high)),
            None => digits(&body),
        }
}

fn escape(rest: &mut Peekable<Chars<'_>>, class: bool, out: &mut String) -> Result<(), String> {
    let Some(c) = rest.next() else {
        out.push('\\');
        return Ok(());
    };
    let inner = match c.to_ascii_lowercase() {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => r"\t\n\f\r\x20",
        _ => "",
    };
    match c {
        'd' | 'w' | 's' if class => out.push_str(inner),
        'd' | 'w' | 's' => out.push_str(&format!("[{inner}]")),
        'D' | 'W' | 'S' => out.push_str(&format!("[^{inner}]")),
        'b' if !class => out.push_str(r"(?-u:\b)"),
        'Q' | 'u' | 'U' if class || c != 'Q' => return Err("invalid escape sequence".to_string()),
        'Q' => quoted(rest, out),
        '<' | '>' => out.push(c),
        'p' | 'P' if rest.peek() == Some(&'{') => property(c, rest, out)?,
        '0' => octal(0, rest, out),
        '1'..='7' if rest.peek().is_some_and(|d| ('0'..='7').contains(d)) => octal(c as u32 - '0' as u32, rest, out),
        'x' if rest.peek() == Some(&'{') => {
            out.extend(['\\', c]);
            for inner in rest.by_ref() {
                out.push(inner);
                if inner == '}' {
                    break;
                }
            }
        }
        _ => out.extend(['\\', c]),
    }
    // Behind a class a hyphen is one.
    if class && !inner.is_empty() && rest.next_if_eq(&'-').is_some() {
        out.push_str("\\-");
    }
    Ok(())
}

/// A character by its octal number, of which up to two more digits follow.
fn octal(first: u32, rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    let mut code = first;
    for _ in 0..2 {
        match rest.next_if(|c| ('0'..='7').contains(c)) {
            Some(d) => code = code * 8 + (d as u32 - '0' as u32),
            None => break,
        }
    }
    out.push_str(&format!("\\x{{{code:x}}}"));
}

/// `\p{…}`: a general category by its short name or a script, each with exact case; `^` negates.
fn property(c: char, rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), String> {
    let body: String = rest.clone().skip(1).take_while(|c| *c != '}').collect();
    let name = body.strip_prefix('^').unwrap_or(&body);
    let negated = (c == 'P') != body.starts_with('^');
    let script = name.len() > 2 && name != "Any";
    let words = name.split('_').all(|w| w.starts_with(|c: char| c.is_ascii_uppercase()));
    if name.is_empty() || !words || !name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_') {
        return Err(format!("invalid character class range {name:?}"));
    }
    out.push_str(if negated { "\\P{" } else { "\\p{" });
    out.push_str(if script { "Script=" } else { "" });
    out.push_str(name);
    out.push('}');
    rest.by_ref().take(body.chars().count() + 2).for_each(drop);
    Ok(())
}

fn quoted(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    let text: String = rest.clone().collect();
    let literal = text.split("\\E").next().unwrap_or_default();
    out.push_str(&regex::escape(literal));
    let skip = literal.chars().count() + if literal.len() < text.len() { 2 } else { 0 };
    rest.by_ref().take(skip).for_each(drop);
}
