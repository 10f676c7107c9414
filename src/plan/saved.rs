//! Saved plans: a file that holds the inputs of a plan and a digest of the plan, never a secret.
//!
//! A plan is a pure function of configuration, variables, state and what was observed. The file holds digests of the configuration's files, the variables that
//! are not sensitive, the state's lineage and serial and what was observed (sensitive parts as digests); applying it makes the plan again from these and
//! refuses when the result is another one.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::walk::{Observer, Outcome};
use super::{Options, Plan, RunMode};
use crate::addr::{InstanceAddr, Mode};
use crate::diag::codes::cli as cli_codes;
use crate::diag::codes::plan as codes;
use crate::diag::{Diagnostic, Diagnostics, Sources, io_words};
use crate::lang::config::Config;
use crate::lang::config::variables::VarArg;
use crate::resource::{Observed, Private, ReadRequest, StepRequest, registry};
use crate::state::{Ledger, Record, Snapshot, codec};
use crate::value::{Type, Value};

const FORMAT: u64 = 1;

/// A saved plan.
pub struct SavedPlan(Json);

fn not_a_plan(path: &Path, why: &str) -> Diagnostic {
    Diagnostic::error(codes::NOT_A_PLAN, format!("{} is not a plan of streamform: {why}.", path.display()))
        .hint("A plan is written by streamform plan -out=FILE.")
}

fn stale(why: impl Into<String>) -> Diagnostic {
    Diagnostic::error(codes::STALE, why.into()).hint("Make a new plan: streamform plan -out=FILE.")
}

/// What a plan is made from, beside the state's store.
pub struct Made<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The root variables that were given.
    pub variables: &'a BTreeMap<Arc<str>, Value>,
    /// The choices of the run.
    pub options: &'a Options,
    /// The state.
    pub snapshot: &'a Snapshot,
    /// The plan with what was observed.
    pub outcome: &'a Outcome<'a>,
    /// Seconds and nanoseconds since 1970.
    pub time: (i64, u32),
}

impl SavedPlan {
    /// Takes down what a plan was made from.
    pub fn new(made: &Made<'_>, store: &Ledger) -> SavedPlan {
        let digest = |v: &Value| store.digest(v);
        let sensitive = |name: &str| made.config.root.variables.get(name).is_some_and(|v| v.sensitive || v.ephemeral);
        let variables: serde_json::Map<String, Json> = made
            .variables
            .iter()
            .map(|(n, v)| {
                let v = if sensitive(n) { v.clone().sensitive() } else { v.clone() };
                (n.to_string(), codec::encode(&v, &Type::Dynamic, &digest))
            })
            .collect();
        let observed: Vec<Json> = made.outcome.observed.iter().map(|(a, o)| observed_json(a, o, &digest)).collect();
        let o = made.options;
        let texts = |ts: &[crate::addr::Target]| ts.iter().map(ToString::to_string).collect::<Vec<_>>();
        SavedPlan(json!({
            "streamform_plan": FORMAT,
            "version": env!("CARGO_PKG_VERSION"),
            "time": [made.time.0, made.time.1],
            "lineage": made.snapshot.lineage,
            "serial": made.snapshot.serial,
            "mode": match o.mode { RunMode::Normal => "normal", RunMode::Destroy => "destroy", RunMode::RefreshOnly => "refresh-only" },
            "refresh": o.refresh,
            "targets": texts(&o.targets),
            "excludes": texts(&o.excludes),
            "replace": o.replace.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "files": made.config.sources.iter().map(|(_, s)| json!([s.name, sha(s.text.as_bytes())])).collect::<Vec<_>>(),
            "variables": variables,
            "observed": observed,
            "plan": fingerprint(&made.outcome.plan),
            "shown": crate::view::json::plan(&made.outcome.plan),
        }))
    }

    /// Writes the file, for this user only.
    pub fn write(&self, path: &Path) -> Result<(), Diagnostic> {
        let io = |e: std::io::Error| {
            Diagnostic::error(cli_codes::FILE, format!("The plan cannot be written to {}: {}.", path.display(), io_words(&e)))
        };
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(io)?;
        file.write_all(self.0.to_string().as_bytes()).and_then(|()| file.sync_all()).map_err(io)
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<SavedPlan, Diagnostic> {
        let text = std::fs::read(path).map_err(|e| not_a_plan(path, &io_words(&e)))?;
        let json: Json = serde_json::from_slice(&text).map_err(|_| not_a_plan(path, "it is not JSON"))?;
        match json.get("streamform_plan").and_then(Json::as_u64) {
            Some(FORMAT) => Ok(SavedPlan(json)),
            Some(n) => Err(not_a_plan(path, &format!("it has format {n}, this version knows {FORMAT}"))),
            None => Err(not_a_plan(path, "it has no format number")),
        }
    }

    /// The plan as JSON, as `plan -json` showed it.
    pub fn shown(&self) -> &Json {
        &self.0["shown"]
    }

    /// The choices of the run.
    pub fn options(&self) -> Result<Options, Diagnostic> {
        let texts =
            |name: &str| self.0[name].as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_string).collect::<Vec<_>>();
        let bad = |_| stale("An address in the saved plan cannot be read.");
        Ok(Options {
            mode: match self.0["mode"].as_str() {
                Some("destroy") => RunMode::Destroy,
                Some("refresh-only") => RunMode::RefreshOnly,
                _ => RunMode::Normal,
            },
            refresh: self.0["refresh"].as_bool().unwrap_or(true),
            targets: texts("targets").iter().map(|t| t.parse().map_err(bad)).collect::<Result<_, _>>()?,
            excludes: texts("excludes").iter().map(|t| t.parse().map_err(bad)).collect::<Result<_, _>>()?,
            replace: texts("replace").iter().map(|t| t.parse().map_err(bad)).collect::<Result<_, _>>()?,
        })
    }

    /// Refuses when a file of the configuration is another one than when the plan was made.
    pub fn check_files(&self, sources: &Sources) -> Result<(), Diagnostic> {
        let recorded: BTreeMap<&str, &str> =
            self.0["files"].as_array().into_iter().flatten().filter_map(|p| Some((p[0].as_str()?, p[1].as_str()?))).collect();
        let now: BTreeMap<&str, String> = sources.iter().map(|(_, s)| (s.name.as_str(), sha(s.text.as_bytes()))).collect();
        // Texts given on the command line are no files; variables are compared by themselves.
        let file = |name: &str| !name.starts_with('<') && !name.starts_with("the ");
        let differs = recorded.keys().chain(now.keys()).find(|n| file(n) && recorded.get(*n).copied() != now.get(*n).map(String::as_str));
        match differs {
            Some(name) => Err(stale(format!("The file {name} has changed since the plan was made."))),
            None => Ok(()),
        }
    }

    /// The variables whose values the file holds: all but sensitive ones.
    pub fn held(&self) -> BTreeMap<Arc<str>, Value> {
        let decoded = self.0["variables"].as_object().into_iter().flatten().map(|(n, json)| (n, codec::decode(json, &Type::Dynamic)));
        decoded.filter(|(_, v)| v.is_wholly_known()).map(|(n, v)| (Arc::from(n.as_str()), v)).collect()
    }

    /// Refuses arguments that give a variable another value than the one that the file holds, as they would have no effect.
    pub fn check_arguments(&self, args: &[VarArg], given: &BTreeMap<Arc<str>, Value>) -> Result<(), Diagnostics> {
        let held = self.held();
        let mut diags = Diagnostics::new();
        for arg in args {
            let VarArg::Assign { name, .. } = arg else { continue };
            if let (Some(was), Some(now)) = (held.get(name.as_str()), given.get(name.as_str()))
                && was != now
            {
                diags.push(stale(format!("The variable {name:?} has another value than when the plan was made.")));
            }
        }
        if diags.has_errors() { Err(diags) } else { Ok(()) }
    }

    /// The variables as they were: sensitive ones are taken from `given`, and must be the same.
    pub fn variables(&self, given: &BTreeMap<Arc<str>, Value>, store: &Ledger) -> Result<BTreeMap<Arc<str>, Value>, Diagnostics> {
        let mut out = BTreeMap::new();
        let mut diags = Diagnostics::new();
        for (name, json) in self.0["variables"].as_object().into_iter().flatten() {
            let recorded = codec::decode(json, &Type::Dynamic);
            if recorded.is_wholly_known() {
                out.insert(Arc::from(name.as_str()), recorded);
                continue;
            }
            match given.get(name.as_str()) {
                Some(v) if codec::encode(&v.clone().sensitive(), &Type::Dynamic, &|v| store.digest(v)) == *json => {
                    out.insert(Arc::from(name.as_str()), v.clone());
                }
                Some(_) => diags.push(stale(format!("The sensitive variable {name:?} has another value than when the plan was made."))),
                None => diags.push(
                    Diagnostic::error(codes::STALE, format!("The saved plan does not hold the sensitive variable {name:?}."))
                        .hint(format!("Give it again: -var {name}=…, or SF_VAR_{name} in the environment.")),
                ),
            }
        }
        if diags.has_errors() { Err(diags) } else { Ok(out) }
    }

    /// When the plan was made.
    pub fn plan_time(&self) -> (i64, u32) {
        let n = |i: usize| self.0["time"][i].as_i64().unwrap_or(0);
        (n(0), u32::try_from(n(1)).unwrap_or(0))
    }

    /// Refuses when the state has moved on.
    pub fn check_state(&self, snapshot: &Snapshot) -> Result<(), Diagnostic> {
        let fresh = self.0["lineage"].as_str() == Some("") && snapshot.serial == 0;
        if !fresh && self.0["lineage"].as_str() != Some(snapshot.lineage.as_str()) {
            return Err(stale("The saved plan was made for another state."));
        }
        if self.0["serial"].as_u64() != Some(snapshot.serial) {
            return Err(stale("The state has changed since the plan was made."));
        }
        Ok(())
    }

    /// Refuses when planning again gives another plan.
    pub fn check_plan(&self, plan: &Plan) -> Result<(), Diagnostic> {
        if self.0["plan"].as_str() == Some(fingerprint(plan).as_str()) {
            return Ok(());
        }
        Err(stale("Planning again from what the saved plan holds gives another plan: a file that the configuration reads has changed."))
    }

    /// What was observed, in place of the real systems.
    pub fn observer(&self) -> Recorded {
        let entries = self.0["observed"].as_array().into_iter().flatten().filter_map(|j| {
            let record = codec::decode_record(j.get("record")?, &|a| registry::schema(&a.resource))?;
            let there = j.get("present")?.as_bool()?;
            Some((record.addr.clone(), if there { Observed::Present(record.attributes, record.private) } else { Observed::Absent }))
        });
        Recorded(entries.collect())
    }
}

fn observed_json(addr: &InstanceAddr, o: &Observed, digest: codec::Digest<'_>) -> Json {
    let (value, private, present) = match o {
        Observed::Present(v, p) => (v.clone(), p.clone(), true),
        Observed::Absent => (Value::object(BTreeMap::new()), Private::Null, false),
    };
    let record = Record {
        addr: addr.clone(),
        provider: String::new(),
        schema_version: 0,
        attributes: value,
        private,
        dependencies: vec![],
        tainted: false,
        protected: false,
        create_before_destroy: false,
    };
    json!({ "present": present, "record": codec::encode_record(&record, registry::schema(&addr.resource), digest) })
}

/// A digest of all that a plan says.
fn fingerprint(plan: &Plan) -> String {
    sha(crate::view::json::plan(plan).to_string().as_bytes())
}

fn sha(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Answers with what was recorded.
pub struct Recorded(HashMap<InstanceAddr, Observed>);

#[async_trait]
impl Observer for Recorded {
    async fn read(&self, _: Mode, _: &str, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        let of = |r: ReadRequest| match self.0.get(&r.addr) {
            Some(o) => Ok(o.clone()),
            None => Err(stale(format!("The saved plan does not hold what was observed of {}.", r.addr))),
        };
        requests.into_iter().map(of).collect()
    }

    async fn import(&self, addr: &InstanceAddr, _: &str, _: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        match self.0.get(addr) {
            Some(Observed::Present(v, p)) => Ok((v.clone(), p.clone())),
            _ => Err(stale(format!("The saved plan does not hold what was imported as {addr}."))),
        }
    }

    async fn probe(&self, _: &str, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
        requests.iter().map(|_| Diagnostics::new()).collect()
    }
}
