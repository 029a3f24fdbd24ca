//! Reads: purses and ops as the wire shows them, page by page in the order in which they were made. Changes nothing.

use crate::entity::{OpKind, points_account, points_op};
use crate::state::OpState;
use amends_participant::{Reason, Refusal, fields};
use amends_proto::pay::points::v1::{self as wire, ListRequest};
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

/// Where a page starts and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    after_seq: i64,
    limit: u64,
}

impl Page {
    /// Checks cursor and limit.
    pub fn checked(request: &ListRequest) -> Result<Page, Refusal> {
        let after_seq = match request.cursor.as_str() {
            "" => 0,
            cursor => cursor.parse().map_err(|_| foreign_cursor())?,
        };
        Ok(Page { after_seq, limit: fields::page_size(request.limit)? })
    }

    /// Cuts the one row too many that was read, and says where the next page starts.
    fn cut<Row>(self, mut rows: Vec<Row>, seq: impl Fn(&Row) -> i64) -> (Vec<Row>, String) {
        let more = rows.len() as u64 > self.limit;
        if more {
            rows.pop();
        }
        let next = rows.last().filter(|_| more).map_or_else(String::new, |row| seq(row).to_string());
        (rows, next)
    }
}

/// The purse of one user, if there is one.
pub async fn account(db: &DatabaseConnection, user_id: &str) -> Result<Option<points_account::Model>, DbErr> {
    points_account::Entity::find().filter(points_account::Column::UserId.eq(user_id)).one(db).await
}

/// A page of purses.
pub async fn accounts(db: &DatabaseConnection, page: Page) -> Result<wire::ListAccountsResponse, DbErr> {
    let rows = points_account::Entity::find()
        .filter(points_account::Column::Seq.gt(page.after_seq))
        .order_by_asc(points_account::Column::Seq)
        .limit(page.limit + 1)
        .all(db)
        .await?;
    let (rows, next_cursor) = page.cut(rows, |row| row.seq);
    Ok(wire::ListAccountsResponse { accounts: rows.into_iter().map(show_account).collect(), next_cursor })
}

/// A page of ops.
pub async fn ops(db: &DatabaseConnection, page: Page) -> Result<wire::ListOpsResponse, DbErr> {
    let rows = points_op::Entity::find()
        .filter(points_op::Column::Seq.gt(page.after_seq))
        .order_by_asc(points_op::Column::Seq)
        .limit(page.limit + 1)
        .all(db)
        .await?;
    let (rows, next_cursor) = page.cut(rows, |row| row.seq);
    let ops = rows.into_iter().map(show_op).collect::<Result<_, _>>()?;
    Ok(wire::ListOpsResponse { ops, next_cursor })
}

/// A purse as the wire shows it.
pub fn show_account(row: points_account::Model) -> wire::PointsAccount {
    wire::PointsAccount {
        user_id: row.user_id,
        balance: row.balance,
        frozen: row.frozen,
        pending_earn: row.pending_earn,
        debt: row.debt,
        version: row.version,
    }
}

/// A state as the wire shows it.
pub fn show_state(state: OpState) -> wire::PointsState {
    match state {
        OpState::Frozen => wire::PointsState::Frozen,
        OpState::Burnt => wire::PointsState::Burnt,
        OpState::Thawed => wire::PointsState::Thawed,
        OpState::Returned => wire::PointsState::Returned,
        OpState::Pending => wire::PointsState::Pending,
        OpState::Earned => wire::PointsState::Earned,
        OpState::Voided => wire::PointsState::Voided,
        OpState::Revoked => wire::PointsState::Revoked,
    }
}

fn show_op(row: points_op::Model) -> Result<wire::PointsOp, DbErr> {
    let state = show_state(row.op_state()?);
    let kind = match row.op_kind()? {
        OpKind::Burn => wire::PointsKind::Burn,
        OpKind::Earn => wire::PointsKind::Earn,
        OpKind::Grant => wire::PointsKind::Grant,
    };
    Ok(wire::PointsOp {
        gid: row.gid.unwrap_or_default(),
        branch_id: row.branch_id.unwrap_or_default(),
        op_id: row.op_id,
        kind: kind.into(),
        user_id: row.user_id,
        order_id: row.order_id,
        points: row.points,
        state: state.into(),
        created_at: Some(fields::timestamp(row.created_us)),
    })
}

fn foreign_cursor() -> Refusal {
    Refusal::new(Reason::InvalidRequest, "cursor: not from an earlier answer")
}
