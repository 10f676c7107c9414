//! A secret's files: written, read, planned, changed outside.

use super::*;
use crate::addr::{Mode, ResourceAddr};
use crate::resource::{Doubt, Gathered, Progress};

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
            replaces: None,
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
    assert_eq!(crate::op::unplanned(&planned, &known), None);
    assert_eq!(known.len(), 1);
}

/// The leftovers of an operation that a kill cut off.
fn doubt(verb: Verb, intent: &Value, ops: Vec<Op>) -> Option<Doubt> {
    Some(Doubt { verb, intent: recorded(intent), private: Private::Null, ops })
}

#[tokio::test]
async fn files_of_others_are_not_overwritten() {
    let bench = Bench::new();
    let foreign = |name: &str, text: &str| {
        std::fs::create_dir_all(bench.file(name).parent().unwrap()).unwrap();
        std::fs::write(bench.file(name), text).unwrap();
    };
    foreign("a", "of somebody else");
    foreign("same", "1");
    let refused = |step: StepRequest, verb: Verb| {
        let bench = &bench;
        async move {
            let probed = Secret.probe(&bench.cx, vec![step.clone()]).await.remove(0);
            let result = Gathered::apply(&Secret, &bench.cx, verb, vec![step]).await.remove(0);
            (probed.iter().map(|d| d.code).collect::<Vec<_>>(), result.error.map(|d| d.code))
        }
    };
    let no = (vec![codes::FOREIGN_FILE], Some(codes::FOREIGN_FILE));
    for config in [with_data(&[("a", "1"), ("same", "1")], &[]), with_data(&[], &["a"])] {
        let out = bench.plan(None, &config);
        assert_eq!(refused(bench.step(None, Some(out.planned), out.ops), Verb::Create).await, no);
        assert_eq!(bench.text("a").unwrap(), "of somebody else");
    }
    // A content that is there already is taken over, and so is what a run wrote before it was killed.
    let made = bench.apply(None, &with_data(&[("same", "1")], &[])).await;
    let out = bench.plan(None, &with_data(&[], &["a"]));
    let begun = StepRequest { begun: true, ..bench.step(None, Some(out.planned), out.ops) };
    assert!(Secret.probe(&bench.cx, vec![begun]).await[0].is_empty());
    // The same for a file that comes later, and for a link in its place.
    let now = bench.read(&made, None).await;
    std::fs::remove_file(bench.file("a")).unwrap();
    std::os::unix::fs::symlink("same", bench.file("a")).unwrap();
    let out = bench.plan(Some(&now), &with_data(&[("same", "1"), ("a", "1")], &[]));
    assert_eq!(refused(bench.step(Some(&now), Some(out.planned), out.ops), Verb::Update).await, no);
    assert!(bench.file("a").is_symlink());
}

#[test]
fn one_folder_has_one_key_however_it_is_written() {
    let key = |path: &str| folder_key(&Value::object_from([("path", path.into())])).unwrap();
    for (one, other) in [("/x/out", "/x/./out/"), ("out", "./out"), ("/x/y/../out", "/x//out"), (".", "a/..")] {
        assert_eq!(key(one), key(other));
    }
    assert_ne!(key("../out"), key("out"));
    assert_ne!(key("/out"), key("out"));
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
    let data = Value::map(Type::String, crate::value::Fields::from([("../x".into(), Value::from("v"))]));
    let mut diags = Diagnostics::new();
    Secret.validate(&Value::object_from([("data", data)]), &mut diags);
    assert!(diags.has_errors());
}

type Seen = (Value, Private, Notes);

impl Bench {
    /// A secret with one file of each kind, as it is found right after it was made.
    async fn made(&self) -> (Value, Seen) {
        let config = with_data(&[("creds", "key=s3cr3t")], &["password"]);
        let made = self.apply(None, &config).await;
        let seen = self.read(&(recorded(&made.0), made.1), None).await;
        assert!(seen.0.get("altered").unwrap().is_null() && self.plan(Some(&seen), &config).ops.is_empty());
        (config, seen)
    }

    /// A read finds the alteration, and the operations restore the files.
    async fn put_right(&self, config: &Value, before: &Seen) -> (BTreeMap<String, String>, Vec<String>) {
        let now = self.read(&(recorded(&before.0), before.1.clone()), None).await;
        let out = self.plan(Some(&now), config);
        let lines = crate::resource::lines(&out.ops);
        let after = self.apply(Some(&now), config).await;
        for name in ["creds", "password"] {
            let meta = std::fs::symlink_metadata(self.file(name)).unwrap();
            assert!(meta.is_file() && mode(&meta) == 0o600, "{name}");
        }
        assert_eq!(mode(&std::fs::symlink_metadata(self.file("")).unwrap()), 0o700);
        assert_eq!(self.text("creds").as_deref(), Some("key=s3cr3t"));
        let last = self.read(&after, None).await;
        assert!(self.plan(Some(&last), config).ops.is_empty() && last.0.get("altered").unwrap().is_null());
        let said = format!("{} {} {} {} {lines:?}", now.0, now.1, now.2, after.1);
        assert!(!said.contains("s3cr3t") && !said.contains(&self.text("password").unwrap()), "{said}");
        (text_map(&now.0, "altered"), lines)
    }
}

fn mode(meta: &std::fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

#[tokio::test]
async fn a_generated_content_that_was_changed_outside_is_seen_and_made_anew() {
    let bench = Bench::new();
    let (config, seen) = bench.made().await;
    let old = bench.text("password").unwrap();
    // Another text of the same form: only the digest tells.
    let forged: String = old.chars().rev().collect();
    std::fs::write(bench.file("password"), &forged).unwrap();
    let (altered, lines) = bench.put_right(&config, &seen).await;
    assert_eq!(altered, texts(&[("password", "content changed")]));
    assert_eq!(lines, ["~ \"password\" (generated anew: content changed)"]);
    let new = bench.text("password").unwrap();
    assert!(new.len() == GENERATED_LEN && new != old && new != forged);
}

#[tokio::test]
async fn who_uses_the_secret_learns_of_files_that_are_put_right() {
    let bench = Bench::new();
    let (config, seen) = bench.made().await;
    let version = |config: &Value, seen: &Seen| bench.plan(Some(seen), config).planned.get("version").unwrap();
    std::fs::write(bench.file("password"), "mine").unwrap();
    let now = bench.read(&(seen.0.clone(), seen.1.clone()), None).await;
    assert!(!version(&config, &now).is_known());
    bench.apply(Some(&now), &config).await;
    set_mode(&bench.file("creds"), 0o644);
    let now = bench.read(&bench.apply(Some(&now), &config).await, None).await;
    assert!(version(&config, &now).is_known(), "the contents stay");
}

#[tokio::test]
async fn a_symbolic_link_is_replaced_and_never_followed() {
    for name in ["creds", "password"] {
        let bench = Bench::new();
        let (config, seen) = bench.made().await;
        let outside = bench.dir.path().join("outside");
        // The same content, and permissions that would be widened ones.
        std::fs::rename(bench.file(name), &outside).unwrap();
        set_mode(&outside, 0o644);
        let before = std::fs::read_to_string(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, bench.file(name)).unwrap();
        let (altered, lines) = bench.put_right(&config, &seen).await;
        assert_eq!(altered, texts(&[(name, "replaced by a symbolic link")]));
        let line = match name {
            "creds" => "~ \"creds\" = (sensitive value) (replaced by a symbolic link)",
            _ => "~ \"password\" (generated anew: replaced by a symbolic link)",
        };
        assert_eq!(lines, [line]);
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), before);
        assert_eq!(mode(&std::fs::metadata(&outside).unwrap()), 0o644);
    }
}

#[tokio::test]
async fn a_folder_that_became_a_link_is_made_anew() {
    let bench = Bench::new();
    let (config, seen) = bench.made().await;
    let outside = bench.dir.path().join("outside");
    std::fs::rename(bench.file(""), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, bench.dir.path().join("d/secrets/aws")).unwrap();
    let (altered, lines) = bench.put_right(&config, &seen).await;
    assert_eq!(altered, texts(&[(".", "replaced by a symbolic link")]));
    assert_eq!(lines, ["~ . (a folder instead of a symbolic link)", "+ \"creds\" = (sensitive value)", "+ \"password\" (generated)"]);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 2);
    // Destroying one that became a link since removes the link alone.
    std::fs::remove_dir_all(bench.dir.path().join("d/secrets/aws")).unwrap();
    std::os::unix::fs::symlink(&outside, bench.dir.path().join("d/secrets/aws")).unwrap();
    bench.delete(&seen).await;
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 2);
    assert!(!bench.dir.path().join("d/secrets").exists());
}

#[tokio::test]
async fn a_link_that_comes_after_the_plan_is_not_followed() {
    let bench = Bench::new();
    let (config, seen) = bench.made().await;
    std::fs::remove_file(bench.file("creds")).unwrap();
    let now = bench.read(&(seen.0.clone(), seen.1.clone()), None).await;
    let out = bench.plan(Some(&now), &config);
    let outside = bench.dir.path().join("outside");
    std::fs::rename(bench.file(""), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, bench.dir.path().join("d/secrets/aws")).unwrap();
    let step = bench.step(Some(&now), Some(out.planned), out.ops);
    let result = Gathered::apply(&Secret, &bench.cx, Verb::Update, vec![step]).await.remove(0);
    assert!(result.error.unwrap().detail.contains("symbolic link"));
    assert!(!outside.join("creds").exists());
}

#[tokio::test]
async fn widened_permissions_are_closed_and_narrower_ones_stay() {
    let bench = Bench::new();
    let (config, seen) = bench.made().await;
    let old = bench.text("password").unwrap();
    for (name, widened) in [("creds", 0o644), ("password", 0o620), ("", 0o755)] {
        set_mode(&bench.file(name), widened);
    }
    let (altered, lines) = bench.put_right(&config, &seen).await;
    assert_eq!(altered, texts(&[(".", "permissions 0755"), ("creds", "permissions 0644"), ("password", "permissions 0620")]));
    let expected = ["~ .: 0755 (permissions) -> 0700", "~ creds: 0644 (permissions) -> 0600", "~ password: 0620 (permissions) -> 0600"];
    assert_eq!(lines, expected);
    assert_eq!(bench.text("password").unwrap(), old, "its content was not touched");
    for (name, narrowed) in [("creds", 0o400), ("", 0o500)] {
        set_mode(&bench.file(name), narrowed);
    }
    let now = bench.read(&(seen.0.clone(), seen.1.clone()), None).await;
    assert!(now.0.get("altered").unwrap().is_null() && bench.plan(Some(&now), &config).ops.is_empty());
    set_mode(&bench.file(""), 0o700);
}

#[tokio::test]
async fn a_file_that_is_gone_is_written_again() {
    let bench = Bench::new();
    let (config, seen) = bench.made().await;
    for name in ["creds", "password"] {
        std::fs::remove_file(bench.file(name)).unwrap();
    }
    let (altered, lines) = bench.put_right(&config, &seen).await;
    assert!(altered.is_empty());
    assert_eq!(lines, ["+ \"creds\" = (sensitive value)", "+ \"password\" (generated)"]);
}

#[tokio::test]
async fn a_folder_in_the_place_of_a_file_goes_only_when_it_is_empty() {
    let bench = Bench::new();
    let (config, seen) = bench.made().await;
    std::fs::remove_file(bench.file("creds")).unwrap();
    std::fs::create_dir(bench.file("creds")).unwrap();
    let (altered, _) = bench.put_right(&config, &seen).await;
    assert_eq!(altered, texts(&[("creds", "replaced by a folder")]));
    std::fs::remove_file(bench.file("creds")).unwrap();
    std::fs::create_dir(bench.file("creds")).unwrap();
    std::fs::write(bench.file("creds/precious"), "").unwrap();
    let now = bench.read(&(seen.0.clone(), seen.1.clone()), None).await;
    let out = bench.plan(Some(&now), &config);
    let error = out.diagnostics.iter().find(|d| d.code == codes::FILE).unwrap();
    assert!(error.detail.contains("/creds\" is a folder that is not empty"), "{}", error.detail);
    let step = bench.step(Some(&now), Some(out.planned), out.ops);
    let result = Gathered::apply(&Secret, &bench.cx, Verb::Update, vec![step]).await.remove(0);
    assert!(result.error.is_some() && bench.file("creds/precious").exists());
}

#[tokio::test]
async fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let bench = Bench::new();
    let (config, seen) = bench.made().await;
    std::fs::remove_file(bench.file("creds")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(bench.file("creds")).status().unwrap().success());
    let (altered, _) = bench.put_right(&config, &seen).await;
    assert_eq!(altered, texts(&[("creds", "replaced by something that is not a file")]));
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_that_names_the_file() {
    let bench = Bench::new();
    let (_, seen) = bench.made().await;
    let read = async || {
        let request = ReadRequest::new(bench.addr.clone(), seen.0.clone(), seen.1.clone());
        Secret.read(&bench.cx, vec![request]).await.remove(0)
    };
    set_mode(&bench.file("creds"), 0o000);
    // Nothing is closed to root.
    if std::fs::File::open(bench.file("creds")).is_err() {
        let error = read().await.unwrap_err();
        assert!(error.detail.contains("secrets/aws/creds\"") && error.code == codes::FILE, "{}", error.detail);
    }
    std::fs::remove_dir_all(bench.file("")).unwrap();
    std::fs::write(bench.dir.path().join("d/secrets/aws"), "a file").unwrap();
    let error = read().await.unwrap_err();
    assert!(error.detail.contains("secrets/aws\" is in the place of a secret's folder"), "{}", error.detail);
}

#[tokio::test]
async fn a_folder_of_the_user_may_be_open_and_a_link() {
    let bench = Bench::new();
    let with_path = |path: &str| {
        let mut attrs = with_data(&[("creds", "x")], &[]).as_map().unwrap().clone();
        attrs.insert("path".into(), path.into());
        Value::object(attrs)
    };
    // There before: the user's.
    let theirs = bench.dir.path().join("theirs");
    std::fs::create_dir(&theirs).unwrap();
    set_mode(&theirs, 0o755);
    std::os::unix::fs::symlink(&theirs, bench.dir.path().join("link")).unwrap();
    let made = bench.apply(None, &with_path("link")).await;
    assert!(theirs.join("creds").is_file());
    let now = bench.read(&made, None).await;
    assert!(now.0.get("altered").unwrap().is_null());
    // Made for the secret: as closed as the default one.
    let made = bench.apply(None, &with_path("ours")).await;
    set_mode(&bench.dir.path().join("ours"), 0o755);
    let now = bench.read(&made, None).await;
    assert_eq!(text_map(&now.0, "altered"), texts(&[(".", "permissions 0755")]));
}

#[tokio::test]
async fn states_without_digests_take_what_looks_generated_as_it_is() {
    let bench = Bench::new();
    let (config, seen) = bench.made().await;
    let old = serde_json::json!({ "files": ["creds", "password"] });
    let now = bench.read(&(seen.0.clone(), old.clone()), None).await;
    assert_eq!(now.1, seen.1);
    assert!(bench.plan(Some(&now), &config).ops.is_empty());
    std::fs::write(bench.file("password"), "typed by hand").unwrap();
    let now = bench.read(&(seen.0.clone(), old), None).await;
    assert_eq!(text_map(&now.0, "altered"), texts(&[("password", "content changed")]));
}

#[test]
fn an_entry_without_a_value_is_no_file() {
    let bench = Bench::new();
    let none = Value::map(Type::String, crate::value::Fields::from([("a".into(), Value::null(Type::String))])).sensitive();
    let mut attrs = with_data(&[], &[]).as_map().unwrap().clone();
    attrs.insert("data".into(), none);
    assert!(bench.plan(None, &Value::object(attrs)).ops.is_empty());
}

/// G11.15: a folder that everybody may write into is closed where it is the secret's own, and refused where it is the user's.
#[tokio::test]
async fn g11_15_an_open_folder_is_closed_or_refused() {
    let bench = Bench::new();
    let own = bench.file("");
    std::fs::create_dir_all(&own).unwrap();
    set_mode(&own, 0o777);
    bench.apply(None, &with_data(&[("creds", "x")], &[])).await;
    let mode = |path: &Path| std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o7777;
    assert_eq!(mode(&own), 0o700);

    let theirs = bench.dir.path().join("theirs");
    std::fs::create_dir(&theirs).unwrap();
    for (permissions, refused) in [(0o777, true), (0o1777, false), (0o775, false)] {
        set_mode(&theirs, permissions);
        assert_eq!(files::open_to_all(&theirs).map(|d| d.code), refused.then_some(codes::OPEN_FOLDER), "{permissions:o}");
    }
}
