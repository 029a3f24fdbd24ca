//! Several orchestrators on one PostgreSQL: who has which global transaction, for how long, and how a call for it finds
//! its owner. Must not know the engine, participants or the coordinator.

mod forward;

pub use forward::ask;
