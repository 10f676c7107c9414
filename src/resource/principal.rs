//! Principals as Kafka's authorizer compares them: type and name, character by character.

use crate::diag::codes::kafka as codes;
use crate::diag::{Diagnostic, Severity};

/// What is wrong with a principal, or may be. A warning where brokers could have it all the same; a denial needs certainty, so that for one a
/// name that nobody has is an error.
pub fn check(principal: &str, denies: bool) -> Option<Diagnostic> {
    let error = |detail: String, hint: &str| Diagnostic::error(codes::ACL_INVALID, detail).hint(hint);
    let shown = crate::diag::redact::one_line(principal);
    let Some((kind, name)) = principal.split_once(':').filter(|(kind, _)| !kind.contains('=')) else {
        return Some(error(format!("The principal \"{shown}\" has no type."), &format!("Write \"User:{shown}\".")));
    };
    if name.trim().is_empty() || kind.trim().is_empty() {
        return Some(error(format!("The principal \"{shown}\" is not of the form `User:name`."), "Write the name behind the colon."));
    }
    if principal.chars().any(char::is_control) {
        let hint = "Take it out: \"User:${trimspace(…)}\". A text from file() ends with the file's line break.";
        return Some(error(
            format!("The principal \"{shown}\" holds a line break or another control character, and no client's name does."),
            hint,
        ));
    }
    if kind != "User" && kind.eq_ignore_ascii_case("user") {
        return Some(error(
            format!("The principal \"{shown}\" is not of the form `User:name`: case counts."),
            &format!("Write \"User:{name}\"."),
        ));
    }
    let unusual = |detail: String, hint: &str| Diagnostic {
        severity: if denies { Severity::Error } else { Severity::Warning },
        ..error(detail, hint)
    };
    if name != name.trim() || kind != kind.trim() {
        let detail = format!(
            "The principal \"{shown}\" begins or ends with a blank. Kafka compares every character, so it matches no usual client."
        );
        return Some(unusual(detail, &format!("Write \"{}:{}\".", kind.trim(), name.trim())));
    }
    if kind != "User" {
        let detail = format!(
            "The principal \"{shown}\" has the type \"{kind}\". Kafka's own principal builder makes only `User`, so it matches nobody unless the \
             brokers run a builder that makes such principals."
        );
        let d = Diagnostic::warning(codes::ACL_INVALID, detail);
        return Some(d.hint(format!("If the brokers have no principal.builder.class of their own, write \"User:{name}\".")));
    }
    if name != "*" && name.ends_with('*') && !name.contains('=') {
        let detail = format!(
            "The principal \"{shown}\" ends with a star. Kafka knows no patterns in principals, so it matches only a client of just this name."
        );
        return Some(unusual(detail, "Name each principal; \"User:*\" is everybody."));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A11, F12.
    #[test]
    fn names_that_nobody_has_are_told() {
        let severity = |p: &str, denies| check(p, denies).map(|d| d.severity);
        for good in ["User:alice", "User:CN=a b,OU=\"x\"", "User:*", "User:a:b", "User:é"] {
            assert_eq!(severity(good, true), None, "{good}");
        }
        for bad in
            ["alice", "CN=alice", "CN=a:b", "User:", ":alice", "User:  ", "user:alice", "USER:alice", "User:alice\n", "User:al\u{0}ice"]
        {
            assert_eq!(severity(bad, false), Some(Severity::Error), "{bad:?}");
        }
        for blank in ["User:bob*", "User: alice", "User:alice ", " User:alice"] {
            assert_eq!((severity(blank, false), severity(blank, true)), (Some(Severity::Warning), Some(Severity::Error)), "{blank:?}");
        }
        for other in ["Group:ops", "ServiceAccount:x"] {
            assert_eq!((severity(other, false), severity(other, true)), (Some(Severity::Warning), Some(Severity::Warning)), "{other}");
        }
        assert!(!check("User:a\u{1b}[2J", false).unwrap().detail.contains('\u{1b}'));
    }
}
