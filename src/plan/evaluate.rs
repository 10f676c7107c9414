//! What the named values of a module are: variables, locals, outputs, and how often a block is repeated.
//!
//! Plan and apply both come here, so that a value that was unknown when planned is evaluated by the same rules once it is known.

use super::walk::Inputs;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::addr::ModulePath;
use crate::diag::codes::plan as codes;
use crate::diag::{Diagnostic, Diagnostics};
use crate::graph::{Node, NodeKind};
use crate::lang::ast::Expr;
use crate::lang::config::{Output, Repetition, Variable, variables};
use crate::lang::eval::{EvalContext, Scope, eval};
use crate::plan::world::{Expansion, World};
use crate::plan::{RunMode, conditions};
use crate::value::convert::convert;
use crate::value::{Marks, Repr, Type, Value};

/// The evaluation context of a module's folder.
pub fn context<'a>(inputs: &Inputs<'a>, dir: &'a std::path::Path) -> EvalContext<'a> {
    EvalContext::new(inputs.host, dir, &inputs.config.root.dir)
}

/// Evaluates a variable, local, output or module call in one module instance and records it in the world.
pub fn evaluate_node(world: &mut World<'_>, inputs: &Inputs<'_>, node: &Node, module: &ModulePath, diags: &mut Diagnostics) {
    let Some(m) = world.module(module) else { return };
    let cx = context(inputs, &m.module.dir);
    let value = match &node.kind {
        NodeKind::Variable(name) => {
            let Some(var) = m.module.variables.get(name) else { return };
            variable(world, inputs, var, name, module, diags)
        }
        NodeKind::Local(name) => {
            let Some(expr) = m.module.locals.get(name) else { return };
            eval(expr, &world.scope(module), &cx, diags)
        }
        NodeKind::Output(name) => {
            let Some(out) = m.module.outputs.get(name) else { return };
            output(out, module, inputs.options.mode, &world.scope(module), &cx, diags)
        }
        NodeKind::Call(name) => {
            let Some(call) = m.module.calls.get(name) else { return };
            let expansion = repetition(&call.repetition, &world.scope(module), &cx, diags);
            world.set_call(module, name, if inputs.observer.checks_only() { expansion.or_stand_in() } else { expansion });
            return;
        }
        NodeKind::Resource(..) => return,
    };
    inputs.redactor.learn(&value);
    world.set(module, &node.kind, value);
    if let NodeKind::Variable(name) = &node.kind
        && let Some(var) = m.module.variables.get(name)
    {
        let given = m.call.and_then(|c| c.inputs.attr(name)).map(|a| a.expr.span);
        let found = conditions::validations(world, inputs, node, var, module, given);
        if found.has_errors() {
            // What follows from a value that is refused need not be said too.
            world.set(module, &node.kind, Value::unknown(var.ty.clone()).mark(Marks::FAILED));
        }
        diags.append(found);
    }
}

fn output(out: &Output, module: &ModulePath, mode: RunMode, scope: &dyn Scope, cx: &EvalContext<'_>, diags: &mut Diagnostics) -> Value {
    if !conditions::output(out, module, mode, scope, cx, diags) {
        return Value::unknown(Type::Dynamic).mark(Marks::FAILED);
    }
    let value = eval(&out.value, scope, cx, diags);
    let error = |detail: String| Diagnostic::error(codes::EPHEMERAL, detail).at(out.value.span);
    let name = &*out.name.name;
    if out.ephemeral && module.is_root() {
        let d = error(format!("The output {name:?} of the root module is ephemeral, and what the root module gives is kept in the state."));
        diags.push(d.hint("Remove ephemeral = true; only the outputs of modules that are called can be ephemeral."));
    } else if !out.ephemeral && value.deep_marks().is_ephemeral() {
        let d = error(format!("The output {name:?} has an ephemeral value and is not declared as ephemeral."));
        diags.push(d.hint("Add ephemeral = true to the output of a called module, or use ephemeralasnull()."));
    }
    if out.ephemeral && !module.is_root() && value.is_wholly_known() && !value.deep_marks().is_ephemeral() {
        let d = error(format!("The output {name:?} is declared as ephemeral, and its value is not."));
        diags.push(d.hint("Remove ephemeral = true."));
    }
    let value = if out.ephemeral { value.mark(Marks::EPHEMERAL) } else { value };
    if out.sensitive {
        return value.sensitive();
    }
    if module.is_root() && value.contains_sensitive() {
        let d = Diagnostic::error(codes::SENSITIVE_OUTPUT, format!("The output {:?} has a sensitive value.", &*out.name.name));
        diags.push(d.at(out.value.span).hint("Add sensitive = true to the output, or remove the sensitive part with nonsensitive()."));
    }
    value
}

fn variable(
    world: &World<'_>,
    inputs: &Inputs<'_>,
    var: &Variable,
    name: &Arc<str>,
    module: &ModulePath,
    diags: &mut Diagnostics,
) -> Value {
    if module.is_root() {
        // Converted and marked when they were collected.
        return inputs.variables.get(name).cloned().unwrap_or_else(|| Value::unknown(var.ty.clone()));
    }
    let given = world.input_scope(module).and_then(|scope| {
        let attr = world.module(module)?.call?.inputs.attr(name)?;
        let parent = ModulePath(module.0[..module.0.len() - 1].to_vec().into());
        let dir = world.module(&parent)?.module.dir.as_path();
        Some((eval(&attr.expr, &scope, &context(inputs, dir), diags), attr.expr.span))
    });
    let dir = world.module(module).map_or(inputs.config.root.dir.as_path(), |m| m.module.dir.as_path());
    if given.is_none() && var.default.is_none() {
        // The loader has said that the call needs it.
        return Value::unknown(var.ty.clone());
    }
    let (value, span) = given.unzip();
    if !var.ephemeral && value.as_ref().is_some_and(|v| v.deep_marks().is_ephemeral()) {
        let d = Diagnostic::error(codes::EPHEMERAL, format!("The variable {name:?} is given an ephemeral value and does not take one."));
        diags.push(d.at(span).hint("Add ephemeral = true to the variable, or give it a value that is not ephemeral."));
    }
    variables::value_of(var, value.as_ref(), span, &context(inputs, dir), diags)
}

/// Evaluates `count` or `for_each`. What follows from an expression that failed is [`Expansion::Failed`], and nothing more is said.
pub fn repetition(r: &Repetition, scope: &dyn Scope, cx: &EvalContext<'_>, diags: &mut Diagnostics) -> Expansion {
    type Read = fn(&Value) -> Result<Expansion, &'static str>;
    let (what, expr, read): (_, _, Read) = match r {
        Repetition::One => return Expansion::One,
        Repetition::Count(e) => ("count", e, count),
        Repetition::ForEach(e) => ("for_each", e, for_each),
    };
    let value = eval(expr, scope, cx, diags);
    match read(&value) {
        Ok(expansion) => expansion,
        Err(_) if value.deep_marks().is_failed() => Expansion::Failed,
        Err(why) => {
            diags.push(repetition_error(what, expr, &value, why));
            Expansion::Failed
        }
    }
}

fn repetition_error(what: &str, e: &Expr, v: &Value, why: &'static str) -> Diagnostic {
    let detail = format!("The {what} value {why}.");
    let unknown = !v.is_known() || matches!(v.repr(), Repr::Set(s) if s.items.iter().any(|i| !i.is_known()));
    if unknown && !v.contains_sensitive() && !v.deep_marks().is_ephemeral() {
        return Diagnostic::error(codes::UNKNOWN_REPETITION, detail)
            .at(e.span)
            .hint("Use names and numbers that the configuration itself holds, or apply what it depends on first with -target.");
    }
    let d = Diagnostic::error(codes::BAD_REPETITION, detail).at(e.span);
    match v.repr() {
        Repr::String(_) if what == "for_each" => d.hint(
            "For one instance, wrap it in toset([…]). If a variable of lists or maps gives it, declare the variable's type: \
             without one, a value from the command line or the environment is a string.",
        ),
        _ => d,
    }
}

fn count(v: &Value) -> Result<Expansion, &'static str> {
    if v.deep_marks().is_ephemeral() {
        return Err("is ephemeral, and the instances outlive the run");
    }
    if !v.is_known() {
        return Err("is known only after apply, so the number of instances cannot be planned");
    }
    // How many there are may be seen, as in Terraform, even where the number comes from something sensitive.
    let n = convert(v, &Type::Number).map_err(|_| "must be a whole number")?;
    if n.is_null() {
        return Err("is null; a whole number is expected");
    }
    let n = n.as_i64().and_then(|n| u64::try_from(n).ok()).ok_or("must be a whole number, not negative")?;
    if n > 100_000 { Err("is over 100,000") } else { Ok(Expansion::Count(n)) }
}

fn for_each(v: &Value) -> Result<Expansion, &'static str> {
    if v.marks().is_ephemeral() || (matches!(v.repr(), Repr::Set(_)) && v.deep_marks().is_ephemeral()) {
        return Err("is ephemeral, and the instances outlive the run");
    }
    if v.deep_marks().is_sensitive() && (v.marks().is_sensitive() || matches!(v.repr(), Repr::Set(_))) {
        return Err("is sensitive, and its keys name the instances");
    }
    match v.repr() {
        Repr::Unknown(_) => Err("is known only after apply, so the instances cannot be planned"),
        Repr::Null(_) => Err("is null; a map or a set of strings is expected"),
        Repr::Map(_) | Repr::Object(_) => Ok(Expansion::Each(v.as_map().cloned().unwrap_or_default())),
        Repr::Set(s) => {
            let mut out: BTreeMap<Arc<str>, Value> = BTreeMap::new();
            for item in &s.items {
                if !item.is_known() {
                    return Err("has elements that are known only after apply");
                }
                let key = item.as_str().ok_or("must be a set of strings")?;
                out.insert(Arc::from(key), item.clone());
            }
            Ok(Expansion::Each(out.into()))
        }
        Repr::Tuple(_) | Repr::List(_) => Err("must be a map or a set of strings; a list has no keys: wrap it in toset()"),
        Repr::String(_) => Err("is a string; a map or a set of strings is expected"),
        _ => Err("must be a map or a set of strings"),
    }
}
