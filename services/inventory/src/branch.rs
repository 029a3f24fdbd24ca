//! Effects of the branch calls, run inside the guard's local transaction. Knows no transport and opens no transaction.
use crate::entity::reservation::{ActiveModel, Column, Entity, Line, Model};
use crate::state::{Event, IllegalTransition, State, next};
use crate::stock::{self, Shortage};
use crate::validate::{self, Reserving};
use amends_participant::{Branch, Call, Fault, Reason, Refusal};
use amends_proto::pay::inventory::v1::{self as pb, ReserveRequest, ReserveResponse};
use amends_serve::store::{LocalTransaction, Reads as _};
use sea_orm::{ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter};

/// Sets all lines aside or takes them, or none; `event` is `TryReserve` or `Deduct`. Lines are taken in the order
/// of their skus, so that two calls that want the same goods never wait for each other in a circle.
///
/// # Errors
/// Refused: bad input, an unknown sku, not enough of one.
pub async fn reserve(
    tx: &LocalTransaction,
    call: Call<ReserveRequest>,
    event: Event,
) -> Result<ReserveResponse, Fault> {
    let reserving = validate::reserving(call.body)?;
    let state =
        next(None, event).map_err(|illegal| Refusal::new(Reason::IllegalTransition, illegal.to_string()))?;
    for line in &reserving.lines.0 {
        stock::shift(tx, line, event.movement()).await?.map_err(|shortage| short(line, &shortage))?;
    }
    let reservation_id = reserving.reservation_id.clone();
    tx.run(Entity::insert(row(reserving, &call.branch, call.now_us, state))).await?;
    Ok(ReserveResponse { reservation_id, state: wire(state).into() })
}

/// Ends what this very branch began; `event` is `ConfirmReserve`, `CancelReserve` or `ReturnStock`. Goes by the
/// lines that were stored, not by those of the request.
///
/// # Errors
/// Broken, if the reservation is gone, has moved on, or the stock contradicts it: a second phase never refuses.
pub async fn finish(
    tx: &LocalTransaction,
    call: Call<ReserveRequest>,
    event: Event,
) -> Result<ReserveResponse, Fault> {
    let Some(reservation) = find(tx, &call.branch).await? else {
        return Err(broken_by(&IllegalTransition { from: None, event }));
    };
    let to = next(Some(reservation.state()?), event).map_err(|illegal| broken_by(&illegal))?;
    for line in &reservation.lines.0 {
        let shifted = stock::shift(tx, line, event.movement()).await?;
        shifted.map_err(|shortage| Fault::Broken(short(line, &shortage)))?;
    }
    save(tx, &reservation, to, call.now_us).await?;
    Ok(ReserveResponse { reservation_id: reservation.reservation_id, state: wire(to).into() })
}

/// The wire's name of a state.
#[must_use]
pub fn wire(state: State) -> pb::ReservationState {
    match state {
        State::Reserved => pb::ReservationState::Reserved,
        State::Committed => pb::ReservationState::Committed,
        State::Released => pb::ReservationState::Released,
        State::Returned => pb::ReservationState::Returned,
    }
}

fn row(reserving: Reserving, branch: &Branch, now_us: i64, state: State) -> ActiveModel {
    ActiveModel {
        gid: Set(branch.gid.to_string()),
        branch_id: Set(branch.branch_id.to_string()),
        reservation_id: Set(reserving.reservation_id),
        order_id: Set(reserving.order_id),
        lines: Set(reserving.lines),
        state: Set(state.as_str().to_owned()),
        created_at_us: Set(now_us),
        updated_at_us: Set(now_us),
        expires_at_us: Set(now_us.saturating_add(reserving.hold_ttl_us)),
        version: Set(1),
        ..ActiveModel::default()
    }
}

async fn find(tx: &LocalTransaction, branch: &Branch) -> Result<Option<Model>, DbErr> {
    tx.one(
        Entity::find()
            .filter(Column::Gid.eq(branch.gid.as_str()))
            .filter(Column::BranchId.eq(branch.branch_id.as_str())),
    )
    .await
}

/// Writes the new state, if nobody changed the reservation since it was read.
async fn save(tx: &LocalTransaction, reservation: &Model, to: State, now_us: i64) -> Result<(), Fault> {
    let change = ActiveModel {
        state: Set(to.as_str().to_owned()),
        version: Set(reservation.version + 1),
        updated_at_us: Set(now_us),
        ..ActiveModel::default()
    };
    let updated = tx
        .run(
            Entity::update_many()
                .set(change)
                .filter(Column::Seq.eq(reservation.seq))
                .filter(Column::Version.eq(reservation.version)),
        )
        .await?;
    if updated == 1 {
        return Ok(());
    }
    Err(Fault::NotYet(Refusal::new(Reason::Locked, "the reservation changed meanwhile")))
}

fn short(line: &Line, shortage: &Shortage) -> Refusal {
    let Line { sku, quantity } = line;
    match shortage {
        Shortage::Unknown => Refusal::new(Reason::SkuNotFound, format!("no sku {sku}")),
        Shortage::Short { available } => Refusal::new(
            Reason::InsufficientStock,
            format!("sku {sku} has {available} free, asked for {quantity}"),
        ),
    }
}

fn broken_by(illegal: &IllegalTransition) -> Fault {
    Fault::Broken(Refusal::new(Reason::IllegalTransition, illegal.to_string()))
}
