//! Type conversion and marks.

use super::Unknowns::Body;
use super::{CallError, Function, Kind, Param, Ret, convert};
use crate::value::{Marks, Refinement, Repr, Type, Value};

const V: Param = Param::new("v", Kind::Any).nullable().untyped().unknowns(Body).marked();
const VALUE: Param = Param::new("value", Kind::Any).nullable().untyped().unknowns(Body).marked();

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "ephemeralasnull",
        &[VALUE],
        Ret::Is(Kind::Any),
        |_, a| Ok(ephemeral_as_null(&a[0])),
        "The value with null in place of what is ephemeral.",
    ),
    Function::new(
        "issensitive",
        &[VALUE],
        Ret::Is(Kind::Bool),
        |_, a| match a[0].is_known() || a[0].marks().is_sensitive() {
            true => Ok(a[0].marks().is_sensitive().into()),
            // It may yet turn out to be.
            false => Ok(Value::unknown(Type::Bool)),
        },
        "Whether the value is marked as sensitive.",
    ),
    Function::new(
        "nonsensitive",
        &[VALUE],
        Ret::Is(Kind::Any),
        |_, a| Ok(a[0].clone().unmark(Marks::SENSITIVE)),
        "The value without its sensitive mark.",
    ),
    Function::new("sensitive", &[VALUE], Ret::Is(Kind::Any), |_, a| Ok(a[0].clone().sensitive()), "The value marked as sensitive."),
    Function::new("tobool", &[V], Ret::Is(Kind::Bool), |_, a| to(&a[0], Kind::Bool), "The value converted to a boolean."),
    Function::new(
        "tolist",
        &[V],
        Ret::Is(Kind::List(&Kind::Any)),
        |_, a| to(&a[0], Kind::List(&Kind::Any)),
        "The value converted to a list.",
    ),
    Function::new("tomap", &[V], Ret::Is(Kind::Map(&Kind::Any)), |_, a| to(&a[0], Kind::Map(&Kind::Any)), "The value converted to a map."),
    Function::new("tonumber", &[V], Ret::Is(Kind::Num), |_, a| to(&a[0], Kind::Num), "The value converted to a number."),
    Function::new("toset", &[V], Ret::Is(Kind::Set(&Kind::Any)), |_, a| to(&a[0], Kind::Set(&Kind::Any)), "The value converted to a set."),
    Function::new("tostring", &[V], Ret::Is(Kind::Str), |_, a| to(&a[0], Kind::Str), "The value converted to a string."),
];

fn to(value: &Value, kind: Kind) -> Result<Value, CallError> {
    let target = kind.ty();
    if let Repr::Unknown(u) = value.repr()
        && matches!(kind, Kind::List(_) | Kind::Set(_) | Kind::Map(_))
    {
        // Which elements the result will have is decided when they are there.
        convert(value, &target).map_err(|why| CallError::arg(0, format!("cannot convert {} to {target}: {why}", value.ty())))?;
        let refinement = Refinement { not_null: u.refinement.not_null, ..Refinement::default() };
        return Ok(Value::unknown_with(target, refinement).mark(value.marks()));
    }
    convert(value, &target).map_err(|why| match (value.as_str(), kind, value.marks().is_sensitive()) {
        (Some(_), Kind::Bool | Kind::Num, true) => CallError::arg(0, format!("cannot convert this sensitive string to {target}")),
        (Some(s), Kind::Bool, false) => {
            CallError::arg(0, format!("cannot convert \"{s}\" to bool; only the strings \"true\" or \"false\" are allowed"))
        }
        (Some(s), Kind::Num, false) => {
            CallError::arg(0, format!("cannot convert \"{s}\" to number; given string must be a decimal representation of a number"))
        }
        _ => CallError::arg(0, format!("cannot convert {} to {target}: {why}", value.ty())),
    })
}

fn ephemeral_as_null(value: &Value) -> Value {
    if !value.deep_marks().is_ephemeral() {
        return value.clone();
    }
    if value.marks().is_ephemeral() {
        return Value::null(value.ty()).mark(value.marks().without(Marks::EPHEMERAL));
    }
    let each = |items: &[Value]| items.iter().map(ephemeral_as_null).collect::<Vec<_>>();
    let marks = value.marks();
    match value.repr() {
        Repr::List(e) => Value::list(e.elem.clone(), each(&e.items)),
        Repr::Set(e) => Value::set(e.elem.clone(), each(&e.items)),
        Repr::Tuple(t) => Value::tuple(each(&t.items)),
        Repr::Map(e) => Value::map(e.elem.clone(), e.items.iter().map(|(k, v)| (k.clone(), ephemeral_as_null(v))).collect()),
        Repr::Object(o) => Value::object(o.attrs.iter().map(|(k, v)| (k.clone(), ephemeral_as_null(v))).collect()),
        _ => Value::null(Type::Dynamic),
    }
    .mark(marks)
}
