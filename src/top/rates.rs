//! How many begin and end in a second, from counts one after another. Pure: has no clock, reads figures.
use crate::timeline::micros;
use amends_proto::amends::v1::{StatsResponse, Status};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Counts that are kept: one every five seconds for five minutes.
const KEPT: usize = 60;

/// Counts of the last minutes, oldest first.
#[derive(Debug, Default)]
pub struct Trend(VecDeque<Count>);

#[derive(Debug, Clone, Copy)]
struct Count {
    at_us: i64,
    started: i64,
    ended: i64,
}

/// So many in a second, between two counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Began.
    pub started: f64,
    /// Ended, however.
    pub ended: f64,
}

impl Rates {
    /// For programs.
    pub fn json(self) -> Value {
        let thousandths = |rate: f64| (rate * 1e3).round() / 1e3;
        json!({
            "started_per_second": thousandths(self.started),
            "ended_per_second": thousandths(self.ended),
        })
    }
}

impl Trend {
    /// Takes figures in. The same ones again change nothing; fewer than before, as after a purge, begin anew.
    pub fn add(&mut self, stats: &StatsResponse) {
        let Some(at_us) = stats.counted_at.as_ref().map(micros) else { return };
        let (mut started, mut ended) = (0, 0);
        for figure in &stats.statuses {
            started += figure.count;
            match figure.status() {
                Status::Succeeded | Status::Failed | Status::Cancelled => ended += figure.count,
                Status::Unspecified | Status::Accepted | Status::Running | Status::Compensating => {}
            }
        }
        match self.0.back().copied() {
            Some(last) if last.at_us >= at_us => return,
            Some(last) if last.started > started || last.ended > ended => self.0.clear(),
            Some(_) | None => {}
        }
        self.0.push_back(Count { at_us, started, ended });
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
    }

    /// Between the last two counts; none = there are not two yet.
    pub fn now(&self) -> Option<Rates> {
        self.rates().last()
    }

    /// What ended in a second, times ten, for each pair of counts.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "neither negative nor large")]
    pub fn ended_tenths(&self) -> Vec<u64> {
        self.rates().map(|rates| (rates.ended * 10.0) as u64).collect()
    }

    fn rates(&self) -> impl Iterator<Item = Rates> {
        let pairs = self.0.iter().zip(self.0.iter().skip(1));
        pairs.map(|(from, to)| {
            // For display only.
            let per_second = |many: i64| many as f64 * 1e6 / (to.at_us - from.at_us) as f64;
            Rates { started: per_second(to.started - from.started), ended: per_second(to.ended - from.ended) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_proto::amends::v1::StatusFigure;
    use prost_types::Timestamp;

    fn counted(seconds: i64, running: i64, succeeded: i64) -> StatsResponse {
        let figure =
            |status: Status, count| StatusFigure { status: status.into(), count, ..Default::default() };
        StatsResponse {
            statuses: vec![figure(Status::Running, running), figure(Status::Succeeded, succeeded)],
            counted_at: Some(Timestamp { seconds, nanos: 0 }),
            ..StatsResponse::default()
        }
    }

    #[test]
    fn rates_are_what_changed_between_two_counts() {
        let mut trend = Trend::default();
        trend.add(&counted(100, 4, 10));
        assert_eq!(trend.now(), None, "one count is no rate");
        trend.add(&counted(100, 4, 10));
        assert_eq!(trend.now(), None, "the same count again is no other");
        trend.add(&counted(105, 6, 30));
        assert_eq!(trend.now(), Some(Rates { started: 4.4, ended: 4.0 }));
        assert_eq!(trend.ended_tenths(), [40]);
        trend.add(&counted(110, 6, 20));
        assert_eq!(trend.now(), None, "what was purged did not end backwards");
        for second in 0..200 {
            trend.add(&counted(200 + second, 0, 1_000));
        }
        assert_eq!(trend.ended_tenths().len(), KEPT - 1);
    }
}
