//! Who waits for a lane: definitions take turns, and within a definition the first to come is the first to go. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What kind of call somebody waits to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The first of an op.
    First,
    /// Another, because the participant asked for it ("in progress").
    Again,
    /// Another, because nobody knows what came of the last: it needs the retry budget.
    Retry,
}

/// The place of one who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    definition: Arc<str>,
    turn: Turn,
    number: u64,
}

#[derive(Debug)]
struct Line<T> {
    calls: BTreeMap<u64, (Turn, T)>,
    retries: BTreeMap<u64, T>,
}

/// All who wait for one lane.
#[derive(Debug)]
pub struct Queue<T> {
    lines: BTreeMap<Arc<str>, Line<T>>,
    /// Definitions with anybody waiting; the first has the next turn.
    round: VecDeque<Arc<str>>,
    next: u64,
    depth: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { lines: BTreeMap::new(), round: VecDeque::new(), next: 0, depth: 0 }
    }
}

impl<T> Line<T> {
    fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.retries.is_empty()
    }

    fn has(&self, retries: Retries) -> bool {
        !self.calls.is_empty() || (retries == Retries::Go && !self.retries.is_empty())
    }

    /// The eldest of those that may go.
    fn pop(&mut self, retries: Retries) -> Option<(Turn, T)> {
        let call = self.calls.first_key_value().map(|(number, _)| *number);
        let retry = self.retries.first_key_value().map(|(number, _)| *number);
        let retry = retry.filter(|_| retries == Retries::Go);
        match (call, retry) {
            (Some(call), Some(retry)) if retry < call => self.pop_retry(),
            (None, Some(_)) => self.pop_retry(),
            (Some(_), _) => self.calls.pop_first().map(|(_, call)| call),
            (None, None) => None,
        }
    }

    fn pop_retry(&mut self) -> Option<(Turn, T)> {
        self.retries.pop_first().map(|(_, waiting)| (Turn::Retry, waiting))
    }
}

/// Whether the budget has any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retries {
    /// Repeats may go too.
    Go,
    /// They have to wait; others pass them by.
    Wait,
}

impl<T> Queue<T> {
    /// Somebody waits from now on.
    pub fn push(&mut self, definition: &str, turn: Turn, waiting: T) -> Ticket {
        let definition = match self.lines.get_key_value(definition) {
            Some((known, _)) => Arc::clone(known),
            None => {
                let new: Arc<str> = Arc::from(definition);
                let line = Line { calls: BTreeMap::new(), retries: BTreeMap::new() };
                self.lines.insert(Arc::clone(&new), line);
                self.round.push_back(Arc::clone(&new));
                new
            }
        };
        let number = self.next;
        self.next += 1;
        self.depth += 1;
        if let Some(line) = self.lines.get_mut(&definition) {
            match turn {
                Turn::First | Turn::Again => drop(line.calls.insert(number, (turn, waiting))),
                Turn::Retry => drop(line.retries.insert(number, waiting)),
            }
        }
        Ticket { definition, turn, number }
    }

    /// Whether anybody could go.
    #[must_use]
    pub fn has(&self, retries: Retries) -> bool {
        self.lines.values().any(|line| line.has(retries))
    }

    /// The next one: of the definition whose turn it is, which then has the last turn of all.
    pub fn pop(&mut self, retries: Retries) -> Option<(Turn, T)> {
        let may_go = |name: &Arc<str>| self.lines.get(name).is_some_and(|line| line.has(retries));
        let at = self.round.iter().position(may_go)?;
        let name = self.round.remove(at)?;
        let popped = self.lines.get_mut(&name)?.pop(retries)?;
        self.depth -= 1;
        self.round.push_back(Arc::clone(&name));
        self.forget_if_empty(&name);
        Some(popped)
    }

    /// One waits no longer.
    pub fn remove(&mut self, ticket: &Ticket) {
        let Some(line) = self.lines.get_mut(&ticket.definition) else { return };
        let was_there = match ticket.turn {
            Turn::First | Turn::Again => line.calls.remove(&ticket.number).is_some(),
            Turn::Retry => line.retries.remove(&ticket.number).is_some(),
        };
        if was_there {
            self.depth -= 1;
            self.forget_if_empty(&ticket.definition);
        }
    }

    /// How many wait.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// How many wait, by definition.
    pub fn by_definition(&self) -> impl Iterator<Item = (&str, usize)> {
        self.lines.iter().map(|(name, line)| (&**name, line.calls.len() + line.retries.len()))
    }

    fn forget_if_empty(&mut self, name: &Arc<str>) {
        if self.lines.get(name).is_some_and(Line::is_empty) {
            self.lines.remove(name);
            self.round.retain(|other| other != name);
        }
    }
}
