//! Connect workers of one local Connect cluster: their settings, their topics and rights on Kafka, and how they are brought to what is wanted.
//!
//! Workers speak REST on loopback, with client certificates of an authority of their own. Their three topics and their own access rights are
//! made before they start, so that they never need the right to make topics.

mod settings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::broker::{Launch, is_false};
use super::pki::{Issued, Pki};
use super::{LOG4J, jars, ports, process, properties};
use crate::client::connect::{ConnectClient, ConnectConnection, Patience};
use crate::client::kafka::{AclBinding, Admin, ConfigResource, KafkaConnection, KafkaError, NewTopic};
use crate::diag::Diagnostic;
use crate::diag::codes::engine as codes;
use crate::disk::private::{DigestKey, file_error, private_dir, random_text, read_optional, remove_dir, remove_if_empty, write_private};
use crate::engine::Note;
use crate::engine::mandate::{self, Doing, Mandate};
use crate::engine::spec::{ConnectSpec, Released};
use crate::words::counted;

const GRACE: Duration = Duration::from_secs(20);

/// What the workers' settings follow from, as a text to be compared. It may hold passwords. The way to Kafka is not part of it: brokers come
/// and go, and a worker finds the others by those that it knows.
fn inputs(spec: &ConnectSpec) -> String {
    let paths = |paths: &[PathBuf]| paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join("\n");
    let fixed = [
        ("version".to_string(), spec.version.clone()),
        ("workers".to_string(), format!("{} {:?} {}", spec.workers, spec.port, spec.mtls)),
        ("heap".to_string(), spec.heap.clone()),
        ("plugins".to_string(), spec.plugins.join("\n")),
        ("secrets".to_string(), paths(&spec.secrets)),
        ("name".to_string(), spec.common_name.clone().unwrap_or_default()),
    ];
    let own = spec.names.iter().map(|n| ("names".to_string(), [n.group.as_str(), &n.config, &n.offset, &n.status].join("\n")));
    let config = spec.config.iter().map(|(k, v)| (format!("config {k}"), v.clone()));
    let env = spec.env.iter().map(|(k, v)| (format!("env {k}"), v.clone()));
    let read = spec.read_secrets.iter().map(|(folder, version)| (format!("secret {folder}"), version.clone()));
    let all: Vec<(String, String)> = fixed.into_iter().chain(own).chain(config).chain(env).chain(read).collect();
    properties(all.iter().map(|(k, v)| (k.as_str(), v.as_str())))
}

/// What a Connect cluster's folder holds for its workers.
struct Files {
    identity: Option<PathBuf>,
    plugins: Vec<PathBuf>,
    password: String,
    /// The variables, and the versions of the secrets that are read.
    env: String,
}

/// One worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Counted from 1.
    pub id: usize,
    /// Its REST port.
    pub port: u16,
    /// The digest of what it should run with.
    pub fingerprint: String,
    /// The digest of what it ran with when a change began that has not ended.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub before: String,
}

impl Worker {
    fn label(&self) -> String {
        format!("Connect worker {}", self.id)
    }

    /// As operations name it.
    fn part(&self) -> String {
        format!("worker {}", self.id)
    }
}

/// The workers, with what was chosen once for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The workers by id.
    pub workers: Vec<Worker>,
    /// Whether REST is https.
    pub https: bool,
    /// Who the workers are on Kafka.
    pub principal: String,
    /// A change began and has not ended: workers may run with settings that nobody wants any more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unsettled: bool,
    /// A digest of what was wanted when the last change ended; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub wanted: String,
}

impl Layout {
    /// The layout of a folder in which none was written yet. No worker was started; whether topics and rights are there is not known.
    fn blank() -> Layout {
        Layout { unsettled: true, ..Layout::default() }
    }

    /// Whether there is no more than a folder.
    pub fn is_blank(&self) -> bool {
        self.workers.is_empty()
    }

    /// The URL of the worker on this port.
    pub fn url(&self, port: u16) -> String {
        url(self.https, port)
    }
}

fn url(https: bool, port: u16) -> String {
    format!("{}://127.0.0.1:{port}", if https { "https" } else { "http" })
}

/// One local Connect cluster's folder.
#[derive(Clone, Debug)]
pub struct ConnectCluster {
    name: String,
    dir: PathBuf,
}

impl ConnectCluster {
    /// The Connect cluster of this name under a data folder. Nothing is read or written yet.
    pub fn at(data_dir: &Path, name: &str) -> Self {
        let dir = data_dir.join("connect").join(name);
        ConnectCluster { name: name.into(), dir: std::path::absolute(&dir).unwrap_or(dir) }
    }

    /// The layout; `None` when there is no such cluster.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn layout(&self) -> Result<Option<Layout>, Diagnostic> {
        let path = self.dir.join("connect.json");
        let Some(text) = read_optional(&path)? else { return Ok(None) };
        let mut layout: Layout = serde_json::from_str(&text).map_err(|e| file_error("read", &path, &std::io::Error::other(e)))?;
        let key = self.digest_key()?;
        layout.wanted = key.seal(&layout.wanted);
        for worker in &mut layout.workers {
            (worker.fingerprint, worker.before) = (key.seal(&worker.fingerprint), key.seal(&worker.before));
        }
        Ok(Some(layout))
    }

    /// The layout, as [`ConnectCluster::layout`] tells it. Where a run was killed after it made the folder and before it wrote the layout: one
    /// without workers, so that neither the folder nor what was made on Kafka is taken for nothing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn found(&self) -> Result<Option<Layout>, Diagnostic> {
        Ok(self.layout()?.or_else(|| self.dir.is_dir().then(Layout::blank)))
    }

    /// The key of the digests: the password of the key stores, which is random and stays.
    fn digest_key(&self) -> Result<DigestKey, Diagnostic> {
        DigestKey::at(&self.dir.join("pki/password"))
    }

    fn save(&self, layout: &Layout) -> Result<(), Diagnostic> {
        write_private(&self.dir.join("connect.json"), serde_json::to_string_pretty(layout).unwrap_or_default().as_bytes())
    }

    fn identity(&self, worker: &Worker) -> PathBuf {
        self.dir.join("run").join(format!("worker-{}.json", worker.id))
    }

    fn log(&self, worker: &Worker) -> PathBuf {
        self.dir.join("logs").join(format!("worker-{}.log", worker.id))
    }

    fn settings_file(&self, worker: &Worker) -> PathBuf {
        self.dir.join("conf").join(format!("worker-{}.properties", worker.id))
    }

    /// The ids of the workers that run with the settings that they should have; while a change has not ended, also with those before it.
    ///
    /// # Errors
    /// When identity files cannot be read.
    pub fn running(&self, layout: &Layout) -> Result<Vec<usize>, Diagnostic> {
        let (mut ids, key) = (vec![], self.digest_key()?);
        for worker in &layout.workers {
            // A process found by its mark alone has no digest, and is not known to run with these settings.
            let is_known = |digest: &str| !digest.is_empty() && [&worker.fingerprint, &worker.before].iter().any(|known| *known == digest);
            if process::running_sealed(&self.identity(worker), &key)?.is_some_and(|p| is_known(&p.fingerprint)) {
                ids.push(worker.id);
            }
        }
        Ok(ids)
    }

    /// How the REST interface is reached: the first worker that lives, else the first.
    pub fn connection(&self, layout: &Layout) -> ConnectConnection {
        let lives = |w: &&Worker| process::running(&self.identity(w)).ok().flatten().is_some();
        let port = layout.workers.iter().find(lives).or(layout.workers.first()).map_or(0, |w| w.port);
        self.connection_to(layout.https, port)
    }

    fn connection_to(&self, https: bool, port: u16) -> ConnectConnection {
        let mut connection = ConnectConnection::to_url(url(https, port));
        if https {
            let file = |name: &str| Some(self.dir.join("pki").join(name).to_string_lossy().into_owned());
            connection.ca_file = file("ca.crt");
            connection.certificate_file = file("admin.crt");
            connection.key_file = file("admin.key");
        }
        connection
    }

    /// Brings the Connect cluster to what is wanted. Topics and rights are created only as far as the mandate names them.
    ///
    /// # Errors
    /// When something would have to be done that the mandate does not allow (nothing is done then), Kafka refuses topics or rights, a plugin
    /// cannot be had, a port is taken or a worker does not come up.
    pub async fn converge(
        &self,
        wanted: &ConnectSpec,
        kafka: &Admin,
        mandate: &dyn Mandate,
        note: Note<'_>,
        limit: Duration,
    ) -> Result<Layout, Diagnostic> {
        let end = Instant::now() + limit;
        let launch = Launch::find(&wanted.version, note).await?;
        let plugins = plugins(&wanted.plugins, note).await?;
        let (identity, principal) = self.kafka_identity(wanted)?;
        let before = self.layout()?;
        let mut layout = before.clone().unwrap_or_default();
        layout.principal = principal;
        layout.https = wanted.mtls;
        let leaving = layout.workers.split_off(wanted.workers.min(layout.workers.len()));
        let files = self.files(wanted, &plugins, identity)?;
        let (texts, mut doings) = self.compare(&mut layout, before.as_ref(), wanted, &files, &launch, mandate)?;
        doings.extend(leaving.iter().map(|w| Doing::Stop(w.part())));
        mandate::check(mandate, &doings)?;
        self.secure(kafka, wanted, &layout.principal, mandate, note).await?;
        // Before the layout forgets them: a run that ends in between must not leave processes that nobody knows.
        for worker in &leaving {
            note(&format!("ending {}", worker.label()));
            process::stop(&self.identity(worker), &worker.label(), GRACE).await?;
            for file in [self.settings_file(worker), self.log(worker)] {
                let _ = std::fs::remove_file(file);
            }
        }
        layout.unsettled |= before.is_none() || !doings.is_empty();
        self.save(&layout)?;
        for (id, text) in &texts {
            if let Some(worker) = layout.workers.iter().find(|w| w.id == *id) {
                write_private(&self.settings_file(worker), text.as_bytes())?;
            }
        }
        self.bring_up(&layout, wanted, &launch, mandate, note, end).await?;
        layout.unsettled = false;
        layout.workers.iter_mut().for_each(|w| w.before.clear());
        layout.wanted = self.digest_key()?.digest([inputs(wanted).as_str()]);
        self.save(&layout)?;
        Ok(layout)
    }

    /// The principal of the workers on Kafka.
    ///
    /// # Errors
    /// When their certificate cannot be made or read.
    pub fn principal(&self, wanted: &ConnectSpec) -> Result<String, Diagnostic> {
        Ok(self.kafka_identity(wanted)?.1)
    }

    /// The key store that the workers show to Kafka, if any, and the principal that this makes them.
    fn kafka_identity(&self, wanted: &ConnectSpec) -> Result<(Option<PathBuf>, String), Diagnostic> {
        // The folder first: it shows that a certificate may have been issued, wherever that lies.
        private_dir(&self.dir)?;
        let kafka = &wanted.kafka;
        let authority = kafka.ca_file.as_deref().and_then(Pki::beside);
        if let (Some(name), Some(authority)) = (&wanted.common_name, authority) {
            return Ok((Some(authority.issue(name)?.bundle), format!("User:CN={name}")));
        }
        match (&kafka.certificate_file, &kafka.key_file) {
            (Some(certificate), Some(key)) => {
                let read = |path: &Path| std::fs::read_to_string(path).map_err(|e| file_error("read", path, &e));
                let bundle = self.dir.join("pki/kafka.pem");
                write_private(&bundle, format!("{}\n{}", read(key)?, read(certificate)?).as_bytes())?;
                let principal = if kafka.protocol.sasl() { user(kafka) } else { super::pki::principal(certificate)? };
                Ok((Some(bundle), principal))
            }
            _ => Ok((None, user(kafka))),
        }
    }

    /// Creates the planned topics and rights; both may exist already.
    async fn secure(
        &self,
        kafka: &Admin,
        wanted: &ConnectSpec,
        principal: &str,
        mandate: &dyn Mandate,
        note: Note<'_>,
    ) -> Result<(), Diagnostic> {
        let names = wanted.names();
        let topics: Vec<NewTopic> = names.topics().into_iter().filter(|t| mandate.allows(&Doing::CreateTopic(t.name.clone()))).collect();
        let granted = |b: &AclBinding| wanted.common_name.is_some() && mandate.allows(&Doing::Grant(b.to_string()));
        let acls: Vec<AclBinding> = names.acls(principal).into_iter().filter(granted).collect();
        if topics.is_empty() && acls.is_empty() {
            return Ok(());
        }
        note("creating its topics and access rights on Kafka");
        let doing = || format!("creating the topics of the Connect cluster \"{}\"", self.name);
        let made = kafka.create_topics(&topics, false).await.map_err(|e| e.into_diagnostic(doing()))?;
        let mut there = vec![];
        for (topic, result) in topics.into_iter().zip(made) {
            match result {
                Ok(_) => {}
                Err(KafkaError::TopicAlreadyExists) => there.push(topic),
                Err(e) => return Err(e.into_diagnostic(doing())),
            }
        }
        check_topics(kafka, &there).await?;
        let doing = || format!("granting the Connect cluster \"{}\" its own rights", self.name);
        for result in kafka.create_acls(&acls).await.map_err(|e| e.into_diagnostic(doing()))? {
            match result {
                Ok(()) | Err(KafkaError::SecurityDisabled) => {}
                Err(e) => return Err(e.into_diagnostic(doing())),
            }
        }
        Ok(())
    }

    /// Makes the folder with what the settings name.
    fn files(&self, wanted: &ConnectSpec, plugins: &[PathBuf], identity: Option<PathBuf>) -> Result<Files, Diagnostic> {
        private_dir(&self.dir)?;
        // The folder that file references may read where no secret is mounted: it must be there.
        private_dir(&self.dir.join("no-secrets"))?;
        write_private(&self.dir.join("log4j2.xml"), LOG4J.as_bytes())?;
        let read = wanted.read_secrets.iter().map(|(folder, version)| format!("secret {folder}={version}\n"));
        let env = wanted.env.iter().map(|(k, v)| format!("{k}={v}\n")).chain(read).collect();
        Ok(Files { identity, plugins: self.plugin_path(plugins)?, password: self.stores()?, env })
    }

    /// The settings of the workers that get new ones, and what has to be done with them. The layout gets the workers' digests.
    fn compare(
        &self,
        layout: &mut Layout,
        before: Option<&Layout>,
        wanted: &ConnectSpec,
        files: &Files,
        launch: &Launch,
        mandate: &dyn Mandate,
    ) -> Result<(BTreeMap<usize, String>, Vec<Doing>), Diagnostic> {
        let (key, inputs) = (self.digest_key()?, inputs(wanted));
        // As with brokers: where nothing else is wanted than before, other settings are taken with the next restart.
        let same = before.is_some_and(|b| !b.unsettled && (b.wanted.is_empty() || key.fits(&b.wanted, &[&inputs])));
        for id in 1..=wanted.workers {
            let fixed = wanted.port.map(|p| p.saturating_add((id - 1) as u16));
            let (fingerprint, before) = (String::new(), String::new());
            match layout.workers.get_mut(id - 1) {
                Some(worker) => worker.port = fixed.unwrap_or(worker.port),
                None => layout.workers.push(Worker { id, port: fixed.map_or_else(ports::free, Ok)?, fingerprint, before }),
            }
        }
        let (mut texts, mut doings) = (BTreeMap::new(), vec![]);
        for worker in &mut layout.workers {
            let text = self.settings(worker, wanted, &files.identity, &files.plugins, &files.password);
            // The settings may hold secrets, and the digest goes to the state.
            let libs = launch.libs.to_string_lossy();
            let parts = [text.as_str(), &wanted.heap, &libs, &files.env];
            let mut now = key.digest(parts);
            let (known, restart) = (!worker.fingerprint.is_empty(), Doing::Restart(worker.part()));
            match process::running_sealed(&self.identity(worker), &key)? {
                Some(p) if key.fits(&p.fingerprint, &parts) => now = p.fingerprint,
                Some(p) if same && p.fingerprint == worker.fingerprint && !mandate.allows(&restart) => continue,
                Some(p) => {
                    worker.before = p.fingerprint;
                    doings.push(restart);
                }
                None => doings.push(if known { restart } else { Doing::Start(worker.part()) }),
            }
            worker.fingerprint = now;
            texts.insert(worker.id, text);
        }
        Ok((texts, doings))
    }

    /// The entries of `plugin.path`. Each entry is a folder *of* plugins to Kafka, and a jar that lies in it directly a plugin by itself, of
    /// which the other jars see nothing: a folder of jars, which is one plugin, gets a place in a folder of links.
    fn plugin_path(&self, plugins: &[PathBuf]) -> Result<Vec<PathBuf>, Diagnostic> {
        let links = self.dir.join("plugins");
        if links.exists() {
            remove_dir(&links)?;
        }
        let holds_jars = |dir: &PathBuf| {
            let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
            entries.map(|e| e.path()).any(|p| p.extension().is_some_and(|x| x == "jar" || x == "zip"))
        };
        let (single, mut path): (Vec<PathBuf>, Vec<PathBuf>) = plugins.iter().cloned().partition(|p| p.is_dir() && holds_jars(p));
        for (i, plugin) in single.iter().enumerate() {
            private_dir(&links)?;
            let name = plugin.file_name().unwrap_or_default().to_string_lossy();
            let link = links.join(format!("{}-{name}", i + 1));
            std::os::unix::fs::symlink(plugin, &link).map_err(|e| file_error("link", &link, &e))?;
        }
        if !single.is_empty() {
            path.insert(0, links);
        }
        Ok(path)
    }

    /// Makes the REST interface's authority, certificates and key stores; returns the stores' password.
    fn stores(&self) -> Result<String, Diagnostic> {
        let dir = self.dir.join("pki");
        let pki = Pki::open(&dir, &self.name)?;
        pki.issue("admin")?;
        let worker: Issued = pki.issue("worker")?;
        let file = dir.join("password");
        if let Some(password) = read_optional(&file)?.filter(|_| dir.join("keys.p12").is_file() && dir.join("trust.p12").is_file()) {
            return Ok(password);
        }
        let password = random_text(24)?;
        pki.stores(&worker, &dir.join("keys.p12"), &dir.join("trust.p12"), &password)?;
        write_private(&file, password.as_bytes())?;
        Ok(password)
    }

    /// Starts what does not run, then restarts what runs with other settings: one worker at a time. Interrupted, it ends behind the worker that
    /// is in hand.
    async fn bring_up(
        &self,
        layout: &Layout,
        wanted: &ConnectSpec,
        launch: &Launch,
        mandate: &dyn Mandate,
        note: Note<'_>,
        end: Instant,
    ) -> Result<(), Diagnostic> {
        let (mut missing, mut stale) = (vec![], vec![]);
        let key = self.digest_key()?;
        for worker in &layout.workers {
            match process::running_sealed(&self.identity(worker), &key)? {
                None => missing.push(worker),
                Some(p) if p.fingerprint != worker.fingerprint => stale.push(worker),
                Some(_) => {}
            }
        }
        for worker in &missing {
            ports::check(worker.port, &worker.label(), "rest")?;
            self.start(worker, wanted, launch)?;
        }
        for worker in missing {
            self.wait(layout, worker, note, end).await?;
        }
        for (done, &worker) in stale.iter().enumerate() {
            if mandate.stopping() {
                let last = done.checked_sub(1).map(|i| stale[i].label());
                return Err(mandate::stopped(last.as_deref(), done, stale.len()));
            }
            note(&format!("restarting {}", worker.label()));
            process::stop(&self.identity(worker), &worker.label(), GRACE).await?;
            ports::check(worker.port, &worker.label(), "rest")?;
            self.start(worker, wanted, launch)?;
            self.wait(layout, worker, note, end).await?;
        }
        Ok(())
    }

    fn start(&self, worker: &Worker, wanted: &ConnectSpec, launch: &Launch) -> Result<(), Diagnostic> {
        let mut args: Vec<String> = wanted.heap.split_whitespace().map(str::to_string).collect();
        args.extend(launch.args(&self.dir));
        args.extend(["org.apache.kafka.connect.cli.ConnectDistributed".into(), self.settings_file(worker).display().to_string()]);
        process::start(&process::Spec {
            label: format!("{} of {}", worker.label(), self.name),
            java: launch.java.clone(),
            args,
            env: wanted.env.clone().into_iter().collect(),
            log: self.log(worker),
            identity: self.identity(worker),
            fingerprint: worker.fingerprint.clone(),
        })
        .map(drop)
    }

    /// Waits until a worker answers as a member of its group.
    async fn wait(&self, layout: &Layout, worker: &Worker, note: Note<'_>, end: Instant) -> Result<(), Diagnostic> {
        let began = Instant::now();
        note(&format!("waiting for {}", worker.label()));
        let connection = self.connection_to(layout.https, worker.port);
        let client = ConnectClient::new(&connection, Arc::default())
            .map_err(|e| Diagnostic::error(codes::CERTIFICATE, format!("The Connect workers cannot be asked: {e}.")))?;
        loop {
            if process::running(&self.identity(worker))?.is_none() {
                return Err(process::failed(&worker.label(), &self.log(worker), None));
            }
            // Listing answers only when the worker has joined its group.
            if !ports::is_free(worker.port) && client.connectors(&Patience::quiet(Duration::from_secs(2))).await.is_ok() {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(process::failed(&worker.label(), &self.log(worker), Some(began.elapsed())));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends the workers, removes their topics and rights from Kafka, then the folder.
    ///
    /// # Errors
    /// When Kafka refuses, or a process or a file stays.
    pub async fn destroy(&self, kafka: Option<&Admin>, authority: Option<Pki>, gone: &Released, note: Note<'_>) -> Result<(), Diagnostic> {
        let layout = self.layout()?.unwrap_or_default();
        note(&format!("ending {}", counted(layout.workers.len(), "worker")));
        let stops = layout.workers.iter().map(|w| async move { process::stop(&self.identity(w), &w.label(), GRACE).await });
        futures::future::try_join_all(stops).await?;
        // Processes that the layout does not name.
        process::stop_below(&self.dir, &format!("a process of {}", self.name), GRACE).await?;
        if let Some(kafka) = kafka {
            self.forget(kafka, gone).await?;
        }
        if let (Some(authority), Some(name)) = (authority, gone.principal.strip_prefix("User:CN=")) {
            authority.forget(name);
        }
        remove_dir(&self.dir)?;
        if let Some(parent) = self.dir.parent() {
            remove_if_empty(parent);
        }
        Ok(())
    }

    async fn forget(&self, kafka: &Admin, gone: &Released) -> Result<(), Diagnostic> {
        let doing = || format!("removing the topics and rights of the Connect cluster \"{}\"", self.name);
        if !gone.topics.is_empty() {
            for result in kafka.delete_topics(&gone.topics).await.map_err(|e| e.into_diagnostic(doing()))? {
                match result {
                    Ok(()) | Err(KafkaError::UnknownTopicOrPart) => {}
                    Err(e) => return Err(e.into_diagnostic(doing())),
                }
            }
        }
        if !gone.bindings.is_empty() {
            for result in kafka.delete_acls(&gone.bindings).await.map_err(|e| e.into_diagnostic(doing()))? {
                match result {
                    Ok(_) | Err(KafkaError::SecurityDisabled) => {}
                    Err(e) => return Err(e.into_diagnostic(doing())),
                }
            }
        }
        Ok(())
    }
}

/// Refuses topics that were there already and would lose what workers write: not compacted, or more than one partition of configurations.
async fn check_topics(kafka: &Admin, topics: &[NewTopic]) -> Result<(), Diagnostic> {
    if topics.is_empty() {
        return Ok(());
    }
    let failed = |e: KafkaError| e.into_diagnostic("looking at the topics of a Connect cluster");
    let metadata = kafka.metadata().await.map_err(failed)?;
    let resources: Vec<ConfigResource> = topics.iter().map(|t| ConfigResource::Topic(t.name.clone())).collect();
    for (topic, entries) in topics.iter().zip(kafka.describe_configs(&resources).await.map_err(failed)?) {
        let entries = entries.map_err(failed)?;
        let policy = entries.iter().find(|e| e.name == "cleanup.policy").and_then(|e| e.value.as_deref()).unwrap_or_default();
        let partitions = metadata.topics.get(&topic.name).map_or(topic.partitions as usize, |t| t.partitions.len());
        let why = match (policy == "compact", topic.partitions == 1 && partitions != 1) {
            (false, _) => format!("its cleanup.policy is \"{policy}\", and must be \"compact\""),
            (_, true) => format!("it has {}, and must have 1", counted(partitions, "partition")),
            _ => continue,
        };
        return Err(Diagnostic::error(codes::CONNECT_TOPIC, format!("The workers cannot use the topic \"{}\": {why}.", topic.name))
            .hint("Correct its setting, or delete it; a topic whose old records were deleted has lost connectors or offsets."));
    }
    Ok(())
}

/// The folders of plugins for `plugin.path`: those of Maven are fetched where they are not there yet.
///
/// # Errors
/// When there is nothing at a path, or an artifact cannot be had.
pub async fn plugins(wanted: &[String], note: Note<'_>) -> Result<Vec<PathBuf>, Diagnostic> {
    let mut dirs = vec![];
    for text in wanted {
        let dir = match jars::Coordinate::parse(text) {
            Some(coordinate) => jars::plugin(&coordinate, note).await?,
            None => std::path::absolute(text).map_err(|e| file_error("find", Path::new(text), &e))?,
        };
        if !dir.exists() {
            return Err(Diagnostic::error(codes::INVALID_ARGUMENT, format!("There is no plugin at \"{}\".", dir.display()))
                .hint("Name a folder of jars, a folder of such folders, or Maven's `group:artifact:version`."));
        }
        dirs.push(dir);
    }
    Ok(dirs)
}

fn user(kafka: &KafkaConnection) -> String {
    format!("User:{}", kafka.username.as_deref().filter(|_| kafka.protocol.sasl()).unwrap_or("ANONYMOUS"))
}
