//! The placeholders that workers resolve, `${provider:path:key}`, read as Kafka's `ConfigTransformer` does (KIP-297).

/// One placeholder in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placeholder<'t> {
    /// The whole, from `${` to `}`.
    pub text: &'t str,
    /// The config provider.
    pub provider: &'t str,
    /// The path, where there are three parts.
    pub path: Option<&'t str>,
    /// The key.
    pub key: &'t str,
}

/// All placeholders of a text, with where each begins. What has no colon is none: connectors have templates of their own like that.
pub fn placeholders(text: &str) -> impl Iterator<Item = (usize, Placeholder<'_>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + text[at..].find("${")?;
            let end = start + text[start..].find('}')?;
            at = end + 1;
            let inner = &text[start + 2..end];
            if let Some((provider, rest)) = inner.split_once(':') {
                let (path, key) = rest.split_once(':').map_or((None, rest), |(path, key)| (Some(path), key));
                return Some((start, Placeholder { text: &text[start..=end], provider, path, key }));
            }
        }
    })
}

impl<'t> Placeholder<'t> {
    /// The part that names a file or a folder: the path, else the key.
    pub fn place(&self) -> &'t str {
        self.path.unwrap_or(self.key)
    }

    /// The same placeholder with another place.
    fn with_place(&self, place: &str) -> String {
        match self.path {
            Some(_) => format!("${{{}:{place}:{}}}", self.provider, self.key),
            None => format!("${{{}:{place}}}", self.provider),
        }
    }
}

/// Whether a placeholder of a text names this folder or something in it.
pub fn names_folder(text: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    let inside = |p: &Placeholder<'_>| p.place().strip_prefix(folder).is_some_and(|tail| tail.is_empty() || tail.starts_with('/'));
    !folder.is_empty() && placeholders(text).any(|(_, p)| inside(&p))
}

/// The text with other folders at the beginning of what its placeholders name; of several that fit the longest counts.
pub fn swap_folders<'a>(text: &str, pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> String {
    let swapped = |p: &Placeholder<'_>| {
        let fits = |(from, to): (&'a str, &'a str)| {
            let tail = p.place().strip_prefix(from).filter(|tail| tail.is_empty() || tail.starts_with('/'))?;
            Some((from.len(), format!("{to}{tail}")))
        };
        let (_, place) = pairs.clone().filter_map(fits).max_by_key(|(len, _)| *len)?;
        Some(p.with_place(&place))
    };
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for (at, p) in placeholders(text) {
        out.push_str(&text[done..at]);
        out.push_str(&swapped(&p).unwrap_or_else(|| p.text.to_string()));
        done = at + p.text.len();
    }
    out + &text[done..]
}

/// Whether a configuration value holds a placeholder that a worker resolves. What only looks like one counts: a template of a connector may
/// stand for anything, too.
pub fn holds_placeholder(value: &str) -> bool {
    value.find("${").is_some_and(|at| value[at..].contains('}'))
}

/// Whether a value is one placeholder and nothing else, so that no part of a secret stands in it.
pub fn is_placeholder(value: &str) -> bool {
    let value = value.trim();
    value.starts_with("${") && value.find('}') == value.len().checked_sub(1)
}

/// The text that stands in the configuration itself: a worker puts in the rest.
pub fn without_placeholders(value: &str) -> String {
    let (mut out, mut rest) = (String::new(), value);
    while let Some((before, (_, after))) = rest.split_once("${").and_then(|(before, tail)| Some((before, tail.split_once('}')?))) {
        out.push_str(before);
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_kafka() {
        let all: Vec<_> = placeholders("a ${file:/x/y.properties:pw} ${topic} ${env:HOME}${dir:/a:b:c} ${file:")
            .map(|(at, p)| (at, p.provider, p.path, p.key))
            .collect();
        assert_eq!(all, [(2, "file", Some("/x/y.properties"), "pw"), (38, "env", None, "HOME"), (49, "dir", Some("/a"), "b:c")]);
        assert!(is_placeholder(" ${env:X} ") && !is_placeholder("${env:X}y") && !is_placeholder("${a}${b}"));
        assert!(holds_placeholder("x${a}") && !holds_placeholder("x${a"));
        assert_eq!(without_placeholders("a${b}c${d"), "ac${d");
    }
}
