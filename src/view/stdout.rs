//! The one way to standard output. A reader that went away (`| head`) stops nothing. What cannot be written for another reason, a full disk for
//! example, is remembered: the command does its work, and its end says that the output is not whole.

use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

static LOST: OnceLock<String> = OnceLock::new();

/// Writes a text, and flushes it.
pub fn write(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(e) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && e.kind() != ErrorKind::BrokenPipe
    {
        LOST.get_or_init(|| crate::diag::io_words(&e));
    }
}

/// Why output was lost, where it was.
pub fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}
