//! Stats: figures of the whole history, counted at most every few seconds.

use super::error::ApiError;
use super::view;
use crate::engine::Engine;
use crate::history::{CauseCount, Counts, StatusCount};
use amends_proto::amends::v1 as pb;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Counting walks through an index of all rows: a second of work for some millions. Dashboards ask together.
const KEPT_US: i64 = 5_000_000;
/// Whoever asks waits so long for a count that is under way, then hears the one before, if there is one.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was counted, and when; or why nothing could be.
type Counted = Result<(i64, Arc<Counts>), String>;

/// The figures that were counted last, and the count that is under way. Of several who ask at once one counts; a count goes
/// on when whoever asked for it has gone, so that the next one finds it.
#[derive(Clone, Default)]
pub struct Figures(Arc<Mutex<Desk>>);

#[derive(Default)]
struct Desk {
    kept: Option<(i64, Arc<Counts>)>,
    counting: Option<Shared<BoxFuture<'static, Counted>>>,
}

impl Figures {
    /// Counts, or tells what was counted just now, or, where counting takes long, what was counted last.
    pub async fn tell(&self, engine: &Arc<Engine>) -> Result<pb::StatsResponse, ApiError> {
        let reader = engine.history().reader.clone();
        let count = async move || reader.counts().await.map_err(|error| error.to_string());
        let (at_us, counts) = self.newest(engine.now_us(), count).await.map_err(ApiError::Store)?;
        Ok(response(&counts, at_us))
    }

    async fn newest<F>(&self, now_us: i64, count: impl FnOnce() -> F) -> Counted
    where
        F: Future<Output = Result<Counts, String>> + Send + 'static,
    {
        let (kept, counting) = {
            let mut desk = self.desk();
            if let Some((at_us, counts)) = &desk.kept
                && (0..KEPT_US).contains(&(now_us - at_us))
            {
                return Ok((*at_us, Arc::clone(counts)));
            }
            (desk.kept.clone(), desk.counting.get_or_insert_with(|| self.begin(now_us, count())).clone())
        };
        let counted = match (tokio::time::timeout(PATIENCE, counting.clone()).await, kept) {
            (Ok(counted), _) => counted,
            (Err(_), Some(kept)) => Ok(kept),
            (Err(_), None) => counting.await,
        };
        if counted.is_err() {
            // Also where the count broke off without a word.
            self.desk().counting = None;
        }
        counted
    }

    /// A count in a task of its own, which leaves what it found.
    fn begin<F>(&self, at_us: i64, count: F) -> Shared<BoxFuture<'static, Counted>>
    where
        F: Future<Output = Result<Counts, String>> + Send + 'static,
    {
        let figures = self.clone();
        let task = tokio::spawn(async move {
            let counted = count.await.map(|counts| (at_us, Arc::new(counts)));
            let mut desk = figures.desk();
            desk.counting = None;
            if let Ok(counted) = &counted {
                desk.kept = Some(counted.clone());
            }
            counted
        });
        async move { task.await.unwrap_or_else(|error| Err(error.to_string())) }.boxed().shared()
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn response(counts: &Counts, at_us: i64) -> pb::StatsResponse {
    let status = |one: &StatusCount| pb::StatusFigure {
        definition: one.definition.clone(),
        status: view::status_named(&one.status).into(),
        count: one.count,
    };
    let cause = |one: &CauseCount| pb::CauseFigure {
        cause: one.cause.clone(),
        count: one.count,
        oldest: view::time(one.oldest_us),
    };
    let statuses: Vec<_> = counts.statuses.iter().map(status).collect();
    let open = [pb::Status::Accepted, pb::Status::Running, pb::Status::Compensating];
    let age = counts.oldest_open_us.map(|us| at_us.saturating_sub(us).max(0));
    pb::StatsResponse {
        open: statuses.iter().filter(|one| open.contains(&one.status())).map(|one| one.count).sum(),
        statuses,
        causes: counts.causes.iter().map(cause).collect(),
        paused: counts.paused,
        oldest_open: counts.oldest_open_us.and_then(view::time),
        oldest_open_age: age.map(|us| prost_types::Duration {
            seconds: us / 1_000_000,
            nanos: i32::try_from(us % 1_000_000 * 1_000).unwrap_or(0),
        }),
        counted_at: view::time(at_us),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Counts its calls, and takes so long for each.
    fn slow(
        calls: &Arc<AtomicU64>,
        takes: Duration,
    ) -> impl Future<Output = Result<Counts, String>> + Send + 'static {
        let calls = Arc::clone(calls);
        async move {
            let paused = calls.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::time::sleep(takes).await;
            Ok(Counts { paused: i64::try_from(paused).unwrap_or(0), ..Counts::default() })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_count_that_nobody_waits_for_goes_on_and_is_kept() {
        let (figures, calls) = (Figures::default(), Arc::new(AtomicU64::new(0)));
        let long = Duration::from_secs(30);
        for _ in 0..10 {
            let asked = figures.newest(0, || slow(&calls, long));
            assert!(tokio::time::timeout(Duration::from_millis(1_500), asked).await.is_err());
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1, "one for all who ask");
        let (at_us, counts) = figures.newest(20_000_000, || slow(&calls, long)).await.unwrap();
        assert_eq!((at_us, counts.paused, calls.load(Ordering::SeqCst)), (0, 1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_count_takes_long_the_one_before_is_told() {
        let (figures, calls) = (Figures::default(), Arc::new(AtomicU64::new(0)));
        figures.newest(0, || slow(&calls, Duration::ZERO)).await.unwrap();
        let just_now = figures.newest(KEPT_US - 1, || slow(&calls, Duration::ZERO)).await.unwrap();
        assert_eq!((just_now.0, calls.load(Ordering::SeqCst)), (0, 1));
        let long = Duration::from_secs(3);
        let meanwhile = figures.newest(KEPT_US, || slow(&calls, long)).await.unwrap();
        assert_eq!((meanwhile.0, meanwhile.1.paused), (0, 1));
        tokio::time::sleep(long).await;
        let then = figures.newest(KEPT_US, || slow(&calls, long)).await.unwrap();
        assert_eq!((then.0, then.1.paused), (KEPT_US, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_counted_is_counted_again() {
        let (figures, calls) = (Figures::default(), Arc::new(AtomicU64::new(0)));
        let away = figures.newest(0, async || Err("away".to_owned())).await;
        assert_eq!(away.unwrap_err(), "away");
        assert!(figures.newest(0, || slow(&calls, Duration::ZERO)).await.is_ok());
    }
}
