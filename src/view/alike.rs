//! Alike diagnostics are shown as one: one mistake in a block with `for_each` is one box, however many instances it has, and one mistake in very
//! many blocks is a few boxes and a list. Tools get each of them: the JSON is not grouped.

use std::collections::HashMap;

use crate::diag::{Code, Diagnostic, Diagnostics, Severity, SourceId};

/// How many places of one mistake are shown in full.
const IN_FULL: usize = 5;

/// A diagnostic to show, with those that it stands for.
#[derive(Debug)]
pub struct Shown<'d> {
    /// The first of them.
    pub first: &'d Diagnostic,
    /// The addresses of the other instances of the same place.
    pub instances: Vec<&'d str>,
    /// The same in other places, of which only the place is shown. Only the last one shown in full has any.
    pub elsewhere: Vec<&'d Diagnostic>,
}

/// What makes diagnostics alike: all but the names and numbers in their sentences.
#[derive(PartialEq, Eq, Hash)]
struct Kind<'d> {
    severity: Severity,
    code: Code,
    detail: String,
    hint: Option<String>,
    related: &'d [(crate::diag::Span, String)],
}

impl<'d> Kind<'d> {
    fn of(d: &'d Diagnostic) -> Kind<'d> {
        Kind { severity: d.severity, code: d.code, detail: shape(&d.detail), hint: d.hint.as_deref().map(shape), related: &d.related }
    }
}

/// A sentence without what stands in quotes, and without numbers.
fn shape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                out.push('"');
            }
            _ if quoted => {}
            c if c.is_ascii_digit() => {
                if !out.ends_with('#') {
                    out.push('#');
                }
            }
            c => out.push(c),
        }
    }
    out
}

/// Groups them, in the order of their firsts.
pub fn grouped(diagnostics: &Diagnostics) -> Vec<Shown<'_>> {
    type At = Option<(SourceId, u32, u32)>;
    let mut out: Vec<Shown<'_>> = Vec::new();
    let mut kinds: HashMap<Kind<'_>, HashMap<At, Vec<usize>>> = HashMap::new();
    let mut last: HashMap<usize, usize> = HashMap::new();
    for d in diagnostics.iter() {
        let at = d.span.map(|s| (s.source, s.start, s.end));
        let (Some(_), Some(address)) = (at, &d.address) else {
            out.push(Shown { first: d, instances: vec![], elsewhere: vec![] });
            continue;
        };
        let places = kinds.entry(Kind::of(d)).or_default();
        // Two mistakes of one instance at one place are two; those of one instance come one after the other.
        let is_another = |i: &&usize| {
            let shown = &out[**i];
            shown.instances.last().copied().or(shown.first.address.as_deref()) != Some(address)
        };
        if let Some(&i) = places.get(&at).and_then(|all| all.iter().find(is_another)) {
            out[i].instances.push(address);
            continue;
        }
        // The first place of a kind stands for it where the list of the others is looked for.
        let first = places.values().flatten().min().copied().unwrap_or(out.len());
        if places.len() >= IN_FULL && !places.contains_key(&at) {
            out[last[&first]].elsewhere.push(d);
            continue;
        }
        places.entry(at).or_default().push(out.len());
        last.insert(first, out.len());
        out.push(Shown { first: d, instances: vec![], elsewhere: vec![] });
    }
    out
}

/// Some names, and how many more there are: `a, b, c and 7 more`.
pub fn some(names: &[&str]) -> String {
    const NAMED: usize = 3;
    match names.len() {
        n if n <= NAMED + 1 => names.join(", "),
        n => format!("{} and {} more", names[..NAMED].join(", "), n - NAMED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Span;
    use crate::diag::codes::lang as codes;

    fn error(detail: &str, at: u32, address: &str) -> Diagnostic {
        Diagnostic::error(codes::SYNTAX, detail.to_string()).at(Span { source: SourceId(0), start: at, end: at + 1 }).on(address)
    }

    /// H6, F10.
    #[test]
    fn instances_are_one_and_many_places_are_a_list() {
        let all: Diagnostics = (0..10).map(|i| error(&format!("\"n{i}\" is {i}, which is wrong."), 1, &format!("t.a[{i}]"))).collect();
        let shown = grouped(&all);
        assert_eq!((shown.len(), shown[0].instances.len(), shown[0].instances[8]), (1, 9, "t.a[9]"));
        assert_eq!(some(&shown[0].instances), "t.a[1], t.a[2], t.a[3] and 6 more");

        // Two mistakes of each of two instances are two boxes for both.
        let two = |i: u32| ["\"x\" is wrong.", "\"y\" is wrong."].map(|text| error(text, 1, &format!("t.a[{i}]")));
        let all: Diagnostics = two(0).into_iter().chain(two(1)).collect();
        let shown = grouped(&all);
        assert_eq!(shown.iter().map(|s| s.instances.len()).collect::<Vec<_>>(), [1, 1]);

        // Another sentence at the same place is another mistake.
        let all: Diagnostics = [error("\"x\" is too long.", 1, "t.a[0]"), error("\"y\" is too short.", 1, "t.a[1]")].into_iter().collect();
        assert_eq!(grouped(&all).len(), 2);

        let all: Diagnostics = (0..8).map(|i| error("It is wrong.", i, &format!("t.b{i}"))).chain([error("Other.", 50, "t.c")]).collect();
        let shown = grouped(&all);
        assert_eq!(shown.iter().map(|s| s.elsewhere.len()).collect::<Vec<_>>(), [0, 0, 0, 0, 3, 0]);
    }
}
