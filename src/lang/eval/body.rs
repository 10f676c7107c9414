//! Decoding: a block's body, by its schema, to one object value; and the way back from an attribute path to its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{EvalContext, Names, Scope, eval};
use crate::diag::codes::lang as codes;
use crate::diag::{Diagnostic, Diagnostics, Span, did_you_mean};
use crate::lang::ast::{Attr, Block, Body, Expr, ExprKind};
use crate::lang::config::json;
use crate::schema::{AttrType, Attribute, Body as Schema, NestedBlock, Nesting, Set};
use crate::value::convert::{convert, kind};
use crate::value::{Repr, Type, Value, ops};

/// The refusal of a map that is sensitive as a whole where its keys are names that everybody sees.
fn sensitive_keys(name: &str) -> Diagnostic {
    let detail = format!("The map {name:?} is sensitive as a whole, and with it its keys. They are names that plans and the state show.");
    Diagnostic::error(codes::SENSITIVE_KEYS, detail).hint(
        "Make only the values sensitive: { for k in nonsensitive(keys(MAP)) : k => MAP[k] }, where MAP is the sensitive map and its keys may be shown.",
    )
}

/// The refusal of sensitive texts in a list of names that everybody sees.
fn sensitive_names(name: &str) -> Diagnostic {
    let detail = format!("The list {name:?} has sensitive elements. They are names that plans and the state show.");
    Diagnostic::error(codes::SENSITIVE_KEYS, detail).hint("Write nonsensitive(...) around those that may be shown.")
}

/// Decodes a body to an object with one attribute for each attribute and block of the schema: null where nothing is set and no
/// default stands in, converted to its type, sensitive where the schema says so. What is wrong is pushed to `diags`.
pub fn decode(body: &Body, schema: &Schema, scope: &dyn Scope, cx: &EvalContext<'_>, diags: &mut Diagnostics) -> Value {
    Decoder { cx, diags }.body(body, schema, scope, None)
}

struct Decoder<'a> {
    cx: &'a EvalContext<'a>,
    diags: &'a mut Diagnostics,
}

/// One block to be decoded, after expansion of `dynamic`.
struct Instance<'a> {
    block: &'a Body,
    labels: Vec<Option<Arc<str>>>,
    span: Span,
    /// The iterators in scope, outermost first.
    names: Vec<(Arc<str>, Value)>,
}

/// The blocks of one type; `known` is false if a `dynamic` block's for_each is unknown.
struct Expanded<'a> {
    instances: Vec<Instance<'a>>,
    known: bool,
}

impl Decoder<'_> {
    /// `header` is that of a nested block; whoever decodes a whole resource knows its own.
    fn body(&mut self, body: &Body, schema: &Schema, scope: &dyn Scope, header: Option<Span>) -> Value {
        let body = &*json::unfold(body, schema);
        self.unsupported(body, schema);
        let mut attrs: Vec<(&'static str, Value)> = Vec::with_capacity(schema.attributes.len() + schema.blocks.len());
        let mut missing = Vec::new();
        for a in &schema.attributes {
            let value = match body.attr(a.name) {
                Some(written) => self.attribute(a, written, scope, &mut missing),
                None => {
                    if a.set == Set::Required {
                        missing.push(a.name);
                    }
                    unset(a)
                }
            };
            attrs.push((a.name, value));
        }
        if !missing.is_empty() {
            self.missing(&missing, header);
        }
        for b in &schema.blocks {
            let value = self.blocks(b, body, scope, header);
            attrs.push((b.name, value));
        }
        Value::object_from(attrs)
    }

    fn missing(&mut self, names: &[&str], header: Option<Span>) {
        let detail = match names {
            [one] => format!("The argument {one:?} is required, but it is not set."),
            _ => format!(
                "The arguments {} are required, but they are not set.",
                names.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(", ")
            ),
        };
        let add = names.iter().map(|n| format!("{n} = …")).collect::<Vec<_>>().join(" and ");
        self.diags.push(Diagnostic::error(codes::MISSING_ARGUMENT, detail).at(header).hint(format!("Add {add} to the block.")));
    }

    fn unsupported(&mut self, body: &Body, schema: &Schema) {
        let arguments = || schema.attributes.iter().filter(|a| a.set != Set::Computed).map(|a| a.name);
        for (i, a) in body.attrs.iter().enumerate() {
            let name = &*a.name.name;
            if body.attrs[..i].iter().any(|b| b.name.name == a.name.name) {
                self.diags
                    .push(Diagnostic::error(codes::UNSUPPORTED_ARGUMENT, format!("The argument {name:?} is set twice.")).at(a.name.span));
            }
            if schema.attribute(name).is_some() {
                continue;
            }
            let d = Diagnostic::error(codes::UNSUPPORTED_ARGUMENT, format!("There is no argument {name:?} here.")).at(a.name.span);
            self.diags.push(match schema.block(name) {
                Some(_) => d.hint(format!("{name} is a block: write it without the equals sign, as {name} {{ … }}.")),
                None => d.hint(suggest(name, arguments(), &META_ARGUMENTS, "The arguments are")),
            });
        }
        for b in &body.blocks {
            let dynamic = &*b.kind.name == "dynamic";
            let name = if dynamic { b.labels.first() } else { Some(&b.kind) };
            let Some(name) = name else {
                self.diags.push(
                    Diagnostic::error(codes::INVALID_DYNAMIC, "A dynamic block needs the type of block to make as its label.").at(b.span),
                );
                continue;
            };
            if schema.block(&name.name).is_some() {
                continue;
            }
            let d = Diagnostic::error(codes::UNSUPPORTED_BLOCK, format!("There is no block {:?} here.", name.name)).at(name.span);
            self.diags.push(match schema.attribute(&name.name) {
                Some(_) => d.hint(format!("{0} is an argument: write it as {0} = ….", name.name)),
                None => d.hint(suggest(&name.name, schema.blocks.iter().map(|b| b.name), &META_BLOCKS, "The blocks are")),
            });
        }
    }

    fn attribute(&mut self, a: &Attribute, written: &Attr, scope: &dyn Scope, missing: &mut Vec<&'static str>) -> Value {
        if a.set == Set::Computed {
            let d = Diagnostic::error(codes::COMPUTED_ARGUMENT, format!("{:?} cannot be set: streamform determines it.", a.name))
                .at(written.name.span);
            self.diags.push(d.hint("Remove the argument."));
            return unset(a);
        }
        let mut found = Diagnostics::new();
        let value = eval(&written.expr, scope, self.cx, &mut found);
        let failed = found.has_errors();
        self.diags.append(found);
        if failed {
            return unknown_of(a);
        }
        if value.is_null() {
            if a.set == Set::Required {
                missing.push(a.name);
            }
            return unset(a).mark(value.marks());
        }
        let value = match &a.ty {
            AttrType::Value(ty) => match convert(&value, ty) {
                Ok(v) => v,
                Err(e) => {
                    let d =
                        Diagnostic::error(codes::WRONG_TYPE, format!("Inappropriate value for {:?}: {e}.", a.name)).at(written.expr.span);
                    // A file that wraps what is meant: {"name": …, "config": {…}}.
                    let inner = value.as_map().and_then(|m| m.get(a.name)).filter(|v| v.as_map().is_some() && convert(v, ty).is_ok());
                    self.diags.push(match inner {
                        Some(_) => d.hint(format!("The value has an object {:?} inside, which fits: add .{} to it.", a.name, a.name)),
                        None => d,
                    });
                    unknown_of(a)
                }
            },
            AttrType::Ref(types) => self.reference(a, types, value, &written.expr),
        };
        let is_list = value.as_slice().is_some();
        if a.names_things && (value.marks().is_sensitive() || is_list && value.contains_sensitive()) {
            let refusal = if is_list { sensitive_names(a.name) } else { sensitive_keys(a.name) };
            self.diags.push(refusal.at(written.expr.span));
            return unknown_of(a);
        }
        if a.sensitive { value.sensitive() } else { value }
    }

    /// A reference must be the object of an instance of one of the types; unknown is let through.
    fn reference(&mut self, a: &Attribute, types: &[&str], value: Value, written: &Expr) -> Value {
        if let Some(origin) = value.origin() {
            if types.contains(&&*origin.resource.type_name) {
                return value;
            }
            let detail = format!("{:?} must refer to {}, but {origin} is a {}.", a.name, alternatives(types), origin.resource.type_name);
            self.diags.push(Diagnostic::error(codes::INVALID_REFERENCE, detail).at(written.span));
            return unknown_of(a);
        }
        if !value.is_known() && value.ty() == Type::Dynamic {
            return value;
        }
        let instances =
            value.as_slice().map(<[Value]>::to_vec).or_else(|| value.as_map().map(|m| m.values().cloned().collect())).unwrap_or_default();
        let hint = match instances.first().is_some_and(|v| v.origin().is_some()) {
            true => "The resource has several instances: choose one by its key, as in NAME[\"key\"] or NAME[0].".to_string(),
            false => format!(
                "Refer to the object itself, as in {} = {}.NAME, not to one of its attributes.",
                a.name,
                types.first().copied().unwrap_or("type")
            ),
        };
        let detail = format!("{:?} must refer to {}, but this is {}.", a.name, alternatives(types), a_kind(&value));
        self.diags.push(Diagnostic::error(codes::INVALID_REFERENCE, detail).at(written.span).hint(hint));
        unknown_of(a)
    }

    fn blocks(&mut self, schema: &NestedBlock, body: &Body, scope: &dyn Scope, header: Option<Span>) -> Value {
        let expanded = self.expand(schema, body, scope);
        if !expanded.known {
            return Value::unknown_not_null(schema.ty());
        }
        let count = expanded.instances.len();
        if count < schema.min {
            let many = if schema.min == 1 { "block is".to_string() } else { format!("blocks ({} at least) are", schema.min) };
            let d = Diagnostic::error(codes::INVALID_BLOCK, format!("{:?} {many} required here.", schema.name)).at(header);
            self.diags.push(d.hint(format!("Add {} {{ … }} to the block.", schema.name)));
        }
        match schema.nesting {
            Nesting::Single => self.single(schema, &expanded.instances, scope),
            Nesting::List { label } => self.list(schema, label, &expanded.instances, scope),
            Nesting::Map => self.map(schema, &expanded.instances, scope),
        }
    }

    fn inner(&mut self, schema: &NestedBlock, i: &Instance<'_>, scope: &dyn Scope) -> Value {
        let scope = Names { names: i.names.clone(), outer: scope };
        self.body(i.block, &schema.body, &scope, Some(i.span))
    }

    /// The label of a block that must have exactly one (or none); `None` where it is unknown or wrong.
    fn label(&mut self, schema: &NestedBlock, i: &Instance<'_>, wanted: usize) -> Option<Arc<str>> {
        if i.labels.len() != wanted {
            let detail = match wanted {
                0 => format!("A {:?} block takes no label.", schema.name),
                _ => format!("A {:?} block takes exactly one label: {} \"name\" {{ … }}.", schema.name, schema.name),
            };
            self.diags.push(Diagnostic::error(codes::INVALID_BLOCK, detail).at(i.span));
            return None;
        }
        i.labels.first().cloned().flatten()
    }

    fn single(&mut self, schema: &NestedBlock, instances: &[Instance<'_>], scope: &dyn Scope) -> Value {
        if let [_, second, ..] = instances {
            let d = Diagnostic::error(codes::INVALID_BLOCK, format!("Only one {:?} block is allowed.", schema.name)).at(second.span);
            self.diags.push(d.also(instances[0].span, "the first one"));
        }
        let Some(first) = instances.first() else { return Value::null(schema.ty()) };
        self.label(schema, first, 0);
        self.inner(schema, first, scope)
    }

    fn list(&mut self, schema: &NestedBlock, label: Option<&'static str>, instances: &[Instance<'_>], scope: &dyn Scope) -> Value {
        let Type::List(elem) = schema.ty() else { return Value::null(schema.ty()) };
        let mut items = Vec::new();
        for i in instances {
            let text = self.label(schema, i, usize::from(label.is_some()));
            let value = self.inner(schema, i, scope);
            items.push(match (label, value.repr()) {
                (Some(name), Repr::Object(o)) => {
                    let mut attrs = o.attrs.clone();
                    attrs.insert(name.into(), text.map_or_else(|| Value::unknown(Type::String), Value::string));
                    Value::object_from(attrs)
                }
                _ => value,
            });
        }
        Value::list((*elem).clone(), items)
    }

    fn map(&mut self, schema: &NestedBlock, instances: &[Instance<'_>], scope: &dyn Scope) -> Value {
        let mut entries: BTreeMap<Arc<str>, Value> = BTreeMap::new();
        let mut spans: BTreeMap<Arc<str>, Span> = BTreeMap::new();
        for i in instances {
            let label = self.label(schema, i, 1);
            let value = self.inner(schema, i, scope);
            let Some(label) = label else {
                // Without its key the block has no place in a map.
                if i.labels.len() == 1 {
                    return Value::unknown(schema.ty());
                }
                continue;
            };
            if let Some(first) = spans.insert(label.clone(), i.span) {
                let d =
                    Diagnostic::error(codes::INVALID_BLOCK, format!("There are two {:?} blocks with the label {label:?}.", schema.name))
                        .at(i.span);
                self.diags.push(d.also(first, "the first one"));
            }
            entries.insert(label, value);
        }
        Value::map(schema.body.ty(), entries.into())
    }

    /// The blocks of a type in the order written, `dynamic` ones expanded.
    fn expand<'b>(&mut self, schema: &NestedBlock, body: &'b Body, scope: &dyn Scope) -> Expanded<'b> {
        let mut out = Expanded { instances: vec![], known: true };
        for b in &body.blocks {
            if &*b.kind.name == schema.name {
                let labels = b.labels.iter().map(|l| Some(l.name.clone())).collect();
                out.instances.push(Instance { block: &b.body, labels, span: b.span, names: vec![] });
            } else if &*b.kind.name == "dynamic" && b.labels.first().is_some_and(|l| &*l.name == schema.name) {
                match self.dynamic(schema, b, scope) {
                    Some(instances) => out.instances.extend(instances),
                    None => out.known = false,
                }
            }
        }
        out
    }

    /// The instances of a `dynamic` block; `None` if its for_each is unknown or wrong.
    fn dynamic<'b>(&mut self, schema: &NestedBlock, b: &'b Block, scope: &dyn Scope) -> Option<Vec<Instance<'b>>> {
        let fail = |this: &mut Self, detail: String, span: Span| {
            this.diags.push(Diagnostic::error(codes::INVALID_DYNAMIC, detail).at(span));
            None
        };
        for a in &b.body.attrs {
            if !["for_each", "iterator", "labels"].contains(&&*a.name.name) {
                return fail(
                    self,
                    format!("A dynamic block has no argument {:?}; it has for_each, iterator and labels.", a.name.name),
                    a.name.span,
                );
            }
        }
        let Some(for_each) = b.body.attr("for_each") else {
            return fail(self, "A dynamic block needs the argument for_each.".into(), b.span);
        };
        let mut contents = b.body.blocks.iter().filter(|c| &*c.kind.name == "content");
        let (Some(content), None) = (contents.next(), contents.next()) else {
            return fail(self, "A dynamic block needs exactly one content block.".into(), b.span);
        };
        let iterator: Arc<str> = match b.body.attr("iterator").map(|a| (&*a.expr.kind, a)) {
            None => schema.name.into(),
            Some((ExprKind::Traversal { root, steps }, _)) if steps.is_empty() => root.name.clone(),
            Some((_, a)) => return fail(self, "The iterator must be a plain name.".into(), a.expr.span),
        };
        let before = self.diags.len();
        let collection = eval(&for_each.expr, scope, self.cx, self.diags);
        if self.diags.len() > before || !collection.is_known() {
            return None;
        }
        let Some(items) = ops::iterate(&collection) else {
            let what = if collection.is_null() { "null".to_string() } else { format!("a {}", kind(&collection.ty())) };
            return fail(self, format!("for_each must be a list, set, map, tuple or object, not {what}."), for_each.expr.span);
        };
        let mut out = Vec::new();
        for (k, v) in items {
            let object = Value::object_from([("key", k.mark(collection.marks())), ("value", v.mark(collection.marks()))]);
            let names = vec![(iterator.clone(), object)];
            let labels = self.dynamic_labels(b, &Names { names: names.clone(), outer: scope });
            out.push(Instance { block: &content.body, labels, span: b.span, names });
        }
        Some(out)
    }

    fn dynamic_labels(&mut self, b: &Block, scope: &dyn Scope) -> Vec<Option<Arc<str>>> {
        let Some(labels) = b.body.attr("labels") else { return vec![] };
        let value = eval(&labels.expr, scope, self.cx, self.diags);
        let Some(items) = value.as_slice() else {
            self.diags.push(Diagnostic::error(codes::INVALID_DYNAMIC, "The labels must be a list of strings.").at(labels.expr.span));
            return vec![];
        };
        items.iter().map(|l| convert(l, &Type::String).ok().and_then(|l| l.as_str().map(Arc::from))).collect()
    }
}

/// The value of an argument that is not set.
fn unset(a: &Attribute) -> Value {
    match (&a.default, &a.ty) {
        (Some(d), AttrType::Value(ty)) => convert(d, ty).unwrap_or_else(|_| d.clone()),
        (Some(d), AttrType::Ref(_)) => d.clone(),
        (None, AttrType::Value(ty)) => convert(&Value::null_dynamic(), ty).unwrap_or_else(|_| Value::null_dynamic()),
        (None, AttrType::Ref(_)) => Value::null_dynamic(),
    }
}

/// What stands for an argument whose value is wrong: nothing that follows complains about it again.
fn unknown_of(a: &Attribute) -> Value {
    match &a.ty {
        AttrType::Value(ty) => convert(&Value::unknown(Type::Dynamic), ty).unwrap_or_else(|_| Value::unknown(Type::Dynamic)),
        AttrType::Ref(_) => Value::unknown(Type::Dynamic),
    }
}

/// The kind of a value with its article.
fn a_kind(v: &Value) -> String {
    let kind = kind(&v.ty());
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}

fn alternatives(types: &[&str]) -> String {
    types.iter().map(|t| format!("a {t}")).collect::<Vec<_>>().join(" or ")
}

/// What the blocks themselves have, whatever their type.
const META_ARGUMENTS: [&str; 5] = ["count", "for_each", "depends_on", "provider", "alias"];
const META_BLOCKS: [&str; 3] = ["lifecycle", "timeouts", "dynamic"];

fn suggest(written: &str, names: impl Iterator<Item = &'static str> + Clone, meta: &[&'static str], intro: &str) -> String {
    // One that is written right stands in the wrong place.
    let near = did_you_mean(written, names.clone()).or_else(|| did_you_mean(written, meta.iter().copied()).filter(|m| *m != written));
    match near {
        Some(near) => format!("Did you mean {near:?}?"),
        None => {
            let list: Vec<&str> = names.collect();
            if list.is_empty() { "None is allowed here.".into() } else { format!("{intro}: {}.", list.join(", ")) }
        }
    }
}

/// Where the attribute of a path (`name`, `config["retention.ms"]`, `listener[0].port`) is written; the nearest enclosing place
/// where it is not written itself.
pub fn attr_span(body: &Body, path: &str) -> Option<Span> {
    match path.strip_suffix(AT_KEY) {
        Some(path) => {
            let steps = split_path(path);
            key_span(body, &steps).or_else(|| body_span(body, &steps))
        }
        None => body_span(body, &split_path(path)),
    }
}

/// Behind a path: the key itself is meant, and not its value.
pub const AT_KEY: &str = "\u{0}";

/// Where the last key of a path is written, in an object of an attribute.
fn key_span(body: &Body, steps: &[String]) -> Option<Span> {
    let [name, inner @ .., last] = steps else { return None };
    let mut e = &body.attr(name)?.expr;
    for step in inner {
        e = item(e, step)?.1;
    }
    item(e, last).and_then(|(key, _)| key)
}

/// The key and the value of one entry of an object or tuple.
fn item<'e>(e: &'e Expr, step: &str) -> Option<(Option<Span>, &'e Expr)> {
    match &*e.kind {
        ExprKind::Paren(inner) => item(inner, step),
        ExprKind::Object(items) => {
            let found = items.iter().find(|i| matches!(&*i.key.kind, ExprKind::String(s) if **s == *step))?;
            Some((Some(found.key.span), &found.value))
        }
        ExprKind::Tuple(items) => step.parse::<usize>().ok().and_then(|i| items.get(i)).map(|e| (None, e)),
        _ => None,
    }
}

fn body_span(body: &Body, steps: &[String]) -> Option<Span> {
    let (name, rest) = steps.split_first()?;
    if let Some(a) = body.attr(name) {
        return Some(expr_span(&a.expr, rest));
    }
    let blocks: Vec<&Block> = body.blocks.iter().filter(|b| *b.kind.name == **name).collect();
    let first = *blocks.first()?;
    let Some(key) = rest.first() else { return Some(first.span) };
    let by_label = blocks.iter().find(|b| b.labels.iter().any(|l| *l.name == **key));
    let by_index = key.parse::<usize>().ok().map(|i| blocks.get(i));
    let (block, inner) = match (by_label, by_index) {
        (Some(b), _) => (*b, &rest[1..]),
        (None, Some(Some(b))) => (*b, &rest[1..]),
        (None, Some(None)) => return None,
        (None, None) if blocks.len() > 1 => return None,
        (None, None) => (first, rest),
    };
    Some(body_span(&block.body, inner).unwrap_or(block.span))
}

fn expr_span(e: &Expr, steps: &[String]) -> Span {
    let Some((step, rest)) = steps.split_first() else { return e.span };
    item(e, step).map_or(e.span, |(_, value)| expr_span(value, rest))
}

/// The names, keys and indices of a path.
fn split_path(path: &str) -> Vec<String> {
    let (mut out, mut rest) = (Vec::new(), path);
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let mut escaped = false;
            let closes = |c: char| {
                let was = escaped;
                escaped = c == '\\' && !was;
                c == '"' && !was
            };
            let end = quoted.find(closes).unwrap_or(quoted.len());
            let json = format!("\"{}\"", &quoted[..end]);
            let key = serde_json::from_str(&json).unwrap_or_else(|_| quoted[..end].to_string());
            out.push(key.replace("$${", "${").replace("%%{", "%{"));
            rest = quoted.get(end + 2..).unwrap_or("");
        } else {
            rest = rest.trim_start_matches(['.', '[']);
            let end = rest.find(['.', '[', ']']).unwrap_or(rest.len());
            if end > 0 {
                out.push(rest[..end].to_string());
            }
            rest = rest[end..].trim_start_matches(']');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::SourceId;
    use crate::lang::eval::types::Nowhere;
    use crate::lang::eval::{Names, NoScope};
    use crate::lang::syntax::parse_body;

    fn with(names: &[(&str, Value)]) -> Names<'static> {
        Names { names: names.iter().map(|(n, v)| ((*n).into(), v.clone())).collect(), outer: &NoScope }
    }

    fn schema() -> Schema {
        let port = Schema { attributes: vec![Attribute::required("port", Type::Number, "")], blocks: vec![] };
        Schema {
            attributes: vec![
                Attribute::required("name", Type::String, ""),
                Attribute::optional("size", Type::Number, "").default(3i64),
                Attribute::optional("config", Type::map(Type::String), ""),
                Attribute::optional("password", Type::String, "").sensitive(),
                Attribute::computed("id", Type::String, ""),
                Attribute::reference("cluster", &["kafka_cluster"], "").or_none(),
            ],
            blocks: vec![
                NestedBlock { name: "listener", nesting: Nesting::List { label: Some("name") }, min: 0, doc: "", body: port.clone() },
                NestedBlock { name: "storage", nesting: Nesting::Single, min: 0, doc: "", body: port.clone() },
                NestedBlock { name: "mount", nesting: Nesting::Map, min: 0, doc: "", body: port },
            ],
        }
    }

    fn run(text: &str, scope: &dyn Scope) -> (Value, Vec<String>) {
        let (body, d) = parse_body(text, SourceId(0));
        assert!(d.is_empty(), "{d:?}");
        let mut diags = Diagnostics::new();
        let cx = EvalContext::new(&Nowhere, std::path::Path::new("."), std::path::Path::new("."));
        let v = decode(&body.unwrap(), &schema(), scope, &cx, &mut diags);
        (v, diags.into_iter().map(|d| format!("{} {} {}", d.code.id, d.detail, d.hint.unwrap_or_default())).collect())
    }

    #[test]
    fn attributes_are_converted_and_defaulted() {
        let (v, d) = run("name = 5\nconfig = { a = 1 }\npassword = \"x\"\n", &NoScope);
        assert!(d.is_empty(), "{d:?}");
        assert_eq!(v.get("name").unwrap(), "5".into());
        assert_eq!(v.get("size").unwrap(), 3i64.into());
        assert_eq!(v.get("config").unwrap().get("a").unwrap(), "1".into());
        assert!(v.get("password").unwrap().marks().is_sensitive());
        assert!(v.get("storage").unwrap().is_null());
    }

    #[test]
    fn mistakes_are_named_all_at_once() {
        let (_, d) = run("nam = 1\nid = \"x\"\nsize = \"many\"\nstorage = 1\nfoo {\n}\n", &NoScope);
        let all = d.join("\n");
        for part in [
            "no argument \"nam\" here. Did you mean \"name\"?",
            "\"id\" cannot be set",
            "\"size\": a number is required",
            "storage is a block",
            "no block \"foo\"",
            "\"name\" is required",
        ] {
            assert!(all.contains(part), "{part} in {all}");
        }
    }

    #[test]
    fn blocks_and_dynamic_blocks() {
        let text = "name = \"x\"\nlistener \"a\" {\n port = 1\n}\ndynamic \"listener\" {\n for_each = { b = 2, c = 3 }\n iterator = it\n labels = [it.key]\n content {\n port = it.value\n }\n}\nmount \"m\" {\n port = 9\n}\n";
        let (v, d) = run(text, &NoScope);
        assert!(d.is_empty(), "{d:?}");
        let names: Vec<String> =
            v.get("listener").unwrap().as_slice().unwrap().iter().map(|l| format!("{}", l.get("name").unwrap())).collect();
        assert_eq!(names, ["\"a\"", "\"b\"", "\"c\""]);
        assert_eq!(v.get("mount").unwrap().get("m").unwrap().get("port").unwrap(), 9i64.into());
        let scope = with(&[("u", Value::unknown(Type::list(Type::String)))]);
        let (v, d) = run("name = \"x\"\ndynamic \"listener\" {\n for_each = u\n labels = [\"q\"]\n content {\n port = 1\n }\n}\n", &scope);
        assert!(d.is_empty() && !v.get("listener").unwrap().is_known());
    }

    #[test]
    fn references_must_be_objects_of_the_type() {
        let addr = crate::addr::ResourceAddr::root(crate::addr::Mode::Managed, "kafka_cluster", "c").instance(None);
        let cluster = Value::object_of([("name".into(), "c".into())].into(), Some(Arc::new(addr)));
        let scope = with(&[("c", cluster.clone()), ("many", Value::tuple(vec![cluster]))]);
        let (v, d) = run("name = \"x\"\ncluster = true ? c : null\n", &scope);
        assert!(d.is_empty() && v.get("cluster").unwrap().origin().is_some(), "{d:?}");
        let (_, d) = run("name = \"x\"\ncluster = c.name\n", &scope);
        assert!(d[0].contains("SF1029") && d[0].contains("cluster = kafka_cluster.NAME"), "{d:?}");
        let (_, d) = run("name = \"x\"\ncluster = many\n", &scope);
        assert!(d[0].contains("several instances"), "{d:?}");
    }

    #[test]
    fn paths_lead_to_spans() {
        let text = "config = {\n  \"retention.ms\" = 5\n}\nlistener \"a\" {\n  port = 7\n}\n";
        let (body, _) = parse_body(text, SourceId(0));
        let body = body.unwrap();
        let at = |p: &str| attr_span(&body, p).map(|s| &text[s.start as usize..s.end as usize]);
        assert_eq!(at("config[\"retention.ms\"]"), Some("5"));
        assert_eq!(at("listener[0].port"), Some("7"));
        assert_eq!(at("listener[\"a\"].port"), Some("7"));
        assert_eq!(at("nothing"), None);
    }
}
