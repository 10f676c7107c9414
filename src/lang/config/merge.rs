//! Override files: their blocks change what other files declare, argument by argument.

use crate::diag::codes::config::{NOTHING_TO_OVERRIDE, UNSUPPORTED_ARGUMENT, UNSUPPORTED_BLOCK};
use crate::diag::{Diagnostic, Diagnostics};
use crate::lang::ast::{Attr, Block, Body};

/// Applies the blocks of an override file.
pub(super) fn apply(base: &mut Body, over: Body, diags: &mut Diagnostics) {
    base.attrs.extend(over.attrs);
    for block in over.blocks {
        match &*block.kind.name {
            "locals" => locals(base, block, diags),
            kind @ ("moved" | "removed" | "import") => {
                let d = Diagnostic::error(UNSUPPORTED_BLOCK, format!("A {kind:?} block cannot stand in an override file."));
                diags.push(d.at(block.span).hint("Move it to another file."));
            }
            _ => one(base, block, diags),
        }
    }
}

fn locals(base: &mut Body, over: Block, diags: &mut Diagnostics) {
    for attr in over.body.attrs {
        let mut all = base.blocks.iter_mut().filter(|b| &*b.kind.name == "locals").flat_map(|b| b.body.attrs.iter_mut());
        match all.find(|a| a.name.name == attr.name.name) {
            Some(found) => *found = attr,
            None => nothing(&format!("local value {:?}", attr.name.name), attr.name.span, diags),
        }
    }
}

fn nothing(what: &str, span: crate::diag::Span, diags: &mut Diagnostics) {
    let d = Diagnostic::error(NOTHING_TO_OVERRIDE, format!("No other file of this module declares the {what}."));
    diags.push(d.at(span).hint("An override file only changes what other files declare: declare it there."));
}

fn one(base: &mut Body, over: Block, diags: &mut Diagnostics) {
    if let Some(attr) = over.body.attrs.iter().find(|a| &*a.name.name == "depends_on") {
        let d = Diagnostic::error(UNSUPPORTED_ARGUMENT, "The argument \"depends_on\" cannot be overridden.").at(attr.name.span);
        diags.push(d.hint("Change it where the block is declared."));
    }
    let found = base.blocks.iter_mut().find(|b| same(b, &over));
    match found {
        Some(found) => merge(&mut found.body, over.body),
        // The settings may stand in an override file alone.
        None if &*over.kind.name == "streamform" => base.blocks.push(over),
        None => {
            let labels: Vec<String> = over.labels.iter().map(|l| format!("{:?}", l.name)).collect();
            nothing(&format!("{} {}", over.kind.name, labels.join(" ")), over.span, diags);
        }
    }
}

fn same(a: &Block, b: &Block) -> bool {
    let labels = a.labels.iter().map(|l| &l.name).eq(b.labels.iter().map(|l| &l.name));
    let alias = |x: &Block| x.body.attr("alias").map(|e| format!("{:?}", crate::lang::config::args::literal(&e.expr)));
    a.kind.name == b.kind.name && labels && (&*a.kind.name != "provider" || alias(a) == alias(b))
}

/// Arguments replace, nested blocks replace all of their kind; only `lifecycle` is merged.
fn merge(base: &mut Body, over: Body) {
    for attr in over.attrs {
        put(&mut base.attrs, attr);
    }
    let (lifecycle, others): (Vec<Block>, Vec<Block>) = over.blocks.into_iter().partition(|b| &*b.kind.name == "lifecycle");
    base.blocks.retain(|b| !others.iter().any(|o| o.kind.name == b.kind.name));
    base.blocks.extend(others);
    for block in lifecycle {
        match base.blocks.iter_mut().find(|b| &*b.kind.name == "lifecycle") {
            Some(found) => merge(&mut found.body, block.body),
            None => base.blocks.push(block),
        }
    }
}

fn put(attrs: &mut Vec<Attr>, attr: Attr) {
    let rival = match &*attr.name.name {
        "count" => "for_each",
        "for_each" => "count",
        _ => "",
    };
    attrs.retain(|a| &*a.name.name != rival);
    match attrs.iter_mut().find(|a| a.name.name == attr.name.name) {
        Some(found) => *found = attr,
        None => attrs.push(attr),
    }
}
