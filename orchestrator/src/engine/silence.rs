//! When a coordinator that should have called has not: the watch that makes us remind it (dtm.md D24).
//! Knows deadlines only.

use std::sync::{Mutex, PoisonError};
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
}

impl Silence {
    /// The coordinator can go on: it is expected to call soon.
    pub fn expect_soon(&self, now: Instant) {
        self.set(Watch { due: Some(now + FIRST), strikes: 0 });
    }

    /// Somebody has to look now.
    pub fn due_now(&self, now: Instant) {
        self.set(Watch { due: Some(now), strikes: 1 });
    }

    /// Work is going on here; nothing is expected of the coordinator.
    pub fn rest(&self) {
        self.set(Watch::default());
    }

    /// How many reminders had no effect, if one is due; the next one is set further away.
    pub fn strike(&self, now: Instant) -> Option<u32> {
        let mut watch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if watch.due.is_none_or(|due| due > now) {
            return None;
        }
        let strikes = watch.strikes;
        watch.strikes = strikes.saturating_add(1).min(10);
        watch.due = Some(now + FIRST.saturating_mul(FACTOR.saturating_pow(watch.strikes)).min(LONGEST));
        Some(strikes)
    }

    fn set(&self, watch: Watch) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = watch;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reminders_grow_rarer_and_stop_when_work_goes_on() {
        let silence = Silence::default();
        let start = Instant::now();
        assert_eq!(silence.strike(start), None);
        silence.expect_soon(start);
        assert_eq!(silence.strike(start + Duration::from_millis(299)), None);
        assert_eq!(silence.strike(start + FIRST), Some(0));
        assert_eq!(silence.strike(start + FIRST * 2), None);
        assert_eq!(silence.strike(start + FIRST * 4), Some(1));
        let mut now = start + FIRST * 4;
        for _ in 0..20 {
            now += LONGEST;
            assert!(silence.strike(now).is_some());
        }
        silence.rest();
        assert_eq!(silence.strike(now + LONGEST), None);
    }
}
