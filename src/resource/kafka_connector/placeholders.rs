//! Placeholders that no worker will resolve, found from the configuration alone: in a Connect cluster of our own, providers, mounts, the files
//! of the mounted secrets and the keys of their properties are known. A worker leaves such a placeholder as it is, and the connector runs
//! with the text itself.
//!
//! Names of files are shown, keys and contents of a secret are not.

use std::collections::{BTreeMap, BTreeSet};

use super::model::path;
use crate::client::connect::{Placeholder, placeholders};
use crate::diag::codes::connect as codes;
use crate::diag::{Diagnostic, did_you_mean};
use crate::lang::functions::streamform::properties;
use crate::resource::attr_error;
use crate::value::Value;

/// Names that config providers usually have. Other words may be a connector's own templates, such as `${timestamp:yyyy}`.
const USUAL: &[&str] = &[
    "file",
    "env",
    "directory",
    "dir",
    "secrets",
    "secret",
    "configmaps",
    "configmap",
    "vault",
    "aws",
    "gcp",
    "azure",
    "secretmanager",
    "secretManager",
    "sm",
    "ssm",
];

/// What is known of the workers.
struct Workers {
    name: String,
    providers: BTreeSet<String>,
    /// Each mounted folder with its files; `None` where a folder or its files are not known, or files are allowed by hand.
    mounts: Option<Vec<Mount>>,
}

struct Mount {
    /// The folder, without a slash at its end.
    folder: String,
    secret: String,
    /// Each file with its content, where that is known; `None` where not all names are.
    files: Option<BTreeMap<String, Option<String>>>,
}

/// What is wrong with the placeholders of `config` and `sensitive_config`.
pub(super) fn faults(object: &Value) -> Vec<Diagnostic> {
    let Some(workers) = Workers::of(object) else { return vec![] };
    let mut out = vec![];
    for attr in ["config", "sensitive_config"] {
        for (key, value) in object.get(attr).iter().filter_map(Value::as_map).flatten() {
            let faults = value.as_str().into_iter().flat_map(placeholders).filter_map(|(_, p)| workers.fault(&p));
            out.extend(faults.map(|d| attr_error(path(attr, key), d)));
        }
    }
    out
}

impl Workers {
    /// The workers of a connector's Connect cluster; `None` where that is not one of our own.
    fn of(object: &Value) -> Option<Workers> {
        let connect = object.get("connect")?;
        // Only a Connect cluster of our own has mounts.
        let blocks = connect.get("mount").filter(Value::is_known)?;
        let name = connect.origin().map_or_else(|| "the Connect cluster".to_string(), ToString::to_string);
        let by_hand = |attr: &str, wanted: &str| connect.get(attr).and_then(|v| v.get_str(wanted));
        let any_by_hand =
            |attr: &str, prefix: &str| connect.get(attr).iter().filter_map(Value::as_map).flatten().any(|(k, _)| k.starts_with(prefix));
        if connect.get("config").is_some_and(|c| !c.is_known()) || connect.get("env").is_some_and(|c| !c.is_known()) {
            return None;
        }
        let listed = by_hand("config", "config.providers").or_else(|| by_hand("env", "CONNECT_CONFIG_PROVIDERS"));
        let listed = listed.unwrap_or_else(|| "file".to_string());
        let providers = listed.split(',').map(|p| p.trim().to_string()).filter(|p| !p.is_empty()).collect();
        let set_up = any_by_hand("config", "config.providers.file") || any_by_hand("env", "CONNECT_CONFIG_PROVIDERS_FILE");
        let mount = |block: &Value| {
            let secret = block.get("secret");
            let name = secret.as_ref().and_then(|s| s.origin().map(ToString::to_string)).unwrap_or_else(|| "its secret".into());
            let folder = block.get_str("path")?.trim_end_matches('/').to_string();
            Some(Mount { files: secret.as_ref().and_then(files_of), secret: name, folder })
        };
        // One folder that is not known may be any.
        let mounts = if set_up { None } else { blocks.as_map().into_iter().flatten().map(|(_, m)| mount(m)).collect() };
        Some(Workers { name, providers, mounts })
    }

    fn fault(&self, p: &Placeholder<'_>) -> Option<Diagnostic> {
        let fault = |detail: String, hint: String| Some(Diagnostic::error(codes::PLACEHOLDER, detail).hint(hint));
        if !self.providers.contains(p.provider) {
            let near = did_you_mean(p.provider, self.providers.iter().map(String::as_str));
            if near.is_none() && !USUAL.contains(&p.provider) {
                return None;
            }
            let known = self.providers.iter().cloned().collect::<Vec<_>>().join(", ");
            let detail = format!(
                "The workers of {} have no config provider \"{}\": the connector would get the placeholder itself.",
                self.name, p.provider
            );
            return fault(
                detail,
                match near {
                    Some(near) => format!("Did you mean \"{near}\"?"),
                    None => format!("They have {known}. Others are set up by \"config.providers\" in the `config` of {}.", self.name),
                },
            );
        }
        let mounts = self.mounts.as_ref()?;
        match (p.provider, p.path) {
            ("file", None) => fault(
                format!("The placeholder \"{}\" names no file, or no key in it: no worker resolves it.", p.text),
                "Write ${file:/folder/file.properties:key}, in HCL with two dollar signs.".to_string(),
            ),
            ("file", Some(file)) => {
                let Some((mount, name)) = mounts
                    .iter()
                    .filter_map(|m| Some((m, file.strip_prefix(&m.folder)?.strip_prefix('/')?)))
                    .max_by_key(|(m, _)| m.folder.len())
                else {
                    return fault(
                        format!("The placeholder names {file}, which no mount of {} brings to its workers.", self.name),
                        "Add a block `mount` with the secret that has this file, or correct the folder.".to_string(),
                    );
                };
                let files = mount.files.as_ref()?;
                let Some(content) = files.get(name) else {
                    let near = did_you_mean(name, files.keys().map(String::as_str)).map(|n| format!("Did you mean {}/{n}?", mount.folder));
                    let all = files.keys().cloned().collect::<Vec<_>>().join(", ");
                    return fault(
                        format!("The placeholder names {file}, and {} has no file \"{name}\".", mount.secret),
                        near.unwrap_or_else(
                            || if all.is_empty() { "It has no files.".to_string() } else { format!("Its files are {all}.") },
                        ),
                    );
                };
                match content {
                    Some(text) if properties(text).is_some_and(|settings| !settings.contains_key(p.key)) => fault(
                        format!("The placeholder names a key that {file} does not have: \"{}\".", p.key),
                        format!("The file is read as properties, with a line \"{}=…\" for this key.", p.key),
                    ),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// The files of a secret; `None` where not all names are known.
fn files_of(secret: &Value) -> Option<BTreeMap<String, Option<String>>> {
    let (data, generated) = (secret.get("data")?, secret.get("generate")?);
    if !data.is_known() || !generated.is_wholly_known() {
        return None;
    }
    let mut out = BTreeMap::new();
    for (name, content) in data.as_map().into_iter().flatten().filter(|(_, v)| !v.is_null()) {
        out.insert(name.to_string(), content.as_str().map(str::to_string));
    }
    // A generated file is one password, without a key.
    out.extend(generated.as_slice().into_iter().flatten().filter_map(|v| Some((v.as_str()?.to_string(), Some(String::new())))));
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Type;

    fn map(pairs: &[(&str, &str)]) -> Value {
        Value::map(Type::String, pairs.iter().map(|(k, v)| ((*k).into(), Value::from(*v))).collect())
    }

    fn told(text: &str, settings: &[(&str, &str)]) -> Option<String> {
        let data = map(&[("c.properties", "# x=1\nuser = me\n pass\\\n word=s3cr3t\n"), ("plain.txt", "s3cr3t")]);
        let secret = Value::object_from([("data", data.sensitive()), ("generate", Value::list(Type::String, vec!["pw".into()]))]);
        let mount = Value::object_from([("secret", secret), ("path", "/etc/secrets".into())]);
        let connect = Value::object_from([("mount", Value::map(Type::Dynamic, [("m".into(), mount)].into())), ("config", map(settings))]);
        let object = Value::object_from([("connect", connect), ("config", map(&[("k", text)]))]);
        let found = faults(&object);
        assert!(found.len() < 2, "{found:?}");
        found.into_iter().next().map(|d| format!("{} {}", d.detail, d.hint.unwrap_or_default()))
    }

    /// A7.
    #[test]
    fn placeholders_that_no_worker_resolves_are_found() {
        for good in [
            "${file:/etc/secrets/c.properties:user}",
            "x ${file:/etc/secrets/c.properties:password} y",
            "${timestamp:yyyy} ${topic}",
            "plain",
        ] {
            assert_eq!(told(good, &[]), None, "{good}");
        }
        for (bad, says) in [
            ("${env:HOME}", "no config provider \"env\""),
            ("${secrets:ns/name:key}", "no config provider \"secrets\""),
            ("${directory:/etc/secrets:c.properties}", "no config provider \"directory\""),
            ("${fiel:/etc/secrets/c.properties:user}", "Did you mean \"file\"?"),
            ("${file:db_pass}", "names no file"),
            ("${file:/etc/other/c.properties:user}", "which no mount of the Connect cluster brings"),
            ("${file:/etc/secretsx/c.properties:user}", "which no mount of"),
            ("${file:/etc/secrets/d.properties:user}", "Did you mean /etc/secrets/c.properties?"),
            ("${file:/etc/secrets/nothing:user}", "Its files are c.properties, plain.txt, pw."),
            ("${file:/etc/secrets/c.properties:nokey}", "does not have: \"nokey\""),
            ("${file:/etc/secrets/c.properties:x}", "does not have: \"x\""),
            ("${file:/etc/secrets/pw:pw}", "does not have: \"pw\""),
        ] {
            let text = told(bad, &[]).unwrap_or_else(|| panic!("{bad}"));
            assert!(text.contains(says) && !text.contains("s3cr3t") && !text.contains("pass\\"), "{bad}: {text}");
        }
        // Providers that are set up by hand are there; where the file provider is, its folders are not judged.
        assert_eq!(told("${env:HOME}", &[("config.providers", "file, env")]), None);
        assert!(told("${env:HOME}", &[("config.providers", "dir")]).is_some());
        assert_eq!(told("${file:/x/y:z}", &[("config.providers.file.param.allowed.paths", "/")]), None);
    }

    #[test]
    fn keys_are_read_as_java_reads_them() {
        let settings = properties("a=1\nb:2\nc 3\nd\\=e=4\n! f=5\n\\u0067=6\nh\\\n  i=7\r\n  j\n").unwrap();
        let keys: BTreeSet<String> = settings.into_keys().collect();
        assert_eq!(keys, ["a", "b", "c", "d=e", "g", "hi", "j"].map(String::from).into());
    }
}
