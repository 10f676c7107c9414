//! Real systems that streamform talks to: one module per kind of target.
//!
//! Everything here does I/O and knows the wire; nothing here knows resources, plans or configuration files.

pub mod connect;
pub mod kafka;
pub(crate) mod pem;
