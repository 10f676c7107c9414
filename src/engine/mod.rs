//! Engines: how a cluster becomes something that runs.
//!
//! One folder per engine. Only [`local`] exists in this version: real processes on this machine. Resource types decide what should
//! be; an engine brings it about. Nothing here knows of configuration, plan or state.

pub mod local;
