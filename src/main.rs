//! The `streamform` binary: everything is in the library.

use std::process::ExitCode;

/// A run makes many small trees and lists and frees few of them before its end, which this allocator does with a third less time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(streamform::cli::main(std::env::args_os()))
}
