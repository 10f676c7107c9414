//! Whether a run holds: its assertions, and the failures that it expects.

use super::report::Status;
use crate::diag::codes::{cli as codes, config as config_codes, plan as plan_codes};
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::lang::ast::Expr;
use crate::lang::config::Condition;
use crate::lang::config::testfile::checkable;
use crate::lang::eval::{EvalContext, Scope, eval, values_in};
use crate::value::Type;
use crate::value::convert::convert;

/// The failures that a run expects, each with whether it came.
pub struct Expected {
    items: Vec<(String, Expr, bool)>,
}

impl Expected {
    /// None came yet.
    pub fn new(exprs: &[Expr]) -> Self {
        Expected { items: exprs.iter().filter_map(|e| Some((checkable(e)?, e.clone(), false))).collect() }
    }

    /// The item that a diagnostic is a failure of.
    fn of(&mut self, d: &Diagnostic) -> Option<&mut (String, Expr, bool)> {
        let address = d.address.as_deref().filter(|_| is_condition(d))?;
        self.items.iter_mut().find(|(a, ..)| address == a || address.strip_prefix(a.as_str()).is_some_and(|rest| rest.starts_with('[')))
    }

    /// Takes out the failures that were expected. What a check says without being expected is an error here, also that it cannot be judged
    /// yet.
    pub fn take(&mut self, found: Diagnostics) -> Diagnostics {
        let mut out = Diagnostics::new();
        for mut d in without_consequences(found) {
            match self.of(&d) {
                Some(item) => item.2 = true,
                None => {
                    if is_condition(&d) {
                        d.severity = Severity::Error;
                    }
                    if d.code == plan_codes::CHECK_UNKNOWN {
                        d = d.hint("Use command = apply in this run, or name the check in expect_failures.");
                    }
                    out.push(d);
                }
            }
        }
        out
    }

    /// As [`Expected::take`] for a plan that is to be applied: a failure that keeps the apply from being made stays, expected or not, and
    /// what cannot be judged yet is judged by the apply.
    pub fn take_before_apply(&mut self, found: Diagnostics) -> Diagnostics {
        let mut out = Diagnostics::new();
        for d in without_consequences(found) {
            let fatal = d.severity == Severity::Error;
            match self.of(&d) {
                _ if d.code == plan_codes::CHECK_UNKNOWN => {}
                Some((address, ..)) if fatal => {
                    let detail = format!(
                        "A condition of {address} failed while planning, so there was nothing to apply. It was expected, but the run cannot be carried out, and counts as failed."
                    );
                    out.push(Diagnostic::warning(codes::EXPECTED_WHILE_PLANNING, detail).hint("Use command = plan in this run."));
                    out.push(d);
                }
                Some(item) => item.2 = true,
                None => out.append(self.take(d.into())),
            }
        }
        out
    }

    /// An error for each failure that did not come.
    pub fn missing(&self) -> Diagnostics {
        let mut out = Diagnostics::new();
        for (address, e, _) in self.items.iter().filter(|i| !i.2) {
            let d = Diagnostic::error(codes::MISSING_FAILURE, format!("{address} was expected to report an error but did not."));
            out.push(d.at(e.span));
        }
        out
    }
}

fn is_condition(d: &Diagnostic) -> bool {
    let codes = [plan_codes::CONDITION, config_codes::VALIDATION_FAILED, plan_codes::CHECK_FAILED, plan_codes::CHECK_UNKNOWN];
    codes.contains(&d.code)
}

/// Where a variable's value is refused, no other condition counts.
fn without_consequences(found: Diagnostics) -> Vec<Diagnostic> {
    let refused = found.iter().any(|d| d.code == config_codes::VALIDATION_FAILED);
    found.into_iter().filter(|d| !refused || d.code == config_codes::VALIDATION_FAILED || !is_condition(d)).collect()
}

/// Evaluates assertions. A false one is a failure; one that cannot be evaluated is an error, and ends the file.
pub fn assertions(asserts: &[Condition], scope: &dyn Scope, cx: &EvalContext<'_>, diags: &mut Diagnostics) -> Status {
    asserts.iter().map(|a| assertion(a, scope, cx, diags)).max().unwrap_or(Status::Pass)
}

fn assertion(a: &Condition, scope: &dyn Scope, cx: &EvalContext<'_>, diags: &mut Diagnostics) -> Status {
    let mut found = Diagnostics::new();
    let value = eval(&a.condition, scope, cx, &mut found);
    if found.has_errors() {
        diags.append(found);
        return Status::Error;
    }
    let with_values = |mut d: Diagnostic| {
        d.values = values_in(&a.condition, scope, cx);
        d.at(a.condition.span)
    };
    if !value.is_known() {
        let d = Diagnostic::error(codes::UNKNOWN_CONDITION, "The condition depends on a value that is known only after an apply.");
        diags
            .push(with_values(d).hint(
                "Use command = apply in this run, leave the value out, or give it in an override block with override_during = plan.",
            ));
        return Status::Error;
    }
    match convert(&value, &Type::Bool).ok().and_then(|b| b.as_bool()) {
        Some(true) => Status::Pass,
        Some(false) => {
            let message = eval(&a.error_message, scope, cx, &mut found);
            let text = match message.as_str() {
                Some(_) if message.contains_sensitive() => "The message refers to a sensitive value and is not shown.".to_string(),
                Some(text) => text.trim_end().to_string(),
                None => "The condition is false.".to_string(),
            };
            diags.push(with_values(Diagnostic::error(codes::ASSERTION, text)));
            diags.append(found);
            Status::Fail
        }
        None => {
            diags.push(with_values(Diagnostic::error(codes::ASSERTION, "A condition must be true or false.")));
            Status::Error
        }
    }
}
