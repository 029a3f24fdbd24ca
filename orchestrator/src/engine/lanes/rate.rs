//! The rate of a lane: in any second at most so many calls. Pure but for its clock, which is set by hand.

use governor::clock::{Clock as _, FakeRelativeClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;
use std::time::Duration;

/// One twentieth of a second's calls may come at once: a timer that is late by some milliseconds loses none of them.
const BURST_PART: u32 = 20;

type Limiter = RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>;

/// The rate of one lane.
pub struct Rate {
    limiter: Option<(Limiter, FakeRelativeClock)>,
    told: Duration,
}

impl Rate {
    /// So many calls in any second; 0 = as many as come.
    #[must_use]
    pub fn new(per_second: u32, now: Duration) -> Self {
        let limiter = quota(per_second).map(|quota| {
            let clock = FakeRelativeClock::default();
            (RateLimiter::direct_with_clock(quota, clock.clone()), clock)
        });
        Self { limiter, told: now }
    }

    /// Takes the room of one call; or tells when there is some.
    pub fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let Some((limiter, clock)) = &self.limiter else { return Ok(()) };
        clock.advance(now.saturating_sub(self.told));
        self.told = self.told.max(now);
        limiter.check().map_err(|not_yet| self.told + not_yet.wait_time_from(clock.now()))
    }
}

/// What comes at once is taken off what comes evenly: any second, wherever it begins, holds `per_second` at most.
fn quota(per_second: u32) -> Option<Quota> {
    let burst = NonZeroU32::new(1 + per_second / BURST_PART)?;
    let evenly = u64::from(per_second.checked_sub(burst.get() - 1).filter(|rate| *rate > 0)?);
    let quota = Quota::with_period(Duration::from_nanos(1_000_000_000_u64.div_ceil(evenly)))?;
    Some(quota.allow_burst(burst))
}

impl std::fmt::Debug for Rate {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("Rate").field("is_limited", &self.limiter.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn none_is_as_many_as_come() {
        let mut rate = Rate::new(0, Duration::ZERO);
        assert!((0..100_000).all(|_| rate.take(Duration::ZERO).is_ok()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whoever asks as often as he may, with whatever pauses, never has more in any second, and almost all of it.
        #[test]
        fn no_second_holds_more(per_second in 1_u32..500, pauses in prop::collection::vec(0_u64..300, 1..40)) {
            let (mut rate, mut now) = (Rate::new(per_second, Duration::ZERO), Duration::ZERO);
            let (mut calls, end) = (Vec::new(), SECOND * 3);
            let mut pauses = pauses.into_iter().cycle();
            while now < end {
                match rate.take(now) {
                    Ok(()) => calls.push(now),
                    Err(then) => {
                        prop_assert!(then > now);
                        now = then;
                        if calls.len() % 50 == 0 {
                            now += Duration::from_micros(pauses.next().unwrap_or_default());
                        }
                    }
                }
            }
            let mut last = 0;
            for (first, began) in calls.iter().enumerate() {
                while last < calls.len() && calls[last] < *began + SECOND {
                    last += 1;
                }
                prop_assert!(last - first <= per_second as usize, "{} calls in a second", last - first);
            }
            prop_assert!(calls.len() as f64 >= f64::from(per_second) * 3.0 * 0.9 - 1.0, "{}", calls.len());
        }
    }
}
