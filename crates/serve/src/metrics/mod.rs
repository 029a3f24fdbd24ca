//! Figures of a process as Prometheus reads them: what a metric is, the one recorder of the process, and what is read
//! only when somebody asks. Knows no metric but those that every process has; each crate brings a table of its own.

mod gauges;
mod kept;
pub mod page;
mod process;
mod rpc;

pub use ::metrics::{Counter, Gauge, Histogram};
pub use gauges::Gauges;
pub use kept::{Kept, age_s, figure};
pub(crate) use rpc::RpcLayer;

use ::metrics::{Key, KeyName, Label, Level, Metadata, SharedString, with_recorder};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

/// How long a source may take: Prometheus itself gives up after 10 s, and one source must not cost it all others.
const PATIENCE: Duration = Duration::from_secs(4);
/// Samples of histograms are kept one by one until they are sorted into buckets: by whoever asks, or else so often.
const UPKEEP: Duration = Duration::from_secs(5);
/// Bounds of times of calls: from what a local commit takes to what a caller waits for.
pub const CALL_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
static SOURCES: Mutex<Vec<Arc<dyn Source>>> = Mutex::new(Vec::new());

/// The metrics of every process.
#[must_use]
pub fn of_every_process() -> Vec<Metric> {
    [process::METRICS, rpc::METRICS].concat()
}

/// What a metric's values are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows, and begins at 0 with the process.
    Counter,
    /// What is now.
    Gauge,
    /// Samples, sorted into buckets with these upper bounds.
    Histogram(&'static [f64]),
}

/// One metric: the only place of its name. No label may hold what callers make up, or what grows with the traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// By Prometheus' conventions: `amends_…`, base units, `_total` for counters.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it tells, in one sentence.
    pub help: &'static str,
}

impl Metric {
    /// A metric of this kind.
    #[must_use]
    pub const fn new(
        name: &'static str,
        kind: Kind,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind, labels, help }
    }

    /// The counter with these values of its labels, in their order. To be kept by whoever counts often: it is looked up.
    pub fn counter(&self, values: &[&str]) -> Counter {
        let key = self.key(values);
        with_recorder(|recorder| recorder.register_counter(&key, &METADATA))
    }

    /// The gauge with these values of its labels, as [`Metric::counter`].
    pub fn gauge(&self, values: &[&str]) -> Gauge {
        let key = self.key(values);
        with_recorder(|recorder| recorder.register_gauge(&key, &METADATA))
    }

    /// The histogram with these values of its labels, as [`Metric::counter`].
    pub fn histogram(&self, values: &[&str]) -> Histogram {
        let key = self.key(values);
        with_recorder(|recorder| recorder.register_histogram(&key, &METADATA))
    }

    fn key(&self, values: &[&str]) -> Key {
        debug_assert_eq!(values.len(), self.labels.len(), "{}", self.name);
        let labels = self.labels.iter().zip(values);
        let labels = labels.map(|(name, value)| Label::new(*name, (*value).to_owned()));
        Key::from_parts(self.name, labels.collect::<Vec<_>>())
    }

    fn describe(&self) {
        let (name, help) = (KeyName::from(self.name), SharedString::const_str(self.help));
        with_recorder(|recorder| match self.kind {
            Kind::Counter => recorder.describe_counter(name, None, help),
            Kind::Gauge => recorder.describe_gauge(name, None, help),
            Kind::Histogram(_) => recorder.describe_histogram(name, None, help),
        });
    }
}

/// Figures that are read when somebody asks for them.
pub trait Source: Send + Sync + 'static {
    /// Sets its gauges to what is now. What costs much is to be kept for some seconds: several may ask, and often.
    fn read(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// It took too long: what it told last may be wrong by now.
    fn overdue(&self);
}

/// Begins to record, once in a process, before any of the metrics is used: a handle from before records nothing.
/// `role` names the process, `tables` hold its metrics. Must be called inside a tokio runtime.
///
/// # Errors
/// Another recorder is at work in this process.
pub fn install(role: &str, tables: &[&[Metric]]) -> Result<(), BuildError> {
    if RECORDER.get().is_some() {
        return Ok(());
    }
    let all = [&[process::METRICS, rpc::METRICS][..], tables].concat().concat();
    let mut builder = PrometheusBuilder::new();
    for metric in &all {
        if let Kind::Histogram(bounds) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds)?;
        }
    }
    let handle = builder.install_recorder()?;
    all.iter().for_each(Metric::describe);
    process::begin(role);
    let upkeep = RECORDER.get_or_init(|| handle);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(())
}

/// Reads this source, too, each time that somebody asks.
pub fn watch(source: Arc<dyn Source>) {
    SOURCES.lock().unwrap_or_else(PoisonError::into_inner).push(source);
}

/// Everything as it is now, in Prometheus' text format; `None` = nothing is recorded in this process.
pub async fn render() -> Option<String> {
    let handle = RECORDER.get()?;
    let sources = SOURCES.lock().unwrap_or_else(PoisonError::into_inner).clone();
    // Each in a task of its own: one that breaks down takes nobody with it.
    let mut readings: JoinSet<()> = sources.into_iter().map(read).collect();
    while readings.join_next().await.is_some() {}
    Some(handle.render() + &process::text())
}

async fn read(source: Arc<dyn Source>) {
    if tokio::time::timeout(PATIENCE, source.read()).await.is_err() {
        source.overdue();
    }
}
