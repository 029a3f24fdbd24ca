//! Waiting with a deadline, and failing with a sentence. Knows nothing of what is awaited.
use std::fmt::Display;
use std::time::Duration;

/// The longest that anything may take which a story waits for.
pub const SOON: Duration = Duration::from_secs(60);
/// Between two looks at something that nobody announces.
const LOOK: Duration = Duration::from_millis(20);

/// Asks `look` again and again until it gives something.
///
/// # Panics
/// After [`SOON`], naming `what`.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
    })
    .await
}

/// Awaits `event`.
///
/// # Panics
/// After [`SOON`], naming `what`.
pub async fn within<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(SOON, event).await {
        Ok(value) => value,
        Err(_) => panic!("not within {} s: {what}", SOON.as_secs()),
    }
}

/// What a story cannot go on without.
pub trait Must<T> {
    /// The value.
    ///
    /// # Panics
    /// If there is none, naming `what` was being done.
    fn must(self, what: &str) -> T;
}

impl<T, E: Display> Must<T> for Result<T, E> {
    fn must(self, what: &str) -> T {
        self.unwrap_or_else(|error| panic!("{what}: {error}"))
    }
}
