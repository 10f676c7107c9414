//! Values of the root module's variables: where they come from, which wins, and what type they get.
//!
//! From low to high: the default, `SF_VAR_name`, `streamform.tfvars`, `streamform.tfvars.json`, `*.auto.tfvars` and
//! `*.auto.tfvars.json` by name, then `-var` and `-var-file` in the order given. Here is no prompting: the command line does that
//! for the variables that [`missing`] names.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;

use super::{FileSource, Module, Variable, json};
use crate::diag::codes::config::*;
use crate::diag::{Diagnostic, Diagnostics, Sources, Span, did_you_mean, io_words};
use crate::lang::ast::Body;
use crate::lang::eval::{EvalContext, NoScope, eval, types};
use crate::lang::syntax;
use crate::value::convert::convert;
use crate::value::{Marks, Type, Value};

/// The start of the names of environment variables that set a variable.
pub const ENV_PREFIX: &str = "SF_VAR_";

/// What Terraform has in its place, which sets nothing here.
const TERRAFORM_PREFIX: &str = "TF_VAR_";

/// One `-var` or `-var-file` of the command line.
#[derive(Clone, Debug)]
pub enum VarArg {
    /// `-var name=text`
    Assign {
        /// The variable.
        name: String,
        /// Its value as text: literal for a string, an expression for any other type.
        text: String,
    },
    /// `-var-file=path`, as the user wrote it.
    File(PathBuf),
}

/// A value as given, before conversion.
#[derive(Clone, Debug)]
pub struct Given {
    /// The value.
    pub value: Value,
    /// Where it comes from, in words: `the argument -var`.
    pub from: String,
    /// Where it is written, if in a text of the sources.
    pub span: Option<Span>,
}

/// Values by variable name.
pub type GivenValues = IndexMap<Arc<str>, Given>;

/// Gathers what is given for the variables of the root module. Texts are added to `sources`.
///
/// A value for an undeclared variable is an error by `-var`, a warning in a file, and nothing in the environment.
pub fn collect(
    root: &Path,
    files: &dyn FileSource,
    cli: &[VarArg],
    env: impl IntoIterator<Item = (String, String)>,
    module: &Module,
    sources: &mut Sources,
    cx: &EvalContext<'_>,
) -> (GivenValues, Diagnostics) {
    let mut c = Collector { files, module, sources, cx, out: GivenValues::new(), diags: Diagnostics::new() };
    for (name, text) in env {
        if let Some(variable) = name.strip_prefix(ENV_PREFIX).and_then(|n| module.variables.get(n)) {
            c.text(variable, &text, format!("the environment variable {name}"));
        }
    }
    for name in auto_files(root, files) {
        c.file(&root.join(&name), &name);
    }
    for arg in cli {
        match arg {
            VarArg::File(path) => c.file(path, &path.display().to_string()),
            VarArg::Assign { name, text } => match module.variables.get(name.as_str()) {
                Some(variable) => c.text(variable, text, "the argument -var".to_string()),
                None => c.undeclared_argument(name),
            },
        }
    }
    (c.out, c.diags)
}

/// The variable files that are read without being asked for, in order.
fn auto_files(root: &Path, files: &dyn FileSource) -> Vec<String> {
    let auto = |n: &String| !n.starts_with('.') && (n.ends_with(".auto.tfvars") || n.ends_with(".auto.tfvars.json"));
    // A folder that cannot be read has been complained about by the loader.
    let names = files.read_dir(root).unwrap_or_default();
    let mut found: Vec<String> = names.iter().filter(|n| auto(n)).cloned().collect();
    found.sort();
    let fixed = ["streamform.tfvars", "streamform.tfvars.json"].into_iter().filter(|f| names.iter().any(|n| n == f));
    fixed.map(str::to_string).chain(found).collect()
}

struct Collector<'a> {
    files: &'a dyn FileSource,
    module: &'a Module,
    sources: &'a mut Sources,
    cx: &'a EvalContext<'a>,
    out: GivenValues,
    diags: Diagnostics,
}

impl Collector<'_> {
    /// A value given as text: taken literally for a string (and where no type is declared), else an expression.
    fn text(&mut self, variable: &Variable, text: &str, from: String) {
        let literal = variable.ty.is_primitive() || (variable.ty == Type::Dynamic && variable.type_expr.is_none());
        if literal {
            self.set(variable, Value::string(text), from, None);
            return;
        }
        let id = self.sources.add(format!("<value for var.{} from {from}>", variable.name.name), text);
        let (expr, diags) = syntax::parse_expr(text, id);
        let found = diags.into_iter().map(|d| hide(d, variable));
        self.diags.extend(found);
        if let Some(expr) = expr {
            let value = self.constant(&expr);
            self.set(variable, value, from, Some(expr.span));
        } else {
            // What is wrong with it has been said.
            self.set(variable, Value::unknown(variable.ty.clone()), from, None);
        }
    }

    fn constant(&mut self, expr: &crate::lang::ast::Expr) -> Value {
        let mut found = Diagnostics::new();
        let value = eval(expr, &NoScope, &self.cx.constants(), &mut found);
        // A name here is most often a text without its quotes, a password perhaps: it is not repeated.
        let unnamed = |d: Diagnostic| match d.code == crate::diag::codes::lang::UNDECLARED_REFERENCE {
            true => {
                Diagnostic { detail: "Only constants are allowed here, and this is a name.".into(), ..d }.hint("Write a text in quotes.")
            }
            false => d,
        };
        self.diags.extend(found.into_iter().map(unnamed));
        value
    }

    fn set(&mut self, variable: &Variable, value: Value, from: String, span: Option<Span>) {
        // A later source replaces an earlier one wholly.
        self.out.insert(variable.name.name.clone(), Given { value, from, span });
    }

    fn undeclared_argument(&mut self, name: &str) {
        let d = Diagnostic::error(
            UNDECLARED_VARIABLE,
            format!("A value for {name:?} is given by -var, but the root module declares no such variable."),
        );
        self.diags.push(d.hint(self.declare_hint(name)));
    }

    fn declare_hint(&self, name: &str) -> String {
        match did_you_mean(name, self.module.variables.keys().map(|k| &**k)) {
            Some(near) => format!("Did you mean {near:?}?"),
            None => format!("Declare it: variable {name:?} {{ }}."),
        }
    }

    fn file(&mut self, path: &Path, shown: &str) {
        let text = self.files.read(path).and_then(|b| String::from_utf8(b).map_err(|_| io::Error::other("it is not UTF-8")));
        let text = match text {
            Ok(text) => text,
            Err(e) => {
                let d = Diagnostic::error(INVALID_VARIABLE_FILE, format!("The variable file {shown} cannot be read: {}.", io_words(&e)));
                return self.diags.push(d.hint("Check the path; it is relative to the working folder."));
            }
        };
        let id = self.sources.add_values(shown, text.as_str());
        let (body, diags) = if shown.ends_with(".json") { json::parse_values(&text, id) } else { syntax::parse_body(&text, id) };
        self.diags.append(diags);
        if let Some(body) = body {
            self.values(body, shown);
        }
    }

    fn values(&mut self, body: Body, shown: &str) {
        for block in &body.blocks {
            let d = Diagnostic::error(INVALID_VARIABLE_FILE, "A variable file holds only arguments, and this is a block.").at(block.span);
            let hint = match (&*block.kind.name, block.labels.first()) {
                ("variable", Some(l)) => format!("To set the variable, write {} = …; to declare it, use a .hcl file.", l.name),
                (kind, _) => format!("If it is a value, write {kind} = {{ … }}."),
            };
            self.diags.push(d.hint(hint));
        }
        for attr in &body.attrs {
            match self.module.variables.get(&attr.name.name) {
                Some(variable) => {
                    let value = self.constant(&attr.expr);
                    self.set(variable, value, format!("the file {shown}"), Some(attr.expr.span));
                }
                None => {
                    let name = &*attr.name.name;
                    let d = Diagnostic::warning(
                        UNDECLARED_VARIABLE,
                        format!("The file {shown} sets {name:?}, but the root module declares no such variable."),
                    );
                    self.diags.push(d.at(attr.name.span).hint(self.declare_hint(name)));
                }
            }
        }
    }
}

/// Without the place, where its line would show a secret.
fn hide(mut d: Diagnostic, variable: &Variable) -> Diagnostic {
    if variable.sensitive {
        d = Diagnostic::error(INVALID_VALUE, format!("The value given for var.{} is not an expression.", variable.name.name));
    }
    let d = d.at(variable.name.span);
    match (&d.hint, &variable.ty) {
        (None, Type::List(_) | Type::Set(_) | Type::Tuple(_)) => d.hint("The value is an expression: write a list as [\"a\", \"b\"]."),
        (None, Type::Map(_) | Type::Object(_)) => d.hint("The value is an expression: write a map as {a = \"b\"}."),
        _ => d,
    }
}

/// A value given as text outside of arguments and files (an answer to a prompt): as `-var` would read it.
pub fn from_text(variable: &Variable, text: &str, sources: &mut Sources, cx: &EvalContext<'_>) -> (Option<Given>, Diagnostics) {
    let files = super::MemoryFiles::default();
    let module = Module::default();
    let mut c = Collector { files: &files, module: &module, sources, cx, out: GivenValues::new(), diags: Diagnostics::new() };
    c.text(variable, text, "the answer".to_string());
    (c.out.swap_remove(&variable.name.name), c.diags)
}

/// The variables that need a value and have none, for a prompt.
pub fn missing<'m>(module: &'m Module, given: &GivenValues) -> Vec<&'m Variable> {
    module.variables.values().filter(|v| v.default.is_none() && !given.contains_key(&v.name.name)).collect()
}

/// Says where a variable that has no value has one for Terraform: `TF_VAR_name` sets nothing here.
pub fn hint_at_terraform(diags: Diagnostics, module: &Module, given: &GivenValues, env: &[(String, String)]) -> Diagnostics {
    let without: Vec<&Variable> = missing(module, given);
    let set = |d: &Diagnostic| {
        let variable = without.iter().find(|v| d.code == NO_VALUE && d.span == Some(v.name.span))?;
        let name = format!("{TERRAFORM_PREFIX}{}", variable.name.name);
        env.iter().any(|(k, _)| *k == name).then(|| (name, variable.name.name.clone()))
    };
    let hinted = |d: Diagnostic| match set(&d) {
        Some((name, variable)) => d.hint(format!("{name} is set, and sets nothing here: rename it to {ENV_PREFIX}{variable}.")),
        None => d,
    };
    diags.into_iter().map(hinted).collect()
}

/// The value of every variable of the root module: given or default, converted and marked. What is wrong is unknown and complained about.
pub fn finish(module: &Module, given: &GivenValues, cx: &EvalContext<'_>) -> (BTreeMap<Arc<str>, Value>, Diagnostics) {
    let mut diags = Diagnostics::new();
    let values = module.variables.iter().map(|(name, variable)| {
        let given = given.get(name);
        if given.is_none() && variable.default.is_none() {
            let d =
                Diagnostic::error(NO_VALUE, format!("The root module's variable {name:?} has no default, and no value is given for it."));
            let hint = format!("Give one by -var '{name}=…', in a variable file, or as {ENV_PREFIX}{name}.");
            diags.push(d.at(variable.name.span).hint(hint));
            return (name.clone(), Value::unknown(variable.ty.clone()));
        }
        if let (Some(text), Some(given)) = (&variable.deprecated, given) {
            diags.push(Diagnostic::warning(DEPRECATED, format!("The variable {name:?} is deprecated: {text}")).at(given.span));
        }
        let mut found = Diagnostics::new();
        let value = value_of(variable, given.map(|g| &g.value), given.and_then(|g| g.span), cx, &mut found);
        diags.extend(found.into_iter().map(|d| match given {
            // No line of a file shows where the value comes from.
            Some(g) if g.span.is_none() && d.code == INVALID_VALUE => {
                d.hint(format!("It is given by {}. A value of type {} is needed.", g.from, variable.ty))
            }
            _ => d,
        }));
        (name.clone(), value)
    });
    let values = values.collect();
    (values, diags)
}

/// The value that a variable has for what a caller gives: the default where that is nothing (or null, for a variable that is not nullable),
/// defaults of optional attributes filled in, converted to the type and marked. `span` is where the given value is written.
///
/// Serves root variables and module inputs alike. On an error the result is unknown and a diagnostic is pushed.
pub fn value_of(variable: &Variable, given: Option<&Value>, span: Option<Span>, cx: &EvalContext<'_>, diags: &mut Diagnostics) -> Value {
    let given = given.filter(|v| variable.nullable || !v.is_null());
    let (value, span) = match (given, &variable.default) {
        (Some(value), _) => (value.clone(), span),
        (None, Some(default)) => (eval(default, &NoScope, &cx.constants(), diags), Some(default.span)),
        (None, None) => {
            let name = &variable.name.name;
            let d = Diagnostic::error(INVALID_VALUE, format!("The variable {name:?} cannot be null."));
            diags.push(d.at(span.or(Some(variable.name.span))).hint("Give it a value."));
            return marked(variable, Value::unknown(variable.ty.clone()));
        }
    };
    let converted = typed(variable, &value).unwrap_or_else(|detail| {
        let d = Diagnostic::error(INVALID_VALUE, format!("The value of var.{} does not fit its type: {detail}.", variable.name.name));
        // The line of a sensitive value is not shown.
        let place = if variable.sensitive || value.contains_sensitive() { None } else { span };
        diags.push(d.at(place).at(variable.name.span).hint(format!("A value of type {} is needed.", variable.ty)));
        Value::unknown(variable.ty.clone())
    });
    marked(variable, converted)
}

fn typed(variable: &Variable, value: &Value) -> Result<Value, String> {
    let Some(type_expr) = &variable.type_expr else { return Ok(value.clone()) };
    // A type that does not parse has been complained about by the loader.
    let Ok((ty, defaults)) = types::parse_type(type_expr) else { return Ok(value.clone()) };
    convert(&defaults.apply(value), &ty).map_err(|e| e.to_string())
}

fn marked(variable: &Variable, value: Value) -> Value {
    let value = if variable.sensitive { value.mark(Marks::SENSITIVE) } else { value };
    if variable.ephemeral { value.mark(Marks::EPHEMERAL) } else { value }
}

#[cfg(test)]
#[path = "variables_tests.rs"]
mod tests;
