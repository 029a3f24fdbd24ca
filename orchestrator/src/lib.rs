//! The orchestrator: plans, durable history, the engine that brings every global transaction to its end, the relay
//! that the coordinator calls, and the API for clients and operators. Knows no service but through definitions.

pub mod api;
pub mod attention;
mod config;
mod console;
pub mod coordinator;
mod definitions;
pub mod engine;
pub mod errands;
mod explain;
pub mod filter;
pub mod history;
mod masking;
mod meters;
mod money;
pub mod plan;
pub mod preflight;
pub mod reason;
pub mod relay;
pub mod replica;
pub mod retention;
mod run;
pub mod trace;

pub use config::Args;
pub use definitions::names as definition_names;
pub use meters::METRICS;
pub use money::money;
pub use run::run;
