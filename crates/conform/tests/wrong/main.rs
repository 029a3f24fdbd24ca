//! The kit against a participant that keeps every rule, and against the same one with each rule broken in turn.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod participant;
mod server;

mod flaws;
mod right;
mod usage;
