//! References that are read before anything is evaluated: `depends_on`, `moved`, `ignore_changes`, `to`.

use std::fmt::Write as _;

use super::args::literal;
use super::respan::respan;
use crate::addr::{Target, quote};
use crate::diag::codes::config::{DEPRECATED, INVALID_REFERENCE};
use crate::diag::{Diagnostic, Diagnostics};
use crate::lang::ast::{Expr, ExprKind, Step};
use crate::lang::syntax;

/// A list of references, each a traversal.
pub(super) fn list(expr: Expr, name: &str, diags: &mut Diagnostics) -> Vec<Expr> {
    let ExprKind::Tuple(items) = literal(&expr) else {
        let d = Diagnostic::error(INVALID_REFERENCE, format!("The argument {name:?} must be a list of references."));
        diags.push(d.at(expr.span).hint(format!("Write {name} = [ … ].")));
        return vec![];
    };
    items.iter().filter_map(|item| one(item, name, diags)).collect()
}

/// One reference. A quoted one is taken with a warning.
pub(super) fn one(expr: &Expr, name: &str, diags: &mut Diagnostics) -> Option<Expr> {
    match literal(expr) {
        ExprKind::Traversal { .. } => Some(expr.clone()),
        ExprKind::String(s) => quoted(s, expr, name, diags),
        _ => {
            let detail = format!("The argument {name:?} takes references, not expressions.");
            diags
                .push(Diagnostic::error(INVALID_REFERENCE, detail).at(expr.span).hint("Write the name alone, such as kafka_topic.orders."));
            None
        }
    }
}

/// Complains about what cannot be waited for: a part of an object, or what is no object of the module.
pub(super) fn whole(expr: &Expr, diags: &mut Diagnostics) {
    let ExprKind::Traversal { root, steps } = literal(expr) else { return };
    let (names, index) = match &*root.name {
        "each" | "count" | "self" | "path" | "terraform" | "streamform" => {
            let detail = format!("{:?} is nothing that can be waited for.", root.name);
            let d = Diagnostic::error(INVALID_REFERENCE, detail).at(expr.span);
            return diags.push(d.hint("Name a resource, a data source or a module."));
        }
        "module" => return,
        "data" => (2, true),
        "var" | "local" => (1, false),
        _ => (1, true),
    };
    let rest = steps.get(names..).unwrap_or_default();
    let whole = rest.is_empty() || index && matches!(rest, [Step::Index(_)]);
    if !whole {
        let d = Diagnostic::error(INVALID_REFERENCE, "The argument \"depends_on\" names whole objects, not attributes of them.");
        diags.push(d.at(expr.span).hint("End the reference after the name of the object."));
    }
}

fn quoted(text: &str, at: &Expr, name: &str, diags: &mut Diagnostics) -> Option<Expr> {
    let (parsed, _) = syntax::parse_expr(text, at.span.source);
    let parsed = parsed.filter(|e| matches!(&*e.kind, ExprKind::Traversal { .. }));
    let Some(parsed) = parsed else {
        diags.push(Diagnostic::error(INVALID_REFERENCE, format!("The text in {name:?} is not a reference.")).at(at.span));
        return None;
    };
    diags.push(
        Diagnostic::warning(DEPRECATED, format!("References in {name:?} are written without quotes."))
            .at(at.span)
            .hint("Remove the quotes."),
    );
    // A parsed string's spans count from the string's start; the whole string is shown instead.
    Some(respan(&parsed, &|_| at.span))
}

/// An address written as a traversal with literal keys: `module.a["x"].kafka_topic.b`.
pub(super) fn target(expr: &Expr, name: &str, diags: &mut Diagnostics) -> Option<Target> {
    let found = text_of(literal(expr)).and_then(|t| t.parse().ok());
    if found.is_none() {
        let detail = format!("The argument {name:?} must be the address of a resource or module, with literal keys.");
        diags.push(
            Diagnostic::error(INVALID_REFERENCE, detail).at(expr.span).hint("Write it as in kafka_topic.orders[\"eu\"] or module.net."),
        );
    }
    found
}

fn text_of(kind: &ExprKind) -> Option<String> {
    let ExprKind::Traversal { root, steps } = kind else {
        return match kind {
            ExprKind::String(s) => Some(s.to_string()),
            _ => None,
        };
    };
    let mut text = root.name.to_string();
    for step in steps {
        let _ = match step {
            Step::Attr(name) => write!(text, ".{}", name.name),
            Step::Index(key) => match literal(key) {
                ExprKind::String(s) => write!(text, "[{}]", quote(s)),
                ExprKind::Number(n) => write!(text, "[{n}]"),
                _ => return None,
            },
            Step::AttrSplat(_) | Step::FullSplat(_) => return None,
        };
    }
    Some(text)
}
