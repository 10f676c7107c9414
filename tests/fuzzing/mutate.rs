//! Mutations of known texts.

use super::random::Random;

/// What is put into a text.
const TOKENS: &[&str] = &[
    "${",
    "}",
    "%{",
    "~",
    "\"",
    "<<EOT\n",
    "EOT\n",
    "<<-E\n",
    "\n",
    "\r\n",
    "{",
    "[",
    "(",
    ")",
    "]",
    "=",
    "=>",
    "==",
    "...",
    "::",
    "for x in ",
    "if ",
    " : ",
    "?",
    "[*]",
    ".*",
    ".0",
    "-",
    "!",
    "1e400",
    "0.1",
    "null",
    "/*",
    "*/",
    "#",
    "//",
    "\\",
    "\\u",
    "é",
    "\u{301}",
    "\u{feff}",
    "\0",
    "local.U",
    "{a=1,a=2}",
    "$${",
    "try(",
    ",",
    "1.e5",
    "\\\"",
    "\t",
];

/// One of the texts with up to five changes.
pub fn mutate(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..random.below(6) {
        let at = random.below(bytes.len() + 1);
        let end = (at + 1 + random.below(12)).min(bytes.len());
        match random.below(8) {
            0 if at < bytes.len() => bytes[at] = random.next() as u8,
            1 if at < end => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, bytes[at.min(end)..end].to_vec())),
            3 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                let part = other[from..(from + 40).min(other.len())].to_vec();
                bytes.splice(at..at, part);
            }
            4 => bytes.truncate(at),
            5 => {
                let token = random.pick(TOKENS).repeat(1 + random.below(3));
                bytes.splice(at..at, token.into_bytes());
            }
            6 => bytes.splice(at..at, random.pick(TOKENS).repeat(random.below(300)).into_bytes()).for_each(drop),
            _ => bytes.splice(at..at, random.pick(TOKENS).bytes()).for_each(drop),
        }
    }
    bytes
}
