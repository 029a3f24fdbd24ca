//! Works on payments: sends, asks, forbids, undoes, one step after the other, as long as something is due. Between
//! two local transactions it talks to the processor and holds nothing but the payment's lane.

use std::sync::Arc;
use std::time::Duration;

use amends_crash_points::{Place, around};
use amends_participant::{Branch, Fault, Guard};
use amends_serve::store::LocalTransaction;
use sea_orm::{IntoActiveModel, Set};
use tokio::sync::Notify;

use crate::entity::{attempt, payment};
use crate::finding::{Asked, Finding, find};
use crate::lanes::{Held, Lanes};
use crate::next_step::{Next, Open, next_step};
use crate::psp_client::{Errand, PspClient};
use crate::record::{Standing, moved, record, step};
use crate::rows::{Start, errand, insert_attempt, known_attempt, known_payment, open_attempt};
use crate::state::{Event, PspOp};
use crate::tuning::{GRACE, Tuning, later};

/// Steps of one go: an undo of an unknown sale takes four. More would be a loop.
const MAX_STEPS: usize = 16;

/// The one who works on payments. A clone is the same one.
#[derive(Clone)]
pub struct Cashier(Arc<Parts>);

struct Parts {
    guard: Guard,
    psp: PspClient,
    tuning: Tuning,
    lanes: Lanes,
    wake: Notify,
}

/// A request that is committed and to be sent by the holder of the lane.
pub struct Outgoing {
    /// What is sent.
    pub errand: Errand,
    /// The payment's lane.
    pub held: Held,
}

impl Cashier {
    /// A cashier over the guard's store and this processor.
    #[must_use]
    pub fn new(guard: Guard, psp: PspClient, tuning: Tuning) -> Cashier {
        Cashier(Arc::new(Parts { guard, psp, tuning, lanes: Lanes::default(), wake: Notify::new() }))
    }

    /// The branch guard.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.0.guard
    }

    /// All lanes.
    #[must_use]
    pub fn lanes(&self) -> &Lanes {
        &self.0.lanes
    }

    /// Rung when something may be due earlier than it was.
    #[must_use]
    pub fn wake(&self) -> &Notify {
        &self.0.wake
    }

    /// When an attempt that is sent right away is asked about, should nothing be recorded by then.
    #[must_use]
    pub fn start_now(&self) -> Start {
        Start::Now(self.unanswered_after())
    }

    fn unanswered_after(&self) -> Duration {
        self.0.psp.timeout() + GRACE
    }

    /// Settings about the processor.
    #[must_use]
    pub fn tuning(&self) -> &Tuning {
        &self.0.tuning
    }

    /// What the processor says of a request whose outcome people have stated; one that it has never heard of it is
    /// forbidden. Records nothing.
    pub async fn verify(&self, errand: &Errand) -> Finding {
        let finding = self.query(errand).await;
        if finding == Finding::SendClose { self.close(errand).await } else { finding }
    }

    /// How long a call to the processor may take.
    #[must_use]
    pub fn psp_timeout(&self) -> Duration {
        self.0.psp.timeout()
    }

    /// Sends what was committed and records the answer.
    pub async fn send(&self, outgoing: Outgoing, second: Option<&Branch>) -> Result<Standing, Fault> {
        let Outgoing { errand, held } = outgoing;
        let standing = self.call(&errand, second).await?;
        drop(held);
        if standing.attempt.is_open() {
            self.0.wake.notify_one();
        }
        Ok(standing)
    }

    /// Does everything that is due for a payment. `second` is the confirm or undo that waits for it.
    pub async fn advance(&self, payment_id: &str, second: Option<&Branch>) -> Result<(), Fault> {
        let held = self.0.lanes.hold(payment_id).await;
        for _ in 0..MAX_STEPS {
            let (payment, open) = self.look(payment_id).await?;
            let seen = open.as_ref().map(|open| self.seen(open)).transpose()?;
            match (next_step(payment.stands()?, payment.undo_wanted.into(), seen), open) {
                (Next::Begin(op), _) => {
                    let errand = self.begin(payment_id, op).await?;
                    self.call(&errand, second).await?;
                }
                (Next::Send, Some(open)) => {
                    self.mark_sent(&open).await?;
                    self.call(&errand(&payment, &open)?, second).await?;
                }
                (Next::Ask, Some(open)) => self.ask(&errand(&payment, &open)?, second).await?,
                (Next::Withdraw, Some(open)) => {
                    self.record(&errand(&payment, &open)?, Asked::Call, Finding::Closed, second).await?;
                }
                (Next::Rest, _) | (Next::Send | Next::Ask | Next::Withdraw, None) => break,
            }
        }
        drop(held);
        self.0.wake.notify_one();
        Ok(())
    }

    async fn look(&self, payment_id: &str) -> Result<(payment::Model, Option<attempt::Model>), Fault> {
        let reader = self.0.guard.store().reader();
        Ok((known_payment(reader, payment_id).await?, open_attempt(reader, payment_id).await?))
    }

    fn seen(&self, open: &attempt::Model) -> Result<Open, Fault> {
        let now_us = self.0.guard.now_us();
        let due = open.next_query_at_us.is_some_and(|at_us| at_us <= now_us);
        let op = open.asked()?;
        Ok(match (due, open.sent) {
            (false, _) => Open::NotDue,
            (true, true) => Open::Due(op),
            (true, false) => Open::Unsent(op),
        })
    }

    /// Commits a new request of the undo.
    async fn begin(&self, payment_id: &str, op: PspOp) -> Result<Errand, Fault> {
        let tx = self.0.guard.store().transaction().await?;
        let payment = known_payment(&tx, payment_id).await?;
        let errand = self.commit_request(&tx, payment, op).await?;
        around!(Place::UndoRequest, tx.commit().await)?;
        Ok(errand)
    }

    /// Makes the attempt of a capture, void or refund and moves the payment, inside the caller's transaction.
    pub async fn commit_request(
        &self,
        tx: &LocalTransaction,
        payment: payment::Model,
        op: PspOp,
    ) -> Result<Errand, Fault> {
        let event = match op {
            PspOp::Capture => Event::Capture,
            PspOp::Void => Event::Void,
            PspOp::Refund => Event::Refund,
            PspOp::Authorize => Event::Begin(crate::state::Form::Authorize),
            PspOp::Sale => Event::Begin(crate::state::Form::Sale),
        };
        let now_us = self.0.guard.now_us();
        let to = step(&payment, event)?;
        let payment = tx.update(moved(payment, to, now_us)).await?;
        let attempt = insert_attempt(tx, &payment, op, self.start_now(), now_us).await?;
        errand(&payment, &attempt)
    }

    /// From now on the request may have left.
    async fn mark_sent(&self, open: &attempt::Model) -> Result<(), Fault> {
        let tx = self.0.guard.store().transaction().await?;
        let attempt = known_attempt(&tx, &open.attempt_id).await?;
        let next_us = later(self.0.guard.now_us(), self.unanswered_after());
        let mut row = attempt.into_active_model();
        row.sent = Set(true);
        row.next_query_at_us = Set(Some(next_us));
        tx.update(row).await?;
        Ok(around!(Place::Resend, tx.commit().await)?)
    }

    async fn call(&self, errand: &Errand, second: Option<&Branch>) -> Result<Standing, Fault> {
        let answer = self.0.psp.send(errand).await;
        let finding = find(errand.op, Asked::Call, answer);
        self.record(errand, Asked::Call, finding, second).await
    }

    /// Asks what became of a request, and does what the answer calls for.
    async fn ask(&self, errand: &Errand, second: Option<&Branch>) -> Result<(), Fault> {
        let finding = match self.query(errand).await {
            Finding::SendClose => self.close(errand).await,
            Finding::SendAgain => find(errand.op, Asked::Call, self.0.psp.send(errand).await),
            finding @ (Finding::Succeeded(_)
            | Finding::Declined(_)
            | Finding::Closed
            | Finding::AlreadyCaptured
            | Finding::NotCaptured
            | Finding::Open
            | Finding::SendQuery
            | Finding::NeverLeft) => finding,
        };
        self.record(errand, Asked::Query, finding, second).await?;
        Ok(())
    }

    async fn query(&self, errand: &Errand) -> Finding {
        find(errand.op, Asked::Query, self.0.psp.query(&errand.request.psp_request_id).await)
    }

    /// Forbids a request; if it was paid after all, the receipt tells.
    async fn close(&self, errand: &Errand) -> Finding {
        let answer = self.0.psp.close(&errand.request.psp_request_id).await;
        match find(errand.op, Asked::Close, answer) {
            Finding::SendQuery => match self.query(errand).await {
                paid @ Finding::Succeeded(_) => paid,
                Finding::Declined(_)
                | Finding::Closed
                | Finding::AlreadyCaptured
                | Finding::NotCaptured
                | Finding::Open
                | Finding::SendClose
                | Finding::SendQuery
                | Finding::SendAgain
                | Finding::NeverLeft => Finding::Open,
            },
            finding @ (Finding::Succeeded(_)
            | Finding::Declined(_)
            | Finding::Closed
            | Finding::AlreadyCaptured
            | Finding::NotCaptured
            | Finding::Open
            | Finding::SendClose
            | Finding::SendAgain
            | Finding::NeverLeft) => finding,
        }
    }

    async fn record(
        &self,
        errand: &Errand,
        asked: Asked,
        finding: Finding,
        second: Option<&Branch>,
    ) -> Result<Standing, Fault> {
        tracing::debug!(errand.attempt_id, ?asked, ?finding, "found out");
        record(&self.0.guard, &self.0.tuning, errand, asked, finding, second).await
    }
}

/// How long a second phase waits for the work it has started before it answers that it is not finished. Longer than
/// one call to the processor, shorter than the patience of the orchestrator (payments-domain §3).
#[must_use]
pub fn second_phase_wait(psp_timeout: Duration) -> Duration {
    psp_timeout + GRACE
}
