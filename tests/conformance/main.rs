//! Every participant and the orchestrator against the contract, over their real wire: what bad input is answered, that
//! it changes nothing, that the branch guard holds, and that a plain DTM client can use the five services.
//! Knows no crate of a service: everything is said in protobuf and read back from the stores.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bodies;
mod deeds;
mod digest;
mod mutations;
mod related;
mod steady;
mod wire;
mod world;

mod bad_branch;
mod bad_direct;
mod bad_envelope;
mod bad_own;
mod bad_start;
mod bad_steering;
mod guard;
mod plain_client;
mod plain_dtm;
mod purchase;
