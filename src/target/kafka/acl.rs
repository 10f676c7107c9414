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

/// As plans show it: `ALLOW User:x READ on topic literal orders from *`.
impl fmt::Display for AclBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, name, pattern, principal, host, operation, permission } = self;
        let (resource, pattern) = (resource.as_str().to_lowercase(), pattern.as_str().to_lowercase());
        write!(f, "{permission} {principal} {operation} on {resource} {pattern} {name} from {host}")
    }
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
}
