//! The observer that answers with what a saved plan holds, in place of the real systems.
//!
//! The file has only digests of sensitive values. A data source reports its own arguments back (a cluster's `admin.password` is its `sasl.password`), and
//! the apply needs their contents: where a digest is that of a value in the evaluated arguments, or of a sensitive variable that was given again,
//! that value is put back. What a managed object reports is compared with its configuration by digest, as the state's records are.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::value::RawValue;

use super::codec::{self, placeholder};
use super::{body_type, stale};
use crate::addr::{InstanceAddr, Mode};
use crate::diag::{Diagnostic, Diagnostics};
use crate::plan::objects::hydrate;
use crate::plan::walk::Observer;
use crate::resource::{Answer, Observed, Private, Question, ReadRequest, StepRequest, registry};
use crate::value::{Fields, Marks, Repr, Type, Value};

/// The keyed digest of a value's content, as an observer can hold it.
pub type SharedDigest<'a> = &'a (dyn Fn(&Value) -> [u8; 32] + Sync);

/// Answers with what was recorded.
pub struct Recorded<'a> {
    /// Answers to what types asked about planned objects.
    answers: BTreeMap<InstanceAddr, Vec<Answer>>,
    /// Observations as the file has them, by address. Each is read when it is asked for.
    entries: HashMap<InstanceAddr, &'a RawValue>,
    /// The root variables, sensitive ones given again.
    variables: &'a BTreeMap<Arc<str>, Value>,
    types: &'a [registry::Entry],
    digest: SharedDigest<'a>,
    root: PathBuf,
}

impl<'a> Recorded<'a> {
    /// From the file's observations. `root` is the folder that relative paths in the configuration are relative to.
    pub fn new(
        entries: HashMap<InstanceAddr, &'a RawValue>,
        answers: BTreeMap<InstanceAddr, Vec<Answer>>,
        variables: &'a BTreeMap<Arc<str>, Value>,
        types: &'a [registry::Entry],
        digest: SharedDigest<'a>,
        root: &Path,
    ) -> Self {
        Recorded { entries, answers, variables, types, digest, root: root.to_path_buf() }
    }

    /// What was observed of one object. `given` is what the walk has of it: a data source's arguments, a record, an import's configuration.
    fn observed(&self, addr: &InstanceAddr, given: Option<&Value>) -> Result<Observed, Diagnostic> {
        let missing = || stale(format!("The saved plan does not hold what was observed of {addr}."));
        let entry = self.entries.get(addr).ok_or_else(missing)?;
        let entry = serde_json::from_str(entry.get()).map_err(|_| missing())?;
        let ty = |a: &InstanceAddr| body_type(self.types, a);
        let mut known = Secrets::new(self.digest, &self.root);
        let data = addr.resource.mode == Mode::Data;
        let mut put_back = |d: [u8; 32], ty: &Type| known.find(d, ty, given.filter(|_| data), self.variables);
        let (_, seen) = codec::decode_observed(&entry, &ty, &mut put_back).ok_or_else(missing)?;
        let Observed::Present(value, private, notes) = seen else { return Ok(seen) };
        if data && let Some(path) = without_content(&value) {
            let detail = format!("The saved plan holds {addr}.{path} only as a digest, and no argument or variable has this value.");
            return Err(stale(detail).hint("Apply without a saved plan: streamform apply."));
        }
        let Some(resource) = registry::find_in(self.types, addr.resource.mode, &addr.resource.type_name) else {
            return Ok(Observed::Present(value, private, notes));
        };
        // A reference is written as an address; the object behind it is the one that the walk asked with.
        let mut behind = HashMap::new();
        if let Some(given) = given {
            objects(given, &mut behind);
        }
        Ok(Observed::Present(hydrate(&value, resource, &|a| behind.get(a).cloned()), private, notes))
    }
}

/// Every resource instance's object inside a value.
fn objects(v: &Value, out: &mut HashMap<InstanceAddr, Value>) {
    if let Some(origin) = v.origin() {
        out.insert((**origin).clone(), v.clone());
    }
    let children = v.as_map().into_iter().flat_map(Fields::values).chain(v.as_slice().into_iter().flatten());
    children.for_each(|child| objects(child, out));
}

/// Where a value has only the digest of something.
fn without_content(v: &Value) -> Option<String> {
    if v.is_wholly_known() {
        return None;
    }
    for (name, child) in v.as_map().into_iter().flatten() {
        if matches!(child.repr(), Repr::Unknown(u) if u.refinement.digest.is_some()) {
            return Some(name.to_string());
        }
        if let Some(rest) = without_content(child) {
            return Some(format!("{name}.{rest}"));
        }
    }
    None
}

/// Refuses what a data source gave that could not be put back when the plan is applied: a secret that it derives from its arguments in a way that
/// [`learn`] does not know, or has from elsewhere. `entry` is the observation as the file has it.
pub(super) fn check_replay(
    addr: &InstanceAddr,
    entry: &serde_json::Value,
    arguments: Option<&Value>,
    made: &super::Made<'_>,
    digest: SharedDigest<'_>,
    root: &Path,
) -> Result<(), Diagnostic> {
    let mut known = Secrets::new(digest, root);
    let mut put_back = |d: [u8; 32], ty: &Type| known.find(d, ty, arguments, made.variables);
    let seen = codec::decode_observed(entry, &|a: &InstanceAddr| body_type(made.types, a), &mut put_back);
    let Some((_, Observed::Present(value, ..))) = seen else { return Ok(()) };
    let Some(path) = without_content(&value) else { return Ok(()) };
    let detail = format!(
        "{addr}.{path} is a secret that no argument and no variable holds. A saved plan keeps no secrets, so it could not be applied."
    );
    let hint = "Apply without a saved plan: streamform apply. Or give the secret by a sensitive variable.";
    Err(Diagnostic::error(crate::diag::codes::plan::NOT_SAVED, detail).on(addr).hint(hint))
}

/// The sensitive values of a run by digest, collected when the first one is asked for.
struct Secrets<'a> {
    digest: SharedDigest<'a>,
    root: &'a Path,
    by_digest: Option<HashMap<[u8; 32], Vec<Value>>>,
}

impl<'a> Secrets<'a> {
    fn new(digest: SharedDigest<'a>, root: &'a Path) -> Self {
        Secrets { digest, root, by_digest: None }
    }

    fn find(&mut self, digest: [u8; 32], ty: &Type, arguments: Option<&Value>, variables: &BTreeMap<Arc<str>, Value>) -> Value {
        let (make, root) = (self.digest, self.root);
        let known = self.by_digest.get_or_insert_with(|| {
            let mut out = HashMap::new();
            variables.values().filter(|v| v.contains_sensitive()).for_each(|v| learn(v, make, root, &mut out));
            arguments.into_iter().for_each(|v| learn(v, make, root, &mut out));
            out
        });
        let found = known.get(&digest).and_then(|all| all.iter().find(|v| v.ty() == *ty).or(all.first()));
        found.map_or_else(|| placeholder(digest, ty), |v| v.clone().unmark(Marks::EPHEMERAL).sensitive())
    }
}

/// Takes down a value, everything inside it, and what data sources make of their arguments: several addresses as one text, and absolute paths.
fn learn(v: &Value, digest: SharedDigest<'_>, root: &Path, out: &mut HashMap<[u8; 32], Vec<Value>>) {
    if !v.is_known() || v.is_null() {
        return;
    }
    let mut take = |v: Value| out.entry(digest(&v)).or_default().push(v);
    take(v.clone());
    if let Some(text) = v.as_str() {
        take(Value::string(root.join(text).to_string_lossy()));
    }
    if let Some(items) = v.as_slice()
        && let Some(texts) = items.iter().map(Value::as_str).collect::<Option<Vec<_>>>()
    {
        take(Value::string(texts.join(",")));
    }
    let children = v.as_map().into_iter().flat_map(Fields::values).chain(v.as_slice().into_iter().flatten());
    children.for_each(|child| learn(child, digest, root, out));
}

#[async_trait]
impl Observer for Recorded<'_> {
    async fn read(&self, _: Mode, _: &str, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        requests.iter().map(|r| self.observed(&r.addr, Some(&r.prior))).collect()
    }

    async fn import(&self, addr: &InstanceAddr, _: &str, config: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        match self.observed(addr, config)? {
            Observed::Present(v, p, _) => Ok((v, p)),
            Observed::Absent => Err(stale(format!("The saved plan does not hold what was imported as {addr}."))),
        }
    }

    async fn answer(&self, _: &str, questions: Vec<Question>) -> Vec<Result<Option<serde_json::Value>, Diagnostic>> {
        let of = |q: &Question| match self.answers.get(&q.addr).and_then(|all| all.iter().find(|a| a.about == q.about)) {
            Some(answer) => Ok(answer.value.clone()),
            None => Err(stale(format!("The saved plan does not hold the answer to a question about {}.", q.addr))),
        };
        questions.iter().map(of).collect()
    }

    fn is_recorded(&self) -> bool {
        true
    }

    fn in_parts(&self, addr: &InstanceAddr, object: &Value) -> Option<Value> {
        let mut attrs = object.as_map()?.clone();
        let entry: serde_json::Value = serde_json::from_str(self.entries.get(addr)?.get()).ok()?;
        let mut found = false;
        for (name, parts) in entry.get("parts")?.as_object()? {
            let whole = attrs.get(name.as_str()).filter(|v| matches!(v.repr(), Repr::Unknown(u) if u.refinement.digest.is_some()));
            if let Some(parts) = whole.and_then(|v| codec::decode(parts, &v.ty(), &mut placeholder)) {
                attrs.insert(name.as_str().into(), parts.sensitive());
                found = true;
            }
        }
        found.then(|| Value::object_of(attrs, object.origin().cloned()).mark(object.marks()))
    }

    async fn probe(&self, _: &str, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
        requests.iter().map(|_| Diagnostics::new()).collect()
    }
}
