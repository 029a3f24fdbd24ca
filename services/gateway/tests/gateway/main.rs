//! The gateway over the wire, with the real simulated processor and real stores, in TCC and in SAGA form.
#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod caller_gone;
mod crash;
mod plain;
mod resolution;
mod second_phase;
mod unknown;
mod world;
