//! docs/codes.md lists every diagnostic code. `UPDATE=1 cargo test --test codes` writes it anew.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use streamform::diag::codes;

fn page() -> String {
    let areas = [
        ("SF1", "Language"),
        ("SF2", "Configuration"),
        ("SF3", "Graph and plan"),
        ("SF4", "Apply"),
        ("SF5", "State and locks"),
        ("SF6", "Kafka"),
        ("SF7", "Kafka Connect"),
        ("SF8", "Local engine"),
        ("SF9", "Command line"),
    ];
    let mut all: Vec<_> = codes::all().collect();
    all.sort_by_key(|c| c.id);
    let mut out = String::from(
        "# Diagnostic codes\n\nEvery error and warning has one of these codes. A code is never given to anything else.\nThis page is made by a test: `UPDATE=1 cargo test --test codes`.\n",
    );
    for (prefix, name) in areas {
        let _ = write!(out, "\n## {name}\n\n| code | summary |\n|---|---|\n");
        for c in all.iter().filter(|c| c.id.starts_with(prefix)) {
            let _ = writeln!(out, "| {} | {} |", c.id, c.summary);
        }
    }
    out
}

#[test]
fn the_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/codes.md");
    let page = page();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let now = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(now == page, "docs/codes.md is stale: run UPDATE=1 cargo test --test codes");
}

#[test]
fn codes_are_unique_and_well_formed() {
    let mut seen = BTreeSet::new();
    let page = page();
    for c in codes::all() {
        assert!(seen.insert(c.id), "{} is given twice", c.id);
        assert!(c.id.len() == 6 && c.id.starts_with("SF") && c.id[2..].chars().all(|d| d.is_ascii_digit()), "{}", c.id);
        assert!(!c.summary.is_empty() && !c.summary.ends_with('.'), "{}: {:?}", c.id, c.summary);
        assert!(page.contains(c.id), "{} is of no known area", c.id);
    }
}
