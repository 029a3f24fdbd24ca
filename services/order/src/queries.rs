//! Reads for clients and checkers. Changes nothing; knows no branch.
use crate::branch::wire;
use crate::entity::{Column, Entity, Model};
use amends_participant::{Fault, Page, Reason, Refusal, fields};
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::order::v1::{self as pb, GetRequest, ListRequest, ListResponse};
use amends_serve::store::Store;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};

/// Orders in one answer, when the caller names no number.
const DEFAULT_LIMIT: u64 = 50;
/// Orders in one answer at most; an order may have 100 lines.
const MAX_LIMIT: i32 = 200;

/// One order, by its id or by its merchant's number.
///
/// # Errors
/// Bad input, no such order, or the database.
pub async fn get(store: &Store, request: &GetRequest) -> Result<pb::Order, Fault> {
    let order = selection(request)?.one(store.reader()).await?;
    Ok(to_wire(order.ok_or_else(|| Refusal::new(Reason::OrderNotFound, "no such order"))?)?)
}

/// Orders as they were recorded, oldest first.
///
/// # Errors
/// Bad input, or the database.
pub async fn list(store: &Store, request: &ListRequest) -> Result<ListResponse, Fault> {
    let page = Page::behind(&request.cursor, page_size(request.limit)?)?;
    let (rows, next_cursor) = page.read(store.reader(), Entity::find(), Column::Seq, |row| row.seq).await?;
    Ok(ListResponse { orders: rows.into_iter().map(to_wire).collect::<Result<_, DbErr>>()?, next_cursor })
}

fn selection(request: &GetRequest) -> Result<sea_orm::Select<Entity>, Refusal> {
    let by_number = !request.merchant_id.is_empty() || !request.out_trade_no.is_empty();
    if request.order_id.is_empty() {
        fields::name(&request.merchant_id, "merchant_id")?;
        fields::trade_no(&request.out_trade_no, "out_trade_no")?;
        return Ok(Entity::find()
            .filter(Column::MerchantId.eq(&request.merchant_id))
            .filter(Column::OutTradeNo.eq(&request.out_trade_no)));
    }
    if by_number {
        return Err(invalid("order_id or merchant_id with out_trade_no, not both"));
    }
    fields::uuid7(&request.order_id, "order_id")?;
    Ok(Entity::find().filter(Column::OrderId.eq(&request.order_id)))
}

fn page_size(limit: i32) -> Result<u64, Refusal> {
    match limit {
        0 => Ok(DEFAULT_LIMIT),
        1..=MAX_LIMIT => Ok(u64::from(limit.unsigned_abs())),
        _outside => Err(invalid(format!("limit: 0 to {MAX_LIMIT}"))),
    }
}

fn to_wire(order: Model) -> Result<pb::Order, DbErr> {
    let state = wire(order.state()?);
    let money = |minor_units| Some(Money { minor_units, currency: order.currency.clone() });
    let (total, paid, refunded) =
        (money(order.total_minor), money(order.paid_minor), money(order.refunded_minor));
    let lines = order.lines.0.into_iter();
    Ok(pb::Order {
        lines: lines
            .map(|line| pb::Line {
                sku: line.sku,
                quantity: line.quantity,
                unit_price: money(line.unit_price_minor),
            })
            .collect(),
        order_id: order.order_id,
        merchant_id: order.merchant_id,
        out_trade_no: order.out_trade_no,
        user_id: order.user_id,
        total,
        paid,
        refunded,
        state: state.into(),
        version: order.version,
        payment_id: order.payment_id.unwrap_or_default(),
        gid: order.gid,
        created_at: Some(fields::timestamp(order.created_at_us)),
        pay_until: Some(fields::timestamp(order.pay_until_us)),
    })
}

fn invalid(text: impl Into<String>) -> Refusal {
    Refusal::new(Reason::InvalidRequest, text)
}
