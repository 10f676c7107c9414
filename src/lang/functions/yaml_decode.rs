//! YAML to values: one document, anchors and merge keys, and the scalar forms that YAML 1.1 and 1.2 tools agree on
//! (`yes` and `on` are booleans, `010` is ten).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput, Tag};

use super::datetime::{parse_date_or_timestamp, rfc3339};
use crate::value::{Number, Value};

/// How deep collections may nest.
const MAX_DEPTH: usize = 200;
/// How many values a document may have once its aliases are followed.
const MAX_NODES: usize = 1_000_000;
/// How far continued lines are indented at most.
const MAX_COLUMN: usize = 1000;

/// The value of the only document of a text.
pub(super) fn decode(text: &str) -> Result<Value, String> {
    let control =
        |c: &char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}');
    if text.chars().any(|c| control(&c)) {
        return Err("control characters are not allowed".to_string());
    }
    if text.trim_start_matches(['\n', '\r']).starts_with('\t') {
        return Err("a tab cannot start a document".to_string());
    }
    // What the parser refuses but the established tools take is written so that it takes it, and tried again.
    document(text).or_else(|why| document(&eased(text).ok_or_else(|| why.clone())?).map_err(|_| why))
}

/// The same text with blanks for tabs between a colon and its value, and with the lines that continue a flow collection or
/// a quoted scalar indented as far as its start: leading blanks mean nothing there. `None` where a document ends inside one.
fn eased(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let (mut quote, mut depth, mut column) = (None, 0usize, 0usize);
    let mut block: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let blank = line.trim().is_empty();
        if block.is_some_and(|b| blank || indent > b) {
            out.push_str(line);
            continue;
        }
        block = None;
        if (quote.is_some() || depth > 0) && !blank {
            if line.starts_with("---") || line.starts_with("...") {
                return None;
            }
            out.push_str(&" ".repeat(column));
        }
        let (mut start, mut colon, mut before) = (true, false, ' ');
        let mut chars = line.chars().enumerate().peekable();
        while let Some((at, c)) = chars.next() {
            let spaced = chars.peek().is_none_or(|(_, next)| next.is_whitespace());
            out.push(if c == '\t' && colon && quote.is_none() { ' ' } else { c });
            match (quote, c) {
                (Some('"'), '\\') => out.extend(chars.next().map(|(_, c)| c)),
                (Some('\''), '\'') if chars.peek().is_some_and(|(_, next)| *next == '\'') => out.extend(chars.next().map(|(_, c)| c)),
                (Some(q), _) => quote = Some(q).filter(|q| *q != c),
                (None, '#') if before.is_whitespace() => {
                    out.extend(chars.by_ref().map(|(_, c)| c));
                    break;
                }
                (None, '"' | '\'') if start => {
                    quote = Some(c);
                    column = if depth == 0 { at.min(MAX_COLUMN) } else { column };
                }
                (None, '[' | '{') if start => {
                    column = if depth == 0 { at.min(MAX_COLUMN) } else { column };
                    depth += 1;
                }
                (None, ']' | '}') => depth = depth.saturating_sub(1),
                (None, '|' | '>') if start && depth == 0 => block = Some(indent),
                (None, '&' | '*' | '!') if start => {
                    while let Some((_, c)) = chars.next_if(|(_, c)| !c.is_whitespace()) {
                        out.push(c);
                    }
                }
                _ => {}
            }
            colon = c == ':' || colon && matches!(c, ' ' | '\t');
            start = match c {
                ' ' | '\t' | '&' | '*' | '!' => start,
                ':' => spaced || depth > 0,
                '-' | '?' => start && spaced,
                ',' | '[' | '{' => depth > 0,
                _ => false,
            };
            before = c;
        }
    }
    Some(out)
}

fn document(text: &str) -> Result<Value, String> {
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0, unended: None };
    let last_line = text.rsplit('\n').next().unwrap_or_default();
    if !last_line.trim().is_empty() {
        reader.unended = Some(text.chars().count());
    }
    loop {
        match reader.next() {
            Ok(Event::DocumentStart(_)) => break,
            Ok(Event::StreamEnd) => return Err("missing start of document".to_string()),
            Ok(_) => {}
            Err(why) => return Err(why),
        }
    }
    let value = reader.next().and_then(|first| reader.node(first, 0))?.0;
    loop {
        match reader.next() {
            Ok(Event::StreamEnd) => return Ok(value),
            Ok(Event::DocumentStart(_)) => {
                return Err("unexpected extra content after value: only one document is allowed".to_string());
            }
            Ok(_) => {}
            Err(why) => return Err(why),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// Finished anchored nodes with how many values they hold; `None` while a node is being read.
    anchors: HashMap<usize, Option<(Value, usize)>>,
    nodes: usize,
    /// The length of a text that does not end in a newline: a block scalar that reaches it has none at its end either.
    unended: Option<usize>,
}

/// What a node is besides its value: whether it is the plain scalar `<<`.
type Node = (Value, bool);

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, String> {
        match self.parser.next_event() {
            Some(Ok((Event::Scalar(text, style @ (ScalarStyle::Literal | ScalarStyle::Folded), anchor, tag), span))) => {
                if text.is_empty() && self.unended.is_some_and(|len| span.end.index() >= len) {
                    return Ok(Event::Scalar(text, ScalarStyle::Plain, anchor, tag));
                }
                let cut = self.unended.is_some_and(|len| span.end.index() >= len) && text.ends_with('\n');
                let text = if cut { text[..text.len() - 1].to_string().into() } else { text };
                Ok(Event::Scalar(text, style, anchor, tag))
            }
            Some(Ok((event, _))) => Ok(event),
            Some(Err(e)) => Err(e.to_string()),
            None => Ok(Event::StreamEnd),
        }
    }

    fn count(&mut self, n: usize) -> Result<(), String> {
        self.nodes = self.nodes.saturating_add(n);
        if self.nodes > MAX_NODES { Err(format!("the document has more than {MAX_NODES} values")) } else { Ok(()) }
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Node, String> {
        if depth > MAX_DEPTH {
            return Err(format!("collections are nested more than {MAX_DEPTH} deep"));
        }
        self.count(1)?;
        let before = self.nodes;
        let (value, anchor, merge) = match event {
            Event::Alias(id) => {
                let target = self.anchors.get(&id).cloned().ok_or("an alias refers to an anchor that is not defined")?;
                let (value, size) = target.ok_or("an alias refers to the collection that contains it")?;
                self.count(size)?;
                return Ok((value, false));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let merge = plain && text == "<<" && tag.is_none();
                (scalar(&text, plain, tag.as_deref())?, anchor, merge)
            }
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag.as_deref(), "seq")?;
                self.open(anchor);
                (self.sequence(depth)?, anchor, false)
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_deref(), "map")?;
                self.open(anchor);
                (self.mapping(depth)?, anchor, false)
            }
            _ => return Err("a value is missing".to_string()),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, Some((value.clone(), self.nodes - before + 1)));
        }
        Ok((value, merge))
    }

    fn open(&mut self, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, None);
        }
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, String> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Value::tuple(items)),
                event => items.push(self.node(event, depth + 1)?.0),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, String> {
        let mut attrs: BTreeMap<Arc<str>, Value> = BTreeMap::new();
        loop {
            let event = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::object(attrs.into()));
            }
            // As in the established tools: an alias is no key, and what is anchored as a key cannot be referred to.
            let anchor = match &event {
                Event::Alias(_) => return Err("only strings are allowed as mapping keys".to_string()),
                Event::Scalar(_, _, anchor, _) => *anchor,
                _ => 0,
            };
            let (key, merge) = self.node(event, depth + 1)?;
            self.anchors.remove(&anchor);
            let event = self.next()?;
            let value = self.node(event, depth + 1)?.0;
            if merge {
                let base = value.as_map().ok_or("only a mapping can be merged by <<")?;
                // As in the established tools, in the order of the text: over what was before, under what follows.
                attrs.extend(base.clone());
                continue;
            }
            let name = crate::value::convert::convert(&key, &crate::value::Type::String).ok();
            let name = name.as_ref().and_then(Value::as_str).ok_or("only strings are allowed as mapping keys")?;
            attrs.insert(name.into(), value);
        }
    }
}

fn tag_name(tag: &Tag) -> Result<&str, String> {
    match tag.is_yaml_core_schema() || tag.handle == "!!" {
        true => Ok(&tag.suffix),
        false => Err(format!("the tag {tag} is not supported")),
    }
}

fn check_tag(tag: Option<&Tag>, wanted: &str) -> Result<(), String> {
    match tag.map(tag_name).transpose()? {
        None => Ok(()),
        Some(name) if name == wanted => Ok(()),
        Some(name) => Err(format!("the tag !!{name} is not supported here")),
    }
}

fn scalar(text: &str, plain: bool, tag: Option<&Tag>) -> Result<Value, String> {
    let wrong = |name: &str| format!("the value is not a valid !!{name}");
    match tag.map(tag_name).transpose()? {
        Some("str") => Ok(Value::string(text)),
        Some("binary") => {
            let compact: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
            BASE64_STANDARD.decode(&compact).map(|_| Value::string(text)).map_err(|_| wrong("binary"))
        }
        Some("timestamp") => timestamp(text).ok_or_else(|| wrong("timestamp")),
        Some(_) if !plain => Ok(Value::string(text)),
        Some("null") => Ok(Value::null_dynamic()),
        Some("bool") => boolean(text).map(Value::from).ok_or_else(|| wrong("bool")),
        Some(name @ ("int" | "float")) => number(text)?.map(Value::from).ok_or_else(|| wrong(name)),
        Some(name) => Err(format!("the tag !!{name} is not supported")),
        None if plain => resolve(text),
        None => Ok(Value::string(text)),
    }
}

fn resolve(text: &str) -> Result<Value, String> {
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Ok(Value::null_dynamic());
    }
    if let Some(b) = boolean(text) {
        return Ok(b.into());
    }
    if let Some(n) = number(text)? {
        return Ok(n.into());
    }
    Ok(timestamp(text).unwrap_or_else(|| Value::string(text)))
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// A number, where the text is one. Not-a-number is an error: the language has none.
fn number(text: &str) -> Result<Option<Number>, String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Ok(Number::from_f64(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }));
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err("not-a-number is not supported".to_string());
    }
    let radix = |prefix: &str, radix: u32| {
        let digits = text.strip_prefix(prefix)?;
        let valid = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        let n = valid.then(|| dashu_int::IBig::from_str_radix(digits, radix).ok())??;
        Some(Number::from(n))
    };
    if let Some(n) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        if n.to_ibig().is_some_and(|n| u64::try_from(n).is_err()) {
            return Err("a hexadecimal or octal number of more than 64 bits is not supported".to_string());
        }
        return Ok(Some(n));
    }
    let starts = unsigned.strip_prefix('.').unwrap_or(unsigned).starts_with(|c: char| c.is_ascii_digit());
    Ok(if starts { Number::parse(text) } else { None })
}

fn timestamp(text: &str) -> Option<Value> {
    parse_date_or_timestamp(text).map(|t| Value::string(rfc3339(&t)))
}
