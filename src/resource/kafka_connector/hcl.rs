//! A connector as HCL text, for adopting what runs. Secrets are written as they are given: the caller decides what becomes a variable.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::addr::quote;

/// A resource block for the connector `name` with this configuration (a JSON object as people send it to Connect). Every value is
/// written as a string, because that is what Connect makes of it; null values are left out.
pub fn hcl_of(name: &str, config: &serde_json::Value) -> String {
    let mut config = strings_of(config);
    config.remove("name");
    let class = config.remove("connector.class").unwrap_or_default();
    let tasks = config.remove("tasks.max").and_then(|t| t.trim().parse::<u32>().ok());
    let mut rows = vec![("name".to_string(), quote(name)), ("class".to_string(), quote(&class))];
    rows.extend(tasks.filter(|t| *t != 1).map(|t| ("tasks_max".to_string(), t.to_string())));
    let mut out = format!("resource \"kafka_connector\" {} {{\n", quote(&label_of(name)));
    write_rows(&mut out, 1, &rows);
    if !config.is_empty() {
        out.push_str("\n  config = {\n");
        let rows: Vec<_> = config.iter().map(|(k, v)| (quote(k), quote(v))).collect();
        write_rows(&mut out, 2, &rows);
        out.push_str("  }\n");
    }
    out.push_str("}\n");
    out
}

/// The strings that Connect makes of a configuration: numbers and booleans in JSON's spelling, nested values as JSON text.
pub fn strings_of(config: &serde_json::Value) -> BTreeMap<String, String> {
    let text = |v: &serde_json::Value| match v {
        serde_json::Value::Null => None,
        serde_json::Value::String(s) => Some(s.clone()),
        other => Some(other.to_string()),
    };
    config.as_object().into_iter().flatten().filter_map(|(k, v)| text(v).map(|v| (k.clone(), v))).collect()
}

/// A block label for this name: what is no letter, digit or dash becomes `_`.
pub fn label_of(name: &str) -> String {
    let label: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    match label.chars().next() {
        Some(c) if c.is_ascii_alphabetic() || c == '_' => label,
        _ => format!("_{label}"),
    }
}

fn write_rows(out: &mut String, depth: usize, rows: &[(String, String)]) {
    let width = rows.iter().map(|(k, _)| k.chars().count()).max().unwrap_or(0);
    for (key, value) in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{}{} = {value}", "  ".repeat(depth), crate::value::print::padded(key, width));
    }
}
