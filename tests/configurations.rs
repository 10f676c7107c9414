//! Whole configurations, step by step, against what Terraform 1.11 does with the same ones: whether a plan is refused, what it changes, which
//! outputs and which objects are there afterwards. The answers are recorded in `golden/configurations.jsonl`, one case a line
//! (`null_resource` stands for Terraform's `terraform_data`), so no terraform is needed here.

mod common;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::Lab;
use serde_json::{Value, json};

fn strings(v: &Value) -> Vec<String> {
    v.as_array().into_iter().flatten().filter_map(|s| s.as_str().map(String::from)).collect()
}

/// A run with the step's environment.
fn run(lab: &Lab, step: &Value, command: &[&str]) -> (i32, String, String) {
    let args: Vec<String> = command.iter().map(|s| s.to_string()).chain(strings(&step["args"])).collect();
    let mut c = lab.command(&args);
    for (k, v) in step["env"].as_object().into_iter().flatten() {
        c.env(k, v.as_str().unwrap());
    }
    let out = c.output().unwrap();
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
}

fn write(lab: &Lab, files: &Value) {
    for (name, text) in files.as_object().into_iter().flatten() {
        match text {
            Value::Null => std::fs::remove_file(lab.path().join(name)).unwrap(),
            Value::String(text) => lab.write(name, text),
            json => lab.write(name, &json.to_string()),
        }
    }
}

/// `create null_resource.a`, `no-op null_resource.b from null_resource.a`: what a plan changes, sorted.
fn changes(plan: &str) -> Vec<String> {
    let plan: Value =
        plan.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()).find(|j| j.get("resource_changes").is_some()).unwrap();
    let line = |c: &Value| {
        let actions = strings(&c["change"]["actions"]).join("-");
        let from = c["previous_address"].as_str().map(|f| format!(" from {f}")).unwrap_or_default();
        let id = c["change"]["importing"]["id"].as_str().map(|i| format!(" import {i}")).unwrap_or_default();
        let said = actions != "no-op" || !from.is_empty() || !id.is_empty();
        (said && c["mode"] == "managed").then(|| format!("{actions} {}{from}{id}", c["address"].as_str().unwrap()))
    };
    let mut out: Vec<String> = plan["resource_changes"].as_array().unwrap().iter().filter_map(line).collect();
    out.sort();
    out
}

fn outputs(text: &str) -> Value {
    let all: BTreeMap<String, Value> = serde_json::from_str(text).unwrap();
    all.into_iter().map(|(k, v)| (k, json!([v["value"], v["sensitive"]]))).collect::<serde_json::Map<_, _>>().into()
}

fn state(lab: &Lab, step: &Value) -> Vec<String> {
    let bare = json!({ "env": step["env"] });
    let mut all: Vec<String> = run(lab, &bare, &["state", "list"]).1.lines().map(String::from).collect();
    all.sort();
    all
}

/// What is not as Terraform has it.
fn step(lab: &Lab, step: &Value) -> Result<(), String> {
    write(lab, &step["files"]);
    let want = &step["want"];
    let (code, plan, errors) = run(lab, step, &["plan", "-json"]);
    if (code == 0) != want["ok"] {
        return Err(format!("plan ended with {code}, and Terraform's is {want}\n{plan}{errors}"));
    }
    if code != 0 {
        return Ok(());
    }
    let found = changes(&plan);
    if found != strings(&want["changes"]) {
        return Err(format!("changes are {found:?}, and Terraform has {}", want["changes"]));
    }
    if want.get("applied").is_none() {
        return Ok(());
    }
    let (code, text, errors) = run(lab, step, &["apply", "-auto-approve"]);
    if (code == 0) != want["applied"] {
        return Err(format!("apply ended with {code}\n{text}{errors}"));
    }
    let out = run(lab, &json!({ "env": step["env"] }), &["output", "-json"]).1;
    let (out, now) = (outputs(&out), state(lab, step));
    match out == want["outputs"] && now == strings(&want["state"]) {
        true => Ok(()),
        false => Err(format!("there are {out} and {now:?}, and Terraform has {} and {}", want["outputs"], want["state"])),
    }
}

fn case(text: &str) -> Result<(), String> {
    let case: Value = serde_json::from_str(text).unwrap();
    let lab = Lab::new("");
    std::fs::remove_file(lab.path().join("main.hcl")).unwrap();
    for (i, s) in case["steps"].as_array().unwrap().iter().enumerate() {
        step(&lab, s).map_err(|e| format!("{}, step {i}: {e}", case["name"]))?;
    }
    Ok(())
}

#[test]
fn configurations_do_what_they_do_in_terraform() {
    let text = include_str!("golden/configurations.jsonl");
    let cases: Vec<&str> = text.lines().collect();
    assert!(cases.len() > 250);
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                while let Some(c) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let Err(e) = case(c) {
                        wrong.lock().unwrap().push(e);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
