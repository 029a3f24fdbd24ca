//! An order service in this process, over a real listener and a database file; and calls as a coordinator makes them.
use amends_dtm::{Gid, metadata};
use amends_order::routes;
use amends_participant::{BranchAuth, Guard, SystemClock};
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::order::v1::order_service_client::OrderServiceClient;
use amends_proto::pay::order::v1::{GetRequest, Line, ListRequest, MarkPaidRequest, Order, PlaceRequest};
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
    pub client: OrderServiceClient<Channel>,
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
            Store::open(&format!("sqlite://{}", folder.path().join("order.db").display())).await.unwrap();
        store.migrate::<amends_migrations::order::Migrator>().await.unwrap();
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
        let client = OrderServiceClient::connect(format!("http://{address}")).await.unwrap();
        Service { client, folder, stop, server }
    }

    pub async fn order(&self, order_id: &str) -> Option<Order> {
        let request = GetRequest { order_id: order_id.into(), ..GetRequest::default() };
        match self.client.clone().get(request).await {
            Ok(found) => Some(found.into_inner()),
            Err(status) => {
                assert_eq!(status.code(), Code::NotFound, "{status:?}");
                None
            }
        }
    }

    pub async fn count(&self) -> usize {
        let all =
            self.client.clone().list(ListRequest { limit: 200, ..ListRequest::default() }).await.unwrap();
        all.into_inner().orders.len()
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

    pub fn sibling(&self, branch_id: &'static str) -> Branch {
        Branch { branch_id, ..self.clone() }
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

pub fn usd(minor_units: i64) -> Option<Money> {
    Some(Money { minor_units, currency: "USD".into() })
}

pub fn id() -> String {
    Gid::generate().to_string()
}

/// Two lines of 12.00 and 3 × 1.00; each call another order with another number.
pub fn place() -> PlaceRequest {
    let order_id = id();
    let line = |sku: &str, quantity, price| Line { sku: sku.into(), quantity, unit_price: usd(price) };
    PlaceRequest {
        out_trade_no: format!("T-{order_id}"),
        order_id,
        merchant_id: "northwind".into(),
        user_id: "ALFKI".into(),
        lines: vec![line("P1", 1, 1_200), line("P2", 3, 100)],
        total: usd(1_500),
        pay_ttl_s: 0,
    }
}

pub fn mark_paid(place: &PlaceRequest) -> MarkPaidRequest {
    MarkPaidRequest { order_id: place.order_id.clone(), payment_id: id(), paid: place.total.clone() }
}
