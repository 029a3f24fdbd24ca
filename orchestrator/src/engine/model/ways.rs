//! What a case is run by: the functions that are to be proved, or one of them with a fault.

use super::run::count;
use crate::engine::Done;
use crate::engine::decide::{Decision, decide};
use crate::engine::steer::{self, Denied};
use crate::history::{Act, Fact, State};
use crate::plan::{OpRef, Plan};
use std::collections::BTreeMap;

/// The ops that this process runs.
pub type Flights = BTreeMap<OpRef, Flight>;

/// An op that this process runs.
#[derive(Debug, Clone, Copy)]
pub enum Flight {
    /// Between two attempts, of which so many were made.
    Idle(u32),
    /// A participant is being called; whether that is recorded.
    Called { attempt: u32, recorded: bool },
}

/// A way to decide.
pub type Decide = fn(&Plan, &State, OpRef, &Flights) -> Decision;
/// A way to begin another run.
pub type Redrive = fn(&Plan, &State, &Act) -> Result<Vec<Fact>, Denied>;
/// A way to count what limits are reached by, at a moment in microseconds.
pub type Count = fn(&State, OpRef, i64) -> Done;

/// One way for each.
#[derive(Clone, Copy)]
pub struct Ways {
    pub decide: Decide,
    pub redrive: Redrive,
    pub count: Count,
}

/// The ways that are to be proved.
pub const RIGHT: Ways = Ways { decide: right, redrive: steer::redrive, count };

pub fn right(plan: &Plan, state: &State, asked: OpRef, flights: &Flights) -> Decision {
    decide(plan, state, asked, &|at: OpRef| flights.contains_key(&at))
}
