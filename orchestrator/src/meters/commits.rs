//! Commits of the history: how many appends share one, how long it takes, how many fail. Must not know what they hold.

use super::table::{HISTORY_COMMIT_APPENDS, HISTORY_COMMIT_FAILURES, HISTORY_COMMIT_SECONDS};
use amends_serve::metrics::{Counter, Histogram};
use std::sync::LazyLock;
use std::time::Duration;

struct Commits {
    seconds: Histogram,
    appends: Histogram,
    failures: Counter,
}

static COMMITS: LazyLock<Commits> = LazyLock::new(|| Commits {
    seconds: HISTORY_COMMIT_SECONDS.histogram(&[]),
    appends: HISTORY_COMMIT_APPENDS.histogram(&[]),
    failures: HISTORY_COMMIT_FAILURES.counter(&[]),
});

/// Notes a commit that was tried, with so many appends. What was asked of the store before is part of its time.
pub(crate) fn committed<T, E>(appends: usize, took: Duration, outcome: &Result<T, E>) {
    COMMITS.seconds.record(took);
    match outcome {
        Ok(_) => COMMITS.appends.record(u32::try_from(appends).unwrap_or(u32::MAX)),
        Err(_) => COMMITS.failures.increment(1),
    }
}
