//! The formatter: the canonical layout of configuration text, the same as `terraform fmt`'s, byte for byte.
//!
//! It works on tokens, so that nothing that a person wrote gets lost: [`tokens`] takes the text apart, [`rewrite`] modernises a few
//! forms, [`layout`] decides on spaces. Line breaks are never added or removed, apart from those around an unwrapped `"${ … }"`.

mod duplicates;
mod layout;
mod rewrite;
mod tokens;

pub use duplicates::{Duplicate, duplicates};

use crate::diag::{Diagnostics, SourceId};
use crate::lang::syntax;

/// The text in canonical layout. Formatting twice is formatting once, and the meaning never changes.
///
/// # Errors
/// The text is not HCL; spans refer to source 0.
pub fn format(text: &str) -> Result<String, Diagnostics> {
    let (body, diags) = syntax::parse_body(text, SourceId(0));
    if body.is_none() || diags.has_errors() {
        return Err(diags);
    }
    Ok(layout(text))
}

fn layout(text: &str) -> String {
    let mut tokens = rewrite::rewrite(tokens::tokenize(text));
    layout::lay_out(&mut tokens);
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for token in &tokens {
        out.extend(std::iter::repeat_n(' ', token.spaces));
        out.push_str(&token.text);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;

    #[test]
    fn golden_pairs() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fmt");
        let mut pairs = 0;
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.to_string_lossy().into_owned();
            let Some(stem) = name.strip_suffix(".in.tf") else { continue };
            let (text, want) = (std::fs::read_to_string(&path).unwrap(), std::fs::read_to_string(format!("{stem}.out.tf")).unwrap());
            let got = format(&text).unwrap_or_else(|d| panic!("{stem}: {d:?}"));
            assert_eq!(got, want, "{stem}");
            assert_eq!(format(&got).unwrap(), got, "{stem} twice");
            pairs += 1;
        }
        assert!(pairs >= 13, "only {pairs} pairs found");
    }

    #[test]
    fn what_is_no_hcl_is_refused() {
        assert!(format("a = [").unwrap_err().has_errors());
        assert!(format("a b c").is_err());
    }

    /// Expressions in untidy layout.
    fn expr() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("1".to_string()),
            Just("-  x".to_string()),
            Just("var . a".to_string()),
            Just("\"s${ a }t\"".to_string()),
            Just("\"${ b }\"".to_string()),
            Just("{ }".to_string()),
            Just("\"%{ if a }x%{endif}\"".to_string()),
        ];
        leaf.prop_recursive(4, 24, 3, |e| {
            prop_oneof![
                (e.clone(), e.clone()).prop_map(|(a, b)| format!("[{a},{b}]")),
                (e.clone(), e.clone()).prop_map(|(a, b)| format!("f( {a},\n {b} )")),
                (e.clone(), e.clone()).prop_map(|(a, b)| format!("{a}  -{b}")),
                (e.clone(), e.clone(), e.clone()).prop_map(|(a, b, c)| format!("({a}?{b}\n:{c})")),
                (e.clone(), e.clone()).prop_map(|(a, b)| format!("{{x={a}\nlonger  = {b} # c\n}}")),
                e.clone().prop_map(|a| format!("[for k,v in {a}:\n v if k!=1]")),
                // Not "${"${x}"}": Terraform unwraps one layer each time.
                e.prop_map(|a| format!("\"s${{{a}}}\"")),
            ]
        })
    }

    fn file() -> impl Strategy<Value = String> {
        prop::collection::vec((expr(), 0..5usize), 1..5).prop_map(|items| {
            let mut text = String::new();
            for (i, (e, form)) in items.into_iter().enumerate() {
                text += &match form {
                    0 => format!("a{i} = {e}\n"),
                    1 => format!("  longer_name_{i}={e} // c\n"),
                    2 => format!("b{i} x  \"y\"{{\n a={e}\nbb = 1 # c\n}}\n"),
                    3 => format!("\n# c\nh{i} = <<EOT\n  t ${{ {e} }}\nEOT\n"),
                    _ => format!("b{i} {{ a={e} }}\n"),
                };
            }
            text
        })
    }

    /// Needs terraform on the path.
    #[test]
    #[ignore = "compares with terraform; run with --ignored where it is installed"]
    fn same_as_terraform() {
        let dir = tempfile::tempdir().unwrap();
        let mut runner = proptest::test_runner::TestRunner::default();
        let texts: Vec<String> = (0..1000).map(|_| file().new_tree(&mut runner).unwrap().current()).collect();
        for (i, text) in texts.iter().enumerate() {
            std::fs::write(dir.path().join(format!("{i}.tf")), text).unwrap();
        }
        std::process::Command::new("terraform").arg("fmt").arg(dir.path()).output().unwrap();
        let mut wrong = 0;
        for (i, text) in texts.iter().enumerate() {
            let want = std::fs::read_to_string(dir.path().join(format!("{i}.tf"))).unwrap();
            let got = format(text);
            if got.as_ref().ok() != Some(&want) && !(got.is_err() && want == *text) {
                wrong += 1;
                println!("=== in\n{text}=== want\n{want}=== got\n{}", got.unwrap_or_else(|d| format!("{d:?}")));
            }
        }
        assert_eq!(wrong, 0, "of {}", texts.len());
    }

    proptest! {
        #[test]
        fn twice_is_once(text in file()) {
            if let Ok(once) = format(&text) {
                prop_assert_eq!(format(&once).unwrap(), once);
            }
        }

        #[test]
        fn any_text_survives(text in "[ -~\n\t]{0,60}") {
            layout(&text);
        }
    }
}
