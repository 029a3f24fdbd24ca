//! How wide a lane is while it widens again after its participant was away. Pure.

use std::time::Duration;

/// A lane that began to widen then, and how long that takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowStart {
    /// When the breaker closed.
    pub since: Duration,
    /// Until all calls in flight are allowed again.
    pub takes: Duration,
}

impl SlowStart {
    /// Calls in flight that are allowed now, out of `full`: at least one, and growing evenly.
    #[must_use]
    pub fn width(self, now: Duration, full: u32) -> u32 {
        let passed = now.saturating_sub(self.since).as_micros();
        let takes = self.takes.as_micros();
        if passed >= takes {
            return full;
        }
        u32::try_from(u128::from(full) * passed / takes).unwrap_or(full).max(1)
    }

    /// When one more is allowed than now; `None` = all are.
    #[must_use]
    pub fn wider_at(self, now: Duration, full: u32) -> Option<Duration> {
        let width = self.width(now, full);
        if width >= full {
            return None;
        }
        let micros = (self.takes.as_micros() * u128::from(width + 1)).div_ceil(u128::from(full));
        Some(self.since + Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }

    /// When all are allowed.
    #[must_use]
    pub fn ends(self) -> Duration {
        self.since.saturating_add(self.takes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_lane_widens_step_by_step_to_its_full_width(
            full in 1_u32..10_000, takes in 1_u64..600_000, passed in 0_u64..700_000,
        ) {
            let ms = Duration::from_millis;
            let slow = SlowStart { since: ms(1_000), takes: ms(takes) };
            let now = ms(1_000 + passed);
            let width = slow.width(now, full);
            prop_assert!((1..=full).contains(&width));
            match slow.wider_at(now, full) {
                None => prop_assert_eq!(width, full),
                Some(then) => {
                    prop_assert!(then > now && then <= slow.ends() + Duration::from_micros(1));
                    prop_assert!(slow.width(then, full) > width);
                    prop_assert!(slow.width(then - Duration::from_micros(2), full) <= width.max(1));
                }
            }
        }
    }
}
