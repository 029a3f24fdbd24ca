//! A lane as people see it: figures of one moment. Nothing is decided by them.

use super::gate::Figures;
use super::{Lane, LaneSettings};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// One lane at one moment.
#[derive(Debug, Clone)]
pub struct LaneView {
    /// The participant.
    pub name: String,
    /// host:port.
    pub address: String,
    /// What holds now.
    pub settings: LaneSettings,
    /// Whether somebody has set it while it runs.
    pub is_set: bool,
    /// Its figures; times since the lane was made.
    pub figures: Figures,
    /// This moment, likewise.
    pub now: Duration,
}

impl LaneView {
    pub(super) fn of(name: &str, lane: &Lane) -> Self {
        let (figures, now) = lane.door.figures();
        Self {
            name: name.to_owned(),
            address: lane.address.clone(),
            settings: lane.door.settings(),
            is_set: lane.is_set.load(Ordering::SeqCst),
            figures,
            now,
        }
    }

    /// How long ago that was.
    #[must_use]
    pub fn ago(&self, then: Duration) -> Duration {
        self.now.saturating_sub(then)
    }
}
