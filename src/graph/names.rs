//! What to say about a name that nothing declares.

use super::{Node, NodeKind};
use crate::addr::ModulePath;
use crate::diag::codes::lang as codes;
use crate::diag::{Diagnostic, did_you_mean};
use crate::lang::config::Module;

/// The roots of references that are no resource types.
const ROOTS: [&str; 9] = ["var", "local", "module", "data", "path", "each", "count", "self", "terraform"];

/// The diagnostic for a reference by these names (`["var", "x"]`) that leads nowhere in a module.
pub fn undeclared(module: &Module, names: &[&str]) -> Diagnostic {
    let (detail, hint) = match names {
        ["each", name, ..] if !matches!(*name, "key" | "value") => {
            (format!("There is no each.{name}."), Some(one_of("each", name, &["key", "value"])))
        }
        ["count", name, ..] if *name != "index" => (format!("There is no count.{name}."), Some(one_of("count", name, &["index"]))),
        ["each", ..] => ("\"each\" can be used only in a block with \"for_each\".".into(), None),
        ["count", ..] => ("\"count\" can be used only in a block with \"count\".".into(), None),
        ["self", ..] => ("\"self\" can be used only in conditions of a resource.".into(), None),
        ["path", name, ..] => (format!("There is no path.{name}."), Some(one_of("path", name, &["module", "root", "cwd"]))),
        [root @ ("terraform" | "streamform"), name, ..] => {
            (format!("There is no {root}.{name}."), Some(one_of(root, name, &["workspace"])))
        }
        [name] => alone(module, name),
        _ => missing(module, names),
    };
    let d = Diagnostic::error(codes::UNDECLARED_REFERENCE, detail);
    match hint {
        Some(hint) => d.hint(hint),
        None => d,
    }
}

/// Whether a reference by these names leads somewhere in a module, as far as names tell.
pub fn is_declared(module: &Module, names: &[&str]) -> bool {
    match names {
        ["path", name, ..] => ["module", "root", "cwd"].contains(name),
        ["terraform" | "streamform", name, ..] => *name == "workspace",
        ["each" | "count" | "self", ..] => true,
        ["data", _, _, ..] => declared_names(module).contains(&names[..3].join(".")),
        [_, _, ..] => declared_names(module).contains(&names[..2].join(".")),
        _ => false,
    }
}

fn one_of(root: &str, name: &str, known: &[&str]) -> String {
    match did_you_mean(name, known.iter().copied()) {
        Some(near) => format!("Did you mean {root}.{near}?"),
        None => format!("There is {}.", known.iter().map(|k| format!("{root}.{k}")).collect::<Vec<_>>().join(", ")),
    }
}

fn alone(module: &Module, name: &str) -> (String, Option<String>) {
    if ROOTS.contains(&name) {
        return (format!("The name {name:?} alone refers to nothing; a name follows it, as in \"{name}.name\"."), None);
    }
    let declared = declared_names(module);
    let meant = ["var", "local"].iter().map(|root| format!("{root}.{name}")).find(|full| declared.contains(full));
    let hint = match meant {
        Some(full) => format!("Did you mean {full}?"),
        None => format!("Write {name:?} in quotes if a text is meant; values are var.NAME, local.NAME and TYPE.NAME."),
    };
    (format!("The name {name:?} alone refers to nothing."), Some(hint))
}

fn missing(module: &Module, names: &[&str]) -> (String, Option<String>) {
    let len = if names[0] == "data" { 3 } else { 2 };
    let written = names[..len.min(names.len())].join(".");
    let declared = declared_names(module);
    // A name of another kind that is called otherwise too is not what was meant.
    let alike = |d: &&String| d.split('.').next() == Some(names[0]) || d.rsplit('.').next() == written.rsplit('.').next();
    let near = did_you_mean(&written, declared.iter().filter(alike).map(String::as_str)).map(|near| format!("Did you mean {near}?"));
    let declare = || match names {
        ["var", name, ..] => Some(format!("Declare it: variable {name:?} {{ }}.")),
        ["local", name, ..] => Some(format!("Declare it in a locals block: {name} = ….")),
        ["module", name, ..] => Some(format!("Declare it: module {name:?} {{ source = … }}.")),
        ["data", ty, name, ..] => Some(format!("Declare it: data {ty:?} {name:?} {{ … }}.")),
        ["data", ..] => Some("A data source is referred to as data.TYPE.NAME.".to_string()),
        [root, name, ..] => did_you_mean(root, ROOTS).map(|r| format!("Did you mean {r}.{name}?")),
        _ => None,
    };
    (format!("Nothing declares {written} in this module."), near.or_else(declare))
}

/// Everything that a module declares and can be referred to, by its address in it.
pub fn declared_names(module: &Module) -> Vec<String> {
    let at_root = |kind| Node { module: ModulePath::root(), kind }.to_string();
    let vars = module.variables.keys().map(|n| at_root(NodeKind::Variable(n.clone())));
    let locals = module.locals.keys().map(|n| at_root(NodeKind::Local(n.clone())));
    let calls = module.calls.keys().map(|n| at_root(NodeKind::Call(n.clone())));
    let resources = module.resources.keys().map(|(m, t, n)| at_root(NodeKind::Resource(*m, t.clone(), n.clone())));
    vars.chain(locals).chain(calls).chain(resources).collect()
}
