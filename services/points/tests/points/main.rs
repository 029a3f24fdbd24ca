//! The points service over real gRPC on a real database file: what a coordinator, a seed and a checker see of it.
#![allow(clippy::unwrap_used)]

mod branches;
mod direct;
mod refusals;
mod world;
