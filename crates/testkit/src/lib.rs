//! What tests of the whole system are written with: proxies that break calls on purpose, and the words of a story
//! (shops, checkouts, holdings) on top of a running stack. Development only; no process of the system knows it.
//!
//! Whatever goes wrong here ends the test: the functions panic and say what was awaited.
mod checkout;
mod clients;
mod collector;
mod holdings;
mod patience;
mod postgres;
pub mod proxy;
mod shop;
mod story;
mod timeline;
mod world;

pub use checkout::Checkout;
pub use clients::Clients;
pub use collector::{Collector, Seen};
pub use holdings::Holdings;
pub use patience::{Must, SOON, until, within};
pub use postgres::{OwnDatabase, own_cluster};
pub use proxy::{Fault, Gate, On, Repeat};
pub use shop::Shop;
pub use story::{Story, error_gid, reason_of};
pub use timeline::{snake, told};
pub use world::{World, WorldConfig};

pub use amends_proto::amends::v1::{Mode, Status};
pub use amends_stack::Coordinator;

/// Both modes of a checkout.
pub const MODES: [Mode; 2] = [Mode::Saga, Mode::Tcc];
