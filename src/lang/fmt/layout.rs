//! The layout rules: indentation by open brackets, one space or none between tokens, alignment in runs of lines.

use unicode_segmentation::UnicodeSegmentation;

use super::tokens::{Kind, Token};

/// One line: what stands before the equals sign, from there on, and the trailing comment.
struct Line<'t> {
    lead: &'t mut [Token],
    assign: &'t mut [Token],
    comment: Option<&'t mut Token>,
}

/// Sets the spaces of all tokens.
pub(super) fn lay_out(tokens: &mut [Token]) {
    let mut lines = lines(tokens);
    indent(&mut lines);
    lines.iter_mut().for_each(space);
    align(&mut lines);
}

fn lines(mut rest: &mut [Token]) -> Vec<Line<'_>> {
    let mut out = vec![];
    while !rest.is_empty() {
        let len = rest.iter().position(Token::ends_line).map_or(rest.len(), |i| i + 1);
        let (line, after) = rest.split_at_mut(len);
        rest = after;
        out.push(cells(line));
    }
    out
}

fn cells(line: &mut [Token]) -> Line<'_> {
    let has_comment = line.len() > 1 && line.last().is_some_and(|t| t.kind == Kind::Comment);
    let (line, comment) = line.split_at_mut(line.len() - usize::from(has_comment));
    let equal = line.iter().skip(1).position(|t| t.kind == Kind::Equal).map(|i| i + 1);
    // A value that goes on in the next line is not aligned.
    let at = equal.filter(|&i| line[i..].iter().map(Token::brackets).sum::<i32>() == 0).unwrap_or(line.len());
    let (lead, assign) = line.split_at_mut(at);
    Line { lead, assign, comment: comment.first_mut() }
}

/// Each line that opens more brackets than it closes is one level, however many they are.
fn indent(lines: &mut [Line<'_>]) {
    let mut levels: Vec<i32> = vec![];
    for line in lines {
        // What a heredoc's text opens does not count.
        let code = line.lead.iter().chain(line.assign.iter()).take_while(|t| t.kind != Kind::OHeredoc);
        let net: i32 = code.map(Token::brackets).sum();
        let Some(first) = line.lead.first_mut() else { continue };
        if first.kind == Kind::Newline {
            first.spaces = 0;
            continue;
        }
        close(&mut levels, -net);
        first.spaces = 2 * levels.len();
        if net > 0 {
            levels.push(net);
        }
    }
}

fn close(levels: &mut Vec<i32>, mut closed: i32) {
    while closed > 0
        && let Some(last) = levels.last_mut()
    {
        if closed < *last {
            *last -= closed;
            return;
        }
        closed -= *last;
        levels.pop();
    }
}

fn space(line: &mut Line<'_>) {
    let before = line.lead.last().map_or(Kind::Nil, |t| t.kind);
    between(line.lead, Kind::Nil);
    between(line.assign, before);
}

fn between(tokens: &mut [Token], mut before: Kind) {
    for i in 1..tokens.len() {
        let spaced = space_between(before, &tokens[i - 1], &tokens[i]);
        before = tokens[i - 1].kind;
        tokens[i].spaces = usize::from(spaced);
    }
}

/// Whether a space stands between two tokens; `before` is the token before both.
fn space_between(before: Kind, left: &Token, right: &Token) -> bool {
    use Kind::*;
    match (left.kind, right.kind) {
        (_, Newline) => false,
        (Ident, OParen) | (Ident, DoubleColon) | (DoubleColon, Ident) => false,
        (Dot, _) | (_, Dot | Comma | Ellipsis) => false,
        (Comma, _) => true,
        (Lit | OQuote | OHeredoc, _) | (_, Lit | CQuote | CHeredoc) => false,
        // `in` is a keyword there, not a name that is indexed.
        (Ident, _) if left.text == "in" && before == Ident => true,
        (Ident | Number, OBrack) => false,
        (_, OBrack) if left.brackets() < 0 => false,
        (Bang, _) => false,
        (Minus, _) => !sign_after(before),
        (OBrace, CBrace) => false,
        (OBrace, _) | (_, CBrace) => true,
        (Interp | Control, OBrace) | (CBrace, SeqEnd) => true,
        (SeqEnd, Interp | Control) => false,
        _ => left.brackets() <= 0 && right.brackets() >= 0,
    }
}

/// Whether a minus after this token is a sign and not a subtraction.
fn sign_after(before: Kind) -> bool {
    use Kind::*;
    matches!(before, Nil | OParen | OBrace | OBrack | Equal | Colon | Comma | Question | Operator | Minus | Bang)
}

fn columns(tokens: &[Token]) -> usize {
    tokens.iter().map(|t| t.spaces + t.text.graphemes(true).count()).sum()
}

/// Pads the cells of neighbouring lines to one column.
fn align(lines: &mut [Line<'_>]) {
    for run in lines.chunk_by_mut(|a, b| !a.assign.is_empty() && !b.assign.is_empty()) {
        let widest = run.iter().map(|l| columns(l.lead)).max().unwrap_or(0);
        for line in run {
            let spaces = widest - columns(line.lead) + 1;
            if let Some(equal) = line.assign.first_mut() {
                equal.spaces = spaces;
            }
        }
    }
    for run in lines.chunk_by_mut(|a, b| a.comment.is_some() && b.comment.is_some()) {
        let width = |l: &Line<'_>| columns(l.lead) + columns(l.assign);
        let widest = run.iter().map(width).max().unwrap_or(0);
        for line in run {
            let spaces = widest - width(line) + 1;
            if let Some(comment) = &mut line.comment {
                comment.spaces = spaces;
            }
        }
    }
}
