//! A valid request for every method, and the accounts, goods and points that make it valid. Knows no rule.
use crate::deeds::{Branch, Call, DEEDS, Deed, service};
use crate::world::World;
use amends_dtm::Gid;
use amends_proto::pay::account::v1::{Account, AccountType, DepositRequest, OpenRequest, TransferRequest};
use amends_proto::pay::gateway::v1::{PayRequest, Risk};
use amends_proto::pay::inventory::v1::{Line as Goods, ReserveRequest, RestockRequest, Stock};
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::order::v1::{Line, MarkPaidRequest, PlaceRequest};
use amends_proto::pay::points::v1::{GrantRequest, PointsAccount, PointsRequest};
use amends_stack::Role;
use prost::Message;
use tonic::Code;

/// Who buys, who sells, what.
pub const USER: &str = "shopper";
pub const MERCHANT: &str = "shop";
pub const SKU: &str = "tea";
/// There is one of it.
pub const SCARCE: &str = "saffron";
/// The two accounts of every transfer here.
pub const WALLET: &str = "USER_WALLET:shopper:USD";
pub const PENDING: &str = "MERCHANT_PENDING:shop:USD";
/// Enough of everything for all tests.
const PLENTY: i64 = 1_000_000_000;

/// Which request a branch method takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    Place,
    MarkPaid,
    Reserve,
    Transfer,
    Points,
    Pay,
}

impl Body {
    /// A request that succeeds once, with new ids.
    pub async fn fresh(self, world: &World) -> Vec<u8> {
        match self {
            Body::Place => place().encode_to_vec(),
            Body::MarkPaid => mark_paid(&placed(world).await).encode_to_vec(),
            Body::Reserve => reserve().encode_to_vec(),
            Body::Transfer => transfer().encode_to_vec(),
            Body::Points => points().encode_to_vec(),
            Body::Pay => pay().encode_to_vec(),
        }
    }
}

/// What exists before any test, for reads.
pub struct Seeded {
    pub order: PlaceRequest,
    pub payment: PayRequest,
}

impl Seeded {
    pub fn new() -> Seeded {
        Seeded { order: place(), payment: pay() }
    }

    /// Makes it.
    pub async fn seed(&self, world: &World) {
        open(world, WALLET, USER, AccountType::UserWallet).await;
        open(world, PENDING, MERCHANT, AccountType::Merchant).await;
        deposit(world, WALLET, PLENTY).await;
        restock(world, SKU, PLENTY).await;
        restock(world, SCARCE, 1).await;
        grant(world, USER, PLENTY).await;
        done(world, "Place", &self.order.encode_to_vec()).await;
        done(world, "Charge", &self.payment.encode_to_vec()).await;
    }
}

/// Opens an account in USD.
pub async fn open(world: &World, account_id: &str, owner: &str, kind: AccountType) {
    let request = OpenRequest {
        account_id: account_id.into(),
        owner: owner.into(),
        r#type: kind.into(),
        currency: "USD".into(),
        floor: 0,
    };
    let _: Account = world.ask(Role::Account, &path(Role::Account, "Open"), request).await;
}

/// Brings money.
pub async fn deposit(world: &World, account_id: &str, minor_units: i64) {
    let amount = usd(minor_units);
    let request = DepositRequest { account_id: account_id.into(), amount, idempotency_key: id() };
    let _: Account = world.ask(Role::Account, &path(Role::Account, "Deposit"), request).await;
}

/// Gives points.
pub async fn grant(world: &World, user_id: &str, points: i64) {
    let request = GrantRequest { user_id: user_id.into(), points, idempotency_key: id() };
    let _: PointsAccount = world.ask(Role::Points, &path(Role::Points, "Grant"), request).await;
}

/// Brings goods.
pub async fn restock(world: &World, sku: &str, quantity: i64) {
    let goods = RestockRequest { sku: sku.into(), quantity, idempotency_key: id() };
    let _: Stock = world.ask(Role::Inventory, &path(Role::Inventory, "Restock"), goods).await;
}

/// Full name of a method of a participant.
pub fn path(role: Role, method: &str) -> String {
    format!("{}/{method}", service(role))
}

/// The deed whose forward method has this name.
pub fn deed(forward: &str) -> Deed {
    *DEEDS.iter().find(|deed| deed.forward == forward).unwrap()
}

/// Runs a forward call on a new branch, which must succeed.
pub async fn done(world: &World, forward: &str, body: &[u8]) -> Branch {
    let branch = deed(forward).branch();
    let reply = branch.call(world, Call::Forward, body).await;
    assert_eq!(reply.code, Code::Ok, "{forward}: {reply:?}");
    branch
}

/// An order that waits for its payment.
pub async fn placed(world: &World) -> PlaceRequest {
    let order = place();
    done(world, "Place", &order.encode_to_vec()).await;
    order
}

pub fn id() -> String {
    Gid::generate().to_string()
}

pub fn usd(minor_units: i64) -> Option<Money> {
    Some(Money { minor_units, currency: "USD".into() })
}

pub fn place() -> PlaceRequest {
    let order_id = id();
    PlaceRequest {
        out_trade_no: format!("T-{order_id}"),
        order_id,
        merchant_id: MERCHANT.into(),
        user_id: USER.into(),
        lines: vec![Line { sku: SKU.into(), quantity: 3, unit_price: usd(500) }],
        total: usd(1_500),
        pay_ttl_s: 60,
    }
}

pub fn mark_paid(order: &PlaceRequest) -> MarkPaidRequest {
    MarkPaidRequest { order_id: order.order_id.clone(), payment_id: id(), paid: order.total.clone() }
}

pub fn reserve() -> ReserveRequest {
    ReserveRequest {
        reservation_id: id(),
        order_id: id(),
        lines: vec![Goods { sku: SKU.into(), quantity: 3 }],
        hold_ttl_s: 60,
    }
}

pub fn transfer() -> TransferRequest {
    TransferRequest {
        transfer_id: id(),
        debit_account_id: WALLET.into(),
        credit_account_id: PENDING.into(),
        amount: usd(300),
        code: "WALLET_PAY".into(),
        order_id: id(),
        hold_ttl_s: 60,
    }
}

pub fn points() -> PointsRequest {
    PointsRequest { op_id: id(), user_id: USER.into(), order_id: id(), points: 100, basis: usd(100) }
}

pub fn pay() -> PayRequest {
    PayRequest {
        payment_id: id(),
        order_id: id(),
        merchant_id: MERCHANT.into(),
        user_id: USER.into(),
        amount: usd(1_100),
        psp: "sim".into(),
        method: "card".into(),
        card_token: "tok_ok".into(),
        risk: Some(Risk { ip: "192.0.2.1".into(), device_id: "d1".into(), card_fingerprint: "fp1".into() }),
        notify_url_id: "n1".into(),
    }
}
