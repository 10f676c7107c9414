//! `validate`: is the configuration sound? Nothing real is asked, and nothing need be reachable.

use std::path::Path;

use async_trait::async_trait;

use super::live::DiskHost;
use super::workspace::Workspace;
use crate::addr::{InstanceAddr, Mode};
use crate::diag::codes::plan as plan_codes;
use crate::diag::{Diagnostic, Diagnostics, Sources};
use crate::lang::config::variables::VarArg;
use crate::lang::config::{self, DiskFiles, FileSource};
use crate::plan::Options;
use crate::plan::walk::{self, Observer};
use crate::resource::{Observed, Private, Question, ReadRequest, StepRequest};
use crate::state::Snapshot;
use crate::value::{Fields, Value};

/// Knows of nothing: every object is still to be made, every data source still to be read.
pub(super) struct Nothing;

#[async_trait]
impl Observer for Nothing {
    async fn read(&self, _: Mode, _: &str, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        requests.into_iter().map(|r| Ok(Observed::present(r.prior, Private::Null))).collect()
    }

    async fn import(&self, _: &InstanceAddr, _: &str, config: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        Ok((config.cloned().unwrap_or_else(|| Value::object(Fields::new())), Private::Null))
    }

    async fn answer(&self, _: &str, questions: Vec<Question>) -> Vec<Result<Option<serde_json::Value>, Diagnostic>> {
        questions.iter().map(|_| Ok(None)).collect()
    }

    async fn probe(&self, _: &str, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
        requests.iter().map(|_| Diagnostics::new()).collect()
    }

    fn checks_only(&self) -> bool {
        true
    }
}

/// Everything that is wrong with a folder's configuration, and with its test files: those of the root and of the folder `tests`, where one is
/// given.
pub fn run(root: &Path, vars: &[VarArg], tests: Option<&Path>) -> (Sources, Diagnostics) {
    let (sources, mut diagnostics) = check(root, &DiskFiles, vars);
    let Some(tests) = tests.filter(|t| super::test::any(root, t)) else { return (sources, diagnostics) };
    let (Some(mut config), _) = config::load_at(root, Path::new(""), &DiskFiles, sources.clone(), None) else {
        return (sources, diagnostics);
    };
    diagnostics.append(super::test::check(root, tests, &mut config));
    (config.sources, diagnostics)
}

/// Everything that is wrong with a configuration.
pub fn check(root: &Path, files: &dyn FileSource, vars: &[VarArg]) -> (Sources, Diagnostics) {
    match Workspace::load_without_values(root, files, &vars.to_vec()) {
        Ok(ws) => judge(ws),
        Err(f) => (f.sources, f.diagnostics),
    }
}

/// Everything that is wrong with what was loaded without values. What one phase finds does not keep the next from looking, unless blocks
/// need each other in a circle.
pub(super) fn judge(mut ws: Workspace) -> (Sources, Diagnostics) {
    let mut diagnostics = std::mem::take(&mut ws.warnings);
    if diagnostics.iter().any(|d| d.code == plan_codes::CYCLE) {
        return (ws.config.sources, diagnostics);
    }
    let (snapshot, options, host) = (Snapshot::default(), Options::default(), DiskHost::new(false));
    let inputs = ws.inputs(&snapshot, &options, &|_| [0; 32], &host, &Nothing);
    let mut outcome = futures::executor::block_on(walk::walk(&inputs));
    // A name that nothing declares has been reported by the graph, more exactly.
    let said: Vec<_> = diagnostics.iter().filter_map(|d| d.span).map(|s| (s.source, s.start)).collect();
    let new = std::mem::take(&mut outcome.diagnostics).into_iter().filter(|d| d.span.is_none_or(|s| !said.contains(&(s.source, s.start))));
    // Variables and objects have no values here, so what depends on them has no instances to check yet; and the block of what is imported may
    // still be generated: no faults of the configuration.
    let later = [plan_codes::UNKNOWN_REPETITION, plan_codes::IMPORT_WITHOUT_BLOCK];
    diagnostics.extend(new.filter(|d| !later.contains(&d.code)));
    let sources = ws.config.sources.clone();
    // Nothing but a report comes after this; to free the trees of ten thousand blocks first takes a tenth of the whole run.
    std::mem::forget(outcome);
    std::mem::forget(ws);
    (sources, diagnostics.distinct().by_place())
}
