//! The branch guard: one local transaction holds the check, the business change and the memory of the answer.
//! Knows no business entity; what the rows mean is decided in `verdict`.

use std::convert::Infallible;
use std::sync::Arc;

use amends_crash_points::{Place, around};
use amends_serve::store::LocalTransaction;
use amends_serve::store::Store;
use amends_serve::traces;
use futures::{FutureExt as _, TryFutureExt as _, future};
use prost::Message;
use sea_orm::DbErr;
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use crate::EffectFuture;
use crate::answer::{Answer, denied, replay, running, storage};
use crate::branch::{Admitted, BranchAuth, Call, Ticket, admit};
use crate::clock::Clock;
use crate::external::{Begun, ForwardState, Progress};
use crate::reason::Reason;
use crate::refusal::{Fault, Refusal};
use crate::rows::{self, NotMade, Outcome, Rows};
use crate::verdict::{Phase, Verdict, decide};

/// The branch guard of one participant. A clone is the same guard.
#[derive(Clone)]
pub struct Guard(Arc<Parts>);

struct Parts {
    store: Store,
    auth: BranchAuth,
    clock: Arc<dyn Clock>,
}

impl Guard {
    /// A guard over the participant's own database, which has the migrations of `amends_migrations::guard`.
    pub fn new(store: Store, auth: BranchAuth, clock: Arc<dyn Clock>) -> Guard {
        Guard(Arc::new(Parts { store, auth, clock }))
    }

    /// The database that the guard's rows are in.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Now, by the guard's clock.
    #[must_use]
    pub fn now_us(&self) -> i64 {
        self.0.clock.now_us()
    }

    /// A forward call (`action`, `try`): runs `effect` at most once in the guard's local transaction. OK and
    /// ABORTED are remembered, with the effect's changes kept only for OK.
    pub async fn forward<Req, Resp, F>(&self, request: Request<Req>, effect: F) -> Answer<Resp>
    where
        Req: Message + 'static,
        Resp: Message + Default + 'static,
        F: for<'t> FnOnce(&'t LocalTransaction, Call<Req>) -> EffectFuture<'t, Resp> + Send + 'static,
    {
        self.local(request, Phase::Forward, effect).await
    }

    /// A `confirm`: runs `effect` once, and only after the try is DONE.
    pub async fn confirm<Req, Resp, F>(&self, request: Request<Req>, effect: F) -> Answer<Resp>
    where
        Req: Message + 'static,
        Resp: Message + Default + 'static,
        F: for<'t> FnOnce(&'t LocalTransaction, Call<Req>) -> EffectFuture<'t, Resp> + Send + 'static,
    {
        self.local(request, Phase::Confirm, effect).await
    }

    /// A `cancel` or `compensate`: runs `effect` once, and only if the forward call is DONE. Where there is nothing
    /// to undo it answers `Resp::default()`; a forward call that comes later is refused.
    pub async fn undo<Req, Resp, F>(&self, request: Request<Req>, effect: F) -> Answer<Resp>
    where
        Req: Message + 'static,
        Resp: Message + Default + 'static,
        F: for<'t> FnOnce(&'t LocalTransaction, Call<Req>) -> EffectFuture<'t, Resp> + Send + 'static,
    {
        self.local(request, Phase::Undo, effect).await
    }

    /// An effect that is over with its local transaction.
    async fn local<Req, Resp, F>(&self, request: Request<Req>, phase: Phase, effect: F) -> Answer<Resp>
    where
        Req: Message + 'static,
        Resp: Message + Default + 'static,
        F: for<'t> FnOnce(&'t LocalTransaction, Call<Req>) -> EffectFuture<'t, Resp> + Send + 'static,
    {
        let begun = self.guarded(request, phase, move |tx, call, forward| match forward {
            ForwardState::Done => effect(tx, call).map_ok(Progress::<Infallible, Resp>::Final).boxed(),
            ForwardState::Running => future::err(Fault::NotYet(running(Verdict::ForwardRunning))).boxed(),
        });
        match begun.await {
            Begun::Answer(answer) => answer,
            Begun::Running(_) => Err(running(Verdict::OwnRunning).into_branch_status(phase)),
            Begun::Started { value, .. } => match value {},
        }
    }

    /// Checks the call, then does the rest in a task that outlives the request.
    pub(crate) async fn guarded<Req, T, Resp, F>(
        &self,
        request: Request<Req>,
        phase: Phase,
        effect: F,
    ) -> Begun<Req, T, Resp>
    where
        Req: Message + 'static,
        T: Send + 'static,
        Resp: Message + Default + 'static,
        F: for<'t> FnOnce(
                &'t LocalTransaction,
                Call<Req>,
                ForwardState,
            ) -> EffectFuture<'t, Progress<T, Resp>>
            + Send
            + 'static,
    {
        let admitted = match admit(request, phase, &self.0.auth, self.now_us()) {
            Ok(admitted) => admitted,
            Err(refusal) => return Begun::Answer(Err(Fault::Refused(refusal).into_branch_status(phase))),
        };
        let guard = self.clone();
        let done = outlive(async move { guard.run(admitted, effect).await });
        done.await.unwrap_or_else(|status| Begun::Answer(Err(status)))
    }

    async fn run<Req, T, Resp, F>(&self, admitted: Admitted<Req>, effect: F) -> Begun<Req, T, Resp>
    where
        Resp: Message + Default,
        F: for<'t> FnOnce(
            &'t LocalTransaction,
            Call<Req>,
            ForwardState,
        ) -> EffectFuture<'t, Progress<T, Resp>>,
    {
        let Admitted { ticket, body } = admitted;
        let opened = match self.open(&ticket).await {
            Ok(opened) => opened,
            Err(error) => return Begun::Answer(Err(storage(&error, ticket.phase))),
        };
        let call = Call { branch: ticket.branch.clone(), body, now_us: opened.now_us };
        let forward = match opened.verdict {
            Verdict::Run => ForwardState::Done,
            Verdict::ForwardRunning => ForwardState::Running,
            Verdict::OwnRunning => {
                rows::roll_back(opened.tx).await;
                return Begun::Running(call);
            }
            Verdict::Replay | Verdict::NothingToUndo | Verdict::Tombstone | Verdict::Deny(_) => {
                return Begun::Answer(self.conclude(opened, &ticket).await);
            }
        };
        match effect(&opened.tx, call, forward).await {
            Ok(Progress::Final(response)) => Begun::Answer(self.finish(opened, &ticket, response).await),
            Ok(Progress::Outside(value)) => self.leave(opened, ticket, value).await,
            Err(fault) => {
                rows::roll_back(opened.tx).await;
                Begun::Answer(self.fail(&ticket, fault).await)
            }
        }
    }

    /// Begins the local transaction and decides.
    async fn open(&self, ticket: &Ticket) -> Result<Opened, DbErr> {
        let tx = self.0.store.transaction().await?;
        let rows = Rows::read(&tx, &ticket.branch).await?;
        let verdict = decide(ticket.phase, rows.held(ticket));
        Ok(Opened { tx, rows, verdict, now_us: self.now_us() })
    }

    /// The effect is done: its answer is remembered together with its changes.
    async fn finish<Resp: Message + Default>(
        &self,
        opened: Opened,
        ticket: &Ticket,
        response: Resp,
    ) -> Answer<Resp> {
        if opened.verdict == Verdict::ForwardRunning {
            let closed = rows::close_running(&opened.tx, &ticket.branch.forward()).await;
            closed.map_err(|error| storage(&error, ticket.phase))?;
        }
        let outcome = Outcome::Done(response.encode_to_vec());
        let row = rows::row(ticket, ticket.branch.op, outcome, opened.now_us);
        match rows::keep(opened.tx, vec![row]).await {
            Ok(()) => Ok(Response::new(response)),
            Err(not_made) => self.not_made(ticket, not_made).await,
        }
    }

    /// The effect goes on outside. A forward call is remembered as RUNNING; of a second phase nothing is
    /// remembered before it is settled.
    async fn leave<Req, T, Resp: Message + Default>(
        &self,
        opened: Opened,
        ticket: Ticket,
        value: T,
    ) -> Begun<Req, T, Resp> {
        let kept = match ticket.phase {
            Phase::Forward => {
                let row = rows::row(&ticket, ticket.branch.op, Outcome::Running, opened.now_us);
                rows::keep(opened.tx, vec![row]).await
            }
            Phase::Confirm | Phase::Undo => {
                around!(Place::SecondPhase, opened.tx.commit().await).map_err(NotMade::Store)
            }
        };
        match kept {
            Ok(()) => Begun::Started { branch: ticket.branch, value },
            Err(not_made) => Begun::Answer(self.not_made(&ticket, not_made).await),
        }
    }

    /// The effect failed and is rolled back. A refusal of a forward call is remembered, unless another call was
    /// faster meanwhile; then that one's answer holds.
    async fn fail<Resp: Message + Default>(&self, ticket: &Ticket, fault: Fault) -> Answer<Resp> {
        let refusal = match fault {
            Fault::Refused(refusal) if ticket.phase.code(refusal.reason) == tonic::Code::Aborted => refusal,
            Fault::Refused(_) | Fault::NotYet(_) | Fault::Broken(_) | Fault::Store(_) => {
                return Err(fault.into_branch_status(ticket.phase));
            }
        };
        let opened = self.open(ticket).await.map_err(|error| storage(&error, ticket.phase))?;
        if opened.verdict != Verdict::Run {
            return self.conclude(opened, ticket).await;
        }
        let reason = refusal.reason.as_str();
        let status = refusal.into_branch_status(ticket.phase);
        let row = rows::row(ticket, ticket.branch.op, Outcome::Refused(reason, &status), opened.now_us);
        match rows::keep(opened.tx, vec![row]).await {
            Ok(()) => Err(status),
            Err(not_made) => self.not_made(ticket, not_made).await,
        }
    }

    /// A concurrent duplicate was first: everything is rolled back, its rows are read once more.
    async fn not_made<Resp: Message + Default>(&self, ticket: &Ticket, not_made: NotMade) -> Answer<Resp> {
        match not_made {
            NotMade::Store(error) => Err(storage(&error, ticket.phase)),
            NotMade::Taken => {
                let opened = self.open(ticket).await.map_err(|error| storage(&error, ticket.phase))?;
                self.conclude(opened, ticket).await
            }
        }
    }

    /// Every verdict that runs no effect.
    async fn conclude<Resp: Message + Default>(&self, opened: Opened, ticket: &Ticket) -> Answer<Resp> {
        let Opened { tx, rows, verdict, now_us } = opened;
        let op = ticket.branch.op;
        let done = || Outcome::Done(Resp::default().encode_to_vec());
        let made = match verdict {
            Verdict::Replay => {
                rows::roll_back(tx).await;
                return replay(rows.of(op), ticket.phase);
            }
            Verdict::Run | Verdict::OwnRunning | Verdict::ForwardRunning | Verdict::Deny(_) => {
                rows::roll_back(tx).await;
                return Err(denied(verdict, ticket));
            }
            Verdict::NothingToUndo => vec![rows::row(ticket, op, done(), now_us)],
            Verdict::Tombstone => vec![
                rows::row(ticket, op.forward(), Outcome::Tombstone, now_us),
                rows::row(ticket, op, done(), now_us),
            ],
        };
        match rows::keep(tx, made).await {
            Ok(()) => Ok(Response::new(Resp::default())),
            Err(NotMade::Store(error)) => Err(storage(&error, ticket.phase)),
            Err(NotMade::Taken) => Err(denied(Verdict::Deny(Reason::Locked), ticket)),
        }
    }
}

/// A local transaction that has seen the branch's rows.
struct Opened {
    tx: LocalTransaction,
    rows: Rows,
    verdict: Verdict,
    now_us: i64,
}

/// Runs `work` in a task of its own: a caller that gives up does not stop it. A panic is answered INTERNAL.
pub async fn outlive<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, Status> {
    tokio::spawn(traces::carried(work.in_current_span())).await.map_err(|error| {
        tracing::error!(alarm = "BROKEN", %error, "a branch call did not come to its end");
        Refusal::new(Reason::Broken, "the call did not come to its end").into_status(tonic::Code::Internal)
    })
}
