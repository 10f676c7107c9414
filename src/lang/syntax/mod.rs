//! From text to the syntax tree: hcl-edit parses, this module makes [`crate::lang::ast`] of it.
//!
//! A scan over the text comes first ([`scan`]): it finds what the parser would report badly or not at all (unterminated
//! strings and heredocs, unbalanced brackets, text nested too deep). Then hcl-edit parses, and [`convert`] takes numbers,
//! template literals and heredocs from the source text, so that nothing is lost on the way. No evaluation here.

mod convert;
mod scan;
mod template;

use hcl_edit::Span as _;
use scan::Form;

use crate::diag::codes::lang::SYNTAX;
use crate::diag::excerpt::hidden;
use crate::diag::{Diagnostic, Diagnostics, SourceId, Span};
use crate::lang::ast::{Body, Expr, ExprKind, TemplatePart};

/// Texts above this size (in bytes) are refused: spans are 32 bits, and no configuration is that large.
const MAX_TEXT: usize = 256 << 20;

/// Parses a file's content. On a syntax error the body is `None`.
pub fn parse_body(text: &str, source: SourceId) -> (Option<Body>, Diagnostics) {
    parse(text, source, Form::Body, |text, cx| match hcl_edit::parser::parse_body(text) {
        Ok(body) => Ok(cx.body(&body, 0..text.len())),
        Err(e) => Err(syntax_error(&e, text, source)),
    })
}

/// Parses one expression.
pub fn parse_expr(text: &str, source: SourceId) -> (Option<Expr>, Diagnostics) {
    parse(text, source, Form::Expr, |text, cx| {
        let trimmed = text.trim_end();
        let start = trimmed.len() - trimmed.trim_start().len();
        // Leading blank text is kept out of the parser's way but in the spans.
        match hcl_edit::parser::parse_expr(&trimmed[start..]) {
            Ok(expr) => Ok(cx.shifted(start).expr(&expr)),
            Err(e) => {
                let mut d = syntax_error(&e, &trimmed[start..], source);
                if let Some(s) = &mut d.span {
                    s.start += start as u32;
                    s.end += start as u32;
                }
                Err(d)
            }
        }
    })
}

/// Whether more lines can make an expression of this text: a bracket, a template sequence or a heredoc is open at its end.
pub fn is_open(text: &str) -> bool {
    scan::is_open(text)
}

/// Parses a whole text as a template (the content of a template file).
pub fn parse_template(text: &str, source: SourceId) -> (Option<Expr>, Diagnostics) {
    parse(text, source, Form::Template, |text, cx| match hcl_edit::parser::parse_template(text) {
        Ok(t) => {
            let span = t.span().unwrap_or(0..text.len());
            Ok(template_expr(cx.template(&t, template::Mode::Bare), cx.span(Some(span))))
        }
        Err(e) => Err(syntax_error(&e, text, source)),
    })
}

/// A template of one interpolation keeps the type of its value, one of text only is a string.
fn template_expr(parts: Vec<TemplatePart>, span: Span) -> Expr {
    let kind = match &parts[..] {
        [] => ExprKind::String("".into()),
        [TemplatePart::Literal(s)] => ExprKind::String(s.clone()),
        _ => ExprKind::Template(parts),
    };
    Expr { kind: kind.into(), span }
}

fn parse<T>(
    text: &str,
    source: SourceId,
    form: Form,
    run: impl FnOnce(&str, &mut convert::Context<'_>) -> Result<T, Diagnostic>,
) -> (Option<T>, Diagnostics) {
    let mut diags = Diagnostics::new();
    if text.len() > MAX_TEXT {
        diags.push(Diagnostic::error(SYNTAX, "The text is larger than 256 MiB."));
        return (None, diags);
    }
    let marked = (form == Form::Body).then(|| without_mark(text)).flatten();
    let text = marked.as_deref().unwrap_or(text);
    let hidden = match scan::check(text, source, form) {
        Ok(hidden) => hidden,
        Err(d) => {
            diags.push(d);
            return (None, diags);
        }
    };
    let (seen, continued) = (hidden.apply(text), hidden.continued);
    let mut cx = convert::Context::new(text, source, hidden.into_parts());
    match run(&seen, &mut cx) {
        Ok(tree) => {
            if let Some(at) = continued {
                let span = Span { source, start: at as u32, end: at as u32 + 1 };
                let d = Diagnostic::error(SYNTAX, "Outside of brackets an expression ends where its line ends.").at(span);
                diags.push(d.hint("Put the whole expression in parentheses to write it over several lines."));
                return (None, diags);
            }
            let found = cx.into_diagnostics();
            let failed = found.has_errors();
            diags.append(found);
            (if failed { None } else { Some(tree) }, diags)
        }
        Err(d) => {
            diags.push(d);
            (None, diags)
        }
    }
}

/// A text that starts with a byte order mark, with as many blanks in place of it.
pub(crate) fn without_mark(text: &str) -> Option<String> {
    text.strip_prefix('\u{feff}').map(|rest| format!("   {rest}"))
}

/// What stands before an expression, longer ones first.
const OPERATORS: [&str; 15] = ["==", "!=", "<=", ">=", "&&", "||", "+", "-", "*", "/", "%", "<", ">", "!", "="];

/// The operator that lacks its right side, for an error at `start`: the parser stops behind it, or goes back to where it stands.
fn operator_at(text: &str, start: usize) -> Option<&'static str> {
    // Not in the middle of one of two characters.
    let middle = text[..start].ends_with(['=', '!', '<', '>']) && text[start..].starts_with('=');
    let start = if middle { start + 1 } else { start };
    let (before, rest) = (text[..start].trim_end(), text[start..].trim_start_matches([' ', '\t']));
    // An operand that is there is not what is missing.
    let lacks = |rest: &str| !rest.trim_start_matches([' ', '\t']).starts_with(|c: char| c.is_alphanumeric() || "\"_([{-!<".contains(c));
    let behind = || OPERATORS.into_iter().find(|o| before.ends_with(o)).filter(|_| !before.ends_with("=>") && lacks(rest));
    let ahead = || OPERATORS.into_iter().find(|o| rest.starts_with(o)).filter(|o| *o != "=" && *o != "!" && lacks(&rest[o.len()..]));
    behind().or_else(ahead)
}

/// The parser's complaint in our words.
fn syntax_error(e: &hcl_edit::parser::Error, text: &str, source: SourceId) -> Diagnostic {
    // The parser may stop in the middle of a character.
    let offset = e.location().offset().min(text.len());
    let start = (0..=offset).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let rest = text.get(start..).unwrap_or("");
    let len = rest.chars().next().map_or(0, char::len_utf8);
    let span = Span { source, start: start as u32, end: (start + len) as u32 };
    let found = match rest.chars().next() {
        None => "the end of the text".to_string(),
        Some('\n' | '\r') => "the end of the line".to_string(),
        Some(c) => {
            // A part of a string may be a part of a password.
            let line = text[..start].rfind('\n').map_or(0, |i| i + 1)..text[start..].find('\n').map_or(text.len(), |i| start + i);
            let hidden = hidden(text, line.clone());
            let is_hidden = |i: usize| hidden.iter().any(|h| h.contains(&(i - line.start)));
            let word = rest.char_indices().take_while(|(i, c)| !c.is_whitespace() && !is_hidden(start + i)).map(|(_, c)| c);
            match word.take(20).collect::<String>() {
                none if none.is_empty() && is_hidden(start) => "this text".to_string(),
                none if none.is_empty() => format!("{c:?}"),
                word => format!("{word:?}"),
            }
        }
    };
    let detail = match operator_at(text, start) {
        Some(operator) => format!("Behind {operator:?} an expression is expected."),
        None => format!("At {found}: {}.", e.message().replace("; ", ", ")),
    };
    let d = Diagnostic::error(SYNTAX, detail).at(span);
    match advice(text, start) {
        Some(hint) => d.hint(hint),
        None => d,
    }
}

/// The rule that is broken by most who write a block on one line.
const ONE_LINE: &str =
    "A block on one line holds one argument and no further block: put each on a line of its own, and the closing brace too.";

/// Whether a line so far is a block whose brace it has opened and not closed.
fn in_one_line_block(before: &str) -> bool {
    let header = before.split('{').next().unwrap_or("");
    before.contains('{') && !header.contains('=') && before.matches('{').count() > before.matches('}').count()
}

/// What people mean who write this in a place where it cannot stand.
fn advice(text: &str, at: usize) -> Option<&'static str> {
    let line = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let before = text[line..at].trim();
    let rest = text[at..].lines().next().unwrap_or("");
    let Some(first) = rest.chars().next() else { return in_one_line_block(before).then_some(ONE_LINE) };
    match first {
        '\'' => Some("Text is written in double quotes."),
        ':' if before.chars().all(|c| c.is_alphanumeric() || c == '_') => Some("An argument is written with an equals sign: name = value."),
        '"' if before.is_empty() && rest.contains('=') => Some(
            "The name of an argument is written without quotes. If this is a map, an equals sign stands before its brace: name = { … }.",
        ),
        '“' | '”' | '„' | '‘' | '’' | '«' => Some("Text is written in straight double quotes."),
        '}' if !before.is_empty() && !before.contains('{') => {
            Some("A block that does not stand on one line has its closing brace on a line of its own.")
        }
        '{' | '"' if in_one_line_block(before) => Some(ONE_LINE),
        ';' => Some("Arguments stand on lines of their own."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expr(text: &str) -> Option<Expr> {
        parse_expr(text, SourceId(0)).0
    }

    #[test]
    fn spans_and_numbers_are_exact() {
        let e = expr("  foo(1.10)").unwrap();
        assert_eq!((e.span.start, e.span.end), (2, 11));
        let e = expr("123456789012345678901234567890").unwrap();
        assert!(matches!(&*e.kind, ExprKind::Number(n) if n.to_string() == "123456789012345678901234567890"));
    }

    #[test]
    fn what_hcl_refuses_is_refused() {
        for bad in ["\"a\nb\"", "(1", "[1", "<<EOT\nabc\n", "1_000", ".5", "{a = 1 b = 2}", "\"${a\"", "\"%{if true}x%{endfor}\""] {
            let (e, d) = parse_expr(bad, SourceId(0));
            assert!(e.is_none() && d.has_errors(), "{bad}");
        }
    }

    #[test]
    fn an_expression_does_not_go_on_in_the_next_line() {
        for term in ["[1]", "f()", "[for x in y : x]", "-[1]"] {
            for rest in
                ["\n== 1", "\n+ 1", "\n? 1 : 2", "\n[0]", "\n.x", "\n[*]", " == \n1", " ? \n1 : 2", " ? 1 \n: 2", " ? x :\ny", " # c\n+ 1"]
            {
                let text = format!("b {{\n  l = {term}{rest}\n}}\n");
                assert!(parse_body(&text, SourceId(0)).0.is_none(), "{text}");
                let text = format!("b {{\n  l = ({term}{rest})\n  m = {{\n a = ({term}{rest})\n }}\n}}\n");
                assert!(parse_body(&text, SourceId(0)).0.is_some(), "{text}");
            }
        }
        for text in ["a = b.*\nc = 1\n", "a = [1]\n/* x */\n// y\nc = 1\n", "a = <<E\nx\nE\nc = 1\n", "a = b[*]\n\n"] {
            assert!(parse_body(text, SourceId(0)).0.is_some(), "{text}");
        }
    }

    #[test]
    fn what_a_sequence_stands_behind_may_end_inside_a_character() {
        assert!(parse_body("\u{7c8}<<\u{7c8}\n${o", SourceId(0)).0.is_none());
    }

    #[test]
    fn what_people_write_instead_gets_advice() {
        for (text, word) in [
            ("a {\n  b = 1 }\n", "closing brace on a line of its own"),
            ("a { b { } }\n", "one argument and no further block"),
            ("a { b \"c\" { } }\n", "one argument and no further block"),
            ("a { b = 1\n}\n", "one argument and no further block"),
            ("a = “x”\n", "straight double quotes"),
        ] {
            let hint = parse_body(text, SourceId(0)).1.iter().find_map(|d| d.hint.clone()).unwrap_or_default();
            assert!(hint.contains(word), "{text}: {hint}");
        }
    }

    /// A8: every form that Kafka Connect and log formats have, in strings, heredocs and template files.
    #[test]
    fn placeholders_of_other_programs_get_a_word() {
        for (bad, hint) in [
            ("${file:/etc/c.properties:key}", "$${file:…}"),
            ("${env:X}", "$${env:…}"),
            ("${secrets:ns/name:key}", "$${secrets:…}"),
            ("${my-vault.v2:a}", "$${my-vault.v2:…}"),
            ("%{host}", "%%{host…}"),
            ("%{http.status}", "%%{http.status…}"),
        ] {
            for text in [format!("\"{bad}\""), format!("\"a {bad} b\""), format!("<<E\nx {bad}\nE\n"), format!("[\"${{\"{bad}\"}}\"]")] {
                let (_, d) = parse_expr(&text, SourceId(0));
                let d: Vec<_> = d.into_iter().collect();
                assert_eq!(d.len(), 1, "{text}: {d:?}");
                assert!(d[0].code == SYNTAX && d[0].hint.as_ref().is_some_and(|h| h.contains(hint)), "{text}: {d:?}");
                assert_eq!(d[0].span.map(|s| &text[s.start as usize..s.start as usize + 2]), Some(&bad[..2]), "{text}");
            }
            let doubled = format!("\"{}{bad}\"", &bad[..1]);
            assert!(parse_expr(&doubled, SourceId(0)).1.is_empty(), "{doubled}");
            assert!(!parse_template(bad, SourceId(0)).1.is_empty(), "{bad}");
        }
        for good in [
            "${a ? b : c}",
            "${ns::f(1)}",
            "${{for k, v in x : k => v}}",
            "%{if a}x%{else}y%{endif}",
            "%{ for x in y ~}z%{~ endfor }",
            "100%",
        ] {
            assert!(parse_expr(&format!("\"{good}\""), SourceId(0)).1.is_empty(), "{good}");
        }
    }

    #[test]
    fn deep_nesting_is_an_error() {
        for (open, close) in [("(", ")"), ("[", "]"), ("-", ""), ("!", ""), ("\"${", "}\""), ("{a=", "}")] {
            let text = format!("{}1{}", open.repeat(20_000), close.repeat(20_000));
            assert!(parse_expr(&text, SourceId(0)).1.has_errors(), "{open}");
        }
    }

    #[test]
    fn what_the_parser_does_not_take_is_parsed_in_parts() {
        for (open, close) in [("(", ")"), ("[", "]"), ("f(", ")"), ("{a=", "}"), ("[-(", ")]")] {
            let text = format!(" {}x.y{}", open.repeat(90), close.repeat(90));
            let (e, d) = parse_expr(&text, SourceId(0));
            assert!(e.is_some(), "{open}: {d:?}");
            let (b, d) = parse_body(&format!("b {{\n  a ={text}\n}}\n"), SourceId(0));
            assert!(b.is_some(), "{open}: {d:?}");
        }
        let text = "{ a = 1, \"a\" = 2, a = { b: x, b: y, (b) = 1, (b) = 2 }\n a = 3, 1 = 1, 1.0 = 2 }";
        let e = expr(text).unwrap();
        let ExprKind::Object(items) = &*e.kind else { panic!() };
        let keys: Vec<String> = items.iter().map(|i| format!("{:?}", i.key.kind)).collect();
        assert_eq!(keys, ["String(\"a\")", "String(\"a\")", "String(\"a\")", "String(\"a\")", "Number(1)", "Number(1)"]);
        assert_eq!(text.find("a = 3"), Some(items[3].key.span.start as usize));
        let e = expr("[<<A\nA\n, <<A\nx\nA\n]").unwrap();
        assert!(matches!(&*e.kind, ExprKind::Tuple(items) if matches!(&*items[0].kind, ExprKind::String(s) if s.is_empty())), "{e:?}");
        assert!(expr("{ for k, v in x : k => v...\n}").is_some() && expr("{\n for v in [x][\n*\n] : v => 1.5...\n}").is_some());
        assert!(matches!(&*expr("1.e5").unwrap().kind, ExprKind::Number(n) if n.to_string() == "100000"));
    }

    #[test]
    fn heredocs_end_only_at_their_marker() {
        let e = expr("<<EOT\nEOTX\n EOT X\nEOT\n").unwrap();
        assert!(matches!(&*e.kind, ExprKind::String(s) if &**s == "EOTX\n EOT X\n"), "{e:?}");
        let (b, d) = parse_body("a = <<-EOT\r\n  x\r\n  EOT\r\nb = 1\r\n", SourceId(0));
        assert!(b.is_some(), "{d:?}");
    }

    #[test]
    #[ignore = "a measurement"]
    fn ten_thousand_blocks() {
        let text: String = (0..10_000).map(|i| format!("resource \"kafka_topic\" \"t{i}\" {{\n  name = \"topic-${{var.x}}-{i}\"\n  partitions = {i} + 1\n  config = {{ \"retention.ms\" = 7 * 24 }}\n}}\n")).collect();
        let start = std::time::Instant::now();
        let hcl = hcl_edit::parser::parse_body(&text).is_ok();
        let alone = start.elapsed();
        let start = std::time::Instant::now();
        assert!(hcl && parse_body(&text, SourceId(0)).0.is_some());
        println!("{} bytes: hcl-edit alone {alone:?}, all {:?}", text.len(), start.elapsed());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-c0-9{}()\\[\\]\"$%<\\-=~\\\\\\n .,:?!*é]{0,60}") {
            let _ = parse_body(&text, SourceId(0));
            let _ = parse_expr(&text, SourceId(0));
            let _ = parse_template(&text, SourceId(0));
        }
    }
}
