//! Calls over one lane: what they come to and how long they take. Must not know what an outcome leads to.

use super::table::{ATTEMPT_SECONDS, ATTEMPTS};
use amends_dtm::{Op, Outcome};
use amends_serve::metrics::{Counter, Histogram};
use std::sync::OnceLock;
use std::time::Duration;

/// The figures of calls to one participant, each from the first call on that it is about.
#[derive(Debug)]
pub(crate) struct LaneMeters {
    participant: String,
    attempts: [[OnceLock<Counter>; 4]; 5],
    seconds: [OnceLock<Histogram>; 5],
}

impl LaneMeters {
    pub(crate) fn new(participant: &str) -> Self {
        Self {
            participant: participant.to_owned(),
            attempts: [const { [const { OnceLock::new() }; 4] }; 5],
            seconds: [const { OnceLock::new() }; 5],
        }
    }

    /// Notes a call that has ended.
    pub(crate) fn called(&self, op: Op, outcome: Outcome, took: Duration) {
        let (name, participant) = (op.as_str(), self.participant.as_str());
        let (place, said) = said(outcome);
        let attempts = &self.attempts[op as usize][place];
        attempts.get_or_init(|| ATTEMPTS.counter(&[participant, name, said])).increment(1);
        let seconds = &self.seconds[op as usize];
        seconds.get_or_init(|| ATTEMPT_SECONDS.histogram(&[participant, name])).record(took);
    }
}

/// The place and the word of an outcome.
fn said(outcome: Outcome) -> (usize, &'static str) {
    match outcome {
        Outcome::Succeeded => (0, "succeeded"),
        Outcome::Refused => (1, "refused"),
        Outcome::InProgress => (2, "in_progress"),
        Outcome::Unknown => (3, "unknown"),
    }
}
