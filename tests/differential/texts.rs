//! Calls of the functions whose arguments are texts of a form: addresses, tables, patterns, format strings, dates, YAML. Most texts are odd,
//! for a whole grammar of each would seldom leave what everybody writes.

use super::random::Random;

const PREFIXES: &[&str] = &[
    "10.0.0.0/8",
    "10.1.2.3/16",
    "192.168.1.0/24",
    "0.0.0.0/0",
    "255.255.255.255/32",
    "10.0.0.0/31",
    "2001:db8::/32",
    "fd00:fd12::/56",
    "::/0",
    "::1/128",
    "::ffff:10.0.0.0/104",
    "10.0.0/8",
    "10.0.0.0",
    "10.0.0.0/33",
    "2001:db8::/129",
    "010.0.0.0/8",
    "10.0.0.0/08",
    "",
    "a/8",
    "10.0.0.0/-1",
    "10.0.0.256/8",
    "fe80::1%eth0/64",
    "1.2.3.4/8/8",
    " 10.0.0.0/8",
    "fd00:0:0:0:0:0:0:0/48",
    "1:2:3:4:5:6:7::/112",
];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "5",
    "16",
    "255",
    "256",
    "-1",
    "-2",
    "-256",
    "1.5",
    "\"3\"",
    "4294967296",
    "1e20",
    "340282366920938463463374607431768211456",
    "null",
];
const BITS: &[&str] = &["0", "1", "2", "4", "8", "16", "20", "24", "32", "33", "64", "96", "128", "1.5"];
const TABLES: &[&str] = &[
    "a,b\n1,2\n",
    "a,b\r\n1,2\r\n",
    "a\n1\n2",
    "a,a\n1,2",
    "a,b\n1",
    "a,b\n1,2,3",
    "",
    "\n",
    "a,b",
    "\"a\",\"b\"\n\"1\"\"x\",\"2\n3\"",
    "a,b\n\"1,2",
    "a,b\n1\"2,3",
    "\u{feff}a,b\n1,2",
    "a,b\n\n1,2\n\n",
    "a,b\n , \n",
    "#a,b\n1,2",
    "a,,b\n1,2,3",
    "a,b\n\"1\" ,2",
    "é,ü\n日,本",
    "a,b\r1,2",
    ",\n,",
];
const PATTERN_PARTS: &[&str] = &[
    "a",
    "b",
    "(a)",
    "(b)?",
    "(?P<x>a)",
    "(?P<y>b)?",
    "(?i)",
    "(?s)",
    "(?m)",
    "(?U)",
    "(?x)",
    "(?i-s:a)",
    r"\pL",
    r"\p{Greek}",
    r"\p{^Lu}",
    r"\p{lu}",
    "[[:alpha:]]",
    "[[:^digit:]]",
    "[[:foo:]]",
    r"\Qa.b\E",
    "{2}",
    "{,2}",
    "{2,1}",
    "{1,}?",
    "{1001}",
    "(?=a)",
    r"\b",
    r"\B",
    "^",
    "$",
    "x*",
    "a+?",
    "|",
    r"\d+",
    r"\D",
    r"\w",
    r"\s",
    "[^a]",
    "[a-c]",
    "[c-a]",
    "[]a]",
    "[a-]",
    "[a&&b]",
    r"[\d-]",
    ".",
    r"\.",
    r"\z",
    r"\Z",
    r"\A",
    r"\x41",
    r"\x{1F600}",
    r"\101",
    r"\1",
    r"\C",
    r"\u0041",
    "a**",
    "(",
    ")",
    "[",
    "]",
    "}",
    "é",
    "日",
    "-",
    " ",
];
const SUBJECTS: &[&str] = &[
    "aab",
    "",
    "AB",
    "a.b",
    "foo bar",
    "b\na",
    "αβγ",
    "日本😀",
    "aaa",
    "12 ab 34",
    "A",
    "xéy",
    "a-b_c",
    "e\u{301}",
    "a\r\nb",
    "{2}",
    "[a]",
];
const REPLACEMENTS: &[&str] = &["", "<$0>", "$1", "$x", "$$", "$", "$1x", "\\1", "$10", "$-", "é", "$x_y"];
const VERB_FLAGS: &[&str] = &["", "", "", "5", "-5", "05", "+", "#", " ", ".2", "8.3", "-8.1", "[1]", "[2]", "*", "+05", "300"];
const VERBS: &[&str] = &["v", "s", "q", "d", "b", "x", "X", "o", "e", "E", "f", "g", "G", "t", "c", "U", "T", "%", "p", "n"];
const VALUES: &[&str] = &[
    "1",
    "-1",
    "1.5",
    "\"a\"",
    "\"é日😀\"",
    "true",
    "[1, \"a\"]",
    "{ a = 1 }",
    "\"12\"",
    "1e21",
    "1e-7",
    "123456789012345678901234567890",
    "255",
    "0.1",
    "\"\"",
    "3.999",
];
const TIMES: &[&str] = &[
    "2020-02-29T23:59:59Z",
    "2006-01-02T15:04:05+07:00",
    "1999-12-31T00:00:00-00:30",
    "0001-01-01T00:00:00Z",
    "2020-1-1T00:00:00Z",
    "2020-02-30T00:00:00Z",
    "2020-01-01T24:00:00Z",
    "2020-01-01T00:00:60Z",
    "2020-01-01 00:00:00Z",
    "2020-01-01T00:00:00",
    "2020-01-01T00:00:00.123456789Z",
    "2020-01-01t00:00:00z",
    "",
];
const TIME_PARTS: &[&str] = &[
    "YYYY", "YY", "Y", "MM", "M", "MMM", "MMMM", "DD", "D", "EEE", "EEEE", "E", "hh", "h", "HH", "H", "AA", "aa", "A", "mm", "m", "ss",
    "s", "Z", "ZZZ", "ZZZZ", "ZZZZZ", "'x'", "''", "'it''s'", "'open", "-", ":", " ", "é", "q",
];
const DURATIONS: &[&str] = &[
    "1h",
    "-1h",
    "1.5h",
    "1h30m",
    "10ms",
    "1us",
    "1µs",
    "1ns",
    "0",
    "0s",
    "",
    "1",
    "h",
    "1d",
    "1h-5m",
    "+5m",
    ".5s",
    "1.s",
    "9223372037s",
    "100000h",
    "1h 5m",
];
const YAML_PARTS: &[&str] = &[
    "a: 1\n",
    "b: [x, y]\n",
    "- 1\n",
    "- a: b\n",
    "  c: d\n",
    "x",
    "\"q\\n\"\n",
    "'it''s'\n",
    "|\n  text\n",
    ">-\n  folded\n  text\n",
    "&a 1\n",
    "*a\n",
    "<<: *a\n",
    "---\n",
    "...\n",
    "# note\n",
    "null\n",
    "~\n",
    "0x1F\n",
    "0o17\n",
    "017\n",
    "1_000\n",
    ".inf\n",
    ".nan\n",
    "1e3\n",
    "yes\n",
    "true\n",
    "2020-01-01\n",
    "!!str 1\n",
    "!!int \"1\"\n",
    "!x y\n",
    "{a: 1, b: [c]}\n",
    "? k\n: v\n",
    "\t",
    ": ",
    "- ",
    "a: b: c\n",
    "%YAML 1.2\n",
    "@x\n",
    "é: 日\n",
];

/// Writes calls.
pub struct Calls(pub Random);

impl Calls {
    /// A call of one of the functions.
    pub fn expression(&mut self) -> String {
        match self.0.below(14) {
            0 => format!("cidrhost({}, {})", self.quoted(PREFIXES), self.0.pick(NUMBERS)),
            1 => format!("cidrsubnet({}, {}, {})", self.quoted(PREFIXES), self.0.pick(BITS), self.0.pick(NUMBERS)),
            2 => format!("cidrsubnets({}, {}, {}, {})", self.quoted(PREFIXES), self.0.pick(BITS), self.0.pick(BITS), self.0.pick(BITS)),
            3 => format!("cidrnetmask({})", self.quoted(PREFIXES)),
            4 => format!("csvdecode({})", self.quoted(TABLES)),
            5 => format!("regex({}, {})", self.joined(PATTERN_PARTS, 3), self.quoted(SUBJECTS)),
            6 => format!("regexall({}, {})", self.joined(PATTERN_PARTS, 3), self.quoted(SUBJECTS)),
            7 => {
                let pattern = format!("/{}/", self.text(PATTERN_PARTS, 2));
                format!("replace({}, {}, {})", self.quoted(SUBJECTS), quote(&pattern), self.quoted(REPLACEMENTS))
            }
            8 => format!("format({}, {})", self.verbs(), self.0.pick(VALUES)),
            9 => format!("format({}, {}, {})", self.verbs(), self.0.pick(VALUES), self.0.pick(VALUES)),
            10 => format!("formatdate({}, {})", self.joined(TIME_PARTS, 4), self.quoted(TIMES)),
            11 => format!("timeadd({}, {})", self.quoted(TIMES), self.quoted(DURATIONS)),
            12 => format!("timecmp({}, {})", self.quoted(TIMES), self.quoted(TIMES)),
            _ => format!("yamldecode({})", self.joined(YAML_PARTS, 4)),
        }
    }

    fn quoted(&mut self, from: &[&str]) -> String {
        quote(self.0.pick(from))
    }

    fn text(&mut self, from: &[&str], most: usize) -> String {
        (0..=self.0.below(most)).map(|_| self.0.pick(from)).collect()
    }

    fn joined(&mut self, from: &[&str], most: usize) -> String {
        quote(&self.text(from, most))
    }

    fn verbs(&mut self) -> String {
        let text: String = (0..=self.0.below(2)).map(|_| format!("<%{}{}>", self.0.pick(VERB_FLAGS), self.0.pick(VERBS))).collect();
        quote(&text)
    }
}

/// As a quoted template without sequences.
fn quote(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ => out.push(c),
        }
    }
    out.replace("${", "$${").replace("%{", "%%{") + "\""
}
