//! When a coordinator that should have called has not: the watch that makes us remind it (dtm.md D24).
//! Knows deadlines only.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// DTM calls the next op within 20 ms; after this it is reminded (design.md §2, Times).
pub const FIRST: Duration = Duration::from_millis(300);
/// Longest time between two reminders of one silent global transaction.
const LONGEST: Duration = Duration::from_secs(20);
/// Each reminder without effect waits so many times longer.
const FACTOR: u32 = 3;

/// The watch over one global transaction.
#[derive(Debug, Default)]
pub struct Silence(Mutex<Watch>);

#[derive(Debug, Default, Clone, Copy)]
struct Watch {
    due: Option<Instant>,
    strikes: u32,
    /// Newest event that the strikes count from.
    seq: i64,
}

impl Silence {
    /// The coordinator is expected to call. Only new history makes reminders frequent again: calls that a reminder
    /// itself brought about are no progress.
    pub fn expect(&self, now: Instant, seq: i64) {
        let mut watch = self.lock();
        if watch.seq < seq {
            *watch = Watch { due: None, strikes: 0, seq };
        }
        watch.due = Some(now + pause(watch.strikes));
    }

    /// Somebody has to look now.
    pub fn due_now(&self, now: Instant) {
        let mut watch = self.lock();
        watch.due = Some(now);
        watch.strikes = watch.strikes.max(1);
    }

    /// Work is going on here; nothing is expected of the coordinator.
    pub fn rest(&self) {
        self.lock().due = None;
    }

    /// How many reminders had no effect, if one is due; the next one is set further away.
    pub fn strike(&self, now: Instant) -> Option<u32> {
        let mut watch = self.lock();
        if watch.due.is_none_or(|due| due > now) {
            return None;
        }
        let strikes = watch.strikes;
        watch.strikes = strikes.saturating_add(1).min(10);
        watch.due = Some(now + pause(watch.strikes));
        Some(strikes)
    }

    fn lock(&self) -> MutexGuard<'_, Watch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time to the next reminder after so many without effect.
fn pause(strikes: u32) -> Duration {
    FIRST.saturating_mul(FACTOR.saturating_pow(strikes)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reminders_grow_rarer_until_something_comes_of_them() {
        let silence = Silence::default();
        let start = Instant::now();
        assert_eq!(silence.strike(start), None);
        silence.expect(start, 1);
        assert_eq!(silence.strike(start + Duration::from_millis(299)), None);
        assert_eq!(silence.strike(start + FIRST), Some(0));
        assert_eq!(silence.strike(start + FIRST * 2), None);
        assert_eq!(silence.strike(start + FIRST * 4), Some(1));
        let mut now = start + FIRST * 4;
        for _ in 0..20 {
            now += LONGEST;
            assert!(silence.strike(now).is_some());
        }
        silence.expect(now, 1);
        assert_eq!(silence.strike(now + LONGEST / 2), None, "a call without new history is no progress");
        silence.rest();
        assert_eq!(silence.strike(now + LONGEST), None);
        silence.expect(now, 2);
        assert_eq!(silence.strike(now + FIRST), Some(0), "new history begins anew");
    }
}
