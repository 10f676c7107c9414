//! What the resource types share that the engine `local` runs: reading a folder's layout into an object, and what stays after a step.
//!
//! The settings of each kind of process lie in [`crate::engine::local`]; what one type decides lies in its own file.

use serde::Serialize;

use super::kafka_cluster::default_name;
use super::{Observed, Private, StepResult};
use crate::addr::InstanceAddr;
use crate::diag::Diagnostic;
use crate::value::{Type, Value};

/// The name of an object: the one written, else the block's.
pub fn name_of(addr: &InstanceAddr, value: &Value) -> String {
    value.get_str("name").unwrap_or_else(|| default_name(addr))
}

/// A count among the attributes; 0 where it is not known.
pub fn count(value: &Value, name: &str) -> usize {
    value.get(name).and_then(|v| v.as_i64()).and_then(|n| usize::try_from(n).ok()).unwrap_or_default()
}

/// A list of process ids, as `running` has them.
pub fn numbers<N: TryInto<i64>>(ids: impl IntoIterator<Item = N>) -> Value {
    Value::list(Type::Number, ids.into_iter().filter_map(|id| id.try_into().ok()).map(Value::from).collect())
}

/// The processes that run as configured, of an object as it was read.
pub fn alive(object: &Value) -> Vec<i64> {
    object.get("running").and_then(|v| v.as_slice().map(|s| s.iter().filter_map(Value::as_i64).collect())).unwrap_or_default()
}

/// The private part: the layout.
pub fn private<L: Serialize>(layout: &L) -> Private {
    serde_json::to_value(layout).unwrap_or(Private::Null)
}

/// What a read finds: without a layout there is nothing.
pub fn observed<L: Serialize>(layout: Option<L>, fill: impl FnOnce(&L) -> Result<Value, Diagnostic>) -> Result<Observed, Diagnostic> {
    match layout {
        None => Ok(Observed::Absent),
        Some(layout) => Ok(Observed::present(fill(&layout)?, private(&layout))),
    }
}

/// What a step came to. After a failure there is what the layout says: whatever was started is known to the next run.
pub fn settled<L: Serialize>(
    outcome: Result<StepResult, Diagnostic>,
    layout: impl FnOnce() -> Option<L>,
    fill: impl FnOnce(&L) -> Option<Value>,
) -> StepResult {
    outcome.unwrap_or_else(|error| StepResult::failed(error, layout().and_then(|l| Some((fill(&l)?, private(&l))))))
}
