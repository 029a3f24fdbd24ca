//! The one writer of the history: appends of many global transactions share one commit (design.md §6).
//! An acknowledgement always follows the commit. Must not know what the events mean.

use super::commit::{Committed, Committer, Refusal};
use super::entity::{attention, event, global_transaction, notice};
use super::pulse::{Beat, Pulse};
use super::sqlite;
use crate::meters;
use amends_serve::outage::Outage;
use amends_serve::store::{Store, is_away};
use sea_orm::DbErr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Notify, mpsc, oneshot};

/// Appends that may wait for the writer; beyond it callers wait for room.
const QUEUE: usize = 4_096;
/// Appends in one commit: bounds its latency and stays below SQLite's limit of bound values.
pub(super) const MAX_BATCH: usize = 512;

/// A server that goes away breaks all idle connections; each is found out when it is used.
const BROKEN_AT_ONCE: usize = 16;

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
    /// Set where the events change what needs a person.
    pub needs: Option<Needs>,
}

/// What needs a person after an append, and what of it is to be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Whose.
    pub gid: String,
    /// All that is open now.
    pub open: Vec<attention::Model>,
    /// One for each opening and closing among the events, in order.
    pub notices: Vec<notice::Model>,
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

pub(super) type Done = oneshot::Sender<Result<(), AppendError>>;
pub(super) type Waiting = (Append, Done);

/// Hands appends to the writer task.
#[derive(Debug, Clone)]
pub struct HistoryWriter {
    queue: mpsc::Sender<Waiting>,
    noticed: Arc<Notify>,
    pulse: Arc<Pulse>,
}

impl HistoryWriter {
    /// Starts the writer task of the only orchestrator on a migrated store. It ends when the last handle is dropped.
    #[must_use]
    pub fn start(store: Store) -> Self {
        let Some(file) = store.file().map(Path::to_owned) else {
            return Self::with(Committer::new(store, None));
        };
        let (queue, waiting) = mpsc::channel(QUEUE);
        // The thread ends with the last sender; a process that ends before is a crash, which loses nothing acknowledged.
        let thread = std::thread::Builder::new().name("history".to_owned());
        if let Err(error) = thread.spawn(move || sqlite::write(file, waiting)) {
            tracing::error!(%error, "no thread for the history");
        }
        Self { queue, noticed: Arc::default(), pulse: Arc::default() }
    }

    /// Starts the writer task of one replica among several. It also ends when that replica is fenced: nothing is
    /// committed from then on.
    #[must_use]
    pub fn start_as(store: Store, replica: String) -> Self {
        Self::with(Committer::new(store, Some(replica)))
    }

    fn with(committer: Committer) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(write(committer, waiting));
        Self { queue, noticed: Arc::default(), pulse: Arc::default() }
    }

    /// Returns when the writer task has ended: it broke down, or its replica was fenced.
    pub async fn ended(&self) {
        self.queue.closed().await;
    }

    /// Makes `append` durable, together with whatever else is waiting.
    ///
    /// # Errors
    /// Nothing is stored then; see [`AppendError`].
    pub async fn append(&self, append: Append) -> Result<(), AppendError> {
        let (done, outcome) = oneshot::channel();
        let beat = Beat::of(&append);
        let notices = append.needs.as_ref().is_some_and(|needs| !needs.notices.is_empty());
        self.queue.send((append, done)).await.map_err(|_| AppendError::Closed)?;
        let outcome = outcome.await.map_err(|_| AppendError::Closed)?;
        if outcome.is_ok() {
            self.pulse.beat(beat);
        }
        if notices && outcome.is_ok() {
            self.noticed.notify_one();
        }
        outcome
    }

    /// What it has committed, counted.
    #[must_use]
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// Returns when this process has committed a notice since it was last asked.
    pub async fn noticed(&self) {
        self.noticed.notified().await;
    }
}

/// Whoever waits is told [`AppendError::Closed`] when this ends, by the drop of the other end.
async fn write(committer: Committer, mut queue: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let mut outage = Outage::of("the history store is away");
    while queue.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let (appends, waiting): (Vec<Append>, Vec<Done>) = batch.drain(..).unzip();
        match settle(&committer, &appends, waiting).await {
            Ok(()) => outage.over(),
            Err(Stop::Fenced) => {
                tracing::error!("this replica was fenced: its history is written by another now");
                return;
            }
            Err(Stop::Away(error)) => {
                outage.met(&error);
                // Whoever queued meanwhile would wait as long for the same.
                while let Ok((_, done)) = queue.try_recv() {
                    give_up(vec![done], &error);
                }
            }
        }
    }
}

/// Why the next batch need not be tried at once.
enum Stop {
    /// The replica has lost its right to write.
    Fenced,
    /// No commit can be made now.
    Away(DbErr),
}

async fn settle(committer: &Committer, appends: &[Append], waiting: Vec<Done>) -> Result<(), Stop> {
    match commit(committer, appends).await {
        Ok(committed) => answer(waiting, &committed),
        Err(Refusal::Fenced) => return Err(Stop::Fenced),
        Err(Refusal::Store(error)) if is_away(&error) => {
            give_up(waiting, &error);
            return Err(Stop::Away(error));
        }
        Err(Refusal::Store(error)) => {
            tracing::error!(%error, appends = waiting.len(), "history did not commit");
            one_by_one(committer, appends, waiting).await?;
        }
    }
    Ok(())
}

/// A connection that broke proves nothing about the store, which may be back already: it is tried on another. What the
/// lost connection had committed all the same is found then.
async fn commit(committer: &Committer, appends: &[Append]) -> Result<Committed, Refusal> {
    for _ in 0..BROKEN_AT_ONCE {
        match commit_once(committer, appends).await {
            Err(Refusal::Store(error)) if is_broken(&error) => {}
            outcome @ (Ok(_) | Err(Refusal::Store(_) | Refusal::Fenced)) => return outcome,
        }
    }
    commit_once(committer, appends).await
}

async fn commit_once(committer: &Committer, appends: &[Append]) -> Result<Committed, Refusal> {
    let began = Instant::now();
    let outcome = committer.commit(appends).await;
    meters::committed(appends.len(), began.elapsed(), &outcome);
    outcome
}

fn is_broken(error: &DbErr) -> bool {
    // Where none could be had in all the time that it may take, another try would only take it again.
    is_away(error) && !matches!(error, DbErr::ConnectionAcquire(_))
}

/// One bad append must not take its neighbours down: after a refused commit each is tried alone.
async fn one_by_one(committer: &Committer, appends: &[Append], waiting: Vec<Done>) -> Result<(), Stop> {
    let mut waiting = waiting.into_iter();
    for (append, done) in appends.iter().zip(waiting.by_ref()) {
        match commit(committer, std::slice::from_ref(append)).await {
            Ok(committed) => answer(vec![done], &committed),
            Err(Refusal::Fenced) => return Err(Stop::Fenced),
            Err(Refusal::Store(error)) => {
                give_up(vec![done], &error);
                if is_away(&error) {
                    // Each of the others would wait as long for the same.
                    give_up(waiting.collect(), &error);
                    return Err(Stop::Away(error));
                }
            }
        }
    }
    Ok(())
}

fn answer(waiting: Vec<Done>, committed: &Committed) {
    for (index, done) in waiting.into_iter().enumerate() {
        let outcome = match committed.conflict(index) {
            Some(conflict) => Err(AppendError::Conflict(Box::new(conflict.clone()))),
            None => Ok(()),
        };
        // Whoever no longer waits reads the store again.
        let _ = done.send(outcome);
    }
}

fn give_up(waiting: Vec<Done>, error: &DbErr) {
    for done in waiting {
        let _ = done.send(Err(AppendError::Store(error.to_string())));
    }
}
