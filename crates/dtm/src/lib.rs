//! The words of the DTM protocol (gid, branch, op, outcome, plan MAC), a client of a DTM server, and how to find and
//! start a local one. Knows no participant, no orchestrator and no payments.

pub mod binary;
mod branch;
pub mod client;
mod gid;
pub mod launcher;
pub mod metadata;
mod outcome;
pub mod plan_mac;

pub use branch::{BranchId, BranchIdError, Op, TransType, UnknownWord};
pub use gid::{Gid, GidError};
pub use outcome::{Outcome, code_name};
