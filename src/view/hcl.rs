//! Objects as the resource blocks that a person would have written for them: what the schema calls an argument, without what the provider
//! sets, what is null and what the default says anyway. Secrets are never written: a comment marks their place.

use std::collections::BTreeMap;

use crate::addr::{ResourceAddr, quote};
use crate::schema::{AttrType, Attribute, Body, NestedBlock, Nesting, Schema, Set};
use crate::value::{Repr, Value};

/// A block, and what could not be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// The block, not laid out.
    pub text: String,
    /// The paths of secrets and of what is not known, as in `config["password"]`.
    pub left_out: Vec<String>,
}

/// The resource block of an object. References are written as `places` says, else as the address of what they refer to.
pub fn block(addr: &ResourceAddr, schema: &Schema, object: &Value, places: &BTreeMap<&str, String>) -> Written {
    let mut w = Writer { places, written: Written::default() };
    w.line(&format!("resource {} {} {{", quote(&addr.type_name), quote(&addr.name)));
    w.body(&schema.body, object, None, "");
    w.line("}");
    w.written
}

struct Writer<'a> {
    places: &'a BTreeMap<&'a str, String>,
    written: Written,
}

impl Writer<'_> {
    fn line(&mut self, text: &str) {
        self.written.text.push_str(text);
        self.written.text.push('\n');
    }

    fn body(&mut self, body: &Body, object: &Value, label: Option<&str>, path: &str) {
        for a in body.attributes.iter().filter(|a| a.set != Set::Computed && Some(a.name) != label) {
            self.attribute(a, object, path);
        }
        for b in &body.blocks {
            if let Some(value) = object.get(b.name).filter(|v| !v.is_null()) {
                self.nested(b, &value, &format!("{path}{}", b.name));
            }
        }
    }

    fn attribute(&mut self, a: &Attribute, object: &Value, path: &str) {
        let value = object.get(a.name).unwrap_or_else(Value::null_dynamic);
        if matches!(a.ty, AttrType::Ref(_)) {
            let place = self.places.get(a.name).cloned().or_else(|| value.origin().map(ToString::to_string));
            if let Some(place) = place {
                self.line(&format!("{} = {place}", a.name));
            }
            return;
        }
        if value.is_null() || [&a.default, &a.implied].into_iter().flatten().any(|d| *d == value) {
            return;
        }
        let value = if a.sensitive { value.sensitive() } else { value };
        self.entry(a.name, &value, &format!("{path}{}", a.name));
    }

    fn nested(&mut self, b: &NestedBlock, value: &Value, path: &str) {
        let labelled = match b.nesting {
            Nesting::List { label } => label,
            _ => None,
        };
        let mut one = |label: Option<&str>, object: &Value, path: &str| {
            self.line("");
            self.line(&format!("{} {}{{", b.name, label.map(|l| format!("{} ", quote(l))).unwrap_or_default()));
            self.body(&b.body, object, labelled, &format!("{path}."));
            self.line("}");
        };
        match (b.nesting, value.as_slice(), value.as_map()) {
            (Nesting::Single, _, Some(_)) => one(None, value, path),
            (Nesting::Map, _, Some(map)) => map.iter().for_each(|(k, v)| one(Some(k), v, &format!("{path}[{}]", quote(k)))),
            (Nesting::List { .. }, Some(items), _) => items.iter().enumerate().for_each(|(i, v)| {
                let label = labelled.and_then(|l| v.get_str(l));
                one(label.as_deref(), v, &format!("{path}[{i}]"));
            }),
            _ => {}
        }
    }

    /// `key = value`, or a comment where the value cannot be written.
    fn entry(&mut self, key: &str, value: &Value, path: &str) {
        // Inside of a map each entry is looked at by itself.
        let keyed = value.as_map().is_some() && !value.marks().is_sensitive();
        if value.contains_sensitive() && !keyed {
            self.line(&format!("# {key} = … is sensitive"));
            return self.written.left_out.push(path.to_string());
        }
        if !value.is_wholly_known() && !keyed {
            self.line(&format!("# {key} = … is not known"));
            return self.written.left_out.push(path.to_string());
        }
        self.written.text.push_str(&format!("{key} = "));
        self.value(value, path);
        self.line("");
    }

    fn value(&mut self, value: &Value, path: &str) {
        match value.repr() {
            Repr::Bool(b) => self.written.text.push_str(&b.to_string()),
            Repr::Number(n) => self.written.text.push_str(&n.to_string()),
            Repr::String(s) => self.written.text.push_str(&quote(s)),
            Repr::Null(_) | Repr::Unknown(_) => self.written.text.push_str("null"),
            Repr::List(_) | Repr::Set(_) | Repr::Tuple(_) => self.sequence(value.as_slice().unwrap_or_default(), path),
            Repr::Map(_) | Repr::Object(_) => {
                self.line("{");
                for (k, v) in value.as_map().into_iter().flatten().filter(|(_, v)| !v.is_null()) {
                    self.entry(&quote(k), v, &format!("{path}[{}]", quote(k)));
                }
                self.written.text.push('}');
            }
        }
    }

    /// On one line, unless there are objects in it.
    fn sequence(&mut self, items: &[Value], path: &str) {
        let broken = items.iter().any(|v| v.as_map().is_some());
        self.written.text.push_str(if broken { "[\n" } else { "[" });
        for (i, item) in items.iter().enumerate() {
            if i > 0 && !broken {
                self.written.text.push_str(", ");
            }
            self.value(item, path);
            if broken {
                self.line(",");
            }
        }
        self.written.text.push(']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Mode;
    use crate::value::Type;

    fn schema() -> Schema {
        let inner = |attributes| Body { attributes, blocks: vec![] };
        let block = |name, nesting, body| NestedBlock { name, nesting, min: 0, doc: "", body };
        Schema {
            version: 0,
            doc: "",
            body: Body {
                attributes: vec![
                    Attribute::reference("place", &["place"], ""),
                    Attribute::required("name", Type::String, ""),
                    Attribute::optional("size", Type::Number, "").default(1_i64),
                    Attribute::optional("token", Type::String, "").sensitive(),
                    Attribute::optional("config", Type::map(Type::String), ""),
                    Attribute::optional("hosts", Type::list(Type::String), ""),
                    Attribute::optional("nothing", Type::String, ""),
                    Attribute::computed("id", Type::String, ""),
                ],
                blocks: vec![
                    block("policy", Nesting::Single, inner(vec![Attribute::optional("max", Type::Number, "").default(3_i64)])),
                    block("role", Nesting::List { label: Some("kind") }, inner(vec![Attribute::optional("topic", Type::String, "")])),
                    block("mount", Nesting::Map, inner(vec![Attribute::required("path", Type::String, "")])),
                ],
            },
        }
    }

    #[test]
    fn an_object_becomes_the_block_that_would_have_made_it() {
        let map = |pairs: &[(&str, Value)]| Value::map(Type::String, pairs.iter().map(|(k, v)| ((*k).into(), v.clone())).collect());
        let role = |kind: &str| Value::object_from([("kind", kind.into()), ("topic", "t".into())]);
        let object = Value::object_from([
            ("place", Value::null_dynamic()),
            ("name", "a${b}\"".into()),
            ("size", 1_i64.into()),
            ("token", "hunter2".into()),
            ("config", map(&[("retention.ms", "5".into()), ("password", Value::string("hunter2").sensitive())])),
            ("hosts", Value::list(Type::String, vec!["x".into(), "y".into()])),
            ("nothing", Value::null(Type::String)),
            ("id", "computed".into()),
            ("policy", Value::object_from([("max", Value::from(3_i64))])),
            ("role", Value::list(Type::Dynamic, vec![role("consumer"), role("producer")])),
            ("mount", Value::map(Type::Dynamic, [("s".into(), Value::object_from([("path", Value::from("/s"))]))].into())),
        ]);
        let addr = ResourceAddr::root(Mode::Managed, "thing", "t");
        let written = block(&addr, &schema(), &object, &[("place", "place.p".to_string())].into());
        assert_eq!(written.left_out, ["token", "config[\"password\"]"]);
        let expected = r#"resource "thing" "t" {
  place = place.p
  name  = "a$${b}\""
  # token = … is sensitive
  config = {
    # "password" = … is sensitive
    "retention.ms" = "5"
  }
  hosts = ["x", "y"]

  policy {
  }

  role "consumer" {
    topic = "t"
  }

  role "producer" {
    topic = "t"
  }

  mount "s" {
    path = "/s"
  }
}
"#;
        assert_eq!(crate::lang::fmt::format(&written.text).unwrap(), expected);
    }
}
