//! A lossless tokenizer: every byte but blanks between tokens is in some token's text.
//!
//! It follows the text's shape only (strings, templates, heredocs, comments, operators); whether that is HCL, the parser says.

/// Kinds of token, as far as the layout rules tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No token: the neighbour of the first and the last.
    Nil,
    Newline,
    /// With its line end, where it is a line comment.
    Comment,
    Ident,
    Number,
    OQuote,
    CQuote,
    /// Text of a quoted template or heredoc.
    Lit,
    /// `<<EOT` with its line end.
    OHeredoc,
    CHeredoc,
    /// `${`
    Interp,
    /// `%{`
    Control,
    /// The brace that ends either.
    SeqEnd,
    OBrace,
    CBrace,
    OBrack,
    CBrack,
    OParen,
    CParen,
    Dot,
    Comma,
    Ellipsis,
    DoubleColon,
    Colon,
    Question,
    Equal,
    Bang,
    Minus,
    /// Any other operator after which a minus is a sign.
    Operator,
    /// Anything else.
    Other,
}

/// A token with the number of spaces to write before it.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) spaces: usize,
}

impl Token {
    pub(super) fn new(kind: Kind, text: impl Into<String>) -> Token {
        Token { kind, text: text.into(), spaces: 0 }
    }

    /// Whether a line ends with this token. A line comment has its line end in it.
    pub(super) fn ends_line(&self) -> bool {
        self.kind == Kind::Newline || (self.kind == Kind::Comment && self.text.ends_with('\n'))
    }

    /// How many brackets it opens, less those it closes.
    pub(super) fn brackets(&self) -> i32 {
        match self.kind {
            Kind::OBrace | Kind::OBrack | Kind::OParen | Kind::Interp | Kind::Control => 1,
            Kind::CBrace | Kind::CBrack | Kind::CParen | Kind::SeqEnd => -1,
            _ => 0,
        }
    }
}

/// What the text is at a place.
enum Mode {
    /// An expression or body: open braces inside.
    Code(usize),
    Quoted,
    /// Up to a line with this marker alone.
    Heredoc(String),
}

/// All tokens of a text.
pub(super) fn tokenize(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { rest: text, out: vec![], modes: vec![Mode::Code(0)], line_start: true };
    while !lexer.rest.is_empty() {
        lexer.step();
    }
    lexer.out
}

struct Lexer<'a> {
    rest: &'a str,
    out: Vec<Token>,
    modes: Vec<Mode>,
    /// Whether a heredoc's line starts here.
    line_start: bool,
}

impl Lexer<'_> {
    fn take(&mut self, kind: Kind, len: usize) {
        let (text, rest) = self.rest.split_at(len);
        self.out.push(Token::new(kind, text));
        self.rest = rest;
    }

    fn step(&mut self) {
        match self.modes.last() {
            Some(Mode::Quoted) => self.quoted(),
            Some(Mode::Heredoc(marker)) => {
                let marker = marker.clone();
                self.heredoc(&marker);
            }
            _ => self.code(),
        }
    }

    /// The start of an interpolation or directive, if one is here.
    fn sequence(&mut self) -> bool {
        let kind = match self.rest.get(..2) {
            Some("${") => Kind::Interp,
            Some("%{") => Kind::Control,
            _ => return false,
        };
        let len = if self.rest[2..].starts_with('~') { 3 } else { 2 };
        self.take(kind, len);
        self.modes.push(Mode::Code(0));
        true
    }

    fn quoted(&mut self) {
        if self.rest.starts_with('"') {
            self.take(Kind::CQuote, 1);
            self.modes.pop();
        } else if !self.sequence() {
            let len = literal_len(self.rest, true);
            self.take(Kind::Lit, len);
        }
    }

    fn heredoc(&mut self, marker: &str) {
        let line = self.rest.split('\n').next().unwrap_or("");
        if self.line_start && line.trim() == marker {
            let len = line.trim_end().len();
            self.take(Kind::CHeredoc, len);
            self.modes.pop();
            return;
        }
        self.line_start = false;
        if !self.sequence() {
            let len = literal_len(self.rest, false);
            self.line_start = self.rest[..len].ends_with('\n');
            self.take(Kind::Lit, len);
        }
    }

    fn code(&mut self) {
        let rest = self.rest;
        let bytes = rest.as_bytes();
        let two = rest.get(..2).unwrap_or("");
        match bytes[0] {
            b' ' | b'\t' => self.rest = &rest[1..],
            b'\n' => self.take(Kind::Newline, 1),
            b'\r' if two == "\r\n" => self.take(Kind::Newline, 2),
            b'#' => self.line_comment(),
            b'/' if two == "//" => self.line_comment(),
            b'/' if two == "/*" => {
                let len = rest[2..].find("*/").map_or(rest.len(), |i| i + 4);
                self.take(Kind::Comment, len);
            }
            b'"' => {
                self.take(Kind::OQuote, 1);
                self.modes.push(Mode::Quoted);
            }
            b'<' if two == "<<" => self.open_heredoc(),
            b'0'..=b'9' => self.take(Kind::Number, number_len(rest)),
            b'~' if two == "~}" && self.in_sequence() => self.end_sequence(2),
            b'}' if self.in_sequence() => self.end_sequence(1),
            b'{' => self.brace(Kind::OBrace, 1),
            b'}' => self.brace(Kind::CBrace, -1),
            _ => self.word_or_operator(),
        }
    }

    fn in_sequence(&self) -> bool {
        self.modes.len() > 1 && matches!(self.modes.last(), Some(Mode::Code(0)))
    }

    fn end_sequence(&mut self, len: usize) {
        self.take(Kind::SeqEnd, len);
        self.modes.pop();
        self.line_start = false;
    }

    fn brace(&mut self, kind: Kind, change: isize) {
        if let Some(Mode::Code(depth)) = self.modes.last_mut() {
            *depth = depth.saturating_add_signed(change);
        }
        self.take(kind, 1);
    }

    fn line_comment(&mut self) {
        let len = self.rest.find('\n').map_or(self.rest.len(), |i| i + 1);
        self.take(Kind::Comment, len);
    }

    fn open_heredoc(&mut self) {
        let end = self.rest.find('\n').map_or(self.rest.len(), |i| i + 1);
        let marker = self.rest[2..end].trim_start_matches('-').trim().to_string();
        if marker.is_empty() {
            return self.take(Kind::Operator, 2);
        }
        self.take(Kind::OHeredoc, end);
        self.modes.push(Mode::Heredoc(marker));
        self.line_start = true;
    }

    fn word_or_operator(&mut self) {
        let rest = self.rest;
        let word = |c: char| c == '_' || c == '-' || unicode_word(c);
        let Some(first) = rest.chars().next() else { return };
        if first == '_' || first.is_alphabetic() {
            let len = rest.find(|c| !word(c)).unwrap_or(rest.len());
            return self.take(Kind::Ident, len);
        }
        let (kind, len) = operator(rest).unwrap_or((Kind::Other, first.len_utf8()));
        self.take(kind, len);
    }
}

fn unicode_word(c: char) -> bool {
    // Combining marks continue a name although they are not alphanumeric.
    c.is_alphanumeric() || (!c.is_ascii() && !c.is_whitespace() && !c.is_control())
}

fn operator(rest: &str) -> Option<(Kind, usize)> {
    const OPERATORS: [(&str, Kind); 28] = [
        ("...", Kind::Ellipsis),
        ("::", Kind::DoubleColon),
        ("==", Kind::Operator),
        ("!=", Kind::Operator),
        (">=", Kind::Operator),
        ("<=", Kind::Operator),
        ("&&", Kind::Operator),
        ("||", Kind::Operator),
        // A minus after an arrow is followed by a space: the rules do not know the arrow.
        ("=>", Kind::Other),
        ("=", Kind::Equal),
        ("!", Kind::Bang),
        ("-", Kind::Minus),
        ("+", Kind::Operator),
        ("*", Kind::Operator),
        ("/", Kind::Operator),
        ("%", Kind::Operator),
        (">", Kind::Operator),
        ("<", Kind::Operator),
        (".", Kind::Dot),
        (",", Kind::Comma),
        (":", Kind::Colon),
        ("?", Kind::Question),
        ("(", Kind::OParen),
        (")", Kind::CParen),
        ("[", Kind::OBrack),
        ("]", Kind::CBrack),
        ("{", Kind::OBrace),
        ("}", Kind::CBrace),
    ];
    OPERATORS.iter().find(|(text, _)| rest.starts_with(text)).map(|(text, kind)| (*kind, text.len()))
}

/// Digits with a fraction and an exponent.
fn number_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| from + bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > end + 1 {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let stop = digits((end + 1 + sign).min(bytes.len()));
        if stop > end + 1 + sign {
            end = stop;
        }
    }
    end
}

/// The literal text up to a sequence, the closing quote, or the end of a heredoc's line. At least one character.
fn literal_len(text: &str, quoted: bool) -> usize {
    let mut i = 0;
    while i < text.len() {
        let rest = &text[i..];
        let Some(c) = rest.chars().next() else { break };
        let len = match c {
            '"' if quoted => break,
            '\\' if quoted => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '$' | '%' if rest[1..].starts_with('{') => break,
            // A doubled mark before a brace stands for itself.
            '$' | '%' if rest[1..].starts_with(c) && rest[2..].starts_with('{') => 3,
            '\n' if !quoted => return i + 1,
            c => c.len_utf8(),
        };
        i += len;
    }
    i.max(text.chars().next().map_or(0, char::len_utf8))
}
