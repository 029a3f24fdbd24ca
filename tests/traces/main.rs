//! What a collector is told of a whole running system: one tree for each global transaction, on both coordinators, and
//! nothing that could hold one up.
#![allow(clippy::unwrap_used)] // all of it is test code

mod checkout;
mod tree;
mod trouble;
