//! Keeps the lease of this replica, and takes over what others left behind. Two tasks: a slow take-over must not
//! delay a renewal.

use super::lease::{BEAT, BEAT_AGAIN};
use super::table::{Adopted, Table};
use super::tenure::{Former, Tenure};
use amends_serve::outage::Outage;
use amends_serve::store::is_locked;
use sea_orm::DbErr;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// Between two looks for orphans; a call for one of them makes it look at once.
const LOOK: Duration = Duration::from_millis(250);

/// Renews the lease until the database says that it was taken, or the process ends.
pub(super) async fn keep(table: Table, tenure: Tenure) {
    let mut outage = Outage::of("the lease cannot be renewed");
    loop {
        let asked = Instant::now();
        let wait = match tokio::time::timeout(BEAT, table.renew()).await {
            Ok(Ok(true)) => {
                outage.over();
                tenure.renew(asked);
                BEAT
            }
            Ok(Ok(false)) => {
                tracing::error!(replica = table.id, "this replica was fenced");
                return tenure.end();
            }
            Ok(Err(error)) => {
                outage.met(&error);
                BEAT_AGAIN
            }
            Err(late) => {
                outage.met(&late);
                BEAT_AGAIN
            }
        };
        tokio::time::sleep_until(asked + wait).await;
    }
}

/// What other replicas left behind.
#[derive(Debug, PartialEq, Eq)]
pub enum Left {
    /// These were open, and are this one's now.
    Open(Vec<String>),
    /// One of them, at least, is there no more. What it had ended is nobody's to tell of.
    Ended,
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

    /// Looks for orphans until the process ends, and for those of the `alive` that are so no more, whoever fenced them:
    /// most leave nothing open.
    pub(super) async fn watch(self, mut alive: BTreeSet<String>, left: mpsc::Sender<Left>) {
        loop {
            let _ = tokio::time::timeout(LOOK, self.wanted.notified()).await;
            let mut found = Vec::new();
            match self.once().await {
                Ok(gids) if gids.is_empty() => {}
                Ok(gids) => found.push(Left::Open(gids)),
                Err(error) => tracing::warn!(%error, "nothing could be taken over"),
            }
            match self.table.alive().await {
                Ok(now) if alive.is_subset(&now) => alive = now,
                Ok(now) => {
                    alive = now;
                    found.push(Left::Ended);
                }
                Err(error) => tracing::warn!(%error, "who is alive is not known"),
            }
            for found in found {
                if left.send(found).await.is_err() {
                    return;
                }
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
