//! Finds arguments that one body sets twice. The parser stops at the first of them; this shows all, with both places.

use std::collections::HashMap;
use std::ops::Range;

use super::tokens::{Kind, Token, tokenize};

/// An argument that was set before in the same body.
pub struct Duplicate {
    /// The argument's name.
    pub name: String,
    /// Where it is set first: the bytes of the name.
    pub first: Range<usize>,
    /// Where it is set again: the bytes of the name.
    pub again: Range<usize>,
    /// The second setting as a whole.
    pub whole: Range<usize>,
}

/// All arguments that are set again, in the order of the text.
pub fn duplicates(text: &str) -> Vec<Duplicate> {
    let tokens = tokenize(text);
    let places = places(text, &tokens);
    let mut scopes: Vec<HashMap<&str, Range<usize>>> = vec![HashMap::new()];
    let mut out = vec![];
    let mut i = 0;
    while i < tokens.len() {
        let (token, is_argument) = (&tokens[i], tokens.get(i + 1).is_some_and(|t| t.kind == Kind::Equal));
        if token.kind == Kind::Ident && is_argument {
            let end = argument_end(&tokens, i + 2);
            let again = places[i].clone();
            let seen = scopes.last_mut().and_then(|s| s.insert(&token.text, again.clone()));
            if let Some(first) = seen {
                let whole = again.start..places[end - 1].end;
                out.push(Duplicate { name: token.text.clone(), first, again, whole });
            }
            i = end;
            continue;
        }
        match token.kind {
            Kind::OBrace => scopes.push(HashMap::new()),
            Kind::CBrace => {
                scopes.pop();
            }
            _ => {}
        }
        i += 1;
    }
    out
}

fn argument_end(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0;
    let over = |t: &Token| {
        let done = depth == 0 && (t.ends_line() || t.kind == Kind::CBrace);
        depth += t.brackets();
        done
    };
    tokens[start..].iter().position(over).map_or(tokens.len(), |n| start + n)
}

/// Where each token stands. Between tokens are only blanks.
fn places(text: &str, tokens: &[Token]) -> Vec<Range<usize>> {
    let mut pos = 0;
    let place = |t: &Token| {
        // Inside templates nothing is skipped, and a literal may start with a blank itself.
        while !text[pos..].starts_with(&t.text) && text[pos..].starts_with([' ', '\t']) {
            pos += 1;
        }
        let range = pos..pos + t.text.len();
        pos = range.end;
        range
    };
    tokens.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_settings_are_found_in_their_body_only() {
        let text = "a = 1\nb {\n  a = { a = 1, b = 2 }\n  x = \"${ a } = \"\n  a = [\n 3 ] # c\n}\nb { x = 1 }\n  a = <<EOT\n a = 1\nEOT\n";
        let found = duplicates(text);
        let shown: Vec<_> = found.iter().map(|d| (&text[d.whole.clone()], d.first.start)).collect();
        assert_eq!(shown, [("a = [\n 3 ]", 12), ("a = <<EOT\n a = 1\nEOT", 0)]);
    }
}
