//! Values to YAML, in the style that users of the language know: strings quoted, block collections, literal blocks for
//! text of several lines, long quoted strings folded.

use std::fmt::Write;

use crate::value::{Repr, Value};

/// The column after which a quoted string is folded at its next space.
const BEST_WIDTH: usize = 80;
/// The longest key that is written without `?`.
const MAX_SIMPLE_KEY: usize = 128;

/// The YAML document of a wholly known value.
pub(super) fn encode(value: &Value) -> Result<String, String> {
    let mut out = Emitter { text: String::new(), column: 0 };
    out.node(value, None, false)?;
    out.newline();
    if matches!(value.repr(), Repr::Null(_) | Repr::Bool(_) | Repr::Number(_)) {
        out.put("...\n");
    }
    Ok(out.text)
}

struct Emitter {
    text: String,
    column: usize,
}

impl Emitter {
    fn put(&mut self, s: &str) {
        for c in s.chars() {
            self.column = if c == '\n' { 0 } else { self.column + 1 };
            self.text.push(c);
        }
    }

    fn newline(&mut self) {
        if self.column > 0 {
            self.put("\n");
        }
    }

    fn line(&mut self, indent: usize) {
        self.newline();
        self.put(&" ".repeat(indent));
    }

    /// Writes a value where the last line ends in an indicator (`-`, `:`, `?`) or nothing.
    /// `indent`: that of the enclosing collection. `inline`: a collection starts on this line.
    fn node(&mut self, value: &Value, indent: Option<usize>, inline: bool) -> Result<(), String> {
        match value.repr() {
            Repr::Unknown(_) => return Err("the value is not known yet".to_string()),
            Repr::Null(_) => self.scalar("null"),
            Repr::Bool(b) => self.scalar(if *b { "true" } else { "false" }),
            Repr::Number(n) => self.scalar(&n.to_string()),
            Repr::String(s) => self.string(s, indent.map_or(2, |i| i + 2), false),
            Repr::List(_) | Repr::Set(_) | Repr::Tuple(_) => return self.sequence(value.as_slice().unwrap_or_default(), indent, inline),
            Repr::Map(_) | Repr::Object(_) => return self.mapping(value, indent, inline),
        }
        Ok(())
    }

    fn space(&mut self) {
        if self.column > 0 && !self.text.ends_with(' ') {
            self.put(" ");
        }
    }

    fn scalar(&mut self, s: &str) {
        self.space();
        self.put(s);
    }

    fn sequence(&mut self, items: &[Value], indent: Option<usize>, inline: bool) -> Result<(), String> {
        if items.is_empty() {
            self.scalar("[]");
            return Ok(());
        }
        // A sequence in a mapping is not indented further.
        let own = match (indent, inline) {
            (None, _) => 0,
            (Some(i), true) => i + 2,
            (Some(i), false) => i,
        };
        for (i, item) in items.iter().enumerate() {
            match i == 0 && inline {
                true => self.space(),
                false => self.line(own),
            }
            self.put("-");
            self.node(item, Some(own), true)?;
        }
        Ok(())
    }

    fn mapping(&mut self, value: &Value, indent: Option<usize>, inline: bool) -> Result<(), String> {
        let entries = value.as_map().into_iter().flatten();
        if value.len() == Some(0) {
            self.scalar("{}");
            return Ok(());
        }
        let own = indent.map_or(0, |i| i + 2);
        for (i, (key, item)) in entries.enumerate() {
            match i == 0 && inline {
                true => self.space(),
                false => self.line(own),
            }
            let simple = !key.contains('\n') && key.len() <= MAX_SIMPLE_KEY;
            match simple {
                true => {
                    self.string(key, own + 2, true);
                    self.put(":");
                    self.node(item, Some(own), false)?;
                }
                false => {
                    self.put("?");
                    self.string(key, own + 2, false);
                    self.line(own);
                    self.put(":");
                    self.node(item, Some(own), true)?;
                }
            }
        }
        Ok(())
    }

    fn string(&mut self, s: &str, indent: usize, key: bool) {
        self.space();
        match s.contains('\n') && !key && may_be_literal(s) {
            true => self.literal(s, indent),
            false => self.quoted(s, indent, key),
        }
    }

    fn literal(&mut self, s: &str, indent: usize) {
        self.put("|");
        if s.starts_with([' ', '\n']) {
            self.put("2");
        }
        if !s.ends_with('\n') {
            self.put("-");
        } else if s == "\n" || s.ends_with("\n\n") {
            self.put("+");
        }
        self.put("\n");
        let body = s.strip_suffix('\n').unwrap_or(s);
        for (i, line) in body.split('\n').enumerate() {
            if i > 0 {
                self.put("\n");
            }
            if !line.is_empty() {
                self.put(&" ".repeat(indent));
                self.put(line);
            }
        }
        if s.ends_with('\n') {
            self.put("\n");
        }
    }

    fn quoted(&mut self, s: &str, indent: usize, key: bool) {
        self.put("\"");
        let chars: Vec<char> = s.chars().collect();
        let mut after_space = false;
        for (i, c) in chars.iter().enumerate() {
            if *c == ' ' {
                let fold = !key && !after_space && self.column > BEST_WIDTH && i > 0 && i + 1 < chars.len();
                match fold {
                    true => {
                        self.line(indent);
                        if chars.get(i + 1) == Some(&' ') {
                            self.put("\\");
                        }
                    }
                    false => self.put(" "),
                }
                after_space = true;
                continue;
            }
            after_space = false;
            match printable(*c) && !matches!(c, '"' | '\\') {
                true => self.put(c.encode_utf8(&mut [0; 4])),
                false => self.put(&escape(*c)),
            }
        }
        self.put("\"");
    }
}

/// Literal blocks cannot hold characters that need an escape, nor spaces at the end of a line.
fn may_be_literal(s: &str) -> bool {
    let printable_text = s.chars().all(|c| c == '\n' || (printable(c) && !matches!(c, '\u{2028}' | '\u{2029}')));
    printable_text && !s.contains(" \n") && !s.ends_with(' ')
}

fn printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{A0}'..='\u{FFFD}') && !matches!(c, '\u{FEFF}' | '\u{2028}' | '\u{2029}')
}

fn escape(c: char) -> String {
    let short = match c {
        '\0' => "0",
        '\u{7}' => "a",
        '\u{8}' => "b",
        '\t' => "t",
        '\n' => "n",
        '\u{b}' => "v",
        '\u{c}' => "f",
        '\r' => "r",
        '\u{1b}' => "e",
        '"' => "\"",
        '\\' => "\\",
        '\u{85}' => "N",
        '\u{2028}' => "L",
        '\u{2029}' => "P",
        _ => "",
    };
    let mut out = format!("\\{short}");
    if short.is_empty() {
        let _ = match c as u32 {
            n @ ..=0xFF => write!(out, "x{n:02X}"),
            n @ ..=0xFFFF => write!(out, "u{n:04X}"),
            n => write!(out, "U{n:08X}"),
        };
    }
    out
}
