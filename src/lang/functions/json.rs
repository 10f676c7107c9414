//! JSON text to values and back, exactly: numbers keep all their digits.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::value::json::to_json_text;
use crate::value::{Number, Value};

/// The JSON text of a wholly known value, without white space, with `<`, `>` and `&` escaped.
pub(super) fn encode(value: &Value) -> Result<String, String> {
    to_json_text(value).ok_or_else(|| "the value is not known yet".to_string())
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
