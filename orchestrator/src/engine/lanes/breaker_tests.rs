//! The breaker, step by step and over random lives.

use super::breaker::{Breaker, Entry, Phase, Sign};
use super::settings::LaneSettings;
use proptest::prelude::*;
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A breaker with a word for each thing that may happen to it.
struct Life {
    breaker: Breaker,
    settings: LaneSettings,
    now: Duration,
}

impl Life {
    fn new(settings: &str) -> Life {
        let settings = settings.parse().expect("a test's settings are sound");
        Life { breaker: Breaker::default(), settings, now: Duration::ZERO }
    }

    fn call(&mut self, by: u64, sign: Sign) {
        let stamp = self.breaker.begin();
        self.breaker.ended(stamp, sign, by, self.now, &self.settings);
    }

    /// `+3` = the third global transaction is answered well, `-3` = it is not, `@500` = half a second passes.
    fn live(&mut self, life: &str) -> String {
        let mut phases = Vec::new();
        for word in life.split_whitespace() {
            let (what, number) = word.split_at(1);
            let number: u64 = number.parse().expect("a test's words are sound");
            match what {
                "+" => self.call(number, Sign::Well),
                "-" => self.call(number, Sign::Ill),
                "@" => self.now += ms(number),
                other => panic!("{other}"),
            }
            phases.push(match self.breaker.phase().0 {
                Phase::Closed => 'c',
                Phase::Open => 'o',
                Phase::HalfOpen => 'h',
            });
        }
        phases.into_iter().collect()
    }
}

#[test]
fn it_opens_probes_and_closes() {
    for (life, phases) in [
        // Three different ones in a row.
        ("-1 -2 -3", "cco"),
        ("-1 -2 +3 -4 -5", "ccccc"),
        // One that always fails says nothing about the others.
        ("-1 -1 -1 -1 -1 -2 -1", "ccccccc"),
        ("-1 -1 -2 -1 -3", "cccco"),
        // Three probes, one after another.
        ("-1 -2 -3 @100 +4 +4 +4 +5", "ccoohhcc"),
        ("-1 -2 -3 @100 +4 +4 -4", "ccoohho"),
        // A probe that fails: open for twice as long.
        ("-1 -2 -3 @100 -4 @200 +4", "ccoooohh".split_at(7).0),
    ] {
        assert_eq!(Life::new("failures=3,open_ms=100").live(life), phases, "{life}");
    }
    assert_eq!(Life::new("failures=0").live("-1 -2 -3 -4 -5 -6 -7"), "ccccccc", "it may be off");
}

#[test]
fn each_failed_probe_keeps_it_open_for_twice_as_long_up_to_the_cap() {
    let mut life = Life::new("failures=1,open_ms=100,open_max_ms=300,slow_start_ms=1000");
    life.live("-1");
    let mut stays = Vec::new();
    for _ in 0..4 {
        let Entry::Shut(until) = life.breaker.entry(life.now) else { panic!("{:?}", life.breaker) };
        stays.push((until - life.now).as_millis());
        assert_eq!(life.breaker.entry(until - Duration::from_nanos(1)), Entry::Shut(until));
        life.now = until;
        assert_eq!(life.breaker.entry(life.now), Entry::Probe);
        life.live("-1");
    }
    assert_eq!(stays, [100, 200, 300, 300]);
    assert_eq!(life.breaker.phase(), (Phase::Open, Duration::ZERO), "open since it first opened");
    // Back, and well for longer than the lane takes to widen: as if nothing had been.
    life.live("@300 +1 +1 +1 @1000 +1 -2");
    let Entry::Shut(until) = life.breaker.entry(life.now) else { panic!("{:?}", life.breaker) };
    assert_eq!(until - life.now, ms(100));
    // Back for a moment only: it goes on where it was.
    life.live("@100 +1 +1 +1 @10 -2");
    let Entry::Shut(until) = life.breaker.entry(life.now) else { panic!("{:?}", life.breaker) };
    assert_eq!(until - life.now, ms(200));
}

#[test]
fn calls_of_an_earlier_phase_prove_nothing() {
    let mut life = Life::new("failures=2,open_ms=100");
    let early: Vec<_> = (0..10).map(|_| life.breaker.begin()).collect();
    life.live("-1 -2 @100");
    let probe = life.breaker.begin();
    assert_eq!(life.breaker.entry(life.now), Entry::Probing);
    for (by, stamp) in early.into_iter().enumerate() {
        let sign = if by % 2 == 0 { Sign::Well } else { Sign::Ill };
        life.breaker.ended(stamp, sign, by as u64, life.now, &life.settings);
        assert_eq!(life.breaker.entry(life.now), Entry::Probing, "only the probe counts");
    }
    life.breaker.unused(probe);
    assert_eq!(life.breaker.entry(life.now), Entry::Probe, "one that was not made lets another try");
}

proptest! {
    /// Whatever happens: shut only within bounds, one probe at a time, and a participant that is well gets its calls back.
    #[test]
    fn it_never_stays_shut_for_ever(
        events in prop::collection::vec((0_u64..6, any::<bool>(), 0_u64..400), 0..200),
        failures in 1_u32..6,
    ) {
        let mut life = Life::new(&format!("failures={failures},open_ms=50,open_max_ms=400"));
        let mut ill_in_a_row = 0;
        for (by, well, pause) in events {
            life.now += ms(pause);
            match life.breaker.entry(life.now) {
                Entry::Shut(until) => prop_assert!(until > life.now && until <= life.now + ms(400)),
                Entry::Probing => prop_assert!(false, "every probe has ended"),
                entry @ (Entry::Free | Entry::Probe) => {
                    let before = life.breaker.phase().0;
                    prop_assert_eq!(entry == Entry::Free, before == Phase::Closed);
                    life.call(by, if well { Sign::Well } else { Sign::Ill });
                    ill_in_a_row = if well { 0 } else { ill_in_a_row + 1 };
                    if before == Phase::Closed && life.breaker.phase().0 == Phase::Open {
                        prop_assert!(ill_in_a_row >= failures);
                    }
                }
            }
        }
        life.now += ms(400);
        for _ in 0..3 {
            prop_assert!(matches!(life.breaker.entry(life.now), Entry::Free | Entry::Probe));
            life.call(0, Sign::Well);
        }
        prop_assert_eq!(life.breaker.phase().0, Phase::Closed);
    }
}

#[test]
fn whoever_turns_it_off_or_shortens_it_need_not_wait() {
    let mut life = Life::new("failures=1,open_ms=60000,open_max_ms=60000");
    life.live("-1");
    life.breaker.set(life.now, &"failures=1,open_ms=100,open_max_ms=300".parse().expect("sound"));
    assert_eq!(life.breaker.entry(life.now), Entry::Shut(ms(300)));
    life.breaker.set(life.now, &"failures=0".parse().expect("sound"));
    assert_eq!(life.breaker.entry(life.now), Entry::Free);
    assert_eq!(life.breaker.recovered(), None, "nothing was waited for: the lane is wide at once");
}
