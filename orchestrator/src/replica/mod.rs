//! Several orchestrators on one PostgreSQL: who has which global transaction, for how long, and how a call for it finds
//! its owner. On SQLite there is one orchestrator, which has everything for ever.
//! Must not know the engine, participants or the coordinator.
//!
//! A replica has a row that it renews each second. One that did not for three seconds is fenced by whoever notices:
//! it commits nothing from then on, and its open global transactions get a new owner in the same local transaction. A
//! replica that cannot renew stops by itself before others may fence it, makes no further call and ends its process.

mod forward;
mod keeper;
mod lease;
mod lease_tests;
mod peers;
mod seat;
mod table;
mod tenure;

pub use forward::{Forwarding, ask};
pub use keeper::Left;
pub use peers::{Door, Peers};
pub use seat::{Seat, new_replica};
pub use table::Addresses;
pub use tenure::Tenure;
