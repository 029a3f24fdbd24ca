//! The orchestrator's process: store, coordinator, engine, its servers, drain. A table of contents.

use crate::api::{Addresses, Desk, MAX_WATCHERS, OperationsService, TransactionsService, Watchers};
use crate::attention::{Listing, Outbox, Webhook};
use crate::config::{API_PORT, Args};
use crate::console::{self, Console};
use crate::coordinator::{AbsentDtm, Coordinator, Coordinators, DtmCoordinator};
use crate::engine::{Auditor, Engine, EngineParts, EngineTimes, LaneBook, Lanes};
use crate::history::Pulse;
use crate::meters::Reading;
use crate::preflight;
use crate::relay::RelayService;
use crate::replica::{Door, Forwarding, Peers, Seat, new_replica};
use crate::retention::Retention;
use amends_dtm::client::{DtmClient, DtmEndpoints};
use amends_dtm::plan_mac::PlanMacKey;
use amends_migrations::history::Migrator;
use amends_proto::amends::v1::operations_server::OperationsServer;
use amends_proto::amends::v1::relay_server::RelayServer;
use amends_proto::amends::v1::transactions_server::TransactionsServer;
use amends_serve::grpc::{self, MAX_MESSAGE_BYTES};
use amends_serve::store::Store;
use amends_serve::{listener, metrics};
use anyhow::Context as _;
use futures::future::Shared;
use futures::{FutureExt as _, TryFutureExt as _};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::service::Routes;

/// Its name, and that of its database.
const ROLE: &str = "orchestrator";
const SERVICES: [&str; 2] = ["amends.v1.Transactions", "amends.v1.Operations"];

/// Runs the orchestrator until `shutdown` ends.
///
/// # Errors
/// Where the configuration is wrong, a port is taken, or the store cannot be opened.
pub async fn run(args: Args, shutdown: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
    let participants = args.participants()?;
    let names: Vec<&str> = participants.keys().map(String::as_str).collect();
    preflight::at_start(&names, args.step_times())?;
    let lanes = Lanes::with_settings(&participants, &args.lanes(&participants)?)?;
    let mac_key = PlanMacKey::from_file(&args.plan_mac_key_file).context("--plan-mac-key-file")?;
    let dtm = args.dtm()?;
    let webhook = args.webhook.webhook()?;
    let (replica, session) = new_replica();
    let store = args.process.open_store_as::<Migrator>(ROLE, Some(&session)).await?;
    let relay_listener = listener::bind(args.relay_listen()).await?;
    let relay_address = relay_listener.local_addr()?;
    let api_listener = listener::bind(args.process.listen_or(API_PORT)).await?;
    let console_listener = args.console.bind().await?;
    let console_address = console_listener.as_ref().and_then(|listener| listener.local_addr().ok());

    let lane_book = Arc::new(LaneBook::open(store.clone(), lanes.clone()).await.context("read the lanes")?);
    let mut seat = take_seat(&args, &store, replica, (relay_address, api_listener.local_addr()?)).await?;
    let desk = desk(&store, webhook.as_ref());
    let (history, tenure) = (seat.history(store), seat.tenure.clone());
    let writer = history.writer.clone();
    let coordinators = coordinators(&args, dtm.as_ref(), &args.relay_url(relay_address))?;
    let form_key = mac_key.derive("forms of the console");
    let times = EngineTimes { try_phase: Duration::from_millis(args.try_phase_ms), ..EngineTimes::default() };
    let engine =
        Engine::new(EngineParts { history, lanes, coordinators, mac_key, times, clock: unix_us, tenure });
    let open = engine.recover().await?;
    metrics::watch(figures(&engine, &desk, dtm.is_some()));
    let coordinator = engine.coordinators().own().name();
    tracing::info!(open, coordinator, relay = %relay_address, console = ?console_address, "the orchestrator takes up its work");
    if let Some(left) = seat.left_behind() {
        tokio::spawn(Arc::clone(&engine).inherit(left));
    }
    tokio::spawn(Arc::clone(&engine).follow_holds());
    let book = Arc::clone(&lane_book);
    let follow = tokio::spawn(async move { book.follow().await });
    let notices = args.webhook.clone().run(webhook, desk.outbox.clone(), writer.clone(), unix_us);
    let mut parts = parts(&engine, &args, notices);
    if let Some(policy) = args.retention.policy() {
        tokio::spawn(Retention::new(policy, engine.history().reader.clone(), unix_us).run());
    }
    let addresses = addresses(&args, dtm);
    let (shutdown, stopping) = announced(shutdown);
    let relay = grpc::serve(
        relay_listener,
        relay_routes(&engine, seat.peers()),
        args.process.grpc_options(&[]),
        shutdown.clone(),
    );
    let watchers = Watchers::new(MAX_WATCHERS, stopping.clone());
    let transactions = TransactionsService::new(Arc::clone(&engine), args.step_times(), watchers);
    let operations = OperationsService::new(Arc::clone(&engine), addresses, desk, lane_book)
        .approving_above(args.approve_above_minor);
    tokio::spawn(operations.errands().run());
    let api_routes = api_routes(transactions, operations, seat.peers());
    let pulse = Arc::clone(writer.pulse());
    let console = console(&args, participants, api_routes.clone(), pulse, form_key, stopping);
    let console = pages(console, console_listener).map(anyhow::Ok);
    let api = grpc::serve(api_listener, api_routes, args.process.grpc_options(&SERVICES), shutdown);
    // A part that died without a word must not leave a process behind that looks well: a restart is safe.
    tokio::select! {
        served = async { futures::try_join!(relay.err_into(), api.err_into(), console) } => drop(served?),
        Some(ended) = parts.join_next() => anyhow::bail!("a part ended: {ended:?}"),
        () = writer.ended() => anyhow::bail!("the history writer ended"),
        () = seat.tenure.lapsed() => anyhow::bail!("the lease ended: other replicas take over"),
    }
    follow.abort();
    parts.shutdown().await;
    seat.leave().await;
    Ok(())
}

/// The end that everybody waits for, and the word of it for streams that would never end by themselves.
fn announced(
    shutdown: impl Future<Output = ()> + Send,
) -> (Shared<impl Future<Output = ()> + Send>, watch::Receiver<bool>) {
    let (stop, stopping) = watch::channel(false);
    let shutdown = async move {
        shutdown.await;
        stop.send_replace(true);
    };
    (shutdown.shared(), stopping)
}

async fn take_seat(
    args: &Args,
    store: &Store,
    replica: String,
    (relay, api): (SocketAddr, SocketAddr),
) -> anyhow::Result<Seat> {
    if !store.is_shared() {
        return Ok(Seat::alone());
    }
    let reached = args.replica_addresses(relay, api)?;
    Ok(Seat::take(&args.process.database_url(ROLE), replica, &reached).await?)
}

/// What Prometheus is told besides what is counted as it happens.
fn figures(engine: &Arc<Engine>, desk: &Desk, with_dtm: bool) -> Arc<Reading> {
    let outbox = desk.webhook.then(|| desk.outbox.clone());
    Reading::of(engine, desk.listing.clone(), outbox, with_dtm)
}

/// The console, over what the API's port serves.
fn console(
    args: &Args,
    participants: BTreeMap<String, String>,
    api: Routes,
    pulse: Arc<Pulse>,
    form_key: [u8; 32],
    stopping: watch::Receiver<bool>,
) -> Console {
    let (times, names) = (args.step_times(), args.console.names());
    let trace_url = args.console.trace_url();
    Console::new(console::Parts {
        api,
        pulse,
        participants,
        times,
        names,
        form_key,
        trace_url,
        stopping,
        clock: unix_us,
    })
}

/// Serves its pages, and metrics beside them, where there is to be a console.
async fn pages(console: Console, listener: Option<TcpListener>) {
    if let Some(listener) = listener {
        console.serve(listener, metrics::page::routes()).await;
    }
}

fn addresses(args: &Args, dtm: Option<DtmEndpoints>) -> Addresses {
    let (dtm_grpc, dtm_http) = dtm.map(|dtm| (dtm.grpc, dtm.http)).unwrap_or_default();
    Addresses { psp: args.psp.clone(), dtm_grpc, dtm_http }
}

fn desk(store: &Store, webhook: Option<&Webhook>) -> Desk {
    let (listing, outbox) = (Listing::new(store.clone()), Outbox::new(store.clone()));
    Desk { listing, outbox, webhook: webhook.is_some() }
}

/// What goes on for as long as the process does, each by its name.
fn parts(
    engine: &Arc<Engine>,
    args: &Args,
    notices: impl Future<Output = ()> + Send + 'static,
) -> JoinSet<&'static str> {
    let auditor = Auditor::new(Arc::clone(engine), args.audit.settings());
    let mut parts = JoinSet::new();
    parts.spawn(Arc::clone(engine).watch().map(|_| "the silence watch"));
    parts.spawn(auditor.run().map(|_| "the auditor"));
    parts.spawn(notices.map(|()| "the sender of notices"));
    parts
}

fn coordinators(args: &Args, dtm: Option<&DtmEndpoints>, relay: &str) -> anyhow::Result<Coordinators> {
    let dtm: Arc<dyn Coordinator> = match dtm {
        Some(dtm) => Arc::new(DtmCoordinator::new(DtmClient::new(dtm)?, relay)),
        None => Arc::new(AbsentDtm),
    };
    Ok(if args.embedded() { Coordinators::embedded(dtm) } else { Coordinators::dtm(dtm) })
}

fn relay_routes(engine: &Arc<Engine>, peers: Option<Arc<Peers>>) -> Routes {
    let relay = RelayServer::new(RelayService::new(Arc::clone(engine)));
    Routes::new(Forwarding::new(relay.max_decoding_message_size(MAX_MESSAGE_BYTES), peers, Door::Relay))
}

fn api_routes(
    transactions: TransactionsService,
    operations: OperationsService,
    peers: Option<Arc<Peers>>,
) -> Routes {
    let transactions = TransactionsServer::new(transactions).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let operations = OperationsServer::new(operations).max_decoding_message_size(MAX_MESSAGE_BYTES);
    Routes::new(Forwarding::new(transactions, peers.clone(), Door::Api)).add_service(Forwarding::new(
        operations,
        peers,
        Door::Api,
    ))
}

/// The wall clock: shown and stored, never compared for correctness (payments-domain.md §1, Time).
fn unix_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
