//! The web console on a whole running system: what its pages say, what its forms do, what it lets nobody do, and what
//! becomes visible by itself.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acts;
mod away;
mod browser;
mod door;
mod driver;
mod in_doubt;
mod live;
mod looks;
mod pages;
mod site;
