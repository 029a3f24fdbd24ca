//! One orchestrator in this process beside the real DTM server, with branches that answer by a script. Which
//! coordinator new global transactions get is the test binary's choice; DTM's own word is compared with the end.

#[path = "../../../crates/dtm/tests/branches/mod.rs"]
#[allow(dead_code, reason = "shared with the raw tests of the DTM client, which use all of it")]
pub mod branches;

use amends_dtm::binary::locate;
use amends_dtm::client::DtmClient;
use amends_dtm::launcher::{DtmPorts, LocalDtm};
use amends_dtm::plan_mac::PlanMacKey;
use amends_dtm::{BranchId, Gid};
use amends_migrations::history::Migrator;
use amends_orchestrator::coordinator::{Coordinator, CoordinatorStatus, Coordinators, DtmCoordinator};
use amends_orchestrator::engine::{Cancelled, Engine, EngineParts, EngineTimes, LaneSettings, Lanes, Live};
use amends_orchestrator::history::{
    Act, History, HistoryReader, HistoryWriter, NewTransaction, Reuse, Row, Status,
};
use amends_orchestrator::plan::{Mode, Plan};
use amends_orchestrator::relay::RelayService;
use amends_proto::amends::v1 as pb;
use amends_proto::amends::v1::relay_server::RelayServer;
use amends_serve::store::Store;
use branches::Branches;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::process::Child;
use tokio::runtime::Runtime;
use tokio::time::{Instant, timeout};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// Far below DTM's own poll of 60 s: a poll never explains a success.
pub const PATIENCE: Duration = Duration::from_secs(15);

pub const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Who takes new global transactions.
pub const EMBEDDED: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"engine_embedded");

pub struct World {
    pub branches: Branches,
    /// A second participant, `other`.
    pub other: Branches,
    pub dtm: LocalDtm,
    pub child: Child,
    coordinator: Arc<DtmCoordinator>,
    relay: SocketAddr,
    participants: BTreeMap<String, String>,
    pub folder: tempfile::TempDir,
    pub engine: Arc<Engine>,
    /// Everything of the orchestrator runs here, so that dropping it is a crash.
    runtime: Option<Runtime>,
}

impl World {
    pub async fn start() -> World {
        let branches = Branches::start().await;
        let participant = branches.url("x").split('/').next().unwrap().to_owned();
        World::with(branches, participant).await
    }

    /// With a participant of the test's own instead of the scripted branches.
    #[allow(dead_code, reason = "not every test that shares this world has one")]
    pub async fn start_before(participant: String) -> World {
        World::with(Branches::start().await, participant).await
    }

    async fn with(branches: Branches, participant: String) -> World {
        let other = Branches::start().await;
        let at = other.url("x").split('/').next().unwrap().to_owned();
        let participants = BTreeMap::from([("scripted".to_owned(), participant), ("other".to_owned(), at)]);
        let folder = tempfile::tempdir().unwrap();
        let binary = tokio::task::spawn_blocking(locate).await.unwrap().unwrap();
        let dtm = LocalDtm::new(binary, folder.path().join("dtm"), DtmPorts::free().unwrap());
        let mut child = dtm.spawn().unwrap();
        dtm.wait_ready(&mut child, PATIENCE).await.unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = listener.local_addr().unwrap();
        drop(listener);
        let client = DtmClient::new(&dtm.endpoints()).unwrap();
        let coordinator = Arc::new(DtmCoordinator::new(client, &relay.to_string()));
        let runtime = Runtime::new().unwrap();
        let history = folder.path().join("history.db");
        let parts = (participants.clone(), Arc::clone(&coordinator), relay);
        let engine = runtime.spawn(orchestrator(history, parts)).await.unwrap();
        World {
            branches,
            other,
            dtm,
            child,
            coordinator,
            relay,
            participants,
            folder,
            engine,
            runtime: Some(runtime),
        }
    }

    /// The orchestrator dies without a word and comes back on the same history and ports.
    pub async fn restart_orchestrator(&mut self) {
        let runtime = Runtime::new().unwrap();
        self.runtime.replace(runtime).unwrap().shutdown_background();
        let history = self.folder.path().join("history.db");
        let client = DtmClient::new(&self.dtm.endpoints()).unwrap();
        let coordinator = Arc::new(DtmCoordinator::new(client, &self.relay.to_string()));
        let parts = (self.participants.clone(), coordinator, self.relay);
        self.engine = self.within(orchestrator(history, parts)).await;
    }

    pub async fn restart_dtm(&mut self) {
        self.child = self.dtm.spawn().unwrap();
        self.dtm.wait_ready(&mut self.child, PATIENCE).await.unwrap();
    }

    pub fn plan(&self, mode: Mode, steps: usize, pivot: Option<usize>, step_timeout_ms: i32) -> Plan {
        let method = |name: &str| format!("raw.Branches/{name}");
        let step = |index: usize| pb::PlanStep {
            branch_id: BranchId::of_index(index).as_str().to_owned(),
            participant: "scripted".into(),
            forward: method("Do"),
            confirm: method("Confirm"),
            undo: if pivot.is_some_and(|pivot| index > pivot) { String::new() } else { method("Undo") },
            payload: vec![7].into(),
            pivot: pivot == Some(index),
            policy: Some(pb::StepPolicy {
                attempt_timeout_ms: 1_000,
                step_timeout_ms,
                initial_interval_ms: 20,
                max_interval_ms: 100,
                attention_after_ms: 0,
                ..pb::StepPolicy::default()
            }),
            ..pb::PlanStep::default()
        };
        let gid = Gid::generate().as_str().to_owned();
        Plan::new(pb::Plan {
            business_key: gid.clone(),
            gid,
            definition: "test".into(),
            definition_version: 1,
            mode: mode.into(),
            steps: (0..steps).map(step).collect(),
            traceparent: TRACE.to_owned(),
            created_at_us: now_us(),
            ..pb::Plan::default()
        })
        .unwrap()
    }

    pub async fn within<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.runtime.as_ref().unwrap().spawn(work).await.unwrap()
    }

    pub async fn go(&self, plan: Plan) -> Arc<Live> {
        let new = NewTransaction { plan: plan.encode(), reuse: Reuse::AfterFailed };
        let engine = Arc::clone(&self.engine);
        self.within(async move { engine.start(row(&plan), plan, new).await }).await.unwrap()
    }

    /// Other settings for one lane.
    pub async fn set_lane(&self, participant: &str, settings: LaneSettings) {
        let (engine, set) = (Arc::clone(&self.engine), BTreeMap::from([(participant.to_owned(), settings)]));
        self.within(async move { engine.lanes().apply(&set) }).await;
    }

    pub async fn cancel(&self, live: &Arc<Live>) -> Cancelled {
        let (engine, live) = (Arc::clone(&self.engine), Arc::clone(live));
        self.within(async move { engine.cancel(&live, &Act::of("", "changed my mind")).await }).await.unwrap()
    }

    pub async fn end(&self, gid: &str) -> Status {
        let live = self.engine.find(gid).await.unwrap().unwrap();
        let ended = timeout(PATIENCE, live.until(|state| state.end.is_some())).await;
        ended
            .unwrap_or_else(|_| panic!("not ended: {:?}, calls {}", live.state(), self.branches.order()))
            .status()
    }

    /// DTM's own word, once it says `wanted`; it lags behind by the last answer's way. What the engine coordinates
    /// it must never have heard of.
    pub async fn dtm_says(&self, gid: &str, wanted: CoordinatorStatus) {
        if EMBEDDED {
            assert_eq!(self.coordinator.view(gid).await.unwrap(), None);
            return;
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let view = self.coordinator.view(gid).await.unwrap();
            if view.as_ref().is_some_and(|view| view.status == wanted) {
                return;
            }
            assert!(Instant::now() < deadline, "DTM says {view:?}, not {wanted:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn kinds(&self, gid: &str) -> Vec<String> {
        let rows = self.engine.history().reader.rows(gid, 1).await.unwrap();
        assert!(rows.iter().zip(1..).all(|(row, seq)| row.seq == seq), "seqs have no gap");
        rows.into_iter().map(|row| row.kind).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub fn now_us() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

pub fn row(plan: &Plan) -> Row {
    Row {
        gid: plan.gid().as_str().into(),
        caller: "test".into(),
        request_id: plan.gid().as_str().into(),
        request_digest: vec![1],
        definition: "test".into(),
        definition_version: 1,
        mode: "saga".into(),
        business_key: plan.body().business_key.clone(),
        status: Status::Accepted.name().into(),
        reason: String::new(),
        is_open: true,
        needs_attention: false,
        coordinator: if EMBEDDED { "embedded" } else { "dtm" }.into(),
        created_at_us: plan.body().created_at_us,
        finished_at_us: 0,
        ..Row::default()
    }
}

async fn orchestrator(
    history: PathBuf,
    (participants, coordinator, relay): (BTreeMap<String, String>, Arc<DtmCoordinator>, SocketAddr),
) -> Arc<Engine> {
    let store = Store::open(&format!("sqlite://{}", history.display())).await.unwrap();
    store.migrate::<Migrator>().await.unwrap();
    let history = History { writer: HistoryWriter::start(store.clone()), reader: HistoryReader::new(store) };
    let coordinators =
        if EMBEDDED { Coordinators::embedded(coordinator) } else { Coordinators::dtm(coordinator) };
    let engine = Engine::new(EngineParts {
        history,
        lanes: Lanes::new(&participants).unwrap(),
        coordinators,
        mac_key: PlanMacKey::from_hex(&"11".repeat(32)).unwrap(),
        times: EngineTimes::default(),
        clock: now_us,
        tenure: amends_orchestrator::replica::Tenure::alone(),
    });
    engine.recover().await.unwrap();
    let listener = rebind(relay).await;
    let service = RelayServer::new(RelayService::new(Arc::clone(&engine)));
    tokio::spawn(async move {
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
    });
    tokio::spawn(Arc::clone(&engine).watch());
    engine
}

/// The port of a crashed orchestrator is free as soon as its tasks are gone.
async fn rebind(address: SocketAddr) -> tokio::net::TcpListener {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match tokio::net::TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::task::yield_now().await;
    }
}
