//! The web console on a whole running system: what its pages say, what its forms do, what it lets nobody do, and what
//! becomes visible by itself.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acts;
mod browser;
mod door;
mod driver;
mod live;
mod pages;
mod site;
