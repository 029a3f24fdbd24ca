//! The engine and its relay against the real DTM server, with branches that answer by a script.
//! Every end is the fold's, and DTM's own word is compared with it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../crates/dtm/tests/branches/mod.rs"]
#[allow(dead_code, reason = "shared with the raw tests of the DTM client, which use all of it")]
mod branches;

use amends_dtm::binary::locate;
use amends_dtm::client::DtmClient;
use amends_dtm::launcher::{DtmPorts, LocalDtm};
use amends_dtm::plan_mac::PlanMacKey;
use amends_dtm::{BranchId, Gid};
use amends_migrations::history::Migrator;
use amends_orchestrator::coordinator::{Coordinator, CoordinatorStatus, Coordinators, DtmCoordinator};
use amends_orchestrator::engine::{Cancelled, Engine, EngineParts, EngineTimes, Lanes, Live};
use amends_orchestrator::history::{
    AppendError, Conflict, History, HistoryReader, HistoryWriter, NewTransaction, Reuse, Row, State, Status,
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
use tonic::Code;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// Far below DTM's own poll of 60 s: a poll never explains a success.
const PATIENCE: Duration = Duration::from_secs(15);

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

struct World {
    branches: Branches,
    dtm: LocalDtm,
    child: Child,
    coordinator: Arc<DtmCoordinator>,
    relay: SocketAddr,
    folder: tempfile::TempDir,
    engine: Arc<Engine>,
    /// Everything of the orchestrator runs here, so that dropping it is a crash.
    runtime: Option<Runtime>,
}

impl World {
    async fn start() -> World {
        let folder = tempfile::tempdir().unwrap();
        let binary = tokio::task::spawn_blocking(locate).await.unwrap().unwrap();
        let dtm = LocalDtm::new(binary, folder.path().join("dtm"), DtmPorts::free().unwrap());
        let mut child = dtm.spawn().unwrap();
        dtm.wait_ready(&mut child, PATIENCE).await.unwrap();
        let branches = Branches::start().await;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = listener.local_addr().unwrap();
        drop(listener);
        let client = DtmClient::new(&dtm.endpoints()).unwrap();
        let coordinator = Arc::new(DtmCoordinator::new(client, &relay.to_string()));
        let runtime = Runtime::new().unwrap();
        let history = folder.path().join("history.db");
        let parts = (branches.url("x"), Arc::clone(&coordinator), relay);
        let engine = runtime.spawn(orchestrator(history, parts)).await.unwrap();
        World { branches, dtm, child, coordinator, relay, folder, engine, runtime: Some(runtime) }
    }

    /// The orchestrator dies without a word and comes back on the same history and ports.
    async fn restart_orchestrator(&mut self) {
        let runtime = Runtime::new().unwrap();
        self.runtime.replace(runtime).unwrap().shutdown_background();
        let history = self.folder.path().join("history.db");
        let client = DtmClient::new(&self.dtm.endpoints()).unwrap();
        let coordinator = Arc::new(DtmCoordinator::new(client, &self.relay.to_string()));
        let parts = (self.branches.url("x"), coordinator, self.relay);
        self.engine = self.within(orchestrator(history, parts)).await;
    }

    async fn restart_dtm(&mut self) {
        self.child = self.dtm.spawn().unwrap();
        self.dtm.wait_ready(&mut self.child, PATIENCE).await.unwrap();
    }

    fn plan(&self, mode: Mode, steps: usize, pivot: Option<usize>, step_timeout_ms: i32) -> Plan {
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

    async fn within<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.runtime.as_ref().unwrap().spawn(work).await.unwrap()
    }

    async fn go(&self, plan: Plan) -> Arc<Live> {
        let new = NewTransaction { plan: plan.encode(), reuse: Reuse::AfterFailed };
        let engine = Arc::clone(&self.engine);
        self.within(async move { engine.start(row(&plan), plan, new).await }).await.unwrap()
    }

    async fn cancel(&self, live: &Arc<Live>) -> Cancelled {
        let (engine, live) = (Arc::clone(&self.engine), Arc::clone(live));
        self.within(async move { engine.cancel(&live, "changed my mind").await }).await.unwrap()
    }

    async fn end(&self, gid: &str) -> Status {
        let live = self.engine.find(gid).await.unwrap().unwrap();
        let ended = timeout(PATIENCE, live.until(|state| state.end.is_some())).await;
        ended
            .unwrap_or_else(|_| panic!("not ended: {:?}, calls {}", live.state(), self.branches.order()))
            .status()
    }

    /// DTM's own word, once it says `wanted`; it lags behind by the last answer's way.
    async fn dtm_says(&self, gid: &str, wanted: CoordinatorStatus) {
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

    async fn kinds(&self, gid: &str) -> Vec<String> {
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

fn now_us() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

fn row(plan: &Plan) -> Row {
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
        coordinator: "dtm".into(),
        created_at_us: plan.body().created_at_us,
        finished_at_us: 0,
    }
}

async fn orchestrator(
    history: PathBuf,
    (branches, coordinator, relay): (String, Arc<DtmCoordinator>, SocketAddr),
) -> Arc<Engine> {
    let store = Store::open(&format!("sqlite://{}", history.display())).await.unwrap();
    store.migrate::<Migrator>().await.unwrap();
    let history = History { writer: HistoryWriter::start(store.clone()), reader: HistoryReader::new(store) };
    let address = branches.split('/').next().unwrap().to_owned();
    let engine = Engine::new(EngineParts {
        history,
        lanes: Lanes::new(&BTreeMap::from([("scripted".to_owned(), address)])).unwrap(),
        coordinators: Coordinators::dtm(coordinator),
        mac_key: PlanMacKey::from_hex(&"11".repeat(32)).unwrap(),
        times: EngineTimes::default(),
        clock: now_us,
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

#[tokio::test]
async fn a_saga_succeeds_and_dtm_agrees() {
    let world = World::start().await;
    let live = world.go(world.plan(Mode::Saga, 2, None, 0)).await;
    let gid = live.base().gid.clone();
    assert_eq!(world.end(&gid).await, Status::Succeeded);
    assert_eq!(world.branches.order(), "action 01, action 02");
    for call in world.branches.calls() {
        assert_eq!((call.gid.as_str(), call.traceparent.as_str()), (gid.as_str(), TRACE));
        let key = PlanMacKey::from_hex(&"11".repeat(32)).unwrap();
        let mac = key.verify(&gid, &call.plan_mac, now_us() / 1_000_000).unwrap();
        assert_eq!(&mac.plan_hash, live.plan.hash());
    }
    world.dtm_says(&gid, CoordinatorStatus::Succeed).await;
    let kinds = world.kinds(&gid).await;
    let expected = [
        "started",
        "registered",
        "attempt_started",
        "attempt_succeeded",
        "attempt_started",
        "attempt_succeeded",
        "finished",
    ];
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn a_refused_saga_is_undone_in_reverse_and_dtm_agrees() {
    let world = World::start().await;
    world.branches.answer("action", "03", Code::Aborted, "OUT_OF_IT|no more");
    let live = world.go(world.plan(Mode::Saga, 4, None, 0)).await;
    let gid = live.base().gid.clone();
    assert_eq!(world.end(&gid).await, Status::Failed);
    assert_eq!(world.branches.order(), "action 01, action 02, action 03, compensate 02, compensate 01");
    world.dtm_says(&gid, CoordinatorStatus::Failed).await;
    assert_eq!(live.state().cause().unwrap().text(), "OUT_OF_IT|no more");
}

#[tokio::test]
async fn unknown_and_unfinished_answers_are_asked_again_not_taken_for_refusals() {
    let world = World::start().await;
    world.branches.answer("action", "01", Code::Unavailable, "GONE|x");
    world.branches.answer("action", "02", Code::FailedPrecondition, "IN_PROGRESS|x");
    let began = Instant::now();
    let live = world.go(world.plan(Mode::Saga, 2, None, 0)).await;
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
    assert_eq!(world.branches.order(), "action 01, action 01, action 02, action 02");
    assert!(began.elapsed() < Duration::from_secs(5), "nothing waited for DTM's poll");
}

#[tokio::test]
async fn an_unknown_pivot_is_undone_first_and_with_what_came_before() {
    let world = World::start().await;
    for _ in 0..1 {
        world.branches.answer("action", "02", Code::FailedPrecondition, "PAYMENT_UNKNOWN|x");
    }
    world.branches.answer("compensate", "02", Code::FailedPrecondition, "UNDO_IN_PROGRESS|x");
    let mut plan = world.plan(Mode::Saga, 3, Some(1), 1).body().clone();
    plan.steps[1].policy.as_mut().unwrap().initial_interval_ms = 1;
    let live = world.go(Plan::new(plan).unwrap()).await;
    let gid = live.base().gid.clone();
    let undoing = live.until(State::undoing).await;
    assert_eq!(undoing.attention[0].cause, "payment_in_doubt");
    assert_eq!(world.end(&gid).await, Status::Failed);
    assert!(
        world.branches.order().ends_with("compensate 02, compensate 02, compensate 01"),
        "{}",
        world.branches.order()
    );
    world.dtm_says(&gid, CoordinatorStatus::Failed).await;
}

#[tokio::test]
async fn a_tcc_is_confirmed_in_reverse_and_dtm_agrees() {
    let world = World::start().await;
    let live = world.go(world.plan(Mode::Tcc, 2, None, 0)).await;
    let gid = live.base().gid.clone();
    assert_eq!(world.end(&gid).await, Status::Succeeded);
    assert_eq!(world.branches.order(), "try 01, try 02, confirm 02, confirm 01");
    world.dtm_says(&gid, CoordinatorStatus::Succeed).await;
}

#[tokio::test]
async fn a_refused_try_cancels_what_was_tried() {
    let world = World::start().await;
    world.branches.answer("try", "02", Code::Aborted, "OUT_OF_IT|x");
    let live = world.go(world.plan(Mode::Tcc, 3, None, 0)).await;
    let gid = live.base().gid.clone();
    assert_eq!(world.end(&gid).await, Status::Failed);
    assert_eq!(world.branches.order(), "try 01, try 02, cancel 01");
    world.dtm_says(&gid, CoordinatorStatus::Failed).await;
}

#[tokio::test]
async fn a_cancel_before_the_pivot_undoes_everything() {
    let world = World::start().await;
    for mode in [Mode::Saga, Mode::Tcc] {
        let op = if mode == Mode::Tcc { "try" } else { "action" };
        // Busy for so long that the cancel meets it parked.
        let mut plan = world.plan(mode, 3, None, 0).body().clone();
        plan.steps[1].policy.as_mut().unwrap().initial_interval_ms = 60_000;
        plan.steps[1].policy.as_mut().unwrap().max_interval_ms = 60_000;
        world.branches.answer(op, "02", Code::FailedPrecondition, "IN_PROGRESS|x");
        let live = world.go(Plan::new(plan).unwrap()).await;
        let gid = live.base().gid.clone();
        live.until(|state| state.steps[1].forward.last_code == "FAILED_PRECONDITION").await;
        let began = Instant::now();
        assert_eq!(world.cancel(&live).await, Cancelled::Decided);
        assert_eq!(world.cancel(&live).await, Cancelled::Already);
        assert_eq!(world.end(&gid).await, Status::Cancelled);
        assert!(began.elapsed() < Duration::from_secs(8), "the cancel woke whoever waited");
        world.dtm_says(&gid, CoordinatorStatus::Failed).await;
    }
}

#[tokio::test]
async fn a_passed_pivot_cannot_be_cancelled() {
    let world = World::start().await;
    let plan = world.plan(Mode::Saga, 3, Some(0), 0);
    world.branches.answer("action", "02", Code::Unavailable, "GONE|x");
    let live = world.go(plan).await;
    live.until(|state| state.steps[0].forward.ended_us > 0).await;
    assert_eq!(world.cancel(&live).await, Cancelled::PastPivot);
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
}

#[tokio::test]
async fn dtm_may_be_away_at_the_start_and_in_the_middle() {
    let mut world = World::start().await;
    world.child.kill().await.unwrap();
    let saga = world.go(world.plan(Mode::Saga, 2, None, 0)).await;
    let tcc = world.go(world.plan(Mode::Tcc, 2, None, 0)).await;
    assert_eq!(saga.state().status(), Status::Accepted);
    world.restart_dtm().await;
    assert_eq!(world.end(&saga.base().gid).await, Status::Succeeded);
    assert_eq!(world.end(&tcc.base().gid).await, Status::Succeeded);
}

#[tokio::test]
async fn a_restarted_orchestrator_takes_up_what_is_open() {
    let mut world = World::start().await;
    let mut plan = world.plan(Mode::Saga, 3, None, 0).body().clone();
    plan.steps[1].policy.as_mut().unwrap().initial_interval_ms = 60_000;
    world.branches.answer("action", "02", Code::Unavailable, "GONE|x");
    let saga = world.go(Plan::new(plan).unwrap()).await;
    saga.until(|state| state.steps[1].forward.last_code == "UNAVAILABLE").await;
    let mut plan = world.plan(Mode::Tcc, 2, None, 0).body().clone();
    plan.steps[1].policy.as_mut().unwrap().initial_interval_ms = 60_000;
    world.branches.answer("try", "02", Code::Unavailable, "GONE|x");
    let tcc = world.go(Plan::new(plan).unwrap()).await;
    tcc.until(|state| state.steps[1].forward.last_code == "UNAVAILABLE").await;
    world.restart_orchestrator().await;
    assert_eq!(world.end(&saga.base().gid).await, Status::Succeeded);
    assert_eq!(world.end(&tcc.base().gid).await, Status::Failed, "tries under way at a crash are aborted");
}

#[tokio::test]
async fn what_dtm_lost_is_driven_to_its_end() {
    let mut world = World::start().await;
    world.branches.answer("confirm", "02", Code::Unavailable, "GONE|x");
    let mut plan = world.plan(Mode::Tcc, 2, None, 0).body().clone();
    plan.steps[1].policy.as_mut().unwrap().initial_interval_ms = 1_500;
    let live = world.go(Plan::new(plan).unwrap()).await;
    live.until(|state| state.steps[1].confirm.last_code == "UNAVAILABLE").await;
    world.child.kill().await.unwrap();
    std::fs::remove_file(world.folder.path().join("dtm/dtm.bolt")).unwrap();
    world.restart_dtm().await;
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
}

#[tokio::test]
async fn one_request_and_one_business_key_start_once() {
    let world = World::start().await;
    let plan = world.plan(Mode::Saga, 1, None, 0);
    let live = world.go(plan.clone()).await;
    let again = |request_id: &str, key: &str| {
        let plan = world.plan(Mode::Saga, 1, None, 0);
        let row = Row { request_id: request_id.into(), business_key: key.into(), ..row(&plan) };
        let new = NewTransaction { plan: plan.encode(), reuse: Reuse::AfterFailed };
        let engine = Arc::clone(&world.engine);
        async move { engine.start(row, plan, new).await }
    };
    let first = &live.base().gid;
    let conflict = |error| match error {
        Err(AppendError::Conflict(conflict)) => *conflict,
        other => panic!("{other:?}"),
    };
    let same_request = conflict(again(first, "other key").await.map(|_| ()));
    assert!(matches!(same_request, Conflict::Request(row) if row.gid == *first));
    let same_key = conflict(again("other request", first).await.map(|_| ()));
    assert!(matches!(same_key, Conflict::BusinessKey(row) if row.gid == *first));
    assert!(again("a third request", "a third key").await.is_ok());
}
