//! The demo's shop: its customers, goods and prices, and the calls that seed them. Knows no story.
use amends_proto::pay::account::v1::account_service_client::AccountServiceClient;
use amends_proto::pay::account::v1::{AccountType, DepositRequest, OpenRequest};
use amends_proto::pay::checkout::v1::{Card, CheckoutInput, Line};
use amends_proto::pay::inventory::v1::RestockRequest;
use amends_proto::pay::inventory::v1::inventory_service_client::InventoryServiceClient;
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::points::v1::GrantRequest;
use amends_proto::pay::points::v1::points_service_client::PointsServiceClient;
use amends_proto::pay::psp::v1::psp_service_client::PspServiceClient;
use amends_stack::{Role, Stack};
use anyhow::Context as _;
use tonic::transport::{Channel, Endpoint};

/// The one currency of the demo.
pub const CURRENCY: &str = "USD";
/// Who sells.
pub const MERCHANT: &str = "demo";
/// Who buy.
pub const USERS: [&str; 2] = ["alice", "bob"];
/// What is sold: sku, pieces per order, unit price.
pub const GOODS: [(&str, i64, i64); 2] = [("tea", 2, 500), ("teapot", 1, 2_000)];
/// What one order pays from the wallet, and with points (one point is worth one minor unit).
pub const WALLET_PART: i64 = 600;
/// Points burnt by one order.
pub const POINTS_PART: i64 = 100;
/// What one order pays by card.
pub const CARD_PART: i64 = 2_300;
/// 1 % of what wallet and card pay comes back as points.
pub const EARN_BP: i32 = 100;
/// Points earned by one order.
pub const POINTS_EARNED: i64 = (WALLET_PART + CARD_PART) * EARN_BP as i64 / 10_000;

const SEED_WALLET: i64 = 10_000;
const SEED_POINTS: i64 = 1_000;
const SEED_STOCK: i64 = 20;
/// How far a merchant's account may go below zero.
const MERCHANT_FLOOR: i64 = -1_000_000;

/// The shop's way to the services.
pub struct Shop {
    /// Wallets.
    pub accounts: AccountServiceClient<Channel>,
    /// Stock.
    pub inventory: InventoryServiceClient<Channel>,
    /// Points.
    pub points: PointsServiceClient<Channel>,
    /// Cards.
    pub psp: PspServiceClient<Channel>,
}

/// The account of a user's wallet.
pub fn wallet_of(user: &str) -> String {
    format!("USER_WALLET:{user}:{CURRENCY}")
}

/// The account in which the merchant's money waits.
pub fn merchant_account() -> String {
    format!("MERCHANT_PENDING:{MERCHANT}:{CURRENCY}")
}

/// An amount in the demo's currency.
pub fn usd(minor_units: i64) -> Money {
    Money { minor_units, currency: CURRENCY.to_owned() }
}

/// The order that every story is about: two packets of tea and a pot.
pub fn order(order_id: &str, out_trade_no: &str, user: &str, card_token: &str) -> CheckoutInput {
    let lines = GOODS.map(|(sku, quantity, price)| Line {
        sku: sku.to_owned(),
        quantity,
        unit_price: Some(usd(price)),
    });
    CheckoutInput {
        order_id: order_id.to_owned(),
        merchant_id: MERCHANT.to_owned(),
        out_trade_no: out_trade_no.to_owned(),
        user_id: user.to_owned(),
        lines: lines.into(),
        total: Some(usd(WALLET_PART + POINTS_PART + CARD_PART)),
        wallet: Some(usd(WALLET_PART)),
        points: POINTS_PART,
        points_value: Some(usd(POINTS_PART)),
        card: Some(Card {
            psp: "sim".to_owned(),
            method: "card".to_owned(),
            card_token: card_token.to_owned(),
            card_fingerprint: format!("fp_{user}"),
        }),
        earn_bp: EARN_BP,
        pay_ttl_s: 0,
    }
}

impl Shop {
    /// Connects to the services of the stack.
    pub async fn open(stack: &Stack) -> anyhow::Result<Shop> {
        Ok(Shop {
            accounts: AccountServiceClient::new(connect(stack, Role::Account).await?),
            inventory: InventoryServiceClient::new(connect(stack, Role::Inventory).await?),
            points: PointsServiceClient::new(connect(stack, Role::Points).await?),
            psp: PspServiceClient::new(connect(stack, Role::Psp).await?),
        })
    }

    /// Gives every customer a full wallet and points, and fills the shelves.
    pub async fn seed(&self) -> anyhow::Result<()> {
        self.open_account(merchant_account(), MERCHANT, AccountType::Merchant, MERCHANT_FLOOR).await?;
        for user in USERS {
            let account_id = wallet_of(user);
            self.open_account(account_id.clone(), user, AccountType::UserWallet, 0).await?;
            let deposit = DepositRequest {
                account_id,
                amount: Some(usd(SEED_WALLET)),
                idempotency_key: format!("seed-{user}"),
            };
            self.accounts.clone().deposit(deposit).await.context("deposit")?;
            let grant = GrantRequest {
                user_id: user.to_owned(),
                points: SEED_POINTS,
                idempotency_key: format!("seed-{user}"),
            };
            self.points.clone().grant(grant).await.context("grant points")?;
        }
        for (sku, _, _) in GOODS {
            let restock = RestockRequest {
                sku: sku.to_owned(),
                quantity: SEED_STOCK,
                idempotency_key: format!("seed-{sku}"),
            };
            self.inventory.clone().restock(restock).await.context("restock")?;
        }
        Ok(())
    }

    async fn open_account(
        &self,
        account_id: String,
        owner: &str,
        kind: AccountType,
        floor: i64,
    ) -> anyhow::Result<()> {
        let owner = owner.to_owned();
        let currency = CURRENCY.to_owned();
        let request = OpenRequest { account_id, owner, r#type: kind.into(), currency, floor };
        self.accounts.clone().open(request).await.context("open an account")?;
        Ok(())
    }
}

async fn connect(stack: &Stack, role: Role) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", stack.address(role)))?;
    endpoint.connect().await.with_context(|| format!("connect to {role}"))
}
