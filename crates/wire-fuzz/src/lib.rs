//! Attacks gRPC servers: requests made from the descriptors of our messages, right first and then wrong in some places,
//! and raw HTTP/2 bytes; beside them good traffic, which must not notice. Judges what comes back and what becomes of the
//! processes. Knows addresses, process ids and log files; starts nothing.
mod attack;
mod catalog;
mod dice;
mod envelope;
mod forge;
mod frames;
mod judge;
mod raw;
mod report;
mod samples;
mod send;
mod shot;
mod spoil;
mod traffic;
mod values;
mod watch;

pub use attack::{AttackError, Plan, Progress, Target, attack, replay};
pub use catalog::{Catalog, CatalogError};
pub use dice::Dice;
pub use forge::Forge;
pub use report::{Finding, Report};
pub use samples::Known;
pub use spoil::spoil;
pub use traffic::{Served, Traffic, TrafficError};
pub use watch::{Process, Seen};
