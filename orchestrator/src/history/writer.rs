//! The one writer of the history: appends of many global transactions share one commit (design.md §6).
//! An acknowledgement always follows the commit. Must not know what the events mean.

use super::entity::{event, global_transaction, plan};
use amends_serve::store::Store;
use sea_orm::sea_query::{ExprTrait as _, OnConflict};
use sea_orm::{ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel, QueryFilter};
use std::collections::{BTreeSet, HashMap};
use tokio::sync::{mpsc, oneshot};

/// Appends that may wait for the writer; beyond it callers wait for room.
const QUEUE: usize = 4_096;
/// Appends in one commit: bounds its latency and stays below SQLite's limit of bound values.
const MAX_BATCH: usize = 512;
/// Event rows in one statement: 10 values each, SQLite allows 32,766.
const EVENTS_PER_INSERT: usize = 2_000;

/// When a business key may be used again (orchestration.md item 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Not while one with this key is running.
    RejectWhileRunning,
    /// Not while one is running, nor after one succeeded.
    AfterFailed,
    /// Always.
    Always,
}

/// A global transaction to be started.
#[derive(Debug, Clone)]
pub struct NewTransaction {
    /// The plan's encoding.
    pub plan: Vec<u8>,
    /// When its business key may be used again.
    pub reuse: Reuse,
}

/// Events of one global transaction to be made durable, all or none.
#[derive(Debug, Clone)]
pub struct Append {
    /// The events, in order of seq.
    pub events: Vec<event::Model>,
    /// The row after these events, if it differs from the stored one.
    pub row: Option<global_transaction::Model>,
    /// Set for a start.
    pub new: Option<NewTransaction>,
}

/// An existing global transaction that stands in the way of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// The caller used this request id before.
    Request(global_transaction::Model),
    /// Another one with this business key is running, or succeeded.
    BusinessKey(global_transaction::Model),
}

/// Why nothing was appended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// A start that stands against an existing global transaction.
    #[error("an existing global transaction stands in the way")]
    Conflict(Box<Conflict>),
    /// The store did not commit. Nothing is stored.
    #[error("the history store did not commit: {0}")]
    Store(String),
    /// The writer ended: the process is going down.
    #[error("the history writer has ended")]
    Closed,
}

type Waiting = (Append, oneshot::Sender<Result<(), AppendError>>);

/// Hands appends to the writer task.
#[derive(Debug, Clone)]
pub struct HistoryWriter {
    queue: mpsc::Sender<Waiting>,
}

impl HistoryWriter {
    /// Starts the writer task on a migrated store. It ends when the last handle is dropped.
    #[must_use]
    pub fn start(store: Store) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(write(store, waiting));
        Self { queue }
    }

    /// Returns when the writer task has ended, which it must not while there is a handle.
    pub async fn ended(&self) {
        self.queue.closed().await;
    }

    /// Makes `append` durable, together with whatever else is waiting.
    ///
    /// # Errors
    /// Nothing is stored then; see [`AppendError`].
    pub async fn append(&self, append: Append) -> Result<(), AppendError> {
        let (done, outcome) = oneshot::channel();
        self.queue.send((append, done)).await.map_err(|_| AppendError::Closed)?;
        outcome.await.map_err(|_| AppendError::Closed)?
    }
}

async fn write(store: Store, mut queue: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while queue.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let (appends, waiting): (Vec<Append>, Vec<_>) = batch.drain(..).unzip();
        match commit(&store, &appends).await {
            Ok(refused) => answer(waiting, |index| {
                refused
                    .get(&index)
                    .map_or(Ok(()), |conflict| Err(AppendError::Conflict(Box::new(conflict.clone()))))
            }),
            Err(error) => {
                tracing::error!(%error, appends = waiting.len(), "history did not commit");
                one_by_one(&store, &appends, waiting).await;
            }
        }
    }
}

/// One bad append must not take its neighbours down: after a failed commit each is tried alone.
async fn one_by_one(
    store: &Store,
    appends: &[Append],
    waiting: Vec<oneshot::Sender<Result<(), AppendError>>>,
) {
    for (append, done) in appends.iter().zip(waiting) {
        let outcome = match commit(store, std::slice::from_ref(append)).await {
            Ok(mut refused) => {
                refused.remove(&0).map_or(Ok(()), |conflict| Err(AppendError::Conflict(Box::new(conflict))))
            }
            Err(error) => Err(AppendError::Store(error.to_string())),
        };
        let _ = done.send(outcome);
    }
}

fn answer(
    waiting: Vec<oneshot::Sender<Result<(), AppendError>>>,
    outcome: impl Fn(usize) -> Result<(), AppendError>,
) {
    for (index, done) in waiting.into_iter().enumerate() {
        // Whoever no longer waits reads the store again.
        let _ = done.send(outcome(index));
    }
}

/// Commits all appends but the starts that conflict; answers those by their place.
async fn commit(store: &Store, appends: &[Append]) -> Result<HashMap<usize, Conflict>, DbErr> {
    let transaction = store.begin().await?;
    let refused = conflicts(&transaction, appends).await?;
    let kept =
        || appends.iter().enumerate().filter(|(index, _)| !refused.contains_key(index)).map(|(_, a)| a);
    let rows: Vec<_> =
        kept().filter_map(|append| append.row.clone()).map(IntoActiveModel::into_active_model).collect();
    if !rows.is_empty() {
        upsert_rows(&transaction, last_of_each(rows)).await?;
    }
    let plans: Vec<_> = kept()
        .filter_map(|append| {
            let new = append.new.as_ref()?;
            Some(plan::Model { gid: append.row.as_ref()?.gid.clone(), body: new.plan.clone() })
        })
        .map(IntoActiveModel::into_active_model)
        .collect();
    if !plans.is_empty() {
        plan::Entity::insert_many(plans).exec_without_returning(&transaction).await?;
    }
    let events: Vec<event::ActiveModel> = kept()
        .flat_map(|append| append.events.iter().cloned())
        .map(IntoActiveModel::into_active_model)
        .collect();
    for chunk in events.chunks(EVENTS_PER_INSERT) {
        event::Entity::insert_many(chunk.to_vec()).exec_without_returning(&transaction).await?;
    }
    transaction.commit().await?;
    Ok(refused)
}

async fn upsert_rows(
    transaction: &DatabaseTransaction,
    rows: Vec<global_transaction::ActiveModel>,
) -> Result<(), DbErr> {
    use global_transaction::Column;
    let newest = OnConflict::column(Column::Gid)
        .update_columns([
            Column::Status,
            Column::Reason,
            Column::IsOpen,
            Column::NeedsAttention,
            Column::FinishedAtUs,
        ])
        .to_owned();
    global_transaction::Entity::insert_many(rows)
        .on_conflict(newest)
        .exec_without_returning(transaction)
        .await
        .map(|_| ())
}

/// One statement may name a row once: the newest of each gid counts.
fn last_of_each(rows: Vec<global_transaction::ActiveModel>) -> Vec<global_transaction::ActiveModel> {
    let mut place = HashMap::new();
    let mut kept: Vec<global_transaction::ActiveModel> = Vec::with_capacity(rows.len());
    for row in rows {
        match place.get(row.gid.as_ref()) {
            Some(&index) => kept[index] = row,
            None => {
                place.insert(row.gid.as_ref().clone(), kept.len());
                kept.push(row);
            }
        }
    }
    kept
}

/// Every stored row with one of the request ids or one of the business keys. Flat lists: a condition nested as deep
/// as a batch is long would break the store's limits.
async fn suspects(
    transaction: &DatabaseTransaction,
    starts: &[(usize, &global_transaction::Model, Reuse)],
) -> Result<Vec<global_transaction::Model>, DbErr> {
    use global_transaction::Column;
    let each = |value: fn(&global_transaction::Model) -> &String| {
        starts.iter().map(move |(_, row, _)| value(row).as_str()).collect::<BTreeSet<_>>()
    };
    let request = Column::Caller
        .is_in(each(|row| &row.caller))
        .and(Column::RequestId.is_in(each(|row| &row.request_id)));
    let key = Column::Definition
        .is_in(each(|row| &row.definition))
        .and(Column::BusinessKey.is_in(each(|row| &row.business_key)));
    let mut known = Vec::new();
    for condition in [request, key] {
        known.extend(global_transaction::Entity::find().filter(condition).all(transaction).await?);
    }
    Ok(known)
}

/// Finds the starts that may not be: the writer is alone, so what it reads here stays true until it commits.
async fn conflicts(
    transaction: &DatabaseTransaction,
    appends: &[Append],
) -> Result<HashMap<usize, Conflict>, DbErr> {
    let starts: Vec<(usize, &global_transaction::Model, Reuse)> = appends
        .iter()
        .enumerate()
        .filter_map(|(index, append)| Some((index, append.row.as_ref()?, append.new.as_ref()?.reuse)))
        .collect();
    if starts.is_empty() {
        return Ok(HashMap::new());
    }
    let mut known = suspects(transaction, &starts).await?;
    let mut refused = HashMap::new();
    for (index, row, reuse) in starts {
        match conflict(&known, row, reuse) {
            Some(conflict) => {
                refused.insert(index, conflict);
            }
            // A later start of the same batch must see this one.
            None => known.push(row.clone()),
        }
    }
    Ok(refused)
}

fn conflict(
    known: &[global_transaction::Model],
    row: &global_transaction::Model,
    reuse: Reuse,
) -> Option<Conflict> {
    if let Some(same) =
        known.iter().find(|other| other.caller == row.caller && other.request_id == row.request_id)
    {
        return Some(Conflict::Request(same.clone()));
    }
    let blocks = |other: &&global_transaction::Model| match reuse {
        Reuse::Always => false,
        Reuse::RejectWhileRunning => other.is_open,
        Reuse::AfterFailed => other.is_open || other.status == "succeeded",
    };
    known
        .iter()
        .filter(|other| other.definition == row.definition && other.business_key == row.business_key)
        .find(blocks)
        .map(|other| Conflict::BusinessKey(other.clone()))
}
