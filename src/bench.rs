//! `amends bench`: raw DTM against the orchestrator in alternating rounds on one machine. What is compared is the same
//! work on the same no-op participant, each side with a DTM server and a store of its own; never both under load.
mod case;
mod load;
mod noop;
mod processes;
mod raw;
mod report;
mod through;

use crate::demo::shop::Shop;
use crate::exit::Exit;
use crate::output::{Format, Paint, print_json, print_text};
use amends_dtm::Gid;
use amends_dtm::client::{DtmClient, DtmEndpoints, DtmStatus};
use amends_stack::{Role, Stack, StackConfig};
use anyhow::{Context as _, bail};
use case::Case;
use indicatif::{ProgressBar, ProgressStyle};
use load::{Side, Span};
use noop::Participant;
use processes::{Dtm, Orchestrator};
use raw::Raw;
use report::{Pair, Row};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use through::{Deed, Through};
use tonic::transport::{Channel, Endpoint};

/// A global transaction that takes longer breaks the run off: something is stuck.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(30);
/// DTM's own status may go backwards for a while (dtm.md D22).
const DTM_LIMIT: Duration = Duration::from_secs(30);
const DTM_LOOK: Duration = Duration::from_millis(50);
/// Rounds of each side where the command line names none.
const QUICK_ROUNDS: usize = 5;
const FULL_ROUNDS: usize = 7;

/// Measures what the orchestrator costs: raw DTM against the orchestrator on this machine
#[derive(Debug, clap::Args)]
pub struct Bench {
    /// Short rounds: about four minutes in all
    #[arg(long)]
    quick: bool,
    /// Store of the DTM servers
    #[arg(long, value_enum, default_value = "boltdb")]
    store: Store,
    /// Rounds of each side [default: 5 with --quick, else 7]
    #[arg(long, value_name = "N")]
    rounds: Option<NonZeroUsize>,
    /// Only these cases
    #[arg(long, value_enum, value_delimiter = ',', value_name = "CASE", default_values_t = Case::ALL)]
    cases: Vec<Case>,
    /// Global transactions in flight
    #[arg(long, value_delimiter = ',', value_name = "N", default_value = "1,16,64")]
    in_flight: Vec<NonZeroUsize>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Store {
    /// DTM's embedded one
    Boltdb,
}

impl Store {
    fn name(self) -> &'static str {
        match self {
            Store::Boltdb => "boltdb",
        }
    }
}

impl Bench {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let folder = tempfile::Builder::new().prefix("amends-bench-").tempdir().context("make a folder")?;
        let shutdown = amends_serve::shutdown::signal();
        let rows = tokio::select! {
            rows = self.measure(folder.path()) => rows?,
            () = shutdown => bail!("stopped before its end"),
        };
        match format {
            Format::Json => print_json(&report::json(&rows))?,
            Format::Text => print_text(&report::text(&rows, Paint::detect()))?,
        }
        Ok(Exit::Ok)
    }

    async fn measure(&self, folder: &Path) -> anyhow::Result<Vec<Row>> {
        let binary = tokio::task::spawn_blocking(amends_dtm::binary::locate).await??;
        let participant = Participant::start().await?;
        let raw = Dtm::start(&binary, &folder.join("raw")).await?;
        let bar = self.progress()?;
        let (checkouts, noops): (Vec<_>, Vec<_>) =
            self.cases.iter().copied().partition(|case| *case == Case::Checkout);
        let mut rows = Vec::new();
        if !noops.is_empty() {
            let own = Dtm::start(&binary, &folder.join("dtm")).await?;
            let orchestrator = Orchestrator::start(&folder.join("amends"), own, &participant).await?;
            for case in noops {
                let deed = Deed::Noop(case.shape());
                let through = Through::new(&orchestrator.address, deed).await?;
                let raw_side = Raw::new(&raw.client, &participant, case.shape()).await?;
                let arena = Arena::new(case, (raw_side, &raw.client), (through, &orchestrator.dtm.client));
                rows.extend(self.case(&arena, &bar).await?);
            }
        }
        if let Some(case) = checkouts.first().copied() {
            let program = std::env::current_exe().context("find this program")?;
            let stack = Stack::start(StackConfig::new(program, folder.join("stack"))).await?;
            let outcome = self.checkout(case, &stack, &raw.client, &participant, &bar).await;
            stack.stop().await;
            rows.extend(outcome?);
        }
        bar.finish_and_clear();
        Ok(rows)
    }

    async fn checkout(
        &self,
        case: Case,
        stack: &Stack,
        raw_dtm: &DtmClient,
        participant: &Participant,
        bar: &ProgressBar,
    ) -> anyhow::Result<Vec<Row>> {
        through::seed(&Shop::open(stack).await?).await?;
        let grpc = format!("grpc://{}", stack.address(Role::Dtm));
        let own_dtm = DtmClient::new(&DtmEndpoints::parse(&grpc, stack.dtm_http().as_deref())?)?;
        let through = Through::new(&stack.address(Role::Orchestrator), Deed::Checkout).await?;
        let raw = Raw::new(raw_dtm, participant, case.shape()).await?;
        self.case(&Arena::new(case, (raw, raw_dtm), (through, &own_dtm)), bar).await
    }

    /// One case at each load, in pairs of rounds; who goes first alternates too.
    async fn case(&self, arena: &Arena, bar: &ProgressBar) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        for in_flight in self.in_flight.iter().map(|number| number.get()) {
            bar.set_message(format!("{}, {in_flight} in flight", arena.case.name()));
            let mut pairs = Vec::new();
            for number in 0..self.rounds() {
                let pair = arena.pair(number, in_flight, self.span());
                pairs.push(pair.await.with_context(|| arena.case.name())?);
                bar.inc(1);
            }
            rows.push(Row::of(arena.case, self.store.name(), in_flight, &pairs));
        }
        Ok(rows)
    }

    fn rounds(&self) -> usize {
        self.rounds.map_or(if self.quick { QUICK_ROUNDS } else { FULL_ROUNDS }, NonZeroUsize::get)
    }

    fn span(&self) -> Span {
        let (ramp, measured) = if self.quick { (250, 1_000) } else { (500, 3_000) };
        Span { ramp: Duration::from_millis(ramp), measured: Duration::from_millis(measured) }
    }

    /// Shown on a terminal only, on standard error.
    fn progress(&self) -> anyhow::Result<ProgressBar> {
        let rounds = self.cases.len() * self.in_flight.len() * self.rounds();
        let bar = ProgressBar::new(u64::try_from(rounds)?);
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} pairs of rounds, {msg}");
        Ok(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }
}

/// Both sides of one case.
struct Arena {
    case: Case,
    raw: Corner,
    through: Corner,
}

struct Corner {
    side: Arc<Side>,
    dtm: DtmClient,
}

impl Arena {
    fn new(case: Case, raw: (Raw, &DtmClient), through: (Through, &DtmClient)) -> Arena {
        let corner = |side, dtm: &DtmClient| Corner { side: Arc::new(side), dtm: dtm.clone() };
        Arena {
            case,
            raw: corner(Side::Raw(Box::new(raw.0)), raw.1),
            through: corner(Side::Through(Box::new(through.0)), through.1),
        }
    }

    async fn pair(&self, number: usize, in_flight: usize, span: Span) -> anyhow::Result<Pair> {
        if number.is_multiple_of(2) {
            let raw = self.round(&self.raw, in_flight, span).await.context("raw DTM")?;
            let through = self.round(&self.through, in_flight, span).await.context("orchestrator")?;
            return Ok(Pair { raw, through });
        }
        let through = self.round(&self.through, in_flight, span).await.context("orchestrator")?;
        let raw = self.round(&self.raw, in_flight, span).await.context("raw DTM")?;
        Ok(Pair { raw, through })
    }

    /// A round, and the proof that DTM itself sees the last ones end as they should; so nothing of it runs on.
    async fn round(&self, corner: &Corner, in_flight: usize, span: Span) -> anyhow::Result<load::Round> {
        let round = load::round(&corner.side, in_flight, span).await?;
        for gid in &round.sample {
            dtm_agrees(&corner.dtm, gid, self.case.shape().dtm_status()).await?;
        }
        Ok(round)
    }
}

async fn dtm_agrees(dtm: &DtmClient, gid: &Gid, wanted: DtmStatus) -> anyhow::Result<()> {
    let deadline = Instant::now() + DTM_LIMIT;
    loop {
        let status = dtm.query(gid).await?.map(|view| view.status);
        if status == Some(wanted) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("DTM says {status:?} of {gid} instead of {wanted:?}");
        }
        tokio::time::sleep(DTM_LOOK).await;
    }
}

/// A connection to host:port.
async fn channel(address: &str) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
    endpoint.connect().await.with_context(|| format!("connect to {address}"))
}
