//! Reads for clients and checkers. Changes nothing; knows no branch.
use crate::branch::wire;
use crate::entity::{reservation, stock};
use amends_participant::{Fault, Reason, Refusal, fields};
use amends_proto::pay::inventory::v1::{
    self as pb, GetRequest, ListRequest, ListReservationsResponse, ListStockResponse,
};
use amends_serve::store::Store;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

/// Stock of one sku.
///
/// # Errors
/// Bad input, no such sku, or the database.
pub async fn get(store: &Store, request: &GetRequest) -> Result<pb::Stock, Fault> {
    fields::name(&request.sku, "sku")?;
    let stock = stock::Entity::find_by_id(&request.sku).one(store.reader()).await?;
    Ok(stock
        .map(stock_to_wire)
        .ok_or_else(|| Refusal::new(Reason::SkuNotFound, format!("no sku {}", request.sku)))?)
}

/// Stock of all skus, by their names.
///
/// # Errors
/// Bad input, or the database.
pub async fn list_stock(store: &Store, request: &ListRequest) -> Result<ListStockResponse, Fault> {
    let limit = fields::page_size(request.limit)?;
    let mut rows = stock::Entity::find()
        .filter(stock::Column::Sku.gt(&request.cursor))
        .order_by_asc(stock::Column::Sku)
        .limit(limit + 1)
        .all(store.reader())
        .await?;
    let more = cut(&mut rows, limit);
    let next_cursor = rows.last().filter(|_| more).map(|row| row.sku.clone()).unwrap_or_default();
    Ok(ListStockResponse { stock: rows.into_iter().map(stock_to_wire).collect(), next_cursor })
}

/// Reservations as they were made, oldest first.
///
/// # Errors
/// Bad input, or the database.
pub async fn list_reservations(
    store: &Store,
    request: &ListRequest,
) -> Result<ListReservationsResponse, Fault> {
    let limit = fields::page_size(request.limit)?;
    let after: i64 = match request.cursor.as_str() {
        "" => 0,
        cursor => cursor.parse().map_err(|_not_ours| invalid("cursor: not one of ours"))?,
    };
    let mut rows = reservation::Entity::find()
        .filter(reservation::Column::Seq.gt(after))
        .order_by_asc(reservation::Column::Seq)
        .limit(limit + 1)
        .all(store.reader())
        .await?;
    let more = cut(&mut rows, limit);
    let next_cursor = rows.last().filter(|_| more).map(|row| row.seq.to_string()).unwrap_or_default();
    let reservations = rows.into_iter().map(reservation_to_wire).collect::<Result<_, DbErr>>()?;
    Ok(ListReservationsResponse { reservations, next_cursor })
}

/// Stock as the wire has it.
#[must_use]
pub fn stock_to_wire(stock: stock::Model) -> pb::Stock {
    pb::Stock {
        sku: stock.sku,
        received: stock.received,
        on_hand: stock.on_hand,
        reserved: stock.reserved,
        sold: stock.sold,
        returned: stock.returned,
        version: stock.version,
    }
}

fn reservation_to_wire(row: reservation::Model) -> Result<pb::Reservation, DbErr> {
    let state = wire(row.state()?);
    let lines = row.lines.0.into_iter();
    Ok(pb::Reservation {
        lines: lines.map(|line| pb::Line { sku: line.sku, quantity: line.quantity }).collect(),
        gid: row.gid,
        branch_id: row.branch_id,
        reservation_id: row.reservation_id,
        order_id: row.order_id,
        state: state.into(),
        expires_at: Some(fields::timestamp(row.expires_at_us)),
    })
}

/// Takes off the row that only tells that there is more.
fn cut<Row>(rows: &mut Vec<Row>, limit: u64) -> bool {
    let more = rows.len() as u64 > limit;
    if more {
        rows.pop();
    }
    more
}

fn invalid(text: impl Into<String>) -> Refusal {
    Refusal::new(Reason::InvalidRequest, text)
}
