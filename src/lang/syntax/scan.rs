//! The scan before parsing: strings, heredocs, templates and brackets must close, and nothing may nest too deep.

use std::ops::Range;

use crate::diag::codes::lang::{NESTING, SYNTAX};
use crate::diag::{Diagnostic, SourceId, Span};

/// How deep brackets and templates may nest. The parser has a limit of its own that is not far above.
const MAX_DEPTH: usize = 200;

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
    hidden: Vec<Range<usize>>,
    comments: Vec<Range<usize>>,
    /// The text ends inside a heredoc.
    in_heredoc: bool,
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Found {
    /// The places that are to be hidden from the parser, which would stumble over them: numbers beyond 64-bit floats, and heredoc lines
    /// that only start like the end marker.
    pub hidden: Vec<Range<usize>>,
    /// The comments outside of all brackets.
    pub comments: Vec<Range<usize>>,
}

/// Checks a text. The first problem found is returned.
pub fn check(text: &str, source: SourceId, template: bool) -> Result<Found, Diagnostic> {
    let mut scan = Scan::new(text, source, if template { Mode::Bare } else { Mode::Code(None) });
    scan.all()?;
    scan.end()
}

/// Whether more lines can make the text whole: a bracket, a template sequence or a heredoc is open at its end.
pub fn is_open(text: &str) -> bool {
    let mut scan = Scan::new(text, SourceId(0), Mode::Code(None));
    match scan.all() {
        Ok(()) => matches!(scan.stack.last(), Some(Mode::Code(Some(_)) | Mode::Interp(_))),
        Err(_) => scan.in_heredoc,
    }
}

impl<'a> Scan<'a> {
    fn new(text: &'a str, source: SourceId, top: Mode) -> Self {
        Scan { text, bytes: text.as_bytes(), at: 0, source, stack: vec![top], hidden: vec![], comments: vec![], in_heredoc: false }
    }

    fn all(&mut self) -> Result<(), Diagnostic> {
        while let (Some(mode), true) = (self.stack.last().copied(), self.at < self.bytes.len()) {
            match mode {
                Mode::Code(_) | Mode::Interp(_) => self.code()?,
                Mode::Quoted(start) => self.quoted(start)?,
                Mode::Bare => self.literal(),
            }
            if self.stack.len() > MAX_DEPTH {
                return Err(Diagnostic::error(NESTING, format!("Brackets and templates are nested more than {MAX_DEPTH} deep."))
                    .at(self.span(self.at.saturating_sub(1), self.at))
                    .hint("Move inner parts into locals."));
            }
        }
        Ok(())
    }

    fn end(self) -> Result<Found, Diagnostic> {
        let end = self.text.len();
        match self.stack.last() {
            Some(Mode::Quoted(start)) => Err(self.unterminated_string(*start)),
            Some(Mode::Interp(start)) => Err(self
                .error(end, end, "The template sequence that starts with \"${\" or \"%{\" is not closed by \"}\".")
                .also(self.span(*start, start + 2), "opened here")),
            Some(Mode::Code(Some((start, open)))) => Err(self
                .error(end, end, format!("The bracket {:?} is never closed.", *open as char))
                .also(self.span(*start, start + 1), "opened here")),
            _ => Ok(Found { hidden: self.hidden, comments: self.comments }),
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

    fn starts(&self, s: &str) -> bool {
        self.bytes[self.at..].starts_with(s.as_bytes())
    }

    fn skip_to(&mut self, s: &str, from: usize) {
        let found = self.text.get(from..).and_then(|t| t.find(s)).map(|i| from + i + s.len());
        self.at = found.unwrap_or(self.bytes.len());
    }

    fn code(&mut self) -> Result<(), Diagnostic> {
        let start = self.at;
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
            b'"' => {
                self.at += 1;
                self.stack.push(Mode::Quoted(start));
            }
            b'<' if self.starts("<<") => return self.heredoc(),
            open @ (b'(' | b'[' | b'{') => {
                self.at += 1;
                self.stack.push(Mode::Code(Some((start, open))));
            }
            close @ (b')' | b']' | b'}') => return self.close(close),
            b'-' | b'!' => return self.prefix_operators(),
            b if b.is_ascii_digit() => self.number(),
            b if b.is_ascii_alphabetic() || b == b'_' => self.at += self.run(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')),
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
        if self.stack.len() == 1 {
            self.comments.push(start..self.at);
        }
    }

    /// Whether a dot stands at the end of a line, where line breaks end the expression.
    fn dangling_dot(&self) -> bool {
        let newline_ends = matches!(self.stack.last(), Some(Mode::Code(None | Some((_, b'{')))));
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
        let sign = usize::from(matches!(self.bytes.get(self.at + 1), Some(b'+' | b'-')));
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) && self.bytes.get(self.at + 1 + sign).is_some_and(u8::is_ascii_digit) {
            self.at += 1 + sign;
            self.at += self.run(|b| b.is_ascii_digit());
        }
        let fits = self.text.get(start..self.at).and_then(|t| t.parse::<f64>().ok()).is_some_and(f64::is_finite);
        if !fits {
            self.hidden.push(start..self.at);
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
            Some(Mode::Interp(_)) if close == b'}' => drop(self.stack.pop()),
            Some(Mode::Code(Some((_, open)))) if pair(*open) == close => drop(self.stack.pop()),
            Some(Mode::Code(Some((start, open)))) => {
                let detail = format!("Here {:?} closes a bracket that was opened with {:?}.", close as char, *open as char);
                return Err(self.error(at, at + 1, detail).also(self.span(*start, start + 1), "opened here"));
            }
            _ => return Err(self.error(at, at + 1, format!("Nothing is open that {:?} could close.", close as char))),
        }
        Ok(())
    }

    /// Opens an interpolation or directive, or steps over its escaped form. Whether there was one.
    fn template_sequence(&mut self) -> bool {
        if self.starts("$${") || self.starts("%%{") {
            self.at += 3;
        } else if self.starts("${") || self.starts("%{") {
            self.stack.push(Mode::Interp(self.at));
            self.at += 2;
        } else {
            return false;
        }
        true
    }

    fn quoted(&mut self, start: usize) -> Result<(), Diagnostic> {
        if self.template_sequence() {
            return Ok(());
        }
        match self.bytes[self.at] {
            b'\n' => return Err(self.unterminated_string(start)),
            b'"' => {
                self.stack.pop();
                self.at += 1;
            }
            b'\\' => self.at += 2,
            _ => self.at += 1,
        }
        Ok(())
    }

    fn literal(&mut self) {
        if !self.template_sequence() {
            self.at += 1;
        }
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
            if line_start && self.at_marker(marker) {
                return Ok(());
            }
            line_start = self.bytes[self.at] == b'\n';
            self.literal();
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
            self.hidden.push(self.at + indent..self.at + indent + marker.len());
        }
        if closes {
            self.at += indent + marker.len();
        }
        closes
    }
}

fn pair(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    }
}
