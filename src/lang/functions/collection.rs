//! Functions on lists, maps, tuples and objects. Sets have their own file.

use std::collections::BTreeMap;
use std::sync::Arc;

use unicode_segmentation::UnicodeSegmentation;

use super::Unknowns::{Body, Top};
use super::{CallContext, CallError, Function, Kind, Param, Ret, convert, convert_all, equal, items, strings, text, unify, whole};
use crate::value::{Marks, Number, Repr, Type, Value};

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
        Ret::Of(|a| Type::list(a[0].ty())),
        chunklist,
        "The list cut into lists of a size.",
    ),
    Function::new("coalesce", &[], Ret::Is(Kind::Any), coalesce, "The first argument that is neither null nor an empty string.")
        .rest(Param::new("vals", Kind::Any).nullable().unknowns(Body).marked()),
    Function::new("coalescelist", &[], Ret::Is(Kind::Any), coalescelist, "The first list that is not empty.")
        .rest(Param::new("vals", Kind::Any).unknowns(Body).marked()),
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
        &[LIST.unknowns(Top), ANY.nullable()],
        Ret::Is(Kind::Bool),
        contains,
        "Whether a list, set or tuple has a value.",
    ),
    Function::new("distinct", &[LIST_ANY], Ret::Of(|a| a[0].ty()), |_, a| Ok(distinct(&a[0])), "The list without repetitions."),
    Function::new(
        "element",
        &[LIST.unknowns(Top).marked(), Param::new("index", Kind::Num)],
        Ret::Of(|a| element_type(&a[0])),
        element,
        "One element of a list; the index wraps around.",
    ),
    Function::new("flatten", &[LIST.unknowns(Top).marked()], Ret::Is(Kind::Any), flatten, "The elements of nested lists in one list."),
    Function::new("index", &[LIST, ANY], Ret::Is(Kind::Num), index, "The position of a value in a list."),
    Function::new(
        "keys",
        &[Param::new("inputMap", Kind::Any).unknowns(Top).marked()],
        Ret::Of(keys_type),
        keys,
        "The keys of a map or object, sorted.",
    ),
    Function::new(
        "length",
        &[Param::new("value", Kind::Any).unknowns(Top).marked()],
        Ret::Is(Kind::Num),
        length,
        "How many elements, or characters, there are.",
    ),
    Function::new(
        "lookup",
        &[Param::new("inputMap", Kind::Any).unknowns(Top).marked(), Param::new("key", Kind::Str)],
        Ret::Of(lookup_type),
        lookup,
        "The element of a key, or a default.",
    )
    .rest(Param::new("default", Kind::Any).nullable().unknowns(Body).marked()),
    Function::new(
        "matchkeys",
        &[
            Param::new("values", Kind::List(&Kind::Any)),
            Param::new("keys", Kind::List(&Kind::Any)),
            Param::new("searchset", Kind::List(&Kind::Any)),
        ],
        Ret::Of(|a| a[0].ty()),
        matchkeys,
        "The values whose keys are in a set.",
    ),
    Function::new("merge", &[], Ret::Of(merge_type), merge, "One map of the entries of several; later ones win.")
        .rest(Param::new("maps", Kind::Any).nullable().unknowns(Top).marked()),
    Function::new(
        "one",
        &[LIST.unknowns(Top).marked()],
        Ret::Of(|a| element_type(&a[0])),
        one,
        "The only element, or null where there is none.",
    ),
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
        Ret::Of(|a| match a[1].ty() {
            Type::List(e) => Type::Map(e),
            _ => Type::Dynamic,
        }),
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
    if unknown { Value::unknown(Type::Bool) } else { wanted.into() }
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
            return Ok(Value::unknown(ty).mark(arg.marks()));
        }
        if !value.is_null() && value.as_str() != Some("") {
            return Ok(value);
        }
    }
    Err(CallError::new("no non-null, non-empty-string arguments"))
}

fn coalescelist(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    for (i, arg) in args.iter().enumerate() {
        if !arg.is_known() {
            return Ok(Value::unknown(Type::Dynamic).mark(arg.marks()));
        }
        if !matches!(arg.ty(), Type::List(_) | Type::Tuple(_)) {
            return Err(CallError::arg(i, "coalescelist arguments must be lists or tuples"));
        }
        if !items(args, i).is_empty() {
            return Ok(arg.clone());
        }
    }
    Err(CallError::new("no non-null arguments"))
}

fn compact(list: &[Value]) -> Value {
    strings(list.iter().filter_map(Value::as_str).filter(|s| !s.is_empty()))
}

fn concat_type(args: &[Value]) -> Type {
    let types: Vec<Type> = args.iter().map(Value::ty).collect();
    if !types.is_empty() && types.iter().all(|t| matches!(t, Type::List(_))) {
        let list = unify(&types).filter(|t| matches!(t, Type::List(_)));
        return list.unwrap_or(Type::Dynamic);
    }
    Type::Dynamic
}

fn concat(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    if args.is_empty() {
        return Err(CallError::new("at least one argument is required"));
    }
    let marks = args.iter().fold(Default::default(), |m: Marks, a| m.union(a.marks()));
    if let Some(i) = args.iter().position(|a| !matches!(a.ty(), Type::List(_) | Type::Tuple(_))) {
        return Err(CallError::arg(i, format!("all arguments must be lists or tuples; got {}", args[i].ty())));
    }
    let all: Vec<Value> = (0..args.len()).flat_map(|i| items(args, i)).cloned().collect();
    Ok(match concat_type(args) {
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
    Ok(if unknown { Value::unknown(Type::Bool) } else { false.into() })
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

fn element(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    if !matches!(args[0].ty(), Type::List(_) | Type::Tuple(_)) {
        return Err(CallError::new(format!("cannot read elements from {}", args[0].ty())));
    }
    let index = whole(args, 1)?;
    let list = items(args, 0);
    if list.is_empty() {
        return Err(CallError::new("cannot use element function with an empty list"));
    }
    let at = index.rem_euclid(list.len() as i64) as usize;
    Ok(list[at].clone().mark(args[0].marks()))
}

fn flatten(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    if !is_sequence(&args[0].ty()) {
        return Err(CallError::new("can only flatten lists, sets and tuples"));
    }
    let mut flat = Vec::new();
    let mut marks = args[0].marks();
    let known = flatten_into(items(args, 0), &mut flat, &mut marks);
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
    if !matches!(args[0].ty(), Type::List(_) | Type::Tuple(_)) {
        return Err(CallError::new("argument must be a list or tuple"));
    }
    if items(args, 0).is_empty() {
        return Err(CallError::new("cannot search an empty list"));
    }
    let at = items(args, 0).iter().position(|item| equal(item, &args[1]) == Some(true));
    at.map(|i| Value::from(i as i64)).ok_or_else(|| CallError::new("item not found"))
}

fn entries(args: &[Value], i: usize) -> Option<&BTreeMap<Arc<str>, Value>> {
    args.get(i).and_then(Value::as_map)
}

fn keys_type(args: &[Value]) -> Type {
    match args[0].ty() {
        Type::Object(o) => Type::Tuple(vec![Type::String; o.attrs.len()].into()),
        Type::Map(_) => Type::list(Type::String),
        _ => Type::Dynamic,
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

fn values_type(args: &[Value]) -> Type {
    match args[0].ty() {
        Type::Object(o) => Type::Tuple(o.attrs.values().cloned().collect()),
        Type::Map(e) => Type::List(e),
        _ => Type::Dynamic,
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

fn length(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let v = &args[0];
    let n = match v.repr() {
        Repr::String(s) => s.graphemes(true).count(),
        Repr::Set(e) if e.items.len() > 1 && !v.is_wholly_known() => return Ok(Value::unknown(Type::Number).mark(v.marks())),
        _ => v
            .as_slice()
            .map(<[Value]>::len)
            .or_else(|| v.as_map().map(BTreeMap::len))
            .ok_or_else(|| CallError::new("argument must be a string, a collection type, or a structural type"))?,
    };
    Ok(Value::from(n as i64).mark(v.marks()))
}

fn lookup_type(args: &[Value]) -> Type {
    match args[0].ty() {
        Type::Map(e) => (*e).clone(),
        Type::Object(o) => args.get(1).and_then(Value::as_str).and_then(|k| o.attrs.get(k).cloned()).unwrap_or(Type::Dynamic),
        _ => Type::Dynamic,
    }
}

fn lookup(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    if args.len() > 3 {
        return Err(CallError::new("lookup() takes two or three arguments"));
    }
    let map = entries(args, 0).ok_or_else(|| CallError::arg(0, "lookup() requires a map as the first argument"))?;
    if let Some(found) = map.get(text(args, 1)) {
        return Ok(found.clone().mark(args[0].marks()));
    }
    let default = args.get(2).ok_or_else(|| CallError::new("the given key does not identify an element in this collection value"))?;
    let value = match args[0].ty() {
        Type::Map(elem) => {
            convert(default, &elem).map_err(|_| CallError::arg(2, "the default value must have the same type as the map elements"))?
        }
        _ => default.clone(),
    };
    Ok(value.mark(args[0].marks()))
}

fn matchkeys(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let (values, keys, wanted) = (items(args, 0), items(args, 1), items(args, 2));
    if values.len() != keys.len() {
        return Err(CallError::new("length of keys and values should be equal"));
    }
    let ty = unify(&[element_type(&args[1]), element_type(&args[2])])
        .ok_or_else(|| CallError::new("keys and searchset must be of the same type"))?;
    let keys = convert_all(keys, &ty).map_err(|m| CallError::arg(1, m))?;
    let wanted = convert_all(wanted, &ty).map_err(|m| CallError::arg(2, m))?;
    let chosen = keys.iter().zip(values).filter(|(k, _)| wanted.iter().any(|w| equal(w, k) == Some(true)));
    Ok(Value::list(element_type(&args[0]), chosen.map(|(_, v)| v.clone()).collect()))
}

fn merge_type(args: &[Value]) -> Type {
    let Some(first) = args.first().map(Value::ty) else { return Type::object::<Arc<str>>([]) };
    if args.iter().any(|a| a.ty() == Type::Dynamic) {
        return Type::Dynamic;
    }
    if args.iter().all(|a| a.ty() == first) {
        return first;
    }
    let mut attrs = BTreeMap::new();
    for arg in args.iter().filter(|a| !a.is_null()) {
        match (arg.ty(), arg.as_map()) {
            (Type::Object(o), _) => attrs.extend(o.attrs.clone()),
            (Type::Map(e), Some(map)) => attrs.extend(map.keys().map(|k| (k.clone(), (*e).clone()))),
            _ => return Type::Dynamic,
        }
    }
    Type::object(attrs)
}

fn merge(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let mut merged = BTreeMap::new();
    let mut marks = Marks::NONE;
    for arg in args {
        marks = marks.union(arg.marks());
        match (arg.ty(), arg.as_map()) {
            (_, Some(map)) => merged.extend(map.clone()),
            (Type::Map(_) | Type::Object(_) | Type::Dynamic, None) if arg.is_null() => {}
            (ty, None) => return Err(CallError::new(format!("arguments must be maps or objects, got {ty}"))),
        }
    }
    Ok(match merge_type(args) {
        Type::Map(elem) => Value::map((*elem).clone(), merged),
        _ => Value::object(merged),
    }
    .mark(marks))
}

fn one(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    if !is_sequence(&args[0].ty()) {
        return Err(CallError::arg(0, "must be a list, set, or tuple value with either zero or one elements"));
    }
    match items(args, 0) {
        [] => Ok(Value::null(element_type(&args[0])).mark(args[0].marks())),
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

fn reverse_type(args: &[Value]) -> Type {
    match args[0].ty() {
        Type::Tuple(ts) => Type::Tuple(ts.iter().rev().cloned().collect()),
        Type::Set(e) | Type::List(e) => Type::List(e),
        _ => Type::Dynamic,
    }
}

fn reverse(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let ty = args[0].ty();
    if !is_sequence(&ty) {
        return Err(CallError::arg(0, format!("can only reverse list or tuple values, not {ty}")));
    }
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

fn slice_type(args: &[Value]) -> Type {
    match args[0].ty() {
        list @ Type::List(_) => list,
        _ => Type::Dynamic,
    }
}

fn slice(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let ty = args[0].ty();
    if let Type::Set(_) = ty {
        return Err(CallError::arg(
            0,
            "cannot slice a set, because its elements do not have indices; explicitly convert to a list if the ordering of the result is not important",
        ));
    }
    if !is_sequence(&ty) {
        return Err(CallError::arg(0, "must be a list or tuple value"));
    }
    let (start, end) = (whole(args, 1)?, whole(args, 2)?);
    let len = items(args, 0).len() as i64;
    if start < 0 || start > len {
        return Err(CallError::arg(1, "start index must be between zero and the length of the list"));
    }
    if end < 0 || end > len {
        return Err(CallError::arg(2, "end index must be between zero and the length of the list"));
    }
    if start > end {
        return Err(CallError::arg(1, "start index must not be greater than end index"));
    }
    Ok(sequence_like(&ty, items(args, 0)[start as usize..end as usize].to_vec()).mark(args[0].marks()))
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

fn zipmap(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let ty = args[1].ty();
    if !matches!(ty, Type::List(_) | Type::Tuple(_)) {
        return Err(CallError::arg(1, "values argument must be a list or tuple value"));
    }
    let (keys, values) = (items(args, 0), items(args, 1));
    if keys.len() != values.len() {
        return Err(CallError::new(format!("number of keys ({}) does not match number of values ({})", keys.len(), values.len())));
    }
    let mut map: BTreeMap<Arc<str>, Value> = BTreeMap::new();
    for (i, (key, value)) in keys.iter().zip(values).enumerate() {
        let key = key.as_str().ok_or_else(|| CallError::arg(0, format!("key {i} is null")))?;
        map.insert(key.into(), value.clone());
    }
    Ok(match ty {
        Type::List(e) => Value::map((*e).clone(), map),
        _ => Value::object(map),
    }
    .mark(args[1].marks()))
}
