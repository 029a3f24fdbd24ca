//! The points participant of the payments domain: points that users burn and earn (payments-domain §4.4).
//! Owns its database; knows no other service and no orchestrator.

mod api;
mod branch;
mod direct;
mod purses;

mod purse;
mod state;

mod entity;
mod queries;
mod validate;

use amends_participant::{BranchArgs, Guard, GuardLayer, SystemClock};
use amends_proto::pay::points::v1::points_service_server::{PointsServiceServer, SERVICE_NAME};
use amends_serve::grpc::{self, MAX_MESSAGE_BYTES};
use amends_serve::store::Store;
use amends_serve::{ProcessArgs, listener};
use std::sync::Arc;
use tonic::service::Routes;

/// Name of the role, also of its database file.
pub const ROLE: &str = "points";
/// Port without `--listen` (design §4).
pub const DEFAULT_PORT: u16 = 7414;

/// Flags of the role.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Flags of every process.
    #[command(flatten)]
    pub process: ProcessArgs,
    /// Flags of every participant.
    #[command(flatten)]
    pub branch: BranchArgs,
}

/// Runs the participant until `shutdown` ends.
///
/// # Errors
/// The key cannot be read, the database not opened, the address not listened on, or the server broke down.
pub async fn run(args: Args, shutdown: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
    let auth = args.branch.auth()?;
    let store = args.process.open_store::<amends_migrations::points::Migrator>(ROLE).await?;
    let guard = Guard::new(store.clone(), auth, Arc::new(SystemClock));
    let listener = listener::bind(args.process.listen_or(DEFAULT_PORT)).await?;
    tracing::info!(role = ROLE, address = %listener.local_addr()?, "listening");
    let options = args.process.grpc_options(&[SERVICE_NAME]);
    grpc::serve(listener, routes(store.clone(), guard), options, shutdown).await?;
    store.close().await?;
    Ok(())
}

/// The participant's routes over an opened and migrated database.
#[must_use]
pub fn routes(store: Store, guard: Guard) -> Routes {
    let server = PointsServiceServer::new(api::Api::new(store, guard));
    Routes::new(GuardLayer.layer(server.max_decoding_message_size(MAX_MESSAGE_BYTES)))
}
