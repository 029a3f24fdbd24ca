//! The engine: brings every global transaction to its end. Runs ops through lanes, records their outcomes, wakes
//! the coordinator, and recovers what a crash interrupted. Must not know definitions or the API.

mod acknowledge;
mod acts;
mod answer;
mod auditor;
mod cache;
mod deadline;
mod decide;
mod drive;
mod endings;
mod feed;
mod holds;
mod journal;
mod lanes;
mod live;
#[cfg(test)]
mod model;
mod op;
mod silence;
mod steer;
mod sweep;
mod tcc;
mod waits;
mod wire;

pub use acts::{ActError, Seen};
pub use answer::{RelayCall, RelayError};
pub use auditor::{AuditSettings, Auditor, DISAGREEMENT, Difference, Glance, Progress, Told, glance};
pub use decide::{Answer, Decision, InFlight, decide, next_ops};
pub use feed::Subscription;
pub use holds::{HeldBack, Holds};
pub use lanes::{
    AddressError, Answered, Hindrance, Lane, LaneBook, LaneChange, LaneError, LaneSettings, LaneView, Lanes,
    Phase, Reset, SettingsError,
};
pub use live::{Happened, Live};
pub use op::{Done, Judgement, Limit, Retry};
pub use steer::{Approval, Denied, Statement};
pub use waits::{Rule, Scope, Wait, Waiting, Waits, Why};

use crate::coordinator::Coordinators;
use crate::history::{Act, AppendError, Cause, Fact, History, Loaded, NewTransaction, ReadError, Row, State};
use crate::meters;
use crate::plan::{Mode, Plan};
use crate::replica::Tenure;
use crate::trace;
use amends_crash_points::{Place, around};
use amends_dtm::plan_mac::PlanMacKey;
use cache::Cache;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Repeated and reminding calls to the coordinator in flight (design.md §2, Times).
const AT_ONCE: usize = 64;
/// The same of what has ended: when hundreds do at once, because their participant is back, nobody waits for DTM to know.
const ENDINGS_AT_ONCE: usize = 4;
/// Between two tries to read a store that is away.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Life of a plan MAC: longer than any retry or dispute (payments-domain.md §2 keeps guard rows as long).
const MAC_LIFE_S: i64 = 400 * 86_400;

/// How long the relay holds the first call of a forward op (design.md §2, Times).
pub const HOLD_FORWARD: Duration = Duration::from_secs(2);

/// Times of the engine.
#[derive(Debug, Clone, Copy)]
pub struct EngineTimes {
    /// How long the relay holds the first call of a forward op.
    pub hold_forward: Duration,
    /// How long it holds the first call of any other op: it may come from DTM's serial loop.
    pub hold_second: Duration,
    /// The whole try phase of a TCC.
    pub try_phase: Duration,
}

impl Default for EngineTimes {
    fn default() -> Self {
        Self {
            hold_forward: HOLD_FORWARD,
            hold_second: Duration::from_millis(300),
            try_phase: Duration::from_secs(90),
        }
    }
}

/// What the engine works with.
pub struct EngineParts {
    /// The durable history.
    pub history: History,
    /// The ways to participants.
    pub lanes: Lanes,
    /// Who decides order, retry and rollback.
    pub coordinators: Coordinators,
    /// Signs calls to participants.
    pub mac_key: PlanMacKey,
    /// Its times.
    pub times: EngineTimes,
    /// Unix microseconds.
    pub clock: fn() -> i64,
    /// Whether this process may act.
    pub tenure: Tenure,
}

/// Brings every global transaction to its end.
pub struct Engine {
    parts: EngineParts,
    live: Cache,
    holds: Holds,
    coordinator_away: AtomicBool,
    turns: Arc<Semaphore>,
    /// Turns of what has ended here and not there: whatever still runs comes first.
    endings: Semaphore,
}

impl Engine {
    /// An engine that has not begun: [`Engine::recover`] makes it take up what is open.
    #[must_use]
    pub fn new(parts: EngineParts) -> Arc<Self> {
        Arc::new(Self {
            parts,
            live: Cache::default(),
            holds: Holds::default(),
            coordinator_away: AtomicBool::new(false),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            endings: Semaphore::new(ENDINGS_AT_ONCE),
        })
    }

    /// The participants that may be called.
    #[must_use]
    pub fn lanes(&self) -> &Lanes {
        &self.parts.lanes
    }

    /// The coordinators.
    #[must_use]
    pub fn coordinators(&self) -> &Coordinators {
        &self.parts.coordinators
    }

    /// The history.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.parts.history
    }

    /// Waits for a turn to call the coordinator again.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }

    /// Unix microseconds, now.
    #[must_use]
    pub fn now_us(&self) -> i64 {
        (self.parts.clock)()
    }

    fn all_open(&self) -> Vec<Arc<Live>> {
        self.live.all_open()
    }

    fn to_live(&self, loaded: Loaded) -> Arc<Live> {
        let mac = self.mac(&loaded.plan);
        let coordinator = Arc::clone(self.parts.coordinators.named(&loaded.row.coordinator));
        Arc::new(Live::new(loaded, mac, coordinator))
    }

    fn mac(&self, plan: &Plan) -> String {
        let expiry = plan.body().created_at_us / 1_000_000 + MAC_LIFE_S;
        self.parts.mac_key.mint(plan.gid().as_str(), plan.hash(), expiry)
    }

    /// Makes a new global transaction durable and sets it going. Must run in a task that nobody drops half-way.
    ///
    /// # Errors
    /// Nothing is stored then: it conflicts with an earlier one, or the store did not commit.
    pub async fn start(
        self: &Arc<Self>,
        row: Row,
        plan: Plan,
        new: NewTransaction,
    ) -> Result<Arc<Live>, AppendError> {
        let state = State::empty(&plan);
        let live = self.to_live(Loaded { row, plan, state });
        let gid = live.base().gid.clone();
        // Known before it is durable: whoever learns of the gid by the commit must meet this one, not a second.
        if self.live.take_in(&live).is_err() {
            return Err(AppendError::Store("the new gid is in use".to_owned()));
        }
        let started = live.start(&self.parts.history.writer, self.now_us(), new);
        if let Err(error) = around!(Place::Start, started.await) {
            self.live.forget(&gid);
            if matches!(error, AppendError::Store(_)) {
                self.look_again(gid);
            }
            return Err(error);
        }
        meters::started(&live.base().definition, live.plan.mode());
        self.set_going(&live);
        self.keep_time(&live);
        Ok(live)
    }

    /// A commit that failed may be there all the same: when the store can be read again, what it holds is taken up.
    fn look_again(self: &Arc<Self>, gid: String) {
        let engine = Arc::clone(self);
        tokio::spawn(async move { drop(engine.find_patiently(&gid).await) });
    }

    async fn find_patiently(self: &Arc<Self>, gid: &str) -> Option<Arc<Live>> {
        loop {
            match self.find(gid).await {
                Err(ReadError::Store(_)) => tokio::time::sleep(LOOK_AGAIN).await,
                Ok(found) => return found,
                // Another replica was quicker.
                Err(ReadError::Elsewhere { .. }) => return None,
                Err(error @ (ReadError::Plan(_) | ReadError::Event(_))) => {
                    tracing::error!(gid, %error, alarm = "UNREADABLE_HISTORY", "not taken up");
                    return None;
                }
            }
        }
    }

    /// Whether this process may act.
    #[must_use]
    pub fn tenure(&self) -> &Tenure {
        &self.parts.tenure
    }

    fn set_going(self: &Arc<Self>, live: &Arc<Live>) {
        let (engine, live) = (Arc::clone(self), Arc::clone(live));
        tokio::spawn(async move {
            match live.plan.mode() {
                _ if !live.coordinator().calls() => engine.drive_to_the_end(&live).await,
                Mode::Tcc => engine.run_tcc(&live).await,
                Mode::Saga | Mode::Unspecified => engine.register_saga(&live).await,
            }
        });
    }

    /// The one that is in memory, if it is.
    #[must_use]
    pub fn in_memory(&self, gid: &str) -> Option<Arc<Live>> {
        self.live.get(gid)
    }

    /// Finds a global transaction, in memory or in the store; `None` = never heard of.
    ///
    /// # Errors
    /// Where the store is away or unreadable.
    pub async fn find(self: &Arc<Self>, gid: &str) -> Result<Option<Arc<Live>>, ReadError> {
        if let Some(live) = self.live.get(gid) {
            return Ok(Some(live));
        }
        let Some(loaded) = self.parts.history.reader.load(gid).await? else {
            return Ok(None);
        };
        Ok(Some(self.take_in(loaded)))
    }

    fn take_in(self: &Arc<Self>, loaded: Loaded) -> Arc<Live> {
        let ended = loaded.state.end.is_some();
        let live = self.to_live(loaded);
        if ended {
            return live;
        }
        // Somebody may have been quicker: there is one `Live` for each open gid, and one who takes it up.
        if let Err(known) = self.live.take_in(&live) {
            return known;
        }
        self.take_up(&live);
        self.keep_time(&live);
        live
    }

    /// Records facts, and takes the global transaction out of the open ones if that ended it.
    ///
    /// # Errors
    /// Nothing was appended then.
    pub(crate) async fn record<F>(&self, live: &Arc<Live>, decide: F) -> Result<Arc<State>, AppendError>
    where
        F: FnOnce(&State) -> Vec<Happened>,
    {
        let state = live.record(&self.parts.history, self.now_us(), decide).await?;
        if state.end.is_some() {
            self.retire(live);
        }
        Ok(state)
    }

    fn retire(&self, live: &Arc<Live>) {
        live.silence.rest();
        // Whoever comes second, because it learned of the end later, finds it retired.
        if self.live.retire(&live.base().gid) {
            let (state, base) = (live.state(), live.base());
            let took = state.finished_us.saturating_sub(base.created_at_us);
            let took = Duration::from_micros(u64::try_from(took).unwrap_or(0));
            meters::ended(&base.definition, live.plan.mode(), state.status(), took);
            trace::ended(&live.plan, &state, &base.coordinator);
        }
    }

    /// Asks for the end: no new forward attempt, then undo (orchestration.md item 7). Idempotent.
    /// Must run in a task that nobody drops half-way.
    ///
    /// # Errors
    /// Where the store did not commit.
    pub async fn cancel(self: &Arc<Self>, live: &Arc<Live>, act: &Act) -> Result<Cancelled, AppendError> {
        let mut outcome = Cancelled::Decided;
        let plan = &live.plan;
        let state = self
            .record(live, |state| {
                outcome = may_cancel(plan, state);
                match outcome {
                    Cancelled::Decided => {
                        let cause = Cause::Cancelled(act.reason.clone());
                        vec![Fact::CancelRequested(act.clone()).into(), undo_decided(plan, cause).into()]
                    }
                    // Undone for another reason, and paused: what is asked for is that it goes on.
                    Cancelled::Already if state.paused.is_some() && !is_cancelled(state) => {
                        vec![Fact::CancelRequested(act.clone()).into(), Fact::Resumed(act.clone()).into()]
                    }
                    Cancelled::Already | Cancelled::PivotInFlight | Cancelled::PastPivot => Vec::new(),
                }
            })
            .await?;
        if state.end.is_some() && outcome == Cancelled::Decided && !state.undoing() {
            outcome = Cancelled::PastPivot;
        }
        if outcome == Cancelled::Decided && live.coordinator().calls() {
            live.silence.due_now(tokio::time::Instant::now());
            self.ended_by_an_act(live);
        }
        Ok(outcome)
    }
}

fn is_cancelled(state: &State) -> bool {
    matches!(state.cause(), Some(Cause::Cancelled(_)))
}

/// What became of a cancel request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It is being undone.
    Decided,
    /// It was being undone, or undone, already.
    Already,
    /// The pivot's outcome is open.
    PivotInFlight,
    /// It cannot be undone any more.
    PastPivot,
}

/// A cancel is accepted iff no attempt of the pivot (SAGA) or no commit decision (TCC) is durable
/// (payments-domain.md §3).
fn may_cancel(plan: &Plan, state: &State) -> Cancelled {
    use crate::history::{Standing, Verdict};
    match &state.verdict {
        Verdict::Undo(_) => Cancelled::Already,
        Verdict::Submitting | Verdict::Committed => Cancelled::PastPivot,
        Verdict::Open => match plan.pivot().map(|pivot| &state.steps[pivot].forward) {
            Some(pivot) if pivot.standing == Standing::Succeeded => Cancelled::PastPivot,
            Some(pivot) if pivot.attempts > 0 => Cancelled::PivotInFlight,
            Some(_) | None => Cancelled::Decided,
        },
    }
}

/// The event that turns a global transaction back, in the word of its mode.
pub(crate) fn undo_decided(plan: &Plan, cause: Cause) -> Fact {
    match plan.mode() {
        Mode::Tcc => Fact::AbortDecided(cause),
        Mode::Saga | Mode::Unspecified => Fact::UndoDecided(cause),
    }
}
