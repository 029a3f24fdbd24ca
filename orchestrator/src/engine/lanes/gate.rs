//! What lets calls into a lane and keeps others waiting: width, breaker, rate and retry budget together, and whose turn
//! it is. Pure: whoever drives it passes the time in and does what it says.

use super::breaker::{Breaker, Entry, Phase, Sign, Stamp};
use super::budget::Budget;
use super::queue::{Queue, Retries, Ticket, Turn};
use super::rate::Rate;
use super::settings::LaneSettings;
use super::slow_start::SlowStart;
use crate::engine::Why;
use std::time::Duration;

/// Who wants to make a call.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Whose backlog it belongs to.
    pub definition: &'a str,
    /// Whether it is a repeat.
    pub turn: Turn,
    /// Stands for the global transaction.
    pub by: u64,
}

/// The right to make one call. It must be given back.
#[derive(Debug)]
pub struct Pass {
    stamp: Stamp,
    by: u64,
}

/// Why a call would have to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hindrance {
    /// As many calls as may be are in flight.
    Room,
    /// So they are while the lane widens again; one more then.
    SlowStart(Duration),
    /// The breaker is open until then.
    BreakerOpen(Duration),
    /// The breaker waits for what a probe comes to.
    Probing,
    /// The next call may be made then.
    Rate(Duration),
    /// The next repeat may be made then.
    RetryBudget(Duration),
}

impl Hindrance {
    /// When time alone may end it.
    #[must_use]
    pub fn until(self) -> Option<Duration> {
        match self {
            Self::Room | Self::Probing => None,
            Self::SlowStart(until)
            | Self::BreakerOpen(until)
            | Self::Rate(until)
            | Self::RetryBudget(until) => Some(until),
        }
    }
}

impl From<Hindrance> for Why {
    fn from(hindrance: Hindrance) -> Self {
        match hindrance {
            Hindrance::Room | Hindrance::SlowStart(_) => Self::Room,
            Hindrance::BreakerOpen(_) | Hindrance::Probing => Self::BreakerOpen,
            Hindrance::Rate(_) => Self::Rate,
            Hindrance::RetryBudget(_) => Self::RetryBudget,
        }
    }
}

/// In what way a call may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Any,
    /// It needs no budget: somebody has to try.
    Probe,
}

/// Figures for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// Calls in flight.
    pub in_flight: u32,
    /// As many may be now.
    pub width: u32,
    /// Who waits, by definition.
    pub waiting: Vec<(String, usize)>,
    /// What the breaker is at, and since when.
    pub phase: (Phase, Duration),
    /// Global transactions in a row without a proper answer.
    pub ill: usize,
    /// Until the lane is as wide as it may be; `None` = it is.
    pub slow_start_ends: Option<Duration>,
    /// Why a call would have to wait now.
    pub hindrance: Option<Hindrance>,
    /// Repeats that the budget allows now.
    pub repeats_left: u64,
    /// Calls that were let through, all of them.
    pub calls: u64,
    /// Those of them that were repeats.
    pub repeats: u64,
}

/// The gate of one lane. `T` is how whoever waits is told.
#[derive(Debug)]
pub struct Gate<T> {
    settings: LaneSettings,
    breaker: Breaker,
    budget: Budget,
    rate: Rate,
    queue: Queue<(u64, T)>,
    in_flight: u32,
    calls: u64,
    repeats: u64,
    held_by: Option<Hindrance>,
}

impl<T> Gate<T> {
    /// A gate with nobody before it.
    #[must_use]
    pub fn new(settings: LaneSettings, now: Duration) -> Self {
        Self {
            rate: Rate::new(settings.rate, now),
            settings,
            breaker: Breaker::default(),
            budget: Budget::default(),
            queue: Queue::default(),
            in_flight: 0,
            calls: 0,
            repeats: 0,
            held_by: None,
        }
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &LaneSettings {
        &self.settings
    }

    /// Other settings from now on; calls in flight stay.
    pub fn set(&mut self, settings: LaneSettings, now: Duration) {
        if settings.rate != self.settings.rate {
            self.rate = Rate::new(settings.rate, now);
        }
        self.breaker.set(now, &settings);
        self.settings = settings;
    }

    /// Lets a call through at once; never past somebody who waits.
    pub fn ask(&mut self, asked: &Asked<'_>, now: Duration) -> Option<Pass> {
        if self.queue.depth() > 0 {
            return None;
        }
        let way = self.way(now).ok()?;
        if asked.turn == Turn::Retry && self.retries(way, now) == Retries::Wait {
            return None;
        }
        self.rate.take(now).ok()?;
        Some(self.pass(asked.turn, asked.by, way))
    }

    /// Somebody waits until [`Gate::release`] names him.
    pub fn wait(&mut self, asked: &Asked<'_>, waiting: T) -> Ticket {
        self.queue.push(asked.definition, asked.turn, (asked.by, waiting))
    }

    /// He waits no longer.
    pub fn leave(&mut self, ticket: &Ticket) {
        self.queue.remove(ticket);
    }

    /// How many wait.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.queue.depth()
    }

    /// Everybody who may go now, in turn.
    pub fn release(&mut self, now: Duration) -> Vec<(T, Pass)> {
        let mut released = Vec::new();
        self.held_by = loop {
            if self.queue.depth() == 0 {
                break None;
            }
            let way = match self.way(now) {
                Ok(way) => way,
                Err(hindrance) => break Some(hindrance),
            };
            let retries = self.retries(way, now);
            if !self.queue.has(retries) {
                break self.budget.allows(now, &self.settings).err().map(Hindrance::RetryBudget);
            }
            if let Err(then) = self.rate.take(now) {
                break Some(Hindrance::Rate(then));
            }
            let Some((turn, (by, waiting))) = self.queue.pop(retries) else { break None };
            released.push((waiting, self.pass(turn, by, way)));
        };
        released
    }

    /// When to release again though nothing ends meanwhile.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        self.held_by.and_then(Hindrance::until)
    }

    /// A call ended, and what it says about the participant; `None` = it was not made.
    pub fn ended(&mut self, pass: &Pass, sign: Option<Sign>, now: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match sign {
            Some(sign) => self.breaker.ended(pass.stamp, sign, pass.by, now, &self.settings),
            None => self.breaker.unused(pass.stamp),
        }
    }

    /// Why a call would have to wait now; the rate is known only while somebody waits.
    #[must_use]
    pub fn hindrance(&self, now: Duration) -> Option<Hindrance> {
        if self.queue.depth() > 0 { self.held_by } else { self.way(now).err() }
    }

    /// What the breaker is at.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.breaker.phase().0
    }

    /// Whether its participant is away, as far as the breaker knows.
    #[must_use]
    pub fn is_shut(&self, now: Duration) -> bool {
        matches!(self.breaker.entry(now), Entry::Shut(_) | Entry::Probing)
    }

    /// For people.
    #[must_use]
    pub fn figures(&self, now: Duration) -> Figures {
        let slow_start_ends = self.slow_start().map(SlowStart::ends).filter(|ends| *ends > now);
        Figures {
            in_flight: self.in_flight,
            width: self.width(now),
            waiting: self.queue.by_definition().map(|(name, depth)| (name.to_owned(), depth)).collect(),
            phase: self.breaker.phase(),
            ill: self.breaker.ill(),
            slow_start_ends,
            hindrance: self.hindrance(now),
            repeats_left: self.budget.clone().left_at(now, &self.settings),
            calls: self.calls,
            repeats: self.repeats,
        }
    }

    fn way(&self, now: Duration) -> Result<Way, Hindrance> {
        let way = match self.breaker.entry(now) {
            Entry::Free => Way::Any,
            Entry::Probe => Way::Probe,
            Entry::Probing => return Err(Hindrance::Probing),
            Entry::Shut(until) => return Err(Hindrance::BreakerOpen(until)),
        };
        if self.in_flight < self.width(now) {
            return Ok(way);
        }
        let wider = self.slow_start().and_then(|slow| slow.wider_at(now, self.settings.concurrency));
        Err(wider.map_or(Hindrance::Room, Hindrance::SlowStart))
    }

    fn slow_start(&self) -> Option<SlowStart> {
        let takes = self.settings.slow_start();
        self.breaker.recovered().map(|since| SlowStart { since, takes })
    }

    fn width(&self, now: Duration) -> u32 {
        let full = self.settings.concurrency;
        self.slow_start().map_or(full, |slow| slow.width(now, full))
    }

    fn retries(&mut self, way: Way, now: Duration) -> Retries {
        match way {
            Way::Probe => Retries::Go,
            Way::Any if self.budget.allows(now, &self.settings).is_ok() => Retries::Go,
            Way::Any => Retries::Wait,
        }
    }

    fn pass(&mut self, turn: Turn, by: u64, way: Way) -> Pass {
        self.calls += 1;
        self.in_flight += 1;
        match (turn, way) {
            (Turn::First, Way::Any | Way::Probe) => self.budget.earn(&self.settings),
            (Turn::Again, Way::Any | Way::Probe) => {}
            (Turn::Retry, Way::Any) => {
                self.repeats += 1;
                self.budget.spend();
            }
            (Turn::Retry, Way::Probe) => self.repeats += 1,
        }
        Pass { stamp: self.breaker.begin(), by }
    }
}
