//! Lists what is open, of all replicas, oldest first. Reads rows that the history's writer keeps; never writes.

use crate::history::entity::{attention, global_transaction};
use amends_serve::store::Store;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, Condition, DbErr, EntityTrait as _, FromQueryResult, Order, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use std::collections::HashMap;

/// Which needs a list shows.
#[derive(Debug, Clone, Default)]
pub struct NeedFilter {
    /// Only this one's; empty = all.
    pub gid: String,
    /// Only of this cause; empty = all.
    pub cause: String,
    /// Only of this owner; empty = all.
    pub owner: String,
    /// Only those that somebody has, or nobody has, acknowledged; `None` = either.
    pub acknowledged: Option<bool>,
    /// Only behind this one.
    pub after: Option<Place>,
    /// At most so many.
    pub limit: u64,
}

/// The place of a need in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// See [`attention::Model`].
    pub since_us: i64,
    /// See [`attention::Model`].
    pub gid: String,
    /// See [`attention::Model`].
    pub cause: String,
}

impl Place {
    /// As an opaque text.
    #[must_use]
    pub fn token(&self) -> String {
        format!("{}.{}.{}", self.since_us, self.gid, self.cause)
    }

    /// Read back; `None` = it is none of ours.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        let mut parts = token.splitn(3, '.');
        let since_us = parts.next()?.parse().ok()?;
        Some(Self { since_us, gid: parts.next()?.to_owned(), cause: parts.next()?.to_owned() })
    }
}

/// What else is known of the global transaction of an open need.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromQueryResult)]
pub struct Deed {
    gid: String,
    /// Its definition.
    pub definition: String,
    /// The caller's own name for it.
    pub business_key: String,
    /// Short lower-case status.
    pub status: String,
}

/// How many are open of one cause.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Count {
    /// Which.
    pub cause: String,
    /// All of them.
    pub open: i64,
    /// Those that nobody has acknowledged.
    pub unacknowledged: i64,
    /// Unix microseconds: since when the oldest is open.
    pub since_us: i64,
}

/// The open needs of a history.
#[derive(Debug, Clone)]
pub struct Listing {
    store: Store,
}

impl Listing {
    /// Of a migrated store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// One page, oldest first.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn page(&self, filter: &NeedFilter) -> Result<Vec<(attention::Model, Deed)>, DbErr> {
        let open = attention::Entity::find()
            .filter(condition(filter))
            .order_by_asc(attention::Column::SinceUs)
            .order_by_asc(attention::Column::Gid)
            .order_by_asc(attention::Column::Cause)
            .limit(filter.limit)
            .all(self.store.reader())
            .await?;
        let deeds = self.deeds(open.iter().map(|need| need.gid.as_str())).await?;
        let with_deed = |need: attention::Model| {
            let deed = deeds.get(&need.gid).cloned().unwrap_or_default();
            (need, deed)
        };
        Ok(open.into_iter().map(with_deed).collect())
    }

    async fn deeds(&self, gids: impl Iterator<Item = &str>) -> Result<HashMap<String, Deed>, DbErr> {
        use global_transaction::Column;
        let deeds = global_transaction::Entity::find()
            .select_only()
            .columns([Column::Gid, Column::Definition, Column::BusinessKey, Column::Status])
            .filter(Column::Gid.is_in(gids))
            .into_model::<Deed>()
            .all(self.store.reader())
            .await?;
        Ok(deeds.into_iter().map(|deed| (deed.gid.clone(), deed)).collect())
    }

    /// Of all that are open, most frequent first.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn counts(&self) -> Result<Vec<Count>, DbErr> {
        use attention::Column;
        let nobody = Expr::case(Column::AcknowledgedAtUs.eq(0), 1_i64).finally(0_i64);
        attention::Entity::find()
            .select_only()
            .column(Column::Cause)
            .column_as(Column::Gid.count(), "open")
            .column_as(Expr::expr(nobody).sum().cast_as("bigint"), "unacknowledged")
            .column_as(Column::SinceUs.min(), "since_us")
            .group_by(Column::Cause)
            .order_by(Column::Gid.count(), Order::Desc)
            .order_by_asc(Column::Cause)
            .into_model::<Count>()
            .all(self.store.reader())
            .await
    }
}

fn condition(filter: &NeedFilter) -> Condition {
    use attention::Column;
    let mut all = Condition::all();
    for (column, wanted) in
        [(Column::Gid, &filter.gid), (Column::Cause, &filter.cause), (Column::Owner, &filter.owner)]
    {
        if !wanted.is_empty() {
            all = all.add(column.eq(wanted));
        }
    }
    all = match filter.acknowledged {
        None => all,
        Some(true) => all.add(Column::AcknowledgedAtUs.gt(0)),
        Some(false) => all.add(Column::AcknowledgedAtUs.eq(0)),
    };
    let Some(Place { since_us, gid, cause }) = &filter.after else { return all };
    let same_time = Column::SinceUs.eq(*since_us);
    all.add(
        Condition::any()
            .add(Column::SinceUs.gt(*since_us))
            .add(same_time.clone().and(Column::Gid.gt(gid)))
            .add(same_time.and(Column::Gid.eq(gid)).and(Column::Cause.gt(cause))),
    )
}
