//! Reading files that a user names, with a bound: `/dev/zero`, or a pipe without an end, is an error and not the end of the memory.
//!
//! The state's own files are not read here; they are read by the state's backend.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The most bytes that a file may have. It is far above any configuration, and below what a small machine has of memory.
pub const LIMIT: u64 = 512 << 20;

/// The content of a file of at most [`LIMIT`] bytes.
///
/// # Errors
/// The system's error, or [`io::ErrorKind::FileTooLarge`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    bounded(File::open(path)?, LIMIT)
}

/// The same for a text.
///
/// # Errors
/// Those of [`read`], and [`io::ErrorKind::InvalidData`] for bytes that are not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    text(read(path)?)
}

/// A text from standard input or another stream, of at most [`LIMIT`] bytes.
///
/// # Errors
/// Those of [`read_text`].
pub fn stream_text(from: impl Read) -> io::Result<String> {
    text(bounded(from, LIMIT)?)
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-8"))
}

fn bounded(from: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    from.take(limit + 1).read_to_end(&mut out)?;
    match out.len() as u64 > limit {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {} MiB", limit >> 20))),
        false => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G9, G11.16.
    #[test]
    fn streams_without_an_end_are_refused() {
        assert_eq!(bounded(io::repeat(0), 1 << 20).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(bounded(&[7; 4][..], 4).unwrap(), [7; 4]);
        assert_eq!(bounded(&[7; 5][..], 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
