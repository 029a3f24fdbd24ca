//! What the engine asks before it acts: may this process still, and may anybody else still be at it?

use super::lease::Lease;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Longest time that anybody remembers a former owner: longer than any attempt of its may last.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// The right of this process to drive global transactions. A clone is the same right.
#[derive(Debug, Clone, Default)]
pub struct Tenure(Option<Arc<Held>>);

#[derive(Debug)]
struct Held {
    began: Instant,
    lease: watch::Sender<Lease>,
    adopted: Mutex<HashMap<String, Adopted>>,
}

/// What is known of the process that had it before.
#[derive(Debug, Clone, Copy)]
struct Adopted {
    since: Instant,
    former: Former,
}

/// A process whose lease is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Former {
    /// It has ended, and so have its calls.
    Gone,
    /// It may be there still, and wait for answers to its calls.
    Silent,
}

impl Tenure {
    /// Of the only orchestrator: it never ends.
    #[must_use]
    pub fn alone() -> Self {
        Self(None)
    }

    /// Of one among several: the database was asked for the first lease at `asked`.
    pub(super) fn of_replica(asked: Instant) -> Self {
        let lease = watch::Sender::new(Lease::granted(Duration::ZERO));
        Self(Some(Arc::new(Held { began: asked, lease, adopted: Mutex::default() })))
    }

    /// Whether this process may still begin a call. To be asked immediately before.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.0.as_ref().is_none_or(|held| held.lease.borrow().holds(held.began.elapsed()))
    }

    /// Returns when it may not any more. Never, for the only orchestrator.
    pub async fn lapsed(&self) {
        let Some(held) = &self.0 else { return std::future::pending().await };
        let mut lease = held.lease.subscribe();
        loop {
            let end = held.began + lease.borrow_and_update().end();
            tokio::select! {
                () = tokio::time::sleep_until(end) => {
                    if !self.holds() {
                        return;
                    }
                }
                _ = lease.changed() => {}
            }
        }
    }

    /// The database granted what it was asked for at that time.
    pub(super) fn renew(&self, asked: Instant) {
        if let Some(held) = &self.0 {
            let granted = Lease::granted(asked.duration_since(held.began));
            held.lease.send_modify(|lease| *lease = lease.or(granted));
        }
    }

    /// It is over, at once.
    pub(super) fn end(&self) {
        if let Some(held) = &self.0 {
            held.lease.send_replace(Lease::taken());
        }
    }

    /// These were taken over from such a process.
    pub(super) fn adopt(&self, gids: impl Iterator<Item = String>, former: Former) {
        if let Some(held) = &self.0 {
            let (since, mut adopted) = (Instant::now(), lock(&held.adopted));
            adopted.retain(|_, earlier| earlier.since.elapsed() < REMEMBERED);
            adopted.extend(gids.map(|gid| (gid, Adopted { since, former })));
        }
    }

    /// Since when no former owner begins calls for it, where calls of its own may be in flight.
    #[must_use]
    pub fn doubtful_since(&self, gid: &str) -> Option<Instant> {
        let adopted = self.adopted(gid)?;
        (adopted.former == Former::Silent).then_some(adopted.since)
    }

    /// Whether it was taken over from a process that has ended, a lease ago or nearly.
    #[must_use]
    pub fn owner_is_gone(&self, gid: &str) -> bool {
        self.adopted(gid).is_some_and(|adopted| adopted.former == Former::Gone)
    }

    fn adopted(&self, gid: &str) -> Option<Adopted> {
        self.0.as_ref().and_then(|held| lock(&held.adopted).get(gid).copied())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_lapses_unless_it_is_renewed() {
        let tenure = Tenure::of_replica(Instant::now());
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(tenure.holds());
            tenure.renew(Instant::now());
        }
        let began = Instant::now();
        tenure.lapsed().await;
        assert!(!tenure.holds());
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_at_once_when_it_is_taken() {
        let tenure = Tenure::of_replica(Instant::now());
        let (began, lapsed) = (Instant::now(), tenure.lapsed());
        tokio::pin!(lapsed);
        assert!(futures::poll!(&mut lapsed).is_pending());
        tenure.end();
        lapsed.await;
        assert_eq!((began.elapsed(), tenure.holds()), (Duration::ZERO, false));
    }

    #[tokio::test(start_paused = true)]
    async fn the_only_one_never_lapses() {
        let tenure = Tenure::alone();
        let lapsed = tokio::time::timeout(Duration::from_secs(86_400), tenure.lapsed());
        assert!(lapsed.await.is_err() && tenure.holds());
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_from_a_silent_owner_is_doubted() {
        let tenure = Tenure::of_replica(Instant::now());
        tenure.adopt(["a".to_owned()].into_iter(), Former::Silent);
        tenure.adopt(["b".to_owned()].into_iter(), Former::Gone);
        let doubtful = ["a", "b", "c"].map(|gid| tenure.doubtful_since(gid).is_some());
        let gone = ["a", "b", "c"].map(|gid| tenure.owner_is_gone(gid));
        assert_eq!((doubtful, gone), ([true, false, false], [false, true, false]));
    }
}
