//! The one way to standard output. A reader that went away (`| head`) stops nothing. What cannot be written for another reason, a full disk for
//! example, is remembered: the command does its work, and its end says that the output is not whole.

use std::io::{self, BufWriter, ErrorKind, Stdout, Write};
use std::sync::OnceLock;

static LOST: OnceLock<String> = OnceLock::new();

/// Writes a text, and flushes it.
pub fn write(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(e) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        remember(&e);
    }
}

fn remember(e: &io::Error) {
    if e.kind() != ErrorKind::BrokenPipe {
        LOST.get_or_init(|| crate::diag::io_words(e));
    }
}

/// The same for what is written piece by piece. It never gives an error.
pub struct Pieces(BufWriter<Stdout>, bool);

impl Pieces {
    /// A writer.
    pub fn new() -> Pieces {
        Pieces(BufWriter::new(io::stdout()), false)
    }

    fn note<T>(&mut self, result: io::Result<T>) {
        if let Err(e) = result {
            self.1 = true;
            remember(&e);
        }
    }
}

impl Default for Pieces {
    fn default() -> Self {
        Pieces::new()
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.1 {
            let result = self.0.write_all(bytes);
            self.note(result);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.1 {
            let result = self.0.flush();
            self.note(result);
        }
        Ok(())
    }
}

/// Why output was lost, where it was.
pub fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}
