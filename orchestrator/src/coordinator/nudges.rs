//! Lets nudges of the coordinator through one by one, with a pause between, and joins those that would come together.
//! Must not know what a nudge is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// `resetCronTime` sends every waiting gid into one serial loop: at most one a second (dtm.md D6).
const INTERVAL: Duration = Duration::from_secs(1);

/// The gate of all nudges of one process.
#[derive(Default)]
pub struct Nudges {
    last: Mutex<Option<Instant>>,
    waiting: AtomicBool,
}

/// The place of the one who waits. It is given back however the waiting ends: a call that was dropped half-way must not
/// keep all others away for ever.
struct Place<'a>(&'a AtomicBool);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Nudges {
    /// Waits until a nudge may be sent; false = another that is waiting already will do for this one too.
    pub async fn admit(&self) -> bool {
        if self.waiting.swap(true, Ordering::SeqCst) {
            return false;
        }
        let _place = Place(&self.waiting);
        let mut last = self.last.lock().await;
        if let Some(last) = *last {
            tokio::time::sleep_until(last + INTERVAL).await;
        }
        *last = Some(Instant::now());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::poll;
    use std::pin::pin;

    #[tokio::test(start_paused = true)]
    async fn nudges_that_come_together_are_one() {
        let nudges = Nudges::default();
        assert!(nudges.admit().await, "the first goes at once");
        let began = Instant::now();
        let (one, two, three) = tokio::join!(nudges.admit(), nudges.admit(), nudges.admit());
        assert_eq!((one, two, three), (true, false, false));
        assert_eq!(began.elapsed(), INTERVAL);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_dropped_while_it_waits_keeps_nobody_away() {
        let nudges = Nudges::default();
        assert!(nudges.admit().await);
        {
            let mut dropped = pin!(nudges.admit());
            assert!(poll!(&mut dropped).is_pending());
            assert!(!nudges.admit().await, "it waits for both");
        }
        assert!(nudges.admit().await, "its place is free again");
    }
}
