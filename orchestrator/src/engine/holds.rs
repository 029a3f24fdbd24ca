//! What holds back new attempts: a pause of the global transaction itself, a hold on its definition, or on the
//! participant of the step. The rules are pure; beside them stands what this process knows of the table of holds.
//! Must not know how an attempt is made.

use super::{Engine, Live, Scope, next_ops};
use crate::history::{Act, Deadlines, Held, Hold, HoldTable, Paused, State};
use crate::plan::StepIndex;
use amends_serve::outage::Outage;
use sea_orm::DbErr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Between two looks at holds that another replica may have begun or ended.
const LOOK: Duration = Duration::from_secs(1);

/// Why no new attempt of an op may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// What is paused.
    pub scope: Scope,
    /// Since when, unix microseconds.
    pub since_us: i64,
    /// What deadlines do meanwhile.
    pub deadlines: Deadlines,
    /// By whom and why.
    pub act: Act,
}

/// The holds as this process knows them.
#[derive(Debug)]
pub struct Holds {
    all: Mutex<Arc<[Hold]>>,
    /// One look at the store at a time: an older one must not replace a newer one.
    looking: tokio::sync::Mutex<()>,
    changed: watch::Sender<u64>,
}

impl Default for Holds {
    fn default() -> Self {
        let looking = tokio::sync::Mutex::default();
        Self { all: Mutex::new(Arc::from([])), looking, changed: watch::Sender::new(0) }
    }
}

impl Holds {
    /// The newest, also those that are over.
    #[must_use]
    pub fn all(&self) -> Arc<[Hold]> {
        Arc::clone(&self.all.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The oldest that is in force on a definition or a participant.
    #[must_use]
    pub fn on(&self, definition: &str, participant: &str) -> Option<Hold> {
        self.all()
            .iter()
            .rev()
            .find(|hold| hold.ended.is_none() && concerns(hold, definition, participant))
            .cloned()
    }

    /// Tells of each change.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn set(&self, holds: Vec<Hold>) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if **all != *holds {
            *all = Arc::from(holds);
            self.changed.send_modify(|changes| *changes += 1);
        }
    }
}

fn concerns(hold: &Hold, definition: &str, participant: &str) -> bool {
    match &hold.on {
        Held::Definition(name) => name == definition,
        Held::Participant(name) => name == participant,
    }
}

/// What holds back new attempts of one step. Its own pause is told first, then what is held longest. A cancel wakes it
/// from whatever held it before: what was asked for is done.
fn held_back(state: &State, holds: &[Hold], definition: &str, participant: &str) -> Option<HeldBack> {
    if let Some(Paused { since_us, deadlines, act }) = &state.paused {
        let (scope, act) = (Scope::Transaction, act.clone());
        return Some(HeldBack { scope, since_us: *since_us, deadlines: *deadlines, act });
    }
    let in_force = |hold: &&Hold| hold.ended.is_none() && hold.since_us > state.cancelled_us;
    let hold = holds.iter().rev().filter(in_force).find(|hold| concerns(hold, definition, participant))?;
    let scope = match &hold.on {
        Held::Definition(name) => Scope::Definition(name.clone()),
        Held::Participant(name) => Scope::Participant(name.clone()),
    };
    Some(HeldBack { scope, since_us: hold.since_us, deadlines: hold.deadlines, act: hold.act.clone() })
}

/// How long deadlines stood still between two moments, in unix microseconds: in pauses of its own and in holds that say
/// so; what overlaps counts once.
pub(super) fn stood_still_us(
    state: &State,
    holds: &[Hold],
    definition: &str,
    participant: &str,
    span: (i64, i64),
) -> i64 {
    let own = state.paused.iter().filter(|paused| paused.deadlines == Deadlines::Stop);
    let own = own.map(|paused| (paused.since_us, span.1)).chain(state.standstills.iter().copied());
    let of_holds = holds
        .iter()
        .filter(|hold| hold.deadlines == Deadlines::Stop && concerns(hold, definition, participant))
        .map(|hold| {
            let until = hold.ended.as_ref().map_or(span.1, |(ended_us, _)| *ended_us);
            // A cancel wakes from what held it before, and time goes on for its undo.
            let woken = state.cancelled_us > 0 && hold.since_us <= state.cancelled_us;
            (hold.since_us, if woken { until.min(state.cancelled_us) } else { until })
        });
    let mut stops: Vec<(i64, i64)> =
        own.chain(of_holds).map(|(since, until)| (since.max(span.0), until.min(span.1))).collect();
    stops.sort_unstable();
    let mut counted = (0, span.0);
    for (since, until) in stops {
        let since = since.max(counted.1);
        if until > since {
            counted = (counted.0 + until - since, until);
        }
    }
    counted.0
}

impl Engine {
    /// The holds as this process knows them.
    #[must_use]
    pub fn holds(&self) -> &Holds {
        &self.holds
    }

    /// What holds back new attempts of a step's ops now.
    #[must_use]
    pub fn held(&self, live: &Live, step: StepIndex) -> Option<HeldBack> {
        let participant = &live.plan.steps()[step].participant;
        held_back(&live.state(), &self.holds.all(), &live.plan.body().definition, participant)
    }

    /// What holds back the ops that are to be done now, each once.
    #[must_use]
    pub fn holding(&self, live: &Live) -> Vec<Scope> {
        let mut scopes = Vec::new();
        for at in next_ops(&live.plan, &live.state()) {
            let held = self.held(live, at.step).map(|held| held.scope);
            scopes.extend(held.filter(|scope| !scopes.contains(scope)));
        }
        scopes
    }

    /// How long deadlines stood still since a moment in unix microseconds: those of a step, or of the whole.
    #[must_use]
    pub fn stood_still(&self, live: &Live, step: Option<StepIndex>, from_us: i64) -> Duration {
        let holds = self.holds.all();
        let state = live.state();
        if holds.is_empty() && state.paused.is_none() && state.standstills.is_empty() {
            return Duration::ZERO;
        }
        let participant = step.map_or("", |step| live.plan.steps()[step].participant.as_str());
        let span = (from_us, self.now_us());
        let us = stood_still_us(&state, &holds, &live.plan.body().definition, participant, span);
        Duration::from_micros(u64::try_from(us).unwrap_or(0))
    }

    /// Begins a hold; false = it is held back already, and stays as it is.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn begin_hold(&self, hold: &Hold) -> Result<bool, DbErr> {
        let begun = self.hold_table().begin(hold).await?;
        self.look_at_holds().await?;
        Ok(begun)
    }

    /// Ends a hold; false = nothing held it back.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn end_hold(&self, on: &Held, act: &Act) -> Result<bool, DbErr> {
        let ended = self.hold_table().end(on, self.now_us(), act).await?;
        self.look_at_holds().await?;
        Ok(ended)
    }

    pub(super) async fn look_at_holds(&self) -> Result<(), DbErr> {
        let _one_at_a_time = self.holds.looking.lock().await;
        self.holds.set(self.hold_table().all().await?);
        Ok(())
    }

    /// Keeps what this process knows of the holds new: others may change them, and a look may fail. Ends with the
    /// process.
    pub async fn follow_holds(self: Arc<Self>) {
        let mut outage = Outage::of("the holds cannot be read");
        loop {
            tokio::time::sleep(LOOK).await;
            outage.note(&self.look_at_holds().await);
        }
    }

    fn hold_table(&self) -> HoldTable {
        self.parts.history.reader.holds()
    }
}

#[cfg(test)]
#[path = "holds_tests.rs"]
mod tests;
