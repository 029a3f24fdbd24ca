//! One round: so many global transactions in flight for so long, and what came of it. Knows two sides and no case.
use super::crew::{Crew, Held, Part};
use super::raw::Raw;
use super::through::Through;
use amends_dtm::Gid;
use anyhow::bail;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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

/// Between two looks whether enough have ended.
const LOOK: Duration = Duration::from_millis(5);

/// How long a round lasts.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// At least so long until it runs evenly, and until every worker has ended one; what ends or begins in this time
    /// does not count.
    pub ramp: Duration,
    /// At least so long it counts, and until twice as many have ended as are in flight: with fewer, a round is a matter of luck.
    pub measured: Duration,
}

/// What came of one round.
#[derive(Debug, Clone)]
pub struct Round {
    /// Global transactions that ended in the measured time.
    pub ended: usize,
    /// The measured time.
    pub lasted: Duration,
    /// Microseconds from start to end of those that began in it.
    pub times_us: Histogram<u64>,
    /// CPU seconds that were used in it.
    pub cpu_s: BTreeMap<Part, f64>,
    /// Memory in use at its end.
    pub held: Held,
    /// The last gid of each worker.
    pub sample: Vec<Gid>,
}

impl Round {
    /// Global transactions in a second.
    pub fn per_second(&self) -> f64 {
        self.ended as f64 / self.lasted.as_secs_f64()
    }

    /// So much of them, from 0 to 1, took at most so long.
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        quantile_ms(&self.times_us, quantile)
    }
}

/// Of microseconds, the time that so much of them, from 0 to 1, did not exceed.
pub fn quantile_ms(times_us: &Histogram<u64>, quantile: f64) -> f64 {
    times_us.value_at_quantile(quantile) as f64 / 1_000.0
}

struct Done {
    began: Instant,
    ended: Instant,
}

/// What workers tell who keeps the time, and what they are told.
#[derive(Default)]
struct Course {
    /// Workers that have ended one.
    warm: AtomicUsize,
    ended: AtomicUsize,
    over: AtomicBool,
}

/// What is known when the time is over.
struct Window {
    time: Range<Instant>,
    cpu_s: BTreeMap<Part, f64>,
    held: Held,
}

/// Runs one round to its end: nothing is in flight afterwards.
pub async fn round(side: &Arc<Side>, crew: &Crew, in_flight: usize, span: Span) -> anyhow::Result<Round> {
    let course = Arc::new(Course::default());
    let mut workers = JoinSet::new();
    for _ in 0..in_flight {
        let (side, course) = (Arc::clone(side), Arc::clone(&course));
        workers.spawn(async move { work(&side, &course).await });
    }
    let window = tokio::select! {
        window = keep_time(crew, in_flight, span, &course) => window?,
        Some(worker) = workers.join_next() => {
            worker??;
            bail!("a worker ended before the round was over");
        }
    };
    let mut all = Vec::new();
    let mut sample = Vec::new();
    while let Some(worker) = workers.join_next().await {
        let (done, last) = worker??;
        all.extend(done);
        sample.extend(last);
    }
    let mut times_us = Histogram::<u64>::new(3)?;
    for done in all.iter().filter(|done| window.time.contains(&done.began)) {
        times_us.record(u64::try_from((done.ended - done.began).as_micros())?)?;
    }
    if times_us.is_empty() {
        bail!("nothing began and ended within a round");
    }
    Ok(Round {
        ended: all.iter().filter(|done| window.time.contains(&done.ended)).count(),
        lasted: window.time.end - window.time.start,
        times_us,
        cpu_s: window.cpu_s,
        held: window.held,
        sample,
    })
}

/// Says when the time that counts begins and when it is over.
async fn keep_time(crew: &Crew, in_flight: usize, span: Span, course: &Course) -> anyhow::Result<Window> {
    tokio::time::sleep(span.ramp).await;
    at_least(in_flight, &course.warm).await;
    crew.forget_peaks();
    let used = crew.cpu_s()?;
    let (from, ended) = (Instant::now(), course.ended.load(Ordering::Relaxed));
    tokio::time::sleep(span.measured).await;
    // Those in flight when the time began do not count among the times; as many after them do.
    at_least(ended + 2 * in_flight, &course.ended).await;
    let until = Instant::now();
    let mut cpu_s = crew.cpu_s()?;
    for (part, used) in used {
        *cpu_s.entry(part).or_default() -= used;
    }
    let held = crew.held()?;
    course.over.store(true, Ordering::Relaxed);
    Ok(Window { time: from..until, cpu_s, held })
}

async fn at_least(wanted: usize, count: &AtomicUsize) {
    while count.load(Ordering::Relaxed) < wanted {
        tokio::time::sleep(LOOK).await;
    }
}

/// One after another until the time is over.
async fn work(side: &Side, course: &Course) -> anyhow::Result<(Vec<Done>, Option<Gid>)> {
    let (mut all, mut last) = (Vec::new(), None);
    while !course.over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let gid = side.one().await?;
        all.push(Done { began, ended: Instant::now() });
        if last.is_none() {
            course.warm.fetch_add(1, Ordering::Relaxed);
        }
        course.ended.fetch_add(1, Ordering::Relaxed);
        side.answered(&gid).await;
        last = Some(gid);
    }
    Ok((all, last))
}
