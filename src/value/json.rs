//! JSON text of values, byte for byte as Terraform's `jsonencode` writes it. Reading JSON is the functions' business.

use super::{Repr, Value};

/// The JSON text of a wholly known value, keys sorted, without blanks. `None` where something is unknown, or a number infinite.
/// Marks are not looked at: who calls this carries them.
pub fn to_json_text(v: &Value) -> Option<String> {
    let mut out = String::new();
    write(v, &mut out)?;
    Some(out)
}

fn write(v: &Value, out: &mut String) -> Option<()> {
    match v.repr() {
        Repr::Unknown(_) => return None,
        Repr::Null(_) => out.push_str("null"),
        Repr::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Repr::Number(n) if n.is_infinite() => return None,
        Repr::Number(n) => out.push_str(&n.to_string()),
        Repr::String(s) => write_string(s, out),
        Repr::List(_) | Repr::Set(_) | Repr::Tuple(_) => {
            out.push('[');
            for (i, item) in v.as_slice()?.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out)?;
            }
            out.push(']');
        }
        Repr::Map(_) | Repr::Object(_) => {
            out.push('{');
            for (i, (k, item)) in v.as_map()?.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(k, out);
                out.push(':');
                write(item, out)?;
            }
            out.push('}');
        }
    }
    Some(())
}

/// A JSON string; `<`, `>`, `&` and the two line separators are escaped, so that the text is safe inside HTML and JavaScript.
pub(crate) fn write_string(s: &str, out: &mut String) {
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
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// How many brackets of a JSON text are open at one time.
pub fn depth(bytes: &[u8]) -> usize {
    let (mut open, mut deepest, mut text, mut escaped) = (0usize, 0, false, false);
    for b in bytes {
        match b {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            b'[' | b'{' if !text => {
                open += 1;
                deepest = deepest.max(open);
            }
            b']' | b'}' if !text => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Type;

    #[test]
    fn escapes_and_order() {
        let v = Value::object_from([
            ("b", Value::from(1i64)),
            ("a", Value::from("<&>\u{2028}é\u{1}\u{7f}\n")),
            ("e", Value::null(Type::String)),
            ("c", Value::tuple(vec![])),
        ]);
        assert_eq!(to_json_text(&v).unwrap(), "{\"a\":\"\\u003c\\u0026\\u003e\\u2028é\\u0001\u{7f}\\n\",\"b\":1,\"c\":[],\"e\":null}");
        assert!(to_json_text(&Value::unknown(Type::String)).is_none());
    }
}
