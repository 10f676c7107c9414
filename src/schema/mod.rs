//! Schemas: what arguments a resource type, data source or provider has, with their documentation and defaults.
//!
//! A schema is plain data, written once per resource type, and read by the decoder, the differ, the state codec, `explain` and
//! the completions. What must not be here: any behaviour of one resource type.

use crate::value::{Type, Value};

/// Who sets an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// The user must.
    Required,
    /// The user may; the default (or null) stands in.
    Optional,
    /// The user may; otherwise the provider does.
    OptionalComputed,
    /// Only the provider does.
    Computed,
}

/// What an attribute holds.
#[derive(Clone, Debug, PartialEq)]
pub enum AttrType {
    /// A value of a type.
    Value(Type),
    /// A reference to the object of one of these resource types (`kafka_cluster`), managed or data. Its value is the object itself;
    /// the state keeps only the address, and a change of address replaces the resource.
    Ref(&'static [&'static str]),
}

/// One attribute.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// The argument's name.
    pub name: &'static str,
    /// What it holds.
    pub ty: AttrType,
    /// Who sets it.
    pub set: Set,
    /// Sentences for `explain`.
    pub doc: &'static str,
    /// Stands in when the user sets nothing.
    pub default: Option<Value>,
    /// The value that the type itself takes where the user sets nothing, if that also depends on others: written out it changes nothing.
    pub implied: Option<Value>,
    /// Never shown or stored; the state keeps a digest.
    pub sensitive: bool,
    /// A change cannot be made in place.
    pub force_new: bool,
    /// Not part of the state or the diff (a switch for streamform itself).
    pub transient: bool,
    /// The keys of the map are names of real things (files, settings, users), which plans and the state show: they must not be sensitive.
    pub names_things: bool,
}

impl Attribute {
    fn new(name: &'static str, ty: AttrType, set: Set, doc: &'static str) -> Self {
        Attribute {
            name,
            ty,
            set,
            doc,
            default: None,
            implied: None,
            sensitive: false,
            force_new: false,
            transient: false,
            names_things: false,
        }
    }

    /// An argument that must be set.
    pub fn required(name: &'static str, ty: Type, doc: &'static str) -> Self {
        Self::new(name, AttrType::Value(ty), Set::Required, doc)
    }

    /// An argument that may be set.
    pub fn optional(name: &'static str, ty: Type, doc: &'static str) -> Self {
        Self::new(name, AttrType::Value(ty), Set::Optional, doc)
    }

    /// An attribute that the provider sets.
    pub fn computed(name: &'static str, ty: Type, doc: &'static str) -> Self {
        Self::new(name, AttrType::Value(ty), Set::Computed, doc)
    }

    /// An argument that the provider sets where the user does not.
    pub fn optional_computed(name: &'static str, ty: Type, doc: &'static str) -> Self {
        Self::new(name, AttrType::Value(ty), Set::OptionalComputed, doc)
    }

    /// A required reference to another resource's object.
    pub fn reference(name: &'static str, types: &'static [&'static str], doc: &'static str) -> Self {
        Self::new(name, AttrType::Ref(types), Set::Required, doc).force_new()
    }

    /// With a default.
    pub fn default(mut self, v: impl Into<Value>) -> Self {
        self.default = Some(v.into());
        self
    }

    /// With a value that the type takes where nothing is set: see [`Attribute::implied`].
    pub fn implied(mut self, v: impl Into<Value>) -> Self {
        self.implied = Some(v.into());
        self
    }

    /// Sensitive.
    pub fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// A change replaces the object.
    pub fn force_new(mut self) -> Self {
        self.force_new = true;
        self
    }

    /// Not kept.
    pub fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    /// A map whose keys are shown, also where its values are not.
    pub fn names_things(mut self) -> Self {
        self.names_things = true;
        self
    }

    /// Optional instead of required.
    pub fn or_none(mut self) -> Self {
        self.set = Set::Optional;
        self
    }
}

/// How often a nested block may stand, and what its value looks like in the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    /// At most once: an object, or null.
    Single,
    /// Any number: a list of objects (a tuple type is never used). A label becomes the attribute named here.
    List {
        /// The attribute that holds the block's label, for blocks that have one.
        label: Option<&'static str>,
    },
    /// Any number, told apart by a unique label: a map of objects.
    Map,
}

/// A nested block type.
#[derive(Clone, Debug)]
pub struct NestedBlock {
    /// The block type's name.
    pub name: &'static str,
    /// How it nests.
    pub nesting: Nesting,
    /// At least this many.
    pub min: usize,
    /// Sentences for `explain`.
    pub doc: &'static str,
    /// What it holds.
    pub body: Body,
}

/// The content of a block: attributes and nested blocks. The decoded value is an object with one attribute for each.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// The attributes in documentation order.
    pub attributes: Vec<Attribute>,
    /// The nested blocks in documentation order.
    pub blocks: Vec<NestedBlock>,
}

impl Body {
    /// The attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|a| a.name == name)
    }

    /// The nested block of this name.
    pub fn block(&self, name: &str) -> Option<&NestedBlock> {
        self.blocks.iter().find(|b| b.name == name)
    }

    /// The type of the decoded object. A reference is dynamic.
    pub fn ty(&self) -> Type {
        let attrs = self.attributes.iter().map(|a| {
            (
                a.name,
                match &a.ty {
                    AttrType::Value(t) => t.clone(),
                    AttrType::Ref(_) => Type::Dynamic,
                },
            )
        });
        let blocks = self.blocks.iter().map(|b| (b.name, b.ty()));
        Type::object(attrs.chain(blocks))
    }
}

impl NestedBlock {
    /// The type of the attribute that stands for this block.
    pub fn ty(&self) -> Type {
        match self.nesting {
            Nesting::Single => self.body.ty(),
            Nesting::Map => Type::map(self.body.ty()),
            Nesting::List { label } => {
                let Type::Object(o) = self.body.ty() else { return Type::Dynamic };
                let label = label.map(|l| (l.into(), Type::String));
                Type::list(Type::object(o.attrs.clone().into_iter().chain(label)))
            }
        }
    }
}

/// A resource type's or data source's schema.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// Raised when the stored form changes.
    pub version: u32,
    /// Paragraphs for `explain`.
    pub doc: &'static str,
    /// The arguments.
    pub body: Body,
}
