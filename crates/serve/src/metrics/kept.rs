//! Figures of a store: read seldom, however many ask, and marked where they are old. Knows no store.

use super::Metric;
use std::fmt::Display;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// What was read of a store is told for so long: looking at all that is open may cost some hundredths of a second.
const KEPT: Duration = Duration::from_secs(5);

/// When a store was read last, and the gauge that says whether it could be.
#[derive(Debug)]
pub struct Kept {
    readable: Metric,
    read: Mutex<Option<Instant>>,
}

impl Kept {
    /// Nothing is read yet; `readable` has no labels, and is 1 or 0.
    #[must_use]
    pub fn new(readable: Metric) -> Self {
        Self { readable, read: Mutex::default() }
    }

    /// Looks, unless somebody did within the last seconds. Of several who ask at once one looks.
    pub async fn read<E: Display>(&self, look: impl Future<Output = Result<(), E>>) {
        let mut read = self.read.lock().await;
        if read.is_some_and(|read| read.elapsed() < KEPT) {
            return;
        }
        let looked = look.await;
        *read = looked.is_ok().then(Instant::now);
        match looked {
            Ok(()) => self.readable.gauge(&[]).set(1.0),
            Err(error) => {
                // Whoever has to write says what is wrong with the store.
                tracing::debug!(%error, "figures of the store cannot be read");
                self.old();
            }
        }
    }

    /// Marks what was told last as old.
    pub fn old(&self) {
        self.readable.gauge(&[]).set(0.0);
    }
}

/// A count as a gauge has it; exact up to 2^53, far beyond what is counted here.
#[must_use]
pub fn figure(count: i64) -> f64 {
    count as f64
}

/// Whole seconds from one moment to another, both unix microseconds; 0 where the clock went back.
#[must_use]
pub fn age_s(since_us: i64, now_us: i64) -> f64 {
    figure((now_us.saturating_sub(since_us) / 1_000_000).max(0))
}
