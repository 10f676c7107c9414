//! The account of an apply: what was done, what was not, and why.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::diag::Diagnostics;
use crate::state::OutputRecord;

/// The account of one apply.
#[derive(Debug, Default)]
pub struct Done {
    /// The errors and warnings.
    pub diagnostics: Diagnostics,
    /// Objects taken into the state as they are.
    pub imported: usize,
    /// Objects dropped from the state.
    pub forgotten: usize,
    /// Objects created (replacements count here and under destroyed).
    pub added: usize,
    /// Objects changed in place.
    pub changed: usize,
    /// Objects removed.
    pub destroyed: usize,
    /// Steps that were not carried out.
    pub undone: Vec<Undone>,
    /// The root outputs.
    pub outputs: BTreeMap<Arc<str>, OutputRecord>,
}

impl Done {
    /// Whether an interrupt kept steps from being carried out.
    pub fn interrupted(&self) -> bool {
        self.undone.iter().any(|u| u.why == Why::Interrupted)
    }
}

/// A step that was not carried out. Its display is one line: `create null_resource.a (interrupted)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The step: `create null_resource.a`.
    pub step: String,
    /// Why.
    pub why: Why,
}

/// Why a step was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The user ended the run.
    Interrupted,
    /// A step before it failed.
    NeedFailed,
    /// It waits for steps that wait for it.
    Stuck,
    /// The state cannot be written.
    NotWritten,
    /// The object that was to hold a part of it does not hold it.
    NotTakenOver,
    /// It is done or was tried, and the state has no record of it.
    NotRecorded,
    /// It is done, but the step that was to hold a part of it failed.
    LeftOpen,
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::Interrupted => "interrupted",
            Why::NeedFailed => "something it needs failed",
            Why::Stuck => "the steps wait for each other",
            Why::NotWritten => "the state cannot be written",
            Why::NotTakenOver => "what was to hold a part of it failed",
            Why::NotRecorded => "done or tried, but not recorded: the next run looks",
            Why::LeftOpen => "done, but what was to hold a part of it failed: the next run looks",
        };
        write!(f, "{} ({why})", self.step)
    }
}
