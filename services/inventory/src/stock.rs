//! Writes to the stock. Each update carries the invariant in its own condition, so no interleaving can oversell.
use crate::entity::reservation::Line;
use crate::entity::stock::{ActiveModel, Column, Entity, Model};
use crate::state::Movement;
use amends_serve::store::{LocalTransaction, Reads as _};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter};

/// Units of one sku ever taken in: far below where 64 bits end, whatever is sold and returned meanwhile.
const MAX_RECEIVED: i64 = 1_000_000_000_000_000;

/// Why the stock of a line was not moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// There is no such sku.
    Unknown,
    /// The sku would not satisfy 0 ≤ reserved ≤ on_hand.
    Short {
        /// What is free: on_hand − reserved.
        available: i64,
    },
}

/// Moves the stock of one line, if 0 ≤ reserved ≤ on_hand holds afterwards; otherwise says why not.
///
/// # Errors
/// The database.
pub async fn shift(
    tx: &LocalTransaction,
    line: &Line,
    movement: Movement,
) -> Result<Result<(), Shortage>, DbErr> {
    let on_hand = movement.on_hand * line.quantity;
    let reserved = movement.reserved * line.quantity;
    let updated = tx
        .run(
            Entity::update_many()
                .col_expr(Column::OnHand, Expr::col(Column::OnHand).add(on_hand))
                .col_expr(Column::Reserved, Expr::col(Column::Reserved).add(reserved))
                .col_expr(Column::Sold, Expr::col(Column::Sold).add(movement.sold * line.quantity))
                .col_expr(
                    Column::Returned,
                    Expr::col(Column::Returned).add(movement.returned * line.quantity),
                )
                .col_expr(Column::Version, Expr::col(Column::Version).add(1))
                .filter(Column::Sku.eq(&line.sku))
                .filter(Expr::col(Column::Reserved).add(reserved).gte(0))
                .filter(
                    Expr::col(Column::OnHand)
                        .add(on_hand)
                        .sub(Expr::col(Column::Reserved).add(reserved))
                        .gte(0),
                ),
        )
        .await?;
    if updated == 1 {
        return Ok(Ok(()));
    }
    Ok(Err(match tx.one(Entity::find_by_id(&line.sku)).await? {
        Some(stock) => Shortage::Short { available: stock.on_hand - stock.reserved },
        None => Shortage::Unknown,
    }))
}

/// Takes goods in, and makes the sku if it is new. `None`: more than one sku may ever hold.
///
/// # Errors
/// The database.
pub async fn receive(tx: &LocalTransaction, sku: &str, quantity: i64) -> Result<Option<Model>, DbErr> {
    let fresh = ActiveModel {
        sku: Set(sku.to_owned()),
        received: Set(0),
        on_hand: Set(0),
        reserved: Set(0),
        sold: Set(0),
        returned: Set(0),
        version: Set(0),
    };
    tx.run(Entity::insert(fresh).on_conflict(OnConflict::column(Column::Sku).do_nothing().to_owned()))
        .await?;
    let updated = tx
        .run(
            Entity::update_many()
                .col_expr(Column::Received, Expr::col(Column::Received).add(quantity))
                .col_expr(Column::OnHand, Expr::col(Column::OnHand).add(quantity))
                .col_expr(Column::Version, Expr::col(Column::Version).add(1))
                .filter(Column::Sku.eq(sku))
                .filter(Column::Received.lte(MAX_RECEIVED - quantity)),
        )
        .await?;
    if updated == 0 {
        return Ok(None);
    }
    tx.one(Entity::find_by_id(sku)).await
}
