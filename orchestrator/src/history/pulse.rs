//! What this process has committed since it began, counted, and a bell that rings with each commit: for whoever shows
//! rates, and what is new. Costs a few additions. Must not know who looks, nor what events mean but starts and ends.

use super::end::Status;
use super::writer::Append;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// The kind of the event that ends a global transaction.
const FINISHED: &str = "finished";

/// Counts since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Global transactions that were accepted.
    pub started: u64,
    /// Those that ended well.
    pub succeeded: u64,
    /// Those that were undone.
    pub failed: u64,
    /// Those that were undone on request.
    pub cancelled: u64,
}

/// Counts, and rings.
#[derive(Debug, Default)]
pub struct Pulse {
    started: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    bell: watch::Sender<u64>,
}

/// What one append counts as, taken down before it is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beat {
    starts: bool,
    ends: Option<Status>,
}

impl Beat {
    /// Of an append that may still fail.
    pub(super) fn of(append: &Append) -> Self {
        let ends = append.events.last().is_some_and(|last| last.kind == FINISHED);
        let status = append.row.as_ref().filter(|_| ends).map(|row| row.status.as_str());
        let all = [Status::Succeeded, Status::Failed, Status::Cancelled];
        let ends = all.into_iter().find(|end| status == Some(end.name()));
        Self { starts: append.new.is_some(), ends }
    }
}

impl Pulse {
    /// An append was committed.
    pub(super) fn beat(&self, beat: Beat) {
        if beat.starts {
            self.started.fetch_add(1, Ordering::Relaxed);
        }
        let ended = match beat.ends {
            Some(Status::Succeeded) => Some(&self.succeeded),
            Some(Status::Failed) => Some(&self.failed),
            Some(Status::Cancelled) => Some(&self.cancelled),
            Some(Status::Accepted | Status::Running | Status::Compensating) | None => None,
        };
        if let Some(ended) = ended {
            ended.fetch_add(1, Ordering::Relaxed);
        }
        self.bell.send_modify(|commits| *commits += 1);
    }

    /// The counts now.
    #[must_use]
    pub fn counted(&self) -> Counted {
        Counted {
            started: self.started.load(Ordering::Relaxed),
            succeeded: self.succeeded.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            cancelled: self.cancelled.load(Ordering::Relaxed),
        }
    }

    /// Rings with each commit from now on. Who is slow hears of many at once.
    #[must_use]
    pub fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }
}
