//! The engine `local` for Kafka clusters: what a change would do, and the way between a [`ClusterSpec`] and the processes in [`super::broker`].

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value as Json;

use super::broker::{Cluster, INTERNAL, Launch, Layout, occupied_error, release, sizes};
use crate::diag::Diagnostic;
use crate::diag::codes::engine as codes;
use crate::diag::redact::one_line;
use crate::engine::deployed::{CertificateFiles, DeployedCluster};
use crate::engine::mandate::{Doing, Mandate, Step};
use crate::engine::spec::{Authentication, ClusterSpec};
use crate::engine::{ClusterChange, ClusterEngine, ClusterPlan, Finding, Note, Site};
use crate::words::counted;

/// Kafka clusters as processes of this machine.
pub struct Clusters;

/// Ids of all nodes that a cluster of this size has.
fn node_ids(spec: &ClusterSpec) -> Vec<i32> {
    let (brokers, controllers) = (spec.brokers as i32, spec.controllers as i32);
    (1..=brokers).chain(1001..1001 + controllers).collect()
}

/// `broker 2`, `controller 1001`.
fn label(id: i32) -> String {
    if id < 1001 { format!("broker {id}") } else { format!("controller {id}") }
}

fn layout_of(record: Option<&Json>) -> Option<Layout> {
    serde_json::from_value(record?.clone()).ok()
}

/// What a creation does: one line, which says how many processes there will be.
fn create(want: &ClusterSpec) -> Step {
    let note = match (want.brokers, want.controllers) {
        (0, _) => String::new(),
        (b, 0) => format!("({})", counted(b, "broker")),
        (b, c) => format!("({}, {})", counted(b, "broker"), counted(c, "controller")),
    };
    Step::new(Doing::Create, note)
}

/// What an update does to the processes, and the metadata version.
fn update(change: &ClusterChange<'_>, was: &ClusterSpec, layout: Option<&Layout>) -> Vec<Step> {
    let (mut out, want) = (vec![], change.want);
    let lives = |id: &i32| change.running.contains(&i64::from(*id));
    // The layout names the nodes that there are, also after a change that was not brought to its end.
    let before = layout.map_or_else(|| node_ids(was), |l| l.nodes.iter().map(|n| n.id).collect());
    let will = node_ids(want);
    for id in &will {
        match (before.contains(id), lives(id)) {
            (false, _) => out.push(Step::new(Doing::Start(label(*id)), "(new)")),
            (true, false) => out.push(Step::new(Doing::Restart(label(*id)), "(not running as configured)")),
            (true, true) => {}
        }
    }
    out.extend(before.iter().filter(|id| !will.contains(id)).map(|id| Step::new(Doing::Stop(label(*id)), "and remove it")));
    let plain = |spec: &ClusterSpec| spec.listeners.iter().any(|l| l.authentication == Authentication::Plain);
    // Users of PLAIN stand in the settings, those of SCRAM do not.
    let users = change.changed.contains("users") && (plain(was) || plain(want));
    let unsettled = layout.is_some_and(|l| l.unsettled);
    // Replication factors and timers follow from the number of brokers.
    let resized = sizes(was.brokers) != sizes(want.brokers);
    let direct = ["config", "listener", "super_users", "version", "heap"].iter().any(|name| change.changed.contains(name));
    if (users || unsettled || resized || direct) && will.iter().any(lives) {
        out.push(Step::new(Doing::Roll("the nodes".into()), "one at a time, while all partitions are in sync"));
    }
    let of = |spec: &ClusterSpec| Some(release(&spec.version)).filter(|r| !r.is_empty());
    let is = layout.map(|l| l.release.clone()).filter(|r| !r.is_empty()).or_else(|| of(was));
    if let (Some(new), Some(_)) = (of(want).filter(|new| is.as_ref() != Some(new)), &is) {
        let note = format!("to that of Kafka {new}, for good");
        out.push(Step::new(Doing::Raise(new), note));
    }
    out
}

/// What becomes of the SCRAM users. The layout names those that the cluster has; the state may know of their passwords nothing but a digest.
fn users(change: &ClusterChange<'_>, layout: Option<&Layout>) -> Vec<Step> {
    let there: BTreeMap<String, String> = layout.map(|l| l.users.clone()).unwrap_or_default();
    let wanted: &[(&str, bool)] = match change.users {
        _ if !change.want.scram() => &[],
        Some(users) => users,
        None => {
            let open = |doing| Step::new(doing, "(known after apply)");
            return [Some(open(Doing::SetUsers)), (!there.is_empty()).then(|| open(Doing::RemoveUsers))].into_iter().flatten().collect();
        }
    };
    let mut out = vec![];
    for (user, is_as_before) in wanted {
        let is_set = match there.get(*user) {
            Some(digest) => !digest.is_empty(),
            // An older layout does not tell.
            None => layout.is_none() && change.was.is_some_and(ClusterSpec::scram),
        };
        if !is_set || !is_as_before {
            out.push(Step::new(Doing::SetUser((*user).into()), if there.contains_key(*user) { "(password)" } else { "" }));
        }
    }
    let gone = there.keys().filter(|u| !wanted.iter().any(|(name, _)| *name == u.as_str()));
    out.extend(gone.map(|u| Step::new(Doing::RemoveUser(u.clone()), "")));
    out
}

/// The refusal of an older version than the one that runs: the data may be in a form that it does not know.
fn downgrade(was: Option<&ClusterSpec>, layout: Option<&Layout>, want: &ClusterSpec) -> Option<Finding> {
    let parts = |v: &str| v.split('.').map(|p| p.parse::<u32>().unwrap_or(0)).collect::<Vec<_>>();
    let will = Some(want.version.as_str()).filter(|v| !v.is_empty())?;
    let raised = layout.iter().flat_map(|l| [&l.release, &l.raising]).find(|r| parts(&release(will)) < parts(r)).cloned();
    let older = || was.map(|w| w.version.clone()).filter(|was| parts(will) < parts(was));
    older().or(raised).map(|was| {
        let d = Diagnostic::error(codes::DOWNGRADE, format!("The cluster runs Kafka {was} and cannot go back to {will}."));
        Finding::at("version", d.hint(format!("Keep {was} or a newer version; an older one needs a new cluster.")))
    })
}

/// The path of an attribute of a listener; Kafka's name of it is in capitals.
fn of_listener(name: &str, attribute: &str) -> String {
    format!("listener[{}].{attribute}", crate::addr::quote(name))
}

/// Each broker adds its place to the port, so that listeners need as much room between them as there are brokers.
fn ports(spec: &ClusterSpec) -> Vec<Finding> {
    let mut ports: Vec<(u32, &str)> = spec.listeners.iter().filter_map(|l| Some((u32::from(l.port?), l.label.as_str()))).collect();
    ports.sort_unstable();
    let brokers = (spec.brokers as u32).max(1);
    let mut out = vec![];
    for pair in ports.windows(2) {
        let [(low, first), (high, second)] = pair else { continue };
        if high - low < brokers {
            let taken = match brokers {
                1 => format!("port {low}"),
                n => format!("ports {low} to {}", low + n - 1),
            };
            let why = format!("Listener \"{}\" has {taken}, so that \"{}\" cannot begin at {high}.", one_line(first), one_line(second));
            let d = Diagnostic::error(codes::INVALID_ARGUMENT, why)
                .hint("Each broker adds its place to the port. Leave more room between them.");
            out.push(Finding::at(of_listener(second, "port"), d));
        }
    }
    out
}

/// The cluster as its layout and its processes tell.
fn deployed(cluster: &Cluster, layout: &Layout, spec: &ClusterSpec) -> Result<DeployedCluster, Diagnostic> {
    let pki = cluster.pki_dir();
    let files = |cn: &String| {
        let files = CertificateFiles { certificate: pki.join(format!("{cn}.crt")), key: pki.join(format!("{cn}.key")) };
        (cn.clone(), files)
    };
    Ok(DeployedCluster {
        cluster_id: (!layout.is_blank()).then(|| layout.cluster_id.clone()),
        addresses: spec.listeners.iter().map(|l| (l.name.clone(), layout.addresses(&l.name))).collect(),
        internal: layout.addresses(INTERNAL),
        admin: cluster.connection(layout),
        ca_file: pki.join("ca.crt"),
        certificates: spec.certificates.iter().map(files).collect(),
        running: cluster.running(layout)?.into_iter().map(i64::from).collect(),
        record: serde_json::to_value(layout).unwrap_or_default(),
    })
}

#[async_trait]
impl ClusterEngine for Clusters {
    fn kind(&self) -> &'static str {
        "local cluster"
    }

    fn arguments(&self) -> &'static [&'static str] {
        &["heap"]
    }

    fn check(&self, spec: &ClusterSpec) -> Vec<Finding> {
        ports(spec)
    }

    fn plan(&self, change: &ClusterChange<'_>) -> ClusterPlan {
        let layout = change.was.and_then(|_| layout_of(change.record));
        // Of a folder without a layout nothing that Kafka gave it is known.
        let blank = layout.as_ref().is_some_and(Layout::is_blank);
        let changed = |name: &&str| blank || change.was.is_none() || change.changed.contains(name);
        let causes: [(&'static str, &[&str]); 4] = [
            ("bootstrap_servers", &["brokers", "listener"]),
            ("endpoints", &["brokers", "listener"]),
            ("admin", &["brokers"]),
            ("certificates", &["client_certificates"]),
        ];
        let open = causes.iter().filter(|(_, causes)| causes.iter().any(changed)).map(|(name, _)| *name);
        let mut steps = match change.was {
            Some(was) => update(change, was, layout.as_ref()),
            None => vec![create(change.want)],
        };
        steps.extend(users(change, layout.as_ref()));
        ClusterPlan {
            steps,
            running: node_ids(change.want).into_iter().map(i64::from).collect(),
            unknown: open.chain(blank.then_some("cluster_id")).collect(),
            findings: downgrade(change.was, layout.as_ref(), change.want).into_iter().collect(),
        }
    }

    fn leaves_nothing_of(&self) -> &'static str {
        "with all its processes and its data directory"
    }

    async fn observe(&self, site: Site<'_>, spec: &ClusterSpec) -> Result<Option<DeployedCluster>, Diagnostic> {
        let cluster = Cluster::at(site.data_dir, &spec.name);
        cluster.found()?.map(|layout| deployed(&cluster, &layout, spec)).transpose()
    }

    async fn probe(&self, site: Site<'_>, was: Option<&ClusterSpec>, want: &ClusterSpec, note: Note<'_>) -> Vec<Finding> {
        let mut out: Vec<Finding> = lacking(&want.version, note).await.into_iter().collect();
        let cluster = Cluster::at(site.data_dir, &want.name);
        if was.is_some_and(|was| want.brokers < was.brokers)
            && let Ok(Some(layout)) = cluster.layout()
        {
            match cluster.occupied(&layout, want.brokers).await {
                Ok(full) => out.extend(full.iter().map(|(id, topic)| Finding::at("brokers", occupied_error(*id, topic)))),
                Err(e) => out.push(e.into()),
            }
        }
        out
    }

    async fn converge(
        &self,
        site: Site<'_>,
        want: &ClusterSpec,
        mandate: &dyn Mandate,
        note: Note<'_>,
        limit: Duration,
    ) -> Result<DeployedCluster, Diagnostic> {
        let cluster = Cluster::at(site.data_dir, &want.name);
        let layout = cluster.converge(want, mandate, note, limit).await?;
        deployed(&cluster, &layout, want)
    }

    async fn destroy(&self, site: Site<'_>, spec: &ClusterSpec, note: Note<'_>) -> Result<(), Diagnostic> {
        Cluster::at(site.data_dir, &spec.name).destroy(note).await
    }
}

/// What is missing on this machine to run a version of Kafka.
pub(super) async fn lacking(version: &str, note: Note<'_>) -> Option<Finding> {
    if version.is_empty() {
        return None;
    }
    let error = Launch::find(version, note).await.err()?;
    Some(match error.code {
        codes::JARS_UNAVAILABLE | codes::KAFKA_HOME => Finding::at("version", error),
        _ => error.into(),
    })
}
