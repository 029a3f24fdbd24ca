//! What any history store must keep, run against each of them: acknowledged means durable, all or nothing for each
//! append, one start for each request and key, stable pages. Another store passes the same suite or is none.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod appends;
mod away;
mod fences;
mod filters;
mod holds;
mod lanes;
mod moments;
mod place;
mod reading;
mod retention;
mod samples;
mod starts;

/// Runs the cases on each store. Without `CI=true` and without PostgreSQL its half says that it did not run.
macro_rules! on_every_store {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::place::Place::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $case() {
                if let Some(place) = crate::place::Place::postgres().await {
                    super::$case(place).await;
                }
            })*
        }
    };
}
pub(crate) use on_every_store;
