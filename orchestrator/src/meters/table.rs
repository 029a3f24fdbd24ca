//! The table: names, labels and meanings. docs/metrics.md tells them to people.

use amends_serve::metrics::{CALL_SECONDS, Kind, Metric};

/// From an acceptance to the end: from what an embedded deed takes to what waits for people over a week-end.
const DEED_SECONDS: &[f64] = &[
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0, 86_400.0,
    259_200.0,
];
/// A commit of the history: from a fast disk to one that is in trouble.
const COMMIT_SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Up to the most that one commit takes in.
const COMMIT_APPENDS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Every metric of the orchestrator, but those of every process.
pub const METRICS: &[Metric] = &[
    STARTED,
    ENDED,
    SECONDS,
    OPEN,
    PAUSED,
    OLDEST_OPEN,
    HOLDS,
    ATTENTION_OPEN,
    ATTENTION_UNACKNOWLEDGED,
    ATTENTION_OLDEST,
    ATTEMPTS,
    ATTEMPT_SECONDS,
    LANE_IN_FLIGHT,
    LANE_WIDTH,
    LANE_WAITING,
    LANE_BREAKER,
    LANE_REPEATS,
    HISTORY_COMMIT_SECONDS,
    HISTORY_COMMIT_APPENDS,
    HISTORY_COMMIT_FAILURES,
    HISTORY_READABLE,
    DTM_CALLS,
    DTM_SECONDS,
    DTM_REACHABLE,
    NOTICES_PENDING,
    NOTICES_OLDEST,
    NOTICES_ATTEMPTS,
];

pub(super) const STARTED: Metric = Metric::new(
    "amends_transactions_started_total",
    Kind::Counter,
    &["definition", "mode"],
    "Global transactions that this process accepted.",
);
pub(super) const ENDED: Metric = Metric::new(
    "amends_transactions_ended_total",
    Kind::Counter,
    &["definition", "mode", "status"],
    "Global transactions that this process brought to their end: succeeded, failed or cancelled.",
);
pub(super) const SECONDS: Metric = Metric::new(
    "amends_transaction_duration_seconds",
    Kind::Histogram(DEED_SECONDS),
    &["definition", "status"],
    "Time from the acceptance of a global transaction to its end.",
);
pub(super) const OPEN: Metric = Metric::new(
    "amends_transactions_open",
    Kind::Gauge,
    &["definition", "status"],
    "Global transactions in the store that have not ended, of all replicas.",
);
pub(super) const PAUSED: Metric = Metric::new(
    "amends_transactions_paused",
    Kind::Gauge,
    &[],
    "Global transactions in the store that are paused by themselves, of all replicas.",
);
pub(super) const OLDEST_OPEN: Metric = Metric::new(
    "amends_transaction_oldest_open_seconds",
    Kind::Gauge,
    &[],
    "Age of the oldest global transaction in the store that has not ended; 0 = there is none.",
);
pub(super) const HOLDS: Metric = Metric::new(
    "amends_holds",
    Kind::Gauge,
    &["kind"],
    "Definitions and participants in the store that are paused, of all replicas: definition or participant.",
);
pub(super) const ATTENTION_OPEN: Metric = Metric::new(
    "amends_attention_open",
    Kind::Gauge,
    &["cause"],
    "Open needs for a person in the store, of all replicas.",
);
pub(super) const ATTENTION_UNACKNOWLEDGED: Metric = Metric::new(
    "amends_attention_unacknowledged",
    Kind::Gauge,
    &["cause"],
    "Those of them that nobody has acknowledged.",
);
pub(super) const ATTENTION_OLDEST: Metric = Metric::new(
    "amends_attention_oldest_seconds",
    Kind::Gauge,
    &["cause"],
    "Since when the oldest of them is open; 0 = there is none.",
);
pub(super) const ATTEMPTS: Metric = Metric::new(
    "amends_attempts_total",
    Kind::Counter,
    &["participant", "op", "outcome"],
    "Calls of this process to participants, by what they came to: succeeded, refused, in_progress or unknown.",
);
pub(super) const ATTEMPT_SECONDS: Metric = Metric::new(
    "amends_attempt_duration_seconds",
    Kind::Histogram(CALL_SECONDS),
    &["participant", "op"],
    "Time that calls to participants took.",
);
pub(super) const LANE_IN_FLIGHT: Metric = Metric::new(
    "amends_lane_in_flight",
    Kind::Gauge,
    &["participant"],
    "Calls in flight in the lane to a participant.",
);
pub(super) const LANE_WIDTH: Metric = Metric::new(
    "amends_lane_width",
    Kind::Gauge,
    &["participant"],
    "As many calls as may be in flight there now.",
);
pub(super) const LANE_WAITING: Metric =
    Metric::new("amends_lane_waiting", Kind::Gauge, &["participant"], "Calls that wait before the lane.");
pub(super) const LANE_BREAKER: Metric = Metric::new(
    "amends_lane_breaker_state",
    Kind::Gauge,
    &["participant", "state"],
    "1 for the state that the lane's breaker is in, 0 for the others: closed, open, half_open.",
);
pub(super) const LANE_REPEATS: Metric = Metric::new(
    "amends_lane_repeats_total",
    Kind::Counter,
    &["participant"],
    "Calls that the lane let through as repeats of one with unknown outcome.",
);
pub(super) const HISTORY_COMMIT_SECONDS: Metric = Metric::new(
    "amends_history_commit_duration_seconds",
    Kind::Histogram(COMMIT_SECONDS),
    &[],
    "Time that a commit of the history took, failed or not.",
);
pub(super) const HISTORY_COMMIT_APPENDS: Metric = Metric::new(
    "amends_history_commit_appends",
    Kind::Histogram(COMMIT_APPENDS),
    &[],
    "Appends that shared a commit of the history.",
);
pub(super) const HISTORY_COMMIT_FAILURES: Metric = Metric::new(
    "amends_history_commit_failures_total",
    Kind::Counter,
    &[],
    "Commits of the history that the store did not make.",
);
pub(super) const HISTORY_READABLE: Metric = Metric::new(
    "amends_history_readable",
    Kind::Gauge,
    &[],
    "1 = the history's store was read within the last seconds; 0 = figures of it are old.",
);
pub(super) const DTM_CALLS: Metric = Metric::new(
    "amends_dtm_calls_total",
    Kind::Counter,
    &["call", "outcome"],
    "Calls of this process to the DTM server, by what it said: done, refused or unknown.",
);
pub(super) const DTM_SECONDS: Metric = Metric::new(
    "amends_dtm_call_duration_seconds",
    Kind::Histogram(CALL_SECONDS),
    &["call"],
    "Time that calls to the DTM server took.",
);
pub(super) const DTM_REACHABLE: Metric = Metric::new(
    "amends_dtm_reachable",
    Kind::Gauge,
    &[],
    "1 = the DTM server told its version when these figures were read; 0 = it did not. Absent where none is configured.",
);
pub(super) const NOTICES_PENDING: Metric = Metric::new(
    "amends_notices_pending",
    Kind::Gauge,
    &[],
    "Notices of needs for a person that the webhook's receiver has not taken. Absent without a webhook.",
);
pub(super) const NOTICES_OLDEST: Metric = Metric::new(
    "amends_notices_oldest_seconds",
    Kind::Gauge,
    &[],
    "Age of the oldest of them; 0 = there is none.",
);
pub(super) const NOTICES_ATTEMPTS: Metric = Metric::new(
    "amends_notices_most_attempts",
    Kind::Gauge,
    &[],
    "How often the most often sent of them was sent.",
);
