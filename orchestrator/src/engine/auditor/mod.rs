//! The auditor: compares history, the coordinator and the participants' guard rows, and has what history decided
//! driven to its end (orchestration.md item 16). It never decides anything, and asks within a budget of calls.
//! Must not know definitions or services: whoever has the guard's method is asked for its rows.

mod agenda;
mod branches;
mod coordinator_book;
mod difference;
mod glance;
mod participants;
mod repair;
mod sightings;

use super::{Engine, Live};
use crate::coordinator::CoordinatorStatus;
use crate::history::{AppendError, Fact, ReadError, State};
use agenda::Agenda;
use amends_serve::outage::Outage;
use coordinator_book::Comparison;
pub use difference::Difference;
use difference::told;
pub use glance::{Glance, glance};
pub use participants::Told;
use participants::{Answer, Silent};
use sightings::{Look, Sightings};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// Cause of the attention that a disagreement opens.
pub const DISAGREEMENT: &str = "disagreement";

/// How often, how long and how hard it looks.
#[derive(Debug, Clone, Copy)]
pub struct AuditSettings {
    /// Between the beginnings of two passes; no pass lasts longer.
    pub interval: Duration,
    /// What differs for so long, and in two looks, is a disagreement.
    pub patience: Duration,
    /// Calls to participants and to the coordinator, together.
    pub calls_per_second: NonZeroU32,
}

/// What the auditor has done since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Passes that are over.
    pub passes: u64,
    /// Looks at one global transaction.
    pub looks: u64,
    /// Calls to participants and to the coordinator.
    pub calls: u64,
    /// Disagreements that were opened or changed.
    pub opened: u64,
    /// Disagreements that were over.
    pub closed: u64,
    /// Ended global transactions that the coordinator no longer knew.
    pub forgotten: u64,
}

/// Compares, records, and has what is decided done.
pub struct Auditor {
    engine: Arc<Engine>,
    settings: AuditSettings,
    budget: Interval,
    agenda: Agenda,
    sightings: Sightings,
    silent: Silent,
    coordinator_away: bool,
    progress: watch::Sender<Progress>,
}

/// What was read of one global transaction.
struct Books {
    /// By participant; those that keep no rows or did not answer are missing.
    rows: BTreeMap<String, Vec<branches::Row>>,
    /// `None` = not asked, or no answer; inner `None` = it does not know the gid.
    coordinator: Option<Option<CoordinatorStatus>>,
    look: Look,
}

impl Auditor {
    /// An auditor of what `engine` has. Must be made inside a tokio runtime.
    #[must_use]
    pub fn new(engine: Arc<Engine>, settings: AuditSettings) -> Self {
        let mut budget = tokio::time::interval(Duration::from_secs(1) / settings.calls_per_second.get());
        // What was not used is not saved up.
        budget.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let agenda = Agenda::new(engine.now_us());
        Self {
            engine,
            settings,
            budget,
            agenda,
            sightings: Sightings::default(),
            silent: Silent::default(),
            coordinator_away: false,
            progress: watch::Sender::default(),
        }
    }

    /// Tells of each pass that is over.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Audits until the process ends.
    pub async fn run(mut self) {
        // Not at once: a process that starts has what is open to take up.
        let interval = self.settings.interval;
        let mut passes = tokio::time::interval_at(Instant::now() + interval, interval);
        passes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut outage = Outage::of("the auditor cannot read the history");
        loop {
            passes.tick().await;
            let until = Instant::now() + interval;
            outage.note(&self.pass(until).await);
            self.tell();
        }
    }

    /// One pass, which ends at `until` at the latest; the next one goes on from there.
    async fn pass(&mut self, until: Instant) -> Result<(), sea_orm::DbErr> {
        self.silent.new_pass();
        self.coordinator_away = false;
        let reader = self.engine.history().reader.clone();
        let open = self.engine.all_open().into_iter();
        let open = open.map(|live| (live.base().gid.clone(), live.state().last_seq)).collect();
        let times = (self.engine.now_us(), self.settings.interval);
        self.agenda.begin(&reader, self.sightings.gids(), open, times).await?;
        // Whoever has no right to go on makes no call either.
        while Instant::now() < until && self.engine.tenure().holds() {
            let Some(gid) = self.agenda.next(&reader).await? else { break };
            self.look_at(&gid).await;
        }
        Ok(())
    }

    fn tell(&mut self) {
        let (urgent, behind) = (self.agenda.urgent(), self.agenda.behind());
        if urgent > 0 || !behind.is_zero() {
            let behind_s = behind.as_secs();
            tracing::warn!(urgent, behind_s, "the auditor is behind: it goes on from where it was");
        }
        self.progress.send_modify(|progress| progress.passes += 1);
        let progress = *self.progress.borrow();
        tracing::debug!(?progress, "an audit pass is over");
    }

    async fn look_at(&mut self, gid: &str) {
        let live = match self.engine.find(gid).await {
            Ok(Some(live)) => live,
            Ok(None) => return self.sightings.forget(gid),
            // Another replica took it over meanwhile.
            Err(ReadError::Elsewhere { .. }) => return self.sightings.forget(gid),
            Err(error) => return tracing::debug!(gid, %error, "not audited"),
        };
        let state = live.state();
        let books = self.read_books(&live).await;
        self.progress.send_modify(|progress| progress.looks += 1);
        // It moved meanwhile: what was read is of two moments.
        if live.state().last_seq != state.last_seq {
            return;
        }
        let found = self.compare(&live, &state, &books);
        let nothing = found.is_empty();
        let (now, patience) = (Instant::now(), self.settings.patience);
        let lasting = self.sightings.take(gid, found, books.look, now, patience);
        let done = if !lasting.is_empty() {
            self.disagree(&live, &lasting, books.coordinator.flatten()).await
        } else if nothing && books.look == Look::Whole {
            self.agree(&live).await
        } else {
            Ok(())
        };
        if let Err(error) = done {
            tracing::warn!(gid, %error, "what the auditor found is not recorded");
        }
    }

    async fn read_books(&mut self, live: &Live) -> Books {
        let gid = live.base().gid.as_str();
        let mut books = Books { rows: BTreeMap::new(), coordinator: None, look: Look::Whole };
        for (participant, service) in asked(live) {
            match self.rows_of(participant, service, gid).await {
                Answer::Rows(rows) => books.rows.entry(participant.to_owned()).or_default().extend(rows),
                Answer::NoRows => {}
                Answer::Silence => books.look = Look::Partial,
            }
        }
        if live.coordinator().calls() {
            books.coordinator = self.status_of(live).await;
            if books.coordinator.is_none() {
                books.look = Look::Partial;
            }
        }
        books
    }

    async fn rows_of(&mut self, participant: &str, service: &str, gid: &str) -> Answer {
        if let Some(known) = self.silent.known(participant, service, Instant::now()) {
            return known;
        }
        let engine = Arc::clone(&self.engine);
        let Some(lane) = engine.lanes().get(participant) else { return Answer::NoRows };
        self.turn().await;
        let answer = participants::ask(lane, service, gid).await;
        self.silent.remember(participant, service, &answer, Instant::now());
        answer
    }

    /// Outer `None` = no answer. One that is away is not asked again in this pass.
    async fn status_of(&mut self, live: &Live) -> Option<Option<CoordinatorStatus>> {
        if self.coordinator_away {
            return None;
        }
        self.turn().await;
        let view = live.coordinator().view(&live.base().gid).await;
        self.coordinator_away = view.is_err();
        Some(view.ok()?.map(|view| view.status))
    }

    /// Waits until a call is within the budget.
    async fn turn(&mut self) {
        self.budget.tick().await;
        self.progress.send_modify(|progress| progress.calls += 1);
    }

    fn compare(&mut self, live: &Live, state: &State, books: &Books) -> Vec<Difference> {
        let mut found = against_rows(live, state, &books.rows);
        if let Some(seen) = books.coordinator {
            match coordinator_book::compare(&live.plan, state, seen) {
                Comparison::Agrees => {}
                Comparison::Forgot => self.forgotten(),
                Comparison::Differs(difference) => found.push(difference),
            }
        }
        found
    }

    /// Told once: whoever lost the coordinator's store knows it, and thousands of alarms would hide what matters.
    fn forgotten(&self) {
        if self.progress.borrow().forgotten == 0 {
            tracing::warn!(
                alarm = "COORDINATOR_FORGOT",
                "the coordinator does not know what has ended: its store was lost, or its books expired"
            );
        }
        self.progress.send_modify(|progress| progress.forgotten += 1);
    }

    /// Records what differs where that is news, then has done what can be done.
    async fn disagree(
        &mut self,
        live: &Arc<Live>,
        lasting: &[Difference],
        seen: Option<CoordinatorStatus>,
    ) -> Result<(), AppendError> {
        let text = told(lasting);
        let at = lasting.iter().find_map(|difference| difference.at);
        let cause = DISAGREEMENT.to_owned();
        let mut news = false;
        self.engine
            .record_audit(live, |state| {
                let open = state.attention.iter().find(|open| open.cause == cause);
                news = open.is_none_or(|open| open.text != text);
                let mut facts = Vec::new();
                if news && open.is_some() {
                    facts.push(Fact::AttentionClosed { cause: cause.clone() }.into());
                }
                if news {
                    let (cause, text) = (cause.clone(), text.clone());
                    facts.push(Fact::AttentionOpened { cause, at, text }.into());
                }
                facts
            })
            .await?;
        if news {
            self.progress.send_modify(|progress| progress.opened += 1);
        }
        self.repair(live, lasting, seen).await
    }

    /// Every book was read and all agree.
    async fn agree(&mut self, live: &Arc<Live>) -> Result<(), AppendError> {
        let cause = DISAGREEMENT.to_owned();
        if !live.state().attention.iter().any(|open| open.cause == cause) {
            return Ok(());
        }
        self.engine.record_audit(live, |_| vec![Fact::AttentionClosed { cause }.into()]).await?;
        self.progress.send_modify(|progress| progress.closed += 1);
        Ok(())
    }
}

/// What the participants' rows say otherwise than history; those of whom there are none are left out.
fn against_rows(live: &Live, state: &State, books: &BTreeMap<String, Vec<branches::Row>>) -> Vec<Difference> {
    let mut found = Vec::new();
    for (step, planned) in live.plan.steps().iter().enumerate() {
        if let Some(rows) = books.get(&planned.participant) {
            found.extend(branches::compare(&live.plan, state, step, rows));
        }
    }
    for (participant, rows) in books {
        found.extend(branches::outside_plan(&live.plan, participant, rows));
    }
    found
}

/// Which participant is asked for which service's rows: each once, in the order of the plan.
fn asked(live: &Live) -> Vec<(&str, &str)> {
    let mut asked: Vec<(&str, &str)> = Vec::new();
    for step in live.plan.steps() {
        let one = (step.participant.as_str(), participants::service_of(&step.forward));
        if !asked.contains(&one) {
            asked.push(one);
        }
    }
    asked
}
