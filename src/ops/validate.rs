//! `validate`: is the configuration sound? Nothing real is asked, and nothing need be reachable.

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;

use super::Terminal;
use super::live::DiskHost;
use super::workspace::Workspace;
use crate::addr::{InstanceAddr, Mode};
use crate::diag::{Diagnostic, Diagnostics, Sources};
use crate::lang::config::DiskFiles;
use crate::lang::config::variables::VarArg;
use crate::plan::Options;
use crate::plan::walk::{self, Inputs, Observer};
use crate::resource::{Observed, Private, ReadRequest, StepRequest};
use crate::state::Snapshot;
use crate::value::Value;

/// Knows of nothing: every object is still to be made, every data source still to be read.
struct Nothing;

#[async_trait]
impl Observer for Nothing {
    async fn read(&self, _: Mode, _: &str, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        requests.into_iter().map(|r| Ok(Observed::Present(r.prior, Private::Null))).collect()
    }

    async fn import(&self, _: &InstanceAddr, _: &str, config: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        Ok((config.cloned().unwrap_or_else(|| Value::object(BTreeMap::new())), Private::Null))
    }

    async fn probe(&self, _: &str, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
        requests.iter().map(|_| Diagnostics::new()).collect()
    }
}

/// Everything that is wrong with a folder's configuration.
pub fn run(root: &Path, vars: &[VarArg], _: &Terminal) -> (Sources, Diagnostics) {
    let mut ws = match Workspace::load_without_values(root, &DiskFiles, &vars.to_vec()) {
        Ok(ws) => ws,
        Err(f) => return (f.sources, f.diagnostics),
    };
    let (snapshot, options, host) = (Snapshot::default(), Options::default(), DiskHost::new(false));
    let warnings = std::mem::take(&mut ws.warnings);
    let inputs = Inputs {
        config: &ws.config,
        graph: &ws.graph,
        variables: &ws.variables,
        snapshot: &snapshot,
        options: &options,
        digest: &|_| [0; 32],
        host: &host,
        observer: &Nothing,
    };
    let outcome = futures::executor::block_on(walk::walk(&inputs));
    let mut diagnostics = warnings;
    diagnostics.append(outcome.diagnostics);
    (ws.config.sources.clone(), diagnostics)
}
