//! An API server on a real store whose global transactions move only when the test says so: no coordinator is there.

use amends_dtm::plan_mac::PlanMacKey;
use amends_dtm::{Gid, Op};
use amends_migrations::history::Migrator;
use amends_orchestrator::api::{StepTimes, TransactionsService, Watchers};
use amends_orchestrator::coordinator::{AbsentDtm, Coordinator, Coordinators};
use amends_orchestrator::engine::{Engine, EngineParts, EngineTimes, Happened, Lanes, Live};
use amends_orchestrator::history::entity::event;
use amends_orchestrator::history::{
    Append, Fact, FlatFact, History, HistoryReader, HistoryWriter, Loaded, NewTransaction, Reuse, Row, State,
    Status,
};
use amends_orchestrator::plan::{Mode, OpRef, Plan};
use amends_proto::amends::v1 as pb;
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::transactions_server::TransactionsServer;
use amends_serve::grpc::{self, GrpcOptions};
use amends_serve::store::Store;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::transport::Channel;

pub const PATIENCE: Duration = Duration::from_secs(30);
/// More watchers than any test has.
pub const MANY: usize = 5_000;
const OP: OpRef = OpRef { step: 0, op: Op::Action };

pub struct House {
    pub service: TransactionsService,
    engine: Arc<Engine>,
    store: Store,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl House {
    pub async fn open(room: usize) -> House {
        House::with_limit(room, GrpcOptions::default().request_timeout).await
    }

    pub async fn with_limit(room: usize, request_timeout: Duration) -> House {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite://{}", folder.path().join("h.db").display())).await.unwrap();
        store.migrate::<Migrator>().await.unwrap();
        let engine = Engine::new(EngineParts {
            history: History {
                writer: HistoryWriter::start(store.clone()),
                reader: HistoryReader::new(store.clone()),
            },
            lanes: Lanes::new(&BTreeMap::new()).unwrap(),
            coordinators: Coordinators::dtm(Arc::new(AbsentDtm)),
            mac_key: PlanMacKey::from_hex(&"11".repeat(32)).unwrap(),
            times: EngineTimes::default(),
            clock: || 1,
            tenure: amends_orchestrator::replica::Tenure::alone(),
        });
        let (stop, stopping) = watch::channel(false);
        let service = |stopping| {
            let times =
                StepTimes { pivot_timeout_ms: 1_000, try_timeout_ms: 1_000, transaction_timeout_ms: 0 };
            TransactionsService::new(Arc::clone(&engine), times, Watchers::new(room, stopping))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Routes::new(TransactionsServer::new(service(stopping.clone())));
        let mut down = stopping.clone();
        let server = tokio::spawn(async move {
            let options = GrpcOptions { request_timeout, ..GrpcOptions::default() };
            let down = async { drop(down.wait_for(|stop| *stop).await) };
            grpc::serve(listener, routes, options, down).await.unwrap();
        });
        let service = service(stopping);
        House { service, engine, store, address, stop, server: Some(server), _folder: folder }
    }

    pub async fn client(&self) -> TransactionsClient<Channel> {
        TransactionsClient::connect(format!("http://{}", self.address)).await.unwrap()
    }

    /// A SAGA of one step, started and in memory.
    pub async fn begin(&self) -> Arc<Live> {
        let plan = plan();
        let gid = plan.gid().as_str().to_owned();
        let new = NewTransaction { plan: plan.encode(), reuse: Reuse::Always };
        let (row, state) = (row(&plan), State::empty(&plan));
        let absent: Arc<dyn Coordinator> = Arc::new(AbsentDtm);
        let live = Live::new(Loaded { row, plan, state }, String::new(), absent);
        live.start(&self.engine.history().writer, 1, new).await.unwrap();
        self.engine.find(&gid).await.unwrap().unwrap()
    }

    async fn record(&self, live: &Live, facts: impl IntoIterator<Item = Fact>) {
        let facts = facts.into_iter().map(Happened::from).collect();
        live.record(self.engine.history(), 1, |_| facts).await.unwrap();
    }

    /// Commits so many events at once.
    pub async fn append(&self, live: &Live, events: u64) {
        let unknown = |_| Fact::AttemptUnknown {
            at: OP,
            attempt: 1,
            code: "UNAVAILABLE".into(),
            reason: "GONE|x".repeat(20),
        };
        self.record(live, (0..events).map(unknown)).await;
    }

    /// Commits the success of its only step, and with it the end.
    pub async fn finish(&self, live: &Live) {
        self.record(live, [Fact::AttemptSucceeded { at: OP, attempt: 1 }]).await;
        assert!(live.state().end.is_some());
    }

    /// What an auditor does: an event behind the end.
    pub async fn append_behind(&self, gid: &str, seq: i64, fact: &FlatFact) {
        let event = event::Model {
            gid: gid.to_owned(),
            seq,
            time_us: 1,
            kind: fact.kind.clone(),
            branch_id: fact.branch_id.clone(),
            op: fact.op.clone(),
            attempt: fact.attempt,
            code: fact.code.clone(),
            reason: fact.reason.clone(),
            build_id: String::new(),
            detail: fact.detail.clone(),
        };
        let append = Append { events: vec![event], row: None, new: None, needs: None };
        self.engine.history().writer.append(append).await.unwrap();
    }

    /// The whole history, as GetHistory tells it.
    pub async fn stored(&self, gid: &str) -> Vec<pb::Event> {
        let mut events = Vec::new();
        let mut from_seq = 1;
        while from_seq > 0 {
            let request = pb::GetHistoryRequest { gid: gid.to_owned(), from_seq, page_size: 0 };
            let page = self.client().await.get_history(request).await.unwrap().into_inner();
            events.extend(page.events);
            from_seq = page.next_seq;
        }
        events
    }

    /// From now on whoever reads the store gets an error.
    pub async fn close_readers(&self) {
        self.store.reader().close_by_ref().await.unwrap();
    }

    /// Asks the server to stop, and waits until it has.
    pub async fn stop(&mut self) {
        self.stop.send_replace(true);
        self.server.take().unwrap().await.unwrap();
    }
}

fn plan() -> Plan {
    let gid = Gid::generate().as_str().to_owned();
    let policy =
        pb::StepPolicy { attempt_timeout_ms: 1_000, initial_interval_ms: 20, ..pb::StepPolicy::default() };
    Plan::new(pb::Plan {
        business_key: gid.clone(),
        gid,
        definition: "test".into(),
        definition_version: 1,
        mode: Mode::Saga.into(),
        steps: vec![pb::PlanStep {
            branch_id: "01".into(),
            participant: "nobody".into(),
            forward: "x.Y/Do".into(),
            undo: "x.Y/Undo".into(),
            policy: Some(policy),
            ..pb::PlanStep::default()
        }],
        ..pb::Plan::default()
    })
    .unwrap()
}

fn row(plan: &Plan) -> Row {
    let gid = plan.gid().as_str().to_owned();
    Row {
        caller: "test".into(),
        request_id: gid.clone(),
        request_digest: vec![1],
        definition: "test".into(),
        definition_version: 1,
        mode: "saga".into(),
        business_key: gid.clone(),
        gid,
        status: Status::Accepted.name().into(),
        reason: String::new(),
        is_open: true,
        needs_attention: false,
        coordinator: "dtm".into(),
        created_at_us: 1,
        finished_at_us: 0,
        ..Row::default()
    }
}

pub fn seqs(events: &[pb::Event]) -> Vec<i64> {
    events.iter().map(|event| event.seq).collect()
}

/// Numbers of chance that a seed brings again: splitmix64.
pub struct Draw(pub u64);

impl Draw {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}
