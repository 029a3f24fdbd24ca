//! Reads for clients and checkers. Changes nothing; knows no branch.
use crate::branch::wire;
use crate::entity::{reservation, stock};
use amends_participant::{Fault, Page, Reason, Refusal, fields};
use amends_proto::pay::inventory::v1::{
    self as pb, GetRequest, ListRequest, ListReservationsResponse, ListStockResponse,
};
use amends_serve::store::Store;
use sea_orm::{DbErr, EntityTrait};

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
    if !request.cursor.is_empty() {
        fields::name(&request.cursor, "cursor")?;
    }
    let page = Page::checked(&request.cursor, request.limit)?;
    let (rows, next_cursor) =
        page.read(store.reader(), stock::Entity::find(), stock::Column::Sku, |row| row.sku.clone()).await?;
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
    let page = Page::checked(&request.cursor, request.limit)?;
    let (rows, next_cursor) = page
        .read(store.reader(), reservation::Entity::find(), reservation::Column::Seq, |row| row.seq)
        .await?;
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
