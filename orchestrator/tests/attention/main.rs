//! Needs for a person as the store keeps them, and their notices before a real receiver, on each store.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../history/place.rs"]
#[allow(dead_code, reason = "shared with the history's own tests, which use all of it")]
mod place;
mod receiver;
#[path = "../history/samples.rs"]
#[allow(dead_code, reason = "shared with the history's own tests, which use all of it")]
mod samples;

mod delivering;
mod listing;
mod tls;

/// Runs the cases on each store. Without `CI=true` and without PostgreSQL its half says that it did not run.
macro_rules! on_every_store {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(crate::place::Place::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                if let Some(place) = crate::place::Place::postgres().await {
                    super::$case(place).await;
                }
            })*
        }
    };
}
pub(crate) use on_every_store;
