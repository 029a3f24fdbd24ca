//! The schema of every database, one module per database. Old code must run on the new schema: only additions.
//! Knows no service: a migration names tables and columns, nothing else.

mod columns;

pub mod account;
pub mod gateway;
pub mod guard;
pub mod history;
pub mod inventory;
pub mod order;
pub mod points;
pub mod psp;
