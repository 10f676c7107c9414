//! The command line as a process, without any real system: what a user types, and what the screen says.

mod common;

use common::Lab;

// Bad input: each error shows its code, the place with a caret, and what to do.

#[test]
fn syntax_error() {
    let lab = Lab::new("resource \"null_resource\" \"a\" {\n  inputs = [1,\n}\n");
    let s = lab.run("validate");
    assert_eq!(
        s.text,
        "\
╷
│ Error[SF1001]: Invalid syntax
│
│   on main.hcl line 3, in resource \"null_resource\" \"a\":
│      3: }
│         ^
│
│   on main.hcl line 2, in resource \"null_resource\" \"a\" (opened here):
│      2:   inputs = [1,
│                    ^
│
│ Here '}' closes a bracket that was opened with '['.
╵
exit 1
"
    );
}

#[test]
fn unknown_block() {
    Lab::new("resorce \"null_resource\" \"a\" {}\n").fails(
        "plan",
        &[
            "Error[SF2002]: Unsupported block type",
            "on main.hcl line 1",
            "│      1: resorce \"null_resource\" \"a\" {}\n│         ^^^^^^^\n",
            "hint: Did you mean \"resource\"?",
        ],
    );
}

#[test]
fn unknown_attribute() {
    Lab::new("resource \"null_resource\" \"a\" {\n  input = 1\n}\n").fails(
        "validate",
        &[
            "│      2:   input = 1\n│           ^^^^^\n│   with null_resource.a",
            "There is no argument \"input\" here.",
            "hint: Did you mean \"inputs\"?",
        ],
    );
}

#[test]
fn unknown_function() {
    Lab::new("locals {\n  a = uper(\"x\")\n}\n").fails(
        "plan",
        &["Error[SF1021]: Unknown function", "│      2:   a = uper(\"x\")\n│               ^^^^\n", "hint: Did you mean \"upper\"?"],
    );
}

#[test]
fn unknown_resource_type() {
    Lab::new("resource \"kafka_topik\" \"a\" {}\n").fails(
        "plan",
        &["Error[SF3011]: Unknown resource type", "^^^^^^^^^^^^^\n│   with kafka_topik.a", "hint: Did you mean \"kafka_topic\"?"],
    );
}

#[test]
fn wrong_type() {
    Lab::new("resource \"null_resource\" \"a\" {\n  delay_ms = \"soon\"\n}\n").fails(
        "plan",
        &[
            "Error[SF1024]: Wrong type of value",
            "│      2:   delay_ms = \"soon\"\n│                      ^^^^^^\n",
            "\"delay_ms\": a number is required.",
        ],
    );
}

#[test]
fn missing_variable() {
    let lab = Lab::new("variable \"name\" {\n  type = string\n}\noutput \"x\" {\n  value = var.name\n}\n");
    lab.fails(
        "plan",
        &[
            "Error[SF2030]: No value for required variable",
            "variable \"name\" {\n│                  ^^^^^^\n",
            "hint: Give one by -var 'name=…', in a variable file, or as SF_VAR_name.",
        ],
    );
    lab.ok("plan -var name=a");
    lab.ok("plan --var=name=a");
}

#[test]
fn a_cycle_is_shown_whole() {
    let lab = Lab::new(
        "resource \"null_resource\" \"a\" {\n  inputs = null_resource.b.id\n}\nresource \"null_resource\" \"b\" {\n  inputs = local.c\n}\nlocals {\n  c = null_resource.a.id\n}\n",
    );
    let s = lab.fails(
        "plan",
        &["Error[SF3001]: Dependency cycle", "local.c -> null_resource.a -> null_resource.b -> local.c", "hint: Each of these needs"],
    );
    s.shows(&["main.hcl line 1,", "main.hcl line 4,", "main.hcl line 8,"]);
}

#[test]
fn duplicate_name() {
    Lab::new("resource \"null_resource\" \"a\" {}\nresource \"null_resource\" \"a\" {}\n").fails(
        "plan",
        &[
            "Error[SF2005]: Duplicate declaration",
            "on main.hcl line 2",
            "on main.hcl line 1, in resource \"null_resource\" \"a\" (first declared here)",
            "hint: Rename or remove one",
        ],
    );
}

#[test]
fn reference_to_nothing() {
    Lab::new("resource \"null_resource\" \"orders\" {}\noutput \"x\" {\n  value = null_resource.order.id\n}\n").fails(
        "plan",
        &[
            "Error[SF1010]",
            "│      3:   value = null_resource.order.id\n│                   ^^^^^^^^^^^^^^^^^^^",
            "hint: Did you mean null_resource.orders?",
        ],
    );
}

#[test]
fn reserved_connect_setting() {
    Lab::new("resource \"kafka_cluster\" \"c\" {\n  engine = \"local\"\n}\nresource \"kafka_connect\" \"c\" {\n  cluster = kafka_cluster.c\n  config = { \"group.id\" = \"x\" }\n}\n")
        .fails("plan", &["Error[SF8011]: Reserved setting", "^^^\n│   with kafka_connect.c", "\"group.id\" is set by streamform", "hint: Remove it."]);
}

#[test]
fn star_in_a_literal_acl_name_is_one_error_beside_the_unreachable_broker() {
    let lab = Lab::new(
        "data \"kafka_cluster\" \"c\" {\n  bootstrap_servers = \"127.0.0.1:1\"\n}\nresource \"kafka_acl\" \"a\" {\n  cluster   = data.kafka_cluster.c\n  principal = \"User:x\"\n  role \"consumer\" {\n    topic = \"orders-*\"\n  }\n}\n",
    );
    let s = lab.fails(
        "plan",
        &[
            "│      8:     topic = \"orders-*\"\n│                     ^^^^^^^^^^\n│   with kafka_acl.a",
            "hint: Write \"orders-\" with `pattern = \"prefixed\"`.",
            "│      1: data \"kafka_cluster\" \"c\" {\n│         ^^^^^^^^^^^^^^^^^^^^^^^^\n│   with data.kafka_cluster.c",
            "no broker answered at 127.0.0.1:1 within 15 s",
            "hint: Check that the cluster runs",
        ],
    );
    s.once("Error[SF6201]: Invalid ACL").once("Error[SF6001]: Kafka cluster is unreachable");
}

#[test]
fn unwritable_state_folder() {
    Lab::new("streamform {\n  backend \"local\" {\n    path = \"/proc/nowhere/state\"\n  }\n}\nresource \"null_resource\" \"a\" {}\n")
        .fails("apply -auto-approve", &["Error[SF5005]: State cannot be written", "/proc/nowhere/state", "hint: "]);
}

#[test]
fn bad_command_lines() {
    let lab = Lab::new("resource \"null_resource\" \"a\" {}\n");
    lab.fails("plan -var name", &["Error[SF9001]", "-var \"name\" has no value.", "hint: Write -var 'name=value'."]);
    lab.fails("plan -target=null_resource", &["Error[SF9001]", "no address"]);
    lab.fails("plan -traget=null_resource.a", &["--traget", "--target"]);
    lab.fails("apply", &["Error[SF9003]: No terminal to ask on", "hint: Give -auto-approve"]);
    lab.fails("apply nothing.plan", &["nothing.plan"]);
    lab.fails("-chdir=/nowhere plan", &["The folder /nowhere cannot be used"]);
}
