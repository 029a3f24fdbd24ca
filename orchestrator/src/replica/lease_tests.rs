//! When a lease ends, without a clock.
#![cfg(test)]

use super::lease::{BEAT, LIFE, Lease};
use std::time::Duration;

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn it_ends_before_others_may_fence() {
    let lease = Lease::granted(at(10_000));
    for (now, holds) in [(0, true), (10_000, true), (12_499, true), (12_500, false), (13_000, false)] {
        assert_eq!(lease.holds(at(now)), holds, "at {now} ms");
    }
    assert!(lease.end() < at(10_000) + LIFE);
}

/// What counts is when it was asked for, not when the answer came: a process that was suspended in between learns of
/// a grant that is over.
#[test]
fn a_grant_may_be_over_when_it_is_heard_of() {
    assert!(!Lease::granted(at(10_000)).holds(at(60_000)));
}

#[test]
fn renewed_in_time_it_never_ends() {
    let mut lease = Lease::granted(at(0));
    for beat in 1..100 {
        let now = BEAT * beat;
        assert!(lease.holds(now));
        lease = lease.or(Lease::granted(now));
    }
}

/// One renewal may fail and be tried again; a database that is away longer ends the lease.
#[test]
fn it_survives_a_missed_beat_but_not_a_lost_database() {
    let lease = Lease::granted(at(0));
    assert!(lease.holds(BEAT * 2));
    assert!(!lease.holds(LIFE));
}

#[test]
fn an_answer_that_was_overtaken_shortens_nothing() {
    let newer = Lease::granted(at(5_000));
    assert_eq!(newer.or(Lease::granted(at(4_000))), newer);
    assert_eq!(Lease::granted(at(4_000)).or(newer), newer);
}

#[test]
fn taken_is_over_at_once() {
    assert!(!Lease::taken().holds(Duration::ZERO));
}
