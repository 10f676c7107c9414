//! `try` and `can`: listed here, evaluated by the evaluator, which alone can catch the failure of an argument.

use super::{CallContext, CallError, Function, Kind, Param, Ret, Unknowns};
use crate::value::Value;

const EXPRESSION: Param = Param::new("expression", Kind::Any).nullable().untyped().unknowns(Unknowns::Body).marked();

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "can",
        params: &[EXPRESSION],
        variadic: None,
        doc: "Whether an expression can be evaluated without an error.",
        ret: Ret::Is(Kind::Bool),
        body: |_, _| Ok(Value::from(true)),
    },
    Function {
        name: "try",
        params: &[],
        variadic: Some(EXPRESSION),
        doc: "The value of the first expression that can be evaluated without an error.",
        ret: Ret::Is(Kind::Any),
        body: first,
    },
];

/// Arguments that were evaluated already cannot fail, so the first one counts.
fn first(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    args.first().cloned().ok_or_else(|| CallError::new("At least one expression is required"))
}
