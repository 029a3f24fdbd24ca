//! An inventory service in this process, over a real listener and a database file; and calls as a coordinator makes them.
use amends_dtm::{Gid, metadata};
use amends_inventory::routes;
use amends_participant::{BranchAuth, Guard, SystemClock};
use amends_proto::pay::inventory::v1::inventory_service_client::InventoryServiceClient;
use amends_proto::pay::inventory::v1::{
    Line, ListRequest, Reservation, ReservationState, ReserveRequest, RestockRequest,
};
use amends_serve::store::Store;
use amends_serve::{grpc, listener};
use prost::Message;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

/// A running service; its database lies in a folder of its own.
pub struct Service {
    pub client: InventoryServiceClient<Channel>,
    folder: TempDir,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Service {
    pub async fn start() -> Service {
        Service::start_with(BranchAuth::Off).await
    }

    pub async fn start_with(auth: BranchAuth) -> Service {
        Service::open(TempDir::new().unwrap(), auth).await
    }

    /// Ends the service and starts another one on the same database.
    pub async fn restart(self) -> Service {
        drop(self.client);
        self.stop.send(()).unwrap();
        self.server.await.unwrap();
        Service::open(self.folder, BranchAuth::Off).await
    }

    async fn open(folder: TempDir, auth: BranchAuth) -> Service {
        let store =
            Store::open(&format!("sqlite://{}", folder.path().join("inventory.db").display())).await.unwrap();
        store.migrate::<amends_migrations::inventory::Migrator>().await.unwrap();
        let guard = Guard::new(store.clone(), auth, Arc::new(SystemClock));
        let listener = listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(async move {
            let until = async move { stopped.await.unwrap_or_default() };
            grpc::serve(listener, routes(store.clone(), guard), grpc::GrpcOptions::default(), until)
                .await
                .unwrap();
            store.close().await.unwrap();
        });
        let client = InventoryServiceClient::connect(format!("http://{address}")).await.unwrap();
        Service { client, folder, stop, server }
    }

    /// Goods that arrive, each sku with its quantity.
    pub async fn stocked(self, goods: &[(&str, i64)]) -> Service {
        for (sku, quantity) in goods {
            let request = RestockRequest {
                sku: (*sku).into(),
                quantity: *quantity,
                idempotency_key: format!("seed-{sku}"),
            };
            self.client.clone().restock(request).await.unwrap();
        }
        self
    }

    /// Every sku as `[received, on_hand, reserved, sold, returned]`; fails unless payments-domain I3 holds.
    pub async fn stock(&self) -> Vec<(String, [i64; 5])> {
        let all = self.client.clone().list_stock(ListRequest::default()).await.unwrap().into_inner();
        all.stock
            .into_iter()
            .map(|it| {
                assert!(0 <= it.reserved && it.reserved <= it.on_hand, "{it:?}");
                assert_eq!(it.received + it.returned, it.on_hand + it.sold, "{it:?}");
                (it.sku, [it.received, it.on_hand, it.reserved, it.sold, it.returned])
            })
            .collect()
    }

    /// The states of all reservations, as they were made.
    pub async fn states(&self) -> Vec<ReservationState> {
        let all = self.client.clone().list_reservations(ListRequest::default()).await.unwrap().into_inner();
        all.reservations.iter().map(Reservation::state).collect()
    }
}

/// One branch of one global transaction, as its coordinator names it.
#[derive(Clone)]
pub struct Branch {
    pub gid: Gid,
    pub branch_id: &'static str,
    pub trans_type: &'static str,
}

impl Branch {
    pub fn saga() -> Branch {
        Branch { gid: Gid::generate(), branch_id: "01", trans_type: "saga" }
    }

    pub fn tcc() -> Branch {
        Branch { gid: Gid::generate(), branch_id: "01", trans_type: "tcc" }
    }

    pub fn call<T>(&self, op: &str, body: &T) -> Request<T>
    where
        T: Clone,
    {
        let mut request = Request::new(body.clone());
        let headers = request.metadata_mut();
        headers.insert(metadata::GID, self.gid.as_str().parse().unwrap());
        headers.insert(metadata::TRANS_TYPE, self.trans_type.parse().unwrap());
        headers.insert(metadata::BRANCH_ID, self.branch_id.parse().unwrap());
        headers.insert(metadata::OP, op.parse().unwrap());
        request
    }
}

/// An answer down to its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Ok(Vec<u8>),
    No { code: Code, message: String, details: Vec<u8> },
}

pub fn answer<T: Message>(result: Result<Response<T>, Status>) -> Answer {
    match result {
        Ok(response) => Answer::Ok(response.into_inner().encode_to_vec()),
        Err(status) => Answer::No {
            code: status.code(),
            message: status.message().to_owned(),
            details: status.details().to_vec(),
        },
    }
}

pub fn reason(status: &Status) -> (Code, &str) {
    (status.code(), status.message().split('|').next().unwrap_or_default())
}

pub fn replayed<T>(response: &Response<T>) -> bool {
    response.metadata().get(amends_participant::REPLAYED).is_some_and(|value| value == "1")
}

pub fn id() -> String {
    Gid::generate().to_string()
}

/// Each sku with its quantity; each call another reservation of another order.
pub fn reserve(lines: &[(&str, i64)]) -> ReserveRequest {
    ReserveRequest {
        reservation_id: id(),
        order_id: id(),
        lines: lines.iter().map(|(sku, quantity)| Line { sku: (*sku).into(), quantity: *quantity }).collect(),
        hold_ttl_s: 0,
    }
}

/// A row of [`Service::stock`].
pub fn row(sku: &str, numbers: [i64; 5]) -> (String, [i64; 5]) {
    (sku.into(), numbers)
}
