//! What the operations of a step allow: nothing else is sent to Connect.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Op, OpAction, StepRequest};
use super::model;
use crate::client::connect::{Connector, is_masked};
use crate::diag::Diagnostic;
use crate::diag::codes::apply as codes;

/// The operations of one step.
pub(super) struct Orders<'a>(pub &'a [Op]);

impl Orders<'_> {
    fn any(&self, fits: impl Fn(&Op) -> bool) -> bool {
        self.0.iter().any(fits)
    }

    /// Whether the connector is to be created.
    pub(super) fn creates(&self) -> bool {
        self.any(|o| o.action == OpAction::Create)
    }

    /// Whether the connector of this name is to be deleted.
    pub(super) fn deletes(&self, name: &str) -> bool {
        self.any(|o| o.action == OpAction::Delete && (o.target.name.is_none() || o.target.name() == name))
    }

    /// Whether this key of the configuration is to change.
    pub(super) fn configures(&self, key: &str) -> bool {
        let parts = match model::argument_of(key) {
            Some(argument) => vec![argument.to_string()],
            None => ["config", "sensitive_config"].iter().flat_map(|a| [(*a).to_string(), model::path(a, key)]).collect(),
        };
        let changes = |o: &Op| matches!(o.action, OpAction::Change | OpAction::Set | OpAction::Unset);
        self.creates() || self.any(|o| changes(o) && parts.contains(&o.part))
    }

    /// Whether the connector is to go to this state.
    pub(super) fn moves_to(&self, state: &str) -> bool {
        let action = match state {
            "paused" => OpAction::Pause,
            "stopped" => OpAction::Stop,
            _ => OpAction::Resume,
        };
        self.creates() || self.any(|o| o.action == action || (o.action == OpAction::Change && o.part == "state"))
    }

    /// Whether something that failed is to be restarted.
    pub(super) fn restarts(&self) -> bool {
        self.any(|o| o.action == OpAction::Restart)
    }

    /// Whether all tasks are to be restarted because a secret changed. After a change of the configuration Connect restarts them by itself.
    pub(super) fn restarts_for_secrets(&self) -> bool {
        self.any(|o| o.action == OpAction::Restart && !o.after.is_empty())
    }
}

/// The keys in which the live configuration is not as wanted. A masked value says nothing: it differs where `rewritten` says so.
pub(super) fn differing(wanted: &BTreeMap<String, String>, live: &Connector, rewritten: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut now = live.info.config.clone();
    now.entry("tasks.max".into()).or_insert_with(|| "1".into());
    let keys: BTreeSet<&String> = wanted.keys().chain(now.keys()).filter(|k| *k != "name").collect();
    let differs = |key: &&&String| match (wanted.get(**key), now.get(**key)) {
        (Some(w), Some(n)) if w == n => false,
        (Some(_), Some(n)) if is_masked(n) => rewritten(key),
        _ => true,
    };
    keys.iter().filter(differs).map(|k| (*k).clone()).collect()
}

/// The error for something that no operation of the step does.
pub(super) fn unplanned(step: &StepRequest, what: &str) -> Diagnostic {
    Diagnostic::error(codes::INCONSISTENT, format!("The step would need an operation that was not planned: {what}."))
        .on(&step.addr)
        .hint("Nothing was done. Run plan again: the new plan starts from what is known now.")
}
