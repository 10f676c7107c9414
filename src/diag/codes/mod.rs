//! The index of diagnostic codes, one file per area. A code is never reused and its summary never changes meaning.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $summary:literal;)*) => {
        $($(#[$doc])* pub const $name: $crate::diag::Code = $crate::diag::Code { id: $id, summary: $summary };)*
        /// Every code of this area.
        pub const ALL: &[$crate::diag::Code] = &[$($name),*];
    };
}

pub mod apply;
pub mod cli;
pub mod config;
pub mod connect;
pub mod engine;
pub mod kafka;
pub mod lang;
pub mod plan;
pub mod state;

/// Every code of every area, in order.
pub fn all() -> impl Iterator<Item = &'static super::Code> {
    [lang::ALL, config::ALL, plan::ALL, apply::ALL, state::ALL, kafka::ALL, connect::ALL, engine::ALL, cli::ALL].into_iter().flatten()
}
