//! How patient the gateway is. Knows nothing but numbers.

use std::time::Duration;

use crate::schedule::Schedule;

/// Settings about the processor.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// How long a call to the processor may take.
    pub psp_timeout: Duration,
    /// When to ask about an unknown outcome.
    pub schedule: Schedule,
    /// How often to ask when the schedule is exhausted.
    pub in_doubt_every: Duration,
    /// Most queries in a second.
    pub queries_per_s: f64,
    /// Whole units of a currency above which whoever proposes a resolution cannot approve it.
    pub approve_above: u32,
}

/// A payment in doubt for longer than this is a matter for people, whatever the schedule says.
pub const IN_DOUBT_AFTER_US: i64 = 2 * 3600 * 1_000_000;

/// Time between the deadline of a call and the first query of a worker that found no answer recorded.
pub const GRACE: Duration = Duration::from_secs(1);

/// `now_us` plus `delay`.
#[must_use]
pub fn later(now_us: i64, delay: Duration) -> i64 {
    now_us.saturating_add(i64::try_from(delay.as_micros()).unwrap_or(i64::MAX))
}
