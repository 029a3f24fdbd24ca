//! Transaction B of payments-domain §6.2: attempt, payment, in-doubt items and guard rows change together or not at
//! all. What an answer proves was decided in `finding`, where the payment goes is decided in `state`.

use amends_crash_points::{Place, around};
use amends_participant::{Branch, Fault, Guard, Phase, Reason, Refusal, Settled};
use amends_serve::store::LocalTransaction;
use sea_orm::{IntoActiveModel, Set};

use crate::entity::{AttemptState, attempt, encode, payment};
use crate::finding::{Asked, Finding, Receipt};
use crate::in_doubt::{self, Kind};
use crate::psp_client::Errand;
use crate::rows::{Start, broken, insert_attempt, known_attempt, known_payment, pay_response};
use crate::state::{self, Doubt, Event, PspOp, State};
use crate::tuning::{IN_DOUBT_AFTER_US, Tuning, later};

/// A payment and one of its attempts, as they are now.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The payment.
    pub payment: payment::Model,
    /// The attempt.
    pub attempt: attempt::Model,
}

/// Records what was found out about an attempt. `second` is the confirm or undo that waits for it; it is settled
/// when the payment has got there. An attempt that was decided before stays as it is.
pub async fn record(
    guard: &Guard,
    tuning: &Tuning,
    errand: &Errand,
    asked: Asked,
    finding: Finding,
    second: Option<&Branch>,
) -> Result<Standing, Fault> {
    let tx = guard.store().transaction().await?;
    guard.hold(&tx, &errand.branch).await?;
    let attempt = known_attempt(&tx, &errand.attempt_id).await?;
    let payment = known_payment(&tx, &attempt.payment_id).await?;
    if !attempt.is_open() {
        tx.rollback().await?;
        return Ok(Standing { payment, attempt });
    }
    let (now_us, op) = (guard.now_us(), attempt.asked()?);
    let recording = Recording { tx: &tx, tuning, now_us, op, told: Told::Processor };
    let standing = recording.write(Standing { payment, attempt }, asked, finding).await?;
    settle_forward(guard, &tx, &standing, &errand.branch).await?;
    if let Some(second) = second {
        settle_second(guard, &tx, &standing.payment, second).await?;
    }
    around!(Place::Finding, tx.commit().await)?;
    Ok(standing)
}

/// Whose word moves a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The processor's.
    Processor,
    /// People's, with evidence (payments-domain §10).
    People,
}

/// One transaction B.
pub struct Recording<'a> {
    /// The transaction.
    pub tx: &'a LocalTransaction,
    /// Settings about the processor.
    pub tuning: &'a Tuning,
    /// Now.
    pub now_us: i64,
    /// What the attempt asked for.
    pub op: PspOp,
    /// Whose word it is.
    pub told: Told,
}

impl Recording<'_> {
    async fn write(&self, from: Standing, asked: Asked, finding: Finding) -> Result<Standing, Fault> {
        match finding {
            Finding::Succeeded(receipt) => {
                let attempt = self.end(from.attempt, AttemptState::Succeeded, "", receipt).await?;
                let payment = self.go(from.payment, Event::Succeeded, Some(&attempt)).await?;
                Ok(Standing { payment, attempt })
            }
            Finding::Declined(code) => self.declined(from, &code).await,
            Finding::Closed => {
                let attempt =
                    self.end(from.attempt, AttemptState::Cancelled, "closed", Receipt::default()).await?;
                let payment = self.go(from.payment, Event::Closed, None).await?;
                Ok(Standing { payment, attempt })
            }
            Finding::AlreadyCaptured => {
                self.turn(from, "captured", Event::AlreadyCaptured, PspOp::Refund).await
            }
            Finding::NotCaptured => self.turn(from, "not_captured", Event::NotCaptured, PspOp::Void).await,
            Finding::NeverLeft if from.attempt.came_to()? == AttemptState::Initiated => {
                self.unsent(from).await
            }
            Finding::Open
            | Finding::SendClose
            | Finding::SendQuery
            | Finding::SendAgain
            | Finding::NeverLeft => self.postpone(from, asked).await,
        }
    }

    /// Ends an attempt.
    pub async fn end(
        &self,
        attempt: attempt::Model,
        to: AttemptState,
        code: &str,
        receipt: Receipt,
    ) -> Result<attempt::Model, Fault> {
        let mut row = attempt.into_active_model();
        row.state = Set(to.as_str().to_owned());
        row.psp_code = Set(code.to_owned());
        row.psp_txn_id = Set(receipt.psp_txn_id);
        row.auth_code = Set(receipt.auth_code);
        row.duplicate = Set(receipt.duplicate);
        row.next_query_at_us = Set(None);
        Ok(self.tx.update(row).await?)
    }

    /// Moves a payment; `proof` is the attempt that succeeded.
    pub async fn go(
        &self,
        payment: payment::Model,
        event: Event,
        proof: Option<&attempt::Model>,
    ) -> Result<payment::Model, Fault> {
        let to = step(&payment, event)?;
        let mut row = moved(payment, to, self.now_us);
        if let Some(proof) = proof {
            self.book(&mut row, proof);
        }
        if event == Event::Charged {
            row.captured = Set(*row.amount_minor.as_ref());
        }
        let payment = self.tx.update(row).await?;
        match to {
            State::InDoubt(Doubt::CaptureRefused) if self.told == Told::Processor => {
                // What was unknown is known now; what is needed is another decision.
                in_doubt::resolve(self.tx, &payment, self.told, self.now_us).await?;
                in_doubt::open(self.tx, &payment, Kind::CaptureRefused, self.now_us).await?;
            }
            State::InDoubt(_) => {}
            State::Created
            | State::Authorizing(_)
            | State::Authorized
            | State::Capturing
            | State::Captured
            | State::Voiding
            | State::Reversing
            | State::Declined
            | State::Closed
            | State::Voided
            | State::Reversed => in_doubt::resolve(self.tx, &payment, self.told, self.now_us).await?,
        }
        Ok(payment)
    }

    fn book(&self, row: &mut payment::ActiveModel, proof: &attempt::Model) {
        let amount = *row.amount_minor.as_ref();
        match self.op {
            PspOp::Authorize => row.authorized = Set(amount),
            PspOp::Sale => {
                row.authorized = Set(amount);
                row.captured = Set(amount);
            }
            PspOp::Capture => row.captured = Set(amount),
            PspOp::Refund => row.refunded = Set(*row.captured.as_ref()),
            PspOp::Void => {}
        }
        if self.op.is_forward() {
            row.psp_txn_id = Set(proof.psp_txn_id.clone());
            row.auth_code = Set(proof.auth_code.clone());
            row.duplicate = Set(proof.duplicate);
        }
    }

    async fn declined(&self, from: Standing, code: &str) -> Result<Standing, Fault> {
        let attempt = self.end(from.attempt, AttemptState::Declined, code, Receipt::default()).await?;
        let payment = self.go(from.payment, Event::Declined, None).await?;
        match self.op {
            PspOp::Authorize | PspOp::Sale | PspOp::Capture => {}
            PspOp::Void | PspOp::Refund => {
                in_doubt::open(self.tx, &payment, Kind::UndoRefused, self.now_us).await?;
                self.try_later(&payment, self.op).await?;
            }
        }
        Ok(Standing { payment, attempt })
    }

    /// The other undo is the right one.
    async fn turn(&self, from: Standing, code: &str, event: Event, op: PspOp) -> Result<Standing, Fault> {
        let attempt = self.end(from.attempt, AttemptState::Declined, code, Receipt::default()).await?;
        let payment = self.go(from.payment, event, None).await?;
        match op {
            PspOp::Refund => {
                insert_attempt(self.tx, &payment, op, Start::Later(std::time::Duration::ZERO), self.now_us)
                    .await?;
            }
            PspOp::Authorize | PspOp::Sale | PspOp::Capture | PspOp::Void => {
                self.try_later(&payment, op).await?;
            }
        }
        Ok(Standing { payment, attempt })
    }

    /// A new attempt to undo, some time later.
    async fn try_later(&self, payment: &payment::Model, op: PspOp) -> Result<(), Fault> {
        let tries = usize::try_from(payment.version).unwrap_or(usize::MAX);
        let delay = self.tuning.schedule.delay_or_last(tries, &payment.payment_id);
        insert_attempt(self.tx, payment, op, Start::Later(delay), self.now_us).await?;
        Ok(())
    }

    /// Proven not to have left: sent again later, without asking first.
    async fn unsent(&self, from: Standing) -> Result<Standing, Fault> {
        let next = self.next_query(&from)?;
        let queries = from.attempt.queries.saturating_add(1);
        let mut row = from.attempt.into_active_model();
        row.sent = Set(false);
        row.queries = Set(queries);
        row.next_query_at_us =
            Set(Some(next.unwrap_or_else(|| later(self.now_us, self.tuning.in_doubt_every))));
        let attempt = self.tx.update(row).await?;
        if next.is_none() {
            in_doubt::open(self.tx, &from.payment, Kind::PaymentUnknown, self.now_us).await?;
        }
        Ok(Standing { payment: from.payment, attempt })
    }

    /// Nothing is proven: ask later.
    async fn postpone(&self, from: Standing, asked: Asked) -> Result<Standing, Fault> {
        let next = self.next_query(&from)?;
        let queries = match asked {
            Asked::Call => from.attempt.queries,
            Asked::Query | Asked::Close => from.attempt.queries.saturating_add(1),
        };
        let mut row = from.attempt.into_active_model();
        row.state = Set(AttemptState::Unknown.as_str().to_owned());
        row.queries = Set(queries);
        row.next_query_at_us =
            Set(Some(next.unwrap_or_else(|| later(self.now_us, self.tuning.in_doubt_every))));
        let attempt = self.tx.update(row).await?;
        let payment = self.go(from.payment, Event::Unknown, None).await?;
        if next.is_none() {
            in_doubt::open(self.tx, &payment, Kind::PaymentUnknown, self.now_us).await?;
        }
        Ok(Standing { payment, attempt })
    }

    /// When to ask next; none when patience is at its end. The first query of an undo comes at once.
    fn next_query(&self, from: &Standing) -> Result<Option<i64>, Fault> {
        let attempt = &from.attempt;
        let first = attempt.came_to()? == AttemptState::Initiated && attempt.sent;
        if first && from.payment.undo_wanted && attempt.asked()?.is_forward() {
            return Ok(Some(self.now_us));
        }
        let since = from.payment.in_doubt_since_us.unwrap_or(self.now_us);
        if self.now_us.saturating_sub(since) >= IN_DOUBT_AFTER_US {
            return Ok(None);
        }
        let delay = self.tuning.schedule.delay(attempt.queries, &attempt.psp_request_id);
        Ok(delay.map(|delay| later(self.now_us, delay)))
    }
}

/// Where an event takes a payment.
pub fn step(payment: &payment::Model, event: Event) -> Result<State, Fault> {
    state::next(payment.stands()?, event).map_err(|illegal| broken(illegal.to_string()))
}

/// The payment in another state, to be updated.
#[must_use]
pub fn moved(payment: payment::Model, to: State, now_us: i64) -> payment::ActiveModel {
    let (state, pending) = encode(to);
    let version = payment.version;
    let since = payment.in_doubt_since_us;
    let mut row = payment.into_active_model();
    row.state = Set(state.to_owned());
    row.pending = Set(pending.to_owned());
    row.in_doubt_since_us = Set(if matches!(to, State::InDoubt(_)) { since.or(Some(now_us)) } else { None });
    row.version = Set(version.saturating_add(1));
    row.updated_at_us = Set(now_us);
    row
}

/// The refusal of a forward call, the same at once and later.
#[must_use]
pub fn refusal(attempt: &attempt::Model) -> Refusal {
    Refusal::new(Reason::PspDeclined, &attempt.psp_code)
        .with("psp_code", &attempt.psp_code)
        .with("retriable", "false")
}

/// Settles the forward call whose attempt has its outcome.
pub async fn settle_forward(
    guard: &Guard,
    tx: &LocalTransaction,
    standing: &Standing,
    branch: &Branch,
) -> Result<(), Fault> {
    let Standing { payment, attempt } = standing;
    if !attempt.asked()?.is_forward() {
        return Ok(());
    }
    let settled = match attempt.came_to()? {
        AttemptState::Initiated | AttemptState::Unknown => return Ok(()),
        AttemptState::Succeeded => Settled::Done(pay_response(payment)?),
        AttemptState::Declined | AttemptState::Cancelled => Settled::Refused(refusal(attempt)),
    };
    guard.settle(tx, branch, settled).await?;
    Ok(())
}

/// Settles the confirm or undo `second` if the payment has got where that wants it; says whether it has.
pub async fn settle_second(
    guard: &Guard,
    tx: &LocalTransaction,
    payment: &payment::Model,
    second: &Branch,
) -> Result<bool, Fault> {
    let state = payment.stands()?;
    let there = match Phase::of(second.op) {
        Phase::Confirm => state == State::Captured,
        Phase::Undo => state.keeps_nothing(),
        Phase::Forward => false,
    };
    if there {
        guard.settle(tx, second, Settled::Done(pay_response(payment)?)).await?;
    }
    Ok(there)
}
