//! Which call is broken, and how. Knows calls by method name and by a text in their message; performs nothing.
use super::journal::{Call, Journal};
use crate::patience::within;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tonic::Code;

/// Names the calls that a fault strikes: a method, and a text that the message must contain. Branch messages name
/// their order, so an order id makes a fault the affair of one story alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct On {
    method: String,
    key: String,
    nth: Option<usize>,
}

impl On {
    /// Every call of `method` (without its service) whose message contains `key`.
    #[must_use]
    pub fn each(method: &str, key: &str) -> On {
        On { method: method.to_owned(), key: key.to_owned(), nth: None }
    }

    /// Only the n-th of them, from 1.
    #[must_use]
    pub fn nth(method: &str, key: &str, nth: usize) -> On {
        On { nth: Some(nth), ..On::each(method, key) }
    }

    /// Only the first of them.
    #[must_use]
    pub fn first(method: &str, key: &str) -> On {
        On::nth(method, key, 1)
    }

    fn fits(&self, call: &Call) -> bool {
        self.method == call.method && call.mentions(&self.key)
    }
}

/// What happens to a call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Refused with ABORTED and this reason; the participant never hears of it.
    Refuse(&'static str),
    /// Answered so; the participant never hears of it.
    Answer(Code),
    /// Made more than once; the first final answer is given.
    Repeat(Repeat),
    /// Made, and then the answer is lost: UNAVAILABLE.
    LoseReply,
    /// Made after this time.
    Delay(Duration),
    /// Made only when the gate is opened, even if the caller has long given up.
    Hold(Gate),
    /// Made, but answered only when the gate is opened.
    HoldReply(Gate),
}

/// How a call is made more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// So often, one after another.
    InTurn(usize),
    /// So often at the same moment.
    AtOnce(usize),
}

/// Holds calls until it is opened.
#[derive(Debug, Clone)]
pub struct Gate(Arc<GateState>);

#[derive(Debug)]
struct GateState {
    arrived: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Default for Gate {
    fn default() -> Self {
        Gate(Arc::new(GateState { arrived: watch::Sender::new(0), open: watch::Sender::new(false) }))
    }
}

impl Gate {
    /// Waits until a call stands before the gate.
    ///
    /// # Panics
    /// If none comes in time.
    pub async fn reached(&self) {
        let mut arrived = self.0.arrived.subscribe();
        let reached = within("a call reaches the gate", arrived.wait_for(|count| *count > 0)).await;
        drop(reached.expect("the gate holds the sender itself"));
    }

    /// Lets all pass, now and later.
    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    pub(super) async fn pass(&self) {
        self.0.arrived.send_modify(|count| *count += 1);
        let opened = self.0.open.subscribe().wait_for(|open| *open).await.map(|_| ());
        opened.expect("the gate holds the sender itself");
    }
}

struct Rule {
    on: On,
    fault: Fault,
    seen: usize,
}

/// All rules, and what became of all calls. Shared by the proxies of one world.
#[derive(Default)]
pub struct Script {
    rules: Mutex<Vec<Rule>>,
    journal: Journal,
}

impl Script {
    /// From now on, calls named by `on` meet `fault`. Where several rules fit, the oldest decides.
    pub fn set(&self, on: On, fault: Fault) {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.push(Rule { on, fault, seen: 0 });
    }

    /// Forgets every rule about messages that contain `key`.
    pub fn heal(&self, key: &str) {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.retain(|rule| rule.on.key != key);
    }

    /// What became of all calls.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(super) fn fault_for(&self, call: &Call) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let mut chosen = None;
        for rule in rules.iter_mut().filter(|rule| rule.on.fits(call)) {
            rule.seen += 1;
            if chosen.is_none() && rule.on.nth.is_none_or(|nth| nth == rule.seen) {
                chosen = Some(rule.fault.clone());
            }
        }
        chosen
    }
}
