//! The part of a source line that is shown under a diagnostic: at most some columns around the caret, and of a text that does not parse
//! no contents of strings.
//!
//! A parser cannot tell which string of a broken text is a password. So the contents of all strings that are values are
//! hidden there, and where the quotes of a line do not add up, all that could be inside of them.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::words::steers;

/// Columns of a source line shown at most.
pub const MAX_COLUMNS: usize = 120;
/// Of these, how many stand before the caret where a line is cut.
const BEFORE_CARET: usize = 40;
/// The text in place of a character that steers a terminal.
const STRANGE: &str = "\u{fffd}";
/// The text in place of hidden parts.
const GAP: &str = "…";
/// The keywords whose labels are names, and never values.
const LABELLED: [&str; 17] = [
    "resource",
    "data",
    "ephemeral",
    "variable",
    "output",
    "module",
    "provider",
    "check",
    "dynamic",
    "run",
    "mock_provider",
    "mock_resource",
    "mock_data",
    "backend",
    "provisioner",
    "listener",
    "role",
];

/// A line as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The text.
    pub text: String,
    /// The bytes of it that are marked.
    pub marked: Range<usize>,
}

/// The shown part of `line` with `marked` (bytes of the line) in it. `hidden` are ranges of the line, in order, that must not be seen.
pub fn excerpt(line: &str, hidden: &[Range<usize>], marked: Range<usize>) -> Excerpt {
    // Each cell is what is shown, and where the line goes on behind it.
    let mut cells: Vec<(&str, usize)> = Vec::new();
    for (at, g) in line.grapheme_indices(true) {
        let end = at + g.len();
        if hidden.iter().any(|h| h.contains(&at)) {
            match cells.last_mut() {
                Some((shown, until)) if *shown == GAP && hidden.iter().any(|h| h.contains(&(*until - 1))) => *until = end,
                _ => cells.push((GAP, end)),
            }
        } else if g != "\t" && g.contains(steers) {
            // A file may come from anybody: what it holds must not steer the terminal.
            cells.push((STRANGE, end));
        } else {
            cells.push((g, end));
        }
    }
    let first = cells.iter().position(|(_, end)| *end > marked.start).unwrap_or(cells.len());
    let last = cells.iter().position(|(_, end)| *end >= marked.end).map_or(cells.len(), |i| i + 1).max(first);
    let shown = window(cells.len(), first);
    let mut text = String::new();
    let mut bounds = (None, None);
    if shown.start > 0 {
        text.push_str(GAP);
    }
    for (i, (cell, _)) in cells.iter().enumerate().take(shown.end).skip(shown.start) {
        if i == first {
            bounds.0 = Some(text.len());
        }
        text.push_str(cell);
        if i + 1 == last {
            bounds.1 = Some(text.len());
        }
    }
    let start = bounds.0.unwrap_or(text.len());
    let end = bounds.1.unwrap_or(if last > shown.end { text.len() } else { start }).max(start);
    if shown.end < cells.len() {
        text.push_str(GAP);
    }
    let end = if marked.is_empty() { start } else { end };
    Excerpt { text, marked: start..end }
}

/// Which of so many columns are shown, with the column of the caret among them.
fn window(columns: usize, caret: usize) -> Range<usize> {
    if columns <= MAX_COLUMNS {
        return 0..columns;
    }
    let start = if caret < MAX_COLUMNS - 2 { 0 } else { caret - BEFORE_CARET };
    // The signs for what is left out take a column each.
    match start {
        0 => 0..MAX_COLUMNS - 1,
        _ if start + MAX_COLUMNS > columns => columns - (MAX_COLUMNS - 1)..columns,
        _ => start..start + MAX_COLUMNS - 2,
    }
}

/// The ranges of the line `line` that must stay hidden, in a text that does not parse.
pub fn hidden(text: &str, line: Range<usize>) -> Vec<Range<usize>> {
    let Some(code) = text.get(line.clone()) else { return vec![] };
    if in_heredoc(&text[..line.start]) {
        return std::iter::once(0..code.len()).collect();
    }
    let mut scan = Scan { code, hidden: vec![], odd: false };
    scan.run();
    match () {
        () if is_header(code) => vec![],
        () if scan.odd => all_values(code),
        () => scan.hidden,
    }
}

/// Whether the line is the header of a block whose labels are names.
fn is_header(code: &str) -> bool {
    let word = code.trim_start().split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or("");
    LABELLED.contains(&word) && !code.contains('=')
}

/// Whether the text ends inside of a heredoc.
fn in_heredoc(before: &str) -> bool {
    let mut open: Option<&str> = None;
    for line in before.lines() {
        match open {
            Some(marker) if line.trim() == marker => open = None,
            Some(_) => {}
            None => open = heredoc_marker(line),
        }
    }
    open.is_some()
}

fn heredoc_marker(line: &str) -> Option<&str> {
    let (_, rest) = line.trim_end().rsplit_once("<<")?;
    let marker = rest.strip_prefix('-').unwrap_or(rest);
    let is_name = !marker.is_empty() && marker.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    is_name.then_some(marker)
}

/// All that could be a value in a line whose quotes do not add up: what stands behind the name of the argument, except quotes.
fn all_values(code: &str) -> Vec<Range<usize>> {
    let start = code.len() - code.trim_start().len();
    let behind = code.find(['=', ':']).filter(|i| is_name(&code[..*i])).map_or(start, |i| i + 1);
    let (mut out, mut from): (Vec<Range<usize>>, Option<usize>) = (vec![], None);
    for (i, c) in code.char_indices().skip_while(|(i, _)| *i < behind) {
        let blank = from.is_none() && c.is_whitespace();
        match from {
            _ if is_quote(c) => out.extend(from.take().map(|f| f..i)),
            None if !blank => from = Some(i),
            _ => {}
        }
    }
    out.extend(from.map(|f| f..code.len()));
    out
}

/// Whether this is the name of an argument, or a quoted key.
fn is_name(text: &str) -> bool {
    let text = text.trim();
    let quoted = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    !text.is_empty() && quoted.unwrap_or(text).chars().all(plain)
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '“' | '”' | '„' | '‘' | '’' | '«' | '»')
}

/// Looks through one line for the contents of its strings.
struct Scan<'a> {
    code: &'a str,
    hidden: Vec<Range<usize>>,
    /// The quotes do not add up.
    odd: bool,
}

impl Scan<'_> {
    fn run(&mut self) {
        let end = self.outside(0, false);
        self.odd |= end < self.code.len();
    }

    /// Code from `at` on: to the end, or in an interpolation to the brace that closes it. Where it ends.
    fn outside(&mut self, mut at: usize, inside: bool) -> usize {
        let mut depth = 0;
        while let Some(c) = self.code[at..].chars().next() {
            match c {
                '"' => at = self.string(at),
                '#' if !inside => return self.comment(at),
                '/' if !inside && self.code[at..].starts_with("//") => return self.comment(at),
                c if is_quote(c) => at = self.foreign(at, c),
                '{' => (depth, at) = (depth + 1, at + 1),
                '}' if inside && depth == 0 => return at + 1,
                '}' => (depth, at) = (depth.max(1) - 1, at + 1),
                c => at += c.len_utf8(),
            }
        }
        self.odd |= inside;
        at
    }

    /// A comment may be a line that was taken out: what is in quotes there, or behind an equals sign, is not shown.
    fn comment(&mut self, at: usize) -> usize {
        let rest = &self.code[at..];
        if let Some(i) = rest.find(['"', '=']) {
            self.hidden.push(at + i + 1..self.code.len());
        }
        self.code.len()
    }

    /// A string that starts at `at`; where it ends.
    fn string(&mut self, at: usize) -> usize {
        let touches = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        self.odd |= touches(self.code[..at].chars().next_back());
        let mark = self.hidden.len();
        let (mut i, mut from) = (at + 1, at + 1);
        while let Some(c) = self.code[i..].chars().next() {
            let rest = &self.code[i..];
            match c {
                '\\' => i += 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
                '"' => {
                    self.hide(from..i);
                    let behind = self.code[i + 1..].trim_start();
                    self.odd |= touches(self.code[i + 1..].chars().next());
                    let is_key = behind.starts_with('=') && !behind.starts_with("==")
                        || behind.starts_with(':') && !self.code[..at].contains('?') && is_name(&self.code[at..=i]);
                    if is_key {
                        self.hidden.truncate(mark);
                    }
                    return i + 1;
                }
                '$' | '%' if rest[1..].starts_with(&format!("{c}{{")) => i += 3,
                '$' | '%' if rest[1..].starts_with('{') => {
                    self.hide(from..i);
                    i = self.outside(i + 2, true);
                    from = i;
                }
                c => i += c.len_utf8(),
            }
        }
        self.odd = true;
        self.hide(from..i);
        i
    }

    /// Text in quotes that HCL does not have.
    fn foreign(&mut self, at: usize, open: char) -> usize {
        let from = at + open.len_utf8();
        let close = self.code[from..].find(|c| c != '"' && is_quote(c)).map(|i| from + i);
        // Without an end it is an apostrophe, or a quote that was forgotten.
        self.odd |= close.is_none();
        let end = close.unwrap_or(self.code.len());
        self.hide(from..end);
        end + self.code[end..].chars().next().map_or(0, char::len_utf8)
    }

    fn hide(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.hidden.push(range);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let line = text.rfind('\n').map_or(0, |i| i + 1)..text.len();
        excerpt(&text[line.clone()], &hidden(text, line), 0..0).text
    }

    /// G6: also of the configuration itself.
    #[test]
    fn nothing_in_a_file_steers_the_terminal() {
        let e = excerpt("a = \"\u{1b}[2J\u{202e}\0\tx\"", &[], 5..6);
        assert_eq!((e.text.as_str(), e.marked), ("a = \"\u{fffd}[2J\u{fffd}\u{fffd}\tx\"", 5..8));
    }

    #[test]
    fn values_of_a_text_that_does_not_parse_are_hidden() {
        for (text, expected) in [
            ("  password = \"hunter2", "  password = \"…"),
            ("  password = hunter2\"", "  password = …\""),
            ("  password = \"hunter2\" x", "  password = \"…\" x"),
            ("  password = \"hunter2\"x", "  password = \"…\"…"),
            ("  password = 'hunter2'", "  password = '…'"),
            ("  password = “hunter2”", "  password = “…”"),
            ("  password : \"hunter2\"", "  password : \"…\""),
            ("  password \"hunter2\"", "  password \"…\""),
            ("  password = 'hunter2", "  password = '…"),
            ("  o = { user = \"bob, password = \"hunter2 x\" }", "  o = …\"…\"…\" …"),
            ("  o = { \"user\" = \"bob\", password = \"hunter2\" ] }", "  o = { \"user\" = \"…\", password = \"…\" ] }"),
            ("  \"password\": \"hunter2\"", "  \"password\": \"…\""),
            ("  o = { password = var.x ? \"hunter2\" : \"hunter3\" }", "  o = { password = var.x ? \"…\" : \"…\" }"),
            ("  a = \"hunter2 ${var.x y} hunter3\"", "  a = \"…${var.x y}…\""),
            ("  a = \"$${hunter2}\\\"hunter3\" b", "  a = \"…\" b"),
            ("  a = \"${f(\"hunter2\")}\" b", "  a = \"${f(\"…\")}\" b"),
            ("  a = \"${var.x hunter2\"", "  a = \"…\""),
            ("  \"hunter2\", hunter3\",", "  \"…\"…\"…"),
            ("hunter2\"", "…\""),
            ("\"hunter2", "\"…"),
            ("  # password = \"hunter2\"", "  # password =…"),
            ("  a = 1 // \"hunter2\"", "  a = 1 // \"…"),
            ("a = <<-EOT\n  hunter2 ${x", "…"),
            ("a = <<EOT\nhunter2\nEOT\nb = c d", "b = c d"),
            ("resource \"kafka_topic\" \"orders\" {", "resource \"kafka_topic\" \"orders\" {"),
            ("resource \"kafka_topic\" \"orders {", "resource \"kafka_topic\" \"orders {"),
            ("  a = f(b, [c}", "  a = f(b, [c}"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn the_marks_stay_under_what_they_mark() {
        let line = "  a = \"hunter2\" + foo bar";
        let found = excerpt(line, &hidden(line, 0..line.len()), 18..21);
        assert_eq!((&*found.text, &found.text[found.marked.clone()]), ("  a = \"…\" + foo bar", "foo"));
        // A mark inside of what is hidden marks the sign for it.
        let found = excerpt(line, &hidden(line, 0..line.len()), 9..11);
        assert_eq!(&found.text[found.marked], "…");
        let found = excerpt(line, &hidden(line, 0..line.len()), line.len()..line.len());
        assert_eq!(found.marked, found.text.len()..found.text.len());
    }

    #[test]
    fn long_lines_are_cut_around_the_mark() {
        let columns = |text: &str| text.graphemes(true).count();
        let line = format!("é{}", "abcdefghij".repeat(100));
        for at in [0, 5, 117, 118, 119, 500, 960, 1001] {
            let from = line.grapheme_indices(true).nth(at).map_or(line.len(), |(i, _)| i);
            let to = line[from..].chars().next().map_or(from, |c| from + c.len_utf8());
            let found = excerpt(&line, &[], from..to);
            assert_eq!(columns(&found.text), MAX_COLUMNS, "{at}");
            assert_eq!(found.text[found.marked.clone()], line[from..to], "{at}");
            assert_eq!(found.text.starts_with(GAP), at >= 118, "{at}");
            assert_eq!(found.text.ends_with(GAP), at < 960, "{at}");
        }
        // A mark that is longer than what is shown ends with it.
        let found = excerpt(&line, &[], 500..900);
        assert!(found.text.ends_with(&format!("{}{GAP}", &found.text[found.marked.clone()])), "{found:?}");
        let line = "x".repeat(MAX_COLUMNS);
        assert_eq!(excerpt(&line, &[], 3..4).text, line);
    }

    proptest::proptest! {
        #[test]
        fn no_line_panics(text in "[a-c=:\"'“{}$%\\\\#/< \n…é]{0,40}", from in 0usize..50, to in 0usize..50) {
            let start = text.rfind('\n').map_or(0, |i| i + 1);
            let line = &text[start..];
            let down = |mut i: usize| { i = i.min(line.len()); while !line.is_char_boundary(i) { i -= 1; } i };
            let found = excerpt(line, &hidden(&text, start..text.len()), down(from)..down(to).max(down(from)));
            proptest::prop_assert!(found.text.get(found.marked).is_some());
        }
    }
}
