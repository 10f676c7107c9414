//! Connect workers of one local Connect cluster.
