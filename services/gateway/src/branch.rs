//! Branch calls: transaction A, the way to the processor, the answer. Each runs from
//! its beginning in a task that outlives its caller: what was committed is sent, and what is answered is recorded.

use amends_crash_points::{Place, around};
use amends_participant::{
    Begun, Branch, Call, Fault, ForwardState, Phase, Progress, Reason, Refusal, outlive,
};
use amends_proto::pay::gateway::v1::{PayRequest, PayResponse};
use amends_serve::store::LocalTransaction;
use sea_orm::{DbErr, IntoActiveModel, Set};
use tonic::{Request, Response, Status};

use crate::cashier::{Cashier, Outgoing, second_phase_wait};
use crate::entity::AttemptState;
use crate::in_doubt::stated_not_captured;
use crate::record::{Standing, refusal, settle_second};
use crate::rows::{
    broken, errand, insert_attempt, insert_payment, known_payment, open_attempt, pay_response, payment,
    payment_of_branch,
};
use crate::state::{Doubt, Form, PspOp, State};
use crate::validate::payment_order;

type Answer = Result<Response<PayResponse>, Status>;

/// TryPay and Charge.
pub async fn forward(cashier: &Cashier, request: Request<PayRequest>, form: Form) -> Answer {
    let cashier = cashier.clone();
    outlive(async move { begin_and_send(&cashier, request, form).await }).await?
}

async fn begin_and_send(cashier: &Cashier, request: Request<PayRequest>, form: Form) -> Answer {
    let sender = cashier.clone();
    let begun =
        cashier.guard().begin(request, move |tx, call| Box::pin(begin_payment(tx, call, sender, form)));
    match begun.await {
        Begun::Answer(answer) => answer,
        Begun::Running(call) => {
            Err(still_running(cashier, &call.branch).await.into_branch_status(Phase::Forward))
        }
        Begun::Started { value, .. } => answer_forward(cashier.send(value, None).await),
    }
}

/// Transaction A of a forward call: the payment and its first attempt.
async fn begin_payment(
    tx: &LocalTransaction,
    call: Call<PayRequest>,
    cashier: Cashier,
    form: Form,
) -> Result<Progress<Outgoing, PayResponse>, Fault> {
    let order = payment_order(&call.body)?;
    let payment_id = order.payment_id.clone();
    let Some(payment) = insert_payment(tx, &call.branch, order, form, call.now_us).await? else {
        return Err(already_live(tx, &payment_id).await?.into());
    };
    let held = cashier.lanes().try_hold(&payment_id).ok_or_else(|| {
        Fault::NotYet(Refusal::new(Reason::Locked, "another call of this payment is at work"))
    })?;
    let attempt = insert_attempt(tx, &payment, form.op(), cashier.start_now(), call.now_us).await?;
    Ok(Progress::Outside(Outgoing { errand: errand(&payment, &attempt)?, held }))
}

/// Why a payment could not be made: a unique key of it is taken.
async fn already_live(tx: &LocalTransaction, payment_id: &str) -> Result<Refusal, DbErr> {
    let text = match payment(tx, payment_id).await? {
        Some(_) => "the payment id was used before",
        None => "the order has a payment that may keep money",
    };
    Ok(Refusal::new(Reason::PaymentAlreadyLive, text))
}

fn answer_forward(sent: Result<Standing, Fault>) -> Answer {
    let standing = sent.map_err(|fault| unrecorded(fault, Phase::Forward))?;
    forward_outcome(&standing).map(Response::new).map_err(|fault| fault.into_branch_status(Phase::Forward))
}

fn forward_outcome(standing: &Standing) -> Result<PayResponse, Fault> {
    match standing.attempt.came_to()? {
        AttemptState::Succeeded => pay_response(&standing.payment),
        AttemptState::Declined | AttemptState::Cancelled => Err(refusal(&standing.attempt).into()),
        AttemptState::Unknown => Err(Fault::NotYet(unknown())),
        AttemptState::Initiated => Err(Fault::NotYet(Refusal::new(
            Reason::InProgress,
            "the processor cannot be reached, it is tried again",
        ))),
    }
}

fn unknown() -> Refusal {
    Refusal::new(Reason::PaymentUnknown, "the processor has not said what became of the request")
}

/// The processor may have acted, but it could not be written down: nothing is acknowledged, a query will find it.
fn unrecorded(fault: Fault, phase: Phase) -> Status {
    match fault {
        Fault::Store(error) => {
            tracing::error!(%error, "the processor's answer could not be recorded");
            let text = "the answer could not be recorded, the processor will be asked";
            Refusal::new(Reason::StorageUnavailable, text).into_branch_status(phase)
        }
        Fault::Refused(_) | Fault::NotYet(_) | Fault::Broken(_) => fault.into_branch_status(phase),
    }
}

async fn still_running(cashier: &Cashier, branch: &Branch) -> Refusal {
    let found = payment_of_branch(cashier.guard().store().reader(), branch).await;
    match found.ok().flatten().map(|payment| payment.stands()) {
        Some(Ok(State::InDoubt(_))) => unknown(),
        Some(_) | None => Refusal::new(Reason::InProgress, "the first call is still at the processor"),
    }
}

/// What a second phase does after transaction A.
enum Onward {
    /// Send this.
    Send(Box<Outgoing>),
    /// Do what is due.
    Advance,
}

/// A second phase on its way.
struct Way {
    payment_id: String,
    onward: Onward,
}

/// ConfirmPay: forward only, once the commit was decided.
pub async fn confirm(cashier: &Cashier, request: Request<PayRequest>) -> Answer {
    let cashier = cashier.clone();
    outlive(async move {
        let sender = cashier.clone();
        let begun =
            cashier.guard().begin_confirm(request, move |tx, call| Box::pin(begin_capture(tx, call, sender)));
        second(&cashier, begun.await, Phase::Confirm).await
    })
    .await?
}

async fn begin_capture(
    tx: &LocalTransaction,
    call: Call<PayRequest>,
    cashier: Cashier,
) -> Result<Progress<Way, PayResponse>, Fault> {
    let payment = payment_of_branch(tx, &call.branch).await?.ok_or_else(|| broken("the payment is gone"))?;
    let payment_id = payment.payment_id.clone();
    match payment.stands()? {
        State::Captured => Ok(Progress::Final(pay_response(&payment)?)),
        State::Authorized if !payment.undo_wanted => {
            let Some(held) = cashier.lanes().try_hold(&payment_id) else {
                return Err(Fault::NotYet(Refusal::new(
                    Reason::InProgress,
                    "the payment is being worked on",
                )));
            };
            let errand = cashier.commit_request(tx, payment, PspOp::Capture).await?;
            Ok(Progress::Outside(Way {
                payment_id,
                onward: Onward::Send(Box::new(Outgoing { errand, held })),
            }))
        }
        State::Capturing | State::InDoubt(Doubt::Outcome(PspOp::Capture)) => {
            Ok(Progress::Outside(Way { payment_id, onward: Onward::Advance }))
        }
        State::InDoubt(Doubt::CaptureRefused) => Err(Fault::NotYet(under_review())),
        state @ (State::Created
        | State::Authorizing(_)
        | State::Authorized
        | State::Voiding
        | State::Reversing
        | State::InDoubt(Doubt::Outcome(_))
        | State::Declined
        | State::Closed
        | State::Voided
        | State::Reversed) => {
            if stated_not_captured(tx, &payment).await? {
                return Err(Fault::NotYet(stated()));
            }
            let text = format!("a payment that is {state:?} cannot be captured");
            Err(Fault::Broken(Refusal::new(Reason::PhaseConflict, text)))
        }
    }
}

/// The commit was decided, and people say that there will be no capture: only a person can bring the two together.
fn stated() -> Refusal {
    let text = "an operator stated NOT_CHARGED: state the confirm as refused at the orchestrator too";
    Refusal::new(Reason::UnderReview, text)
}

fn under_review() -> Refusal {
    Refusal::new(Reason::UnderReview, "the processor refused the capture, an operator decides")
}

/// CancelPay and ReverseCharge: OK only when it is proven that no money is kept.
pub async fn undo(cashier: &Cashier, request: Request<PayRequest>) -> Answer {
    let cashier = cashier.clone();
    outlive(async move {
        let begun =
            cashier.guard().begin_undo(request, |tx, call, state| Box::pin(want_undo(tx, call, state)));
        second(&cashier, begun.await, Phase::Undo).await
    })
    .await?
}

/// Transaction A of an undo: from now on, whatever is found out, nothing may be kept. Does not care whether the
/// forward call is still outside: the lane waits for it.
async fn want_undo(
    tx: &LocalTransaction,
    call: Call<PayRequest>,
    _forward: ForwardState,
) -> Result<Progress<Way, PayResponse>, Fault> {
    let payment = payment_of_branch(tx, &call.branch).await?.ok_or_else(|| broken("the payment is gone"))?;
    if payment.stands()?.keeps_nothing() {
        return Ok(Progress::Final(pay_response(&payment)?));
    }
    let payment_id = payment.payment_id.clone();
    if !payment.undo_wanted {
        let mut row = payment.into_active_model();
        row.undo_wanted = Set(true);
        tx.update(row).await?;
        hurry(tx, &payment_id, call.now_us).await?;
    }
    Ok(Progress::Outside(Way { payment_id, onward: Onward::Advance }))
}

/// The open request of a payment is due now.
pub async fn hurry(tx: &LocalTransaction, payment_id: &str, now_us: i64) -> Result<(), DbErr> {
    if let Some(open) = open_attempt(tx, payment_id).await? {
        let mut row = open.into_active_model();
        row.next_query_at_us = Set(Some(now_us));
        tx.update(row).await?;
    }
    Ok(())
}

/// Goes the way of a second phase, for a while; the work goes on after that.
async fn second(cashier: &Cashier, begun: Begun<PayRequest, Way, PayResponse>, phase: Phase) -> Answer {
    let (branch, way) = match begun {
        Begun::Answer(answer) => return answer,
        Begun::Running(_) => return Err(not_finished(None, phase).into_branch_status(phase)),
        Begun::Started { branch, value } => (branch, value),
    };
    let worker = cashier.clone();
    let wait = second_phase_wait(worker.psp_timeout());
    let work = outlive(async move { work_and_settle(&worker, way, &branch, phase).await });
    match tokio::time::timeout(wait, work).await {
        Ok(answer) => answer?,
        Err(_) => Err(not_finished(None, phase).into_branch_status(phase)),
    }
}

async fn work_and_settle(cashier: &Cashier, way: Way, branch: &Branch, phase: Phase) -> Answer {
    let worked = match way.onward {
        Onward::Send(outgoing) => cashier.send(*outgoing, Some(branch)).await.map(|_| ()),
        Onward::Advance => cashier.advance(&way.payment_id, Some(branch)).await,
    };
    worked.map_err(|fault| unrecorded(fault, phase))?;
    let payment =
        settled(cashier, &way.payment_id, branch).await.map_err(|fault| unrecorded(fault, phase))?;
    match payment {
        Ok(response) => Ok(Response::new(response)),
        Err(state) => Err(not_finished(Some(state), phase).into_branch_status(phase)),
    }
}

/// The answer if the payment has got there, and the guard's row with it; otherwise where the payment stands.
async fn settled(
    cashier: &Cashier,
    payment_id: &str,
    branch: &Branch,
) -> Result<Result<PayResponse, State>, Fault> {
    let tx = cashier.guard().store().transaction().await?;
    cashier.guard().hold(&tx, branch).await?;
    let payment = known_payment(&tx, payment_id).await?;
    let there = settle_second(cashier.guard(), &tx, &payment, branch).await?;
    around!(Place::Settlement, tx.commit().await)?;
    if there { Ok(Ok(pay_response(&payment)?)) } else { Ok(Err(payment.stands()?)) }
}

fn not_finished(state: Option<State>, phase: Phase) -> Refusal {
    match (phase, state) {
        (Phase::Confirm, Some(State::InDoubt(Doubt::CaptureRefused))) => under_review(),
        (Phase::Confirm, Some(State::InDoubt(Doubt::Outcome(_)))) => unknown(),
        (Phase::Confirm, _) => Refusal::new(Reason::InProgress, "the capture is not finished"),
        (Phase::Forward | Phase::Undo, _) => {
            Refusal::new(Reason::UndoInProgress, "it is not proven yet that no money is kept")
        }
    }
}
