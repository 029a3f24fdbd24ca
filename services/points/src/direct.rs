//! What operators and seeds do to points outside of any branch: give them. One local transaction; who may call it is
//! not decided here.

use crate::entity::{OpKind, points_account, points_op};
use crate::purses;
use crate::state::{OpEvent, OpState};
use crate::validate::Grant;
use amends_participant::Fault;
use amends_serve::store::LocalTransaction;
use sea_orm::{ActiveValue::NotSet, ActiveValue::Set, DbErr};

/// Gives points: a grant counts as earned, so debt takes its part first.
pub async fn grant(
    tx: &LocalTransaction,
    grant: &Grant,
    op_id: String,
    now_us: i64,
) -> Result<points_account::Model, Fault> {
    let account = purses::lock_or_open(tx, &grant.user_id, now_us).await?;
    let purse = purses::apply(account.purse(), OpEvent::Earn, grant.points)?;
    purses::save(tx, account.seq, purse).await?;
    let op = points_op::ActiveModel {
        seq: NotSet,
        gid: Set(None),
        branch_id: Set(None),
        op_id: Set(op_id),
        kind: Set(OpKind::Grant.stored().to_owned()),
        user_id: Set(grant.user_id.clone()),
        order_id: Set(String::new()),
        points: Set(grant.points),
        basis_minor_units: Set(None),
        basis_currency: Set(None),
        state: Set(OpState::Earned.stored().to_owned()),
        version: Set(1),
        created_us: Set(now_us),
    };
    purses::note(tx, op).await?;
    let granted = purses::lock(tx, &grant.user_id).await?;
    granted.ok_or_else(|| DbErr::RecordNotFound(format!("points of {}", grant.user_id)).into())
}
