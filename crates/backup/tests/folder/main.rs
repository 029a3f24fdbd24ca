//! Backup and restore of a data folder, on real SQLite files that others write to. No process of the system runs here:
//! the tests of the root package do that.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backing_up;
mod folder;
mod restoring;
mod writers;
