//! What a module's author calls deprecated, as its callers see it.

mod common;

use common::Lab;

const CHILD: &str = "variable \"old\" {\n  default    = 1\n  deprecated = \"Use new.\"\n}\nvariable \"new\" {\n  default = 1\n}\noutput \"old\" {\n  value      = var.old\n  deprecated = \"Use out.\"\n}\noutput \"out\" {\n  value = var.new\n}\n";

fn lab(root: &str) -> Lab {
    let lab = Lab::new(root);
    lab.write("m/main.hcl", CHILD);
    lab
}

#[test]
fn who_sets_a_deprecated_variable_is_warned() {
    let lab = lab("module \"a\" {\n  source = \"./m\"\n  old    = 2\n}\nmodule \"b\" {\n  source = \"./m\"\n  new    = 2\n}\n");
    for command in ["validate", "plan", "apply -auto-approve"] {
        lab.ok(command)
            .shows(&["Warning[SF2035]", "on main.hcl line 3", "The variable \"old\" of the module \"a\" is deprecated: Use new."])
            .once("Warning[");
    }
    // Of the root module: who gives it a value.
    lab.write("main.hcl", CHILD);
    lab.ok("plan").hides(&["Warning["]);
    lab.ok("plan -var old=2").shows(&["The variable \"old\" is deprecated: Use new."]).once("Warning[");
}

#[test]
fn who_refers_to_a_deprecated_output_is_warned() {
    let lab = lab(
        "module \"a\" {\n  source = \"./m\"\n}\nmodule \"b\" {\n  source = \"./m\"\n  for_each = toset([\"x\"])\n}\nlocals {\n  one = module.a.old\n  all = [for k, v in module.b : v.out]\n}\noutput \"x\" {\n  value = \"${module.b[\"x\"].old} ${module.b[local.one == 1 ? \"x\" : \"y\"].old} ${module.a.out}\"\n}\noutput \"splat\" {\n  value = values(module.b)[*].out\n}\n",
    );
    let s = lab.ok("plan");
    s.shows(&["on main.hcl line 9", "on main.hcl line 13", "The output \"old\" of the module \"a\" is deprecated: Use out."]);
    assert_eq!(s.text.matches("Warning[SF2035]").count(), 3, "{}", s.text);
    lab.write("main.hcl", "module \"a\" {\n  source = \"./m\"\n}\noutput \"o\" {\n  value = module.a.out\n}\n");
    lab.ok("plan").hides(&["Warning["]);
    // Once, however often the module that refers to it is called.
    lab.write("n/main.hcl", "module \"a\" {\n  source = \"../m\"\n}\noutput \"o\" {\n  value = module.a.old\n}\n");
    lab.write("main.hcl", "module \"x\" {\n  source = \"./n\"\n}\nmodule \"y\" {\n  source = \"./n\"\n}\n");
    lab.ok("plan").once("Warning[SF2035]");
}

#[test]
fn a_deprecation_says_what_to_use() {
    let lab = lab("");
    for kind in ["variable \"a\" {", "output \"a\" {\n  value = 1"] {
        lab.write("main.hcl", &format!("{kind}\n  deprecated = \" \"\n}}\n"));
        lab.fails("validate", &["SF2007", "must say what to use instead"]);
    }
}
