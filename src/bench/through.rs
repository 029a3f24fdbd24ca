//! The orchestrator's side: `Start`, waiting for the end, of no-op plans or of checkouts. Knows no DTM.
use super::ATTEMPT_LIMIT;
use super::case::Shape;
use super::wire::Wire;
use super::witness::Witness;
use crate::demo::shop::{self, Shop};
use crate::output::status_name;
use crate::start::checkout_request;
use amends_dtm::Gid;
use amends_proto::amends::v1::transactions_client::TransactionsClient;
use amends_proto::amends::v1::{BenchInput, Mode, StartRequest, StartResponse, Status, WaitRequest};
use amends_proto::pay::account::v1::DepositRequest;
use amends_proto::pay::inventory::v1::RestockRequest;
use amends_proto::pay::points::v1::GrantRequest;
use anyhow::{Context as _, ensure};
use prost::Message as _;
use std::sync::Arc;
use tonic::Request;
use tonic::metadata::MetadataValue;
use uuid::Uuid;

/// The caller under whose name global transactions are started.
const CALLER: &str = "bench";
/// Waits for an end behind that of `Start`: one that was left behind by 255 others is late, not stuck, and its time counts.
const MORE_WAITS: u32 = 3;
/// More money and points, and more goods, than any run can use up.
const PLENTY: i64 = 1_000_000_000_000;
const PLENTY_OF_GOODS: i64 = 900_000_000;

/// What is started.
#[derive(Debug, Clone, Copy)]
pub enum Deed {
    /// Steps that do nothing.
    Noop(Shape),
    /// Orders on the five services.
    Checkout,
}

/// Runs global transactions of one kind through the orchestrator.
pub struct Through {
    client: TransactionsClient<Wire>,
    deed: Deed,
    witness: Arc<Witness>,
}

impl Through {
    pub async fn new(target: &str, deed: Deed, witness: &Arc<Witness>) -> anyhow::Result<Through> {
        let origin = format!("http://{target}").parse().context("an orchestrator's address")?;
        let client = TransactionsClient::with_origin(Wire::connect(target).await?, origin);
        Ok(Through { client, deed, witness: Arc::clone(witness) })
    }

    /// From `Start` to its answer, which waits for the end.
    pub async fn one(&self) -> anyhow::Result<Gid> {
        let wanted = self.deed.end();
        let request = match self.deed {
            Deed::Noop(shape) => noop_request(shape)?,
            Deed::Checkout => checkout(),
        };
        let request = StartRequest { wait_ms: i32::try_from(ATTEMPT_LIMIT.as_millis())?, ..request };
        let started = self.start(request).await?;
        let gid = Gid::parse(&started.gid)?;
        let (mut status, mut reason) = (started.status(), started.reason);
        for _ in 0..MORE_WAITS {
            if !matches!(status, Status::Accepted | Status::Running | Status::Compensating) {
                break;
            }
            (status, reason) = self.wait(&gid).await?;
        }
        ensure!(
            status == wanted,
            "{gid} ended {} instead of {}: {reason}",
            status.as_str_name(),
            wanted.as_str_name()
        );
        Ok(gid)
    }

    async fn wait(&self, gid: &Gid) -> anyhow::Result<(Status, String)> {
        let request =
            WaitRequest { gid: gid.to_string(), timeout_ms: i32::try_from(ATTEMPT_LIMIT.as_millis())? };
        let now = self.client.clone().wait(request).await.context("wait")?.into_inner();
        Ok((now.status(), now.reason))
    }

    /// From `Start` to its answer, which waits for nothing.
    pub async fn begin(&self) -> anyhow::Result<Gid> {
        let request = match self.deed {
            Deed::Noop(shape) => noop_request(shape)?,
            Deed::Checkout => checkout(),
        };
        Ok(Gid::parse(&self.start(request).await?.gid)?)
    }

    /// A client of the orchestrator, for what is none of its deeds.
    pub fn client(&self) -> TransactionsClient<Wire> {
        self.client.clone()
    }

    async fn start(&self, request: StartRequest) -> anyhow::Result<StartResponse> {
        let mut request = Request::new(request);
        request.metadata_mut().insert("amends-caller", MetadataValue::from_static(CALLER));
        Ok(self.client.clone().start(request).await.context("start")?.into_inner())
    }

    /// The client has its answer: of a sample, the witness looks whether the end is durable.
    pub async fn answered(&self, gid: &Gid) {
        if Witness::samples(gid.as_str()) {
            self.witness.answered(gid.as_str(), &status_name(self.deed.end())).await;
        }
    }

    /// That history's own file has the end.
    pub async fn ended(&self, gid: &Gid) -> anyhow::Result<()> {
        self.witness.ended(gid.as_str(), &status_name(self.deed.end())).await
    }
}

impl Deed {
    fn end(self) -> Status {
        match self {
            Deed::Noop(shape) => shape.status(),
            Deed::Checkout => Status::Succeeded,
        }
    }
}

fn noop_request(shape: Shape) -> anyhow::Result<StartRequest> {
    let refusing = (0..shape.steps).find(|step| shape.refuses(*step)).map_or(0, |step| step + 1);
    let input = BenchInput { steps: i32::try_from(shape.steps)?, refuse_branch: i32::try_from(refusing)? };
    Ok(StartRequest {
        request_id: Uuid::now_v7().to_string(),
        business_key: String::new(),
        definition: "bench".to_owned(),
        mode: shape.mode.into(),
        input: Some(prost_types::Any {
            type_url: "type.googleapis.com/amends.v1.BenchInput".to_owned(),
            value: input.encode_to_vec(),
        }),
        wait_ms: 0,
    })
}

fn checkout() -> StartRequest {
    let id = Uuid::now_v7();
    // Letters only: digits could make a trade number look like a card number.
    let letters = id.as_bytes().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let trade_no: String = letters.map(|half| char::from(b'a' + half)).collect();
    let user = shop::USERS[usize::from(id.as_bytes()[15]) % shop::USERS.len()];
    let order = shop::order("", &trade_no, user, "tok_ok");
    checkout_request(id.to_string(), String::new(), Mode::Saga, &order)
}

/// Fills wallets, points and shelves.
pub async fn seed(shop: &Shop) -> anyhow::Result<()> {
    shop.seed().await?;
    for user in shop::USERS {
        let idempotency_key = format!("bench-{user}");
        let deposit = DepositRequest {
            account_id: shop::wallet_of(user),
            amount: Some(shop::usd(PLENTY)),
            idempotency_key: idempotency_key.clone(),
        };
        shop.accounts.clone().deposit(deposit).await.context("deposit")?;
        let grant = GrantRequest { user_id: user.to_owned(), points: PLENTY, idempotency_key };
        shop.points.clone().grant(grant).await.context("grant points")?;
    }
    for (sku, _, _) in shop::GOODS {
        let idempotency_key = format!("bench-{sku}");
        let restock = RestockRequest { sku: sku.to_owned(), quantity: PLENTY_OF_GOODS, idempotency_key };
        shop.inventory.clone().restock(restock).await.context("restock")?;
    }
    Ok(())
}
