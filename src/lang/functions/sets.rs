//! Set algebra.

use super::collection::element_type;
use super::{CallContext, CallError, Function, Kind, Param, Ret, Unknowns, convert_all, equal, items, unify};
use crate::value::{Marks, Type, Value};

const SET: Kind = Kind::Set(&Kind::Any);
const FIRST: Param = Param::new("first_set", SET);
const OTHERS: Param = Param::new("other_sets", SET);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("setintersection", &[FIRST], Ret::Of(set_type), intersection, "The elements that all sets have.").rest(OTHERS),
    Function::new("setproduct", &[], Ret::Of(product_type), product, "All combinations of an element from each set or list.")
        .rest(Param::new("sets", Kind::Any).unknowns(Unknowns::Top).marked()),
    Function::new(
        "setsubtract",
        &[Param::new("a", SET), Param::new("b", SET)],
        Ret::Of(set_type),
        subtract,
        "The elements of the first set that are not in the second.",
    ),
    Function::new("setunion", &[FIRST.unknowns(Unknowns::Top)], Ret::Of(set_type), union, "The elements that any of the sets has.")
        .rest(OTHERS.unknowns(Unknowns::Top)),
];

fn set_type(args: &[Value]) -> Result<Type, CallError> {
    common(args).map(Type::set).ok_or_else(incompatible)
}

fn incompatible() -> CallError {
    CallError::new("given sets must all have compatible element types")
}

/// The element type that all sets convert to; an empty set of unknown element type does not count.
fn common(args: &[Value]) -> Option<Type> {
    let counts = |v: &&Value| element_type(v) != Type::Dynamic || v.as_slice().is_none_or(|s| !s.is_empty());
    let types: Vec<Type> = args.iter().filter(counts).map(element_type).collect();
    match types.is_empty() {
        true => Some(Type::Dynamic),
        false => unify(&types),
    }
}

fn prepare(args: &[Value]) -> Result<(Type, Vec<Vec<Value>>), CallError> {
    let elem = common(args).ok_or_else(incompatible)?;
    let sets = (0..args.len()).map(|i| convert_all(items(args, i), &elem).map_err(|m| CallError::arg(i, m))).collect::<Result<_, _>>()?;
    Ok((elem, sets))
}

fn has(set: &[Value], item: &Value) -> bool {
    set.iter().any(|v| equal(v, item) == Some(true))
}

fn union(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let (elem, sets) = prepare(args)?;
    Ok(Value::set(elem, sets.concat()))
}

fn intersection(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let (elem, mut sets) = prepare(args)?;
    let first = sets.remove(0);
    Ok(Value::set(elem, first.into_iter().filter(|v| sets.iter().all(|s| has(s, v))).collect()))
}

fn subtract(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let (elem, mut sets) = prepare(args)?;
    let second = sets.remove(1);
    let first = sets.remove(0);
    Ok(Value::set(elem, first.into_iter().filter(|v| !has(&second, v)).collect()))
}

/// The most combinations that a product may have.
const MAX_PRODUCT: usize = 1_000_000;

fn product(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    if args.len() < 2 {
        return Err(CallError::new("at least two arguments are required"));
    }
    let mut types = Vec::new();
    let mut combinations: Vec<Vec<Value>> = vec![Vec::new()];
    for (i, arg) in args.iter().enumerate() {
        let (elem, choices) = choices(arg, i)?;
        types.push(elem);
        if combinations.len().saturating_mul(choices.len()) > MAX_PRODUCT {
            return Err(CallError::new(format!("the product has more than {MAX_PRODUCT} elements")));
        }
        combinations =
            combinations.iter().flat_map(|c| choices.iter().map(move |v| [c.as_slice(), std::slice::from_ref(v)].concat())).collect();
    }
    let elem = Type::Tuple(types.into());
    let tuples = combinations.into_iter().map(Value::tuple).collect();
    let any_set = args.iter().any(|a| matches!(a.ty(), Type::Set(_)));
    let marks = args.iter().fold(Marks::NONE, |m, a| m.union(a.marks()));
    Ok(if any_set { Value::set(elem, tuples) } else { Value::list(elem, tuples) }.mark(marks))
}

/// The type of a product of which a part is unknown.
fn product_type(args: &[Value]) -> Result<Type, CallError> {
    if args.len() < 2 {
        return Err(CallError::new("at least two arguments are required"));
    }
    let types: Result<Vec<Type>, CallError> = args.iter().enumerate().map(|(i, arg)| choice_type(arg, i)).collect();
    let elem = Type::Tuple(types?.into());
    let any_set = args.iter().any(|a| matches!(a.ty(), Type::Set(_)));
    Ok(if any_set { Type::set(elem) } else { Type::list(elem) })
}

fn choice_type(arg: &Value, i: usize) -> Result<Type, CallError> {
    match arg.ty() {
        Type::List(e) | Type::Set(e) => Ok((*e).clone()),
        Type::Tuple(ts) if ts.is_empty() => Ok(Type::Dynamic),
        Type::Tuple(ts) => unify(&ts).ok_or_else(|| CallError::arg(i, "all elements must be of the same type")),
        _ => Err(CallError::arg(i, "a set or a list is required")),
    }
}

fn choices(arg: &Value, i: usize) -> Result<(Type, Vec<Value>), CallError> {
    let elem = choice_type(arg, i)?;
    let all = convert_all(arg.as_slice().unwrap_or_default(), &elem).map_err(|m| CallError::arg(i, m))?;
    Ok((elem, all))
}
