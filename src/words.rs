//! Words for people: how counted things are written, and how a word stands in a command to copy. No other module of the package is used here.

use std::fmt::Display;

/// A count with its noun: `1 step`, `2 steps`, `0 steps`. The noun is one that takes `s` or `es`.
pub fn counted<N: Display + PartialEq + From<u8>>(n: N, noun: &str) -> String {
    let word = plural(&n, noun);
    format!("{n} {word}")
}

/// The noun alone, as it stands behind such a count.
pub fn plural<N: PartialEq + From<u8>>(n: &N, noun: &str) -> String {
    let ending = match () {
        () if *n == N::from(1) => "",
        () if noun.ends_with('s') => "es",
        () => "s",
    };
    format!("{noun}{ending}")
}

/// `was` or `were`, for so many.
pub fn was<N: PartialEq + From<u8>>(n: N) -> &'static str {
    if n == N::from(1) { "was" } else { "were" }
}

/// A word as a shell takes it: in quotes where it holds more than plain characters.
pub fn for_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:,@".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_string() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Whether a character steers a terminal, breaks a line or turns the direction of reading.
pub fn steers(c: char) -> bool {
    let bidi = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || bidi || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_all_else_is_plural() {
        let all: Vec<String> = [0_usize, 1, 2, 11].into_iter().map(|n| counted(n, "step")).collect();
        assert_eq!(all, ["0 steps", "1 step", "2 steps", "11 steps"]);
        assert_eq!((counted(1_i64, "ACL binding"), counted(-1_i32, "partition")), ("1 ACL binding".into(), "-1 partitions".into()));
        assert_eq!(counted(2_u64, "process"), "2 processes");
        assert_eq!((was(1_u64), was(0_u64)), ("was", "were"));
    }
}
