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
    let unmarked = syntax::without_mark(text);
    let text = unmarked.as_deref().unwrap_or(text);
    // Blanks in a last line without anything else stay.
    let content = text.trim_end_matches([' ', '\t']);
    let tail = if content.is_empty() || content.ends_with('\n') { text.len() - content.len() } else { 0 };
    let mut tokens = rewrite::rewrite(tokens::tokenize(text));
    layout::lay_out(&mut tokens);
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for token in &tokens {
        out.extend(std::iter::repeat_n(' ', token.spaces));
        out.push_str(&token.text);
    }
    out.extend(std::iter::repeat_n(' ', tail));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;

    #[test]
    fn what_is_no_configuration_is_left_alone() {
        for text in ["a = 1\r", "a = 1\n\rb = 2\n", "a = \"x\ry\"\n", "a = <<E\nx\ry\nE\n", "a = \"${\r1}\"\n", "a = [\r1]\n"] {
            assert!(format(text).is_err(), "{text:?}");
        }
        for text in ["a = [for]\n", "a = {\nfor=1\n}\n", "a = b.*.c.*\n", "a = <<E\nx\nE"] {
            assert!(format(text).is_err(), "{text}");
        }
        for text in ["a = [(for)]\n", "a = [form]\n", "a = b.*[*].c\n", "a = <<E\nx\nE\n"] {
            assert!(format(text).is_ok(), "{text}");
        }
    }

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

    /// Forms that the generator does not make.
    const ODD: &[&str] = &[
        "variable \"a\" {\n type=\"number\"\n}\nvariable b {\ntype = \"bool\"\n}\nvariable c {\ntype = \"any\"\n}\nvariable d {\n type = any\n}\n",
        "variable x {\n type = list # c\n}\nvariable y {\n type = \"list\" // d\n default = \"${1}\"\n}\n",
        "resource a /* c */ b {\n}\nresource \"a\" /* c */ \"b\" /* d */ {\n}\n",
        "a = /* c */ \"${b}\" /* d */\nbb = /* c */ 1 # e\n",
        "a = \"${b}\" # c\ncc = \"${\n  d\n}\"\ne = \"${f(\n1)}\"\n",
        "a = {\n  # c\n  b = 1 # d\n  ccc = [ # e\n    1, # f\n    22 # g\n  ]\n}\n",
        "a = x ? [ for y in z : y ... ] : { for k , v in [ 1 ] : k => - v ... }\n",
        "a = b[ - 1 ] . c [ \"d\" ] [ * ] . e\nf = (b)[0]\ng = f(1)[0]\nh = \"x\"[0]\ni = {}.a\n",
        "a {\n  b \"c\" { d = 1 }\n\n\n  e {\n  }\n  dynamic \"f\" {\n for_each = []\n content {}\n }\n}\n",
        "a = <<-EOT\n    x\n  y ${ b } %{ if c ~} d %{ endif }\n    EOT\nb = { x = <<E\nq\nE\n}\nc = [<<E\nq\nE\n, 1 ]\n",
        "a = f(<<E\nx\nE\n  , 1)\n",
        "a = \"$${b} %%{c} $ % \\\" \\n\"\nb = \"$\"\nc = \"${a}$\"\n",
        "\n\n  # only a comment\n\n/* and\n  one more */\n",
        "a = 1\r\nbb = 2 # c\r\n\r\n# d\r\nccc {\r\nx = [\r\n1\r\n]\r\n}\r\n",
        "a = 1.5e3 - 2.0E-1 * -3 / 4 % 5\nb = !a && ! b || (c)\nc = - ( 1 )\nd = a - b\ne = a -b\nf = (a) - b\n",
        "a = provider :: b :: c ( 1 )\n",
        "日本 = \"日本\"\nb = \"é\" # c\nccc = \"👩‍👩‍👧\" # d\n",
        "a = \"x\"   \n  \nb=1",
        "a = {\"b\":1,c:2,(d):3}\ne = { \"f\" = 1 , g = 2 }\n",
        "a = [{ b = 1 }, {\nc = 2 }]\nd = [[1,\n2],[3,\n4]]\n",
        "locals {\n  a = merge(\n    { x = 1 },\n    {\n      y = 2\n    }\n  )\n  bb = [\n    for x in y : {\n      z = x\n    }\n  ]\n}\n",
        "a = b ? c : d ? - 1 : ! e\nf = [for x in [1] : x]\ng = [for x in(y) : x if ! x]\nin = in [0]\n",
        "a = \"${ {} }\"\nb = \"x${ {a=1} }${ c }y\"\nd = \"${[]}\"\ne = \"${ f({}) }\"\n",
    ];

    /// Needs terraform on the path.
    #[test]
    #[ignore = "compares with terraform; run with --ignored where it is installed"]
    fn same_as_terraform() {
        let dir = tempfile::tempdir().unwrap();
        let mut runner = proptest::test_runner::TestRunner::default();
        let texts: Vec<String> = (0..1000).map(|_| file().new_tree(&mut runner).unwrap().current()).collect();
        let texts: Vec<String> = texts.into_iter().chain(ODD.iter().map(|s| s.to_string())).collect();
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
        fn any_text_survives(text in "[ -~\n\t\ré]{0,60}|([a\"\\\\${}%~<\n =E-]|<<E\n|\nE\n){0,40}") {
            layout(&text);
            duplicates(&text);
        }
    }
}
