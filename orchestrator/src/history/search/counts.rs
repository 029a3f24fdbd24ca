//! How many there are: by definition and status, by cause of attention, and since when the oldest is open.

use super::super::entity::{attention, global_transaction, shape};
use super::super::reader::HistoryReader;
use crate::filter::STATUSES;
use sea_orm::sea_query::{Expr, ExprTrait as _, Func};
use sea_orm::{
    ColumnTrait as _, DatabaseTransaction, DbErr, EntityTrait as _, FromQueryResult, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use std::collections::{BTreeMap, HashMap};

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
    /// Counts everything, at one moment. How many have which shape is read from an index; only rows of deeds that did
    /// not succeed are looked at one by one, and those that began before there were shapes.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn counts(&self) -> Result<Counts, DbErr> {
        use global_transaction::Column;
        let moment = self.moment().await?;
        let shapes: HashMap<i64, String> = shape::Entity::find()
            .select_only()
            .columns([shape::Column::Id, shape::Column::Definition])
            .into_tuple()
            .all(&moment)
            .await?
            .into_iter()
            .collect();
        let of_shapes = global_transaction::Entity::find()
            .select_only()
            .column(Column::Shape)
            .column_as(number(), "count")
            .group_by(Column::Shape);
        let of_shapes: Vec<(i64, i64)> = of_shapes.into_tuple().all(&moment).await?;
        let (known, unknown): (Vec<_>, Vec<_>) =
            of_shapes.into_iter().partition(|(id, _)| shapes.contains_key(id));
        let ids = |some: &[(i64, i64)]| some.iter().map(|(id, _)| *id).collect::<Vec<i64>>();
        let others = STATUSES.iter().filter(|status| **status != SUCCEEDED).copied();
        let others = Column::Status.is_in(others).and(Column::Shape.is_in(ids(&known)));
        let mut statuses = by_status(&moment, others).await?;
        let mut succeeded: BTreeMap<&str, i64> = BTreeMap::new();
        for (id, count) in &known {
            *succeeded.entry(&shapes[id]).or_default() += count;
        }
        for other in &statuses {
            *succeeded.entry(&other.definition).or_default() -= other.count;
        }
        let succeeded = succeeded.into_iter().map(|(definition, count)| StatusCount {
            definition: definition.to_owned(),
            status: SUCCEEDED.to_owned(),
            count,
        });
        let succeeded: Vec<StatusCount> = succeeded.filter(|one| one.count > 0).collect();
        statuses.extend(succeeded);
        if !unknown.is_empty() {
            statuses.extend(by_status(&moment, Column::Shape.is_in(ids(&unknown))).await?);
        }
        needs(moment, merged(statuses)).await
    }

    /// Counts what has not ended, and what needs a person, at one moment: only few rows are looked at, however many
    /// have ended.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn open_counts(&self) -> Result<Counts, DbErr> {
        let moment = self.moment().await?;
        let open = by_status(&moment, Expr::col(global_transaction::Column::IsOpen)).await?;
        needs(moment, merged(open)).await
    }
}

const SUCCEEDED: &str = "succeeded";

fn number() -> Expr {
    Expr::expr(Func::count(Expr::cust("*")))
}

async fn by_status(moment: &DatabaseTransaction, of: Expr) -> Result<Vec<StatusCount>, DbErr> {
    use global_transaction::Column;
    global_transaction::Entity::find()
        .select_only()
        .columns([Column::Definition, Column::Status])
        .column_as(number(), "count")
        .filter(of)
        .group_by(Column::Definition)
        .group_by(Column::Status)
        .into_model()
        .all(moment)
        .await
}

/// One figure for each definition and status, in order.
fn merged(counts: Vec<StatusCount>) -> Vec<StatusCount> {
    let mut merged: BTreeMap<(String, String), i64> = BTreeMap::new();
    for one in counts {
        *merged.entry((one.definition, one.status)).or_default() += one.count;
    }
    let figure = |((definition, status), count)| StatusCount { definition, status, count };
    merged.into_iter().map(figure).collect()
}

/// The figures with those of the few rows that have indexes of their own; with them the moment ends.
async fn needs(moment: DatabaseTransaction, statuses: Vec<StatusCount>) -> Result<Counts, DbErr> {
    use attention::Column as Need;
    use global_transaction::Column;
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
    let counts = Counts {
        statuses,
        causes: causes.into_model().all(&moment).await?,
        paused: paused.into_tuple().one(&moment).await?.unwrap_or(0),
        oldest_open_us: oldest.into_tuple().one(&moment).await?,
    };
    moment.commit().await?;
    Ok(counts)
}
