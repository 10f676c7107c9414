//! Reads the blocks of one module: which there are, what labels and arguments they take, what excludes what.

use std::collections::HashMap;
use std::sync::Arc;

use super::args::{Args, check_name, labels, literal, unique_deep};
use super::types::parse_type;
use super::*;
use crate::diag::codes::config::*;
use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::lang::ast::{Block, ExprKind, Step};
use crate::lang::eval::refs::{Reference, references};
use crate::lang::eval::types;

/// Names that a module block uses itself.
const RESERVED_VARIABLES: [&str; 8] = ["source", "version", "providers", "count", "for_each", "lifecycle", "depends_on", "locals"];

/// The blocks that a file may have.
const TOP_LEVEL: [&str; 12] =
    ["variable", "locals", "output", "resource", "data", "module", "provider", "check", "moved", "removed", "import", "streamform"];

/// What a reference to something other than a resource starts with.
const NOT_RESOURCES: [&str; 10] = ["var", "local", "module", "data", "each", "count", "self", "path", "terraform", "streamform"];

/// A call whose module is still to be loaded.
pub(super) struct Call {
    pub(super) call: ModuleCall,
    pub(super) source_span: Span,
}

/// Reads the blocks of a module, files merged.
pub(super) fn read(body: Body, diags: &mut Diagnostics) -> (Module, Vec<Call>) {
    let mut reader = Reader { module: Module::default(), calls: vec![], aliases: HashMap::new(), diags };
    for attr in &body.attrs {
        let d = Diagnostic::error(UNSUPPORTED_ARGUMENT, format!("An argument named {:?} is not expected outside a block.", attr.name.name));
        reader.diags.push(d.at(attr.name.span).hint("Values of variables are set in a variable file; named values in a locals block."));
    }
    for block in body.blocks {
        reader.block(block);
    }
    (reader.module, reader.calls)
}

struct Reader<'d> {
    module: Module,
    calls: Vec<Call>,
    aliases: HashMap<(Arc<str>, Option<Arc<str>>), Span>,
    diags: &'d mut Diagnostics,
}

/// `count` or `for_each`, not both.
fn repetition(args: &mut Args<'_>) -> Repetition {
    match (args.attr("count"), args.attr("for_each")) {
        (Some(count), Some(each)) => {
            let d = Diagnostic::error(CONFLICTING_ARGUMENTS, "The arguments \"count\" and \"for_each\" exclude each other.");
            args.diags.push(d.at(each.name.span).also(count.name.span, "count is set here").hint("Keep one of the two."));
            Repetition::ForEach(each.expr)
        }
        (Some(count), None) => Repetition::Count(count.expr),
        (None, Some(each)) => Repetition::ForEach(each.expr),
        (None, None) => Repetition::One,
    }
}

fn depends_on(args: &mut Args<'_>) -> Vec<Expr> {
    let found = args.expr("depends_on").map(|e| refs::list(e, "depends_on", args.diags)).unwrap_or_default();
    found.iter().for_each(|e| refs::whole(e, args.diags));
    found
}

/// What to use instead, for whoever reads the warning.
fn deprecated(args: &mut Args<'_>) -> Option<String> {
    let (text, span) = args.text("deprecated")?;
    if text.trim().is_empty() {
        let d = Diagnostic::error(INVALID_ARGUMENT, "The argument \"deprecated\" must say what to use instead.");
        args.diags.push(d.at(span).hint("Write a sentence, such as \"Use name instead.\"."));
        return None;
    }
    Some(text)
}

fn conditions(args: &mut Args<'_>, kind: &'static str) -> Vec<Condition> {
    let blocks = args.blocks(kind);
    blocks.into_iter().filter_map(|b| condition(b, args.diags)).collect()
}

pub(super) fn condition(block: Block, diags: &mut Diagnostics) -> Option<Condition> {
    let mut args = Args::new(block.body, &block.kind.name, block.span, diags);
    let (condition, message) = (args.required("condition"), args.required("error_message"));
    args.finish();
    let condition = condition?;
    // A rule of a variable is asked for more: that it looks at the variable.
    if &*block.kind.name != "validation" && references(&condition).is_empty() {
        let d = Diagnostic::error(INVALID_REFERENCE, "The condition refers to nothing, so it checks nothing.");
        diags.push(d.at(condition.span).hint("Let it look at an object, a variable or a local value."));
    }
    Some(Condition { condition, error_message: message?, span: block.span })
}

impl Reader<'_> {
    fn block(&mut self, block: Block) {
        match &*block.kind.name {
            "variable" => self.variable(block),
            "locals" => self.locals(block),
            "output" => self.output(block),
            "resource" => self.resource(block, Mode::Managed),
            "data" => self.resource(block, Mode::Data),
            "module" => self.call(block),
            "provider" => self.provider(block),
            "check" => self.check(block),
            "moved" => self.moved(block),
            "removed" => self.removed(block),
            "import" => self.import(block),
            "streamform" => self.settings(block),
            "terraform" => self.diags.push(
                Diagnostic::error(TERRAFORM_BLOCK, "streamform reads its settings from a block named \"streamform\".")
                    .at(block.kind.span)
                    .hint("Write streamform { required_version = \">= 0.1\" }; providers need no declaration, and a backend block goes inside it."),
            ),
            kind => {
                let mut d = Diagnostic::error(UNSUPPORTED_BLOCK, format!("Blocks of type {kind:?} are not expected here."));
                if let Some(near) = did_you_mean(kind, TOP_LEVEL) {
                    d = d.hint(format!("Did you mean {near:?}?"));
                }
                self.diags.push(d.at(block.kind.span));
            }
        }
    }

    fn duplicate(&mut self, what: &str, name: &str, at: Span, first: Span) {
        let detail = format!("The {what} {name:?} is declared twice in this module.");
        let d = Diagnostic::error(DUPLICATE, detail).at(at).also(first, "first declared here");
        self.diags.push(d.hint("Rename or remove one of them."));
    }

    /// A default must fit whether it is used or not, and so must the defaults inside the type.
    fn check_default(&mut self, variable: &Variable) {
        // Where it is no type at all, that has been said.
        let named = variable.type_expr.as_ref().filter(|t| parse_type(t).is_ok());
        if let Some(Err(d)) = named.map(types::parse_type) {
            return self.diags.push(d);
        }
        if variable.default.as_ref().is_some_and(|d| variable.nullable || !matches!(literal(d), ExprKind::Null)) {
            super::variables::value_of(variable, None, None, &types::constants(), self.diags);
        }
    }

    fn check_validations(&mut self, variable: &Variable) {
        let name = &*variable.name.name;
        let own = |r: &Reference| &*r.root.name == "var" && r.names().first() == Some(&name);
        for validation in variable.validations.iter().filter(|v| !references(&v.condition).iter().any(own)) {
            let d = Diagnostic::error(INVALID_REFERENCE, format!("The condition must look at the variable that it validates, var.{name}."));
            self.diags
                .push(d.at(validation.condition.span).hint("Put a condition on something else into a check block or a precondition."));
        }
    }

    fn variable(&mut self, block: Block) {
        let Some([name]) = labels(&block, self.diags) else { return };
        check_name(&name, self.diags);
        if RESERVED_VARIABLES.contains(&&*name.name) {
            let detail = format!("The variable name {:?} is reserved: a module block uses it itself.", name.name);
            self.diags.push(Diagnostic::error(INVALID_NAME, detail).at(name.span).hint("Choose another name."));
        }
        let mut args = Args::new(block.body, "variable", block.span, self.diags);
        let type_expr = args.expr("type");
        let ty = type_expr.as_ref().map_or(Ok(Type::Dynamic), parse_type).unwrap_or_else(|d| {
            args.diags.append(d);
            Type::Dynamic
        });
        let variable = Variable {
            ty,
            type_expr,
            default: args.expr("default"),
            description: args.text("description").map(|t| t.0),
            sensitive: args.flag("sensitive").unwrap_or(false),
            ephemeral: args.flag("ephemeral").unwrap_or(false),
            nullable: args.flag("nullable").unwrap_or(true),
            deprecated: deprecated(&mut args),
            validations: conditions(&mut args, "validation"),
            name: name.clone(),
        };
        args.finish();
        self.check_default(&variable);
        self.check_validations(&variable);
        if let (false, Some(default)) = (variable.nullable, &variable.default)
            && matches!(literal(default), ExprKind::Null)
        {
            let d = Diagnostic::error(INVALID_ARGUMENT, "The default cannot be null, since the variable is not nullable.");
            self.diags.push(d.at(default.span).hint("Remove nullable = false, or give a default that is not null."));
        }
        match self.module.variables.get(&name.name).map(|v| v.name.span) {
            Some(first) => self.duplicate("variable", &name.name, name.span, first),
            None => {
                self.module.variables.insert(name.name, variable);
            }
        }
    }

    fn locals(&mut self, block: Block) {
        if labels::<0>(&block, self.diags).is_none() {
            return;
        }
        let args = Args::new(block.body, "locals", block.span, self.diags);
        for attr in args.rest_attrs(block.span).attrs {
            check_name(&attr.name, self.diags);
            match self.module.locals.get(&attr.name.name).map(|e| e.span) {
                Some(first) => self.duplicate("local value", &attr.name.name, attr.name.span, first),
                None => {
                    self.module.locals.insert(attr.name.name, attr.expr);
                }
            }
        }
    }

    fn output(&mut self, block: Block) {
        let Some([name]) = labels(&block, self.diags) else { return };
        check_name(&name, self.diags);
        let mut args = Args::new(block.body, "output", block.span, self.diags);
        let value = args.required("value");
        let description = args.text("description").map(|t| t.0);
        let (sensitive, ephemeral) = (args.flag("sensitive").unwrap_or(false), args.flag("ephemeral").unwrap_or(false));
        let deprecated = deprecated(&mut args);
        let (depends_on, preconditions) = (depends_on(&mut args), conditions(&mut args, "precondition"));
        args.finish();
        let Some(value) = value else { return };
        let output = Output { name: name.clone(), value, description, sensitive, ephemeral, deprecated, depends_on, preconditions };
        match self.module.outputs.get(&name.name).map(|o| o.name.span) {
            Some(first) => self.duplicate("output", &name.name, name.span, first),
            None => {
                self.module.outputs.insert(name.name, output);
            }
        }
    }

    fn resource(&mut self, block: Block, mode: Mode) {
        if let Some(resource) = resource(block, mode, self.diags) {
            self.add(resource);
        }
    }

    fn add(&mut self, resource: ResourceBlock) {
        let mode = resource.mode;
        let key = (mode, resource.type_name.name.clone(), resource.name.name.clone());
        match self.module.resources.get(&key).map(|r| r.span) {
            Some(first) => {
                let what = if mode == Mode::Managed { "resource" } else { "data source" };
                self.duplicate(what, &format!("{}.{}", key.1, key.2), resource.span, first);
            }
            None => {
                self.module.resources.insert(key, resource);
            }
        }
    }

    fn call(&mut self, block: Block) {
        let Some([name]) = labels(&block, self.diags) else { return };
        check_name(&name, self.diags);
        let mut args = Args::new(block.body, "module", block.span, self.diags);
        let source = args.required_text("source");
        if let Some(version) = args.attr("version") {
            let d = Diagnostic::error(
                UNSUPPORTED_ARGUMENT,
                "A module version is for registries, and streamform modules come from folders and git.",
            );
            args.diags.push(d.at(version.name.span).hint("Remove it; for git, put ?ref=TAG at the end of the source."));
        }
        let providers = args.expr("providers").map(|e| providers::map(&e, args.diags)).unwrap_or_default();
        let repetition = repetition(&mut args);
        let depends_on = depends_on(&mut args);
        let inputs = args.rest_attrs(block.span);
        let Some((source, source_span)) = source else {
            self.module.unread.insert(name.name);
            return;
        };
        if let Some(first) = self.calls.iter().find(|c| c.call.name.name == name.name).map(|c| c.call.name.span) {
            return self.duplicate("module call", &name.name, name.span, first);
        }
        let module = Arc::default();
        let call = ModuleCall { name, source, span: block.span, repetition, depends_on, providers, inputs, module };
        self.calls.push(Call { call, source_span });
    }

    fn provider(&mut self, block: Block) {
        let Some([name]) = labels(&block, self.diags) else { return };
        check_name(&name, self.diags);
        let mut args = Args::new(block.body, "provider", block.span, self.diags);
        let alias = args.text("alias").map(|(text, span)| Ident { name: text.into(), span });
        let for_each = args.attr("for_each");
        if let (Some(each), None) = (&for_each, &alias) {
            let d = Diagnostic::error(CONFLICTING_ARGUMENTS, "A provider with for_each needs an alias.");
            args.diags.push(d.at(each.name.span).hint("Add alias = \"name\"."));
        }
        let mut body = args.rest(block.span);
        unique_deep(&mut body, self.diags);
        alias.iter().for_each(|a| check_name(a, self.diags));
        let key = (name.name.clone(), alias.as_ref().map(|a| a.name.clone()));
        if let Some(first) = self.aliases.get(&key).copied() {
            let shown = key.1.as_ref().map_or(key.0.to_string(), |a| format!("{}.{a}", key.0));
            return self.duplicate("provider configuration", &shown, block.span, first);
        }
        self.aliases.insert(key, block.span);
        self.module.providers.push(ProviderBlock { name, alias, for_each: for_each.map(|a| a.expr), body });
    }

    fn check(&mut self, block: Block) {
        let Some([name]) = labels(&block, self.diags) else { return };
        check_name(&name, self.diags);
        let mut args = Args::new(block.body, "check", block.span, self.diags);
        let mut data = args.labelled("data").into_iter();
        let first = data.next().and_then(|b| resource(b, Mode::Data, args.diags));
        for again in data {
            args.diags.push(Diagnostic::error(DUPLICATE, "A \"check\" block may hold one data block.").at(again.span));
        }
        let first = first.map(|b| ResourceBlock { in_check: Some(name.name.clone()), ..b });
        let asserts = conditions(&mut args, "assert");
        if asserts.is_empty() {
            let d = Diagnostic::error(MISSING_BLOCK, "A \"check\" block needs at least one \"assert\" block.");
            args.diags.push(d.at(block.span).hint("Add assert { condition = …  error_message = … }."));
        }
        args.finish();
        match self.module.checks.get(&name.name).map(|c| c.name.span) {
            Some(first) => self.duplicate("check", &name.name, name.span, first),
            None => {
                self.module.checks.insert(name.name.clone(), Check { name, asserts });
            }
        }
        if let Some(data) = first {
            self.add(data);
        }
    }

    fn moved(&mut self, block: Block) {
        labels::<0>(&block, self.diags);
        let mut args = Args::new(block.body, "moved", block.span, self.diags);
        let from = args.required("from").and_then(|e| refs::target(&e, "from", args.diags));
        let to = args.required("to").and_then(|e| refs::target(&e, "to", args.diags));
        args.finish();
        let (Some(from), Some(to)) = (from, to) else { return };
        let fits = match (resource_of(&from), resource_of(&to)) {
            (None, None) => true,
            (Some(a), Some(b)) => a.mode == Mode::Managed && b.mode == Mode::Managed && a.type_name == b.type_name,
            _ => false,
        };
        if !fits {
            let d =
                Diagnostic::error(INVALID_REFERENCE, format!("{from} cannot become {to}: both must be modules, or resources of one type."));
            self.diags.push(d.at(block.span));
            return;
        }
        self.module.moved.push(Moved { from, to, span: block.span });
    }

    fn removed(&mut self, block: Block) {
        labels::<0>(&block, self.diags);
        let mut args = Args::new(block.body, "removed", block.span, self.diags);
        let from = args.required("from");
        let target = from.as_ref().and_then(|e| refs::target(e, "from", args.diags));
        let mut destroy = true;
        if let Some(lifecycle) = args.block("lifecycle") {
            let mut inner = Args::new(lifecycle.body, "lifecycle", lifecycle.span, args.diags);
            destroy = inner.flag("destroy").unwrap_or(true);
            inner.finish();
        }
        args.finish();
        let (Some(from), Some(target)) = (from, target) else { return };
        match target {
            target if removable(&target) => self.module.removed.push(Removed { from: target, destroy, span: block.span }),
            other => {
                let d = Diagnostic::error(
                    INVALID_REFERENCE,
                    format!("{other} is not what a removed block names: a resource block or a module."),
                );
                self.diags.push(d.at(from.span).hint("Name the resource or the module without instance keys."));
            }
        }
    }

    fn import(&mut self, block: Block) {
        labels::<0>(&block, self.diags);
        let mut args = Args::new(block.body, "import", block.span, self.diags);
        let to = args.required("to").and_then(|e| refs::one(&e, "to", args.diags));
        let id = args.required("id");
        let for_each = args.expr("for_each");
        let within = args.expr("within").and_then(|e| Some((refs::target(&e, "within", args.diags)?, e.span)));
        let provider = provider(&mut args);
        args.finish();
        if let (Some(to), Some(id)) = (to, id) {
            self.module.imports.push(Import { to, id, for_each, within, provider, span: block.span });
        }
    }

    fn settings(&mut self, block: Block) {
        labels::<0>(&block, self.diags);
        let mut args = Args::new(block.body, "streamform", block.span, self.diags);
        let required = args.text("required_version");
        let backends = args.labelled("backend");
        let required_providers = args.block("required_providers");
        args.finish();
        if let Some(block) = required_providers {
            self.module.settings.aliases = providers::required(block, self.diags);
        }
        if let Some((text, span)) = required {
            self.required_version(&text, span);
            self.module.settings.required_version = Some((text, span));
        }
        for backend in backends {
            let Some([kind]) = labels(&backend, self.diags) else { continue };
            let mut body = backend.body;
            unique_deep(&mut body, self.diags);
            match &self.module.settings.backend {
                Some((first, _)) => self.duplicate("backend", &kind.name, kind.span, first.span),
                None => self.module.settings.backend = Some((kind, body)),
            }
        }
    }

    fn required_version(&mut self, text: &str, span: Span) {
        let own = env!("CARGO_PKG_VERSION");
        let d = match version::satisfies(own, text) {
            Ok(true) => return,
            Ok(false) => Diagnostic::error(UNSUPPORTED_VERSION, format!("This is streamform {own}, and the module requires {text}."))
                .hint("Use a streamform of that version, or change required_version."),
            Err(part) => Diagnostic::error(INVALID_VERSION, format!("{part:?} is not a version constraint."))
                .hint("Write constraints such as \">= 0.1, < 2.0\" or \"~> 0.1\"."),
        };
        self.diags.push(d.at(span));
    }
}

/// Whether a `removed` block may name it: a resource or a module, without instance keys.
fn removable(target: &Target) -> bool {
    let plain = |m: &ModulePath| m.0.iter().all(|s| s.key.is_none());
    match target {
        Target::Resource(r) => r.mode == Mode::Managed && plain(&r.module),
        Target::Module(m) => plain(m),
        Target::Instance(_) => false,
    }
}

fn resource_of(target: &Target) -> Option<&ResourceAddr> {
    match target {
        Target::Module(_) => None,
        Target::Resource(r) => Some(r),
        Target::Instance(i) => Some(&i.resource),
    }
}

/// A resource or data block. `_ { … }` holds arguments whose names are meta-arguments.
fn resource(block: Block, mode: Mode, diags: &mut Diagnostics) -> Option<ResourceBlock> {
    let [type_name, name] = labels(&block, diags)?;
    check_name(&type_name, diags);
    check_name(&name, diags);
    let body_span = block.body.span;
    let mut args = Args::new(block.body, &block.kind.name, block.span, diags);
    let repetition = repetition(&mut args);
    let provider = provider(&mut args);
    let depends_on = depends_on(&mut args);
    let lifecycle = args.block("lifecycle").map(|b| lifecycle(b, mode, args.diags)).unwrap_or_default();
    let timeouts = args.block("timeouts").map(|b| timeouts(b, args.diags)).unwrap_or_default();
    args.refuse_block("provisioner", "Describe the object as a resource of its own.");
    args.refuse_block("connection", "It belongs to provisioners, which streamform does not have.");
    args.refuse_argument("lifecycle");
    args.refuse_argument("timeouts");
    let escaped = args.block("_");
    let mut body = args.rest(body_span);
    if let Some(escaped) = escaped {
        body.attrs.extend(escaped.body.attrs);
        body.blocks.extend(escaped.body.blocks);
    }
    unique_deep(&mut body, diags);
    Some(ResourceBlock {
        mode,
        type_name,
        name,
        span: block.span,
        repetition,
        provider,
        depends_on,
        lifecycle,
        in_check: None,
        timeouts,
        body,
    })
}

fn provider(args: &mut Args<'_>) -> Option<ProviderRef> {
    let written = args.expr("provider")?;
    providers::reference(&written, args.diags)
}

fn timeouts(block: Block, diags: &mut Diagnostics) -> Vec<(Ident, Expr)> {
    let args = Args::new(block.body, "timeouts", block.span, diags);
    args.rest_attrs(block.span).attrs.into_iter().map(|a| (a.name, a.expr)).collect()
}

fn lifecycle(block: Block, mode: Mode, diags: &mut Diagnostics) -> Lifecycle {
    let mut args = Args::new(block.body, "lifecycle", block.span, diags);
    let mut out = Lifecycle {
        preconditions: conditions(&mut args, "precondition"),
        postconditions: conditions(&mut args, "postcondition"),
        ..Lifecycle::default()
    };
    if mode == Mode::Managed {
        out.create_before_destroy = args.flag("create_before_destroy").unwrap_or(false);
        out.prevent_destroy = args.expr("prevent_destroy");
        if let Some(expr) = args.expr("ignore_changes") {
            match literal(&expr) {
                ExprKind::Traversal { root, steps } if steps.is_empty() && &*root.name == "all" => out.ignore_all = true,
                _ => out.ignore_changes = ignored(expr, args.diags),
            }
        }
        out.replace_triggered_by = args.expr("replace_triggered_by").map(|e| triggers(e, args.diags)).unwrap_or_default();
    }
    args.finish();
    out
}

/// Resources, their instances and attributes, with keys that are known before anything is evaluated or are the block's own.
fn triggers(expr: Expr, diags: &mut Diagnostics) -> Vec<Expr> {
    let mut list = refs::list(expr, "replace_triggered_by", diags);
    list.retain(|item| {
        let ExprKind::Traversal { root, steps } = literal(item) else { return false };
        let named = !NOT_RESOURCES.contains(&&*root.name) && matches!(steps.first(), Some(Step::Attr(_)));
        let fits = named && steps.iter().all(|s| matches!(s, Step::Attr(_)) || matches!(s, Step::Index(i) if is_key(i)));
        if !fits {
            let detail = "The argument \"replace_triggered_by\" takes resources, their instances and their attributes.";
            let hint = "Write kafka_topic.orders, kafka_topic.orders[each.key] or kafka_topic.orders.config; a value can go through a null_resource.";
            diags.push(Diagnostic::error(INVALID_REFERENCE, detail).at(item.span).hint(hint));
        }
        fits
    });
    list
}

/// A literal, `each.key` or `count.index`.
fn is_key(e: &Expr) -> bool {
    match literal(e) {
        ExprKind::String(_) | ExprKind::Number(_) => true,
        ExprKind::Traversal { root, steps } => match &steps[..] {
            [Step::Attr(name)] => matches!((&*root.name, &*name.name), ("each", "key") | ("count", "index")),
            _ => false,
        },
        _ => false,
    }
}

fn ignored(expr: Expr, diags: &mut Diagnostics) -> Vec<Expr> {
    let list = refs::list(expr, "ignore_changes", diags);
    for item in &list {
        if let ExprKind::Traversal { steps, .. } = literal(item)
            && steps.iter().any(|s| matches!(s, Step::AttrSplat(_) | Step::FullSplat(_)))
        {
            let d = Diagnostic::error(INVALID_REFERENCE, "A splat cannot stand in \"ignore_changes\".");
            diags.push(d.at(item.span).hint("Name the attribute that holds the list."));
        }
    }
    list
}
