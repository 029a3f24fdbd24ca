//! Rows of the table `stock`: received + returned = on_hand + sold, and 0 ≤ reserved ≤ on_hand.
use sea_orm::entity::prelude::*;

/// Stock of one sku.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stock")]
pub struct Model {
    /// Name of the goods.
    #[sea_orm(primary_key, auto_increment = false)]
    pub sku: String,
    /// Ever taken in.
    pub received: i64,
    /// In the house now, set aside or not.
    pub on_hand: i64,
    /// Set aside for somebody.
    pub reserved: i64,
    /// Ever given out.
    pub sold: i64,
    /// Ever come back.
    pub returned: i64,
    /// Counts the changes.
    pub version: i64,
}

/// No other table belongs to a sku.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
