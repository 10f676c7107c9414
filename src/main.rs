//! The `streamform` binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(streamform::cli::main(std::env::args_os()))
}
