//! The local engine: Kafka brokers and Connect workers as processes of this machine, on loopback only.
//!
//! Jars come from Maven ([`jars`]), Java from the machine ([`java`]), certificates from a small authority per cluster ([`pki`]). Processes
//! outlive the command that starts them and are found again by their identity files ([`process`]). [`broker`] and [`connect`] know the
//! settings of the two kinds of process; [`Clusters`] and [`Workers`] are the engine as resource types see it. What must not be here: plans, and anything about topics beyond Connect's own.

pub mod broker;
mod clusters;
pub mod connect;
pub mod jars;
pub mod java;
pub mod pki;
pub mod ports;
pub mod process;
mod workers;

pub use clusters::Clusters;
pub use workers::Workers;

/// Writes a Java properties file's text from pairs.
pub fn properties<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    pairs.into_iter().map(|(k, v)| format!("{}={}\n", escape(k, true), escape(v, false))).collect()
}

fn escape(text: &str, key: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for (i, c) in text.chars().enumerate() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' ' if key || i == 0 => out.push_str("\\ "),
            ':' | '=' | '#' | '!' if key => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_ascii() => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out
}

/// Logging of Kafka's processes: all to standard output, which is the log file.
pub const LOG4J: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="warn">
  <Appenders><Console name="OUT"><PatternLayout pattern="[%d] %p %m (%c{1})%n"/></Console></Appenders>
  <Loggers><Logger name="org.reflections" level="error"/><Root level="info"><AppenderRef ref="OUT"/></Root></Loggers>
</Configuration>
"#;

/// JVM flags that make small servers start fast.
pub const JVM_FLAGS: &[&str] =
    &["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-XX:-UsePerfData", "-Djava.awt.headless=true"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_survive_java() {
        assert_eq!(properties([("a b", " x\\y:z=\u{e9}\n")]), "a\\ b=\\ x\\\\y:z=\\u00e9\\n\n");
    }
}
