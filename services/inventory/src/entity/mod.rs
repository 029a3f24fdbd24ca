//! Rows of the inventory database. Knows the words that are stored, not what they may become.

pub mod reservation;
pub mod stock;
