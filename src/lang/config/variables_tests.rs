use super::super::{MemoryFiles, load};
use super::*;
use crate::lang::host::Still;

/// `name=value` for each variable, and the codes of all diagnostics.
fn run(files: &[(&str, &str)], cli: &[VarArg], env: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let files: MemoryFiles = files.iter().map(|(p, c)| (*p, *c)).collect();
    let (config, loaded) = load(Path::new("."), &files);
    assert!(loaded.is_empty(), "{loaded:?}");
    let mut config = config.unwrap();
    let host = Still::default();
    let cx = EvalContext::new(&host, Path::new("."), Path::new("."));
    let env = env.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    let (given, mut diags) = collect(Path::new("."), &files, cli, env, &config.root, &mut config.sources, &cx);
    let (values, more) = finish(&config.root, &given, &cx);
    diags.append(more);
    let values = values.iter().map(|(k, v)| format!("{k}={v}")).collect();
    (values, diags.iter().map(|d| format!("{:?} {}", d.severity, d.code.id)).collect())
}

fn assign(name: &str, text: &str) -> VarArg {
    VarArg::Assign { name: name.into(), text: text.into() }
}

#[test]
fn the_later_source_wins() {
    let all = [
        ("main.hcl", "variable \"v\" { default = \"default\" }\n"),
        ("streamform.tfvars", "v = \"tfvars\"\n"),
        ("streamform.tfvars.json", "{\"v\": \"json\"}"),
        ("a.auto.tfvars", "v = \"a\"\n"),
        ("b.auto.tfvars.json", "{\"v\": \"b\"}"),
        ("x.tfvars", "v = \"x\"\n"),
    ];
    let env = [("SF_VAR_v", "env"), ("SF_VAR_other", "silent")];
    let value = |n: usize, cli: &[VarArg], env| run(&all[..n], cli, env).0[0].clone();
    assert_eq!(value(1, &[], &[]), "v=\"default\"");
    assert_eq!(value(1, &[], &env), "v=\"env\"");
    assert_eq!(value(2, &[], &env), "v=\"tfvars\"");
    assert_eq!(value(3, &[], &env), "v=\"json\"");
    assert_eq!(value(4, &[], &env), "v=\"a\"");
    assert_eq!(value(5, &[], &env), "v=\"b\"");
    let file = VarArg::File("x.tfvars".into());
    assert_eq!(value(6, &[assign("v", "cli"), file.clone()], &env), "v=\"x\"");
    assert_eq!(value(6, &[file, assign("v", "cli")], &env), "v=\"cli\"");
}

#[test]
fn texts_get_the_declared_type() {
    let main = "variable \"n\" { type = number }\nvariable \"l\" { type = list(string) }\nvariable \"s\" { type = string }\nvariable \"o\" {\n type = object({ a = optional(number, 7) })\n default = {}\n}\n";
    let cli = [assign("n", "12"), assign("l", "[\"a\", 1]"), assign("s", "[1]")];
    let (values, diags) = run(&[("main.hcl", main)], &cli, &[]);
    assert!(diags.is_empty(), "{diags:?}");
    let values: String = values.join(";").split_whitespace().collect();
    assert_eq!(values.replace(",]", "]"), "l=[\"a\",\"1\"];n=12;o={\"a\"=7};s=\"[1]\"");
}

#[test]
fn what_is_wrong_is_said() {
    let main = "variable \"n\" { type = number }\nvariable \"m\" {}\nvariable \"z\" {\n nullable = false\n default = 3\n}\n";
    let files = [("main.hcl", main), ("streamform.tfvars", "undeclared = 1\nz = null\nb {}\n")];
    let (values, diags) = run(&files, &[assign("n", "x"), assign("nn", "1"), VarArg::File("no.tfvars".into())], &[]);
    assert_eq!(diags, ["Error SF2033", "Warning SF2031", "Error SF2031", "Error SF2033", "Error SF2032", "Error SF2030"]);
    assert!(values.contains(&"z=3".to_string()), "{values:?}");
}

#[test]
fn a_sensitive_variable_is_masked_also_in_errors() {
    let main = "variable \"s\" {\n type = number\n sensitive = true\n}\n";
    let files: MemoryFiles = [("main.hcl", main), ("streamform.tfvars", "s = \"hunter2\"\n")].into_iter().collect();
    let mut config = load(Path::new("."), &files).0.unwrap();
    let host = Still::default();
    let cx = EvalContext::new(&host, Path::new("."), Path::new("."));
    let (given, _) = collect(Path::new("."), &files, &[], [], &config.root, &mut config.sources, &cx);
    let (values, diags) = finish(&config.root, &given, &cx);
    assert!(values["s"].contains_sensitive());
    let shown = crate::view::diagnostics::render(&diags, &config.sources, crate::view::diagnostics::Style { color: false, width: 80 });
    assert!(shown.contains("SF2032") && !shown.contains("hunter2"), "{shown}");
}
