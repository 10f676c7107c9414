//! Values and types as the console prints them: HCL that reads back, laid out as Terraform does.

use super::convert::kind;
use super::{Repr, Type, Value};

/// The text that the console shows for a value. Sensitive and unknown parts are named, not shown.
pub fn console(v: &Value) -> String {
    let mut out = String::new();
    write(v, 0, &mut out);
    out
}

fn write(v: &Value, indent: usize, out: &mut String) {
    if !v.is_known() {
        return out.push_str("(known after apply)");
    }
    if v.marks().is_sensitive() {
        return out.push_str("(sensitive value)");
    }
    if v.marks().is_ephemeral() {
        return out.push_str("(ephemeral value)");
    }
    match v.repr() {
        Repr::Unknown(_) => out.push_str("(known after apply)"),
        Repr::Null(t) => out.push_str(&null(t)),
        Repr::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Repr::Number(n) => out.push_str(&n.to_string()),
        Repr::String(s) => string(s, indent, out),
        Repr::List(e) => wrapped("tolist(", &e.items, indent, out),
        Repr::Set(e) => wrapped("toset(", &e.items, indent, out),
        Repr::Tuple(t) => sequence(&t.items, indent, out),
        Repr::Object(o) => entries(&o.attrs, indent, out),
        Repr::Map(m) => {
            out.push_str("tomap(");
            entries(&m.items, indent, out);
            out.push(')');
        }
    }
}

fn null(ty: &Type) -> String {
    let of = |t: &Type| kind(t).replace("any type", "dynamic");
    match ty {
        Type::Dynamic => "null".into(),
        Type::String | Type::Number | Type::Bool => format!("to{ty}(null)"),
        Type::List(t) => format!("tolist(null) /* of {} */", of(t)),
        Type::Set(t) => format!("toset(null) /* of {} */", of(t)),
        Type::Map(t) => format!("tomap(null) /* of {} */", of(t)),
        t => format!("null /* {} */", kind(t)),
    }
}

fn wrapped(open: &str, items: &[Value], indent: usize, out: &mut String) {
    out.push_str(open);
    sequence(items, indent, out);
    out.push(')');
}

fn line(indent: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}

fn sequence(items: &[Value], indent: usize, out: &mut String) {
    out.push('[');
    for item in items {
        line(indent + 2, out);
        write(item, indent + 2, out);
        out.push(',');
    }
    if !items.is_empty() {
        line(indent, out);
    }
    out.push(']');
}

fn entries(items: &super::Fields, indent: usize, out: &mut String) {
    out.push('{');
    for (k, v) in items {
        line(indent + 2, out);
        string(k, indent + 2, out);
        out.push_str(" = ");
        write(v, indent + 2, out);
    }
    if !items.is_empty() {
        line(indent, out);
    }
    out.push('}');
}

/// A string in quotes, or as a heredoc where it has several lines.
fn string(s: &str, indent: usize, out: &mut String) {
    if !s.contains('\n') {
        return out.push_str(&quote(s));
    }
    let mut marker = "EOT".to_string();
    while s.split('\n').any(|l| l.trim() == marker) {
        marker.push('_');
    }
    out.push_str(if indent > 0 { "<<-" } else { "<<" });
    out.push_str(&marker);
    for l in s.split('\n') {
        line(indent, out);
        out.push_str(l);
    }
    line(indent, out);
    out.push_str(&marker);
}

/// Text filled up with blanks on the right, to so many characters. (The width of a format ends at 65,535: a longer one panics.)
pub fn padded(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    [text, &" ".repeat(missing)].concat()
}

/// Quotes with the escapes that Terraform prints: templates are not escaped, invisible characters are.
pub fn quote(s: &str) -> String {
    let mut out = String::with_capacity(s.len() + 2);
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if printable(c) => out.push(c),
            c if (c as u32) < 0x10000 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push_str(&format!("\\U{:08x}", c as u32)),
        }
    }
    out.push('"');
    out
}

fn printable(c: char) -> bool {
    c == '\'' || c.escape_debug().len() == 1 || unicode_normalization::char::is_combining_mark(c)
}

/// A type as the console's `type()` prints it.
pub fn type_text(ty: &Type) -> String {
    let mut out = String::new();
    write_type(ty, 0, &mut out);
    out
}

fn write_type(ty: &Type, indent: usize, out: &mut String) {
    match ty {
        Type::Dynamic => out.push_str("dynamic"),
        Type::Bool | Type::Number | Type::String => out.push_str(&ty.to_string()),
        Type::List(t) | Type::Set(t) | Type::Map(t) => {
            out.push_str(match ty {
                Type::List(_) => "list(",
                Type::Set(_) => "set(",
                _ => "map(",
            });
            if matches!(**t, Type::Tuple(_) | Type::Object(_)) {
                line(indent + 4, out);
                write_type(t, indent + 4, out);
                out.push(',');
                line(indent, out);
            } else {
                write_type(t, indent, out);
            }
            out.push(')');
        }
        Type::Tuple(ts) => {
            out.push_str("tuple([");
            for t in ts.iter() {
                line(indent + 4, out);
                write_type(t, indent + 4, out);
                out.push(',');
            }
            if !ts.is_empty() {
                line(indent, out);
            }
            out.push_str("])");
        }
        Type::Object(o) => {
            out.push_str("object({");
            for (k, t) in &o.attrs {
                line(indent + 4, out);
                out.push_str(k);
                out.push_str(": ");
                write_type(t, indent + 4, out);
                out.push(',');
            }
            if !o.attrs.is_empty() {
                line(indent, out);
            }
            out.push_str("})");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_like_the_console() {
        let v = Value::object_from([
            ("a", Value::from("x\ny\n")),
            ("b", Value::tuple(vec!["x".into(), Value::object_from([("c", Value::null_dynamic())]), Value::null(Type::String)])),
            ("d e", Value::list(Type::Number, vec![1i64.into()])),
            ("e", Value::map(Type::Bool, Default::default())),
            ("s", Value::from("hunter2").sensitive()),
            ("u", Value::unknown(Type::String)),
        ]);
        let want = "{\n  \"a\" = <<-EOT\n  x\n  y\n  \n  EOT\n  \"b\" = [\n    \"x\",\n    {\n      \"c\" = null\n    },\n    tostring(null),\n  ]\n  \"d e\" = tolist([\n    1,\n  ])\n  \"e\" = tomap({})\n  \"s\" = (sensitive value)\n  \"u\" = (known after apply)\n}";
        assert_eq!(console(&v), want);
        assert_eq!(console(&"a\nEOT\n".into()), "<<EOT_\na\nEOT\n\nEOT_");
        assert_eq!(quote("tab\t \u{1} é \u{200b} ${x}'"), "\"tab\\t \\x01 é \\u200b ${x}'\"");
        assert_eq!(type_text(&Type::Tuple([Type::Number, Type::list(Type::String)].into())), "tuple([\n    number,\n    list(string),\n])");
    }
}
