//! Saved plans: a file that holds the inputs of a plan and the plan itself, never a secret.
//!
//! A plan is a pure function of configuration, variables, state and what was observed. The file holds digests of the configuration's files and of what
//! its evaluation read, the variables that are not sensitive, the state's lineage and serial, what was observed, and the plan as data (sensitive parts
//! as keyed digests). Applying it makes the plan again from these inputs and refuses, naming what differs, when the result is another one.

mod codec;
mod differ;
mod reads;
mod replay;

pub use reads::{Read, Recording};
pub use replay::Recorded;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::ser::{Serialize, Serializer};
use serde::{Deserialize, Serialize as SerializeDerive};
use serde_json::Value as Json;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use self::codec::Encoder;
use super::walk::Outcome;
use super::{Options, OutputChange, Plan, RunMode};
use crate::addr::{InstanceAddr, Mode};
use crate::diag::codes::cli as cli_codes;
use crate::diag::codes::config::NO_VALUE;
use crate::diag::codes::plan as codes;
use crate::diag::{Diagnostic, Diagnostics, Sources, Span, io_words};
use crate::lang::config::Config;
use crate::lang::host::Host;
use crate::resource::{Answer, Observed, registry};
use crate::schema::Schema;
use crate::state::{Generation, Snapshot};
use crate::value::{Marks, Type, Value};
use crate::words::plural;

/// Raised whenever the form of the file changes.
const FORMAT: u64 = 2;

/// A saved plan.
pub struct SavedPlan(Stored, String);

/// The file.
#[derive(Deserialize)]
struct Stored {
    inputs: Inputs,
    observed: Vec<Box<RawValue>>,
    /// What types asked about planned objects, with the answers.
    answers: BTreeMap<String, Vec<Answer>>,
    plan: StoredPlan,
}

#[derive(Deserialize)]
struct StoredPlan {
    changes: Vec<Box<RawValue>>,
    outputs: BTreeMap<String, Json>,
    drift: Vec<Json>,
    skipped: Vec<String>,
}

/// What a plan was made from, but for what was observed.
#[derive(SerializeDerive, Deserialize)]
struct Inputs {
    version: String,
    time: (i64, u32),
    lineage: String,
    serial: u64,
    /// A digest of nothing secret: equal only with the key that the other digests were made with.
    key: String,
    mode: String,
    refresh: bool,
    targets: Vec<String>,
    excludes: Vec<String>,
    replace: Vec<String>,
    /// The configuration's files by name, with digests.
    files: BTreeMap<String, String>,
    /// What the evaluation read beside them.
    reads: Vec<Read>,
    variables: BTreeMap<String, StoredVariable>,
}

/// A root variable.
#[derive(SerializeDerive, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredVariable {
    /// Its value.
    Value(Json),
    /// The keyed digest of a sensitive value.
    Digest(String),
    /// Ephemeral: it is given again, and may differ.
    Ephemeral,
}

/// What the parts of a file are written from, one after the other, so that the whole never lies in memory.
#[derive(SerializeDerive)]
struct Written<O, P> {
    streamform_plan: u64,
    inputs: Inputs,
    observed: O,
    answers: BTreeMap<String, Vec<Answer>>,
    plan: P,
}

#[derive(SerializeDerive)]
struct WrittenPlan<C> {
    changes: C,
    outputs: BTreeMap<String, Json>,
    drift: Vec<Json>,
    skipped: Vec<String>,
}

/// A list of which each element is made when it is written.
struct Each<F>(F);

impl<F: Fn() -> I, I: Iterator<Item = Json>> Serialize for Each<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

fn not_a_plan(path: &Path, why: &str) -> Diagnostic {
    Diagnostic::error(codes::NOT_A_PLAN, format!("{} is not a plan of streamform: {why}.", path.display()))
        .hint("A plan is written by streamform plan -out=FILE.")
}

fn stale(why: impl Into<String>) -> Diagnostic {
    Diagnostic::error(codes::STALE, why.into()).hint("Make a new plan: streamform plan -out=FILE.")
}

fn sha(bytes: &[u8]) -> String {
    codec::hex(&Sha256::digest(bytes))
}

/// The type of the objects at an address; dynamic where nothing is known of their type.
fn body_type(types: &[registry::Entry], addr: &InstanceAddr) -> Type {
    let resource = registry::find_in(types, addr.resource.mode, &addr.resource.type_name);
    resource.map_or(Type::Dynamic, |r| r.schema().body.ty())
}

/// Schemas with the types of their objects, each made once.
struct Typed<'t> {
    types: &'t [registry::Entry],
    made: HashMap<(Mode, Arc<str>), Option<TypedSchema>>,
}

type TypedSchema = (&'static Schema, Type);

impl<'t> Typed<'t> {
    fn new(types: &'t [registry::Entry]) -> Self {
        Typed { types, made: HashMap::new() }
    }

    fn schema(&mut self, addr: &InstanceAddr) -> Option<(&Schema, &Type)> {
        let r = &addr.resource;
        let found = || registry::find_in(self.types, r.mode, &r.type_name).map(|t| (t.schema(), t.schema().body.ty()));
        let entry = self.made.entry((r.mode, r.type_name.clone())).or_insert_with(found);
        entry.as_ref().map(|(schema, ty)| (*schema, ty))
    }

    fn ty(&mut self, addr: &InstanceAddr) -> Type {
        self.schema(addr).map_or(Type::Dynamic, |(_, ty)| ty.clone())
    }
}

/// What a plan is made from, beside the state's store.
pub struct Made<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The names of the variable files among its sources: their values are held, not their texts.
    pub variable_files: &'a [PathBuf],
    /// The root variables.
    pub variables: &'a BTreeMap<Arc<str>, Value>,
    /// The resource types.
    pub types: &'a [registry::Entry],
    /// The choices of the run.
    pub options: &'a Options,
    /// The state.
    pub snapshot: &'a Snapshot,
    /// The plan with what was observed.
    pub outcome: &'a Outcome<'a>,
    /// What the evaluation read.
    pub reads: Vec<Read>,
    /// Seconds and nanoseconds since 1970.
    pub time: (i64, u32),
}

impl Made<'_> {
    fn inputs(&self, digest: codec::Digest<'_>) -> Inputs {
        let encoder = Encoder::exact(digest);
        let variable = |(name, v): (&Arc<str>, &Value)| {
            let declared = self.config.root.variables.get(name);
            let stored = if declared.is_some_and(|d| d.ephemeral) || v.deep_marks().is_ephemeral() {
                StoredVariable::Ephemeral
            } else if declared.is_some_and(|d| d.sensitive) || v.contains_sensitive() {
                StoredVariable::Digest(codec::hex(&digest(v)))
            } else {
                StoredVariable::Value(encoder.value(v, &Type::Dynamic))
            };
            (name.to_string(), stored)
        };
        let o = self.options;
        let texts = |ts: &[crate::addr::Target]| ts.iter().map(ToString::to_string).collect::<Vec<_>>();
        Inputs {
            version: env!("CARGO_PKG_VERSION").into(),
            time: self.time,
            lineage: self.snapshot.lineage.to_string(),
            serial: self.snapshot.serial,
            key: key_of(digest),
            mode: match o.mode {
                RunMode::Normal => "normal",
                RunMode::Destroy => "destroy",
                RunMode::RefreshOnly => "refresh-only",
            }
            .into(),
            refresh: o.refresh,
            targets: texts(&o.targets),
            excludes: texts(&o.excludes),
            replace: o.replace.iter().map(ToString::to_string).collect(),
            files: config_files(&self.config.sources, self.variable_files),
            reads: self.reads.clone(),
            variables: self.variables.iter().map(variable).collect(),
        }
    }

    /// Refuses a plan that could not be applied from its file. `root` is the absolute folder of the configuration.
    ///
    /// # Errors
    /// Values of data sources that nothing can supply again.
    pub fn check(&self, digest: replay::SharedDigest<'_>, root: &Path) -> Result<(), Diagnostics> {
        let (exact, mut typed) = (Encoder::exact(digest), Typed::new(self.types));
        let mut diags = Diagnostics::new();
        for (addr, seen) in self.outcome.observed.iter().filter(|(a, _)| a.resource.mode == Mode::Data) {
            let Observed::Present(value, ..) = seen else { continue };
            if value.deep_marks().is_sensitive() {
                let entry = exact.observed(addr, seen, typed.schema(addr));
                let found = replay::check_replay(addr, &entry, self.outcome.arguments.get(addr), self, digest, root);
                diags.extend(found.err().map(|d| d.at(self.span(addr))));
            }
        }
        if diags.has_errors() { Err(diags) } else { Ok(()) }
    }

    /// The span of a block.
    fn span(&self, addr: &InstanceAddr) -> Option<Span> {
        let r = &addr.resource;
        let module = self.outcome.world.module(&r.module)?.module;
        module.resources.get(&(r.mode, r.type_name.clone(), r.name.clone())).map(|b| b.span)
    }

    /// Writes the file, for this user only. It appears when it is whole: another file of this name stays until then.
    ///
    /// # Errors
    /// A path that cannot be written.
    pub fn write(&self, digest: codec::Digest<'_>, path: &Path) -> Result<(), Diagnostic> {
        let io = |e: std::io::Error| {
            Diagnostic::error(cli_codes::FILE, format!("The plan cannot be written to {}: {}.", path.display(), io_words(&e)))
        };
        let (exact, comparable) = (Encoder::exact(digest), Encoder::comparable(digest));
        let plan = &self.outcome.plan;
        let written = Written {
            streamform_plan: FORMAT,
            inputs: self.inputs(digest),
            observed: Each(|| {
                let mut typed = Typed::new(self.types);
                let exact = &exact;
                self.outcome.observed.iter().map(move |(a, o)| exact.observed(a, o, typed.schema(a)))
            }),
            answers: plan.answers.iter().map(|(a, answers)| (a.to_string(), answers.clone())).collect(),
            plan: WrittenPlan {
                changes: Each(|| {
                    let mut typed = Typed::new(self.types);
                    let comparable = &comparable;
                    plan.changes.iter().map(move |c| comparable.change(c, typed.schema(&c.addr)))
                }),
                outputs: plan.outputs.iter().map(|(n, o)| (n.to_string(), comparable.output(o))).collect(),
                drift: {
                    let mut typed = Typed::new(self.types);
                    plan.drift.iter().map(|d| comparable.drift(d, typed.schema(&d.addr))).collect()
                },
                skipped: plan.skipped.clone(),
            },
        };
        // A link stays one, and what is no file (a pipe, /dev/null) is written to and not replaced.
        let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        if std::fs::metadata(path).is_ok_and(|m| !m.is_file()) {
            let file = std::fs::OpenOptions::new().write(true).open(path).map_err(io)?;
            let mut buffer = std::io::BufWriter::new(file);
            return serde_json::to_writer(&mut buffer, &written).map_err(|e| io(e.into())).and_then(|()| buffer.flush().map_err(io));
        }
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Made with mode 0600, and removed again when anything fails before the rename.
        let mut file = tempfile::Builder::new().prefix(".streamform-plan-").tempfile_in(folder).map_err(io)?;
        let mut buffer = std::io::BufWriter::with_capacity(1 << 16, file.as_file_mut());
        serde_json::to_writer(&mut buffer, &written).map_err(|e| io(e.into()))?;
        buffer.flush().map_err(io)?;
        drop(buffer);
        file.as_file().sync_all().map_err(io)?;
        file.persist(path).map_err(|e| io(e.error))?;
        Ok(())
    }
}

/// The digests of the configuration's files. Texts of the command line are no files, and variables are compared by themselves.
fn config_files(sources: &Sources, variable_files: &[PathBuf]) -> BTreeMap<String, String> {
    let own = |name: &str| {
        let variables = name.ends_with(".tfvars") || name.ends_with(".tfvars.json") || variable_files.iter().any(|f| f == Path::new(name));
        !variables && !name.starts_with('<') && !name.starts_with("the ")
    };
    sources.iter().filter(|(_, s)| own(&s.name)).map(|(_, s)| (s.name.clone(), sha(s.text.as_bytes()))).collect()
}

fn key_of(digest: codec::Digest<'_>) -> String {
    codec::hex(&digest(&Value::string("the key of a saved plan")))
}

/// `a`, `a and b`, `a, b and c`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

impl SavedPlan {
    /// Whether a file begins as a saved plan does, be it whole or damaged.
    pub fn begins_in(path: &Path) -> bool {
        use std::io::Read;
        let mut head = Vec::new();
        let read = std::fs::File::open(path).and_then(|f| f.take(64).read_to_end(&mut head));
        // A tool may have laid it out in another way.
        let head: Vec<u8> = head.into_iter().filter(|b| !b.is_ascii_whitespace()).collect();
        read.is_ok() && head.starts_with(b"{\"streamform_plan\"")
    }

    /// Reads a file.
    ///
    /// # Errors
    /// A file that cannot be read, is none of ours, or has another format.
    pub fn read(path: &Path) -> Result<SavedPlan, Diagnostic> {
        #[derive(Deserialize)]
        struct Format {
            streamform_plan: Option<u64>,
        }
        let text = crate::disk::read(path).map_err(|e| not_a_plan(path, &io_words(&e)))?;
        let format: Format = serde_json::from_slice(&text).map_err(|_| not_a_plan(path, "it is not JSON"))?;
        match format.streamform_plan {
            Some(FORMAT) => {
                let stored = serde_json::from_slice(&text).map_err(|_| not_a_plan(path, "it is damaged"))?;
                Ok(SavedPlan(stored, sha(&text)))
            }
            Some(n) => Err(not_a_plan(path, &format!("it has format {n}, and this version reads format {FORMAT}"))),
            None => Err(not_a_plan(path, "it has no format number")),
        }
    }

    /// The plan, with digests in place of secrets and without private parts: for people and programs that look at it.
    ///
    /// # Errors
    /// A file that is damaged.
    pub fn plan(&self, path: &Path, types: &[registry::Entry]) -> Result<Plan, Diagnostic> {
        let damaged = || not_a_plan(path, "it is damaged");
        let stored = &self.0.plan;
        let ty = |a: &InstanceAddr| body_type(types, a);
        let change = |raw: &RawValue| codec::decode_change(&serde_json::from_str(raw.get()).ok()?, &ty);
        let output = |(n, j): (&String, &Json)| Some((Arc::from(n.as_str()), codec::decode_output(j)?));
        Ok(Plan {
            changes: stored.changes.iter().map(|raw| change(raw)).collect::<Option<_>>().ok_or_else(damaged)?,
            outputs: stored.outputs.iter().map(output).collect::<Option<BTreeMap<Arc<str>, OutputChange>>>().ok_or_else(damaged)?,
            drift: stored.drift.iter().map(|j| codec::decode_drift(j, &ty)).collect::<Option<_>>().ok_or_else(damaged)?,
            skipped: stored.skipped.clone(),
            mode: self.mode(),
            answers: self.answers(),
        })
    }

    /// The answers by instance.
    fn answers(&self) -> BTreeMap<InstanceAddr, Vec<Answer>> {
        self.0.answers.iter().filter_map(|(a, answers)| Some((a.parse().ok()?, answers.clone()))).collect()
    }

    fn mode(&self) -> RunMode {
        match self.0.inputs.mode.as_str() {
            "destroy" => RunMode::Destroy,
            "refresh-only" => RunMode::RefreshOnly,
            _ => RunMode::Normal,
        }
    }

    /// The choices of the run.
    ///
    /// # Errors
    /// An address that this version does not read.
    pub fn options(&self) -> Result<Options, Diagnostic> {
        let i = &self.0.inputs;
        let bad = |_| stale("An address in the saved plan is not valid.");
        Ok(Options {
            mode: self.mode(),
            refresh: i.refresh,
            targets: i.targets.iter().map(|t| t.parse().map_err(bad)).collect::<Result<_, _>>()?,
            excludes: i.excludes.iter().map(|t| t.parse().map_err(bad)).collect::<Result<_, _>>()?,
            replace: i.replace.iter().map(|t| t.parse().map_err(bad)).collect::<Result<_, _>>()?,
        })
    }

    /// Refuses when a file of the configuration, or one that its evaluation read, is another one than when the plan was made. Names them all.
    ///
    /// # Errors
    /// The files that differ.
    pub fn check_files(&self, sources: &Sources, variable_files: &[PathBuf], host: &dyn Host) -> Result<(), Diagnostic> {
        let (then, now) = (&self.0.inputs.files, config_files(sources, variable_files));
        let names: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
        let own = names.into_iter().filter_map(|n| match (then.get(n), now.get(n)) {
            (Some(a), Some(b)) if a == b => None,
            (Some(_), Some(_)) => Some(format!("{n} has changed")),
            (Some(_), None) => Some(format!("{n} was removed")),
            (None, _) => Some(format!("{n} was added")),
        });
        let differing: Vec<String> = own.chain(self.0.inputs.reads.iter().filter_map(|r| r.differs(host))).collect();
        if differing.is_empty() {
            return Ok(());
        }
        Err(stale(format!("The saved plan no longer matches: {} since it was made.", listed(&differing))))
    }

    /// Values for variables to which nothing else gives one: those that the file holds, and for others unknown ones where `open`, so that what is missing
    /// is found by [`SavedPlan::variables`], all at once.
    pub fn held(&self, open: bool) -> BTreeMap<Arc<str>, Value> {
        let value = |(name, stored): (&String, &StoredVariable)| {
            let value = match stored {
                StoredVariable::Value(json) => codec::decode(json, &Type::Dynamic, &mut codec::placeholder),
                StoredVariable::Digest(_) | StoredVariable::Ephemeral => open.then(|| Value::unknown(Type::Dynamic)),
            };
            Some((Arc::from(name.as_str()), value?))
        };
        self.0.inputs.variables.iter().filter_map(value).collect()
    }

    /// The variables as they were. Sensitive and ephemeral ones are taken from `given`; sensitive ones must be the same. `named` are those that the
    /// command line sets: another value than the one that the file holds would have no effect there, so it is refused.
    ///
    /// # Errors
    /// All that are missing, and all that differ.
    pub fn variables(
        &self,
        given: &BTreeMap<Arc<str>, Value>,
        named: &BTreeSet<Arc<str>>,
        digest: codec::Digest<'_>,
    ) -> Result<BTreeMap<Arc<str>, Value>, Diagnostics> {
        let mut out = BTreeMap::new();
        let (mut missing, mut other, mut fixed) = (vec![], vec![], vec![]);
        let mut diags = Diagnostics::new();
        for (name, stored) in &self.0.inputs.variables {
            let key: Arc<str> = Arc::from(name.as_str());
            let now = given.get(&key).filter(|v| v.is_wholly_known());
            match (stored, now) {
                (StoredVariable::Value(json), now) => {
                    let Some(was) = codec::decode(json, &Type::Dynamic, &mut codec::placeholder) else {
                        diags.push(stale(format!("The value of the variable {name:?} in the saved plan cannot be read.")));
                        continue;
                    };
                    if named.contains(&key) && now.is_some_and(|v| *v != was) {
                        fixed.push(format!("{name:?}"));
                    }
                    out.insert(key, was);
                }
                (StoredVariable::Digest(was), Some(v)) if codec::hex(&digest(&v.clone().unmark(Marks::SENSITIVE))) == *was => {
                    out.insert(key, v.clone());
                }
                (StoredVariable::Digest(_), Some(_)) => other.push(name),
                (StoredVariable::Ephemeral, Some(v)) => drop(out.insert(key, v.clone())),
                (StoredVariable::Digest(_) | StoredVariable::Ephemeral, None) => missing.push(name),
            }
        }
        let quoted = |names: &[&String]| listed(&names.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>());
        let again = |names: &[&String]| {
            let flags: Vec<String> = names.iter().map(|n| format!("-var '{n}=…'")).collect();
            format!(
                "Give {} again: {}, or SF_VAR_{} in the environment.",
                if names.len() == 1 { "it" } else { "them" },
                flags.join(" "),
                names[0]
            )
        };
        let has = |n: usize| if n == 1 { "has another value" } else { "have other values" };
        if !missing.is_empty() {
            let detail = format!(
                "A saved plan holds no secrets, and nothing gives the {} {} here.",
                plural(&missing.len(), "variable"),
                quoted(&missing)
            );
            diags.push(Diagnostic::error(NO_VALUE, detail).hint(again(&missing)));
        }
        if !other.is_empty() {
            let detail = format!(
                "The sensitive {} {} {} than when the plan was made.",
                plural(&other.len(), "variable"),
                quoted(&other),
                has(other.len())
            );
            diags.push(Diagnostic::error(codes::STALE, detail).hint(again(&other)));
        }
        if !fixed.is_empty() {
            let detail =
                format!("The {} {} {} than when the plan was made.", plural(&fixed.len(), "variable"), listed(&fixed), has(fixed.len()));
            diags.push(stale(detail));
        }
        if diags.has_errors() { Err(diags) } else { Ok(out) }
    }

    /// When the plan was made.
    pub fn plan_time(&self) -> (i64, u32) {
        self.0.inputs.time
    }

    /// Refuses when the state has moved on.
    ///
    /// # Errors
    /// Another state, or a later one.
    pub fn check_state(&self, snapshot: &Snapshot) -> Result<(), Diagnostic> {
        let i = &self.0.inputs;
        let fresh = i.lineage.is_empty() && snapshot.serial == 0;
        if !fresh && i.lineage.is_empty() {
            return Err(stale("The saved plan was made when there was no state here, and now there is one."));
        }
        if !fresh && i.lineage != *snapshot.lineage {
            let detail =
                format!("The saved plan was made for another state: its lineage is {}, and here it is {}.", i.lineage, snapshot.lineage);
            return Err(stale(detail));
        }
        if i.serial != snapshot.serial {
            let detail =
                format!("The state has changed since the plan was made: its serial was {}, and is {} now.", i.serial, snapshot.serial);
            return Err(stale(detail));
        }
        Ok(())
    }

    /// The identity of this plan: the SHA-256 of its file.
    pub fn id(&self) -> &str {
        &self.1
    }

    /// Says more of a state that does not fit, by its history: that this plan was applied to it, or what changed it last.
    pub fn explain_state(&self, mut d: Diagnostic, history: &[Generation]) -> Diagnostic {
        if let Some(g) = history.iter().rev().find(|g| g.plan.as_deref() == Some(self.id())) {
            let detail = format!("This saved plan was applied already, by generation {} of the state on {}.", g.number, g.started);
            let hint =
                "Make a new plan to see what is left to do: streamform plan -out=FILE. streamform state history lists what was done.";
            return Diagnostic::error(codes::STALE, detail).hint(hint);
        }
        // Of another state, what changed it last says nothing.
        if let Some(g) = history.last().filter(|g| g.started.as_str() > self.made().as_str()) {
            d.detail.push_str(&format!(" Generation {} ({}) changed it on {}.", g.number, g.operation, g.started));
        }
        d
    }

    /// When the plan was made, as the history writes it.
    fn made(&self) -> String {
        let (seconds, _) = self.plan_time();
        jiff::Timestamp::from_second(seconds).map(|t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
    }

    /// Refuses when the digests were made with another key: then every secret seems to differ. To be asked where something does.
    ///
    /// # Errors
    /// Another key.
    pub fn check_key(&self, digest: codec::Digest<'_>) -> Result<(), Diagnostic> {
        if self.0.inputs.key == key_of(digest) {
            return Ok(());
        }
        let detail = "The saved plan was made with another state folder, so its digests of secrets cannot be compared here.";
        Err(stale(detail).hint("Apply it where it was planned, or with the same state folder (and the key in it)."))
    }

    /// Refuses when planning again gave another plan, and says what differs.
    ///
    /// # Errors
    /// The objects, attributes and outputs that differ.
    pub fn check_plan(&self, plan: &Plan, types: &[registry::Entry], digest: codec::Digest<'_>) -> Result<(), Diagnostic> {
        let found = differ::differences(self, plan, digest, &mut Typed::new(types));
        let more = found.len().saturating_sub(5);
        match (found.is_empty(), more) {
            (true, _) => Ok(()),
            (_, 0) => Err(stale(format!("The saved plan no longer matches. {}.", found.join("; ")))),
            _ => Err(stale(format!("The saved plan no longer matches. {}; and more.", found[..5].join("; ")))),
        }
    }

    /// What was observed, in place of the real systems. `root` is the absolute folder of the configuration.
    pub fn observer<'a>(
        &'a self,
        variables: &'a BTreeMap<Arc<str>, Value>,
        types: &'a [registry::Entry],
        digest: replay::SharedDigest<'a>,
        root: &Path,
    ) -> Recorded<'a> {
        #[derive(Deserialize)]
        struct Head {
            address: String,
        }
        let address = |raw: &RawValue| serde_json::from_str::<Head>(raw.get()).ok()?.address.parse().ok();
        let entries = self.0.observed.iter().filter_map(|raw| Some((address(raw)?, &**raw))).collect();
        Recorded::new(entries, self.answers(), variables, types, digest, root)
    }
}
