//! What a user sees: text and JSON made from the engine's values. Nothing here decides or asks.

mod alike;
pub mod diagnostics;
pub mod drift;
pub mod hcl;
pub mod json;
pub mod paint;
pub mod plan;
pub mod progress;
pub mod schema;
pub mod stdout;
pub mod waiting;
