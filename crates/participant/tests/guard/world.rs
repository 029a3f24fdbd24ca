//! The participant's process as a test sees it: its database, its server, and the desk from which the test decides
//! when slow effects go on and what the outside says.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use amends_dtm::Gid;
use amends_participant::{BranchAuth, Clock, Guard, GuardLayer};
use amends_proto::pay::points::v1::PointsRequest;
use amends_proto::pay::points::v1::points_service_client::PointsServiceClient;
use amends_proto::pay::points::v1::points_service_server::PointsServiceServer;
use amends_serve::grpc::{self, GrpcOptions};
use amends_serve::store::Store;
use sea_orm::{ConnectionTrait, Statement};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tokio::sync::{Semaphore, watch};
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};

use crate::client::Caller;
use crate::points::Points;

/// The start of the test's clock: 2026-01-01.
pub const START_US: i64 = 1_767_225_600_000_000;

pub struct World {
    pub store: Store,
    pub guard: Guard,
    pub channel: Channel,
    pub desk: Desk,
    _folder: tempfile::TempDir,
}

/// Where effects meet the test: it lets slow ones go on, and decides what comes from outside.
#[derive(Clone)]
pub struct Desk(Arc<Tools>);

struct Tools {
    entered: Semaphore,
    gate: Semaphore,
    outside: watch::Sender<Outside>,
}

/// What the outside answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    Silent,
    Yes,
    No,
    NeverLeft,
}

impl Desk {
    /// Until an effect is in the middle of its work.
    pub async fn entered(&self) {
        self.0.entered.acquire().await.unwrap().forget();
    }

    /// Lets one slow effect go on.
    pub fn let_go(&self) {
        self.0.gate.add_permits(1);
    }

    /// Tells the test that a call is outside now; gives what the outside answers in the end.
    pub async fn ask_outside(&self) -> Outside {
        let mut outside = self.0.outside.subscribe();
        self.0.entered.add_permits(1);
        *outside.wait_for(|answer| *answer != Outside::Silent).await.unwrap()
    }

    /// What the outside answers from now on.
    pub fn outside(&self, answer: Outside) {
        self.0.outside.send_replace(answer);
    }

    /// Waits in the middle of an effect until the test lets go.
    pub async fn pass(&self) {
        self.0.entered.add_permits(1);
        self.0.gate.acquire().await.unwrap().forget();
    }
}

pub struct ManualClock(AtomicI64);

impl Clock for ManualClock {
    fn now_us(&self) -> i64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

struct Migrator;

#[sea_orm_migration::async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        amends_migrations::guard::migrations()
    }
}

impl World {
    pub async fn new() -> World {
        World::with(BranchAuth::Off).await
    }

    pub async fn with(auth: BranchAuth) -> World {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&database(folder.path()).await).await.unwrap();
        store.migrate::<Migrator>().await.unwrap();
        let table = "CREATE TABLE effect(gid TEXT NOT NULL, name TEXT NOT NULL)";
        store.writer().execute_unprepared(table).await.unwrap();
        let clock = Arc::new(ManualClock(AtomicI64::new(START_US)));
        let guard = Guard::new(store.clone(), auth, clock);
        let (outside, _) = watch::channel(Outside::Silent);
        let desk = Desk(Arc::new(Tools { entered: Semaphore::new(0), gate: Semaphore::new(0), outside }));
        let server = PointsServiceServer::new(Points { guard: guard.clone(), desk: desk.clone() });
        let routes = Routes::new(GuardLayer.layer(server));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(grpc::serve(listener, routes, GrpcOptions::default(), std::future::pending()));
        let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
        World { store, guard, channel, desk, _folder: folder }
    }

    pub fn client(&self) -> PointsServiceClient<Channel> {
        PointsServiceClient::new(self.channel.clone())
    }

    /// A fresh branch whose effects behave as `user_id` says.
    pub fn caller(&self, user_id: &str) -> Caller {
        let body =
            PointsRequest { user_id: user_id.into(), points: 7, op_id: "op".into(), ..Default::default() };
        Caller { client: self.client(), gid: Gid::generate(), body, mac: None }
    }

    /// The effects that are in the database, in the order in which they ran.
    pub async fn effects(&self, caller: &Caller) -> String {
        let sql = format!("SELECT name FROM effect WHERE gid = '{}'", caller.gid);
        self.column(&sql).await.join(" ")
    }

    /// The guard's rows of the branch: op and status, by name.
    pub async fn rows(&self, caller: &Caller) -> String {
        let (gid, order) = (&caller.gid, "ORDER BY op");
        let sql = format!("SELECT op || '=' || status AS name FROM branch_op WHERE gid = '{gid}' {order}");
        self.column(&sql).await.join(" ")
    }

    /// Makes the guard believe that the branch's rows were made by this caller's body.
    pub async fn give_hash_of(&self, caller: &Caller) {
        use prost::Message as _;
        use sha2::Digest as _;
        let hash = sha2::Sha256::digest(caller.body.encode_to_vec()).to_vec();
        let sql = "UPDATE branch_op SET request_hash = $1 WHERE gid = $2";
        let writer = self.store.writer();
        let values = [hash.into(), caller.gid.as_str().into()];
        let update = Statement::from_sql_and_values(writer.get_database_backend(), sql, values);
        assert_eq!(writer.execute_raw(update).await.unwrap().rows_affected(), 1);
    }

    pub async fn column(&self, sql: &str) -> Vec<String> {
        let reader = self.store.reader();
        let rows =
            reader.query_all_raw(Statement::from_string(reader.get_database_backend(), sql)).await.unwrap();
        rows.iter().map(|row| row.try_get("", "name").unwrap()).collect()
    }
}

/// A new database: a file, or where a server is named, one of its databases.
async fn database(folder: &std::path::Path) -> String {
    let Ok(server) = std::env::var("AMENDS_TEST_POSTGRES_URL") else {
        return format!("sqlite://{}", folder.join("points.db").display());
    };
    let name = format!("guard_{}", Gid::generate().as_str().replace('-', ""));
    let store = Store::open(&format!("{server}/postgres")).await.unwrap();
    store.writer().execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    store.close().await.unwrap();
    format!("{server}/{name}")
}
