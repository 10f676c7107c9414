//! JSON text to values and back, exactly: numbers keep all their digits.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::value::{Number, Repr, Value};

/// The JSON text of a wholly known value, without white space, with `<`, `>` and `&` escaped.
pub(super) fn encode(value: &Value) -> Result<String, String> {
    let mut out = String::new();
    write_value(value, &mut out)?;
    Ok(out)
}

fn write_value(value: &Value, out: &mut String) -> Result<(), String> {
    match value.repr() {
        Repr::Null(_) => out.push_str("null"),
        Repr::Unknown(_) => return Err("the value is not known yet".to_string()),
        Repr::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Repr::Number(n) => out.push_str(&n.to_string()),
        Repr::String(s) => write_string(s, out),
        Repr::List(_) | Repr::Set(_) | Repr::Tuple(_) => {
            out.push('[');
            for (i, item) in value.as_slice().unwrap_or_default().iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_value(item, out)?;
            }
            out.push(']');
        }
        Repr::Map(_) | Repr::Object(_) => {
            out.push('{');
            for (i, (key, item)) in value.as_map().into_iter().flatten().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write_value(item, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// A string literal of JSON.
pub(super) fn write_string(s: &str, out: &mut String) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\x1f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// The value that a JSON text writes: objects, tuples and primitives.
pub(super) fn decode(text: &str) -> Result<Value, String> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|e| e.to_string())?;
    decode_raw(raw.get())
}

fn decode_raw(text: &str) -> Result<Value, String> {
    let text = text.trim();
    let failed = |e: serde_json::Error| e.to_string();
    match text.as_bytes().first() {
        Some(b'{') => {
            let raw: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).map_err(failed)?;
            let attrs: Result<BTreeMap<Arc<str>, Value>, String> =
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
