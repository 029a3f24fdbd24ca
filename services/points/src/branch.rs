//! What branch calls do, inside the guard's local transaction. The guard has already decided that the call may run:
//! nothing here looks at duplicates, tombstones or metadata beyond the branch's name. A refusal in a second phase is
//! a defect (the guard answers INTERNAL): what could refuse was refused by the try.

use crate::entity::{OpKind, points_op};
use crate::purse::Purse;
use crate::purses;
use crate::queries::show_state;
use crate::state::{IllegalTransition, OpEvent, OpState};
use crate::validate::Move;
use amends_participant::{Branch, Call, Fault, Reason, Refusal};
use amends_proto::pay::points::v1::{PointsRequest, PointsResponse};
use amends_serve::store::{LocalTransaction, Reads as _};
use sea_orm::{ActiveValue::NotSet, ActiveValue::Set, ColumnTrait};
use sea_orm::{EntityTrait, QueryFilter};

/// TCC try, or SAGA action: freezes or burns points of a user who has them.
pub async fn burn(
    tx: &LocalTransaction,
    call: Call<PointsRequest>,
    event: OpEvent,
) -> Result<PointsResponse, Fault> {
    let asked = Move::checked(&call.body)?;
    let Some(account) = purses::lock(tx, &asked.user_id).await? else {
        return Err(Refusal::new(Reason::InsufficientPoints, "the user never had points").into());
    };
    let purse = purses::apply(account.purse(), event, asked.points)?;
    start(tx, &call, &asked, OpKind::Burn, event, (account.seq, purse)).await
}

/// TCC try: notes points to come; opens the user's purse if it is missing.
pub async fn try_earn(tx: &LocalTransaction, call: Call<PointsRequest>) -> Result<PointsResponse, Fault> {
    let asked = Move::checked(&call.body)?;
    let account = purses::lock_or_open(tx, &asked.user_id, call.now_us).await?;
    let purse = purses::apply(account.purse(), OpEvent::TryEarn, asked.points)?;
    start(tx, &call, &asked, OpKind::Earn, OpEvent::TryEarn, (account.seq, purse)).await
}

/// SAGA action behind the pivot: must not refuse, because the money is gone already. What it cannot do is a defect to
/// repair; nothing is remembered, so the next retry succeeds.
pub async fn earn(tx: &LocalTransaction, call: Call<PointsRequest>) -> Result<PointsResponse, Fault> {
    let asked = Move::checked(&call.body).map_err(Fault::Broken)?;
    let account = purses::lock_or_open(tx, &asked.user_id, call.now_us).await?;
    let purse = purses::apply(account.purse(), OpEvent::Earn, asked.points).map_err(Fault::Broken)?;
    start(tx, &call, &asked, OpKind::Earn, OpEvent::Earn, (account.seq, purse)).await
}

/// Confirm, cancel or compensate: moves the branch's op and its user's purse on.
pub async fn finish(
    tx: &LocalTransaction,
    call: Call<PointsRequest>,
    event: OpEvent,
) -> Result<PointsResponse, Fault> {
    let op = find(tx, &call.branch).await?;
    let state = OpState::next(Some(op.op_state()?), event).map_err(illegal)?;
    let Some(account) = purses::lock(tx, &op.user_id).await? else {
        return Err(lost("the op's user has no purse"));
    };
    let purse = purses::apply(account.purse(), event, op.points).map_err(Fault::Broken)?;
    purses::save(tx, account.seq, purse).await?;
    purses::set_state(tx, &op, state).await?;
    Ok(answer(op.op_id, state, purse))
}

async fn start(
    tx: &LocalTransaction,
    call: &Call<PointsRequest>,
    asked: &Move,
    kind: OpKind,
    event: OpEvent,
    (account_seq, purse): (i64, Purse),
) -> Result<PointsResponse, Fault> {
    let state = OpState::next(None, event).map_err(illegal)?;
    purses::save(tx, account_seq, purse).await?;
    let op = points_op::ActiveModel {
        seq: NotSet,
        gid: Set(Some(call.branch.gid.as_str().to_owned())),
        branch_id: Set(Some(call.branch.branch_id.as_str().to_owned())),
        op_id: Set(asked.op_id.clone()),
        kind: Set(kind.stored().to_owned()),
        user_id: Set(asked.user_id.clone()),
        order_id: Set(asked.order_id.clone()),
        points: Set(asked.points),
        basis_minor_units: Set(Some(asked.basis.minor_units)),
        basis_currency: Set(Some(asked.basis.currency.code().to_owned())),
        state: Set(state.stored().to_owned()),
        version: Set(1),
        created_us: Set(call.now_us),
    };
    purses::note(tx, op).await?;
    Ok(answer(asked.op_id.clone(), state, purse))
}

/// The op that the branch's forward call made.
async fn find(tx: &LocalTransaction, branch: &Branch) -> Result<points_op::Model, Fault> {
    tx.one(
        points_op::Entity::find()
            .filter(points_op::Column::Gid.eq(branch.gid.as_str()))
            .filter(points_op::Column::BranchId.eq(branch.branch_id.as_str())),
    )
    .await?
    .ok_or_else(|| lost("the guard knows the branch, but it made no op"))
}

fn answer(op_id: String, state: OpState, purse: Purse) -> PointsResponse {
    PointsResponse { op_id, state: show_state(state).into(), balance_after: purse.balance }
}

fn illegal(error: IllegalTransition) -> Fault {
    lost(&error.to_string())
}

fn lost(text: &str) -> Fault {
    Fault::Broken(Refusal::new(Reason::Broken, text))
}
