//! Effects of the branch calls, run inside the guard's local transaction. Knows no transport and opens no transaction.
use crate::entity::{ActiveModel, Column, Entity, Model};
use crate::state::{Event, IllegalTransition, Payment, State, next};
use crate::validate::{self, Paying, Placing};
use amends_participant::{Branch, Call, Fault, Reason, Refusal};
use amends_proto::pay::order::v1::{self as pb, MarkPaidRequest, OrderResponse, PlaceRequest};
use amends_serve::store::{LocalTransaction, Reads as _};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter};

/// Records a new order; `event` is `TryPlace` or `Place`.
///
/// # Errors
/// Refused: bad input, or the order id or the merchant's number is taken.
pub async fn place(
    tx: &LocalTransaction,
    call: Call<PlaceRequest>,
    event: Event,
) -> Result<OrderResponse, Fault> {
    let placing = validate::placing(call.body)?;
    let state = next(None, event).map_err(|illegal| refused(&illegal))?;
    let (order_id, version) = (placing.order_id.clone(), 1);
    let (merchant_id, out_trade_no) = (placing.merchant_id.clone(), placing.out_trade_no.clone());
    let inserted = tx
        .run(
            Entity::insert(row(placing, &call.branch, call.now_us, state, version))
                .on_conflict(OnConflict::new().do_nothing().to_owned()),
        )
        .await?;
    if inserted == 0 {
        return Err(taken(tx, &order_id, &merchant_id, &out_trade_no).await?.into());
    }
    Ok(OrderResponse { order_id, state: wire(state).into(), version })
}

/// Moves the order that this very branch placed; `event` is `ConfirmPlace`, `CancelPlace` or `ClosePlaced`.
///
/// # Errors
/// Broken, if the order is gone or was moved on by something else: a second phase never refuses.
pub async fn finish(
    tx: &LocalTransaction,
    call: Call<PlaceRequest>,
    event: Event,
) -> Result<OrderResponse, Fault> {
    let order = find(tx, &call.body.order_id).await?;
    if order.gid != call.branch.gid.as_str() || order.branch_id != call.branch.branch_id.as_str() {
        return Err(broken(Reason::IllegalTransition, "the order was placed by another branch"));
    }
    let to = next(Some(order.state()?), event).map_err(|illegal| broken_by(&illegal))?;
    let mut change = ActiveModel::default();
    if to == State::Paid {
        change.paid_minor = Set(order.total_minor);
    }
    save(tx, &order, to, change, call.now_us).await
}

/// A payment of the order is certain. Accepts an order that is PENDING, and one that this payment paid before.
///
/// # Errors
/// Broken for everything else: it comes after the pivot and must not refuse, so that it succeeds at a later
/// attempt once the cause is repaired.
pub async fn mark_paid(tx: &LocalTransaction, call: Call<MarkPaidRequest>) -> Result<OrderResponse, Fault> {
    let paying = validate::paying(call.body).map_err(Fault::Broken)?;
    let order = find(tx, &paying.order_id).await?;
    check_amount(&order, &paying)?;
    let from = order.state()?;
    let event = Event::MarkPaid(payment(&order, &paying.payment_id));
    let to = next(Some(from), event).map_err(|illegal| broken_by(&illegal))?;
    if to == from {
        return Ok(response(&order, to));
    }
    let change = ActiveModel {
        paid_minor: Set(order.total_minor),
        payment_id: Set(Some(paying.payment_id)),
        ..ActiveModel::default()
    };
    save(tx, &order, to, change, call.now_us).await
}

/// Undo of [`mark_paid`]: the order waits for a payment again.
///
/// # Errors
/// Broken, if another payment paid the order or it has moved on.
pub async fn revert_paid(tx: &LocalTransaction, call: Call<MarkPaidRequest>) -> Result<OrderResponse, Fault> {
    let order = find(tx, &call.body.order_id).await?;
    let event = Event::RevertPaid(payment(&order, &call.body.payment_id));
    let to = next(Some(order.state()?), event).map_err(|illegal| broken_by(&illegal))?;
    let change = ActiveModel { paid_minor: Set(0), payment_id: Set(None), ..ActiveModel::default() };
    save(tx, &order, to, change, call.now_us).await
}

/// The wire's name of a state.
#[must_use]
pub fn wire(state: State) -> pb::OrderState {
    match state {
        State::Pending => pb::OrderState::Pending,
        State::Paid => pb::OrderState::Paid,
        State::Closed => pb::OrderState::Closed,
        State::Fulfilled => pb::OrderState::Fulfilled,
        State::PartiallyRefunded => pb::OrderState::PartiallyRefunded,
        State::Refunded => pb::OrderState::Refunded,
    }
}

fn row(placing: Placing, branch: &Branch, now_us: i64, state: State, version: i64) -> ActiveModel {
    ActiveModel {
        order_id: Set(placing.order_id),
        merchant_id: Set(placing.merchant_id),
        out_trade_no: Set(placing.out_trade_no),
        user_id: Set(placing.user_id),
        lines: Set(placing.lines),
        currency: Set(placing.total.currency.to_string()),
        total_minor: Set(placing.total.minor_units),
        paid_minor: Set(0),
        refunded_minor: Set(0),
        state: Set(state.as_str().to_owned()),
        payment_id: Set(None),
        gid: Set(branch.gid.to_string()),
        branch_id: Set(branch.branch_id.to_string()),
        created_at_us: Set(now_us),
        updated_at_us: Set(now_us),
        pay_until_us: Set(now_us.saturating_add(placing.pay_ttl_us)),
        version: Set(version),
        ..ActiveModel::default()
    }
}

/// Why an order could not be recorded: its number or its id is in use.
async fn taken(
    tx: &LocalTransaction,
    order_id: &str,
    merchant_id: &str,
    out_trade_no: &str,
) -> Result<Refusal, Fault> {
    let same_number =
        Condition::all().add(Column::MerchantId.eq(merchant_id)).add(Column::OutTradeNo.eq(out_trade_no));
    Ok(match tx.one(Entity::find().filter(same_number)).await? {
        Some(_) => Refusal::new(Reason::DuplicateOutTradeNo, format!("{out_trade_no} is in use")),
        None => {
            Refusal::new(Reason::IllegalTransition, format!("order {order_id} exists with another number"))
        }
    })
}

async fn find(tx: &LocalTransaction, order_id: &str) -> Result<Model, Fault> {
    tx.one(Entity::find().filter(Column::OrderId.eq(order_id)))
        .await?
        .ok_or_else(|| broken(Reason::OrderNotFound, "no such order"))
}

/// Writes the new state, if nobody changed the order since it was read.
async fn save(
    tx: &LocalTransaction,
    order: &Model,
    to: State,
    mut change: ActiveModel,
    now_us: i64,
) -> Result<OrderResponse, Fault> {
    let version = order.version + 1;
    change.state = Set(to.as_str().to_owned());
    change.version = Set(version);
    change.updated_at_us = Set(now_us);
    let updated = tx
        .run(
            Entity::update_many()
                .set(change)
                .filter(Column::Seq.eq(order.seq))
                .filter(Column::Version.eq(order.version)),
        )
        .await?;
    if updated != 1 {
        return Err(Fault::NotYet(Refusal::new(Reason::Locked, "the order changed meanwhile")));
    }
    Ok(OrderResponse { order_id: order.order_id.clone(), state: wire(to).into(), version })
}

/// A payment of another amount than the order's total is no payment of this order (payments-domain I11).
fn check_amount(order: &Model, paying: &Paying) -> Result<(), Fault> {
    if paying.paid.currency.to_string() != order.currency {
        return Err(broken(Reason::CurrencyMismatch, "paid in another currency than the order's"));
    }
    if paying.paid.minor_units != order.total_minor {
        return Err(broken(Reason::TotalMismatch, "what was paid is not the order's total"));
    }
    Ok(())
}

fn payment(order: &Model, payment_id: &str) -> Payment {
    if order.payment_id.as_deref() == Some(payment_id) { Payment::Recorded } else { Payment::Other }
}

fn response(order: &Model, state: State) -> OrderResponse {
    OrderResponse { order_id: order.order_id.clone(), state: wire(state).into(), version: order.version }
}

fn refused(illegal: &IllegalTransition) -> Fault {
    Fault::Refused(Refusal::new(Reason::IllegalTransition, illegal.to_string()))
}

fn broken_by(illegal: &IllegalTransition) -> Fault {
    broken(Reason::IllegalTransition, &illegal.to_string())
}

fn broken(reason: Reason, text: &str) -> Fault {
    Fault::Broken(Refusal::new(reason, text))
}
