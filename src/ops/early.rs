//! A plan that waits for a real system first shows what is wrong with the configuration itself.

use std::collections::HashSet;
use std::time::Duration;

use super::Terminal;
use super::live::DiskHost;
use super::validate::Nothing;
use crate::diag::codes::plan as codes;
use crate::diag::{Diagnostic, Diagnostics, Severity, SourceId, Sources};
use crate::plan::RunMode;
use crate::plan::walk::{self, Inputs, Outcome};
use crate::state::Snapshot;

/// How long a walk may take before what needs no answer is shown.
const PATIENCE: Duration = Duration::from_secs(1);

/// One error of one place is known by its code, its place and its resource: what it says of values may differ.
type Known = (&'static str, Option<(SourceId, u32, u32)>, Option<String>);

/// The diagnostics shown before the walk ended.
#[derive(Default)]
pub(super) struct Said(HashSet<Known>);

impl Said {
    /// The diagnostics that are still to be shown.
    pub(super) fn rest(&self, diagnostics: Diagnostics) -> Diagnostics {
        diagnostics.into_iter().filter(|d| !self.0.contains(&known(d))).collect()
    }
}

fn known(d: &Diagnostic) -> Known {
    (d.code.id, d.span.map(|s| (s.source, s.start, s.end)), d.address.clone())
}

/// Walks. Where that takes long because a system does not answer, the errors of the configuration are shown at once.
pub(super) async fn walked<'a>(inputs: &'a Inputs<'a>, sources: &Sources, terminal: &Terminal) -> (Outcome<'a>, Said) {
    let mut walk = Box::pin(walk::walk(inputs));
    if let Ok(outcome) = tokio::time::timeout(PATIENCE, &mut walk).await {
        return (outcome, Said::default());
    }
    let found = if terminal.json { Diagnostics::new() } else { errors(inputs) };
    terminal.diagnostics(&found, sources);
    (walk.await, Said(found.iter().map(known).collect()))
}

/// The errors that are there whatever real systems answer. A destroy has none: it goes by the state.
fn errors(inputs: &Inputs<'_>) -> Diagnostics {
    if inputs.options.mode != RunMode::Normal {
        return Diagnostics::new();
    }
    let (snapshot, host) = (Snapshot::default(), DiskHost::new(false));
    let alone = Inputs { snapshot: &snapshot, host: &host, observer: &Nothing, ..*inputs };
    let found = futures::executor::block_on(walk::walk(&alone)).diagnostics;
    // Without any answers more is unknown than in the plan.
    let later = [codes::UNKNOWN_REPETITION, codes::IMPORT_WITHOUT_BLOCK];
    found.into_iter().filter(|d| d.severity == Severity::Error && !later.contains(&d.code)).collect()
}
