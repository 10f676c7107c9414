//! Saved plans: what survives the file, what is never in it, and what is said when one no longer matches.

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use common::{Lab, Screen, screen};
use streamform::addr::{InstanceAddr, Mode};
use streamform::diag::{Diagnostic, Diagnostics};
use streamform::lang::config::DiskFiles;
use streamform::lang::config::variables::VarArg;
use streamform::ops::Terminal;
use streamform::ops::live::DiskHost;
use streamform::ops::workspace::Workspace;
use streamform::plan::saved::{Made, Recording, SavedPlan};
use streamform::plan::walk::{self, Observer};
use streamform::plan::{Action, Options, Plan, RunMode};
use streamform::resource::kafka_cluster_data::admin_type;
use streamform::resource::{Observed, Private, Question, ReadRequest, StepRequest, registry};
use streamform::state::{Access, Outcome, Record};
use streamform::value::{Type, Value};
use streamform::view::paint::Paint;

// Without a broker: an observer that answers as a cluster would.

/// Says of a data source what `data "kafka_cluster"` says, and of a managed object that it is as recorded.
struct Fake {
    root: std::path::PathBuf,
    /// It makes a new secret of the password.
    derives: bool,
}

impl Fake {
    fn cluster(&self, config: &Value) -> Value {
        let block = |name: &str| config.get(name).filter(|v| !v.is_null());
        let text = |b: Option<Value>, name: &str| b.and_then(|b| b.get(name)).unwrap_or(Value::null(Type::String));
        let path = |name: &str| {
            let v = text(block("tls"), name);
            v.as_str().map(|p| Value::string(self.root.join(p).to_string_lossy()).mark(v.marks())).unwrap_or(v)
        };
        let written = config.get("bootstrap_servers").unwrap();
        let servers = match written.as_slice() {
            Some(list) => Value::string(list.iter().filter_map(|v| v.as_str()).collect::<Vec<_>>().join(",")).mark(written.deep_marks()),
            None => written.clone(),
        };
        let password = text(block("sasl"), "password");
        let password = match password.as_str() {
            Some(p) if self.derives => Value::string(p.chars().rev().collect::<String>()),
            _ => password,
        };
        let admin: BTreeMap<Arc<str>, Value> = BTreeMap::from([
            ("bootstrap_servers".into(), servers.clone()),
            ("security_protocol".into(), "SASL_SSL".into()),
            ("ca_file".into(), path("ca_file")),
            ("certificate_file".into(), path("certificate_file")),
            ("key_file".into(), path("key_file")),
            ("sasl_mechanism".into(), text(block("sasl"), "mechanism")),
            ("username".into(), text(block("sasl"), "username")),
            ("password".into(), password.sensitive()),
            ("insecure_skip_verify".into(), false.into()),
            ("cluster_id".into(), "id-1".into()),
        ]);
        assert!(matches!(admin_type(), Type::Object(t) if t.attrs.keys().eq(admin.keys())));
        let broker = Type::object([("id", Type::Number), ("host", Type::String), ("port", Type::Number), ("rack", Type::String)]);
        let one =
            Value::object_from([("id", Value::from(1)), ("host", "h".into()), ("port", 9092.into()), ("rack", Value::null(Type::String))]);
        let mut out = config.as_map().unwrap().clone();
        out.extend([
            ("bootstrap_servers".into(), servers),
            ("security_protocol".into(), "SASL_SSL".into()),
            ("cluster_id".into(), "id-1".into()),
            ("controller_id".into(), 1.into()),
            ("brokers".into(), Value::list(broker, vec![one])),
            ("admin".into(), Value::object(admin.into())),
        ]);
        Value::object(out)
    }
}

#[async_trait]
impl Observer for Fake {
    async fn read(&self, mode: Mode, _: &str, requests: Vec<ReadRequest>) -> Vec<Result<Observed, Diagnostic>> {
        let one = |r: ReadRequest| match mode {
            Mode::Data => Ok(Observed::present(self.cluster(&r.prior), serde_json::json!({"cluster_id": "id-1"}))),
            Mode::Managed => Ok(Observed::present(r.prior, r.private)),
        };
        requests.into_iter().map(one).collect()
    }

    async fn import(&self, _: &InstanceAddr, _: &str, _: Option<&Value>) -> Result<(Value, Private), Diagnostic> {
        unreachable!()
    }

    async fn answer(&self, _: &str, questions: Vec<Question>) -> Vec<Result<Option<serde_json::Value>, Diagnostic>> {
        questions.iter().map(|_| Ok(None)).collect()
    }

    async fn probe(&self, _: &str, requests: Vec<StepRequest>) -> Vec<Diagnostics> {
        requests.iter().map(|_| Diagnostics::new()).collect()
    }
}

/// Plans with [`Fake`], saves, reads the file and plans again from it, as `plan -out` and `apply FILE` do. The second plan and the file's text.
fn again(lab: &Lab, vars: &[(&str, &str)], mode: RunMode) -> (Plan, String) {
    save(lab, vars, mode, false).unwrap()
}

/// The same with a data source that makes a new secret of its arguments, or does not; what the check before the save refuses.
fn save(lab: &Lab, vars: &[(&str, &str)], mode: RunMode, derives: bool) -> Result<(Plan, String), Diagnostics> {
    let vars: Vec<VarArg> = vars.iter().map(|(n, v)| VarArg::Assign { name: n.to_string(), text: v.to_string() }).collect();
    let terminal = Terminal { paint: Paint(false), json: false, input: false, compact: false };
    let ws = Workspace::load(lab.path(), &DiskFiles, &vars, &terminal).unwrap();
    let backend = streamform::ops::workspace::backend(&ws.state_dir().unwrap());
    real_wait(streamform::state::Ledger::ensure_key(&*backend)).unwrap();
    let store = real_wait(ws.store(Access::Read)).unwrap();
    let snapshot = real_wait(store.snapshot()).unwrap();
    let digest = |v: &Value| store.digest(v);
    let options = Options { mode, ..Options::default() };
    let disk = DiskHost::new(false);
    let host = Recording::new(&disk);
    let fake = Fake { root: lab.path().to_path_buf(), derives };
    let path = lab.path().join("p.plan");
    let inputs = ws.inputs(&snapshot, &options, &digest, &host, &fake);
    let first = real_wait(walk::walk(&inputs));
    assert!(!first.diagnostics.has_errors(), "{:?}", first.diagnostics);
    let made = Made {
        config: &ws.config,
        variable_files: &[],
        variables: &ws.variables,
        types: registry::ALL,
        options: &options,
        snapshot: &snapshot,
        outcome: &first,
        reads: host.reads(),
        time: (0, 0),
    };
    made.check(&digest, lab.path())?;
    made.write(&digest, &path).unwrap();
    let saved = SavedPlan::read(&path).unwrap();
    saved.check_files(&ws.config.sources, &[], &disk).unwrap();
    saved.check_state(&snapshot).unwrap();
    let variables = saved.variables(&ws.variables, &Default::default(), &digest).unwrap();
    assert_eq!(variables, ws.variables);
    let recorded = saved.observer(&variables, registry::ALL, &digest, lab.path());
    let inputs = ws.inputs(&snapshot, &options, &digest, &host, &recorded);
    let second = real_wait(walk::walk(&inputs));
    assert!(!second.diagnostics.has_errors(), "{:?}", second.diagnostics);
    saved.check_plan(&second.plan, registry::ALL, &digest).unwrap();
    Ok((second.plan, lab.read("p.plan")))
}

fn real_wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn cluster(inside: &str) -> String {
    format!(
        "data \"kafka_cluster\" \"k\" {{\n{inside}}}\nresource \"kafka_topic\" \"t\" {{\n  cluster = data.kafka_cluster.k\n  name = \"t\"\n  partitions = 1\n  replication_factor = 1\n}}\nresource \"kafka_acl\" \"a\" {{\n  cluster = data.kafka_cluster.k\n  principal = \"User:x\"\n  role \"consumer\" {{\n    topic = \"t\"\n  }}\n}}\noutput \"id\" {{\n  value = data.kafka_cluster.k.cluster_id\n}}\nresource \"null_resource\" \"n\" {{\n  secret = jsonencode(data.kafka_cluster.k.admin)\n}}\n"
    )
}

fn planned<'p>(plan: &'p Plan, addr: &str) -> &'p Value {
    plan.changes.iter().find(|c| c.addr.to_string() == addr).and_then(|c| c.planned.as_ref()).unwrap()
}

fn admin(plan: &Plan, name: &str) -> Option<String> {
    planned(plan, "kafka_topic.t").get("cluster").unwrap().get("admin").unwrap().get_str(name)
}

const SASL: &str = "  sasl {\n    username = \"u\"\n    password = PASSWORD\n  }\n";

#[test]
fn a_secret_that_a_data_source_derives_in_a_new_way_is_refused_before_the_plan_is_saved() {
    let lab = Lab::new(
        &("variable \"p\" {\n  sensitive = true\n}\n".to_string()
            + &cluster(&("  bootstrap_servers = \"h:9092\"\n".to_string() + &SASL.replace("PASSWORD", "var.p")))),
    );
    let refused = save(&lab, &[("p", "geheim")], RunMode::Normal, true).unwrap_err();
    let d = refused.iter().next().unwrap();
    assert_eq!((d.code.id, d.address.as_deref()), ("SF3040", Some("data.kafka_cluster.k")));
    assert!(d.detail.contains("data.kafka_cluster.k.admin.password") && d.span.is_some() && d.hint.is_some(), "{d:?}");
    assert!(!format!("{d:?}").contains("mieheg") && !lab.path().join("p.plan").exists());
    save(&lab, &[("p", "geheim")], RunMode::Normal, false).unwrap();
}

#[test]
fn a_plan_that_was_applied_is_said_to_be_and_another_state_says_what_differs() {
    let lab = Lab::new("resource \"null_resource\" \"a\" {}\n");
    lab.ok("plan -out p.plan");
    lab.ok("plan -out q.plan");
    lab.ok("apply p.plan");
    // With no state when the plan was made, and with one.
    lab.fails("apply p.plan", &["Error[SF3013]", "This saved plan was applied already, by generation 1 of the state on 20"])
        .hides(&["another state"]);
    lab.fails("apply q.plan", &["made when there was no state here"]).hides(&["applied already"]);
    lab.ok("plan -destroy -out p.plan");
    lab.ok("plan -destroy -out q.plan");
    lab.ok("apply p.plan");
    lab.fails("apply p.plan", &["applied already, by generation 2"]);
    lab.fails("apply q.plan", &["The state has changed since the plan was made: its serial was "]).hides(&["applied already"]);
    let other = Lab::new("resource \"null_resource\" \"a\" {}\n");
    other.apply();
    std::fs::copy(lab.path().join("q.plan"), other.path().join("q.plan")).unwrap();
    other.fails("apply q.plan", &["made for another state: its lineage is "]).hides(&["applied already"]);
}

#[test]
fn a_foreign_cluster_without_credentials_is_planned_the_same_from_the_file() {
    let lab = Lab::new(&cluster("  bootstrap_servers = \"h:9092\"\n"));
    let (plan, _) = again(&lab, &[], RunMode::Normal);
    assert_eq!(plan.counts().add, 3);
    assert!(plan.changes.iter().all(|c| !c.deferred), "the cluster is known");
    // Null and sensitive: the password of nobody.
    let cluster = planned(&plan, "kafka_topic.t").get("cluster").unwrap();
    let password = cluster.get("admin").unwrap().get("password").unwrap();
    assert!(password.is_null() && password.marks().is_sensitive());
}

#[test]
fn passwords_are_never_in_the_file_and_are_there_again_when_it_is_applied() {
    let literal = cluster(&format!("  bootstrap_servers = \"h:9092\"\n{}", SASL.replace("PASSWORD", "\"CANARY-1\"")));
    let variable = format!(
        "variable \"pw\" {{\n  sensitive = true\n}}\n{}",
        cluster(&format!("  bootstrap_servers = \"h:9092\"\n{}", SASL.replace("PASSWORD", "\"${var.pw}-1\"")))
    );
    for (text, vars) in [(literal, vec![]), (variable, vec![("pw", "CANARY")])] {
        let (plan, file) = again(&Lab::new(&text), &vars, RunMode::Normal);
        assert!(!file.contains("CANARY"), "{file}");
        assert_eq!(admin(&plan, "password").as_deref(), Some("CANARY-1"));
        assert!(plan.changes.iter().all(|c| !c.deferred), "the cluster is known");
    }
}

#[test]
fn what_a_data_source_makes_of_sensitive_arguments_is_there_again_too() {
    let inside = "  bootstrap_servers = var.servers\n  tls {\n    ca_file = var.ca\n    certificate_file = \"c.crt\"\n    key_file = \"c.key\"\n  }\n";
    let text = format!(
        "variable \"servers\" {{\n  type = list(string)\n  sensitive = true\n}}\nvariable \"ca\" {{\n  sensitive = true\n}}\n{}",
        cluster(inside)
    );
    let text = text.replace("  value = data.kafka_cluster.k.cluster_id\n", "  value = data.kafka_cluster.k\n  sensitive = true\n");
    let lab = Lab::new(&text);
    let (plan, file) = again(&lab, &[("servers", "[\"CANARY-a:1\", \"CANARY-b:2\"]"), ("ca", "CANARY.crt")], RunMode::Normal);
    assert!(!file.contains("CANARY"), "{file}");
    assert_eq!(admin(&plan, "bootstrap_servers").as_deref(), Some("CANARY-a:1,CANARY-b:2"));
    assert_eq!(admin(&plan, "ca_file"), Some(lab.path().join("CANARY.crt").display().to_string()));
    assert_eq!(admin(&plan, "key_file"), Some(lab.path().join("c.key").display().to_string()));
}

#[test]
fn what_exists_in_a_foreign_cluster_is_destroyed_from_the_file() {
    let lab = Lab::new(&cluster(&format!("  bootstrap_servers = \"h:9092\"\n{}", SASL.replace("PASSWORD", "\"CANARY-1\""))));
    let store = real_wait(streamform::ops::workspace::open_store(&lab.path().join("state"), Access::Write)).unwrap();
    let (plan, _) = again_in(&lab);
    let made = plan.changes.iter().filter(|c| c.action == Action::Create).map(|c| {
        let record = Record {
            addr: c.addr.clone(),
            provider: String::new(),
            schema_version: 0,
            attributes: known(c.planned.as_ref().unwrap()),
            private: serde_json::json!({"topic_id": "x"}),
            dependencies: c.dependencies.clone(),
            tainted: false,
            protected: false,
            create_before_destroy: false,
        };
        Outcome { addr: c.addr.clone(), record: Some(record) }
    });
    real_wait(store.finish(&made.collect::<Vec<_>>())).unwrap();
    real_wait(store.close()).unwrap();
    drop(store);
    for mode in [RunMode::Destroy, RunMode::RefreshOnly, RunMode::Normal] {
        let (plan, file) = again(&lab, &[], mode);
        assert!(!file.contains("CANARY"), "{file}");
        let destroyed = plan.changes.iter().filter(|c| c.action == Action::Delete).count();
        assert_eq!(destroyed, if mode == RunMode::Destroy { 3 } else { 0 }, "{mode:?}");
    }
}

fn again_in(lab: &Lab) -> (Plan, String) {
    let copy = Lab::new(&lab.read("main.hcl"));
    again(&copy, &[], RunMode::Normal)
}

/// An object as an apply would leave it: what was unknown has some value.
fn known(v: &Value) -> Value {
    let attrs = v.as_map().unwrap().iter().map(|(k, v)| (k.clone(), if v.is_wholly_known() { v.clone() } else { "made".into() }));
    Value::object(attrs.collect())
}

// As processes.

/// Asserts that each of these is on the screen, wherever its lines are broken.
#[track_caller]
fn tells(s: &Screen, telling: &[&str]) {
    let text = s.text.replace("\n│ ", " ");
    telling.iter().for_each(|t| assert!(text.contains(t), "not on the screen: {t}\n{}", s.text));
}

#[track_caller]
fn refused(lab: &Lab, line: &str, telling: &[&str]) {
    let before = lab.files();
    tells(&lab.fails(line, &[]), telling);
    let after: Vec<_> = lab.files().into_iter().filter(|(p, _)| !p.to_string_lossy().contains("lock")).collect();
    let before: Vec<_> = before.into_iter().filter(|(p, _)| !p.to_string_lossy().contains("lock")).collect();
    assert!(before == after, "{line} changed files");
}

#[test]
fn missing_and_other_secrets_are_all_named_before_anything_happens() {
    let variable = |n: &str| format!("variable \"{n}\" {{\n  sensitive = true\n}}\n");
    let lab = Lab::new(&format!(
        "{}{}{}{}resource \"null_resource\" \"a\" {{\n  secret = \"${{var.a}}${{var.b}}${{var.c}}${{var.d}}\"\n}}\n",
        variable("a"),
        variable("b"),
        variable("c"),
        variable("d")
    ));
    lab.ok("plan -out=p.plan -var=a=CANARY-1 -var=b=CANARY-2 -var=c=CANARY-3 -var=d=CANARY-4");
    assert!(!lab.read("p.plan").contains("CANARY"));
    refused(
        &lab,
        "apply -var=c=x -var=d=y p.plan",
        &[
            "Error[SF2030]: No value for required variable",
            "nothing gives the variables \"a\" and \"b\" here.",
            "Error[SF3013]: Saved plan is stale",
            "-var 'a=…' -var 'b=…'",
            "The sensitive variables \"c\" and \"d\" have other values than when the plan was made.",
        ],
    );
    refused(&lab, "apply p.plan", &["the variables \"a\", \"b\", \"c\" and \"d\" here."]);
    let out =
        lab.command(["apply", "p.plan", "-var=b=CANARY-2", "-var=c=CANARY-3", "-var=d=CANARY-4"]).env("SF_VAR_a", "CANARY-1").output();
    screen(&out.unwrap()).shows(&["1 added", "exit 0"]).hides(&["CANARY"]);
}

#[test]
fn ephemeral_variables_are_given_again_and_may_differ() {
    let lab = Lab::new(
        "variable \"token\" {\n  ephemeral = true\n}\nresource \"null_resource\" \"a\" {\n  inputs = ephemeralasnull(var.token) == null\n}\n",
    );
    lab.ok("plan -out=p.plan -var=token=CANARY-1");
    assert!(!lab.read("p.plan").contains("CANARY"));
    refused(&lab, "apply p.plan", &["\"token\""]);
    lab.ok("apply -var=token=CANARY-2 p.plan").shows(&["1 added"]);
}

#[test]
fn variable_files_are_held_by_value_and_others_are_refused() {
    let lab = Lab::new("variable \"n\" {\n  type = number\n}\nresource \"null_resource\" \"a\" {\n  inputs = var.n\n}\n");
    lab.write("one.vars", "n = 1\n");
    lab.write("other.vars", "n = 2\n");
    lab.write("x.auto.tfvars", "n = 7\n");
    lab.ok("plan -out=p.plan -var-file=one.vars");
    refused(&lab, "apply -var-file=other.vars p.plan", &["The variable \"n\" has another value than when the plan was made."]);
    // What the plan holds is carried out, whatever the files say that nobody named.
    lab.write("x.auto.tfvars", "n = 8\n");
    lab.ok("apply p.plan");
    lab.ok("state show null_resource.a").shows(&["inputs = 1\n"]);
    lab.ok("plan -out=q.plan -var=n=2");
    lab.ok("apply -var-file=other.vars q.plan").shows(&["1 changed"]);
}

#[test]
fn files_that_changed_are_named_all_of_them() {
    let main = "locals {\n  a = yamldecode(file(\"a.yaml\"))\n  t = templatefile(\"t.tpl\", { x = local.a.x })\n}\nresource \"null_resource\" \"a\" {\n  inputs = [local.t, fileset(\"d\", \"*\"), fileexists(\"e\"), filesha256(\"bin\")]\n}\nresource \"null_resource\" \"later\" {\n  inputs = \"${null_resource.a.id}${file(\"later.txt\")}\"\n}\n";
    let lab = Lab::new(main);
    let files = [("a.yaml", "x: 1\n"), ("t.tpl", "v ${x}"), ("d/one", "1"), ("bin", "0"), ("later.txt", "l")];
    let restore = || files.iter().for_each(|(n, t)| lab.write(n, t));
    restore();
    lab.ok("plan -out=p.plan");
    let no_longer = "The saved plan no longer matches:";
    for (name, text, telling) in [
        ("a.yaml", "x: 1\n# a comment\n", "a.yaml has changed since it was made."),
        ("a.yaml", ": broken: [", "a.yaml has changed since it was made."),
        ("t.tpl", "w ${x}", "t.tpl has changed since it was made."),
        ("bin", "1", "bin has changed since it was made."),
        // What is known only during apply does not show in the plan.
        ("later.txt", "m", "later.txt has changed since it was made."),
        ("main.hcl", "resource \"null_resource\" \"b\" {}\n", "main.hcl has changed since it was made."),
        ("d/two", "2", "the list of files in d has changed since it was made."),
        ("e", "", "e was created since it was made."),
        ("new.hcl", "locals {}\n", "new.hcl was added since it was made."),
    ] {
        lab.write(name, text);
        refused(&lab, "apply p.plan", &["Error[SF3013]: Saved plan is stale", no_longer, telling, "hint: Make a new plan"]);
        restore();
        lab.write("main.hcl", main);
        for made in ["d/two", "e", "new.hcl"] {
            std::fs::remove_file(lab.path().join(made)).ok();
        }
    }
    lab.write("a.yaml", "x: 2\n");
    std::fs::remove_file(lab.path().join("bin")).unwrap();
    refused(&lab, "apply p.plan", &["a.yaml has changed and bin can no longer be read since it was made."]);
    restore();
    lab.ok("apply p.plan").shows(&["2 added"]);
}

#[test]
fn where_the_plan_differs_the_attribute_and_the_output_are_named() {
    let lab = Lab::new(
        "resource \"null_resource\" \"a\" {\n  inputs = basename(pathexpand(\"~\"))\n}\nresource \"null_resource\" \"s\" {\n  secret = pathexpand(\"~\")\n}\nresource \"null_resource\" \"e\" {\n  for_each = toset([basename(pathexpand(\"~\"))])\n}\noutput \"home\" {\n  value = basename(pathexpand(\"~\"))\n}\n",
    );
    let apply = |home: &str| screen(&lab.command(["apply", "p.plan"]).env("HOME", home).output().unwrap());
    let plan = || lab.command(["plan", "-out=p.plan"]).env("HOME", "/one").output().unwrap();
    assert!(plan().status.success());
    let s = apply("/two");
    tells(&s, &["Error[SF3013]", "null_resource.a: inputs was \"one\", and is \"two\" now", "exit 1"]);
    s.hides(&["file"]);
    lab.write("main.hcl", &lab.read("main.hcl").replace("toset([basename(pathexpand(\"~\"))])", "toset([\"one\"])"));
    assert!(plan().status.success());
    let s = apply("/two");
    tells(&s, &["null_resource.s: secret has another value now", "output \"home\" was \"one\", and is \"two\" now"]);
    apply("/one").shows(&["3 added", "exit 0"]);
}

#[test]
fn a_plan_of_another_state_folder_says_so() {
    let lab = Lab::new("variable \"pw\" {\n  sensitive = true\n}\nresource \"null_resource\" \"a\" {\n  secret = var.pw\n}\n");
    lab.ok("plan -out=p.plan -var=pw=x");
    std::fs::remove_dir_all(lab.path().join("state")).unwrap();
    lab.fails("apply -var=pw=x p.plan", &["made with another state folder", "hint: Apply it where it was planned"])
        .hides(&["another value"]);
}

#[test]
fn the_file_is_the_users_own_and_appears_whole_or_not_at_all() {
    let lab = Lab::new("resource \"null_resource\" \"a\" {}\n");
    let path = lab.path().join("p.plan");
    // A plan of before, cut off, is written over.
    lab.write("p.plan", "{ \"streamform_plan\": 1,");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    lab.ok("plan -out=p.plan");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let names = || std::fs::read_dir(lab.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>();
    assert!(names().iter().all(|n| !n.starts_with(".streamform-plan-")), "{:?}", names());
    std::os::unix::fs::symlink("p.plan", lab.path().join("link")).unwrap();
    lab.ok("plan -out=link");
    assert!(std::fs::symlink_metadata(lab.path().join("link")).unwrap().is_symlink());
    // What is no file is not replaced.
    lab.ok("plan -out=/dev/null");
    assert!(!Path::new("/dev/null").is_file());
    // Laid out in another way by some tool, it is the same plan.
    let json: serde_json::Value = serde_json::from_str(&lab.read("p.plan")).unwrap();
    lab.write("p.plan", &serde_json::to_string_pretty(&json).unwrap());
    lab.ok("show p.plan").shows(&["null_resource.a will be created", "Plan: 1 to add"]);
    let text = lab.read("p.plan");
    lab.write("cut.plan", &text[..text.len() / 2]);
    lab.fails("apply cut.plan", &["Error[SF3014]: Not a saved plan"]);
    lab.write("old.plan", "{\"streamform_plan\":1}");
    lab.fails("apply old.plan", &["it has format 1, and this version reads format 2"]);
    lab.ok("apply p.plan").shows(&["1 added"]);
}

#[test]
fn show_shows_what_plan_showed() {
    let lab = Lab::new(
        "resource \"null_resource\" \"a\" {\n  inputs = { x = [1, null], y = timestamp() }\n  secret = \"CANARY\"\n  triggers = { t = \"1\" }\n}\noutput \"o\" {\n  value = null_resource.a\n  sensitive = true\n}\noutput \"p\" {\n  value = 1\n}\n",
    );
    let out_line = "\nSaved the plan to p.plan. To carry it out: streamform apply p.plan\n";
    for change in ["", "main"] {
        if change == "main" {
            lab.write("main.hcl", &lab.read("main.hcl").replace("\"1\"", "\"2\"").replace("CANARY", "CANARY-2"));
        }
        let planned = lab.ok("plan -out=p.plan").stdout;
        assert_eq!(format!("{}{out_line}", lab.ok("show p.plan").stdout), planned);
        let json = |s: String| serde_json::from_str::<serde_json::Value>(&s).unwrap();
        assert_eq!(json(lab.ok("show -json p.plan").stdout), json(lab.ok("plan -json").stdout));
        assert!(!lab.read("p.plan").contains("CANARY"));
        lab.ok("apply p.plan");
    }
}

#[test]
fn the_command_that_is_shown_works_where_the_user_stands() {
    let lab = Lab::new("");
    lab.write("sub dir/main.hcl", "resource \"null_resource\" \"a\" {}\n");
    let s = screen(&lab.command(["-chdir=sub dir", "plan", "-out=../my state.plan"]).output().unwrap());
    let command = "streamform -chdir='sub dir' apply '../my state.plan'";
    s.shows(&[&format!("To carry it out: {command}")]);
    let line = command.replace("streamform", env!("CARGO_BIN_EXE_streamform"));
    let out = std::process::Command::new("sh").args(["-c", &line]).current_dir(lab.path()).env("NO_COLOR", "1").output().unwrap();
    screen(&out).shows(&["1 added", "exit 0"]);
}

#[test]
fn a_plan_without_changes_is_carried_out_also_where_a_sensitive_argument_is_unset() {
    let lab = Lab::new("resource \"null_resource\" \"a\" {\n  inputs = 1\n}\n");
    lab.ok("apply -auto-approve");
    lab.ok("plan -out=p.plan").shows(&["No changes"]);
    lab.ok("apply p.plan").shows(&["0 added, 0 changed, 0 destroyed"]);
}

fn secret(lab: &Lab, inside: &str) {
    lab.write("main.hcl", &format!("resource \"secret\" \"s\" {{\n  {inside}\n}}\n"));
}

/// The file of a secret.
fn secret_file(lab: &Lab, name: &str) -> std::path::PathBuf {
    lab.path().join(".streamform/secrets/s").join(name)
}

/// Plans into a file, and carries it out. What the plan shows; it names no content.
fn through_a_file(lab: &Lab) -> Screen {
    let shown = lab.ok("plan -out=p.plan");
    assert!(!lab.read("p.plan").contains("CANARY"));
    lab.ok("apply p.plan").hides(&["CANARY"]);
    shown
}

#[test]
fn a_part_of_a_secret_changes_by_the_file() {
    let lab = Lab::new("");
    let (one, two, three) = ("a = \"CANARY-1\"", "b = \"CANARY-2\"", "c = \"CANARY-3\"");
    let data = |parts: &[&str]| secret(&lab, &format!("data = {{ {} }}", parts.join(", ")));
    data(&[one, two]);
    through_a_file(&lab);
    let changed = "b = \"CANARY-4\"";
    // What is written, and the parts of the plan that show it.
    let steps: [(&[&str], &[&str], &[&str]); 3] = [
        (&[one, changed], &["~ \"b\" = (sensitive value)"], &["\"a\""]),
        (&[one, changed, three], &["+ \"c\" = (sensitive value)"], &["\"a\"", "\"b\""]),
        (&[one, three], &["- \"b\""], &["\"a\"", "\"c\""]),
    ];
    for (parts, shows, hides) in steps {
        data(parts);
        through_a_file(&lab).shows(shows).hides(hides);
        lab.ok("plan").shows(&["No changes"]);
    }
    std::fs::remove_file(secret_file(&lab, "c")).unwrap();
    through_a_file(&lab).shows(&["\"c\""]).hides(&["\"a\""]);
    std::fs::write(secret_file(&lab, "a"), "CANARY-outside").unwrap();
    through_a_file(&lab).shows(&["\"a\""]).hides(&["\"c\""]);
    lab.ok("plan").shows(&["No changes"]);
    let text = |name: &str| std::fs::read_to_string(secret_file(&lab, name)).unwrap();
    assert_eq!((text("a"), text("c")), ("CANARY-1".into(), "CANARY-3".into()));
    // One content is known only during the apply.
    lab.write(
        "main.hcl",
        &format!(
            "resource \"null_resource\" \"n\" {{\n}}\nresource \"secret\" \"s\" {{\n  data = {{ {one}, c = null_resource.n.id }}\n}}\n"
        ),
    );
    through_a_file(&lab).shows(&["\"c\""]).hides(&["\"a\""]);
    assert!(text("a") == "CANARY-1" && text("c") != "CANARY-3");
    lab.ok("plan").shows(&["No changes"]);
}

#[test]
fn an_ignored_secret_stays_as_it_was_found() {
    let lab = Lab::new("");
    let block = |rest: &str| {
        secret(&lab, &format!("data = {{ a = \"CANARY-1\", b = \"CANARY-2\" }}\n  {rest}lifecycle {{\n    ignore_changes = [data]\n  }}"))
    };
    block("");
    lab.apply();
    std::fs::write(secret_file(&lab, "b"), "CANARY-outside").unwrap();
    block("generate = [\"g\"]\n  ");
    through_a_file(&lab).shows(&["\"g\""]).hides(&["\"a\"", "\"b\""]);
    assert_eq!(std::fs::read_to_string(secret_file(&lab, "b")).unwrap(), "CANARY-outside");
    lab.ok("plan").shows(&["No changes"]);
}

/// Applies, and is killed as `STREAMFORM_TEST_KILL` says; whether it was.
fn killed(lab: &Lab, aim: &str) -> bool {
    use std::os::unix::process::ExitStatusExt;
    let out = lab.command(["apply", "-auto-approve"]).env("STREAMFORM_TEST_KILL", aim).output().unwrap();
    assert!(out.status.success() || out.status.signal() == Some(9), "{out:?}");
    !out.status.success()
}

#[test]
fn after_a_killed_change_of_a_secret_its_version_changes_by_the_file() {
    for moment in ["before", "sent", "answered"] {
        let lab = Lab::new("");
        secret(&lab, "data = { a = \"CANARY-1\", b = \"CANARY-2\" }");
        lab.apply();
        let version = || lab.ok("state show secret.s").stdout.lines().find(|l| l.contains("version")).unwrap().to_string();
        let old = version();
        secret(&lab, "data = { a = \"CANARY-3\", b = \"CANARY-2\" }");
        assert!(killed(&lab, &format!("file:write:1:{moment}")));
        // Also where the content is there already: who uses the secret has to notice.
        through_a_file(&lab).shows(&["version"]).hides(&["\"b\"", "only change in the state"]);
        assert_eq!(std::fs::read_to_string(secret_file(&lab, "a")).unwrap(), "CANARY-3");
        assert_ne!(version(), old, "{moment}");
        lab.ok("plan").shows(&["No changes"]);
    }
}

#[test]
fn after_a_killed_creation_a_secret_gets_its_version() {
    let lab = Lab::new("");
    secret(&lab, "data = { a = \"CANARY-1\" }");
    assert!(killed(&lab, "file:write:1:answered"));
    through_a_file(&lab);
    lab.ok("state show secret.s").shows(&["version = \""]).hides(&["known after apply"]);
    lab.ok("plan").shows(&["No changes"]);
}

#[test]
fn a_plan_after_a_kill_between_database_and_log_is_of_the_state_that_apply_finds() {
    let mut kills = 0;
    for moment in ["before", "answered"] {
        for n in 1.. {
            let lab = Lab::new("");
            secret(&lab, "data = { a = \"CANARY-1\" }");
            lab.apply();
            secret(&lab, "data = { a = \"CANARY-2\" }\n  generate = [\"g\"]");
            if !killed(&lab, &format!("state:commit:{n}:{moment}")) {
                break;
            }
            kills += 1;
            let shown = lab.ok("plan").stdout;
            through_a_file(&lab).shows(&[&shown]);
            assert_eq!(std::fs::read_to_string(secret_file(&lab, "a")).unwrap(), "CANARY-2");
            lab.ok("plan").shows(&["No changes"]);
        }
    }
    assert!(kills >= 4, "{kills}");
}
