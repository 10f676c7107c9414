//! `secret`: secret values as files of this user only (0600), for connectors and clients that read them by path.
//!
//! The values go to the files and nowhere else: the schema marks them sensitive, so that the state keeps digests, and a refresh reads
//! the files again, so that a change by hand shows as drift. Of a generated value the state keeps a digest too; with 192 random bits in the
//! value it needs no key. What else somebody did to a file or to the folder ([`files::Wrong`]) stands in `altered` until it is put right. The
//! plan names each file that is written, closed to others or removed; apply does exactly that.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use self::files::{FILE_MODE, FOLDER, FOLDER_MODE, Folder, Wrong};
use super::kafka_cluster::{default_name, name_error, text_map};
use super::{
    Arg, Desk, Hold, Key, Notes, Observed, Op, OpAction, Place, PlanInput, PlanOutput, Private, Question, ReadRequest, ResourceType,
    Session, StepRequest, StepResult, Verb, attr_error, together,
};
use crate::addr::InstanceAddr;
use crate::diag::codes::engine as codes;
use crate::diag::{Diagnostic, Diagnostics};
use crate::disk::private::{UNFINISHED, digest, file_error, private_dir, random_text, remove_if_empty, remove_private, write_private};
use crate::schema::{Attribute, Body, Schema};
use crate::value::ops::unmark_deep;
use crate::value::{Fields, Repr, Type, Value};

/// The resource type `secret`.
pub struct Secret;

/// The kind of the keys of folders at a `path`.
const FOLDER_KIND: &str = "secret folder";
/// The question of a plan: which folder a `path` leads to.
const WHICH_FOLDER: &str = "folder";
/// How long a generated value is: 192 bits.
const GENERATED_LEN: usize = 32;
/// How long a version is: long enough that two never meet.
const VERSION_LEN: usize = 12;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema {
    version: 0,
    doc: "Secret values, kept as files that only this user can read. They never appear in a plan, a log or the state; the \
          files' names do. What is done to the files outside (another content, a symbolic link, permissions that let others in) is drift. \
          With another content the plan restarts the tasks of the connectors that use the secret, and the workers whose settings name it.",
    body: Body {
        attributes: vec![
            Attribute::optional_computed("name", Type::String, "The secret's name. Default: the block's.").force_new(),
            Attribute::optional("data", Type::map(Type::String), "File names with their content.").sensitive().names_things(),
            Attribute::optional(
                "generate",
                Type::list(Type::String),
                "Names of files that get a random password of 32 characters, made once and kept. One that is changed outside gets a new one: a \
                 password of your own belongs in `data`.",
            )
            .names_things(),
            Attribute::optional(
                "path",
                Type::String,
                "The folder for the files. Default: `secrets/NAME` in the working data folder. Another folder is another secret.",
            ),
            Attribute::computed("dir", Type::String, "The folder's absolute path."),
            Attribute::computed("version", Type::String, "A random text that changes whenever the content of a file changes."),
            Attribute::computed("files", Type::map(Type::String), "The absolute path of each file by its name."),
            Attribute::computed(
                "altered",
                Type::map(Type::String),
                "What was done to files outside, by name, beside changes of `data`; `.` is the folder. The next apply puts it right.",
            ),
        ],
        blocks: vec![],
    },
}
});

fn name_of(addr: &InstanceAddr, value: &Value) -> String {
    value.get_str("name").unwrap_or_else(|| default_name(addr))
}

/// The folder of the files: absolute, and at `path` without links, so that one folder has one name. A folder that was made for the secret
/// (`made`) is itself no link: one in its place that leads elsewhere is not followed.
fn dir_of(cx: &Session, addr: &InstanceAddr, value: &Value, made: bool) -> PathBuf {
    let absolute = |dir: PathBuf| std::path::absolute(&dir).unwrap_or(dir);
    let Some(path) = value.get_str("path") else { return absolute(cx.data_dir.join("secrets").join(name_of(addr, value))) };
    let dir = absolute(cx.root_dir.join(plain(&path)));
    let found = files::resolved(&dir);
    let is_recorded = value.get_str("dir").is_some_and(|recorded| Path::new(&recorded) == found);
    match (dir.parent(), dir.file_name()) {
        (Some(parent), Some(name)) if made && !is_recorded => files::resolved(parent).join(name),
        _ => found,
    }
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
        Some(path) => {
            let dir = object.get_str("dir");
            Some(Key::new(Place::here(), FOLDER_KIND, &dir.map_or_else(|| path.as_str().map(plain), Some)?))
        }
        None => Some(Key::new(Place::here(), "secret", &object.get_str("name")?)),
    }
}

/// A path without what only spells it in another way. Nothing is asked of the disk, so that links are not followed.
fn plain(path: &str) -> String {
    let mut out = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => drop(out.pop()),
            part => out.push(part),
        }
    }
    if out.as_os_str().is_empty() { ".".into() } else { out.to_string_lossy().into() }
}

/// The folder as the target of operations, also while its name is not known.
fn target(object: &Value) -> Key {
    let unnamed = || {
        let kind = if object.get("path").is_none_or(|p| p.is_null()) { "secret" } else { FOLDER_KIND };
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

/// The names of all files; `None` where they are not known.
fn file_names(object: &Value) -> Option<BTreeSet<String>> {
    let is_known = object.get("generate").is_none_or(|g| g.is_wholly_known());
    data_names(object).filter(|_| is_known).map(|names| names.into_iter().chain(generated(object)).collect())
}

/// The names of the files in `data`; `None` where they are not known. An entry that is null is none.
fn data_names(object: &Value) -> Option<BTreeSet<String>> {
    let Some(data) = object.get("data").filter(|d| !d.is_null()) else { return Some(BTreeSet::new()) };
    Some(data.as_map()?.iter().filter(|(_, v)| !v.is_null()).map(|(k, _)| k.to_string()).collect())
}

fn data_path(name: &str) -> String {
    format!("data[{}]", crate::addr::quote(name))
}

/// The private part, because the state keeps no part of `data`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// Names of the files that were written.
    #[serde(default)]
    files: BTreeSet<String>,
    /// Digests of the generated contents. States of earlier versions have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    generated: BTreeMap<String, String>,
    /// The folder at `path` was made for the secret: nobody else has files there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    made_folder: bool,
}

impl Kept {
    fn of(private: &Private) -> Kept {
        serde_json::from_value(private.clone()).unwrap_or_default()
    }

    fn private(&self) -> Private {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Whether the folder is the secret's own.
    fn owns_folder(&self, object: &Value) -> bool {
        self.made_folder || object.get_str("path").is_none()
    }

    /// Whether this is the generated content of a file, as far as that can be told.
    fn is_generated(&self, name: &str, content: &str) -> bool {
        match self.generated.get(name) {
            Some(known) => *known == digest([content]),
            None => looks_generated(content),
        }
    }
}

/// Whether a content may have been generated.
fn looks_generated(content: &str) -> bool {
    content.len() == GENERATED_LEN && content.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

/// The deviations that the observation found, by name.
fn altered(notes: &Notes) -> BTreeMap<String, Wrong> {
    notes.get("altered").and_then(|a| serde_json::from_value(a.clone()).ok()).unwrap_or_default()
}

fn altered_value(altered: &BTreeMap<String, Wrong>) -> Value {
    if altered.is_empty() {
        return Value::null(Type::map(Type::String));
    }
    Value::map(Type::String, altered.iter().map(|(name, wrong)| (Arc::from(name.as_str()), Value::string(wrong.to_string()))).collect())
}

fn file_name_error(path: &str, name: &str) -> Option<Diagnostic> {
    let plain = !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != ".." && !name.starts_with(UNFINISHED);
    (!plain).then(|| {
        let d = Diagnostic::error(codes::INVALID_ARGUMENT, format!("{} cannot be a file's name.", crate::addr::quote(name)));
        attr_error(path, d.hint("Use a name without slashes."))
    })
}

fn filled(addr: &InstanceAddr, base: &Value, dir: &Path, names: &BTreeSet<String>) -> Value {
    let path = |name: &String| (Arc::from(name.as_str()), Value::string(dir.join(name).to_string_lossy()));
    let filled = with(base, "name", name_of(addr, base).into());
    let filled = with(&filled, "dir", Value::string(dir.to_string_lossy()));
    with(&filled, "files", Value::map(Type::String, names.iter().map(path).collect()))
}

/// The object with this attribute.
fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut attrs = object.as_map().cloned().unwrap_or_default();
    attrs.insert(name.into(), value);
    Value::object_of(attrs, object.origin().cloned())
}

/// The version of a planned secret: as before while its files stay as they are, else known after apply. `rewritten`: some are put right.
fn planned_version(prior: Option<&Value>, planned: &Fields, rewritten: bool) -> Value {
    let unmarked = |v: Option<Value>| v.map(|v| unmark_deep(&v));
    let same = |p: &Value| ["data", "generate", "files"].iter().all(|n| unmarked(p.get(n)) == unmarked(planned.get(*n).cloned()));
    match prior.filter(|p| !rewritten && same(p)) {
        // Records of earlier versions have none: it comes with the next change.
        Some(prior) => prior.get("version").unwrap_or_else(|| Value::null(Type::String)),
        None => Value::unknown(Type::String),
    }
}

/// What makes the files of `planned` out of those that are there. A content that cannot be compared is written.
fn file_ops(prior: Option<&Value>, private: &Private, notes: &Notes, planned: &Value) -> Vec<Op> {
    let key = target(planned);
    let op = |action, name: &str| Op::new(action, key.clone()).part(name);
    let there = Kept::of(private).files;
    let altered = altered(notes);
    let mut ops = Vec::new();
    let closed = |name: &str, from: u32, to: u32| {
        let mode = |m: u32| Arg::Known(format!("{m:04o}"));
        op(OpAction::Change, name).expect(mode(from), "permissions").after(name, mode(to))
    };
    match altered.get(FOLDER) {
        Some(Wrong::Mode(mode)) => ops.push(closed(FOLDER, *mode, FOLDER_MODE)),
        Some(_) => ops.push(op(OpAction::Change, FOLDER).note("(a folder instead of a symbolic link)")),
        None => {}
    }
    let Some(names) = data_names(planned).filter(|_| file_names(planned).is_some()) else {
        // Which files there will be is known when their names are.
        ops.push(op(OpAction::Write, "files").after("files", Arg::Secret("data".into())).open());
        if !there.is_empty() {
            ops.push(op(OpAction::Remove, "files").note("(known after apply)").open());
        }
        return ops;
    };
    let content = content_of;
    let (was_made, made) = (prior.map(generated).unwrap_or_default(), generated(planned));
    for name in &names {
        let (old, new) = (prior.and_then(|p| content(p, name)), content(planned, name));
        let is_same = there.contains(name) && new.is_some() && old.as_ref().map(Value::repr) == new.as_ref().map(Value::repr);
        match altered.get(name) {
            Some(Wrong::Mode(mode)) if is_same => ops.push(closed(name, *mode, FILE_MODE)),
            None if is_same => {}
            wrong => {
                let content = || Arg::Secret(data_path(name));
                // One that is not known yet may turn out to be none.
                let after = if new.is_some() { content() } else { Arg::Unknown };
                let write = op(OpAction::Write, name).after(name, after).note(why(wrong));
                ops.push(if there.contains(name) { write.expect(content(), "") } else { write });
            }
        }
    }
    for name in &made {
        match altered.get(name) {
            _ if !there.contains(name) || !was_made.contains(name) => ops.push(op(OpAction::Write, name).note("(generated)")),
            Some(Wrong::Mode(mode)) => ops.push(closed(name, *mode, FILE_MODE)),
            Some(wrong) => ops.push(op(OpAction::Write, name).expect(Arg::Unknown, "").note(format!("(generated anew: {wrong})"))),
            None => {}
        }
    }
    let left = notes.get("unfinished").and_then(|n| n.as_array()).into_iter().flatten().filter_map(|n| n.as_str());
    let gone = there.iter().map(String::as_str).filter(|n| !names.contains(*n) && !made.iter().any(|m| m == n));
    ops.extend(gone.chain(left).map(|n| op(OpAction::Remove, n)));
    ops
}

/// The content of a file, where that is known or its digest is.
fn content_of(object: &Value, name: &str) -> Option<Value> {
    object.get("data")?.get(name).filter(|v| v.is_known() || is_digest(v))
}

/// The `path`, however it is spelled; `None` where there is none or it is not known.
fn folder_text(object: &Value) -> Option<String> {
    object.get("path").filter(|p| !p.is_null()).and_then(|p| p.as_str().map(plain))
}

/// The folder of a planned secret: that of an existing one, else what the disk says of its `path`, which is to be asked.
fn folder(input: &PlanInput<'_>) -> Result<Option<String>, Question> {
    let stays = |prior: &&Value| {
        folder_text(prior) == folder_text(&input.proposed)
            && (folder_text(prior).is_some() || prior.get_str("name") == input.proposed.get_str("name"))
    };
    if let Some(prior) = input.prior.filter(stays) {
        return Ok(prior.get_str("dir"));
    }
    if folder_text(&input.proposed).is_none() {
        return Ok(None);
    }
    match input.answers.iter().find(|a| a.about == WHICH_FOLDER) {
        Some(answer) => Ok(answer.value.as_ref().and_then(|v| v.as_str()).map(str::to_string)),
        None => Err(Question {
            addr: input.addr.clone(),
            about: WHICH_FOLDER.into(),
            planned: input.proposed.clone(),
            prior: None,
            private: Private::Null,
        }),
    }
}

/// Whether only the digest of a value is at hand.
fn is_digest(v: &Value) -> bool {
    matches!(v.repr(), Repr::Unknown(u) if u.refinement.digest.is_some())
}

/// Why a file is written, where more is wrong than its content.
fn why(wrong: Option<&Wrong>) -> String {
    wrong.filter(|w| w.is_content()).map(|w| format!("({w})")).unwrap_or_default()
}

impl Secret {
    /// Reads the files of this secret; after an operation in doubt also those that it was to write.
    fn observe(cx: &Session, request: &ReadRequest) -> Result<Observed, Diagnostic> {
        let own = generated(&request.prior);
        let mut kept = Kept::of(&request.private);
        let dir = dir_of(cx, &request.addr, &request.prior, kept.made_folder);
        let mut altered = BTreeMap::new();
        let mut names = std::mem::take(&mut kept.files);
        if let Some(doubt) = &request.doubt {
            names.extend(own.iter().cloned().chain(generated(&doubt.intent)).chain(Kept::of(&doubt.private).files));
            names.extend(data_names(&request.prior).into_iter().chain(data_names(&doubt.intent)).flatten());
            names.extend(doubt.ops.iter().filter(|o| !o.open && !o.part.is_empty() && o.part != FOLDER).map(|o| o.part.clone()));
            // A value that was being generated may exist already: its form identifies it.
            let made = doubt.ops.iter().filter(|o| o.action == OpAction::Write && o.value().is_none());
            made.for_each(|o| drop(kept.generated.remove(&o.part)));
        }
        match files::folder(&dir, kept.owns_folder(&request.prior))? {
            Folder::Absent => return Ok(Observed::Absent),
            // The link's target does not belong to the secret: its files are gone.
            Folder::Link => {
                names.clear();
                altered.insert(FOLDER.to_string(), Wrong::Link);
            }
            Folder::There(widened) => altered.extend(widened.map(|mode| (FOLDER.to_string(), Wrong::Mode(mode)))),
        }
        let mut data: BTreeMap<Arc<str>, Value> = BTreeMap::new();
        for name in names.into_iter().filter(|n| !n.starts_with(UNFINISHED)) {
            let Some(seen) = files::look(&dir.join(&name))? else { continue };
            let mut wrong = seen.wrong;
            match seen.content {
                Some(content) if own.contains(&name) => match kept.is_generated(&name, &content) {
                    true => drop(kept.generated.insert(name.clone(), digest([content.as_str()]))),
                    false => wrong = Some(Wrong::Content),
                },
                Some(content) => drop(data.insert(name.as_str().into(), Value::string(content))),
                None => {}
            }
            altered.extend(wrong.map(|w| (name.clone(), w)));
            kept.files.insert(name);
        }
        let none = data.is_empty() && request.prior.get("data").is_none_or(|d| d.is_null());
        let data = if none { Value::null(Type::map(Type::String)) } else { Value::map(Type::String, data.into()).sensitive() };
        let left = if altered.get(FOLDER) == Some(&Wrong::Link) { BTreeSet::new() } else { unfinished(&dir) };
        let mut notes = serde_json::Map::new();
        let writes = |d: &super::Doubt| d.ops.iter().any(|o| matches!(o.action, OpAction::Write | OpAction::Remove));
        if request.doubt.as_ref().is_some_and(writes) {
            notes.insert("in_doubt".into(), true.into());
        }
        if !left.is_empty() {
            notes.insert("unfinished".into(), serde_json::json!(left));
        }
        if !altered.is_empty() {
            notes.insert("altered".into(), serde_json::json!(altered));
        }
        let notes = if notes.is_empty() { Notes::Null } else { notes.into() };
        // A creation that was killed has none yet.
        let version = request.prior.get("version").filter(Value::is_known).unwrap_or_else(|| Value::null(Type::String));
        let mut now = filled(&request.addr, &request.prior, &dir, &kept.files);
        for (name, value) in [("data", data), ("version", version), ("altered", altered_value(&altered))] {
            now = with(&now, name, value);
        }
        Ok(Observed::Present(now, kept.private(), notes))
    }

    /// Makes the folder, or puts it right as planned.
    fn open_folder(dir: &Path, step: &StepRequest, planned: &Value, kept: &mut Kept) -> Result<(), Diagnostic> {
        let is_planned = step.ops.iter().any(|o| o.action == OpAction::Change && o.part == FOLDER);
        match files::folder(dir, kept.owns_folder(planned))? {
            Folder::Absent => kept.made_folder = planned.get_str("path").is_some(),
            Folder::Link if is_planned => std::fs::remove_file(dir).map_err(|e| file_error("remove", dir, &e))?,
            Folder::Link => {
                let d = Diagnostic::error(codes::FILE, format!("\"{}\" was replaced by a symbolic link.", dir.display()));
                return Err(d.hint("Run plan again: it shows how the folder is put right."));
            }
            // One that was there before the secret is closed with its creation.
            Folder::There(Some(_)) if is_planned || step.prior.is_none() => return files::close(dir, FOLDER_MODE),
            Folder::There(_) => return files::open_to_all(dir).filter(|_| !kept.owns_folder(planned)).map_or(Ok(()), Err),
        }
        private_dir(dir)
    }

    /// Files in the way of those that a step writes, and that the secret did not write: nothing of them is overwritten.
    fn foreign(dir: &Path, step: &StepRequest, planned: &Value, kept: &Kept) -> Result<Option<Diagnostic>, Diagnostic> {
        let data = text_map(planned, "data");
        let content = |op: &Op| match op.value() {
            Some(Arg::Secret(at)) => data.iter().find(|(name, _)| data_path(name) == *at).map(|(_, content)| content.as_str()),
            _ => None,
        };
        let hint = match planned.get_str("name").filter(|_| planned.get("path").is_none_or(|p| p.is_null())) {
            Some(name) => format!(". To take the folder over: streamform import '{}' {name}", step.addr),
            None => String::new(),
        };
        let writes = |op: &&Op| op.action == OpAction::Write && !op.open && !kept.files.contains(&op.part);
        for op in step.ops.iter().filter(writes) {
            // In a folder of others a file with the same content is theirs, too.
            let same = content(op).filter(|_| kept.owns_folder(planned));
            if let Some(d) = files::foreign(&dir.join(&op.part), same, &hint)? {
                return Ok(Some(attr_error(if op.value().is_some() { "data" } else { "generate" }, d)));
            }
        }
        Ok(None)
    }

    /// Looks for files in the way, as far as the folder is known.
    fn probe_one(cx: &Session, step: &StepRequest) -> Result<Option<Diagnostic>, Diagnostic> {
        let Some(planned) = step.planned.as_ref().filter(|p| folder_key(p).is_some() && !step.begun) else { return Ok(None) };
        let kept = Kept::of(&step.private);
        let dir = dir_of(cx, &step.addr, planned, kept.made_folder);
        let makes_room = step.replaces.as_ref().is_some_and(|old| dir_of(cx, &step.addr, old, false) == dir);
        match files::folder(&dir, kept.owns_folder(planned)) {
            Ok(Folder::There(_))
                if !kept.owns_folder(planned)
                    && let Some(d) = files::open_to_all(&dir) =>
            {
                return Ok(Some(attr_error("path", d)));
            }
            Ok(Folder::There(_)) if !makes_room => {}
            // The read of what exists has told it.
            Err(_) if step.prior.is_some() => return Ok(None),
            found => return found.map(|_| None),
        }
        Self::foreign(&dir, step, planned, &kept)
    }

    /// Does what the operations say. `kept` follows, also when this ends with an error.
    fn write(cx: &Session, step: &StepRequest, planned: &Value, kept: &mut Kept) -> Result<(), Diagnostic> {
        let dir = dir_of(cx, &step.addr, planned, kept.made_folder);
        Self::open_folder(&dir, step, planned, kept)?;
        if !step.begun
            && let Some(d) = Self::foreign(&dir, step, planned, kept)?
        {
            return Err(d);
        }
        // What a killed run did not finish holds parts of secrets, and a plan without refresh has not seen it.
        for name in unfinished(&dir) {
            remove_private(&dir.join(name))?;
        }
        let data = text_map(planned, "data");
        for op in step.ops.iter().filter(|o| !o.open && o.part != FOLDER) {
            let path = dir.join(&op.part);
            match (op.action, op.value()) {
                (OpAction::Write, Some(Arg::Secret(at))) => {
                    let content = data.iter().find(|(name, _)| data_path(name) == *at).map(|(_, content)| content);
                    let unknown = || {
                        let what = format!("The content of the file {} is not known.", crate::addr::quote(&op.part));
                        Diagnostic::error(crate::diag::codes::apply::INTERNAL, what)
                    };
                    let content = content.ok_or_else(unknown)?;
                    files::clear(&path)?;
                    write_private(&path, content.as_bytes())?;
                    kept.files.insert(op.part.clone());
                    kept.generated.remove(&op.part);
                }
                (OpAction::Write, None) => {
                    let content = random_text(GENERATED_LEN)?;
                    files::clear(&path)?;
                    write_private(&path, content.as_bytes())?;
                    kept.files.insert(op.part.clone());
                    kept.generated.insert(op.part.clone(), digest([content.as_str()]));
                }
                (OpAction::Change, _) => files::close(&path, FILE_MODE)?,
                (OpAction::Remove, _) => {
                    files::clear(&path)?;
                    remove_private(&path)?;
                    kept.files.remove(&op.part);
                    kept.generated.remove(&op.part);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn apply_one(cx: &Session, verb: Verb, step: &StepRequest) -> StepResult {
        let mut kept = Kept::of(&step.private);
        let object = |base: &Value, kept: &Kept| {
            (filled(&step.addr, base, &dir_of(cx, &step.addr, base, kept.made_folder), &kept.files), kept.private())
        };
        match (verb, &step.planned, &step.prior) {
            (Verb::Delete, _, Some(prior)) => match Self::remove(cx, step, prior, &mut kept) {
                Ok(()) => StepResult::gone(),
                Err(e) => StepResult::failed(e, Some(object(prior, &kept))),
            },
            (Verb::Create | Verb::Update, Some(planned), prior) => {
                match Self::write(cx, step, planned, &mut kept).and_then(|()| version_of(planned)) {
                    Ok(version) => {
                        let (value, private) = object(planned, &kept);
                        StepResult::done(with(&value, "version", version), private)
                    }
                    // Which contents were written is seen by the next read.
                    Err(e) if prior.is_none() && kept.files.is_empty() => StepResult::failed(e, None),
                    Err(e) => StepResult::failed(e, Some(object(prior.as_ref().unwrap_or(planned), &kept))),
                }
            }
            _ => StepResult::gone(),
        }
    }

    fn remove(cx: &Session, step: &StepRequest, prior: &Value, kept: &mut Kept) -> Result<(), Diagnostic> {
        let dir = dir_of(cx, &step.addr, prior, kept.made_folder);
        match files::folder(&dir, kept.owns_folder(prior))? {
            Folder::Absent => {}
            // The link's target does not belong to the secret.
            Folder::Link => std::fs::remove_file(&dir).map_err(|e| file_error("remove", &dir, &e))?,
            Folder::There(_) => {
                for op in step.ops.iter().filter(|o| o.action == OpAction::Remove && !o.open) {
                    files::clear(&dir.join(&op.part))?;
                    remove_private(&dir.join(&op.part))?;
                    kept.files.remove(&op.part);
                }
                for name in unfinished(&dir) {
                    remove_private(&dir.join(name))?;
                }
                if kept.owns_folder(prior) {
                    remove_if_empty(&dir);
                }
            }
        }
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
        let names: BTreeSet<String> = Kept::of(private).files.into_iter().chain(generated(prior)).collect();
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
        // An entry that is null is none.
        if let Some((data, items)) = attrs.get("data").and_then(|d| Some((d, d.as_map()?))).filter(|(_, i)| i.values().any(Value::is_null))
        {
            let items = items.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect();
            let data = Value::map(Type::String, items).mark(data.marks());
            attrs.insert("data".into(), data);
        }
        let mut questions = Vec::new();
        let dir: Option<String> = match folder(&input) {
            Ok(dir) => dir,
            Err(question) => {
                questions.push(question);
                None
            }
        };
        if let Some(dir) = &dir {
            attrs.insert("dir".into(), Value::string(dir));
        }
        // The names are no secret, the contents are: `files` can be told where names and folder are known.
        let is_known =
            |name: &String| data_names(&input.proposed).is_some_and(|d| !d.contains(name)) || content_of(&input.proposed, name).is_some();
        let files = match (file_names(&input.proposed), &dir) {
            (Some(names), Some(dir)) => {
                let path = |name: &String| match is_known(name) {
                    true => Value::string(Path::new(dir).join(name).to_string_lossy()),
                    false => Value::unknown(Type::String),
                };
                Value::map(Type::String, names.iter().map(|n| (Arc::from(n.as_str()), path(n))).collect())
            }
            _ => Value::unknown(Type::map(Type::String)),
        };
        attrs.insert("files".into(), files);
        attrs.insert("altered".into(), Value::null(Type::map(Type::String)));
        let altered = altered(input.notes);
        let there = input.prior.and_then(|p| p.get_str("dir")).map(PathBuf::from).unwrap_or_default();
        let full = altered.iter().filter(|(_, wrong)| **wrong == Wrong::FullFolder).map(|(name, _)| files::not_empty(&there.join(name)));
        diagnostics.extend(full);
        // A run that was killed may have written contents that the recorded version does not stand for.
        let in_doubt = input.notes.get("in_doubt").is_some();
        let version = planned_version(input.prior, &attrs, in_doubt || altered.values().any(|w| w.is_content()));
        attrs.insert("version".into(), version);
        // The folder tells the path.
        if input.proposed.get("path").is_some_and(|p| p.contains_sensitive()) {
            for name in ["dir", "files"] {
                if let Some(v) = attrs.get_mut(name) {
                    *v = v.clone().sensitive();
                }
            }
        }
        let planned = Value::object_of(attrs, input.proposed.origin().cloned());
        let ops = file_ops(input.prior, input.private, input.notes, &planned);
        // Another spelling of the same folder changes nothing.
        let moves = input.prior.is_some_and(|prior| folder_text(prior) != folder_text(&input.proposed) && prior.get_str("dir") != dir);
        let replace = moves.then(|| ("path".to_string(), "it is fixed when the object is made".to_string())).into_iter().collect();
        PlanOutput { ops, diagnostics, questions, replace, ..PlanOutput::new(planned) }
    }

    async fn answer(&self, cx: &Session, questions: Vec<Question>) -> Vec<Result<Option<serde_json::Value>, Diagnostic>> {
        let dir = |q: &Question| dir_of(cx, &q.addr, &q.planned, false).to_string_lossy().into_owned().into();
        questions.iter().map(|q| Ok(Some(dir(q)))).collect()
    }

    async fn read(&self, cx: &Session, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        requests.iter().map(|r| Self::observe(cx, r)).collect()
    }

    async fn probe(&self, cx: &Session, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
        requests.iter().map(|step| Self::probe_one(cx, step).unwrap_or_else(Some).into_iter().collect()).collect()
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
        let is_file = |e: &std::fs::DirEntry| e.file_type().is_ok_and(|t| t.is_file());
        let names = entries.filter_map(Result::ok).filter(is_file).filter_map(|e| e.file_name().into_string().ok());
        let kept = Kept { files: names.collect(), ..Kept::default() };
        let null = |a: &Attribute| match &a.ty {
            crate::schema::AttrType::Value(t) => (a.name, Value::null(t.clone())),
            crate::schema::AttrType::Ref(_) => (a.name, Value::null_dynamic()),
        };
        let mut attrs = Fields::named(SCHEMA.body.attributes.iter().map(null));
        attrs.insert("name".into(), id.into());
        let addr = crate::addr::ResourceAddr::root(crate::addr::Mode::Managed, "secret", id).instance(None);
        let request = ReadRequest::new(addr, Value::object(attrs), kept.private());
        match Self::observe(cx, &request)? {
            Observed::Present(value, private, _) => Ok((value, private)),
            Observed::Absent => Err(Diagnostic::error(codes::INVALID_ARGUMENT, format!("There is no secret \"{id}\"."))),
        }
    }
}

#[cfg(test)]
mod tests;
