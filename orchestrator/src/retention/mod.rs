//! Retention: what ended long ago is written to an archive, then taken out of the store, in small steps that hold up
//! nobody. What has not ended, or needs a person, stays. Must not know participants or the coordinator.
//!
//! A file of the archive has its name twice: while it ends in `.pending` its global transactions may still be in the
//! store, and whoever finds such a file takes them out first. So a crash at any moment loses nothing, and nothing is
//! archived twice; only what went on after it was archived stays, and is archived once more, with all of its events.
//! Of several processes one at a time has the turn. One that is suspended for longer than its turn lasts finds that out
//! before it writes or takes out more; no file is ever written over another, so that nothing is lost even in between. What
//! it writes all the same, because it was suspended over the writing, stays pending until somebody leaves out what others have.

mod archive;
mod file;
mod flags;
mod record;
mod twins;

pub use archive::{Archive, ArchiveError};
pub use flags::RetentionArgs;
pub use record::Record;

use crate::history::{HistoryReader, PurgeTurn, Purger, ReadError, Scope};
use amends_crash_points::{Place, around};
use sea_orm::DbErr;
use std::collections::HashSet;
use std::time::Duration;

/// Global transactions of one file: it is read whole to find one of them.
const PER_FILE: u64 = 500;
/// Global transactions taken out in one commit: some milliseconds for which others wait.
const AT_ONCE: usize = 50;
/// Between two such commits: others have most of the time.
const BREATH: Duration = Duration::from_millis(25);

/// What is kept, and where the rest goes.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How long a global transaction stays after its end.
    pub retain: Duration,
    /// Where it goes then.
    pub archive: Archive,
    /// Between two looks.
    pub interval: Duration,
}

/// Why a pass ended early. The next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The store is away.
    #[error("the history store is away")]
    Store(#[from] DbErr),
    /// A history cannot be read: it stays, and whoever looks after it must know.
    #[error("a history that ended cannot be read")]
    Read(#[from] ReadError),
    /// The archive cannot be written or read.
    #[error("the archive")]
    Archive(#[from] ArchiveError),
}

/// Archives and takes out.
#[derive(Debug)]
pub struct Retention {
    policy: Policy,
    reader: HistoryReader,
    purger: Purger,
    clock: fn() -> i64,
}

impl Retention {
    /// Of the store that `reader` reads.
    #[must_use]
    pub fn new(policy: Policy, reader: HistoryReader, clock: fn() -> i64) -> Self {
        let purger = reader.purger();
        Self { policy, reader, purger, clock }
    }

    /// Goes on until the process ends.
    pub async fn run(self) {
        let mut looks = tokio::time::interval(self.policy.interval);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            match self.pass().await {
                Ok(0) => {}
                Ok(archived) => tracing::info!(archived, "archived and taken out of the history"),
                Err(error) => tracing::warn!(error = %anyhow::Error::from(error), "retention goes on later"),
            }
        }
    }

    /// Archives and takes out all that is due; tells how many. Of several replicas the eldest does it; while two take
    /// themselves for that, the one whose turn it is.
    ///
    /// # Errors
    /// What was archived by then stays archived.
    pub async fn pass(&self) -> Result<u64, RetentionError> {
        if matches!(self.reader.scope().await?, Scope::Owned(_)) {
            return Ok(0);
        }
        let Some(turn) = self.purger.turn().await? else { return Ok(0) };
        self.policy.archive.tidy().await?;
        for pending in self.policy.archive.pending().await? {
            self.take_out(&turn, pending).await?;
        }
        let retain = i64::try_from(self.policy.retain.as_micros()).unwrap_or(i64::MAX);
        let ended_before_us = (self.clock)().saturating_sub(retain);
        let (mut archived, mut after) = (0, String::new());
        loop {
            let due = self.reader.due(ended_before_us, &after, PER_FILE).await?;
            let Some(last) = due.last() else { return Ok(archived) };
            after.clone_from(last);
            for of_one_day in archive::days(&due) {
                archived += self.archive(&turn, of_one_day).await?;
            }
        }
    }

    async fn archive(&self, turn: &PurgeTurn, gids: &[String]) -> Result<u64, RetentionError> {
        let histories = self.reader.whole(gids).await?;
        let records: Vec<Record> = histories.into_iter().map(Record::from).collect();
        if records.is_empty() {
            return Ok(0);
        }
        // Whoever has lost his turn may have read what another one has archived meanwhile.
        turn.prove().await?;
        let pending = around!(Place::ArchiveFile, self.policy.archive.write(&records).await)?;
        self.take_out(turn, pending).await
    }

    /// Takes out what a file has, and gives the file its name; tells how many are out. What was not there any more stands in
    /// another file, where one was written while this process was suspended over its own.
    async fn take_out(&self, turn: &PurgeTurn, pending: archive::Pending) -> Result<u64, RetentionError> {
        let mut out = HashSet::new();
        for some in pending.known().chunks(AT_ONCE) {
            turn.prove().await?;
            out.extend(self.purger.purge(some).await?);
            tokio::time::sleep(BREATH).await;
        }
        let count = out.len() as u64;
        let left = if out.len() == pending.known().len() {
            Some(pending)
        } else {
            around!(Place::ArchiveFile, twins::leave_out(pending, out).await)?
        };
        if let Some(pending) = left {
            around!(Place::ArchiveName, pending.settle().await)?;
        }
        Ok(count)
    }
}
