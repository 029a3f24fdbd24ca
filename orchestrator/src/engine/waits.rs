//! What the running ops of one global transaction wait for at this moment, for whoever has to explain it. Volatile: it
//! is gone with the process, and nothing is decided by it. An op that runs and is not named here is being called, or its
//! outcome is being written.

use crate::plan::OpRef;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Which rule set the time of the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The step's retry policy: interval, factor, cap and jitter.
    Interval,
    /// A participant that is still at it is asked again soon, whatever the policy says.
    InProgress,
    /// The history's store is away.
    Store,
}

/// What paused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The global transaction itself.
    Transaction,
    /// Its definition, by name.
    Definition(String),
    /// The participant, by name.
    Participant(String),
}

/// What an op waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The time of its next attempt.
    Backoff {
        /// What set it.
        rule: Rule,
    },
    /// Room among the calls in flight to the participant.
    Room,
    /// The participant's breaker to let calls through again.
    BreakerOpen,
    /// The participant's rate to allow another call.
    Rate,
    /// The participant's retry budget to allow another repeat.
    RetryBudget,
    /// Somebody to resume it.
    Paused(Scope),
    /// The calls of a replica that is gone to have ended for certain.
    Others,
}

/// One wait. Times in unix microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// For what.
    pub why: Why,
    /// Since when.
    pub since_us: i64,
    /// Until when at the latest; `None` = nobody knows.
    pub until_us: Option<i64>,
}

/// The waits of one global transaction: at most one for each running op.
#[derive(Debug, Default)]
pub struct Waits {
    by_op: Mutex<BTreeMap<OpRef, Wait>>,
}

impl Waits {
    /// Says that an op waits, until what this returns is dropped. A wait of the same op that was said earlier is over.
    #[must_use]
    pub fn begin(&self, at: OpRef, why: Why, now_us: i64, longest: Option<Duration>) -> Waiting<'_> {
        let until = |longest: Duration| i64::try_from(longest.as_micros()).unwrap_or(i64::MAX);
        let until_us = longest.map(|longest| now_us.saturating_add(until(longest)));
        self.lock().insert(at, Wait { why, since_us: now_us, until_us });
        Waiting { waits: self, at }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<(OpRef, Wait)> {
        self.lock().iter().map(|(at, wait)| (*at, wait.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<OpRef, Wait>> {
        self.by_op.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait that lasts.
#[derive(Debug)]
pub struct Waiting<'a> {
    waits: &'a Waits,
    at: OpRef,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.waits.lock().remove(&self.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_dtm::Op;

    #[test]
    fn a_wait_is_told_as_long_as_it_lasts() {
        let (waits, at) = (Waits::default(), OpRef { step: 1, op: Op::Action });
        let waiting = waits.begin(at, Why::Room, 7, Some(Duration::from_millis(2)));
        let told = Wait { why: Why::Room, since_us: 7, until_us: Some(2_007) };
        assert_eq!(waits.all(), [(at, told)]);
        drop(waiting);
        assert!(waits.all().is_empty());
    }
}
