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

use amends_participant::{Guard, GuardLayer, Participant};
use amends_proto::pay::account::v1::account_service_server::{AccountServiceServer, SERVICE_NAME};
use amends_serve::grpc::MAX_MESSAGE_BYTES;
use amends_serve::store::Store;
use tonic::service::Routes;

pub use amends_participant::Args;

/// Name of the role, also of its database file.
pub const ROLE: &str = "account";
/// Port without `--listen` (design §4).
pub const DEFAULT_PORT: u16 = 7412;

/// Runs the participant until `shutdown` ends.
///
/// # Errors
/// The key cannot be read, the database not opened, the address not listened on, or the server broke down.
pub async fn run(args: Args, shutdown: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
    let participant = Participant { role: ROLE, service_name: SERVICE_NAME, default_port: DEFAULT_PORT };
    Ok(participant.run::<amends_migrations::account::Migrator>(&args, routes, shutdown).await?)
}

/// The participant's routes over an opened and migrated database.
#[must_use]
pub fn routes(store: Store, guard: Guard) -> Routes {
    let server = AccountServiceServer::new(api::Api::new(store, guard));
    Routes::new(GuardLayer.layer(server.max_decoding_message_size(MAX_MESSAGE_BYTES)))
}
