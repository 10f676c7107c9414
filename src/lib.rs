//! streamform: a declarative provisioner for streaming platforms.
//!
//! Read the modules in this order; each may use only those before it:
//! [`addr`], [`value`] and [`diag`] are the words of the domain; [`schema`] says what a resource type's arguments are;
//! [`lang`] turns text into configuration and values; [`state`] keeps what was applied; [`client`] and [`engine`] talk to
//! real systems; [`resource`] holds one file per resource type; [`graph`] orders blocks; [`plan`] decides; [`apply`] follows
//! the plan; [`ops`] has one file per verb; [`view`] and [`cli`] show. [`words`] says how counts are written, [`disk`] reads the files
//! that a user names, and writes those that nobody else may read.

pub mod addr;
pub mod apply;
pub mod cli;
pub mod client;
pub mod diag;
pub mod disk;
pub mod engine;
pub mod graph;
pub mod lang;
pub mod ops;
pub mod plan;
pub mod resource;
pub mod schema;
pub mod state;
#[cfg(test)]
mod testing;
pub mod value;
pub mod view;
pub mod words;
