//! One commit of the history: the statements that make a batch of appends durable, all of it or nothing.
//! On PostgreSQL, where several replicas write, it also proves that this one may. Must not know what the events mean.

use super::conflicts::{Found, Start, find};
use super::entity::{attention, event, global_transaction, notice, plan, replica, shape};
use super::shapes::Stored;
use super::writer::{Append, Conflict, Needs};
use amends_crash_points::{Place, around};
use amends_serve::store::Store;
use sea_orm::sea_query::{LockType, OnConflict};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr, EntityTrait as _,
    IntoActiveModel as _, QueryFilter as _, QuerySelect as _, Statement,
};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Event rows in one statement: 11 values each, of which SQLite allows 32,766 and PostgreSQL 65,535.
const EVENTS_PER_INSERT: usize = 2_000;
/// Key of the advisory lock that makes starts of several replicas wait for each other (`amends` in ASCII, and a 1).
const STARTS_LOCK: i64 = 0x61_6d_65_6e_64_73_01;

/// Why a batch was not committed.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The store did not.
    Store(DbErr),
    /// This replica may not any more.
    Fenced,
}

impl From<DbErr> for Refusal {
    fn from(error: DbErr) -> Self {
        Self::Store(error)
    }
}

/// A batch that is durable, but for its starts that stand against others.
#[derive(Debug)]
pub(super) struct Committed {
    found: HashMap<usize, Found>,
}

impl Committed {
    /// What stands in the way of the append at this place of the batch.
    pub(super) fn conflict(&self, index: usize) -> Option<&Conflict> {
        match self.found.get(&index)? {
            Found::Conflict(conflict) => Some(conflict),
            Found::Stored => None,
        }
    }
}

/// Commits batches to one store.
#[derive(Debug)]
pub(super) struct Committer {
    store: Store,
    replica: Option<String>,
    shapes: Mutex<Stored>,
}

impl Committer {
    /// `replica` = which of several this is; it is proven in each commit.
    pub(super) fn new(store: Store, replica: Option<String>) -> Self {
        Self { store, replica, shapes: Mutex::default() }
    }

    /// Commits all appends but the starts that stand against others.
    pub(super) async fn commit(&self, appends: &[Append]) -> Result<Committed, Refusal> {
        let transaction = self.store.begin().await?;
        self.prove(&transaction).await?;
        let starts = starts(appends);
        let found = if starts.is_empty() {
            HashMap::new()
        } else {
            wait_for_other_starts(&transaction).await?;
            find(&transaction, starts).await?
        };
        let kept = appends.iter().enumerate().filter(|(index, _)| !found.contains_key(index));
        let kept: Vec<&Append> = kept.map(|(_, append)| append).collect();
        let shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner).missing(kept.iter().copied());
        write_shapes(&transaction, &shapes).await?;
        self.write(&transaction, &kept).await?;
        around!(Place::History, transaction.commit().await)?;
        self.shapes.lock().unwrap_or_else(PoisonError::into_inner).remember(&shapes);
        Ok(Committed { found })
    }

    /// The row is locked until the commit, so that a fence waits for it, and whoever comes after the fence sees it. A
    /// heartbeat passes: it changes no key.
    async fn prove(&self, transaction: &DatabaseTransaction) -> Result<(), Refusal> {
        let Some(id) = &self.replica else { return Ok(()) };
        let mine = replica::Entity::find_by_id(id)
            .select_only()
            .column(replica::Column::Id)
            .filter(replica::Column::Fenced.eq(false))
            .lock(LockType::KeyShare)
            .into_tuple::<String>()
            .one(transaction)
            .await?;
        mine.map(drop).ok_or(Refusal::Fenced)
    }

    async fn write(&self, transaction: &DatabaseTransaction, kept: &[&Append]) -> Result<(), DbErr> {
        let rows = last_of_each(kept.iter().filter_map(|append| append.row.as_ref()));
        if !rows.is_empty() {
            let owner = self.replica.clone().unwrap_or_default();
            let owned = |row: &global_transaction::Model| global_transaction::Model {
                owner: owner.clone(),
                ..row.clone()
            };
            upsert_rows(transaction, rows.into_iter().map(owned).collect()).await?;
        }
        let plans: Vec<_> = kept.iter().filter_map(|append| plan_of(append)).collect();
        if !plans.is_empty() {
            plan::Entity::insert_many(plans).exec_without_returning(transaction).await?;
        }
        let events: Vec<_> = kept.iter().flat_map(|append| append.events.iter().cloned()).collect();
        for chunk in events.chunks(EVENTS_PER_INSERT) {
            let chunk = chunk.iter().cloned().map(event::Model::into_active_model);
            event::Entity::insert_many(chunk).exec_without_returning(transaction).await?;
        }
        for needs in kept.iter().filter_map(|append| append.needs.as_ref()) {
            write_needs(transaction, needs).await?;
        }
        Ok(())
    }
}

fn starts(appends: &[Append]) -> Vec<Start<'_>> {
    let indexed = appends.iter().enumerate();
    indexed
        .filter_map(|(index, append)| {
            Some(Start { index, row: append.row.as_ref()?, reuse: append.new.as_ref()?.reuse })
        })
        .collect()
}

fn plan_of(append: &Append) -> Option<plan::ActiveModel> {
    let (new, row) = (append.new.as_ref()?, append.row.as_ref()?);
    Some(plan::Model { gid: row.gid.clone(), body: new.plan.clone() }.into_active_model())
}

/// What a start finds must stay true until it is committed. On SQLite the writer is alone anyway.
async fn wait_for_other_starts(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        let lock = "SELECT pg_advisory_xact_lock($1)";
        let lock = Statement::from_sql_and_values(DbBackend::Postgres, lock, [STARTS_LOCK.into()]);
        transaction.execute_raw(lock).await?;
    }
    Ok(())
}

/// Seldom any: each writer meets a shape once.
async fn write_shapes(transaction: &DatabaseTransaction, shapes: &[shape::Model]) -> Result<(), DbErr> {
    if shapes.is_empty() {
        return Ok(());
    }
    let known = OnConflict::column(shape::Column::Id).do_nothing().to_owned();
    let shapes = shapes.iter().cloned().map(shape::Model::into_active_model);
    let insert = shape::Entity::insert_many(shapes).on_conflict(known);
    insert.exec_without_returning(transaction).await.map(|_| ())
}

async fn upsert_rows(
    transaction: &DatabaseTransaction,
    rows: Vec<global_transaction::Model>,
) -> Result<(), DbErr> {
    use global_transaction::Column;
    let newest = OnConflict::column(Column::Gid)
        .update_columns([
            Column::Status,
            Column::Reason,
            Column::IsOpen,
            Column::NeedsAttention,
            Column::FinishedAtUs,
            Column::Attempts,
            Column::Paused,
            Column::Codes,
            Column::WaitingFor,
        ])
        .to_owned();
    let rows = rows.into_iter().map(global_transaction::Model::into_active_model);
    global_transaction::Entity::insert_many(rows)
        .on_conflict(newest)
        .exec_without_returning(transaction)
        .await
        .map(|_| ())
}

/// Of one append among thousands.
async fn write_needs(transaction: &DatabaseTransaction, needs: &Needs) -> Result<(), DbErr> {
    let former = attention::Entity::delete_many().filter(attention::Column::Gid.eq(&needs.gid));
    former.exec(transaction).await?;
    if !needs.open.is_empty() {
        let open = needs.open.iter().cloned().map(attention::Model::into_active_model);
        attention::Entity::insert_many(open).exec_without_returning(transaction).await?;
    }
    if !needs.notices.is_empty() {
        let notices = needs.notices.iter().cloned().map(notice::Model::into_active_model);
        notice::Entity::insert_many(notices).exec_without_returning(transaction).await?;
    }
    Ok(())
}

/// One statement may name a row once: the newest of each gid counts.
fn last_of_each<'a>(
    rows: impl Iterator<Item = &'a global_transaction::Model>,
) -> Vec<&'a global_transaction::Model> {
    let mut place = HashMap::new();
    let mut kept: Vec<&global_transaction::Model> = Vec::new();
    for row in rows {
        match place.get(row.gid.as_str()) {
            Some(&index) => kept[index] = row,
            None => {
                place.insert(row.gid.as_str(), kept.len());
                kept.push(row);
            }
        }
    }
    kept
}
