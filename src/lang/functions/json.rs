//! JSON text to values and back, exactly: numbers keep all their digits.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::lang::eval::MAX_LEVELS;
use crate::value::json::{depth as json_depth, to_json_text};
use crate::value::{Fields, Number, Refinement, Repr, Type, Value};

/// The JSON text of a wholly known value, without white space, with `<`, `>` and `&` escaped.
pub(super) fn encode(value: &Value) -> Result<String, String> {
    to_json_text(value).ok_or_else(|| {
        if value.is_wholly_known() { "an infinite number cannot be written as JSON" } else { "the value is not known yet" }.to_string()
    })
}

/// What is known of the JSON text of a value that is not wholly known: how it begins.
pub(super) fn beginning(value: &Value) -> Value {
    let may_be_null = matches!(value.repr(), Repr::Unknown(u) if !u.refinement.not_null);
    let prefix = match value.ty() {
        _ if may_be_null => None,
        Type::String => Some("\""),
        Type::Object(_) | Type::Map(_) => Some("{"),
        Type::Tuple(_) | Type::List(_) | Type::Set(_) => Some("["),
        _ => None,
    };
    Value::unknown_with(Type::String, Refinement { not_null: true, prefix: prefix.map(Arc::from), ..Refinement::default() })
}

/// The value that a JSON text writes: objects, tuples and primitives.
pub(super) fn decode(text: &str) -> Result<Value, String> {
    if json_depth(text.as_bytes()) > MAX_LEVELS {
        return Err(format!("the JSON is nested more than {MAX_LEVELS} levels deep"));
    }
    let text = &without_lone_surrogates(text);
    let raw: &RawValue = serde_json::from_str(text).map_err(|e| e.to_string())?;
    decode_raw(raw.get())
}

/// The text with the escape of U+FFFD in place of those that name half of a character only.
fn without_lone_surrogates(text: &str) -> String {
    let escape = |at: usize| {
        let digits = text.get(at..at + 6).filter(|e| e.starts_with("\\u"))?;
        u32::from_str_radix(&digits[2..], 16).ok()
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = 0;
    while let Some(at) = text[rest..].find('\\').map(|i| rest + i) {
        out.push_str(&text[rest..at]);
        let len = match (escape(at), escape(at + 6)) {
            (Some(0xD800..0xDC00), Some(0xDC00..0xE000)) => 12,
            (Some(0xD800..0xE000), _) => {
                out.push_str("\\uFFFD");
                rest = at + 6;
                continue;
            }
            // The backslash and what it stands before.
            _ => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
        out.push_str(&text[at..at + len]);
        rest = at + len;
    }
    out + &text[rest..]
}

fn decode_raw(text: &str) -> Result<Value, String> {
    let text = text.trim();
    let failed = |e: serde_json::Error| e.to_string();
    match text.as_bytes().first() {
        Some(b'{') => {
            let raw: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).map_err(failed)?;
            let attrs: Result<Fields, String> =
                raw.into_iter().map(|(k, v)| Ok((Value::string(&k).as_str().unwrap_or_default().into(), decode_raw(v.get())?))).collect();
            attrs.map(Value::object)
        }
        Some(b'[') => {
            let raw: Vec<Box<RawValue>> = serde_json::from_str(text).map_err(failed)?;
            raw.iter().map(|v| decode_raw(v.get())).collect::<Result<_, _>>().map(Value::tuple)
        }
        Some(b'"') => serde_json::from_str::<String>(text).map(Value::string).map_err(failed),
        Some(b't') => Ok(true.into()),
        Some(b'f') => Ok(false.into()),
        Some(b'n') => Ok(Value::null_dynamic()),
        _ => Number::parse(text).map(Value::from).ok_or_else(|| format!("the number {text} is out of range")),
    }
}
