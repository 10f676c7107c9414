use super::super::*;
use crate::diag::Diagnostics;

fn load_files(files: &[(&str, &str)]) -> (Option<Config>, Diagnostics) {
    let files: MemoryFiles = files.iter().map(|(p, c)| (*p, *c)).collect();
    load(Path::new("."), &files)
}

fn one(text: &str) -> (Option<Config>, Diagnostics) {
    load_files(&[("main.hcl", text)])
}

/// `SF2001 main.hcl:3 detail` for each diagnostic.
fn shown(files: &[(&str, &str)]) -> Vec<String> {
    let (config, diags) = load_files(files);
    let sources = config.map(|c| c.sources).unwrap_or_default();
    let place = |d: &crate::diag::Diagnostic| {
        let span = d.span?;
        let source = sources.get(span.source)?;
        let line = source.text[..span.start as usize].matches('\n').count() + 1;
        Some(format!("{}:{line}", source.name))
    };
    diags.iter().map(|d| format!("{} {} {}", d.code.id, place(d).unwrap_or_default(), d.detail)).collect()
}

use std::path::Path;

#[test]
fn every_block_is_read() {
    let (config, diags) = one(r#"
streamform {
  required_version = ">= 0.1"
  backend "local" { path = "state" }
}
variable "n" {
  type      = map(object({ a = string, b = optional(number, 1) }))
  default   = {}
  sensitive = true
  validation {
    condition     = length(var.n) < 5
    error_message = "no"
  }
}
locals { a = 1 }
output "o" { value = local.a }
provider "kubernetes" {
  alias   = "prod"
  context = "x"
}
resource "kafka_topic" "t" {
  count      = 2
  name       = "x"
  depends_on = [kafka_cluster.c]
  lifecycle {
    ignore_changes  = [config["a"], partitions]
    prevent_destroy = var.x
  }
  timeouts { create = "5m" }
  nested { a = 1 }
}
data "kafka_cluster" "c" { }
moved {
  from = kafka_topic.a["x"]
  to   = kafka_topic.t[0]
}
removed {
  from = kafka_topic.gone
  lifecycle { destroy = false }
}
import {
  to = kafka_topic.t[0]
  id = "x"
}
check "c" {
  assert {
    condition     = var.n != null
    error_message = "no"
  }
}
"#);
    assert!(diags.is_empty(), "{diags:?}");
    let m = config.unwrap().root;
    assert_eq!(m.variables["n"].ty.to_string(), "map(object({a = string, b = optional(number)}))");
    let topic = &m.resources[&(Mode::Managed, "kafka_topic".into(), "t".into())];
    assert!(matches!(topic.repetition, Repetition::Count(_)));
    assert_eq!((topic.lifecycle.ignore_changes.len(), topic.depends_on.len(), topic.timeouts.len()), (2, 1, 1));
    assert_eq!((topic.body.attrs.len(), topic.body.blocks.len()), (1, 1));
    assert_eq!(m.moved[0].from.to_string(), "kafka_topic.a[\"x\"]");
    assert!(!m.removed[0].destroy);
    assert_eq!(m.dir, Path::new("."));
    assert_eq!((m.imports.len(), m.checks.len(), m.providers.len()), (1, 1, 1));
}

#[test]
fn all_errors_are_found_at_once() {
    let found = shown(&[(
        "main.hcl",
        r#"
resorce "a" "b" { }
variable "a" "b" { }
variable "count" { }
variable "x" {
  typ     = string
  default = 1
}
variable "x" { }
resource "t" "n" {
  count    = 1
  for_each = {}
  lifecycle { create_before_destroy = var.x }
}
resource "t" "n" { }
resource "t" "1n" { }
output "o" { }
locals { a = 1 }
locals { a = 2 }
terraform { }
streamform {
  required_version = "> 99"
  colour = true
}
moved {
  from = kafka_topic.a
  to   = module.b
}
check "c" { }
variable "q" { type = "string" }
"#,
    )]);
    let codes: Vec<&str> = found.iter().map(|f| &f[..6]).collect();
    let want = [
        "SF2002", "SF2004", "SF2006", "SF2001", "SF2005", "SF2008", "SF2007", "SF2005", "SF2006", "SF2003", "SF2005", "SF2012", "SF2001",
        "SF2013", "SF2010", "SF2009", "SF2011",
    ];
    assert_eq!(codes, want, "{found:#?}");
    assert!(found[4].starts_with("SF2005 main.hcl:9 "), "{}", found[4]);
}

#[test]
fn a_near_name_is_suggested_and_both_places_shown() {
    let (_, diags) = one("resorce \"a\" \"b\" {}\noutput \"a\" { value = 1 }\noutput \"a\" { value = 2 }\n");
    let all: Vec<_> = diags.iter().collect();
    assert_eq!(all[0].hint.as_deref(), Some("Did you mean \"resource\"?"));
    assert_eq!(all[1].related[0].1, "first declared here");
}

#[test]
fn an_argument_set_twice_hides_nothing_else() {
    let found = shown(&[("main.hcl", "variable \"a\" {\n  default = 1\n  default = 2\n  typ = string\n}\nbad {}\n")]);
    let places: Vec<&str> = found.iter().map(|f| &f[..17]).collect();
    assert_eq!(places, ["SF2005 main.hcl:3", "SF2001 main.hcl:4", "SF2002 main.hcl:6"], "{found:?}");
}

#[test]
fn modules_are_loaded_once_and_checked() {
    let found = shown(&[
        ("main.hcl", "module \"a\" {\n source = \"./m\"\n nme = 1\n}\nmodule \"b\" {\n source = \"./m\"\n name = 1\n}\n"),
        ("m/main.hcl", "variable \"name\" {}\nbad \"x\" {}\n"),
    ]);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[0].starts_with("SF2002 m/main.hcl:2 "));
    assert!(found[1].starts_with("SF2001 main.hcl:3 "));
    assert!(found[2].starts_with("SF2003 main.hcl:1 "));
}

#[test]
fn module_cycles_and_sources() {
    let found = shown(&[
        (
            "main.hcl",
            "module \"a\" {\n source = \"./m\"\n}\nmodule \"g\" {\n source = \"git::https://h/r.git?ref=v1\"\n}\nmodule \"r\" {\n source = \"a/b/c\"\n}\nmodule \"n\" {\n source = \"./no\"\n}\n",
        ),
        ("m/main.hcl", "module \"b\" {\n source = \"../m2\"\n}\n"),
        ("m2/main.hcl", "module \"a\" {\n source = \"../m\"\n}\n"),
    ]);
    let codes: Vec<&str> = found.iter().map(|f| &f[..6]).collect();
    assert_eq!(codes, ["SF2022", "SF2024", "SF2027", "SF2021"], "{found:#?}");
    assert!(found[0].ends_with("m -> m2 -> m."), "{}", found[0]);
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The folder of a fetched repository.
fn fetched(source: &str) -> String {
    let Ok(source::ModuleSource::Git(git)) = source::parse_source(source) else { panic!("{source}") };
    format!("{}/{}", source::MODULES_DIR, git.dir(COMMIT))
}

#[test]
fn a_fetched_module_is_found() {
    let top = fetched("git::https://h/r.git");
    let lock = format!("module \"git::https://h/r.git?ref=v1\" {{\n  commit = \"{COMMIT}\"\n}}\n");
    let main = "module \"g\" {\n source = \"git::https://h/r.git//sub?ref=v1\"\n}\n";
    let (sub, other) = (format!("{top}/sub/main.hcl"), format!("{top}/other/main.hcl"));
    let inner = |source: &str| format!("locals {{ a = 1 }}\nmodule \"n\" {{\n  source = \"{source}\"\n}}\n");
    let all = |text: &str| shown(&[("main.hcl", main), (".streamform.lock.hcl", &lock), (&sub, text), (&other, ""), ("x/main.hcl", "")]);
    assert_eq!(all(&inner("../other")), Vec::<String>::new());
    // What lies outside the repository is not for a module that was fetched.
    for source in ["../../x", "../../../../x", "../.."] {
        let found = all(&inner(source));
        assert!(found[0].starts_with("SF2029") && found.len() == 1, "{found:?}");
    }
    // Locked, and not here; here, and not locked.
    for files in [vec![("main.hcl", main), (".streamform.lock.hcl", &*lock)], vec![("main.hcl", main), (&*sub, "")]] {
        assert!(shown(&files)[0].starts_with("SF2024"), "{files:?}");
    }
}

#[test]
fn a_source_with_credentials_shows_no_line() {
    let (_, diags) = one("module \"g\" { source = \"git::https://user:s3cret@h/r.git\" }\n");
    let d = diags.iter().next().unwrap();
    assert_eq!((d.code.id, d.span, d.address.as_deref()), ("SF2024", None, Some("module.g")));
    assert!(!format!("{diags:?}").contains("s3cret"));
}

#[test]
fn overrides_come_last_and_need_a_base() {
    let (config, diags) = load_files(&[
        ("a_override.hcl", "variable \"v\" { default = 2 }\nlocals { x = 2 }\nresource \"t\" \"none\" {}\n"),
        ("main.hcl", "variable \"v\" {\n default = 1\n description = \"d\"\n}\nlocals { x = 1 }\n"),
        ("skip.sftest.hcl", "nonsense"),
        (".hidden.hcl", "nonsense"),
        ("back.hcl~", "nonsense"),
    ]);
    let c = config.unwrap();
    let v = &c.root.variables["v"];
    assert_eq!(c.sources.slice(v.default.as_ref().unwrap().span), "2");
    assert_eq!(v.description.as_deref(), Some("d"));
    assert_eq!(c.sources.slice(c.root.locals["x"].span), "2");
    assert_eq!(diags.iter().map(|d| d.code.id).collect::<Vec<_>>(), ["SF2025"]);
}

#[test]
fn an_empty_folder_says_so() {
    let (config, diags) = load_files(&[("readme.md", "")]);
    assert!(config.is_none());
    assert_eq!(diags.iter().next().unwrap().code.id, "SF2020");
}
