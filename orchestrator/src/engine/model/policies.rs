//! What must hold of limits and of runs, said from the recorded facts alone, as `oracle` does.

use super::oracle::{Oracle, is_forward, is_undo, only};
use super::shape::Bounds;
use crate::history::{Event, Fact};
use crate::plan::OpRef;
use std::collections::BTreeMap;

/// Needs that limits open.
const OF_LIMITS: [&str; 2] = ["deadline_behind_pivot", "retries_exhausted"];

/// How far an op is, counted in its run.
#[derive(Debug, Default)]
struct Counted {
    failures: i32,
    /// Its first attempt of the run, and the beginning of the run if that was later.
    since_us: Option<i64>,
    /// An attempt of it in this run brought nothing.
    in_vain: bool,
}

impl Oracle<'_> {
    fn counted(&self, at: OpRef, events: &[Event]) -> Counted {
        let (mut counted, mut run_us, mut under_way) = (Counted::default(), 0, false);
        for Event { fact, time_us, .. } in events {
            if let Fact::OperatorRedriven { from, .. } = fact
                && from.contains(&at)
            {
                run_us = *time_us;
                counted = Counted { since_us: under_way.then_some(run_us), ..Counted::default() };
            }
            if matches!(fact, Fact::AttemptStarted { at: it, .. } if *it == at) {
                under_way = true;
                counted.since_us.get_or_insert(run_us.max(*time_us));
            }
            let failed = matches!(fact, Fact::AttemptUnknown { at: it, .. } if *it == at);
            if failed || matches!(fact, Fact::Parked { at: it, .. } if *it == at) {
                under_way = false;
                counted.in_vain = true;
                counted.failures += i32::from(failed);
            }
        }
        counted
    }

    /// Whether the limits of an op are reached: it is exhausted, it is overdue.
    fn reached(&self, at: OpRef) -> (bool, bool) {
        let Counted { failures, since_us, .. } = self.counted(at, self.events);
        let limits = &self.shape.limits[at.step];
        let Bounds { attempts, total_ms } = if is_forward(at.op) { limits.forward } else { limits.second };
        let elapsed_us = since_us.map(|since_us| self.now_us - since_us - self.paused_us(since_us));
        let over = |ms: i32| ms > 0 && elapsed_us.is_some_and(|us| us >= i64::from(ms) * 1_000);
        let exhausted = (attempts > 0 && failures >= attempts) || over(total_ms);
        (exhausted, is_forward(at.op) && over(limits.deadline_ms))
    }

    fn paused_us(&self, since_us: i64) -> i64 {
        let within =
            |(from, until): (i64, Option<i64>)| (until.unwrap_or(self.now_us) - from.max(since_us)).max(0);
        self.pauses().into_iter().map(within).sum()
    }

    /// Whether everything has to be taken back for an op that has reached its limits.
    pub fn is_used_up(&self, at: OpRef) -> bool {
        let (exhausted, overdue) = self.reached(at);
        let gives_up = exhausted && self.shape.limits[at.step].gives_up;
        is_forward(at.op) && !self.shape.is_behind_pivot(at.step) && (overdue || gives_up)
    }

    /// An op is about to be given up.
    pub fn may_be_given_up(&self, at: OpRef) {
        assert!(self.is_used_up(at), "{at:?} is given up though it is within its limits");
        assert!(!self.succeeded(at.step, is_forward), "{at:?} is given up though it is done");
    }

    /// A person is about to be called for an op.
    pub fn may_call_a_person(&self, at: OpRef, cause: &str) {
        let (exhausted, overdue) = self.reached(at);
        let reached = if cause == OF_LIMITS[0] { overdue } else { exhausted };
        assert!(reached, "{cause} of {at:?} though it is within its limits");
    }

    /// Another run has just begun.
    pub fn run_has_begun(&self) {
        let is_run = |event: &&Event| matches!(event.fact, Fact::OperatorRedriven { .. });
        let begun = self.events.iter().rfind(is_run).unwrap();
        let Fact::OperatorRedriven { run, from, .. } = &begun.fact else { unreachable!("filtered") };
        assert_eq!(*run as usize, self.events.iter().filter(is_run).count() + 1, "runs are numbered on");
        assert!(!self.facts().any(is_undo), "run {run} begins though all is taken back");
        assert!(!self.is_paused() && self.end().is_none(), "run {run} begins in a pause, or after the end");
        assert!(!from.is_empty(), "run {run} goes on from nothing");
        let earlier: Vec<Event> = self.events.iter().filter(|event| event.seq < begun.seq).cloned().collect();
        let called_for = open_needs(&earlier);
        for at in from {
            // Of a call that a crash cut off nothing is known but that it takes too long.
            let failed = self.counted(*at, &earlier).in_vain || called_for.values().any(|it| it == at);
            assert!(failed, "run {run} goes on from {at:?}, which has not failed");
            assert!(!self.succeeded(at.step, only(at.op)), "run {run} does {at:?} again");
            assert_eq!(self.counted(*at, self.events).failures, 0, "{at:?} has failed in run {run} already");
        }
        let open = open_needs(self.events);
        let still = open.values().any(|at| from.contains(at));
        assert!(!still, "a person is called still for what run {run} goes on from: {open:?}");
    }

    /// Over runs and crashes no attempt has the number of another one.
    pub fn attempts_are_numbered_on(&self) {
        let mut newest = BTreeMap::new();
        for fact in self.facts() {
            if let Fact::AttemptStarted { at, attempt } = fact {
                let before = newest.insert(*at, *attempt).unwrap_or(0);
                assert!(before < *attempt, "attempt {attempt} of {at:?} follows {before}");
            }
        }
    }
}

/// Needs of limits that are open, each with its op; while nothing is taken back.
fn open_needs(events: &[Event]) -> BTreeMap<&str, OpRef> {
    let mut open = BTreeMap::new();
    for Event { fact, .. } in events {
        if let Fact::AttentionOpened { cause, at: Some(at), .. } = fact
            && OF_LIMITS.contains(&cause.as_str())
        {
            open.entry(cause.as_str()).or_insert(*at);
        }
        if let Fact::AttentionClosed { cause } = fact {
            open.remove(cause.as_str());
        }
    }
    open
}
