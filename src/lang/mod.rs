//! The configuration language: from text to configuration to values.
//!
//! [`syntax`] parses (hcl-edit) into [`ast`]; [`config`] reads blocks, modules and variable files; [`eval`] evaluates expressions
//! and decodes bodies by schema; [`functions`] is the function table; [`fmt`] is the formatter. Apart from `config`'s loader,
//! which reads files through [`host::Host`], nothing here does I/O.

pub mod ast;
pub mod config;
pub mod eval;
pub mod fmt;
pub mod functions;
pub mod host;
pub mod syntax;
