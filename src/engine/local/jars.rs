//! Jars: Kafka's own and Connect's plugins, resolved once by Maven into a cache that all folders of this user share.
//!
//! A cache entry appears whole or not at all (a temporary folder is renamed), and a lock file keeps two runs from fetching the same.
//! With KAFKA_HOME set, Kafka's jars come from there and Maven is not needed for them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::java::in_path;
use super::process;
use crate::diag::Diagnostic;
use crate::diag::codes::engine as codes;
use crate::disk::private::{digest, file_error, remove_dir};

/// The binding that makes Kafka's processes log: Kafka's own poms bring none.
const LOG_BINDING: (&str, &str, &str) = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4");
const KAFKA_GROUP: &str = "org.apache.kafka";
const KAFKA_ARTIFACTS: &[&str] = &["kafka_2.13", "kafka-tools", "connect-runtime", "connect-file", "connect-mirror"];

/// A Maven coordinate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coordinate {
    /// The group.
    pub group: String,
    /// The artifact.
    pub artifact: String,
    /// The version.
    pub version: String,
}

impl Coordinate {
    /// Reads `group:artifact:version`; `None` where the text is something else, such as a path.
    pub fn parse(text: &str) -> Option<Coordinate> {
        let word = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            [g, a, v] if word(g) && word(a) && word(v) => {
                Some(Coordinate { group: g.to_string(), artifact: a.to_string(), version: v.to_string() })
            }
            _ => None,
        }
    }

    fn xml(&self) -> String {
        let Coordinate { group, artifact, version } = self;
        format!("<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>")
    }
}

/// The cache folder: STREAMFORM_CACHE, else XDG_CACHE_HOME/streamform, else ~/.cache/streamform.
pub fn cache_dir() -> PathBuf {
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let dir = var("STREAMFORM_CACHE")
        .or_else(|| var("XDG_CACHE_HOME").map(|d| d.join("streamform")))
        .or_else(|| var("HOME").map(|d| d.join(".cache/streamform")))
        .unwrap_or_else(|| std::env::temp_dir().join("streamform-cache"));
    std::path::absolute(&dir).unwrap_or(dir)
}

/// The folder with Kafka's jars of a version.
///
/// # Errors
/// When KAFKA_HOME holds another version, Maven is missing, or the jars cannot be fetched.
pub async fn kafka(version: &str, note: &(dyn Fn(&str) + Send + Sync)) -> Result<PathBuf, Diagnostic> {
    if let Some(home) = std::env::var_os("KAFKA_HOME").filter(|h| !h.is_empty()) {
        return kafka_home(Path::new(&home), version);
    }
    let kafka = KAFKA_ARTIFACTS.iter().map(|a| (KAFKA_GROUP, *a, version));
    let wanted: Vec<Coordinate> =
        kafka.chain([LOG_BINDING]).map(|(g, a, v)| Coordinate { group: g.into(), artifact: a.into(), version: v.into() }).collect();
    resolve(&cache_dir().join("kafka").join(version), &format!("Kafka {version}"), &wanted, &[], note).await
}

fn kafka_home(home: &Path, version: &str) -> Result<PathBuf, Diagnostic> {
    let refuse = |why: String| {
        Diagnostic::error(codes::KAFKA_HOME, format!("KAFKA_HOME is \"{}\", {why}.", home.display()))
            .hint("Unset KAFKA_HOME to have the jars fetched by Maven, or point it to a Kafka distribution of the version in `version`.")
    };
    let libs = home.join("libs");
    let names = std::fs::read_dir(&libs).map_err(|_| refuse("which has no `libs` folder".into()))?;
    let server = names.filter_map(|e| e.ok()?.file_name().into_string().ok()).find_map(|name| {
        let rest = name.strip_prefix("kafka_")?.strip_suffix(".jar")?;
        let (_, v) = rest.split_once('-')?;
        v.starts_with(|c: char| c.is_ascii_digit()).then(|| v.to_string()).filter(|v| v.chars().all(|c| c.is_ascii_digit() || c == '.'))
    });
    match server {
        None => Err(refuse("whose `libs` hold no kafka_*.jar".into())),
        Some(found) if found != version => Err(refuse(format!("which holds Kafka {found}, not {version}"))),
        Some(_) => Ok(libs),
    }
}

/// The folder with the jars of a Connect plugin. Kafka's own jars are left out: the worker has them.
///
/// # Errors
/// When Maven is missing or the jars cannot be fetched.
pub async fn plugin(wanted: &Coordinate, note: &(dyn Fn(&str) + Send + Sync)) -> Result<PathBuf, Diagnostic> {
    let Coordinate { group, artifact, version } = wanted;
    let dir = cache_dir().join("plugins").join(format!("{group}.{artifact}-{version}"));
    // Of a plugin that Kafka itself publishes only its own jar: everything else the worker has.
    let leave_out: &[&str] = match group.as_str() {
        KAFKA_GROUP => &["-DexcludeTransitive=true"],
        _ => &["-DexcludeGroupIds=org.apache.kafka,org.slf4j"],
    };
    resolve(&dir, &format!("the plugin {group}:{artifact}:{version}"), std::slice::from_ref(wanted), leave_out, note).await
}

async fn resolve(
    dir: &Path,
    what: &str,
    wanted: &[Coordinate],
    leave_out: &[&str],
    note: &(dyn Fn(&str) + Send + Sync),
) -> Result<PathBuf, Diagnostic> {
    if dir.is_dir() {
        return Ok(dir.to_path_buf());
    }
    let parent = dir.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|e| file_error("make the folder", parent, &e))?;
    let _lock = lock(&parent.join(format!(".lock-{}", digest([dir.to_string_lossy().as_ref()]))), what, note).await?;
    if dir.is_dir() {
        return Ok(dir.to_path_buf());
    }
    let mvn = in_path("mvn", std::env::var_os("PATH").as_deref()).ok_or_else(|| {
        Diagnostic::error(
            codes::MAVEN_MISSING,
            format!("The jars of {what} are not in the cache, and there is no `mvn` in PATH to fetch them."),
        )
        .hint("Install Maven (Debian: `apt-get install maven`), or set KAFKA_HOME to an unpacked Kafka distribution.")
    })?;
    note(&format!("fetching {what} with Maven"));
    let work = workplace(parent, dir).await?;
    fetch(&mvn, work.path(), what, wanted, leave_out).await?;
    std::fs::rename(work.path().join("libs"), dir).map_err(|e| file_error("write", dir, &e))?;
    Ok(dir.to_path_buf())
}

/// An empty folder for fetching `dir`. It has the same name each time: under the lock nobody else uses it, so that what a killed run has left
/// there goes, with its Maven.
async fn workplace(parent: &Path, dir: &Path) -> Result<tempfile::TempDir, Diagnostic> {
    let name = format!(".fetch-{}", digest([dir.to_string_lossy().as_ref()]));
    process::stop_below(&parent.join(&name), "Maven of an earlier run", Duration::from_secs(5)).await?;
    remove_dir(&parent.join(&name))?;
    tempfile::Builder::new().prefix(&name).rand_bytes(0).tempdir_in(parent).map_err(|e| file_error("write in", parent, &e))
}

async fn fetch(mvn: &Path, work: &Path, what: &str, wanted: &[Coordinate], leave_out: &[&str]) -> Result<(), Diagnostic> {
    let pom = work.join("pom.xml");
    std::fs::write(&pom, pom_text(wanted)).map_err(|e| file_error("write", &pom, &e))?;
    let libs = work.join("libs");
    let mut command = tokio::process::Command::new(mvn);
    process::without_variables(&mut command);
    // `-U`: what was missing in an earlier run may be there by now.
    command.args(["-B", "-q", "-ntp", "-U", "-f"]).arg(&pom).arg("dependency:copy-dependencies").arg("-DincludeScope=runtime");
    command.arg(process::marker(work));
    command.arg(format!("-DoutputDirectory={}", libs.display())).kill_on_drop(true).stdin(std::process::Stdio::null());
    command.args(leave_out);
    let unavailable = |why: String| {
        Diagnostic::error(codes::JARS_UNAVAILABLE, format!("Maven could not fetch {what}: {why}"))
            .hint("Check the version and the connection to your Maven repository (its settings are in ~/.m2/settings.xml).")
    };
    let output = command.output().await.map_err(|e| unavailable(format!("{e}.")))?;
    if !output.status.success() {
        // Which of the two streams it writes to depends on its version and settings.
        let said = [output.stdout, output.stderr].concat();
        return Err(unavailable(errors_of(&String::from_utf8_lossy(&said))));
    }
    let jars = std::fs::read_dir(&libs).map(|d| d.count()).unwrap_or(0);
    if jars == 0 { Err(unavailable("there is no jar among its artifacts.".into())) } else { Ok(()) }
}

/// What Maven says of its failure, without its prefix and its advice on how to use Maven. At most three lines.
fn errors_of(output: &str) -> String {
    const ADVICE: [&str; 4] = ["To see the full stack trace", "Re-run Maven", "For more information", "[Help"];
    let said = output.lines().filter_map(|l| l.split_once("[ERROR]")).map(|(_colour, text)| text.trim());
    let said: Vec<String> = said
        .filter(|l| !l.is_empty() && !ADVICE.iter().any(|a| l.starts_with(a)))
        .take(3)
        .map(|l| l.trim_end_matches("-> [Help 1]").trim_end().chars().take(600).collect())
        .collect();
    if said.is_empty() { "it gave no reason.".into() } else { said.join("\n") }
}

fn pom_text(wanted: &[Coordinate]) -> String {
    let dependencies: String = wanted.iter().map(Coordinate::xml).collect();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion><groupId>streamform</groupId>\
         <artifactId>jars</artifactId><version>1</version><packaging>pom</packaging><dependencies>{dependencies}</dependencies></project>\n"
    )
}

/// Waits until no other run fetches the same.
async fn lock(path: &Path, what: &str, note: &(dyn Fn(&str) + Send + Sync)) -> Result<std::fs::File, Diagnostic> {
    let file = std::fs::File::create(path).map_err(|e| file_error("write", path, &e))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => {
                if !std::mem::replace(&mut told, true) {
                    note(&format!("waiting for another run that fetches {what}"));
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(std::fs::TryLockError::Error(e)) => return Err(file_error("lock", path, &e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_and_paths() {
        assert_eq!(Coordinate::parse("org.a:b:1.0").unwrap().artifact, "b");
        for text in ["/opt/plugin", "a:b", "a:b:c:d", "a:<b>:c", "./x:y:z/", ""] {
            assert!(Coordinate::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn kafka_home_must_hold_the_version() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(kafka_home(dir.path(), "4.3.1").unwrap_err().code, codes::KAFKA_HOME);
        std::fs::create_dir(dir.path().join("libs")).unwrap();
        std::fs::write(dir.path().join("libs/kafka_2.13-4.3.1.jar"), "").unwrap();
        assert_eq!(kafka_home(dir.path(), "4.3.1").unwrap(), dir.path().join("libs"));
        assert!(kafka_home(dir.path(), "4.2.0").unwrap_err().detail.contains("4.3.1"));
    }

    #[tokio::test]
    async fn what_is_in_the_cache_needs_no_network() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = Coordinate::parse("org.nowhere:nothing:1").unwrap();
        let found = resolve(dir.path(), "x", &[wanted], &[], &|said| panic!("{said}")).await.unwrap();
        assert_eq!(found, dir.path());
    }

    #[tokio::test]
    async fn what_a_killed_run_has_left_goes_with_its_maven() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let mvn = parent.path().join("mvn");
        std::fs::write(&mvn, "#!/bin/sh\nwhile :; do sleep 0.05; done\n").unwrap();
        std::fs::set_permissions(&mvn, std::fs::Permissions::from_mode(0o755)).unwrap();
        let place = || async { workplace(parent.path(), Path::new("x")).await.unwrap().keep() };
        let work = place().await;
        std::fs::create_dir(work.join("libs")).unwrap();
        let mut left = tokio::spawn({
            let work = work.clone();
            async move { fetch(&mvn, &work, "x", &[], &[]).await }
        });
        let running = tokio::time::timeout(Duration::from_millis(300), &mut left).await;
        assert!(running.is_err(), "{running:?}");
        assert_eq!(place().await, work);
        assert!(left.await.unwrap().unwrap_err().detail.contains("gave no reason"));
        assert_eq!(std::fs::read_dir(&work).unwrap().count(), 0);
    }

    #[test]
    fn maven_reason() {
        let output = "x\n[ERROR] \n\u{1b}[0m[ERROR] Could not find artifact a:b -> [Help 1]\n[ERROR] Re-run Maven using the -X switch\n";
        assert_eq!(errors_of(output), "Could not find artifact a:b");
    }
}
