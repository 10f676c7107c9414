//! Masking what Connect says: messages and stack traces may repeat configuration values, also those that a worker resolved by itself.

use std::sync::LazyLock;

use regex::Regex;

const MASK: &str = "(sensitive value)";

/// `password=…` and its like, as connectors write them into messages.
static ASSIGNMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)((?:password|passwd|passphrase|secret|token|api[._-]?key|access[._-]?key|secretkey|credential)[\w.-]*["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;&"')}\]]+)"#).ok()
});

/// User and password inside a URL.
static USERINFO: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"://[^/\s@]+@").ok());

/// Replaces known secrets, and what looks like one, in texts from a worker.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first, so that a secret inside another leaves no rest.
    secrets: Vec<String>,
}

impl Redactor {
    /// A redactor for these values. Values shorter than three characters are left out: replacing them would hide the message.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut secrets: Vec<String> = secrets.into_iter().filter(|s| s.chars().count() >= 3).map(str::to_string).collect();
        secrets.sort_by_key(|s| std::cmp::Reverse(s.len()));
        secrets.dedup();
        Redactor { secrets }
    }

    /// The text without secrets.
    pub fn redact(&self, text: &str) -> String {
        let mut out = text.to_string();
        for secret in &self.secrets {
            if out.contains(secret.as_str()) {
                out = out.replace(secret.as_str(), MASK);
            }
        }
        if let Some(re) = ASSIGNMENT.as_ref() {
            out = re.replace_all(&out, format!("${{1}}{MASK}")).into_owned();
        }
        if let Some(re) = USERINFO.as_ref() {
            out = re.replace_all(&out, "://***@").into_owned();
        }
        out
    }

    /// The first lines of a stack trace that say why: the exception and its causes, without the frames. At most `lines` of them.
    pub fn trace(&self, trace: &str, lines: usize) -> String {
        let says =
            trace.lines().filter(|l| !l.trim_start().starts_with("at ") && !l.trim_start().starts_with("... ") && !l.trim().is_empty());
        let text: Vec<&str> = says.take(lines).collect();
        self.redact(&text.join("\n"))
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} secrets)", self.secrets.len())
    }
}

/// Whether a configuration value holds a placeholder that a worker resolves (`${file:/path:key}`).
pub fn holds_placeholder(value: &str) -> bool {
    value.find("${").is_some_and(|at| value[at..].contains('}'))
}

/// Whether a value is one placeholder and nothing else, so that no part of a secret stands in it.
pub fn is_placeholder(value: &str) -> bool {
    let inner = value.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|inner| !inner.contains('}'))
}

/// Whether a value read back is a mask in place of the real one.
pub fn is_masked(value: &str) -> bool {
    value == "[hidden]" || (value.len() >= 3 && value.chars().all(|c| c == '*'))
}

/// Whether a key's name says that its value is a secret. Paths and names of secrets are not.
pub fn looks_secret(key: &str) -> bool {
    const WORDS: [&str; 8] = ["password", "passphrase", "secret", "token", "credential", "apikey", "jaas", "accesskey"];
    const NOT: [&str; 8] = [".location", ".path", ".file", ".url", ".endpoint", ".class", ".name", ".enabled"];
    let key = key.to_ascii_lowercase();
    let flat: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    (WORDS.iter().any(|w| flat.contains(w)) || flat.ends_with("key") && flat.contains("master") || flat.ends_with("accountkey"))
        && !NOT.iter().any(|n| key.ends_with(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_and_assignments_are_masked() {
        let r = Redactor::new(["s3cr3t-value", "s3cr3t"]);
        assert_eq!(r.redact("Invalid value s3cr3t-value for configuration x"), "Invalid value (sensitive value) for configuration x");
        assert_eq!(r.redact("login password=hunter2, host=a"), "login password=(sensitive value), host=a");
        assert_eq!(r.redact("jdbc://me:pw@db:1/x"), "jdbc://***@db:1/x");
        assert_eq!(r.redact("nothing to hide"), "nothing to hide");
        assert!(!format!("{r:?}").contains("s3cr3t"));
    }

    #[test]
    fn a_trace_is_its_messages() {
        let text =
            "org.x.ConnectException: no file\n\tat a.b(C.java:1)\n\tat d\nCaused by: java.io.IOException: token: abc\n\t... 12 more\n";
        let want = "org.x.ConnectException: no file\nCaused by: java.io.IOException: token: (sensitive value)";
        assert_eq!(Redactor::default().trace(text, 5), want);
        assert_eq!(Redactor::default().trace(text, 1), "org.x.ConnectException: no file");
    }

    #[test]
    fn masks_placeholders_and_secret_names_are_told() {
        assert!(is_masked("[hidden]") && is_masked("****") && !is_masked("**") && !is_masked("a***"));
        assert!(holds_placeholder("x ${file:/a:b} y") && !holds_placeholder("$file:a}") && !holds_placeholder("} ${"));
        for key in ["database.password", "aws.secret.access.key", "sasl.jaas.config", "azblob.account.key", "connect.cosmos.master.key"] {
            assert!(looks_secret(key), "{key}");
        }
        for key in ["key.converter", "topics", "ssl.keystore.password.location", "secret.file", "message.key.columns"] {
            assert!(!looks_secret(key), "{key}");
        }
    }
}
