//! How Kafka's classes are run.

use std::path::{Path, PathBuf};

use super::super::{JVM_FLAGS, jars, java, process};
use crate::diag::Diagnostic;
use crate::disk::private::file_error;
use crate::engine::Note;

/// How Kafka's classes are run.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The Java launcher.
    pub java: PathBuf,
    /// The folder of jars.
    pub libs: PathBuf,
}

impl Launch {
    /// Java, and the jars of a version of Kafka: those are fetched where they are not there yet.
    ///
    /// # Errors
    /// When Java is missing or too old, or the jars cannot be had.
    pub async fn find(version: &str, note: Note<'_>) -> Result<Launch, Diagnostic> {
        Ok(Launch { java: java::find().await?, libs: jars::kafka(version, note).await? })
    }

    /// The flags before the class name, the heap's apart.
    pub fn args(&self, dir: &Path) -> Vec<String> {
        let mut args: Vec<String> = JVM_FLAGS.iter().map(|f| f.to_string()).collect();
        args.push(format!("-Dlog4j2.configurationFile={}", dir.join("log4j2.xml").display()));
        args.extend(["-cp".into(), format!("{}/*", self.libs.display())]);
        args
    }

    /// Runs one of Kafka's tools to its end: its output, or what it said when it failed. `name` tells it apart from others that run at the
    /// same time in this folder.
    pub(super) async fn tool(&self, dir: &Path, name: &str, class: &str, args: &[&str]) -> Result<Result<String, String>, Diagnostic> {
        let mut command = tokio::process::Command::new(&self.java);
        command.arg(process::marker(&tools(dir).join(name))).arg("-Xmx128m").args(self.args(dir)).arg(class).args(args);
        process::bare(&mut command).kill_on_drop(true).stdin(std::process::Stdio::null());
        let output = command.output().await.map_err(|e| file_error("run", &self.java, &e))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(Ok(text(&output.stdout)));
        }
        let said = format!("{}{}", text(&output.stderr), text(&output.stdout));
        Ok(Err(said.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('\t')).take(4).collect::<Vec<_>>().join("\n")))
    }
}

/// The path that stands for a cluster's tools where brokers have their identity file.
pub(super) fn tools(dir: &Path) -> PathBuf {
    dir.join("run/tools")
}
