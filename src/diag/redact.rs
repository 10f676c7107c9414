//! The redactor: what leaves the engine as text goes through it.
//!
//! Values carry their marks, and views mask them. A sentence does not: a broker repeats what it was given, a path holds a variable, an error of
//! the operating system names a file. So a run keeps every sensitive text that it has met ([`Redactor::learn`]) and takes them out of whatever
//! it says: diagnostics, notes, progress, operations. Whatever the run, private keys and the credentials in URLs go too, and characters that steer a terminal
//! are written out. How values are shown is not here.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{LazyLock, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use regex::Regex;

use super::{Diagnostic, Diagnostics};
use crate::value::{Repr, Value};
use crate::words::steers;

/// The text in place of a sensitive one.
pub const MASK: &str = "(sensitive value)";
/// Shorter texts are no secrets, and taking them out would make a message unreadable.
const MIN_CHARS: usize = 3;
/// Words that stand in credentials and everywhere else.
const PLAIN_WORDS: [&str; 6] = ["true", "false", "null", "none", "PLAIN", "SASL_SSL"];

/// A private key, a certificate: to its end, or the end of the text where it was cut.
static PEM: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?s)-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\z)").ok());
/// User and password inside a URL.
static USERINFO: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"://([^/\s?#"'<>]*)@"#).ok());
/// A password among the parameters of a URL.
static PARAMETER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?i)([a-z][a-z0-9+.:-]*://[^\s"'<>]*?[?&;](?:password|passwd|passphrase|pwd|pass|secret|token|api[._-]?key|access[._-]?key|sslpassword)=)[^&;\s"'<>]+"#,
    )
    .ok()
});
/// `password=…` and its like, as servers write them into messages.
static ASSIGNMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)((?:password|passwd|passphrase|secret|token|api[._-]?key|access[._-]?key|secretkey|credential)[\w.-]*["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;&"')}\]]+)"#).ok()
});

/// A key and the string that it is set to, as they stand in a line of source.
static LITERAL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"([\w.-]+)"?\)?\s*[=:]\s*"((?:\\.|[^"\\])*)("|$)"#).ok());

/// The sensitive texts of a run. They are learned while it goes on.
#[derive(Default)]
pub struct Redactor {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    texts: BTreeSet<String>,
    /// Finds them; made anew when one is added.
    matcher: Option<AhoCorasick>,
}

impl Redactor {
    /// A redactor that knows these texts.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Redactor {
        let out = Redactor::default();
        out.add(texts.into_iter().map(str::to_string));
        out
    }

    /// Takes in the sensitive texts of a value, and the parts of such a text that may be said alone: its lines, the values of a properties file,
    /// the texts in a JSON document. Keys are names: of files, of settings.
    pub fn learn(&self, value: &Value) {
        if !value.deep_marks().is_sensitive() {
            return;
        }
        let mut texts = Vec::new();
        let mut open = vec![(value, false)];
        while let Some((v, inside)) = open.pop() {
            let hidden = inside || v.marks().is_sensitive();
            match v.repr() {
                Repr::String(s) if hidden => texts.extend(pieces(s)),
                Repr::Set(s) => open.extend(s.items.iter().map(|v| (v, hidden))),
                _ if hidden || v.deep_marks().is_sensitive() => open.extend(v.parts().into_iter().map(|(_, v)| (v, hidden))),
                _ => {}
            }
        }
        self.add(texts);
    }

    fn add(&self, texts: impl IntoIterator<Item = String>) {
        let is_secret = |t: &String| t.chars().count() >= MIN_CHARS && !PLAIN_WORDS.contains(&t.as_str());
        let new: Vec<String> = texts.into_iter().filter(is_secret).collect();
        let has_all = |k: &Known| new.iter().all(|t| k.texts.contains(t));
        if has_all(&self.known.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.texts.extend(new);
        known.matcher = None;
    }

    /// A text of ours without secrets.
    pub fn text(&self, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        let mut out = self.without_known(text).into_owned();
        for (pattern, replacement) in [(&PEM, MASK.to_string()), (&PARAMETER, format!("${{1}}{MASK}"))] {
            out = replaced(pattern, &out, replacement.as_str());
        }
        out = replaced(&USERINFO, &out, |c: &regex::Captures<'_>| match &c[1] {
            // The user of every git server.
            "git" => c[0].to_string(),
            _ => "://***@".to_string(),
        });
        visible(&out).into_owned()
    }

    /// A text that a server wrote: besides, what looks like the assignment of a password is taken out.
    pub fn foreign(&self, text: &str) -> String {
        replaced(&ASSIGNMENT, &self.text(text), format!("${{1}}{MASK}").as_str())
    }

    /// The first lines of a stack trace that say why: the exception and its causes, without the frames. At most `lines` of them.
    pub fn trace(&self, trace: &str, lines: usize) -> String {
        let says =
            trace.lines().filter(|l| !l.trim_start().starts_with("at ") && !l.trim_start().starts_with("... ") && !l.trim().is_empty());
        let text: Vec<&str> = says.take(lines).collect();
        self.foreign(&text.join("\n"))
    }

    /// A diagnostic without secrets in its sentences.
    pub fn diagnostic(&self, mut d: Diagnostic) -> Diagnostic {
        d.detail = self.text(&d.detail);
        d.hint = d.hint.map(|h| self.text(&h));
        d.cause = d.cause.map(|c| self.text(&c));
        d.values = d.values.into_iter().map(|(name, value)| (name, self.text(&value))).collect();
        d.related = d.related.into_iter().map(|(span, label)| (span, self.text(&label))).collect();
        d
    }

    /// The same for all of them.
    pub fn diagnostics(&self, all: Diagnostics) -> Diagnostics {
        all.into_iter().map(|d| self.diagnostic(d)).collect()
    }

    /// Which parts of a line of source are not shown: known texts, strings under names that say that they are secret, keys and credentials of URLs.
    /// In the order of where they begin.
    pub fn find(&self, line: &str) -> Vec<Range<usize>> {
        let mut out: Vec<Range<usize>> = self.matched(|matcher| matcher.find_iter(line).map(|m| m.range()).collect()).unwrap_or_default();
        let mut add = |pattern: &LazyLock<Option<Regex>>, part: &dyn Fn(&regex::Captures<'_>) -> Option<Range<usize>>| {
            out.extend(pattern.iter().flat_map(|re| re.captures_iter(line)).filter_map(|c| part(&c)).filter(|r| !r.is_empty()));
        };
        let is_reference = |text: &str| text.starts_with("${") || text.starts_with("$${");
        add(&LITERAL, &|c| c.get(2).filter(|m| is_named_secret(&c[1]) && !is_reference(m.as_str())).map(|m| m.range()));
        add(&PEM, &|c| c.get(0).map(|m| m.range()));
        add(&USERINFO, &|c| c.get(1).filter(|m| m.as_str() != "git").map(|m| m.range()));
        add(&PARAMETER, &|c| Some(c.get(1)?.end()..c.get(0)?.end()));
        out.sort_by_key(|r| r.start);
        out
    }

    fn without_known<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let replace = |matcher: &AhoCorasick| match matcher.is_match(text) {
            true => Cow::Owned(matcher.replace_all(text, &vec![MASK; matcher.patterns_len()])),
            false => Cow::Borrowed(text),
        };
        self.matched(replace).unwrap_or(Cow::Borrowed(text))
    }

    /// The result of `f` for the known texts; `None` where there are none.
    fn matched<T>(&self, f: impl Fn(&AhoCorasick) -> T) -> Option<T> {
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if known.texts.is_empty() {
                return None;
            }
            if let Some(matcher) = &known.matcher {
                return Some(f(matcher));
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // The longest of those that begin at one place: a secret inside of another one leaves no rest.
        let made = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&known.texts);
        // More than a matcher can hold are more than a run can.
        let matcher = made.ok()?;
        let out = f(&matcher);
        known.matcher = Some(matcher);
        Some(out)
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "Redactor({} secrets)", known.texts.len())
    }
}

fn replaced<R: regex::Replacer>(pattern: &LazyLock<Option<Regex>>, text: &str, by: R) -> String {
    pattern.as_ref().map_or_else(|| text.to_string(), |re| re.replace_all(text, by).into_owned())
}

/// Whether a text holds a key or a certificate, or the credentials of a URL.
pub fn holds_credentials(text: &str) -> bool {
    let found = |pattern: &LazyLock<Option<Regex>>| pattern.as_ref().is_some_and(|re| re.is_match(text));
    let userinfo = USERINFO.as_ref().is_some_and(|re| re.captures_iter(text).any(|c| !matches!(c[1].trim_matches(':'), "" | "git")));
    userinfo || found(&PEM) || found(&PARAMETER)
}

/// Whether a key's name says that its value is a secret. Paths and names of secrets are not.
pub fn is_named_secret(key: &str) -> bool {
    const WORDS: [&str; 10] =
        ["password", "passphrase", "secret", "token", "credential", "apikey", "jaas", "accesskey", "privatekey", "keystorekey"];
    const ENDS: [&str; 4] = ["accountkey", "keyfile", "license", "userinfo"];
    const NOT: [&str; 8] = [".location", ".path", ".file", ".url", ".endpoint", ".class", ".name", ".enabled"];
    let key = key.to_ascii_lowercase();
    let flat: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    (WORDS.iter().any(|w| flat.contains(w)) || flat.ends_with("key") && flat.contains("master") || ENDS.iter().any(|e| flat.ends_with(e)))
        && !NOT.iter().any(|n| key.ends_with(n))
}

/// A secret text, and the parts of it that somebody may repeat alone.
fn pieces(text: &str) -> Vec<String> {
    let mut out = vec![text.to_string(), text.trim().to_string()];
    // The same as it stands in a source file.
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
    let escaped = escaped.replace("${", "$${").replace("%{", "%%{");
    if escaped != text {
        out.push(escaped);
    }
    for line in text.lines().map(str::trim) {
        if text.contains('\n') {
            out.push(line.to_string());
        }
        // A comment of a properties file has no value.
        if let Some((_, value)) = line.split_once(['=', ':']).filter(|(key, _)| is_key(key)) {
            out.push(value.trim().to_string());
        }
    }
    if text.trim_start().starts_with(['{', '[']) {
        let mut open: Vec<serde_json::Value> = serde_json::from_str(text).into_iter().collect();
        while let Some(json) = open.pop() {
            match json {
                serde_json::Value::String(s) => out.push(s),
                serde_json::Value::Array(items) => open.extend(items),
                serde_json::Value::Object(map) => open.extend(map.into_iter().map(|(_, v)| v)),
                _ => {}
            }
        }
    }
    out
}

fn is_key(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// The text with characters written out that would steer a terminal or turn the direction of reading; lines stay lines.
pub fn visible(text: &str) -> Cow<'_, str> {
    written_out(text, |c| c == '\n' || c == '\t')
}

/// The same on one line: what a server calls a thing makes no lines of its own.
pub fn one_line(text: &str) -> Cow<'_, str> {
    written_out(text, |_| false)
}

fn written_out(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let steers = |c: char| steers(c) && !stays(c);
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let each = |c: char| match c {
        '\n' if steers(c) => "\\n".to_string(),
        '\r' if steers(c) => "\\r".to_string(),
        '\t' if steers(c) => "\\t".to_string(),
        c if steers(c) => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    Cow::Owned(text.chars().map(each).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Type;

    #[test]
    fn sensitive_texts_and_their_parts_are_taken_out() {
        let redactor = Redactor::default();
        let file = Value::string("user=bob-the-user\npassword = hunter2-file\n# no: comment\n").sensitive();
        let json = Value::string(r#"{"key": ["hunter2-json"]}"#).sensitive();
        let map = Value::map(Type::String, [("map-key".into(), "hunter2-map".into())].into()).sensitive();
        redactor.learn(&Value::object_from([("open", "said".into()), ("file", file), ("json", json), ("map", map)]));
        redactor.learn(&Value::from("hunter2").sensitive());
        assert_eq!(redactor.text("map-key"), "map-key");
        for secret in ["bob-the-user", "hunter2-file", "hunter2-json", "hunter2-map", "hunter2"] {
            assert_eq!(redactor.text(&format!("a {secret}, said")), "a (sensitive value), said");
        }
        assert_eq!(redactor.text("nothing to hide"), "nothing to hide");
        assert!(!format!("{redactor:?}").contains("hunter2"));
    }

    #[test]
    fn longer_secrets_go_before_those_inside_of_them() {
        let redactor = Redactor::of(["s3cr3t", "s3cr3t-value", "ab"]);
        assert_eq!(redactor.text("s3cr3t-value s3cr3t ab"), "(sensitive value) (sensitive value) ab");
    }

    #[test]
    fn keys_and_credentials_in_urls_are_secret_whoever_says_them() {
        let redactor = Redactor::default();
        let pem = "cannot read /x/-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----: no such file";
        assert_eq!(redactor.text(pem), "cannot read /x/(sensitive value): no such file");
        assert_eq!(redactor.text("/x/-----BEGIN EC PRIVATE KEY-----\nMI"), "/x/(sensitive value)");
        assert_eq!(redactor.text("jdbc://me:p@w@db:1/x"), "jdbc://***@db:1/x");
        assert_eq!(redactor.text("ssh://git@host/x and http://h/?q=a@b"), "ssh://git@host/x and http://h/?q=a@b");
        assert_eq!(redactor.text("jdbc:x://h/d?user=u&password=hunter2&b=1"), "jdbc:x://h/d?user=u&password=(sensitive value)&b=1");
        assert_eq!(
            redactor.text("jdbc:sqlserver://h;user=u;password=hunter2;b=1"),
            "jdbc:sqlserver://h;user=u;password=(sensitive value);b=1"
        );
        assert_eq!(redactor.text("Give it a password = \"x\"."), "Give it a password = \"x\".");
        assert_eq!(redactor.foreign("login password=hunter2, host=a"), "login password=(sensitive value), host=a");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(visible("a\x1b[31m\u{202e}b\nc\u{7f}"), "a\\u001b[31m\\u202eb\nc\\u007f");
        assert_eq!(one_line("User:x\r\n\u{9b}y"), "User:x\\r\\n\\u009by");
        assert!(matches!(one_line("żółw"), Cow::Borrowed(_)));
    }

    /// F5: an error about a map of settings shows its lines.
    #[test]
    fn a_line_of_source_does_not_show_secrets() {
        let redactor = Redactor::default();
        redactor.learn(&Value::from("a\"b\\c").sensitive());
        let shown = |line: &str| {
            let mut out = String::new();
            let mut from = 0;
            for r in redactor.find(line).into_iter().filter(|r| !r.is_empty()) {
                out.push_str(&line[from.min(r.start)..r.start]);
                out.push('…');
                from = r.end;
            }
            out + &line[from..]
        };
        for (line, want) in [
            (r#""database.password" = "x""#, r#""database.password" = "…""#),
            (r#"password: "a\"b", other = "c""#, r#"password: "…", other = "c""#),
            (r#"("api.key.secret") = "x"#, r#"("api.key.secret") = "…"#),
            (r#"password = var.password"#, r#"password = var.password"#),
            (r#"password = "${var.password}""#, r#"password = "${var.password}""#),
            (r#"password = "$${file:/a:b}""#, r#"password = "$${file:/a:b}""#),
            (r#"secret.file = "a""#, r#"secret.file = "a""#),
            (r#""u" = "mongodb://u:p@h/d""#, r#""u" = "mongodb://…@h/d""#),
            (r#""u" = "jdbc:x://h?password=y&b=1""#, r#""u" = "jdbc:x://h?password=…&b=1""#),
            (r#"x = "a\"b\\c""#, r#"x = "…""#),
            (r#"secret = kafka_secret.x"#, r#"secret = kafka_secret.x"#),
        ] {
            assert_eq!(shown(line), want);
        }
    }

    #[test]
    fn a_trace_is_its_messages() {
        let text =
            "org.x.ConnectException: no file\n\tat a.b(C.java:1)\n\tat d\nCaused by: java.io.IOException: token: abc\n\t... 12 more\n";
        let want = "org.x.ConnectException: no file\nCaused by: java.io.IOException: token: (sensitive value)";
        assert_eq!(Redactor::default().trace(text, 5), want);
        assert_eq!(Redactor::default().trace(text, 1), "org.x.ConnectException: no file");
    }
}
