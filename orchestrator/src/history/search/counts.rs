//! How many there are: by definition and status, by cause of attention, and since when the oldest is open.

use super::super::entity::{attention, global_transaction};
use super::super::reader::HistoryReader;
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{
    DbErr, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

/// So many of one definition have one status.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct StatusCount {
    /// Which deed.
    pub definition: String,
    /// Short lower-case status.
    pub status: String,
    /// How many.
    pub count: i64,
}

/// So many needs for a person have one cause.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct CauseCount {
    /// Short name of the cause.
    pub cause: String,
    /// How many.
    pub count: i64,
    /// The oldest of them, unix microseconds.
    pub oldest_us: i64,
}

/// What there is now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// By definition and status.
    pub statuses: Vec<StatusCount>,
    /// Needs for a person, by cause.
    pub causes: Vec<CauseCount>,
    /// Paused by themselves.
    pub paused: i64,
    /// Start of the oldest that has not ended, unix microseconds.
    pub oldest_open_us: Option<i64>,
}

impl HistoryReader {
    /// Counts everything. It walks through an index of all rows: not for every second.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn counts(&self) -> Result<Counts, DbErr> {
        use attention::Column as Need;
        use global_transaction::Column;
        let connection = self.connection();
        let number = || Expr::expr(Func::count(Expr::cust("*")));
        let statuses = global_transaction::Entity::find()
            .select_only()
            .columns([Column::Definition, Column::Status])
            .column_as(number(), "count")
            .group_by(Column::Definition)
            .group_by(Column::Status)
            .order_by_asc(Column::Definition)
            .order_by_asc(Column::Status);
        let causes = attention::Entity::find()
            .select_only()
            .column(Need::Cause)
            .column_as(number(), "count")
            .column_as(Expr::expr(Func::min(Expr::col(Need::SinceUs))), "oldest_us")
            .group_by(Need::Cause)
            .order_by_asc(Need::Cause);
        let open = || global_transaction::Entity::find().filter(Expr::col(Column::IsOpen));
        let paused = open().select_only().column_as(number(), "count").filter(Expr::col(Column::Paused));
        let oldest = open().select_only().column(Column::CreatedAtUs).order_by_asc(Column::Gid).limit(1);
        Ok(Counts {
            statuses: statuses.into_model().all(connection).await?,
            causes: causes.into_model().all(connection).await?,
            paused: paused.into_tuple().one(connection).await?.unwrap_or(0),
            oldest_open_us: oldest.into_tuple().one(connection).await?,
        })
    }
}
