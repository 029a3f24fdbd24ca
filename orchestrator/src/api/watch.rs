//! Watch: one stream of events to one watcher, each event once and in order, from a seq to the end. What is past is read
//! from the store page by page, what comes is pushed from memory. Must not know how anything is decided.

use super::error::ApiError;
use super::view;
use crate::engine::{Live, Subscription};
use crate::history::HistoryReader;
use crate::history::entity::event;
use amends_proto::amends::v1 as pb;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tonic::Status;

/// Watchers of one process: each holds a stream of about 10 KB. A connection carries at most as many as it may have calls
/// in flight.
pub const MAX_WATCHERS: usize = 10_000;
/// Events that are read from the store at once: 100 bytes to 500 each.
const PAGE: u64 = 256;
/// The kind of the last event of a global transaction that has ended.
const FINISHED: &str = "finished";

/// What a watcher receives.
pub type Events = BoxStream<'static, Result<pb::Event, Status>>;

/// Lets watchers in, and out when the process goes down.
#[derive(Debug, Clone)]
pub struct Watchers {
    room: Arc<Semaphore>,
    most: usize,
    stopping: watch::Receiver<bool>,
}

impl Watchers {
    /// Room for `most` of them until `stopping` says true.
    #[must_use]
    pub fn new(most: usize, stopping: watch::Receiver<bool>) -> Self {
        Self { room: Arc::new(Semaphore::new(most)), most, stopping }
    }

    /// Watches `live` from `from_seq` on.
    pub(super) async fn watch(
        &self,
        live: Arc<Live>,
        reader: &HistoryReader,
        from_seq: i64,
    ) -> Result<Events, ApiError> {
        let room = Arc::clone(&self.room).try_acquire_owned();
        let room = room.map_err(|_| ApiError::TooManyWatchers(self.most))?;
        let watcher = Watcher::new(live, reader.clone(), from_seq, room).await?;
        let stopping = self.stopping.clone();
        let batches = stream::try_unfold((watcher, stopping), async |(mut watcher, mut stopping)| {
            let batch = tokio::select! {
                batch = watcher.batch() => batch?,
                () = stopped(&mut stopping) => return Err(ApiError::Stopping.into()),
            };
            Ok::<_, Status>(batch.map(|batch| (batch, (watcher, stopping))))
        });
        Ok(batches.map_ok(|batch| stream::iter(batch.into_iter().map(Ok))).try_flatten().boxed())
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        // Nobody is left who could say so.
        std::future::pending::<()>().await;
    }
}

/// The seq that a request means: 0 is a field that was not set.
pub(super) fn first_seq(asked: i64) -> Result<i64, ApiError> {
    if asked < 0 {
        return Err(ApiError::Invalid { field: "from_seq", what: "must not be negative".to_owned() });
    }
    Ok(asked.max(1))
}

/// Where the next events come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The store: what was committed before we listened, or faster than we took it.
    Store,
    /// Memory.
    Feed,
    /// Everything was told.
    None,
}

struct Watcher {
    live: Arc<Live>,
    reader: HistoryReader,
    news: Subscription,
    next_seq: i64,
    source: Source,
    /// It had ended when this watch began, so what was appended behind the end belongs to it.
    after_the_end: bool,
    _room: OwnedSemaphorePermit,
}

impl Watcher {
    async fn new(
        live: Arc<Live>,
        reader: HistoryReader,
        from_seq: i64,
        room: OwnedSemaphorePermit,
    ) -> Result<Self, ApiError> {
        let first = first_seq(from_seq)?;
        // First listen, then look: what is committed between the two comes twice and is told once.
        let news = live.subscribe();
        let state = live.state();
        let newest = state.last_seq;
        if newest == 0 || first > newest + 1 {
            // Not in memory: its start is under way, or somebody else wrote behind its end. The store knows.
            let gid = &live.base().gid;
            if reader.page(gid, (first - 1).max(1), 1).await?.is_empty() {
                let unknown = || ApiError::NotFound(gid.clone());
                return Err(if newest == 0 { unknown() } else { ApiError::AheadOfHistory { newest } });
            }
        }
        let after_the_end = state.end.is_some();
        let up_to_date = first == newest + 1 && !after_the_end;
        let source = if up_to_date { Source::Feed } else { Source::Store };
        Ok(Self { live, reader, news, next_seq: first, source, after_the_end, _room: room })
    }

    /// The next events, at least one; `None` = everything was told.
    async fn batch(&mut self) -> Result<Option<Vec<pb::Event>>, ApiError> {
        loop {
            let rows = match self.source {
                Source::Store => self.stored().await?,
                Source::Feed => self.pushed().await,
                Source::None => return Ok(None),
            };
            if let Some(last) = rows.last() {
                self.next_seq = last.seq + 1;
                return Ok(Some(rows.into_iter().map(view::event).collect()));
            }
        }
    }

    /// The next page of the store. A page that is not full was the last one for now.
    async fn stored(&mut self) -> Result<Vec<event::Model>, ApiError> {
        let mut rows = self.reader.page(&self.live.base().gid, self.next_seq, PAGE).await?;
        if u64::try_from(rows.len()).is_ok_and(|count| count < PAGE) {
            self.source = if self.after_the_end { Source::None } else { Source::Feed };
        }
        self.end_at_the_end(&mut rows);
        Ok(rows)
    }

    /// The next commit, without what was told before. Nothing, if only the store has what comes next.
    async fn pushed(&mut self) -> Vec<event::Model> {
        let Some(events) = self.news.next().await else {
            self.source = Source::Store;
            return Vec::new();
        };
        let mut rows: Vec<_> = events.iter().filter(|event| event.seq >= self.next_seq).cloned().collect();
        if rows.first().is_some_and(|first| first.seq > self.next_seq) {
            self.source = Source::Store;
            return Vec::new();
        }
        self.end_at_the_end(&mut rows);
        rows
    }

    /// A watch that saw the end coming ends with it, whatever may be appended later.
    fn end_at_the_end(&mut self, rows: &mut Vec<event::Model>) {
        if self.after_the_end {
            return;
        }
        if let Some(end) = rows.iter().position(|row| row.kind == FINISHED) {
            rows.truncate(end + 1);
            self.source = Source::None;
        }
    }
}
