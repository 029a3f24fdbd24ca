//! The gate as a whole: who goes when, over tables and random lives.

use super::breaker::Sign;
use super::gate::{Asked, Gate, Hindrance, Pass};
use super::queue::Turn;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn gate(settings: &str) -> Gate<&'static str> {
    Gate::new(settings.parse().expect("a test's settings are sound"), Duration::ZERO)
}

fn first(definition: &'static str) -> Asked<'static> {
    Asked { definition, turn: Turn::First, by: 1 }
}

/// All who may go at this moment.
fn go(gate: &mut Gate<&'static str>, now: Duration) -> (Vec<&'static str>, Vec<Pass>) {
    gate.release(now).into_iter().unzip()
}

#[test]
fn a_backlog_of_one_definition_does_not_starve_another() {
    let mut gate = gate("concurrency=1");
    let mut pass = gate.ask(&first("big"), Duration::ZERO);
    for _ in 0..1_000 {
        gate.wait(&first("big"), "big");
    }
    gate.wait(&first("small"), "small");
    gate.wait(&first("other"), "other");
    let mut order = Vec::new();
    for _ in 0..5 {
        gate.ended(&pass.take().expect("somebody is in"), Some(Sign::Well), Duration::ZERO);
        let (gone, mut passes) = go(&mut gate, Duration::ZERO);
        order.extend(gone);
        pass = passes.pop();
    }
    assert_eq!(order, ["big", "small", "other", "big", "big"]);
    assert_eq!(gate.hindrance(Duration::ZERO), Some(Hindrance::Room));
    assert_eq!(gate.figures(Duration::ZERO).waiting, [("big".to_owned(), 997)]);
}

#[test]
fn repeats_wait_for_the_budget_and_others_pass_them_by() {
    let mut gate = gate("concurrency=1000,retry_percent=10,retry_floor=1");
    let retry = Asked { turn: Turn::Retry, ..first("d") };
    let asked_again = Asked { turn: Turn::Again, ..first("d") };
    let at_once = (0..500).take_while(|_| gate.ask(&retry, Duration::ZERO).is_some()).count();
    assert_eq!(at_once, 100, "what a lane may have saved up");
    gate.wait(&retry, "retry");
    assert!(gate.release(Duration::ZERO).is_empty());
    assert_eq!(gate.hindrance(Duration::ZERO), Some(Hindrance::RetryBudget(ms(1_000))));
    assert_eq!(gate.next(), Some(ms(1_000)));
    gate.wait(&asked_again, "again");
    for _ in 0..9 {
        gate.wait(&first("d"), "first");
    }
    let (gone, _) = go(&mut gate, Duration::ZERO);
    assert_eq!(gone.len(), 10, "{gone:?}");
    assert!(!gone.contains(&"retry"), "nine tenths of a repeat are earned");
    gate.wait(&first("d"), "first");
    assert_eq!(go(&mut gate, Duration::ZERO).0, ["first", "retry"]);
    gate.wait(&retry, "retry");
    assert!(gate.release(ms(999)).is_empty());
    assert_eq!(go(&mut gate, ms(1_000)).0, ["retry"], "the floor");
}

#[test]
fn a_participant_that_is_back_is_met_by_one_then_by_few_then_by_all() {
    let mut gate = gate("concurrency=10,failures=1,open_ms=100,slow_start_ms=1000");
    let pass = gate.ask(&first("d"), Duration::ZERO).expect("it is free");
    gate.ended(&pass, Some(Sign::Ill), Duration::ZERO);
    for _ in 0..100 {
        gate.wait(&first("d"), "d");
    }
    assert!(gate.release(ms(99)).is_empty());
    assert_eq!(gate.hindrance(ms(99)), Some(Hindrance::BreakerOpen(ms(100))));
    assert!(gate.is_shut(ms(99)));
    for _ in 0..3 {
        let (gone, passes) = go(&mut gate, ms(100));
        assert_eq!(gone.len(), 1, "one probe at a time");
        assert_eq!(gate.hindrance(ms(100)), Some(Hindrance::Probing));
        gate.ended(&passes[0], Some(Sign::Well), ms(100));
    }
    let mut in_flight = 0;
    for (now, wanted) in [(100, 1), (150, 1), (300, 2), (699, 5), (1_099, 9), (1_100, 10), (9_000, 10)] {
        in_flight += go(&mut gate, ms(now)).0.len();
        assert_eq!(in_flight, wanted, "after {now} ms");
    }
    assert_eq!(gate.hindrance(ms(9_000)), Some(Hindrance::Room));
}

#[test]
fn other_settings_hold_at_once() {
    let mut gate = gate("concurrency=1");
    let _pass = gate.ask(&first("d"), Duration::ZERO).expect("it is free");
    for _ in 0..5 {
        gate.wait(&first("d"), "d");
    }
    assert!(gate.release(Duration::ZERO).is_empty());
    gate.set("concurrency=3".parse().expect("sound"), Duration::ZERO);
    assert_eq!(gate.release(Duration::ZERO).len(), 2);
    gate.set("concurrency=10,rate=1".parse().expect("sound"), Duration::ZERO);
    assert_eq!(gate.release(Duration::ZERO).len(), 1);
    assert_eq!(gate.hindrance(Duration::ZERO), Some(Hindrance::Rate(ms(1_000))));
}

#[derive(Debug, Clone)]
enum Step {
    Ask { definition: usize, turn: Turn, by: u64 },
    End { which: usize, sign: Option<Sign> },
    Leave { which: usize },
    Pass { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let turn = prop_oneof![3 => Just(Turn::First), 1 => Just(Turn::Again), 1 => Just(Turn::Retry)];
    let sign = prop_oneof![4 => Just(Some(Sign::Well)), 2 => Just(Some(Sign::Ill)), 1 => Just(None)];
    prop_oneof![
        5 => (0_usize..3, turn, 0_u64..9).prop_map(|(definition, turn, by)| Step::Ask { definition, turn, by }),
        4 => (any::<usize>(), sign).prop_map(|(which, sign)| Step::End { which, sign }),
        1 => any::<usize>().prop_map(|which| Step::Leave { which }),
        3 => (0_u64..300).prop_map(|ms| Step::Pass { ms }),
    ]
}

const DEFINITIONS: [&str; 3] = ["one", "two", "three"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever happens: never wider than set, nobody in twice, repeats within the budget, nobody forgotten, and as long
    /// as somebody waits either a call is in flight or the gate names the time at which it is to be asked again.
    #[test]
    fn everybody_gets_in_and_never_too_many(
        steps in prop::collection::vec(step(), 1..300),
        concurrency in 1_u32..5,
        rate in prop_oneof![Just(0_u32), 1_u32..50],
        failures in 0_u32..4,
    ) {
        let settings = format!("concurrency={concurrency},rate={rate},failures={failures},open_ms=50,slow_start_ms=400");
        let settings: super::settings::LaneSettings = settings.parse().expect("sound");
        let mut gate: Gate<u64> = Gate::new(settings, Duration::ZERO);
        let (mut now, mut next, mut firsts, mut repeats) = (Duration::ZERO, 0, 0_u64, 0_u64);
        let mut inside: BTreeMap<u64, (Pass, Turn)> = BTreeMap::new();
        let mut outside = BTreeMap::new();
        for step in steps {
            match step {
                Step::Ask { definition, turn, by } => {
                    next += 1;
                    let asked = Asked { definition: DEFINITIONS[definition], turn, by };
                    match gate.ask(&asked, now) {
                        Some(pass) => {
                            firsts += u64::from(turn == Turn::First);
                            repeats += u64::from(turn == Turn::Retry);
                            inside.insert(next, (pass, turn));
                        }
                        None => drop(outside.insert(next, (gate.wait(&asked, next), turn))),
                    }
                }
                Step::End { which, sign } if !inside.is_empty() => {
                    let key = *inside.keys().nth(which % inside.len()).expect("it is not empty");
                    let (pass, _) = inside.remove(&key).expect("it is there");
                    gate.ended(&pass, sign, now);
                }
                Step::Leave { which } if !outside.is_empty() => {
                    let key = *outside.keys().nth(which % outside.len()).expect("it is not empty");
                    let (ticket, _) = outside.remove(&key).expect("it is there");
                    gate.leave(&ticket);
                }
                Step::End { .. } | Step::Leave { .. } => {}
                Step::Pass { ms: passed } => now += ms(passed),
            }
            for (who, pass) in gate.release(now) {
                let (_, turn) = outside.remove(&who).expect("only who waits is let in, and once");
                firsts += u64::from(turn == Turn::First);
                repeats += u64::from(turn == Turn::Retry);
                prop_assert!(inside.insert(who, (pass, turn)).is_none());
            }
            prop_assert!(inside.len() <= concurrency as usize);
            prop_assert_eq!(gate.depth(), outside.len());
            let probes = u64::try_from(now.as_millis()).expect("a short life") / 50 * 3 + 3;
            let earned = 100 + firsts / 10 + now.as_secs() * 10 + 10;
            prop_assert!(repeats <= earned + probes, "{repeats} repeats of {firsts} firsts");
            if !outside.is_empty() && inside.is_empty() {
                let then = gate.next();
                prop_assert!(then.is_some_and(|then| then > now), "{:?}", gate.hindrance(now));
            }
        }
        // A participant that answers well again lets all of them in.
        let mut turns = 0;
        while !outside.is_empty() {
            turns += 1;
            prop_assert!(turns < 5_000, "{:?} with {} waiting", gate.hindrance(now), outside.len());
            for (pass, _) in std::mem::take(&mut inside).into_values() {
                gate.ended(&pass, Some(Sign::Well), now);
            }
            now = gate.next().filter(|then| *then > now).unwrap_or(now);
            for (who, pass) in gate.release(now) {
                let (_, turn) = outside.remove(&who).expect("only who waits is let in, and once");
                inside.insert(who, (pass, turn));
            }
        }
    }
}
