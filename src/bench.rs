//! `amends bench`: raw DTM against the orchestrator in alternating rounds on one machine. What is compared is the same
//! work on a no-op participant of the same kind, each side with processes and a store of its own; never two under load.
mod alone;
mod arena;
mod budget;
mod case;
mod footprint;
mod lineup;
mod load;
mod noop;
mod outage;
mod parking;
mod processes;
mod quay;
mod raw;
mod report;
mod store;
mod systems;
mod through;
mod wake;
mod wire;
mod witness;

use crate::exit::Exit;
use crate::output::{Format, Paint, print_json, print_text};
use anyhow::{Context as _, bail};
use arena::Arena;
use case::Case;
use footprint::Crowd;
use indicatif::{ProgressBar, ProgressStyle};
use lineup::{Coordinator, Lineup};
use load::Span;
use report::{Report, Row};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;
use store::Store;
use tonic::transport::{Channel, Endpoint};

/// A global transaction that takes longer breaks the run off: something is stuck.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(30);
/// Rounds of each side where the command line names none.
const QUICK_ROUNDS: usize = 5;
const FULL_ROUNDS: usize = 7;
/// Parked ops of each kind.
const QUICK_SAMPLES: usize = 20;
const FULL_SAMPLES: usize = 100;
/// Others that wait beside them.
const WAITING: usize = 100;

/// Measures the orchestrator against raw DTM on this machine
///
/// Sides are raw DTM on each store, the orchestrator with a DTM server on each store, and the orchestrator alone
/// (embedded); each has a round in turn, again and again. A row compares an orchestrator with raw DTM: one on DTM with
/// raw DTM on the same store, the embedded one with raw DTM on every store.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Bench {
    /// Short rounds: about eight minutes in all, instead of half an hour
    #[arg(long)]
    quick: bool,
    /// Who drives the orchestrator's side, one or more
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHICH", default_value = "dtm,embedded")]
    coordinator: Vec<Coordinator>,
    /// Stores of the DTM servers, one or more [default: boltdb, and redis where redis-server is installed]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STORE")]
    store: Vec<Store>,
    /// Rounds of each side [default: 5 with --quick, else 7]
    #[arg(long, value_name = "N")]
    rounds: Option<NonZeroUsize>,
    /// Measure memory and start times of an embedded orchestrator with a long history instead
    #[arg(long)]
    footprint: bool,
    /// Measure how soon the next op is called when one that was parked is final instead
    #[arg(long, conflicts_with = "footprint")]
    wake: bool,
    /// Measure what a participant that goes away and comes back does to others, and how soon all is well again, instead
    #[arg(long, conflicts_with_all = ["footprint", "wake"])]
    lanes: bool,
    /// Finished global transactions of that history
    #[arg(long, value_name = "N", default_value_t = 100_000, requires = "footprint")]
    finished: usize,
    /// Running ones
    #[arg(long, value_name = "N", default_value_t = 1_000, requires = "footprint")]
    running: usize,
    /// Only these cases
    #[arg(long, value_enum, value_delimiter = ',', value_name = "CASE", default_values_t = Case::ALL)]
    cases: Vec<Case>,
    /// Global transactions in flight
    #[arg(long, value_delimiter = ',', value_name = "N", default_value = "1,16,64")]
    in_flight: Vec<NonZeroUsize>,
}

impl Bench {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let folder = tempfile::Builder::new().prefix("amends-bench-").tempdir().context("make a folder")?;
        let shutdown = amends_serve::shutdown::signal();
        if self.footprint {
            return tokio::select! {
                exit = self.footprint(folder.path(), format) => exit,
                () = shutdown => bail!("stopped before its end"),
            };
        }
        if self.wake {
            return tokio::select! {
                exit = self.wake(folder.path(), format) => exit,
                () = shutdown => bail!("stopped before its end"),
            };
        }
        if self.lanes {
            return tokio::select! {
                exit = self.lanes(folder.path(), format) => exit,
                () = shutdown => bail!("stopped before its end"),
            };
        }
        let report = tokio::select! {
            report = self.measure(folder.path()) => report?,
            () = shutdown => bail!("stopped before its end"),
        };
        match format {
            Format::Json => print_json(&report.json())?,
            Format::Text => print_text(&report.text(Paint::detect()))?,
        }
        Ok(Exit::Ok)
    }

    async fn footprint(&self, folder: &Path, format: Format) -> anyhow::Result<Exit> {
        let crowd = Crowd { finished: self.finished, running: self.running };
        let measured = footprint::measure(folder, crowd).await?;
        match format {
            Format::Json => print_json(&serde_json::to_value(&measured)?)?,
            Format::Text => print_text(&measured.text())?,
        }
        Ok(if measured.is_within() { Exit::Ok } else { Exit::Unsound })
    }

    async fn wake(&self, folder: &Path, format: Format) -> anyhow::Result<Exit> {
        let binary = tokio::task::spawn_blocking(amends_dtm::binary::locate).await??;
        let samples = if self.quick { QUICK_SAMPLES } else { FULL_SAMPLES };
        let mut rows = Vec::new();
        for driver in lineup::drivers(&self.coordinator, &self.stores()) {
            let folder = folder.join(format!("{}-{}", driver.coordinator(), driver.store()));
            rows.extend(wake::measure(&binary, &folder, driver, (WAITING, samples)).await?);
        }
        match format {
            Format::Json => print_json(&serde_json::json!({ "rows": rows }))?,
            Format::Text => print_text(&wake::text(&rows))?,
        }
        Ok(if rows.iter().all(wake::Row::is_within) { Exit::Ok } else { Exit::Unsound })
    }

    async fn lanes(&self, folder: &Path, format: Format) -> anyhow::Result<Exit> {
        let binary = tokio::task::spawn_blocking(amends_dtm::binary::locate).await??;
        let (runs, quiet_s, away_s) = if self.quick { (3, 5, 10) } else { (5, 15, 60) };
        let runs = self.rounds.map_or(runs, NonZeroUsize::get);
        let course =
            outage::Course { runs, quiet: Duration::from_secs(quiet_s), away: Duration::from_secs(away_s) };
        let mut rows = Vec::new();
        for driver in lineup::drivers(&self.coordinator, &self.stores()) {
            let folder = folder.join(format!("{}-{}", driver.coordinator(), driver.store()));
            rows.push(outage::measure(&binary, &folder, driver, course).await?);
        }
        match format {
            Format::Json => print_json(&serde_json::json!({ "rows": rows }))?,
            Format::Text => print_text(&outage::text(&rows))?,
        }
        Ok(if rows.iter().all(outage::Row::is_within) { Exit::Ok } else { Exit::Unsound })
    }

    async fn measure(&self, folder: &Path) -> anyhow::Result<Report> {
        let stores = self.stores();
        let drivers = lineup::drivers(&self.coordinator, &stores);
        let bar = self.progress(stores.len() + drivers.len())?;
        let lineup = Lineup::start(folder, &stores, drivers).await?;
        let (checkouts, noops): (Vec<_>, Vec<_>) =
            self.cases.iter().copied().partition(|case| *case == Case::Checkout);
        let mut report = Report::default();
        if !noops.is_empty() {
            let all = lineup.orchestrators().await?;
            for case in noops {
                report.rows.extend(self.case(&lineup.against(case, &all).await?, &bar).await?);
            }
            report.looks += lineup::verdict(all.iter().map(|one| &*one.witness))?;
        }
        if let Some(case) = checkouts.first().copied() {
            let all = lineup.systems().await?;
            report.rows.extend(self.case(&lineup.against_systems(case, &all).await?, &bar).await?);
            report.looks += lineup::verdict(all.iter().map(|one| &*one.witness))?;
            futures::future::join_all(all.into_iter().map(systems::System::stop)).await;
        }
        bar.finish_and_clear();
        Ok(report)
    }

    /// One case at each load.
    async fn case(&self, arena: &Arena, bar: &ProgressBar) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        for in_flight in self.in_flight.iter().map(|number| number.get()) {
            bar.set_message(format!("{}, {in_flight} in flight", arena.case.name()));
            let mut heats = Vec::new();
            for number in 0..self.rounds() {
                let heat = arena.heat(number, in_flight, self.span(), || bar.inc(1));
                heats.push(heat.await.with_context(|| arena.case.name())?);
            }
            rows.extend(report::rows(arena.case, in_flight, &heats));
        }
        Ok(rows)
    }

    fn stores(&self) -> Vec<Store> {
        let mut stores = if self.store.is_empty() { lineup::usual_stores() } else { self.store.clone() };
        stores.sort_unstable();
        stores.dedup();
        stores
    }

    fn rounds(&self) -> usize {
        self.rounds.map_or(if self.quick { QUICK_ROUNDS } else { FULL_ROUNDS }, NonZeroUsize::get)
    }

    fn span(&self) -> Span {
        let (ramp, measured) = if self.quick { (200, 800) } else { (500, 3_000) };
        Span { ramp: Duration::from_millis(ramp), measured: Duration::from_millis(measured) }
    }

    /// Shown on a terminal only, on standard error.
    fn progress(&self, sides: usize) -> anyhow::Result<ProgressBar> {
        let rounds = self.cases.len() * self.in_flight.len() * self.rounds() * sides;
        let bar = ProgressBar::new(u64::try_from(rounds)?);
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rounds, {eta} to go: {msg}");
        Ok(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }
}

/// A connection to host:port.
async fn channel(address: &str) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
    endpoint.connect().await.with_context(|| format!("connect to {address}"))
}
