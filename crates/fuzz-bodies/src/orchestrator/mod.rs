//! Handlers of the orchestrator over a history of its own: at one that drives by itself, with participants that answer
//! by a script, or at one whose DTM is away. Both hold the same global transactions when they begin.
mod participants;
mod seeds;

use crate::gateway::NOWHERE;
use crate::handlers::{ANY_COMMIT, WRONG};
use crate::host::{Fault, Host, Started, Words};
use crate::judge::{Rules, never};
use amends_dtm::plan_mac::PlanMacKey;
use amends_migrations::history::Migrator;
use amends_orchestrator::api::{
    Addresses, Desk, MAX_WATCHERS, OperationsService, StepTimes, TransactionsService, Watchers,
};
use amends_orchestrator::attention::{Listing, Outbox};
use amends_orchestrator::coordinator::{AbsentDtm, Coordinators};
use amends_orchestrator::engine::{Engine, EngineParts, EngineTimes, LaneBook, Lanes};
use amends_orchestrator::history::{History, HistoryReader, HistoryWriter};
use amends_orchestrator::relay::RelayService;
use amends_orchestrator::replica::Tenure;
use amends_participant::{Clock as _, SystemClock};
use amends_proto::amends::v1::operations_server::OperationsServer;
use amends_proto::amends::v1::relay_server::RelayServer;
use amends_proto::amends::v1::transactions_server::TransactionsServer;
use amends_serve::grpc::MAX_MESSAGE_BYTES;
use amends_serve::store::Store;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tonic::Code;
use tonic::service::Routes;

/// Participants that answer; `away` never does.
const PARTICIPANTS: [&str; 5] = ["order", "account", "inventory", "points", "gateway"];
const AWAY: &str = "away";
/// More open ones would only wait: starts are left out while there are so many.
const CROWDED: i64 = 200;
const OPEN: &str = "SELECT count(*) FROM global_transaction WHERE is_open";
/// What a call can make and no drive does. Without gaps, because nothing of it is ever removed.
const MADE: &str = "SELECT (SELECT count(*) FROM global_transaction) * 1000000 + (SELECT count(*) FROM hold) * 10000 \
                    + (SELECT count(*) FROM errand) * 100 + (SELECT count(*) FROM lane_setting)";
/// An act that history does not allow has changed nothing either.
const REFUSED: &[Code] = &[
    Code::InvalidArgument,
    Code::NotFound,
    Code::AlreadyExists,
    Code::FailedPrecondition,
    Code::Unauthenticated,
    Code::OutOfRange,
    Code::Unimplemented,
];
/// It drives, so commits say nothing about a call.
const DRIVING: Rules = Rules {
    waits: &["Start", "StartSaga", "StartTcc", "Wait", "Watch"],
    says_internal: never,
    changed_nothing: REFUSED,
    book: MADE,
    newest: Some((
        "the-newest-global-transaction-of-all",
        "SELECT gid FROM global_transaction ORDER BY created_at_us DESC, gid DESC LIMIT 1",
    )),
};
/// Without DTM nothing goes on by itself.
const STANDING: Rules = Rules { book: ANY_COMMIT, ..DRIVING };
/// Acts in bulk have ids that only the orchestrator knows.
const NEWEST_ACT: Option<(&str, &str)> =
    Some(("the-newest-act-in-bulk-of-them-all-x", "SELECT id FROM errand ORDER BY id DESC LIMIT 1"));

/// Who decides about new ones.
#[derive(Debug, Clone, Copy)]
enum Decider {
    Itself,
    DtmThatIsAway,
}

/// Methods of `amends.v1.Transactions`.
pub fn transactions(data: &[u8]) -> Option<Code> {
    const SERVICE: &str = "amends.v1.Transactions";
    static DRIVES: Started = LazyLock::new(|| start(SERVICE, DRIVING, Decider::Itself));
    static WAITS: Started = LazyLock::new(|| start(SERVICE, STANDING, Decider::DtmThatIsAway));
    call(&DRIVES, &WAITS, data)
}

/// Methods of `amends.v1.Operations`.
pub fn operations(data: &[u8]) -> Option<Code> {
    const SERVICE: &str = "amends.v1.Operations";
    static DRIVES: Started =
        LazyLock::new(|| start(SERVICE, Rules { newest: NEWEST_ACT, ..DRIVING }, Decider::Itself));
    static WAITS: Started =
        LazyLock::new(|| start(SERVICE, Rules { newest: NEWEST_ACT, ..STANDING }, Decider::DtmThatIsAway));
    call(&DRIVES, &WAITS, data)
}

/// The one method of `amends.v1.Relay`. What it is asked in vain, it may have noted.
pub fn relay(data: &[u8]) -> Option<Code> {
    const SERVICE: &str = "amends.v1.Relay";
    static DRIVES: Started =
        LazyLock::new(|| start(SERVICE, Rules { changed_nothing: WRONG, ..DRIVING }, Decider::Itself));
    static WAITS: Started =
        LazyLock::new(|| start(SERVICE, Rules { changed_nothing: WRONG, ..DRIVING }, Decider::DtmThatIsAway));
    call(&DRIVES, &WAITS, data)
}

fn call(drives: &Started, waits: &Started, data: &[u8]) -> Option<Code> {
    let host = match &**(if Words::of(data).second() { waits } else { drives }) {
        Ok(host) => host,
        Err(error) => panic!("an orchestrator cannot be started: {error}"),
    };
    let starts = host.path(data).rsplit('/').next().is_some_and(|name| name.starts_with("Start"));
    if starts && host.number(OPEN) >= CROWDED { None } else { host.call(data) }
}

fn start(service: &str, rules: Rules, decider: Decider) -> Result<Host, Fault> {
    Host::start(service, rules, async |store| {
        store.migrate::<Migrator>().await?;
        let script = participants::listen().await?.to_string();
        let mut participants: BTreeMap<String, String> =
            PARTICIPANTS.iter().map(|name| ((*name).to_owned(), script.clone())).collect();
        participants.insert(AWAY.to_owned(), NOWHERE.to_owned());
        let lanes = Lanes::new(&participants)?;
        let engine = engine(&store, lanes.clone(), decider)?;
        engine.recover().await?;
        seeds::sow(&engine).await?;
        routes(&engine, store, lanes).await
    })
}

fn engine(store: &Store, lanes: Lanes, decider: Decider) -> Result<Arc<Engine>, Fault> {
    let absent = Arc::new(AbsentDtm);
    let reader = HistoryReader::new(store.clone());
    let moment = Duration::from_millis(50);
    Ok(Engine::new(EngineParts {
        history: History { writer: HistoryWriter::start(store.clone()), reader },
        lanes,
        coordinators: match decider {
            Decider::Itself => Coordinators::embedded(absent),
            Decider::DtmThatIsAway => Coordinators::dtm(absent),
        },
        mac_key: PlanMacKey::from_hex(&"11".repeat(32))?,
        times: EngineTimes { hold_forward: moment, hold_second: moment, try_phase: Duration::from_secs(5) },
        clock: || SystemClock.now_us(),
        tenure: Tenure::alone(),
    }))
}

async fn routes(engine: &Arc<Engine>, store: Store, lanes: Lanes) -> Result<Routes, Fault> {
    let times = StepTimes { pivot_timeout_ms: 2_000, try_timeout_ms: 2_000, transaction_timeout_ms: 0 };
    let (running, stopping) = tokio::sync::watch::channel(false);
    // The process goes down when the fuzzer does.
    tokio::spawn(async move { running.closed().await });
    let transactions =
        TransactionsService::new(Arc::clone(engine), times, Watchers::new(MAX_WATCHERS, stopping));
    let desk =
        Desk { listing: Listing::new(store.clone()), outbox: Outbox::new(store.clone()), webhook: false };
    let nobody = Addresses { psp: String::new(), dtm_grpc: String::new(), dtm_http: String::new() };
    let lane_book = Arc::new(LaneBook::open(store, lanes).await?);
    let operations =
        OperationsService::new(Arc::clone(engine), nobody, desk, lane_book).approving_above(seeds::STAKE - 1);
    tokio::spawn(operations.errands().run());
    let relay = RelayServer::new(RelayService::new(Arc::clone(engine)));
    Ok(Routes::new(TransactionsServer::new(transactions).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(OperationsServer::new(operations).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(relay.max_decoding_message_size(MAX_MESSAGE_BYTES)))
}
