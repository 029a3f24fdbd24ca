//! Rows of the account database, as SeaORM sees them, and how the words of the domain are spelt in them.
//! Knows no rules.

use crate::balances::Balances;
use crate::state::{AccountState, HoldState};
use sea_orm::DbErr;

/// What kind of account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKind {
    /// A user's own money; floor 0.
    UserWallet,
    /// A merchant's; its floor may be negative.
    Merchant,
    /// Funding, suspense, receivables; no floor.
    Internal,
}

pub mod account {
    //! One account with its four sums.
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "account")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub seq: i64,
        #[sea_orm(unique)]
        pub account_id: String,
        pub owner: String,
        pub kind: String,
        pub currency: String,
        pub debits_pending: i64,
        pub debits_posted: i64,
        pub credits_pending: i64,
        pub credits_posted: i64,
        pub floor: Option<i64>,
        pub state: String,
        pub version: i64,
        pub created_us: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod hold {
    //! What one branch set aside or moved.
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "hold")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub seq: i64,
        pub gid: String,
        pub branch_id: String,
        pub transfer_id: String,
        pub debit_account_id: String,
        pub credit_account_id: String,
        pub amount: i64,
        pub currency: String,
        pub reversed: i64,
        pub state: String,
        pub code: String,
        pub order_id: String,
        pub expires_us: Option<i64>,
        pub version: i64,
        pub created_us: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod entry {
    //! One line of the double entry ledger; never updated.
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "entry")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub seq: i64,
        pub txn_id: String,
        pub line: i64,
        pub debit_account_id: String,
        pub credit_account_id: String,
        pub amount: i64,
        pub currency: String,
        pub code: String,
        pub source: String,
        pub source_id: String,
        pub corrects: Option<String>,
        pub created_us: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

impl account::Model {
    /// The four sums.
    pub fn balances(&self) -> Balances {
        Balances {
            debits_pending: self.debits_pending,
            debits_posted: self.debits_posted,
            credits_pending: self.credits_pending,
            credits_posted: self.credits_posted,
        }
    }

    /// Puts other sums in.
    pub fn set_balances(&mut self, balances: Balances) {
        self.debits_pending = balances.debits_pending;
        self.debits_posted = balances.debits_posted;
        self.credits_pending = balances.credits_pending;
        self.credits_posted = balances.credits_posted;
    }

    /// The state as the domain names it.
    pub fn account_state(&self) -> Result<AccountState, DbErr> {
        match self.state.as_str() {
            "open" => Ok(AccountState::Open),
            "frozen" => Ok(AccountState::Frozen),
            "closed" => Ok(AccountState::Closed),
            other => Err(unreadable("account.state", other)),
        }
    }

    /// The kind as the domain names it.
    pub fn account_kind(&self) -> Result<AccountKind, DbErr> {
        match self.kind.as_str() {
            "user_wallet" => Ok(AccountKind::UserWallet),
            "merchant" => Ok(AccountKind::Merchant),
            "internal" => Ok(AccountKind::Internal),
            other => Err(unreadable("account.kind", other)),
        }
    }
}

impl hold::Model {
    /// The state as the domain names it.
    pub fn hold_state(&self) -> Result<HoldState, DbErr> {
        match self.state.as_str() {
            "held" => Ok(HoldState::Held),
            "settled" => Ok(HoldState::Settled { reversed: self.reversed }),
            "released" => Ok(HoldState::Released),
            other => Err(unreadable("hold.state", other)),
        }
    }
}

impl AccountKind {
    /// How the store spells it.
    pub fn stored(self) -> &'static str {
        match self {
            AccountKind::UserWallet => "user_wallet",
            AccountKind::Merchant => "merchant",
            AccountKind::Internal => "internal",
        }
    }
}

impl AccountState {
    /// How the store spells it.
    pub fn stored(self) -> &'static str {
        match self {
            AccountState::Open => "open",
            AccountState::Frozen => "frozen",
            AccountState::Closed => "closed",
        }
    }
}

impl HoldState {
    /// How the store spells it.
    pub fn stored(self) -> &'static str {
        match self {
            HoldState::Held => "held",
            HoldState::Settled { .. } => "settled",
            HoldState::Released => "released",
        }
    }

    /// What was given back so far.
    pub fn reversed(self) -> i64 {
        match self {
            HoldState::Held | HoldState::Released => 0,
            HoldState::Settled { reversed } => reversed,
        }
    }
}

fn unreadable(column: &str, value: &str) -> DbErr {
    DbErr::Custom(format!("{column} holds {value:?}"))
}
