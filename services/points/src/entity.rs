//! Rows of the points database, as SeaORM sees them, and how the words of the domain are spelt in them.
//! Knows no rules.

use crate::purse::Purse;
use crate::state::OpState;
use sea_orm::DbErr;

/// Which way the points go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpKind {
    /// From the user.
    Burn,
    /// To the user.
    Earn,
    /// To the user, given outside of any order.
    Grant,
}

pub mod points_account {
    //! The points of one user.
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "points_account")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub seq: i64,
        #[sea_orm(unique)]
        pub user_id: String,
        pub balance: i64,
        pub frozen: i64,
        pub pending_earn: i64,
        pub debt: i64,
        pub version: i64,
        pub created_us: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod points_op {
    //! What one branch, or one grant, did with points.
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "points_op")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub seq: i64,
        pub gid: Option<String>,
        pub branch_id: Option<String>,
        pub op_id: String,
        pub kind: String,
        pub user_id: String,
        pub order_id: String,
        pub points: i64,
        pub basis_minor_units: Option<i64>,
        pub basis_currency: Option<String>,
        pub state: String,
        pub version: i64,
        pub created_us: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

impl points_account::Model {
    /// The user's points.
    pub fn purse(&self) -> Purse {
        Purse { balance: self.balance, frozen: self.frozen, pending_earn: self.pending_earn, debt: self.debt }
    }
}

impl points_op::Model {
    /// The state as the domain names it.
    pub fn op_state(&self) -> Result<OpState, DbErr> {
        OpState::ALL
            .into_iter()
            .find(|state| state.stored() == self.state)
            .ok_or_else(|| DbErr::Custom(format!("points_op.state holds {:?}", self.state)))
    }

    /// The kind as the domain names it.
    pub fn op_kind(&self) -> Result<OpKind, DbErr> {
        [OpKind::Burn, OpKind::Earn, OpKind::Grant]
            .into_iter()
            .find(|kind| kind.stored() == self.kind)
            .ok_or_else(|| DbErr::Custom(format!("points_op.kind holds {:?}", self.kind)))
    }
}

impl OpKind {
    /// How the store spells it.
    pub fn stored(self) -> &'static str {
        match self {
            OpKind::Burn => "burn",
            OpKind::Earn => "earn",
            OpKind::Grant => "grant",
        }
    }
}

impl OpState {
    /// How the store spells it.
    pub fn stored(self) -> &'static str {
        match self {
            OpState::Frozen => "frozen",
            OpState::Burnt => "burnt",
            OpState::Thawed => "thawed",
            OpState::Returned => "returned",
            OpState::Pending => "pending",
            OpState::Earned => "earned",
            OpState::Voided => "voided",
            OpState::Revoked => "revoked",
        }
    }
}
