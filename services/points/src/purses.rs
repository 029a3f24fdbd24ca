//! Purses and ops inside a local transaction: found and locked, opened at first use, changed together.
//! Knows no branches and no requests.

use crate::entity::{points_account, points_op};
use crate::purse::{Purse, PurseError};
use crate::state::{OpEvent, OpState};
use amends_participant::{Reason, Refusal};
use amends_serve::store::{LocalTransaction, Reads as _};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue::NotSet, ActiveValue::Set, ColumnTrait, DbErr};
use sea_orm::{EntityTrait, ExprTrait, QueryFilter, QuerySelect};

/// The user's purse, locked; none if the user never had points.
pub async fn lock(tx: &LocalTransaction, user_id: &str) -> Result<Option<points_account::Model>, DbErr> {
    tx.one(points_account::Entity::find().filter(points_account::Column::UserId.eq(user_id)).lock_exclusive())
        .await
}

/// The user's purse, locked; opened if it is missing.
pub async fn lock_or_open(
    tx: &LocalTransaction,
    user_id: &str,
    now_us: i64,
) -> Result<points_account::Model, DbErr> {
    if let Some(account) = lock(tx, user_id).await? {
        return Ok(account);
    }
    let row = points_account::ActiveModel {
        seq: NotSet,
        user_id: Set(user_id.to_owned()),
        balance: Set(0),
        frozen: Set(0),
        pending_earn: Set(0),
        debt: Set(0),
        version: Set(1),
        created_us: Set(now_us),
    };
    tx.run(
        points_account::Entity::insert(row)
            .on_conflict(OnConflict::column(points_account::Column::UserId).do_nothing().to_owned()),
    )
    .await?;
    lock(tx, user_id).await?.ok_or_else(|| DbErr::RecordNotFound(format!("points of {user_id}")))
}

/// The purse after the event, or why it cannot be.
pub fn apply(purse: Purse, event: OpEvent, points: i64) -> Result<Purse, Refusal> {
    purse.apply(event, points).map_err(|error| {
        let reason = match error {
            PurseError::TooFew => Reason::InsufficientPoints,
            PurseError::OutOfRange => Reason::AmountOutOfRange,
        };
        Refusal::new(reason, error.to_string())
    })
}

/// Writes the purse of a locked account.
pub async fn save(tx: &LocalTransaction, seq: i64, purse: Purse) -> Result<(), DbErr> {
    use points_account::Column;
    let written = tx
        .run(
            points_account::Entity::update_many()
                .col_expr(Column::Balance, purse.balance.into())
                .col_expr(Column::Frozen, purse.frozen.into())
                .col_expr(Column::PendingEarn, purse.pending_earn.into())
                .col_expr(Column::Debt, purse.debt.into())
                .col_expr(Column::Version, Expr::col(Column::Version).add(1))
                .filter(Column::Seq.eq(seq)),
        )
        .await?;
    if written == 1 { Ok(()) } else { Err(DbErr::RecordNotUpdated) }
}

/// Writes a new op.
pub async fn note(tx: &LocalTransaction, op: points_op::ActiveModel) -> Result<(), DbErr> {
    tx.run(points_op::Entity::insert(op)).await?;
    Ok(())
}

/// Moves an op on; its version must be the one that was read.
pub async fn set_state(tx: &LocalTransaction, op: &points_op::Model, state: OpState) -> Result<(), DbErr> {
    use points_op::Column;
    let written = tx
        .run(
            points_op::Entity::update_many()
                .col_expr(Column::State, state.stored().into())
                .col_expr(Column::Version, Expr::col(Column::Version).add(1))
                .filter(Column::Seq.eq(op.seq))
                .filter(Column::Version.eq(op.version)),
        )
        .await?;
    if written == 1 { Ok(()) } else { Err(DbErr::RecordNotUpdated) }
}
