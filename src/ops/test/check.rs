//! What is wrong with test files, without carrying them out: for `validate`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::Request;
use super::prepare::{Modules, folder};
use crate::diag::codes::{config as config_codes, lang as codes};
use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::graph::names;
use crate::lang::ast::Expr;
use crate::lang::config::testfile::{TestFile, TestRun};
use crate::lang::config::{Config, Module};
use crate::lang::eval::{Reference, references};

/// Everything that is wrong with the test files of a folder whose configuration is loaded. Texts are added to those of the configuration.
pub fn check(root: &Path, directory: &Path, config: &mut Config) -> Diagnostics {
    let request = Request { root: root.to_path_buf(), directory: directory.to_path_buf(), ..Request::default() };
    let (files, mut diags) = match super::load(&request, &mut config.sources) {
        Ok(loaded) => loaded,
        Err(failure) => return failure.diagnostics,
    };
    let mut modules = Modules::with_root(&request, config.clone());
    diags.append(modules.load_all(&files));
    config.sources = modules.sources();
    for file in &files {
        let mut earlier = BTreeSet::new();
        for run in &file.runs {
            if let Some(config) = folder(run).ok().and_then(|dir| modules.get(&dir)) {
                Checking { file, run, module: &config.root, earlier: &earlier, diags: &mut diags }.run();
            }
            earlier.insert(run.name.name.clone());
        }
    }
    diags
}

struct Checking<'a> {
    file: &'a TestFile,
    run: &'a TestRun,
    module: &'a Module,
    earlier: &'a BTreeSet<Arc<str>>,
    diags: &'a mut Diagnostics,
}

impl Checking<'_> {
    fn run(&mut self) {
        for a in &self.run.asserts {
            self.expression(&a.condition);
            self.expression(&a.error_message);
        }
        for attr in &self.run.variables {
            references(&attr.expr).iter().filter(|r| &*r.root.name == "run").for_each(|r| self.reference(r));
        }
        for e in &self.run.expect_failures {
            self.expected(e);
        }
    }

    fn expression(&mut self, e: &Expr) {
        references(e).iter().for_each(|r| self.reference(r));
    }

    fn reference(&mut self, r: &Reference) {
        let steps = r.names();
        let name = steps.first().copied().unwrap_or_default();
        match &*r.root.name {
            "run" if self.earlier.iter().any(|e| &**e == name) => {}
            "run" => {
                let known = self.earlier.iter().map(|e| &**e);
                self.missing(r, format!("No earlier run of this file is named {name:?}."), did_you_mean(name, known), "run");
            }
            "output" if name.is_empty() || self.module.outputs.contains_key(name) => {}
            "output" => {
                let known = self.module.outputs.keys().map(|k| &**k);
                self.missing(r, format!("The module under test has no output {name:?}."), did_you_mean(name, known), "output");
            }
            "var" if self.gives(name) => {}
            "each" | "count" | "self" => self.diags.push(names::undeclared(self.module, &[&r.root.name, name]).at(r.span)),
            root => {
                let full: Vec<&str> = std::iter::once(root).chain(steps.iter().copied()).collect();
                if !names::is_declared(self.module, &full) {
                    self.diags.push(names::undeclared(self.module, &full).at(r.span));
                }
            }
        }
    }

    /// Whether the test file itself gives a variable of this name.
    fn gives(&self, name: &str) -> bool {
        self.file.variables.iter().chain(&self.run.variables).any(|a| &*a.name.name == name)
    }

    fn missing(&mut self, r: &Reference, detail: String, near: Option<&str>, root: &str) {
        let d = Diagnostic::error(codes::UNDECLARED_REFERENCE, detail).at(r.span);
        self.diags.push(match near {
            Some(near) => d.hint(format!("Did you mean {root}.{near}?")),
            None => d,
        });
    }

    /// What a run may expect to fail: something of the module under test that has conditions.
    fn expected(&mut self, e: &Expr) {
        for r in references(e) {
            let steps = r.names();
            let name = steps.first().copied().unwrap_or_default();
            match &*r.root.name {
                "output" => self.reference(&r),
                "check" if self.module.checks.contains_key(name) => {}
                "check" => {
                    let known = self.module.checks.keys().map(|k| &**k);
                    self.missing(&r, format!("The module under test has no check {name:?}."), did_you_mean(name, known), "check");
                }
                "local" | "module" | "run" | "path" | "each" | "count" | "self" => {
                    let d = Diagnostic::error(config_codes::INVALID_REFERENCE, format!("{r} has no conditions that could fail."));
                    self.diags.push(d.at(r.span).hint("Expect a variable, an output, a check or a resource to fail."));
                }
                _ => self.reference(&r),
            }
        }
    }
}
