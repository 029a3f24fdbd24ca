//! Branch calls that go outside between two local transactions (payments-domain §6.2, §6.3). Knows no PSP: what is
//! outside is the service's business.
//!
//! Transaction A is the guard's: `begin*` runs the effect and commits. Then the service calls outside, holding
//! nothing. Transaction B is the service's own: it writes the result and calls [`Guard::settle`] in it, all or nothing.
//! A forward call is RUNNING between A and B; a crash there leaves it RUNNING until a worker of the service has found
//! out and settles it. A second phase leaves no row before it is settled: it is simply called again.

use amends_serve::store::LocalTransaction;
use prost::Message;
use sea_orm::{DbErr, EntityTrait as _};
use tonic::{Request, Response, Status};

use crate::EffectFuture;
use crate::branch::{Branch, Call, Ticket};
use crate::branch_ops::{self, RowStatus};
use crate::guard::Guard;
use crate::reason::Reason;
use crate::refusal::{Fault, Refusal};
use crate::rows::{self, Outcome, Rows};
use crate::verdict::Phase;

/// What became of transaction A.
pub enum Begun<Req, T, Resp> {
    /// The call is over: replayed, refused, final at once, locked, … Give this to the caller.
    Answer(Result<Response<Resp>, Status>),
    /// A forward call again, with the same body, while the first one is still outside. The usual answer is
    /// FAILED_PRECONDITION: IN_PROGRESS, or PAYMENT_UNKNOWN when nobody knows.
    Running(Call<Req>),
    /// Committed. Go outside, then settle `branch`.
    Started {
        /// What to settle.
        branch: Branch,
        /// What the effect gave for the way.
        value: T,
    },
}

/// What an effect of transaction A leads to.
#[derive(Debug)]
pub enum Progress<T, Resp> {
    /// Nothing to do outside; remembered as DONE in transaction A.
    Final(Resp),
    /// Commit, then go outside with this.
    Outside(T),
}

/// Where the forward call stands when its undo comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardState {
    /// Still outside, outcome open.
    Running,
    /// It succeeded.
    Done,
}

/// How a call that went outside ended.
#[derive(Debug)]
pub enum Settled<Resp> {
    /// It succeeded; this is the answer from now on.
    Done(Resp),
    /// A definite refusal of a forward call; this is the answer from now on.
    Refused(Refusal),
    /// A forward call that provably never left: forgotten, and the next one starts afresh.
    Withdrawn,
}

/// Whether settling changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// The outcome is in this local transaction now.
    Recorded,
    /// Someone else settled it before; nothing changed.
    Earlier,
}

impl Guard {
    /// A forward call. `effect` runs in transaction A with the guard's row RUNNING.
    pub async fn begin<Req, T, Resp, F>(&self, request: Request<Req>, effect: F) -> Begun<Req, T, Resp>
    where
        Req: Message + 'static,
        T: Send + 'static,
        Resp: Message + Default + 'static,
        F: for<'t> FnOnce(&'t LocalTransaction, Call<Req>) -> EffectFuture<'t, Progress<T, Resp>>
            + Send
            + 'static,
    {
        self.guarded(request, Phase::Forward, move |tx, call, _| effect(tx, call)).await
    }

    /// A confirm, after the try is DONE. `effect` runs again at every call until the confirm is settled.
    pub async fn begin_confirm<Req, T, Resp, F>(
        &self,
        request: Request<Req>,
        effect: F,
    ) -> Begun<Req, T, Resp>
    where
        Req: Message + 'static,
        T: Send + 'static,
        Resp: Message + Default + 'static,
        F: for<'t> FnOnce(&'t LocalTransaction, Call<Req>) -> EffectFuture<'t, Progress<T, Resp>>
            + Send
            + 'static,
    {
        self.guarded(request, Phase::Confirm, move |tx, call, _| effect(tx, call)).await
    }

    /// A cancel or compensate of a forward call that is DONE or still outside; otherwise the guard has answered.
    /// `effect` runs again at every call until the undo is settled. The end of the undo is also the end of a forward
    /// call that is still RUNNING: its row becomes REFUSED with BRANCH_CLOSED, unless the service settles
    /// `branch.forward()` otherwise before.
    pub async fn begin_undo<Req, T, Resp, F>(&self, request: Request<Req>, effect: F) -> Begun<Req, T, Resp>
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
        self.guarded(request, Phase::Undo, effect).await
    }

    /// Takes the lock of a branch until the end of `tx`, as transaction A does: first, so that two transactions about
    /// one branch wait for each other in the same order. Nothing to do on SQLite, where `begin` took the write lock.
    pub async fn hold(&self, tx: &LocalTransaction, branch: &Branch) -> Result<(), DbErr> {
        rows::hold(tx, branch).await
    }

    /// Records the outcome of a call that went outside, in the local transaction of its result (transaction B).
    ///
    /// A forward row turns from RUNNING to DONE or REFUSED, or is forgotten; of a second phase the row is made. Needs
    /// only gid, branch_id and op of a forward `branch`, so that a worker can settle what a crash left behind.
    /// On PostgreSQL it takes the branch's lock, as transaction A does before the service's rows. So a transaction that
    /// touches the service's rows before it settles begins with [`Guard::hold`].
    pub async fn settle<Resp: Message>(
        &self,
        tx: &LocalTransaction,
        branch: &Branch,
        settled: Settled<Resp>,
    ) -> Result<Settlement, Fault> {
        let phase = Phase::of(branch.op);
        match (phase, settled) {
            (Phase::Forward, settled) => {
                rows::hold(tx, branch).await?;
                settle_forward(tx, branch, settled).await
            }
            (Phase::Confirm | Phase::Undo, Settled::Done(response)) => {
                let rows = Rows::read(tx, branch).await?;
                if rows.of(branch.op).is_some() {
                    return Ok(Settlement::Earlier);
                }
                let Some(forward) = rows.of(branch.op.forward()) else {
                    return Err(broken("a second phase without a forward row cannot be settled"));
                };
                if forward.status == RowStatus::Running {
                    rows::close_running(tx, &branch.forward()).await?;
                }
                let ticket = Ticket { branch: branch.clone(), phase, hash: forward.request_hash.clone() };
                let outcome = Outcome::Done(response.encode_to_vec());
                let row = rows::row(&ticket, branch.op, outcome, self.now_us());
                tx.run(branch_ops::Entity::insert(row)).await?;
                Ok(Settlement::Recorded)
            }
            (Phase::Confirm | Phase::Undo, Settled::Refused(_) | Settled::Withdrawn) => {
                Err(broken("a second phase has no other end than done"))
            }
        }
    }
}

async fn settle_forward<Resp: Message>(
    tx: &LocalTransaction,
    branch: &Branch,
    settled: Settled<Resp>,
) -> Result<Settlement, Fault> {
    let changed = match settled {
        Settled::Done(response) => {
            rows::end_running(tx, branch, Outcome::Done(response.encode_to_vec())).await?
        }
        Settled::Refused(refusal) => {
            let reason = refusal.reason.as_str();
            let status = refusal.into_status(tonic::Code::Aborted);
            rows::end_running(tx, branch, Outcome::Refused(reason, &status)).await?
        }
        Settled::Withdrawn => rows::forget_running(tx, branch).await?,
    };
    if changed {
        return Ok(Settlement::Recorded);
    }
    match Rows::read(tx, branch).await?.of(branch.op) {
        Some(_) => Ok(Settlement::Earlier),
        None => Err(broken("a forward call without a row cannot be settled")),
    }
}

fn broken(text: &str) -> Fault {
    Fault::Broken(Refusal::new(Reason::Broken, text))
}
