//! Names of the metadata that travels with every branch call.

/// Gid of the global transaction.
pub const GID: &str = "dtm-gid";
/// Kind of the global transaction, see [`TransType`](crate::TransType).
pub const TRANS_TYPE: &str = "dtm-trans_type";
/// The branch, see [`BranchId`](crate::BranchId).
pub const BRANCH_ID: &str = "dtm-branch_id";
/// What the branch shall do, see [`Op`](crate::Op).
pub const OP: &str = "dtm-op";
/// Proof that whoever calls knows the plan, see [`plan_mac`](crate::plan_mac).
pub const PLAN_MAC: &str = "pay-plan-mac";
