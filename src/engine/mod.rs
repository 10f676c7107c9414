//! Engines: how a cluster becomes something that runs.
//!
//! A resource type decodes its object into a typed [`spec`], asks an engine what it would do about it, and hands it the [`mandate`] that follows
//! from the plan; the engine gives back what is [`deployed`]. One folder per engine. Only [`local`] exists in this version: real processes on
//! this machine. Nothing here knows of configuration, plan, state or values.

pub mod deployed;
pub mod local;
pub mod mandate;
pub mod spec;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value as Json;

use self::deployed::{DeployedCluster, DeployedConnect};
use self::mandate::{Mandate, Step};
use self::spec::{ClusterSpec, ConnectSpec, Released};
use crate::client::kafka::Admin;
use crate::diag::Diagnostic;

/// Where long steps say what they do.
pub type Note<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// The names of all engines, those of later versions included.
pub const NAMES: [&str; 4] = ["local", "native", "strimzi", "koperator"];

/// The engine of Kafka clusters that has this name; `None` where this version has none.
pub fn cluster(name: &str) -> Option<&'static dyn ClusterEngine> {
    (name == "local").then_some(&local::Clusters)
}

/// The engine of Connect clusters that has this name; `None` where this version has none.
pub fn connect(name: &str) -> Option<&'static dyn ConnectEngine> {
    (name == "local").then_some(&local::Workers)
}

/// The folders of a run.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// Where engines keep what is theirs.
    pub data_dir: &'a Path,
    /// The configuration's folder, which relative paths begin at.
    pub root_dir: &'a Path,
}

/// What an argument is to whoever writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It says where and how something runs. An engine may go without it, and says so.
    Placement,
    /// Somebody relies on it. An engine that cannot keep it refuses.
    Promise,
}

/// What an engine finds about an argument, or about all of an object.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The argument's path, such as `listener["outside"].port`.
    pub argument: Option<String>,
    /// What is to be said.
    pub diagnostic: Diagnostic,
}

impl Finding {
    /// About an argument.
    pub fn at(argument: impl Into<String>, diagnostic: Diagnostic) -> Finding {
        Finding { argument: Some(argument.into()), diagnostic }
    }
}

impl From<Diagnostic> for Finding {
    fn from(diagnostic: Diagnostic) -> Finding {
        Finding { argument: None, diagnostic }
    }
}

/// What a plan asks an engine about a Kafka cluster.
#[derive(Clone, Copy, Debug)]
pub struct ClusterChange<'a> {
    /// What was wanted before; `None` for a new one.
    pub was: Option<&'a ClusterSpec>,
    /// What is wanted.
    pub want: &'a ClusterSpec,
    /// What the engine recorded, as [`DeployedCluster::record`].
    pub record: Option<&'a Json>,
    /// The nodes that run as configured.
    pub running: &'a [i64],
    /// The arguments that differ.
    pub changed: &'a BTreeSet<&'static str>,
    /// The wanted users, each with whether its password is as before; `None` while they are not known.
    pub users: Option<&'a [(&'a str, bool)]>,
}

/// An engine's answer.
#[derive(Clone, Debug, Default)]
pub struct ClusterPlan {
    /// What will be done, in order.
    pub steps: Vec<Step>,
    /// The nodes that will run.
    pub running: Vec<i64>,
    /// The computed attributes of which nothing is known before.
    pub unknown: Vec<&'static str>,
    /// What speaks against it.
    pub findings: Vec<Finding>,
}

/// Brings Kafka clusters about.
#[async_trait]
pub trait ClusterEngine: Send + Sync {
    /// What its clusters are called among the objects of their place: `local cluster`.
    fn kind(&self) -> &'static str;

    /// Which of the arguments that not every engine has it keeps.
    fn arguments(&self) -> &'static [&'static str];

    /// What is wrong with a configuration for this engine, as far as the configuration alone tells.
    fn check(&self, spec: &ClusterSpec) -> Vec<Finding>;

    /// What a change would do. Nothing is asked.
    fn plan(&self, change: &ClusterChange<'_>) -> ClusterPlan;

    /// What goes with a cluster that is destroyed, in words.
    fn leaves_nothing_of(&self) -> &'static str;

    /// The cluster as it is; `None` where there is none.
    async fn observe(&self, site: Site<'_>, spec: &ClusterSpec) -> Result<Option<DeployedCluster>, Diagnostic>;

    /// What speaks against a change, as the real system tells. Nothing is changed.
    async fn probe(&self, site: Site<'_>, was: Option<&ClusterSpec>, want: &ClusterSpec, note: Note<'_>) -> Vec<Finding>;

    /// Brings the cluster to what is wanted. What a killed run began is taken up.
    ///
    /// # Errors
    /// When something would have to be done that the mandate does not allow (nothing is done then), or does not come about. What was
    /// reached stays.
    async fn converge(
        &self,
        site: Site<'_>,
        want: &ClusterSpec,
        mandate: &dyn Mandate,
        note: Note<'_>,
        limit: Duration,
    ) -> Result<DeployedCluster, Diagnostic>;

    /// Removes the cluster with all its data.
    ///
    /// # Errors
    /// When something stays.
    async fn destroy(&self, site: Site<'_>, spec: &ClusterSpec, note: Note<'_>) -> Result<(), Diagnostic>;
}

/// What a plan asks an engine about a Connect cluster.
#[derive(Clone, Copy, Debug)]
pub struct ConnectChange<'a> {
    /// How many workers were wanted before; `None` for a new Connect cluster.
    pub was: Option<usize>,
    /// How many are wanted.
    pub workers: usize,
    /// What the engine recorded, as [`DeployedConnect::record`].
    pub record: Option<&'a Json>,
    /// The workers that run as configured.
    pub running: &'a [i64],
    /// Whether an argument differs that the workers' settings follow from.
    pub settings: bool,
    /// Whether an argument differs that the address follows from.
    pub address: bool,
    /// The secrets that workers have read in another version than they are to have.
    pub rotated: &'a [String],
}

/// An engine's answer.
#[derive(Clone, Debug, Default)]
pub struct ConnectPlan {
    /// What will be done with the workers, in order.
    pub steps: Vec<Step>,
    /// The workers that will run.
    pub running: Vec<i64>,
    /// The REST interface's URL, where it is known.
    pub url: Option<String>,
    /// Whether it is not known what there is on Kafka: a run was killed before it could write anything down.
    pub is_unclear: bool,
}

/// Brings Connect clusters about.
#[async_trait]
pub trait ConnectEngine: Send + Sync {
    /// What its Connect clusters are called among the objects of their place.
    fn kind(&self) -> &'static str;

    /// Which of the arguments that not every engine has it keeps.
    fn arguments(&self) -> &'static [&'static str];

    /// What a change would do. Nothing is asked.
    fn plan(&self, change: &ConnectChange<'_>) -> ConnectPlan;

    /// What goes with a Connect cluster that is destroyed, in words.
    fn leaves_nothing_of(&self) -> &'static str;

    /// The Connect cluster of this name as it is; `None` where there is none.
    async fn observe(&self, site: Site<'_>, name: &str) -> Result<Option<DeployedConnect>, Diagnostic>;

    /// What speaks against running this version with these plugins, as the real system tells. Plugins that are not here yet are fetched.
    async fn probe(&self, site: Site<'_>, version: &str, plugins: &[String], note: Note<'_>) -> Vec<Finding>;

    /// Who the workers will be on Kafka. Rights are granted to this principal before any worker starts.
    ///
    /// # Errors
    /// When their certificate cannot be made or read.
    async fn principal(&self, site: Site<'_>, want: &ConnectSpec) -> Result<String, Diagnostic>;

    /// Brings the Connect cluster to what is wanted. Topics and rights are created only as far as the mandate names them.
    ///
    /// # Errors
    /// As with [`ClusterEngine::converge`].
    async fn converge(
        &self,
        site: Site<'_>,
        want: &ConnectSpec,
        kafka: &Admin,
        mandate: &dyn Mandate,
        note: Note<'_>,
        limit: Duration,
    ) -> Result<DeployedConnect, Diagnostic>;

    /// Removes the workers, then what is theirs on Kafka, then the rest.
    ///
    /// # Errors
    /// When Kafka refuses, or something stays.
    async fn destroy(&self, site: Site<'_>, name: &str, kafka: &Admin, gone: &Released, note: Note<'_>) -> Result<(), Diagnostic>;
}
