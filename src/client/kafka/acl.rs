//! Access control entries, in Kafka's own words. Plain data, no I/O.

use std::fmt;
use std::str::FromStr;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $code:literal, $word:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)]
        pub enum $name { $($variant),* }

        impl $name {
            /// Every value.
            pub const ALL: &[$name] = &[$($name::$variant),*];

            /// The number in the protocol.
            pub fn code(self) -> i8 {
                match self { $($name::$variant => $code),* }
            }

            /// The value of a number in the protocol, where it is one.
            pub fn from_code(code: i8) -> Option<Self> {
                match code { $($code => Some($name::$variant),)* _ => None }
            }

            /// Kafka's own word (`DESCRIBE_CONFIGS`).
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = ();

            /// Reads Kafka's word, in any case, with `_`, `-` or nothing between its parts.
            fn from_str(s: &str) -> Result<Self, ()> {
                let squash = |s: &str| s.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect::<String>();
                let wanted = squash(s);
                Self::ALL.iter().copied().find(|v| squash(v.as_str()) == wanted).ok_or(())
            }
        }
    };
}

words! {
    /// What an entry is about.
    AclResource {
        Topic = 2, "TOPIC";
        Group = 3, "GROUP";
        Cluster = 4, "CLUSTER";
        TransactionalId = 5, "TRANSACTIONAL_ID";
        DelegationToken = 6, "DELEGATION_TOKEN";
        User = 7, "USER";
    }
}

words! {
    /// How the name is matched.
    AclPattern {
        Literal = 3, "LITERAL";
        Prefixed = 4, "PREFIXED";
    }
}

words! {
    /// What may or may not be done.
    AclOperation {
        All = 2, "ALL";
        Read = 3, "READ";
        Write = 4, "WRITE";
        Create = 5, "CREATE";
        Delete = 6, "DELETE";
        Alter = 7, "ALTER";
        Describe = 8, "DESCRIBE";
        ClusterAction = 9, "CLUSTER_ACTION";
        DescribeConfigs = 10, "DESCRIBE_CONFIGS";
        AlterConfigs = 11, "ALTER_CONFIGS";
        IdempotentWrite = 12, "IDEMPOTENT_WRITE";
        CreateTokens = 13, "CREATE_TOKENS";
        DescribeTokens = 14, "DESCRIBE_TOKENS";
    }
}

words! {
    /// Whether it may or may not.
    AclPermission {
        Deny = 2, "DENY";
        Allow = 3, "ALLOW";
    }
}

/// One access control entry. The cluster's name is always `kafka-cluster`; `*` as a literal name means all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AclBinding {
    /// The kind of resource.
    pub resource: AclResource,
    /// The resource's name or prefix.
    pub name: String,
    /// How the name is matched.
    pub pattern: AclPattern,
    /// Who: `User:` and a name, `User:*` for all.
    pub principal: String,
    /// From where: an address, `*` for all.
    pub host: String,
    /// What.
    pub operation: AclOperation,
    /// Allowed or denied.
    pub permission: AclPermission,
}

/// As plans show it: `ALLOW User:x READ on topic literal orders from *`. Where a name holds words or characters that would make the text
/// ambiguous, all three names are quoted: a text means one binding, and [`AclBinding::from_str`] reads it back.
impl fmt::Display for AclBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.text(&self.principal, &self.name, &self.host);
        let is_plain = !plain.contains(is_invisible) && !self.principal.starts_with('"') && Self::from_plain(&plain).as_ref() == Some(self);
        if is_plain {
            return f.write_str(&plain);
        }
        f.write_str(&self.text(&quoted(&self.principal), &quoted(&self.name), &quoted(&self.host)))
    }
}

impl AclBinding {
    /// What it is about, without its principal: `READ on topic orders`, `DENY ALL on group "a b" and all that begin so, from 10.0.0.1`.
    pub fn on(&self) -> String {
        let deny = if self.permission == AclPermission::Deny { "DENY " } else { "" };
        let is_plain = |text: &str| text.chars().all(|c| c.is_alphanumeric() || "._-*".contains(c));
        let name = if is_plain(&self.name) { self.name.clone() } else { quoted(&self.name) };
        let all = if self.pattern == AclPattern::Prefixed { " and all that begin so" } else { "" };
        let resource = self.resource.as_str().to_lowercase().replace('_', " ");
        let on = if self.resource == AclResource::Cluster { "the cluster".to_string() } else { format!("{resource} {name}{all}") };
        let from = if self.host == "*" { String::new() } else { format!(", from {}", quoted(&self.host)) };
        format!("{deny}{} on {on}{from}", self.operation)
    }

    fn text(&self, principal: &str, name: &str, host: &str) -> String {
        let (resource, pattern) = (self.resource.as_str().to_lowercase(), self.pattern.as_str().to_lowercase());
        format!("{} {principal} {} on {resource} {pattern} {name} from {host}", self.permission, self.operation)
    }

    /// Reads a text without quotes; what lies between the first kind of resource and the last ` from ` is the name.
    fn from_plain(text: &str) -> Option<AclBinding> {
        let (permission, rest) = text.split_once(' ')?;
        let (rest, host) = rest.rsplit_once(" from ")?;
        rest.match_indices(" on ").find_map(|(at, on)| {
            let (principal, operation) = rest[..at].rsplit_once(' ')?;
            let mut words = rest[at + on.len()..].splitn(3, ' ');
            let (resource, pattern) = (words.next()?, words.next()?);
            Self::of_words([permission, operation, resource, pattern], [principal, words.next()?, host])
        })
    }

    fn from_quoted(text: &str) -> Option<AclBinding> {
        let (permission, rest) = text.split_once(' ')?;
        let (principal, rest) = unquoted(rest)?;
        let mut words = rest.strip_prefix(' ')?.splitn(5, ' ');
        let (operation, _on) = (words.next()?, words.next().filter(|w| *w == "on")?);
        let (resource, pattern) = (words.next()?, words.next()?);
        let (name, rest) = unquoted(words.next()?)?;
        let (host, rest) = unquoted(rest.strip_prefix(" from ")?)?;
        rest.is_empty().then(|| Self::of_words([permission, operation, resource, pattern], [&principal, &name, &host])).flatten()
    }

    fn of_words([permission, operation, resource, pattern]: [&str; 4], [principal, name, host]: [&str; 3]) -> Option<AclBinding> {
        Some(AclBinding {
            resource: resource.parse().ok()?,
            name: name.to_string(),
            pattern: pattern.parse().ok()?,
            principal: principal.to_string(),
            host: host.to_string(),
            operation: operation.parse().ok()?,
            permission: permission.parse().ok()?,
        })
    }
}

impl FromStr for AclBinding {
    type Err = ();

    /// Reads what `Display` writes.
    fn from_str(s: &str) -> Result<Self, ()> {
        let is_quoted = s.split_once(' ').is_some_and(|(_, rest)| rest.starts_with('"'));
        if is_quoted { Self::from_quoted(s) } else { Self::from_plain(s) }.ok_or(())
    }
}

/// Whether a character shows as nothing or changes how others show (controls, line ends, marks of writing direction).
fn is_invisible(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A text in quotes with the escapes of JSON.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if is_invisible(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

/// The text that a quoted one begins with, and what comes after it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut texts = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let first = texts.next()?.ok()?;
    Some((first, &text[texts.byte_offset()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_reads_as_in_the_plan_of_an_acl() {
        let b = AclBinding {
            resource: AclResource::Topic,
            name: "t".into(),
            pattern: AclPattern::Prefixed,
            principal: "User:CN=x".into(),
            host: "*".into(),
            operation: AclOperation::Read,
            permission: AclPermission::Allow,
        };
        assert_eq!(b.to_string(), "ALLOW User:CN=x READ on topic prefixed t from *");
    }

    #[test]
    fn every_text_is_read_back() {
        let names = [
            "User:x",
            "User:CN=a b,O=\"c\"",
            "\"",
            "",
            " ",
            "User:a READ on topic literal b from c",
            "a on b",
            "x from y",
            "User:\u{1b}[31m\n\u{202e}\\",
            "User:ü \\u0041",
        ];
        let mut seen = std::collections::BTreeSet::new();
        for principal in names {
            for name in names {
                for host in ["*", "10.0.0.1", "a from b", ""] {
                    let b = AclBinding {
                        resource: AclResource::TransactionalId,
                        name: name.into(),
                        pattern: AclPattern::Prefixed,
                        principal: principal.into(),
                        host: host.into(),
                        operation: AclOperation::DescribeConfigs,
                        permission: AclPermission::Deny,
                    };
                    let text = b.to_string();
                    assert_eq!(text.parse(), Ok(b), "{text}");
                    assert!(!text.contains(is_invisible) && seen.insert(text.clone()), "{text}");
                }
            }
        }
        let plain = "ALLOW User:CN=a b READ on topic prefixed t from *";
        assert_eq!(plain.parse::<AclBinding>().unwrap().to_string(), plain, "blanks alone need no quotes");
        assert!("ALLOW".parse::<AclBinding>().is_err() && "ALLOW \"x READ on topic literal a from *".parse::<AclBinding>().is_err());
    }
}
