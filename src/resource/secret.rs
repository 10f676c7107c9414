//! `secret`: secret values as files of this user only (0600), for connectors and clients that read them by path.
//!
//! The values go to the files and nowhere else: the schema marks them sensitive, so that the state keeps digests, and a refresh reads
//! the files again, so that a change by hand shows as drift. The plan names each file that is written or removed; apply does exactly that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;

use super::kafka_cluster::{default_name, name_error, text_map};
use super::{
    Arg, Desk, Hold, Key, Notes, Observed, Op, OpAction, Place, PlanInput, PlanOutput, Private, ReadRequest, ResourceType, Session,
    StepRequest, StepResult, Verb, attr_error, together,
};
use crate::addr::InstanceAddr;
use crate::diag::codes::engine as codes;
use crate::diag::{Diagnostic, Diagnostics};
use crate::engine::local::{
    UNFINISHED, file_error, private_dir, random_text, read_optional, remove_if_empty, remove_private, write_private,
};
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

/// The folder as the target of operations, also while its name is not known.
fn target(object: &Value) -> Key {
    let unnamed = || {
        let kind = if object.get("path").is_none_or(|p| p.is_null()) { "secret" } else { "secret folder" };
        Key::unnamed(Place::here(), kind)
    };
    folder_key(object).unwrap_or_else(unnamed)
}

/// Files that a killed run did not finish. They hold parts of secrets, so they must go.
fn unfinished(dir: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).filter(|n| n.starts_with(UNFINISHED)).collect()
}

/// The version that an object is to have: a new one where the plan says no more than that it changes.
fn version_of(planned: &Value) -> Result<Value, Diagnostic> {
    match planned.get("version").filter(Value::is_known) {
        Some(version) => Ok(version),
        None => Ok(random_text(VERSION_LEN)?.into()),
    }
}

/// The names of the files in `data`; `None` where they are not known.
fn data_names(object: &Value) -> Option<BTreeSet<String>> {
    let Some(data) = object.get("data").filter(|d| !d.is_null()) else { return Some(BTreeSet::new()) };
    Some(data.as_map()?.keys().map(|k| k.to_string()).collect())
}

fn data_path(name: &str) -> String {
    format!("data[{}]", crate::addr::quote(name))
}

/// Names of the files that were written: kept apart, because the state keeps no part of `data`.
fn written(private: &Private) -> Vec<String> {
    private.get("files").and_then(|f| serde_json::from_value(f.clone()).ok()).unwrap_or_default()
}

fn file_name_error(path: &str, name: &str) -> Option<Diagnostic> {
    let plain = !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != ".." && !name.starts_with(UNFINISHED);
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

/// What makes the files of `planned` out of those that are there. A content that cannot be compared is written.
fn file_ops(prior: Option<&Value>, private: &Private, notes: &Notes, planned: &Value) -> Vec<Op> {
    let key = target(planned);
    let op = |action, name: &str| Op::new(action, key.clone()).part(name);
    let there: BTreeSet<String> = written(private).into_iter().collect();
    let mut ops = Vec::new();
    let Some(names) = data_names(planned) else {
        // Which files there will be is known when their names are.
        ops.push(op(OpAction::Write, "files").after("files", Arg::Secret("data".into())).open());
        if !there.is_empty() {
            ops.push(op(OpAction::Remove, "files").note("(known after apply)").open());
        }
        return ops;
    };
    let (old, new) = (prior.map(|p| text_map(p, "data")).unwrap_or_default(), text_map(planned, "data"));
    let (was_made, made) = (prior.map(generated).unwrap_or_default(), generated(planned));
    for name in &names {
        let is_same = there.contains(name) && new.contains_key(name) && old.get(name) == new.get(name);
        if !is_same {
            let content = || Arg::Secret(data_path(name));
            let write = op(OpAction::Write, name).after(name, content());
            ops.push(if there.contains(name) { write.expect(content(), "") } else { write });
        }
    }
    for name in made.iter().filter(|n| !there.contains(*n) || !was_made.contains(n)) {
        ops.push(op(OpAction::Write, name).note("(generated)"));
    }
    let left = notes.get("unfinished").and_then(|n| n.as_array()).into_iter().flatten().filter_map(|n| n.as_str());
    let gone = there.iter().map(String::as_str).filter(|n| !names.contains(*n) && !made.iter().any(|m| m == n));
    ops.extend(gone.chain(left).map(|n| op(OpAction::Remove, n)));
    ops
}

impl Secret {
    /// Reads the files of this secret; after an operation in doubt also those that it was to write.
    fn observe(cx: &Session, request: &ReadRequest) -> Result<Observed, Diagnostic> {
        let dir = dir_of(cx, &request.addr, &request.prior);
        let own = generated(&request.prior);
        let mut names: BTreeSet<String> = written(&request.private).into_iter().collect();
        if let Some(doubt) = &request.doubt {
            names.extend(own.iter().cloned().chain(generated(&doubt.intent)).chain(written(&doubt.private)));
            names.extend(data_names(&request.prior).into_iter().chain(data_names(&doubt.intent)).flatten());
            names.extend(doubt.ops.iter().filter(|o| !o.open && !o.part.is_empty()).map(|o| o.part.clone()));
        }
        let mut data: BTreeMap<Arc<str>, Value> = BTreeMap::new();
        let mut there = vec![];
        for name in names.into_iter().filter(|n| !n.starts_with(UNFINISHED)) {
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
        let left = unfinished(&dir);
        let notes = if left.is_empty() { Notes::Null } else { serde_json::json!({ "unfinished": left }) };
        let version = request.prior.get("version").unwrap_or_else(|| Value::null(Type::String));
        let now = filled(&request.addr, &request.prior, &dir, &there, Some(data));
        Ok(Observed::Present(with_version(&now, version), private(&there), notes))
    }

    /// Writes and removes what the operations say. `there` keeps the names of the files that are there, also when this ends with an error.
    fn write(cx: &Session, step: &StepRequest, planned: &Value, there: &mut BTreeSet<String>) -> Result<(), Diagnostic> {
        let dir = dir_of(cx, &step.addr, planned);
        private_dir(&dir)?;
        // What a killed run did not finish holds parts of secrets, and a plan without refresh has not seen it.
        for name in unfinished(&dir) {
            remove_private(&dir.join(name))?;
        }
        let data = text_map(planned, "data");
        for op in step.ops.iter().filter(|o| !o.open) {
            let path = dir.join(&op.part);
            match (op.action, op.value()) {
                (OpAction::Write, Some(Arg::Secret(at))) => {
                    let content = data.iter().find(|(name, _)| data_path(name) == *at).map(|(_, content)| content);
                    let unknown = || {
                        let what = format!("The content of the file {} is not known.", crate::addr::quote(&op.part));
                        Diagnostic::error(crate::diag::codes::apply::INTERNAL, what)
                    };
                    write_private(&path, content.ok_or_else(unknown)?.as_bytes())?;
                    there.insert(op.part.clone());
                }
                (OpAction::Write, None) => {
                    write_private(&path, random_text(GENERATED_LEN)?.as_bytes())?;
                    there.insert(op.part.clone());
                }
                (OpAction::Remove, _) => {
                    remove_private(&path)?;
                    there.remove(&op.part);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn apply_one(cx: &Session, verb: Verb, step: &StepRequest) -> StepResult {
        let mut there: BTreeSet<String> = written(&step.private).into_iter().collect();
        let object = |base: &Value, data, there: &BTreeSet<String>| {
            let names: Vec<String> = there.iter().cloned().collect();
            (filled(&step.addr, base, &dir_of(cx, &step.addr, base), &names, data), private(&names))
        };
        match (verb, &step.planned, &step.prior) {
            (Verb::Delete, _, Some(prior)) => match Self::remove(cx, step, prior, &mut there) {
                Ok(()) => StepResult::gone(),
                Err(e) => StepResult::failed(e, Some(object(prior, None, &there))),
            },
            (Verb::Create | Verb::Update, Some(planned), prior) => {
                match Self::write(cx, step, planned, &mut there).and_then(|()| version_of(planned)) {
                    Ok(version) => {
                        let (value, private) = object(planned, None, &there);
                        StepResult::done(with_version(&value, version), private)
                    }
                    // Which contents were written is seen by the next read.
                    Err(e) if prior.is_none() && there.is_empty() => StepResult::failed(e, None),
                    Err(e) => StepResult::failed(e, Some(object(prior.as_ref().unwrap_or(planned), None, &there))),
                }
            }
            _ => StepResult::gone(),
        }
    }

    fn remove(cx: &Session, step: &StepRequest, prior: &Value, there: &mut BTreeSet<String>) -> Result<(), Diagnostic> {
        let dir = dir_of(cx, &step.addr, prior);
        for op in step.ops.iter().filter(|o| o.action == OpAction::Remove && !o.open) {
            remove_private(&dir.join(&op.part))?;
            there.remove(&op.part);
        }
        for name in unfinished(&dir) {
            remove_private(&dir.join(name))?;
        }
        remove_if_empty(&dir);
        if prior.get_str("path").is_none() {
            remove_if_empty(&cx.data_dir.join("secrets"));
        }
        Ok(())
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
        let key = target(prior);
        let names: BTreeSet<String> = written(private).into_iter().chain(generated(prior)).collect();
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
        let dir = input.prior.and_then(|p| p.get_str("dir"));
        let files = match (data_names(&input.proposed), dir) {
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
        let ops = file_ops(input.prior, input.private, input.notes, &planned);
        PlanOutput { ops, diagnostics, ..PlanOutput::new(planned) }
    }

    async fn read(&self, cx: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        requests.iter().map(|r| Self::observe(cx, r)).collect()
    }

    async fn apply(&self, cx: &Session, verb: Verb, steps: Vec<StepRequest>, desk: &dyn Desk) {
        together(desk, steps.len(), async { steps.iter().map(|step| Self::apply_one(cx, verb, step)).collect() }).await;
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
    use crate::resource::Gathered;
    use crate::resource::{Doubt, Progress};

    struct Silent;
    impl Progress for Silent {
        fn note(&self, _: &InstanceAddr, _: &str) {}
    }

    /// A folder, and what the engine does with one secret in it.
    struct Bench {
        dir: tempfile::TempDir,
        cx: Session,
        addr: InstanceAddr,
    }

    impl Bench {
        fn new() -> Bench {
            let dir = tempfile::tempdir().unwrap();
            let cx = Session::new(dir.path().join("d"), dir.path().into(), Arc::new(Silent));
            Bench { dir, cx, addr: ResourceAddr::root(Mode::Managed, "secret", "aws").instance(None) }
        }

        fn file(&self, name: &str) -> PathBuf {
            self.dir.path().join("d/secrets/aws").join(name)
        }

        fn text(&self, name: &str) -> Option<String> {
            std::fs::read_to_string(self.file(name)).ok()
        }

        fn plan(&self, prior: Option<&(Value, Private, Notes)>, config: &Value) -> PlanOutput {
            let null = Private::Null;
            let (private, notes) = prior.map_or((&null, &null), |p| (&p.1, &p.2));
            let mut proposed = config.as_map().unwrap().clone();
            if let Some(dir) = prior.and_then(|p| p.0.get("dir")) {
                proposed.insert("dir".into(), dir);
            }
            let input = PlanInput::new(&self.addr, prior.map(|p| &p.0), private, config, Value::object(proposed));
            Secret.plan(PlanInput { notes, ..input })
        }

        fn step(&self, prior: Option<&(Value, Private, Notes)>, planned: Option<Value>, ops: Vec<Op>) -> StepRequest {
            StepRequest {
                addr: self.addr.clone(),
                prior: prior.map(|p| p.0.clone()),
                planned,
                private: prior.map_or(Private::Null, |p| p.1.clone()),
                timeout: std::time::Duration::from_secs(1),
                begun: false,
                ops,
            }
        }

        async fn apply(&self, prior: Option<&(Value, Private, Notes)>, config: &Value) -> (Value, Private) {
            let out = self.plan(prior, config);
            let verb = if prior.is_some() { Verb::Update } else { Verb::Create };
            let result = Gathered::apply(&Secret, &self.cx, verb, vec![self.step(prior, Some(out.planned), out.ops)]).await.remove(0);
            assert!(result.error.is_none(), "{:?}", result.error);
            result.object.unwrap()
        }

        async fn delete(&self, prior: &(Value, Private, Notes)) {
            let ops = Secret.plan_delete(&prior.0, &prior.1);
            let result = Gathered::apply(&Secret, &self.cx, Verb::Delete, vec![self.step(Some(prior), None, ops)]).await.remove(0);
            assert!(result.error.is_none() && result.object.is_none());
        }

        async fn read(&self, prior: &(Value, Private), doubt: Option<Doubt>) -> (Value, Private, Notes) {
            let request = ReadRequest { doubt, ..ReadRequest::new(self.addr.clone(), prior.0.clone(), prior.1.clone()) };
            match Secret.read(&self.cx, vec![request]).await.remove(0).unwrap() {
                Observed::Present(v, p, n) => (v, p, n),
                Observed::Absent => panic!("gone"),
            }
        }
    }

    fn data(pairs: &[(&str, &str)]) -> Value {
        Value::map(Type::String, pairs.iter().map(|(k, v)| ((*k).into(), Value::from(*v))).collect()).sensitive()
    }

    fn with_data(pairs: &[(&str, &str)], made: &[&str]) -> Value {
        Value::object_from([
            ("name", Value::from("aws")),
            ("data", data(pairs)),
            ("generate", Value::list(Type::String, made.iter().map(|n| Value::from(*n)).collect())),
            ("path", Value::null(Type::String)),
        ])
    }

    /// As the state gives it back: of sensitive parts it knows digests only.
    fn recorded(object: &Value) -> Value {
        let mut attrs = object.as_map().unwrap().clone();
        attrs.insert("data".into(), Value::unknown(Type::map(Type::String)).sensitive());
        Value::object(attrs)
    }

    #[tokio::test]
    async fn written_read_changed_removed() {
        use std::os::unix::fs::PermissionsExt;
        let bench = Bench::new();
        let config = with_data(&[("creds.properties", "key=s3cr3t")], &["password"]);
        let lines = crate::resource::lines(&bench.plan(None, &config).ops);
        assert_eq!(lines, ["+ \"creds.properties\" = (sensitive value)", "+ \"password\" (generated)"]);
        let made = bench.apply(None, &config).await;
        let file = bench.file("creds.properties");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "key=s3cr3t");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let password = bench.text("password").unwrap();
        assert_eq!(password.len(), GENERATED_LEN);
        assert!(!format!("{} {}", made.0, made.1).contains("s3cr3t"));

        std::fs::write(&file, "other").unwrap();
        let now = bench.read(&made, None).await;
        assert_eq!(
            text_map(&now.0, "data"),
            BTreeMap::from([("creds.properties".into(), "other".into())]),
            "a change by hand shows, a generated value does not"
        );
        bench.apply(Some(&now), &config).await;
        assert_eq!(bench.text("creds.properties").as_deref(), Some("key=s3cr3t"));
        assert_eq!(bench.text("password").unwrap(), password, "a generated value is kept");
        bench.delete(&(made.0, made.1, Notes::Null)).await;
        assert!(!bench.dir.path().join("d/secrets").exists());
    }

    #[tokio::test]
    async fn the_plan_names_the_files_that_change_and_apply_writes_no_other() {
        let bench = Bench::new();
        let made = bench.apply(None, &with_data(&[("a", "1"), ("b", "2"), ("c", "3")], &["p"])).await;
        let now = bench.read(&made, None).await;
        let next = with_data(&[("a", "1"), ("b", "9"), ("d", "4")], &["p"]);
        let out = bench.plan(Some(&now), &next);
        let expected = ["~ \"b\" = (sensitive value)", "+ \"d\" = (sensitive value)", "- \"c\""];
        assert_eq!(crate::resource::lines(&out.ops), expected);
        let only_b = vec![out.ops[0].clone()];
        Gathered::apply(&Secret, &bench.cx, Verb::Update, vec![bench.step(Some(&now), Some(out.planned), only_b)]).await;
        let texts = ["a", "b", "c", "d"].map(|n| bench.text(n));
        assert_eq!(texts.each_ref().map(Option::as_deref), [Some("1"), Some("9"), Some("3"), None]);
    }

    #[test]
    fn what_is_known_only_later_was_planned() {
        let bench = Bench::new();
        let mut later = with_data(&[], &[]).as_map().unwrap().clone();
        later.insert("data".into(), Value::unknown(Type::map(Type::String)).sensitive());
        let planned = bench.plan(None, &Value::object(later)).ops;
        let known = bench.plan(None, &with_data(&[("a", "1")], &[])).ops;
        assert_eq!(crate::resource::op::unplanned(&planned, &known), None);
        assert_eq!(known.len(), 1);
    }

    /// What a kill left after a begun operation.
    fn doubt(verb: Verb, intent: &Value, ops: Vec<Op>) -> Option<Doubt> {
        Some(Doubt { verb, intent: recorded(intent), private: Private::Null, ops })
    }

    #[tokio::test]
    async fn files_of_a_killed_update_are_found_and_removed() {
        let bench = Bench::new();
        let config = with_data(&[("base", "1")], &[]);
        let made = bench.apply(None, &config).await;
        let wider = with_data(&[("base", "2"), ("x", "3"), ("y", "4")], &["z"]);
        let ops = bench.plan(Some(&bench.read(&made, None).await), &wider).ops;
        for (name, text) in [("x", "3"), ("z", "made"), (".streamform-unfinished-1", "hal")] {
            std::fs::write(bench.file(name), text).unwrap();
        }
        std::fs::write(bench.file("foreign"), "of somebody else").unwrap();
        let now = bench.read(&(recorded(&made.0), made.1), doubt(Verb::Update, &wider, ops)).await;
        let out = bench.plan(Some(&now), &config);
        assert_eq!(crate::resource::lines(&out.ops), ["- \"x\"", "- \"z\"", "- \".streamform-unfinished-1\""]);
        let after = bench.apply(Some(&now), &config).await;
        assert_eq!(["base", "x", "z", ".streamform-unfinished-1"].map(|n| bench.text(n)), [Some("1".into()), None, None, None]);
        assert_eq!(bench.text("foreign").as_deref(), Some("of somebody else"));
        let out = bench.plan(Some(&bench.read(&after, None).await), &config);
        assert!(out.ops.is_empty(), "{:?}", out.ops);
    }

    #[tokio::test]
    async fn files_of_a_killed_create_go_with_its_block() {
        let bench = Bench::new();
        let config = with_data(&[("a", "1"), ("b", "2")], &["p"]);
        let ops = bench.plan(None, &config).ops;
        private_dir(&bench.dir.path().join("d/secrets/aws")).unwrap();
        for name in ["a", "p", ".streamform-unfinished-1"] {
            std::fs::write(bench.file(name), "1").unwrap();
        }
        let now = bench.read(&(recorded(&config), Private::Null), doubt(Verb::Create, &config, ops)).await;
        assert_eq!(crate::resource::lines(&Secret.plan_delete(&now.0, &now.1)), ["- \"a\"", "- \"p\""]);
        bench.delete(&now).await;
        assert!(!bench.dir.path().join("d/secrets").exists());
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        let data = Value::map(Type::String, BTreeMap::from([("../x".into(), Value::from("v"))]));
        let mut diags = Diagnostics::new();
        Secret.validate(&Value::object_from([("data", data)]), &mut diags);
        assert!(diags.has_errors());
    }
}
