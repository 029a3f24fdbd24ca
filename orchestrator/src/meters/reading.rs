//! What is looked at only when somebody asks: lanes, what is open in the store, needs for a person, notices, whether
//! DTM is there. No question walks through what has ended, however much of it there is.

use super::table::{
    ATTENTION_OLDEST, ATTENTION_OPEN, ATTENTION_UNACKNOWLEDGED, DTM_REACHABLE, HISTORY_READABLE, HOLDS,
    LANE_BREAKER, LANE_IN_FLIGHT, LANE_REPEATS, LANE_WAITING, LANE_WIDTH, NOTICES_ATTEMPTS, NOTICES_OLDEST,
    NOTICES_PENDING, OLDEST_OPEN, OPEN, PAUSED,
};
use crate::attention::{Listing, Outbox};
use crate::engine::{Engine, LaneView, Phase};
use crate::history::{Held, Hold};
use amends_serve::metrics::{Gauges, Kept, Source, age_s, figure};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use sea_orm::DbErr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A DTM that does not tell its version in this time counts as away.
const DTM_PATIENCE: Duration = Duration::from_secs(1);

/// Reads the figures of one orchestrator.
pub(crate) struct Reading {
    engine: Arc<Engine>,
    listing: Listing,
    /// Where somebody is told of needs.
    outbox: Option<Outbox>,
    /// Whether a DTM server is configured.
    with_dtm: bool,
    open: Gauges,
    needs: [Gauges; 3],
    kept: Kept,
}

impl Reading {
    pub(crate) fn of(
        engine: &Arc<Engine>,
        listing: Listing,
        outbox: Option<Outbox>,
        with_dtm: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            engine: Arc::clone(engine),
            listing,
            outbox,
            with_dtm,
            open: Gauges::of(OPEN),
            needs: [ATTENTION_OPEN, ATTENTION_UNACKNOWLEDGED, ATTENTION_OLDEST].map(Gauges::of),
            kept: Kept::new(HISTORY_READABLE),
        })
    }

    async fn store(&self) {
        let look = async { futures::try_join!(self.open(), self.needs(), self.notices()).map(drop) };
        self.kept.read(look).await;
    }

    async fn open(&self) -> Result<(), DbErr> {
        let counts = self.engine.history().reader.open_counts().await?;
        let open = counts.statuses.into_iter();
        self.open.tell(open.map(|one| (vec![one.definition, one.status], figure(one.count))));
        PAUSED.gauge(&[]).set(figure(counts.paused));
        OLDEST_OPEN.gauge(&[]).set(counts.oldest_open_us.map_or(0.0, |since_us| self.age_s(since_us)));
        Ok(())
    }

    async fn needs(&self) -> Result<(), DbErr> {
        let counts = self.listing.counts().await?;
        let [open, unacknowledged, oldest] = &self.needs;
        open.tell(counts.iter().map(|one| (vec![one.cause.clone()], figure(one.open))));
        unacknowledged.tell(counts.iter().map(|one| (vec![one.cause.clone()], figure(one.unacknowledged))));
        oldest.tell(counts.iter().map(|one| (vec![one.cause.clone()], self.age_s(one.since_us))));
        Ok(())
    }

    async fn notices(&self) -> Result<(), DbErr> {
        let Some(outbox) = &self.outbox else { return Ok(()) };
        let pending = outbox.pending().await?;
        let age_s = if pending.count > 0 { self.age_s(pending.oldest_us) } else { 0.0 };
        NOTICES_PENDING.gauge(&[]).set(figure(pending.count));
        NOTICES_OLDEST.gauge(&[]).set(age_s);
        NOTICES_ATTEMPTS.gauge(&[]).set(f64::from(pending.most_attempts));
        Ok(())
    }

    async fn dtm(&self) {
        if !self.with_dtm {
            return;
        }
        let version = timeout(DTM_PATIENCE, self.engine.coordinators().remote().version()).await;
        DTM_REACHABLE.gauge(&[]).set(if matches!(version, Ok(Ok(_))) { 1.0 } else { 0.0 });
    }

    fn age_s(&self, since_us: i64) -> f64 {
        age_s(since_us, self.engine.now_us())
    }
}

impl Source for Reading {
    fn read(&self) -> BoxFuture<'_, ()> {
        async {
            self.engine.lanes().views().iter().for_each(lane);
            holds(&self.engine.holds().all());
            futures::join!(self.store(), self.dtm());
        }
        .boxed()
    }

    fn overdue(&self) {
        self.kept.old();
    }
}

/// As this process knows them, at most a second after another one changed them.
fn holds(all: &[Hold]) {
    for kind in Held::KINDS {
        let in_force = all.iter().filter(|hold| hold.ended.is_none() && hold.on.kind() == kind).count();
        HOLDS.gauge(&[kind]).set(figure(i64::try_from(in_force).unwrap_or(i64::MAX)));
    }
}

fn lane(view: &LaneView) {
    let (participant, figures) = (view.name.as_str(), &view.figures);
    let waiting: usize = figures.waiting.iter().map(|(_, waiting)| waiting).sum();
    LANE_IN_FLIGHT.gauge(&[participant]).set(f64::from(figures.in_flight));
    LANE_WIDTH.gauge(&[participant]).set(f64::from(figures.width));
    LANE_WAITING.gauge(&[participant]).set(figure(i64::try_from(waiting).unwrap_or(i64::MAX)));
    for phase in [Phase::Closed, Phase::Open, Phase::HalfOpen] {
        let figure = if figures.phase.0 == phase { 1.0 } else { 0.0 };
        LANE_BREAKER.gauge(&[participant, phase.name()]).set(figure);
    }
    LANE_REPEATS.counter(&[participant]).absolute(figures.repeats);
}
