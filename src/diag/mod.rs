//! Diagnostics: everything that streamform tells a user is wrong, as values.
//!
//! A diagnostic has a stable code with a fixed one-sentence summary, a specific detail, and where known the source span,
//! the resource's address and a hint that says what to do. Phases collect them; nobody prints here: the views do.
//! The codes live in [`codes`], one list per area.

pub mod codes;
pub mod excerpt;
pub mod redact;

use self::redact::Redactor;
use std::borrow::Cow;
use std::io;
use std::sync::Arc;

/// What the system says is wrong, in words alone: without the number that it has for it.
pub fn io_words(e: &io::Error) -> String {
    let text = e.to_string();
    let number = e.raw_os_error().map(|n| format!(" (os error {n})"));
    let Some(words) = number.and_then(|n| text.strip_suffix(&n)) else { return text };
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// A stable diagnostic code with its fixed summary. Every code is listed in `docs/codes.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code {
    /// `SF` and four digits; never reused.
    pub id: &'static str,
    /// The headline, without a full stop.
    pub summary: &'static str,
}

/// Which file of a [`Sources`] a span lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u32);

/// A range of bytes of one source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The file.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// The span from the start of `self` to the end of `other`.
    pub fn to(self, other: Span) -> Span {
        Span { source: self.source, start: self.start, end: other.end }
    }
}

/// One source text, with the name that diagnostics show.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as the user would write it, relative to the working folder.
    pub name: String,
    /// The whole text.
    pub text: Arc<str>,
    /// It holds values of variables, of which nobody knows what they are: no line of it is shown.
    pub is_values: bool,
}

/// All texts that spans may point into.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
    redactor: Arc<Redactor>,
}

impl Sources {
    /// Adds a text and returns its id.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> SourceId {
        self.push(Source { name: name.into(), text: text.into(), is_values: false })
    }

    /// [`Sources::add`] for values of variables: see [`Source::is_values`].
    pub fn add_values(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> SourceId {
        self.push(Source { name: name.into(), text: text.into(), is_values: true })
    }

    fn push(&mut self, source: Source) -> SourceId {
        self.files.push(source);
        SourceId(self.files.len() as u32 - 1)
    }

    /// Takes secrets out of lines and sentences before they are shown. All copies of these texts share it.
    pub fn redactor(&self) -> &Arc<Redactor> {
        &self.redactor
    }

    /// The file of an id, if it is one of this collection's.
    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.files.get(id.0 as usize)
    }

    /// The text that a span covers; empty where the span is not of this collection.
    pub fn slice(&self, span: Span) -> &str {
        self.get(span.source).and_then(|s| s.text.get(span.start as usize..span.end as usize)).unwrap_or("")
    }

    /// All files in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.files.iter().enumerate().map(|(i, s)| (SourceId(i as u32), s))
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The command goes on.
    Warning,
    /// The command fails with exit code 1.
    Error,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The stable code with its summary.
    pub code: Code,
    /// What exactly is wrong, in whole sentences. Never holds a sensitive value.
    pub detail: String,
    /// Where it is written.
    pub span: Option<Span>,
    /// The address of the resource it concerns.
    pub address: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The values of the references involved, already masked: (`var.x`, `"a"`).
    pub values: Vec<(String, String)>,
    /// Further places with a label each.
    pub related: Vec<(Span, String)>,
    /// What else of one run goes back to the same cause has the same text here: a cluster that does not answer fails every topic in it.
    pub cause: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Severity::Error, code, detail.into().into_owned())
    }

    /// A warning.
    pub fn warning(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Severity::Warning, code, detail.into().into_owned())
    }

    fn new(severity: Severity, code: Code, detail: String) -> Self {
        Diagnostic { severity, code, detail, span: None, address: None, hint: None, values: Vec::new(), related: Vec::new(), cause: None }
    }

    /// Sets where it is written, unless that is known already.
    pub fn at(mut self, span: impl Into<Option<Span>>) -> Self {
        self.span = self.span.or(span.into());
        self
    }

    /// Sets the resource, unless that is known already.
    pub fn on(mut self, address: impl ToString) -> Self {
        self.address.get_or_insert_with(|| address.to_string());
        self
    }

    /// Sets what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the cause that others may share.
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds another place.
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }
}

impl Diagnostic {
    /// Whether the text around it does not parse, so that nobody knows which of its strings is a secret.
    pub fn is_syntax(&self) -> bool {
        [codes::lang::SYNTAX.id, codes::lang::NESTING.id, codes::config::INVALID_JSON.id].contains(&self.code.id)
    }
}

/// A collection of diagnostics, in the order they were found.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, d: Diagnostic) {
        self.0.push(d);
    }

    /// Whether any is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// The same without repetitions: one code with one detail at one place for one resource is said once.
    pub fn distinct(self) -> Diagnostics {
        let mut seen = std::collections::HashSet::new();
        let key = |d: &Diagnostic| (d.code.id, d.span.map(|s| (s.source, s.start, s.end)), d.detail.clone(), d.address.clone());
        Diagnostics(self.0.into_iter().filter(|d| seen.insert(key(d))).collect())
    }

    /// The same in the order of the files, in each from top to bottom; what has no place comes first.
    pub fn by_place(mut self) -> Diagnostics {
        self.0.sort_by_key(|d| d.span.map(|s| (s.source.0, s.start)));
        self
    }

    /// The same with one diagnostic for each shared cause: the first, which then counts the others.
    pub fn by_cause(self) -> Diagnostics {
        let mut firsts: std::collections::HashMap<(&'static str, String), usize> = std::collections::HashMap::new();
        let mut others: std::collections::BTreeMap<usize, Vec<String>> = std::collections::BTreeMap::new();
        let mut out: Vec<Diagnostic> = Vec::new();
        for d in self.0 {
            if let Some(cause) = &d.cause {
                match firsts.entry((d.code.id, cause.clone())) {
                    std::collections::hash_map::Entry::Occupied(first) => {
                        others.entry(*first.get()).or_default().extend(d.address);
                        continue;
                    }
                    std::collections::hash_map::Entry::Vacant(first) => drop(first.insert(out.len())),
                }
            }
            out.push(d);
        }
        for (first, addresses) in others {
            out[first].detail.push_str(&also_failed(&addresses));
        }
        Diagnostics(out)
    }

    /// Moves all of `other` behind these.
    pub fn append(&mut self, other: Diagnostics) {
        self.0.extend(other.0);
    }
}

/// A sentence that names the first few.
fn also_failed(addresses: &[String]) -> String {
    const NAMED: usize = 3;
    match addresses {
        [] => String::new(),
        few if few.len() <= NAMED => format!(" The same holds for {}.", few.join(", ")),
        many => format!(" The same holds for {} and {} more.", many[..NAMED].join(", "), many.len() - NAMED),
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<T: IntoIterator<Item = Diagnostic>>(&mut self, iter: T) {
        self.0.extend(iter);
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<T: IntoIterator<Item = Diagnostic>>(iter: T) -> Self {
        Diagnostics(iter.into_iter().collect())
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(d: Diagnostic) -> Self {
        Diagnostics(vec![d])
    }
}

/// The candidate nearest to what was written, if one is near enough to be meant.
pub fn did_you_mean<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(written, c), c))
        .filter(|(d, c)| {
            let (long, short) = (c.chars().count().max(written.chars().count()), c.chars().count().min(written.chars().count()));
            // Two names of one letter have nothing in common.
            *d <= 1 + short / 4 && *d < long
        })
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_cause_is_said_once_and_counts_the_others() {
        let code = codes::kafka::UNREACHABLE;
        let mut all = Diagnostics::new();
        for i in 0..6 {
            all.push(Diagnostic::error(code, format!("Failed creating t{i}: no answer.")).because("no answer").on(format!("t.x[{i}]")));
        }
        all.push(Diagnostic::error(code, "Failed reading: other.").because("other").on("t.y"));
        all.push(Diagnostic::error(code, "No cause."));
        all.push(Diagnostic::error(code, "No cause."));
        let said: Vec<String> = all.by_cause().into_iter().map(|d| d.detail).collect();
        let first = "Failed creating t0: no answer. The same holds for t.x[1], t.x[2], t.x[3] and 2 more.";
        assert_eq!(said, [first, "Failed reading: other.", "No cause.", "No cause."]);
    }
}
