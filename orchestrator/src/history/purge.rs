//! Takes ended global transactions out of the store for good, and tells which are old enough. Decides nothing about
//! where they go before.

use super::bulk::AT_ONCE;
use super::entity::{attention, event, global_transaction, plan};
use super::reader::{HistoryReader, ReadError, Row};
use amends_crash_points::{Place, around};
use amends_serve::store::Store;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Statement,
};
use std::collections::HashMap;

/// Key of the advisory lock of whoever archives and takes out (`amends` in ASCII, and a 3).
const TURN_LOCK: i64 = 0x61_6d_65_6e_64_73_03;
/// Between two statements of a turn a file is written, or a lot is taken out: whoever is not back by then is suspended, and
/// the server ends his turn.
const TURN_IDLE: &str = "SET LOCAL idle_in_transaction_session_timeout = '60s'";

/// All rows of one global transaction, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// Its row.
    pub row: Row,
    /// Its plan's encoding.
    pub plan: Vec<u8>,
    /// Its events, in order.
    pub events: Vec<event::Model>,
}

/// Takes out.
#[derive(Debug, Clone)]
pub struct Purger {
    store: Store,
}

/// One process' turn to archive and take out, until it is dropped.
#[derive(Debug)]
pub struct PurgeTurn {
    /// Its session has the lock; `None` = there are no other processes.
    held: Option<DatabaseTransaction>,
}

impl PurgeTurn {
    /// Proves that the turn still is this process' own: the server may have ended it.
    ///
    /// # Errors
    /// Where it has, or the store is away.
    pub async fn prove(&self) -> Result<(), DbErr> {
        match &self.held {
            Some(held) => held.execute_unprepared("SELECT 1").await.map(drop),
            None => Ok(()),
        }
    }
}

impl Purger {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }

    /// The turn of this process; `None` = another one has it.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn turn(&self) -> Result<Option<PurgeTurn>, DbErr> {
        if !self.store.is_shared() {
            return Ok(Some(PurgeTurn { held: None }));
        }
        let held = self.store.begin().await?;
        held.execute_unprepared(TURN_IDLE).await?;
        let lock = "SELECT pg_try_advisory_xact_lock($1)";
        let lock = Statement::from_sql_and_values(DbBackend::Postgres, lock, [TURN_LOCK.into()]);
        let is_free = held.query_one_raw(lock).await?.map_or(Ok(false), |row| row.try_get_by_index(0))?;
        Ok(is_free.then_some(PurgeTurn { held: Some(held) }))
    }

    /// Takes those out that have ended, need nobody, and have no event behind the one that is named with their gid; others
    /// stay as they are. Tells which are out.
    ///
    /// # Errors
    /// Nothing was changed then.
    pub async fn purge(&self, known: &[(String, i64)]) -> Result<Vec<String>, DbErr> {
        let transaction = self.store.begin().await?;
        let gids = known.iter().map(|(gid, _)| gid.as_str());
        let ended = global_transaction::Entity::find()
            .select_only()
            .column(global_transaction::Column::Gid)
            .filter(global_transaction::Column::Gid.is_in(gids))
            .filter(settled());
        // On PostgreSQL nobody appends to them before they are out.
        let ended = if self.store.is_shared() { ended.lock_exclusive() } else { ended };
        let mut ended: Vec<String> = ended.into_tuple().all(&transaction).await?;
        let newest = newest(&transaction, &ended).await?;
        let known: HashMap<&str, i64> = known.iter().map(|(gid, seq)| (gid.as_str(), *seq)).collect();
        ended.retain(|gid| known.get(gid.as_str()) == Some(newest.get(gid).unwrap_or(&0)));
        let of = || ended.iter().map(String::as_str);
        let events = event::Entity::delete_many().filter(event::Column::Gid.is_in(of()));
        events.exec(&transaction).await?;
        let needs = attention::Entity::delete_many().filter(attention::Column::Gid.is_in(of()));
        needs.exec(&transaction).await?;
        let plans = plan::Entity::delete_many().filter(plan::Column::Gid.is_in(of()));
        plans.exec(&transaction).await?;
        let rows = global_transaction::Entity::delete_many();
        rows.filter(global_transaction::Column::Gid.is_in(of())).exec(&transaction).await?;
        around!(Place::Purge, transaction.commit().await)?;
        Ok(ended)
    }
}

/// The sequence number of each one's newest event.
async fn newest(transaction: &DatabaseTransaction, gids: &[String]) -> Result<HashMap<String, i64>, DbErr> {
    let newest = event::Entity::find()
        .select_only()
        .column(event::Column::Gid)
        .column_as(event::Column::Seq.max(), "newest")
        .filter(event::Column::Gid.is_in(gids))
        .group_by(event::Column::Gid);
    let newest: Vec<(String, i64)> = newest.into_tuple().all(transaction).await?;
    Ok(newest.into_iter().collect())
}

fn settled() -> Expr {
    use global_transaction::Column;
    Expr::col(Column::IsOpen).not().and(Expr::col(Column::NeedsAttention).not())
}

impl HistoryReader {
    /// Takes out of the same store.
    #[must_use]
    pub fn purger(&self) -> Purger {
        Purger::new(self.store().clone())
    }

    /// Gids of those that ended before, need nobody, and are behind `after`, oldest first.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn due(&self, ended_before_us: i64, after: &str, limit: u64) -> Result<Vec<String>, DbErr> {
        use global_transaction::Column;
        let mut due = global_transaction::Entity::find()
            .select_only()
            .column(Column::Gid)
            .filter(settled())
            .filter(Expr::col(Column::FinishedAtUs).gt(0))
            .filter(Column::FinishedAtUs.lt(ended_before_us))
            .filter(Column::Gid.gt(after));
        // Who ended by then had begun by then: the younger ones need no look.
        if let Some(until) = super::search::gid_at(ended_before_us.saturating_add(super::search::DOUBT_US)) {
            due = due.filter(Column::Gid.lt(until));
        }
        due.order_by_asc(Column::Gid).limit(limit).into_tuple().all(self.connection()).await
    }

    /// All rows of at most [`AT_ONCE`] that have ended, in the order of their gids.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn whole(&self, gids: &[String]) -> Result<Vec<Whole>, ReadError> {
        debug_assert!(gids.len() <= AT_ONCE);
        let wanted = || gids.iter().map(String::as_str);
        let rows = global_transaction::Entity::find()
            .filter(global_transaction::Column::Gid.is_in(wanted()))
            .filter(settled())
            .order_by_asc(global_transaction::Column::Gid)
            .all(self.connection())
            .await?;
        let plans = plan::Entity::find().filter(plan::Column::Gid.is_in(wanted()));
        let plans = plans.all(self.connection()).await?;
        let mut plans: HashMap<String, Vec<u8>> =
            plans.into_iter().map(|plan| (plan.gid, plan.body)).collect();
        let mut events = self.events_of(wanted()).await?;
        let whole = |row: Row| {
            let plan = plans.remove(&row.gid).unwrap_or_default();
            let events = events.remove(&row.gid).unwrap_or_default();
            Whole { row, plan, events }
        };
        Ok(rows.into_iter().map(whole).collect())
    }
}
