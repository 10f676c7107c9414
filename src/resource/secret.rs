//! `secret`: secret values as files of this user only (0600), for connectors and clients that read them by path.
//!
//! The values go to the files and nowhere else: the schema marks them sensitive, so that the state keeps digests, and a refresh reads
//! the files again, so that a change by hand shows as drift.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;

use super::kafka_cluster::{default_name, name_error, text_map};
use super::{
    Hold, Key, Observed, Op, OpAction, Place, PlanInput, PlanOutput, Private, ReadRequest, ResourceType, Session, StepRequest, StepResult,
    Verb, attr_error,
};
use crate::addr::InstanceAddr;
use crate::diag::codes::engine as codes;
use crate::diag::{Diagnostic, Diagnostics};
use crate::engine::local::{file_error, private_dir, random_text, read_optional, remove_if_empty, write_private};
use crate::schema::{Attribute, Body, Schema};
use crate::value::ops::unmark_deep;
use crate::value::{Type, Value};

/// The resource type `secret`.
pub struct Secret;

/// How long a generated value is: 192 bits.
const GENERATED_LEN: usize = 32;
/// How long a version is: long enough that two never meet.
const VERSION_LEN: usize = 12;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema {
    version: 0,
    doc: "Secret values, kept as files that only this user can read. They never appear in a plan, a log or the state.",
    body: Body {
        attributes: vec![
            Attribute::optional_computed("name", Type::String, "The secret's name. Default: the block's.").force_new(),
            Attribute::optional("data", Type::map(Type::String), "File names with their content.").sensitive(),
            Attribute::optional(
                "generate",
                Type::list(Type::String),
                "Names of files that get a random password of 32 characters, made once and kept.",
            ),
            Attribute::optional("path", Type::String, "The folder for the files. Default: `secrets/NAME` in the working data folder.")
                .force_new(),
            Attribute::computed("dir", Type::String, "The folder's absolute path."),
            Attribute::computed("version", Type::String, "A random text that changes whenever the content of a file changes."),
            Attribute::computed("files", Type::map(Type::String), "The absolute path of each file by its name."),
        ],
        blocks: vec![],
    },
});

fn name_of(addr: &InstanceAddr, value: &Value) -> String {
    value.get_str("name").unwrap_or_else(|| default_name(addr))
}

fn dir_of(cx: &Session, addr: &InstanceAddr, value: &Value) -> PathBuf {
    let dir = match value.get_str("path") {
        Some(path) => cx.root_dir.join(path),
        None => cx.data_dir.join("secrets").join(name_of(addr, value)),
    };
    std::path::absolute(&dir).unwrap_or(dir)
}

fn generated(value: &Value) -> Vec<String> {
    value
        .get("generate")
        .and_then(|v| v.as_slice().map(|s| s.iter().filter_map(|v| v.as_str().map(str::to_string)).collect()))
        .unwrap_or_default()
}

/// The folder of the files: by its path, else by the secret's name.
fn folder_key(object: &Value) -> Option<Key> {
    match object.get("path").filter(|p| !p.is_null()) {
        Some(path) => Some(Key::new(Place::here(), "secret folder", path.as_str()?)),
        None => Some(Key::new(Place::here(), "secret", &object.get_str("name")?)),
    }
}

/// Names of the files that were written: kept apart, because the state keeps no part of `data`.
fn written(private: &Private) -> Vec<String> {
    private.get("files").and_then(|f| serde_json::from_value(f.clone()).ok()).unwrap_or_default()
}

fn file_name_error(path: &str, name: &str) -> Option<Diagnostic> {
    let plain = !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != "..";
    (!plain).then(|| {
        let d = Diagnostic::error(codes::INVALID_ARGUMENT, format!("{} cannot be a file's name.", crate::addr::quote(name)));
        attr_error(path, d.hint("Use a name without slashes."))
    })
}

fn filled(addr: &InstanceAddr, base: &Value, dir: &Path, names: &[String], data: Option<Value>) -> Value {
    let mut attrs = base.as_map().cloned().unwrap_or_default();
    let path = |name: &String| (Arc::from(name.as_str()), Value::string(dir.join(name).to_string_lossy()));
    attrs.insert("name".into(), name_of(addr, base).into());
    attrs.insert("dir".into(), Value::string(dir.to_string_lossy()));
    attrs.insert("files".into(), Value::map(Type::String, names.iter().map(path).collect()));
    if let Some(data) = data {
        attrs.insert("data".into(), data);
    }
    Value::object_of(attrs, base.origin().cloned())
}

/// The object with this version.
fn with_version(object: &Value, version: Value) -> Value {
    let mut attrs = object.as_map().cloned().unwrap_or_default();
    attrs.insert("version".into(), version);
    Value::object_of(attrs, object.origin().cloned())
}

/// The version of a planned secret: as before while its files stay as they are, else known after apply.
fn planned_version(prior: Option<&Value>, planned: &BTreeMap<Arc<str>, Value>) -> Value {
    let unmarked = |v: Option<Value>| v.map(|v| unmark_deep(&v));
    let same = |p: &Value| ["data", "generate", "files"].iter().all(|n| unmarked(p.get(n)) == unmarked(planned.get(*n).cloned()));
    match prior.filter(|p| same(p)) {
        // Records of earlier versions have none: it comes with the next change.
        Some(prior) => prior.get("version").unwrap_or_else(|| Value::null(Type::String)),
        None => Value::unknown(Type::String),
    }
}

fn private(names: &[String]) -> Private {
    serde_json::json!({ "files": names })
}

impl Secret {
    fn observe(cx: &Session, request: &ReadRequest) -> Result<Observed, Diagnostic> {
        let dir = dir_of(cx, &request.addr, &request.prior);
        let own = generated(&request.prior);
        let mut names = written(&request.private);
        let mut data: BTreeMap<Arc<str>, Value> = BTreeMap::new();
        let mut there = vec![];
        for name in std::mem::take(&mut names) {
            // Something that is not text any more is a change like any other.
            let content = match read_optional(&dir.join(&name)) {
                Ok(content) => content,
                Err(_) if dir.join(&name).is_file() => Some("\u{fffd}".into()),
                Err(e) => return Err(e),
            };
            if let Some(content) = content {
                if !own.contains(&name) {
                    data.insert(name.as_str().into(), Value::string(content));
                }
                there.push(name);
            }
        }
        if there.is_empty() && !dir.is_dir() {
            return Ok(Observed::Absent);
        }
        let none = data.is_empty() && request.prior.get("data").is_none_or(|d| d.is_null());
        let data = if none { Value::null(Type::map(Type::String)) } else { Value::map(Type::String, data).sensitive() };
        let version = request.prior.get("version").unwrap_or_else(|| Value::null(Type::String));
        let now = filled(&request.addr, &request.prior, &dir, &there, Some(data));
        Ok(Observed::present(with_version(&now, version), private(&there)))
    }

    fn write(cx: &Session, step: &StepRequest, planned: &Value) -> Result<(Value, Private), Diagnostic> {
        let dir = dir_of(cx, &step.addr, planned);
        private_dir(&dir)?;
        let data = text_map(planned, "data");
        let own = generated(planned);
        for name in written(&step.private).iter().filter(|n| !data.contains_key(*n) && !own.contains(n)) {
            remove(&dir.join(name))?;
        }
        for (name, content) in &data {
            write_private(&dir.join(name), content.as_bytes())?;
        }
        for name in own.iter().filter(|n| !dir.join(n).is_file()) {
            write_private(&dir.join(name), random_text(GENERATED_LEN)?.as_bytes())?;
        }
        let names: std::collections::BTreeSet<String> = data.into_keys().chain(own).collect();
        let names: Vec<String> = names.into_iter().collect();
        let version = match planned.get("version").filter(Value::is_known) {
            Some(version) => version,
            None => random_text(VERSION_LEN)?.into(),
        };
        Ok((with_version(&filled(&step.addr, planned, &dir, &names, None), version), private(&names)))
    }

    fn remove(cx: &Session, step: &StepRequest, prior: &Value) -> Result<(), Diagnostic> {
        let dir = dir_of(cx, &step.addr, prior);
        for name in written(&step.private).iter().chain(&generated(prior)) {
            remove(&dir.join(name))?;
        }
        remove_if_empty(&dir);
        if prior.get_str("path").is_none() {
            remove_if_empty(&cx.data_dir.join("secrets"));
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<(), Diagnostic> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(file_error("remove", path, &e)),
        _ => Ok(()),
    }
}

#[async_trait]
impl ResourceType for Secret {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn validate(&self, config: &Value, diags: &mut Diagnostics) {
        diags.extend(config.get_str("name").and_then(|n| name_error("name", &n)));
        let data = config.get("data");
        let keys: Vec<&str> = data.iter().filter_map(Value::as_map).flat_map(|m| m.keys()).map(|k| &**k).collect();
        diags.extend(keys.iter().filter_map(|k| file_name_error("data", k)));
        for name in generated(config) {
            diags.extend(file_name_error("generate", &name));
            if keys.contains(&name.as_str()) {
                let d =
                    Diagnostic::error(codes::INVALID_ARGUMENT, format!("The file \"{name}\" is both given in `data` and to be generated."));
                diags.push(attr_error("generate", d.hint("Remove it from one of them.")));
            }
        }
    }

    fn holds(&self, object: &Value, _private: &Private) -> Vec<Hold> {
        folder_key(object).map(Hold::exclusive).into_iter().collect()
    }

    fn plan_delete(&self, prior: &Value, private: &Private) -> Vec<Op> {
        let Some(key) = folder_key(prior) else { return vec![] };
        let names: std::collections::BTreeSet<String> = written(private).into_iter().chain(generated(prior)).collect();
        names.iter().map(|n| Op::new(OpAction::Remove, key.clone()).part(n)).collect()
    }

    fn plan(&self, input: PlanInput<'_>) -> PlanOutput {
        let mut attrs = input.proposed.as_map().cloned().unwrap_or_default();
        let mut diagnostics = Diagnostics::new();
        if input.config.get("name").is_none_or(|n| n.is_null()) {
            let name = input.prior.and_then(|p| p.get_str("name")).unwrap_or_else(|| default_name(input.addr));
            diagnostics.extend(name_error("name", &name));
            attrs.insert("name".into(), name.into());
        }
        // The names are no secret, the contents are: `files` can be told where names and folder are known.
        let names = input
            .proposed
            .get("data")
            .and_then(|d| d.is_null().then(Vec::new).or_else(|| Some(d.as_map()?.keys().map(|k| k.to_string()).collect())));
        let dir = input.prior.and_then(|p| p.get_str("dir"));
        let files = match (names, dir) {
            (Some(names), Some(dir)) => {
                let all = names.into_iter().chain(generated(&input.proposed));
                let dir = PathBuf::from(dir);
                Value::map(Type::String, all.map(|n| (Arc::from(n.as_str()), Value::string(dir.join(&n).to_string_lossy()))).collect())
            }
            _ => Value::unknown(Type::map(Type::String)),
        };
        attrs.insert("files".into(), files);
        let version = planned_version(input.prior, &attrs);
        attrs.insert("version".into(), version);
        let planned = Value::object_of(attrs, input.proposed.origin().cloned());
        PlanOutput { diagnostics, ..PlanOutput::new(planned) }
    }

    async fn read(&self, cx: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        requests.iter().map(|r| Self::observe(cx, r)).collect()
    }

    async fn apply(&self, cx: &Session, verb: Verb, steps: Vec<StepRequest>) -> Vec<StepResult> {
        let one = |step: &StepRequest| {
            let kept = || step.prior.clone().map(|p| (p, step.private.clone()));
            match (verb, &step.planned, &step.prior) {
                (Verb::Delete, _, Some(prior)) => match Self::remove(cx, step, prior) {
                    Ok(()) => StepResult::gone(),
                    Err(e) => StepResult::failed(e, kept()),
                },
                (Verb::Create | Verb::Update, Some(planned), _) => match Self::write(cx, step, planned) {
                    Ok((value, private)) => StepResult::done(value, private),
                    Err(e) => StepResult::failed(e, kept()),
                },
                _ => StepResult::gone(),
            }
        };
        steps.iter().map(one).collect()
    }

    fn batch_limit(&self) -> usize {
        100
    }

    async fn import(&self, cx: &Session, id: &str, _config: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        let dir = std::path::absolute(cx.data_dir.join("secrets").join(id)).map_err(|e| file_error("find", Path::new(id), &e))?;
        let entries = std::fs::read_dir(&dir).map_err(|e| file_error("read", &dir, &e))?;
        let names: Vec<String> = entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
        let null = |a: &Attribute| match &a.ty {
            crate::schema::AttrType::Value(t) => (a.name, Value::null(t.clone())),
            crate::schema::AttrType::Ref(_) => (a.name, Value::null_dynamic()),
        };
        let mut attrs: BTreeMap<Arc<str>, Value> = SCHEMA.body.attributes.iter().map(null).map(|(k, v)| (k.into(), v)).collect();
        attrs.insert("name".into(), id.into());
        let addr = crate::addr::ResourceAddr::root(crate::addr::Mode::Managed, "secret", id).instance(None);
        let request = ReadRequest::new(addr, Value::object(attrs), private(&names));
        match Self::observe(cx, &request)? {
            Observed::Present(value, private, _) => Ok((value, private)),
            Observed::Absent => Err(Diagnostic::error(codes::INVALID_ARGUMENT, format!("There is no secret \"{id}\"."))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::{Mode, ResourceAddr};
    use crate::resource::Progress;

    struct Silent;
    impl Progress for Silent {
        fn note(&self, _: &InstanceAddr, _: &str) {}
    }

    fn planned() -> Value {
        let data = Value::map(Type::String, BTreeMap::from([("creds.properties".into(), Value::from("key=s3cr3t").sensitive())]));
        Value::object_from([
            ("name", Value::from("aws")),
            ("data", data),
            ("generate", Value::list(Type::String, vec!["password".into()])),
            ("path", Value::null(Type::String)),
        ])
    }

    #[tokio::test]
    async fn written_read_changed_removed() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let cx = Session::new(dir.path().join("d"), dir.path().into(), Arc::new(Silent));
        let addr = ResourceAddr::root(Mode::Managed, "secret", "aws").instance(None);
        let step = |prior, planned, private| StepRequest {
            addr: addr.clone(),
            prior,
            planned,
            private,
            timeout: std::time::Duration::from_secs(1),
            begun: false,
            ops: vec![],
        };
        let (value, private) =
            Secret.apply(&cx, Verb::Create, vec![step(None, Some(planned()), Private::Null)]).await.remove(0).object.unwrap();
        let file = dir.path().join("d/secrets/aws/creds.properties");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "key=s3cr3t");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let password = std::fs::read_to_string(dir.path().join("d/secrets/aws/password")).unwrap();
        assert_eq!(password.len(), GENERATED_LEN);
        assert!(!format!("{value} {private}").contains("s3cr3t"));

        std::fs::write(&file, "other").unwrap();
        let request = ReadRequest::new(addr.clone(), value.clone(), private.clone());
        let Observed::Present(now, now_private, _) = Secret.read(&cx, vec![request]).await.remove(0).unwrap() else { panic!("gone") };
        assert_eq!(
            text_map(&now, "data"),
            BTreeMap::from([("creds.properties".into(), "other".into())]),
            "a change by hand shows, a generated value does not"
        );

        let again = Secret.apply(&cx, Verb::Update, vec![step(Some(now), Some(planned()), now_private)]).await.remove(0);
        assert!(again.error.is_none());
        assert_eq!(std::fs::read_to_string(dir.path().join("d/secrets/aws/password")).unwrap(), password, "a generated value is kept");
        Secret.apply(&cx, Verb::Delete, vec![step(Some(value), None, private)]).await;
        assert!(!dir.path().join("d/secrets").exists());
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        let data = Value::map(Type::String, BTreeMap::from([("../x".into(), Value::from("v"))]));
        let mut diags = Diagnostics::new();
        Secret.validate(&Value::object_from([("data", data)]), &mut diags);
        assert!(diags.has_errors());
    }
}
