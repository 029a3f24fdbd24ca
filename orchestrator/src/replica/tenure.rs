//! What the engine asks before it acts: may this process still, and may anybody else still be at it?

use super::lease::Lease;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Longest time that anybody remembers that a former owner may have calls in flight: longer than any attempt.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// The right of this process to drive global transactions. A clone is the same right.
#[derive(Debug, Clone, Default)]
pub struct Tenure(Option<Arc<Held>>);

#[derive(Debug)]
struct Held {
    began: Instant,
    lease: watch::Sender<Lease>,
    doubtful: Mutex<HashMap<String, Instant>>,
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
        Self(Some(Arc::new(Held { began: asked, lease, doubtful: Mutex::default() })))
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

    /// These were taken over from a process that may be there still, and wait for answers to its calls.
    pub(super) fn doubt(&self, gids: impl Iterator<Item = String>) {
        if let Some(held) = &self.0 {
            let (now, mut doubtful) = (Instant::now(), lock(&held.doubtful));
            doubtful.retain(|_, since| since.elapsed() < REMEMBERED);
            doubtful.extend(gids.map(|gid| (gid, now)));
        }
    }

    /// Since when no former owner begins calls for it; `None` = none of its calls is in flight either.
    #[must_use]
    pub fn doubtful_since(&self, gid: &str) -> Option<Instant> {
        self.0.as_ref().and_then(|held| lock(&held.doubtful).get(gid).copied())
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
        tenure.doubt(["a".to_owned()].into_iter());
        assert_eq!((tenure.doubtful_since("a"), tenure.doubtful_since("b")), (Some(Instant::now()), None));
    }
}
