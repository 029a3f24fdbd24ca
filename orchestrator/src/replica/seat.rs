//! The place of this process among the replicas: taken before recovery, given up at the end. A table of contents.

use super::keeper::{Left, TakeOver, keep};
use super::peers::Peers;
use super::table::{Addresses, Table, session_of};
use super::tenure::Tenure;
use crate::history::{History, HistoryReader, HistoryWriter};
use amends_serve::store::{Store, StoreError};
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// So much of what others left may wait for the engine.
const LEFT: usize = 16;

/// This process as one of the orchestrators on a history.
pub struct Seat {
    /// What the engine asks before it acts.
    pub tenure: Tenure,
    among: Option<Among>,
}

/// What only one among several has.
struct Among {
    table: Table,
    peers: Arc<Peers>,
    left: Option<mpsc::Receiver<Left>>,
    _tasks: JoinSet<()>,
}

/// The id of a new replica, and the name of its sessions.
#[must_use]
pub fn new_replica() -> (String, String) {
    let id = uuid::Uuid::now_v7().to_string();
    let session = session_of(&id);
    (id, session)
}

impl Seat {
    /// Of the only orchestrator.
    #[must_use]
    pub fn alone() -> Self {
        Self { tenure: Tenure::alone(), among: None }
    }

    /// Joins the replicas on the migrated database at `url`, and takes over what is nobody's.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn take(url: &str, id: String, at: &Addresses) -> Result<Self, StoreError> {
        // Sessions of its own: renewals must not wait for the history's.
        let table = Table::new(Store::open_as(url, Some(&session_of(&id))).await?, id);
        let asked = Instant::now();
        table.join(at).await?;
        let (tenure, wanted) = (Tenure::of_replica(asked), Arc::new(Notify::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(keep(table.clone(), tenure.clone()));
        let take_over = TakeOver::new(table.clone(), tenure.clone(), Arc::clone(&wanted));
        take_over.once().await?;
        // Before recovery, which looks after whoever is gone by then.
        let alive = table.alive().await?;
        let (send, left) = mpsc::channel(LEFT);
        tasks.spawn(take_over.watch(alive, send));
        let peers = Arc::new(Peers::new(table.clone(), wanted));
        let among = Among { table, peers, left: Some(left), _tasks: tasks };
        Ok(Self { tenure, among: Some(among) })
    }

    /// The other replicas; `None` = there are none.
    #[must_use]
    pub fn peers(&self) -> Option<Arc<Peers>> {
        self.among.as_ref().map(|among| Arc::clone(&among.peers))
    }

    /// What others leave behind, from now on; `None` = there are no others.
    pub fn left_behind(&mut self) -> Option<mpsc::Receiver<Left>> {
        self.among.as_mut().and_then(|among| among.left.take())
    }

    /// The history as this one reads and writes it.
    #[must_use]
    pub fn history(&self, store: Store) -> History {
        match &self.among {
            None => {
                History { writer: HistoryWriter::start(store.clone()), reader: HistoryReader::new(store) }
            }
            Some(Among { table, .. }) => History {
                writer: HistoryWriter::start_as(store.clone(), table.id.clone()),
                reader: HistoryReader::of(store, table.id.clone()),
            },
        }
    }

    /// Gives up everything, so that the others need not wait for the lease to end. No call begins from here on.
    pub async fn leave(self) {
        self.tenure.end();
        if let Some(Among { table, .. }) = self.among
            && let Err(error) = table.leave().await
        {
            tracing::warn!(%error, "the others have to wait for the end of the lease");
        }
    }
}
