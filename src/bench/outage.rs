//! A participant that goes away under load and comes back: everything ends soon after, its lane's rate is kept, and whoever
//! calls other participants hardly notices. Knows one orchestrator and two participants.
use super::case::Case;
use super::noop::Participant;
use super::processes::{Driver, Orchestrator};
use super::quay::Quay;
use super::through::{Deed, Through};
use crate::output::table;
use amends_dtm::binary::DtmBinary;
use amends_proto::amends::v1::{SagaStep, StartSagaRequest, Status, WaitRequest};
use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Started each second while the participant is away.
const STARTS_PER_SECOND: u64 = 50;
/// Its lane lets so many calls through in a second.
const RATE: usize = 100;
/// What the machine shifts on their way between two processes is not the lane's: so many more may arrive in a second.
const SHIFTED: usize = RATE / 20;
/// Callers of the other participant, each with a pause after each global transaction: some load, not all that there can be.
const CALLERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(20);
/// After it is back, everything ends within this.
const ALLOWED: Duration = Duration::from_secs(90);
/// The others' 99th percentile may be so many times the quiet one.
const ALLOWED_RATIO: f64 = 2.0;
/// Below it, a ratio tells of the machine alone.
const LEAST_QUIET_MS: f64 = 5.0;

/// How long, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    /// Quiet and outage take turns so often.
    pub runs: usize,
    /// Without an outage.
    pub quiet: Duration,
    /// How long the participant is away.
    pub away: Duration,
}

/// What was measured on one coordinator.
#[derive(Debug, Serialize)]
pub struct Row {
    coordinator: &'static str,
    store: &'static str,
    runs: usize,
    away_s: f64,
    started: usize,
    /// The longest of all runs.
    ended_after_s: f64,
    /// Most calls of the participant in any second.
    calls_per_second: usize,
    rate: usize,
    /// Medians of the runs.
    quiet_p99_ms: f64,
    outage_p99_ms: f64,
    ratio: f64,
}

impl Row {
    /// Whether it is as it has to be.
    pub fn is_within(&self) -> bool {
        let allowed_ms = self.quiet_p99_ms.max(LEAST_QUIET_MS) * ALLOWED_RATIO;
        self.ended_after_s <= ALLOWED.as_secs_f64()
            && self.calls_per_second <= self.rate + SHIFTED
            && self.outage_p99_ms <= allowed_ms
    }
}

/// For people.
pub fn text(rows: &[Row]) -> String {
    let header = [
        "coordinator",
        "store",
        "away s",
        "started",
        "ended after s",
        "calls/s",
        "rate",
        "quiet p99",
        "p99",
        "ratio",
    ];
    let cells = |row: &Row| {
        vec![
            row.coordinator.to_owned(),
            row.store.to_owned(),
            format!("{:.0}", row.away_s),
            row.started.to_string(),
            format!("{:.1}", row.ended_after_s),
            row.calls_per_second.to_string(),
            row.rate.to_string(),
            format!("{:.1} ms", row.quiet_p99_ms),
            format!("{:.1} ms", row.outage_p99_ms),
            format!("{:.2}", row.ratio),
        ]
    };
    table(&header, &header[2..], rows.iter().map(cells).collect())
}

/// One run: the others' 99th percentiles, and what came of the outage.
struct Run {
    quiet_p99_ms: f64,
    outage_p99_ms: f64,
    started: usize,
    ended_after: Duration,
}

/// Measures one coordinator.
pub async fn measure(
    binary: &DtmBinary,
    folder: &Path,
    driver: Driver,
    course: Course,
) -> anyhow::Result<Row> {
    let other = Participant::start(None).await?;
    let mut quay = Quay::reserve().await?;
    let args = ["--participant".to_owned(), format!("away={}", quay.address)];
    let lane = ["--lane".to_owned(), format!("away:rate={RATE}")];
    let one = Orchestrator::beside(binary, folder, driver, other.address, &[args, lane].concat()).await?;
    let through = Arc::new(Through::new(&one.address, Deed::Noop(Case::Saga2.shape()), &one.witness).await?);
    let mut runs = Vec::new();
    for _ in 0..course.runs {
        let quiet_p99_ms = p99_ms(&others(&through, Ends::After(course.quiet)).await?)?;
        let (ends, done) = Ends::with();
        let beside = Arc::clone(&through);
        let others = tokio::spawn(async move { others(&beside, ends).await });
        let (started, ended_after) = outage(&through, &mut quay, course.away).await?;
        done.store(true, Ordering::SeqCst);
        runs.push(Run { quiet_p99_ms, outage_p99_ms: p99_ms(&others.await??)?, started, ended_after });
    }
    let quiet_p99_ms = median(runs.iter().map(|run| run.quiet_p99_ms));
    let outage_p99_ms = median(runs.iter().map(|run| run.outage_p99_ms));
    let longest = runs.iter().map(|run| run.ended_after).max().unwrap_or_default();
    Ok(Row {
        coordinator: driver.coordinator(),
        store: driver.store(),
        runs: course.runs,
        away_s: course.away.as_secs_f64(),
        started: runs.iter().map(|run| run.started).sum(),
        ended_after_s: longest.as_secs_f64(),
        calls_per_second: quay.most_in_a_second(),
        rate: RATE,
        quiet_p99_ms,
        outage_p99_ms,
        ratio: outage_p99_ms / quiet_p99_ms,
    })
}

/// The participant is away while some are started for it, and comes back: how many, and how long until all have ended.
async fn outage(through: &Through, quay: &mut Quay, away: Duration) -> anyhow::Result<(usize, Duration)> {
    let mut ticks = tokio::time::interval(Duration::from_millis(1_000 / STARTS_PER_SECOND));
    let (began, mut starts) = (Instant::now(), JoinSet::new());
    while began.elapsed() < away {
        ticks.tick().await;
        let mut client = through.client();
        starts.spawn(async move { anyhow::Ok(client.start_saga(request()).await?.into_inner().gid) });
    }
    let mut gids = Vec::with_capacity(starts.len());
    while let Some(started) = starts.join_next().await {
        gids.push(started?.context("start")?);
    }
    quay.open().await?;
    let back = Instant::now();
    for gid in &gids {
        let request = WaitRequest { gid: gid.clone(), timeout_ms: 300_000 };
        let ended = through.client().wait(request).await.context("wait")?.into_inner();
        ensure!(ended.status() == Status::Succeeded, "{gid} is {}", ended.status().as_str_name());
    }
    let ended_after = back.elapsed();
    quay.close();
    Ok((gids.len(), ended_after))
}

fn request() -> StartSagaRequest {
    let step = SagaStep {
        participant: "away".to_owned(),
        action: "amends.v1.Noop/Do".to_owned(),
        compensate: "amends.v1.Noop/Undo".to_owned(),
        ..SagaStep::default()
    };
    let request_id = Uuid::now_v7().to_string();
    StartSagaRequest { request_id, steps: vec![step], ..StartSagaRequest::default() }
}

/// How long the others go on.
#[derive(Clone)]
enum Ends {
    After(Duration),
    When(Arc<AtomicBool>),
}

impl Ends {
    fn with() -> (Ends, Arc<AtomicBool>) {
        let done = Arc::new(AtomicBool::new(false));
        (Ends::When(Arc::clone(&done)), done)
    }

    fn have_come(&self, began: Instant) -> bool {
        match self {
            Ends::After(span) => began.elapsed() >= *span,
            Ends::When(done) => done.load(Ordering::SeqCst),
        }
    }
}

/// Global transactions of the other participant, and how long each took.
async fn others(through: &Arc<Through>, ends: Ends) -> anyhow::Result<Histogram<u64>> {
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (through, ends) = (Arc::clone(through), ends.clone());
        callers.spawn(async move {
            let (began, mut times) = (Instant::now(), Histogram::<u64>::new(3)?);
            while !ends.have_come(began) {
                let asked = Instant::now();
                through.one().await?;
                times.record(u64::try_from(asked.elapsed().as_micros())?)?;
                tokio::time::sleep(PAUSE).await;
            }
            anyhow::Ok(times)
        });
    }
    let mut all = Histogram::<u64>::new(3)?;
    while let Some(times) = callers.join_next().await {
        all.add(times??)?;
    }
    Ok(all)
}

fn p99_ms(times: &Histogram<u64>) -> anyhow::Result<f64> {
    ensure!(!times.is_empty(), "the others did nothing");
    Ok(f64::from(u32::try_from(times.value_at_quantile(0.99))?) / 1_000.0)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
