//! The function library: every function that an expression may call, by kind in one file each.
//!
//! A [`Function`] is plain data (name, parameters, documentation) and a body. [`Function::call`] applies what is common to
//! all: arity, conversion to the parameter types, and the policy for null, unknown and marked arguments; bodies then see
//! only arguments they declared to handle. Files, clock and randomness come from the [`Host`]. `try` and `can` are listed
//! here for completion and documentation, but are evaluated by the evaluator: their arguments may fail.

mod collection;
mod convert;
mod crypto;
mod datetime;
mod encoding;
mod files;
mod format;
mod json;
mod network;
mod numeric;
mod regex;
mod sets;
mod special;
pub(crate) mod streamform;
mod string;
mod yaml_decode;
mod yaml_encode;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use crate::diag::Diagnostics;
use crate::lang::host::Host;
use crate::value::convert::unify;
use crate::value::ops::unmark_deep;
use crate::value::{Fields, Marks, Number, Type, Value};

/// A type that can be written in a constant; see [`Kind::ty`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `any`
    Any,
    /// `bool`
    Bool,
    /// `number`
    Num,
    /// `string`
    Str,
    /// `list(…)`
    List(&'static Kind),
    /// `set(…)`
    Set(&'static Kind),
    /// `map(…)`
    Map(&'static Kind),
}

impl Kind {
    /// The type that this stands for.
    pub fn ty(self) -> Type {
        match self {
            Kind::Any => Type::Dynamic,
            Kind::Bool => Type::Bool,
            Kind::Num => Type::Number,
            Kind::Str => Type::String,
            Kind::List(k) => Type::list(k.ty()),
            Kind::Set(k) => Type::set(k.ty()),
            Kind::Map(k) => Type::map(k.ty()),
        }
    }
}

/// What happens when an argument is not wholly known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknowns {
    /// The result is unknown if anything in the argument is.
    Whole,
    /// The result is unknown if the argument itself is; the body handles unknown elements.
    Top,
    /// The body handles all.
    Body,
}

/// One parameter of a function.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// The name, as shown in errors.
    pub name: &'static str,
    /// The type that arguments are converted to.
    pub kind: Kind,
    /// Whether null reaches the body.
    pub allow_null: bool,
    /// Whether an argument of which not even the type is known reaches the body; otherwise the same is true of the result.
    pub allow_untyped: bool,
    /// How unknown arguments are handled.
    pub unknown: Unknowns,
    /// Whether the body handles marks itself; otherwise they move to the result.
    pub allow_marked: bool,
}

impl Param {
    /// A parameter that accepts no null and no value of unknown type, makes the result unknown if any part is, and moves marks to the result.
    pub const fn new(name: &'static str, kind: Kind) -> Param {
        Param { name, kind, allow_null: false, allow_untyped: false, unknown: Unknowns::Whole, allow_marked: false }
    }

    /// The same, accepting null.
    pub const fn nullable(mut self) -> Param {
        self.allow_null = true;
        self
    }

    /// The same, accepting a value of unknown type.
    pub const fn untyped(mut self) -> Param {
        self.allow_untyped = true;
        self
    }

    /// The same, with another policy for unknowns.
    pub const fn unknowns(mut self, unknown: Unknowns) -> Param {
        self.unknown = unknown;
        self
    }

    /// The same, with marks seen by the body.
    pub const fn marked(mut self) -> Param {
        self.allow_marked = true;
        self
    }

    /// Whether unknown arguments reach the body.
    pub fn allow_unknown(&self) -> bool {
        self.unknown == Unknowns::Body
    }
}

/// The type of a result that is not known yet.
#[derive(Clone, Copy)]
pub enum Ret {
    /// Always this, and never null.
    Is(Kind),
    /// Depends on the arguments, which may not fit each other; never null.
    Of(ReturnType),
    /// The same, but may be null.
    Maybe(ReturnType),
}

/// Finds the type of a result from arguments that need not be known.
pub type ReturnType = fn(&[Value]) -> Result<Type, CallError>;

/// What a function body looks like.
pub type Body = fn(&CallContext<'_>, &[Value]) -> Result<Value, CallError>;

/// One function of the language.
pub struct Function {
    /// The name as written in a call, with its namespace if it is not a core function.
    pub name: &'static str,
    /// The fixed parameters.
    pub params: &'static [Param],
    /// The parameter that any number of further arguments belong to.
    pub variadic: Option<Param>,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// The type of its result.
    pub ret: Ret,
    /// What it does.
    pub body: Body,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// The argument that is at fault, counted from 0; `None` when it is the call as a whole.
    pub arg: Option<usize>,
    /// What is wrong, as a sentence without its full stop.
    pub message: String,
}

impl CallError {
    /// The call as a whole fails.
    pub fn new(message: impl Into<String>) -> CallError {
        CallError { arg: None, message: message.into() }
    }

    /// One argument is at fault.
    pub fn arg(arg: usize, message: impl Into<String>) -> CallError {
        CallError { arg: Some(arg), message: message.into() }
    }
}

/// Renders a template: its name for diagnostics, its text, and its variables.
pub type EvalTemplate<'a> = dyn Fn(&str, &str, &Fields) -> Result<Value, Diagnostics> + 'a;

/// What an error says where its reason might show a sensitive argument.
const SENSITIVE_FAILURE: &str = "the reason is not shown, because an argument is sensitive";

/// What functions may use of their surroundings.
pub struct CallContext<'a> {
    /// Files, clock, randomness.
    pub host: &'a dyn Host,
    /// The folder of the module that the call is written in.
    pub module_dir: &'a Path,
    /// The folder of the root module; relative file names are relative to it.
    pub root_dir: &'a Path,
    /// Renders a template.
    pub eval_template: &'a EvalTemplate<'a>,
}

/// The function of this name; `core::f` is `f`.
pub fn lookup(name: &str) -> Option<&'static Function> {
    table().get(name.strip_prefix("core::").unwrap_or(name)).copied()
}

/// The names of all functions, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    table().keys().copied()
}

fn table() -> &'static BTreeMap<&'static str, &'static Function> {
    static TABLE: OnceLock<BTreeMap<&'static str, &'static Function>> = OnceLock::new();
    TABLE.get_or_init(|| FILES.iter().flat_map(|file| file.iter()).map(|f| (f.name, f)).collect())
}

static FILES: &[&[Function]] = &[
    collection::FUNCTIONS,
    convert::FUNCTIONS,
    crypto::FUNCTIONS,
    datetime::FUNCTIONS,
    encoding::FUNCTIONS,
    files::FUNCTIONS,
    format::FUNCTIONS,
    network::FUNCTIONS,
    numeric::FUNCTIONS,
    regex::FUNCTIONS,
    sets::FUNCTIONS,
    special::FUNCTIONS,
    streamform::FUNCTIONS,
    string::FUNCTIONS,
];

impl Function {
    const fn new(name: &'static str, params: &'static [Param], ret: Ret, body: Body, doc: &'static str) -> Function {
        Function { name, params, variadic: None, doc, ret, body }
    }

    const fn rest(mut self, param: Param) -> Function {
        self.variadic = Some(param);
        self
    }

    /// The parameter that the argument at `index` belongs to.
    pub fn param(&self, index: usize) -> Option<&Param> {
        self.params.get(index).or(self.variadic.as_ref())
    }

    /// Calls the function.
    ///
    /// # Errors
    /// Wrong number of arguments, an argument that does not convert or may not be null, or what the body reports.
    pub fn call(&self, cx: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
        self.check_arity(args.len())?;
        let mut converted = Vec::with_capacity(args.len());
        let mut marks = Marks::NONE;
        let mut unknown = false;
        for (i, arg) in args.iter().enumerate() {
            let Some(param) = self.param(i) else { continue };
            let value = convert(arg, &param.kind.ty()).map_err(|m| CallError::arg(i, m))?;
            if !param.allow_marked {
                marks = marks.union(value.deep_marks());
            }
            converted.push(if param.allow_marked { value } else { unmark_deep(&value) });
        }
        for (i, value) in converted.iter().enumerate() {
            let Some(param) = self.param(i) else { continue };
            if value.is_null() && !param.allow_null {
                return Err(CallError::arg(i, "argument must not be null"));
            }
            if !param.allow_untyped && value.is_untyped() {
                return Ok(Value::unknown(Type::Dynamic).mark(all_marks(&converted)).mark(marks));
            }
            unknown |= match param.unknown {
                Unknowns::Whole => !value.is_wholly_known(),
                Unknowns::Top => !value.is_known(),
                Unknowns::Body => false,
            };
        }
        let secret = marks.union(all_marks(&converted)).is_sensitive();
        let hide = |e: CallError| if secret { CallError { message: SENSITIVE_FAILURE.to_string(), ..e } } else { e };
        match unknown {
            true => Ok(self.unknown_result(&converted).map_err(hide)?.mark(all_marks(&converted)).mark(marks)),
            false => (self.body)(cx, &converted).map(|value| value.mark(marks)).map_err(hide),
        }
    }

    fn check_arity(&self, given: usize) -> Result<(), CallError> {
        let wanted = self.params.len();
        if given < wanted {
            let missing = self.params[given].name;
            let at_least = if self.variadic.is_some() { "at least " } else { "" };
            return Err(CallError::new(format!(
                "Not enough function arguments: \"{}\" expects {at_least}{wanted}, and the value for \"{missing}\" is missing",
                self.name
            )));
        }
        if given > wanted && self.variadic.is_none() {
            return Err(CallError::arg(wanted, format!("Too many function arguments: \"{}\" expects only {wanted}", self.name)));
        }
        Ok(())
    }

    fn unknown_result(&self, args: &[Value]) -> Result<Value, CallError> {
        let (ty, never_null) = match self.ret {
            Ret::Is(kind) => (kind.ty(), true),
            Ret::Of(ty) => (ty(args)?, true),
            Ret::Maybe(ty) => (ty(args)?, false),
        };
        Ok(match never_null && ty != Type::Dynamic {
            true => Value::unknown_not_null(ty),
            false => Value::unknown(ty),
        })
    }
}

fn convert(value: &Value, ty: &Type) -> Result<Value, String> {
    crate::value::convert::convert(value, ty).map_err(|e| e.to_string())
}

fn convert_all(values: &[Value], ty: &Type) -> Result<Vec<Value>, String> {
    values.iter().map(|v| convert(v, ty)).collect()
}

/// Whether two values are equal; `None` when only the apply can tell.
fn equal(a: &Value, b: &Value) -> Option<bool> {
    crate::value::ops::compare(a, b)
}

/// The string argument at `i`; `call` has converted it.
fn text(args: &[Value], i: usize) -> &str {
    args.get(i).and_then(Value::as_str).unwrap_or_default()
}

/// The number argument at `i`; `call` has converted it.
fn number(args: &[Value], i: usize) -> Number {
    args.get(i).and_then(Value::as_number).cloned().unwrap_or(Number::ZERO)
}

fn whole(args: &[Value], i: usize) -> Result<i64, CallError> {
    number(args, i).to_i64().ok_or_else(|| CallError::arg(i, "whole number required"))
}

/// The elements of a list, set or tuple.
fn items(args: &[Value], i: usize) -> &[Value] {
    args.get(i).and_then(Value::as_slice).unwrap_or_default()
}

fn strings(items: impl IntoIterator<Item = impl AsRef<str>>) -> Value {
    Value::list(Type::String, items.into_iter().map(Value::string).collect())
}

fn all_marks(values: &[Value]) -> Marks {
    values.iter().fold(Marks::NONE, |m, v| m.union(v.deep_marks()))
}

#[cfg(test)]
mod tests;
