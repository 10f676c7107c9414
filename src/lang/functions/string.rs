//! Functions on strings, other than formatting and regular expressions.

use unicode_segmentation::UnicodeSegmentation;

use super::regex::replace_all;
use super::{CallContext, CallError, Function, Kind, Param, Ret, Unknowns, items, strings, text, whole};
use crate::value::{Repr, Type, Value};

const STR: Param = Param::new("str", Kind::Str);
const STRING: Ret = Ret::Is(Kind::Str);
const BOOL: Ret = Ret::Is(Kind::Bool);
const CUTSET: Param = Param::new("cutset", Kind::Str);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "chomp",
        &[STR],
        STRING,
        |_, a| string(text(a, 0).trim_end_matches(['\r', '\n'])),
        "The string without newlines at its end.",
    ),
    Function::new(
        "endswith",
        &[STR, Param::new("suffix", Kind::Str)],
        BOOL,
        |_, a| Ok(text(a, 0).ends_with(text(a, 1)).into()),
        "Whether the string ends with a suffix.",
    ),
    Function::new("indent", &[Param::new("spaces", Kind::Num), STR], STRING, indent, "The string with every line but the first indented."),
    Function::new(
        "join",
        &[Param::new("separator", Kind::Str)],
        STRING,
        join,
        "The elements of lists of strings, with a separator between them.",
    )
    .rest(Param::new("lists", Kind::List(&Kind::Str))),
    Function::new("lower", &[STR], STRING, |_, a| string(text(a, 0).chars().map(lower).collect::<String>()), "The string in lower case."),
    Function::new(
        "replace",
        &[STR, Param::new("substr", Kind::Str), Param::new("replace", Kind::Str)],
        STRING,
        replace,
        "The string with every occurrence of a substring, or of a /regular expression/, replaced.",
    ),
    Function::new(
        "split",
        &[Param::new("separator", Kind::Str), STR],
        Ret::Is(Kind::List(&Kind::Str)),
        split,
        "The parts of the string between separators.",
    ),
    Function::new(
        "startswith",
        &[STR.unknowns(Unknowns::Body), Param::new("prefix", Kind::Str)],
        BOOL,
        |_, a| Ok(startswith(&a[0], text(a, 1))),
        "Whether the string starts with a prefix.",
    ),
    Function::new(
        "strcontains",
        &[STR, Param::new("substr", Kind::Str)],
        BOOL,
        |_, a| Ok(text(a, 0).contains(text(a, 1)).into()),
        "Whether the string contains a substring.",
    ),
    Function::new(
        "strrev",
        &[STR],
        STRING,
        |_, a| string(text(a, 0).graphemes(true).rev().collect::<String>()),
        "The string with its characters in reverse order.",
    ),
    Function::new(
        "substr",
        &[STR, Param::new("offset", Kind::Num), Param::new("length", Kind::Num)],
        STRING,
        substr,
        "A number of characters from an offset; a negative offset counts from the end, a negative length takes the rest.",
    ),
    Function::new(
        "title",
        &[STR],
        STRING,
        |_, a| string(title(text(a, 0))),
        "The string with the first letter of each word in upper case.",
    ),
    Function::new(
        "trim",
        &[STR, CUTSET],
        STRING,
        |_, a| string(text(a, 0).trim_matches(|c| text(a, 1).contains(c))),
        "The string without the given characters at its start and end.",
    ),
    Function::new(
        "trimprefix",
        &[STR, Param::new("prefix", Kind::Str)],
        STRING,
        |_, a| string(text(a, 0).strip_prefix(text(a, 1)).unwrap_or(text(a, 0))),
        "The string without a prefix.",
    ),
    Function::new("trimspace", &[STR], STRING, |_, a| string(text(a, 0).trim()), "The string without white space at its start and end."),
    Function::new(
        "trimsuffix",
        &[STR, Param::new("suffix", Kind::Str)],
        STRING,
        |_, a| string(text(a, 0).strip_suffix(text(a, 1)).unwrap_or(text(a, 0))),
        "The string without a suffix.",
    ),
    Function::new("upper", &[STR], STRING, |_, a| string(text(a, 0).chars().map(upper).collect::<String>()), "The string in upper case."),
];

fn string(s: impl AsRef<str>) -> Result<Value, CallError> {
    Ok(Value::string(s))
}

/// Of a string that is not known yet, its known start may tell.
fn startswith(s: &Value, prefix: &str) -> Value {
    let Repr::Unknown(u) = s.repr() else { return s.as_str().unwrap_or_default().starts_with(prefix).into() };
    let known = u.refinement.prefix.as_deref().unwrap_or_default();
    match (known.starts_with(prefix), prefix.starts_with(known)) {
        (true, _) => true.into(),
        (_, false) => false.into(),
        _ => Value::unknown_not_null(Type::Bool),
    }
}

fn indent(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let spaces = whole(args, 0)?;
    let width = usize::try_from(spaces).ok().filter(|w| *w <= 10_000);
    let width = width.ok_or_else(|| CallError::arg(0, "number of spaces must be between 0 and 10000"))?;
    string(text(args, 1).replace('\n', &format!("\n{}", " ".repeat(width))))
}

fn join(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    if args.len() < 2 {
        return Err(CallError::new("at least one list is required"));
    }
    let mut parts = Vec::new();
    for list in 1..args.len() {
        for (i, item) in items(args, list).iter().enumerate() {
            if let Repr::Null(_) = item.repr() {
                return Err(CallError::arg(list, format!("element {i} is null; cannot concatenate null values")));
            }
            parts.push(item.as_str().unwrap_or_default());
        }
    }
    string(parts.join(text(args, 0)))
}

fn replace(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let (s, pattern, by) = (text(args, 0), text(args, 1), text(args, 2));
    let regex = pattern.strip_prefix('/').and_then(|p| p.strip_suffix('/'));
    match regex {
        Some(regex) => string(replace_all(regex, s, by).map_err(|m| CallError::arg(1, m))?),
        None => string(s.replace(pattern, by)),
    }
}

fn split(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let (separator, s) = (text(args, 0), text(args, 1));
    Ok(match separator {
        "" => strings(s.chars().map(String::from)),
        _ => strings(s.split(separator)),
    })
}

fn substr(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let s = text(args, 0);
    let (offset, length) = (whole(args, 1)?, whole(args, 2)?);
    if offset >= 0 && length == 0 {
        return string("");
    }
    let start = match offset {
        0.. => offset as usize,
        _ => (s.graphemes(true).count() as i64).saturating_add(offset).max(0) as usize,
    };
    // A length of zero after a negative offset means the rest, as negative lengths do.
    let take = if length > 0 { length as usize } else { usize::MAX };
    string(s.graphemes(true).skip(start).take(take).collect::<String>())
}

/// The one character that is the upper-case form; characters whose form is several stay as they are.
pub(super) fn upper(c: char) -> char {
    let with_iota = matches!(c as u32, 0x1F80..=0x1F87 | 0x1F90..=0x1F97 | 0x1FA0..=0x1FA7);
    match c {
        _ if with_iota => char::from_u32(c as u32 + 8).unwrap_or(c),
        '\u{1FB3}' | '\u{1FC3}' | '\u{1FF3}' => char::from_u32(c as u32 + 9).unwrap_or(c),
        _ => single(c, c.to_uppercase()),
    }
}

fn lower(c: char) -> char {
    if c == '\u{130}' { 'i' } else { single(c, c.to_lowercase()) }
}

fn single(c: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

fn title_case(c: char) -> char {
    match c {
        'Ǆ' | 'ǅ' | 'ǆ' => 'ǅ',
        'Ǉ' | 'ǈ' | 'ǉ' => 'ǈ',
        'Ǌ' | 'ǋ' | 'ǌ' => 'ǋ',
        'Ǳ' | 'ǲ' | 'ǳ' => 'ǲ',
        '\u{10D0}'..='\u{10FF}' => c,
        _ => upper(c),
    }
}

fn title(s: &str) -> String {
    let separates = |c: char| match c.is_ascii() {
        true => !c.is_ascii_alphanumeric() && c != '_',
        false => c.is_whitespace(),
    };
    let mut previous = ' ';
    s.chars()
        .map(|c| {
            let first = separates(previous);
            previous = c;
            if first { title_case(c) } else { c }
        })
        .collect()
}
