//! Apply: follows the plan's execution graph.
//!
//! [`queue`] is the scheduler, plain data: what is ready, what waits, what a failure blocks. [`executor`] drives it: it journals, calls
//! resource types in batches, records results as they are told at the [`desk`] and brings the world up to date; its account is [`done`]. Everything that happens is an [`Event`]; nobody here prints.

mod desk;
pub mod done;
pub mod executor;
mod holding;
pub mod queue;

use std::time::Duration;

use crate::addr::InstanceAddr;
use crate::resource::Verb;

/// Something that happened during apply.
#[derive(Clone, Debug)]
pub enum Event {
    /// Work begins: how many steps there are.
    Begin {
        /// Steps of the execution graph that touch a real system.
        steps: usize,
    },
    /// A step begins.
    Started {
        /// The instance.
        addr: InstanceAddr,
        /// The verb; `None` reads a data source.
        verb: Option<Verb>,
    },
    /// A running step says what it is doing.
    Note {
        /// The instance.
        addr: InstanceAddr,
        /// One line.
        text: String,
    },
    /// A step has ended.
    Finished {
        /// The instance.
        addr: InstanceAddr,
        /// The verb; `None` read a data source.
        verb: Option<Verb>,
        /// Whether it succeeded.
        ok: bool,
        /// How long it took.
        took: Duration,
    },
    /// No new steps start any more.
    Stopping,
    /// All work has ended.
    End,
}

/// Reads events. Must not block and cannot steer.
pub trait Events: Send + Sync {
    /// Takes one.
    fn emit(&self, event: &Event);
}

/// Ignores events.
pub struct Silent;

impl Events for Silent {
    fn emit(&self, _: &Event) {}
}
