//! Reading and making rows of payments and attempts. Decides nothing.

use std::time::Duration;

use amends_participant::{Branch, Fault, Reason, Refusal};
use amends_proto::pay::gateway::v1::{PayResponse, PaymentState};
use amends_serve::store::{LocalTransaction, Reads};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, Set};

use crate::entity::{AttemptState, attempt, encode, payment};
use crate::psp_client::{Errand, psp_request};
use crate::request_id::request_id;
use crate::state::{Form, PspOp, State};
use crate::tuning::later;
use crate::validate::PaymentOrder;

/// The payment of a branch.
pub async fn payment_of_branch(db: &impl Reads, branch: &Branch) -> Result<Option<payment::Model>, DbErr> {
    db.one(
        payment::Entity::find()
            .filter(payment::Column::Gid.eq(branch.gid.as_str()))
            .filter(payment::Column::BranchId.eq(branch.branch_id.as_str())),
    )
    .await
}

/// The payment of that id.
pub async fn payment(db: &impl Reads, payment_id: &str) -> Result<Option<payment::Model>, DbErr> {
    db.one(payment::Entity::find().filter(payment::Column::PaymentId.eq(payment_id))).await
}

/// A payment that its own rows name: its absence is a defect.
pub async fn known_payment(db: &impl Reads, payment_id: &str) -> Result<payment::Model, Fault> {
    payment(db, payment_id).await?.ok_or_else(|| broken("a payment is gone"))
}

/// The attempt of that id, which is known to be there.
pub async fn known_attempt(db: &impl Reads, attempt_id: &str) -> Result<attempt::Model, Fault> {
    let found = db.one(attempt::Entity::find().filter(attempt::Column::AttemptId.eq(attempt_id))).await?;
    found.ok_or_else(|| broken("an attempt is gone"))
}

/// The attempt of a payment whose outcome is open; there is at most one.
pub async fn open_attempt(db: &impl Reads, payment_id: &str) -> Result<Option<attempt::Model>, DbErr> {
    db.one(
        attempt::Entity::find()
            .filter(attempt::Column::PaymentId.eq(payment_id))
            .filter(attempt::Column::NextQueryAtUs.is_not_null()),
    )
    .await
}

/// Makes the payment of a forward call, unless its id was used before or its order has a payment that may keep money.
pub async fn insert_payment(
    tx: &LocalTransaction,
    branch: &Branch,
    order: PaymentOrder,
    form: Form,
    now_us: i64,
) -> Result<Option<payment::Model>, DbErr> {
    let (state, pending) = encode(State::Authorizing(form));
    // Its first request is the payment's own.
    let psp_request_id = order.payment_id.clone();
    let row = payment::ActiveModel {
        payment_id: Set(order.payment_id),
        gid: Set(branch.gid.as_str().to_owned()),
        branch_id: Set(branch.branch_id.as_str().to_owned()),
        forward_op: Set(branch.op.as_str().to_owned()),
        order_id: Set(order.order_id),
        merchant_id: Set(order.merchant_id),
        user_id: Set(order.user_id),
        amount_minor: Set(order.amount.minor_units),
        currency: Set(order.amount.currency.code().to_owned()),
        method: Set(order.method),
        psp: Set(order.psp),
        card_token: Set(order.card_token),
        state: Set(state.to_owned()),
        pending: Set(pending.to_owned()),
        authorized: Set(0),
        captured: Set(0),
        refunded: Set(0),
        undo_wanted: Set(false),
        in_doubt_since_us: Set(None),
        psp_request_id: Set(psp_request_id),
        psp_txn_id: Set(String::new()),
        auth_code: Set(String::new()),
        duplicate: Set(false),
        version: Set(1),
        created_at_us: Set(now_us),
        updated_at_us: Set(now_us),
        ..Default::default()
    };
    tx.insert_unless_there(row).await
}

/// When and how an attempt begins its life.
#[derive(Debug, Clone, Copy)]
pub enum Start {
    /// It is sent right after the commit; if nothing is recorded by then, it is asked about after this long.
    Now(Duration),
    /// It is sent after this long.
    Later(Duration),
}

/// Makes an attempt for a payment. That of a forward op has the id that the payment keeps.
pub async fn insert_attempt(
    tx: &LocalTransaction,
    payment: &payment::Model,
    op: PspOp,
    start: Start,
    now_us: i64,
) -> Result<attempt::Model, DbErr> {
    let (sent, delay) = match start {
        Start::Now(delay) => (true, delay),
        Start::Later(delay) => (false, delay),
    };
    let psp_request_id = if op.is_forward() {
        payment.psp_request_id.clone()
    } else {
        let of_payment = attempt::Column::PaymentId.eq(payment.payment_id.as_str());
        let same_op = attempt::Column::Op.eq(op.as_str());
        let earlier = tx.count(attempt::Entity::find().filter(of_payment).filter(same_op)).await?;
        let id = request_id(&payment.payment_id, op, u32::try_from(earlier).unwrap_or(u32::MAX));
        id.ok_or_else(|| DbErr::Custom("a payment's id is no UUID".to_owned()))?
    };
    let row = attempt::ActiveModel {
        attempt_id: Set(new_id()),
        payment_id: Set(payment.payment_id.clone()),
        op: Set(op.as_str().to_owned()),
        psp_request_id: Set(psp_request_id),
        state: Set(AttemptState::Initiated.as_str().to_owned()),
        sent: Set(sent),
        psp_txn_id: Set(String::new()),
        auth_code: Set(String::new()),
        duplicate: Set(false),
        psp_code: Set(String::new()),
        queries: Set(0),
        next_query_at_us: Set(Some(later(now_us, delay))),
        created_at_us: Set(now_us),
        ..Default::default()
    };
    tx.insert(row).await
}

/// What is sent for an attempt.
pub fn errand(payment: &payment::Model, attempt: &attempt::Model) -> Result<Errand, Fault> {
    let branch = Branch::stored(&payment.gid, &payment.branch_id, &payment.forward_op);
    Ok(Errand {
        branch: branch.ok_or_else(|| broken("a payment names no branch"))?,
        attempt_id: attempt.attempt_id.clone(),
        payment_id: payment.payment_id.clone(),
        op: attempt.asked()?,
        request: psp_request(payment, attempt),
    })
}

/// What a branch call answers about a payment.
pub fn pay_response(payment: &payment::Model) -> Result<PayResponse, Fault> {
    Ok(PayResponse {
        payment_id: payment.payment_id.clone(),
        state: wire_state(payment.stands()?).into(),
        psp_txn_id: payment.psp_txn_id.clone(),
        auth_code: payment.auth_code.clone(),
        duplicate: payment.duplicate,
    })
}

/// The state on the wire.
#[must_use]
pub fn wire_state(state: State) -> PaymentState {
    match state {
        State::Created => PaymentState::Created,
        State::Authorizing(_) => PaymentState::Authorizing,
        State::Authorized => PaymentState::Authorized,
        State::Capturing => PaymentState::Capturing,
        State::Captured => PaymentState::Captured,
        State::Voiding => PaymentState::Voiding,
        State::Reversing => PaymentState::Reversing,
        State::InDoubt(_) => PaymentState::InDoubt,
        State::Declined => PaymentState::Declined,
        State::Closed => PaymentState::Closed,
        State::Voided => PaymentState::Voided,
        State::Reversed => PaymentState::Reversed,
    }
}

/// A defect or a damaged row.
#[must_use]
pub fn broken(text: impl Into<String>) -> Fault {
    Fault::Broken(Refusal::new(Reason::Broken, text))
}

fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
