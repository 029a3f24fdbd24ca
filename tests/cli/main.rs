//! The command line against a whole running system: real processes, the real DTM server, exit codes and JSON.
#![allow(clippy::unwrap_used)] // all of it is test code

mod bench;
mod coordinator;
mod fuzz;
mod holds;
mod lanes;
mod man;
mod many;
mod own;
mod preflight;
mod redrive;
mod replay;
mod resolve;
mod system;
mod terminal;
mod top;
mod verbs;
mod watch;
