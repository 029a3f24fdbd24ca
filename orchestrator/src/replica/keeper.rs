//! Keeps the lease of this replica, and takes over what others left behind. Two tasks: a slow take-over must not
//! delay a renewal.

use super::lease::{BEAT, BEAT_AGAIN};
use super::table::{Adopted, Table};
use super::tenure::{Former, Tenure};
use amends_serve::store::is_locked;
use sea_orm::DbErr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// Between two looks for orphans; a call for one of them makes it look at once.
const LOOK: Duration = Duration::from_millis(250);

/// Renews the lease until the database says that it was taken, or the process ends.
pub(super) async fn keep(table: Table, tenure: Tenure) {
    loop {
        let asked = Instant::now();
        let wait = match tokio::time::timeout(BEAT, table.renew()).await {
            Ok(Ok(true)) => {
                tenure.renew(asked);
                BEAT
            }
            Ok(Ok(false)) => {
                tracing::error!(replica = table.id, "this replica was fenced");
                return tenure.end();
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the lease was not renewed");
                BEAT_AGAIN
            }
            Err(_) => {
                tracing::warn!("the lease was not renewed in time");
                BEAT_AGAIN
            }
        };
        tokio::time::sleep_until(asked + wait).await;
    }
}

/// Takes over what expired replicas had.
#[derive(Debug, Clone)]
pub struct TakeOver {
    table: Table,
    tenure: Tenure,
    wanted: Arc<Notify>,
}

impl TakeOver {
    pub(super) fn new(table: Table, tenure: Tenure, wanted: Arc<Notify>) -> Self {
        Self { table, tenure, wanted }
    }

    /// Looks for orphans until the process ends; sends the gids that it adopted.
    pub(super) async fn watch(self, adopted: mpsc::Sender<Vec<String>>) {
        loop {
            let _ = tokio::time::timeout(LOOK, self.wanted.notified()).await;
            match self.once().await {
                Ok(gids) if gids.is_empty() => {}
                Ok(gids) => {
                    if adopted.send(gids).await.is_err() {
                        return;
                    }
                }
                Err(error) => tracing::warn!(%error, "nothing could be taken over"),
            }
        }
    }

    /// Fences whoever's lease is over and adopts what is nobody's, all of it in one local transaction.
    ///
    /// # Errors
    /// Where the store is away; nothing is taken over then.
    pub async fn once(&self) -> Result<Vec<String>, DbErr> {
        if !self.table.has_orphans().await? {
            return Ok(Vec::new());
        }
        match self.adopt().await {
            // A commit of the expired one stands in the way, and its process does not go on with it.
            Err(error) if is_locked(&error) => {
                self.table.cut().await?;
                self.adopt().await
            }
            outcome => outcome,
        }
    }

    async fn adopt(&self) -> Result<Vec<String>, DbErr> {
        let Some(transaction) = self.table.begin_take_over().await? else { return Ok(Vec::new()) };
        if !self.table.prove(&transaction).await? {
            self.tenure.end();
            return Ok(Vec::new());
        }
        let fenced = self.table.fence(&transaction).await?;
        let adopted = self.table.adopt(&transaction).await?;
        // Before anybody can meet them as ours.
        let (silent, gone): (Vec<_>, Vec<_>) = adopted.iter().partition(|one| one.is_there);
        self.tenure.adopt(silent.into_iter().map(|one| one.gid.clone()), Former::Silent);
        self.tenure.adopt(gone.into_iter().map(|one| one.gid.clone()), Former::Gone);
        transaction.commit().await?;
        for one in &fenced {
            tracing::warn!(replica = one.id, is_there = one.is_there, "a silent replica was fenced");
        }
        tracing::info!(adopted = adopted.len(), "took over");
        Ok(adopted.into_iter().map(|Adopted { gid, .. }| gid).collect())
    }
}
