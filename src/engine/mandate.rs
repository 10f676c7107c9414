//! What an engine does and may do: everything that is done to a cluster's processes, users, topics or rights is named here first and must be allowed.
//!
//! An engine knows nothing of operations. It tells its [`Step`]s when a plan is made; whoever calls it later brings a [`Mandate`], which follows from
//! what was planned.

use std::fmt;

use async_trait::async_trait;

use crate::diag::Diagnostic;
use crate::diag::codes::apply as codes;

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Makes the cluster, with all that belongs to it.
    Create,
    /// Starts a process that was never started (`broker 2`, `worker 1`).
    Start(String),
    /// Starts a process again, or restarts it with other settings.
    Restart(String),
    /// Stops a process for good and removes what is its own.
    Stop(String),
    /// Restarts all processes of a kind (`the nodes`), one at a time.
    Roll(String),
    /// Raises the metadata version to that of a release. There is no way back.
    Raise(String),
    /// Sets the password of a SCRAM user.
    SetUser(String),
    /// Removes a SCRAM user.
    RemoveUser(String),
    /// Sets the passwords of SCRAM users whose names are not known yet.
    SetUsers,
    /// Removes SCRAM users, while it is not known which stay.
    RemoveUsers,
    /// Creates a topic.
    CreateTopic(String),
    /// Creates an access right.
    Grant(String),
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doing::Create => f.write_str("create it"),
            Doing::Roll(what) => write!(f, "restart {what}"),
            Doing::SetUsers => f.write_str("set users"),
            Doing::RemoveUsers => f.write_str("delete users"),
            Doing::Start(what) => write!(f, "start {what}"),
            Doing::Restart(what) => write!(f, "restart {what}"),
            Doing::Stop(what) => write!(f, "stop {what}"),
            Doing::Raise(release) => write!(f, "raise the metadata version to that of Kafka {release}"),
            Doing::SetUser(user) => write!(f, "set user {user}"),
            Doing::RemoveUser(user) => write!(f, "delete user {user}"),
            Doing::CreateTopic(topic) => write!(f, "create topic \"{topic}\""),
            Doing::Grant(binding) => write!(f, "grant {binding}"),
        }
    }
}

/// One thing that a plan says will be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub doing: Doing,
    /// Words on it, for whoever reads the plan.
    pub note: String,
}

impl Step {
    /// A step with words on it; none if they are empty.
    pub fn new(doing: Doing, note: impl Into<String>) -> Step {
        Step { doing, note: note.into() }
    }
}

/// What may be done. It is asked for everything before the first thing is done.
#[async_trait]
pub trait Mandate: Send + Sync {
    /// Whether this was planned.
    fn allows(&self, doing: &Doing) -> bool;

    /// Records that something begins that cannot be repeated. False: it cannot be recorded, and must not be begun.
    async fn begin(&self, doing: &Doing) -> bool;

    /// Records that it has ended.
    async fn end(&self, doing: &Doing);

    /// Whether whoever gave the mandate wants it to end: what is done to one process after the other ends behind the one that is in hand.
    fn stopping(&self) -> bool {
        false
    }
}

/// The mandate of whoever has no plan, such as a test's own cluster: everything is allowed, and nothing is recorded.
pub struct Anything;

#[async_trait]
impl Mandate for Anything {
    fn allows(&self, _: &Doing) -> bool {
        true
    }

    async fn begin(&self, _: &Doing) -> bool {
        true
    }

    async fn end(&self, _: &Doing) {}
}

/// Refuses the first thing that was not planned.
///
/// # Errors
/// When there is one.
pub fn check(mandate: &dyn Mandate, doings: &[Doing]) -> Result<(), Diagnostic> {
    let Some(doing) = doings.iter().find(|d| !mandate.allows(d)) else { return Ok(()) };
    let d = Diagnostic::error(codes::INCONSISTENT, format!("The step would need an operation that was not planned: {doing}."));
    Err(d.hint("Nothing was done. Run plan again: the new plan starts from what is known now."))
}

/// The error of a roll that was stopped behind `done` of `all` processes, the last of which is `last`.
pub fn stopped(last: Option<&str>, done: usize, all: usize) -> Diagnostic {
    let detail = match last {
        Some(last) => format!("The rolling restart was interrupted: it stopped after {last} ({done} of {all})."),
        None => format!("The rolling restart was interrupted before it began (0 of {all})."),
    };
    Diagnostic::error(codes::INTERRUPTED, detail).hint("All of them run. The next apply goes on with the rest: streamform apply.")
}

/// The error where the journal cannot be written.
pub fn not_begun(doing: &Doing) -> Diagnostic {
    Diagnostic::error(codes::INTERRUPTED, format!("The state cannot be written, so this was not begun: {doing}."))
        .hint("Make sure that the state can be written, then apply again.")
}
