//! Provider configurations: whether what is named is there, whether settings are sound, and which instances `for_each` gives.
//!
//! No resource type of this version takes settings from its provider, so nothing waits for them: they are evaluated when all else is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::Walker;
use super::statements::modules;
use crate::addr::{ModulePath, ResourceAddr};
use crate::diag::codes::{config as codes, lang as lang_codes};
use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::lang::config::{Module, ModuleCall, ProviderBlock, ProviderRef, Repetition};
use crate::lang::eval::{Scope, body, eval};
use crate::plan::evaluate::{context, repetition};
use crate::plan::world::Expansion;
use crate::resource::{providers, registry};

/// Where a connection is written, for those who look for it in a provider, as other tools have it.
const CONNECTIONS: &str = "A provider holds no connection: each cluster has its own. Write data \"kafka_cluster\" \"main\" { bootstrap_servers = \
                           [\"host:9092\"] }, and cluster = data.kafka_cluster.main in its topics.";

/// The configurations that a module can name, and whether they have `for_each`.
type Configurations = BTreeMap<String, bool>;

/// The keys of configurations with `for_each` in one module instance; none where they could not be told.
type Instances = HashMap<String, Option<BTreeSet<Arc<str>>>>;

impl<'a> Walker<'a> {
    /// Checks all names. Nothing is evaluated.
    pub(super) fn provider_names(&mut self) {
        for (_, module) in modules(&self.inputs.config.root) {
            names(module, &mut self.diags);
        }
    }

    /// Evaluates what provider blocks say, and which instance each key means.
    pub(super) fn provider_values(&mut self) {
        let mut diags = Diagnostics::new();
        for (path, module) in modules(&self.inputs.config.root) {
            let keyed = |r: &ProviderRef| r.key.is_some();
            let named = module.resources.values().filter_map(|r| r.provider.as_ref());
            let passed = module.calls.values().flat_map(|c| c.providers.iter().map(|(_, meant)| meant));
            if module.providers.is_empty() && !named.chain(passed).any(keyed) {
                continue;
            }
            for at in self.world.module_instances(&path) {
                let instances = self.configurations(&at, module, &mut diags);
                self.keys_of_blocks(&at, module, &instances, &mut diags);
                self.keys_of_calls(&at, module, &instances, &mut diags);
            }
        }
        self.diags.append(diags);
    }

    fn configurations(&self, at: &ModulePath, module: &'a Module, diags: &mut Diagnostics) -> Instances {
        let cx = context(self.inputs, &module.dir);
        let mut out = Instances::new();
        for block in &module.providers {
            let Some(provider) = providers::find(&block.name.name) else { continue };
            let expansion = match &block.for_each {
                Some(e) => repetition(&Repetition::ForEach(e.clone()), &self.world.scope(at), &cx, diags),
                None => Expansion::One,
            };
            for (key, each) in expansion.keys() {
                let scope = self.world.scope(at).repeated(key, each);
                let mut found = Diagnostics::new();
                let settings = body::decode(&block.body, &provider.settings, &scope, &cx, &mut found);
                let no_connection =
                    |d: Diagnostic| match d.code == lang_codes::UNSUPPORTED_ARGUMENT && provider.settings.attributes.is_empty() {
                        true => d.hint(CONNECTIONS),
                        false => d,
                    };
                diags.extend(found.into_iter().map(no_connection));
                self.inputs.redactor.learn(&settings);
            }
            if block.for_each.is_some() {
                let keys = match expansion {
                    Expansion::Each(m) => Some(m.keys().cloned().collect()),
                    Expansion::One | Expansion::Count(_) => Some(BTreeSet::new()),
                    Expansion::Failed | Expansion::StandIn => None,
                };
                out.insert(block.configuration(), keys);
            }
        }
        out
    }

    fn keys_of_blocks(&self, at: &ModulePath, module: &'a Module, instances: &Instances, diags: &mut Diagnostics) {
        for ((mode, t, n), block) in &module.resources {
            let Some(r) = block.provider.as_ref().filter(|r| r.key.is_some()) else { continue };
            let addr = ResourceAddr::new(at.clone(), *mode, t.clone(), n.clone());
            for (key, each) in self.world.expansion(&addr).map(Expansion::keys).unwrap_or_default() {
                let scope = self.world.scope(at).repeated(key.clone(), each);
                diags.extend(self.instance_of(r, &scope, module, instances).map(|d| d.on(addr.instance(key))));
            }
        }
    }

    fn keys_of_calls(&self, at: &ModulePath, module: &'a Module, instances: &Instances, diags: &mut Diagnostics) {
        for (name, call) in &module.calls {
            for (_, r) in call.providers.iter().filter(|(_, r)| r.key.is_some()) {
                for (key, each) in self.world.call(at, name).map(Expansion::keys).unwrap_or_default() {
                    let scope = self.world.scope(at).repeated(key, each);
                    diags.extend(self.instance_of(r, &scope, module, instances));
                }
            }
        }
    }

    /// What is wrong with the instance that a key names.
    fn instance_of(&self, r: &ProviderRef, scope: &dyn Scope, module: &Module, instances: &Instances) -> Option<Diagnostic> {
        let key = r.key.as_ref()?;
        let keys = instances.get(&r.to_string())?.as_ref()?;
        let mut diags = Diagnostics::new();
        let value = eval(key, scope, &context(self.inputs, &module.dir), &mut diags);
        if let Some(d) = diags.into_iter().next() {
            return Some(d);
        }
        let error = |detail: String| Diagnostic::error(codes::PROVIDER_INSTANCE, detail).at(key.span);
        match value.as_str() {
            _ if value.contains_sensitive() => Some(error(format!("The key of {r} is sensitive.")).hint("Use a key that may be shown.")),
            Some(k) if keys.contains(k) => None,
            Some(k) => {
                let d = error(format!("{r} has no instance {}.", crate::addr::quote(k)));
                let shown = || keys.iter().map(|k| crate::addr::quote(k)).collect::<Vec<_>>().join(", ");
                Some(match did_you_mean(k, keys.iter().map(|k| &**k)) {
                    Some(near) => d.hint(format!("Did you mean {near:?}?")),
                    None if keys.is_empty() => d.hint("Its for_each gives none."),
                    None => d.hint(format!("Its instances are {}.", shown())),
                })
            }
            None => {
                Some(error(format!("The key of {r} must be a string that is known while planning.")).hint("Use each.key or a literal."))
            }
        }
    }
}

/// Checks the names of one module.
fn names(module: &Module, diags: &mut Diagnostics) {
    let known = configurations(module);
    for block in &module.providers {
        match providers::find(&block.name.name) {
            None => diags.push(unknown(&block.name.name).at(block.name.span)),
            Some(p) if !providers::is_used(p) => {
                let detail = format!("No resource type of this version belongs to the provider {:?}: its settings do nothing.", p.name);
                diags.push(
                    Diagnostic::warning(codes::UNUSED_PROVIDER, detail)
                        .at(block.name.span)
                        .hint("Remove the block, or leave it for later."),
                );
            }
            Some(_) => {}
        }
    }
    for alias in module.settings.aliases.iter().filter(|a| providers::find(&a.name.name).is_none()) {
        diags.push(unknown(&alias.name.name).at(alias.name.span));
    }
    for ((mode, t, _), block) in &module.resources {
        let Some(r) = &block.provider else { continue };
        let own = providers::of(t);
        if providers::find(&r.name.name).is_some() && *r.name.name != *own && registry::find(*mode, t).is_some() {
            let d = Diagnostic::error(codes::PROVIDER_MISMATCH, format!("{t} belongs to the provider {own}, not to {}.", r.name.name));
            diags.push(d.at(r.span).hint(format!("Write provider = {own}, or remove the argument.")));
        } else {
            diags.extend(missing(r, &known));
        }
    }
    for r in module.imports.iter().filter_map(|i| i.provider.as_ref()) {
        diags.extend(missing(r, &known));
    }
    for call in module.calls.values() {
        passed(call, &known, diags);
    }
}

fn configurations(module: &Module) -> Configurations {
    let default = providers::all().iter().map(|p| (p.name.to_string(), false));
    let given = module.settings.aliases.iter().map(|a| (a.to_string(), false));
    let own = module.providers.iter().map(|p| (p.configuration(), p.for_each.is_some()));
    default.chain(given).chain(own).collect()
}

fn unknown(name: &str) -> Diagnostic {
    let names: Vec<&str> = providers::all().iter().map(|p| p.name).collect();
    let d = Diagnostic::error(codes::UNKNOWN_PROVIDER, format!("There is no provider {name:?}."));
    match did_you_mean(name, names.iter().copied()) {
        Some(near) => d.hint(format!("Did you mean {near:?}?")),
        None => d.hint(format!("The providers are {}.", names.join(", "))),
    }
}

/// What is wrong with the name of a configuration.
fn missing(r: &ProviderRef, known: &Configurations) -> Option<Diagnostic> {
    if providers::find(&r.name.name).is_none() {
        return Some(unknown(&r.name.name).at(r.name.span));
    }
    let name = r.to_string();
    match (known.get(&name), &r.key) {
        (None, _) => {
            let d = Diagnostic::error(codes::NO_PROVIDER, format!("This module has no provider configuration {name}.")).at(r.span);
            let own = known.keys().filter(|k| k.contains('.')).map(String::as_str);
            Some(match did_you_mean(&name, own) {
                Some(near) => d.hint(format!("Did you mean {near}?")),
                None => d.hint("Declare it with a provider block that has this alias, or in required_providers for callers to pass."),
            })
        }
        (Some(true), None) => {
            let d = Diagnostic::error(codes::PROVIDER_INSTANCE, format!("{name} has for_each, and which of its instances is not said."));
            Some(d.at(r.span).hint(format!("Write {name}[each.key], or another key.")))
        }
        (Some(false), Some(key)) => {
            let d = Diagnostic::error(codes::PROVIDER_INSTANCE, format!("{name} has no for_each, so it has no instances."));
            Some(d.at(key.span).hint("Remove the key."))
        }
        _ => None,
    }
}

/// What a call passes to a module against what that module takes.
fn passed(call: &ModuleCall, known: &Configurations, diags: &mut Diagnostics) {
    let takes = &call.module.settings.aliases;
    let called = &call.name.name;
    for (name, meant) in &call.providers {
        if providers::find(&name.name.name).is_none() {
            diags.push(unknown(&name.name.name).at(name.name.span));
            continue;
        }
        if name.alias.is_some() && !takes.iter().any(|a| a.to_string() == name.to_string()) {
            let d = Diagnostic::error(codes::NO_PROVIDER, format!("The module {called:?} takes no provider configuration {name}."));
            let takes: Vec<String> = takes.iter().map(ToString::to_string).collect();
            diags.push(d.at(name.span).hint(match did_you_mean(&name.to_string(), takes.iter().map(String::as_str)) {
                Some(near) => format!("Did you mean {near}?"),
                None => format!("The module declares it in its streamform block: required_providers {{ {0} = {{ configuration_aliases = [{name}] }} }}.", name.name.name),
            }));
        }
        let found = missing(meant, known);
        if found.is_none() && name.name.name != meant.name.name {
            let detail = format!("{name} of the module {called:?} is a configuration of another provider than {meant}.");
            diags.push(Diagnostic::error(codes::PROVIDER_MISMATCH, detail).at(meant.span).hint(format!("Pass one of {}.", name.name.name)));
        }
        diags.extend(found);
    }
    for alias in takes.iter().filter(|a| !call.providers.iter().any(|(n, _)| n.to_string() == a.to_string())) {
        let detail = format!("The module {called:?} needs the provider configuration {alias} from its caller.");
        let d = Diagnostic::error(codes::NO_PROVIDER, detail).at(call.span).also(alias.span, "declared here");
        diags.push(d.hint(format!("Add providers = {{ {alias} = … }} to the block.")));
    }
    let repeated = !matches!(call.repetition, Repetition::One) || !call.depends_on.is_empty();
    if let Some(block) = first_block(&call.module).filter(|_| repeated) {
        let detail = format!("The module {called:?} has provider blocks, so it cannot have count, for_each or depends_on.");
        let d = Diagnostic::error(codes::PROVIDER_IN_MODULE, detail).at(call.span).also(block.name.span, "the provider block");
        diags.push(d.hint("Move the provider block to the root module, and pass the configuration with providers."));
    }
}

/// A provider block with content of a module or of those that it calls.
fn first_block(module: &Module) -> Option<&ProviderBlock> {
    let own = module.providers.iter().find(|p| p.for_each.is_some() || !p.body.attrs.is_empty() || !p.body.blocks.is_empty());
    own.or_else(|| module.calls.values().find_map(|c| first_block(&c.module)))
}
