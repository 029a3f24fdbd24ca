//! A gateway in a runtime of its own, so that it can be killed, a processor beside it, and a caller.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use amends_gateway::{Gateway, Tuning};
use amends_participant::{BranchAuth, Guard, SystemClock};
use amends_proto::pay::branch::v1::{BranchOp, ListBranchOpsRequest};
use amends_proto::pay::gateway::v1::gateway_service_client::GatewayServiceClient;
use amends_proto::pay::gateway::v1::{
    Attempt, GetPaymentRequest, InDoubtItem, ListRequest, PayRequest, PayResponse, Payment, PaymentState,
};
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::psp::v1::psp_service_client::PspServiceClient;
use amends_proto::pay::psp::v1::{Fact, FactsRequest, ResetRequest, ScriptRequest};
use amends_psp::Processor;
use amends_serve::grpc::{GrpcOptions, serve};
use amends_serve::store::Store;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

/// The two forms of a global transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Tcc,
    Saga,
}

pub const MODES: [Mode; 2] = [Mode::Tcc, Mode::Saga];

impl Mode {
    /// The state after a forward call that went well.
    pub fn paid(self) -> PaymentState {
        match self {
            Mode::Tcc => PaymentState::Authorized,
            Mode::Saga => PaymentState::Captured,
        }
    }

    /// The state after the undo of one that went well.
    pub fn undone(self) -> PaymentState {
        match self {
            Mode::Tcc => PaymentState::Voided,
            Mode::Saga => PaymentState::Reversed,
        }
    }
}

/// Settings that differ from test to test.
#[derive(Debug, Clone)]
pub struct Settings {
    pub timeout_ms: u64,
    pub schedule: &'static str,
    pub approve_above: u32,
    pub again_ms: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        let schedule = "100ms,100ms,200ms,200ms,500ms,500ms,1s,1s,1s,1s,1s";
        Settings { timeout_ms: 300, schedule, approve_above: 100, again_ms: 3_600_000 }
    }
}

/// Times so long that a worker does nothing by itself during a test.
pub const PATIENT: Settings =
    Settings { timeout_ms: 300, schedule: "1h", approve_above: 100, again_ms: 3_600_000 };

pub struct World {
    dir: TempDir,
    settings: Settings,
    psp_address: SocketAddr,
    gateway: Option<Runtime>,
    routes: Routes,
    pub client: GatewayServiceClient<Channel>,
    pub psp: PspServiceClient<Channel>,
}

/// One payment as one branch of one global transaction.
#[derive(Debug, Clone)]
pub struct Deed {
    pub mode: Mode,
    pub gid: String,
    pub request: PayRequest,
}

/// Code and reason of an answer.
pub type Refused = (Code, String);

impl World {
    pub async fn new() -> World {
        World::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> World {
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let psp_address = listener.local_addr().unwrap();
        let store = Store::open(&format!("sqlite://{}/psp.db", dir.path().display())).await.unwrap();
        store.migrate::<amends_migrations::psp::Migrator>().await.unwrap();
        let processor = Processor::open(store, 1, "".parse().unwrap()).await.unwrap();
        tokio::spawn(processor.listen(listener, GrpcOptions::default(), std::future::pending()));
        let (gateway, routes, client) = gateway(&dir, &settings, psp_address).await;
        let psp = PspServiceClient::new(channel(psp_address));
        World { dir, settings, psp_address, gateway: Some(gateway), routes, client, psp }
    }

    /// Kills the gateway in the middle of whatever it does and starts another on its store.
    pub async fn crash(&mut self) {
        self.gateway.take().unwrap().shutdown_background();
        let (gateway, routes, client) = gateway(&self.dir, &self.settings, self.psp_address).await;
        self.gateway = Some(gateway);
        self.routes = routes;
        self.client = client;
    }

    /// The gateway without a wire between: a call goes on only when it is polled.
    pub fn direct(&self) -> GatewayServiceClient<Routes> {
        GatewayServiceClient::new(self.routes.clone())
    }

    /// A connection to the gateway's store beside its own.
    pub async fn foreign_store(&self) -> Store {
        Store::open(&format!("sqlite://{}/gateway.db", self.dir.path().display())).await.unwrap()
    }

    pub async fn forward(&self, deed: &Deed) -> Result<PayResponse, Refused> {
        forward(self.client.clone(), deed.clone()).await
    }

    /// Confirms until an operator has the last word; the worker may have the payment in hand for a moment before.
    pub async fn confirm_until_reviewed(&self, deed: &Deed) {
        eventually(async || match self.confirm(deed).await {
            Err((Code::FailedPrecondition, text)) if text.starts_with("UNDER_REVIEW|") => Some(()),
            Err((Code::FailedPrecondition, text)) if text.starts_with("IN_PROGRESS|") => None,
            other => panic!("{other:?}"),
        })
        .await;
    }

    /// Again while the worker has the payment in hand, as a coordinator does: that tells nothing about the payment.
    pub async fn confirm(&self, deed: &Deed) -> Result<PayResponse, Refused> {
        eventually(async || {
            let answer = self.client.clone().confirm_pay(deed.call("confirm")).await;
            let answer = answer.map(tonic::Response::into_inner).map_err(refused);
            (!matches!(&answer, Err((_, text)) if text == IN_HAND)).then_some(answer)
        })
        .await
    }

    pub async fn undo(&self, deed: &Deed) -> Result<PayResponse, Refused> {
        let mut client = self.client.clone();
        let answer = match deed.mode {
            Mode::Tcc => client.cancel_pay(deed.call("cancel")).await,
            Mode::Saga => client.reverse_charge(deed.call("compensate")).await,
        };
        answer.map(tonic::Response::into_inner).map_err(refused)
    }

    /// Calls again and again, as a coordinator does, until the answer is final.
    pub async fn forward_until_final(&self, deed: &Deed) -> Result<PayResponse, Refused> {
        until_final(async || self.forward(deed).await).await
    }

    pub async fn confirm_until_final(&self, deed: &Deed) -> Result<PayResponse, Refused> {
        until_final(async || self.confirm(deed).await).await
    }

    pub async fn undo_until_final(&self, deed: &Deed) -> Result<PayResponse, Refused> {
        until_final(async || self.undo(deed).await).await
    }

    pub async fn script(&self, deed: &Deed, op: &str, nth: i32, behaviour: &str) {
        let script = ScriptRequest {
            order_id: deed.request.order_id.clone(),
            op: op.into(),
            nth,
            behaviour: behaviour.into(),
            ..ScriptRequest::default()
        };
        self.psp.clone().script(script).await.unwrap();
    }

    /// No connection to the processor for so long.
    pub async fn outage(&self, behaviour: &str) {
        let script = ScriptRequest { behaviour: behaviour.into(), ..ScriptRequest::default() };
        self.psp.clone().script(script).await.unwrap();
    }

    pub async fn reset_scripts(&self) {
        self.psp.clone().reset(ResetRequest {}).await.unwrap();
    }

    pub async fn facts(&self) -> Vec<Fact> {
        let mut psp = self.psp.clone();
        eventually(async || psp.facts(FactsRequest::default()).await.ok()).await.into_inner().facts
    }

    /// What the processor reserves and keeps for this deed's order, over all its requests.
    pub async fn money(&self, deed: &Deed) -> (i64, i64) {
        let facts = self.facts().await;
        let own = facts.iter().filter(|fact| fact.order_id == deed.request.order_id);
        own.fold((0, 0), |(a, k), fact| (a + fact.authorized_now, k + fact.kept_now))
    }

    pub async fn payment(&self, deed: &Deed) -> Payment {
        self.get(deed, GetPaymentRequest::default()).await
    }

    pub async fn queried_payment(&self, deed: &Deed) -> Payment {
        self.get(deed, GetPaymentRequest { force_query: true, ..GetPaymentRequest::default() }).await
    }

    async fn get(&self, deed: &Deed, request: GetPaymentRequest) -> Payment {
        let payment_id = deed.request.payment_id.clone();
        let request = GetPaymentRequest { payment_id, ..request };
        self.client.clone().get_payment(request).await.unwrap().into_inner()
    }

    pub async fn payments(&self) -> Vec<Payment> {
        self.client.clone().list_payments(ListRequest::default()).await.unwrap().into_inner().payments
    }

    pub async fn attempts(&self) -> Vec<Attempt> {
        self.client.clone().list_attempts(ListRequest::default()).await.unwrap().into_inner().attempts
    }

    pub async fn items(&self) -> Vec<InDoubtItem> {
        self.client.clone().list_in_doubt(ListRequest::default()).await.unwrap().into_inner().items
    }

    pub async fn branch_ops(&self, deed: &Deed) -> Vec<BranchOp> {
        let request = ListBranchOpsRequest { gid: deed.gid.clone(), ..ListBranchOpsRequest::default() };
        self.client.clone().list_branch_ops(request).await.unwrap().into_inner().branch_ops
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.shutdown_background();
        }
    }
}

impl Deed {
    pub fn new(mode: Mode, card_token: &str) -> Deed {
        let id = || amends_dtm::Gid::generate().as_str().to_owned();
        let request = PayRequest {
            payment_id: id(),
            order_id: id(),
            merchant_id: "m".into(),
            user_id: "u".into(),
            amount: Some(Money { minor_units: 1000, currency: "USD".into() }),
            psp: "psp".into(),
            method: "card".into(),
            card_token: card_token.into(),
            risk: None,
            notify_url_id: String::new(),
        };
        Deed { mode, gid: id(), request }
    }

    /// Another payment for the same order.
    pub fn again(&self, card_token: &str) -> Deed {
        let mut deed = Deed::new(self.mode, card_token);
        deed.request.order_id.clone_from(&self.request.order_id);
        deed
    }

    pub fn call(&self, op: &'static str) -> Request<PayRequest> {
        let mut request = Request::new(self.request.clone());
        let metadata = request.metadata_mut();
        metadata.insert("dtm-gid", self.gid.parse().unwrap());
        let trans_type = if self.mode == Mode::Tcc { "tcc" } else { "saga" };
        metadata.insert("dtm-trans_type", trans_type.parse().unwrap());
        metadata.insert("dtm-branch_id", "01".parse().unwrap());
        metadata.insert("dtm-op", op.parse().unwrap());
        request
    }
}

/// A forward call that needs no world: it may still wait while the gateway is killed.
pub async fn forward(mut client: GatewayServiceClient<Channel>, deed: Deed) -> Result<PayResponse, Refused> {
    let answer = match deed.mode {
        Mode::Tcc => client.try_pay(deed.call("try")).await,
        Mode::Saga => client.charge(deed.call("action")).await,
    };
    answer.map(tonic::Response::into_inner).map_err(refused)
}

/// A gateway with its worker in a runtime of its own.
async fn gateway(
    dir: &TempDir,
    settings: &Settings,
    psp: SocketAddr,
) -> (Runtime, Routes, GatewayServiceClient<Channel>) {
    let url = format!("sqlite://{}/gateway.db", dir.path().display());
    let tuning = Tuning {
        psp_timeout: Duration::from_millis(settings.timeout_ms),
        schedule: settings.schedule.parse().unwrap(),
        in_doubt_every: Duration::from_millis(settings.again_ms),
        queries_per_s: 1000.0,
        approve_above: settings.approve_above,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let started = runtime.spawn(async move {
        let store = Store::open(&url).await.unwrap();
        store.migrate::<amends_migrations::gateway::Migrator>().await.unwrap();
        let guard = Guard::new(store, BranchAuth::Off, Arc::new(SystemClock));
        let gateway = Gateway::new(guard, &psp.to_string(), tuning).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = gateway.routes();
        tokio::spawn(async move { gateway.find_out().await });
        tokio::spawn(serve(listener, routes.clone(), GrpcOptions::default(), std::future::pending()));
        (address, routes)
    });
    let (address, routes) = started.await.unwrap();
    (runtime, routes, GatewayServiceClient::new(channel(address)))
}

fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

#[expect(clippy::needless_pass_by_value, reason = "used as the function of map_err")]
pub fn refused(status: Status) -> Refused {
    (status.code(), status.message().to_owned())
}

/// What a confirm is answered while somebody else works on the payment.
const IN_HAND: &str = "IN_PROGRESS|the payment is being worked on";
/// How often a caller comes again, and how long at most.
const PAUSE: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_secs(20);

async fn until_final(
    mut call: impl AsyncFnMut() -> Result<PayResponse, Refused>,
) -> Result<PayResponse, Refused> {
    eventually(async || match call().await {
        Err((Code::FailedPrecondition | Code::Unavailable, _)) => None,
        answer => Some(answer),
    })
    .await
}

/// The first value that comes.
pub async fn eventually<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(LIMIT, looking).await.expect("it comes about in time")
}

/// Asserts a refusal by code and the beginning of its message.
#[track_caller]
pub fn assert_refused<T: std::fmt::Debug>(answer: Result<T, Refused>, code: Code, message: &str) {
    let (got, text) = answer.expect_err("a refusal");
    assert!(got == code && text.starts_with(message), "{got:?} {text}, wanted {code:?} {message}");
}
