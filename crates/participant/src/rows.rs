//! The guard's statements on table `branch_op`, each as cheap as it can be. Decides nothing.

use amends_crash_points::{Place, around};
use amends_dtm::Op;
use amends_serve::store::{LocalTransaction, Reads as _, is_taken};
use prost::Message as _;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveEnum as _, ActiveValue::Set, ColumnTrait as _, DbBackend, DbErr, EntityTrait as _,
    QueryFilter as _, Statement,
};
use tonic::{Code, Status};

use crate::branch::{Branch, Ticket};
use crate::branch_ops::{ActiveModel, Column, Entity, Model, RowStatus};
use crate::hash::lock_key;
use crate::reason::Reason;
use crate::refusal::Refusal;
use crate::verdict::{Body, Held, Phase, Seen, opposite_op};

/// All rows of one branch: at most five.
pub(crate) struct Rows(Vec<Model>);

impl Rows {
    /// Reads them, after every other call of the branch has come to its end.
    pub async fn read(tx: &LocalTransaction, branch: &Branch) -> Result<Rows, DbErr> {
        hold(tx, branch).await?;
        let rows = Entity::find()
            .filter(Column::Gid.eq(branch.gid.as_str()))
            .filter(Column::BranchId.eq(branch.branch_id.as_str()));
        Ok(Rows(tx.all(rows).await?))
    }

    pub fn of(&self, op: Op) -> Option<&Model> {
        self.0.iter().find(|row| row.op == op.as_str())
    }

    /// What the verdict is made from.
    pub fn held(&self, ticket: &Ticket) -> Held {
        let op = ticket.branch.op;
        let seen = |op: Op| -> Seen {
            self.of(op).map(|row| {
                (row.status, if row.request_hash == ticket.hash { Body::Same } else { Body::Other })
            })
        };
        Held { own: seen(op), forward: seen(op.forward()), opposite: opposite_op(op).and_then(seen) }
    }
}

/// Makes transactions about the same branch go one after another.
pub(crate) async fn hold(tx: &LocalTransaction, branch: &Branch) -> Result<(), DbErr> {
    serialise(tx, "branch", &[branch.gid.as_str(), branch.branch_id.as_str()]).await
}

/// Makes calls with the same names go one after another. On SQLite they do already: `begin` took the write lock.
/// On PostgreSQL the lock is the transaction's, and waiting ends with the connection's `lock_timeout`.
pub(crate) async fn serialise(tx: &LocalTransaction, kind: &str, names: &[&str]) -> Result<(), DbErr> {
    if tx.backend() != DbBackend::Postgres {
        return Ok(());
    }
    let key = lock_key(&[&[kind], names].concat());
    let lock = format!("SELECT pg_advisory_xact_lock({key})");
    tx.statement(Statement::from_string(DbBackend::Postgres, lock)).await.map(drop)
}

/// What a new row says of the outcome.
pub(crate) enum Outcome<'a> {
    Running,
    Done(Vec<u8>),
    Refused(&'a str, &'a Status),
    Tombstone,
}

impl Outcome<'_> {
    fn columns(self) -> (RowStatus, Code, Option<String>, Option<Vec<u8>>) {
        match self {
            Outcome::Running => (RowStatus::Running, Code::Unknown, None, None),
            Outcome::Done(response) => (RowStatus::Done, Code::Ok, None, Some(response)),
            Outcome::Refused(reason, status) => {
                (RowStatus::Refused, status.code(), Some(reason.to_owned()), Some(status.details().to_vec()))
            }
            Outcome::Tombstone => (RowStatus::Tombstone, Code::Aborted, None, None),
        }
    }
}

/// A row for `op` of the ticket's branch.
pub(crate) fn row(ticket: &Ticket, op: Op, outcome: Outcome<'_>, now_us: i64) -> ActiveModel {
    let (status, code, reason, response) = outcome.columns();
    let branch = &ticket.branch;
    ActiveModel {
        gid: Set(branch.gid.as_str().to_owned()),
        branch_id: Set(branch.branch_id.as_str().to_owned()),
        op: Set(op.as_str().to_owned()),
        trans_type: Set(branch.trans_type.as_str().to_owned()),
        method: Set(branch.method.to_string()),
        phase: Set(ticket.phase.as_str().to_owned()),
        request_hash: Set(ticket.hash.clone()),
        status: Set(status),
        code: Set(code as i32),
        reason: Set(reason),
        response: Set(response),
        created_at_us: Set(now_us),
    }
}

/// Why a row was not made.
pub(crate) enum NotMade {
    /// Another call of the same branch was first.
    Taken,
    Store(DbErr),
}

/// Makes the rows in one statement and commits.
pub(crate) async fn keep(tx: LocalTransaction, rows: Vec<ActiveModel>) -> Result<(), NotMade> {
    let made = tx.run(Entity::insert_many(rows)).await;
    match made {
        Ok(_) => around!(Place::Guard, tx.commit().await).map_err(NotMade::Store),
        Err(error) => {
            roll_back(tx).await;
            Err(if is_taken(&error) { NotMade::Taken } else { NotMade::Store(error) })
        }
    }
}

/// Turns the forward row from RUNNING into its end; false if it is not RUNNING (any more).
pub(crate) async fn end_running(
    tx: &LocalTransaction,
    branch: &Branch,
    outcome: Outcome<'_>,
) -> Result<bool, DbErr> {
    let (status, code, reason, response) = outcome.columns();
    let updated = tx
        .run(
            Entity::update_many()
                .col_expr(Column::Status, Expr::value(status.to_value()))
                .col_expr(Column::Code, Expr::value(code as i32))
                .col_expr(Column::Reason, Expr::value(reason))
                .col_expr(Column::Response, Expr::value(response))
                .filter(Column::Gid.eq(branch.gid.as_str()))
                .filter(Column::BranchId.eq(branch.branch_id.as_str()))
                .filter(Column::Op.eq(branch.op.as_str()))
                .filter(Column::Status.eq(RowStatus::Running)),
        )
        .await?;
    Ok(updated == 1)
}

/// The undo of a forward call that is still outside has ended: nobody may wait for the call any more.
pub(crate) async fn close_running(tx: &LocalTransaction, forward: &Branch) -> Result<bool, DbErr> {
    let refusal = Refusal::new(Reason::BranchClosed, "the branch was undone before its forward call ended");
    let status = refusal.into_branch_status(Phase::Forward);
    end_running(tx, forward, Outcome::Refused(Reason::BranchClosed.as_str(), &status)).await
}

/// Forgets a forward call that provably never left; false if it is not RUNNING (any more).
pub(crate) async fn forget_running(tx: &LocalTransaction, branch: &Branch) -> Result<bool, DbErr> {
    let deleted = tx
        .run(
            Entity::delete_many()
                .filter(Column::Gid.eq(branch.gid.as_str()))
                .filter(Column::BranchId.eq(branch.branch_id.as_str()))
                .filter(Column::Op.eq(branch.op.as_str()))
                .filter(Column::Status.eq(RowStatus::Running)),
        )
        .await?;
    Ok(deleted == 1)
}

/// A failure to roll back changes nothing: a transaction that is not committed has no effect.
pub(crate) async fn roll_back(tx: LocalTransaction) {
    if let Err(error) = tx.rollback().await {
        tracing::warn!(%error, "rollback");
    }
}

/// The stored refusal as it was first answered.
pub(crate) fn stored_status(row: &Model) -> Status {
    let details = row.response.clone().unwrap_or_default();
    let message = tonic_types::pb::Status::decode(details.as_slice()).map(|status| status.message);
    let message = message.unwrap_or_else(|_| format!("{}|", row.reason.as_deref().unwrap_or_default()));
    Status::with_details(Code::from_i32(row.code), message, details.into())
}
