//! One points service in this process, on a port of its own, with a database file that outlives a restart.

use amends_dtm::Gid;
use amends_migrations::points::Migrator;
use amends_participant::{BranchAuth, Guard, SystemClock};
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::points::v1::points_service_client::PointsServiceClient;
use amends_proto::pay::points::v1::*;
use amends_serve::{grpc, store::Store};
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

pub type Answer = Result<Response<PointsResponse>, Status>;

pub struct World {
    pub client: PointsServiceClient<Channel>,
    pub store: Store,
    folder: TempDir,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

/// One branch method; its name says all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    TryBurn,
    ConfirmBurn,
    CancelBurn,
    Burn,
    ReturnBurn,
    TryEarn,
    ConfirmEarn,
    CancelEarn,
    Earn,
    RevokeEarn,
}

impl World {
    /// A fresh service where alice has 1,000 points.
    pub async fn new() -> World {
        let world = World::bare().await;
        world.grant("alice", 1_000, "seed").await.unwrap();
        world
    }

    pub async fn bare() -> World {
        World::start(tempfile::tempdir().unwrap(), BranchAuth::Off).await
    }

    pub async fn start(folder: TempDir, auth: BranchAuth) -> World {
        let url = format!("sqlite://{}", folder.path().join("points.db").display());
        let store = Store::open(&url).await.unwrap();
        store.migrate::<Migrator>().await.unwrap();
        let listener = amends_serve::listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let guard = Guard::new(store.clone(), auth, Arc::new(SystemClock));
        let routes = amends_points::routes(store.clone(), guard);
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async {
            let _ = stopped.await;
        };
        let server = tokio::spawn(async move {
            grpc::serve(listener, routes, grpc::GrpcOptions::default(), until).await.unwrap();
        });
        let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
        let client = PointsServiceClient::new(channel).max_encoding_message_size(usize::MAX);
        World { client, store, folder, stop, server }
    }

    /// Stops the process's server and its database, then starts both again on the same file.
    pub async fn restart(self) -> World {
        let World { client, store, folder, stop, server } = self;
        drop(client);
        stop.send(()).unwrap();
        server.await.unwrap();
        store.close().await.unwrap();
        World::start(folder, BranchAuth::Off).await
    }

    pub async fn grant(&self, user_id: &str, points: i64, key: &str) -> Result<PointsAccount, Status> {
        let request = GrantRequest { user_id: user_id.into(), points, idempotency_key: key.into() };
        self.client.clone().grant(request).await.map(Response::into_inner)
    }

    pub async fn get(&self, user_id: &str) -> Result<PointsAccount, Status> {
        let request = GetRequest { user_id: user_id.into() };
        self.client.clone().get(request).await.map(Response::into_inner)
    }

    /// Balance, frozen, pending and debt of a user.
    pub async fn purse(&self, user_id: &str) -> (i64, i64, i64, i64) {
        let account = self.get(user_id).await.unwrap();
        (account.balance, account.frozen, account.pending_earn, account.debt)
    }

    pub async fn call(&self, op: Op, gid: &Gid, body: &PointsRequest) -> Answer {
        let request = branch_request(op, gid, body.clone());
        let mut client = self.client.clone();
        match op {
            Op::TryBurn => client.try_burn(request).await,
            Op::ConfirmBurn => client.confirm_burn(request).await,
            Op::CancelBurn => client.cancel_burn(request).await,
            Op::Burn => client.burn(request).await,
            Op::ReturnBurn => client.return_burn(request).await,
            Op::TryEarn => client.try_earn(request).await,
            Op::ConfirmEarn => client.confirm_earn(request).await,
            Op::CancelEarn => client.cancel_earn(request).await,
            Op::Earn => client.earn(request).await,
            Op::RevokeEarn => client.revoke_earn(request).await,
        }
    }

    /// Everything but the guard, to see that a refusal changed none of it.
    pub async fn picture(&self) -> (Vec<PointsAccount>, Vec<PointsOp>) {
        let accounts = self.client.clone().list_accounts(all()).await.unwrap().into_inner().accounts;
        let ops = self.client.clone().list_ops(all()).await.unwrap().into_inner().ops;
        (accounts, ops)
    }

    /// I10: 0 ≤ frozen ≤ balance, debt ≥ 0, earned − revoked = balance + (burnt − returned) − debt.
    pub async fn assert_points_add_up(&self) {
        let (accounts, ops) = self.picture().await;
        let mut net: BTreeMap<String, (i64, i64, i64)> = BTreeMap::new();
        for op in ops {
            let (points, state) = (op.points, op.state());
            let (moved, frozen, pending) = net.entry(op.user_id).or_default();
            match state {
                PointsState::Earned => *moved += points,
                PointsState::Burnt => *moved -= points,
                PointsState::Frozen => *frozen += points,
                PointsState::Pending => *pending += points,
                // Earned and revoked, burnt and returned: they cancel out.
                PointsState::Revoked | PointsState::Returned | PointsState::Thawed | PointsState::Voided => {}
                PointsState::Unspecified => panic!("a state that does not exist"),
            }
        }
        for account in accounts {
            let (moved, frozen, pending) = net.remove(&account.user_id).unwrap_or_default();
            assert_eq!(account.balance - account.debt, moved, "{account:?}");
            assert_eq!((account.frozen, account.pending_earn), (frozen, pending), "{account:?}");
            assert!(account.frozen <= account.balance && account.debt >= 0, "{account:?}");
        }
        assert!(net.is_empty(), "ops of users without account: {net:?}");
    }
}

/// Alice's points, worth as many cents.
pub fn points(points: i64) -> PointsRequest {
    PointsRequest {
        op_id: Uuid::now_v7().to_string(),
        user_id: "alice".into(),
        order_id: Uuid::now_v7().to_string(),
        points,
        basis: Some(Money { minor_units: points, currency: "USD".into() }),
    }
}

pub fn branch_request(op: Op, gid: &Gid, body: PointsRequest) -> Request<PointsRequest> {
    let (trans_type, op) = match op {
        Op::TryBurn | Op::TryEarn => ("tcc", "try"),
        Op::ConfirmBurn | Op::ConfirmEarn => ("tcc", "confirm"),
        Op::CancelBurn | Op::CancelEarn => ("tcc", "cancel"),
        Op::Burn | Op::Earn => ("saga", "action"),
        Op::ReturnBurn | Op::RevokeEarn => ("saga", "compensate"),
    };
    let mut request = Request::new(body);
    let metadata = request.metadata_mut();
    metadata.insert("dtm-gid", gid.as_str().parse().unwrap());
    metadata.insert("dtm-trans_type", trans_type.parse().unwrap());
    metadata.insert("dtm-branch_id", "01".parse().unwrap());
    metadata.insert("dtm-op", op.parse().unwrap());
    request
}

pub fn all() -> ListRequest {
    ListRequest { cursor: String::new(), limit: 1_000 }
}

/// Code and reason of a refusal.
pub fn reason(status: &Status) -> (Code, &str) {
    (status.code(), status.message().split('|').next().unwrap())
}

pub fn is_replay<T>(response: &Response<T>) -> bool {
    response.metadata().get("x-replayed").is_some_and(|value| value == "1")
}
