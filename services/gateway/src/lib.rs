//! The gateway participant: card payments through an outside processor. Owns payments, the requests it sent and what
//! is in doubt. Knows no other participant, no coordinator, and of the processor only what it answers.

use std::future::Future;
use std::time::Duration;

use amends_migrations::gateway::Migrator;
use amends_participant::{BranchArgs, Guard, GuardLayer, Participant};
use amends_proto::pay::gateway::v1::gateway_service_server::{GatewayServiceServer, SERVICE_NAME};
use amends_serve::ProcessArgs;
use amends_serve::grpc::MAX_MESSAGE_BYTES;
use tonic::service::Routes;

mod api;
mod branch;
mod queries;
mod validate;

mod cashier;
mod lanes;
mod next_step;
mod worker;

mod finding;
mod meters;
mod psp_client;
mod record;
mod request_id;
mod rows;
mod schedule;
mod state;
mod tuning;

mod entity;
mod in_doubt;
mod resolution;

pub use meters::METRICS;
pub use psp_client::PspClient;
pub use schedule::{DEFAULT_SCHEDULE, Schedule, ScheduleError};
pub use tuning::Tuning;

use cashier::Cashier;
use worker::Worker;

/// Name of the role, also of its database file.
pub const ROLE: &str = "gateway";
/// Port without `--listen`.
pub const DEFAULT_PORT: u16 = 7415;

/// Flags of the role.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Flags of every process.
    #[command(flatten)]
    pub process: ProcessArgs,
    /// Flags of every participant.
    #[command(flatten)]
    pub branch: BranchArgs,
    /// Address of the payment service provider
    #[arg(long, env = "AMENDS_PSP", value_name = "HOST:PORT", default_value = "127.0.0.1:7416")]
    pub psp: String,
    /// How long a call to the provider may take, in milliseconds
    #[arg(long, env = "AMENDS_PSP_TIMEOUT_MS", default_value_t = 5000)]
    pub psp_timeout_ms: u64,
    /// When to ask about an unknown outcome: the times between queries, each ± 20 %
    #[arg(long, env = "AMENDS_QUERY_SCHEDULE", default_value = DEFAULT_SCHEDULE)]
    pub query_schedule: Schedule,
    /// How often to ask once the schedule is exhausted, in milliseconds
    #[arg(long, env = "AMENDS_IN_DOUBT_QUERY_MS", default_value_t = 3_600_000)]
    pub in_doubt_query_ms: u64,
    /// Most queries to the provider in a second
    #[arg(long, env = "AMENDS_PSP_QUERIES_PER_S", default_value_t = 2.0)]
    pub psp_queries_per_s: f64,
    /// Payments in doubt of more than so many whole units of their currency are resolved by two people
    #[arg(long, env = "AMENDS_APPROVE_ABOVE", value_name = "UNITS", default_value_t = 100)]
    pub approve_above: u32,
}

impl Args {
    /// The settings about the provider.
    #[must_use]
    pub fn tuning(&self) -> Tuning {
        Tuning {
            psp_timeout: Duration::from_millis(self.psp_timeout_ms),
            schedule: self.query_schedule.clone(),
            in_doubt_every: Duration::from_millis(self.in_doubt_query_ms),
            queries_per_s: self.psp_queries_per_s,
            approve_above: self.approve_above,
        }
    }
}

/// Runs the participant until `shutdown` ends.
///
/// # Errors
/// The keys cannot be read, the database not opened, the address not listened on, or the server broke down.
pub async fn run(args: Args, shutdown: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
    let participant = Participant { role: ROLE, service_name: SERVICE_NAME, default_port: DEFAULT_PORT };
    let opened = participant.open::<Migrator>(&args.process, &args.branch).await?;
    let gateway = Gateway::new(opened.guard.clone(), &args.psp, args.tuning())?;
    amends_serve::metrics::watch(meters::Doubts::of(opened.guard.clone()));
    tokio::select! {
        served = opened.serve(gateway.routes(), shutdown) => served?,
        () = gateway.find_out() => {}
    }
    Ok(opened.close().await?)
}

/// The participant over an opened and migrated database.
#[derive(Clone)]
pub struct Gateway {
    cashier: Cashier,
}

impl Gateway {
    /// A gateway to the processor at `psp` (host:port).
    ///
    /// # Errors
    /// The address is none.
    pub fn new(guard: Guard, psp: &str, tuning: Tuning) -> Result<Gateway, tonic::transport::Error> {
        let psp = PspClient::new(psp, tuning.psp_timeout, tuning.queries_per_s)?;
        Ok(Gateway { cashier: Cashier::new(guard, psp, tuning) })
    }

    /// The participant's routes.
    #[must_use]
    pub fn routes(&self) -> Routes {
        let service = GatewayServiceServer::new(api::GatewayApi::new(self.cashier.clone()));
        Routes::new(GuardLayer.layer(service.max_decoding_message_size(MAX_MESSAGE_BYTES)))
    }

    /// Finds out what became of requests nobody answered, and what the processor says to statements of people; never
    /// ends.
    pub async fn find_out(&self) {
        let worker = Worker::new(self.cashier.clone()).run();
        tokio::join!(worker, resolution::watch(self.cashier.clone()));
    }
}
