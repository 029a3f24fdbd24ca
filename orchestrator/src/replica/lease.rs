//! How long a replica may go on, as a pure function of when it asked. Times are durations since its start, by a clock
//! that never goes back; the database counts by its own clock, later than the asking.

use std::time::Duration;

/// From a renewal until others may fence (orchestration.md item 15: nobody waits much longer for a dead replica).
pub(super) const LIFE: Duration = Duration::from_secs(3);
/// Between two renewals.
pub(super) const BEAT: Duration = Duration::from_secs(1);
/// After a renewal that failed.
pub(super) const BEAT_AGAIN: Duration = Duration::from_millis(200);
/// A replica stops so much before others may fence it: time to end its process.
const HEADROOM: Duration = Duration::from_millis(500);

/// The right to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    end: Duration,
}

impl Lease {
    /// What the database grants when it was asked at that time, however late it answered.
    pub(super) fn granted(asked: Duration) -> Lease {
        Lease { end: (asked + LIFE).saturating_sub(HEADROOM) }
    }

    /// The later end of both: an answer may overtake another.
    pub(super) fn or(self, other: Lease) -> Lease {
        Lease { end: self.end.max(other.end) }
    }

    /// What is left when the database says no.
    pub(super) fn taken() -> Lease {
        Lease { end: Duration::ZERO }
    }

    /// Whether it still holds.
    pub(super) fn holds(self, now: Duration) -> bool {
        now < self.end
    }

    /// When it ends.
    pub(super) fn end(self) -> Duration {
        self.end
    }
}
