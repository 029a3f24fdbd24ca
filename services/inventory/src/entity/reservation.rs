//! Rows of the table `reservation`: what one branch set aside or took.
use crate::state::State;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A reservation as stored.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "reservation")]
pub struct Model {
    /// The order in which reservations were made.
    #[sea_orm(primary_key)]
    pub seq: i64,
    /// The global transaction it belongs to.
    pub gid: String,
    /// Its branch; with the gid the key of the reservation.
    pub branch_id: String,
    /// `UUIDv7` chosen by the caller.
    pub reservation_id: String,
    /// For which order.
    pub order_id: String,
    /// What, in the order of the skus.
    #[sea_orm(column_type = "JsonBinary")]
    pub lines: Lines,
    /// Word of the state, see [`Model::state`].
    pub state: String,
    /// When it was made.
    pub created_at_us: i64,
    /// When it last changed.
    pub updated_at_us: i64,
    /// From when on somebody looks after it; it never ends by itself.
    pub expires_at_us: i64,
    /// Counts the changes; an update names the version it saw.
    pub version: i64,
}

/// No other table belongs to a reservation.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Lines in the order of their skus, each sku once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Lines(pub Vec<Line>);

/// How many of one sku.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What.
    pub sku: String,
    /// How many.
    pub quantity: i64,
}

impl Model {
    /// The stored state.
    ///
    /// # Errors
    /// The stored word names no state: the row was written by something else.
    pub fn state(&self) -> Result<State, DbErr> {
        State::parse(&self.state).ok_or_else(|| DbErr::Type(format!("reservation state {:?}", self.state)))
    }
}
