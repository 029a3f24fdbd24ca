//! Reads histories back: one by gid, those that are open, and lists. Never writes.

use super::entity::{event, global_transaction, plan, replica, shape};
use super::event::{Event, Fact, FlatFact, UnreadableEvent};
use super::fold::State;
use super::holds::HoldTable;
use super::scope::Scope;
use crate::plan::{Plan, PlanError};
use amends_serve::store::Store;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

/// A row of the list, as stored.
pub type Row = global_transaction::Model;

/// A global transaction read back whole.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Its row.
    pub row: Row,
    /// Its plan.
    pub plan: Plan,
    /// The fold of its history.
    pub state: State,
}

/// Why a history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store is away.
    #[error("the history store cannot be read")]
    Store(#[from] DbErr),
    /// The stored plan is not one.
    #[error("the stored plan cannot be read")]
    Plan(#[from] PlanError),
    /// A stored event is not one.
    #[error("a stored event cannot be read")]
    Event(#[from] UnreadableEvent),
    /// It is open, and another replica's.
    #[error("replica {owner} has it")]
    Elsewhere {
        /// That replica; empty = nobody's yet.
        owner: String,
    },
}

/// Reads from the store's read pool.
#[derive(Debug, Clone)]
pub struct HistoryReader {
    store: Store,
    /// Empty = the only orchestrator on this store.
    replica: String,
}

impl HistoryReader {
    /// Reads from `store`.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, replica: String::new() }
    }

    /// Reads from `store` for one replica among several: what is open and another's is not for it to take up.
    #[must_use]
    pub fn of(store: Store, replica: String) -> Self {
        Self { store, replica }
    }

    /// The table of holds on the same store.
    #[must_use]
    pub fn holds(&self) -> HoldTable {
        HoldTable::new(self.store.clone())
    }

    pub(super) fn is_mine(&self, row: &Row) -> bool {
        self.replica.is_empty() || row.owner == self.replica
    }

    /// Reads one global transaction; `None` = never heard of.
    ///
    /// # Errors
    /// Where the store is away or holds what this version cannot read, and where it is another replica's.
    pub async fn load(&self, gid: &str) -> Result<Option<Loaded>, ReadError> {
        let connection = self.store.reader();
        let Some(row) = global_transaction::Entity::find_by_id(gid).one(connection).await? else {
            return Ok(None);
        };
        if row.is_open && !self.is_mine(&row) {
            return Err(ReadError::Elsewhere { owner: row.owner });
        }
        let body = plan::Entity::find_by_id(gid).one(connection).await?.map(|plan| plan.body);
        let events = self.rows(gid, 1).await?;
        self.assemble(row, &body.unwrap_or_default(), events).map(Some)
    }

    /// What is stored of one, as it is in memory.
    pub(super) fn assemble(
        &self,
        row: Row,
        plan: &[u8],
        events: Vec<event::Model>,
    ) -> Result<Loaded, ReadError> {
        let plan = Plan::decode(plan)?;
        let state = State::fold(&plan, &self.decode(&plan, events)?);
        Ok(Loaded { row, plan, state })
    }

    pub(super) fn replica(&self) -> &str {
        &self.replica
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn connection(&self) -> &DatabaseConnection {
        self.store.reader()
    }

    /// The stored events of one gid from `from_seq` on, as stored.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn rows(&self, gid: &str, from_seq: i64) -> Result<Vec<event::Model>, DbErr> {
        event::Entity::find()
            .filter(event::Column::Gid.eq(gid))
            .filter(event::Column::Seq.gte(from_seq))
            .order_by_asc(event::Column::Seq)
            .all(self.store.reader())
            .await
    }

    /// The first `limit` of them.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn page(&self, gid: &str, from_seq: i64, limit: u64) -> Result<Vec<event::Model>, DbErr> {
        event::Entity::find()
            .filter(event::Column::Gid.eq(gid))
            .filter(event::Column::Seq.gte(from_seq))
            .order_by_asc(event::Column::Seq)
            .limit(limit)
            .all(self.store.reader())
            .await
    }

    fn decode(&self, plan: &Plan, rows: Vec<event::Model>) -> Result<Vec<Event>, UnreadableEvent> {
        rows.into_iter()
            .map(|row| {
                let (seq, time_us) = (row.seq, row.time_us);
                Ok(Event { seq, time_us, fact: Fact::read(&FlatFact::from(row), plan)? })
            })
            .collect()
    }

    /// Gids of all that have not ended and are for this orchestrator, oldest first: what recovery starts from.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn open_gids(&self) -> Result<Vec<String>, DbErr> {
        let mut open = global_transaction::Entity::find()
            .select_only()
            .column(global_transaction::Column::Gid)
            // Just as its index has it.
            .filter(Expr::col(global_transaction::Column::IsOpen));
        if !self.replica.is_empty() {
            open = open.filter(global_transaction::Column::Owner.eq(&self.replica));
        }
        open.order_by_asc(global_transaction::Column::Gid).into_tuple().all(self.store.reader()).await
    }

    /// What this process looks after.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn scope(&self) -> Result<Scope, DbErr> {
        if self.replica.is_empty() {
            return Ok(Scope::All);
        }
        let alive = replica::Entity::find()
            .select_only()
            .column(replica::Column::Id)
            .filter(replica::Column::Fenced.eq(false))
            .into_tuple()
            .all(self.store.reader())
            .await?;
        Ok(Scope::among(&self.replica, alive))
    }

    /// What no process has any more that is there now; `None` = others look after that.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn orphaned(&self) -> Result<Option<Scope>, DbErr> {
        Ok(self.scope().await?.orphaned_of(&self.replica))
    }

    /// Gids of those in `scope` that have ended, behind `after` and before `until`, oldest first.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn ended_gids(
        &self,
        scope: &Scope,
        (after, until): (&str, &str),
        limit: u64,
    ) -> Result<Vec<String>, DbErr> {
        use global_transaction::Column;
        global_transaction::Entity::find()
            .select_only()
            .column(Column::Gid)
            .filter(Column::IsOpen.eq(false))
            .filter(Column::Gid.gt(after))
            .filter(Column::Gid.lt(until))
            .filter(scope.condition())
            .order_by_asc(Column::Gid)
            .limit(limit)
            .into_tuple()
            .all(self.store.reader())
            .await
    }

    /// Gids of those in `scope` that have ended on this coordinator, newest start first. Only the newest `among` of all are
    /// looked at: they are read by their key, however many there are.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn newest_ended(
        &self,
        scope: &Scope,
        coordinator: &str,
        among: u64,
    ) -> Result<Vec<String>, DbErr> {
        use global_transaction::Column;
        let newest = global_transaction::Entity::find()
            .select_only()
            .columns([Column::Gid, Column::Owner, Column::Coordinator, Column::IsOpen])
            .order_by_desc(Column::Gid)
            .limit(among)
            .into_tuple::<(String, String, String, bool)>()
            .all(self.store.reader())
            .await?;
        let ended = newest
            .into_iter()
            .filter(|(_, owner, on, is_open)| !is_open && on == coordinator && scope.has(owner));
        Ok(ended.map(|(gid, ..)| gid).collect())
    }

    /// Gids of those in `scope` that need a person, oldest first.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn attention_gids(&self, scope: &Scope, limit: u64) -> Result<Vec<String>, DbErr> {
        use global_transaction::Column;
        global_transaction::Entity::find()
            .select_only()
            .column(Column::Gid)
            .filter(needs_attention())
            .filter(scope.condition())
            .order_by_asc(Column::Gid)
            .limit(limit)
            .into_tuple()
            .all(self.store.reader())
            .await
    }

    /// Names of the definitions of which anything was ever accepted.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn definition_names(&self) -> Result<Vec<String>, DbErr> {
        use shape::Column;
        let names = shape::Entity::find().select_only().column(Column::Definition).distinct();
        names.order_by_asc(Column::Definition).into_tuple().all(self.store.reader()).await
    }

    /// Gid of the newest global transaction of a business key.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn newest_of_key(&self, definition: &str, business_key: &str) -> Result<Option<String>, DbErr> {
        use global_transaction::Column;
        let newest = global_transaction::Entity::find()
            .filter(Column::Definition.eq(definition))
            .filter(Column::BusinessKey.eq(business_key))
            .order_by_desc(Column::Gid)
            .one(self.store.reader())
            .await?;
        Ok(newest.map(|row| row.gid))
    }
}

/// Just as the index of those few rows has it: a bound value would not be known to fit it.
fn needs_attention() -> Expr {
    Expr::col(global_transaction::Column::NeedsAttention)
}

impl From<event::Model> for FlatFact {
    fn from(row: event::Model) -> Self {
        Self {
            kind: row.kind,
            branch_id: row.branch_id,
            op: row.op,
            attempt: row.attempt,
            code: row.code,
            reason: row.reason,
            detail: row.detail,
        }
    }
}
