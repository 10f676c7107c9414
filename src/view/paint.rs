//! Colour, or none: decided once from the terminal, `NO_COLOR` and `-no-color`. No meaning is carried by colour alone.

use console::Style;

/// Paints text, or leaves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paint(pub bool);

impl Paint {
    fn with(self, text: &str, style: Style) -> String {
        if self.0 { style.force_styling(true).apply_to(text).to_string() } else { text.to_string() }
    }

    /// Something is added.
    pub fn green(self, text: &str) -> String {
        self.with(text, Style::new().green())
    }

    /// Something goes, or is wrong.
    pub fn red(self, text: &str) -> String {
        self.with(text, Style::new().red())
    }

    /// Something changes.
    pub fn yellow(self, text: &str) -> String {
        self.with(text, Style::new().yellow())
    }

    /// A heading.
    pub fn bold(self, text: &str) -> String {
        self.with(text, Style::new().bold())
    }

    /// Less important.
    pub fn dim(self, text: &str) -> String {
        self.with(text, Style::new().dim())
    }

    /// A sign of the plan in its colour.
    pub fn sign(self, sign: &str) -> String {
        match sign {
            "+" | "<=" => self.green(sign),
            "-" => self.red(sign),
            "~" => self.yellow(sign),
            "-/+" => format!("{}/{}", self.red("-"), self.green("+")),
            "+/-" => format!("{}/{}", self.green("+"), self.red("-")),
            other => other.to_string(),
        }
    }
}

/// Whether a stream is a terminal that knows colour and a cursor that moves: one that calls itself `dumb` does not.
pub fn is_capable(stream: &impl std::io::IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
}
