//! The circuit breaker of a lane: open after several global transactions in a row got no proper answer, then probes,
//! then closed. Pure: a state machine over what calls came to, with the time passed in.

use super::settings::LaneSettings;
use std::time::Duration;

/// So many probes in a row must be answered well before the breaker closes.
const PROBES: u32 = 3;

/// What a call says about its participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It answered, whatever it said: also "refused" and "ask again".
    Well,
    /// It did not, or not in time, or only that it cannot.
    Ill,
}

/// Whether a call may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// As any.
    Free,
    /// As the one that tries whether the participant is back.
    Probe,
    /// Not before that time, when a probe is due.
    Shut(Duration),
    /// Not before the probe that is under way has its answer.
    Probing,
}

/// What a call that was let through must show when it ends: calls that began in an earlier state prove nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    generation: u64,
    probe: bool,
}

/// What the breaker is at, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Calls go through.
    Closed,
    /// None does.
    Open,
    /// One at a time does.
    HalfOpen,
}

impl Phase {
    /// Short lower-case name, as shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Who in a row got no proper answer, each global transaction once: one that always fails says nothing about the
    /// participant, and its own policy makes it rare.
    Closed { ill: Vec<u64> },
    /// Until a probe is due.
    Open { until: Duration },
    /// Probes one after another; so many were answered well.
    HalfOpen { probing: bool, well: u32 },
}

/// The breaker of one lane.
#[derive(Debug, Clone)]
pub struct Breaker {
    state: State,
    /// Since when it is closed, or not: a probe that fails leaves it as it was.
    since: Duration,
    /// Counts the changes of state.
    generation: u64,
    /// How often it opened since it was well for long: each time it stays open for longer.
    opened: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        let state = State::Closed { ill: Vec::new() };
        Self { state, since: Duration::ZERO, generation: 0, opened: 0 }
    }
}

impl Breaker {
    /// Whether a call may be made now.
    #[must_use]
    pub fn entry(&self, now: Duration) -> Entry {
        match self.state {
            State::Closed { .. } => Entry::Free,
            State::Open { until } if now < until => Entry::Shut(until),
            State::HalfOpen { probing: true, .. } => Entry::Probing,
            State::Open { .. } | State::HalfOpen { probing: false, .. } => Entry::Probe,
        }
    }

    /// A call is made, as [`Breaker::entry`] allowed it at the same moment.
    pub fn begin(&mut self) -> Stamp {
        let probe = match &mut self.state {
            State::Closed { .. } => false,
            State::Open { .. } => {
                self.turn(State::HalfOpen { probing: true, well: 0 }, self.since);
                true
            }
            State::HalfOpen { probing, .. } => {
                *probing = true;
                true
            }
        };
        Stamp { generation: self.generation, probe }
    }

    /// A call ended; `by` is whose it was.
    pub fn ended(&mut self, stamp: Stamp, sign: Sign, by: u64, now: Duration, settings: &LaneSettings) {
        if stamp.generation != self.generation {
            return;
        }
        match (&mut self.state, sign) {
            (State::Closed { ill }, Sign::Well) => ill.clear(),
            (State::Closed { ill }, Sign::Ill) => {
                if !ill.contains(&by) {
                    ill.push(by);
                }
                if settings.failures > 0 && ill.len() >= settings.failures as usize {
                    // Whoever was well for as long as a lane takes to widen begins anew.
                    if now.saturating_sub(self.since) >= settings.slow_start() {
                        self.opened = 0;
                    }
                    self.open(now, settings);
                } else if settings.failures == 0 {
                    ill.clear();
                }
            }
            (State::HalfOpen { probing, well }, Sign::Well) => {
                *probing = false;
                *well += 1;
                if *well >= PROBES {
                    self.turn(State::Closed { ill: Vec::new() }, now);
                }
            }
            (State::HalfOpen { .. }, Sign::Ill) => self.open(now, settings),
            // A call of this generation began the next one when it was let through.
            (State::Open { .. }, Sign::Well | Sign::Ill) => {}
        }
    }

    /// A call that was let through was not made after all.
    pub fn unused(&mut self, stamp: Stamp) {
        if let State::HalfOpen { probing, .. } = &mut self.state
            && stamp.probe
            && stamp.generation == self.generation
        {
            *probing = false;
        }
    }

    /// Other settings hold from now on: off is closed at once, and nothing stays open for longer than it may.
    pub fn set(&mut self, now: Duration, settings: &LaneSettings) {
        if settings.failures == 0 && !matches!(self.state, State::Closed { .. }) {
            self.opened = 0;
            self.turn(State::Closed { ill: Vec::new() }, now);
        }
        if let State::Open { until } = &mut self.state {
            *until = (*until).min(now + Duration::from_millis(settings.open_max_ms.into()));
        }
    }

    /// What it is at, and since when.
    #[must_use]
    pub fn phase(&self) -> (Phase, Duration) {
        let phase = match self.state {
            State::Closed { .. } => Phase::Closed,
            State::Open { .. } => Phase::Open,
            State::HalfOpen { .. } => Phase::HalfOpen,
        };
        (phase, self.since)
    }

    /// Since when it is closed after having been open; `None` = it is not, or never was.
    #[must_use]
    pub fn recovered(&self) -> Option<Duration> {
        matches!(self.state, State::Closed { .. }).then_some(self.since).filter(|_| self.opened > 0)
    }

    /// How many global transactions in a row got no proper answer.
    #[must_use]
    pub fn ill(&self) -> usize {
        match &self.state {
            State::Closed { ill } => ill.len(),
            State::Open { .. } | State::HalfOpen { .. } => 0,
        }
    }

    fn open(&mut self, now: Duration, settings: &LaneSettings) {
        let first = Duration::from_millis(settings.open_ms.into());
        let longest = Duration::from_millis(settings.open_max_ms.into());
        let stays = first.saturating_mul(2_u32.saturating_pow(self.opened)).min(longest);
        self.opened = self.opened.saturating_add(1).min(31);
        let since = if self.phase().0 == Phase::Closed { now } else { self.since };
        self.turn(State::Open { until: now + stays }, since);
    }

    fn turn(&mut self, state: State, since: Duration) {
        self.generation += 1;
        self.state = state;
        self.since = since;
    }
}
