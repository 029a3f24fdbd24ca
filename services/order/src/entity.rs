//! Rows of the table `orders`. Knows the words that are stored, not what an order may become.
use crate::state::State;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// An order as stored.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    /// The order in which orders were recorded.
    #[sea_orm(primary_key)]
    pub seq: i64,
    /// `UUIDv7` chosen by the caller.
    pub order_id: String,
    /// Whose order it is.
    pub merchant_id: String,
    /// The merchant's own number, unique for each merchant.
    pub out_trade_no: String,
    /// Who ordered.
    pub user_id: String,
    /// What was ordered.
    #[sea_orm(column_type = "JsonBinary")]
    pub lines: Lines,
    /// Currency of every amount of the order.
    pub currency: String,
    /// Sum of the lines.
    pub total_minor: i64,
    /// What was paid: 0 or the total.
    pub paid_minor: i64,
    /// What went back.
    pub refunded_minor: i64,
    /// Word of the state, see [`Model::state`].
    pub state: String,
    /// The payment that paid it, if one was named.
    pub payment_id: Option<String>,
    /// The global transaction that placed it.
    pub gid: String,
    /// The branch that placed it.
    pub branch_id: String,
    /// When it was recorded.
    pub created_at_us: i64,
    /// When it last changed.
    pub updated_at_us: i64,
    /// Until when it is to be paid.
    pub pay_until_us: i64,
    /// Counts the changes; an update names the version it saw.
    pub version: i64,
}

/// No other table belongs to an order.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The lines of an order, kept in the order in which they came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Lines(pub Vec<Line>);

/// One line; its currency is the order's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What.
    pub sku: String,
    /// How many.
    pub quantity: i64,
    /// Price of one.
    pub unit_price_minor: i64,
}

impl Model {
    /// The stored state.
    ///
    /// # Errors
    /// The stored word names no state: the row was written by something else.
    pub fn state(&self) -> Result<State, DbErr> {
        State::parse(&self.state).ok_or_else(|| DbErr::Type(format!("order state {:?}", self.state)))
    }
}
