//! Version constraints: `>= 0.1, < 2.0.0`, `~> 1.4`.

use std::cmp::Ordering;

/// A version: numbers and a pre-release part.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    /// Major, minor, patch and so on, as many as written.
    numbers: Vec<u64>,
    pre: Vec<String>,
}

impl Version {
    fn parse(text: &str) -> Option<Version> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = text.split_once('+').map_or(text, |(v, _)| v);
        let (numbers, pre) = text.split_once('-').map_or((text, None), |(n, p)| (n, Some(p)));
        let numbers = numbers.split('.').map(|n| n.parse().ok()).collect::<Option<Vec<u64>>>()?;
        let pre: Vec<String> = pre.map(|p| p.split('.').map(str::to_string).collect()).unwrap_or_default();
        let valid = |p: &String| !p.is_empty() && p.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        pre.iter().all(valid).then_some(Version { numbers, pre })
    }

    fn part(&self, i: usize) -> u64 {
        self.numbers.get(i).copied().unwrap_or(0)
    }

    fn compare(&self, other: &Version) -> Ordering {
        let len = self.numbers.len().max(other.numbers.len());
        let numbers = (0..len).map(|i| self.part(i).cmp(&other.part(i))).find(|o| o.is_ne()).unwrap_or(Ordering::Equal);
        numbers.then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_pre(&self.pre, &other.pre),
        })
    }
}

fn compare_pre(a: &[String], b: &[String]) -> Ordering {
    let one = |(x, y): (&String, &String)| match (x.parse::<u64>(), y.parse::<u64>()) {
        (Ok(x), Ok(y)) => x.cmp(&y),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        _ => x.cmp(y),
    };
    a.iter().zip(b).map(one).find(|o| o.is_ne()).unwrap_or(a.len().cmp(&b.len()))
}

/// Whether a version meets all constraints of a comma-separated list.
///
/// # Errors
/// The constraint that does not parse.
pub fn satisfies(version: &str, constraints: &str) -> Result<bool, String> {
    let version = Version::parse(version).ok_or_else(|| version.to_string())?;
    let mut met = true;
    for constraint in constraints.split(',') {
        met &= one(&version, constraint.trim()).ok_or_else(|| constraint.trim().to_string())?;
    }
    Ok(met)
}

fn one(version: &Version, constraint: &str) -> Option<bool> {
    let at = constraint.find(|c: char| !"=!<>~".contains(c))?;
    let (op, want) = (&constraint[..at], Version::parse(constraint[at..].trim())?);
    let order = version.compare(&want);
    // A pre-release is only meant where the constraint names one of the same version.
    let pre_ok = version.pre.is_empty() || (!want.pre.is_empty() && version.numbers == want.numbers);
    Some(match op {
        "" | "=" => order.is_eq(),
        "!=" => order.is_ne(),
        ">" => order.is_gt() && pre_ok,
        ">=" => order.is_ge() && pre_ok,
        "<" => order.is_lt() && pre_ok,
        "<=" => order.is_le() && pre_ok,
        "~>" => {
            let fixed = want.numbers.len().saturating_sub(1).max(1);
            order.is_ge() && pre_ok && (0..fixed).all(|i| version.part(i) == want.part(i))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::satisfies;

    #[test]
    fn constraints() {
        for (version, constraint, want) in [
            ("0.1.0", ">= 0.1", true),
            ("0.1.0", "= 0.1", true),
            ("0.1.0", "0.2.0", false),
            ("1.4.9", "~> 1.4", true),
            ("2.0.0", "~> 1.4", false),
            ("1.5.0", "~> 1.4.2", false),
            ("1.4.3", "~> 1.4.2", true),
            ("1.4.3", ">= 1.0, != 1.4.3", false),
            ("1.0.0-rc1", ">= 0.9", false),
            ("1.0.0-rc2", ">= 1.0.0-rc1", true),
            ("1.10.0", "> 1.9.9", true),
        ] {
            assert_eq!(satisfies(version, constraint), Ok(want), "{version} {constraint}");
        }
        assert_eq!(satisfies("1.0.0", ">= 1, latest"), Err("latest".to_string()));
        assert!(satisfies("1.0.0", "=> 1").is_err());
        assert!(satisfies("1.0.0", "").is_err());
    }
}
