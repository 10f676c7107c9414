//! Ugly files: well-formed ones with their white space, line breaks and comments changed, formatted by both.

use super::random::Random;
use super::{Options, expressions, oracle};

/// Compares `fmt`; how many files differ.
pub fn compare(o: &Options) -> usize {
    let mut random = Random(o.seed);
    let texts: Vec<String> = (0..o.count).map(|i| file(&mut random, o.seed.wrapping_mul(1_000_003).wrapping_add(i as u64))).collect();
    let (mut different, mut refused) = (0, 0);
    for batch in texts.chunks(o.batch) {
        for (text, theirs) in batch.iter().zip(oracle::formatted(batch)) {
            let ours = streamform::lang::fmt::format(text);
            refused += usize::from(theirs.is_none());
            let agree = match (&theirs, &ours) {
                (Some(a), Ok(b)) => a == b,
                (None, Err(_)) => true,
                _ => false,
            };
            if !agree {
                different += 1;
                if different <= o.shown {
                    let ours = ours.map_err(|d| format!("ERROR {:?}", d.iter().next().map(|d| d.detail.clone())));
                    println!(
                        "--- input\n{text}\n--- terraform\n{}\n--- streamform\n{}\n",
                        theirs.unwrap_or("ERROR".into()),
                        ours.unwrap_or_else(|e| e)
                    );
                }
            }
        }
    }
    println!("{} files, {refused} of them refused; {different} differ", texts.len());
    different
}

fn file(random: &mut Random, seed: u64) -> String {
    let mut generator = expressions::Generator::new(seed, true);
    let mut text = String::new();
    for i in 0..1 + random.below(5) {
        item(random, &mut generator, i, 0, &mut text);
    }
    if random.once_in(8) {
        text = text.replace('\n', "\r\n");
    }
    if random.once_in(10) {
        text.truncate(text.trim_end().len());
    }
    text
}

fn blank(random: &mut Random) -> &'static str {
    random.pick(&["", " ", "  ", "\t", "   ", " "])
}

fn item(random: &mut Random, generator: &mut expressions::Generator, i: usize, depth: usize, out: &mut String) {
    let name = random.pick(&["a", "bb", "name", "long_name", "x-y", "type", "default", "é"]);
    let indent = blank(random);
    match random.below(9) {
        0 if depth < 3 => {
            let label = random.pick(&["", " \"l\"", " l", " \"a\"   \"b\"", " a \"b\"", "\"q\""]);
            let kind = random.pick(&["block", "variable", "locals", "dynamic", "lifecycle"]);
            *out += &format!("{indent}{kind}{label}{}{{{}\n", blank(random), comment(random));
            for j in 0..random.below(4) {
                item(random, generator, j, depth + 1, out);
            }
            *out += &format!("{}}}{}\n", blank(random), comment(random));
        }
        1 if depth < 3 => {
            let inner = match random.below(2) {
                0 => String::new(),
                _ => format!("{}x{}={}1{}", blank(random), blank(random), blank(random), blank(random)),
            };
            *out += &format!("{indent}b{i}{}{{{inner}}}\n", blank(random));
        }
        2 => *out += random.pick(&["\n", "\n\n", "  \n", "\t\n"]),
        3 => *out += &format!("{indent}{}", random.pick(&["# c\n", "// c\n", "/* c */\n", "#c  \n", "/* a\n  b */\n", "//\n"])),
        4 => {
            let legacy = random.pick(&[
                "\"string\"",
                "\"list\"",
                "\"map\"",
                "list",
                "map",
                "set",
                "\"number\"",
                "string",
                "list(string)",
                "\"any\"",
            ]);
            *out += &format!("{indent}type{}={}{legacy}{}\n", blank(random), blank(random), comment(random));
        }
        5 => {
            let inner = generator.expression();
            *out += &format!("{indent}{name}{i} = \"${{{}{inner}{}}}\"{}\n", blank(random), blank(random), comment(random));
        }
        _ => {
            let value = mutate(random, &generator.expression());
            *out += &format!("{indent}{name}{i}{}={}{value}{}\n", blank(random), blank(random), comment(random));
        }
    }
}

fn comment(random: &mut Random) -> &'static str {
    random.pick(&["", "", "", " # c", "# c", "   // d", " /* e */", "\t# tab"])
}

/// Changes blanks outside of strings, and breaks lines inside brackets.
fn mutate(random: &mut Random, expr: &str) -> String {
    if expr.contains("<<") {
        return expr.to_string();
    }
    let mut out = String::new();
    let (mut quoted, mut brackets, mut escaped) = (false, vec![], false);
    for c in expr.chars() {
        if quoted {
            out.push(c);
            // Templates inside are left alone as well: a quote in them would end this one too early.
            quoted = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '"' if expr.contains("${") || expr.contains("%{") => return expr.to_string(),
            '"' => {
                quoted = true;
                out.push(c);
            }
            '(' | '[' | '{' => {
                brackets.push(c);
                out.push(c);
                out += blank_in(random, brackets.last(), true);
            }
            ')' | ']' | '}' => {
                out += blank_in(random, brackets.last(), false);
                brackets.pop();
                out.push(c);
            }
            ' ' => out += random.pick(&[" ", "  ", " ", "\t", "   "]),
            ',' => {
                out += random.pick(&["", "", " "]);
                out.push(c);
                out += blank_in(random, brackets.last(), true);
            }
            _ => out.push(c),
        }
    }
    out
}

fn blank_in(random: &mut Random, bracket: Option<&char>, after: bool) -> &'static str {
    match bracket {
        Some('{') if !after => random.pick(&["", " ", "\n", "  "]),
        Some(_) => random.pick(&["", "", " ", "\n", "  ", "\n\n", " # c\n", "\n  ", " /* d */ "]),
        None => "",
    }
}
