//! How one op is repeated: how long each wait is, and which limits are reached. Pure: it reads no clock, draws no lots and
//! calls nobody; what it is asked about is counted in history, so that a restart changes no answer.

use crate::plan::{OpRef, Plan};
use amends_dtm::Op;
use amends_proto::amends::v1::{RetryPolicy, StepPolicy};
use std::time::Duration;

/// What a policy says where it says nothing (orchestration.md items 3 and 4).
const INITIAL_MS: i32 = 100;
const FACTOR_PERCENT: i32 = 200;
const CAP_MS: i32 = 30_000;
const JITTER_PERCENT: i32 = 20;
const TOTAL_MS: i32 = 600_000;
const ATTEMPT_MS: i32 = 3_000;

/// The policy of one op, with its defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// An attempt that takes longer is unknown.
    pub attempt_timeout: Duration,
    /// Failed attempts that exhaust it; `None` = any number may fail.
    pub max_attempts: Option<u32>,
    /// Time from the first attempt that exhausts it; `None` = none does.
    pub total: Option<Duration>,
    /// Time from the first attempt by which a forward op has to have an outcome; `None` = it may take its time.
    pub deadline: Option<Duration>,
    initial: Duration,
    factor_percent: u32,
    cap: Duration,
    jitter_percent: u32,
    on_deadline: Over,
    on_exhausted: Over,
}

/// What a limit that is reached leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Undo,
    Attention,
}

/// What history tells of an op so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Attempts that were begun.
    pub attempts: u32,
    /// Those of them whose outcome is unknown; a participant that is still at it has not failed.
    pub failures: u32,
    /// Since the first attempt, less what pauses took.
    pub elapsed: Duration,
}

/// A limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// So many attempts have failed.
    Attempts(u32),
    /// It takes longer than this in total.
    Total(Duration),
    /// It has no outcome by its deadline.
    Deadline(Duration),
}

/// What is to be done about an op that has no outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Another attempt, and a person where a limit is reached; empty = none is.
    GoOn(Vec<Limit>),
    /// No other attempt: everything is undone.
    GiveUp(Limit),
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Attempts(1) => write!(f, "1 attempt failed"),
            Self::Attempts(count) => write!(f, "{count} attempts failed"),
            Self::Total(total) => write!(f, "no outcome within {} ms", total.as_millis()),
            Self::Deadline(deadline) => {
                write!(f, "no outcome by its deadline of {} ms", deadline.as_millis())
            }
        }
    }
}

/// The waits, for people.
impl std::fmt::Display for Retry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { initial, factor_percent, cap, jitter_percent, .. } = self;
        write!(f, "from {} ms, each {factor_percent} % of the one before, ", initial.as_millis())?;
        write!(f, "at most {} ms, ± {jitter_percent} %", cap.as_millis())
    }
}

impl Retry {
    /// The policy of an op of this plan.
    #[must_use]
    pub fn of(plan: &Plan, at: OpRef) -> Self {
        let step = plan.policy(at.step);
        match at.op {
            Op::Action | Op::Try => Self::forward(plan, at, &step),
            Op::Confirm => Self::second(&step, step.confirm),
            Op::Compensate | Op::Cancel => Self::second(&step, step.undo),
        }
    }

    fn forward(plan: &Plan, at: OpRef, step: &StepPolicy) -> Self {
        let behind = plan.behind_pivot(at.step);
        let give_up = step.safe_to_give_up && !behind && plan.pivot() != Some(at.step);
        Self {
            max_attempts: count(step.max_attempts),
            deadline: some_ms(step.step_timeout_ms),
            on_deadline: if behind { Over::Attention } else { Over::Undo },
            on_exhausted: if give_up { Over::Undo } else { Over::Attention },
            ..Self::as_forward(step)
        }
    }

    /// A second phase goes on until it is done: it has no deadline, and nobody gives it up.
    fn second(step: &StepPolicy, own: Option<RetryPolicy>) -> Self {
        let Some(own) = own else { return Self::as_forward(step) };
        let initial = ms_or(own.initial_interval_ms, INITIAL_MS);
        Self {
            attempt_timeout: ms_or(own.attempt_timeout_ms, or(step.attempt_timeout_ms, ATTEMPT_MS)),
            max_attempts: count(own.max_attempts),
            total: some_ms(own.total_ms.unwrap_or(TOTAL_MS)),
            initial,
            factor_percent: percent(or(own.factor_percent, FACTOR_PERCENT)),
            cap: ms_or(own.max_interval_ms, CAP_MS).max(initial),
            jitter_percent: percent(own.jitter_percent.unwrap_or(JITTER_PERCENT)),
            ..Self::as_forward(step)
        }
    }

    /// What second phases have in common with the forward op where they say nothing.
    fn as_forward(step: &StepPolicy) -> Self {
        let initial = ms_or(step.initial_interval_ms, INITIAL_MS);
        Self {
            attempt_timeout: ms_or(step.attempt_timeout_ms, ATTEMPT_MS),
            max_attempts: None,
            total: some_ms(step.attention_after_ms),
            deadline: None,
            initial,
            factor_percent: percent(or(step.factor_percent, FACTOR_PERCENT)),
            cap: ms_or(step.max_interval_ms, CAP_MS).max(initial),
            jitter_percent: percent(step.jitter_percent.unwrap_or(JITTER_PERCENT)),
            on_deadline: Over::Attention,
            on_exhausted: Over::Attention,
        }
    }

    /// The wait behind the `nth` try in vain, from 1. `lot` is 0 to 1,000: where it lies within the jitter.
    #[must_use]
    pub fn wait(&self, nth: u32, lot: u32) -> Duration {
        let mut wait = self.initial;
        for _ in 1..nth {
            if wait >= self.cap || self.factor_percent <= 100 {
                break;
            }
            wait = wait.saturating_mul(self.factor_percent) / 100;
        }
        let wait = wait.min(self.cap);
        let jitter = wait * self.jitter_percent / 100;
        wait - jitter + jitter * 2 * lot.min(LOTS) / LOTS
    }

    /// Where an op without an outcome stands. Limits count from the first attempt: what was never begun is not given up.
    #[must_use]
    pub fn judge(&self, done: &Done) -> Judgement {
        let mut reached = Vec::new();
        for (limit, over) in self.limits(done) {
            match over {
                Over::Undo => return Judgement::GiveUp(limit),
                Over::Attention => reached.push(limit),
            }
        }
        Judgement::GoOn(reached)
    }

    fn limits(&self, done: &Done) -> impl Iterator<Item = (Limit, Over)> {
        let Done { attempts, failures, elapsed } = *done;
        let begun = attempts > 0;
        let deadline = self.deadline.filter(|deadline| begun && elapsed >= *deadline);
        let most = self.max_attempts.filter(|most| failures >= *most);
        let total = self.total.filter(|total| begun && elapsed >= *total);
        let exhausted = most.map(Limit::Attempts).or(total.map(Limit::Total));
        let deadline = deadline.map(|deadline| (Limit::Deadline(deadline), self.on_deadline));
        deadline.into_iter().chain(exhausted.map(|limit| (limit, self.on_exhausted)))
    }

    /// When it is to be judged again though nothing happens, counted as `elapsed` is; `None` = no time changes anything.
    #[must_use]
    pub fn next_look(&self, done: &Done) -> Option<Duration> {
        let ahead = |limit: &Duration| done.attempts > 0 && *limit > done.elapsed;
        [self.deadline, self.total].into_iter().flatten().filter(ahead).min()
    }
}

/// Lots are drawn from 0 to this.
const LOTS: u32 = 1_000;

/// The lot of an attempt: those that failed together do not come again together. The same attempt has the same lot
/// always, so that nothing here depends on chance.
#[must_use]
pub fn lot(gid: &str, at: OpRef, attempt: u32) -> u32 {
    let named = gid.bytes().chain(at.op.as_str().bytes());
    let numbers = [u64::try_from(at.step).unwrap_or(u64::MAX), u64::from(attempt)];
    let mixed = named.map(u64::from).chain(numbers).fold(0xcbf2_9ce4_8422_2325_u64, |hash, word| {
        let hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        hash ^ (hash >> 29)
    });
    u32::try_from((mixed >> 16) % u64::from(LOTS + 1)).unwrap_or(LOTS)
}

fn or(value: i32, default: i32) -> i32 {
    if value > 0 { value } else { default }
}

fn ms_or(value: i32, default: i32) -> Duration {
    some_ms(or(value, default)).unwrap_or_default()
}

fn some_ms(value: i32) -> Option<Duration> {
    u64::try_from(value).ok().filter(|ms| *ms > 0).map(Duration::from_millis)
}

fn count(value: i32) -> Option<u32> {
    u32::try_from(value).ok().filter(|count| *count > 0)
}

fn percent(value: i32) -> u32 {
    u32::try_from(value).unwrap_or_default()
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
