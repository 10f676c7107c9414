//! From roles and rules to exact bindings: pure.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;

use crate::client::kafka::{AclBinding, AclOperation as Op, AclPattern, AclPermission, AclResource as Res};
use crate::diag::codes::kafka as codes;
use crate::diag::{Diagnostic, Diagnostics, Severity, did_you_mean};
use crate::resource::kafka_topic::MAX_NAME;
use crate::resource::{attr_error, principal};
use crate::value::{Type, Value};

/// The name under which Kafka keeps ACLs of the cluster itself.
pub const CLUSTER_NAME: &str = "kafka-cluster";

/// The roles: name, and what each selector of the block grants. `connector` names the group `connect-<connector>`.
#[allow(clippy::type_complexity, reason = "a table reads best as one")]
pub const ROLES: &[(&str, &[(&str, &[Op])])] = &[
    ("consumer", &[("topic", &[Op::Read, Op::Describe]), ("group", &[Op::Read])]),
    ("producer", &[("topic", &[Op::Write, Op::Describe, Op::Create]), ("transactional_id", &[Op::Write, Op::Describe])]),
    ("sink", &[("topic", &[Op::Read]), ("connector", &[Op::Read]), ("group", &[Op::Read])]),
    ("source", &[("topic", &[Op::Write]), ("transactional_id", &[Op::Write, Op::Describe])]),
    (
        "viewer",
        &[("topic", &[Op::Describe, Op::DescribeConfigs]), ("group", &[Op::Describe]), ("cluster", &[Op::Describe, Op::DescribeConfigs])],
    ),
    ("admin", &[("topic", &[Op::All]), ("group", &[Op::All]), ("transactional_id", &[Op::All]), ("cluster", &[Op::All])]),
];

/// The selectors of a block, and the kind of resource that each names.
pub const SELECTORS: &[(&str, Res)] = &[
    ("topic", Res::Topic),
    ("group", Res::Group),
    ("connector", Res::Group),
    ("transactional_id", Res::TransactionalId),
    ("cluster", Res::Cluster),
    ("delegation_token", Res::DelegationToken),
    ("user", Res::User),
];

/// The operations that Kafka knows for a kind of resource, besides ALL.
pub fn supported(resource: Res) -> &'static [Op] {
    match resource {
        Res::Topic => &[Op::Read, Op::Write, Op::Create, Op::Delete, Op::Alter, Op::Describe, Op::DescribeConfigs, Op::AlterConfigs],
        Res::Group => &[Op::Read, Op::Delete, Op::Describe, Op::DescribeConfigs, Op::AlterConfigs],
        Res::Cluster => {
            &[Op::Create, Op::Alter, Op::Describe, Op::ClusterAction, Op::DescribeConfigs, Op::AlterConfigs, Op::IdempotentWrite]
        }
        Res::TransactionalId => &[Op::Write, Op::Describe],
        Res::DelegationToken => &[Op::Describe],
        Res::User => &[Op::CreateTokens, Op::DescribeTokens],
    }
}

/// The bindings as the attribute `bindings`.
pub fn as_value(bindings: &BTreeSet<AclBinding>) -> Value {
    Value::list(Type::String, bindings.iter().map(|b| Value::from(b.to_string())).collect())
}

/// What of a block could be expanded.
#[derive(Debug, Default)]
pub struct Expansion {
    /// The bindings that are known, each once.
    pub bindings: BTreeSet<AclBinding>,
    /// Whether something that is not known yet will add more.
    pub unknown: bool,
    /// What is wrong.
    pub diags: Diagnostics,
}

impl Expansion {
    fn fail(&mut self, path: impl Into<String>, detail: String, hint: &str) {
        self.diags.push(attr_error(path, Diagnostic::error(codes::ACL_INVALID, detail).hint(hint)));
    }

    /// What can match nothing. A right that does nothing is a warning, so that one which exists can be taken in; a denial that protects from
    /// nobody is an error.
    fn matches_nothing(&mut self, path: impl Into<String>, denies: bool, detail: String, hint: &str) {
        let (severity, detail) = match denies {
            true => (Severity::Error, format!("{detail} This denial would keep nobody out.")),
            false => (Severity::Warning, detail),
        };
        self.diags.push(attr_error(path, Diagnostic { severity, ..Diagnostic::error(codes::ACL_INVALID, detail).hint(hint) }));
    }
}

/// A known text; notes what is unknown. Null and unknown are `None`.
fn text(object: &Value, name: &str, out: &mut Expansion) -> Option<String> {
    let value = object.get(name)?;
    out.unknown |= !value.is_known();
    value.as_str().map(str::to_string)
}

fn word<T: FromStr + Copy>(object: &Value, name: &str, path: &str, allowed: &str, fallback: Option<T>, out: &mut Expansion) -> Option<T> {
    let Some(written) = text(object, name, out) else { return if object.get(name).is_none_or(|v| v.is_known()) { fallback } else { None } };
    let parsed = written.parse().ok();
    if parsed.is_none() {
        out.fail(path, format!("`{name}` is \"{written}\"."), &format!("Expected {allowed}."));
    }
    parsed
}

/// What all bindings of a block have in common.
struct Common {
    principal: Option<String>,
    host: Option<String>,
    permission: Option<AclPermission>,
}

/// Expands a block's roles and rules.
pub fn expand(block: &Value) -> Expansion {
    let mut out = Expansion::default();
    let principal = text(block, "principal", &mut out);
    let host = text(block, "host", &mut out).or_else(|| default_of(block, "host", "*"));
    let permission = word(block, "permission", "permission", "\"allow\" or \"deny\"", Some(AclPermission::Allow), &mut out);
    let denies = permission == Some(AclPermission::Deny) || denies_in_rules(block);
    if let Some(d) = principal.as_deref().and_then(|p| principal::check(p, denies)) {
        out.diags.push(attr_error("principal", d));
    }
    if let Some(host) = &host {
        check_host(host, "host", permission == Some(AclPermission::Deny), &mut out);
    }
    let common = Common { principal, host, permission };
    for (kind, each) in [("role", role as fn(&Value, &str, &Common, &mut Expansion)), ("rule", rule)] {
        let Some(blocks) = block.get(kind) else { continue };
        out.unknown |= !blocks.is_known();
        for (i, b) in blocks.as_slice().unwrap_or_default().iter().enumerate() {
            each(b, &format!("{kind}[{i}]"), &common, &mut out);
        }
    }
    out
}

/// Whether a rule of the block denies, whatever the block does.
fn denies_in_rules(block: &Value) -> bool {
    let rules = block.get("rule");
    let rules = rules.as_ref().and_then(|r| r.as_slice()).unwrap_or_default();
    rules.iter().any(|r| r.get_str("permission").is_some_and(|p| p.parse() == Ok(AclPermission::Deny)))
}

fn default_of(object: &Value, name: &str, default: &str) -> Option<String> {
    object.get(name).is_none_or(|v| v.is_null()).then(|| default.to_string())
}

/// The host as brokers compare it: the client's address as Java writes it, or `*`. A range or a name matches nobody (KAFKA-12715).
fn check_host(host: &str, path: &str, denies: bool, out: &mut Expansion) {
    if host == "*" {
        return;
    }
    let shown = crate::diag::redact::one_line(host);
    // A link-local address may have its interface behind it.
    let address = host.split('%').next().unwrap_or(host).parse::<IpAddr>();
    let (detail, hint) = match address {
        Ok(address) => {
            let own = as_java(address);
            if host.split('%').next() == Some(own.as_str()) {
                return;
            }
            (
                format!("The host \"{shown}\" matches no client: brokers compare texts, and write this address as \"{own}\"."),
                format!("Write \"{own}\"."),
            )
        }
        Err(_) if host.contains('/') => (
            format!("The host \"{shown}\" is a range, and brokers compare it with each client's address as a text: it matches no client."),
            "Name the addresses one by one, or \"*\" and keep others away by other means.".to_string(),
        ),
        Err(_) => (
            format!(
                "The host \"{shown}\" is not an address. Brokers compare it with each client's address and resolve no names: it matches no client."
            ),
            "Write the client's IP address, or \"*\".".to_string(),
        ),
    };
    out.matches_nothing(path, denies, detail, &hint);
}

/// An address as Java's `InetAddress.getHostAddress` writes it.
fn as_java(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments().map(|s| format!("{s:x}")).join(":"),
    }
}

fn role(block: &Value, path: &str, common: &Common, out: &mut Expansion) {
    let Some(name) = text(block, "name", out) else { return };
    let Some((_, grants)) = ROLES.iter().find(|(n, _)| *n == name) else {
        let names = ROLES.iter().map(|(n, _)| *n);
        let hint = did_you_mean(&name, names.clone())
            .map_or_else(|| format!("The roles are {}.", names.collect::<Vec<_>>().join(", ")), |n| format!("Did you mean \"{n}\"?"));
        return out.fail(path, format!("There is no role \"{name}\"."), &hint);
    };
    let mut any = false;
    for (selector, resource) in SELECTORS {
        if !is_set(block, selector) {
            continue;
        }
        any = true;
        match grants.iter().find(|(s, _)| s == selector) {
            Some((_, ops)) => bind(block, path, selector, *resource, ops, common, out),
            None => {
                let known: Vec<_> = grants.iter().map(|(s, _)| format!("`{s}`")).collect();
                out.fail(
                    format!("{path}.{selector}"),
                    format!("The role \"{name}\" grants nothing on `{selector}`."),
                    &format!("It takes {}; a `rule` block grants single operations.", known.join(", ")),
                );
            }
        }
    }
    if !any {
        let known: Vec<_> = grants.iter().map(|(s, _)| format!("`{s}`")).collect();
        out.fail(path, format!("The role \"{name}\" says nothing to grant it on."), &format!("Set at least one of {}.", known.join(", ")));
    }
}

/// Whether the selector is written; `cluster = false` is as good as left out.
fn is_set(block: &Value, selector: &str) -> bool {
    block.get(selector).is_some_and(|v| !v.is_null() && v.as_bool() != Some(false))
}

fn rule(block: &Value, path: &str, common: &Common, out: &mut Expansion) {
    let operations = operations(block, path, out);
    let host = text(block, "host", out).or_else(|| if block.get("host").is_none_or(|v| v.is_null()) { common.host.clone() } else { None });
    let permission = word(block, "permission", &format!("{path}.permission"), "\"allow\" or \"deny\"", common.permission, out);
    if let Some(host) = host.as_ref().filter(|_| block.get("host").is_some_and(|v| !v.is_null())) {
        check_host(host, &format!("{path}.host"), permission == Some(AclPermission::Deny), out);
    }
    let common = Common { principal: common.principal.clone(), host, permission };
    let mut any = false;
    for (selector, resource) in SELECTORS.iter().filter(|(s, _)| is_set(block, s)) {
        any = true;
        for op in operations.iter().filter(|o| **o != Op::All && !supported(*resource).contains(o)) {
            let known: Vec<_> = supported(*resource).iter().map(|o| o.as_str()).collect();
            out.fail(
                format!("{path}.operations"),
                format!("Kafka knows no {op} on a {}.", resource.as_str().to_lowercase()),
                &format!("Its operations are {}, ALL.", known.join(", ")),
            );
        }
        bind(block, path, selector, *resource, &operations, &common, out);
    }
    if !any {
        out.fail(
            path,
            "The rule says nothing to grant its operations on.".into(),
            "Set one of `topic`, `group`, `transactional_id`, `cluster`, `delegation_token`, `user`.",
        );
    }
}

fn operations(block: &Value, path: &str, out: &mut Expansion) -> Vec<Op> {
    let Some(list) = block.get("operations") else { return vec![] };
    out.unknown |= !list.is_wholly_known();
    let mut ops = Vec::new();
    for written in list.as_slice().unwrap_or_default().iter().filter_map(|v| v.as_str()) {
        match written.parse::<Op>() {
            Ok(op) => ops.push(op),
            Err(()) => {
                let near =
                    did_you_mean(&written.to_uppercase(), Op::ALL.iter().map(|o| o.as_str())).map(|n| format!("Did you mean \"{n}\"?"));
                out.fail(
                    format!("{path}.operations"),
                    format!("There is no operation \"{written}\"."),
                    &near.unwrap_or_else(|| "Operations are Kafka's: READ, WRITE, DESCRIBE and so on.".into()),
                );
            }
        }
    }
    if list.is_known() && list.as_slice().is_none_or(<[Value]>::is_empty) {
        out.fail(format!("{path}.operations"), "The rule has no operations.".into(), "List at least one, or remove the rule.");
    }
    ops
}

fn bind(block: &Value, path: &str, selector: &str, resource: Res, ops: &[Op], common: &Common, out: &mut Expansion) {
    let pattern = word(block, "pattern", &format!("{path}.pattern"), "\"literal\" or \"prefixed\"", Some(AclPattern::Literal), out);
    let (name, pattern) = if resource == Res::Cluster {
        out.unknown |= block.get(selector).is_some_and(|v| !v.is_known());
        (block.get(selector).and_then(|v| v.as_bool()).map(|_| CLUSTER_NAME.to_string()), Some(AclPattern::Literal))
    } else {
        let written = text(block, selector, out);
        if let Some(name) = &written {
            check_resource_name(name, pattern, &format!("{path}.{selector}"), out);
            if resource != Res::Topic && name.chars().any(char::is_control) {
                let kind = resource.as_str().to_lowercase().replace('_', " ");
                let shown = crate::diag::redact::one_line(name);
                out.fail(
                    format!("{path}.{selector}"),
                    format!("The {kind} \"{shown}\" holds a line break or another control character, and no client's does."),
                    "Take it out: trimspace() does. A text from file() ends with the file's line break.",
                );
            }
            if resource == Res::Topic {
                check_topic_name(name, pattern, common.permission == Some(AclPermission::Deny), &format!("{path}.{selector}"), out);
            }
        }
        (written.map(|n| if selector == "connector" { format!("connect-{n}") } else { n }), pattern)
    };
    let (Some(name), Some(pattern), Some(principal), Some(host), Some(permission)) =
        (name, pattern, &common.principal, &common.host, common.permission)
    else {
        return;
    };
    out.bindings.extend(ops.iter().map(|op| AclBinding {
        resource,
        name: name.clone(),
        pattern,
        principal: principal.clone(),
        host: host.clone(),
        operation: *op,
        permission,
    }));
}

fn check_resource_name(name: &str, pattern: Option<AclPattern>, path: &str, out: &mut Expansion) {
    if name.trim().is_empty() {
        return out.fail(path, "The name is empty.".into(), "Write \"*\" for all.");
    }
    match pattern {
        Some(AclPattern::Literal) if name.contains('*') && name != "*" => {
            let prefix = name.trim_end_matches('*');
            let hint = if prefix.contains('*') {
                "Kafka has no wildcards inside names; use `pattern = \"prefixed\"`.".to_string()
            } else {
                format!("Write \"{prefix}\" with `pattern = \"prefixed\"`.")
            };
            out.fail(path, format!("\"{name}\" matches nothing: in a literal name `*` is a wildcard only when it stands alone."), &hint);
        }
        Some(AclPattern::Prefixed) if name.contains('*') => {
            out.fail(
                path,
                format!("The prefix \"{name}\" matches only names that begin with those very characters, and no name has a `*`."),
                "Write \"*\" as a literal name for all, or the prefix without `*`.",
            );
        }
        _ => {}
    }
}

/// Topics have names of letters, digits, dots, underscores and dashes, at most 249 of them: nothing else can be met.
fn check_topic_name(name: &str, pattern: Option<AclPattern>, denies: bool, path: &str, out: &mut Expansion) {
    if name.contains('*') || name.trim().is_empty() {
        return;
    }
    let shown = crate::diag::redact::one_line(name);
    let strange = name.chars().find(|c| !c.is_ascii_alphanumeric() && !"._-".contains(*c));
    let why = match strange {
        Some(c) => format!("no topic's name can have {c:?}"),
        None if name.len() > MAX_NAME => format!("it has {} characters, and topics have at most {MAX_NAME}", name.len()),
        None if pattern == Some(AclPattern::Literal) && (name == "." || name == "..") => "no topic can be called so".to_string(),
        None => return,
    };
    out.matches_nothing(path, denies, format!("\"{shown}\" matches no topic: {why}."), "Correct the name.");
}

/// Warns of a denial that may lock everybody out, this tool included.
pub fn lockout(bindings: &BTreeSet<AclBinding>) -> Option<Diagnostic> {
    let risky = |b: &&AclBinding| {
        let wide =
            b.operation == Op::All || (b.resource == Res::Cluster && matches!(b.operation, Op::Alter | Op::Describe | Op::ClusterAction));
        b.permission == AclPermission::Deny && wide && (b.principal == "User:*" || b.resource == Res::Cluster)
    };
    let b = bindings.iter().find(risky)?;
    let d = Diagnostic::warning(
        codes::ACL_LOCKOUT,
        format!("`{b}` wins over every ALLOW and may lock out the brokers' users and streamform itself."),
    );
    Some(d.hint("Only super users are exempt; deny single operations to single principals instead."))
}

/// Bindings as `rule` blocks: one for each resource, host and permission.
pub fn as_rules(bindings: &BTreeSet<AclBinding>) -> Vec<Value> {
    let mut groups: std::collections::BTreeMap<(Res, &str, AclPattern, &str, AclPermission), Vec<Op>> = Default::default();
    for b in bindings {
        groups.entry((b.resource, &b.name, b.pattern, &b.host, b.permission)).or_default().push(b.operation);
    }
    groups
        .into_iter()
        .map(|((resource, name, pattern, host, permission), ops)| {
            let selector = |s: &str, r: Res| match (s == "connector", r == resource, r) {
                (false, true, Res::Cluster) => true.into(),
                (false, true, _) => Value::from(name),
                (_, _, Res::Cluster) => Value::null(Type::Bool),
                _ => Value::null(Type::String),
            };
            let lower = |s: &str| Value::from(s.to_lowercase());
            let fixed = [
                ("operations", Value::list(Type::String, ops.iter().map(|o| Value::from(o.as_str())).collect())),
                ("pattern", lower(pattern.as_str())),
                ("host", if host == "*" { Value::null(Type::String) } else { host.into() }),
                ("permission", if permission == AclPermission::Allow { Value::null(Type::String) } else { lower(permission.as_str()) }),
            ];
            Value::object_from(SELECTORS.iter().filter(|(s, _)| *s != "connector").map(|(s, r)| (*s, selector(s, *r))).chain(fixed))
        })
        .collect()
}
