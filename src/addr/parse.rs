//! Reading addresses from text, as they stand on a command line or in a state record.

use std::cell::RefCell;
use std::str::FromStr;
use std::sync::Arc;

use super::{InstanceAddr, InstanceKey, Mode, ModulePath, ModuleStep, ResourceAddr, Target};

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at character {at} of {text:?}")]
pub struct AddrParseError {
    /// The whole text.
    pub text: String,
    /// Where it stops being an address, counted in characters from 0.
    pub at: usize,
    /// One clause that says what was expected.
    pub reason: &'static str,
}

struct Cursor<'a> {
    text: &'a str,
    pos: usize,
}

impl<'a> Cursor<'a> {
    fn err(&self, reason: &'static str) -> AddrParseError {
        AddrParseError { text: self.text.to_string(), at: self.text[..self.pos].chars().count(), reason }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.pos..]
    }

    fn eat(&mut self, c: char) -> bool {
        let hit = self.rest().starts_with(c);
        if hit {
            self.pos += c.len_utf8();
        }
        hit
    }

    fn name(&mut self) -> Result<Arc<str>, AddrParseError> {
        let rest = self.rest();
        let end = rest
            .char_indices()
            .find(|&(i, c)| !(c == '_' || c.is_alphabetic() || (i > 0 && (c == '-' || c.is_numeric()))))
            .map_or(rest.len(), |(i, _)| i);
        if end == 0 {
            return Err(self.err("a name is expected"));
        }
        self.pos += end;
        Ok(rest[..end].into())
    }

    fn dot(&mut self) -> Result<(), AddrParseError> {
        if self.eat('.') { Ok(()) } else { Err(self.err("a dot is expected")) }
    }

    fn key(&mut self) -> Result<Option<InstanceKey>, AddrParseError> {
        if !self.eat('[') {
            return Ok(None);
        }
        let key = if self.rest().starts_with('"') { self.string_key()? } else { self.int_key()? };
        if self.eat(']') { Ok(Some(key)) } else { Err(self.err("a closing bracket is expected")) }
    }

    fn int_key(&mut self) -> Result<InstanceKey, AddrParseError> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let n = rest[..end].parse().map_err(|_| self.err("an index or a quoted key is expected"))?;
        self.pos += end;
        Ok(InstanceKey::Int(n))
    }

    fn string_key(&mut self) -> Result<InstanceKey, AddrParseError> {
        self.pos += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else { return Err(self.err("a closing quote is expected")) };
            self.pos += c.len_utf8();
            match c {
                '"' => return Ok(InstanceKey::Str(out.into())),
                '\\' => out.push(self.escape()?),
                '$' | '%' if self.rest().starts_with(c) && self.rest()[1..].starts_with('{') => {
                    self.pos += 1;
                    out.push(c);
                }
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, AddrParseError> {
        let Some(c) = self.rest().chars().next() else { return Err(self.err("an escape is expected")) };
        self.pos += c.len_utf8();
        match c {
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            '"' | '\\' => Ok(c),
            'u' => {
                let hex = self.rest().get(..4).ok_or_else(|| self.err("four hexadecimal digits are expected"))?;
                let code = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
                let c = code.ok_or_else(|| self.err("four hexadecimal digits are expected"))?;
                self.pos += 4;
                Ok(c)
            }
            _ => Err(self.err("an escape is expected")),
        }
    }

    fn target(&mut self) -> Result<Target, AddrParseError> {
        let mut steps = Vec::new();
        let mut first = self.name()?;
        while &*first == "module" {
            self.dot()?;
            let name = self.name()?;
            let key = self.key()?;
            steps.push(ModuleStep { name, key });
            if self.rest().is_empty() {
                return Ok(Target::Module(ModulePath(steps.into())));
            }
            self.dot()?;
            first = self.name()?;
        }
        let mode = if &*first == "data" { Mode::Data } else { Mode::Managed };
        if mode == Mode::Data {
            self.dot()?;
            first = self.name()?;
        }
        self.dot()?;
        let name = self.name()?;
        let resource = ResourceAddr::new(ModulePath(steps.into()), mode, first, name);
        let key = self.key()?;
        if !self.rest().is_empty() {
            return Err(self.err("the end of the address is expected"));
        }
        Ok(match key {
            Some(key) => Target::Instance(InstanceAddr { resource, key: Some(key) }),
            None => Target::Resource(resource),
        })
    }
}

impl FromStr for Target {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        Cursor { text, pos: 0 }.target()
    }
}

thread_local! {
    /// The block of which an instance was read last.
    static LAST: RefCell<Option<(String, ResourceAddr)>> = const { RefCell::new(None) };
}

/// An instance of the block of which one was read last. In a state the instances of a block follow each other, and share its address.
fn of_last_block(text: &str) -> Option<InstanceAddr> {
    LAST.with_borrow(|last| {
        let (block, resource) = last.as_ref()?;
        text.strip_prefix(block.as_str())?;
        let mut cursor = Cursor { text, pos: block.len() };
        let key = cursor.key().ok()??;
        cursor.rest().is_empty().then(|| InstanceAddr { resource: resource.clone(), key: Some(key) })
    })
}

impl FromStr for InstanceAddr {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        if let Some(addr) = of_last_block(text) {
            return Ok(addr);
        }
        match text.parse::<Target>()? {
            Target::Instance(addr) => {
                LAST.set(Some((addr.resource.to_string(), addr.resource.clone())));
                Ok(addr)
            }
            Target::Resource(resource) => Ok(InstanceAddr { resource, key: None }),
            Target::Module(_) => {
                Err(AddrParseError { text: text.to_string(), at: text.chars().count(), reason: "a resource is expected, not a module" })
            }
        }
    }
}

impl FromStr for ResourceAddr {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        let addr: InstanceAddr = text.parse()?;
        match addr.key {
            None => Ok(addr.resource),
            Some(_) => {
                Err(AddrParseError { text: text.to_string(), at: text.chars().count(), reason: "a block is expected, not one instance" })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_round_trip() {
        for text in [
            "kafka_topic.orders",
            "kafka_topic.orders[3]",
            "data.kafka_cluster.legacy",
            "module.net.kafka_topic.a",
            "module.net[\"eu\"].module.deep[0].data.secret.x[\"a.b\\\"c\"]",
            "kafka_topic.t[\"$${x}\"]",
        ] {
            let addr: InstanceAddr = text.parse().expect(text);
            assert_eq!(addr.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_says_where() {
        let err = "kafka_topic.orders[x]".parse::<InstanceAddr>().unwrap_err();
        assert_eq!(err.to_string(), "an index or a quoted key is expected at character 19 of \"kafka_topic.orders[x]\"");
        assert!("kafka_topic".parse::<InstanceAddr>().is_err());
        assert!("module.x".parse::<InstanceAddr>().is_err());
        assert!("".parse::<Target>().is_err());
    }

    #[test]
    fn instances_of_a_block_share_its_address_and_others_do_not() {
        let read = |text: &str| text.parse::<InstanceAddr>().unwrap();
        let (first, other, second) = (read("a.b[\"x[0]\"]"), read("a.bc[0]"), read("a.b[\"x[1]\"]"));
        for (addr, text) in [(&first, "a.b[\"x[0]\"]"), (&other, "a.bc[0]"), (&second, "a.b[\"x[1]\"]"), (&read("a.b"), "a.b")] {
            assert_eq!(addr.to_string(), text);
        }
        assert_eq!((&first.resource, first < second), (&second.resource, true));
        assert!(first.resource != other.resource);
        let third = read("a.b[\"y\"]");
        assert!(std::ptr::eq(&*second.resource, &*third.resource));
        for bad in ["a.b[", "a.b[x]", "a.b[0]x", "a.b[\"x]"] {
            assert!(bad.parse::<InstanceAddr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_module_target_holds_all_inside() {
        let target: Target = "module.net".parse().unwrap();
        assert!(target.contains(&"module.net[1].kafka_topic.a".parse().unwrap()));
        assert!(!target.contains(&"kafka_topic.a".parse().unwrap()));
    }

    #[test]
    fn a_target_covers_what_lies_in_it() {
        let covers = |a: &str, b: &str| a.parse::<Target>().unwrap().covers(&b.parse().unwrap());
        for (whole, part) in [
            ("module.m", "module.m[0]"),
            ("module.m", "module.m.module.n"),
            ("module.m", "module.m[0].t.a"),
            ("module.m[0]", "module.m[0].t.a[\"x\"]"),
            ("t.a", "t.a"),
            ("t.a", "t.a[0]"),
            ("module.m.t.a", "module.m[0].t.a"),
        ] {
            assert!(covers(whole, part), "{whole} {part}");
            assert_eq!(covers(part, whole), whole == part, "{part} {whole}");
        }
        for (a, b) in [("t.a", "t.b"), ("t.a[0]", "t.a[1]"), ("module.m[0]", "module.m[1].t.a"), ("t.a", "module.m.t.a")] {
            assert!(!covers(a, b) && !covers(b, a), "{a} {b}");
        }
    }
}
