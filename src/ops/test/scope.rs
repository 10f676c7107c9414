//! What the expressions of a test file see.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diag::codes::lang as codes;
use crate::diag::{Diagnostic, did_you_mean};
use crate::lang::ast::{Ident, Step};
use crate::lang::eval::{Resolved, Scope};
use crate::value::Value;

/// The module under test with its outputs, the variables of the file, and what earlier runs gave.
pub struct TestScope<'a> {
    /// The module under test; none where values for it are still being collected.
    pub module: Option<&'a dyn Scope>,
    /// Its outputs.
    pub outputs: Option<Value>,
    /// All variables that the file knows.
    pub variables: &'a BTreeMap<Arc<str>, Value>,
    /// The outputs of earlier runs.
    pub runs: &'a BTreeMap<Arc<str>, Value>,
}

impl TestScope<'_> {
    fn run(&self, root: &Ident, steps: &[Step]) -> Result<Resolved, Diagnostic> {
        let Some(Step::Attr(name)) = steps.first() else {
            let d = Diagnostic::error(codes::UNDECLARED_REFERENCE, "The name of an earlier run follows \"run\".").at(root.span);
            return Err(d.hint("Write run.NAME.OUTPUT."));
        };
        let Some(value) = self.runs.get(&name.name) else {
            let d = Diagnostic::error(codes::UNDECLARED_REFERENCE, format!("No earlier run of this file is named {:?}.", &*name.name));
            return Err(match did_you_mean(&name.name, self.runs.keys().map(|k| &**k)) {
                Some(near) => d.at(name.span).hint(format!("Did you mean run.{near}?")),
                None => d.at(name.span).hint("A run sees the outputs of the runs above it."),
            });
        };
        Ok(Resolved { value: value.clone(), consumed: 1 })
    }

    fn variable(&self, steps: &[Step]) -> Option<Resolved> {
        let Some(Step::Attr(name)) = steps.first() else { return None };
        self.variables.get(&name.name).map(|v| Resolved { value: v.clone(), consumed: 1 })
    }
}

impl Scope for TestScope<'_> {
    fn lookup(&self, root: &Ident, steps: &[Step]) -> Result<Resolved, Diagnostic> {
        match (&*root.name, &self.outputs) {
            ("run", _) => return self.run(root, steps),
            ("output", Some(outputs)) => return Ok(Resolved { value: outputs.clone(), consumed: 0 }),
            _ => {}
        }
        // The value as it was given, also where a validation refuses it.
        if let ("var", Some(found)) = (&*root.name, self.variable(steps)) {
            return Ok(found);
        }
        match self.module {
            Some(module) => module.lookup(root, steps),
            None => {
                let detail = match (&*root.name, steps.first()) {
                    ("var", Some(Step::Attr(name))) => format!("var.{} has no value yet where the values of a test are given.", name.name),
                    (root, _) => format!("{root:?} cannot be referred to here: only variables, earlier runs and functions can."),
                };
                let d = Diagnostic::error(codes::UNDECLARED_REFERENCE, detail).at(root.span);
                Err(d.hint("What is set by files, by the command line and, in a run, by the file's variables block can be used."))
            }
        }
    }

    fn names(&self) -> Vec<String> {
        let module = self.module.map(Scope::names).unwrap_or_default();
        module.into_iter().chain(["run".to_string(), "output".to_string(), "var".to_string()]).collect()
    }
}
