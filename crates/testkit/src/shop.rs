//! One shop with one customer, both its own: what one story does is never seen by another. Knows prices.
use crate::checkout::Checkout;
use crate::clients::Clients;
use crate::holdings::Holdings;
use crate::patience::{Must as _, until};
use crate::world::World;
use amends_proto::amends::v1::Mode;
use amends_proto::pay::account::v1::{AccountType, DepositRequest, OpenRequest};
use amends_proto::pay::inventory::v1::RestockRequest;
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::points::v1::GrantRequest;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The currency of all stories.
const CURRENCY: &str = "USD";
/// What an order takes: packets of tea and their price, one pot and its price.
pub(crate) const TEA: (i64, i64) = (2, 500);
pub(crate) const POT: (i64, i64) = (1, 2_000);
/// What an order pays from the wallet, with points (each worth one minor unit), and by card.
pub(crate) const WALLET_PART: i64 = 600;
pub(crate) const POINTS_PART: i64 = 100;
pub(crate) const CARD_PART: i64 = 2_300;
/// 1 % comes back as points.
pub(crate) const EARN_BP: i32 = 100;
pub(crate) const EARNED: i64 = (WALLET_PART + CARD_PART) / 100;

const SEED_WALLET: i64 = 10_000;
const SEED_POINTS: i64 = 1_000;
const SEED_STOCK: i64 = 20;
/// How far a merchant may go below zero.
const MERCHANT_FLOOR: i64 = -1_000_000;

/// An amount in the currency of all stories.
pub(crate) fn usd(minor_units: i64) -> Money {
    Money { minor_units, currency: CURRENCY.to_owned() }
}

/// A shop, its merchant, its customer and its two goods.
pub struct Shop<'w> {
    /// The world it is in.
    pub world: &'w World,
    /// Who buys.
    pub user: String,
    /// Who sells.
    pub merchant: String,
    /// Sku of the tea.
    pub tea: String,
    /// Sku of the pots.
    pub pot: String,
    orders: AtomicUsize,
}

impl<'w> Shop<'w> {
    pub(crate) async fn furnish(world: &'w World, number: usize) -> Shop<'w> {
        let name = |what: &str| format!("{what}-{number}");
        let shop = Shop {
            world,
            user: name("user"),
            merchant: name("shop"),
            tea: name("tea"),
            pot: name("pot"),
            orders: AtomicUsize::new(0),
        };
        let clients = world.clients();
        tokio::join!(
            shop.open(&clients, shop.due(), &shop.merchant, AccountType::Merchant),
            shop.fill_wallet(&clients),
            shop.grant(&clients),
            shop.restock(&shop.tea, SEED_STOCK),
            shop.restock(&shop.pot, SEED_STOCK),
        );
        shop
    }

    /// Account of the customer's wallet.
    #[must_use]
    pub fn wallet(&self) -> String {
        format!("USER_WALLET:{}:{CURRENCY}", self.user)
    }

    /// Account in which the merchant's money waits.
    #[must_use]
    pub fn due(&self) -> String {
        format!("MERCHANT_PENDING:{}:{CURRENCY}", self.merchant)
    }

    /// An order for two packets of tea and a pot, paid with wallet, points and card, which nobody has placed yet.
    #[must_use]
    pub fn checkout(&self, mode: Mode) -> Checkout<'_, 'w> {
        let number = self.orders.fetch_add(1, Ordering::SeqCst);
        Checkout::new(self, mode, format!("{}-order-{number}", self.merchant))
    }

    /// Adds goods.
    ///
    /// # Panics
    /// If the inventory does not take them.
    pub async fn restock(&self, sku: &str, quantity: i64) {
        let idempotency_key = uuid::Uuid::now_v7().to_string();
        let restock = RestockRequest { sku: sku.to_owned(), quantity, idempotency_key };
        let mut inventory = self.world.clients().inventory;
        // A store that is busy says so, and asks to be asked again.
        until("restock", async || match inventory.restock(restock.clone()).await {
            Err(status) if status.code() == tonic::Code::FailedPrecondition => None,
            answer => Some(answer.must("restock")),
        })
        .await;
    }

    /// What everybody holds now.
    ///
    /// # Panics
    /// If somebody does not answer.
    pub async fn holdings(&self) -> Holdings {
        Holdings::read(self).await
    }

    /// What everybody holds when so many orders were paid, and nothing else happened.
    #[must_use]
    pub fn after(&self, orders: i64) -> Holdings {
        Holdings {
            wallet: SEED_WALLET - orders * WALLET_PART,
            due: orders * WALLET_PART,
            points: SEED_POINTS - orders * (POINTS_PART - EARNED),
            tea: SEED_STOCK - orders * TEA.0,
            pots: SEED_STOCK - orders * POT.0,
            card: orders * CARD_PART,
            ..Holdings::default()
        }
    }

    /// Demands that so many orders were paid, and that nothing else happened and nothing is held.
    ///
    /// # Panics
    /// Showing both.
    pub async fn holds_after(&self, orders: i64) {
        assert_eq!(self.holdings().await, self.after(orders), "{} after {orders} paid orders", self.user);
    }

    async fn open(&self, clients: &Clients, account_id: String, owner: &str, kind: AccountType) {
        let floor = if kind == AccountType::Merchant { MERCHANT_FLOOR } else { 0 };
        let (owner, currency) = (owner.to_owned(), CURRENCY.to_owned());
        let open = OpenRequest { account_id, owner, r#type: kind.into(), currency, floor };
        clients.accounts.clone().open(open).await.must("open an account");
    }

    async fn fill_wallet(&self, clients: &Clients) {
        self.open(clients, self.wallet(), &self.user, AccountType::UserWallet).await;
        let deposit = DepositRequest {
            account_id: self.wallet(),
            amount: Some(usd(SEED_WALLET)),
            idempotency_key: self.user.clone(),
        };
        clients.accounts.clone().deposit(deposit).await.must("deposit");
    }

    async fn grant(&self, clients: &Clients) {
        let (user_id, idempotency_key) = (self.user.clone(), self.user.clone());
        let grant = GrantRequest { user_id, points: SEED_POINTS, idempotency_key };
        clients.points.clone().grant(grant).await.must("grant points");
    }
}
