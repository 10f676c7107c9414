//! A grammar of expressions: mostly of the type that is asked for, sometimes not, so that failures are compared as well.

use super::random::Random;

/// What an expression is to be.
#[derive(Clone, Copy, PartialEq)]
pub enum Want {
    Any,
    Bool,
    Num,
    /// A small whole number.
    Int,
    Str,
    /// Of any elements.
    List,
    Nums,
    Strs,
    Bools,
    ListOfLists,
    Set,
    Map,
    Object,
    MapOfLists,
    /// A text of a special form.
    Form(&'static [&'static str]),
}
use Want::*;

/// Writes expressions.
pub struct Generator {
    pub random: Random,
    /// Whether unknown values may be used.
    pub unknowns: bool,
    names: Vec<&'static str>,
}

const REGEX: &[&str] = &[
    "a+",
    "(a)(b)?",
    "[a-z]+",
    "(?P<x>[a-z]+)-(?P<y>\\\\d+)",
    "^$",
    ".*",
    "(",
    "[[:alpha:]]+",
    "a{2}",
    "a{,2}",
    "\\\\bfoo",
    "x*",
    "(?i)A",
    "a|b|",
    "[^a]",
    "(?:a|b)+",
    "\\\\pL+",
    "\\\\x41",
    "a**",
    "a+?",
    "(?s).",
    "a{2,1}",
    "[b-a]",
    "\\\\",
    "(?P<x>a)(b)",
    "$",
    "\\\\z",
    "[\\\\d-x]",
    "a{1001}",
    "\\\\C",
    "\\\\Qa.b\\\\E",
];
const FORMATS: &[&str] = &[
    "%s",
    "%d",
    "%v",
    "%q",
    "%5d",
    "%-5s|",
    "%05d",
    "%+d",
    "% d",
    "%x",
    "%X",
    "%o",
    "%b",
    "%e",
    "%E",
    "%f",
    "%.2f",
    "%g",
    "%G",
    "%t",
    "%#v",
    "%%",
    "%s-%s",
    "%[2]s %[1]s",
    "%d%%",
    "%c",
    "%U",
    "%",
    "%!",
    "%5.1f",
    "%08.3f",
    "%.3s",
    "%*d",
    "%j",
    "%s %d %t",
    "%[1]d",
    "%[3]s",
    "%5q",
    "%-8.3f|",
    "%+.2e",
    "%#x",
    "%T",
    "%3s|",
    "%6.2v",
    "%.0f",
    "%05s",
];
const DATES: &[&str] = &[
    "2020-01-02T03:04:05Z",
    "2021-12-31T23:59:59.5Z",
    "2020-02-29T00:00:00+05:30",
    "2020-13-01T00:00:00Z",
    "2020-01-02",
    "",
    "2020-01-02T03:04:05",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-12:00",
    "2020-01-02t03:04:05z",
    "2020-06-15T14:07:09Z",
    "2020-01-02 03:04:05Z",
    "2021-02-29T00:00:00Z",
    "2020-01-02T24:00:00Z",
    "2020-01-02T03:04:60Z",
];
const DATE_FORMATS: &[&str] = &[
    "YYYY-MM-DD",
    "DD MMM YYYY hh:mm ZZZ",
    "EEEE, DD-MMM-YY hh:mm:ss ZZZ",
    "h:mm aa",
    "HH AA",
    "'quoted' YYYY",
    "YYYYY",
    "M/D/YY",
    "ZZZZZ",
    "Z",
    "ZZZZ",
    "ZZ",
    "s",
    "m",
    "'it''s'",
    "'open",
    "EEE",
    "E",
    "MMMM",
    "MMMMM",
    "hhh",
    "x",
    "Q",
    "D",
    "DDD",
    "aA",
    "a",
    "YY-M-D H:m:s",
    "",
    "é YYYY",
];
const DURATIONS: &[&str] = &[
    "1h", "10m", "-5s", "1.5h", "1h30m10s", "1d", "", "1", "0", "1ms", "2us", "+3h", "1h-1m", ".5h", "1e3s", "999999h", "1.h", "µs", "3µs",
    "- 1h",
];
const PREFIXES: &[&str] = &[
    "10.0.0.0/8",
    "10.1.2.3/16",
    "192.168.0.0/30",
    "::/0",
    "fd00::/48",
    "fd00:1::1/64",
    "10.0.0.0",
    "10.0.0.0/33",
    "0.0.0.0/0",
    "10.0.0.0/32",
    "::ffff:10.0.0.0/104",
    "010.0.0.0/8",
    "300.0.0.0/8",
    "",
    "/8",
    "10.0/8",
    "fe80::1%eth0/64",
    "::1/128",
    "10.0.0.0/-1",
    "10.0.0.0/08",
];
const JSON: &[&str] = &[
    "{\\\"a\\\":1}",
    "[1,2,\\\"x\\\"]",
    "null",
    "true",
    "\\\"s\\\"",
    "1.50",
    "1e3",
    "{",
    "",
    " 1 ",
    "[1,]",
    "{\\\"a\\\":{\\\"b\\\":[]}}",
    "{\\\"a\\\":1,\\\"a\\\":2}",
    "01",
    "-0",
    "\\\"\\\\u00e9\\\"",
    "[1] 2",
    "NaN",
    "1E400",
    "\\\"\\\\ud800\\\"",
    "{\\\"b\\\":1,\\\"a\\\":2}",
    "123456789012345678901234567890",
    "0.1",
    "-1.5e-3",
];
const YAML: &[&str] = &[
    "a: 1",
    "- 1\\n- b",
    "a: [1, 2]",
    "{a: b}",
    "~",
    "",
    "a: |\\n  x\\n  y\\n",
    "a: >\\n  x\\n  y\\n",
    "yes",
    "0x1F",
    "1_000",
    "010",
    "1.5",
    ".inf",
    "2020-01-01",
    "a: &x 1\\nb: *x",
    "a:\\n  - b: 1\\n    c: 2",
    "\\\"a\\\\tb\\\"",
    "'it''s'",
    "a: b: c",
    "- - 1\\n  - 2",
    "!!str 1",
    "!!int \\\"5\\\"",
    "a: !x b",
    "--- 1",
    "--- 1\\n--- 2",
    "{a: 1, a: 2}",
    "a: 1\\na: 2",
    "? a\\n: b",
    "<<: {a: 1}\\nb: 2",
    "a: |-\\n  x\\n",
    "a: |+\\n  x\\n\\n",
    "# c\\na: 1",
    "1: 2",
    "true: false",
    "a: 'x\\n  y'",
    "[a, b: c]",
    "\\t- a",
    "a:\\tb",
    "a: |\\n  x",
    "1e3",
    "-1",
    "+1",
    "0o17",
    "0b11",
    "1:30",
    "null",
    "Null",
    "NULL",
    "nUll",
    "a: ",
    "- ",
    "\\\"\\\\x41\\\"",
    "%YAML 1.1\\n--- a",
    "...",
    "a: *x",
];
const CSV: &[&str] = &[
    "a,b\\n1,2",
    "a,b\\n1,2\\n3,4\\n",
    "a\\n\\\"x,y\\\"",
    "a,a\\n1,2",
    "a,b\\n1",
    "",
    "a",
    "a,b\\n\\\"1\\\"\\\"q\\\",2",
    "a b, c\\n1, 2",
    "\\n\\na\\n1",
    "a\\r\\n1\\r\\n",
    "a\\n\\\"x\\ny\\\"\\n",
    "a\\nb\\\"c",
    "a,\\n1,2",
    "a\\n\\n1\\n",
    "é\\nü",
];
const BASE64: &[&str] = &["aGVsbG8=", "aGVsbG8", "", "!!!!", "/+8=", "w6k=", "aGVs\\nbG8=", "aGVsbG8=="];
const URLS: &[&str] = &["a b", "a+b%20c", "%zz", "é", "%C3%A9", "/?&=#", "", "~-_.", "%", "%e2%28%a1"];
const CHARSETS: &[&str] = &["UTF-8", "utf-16le", "ISO-8859-1", "windows-1252", "UTF-16", "nope", "Shift_JIS", "utf8", "IBM437"];
const INTS: &[&str] = &["0", "10", "-7", "ff", "FF", "0x10", "1_0", "z", "", "101", "-", "+5", "1.0", "zZ", "99999999999999999999"];
const PATHS: &[&str] = &["a/b/c.txt", "/a/b/", "", "/", "a", "a//b", "./a", "../a", "~/x", "a.b/..", "/a/../b", "..", "a/./b"];
const STRINGS: &[&str] = &[
    "",
    "a",
    "b",
    "abc",
    "hello world",
    "Hello",
    "é",
    "日本",
    "e\\u0301",
    "👩‍👩‍👧x",
    "1",
    "10",
    "1.5",
    "true",
    "false",
    "null",
    " a ",
    "a\\nb",
    "a\\n",
    "a,b,c",
    "x-1",
    "$${x}",
    "%%{y}",
    "\\\"q\\\"",
    "\\\\",
    "\\t",
    "0",
    "-1",
    "foo.bar",
    "AbC_d-e",
    "<&>",
    "ǆ",
    "ß",
    "İ",
    "\\u2028",
    "1e3",
    "0x1",
    "+1",
    "1.",
    ".5",
    "TRUE",
    "a-b",
    "aab",
];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "10",
    "-1",
    "-2",
    "0.5",
    "1.5",
    "0.1",
    "-0.25",
    "100",
    "1e3",
    "1E-2",
    "1.0",
    "3.14159",
    "123456789012345678901234567890",
    "9223372036854775807",
    "9223372036854775808",
    "0.30000000000000004",
    "1e50",
    "1e-50",
    "2.50",
    "1000000",
    "255",
    "64",
    "-7",
    "7",
];
const SMALL: &[&str] = &["0", "1", "2", "3", "4", "5", "-1", "-3", "8", "16", "32", "1.5", "100"];
const KEYS: &[&str] = &["a", "b", "c", "key", "x_y", "d-e"];

/// Functions with what they are given.
const FUNCTIONS: &[(&str, &[Want], Want)] = &[
    ("abs", &[Num], Num),
    ("ceil", &[Num], Num),
    ("floor", &[Num], Num),
    ("log", &[Num, Int], Num),
    ("max", &[Num, Num, Num], Num),
    ("min", &[Num, Num], Num),
    ("max", &[], Num),
    ("parseint", &[Form(INTS), Form(&["2", "8", "10", "16", "36", "62", "63", "1", "0", "7.5"])], Num),
    ("pow", &[Int, Int], Num),
    ("pow", &[Num, Num], Num),
    ("signum", &[Num], Num),
    ("sum", &[Nums], Num),
    ("sum", &[Set], Num),
    ("chomp", &[Str], Str),
    ("endswith", &[Str, Str], Bool),
    ("format", &[Form(FORMATS), Any], Str),
    ("format", &[Form(FORMATS), Num], Str),
    ("format", &[Form(FORMATS), Str, Num, Bool], Str),
    ("format", &[Form(FORMATS), Any, Any], Str),
    ("format", &[Form(FORMATS)], Str),
    ("formatlist", &[Form(FORMATS), Strs], Strs),
    ("formatlist", &[Form(FORMATS), Any, List], Strs),
    ("formatlist", &[Form(FORMATS), List, List], Strs),
    ("indent", &[Int, Str], Str),
    ("join", &[Str, Strs], Str),
    ("join", &[Str, List], Str),
    ("join", &[Str, Strs, Strs], Str),
    ("lower", &[Str], Str),
    ("upper", &[Str], Str),
    ("title", &[Str], Str),
    ("regex", &[Form(REGEX), Str], Any),
    ("regexall", &[Form(REGEX), Str], List),
    ("replace", &[Str, Str, Str], Str),
    (
        "replace",
        &[
            Str,
            Form(&["/a/", "/(a)(b)/", "/[a-z]+/", "/(?P<n>a)/", "/", "//", "/x", "/(/", "/b*/", "/\\\\s/"]),
            Form(&["", "$1", "${1}", "$$1", "$n", "<$0>", "${n}x", "$1x", "\\\\1", "$"]),
        ],
        Str,
    ),
    ("split", &[Str, Str], Strs),
    ("startswith", &[Str, Str], Bool),
    ("strcontains", &[Str, Str], Bool),
    ("strrev", &[Str], Str),
    ("substr", &[Str, Int, Int], Str),
    ("trim", &[Str, Str], Str),
    ("trimprefix", &[Str, Str], Str),
    ("trimsuffix", &[Str, Str], Str),
    ("trimspace", &[Str], Str),
    ("alltrue", &[Bools], Bool),
    ("anytrue", &[Bools], Bool),
    ("chunklist", &[List, Int], ListOfLists),
    ("coalesce", &[Str, Str], Str),
    ("coalesce", &[Any, Any], Any),
    ("coalesce", &[Num, Any, Str], Any),
    ("coalescelist", &[List, List], List),
    ("coalescelist", &[Any, List], List),
    ("compact", &[Strs], Strs),
    ("compact", &[Set], Strs),
    ("concat", &[List, List], List),
    ("concat", &[Strs, Nums, List], List),
    ("concat", &[List], List),
    ("contains", &[List, Any], Bool),
    ("contains", &[Strs, Str], Bool),
    ("contains", &[Set, Str], Bool),
    ("distinct", &[List], List),
    ("distinct", &[Strs], Strs),
    ("element", &[List, Int], Any),
    ("flatten", &[ListOfLists], List),
    ("flatten", &[List], List),
    ("index", &[List, Any], Num),
    ("index", &[Strs, Str], Num),
    ("keys", &[Map], Strs),
    ("keys", &[Object], Strs),
    ("values", &[Map], List),
    ("values", &[Object], List),
    ("length", &[Any], Num),
    ("length", &[List], Num),
    ("lookup", &[Map, Form(KEYS)], Any),
    ("lookup", &[Map, Form(KEYS), Any], Any),
    ("lookup", &[Object, Form(KEYS), Any], Any),
    ("matchkeys", &[List, List, List], List),
    ("matchkeys", &[Strs, Strs, Strs], Strs),
    ("merge", &[Map, Map], Map),
    ("merge", &[Object, Object], Object),
    ("merge", &[Map, Object], Object),
    ("merge", &[Object, Any], Object),
    ("merge", &[], Object),
    ("one", &[List], Any),
    ("one", &[Set], Any),
    ("range", &[Int], Nums),
    ("range", &[Num, Num], Nums),
    ("range", &[Num, Num, Num], Nums),
    ("reverse", &[List], List),
    ("reverse", &[Set], List),
    ("setintersection", &[Set, Set], Set),
    ("setproduct", &[List, List], List),
    ("setproduct", &[Set, Set], Set),
    ("setproduct", &[Set, List, Strs], Set),
    ("setsubtract", &[Set, Set], Set),
    ("setunion", &[Set, Set], Set),
    ("setunion", &[List, Set], Set),
    ("slice", &[List, Int, Int], List),
    ("slice", &[Strs, Int, Int], Strs),
    ("sort", &[Strs], Strs),
    ("sort", &[List], Strs),
    ("transpose", &[MapOfLists], MapOfLists),
    ("zipmap", &[Strs, List], Map),
    ("zipmap", &[Strs, Strs], Map),
    ("base64decode", &[Form(BASE64)], Str),
    ("base64encode", &[Str], Str),
    ("csvdecode", &[Form(CSV)], List),
    ("jsondecode", &[Form(JSON)], Any),
    ("jsonencode", &[Any], Str),
    ("textdecodebase64", &[Form(BASE64), Form(CHARSETS)], Str),
    ("textencodebase64", &[Str, Form(CHARSETS)], Str),
    ("urlencode", &[Form(URLS)], Str),
    ("urlencode", &[Str], Str),
    ("yamldecode", &[Form(YAML)], Any),
    ("yamlencode", &[Any], Str),
    ("abspath", &[Form(&["/a/../b", "/", "/a//b/"])], Str),
    ("basename", &[Form(PATHS)], Str),
    ("dirname", &[Form(PATHS)], Str),
    ("formatdate", &[Form(DATE_FORMATS), Form(DATES)], Str),
    ("timeadd", &[Form(DATES), Form(DURATIONS)], Str),
    ("timecmp", &[Form(DATES), Form(DATES)], Num),
    ("base64sha256", &[Str], Str),
    ("base64sha512", &[Str], Str),
    ("md5", &[Str], Str),
    ("sha1", &[Str], Str),
    ("sha256", &[Str], Str),
    ("sha512", &[Str], Str),
    ("uuidv5", &[Form(&["dns", "url", "oid", "x500", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "x"]), Str], Str),
    ("cidrhost", &[Form(PREFIXES), Int], Str),
    ("cidrnetmask", &[Form(PREFIXES)], Str),
    ("cidrsubnet", &[Form(PREFIXES), Int, Int], Str),
    ("cidrsubnets", &[Form(PREFIXES), Int, Int], Strs),
    ("cidrsubnets", &[Form(PREFIXES)], Strs),
    ("can", &[Any], Bool),
    ("try", &[Any, Any], Any),
    ("tobool", &[Any], Bool),
    ("tolist", &[Any], List),
    ("tolist", &[List], List),
    ("tolist", &[Set], List),
    ("tomap", &[Any], Map),
    ("tomap", &[Object], Map),
    ("tonumber", &[Any], Num),
    ("toset", &[Any], Set),
    ("toset", &[List], Set),
    ("tostring", &[Any], Str),
    ("issensitive", &[Any], Bool),
    ("nonsensitive", &[Any], Any),
    ("sensitive", &[Any], Any),
    ("nonsensitive", &[Form(&["x"])], Str),
    ("ephemeralasnull", &[Any], Any),
];

impl Generator {
    /// Starts from a seed.
    pub fn new(seed: u64, unknowns: bool) -> Self {
        Generator { random: Random(seed), unknowns, names: vec![] }
    }

    /// One expression.
    pub fn expression(&mut self) -> String {
        self.names.clear();
        let depth = 1 + self.random.below(3);
        let want = self.random.pick(&[Any, Any, Bool, Num, Str, Str, List, Set, Map, Object, Strs, Nums]);
        self.expr(want, depth)
    }

    fn expr(&mut self, want: Want, depth: usize) -> String {
        // Sometimes something else than what fits.
        let want = match self.random.below(25) {
            0 => Any,
            1 if depth > 0 => return self.odd(),
            _ => want,
        };
        if self.unknowns && self.random.once_in(5) {
            return self.unknown(want);
        }
        if depth == 0 {
            return self.leaf(want);
        }
        let d = depth - 1;
        match self.random.below(14) {
            0..=3 => self.call(want, d),
            4 => self.conditional(want, d),
            5 if !self.names.is_empty() => self.random.pick(&self.names.clone()).to_string(),
            6 => format!("({})", self.expr(want, d)),
            7 => self.access(want, d),
            8..=11 => self.composite(want, d),
            _ => self.leaf(want),
        }
    }

    fn odd(&mut self) -> String {
        self.random
            .pick(&[
                "null",
                "\"\"",
                "[]",
                "{}",
                "tostring(null)",
                "tolist([])",
                "tomap({})",
                "toset([])",
                "tonumber(null)",
                "sensitive(\"s\")",
                "tolist(null)",
                "true",
                "1",
                "\"x\"",
                "[null]",
                "{ a = null }",
                "sensitive([\"s\"])",
                "[sensitive(1)]",
                "tobool(null)",
            ])
            .to_string()
    }

    fn unknown(&mut self, want: Want) -> String {
        let from: &[&str] = match want {
            Bool => &["local.B"],
            Num | Int => &["local.N"],
            Str => &["local.U", "\"p-${local.U}\"", "\"${local.U}-s\""],
            List | ListOfLists => &["local.L", "[local.U]", "local.LS", "tolist(local.D)", "[local.N, 1]", "tolist([local.U])"],
            Nums => &["[local.N]", "tolist([1, local.N])"],
            Strs => &["local.LS", "[local.U]", "tolist([\"a\", local.U])", "tolist([\"p-${local.U}\", \"b\"])"],
            Bools => &["[local.B]", "[true, local.B]"],
            Set => &["local.S", "toset([local.U])", "toset([\"a\", local.U])"],
            Map | MapOfLists => &["local.M", "{ a = local.U }", "tomap({ a = local.U })"],
            Object => &["{ a = local.U, b = 1 }", "local.D", "local.O"],
            Any | Form(_) => &["local.D", "local.U", "local.N", "local.B", "local.O", "local.LS", "local.M"],
        };
        self.random.pick(from).to_string()
    }

    fn leaf(&mut self, want: Want) -> String {
        match want {
            Any => {
                let w = self.random.pick(&[Bool, Num, Str, List, Strs, Set, Map, Object, Str, Num]);
                if self.random.once_in(12) { "null".into() } else { self.leaf(w) }
            }
            Bool => self.random.pick(&["true", "false", "true", "\"true\"", "\"false\"", "\"1\""]).to_string(),
            Num => match self.random.below(8) {
                0 => format!("\"{}\"", self.random.pick(NUMBERS)),
                _ => self.random.pick(NUMBERS).to_string(),
            },
            Int => self.random.pick(SMALL).to_string(),
            Str => match self.random.below(12) {
                0 => self.random.pick(NUMBERS).to_string(),
                1 => "true".into(),
                2 => self.heredoc(0),
                _ => format!("\"{}\"", self.random.pick(STRINGS)),
            },
            Form(of) => match of.len() > 1 && of.iter().all(|s| s.parse::<f64>().is_ok()) {
                true => self.random.pick(of).to_string(),
                false => format!("\"{}\"", self.random.pick(of)),
            },
            List => {
                let w = self.random.pick(&[Nums, Strs, Bools, ListOfLists, Any]);
                if w == Any { self.tuple(Any, 0) } else { self.leaf(w) }
            }
            Nums => self.sequence(Num, 0),
            Strs => self.sequence(Str, 0),
            Bools => self.sequence(Bool, 0),
            ListOfLists => self.sequence(Strs, 0),
            Set => {
                let of = self.random.pick(&[Str, Num, Str, Bool]);
                format!("toset({})", self.tuple(of, 0))
            }
            Map => {
                let of = self.random.pick(&[Str, Num, Bool, Strs]);
                let inner = self.object(of, 0);
                if self.random.once_in(3) { inner } else { format!("tomap({inner})") }
            }
            MapOfLists => self.object(Strs, 0),
            Object => self.object(Any, 0),
        }
    }

    fn sequence(&mut self, of: Want, depth: usize) -> String {
        let inner = self.tuple(of, depth);
        match self.random.below(4) {
            0 => format!("tolist({inner})"),
            _ => inner,
        }
    }

    fn tuple(&mut self, of: Want, depth: usize) -> String {
        let n = self.random.below(4);
        let items: Vec<String> = (0..n).map(|_| if depth == 0 { self.leaf(of) } else { self.expr(of, depth) }).collect();
        let close = if items.last().is_some_and(|i| i.contains("<<")) { "\n]" } else { "]" };
        format!("[{}{close}", items.join(", "))
    }

    fn object(&mut self, of: Want, depth: usize) -> String {
        let n = self.random.below(4);
        let mut out = String::from("{");
        for i in 0..n {
            let key = self.random.pick(KEYS);
            let key = match self.random.below(10) {
                0 => format!("\"{key}\""),
                1 => format!("(\"{key}\")"),
                2 if depth > 0 => format!("({})", self.expr(Str, depth - 1)),
                3 => format!("\"{key}-${{1 + 1}}\""),
                4 => "1".into(),
                _ => key.to_string(),
            };
            let value = if depth == 0 { self.leaf(of) } else { self.expr(of, depth) };
            let sign = if self.random.once_in(6) { ":" } else { " =" };
            let comma = match self.random.below(3) {
                _ if value.contains("<<") => "\n",
                0 => "\n",
                _ => ", ",
            };
            let last = i + 1 == n && !value.contains("<<");
            out += &format!(" {key}{sign} {value}{}", if last { "" } else { comma });
        }
        out + " }"
    }

    fn call(&mut self, want: Want, depth: usize) -> String {
        let fits = |r: Want| {
            want == Any
                || r == want
                || matches!(
                    (want, r),
                    (List, Strs | Nums | ListOfLists) | (Num, Int) | (Int, Num) | (Str, Num) | (Object, Map) | (Map, Object)
                )
        };
        let choices: Vec<_> = FUNCTIONS.iter().filter(|(_, _, r)| fits(*r)).collect();
        if choices.is_empty() || self.random.once_in(40) {
            return self.leaf(want);
        }
        let (name, params, _) = *self.random.pick(&choices);
        let mut args: Vec<String> = params.iter().map(|p| self.expr(*p, if let Form(_) = p { 0 } else { depth })).collect();
        match self.random.below(60) {
            0 => drop(args.pop()),
            1 => args.push(self.leaf(Any)),
            2 if !args.is_empty() => {
                let last = self.tuple(Any, 0);
                args.pop();
                return format!("{name}({}{last}...)", args.iter().map(|a| format!("{a}, ")).collect::<String>());
            }
            _ => {}
        }
        let name = if self.random.once_in(50) { format!("core::{name}") } else { name.to_string() };
        let close = if args.last().is_some_and(|i| i.contains("<<")) { "\n)" } else { ")" };
        format!("{name}({}{close}", args.join(", "))
    }

    fn conditional(&mut self, want: Want, depth: usize) -> String {
        let (c, a, b) = (self.expr(Bool, depth), self.expr(want, depth), self.expr(want, depth));
        if [&c, &a, &b].iter().any(|e| e.contains("<<")) {
            return format!("({c} ? {a} : {b}\n)");
        }
        format!("({c} ? {a} : {b})")
    }

    fn access(&mut self, want: Want, depth: usize) -> String {
        let key = self.random.pick(KEYS);
        match self.random.below(8) {
            0 => format!(
                "{}[{}]",
                self.sequence(want, depth),
                self.random.pick(&["0", "1", "\"0\"", "0.5", "-1", "2", "\"a\"", "null", "true"])
            ),
            1 => format!("{{ {key} = {} }}.{key}", self.no_heredoc(want, depth)),
            2 => format!("{{ {key} = {} }}[{}]", self.no_heredoc(want, depth), self.random.pick(&["\"a\"", "\"b\"", "\"key\"", "0", "1"])),
            3 => format!("[{{ {key} = {} }}][*].{key}", self.no_heredoc(want, depth)),
            4 => format!("{}.{}", self.object(want, depth), self.random.pick(KEYS)),
            5 => format!("{}[*]", self.no_heredoc(Any, depth)),
            6 => format!("{}.{}", self.tuple(want, depth), self.random.pick(&["0", "1"])),
            _ => format!(
                "[{{ {key} = {} }}, {{ {key} = {} }}].*.{}",
                self.no_heredoc(want, depth),
                self.no_heredoc(want, 0),
                self.random.pick(KEYS)
            ),
        }
    }

    fn no_heredoc(&mut self, want: Want, depth: usize) -> String {
        let e = self.expr(want, depth);
        if e.contains("<<") { "\"t\"".into() } else { e }
    }

    fn composite(&mut self, want: Want, d: usize) -> String {
        match want {
            Any => {
                let w = self.random.pick(&[Bool, Num, Str, List, Set, Map, Object]);
                self.composite(w, d)
            }
            Bool => self.comparison(d),
            Num | Int => {
                let op = self.random.pick(&["+", "-", "*", "/", "%"]);
                match self.random.below(6) {
                    0 => format!("-{}", self.operand(Num, d)),
                    _ => format!("{} {op} {}", self.operand(Num, d), self.operand(Num, d)),
                }
            }
            Str | Form(_) => self.template(d),
            List | Strs | Nums | Bools | ListOfLists => {
                let of = match want {
                    Strs => Str,
                    Nums => Num,
                    Bools => Bool,
                    ListOfLists => List,
                    _ => self.random.pick(&[Any, Str, Num, Object]),
                };
                if self.random.once_in(2) { self.sequence(of, d) } else { self.for_list(of, d) }
            }
            Set => {
                let of = self.random.pick(&[Str, Num, Str, Any, List]);
                format!("toset({})", self.tuple(of, d))
            }
            Map | Object | MapOfLists => {
                let of = match want {
                    Map => self.random.pick(&[Str, Num]),
                    MapOfLists => Strs,
                    _ => Any,
                };
                match self.random.below(3) {
                    0 => self.for_object(of, d),
                    1 if want == Map => format!("tomap({}\n)", self.object(of, d)),
                    _ => self.object(of, d),
                }
            }
        }
    }

    fn comparison(&mut self, d: usize) -> String {
        match self.random.below(8) {
            0 => format!("!{}", self.operand(Bool, d)),
            1 | 2 => {
                let op = self.random.pick(&["&&", "||"]);
                // Versions differ in whether the second operand is looked at: it must not fail.
                format!("{} {op} {}", self.operand(Bool, d), self.random.pick(&["true", "false", "\"true\""]))
            }
            3 | 4 => {
                let op = self.random.pick(&["<", ">", "<=", ">="]);
                format!("{} {op} {}", self.operand(Num, d), self.operand(Num, d))
            }
            _ => {
                let op = self.random.pick(&["==", "!="]);
                let w = self.random.pick(&[Any, Str, Num, List, Set, Map, Object]);
                format!("{} {op} {}", self.operand(w, d), self.operand(w, d))
            }
        }
    }

    fn operand(&mut self, want: Want, d: usize) -> String {
        let e = self.no_heredoc(want, d);
        let simple = e.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'"' | b'.'));
        if simple || self.random.once_in(4) { e } else { format!("({e})") }
    }

    fn template(&mut self, d: usize) -> String {
        if self.random.once_in(5) {
            return self.heredoc(d);
        }
        let mut out = String::from("\"");
        for _ in 0..1 + self.random.below(3) {
            match self.random.below(8) {
                0 | 1 => out += self.random.pick(&["a", " ", "-", "x y", "$", "%", "$${", "%%{", "\\n", "é", "\\\"", ""]),
                2..=4 => {
                    let inner = self.no_heredoc_quoted(Str, d);
                    let (l, r) = (self.random.pick(&["", "", "~"]), self.random.pick(&["", "", "~"]));
                    out += &format!("${{{l} {inner} {r}}}");
                }
                5 => {
                    let cond = self.no_heredoc_quoted(Bool, 0);
                    let s = self.random.pick(&["", "~"]);
                    out += &format!("%{{ if {cond} {s}}} yes %{{ else }} no %{{{s} endif }}");
                }
                6 => {
                    let list = self.no_heredoc_quoted(Strs, 0);
                    let s = self.random.pick(&["", "~"]);
                    out += &format!("%{{{s} for v in {list} }} ${{v}}, %{{ endfor {s}}}");
                }
                _ => out += &format!(" {} ", self.random.pick(STRINGS)),
            }
        }
        out + "\""
    }

    fn no_heredoc_quoted(&mut self, want: Want, d: usize) -> String {
        let e = self.expr(want, d);
        if e.contains("<<") || e.contains('\n') { "1".into() } else { e }
    }

    fn heredoc(&mut self, d: usize) -> String {
        let flush = self.random.pick(&["", "-"]);
        let mut out = format!("<<{flush}EOT\n");
        for _ in 0..self.random.below(4) {
            let indent = self.random.pick(&["", "  ", "    ", "\t", " "]);
            let line = match self.random.below(8) {
                0 => String::new(),
                1 => format!("${{ {} }} x", self.no_heredoc_quoted(Str, d.saturating_sub(1))),
                2 => format!("${{~ {} ~}}", self.no_heredoc_quoted(Str, 0)),
                3 => format!("%{{ if {} ~}}\n    in\n  %{{ else }}\n out\n%{{~ endif }}", self.no_heredoc_quoted(Bool, 0)),
                4 => format!("%{{ for v in {} }}\n  - ${{v}}\n%{{ endfor }}", self.no_heredoc_quoted(Strs, 0)),
                5 => "$${x} %%{y} \\n \"q\"".into(),
                6 => "  ".into(),
                _ => (self.random.pick(&["text", "é 日本", "a  b", "EOTX", "x $ y %"])).into(),
            };
            out += &format!("{indent}{line}\n");
        }
        out += self.random.pick(&["EOT", "  EOT", "EOT"]);
        format!("chomp({out}\n)")
    }

    fn for_head(&mut self, d: usize) -> (String, usize) {
        let before = self.names.len();
        let over = self.random.pick(&[List, Strs, Nums, Set, Map, Object, Any]);
        let over = self.no_heredoc(over, d);
        let head = match self.random.below(2) {
            0 => {
                self.names.push("v");
                format!("for v in {over} : ")
            }
            _ => {
                self.names.extend(["k", "v"]);
                format!("for k, v in {over} : ")
            }
        };
        (head, before)
    }

    fn for_list(&mut self, of: Want, d: usize) -> String {
        let (head, before) = self.for_head(d);
        let body = self.no_heredoc(of, d);
        let cond = if self.random.once_in(3) { format!(" if {}", self.no_heredoc(Bool, d)) } else { String::new() };
        self.names.truncate(before);
        format!("[{head}{body}{cond}]")
    }

    fn for_object(&mut self, of: Want, d: usize) -> String {
        let (head, before) = self.for_head(d);
        let key = match self.random.below(3) {
            0 => self.no_heredoc(Str, d),
            _ => "\"${v}\"".to_string(),
        };
        let body = self.no_heredoc(of, d);
        let group = if self.random.once_in(3) { "..." } else { "" };
        let cond = if self.random.once_in(4) { format!(" if {}", self.no_heredoc(Bool, d)) } else { String::new() };
        self.names.truncate(before);
        format!("{{{head}{key} => {body}{group}{cond}}}")
    }
}
