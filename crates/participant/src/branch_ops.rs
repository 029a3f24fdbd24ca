//! Table `branch_op`: what the guard remembers, and how checkers read it. Decides nothing.

use amends_proto::pay::branch::v1::{BranchOp, BranchOpStatus, ListBranchOpsRequest, ListBranchOpsResponse};
use amends_serve::store::Store;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{QueryOrder as _, QuerySelect as _};
use tonic::Status;

use crate::fields;
use crate::reason::Reason;
use crate::refusal::{Fault, Refusal};

/// State of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum RowStatus {
    /// A forward call is outside; its outcome is open.
    #[sea_orm(string_value = "running")]
    Running,
    /// It succeeded; `response` is the answer.
    #[sea_orm(string_value = "done")]
    Done,
    /// It was refused; `response` is the `google.rpc.Status` of the answer.
    #[sea_orm(string_value = "refused")]
    Refused,
    /// The undo came first; the forward call is refused when it comes.
    #[sea_orm(string_value = "tombstone")]
    Tombstone,
}

/// What the guard remembers of one op of one branch. Kept at least 400 days.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "branch_op")]
pub struct Model {
    /// The global transaction.
    #[sea_orm(primary_key, auto_increment = false)]
    pub gid: String,
    /// The branch in it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub branch_id: String,
    /// The op of the branch.
    #[sea_orm(primary_key, auto_increment = false)]
    pub op: String,
    /// Kind of global transaction.
    pub trans_type: String,
    /// Full name of the method.
    pub method: String,
    /// `forward`, `confirm` or `undo`: the phase of the call that made the row (of a tombstone: `undo`).
    pub phase: String,
    /// SHA-256 of the request.
    pub request_hash: Vec<u8>,
    /// State.
    pub status: RowStatus,
    /// gRPC code of the answer; 2 while there is none.
    pub code: i32,
    /// Reason of a refusal.
    pub reason: Option<String>,
    /// The answer, see [`RowStatus`].
    pub response: Option<Vec<u8>>,
    /// When the row was made.
    pub created_at_us: i64,
}

/// The guard's rows belong to no other table.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// `ListBranchOps` of every participant: the rows in the order in which they were made, page by page.
pub async fn list(store: &Store, request: ListBranchOpsRequest) -> Result<ListBranchOpsResponse, Status> {
    page(store, request).await.map_err(Fault::into_direct_status)
}

async fn page(store: &Store, request: ListBranchOpsRequest) -> Result<ListBranchOpsResponse, Fault> {
    let limit = fields::page_size(request.limit)?;
    let mut query = Entity::find();
    if !request.gid.is_empty() {
        query = query.filter(Column::Gid.eq(fields::uuid7(&request.gid, "gid")?));
    }
    if !request.cursor.is_empty() {
        query = query.filter(after(&request.cursor)?);
    }
    let ordered = query
        .order_by_asc(Column::CreatedAtUs)
        .order_by_asc(Column::Gid)
        .order_by_asc(Column::BranchId)
        .order_by_asc(Column::Op);
    let rows = ordered.limit(limit).all(store.reader()).await?;
    let full = u64::try_from(rows.len()) == Ok(limit);
    let next_cursor = rows.last().filter(|_| full).map(cursor_of).unwrap_or_default();
    Ok(ListBranchOpsResponse { branch_ops: rows.into_iter().map(to_wire).collect(), next_cursor })
}

fn cursor_of(row: &Model) -> String {
    format!("{},{},{},{}", row.created_at_us, row.gid, row.branch_id, row.op)
}

/// Rows behind the cursor. The first condition alone is what an index can use.
fn after(cursor: &str) -> Result<sea_orm::Condition, Refusal> {
    let bad = || Refusal::new(Reason::InvalidRequest, "cursor: not one of ours");
    let parts: Vec<&str> = cursor.split(',').collect();
    let &[at, gid, branch_id, op] = parts.as_slice() else { return Err(bad()) };
    let at: i64 = at.parse().map_err(|_| bad())?;
    let same_gid = Column::Gid.eq(gid);
    let same_branch = same_gid.clone().and(Column::BranchId.eq(branch_id));
    let behind = Column::CreatedAtUs
        .gt(at)
        .or(Column::Gid.gt(gid))
        .or(same_gid.and(Column::BranchId.gt(branch_id)))
        .or(same_branch.and(Column::Op.gt(op)));
    Ok(sea_orm::Condition::all().add(Column::CreatedAtUs.gte(at)).add(behind))
}

fn to_wire(row: Model) -> BranchOp {
    let status = match row.status {
        RowStatus::Running => BranchOpStatus::Running,
        RowStatus::Done => BranchOpStatus::Done,
        RowStatus::Refused => BranchOpStatus::Refused,
        RowStatus::Tombstone => BranchOpStatus::Tombstone,
    };
    BranchOp {
        gid: row.gid,
        branch_id: row.branch_id,
        op: row.op,
        trans_type: row.trans_type,
        method: row.method,
        phase: row.phase,
        status: status.into(),
        reason: row.reason.unwrap_or_default(),
        request_hash: hex::encode(row.request_hash),
        created_at: Some(fields::timestamp(row.created_at_us)),
    }
}
