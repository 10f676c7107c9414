//! Secrets in Connect's configurations: placeholders, masks, the names of secret settings.

use super::placeholder::without_placeholders;
use crate::diag::redact::{holds_credentials, is_named_secret};

/// Whether a value read back is a mask in place of the real one.
pub fn is_masked(value: &str) -> bool {
    value == "[hidden]" || (value.len() >= 3 && value.chars().all(|c| c == '*'))
}

/// Whether a setting is a secret: its name says so, or its value holds a private key or the credentials of a URL.
pub fn looks_secret(key: &str, value: Option<&str>) -> bool {
    is_named_secret(key) || value.is_some_and(|v| holds_credentials(&without_placeholders(v)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::connect::holds_placeholder;

    #[test]
    fn masks_placeholders_and_secret_names_are_told() {
        assert!(is_masked("[hidden]") && is_masked("****") && !is_masked("**") && !is_masked("a***"));
        assert!(holds_placeholder("x ${file:/a:b} y") && !holds_placeholder("$file:a}") && !holds_placeholder("} ${"));
        for key in ["database.password", "aws.secret.access.key", "sasl.jaas.config", "azblob.account.key", "connect.cosmos.master.key"] {
            assert!(looks_secret(key, None), "{key}");
        }
        // F5: names and values of published configurations.
        for key in [
            "ssl.keystore.key",
            "snowflake.private.key",
            "gcp.bigquery.keyfile",
            "confluent.license",
            "schema.registry.basic.auth.user.info",
        ] {
            assert!(looks_secret(key, Some("x")), "{key}");
        }
        for value in ["mongodb://u:p@h/d", "jdbc:postgresql://h/d?user=u&password=p", "-----BEGIN PRIVATE KEY-----\nx", "https://token@h"] {
            assert!(looks_secret("connection.uri", Some(value)), "{value}");
        }
        for value in [
            "jdbc:postgresql://h/d?user=u",
            "mongodb://h/d",
            "a@b",
            "http://h/?q=a@b",
            "${file:/a:b}",
            "db://${env:U}:${env:P}@h",
            "jdbc:x://h?password=${file:/a:p}&b=1",
        ] {
            assert!(!looks_secret("connection.uri", Some(value)), "{value}");
        }
        for key in ["key.converter", "topics", "ssl.keystore.password.location", "secret.file", "message.key.columns"] {
            assert!(!looks_secret(key, None), "{key}");
        }
    }
}
