//! The tutorials as a reader follows them: their code is the code that is compiled here, and their commands are run,
//! against a real system.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod page;
mod participant;
mod start;
