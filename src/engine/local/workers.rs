//! The engine `local` for Connect clusters: what a change would do, and the way between a [`ConnectSpec`] and the processes in [`super::connect`].

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

use super::clusters::lacking;
use super::connect::{ConnectCluster, Layout, plugins};
use super::jars::Coordinate;
use super::pki::Pki;
use crate::client::kafka::Admin;
use crate::diag::Diagnostic;
use crate::engine::deployed::DeployedConnect;
use crate::engine::mandate::{Doing, Mandate, Step};
use crate::engine::spec::{ConnectSpec, Released};
use crate::engine::{ConnectChange, ConnectEngine, ConnectPlan, Finding, Note, Site};
use crate::words::counted;

/// Connect clusters as processes of this machine.
pub struct Workers;

/// What an update does to the workers.
fn update(change: &ConnectChange<'_>, was: usize, layout: Option<&Layout>) -> Vec<Step> {
    let workers = change.workers;
    // The layout names the workers that there are, also after a change that was not brought to its end.
    let before = layout.map_or(was, |l| l.workers.len());
    let lives = |id: &usize| change.running.contains(&(*id as i64));
    let worker = |id: usize| format!("worker {id}");
    let dead = (1..=workers).filter(|id| *id <= before && !lives(id));
    let mut out: Vec<Step> = dead.map(|id| Step::new(Doing::Restart(worker(id)), "(not running as configured)")).collect();
    out.extend((before + 1..=workers).map(|id| Step::new(Doing::Start(worker(id)), "(new)")));
    out.extend((workers + 1..=before).map(|id| Step::new(Doing::Stop(worker(id)), "")));
    let unsettled = layout.is_some_and(|l| l.unsettled);
    if (unsettled || change.settings || !change.rotated.is_empty()) && (1..=workers.min(before)).any(|id| lives(&id)) {
        let why = if change.rotated.is_empty() { String::new() } else { format!(" ({} changed)", change.rotated.join(", ")) };
        out.push(Step::new(Doing::Roll("the workers".into()), format!("one at a time{why}")));
    }
    out
}

fn deployed(connect: &ConnectCluster, layout: &Layout) -> Result<DeployedConnect, Diagnostic> {
    Ok(DeployedConnect {
        admin: connect.connection(layout),
        principal: (!layout.is_blank()).then(|| layout.principal.clone()),
        running: connect.running(layout)?.into_iter().filter_map(|id| i64::try_from(id).ok()).collect(),
        record: serde_json::to_value(layout).unwrap_or_default(),
    })
}

/// Plugins with absolute paths.
fn absolute(named: &[String], root: &Path) -> Vec<String> {
    let one = |text: &String| match Coordinate::parse(text) {
        Some(_) => text.clone(),
        None => root.join(text).to_string_lossy().into_owned(),
    };
    named.iter().map(one).collect()
}

fn at(site: Site<'_>, want: &ConnectSpec) -> (ConnectCluster, ConnectSpec) {
    let spec = ConnectSpec { plugins: absolute(&want.plugins, site.root_dir), ..want.clone() };
    (ConnectCluster::at(site.data_dir, &want.name), spec)
}

#[async_trait]
impl ConnectEngine for Workers {
    fn kind(&self) -> &'static str {
        "local Connect cluster"
    }

    fn arguments(&self) -> &'static [&'static str] {
        &[]
    }

    fn plan(&self, change: &ConnectChange<'_>) -> ConnectPlan {
        let layout: Option<Layout> = change.was.and(change.record).and_then(|r| serde_json::from_value(r.clone()).ok());
        // Of a folder without a layout neither the address is known nor what there is on Kafka.
        let blank = layout.as_ref().is_some_and(Layout::is_blank);
        // The address once all workers run again: the first worker's, whichever answers now.
        let first = layout.as_ref().filter(|_| !blank && !change.address).and_then(|l| Some(l.url(l.workers.first()?.port)));
        ConnectPlan {
            steps: match change.was {
                Some(was) => update(change, was, layout.as_ref()),
                None => vec![Step::new(Doing::Create, format!("({})", counted(change.workers, "worker")))],
            },
            running: (1..=change.workers).filter_map(|id| i64::try_from(id).ok()).collect(),
            url: first,
            is_unclear: blank,
        }
    }

    fn leaves_nothing_of(&self) -> &'static str {
        "with its workers"
    }

    async fn observe(&self, site: Site<'_>, name: &str) -> Result<Option<DeployedConnect>, Diagnostic> {
        let connect = ConnectCluster::at(site.data_dir, name);
        connect.found()?.map(|layout| deployed(&connect, &layout)).transpose()
    }

    async fn probe(&self, site: Site<'_>, version: &str, named: &[String], note: Note<'_>) -> Vec<Finding> {
        let mut out: Vec<Finding> = lacking(version, note).await.into_iter().collect();
        if let Err(e) = plugins(&absolute(named, site.root_dir), note).await {
            out.push(Finding::at("plugins", e));
        }
        out
    }

    async fn principal(&self, site: Site<'_>, want: &ConnectSpec) -> Result<String, Diagnostic> {
        let (connect, spec) = at(site, want);
        connect.principal(&spec)
    }

    async fn converge(
        &self,
        site: Site<'_>,
        want: &ConnectSpec,
        kafka: &Admin,
        mandate: &dyn Mandate,
        note: Note<'_>,
        limit: Duration,
    ) -> Result<DeployedConnect, Diagnostic> {
        let (connect, spec) = at(site, want);
        let layout = connect.converge(&spec, kafka, mandate, note, limit).await?;
        deployed(&connect, &layout)
    }

    async fn destroy(&self, site: Site<'_>, name: &str, kafka: &Admin, gone: &Released, note: Note<'_>) -> Result<(), Diagnostic> {
        let authority = gone.kafka.ca_file.as_deref().filter(|_| gone.own).and_then(Pki::beside);
        // A local cluster that is gone took topics and rights with it.
        let kafka = (!gone.own || authority.is_some()).then_some(kafka);
        ConnectCluster::at(site.data_dir, name).destroy(kafka, authority, gone, note).await
    }
}
