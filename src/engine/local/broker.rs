//! Brokers and controllers of one local cluster: which nodes there are, their settings, and how the cluster is brought to what is wanted.
//!
//! `cluster.json` in the cluster's folder (the [`Layout`]) is written before anything starts, so that an interrupted run is taken up where
//! it stood: ports, cluster id and nodes never change by accident. All listeners are on loopback. Every cluster has a listener
//! `STREAMFORM` with TLS and client certificates for the brokers themselves and for streamform's administrator; the controllers'
//! listener is secured alike.

mod launch;
mod model;
mod settings;
mod storage;

pub use launch::Launch;
pub(super) use model::is_false;
pub use model::{Layout, Node};
pub use settings::sizes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{LOG4J, pki::Pki, ports, process, properties};
use crate::client::kafka::{Admin, KafkaConnection, KafkaError, RequestCounter, SaslMechanism, ScramChange, SecurityProtocol};
use crate::diag::Diagnostic;
use crate::diag::codes::engine as codes;
use crate::disk::private::{DigestKey, digest, file_error, private_dir, read_optional, remove_dir, remove_if_empty, write_private};
use crate::engine::Note;
use crate::engine::mandate::{self, Doing, Mandate};
use crate::engine::spec::ClusterSpec;
use crate::words::counted;

/// The listener that every broker has.
pub const INTERNAL: &str = "STREAMFORM";
const CONTROLLER: &str = "CONTROLLER";
/// Node ids of dedicated controllers start here.
const FIRST_CONTROLLER: i32 = 1001;
/// How often SCRAM hashes a password.
const SCRAM_ITERATIONS: i32 = 8192;
/// How long a process may take to end by itself.
const GRACE: Duration = Duration::from_secs(15);
/// The same for a tool that an earlier run has left.
const TOOL_GRACE: Duration = Duration::from_secs(3);

/// One local cluster's folder.
#[derive(Clone, Debug)]
pub struct Cluster {
    name: String,
    dir: PathBuf,
}

impl Cluster {
    /// The cluster of this name under a data folder. Nothing is read or written yet.
    pub fn at(data_dir: &Path, name: &str) -> Cluster {
        let dir = data_dir.join("local").join(name);
        Cluster { name: name.into(), dir: std::path::absolute(&dir).unwrap_or(dir) }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its certificate authority's folder.
    pub fn pki_dir(&self) -> PathBuf {
        self.dir.join("pki")
    }

    fn identity(&self, node: &Node) -> PathBuf {
        self.dir.join("run").join(format!("{}.json", node.file()))
    }

    /// A node's log.
    pub fn log(&self, node: &Node) -> PathBuf {
        self.dir.join("logs").join(format!("{}.log", node.file()))
    }

    /// The layout; `None` when there is no such cluster.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn layout(&self) -> Result<Option<Layout>, Diagnostic> {
        let path = self.dir.join("cluster.json");
        let Some(text) = read_optional(&path)? else { return Ok(None) };
        let mut layout: Layout = serde_json::from_str(&text).map_err(|e| file_error("read", &path, &std::io::Error::other(e)))?;
        let key = self.digest_key()?;
        for node in &mut layout.nodes {
            (node.fingerprint, node.before) = (key.seal(&node.fingerprint), key.seal(&node.before));
        }
        Ok(Some(layout))
    }

    /// The layout, as [`Cluster::layout`] tells it. Where a run was killed after it made the folder and before it wrote the layout: one
    /// without nodes, so that the folder is not taken for nothing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn found(&self) -> Result<Option<Layout>, Diagnostic> {
        Ok(self.layout()?.or_else(|| self.dir.is_dir().then(Layout::blank)))
    }

    fn save(&self, layout: &Layout) -> Result<(), Diagnostic> {
        let text = serde_json::to_string_pretty(layout).unwrap_or_default();
        write_private(&self.dir.join("cluster.json"), text.as_bytes())
    }

    /// The ids of the nodes that run, with the settings that they should have; while a change has not ended, also with those before it.
    ///
    /// # Errors
    /// When identity files cannot be read.
    pub fn running(&self, layout: &Layout) -> Result<Vec<i32>, Diagnostic> {
        let (mut ids, key) = (vec![], self.digest_key()?);
        for node in &layout.nodes {
            // A process found by its mark alone has no digest, and is not known to run with these settings.
            let is_known = |digest: &str| !digest.is_empty() && [&node.fingerprint, &node.before].iter().any(|known| *known == digest);
            if process::running_sealed(&self.identity(node), &key)?.is_some_and(|p| is_known(&p.fingerprint)) {
                ids.push(node.id);
            }
        }
        Ok(ids)
    }

    /// The administrator's way to the brokers.
    pub fn connection(&self, layout: &Layout) -> KafkaConnection {
        let pki = self.pki_dir();
        KafkaConnection {
            bootstrap_servers: layout.addresses(INTERNAL).split(',').map(str::to_string).collect(),
            protocol: SecurityProtocol::Ssl,
            ca_file: Some(pki.join("ca.crt")),
            certificate_file: Some(pki.join("admin.crt")),
            key_file: Some(pki.join("admin.key")),
            ..KafkaConnection::default()
        }
    }

    fn admin(&self, layout: &Layout) -> Result<Admin, Diagnostic> {
        Admin::with_connect_timeout(self.connection(layout), RequestCounter::default(), Duration::from_secs(2))
            .map_err(|e| e.into_diagnostic("connecting to the local cluster"))
    }

    /// Brings the cluster to what is wanted: makes it, starts what does not run, rolls what runs with other settings, one node at a time.
    ///
    /// # Errors
    /// When something would have to be done that the mandate does not allow (nothing is done then), a node does not come up, a port is taken,
    /// or brokers to remove are not empty. What was reached stays.
    pub async fn converge(
        &self,
        wanted: &ClusterSpec,
        mandate: &dyn Mandate,
        note: Note<'_>,
        limit: Duration,
    ) -> Result<Layout, Diagnostic> {
        let end = Instant::now() + limit;
        let launch = Launch::find(&wanted.version, note).await?;
        // Before anything is looked at: what a killed run has left goes on writing.
        process::stop_below(&launch::tools(&self.dir), &format!("a tool of {}", self.name), TOOL_GRACE).await?;
        let before = self.layout()?;
        // A new cluster is formatted with all that its release has.
        let new = || Layout { release: release(&wanted.version), ..Layout::new() };
        let mut layout = before.clone().unwrap_or_else(new);
        let leaving = layout.adapt(wanted)?;
        // Before anything is touched: removing comes last, and a refusal then would leave the others restarted for nothing.
        self.check_leaving(&layout, &leaving).await?;
        self.certificates(wanted)?;
        let (texts, doings) = self.compare(&mut layout, before.as_ref(), wanted, &leaving, &launch, mandate)?;
        mandate::check(mandate, &doings)?;
        layout.unsettled |= before.is_none() || !doings.is_empty();
        self.save(&layout)?;
        for (id, text) in &texts {
            if let Some(node) = layout.nodes.iter().find(|n| n.id == *id) {
                write_private(&self.settings_file(node), text.as_bytes())?;
            }
        }
        let staying: Vec<&Node> = layout.nodes.iter().filter(|n| !leaving.iter().any(|l| l.id == n.id)).collect();
        self.start_missing(&layout, &staying, wanted, &launch, note, end).await?;
        self.roll(&layout, &staying, wanted, &launch, mandate, note, end).await?;
        self.raise_features(&mut layout, wanted, &launch, mandate, note).await?;
        self.set_users(&mut layout, wanted).await?;
        self.remove_nodes(&mut layout, &leaving, &launch, note).await?;
        layout.unsettled = false;
        layout.nodes.iter_mut().for_each(|n| n.before.clear());
        layout.wanted = self.keyed(&[&model::inputs(wanted)])?;
        self.save(&layout)?;
        Ok(layout)
    }

    /// Makes the folder, the authority and the certificates.
    fn certificates(&self, wanted: &ClusterSpec) -> Result<(), Diagnostic> {
        private_dir(&self.dir)?;
        let pki = Pki::open(&self.pki_dir(), &self.name)?;
        for name in ["broker", "admin"].into_iter().chain(wanted.certificates.iter().map(String::as_str)) {
            pki.issue(name)?;
        }
        write_private(&self.dir.join("log4j2.xml"), LOG4J.as_bytes())
    }

    /// The settings of the nodes that get new ones, and everything that has to be done. The layout gets the nodes' digests.
    fn compare(
        &self,
        layout: &mut Layout,
        before: Option<&Layout>,
        wanted: &ClusterSpec,
        leaving: &[Node],
        launch: &Launch,
        mandate: &dyn Mandate,
    ) -> Result<(BTreeMap<i32, String>, Vec<Doing>), Diagnostic> {
        let inputs = self.keyed(&[&model::inputs(wanted)])?;
        // Where nothing else is wanted than when the last change ended, other settings come from another version of streamform or another folder
        // of jars: a node takes them with its next restart.
        let same = before.is_some_and(|b| !b.unsettled && (b.wanted.is_empty() || b.wanted == inputs));
        let key = self.digest_key()?;
        let leaves = |id: i32| leaving.iter().any(|n| n.id == id);
        let (mut texts, mut doings) = (BTreeMap::new(), vec![]);
        let all: Vec<(i32, String)> = layout.nodes.iter().map(|n| (n.id, self.settings(layout, wanted, n))).collect();
        for (node, (id, text)) in layout.nodes.iter_mut().zip(all) {
            let (known, label) = (!node.fingerprint.is_empty(), node.label());
            let libs = launch.libs.to_string_lossy();
            let parts = [text.as_str(), &wanted.heap, &libs];
            // The settings may hold secrets (passwords of PLAIN, a sensitive value in `config`), and the digest goes to the state.
            let mut now = key.digest(parts);
            let restart = Doing::Restart(label.clone());
            match process::running_sealed(&self.identity(node), &key)? {
                Some(p) if key.fits(&p.fingerprint, &parts) => now = p.fingerprint,
                Some(_) if leaves(id) => continue,
                Some(p) if same && p.fingerprint == node.fingerprint && !mandate.allows(&restart) => continue,
                Some(p) => {
                    node.before = p.fingerprint;
                    doings.push(restart);
                }
                None if leaves(id) => continue,
                None => doings.push(if known { restart } else { Doing::Start(label) }),
            }
            node.fingerprint = now;
            texts.insert(id, text);
        }
        if let Some(raise) = raised(layout, wanted, mandate) {
            doings.push(Doing::Raise(raise));
        }
        doings.extend(self.user_changes(layout, wanted)?.iter().map(|c| match c {
            ScramChange::Upsert { user, .. } => Doing::SetUser(user.clone()),
            ScramChange::Delete { user, .. } => Doing::RemoveUser(user.clone()),
        }));
        doings.extend(leaving.iter().map(|n| Doing::Stop(n.label())));
        Ok((texts, doings))
    }

    /// The key of the nodes' digests: the authority's.
    fn digest_key(&self) -> Result<DigestKey, Diagnostic> {
        DigestKey::at(&self.pki_dir().join("ca.key"))
    }

    /// A digest that says nothing to whoever has not the authority's key.
    fn keyed(&self, parts: &[&str]) -> Result<String, Diagnostic> {
        let key = read_optional(&self.pki_dir().join("ca.key"))?.unwrap_or_default();
        Ok(digest(std::iter::once(key.as_str()).chain(parts.iter().copied())))
    }

    /// The SCRAM users to set, because they are new or have another password, and to remove, because nobody wants them any more.
    fn user_changes(&self, layout: &Layout, wanted: &ClusterSpec) -> Result<Vec<ScramChange>, Diagnostic> {
        let mechanism = SaslMechanism::ScramSha512;
        let none = BTreeMap::new();
        let users = if wanted.scram() { &wanted.users } else { &none };
        let gone = layout.users.keys().filter(|u| !users.contains_key(*u)).cloned().map(|user| ScramChange::Delete { user, mechanism });
        let mut changes: Vec<ScramChange> = gone.collect();
        for (user, password) in users {
            if layout.users.get(user) != Some(&self.keyed(&[user, password])?) {
                changes.push(ScramChange::Upsert {
                    user: user.clone(),
                    mechanism,
                    iterations: SCRAM_ITERATIONS,
                    password: password.clone(),
                });
            }
        }
        Ok(changes)
    }

    /// Sets and removes SCRAM users. The layout names them before the cluster is asked, so that a run that ends in between is taken up.
    async fn set_users(&self, layout: &mut Layout, wanted: &ClusterSpec) -> Result<(), Diagnostic> {
        let changes = self.user_changes(layout, wanted)?;
        if changes.is_empty() {
            return Ok(());
        }
        for change in &changes {
            let (ScramChange::Upsert { user, .. } | ScramChange::Delete { user, .. }) = change;
            layout.users.insert(user.clone(), String::new());
        }
        self.save(layout)?;
        let doing = "setting the passwords of SCRAM users";
        for result in self.admin(layout)?.alter_scram(&changes).await.map_err(|e| e.into_diagnostic(doing))? {
            match result {
                Ok(()) | Err(KafkaError::ResourceNotFound) => {}
                Err(e) => return Err(e.into_diagnostic(doing)),
            }
        }
        for change in changes {
            match change {
                ScramChange::Upsert { user, password, .. } => {
                    let digest = self.keyed(&[&user, &password])?;
                    layout.users.insert(user, digest);
                }
                ScramChange::Delete { user, .. } => drop(layout.users.remove(&user)),
            }
        }
        self.save(layout)
    }

    fn settings_file(&self, node: &Node) -> PathBuf {
        self.dir.join("conf").join(format!("{}.properties", node.file()))
    }

    fn data(&self, node: &Node) -> PathBuf {
        self.dir.join("data").join(node.file())
    }

    async fn start_missing(
        &self,
        layout: &Layout,
        nodes: &[&Node],
        wanted: &ClusterSpec,
        launch: &Launch,
        note: Note<'_>,
        end: Instant,
    ) -> Result<(), Diagnostic> {
        let mut missing = vec![];
        for node in nodes {
            if process::running(&self.identity(node))?.is_none() {
                missing.push(*node);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        for node in &missing {
            for (listener, port) in &node.ports {
                ports::check(*port, &node.label(), listener)?;
            }
        }
        futures::future::try_join_all(missing.iter().map(|n| self.format(layout, n, launch))).await?;
        for node in &missing {
            self.start(node, wanted, launch)?;
        }
        self.wait(layout, &missing, note, end).await
    }

    fn start(&self, node: &Node, wanted: &ClusterSpec, launch: &Launch) -> Result<(), Diagnostic> {
        let mut args: Vec<String> = wanted.heap.split_whitespace().map(str::to_string).collect();
        args.extend(launch.args(&self.dir));
        args.extend(["kafka.Kafka".into(), self.settings_file(node).display().to_string()]);
        process::start(&process::Spec {
            label: format!("{} of {}", node.label(), self.name),
            java: launch.java.clone(),
            args,
            env: vec![],
            log: self.log(node),
            identity: self.identity(node),
            fingerprint: node.fingerprint.clone(),
        })
        .map(drop)
    }

    /// Waits until these nodes are members of the cluster.
    async fn wait(&self, layout: &Layout, nodes: &[&Node], note: Note<'_>, end: Instant) -> Result<(), Diagnostic> {
        let began = Instant::now();
        let admin = self.admin(layout)?;
        let mut told = usize::MAX;
        loop {
            for node in nodes {
                if process::running(&self.identity(node))?.is_none() {
                    return Err(process::failed(&node.label(), &self.log(node), None));
                }
            }
            // A bound port is asked for first: it costs nothing and spares the client's own patience.
            let mut late: Vec<&&Node> = nodes.iter().filter(|n| n.ports.values().any(|p| ports::is_free(*p))).collect();
            if late.is_empty() {
                match admin.describe_cluster().await {
                    Ok(cluster) => late = nodes.iter().filter(|n| n.broker && !cluster.brokers.iter().any(|b| b.id == n.id)).collect(),
                    Err(e) if lasting(&e) => return Err(e.into_diagnostic("asking the local cluster")),
                    Err(_) => late = nodes.iter().collect(),
                }
            }
            if late.is_empty() {
                return Ok(());
            }
            if std::mem::replace(&mut told, late.len()) != late.len() {
                note(&format!("waiting for {} of {}", late.len(), counted(nodes.len(), "node")));
            }
            if Instant::now() >= end {
                return Err(process::failed(&late[0].label(), &self.log(late[0]), Some(began.elapsed())));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Restarts the nodes that run with other settings than wanted: one at a time, and only while all partitions are in sync. Interrupted, it
    /// ends behind the node that is in hand.
    #[allow(clippy::too_many_arguments, reason = "they are what converge was given, and used once")]
    async fn roll(
        &self,
        layout: &Layout,
        nodes: &[&Node],
        wanted: &ClusterSpec,
        launch: &Launch,
        mandate: &dyn Mandate,
        note: Note<'_>,
        end: Instant,
    ) -> Result<(), Diagnostic> {
        let (mut stale, key) = (vec![], self.digest_key()?);
        for node in nodes {
            if process::running_sealed(&self.identity(node), &key)?.is_none_or(|p| p.fingerprint != node.fingerprint) {
                stale.push(*node);
            }
        }
        for (done, &node) in stale.iter().enumerate() {
            if mandate.stopping() {
                let last = done.checked_sub(1).map(|i| stale[i].label());
                return Err(mandate::stopped(last.as_deref(), done, stale.len()));
            }
            self.wait_in_sync(layout, note, end).await?;
            note(&format!("restarting {}", node.label()));
            process::stop(&self.identity(node), &node.label(), GRACE).await?;
            for (listener, port) in &node.ports {
                ports::check(*port, &node.label(), listener)?;
            }
            self.start(node, wanted, launch)?;
            self.wait(layout, &[node], note, end).await?;
            self.wait_in_sync(layout, note, end).await?;
        }
        Ok(())
    }

    async fn wait_in_sync(&self, layout: &Layout, note: Note<'_>, end: Instant) -> Result<(), Diagnostic> {
        let admin = self.admin(layout)?;
        let mut told = false;
        loop {
            let late = match admin.metadata().await {
                Ok(m) => m
                    .topics
                    .values()
                    .flat_map(|t| t.partitions.iter().filter(|p| p.under_replicated()).map(|p| format!("{}-{}", t.name, p.id)))
                    .collect(),
                Err(e) if lasting(&e) => return Err(e.into_diagnostic("asking the local cluster")),
                Err(_) => vec!["all (no answer yet)".to_string()],
            };
            if late.is_empty() {
                return Ok(());
            }
            if !std::mem::replace(&mut told, true) {
                let is = if late.len() == 1 { "is" } else { "are" };
                note(&format!("waiting until {} {is} in sync", counted(late.len(), "partition")));
            }
            if Instant::now() >= end {
                let named = late.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
                return Err(Diagnostic::error(
                    codes::UNDER_REPLICATED,
                    format!("The rolling restart waits for partitions that are not in sync: {named}."),
                )
                .hint("Bring the brokers that hold their other replicas back, then apply again: it goes on where it stopped."));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Which of the brokers above `keep` hold partitions, with one example each.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub async fn occupied(&self, layout: &Layout, keep: usize) -> Result<Vec<(i32, String)>, Diagnostic> {
        let metadata = self.admin(layout)?.metadata().await.map_err(|e| e.into_diagnostic("asking which partitions the brokers hold"))?;
        let holds = |id: i32| {
            metadata.topics.values().find(|t| t.partitions.iter().any(|p| p.replicas.contains(&id))).map(|t| (id, t.name.clone()))
        };
        Ok(layout.brokers().filter(|n| n.id as usize > keep).filter_map(|n| holds(n.id)).collect())
    }

    async fn check_leaving(&self, layout: &Layout, leaving: &[Node]) -> Result<(), Diagnostic> {
        let Some(first) = leaving.first() else { return Ok(()) };
        if let Some(voter) = leaving.iter().find(|n| n.controller) {
            return Err(Diagnostic::error(
                codes::SCALE_IN,
                format!("Broker {} is a voter of the controller quorum and cannot go.", voter.id),
            )
            .hint("Keep three brokers, or make a new cluster."));
        }
        match self.occupied(layout, (first.id - 1) as usize).await?.first() {
            Some((id, topic)) => Err(occupied_error(*id, topic)),
            None => Ok(()),
        }
    }

    async fn remove_nodes(&self, layout: &mut Layout, leaving: &[Node], launch: &Launch, note: Note<'_>) -> Result<(), Diagnostic> {
        self.check_leaving(layout, leaving).await?;
        for node in leaving {
            note(&format!("removing {}", node.label()));
            process::stop(&self.identity(node), &node.label(), GRACE).await?;
            layout.nodes.retain(|n| n.id != node.id);
            self.unregister(layout, node, launch).await?;
            remove_dir(&self.data(node))?;
            for file in [self.settings_file(node), self.log(node)] {
                let _ = std::fs::remove_file(file);
            }
            self.save(layout)?;
        }
        Ok(())
    }

    /// The settings with which Kafka's own tools connect.
    fn tool_settings(&self) -> Result<String, Diagnostic> {
        let pki = self.pki_dir();
        let (keys, trust) = (pki.join("admin.pem").display().to_string(), pki.join("ca.crt").display().to_string());
        let client = [
            ("security.protocol", "SSL"),
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.location", &keys),
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.location", &trust),
        ];
        let file = self.dir.join("conf/admin.properties");
        write_private(&file, properties(client).as_bytes())?;
        Ok(file.display().to_string())
    }

    /// Brings metadata version and other features to those of the release that all nodes run now. Newer brokers go on with the old ones
    /// otherwise, without what is new; there is no way back.
    async fn raise_features(
        &self,
        layout: &mut Layout,
        wanted: &ClusterSpec,
        launch: &Launch,
        mandate: &dyn Mandate,
        note: Note<'_>,
    ) -> Result<(), Diagnostic> {
        let Some(release) = raised(layout, wanted, mandate) else { return Ok(()) };
        let doing = Doing::Raise(release.clone());
        if !mandate.begin(&doing).await {
            return Err(mandate::not_begun(&doing));
        }
        layout.raising.clone_from(&release);
        self.save(layout)?;
        note(&format!("raising the metadata version to that of Kafka {release}"));
        let (servers, file) = (layout.addresses(INTERNAL), self.tool_settings()?);
        let args = ["--bootstrap-server", &servers, "--command-config", &file, "upgrade", "--release-version", &release];
        let output = launch.tool(&self.dir, "features", "org.apache.kafka.tools.FeatureCommand", &args).await?;
        output.map_err(|said| {
            Diagnostic::error(codes::PROCESS_DIED, format!("The metadata version cannot be raised to that of Kafka {release}: {said}"))
                .hint("The cluster runs on with the old one; apply again.")
        })?;
        layout.release = release;
        layout.raising.clear();
        self.save(layout)?;
        mandate.end(&doing).await;
        Ok(())
    }

    /// Tells the controllers to forget a broker, so that no replica is ever placed on it again.
    async fn unregister(&self, layout: &Layout, node: &Node, launch: &Launch) -> Result<(), Diagnostic> {
        let (id, servers, file) = (node.id.to_string(), layout.addresses(INTERNAL), self.tool_settings()?);
        let args = ["unregister", "--bootstrap-server", &servers, "--id", &id, "--config", &file];
        let output = launch.tool(&self.dir, "cluster", "org.apache.kafka.tools.ClusterTool", &args).await?;
        output.map(drop).map_err(|said| Diagnostic::error(codes::PROCESS_DIED, format!("{} cannot be unregistered: {said}", node.label())))
    }

    /// Ends every process and removes the folder with all data.
    ///
    /// # Errors
    /// When a process or a file stays.
    pub async fn destroy(&self, note: Note<'_>) -> Result<(), Diagnostic> {
        if let Some(layout) = self.layout()? {
            note(&format!("ending {}", counted(layout.nodes.len(), "process")));
            // Brokers before the controllers that they say goodbye to; the data goes anyway, so nobody waits long.
            let (last, first): (Vec<&Node>, Vec<&Node>) = layout.nodes.iter().partition(|n| n.controller);
            for group in [first, last] {
                let stops =
                    group.into_iter().map(|n| async move { process::stop(&self.identity(n), &n.label(), Duration::from_secs(5)).await });
                futures::future::try_join_all(stops).await?;
            }
        }
        // Processes that the layout does not name: tools, and anything else of this folder that still runs.
        process::stop_below(&self.dir, &format!("a process of {}", self.name), TOOL_GRACE).await?;
        remove_dir(&self.dir)?;
        if let Some(parent) = self.dir.parent() {
            remove_if_empty(parent);
        }
        Ok(())
    }
}

/// The release that the metadata version is to be raised to, if it is. Of a layout that does not tell the present one only where that was planned.
fn raised(layout: &Layout, wanted: &ClusterSpec, mandate: &dyn Mandate) -> Option<String> {
    let release = release(&wanted.version);
    let needed = if layout.release.is_empty() { mandate.allows(&Doing::Raise(release.clone())) } else { layout.release != release };
    needed.then_some(release)
}

/// The release that a version belongs to: `4.3` of `4.3.1`.
pub fn release(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

/// Why a broker cannot be removed.
pub fn occupied_error(id: i32, topic: &str) -> Diagnostic {
    Diagnostic::error(codes::SCALE_IN, format!("Broker {id} cannot be removed: it holds partitions of topic \"{topic}\" and perhaps more."))
        .hint("Move its partitions to the brokers that stay, then apply again.")
}

/// Errors that no waiting mends.
fn lasting(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Connection { .. } | KafkaError::AuthorizationFailed { .. } | KafkaError::AuthenticationFailed { .. })
}
