//! State: what was applied, kept so that the next run knows it.
//!
//! [`model`] is the form in memory: a record per resource instance, a journal of steps in flight, outputs. [`Ledger`] is what callers use. It
//! decides what a change means: keys, history, integrity, journal. [`backend`] keeps bytes by key and knows no resource; `codec` turns
//! records into JSON and back; `upgrade` reads older forms. A sensitive value is never in a record that is written: a keyed digest stands for
//! it. What must not be here: knowledge of one resource type, and deciding anything about resources.

pub mod backend;
pub mod codec;
pub mod ledger;
pub mod model;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod upgrade;

pub use backend::{Backend, Held, LockInfo};
pub use ledger::{Access, Ledger};
pub use model::{Deposing, Generation, InDoubt, Intent, KEEP_GENERATIONS, Outcome, OutputRecord, Record, Schemas, Snapshot, Unreadable};
