//! Functions on lists, maps, tuples and objects. Sets have their own file.

use std::collections::BTreeMap;
use std::sync::Arc;

use unicode_segmentation::UnicodeSegmentation;

use super::Unknowns::{Body, Top};
use super::{CallContext, CallError, Function, Kind, Param, Ret, convert, convert_all, equal, items, strings, text, unify, whole};
use crate::value::{Fields, Marks, Number, Repr, Type, Value};

const ANY: Param = Param::new("value", Kind::Any);
const LIST: Param = Param::new("list", Kind::Any);
const LIST_ANY: Param = Param::new("list", Kind::List(&Kind::Any));
const BOOLS: Param = Param::new("list", Kind::List(&Kind::Bool)).unknowns(Top);
const STRINGS: Kind = Kind::List(&Kind::Str);
/// The longest list that `range` makes.
const MAX_RANGE: usize = 1024;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("alltrue", &[BOOLS], Ret::Is(Kind::Bool), |_, a| Ok(all(items(a, 0), true)), "Whether all elements are true."),
    Function::new("anytrue", &[BOOLS], Ret::Is(Kind::Bool), |_, a| Ok(all(items(a, 0), false)), "Whether any element is true."),
    Function::new(
        "chunklist",
        &[LIST_ANY.unknowns(Top).marked(), Param::new("size", Kind::Num)],
        Ret::Of(|a| Ok(Type::list(a[0].ty()))),
        chunklist,
        "The list cut into lists of a size.",
    ),
    Function::new("coalesce", &[], Ret::Is(Kind::Any), coalesce, "The first argument that is neither null nor an empty string.")
        .rest(Param::new("vals", Kind::Any).nullable().untyped().unknowns(Body)),
    Function::new("coalescelist", &[], Ret::Is(Kind::Any), coalescelist, "The first list that is not empty.")
        .rest(Param::new("vals", Kind::Any).nullable().untyped().unknowns(Body)),
    Function::new(
        "compact",
        &[Param::new("list", STRINGS)],
        Ret::Is(STRINGS),
        |_, a| Ok(compact(items(a, 0))),
        "The list without null and empty strings.",
    ),
    Function::new("concat", &[], Ret::Of(concat_type), concat, "The elements of several lists in one.")
        .rest(Param::new("seqs", Kind::Any).unknowns(Top).marked()),
    Function::new(
        "contains",
        &[LIST.unknowns(Top), ANY.unknowns(Top)],
        Ret::Is(Kind::Bool),
        contains,
        "Whether a list, set or tuple has a value.",
    ),
    Function::new("distinct", &[LIST_ANY], Ret::Of(|a| Ok(a[0].ty())), |_, a| Ok(distinct(&a[0])), "The list without repetitions."),
    Function::new(
        "element",
        &[LIST.unknowns(Top).marked(), Param::new("index", Kind::Num)],
        Ret::Maybe(element_result),
        element,
        "One element of a list; the index wraps around.",
    ),
    Function::new("flatten", &[LIST.unknowns(Top).marked()], Ret::Is(Kind::Any), flatten, "The elements of nested lists in one list."),
    Function::new("index", &[LIST.unknowns(Top), ANY.unknowns(Top)], Ret::Is(Kind::Num), index, "The position of a value in a list."),
    Function::new(
        "keys",
        &[Param::new("inputMap", Kind::Any).unknowns(Top).marked()],
        Ret::Of(keys_type),
        keys,
        "The keys of a map or object, sorted.",
    ),
    Function::new(
        "length",
        &[Param::new("value", Kind::Any).untyped().unknowns(Top).marked()],
        Ret::Of(length_type),
        length,
        "How many elements, or characters, there are.",
    ),
    Function::new(
        "lookup",
        &[Param::new("inputMap", Kind::Any).unknowns(Top).marked(), Param::new("key", Kind::Str).marked()],
        Ret::Maybe(lookup_type),
        lookup,
        "The element of a key, or a default.",
    )
    .rest(Param::new("default", Kind::Any).nullable().untyped().unknowns(Body).marked()),
    Function::new(
        "matchkeys",
        &[
            Param::new("values", Kind::List(&Kind::Any)),
            Param::new("keys", Kind::List(&Kind::Any)),
            Param::new("searchset", Kind::List(&Kind::Any)),
        ],
        Ret::Of(|a| match_type(a).map(|_| a[0].ty())),
        matchkeys,
        "The values whose keys are in a set.",
    ),
    Function::new("merge", &[], Ret::Of(merge_type), merge, "One map of the entries of several; later ones win.")
        .rest(Param::new("maps", Kind::Any).nullable().untyped().unknowns(Top).marked()),
    Function::new("one", &[LIST.unknowns(Top).marked()], Ret::Maybe(one_type), one, "The only element, or null where there is none."),
    Function::new("range", &[], Ret::Is(Kind::List(&Kind::Num)), range, "A list of numbers from a start to before a limit.")
        .rest(Param::new("params", Kind::Num)),
    Function::new("reverse", &[LIST.unknowns(Top).marked()], Ret::Of(reverse_type), reverse, "The list in reverse order."),
    Function::new(
        "slice",
        &[LIST.unknowns(Top).marked(), Param::new("start_index", Kind::Num), Param::new("end_index", Kind::Num)],
        Ret::Of(slice_type),
        slice,
        "The elements from a start to before an end.",
    ),
    Function::new("sort", &[Param::new("list", STRINGS).unknowns(Top)], Ret::Is(STRINGS), sort, "The strings in order."),
    Function::new(
        "transpose",
        &[Param::new("values", Kind::Map(&Kind::List(&Kind::Str)))],
        Ret::Is(Kind::Map(&STRINGS)),
        transpose,
        "The map of lists with keys and elements exchanged.",
    ),
    Function::new(
        "values",
        &[Param::new("mapping", Kind::Any).unknowns(Top).marked()],
        Ret::Of(values_type),
        values,
        "The values of a map or object, in the order of their keys.",
    ),
    Function::new(
        "zipmap",
        &[Param::new("keys", STRINGS), Param::new("values", Kind::Any).unknowns(Top).marked()],
        Ret::Of(zipmap_type),
        zipmap,
        "A map of a list of keys and a list of values.",
    ),
];

/// The element type of a collection; for tuples the type their elements have in common, if any.
pub(super) fn element_type(v: &Value) -> Type {
    match v.ty() {
        Type::List(e) | Type::Set(e) | Type::Map(e) => (*e).clone(),
        _ => Type::Dynamic,
    }
}

fn is_list(ty: &Type) -> bool {
    matches!(ty, Type::List(_) | Type::Tuple(_))
}

fn is_sequence(ty: &Type) -> bool {
    matches!(ty, Type::List(_) | Type::Set(_) | Type::Tuple(_))
}

/// `wanted = true`: whether all are true; `false`: whether any is.
fn all(items: &[Value], wanted: bool) -> Value {
    let mut unknown = false;
    for item in items {
        match item.is_known() {
            true if (item.as_bool() == Some(true)) != wanted => return Value::from(!wanted),
            true => {}
            false => unknown = true,
        }
    }
    if unknown { Value::unknown_not_null(Type::Bool) } else { wanted.into() }
}

fn chunklist(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let size = whole(args, 1)?;
    let list = items(args, 0);
    let size = match size {
        ..0 => return Err(CallError::new("the size argument must be positive")),
        0 => list.len().max(1),
        n => usize::try_from(n).unwrap_or(usize::MAX),
    };
    let elem = element_type(&args[0]);
    let chunks = list.chunks(size).map(|c| Value::list(elem.clone(), c.to_vec())).collect();
    Ok(Value::list(Type::list(elem), chunks).mark(args[0].marks()))
}

fn coalesce(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let types: Vec<Type> = args.iter().map(Value::ty).collect();
    let ty = unify(&types).ok_or_else(|| CallError::new("all arguments must have the same type"))?;
    for (i, arg) in args.iter().enumerate() {
        let value = convert(arg, &ty).map_err(|m| CallError::arg(i, m))?;
        if !value.is_known() {
            return Ok(if ty == Type::Dynamic { Value::unknown(ty) } else { Value::unknown_not_null(ty) });
        }
        if !value.is_null() && value.as_str() != Some("") {
            return Ok(value);
        }
    }
    Err(CallError::new("no non-null, non-empty-string arguments"))
}

fn coalescelist(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let unknown = args.iter().position(|a| !a.is_known()).unwrap_or(args.len());
    if let Some(i) = args[..unknown].iter().position(|a| !is_list(&a.ty())) {
        return Err(CallError::arg(i, "coalescelist arguments must be lists or tuples"));
    }
    let found = args[..unknown].iter().find(|a| a.as_slice().is_some_and(|items| !items.is_empty()));
    match found {
        Some(list) => Ok(list.clone()),
        None if unknown < args.len() => Ok(Value::unknown(Type::Dynamic)),
        None => Err(CallError::new("no non-null arguments")),
    }
}

fn compact(list: &[Value]) -> Value {
    strings(list.iter().filter_map(Value::as_str).filter(|s| !s.is_empty()))
}

fn concat_type(args: &[Value]) -> Result<Type, CallError> {
    if args.is_empty() {
        return Err(CallError::new("at least one argument is required"));
    }
    let types: Vec<Type> = args.iter().map(Value::ty).collect();
    if types.iter().all(|t| matches!(t, Type::List(_)))
        && let Some(list) = unify(&types).filter(|t| matches!(t, Type::List(_)))
    {
        return Ok(list);
    }
    let mut elements = Vec::new();
    for (i, (arg, ty)) in args.iter().zip(types).enumerate() {
        match ty {
            Type::Tuple(types) => elements.extend(types.iter().cloned()),
            Type::List(elem) => match arg.as_slice() {
                Some(items) => elements.extend(items.iter().map(|_| (*elem).clone())),
                None => return Ok(Type::Dynamic),
            },
            ty => return Err(CallError::arg(i, format!("all arguments must be lists or tuples; got {ty}"))),
        }
    }
    Ok(Type::Tuple(elements.into()))
}

fn concat(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let ty = concat_type(args)?;
    let marks = args.iter().fold(Default::default(), |m: Marks, a| m.union(a.marks()));
    let all: Vec<Value> = (0..args.len()).flat_map(|i| items(args, i)).cloned().collect();
    Ok(match ty {
        Type::List(elem) => Value::list((*elem).clone(), convert_all(&all, &elem).map_err(CallError::new)?),
        _ => Value::tuple(all),
    }
    .mark(marks))
}

fn contains(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    if !is_sequence(&args[0].ty()) {
        return Err(CallError::arg(0, "argument must be list, tuple, or set"));
    }
    let mut unknown = false;
    for item in items(args, 0) {
        match equal(item, &args[1]) {
            Some(true) => return Ok(true.into()),
            Some(false) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { Value::unknown_not_null(Type::Bool) } else { false.into() })
}

fn distinct(list: &Value) -> Value {
    let mut kept: Vec<Value> = Vec::new();
    let mut seen: std::collections::HashMap<String, Vec<usize>> = Default::default();
    for item in list.as_slice().unwrap_or_default() {
        // The text narrows the candidates; equality decides.
        let at = seen.entry(item.to_string()).or_default();
        if !at.iter().any(|i| equal(&kept[*i], item) == Some(true)) {
            at.push(kept.len());
            kept.push(item.clone());
        }
    }
    Value::list(element_type(list), kept)
}

fn element_result(args: &[Value]) -> Result<Type, CallError> {
    match args[0].ty() {
        Type::List(e) => Ok((*e).clone()),
        Type::Tuple(_) if !args[1].is_known() => Ok(Type::Dynamic),
        Type::Tuple(types) => Ok(types[wrapped(args, types.len())?].clone()),
        ty => Err(CallError::new(format!("cannot read elements from {ty}"))),
    }
}

/// Which of `len` elements the index means.
fn wrapped(args: &[Value], len: usize) -> Result<usize, CallError> {
    let index = whole(args, 1)?;
    match len {
        0 => Err(CallError::new("cannot use element function with an empty list")),
        len => Ok(index.rem_euclid(len as i64) as usize),
    }
}

fn element(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    element_result(args)?;
    let list = items(args, 0);
    Ok(list[wrapped(args, list.len())?].clone().mark(args[0].marks()))
}

fn flatten(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let list = &args[0];
    let mut flat = Vec::new();
    let mut marks = list.marks();
    let known = match list.as_slice() {
        Some(items) => flatten_into(items, &mut flat, &mut marks),
        // An object is taken for the list of its values only while one of them is unknown.
        None if !list.is_wholly_known() && list.as_map().is_some() => {
            let values: Vec<Value> = list.as_map().into_iter().flat_map(|m| m.values().cloned()).collect();
            flatten_into(&values, &mut flat, &mut marks)
        }
        None => return Err(CallError::new("can only flatten lists, sets and tuples")),
    };
    Ok(if known { Value::tuple(flat) } else { Value::unknown(Type::Dynamic) }.mark(marks))
}

/// False where a nested list is unknown, so that nobody can tell how many elements there are.
fn flatten_into(items: &[Value], flat: &mut Vec<Value>, marks: &mut Marks) -> bool {
    items.iter().all(|item| match (is_sequence(&item.ty()), item.as_slice()) {
        (true, Some(inner)) => {
            *marks = marks.union(item.marks());
            flatten_into(inner, flat, marks)
        }
        (true, None) if !item.is_null() => false,
        (false, _) if !item.is_known() && item.ty() == Type::Dynamic => false,
        _ => {
            flat.push(item.clone());
            true
        }
    })
}

fn index(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    if !is_list(&args[0].ty()) {
        return Err(CallError::new("argument must be a list or tuple"));
    }
    if items(args, 0).is_empty() {
        return Err(CallError::new("cannot search an empty list"));
    }
    for (i, item) in items(args, 0).iter().enumerate() {
        match equal(item, &args[1]) {
            Some(true) => return Ok(Value::from(i as i64)),
            Some(false) => {}
            None => return Ok(Value::unknown_not_null(Type::Number)),
        }
    }
    Err(CallError::new("item not found"))
}

fn entries(args: &[Value], i: usize) -> Option<&Fields> {
    args.get(i).and_then(Value::as_map)
}

fn keys_type(args: &[Value]) -> Result<Type, CallError> {
    match args[0].ty() {
        Type::Object(o) => Ok(Type::Tuple(vec![Type::String; o.attrs.len()].into())),
        Type::Map(_) => Ok(Type::list(Type::String)),
        _ => Err(CallError::arg(0, "must have map or object type")),
    }
}

fn keys(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let map = entries(args, 0).ok_or_else(|| CallError::arg(0, "must have map or object type"))?;
    let names = map.keys().map(Value::string).collect();
    Ok(match args[0].ty() {
        Type::Object(_) => Value::tuple(names),
        _ => Value::list(Type::String, names),
    }
    .mark(args[0].marks()))
}

fn values_type(args: &[Value]) -> Result<Type, CallError> {
    match args[0].ty() {
        Type::Object(o) => Ok(Type::Tuple(o.attrs.values().cloned().collect())),
        Type::Map(e) => Ok(Type::List(e)),
        _ => Err(CallError::arg(0, "values() requires a map as the first argument")),
    }
}

fn values(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let map = entries(args, 0).ok_or_else(|| CallError::arg(0, "values() requires a map as the first argument"))?;
    let all = map.values().cloned().collect();
    Ok(match args[0].ty() {
        Type::Map(elem) => Value::list((*elem).clone(), all),
        _ => Value::tuple(all),
    }
    .mark(args[0].marks()))
}

fn length_type(args: &[Value]) -> Result<Type, CallError> {
    match args[0].ty() {
        Type::Bool | Type::Number => Err(CallError::new("argument must be a string, a collection type, or a structural type")),
        _ => Ok(Type::Number),
    }
}

fn length(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let v = &args[0];
    let n = match v.repr() {
        Repr::String(s) => s.graphemes(true).count(),
        Repr::Set(e) if e.items.len() > 1 && !v.is_wholly_known() => return Ok(Value::unknown_not_null(Type::Number).mark(v.marks())),
        _ => v
            .as_slice()
            .map(<[Value]>::len)
            .or_else(|| v.as_map().map(Fields::len))
            .ok_or_else(|| CallError::new("argument must be a string, a collection type, or a structural type"))?,
    };
    Ok(Value::from(n as i64).mark(v.marks()))
}

fn lookup_type(args: &[Value]) -> Result<Type, CallError> {
    let default = args.get(2);
    match args[0].ty() {
        _ if args.len() > 3 => Err(CallError::new("lookup() takes two or three arguments")),
        Type::Object(o) => {
            let Some(key) = args.get(1).and_then(Value::as_str) else { return Ok(Type::Dynamic) };
            let found = o.attrs.get(key).cloned().or_else(|| default.map(Value::ty));
            found.ok_or_else(|| CallError::arg(0, format!("the given object has no attribute {key:?}")))
        }
        Type::Map(elem) => {
            let fits = default.is_none_or(|d| convert(d, &elem).is_ok());
            fits.then(|| (*elem).clone()).ok_or_else(|| CallError::arg(2, "the default value must have the same type as the map elements"))
        }
        _ => Err(CallError::arg(0, "lookup() requires a map as the first argument")),
    }
}

fn lookup(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let ty = lookup_type(args)?;
    let marks = args[0].marks().union(args[1].marks());
    if let Some(found) = entries(args, 0).and_then(|map| map.get(text(args, 1))) {
        return Ok(found.clone().mark(marks));
    }
    let default = args.get(2).ok_or_else(|| CallError::new("the given key does not identify an element in this collection value"))?;
    convert(default, &ty).map(|v| v.mark(marks)).map_err(|m| CallError::arg(2, m))
}

/// The type that keys and searchset have in common.
fn match_type(args: &[Value]) -> Result<Type, CallError> {
    let types = [element_type(&args[1]), element_type(&args[2])];
    unify(&types).ok_or_else(|| CallError::new("keys and searchset must be of the same type"))
}

fn matchkeys(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let (values, keys, wanted) = (items(args, 0), items(args, 1), items(args, 2));
    if values.len() != keys.len() {
        return Err(CallError::new("length of keys and values should be equal"));
    }
    let ty = match_type(args)?;
    let keys = convert_all(keys, &ty).map_err(|m| CallError::arg(1, m))?;
    let wanted = convert_all(wanted, &ty).map_err(|m| CallError::arg(2, m))?;
    let chosen = keys.iter().zip(values).filter(|(k, _)| wanted.iter().any(|w| equal(w, k) == Some(true)));
    Ok(Value::list(element_type(&args[0]), chosen.map(|(_, v)| v.clone()).collect()))
}

fn merge_type(args: &[Value]) -> Result<Type, CallError> {
    let Some(first) = args.first().map(Value::ty) else { return Ok(Type::object::<Arc<str>>([])) };
    let mut attrs = BTreeMap::new();
    let (mut matching, mut all_known) = (true, true);
    for arg in args {
        let ty = arg.ty();
        matching &= ty == first;
        match ty {
            Type::Dynamic => return Ok(Type::Dynamic),
            Type::Object(o) if !arg.is_null() => attrs.extend(o.attrs.clone()),
            Type::Map(e) if arg.is_known() => attrs.extend(arg.as_map().into_iter().flatten().map(|(k, _)| (k.clone(), (*e).clone()))),
            Type::Map(_) => all_known = false,
            Type::Object(_) => {}
            ty => return Err(CallError::new(format!("arguments must be maps or objects, got {ty}"))),
        }
    }
    Ok(match (matching, all_known) {
        (true, _) => first,
        (_, false) => Type::Dynamic,
        _ => Type::object(attrs),
    })
}

fn merge(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let ty = merge_type(args)?;
    if let Some(odd) = args.iter().find(|a| !a.is_null() && a.as_map().is_none()) {
        return Err(CallError::new(format!("arguments must be maps or objects, got {}", odd.ty())));
    }
    let marks = args.iter().fold(Marks::NONE, |m, a| m.union(a.marks()));
    let merged = args.iter().filter_map(Value::as_map).flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    Ok(match ty {
        Type::Map(elem) => Value::map((*elem).clone(), merged),
        _ => Value::object(merged),
    }
    .mark(marks))
}

fn one_type(args: &[Value]) -> Result<Type, CallError> {
    match args[0].ty() {
        Type::List(e) | Type::Set(e) => Ok((*e).clone()),
        Type::Tuple(types) if types.len() < 2 => Ok(types.first().cloned().unwrap_or(Type::Dynamic)),
        _ => Err(CallError::arg(0, "must be a list, set, or tuple value with either zero or one elements")),
    }
}

fn one(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let ty = one_type(args)?;
    match items(args, 0) {
        [] => Ok(Value::null(ty).mark(args[0].marks())),
        [only] => Ok(only.clone().mark(args[0].marks())),
        _ => Err(CallError::arg(0, "must be a list, set, or tuple value with either zero or one elements")),
    }
}

fn range(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let numbers: Vec<Number> = args.iter().filter_map(Value::as_number).cloned().collect();
    let zero = Number::ZERO;
    let (start, end, step) = match numbers.as_slice() {
        [end] => (zero.clone(), end.clone(), None),
        [start, end] => (start.clone(), end.clone(), None),
        [start, end, step] => (start.clone(), end.clone(), Some(step.clone())),
        _ => return Err(CallError::new("must have one, two, or three arguments")),
    };
    let down = end < start;
    if start == end {
        return Ok(Value::list(Type::Number, vec![]));
    }
    let step = step.unwrap_or_else(|| Number::from(if down { -1i64 } else { 1 }));
    if step.is_zero() {
        return Err(CallError::new("step must not be zero"));
    }
    if down != step.is_negative() {
        let sign = if down { "less than" } else { "greater than" };
        return Err(CallError::new(format!("because of the direction of the range, step must be {sign} zero")));
    }
    let mut out = Vec::new();
    let mut n = start;
    while if down { n > end } else { n < end } {
        if out.len() >= MAX_RANGE {
            return Err(CallError::new(format!(
                "more than {MAX_RANGE} values were generated; either decrease the difference between start and end or use a larger step"
            )));
        }
        out.push(Value::from(n.clone()));
        n = n.add(&step);
    }
    Ok(Value::list(Type::Number, out))
}

fn reverse_type(args: &[Value]) -> Result<Type, CallError> {
    match args[0].ty() {
        Type::Tuple(ts) => Ok(Type::Tuple(ts.iter().rev().cloned().collect())),
        Type::Set(e) | Type::List(e) => Ok(Type::List(e)),
        ty => Err(CallError::arg(0, format!("can only reverse list or tuple values, not {ty}"))),
    }
}

fn reverse(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let ty = reverse_type(args)?;
    let back = items(args, 0).iter().rev().cloned().collect();
    Ok(sequence_like(&ty, back).mark(args[0].marks()))
}

/// A tuple where `ty` is one, else a list.
fn sequence_like(ty: &Type, items: Vec<Value>) -> Value {
    match ty {
        Type::List(e) | Type::Set(e) => Value::list((**e).clone(), items),
        _ => Value::tuple(items),
    }
}

fn slice_type(args: &[Value]) -> Result<Type, CallError> {
    let ty = args[0].ty();
    if let Type::Set(_) = ty {
        return Err(CallError::arg(
            0,
            "cannot slice a set, because its elements do not have indices; explicitly convert to a list if the ordering of the result is not important",
        ));
    }
    let len = match &ty {
        Type::Tuple(types) => types.len() as i64,
        Type::List(_) => args[0].as_slice().map_or(i64::MAX, |l| l.len() as i64),
        _ => return Err(CallError::arg(0, "must be a list or tuple value")),
    };
    let index = |i: usize, name: &str| match args[i].is_known() {
        false => Ok(None),
        true => match whole(args, i)? {
            n if n < 0 || n > len => Err(CallError::arg(i, format!("{name} index must be between zero and the length of the list"))),
            n => Ok(Some(n as usize)),
        },
    };
    match (ty, index(1, "start")?, index(2, "end")?) {
        (_, Some(start), Some(end)) if start > end => Err(CallError::arg(1, "start index must not be greater than end index")),
        (Type::Tuple(types), Some(start), Some(end)) => Ok(Type::Tuple(types[start..end].into())),
        (Type::Tuple(_), _, _) => Ok(Type::Dynamic),
        (list, _, _) => Ok(list),
    }
}

fn slice(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let ty = slice_type(args)?;
    let (start, end) = (whole(args, 1)? as usize, whole(args, 2)? as usize);
    Ok(sequence_like(&ty, items(args, 0)[start..end].to_vec()).mark(args[0].marks()))
}

fn sort(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    if !args[0].is_wholly_known() {
        return Ok(Value::list(Type::String, vec![Value::unknown(Type::String); items(args, 0).len()]));
    }
    let mut all = Vec::new();
    for (i, item) in items(args, 0).iter().enumerate() {
        all.push(
            item.as_str().ok_or_else(|| CallError::arg(0, format!("given list element {i} is null; a null string cannot be sorted")))?,
        );
    }
    all.sort_unstable();
    Ok(strings(all))
}

fn transpose(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let mut turned: BTreeMap<Arc<str>, Vec<Value>> = BTreeMap::new();
    for (key, list) in entries(args, 0).into_iter().flatten() {
        let list = list.as_slice().ok_or_else(|| CallError::arg(0, "input must not contain null lists"))?;
        for item in list {
            let name = item.as_str().ok_or_else(|| CallError::arg(0, "input must not contain null strings"))?;
            turned.entry(name.into()).or_default().push(Value::string(key));
        }
    }
    let turned = turned.into_iter().map(|(k, v)| (k, Value::list(Type::String, v))).collect();
    Ok(Value::map(Type::list(Type::String), turned))
}

fn zipmap_type(args: &[Value]) -> Result<Type, CallError> {
    let values = match args[1].ty() {
        Type::List(e) => return Ok(Type::Map(e)),
        Type::Tuple(types) => types,
        _ => return Err(CallError::arg(1, "values argument must be a list or tuple value")),
    };
    if !args[0].is_wholly_known() {
        return Ok(Type::Dynamic);
    }
    let keys = names(args, values.len())?;
    Ok(Type::object(keys.into_iter().zip(values.iter().cloned())))
}

/// The keys, where there are as many as there are values.
fn names(args: &[Value], values: usize) -> Result<Vec<Arc<str>>, CallError> {
    let keys = items(args, 0);
    if keys.len() != values {
        return Err(CallError::new(format!("number of keys ({}) does not match number of values ({values})", keys.len())));
    }
    let name = |(i, key): (usize, &Value)| key.as_str().map(Arc::from).ok_or_else(|| CallError::arg(0, format!("key {i} is null")));
    keys.iter().enumerate().map(name).collect()
}

fn zipmap(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let ty = zipmap_type(args)?;
    let values = items(args, 1);
    let map = names(args, values.len())?.into_iter().zip(values.iter().cloned()).collect();
    Ok(match ty {
        Type::Map(e) => Value::map((*e).clone(), map),
        _ => Value::object(map),
    }
    .mark(args[1].marks()))
}
