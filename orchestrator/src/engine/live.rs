//! One global transaction in memory: its plan, the committed fold, and which of its ops run in this process.
//! All appends of a gid go through it, one after another, so decisions and facts cannot pass each other.
//! Must not know what coordinators do, nor lanes or the API.

use super::decide::{Decision, decide, next_ops};
use super::feed::{Feed, Subscription, Told};
use super::silence::Silence;
use super::waits::Waits;
use crate::attention;
use crate::coordinator::Coordinator;
use crate::history::entity::event;
use crate::history::{
    Append, AppendError, Event, Fact, FlatFact, History, HistoryWriter, Loaded, Marks, Needs, NewTransaction,
    Row, State, bounded,
};
use crate::plan::{OpRef, Plan};
use amends_dtm::Op;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Version that stands in each event.
const BUILD_ID: &str = env!("CARGO_PKG_VERSION");

/// A fact, and when it happened if that was earlier than its recording.
#[derive(Debug, Clone)]
pub struct Happened {
    /// Unix microseconds; `None` = now.
    pub time_us: Option<i64>,
    /// What.
    pub fact: Fact,
}

impl From<Fact> for Happened {
    fn from(fact: Fact) -> Self {
        Self { time_us: None, fact }
    }
}

/// What a call may do, with the op already claimed where it is to run.
#[derive(Debug)]
pub enum Claim {
    /// As decided, nothing was claimed.
    Decided(Decision),
    /// The caller now owns the op and must run it; `done` tells everybody else when it has ended.
    Run { at: OpRef, ended: watch::Sender<bool> },
}

/// A global transaction in memory.
pub struct Live {
    /// Its plan.
    pub plan: Plan,
    /// Plan MAC for calls to participants.
    pub mac: String,
    /// When the coordinator is to be reminded.
    pub silence: Silence,
    coordinator: Arc<dyn Coordinator>,
    base: Row,
    state: Mutex<Arc<State>>,
    running: Mutex<HashMap<OpRef, watch::Receiver<bool>>>,
    later: Mutex<Vec<Happened>>,
    turn: tokio::sync::Mutex<()>,
    changed: watch::Sender<i64>,
    feed: Feed,
    pokes: watch::Sender<u64>,
    waits: Waits,
    owes_wake: AtomicBool,
    driven: AtomicBool,
    told: AtomicBool,
    stale: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// Takes a read-back global transaction into memory.
    #[must_use]
    pub fn new(loaded: Loaded, mac: String, coordinator: Arc<dyn Coordinator>) -> Self {
        let changed = watch::Sender::new(loaded.state.last_seq);
        Self {
            plan: loaded.plan,
            mac,
            silence: Silence::default(),
            coordinator,
            base: loaded.row,
            state: Mutex::new(Arc::new(loaded.state)),
            running: Mutex::default(),
            later: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            changed,
            feed: Feed::default(),
            pokes: watch::Sender::new(0),
            waits: Waits::default(),
            owes_wake: AtomicBool::new(false),
            driven: AtomicBool::new(false),
            told: AtomicBool::new(false),
            stale: AtomicBool::new(false),
        }
    }

    /// The row it was read or started with; its changing fields are the state's.
    #[must_use]
    pub fn base(&self) -> &Row {
        &self.base
    }

    /// Who decides about it, from its start to its end.
    #[must_use]
    pub fn coordinator(&self) -> &dyn Coordinator {
        &*self.coordinator
    }

    /// The committed fold.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&lock(&self.state))
    }

    /// Tells of each commit by its newest seq.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<i64> {
        self.changed.subscribe()
    }

    /// Hears the events of each commit from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        self.feed.subscribe()
    }

    /// Ends the waits of its running ops: whoever waits for a next attempt looks again now.
    pub fn poke(&self) {
        self.pokes.send_modify(|count| *count += 1);
    }

    /// Tells of each poke from now on.
    #[must_use]
    pub fn pokes(&self) -> watch::Receiver<u64> {
        self.pokes.subscribe()
    }

    /// What its running ops wait for.
    pub fn waits(&self) -> &Waits {
        &self.waits
    }

    /// Decides about an asked op; where it is to run, the op is claimed for the caller in the same moment.
    pub fn claim(&self, asked: OpRef) -> Claim {
        let mut running = lock(&self.running);
        let state = self.state();
        match decide(&self.plan, &state, asked, &|at| running.contains_key(&at)) {
            Decision::Run(at) => {
                let (ended, watching) = watch::channel(false);
                running.insert(at, watching);
                Claim::Run { at, ended }
            }
            decision @ (Decision::Reply(_)
            | Decision::Skip(_)
            | Decision::Consult
            | Decision::Disagree(_)) => Claim::Decided(decision),
        }
    }

    /// Decides about an asked op without claiming it.
    #[must_use]
    pub fn claim_nothing(&self, asked: OpRef) -> Decision {
        let running = lock(&self.running);
        decide(&self.plan, &self.state(), asked, &|at| running.contains_key(&at))
    }

    /// Gives a claimed op back; its outcome, if any, is recorded by now.
    pub fn release(&self, at: OpRef, ended: &watch::Sender<bool>) {
        lock(&self.running).remove(&at);
        ended.send_replace(true);
    }

    /// Tells when a running op has ended; `None` = it does not run.
    #[must_use]
    pub fn running(&self, at: OpRef) -> Option<watch::Receiver<bool>> {
        lock(&self.running).get(&at).cloned()
    }

    /// Tells when one of the running ops has ended; `None` = none runs.
    #[must_use]
    pub fn any_running(&self) -> Option<watch::Receiver<bool>> {
        lock(&self.running).values().next().cloned()
    }

    /// Whether any op runs in this process.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !lock(&self.running).is_empty()
    }

    /// Whether any step's op of this kind runs.
    #[must_use]
    pub fn runs(&self, op: Op) -> bool {
        lock(&self.running).keys().any(|at| at.op == op)
    }

    /// Whether nothing runs in this process that could run: it is the coordinator's turn, though an op that runs beside
    /// may keep us busy.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        let running = lock(&self.running);
        if running.is_empty() || !self.plan.is_graph() {
            return running.is_empty();
        }
        let state = self.state();
        let may_run = |asked: OpRef| {
            let decision = decide(&self.plan, &state, asked, &|at| running.contains_key(&at));
            matches!(decision, Decision::Run(_))
        };
        next_ops(&self.plan, &state).into_iter().any(may_run)
    }

    /// The coordinator was told "not yet": it is owed a wake-up when something ended.
    pub fn owe_wake(&self) {
        self.owes_wake.store(true, Ordering::SeqCst);
    }

    /// Takes the debt over.
    pub fn take_owed_wake(&self) -> bool {
        self.owes_wake.swap(false, Ordering::SeqCst)
    }

    /// Becomes the one driver of it in this process; false = somebody else is.
    pub fn start_driving(&self) -> bool {
        !self.driven.swap(true, Ordering::SeqCst)
    }

    /// Becomes the one who tells the coordinator of its end; false = somebody else is at it.
    pub fn start_telling(&self) -> bool {
        !self.told.swap(true, Ordering::SeqCst)
    }

    /// Lets another tell.
    pub fn stop_telling(&self) {
        self.told.store(false, Ordering::SeqCst);
    }

    /// Lets another drive.
    pub fn stop_driving(&self) {
        self.driven.store(false, Ordering::SeqCst);
    }

    /// Notes a fact that may ride with the next commit: losing it in a crash loses nothing that matters.
    pub fn note(&self, fact: Fact, time_us: i64) {
        lock(&self.later).push(Happened { time_us: Some(time_us), fact });
    }

    /// Makes the facts durable that `decide` names for the state as it then is, together with noted ones, and
    /// with `finished` if that was the last op. Must run in a task that nobody drops half-way.
    ///
    /// # Errors
    /// Nothing was appended then.
    pub async fn record<F>(
        &self,
        history: &History,
        now_us: i64,
        decide: F,
    ) -> Result<Arc<State>, AppendError>
    where
        F: FnOnce(&State) -> Vec<Happened>,
    {
        let _in_order = self.turn.lock().await;
        self.refresh(history).await?;
        let before = self.state();
        if before.end.is_some() {
            return Ok(before);
        }
        let facts = decide(&before);
        let noted = std::mem::take(&mut *lock(&self.later));
        if facts.is_empty() && noted.is_empty() {
            return Ok(before);
        }
        let facts = noted.iter().cloned().chain(facts);
        let recorded = self.append(&history.writer, &before, facts, now_us).await;
        if recorded.is_err() {
            lock(&self.later).splice(0..0, noted);
        }
        recorded
    }

    /// Makes facts durable that are found after the end: needs for a person, and repeated attempts. The end stands.
    /// Only the auditor has any. Must run in a task that nobody drops half-way.
    ///
    /// # Errors
    /// Nothing was appended then.
    pub async fn record_after_end(
        &self,
        history: &History,
        now_us: i64,
        decide: impl FnOnce(&State) -> Vec<Happened>,
    ) -> Result<Arc<State>, AppendError> {
        let _in_order = self.turn.lock().await;
        // It may have been taken out of the store meanwhile.
        self.stale.store(true, Ordering::SeqCst);
        self.refresh(history).await?;
        let before = self.state();
        let facts = if before.end.is_some() { decide(&before) } else { Vec::new() };
        if facts.is_empty() {
            return Ok(before);
        }
        self.append(&history.writer, &before, facts, now_us).await
    }

    /// Appends to what is stored, in the turn that the caller has.
    async fn append(
        &self,
        writer: &HistoryWriter,
        before: &State,
        facts: impl IntoIterator<Item = Happened>,
        now_us: i64,
    ) -> Result<Arc<State>, AppendError> {
        let (after, events, needs) = self.extend(before, facts, now_us);
        let told = self.feed.copy(&events);
        let append = Append { needs, ..self.to_append(before, &after, events, None) };
        let appended = writer.append(append).await;
        self.stale.store(matches!(appended, Err(AppendError::Store(_))), Ordering::SeqCst);
        appended.map(|()| self.publish(after, told))
    }

    /// After a failed commit nobody knows what the store holds: it is read again before anything is added.
    async fn refresh(&self, history: &History) -> Result<(), AppendError> {
        if self.stale.load(Ordering::SeqCst) {
            let loaded = history.reader.load(&self.base.gid).await;
            match loaded.map_err(|error| AppendError::Store(error.to_string()))? {
                Some(loaded) => drop(self.publish(loaded.state, Told::default())),
                None => return Err(AppendError::Store("the history has lost this gid".to_owned())),
            }
            self.stale.store(false, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Makes the first event durable, with the plan.
    ///
    /// # Errors
    /// Nothing was stored then.
    pub async fn start(
        &self,
        writer: &HistoryWriter,
        now_us: i64,
        new: NewTransaction,
    ) -> Result<(), AppendError> {
        let before = self.state();
        let (after, events, _) = self.extend(&before, [Fact::Started.into()], now_us);
        let told = self.feed.copy(&events);
        writer.append(self.to_append(&before, &after, events, Some(new))).await?;
        self.publish(after, told);
        Ok(())
    }

    fn extend(
        &self,
        before: &State,
        facts: impl IntoIterator<Item = Happened>,
        now_us: i64,
    ) -> (State, Vec<event::Model>, Option<Needs>) {
        let mut after = before.clone();
        let (mut events, mut changes) = (Vec::new(), Vec::new());
        let mut push = |after: &mut State, fact: Fact, time_us: i64| {
            let event = Event { seq: after.last_seq + 1, time_us, fact };
            // Nearly always empty, which costs nothing.
            let open = after.attention.clone();
            after.apply(&event);
            let row = self.to_row(&event);
            changes.extend(attention::changes(&open, &after.attention, &row));
            events.push(row);
        };
        for happened in facts {
            push(&mut after, happened.fact, happened.time_us.unwrap_or(now_us));
        }
        if after.end.is_none()
            && let Some(end) = after.reached_end(&self.plan)
        {
            push(&mut after, Fact::Finished(end), now_us);
        }
        let needs = attention::needs(&self.base, &self.plan, before, &after, &changes);
        (after, events, needs)
    }

    fn to_row(&self, event: &Event) -> event::Model {
        let flat = FlatFact::from(&event.fact);
        event::Model {
            gid: self.base.gid.clone(),
            seq: event.seq,
            time_us: event.time_us,
            kind: flat.kind,
            branch_id: flat.branch_id,
            op: flat.op,
            attempt: flat.attempt,
            code: flat.code,
            reason: flat.reason,
            build_id: BUILD_ID.to_owned(),
            detail: flat.detail,
        }
    }

    fn to_append(
        &self,
        before: &State,
        after: &State,
        events: Vec<event::Model>,
        new: Option<NewTransaction>,
    ) -> Append {
        let shown =
            |state: &State| (state.status(), state.attention.is_empty(), Marks::of(&self.plan, state));
        let shown_after = shown(after);
        let row = (new.is_some() || shown(before) != shown_after).then(|| {
            shown_after.2.onto(Row {
                status: after.status().name().to_owned(),
                reason: after.cause().map(|cause| bounded(cause.text())).unwrap_or_default(),
                is_open: after.end.is_none(),
                needs_attention: !after.attention.is_empty(),
                finished_at_us: after.finished_us,
                ..self.base.clone()
            })
        });
        Append { events, row, new, needs: None }
    }

    fn publish(&self, after: State, told: Told) -> Arc<State> {
        let seq = after.last_seq;
        let after = Arc::new(after);
        *lock(&self.state) = Arc::clone(&after);
        self.changed.send_replace(seq);
        self.feed.tell(told);
        after
    }

    /// Waits until `wanted` holds for the committed fold.
    pub async fn until(&self, wanted: impl Fn(&State) -> bool) -> Arc<State> {
        let mut changes = self.watch();
        loop {
            let state = self.state();
            if wanted(&state) {
                return state;
            }
            if changes.changed().await.is_err() {
                return state;
            }
        }
    }
}
