//! Brings the coordinator to its own end of what has ended here: of what it was told "not yet" last, and, after a crash,
//! of what ended shortly before. Decides nothing: history has.

use super::{Engine, Live, silence};
use crate::coordinator::CoordinatorStatus;
use futures::StreamExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Reminders of an end; what they miss, the coordinator's own poll brings.
const LAST_REMINDERS: u32 = 6;
/// Each of them waits so many times longer.
const LAST_FACTOR: u32 = 2;
/// So many of the newest are looked at, open ones too: what a crash leaves untold began shortly before it, but for a few that
/// waited for long. Those the auditor finds.
const AMONG: u64 = 4_000;
/// At most so many of them are asked about.
const ASKED: usize = 1_000;
/// Most of them in memory at a time; their calls take turns with all other endings.
const AT_ONCE: usize = 64;
/// How long a coordinator that is away is waited for. One that is away for longer asks by itself when it is back.
const PATIENCE: Duration = Duration::from_secs(300);

impl Engine {
    /// Tells of an end in the background: the coordinator was told "not yet" last, and would ask again only at its next
    /// poll.
    pub(super) fn tell_the_end(self: &Arc<Self>, live: &Arc<Live>) {
        let (engine, live) = (Arc::clone(self), Arc::clone(live));
        if live.start_telling() {
            tokio::spawn(async move { engine.tell(&live).await });
        }
    }

    async fn tell(&self, live: &Live) {
        let mut wait = silence::FIRST;
        for _ in 0..LAST_REMINDERS {
            let Ok(turn) = self.endings.acquire().await else { break };
            match self.status_of(live).await {
                Some(None | Some(CoordinatorStatus::Succeed | CoordinatorStatus::Failed)) => break,
                Some(Some(status)) => self.remind(live, status).await,
                None => {}
            }
            drop(turn);
            tokio::time::sleep(wait).await;
            wait *= LAST_FACTOR;
        }
        live.stop_telling();
    }

    /// Whoever brought it to its end may have died before the coordinator heard of that. How long ago is no question: the
    /// coordinator asks the more seldom the longer nobody answers. What is read is bounded, whatever the history holds.
    /// Of several replicas the eldest does it, at its start and whenever another is gone.
    pub(super) fn tell_what_ended_shortly_before(self: &Arc<Self>) {
        let engine = Arc::clone(self);
        tokio::spawn(async move {
            let gids = match engine.ended_shortly_before().await {
                Ok(gids) if !gids.is_empty() => gids,
                Ok(_) => return,
                Err(error) => return tracing::warn!(%error, "who ended shortly before is not known"),
            };
            if timeout(PATIENCE, engine.until_reached()).await.is_err() {
                return;
            }
            let each = |gid: String| {
                let engine = Arc::clone(&engine);
                async move { engine.tell_of(&gid).await }
            };
            futures::stream::iter(gids).for_each_concurrent(AT_ONCE, each).await;
        });
    }

    async fn ended_shortly_before(&self) -> Result<Vec<String>, sea_orm::DbErr> {
        let reader = &self.history().reader;
        let name = self.coordinators().remote().name();
        let Some(orphaned) = reader.orphaned().await? else { return Ok(Vec::new()) };
        let mut gids = reader.newest_ended(&orphaned, name, AMONG).await?;
        gids.truncate(ASKED);
        Ok(gids)
    }

    async fn until_reached(&self) {
        while self.coordinators().remote().version().await.is_err() {
            tokio::time::sleep(super::sweep::AWAY_LOOK).await;
        }
    }

    /// Nearly all were told, and one look is enough: only of the others plan and history are read.
    async fn tell_of(self: &Arc<Self>, gid: &str) {
        let Ok(turn) = self.endings.acquire().await else { return };
        let seen = self.coordinators().remote().view(gid).await.map(|view| view.map(|view| view.status));
        drop(turn);
        if let Ok(None | Some(CoordinatorStatus::Succeed | CoordinatorStatus::Failed)) = seen {
            return;
        }
        match self.find(gid).await {
            Ok(Some(live)) if live.state().end.is_some() && live.start_telling() => self.tell(&live).await,
            // A redrive has opened it again, or it was taken out of the store.
            Ok(_) => {}
            Err(error) => tracing::warn!(gid, %error, "the coordinator is not told of the end"),
        }
    }
}
