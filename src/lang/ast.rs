//! The syntax tree that the evaluator works on: small, immutable, with a span on every node.
//!
//! It is made from hcl-edit's tree (native syntax) or from JSON. Numbers are exact, strings unescaped, heredocs dedented.

use std::sync::Arc;

use crate::diag::Span;
use crate::value::Number;

/// An identifier where it is written.
#[derive(Clone, Debug)]
pub struct Ident {
    /// The name.
    pub name: Arc<str>,
    /// Where.
    pub span: Span,
}

/// An expression with its place.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: Arc<ExprKind>,
    /// Where.
    pub span: Span,
}

/// The kinds of expression.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number literal.
    Number(Number),
    /// A string without interpolation.
    String(Arc<str>),
    /// A quoted template or heredoc with interpolations or directives.
    Template(Vec<TemplatePart>),
    /// `[a, b]`
    Tuple(Vec<Expr>),
    /// `{ a = b }`
    Object(Vec<ObjectItem>),
    /// `(a)`
    Paren(Expr),
    /// A root name followed by steps: `var.x`, `kafka_topic.orders[0].name`.
    Traversal {
        /// The root name.
        root: Ident,
        /// The steps after it.
        steps: Vec<Step>,
    },
    /// Steps on any other expression: `f(x).y`.
    Access {
        /// The expression.
        on: Expr,
        /// The steps.
        steps: Vec<Step>,
    },
    /// `c ? a : b`
    Conditional {
        /// The condition.
        cond: Expr,
        /// When true.
        yes: Expr,
        /// When false.
        no: Expr,
    },
    /// `f(a, b...)`
    Call {
        /// The name with its namespace: `streamform::bytes`.
        name: Ident,
        /// The arguments.
        args: Vec<Expr>,
        /// Whether the last argument is expanded.
        expand: bool,
    },
    /// `!a`, `-a`
    Unary(UnaryOp, Expr),
    /// `a + b`
    Binary(BinaryOp, Expr, Expr),
    /// `[for …]`, `{for …}`
    For(ForExpr),
}

/// One item of an object expression.
#[derive(Clone, Debug)]
pub struct ObjectItem {
    /// The key; a bare name is an `ExprKind::String`.
    pub key: Expr,
    /// The value.
    pub value: Expr,
}

/// One step of a traversal.
#[derive(Clone, Debug)]
pub enum Step {
    /// `.name`, or the legacy `.0`, whose name is its digits.
    Attr(Ident),
    /// `[expr]`
    Index(Expr),
    /// `.*`; the steps that follow up to a `FullSplat` or an index belong to it.
    AttrSplat(Span),
    /// `[*]`; every step that follows belongs to it.
    FullSplat(Span),
}

/// Unary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-`
    Neg,
    /// `!`
    Not,
}

/// Binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
}

/// A for-expression.
#[derive(Clone, Debug)]
pub struct ForExpr {
    /// The name of the key or index, where asked for.
    pub key_var: Option<Ident>,
    /// The name of the element.
    pub value_var: Ident,
    /// What is iterated.
    pub collection: Expr,
    /// The key of an object result; `None` gives a tuple.
    pub key: Option<Expr>,
    /// The element of the result.
    pub value: Expr,
    /// `...`: group values of one key.
    pub group: bool,
    /// `if`
    pub cond: Option<Expr>,
}

/// A piece of a template, with strip markers already applied to neighbouring literals.
#[derive(Clone, Debug)]
pub enum TemplatePart {
    /// Text.
    Literal(Arc<str>),
    /// `${expr}`
    Interp(Expr),
    /// `%{if}`
    If {
        /// The condition.
        cond: Expr,
        /// When true.
        yes: Vec<TemplatePart>,
        /// When false.
        no: Vec<TemplatePart>,
    },
    /// `%{for}`
    For {
        /// The name of the key or index.
        key_var: Option<Ident>,
        /// The name of the element.
        value_var: Ident,
        /// What is iterated.
        collection: Expr,
        /// The body.
        body: Vec<TemplatePart>,
    },
}

/// `name = expr`
#[derive(Clone, Debug)]
pub struct Attr {
    /// The name.
    pub name: Ident,
    /// The value.
    pub expr: Expr,
}

/// `type "label" { … }`
#[derive(Clone, Debug)]
pub struct Block {
    /// The block type.
    pub kind: Ident,
    /// The labels.
    pub labels: Vec<Ident>,
    /// The content.
    pub body: Body,
    /// The header: block type to the last label.
    pub span: Span,
}

/// The content of a file or block, in the order written.
#[derive(Clone, Debug)]
pub struct Body {
    /// Arguments.
    pub attrs: Vec<Attr>,
    /// Blocks.
    pub blocks: Vec<Block>,
    /// The whole.
    pub span: Span,
}

impl Body {
    /// The argument of this name.
    pub fn attr(&self, name: &str) -> Option<&Attr> {
        self.attrs.iter().find(|a| &*a.name.name == name)
    }
}
