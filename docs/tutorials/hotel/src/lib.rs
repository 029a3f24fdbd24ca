//! The participant of the tutorial: takes rooms of a hotel, and gives them back. Knows no coordinator.
mod schema;

use amends_participant::bootstrap::{Args, Participant};
use amends_participant::{Call, Fault, Guard, GuardLayer, Reason, Refusal, fields};
use amends_serve::store::LocalTransaction;
use pb::hotel_server::{Hotel, HotelServer, SERVICE_NAME};
use pb::{BookRequest, BookResponse};
use sea_orm::Statement;
use std::future::Future;
use tonic::{Request, Response, Status, service::Routes};

#[allow(missing_docs, clippy::pedantic, reason = "generated; the .proto file tells what they are")]
mod pb {
    tonic::include_proto!("trip.v1");
}
/// For reflection.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Takes the room. The guard runs it at most once for a branch; on a refusal nothing of it stays.
async fn book(tx: &LocalTransaction, call: Call<BookRequest>) -> Result<BookResponse, Fault> {
    fields::name(&call.body.room, "room")?;
    let take = "UPDATE room SET free = free - 1 WHERE name = $1 AND free > 0";
    if change(tx, take, &call.body.room).await? == 0 {
        return Err(Refusal::new(Reason::InsufficientStock, "no such room is free").into());
    }
    Ok(BookResponse { booking_id: call.body.booking_id })
}

/// Gives it back. The guard runs it at most once, only after `book`, and with the same request.
async fn free(tx: &LocalTransaction, call: Call<BookRequest>) -> Result<BookResponse, Fault> {
    change(tx, "UPDATE room SET free = free + 1 WHERE name = $1", &call.body.room).await?;
    Ok(BookResponse { booking_id: call.body.booking_id })
}

async fn change(tx: &LocalTransaction, sql: &str, room: &str) -> Result<u64, Fault> {
    Ok(tx.statement(Statement::from_sql_and_values(tx.backend(), sql, [room.into()])).await?)
}

struct Rooms(Guard);

#[tonic::async_trait]
impl Hotel for Rooms {
    async fn book(&self, request: Request<BookRequest>) -> Result<Response<BookResponse>, Status> {
        self.0.forward(request, |tx, call| Box::pin(book(tx, call))).await
    }
    async fn free(&self, request: Request<BookRequest>) -> Result<Response<BookResponse>, Status> {
        self.0.undo(request, |tx, call| Box::pin(free(tx, call))).await
    }
}

/// Flags of the process.
#[derive(Debug, clap::Parser)]
pub struct Flags {
    #[command(flatten)]
    args: Args,
}

/// Runs the participant until `shutdown` ends.
///
/// # Errors
/// The key cannot be read, the database not opened, the address not listened on, or the server broke down.
pub async fn run(flags: Flags, shutdown: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
    let reflection = tonic_reflection::server::Builder::configure();
    let reflection = reflection.register_encoded_file_descriptor_set(DESCRIPTORS).build_v1()?;
    let routes =
        |_, guard| Routes::new(GuardLayer.layer(HotelServer::new(Rooms(guard)))).add_service(reflection);
    let hotel = Participant { role: "hotel", service_name: SERVICE_NAME, default_port: 50051 };
    Ok(hotel.run::<schema::Migrator>(&flags.args, routes, shutdown).await?)
}
