//! One round: so many global transactions in flight for so long, and what came of it. Knows two sides and no case.
use super::raw::Raw;
use super::through::Through;
use amends_dtm::Gid;
use hdrhistogram::Histogram;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Who runs the global transactions.
pub enum Side {
    /// A plain DTM client.
    Raw(Box<Raw>),
    /// A client of the orchestrator.
    Through(Box<Through>),
}

impl Side {
    async fn one(&self) -> anyhow::Result<Gid> {
        match self {
            Side::Raw(raw) => raw.one().await,
            Side::Through(through) => through.one().await,
        }
    }

    /// That this side itself has the end, where it can be asked.
    pub async fn ended(&self, gid: &Gid) -> anyhow::Result<()> {
        match self {
            Side::Raw(_) => Ok(()),
            Side::Through(through) => through.ended(gid).await,
        }
    }

    /// After the clock has stopped.
    async fn answered(&self, gid: &Gid) {
        match self {
            Side::Raw(_) => {}
            Side::Through(through) => through.answered(gid).await,
        }
    }
}

/// How long a round lasts.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Until it runs evenly; what ends or begins in this time does not count.
    pub ramp: Duration,
    /// What counts.
    pub measured: Duration,
}

/// What came of one round.
#[derive(Debug, Clone)]
pub struct Round {
    /// Global transactions that ended in the measured time.
    pub per_second: f64,
    /// 99th percentile of the time from start to end of those that began in it.
    pub p99_ms: f64,
    /// The last gid of each worker.
    pub sample: Vec<Gid>,
}

struct Done {
    began: Instant,
    ended: Instant,
}

/// Runs one round to its end: nothing is in flight afterwards.
pub async fn round(side: &Arc<Side>, in_flight: usize, span: Span) -> anyhow::Result<Round> {
    let from = Instant::now() + span.ramp;
    let until = from + span.measured;
    let mut workers = JoinSet::new();
    for _ in 0..in_flight {
        let side = Arc::clone(side);
        workers.spawn(async move { work(&side, until).await });
    }
    let mut all = Vec::new();
    let mut sample = Vec::new();
    while let Some(worker) = workers.join_next().await {
        let (done, last) = worker??;
        all.extend(done);
        sample.extend(last);
    }
    let measured = from..until;
    let ended = all.iter().filter(|done| measured.contains(&done.ended)).count();
    let mut times = Histogram::<u64>::new(3)?;
    for done in all.iter().filter(|done| measured.contains(&done.began)) {
        times.record(u64::try_from((done.ended - done.began).as_micros())?)?;
    }
    let micros = u32::try_from(times.value_at_quantile(0.99))?;
    let per_second = f64::from(u32::try_from(ended)?) / span.measured.as_secs_f64();
    Ok(Round { per_second, p99_ms: f64::from(micros) / 1_000.0, sample })
}

/// One after another until the time is over.
async fn work(side: &Side, until: Instant) -> anyhow::Result<(Vec<Done>, Option<Gid>)> {
    let (mut all, mut last) = (Vec::new(), None);
    loop {
        let began = Instant::now();
        if began >= until {
            return Ok((all, last));
        }
        let gid = side.one().await?;
        all.push(Done { began, ended: Instant::now() });
        side.answered(&gid).await;
        last = Some(gid);
    }
}
