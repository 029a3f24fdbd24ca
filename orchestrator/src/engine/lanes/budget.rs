//! The retry budget of a lane: first calls pay for repeated ones, so that repeats never become the load. Pure.

use super::settings::LaneSettings;
use std::time::Duration;

/// One repeat, in the unit that is counted.
const REPEAT: u64 = 1_000;
/// Repeats that a lane may have saved up, for a moment in which many fail at once: almost as many as may be in flight.
const SAVED: u64 = 100 * REPEAT;

/// What is left for repeats.
#[derive(Debug, Clone)]
pub struct Budget {
    left: u64,
    /// Up to here the floor was paid.
    paid: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: SAVED, paid: Duration::ZERO }
    }
}

impl Budget {
    /// A first call was made.
    pub fn earn(&mut self, settings: &LaneSettings) {
        self.left = (self.left + u64::from(settings.retry_percent) * REPEAT / 100).min(SAVED);
    }

    /// When the next repeat may be made; now, or later.
    pub fn allows(&mut self, now: Duration, settings: &LaneSettings) -> Result<(), Duration> {
        self.pay_floor(now, settings);
        if self.left >= REPEAT {
            return Ok(());
        }
        let nanos = (REPEAT - self.left) * 1_000_000_000 / REPEAT;
        Err(self.paid + Duration::from_nanos(nanos.div_ceil(settings.retry_floor.into())))
    }

    /// A repeat is made, as [`Budget::allows`] said at the same moment.
    pub fn spend(&mut self) {
        self.left = self.left.saturating_sub(REPEAT);
    }

    /// Repeats that may be made now.
    #[must_use]
    pub fn left_at(mut self, now: Duration, settings: &LaneSettings) -> u64 {
        self.pay_floor(now, settings);
        self.left / REPEAT
    }

    fn pay_floor(&mut self, now: Duration, settings: &LaneSettings) {
        let each = Duration::from_nanos(1_000_000_000_u64.div_ceil(REPEAT * u64::from(settings.retry_floor)));
        let passed = now.saturating_sub(self.paid);
        let units = u64::try_from(passed.as_nanos() / each.as_nanos().max(1)).unwrap_or(u64::MAX);
        self.left = self.left.saturating_add(units).min(SAVED);
        // Whoever asks often loses no fraction of a unit.
        self.paid = if self.left == SAVED { now } else { self.paid + each.saturating_mul(clamp(units)) };
    }
}

fn clamp(units: u64) -> u32 {
    u32::try_from(units).unwrap_or(u32::MAX)
}
