//! The scan before parsing: strings, heredocs, templates and brackets must close, and nothing may nest too deep.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::diag::codes::lang::{NESTING, SYNTAX};
use crate::diag::{Diagnostic, SourceId, Span};

/// How deep brackets and templates may nest.
const MAX_DEPTH: usize = 200;

/// How deep heredocs may nest, each in a template of the one around it.
const MAX_HEREDOCS: usize = 20;

/// At this depth an expression in brackets is taken out and parsed by itself: the parser has a limit of its own.
const PART_DEPTH: usize = 12;

/// What a text is.
#[derive(Clone, Copy, PartialEq)]
pub enum Form {
    /// A file or block.
    Body,
    /// One expression.
    Expr,
    /// A template file.
    Template,
}

/// What the parser is not to see: it gets a text of the same length without these places.
#[derive(Debug, Default)]
pub struct Hidden {
    /// Numbers beyond 64-bit floats, and heredoc lines that only start like the end marker. Zeros stand for them.
    zeros: Vec<Range<usize>>,
    /// Expressions that are parsed by themselves, with the name that stands for each: keys that an object has twice, what is
    /// nested deep, heredocs without a line.
    parts: Vec<(Range<usize>, String)>,
    /// Comments outside of all brackets of a lone expression, around which the parser knows none. Blanks stand for them.
    comments: Vec<Range<usize>>,
    /// Where an argument's expression goes on behind the end of its line, which the parser allows behind a bracket.
    pub continued: Option<usize>,
}

impl Hidden {
    /// The text as the parser gets it.
    pub fn apply<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        if self.zeros.is_empty() && self.parts.is_empty() && self.comments.is_empty() {
            return text.into();
        }
        let mut places: Vec<(Range<usize>, String)> = self.parts.clone();
        let inside = |z: &Range<usize>| self.parts.iter().any(|(p, _)| p.start <= z.start && z.end <= p.end);
        places.extend(self.zeros.iter().filter(|z| self.parts.is_empty() || !inside(z)).map(|z| (z.clone(), "0".repeat(z.len()))));
        places.extend(self.comments.iter().filter(|c| self.parts.is_empty() || !inside(c)).map(|c| (c.clone(), " ".repeat(c.len()))));
        places.sort_by_key(|(p, _)| p.start);
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (place, by) in places {
            out.push_str(text.get(at..place.start).unwrap_or_default());
            out.push_str(&by);
            at = place.end;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        out.into()
    }

    /// The parts by where they start.
    pub fn into_parts(self) -> HashMap<usize, Range<usize>> {
        self.parts.into_iter().map(|(p, _)| (p.start, p)).collect()
    }
}

/// What a pair of braces holds, while it is open.
#[derive(Default)]
struct Items {
    /// Arguments and blocks, not the items of an object.
    body: bool,
    /// The keys so far.
    keys: Vec<Range<usize>>,
    /// Where the key that is being read starts.
    key: Option<usize>,
    /// After the equals sign.
    in_value: bool,
    /// A for-expression: it has no items.
    is_for: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// Code inside a bracket that was opened here; `None` at the top.
    Code(Option<(usize, u8)>),
    /// Code inside `${` or `%{` opened here.
    Interp(usize),
    /// A quoted string opened here.
    Quoted(usize),
    /// A bare template.
    Bare,
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    source: SourceId,
    stack: Vec<Mode>,
    /// What the braces of each level of the stack hold.
    items: Vec<Option<Items>>,
    /// Where the expression starts that is being taken out, and the level below it.
    part: Option<(usize, usize)>,
    /// Where the name just read starts, and where it ends.
    name: Range<usize>,
    /// The last byte of code that is not blank.
    last: u8,
    last_at: usize,
    /// How many heredocs we are inside of.
    heredocs: usize,
    hidden: Hidden,
    /// The text ends inside a heredoc.
    in_heredoc: bool,
}

fn comment_starts(bytes: &[u8], at: usize) -> bool {
    bytes[at] == b'/' && matches!(bytes.get(at + 1), Some(b'/' | b'*'))
}

/// Checks a text. The first problem found is returned; else the places that are to be hidden from the parser,
/// which would stumble over them.
pub fn check(text: &str, source: SourceId, form: Form) -> Result<Hidden, Diagnostic> {
    let mut scan = Scan::new(text, source, form);
    scan.all()?;
    let mut hidden = scan.end()?;
    if form != Form::Expr {
        // The parser takes no lone carriage return, even in a comment.
        hidden.comments.retain(|c| has_bare_return(text.as_bytes(), c.clone()));
    }
    Ok(hidden)
}

/// Whether more lines can make the text whole: a bracket, a template sequence or a heredoc is open at its end.
pub fn is_open(text: &str) -> bool {
    let mut scan = Scan::new(text, SourceId(0), Form::Expr);
    match scan.all() {
        Ok(()) => matches!(scan.stack.last(), Some(Mode::Code(Some(_)) | Mode::Interp(_))),
        Err(_) => scan.in_heredoc,
    }
}

impl<'a> Scan<'a> {
    fn new(text: &'a str, source: SourceId, form: Form) -> Self {
        Scan {
            text,
            bytes: text.as_bytes(),
            at: 0,
            source,
            stack: vec![if form == Form::Template { Mode::Bare } else { Mode::Code(None) }],
            items: vec![(form == Form::Body).then(|| Items { body: true, ..Items::default() })],
            part: None,
            name: 0..0,
            last: b'=',
            last_at: 0,
            heredocs: 0,
            hidden: Hidden::default(),
            in_heredoc: false,
        }
    }

    fn all(&mut self) -> Result<(), Diagnostic> {
        while let (Some(mode), true) = (self.stack.last().copied(), self.at < self.bytes.len()) {
            match mode {
                Mode::Code(_) | Mode::Interp(_) => self.code()?,
                Mode::Quoted(start) => self.quoted(start)?,
                Mode::Bare => self.literal()?,
            }
            if self.stack.len() > MAX_DEPTH {
                return Err(Diagnostic::error(NESTING, format!("Brackets and templates are nested more than {MAX_DEPTH} deep."))
                    .at(self.span(self.at.saturating_sub(1), self.at))
                    .hint("Move inner parts into locals."));
            }
        }
        Ok(())
    }

    fn end(self) -> Result<Hidden, Diagnostic> {
        let end = self.text.len();
        match self.stack.last() {
            Some(Mode::Quoted(start)) => Err(self.unterminated_string(*start)),
            Some(Mode::Interp(start)) => Err(self
                .error(end, end, "The template sequence that starts with \"${\" or \"%{\" is not closed by \"}\".")
                .also(self.span(*start, start + 2), "opened here")),
            Some(Mode::Code(Some((start, open)))) => Err(self
                .error(end, end, format!("The bracket {:?} is never closed.", *open as char))
                .also(self.span(*start, start + 1), "opened here")),
            _ => Ok(self.hidden),
        }
    }
}

impl Scan<'_> {
    fn span(&self, start: usize, end: usize) -> Span {
        Span { source: self.source, start: start as u32, end: end as u32 }
    }

    fn error(&self, start: usize, end: usize, detail: impl Into<String>) -> Diagnostic {
        Diagnostic::error(SYNTAX, detail.into()).at(self.span(start, end))
    }

    fn unterminated_string(&self, start: usize) -> Diagnostic {
        let end = self.text[start..].find('\n').map_or(self.text.len(), |i| start + i);
        // The quote was meant to end the string around: "${x"
        if let [.., Mode::Quoted(outer), Mode::Interp(open), Mode::Quoted(_)] = self.stack[..]
            && !self.text[outer..start].contains('\n')
        {
            return self
                .error(open, start, "The template sequence that starts with \"${\" or \"%{\" is not closed by \"}\".")
                .hint("Close it with a brace before the quote, or write $${ for the characters themselves.");
        }
        self.error(start, end, "A quoted string must end on the line where it starts.")
            .hint("Close it with a quote, write \\n for a line break, or use a heredoc.")
    }

    fn bare_return(&self, at: usize) -> Diagnostic {
        self.error(at, at + 1, "A carriage return can stand only before a line feed, and in comments.")
            .hint("Save the file with line feeds; inside of a string, write \\r.")
    }

    fn starts(&self, s: &str) -> bool {
        self.bytes[self.at..].starts_with(s.as_bytes())
    }

    fn skip_to(&mut self, s: &str, from: usize) {
        let found = self.text.get(from..).and_then(|t| t.find(s)).map(|i| from + i + s.len());
        self.at = found.unwrap_or(self.bytes.len());
    }

    fn push(&mut self, mode: Mode) {
        self.stack.push(mode);
        self.items.push(None);
    }

    fn pop(&mut self) {
        self.stack.pop();
        if let Some(Some(items)) = self.items.pop() {
            self.hide_repeated(&items);
        }
    }

    /// An opening bracket of code.
    fn open(&mut self, bracket: u8) {
        let in_body = matches!(self.items.last(), Some(Some(i)) if i.body && !i.in_value);
        let after_name = self.name.end > 0 && self.text[self.name.end..self.at].trim().is_empty();
        let is_call = bracket == b'(' && after_name && self.name.end == self.at;
        let starts_term =
            matches!(self.last, b'=' | b'(' | b'[' | b'{' | b',' | b':' | b'?' | b'+' | b'*' | b'/' | b'%' | b'&' | b'|' | b'<' | b'>');
        if self.part.is_none() && self.stack.len() > PART_DEPTH && !in_body && (is_call || starts_term && !after_name) {
            self.part = Some((if is_call { self.name.start } else { self.at }, self.stack.len()));
        }
        self.push(Mode::Code(Some((self.at, bracket))));
        if bracket == b'{' {
            let items = Items { body: in_body, ..Items::default() };
            self.items.pop();
            self.items.push(Some(items));
        }
        self.at += 1;
    }

    /// Follows where keys and values are.
    fn follow(&mut self, b: u8) {
        let (at, bytes) = (self.at, self.bytes);
        let Some(Some(items)) = self.items.last_mut() else { return };
        if items.body {
            let cut = || {
                matches!(self.last, b'=' | b'&' | b'|' | b'+' | b'-' | b'*' | b'/' | b'%' | b'?' | b':')
                    && self.last_at.checked_sub(1).is_none_or(|before| bytes[before] != b'.')
            };
            let resumed = || {
                matches!(b, b'=' | b'!' | b'<' | b'>' | b'&' | b'|' | b'+' | b'-' | b'*' | b'/' | b'%' | b'?' | b':' | b'.' | b'[' | b'(')
            };
            if items.in_value && b == b'\n' && cut() || !items.in_value && items.key.is_none() && resumed() && !comment_starts(bytes, at) {
                self.hidden.continued.get_or_insert(at);
            }
        }
        match b {
            b' ' | b'\t' | b'\r' | b'}' | b'#' => {}
            b'/' if comment_starts(bytes, at) => {}
            b'\n' | b',' => (items.key, items.in_value) = (None, false),
            b'=' | b':' if !items.in_value && bytes.get(at + 1) != Some(&b'=') => {
                items.in_value = true;
                let key = items.key.take().map(|start| start..start + self.text[start..at].trim_end().len());
                items.keys.extend(key.filter(|_| !items.body && !items.is_for));
            }
            _ if !items.in_value && items.key.is_none() => {
                items.key = Some(at);
                items.is_for |= items.keys.is_empty()
                    && self.text[at..].strip_prefix("for").is_some_and(|r| r.starts_with([' ', '\t', '\n', '#', '/']));
            }
            _ => {}
        }
    }

    /// The parser refuses an object with the same key twice; the later ones get other names while it looks.
    fn hide_repeated(&mut self, items: &Items) {
        if self.part.is_some() || items.keys.len() < 2 {
            return;
        }
        let plain = |r: &Range<usize>| -> String {
            let text: String = without_comments(&self.text[r.clone()]).split_whitespace().collect();
            if text.starts_with(|c: char| c.is_ascii_digit()) { "0".into() } else { text }
        };
        let mut seen = HashSet::new();
        let repeated: Vec<&Range<usize>> = items.keys.iter().filter(|k| !seen.insert(plain(k))).collect();
        // Which name of a length is tried next.
        let mut next: HashMap<usize, usize> = HashMap::new();
        for key in repeated {
            let n = next.entry(key.len()).or_default();
            let end = 53usize.saturating_pow(key.len() as u32).min(1_000_000);
            while *n < end {
                let name = stand_in(*n, key.len());
                *n += 1;
                if seen.insert(name.clone()) {
                    self.hidden.parts.push((key.clone(), name));
                    break;
                }
            }
        }
    }

    fn code(&mut self) -> Result<(), Diagnostic> {
        let start = self.at;
        let b = self.bytes[start];
        self.follow(b);
        let next = self.token(start);
        if !b.is_ascii_whitespace() && !matches!((b, self.bytes.get(start + 1)), (b'#', _) | (b'/', Some(b'/' | b'*'))) {
            (self.last, self.last_at) = (b, start);
        }
        next
    }

    fn token(&mut self, start: usize) -> Result<(), Diagnostic> {
        match self.bytes[start] {
            b'#' => self.comment(),
            b'/' if self.starts("//") => self.comment(),
            b'/' if self.starts("/*") => {
                if !self.text[start + 2..].contains("*/") {
                    return Err(self.error(start, start + 2, "The comment that starts here is never closed by \"*/\"."));
                }
                self.skip_to("*/", start + 2);
                self.note_comment(start);
            }
            b'.' if self.dangling_dot() => {
                return Err(self.error(start, start + 1, "A name or an index must follow the dot on the same line."));
            }
            b'\r' if is_bare_return(self.bytes, start) => return Err(self.bare_return(start)),
            b'"' => {
                self.at += 1;
                self.push(Mode::Quoted(start));
            }
            b'<' if self.starts("<<") => return self.nested_heredoc(),
            open @ (b'(' | b'[' | b'{') => self.open(open),
            close @ (b')' | b']' | b'}') => return self.close(close),
            b'*' if self.last == b'[' => {
                // The line breaks around it are those of the text around the bracket.
                let end = self.text[start..].find(']').map_or(self.text.len(), |i| start + i);
                let matters = self.newline_ends(self.stack.len() - 1);
                if matters && self.text[self.last_at..end].contains('\n') {
                    return Err(self.error(start, start + 1, "A splat is written [*], on one line."));
                }
                self.at += 1;
            }
            b'-' | b'!' => return self.prefix_operators(),
            b if b.is_ascii_digit() => self.number(),
            b if b.is_ascii_alphabetic() || b == b'_' => {
                self.at += self.run(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-') || !b.is_ascii());
                let joined = self.text[..start].ends_with("::") && self.name.end + 2 == start;
                self.name = if joined { self.name.start..self.at } else { start..self.at };
            }
            _ => self.at += 1,
        }
        Ok(())
    }

    /// Steps over a comment to the end of its line.
    fn comment(&mut self) {
        let start = self.at;
        self.skip_line();
        self.note_comment(start);
    }

    fn note_comment(&mut self, start: usize) {
        if self.stack.len() == 1 || has_bare_return(self.bytes, start..self.at) {
            self.hidden.comments.push(start..self.at);
        }
    }

    /// Whether line breaks end expressions at this depth: in bodies and objects, but not inside of other brackets or in for-expressions.
    fn newline_ends(&self, depth: usize) -> bool {
        let at = depth.checked_sub(1);
        let is_for = at.and_then(|i| self.items.get(i)).is_some_and(|i| i.as_ref().is_some_and(|i| i.is_for));
        !is_for && matches!(at.and_then(|i| self.stack.get(i)), Some(Mode::Code(None | Some((_, b'{')))))
    }

    /// Whether a dot stands at the end of a line, where line breaks end the expression.
    fn dangling_dot(&self) -> bool {
        // The dots of an ellipsis ask for nothing after them.
        let ellipsis = self.text[..self.at].ends_with('.');
        let newline_ends = !ellipsis && self.newline_ends(self.stack.len());
        let rest = self.text[self.at + 1..].trim_start_matches([' ', '\t', '\r']);
        newline_ends && (rest.is_empty() || rest.starts_with('\n'))
    }

    /// How many bytes from here on satisfy the condition.
    fn run(&self, f: impl Fn(u8) -> bool) -> usize {
        self.bytes[self.at..].iter().take_while(|b| f(**b)).count()
    }

    /// Steps over a number literal. The parser reads numbers as 64-bit floats; what does not fit is remembered.
    fn number(&mut self) {
        let start = self.at;
        self.at += self.run(|b| b.is_ascii_digit());
        if self.bytes.get(self.at) == Some(&b'.') && self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
            self.at += self.run(|b| b.is_ascii_digit());
        }
        // A point without digits after it belongs to the number where an exponent follows.
        let bare_point = self.bytes.get(self.at) == Some(&b'.') && matches!(self.bytes.get(self.at + 1), Some(b'e' | b'E'));
        self.at += usize::from(bare_point);
        let sign = usize::from(matches!(self.bytes.get(self.at + 1), Some(b'+' | b'-')));
        let before = self.at;
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) && self.bytes.get(self.at + 1 + sign).is_some_and(u8::is_ascii_digit) {
            self.at += 1 + sign;
            self.at += self.run(|b| b.is_ascii_digit());
        }
        if bare_point && self.at == before {
            self.at -= 1;
            return;
        }
        let fits = self.text.get(start..self.at).and_then(|t| t.parse::<f64>().ok()).is_some_and(f64::is_finite);
        if !fits || bare_point {
            self.hidden.zeros.push(start..self.at);
        }
    }

    /// A run of unary operators nests as deep as it is long.
    fn prefix_operators(&mut self) -> Result<(), Diagnostic> {
        let start = self.at;
        while self.at < self.bytes.len() && matches!(self.bytes[self.at], b'-' | b'!' | b' ') {
            self.at += 1;
        }
        let count = self.bytes[start..self.at].iter().filter(|b| **b != b' ').count();
        if count > MAX_DEPTH {
            return Err(Diagnostic::error(NESTING, format!("More than {MAX_DEPTH} operators stand before one operand."))
                .at(self.span(start, self.at)));
        }
        Ok(())
    }

    fn skip_line(&mut self) {
        self.at = self.text[self.at..].find('\n').map_or(self.bytes.len(), |i| self.at + i);
    }

    fn close(&mut self, close: u8) -> Result<(), Diagnostic> {
        let at = self.at;
        self.at += 1;
        match self.stack.last() {
            Some(Mode::Interp(_)) if close == b'}' => self.pop(),
            Some(Mode::Code(Some((_, open)))) if pair(*open) == close => self.pop(),
            Some(Mode::Code(Some((start, open)))) => {
                let detail = format!("Here {:?} closes a bracket that was opened with {:?}.", close as char, *open as char);
                return Err(self.error(at, at + 1, detail).also(self.span(*start, start + 1), "opened here"));
            }
            _ => return Err(self.error(at, at + 1, format!("Nothing is open that {:?} could close.", close as char))),
        }
        if let Some((start, level)) = self.part
            && self.stack.len() == level
        {
            self.part = None;
            self.hidden.parts.push((start..self.at, "_".repeat(self.at - start)));
        }
        Ok(())
    }

    /// Opens an interpolation or directive, or steps over its escaped form. Whether there was one.
    fn template_sequence(&mut self) -> Result<bool, Diagnostic> {
        if self.starts("$${") || self.starts("%%{") {
            self.at += 3;
        } else if self.starts("${") || self.starts("%{") {
            if let Some(d) = self.foreign_placeholder() {
                return Err(d);
            }
            self.push(Mode::Interp(self.at));
            self.at += 2;
            self.last = b'=';
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// The error for what other programs write like a template sequence: `${file:/path:key}` of Kafka Connect, `%{host}` of a log format. No
    /// expression begins with a name and one colon, and no directive with another word than these.
    fn foreign_placeholder(&self) -> Option<Diagnostic> {
        let inside = self.text[self.at + 2..].trim_start_matches('~').trim_start_matches(' ');
        let word = &inside[..inside.find(|c: char| !c.is_alphanumeric() && !"_-.".contains(c)).unwrap_or(inside.len())];
        let behind = &inside[word.len()..];
        let (sign, is_foreign) = match self.bytes[self.at] {
            b'$' => ('$', behind.starts_with(':') && !behind.starts_with("::")),
            _ => ('%', !["if", "else", "endif", "for", "endfor"].contains(&word)),
        };
        if word.is_empty() || !word.starts_with(|c: char| c.is_alphabetic()) || !is_foreign {
            return None;
        }
        let what = match sign {
            '$' => format!("\"${{\" begins an expression, and no expression begins with \"{word}:\"."),
            _ => format!("\"%{{\" begins a directive such as if or for, and \"{word}\" is none."),
        };
        let end = self.text.len() - behind.len();
        let hint = format!(
            "For a placeholder that another program fills in, double the sign: {sign}{sign}{{{word}{}…}} stands for the characters themselves.",
            if sign == '$' { ":" } else { "" }
        );
        Some(self.error(self.at, end, what).hint(hint))
    }

    fn quoted(&mut self, start: usize) -> Result<(), Diagnostic> {
        if self.template_sequence()? {
            return Ok(());
        }
        match self.bytes[self.at] {
            b'\n' => return Err(self.unterminated_string(start)),
            b'\r' if is_bare_return(self.bytes, self.at) => return Err(self.bare_return(self.at)),
            b'"' => {
                self.pop();
                self.at += 1;
            }
            b'\\' => self.at += 2,
            _ => self.at += 1,
        }
        Ok(())
    }

    fn literal(&mut self) -> Result<(), Diagnostic> {
        if !self.template_sequence()? {
            self.at += 1;
        }
        Ok(())
    }

    fn nested_heredoc(&mut self) -> Result<(), Diagnostic> {
        self.heredocs += 1;
        if self.heredocs > MAX_HEREDOCS {
            return Err(Diagnostic::error(NESTING, format!("Heredocs are nested more than {MAX_HEREDOCS} deep."))
                .at(self.span(self.at, self.at + 2))
                .hint("Move inner parts into locals."));
        }
        let result = self.heredoc();
        self.heredocs -= 1;
        result
    }

    /// Steps over a heredoc, scanning the templates inside it. A `<<` that starts none is left to the parser.
    fn heredoc(&mut self) -> Result<(), Diagnostic> {
        let start = self.at;
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |i| start + i);
        let marker = self.text[start + 2..line_end].trim_start_matches('-').trim_end_matches('\r');
        if marker.is_empty() || !marker.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') {
            self.at += 2;
            return Ok(());
        }
        self.at = (line_end + 1).min(self.text.len());
        let depth = self.stack.len();
        let body_start = self.at;
        let mut line_start = true;
        while self.at < self.bytes.len() {
            if self.stack.len() > depth {
                match self.stack.last().copied() {
                    Some(Mode::Quoted(s)) => self.quoted(s)?,
                    _ => self.code()?,
                }
                if self.stack.len() > MAX_DEPTH {
                    return Ok(());
                }
                line_start = false;
                continue;
            }
            if line_start {
                let at_start = self.at == body_start;
                if self.at_marker(marker) {
                    if self.at == self.text.len() && matches!(self.items.first(), Some(Some(_))) {
                        return Err(self.error(self.at, self.at, "A line break is missing after the end of the heredoc.".to_string()));
                    }
                    // Without a line between its marks, the parser takes it for one that is still open.
                    if at_start && self.part.is_none() {
                        self.hidden.parts.push((start..self.at, "_".repeat(self.at - start)));
                    }
                    return Ok(());
                }
            }
            if is_bare_return(self.bytes, self.at) {
                return Err(self.bare_return(self.at));
            }
            line_start = self.bytes[self.at] == b'\n';
            self.literal()?;
        }
        let end = self.text.len();
        self.in_heredoc = true;
        Err(self
            .error(end, end, format!("The heredoc is not closed: no line consists of {marker:?} alone."))
            .also(self.span(start, line_end), "opened here"))
    }

    /// Whether this line is the closing marker; steps over it if so.
    fn at_marker(&mut self, marker: &str) -> bool {
        let line = self.text[self.at..].split('\n').next().unwrap_or("");
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let rest = &line[indent..];
        let closes = rest.trim_end() == marker;
        // The parser would end the heredoc at such a line; what it reads there does not matter.
        if !closes && rest.starts_with(marker) {
            self.hidden.zeros.push(self.at + indent..self.at + indent + marker.len());
        }
        if closes {
            self.at += indent + marker.len();
        }
        closes
    }
}

/// Whether a carriage return that ends no line stands in this range.
fn has_bare_return(bytes: &[u8], range: Range<usize>) -> bool {
    range.into_iter().any(|i| is_bare_return(bytes, i))
}

/// A carriage return without a line feed after it.
fn is_bare_return(bytes: &[u8], at: usize) -> bool {
    bytes.get(at) == Some(&b'\r') && bytes.get(at + 1) != Some(&b'\n')
}

/// The text of a key without comments. (What only looks like one, inside quotes, makes no difference here: hiding is harmless.)
fn without_comments(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(['#', '/']) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let end = if after.starts_with("/*") { after.find("*/").map(|i| i + 2) } else { after.find('\n') };
        rest = end.and_then(|i| after.get(i..)).unwrap_or_default();
    }
    out + rest
}

/// The n-th name of this length.
fn stand_in(n: usize, len: usize) -> String {
    const LETTERS: &[u8; 53] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    let mut n = n;
    let mut name = String::new();
    for _ in 0..len {
        name.push(LETTERS[n % 53] as char);
        n /= 53;
    }
    name
}

fn pair(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    }
}
