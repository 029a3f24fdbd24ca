//! Reads: purses and ops as the wire shows them, page by page in the order in which they were made. Changes nothing.

use crate::entity::{OpKind, points_account, points_op};
use crate::state::OpState;
use crate::validate;
use amends_participant::{Fault, Page, Reason, Refusal, fields};
use amends_proto::pay::points::v1::{self as wire, GetRequest, ListRequest};
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter};

/// The purse of one user.
pub async fn account(db: &DatabaseConnection, request: &GetRequest) -> Result<wire::PointsAccount, Fault> {
    let user_id = validate::user_id(&request.user_id)?;
    let purse = points_account::Entity::find().filter(points_account::Column::UserId.eq(user_id));
    let missing = || Refusal::new(Reason::AccountNotFound, "the user never had points");
    Ok(show_account(purse.one(db).await?.ok_or_else(missing)?))
}

/// A page of purses.
pub async fn accounts(
    db: &DatabaseConnection,
    request: &ListRequest,
) -> Result<wire::ListAccountsResponse, Fault> {
    let page = Page::checked(&request.cursor, request.limit)?;
    let (rows, next_cursor) =
        page.read(db, points_account::Entity::find(), points_account::Column::Seq, |row| row.seq).await?;
    Ok(wire::ListAccountsResponse { accounts: rows.into_iter().map(show_account).collect(), next_cursor })
}

/// A page of ops.
pub async fn ops(db: &DatabaseConnection, request: &ListRequest) -> Result<wire::ListOpsResponse, Fault> {
    let page = Page::checked(&request.cursor, request.limit)?;
    let (rows, next_cursor) =
        page.read(db, points_op::Entity::find(), points_op::Column::Seq, |row| row.seq).await?;
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
