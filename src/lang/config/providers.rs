//! Provider configurations as they are named: `kafka`, `kafka.eu`, `kafka.by_region[each.key]`. Whether there is one of that name is
//! decided where the providers are known.

use std::fmt;
use std::sync::Arc;

use super::args::{Args, literal};
use super::respan::respan;
use crate::diag::codes::config::{DUPLICATE, INVALID_ARGUMENT, INVALID_REFERENCE, UNSUPPORTED_ARGUMENT};
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::lang::ast::{Block, Expr, ExprKind, Ident, ObjectItem, Step};
use crate::lang::syntax;

/// A provider configuration by name.
#[derive(Clone, Debug)]
pub struct ProviderRef {
    /// The provider.
    pub name: Ident,
    /// The configuration's alias; the default configuration has none.
    pub alias: Option<Ident>,
    /// The instance of a configuration with `for_each`.
    pub key: Option<Expr>,
    /// The whole.
    pub span: Span,
}

impl fmt::Display for ProviderRef {
    /// Without the key, as it is an expression.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&configuration_name(&self.name, self.alias.as_ref()))
    }
}

/// The name of a configuration: `kafka` or `kafka.eu`.
pub(super) fn configuration_name(provider: &Ident, alias: Option<&Ident>) -> String {
    alias.map_or_else(|| provider.name.to_string(), |a| format!("{}.{}", provider.name, a.name))
}

/// Reads a reference to a provider configuration.
pub(super) fn reference(expr: &Expr, diags: &mut Diagnostics) -> Option<ProviderRef> {
    let found = named(expr);
    if found.is_none() {
        let d = Diagnostic::error(INVALID_REFERENCE, "A provider configuration is named by the provider, or by provider and alias.");
        diags.push(d.at(expr.span).hint("Write it as in kafka or kafka.eu; with for_each, kafka.by_region[each.key]."));
    }
    found
}

fn named(expr: &Expr) -> Option<ProviderRef> {
    match literal(expr) {
        ExprKind::String(text) => quoted(text, expr.span),
        ExprKind::Traversal { root, steps } => traversal(root, steps, expr.span),
        // A provider is called null; its name is no keyword here.
        ExprKind::Null => traversal(&null(expr.span), &[], expr.span),
        ExprKind::Access { on, steps } if matches!(&*on.kind, ExprKind::Null) => traversal(&null(on.span), steps, expr.span),
        _ => None,
    }
}

fn null(span: Span) -> Ident {
    Ident { name: Arc::from("null"), span }
}

fn traversal(root: &Ident, steps: &[Step], span: Span) -> Option<ProviderRef> {
    let (alias, key) = match steps {
        [] => (None, None),
        [Step::Attr(alias)] => (Some(alias.clone()), None),
        [Step::Attr(alias), Step::Index(key)] => (Some(alias.clone()), Some(key.clone())),
        _ => return None,
    };
    Some(ProviderRef { name: root.clone(), alias, key, span })
}

fn quoted(text: &str, span: Span) -> Option<ProviderRef> {
    if text.contains('[') {
        // Only with a key is it more than names. A parsed string's spans count from the string's start; the whole string is shown instead.
        let (parsed, _) = syntax::parse_expr(text, span.source);
        let parsed = respan(&parsed?, &|_| span);
        return match literal(&parsed) {
            ExprKind::String(_) => None,
            _ => named(&parsed),
        };
    }
    let ident = |name: &str| super::args::is_identifier(name).then(|| Ident { name: Arc::from(name), span });
    match text.split_once('.') {
        None => Some(ProviderRef { name: ident(text)?, alias: None, key: None, span }),
        Some((name, alias)) => Some(ProviderRef { name: ident(name)?, alias: Some(ident(alias)?), key: None, span }),
    }
}

/// `providers = { a = b }`: what the called module names, and what is meant by it.
pub(super) fn map(expr: &Expr, diags: &mut Diagnostics) -> Vec<(ProviderRef, ProviderRef)> {
    let ExprKind::Object(items) = literal(expr) else {
        let d = Diagnostic::error(INVALID_ARGUMENT, "The argument \"providers\" must be a map of provider references.");
        diags.push(d.at(expr.span).hint("Write providers = { kafka = kafka.eu }."));
        return vec![];
    };
    let mut out: Vec<(ProviderRef, ProviderRef)> = Vec::new();
    for ObjectItem { key, value } in items {
        let (Some(name), Some(meant)) = (reference(key, diags), reference(value, diags)) else { continue };
        if let Some(key) = &name.key {
            let d = Diagnostic::error(INVALID_REFERENCE, format!("The configuration {name} of a called module has no instances."));
            diags.push(d.at(key.span).hint("Write the key on the right side."));
        }
        match out.iter().find(|(n, _)| n.to_string() == name.to_string()) {
            Some((first, _)) => {
                let d = Diagnostic::error(DUPLICATE, format!("The provider configuration {name} is passed twice."));
                diags.push(d.at(name.span).also(first.span, "first passed here").hint("Remove one of them."));
            }
            None => out.push((name, meant)),
        }
    }
    out
}

/// `required_providers { kafka = { configuration_aliases = [kafka.eu] } }`: the configurations that callers pass.
pub(super) fn required(block: Block, diags: &mut Diagnostics) -> Vec<ProviderRef> {
    let mut out = Vec::new();
    let args = Args::new(block.body, "required_providers", block.span, diags);
    for attr in args.rest_attrs(block.span).attrs {
        let ExprKind::Object(items) = literal(&attr.expr) else {
            let d = Diagnostic::error(INVALID_ARGUMENT, format!("What {:?} requires must be written as an object.", &*attr.name.name));
            diags.push(d.at(attr.expr.span).hint(format!("Write {0} = {{ configuration_aliases = [{0}.eu] }}.", attr.name.name)));
            continue;
        };
        for item in items {
            match literal(&item.key) {
                ExprKind::String(name) if &**name == "configuration_aliases" => aliases(&attr.name, &item.value, &mut out, diags),
                _ => {
                    let d = Diagnostic::error(UNSUPPORTED_ARGUMENT, "A required provider has configuration_aliases and nothing else.");
                    diags.push(d.at(item.key.span).hint("Remove it: providers are part of streamform, in its version."));
                }
            }
        }
    }
    out
}

fn aliases(provider: &Ident, list: &Expr, out: &mut Vec<ProviderRef>, diags: &mut Diagnostics) {
    let ExprKind::Tuple(items) = literal(list) else {
        let d = Diagnostic::error(INVALID_ARGUMENT, "The argument \"configuration_aliases\" must be a list of provider references.");
        diags.push(d.at(list.span).hint(format!("Write configuration_aliases = [{}.eu].", provider.name)));
        return;
    };
    for item in items {
        let Some(found) = reference(item, diags) else { continue };
        if found.name.name != provider.name || found.alias.is_none() || found.key.is_some() {
            let d = Diagnostic::error(INVALID_REFERENCE, format!("{found} is not an alias of the provider {:?}.", &*provider.name));
            diags.push(d.at(found.span).hint(format!("Write it as in {}.eu.", provider.name)));
        } else {
            out.push(found);
        }
    }
}
