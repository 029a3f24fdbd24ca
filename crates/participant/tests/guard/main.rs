//! The guard as a coordinator meets it: a small participant on a real gRPC server, called as DTM would call it.
//! Runs on SQLite, and on PostgreSQL too where AMENDS_TEST_POSTGRES_URL names a server that may make databases.
#![allow(clippy::unwrap_used)] // all of it is test code

mod client;
mod points;
mod world;

mod direct;
mod external;
mod races;
mod table;
mod wire;
