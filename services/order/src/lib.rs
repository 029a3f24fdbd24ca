//! The order participant: what was ordered, and whether it is paid. Knows no other participant and no coordinator.

mod api;
mod branch;
mod entity;
mod queries;
pub mod state;
mod validate;

use amends_participant::{Guard, GuardLayer, Participant};
use amends_proto::pay::order::v1::order_service_server::{OrderServiceServer, SERVICE_NAME};
use amends_serve::grpc::MAX_MESSAGE_BYTES;
use amends_serve::store::Store;
use std::future::Future;
use tonic::service::Routes;

pub use amends_participant::Args;

/// Name of the role, also of its database file.
pub const ROLE: &str = "order";
/// Port without `--listen`.
pub const DEFAULT_PORT: u16 = 7411;

/// Runs the participant until `shutdown` ends.
///
/// # Errors
/// The keys cannot be read, the database not opened, the address not listened on, or the server broke down.
pub async fn run(args: Args, shutdown: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
    let participant = Participant { role: ROLE, service_name: SERVICE_NAME, default_port: DEFAULT_PORT };
    Ok(participant.run::<amends_migrations::order::Migrator>(&args, routes, shutdown).await?)
}

/// The participant's routes over an opened and migrated database.
#[must_use]
pub fn routes(store: Store, guard: Guard) -> Routes {
    let service = OrderServiceServer::new(api::OrderApi::new(store, guard));
    Routes::new(GuardLayer.layer(service.max_decoding_message_size(MAX_MESSAGE_BYTES)))
}
