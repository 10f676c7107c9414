//! Java: which one, and whether it is new enough.

use std::path::{Path, PathBuf};

use super::process;
use crate::diag::codes::engine as codes;
use crate::diag::{Diagnostic, io_words};

/// The oldest Java that Kafka 4 runs on.
pub const OLDEST: u32 = 17;

/// The Java launcher: of JAVA_HOME, else of PATH.
///
/// # Errors
/// When there is none or it is too old.
pub async fn find() -> Result<PathBuf, Diagnostic> {
    let home = std::env::var_os("JAVA_HOME").filter(|h| !h.is_empty()).map(PathBuf::from);
    find_in(home.as_deref(), std::env::var_os("PATH").as_deref()).await
}

async fn find_in(home: Option<&Path>, path: Option<&std::ffi::OsStr>) -> Result<PathBuf, Diagnostic> {
    let (java, origin) = match home {
        Some(home) => {
            (Some(home.join("bin/java")).filter(|p| p.is_file()), format!("JAVA_HOME is \"{}\", which has no bin/java", home.display()))
        }
        None => (in_path("java", path), "There is no `java` in PATH, and JAVA_HOME is not set".to_string()),
    };
    let hint =
        format!("Install a Java runtime, version {OLDEST} or newer (Debian: `apt-get install openjdk-17-jre-headless`), or set JAVA_HOME.");
    let java = java.ok_or_else(|| Diagnostic::error(codes::JAVA_MISSING, format!("{origin}.")).hint(&hint))?;
    let mut command = tokio::process::Command::new(&java);
    let output = process::bare(command.arg("-version")).stdin(std::process::Stdio::null()).output().await;
    let output = output.map_err(|e| {
        Diagnostic::error(codes::JAVA_MISSING, format!("\"{}\" cannot be run: {}.", java.display(), io_words(&e))).hint(&hint)
    })?;
    let text = String::from_utf8_lossy(&output.stderr);
    match major(&text) {
        Some(version) if version >= OLDEST => Ok(java),
        Some(version) => {
            Err(Diagnostic::error(codes::JAVA_TOO_OLD, format!("\"{}\" is Java {version}; Kafka needs {OLDEST} or newer.", java.display()))
                .hint(hint))
        }
        None => Err(Diagnostic::error(codes::JAVA_MISSING, format!("\"{}\" does not say its version.", java.display())).hint(hint)),
    }
}

/// The program of this name in a search path.
pub fn in_path(program: &str, path: Option<&std::ffi::OsStr>) -> Option<PathBuf> {
    std::env::split_paths(path?).map(|dir| dir.join(program)).find(|p| p.is_file())
}

/// The major version that `java -version` tells: 17 of `"17.0.15"`, 8 of `"1.8.0_402"`.
fn major(text: &str) -> Option<u32> {
    let version = text.split('"').nth(1)?;
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|p| p.parse::<u32>());
    match parts.next()?.ok()? {
        1 => parts.next()?.ok(),
        n => Some(n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(major("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(major("java version \"1.8.0_402\""), Some(8));
        assert_eq!(major("openjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(major("no"), None);
    }

    #[tokio::test]
    async fn missing_and_too_old() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let missing = find_in(None, Some(dir.path().as_os_str())).await.unwrap_err();
        assert_eq!(missing.code, codes::JAVA_MISSING);
        let java = dir.path().join("bin/java");
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        std::fs::write(&java, "#!/bin/sh\necho 'java version \"1.8.0_1\"' >&2\n").unwrap();
        std::fs::set_permissions(&java, std::fs::Permissions::from_mode(0o755)).unwrap();
        let old = find_in(Some(dir.path()), None).await.unwrap_err();
        assert_eq!(old.code, codes::JAVA_TOO_OLD);
        assert!(old.detail.contains("Java 8"), "{}", old.detail);
    }
}
