//! Function calls.

use super::{Eval, EvalContext, Names, NoScope, eval, nothing};
use crate::diag::codes::lang as codes;
use crate::diag::{Diagnostic, Diagnostics, SourceId, did_you_mean};
use crate::lang::ast::{Expr, Ident};
use crate::lang::functions::{self, CallContext};
use crate::lang::syntax::parse_template;
use crate::value::{Fields, Marks, Type, Value};

/// Templates may include templates, but not without end.
const MAX_TEMPLATE_DEPTH: u32 = 16;

impl Eval<'_> {
    pub(super) fn call(&mut self, name: &Ident, args: &[Expr], expand: bool, e: &Expr) -> Value {
        if !self.cx.calls {
            let d = Diagnostic::error(codes::FUNCTION_CALL, "Functions cannot be called here, where only constants are allowed.");
            return self.fail_with(d.at(name.span).hint("Calculate it in a local value."), e);
        }
        match name.name.strip_prefix("core::").unwrap_or(&name.name) {
            // With an expanded argument nothing is left to catch.
            "try" if !expand => return self.try_call(args, e),
            "can" if !expand => return self.can_call(args, e),
            _ => {}
        }
        let Some(function) = functions::lookup(&name.name) else { return self.no_function(name, e) };
        let Some((values, marks)) = self.arguments(args, expand) else { return nothing() };
        let Some(values) = values else { return nothing().mark(marks) };
        let cx = self.cx;
        let render = |file: &str, text: &str, vars: &Fields| render(cx, file, text, vars);
        let call_cx = CallContext { host: cx.host, module_dir: cx.module_dir, root_dir: cx.root_dir, eval_template: &render };
        match function.call(&call_cx, &values) {
            Ok(v) => {
                self.infinite |= (function.name == "yamldecode" || v.as_number().is_some()) && super::is_infinite(&v);
                v.mark(marks)
            }
            Err(err) => {
                let at = err.arg.and_then(|i| args.get(i.min(args.len().saturating_sub(1)))).unwrap_or(e);
                let stop = if err.message.ends_with(['.', '!', '?']) { "" } else { "." };
                let which = err.arg.and_then(|i| function.param(i)).map(|p| format!(" (argument {:?})", p.name)).unwrap_or_default();
                // The message may quote what the function was given.
                let secret = marks.is_sensitive() || values.iter().any(Value::contains_sensitive);
                let reason = if secret {
                    "it fails for a sensitive value, so the reason is not shown.".to_string()
                } else {
                    format!("{}{stop}", err.message)
                };
                let d = Diagnostic::error(codes::FUNCTION_CALL, format!("Call of {}{which}: {reason}", name.name)).at(at.span);
                self.fail_with(d, e)
            }
        }
    }

    /// The values of the arguments, `Some(None)` where the expanded one is unknown, `None` after an error.
    fn arguments(&mut self, args: &[Expr], expand: bool) -> Option<(Option<Vec<Value>>, Marks)> {
        let mut values = Vec::with_capacity(args.len());
        let mut failed = false;
        for a in args {
            let (value, diags) = self.apart(a);
            failed |= diags.has_errors();
            self.diags.append(diags);
            values.push(value);
        }
        if failed {
            return None;
        }
        if !expand {
            return Some((Some(values), Marks::NONE));
        }
        let last = values.pop()?;
        let about = args.last()?;
        match last.as_slice() {
            Some(items) => {
                values.extend(items.iter().cloned());
                Some((Some(values), last.marks()))
            }
            None if !last.is_known() && matches!(last.ty(), Type::Dynamic | Type::List(_) | Type::Set(_) | Type::Tuple(_)) => {
                Some((None, last.marks()))
            }
            None => {
                let what = if last.is_null() { "null".to_string() } else { format!("a {}", last.ty()) };
                self.fail(codes::FUNCTION_CALL, format!("Only a list, set or tuple can be expanded with \"...\", not {what}."), about);
                None
            }
        }
    }

    fn no_function(&mut self, name: &Ident, e: &Expr) -> Value {
        let mut d = Diagnostic::error(codes::UNKNOWN_FUNCTION, format!("There is no function named {:?}.", name.name)).at(name.span);
        let (core, bare) = name.name.strip_prefix("core::").map_or(("", &*name.name), |bare| ("core::", bare));
        if let Some(near) = did_you_mean(bare, functions::names()) {
            d = d.hint(format!("Did you mean \"{core}{near}\"?"));
        }
        self.fail_with(d, e)
    }

    fn try_call(&mut self, args: &[Expr], e: &Expr) -> Value {
        let mut last = Diagnostics::new();
        for a in args {
            let (value, diags) = self.apart(a);
            if !diags.has_errors() {
                // Whether it would have failed can be known only when it is known itself.
                return if value.is_wholly_known() || value.origin().is_some() { value } else { nothing().mark(value.deep_marks()) };
            }
            if undeclared(&diags) {
                self.diags.append(diags);
                return nothing();
            }
            last = diags;
        }
        let mut d = Diagnostic::error(
            codes::FUNCTION_CALL,
            if args.is_empty() { "try needs at least one argument." } else { "No argument of try could be evaluated." },
        )
        .at(e.span);
        if let Some(cause) = last.iter().next() {
            d = d.hint(format!("The last one failed: {}", cause.detail));
        }
        self.diags.push(d);
        nothing()
    }

    fn can_call(&mut self, args: &[Expr], e: &Expr) -> Value {
        let [arg] = args else { return self.fail(codes::FUNCTION_CALL, "can takes exactly one argument.", e) };
        let (value, diags) = self.apart(arg);
        if undeclared(&diags) {
            self.diags.append(diags);
            return nothing();
        }
        if diags.has_errors() {
            return Value::from(false);
        }
        if value.is_wholly_known() { Value::from(true) } else { Value::unknown_not_null(Type::Bool) }
    }
}

/// A name that nothing declares is a mistake in the text, not a failure that `try` is meant for.
fn undeclared(diags: &Diagnostics) -> bool {
    diags.iter().any(|d| d.code == codes::UNDECLARED_REFERENCE)
}

/// Renders a template with only its own variables in scope.
fn render(cx: &EvalContext<'_>, file: &str, text: &str, vars: &Fields) -> Result<Value, Diagnostics> {
    if cx.template_depth >= MAX_TEMPLATE_DEPTH {
        return Err(
            Diagnostic::error(codes::FUNCTION_CALL, format!("Templates include each other more than {MAX_TEMPLATE_DEPTH} deep.")).into()
        );
    }
    let inner = EvalContext { template_depth: cx.template_depth + 1, ..*cx };
    // The text is of no configuration file, so that its spans mean nothing outside: places go into the detail.
    let (expr, mut diags) = parse_template(text, SourceId(u32::MAX));
    let scope = TemplateScope { names: Names { names: vars.iter().map(|(k, v)| (k.clone(), v.clone())).collect(), outer: &NoScope } };
    let value = expr.map(|e| eval(&e, &scope, &inner, &mut diags));
    match value {
        Some(v) if !diags.has_errors() => Ok(v),
        _ => Err(diags.into_iter().map(|d| place(d, file, text)).collect()),
    }
}

fn place(mut d: Diagnostic, file: &str, text: &str) -> Diagnostic {
    if let Some(span) = d.span.take().filter(|s| s.source == SourceId(u32::MAX)) {
        let before = text.get(..span.start as usize).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        d.detail = format!("{file}, line {line}: {}", d.detail);
    }
    d
}

/// The variables of a template; any other name is an error that lists them.
struct TemplateScope<'a> {
    names: Names<'a>,
}

impl super::Scope for TemplateScope<'_> {
    fn lookup(&self, root: &Ident, steps: &[crate::lang::ast::Step]) -> Result<super::Resolved, Diagnostic> {
        self.names.lookup(root, steps).map_err(|_| {
            let d = Diagnostic::error(codes::UNDECLARED_REFERENCE, format!("The template has no variable {:?}.", root.name)).at(root.span);
            match did_you_mean(&root.name, self.names.names.iter().map(|(n, _)| &**n)) {
                Some(near) => d.hint(format!("Did you mean {near:?}?")),
                None => d.hint("Only what the call passes as variables can be used in a template."),
            }
        })
    }
}
