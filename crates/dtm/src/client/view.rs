//! What DTM says about global transactions, as its HTTP queries answer in JSON.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::DtmError;

/// DTM's status of a global transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DtmStatus {
    /// Opened, not decided.
    Prepared,
    /// Going forward.
    Submitted,
    /// Being undone.
    Aborting,
    /// Ended; with confirms missing it is said too.
    Succeed,
    /// Ended by undoing, or stopped by an operator.
    Failed,
}

impl DtmStatus {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            DtmStatus::Prepared => "prepared",
            DtmStatus::Submitted => "submitted",
            DtmStatus::Aborting => "aborting",
            DtmStatus::Succeed => "succeed",
            DtmStatus::Failed => "failed",
        }
    }

    /// Whether DTM does no more for it.
    pub fn is_final(self) -> bool {
        match self {
            DtmStatus::Succeed | DtmStatus::Failed => true,
            DtmStatus::Prepared | DtmStatus::Submitted | DtmStatus::Aborting => false,
        }
    }
}

/// DTM's status of one op of a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BranchStatus {
    /// Not done.
    Prepared,
    /// Done.
    Succeed,
    /// Refused.
    Failed,
}

/// A global transaction with its branches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DtmView {
    /// Its kind, in DTM's word.
    pub trans_type: String,
    /// Its status.
    pub status: DtmStatus,
    /// Why it was rolled back; empty if it was not.
    pub rollback_reason: String,
    /// Seconds between polls now; DTM doubles them on unknown outcomes.
    pub next_cron_interval_s: i64,
    /// When DTM polls it next, RFC 3339; it stays after the end.
    pub next_cron_time: Option<String>,
    /// Every op of every branch, in DTM's order.
    pub branches: Vec<DtmBranch>,
}

/// One op of a branch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DtmBranch {
    /// The branch, in DTM's word.
    pub branch_id: String,
    /// The op, in DTM's word.
    pub op: String,
    /// Its status.
    pub status: BranchStatus,
    /// What DTM calls.
    #[serde(default)]
    pub url: String,
}

/// One page of global transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DtmPage {
    /// What is on it; foreign initiators may have gids of any form.
    pub transactions: Vec<DtmSummary>,
    /// Where the next page begins; none behind the last.
    pub next_position: Option<String>,
}

/// A global transaction in a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DtmSummary {
    /// Its gid.
    pub gid: String,
    /// Its kind, in DTM's word.
    pub trans_type: String,
    /// Its status.
    pub status: DtmStatus,
    /// When DTM first heard of it, RFC 3339.
    pub create_time: Option<String>,
    /// When it changed last, RFC 3339.
    pub update_time: Option<String>,
}

/// What a wake-up did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Woken {
    /// How many waiting global transactions it reached.
    pub succeed_count: i64,
    /// Whether there are more.
    pub has_remaining: bool,
}

#[derive(Deserialize)]
struct QueryAnswer {
    transaction: Option<TransactionAnswer>,
    branches: Option<Vec<DtmBranch>>,
}

#[derive(Deserialize)]
struct TransactionAnswer {
    trans_type: String,
    status: DtmStatus,
    #[serde(default)]
    rollback_reason: String,
    #[serde(default)]
    next_cron_interval: i64,
    next_cron_time: Option<String>,
}

#[derive(Deserialize)]
struct PageAnswer {
    transactions: Option<Vec<DtmSummary>>,
    #[serde(default)]
    next_position: String,
}

#[derive(Deserialize)]
struct VersionAnswer {
    version: String,
}

pub(super) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, DtmError> {
    serde_json::from_slice(json).map_err(|error| DtmError::Protocol(error.to_string()))
}

pub(super) fn read_version(json: &[u8]) -> Result<String, DtmError> {
    Ok(read::<VersionAnswer>(json)?.version)
}

pub(super) fn read_view(json: &[u8]) -> Result<Option<DtmView>, DtmError> {
    let answer: QueryAnswer = read(json)?;
    Ok(answer.transaction.map(|transaction| DtmView {
        trans_type: transaction.trans_type,
        status: transaction.status,
        rollback_reason: transaction.rollback_reason,
        next_cron_interval_s: transaction.next_cron_interval,
        next_cron_time: transaction.next_cron_time,
        branches: answer.branches.unwrap_or_default(),
    }))
}

pub(super) fn read_page(json: &[u8]) -> Result<DtmPage, DtmError> {
    let answer: PageAnswer = read(json)?;
    Ok(DtmPage {
        transactions: answer.transactions.unwrap_or_default(),
        next_position: Some(answer.next_position).filter(|position| !position.is_empty()),
    })
}
