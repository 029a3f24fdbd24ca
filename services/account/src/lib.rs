//! The account participant of the payments domain: wallets, merchants' and internal accounts, holds, double entries
//! (payments-domain §4.2). Owns its database; knows no other service and no orchestrator.

mod api;
mod branch;
mod direct;
mod ledger;

mod balances;
mod state;

mod entity;
mod queries;
mod validate;

use amends_migrations::account::Migrator;
use amends_participant::{BranchArgs, Guard, GuardLayer, SystemClock};
use amends_proto::pay::account::v1::account_service_server::{AccountServiceServer, SERVICE_NAME};
use amends_serve::{ProcessArgs, grpc, listener, telemetry};
use std::sync::Arc;
use tonic::service::Routes;

/// Names the database file and the process.
const ROLE: &str = "account";
/// Port unless `--listen` says otherwise (design §4).
const DEFAULT_PORT: u16 = 7412;

/// Flags of `serve account`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Flags of every process.
    #[command(flatten)]
    pub process: ProcessArgs,
    /// Flags of every participant.
    #[command(flatten)]
    pub branch: BranchArgs,
}

/// Runs the process until `shutdown`.
pub async fn run(args: Args, shutdown: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
    telemetry::init(args.process.log_format);
    let auth = args.branch.auth()?;
    let store = args.process.open_store::<Migrator>(ROLE).await?;
    let listener = listener::bind(args.process.listen_or(DEFAULT_PORT)).await?;
    let guard = Guard::new(store.clone(), auth, Arc::new(SystemClock));
    grpc::serve(listener, routes(guard), args.process.grpc_options(&[SERVICE_NAME]), shutdown).await?;
    Ok(store.close().await?)
}

/// The service over the guard's store.
#[must_use]
pub fn routes(guard: Guard) -> Routes {
    let server =
        AccountServiceServer::new(api::Api::new(guard)).max_decoding_message_size(grpc::MAX_MESSAGE_BYTES);
    Routes::new(GuardLayer.layer(server))
}
