//! Everything that the checkers look at, as it was read: plain data, and how each global transaction ended. Knows
//! no network and no clock; `read.rs` fills it.
use amends_proto::amends::v1::{GlobalTransaction, Status};
use amends_proto::pay::account::v1::{Account, Entry, Hold};
use amends_proto::pay::branch::v1::{BranchOp, BranchOpStatus};
use amends_proto::pay::gateway::v1::{Attempt, InDoubtItem, Payment};
use amends_proto::pay::inventory::v1::{Reservation, Stock};
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::order::v1::Order;
use amends_proto::pay::points::v1::{PointsAccount, PointsOp};
use amends_proto::pay::psp::v1::Fact;
use std::collections::BTreeMap;

/// All rows of all services, the history's view, the coordinator's and the PSP's.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// When the reading began, unix microseconds.
    pub read_at_us: i64,
    /// Global transactions with their steps, by gid: a fold of history.
    pub transactions: BTreeMap<String, GlobalTransaction>,
    /// What DTM itself says, by gid; `None` = no DTM is configured.
    pub dtm: Option<BTreeMap<String, CoordinatorStatus>>,
    /// Rows of the branch guard, by name of the participant.
    pub branch_ops: BTreeMap<String, Vec<BranchOp>>,
    /// Of the order service.
    pub orders: Vec<Order>,
    /// Of the account service.
    pub accounts: Vec<Account>,
    /// The double entries of the account service.
    pub entries: Vec<Entry>,
    /// Of the account service.
    pub holds: Vec<Hold>,
    /// Of the inventory service.
    pub stock: Vec<Stock>,
    /// Of the inventory service.
    pub reservations: Vec<Reservation>,
    /// Of the points service.
    pub points_accounts: Vec<PointsAccount>,
    /// Of the points service.
    pub points_ops: Vec<PointsOp>,
    /// Of the gateway.
    pub payments: Vec<Payment>,
    /// Of the gateway.
    pub attempts: Vec<Attempt>,
    /// Of the gateway.
    pub in_doubt: Vec<InDoubtItem>,
    /// What the PSP stands for: the truth about cards.
    pub facts: Vec<Fact>,
}

/// What DTM says of a global transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoordinatorStatus {
    /// Not finished, or turned back for a while (dtm.md D22).
    Open,
    /// It says that all is done.
    Succeeded,
    /// It says that all is undone.
    Failed,
}

/// How a global transaction ended, by history or, for foreign ones, by DTM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All steps hold.
    Applied,
    /// All steps are undone or never happened.
    Undone,
    /// Not final: nothing may be concluded.
    Open,
    /// Neither history nor DTM knows the gid, e.g. a branch called by hand.
    Foreign,
}

impl Snapshot {
    /// How the global transaction ended. History decides; DTM is asked for what history does not know.
    #[must_use]
    pub fn ending(&self, gid: &str) -> Ending {
        if let Some(transaction) = self.transactions.get(gid) {
            return match transaction.status() {
                Status::Succeeded => Ending::Applied,
                Status::Failed | Status::Cancelled => Ending::Undone,
                Status::Unspecified | Status::Accepted | Status::Running | Status::Compensating => {
                    Ending::Open
                }
            };
        }
        match self.dtm.as_ref().and_then(|entries| entries.get(gid)) {
            Some(CoordinatorStatus::Succeeded) => Ending::Applied,
            Some(CoordinatorStatus::Failed) => Ending::Undone,
            Some(CoordinatorStatus::Open) => Ending::Open,
            None => Ending::Foreign,
        }
    }

    /// True once the global transaction can no longer change.
    #[must_use]
    pub fn is_final(&self, gid: &str) -> bool {
        matches!(self.ending(gid), Ending::Applied | Ending::Undone)
    }

    /// The guard's rows of every participant, grouped by (participant, gid).
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        let mut rows = Rows::new();
        for (participant, ops) in &self.branch_ops {
            // Also where there is none: who was asked and has lost everything is not who was never asked.
            let branch = rows.entry(participant.as_str()).or_default();
            for op in ops {
                branch.insert((op.gid.as_str(), op.branch_id.as_str(), op.op.as_str()), op.status());
            }
        }
        rows
    }
}

/// participant → (gid, branch_id, op) → state.
pub type Rows<'s> = BTreeMap<&'s str, BTreeMap<(&'s str, &'s str, &'s str), BranchOpStatus>>;

/// Minor units, wide enough for sums; an absent amount is 0.
#[must_use]
pub fn minor(money: Option<&Money>) -> i128 {
    money.map_or(0, |money| i128::from(money.minor_units))
}

/// The currency; an absent amount has none.
#[must_use]
pub fn currency(money: Option<&Money>) -> &str {
    money.map_or("", |money| money.currency.as_str())
}
