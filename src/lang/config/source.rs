//! Where modules come from: a folder below the caller, or a git repository that `init` fetches into [`MODULES_DIR`].
//!
//! Here addresses are only taken apart, the way Terraform does; fetching is a verb of its own. What may hold credentials is kept
//! apart from what is shown: [`GitSource::key`] and [`redact`] never hold any.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

/// The folder of fetched modules, relative to the root.
pub const MODULES_DIR: &str = ".streamform/modules";

/// A module source, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModuleSource {
    /// A folder relative to the calling module.
    Local(PathBuf),
    /// A git repository.
    Git(GitSource),
}

/// A git repository with what is wanted of it.
#[derive(Clone, PartialEq, Eq)]
pub struct GitSource {
    /// What git is given; may hold credentials.
    url: String,
    /// The folder inside; empty for the top.
    pub folder: PathBuf,
    /// The branch, tag or commit.
    pub reference: Option<String>,
    /// How many commits of history to fetch; one is enough for the files.
    pub depth: u32,
}

impl fmt::Debug for GitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} // {}", self.key(), self.folder.display())
    }
}

/// Why a source cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong, in a sentence.
    pub detail: String,
    /// What to write instead.
    pub hint: String,
    /// Terraform would take it, streamform does not.
    pub unsupported: bool,
}

impl GitSource {
    /// What git is given. May hold credentials: never to be shown or written.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address as it may be shown.
    pub fn shown(&self) -> String {
        redact(&self.url)
    }

    /// The parts of the address that must not be shown.
    pub fn secrets(&self) -> Vec<&str> {
        let Some((user, _)) = userinfo(&self.url) else { return vec![] };
        let parts = user.split_once(':').map_or(vec![user], |(u, p)| vec![user, p, u]);
        if redact(&self.url) == self.url { vec![] } else { parts.into_iter().filter(|p| !p.is_empty()).collect() }
    }

    /// The key in the lock file: repository and reference, without the folder and without credentials.
    pub fn key(&self) -> String {
        match &self.reference {
            Some(r) => format!("git::{}?ref={r}", self.shown()),
            None => format!("git::{}", self.shown()),
        }
    }

    /// The folder below [`MODULES_DIR`] that holds a commit of this repository. It is there only when it is whole.
    pub fn dir(&self, commit: &str) -> String {
        let url = self.shown();
        let last = url.trim_end_matches('/').trim_end_matches(".git").rsplit(['/', ':']).next().unwrap_or_default();
        let name: String = last.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(40).collect();
        let hash: String = Sha256::digest(url.as_bytes()).iter().take(4).map(|b| format!("{b:02x}")).collect();
        format!("{name}-{hash}-{}", &commit[..commit.len().min(12)])
    }
}

/// A source as it may be shown: without passwords and tokens.
pub fn redact(source: &str) -> String {
    let Some((user, _)) = userinfo(source) else { return source.to_string() };
    let Some(at) = source.find("://").map(|i| i + 3) else { return source.to_string() };
    let name = user.split(':').next().unwrap_or_default();
    // The user of ssh is no secret; that of https may be a token.
    let kept = if source[..at].ends_with("ssh://") && !name.is_empty() { format!("{name}@") } else { String::new() };
    format!("{}{kept}{}", &source[..at], &source[at + user.len() + 1..])
}

/// The part before the `@` of a URL's host.
fn userinfo(url: &str) -> Option<(&str, &str)> {
    let after = &url[url.find("://")? + 3..];
    let host = &after[..after.find('/').unwrap_or(after.len())];
    host.rfind('@').map(|i| (&host[..i], &host[i + 1..]))
}

/// Takes a source apart.
///
/// # Errors
/// Why it cannot be used; without credentials.
pub fn parse_source(source: &str) -> Result<ModuleSource, Refused> {
    if source == "." || source == ".." || source.starts_with("./") || source.starts_with("../") {
        return Ok(ModuleSource::Local(PathBuf::from(source)));
    }
    if let Some(rest) = source.strip_prefix("git::") {
        return git(rest, source).map(ModuleSource::Git);
    }
    if source.starts_with("git@") && source.contains(':') {
        return git(source, source).map(ModuleSource::Git);
    }
    if let Some(host) = ["github.com/", "gitlab.com/", "bitbucket.org/"].into_iter().find(|h| source.starts_with(h)) {
        return hosted(host, source).map(ModuleSource::Git);
    }
    Err(refuse(source))
}

/// `github.com/org/repo//folder?ref=v1`
fn hosted(host: &str, source: &str) -> Result<GitSource, Refused> {
    let (path, query) = source[host.len()..].split_once('?').map_or((&source[host.len()..], None), |(p, q)| (p, Some(q)));
    let mut parts = path.splitn(3, '/');
    let (Some(org), Some(repo)) = (parts.next().filter(|p| !p.is_empty()), parts.next().filter(|p| !p.is_empty())) else {
        return Err(wrong(format!("{source:?} names no repository."), format!("Write it as in {host}organisation/repository.")));
    };
    let folder = parts.next().map(|f| format!("//{}", f.trim_start_matches('/'))).unwrap_or_default();
    let query = query.map(|q| format!("?{q}")).unwrap_or_default();
    git(&format!("https://{host}{org}/{}.git{folder}{query}", repo.trim_end_matches(".git")), source)
}

fn wrong(detail: String, hint: impl Into<String>) -> Refused {
    Refused { detail, hint: hint.into(), unsupported: false }
}

fn git(rest: &str, source: &str) -> Result<GitSource, Refused> {
    let shown = redact(source);
    let example = "Write it as in \"git::https://host/repository.git//folder?ref=tag\".";
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(r, q)| (r, q));
    // The scheme's own slashes are not the folder's.
    let start = rest.find("://").map_or(0, |i| i + 3);
    let (url, folder) = match rest[start..].find("//") {
        Some(i) => (&rest[..start + i], rest[start + i + 2..].trim_end_matches('/')),
        None => (rest, ""),
    };
    let scheme = rest.find("://").map(|i| &rest[..i]);
    let scp = scheme.is_none() && url.split_once(':').is_some_and(|(h, p)| !h.contains('/') && !p.is_empty() && !p.starts_with(':'));
    let fits = match scheme {
        Some(s) => matches!(s, "https" | "http" | "ssh" | "git" | "file"),
        None => scp || url.starts_with('/'),
    };
    // The parts reach git's command line and the file system: neither an option nor a program nor a way out of the folder.
    if !fits || url.starts_with('-') || url.len() == start || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong(format!("{shown:?} is not the address of a git repository."), example));
    }
    let folder = PathBuf::from(folder);
    if !folder.components().all(|c| matches!(c, Component::Normal(_))) {
        return Err(wrong(
            format!("The folder in {shown:?} leads out of the repository."),
            "Name a folder inside the repository after //.",
        ));
    }
    let mut out = GitSource { url: url.to_string(), folder, reference: None, depth: 1 };
    for part in query.split('&').filter(|p| !p.is_empty()) {
        out.argument(part, &shown)?;
    }
    Ok(out)
}

impl GitSource {
    /// One `name=value` after the question mark.
    fn argument(&mut self, part: &str, shown: &str) -> Result<(), Refused> {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name {
            "ref" if value.is_empty() || value.starts_with('-') || value.chars().any(|c| c.is_whitespace() || c.is_control()) => {
                Err(wrong(format!("The ref in {shown:?} is not the name of a branch, tag or commit."), "Write ?ref=NAME, or leave it out."))
            }
            "ref" => {
                self.reference = Some(value.to_string());
                Ok(())
            }
            "depth" => match value.parse() {
                Ok(n) if n > 0 => {
                    self.depth = n;
                    Ok(())
                }
                _ => Err(wrong(format!("The depth in {shown:?} is not a whole number over 0."), "Leave it out: one commit is fetched.")),
            },
            "sshkey" => Err(Refused {
                detail: "A module source cannot hold an ssh key: it would be readable in the configuration.".into(),
                hint: "Use the ssh agent, or GIT_SSH_COMMAND in the environment.".into(),
                unsupported: true,
            }),
            _ => Err(wrong(format!("A git source has no argument {name:?}."), "It may have ref and depth.")),
        }
    }
}

/// What a source seems to be that is none.
fn refuse(source: &str) -> Refused {
    let shown = redact(source);
    let unsupported = |detail: String, hint: &str| Refused { detail, hint: hint.into(), unsupported: true };
    let archive = [".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar"];
    let path = source.split(['?', '#']).next().unwrap_or_default();
    if source.contains("::") || source.contains("://") || archive.iter().any(|a| path.ends_with(a)) {
        let hint = "Modules come from folders and git: write \"git::https://host/repository.git//folder?ref=tag\".";
        return unsupported(
            format!("{shown:?} is an archive or another kind of download, and streamform fetches modules with git only."),
            hint,
        );
    }
    if source.starts_with('/') || source.starts_with('~') {
        let hint = "Write a relative path such as \"../modules/x\", or \"git::file:///path\" for a repository of this machine.";
        return unsupported(format!("{shown:?} is an absolute path, and a module's folder is named relative to its caller."), hint);
    }
    let parts: Vec<&str> = source.split("//").next().unwrap_or_default().split('/').collect();
    let plain = parts.iter().all(|p| !p.is_empty() && p.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
    if plain && matches!(parts.len(), 3 | 4) {
        let hint = format!("Name the git repository that the registry points to, or write \"./{source}\" if it is a folder.");
        return unsupported(format!("{shown:?} is an address in a module registry, and streamform fetches modules with git only."), &hint);
    }
    let hint = match plain {
        true => format!("Write \"./{source}\" if it is a folder beside the caller's files."),
        false => "Write \"./folder\", or \"git::https://host/repository.git//folder?ref=tag\".".to_string(),
    };
    wrong(format!("{shown:?} is neither a relative path nor a git address."), hint)
}

/// The top of the fetched repository that a folder lies in, if it lies in one.
pub fn repository_of(dir: &Path) -> Option<PathBuf> {
    let inside = dir.strip_prefix(MODULES_DIR).ok()?;
    inside.components().next().map(|top| Path::new(MODULES_DIR).join(top))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> GitSource {
        match parse_source(source) {
            Ok(ModuleSource::Git(git)) => git,
            other => panic!("{source}: {other:?}"),
        }
    }

    #[test]
    fn git_addresses() {
        for (source, url, folder, reference) in [
            ("git::https://example.com/r.git//kafka/net?ref=v1&depth=1", "https://example.com/r.git", "kafka/net", Some("v1")),
            ("git::https://example.com/r.git", "https://example.com/r.git", "", None),
            ("git::ssh://git@example.com:2222/o/r.git//a/?ref=feature/x", "ssh://git@example.com:2222/o/r.git", "a", Some("feature/x")),
            ("git@example.com:o/r.git//a?ref=abc", "git@example.com:o/r.git", "a", Some("abc")),
            ("git::git@example.com:o/r.git", "git@example.com:o/r.git", "", None),
            ("git::file:///srv/r//sub", "file:///srv/r", "sub", None),
            ("git::/srv/r", "/srv/r", "", None),
            ("github.com/o/r", "https://github.com/o/r.git", "", None),
            ("github.com/o/r.git//x/y?ref=v2", "https://github.com/o/r.git", "x/y", Some("v2")),
            ("gitlab.com/o/r/x", "https://gitlab.com/o/r.git", "x", None),
        ] {
            let git = of(source);
            assert_eq!((git.url(), git.folder.to_str().unwrap(), git.reference.as_deref()), (url, folder, reference), "{source}");
        }
        assert_eq!(parse_source("../a"), Ok(ModuleSource::Local("../a".into())));
        assert_eq!(of("git::https://h/r?depth=3").depth, 3);
    }

    #[test]
    fn what_is_refused_says_what_it_is() {
        for (source, word) in [
            ("terraform-aws-modules/vpc/aws", "registry"),
            ("app.example.io/o/vpc/aws", "registry"),
            ("terraform-aws-modules/iam/aws//modules/role", "registry"),
            ("https://example.com/m.zip", "archive"),
            ("s3::https://s3.amazonaws.com/b/m.zip", "archive"),
            ("hg::https://example.com/m", "archive"),
            ("/srv/modules/a", "absolute"),
            ("modules", "neither"),
            ("a b", "neither"),
            ("git::", "not the address"),
            ("git::--upload-pack=x", "not the address"),
            ("git::ext::sh -c x", "not the address"),
            ("git::https://", "not the address"),
            ("git::https://h/r//../x", "leads out"),
            ("git::https://h/r//a/../../x", "leads out"),
            ("git::https://h/r?ref=-x", "ref"),
            ("git::https://h/r?depth=0", "depth"),
            ("git::https://h/r?sshkey=abc", "ssh key"),
            ("git::https://h/r?archive=false", "argument"),
            ("github.com/o", "repository"),
        ] {
            let refused = parse_source(source).unwrap_err();
            assert!(refused.detail.contains(word), "{source}: {refused:?}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        for (source, shown) in [
            ("git::https://user:s3cret@h/r.git?ref=v1", "git::https://h/r.git?ref=v1"),
            ("git::https://s3cret@h/r.git", "git::https://h/r.git"),
            ("git::ssh://git@h/r.git", "git::ssh://git@h/r.git"),
            ("git::ssh://git:s3cret@h/r.git", "git::ssh://git@h/r.git"),
        ] {
            let git = of(source);
            assert_eq!(git.key(), shown);
            assert!(!format!("{git:?}").contains("s3cret") && !redact(source).contains("s3cret"), "{source}");
            assert_eq!(git.secrets().contains(&"s3cret"), source.contains("s3cret"), "{source}");
        }
        let refused = parse_source("https://user:s3cret@h/m.zip").unwrap_err();
        assert!(!refused.detail.contains("s3cret"));
        assert_eq!(of("git::https://a:b@h/r.git").dir("0123456789abcdef"), of("git::https://h/r.git").dir("0123456789abcdef"));
    }

    #[test]
    fn folders_know_their_repository() {
        assert_eq!(repository_of(Path::new(".streamform/modules/r-1/a/b")), Some(PathBuf::from(".streamform/modules/r-1")));
        assert_eq!(repository_of(Path::new("modules/r")), None);
    }
}
