//! `amends bench`: raw DTM against the orchestrator in alternating rounds on one machine. What is compared is the same
//! work on a no-op participant of the same kind, each side with processes and a store of its own; never two under load.
mod alone;
mod arena;
mod budget;
mod case;
mod chart;
mod crew;
mod footprint;
mod lineup;
mod load;
mod machine;
mod noop;
mod outage;
mod page;
mod parking;
mod picture;
mod processes;
mod quay;
mod raw;
mod report;
mod row;
mod store;
mod systems;
mod tally;
mod through;
mod usage;
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
use machine::Before;
use page::Place;
pub use processes::{bare_command, free_addresses, listening};
use report::{Report, Setting};
use row::Row;
use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::Store;
use tally::Tally;
use tonic::transport::{Channel, Endpoint};

/// A global transaction that takes longer breaks the run off: something is stuck.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(30);
/// Rounds of each side where the command line names none.
const FULL_ROUNDS: usize = 7;
const QUICK_ROUNDS: usize = 5;
/// At loads without a budget, where nothing hangs on a round more.
const QUICKEST_ROUNDS: usize = 3;
/// Loads that have one.
const BUDGETED: RangeInclusive<usize> = 16..=64;
/// Milliseconds of each round that count.
const QUICK_MS: u32 = 700;
const FULL_MS: u32 = 3_000;
/// Before them, such a part of that time, and no more than half a second.
const RAMP_SHARE: u32 = 4;
const LONGEST_RAMP: Duration = Duration::from_millis(500);
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
    /// Short rounds: less than ten minutes in all on two stores, instead of three quarters of an hour
    #[arg(long)]
    quick: bool,
    /// Who drives the orchestrator's side, one or more
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHICH", default_value = "dtm,embedded")]
    coordinator: Vec<Coordinator>,
    /// Stores of the DTM servers, one or more [default: boltdb, and redis where redis-server is installed]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STORE")]
    store: Vec<Store>,
    /// Rounds of each side [default: with --quick 5 at 16 to 64 in flight and 3 at other loads, else 7]
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
    #[arg(long, value_delimiter = ',', value_name = "N", default_value = "1,16,64,256")]
    in_flight: Vec<NonZeroUsize>,
    /// Measured time of each round, at least [default: 700 with --quick, else 3000]
    #[arg(long, value_name = "MS")]
    round_ms: Option<NonZeroU32>,
    /// Also writes a page, FILE.md, with its charts and figures in a folder of that name beside it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["footprint", "wake", "lanes"])]
    report: Option<PathBuf>,
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
        let place = self.report.as_deref().map(Place::new).transpose()?;
        place.as_ref().map(Place::prepare).transpose()?;
        let report = tokio::select! {
            report = self.measure(folder.path()) => report?,
            () = shutdown => bail!("stopped before its end"),
        };
        if let Some(place) = place {
            eprintln!("notice: wrote {}", place.write(&report)?.display());
        }
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
        let before = Before::look(folder)?;
        let stores = self.stores();
        let drivers = lineup::drivers(&self.coordinator, &stores);
        let bar = self.progress(stores.len() + drivers.len())?;
        let lineup = Lineup::start(folder, &stores, drivers).await?;
        let (checkouts, noops): (Vec<_>, Vec<_>) =
            self.cases.iter().copied().partition(|case| *case == Case::Checkout);
        let (mut rows, mut tallies, mut looks) = (Vec::new(), Vec::new(), 0);
        if !noops.is_empty() {
            let all = lineup.orchestrators().await?;
            for case in noops {
                self.case(&lineup.against(case, &all).await?, &bar, (&mut rows, &mut tallies)).await?;
            }
            looks += lineup::verdict(all.iter().map(|one| &*one.witness))?;
        }
        if let Some(case) = checkouts.first().copied() {
            let all = lineup.systems().await?;
            self.case(&lineup.against_systems(case, &all).await?, &bar, (&mut rows, &mut tallies)).await?;
            looks += lineup::verdict(all.iter().map(|one| &*one.witness))?;
            futures::future::join_all(all.into_iter().map(systems::System::stop)).await;
        }
        bar.finish_and_clear();
        let setting = Setting {
            command: command_line(),
            dtm_version: lineup.dtm_version().to_owned(),
            round_ms: self.round_ms(),
            machine: before.after()?,
        };
        Ok(Report { setting, rows, tallies, looks })
    }

    /// One case at each load.
    async fn case(
        &self,
        arena: &Arena,
        bar: &ProgressBar,
        (rows, tallies): (&mut Vec<Row>, &mut Vec<Tally>),
    ) -> anyhow::Result<()> {
        for in_flight in self.in_flight.iter().map(|number| number.get()) {
            bar.set_message(format!("{}, {in_flight} in flight", arena.case.name()));
            let mut heats = Vec::new();
            for number in 0..self.rounds(in_flight) {
                let heat = arena.heat(number, in_flight, self.span(), || bar.inc(1));
                heats.push(heat.await.with_context(|| arena.case.name())?);
            }
            rows.extend(row::rows(arena.case, in_flight, &heats)?);
            tallies.extend(row::tallies(arena.case, in_flight, &heats)?);
        }
        Ok(())
    }

    fn stores(&self) -> Vec<Store> {
        let mut stores = if self.store.is_empty() { lineup::usual_stores() } else { self.store.clone() };
        stores.sort_unstable();
        stores.dedup();
        stores
    }

    fn rounds(&self, in_flight: usize) -> usize {
        let usual = match (self.quick, BUDGETED.contains(&in_flight)) {
            (false, _) => FULL_ROUNDS,
            (true, true) => QUICK_ROUNDS,
            (true, false) => QUICKEST_ROUNDS,
        };
        self.rounds.map_or(usual, NonZeroUsize::get)
    }

    fn round_ms(&self) -> u32 {
        let usual = if self.quick { QUICK_MS } else { FULL_MS };
        self.round_ms.map_or(usual, NonZeroU32::get)
    }

    fn span(&self) -> Span {
        let measured = Duration::from_millis(self.round_ms().into());
        Span { ramp: (measured / RAMP_SHARE).min(LONGEST_RAMP), measured }
    }

    /// Shown on a terminal only, on standard error.
    fn progress(&self, sides: usize) -> anyhow::Result<ProgressBar> {
        let of_case: usize = self.in_flight.iter().map(|in_flight| self.rounds(in_flight.get())).sum();
        let rounds = self.cases.len() * of_case * sides;
        let bar = ProgressBar::new(u64::try_from(rounds)?);
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rounds, {eta} to go: {msg}");
        Ok(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }
}

/// As people type it, wherever the program is.
fn command_line() -> String {
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    ["amends".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

/// A connection to host:port.
async fn channel(address: &str) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
    endpoint.connect().await.with_context(|| format!("connect to {address}"))
}
