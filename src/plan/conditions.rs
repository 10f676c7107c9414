//! Conditions: variable validations, preconditions, postconditions and `check` blocks.
//!
//! A condition that depends on what is not known yet is left for later. A false one is an error, and in a `check` block a warning: a check
//! never fails a run.

use crate::addr::ModulePath;
use crate::diag::codes::{config as config_codes, plan as codes};
use crate::diag::{Code, Diagnostic, Diagnostics, Severity, Span};
use crate::graph::{Node, NodeKind};
use crate::lang::config::{Check, Condition, Output, Variable};
use crate::lang::eval::{EvalContext, Scope, eval, values_in};
use crate::value::convert::convert;
use crate::value::{Type, Value};

use super::RunMode;
use super::evaluate::context;
use super::walk::Inputs;
use super::world::World;

/// What a condition came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// It is true.
    Yes,
    /// It is false, or makes no sense.
    No,
    /// It depends on what is known only later.
    Unknown,
}

/// Checks a condition; a diagnostic says where it does not hold.
pub fn condition(c: &Condition, scope: &dyn Scope, cx: &EvalContext<'_>, diags: &mut Diagnostics) -> Holds {
    judge(c, codes::CONDITION, scope, cx, diags)
}

/// Checks the conditions of an object or output as this kind of run has them: what is taken down need not meet any, and where nothing is
/// changed they are warnings.
pub fn all(conditions: &[Condition], mode: RunMode, scope: &dyn Scope, cx: &EvalContext<'_>) -> Diagnostics {
    let mut out = Diagnostics::new();
    if mode == RunMode::Destroy {
        return out;
    }
    for c in conditions {
        let mut found = Diagnostics::new();
        condition(c, scope, cx, &mut found);
        let soft = |d: Diagnostic| if mode == RunMode::RefreshOnly && d.code == codes::CONDITION { as_warning(d) } else { d };
        out.extend(found.into_iter().map(soft));
    }
    out
}

fn judge(c: &Condition, code: Code, scope: &dyn Scope, cx: &EvalContext<'_>, diags: &mut Diagnostics) -> Holds {
    let before = diags.len();
    let v = eval(&c.condition, scope, cx, diags);
    if diags.len() > before {
        return Holds::No;
    }
    if !v.is_known() {
        return Holds::Unknown;
    }
    let failed = |text: String| {
        let mut d = Diagnostic::error(code, text).at(c.condition.span);
        d.values = values_in(&c.condition, scope, cx);
        d
    };
    match convert(&v, &Type::Bool).ok().and_then(|b| b.as_bool()) {
        Some(true) => Holds::Yes,
        Some(false) => {
            let text = message(&eval(&c.error_message, scope, cx, diags));
            diags.push(failed(text));
            Holds::No
        }
        None => {
            let what = if v.is_null() { "null".to_string() } else { format!("a {}", v.ty()) };
            diags.push(failed(format!("A condition must be true or false, and this one is {what}.")));
            Holds::No
        }
    }
}

fn message(value: &Value) -> String {
    let value = convert(value, &Type::String).unwrap_or_else(|_| value.clone());
    match value.as_str() {
        _ if value.contains_sensitive() => "The message refers to a sensitive value and is not shown.".to_string(),
        Some(text) => text.trim_end().to_string(),
        None => "The condition is false; its message is not known yet.".to_string(),
    }
}

/// Checks the rules of a variable whose value is in the world. `given` is where the value is written, for a module's input.
/// Whether all that could be judged hold.
pub fn validations(
    world: &World<'_>,
    inputs: &Inputs<'_>,
    node: &Node,
    var: &Variable,
    module: &ModulePath,
    given: Option<Span>,
) -> Diagnostics {
    let mut out = Diagnostics::new();
    let Some(m) = world.module(module) else { return out };
    let cx = context(inputs, &m.module.dir);
    for c in &var.validations {
        let mut found = Diagnostics::new();
        judge(c, config_codes::VALIDATION_FAILED, &world.scope(module), &cx, &mut found);
        out.extend(found.into_iter().map(|mut d| {
            if d.code == config_codes::VALIDATION_FAILED {
                d.span = Some(given.unwrap_or(var.name.span));
                d = d.also(c.condition.span, "the rule");
            }
            d.on(node)
        }));
    }
    out
}

/// Checks the preconditions of an output. Whether its value may be evaluated.
pub fn output(out: &Output, module: &ModulePath, mode: RunMode, scope: &dyn Scope, cx: &EvalContext<'_>, diags: &mut Diagnostics) -> bool {
    let found = all(&out.preconditions, mode, scope, cx);
    let ok = !found.has_errors();
    let at = Node { module: module.without_keys(), kind: NodeKind::Output(out.name.name.clone()) };
    diags.extend(found.into_iter().map(|d| d.on(&at)));
    ok
}

/// Judges all `check` blocks. While planning, one that cannot be judged yet is named.
pub fn checks(world: &World<'_>, inputs: &Inputs<'_>, planning: bool) -> Diagnostics {
    let mut out = Diagnostics::new();
    for path in world.module_paths() {
        let Some(m) = world.module(&path) else { continue };
        if m.module.checks.is_empty() {
            continue;
        }
        let cx = context(inputs, &m.module.dir);
        for instance in world.module_instances(&path) {
            let scope = world.scope(&instance);
            let prefix = if instance.is_root() { String::new() } else { format!("{instance}.") };
            for check in m.module.checks.values() {
                one(check, &prefix, &scope, &cx, planning, &mut out);
            }
        }
    }
    out
}

fn one(check: &Check, prefix: &str, scope: &dyn Scope, cx: &EvalContext<'_>, planning: bool, out: &mut Diagnostics) {
    let address = format!("{prefix}check.{}", check.name.name);
    for c in &check.asserts {
        let mut found = Diagnostics::new();
        if judge(c, codes::CHECK_FAILED, scope, cx, &mut found) == Holds::Unknown && planning {
            let mut d = Diagnostic::warning(
                codes::CHECK_UNKNOWN,
                "The condition depends on what is known only after the apply, and is judged then.",
            );
            d.values = values_in(&c.condition, scope, cx);
            found.push(d.at(c.condition.span));
        }
        // An expression that makes no sense is an error here too.
        let failed = |d: Diagnostic| if d.code == codes::CHECK_FAILED { as_warning(d) } else { d };
        out.extend(found.into_iter().map(|d| failed(d).on(&address)));
    }
}

/// The same as a warning.
pub fn as_warning(mut d: Diagnostic) -> Diagnostic {
    d.severity = Severity::Warning;
    d
}
