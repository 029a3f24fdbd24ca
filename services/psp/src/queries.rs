//! Reading the facts, page by page, in the order in which they came about.

use amends_crash_points::{Place, around};
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::psp::v1::{Fact, FactsRequest, FactsResponse};
use amends_serve::store::Store;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::books::{settle_due, status};
use crate::entity::request;

const DEFAULT_PAGE: u64 = 200;
const LARGEST_PAGE: u64 = 1000;

/// Why facts could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The cursor is none of ours.
    #[error("the cursor is none of ours")]
    Cursor,
    /// The limit is out of range.
    #[error("limit must be 0 to {LARGEST_PAGE}")]
    Limit,
    /// The store is away.
    #[error("store")]
    Store(#[from] DbErr),
}

/// One page of facts. What has come due is carried out first: the facts are those of `now_us`.
pub async fn facts(store: &Store, request: &FactsRequest, now_us: i64) -> Result<FactsResponse, FactsError> {
    let after: i64 = match request.cursor.as_str() {
        "" => 0,
        text => text.parse().map_err(|_| FactsError::Cursor)?,
    };
    let limit = match u64::try_from(request.limit).map_err(|_| FactsError::Limit)? {
        0 => DEFAULT_PAGE,
        limit if limit <= LARGEST_PAGE => limit,
        _ => return Err(FactsError::Limit),
    };
    let tx = store.transaction().await?;
    settle_due(&tx, now_us).await?;
    around!(Place::Facts, tx.commit().await)?;
    let rows = request::Entity::find()
        .filter(request::Column::Seq.gt(after))
        .order_by_asc(request::Column::Seq)
        .limit(limit)
        .all(store.reader())
        .await?;
    let full = rows.len() as u64 == limit;
    let next_cursor = rows.last().filter(|_| full).map(|row| row.seq.to_string()).unwrap_or_default();
    Ok(FactsResponse { facts: rows.into_iter().map(fact).collect(), next_cursor })
}

fn fact(row: request::Model) -> Fact {
    Fact {
        status: status(&row).into(),
        amount: (!row.currency.is_empty())
            .then_some(Money { minor_units: row.amount_minor, currency: row.currency }),
        psp_request_id: row.psp_request_id,
        op: row.op,
        merchant_id: row.merchant_id,
        order_id: row.order_id,
        original_request_id: row.original_request_id,
        psp_txn_id: row.txn_id.unwrap_or_default(),
        auth_code: row.auth_code.unwrap_or_default(),
        code: row.code,
        authorized_now: row.authorized_now,
        kept_now: row.kept_now,
        repeats: row.repeats,
        created_at: Some(timestamp(row.created_at_us)),
    }
}

fn timestamp(us: i64) -> prost_types::Timestamp {
    // A remainder below 10^6 times 10^3 fits an i32.
    let nanos = i32::try_from(us.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
    prost_types::Timestamp { seconds: us.div_euclid(1_000_000), nanos }
}
