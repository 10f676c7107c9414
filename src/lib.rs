//! streamform: a declarative provisioner for streaming platforms.
//!
//! Read the modules in this order; each uses only those before it (`tests/house.rs` holds the order against the code):
//! [`words`] says how counts are written; [`addr`], [`value`] and [`diag`] are the words of the domain; [`disk`] reads the files that a user
//! names, and writes those that nobody else may read; [`schema`] says what a resource type's arguments are; [`lang`] turns text into
//! configuration and values; [`graph`] orders blocks; [`op`] is what is done to real objects, as data; [`state`] keeps what was applied;
//! [`client`] and [`engine`] talk to real systems; [`resource`] holds one file per resource type; [`plan`] decides; [`apply`] follows the
//! plan; [`view`] shows; [`ops`] has one file per verb; [`cli`] takes the command line.

pub mod addr;
pub mod apply;
pub mod cli;
pub mod client;
pub mod diag;
pub mod disk;
pub mod engine;
pub mod graph;
pub(crate) mod kill;
pub mod lang;
pub mod op;
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
