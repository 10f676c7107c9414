//! Canaries: a sensitive text in every place of every schema, once where it belongs and once where it is wrong, and nowhere to be found
//! afterwards: not on the screen, not in a file, not with a child process. A new type is covered without a line here.

mod common;

use std::os::unix::fs::PermissionsExt;

use common::Lab;
use streamform::addr::Mode;
use streamform::resource::{providers, registry};
use streamform::schema::{AttrType, Attribute, Body, NestedBlock, Nesting, Set};
use streamform::value::Type;

/// The text that must not be seen. It is too long to stand anywhere by chance.
const CANARY: &str = "xyzzy-canary-3141592653";

/// One place in a body: the blocks that lead to it, and the attribute.
struct Place<'s> {
    blocks: Vec<&'s NestedBlock>,
    attribute: &'s Attribute,
}

fn places<'s>(body: &'s Body, blocks: &[&'s NestedBlock], out: &mut Vec<Place<'s>>) {
    let settable = body.attributes.iter().filter(|a| a.set != Set::Computed);
    out.extend(settable.map(|attribute| Place { blocks: blocks.to_vec(), attribute }));
    for block in &body.blocks {
        places(&block.body, &[blocks, &[block]].concat(), out);
    }
}

/// The canary as a value of this type; `None` where no value of it holds a text.
fn fitting(ty: &AttrType) -> Option<String> {
    let AttrType::Value(ty) = ty else { return None };
    text_in(ty)
}

fn text_in(ty: &Type) -> Option<String> {
    Some(match ty {
        Type::String | Type::Dynamic => "var.p".to_string(),
        Type::List(inner) | Type::Set(inner) => format!("[{}]", text_in(inner)?),
        Type::Map(inner) => format!("{{ \"some.key\" = {} }}", text_in(inner)?),
        _ => return None,
    })
}

/// Wrong forms of the canary for any argument.
const WRONG: [&str; 4] = ["\"a/ b\\n${var.p}:\"", "{ (var.p) = \"x\" }", "[{ a = var.p }]", "\"none/${var.p}\""];

/// A value that an argument takes, where it must have one.
fn placeholder(ty: &AttrType) -> String {
    match ty {
        AttrType::Ref(types) => format!("{}.base", types[0]),
        AttrType::Value(Type::Number) => "1".into(),
        AttrType::Value(Type::Bool) => "true".into(),
        AttrType::Value(Type::List(_) | Type::Set(_)) => "[\"User:x\"]".into(),
        AttrType::Value(Type::Map(_)) => "{}".into(),
        AttrType::Value(_) => "\"x\"".into(),
    }
}

/// A body with what it must have, and this value at a place.
fn body(of: &Body, blocks: &[&NestedBlock], name: &str, value: &str) -> String {
    let here = blocks.is_empty();
    let required = of.attributes.iter().filter(|a| a.set == Set::Required && !(here && a.name == name));
    let mut out: String = required.map(|a| format!("{} = {}\n", a.name, placeholder(&a.ty))).collect();
    match blocks.split_first() {
        None if name.is_empty() => {}
        None => out += &format!("{name} = {value}\n"),
        Some((block, rest)) => {
            let label = match block.nesting {
                Nesting::Map | Nesting::List { label: Some(_) } => " \"label\"",
                _ => "",
            };
            // The attribute that is the label is written as one.
            let inner = match &block.nesting {
                Nesting::List { label: Some(l) } if rest.is_empty() && *l == name => String::new(),
                _ => body(&block.body, rest, name, value),
            };
            out += &format!("{}{label} {{\n{inner}}}\n", block.name);
        }
    }
    out
}

/// The blocks that others refer to.
fn bases(types: &[&str]) -> String {
    let mut out = String::new();
    let mut open: Vec<&str> = types.to_vec();
    let mut seen = std::collections::BTreeSet::new();
    while let Some(name) = open.pop() {
        if !seen.insert(name.to_string()) {
            continue;
        }
        let schema = registry::find(Mode::Managed, name).unwrap().schema();
        out += &format!("resource \"{name}\" \"base\" {{\n{}}}\n", body(&schema.body, &[], "", ""));
        open.extend(references(&schema.body));
    }
    out
}

fn references(body: &Body) -> Vec<&'static str> {
    let required = body.attributes.iter().filter(|a| a.set == Set::Required);
    required.filter_map(|a| if let AttrType::Ref(types) = &a.ty { Some(types[0]) } else { None }).collect()
}

/// Programs in front of the real ones that write down what they are given.
fn witnesses(lab: &Lab) -> std::path::PathBuf {
    let dir = lab.path().join("bin");
    for program in ["java", "mvn", "git", "keytool"] {
        lab.write(
            &format!("bin/{program}"),
            &format!("#!/bin/sh\n{{ env; echo \"$@\"; }} >>'{}/witnessed'\nexec /usr/bin/{program} \"$@\"\n", lab.path().display()),
        );
        std::fs::set_permissions(dir.join(program), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    dir
}

/// Runs these commands on a configuration. Gives the places where the canary was seen.
fn seen(config: &str, commands: &[&str]) -> Vec<String> {
    let lab = Lab::new(&format!("variable \"p\" {{\n  sensitive = true\n}}\n{config}"));
    let path = format!("{}:/usr/bin:/bin", witnesses(&lab).display());
    let mut out = Vec::new();
    for line in commands {
        let mut command = lab.command(line.split_whitespace());
        if line.starts_with("validate") {
            // It takes no values from the environment.
            command.args(["-var", &format!("p={CANARY}")]);
        }
        // The jars of this user's cache: without them each plan would ask Maven.
        let home = std::env::var_os("HOME").unwrap_or_default();
        let s = common::screen(&command.env("SF_VAR_p", CANARY).env("PATH", &path).env("HOME", home).output().unwrap());
        if s.text.contains(CANARY) {
            let said: Vec<&str> = s.text.lines().filter(|l| l.contains(CANARY)).collect();
            out.push(format!("{line} says: {}", said.join(" / ")));
        }
        assert!(!s.text.contains("panicked"), "{config}\n{}", s.text);
        if s.code == 1 {
            break;
        }
    }
    let is_own = |path: &std::path::Path| path.starts_with(lab.path().join(".streamform/secrets"));
    for (path, bytes) in lab.files() {
        if !is_own(&path) && bytes.windows(CANARY.len()).any(|w| w == CANARY.as_bytes()) {
            out.push(format!("it stands in {}", path.strip_prefix(lab.path()).unwrap().display()));
        }
    }
    out
}

/// All cases of one body: the configuration around it by a function, and what it is.
fn cases(schema: &Body, around: &dyn Fn(&str) -> String, of: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    places(schema, &[], &mut all);
    let mut out = Vec::new();
    for place in &all {
        let name = place.attribute.name;
        let path: Vec<&str> = place.blocks.iter().map(|b| b.name).chain([name]).collect();
        let wrong = WRONG.iter().map(ToString::to_string);
        for value in fitting(&place.attribute.ty).into_iter().chain(wrong) {
            let config = around(&body(schema, &place.blocks, name, &value));
            out.push((format!("{of} {} = {value}", path.join(".")), config));
        }
    }
    out
}

fn assert_unseen(cases: Vec<(String, String)>, commands: &[&str]) {
    assert!(!cases.is_empty());
    let next = std::sync::atomic::AtomicUsize::new(0);
    let found = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                while let Some((of, config)) = cases.get(next.fetch_add(1, std::sync::atomic::Ordering::SeqCst)) {
                    found.lock().unwrap().extend(seen(config, commands).into_iter().map(|w| format!("{of}: {w}")));
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    assert!(found.is_empty(), "{} of {} cases:\n{}", found.len(), cases.len(), found.join("\n"));
}

fn of_types(mode: Mode, wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let word = if mode == Mode::Data { "data" } else { "resource" };
    let types = registry::ALL.iter().filter(|(m, name, _)| *m == mode && wanted(name));
    let each = types.flat_map(|(_, name, resource)| {
        let schema = &resource.schema().body;
        let around = |inner: &str| format!("{}{word} \"{name}\" \"t\" {{\n{inner}}}\n", bases(&references(schema)));
        cases(schema, &around, name)
    });
    each.collect()
}

/// Types that need no server: their whole lives.
fn is_alone(name: &str) -> bool {
    matches!(name, "null_resource" | "secret")
}

#[test]
fn no_argument_of_a_type_without_a_server_is_seen() {
    let life = [
        "validate -json",
        "plan -out=p.plan",
        "show p.plan",
        "show -json p.plan",
        "apply p.plan",
        "apply -auto-approve -json",
        "plan -json",
        "show",
        "show -json",
        "state export",
        "drift",
        "destroy -auto-approve",
    ];
    assert_unseen(of_types(Mode::Managed, is_alone), &life);
}

#[test]
fn no_argument_of_a_type_is_seen_in_its_plan() {
    let plan = ["validate", "plan -out=p.plan", "show -json p.plan"];
    assert_unseen(of_types(Mode::Managed, |name| !is_alone(name)), &plan);
}

#[test]
fn no_argument_of_a_data_source_is_seen() {
    assert_unseen(of_types(Mode::Data, |_| true), &["validate", "validate -json"]);
}

#[test]
fn no_setting_of_a_provider_is_seen() {
    let all = providers::all().iter().flat_map(|p| {
        let around = |inner: &str| format!("provider \"{}\" {{\n{inner}}}\nresource \"null_resource\" \"a\" {{}}\n", p.name);
        let mut places_of = Vec::new();
        places(&p.settings, &[], &mut places_of);
        if places_of.is_empty() { vec![] } else { cases(&p.settings, &around, p.name) }
    });
    assert_unseen(all.collect(), &["validate", "plan", "plan -json"]);
}

/// Variables, outputs, locals, imports, conditions: places that no schema has.
#[test]
fn no_other_place_of_a_configuration_is_seen() {
    let all = [
        "output \"o\" {\n  value = var.p\n}\n",
        "output \"o\" {\n  value     = var.p\n  sensitive = true\n}\n",
        "output \"o\" {\n  value     = { a = [var.p] }\n  sensitive = true\n}\n",
        "variable \"n\" {\n  type    = number\n  default = 1\n}\noutput \"o\" {\n  value = var.n + var.p\n}\n",
        "locals {\n  a = tonumber(var.p)\n}\noutput \"o\" {\n  value = local.a\n}\n",
        "import {\n  to = secret.s\n  id = var.p\n}\nresource \"secret\" \"s\" {\n  name = \"s\"\n}\n",
        "import {\n  to = secret.s\n  id = \"a/${var.p}\"\n}\nresource \"secret\" \"s\" {}\n",
        "resource \"null_resource\" \"a\" {\n  lifecycle {\n    precondition {\n      condition     = var.p == \"\"\n      error_message = \"It is ${var.p}.\"\n    }\n  }\n}\n",
        "check \"c\" {\n  assert {\n    condition     = var.p == \"\"\n    error_message = \"It is ${var.p}.\"\n  }\n}\n",
        "resource \"null_resource\" \"a\" {\n  for_each = toset([var.p])\n}\n",
        "resource \"null_resource\" \"a\" {\n  count = var.p\n}\n",
        "resource \"null_resource\" \"a\" {\n  inputs = file(var.p)\n}\n",
        "resource \"null_resource\" \"a\" {\n  inputs = jsondecode(\"[${var.p}\")\n}\n",
        "resource \"null_resource\" \"a\" {\n  inputs = templatefile(\"t.tpl\", { a = var.p })\n}\n",
        "resource \"null_resource\" \"a\" {\n  fail = \"no: ${var.p}\"\n}\n",
        "resource \"null_resource\" \"a\" {\n  fail = \"no: ${base64encode(\"x\")}${var.p}\"\n}\n",
        "module \"m\" {\n  source = \"./none/${var.p}\"\n}\n",
        "streamform {\n  backend \"local\" {\n    path = var.p\n  }\n}\n",
    ];
    let cases = all.iter().map(|c| ((*c).to_string(), (*c).to_string())).collect();
    assert_unseen(
        cases,
        &[
            "validate",
            "validate -json",
            "plan -out=p.plan",
            "show -json p.plan",
            "apply p.plan",
            "apply -auto-approve -json",
            "output",
            "show",
            "state export",
            "console",
        ],
    );
}

/// Maven and git need the user's environment, but not the variables of the configuration.
#[test]
fn children_do_not_inherit_variables() {
    let lab = Lab::new(
        "variable \"p\" {\n  sensitive = true\n}\nmodule \"m\" {\n  source = \"git::file:///nowhere/none.git\"\n}\nresource \"kafka_cluster\" \"c\" {}\n",
    );
    let path = format!("{}:/usr/bin:/bin", witnesses(&lab).display());
    lab.write("bin/mvn", &format!("#!/bin/sh\nenv >>'{}/witnessed'\nexit 1\n", lab.path().display()));
    let run = |line: &str| lab.command(line.split_whitespace()).env("SF_VAR_p", CANARY).env("PATH", &path).output().unwrap();
    run("init");
    lab.write("main.hcl", "variable \"p\" {\n  sensitive = true\n}\nresource \"kafka_cluster\" \"c\" {}\n");
    run("plan");
    let witnessed = lab.read("witnessed");
    assert!(witnessed.matches("PATH=").count() >= 2, "git and Maven were called: {witnessed}");
    assert!(!witnessed.contains(CANARY) && !witnessed.contains("SF_VAR_"));
}

/// The texts of variable files may be anything: no line of them is shown (G5).
#[test]
fn no_line_of_a_variable_file_is_seen() {
    for (name, text) in [
        ("x.auto.tfvars", format!("undeclared = \"{CANARY}\"\n")),
        ("x.auto.tfvars.json", format!("{{\"undeclared\": \"{CANARY}\"}}\n")),
        ("x.auto.tfvars", format!("p = {CANARY}(\"a\")\n")),
        ("x.auto.tfvars", format!("p = \"a\" \"{CANARY}\"\n")),
        ("x.auto.tfvars", format!("n = \"{CANARY}\"\n")),
        ("x.auto.tfvars.json", format!("{{\"n\": {{\"{CANARY}\": 1}}}}\n")),
    ] {
        let lab = Lab::new(
            "variable \"p\" {\n  default = 1\n}\nvariable \"n\" {\n  type    = number\n  default = 1\n  sensitive = true\n}\nresource \"null_resource\" \"a\" {}\n",
        );
        lab.write(name, &text);
        for command in ["validate", "plan", "plan -json"] {
            let s = lab.run(command);
            assert!(!s.text.contains(CANARY), "{name}: {text}{}", s.text);
        }
    }
}
