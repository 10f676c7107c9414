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
