//! Which faults strike, in which order, when and for how long: a pure function of seed and settings. When is told in
//! checkouts that have ended, because nobody can promise how long anything takes.
use crate::draw::{Draw, Rounds};
use crate::fault::{Direction, Kind, Link, Weather};
use crate::settings::Settings;
use amends_stack::{Coordinator, Role};
use serde::Serialize;
use std::fmt;

/// The stream of draws that plans are made of; orders have those above it.
const STREAM: u64 = 0;
/// The shortest time that a process is frozen …
const STOP_MS: u64 = 100;
/// … which is doubled up to this often.
const STOP_DOUBLINGS: u64 = 7;
/// Nothing is frozen, and no weather is bad, for longer.
const LONGEST_MS: u64 = 10_000;
/// A process that is being started again is killed again within so long.
const AGAIN_MS: u64 = 1_000;
/// The shortest bad weather of a link, which is doubled up to this often.
const WEATHER_MS: u64 = 300;
const WEATHER_DOUBLINGS: u64 = 5;
/// The longest delay of a byte.
const LONGEST_DELAY_MS: u64 = 2_000;
/// The heaviest loss.
const LOSS_PERCENT: u64 = 30;
/// The longest time between a request and its double.
const LAG_MS: u64 = 500;

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A process dies.
    Kill(Role),
    /// A process stands still for so long.
    Stop(Role, u64),
    /// Two processes die at once.
    Pair(Role, Role),
    /// A process dies, and again so many milliseconds after it was started.
    Recovery(Role, u64),
    /// A link is in this weather for so many milliseconds.
    Network(Kind, Link, Weather, u64),
}

impl Fault {
    /// Of which kind it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Fault::Kill(_) => Kind::Kill,
            Fault::Stop(..) => Kind::Stop,
            Fault::Pair(..) => Kind::Pair,
            Fault::Recovery(..) => Kind::Recovery,
            Fault::Network(kind, ..) => kind,
        }
    }

    /// Whom it strikes: processes, or a link.
    #[must_use]
    pub fn victims(self) -> Vec<String> {
        match self {
            Fault::Kill(role) | Fault::Stop(role, _) | Fault::Recovery(role, _) => vec![role.to_string()],
            Fault::Pair(one, other) => vec![one.to_string(), other.to_string()],
            Fault::Network(_, link, ..) => vec![link.to_string()],
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Kill(role) => write!(f, "kill {role}"),
            Fault::Stop(role, ms) => write!(f, "stop {role} for {ms} ms"),
            Fault::Pair(one, other) => write!(f, "kill {one} and {other} at once"),
            Fault::Recovery(role, ms) => write!(f, "kill {role}, and again {ms} ms after its start"),
            Fault::Network(kind, link, weather, ms) => {
                write!(f, "{kind}{} on {link} for {ms} ms", measure(*weather))
            }
        }
    }
}

fn measure(weather: Weather) -> String {
    match weather {
        Weather::Delay { ms } => format!(" of {ms} ms"),
        Weather::Loss { percent } => format!(" of {percent} %"),
        Weather::Twice { lag_ms } => format!(" after {lag_ms} ms"),
        Weather::OneWay { silent: Direction::Requests } => " without requests".to_owned(),
        Weather::OneWay { silent: Direction::Answers } => " without answers".to_owned(),
        Weather::Fair | Weather::Reset | Weather::HalfOpen | Weather::Slow => String::new(),
    }
}

/// A fault and its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// It strikes when so many checkouts have ended, or later where the system is not at work then.
    pub at_end: u64,
    /// What strikes.
    pub fault: Fault,
}

/// A strike as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its number, from 1.
    pub number: usize,
    /// When so many checkouts have ended.
    pub at_end: u64,
    /// The kind's name.
    pub kind: &'static str,
    /// Processes or a link.
    pub victims: Vec<String>,
    /// In words.
    pub fault: String,
}

/// The plan as it is written down.
#[must_use]
pub fn rows(plan: &[Strike]) -> Vec<Row> {
    let row = |(number, strike): (usize, &Strike)| Row {
        number,
        at_end: strike.at_end,
        kind: strike.fault.kind().as_str(),
        victims: strike.fault.victims(),
        fault: strike.fault.to_string(),
    };
    (1..).zip(plan).map(row).collect()
}

/// Who can be struck on this coordinator. Without DTM the orchestrator takes its turns too.
#[must_use]
pub fn victims(coordinator: Coordinator) -> Vec<Role> {
    let in_place_of_dtm = match coordinator {
        Coordinator::Dtm => Role::Dtm,
        Coordinator::Embedded => Role::Orchestrator,
    };
    let there = |role: Role| if role == Role::Dtm { in_place_of_dtm } else { role };
    Role::ALL.into_iter().map(there).collect()
}

/// The faults of a run on this coordinator.
#[must_use]
pub fn plan(settings: &Settings, coordinator: Coordinator) -> Vec<Strike> {
    let mut planner = Planner {
        draw: Draw::new(settings.seed, STREAM),
        kinds: Rounds::of(settings.kinds.clone()),
        victims: Rounds::of(victims(coordinator)),
        links: Rounds::of(Link::all(coordinator)),
    };
    let count = settings.faults as u64;
    let apart = settings.checkouts as u64 / (count + 1);
    let strike = |nth: u64| {
        let at_end = (nth * apart + planner.draw.below(apart)).saturating_add(1);
        planner.fault().map(|fault| Strike { at_end, fault })
    };
    (0..count).map_while(strike).collect()
}

struct Planner {
    draw: Draw,
    kinds: Rounds<Kind>,
    victims: Rounds<Role>,
    links: Rounds<Link>,
}

impl Planner {
    fn fault(&mut self) -> Option<Fault> {
        let kind = self.kinds.next(&mut self.draw)?;
        let fault = match kind {
            Kind::Kill => Fault::Kill(self.victim()?),
            Kind::Stop => Fault::Stop(self.victim()?, self.time(STOP_MS, STOP_DOUBLINGS)),
            Kind::Pair => self.pair()?,
            Kind::Recovery => Fault::Recovery(self.victim()?, self.draw.below(AGAIN_MS)),
            Kind::Delay
            | Kind::Loss
            | Kind::Reset
            | Kind::HalfOpen
            | Kind::Duplicate
            | Kind::OneWay
            | Kind::Slow => {
                let link = self.links.next(&mut self.draw)?;
                let weather = self.weather(kind);
                Fault::Network(kind, link, weather, self.time(WEATHER_MS, WEATHER_DOUBLINGS))
            }
        };
        Some(fault)
    }

    fn victim(&mut self) -> Option<Role> {
        self.victims.next(&mut self.draw)
    }

    fn pair(&mut self) -> Option<Fault> {
        let one = self.victim()?;
        loop {
            let other = self.victim()?;
            if other != one {
                return Some(Fault::Pair(one, other));
            }
        }
    }

    /// Short times are as likely as long ones.
    fn time(&mut self, shortest: u64, doublings: u64) -> u64 {
        let least = shortest << self.draw.below(doublings);
        (least + self.draw.below(least)).min(LONGEST_MS)
    }

    fn weather(&mut self, kind: Kind) -> Weather {
        match kind {
            Kind::Delay => Weather::Delay { ms: 1 + self.draw.below(LONGEST_DELAY_MS) },
            Kind::Loss => Weather::Loss { percent: 1 + self.draw.below(LOSS_PERCENT) },
            Kind::Reset => Weather::Reset,
            Kind::HalfOpen => Weather::HalfOpen,
            Kind::Duplicate => Weather::Twice { lag_ms: self.draw.below(LAG_MS) },
            Kind::OneWay if self.draw.below(2) == 0 => Weather::OneWay { silent: Direction::Requests },
            Kind::OneWay => Weather::OneWay { silent: Direction::Answers },
            Kind::Slow => Weather::Slow,
            Kind::Kill | Kind::Stop | Kind::Pair | Kind::Recovery => Weather::Fair,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn settings(seed: u64, kinds: &[Kind], faults: usize) -> Settings {
        Settings { checkouts: 2_000, faults, kinds: kinds.to_vec(), ..Settings::new(seed) }
    }

    #[test]
    fn the_same_seed_and_settings_make_the_same_plan() {
        let plan_of = |seed| plan(&settings(seed, &Kind::ALL, 200), Coordinator::Dtm);
        assert_eq!(plan_of(7), plan_of(7));
        assert_ne!(plan_of(7), plan_of(8));
        assert_ne!(plan_of(7), plan(&settings(7, &Kind::ALL, 200), Coordinator::Embedded));
        assert_ne!(plan_of(7), plan(&settings(7, &Kind::PROCESS, 200), Coordinator::Dtm));
    }

    #[test]
    fn every_kind_strikes_everybody_in_turn() {
        for coordinator in [Coordinator::Dtm, Coordinator::Embedded] {
            let kills = plan(&settings(1, &[Kind::Kill], 40), coordinator);
            let mut deaths: BTreeMap<Role, usize> = BTreeMap::new();
            for strike in &kills {
                let Fault::Kill(role) = strike.fault else { panic!("{}", strike.fault) };
                *deaths.entry(role).or_default() += 1;
            }
            let expected = victims(coordinator).into_iter().fold(BTreeMap::new(), |mut all, role| {
                *all.entry(role).or_default() += 5;
                all
            });
            assert_eq!(deaths, expected);
            assert!(kills.is_sorted_by_key(|strike| strike.at_end));
            assert!(kills.iter().all(|strike| strike.at_end <= 2_000));
        }
        let all = plan(&settings(1, &Kind::ALL, 11 * 9), Coordinator::Dtm);
        for kind in Kind::ALL {
            assert_eq!(all.iter().filter(|strike| strike.fault.kind() == kind).count(), 9, "{kind}");
        }
    }

    #[test]
    fn a_pair_is_two_and_times_are_within_their_limits() {
        for strike in plan(&settings(5, &Kind::PROCESS, 400), Coordinator::Embedded) {
            match strike.fault {
                Fault::Pair(one, other) => assert_ne!(one, other),
                Fault::Stop(_, ms) => assert!((STOP_MS..=LONGEST_MS).contains(&ms), "{ms}"),
                Fault::Recovery(_, ms) => assert!(ms < AGAIN_MS, "{ms}"),
                Fault::Kill(_) | Fault::Network(..) => {}
            }
        }
    }

    #[test]
    fn a_plan_without_faults_is_empty() {
        assert_eq!(plan(&settings(1, &Kind::ALL, 0), Coordinator::Dtm), []);
        assert_eq!(plan(&settings(1, &[], 9), Coordinator::Dtm), []);
    }
}
