//! The order service as its coordinator and its clients see it.
#![allow(clippy::unwrap_used, missing_docs)] // a test that unwraps has failed, and says where
mod harness;

mod direct;
mod saga;
mod tcc;
