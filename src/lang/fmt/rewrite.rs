//! Small modernisations on tokens: labels get quotes, `"${expr}"` as a whole argument becomes `expr`, old type names new ones.

use super::tokens::{Kind, Token};

/// Rewrites the bodies of a file.
pub(super) fn rewrite(tokens: Vec<Token>) -> Vec<Token> {
    let mut out = Vec::with_capacity(tokens.len());
    // The types of the blocks around.
    let mut inside: Vec<String> = vec![];
    let mut i = 0;
    while i < tokens.len() {
        match tokens[i].kind {
            Kind::Ident => i = item(&tokens, i, &mut inside, &mut out),
            kind => {
                if kind == Kind::CBrace {
                    inside.pop();
                }
                out.push(tokens[i].clone());
                i += 1;
            }
        }
    }
    out
}

/// One argument or block header; returns where to go on.
fn item(tokens: &[Token], start: usize, inside: &mut Vec<String>, out: &mut Vec<Token>) -> usize {
    let next = tokens[start + 1..].iter().position(|t| t.kind != Kind::Comment).map(|n| start + 1 + n);
    match next {
        Some(equal) if tokens[equal].kind == Kind::Equal => {
            out.extend_from_slice(&tokens[start..=equal]);
            argument(tokens, start, equal + 1, inside, out)
        }
        _ => header(tokens, start, inside, out),
    }
}

fn header(tokens: &[Token], start: usize, inside: &mut Vec<String>, out: &mut Vec<Token>) -> usize {
    let stop = |t: &Token| matches!(t.kind, Kind::OBrace | Kind::Newline);
    let end = tokens[start..].iter().position(stop).map_or(tokens.len(), |n| start + n);
    let header = &tokens[start..end];
    let last_label = header.iter().rposition(|t| matches!(t.kind, Kind::Ident | Kind::CQuote)).unwrap_or(0);
    out.push(tokens[start].clone());
    for (i, token) in header.iter().enumerate().skip(1) {
        match token.kind {
            Kind::Ident => out.extend(quoted(&token.text)),
            // Comments between labels are dropped, as Terraform does.
            Kind::Comment if i < last_label && !token.ends_line() => {}
            _ => out.push(token.clone()),
        }
    }
    match tokens.get(end) {
        Some(open) if open.kind == Kind::OBrace => {
            inside.push(tokens[start].text.clone());
            out.push(open.clone());
            end + 1
        }
        _ => end,
    }
}

fn quoted(text: &str) -> [Token; 3] {
    [Token::new(Kind::OQuote, "\""), Token::new(Kind::Lit, text), Token::new(Kind::CQuote, "\"")]
}

fn argument(tokens: &[Token], name: usize, start: usize, inside: &[String], out: &mut Vec<Token>) -> usize {
    let mut depth = 0;
    let over = |t: &Token| {
        let done = depth == 0 && (t.ends_line() || t.kind == Kind::CBrace);
        depth += t.brackets();
        done
    };
    let end = tokens[start..].iter().position(over).map_or(tokens.len(), |n| start + n);
    // Comments around the expression are not part of it.
    let is_comment = |t: &Token| t.kind == Kind::Comment;
    let first = start + tokens[start..end].iter().take_while(|t| is_comment(t)).count();
    let last = end - tokens[first..end].iter().rev().take_while(|t| is_comment(t)).count();
    out.extend_from_slice(&tokens[start..first]);
    let expr = &tokens[first..last];
    if inside == ["variable"] && tokens[name].text == "type" {
        out.extend(type_expr(expr));
    } else {
        out.extend(value_expr(expr));
    }
    out.extend_from_slice(&tokens[last..end]);
    end
}

fn type_expr(expr: &[Token]) -> Vec<Token> {
    let call = |name: &str, arg: &str| {
        vec![Token::new(Kind::Ident, name), Token::new(Kind::OParen, "("), Token::new(Kind::Ident, arg), Token::new(Kind::CParen, ")")]
    };
    match expr {
        [t] if t.kind == Kind::Ident && matches!(t.text.as_str(), "list" | "map" | "set") => call(&t.text, "any"),
        [open, lit, _] if open.kind == Kind::OQuote => match lit.text.as_str() {
            "string" => vec![Token::new(Kind::Ident, "string")],
            "list" | "map" => call(&lit.text, "string"),
            _ => expr.to_vec(),
        },
        _ => expr.to_vec(),
    }
}

fn value_expr(expr: &[Token]) -> Vec<Token> {
    let [open, interp, inner @ .., end, close] = expr else { return expr.to_vec() };
    let whole = open.kind == Kind::OQuote && interp.kind == Kind::Interp && end.kind == Kind::SeqEnd && close.kind == Kind::CQuote;
    if !whole || inner.is_empty() || has_sequence(inner) {
        return expr.to_vec();
    }
    let blank = |t: &&Token| t.kind == Kind::Newline;
    let first = inner.iter().take_while(blank).count();
    let last = inner.len() - inner[first..].iter().rev().take_while(blank).count();
    let trimmed = &inner[first..last];
    let several_lines = trimmed.iter().any(|t| t.kind == Kind::Newline);
    let in_parens = trimmed.first().is_some_and(|t| t.kind == Kind::OParen) && trimmed.last().is_some_and(|t| t.kind == Kind::CParen);
    if !several_lines || in_parens {
        return trimmed.to_vec();
    }
    let mut wrapped = vec![Token::new(Kind::OParen, "(")];
    wrapped.extend_from_slice(trimmed);
    wrapped.push(Token::new(Kind::CParen, ")"));
    wrapped
}

/// Whether another sequence starts or ends outside nested quotes.
fn has_sequence(inner: &[Token]) -> bool {
    let mut quotes = 0;
    inner.iter().any(|t| {
        match t.kind {
            Kind::OQuote => quotes += 1,
            Kind::CQuote => quotes -= 1,
            Kind::Interp | Kind::SeqEnd => return quotes == 0,
            _ => {}
        }
        false
    })
}
