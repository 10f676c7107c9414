//! What Connect hides, and what is hidden of its configurations: placeholders, masks, the names of secret settings.

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
