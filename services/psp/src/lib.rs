//! The simulated payment service provider: a process with its own store, which is the truth about every charge.
//! Misbehaves on request (`behaviour`), never in its books (`state`, `books`). Knows no participant and no gateway.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use amends_migrations::psp::Migrator;
use amends_proto::pay::psp::v1::psp_service_server::{PspServiceServer, SERVICE_NAME};
use amends_serve::ProcessArgs;
use amends_serve::grpc::{GrpcOptions, MAX_MESSAGE_BYTES, serve};
use amends_serve::listener;
use amends_serve::store::Store;
use futures::FutureExt;
use tokio::net::TcpListener;
use tonic::service::Routes;

mod api;
mod behaviour;
mod books;
mod entity;
mod money_call;
mod op;
mod outage;
mod profile;
mod queries;
mod script;
mod state;
mod validate;

pub use behaviour::{Behaviour, UnknownBehaviour};
pub use profile::{Profile, ProfileError};

use outage::Outage;

/// Port when none is given.
const DEFAULT_PORT: u16 = 7416;
/// Silent calls would hold up the end of the process for long; they have nothing to lose.
const DRAIN: Duration = Duration::from_millis(500);
/// How often a port that is still in use after an outage is tried again, and how long between.
const REBIND_TRIES: u32 = 100;
const REBIND_PAUSE: Duration = Duration::from_millis(50);

/// Flags of the role `psp`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Flags of every process.
    #[command(flatten)]
    pub process: ProcessArgs,
    /// Seed of the profile's draws and of the auth codes
    #[arg(long, env = "AMENDS_PSP_SEED", default_value_t = 0)]
    pub seed: u64,
    /// Shares of behaviours, for example `decline=0.05,charge_then_timeout=0.02`; the rest behaves well
    #[arg(long, env = "AMENDS_PSP_PROFILE", value_name = "BEHAVIOUR=SHARE,…", default_value = "")]
    pub profile: Profile,
}

/// Runs the processor until `shutdown`.
pub async fn run(args: Args, shutdown: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
    let store = args.process.open_store::<Migrator>("psp").await?;
    let options = GrpcOptions { drain: DRAIN, ..args.process.grpc_options(&[SERVICE_NAME]) };
    let processor = Processor::open(store.clone(), args.seed, args.profile).await?;
    let listener = listener::bind(args.process.listen_or(DEFAULT_PORT)).await?;
    processor.listen(listener, options, shutdown).await?;
    store.close().await?;
    Ok(())
}

/// The processor, ready to listen.
pub struct Processor {
    routes: Routes,
    outage: Outage,
}

impl Processor {
    /// Opens the processor over a migrated store.
    pub async fn open(store: Store, seed: u64, profile: Profile) -> anyhow::Result<Processor> {
        let outage = Outage::open(store.clone()).await?;
        let books = books::Books::new(store.clone(), seed);
        let scripts = script::Scripts::open(store.clone(), seed, profile).await?;
        let psp = api::Psp::new(store, books, scripts, outage.clone());
        let service = PspServiceServer::new(psp).max_decoding_message_size(MAX_MESSAGE_BYTES);
        Ok(Processor { routes: Routes::new(service), outage })
    }

    /// The processor's routes, for whoever calls it without a wire between: an outage is answered, nothing is dropped.
    #[must_use]
    pub fn routes(&self) -> Routes {
        self.routes.clone()
    }

    /// Listens until `shutdown`; an outage drops the listener for as long as it lasts.
    pub async fn listen(
        self,
        mut listener: TcpListener,
        options: GrpcOptions,
        shutdown: impl Future<Output = ()> + Send,
    ) -> anyhow::Result<()> {
        let shutdown = shutdown.shared();
        let address = listener.local_addr()?;
        loop {
            tracing::info!(%address, "psp listens");
            tokio::select! {
                biased;
                () = self.outage.began(now_us) => {}
                ended = serve(listener, self.routes.clone(), options.clone(), shutdown.clone()) => return Ok(ended?),
            }
            tokio::select! {
                () = self.over() => {}
                () = shutdown.clone() => return Ok(()),
            }
            listener = rebind(address).await?;
        }
    }

    /// Ends with the outage.
    async fn over(&self) {
        loop {
            let left = self.outage.left(now_us());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

/// The processor's own clock: delays of behaviours are measured by it and survive a restart.
fn now_us() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

/// The port may still be held for a moment by connections that end.
async fn rebind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let mut tries = 0;
    loop {
        match listener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) if tries == REBIND_TRIES => return Err(error.into()),
            Err(_) => tries += 1,
        }
        tokio::time::sleep(REBIND_PAUSE).await;
    }
}
