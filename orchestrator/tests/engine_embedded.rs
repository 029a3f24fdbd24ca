//! The same deeds with the engine as its own coordinator: DTM runs beside it and must hear of nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "only the tests of DTM itself stop it and start it again")]
mod deeds;
