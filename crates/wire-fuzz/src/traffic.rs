//! The good traffic: a shop of its own whose checkouts must all succeed while the attack goes on, and the operator who
//! puts right what the fuzzer, let in as an operator, has set. Knows the calls of an orderly client.
use crate::samples::{self, usd};
use amends_proto::amends::v1 as pb;
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::pay::account::v1::account_service_client::AccountServiceClient;
use amends_proto::pay::account::v1::{AccountType, DepositRequest, OpenRequest};
use amends_proto::pay::checkout::v1::{Card, CheckoutInput, Line};
use amends_proto::pay::inventory::v1::RestockRequest;
use amends_proto::pay::inventory::v1::inventory_service_client::InventoryServiceClient;
use amends_proto::pay::points::v1::GrantRequest;
use amends_proto::pay::points::v1::points_service_client::PointsServiceClient;
use prost::Message as _;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

/// How long one checkout may take, on a machine that is busy with the attack.
const CHECKOUT_LIMIT: Duration = Duration::from_secs(60);
/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(20);
/// Between a call that did not get through and the next try.
const PAUSE: Duration = Duration::from_millis(200);
/// One `Wait`, after which holds are looked for again.
const WAIT_MS: i32 = 1_000;
/// Enough of everything.
const PLENTY: i64 = 1_000_000_000;

/// The good traffic could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum TrafficError {
    /// Not `host:port`, or nobody there.
    #[error("cannot reach {0}")]
    Connect(String, #[source] tonic::transport::Error),
    /// A call that must succeed before the attack.
    #[error("{0} failed")]
    Call(&'static str, #[source] Box<Status>),
    /// The orchestrator has no participant of this name.
    #[error("the orchestrator knows no participant {0}")]
    Missing(&'static str),
}

/// What became of the good traffic.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Served {
    /// Checkouts that ended as they must.
    pub succeeded: u64,
    /// Those that did not, and why.
    pub failed: Vec<String>,
    /// Half of them took no longer, in milliseconds.
    pub p50_ms: u64,
    /// The longest, in milliseconds.
    pub longest_ms: u64,
}

/// Whose goods and accounts.
struct Names {
    user: String,
    merchant: String,
    sku: String,
}

/// An orchestrator, and a shop that nobody attacks.
pub struct Traffic {
    transactions: TransactionsClient<Channel>,
    operations: OperationsClient<Channel>,
    lanes: Vec<String>,
    good: Names,
}

impl Traffic {
    /// Connects, and gives both shops, the good one and the fuzzer's, what they need. `run` keeps runs apart.
    ///
    /// # Errors
    /// Something is not there or does not do what it must.
    pub async fn prepare(orchestrator: &str, run: &str) -> Result<Traffic, TrafficError> {
        let channel = connect(orchestrator).await?;
        let mut operations = OperationsClient::new(channel.clone());
        let topology = operations.topology(pb::TopologyRequest {}).await.map_err(failed("Topology"))?;
        let addresses: BTreeMap<String, String> = topology
            .into_inner()
            .participants
            .into_iter()
            .map(|endpoint| (endpoint.name, endpoint.address))
            .collect();
        let good = Names {
            user: format!("good-buyer-{run}"),
            merchant: format!("good-{run}"),
            sku: format!("good-tea-{run}"),
        };
        furnish(&addresses, &good, run).await?;
        let fuzz = Names {
            user: samples::USER.to_owned(),
            merchant: samples::MERCHANT.to_owned(),
            sku: samples::SKU.to_owned(),
        };
        furnish(&addresses, &fuzz, run).await?;
        let lanes = addresses.into_keys().collect();
        Ok(Traffic { transactions: TransactionsClient::new(channel), operations, lanes, good })
    }

    /// Starts some global transactions of the fuzzer's own, so that there are gids to ask for.
    ///
    /// # Errors
    /// One is not taken.
    pub async fn known(&mut self, seed: u64) -> Result<samples::Known, TrafficError> {
        let mut dice = crate::dice::Dice::new(seed, u64::MAX);
        let mut gids = Vec::new();
        for round in 0..6 {
            let mode = if round % 2 == 0 { pb::Mode::Saga } else { pb::Mode::Tcc };
            let request = start(&samples::checkout(&mut dice), mode, uuid(&mut dice));
            let started = self.transactions.start(request).await.map_err(failed("Start"))?;
            gids.push(started.into_inner().gid);
        }
        Ok(samples::Known { gids })
    }

    /// One checkout after the other until it is told to stop.
    pub async fn run(mut self, stop: impl Fn() -> bool, seed: u64) -> Served {
        let mut dice = crate::dice::Dice::new(seed, u64::MAX - 1);
        let mut served = Served::default();
        let mut took = Vec::new();
        while !stop() {
            let mode = if took.len() % 2 == 0 { pb::Mode::Saga } else { pb::Mode::Tcc };
            let request = start(&self.checkout(&uuid(&mut dice)), mode, uuid(&mut dice));
            let began = Instant::now();
            match self.checked_out(&request).await {
                Ok(()) => served.succeeded += 1,
                Err(why) => served.failed.push(why),
            }
            took.push(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
            // Some good traffic, not as much as there can be: the machine is for the attack.
            tokio::time::sleep(PAUSE).await;
        }
        took.sort_unstable();
        served.p50_ms = took.get(took.len() / 2).copied().unwrap_or_default();
        served.longest_ms = took.last().copied().unwrap_or_default();
        served
    }

    /// What was set by the fuzzer as an operator is not what is looked for: it was let in.
    pub async fn put_right(&mut self) {
        for participant in self.lanes.clone() {
            let reset = pb::SetLaneRequest { participant, settings: None, reset: true };
            self.operations.set_lane(within(reset, CALL_LIMIT)).await.ok();
        }
        let holds =
            self.operations.list_holds(within(pb::ListHoldsRequest { ended: false }, CALL_LIMIT)).await;
        for hold in holds.map(|holds| holds.into_inner().holds).unwrap_or_default() {
            let resume = pb::ResumeRequest { scope: hold.scope, ..Default::default() };
            self.operations.resume(within(resume, CALL_LIMIT)).await.ok();
        }
    }

    fn checkout(&self, out_trade_no: &str) -> CheckoutInput {
        let Names { user, merchant, sku } = &self.good;
        CheckoutInput {
            order_id: String::new(),
            merchant_id: merchant.clone(),
            out_trade_no: out_trade_no.to_owned(),
            user_id: user.clone(),
            lines: vec![Line { sku: sku.clone(), quantity: 2, unit_price: usd(500) }],
            total: usd(1_000),
            wallet: usd(100),
            points: 50,
            points_value: usd(50),
            card: Some(Card {
                psp: "sim".to_owned(),
                method: "card".to_owned(),
                card_token: "tok_ok".to_owned(),
                card_fingerprint: "fp_good".to_owned(),
            }),
            earn_bp: 100,
            pay_ttl_s: 0,
        }
    }

    async fn checked_out(&mut self, request: &pb::StartRequest) -> Result<(), String> {
        let until = Instant::now() + CHECKOUT_LIMIT;
        let mut gid = String::new();
        let mut last = String::new();
        while Instant::now() < until {
            self.put_right().await;
            let answer = if gid.is_empty() {
                let started = self.transactions.start(within(request.clone(), CALL_LIMIT)).await;
                started.map(|started| {
                    let started = started.into_inner();
                    (started.gid.clone(), started.status(), started.reason)
                })
            } else {
                let wait = pb::WaitRequest { gid: gid.clone(), timeout_ms: WAIT_MS };
                let waited = self.transactions.wait(within(wait, CALL_LIMIT)).await;
                waited.map(|waited| {
                    let waited = waited.into_inner();
                    (waited.gid.clone(), waited.status(), waited.reason)
                })
            };
            match answer {
                Ok((_, pb::Status::Succeeded, _)) => return Ok(()),
                Ok((gid, status @ (pb::Status::Failed | pb::Status::Cancelled), reason)) => {
                    return Err(format!("{gid} is {}: {reason}", status.as_str_name()));
                }
                Ok((started, status, _)) => {
                    last = format!("{started} is {}", status.as_str_name());
                    gid = started;
                }
                Err(status) if is_busy(&status) => {
                    last = status.to_string();
                    tokio::time::sleep(PAUSE).await;
                }
                Err(status) => return Err(status.to_string()),
            }
        }
        Err(format!("after {} s {last}", CHECKOUT_LIMIT.as_secs()))
    }
}

/// A client tries again then.
fn is_busy(status: &Status) -> bool {
    let codes = [Code::Unavailable, Code::ResourceExhausted, Code::DeadlineExceeded, Code::Cancelled];
    codes.contains(&status.code())
}

fn uuid(dice: &mut crate::dice::Dice) -> String {
    // Chance of its own: two runs of one seed on one system are two runs.
    let salt = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    crate::dice::Dice::new(dice.number(), u64::try_from(salt.as_nanos() & 0xffff_ffff).unwrap_or(0)).uuid7()
}

fn start(input: &CheckoutInput, mode: pb::Mode, request_id: String) -> pb::StartRequest {
    let type_url = samples::INPUT_URL.to_owned();
    pb::StartRequest {
        request_id,
        business_key: String::new(),
        definition: "checkout".to_owned(),
        mode: mode.into(),
        input: Some(prost_types::Any { type_url, value: input.encode_to_vec() }),
        wait_ms: WAIT_MS,
    }
}

fn within<T>(message: T, limit: Duration) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(limit);
    request
}

fn failed(what: &'static str) -> impl Fn(Status) -> TrafficError {
    move |status| TrafficError::Call(what, Box::new(status))
}

async fn connect(address: &str) -> Result<Channel, TrafficError> {
    let unreachable = |error| TrafficError::Connect(address.to_owned(), error);
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(unreachable)?;
    endpoint.connect_timeout(CALL_LIMIT).connect().await.map_err(unreachable)
}

/// Opens the accounts of a shop and fills them. Doing it again, on a system that has them, is no error.
async fn furnish(addresses: &BTreeMap<String, String>, names: &Names, run: &str) -> Result<(), TrafficError> {
    let address = |name| addresses.get(name).ok_or(TrafficError::Missing(name));
    let mut accounts = AccountServiceClient::new(connect(address("account")?).await?);
    let mut goods = InventoryServiceClient::new(connect(address("inventory")?).await?);
    let mut purses = PointsServiceClient::new(connect(address("points")?).await?);
    let Names { user, merchant, sku } = names;
    let key = |what: &str| format!("{what}-{user}-{run}");
    let pending = format!("MERCHANT_PENDING:{merchant}:USD");
    let wallet = format!("USER_WALLET:{user}:USD");
    for (account_id, owner, kind) in
        [(&pending, merchant, AccountType::Merchant), (&wallet, user, AccountType::UserWallet)]
    {
        let (account_id, owner, currency) = (account_id.clone(), owner.clone(), "USD".to_owned());
        let request = OpenRequest { account_id, owner, r#type: kind.into(), currency, floor: 0 };
        accounts.open(request).await.map_err(failed("Open"))?;
    }
    let (amount, idempotency_key) = (usd(PLENTY), key("wallet"));
    let deposit = DepositRequest { account_id: wallet, amount, idempotency_key };
    accounts.deposit(deposit).await.map_err(failed("Deposit"))?;
    let (quantity, idempotency_key) = (PLENTY, key("stock"));
    let restock = RestockRequest { sku: sku.clone(), quantity, idempotency_key };
    goods.restock(restock).await.map_err(failed("Restock"))?;
    let (points, idempotency_key) = (PLENTY, key("points"));
    let grant = GrantRequest { user_id: user.clone(), points, idempotency_key };
    purses.grant(grant).await.map_err(failed("Grant"))?;
    Ok(())
}
