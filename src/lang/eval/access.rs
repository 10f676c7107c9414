//! Attributes, indices and splats.

use super::{Eval, nothing};
use crate::diag::codes::lang as codes;
use crate::diag::{Diagnostic, did_you_mean};
use crate::lang::ast::{Expr, Ident, Step};
use crate::value::convert::{convert, kind};
use crate::value::{Repr, Type, Value};

impl Eval<'_> {
    /// Applies steps to a value, one after the other.
    pub(super) fn steps(&mut self, mut value: Value, steps: &[Step], e: &Expr) -> Value {
        let mut i = 0;
        while let Some(step) = steps.get(i) {
            i += 1;
            value = match step {
                Step::Attr(name) => self.attribute(&value, name, e),
                Step::Index(key) => {
                    let k = self.expr(key);
                    self.index(&value, &k, key, e)
                }
                Step::AttrSplat(_) => {
                    let own = steps[i..].iter().take_while(|s| matches!(s, Step::Attr(_))).count();
                    let result = self.splat(value, &steps[i..i + own], e);
                    i += own;
                    result
                }
                Step::FullSplat(_) => return self.splat(value, &steps[i..], e),
            };
        }
        value
    }

    fn attribute(&mut self, v: &Value, name: &Ident, e: &Expr) -> Value {
        if name.name.bytes().all(|b| b.is_ascii_digit())
            && let Some(n) = crate::value::Number::parse(&name.name)
        {
            return self.index(v, &n.into(), e, e);
        }
        let fail = |this: &mut Self, detail: String| {
            let d = Diagnostic::error(codes::UNSUPPORTED_ATTRIBUTE, detail).at(name.span);
            this.fail_with(d, e)
        };
        match v.repr() {
            Repr::Null(_) => fail(self, format!("This value is null, so it has no attribute {:?}.", name.name)),
            Repr::Unknown(u) => match &u.ty {
                Type::Dynamic => nothing().mark(v.marks()),
                Type::Map(t) => Value::unknown((**t).clone()).mark(v.marks()),
                Type::Object(o) => match o.attrs.get(&name.name) {
                    Some(t) => Value::unknown(t.clone()).mark(v.marks()),
                    None => self.no_attribute(v, name, o.attrs.keys().map(|k| &**k).collect(), e),
                },
                t => fail(self, format!("A {} has no attributes.", kind(t))),
            },
            Repr::Object(o) => match o.attrs.get(&name.name) {
                Some(a) => a.clone().mark(v.marks()),
                None => self.no_attribute(v, name, o.attrs.keys().map(|k| &**k).collect(), e),
            },
            Repr::Map(m) => match m.items.get(&name.name) {
                Some(a) => a.clone().mark(v.marks()),
                None => {
                    let detail = format!("This map does not have an element with the key {:?}.", name.name);
                    let mut d = Diagnostic::error(codes::UNSUPPORTED_ATTRIBUTE, detail).at(name.span);
                    let near = did_you_mean(&name.name, m.items.keys().map(|k| &**k)).filter(|_| !v.marks().is_sensitive());
                    d.hint = near.map(|near| format!("Did you mean {near:?}?"));
                    self.fail_with(d, e)
                }
            },
            Repr::List(_) | Repr::Tuple(_) | Repr::Set(_) => {
                let ty = kind(&v.ty());
                let d =
                    Diagnostic::error(codes::UNSUPPORTED_ATTRIBUTE, format!("A {ty} has no attributes, so there is no {:?}.", name.name))
                        .at(name.span)
                        .hint(format!(
                            "Choose one element with an index, [0], or collect the attribute of all elements with [*].{}.",
                            name.name
                        ));
                self.fail_with(d, e)
            }
            _ => fail(self, format!("A {} has no attributes.", v.ty())),
        }
    }

    fn no_attribute(&mut self, v: &Value, name: &Ident, names: Vec<&str>, e: &Expr) -> Value {
        // The instances of a block with for_each are an object of objects.
        let instance = v.as_map().and_then(|m| m.iter().find(|(_, i)| i.origin().is_some()));
        if let (None, Some((key, _))) = (v.origin(), instance) {
            let detail = format!("This block has several instances, by keys; none of them is {:?}.", name.name);
            let hint =
                format!("Choose one, as in [{}], or take the attribute of all with values(…)[*].{}.", crate::addr::quote(key), name.name);
            return self.fail_with(Diagnostic::error(codes::UNSUPPORTED_ATTRIBUTE, detail).at(name.span).hint(hint), e);
        }
        let what = v.origin().map_or("This object".to_string(), |o| o.to_string());
        let mut d = Diagnostic::error(codes::UNSUPPORTED_ATTRIBUTE, format!("{what} does not have an attribute named {:?}.", name.name))
            .at(name.span);
        d.hint = Some(match did_you_mean(&name.name, names.iter().copied()) {
            Some(near) => format!("Did you mean {near:?}?"),
            None if names.is_empty() => "It has no attributes at all.".into(),
            None => format!("It has: {}.", names.join(", ")),
        });
        self.fail_with(d, e)
    }

    fn index(&mut self, v: &Value, key: &Value, key_expr: &Expr, e: &Expr) -> Value {
        let marks = v.marks().union(key.marks());
        if v.is_null() {
            return self.fail(codes::INVALID_INDEX, "This value is null, so it has no indices.", e);
        }
        if key.is_null() {
            return self.fail(codes::INVALID_INDEX, "A null value cannot be used as an index.", key_expr);
        }
        if key.is_untyped() {
            return nothing().mark(marks);
        }
        // The type of a tuple or object is as large as the value; where the element is simply there, it is not needed.
        let there = match (key.as_number().and_then(crate::value::Number::to_usize), key.as_str()) {
            (Some(i), _) => v.as_slice().filter(|_| !matches!(v.repr(), Repr::Set(_))).and_then(|items| items.get(i)),
            (_, Some(name)) => v.as_map().and_then(|m| m.get(name)),
            _ => None,
        };
        if let Some(found) = there {
            return found.clone().mark(marks);
        }
        let ty = v.ty();
        let key_type = match &ty {
            Type::Dynamic => return nothing().mark(marks),
            Type::List(_) | Type::Tuple(_) => Type::Number,
            Type::Map(_) | Type::Object(_) => Type::String,
            Type::Set(_) => {
                let d = Diagnostic::error(codes::INVALID_INDEX, "The elements of a set have no indices.")
                    .at(e.span)
                    .hint("Convert it with tolist() to choose by position, or use a for expression.");
                return self.fail_with(d, e);
            }
            t => return self.fail(codes::INVALID_INDEX, format!("A {t} has no indices."), e),
        };
        let key = match convert(key, &key_type) {
            Ok(k) => k,
            Err(err) => {
                return self.fail(codes::INVALID_INDEX, format!("This index does not fit a value of kind {}: {err}.", kind(&ty)), key_expr);
            }
        };
        match self.element(v, &ty, &key, key_expr) {
            Some(found) => found.mark(marks),
            None => nothing().mark(marks),
        }
    }

    /// The element for a key of the right type; `None` after an error.
    fn element(&mut self, v: &Value, ty: &Type, key: &Value, key_expr: &Expr) -> Option<Value> {
        if !v.is_known() || !key.is_known() {
            return Some(match (ty, key.as_str(), key.as_i64()) {
                (Type::List(t) | Type::Map(t), _, _) => Value::unknown((**t).clone()),
                (Type::Object(o), Some(name), _) => o.attrs.get(name).map_or_else(nothing, |t| Value::unknown(t.clone())),
                (Type::Tuple(ts), _, Some(i)) => {
                    usize::try_from(i).ok().and_then(|i| ts.get(i)).map_or_else(nothing, |t| Value::unknown(t.clone()))
                }
                _ => nothing(),
            });
        }
        let detail = if let Some(items) = v.as_slice() {
            let n = key.as_number()?;
            match n.to_usize().and_then(|i| items.get(i)) {
                Some(found) => return Some(found.clone()),
                None if !n.is_integer() => "An index must be a whole number.".to_string(),
                None if n.is_negative() => "An index must not be negative.".to_string(),
                None if items.is_empty() => format!("There is no element {n}: the collection is empty."),
                None if items.len() == 1 => format!("There is no element {n}: the only element has the index 0."),
                None => format!("There is no element {n}: the last of the {} elements has the index {}.", items.len(), items.len() - 1),
            }
        } else {
            let name = key.as_str()?;
            let entries = v.as_map()?;
            if let Some(found) = entries.get(name) {
                return Some(found.clone());
            }
            // The instances of a block with for_each are a map to a user.
            let instances = entries.values().next().is_some_and(|v| v.origin().is_some());
            let what = match ty {
                Type::Object(_) if !instances => "object does not have an attribute named",
                _ => "map does not have an element with the key",
            };
            let secret = key.marks().union(v.marks()).is_sensitive();
            let detail = if secret { "There is no element with this key.".to_string() } else { format!("This {what} {name:?}.") };
            let mut d = Diagnostic::error(codes::INVALID_INDEX, detail).at(key_expr.span);
            d.hint = match did_you_mean(name, entries.keys().map(|k| &**k)) {
                _ if secret => None,
                Some(near) => Some(format!("Did you mean {near:?}?")),
                None if entries.is_empty() => Some("It is empty.".to_string()),
                None if entries.len() <= 12 => {
                    Some(format!("It has: {}.", entries.keys().map(|k| format!("{k:?}")).collect::<Vec<_>>().join(", ")))
                }
                None => None,
            };
            self.fail_with(d, key_expr);
            return None;
        };
        self.fail(codes::INVALID_INDEX, detail, key_expr);
        None
    }

    /// `[*]` and `.*`: the steps applied to every element. Anything but a list, set or tuple counts as one element, null as none.
    fn splat(&mut self, v: Value, steps: &[Step], e: &Expr) -> Value {
        let marks = v.marks();
        let ty = v.ty();
        let sequence = matches!(ty, Type::List(_) | Type::Set(_) | Type::Tuple(_));
        if v.is_null() {
            return match sequence {
                true => self.fail(codes::INVALID_SPLAT, "A splat cannot be applied to a null sequence.", e),
                false => Value::tuple(vec![]).mark(marks),
            };
        }
        if !v.is_known() {
            return self.splat_unknown(&v, &ty, steps, e).mark(marks);
        }
        let items = match v.as_slice() {
            Some(items) if sequence => items.to_vec(),
            _ => vec![v.clone().unmark(marks)],
        };
        let results: Vec<Value> = items.into_iter().map(|i| self.steps(i, steps, e)).collect();
        let list = match &ty {
            Type::List(t) | Type::Set(t) if results.is_empty() => Some(self.type_after(t, steps, e)),
            Type::List(_) | Type::Set(_) => {
                let first = results[0].ty();
                results.iter().all(|r| r.ty() == first).then_some(first)
            }
            _ => None,
        };
        match list {
            Some(t) => Value::list(t, results).mark(marks),
            None => Value::tuple(results).mark(marks),
        }
    }

    fn splat_unknown(&mut self, v: &Value, ty: &Type, steps: &[Step], e: &Expr) -> Value {
        match ty {
            Type::List(t) | Type::Set(t) => Value::unknown_not_null(Type::list(self.type_after(t, steps, e))),
            Type::Tuple(ts) => Value::tuple(ts.iter().map(|t| Value::unknown(self.type_after(t, steps, e))).collect()),
            // It may turn out to be null, and then the result has no element.
            _ if matches!(v.repr(), Repr::Unknown(u) if u.refinement.not_null && u.ty != Type::Dynamic) => {
                Value::tuple(vec![self.steps(v.clone().unmark(v.marks()), steps, e)])
            }
            // Whether there will be one or not, what is done to it must be possible.
            Type::Dynamic => nothing(),
            ty => {
                self.type_after(ty, steps, e);
                nothing()
            }
        }
    }

    /// The type that the steps give for an element of this type.
    fn type_after(&mut self, elem: &Type, steps: &[Step], e: &Expr) -> Type {
        self.steps(Value::unknown(elem.clone()), steps, e).ty()
    }
}
