//! `amends serve ROLE`: one process of the system. This match is the map from role to crate.
use crate::exit::Exit;
use crate::lifeline::{Lifeline, shutdown};
use amends_serve::ProcessArgs;
use amends_serve::metrics::{self, Metric, page};
use amends_serve::traces;
use anyhow::Context as _;

/// Runs one process of the system until SIGTERM or Ctrl-C
#[derive(clap::Args)]
pub struct Serve {
    /// End when standard input closes: the parent keeps it open, so its death, of whatever kind, ends this process
    #[arg(long)]
    exit_on_stdin_eof: bool,
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand)]
#[allow(clippy::large_enum_variant, reason = "a process has one, from its start to its end")]
enum Role {
    /// The order service
    Order(amends_order::Args),
    /// The account service
    Account(amends_account::Args),
    /// The inventory service
    Inventory(amends_inventory::Args),
    /// The points service
    Points(amends_points::Args),
    /// The payment gateway
    Gateway(amends_gateway::Args),
    /// The simulated payment service provider
    Psp(amends_psp::Args),
    /// The orchestrator
    Orchestrator(amends_orchestrator::Args),
}

impl Serve {
    /// Runs the role until it is asked to end.
    pub async fn run(self) -> anyhow::Result<Exit> {
        let process = self.role.process();
        amends_serve::telemetry::init(process.log_format, &process.log);
        self.role.measure().await?;
        traces::install(&self.role.process().traces, self.role.name()).context("--otlp-endpoint")?;
        let shutdown = shutdown(if self.exit_on_stdin_eof { Lifeline::Stdin } else { Lifeline::None });
        match self.role {
            Role::Order(args) => amends_order::run(args, shutdown).await?,
            Role::Account(args) => amends_account::run(args, shutdown).await?,
            Role::Inventory(args) => amends_inventory::run(args, shutdown).await?,
            Role::Points(args) => amends_points::run(args, shutdown).await?,
            Role::Gateway(args) => amends_gateway::run(args, shutdown).await?,
            Role::Psp(args) => amends_psp::run(args, shutdown).await?,
            Role::Orchestrator(args) => amends_orchestrator::run(args, shutdown).await?,
        }
        traces::flush().await;
        Ok(Exit::Ok)
    }
}

/// What each role tells besides the metrics of every process. Nobody reads those of another role: they are never told.
const METRICS: [&[Metric]; 2] = [amends_orchestrator::METRICS, amends_gateway::METRICS];

impl Role {
    /// Begins to count, where somebody can read it: an orchestrator's console always tells it.
    async fn measure(&self) -> anyhow::Result<()> {
        let address = self.process().metrics;
        if address.is_some() || matches!(self, Role::Orchestrator(_)) {
            metrics::install(self.name(), &METRICS)?;
        }
        if let Some(address) = address {
            page::listen(address).await?;
        }
        Ok(())
    }

    fn name(&self) -> &'static str {
        match self {
            Role::Order(_) => "order",
            Role::Account(_) => "account",
            Role::Inventory(_) => "inventory",
            Role::Points(_) => "points",
            Role::Gateway(_) => "gateway",
            Role::Psp(_) => "psp",
            Role::Orchestrator(_) => "orchestrator",
        }
    }

    /// The flags that every role has.
    fn process(&self) -> &ProcessArgs {
        match self {
            Role::Order(args) => &args.process,
            Role::Account(args) => &args.process,
            Role::Inventory(args) => &args.process,
            Role::Points(args) => &args.process,
            Role::Gateway(args) => &args.process,
            Role::Psp(args) => &args.process,
            Role::Orchestrator(args) => &args.process,
        }
    }
}
